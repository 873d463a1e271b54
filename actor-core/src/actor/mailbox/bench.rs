//! Costs, measured: `cargo test -p actor-core --lib --release mailbox::bench -- --ignored --nocapture --test-threads 1`.
//!
//! crossbeam-channel's unbounded channel is measured beside it, in the same run and by the same loops. A "message" is 16 bytes.
#![allow(clippy::print_stderr)]

use super::{Mailbox, Wake};
use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

type Message = (u64, u64);

/// The best of several runs, in nanoseconds an item.
fn best(items: u64, mut run: impl FnMut()) -> f64 {
    (0..7)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_nanos() as f64 / items as f64
        })
        .fold(f64::INFINITY, f64::min)
}

#[test]
#[ignore = "a measurement"]
fn mailbox_costs() {
    const N: u64 = 2_000_000;
    let mailbox = Mailbox::<Message>::new_scheduled();
    // SAFETY: the only consumer.
    let mut consumer = unsafe { mailbox.consumer() };
    let (sender, receiver) = crossbeam_channel::unbounded::<Message>();
    let report = |what: &str, ours: f64, theirs: f64| {
        eprintln!("{what:38} {ours:7.1} ns   crossbeam {theirs:7.1} ns")
    };

    let ours = best(N, || {
        for i in 0..N {
            let _ = black_box(&mailbox).try_push((i, i), 0);
            black_box(consumer.pop(0));
        }
    });
    let theirs = best(N, || {
        for i in 0..N {
            let _ = black_box(&sender).send((i, i));
            let _ = black_box(receiver.try_recv());
        }
    });
    report("push + pop", ours, theirs);

    let ours = best(N, || {
        for i in 0..N {
            let _ = black_box(&mailbox).try_push((i, i), 64);
            black_box(consumer.pop(64));
        }
    });
    let (bounded, bounded_receiver) = crossbeam_channel::bounded::<Message>(64);
    let theirs = best(N, || {
        for i in 0..N {
            let _ = black_box(&bounded).send((i, i));
            let _ = black_box(bounded_receiver.try_recv());
        }
    });
    report("push + pop, bounded (64)", ours, theirs);

    let idle = Mailbox::<Message>::new();
    let ours = best(N, || {
        for i in 0..N {
            assert!(
                black_box(&idle)
                    .try_push((i, i), 0)
                    .is_ok_and(|pushed| pushed.wake == Wake::Actor)
            );
            // SAFETY: the only consumer.
            let mut consumer = unsafe { idle.consumer() };
            black_box(consumer.pop(0));
            black_box(consumer.pop(0));
            assert!(consumer.go_idle(0).is_ok());
        }
    });
    eprintln!("{:38} {ours:7.1} ns", "push + pop + empty pop + go idle");

    let ours = best(N, || {
        for round in 0..N / 1000 {
            for i in 0..1000 {
                let _ = black_box(&mailbox).try_push((round, i), 0);
            }
            for _ in 0..1000 {
                black_box(consumer.pop(0));
            }
        }
    });
    let theirs = best(N, || {
        for round in 0..N / 1000 {
            for i in 0..1000 {
                let _ = black_box(&sender).send((round, i));
            }
            for _ in 0..1000 {
                let _ = black_box(receiver.try_recv());
            }
        }
    });
    report("push + pop, batches of 1000", ours, theirs);

    for producers in [1, 2] {
        let shared = Arc::new(Mailbox::<Message>::new_scheduled());
        let ours = best(producers * N, || {
            let threads: Vec<_> = (0..producers)
                .map(|_| {
                    let shared = shared.clone();
                    thread::spawn(move || {
                        (0..N).for_each(|i| assert!(shared.try_push((i, i), 0).is_ok()))
                    })
                })
                .collect();
            // SAFETY: the only consumer.
            let mut consumer = unsafe { shared.consumer() };
            for _ in 0..producers * N {
                while consumer.pop(0).is_none() {
                    thread::yield_now();
                }
            }
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
        });
        let theirs = best(producers * N, || {
            let threads: Vec<_> = (0..producers)
                .map(|_| {
                    let sender = sender.clone();
                    thread::spawn(move || (0..N).for_each(|i| assert!(sender.send((i, i)).is_ok())))
                })
                .collect();
            for _ in 0..producers * N {
                while receiver.try_recv().is_err() {
                    thread::yield_now();
                }
            }
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
        });
        report(
            &format!("{producers} producer threads, one consumer"),
            ours,
            theirs,
        );
    }
}

#[test]
#[ignore = "a measurement"]
fn reply_costs() {
    use crate::actor::reply::{slot, slot_waiting};
    const N: u64 = 2_000_000;
    let plain = best(N, || {
        for i in 0..N {
            let (reply, mut receiver) = slot::<u64>();
            let _ = black_box(reply).send(i);
            black_box(receiver.try_take());
        }
    });
    let waiting = best(N, || {
        for i in 0..N {
            let (reply, receiver) = slot_waiting::<u64>();
            // Without its waker's cost: answered to nobody parked.
            drop(black_box(receiver));
            let _ = black_box(reply).send(i);
        }
    });
    eprintln!(
        "slot + send + take {plain:.1} ns; slot + drop of the receiver + refused send {waiting:.1} ns"
    );
}
