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

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::mem;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::rt::park;
use crate::rt::wait::{self, ChannelUse, Ended, Interrupt, Next};
use crate::rt::wake::{Wake, Wakes};
use crate::sys::atomic::{AtomicUsize, Backoff, Ordering, UnsafeCell};
use crate::sys::fault::fault;
use crate::sys::spinlock::{SpinGuard, SpinLock};

const WAITING: usize = 0;
const BUSY: usize = 1;
const LEFT: usize = 2;
const SERVED: usize = 3;
const ENDED: usize = 4;
/// The number of the case stands above the state.
const STATE_BITS: u32 = 3;

/// How a wait was settled by somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// The operation has been done, or is worth another look.
    Served,
    /// The other side is gone.
    Ended,
}

/// How one wait stands. See the [module](self).
pub(crate) struct Ticket {
    state: AtomicUsize,
    /// Taken by the one partner that settles the ticket; while it waits for one operation, guarded by that channel's lock.
    wake: UnsafeCell<Wake>,
    /// It waits for one operation only.
    sole: bool,
}

impl Ticket {
    #[inline]
    pub(crate) fn new(sole: bool, wake: Wake) -> Self {
        Ticket {
            state: AtomicUsize::new(WAITING),
            wake: UnsafeCell::new(wake),
            sole,
        }
    }

    /// Step 3: how it was settled, and which case.
    #[inline]
    pub(crate) fn settled(&self) -> Option<(Settled, usize)> {
        let order = match fault!("channel_settle_relaxed") {
            true => Ordering::Relaxed,
            false => Ordering::Acquire,
        };
        Self::read(self.state.load(order))
    }

    #[inline]
    fn read(word: usize) -> Option<(Settled, usize)> {
        let how = match word & ((1 << STATE_BITS) - 1) {
            SERVED => Settled::Served,
            ENDED => Settled::Ended,
            _ => return None,
        };
        Some((how, word >> STATE_BITS))
    }

    /// Step 5 of a `select`: leaves, or says how it has been settled.
    pub(crate) fn leave(&self) -> Option<(Settled, usize)> {
        let mut backoff = Backoff::new();
        loop {
            let left =
                self.state
                    .compare_exchange(WAITING, LEFT, Ordering::Acquire, Ordering::Acquire);
            let settled = Self::read(left.err()?);
            if settled.is_some() {
                return settled;
            }
            backoff.wait(); // BUSY: the partner is inside its section
        }
    }

    /// Step b.
    #[inline]
    fn claim(&self) -> bool {
        if self.sole {
            return true;
        }
        if fault!("channel_blind_claim") {
            let waiting = self.state.load(Ordering::Acquire) == WAITING;
            self.state.store(BUSY, Ordering::Relaxed);
            return waiting;
        }
        self.state
            .compare_exchange(WAITING, BUSY, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }
}

struct Links<S> {
    prev: *const Node<S>,
    next: *const Node<S>,
    ticket: *const Ticket,
    case: usize,
    linked: bool,
}

/// One operation of a wait. See the [module](self).
pub(crate) struct Node<S> {
    /// Guarded by the channel's lock while linked.
    links: UnsafeCell<Links<S>>,
    /// The owner's before it is linked and after it is settled or unlinked; in between guarded by the channel's lock.
    slot: UnsafeCell<Option<S>>,
    _pinned: PhantomPinned,
}

impl<S> Node<S> {
    #[inline]
    pub(crate) fn new(slot: Option<S>) -> Self {
        Node {
            links: UnsafeCell::new(Links {
                prev: ptr::null(),
                next: ptr::null(),
                ticket: ptr::null(),
                case: 0,
                linked: false,
            }),
            slot: UnsafeCell::new(slot),
            _pinned: PhantomPinned,
        }
    }

