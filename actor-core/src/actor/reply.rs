//! The reply slot: the two-party cell behind `ask` and `request`.
//!
//! # Terms
//! A *slot* is 64 bytes, one cache line, shared by exactly two parties: the [`Port`], which travels with the message and is
//! answered at most once, and the [`Receiver`], which waits. There is no reference count: the slot's *word* says which parties
//! are left, and the party that changes it last frees the slot, which is recycled (`slot.rs`).
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
mod slot;
#[cfg(all(test, not(loom)))]
mod tests;

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use std::{fmt, mem};

use super::cycle::WaitCycle;
use super::mailbox::seam::atomic::Ordering;
use super::mailbox::seam::fault;
use super::mailbox::seam::park::{self, Parker};
use crate::rt::header::Header;
use crate::rt::wake::wake_task;
#[cfg(not(loom))]
use crate::rt::worker::Worker;
use slot::{EMPTY, FAILED, GONE, SENT, Slot};

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

/// A fresh slot with the current context already registered as waiting: for an ask, which waits at once. Saves the exchange
/// that registers. The reply may unpark the caller at any time from now on.
#[cfg(any(test, loom))]
pub(crate) fn slot_waiting<T: Send + 'static>() -> (Port, Receiver<T>) {
    make(slot::parker_word(park::current()))
}

/// As [`slot_waiting`]; `parker` is the current context's.
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
    (
        Port { slot: Some(slot) },
        Receiver {
            slot: Some(slot),
            value: PhantomData,
        },
    )
}

/// The replier's half. Dropped without an answer it fails the receiver with [`Failure::Dropped`].
pub(crate) struct Port {
    /// `None`: the message was told, nobody waits.
    slot: Option<NonNull<Slot>>,
}

const _: () = assert!(size_of::<Port>() == size_of::<usize>());

// SAFETY: a `Port` gives access to its slot only; `send` moves a value in, whose type was checked to be the one that `slot`
// required to be `Send`. The protocol above keeps the parties apart.
unsafe impl Send for Port {}
// SAFETY: a shared `Port` only reads the slot's atomic word.
unsafe impl Sync for Port {}

impl Port {
    /// The port of a message that was only told.
    pub(crate) const fn none() -> Self {
        Port { slot: None }
    }

    /// The slot, for [`fail_raw`]; null if the message was told.
    pub(crate) fn as_raw(&self) -> *mut () {
        self.slot
            .map_or(std::ptr::null_mut(), |slot| slot.as_ptr().cast())
    }

    /// The port goes over to `actor`, who answers it or hands it on. For whoever has the port, before the other can get at it.
    ///
    /// The actor must not be freed while it has the port, unanswered: who puts the port into its mailbox holds an address, and
    /// takes the port back ([`leave_owner`](Self::leave_owner)) if it did not get in; then the actor's life holds it.
    ///
    /// Who hands on an ask that may be waited for already can close a circle of waits, and has to look: see
    /// `waits::breaks_circle_of`.
    #[inline]
    pub(crate) fn hand_to(&self, actor: &Header) {
        self.set_owner(std::ptr::from_ref(actor).cast_mut().cast());
    }

    /// The owner answers only when what it waits for meanwhile, taking messages, has come ([`Step`](super::step::Step)). For the
    /// owner, who has to look for a circle before it waits.
    pub(crate) fn stand_in_line(&self) {
        if let Some(slot) = self.slot {
            // SAFETY: the slot is alive while we have not left.
            let owner = unsafe { slot.as_ref() }.owner.load(Ordering::Relaxed);
            self.set_owner(owner.map_addr(|at| at | IN_LINE));
        }
    }

    /// No actor has the port from here on: whoever answers it, what that waits for is not tracked.
    pub(crate) fn leave_owner(&self) {
        self.set_owner(std::ptr::null_mut());
    }

    #[inline]
    fn set_owner(&self, owner: *mut ()) {
        if let Some(slot) = self.slot {
            // SAFETY: the slot is alive while we have not left; only the replier writes the field.
            unsafe { slot.as_ref() }
                .owner
                .store(owner, Ordering::Release);
        }
    }

