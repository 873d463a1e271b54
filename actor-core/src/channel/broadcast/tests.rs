//! Step by step, through futures polled by hand; against a model; and from threads and microthreads.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{RecvError, RecvTimeoutError, TryRecvError, channel};
use crate::Runtime;
use crate::channel::polled::{Bell, poll};
use crate::channel::{SendError, oneshot};

#[test]
fn every_receiver_gets_what_is_sent_after_it_subscribed() {
    let (sender, first) = channel(4);
    assert_eq!(sender.send(1), Ok(1));
    let second = sender.subscribe();
    assert_eq!(sender.send(2), Ok(2));
    let third = first.resubscribe();
    assert_eq!(sender.receiver_count(), 3);
    assert_eq!((first.try_recv(), first.try_recv()), (Ok(1), Ok(2)));
    assert_eq!(second.try_recv(), Ok(2));
    for receiver in [first, second, third] {
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    }
}

#[test]
fn a_send_to_nobody_gives_the_value_back() {
    let (sender, receiver) = channel(4);
    drop(receiver);
    assert_eq!(sender.send("news"), Err(SendError::Disconnected("news")));
    let receiver = sender.subscribe();
    assert_eq!(sender.send("more"), Ok(1));
    assert_eq!(receiver.recv(), Ok("more"));
}

