//! A worker's own run queue, under a biased lock.
//!
//! # Terms
//! *Owner*: the worker the queue belongs to; all it runs passes through here. *Thief*: anybody else who
//! wants in: an idle worker that steals, or the monitor that takes a stuck worker's queue or reads what it
//! runs. *Ring*: the queue proper, first in, first out. *Next slot*: one place in front of the ring, for
//! what the running activation has just woken: its data is still in the cache.
//!
//! # Why not a work-stealing deque
//! The owner enters about a hundred million times a second, a thief some thousand times. A deque makes the
//! owner pay on each pop (a fence or a compare-exchange for the last element: 7 to 13 ns a push and pop,
//! measured), keeps the ring and the next slot apart (a stealable next slot is an atomic exchange, 10 ns a
//! message), and cannot say "stop, I want to look at what you run". With a lock that is biased towards its
//! owner the ring is ordinary memory, and any compound operation is possible under it.
//!
//! # The lock
//! Two words. `busy` is written by the owner alone, `revoked` by thieves.
//!
//! ```text
//!   owner                                        thief
//!   O1  busy = 1            (plain store)        T1  revoked: 0 -> 1    (compare-exchange, acquire)
//!   O2  light fence                              T2  heavy fence
//!   O3  read revoked        (acquire)            T3  read busy          (acquire)
//!       0: inside                                    0: inside
//!       1: busy = 0, wait for 0, go to O1            1: go to T3 a bounded number of times, then T4, give up
//!   O4  busy = 0            (release store)      T4  revoked = 0        (release store)
//! ```
//!
//! **Never both inside.** Suppose the owner is inside, having read `revoked == 0` at an O3 that follows the
//! fence O2, and a thief is inside, having read `busy == 0` at a T3 that follows T2, and neither has left.
//! The two fences are ordered one way or the other.
//! - O2 before T2: the store O1 is visible to everything after T2, so T3 reads it or a later one. The only
//!   later one is the 0 of O4: the owner has left, contrary to the assumption.
//! - T2 before O2: the store T1 is visible at O3, so O3 reads 1, or a 0 of T4 later than T1: the thief has
//!   left, contrary to the assumption.
//!
//! This does not mention *which* T3 it was: repeating the read without repeating the fence is sound, as any
//! entry of the owner that began too late to be ordered before T2 sees `revoked`. It holds for several
//! thieves, since T1 lets in one at a time.
//!
//! **What one does the next sees.** Owner to thief: O4 is a release store and T3 an acquire load that reads it
//! (or the initial 0, before any entry; or the 0 of an entry that was abandoned at O3, which comes later in the
//! owner's program than the O4 before it). Thief to owner, and thief to thief: T4 releases, O3 and T1 acquire.
//!
//! **Progress.** The owner waits only for a thief that is inside or about to give up: a bounded number of
//! steps, none of which waits, allocates on behalf of the ring's contents, or runs foreign code. A thief never waits
//! for long either, as it gives up ([`Busy`]). A thread may lose its processor while it is inside; the other
//! side then yields ([`Backoff`]) or gives up.
//!
//! # Fairness
//! Two activations that wake each other would live in the next slot for ever. After [`LIFO_BUDGET`]
//! consecutive pops from it while the ring has work, one comes from the ring. Counted, not timed, so that
//! a replay does the same.
//!
//! # Seeded faults
//! | fault                 | what it breaks                                  | caught by                                     |
//! |-----------------------|-------------------------------------------------|-----------------------------------------------|
//! | `queue_no_light`      | no O2                                           | `loom_owner_against_thief`                    |
//! | `queue_no_heavy`      | no T2                                           | `loom_owner_against_thief`                    |
//! | `queue_skip_check`    | the owner ignores `revoked`                     | `loom_owner_against_thief`                    |
//! | `queue_leave_relaxed` | O4 is relaxed                                   | `loom_owner_against_thief`                    |
//! | `queue_clear_relaxed` | T4 is relaxed                                   | `loom_owner_against_thief`                    |
//! | `queue_two_thieves`   | T1 is a store, so two thieves get in            | `loom_two_thieves`                            |
//! | `queue_keep_revoked`  | a thief that gives up leaves `revoked` set      | `loom_owner_against_thief`                    |
//! | `queue_lose_displaced`| `push_next` drops what it displaces             | `a_displaced_task_goes_to_the_tail`           |
//! | `queue_no_budget`     | the next slot may starve the ring               | `ping_pong_in_the_next_slot_does_not_starve`  |
//! | `queue_never_shrink`  | the ring keeps its largest size                 | `the_ring_shrinks_after_a_burst`              |

