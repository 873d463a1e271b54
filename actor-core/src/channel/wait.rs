//! Waiting at a channel: what all its kinds, blocking calls, futures and `select` are built on.
//!
//! # Terms
//! - *state*: what a channel is, with its lists of waiters, behind a [`SpinLock`].
//! - *operation* ([`Op`]): something to be done with a channel that may have to wait: a send, a receive.
//! - *wait*: one operation that waits, or several of which one is to happen (`select`). It has a *ticket*, which says how it
//!   stands, and a *node* for each operation, in a list of that operation's channel. Both lie in the waiter's own frame or
//!   in its future: nothing is allocated.
//! - *slot*: the place in a node for what is sent, or will be received.
//! - *partner*: whoever comes second, finds a node, and completes the operation in the waiter's name.
//!
//! # The states of a ticket
//! ```text
//!   WAITING ──── a partner ────► BUSY ──── the same partner ────► SERVED(case), ENDED(case)
//!      │
//!      └──── the waiter ────► LEFT
//! ```
//! Only one of those who try gets it out of WAITING. A wait for one operation has its node in one list, so the lock of that
//! channel decides this, and BUSY and LEFT are not used. A `select` is in several lists: a compare-exchange decides.
//!
//! # The protocol
//! ```text
//!   the waiter                                             the partner
//!   1  lock; attempt the operation; it can be done → done  a  lock; attempt: look for the first node in the list
//!   2  else, in the same section, put the node into the    b  unlink it; get its ticket out of WAITING; not had → the next
//!      list; unlock                                        c  move the value out of, or into, the slot
//!   3  the ticket is SERVED or ENDED → take the slot, done d  copy the waker, store SERVED: the last access
//!   4  wait, then 3 again                                  e  unlock, then wake
//!   5  to leave (deadline, interrupt, kill, dropped
//!      future): lock; SERVED → it has been served: take
//!      it; else unlink the node; unlock
//! ```
//! A `select` does step 1 for each of its operations in turn, in random order; then it locks all its channels in the order of
//! their addresses, attempts each again, and does step 2 for all of them before it unlocks any. In step 5 it first moves its
//! ticket to LEFT, or waits until BUSY is over, and then unlinks its nodes one by one.
//!
//! # Why nobody waits for ever
//! Steps 1 and 2 are one section, and so are a to d. If the waiter's section comes first, the partner finds the node; if the
//! partner's comes first, the waiter finds what it left in the state. With several channels locked at once this holds for all
//! of them together; two `select`s that meet cannot each wait for the other, as both would hold the lock of the channel
//! where they meet.
//!
//! # Why nothing is lost, and nothing happens twice
//! A ticket leaves WAITING once. What a partner has moved into a slot is taken by the waiter in 3 or 5; one that unwinds, or
//! is dropped as a future, gives it back to the channel, where it is the next to be received. What was to be sent stays in
//! its slot until a partner takes it, and comes back with the error otherwise. A `select` that has done one operation has
//! unlinked all others before it returns: a lost race leaves no trace.
//!
//! # Whose the memory is
//! A linked node is reached by others only under the lock of its channel, and its ticket only through it. A partner stores
//! the outcome as its last access; the waiter of one operation may then be gone. The waiter of several locks each channel
//! before it leaves, and waits out BUSY. Parkers are never freed, so a wake-up in (e) reaches at worst somebody else, without
//! cause.
//!
//! Values and wakers are user code: they are dropped, cloned and woken outside the locks.
//!
//! # Seeded faults
//! | fault                    | what it breaks                                      | caught by                                             |
//! |--------------------------|-----------------------------------------------------|-------------------------------------------------------|
//! | `channel_two_sections`   | 1 and 2 are not one section                         | `loom_a_rendezvous_hands_over`                        |
//! | `channel_settle_relaxed` | the waiter does not see what the partner wrote      | `loom_who_is_served_sees_what_was_given`              |
//! | `channel_no_wake`        | no e                                                | `loom_a_rendezvous_hands_over`                        |
//! | `channel_drop_value`     | a waiter that leaves keeps what it was given        | `loom_a_receive_that_is_dropped_loses_no_value`       |
//! | `channel_blind_claim`    | b without the compare-exchange                      | `loom_a_selection_happens_once`                       |
//! | `channel_no_retract`     | a `select` leaves a node behind                     | `a_selection_leaves_no_trace`                         |
//! | `channel_lock_singly`    | a `select` locks its channels one after the other   | `loom_two_selections_that_meet_do_not_both_wait`      |