    /// The parker of whoever waits for the answer now, if somebody does on a stack or a thread.
    pub(crate) fn waiter(&self) -> Option<*const ()> {
        // SAFETY: the slot is alive while we have not left.
        let word = unsafe { self.slot?.as_ref() }.word.load(Ordering::Acquire);
        slot::is_parker(word).then_some(word.cast_const())
    }

    /// Is there an asker (who may have left since)?
    pub(crate) const fn is_some(&self) -> bool {
        self.slot.is_some()
    }

    /// Has the asker left?
    pub(crate) fn is_abandoned(&self) -> bool {
        // SAFETY: the slot is not freed before both parties have left, and we have not.
        self.slot
            .is_some_and(|slot| unsafe { slot.as_ref() }.word.load(Ordering::Relaxed) == GONE)
    }

    /// Answers. Gives the value back if nobody waits for it: the message was told, or the asker has left, or it expects
    /// another type (it gets [`Failure::TypeMismatch`] then).
    #[inline]
    pub(crate) fn send<T: Send + 'static>(self, value: T) -> Result<(), T> {
        self.send_noting(value, || {})
    }

    /// As [`send`](Self::send), and calls `leaving` when the value is in its place, just before the port is used up. Until then
    /// the ask can be failed by [`fail_raw`], should this call be abandoned half-way with its stack; afterwards it must not be.
    /// `leaving` is called in any case, and does not unwind.
    #[inline]
    pub(crate) fn send_noting<T: Send + 'static>(
        mut self,
        value: T,
        leaving: impl FnOnce(),
    ) -> Result<(), T> {
        let Some(slot) = self.slot.take() else {
            leaving();
            return Err(value);
        };
        // SAFETY: we are the replier and have not left; the slot is alive until we do.
        if !unsafe { slot.as_ref() }.expects::<T>() {
            self.slot = Some(slot);
            self.fail_noting(Failure::TypeMismatch, leaving);
            return Err(value);
        }
        // SAFETY: as above, and only the replier writes the payload.
        unsafe { publish(slot, value, SENT, leaving) }
    }

    /// Answers that there will be no value.
    pub(crate) fn fail(self, why: Failure) {
        self.fail_noting(why, || {});
    }

    /// As [`fail`](Self::fail). `false`: there is nobody (any more) who would be told.
    pub(crate) fn tell_failure(self, why: Failure) -> bool {
        self.fail_noting(why, || {})
    }

    /// As [`fail`](Self::fail), and calls `leaving` as [`send_noting`](Self::send_noting) does.
    pub(crate) fn fail_noting(mut self, why: Failure, leaving: impl FnOnce()) -> bool {
        match self.slot.take() {
            // SAFETY: as in `send_noting`.
            Some(slot) => unsafe { publish(slot, why, FAILED, leaving) }.is_ok(),
            None => {
                leaving();
                false
            }
        }
    }
}

impl Port {
    /// The port that [`as_raw`](Self::as_raw) told of; of null, none.
    ///
    /// # Safety
    /// That port is never used again, nor dropped.
    pub(crate) unsafe fn from_raw(raw: *mut ()) -> Self {
        Port {
            slot: NonNull::new(raw.cast()),
        }
    }
}

/// Set in a slot's owner if the port [stands in line](Port::stand_in_line).
const IN_LINE: usize = 1;

const _: () = assert!(mem::align_of::<Header>() > IN_LINE);

/// Who has the port of the ask that `waiter` waits for in this slot, if it does and an actor has it, and whether the port stands
/// in line there. The answer is of one moment, and is good for nothing unless the caller knows otherwise that `waiter` was in
/// that very wait.
///
/// # Safety
/// `slot` was a slot's address at some time ([`Receiver::as_raw`]).
pub(crate) unsafe fn owner_of(slot: *mut (), waiter: *const ()) -> Option<(NonNull<Header>, bool)> {
    // SAFETY: a slot's memory stays a slot's, and these two fields are only accessed atomically.
    let (word, owner) = unsafe {
        let slot = slot.cast::<Slot>();
        (&(*slot).word, &(*slot).owner)
    };
    let word = word.load(Ordering::Acquire);
    if !std::ptr::addr_eq(word, waiter) && !fault!("reply_keep_edge") {
        return None;
    }
    let owner = owner.load(Ordering::Acquire);
    let header = NonNull::new(owner.map_addr(|at| at & !IN_LINE).cast())?;
    Some((header, owner.addr() & IN_LINE != 0))
}

