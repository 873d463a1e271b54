//! How a microthread's end and its one handle meet: a word.
//!
//! ```text
//!              register (the handle waits)
//!   RUNNING ◄───────────────────────────────► a parker         finish, from any of them ──► DONE
//!      │        retract (deadline, kill)
//!      └── detach (the handle is dropped) ──► DETACHED
//! ```
//!
//! The microthread writes its result, then exchanges the word for DONE. What it finds says what is left to do: a parker
//! is unparked; DETACHED means that the result is the microthread's own again, to be dropped where it ends.
//!
//! The handle's transitions are compare-exchanges from what the handle itself left there, so each fails in one case
//! only: DONE has come. From then on the result is the handle's.
//!
//! **What the result holds is seen:** `finish` releases, and everything that sees DONE acquires. **Nobody is left
//! waiting:** `register` and `finish` are read-modify-writes of one word, so one of them sees the other. **One owner:**
//! `detach` and `finish` likewise: either `finish` finds DETACHED, or `detach` fails.
//!
//! # Seeded faults
//! | fault                 | what it breaks                               | caught by                                      |
//! |-----------------------|----------------------------------------------|------------------------------------------------|
//! | `join_finish_relaxed` | `finish` does not release                    | `loom_a_joiner_sees_the_result`                |
//! | `join_done_relaxed`   | `is_done` does not acquire                   | `loom_a_joiner_sees_the_result`                |
//! | `join_blind_finish`   | `finish` is a load and a store               | `loom_a_joiner_sees_the_result`, `loom_a_result_has_one_owner` |
//! | `join_blind_detach`   | `detach` is a load and a store               | `loom_a_result_has_one_owner`                  |
//! | `join_blind_retract`  | `retract` is a store                         | `loom_a_joiner_that_leaves_does_not_undo_the_end` |

use std::ptr;

use crate::sys::atomic::{AtomicPtr, Ordering};
use crate::sys::fault::fault;

/// See the [module](self). `P` is what a waiter is woken by.
#[derive(Debug)]
pub(crate) struct JoinWord<P: 'static>(AtomicPtr<P>);

/// What [`JoinWord::finish`] leaves to do.
#[must_use]
#[derive(Debug)]
pub(crate) enum Finished<P: 'static> {
    /// The handle will look.
    Nothing,
    /// Somebody waits.
    Wake(&'static P),
    /// There is no handle any more.
    Unwanted,
}

fn done<P>() -> *mut P {
    ptr::without_provenance_mut(1)
}

fn detached<P>() -> *mut P {
    ptr::without_provenance_mut(2)
}

impl<P: 'static> JoinWord<P> {
    pub(crate) fn new() -> Self {
        JoinWord(AtomicPtr::new(ptr::null_mut()))
    }

    /// The result has been written. Once.
    pub(crate) fn finish(&self) -> Finished<P> {
        let order = match fault!("join_finish_relaxed") {
            true => Ordering::Relaxed,
            false => Ordering::AcqRel,
        };
        let found = if fault!("join_blind_finish") {
            let found = self.0.load(Ordering::Acquire);
            self.0.store(done(), Ordering::Release);
            found
        } else {
            self.0.swap(done(), order)
        };
        if found == detached() {
            return Finished::Unwanted;
        }
        // SAFETY: null, or put there by `register` from a `&'static P`.
        match unsafe { found.as_ref() } {
            Some(waiter) => Finished::Wake(waiter),
            None => Finished::Nothing,
        }
    }

    /// Whether the result is there, and the handle's.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        let order = match fault!("join_done_relaxed") {
            true => Ordering::Relaxed,
            false => Ordering::Acquire,
        };
        self.0.load(order) == done()
    }

    /// Who waits, if the handle does.
    pub(crate) fn waiter(&self) -> Option<&'static P> {
        let found = self.0.load(Ordering::Acquire);
        if found == done() || found == detached() {
            return None;
        }
        // SAFETY: null, or put there by `register` from a `&'static P`.
        unsafe { found.as_ref() }
    }

    /// The handle begins to wait. `false`: there is no need to.
    pub(crate) fn register(&self, waiter: &'static P) -> bool {
        let waiter = ptr::from_ref(waiter).cast_mut();
        self.change(ptr::null_mut(), waiter)
    }

    /// The handle waits no longer. `false`: the end has come.
    pub(crate) fn retract(&self, waiter: &'static P) -> bool {
        if fault!("join_blind_retract") {
            self.0.store(ptr::null_mut(), Ordering::Release);
            return true;
        }
        self.change(ptr::from_ref(waiter).cast_mut(), ptr::null_mut())
    }

    /// The handle goes. `false`: the end has come, and the result stays the handle's.
    pub(crate) fn detach(&self) -> bool {
        if fault!("join_blind_detach") {
            let running = self.0.load(Ordering::Acquire) != done();
            self.0.store(detached(), Ordering::Release);
            return running;
        }
        self.change(ptr::null_mut(), detached())
    }

    fn change(&self, from: *mut P, to: *mut P) -> bool {
        self.0
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}