mod future;
mod list;

use std::mem;
use std::time::Instant;

use crate::rt::park;
pub(crate) use crate::rt::wait::Until;
use crate::rt::wait::{self, ChannelUse, Ended, Interrupt};
use crate::rt::wake::{Wake, Wakes};
use crate::sys::fault::fault;
use crate::sys::spinlock::{SpinGuard, SpinLock};

pub(crate) use future::Waiting;
pub(crate) use list::{List, Node, Settled, Ticket};

/// Something to be done with a channel that may have to wait. The methods that get the state are called under its lock: they
/// must not drop values, and not call code of the user's.
pub(crate) trait Op {
    /// What the channel is.
    type State;
    /// What passes through a node.
    type Slot;
    /// How it ends.
    type Output;

    fn state(&self) -> &SpinLock<Self::State>;

    /// Step 1: does it, if it can be done without waiting. `slot` holds what is to be sent. If it cannot, and `waits`, the
    /// caller puts it into the list before it unlocks.
    fn attempt(
        &self,
        state: &mut Self::State,
        slot: &mut Option<Self::Slot>,
        waits: bool,
        wakes: &mut Wakes,
    ) -> Option<Self::Output>;

    /// Whether other threads have been met at the channel, so that one of them may be about to serve this operation.
    fn is_contended(&self) -> bool {
        false
    }

    /// What the hook of a local scheduler is told of it, if it is.
    fn event(&self, state: &Self::State) -> Option<ChannelUse> {
        let _ = state;
        None
    }

    /// Where it waits.
    fn list<'s>(&self, state: &'s mut Self::State) -> &'s mut List<Self::Slot>;

    /// It has been settled by a partner. `None`: it must be attempted again, as is so where nothing passes through the slot.
    fn settled(&self, how: Settled, slot: &mut Option<Self::Slot>) -> Option<Self::Output> {
        let _ = (how, slot);
        None
    }

    /// It was interrupted.
    fn interrupted(&self, why: Interrupt, slot: &mut Option<Self::Slot>) -> Self::Output;

    /// It was served, and the waiter left without looking. What remains in the slot is dropped, outside the lock.
    fn give_back(&self, state: &mut Self::State, slot: &mut Option<Self::Slot>, wakes: &mut Wakes) {
        let _ = (state, slot, wakes);
    }
}

/// Does the operation, waiting as long as allowed. `None`: it took too long; what was to be sent is in `slot`.
#[inline]
pub(crate) fn run<O: Op>(op: &O, slot: &mut Option<O::Slot>, until: Until) -> Option<O::Output> {
    park::check_stack();
    if wait::watches_channels()
        && let Err(why) = tell(op)
    {
        return Some(op.interrupted(why, slot));
    }
    match (
        attempt(op, slot, matches!(until, Until::Deadline(_))),
        until,
    ) {
        (Ok(output), _) => {
            park::switch_point();
            Some(output)
        }
        (Err(_), Until::Now) => None,
        (Err(state), Until::Deadline(deadline)) => block(op, state, slot, deadline),
    }
}

/// Step 1. `Err`: it cannot be done without waiting; the lock is still held.
#[inline(always)]
pub(crate) fn attempt<'a, O: Op>(
    op: &'a O,
    slot: &mut Option<O::Slot>,
    waits: bool,
) -> Result<O::Output, SpinGuard<'a, O::State>> {
    let mut wakes = Wakes::default();
    let mut state = op.state().lock();
    match op.attempt(&mut state, slot, waits, &mut wakes) {
        Some(output) => {
            drop(state);
            wakes.fire();
            Ok(output)
        }
        None => Err(state),
    }
}

/// Calls the hook of the local scheduler that the caller runs under, if there is one; refuses inside a hook.
#[cold]
fn tell<O: Op>(op: &O) -> Result<(), Interrupt> {
    let event = op.event(&op.state().lock());
    wait::channel_event(event)
}