    /// What is in the slot.
    #[inline]
    pub(crate) fn slot_mut(&mut self) -> &mut Option<S> {
        // SAFETY: `&mut`: a node that is linked, or about to be settled, is borrowed by its wait.
        self.slot.with_mut(|slot| unsafe { &mut *slot })
    }

    /// # Safety
    /// The node is settled or unlinked, and the caller is its owner.
    #[inline]
    unsafe fn take(&self) -> Option<S> {
        // SAFETY: by the contract nobody else reaches it.
        self.slot.with_mut(|slot| unsafe { (*slot).take() })
    }

    /// # Safety
    /// The lock of its channel is held, or it has never been linked.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "the lock makes it exclusive")]
    unsafe fn links(&self) -> &mut Links<S> {
        // SAFETY: by the contract the caller alone reaches them; each use here is over before the next.
        self.links.with_mut(|links| unsafe { &mut *links })
    }
}

impl<S> fmt::Debug for Node<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").finish_non_exhaustive()
    }
}

/// The waiters of one operation of a channel, first come, first served. Lies in the state, so `&mut` means that the lock is
/// held.
pub(crate) struct List<S> {
    first: *const Node<S>,
    last: *const Node<S>,
    len: usize,
}

// SAFETY: a linked node is reached through its list alone, under the lock the list lies behind; what it holds that is not
// its owner's own (the slot's value, the waker) may be sent.
unsafe impl<S: Send> Send for List<S> {}

impl<S> Default for List<S> {
    fn default() -> Self {
        List {
            first: ptr::null(),
            last: ptr::null(),
            len: 0,
        }
    }
}

