//! [`Receiver`].

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::channel::error::{RecvError, RecvTimeoutError};
use crate::channel::wait::{Until, Waiting, run};
use crate::rt::wait;
use crate::sys::atomic::{AtomicU64, Ordering};

use super::state::Core;
use super::{Changed, Ref};

/// The side that sees the latest value, and can wait for one it has not seen. Clones see for themselves, and begin with what
/// this one has seen. It may be shared: a wait of one then counts as having seen for all.
pub struct Receiver<T> {
    core: Arc<Core<T>>,
    /// Changed under the lock only.
    seen: AtomicU64,
}

impl<T> Receiver<T> {
    /// As if `seen` was the last that was seen; `None`: the latest.
    pub(super) fn new(core: &Arc<Core<T>>, seen: Option<&AtomicU64>) -> Self {
        let mut state = core.state.lock();
        state.receivers += 1;
        let seen = seen.map_or(state.version, |seen| seen.load(Ordering::Relaxed));
        drop(state);
        Receiver {
            core: core.clone(),
            seen: AtomicU64::new(seen),
        }
    }

    /// A clone of the latest value. It does not count as seen.
    pub fn get(&self) -> T
    where
        T: Clone,
    {
        T::clone(&self.borrow())
    }

    /// Calls `f` with the latest value. It does not count as seen.
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.borrow())
    }

    /// The latest value. It does not count as seen.
    pub fn borrow(&self) -> Ref<T> {
        Ref(self.core.state.lock().value())
    }

    /// The latest value, which counts as seen: the next wait is for one after it.
    ///
    /// ```
    /// use actor_core::channel::watch;
    ///
    /// let (sender, receiver) = watch::channel(1);
    /// sender.send(2)?;
    /// assert_eq!(receiver.has_changed(), Ok(true));
    /// assert_eq!(*receiver.borrow_and_update(), 2);
    /// assert_eq!(receiver.has_changed(), Ok(false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn borrow_and_update(&self) -> Ref<T> {
        let state = self.core.state.lock();
        state.see(&self.seen);
        Ref(state.value())
    }

    /// Whether there is a value that has not been seen. It does not count as seen by this.
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] if there is none, and every sender is gone.
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        let changed = self.core.state.lock().has_changed(&self.seen);
        changed.map_or(Ok(false), |changed| changed.map(|()| true))
    }

    /// Counts the latest value as not seen: the next wait ends at once.
    pub fn mark_changed(&self) {
        let state = self.core.state.lock();
        // A version that is not the latest's.
        let other = state.version.wrapping_sub(1);
        self.seen.store(other, Ordering::Relaxed);
    }

    /// Waits until there is a value that has not been seen, which then counts as seen.
    ///
    /// If the caller is killed while it waits, nothing counts as seen.
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] if every sender is gone, and the latest value has been seen; or the wait was interrupted.
    ///
    /// ```
    /// use actor_core::channel::watch;
    ///
    /// let (sender, receiver) = watch::channel(1);
    /// sender.send(2)?;
    /// sender.send(3)?;
    /// receiver.changed()?;
    /// assert_eq!(receiver.get(), 3, "2 was never seen");
    /// drop(sender);
    /// assert!(receiver.changed().unwrap_err().is_disconnected());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn changed(&self) -> Result<(), RecvError> {
        match run(&self.op(), &mut None, Until::Deadline(None)) {
            Some(changed) => changed,
            None => unreachable!("a wait without a deadline does not end by it"),
        }
    }

    /// As [`changed`](Self::changed), for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvTimeoutError::TimedOut`] if that is over; else as [`changed`](Self::changed).
    pub fn changed_timeout(&self, timeout: Duration) -> Result<(), RecvTimeoutError> {
        self.changed_until(wait::after(timeout))
    }

    /// As [`changed`](Self::changed), at most until `deadline`.
    ///
    /// # Errors
    /// As [`changed_timeout`](Self::changed_timeout).
    pub fn changed_deadline(&self, deadline: Instant) -> Result<(), RecvTimeoutError> {
        self.changed_until(Some(deadline))
    }

    fn changed_until(&self, deadline: Option<Instant>) -> Result<(), RecvTimeoutError> {
        match run(&self.op(), &mut None, Until::Deadline(deadline)) {
            Some(changed) => changed.map_err(RecvTimeoutError::from),
            None => Err(RecvTimeoutError::TimedOut),
        }
    }

    /// As [`changed`](Self::changed), as a future. It may be dropped at any time, and then nothing counts as seen by it.
    ///
    /// # Errors
    /// As [`changed`](Self::changed).
    pub async fn changed_async(&self) -> Result<(), RecvError> {
        Waiting::new(self.op(), None).await
    }

    /// Waits until the latest value is one that `wanted` says `true` of, and returns it; it may be the latest already. What it
    /// was asked about counts as seen. Values that are replaced before they were looked at are passed over.
    ///
    /// # Errors
    /// As [`changed`](Self::changed).
    pub fn wait_for(&self, wanted: impl FnMut(&T) -> bool) -> Result<Ref<T>, RecvError> {
        self.look_for(wanted, || self.changed())
    }

    /// As [`wait_for`](Self::wait_for), for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvTimeoutError::TimedOut`] if that is over; else as [`wait_for`](Self::wait_for).
    pub fn wait_for_timeout(
        &self,
        timeout: Duration,
        wanted: impl FnMut(&T) -> bool,
    ) -> Result<Ref<T>, RecvTimeoutError> {
        let deadline = wait::after(timeout);
        self.look_for(wanted, || self.changed_until(deadline))
    }

    /// As [`wait_for`](Self::wait_for), at most until `deadline`.
    ///
    /// # Errors
    /// As [`wait_for_timeout`](Self::wait_for_timeout).
    pub fn wait_for_deadline(
        &self,
        deadline: Instant,
        wanted: impl FnMut(&T) -> bool,
    ) -> Result<Ref<T>, RecvTimeoutError> {
        self.look_for(wanted, || self.changed_until(Some(deadline)))
    }

    fn look_for<E>(
        &self,
        mut wanted: impl FnMut(&T) -> bool,
        mut wait: impl FnMut() -> Result<(), E>,
    ) -> Result<Ref<T>, E> {
        loop {
            let value = self.borrow_and_update();
            if wanted(&value) {
                return Ok(value);
            }
            drop(value);
            wait()?;
        }
    }

    /// As [`wait_for`](Self::wait_for), as a future.
    ///
    /// # Errors
    /// As [`wait_for`](Self::wait_for).
    pub async fn wait_for_async(
        &self,
        mut wanted: impl FnMut(&T) -> bool,
    ) -> Result<Ref<T>, RecvError> {
        loop {
            let value = self.borrow_and_update();
            if wanted(&value) {
                return Ok(value);
            }
            drop(value);
            self.changed_async().await?;
        }
    }

    /// Whether the two are of one channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.core, &other.core)
    }

    pub(in crate::channel) fn op(&self) -> Changed<'_, T> {
        Changed {
            core: &self.core,
            seen: &self.seen,
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Receiver::new(&self.core, Some(&self.seen))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.core.state.lock().receivers -= 1;
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("value", &self.borrow())
            .finish_non_exhaustive()
    }
}
