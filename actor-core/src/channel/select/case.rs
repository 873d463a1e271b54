//! One operation of a `select`.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use crate::channel::wait::{Node, Op, Settled, Ticket, attempt};
use crate::rt::block_on::Poller;
use crate::rt::wait::Interrupt;
use crate::rt::wake::Wakes;
use crate::sys::fault::fault;

/// What a selection needs to know of an operation. Those that wait at no lock of a channel have `lock_key` 0, and are only
/// attempted.
pub(crate) trait Case {
    /// Step 1: does it, if it can be done at once.
    fn attempt(&mut self, poller: Option<&Poller>) -> bool;

    /// Whether [`attempt`](Self::attempt) needs a poller, and is worth another try when it has been woken.
    fn polls(&self) -> bool {
        false
    }

    /// When an attempt will succeed by itself.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// Whether it can ever be done: not if there is nothing to send.
    fn is_enabled(&self) -> bool {
        true
    }

    /// Takes an interrupt of the wait as its outcome, if it can.
    fn interrupt(&mut self, why: Interrupt) -> Result<(), Interrupt>;

    /// Whether it could.
    fn takes_interrupts(&self) -> bool {
        true
    }

    /// Which lock it is: its [place](crate::sys::spinlock::SpinLock::place).
    fn lock_key(&self) -> usize {
        0
    }

    /// Takes the lock, until [`unlock`](Self::unlock).
    fn lock(&self) {}

    /// # Safety
    /// The lock was taken by [`lock`](Self::lock) of a case with the same key.
    unsafe fn unlock(&self) {}

    /// Step 1 under the lock.
    ///
    /// # Safety
    /// The lock is held by the selection.
    unsafe fn attempt_locked(&mut self, wakes: &mut Wakes) -> bool {
        let _ = wakes;
        false
    }

    /// Step 2.
    ///
    /// # Safety
    /// The lock is held by the selection. The case and the ticket stay where they are until it has been retracted.
    unsafe fn enlist(&mut self, ticket: &Ticket, index: usize) {
        let _ = (ticket, index);
    }

    /// Step 5, and for all that were not chosen: takes it out of its list, if it is in.
    fn retract(&mut self) {}

    /// A partner has settled it. `false`: look again.
    fn settle(&mut self, how: Settled) -> bool {
        let _ = how;
        false
    }

    /// A partner has served it, and the selection is being unwound.
    fn give_back(&mut self) {}

    /// Whether it hands something over: then it cannot be given back.
    fn sends(&self) -> bool {
        false
    }
}

/// A [`Case`] whose outcome can be fetched.
pub(crate) trait Pending: Case {
    type Output;

    /// The outcome, once the case has been chosen.
    fn output(&mut self) -> Option<Self::Output>;
}

/// An [`Op`] as a case.
pub(crate) struct OpCase<O: Op> {
    op: O,
    node: Node<O::Slot>,
    output: Option<O::Output>,
    sends: bool,
    /// A send without a value is none.
    enabled: bool,
}

impl<O: Op> OpCase<O> {
    pub(crate) fn new(op: O) -> Self {
        OpCase {
            op,
            node: Node::new(None),
            output: None,
            sends: false,
            enabled: true,
        }
    }

    pub(crate) fn sending(op: O, value: Option<O::Slot>) -> Self {
        OpCase {
            op,
            enabled: value.is_some(),
            sends: true,
            node: Node::new(value),
            output: None,
        }
    }

    /// What was to be sent, and was not.
    pub(crate) fn unsent(&mut self) -> Option<O::Slot> {
        self.enabled = false;
        self.node.slot_mut().take()
    }
}

impl<O: Op> Case for OpCase<O> {
    fn attempt(&mut self, _: Option<&Poller>) -> bool {
        self.output = attempt(&self.op, self.node.slot_mut(), false).ok();
        self.output.is_some()
    }

    fn is_enabled(&self) -> bool {
        self.enabled
    }

    fn interrupt(&mut self, why: Interrupt) -> Result<(), Interrupt> {
        self.output = Some(self.op.interrupted(why, self.node.slot_mut()));
        Ok(())
    }

    fn lock_key(&self) -> usize {
        self.op.state().place()
    }

    fn lock(&self) {
        self.op.state().lock().keep();
    }

    unsafe fn unlock(&self) {
        // SAFETY: held, by the contract.
        unsafe { self.op.state().unlock() };
    }

    unsafe fn attempt_locked(&mut self, wakes: &mut Wakes) -> bool {
        // SAFETY: held, by the contract, and no other reference to the state is alive between two calls.
        let state = unsafe { self.op.state().held() };
        self.output = self.op.attempt(state, self.node.slot_mut(), true, wakes);
        self.output.is_some()
    }

    unsafe fn enlist(&mut self, ticket: &Ticket, index: usize) {
        // SAFETY: held, by the contract.
        let state = unsafe { self.op.state().held() };
        // SAFETY: by the contract both stay until `retract` has unlinked the node.
        unsafe { self.op.list(state).push(&self.node, ticket, index) };
    }

    fn retract(&mut self) {
        if fault!("channel_no_retract") {
            return;
        }
        let mut state = self.op.state().lock();
        // SAFETY: it is in this list, or in none.
        unsafe { self.op.list(&mut state).unlink(&self.node) };
    }

    fn settle(&mut self, how: Settled) -> bool {
        self.output = self.op.settled(how, self.node.slot_mut());
        self.output.is_some()
    }

    fn sends(&self) -> bool {
        self.sends
    }

    fn give_back(&mut self) {
        let mut wakes = Wakes::default();
        let mut state = self.op.state().lock();
        self.op
            .give_back(&mut state, self.node.slot_mut(), &mut wakes);
        drop(state);
        wakes.fire();
    }
}

impl<O: Op> Pending for OpCase<O> {
    type Output = O::Output;

    fn output(&mut self) -> Option<O::Output> {
        if self.sends && self.output.is_some() {
            self.enabled = false;
        }
        self.output.take()
    }
}

/// A future as a case: it is polled at each attempt.
pub(crate) struct FutureCase<'a, F: Future + ?Sized> {
    future: Pin<&'a mut F>,
    output: Option<F::Output>,
    /// It has been ready, and must not be polled again.
    done: bool,
}

impl<'a, F: Future + ?Sized> FutureCase<'a, F> {
    pub(crate) fn new(future: Pin<&'a mut F>) -> Self {
        FutureCase {
            future,
            output: None,
            done: false,
        }
    }
}

impl<F: Future + ?Sized> Case for FutureCase<'_, F> {
    fn attempt(&mut self, poller: Option<&Poller>) -> bool {
        if let Some(poller) = poller
            && let Poll::Ready(output) = poller.poll(self.future.as_mut())
        {
            self.output = Some(output);
            self.done = true;
        }
        self.output.is_some()
    }

    fn is_enabled(&self) -> bool {
        !self.done
    }

    fn polls(&self) -> bool {
        true
    }

    fn interrupt(&mut self, why: Interrupt) -> Result<(), Interrupt> {
        Err(why)
    }

    fn takes_interrupts(&self) -> bool {
        false
    }
}

impl<F: Future + ?Sized> Pending for FutureCase<'_, F> {
    type Output = F::Output;

    fn output(&mut self) -> Option<F::Output> {
        self.output.take()
    }
}
