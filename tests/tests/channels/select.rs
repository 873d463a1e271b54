//! `select!` and `Select`: one of several operations, fairly, and without a trace of the others.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use actor_core::channel::{
    Branch, Receiver, RecvError, Select, SelectError, SendError, Sender, bounded, rendezvous,
    unbounded,
};
use actor_core::microthread::{self, CancellationToken, Interrupt};
use actor_core::testing::{self, Explorer, Policy};
use actor_core::{Runtime, select};
use tests::{Holder, ms, one_worker, within};

use super::{Drops, LIMIT, Stop, assert_killed, waiting_at};

// ---- which one -------------------------------------------------------------------------------------------------------

#[test]
fn the_only_case_that_is_ready_is_done() {
    let (tx, rx) = unbounded();
    let (full, _kept) = rendezvous::<u32>();
    let (_kept_too, empty) = rendezvous::<u32>();
    for round in 0..50 {
        // A send.
        select! {
            recv(&empty) -> _ => panic!("it is empty"),
            send(&full, 1) => panic!("it is full"),
            send(&tx, round) -> sent => sent.unwrap(),
        }
        // A receive.
        let got = select! {
            recv(&empty) -> _ => panic!("it is empty"),
            recv(&rx) -> got => got,
            send(&full, 1) => panic!("it is full"),
            default => panic!("one is ready"),
        };
        assert_eq!(got, Ok(round));
    }
}

const ROUNDS: usize = 4_000;

/// A fair share is a quarter. Half of that is missed by chance once in 10^70.
fn assert_fair(counts: [usize; 4]) {
    assert_eq!(counts.iter().sum::<usize>(), ROUNDS);
    let least = ROUNDS / 8;
    assert!(counts.iter().all(|count| *count > least), "{counts:?}");
}

fn four_full() -> [(Sender<usize>, Receiver<usize>); 4] {
    [(); 4].map(|()| {
        let (tx, rx) = unbounded();
        (0..ROUNDS).for_each(|n| tx.send(n).unwrap());
        (tx, rx)
    })
}

#[test]
fn each_case_that_is_ready_has_a_fair_share() {
    let fair = || {
        let [(_a, a), (_b, b), (_c, c), (d, _d)] = four_full();
        let mut counts = [0; 4];
        for _ in 0..ROUNDS {
            let chosen = select! {
                recv(&a) -> _ => 0,
                recv(&b) -> _ => 1,
                recv(&c) -> _ => 2,
                send(&d, 0) -> _ => 3,
            };
            counts[chosen] += 1;
        }
        assert_fair(counts);
    };
    within(LIMIT, || {
        fair();
        one_worker().spawn(fair).unwrap().join().unwrap();
    });
}

#[test]
fn each_branch_of_a_dynamic_selection_has_a_fair_share() {
    let all = four_full();
    let mut select = Select::new();
    let branches: Vec<_> = all.iter().map(|(_, rx)| select.recv(rx)).collect();
    let mut counts = [0; 4];
    for _ in 0..ROUNDS {
        let chosen = select.try_wait().unwrap();
        // Each channel is drained in order.
        assert_eq!(branches[chosen].take(), Some(Ok(counts[chosen])));
        counts[chosen] += 1;
    }
    assert_fair(counts);
}

#[test]
fn under_the_seeded_scheduler_every_case_that_is_ready_is_tried() {
    let chosen = Arc::new(Mutex::new(HashSet::new()));
    let all = chosen.clone();
    let policy = Policy::Exhaustive {
        max_runs: 1_000,
        max_depth: 100,
    };
    let report = Explorer::new().policy(policy).run(move |_| {
        let [(_a, a), (_b, b), (_c, c), _] = four_full();
        let number = select! { recv(&a) => 0, recv(&b) => 1, recv(&c) => 2 };
        all.lock().unwrap().insert(number);
    });
    assert!(report.unwrap().complete);
    assert_eq!(*chosen.lock().unwrap(), HashSet::from([0, 1, 2]));
}

