//! The wait queue that every lock of this module is built on.
//!
//! # Terms
//! - *word*: the atomic of one lock (each file says what is in it). It has a bit QUEUED.
//! - *queue*: the waiters of one lock, first come first, behind a small spin lock, *the lock of the queue*.
//! - *node*: one waiter. It lies in the waiter's own frame, or in its future; nothing is allocated.
//! - *outcome*: what has become of a waiter. *Settled*: it is in the queue no more and knows the end of its wait.
//!
//! # The protocol
//! ```text
//!   the waiter                                          whoever releases
//!   1  try the word; if that does, done                 a  change the word; if QUEUED is clear, done
//!   2  lock the queue                                   b  lock the queue
//!   3  try the word again and, in the same atomic       c  for each waiter at the front that can be served:
//!      step, set QUEUED if that fails; then push           change the word in its name, unlink it,
//!   4  unlock, park                                        copy its waker, store the outcome
//!   5  look at the outcome: settled → done; else 4      d  clear QUEUED if the queue has become empty
//!   6  to leave early (deadline, kill, dropped          e  unlock, then wake
//!      future): lock the queue; settled → it was
//!      served: take it, or pass it on; else unlink,
//!      and do c and d for those behind
//! ```
//! QUEUED changes only under the lock of the queue, and is set, while that lock is free, exactly if somebody waits.
//!
//! # Why nobody waits for ever
//! Steps 3 and a are read-modify-writes of one word. If a comes first, 3 finds what was released and does not wait. If 3
//! comes first, a finds QUEUED, and b waits for the lock that the waiter holds until it has pushed its node: c sees it.
//! A waiter that leaves while another's turn depends on it (a writer at the front with readers behind it) does c itself.
//!
//! # Why nothing is lost
//! A waiter is served and settled in one section of the lock, and leaves in another: either it leaves first, and is not
//! served, or it finds that it was, and keeps what it got or gives it to the next. A success is never thrown away.
//!
//! # Whose the memory is
//! A linked node is reached by others only under the lock. Whoever settles it copies the waker out first and stores the
//! outcome as the very last access: the waiter may return as soon as it sees that store. A waiter that has not seen it
//! leaves only through the lock, after which nobody knows the node. Parkers are never freed, so the wake-up that comes
//! after (e) reaches at worst somebody else, without cause. Nodes in futures are pinned.
//!
//! The wakers of futures are user code: they are cloned, woken and dropped outside the lock.
//!
//! # A stack that runs out
//! Who is going to wait, or takes a lock, first sees that there is stack enough left, and unwinds if not: also for the release,
//! which mostly comes in the same frame. A release cannot unwind. If it comes so deep in the stack that its section might hit
//! the guard page, it does so before it takes the lock of the queue, and the stack is abandoned with what it holds; those who
//! hold other things of the same lock, and those who give up, still get at the queue.
//!
//! # Seeded faults
//! | fault                  | what it breaks                                     | caught by                                             |
//! |------------------------|----------------------------------------------------|-------------------------------------------------------|
//! | `queue_lock_relaxed`   | the lock of the queue does not acquire             | `loom_a_mutex_excludes`                               |
//! | `queue_unlock_relaxed` | the lock of the queue does not release             | `loom_a_mutex_excludes`                               |
//! | `queue_settle_relaxed` | a served waiter does not see what came before      | `loom_a_notification_is_for_one_who_waits_or_comes`   |
//! | `queue_no_second_try`  | no 3: what is released between 1 and 2 is not seen | `loom_a_semaphore_wakes_whom_it_serves`               |
//! | `queue_drop_grant`     | a served waiter that leaves keeps the grant (6)    | `loom_a_waiter_that_gives_up_takes_no_permit_with_it` |
//! | `queue_no_leave_serve` | one that leaves does not serve those behind (6)    | `a_writer_that_leaves_lets_the_readers_in`            |
//! | `queue_no_wake`        | e without the wake                                 | `loom_a_semaphore_wakes_whom_it_serves`               |

use std::fmt;
use std::marker::PhantomPinned;
use std::mem;
use std::ptr;
use std::task::Waker;

use crate::rt::wake::{Wake, Wakes};
use crate::stack;
use crate::sys::atomic::{AtomicBool, AtomicU32, Backoff, Ordering, UnsafeCell};
use crate::sys::fault::fault;

/// What has become of a waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Outcome {
    /// In the queue.
    Waiting = 0,
    /// In the queue at the front, and told to look again.
    Nudged = 1,
    /// In the queue at the front; has looked in vain, and must be served next.
    Urgent = 2,
    /// Settled: it has got what it waited for.
    Granted = 3,
    /// Settled: as everybody who waited.
    All = 4,
    /// Settled: there is nothing to wait for any more.
    Closed = 5,
}

