//! The side that waits.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::slot::{self, EMPTY, FAILED, GONE, SENT, Slot};
use super::{Failure, ReplyError};
use crate::actor::mailbox::seam::atomic::Ordering;
use crate::actor::mailbox::seam::fault;
use crate::actor::mailbox::seam::park::{self, Parker};
#[cfg(not(loom))]
use crate::rt::worker::Worker;

/// The asker's half. Dropping it abandons the reply.
#[must_use = "dropping the receiver abandons the reply"]
pub(crate) struct Receiver<T> {
    /// `None`: the outcome has been taken.
    pub(super) slot: Option<NonNull<Slot>>,
    value: PhantomData<T>,
}

// SAFETY: the receiver moves a `T` out of the slot, never lends one.
unsafe impl<T: Send> Send for Receiver<T> {}
// SAFETY: every method that does something takes `self` or `&mut self`.
unsafe impl<T: Send> Sync for Receiver<T> {}

impl<T> Unpin for Receiver<T> {}

impl<T> Receiver<T> {
    pub(super) const fn of(slot: NonNull<Slot>) -> Self {
        Receiver {
            slot: Some(slot),
            value: PhantomData,
        }
    }

    /// Leaves, with the outcome if that came first.
    pub(in crate::actor) fn leave(&mut self) -> Option<Result<T, Failure>> {
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
    /// The slot, for [`owner_of`](super::owner_of); null once the outcome has been taken.
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

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("done", &self.slot.is_none())
            .finish()
    }
}
