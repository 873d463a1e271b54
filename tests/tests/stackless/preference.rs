//! Section 5, who runs next: exact orders for every preference and for schedule-all, both ways round, with bystanders.

use actor_core::channel::{self, Preference, rendezvous};
use actor_core::local::Scheduler;

use crate::{Log, stepper};

/// One side of a rendezvous comes first and waits; when the other comes, two others are ready. Who runs then?
fn order(first: Side, preference: Preference, schedule_all: bool) -> String {
    let (sched, log) = (Scheduler::new(), Log::new());
    let (tx, rx) = rendezvous();
    tx.set_preference(preference);
    rx.set_schedule_all(schedule_all);
    let act = |side: Side, name: &'static str| {
        let (log, tx, rx) = (log.clone(), tx.clone(), rx.clone());
        move || {
            log.add(format!("{name}0"));
            match side {
                Side::Sends => tx.send(7).unwrap(),
                Side::Receives => assert_eq!(rx.recv(), Ok(7)),
            }
            log.add(format!("{name}1"));
        }
    };
    sched.spawn(act(first, "waits"));
    sched.spawn(act(first.other(), "comes"));
    stepper(&sched, &log, "a");
    stepper(&sched, &log, "b");
    sched.run().unwrap();
    assert_eq!(tx.balance(), 0);
    log.0.borrow().join(" ")
}

#[derive(Clone, Copy)]
enum Side {
    Sends,
    Receives,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Sends => Side::Receives,
            Side::Receives => Side::Sends,
        }
    }
}

/// The one that waited is placed right after the one that came, and switched to; that one keeps its place, and runs last.
const WHO_WAITED: &str = "waits0 comes0 waits1 a0 b0 comes1 a1 b1";
/// The one that came goes on; the one that waited is appended to the end.
const WHO_CAME: &str = "waits0 comes0 comes1 a0 b0 waits1 a1 b1";
/// The one that waited is appended to the end; whoever comes after the one that came runs.
const ALL_OTHERS: &str = "waits0 comes0 a0 b0 waits1 comes1 a1 b1";

#[test]
fn with_preference_minus_one_the_receiver_runs_next() {
    assert_eq!(
        order(Side::Receives, Preference::Receiver, false),
        WHO_WAITED
    );
    assert_eq!(order(Side::Sends, Preference::Receiver, false), WHO_CAME);
}

#[test]
fn with_preference_one_the_sender_runs_next() {
    assert_eq!(order(Side::Receives, Preference::Sender, false), WHO_CAME);
    assert_eq!(order(Side::Sends, Preference::Sender, false), WHO_WAITED);
}

#[test]
fn with_preference_zero_the_caller_goes_on() {
    assert_eq!(order(Side::Receives, Preference::Neither, false), WHO_CAME);
    assert_eq!(order(Side::Sends, Preference::Neither, false), WHO_CAME);
}

#[test]
fn schedule_all_overrides_every_preference() {
    for preference in [
        Preference::Receiver,
        Preference::Neither,
        Preference::Sender,
    ] {
        for first in [Side::Sends, Side::Receives] {
            assert_eq!(order(first, preference, true), ALL_OTHERS);
        }
    }
}

#[test]
fn schedule_all_with_nobody_else_lets_the_partner_run() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let (tx, rx) = rendezvous();
    tx.set_schedule_all(true);
    sched.spawn({
        let log = log.clone();
        move || log.add(rx.recv().unwrap())
    });
    sched.spawn({
        let log = log.clone();
        move || {
            tx.send("received").unwrap();
            log.add("sent");
        }
    });
    sched.run().unwrap();
    log.is("received sent");
}

#[test]
fn the_default_preference_is_minus_one() {
    let (tx, rx) = rendezvous::<()>();
    assert_eq!(tx.preference(), Preference::Receiver);
    assert!(!rx.schedule_all());
    rx.set_preference(Preference::Sender);
    assert_eq!(tx.preference(), Preference::Sender, "it is the channel's");
}

/// A room makes no rendezvous: whoever comes goes on.
#[test]
fn a_channel_with_room_lets_the_caller_go_on() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let (tx, rx) = channel::bounded(1);
    sched.spawn({
        let log = log.clone();
        move || {
            for n in &rx {
                log.add(n);
            }
        }
    });
    sched.spawn({
        let log = log.clone();
        move || {
            tx.send(1).unwrap();
            log.add("sent");
        }
    });
    sched.run().unwrap();
    log.is("sent 1");
}
