//! Messages: order, bounds, what becomes of those that are not handled.

use std::sync::mpsc;
use std::thread;

use actor_core::Event;
use actor_core::prelude::*;

use super::support::*;

#[test]
fn messages_of_one_sender_arrive_in_order() {
    const EACH: u64 = 5_000;
    let sys = system(2);
    let target = sys.spawn(Probe::default()).unwrap();
    let burst = |sender: u64, target: Addr<Probe>| {
        move || {
            for n in 0..EACH {
                target.tell().note(sender * EACH + n).unwrap();
            }
        }
    };
    let mut senders = 0;
    let mut next = || {
        senders += 1;
        burst(senders - 1, target.clone())
    };
    let threads: Vec<_> = (0..2).map(|_| thread::spawn(next())).collect();
    let micro: Vec<_> = (0..2)
        .map(|_| sys.spawn_microthread(next()).unwrap())
        .collect();
    let handlers: Vec<_> = (0..2)
        .map(|_| {
            let actor = sys.spawn(Probe::default()).unwrap();
            let burst = next();
            perform(&actor, move |_, _| {
                burst();
                0
            });
            actor
        })
        .collect();
    threads.into_iter().for_each(|it| it.join().unwrap());
    micro.into_iter().for_each(|it| it.join().unwrap());
    for handler in handlers {
        handler.ask().seen().unwrap(); // behind the burst
    }
    let seen = target.ask().seen().unwrap();
    assert_eq!(seen.len() as u64, senders * EACH);
    for sender in 0..senders {
        let from = seen.iter().copied().filter(|n| n / EACH == sender);
        assert!(from.eq(sender * EACH..(sender + 1) * EACH));
    }
}

#[test]
fn a_message_is_in_the_mailbox_when_tell_returns() {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    let release = hold(&probe);
    for n in 1..=3 {
        probe.tell().note(n).unwrap();
        assert_eq!(probe.queued() as u64, n);
    }
    probe.send(ProbeMsg::Note { n: 4 }).unwrap();
    assert_eq!(probe.queued(), 4);
    release.raise();
    assert_eq!(probe.ask().seen().unwrap(), [1, 2, 3, 4]);
    assert_eq!(probe.queued(), 0);
}

#[test]
fn a_full_mailbox_gives_the_message_back_to_who_does_not_wait() {
    let sys = system(1);
    let (narrow, release) = Narrow::<2>::full(&sys);
    let Err(TellError::Full(NarrowMsg::Note { n })) = narrow.try_tell().note(7) else {
        panic!("it is full")
    };
    assert_eq!(n, 7);
    let Err(TellError::Full(NarrowMsg::Note { n: 8 })) = narrow.try_send(NarrowMsg::Note { n: 8 })
    else {
        panic!("it is full")
    };
    release.raise();
    assert_eq!(narrow.ask().seen().unwrap(), [0, 0]);
    narrow.try_tell().note(9).unwrap();
}

#[test]
fn the_dead_give_the_message_back() {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    probe.stop();
    end(&probe);
    let note = |message: &ProbeMsg| matches!(message, ProbeMsg::Note { n: 7 });
    assert!(probe.tell().note(7).unwrap_err().is_closed());
    assert!(note(&probe.tell().note(7).unwrap_err().into_message()));
    assert!(matches!(probe.try_tell().note(7), Err(TellError::Closed(m)) if note(&m)));
    assert!(matches!(probe.ask().note(7), Err(AskError::Closed(m)) if note(&m)));
    assert!(matches!(probe.request().note(7).wait(), Err(AskError::Closed(m)) if note(&m)));
    assert!(!probe.is_alive());
    assert_eq!(probe.queued(), 0);
}

#[test]
fn senders_wait_for_a_full_mailbox_and_are_let_in_as_they_came() {
    let sys = system(2);
    let (narrow, release) = Narrow::<1>::full(&sys);
    let mut senders = Vec::new();
    for n in 1..=6 {
        let sender = sys.spawn(Probe::default()).unwrap();
        let to = narrow.clone();
        perform(&sender, move |_, _| {
            to.tell().note(n).unwrap();
            0
        });
        // It takes a stack when it parks, and is in line by then. One more is the held handler's.
        blocked(&sys, n as usize + 1);
        senders.push(sender);
    }
    assert_eq!(narrow.queued(), 1, "those who wait are not in the mailbox");
    release.raise();
    for sender in &senders {
        sender.ask().seen().unwrap();
    }
    assert_eq!(narrow.ask().seen().unwrap(), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_thread_that_waits_for_a_full_mailbox_is_let_in() {
    let sys = system(1);
    let (narrow, release) = Narrow::<1>::full(&sys);
    let to = narrow.clone();
    let sender = thread::spawn(move || to.tell().note(1));
    release.raise();
    sender.join().unwrap().unwrap();
    assert_eq!(narrow.ask().seen().unwrap(), [0, 1]);
}

#[test]
fn those_who_wait_for_a_mailbox_that_closes_get_their_message_back() {
    let sys = system(2);
    let (narrow, _held) = Narrow::<1>::full(&sys);
    let (back, returned) = mpsc::channel();
    for n in 1..=3 {
        let sender = sys.spawn(Probe::default()).unwrap();
        let (to, back) = (narrow.clone(), back.clone());
        perform(&sender, move |_, _| {
            if let Err(TellError::Closed(NarrowMsg::Note { n })) = to.tell().note(n) {
                back.send(n).unwrap();
            }
            0
        });
        blocked(&sys, n as usize + 1);
    }
    narrow.kill();
    let mut all: Vec<u64> = returned.iter().take(3).collect();
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3]);
}

#[test]
fn messages_told_and_never_handled_are_counted_as_dead_letters() {
    let sys = system(1);
    let events = sys.events();
    let probe = sys.spawn(Probe::default()).unwrap();
    let release = hold(&probe);
    for n in 0..3 {
        probe.tell().note(n).unwrap();
    }
    // Asked: answered with the reason, and not counted.
    let pending = probe.request().seen();
    probe.stop();
    release.raise();
    assert!(matches!(
        pending.wait(),
        Err(AskError::NoReply(Some(ExitReason::Normal)))
    ));
    assert_eq!(dead_letters(&events, probe.id()), 3);
}

#[test]
fn an_actor_that_handled_everything_leaves_no_dead_letters() {
    let sys = system(1);
    let events = sys.events();
    let probe = sys.spawn(Probe::default()).unwrap();
    probe.tell().note(1).unwrap();
    probe.ask().seen().unwrap();
    probe.stop();
    end(&probe);
    let _ = sys.shutdown(LIMIT).unwrap();
    let id = probe.id();
    drop((sys, probe));
    // The system's memory is gone, and with it the other end: these are all there were.
    let mut ended = false;
    for event in events {
        ended |= matches!(&event, Event::Exited { who, .. } if who.id == id);
        assert!(!matches!(event, Event::DeadLetters { .. }));
    }
    assert!(ended);
}
