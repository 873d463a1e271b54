//! Loom models of the reply slot.

use super::*;
use crate::actor::mailbox::seam::park::Parker;
use loom::sync::Arc;
use loom::thread;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// A value that loom reports if it is leaked.
struct Tracked(#[expect(dead_code, reason = "loom looks at it")] Arc<()>);

impl Tracked {
    fn new() -> Self {
        Tracked(Arc::new(()))
    }
}

fn model(f: impl Fn() + Sync + Send + 'static) {
    loom::model::Builder::new().check(f);
}

#[test]
fn loom_reply_wakes_a_waiting_receiver() {
    model(|| {
        let (reply, receiver) = slot::<u64>();
        let replier = thread::spawn(move || assert_eq!(reply.send(5u64), Ok(())));
        assert_eq!(receiver.wait(None), Ok(5));
        replier.join().unwrap();
    });
}

#[test]
fn loom_reply_to_a_receiver_born_waiting() {
    model(|| {
        let (reply, receiver) = slot_waiting::<u64>();
        let replier = thread::spawn(move || assert_eq!(reply.send(5u64), Ok(())));
        assert_eq!(receiver.wait(None), Ok(5));
        replier.join().unwrap();
    });
}

#[test]
fn loom_reply_against_drop_of_the_receiver() {
    model(|| {
        let (reply, receiver) = slot::<Tracked>();
        let replier = thread::spawn(move || drop(reply.send(Tracked::new())));
        drop(receiver);
        replier.join().unwrap();
    });
}

#[test]
fn loom_reply_against_deadline() {
    model(|| {
        let (reply, mut receiver) = slot::<u64>();
        let replier = thread::spawn(move || reply.send(5u64).is_ok());
        let outcome = receiver.wait_until(Some(Instant::now()));
        let came = receiver.slot.is_none();
        assert_eq!(
            outcome,
            if came {
                Ok(5)
            } else {
                Err(ReplyError::Timeout)
            }
        );
        drop(receiver);
        let _ = replier.join().unwrap();
    });
}

#[test]
fn loom_unanswered_reply_against_poll() {
    use std::task::Wake;
    struct Unpark(&'static Parker);
    impl Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    model(|| {
        let (reply, mut receiver) = slot::<u64>();
        let replier = thread::spawn(move || drop(reply));
        let waker = Waker::from(std::sync::Arc::new(Unpark(park::current())));
        loop {
            match Pin::new(&mut receiver).poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(outcome) => break assert_eq!(outcome, Err(Failure::Dropped)),
                Poll::Pending => {
                    park::park_until(None);
                }
            }
        }
        replier.join().unwrap();
    });
}

/// Either the asker gets the outcome, or the replier learns that nobody will.
#[test]
fn loom_a_timeout_or_a_reply_but_not_neither() {
    model(|| {
        let (reply, receiver) = slot_waiting::<u64>();
        let replier = thread::spawn(move || reply.tell_failure(Failure::Dead));
        let outcome = receiver.wait(Some(Instant::now()));
        let told = replier.join().unwrap();
        assert_eq!(told, outcome != Err(ReplyError::Timeout));
    });
}
