//! [`RwLock`].
//!
//! # The word
//! WRITER: a writer holds the lock. QUEUED: somebody waits (see [`super::queue`]). The rest counts readers, in steps of
//! READER; their count cannot wrap, as the crate is for 64-bit targets only. While QUEUED is set nobody takes the lock but from the queue, so in that state it only becomes freer, and whoever
//! holds the lock of the queue may serve the front by what it reads.

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, TryLockError, TryLockResult};
use std::time::{Duration, Instant};

use crate::rt::park;
use crate::rt::wait::{self as rt_wait, Ended};
use crate::sys::atomic::{AtomicUsize, Ordering};

use super::error::LockError;
use super::poison::{Poison, Taken};
use super::queue::{Locked, Outcome, Queue};
use super::wait::{How, Source, Waiting, block, block_for_ever};

const WRITER: usize = 1;
const QUEUED: usize = 2;
const READER: usize = 4;

/// What a waiter wants: to add this to the word.
const READ: usize = READER;
const WRITE: usize = WRITER;

#[derive(Debug)]
struct Raw {
    word: AtomicUsize,
    queue: Queue,
}

/// What of the word keeps one that wants `want` out.
fn obstacles(want: usize) -> usize {
    if want == READ { WRITER } else { !QUEUED }
}

impl Raw {
    super::const_unless_loom! {
        fn new() -> Self {
            Raw { word: AtomicUsize::new(0), queue: Queue::new() }
        }
    }

    /// Step 1.
    #[inline]
    fn try_take(&self, want: usize) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & (obstacles(want) | QUEUED) != 0 {
                return false;
            }
            match self.word.compare_exchange_weak(
                word,
                word + want,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    fn take(&self, want: usize) {
        park::check_stack();
        if !self.try_take(want) {
            block_for_ever(self, want);
        }
    }

    fn take_until(&self, want: usize, deadline: Option<Instant>) -> Result<(), Ended> {
        park::check_stack();
        if self.try_take(want) {
            return Ok(());
        }
        block(self, want, deadline, How::Fallible, || ()).map(|_| ())
    }

    /// Step a.
    #[inline]
    fn release(&self, had: usize) {
        let before = self.word.fetch_sub(had, Ordering::Release);
        if before == had + QUEUED {
            self.serve_slowly();
        }
    }

    #[cold]
    fn serve_slowly(&self) {
        self.serve(&mut self.queue.lock()); // step b
    }

    /// Steps c and d.
    fn serve(&self, queue: &mut Locked<'_>) {
        while let Some((want, _)) = queue.front() {
            if self.word.load(Ordering::Relaxed) & obstacles(want) != 0 {
                // Who is in the way will find QUEUED when it releases.
                return;
            }
            self.word.fetch_add(want, Ordering::Acquire);
            queue.settle_front(Outcome::Granted);
        }
        self.word.fetch_and(!QUEUED, Ordering::Relaxed);
    }

    fn downgrade(&self) {
        let before = self.word.fetch_add(READER - WRITER, Ordering::Release);
        if before & QUEUED != 0 {
            self.serve_slowly();
        }
    }
}

impl Source for Raw {
    fn queue(&self) -> &Queue {
        &self.queue
    }

    fn arrive(&self, _: &mut Locked<'_>, want: usize) -> Option<Outcome> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let free = word & (obstacles(want) | QUEUED) == 0;
            let new = if free { word + want } else { word | QUEUED };
            match self
                .word
                .compare_exchange_weak(word, new, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return free.then_some(Outcome::Granted),
                Err(now) => word = now,
            }
        }
    }

    fn left(&self, queue: &mut Locked<'_>, want: usize, how: Outcome) {
        if how.is_settled() {
            self.word.fetch_sub(want, Ordering::Release);
        }
        self.serve(queue);
    }
}

/// A lock with many readers or one writer: `std::sync::RwLock` for microthreads.
///
/// # Fairness
/// First come, first served: while anybody waits, newcomers wait behind it, readers too; readers next to each other in the
/// queue go in together. Neither side starves. It follows that a reader which waits for a second read lock while it holds
/// one waits for ever if a writer has come in between.
///
/// # Poisoning
/// As with `std`: a writer that unwinds with the guard in its hands poisons the lock, a reader does not.
///
/// ```
/// use actor_core::sync::RwLock;
///
/// let lock = RwLock::new(vec![1, 2]);
/// {
///     let (a, b) = (lock.read().unwrap(), lock.read().unwrap());
///     assert_eq!(a.len() + b.len(), 4);
/// }
/// lock.write().unwrap().push(3);
/// assert_eq!(lock.into_inner().unwrap(), [1, 2, 3]);
/// ```
/// Guards stay with whoever locked:
/// ```compile_fail,E0277
/// fn is_send<T: Send>(_: T) {}
/// is_send(actor_core::sync::RwLock::new(0).read()); // error: a guard is not `Send`
/// ```
pub struct RwLock<T: ?Sized> {
    raw: Raw,
    poison: Poison,
    value: UnsafeCell<T>,
}

