//! Tickets, nodes and the lists they wait in: everything that is reached through a pointer. The steps are those of the [parent module](super).

use std::fmt;
use std::marker::PhantomPinned;
use std::mem;
use std::ptr;

use crate::rt::wake::{Wake, Wakes};
use crate::sys::atomic::{AtomicUsize, Backoff, Ordering, UnsafeCell};
use crate::sys::fault::fault;

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

/// How one wait stands. See the [parent module](super).
pub(crate) struct Ticket {
    state: AtomicUsize,
    /// Taken by the one partner that settles the ticket; while it waits for one operation, guarded by that channel's lock.
    pub(super) wake: UnsafeCell<Wake>,
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

/// One operation of a wait. See the [parent module](super).
pub(crate) struct Node<S> {
    /// Guarded by the channel's lock while linked.
    links: UnsafeCell<Links<S>>,
    /// The owner's before it is linked and after it is settled or unlinked; in between guarded by the channel's lock.
    slot: UnsafeCell<Option<S>>,
    _pinned: PhantomPinned,
}

// SAFETY: its pointers are followed under the lock of its channel only; what is in the slot may be sent.
unsafe impl<S: Send> Send for Node<S> {}

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
    pub(super) unsafe fn take(&self) -> Option<S> {
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
