//! Loom models of the steps in the [module](super), through futures. A receiver that is not woken waits for ever, which loom
//! reports.

use std::pin::pin;
use std::task::Poll;

use loom::thread;

use super::{RecvError, channel};
use crate::channel::polled::{block_on, poll};

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
        let sends = thread::spawn(move || {
            assert_eq!(sender.send(7), Ok(2));
            sender // its end would end the waits too
        });
        let mut first = pin!(first.recv_async());
        let mut second = pin!(second.recv_async());
        // Both may be in the list when the send comes.
        let early = poll(first.as_mut(), &Default::default());
        assert_eq!(block_on(second.as_mut()), Ok(7));
        match early {
            Poll::Ready(received) => assert_eq!(received, Ok(7)),
            Poll::Pending => assert_eq!(block_on(first), Ok(7)),
        }
        sends.join().unwrap();
    });
}

#[test]
fn loom_broadcast_the_last_sender_ends_the_wait() {
    model(|| {
        let (sender, receiver) = channel::<u32>(1);
        let other = sender.clone();
        let drops = thread::spawn(move || drop(other));
        let mut wait = pin!(receiver.recv_async());
        let early = poll(wait.as_mut(), &Default::default());
        assert_eq!(early, Poll::Pending);
        drop(sender);
        assert_eq!(block_on(wait), Err(RecvError::Disconnected));
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