#[test]
fn a_slow_receiver_is_told_what_it_lost_and_goes_on() {
    let (sender, slow) = channel(2);
    let fast = sender.subscribe();
    for n in 0..5 {
        sender.send(n).unwrap();
        assert_eq!(fast.recv(), Ok(n));
    }
    assert_eq!(slow.len(), 5);
    assert_eq!(slow.try_recv(), Err(TryRecvError::Lagged(3)));
    assert_eq!((slow.recv(), slow.recv()), (Ok(3), Ok(4)));
    assert_eq!(slow.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn a_value_is_dropped_once_all_have_got_it() {
    let (sender, first) = channel(8);
    let second = sender.subscribe();
    let value = Arc::new(());
    sender.send(value.clone()).unwrap();
    drop(first.recv().unwrap());
    assert_eq!((sender.len(), Arc::strong_count(&value)), (1, 2));
    drop(second.recv().unwrap());
    assert_eq!((sender.len(), Arc::strong_count(&value)), (0, 1));
}

#[test]
fn a_receiver_that_leaves_frees_what_it_alone_had_to_get() {
    let (sender, first) = channel(8);
    let second = sender.subscribe();
    let value = Arc::new(());
    for _ in 0..3 {
        sender.send(value.clone()).unwrap();
    }
    drop(first.recv());
    drop(second);
    assert_eq!((sender.len(), Arc::strong_count(&value)), (2, 3));
    drop(first);
    assert_eq!((sender.len(), Arc::strong_count(&value)), (0, 1));
}

#[test]
fn the_last_to_get_a_value_gets_the_original() {
    struct Unique;
    impl Clone for Unique {
        fn clone(&self) -> Self {
            panic!("it is cloned")
        }
    }
    let (sender, receiver) = channel(1);
    sender.send(Unique).unwrap();
    assert!(receiver.recv().is_ok());
}

/// It would wait for its own lock for ever.
#[test]
fn a_value_is_cloned_and_dropped_outside_the_lock() {
    struct Curious(super::Sender<Curious>);
    impl Clone for Curious {
        fn clone(&self) -> Self {
            Curious(self.0.clone())
        }
    }
    impl Drop for Curious {
        fn drop(&mut self) {
            self.0.len();
        }
    }
    let (sender, first) = channel(1);
    let second = sender.subscribe();
    for _ in 0..2 {
        sender.send(Curious(sender.clone())).unwrap();
    }
    assert_eq!(first.recv().err(), Some(RecvError::Lagged(1)));
    assert!(first.recv().is_ok());
    drop(second);
    assert_eq!(sender.len(), 0);
}

#[test]
fn a_send_wakes_everybody_who_waits() {
    let (sender, first) = channel(4);
    let second = sender.subscribe();
    let bell = Arc::new(Bell::default());
    let mut first = pin!(first.recv_async());
    let mut second = pin!(second.recv_async());
    assert!(poll(first.as_mut(), &bell).is_pending());
    assert!(poll(second.as_mut(), &bell).is_pending());
    sender.send(5).unwrap();
    assert_eq!(bell.rung(), 2);
    assert_eq!(poll(first.as_mut(), &bell), Poll::Ready(Ok(5)));
    assert_eq!(poll(second.as_mut(), &bell), Poll::Ready(Ok(5)));
}

#[test]
fn the_last_sender_ends_the_waits() {
    let (sender, receiver) = channel::<()>(4);
    let other = sender.clone();
    let bell = Arc::new(Bell::default());
    let mut wait = pin!(receiver.recv_async());
    assert!(poll(wait.as_mut(), &bell).is_pending());
    drop(sender);
    assert_eq!(bell.rung(), 0);
    drop(other);
    assert_eq!(bell.rung(), 1);
    let received = poll(wait.as_mut(), &bell);
    assert_eq!(received, Poll::Ready(Err(RecvError::Disconnected)));
}

#[test]
fn a_future_that_was_woken_and_is_dropped_has_received_nothing() {
    let (sender, receiver) = channel(4);
    let bell = Arc::new(Bell::default());
    {
        let mut wait = pin!(receiver.recv_async());
        assert!(poll(wait.as_mut(), &bell).is_pending());
        sender.send(1).unwrap();
        assert_eq!(bell.rung(), 1);
    }
    assert_eq!(receiver.recv(), Ok(1));
}

#[test]
fn a_deadline_ends_the_wait() {
    let (sender, receiver) = channel(1);
    let timed_out = Err(RecvTimeoutError::TimedOut);
    assert_eq!(receiver.recv_deadline(Instant::now()), timed_out);
    assert_eq!(receiver.recv_timeout(Duration::from_millis(1)), timed_out);
    sender.send(1).unwrap();
    assert_eq!(receiver.recv_timeout(Duration::MAX), Ok(1));
}

#[test]
fn a_huge_capacity_costs_nothing_until_it_is_used() {
    let (sender, receiver) = channel(usize::MAX);
    sender.send(1).unwrap();
    assert_eq!(receiver.recv(), Ok(1));
}

#[test]
#[should_panic(expected = "use a capacity of 1 or more")]
fn a_capacity_of_0_is_refused() {
    drop(channel::<()>(0));
}

#[test]
fn threads_and_microthreads_all_get_everything_in_order() {
    const VALUES: usize = if cfg!(miri) { 20 } else { 2000 };
    let rt = Runtime::new().unwrap();
    let (sender, receiver) = channel(VALUES);
    let listen = |receiver: super::Receiver<usize>| {
        move || {
            for n in 0..VALUES {
                assert_eq!(receiver.recv(), Ok(n));
            }
            assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
        }
    };
    let micro: Vec<_> = (0..3)
        .map(|_| rt.spawn(listen(sender.subscribe())).unwrap())
        .collect();
    let os = thread::spawn(listen(receiver));
    for n in 0..VALUES {
        sender.send(n).unwrap();
    }
    drop(sender);
    os.join().unwrap();
    micro
        .into_iter()
        .for_each(|listens| listens.join().unwrap());
}

#[test]
fn a_killed_receiver_is_no_longer_counted() {
    let rt = Runtime::new().unwrap();
    let (ready, is_ready) = oneshot::channel();
    let (sender, receiver) = channel::<()>(1);
    let waits = rt
        .spawn(move || {
            ready.send(()).unwrap();
            receiver.recv()
        })
        .unwrap();
    is_ready.recv().unwrap();
    waits.kill();
    assert!(waits.join().is_err());
    assert_eq!(sender.receiver_count(), 0);
}

#[test]
fn handles_and_futures_may_change_threads() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    fn shared<T: Sync>(_: &T) {}
    let (sender, receiver) = sent(channel::<String>(1));
    shared(&(&sender, &receiver));
    drop(sent(receiver.recv_async()));
}

#[derive(Clone, Debug)]
enum Step {
    Send,
    Recv(usize),
    Subscribe,
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Send),
        4 => (0..4usize).prop_map(Step::Recv),
        1 => Just(Step::Subscribe),
        1 => (0..4usize).prop_map(Step::Leave),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 10 } else { 256 }))]

    /// Each receiver has a list of its own, of at most `capacity` values.
    #[test]
    fn it_behaves_as_a_list_for_each_receiver(
        capacity in 1..4usize,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let (sender, receiver) = channel(capacity);
        let mut receivers = vec![(receiver, VecDeque::new(), 0)];
        let mut sent = 0u64;
        for step in steps {
            match step {
                Step::Send => {
                    let told = sender.send(sent);
                    prop_assert_eq!(told.ok().unwrap_or(0), receivers.len());
                    for (_, list, lost) in &mut receivers {
                        list.push_back(sent);
                        if list.len() > capacity {
                            list.pop_front();
                            *lost += 1;
                        }
                    }
                    sent += 1;
                }
                Step::Recv(index) => {
                    let Some((receiver, list, lost)) = receivers.get_mut(index) else {
                        continue;
                    };
                    prop_assert_eq!(receiver.len() as u64, list.len() as u64 + *lost);
                    let expected = match std::mem::take(lost) {
                        0 => list.pop_front().ok_or(TryRecvError::Empty),
                        lost => Err(TryRecvError::Lagged(lost)),
                    };
                    prop_assert_eq!(receiver.try_recv(), expected);
                }
                Step::Subscribe if receivers.len() < 4 => {
                    receivers.push((sender.subscribe(), VecDeque::new(), 0));
                }
                Step::Subscribe => {}
                Step::Leave(index) => {
                    if index < receivers.len() {
                        receivers.remove(index);
                    }
                }
            }
            let kept = receivers.iter().map(|(_, list, _)| list.len()).max();
            prop_assert_eq!(sender.len(), kept.unwrap_or(0));
        }
    }
}
