//! [`Semaphore`].
//!
//! # The word
//! CLOSED, QUEUED (see [`super::queue`]), and the number of free permits in steps of PERMIT. While QUEUED is set the word
//! changes only under the lock of the queue: free permits then are fewer than the waiter at the front wants.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::rt::park;
use crate::rt::wait as rt_wait;
use crate::sys::atomic::{AtomicUsize, Ordering};
use crate::sys::fault::fault;

use super::error::{AcquireError, TryAcquireError};
use super::queue::{Locked, Outcome, Queue};
use super::wait::{How, Source, Waiting, block};

const CLOSED: usize = 1;
const QUEUED: usize = 2;
const PERMIT: usize = 4;

const TOO_MANY: &str = "more than `Semaphore::MAX_PERMITS` permits";

/// Whether `permits` more may be free than `word` says.
fn has_room(word: usize, permits: usize) -> bool {
    permits <= Semaphore::MAX_PERMITS.saturating_sub(word / PERMIT)
}

/// A number of permits, to be taken and given back: tokio's `Semaphore` for microthreads.
///
/// # Fairness
/// First come, first served: one that waits for many permits is not overtaken by those who want few, not by
/// [`try_acquire`](Self::try_acquire) either.
///
/// ```
/// use actor_core::sync::Semaphore;
///
/// let tables = Semaphore::new(2);
/// let (_a, _b) = (tables.acquire()?, tables.acquire()?);
/// assert!(tables.try_acquire().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Semaphore {
    word: AtomicUsize,
    queue: Queue,
}

impl Source for Semaphore {
    fn queue(&self) -> &Queue {
        &self.queue
    }

    fn arrive(&self, _: &mut Locked<'_>, want: usize) -> Option<Outcome> {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word & CLOSED != 0 {
                return Some(Outcome::Closed);
            }
            let free = word & QUEUED == 0 && word / PERMIT >= want;
            if !free && fault!("queue_no_second_try") {
                self.word.fetch_or(QUEUED, Ordering::Relaxed);
                return None;
            }
            let new = if free {
                word - want * PERMIT
            } else {
                word | QUEUED
            };
            match self
                .word
                .compare_exchange_weak(word, new, Ordering::Acquire, Ordering::Acquire)
            {
                Ok(_) => return free.then_some(Outcome::Granted),
                Err(now) => word = now,
            }
        }
    }

    fn left(&self, queue: &mut Locked<'_>, want: usize, how: Outcome) {
        if how == Outcome::Granted {
            self.word.fetch_add(want * PERMIT, Ordering::Release);
        }
        self.serve(queue);
    }
}

impl Semaphore {
    /// The most permits a semaphore can have.
    pub const MAX_PERMITS: usize = usize::MAX >> 3;

    super::const_unless_loom! {
        /// A semaphore with `permits` free permits.
        ///
        /// # Panics
        /// With more than [`MAX_PERMITS`](Self::MAX_PERMITS).
        pub fn new(permits: usize) -> Self {
            assert!(permits <= Self::MAX_PERMITS, "more than `Semaphore::MAX_PERMITS` permits");
            Semaphore { word: AtomicUsize::new(permits * PERMIT), queue: Queue::new() }
        }
    }

    /// How many permits are free now.
    pub fn available_permits(&self) -> usize {
        self.word.load(Ordering::Acquire) / PERMIT
    }