impl<S> List<S> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// Step 2.
    ///
    /// # Safety
    /// The node is in no list. It and the ticket stay where they are, alive, until the ticket is settled (if it is a sole
    /// one) or the node has been [unlinked](Self::unlink) under this list's lock.
    #[inline]
    pub(crate) unsafe fn push(&mut self, node: &Node<S>, ticket: &Ticket, case: usize) {
        // SAFETY: the node is not linked yet.
        let links = unsafe { node.links() };
        *links = Links {
            prev: self.last,
            next: ptr::null(),
            ticket,
            case,
            linked: true,
        };
        if self.last.is_null() {
            self.first = node;
        } else {
            // SAFETY: the last node is linked, hence alive, and the lock is held.
            unsafe { (*self.last).links().next = node };
        }
        self.last = node;
        self.len += 1;
    }

    /// Step 5: takes `node` out, if it is still in. Whether it was.
    ///
    /// # Safety
    /// `node` is in no other list.
    #[inline]
    pub(crate) unsafe fn unlink(&mut self, node: &Node<S>) -> bool {
        // SAFETY: the lock is held.
        let links = unsafe { node.links() };
        if !mem::take(&mut links.linked) {
            return false;
        }
        let (prev, next) = (links.prev, links.next);
        if prev.is_null() {
            self.first = next;
        } else {
            // SAFETY: linked nodes are alive while the lock is held.
            unsafe { (*prev).links().next = next };
        }
        if next.is_null() {
            self.last = prev;
        } else {
            // SAFETY: as above.
            unsafe { (*next).links().prev = prev };
        }
        self.len -= 1;
        true
    }

    /// Steps b to d for the first that still waits: `f` does the operation with its slot.
    #[inline]
    pub(crate) fn serve<R>(
        &mut self,
        wakes: &mut Wakes,
        f: impl FnOnce(&mut Option<S>) -> R,
    ) -> Option<R> {
        let node = self.claim_first()?;
        // SAFETY: this call has claimed it: nobody else reaches the slot before the ticket is settled.
        let result = node.slot.with_mut(|slot| f(unsafe { &mut *slot }));
        // SAFETY: the node was claimed by this call.
        unsafe { Self::settle(node, SERVED, wakes) };
        Some(result)
    }

    /// Settles everybody: the other side is gone.
    pub(crate) fn end_all(&mut self, wakes: &mut Wakes) {
        while let Some(node) = self.claim_first() {
            // SAFETY: the node was claimed by this call.
            unsafe { Self::settle(node, ENDED, wakes) };
        }
    }

    /// Step b. The reference is good until the node is settled.
    #[inline]
    fn claim_first<'n>(&mut self) -> Option<&'n Node<S>> {
        loop {
            // SAFETY: linked nodes are alive while the lock is held; a claimed one until it is settled.
            let node: &'n Node<S> = unsafe { self.first.as_ref() }?;
            // SAFETY: it is in this list.
            unsafe { self.unlink(node) };
            // SAFETY: the lock is held, and the ticket lives as long as the node is in its list.
            if unsafe { &*node.links().ticket }.claim() {
                return Some(node);
            }
        }
    }

    /// Step d.
    ///
    /// # Safety
    /// The caller has claimed the node.
    #[inline]
    unsafe fn settle(node: &Node<S>, state: usize, wakes: &mut Wakes) {
        // SAFETY: the lock is held, and a claimed node and its ticket live until the store below.
        let (ticket, case) = unsafe {
            let links = node.links();
            (&*links.ticket, links.case)
        };
        // SAFETY: the claim makes the waker this call's.
        let wake = ticket
            .wake
            .with_mut(|wake| unsafe { mem::replace(&mut *wake, Wake::Nobody) });
        if !fault!("channel_no_wake") {
            wakes.push(wake);
        }
        let order = match fault!("channel_settle_relaxed") {
            true => Ordering::Relaxed,
            false => Ordering::Release,
        };
        // The last access: the waiter may be gone as soon as this is seen.
        ticket.state.store(state | case << STATE_BITS, order);
    }
}

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

    /// It has been settled by a partner. `None`: it must be attempted again.
    fn settled(&self, how: Settled, slot: &mut Option<Self::Slot>) -> Option<Self::Output>;

    /// It was interrupted.
    fn interrupted(&self, why: Interrupt, slot: &mut Option<Self::Slot>) -> Self::Output;

    /// It was served, and the waiter left without looking. What remains in the slot is dropped, outside the lock.
    fn give_back(&self, state: &mut Self::State, slot: &mut Option<Self::Slot>, wakes: &mut Wakes);
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// Not at all.
    Now,
    /// As long as it takes, or to a deadline.
    Deadline(Option<Instant>),
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
    let mut wakes = Wakes::default();
    let mut state = op.state().lock();
    let waits = matches!(until, Until::Deadline(_));
    if let Some(output) = op.attempt(&mut state, slot, waits, &mut wakes) {
        drop(state);
        wakes.fire();
        park::switch_point();
        return Some(output);
    }
    match until {
        Until::Now => None,
        Until::Deadline(deadline) => block(op, state, slot, deadline),
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
    if op.is_contended() || park::on_stack().is_none() {
        drop(state);
        if let Some(output) = spin(op, slot) {
            return Some(output);
        }
        state = op.state().lock();
        let mut wakes = Wakes::default();
        if let Some(output) = op.attempt(&mut state, slot, true, &mut wakes) {
            drop(state);
            wakes.fire();
            return Some(output);
        }
    }
    loop {
        match block_once(op, state, slot, deadline) {
            Ok(Some(output)) => return Some(output),
            Ok(None) => {}
            Err(Ended::TimedOut) => return None,
            Err(Ended::Interrupted(why)) => return Some(op.interrupted(why, slot)),
        }
        state = op.state().lock();
        let mut wakes = Wakes::default();
        if let Some(output) = op.attempt(&mut state, slot, true, &mut wakes) {
            drop(state);
            wakes.fire();
            return Some(output);
        }
    }
}

