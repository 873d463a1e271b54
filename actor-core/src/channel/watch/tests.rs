//! Step by step, through futures polled by hand, and from threads and microthreads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use super::{Ref, channel};
use crate::channel::polled::{Bell, poll};
use crate::channel::{RecvError, RecvTimeoutError, SendError, oneshot};
use crate::{Runtime, microthread};

#[test]
fn a_value_is_seen_once_and_can_be_looked_at_for_ever() {
    let (sender, receiver) = channel(1);
    assert_eq!(receiver.has_changed(), Ok(false));
    sender.send(2).unwrap();
    assert_eq!(receiver.get(), 2);
    assert_eq!(receiver.has_changed(), Ok(true), "to look is not to see");
    receiver.changed().unwrap();
    assert_eq!(receiver.has_changed(), Ok(false));
    drop(sender);
    assert_eq!(receiver.with(|value| value + 1), 3);
}

#[test]
fn each_receiver_sees_for_itself() {
    let (sender, first) = channel(1);
    sender.send(2).unwrap();
    let copy = first.clone();
    let new = sender.subscribe();
    assert_eq!(*first.borrow_and_update(), 2);
    assert_eq!(first.has_changed(), Ok(false));
    assert_eq!(
        copy.has_changed(),
        Ok(true),
        "as the first when it was cloned"
    );
    assert_eq!(new.has_changed(), Ok(false));
    new.mark_changed();
    assert_eq!(new.changed(), Ok(()));
    assert_eq!(sender.receiver_count(), 3);
}

#[test]
fn a_send_wakes_everybody_who_waits() {
    let (sender, first) = channel(1);
    let second = first.clone();
    let bell = Arc::new(Bell::default());
    let mut first = pin!(first.changed_async());
    let mut second = pin!(second.changed_async());
    assert!(poll(first.as_mut(), &bell).is_pending());
    assert!(poll(second.as_mut(), &bell).is_pending());
    sender.send(2).unwrap();
    assert_eq!(bell.rung(), 2);
    assert_eq!(poll(first.as_mut(), &bell), Poll::Ready(Ok(())));
    assert_eq!(poll(second.as_mut(), &bell), Poll::Ready(Ok(())));
}

#[test]
fn the_last_sender_ends_the_waits() {
    let (sender, receiver) = channel(1);
    let other = sender.clone();
    let bell = Arc::new(Bell::default());
    let mut wait = pin!(receiver.changed_async());
    assert!(poll(wait.as_mut(), &bell).is_pending());
    drop(sender);
    assert_eq!(bell.rung(), 0);
    drop(other);
    assert_eq!(bell.rung(), 1);
    let gone = Err(RecvError::Disconnected);
    assert_eq!(poll(wait.as_mut(), &bell), Poll::Ready(gone));
}

#[test]
fn what_was_sent_last_is_seen_though_the_senders_are_gone() {
    let (sender, receiver) = channel(1);
    sender.send(2).unwrap();
    drop(sender);
    assert_eq!(receiver.has_changed(), Ok(true));
    assert_eq!(receiver.changed(), Ok(()));
    assert_eq!(receiver.has_changed(), Err(RecvError::Disconnected));
    assert_eq!(receiver.changed(), Err(RecvError::Disconnected));
    let found = receiver.wait_for(|value| *value == 2);
    assert_eq!(found.as_deref(), Ok(&2));
    let found = receiver.wait_for(|value| *value == 3);
    assert_eq!(found.as_deref(), Err(&RecvError::Disconnected));
}

#[test]
fn a_future_that_was_woken_and_is_dropped_has_seen_nothing() {
    let (sender, receiver) = channel(1);
    let bell = Arc::new(Bell::default());
    {
        let mut wait = pin!(receiver.changed_async());
        assert!(poll(wait.as_mut(), &bell).is_pending());
        sender.send(2).unwrap();
        assert_eq!(bell.rung(), 1);
    }
    assert_eq!(receiver.has_changed(), Ok(true));
}

#[test]
fn a_send_to_nobody_changes_nothing_and_a_replacement_does() {
    let (sender, receiver) = channel(1);
    drop(receiver);
    assert!(sender.is_disconnected());
    assert_eq!(sender.send(2), Err(SendError::Disconnected(2)));
    assert_eq!(*sender.borrow(), 1);
    assert_eq!(Ref::into_owned(sender.send_replace(3)), 1);
    assert_eq!(sender.with(|value| *value), 3);
}

#[test]
fn a_modification_that_panics_or_declines_sends_nothing() {
    let (sender, receiver) = channel(1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        sender.send_modify(|value| {
            *value = 2;
            panic!("half way");
        });
    }));
    assert!(panicked.is_err());
    let sent = sender.send_if_modified(|value| {
        *value = 3;
        false
    });
    assert!(!sent);
    assert_eq!(receiver.has_changed(), Ok(false));
    assert_eq!(receiver.get(), 1);
    sender.send_modify(|value| *value += 1);
    assert_eq!(receiver.get(), 2);
}

