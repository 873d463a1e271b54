//! Asks that are handed on: `ReplyTo::forward`.

use actor_core::ForwardError;
use actor_core::prelude::*;

use super::support::*;

#[derive(Debug, PartialEq, Eq)]
pub struct Missing(u64);

/// Where answers come from.
#[actor]
pub struct Back(u64);

#[actor]
impl Back {
    pub fn get(&self) -> u64 {
        self.0
    }
    pub fn add(&mut self, n: u64) -> u64 {
        self.0 += n;
        self.0
    }
    pub fn text(&self) -> String {
        self.0.to_string()
    }
    pub fn find(&self, n: u64) -> Result<u64, Missing> {
        if n == self.0 { Ok(n) } else { Err(Missing(n)) }
    }
    pub fn set(&mut self, n: u64) {
        self.0 = n;
    }
    pub fn crash(&self) -> u64 {
        panic!("at the back")
    }
    pub fn onward(&self, to: Vec<Addr<Back>>, reply: ReplyTo<u64>) {
        match to.split_first() {
            Some((next, rest)) => reply.forward(next).onward(rest.to_vec()).unwrap(),
            None => reply.send(self.0).unwrap(),
        }
    }
    pub fn hold(&mut self, entered: Flag, release: Flag) {
        entered.raise();
        release.wait();
    }
}

/// Answers nothing itself.
#[actor]
pub struct Front(Addr<Back>);

#[actor]
impl Front {
    pub fn get(&self, reply: ReplyTo<u64>) {
        reply.forward(&self.0).get().unwrap();
    }
    pub fn add(&self, n: u64, reply: ReplyTo<u64>) {
        reply.try_forward(&self.0).add(n).unwrap();
    }
    pub fn text(&self, reply: ReplyTo<String>) {
        reply.forward(&self.0).text().unwrap();
    }
    pub fn find(&self, n: u64, reply: ReplyTo<Result<u64, Missing>>) {
        reply.forward(&self.0).find(n).unwrap();
    }
    pub fn set(&self, n: u64, reply: ReplyTo<()>) {
        reply.forward(&self.0).set(n).unwrap();
    }
    pub fn crash(&self, reply: ReplyTo<u64>) {
        reply.forward(&self.0).crash().unwrap();
    }
    /// Answers itself if it cannot hand on.
    pub fn or(&self, other: u64, reply: ReplyTo<u64>) {
        if let Err(error) = reply.forward(&self.0).add(3) {
            assert!(error.is_closed());
            let (message, reply) = error.into_parts();
            assert!(matches!(message, BackMsg::Add { n: 3 }));
            reply.send(other).unwrap();
        }
    }
    pub fn wrong(&self, reply: ReplyTo<u64>) {
        reply.forward_message(&self.0, BackMsg::Text {}).unwrap();
    }
    pub fn right(&self, reply: ReplyTo<u64>) {
        reply.forward_message(&self.0, BackMsg::Get {}).unwrap();
    }
}

fn pair(sys: &System) -> (Addr<Front>, Addr<Back>) {
    let back = sys.spawn(Back(7)).unwrap();
    (sys.spawn(Front(back.clone())).unwrap(), back)
}

#[test]
fn the_other_actor_answers_the_original_asker() {
    let sys = system(1);
    let (front, _back) = pair(&sys);
    assert_eq!(front.ask().get().unwrap(), 7);
    assert_eq!(front.ask().add(2).unwrap(), 9);
    assert_eq!(front.ask().text().unwrap(), "9");
    front.ask().set(1).unwrap();
    assert_eq!(front.request().get().wait().unwrap(), 1);
    assert_eq!(front.ask().find(1).unwrap(), 1);
    let missing = front.ask().find(5).unwrap_err();
    assert_eq!(missing.into_handler(), Some(Missing(5)));
}

#[test]
fn who_forwards_does_not_wait_for_the_answer() {
    let sys = system(1);
    let (front, back) = pair(&sys);
    let (entered, release) = (Flag::new(), Flag::new());
    back.tell().hold(entered.clone(), release.clone()).unwrap();
    entered.wait();
    let asked = [front.request().get(), front.request().add(1)];
    // It has handled both, and the back is still held.
    until(|| back.queued() == 2);
    release.raise();
    let answers = asked.map(|it| it.wait().unwrap());
    assert_eq!(answers, [7, 8]);
}