    /// Adds `permits` free permits.
    ///
    /// # Panics
    /// If there would be more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn add_permits(&self, permits: usize) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & QUEUED != 0 {
                return self.add_slowly(permits);
            }
            assert!(has_room(word, permits), "{TOO_MANY}");
            match self.word.compare_exchange_weak(
                word,
                word + permits * PERMIT,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    #[cold]
    #[track_caller]
    fn add_slowly(&self, permits: usize) {
        let mut queue = self.queue.lock(); // step b
        // Looked at here, not before: meanwhile others may have added, and whoever waited may have left.
        let added = self
            .word
            .fetch_update(Ordering::Release, Ordering::Relaxed, |word| {
                has_room(word, permits).then(|| word + permits * PERMIT)
            });
        assert!(added.is_ok(), "{TOO_MANY}");
        self.serve(&mut queue);
    }

    /// Steps c and d.
    fn serve(&self, queue: &mut Locked<'_>) {
        while let Some((want, _)) = queue.front() {
            if self.word.load(Ordering::Relaxed) / PERMIT < want {
                return;
            }
            self.word.fetch_sub(want * PERMIT, Ordering::Acquire);
            queue.settle_front(Outcome::Granted);
        }
        self.word.fetch_and(!QUEUED, Ordering::Relaxed);
    }

    /// Takes up to `permits` free permits out of use; how many it were.
    pub fn forget_permits(&self, permits: usize) -> usize {
        let _queue = self.queue.lock();
        let taken = |word: usize| permits.min(word / PERMIT);
        let forgotten = self
            .word
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, |word| {
                Some(word - taken(word) * PERMIT)
            });
        forgotten.map_or(0, taken)
    }

    /// Gives no more permits: whoever waits, and whoever comes, gets an error. Permits that are out stay valid.
    pub fn close(&self) {
        let mut queue = self.queue.lock();
        self.word.fetch_or(CLOSED, Ordering::Release);
        queue.settle_all(Outcome::Closed);
        self.word.fetch_and(!QUEUED, Ordering::Relaxed);
    }

    /// Whether it has been closed.
    pub fn is_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Step 1.
    fn try_take(&self, want: usize) -> Result<(), TryAcquireError> {
        park::check_stack();
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word & CLOSED != 0 {
                return Err(TryAcquireError::Closed);
            }
            if word & QUEUED != 0 || word / PERMIT < want {
                return Err(TryAcquireError::NoPermits);
            }
            match self.word.compare_exchange_weak(
                word,
                word - want * PERMIT,
                Ordering::Acquire,
                Ordering::Acquire,
            ) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }

    #[track_caller]
    fn take(&self, want: usize, deadline: Option<Instant>) -> Result<(), AcquireError> {
        assert!(want <= Self::MAX_PERMITS, "{TOO_MANY}");
        match self.try_take(want) {
            Ok(()) => Ok(()),
            Err(TryAcquireError::Closed) => Err(AcquireError::Closed),
            Err(TryAcquireError::NoPermits) => {
                taken(block(self, want, deadline, How::Fallible, || ())?)
            }
        }
    }

    fn permit(&self, permits: usize) -> SemaphorePermit<'_> {
        SemaphorePermit {
            semaphore: self,
            permits,
        }
    }

    fn owned(self: Arc<Self>, permits: usize) -> OwnedSemaphorePermit {
        OwnedSemaphorePermit {
            semaphore: self,
            permits,
        }
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// [`AcquireError`]: the semaphore is closed, or the wait was interrupted.
    pub fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.acquire_many(1)
    }

    /// Waits for `permits` permits, and takes all of them at once.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    /// For more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn acquire_many(&self, permits: usize) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.take(permits, None)?;
        Ok(self.permit(permits))
    }

    /// As [`acquire`](Self::acquire), for at most `timeout`.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire), and [`AcquireError::TimedOut`].
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.take(1, rt_wait::after(timeout))?;
        Ok(self.permit(1))
    }

    /// As [`acquire_many`](Self::acquire_many), at most until `deadline`.
    ///
    /// # Errors
    /// As [`acquire_timeout`](Self::acquire_timeout).
    ///
    /// # Panics
    /// For more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn acquire_many_deadline(
        &self,
        permits: usize,
        deadline: Instant,
    ) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.take(permits, Some(deadline))?;
        Ok(self.permit(permits))
    }

    /// [`acquire`](Self::acquire) as a future. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// [`AcquireError::Closed`].
    pub async fn acquire_async(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.acquire_many_async(1).await
    }

    /// [`acquire_many`](Self::acquire_many) as a future. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// [`AcquireError::Closed`].
    ///
    /// # Panics
    /// When polled, for more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    pub async fn acquire_many_async(
        &self,
        permits: usize,
    ) -> Result<SemaphorePermit<'_>, AcquireError> {
        assert!(permits <= Self::MAX_PERMITS, "{TOO_MANY}");
        taken(Waiting::new(self, permits).await)?;
        Ok(self.permit(permits))
    }

    /// Takes a permit if one is free and nobody waits.
    ///
    /// # Errors
    /// [`TryAcquireError`].
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `permits` permits if so many are free and nobody waits.
    ///
    /// # Errors
    /// [`TryAcquireError`].
    pub fn try_acquire_many(&self, permits: usize) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_take(permits)?;
        Ok(self.permit(permits))
    }

    /// As [`acquire`](Self::acquire); the permit keeps the semaphore and can be sent anywhere.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub fn acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.acquire_many_owned(1)
    }

    /// As [`acquire_many`](Self::acquire_many); the permit keeps the semaphore and can be sent anywhere.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    /// For more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn acquire_many_owned(
        self: Arc<Self>,
        permits: usize,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.take(permits, None)?;
        Ok(self.owned(permits))
    }

    /// As [`try_acquire`](Self::try_acquire); the permit keeps the semaphore and can be sent anywhere.
    ///
    /// # Errors
    /// [`TryAcquireError`].
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_take(1)?;
        Ok(self.owned(1))
    }

    /// [`acquire_owned`](Self::acquire_owned) as a future. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// [`AcquireError::Closed`].
    pub async fn acquire_owned_async(
        self: Arc<Self>,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        taken(Waiting::new(&*self, 1).await)?;
        Ok(self.owned(1))
    }
}