/// Fails the asker of a port that was lost with the stack it lay on.
///
/// # Safety
/// `raw` is a port's [`as_raw`](Port::as_raw), and that port is never used again, nor dropped.
pub(crate) unsafe fn fail_raw(raw: *mut (), why: Failure) {
    if let Some(slot) = NonNull::new(raw.cast()) {
        Port { slot: Some(slot) }.fail(why);
    }
}

impl Drop for Port {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            drop_unanswered(slot);
        }
    }
}

#[cold]
#[inline(never)]
fn drop_unanswered(slot: NonNull<Slot>) {
    // SAFETY: the slot is that of a port, which has been used up.
    drop(unsafe { publish(slot, Failure::Dropped, FAILED, || {}) });
}

/// The replier leaves, with `payload`; `leaving` is called between the two. Gives the payload back if the receiver left
/// first.
///
/// # Safety
/// The caller is the replier and does not use the slot afterwards; `payload` is of the slot's expected type if `outcome` is
/// `SENT`, a `Failure` if it is `FAILED`.
#[inline]
unsafe fn publish<P>(
    slot: NonNull<Slot>,
    payload: P,
    outcome: *mut (),
    leaving: impl FnOnce(),
) -> Result<(), P> {
    let order = if fault!("reply_publish_relaxed") {
        Ordering::Relaxed
    } else {
        Ordering::AcqRel
    };
    // SAFETY: until the swap the payload is the replier's alone; after it the slot is the receiver's, unless it has left,
    // which the swap tells: then all of the slot is ours.
    unsafe {
        let this = slot.as_ref();
        let before = if fault!("reply_publish_first") {
            leaving();
            let before = this.word.swap(outcome, order);
            this.put(payload);
            before
        } else {
            this.put(payload);
            leaving();
            if park::is_called_for(slot.as_ptr().cast()) {
                // The asker is below us on this thread (`worker/call.rs`, "The answer").
                this.word.store(outcome, Ordering::Release);
                return Ok(());
            }
            this.word.swap(outcome, order)
        };
        if before == GONE && !fault!("reply_ignore_gone") {
            let payload = this.take();
            Slot::free(slot);
            return Err(payload);
        }
        if before != EMPTY && !fault!("reply_skip_wake") {
            wake(before);
        }
    }
    Ok(())
}

/// Wakes the waiter that an exchange took out of the word.
///
/// # Safety
/// `word` was taken out of a slot's word by an exchange and is given up.
#[inline]
unsafe fn wake(word: *mut ()) {
    // SAFETY: the caller's.
    match unsafe { slot::waiter(word) } {
        slot::Waiter::Parker(parker) => parker.unpark(),
        slot::Waiter::Waker(waker) => wake_task(*waker),
        slot::Waiter::None => {}
    }
}

/// The asker's half. Dropping it abandons the reply.
#[must_use = "dropping the receiver abandons the reply"]
pub(crate) struct Receiver<T> {
    /// `None`: the outcome has been taken.
    slot: Option<NonNull<Slot>>,
    value: PhantomData<T>,
}

// SAFETY: the receiver moves a `T` out of the slot, never lends one.
unsafe impl<T: Send> Send for Receiver<T> {}
// SAFETY: every method that does something takes `self` or `&mut self`.
unsafe impl<T: Send> Sync for Receiver<T> {}

impl<T> Unpin for Receiver<T> {}

impl<T> Receiver<T> {
    /// Leaves, with the outcome if that came first.
    pub(super) fn leave(&mut self) -> Option<Result<T, Failure>> {
        let slot = self.slot.take()?;
        // SAFETY: we have not left. After the swap the slot is the replier's, unless it left first: then it is ours, with
        // the payload that the word tells. A waiter that the swap took out is ours in any case.
        unsafe {
            let before = slot.as_ref().word.swap(GONE, Ordering::AcqRel);
            let outcome = match before {
                SENT => Ok(slot.as_ref().take()),
                FAILED => Err(slot.as_ref().take()),
                waiter => {
                    drop(slot::waiter(waiter));
                    return None;
                }
            };
            Slot::free(slot);
            Some(outcome)
        }
    }
}