use super::patience::Waiting;
use crate::sys::asym;
use crate::sys::atomic::{AtomicBool, Backoff, Ordering, UnsafeCell};
use crate::sys::fault::fault;
use ring::{Ends, Ring};
use std::fmt;

mod ring;
#[cfg(test)]
mod tests;

/// Pops from the next slot in a row, while the ring has work, before one must come from the ring.
pub(crate) const LIFO_BUDGET: u32 = 64;

/// The ring is not shrunk below this many places.
const MIN_RING: usize = if cfg!(loom) { 2 } else { 256 };

/// How often the ring must run empty, without having grown meanwhile, before it gives back half.
const SHRINK_AFTER: u32 = 16;

/// How often a thief looks at `busy` before it gives up. A critical section takes nanoseconds, so one that
/// lasts longer belongs to a thread that has lost its processor.
const THIEF_LOOKS: u32 = if cfg!(loom) { 2 } else { 256 };

/// The queue's owner, or another thief, was inside for too long. Nothing has been changed; try elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// A worker's run queue. See the module's documentation.
#[repr(align(128))]
pub(crate) struct LocalQueue<T> {
    /// The owner is inside, or about to find out that it may not be.
    busy: AtomicBool,
    /// A thief is inside, or about to find out that it may not be.
    revoked: AtomicBool,
    /// Whether the next slot is taken, as a hint for those outside.
    has_next: AtomicBool,
    /// The ring's ends. Moved inside, read by anybody, as hints.
    ends: Ends,
    inner: UnsafeCell<Inner<T>>,
}

struct Inner<T> {
    next: Option<T>,
    /// Pops from the next slot still allowed before one from the ring.
    budget: u32,
    /// How often the ring has run empty since it last grew or shrank.
    emptied: u32,
    ring: Ring<T>,
}

// SAFETY: `T`s move between threads, hence `T: Send`. No `&T` is handed to two threads at once: `inner` is
// reached only by whoever is inside the biased lock, of whom there is one at a time (module documentation).
unsafe impl<T: Send> Sync for LocalQueue<T> {}
// SAFETY: it owns its `T`s and nothing tied to a thread.
unsafe impl<T: Send> Send for LocalQueue<T> {}

