//! The side that answers.

use std::ptr::NonNull;
use std::{fmt, mem};

use super::Failure;
use super::slot::{self, EMPTY, FAILED, GONE, SENT, Slot};
use crate::actor::mailbox::seam::atomic::Ordering;
use crate::actor::mailbox::seam::fault;
use crate::actor::mailbox::seam::park;
use crate::rt::header::Header;
use crate::rt::wake::wake_task;

/// The replier's half. Dropped without an answer it fails the receiver with [`Failure::Dropped`].
pub(crate) struct Port {
    /// `None`: the message was told, nobody waits.
    slot: Option<NonNull<Slot>>,
}

const _: () = assert!(size_of::<Port>() == size_of::<usize>());

// SAFETY: a `Port` gives access to its slot only; `send` moves a value in, whose type was checked to be the one that `slot`
// required to be `Send`. The parent module's protocol keeps the parties apart.
unsafe impl Send for Port {}
// SAFETY: a shared `Port` only reads the slot's atomic word.
unsafe impl Sync for Port {}

impl Port {
    pub(super) const fn of(slot: NonNull<Slot>) -> Self {
        Port { slot: Some(slot) }
    }

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

    /// The owner answers only when what it waits for meanwhile, taking messages, has come ([`Step`](crate::actor::step::Step)). For the
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
/// `slot` was a slot's address at some time ([`Receiver::as_raw`](super::Receiver::as_raw)).
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
    // SAFETY: the caller's.
    unsafe { Port::from_raw(raw) }.fail(why);
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

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port")
            .field("is_some", &self.is_some())
            .finish()
    }
}