impl Outcome {
    /// Whether the waiter is out of the queue and the wait at its end.
    pub(super) fn is_settled(self) -> bool {
        self as u32 >= Outcome::Granted as u32
    }

    fn from_word(word: u32) -> Self {
        match word {
            0 => Outcome::Waiting,
            1 => Outcome::Nudged,
            2 => Outcome::Urgent,
            3 => Outcome::Granted,
            4 => Outcome::All,
            _ => Outcome::Closed,
        }
    }
}

struct Links {
    prev: *const Node,
    next: *const Node,
}

/// One waiter. See the [module](self).
pub(super) struct Node {
    /// Guarded by the lock while linked.
    links: UnsafeCell<Links>,
    /// Guarded by the lock while linked.
    wake: UnsafeCell<Wake>,
    /// Written under the lock.
    outcome: AtomicU32,
    /// What it waits for, in the terms of its lock.
    want: usize,
    _pinned: PhantomPinned,
}

// SAFETY: while a node is linked everything in it that is not atomic or constant is guarded by the lock of its queue; at
// other times it is its owner's. What it holds (a waker, a parker) may be used from any thread.
unsafe impl Send for Node {}
// SAFETY: as above.
unsafe impl Sync for Node {}

impl Node {
    pub(super) fn new(want: usize, wake: Wake) -> Self {
        Node {
            links: UnsafeCell::new(Links {
                prev: ptr::null(),
                next: ptr::null(),
            }),
            wake: UnsafeCell::new(wake),
            outcome: AtomicU32::new(Outcome::Waiting as u32),
            want,
            _pinned: PhantomPinned,
        }
    }

    pub(super) fn want(&self) -> usize {
        self.want
    }

    pub(super) fn outcome(&self) -> Outcome {
        // Acquire: what the settling party did with the node, and before, happened before its owner goes on.
        let order = match fault!("queue_settle_relaxed") {
            true => Ordering::Relaxed,
            false => Ordering::Acquire,
        };
        Outcome::from_word(self.outcome.load(order))
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("outcome", &self.outcome())
            .field("want", &self.want)
            .finish_non_exhaustive()
    }
}

struct List {
    first: *const Node,
    last: *const Node,
    len: usize,
}

/// The waiters of one lock. See the [module](self).
pub(super) struct Queue {
    locked: AtomicBool,
    list: UnsafeCell<List>,
}

// SAFETY: the list is accessed under the lock; its nodes are Sync.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Queue {
    super::const_unless_loom! {
        pub(super) fn new() -> Self {
            Queue {
                locked: AtomicBool::new(false),
                list: UnsafeCell::new(List {
                    first: ptr::null(),
                    last: ptr::null(),
                    len: 0,
                }),
            }
        }
    }

    /// Steps 2 and b. Nothing in a section blocks, switches stacks, or calls code of the user's.
    pub(super) fn lock(&self) -> Locked<'_> {
        stack::before_section();
        let order = match fault!("queue_lock_relaxed") {
            true => Ordering::Relaxed,
            false => Ordering::Acquire,
        };
        let mut backoff = Backoff::new();
        while self
            .locked
            .compare_exchange_weak(false, true, order, Ordering::Relaxed)
            .is_err()
        {
            backoff.wait();
        }
        Locked {
            queue: self,
            wakes: Wakes::default(),
        }
    }
}

/// The queue, locked. Dropping it unlocks the queue and wakes those who are due.
pub(super) struct Locked<'a> {
    queue: &'a Queue,
    wakes: Wakes,
}