impl<T> fmt::Debug for LocalQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalQueue")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl<T> Default for LocalQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> LocalQueue<T> {
    pub(crate) fn new() -> Self {
        asym::init();
        Self {
            busy: AtomicBool::new(false),
            revoked: AtomicBool::new(false),
            has_next: AtomicBool::new(false),
            ends: Ends::new(),
            inner: UnsafeCell::new(Inner {
                next: None,
                budget: LIFO_BUDGET,
                emptied: 0,
                ring: Ring::new(MIN_RING),
            }),
        }
    }

    /// Appends to the ring.
    ///
    /// # Safety
    /// Only the owner may call this: never two threads at once, and a hand-over of the ownership from one
    /// thread to another must itself be synchronised.
    #[inline]
    pub(crate) unsafe fn push(&self, task: T) {
        // SAFETY: the caller is the owner.
        unsafe {
            self.owned(|inner| inner.push(&self.ends, task));
        }
    }

    /// [`push`](Self::push), and `f` is called while no thief can be inside. `f` must not use this queue.
    ///
    /// # Safety
    /// As for [`push`](Self::push).
    #[inline]
    pub(crate) unsafe fn push_with(&self, task: T, f: impl FnOnce()) {
        // SAFETY: the caller is the owner, and `f` does not come back here.
        unsafe {
            self.owned(|inner| {
                f();
                inner.push(&self.ends, task);
            });
        }
    }

    /// Puts a task into the next slot. What was there goes to the ring's tail.
    ///
    /// # Safety
    /// As for [`push`](Self::push).
    #[inline]
    pub(crate) unsafe fn push_next(&self, task: T) {
        // SAFETY: the caller is the owner.
        unsafe {
            self.owned(|inner| match inner.next.replace(task) {
                None => self.has_next.store(true, Ordering::Relaxed),
                Some(displaced) if fault!("queue_lose_displaced") => drop(displaced),
                Some(displaced) => inner.push(&self.ends, displaced),
            });
        }
    }

    /// What to run next: from the next slot within its budget, else the front of the ring.
    ///
    /// # Safety
    /// As for [`push`](Self::push).
    #[inline]
    pub(crate) unsafe fn pop(&self) -> Option<T> {
        // SAFETY: the caller is the owner.
        unsafe { self.owned(|inner| inner.pop(self)) }
    }

    /// [`pop`](Self::pop), and `f` sees the task (or that there is none) while no thief can be inside: what `f`
    /// publishes, say the name of what is about to run, [`with_owner_stopped`](Self::with_owner_stopped) reads whole.
    /// `f` must not use this queue.
    ///
    /// # Safety
    /// As for [`push`](Self::push).
    #[inline]
    #[cfg(test)]
    pub(crate) unsafe fn pop_with(&self, f: impl FnOnce(Option<&T>)) -> Option<T> {
        // SAFETY: the caller is the owner, and `f` does not come back here.
        unsafe {
            self.owned(|inner| {
                let task = inner.pop(self);
                f(task.as_ref());
                task
            })
        }
    }

    /// Gives spare memory back. For an owner that is about to sleep.
    ///
    /// # Safety
    /// As for [`push`](Self::push).
    pub(crate) unsafe fn trim(&self) {
        // SAFETY: the caller is the owner.
        unsafe { self.owned(|inner| inner.trim(&self.ends)) }
    }

    /// About how many tasks wait here, the next slot included. Exact for the owner when no thief is inside.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.ends.len() + usize::from(self.has_next.load(Ordering::Relaxed))
    }

    /// About how many tasks a thief could take by [`steal`](Self::steal), before halving.
    #[inline]
    pub(crate) fn stealable(&self) -> usize {
        self.ends.len()
    }

    /// About what waits in the ring, and how many have left it.
    #[inline]
    pub(crate) fn waiting(&self) -> Waiting {
        Waiting {
            left: self.ends.popped(),
            len: self.ends.len(),
        }
    }

    /// Whether about nothing waits here.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty() && !self.has_next.load(Ordering::Relaxed)
    }

    /// Moves half of the ring (rounded up, at most `max`), from its front, to the end of `out`, and says how
    /// many. The next slot stays: the owner is about to run it.
    ///
    /// Not for the owner: it would wait for itself and fail.
    pub(crate) fn steal(&self, max: usize, out: &mut Vec<T>) -> Result<usize, Busy> {
        let seen = self.stealable().min(max);
        if seen == 0 {
            // Not worth stopping the owner for.
            return Ok(0);
        }
        // Room is made outside: while the thief is inside the owner waits. So at most what was seen is taken.
        out.reserve(seen);
        self.revoking(|inner| {
            let take = self.ends.len().div_ceil(2).min(seen);
            out.extend((0..take).map_while(|_| inner.ring.pop(&self.ends)));
            take
        })
    }

    /// Moves everything to the end of `out`, next slot first, and says how much. For the monitor, when the
    /// owner is held up by what it runs.
    ///
    /// Not for the owner.
    pub(crate) fn take_all(&self, out: &mut Vec<T>) -> Result<usize, Busy> {
        let seen = self.len();
        if seen == 0 {
            return Ok(0);
        }
        out.reserve(seen);
        self.revoking(|inner| {
            let before = out.len();
            out.extend(inner.next.take());
            self.has_next.store(false, Ordering::Relaxed);
            out.extend(std::iter::from_fn(|| inner.ring.pop(&self.ends)));
            out.len() - before
        })
    }

    /// Calls `f` while the owner is provably outside of its critical sections and cannot enter one: what the
    /// owner changes only inside of them ([`with_thieves_stopped`](Self::with_thieves_stopped)) holds still. The owner waits
    /// meanwhile if it wants in, so `f` must be short and must not wait for it.
    ///
    /// Not for the owner.
    pub(crate) fn with_owner_stopped<R>(&self, f: impl FnOnce() -> R) -> Result<R, Busy> {
        self.revoking(|_| f())
    }

    /// Calls `f` inside one of the owner's critical sections: the counterpart of
    /// [`with_owner_stopped`](Self::with_owner_stopped), for what the owner publishes to it. `f` must not use this queue.
    ///
    /// # Safety
    /// As for [`push`](Self::push).
    #[inline]
    pub(crate) unsafe fn with_thieves_stopped<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: the caller is the owner.
        unsafe { self.owned(|_| f()) }
    }

    /// Runs the owner's critical section `f`.
    ///
    /// # Safety
    /// As for [`push`](Self::push); and `f` must not come back here.
    #[inline]
    unsafe fn owned<R>(&self, f: impl FnOnce(&mut Inner<T>) -> R) -> R {
        /// Leaves also when `f` unwinds.
        struct Leave<'a>(&'a AtomicBool);
        impl Drop for Leave<'_> {
            #[inline]
            fn drop(&mut self) {
                let order = match fault!("queue_leave_relaxed") {
                    true => Ordering::Relaxed,
                    false => Ordering::Release,
                };
                self.0.store(false, order); // O4
            }
        }

        self.busy.store(true, Ordering::Relaxed); // O1
        if !fault!("queue_no_light") {
            asym::light(); // O2
        }
        // O3
        if self.revoked.load(Ordering::Acquire) && !fault!("queue_skip_check") {
            self.enter_slow();
        }
        let _leave = Leave(&self.busy);
        // SAFETY: this thread is the owner (by contract) and inside: `busy` is set and `revoked` was clear at
        // an O3, so no thief has access until O4 (module documentation). `f` does not come back here, so
        // this is the only reference.
        self.inner.with_mut(|inner| f(unsafe { &mut *inner }))
    }

    /// The owner has set `busy` and found `revoked`: stands back until it can enter.
    #[cold]
    fn enter_slow(&self) {
        loop {
            // This entry has touched nothing, but the release still matters: a thief that reads this 0 must
            // see the entries before.
            self.busy.store(false, Ordering::Release);
            let mut backoff = Backoff::new();
            while self.revoked.load(Ordering::Relaxed) {
                backoff.wait();
            }
            self.busy.store(true, Ordering::Relaxed); // O1
            if !fault!("queue_no_light") {
                asym::light(); // O2
            }
            if !self.revoked.load(Ordering::Acquire) {
                return; // O3
            }
        }
    }

    /// Runs a thief's critical section `f`, or gives up.
    fn revoking<R>(&self, f: impl FnOnce(&mut Inner<T>) -> R) -> Result<R, Busy> {
        /// Lets the owner in again, also when `f` or the fence unwinds.
        struct Clear<'a>(&'a AtomicBool);
        impl Drop for Clear<'_> {
            fn drop(&mut self) {
                let order = match fault!("queue_clear_relaxed") {
                    true => Ordering::Relaxed,
                    false => Ordering::Release,
                };
                self.0.store(false, order); // T4
            }
        }

        // T1
        if fault!("queue_two_thieves") {
            self.revoked.store(true, Ordering::Relaxed);
        } else {
            self.revoked
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                .map_err(|_| Busy)?;
        }
        let clear = Clear(&self.revoked);
        if !fault!("queue_no_heavy") {
            asym::heavy(); // T2
        }
        let mut looks = 0;
        // T3
        while self.busy.load(Ordering::Acquire) {
            looks += 1;
            if looks == THIEF_LOOKS {
                if fault!("queue_keep_revoked") {
                    std::mem::forget(clear);
                }
                return Err(Busy);
            }
            crate::sys::atomic::spin_loop();
        }
        // SAFETY: this thread is inside: it alone made `revoked` go from 0 to 1, and `busy` was clear at a T3,
        // so neither the owner nor another thief has access until T4 (module documentation).
        Ok(self.inner.with_mut(|inner| f(unsafe { &mut *inner })))
    }
}