impl<T: Send + 'static> Receiver<T> {
    /// The slot, for [`owner_of`]; null once the outcome has been taken.
    #[inline]
    pub(crate) fn as_raw(&self) -> *mut () {
        self.slot
            .map_or(std::ptr::null_mut(), |slot| slot.as_ptr().cast())
    }

    /// Waits for the reply, and leaves: after a timeout the replier can tell that nobody waits. (A kill, which unwinds through
    /// here, abandons the reply.)
    pub(crate) fn wait(mut self, deadline: Option<Instant>) -> Result<T, ReplyError> {
        match self.wait_until(deadline) {
            // Between the last look and leaving it may have come: then it has not been late.
            Err(ReplyError::Timeout) if !fault!("reply_leave_deaf") => match self.leave() {
                Some(outcome) => outcome.map_err(ReplyError::NoReply),
                None => Err(ReplyError::Timeout),
            },
            ended => ended,
        }
    }

    /// As [`wait`](Self::wait), but after a timeout the receiver can be waited on again.
    pub(crate) fn wait_until(&mut self, deadline: Option<Instant>) -> Result<T, ReplyError> {
        let parker = park::current();
        loop {
            if let Some(outcome) = self.register(Registration::Parker(parker)) {
                return outcome.map_err(ReplyError::NoReply);
            }
            if !park::park_until(deadline) {
                return match self.retract() {
                    Some(outcome) => outcome.map_err(ReplyError::NoReply),
                    None => Err(ReplyError::Timeout),
                };
            }
        }
    }

    /// Before a wait: lets what is queued on this worker run, as the replier may be there.
    pub(crate) fn run_queued(&mut self) {
        #[cfg(not(loom))]
        if let Some(slot) = self.slot
            // SAFETY: the slot is alive while we have not left.
            && unsafe { slot.as_ref() }.word.load(Ordering::Relaxed) == EMPTY
        {
            Worker::run_queued_for(park::current(), slot.as_ptr().cast());
        }
    }

    /// Begins to wait: registers the caller, who goes on by [`wait_until`](Self::wait_until) or [`give_up`](Self::give_up). Or
    /// gives the outcome, if it has come.
    pub(crate) fn begin_wait(&mut self) -> Option<Result<T, Failure>> {
        self.register(Registration::Parker(park::current()))
    }

    /// Ends a wait that has begun: the outcome, if it has come meanwhile.
    #[cold]
    pub(crate) fn give_up(&mut self) -> Option<Result<T, Failure>> {
        self.retract()
    }

    /// The outcome, if it has come. At most once; afterwards the receiver says [`Failure::Dropped`].
    pub(crate) fn try_take(&mut self) -> Option<Result<T, Failure>> {
        let Some(slot) = self.slot else {
            return Some(Err(Failure::Dropped));
        };
        // SAFETY: the slot is alive while we have not left.
        let word = unsafe { slot.as_ref() }.word.load(Ordering::Acquire);
        self.finish(word)
    }

    /// The answer, if one has come. What else there is stays: for an asker that has been answered already, before it waits.
    #[inline(always)]
    pub(crate) fn take_sent(&mut self) -> Option<T> {
        let slot = self.slot?;
        // SAFETY: the slot is alive while we have not left.
        if unsafe { slot.as_ref() }.word.load(Ordering::Acquire) != SENT {
            return None;
        }
        self.slot = None;
        // SAFETY: as in `finish`.
        unsafe {
            let answer = slot.as_ref().take();
            Slot::free(slot);
            Some(answer)
        }
    }

    /// The outcome, if `word` (read with acquire) says that it has come; frees the slot then.
    #[inline]
    fn finish(&mut self, word: *mut ()) -> Option<Result<T, Failure>> {
        if word != SENT && word != FAILED {
            return None;
        }
        let slot = self.slot.take()?;
        // SAFETY: the replier has left, so the slot is ours; its payload is what the word says (`publish`), taken once.
        unsafe {
            let outcome = if word == SENT {
                Ok(slot.as_ref().take())
            } else {
                Err(slot.as_ref().take())
            };
            Slot::free(slot);
            Some(outcome)
        }
    }

    /// Puts a waiter into the word, in place of the one there, or returns the outcome if it has come.
    fn register(&mut self, waiter: Registration<'_>) -> Option<Result<T, Failure>> {
        let Some(slot) = self.slot else {
            return Some(Err(Failure::Dropped));
        };
        // SAFETY: the slot is alive while we have not left.
        let atomic = &unsafe { slot.as_ref() }.word;
        let mut word = atomic.load(Ordering::Acquire);
        if let Registration::Parker(parker) = waiter
            && word == slot::parker_word(parker)
        {
            return None;
        }
        // A waker in the word is taken out first, which makes it ours to compare and re-use.
        let mut old = None;
        if word != EMPTY && word != SENT && word != FAILED {
            match atomic.compare_exchange(word, EMPTY, Ordering::AcqRel, Ordering::Acquire) {
                Ok(taken) => {
                    word = EMPTY;
                    // SAFETY: the exchange took it out.
                    if let slot::Waiter::Waker(waker) = unsafe { slot::waiter(taken) } {
                        old = Some(waker);
                    }
                }
                Err(outcome) => word = outcome,
            }
        }
        if word == EMPTY {
            let new = match waiter {
                Registration::Parker(parker) => slot::parker_word(parker),
                Registration::Waker(waker) => slot::waker_word(match old {
                    Some(mut boxed) => {
                        (*boxed).clone_from(waker);
                        boxed
                    }
                    None => Box::new(waker.clone()),
                }),
            };
            if fault!("reply_store_register") {
                atomic.store(new, Ordering::Release);
                return None;
            }
            match atomic.compare_exchange(EMPTY, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return None,
                Err(outcome) => {
                    // SAFETY: it did not get into the word.
                    drop(unsafe { slot::waiter(new) });
                    word = outcome;
                }
            }
        }
        self.finish(word)
    }

    /// Takes our waiter out of the word, or returns the outcome if it has come.
    fn retract(&mut self) -> Option<Result<T, Failure>> {
        let slot = self.slot?;
        // SAFETY: the slot is alive while we have not left.
        let atomic = &unsafe { slot.as_ref() }.word;
        let word = atomic.load(Ordering::Acquire);
        if fault!("reply_timeout_wins") {
            return None;
        }
        if word == EMPTY || word == SENT || word == FAILED {
            return self.finish(word);
        }
        match atomic.compare_exchange(word, EMPTY, Ordering::AcqRel, Ordering::Acquire) {
            Ok(taken) => {
                // SAFETY: the exchange took it out.
                drop(unsafe { slot::waiter(taken) });
                None
            }
            Err(outcome) => self.finish(outcome),
        }
    }
}

