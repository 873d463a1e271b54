//! The system lane: what is promised of signals, whatever they tell of.

use std::sync::mpsc;

use actor_core::prelude::*;
use actor_core::{Event, MonitorId};

use super::support::*;

/// Notes what it handles, in order: a message's number, or the text of a signal's reason.
#[actor(mailbox = 2)]
struct Journal {
    lines: Vec<String>,
    /// What its hook does once.
    first: Option<Box<dyn FnOnce(&mut Cx<Journal>) + Send>>,
}

#[actor]
impl Journal {
    pub fn note(&mut self, n: u64) {
        self.lines.push(n.to_string());
    }

    pub fn hold(&mut self, cx: &mut Cx<Self>, entered: Flag, release: Flag) {
        cx.trap_exits(true);
        entered.raise();
        release.wait();
    }

    pub fn watch(&mut self, cx: &mut Cx<Self>, others: Vec<Addr<Probe>>) -> Vec<MonitorId> {
        others.iter().map(|other| cx.monitor(other)).collect()
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.clone()
    }

    #[on_signal]
    fn signal(&mut self, cx: &mut Cx<Self>, signal: Signal) {
        self.lines.push(signal.reason().to_string());
        if let Some(first) = self.first.take() {
            first(cx);
        }
    }
}

fn journal() -> Journal {
    Journal {
        lines: Vec::new(),
        first: None,
    }
}

#[test]
fn signals_come_before_the_messages_that_wait_in_order_and_past_a_full_mailbox() {
    let sys = system(1);
    let journal = sys.spawn(journal()).unwrap();
    let (entered, release) = (Flag::new(), Flag::new());
    journal
        .tell()
        .hold(entered.clone(), release.clone())
        .unwrap();
    entered.wait();
    for n in 1..=2 {
        journal.try_tell().note(n).unwrap();
    }
    assert!(journal.try_tell().note(3).is_err(), "it is full");
    for n in 0..1_000 {
        journal.exit(ExitReason::failed(n));
    }
    release.raise();
    let lines = journal.ask().lines().unwrap();
    let signals = (0..1_000).map(|n| format!("failed: {n}"));
    let expected: Vec<_> = signals.chain(["1".into(), "2".into()]).collect();
    assert_eq!(lines, expected);
}

#[test]
fn downs_come_in_the_order_of_the_ends() {
    let sys = system(1);
    let journal = sys.spawn(journal()).unwrap();
    let probes: Vec<_> = (0..20)
        .map(|_| sys.spawn(Probe::default()).unwrap())
        .collect();
    journal.ask().watch(probes.clone()).unwrap();
    let (entered, release) = (Flag::new(), Flag::new());
    journal
        .tell()
        .hold(entered.clone(), release.clone())
        .unwrap();
    entered.wait();
    for (n, probe) in probes.iter().enumerate() {
        perform(probe, move |_, _| panic!("{n}"));
        end(probe);
    }
    release.raise();
    let expected: Vec<_> = (0..20).map(|n| format!("panicked: {n}")).collect();
    assert_eq!(journal.ask().lines().unwrap(), expected);
}

#[test]
fn a_hook_may_end_the_actor_and_may_wait() {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    let asked = probe.clone();
    let ends = sys
        .spawn(Journal {
            first: Some(Box::new(move |cx| {
                asked.ask().note(7).unwrap();
                cx.exit(Exit::failed("heard enough"));
            })),
            ..journal()
        })
        .unwrap();
    ends.ask().watch(vec![probe.clone()]).unwrap();
    let gone = sys.spawn(Probe::default()).unwrap();
    ends.ask().watch(vec![gone.clone()]).unwrap();
    gone.stop();
    assert_eq!(end(&ends), ExitReason::failed("heard enough"));
    assert_eq!(probe.ask().seen().unwrap(), [7]);
}

#[test]
fn a_panic_in_the_hook_is_the_actors_end() {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    let panics = sys
        .spawn(Journal {
            first: Some(Box::new(|_| panic!("bad news"))),
            ..journal()
        })
        .unwrap();
    panics.ask().watch(vec![probe.clone()]).unwrap();
    probe.stop();
    assert_eq!(end(&panics), ExitReason::Panicked("bad news".into()));
}

#[test]
fn a_stop_and_a_kill_are_seen_between_two_signals() {
    let sys = system(1);
    for kill in [false, true] {
        let own = std::sync::Arc::new(std::sync::OnceLock::<Addr<Journal>>::new());
        let me = own.clone();
        let ends = sys
            .spawn(Journal {
                first: Some(Box::new(move |_| {
                    let me = me.get().unwrap();
                    if kill {
                        me.kill()
                    } else {
                        me.stop()
                    }
                    me.exit(ExitReason::failed("too late"));
                })),
                ..journal()
            })
            .unwrap();
        own.set(ends.clone()).unwrap();
        let gone = sys.spawn(Probe::default()).unwrap();
        ends.ask().watch(vec![gone.clone()]).unwrap();
        gone.stop();
        let expected = if kill {
            ExitReason::Killed
        } else {
            ExitReason::Normal
        };
        assert_eq!(end(&ends), expected);
    }
}

/// It watches, and has no hook.
#[actor]
struct Deaf;

#[actor]
impl Deaf {
    pub fn watch(&mut self, cx: &mut Cx<Self>, other: Addr<Probe>) {
        cx.trap_exits(true);
        cx.monitor(&other);
    }

    pub fn nothing(&mut self) {}
}

#[test]
fn without_a_hook_a_signal_is_dropped_with_an_event() {
    let sys = system(1);
    let (deaf, probe) = (
        sys.spawn(Deaf).unwrap(),
        sys.spawn(Probe::default()).unwrap(),
    );
    deaf.ask().watch(probe.clone()).unwrap();
    let events = sys.events();
    let dropped = |events: &EventReceiver| {
        event(events, |event| match event {
            Event::SignalDropped {
                who, from, reason, ..
            } => Some((who.id, from.map(|from| from.id), reason)),
            _ => None,
        })
    };
    probe.kill();
    let expected = (deaf.id(), Some(probe.id()), ExitReason::Killed);
    assert_eq!(dropped(&events), expected);
    deaf.exit(ExitReason::Shutdown);
    assert_eq!(dropped(&events), (deaf.id(), None, ExitReason::Shutdown));
    deaf.ask().nothing().unwrap();
}

/// Starts only when it may.
#[actor]
struct Slow(Flag, Flag, mpsc::Sender<ExitReason>);

#[actor]
impl Slow {
    #[on_start]
    fn start(&mut self, cx: &mut Cx<Self>) {
        cx.trap_exits(true);
        self.0.raise();
        self.1.wait();
    }

    #[on_signal]
    fn signal(&mut self, signal: Signal) {
        self.2.send(signal.reason().clone()).unwrap();
    }
}

#[test]
fn a_signal_that_comes_while_the_actor_starts_is_handled_when_it_has() {
    let sys = system(1);
    let (entered, go) = (Flag::new(), Flag::new());
    let (told, tells) = mpsc::channel();
    let slow = Slow(entered.clone(), go.clone(), told);
    let own = sys.clone();
    let spawning = std::thread::spawn(move || own.spawn_named("slow", slow));
    entered.wait();
    let early = sys.lookup::<Slow>("slow").unwrap();
    early.exit(ExitReason::failed("early"));
    assert!(tells.try_recv().is_err());
    go.raise();
    spawning.join().unwrap().unwrap();
    assert_eq!(
        tells.recv_timeout(LIMIT).unwrap(),
        ExitReason::failed("early")
    );
}
