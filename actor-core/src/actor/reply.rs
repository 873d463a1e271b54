//! The reply slot: the two-party cell behind `ask` and `request`.
//!
//! # Terms
//! A *slot* is 64 bytes, one cache line, shared by exactly two parties: the [`Port`], which travels with the message and is
//! answered at most once, and the [`Receiver`], which waits. There is no reference count: the slot's *word* says which parties
//! are left, and the party that changes it last frees the slot, which is recycled (`slot.rs`). What the two do is in `port.rs` and `receiver.rs`.
//!
//! Beside the word the slot says who its *owner* is: the actor that has the port. It is what an asker waits for ([`owner_of`],
//! `actor::waits`). Whoever takes a port out of its actor, or hands it on to another, says so by [`Port::leave_owner`] or [`Port::hand_to`].
//! An owner that takes messages while it waits also says which ports are answered only after that, by [`Port::stand_in_line`].
//!
//! # The word
//! The word is an `AtomicPtr`, so that a registered waiter is part of the state and is taken by the same exchange that ends
//! the wait. (A waiter stored beside a state flag needs either a lock or a third state both parties spin on: the replier would
//! have to read it before it announces the value, when it may still change, or after, when the receiver may have freed it.)
//!
//! ```text
//!            register              send / fail / drop (one exchange by the Port)
//!   EMPTY  <---------->  PARKER | WAKER --------------------+
//!     |      retract            |                           v
//!     +-------------------------|------------------->  SENT | FAILED    the Receiver takes the payload and frees
//!     |                         v
//!     +------------------->   GONE                                      the Port sees it and frees
//!        drop of the Receiver
//! ```
//!
//! | word | meaning |
//! |---|---|
//! | `EMPTY` | both parties left, nobody waits |
//! | a parker's address | both left, the receiver is parked or about to park; parkers are never freed |
//! | a box's address, tagged `WAKER` | both left, the boxed `Waker` belongs to whoever takes it out of the word |
//! | `SENT`, `FAILED` | the reply has been; the payload is a value of the expected type, or a [`Failure`] |
//! | `GONE` | the receiver has left; there is no payload |
//!
//! # Why nothing is lost, leaked or freed twice
//! 1. Each party leaves by exactly one `swap` (the receiver, if it has read `SENT` or `FAILED`, leaves without one: the other
//!    is already gone). The word is one location, so one of the swaps comes second, and that one returns the other party's
//!    final value: the second party frees, and no one else does.
//! 2. The payload is written before the replier's swap (release) and read after the receiver has seen its result (acquire).
//!    If the replier's swap returns `GONE` the payload is still the replier's, who takes it back.
//! 3. A waiter in the word is returned by exactly one exchange: the replier's, who wakes it, or the receiver's own, who drops
//!    it. So a wake-up is lost only if there was no waiter registered; and a receiver that registers does so by an exchange
//!    on the same word, which fails if the reply has come.
//! 4. Deadline against reply: on the deadline the receiver exchanges its parker for `EMPTY`. If that fails the reply was first
//!    and is returned. An ask, which does not come back, then leaves by the swap of 1, and returns the reply if that came
//!    before: so either the asker gets the outcome or the replier learns that it has gone, never neither. Who accounts for
//!    messages that were not handled relies on it.
//!
//! # Seeded faults
//! | fault | what it breaks | caught by |
//! |---|---|---|
//! | `reply_skip_wake` | the replier does not wake the waiter it took | `loom_reply_wakes_a_waiting_receiver` (deadlock) |
//! | `reply_publish_relaxed` | the replier's swap does not release the payload | `loom_reply_against_drop_of_the_receiver` |
//! | `reply_publish_first` | the swap comes before the payload is written | `loom_reply_against_drop_of_the_receiver` |
//! | `reply_ignore_gone` | the replier does not take back its value from a receiver that left | `values_are_dropped_once`, `loom_reply_against_drop_of_the_receiver` |
//! | `reply_timeout_wins` | a deadline ignores the reply that came first | `a_reply_that_comes_before_the_waiter_is_taken_out_beats_the_deadline` |
//! | `reply_keep_edge` | an answer does not end the edge of the asker | `an_answer_ends_the_edge_before_the_asker_runs` |
//! | `reply_leave_deaf` | an asker whose deadline has passed leaves without looking once more | `loom_a_timeout_or_a_reply_but_not_neither` |
//! | `reply_store_register` | registering is a store instead of an exchange | `loom_reply_wakes_a_waiting_receiver` |