#[test]
fn a_modification_loses_nothing_of_others() {
    const TIMES: u32 = if cfg!(miri) { 5 } else { 100 };
    let rt = Runtime::new().unwrap();
    let (sender, receiver) = channel(0);
    let modify = |sender: super::Sender<u32>| {
        move || {
            for _ in 0..TIMES {
                sender.send_modify(|value| {
                    let before = *value;
                    microthread::yield_now();
                    *value = before + 1;
                });
            }
        }
    };
    let micro: Vec<_> = (0..3)
        .map(|_| rt.spawn(modify(sender.clone())).unwrap())
        .collect();
    thread::spawn(modify(sender)).join().unwrap();
    micro.into_iter().for_each(|ends| ends.join().unwrap());
    assert_eq!(receiver.get(), 4 * TIMES);
}

/// It would wait for its own lock for ever.
#[test]
fn a_value_is_cloned_and_dropped_outside_the_lock() {
    struct Curious(Option<super::Receiver<Curious>>);
    impl Curious {
        fn look(&self) {
            self.0.iter().for_each(|receiver| {
                let _ = receiver.has_changed();
            });
        }
    }
    impl Clone for Curious {
        fn clone(&self) -> Self {
            self.look();
            Curious(self.0.clone())
        }
    }
    impl Drop for Curious {
        fn drop(&mut self) {
            self.look();
        }
    }
    let (sender, receiver) = channel(Curious(None));
    sender.send(Curious(Some(receiver.clone()))).unwrap();
    drop(receiver.get());
    sender.send_modify(|value| value.look());
    sender.send(Curious(None)).unwrap();
}

#[test]
fn a_value_that_is_looked_at_holds_nobody_up() {
    let (sender, receiver) = channel(1);
    let old = receiver.borrow();
    sender.send(2).unwrap();
    receiver.with(|value| sender.send(value + 1).unwrap());
    assert_eq!((*old, receiver.get()), (1, 3));
}

#[test]
fn a_deadline_ends_the_wait() {
    let (sender, receiver) = channel(1);
    let timed_out = Err(RecvTimeoutError::TimedOut);
    assert_eq!(receiver.changed_deadline(Instant::now()), timed_out);
    assert_eq!(receiver.changed_timeout(Duration::ZERO), timed_out);
    let found = receiver.wait_for_timeout(Duration::from_millis(1), |value| *value == 2);
    assert_eq!(found.as_deref(), Err(&RecvTimeoutError::TimedOut));
    sender.send(2).unwrap();
    assert_eq!(receiver.changed_timeout(Duration::MAX), Ok(()));
    let found = receiver.wait_for_deadline(Instant::now(), |value| *value == 2);
    assert_eq!(found.as_deref(), Ok(&2));
}

#[test]
fn threads_and_microthreads_all_see_the_last_value() {
    const LAST: u32 = if cfg!(miri) { 20 } else { 2000 };
    let rt = Runtime::new().unwrap();
    let (sender, receiver) = channel(0);
    let watch = |receiver: super::Receiver<u32>| {
        move || {
            let mut before = 0;
            while receiver.changed().is_ok() {
                let value = receiver.get();
                assert!(value >= before);
                before = value;
            }
            assert_eq!(before, LAST);
        }
    };
    let micro: Vec<_> = (0..3)
        .map(|_| rt.spawn(watch(receiver.clone())).unwrap())
        .collect();
    let os = thread::spawn(watch(receiver));
    for n in 1..=LAST {
        sender.send(n).unwrap();
    }
    drop(sender);
    os.join().unwrap();
    micro
        .into_iter()
        .for_each(|watches| watches.join().unwrap());
}

#[test]
fn a_future_waits_for_a_value() {
    let rt = Runtime::new().unwrap();
    let (sender, receiver) = channel(0);
    let waits = rt
        .spawn(move || {
            microthread::block_on(async {
                let found = receiver.wait_for_async(|value| *value > 1).await;
                found.map(|value| *value)
            })
        })
        .unwrap();
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert_eq!(waits.join().unwrap(), Ok(2));
}

#[test]
fn a_killed_receiver_is_no_longer_counted() {
    let rt = Runtime::new().unwrap();
    let (ready, is_ready) = oneshot::channel();
    let (sender, receiver) = channel(());
    let waits = rt
        .spawn(move || {
            ready.send(()).unwrap();
            receiver.changed()
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
    let (sender, receiver) = sent(channel(String::new()));
    shared(&(&sender, &receiver));
    drop(sent(receiver.changed_async()));
    drop(sent(receiver.wait_for_async(|value| value.is_empty())));
}
