//! `select!` and `Select`: one of several operations, fairly, and without a trace of the others.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread;

use actor_core::channel::{
    Branch, Receiver, RecvError, Select, SelectError, SendError, Sender, bounded, rendezvous,
    unbounded,
};
use actor_core::microthread::{self, CancellationToken, Interrupt};
use actor_core::testing::{self, Explorer, Policy};
use actor_core::{Runtime, select};
use tests::{Gate, Holder, ms, one_worker, runtime, within};

use super::{CAPACITIES, Drops, LIMIT, Stop, assert_killed, channel, waiting_at};

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

// ---- the same channel more than once ---------------------------------------------------------------------------------

#[test]
fn a_channel_may_be_in_a_selection_twice() {
    within(LIMIT, || {
        let rt = one_worker();
        let (tx, rx) = rendezvous();
        let waits = waiting_at(&rt, &tx, -2, move || {
            select! { recv(&rx) -> got => (got, 0), recv(&rx) -> got => (got, 0) }
        });
        tx.send(1).unwrap();
        assert_eq!(waits.join().unwrap(), (Ok(1), 0));
        let (tx, rx) = rendezvous();
        let own = tx.clone();
        let waits = waiting_at(&rt, &tx, 2, move || {
            select! { send(&own, 1) -> sent => (sent, 1), send(&own, 2) -> sent => (sent, 2) }
        });
        let got = rx.recv().unwrap();
        assert_eq!(waits.join().unwrap(), (Ok(()), got));
        assert_eq!((tx.balance(), rx.try_recv().is_err()), (0, true));
    });
}

/// Sends and receives at one channel, whichever can be.
fn both_ways(tx: &Sender<u32>, rx: &Receiver<u32>, value: u32) -> Option<u32> {
    select! {
        recv(rx) -> got => Some(got.unwrap()),
        send(tx, value) -> sent => { sent.unwrap(); None },
    }
}

#[test]
fn a_selection_does_not_meet_itself_and_meets_whoever_comes() {
    within(LIMIT, || {
        let rt = one_worker();
        let (tx, rx) = rendezvous();
        let start = || {
            let (tx, rx) = (tx.clone(), rx.clone());
            let started = Gate::new();
            let opens = started.clone();
            let both = rt.spawn(move || {
                opens.open();
                both_ways(&tx, &rx, 1)
            });
            started.wait();
            tests::until_idle(&rt);
            both.unwrap()
        };
        let both = start();
        assert!(!both.is_finished());
        tx.send(5).unwrap();
        assert_eq!(both.join().unwrap(), Some(5));
        let both = start();
        assert_eq!(rx.recv(), Ok(1));
        assert_eq!(both.join().unwrap(), None);
        assert_eq!(tx.balance(), 0);
    });
}