fn taken(outcome: Outcome) -> Result<(), AcquireError> {
    match outcome {
        Outcome::Closed => Err(AcquireError::Closed),
        _ => Ok(()),
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available", &self.available_permits())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// Permits of a [`Semaphore`]; given back when dropped.
#[must_use = "if unused the permit is given back at once"]
#[derive(Debug)]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
}

/// Permits that keep their [`Semaphore`]; given back when dropped.
#[must_use = "if unused the permit is given back at once"]
#[derive(Debug)]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    permits: usize,
}

impl SemaphorePermit<'_> {
    /// How many permits it is.
    pub fn num_permits(&self) -> usize {
        self.permits
    }

    /// Never gives the permits back: the semaphore has fewer from now on.
    pub fn forget(mut self) {
        self.permits = 0;
    }

    /// Adds `other`'s permits to this.
    ///
    /// # Panics
    /// If `other` is of another semaphore.
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            std::ptr::eq(self.semaphore, other.semaphore),
            "permits of different semaphores"
        );
        self.permits += mem::take(&mut other.permits);
    }

    /// Splits `permits` off, if there are so many.
    pub fn split(&mut self, permits: usize) -> Option<Self> {
        self.permits = self.permits.checked_sub(permits)?;
        Some(self.semaphore.permit(permits))
    }
}

impl OwnedSemaphorePermit {
    /// How many permits it is.
    pub fn num_permits(&self) -> usize {
        self.permits
    }

    /// The semaphore it is of.
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }

    /// Never gives the permits back: the semaphore has fewer from now on.
    pub fn forget(mut self) {
        self.permits = 0;
    }

    /// Adds `other`'s permits to this.
    ///
    /// # Panics
    /// If `other` is of another semaphore.
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            Arc::ptr_eq(&self.semaphore, &other.semaphore),
            "permits of different semaphores"
        );
        self.permits += mem::take(&mut other.permits);
    }

    /// Splits `permits` off, if there are so many.
    pub fn split(&mut self, permits: usize) -> Option<Self> {
        self.permits = self.permits.checked_sub(permits)?;
        Some(self.semaphore.clone().owned(permits))
    }
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        if self.permits > 0 {
            self.semaphore.add_permits(self.permits);
        }
    }
}

impl Drop for OwnedSemaphorePermit {
    fn drop(&mut self) {
        if self.permits > 0 {
            self.semaphore.add_permits(self.permits);
        }
    }
}