/// A waiter to be put into a slot's word.
#[derive(Clone, Copy)]
enum Registration<'a> {
    Parker(&'static Parker),
    Waker(&'a Waker),
}

impl<T: Send + 'static> Future for Receiver<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.register(Registration::Waker(cx.waker())) {
            Some(outcome) => Poll::Ready(outcome),
            None => Poll::Pending,
        }
    }
}

impl<T> Drop for Receiver<T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.slot.is_some() {
            // What had come is dropped here, when the slot is free: its destructor is the user's.
            drop(self.leave());
        }
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port")
            .field("is_some", &self.is_some())
            .finish()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("done", &self.slot.is_none())
            .finish()
    }
}

/// `T` where it fits into a slot, a box of it where it does not.
const fn inline<T>() -> bool {
    size_of::<T>() <= slot::INLINE && align_of::<T>() <= slot::INLINE_ALIGN
}

impl Slot {
    /// # Safety
    /// The payload is the caller's to write, and empty.
    #[inline(always)]
    unsafe fn put<P>(&self, payload: P) {
        // SAFETY: the caller's; a `P` that does not fit goes into a box, which does.
        self.payload.with_mut(|place| unsafe {
            if inline::<P>() {
                place.cast::<P>().write(payload);
            } else {
                place.cast::<Box<P>>().write(Box::new(payload));
            }
        });
    }

    /// # Safety
    /// The payload is the caller's, and was `put` as a `P`. It is empty afterwards.
    #[inline(always)]
    unsafe fn take<P>(&self) -> P {
        // SAFETY: the caller's; `inline` says the same as it did in `put`.
        self.payload.with_mut(|place| unsafe {
            if inline::<P>() {
                place.cast::<P>().read()
            } else {
                *place.cast::<Box<P>>().read()
            }
        })
    }
}

const _: () = assert!(inline::<Failure>() && mem::align_of::<Parker>() >= 4);
