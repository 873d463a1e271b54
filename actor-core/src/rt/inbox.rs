//! Wake-ups from other threads into a worker: many push, the owner takes all.
//!
//! A stack of nodes linked through themselves (Treiber's), so that waking allocates nothing. A node is
//! `&'static`: it lies in type-stable memory that is never freed, such as a parker.
//!
//! ```text
//!   push:      read head; node.link = head; compare-exchange head -> node (release), again if it failed
//!   take_all:  swap head with null (acquire), turn the chain round: first in, first out
//!   is_empty:  a plain load
//! ```
//!
//! **Nothing is lost.** A node is in the chain once its compare-exchange has succeeded, and each chain is
//! swapped out exactly once, whole. **What a pusher wrote before is seen:** the pushes onto one chain are
//! read-modify-writes of one word, so the last is in the release sequence of each earlier one, and the swap
//! synchronises with them all. **No ABA:** a pusher whose head was swapped out and pushed again in the
//! meantime succeeds rightly, as all it says is "what is head now comes after me".
//!
//! **Sleeping.** Whether the owner must be woken is not decided here. A pusher pushes, fences and then looks
//! whether the owner sleeps; an owner says that it sleeps, fences and then asks [`Inbox::is_empty`] once more.
//! `push` tells whether the inbox was empty, so that a second pusher need not look.
//!
//! # Seeded faults
//!
//! | fault                | what it breaks                    | caught by                                  |
//! |----------------------|-----------------------------------|--------------------------------------------|
//! | `inbox_relaxed_push` | the push does not release         | `loom_what_was_written_before_a_push_is_seen` |
//! | `inbox_relaxed_take` | the swap does not acquire         | `loom_what_was_written_before_a_push_is_seen` |
//! | `inbox_blind_push`   | store in place of compare-exchange | `loom_no_push_is_lost`                    |
//! | `inbox_lifo`         | the chain is not turned round     | `taken_in_the_order_of_pushing`            |

use crate::sys::atomic::{AtomicPtr, Ordering};
use crate::sys::fault::fault;
use std::fmt;
use std::marker::PhantomData;
use std::ptr;

/// A node with room for a link.
pub(crate) trait Linked: Sync + Sized + 'static {
    /// The link. It belongs to the inbox from `push` until the node comes out of [`Inbox::take_all`], and must be the
    /// same word each time. Nothing else may write it in between.
    fn link(&self) -> &AtomicPtr<Self>;
}

/// Wake-ups for one owner.
pub(crate) struct Inbox<T: Linked> {
    head: AtomicPtr<T>,
    _nodes: PhantomData<&'static T>,
}

impl<T: Linked> fmt::Debug for Inbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("is_empty", &self.is_empty())
            .finish()
    }
}

impl<T: Linked> Default for Inbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Linked> Inbox<T> {
    pub(crate) fn new() -> Self {
        Self {
            head: AtomicPtr::new(ptr::null_mut()),
            _nodes: PhantomData,
        }
    }

    /// Adds a node, which must be in no inbox, this one included; a flag in the node sees to that. Says whether
    /// the inbox was empty. (A node pushed twice makes a ring of the chain: a hang, though no invalid access.)
    #[inline]
    pub(crate) fn push(&self, node: &'static T) -> bool {
        let order = match fault!("inbox_relaxed_push") {
            true => Ordering::Relaxed,
            false => Ordering::Release,
        };
        let new = ptr::from_ref(node).cast_mut();
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            node.link().store(head, Ordering::Relaxed);
            if fault!("inbox_blind_push") {
                self.head.store(new, order);
                return head.is_null();
            }
            match self
                .head
                .compare_exchange_weak(head, new, order, Ordering::Relaxed)
            {
                Ok(_) => return head.is_null(),
                Err(now) => head = now,
            }
        }
    }

    /// Whether nothing waits: a plain load.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed).is_null()
    }

    /// Takes all that waits, in the order in which it was pushed. For the owner; a second taker is harmless, but
    /// each then has a part. A node may be pushed again as soon as the iterator has returned it.
    #[inline]
    pub(crate) fn take_all(&self) -> Taken<T> {
        let order = match fault!("inbox_relaxed_take") {
            true => Ordering::Relaxed,
            false => Ordering::Acquire,
        };
        if self.is_empty() {
            return Taken { first: None };
        }
        let mut rest = as_node(self.head.swap(ptr::null_mut(), order));
        if fault!("inbox_lifo") {
            return Taken { first: rest };
        }
        let mut first: Option<&'static T> = None;
        while let Some(node) = rest {
            rest = as_node(node.link().load(Ordering::Relaxed));
            let after = first.map_or(ptr::null_mut(), |n| ptr::from_ref(n).cast_mut());
            node.link().store(after, Ordering::Relaxed);
            first = Some(node);
        }
        Taken { first }
    }
}