impl<T> Inner<T> {
    #[inline]
    fn push(&mut self, ends: &Ends, task: T) {
        if self.ring.push(ends, task) {
            self.emptied = 0;
        }
    }

    /// To the least capacity that holds what is there.
    fn trim(&mut self, ends: &Ends) {
        let needed = ends.len().next_power_of_two().max(MIN_RING);
        if needed < self.ring.capacity() {
            self.ring.resize(ends, needed);
        }
    }

    #[inline]
    fn pop(&mut self, queue: &LocalQueue<T>) -> Option<T> {
        let ends = &queue.ends;
        let alone = ends.is_empty();
        if self.next.is_some() && (alone || self.budget > 0 || fault!("queue_no_budget")) {
            if !alone {
                self.budget = self.budget.wrapping_sub(1);
            }
            queue.has_next.store(false, Ordering::Relaxed);
            return self.next.take();
        }
        if self.budget != LIFO_BUDGET {
            self.budget = LIFO_BUDGET;
        }
        let task = self.ring.pop(ends);
        if ends.is_empty() && self.ring.capacity() > MIN_RING {
            self.shrink(ends);
        }
        task
    }

    /// The ring has run empty and is larger than it need be. A burst that comes back each time keeps its
    /// memory for a while, one that does not loses it by halves.
    #[cold]
    fn shrink(&mut self, ends: &Ends) {
        self.emptied += 1;
        if self.emptied >= SHRINK_AFTER && !fault!("queue_never_shrink") {
            self.emptied = 0;
            self.ring.resize(ends, self.ring.capacity() / 2);
        }
    }
}

impl<T> Drop for LocalQueue<T> {
    fn drop(&mut self) {
        let ends = &self.ends;
        self.inner.with_mut(|inner| {
            // SAFETY: nobody else has the queue any more.
            let ring = unsafe { &mut (*inner).ring };
            // If a destructor panics the rest is leaked.
            while ring.pop(ends).is_some() {}
        });
    }
}
