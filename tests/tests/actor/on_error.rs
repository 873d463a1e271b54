//! An `Err` from a handler whose message was only told.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{Event, Who};

use super::support::*;

/// With `Display`.
#[derive(Debug, PartialEq)]
pub struct Broke(u64);

impl fmt::Display for Broke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} short", self.0)
    }
}

impl std::error::Error for Broke {}

/// With `Debug` alone.
#[derive(Debug)]
pub struct Debugged(#[expect(dead_code, reason = "shown")] u64);

/// With neither.
pub struct Mute;

/// Says nothing of errors.
#[actor]
pub struct Plain;

#[actor]
impl Plain {
    pub fn pay(&mut self, n: u64) -> Result<u64, Broke> {
        if n > 3 { Err(Broke(n - 3)) } else { Ok(n) }
    }
    pub fn debugged(&mut self) -> Result<(), Debugged> {
        Err(Debugged(7))
    }
    pub fn mute(&mut self) -> Result<(), Mute> {
        Err(Mute)
    }
    pub fn boxed(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Err("in a box".into())
    }
    pub fn alias(&mut self) -> std::io::Result<()> {
        Err(std::io::Error::other("an alias"))
    }
    pub fn later(&mut self, reply: ReplyTo<Result<(), Broke>>) {
        let _ = reply.send(Err(Broke(1)));
    }
    pub fn hold(&mut self, entered: Flag, release: Flag) -> Result<(), Broke> {
        entered.raise();
        release.wait();
        Err(Broke(9))
    }
    pub fn raise(&mut self, flag: Flag) {
        flag.raise();
    }
}

/// Hears of them.
#[actor]
pub struct Hears {
    heard: Sender<(&'static str, String, Option<u64>)>,
}

#[actor]
impl Hears {
    pub fn pay(&mut self, n: u64) -> Result<u64, Broke> {
        if n > 3 { Err(Broke(n - 3)) } else { Ok(n) }
    }
    pub fn r#match(&mut self) -> Result<(), Debugged> {
        Err(Debugged(7))
    }
    pub fn fatal(&mut self) -> Result<(), &'static str> {
        Err("fatal")
    }
    pub fn worse(&mut self) -> Result<(), &'static str> {
        Err("worse")
    }
    pub fn done(&self) {}

    #[on_error]
    fn failed(&mut self, error: HandlerError, cx: &mut Cx<Self>) {
        let known = error.downcast_ref::<Broke>().map(|broke| broke.0);
        let heard = (error.message(), error.to_string(), known);
        self.heard.send(heard).unwrap();
        match error.downcast::<&'static str>() {
            Ok("worse") => panic!("in the hook"),
            Ok(_) => cx.exit(Exit::failed("as it says")),
            Err(_) => {}
        }
    }
}