// SAFETY: the lock moves with its value; nobody else refers to either while it is moved.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: readers on several threads share the value (`Sync`), writers have it to themselves on any thread (`Send`).
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    super::const_unless_loom! {
        /// A lock that nobody holds.
        pub fn new(value: T) -> Self {
            RwLock { raw: Raw::new(), poison: Poison::new(), value: UnsafeCell::new(value) }
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

type ReadResult<'a, T> = Result<RwLockReadGuard<'a, T>, LockError<RwLockReadGuard<'a, T>>>;
type WriteResult<'a, T> = Result<RwLockWriteGuard<'a, T>, LockError<RwLockWriteGuard<'a, T>>>;

impl<T: ?Sized> RwLock<T> {
    /// Waits until the lock can be read and takes it. Not interruptible; a kill unwinds out of it.
    ///
    /// While a panic unwinds through the calling microthread (in a destructor, say) it blocks the thread, and so the worker: if a
    /// writer is suspended on the same worker, for ever. Destructors use [`try_read`](Self::try_read), or
    /// [`read_timeout`](Self::read_timeout), which gives an error then.
    ///
    /// # Errors
    /// If the lock is poisoned; the guard is inside.
    #[inline]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        self.raw.take(READ);
        self.read_guard()
    }

    /// Takes the lock for reading if no writer holds it or waits for it.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if one does, [`TryLockError::Poisoned`] with the guard if it is poisoned.
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        park::check_stack();
        if self.raw.try_take(READ) {
            Ok(self.read_guard()?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// As [`read`](Self::read), for at most `timeout`.
    ///
    /// # Errors
    /// [`LockError`]: the time is over, the wait was interrupted, or the lock is poisoned.
    pub fn read_timeout(&self, timeout: Duration) -> ReadResult<'_, T> {
        self.raw.take_until(READ, rt_wait::after(timeout))?;
        Ok(self.read_guard()?)
    }

    /// As [`read`](Self::read), at most until `deadline`.
    ///
    /// # Errors
    /// As [`read_timeout`](Self::read_timeout).
    pub fn read_deadline(&self, deadline: Instant) -> ReadResult<'_, T> {
        self.raw.take_until(READ, Some(deadline))?;
        Ok(self.read_guard()?)
    }

    /// [`read`](Self::read) as a future. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// If the lock is poisoned; the guard is inside.
    pub async fn read_async(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        if !self.raw.try_take(READ) {
            Waiting::new(&self.raw, READ).await;
        }
        self.read_guard()
    }

    /// Waits until nobody else holds the lock and takes it. Not interruptible; a kill unwinds out of it.
    ///
    /// While a panic unwinds it blocks the thread, as [`read`](Self::read) does. Destructors use
    /// [`try_write`](Self::try_write), or [`write_timeout`](Self::write_timeout), which gives an error then.
    ///
    /// # Errors
    /// If the lock is poisoned; the guard is inside.
    #[inline]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        self.raw.take(WRITE);
        self.write_guard()
    }

    /// Takes the lock for writing if nobody holds it or waits for it.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if somebody does, [`TryLockError::Poisoned`] with the guard if it is poisoned.
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        park::check_stack();
        if self.raw.try_take(WRITE) {
            Ok(self.write_guard()?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// As [`write`](Self::write), for at most `timeout`.
    ///
    /// # Errors
    /// [`LockError`]: the time is over, the wait was interrupted, or the lock is poisoned.
    pub fn write_timeout(&self, timeout: Duration) -> WriteResult<'_, T> {
        self.raw.take_until(WRITE, rt_wait::after(timeout))?;
        Ok(self.write_guard()?)
    }

    /// As [`write`](Self::write), at most until `deadline`.
    ///
    /// # Errors
    /// As [`write_timeout`](Self::write_timeout).
    pub fn write_deadline(&self, deadline: Instant) -> WriteResult<'_, T> {
        self.raw.take_until(WRITE, Some(deadline))?;
        Ok(self.write_guard()?)
    }

    /// [`write`](Self::write) as a future. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// If the lock is poisoned; the guard is inside.
    pub async fn write_async(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        if !self.raw.try_take(WRITE) {
            Waiting::new(&self.raw, WRITE).await;
        }
        self.write_guard()
    }

    #[inline]
    fn read_guard(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        self.poison.check(RwLockReadGuard {
            lock: self,
            not_send: PhantomData,
        })
    }

    #[inline]
    fn write_guard(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        self.poison.check(RwLockWriteGuard {
            lock: self,
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

    /// Whether a writer has unwound with the guard in its hands.
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_set()
    }

    /// Forgets the poisoning, for code that has put the value right.
    pub fn clear_poison(&self) {
        self.poison.clear();
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        RwLock::new(value)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        RwLock::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(guard) => debug.field("data", &&*guard),
            Err(TryLockError::Poisoned(poisoned)) => debug.field("data", &&**poisoned.get_ref()),
            Err(TryLockError::WouldBlock) => debug.field("data", &format_args!("<locked>")),
        };
        debug
            .field("poisoned", &self.is_poisoned())
            .finish_non_exhaustive()
    }
}

/// Shared access to what a [`RwLock`] protects; releases it when dropped.
#[must_use = "if unused the lock is released at once"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    not_send: PhantomData<*const ()>,
}

/// Exclusive access to what a [`RwLock`] protects; releases it when dropped.
#[must_use = "if unused the lock is released at once"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    taken: Taken,
    not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives a shared reference to the value.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Sync> Sync for RwLockWriteGuard<'_, T> {}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Becomes a reader without letting a writer in between.
    pub fn downgrade(this: Self) -> RwLockReadGuard<'a, T> {
        let this = std::mem::ManuallyDrop::new(this);
        this.lock.raw.downgrade();
        RwLockReadGuard {
            lock: this.lock,
            not_send: PhantomData,
        }
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock for reading: no exclusive reference exists.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock for writing, and is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.raw.release(READ);
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.poison.releases(self.taken);
        self.lock.raw.release(WRITE);
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