#[inline]
fn as_node<T: Linked>(node: *mut T) -> Option<&'static T> {
    // SAFETY: null, or made by `push` from a `&'static T`; links are written by the inbox alone ([`Linked`]).
    unsafe { node.as_ref() }
}

/// What [`Inbox::take_all`] took. It is in no inbox any more: a node not drawn from here has lost its wake-up.
#[must_use = "what was taken and is not looked at is lost"]
pub(crate) struct Taken<T: Linked> {
    first: Option<&'static T>,
}

impl<T: Linked> fmt::Debug for Taken<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taken")
            .field("is_empty", &self.first.is_none())
            .finish()
    }
}

impl<T: Linked> Iterator for Taken<T> {
    type Item = &'static T;

    #[inline]
    fn next(&mut self) -> Option<&'static T> {
        let node = self.first?;
        // Read before the node is handed out: from then on its link is the next pusher's.
        self.first = as_node(node.link().load(Ordering::Relaxed));
        Some(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::atomic::UnsafeCell;

    struct Node {
        link: AtomicPtr<Node>,
        value: UnsafeCell<usize>,
    }

    // SAFETY: `value` is written by the pusher before `push` and read after `take_all`.
    unsafe impl Sync for Node {}

    impl Linked for Node {
        fn link(&self) -> &AtomicPtr<Node> {
            &self.link
        }
    }

    impl Node {
        fn leak(value: usize) -> &'static Node {
            let link = AtomicPtr::new(ptr::null_mut());
            Box::leak(Box::new(Node {
                link,
                value: UnsafeCell::new(value),
            }))
        }
        fn read(&self) -> usize {
            // SAFETY: read by the taker, after the writer has pushed.
            self.value.with(|v| unsafe { *v })
        }
        #[cfg(loom)]
        fn write(&self, value: usize) {
            // SAFETY: written by whoever holds the node, before it is pushed.
            self.value.with_mut(|v| unsafe { *v = value });
        }
    }

    #[cfg(not(loom))]
    #[test]
    fn taken_in_the_order_of_pushing() {
        let inbox = Inbox::new();
        let nodes: Vec<_> = (0..5).map(Node::leak).collect();
        assert!(inbox.is_empty());
        let firsts: Vec<_> = nodes.iter().map(|&n| inbox.push(n)).collect();
        assert_eq!(firsts, [true, false, false, false, false]);
        // Pushed again while the rest is still being drawn.
        let values: Vec<_> = inbox
            .take_all()
            .map(|n| {
                let value = n.read();
                inbox.push(n);
                value
            })
            .collect();
        assert_eq!(values, [0, 1, 2, 3, 4]);
        assert_eq!(
            inbox.take_all().map(Node::read).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4]
        );
        assert!(inbox.is_empty() && inbox.take_all().next().is_none());
    }

    #[cfg(not(loom))]
    #[test]
    fn two_pushers_keep_their_own_order_and_lose_nothing() {
        const EACH: usize = if cfg!(miri) { 100 } else { 100_000 };
        let inbox = Inbox::new();
        std::thread::scope(|s| {
            for pusher in 0..2 {
                let inbox = &inbox;
                s.spawn(move || {
                    for n in 0..EACH {
                        inbox.push(Node::leak(n * 2 + pusher));
                    }
                });
            }
            let mut next = [0, 1];
            while next.iter().sum::<usize>() < EACH * 4 + 1 {
                for node in inbox.take_all() {
                    let value = node.read();
                    assert_eq!(value, next[value % 2]);
                    next[value % 2] += 2;
                }
                std::thread::yield_now();
            }
        });
    }

    #[cfg(loom)]
    #[test]
    fn loom_what_was_written_before_a_push_is_seen() {
        loom::model(|| {
            let inbox = loom::sync::Arc::new(Inbox::new());
            let push = |value: usize| {
                let inbox = inbox.clone();
                loom::thread::spawn(move || {
                    let node = Node::leak(0);
                    node.write(value);
                    inbox.push(node);
                })
            };
            let pushers = [push(1), push(2)];
            // Before joining, which would make everything visible by itself.
            let mut seen = Vec::new();
            while seen.len() < 2 {
                seen.extend(inbox.take_all().map(Node::read));
                loom::thread::yield_now();
            }
            for pusher in pushers {
                pusher.join().unwrap();
            }
            seen.sort_unstable();
            assert_eq!(seen, [1, 2]);
        });
    }

    #[cfg(loom)]
    #[test]
    fn loom_no_push_is_lost() {
        loom::model(|| {
            let inbox = loom::sync::Arc::new(Inbox::new());
            let other = {
                let inbox = inbox.clone();
                loom::thread::spawn(move || inbox.push(Node::leak(1)))
            };
            let first = inbox.push(Node::leak(2));
            let other_first = other.join().unwrap();
            assert!(first ^ other_first, "exactly one found it empty");
            assert_eq!(inbox.take_all().count(), 2);
        });
    }
}