#[cfg(all(test, loom))]
mod models;
mod port;
mod receiver;
mod slot;
#[cfg(all(test, not(loom)))]
mod tests;

use std::sync::Arc;

use super::cycle::WaitCycle;
use super::exit::ExitReason;
#[cfg(any(test, loom))]
use super::mailbox::seam::park;
pub(crate) use port::{Port, fail_raw, owner_of};
pub(crate) use receiver::Receiver;
use slot::{EMPTY, Slot};

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// The port was dropped without an answer.
    Dropped,
    /// The actor was dead, or ended, before it came to the message.
    Dead,
    /// The actor was killed.
    Killed,
    /// The system is shutting down.
    Shutdown,
    /// The handler overflowed its stack.
    Overflow,
    /// The handler panicked.
    Panicked(Arc<str>),
    /// The actor failed for the reason given.
    Failed(Arc<str>),
    /// The actor was linked to one that was dead.
    NoProc,
    /// The handler answered with a value of another type than the asker expects.
    TypeMismatch,
    /// Waiting for it would have closed a circle of waits.
    Deadlock(WaitCycle),
    /// The mailbox was full, and a newer message took the place of this one.
    Displaced,
}

impl Failure {
    /// How an asker learns that the actor has ended, for `reason`. `queued`: its message had not been handled yet.
    pub(super) fn of(reason: &ExitReason, queued: bool) -> Failure {
        match reason {
            ExitReason::Killed => Failure::Killed,
            ExitReason::Overflow => Failure::Overflow,
            ExitReason::Panicked(text) => Failure::Panicked(text.clone()),
            ExitReason::Failed(text) => Failure::Failed(text.clone()),
            ExitReason::Shutdown => Failure::Shutdown,
            ExitReason::NoProc => Failure::NoProc,
            ExitReason::Normal if queued => Failure::Dead,
            ExitReason::Normal => Failure::Dropped,
        }
    }

    /// Why the actor has ended, if that is why there is no reply.
    pub(super) fn exit_reason(self) -> Option<ExitReason> {
        match self {
            Failure::Dropped
            | Failure::TypeMismatch
            | Failure::Displaced
            | Failure::Deadlock(_) => None,
            Failure::Dead => Some(ExitReason::Normal),
            Failure::Killed => Some(ExitReason::Killed),
            Failure::Shutdown => Some(ExitReason::Shutdown),
            Failure::NoProc => Some(ExitReason::NoProc),
            Failure::Overflow => Some(ExitReason::Overflow),
            Failure::Panicked(text) => Some(ExitReason::Panicked(text)),
            Failure::Failed(text) => Some(ExitReason::Failed(text)),
        }
    }
}

/// Why a wait ended without a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReplyError {
    /// The deadline passed first.
    Timeout,
    /// There will be no reply.
    NoReply(Failure),
}

/// A fresh slot, for a request whose answer is awaited later, if at all.
pub(crate) fn slot<T: Send + 'static>() -> (Port, Receiver<T>) {
    make(EMPTY)
}

/// As [`slot_waiting_at`], of the current context.
#[cfg(any(test, loom))]
pub(crate) fn slot_waiting<T: Send + 'static>() -> (Port, Receiver<T>) {
    make(slot::parker_word(park::current()))
}

/// A fresh slot in which the current context, whose parker is `parker`, is already registered as waiting: for an ask, which waits at
/// once. Saves the exchange that registers. The reply may unpark the caller at any time from now on.
#[inline]
pub(crate) fn slot_waiting_at<T: Send + 'static>(
    parker: &'static crate::rt::park::Parker,
) -> (Port, Receiver<T>) {
    #[cfg(not(loom))]
    let made = make(slot::parker_word(parker));
    // Models have parkers of their own.
    #[cfg(loom)]
    let made = (parker, slot_waiting()).1;
    made
}

#[inline]
fn make<T: Send + 'static>(word: *mut ()) -> (Port, Receiver<T>) {
    let slot = Slot::obtain::<T>(word);
    (Port::of(slot), Receiver::of(slot))
}