impl Locked<'_> {
    fn list<R>(&self, f: impl FnOnce(&List) -> R) -> R {
        // SAFETY: the lock is held, and no mutable reference lives beyond `list_mut`.
        self.queue.list.with(|list| f(unsafe { &*list }))
    }

    fn list_mut<R>(&mut self, f: impl FnOnce(&mut List) -> R) -> R {
        // SAFETY: the lock is held and borrowed mutably.
        self.queue.list.with_mut(|list| f(unsafe { &mut *list }))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.list(|list| list.len)
    }

    /// What the waiter at the front wants, and how it stands with it.
    pub(super) fn front(&self) -> Option<(usize, Outcome)> {
        let first = self.list(|list| list.first);
        // SAFETY: linked nodes are alive while the lock is held.
        unsafe { first.as_ref() }.map(|node| (node.want, node.outcome()))
    }

    /// Step 3, the push.
    ///
    /// # Safety
    /// `node` is in no queue, and stays where it is, alive, until it is settled or unlinked.
    pub(super) unsafe fn push(&mut self, node: &Node) {
        let last = self.list(|list| list.last);
        node.links.with_mut(|links| {
            // SAFETY: the node is the caller's until it is linked.
            unsafe {
                *links = Links {
                    prev: last,
                    next: ptr::null(),
                }
            }
        });
        if !last.is_null() {
            // SAFETY: the lock is held, and guards the links of all linked nodes, which are alive.
            unsafe { (*last).links.with_mut(|links| (*links).next = node) };
        }
        self.list_mut(|list| {
            if last.is_null() {
                list.first = node;
            }
            list.last = node;
            list.len += 1;
        });
    }

    /// Takes `node` out.
    ///
    /// # Safety
    /// `node` is in this queue.
    pub(super) unsafe fn unlink(&mut self, node: &Node) {
        // SAFETY: the lock is held, and guards the links of all linked nodes, which are alive.
        unsafe {
            let (prev, next) = node.links.with(|links| ((*links).prev, (*links).next));
            if !prev.is_null() {
                (*prev).links.with_mut(|links| (*links).next = next);
            }
            if !next.is_null() {
                (*next).links.with_mut(|links| (*links).prev = prev);
            }
            self.list_mut(|list| {
                if prev.is_null() {
                    list.first = next;
                }
                if next.is_null() {
                    list.last = prev;
                }
                list.len -= 1;
            });
        }
    }

    /// Steps c and e for the waiter at the front, if there is one. What it got must be its own by now.
    pub(super) fn settle_front(&mut self, outcome: Outcome) -> bool {
        let first = self.list(|list| list.first);
        // SAFETY: linked nodes are alive while the lock is held.
        let Some(node) = (unsafe { first.as_ref() }) else {
            return false;
        };
        // SAFETY: it is the first of this queue.
        unsafe { self.unlink(node) };
        // SAFETY: the lock is held.
        let wake = node
            .wake
            .with_mut(|wake| unsafe { mem::replace(&mut *wake, Wake::Nobody) });
        self.wakes.push(wake);
        // The last access: the waiter may be gone as soon as this is seen.
        let order = match fault!("queue_settle_relaxed") {
            true => Ordering::Relaxed,
            false => Ordering::Release,
        };
        node.outcome.store(outcome as u32, order);
        true
    }

    /// As [`settle_front`](Self::settle_front), for everybody.
    pub(super) fn settle_all(&mut self, outcome: Outcome) {
        while self.settle_front(outcome) {}
    }

    /// Tells the waiter at the front to look again, if it has not been told.
    pub(super) fn nudge_front(&mut self) {
        let first = self.list(|list| list.first);
        // SAFETY: linked nodes are alive while the lock is held.
        let Some(node) = (unsafe { first.as_ref() }) else {
            return;
        };
        if node.outcome() != Outcome::Waiting {
            return;
        }
        let wake = node.wake.with_mut(|wake| {
            // SAFETY: the lock is held.
            match unsafe { &mut *wake } {
                Wake::Parker(parker) => Wake::Parker(parker),
                // A future leaves a new waker when it is polled.
                other => mem::replace(other, Wake::Nobody),
            }
        });
        self.wakes.push(wake);
        node.outcome
            .store(Outcome::Nudged as u32, Ordering::Release);
    }

    /// The waiter at the front, which has been nudged, has looked in vain.
    pub(super) fn make_urgent(&mut self, node: &Node) {
        node.outcome
            .store(Outcome::Urgent as u32, Ordering::Release);
    }

    /// What a nudged waiter would be without [`make_urgent`](Self::make_urgent). For a seeded fault.
    pub(super) fn make_patient(&mut self, node: &Node) {
        node.outcome
            .store(Outcome::Waiting as u32, Ordering::Release);
    }

    /// Replaces a future's waker. The old one comes back, to be dropped outside the lock.
    pub(super) fn set_waker(&mut self, node: &Node, waker: Waker) -> Wake {
        // SAFETY: the lock is held, and the node is linked here or the caller's.
        node.wake
            .with_mut(|wake| unsafe { mem::replace(&mut *wake, Wake::Task(waker)) })
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let order = match fault!("queue_unlock_relaxed") {
            true => Ordering::Relaxed,
            false => Ordering::Release,
        };
        self.queue.locked.store(false, order);
        let wakes = mem::take(&mut self.wakes);
        if !fault!("queue_no_wake") {
            wakes.fire();
        }
    }
}
