//! [`Mutex`].
//!
//! # The word
//! LOCKED: somebody holds the lock. QUEUED: somebody waits (see [`super::queue`]).
//!
//! # Overtaking, and its end
//! An unlock with waiters frees the lock and *nudges* the one at the front, which stays where it is and looks again when it
//! runs. Until then whoever comes by may take the lock: to hand it to a waiter that first has to be woken, perhaps on
//! another worker, would leave it idle for that long each time. A waiter that has looked in vain becomes *urgent*: the next
//! unlock hands it the lock, with LOCKED set all the while, so that nobody can get in between.
//!
//! A nudge is like a grant in that it must not be lost: a nudged waiter that leaves while the lock is free nudges the next.
//!
//! # Seeded faults
//! | fault                 | what it breaks                                  | caught by                                        |
//! |-----------------------|-------------------------------------------------|--------------------------------------------------|
//! | `mutex_no_nudge`      | an unlock does not wake the first waiter        | `loom_a_mutex_excludes`                          |
//! | `mutex_lose_nudge`    | a nudged waiter that leaves tells nobody        | `a_nudged_waiter_that_leaves_nudges_the_next`    |
//! | `mutex_never_urgent`  | a waiter may be overtaken for ever              | `a_waiter_is_overtaken_once_at_most`             |
//! | `mutex_relaxed`       | taking and releasing order nothing              | `loom_a_mutex_excludes`                          |

use std::cell::UnsafeCell;
use std::fmt;
use std::hint::spin_loop;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, TryLockError, TryLockResult};
use std::time::{Duration, Instant};

use crate::rt::park;
use crate::rt::wait::{self as rt_wait, Ended};
use crate::sys::atomic::{AtomicUsize, Ordering};
use crate::sys::fault::fault;

use super::error::LockError;
use super::poison::{Poison, Taken};
use super::queue::{Locked, Node, Outcome, Queue};
use super::wait::{How, Source, Waiting, block, block_for_ever};

const LOCKED: usize = 1;
const QUEUED: usize = 2;
/// Looks at the word before a waiter queues: a section that is about to end costs less than a switch.
const SPINS: u32 = 40;

fn acquire() -> Ordering {
    match fault!("mutex_relaxed") {
        true => Ordering::Relaxed,
        false => Ordering::Acquire,
    }
}

fn release() -> Ordering {
    match fault!("mutex_relaxed") {
        true => Ordering::Relaxed,
        false => Ordering::Release,
    }
}

/// The lock without what it protects.
#[derive(Debug)]
struct Raw {
    word: AtomicUsize,
    queue: Queue,
}

impl Raw {
    super::const_unless_loom! {
        fn new() -> Self {
            Raw { word: AtomicUsize::new(0), queue: Queue::new() }
        }
    }

    /// Step 1.
    #[inline]
    fn try_lock(&self) -> bool {
        let mut word = 0;
        loop {
            match self
                .word
                .compare_exchange_weak(word, word | LOCKED, acquire(), Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) if now & LOCKED != 0 => return false,
                Err(now) => word = now,
            }
        }
    }

    /// As [`try_lock`](Self::try_lock), looking for a little while if nobody waits yet.
    fn try_for_a_while(&self) -> bool {
        if cfg!(loom) {
            return false;
        }
        for _ in 0..SPINS {
            match self.word.load(Ordering::Relaxed) {
                word if word & LOCKED == 0 && self.try_lock() => return true,
                word if word & QUEUED != 0 => return false,
                _ => {}
            }
            spin_loop();
        }
        false
    }

    #[inline]
    fn lock(&self) {
        park::check_stack();
        if !self.try_lock() {
            self.lock_slowly();
        }
    }

    #[cold]
    fn lock_slowly(&self) {
        if !self.try_for_a_while() {
            let outcome = block_for_ever(self, 0);
            debug_assert_eq!(outcome, Outcome::Granted);
        }
    }

    fn lock_until(&self, deadline: Option<Instant>) -> Result<(), Ended> {
        park::check_stack();
        if self.try_lock() || self.try_for_a_while() {
            return Ok(());
        }
        block(self, 0, deadline, How::Fallible, || ()).map(|_| ())
    }

    /// Step a.
    #[inline]
    fn unlock(&self) {
        let released = self
            .word
            .compare_exchange(LOCKED, 0, release(), Ordering::Relaxed);
        if released.is_err() {
            self.unlock_slowly();
        }
    }

    #[cold]
    fn unlock_slowly(&self) {
        self.release(&mut self.queue.lock()); // step b
    }

    /// Steps c and d, by the holder.
    fn release(&self, queue: &mut Locked<'_>) {
        match queue.front() {
            Some((_, Outcome::Urgent)) => {
                // The lock stays LOCKED: it is the waiter's now.
                queue.settle_front(Outcome::Granted);
                self.note_empty(queue);
            }
            _ => {
                self.word.fetch_and(!LOCKED, Ordering::Release);
                if !fault!("mutex_no_nudge") {
                    queue.nudge_front();
                }
            }
        }
    }

    /// Step d.
    fn note_empty(&self, queue: &Locked<'_>) {
        if queue.is_empty() {
            self.word.fetch_and(!QUEUED, Ordering::Relaxed);
        }
    }
}

