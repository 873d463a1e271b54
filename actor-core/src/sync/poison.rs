//! std's rule of poisoning: a lock whose holder unwinds with the guard in its hands says so to those who come after.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LockResult, PoisonError};
use std::thread;

/// Whether a holder has panicked. Not part of any protocol: it is written and read by holders.
#[derive(Debug)]
pub(super) struct Poison(AtomicBool);

/// Notes how it stood when the lock was taken: a guard taken while a panic unwinds does not poison.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    panicking: bool,
}

impl Poison {
    pub(super) const fn new() -> Self {
        Poison(AtomicBool::new(false))
    }

    #[inline]
    pub(super) fn taken(&self) -> Taken {
        Taken {
            panicking: thread::panicking(),
        }
    }

    /// The holder is about to release.
    #[inline]
    pub(super) fn releases(&self, taken: Taken) {
        if !taken.panicking && thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// `access` to the value, as an error if the lock is poisoned.
    #[inline]
    pub(super) fn check<A>(&self, access: A) -> LockResult<A> {
        if self.is_set() {
            Err(PoisonError::new(access))
        } else {
            Ok(access)
        }
    }
}
