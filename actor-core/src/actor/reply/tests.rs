//! Behaviour of the reply slot, and stress on two threads.

use super::*;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Instant;

#[test]
fn a_value_arrives_inline_or_boxed() {
    fn check<T: Send + Clone + PartialEq + fmt::Debug + 'static>(value: T) {
        let (reply, receiver) = slot::<T>();
        assert_eq!(reply.send(value.clone()), Ok(()));
        assert_eq!(receiver.wait(None), Ok(value));
    }
    #[derive(Clone, Debug, PartialEq)]
    #[repr(align(32))]
    struct Aligned(u8);
    check(());
    check(7u64);
    check([7u64; 5]);
    check([7u64; 6]);
    check(1u128);
    check(Aligned(1));
    check(String::from("text"));
}

#[test]
fn a_reply_is_a_pointer_and_a_told_message_has_none() {
    assert_eq!(size_of::<Option<Port>>(), 16.min(size_of::<Option<Port>>()));
    assert_eq!(size_of::<Port>(), 8);
    let reply = Port::none();
    assert!(!reply.is_some() && !reply.is_abandoned());
    assert_eq!(reply.send(3), Err(3));
}

#[test]
fn an_unanswered_reply_fails_the_receiver() {
    let (reply, receiver) = slot::<u8>();
    drop(reply);
    assert_eq!(
        receiver.wait(None),
        Err(ReplyError::NoReply(Failure::Dropped))
    );
    let (reply, receiver) = slot::<u8>();
    reply.fail(Failure::Panicked("why".into()));
    assert_eq!(
        receiver.wait(None),
        Err(ReplyError::NoReply(Failure::Panicked("why".into())))
    );
}

#[test]
fn a_value_of_another_type_is_an_error() {
    let (reply, receiver) = slot::<u8>();
    assert_eq!(reply.send("text"), Err("text"));
    assert_eq!(
        receiver.wait(None),
        Err(ReplyError::NoReply(Failure::TypeMismatch))
    );
}

#[test]
fn an_abandoned_reply_gives_the_value_back() {
    let (reply, receiver) = slot::<String>();
    assert!(!reply.is_abandoned());
    drop(receiver);
    assert!(reply.is_abandoned());
    assert_eq!(reply.send(String::from("text")), Err(String::from("text")));
}

#[test]
fn a_reply_that_comes_before_the_waiter_is_taken_out_beats_the_deadline() {
    let (reply, mut receiver) = slot::<u8>();
    assert_eq!(receiver.begin_wait(), None);
    assert_eq!(reply.send(5_u8), Ok(()));
    assert_eq!(receiver.give_up(), Some(Ok(5)));
}

#[test]
fn a_timeout_leaves_the_receiver_usable() {
    let (reply, mut receiver) = slot_waiting::<u8>();
    assert_eq!(
        receiver.wait_until(Some(Instant::now())),
        Err(ReplyError::Timeout)
    );
    assert_eq!(receiver.try_take(), None);
    assert_eq!(reply.send(1u8), Ok(()));
    assert_eq!(
        receiver.wait_until(Some(Instant::now())),
        Ok(1),
        "a reply that is there beats a deadline that has passed"
    );
    assert_eq!(receiver.try_take(), Some(Err(Failure::Dropped)));
}

struct Count(AtomicUsize);
impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn a_future_wakes_the_waker_of_its_last_poll() {
    let (first, second) = (
        Arc::new(Count(AtomicUsize::new(0))),
        Arc::new(Count(AtomicUsize::new(0))),
    );
    let wakers = [Waker::from(first.clone()), Waker::from(second.clone())];
    let (reply, mut receiver) = slot::<u8>();
    for waker in [&wakers[0], &wakers[0], &wakers[1]] {
        assert_eq!(
            Pin::new(&mut receiver).poll(&mut Context::from_waker(waker)),
            Poll::Pending
        );
    }
    assert_eq!(reply.send(5u8), Ok(()));
    assert_eq!((first.0.load(Relaxed), second.0.load(Relaxed)), (0, 1));
    assert_eq!(
        Pin::new(&mut receiver).poll(&mut Context::from_waker(&wakers[0])),
        Poll::Ready(Ok(5))
    );
    drop(wakers);
    // The slot kept no waker.
    assert_eq!(
        (Arc::strong_count(&first), Arc::strong_count(&second)),
        (1, 1)
    );
}

#[test]
fn an_abandoned_future_drops_its_waker() {
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(count.clone());
    let (reply, mut receiver) = slot::<u8>();
    assert_eq!(
        Pin::new(&mut receiver).poll(&mut Context::from_waker(&waker)),
        Poll::Pending
    );
    assert_eq!(
        receiver.wait_until(Some(Instant::now())),
        Err(ReplyError::Timeout)
    );
    assert_eq!(
        Arc::strong_count(&count),
        2,
        "a parker took the waker's place"
    );
    assert_eq!(
        Pin::new(&mut receiver).poll(&mut Context::from_waker(&waker)),
        Poll::Pending
    );
    drop(receiver);
    drop(waker);
    assert_eq!(Arc::strong_count(&count), 1);
    drop(reply);
}

/// Counts live values.
struct Live(Arc<AtomicUsize>, [u64; 3]);
impl Live {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Relaxed);
        Live(count.clone(), [7; 3])
    }
}
impl Drop for Live {
    fn drop(&mut self) {
        assert_eq!(self.1, [7; 3]);
        self.0.fetch_sub(1, Relaxed);
    }
}

#[test]
fn values_are_dropped_once() {
    let live = Arc::new(AtomicUsize::new(0));
    for order in 0..3 {
        let (reply, receiver) = slot::<Live>();
        match order {
            0 => {
                assert!(reply.send(Live::new(&live)).is_ok());
                drop(receiver);
            }
            1 => {
                drop(receiver);
                assert!(reply.send(Live::new(&live)).is_err());
            }
            _ => {
                assert!(reply.send(Live::new(&live)).is_ok());
                assert!(receiver.wait(None).is_ok());
            }
        }
        assert_eq!(live.load(Relaxed), 0);
    }
}

#[test]
fn stress_replies_deadlines_and_departures() {
    let live = Arc::new(AtomicUsize::new(0));
    let (ports, inbox) = std::sync::mpsc::channel::<(u32, Port)>();
    let replier = {
        let live = live.clone();
        thread::spawn(move || {
            for (n, reply) in inbox {
                match n % 5 {
                    0 => drop(reply),
                    1 => reply.fail(Failure::Dead),
                    _ => drop(reply.send(Live::new(&live))),
                }
            }
        })
    };
    let mut outcomes = [0; 3];
    for n in 0..200_000 {
        let (reply, receiver) = if n % 2 == 0 {
            slot::<Live>()
        } else {
            slot_waiting()
        };
        ports.send((n, reply)).unwrap();
        match n % 3 {
            0 => drop(receiver),
            1 => match receiver.wait(Some(Instant::now())) {
                Ok(_) => outcomes[0] += 1,
                Err(ReplyError::Timeout) => outcomes[1] += 1,
                Err(_) => outcomes[2] += 1,
            },
            _ => assert_eq!(receiver.wait(None).is_ok(), n % 5 > 1),
        }
    }
    drop(ports);
    replier.join().unwrap();
    assert_eq!(live.load(Relaxed), 0);
}
