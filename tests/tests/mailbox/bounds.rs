//! Bounds hold, order holds, nothing is lost, whatever the bound and whoever sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{ActorOptions, Options, microthread};

/// Says where each message comes from, and which of its sender's it is.
type Entry = (usize, u64);

/// Collects what it is told, and never holds more than `N` messages in its mailbox (0: any number).
struct Sink<const N: usize> {
    seen: Vec<Entry>,
    most: usize,
}

// By hand, as the attribute's values cannot name parameters of the type.
impl<const N: usize> ActorOptions for Sink<N> {
    const OPTIONS: Options = match N {
        0 => Options::new(),
        bound => Options::new().mailbox(bound),
    };
}

#[actor]
impl<const N: usize> Sink<N> {
    pub fn take(&mut self, cx: &mut Cx<Self>, entry: Entry) {
        self.most = self.most.max(cx.queued());
        self.seen.push(entry);
        // Now and then it waits, so that the mailbox fills.
        if self.seen.len().is_multiple_of(64) {
            microthread::yield_now();
        }
    }

    pub fn seen(&mut self) -> (Vec<Entry>, usize) {
        (std::mem::take(&mut self.seen), self.most)
    }
}

fn sink<const N: usize>(sys: &System) -> Addr<Sink<N>> {
    sys.spawn(Sink {
        seen: Vec::new(),
        most: 0,
    })
    .unwrap()
}

/// Sends in one of four ways; gives up only when the actor is gone.
fn send<const N: usize>(to: &Addr<Sink<N>>, entry: Entry) {
    let sent = match entry.1 % 4 {
        0 => to.tell().take(entry).is_ok(),
        // Not tried again and again: those who wait go before those who try.
        1 => match to.try_tell().take(entry) {
            Err(TellError::Full(back)) => to.send(back).is_ok(),
            tried => tried.is_ok(),
        },
        2 => to.ask().take(entry).is_ok(),
        _ => to.request().take(entry).wait().is_ok(),
    };
    assert!(sent);
}

fn order_and_bound<const N: usize>(each: u64) {
    let sys = System::builder().workers(3).build().unwrap();
    let to = sink::<N>(&sys);
    let sending = |sender: usize| {
        let to = to.clone();
        move || (0..each).for_each(|n| send(&to, (sender, n)))
    };
    let micro: Vec<_> = (0..4)
        .map(|sender| sys.spawn_microthread(sending(sender)).unwrap())
        .collect();
    let threads: Vec<_> = (4..6)
        .map(|sender| thread::spawn(sending(sender)))
        .collect();
    micro.into_iter().for_each(|it| it.join().unwrap());
    threads.into_iter().for_each(|it| it.join().unwrap());
    let (seen, most) = to.ask().seen().unwrap();
    assert_eq!(seen.len() as u64, 6 * each);
    for sender in 0..6 {
        let from = seen.iter().filter(|entry| entry.0 == sender);
        assert!(from.map(|entry| entry.1).eq(0..each), "of {sender}, by {N}");
    }
    assert!(N == 0 || most <= N, "{most} of {N}");
}

#[test]
fn every_bound_keeps_order_and_is_kept() {
    order_and_bound::<0>(1_000);
    order_and_bound::<1>(500);
    order_and_bound::<2>(500);
    order_and_bound::<3>(500);
    order_and_bound::<16>(1_000);
    // Around the size of the mailbox's blocks.
    order_and_bound::<31>(1_000);
    order_and_bound::<32>(1_000);
    order_and_bound::<1000>(1_000);
}

/// Senders that give up by deadline, by kill or because the actor ends: what they were told is true of what arrived.
fn leaving<const N: usize>(sys: &System) {
    let to = sink::<N>(sys);
    let over = Arc::new(AtomicBool::new(false));
    let steady = {
        let (to, over) = (to.clone(), over.clone());
        sys.spawn_microthread(move || {
            let mut n = 0;
            while !over.load(Ordering::SeqCst) && to.tell().take((0, n)).is_ok() {
                n += 1;
            }
            n
        })
        .unwrap()
    };
    let (mut arrived, mut refused) = (Vec::new(), Vec::new());
    for n in 0..300 {
        let asked = to.ask().within(Duration::from_micros(n % 50)).take((1, n));
        match asked {
            // Timed out: it is in the mailbox all the same.
            Ok(()) | Err(AskError::Timeout) => arrived.push(n),
            Err(AskError::Full(SinkMsg::Take { entry })) => {
                assert_eq!(entry, (1, n), "the message itself comes back");
                refused.push(n);
            }
            Err(other) => panic!("{other:?}"),
        }
        let patient = to.clone();
        let killed = sys.spawn_microthread(move || patient.tell().take((2, n)));
        let killed = killed.unwrap();
        killed.kill();
        let _ = killed.join(); // it may have got in, or not
    }
    over.store(true, Ordering::SeqCst);
    let told = steady.join().unwrap();
    let (seen, most) = to.ask().seen().unwrap();
    let of = |sender| {
        let from = seen.iter().filter(move |entry| entry.0 == sender);
        from.map(|entry| entry.1)
    };
    assert!(of(0).eq(0..told));
    assert!(of(1).eq(arrived), "{refused:?} were refused");
    assert!(of(2).is_sorted_by(|a, b| a < b), "at most once, in order");
    assert!(most <= N);
    to.stop();
    to.join();
    assert!(to.tell().take((0, 0)).unwrap_err().is_closed());
}

#[test]
fn a_sender_that_stops_waiting_leaves_no_trace() {
    let sys = System::builder().workers(3).build().unwrap();
    leaving::<1>(&sys);
    leaving::<2>(&sys);
    leaving::<7>(&sys);
}

#[test]
fn an_end_gives_every_waiting_sender_its_message_back() {
    let sys = System::builder().workers(3).build().unwrap();
    for round in 0..100 {
        let to = sink::<1>(&sys);
        let senders: Vec<_> = (0..8)
            .map(|sender| {
                let to = to.clone();
                let send = move || {
                    (0..).find_map(|n| match to.tell().take((sender, n)) {
                        Ok(()) => None,
                        Err(TellError::Closed(SinkMsg::Take { entry })) => {
                            Some(entry == (sender, n))
                        }
                        Err(other) => panic!("{other:?}"),
                    })
                };
                sys.spawn_microthread(send).unwrap()
            })
            .collect();
        to.ask().seen().unwrap();
        if round % 2 == 0 {
            to.stop()
        } else {
            to.kill()
        }
        for sender in senders {
            assert_eq!(sender.join().unwrap(), Some(true));
        }
        to.join();
    }
}
