//! A box that is filled once, later: a pointer that readers find with one plain load.

use std::fmt;
use std::ptr;

use super::atomic::{AtomicPtr, Ordering};

/// Empty, and then for ever what it was [set](Self::set) to.
pub(crate) struct OnceBox<T>(AtomicPtr<T>);

// SAFETY: it owns what it points to, and lends it out as `&T` only.
unsafe impl<T: Send> Send for OnceBox<T> {}
// SAFETY: as above; `set` moves the value in from another thread.
unsafe impl<T: Send + Sync> Sync for OnceBox<T> {}

impl<T> OnceBox<T> {
    pub(crate) fn new() -> Self {
        OnceBox(AtomicPtr::new(ptr::null_mut()))
    }

    /// What it was set to.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        // SAFETY: null, or what `set` put there, which lives until this is dropped; acquire sees it whole.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    /// Sets it, unless it has been.
    pub(crate) fn set(&self, value: Box<T>) {
        let new = Box::into_raw(value);
        let set =
            self.0
                .compare_exchange(ptr::null_mut(), new, Ordering::Release, Ordering::Relaxed);
        if set.is_err() {
            // SAFETY: it came out of the box above, and nobody else has seen it.
            drop(unsafe { Box::from_raw(new) });
        }
    }
}

impl<T> Default for OnceBox<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for OnceBox<T> {
    fn drop(&mut self) {
        let value = self.0.load(Ordering::Acquire);
        if !value.is_null() {
            // SAFETY: `set` put it there, and no reader is left.
            drop(unsafe { Box::from_raw(value) });
        }
    }
}

impl<T> fmt::Debug for OnceBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceBox")
            .field(&self.get().is_some())
            .finish()
    }
}
