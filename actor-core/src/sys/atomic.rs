//! Atomics, cells and spinning: `std`'s normally, loom's under `--cfg loom`.
//!
//! A protocol written against these names runs unchanged in production and in the model checker. Two
//! things differ and are evened out here. Loom's [`UnsafeCell`] hands out its pointer only inside a
//! closure, so that it can record the access; ours over `std` has the same shape and compiles to
//! nothing. And a loop that waits for another thread must tell loom so: use [`spin_loop`] or
//! [`yield_now`] in every such loop.
//!
//! Statics stay on `std::sync::atomic`, as loom's atomics have no constant constructor. What must be
//! small or constant-initialised in production must therefore not be a `static` built on these names.

#[cfg(not(loom))]
mod imp {
    pub(crate) use std::hint::spin_loop;
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence,
    };
    pub(crate) use std::thread::yield_now;

    /// `std`'s cell with loom's interface.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T: ?Sized>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        #[inline(always)]
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }
    }

    impl<T: ?Sized> UnsafeCell<T> {
        /// Calls `f` with a pointer for reading. What may be done with it is the caller's argument.
        #[inline(always)]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        /// Calls `f` with a pointer for writing. What may be done with it is the caller's argument.
        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

#[cfg(loom)]
mod imp {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence,
    };
    pub(crate) use loom::thread::yield_now;
}

pub(crate) use imp::*;
pub(crate) use std::sync::atomic::Ordering;

/// Waiting for another thread that is expected to be done within nanoseconds: spin a little, then
/// give the processor away at each step, as the other thread may need it.
#[derive(Debug, Default)]
pub(crate) struct Backoff(u32);

impl Backoff {
    const SPINS: u32 = 64;

    pub(crate) fn new() -> Self {
        Self(0)
    }

    pub(crate) fn wait(&mut self) {
        if cfg!(loom) || self.0 >= Self::SPINS {
            yield_now();
        } else {
            self.0 += 1;
            spin_loop();
        }
    }
}