#[test]
fn an_ask_may_be_handed_on_many_times() {
    let sys = system(2);
    let backs: Vec<_> = (0..20).map(|n| sys.spawn(Back(n)).unwrap()).collect();
    let answer = backs[0].ask().onward(backs[1..].to_vec()).unwrap();
    assert_eq!(answer, 19);
}

#[test]
fn a_target_that_is_dead_gives_message_and_port_back() {
    let sys = system(1);
    let (front, back) = pair(&sys);
    back.stop();
    end(&back);
    assert_eq!(front.ask().or(11).unwrap(), 11);
}

#[test]
fn a_full_target_gives_message_and_port_back_or_is_waited_for() {
    let sys = system(1);
    let (narrow, release) = Narrow::<1>::full(&sys);
    let to = narrow.clone();
    let relay = sys.spawn(Relay(to)).unwrap();
    assert_eq!(relay.ask().try_seen().unwrap(), [404]);
    let waits = relay.request().seen();
    until(|| relay.queued() == 0);
    release.raise();
    assert_eq!(waits.wait().unwrap(), [0]);
}

#[actor]
pub struct Relay(Addr<Narrow<1>>);

#[actor]
impl Relay {
    pub fn try_seen(&self, reply: ReplyTo<Vec<u64>>) {
        match reply.try_forward(&self.0).seen() {
            Err(ForwardError::Full(NarrowMsg::Seen, reply)) => reply.send(vec![404]).unwrap(),
            other => panic!("{other:?}"),
        }
    }
    pub fn seen(&self, reply: ReplyTo<Vec<u64>>) {
        reply.forward(&self.0).seen().unwrap();
    }
}

#[test]
fn what_becomes_of_the_target_becomes_of_the_ask_and_not_what_becomes_of_who_forwarded() {
    let sys = system(1);
    let (front, back) = pair(&sys);
    assert!(matches!(
        front.ask().crash(),
        Err(AskError::NoReply(Some(ExitReason::Panicked(why)))) if &*why == "at the back"
    ));
    end(&back);

    let (front, back) = pair(&sys);
    let (entered, release) = (Flag::new(), Flag::new());
    back.tell().hold(entered.clone(), release.clone()).unwrap();
    entered.wait();
    let asked = front.request().get();
    until(|| back.queued() == 1);
    front.kill();
    end(&front);
    release.raise();
    assert_eq!(asked.wait().unwrap(), 7);
}

#[test]
fn a_message_that_was_told_is_told_on() {
    let sys = system(1);
    let (front, back) = pair(&sys);
    front.tell().set(4).unwrap();
    front.ask().get().unwrap();
    assert_eq!(back.ask().get().unwrap(), 4);
}

#[test]
fn a_message_as_a_value_is_checked_when_it_is_answered() {
    let sys = system(1);
    let (front, _back) = pair(&sys);
    assert_eq!(front.ask().right().unwrap(), 7);
    assert!(matches!(front.ask().wrong(), Err(AskError::NoReply(None))));
}

#[test]
fn a_port_may_be_handed_on_by_a_thread_long_after() {
    let sys = system(1);
    let back = sys.spawn(Back(7)).unwrap();
    let (sender, ports) = std::sync::mpsc::channel();
    let keeper = sys.spawn(Keeper(sender)).unwrap();
    let asked = keeper.request().keep();
    let reply = ports.recv().unwrap();
    keeper.stop();
    end(&keeper);
    std::thread::spawn(move || reply.forward(&back).add(1).unwrap())
        .join()
        .unwrap();
    assert_eq!(asked.wait().unwrap(), 8);
}

#[actor]
pub struct Keeper(std::sync::mpsc::Sender<ReplyTo<u64>>);

#[actor]
impl Keeper {
    pub fn keep(&self, reply: ReplyTo<u64>) {
        let _ = self.0.send(reply);
    }
}