#[test]
fn a_biased_selection_takes_the_first() {
    let [(_a, a), (_b, b), (_c, c), (d, _d)] = four_full();
    for _ in 0..100 {
        select! {
            biased;
            recv(&a) -> _ => {},
            recv(&b) -> _ => panic!("not the first"),
            send(&d, 0) -> _ => panic!("not the first"),
        }
        let mut select = Select::biased();
        let branches = [&b, &c].map(|rx| select.recv(rx));
        assert_eq!(select.wait(), Ok(0));
        assert!(branches[0].take().is_some() && branches[1].take().is_none());
    }
}

// ---- waiting and not waiting -----------------------------------------------------------------------------------------

#[test]
fn default_is_for_when_nothing_is_ready() {
    let (tx, rx) = unbounded();
    let look = || {
        select! {
            recv(&rx) -> got => Some(got),
            default => None,
        }
    };
    assert_eq!(look(), None);
    tx.send(1).unwrap();
    assert_eq!(look(), Some(Ok(1)));
    assert_eq!(look(), None);
    drop(tx);
    assert_eq!(look(), Some(Err(RecvError::Disconnected)));
    let (_kept, never) = rendezvous::<()>();
    let mut select = Select::new();
    let _branch = select.recv(&never);
    assert_eq!(select.try_wait(), Err(SelectError::NotReady));
}

#[test]
fn a_selection_ends_exactly_at_its_deadline() {
    testing::check(|_| {
        let (tx, rx) = rendezvous::<u32>();
        let (other, _kept) = bounded::<u32>(0);
        let start = testing::elapsed();
        let chosen = select! {
            recv(&rx) -> _ => 1,
            send(&other, 5) -> _ => 2,
            default(ms(40)) => 3,
        };
        assert_eq!(chosen, 3);
        assert_eq!(testing::elapsed() - start, ms(40));
        let mut select = Select::new();
        let (_recv, _send) = (select.recv(&rx), select.send(&other, 5));
        assert_eq!(select.wait_timeout(ms(60)), Err(SelectError::TimedOut));
        assert_eq!(testing::elapsed() - start, ms(100));
        assert_eq!((tx.balance(), other.balance()), (0, 0));
    });
}

