//! The two words behind parking: the permit a waiter waits for, and where a task is to be woken for a kill.
//!
//! # The token
//! ```text
//!            unpark                     park (a permit is there: returns at once)
//!   EMPTY ───────────► NOTIFIED ───────────────────────────────► EMPTY
//!     │ park
//!     ▼        unpark: hand the stack to its home / wake the thread
//!   PARKED ──────────────────────────────────────► NOTIFIED ──── goes on: resume ──► EMPTY
//! ```
//! Whoever turns PARKED into NOTIFIED, and nobody else, is told so ([`Unparked`]) and sees to it that the waiter goes on.
//!
//! The waiter consumes a permit by an exchange, not by a store: an `unpark` between reading and clearing would be wiped
//! out together with what it published. All transitions are read-modify-writes of one word, releasing in `unpark` and
//! acquiring in `park` and `resume`: what was written before any of the unparks merged into a permit is seen by whoever
//! consumes it.
//!
//! # Kill
//! A killer must find the place where the task is parked, and the task, on its way there, must find that it was killed.
//! Each writes and then reads:
//!
//! ```text
//!   the task, before it parks at a place for the first time       the killer
//!   K1  note the place                                             k1  set KILLED
//!   K2  fence                                                      k2  fence
//!   K3  read KILLED: set → unwind, do not park                     k3  read the noted place: there → unpark it
//! ```
//! The two fences are in one order or the other, so one of the two reads sees the other side's write. If it is k3, the
//! token does the rest: the unpark comes before the park and makes it return, or after it and ends it; either way the
//! task then acquires what the killer released, and reads KILLED. A place that is noted stays so: parking there again
//! takes no fence, as K3 of the first time has settled the matter for every kill that did not find the place.
//!
//! # Seeded faults
//! | fault                  | what it breaks                          | caught by                                        |
//! |------------------------|-----------------------------------------|--------------------------------------------------|
//! | `token_blind_resume`   | the permit is consumed by a store       | `loom_no_wake_up_is_lost`                        |
//! | `token_blind_unpark`   | `unpark` is a load and a store          | `loom_no_wake_up_is_lost`                        |
//! | `token_unpark_relaxed` | `unpark` does not release               | `loom_what_was_written_before_an_unpark_is_seen` |
//! | `token_resume_relaxed` | `park` and `resume` do not acquire      | `loom_what_was_written_before_an_unpark_is_seen` |
//! | `kill_no_park_fence`   | no K2                                   | `loom_a_kill_reaches_a_task_that_parks`          |
//! | `kill_no_kill_fence`   | no k2                                   | `loom_a_kill_reaches_a_task_that_parks`          |

use std::ptr;

use crate::sys::atomic::{AtomicPtr, AtomicU32, Ordering, fence};
use crate::sys::fault::fault;

const EMPTY: u32 = 0;
const PARKED: u32 = 1;
const NOTIFIED: u32 = 2;
/// As PARKED, but it is an OS thread that waits on the token's address.
pub(super) const PARKED_THREAD: u32 = 3;

/// A permit that can be waited for. See the [module](self).
#[derive(Debug)]
pub(crate) struct Token(AtomicU32);

/// What an [`unpark`](Token::unpark) found.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unparked {
    /// Nobody parked: the permit is kept.
    Nobody,
    /// A stack, which the caller must hand to its home.
    Stack,
    /// A thread, which the caller must wake.
    Thread,
}

fn acquire(both: bool) -> Ordering {
    match (fault!("token_resume_relaxed"), both) {
        (true, _) => Ordering::Relaxed,
        (false, true) => Ordering::AcqRel,
        (false, false) => Ordering::Acquire,
    }
}

impl Token {
    pub(crate) fn new() -> Self {
        Token(AtomicU32::new(EMPTY))
    }

    /// Forgets a permit that may be left from the last user. Only while nobody is parked.
    pub(crate) fn reset(&self) {
        self.0.store(EMPTY, Ordering::Relaxed);
    }

    /// Grants the permit.
    #[inline]
    pub(crate) fn unpark(&self) -> Unparked {
        let order = match fault!("token_unpark_relaxed") {
            true => Ordering::Relaxed,
            false => Ordering::AcqRel,
        };
        let found = if fault!("token_blind_unpark") {
            let found = self.0.load(Ordering::Acquire);
            self.0.store(NOTIFIED, Ordering::Release);
            found
        } else {
            self.0.swap(NOTIFIED, order)
        };
        match found {
            PARKED => Unparked::Stack,
            PARKED_THREAD => Unparked::Thread,
            _ => Unparked::Nobody,
        }
    }

    /// The calling stack is about to be left. `false`: a permit was there, and has been consumed.
    #[inline]
    pub(crate) fn park(&self) -> bool {
        self.park_as(PARKED)
    }

    /// The calling thread is about to sleep on [`word`](Self::word). `false`: as in [`park`](Self::park).
    pub(crate) fn park_thread(&self) -> bool {
        self.park_as(PARKED_THREAD)
    }

    #[inline]
    fn park_as(&self, parked: u32) -> bool {
        let set = self
            .0
            .compare_exchange(EMPTY, parked, acquire(true), acquire(false));
        if set.is_err() {
            self.resume();
        }
        set.is_ok()
    }

    /// The waiter goes on: consumes the permit. `false`: there is none, the wait has ended for another reason.
    #[inline]
    pub(crate) fn resume(&self) -> bool {
        if fault!("token_blind_resume") {
            let found = self.0.load(Ordering::Acquire);
            self.0.store(EMPTY, Ordering::Release);
            return found == NOTIFIED;
        }
        self.0.swap(EMPTY, acquire(true)) == NOTIFIED
    }

    /// Whether a permit is stored.
    pub(crate) fn has_permit(&self) -> bool {
        self.0.load(Ordering::Relaxed) == NOTIFIED
    }

    /// Whether a thread is parked that nobody has unparked.
    pub(crate) fn is_thread_parked(&self) -> bool {
        self.0.load(Ordering::Acquire) == PARKED_THREAD
    }

    /// The word a parked thread sleeps on while it is [`PARKED_THREAD`].
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.0
    }
}

/// Where a task is parked, or was last: for a killer. See the [module](self), "Kill".
#[derive(Debug)]
pub(crate) struct Place<P: 'static>(AtomicPtr<P>);

impl<P: 'static> Place<P> {
    pub(crate) fn nowhere() -> Self {
        Place(AtomicPtr::new(ptr::null_mut()))
    }

    /// Whether `place` is noted.
    #[inline]
    pub(crate) fn is(&self, place: &'static P) -> bool {
        ptr::eq(self.0.load(Ordering::Relaxed), place)
    }

    /// The task is going to park at `place`. To be called before KILLED is read.
    #[cold]
    pub(crate) fn note(&self, place: &'static P) {
        self.0
            .store(ptr::from_ref(place).cast_mut(), Ordering::Release); // K1
        if !fault!("kill_no_park_fence") {
            fence(Ordering::SeqCst); // K2
        }
    }

    /// Nothing is noted any more: for a new task in memory that may be looked at.
    pub(crate) fn forget(&self) {
        self.0.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// What was noted last, for whoever knows otherwise that it has been.
    pub(crate) fn last(&self) -> Option<&'static P> {
        // SAFETY: null, or put there by `note` from a `&'static P`.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    /// Where to wake it. To be called after KILLED has been set.
    pub(crate) fn find(&self) -> Option<&'static P> {
        if !fault!("kill_no_kill_fence") {
            fence(Ordering::SeqCst); // k2
        }
        self.last() // k3
    }
}