#[test]
fn two_selections_meet_and_one_receives_what_the_other_sends() {
    within(LIMIT, || {
        let rt = runtime(2);
        let (tx, rx) = rendezvous();
        for round in 0..500 {
            let [a, b] = [1, 2].map(|value| {
                let (tx, rx) = (tx.clone(), rx.clone());
                let body = move || both_ways(&tx, &rx, value);
                match round % 2 {
                    0 => rt.spawn(body).unwrap(),
                    _ => {
                        let handle = thread::spawn(body);
                        rt.spawn(move || microthread::blocking(|| handle.join().unwrap()))
                            .unwrap()
                    }
                }
            });
            match (a.join().unwrap(), b.join().unwrap()) {
                (Some(2), None) | (None, Some(1)) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(tx.balance(), 0);
    });
}

// ---- crowds ----------------------------------------------------------------------------------------------------------

#[test]
fn a_selection_in_a_loop_drains_everything() {
    within(LIMIT, || {
        let rt = runtime(2);
        let (rx_a, rx_b, rx_c) = {
            let [a, b, c] = [Some(0), Some(2), None].map(|capacity| {
                let (tx, rx) = channel(capacity);
                drop(rt.spawn(move || tx.send_all(0..500).unwrap()).unwrap());
                rx
            });
            (a, b, c)
        };
        let (mut a, mut b, mut c) = (Some(&rx_a), Some(&rx_b), Some(&rx_c));
        let mut next = [0; 3];
        while a.is_some() || b.is_some() || c.is_some() {
            let (from, got) = select! {
                recv(a) -> got => (0, got),
                recv(b) -> got => (1, got),
                recv(c) -> got => (2, got),
            };
            match got {
                Ok(value) => {
                    assert_eq!(value, next[from]);
                    next[from] += 1;
                }
                Err(_) => *[&mut a, &mut b, &mut c][from] = None,
            }
        }
        assert_eq!(next, [500; 3]);
    });
}

#[test]
fn hundreds_of_branches_are_all_served() {
    const MANY: usize = 400;
    within(LIMIT, || {
        let rt = runtime(2);
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..MANY).map(|n| channel(CAPACITIES[n % 4])).unzip();
        let senders: Vec<_> = senders
            .into_iter()
            .enumerate()
            .map(|(n, tx)| rt.spawn(move || (0..3).for_each(|_| tx.send(n).unwrap())))
            .collect();
        let mut select = Select::new();
        let branches: Vec<_> = receivers.iter().map(|rx| select.recv(rx)).collect();
        let mut counts = vec![0; MANY];
        while let Ok(chosen) = select.wait() {
            match branches[chosen].take().unwrap() {
                Ok(value) => {
                    assert_eq!(value, chosen);
                    counts[chosen] += 1;
                }
                Err(_) => select.remove(chosen),
            }
        }
        assert_eq!(counts, vec![3; MANY]);
        for sender in senders {
            sender.unwrap().join().unwrap();
        }
    });
}

/// Selections and plain operations of microthreads and threads at the same two channels.
#[test]
fn selections_among_plain_operations_lose_and_double_nothing() {
    const EACH: u32 = 300;
    within(LIMIT, || {
        let rt = runtime(2);
        for capacity in CAPACITIES {
            let got = Arc::new(Mutex::new(Vec::new()));
            let (tx_a, rx_a) = channel(capacity);
            let (tx_b, rx_b) = channel(Some(0));
            let (mut microthreads, mut threads) = (Vec::new(), Vec::new());
            for who in 0..8_u32 {
                let (a, b) = (tx_a.clone(), tx_b.clone());
                let send = move || {
                    for value in who * EACH..(who + 1) * EACH {
                        match who / 2 {
                            0 => a.send(value).unwrap(),
                            1 => b.send(value).unwrap(),
                            _ => select! {
                                send(&a, value) -> sent => sent.unwrap(),
                                send(&b, value) -> sent => sent.unwrap(),
                            },
                        }
                    }
                };
                let (a, b) = (rx_a.clone(), rx_b.clone());
                let got = got.clone();
                let receive = move || {
                    let mut own = Vec::new();
                    match who / 2 {
                        0 => own.extend(a),
                        1 => own.extend(b),
                        _ => {
                            let (mut a, mut b) = (Some(&a), Some(&b));
                            while a.is_some() || b.is_some() {
                                select! {
                                    recv(a) -> it => match it { Ok(it) => own.push(it), Err(_) => a = None },
                                    recv(b) -> it => match it { Ok(it) => own.push(it), Err(_) => b = None },
                                }
                            }
                        }
                    }
                    got.lock().unwrap().extend(own);
                };
                if who % 2 == 0 {
                    microthreads.push(rt.spawn(send).unwrap());
                    microthreads.push(rt.spawn(receive).unwrap());
                } else {
                    threads.push(thread::spawn(send));
                    threads.push(thread::spawn(receive));
                }
            }
            drop((tx_a, rx_a, tx_b, rx_b));
            microthreads.into_iter().for_each(|it| it.join().unwrap());
            threads.into_iter().for_each(|it| it.join().unwrap());
            let mut got = got.lock().unwrap();
            got.sort_unstable();
            assert!(got.iter().copied().eq(0..8 * EACH), "{capacity:?}");
        }
    });
}

#[test]
fn killed_selections_lose_and_double_nothing() {
    testing::check(|_| {
        let (tx_a, rx_a) = rendezvous();
        let (tx_b, rx_b) = bounded(1);
        let (a, b) = (rx_a.clone(), rx_b.clone());
        let victim = microthread::spawn(move || {
            select! { recv(&a) -> got => got, recv(&b) -> got => got }
        });
        let sender = microthread::spawn(move || {
            select! { send(&tx_a, 1) -> sent => sent, send(&tx_b, 1) -> sent => sent }
        });
        victim.kill();
        let mut got: Vec<_> = victim.join().into_iter().map(Result::unwrap).collect();
        assert_eq!(sender.join().unwrap(), Ok(()));
        got.extend(rx_a.try_iter().chain(rx_b.try_iter()));
        assert_eq!(got, [1]);
        assert_eq!((rx_a.balance(), rx_b.balance()), (0, 0));
    });
}
