//! Loom models of the steps in the [module](super), through futures. A receiver that is not woken waits for ever, which loom
//! reports.

use loom::thread;

use super::{RecvError, channel};
use crate::channel::polled::block_on;

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(f);
}

#[test]
fn loom_broadcast_a_send_ends_every_wait() {
    model(|| {
        let (sender, first) = channel(1);
        let second = sender.subscribe();
        let first = thread::spawn(move || block_on(first.recv_async()));
        let second = thread::spawn(move || block_on(second.recv_async()));
        let sent = sender.send(7);
        assert!(sent.is_ok_and(|receivers| receivers == 2));
        assert_eq!(first.join().unwrap(), Ok(7));
        assert_eq!(second.join().unwrap(), Ok(7));
        assert_eq!(sender.len(), 0);
    });
}

#[test]
fn loom_broadcast_the_last_sender_ends_the_wait() {
    model(|| {
        let (sender, receiver) = channel::<u32>(1);
        let other = sender.clone();
        let waits = thread::spawn(move || block_on(receiver.recv_async()));
        let drops = thread::spawn(move || drop(other));
        drop(sender);
        assert_eq!(waits.join().unwrap(), Err(RecvError::Disconnected));
        drops.join().unwrap();
    });
}

/// A receiver that is slower than the sender is told exactly what it lost.
#[test]
fn loom_broadcast_what_is_lost_is_counted() {
    model(|| {
        let (sender, receiver) = channel(1);
        let sends = thread::spawn(move || {
            for n in 0..3 {
                sender.send(n).unwrap();
            }
        });
        let mut next = 0;
        loop {
            match block_on(receiver.recv_async()) {
                Ok(n) => {
                    assert_eq!(n, next);
                    next += 1;
                }
                Err(RecvError::Lagged(lost)) => next += lost,
                Err(error) => break assert_eq!(error, RecvError::Disconnected),
            }
        }
        assert_eq!(next, 3);
        sends.join().unwrap();
    });
}
