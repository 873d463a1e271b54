//! A lock for sections of a few nanoseconds: one word, no queue.
//!
//! Nothing in a section may block, switch stacks, or call code of the user's. Whoever finds it taken spins with growing
//! pauses, looking at the word only between them, and soon gives the processor away: the holder may have lost it.
//!
//! Several of these may be held at once if they are taken in the order of their addresses.
//!
//! # Seeded faults
//! | fault                | what it breaks              | caught by                                |
//! |----------------------|-----------------------------|------------------------------------------|
//! | `spin_lock_relaxed`  | the lock does not acquire   | `loom_a_spin_lock_excludes`              |
//! | `spin_unlock_relaxed`| the unlock does not release | `loom_a_spin_lock_excludes`              |

use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ops::{Deref, DerefMut};

use super::atomic::{AtomicBool, AtomicU32, Ordering, UnsafeCell, spin_loop, yield_now};
use super::fault::fault;

/// A value behind a spin lock. See the [module](self).
pub(crate) struct SpinLock<T> {
    locked: AtomicBool,
    /// How often it was found taken.
    contended: AtomicU32,
    /// Addresses differ from one execution of a model to the next, which must not.
    #[cfg(loom)]
    number: usize,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by the holder of the lock alone, so it is only ever moved from thread to thread.
unsafe impl<T: Send> Send for SpinLock<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> fmt::Debug for SpinLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpinLock").finish_non_exhaustive()
    }
}

impl<T> SpinLock<T> {
    pub(crate) fn new(value: T) -> Self {
        SpinLock {
            locked: AtomicBool::new(false),
            contended: AtomicU32::new(0),
            #[cfg(loom)]
            number: numbers::next(),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the lock, spinning.
    #[inline]
    pub(crate) fn lock(&self) -> SpinGuard<'_, T> {
        if !self.try_acquire() {
            self.contend();
        }
        SpinGuard {
            lock: self,
            _stays: PhantomData,
        }
    }

    #[inline]
    fn try_acquire(&self) -> bool {
        let order = match fault!("spin_lock_relaxed") {
            true => Ordering::Relaxed,
            false => Ordering::Acquire,
        };
        self.locked
            .compare_exchange(false, true, order, Ordering::Relaxed)
            .is_ok()
    }

    #[cold]
    #[inline(never)]
    fn contend(&self) {
        /// The longest pause, and the number of pauses before the processor is given away.
        const LONGEST: u32 = 128;
        const PAUSES: u32 = 32;
        let contended = self.contended();
        if contended < Self::MANY {
            // Not exact, and no more than that is wanted.
            self.contended.store(contended + 1, Ordering::Relaxed);
        }
        let (mut pause, mut paused) = (1, 0);
        loop {
            if cfg!(loom) || paused >= PAUSES {
                yield_now();
            } else {
                (0..pause).for_each(|_| spin_loop());
                pause = (pause * 2).min(LONGEST);
                paused += 1;
            }
            // In a model a load may see for ever what was; the exchange does not.
            let seen_taken = !cfg!(loom) && self.locked.load(Ordering::Relaxed);
            if !seen_taken && self.try_acquire() {
                return;
            }
        }
    }

    /// Up to where [`contended`](Self::contended) counts.
    pub(crate) const MANY: u32 = 16;

    /// How often, roughly, somebody has found it taken.
    #[inline]
    pub(crate) fn contended(&self) -> u32 {
        self.contended.load(Ordering::Relaxed)
    }

    /// Its place in the order in which several are taken: never 0, and the same as long as the lock is not moved.
    pub(crate) fn place(&self) -> usize {
        #[cfg(loom)]
        return self.number;
        #[cfg(not(loom))]
        std::ptr::from_ref(self).addr()
    }

    /// Gives back a lock whose guard was [kept](SpinGuard::keep).
    ///
    /// # Safety
    /// The lock is held, by a kept guard of the caller's, which is thereby used up.
    pub(crate) unsafe fn unlock(&self) {
        drop(SpinGuard {
            lock: self,
            _stays: PhantomData,
        });
    }

    /// The value, while the caller holds the lock by a kept guard.
    ///
    /// # Safety
    /// As [`unlock`](Self::unlock); and no other reference to the value is alive.
    #[expect(
        clippy::mut_from_ref,
        reason = "the lock is what makes it exclusive, as the contract says"
    )]
    pub(crate) unsafe fn held(&self) -> &mut T {
        // SAFETY: the caller holds the lock, and has no other reference.
        self.value.with_mut(|value| unsafe { &mut *value })
    }
}

/// The lock, held until this is dropped.
pub(crate) struct SpinGuard<'a, T> {
    lock: &'a SpinLock<T>,
    /// A shared guard would lend the value to other threads, which `T: Send` does not allow.
    _stays: PhantomData<*const T>,
}

impl<T> SpinGuard<'_, T> {
    /// Leaves the lock held, to be given back with [`SpinLock::unlock`].
    pub(crate) fn keep(self) {
        mem::forget(self);
    }
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held, and the guard is borrowed for as long as the reference lives.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard is borrowed mutably.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let order = match fault!("spin_unlock_relaxed") {
            true => Ordering::Relaxed,
            false => Ordering::Release,
        };
        self.lock.locked.store(false, order);
    }
}

#[cfg(loom)]
mod numbers {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static LAST: AtomicUsize = AtomicUsize::new(0);

    pub(super) fn next() -> usize {
        LAST.fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::SpinLock;
    use loom::sync::Arc;
    use loom::thread;

    #[test]
    fn loom_a_spin_lock_excludes() {
        loom::model(|| {
            let lock = Arc::new(SpinLock::new(0));
            let other = {
                let lock = lock.clone();
                thread::spawn(move || *lock.lock() += 1)
            };
            *lock.lock() += 1;
            other.join().unwrap();
            assert_eq!(*lock.lock(), 2);
        });
    }
}
