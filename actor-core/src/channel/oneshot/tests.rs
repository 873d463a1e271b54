//! Step by step, through futures polled by hand, and from threads and microthreads.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use super::channel;
use crate::channel::polled::{Bell, poll};
use crate::channel::wait::Waiting;
use crate::channel::{RecvError, RecvTimeoutError, SendError, TryRecvError};
use crate::{Runtime, microthread};

#[test]
fn a_send_wakes_a_future_that_waits() {
    let (sender, mut receiver) = channel();
    let bell = Arc::new(Bell::default());
    assert_eq!(poll(Pin::new(&mut receiver), &bell), Poll::Pending);
    sender.send(1).unwrap();
    assert_eq!(bell.rung(), 1);
    assert_eq!(poll(Pin::new(&mut receiver), &bell), Poll::Ready(Ok(1)));
}

#[test]
fn the_last_waker_is_woken() {
    let (sender, mut receiver) = channel();
    let (first, last) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    assert!(poll(Pin::new(&mut receiver), &first).is_pending());
    assert!(poll(Pin::new(&mut receiver), &last).is_pending());
    drop::<super::Sender<()>>(sender);
    assert_eq!((first.rung(), last.rung()), (0, 1));
}

#[test]
fn a_dropped_side_is_seen_by_the_other() {
    let (sender, receiver) = channel();
    assert!(!sender.is_disconnected());
    drop(receiver);
    assert!(sender.is_disconnected());
    assert_eq!(sender.send(3), Err(SendError::Disconnected(3)));

    let (sender, mut receiver) = channel::<u32>();
    drop(sender);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_value_nobody_received_is_dropped_with_the_receiver() {
    let value = Arc::new(());
    let (sender, receiver) = channel();
    let core = receiver.core.clone();
    sender.send(value.clone()).unwrap();
    drop(receiver);
    assert_eq!(Arc::strong_count(&value), 1);
    drop(core);
}

#[test]
fn a_wait_that_was_served_and_is_dropped_leaves_the_value() {
    let (sender, mut receiver) = channel();
    let bell = Arc::new(Bell::default());
    {
        let mut wait = pin!(Waiting::new(receiver.op(), None));
        assert!(poll(wait.as_mut(), &bell).is_pending());
        sender.send(9).unwrap();
        assert_eq!(bell.rung(), 1);
    }
    assert_eq!(receiver.try_recv(), Ok(9));
}

#[test]
fn a_wait_that_is_dropped_is_not_woken() {
    let (sender, receiver) = channel();
    let bell = Arc::new(Bell::default());
    {
        let mut wait = pin!(Waiting::new(receiver.op(), None));
        assert!(poll(wait.as_mut(), &bell).is_pending());
    }
    sender.send(()).unwrap();
    assert_eq!(bell.rung(), 0);
}

#[test]
fn a_deadline_leaves_the_receiver_usable() {
    let (sender, mut receiver) = channel();
    let timed_out = Err(RecvTimeoutError::TimedOut);
    assert_eq!(receiver.recv_deadline(Instant::now()), timed_out);
    assert_eq!(receiver.recv_timeout(Duration::ZERO), timed_out);
    sender.send(1).unwrap();
    assert_eq!(receiver.recv_timeout(Duration::MAX), Ok(1));
    let gone = Err(RecvTimeoutError::Disconnected);
    assert_eq!(receiver.recv_timeout(Duration::MAX), gone);
}

#[test]
fn a_value_passes_between_threads() {
    for _ in 0..if cfg!(miri) { 10 } else { 1000 } {
        let (sender, receiver) = channel();
        let other = thread::spawn(move || receiver.recv());
        sender.send(Box::new(5)).unwrap();
        assert_eq!(other.join().unwrap().as_deref(), Ok(&5));
    }
}

#[test]
fn a_value_that_comes_as_the_deadline_passes_is_not_lost() {
    for round in 0..if cfg!(miri) { 10 } else { 1000 } {
        let (sender, mut receiver) = channel();
        let other = thread::spawn(move || sender.send(round).unwrap());
        let received = loop {
            match receiver.recv_timeout(Duration::from_micros(round % 50)) {
                Err(RecvTimeoutError::TimedOut) => {}
                received => break received,
            }
        };
        assert_eq!(received, Ok(round));
        other.join().unwrap();
    }
}

#[test]
fn a_value_passes_between_microthreads_and_threads() {
    let rt = Runtime::new().unwrap();
    let (to, at) = channel();
    let (back_to, back) = channel();
    let middle = rt.spawn(move || back_to.send(at.recv()? + 1).map_err(|_| RecvError::Closed));
    to.send(1).unwrap();
    assert_eq!(back.recv(), Ok(2));
    middle.unwrap().join().unwrap().unwrap();
}

#[test]
fn a_killed_receiver_is_gone() {
    let rt = Runtime::new().unwrap();
    let (ready, is_ready) = channel();
    let (sender, receiver) = channel();
    let waits = rt
        .spawn(move || {
            ready.send(()).unwrap();
            receiver.recv()
        })
        .unwrap();
    is_ready.recv().unwrap();
    waits.kill();
    assert!(waits.join().is_err());
    assert!(sender.is_disconnected());
    assert_eq!(sender.send(1).unwrap_err().into_inner(), 1);
}

#[test]
fn an_error_thrown_in_ends_the_wait() {
    let rt = Runtime::new().unwrap();
    let (ready, is_ready) = channel();
    let (sender, receiver) = channel::<()>();
    let waits = rt
        .spawn(move || {
            ready.send(()).unwrap();
            receiver.recv()
        })
        .unwrap();
    is_ready.recv().unwrap();
    waits.throw("stop").unwrap();
    let received = waits.join().unwrap();
    assert!(matches!(received, Err(RecvError::Interrupted(_))));
    assert!(sender.is_disconnected());
}

#[test]
fn a_future_is_awaited_in_a_microthread() {
    let rt = Runtime::new().unwrap();
    let (sender, receiver) = channel();
    let waits = rt.spawn(move || microthread::block_on(receiver)).unwrap();
    sender.send(4).unwrap();
    assert_eq!(waits.join().unwrap(), Ok(4));
}

#[test]
fn handles_may_change_threads_and_a_future_be_moved() {
    fn sent<T: Send + Unpin>(value: T) -> T {
        value
    }
    fn shared<T: Sync>(_: &T) {}
    // What is sent need not be `Sync`.
    let (sender, receiver) = sent(channel::<std::cell::Cell<u32>>());
    shared(&(&sender, &receiver));
}
