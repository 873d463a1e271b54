//! Holding a population blocked, and letting it go.
//!
//! Both types here work on microthreads and on OS threads, as they are built on
//! [`block_on`].

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

use actor_core::microthread::block_on;

/// A place where many wait until it is opened, and which is shut again behind them.
#[derive(Debug, Default)]
pub struct Gate {
    /// How often it has been opened.
    opened: AtomicU64,
    waiting: Mutex<Vec<Waker>>,
}

impl Gate {
    /// A shut gate.
    pub const fn new() -> Self {
        Gate {
            opened: AtomicU64::new(0),
            waiting: Mutex::new(Vec::new()),
        }
    }

    /// Waits for the next [`open`](Self::open).
    #[inline(never)]
    pub fn wait(&self) {
        let seen = self.opened.load(Ordering::Acquire);
        block_on(poll_fn(|context| {
            // Under the lock: `open` counts first and then takes the wakers, so one of the two sees the other.
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if self.opened.load(Ordering::Acquire) != seen {
                return Poll::Ready(());
            }
            waiting.push(context.waker().clone());
            Poll::Pending
        }));
    }

    /// Lets everybody go who waits now, first come, first woken.
    pub fn open(&self) {
        self.opened.fetch_add(1, Ordering::AcqRel);
        let wakers = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let room = Vec::with_capacity(waiting.len());
            std::mem::replace(&mut *waiting, room)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Counts arrivals down to zero, for one who waits until then.
///
/// Those who count all run on one worker, and nobody else counts: counting is a load and a store, so that it adds next
/// to nothing to what is measured.
#[derive(Debug, Default)]
pub struct Countdown {
    left: AtomicUsize,
    waiter: Mutex<Option<Waker>>,
}

impl Countdown {
    /// One that is at zero.
    pub const fn new() -> Self {
        Countdown {
            left: AtomicUsize::new(0),
            waiter: Mutex::new(None),
        }
    }

    /// Expects `count` arrivals.
    pub fn reset(&self, count: usize) {
        self.left.store(count, Ordering::Release);
    }

    /// One has arrived.
    #[inline]
    pub fn arrive(&self) {
        let left = self.left.load(Ordering::Relaxed).saturating_sub(1);
        self.left.store(left, Ordering::Release);
        if left == 0 {
            self.wake();
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self) {
        let waiter = self.waiter.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = &*waiter {
            waker.wake_by_ref();
        }
    }

    /// Waits until all have arrived.
    pub fn wait(&self) {
        block_on(poll_fn(|context| {
            *self.waiter.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(context.waker().clone());
            match self.left.load(Ordering::Acquire) {
                0 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actor_core::{Runtime, microthread};

    use super::*;

    #[test]
    fn everybody_at_the_gate_goes_when_it_opens_and_nobody_before() {
        let rt = Runtime::builder().workers(1).build().unwrap();
        let shared = Arc::new((Gate::new(), Countdown::new(), AtomicUsize::new(0)));
        let driver = rt.spawn(move || {
            shared.1.reset(10);
            let members: Vec<_> = (0..10)
                .map(|_| {
                    let shared = shared.clone();
                    microthread::spawn(move || {
                        let (gate, arrived, passed) = &*shared;
                        arrived.arrive();
                        gate.wait();
                        passed.fetch_add(1, Ordering::Relaxed);
                    })
                })
                .collect();
            shared.1.wait();
            let before = shared.2.load(Ordering::Relaxed);
            shared.0.open();
            members.into_iter().for_each(|m| m.join().unwrap());
            (before, shared.2.load(Ordering::Relaxed))
        });
        assert_eq!(driver.unwrap().join().unwrap(), (0, 10));
    }
}