#[test]
fn a_partner_before_the_deadline_is_in_time() {
    testing::check(|_| {
        let (tx, rx) = rendezvous();
        let (other, _kept) = rendezvous::<u32>();
        let start = testing::elapsed();
        let sender = microthread::spawn(move || {
            microthread::sleep(ms(10));
            tx.send(7)
        });
        let got = select! {
            send(&other, 1) -> _ => panic!("nobody receives"),
            recv(&rx) -> got => got,
            default(ms(20)) => panic!("one was in time"),
        };
        assert_eq!((got, testing::elapsed() - start), (Ok(7), ms(10)));
        assert_eq!(sender.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_deadline_that_has_passed_still_does_what_is_ready() {
    let past = std::time::Instant::now();
    let (tx, rx) = unbounded();
    tx.send(1).unwrap();
    let look = || {
        select! {
            recv(&rx) -> got => got.ok(),
            deadline(past) => None,
        }
    };
    assert_eq!((look(), look()), (Some(1), None));
}

#[test]
fn what_is_none_is_never_ready() {
    let (tx, rx) = unbounded();
    tx.send(1).unwrap();
    let (none, mut slot) = (None::<&Receiver<u32>>, None);
    let got = select! {
        recv(none) -> _ => panic!("there is no receiver"),
        send(&tx, from slot) -> _ => panic!("there is no value"),
        recv(&rx) -> got => got,
    };
    assert_eq!(got, Ok(1));
    slot = Some(2);
    let sent = select! {
        send(&tx, from slot) -> sent => sent,
        recv(none) -> _ => panic!("there is no receiver"),
    };
    assert_eq!((sent, slot, rx.recv()), (Ok(()), None, Ok(2)));
    assert_eq!(Select::new().wait(), Err(SelectError::Empty));
}

#[test]
fn a_channel_that_is_gone_or_closed_is_ready() {
    let (_kept, empty) = rendezvous::<u32>();
    let (tx, rx) = unbounded::<u32>();
    drop(tx);
    let got = select! { recv(&empty) -> got => got, recv(&rx) -> got => got };
    assert_eq!(got, Err(RecvError::Disconnected));
    let (tx, rx) = rendezvous();
    drop(rx);
    let sent = select! { recv(&empty) => panic!("empty"), send(&tx, 4) -> sent => sent };
    assert_eq!(sent, Err(SendError::Disconnected(4)));
    let (tx, rx) = rendezvous();
    tx.close();
    let sent = select! { recv(&empty) => panic!("empty"), send(&tx, 5) -> sent => sent };
    assert_eq!(sent, Err(SendError::Closed(5)));
    let got = select! { recv(&empty) -> got => got, recv(&rx) -> got => got };
    assert_eq!(got, Err(RecvError::Closed));
}

#[test]
fn a_selection_that_waits_learns_that_the_other_side_is_gone() {
    within(LIMIT, || {
        let rt = one_worker();
        let (tx, rx) = rendezvous::<u32>();
        let (other, kept) = rendezvous();
        let watched = other.clone();
        let waits = waiting_at(&rt, &watched, 1, move || {
            select! {
                recv(&rx) -> got => got.map(|_| ()).map_err(|_| 0),
                send(&other, 3) -> sent => sent.map_err(SendError::into_inner),
            }
        });
        drop(kept);
        assert_eq!(waits.join().unwrap(), Err(3), "with its value");
        assert_eq!(tx.balance(), 0);
    });
}

#[test]
fn a_cancellation_ends_a_selection() {
    within(LIMIT, || {
        let rt = one_worker();
        let (tx, rx) = rendezvous::<u32>();
        let token = CancellationToken::new();
        let own = token.clone();
        let waits = waiting_at(&rt, &tx, -1, move || {
            select! {
                recv(&rx) -> got => got.is_err(),
                ready(own.cancelled()) => true,
            }
        });
        token.cancel();
        assert!(waits.join().unwrap());
        assert_eq!(tx.balance(), 0);
    });
}

// ---- no trace --------------------------------------------------------------------------------------------------------

/// Eight channels to receive from and eight to send into, nobody at the other side.
struct Many {
    sources: Vec<(Sender<u32>, Receiver<u32>)>,
    sinks: Vec<(Sender<u32>, Receiver<u32>)>,
}

impl Many {
    fn new() -> Arc<Self> {
        let eight = || (0..8).map(|_| rendezvous()).collect();
        Arc::new(Many {
            sources: eight(),
            sinks: eight(),
        })
    }

    /// All branches, which stay good as long as the selection is there.
    fn branches<'a>(&'a self, select: &mut Select<'a>) -> Received {
        let sinks = (0..).zip(&self.sinks);
        let receives = self.sources.iter().map(|(_, rx)| select.recv(rx)).collect();
        let sends = sinks.map(|(n, (tx, _))| select.send(tx, n)).collect();
        Received { receives, sends }
    }

    fn wait(&self) -> Result<(usize, Option<u32>), Interrupt> {
        let mut select = Select::new();
        let branches = self.branches(&mut select);
        let chosen = select.wait().unwrap();
        match branches.receives.get(chosen).map(|it| it.take().unwrap()) {
            Some(Ok(value)) => return Ok((chosen, Some(value))),
            Some(Err(RecvError::Interrupted(why))) => return Err(why),
            Some(Err(other)) => panic!("{other:?}"),
            None => {}
        }
        match branches.sends[chosen - 8].take().unwrap() {
            Ok(()) => Ok((chosen, None)),
            Err(SendError::Interrupted(value, why)) => {
                assert_eq!(value as usize, chosen - 8);
                Err(why)
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    fn start<T: Send + 'static>(
        self: &Arc<Self>,
        rt: &Runtime,
        body: impl FnOnce(&Many) -> T + Send + 'static,
    ) -> microthread::JoinHandle<T> {
        let own = self.clone();
        let handle = waiting_at(rt, &self.sinks[7].0, 1, move || body(&own));
        assert_eq!(self.balances(), [-8, 8]);
        handle
    }

    fn balances(&self) -> [isize; 2] {
        [&self.sources, &self.sinks].map(|all| all.iter().map(|(tx, _)| tx.balance()).sum())
    }
}

struct Received {
    receives: Vec<Branch<Result<u32, RecvError>>>,
    sends: Vec<Branch<Result<(), SendError<u32>>>>,
}

#[test]
fn a_lost_race_leaves_no_trace() {
    within(LIMIT, || {
        let rt = one_worker();
        let many = Many::new();
        for round in 0..8 {
            let waits = many.start(&rt, |many| many.wait().unwrap());
            many.sources[round].0.send(9).unwrap();
            assert_eq!(waits.join().unwrap(), (round, Some(9)));
            assert_eq!(many.balances(), [0, 0]);
            let waits = many.start(&rt, |many| many.wait().unwrap());
            assert_eq!(many.sinks[round].1.recv(), Ok(round as u32));
            assert_eq!(waits.join().unwrap(), (8 + round, None));
            assert_eq!(many.balances(), [0, 0]);
        }
    });
}

#[test]
fn a_value_that_was_not_sent_comes_back_to_its_slot() {
    let drops = Drops::default();
    let (full, _kept) = rendezvous();
    let (tx, rx) = unbounded();
    tx.send(1).unwrap();
    let mut slot = Some(drops.value());
    select! {
        send(&full, from slot) => panic!("nobody receives"),
        recv(&rx) -> got => assert_eq!(got, Ok(1)),
    }
    assert!(slot.is_some());
    select! {
        send(&full, from slot) => panic!("nobody receives"),
        default(ms(1)) => {},
    }
    assert!(slot.is_some());
    // Without one it is dropped.
    select! {
        send(&full, drops.value()) => panic!("nobody receives"),
        default => {},
    }
    drop(slot);
    drops.assert_each_once("slot");
}

#[test]
fn a_killed_selection_leaves_no_trace() {
    within(LIMIT, || {
        let rt = one_worker();
        let many = Many::new();
        let victim = many.start(&rt, |many| drop(many.wait()));
        victim.kill();
        assert_killed(victim.join());
        assert_eq!(many.balances(), [0, 0]);
    });
}

#[test]
fn what_a_killed_selection_was_given_goes_to_the_next() {
    within(LIMIT, || {
        let rt = one_worker();
        let many = Many::new();
        let victim = many.start(&rt, |many| drop(many.wait()));
        let holder = Holder::spawn(&rt, "holder");
        many.sources[3].0.send(1).unwrap();
        victim.kill();
        drop(holder);
        assert_killed(victim.join());
        assert_eq!(many.sources[3].1.try_recv(), Ok(1));
        assert_eq!(many.balances(), [0, 0]);
    });
}

#[test]
fn a_selection_returns_what_is_thrown_and_what_it_was_to_send() {
    within(LIMIT, || {
        let rt = one_worker();
        let many = Many::new();
        for n in 0..20 {
            let target = many.start(&rt, |many| many.wait());
            target.throw(Stop(n)).unwrap();
            let Err(Interrupt::Thrown(thrown)) = target.join().unwrap() else {
                panic!("not thrown");
            };
            assert_eq!(thrown.downcast_ref(), Some(&Stop(n)));
            assert_eq!(many.balances(), [0, 0]);
        }
    });
}
