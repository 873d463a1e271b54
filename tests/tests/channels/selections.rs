//! Selections that meet: themselves, each other, plain operations, crowds.

use std::sync::{Arc, Mutex};
use std::thread;

use actor_core::channel::{Receiver, Select, Sender, bounded, rendezvous};
use actor_core::{microthread, select, testing};
use tests::{Gate, one_worker, runtime, within};

use super::{CAPACITIES, LIMIT, channel, waiting_at};

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
