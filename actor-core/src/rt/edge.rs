//! What the task on a stack waits for, told to whoever looks from another thread.
//!
//! Each stack's parker has an *edge*: which task runs there, and, while that task is in a wait that is tracked, what it waits
//! for. What that means, and what becomes of it, is known to those who publish and read edges (`actor::waits`); to this module
//! it is a pointer. Parkers are never freed, so anybody may read an edge at any time.
//!
//! # Protocol
//! A sequence lock without a lock: the *sequence* is odd while a wait is on, and no two waits of a stack have the same.
//! - Publishing: **E1** store what is waited for (release); **E2** store the odd sequence (release).
//! - Ending: **E3** store the even sequence that follows (release).
//! - Looking: **L1** load the sequence (acquire), which must be odd; **L2** load the task and what it waits for (acquire), and
//!   then whatever is reached through that; **L3** fence (acquire), and load the sequence again: if it is the same, all of L2
//!   was read while that one wait was on. For had L2 seen something of a later wait, it would have acquired the even sequence
//!   that was stored before it.
//!
//! The task writes its own edge. One other may end it (E3): who has found the waiter in a list under the lock that the waiter
//! must take before it leaves. So there are never two who write at a time.
//!
//! # Seeded faults
//! | fault | what it breaks | caught by |
//! |---|---|---|
//! | `edge_on_relaxed` | E1 does not release | `loom_an_edge_is_seen_whole` |
//! | `edge_skip_recheck` | no L3 | `loom_an_edge_is_seen_whole` |

use std::ptr;

use crate::sys::atomic::{AtomicPtr, AtomicU64, Ordering, fence};
use crate::sys::fault::fault;

use super::header::Header;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Edge {
    task: AtomicPtr<Header>,
    seq: AtomicU64,
    on: AtomicPtr<()>,
}

/// One wait of one stack: no other has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait(u64);

impl Edge {
    pub(crate) fn new() -> Self {
        Edge {
            task: AtomicPtr::new(ptr::null_mut()),
            seq: AtomicU64::new(0),
            on: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// What runs on the stack; null if nothing does. Valid to follow only on the stack's own thread.
    #[inline]
    pub(crate) fn task(&self) -> *const Header {
        self.task.load(Ordering::Relaxed)
    }

    /// On the stack's thread, outside any wait.
    #[inline]
    pub(crate) fn set_task(&self, task: *const Header) {
        // Released like what is waited for: who reads it has seen the last wait end.
        self.task.store(task.cast_mut(), Ordering::Release);
    }

    /// The task begins to wait for `on`. On its stack's thread. (E1, E2)
    #[inline]
    pub(crate) fn publish(&self, on: *mut ()) -> Wait {
        let seq = self.seq.load(Ordering::Relaxed) + 1;
        debug_assert!(seq % 2 == 1, "one wait at a time");
        let order = match fault!("edge_on_relaxed") {
            true => Ordering::Relaxed,
            false => Ordering::Release,
        };
        self.on.store(on, order);
        self.seq.store(seq, Ordering::Release);
        Wait(seq)
    }

    /// Whether a wait is on. On the stack's thread.
    #[inline]
    pub(crate) fn waits(&self) -> bool {
        !self.seq.load(Ordering::Relaxed).is_multiple_of(2)
    }

    /// `wait` is over, unless it has been ended before. By whom: see the [module](self). (E3)
    #[inline]
    pub(crate) fn end(&self, wait: Wait) {
        if self.is_on(wait) {
            self.seq.store(wait.0 + 1, Ordering::Release);
        }
    }

    /// Whether `wait` has not ended, for those who may end it.
    #[inline]
    pub(crate) fn is_on(&self, wait: Wait) -> bool {
        self.seq.load(Ordering::Relaxed) == wait.0
    }

    /// Which wait is on, and who waits for what. Holds only if [`is_still`](Self::is_still) says so afterwards. (L1, L2)
    pub(crate) fn look(&self) -> Option<(Wait, *const Header, *mut ())> {
        let seq = self.seq.load(Ordering::Acquire);
        if seq.is_multiple_of(2) {
            return None;
        }
        let task = self.task.load(Ordering::Acquire);
        Some((Wait(seq), task, self.on.load(Ordering::Acquire)))
    }

    /// Whether `wait` was on while the caller read what it has read since [`look`](Self::look). (L3)
    pub(crate) fn is_still(&self, wait: Wait) -> bool {
        fence(Ordering::Acquire);
        self.is_on(wait) || fault!("edge_skip_recheck")
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;

    #[test]
    fn loom_an_edge_is_seen_whole() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(|| {
            let edge = Arc::new(Edge::new());
            let on = move |n: u64| ptr::without_provenance_mut::<()>(n as usize);
            let reader = {
                let edge = edge.clone();
                loom::thread::spawn(move || {
                    if let Some((wait, _, seen)) = edge.look()
                        && edge.is_still(wait)
                    {
                        assert_eq!(seen, on(wait.0));
                    }
                })
            };
            for n in [1, 3] {
                let wait = edge.publish(on(n));
                assert_eq!(wait, Wait(n));
                edge.end(wait);
            }
            reader.join().unwrap();
        });
    }
}