type Heard = Receiver<(&'static str, String, Option<u64>)>;

fn hears(sys: &System) -> (Addr<Hears>, Heard) {
    let (heard, receiver) = channel();
    (sys.spawn(Hears { heard }).unwrap(), receiver)
}

fn plain(sys: &System) -> Addr<Plain> {
    sys.spawn(Plain).unwrap()
}

#[test]
fn an_error_that_was_only_told_ends_the_actor_as_failed() {
    let sys = system(1);
    let plain = plain(&sys);
    plain.tell().pay(3).unwrap();
    assert_eq!(plain.ask().pay(2).unwrap(), 2, "an Ok is nothing");
    plain.tell().pay(5).unwrap();
    assert_eq!(end(&plain), ExitReason::failed("2 short"));
}

#[test]
fn what_is_queued_behind_it_is_not_handled() {
    let sys = system(1);
    let events = sys.events();
    let plain = plain(&sys);
    let (entered, release, behind) = (Flag::new(), Flag::new(), Flag::new());
    plain.tell().hold(entered.clone(), release.clone()).unwrap();
    entered.wait();
    plain.tell().raise(behind.clone()).unwrap();
    let asked = plain.request().pay(1);
    release.raise();
    let why = ExitReason::failed("9 short");
    assert!(matches!(asked.wait(), Err(AskError::NoReply(Some(told))) if told == why));
    assert_eq!(end(&plain), why);
    assert_eq!(dead_letters(&events, plain.id()), 1);
    assert!(!behind.is_raised());
}

#[test]
fn the_error_of_an_ask_goes_to_the_asker_alone() {
    let sys = system(1);
    let (hears, heard) = hears(&sys);
    let asked = hears.ask().pay(9).unwrap_err();
    assert_eq!(asked.into_handler(), Some(Broke(6)));
    let requested = hears.request().pay(8).wait().unwrap_err();
    assert_eq!(requested.into_handler(), Some(Broke(5)));
    assert!(heard.try_recv().is_err());
}

#[test]
fn the_error_of_an_ask_that_was_given_up_is_dropped() {
    let sys = system(1);
    let (hears, heard) = hears(&sys);
    drop(hears.request().pay(9));
    hears.ask().done().unwrap();
    assert!(heard.try_recv().is_err());
}

#[test]
fn the_hook_is_called_instead_and_the_actor_goes_on() {
    let sys = system(1);
    let (hears, heard) = hears(&sys);
    hears.tell().pay(7).unwrap();
    hears.try_tell().r#match().unwrap();
    hears.send(HearsMsg::Pay { n: 5 }).unwrap();
    hears.ask().done().unwrap();
    let all: Vec<_> = heard.try_iter().collect();
    assert_eq!(
        all,
        [
            ("pay", "4 short".to_owned(), Some(4)),
            ("match", "Debugged(7)".to_owned(), None),
            ("pay", "2 short".to_owned(), Some(2)),
        ]
    );
}

#[test]
fn the_hook_may_end_the_actor_or_panic() {
    let sys = system(1);
    let (first, _heard) = hears(&sys);
    first.tell().fatal().unwrap();
    assert_eq!(end(&first), ExitReason::failed("as it says"));
    let (second, _heard) = hears(&sys);
    second.tell().worse().unwrap();
    assert_eq!(end(&second), ExitReason::Panicked("in the hook".into()));
}

#[test]
fn an_error_is_displayed_or_else_debugged_or_else_named() {
    let sys = system(1);
    type Tell = fn(&Addr<Plain>) -> Result<(), TellError<PlainMsg>>;
    let cases: [(Tell, &str); 4] = [
        (|addr| addr.tell().debugged(), "Debugged(7)"),
        (|addr| addr.tell().boxed(), "in a box"),
        (|addr| addr.tell().alias(), "an alias"),
        (|addr| addr.tell().mute(), std::any::type_name::<Mute>()),
    ];
    for (tell, text) in cases {
        let plain = plain(&sys);
        tell(&plain).unwrap();
        assert_eq!(end(&plain), ExitReason::failed(text));
    }
}

#[test]
fn it_is_an_event_with_a_hook_and_without() {
    let sys = system(1);
    let events = sys.events();
    let failed = |id| {
        event(&events, |event| match event {
            Event::HandlerFailed {
                who: Who { id: whose, .. },
                message,
                error,
                ..
            } if whose == id => Some((message, error)),
            _ => None,
        })
    };
    let (hears, _heard) = hears(&sys);
    hears.tell().pay(4).unwrap();
    assert_eq!(failed(hears.id()), ("pay", "1 short".into()));
    let plain = plain(&sys);
    plain.tell().alias().unwrap();
    assert_eq!(failed(plain.id()), ("alias", "an alias".into()));
}

#[test]
fn an_error_by_a_port_that_nobody_waits_at_is_the_handlers_own_affair() {
    let sys = system(1);
    let plain = plain(&sys);
    plain.tell().later().unwrap();
    assert_eq!(plain.ask().pay(1).unwrap(), 1);
}

#[test]
fn a_timers_message_was_told() {
    let sys = system(1);
    let plain = plain(&sys);
    plain.after(Duration::ZERO).pay(4);
    assert_eq!(end(&plain), ExitReason::failed("1 short"));
}

#[test]
fn a_supervisor_restarts_what_an_error_has_ended() {
    let sys = system(1);
    let sup = Supervisor::builder().start(&sys).unwrap();
    let child = ChildSpec::new("plain", || Plain).restart(Restart::Transient);
    let plain = sup.start_child(child).unwrap();
    let events = sys.events();
    plain.tell().pay(4).unwrap();
    assert_eq!(plain.ask().pay(1).unwrap(), 1, "the next life");
    event(&events, |event| {
        matches!(event, Event::Restarted { .. }).then_some(())
    });
}