/// Steps 2 to 5. `None`: it must be attempted again.
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
fn spin<O: Op>(op: &O, slot: &mut Option<O::Slot>) -> Option<O::Output> {
    // Long pauses: whoever fills the channel has time to put in more than one, and is not disturbed meanwhile.
    const PAUSE: u32 = 32;
    let (rounds, yields) = match park::on_stack() {
        Some(_) => (1, 0),
        None => (3, 4),
    };
    for round in 0..rounds + yields {
        if round < rounds {
            (0..PAUSE << round).for_each(|_| std::hint::spin_loop());
        } else {
            std::thread::yield_now();
        }
        let mut wakes = Wakes::default();
        let mut state = op.state().lock();
        let output = op.attempt(&mut state, slot, false, &mut wakes);
        drop(state);
        wakes.fire();
        if output.is_some() {
            return output;
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

impl<O: Op> Drop for Enlisted<'_, O> {
    fn drop(&mut self) {
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
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Queued,
    Done,
}

/// The operation as a future.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Waiting<O: Op> {
    op: O,
    ticket: Ticket,
    node: Node<O::Slot>,
    stage: Cell<Stage>,
}

// SAFETY: the pointers in a node are followed under the lock of its channel only; the ticket and the slot are the future's,
// and what they hold may be sent.
unsafe impl<O: Op + Send> Send for Waiting<O> where O::Slot: Send {}

impl<O: Op> Waiting<O> {
    pub(crate) fn new(op: O, slot: Option<O::Slot>) -> Self {
        Waiting {
            op,
            ticket: Ticket::new(true, Wake::Nobody),
            node: Node::new(slot),
            stage: Cell::new(Stage::New),
        }
    }
}

impl<O: Op> Future for Waiting<O> {
    type Output = O::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O::Output> {
        // SAFETY: nothing is moved out of the pinned future.
        let this = unsafe { self.get_unchecked_mut() };
        assert!(this.stage.get() != Stage::Done, "polled after its end");
        let mut wakes = Wakes::default();
        let mut new = Wake::Task(context.waker().clone());
        loop {
            let mut state = this.op.state().lock();
            if this.stage.get() == Stage::Queued {
                let Some((how, _)) = this.ticket.settled() else {
                    // SAFETY: not settled, and the lock is held: nobody else reaches it.
                    this.ticket
                        .wake
                        .with_mut(|wake| mem::swap(unsafe { &mut *wake }, &mut new));
                    drop(state);
                    return Poll::Pending; // drops the old waker, outside the lock
                };
                drop(state);
                this.stage.set(Stage::New);
                this.ticket = Ticket::new(true, Wake::Nobody);
                if let Some(output) = this.op.settled(how, this.node.slot_mut()) {
                    this.stage.set(Stage::Done);
                    return Poll::Ready(output);
                }
                continue;
            }
            if let Some(output) =
                this.op
                    .attempt(&mut state, this.node.slot_mut(), true, &mut wakes)
            {
                drop(state);
                this.stage.set(Stage::Done);
                // Whoever polls may be in the middle of something that is bound to the thread: no switch to the partner.
                wakes.go_on_with(Next::Caller);
                wakes.fire();
                return Poll::Ready(output);
            }
            if fault!("channel_two_sections") {
                drop(state);
                state = this.op.state().lock();
            }
            this.ticket = Ticket::new(true, mem::replace(&mut new, Wake::Nobody));
            // SAFETY: the future is pinned, and its drop sees the ticket settled or unlinks the node.
            unsafe { this.op.list(&mut state).push(&this.node, &this.ticket, 0) };
            this.stage.set(Stage::Queued);
            return Poll::Pending;
        }
    }
}

impl<O: Op> Drop for Waiting<O> {
    fn drop(&mut self) {
        if self.stage.get() == Stage::Queued {
            drop(Enlisted {
                op: &self.op,
                node: &self.node,
                ticket: &self.ticket,
            });
        }
    }
}

impl<O: Op> fmt::Debug for Waiting<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("stage", &self.stage.get())
            .finish_non_exhaustive()
    }
}
