//! Loom models of the wait queue under the real locks, through their futures: those share every section of the protocol
//! with the blocking waits, and need no parker. A waiter that is not woken waits for ever, which loom reports.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::Arc;
use loom::thread;

use super::wait::Waiting;
use super::{Condvar, Mutex, Notify, RwLock, Semaphore};
use crate::sys::atomic::UnsafeCell;

fn model(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

struct Bell(loom::sync::Notify);

impl Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.notify();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let bell = std::sync::Arc::new(Bell(loom::sync::Notify::new()));
    let waker = Waker::from(bell.clone());
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        bell.0.wait();
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What a lock protects: loom sees whether two hold it at a time, or one does not see what the last one did.
type Counter = UnsafeCell<u32>;

fn add(counter: &Counter) {
    // SAFETY: that the lock makes this exclusive is what is tested.
    counter.with_mut(|n| unsafe { *n += 1 });
}

fn read(counter: &Counter) -> u32 {
    // SAFETY: as above.
    counter.with(|n| unsafe { *n })
}

#[test]
fn loom_a_mutex_excludes() {
    model(3, || {
        let mutex = Arc::new(Mutex::new(Counter::new(0)));
        let other = {
            let mutex = mutex.clone();
            thread::spawn(move || add(&block_on(mutex.lock_async()).unwrap()))
        };
        add(&block_on(mutex.lock_async()).unwrap());
        other.join().unwrap();
        assert_eq!(read(&block_on(mutex.lock_async()).unwrap()), 2);
    });
}

/// Overtaken by a second locking of the holder's, the waiter is handed the lock.
#[test]
fn loom_a_handed_over_mutex_excludes() {
    model(3, || {
        let mutex = Arc::new(Mutex::new(Counter::new(0)));
        let held = block_on(mutex.lock_async()).unwrap();
        let other = {
            let mutex = mutex.clone();
            thread::spawn(move || add(&block_on(mutex.lock_async()).unwrap()))
        };
        add(&held);
        drop(held);
        add(&block_on(mutex.lock_async()).unwrap());
        other.join().unwrap();
        assert_eq!(read(&block_on(mutex.lock_async()).unwrap()), 3);
    });
}

#[test]
fn loom_a_semaphore_wakes_whom_it_serves() {
    model(3, || {
        let shared = Arc::new((Semaphore::new(0), Counter::new(0)));
        let other = {
            let shared = shared.clone();
            thread::spawn(move || {
                block_on(shared.0.acquire_async()).unwrap().forget();
                assert_eq!(read(&shared.1), 1);
            })
        };
        add(&shared.1);
        shared.0.add_permits(1);
        other.join().unwrap();
    });
}

/// Of two waiters one gives up, at any moment: the one permit is the other's.
#[test]
fn loom_a_waiter_that_gives_up_takes_no_permit_with_it() {
    model(2, || {
        let permits = Arc::new(Semaphore::new(0));
        let gives_up = {
            let permits = permits.clone();
            thread::spawn(move || {
                let mut wait = Box::pin(permits.acquire_async());
                let _ = poll_once(wait.as_mut());
            })
        };
        let waits = {
            let permits = permits.clone();
            thread::spawn(move || block_on(permits.acquire_async()).unwrap().forget())
        };
        permits.add_permits(1);
        gives_up.join().unwrap();
        waits.join().unwrap();
        assert_eq!(permits.available_permits(), 0);
    });
}

#[test]
fn loom_a_writer_and_readers_take_turns() {
    model(2, || {
        let lock = Arc::new(RwLock::new(Counter::new(0)));
        let writer = {
            let lock = lock.clone();
            thread::spawn(move || add(&block_on(lock.write_async()).unwrap()))
        };
        let reader = {
            let lock = lock.clone();
            thread::spawn(move || {
                read(&block_on(lock.read_async()).unwrap());
            })
        };
        let seen = read(&block_on(lock.read_async()).unwrap());
        assert!(seen <= 1);
        writer.join().unwrap();
        reader.join().unwrap();
        assert_eq!(read(&block_on(lock.write_async()).unwrap()), 1);
    });
}

#[test]
fn loom_a_notification_is_for_one_who_waits_or_comes() {
    model(3, || {
        let shared = Arc::new((Notify::new(), Counter::new(0)));
        let other = {
            let shared = shared.clone();
            thread::spawn(move || {
                block_on(shared.0.notified());
                assert_eq!(read(&shared.1), 1);
            })
        };
        add(&shared.1);
        shared.0.notify_one();
        other.join().unwrap();
    });
}

/// As a cancellation token does: make the wait, look, wait.
#[test]
fn loom_no_notify_waiters_is_missed_by_a_wait_made_before_the_look() {
    model(3, || {
        let shared = Arc::new((Notify::new(), loom::sync::atomic::AtomicBool::new(false)));
        let other = {
            let shared = shared.clone();
            thread::spawn(move || {
                let news = shared.0.notified();
                if !shared.1.load(std::sync::atomic::Ordering::Acquire) {
                    block_on(news);
                }
            })
        };
        shared.1.store(true, std::sync::atomic::Ordering::Release);
        shared.0.notify_waiters();
        other.join().unwrap();
    });
}

/// The wait of a condition variable: into its queue, then the mutex is released, then parked.
#[test]
fn loom_no_change_under_the_mutex_is_missed_by_a_condvar() {
    model(3, || {
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let other = {
            let shared = shared.clone();
            thread::spawn(move || {
                let (ready, changed) = &*shared;
                let mut guard = block_on(ready.lock_async()).unwrap();
                while !*guard {
                    let mut wait = pin!(Waiting::new(changed, 0));
                    assert!(wait.as_mut().enlist().is_none());
                    drop(guard);
                    block_on(wait.as_mut());
                    guard = block_on(ready.lock_async()).unwrap();
                }
            })
        };
        *block_on(shared.0.lock_async()).unwrap() = true;
        shared.1.notify_one();
        other.join().unwrap();
    });
}

/// Whoever adds looks at the limit under the lock of the queue: what others add meanwhile counts.
#[test]
fn loom_no_permits_are_added_beyond_the_maximum() {
    const MORE_THAN_HALF: usize = Semaphore::MAX_PERMITS / 2 + 1;
    fn adds(permits: &Semaphore) -> bool {
        let add = || permits.add_permits(MORE_THAN_HALF);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(add)).is_ok()
    }
    model(3, || {
        let permits = Arc::new(Semaphore::new(0));
        let mut waiter = pin!(permits.acquire_many_async(Semaphore::MAX_PERMITS));
        assert!(poll_once(waiter.as_mut()).is_pending());
        let other = {
            let permits = permits.clone();
            thread::spawn(move || adds(&permits))
        };
        let added = [adds(&permits), other.join().unwrap()];
        assert!(added[0] != added[1], "{added:?}");
        assert!(poll_once(waiter.as_mut()).is_pending());
    });
}
