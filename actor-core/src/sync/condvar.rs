//! [`Condvar`].
//!
//! A waiter enters the queue while it still holds the mutex, releases the mutex, and parks. Whoever changes the condition
//! under the mutex afterwards finds QUEUED set, as it has acquired what the waiter released; so a notification that follows
//! such a change is never lost, and `notify_one` on a condition variable that nobody waits for is one load.

use std::fmt;
use std::sync::{LockResult, PoisonError};
use std::time::{Duration, Instant};

use crate::rt::wait::{self as rt_wait, Ended};
use crate::sys::atomic::{AtomicBool, Ordering};

use super::mutex::MutexGuard;
use super::queue::{Locked, Outcome, Queue};
use super::wait::{How, Source, block};

/// A condition variable: waits for something to become true under a [`Mutex`](super::Mutex).
///
/// As `std::sync::Condvar`: a wait releases the mutex and takes it again before it returns. There are no spurious wake-ups,
/// but somebody else may have been quicker, so a wait belongs into a loop, or use [`wait_while`](Self::wait_while). Waiters
/// are notified first come, first served. A notified waiter that unwinds before it has the mutex again (a kill) passes the
/// notification on.
///
/// ```
/// use actor_core::sync::{Condvar, Mutex};
/// use actor_core::Runtime;
/// use std::sync::Arc;
///
/// let rt = Runtime::new()?;
/// let pair = Arc::new((Mutex::new(false), Condvar::new()));
/// let other = pair.clone();
/// rt.spawn(move || {
///     *other.0.lock().unwrap() = true;
///     other.1.notify_one();
/// })?;
/// let (ready, changed) = &*pair;
/// let _ready = changed.wait_while(ready.lock().unwrap(), |ready| !*ready).unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Condvar {
    queued: AtomicBool,
    queue: Queue,
}

/// Whether a wait ended by its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// `true`: the deadline passed, and the waiter was not notified.
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Source for Condvar {
    fn queue(&self) -> &Queue {
        &self.queue
    }

    fn arrive(&self, _: &mut Locked<'_>, _: usize) -> Option<Outcome> {
        self.queued.store(true, Ordering::Relaxed);
        None
    }

    fn left(&self, queue: &mut Locked<'_>, _: usize, how: Outcome) {
        if how == Outcome::Granted {
            queue.settle_front(Outcome::Granted);
        }
        self.note_empty(queue);
    }
}

impl Condvar {
    super::const_unless_loom! {
        /// A condition variable that nobody waits for.
        pub fn new() -> Self {
            Condvar { queued: AtomicBool::new(false), queue: Queue::new() }
        }
    }

    fn note_empty(&self, queue: &Locked<'_>) {
        if queue.is_empty() {
            self.queued.store(false, Ordering::Relaxed);
        }
    }

    /// Notifies the one that has waited longest. Nobody waits: does nothing.
    pub fn notify_one(&self) {
        if self.queued.load(Ordering::Relaxed) {
            let mut queue = self.queue.lock();
            queue.settle_front(Outcome::Granted);
            self.note_empty(&queue);
        }
    }

    /// Notifies everybody who waits now.
    pub fn notify_all(&self) {
        if self.queued.load(Ordering::Relaxed) {
            let mut queue = self.queue.lock();
            queue.settle_all(Outcome::All);
            self.note_empty(&queue);
        }
    }

    /// Releases the mutex, waits to be notified, and takes the mutex again.
    ///
    /// Not interruptible. A kill unwinds out of it, without the mutex.
    ///
    /// While a panic unwinds through the calling microthread (in a destructor, say) it blocks the thread, and so the worker: if
    /// whoever would notify it is suspended on the same worker, for ever.
    ///
    /// # Errors
    /// If the mutex is poisoned; the guard is inside.
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.wait_until(guard, None).0
    }

    /// As [`wait`](Self::wait), until `condition` gives `false` for the value.
    ///
    /// # Errors
    /// If the mutex is poisoned; the guard is inside.
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'a, T>> {
        while condition(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// As [`wait`](Self::wait), waiting for a notification for at most `timeout`. (To take the mutex again may take longer.)
    ///
    /// # Errors
    /// If the mutex is poisoned; guard and result are inside.
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        both(self.wait_until(guard, rt_wait::after(timeout)))
    }

    /// As [`wait_timeout`](Self::wait_timeout), at most until `deadline`.
    ///
    /// # Errors
    /// If the mutex is poisoned; guard and result are inside.
    pub fn wait_deadline<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Instant,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        both(self.wait_until(guard, Some(deadline)))
    }

    /// As [`wait_while`](Self::wait_while), for at most `timeout` in all. The result says that the time is over only if the
    /// condition still holds.
    ///
    /// # Errors
    /// If the mutex is poisoned; guard and result are inside.
    pub fn wait_timeout_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let deadline = rt_wait::after(timeout);
        let mut timed_out = false;
        while condition(&mut guard) {
            if timed_out {
                return Ok((guard, WaitTimeoutResult(true)));
            }
            let result;
            (guard, result) = both(self.wait_until(guard, deadline))?;
            timed_out = result.timed_out();
        }
        Ok((guard, WaitTimeoutResult(false)))
    }

    fn wait_until<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Option<Instant>,
    ) -> (LockResult<MutexGuard<'a, T>>, WaitTimeoutResult) {
        /// A kill while the mutex is taken again: the notification is for the next.
        struct PassOn<'a>(&'a Condvar);
        impl Drop for PassOn<'_> {
            fn drop(&mut self) {
                self.0.notify_one();
            }
        }
        let mutex = guard.mutex();
        let ended = block(self, 0, deadline, How::Infallible, || drop(guard));
        let pass_on = (ended == Ok(Outcome::Granted)).then(|| PassOn(self));
        let guard = mutex.lock();
        std::mem::forget(pass_on);
        (guard, WaitTimeoutResult(ended == Err(Ended::TimedOut)))
    }
}

fn both<G>(
    (guard, result): (LockResult<G>, WaitTimeoutResult),
) -> LockResult<(G, WaitTimeoutResult)> {
    match guard {
        Ok(guard) => Ok((guard, result)),
        Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), result))),
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Condvar::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
