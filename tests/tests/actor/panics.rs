//! Panics in destructors: of states, of messages, of the panics' own payloads. Each ends at most the actor it is in.

use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actor_core::prelude::*;

use super::support::*;

/// Panics when it is dropped.
pub struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("{}", self.0);
        }
    }
}

/// Whether the only worker still does its work.
#[track_caller]
fn goes_on(sys: &System) {
    let probe = sys.spawn(Probe::default()).unwrap();
    for n in 0..3 {
        probe.ask().within(LIMIT).note(n).unwrap();
    }
    probe.stop();
    assert_eq!(end(&probe), ExitReason::Normal);
}

#[test]
fn in_the_drop_of_the_state() {
    let sys = system(1);
    let armed = || Probe {
        owned: vec![Box::new(Bomb("state"))],
        ..Probe::default()
    };
    let probe = sys.spawn(armed()).unwrap();
    probe.stop();
    assert_eq!(end(&probe), ExitReason::Panicked("state".into()));

    let probe = sys.spawn(armed()).unwrap();
    probe.kill();
    assert_eq!(end(&probe), ExitReason::Killed, "the worse reason stays");

    let probe = sys.spawn(armed()).unwrap();
    perform(&probe, |_, _| panic!("handler"));
    assert_eq!(end(&probe), ExitReason::Panicked("handler".into()));
    goes_on(&sys);
}

#[test]
fn in_the_drop_of_a_handled_message() {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    let asked = probe.ask().carry(Box::new(Bomb("message")));
    let told = ExitReason::Panicked("message".into());
    assert!(matches!(asked, Err(AskError::NoReply(Some(why))) if why == told));
    assert_eq!(end(&probe), told);
    goes_on(&sys);
}

#[test]
fn in_the_drop_of_queued_messages_which_are_all_accounted_for() {
    let sys = system(1);
    let events = sys.events();
    let alive = Arc::default();
    let probe = sys.spawn(Probe::default()).unwrap();
    let release = hold(&probe);
    let mut asks = Vec::new();
    for _ in 0..3 {
        probe.tell().carry(Box::new(Bomb("queued"))).unwrap();
        let load = Counted::new(&alive);
        asks.push(probe.request().carry(Box::new((Bomb("asked"), load))));
        probe.tell().carry(Box::new(Counted::new(&alive))).unwrap();
    }
    probe.stop();
    release.raise();
    for asked in asks {
        let told = asked.wait();
        assert!(matches!(
            told,
            Err(AskError::NoReply(Some(ExitReason::Normal)))
        ));
    }
    assert_eq!(dead_letters(&events, probe.id()), 6);
    assert_eq!(end(&probe), ExitReason::Normal);
    until(|| alive.load(Ordering::SeqCst) == 0);
    goes_on(&sys);
}

#[test]
fn in_the_drop_of_an_answer_that_nobody_waits_for() {
    let sys = system(1);
    let armed = sys.spawn(Armed).unwrap();
    armed.tell().bomb().unwrap();
    assert_eq!(end(&armed), ExitReason::Panicked("answer".into()));
    goes_on(&sys);
}

/// Answers with a bomb.
#[actor]
pub struct Armed;

#[actor]
impl Armed {
    pub fn bomb(&self) -> Bomb {
        Bomb("answer")
    }
}

/// A panic's payload that panics when it is dropped, with another such payload, so many times.
struct Nested(u32);

impl Drop for Nested {
    fn drop(&mut self) {
        if self.0 > 0 && !std::thread::panicking() {
            panic_any(Nested(self.0 - 1));
        }
    }
}

/// Panics with such a payload when it is dropped.
struct NestedBomb;

impl Drop for NestedBomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic_any(Nested(3));
        }
    }
}

/// Panics with such a payload wherever it is told to.
#[actor]
struct Nest {
    start: bool,
    stop: bool,
    _drop: Option<NestedBomb>,
}

#[actor]
impl Nest {
    #[on_start]
    fn start(&mut self) {
        if self.start {
            panic_any(Nested(3));
        }
    }
    #[on_stop]
    fn stop(&mut self) {
        if self.stop {
            panic_any(Nested(3));
        }
    }
    pub fn boom(&self) {
        panic_any(Nested(3));
    }
    pub fn take(&self, load: Box<dyn Send>) {
        drop(load);
    }
    pub fn wait(&self, entered: Flag, go: Flag) {
        entered.raise();
        go.wait();
    }
}

/// With a body that does so.
#[actor]
struct NestBody;

#[actor]
impl NestBody {
    fn run(self, _inbox: Inbox<Self>) -> Exit {
        panic_any(Nested(3));
    }
}

#[test]
fn in_the_drop_of_the_payload_of_a_panic() {
    let sys = system(1);
    let nest = |start, stop, drop: bool| Nest {
        start,
        stop,
        _drop: drop.then(|| NestedBomb),
    };
    let nameless = ExitReason::Panicked("a panic whose payload is not a string".into());

    let handler = sys.spawn(nest(false, true, true)).unwrap();
    let asked = handler.ask().boom();
    assert!(matches!(asked, Err(AskError::NoReply(Some(why))) if why == nameless));
    assert_eq!(end(&handler), nameless);
    goes_on(&sys);

    let started = sys.spawn(nest(true, false, true));
    assert!(matches!(started, Err(SpawnError::Start(_))));
    goes_on(&sys);

    for (stop, drop) in [(true, false), (false, true), (true, true)] {
        let addr = sys.spawn(nest(false, stop, drop)).unwrap();
        addr.stop();
        assert_eq!(end(&addr), nameless);
        goes_on(&sys);
    }

    let messages = sys.spawn(nest(false, false, false)).unwrap();
    let (entered, go) = (Flag::new(), Flag::new());
    messages.tell().wait(entered.clone(), go.clone()).unwrap();
    entered.wait();
    let behind: Vec<_> = (0..3)
        .map(|_| {
            messages.tell().take(Box::new(NestedBomb)).unwrap();
            messages.request().take(Box::new(NestedBomb))
        })
        .collect();
    messages.stop();
    go.raise();
    for asked in behind {
        assert!(matches!(
            asked.wait(),
            Err(AskError::NoReply(Some(ExitReason::Normal)))
        ));
    }
    assert_eq!(end(&messages), ExitReason::Normal);
    goes_on(&sys);

    assert_eq!(end(&sys.spawn(NestBody).unwrap()), nameless);
    goes_on(&sys);
    assert!(sys.shutdown(LIMIT).unwrap().is_clean());
}
