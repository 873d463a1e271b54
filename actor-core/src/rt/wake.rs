//! How a waiter is woken: its parker, or a future's waker; and the wake-ups a locked section owes.

use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::task::Waker;

use super::park::Parker;
use super::wait::{self, Next};

/// How one waiter is woken.
pub(crate) enum Wake {
    Nobody,
    Parker(&'static Parker),
    Task(Waker),
}

impl Wake {
    #[inline]
    fn wake(self, next: Next) {
        match self {
            Wake::Nobody => {}
            Wake::Parker(parker) => wait::hand_over(parker, next),
            Wake::Task(waker) => wake_task(waker),
        }
    }
}

/// Wakes a future's task. The waker is the code of whoever polled the future, and what it panics with ends here: whoever wakes
/// it has done something of its own, may have others to wake, and may be unwinding already.
#[inline]
pub(crate) fn wake_task(waker: Waker) {
    let woken = panic::catch_unwind(AssertUnwindSafe(|| waker.wake()));
    // The payload may panic when it is dropped.
    mem::forget(woken);
}

/// Those to wake once a lock is released; mostly one. The wakers of futures are user code, so never under a lock of ours.
pub(crate) struct Wakes {
    first: Wake,
    rest: Vec<Wake>,
    next: Next,
}

impl Default for Wakes {
    #[inline]
    fn default() -> Self {
        Wakes {
            first: Wake::Nobody,
            rest: Vec::new(),
            next: Next::Caller,
        }
    }
}

impl Wakes {
    #[inline]
    pub(crate) fn push(&mut self, wake: Wake) {
        match self.first {
            Wake::Nobody => self.first = wake,
            _ => self.rest.push(wake),
        }
    }

    /// Who is to go on once the one waiter has been woken.
    #[inline]
    pub(crate) fn go_on_with(&mut self, next: Next) {
        self.next = next;
    }

    /// Wakes them all, in the order they came.
    #[inline]
    pub(crate) fn fire(mut self) {
        let first = mem::replace(&mut self.first, Wake::Nobody);
        if self.rest.is_empty() {
            return first.wake(self.next);
        }
        self.fire_all(first);
    }

    #[cold]
    fn fire_all(self, first: Wake) {
        first.wake(Next::Caller);
        for wake in self.rest {
            wake.wake(Next::Caller);
        }
    }
}