impl Source for Raw {
    fn queue(&self) -> &Queue {
        &self.queue
    }

    fn arrive(&self, _: &mut Locked<'_>, _: usize) -> Option<Outcome> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let free = word & LOCKED == 0;
            let new = word | if free { LOCKED } else { QUEUED };
            match self
                .word
                .compare_exchange_weak(word, new, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return free.then_some(Outcome::Granted),
                Err(now) => word = now,
            }
        }
    }

    fn look_again(&self, queue: &mut Locked<'_>, node: &Node) -> bool {
        let got = self.try_lock();
        if !got && fault!("mutex_never_urgent") {
            queue.make_patient(node);
        } else if !got {
            // The holder has yet to unlock, and will find QUEUED, then this.
            queue.make_urgent(node);
        }
        got
    }

    fn left(&self, queue: &mut Locked<'_>, _: usize, how: Outcome) {
        match how {
            Outcome::Granted => self.release(queue),
            Outcome::Nudged if fault!("mutex_lose_nudge") => {}
            Outcome::Nudged if self.word.load(Ordering::Relaxed) & LOCKED == 0 => {
                queue.nudge_front();
            }
            _ => {}
        }
        self.note_empty(queue);
    }
}

/// A lock around a value: `std::sync::Mutex` for microthreads.
///
/// Waiting for it parks the microthread, or blocks the OS thread. It may be held across any blocking call.
///
/// # Fairness
/// Waiters queue first come, first served. When the lock is released with waiters in the queue, the first is woken, and
/// until it runs others may take the lock (without that, each contended section would last as long as a wake-up). A woken
/// waiter that finds it taken is handed it by the next unlock. So each is overtaken only within the time of its own
/// wake-up, and none starves.
///
/// # Poisoning
/// As with `std`: if a holder unwinds (a panic, and also a kill), the lock is poisoned, and each `lock` gives an error with
/// the guard inside until [`clear_poison`](Self::clear_poison).
///
/// # Examples
/// ```
/// use actor_core::sync::Mutex;
///
/// static TOTAL: Mutex<u32> = Mutex::new(0);
/// *TOTAL.lock().unwrap() += 2;
/// assert_eq!(*TOTAL.lock().unwrap(), 2);
/// ```
/// Guards stay with whoever locked, as `std`'s do:
/// ```compile_fail,E0277
/// use actor_core::sync::Mutex;
///
/// let mutex = Mutex::new(0);
/// let guard = mutex.lock().unwrap();
/// std::thread::scope(|s| {
///     s.spawn(move || drop(guard)); // error: a guard is not `Send`
/// });
/// ```
pub struct Mutex<T: ?Sized> {
    raw: Raw,
    poison: Poison,
    value: UnsafeCell<T>,
}

