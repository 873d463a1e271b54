//! The wait list: senders waiting for room in a bounded mailbox.
//!
//! A waiting sender's node, message included, lies in the sender's own stack frame; the mailbox holds one pointer to the first
//! node of a circular doubly linked list. Nothing is allocated, a node is unlinked in constant time, and a sender that stops
//! waiting (deadline, kill) leaves no trace.
//!
//! Everything but `state` is guarded by the mailbox's lock while the node is linked. Whoever unlinks a node on the sender's
//! behalf first moves the message or leaves it, then copies the parker out, and as the very last access stores the outcome
//! in `state`: from then on the sender may return and the node's memory be reused. The parker itself is never freed.

use std::mem::MaybeUninit;
use std::ptr;

use super::seam::atomic::{AtomicU32, Ordering, UnsafeCell};
use super::seam::fault;
use super::seam::park::Parker;
use crate::rt::edge::Wait;

/// What has become of a waiting sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Still in the list; the node holds the message.
    Waiting,
    /// The message is in the mailbox.
    Admitted,
    /// The mailbox is closed; the node holds the message.
    Closed,
}

pub(super) struct Waiter<M> {
    links: UnsafeCell<Links<M>>,
    message: UnsafeCell<MaybeUninit<M>>,
    parker: &'static Parker,
    /// The wait that others have been told of, if they have.
    wait: UnsafeCell<Option<Wait>>,
    state: AtomicU32,
}

struct Links<M> {
    prev: *const Waiter<M>,
    next: *const Waiter<M>,
}

impl<M> Waiter<M> {
    pub(super) fn new(message: M, parker: &'static Parker) -> Self {
        Waiter {
            links: UnsafeCell::new(Links {
                prev: ptr::null(),
                next: ptr::null(),
            }),
            message: UnsafeCell::new(MaybeUninit::new(message)),
            parker,
            wait: UnsafeCell::new(None),
            state: AtomicU32::new(Outcome::Waiting as u32),
        }
    }

    #[inline]
    pub(super) fn outcome(&self) -> Outcome {
        // Acquire: pairs with `settle`; what the settling party did to the node happened before we reuse its memory.
        match self.state.load(Ordering::Acquire) {
            0 => Outcome::Waiting,
            1 => Outcome::Admitted,
            _ => Outcome::Closed,
        }
    }

    /// Others have been told of the wait.
    ///
    /// # Safety
    /// The caller holds the lock.
    pub(super) unsafe fn set_wait(&self, wait: Wait) {
        // SAFETY: the lock guards it.
        self.wait.with_mut(|it| unsafe { *it = Some(wait) });
    }

    /// The wait is over, for others as well. (edge: E3)
    ///
    /// # Safety
    /// The caller holds the lock, and the node has not been settled.
    pub(super) unsafe fn end_wait(&self) {
        // SAFETY: the lock guards it.
        if let Some(wait) = self.wait.with(|it| unsafe { *it }) {
            self.parker.edge().end(wait);
        }
    }

    /// Moves the message out.
    ///
    /// # Safety
    /// The node holds the message and nobody else accesses it: the caller holds the lock, or the node is in no list and
    /// its outcome is not `Admitted`. At most once.
    pub(super) unsafe fn take_message(&self) -> M {
        // SAFETY: the caller's.
        self.message
            .with_mut(|message| unsafe { (*message).assume_init_read() })
    }
}

/// The list head, as the mailbox holds it.
pub(super) struct WaitList<M>(UnsafeCell<*const Waiter<M>>);

/// Every method requires the mailbox's lock, and that all linked nodes are alive.
impl<M> WaitList<M> {
    pub(super) fn new() -> Self {
        WaitList(UnsafeCell::new(ptr::null()))
    }

    /// # Safety
    /// See the block's comment.
    pub(super) unsafe fn first(&self) -> *const Waiter<M> {
        // SAFETY: the caller holds the lock, which guards the head.
        self.0.with(|head| unsafe { *head })
    }

    /// # Safety
    /// See the block's comment; `node` is in no list and stays where it is, alive, until it is unlinked.
    pub(super) unsafe fn push_back(&self, node: *const Waiter<M>) {
        // SAFETY: the lock guards the head and all links; linked nodes are alive.
        unsafe {
            let first = self.first();
            if first.is_null() {
                (*node).links.with_mut(|l| {
                    *l = Links {
                        prev: node,
                        next: node,
                    }
                });
                self.0.with_mut(|head| *head = node);
            } else {
                let last = (*first).links.with(|l| (*l).prev);
                (*node).links.with_mut(|l| {
                    *l = Links {
                        prev: last,
                        next: first,
                    }
                });
                (*last).links.with_mut(|l| (*l).next = node);
                (*first).links.with_mut(|l| (*l).prev = node);
            }
        }
    }

    /// Takes `node` out of the list; `true` if the list is empty now.
    ///
    /// # Safety
    /// See the block's comment; `node` is in this list.
    pub(super) unsafe fn unlink(&self, node: *const Waiter<M>) -> bool {
        // SAFETY: as in `push_back`.
        unsafe {
            let (prev, next) = (*node).links.with(|l| ((*l).prev, (*l).next));
            if ptr::eq(next, node) {
                self.0.with_mut(|head| *head = ptr::null());
                return true;
            }
            (*prev).links.with_mut(|l| (*l).next = next);
            (*next).links.with_mut(|l| (*l).prev = prev);
            self.0.with_mut(|head| {
                if ptr::eq(*head, node) {
                    *head = next;
                }
            });
            false
        }
    }
}

/// Tells an unlinked node's sender what has become of it, and returns the parker to unpark once the lock is released.
///
/// # Safety
/// `node` was unlinked by the caller, who has held the lock since, and is not accessed afterwards.
#[must_use]
pub(super) unsafe fn settle<M>(node: *const Waiter<M>, outcome: Outcome) -> &'static Parker {
    // SAFETY: the node is alive: its sender leaves only after it has seen the store below, or under the lock. The parker is
    // copied first, because that store ends the node's life.
    unsafe {
        if !fault!("mailbox_keep_wait") {
            (*node).end_wait();
        }
        let parker = (*node).parker;
        (*node).state.store(outcome as u32, Ordering::Release);
        parker
    }
}