/// The blocking wait, from step 2 on.
#[inline(never)]
fn block<'a, O: Op>(
    op: &'a O,
    mut state: SpinGuard<'a, O::State>,
    slot: &mut Option<O::Slot>,
    deadline: Option<Instant>,
) -> Option<O::Output> {
    let on_stack = park::on_stack().is_some();
    if !on_stack || op.is_contended() && wait::look_pays() {
        drop(state);
        let found = spin(op, slot, on_stack);
        if on_stack {
            wait::looked(found.is_some());
        }
        if found.is_some() {
            return found;
        }
        state = match attempt(op, slot, true) {
            Ok(output) => return Some(output),
            Err(state) => state,
        };
    }
    loop {
        match block_once(op, state, slot, deadline) {
            Ok(Some(output)) => return Some(output),
            Ok(None) => {}
            Err(Ended::TimedOut) => return None,
            Err(Ended::Interrupted(why)) => return Some(op.interrupted(why, slot)),
        }
        state = match attempt(op, slot, true) {
            Ok(output) => return Some(output),
            Err(state) => state,
        };
    }
}

/// Steps 2 to 5. `None`: it must be attempted again.
#[inline(always)]
fn block_once<O: Op>(
    op: &O,
    mut state: SpinGuard<'_, O::State>,
    slot: &mut Option<O::Slot>,
    deadline: Option<Instant>,
) -> Result<Option<O::Output>, Ended> {
    let ticket = Ticket::new(true, Wake::Parker(park::current()));
    let node = Node::new(slot.take());
    // SAFETY: both lie in this frame, which is not left before `enlisted` has seen the ticket settled, or has unlinked the
    // node.
    unsafe { op.list(&mut state).push(&node, &ticket, 0) };
    drop(state);
    let enlisted = Enlisted {
        op,
        node: &node,
        ticket: &ticket,
    };
    let settled = loop {
        if let Some((how, _)) = ticket.settled() {
            mem::forget(enlisted);
            break Ok(how);
        }
        if let Err(ended) = wait::wait(deadline) {
            match (enlisted.retract(), ended) {
                (None, ended) => break Err(ended),
                (Some(how), Ended::TimedOut) => break Ok(how),
                (Some(how), Ended::Interrupted(why)) => {
                    wait::postpone(why);
                    break Ok(how);
                }
            }
        }
    };
    // SAFETY: settled or unlinked, and ours.
    *slot = unsafe { node.take() };
    settled.map(|how| op.settled(how, slot))
}

/// Who would wait looks a few times first: to be woken by another thread costs that one up to microseconds.
#[cold]
fn spin<O: Op>(op: &O, slot: &mut Option<O::Slot>, on_stack: bool) -> Option<O::Output> {
    // Long pauses: whoever fills the channel has time to put in more than one, and is not disturbed meanwhile.
    const PAUSE: u32 = 32;
    let (rounds, yields) = if on_stack { (1, 0) } else { (3, 4) };
    for round in 0..rounds + yields {
        if round < rounds {
            (0..PAUSE << round).for_each(|_| std::hint::spin_loop());
        } else {
            std::thread::yield_now();
        }
        if let Ok(output) = attempt(op, slot, false) {
            return Some(output);
        }
    }
    None
}

/// A node with a sole ticket that is in a list; takes it out if the wait ends by unwinding, or its future is dropped.
struct Enlisted<'a, O: Op> {
    op: &'a O,
    node: &'a Node<O::Slot>,
    ticket: &'a Ticket,
}

impl<O: Op> Enlisted<'_, O> {
    /// Step 5. How it was settled, if it was meanwhile.
    fn retract(self) -> Option<Settled> {
        let this = mem::ManuallyDrop::new(self);
        let mut state = this.op.state().lock();
        if let Some((how, _)) = this.ticket.settled() {
            return Some(how);
        }
        // SAFETY: it is in this list, or in none.
        unsafe { this.op.list(&mut state).unlink(this.node) };
        None
    }
}

impl<O: Op> Enlisted<'_, O> {
    /// Step 5, by someone who does not take what it was served. What was to be handed over, if it has not been.
    fn leave(self) -> Option<O::Slot> {
        let this = mem::ManuallyDrop::new(self);
        this.unlink()
    }

    fn unlink(&self) -> Option<O::Slot> {
        let mut wakes = Wakes::default();
        let mut state = self.op.state().lock();
        // SAFETY: it is in this list, or in none.
        let linked = unsafe { self.op.list(&mut state).unlink(self.node) };
        // SAFETY: settled or unlinked, and ours.
        let mut slot = unsafe { self.node.take() };
        if !linked && !fault!("channel_drop_value") {
            self.op.give_back(&mut state, &mut slot, &mut wakes);
        }
        drop(state);
        wakes.fire();
        slot
    }
}

impl<O: Op> Drop for Enlisted<'_, O> {
    fn drop(&mut self) {
        drop(self.unlink());
    }
}