// SAFETY: the lock moves with its value; nobody else refers to either while it is moved.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: the value is reached by one holder at a time, on whichever thread it runs.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    super::const_unless_loom! {
        /// A mutex that nobody holds.
        pub fn new(value: T) -> Self {
            Mutex { raw: Raw::new(), poison: Poison::new(), value: UnsafeCell::new(value) }
        }
    }

    /// The value.
    ///
    /// # Errors
    /// If the lock is poisoned; the value is inside.
    pub fn into_inner(self) -> LockResult<T> {
        self.poison.check(self.value.into_inner())
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until the lock is free and takes it.
    ///
    /// Not interruptible. A kill unwinds out of it. Locking a mutex that the caller holds already waits for ever.
    ///
    /// While a panic unwinds through the calling microthread (in a destructor, say) it blocks the thread, and so the worker: if
    /// the holder is suspended on the same worker, for ever. Destructors use [`try_lock`](Self::try_lock), or
    /// [`lock_timeout`](Self::lock_timeout), which gives an error then.
    ///
    /// # Errors
    /// If the lock is poisoned; the guard is inside.
    #[inline]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        self.raw.lock();
        self.guard()
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if it is held, [`TryLockError::Poisoned`] with the guard if it is poisoned.
    #[inline]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        park::check_stack();
        if self.raw.try_lock() {
            Ok(self.guard()?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// As [`lock`](Self::lock), for at most `timeout`.
    ///
    /// # Errors
    /// [`LockError`]: the time is over, the wait was interrupted, or the lock is poisoned.
    ///
    /// ```
    /// use actor_core::sync::{LockError, Mutex};
    /// use std::time::Duration;
    ///
    /// let mutex = Mutex::new(0);
    /// let held = mutex.lock().unwrap();
    /// let late = mutex.lock_timeout(Duration::from_millis(1));
    /// assert!(matches!(late, Err(LockError::TimedOut)));
    /// # drop(late); drop(held);
    /// ```
    pub fn lock_timeout(
        &self,
        timeout: Duration,
    ) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        self.lock_until(rt_wait::after(timeout))
    }

    /// As [`lock`](Self::lock), at most until `deadline`.
    ///
    /// # Errors
    /// As [`lock_timeout`](Self::lock_timeout).
    pub fn lock_deadline(
        &self,
        deadline: Instant,
    ) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        self.lock_until(Some(deadline))
    }

    fn lock_until(
        &self,
        deadline: Option<Instant>,
    ) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        self.raw.lock_until(deadline)?;
        Ok(self.guard()?)
    }

    /// [`lock`](Self::lock) as a future. Dropping the future leaves the queue.
    ///
    /// A future that has been woken to look for the lock has its place in the queue until it is polled or dropped: one that is
    /// kept without being polled holds up those behind it, with the lock free.
    ///
    /// # Errors
    /// If the lock is poisoned; the guard is inside.
    pub async fn lock_async(&self) -> LockResult<MutexGuard<'_, T>> {
        if !self.raw.try_lock() {
            Waiting::new(&self.raw, 0).await;
        }
        self.guard()
    }

    /// The lock is held by the caller.
    #[inline]
    fn guard(&self) -> LockResult<MutexGuard<'_, T>> {
        self.poison.check(MutexGuard {
            mutex: self,
            taken: self.poison.taken(),
            not_send: PhantomData,
        })
    }

    /// The value, without locking: the exclusive reference says that nobody holds the lock.
    ///
    /// # Errors
    /// If the lock is poisoned; the reference is inside.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.check(self.value.get_mut())
    }

    /// Whether a holder has unwound with the guard in its hands.
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_set()
    }

    /// Forgets the poisoning, for code that has put the value right.
    pub fn clear_poison(&self) {
        self.poison.clear();
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Mutex::new(value)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(guard) => debug.field("data", &&*guard),
            Err(TryLockError::Poisoned(poisoned)) => debug.field("data", &&**poisoned.get_ref()),
            Err(TryLockError::WouldBlock) => debug.field("data", &format_args!("<locked>")),
        };
        debug
            .field("poisoned", &self.is_poisoned())
            .finish_non_exhaustive()
    }
}

/// Access to what a [`Mutex`] protects; releases it when dropped.
#[must_use = "if unused the mutex is unlocked at once"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    taken: Taken,
    not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives a shared reference to the value.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// The mutex it is of.
    pub(super) fn mutex(&self) -> &'a Mutex<T> {
        self.mutex
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock, and is borrowed exclusively.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.poison.releases(self.taken);
        self.mutex.raw.unlock();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
