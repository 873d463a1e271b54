//! Both bodies, hooks of every shape, results behind aliases, methods under `cfg`.
use actor_core::prelude::*;

type Result<T> = std::result::Result<T, String>;

#[actor(mailbox = 2 + 2, stack = 64 * 1024, name = "full")]
#[derive(Default)]
enum Full {
    #[default]
    Off,
    On,
}

#[actor]
impl Full {
    pub const START: Self = Self::Off;

    #[on_start]
    fn start(&mut self) -> Result<()> {
        Ok(())
    }
    #[on_stop]
    fn stop(&mut self, reason: &ExitReason, cx: &mut Cx<Self>) {
        let _ = (reason, cx);
    }
    pub fn aliased(&self) -> Result<u8> {
        Err("off".to_owned())
    }
    pub fn io(&self) -> std::io::Result<u8> {
        Ok(1)
    }
    pub fn formatted(&self) -> std::fmt::Result {
        Ok(())
    }
    #[cfg(any())]
    pub fn either(&self, what: NoSuchType) -> NoSuchType {
        what
    }
    #[cfg(not(any()))]
    pub fn either(&self, what: u8) -> u8 {
        what
    }
    pub fn on(&mut self, cx: &mut Cx<Self>) {
        let _ = cx;
        *self = Self::On;
    }
    fn private(&self) {}
    pub fn new() -> Self {
        Self::default().private();
        Self::On
    }
}

#[actor]
struct Owner;

#[actor(message = std::result::Result<u8, String>)]
impl Owner {
    #[on_start]
    fn start(&mut self, cx: &mut Cx<Self>) {
        let _ = cx;
    }
    fn run(self, inbox: Inbox<Self>) -> Exit {
        while let Ok(Ok(_)) = inbox.recv() {}
        Exit::Normal
    }
}

fn check(full: &Addr<Full>, owner: &Addr<Owner>) {
    let _: std::result::Result<u8, AskError<FullMsg, String>> = full.ask().aliased();
    let _: std::result::Result<u8, AskError<FullMsg, std::io::Error>> = full.ask().io();
    let _: std::result::Result<(), AskError<FullMsg, std::fmt::Error>> = full.ask().formatted();
    let _ = full.send(FullMsg::Either { what: 1 });
    let _ = full.send(FullMsg::On);
    let _ = owner.send(Err(String::new()));
}

#[test]
fn compiles() {
    let _ = (check, Full::new(), Full::START);
}
