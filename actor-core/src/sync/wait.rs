//! Waiting in a [`Queue`]: the one blocking wait and the one future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::rt::park;
use crate::rt::wait::{self, Ended};
use crate::sys::fault::fault;

use super::queue::{Locked, Node, Outcome, Queue};
use crate::rt::wake::Wake;

/// A lock, from the point of view of those who wait for it. Each method is called under the lock of its queue.
pub(super) trait Source {
    fn queue(&self) -> &Queue;

    /// Step 3: takes what is wanted if it is there; else sets QUEUED, so that whoever releases it looks into the queue.
    fn arrive(&self, queue: &mut Locked<'_>, want: usize) -> Option<Outcome>;

    /// A nudged waiter looks again. `true`: it has got what it wants; the caller unlinks it.
    fn look_again(&self, queue: &mut Locked<'_>, node: &Node) -> bool {
        let _ = (queue, node);
        false
    }

    /// Step 6: a waiter that wanted `want` has left. `how` says how it stood: linked until now, or served, and then what
    /// it got is to be passed on. Also called when a nudged waiter has been unlinked because it got what it wants.
    fn left(&self, queue: &mut Locked<'_>, want: usize, how: Outcome);
}

/// Whether a wait can say that it was interrupted, or blocks the thread where it must not switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Fallible,
    Infallible,
}

/// A node that is in a queue; takes it out if the wait ends by unwinding, or its future is dropped.
struct Enlisted<'a, S: Source> {
    source: &'a S,
    node: &'a Node,
}

impl<S: Source> Enlisted<'_, S> {
    /// Whether the wait is over.
    fn look(&self) -> Option<Outcome> {
        match self.node.outcome() {
            outcome if outcome.is_settled() => Some(outcome),
            Outcome::Nudged => {
                let mut queue = self.source.queue().lock();
                if !self.source.look_again(&mut queue, self.node) {
                    return None;
                }
                // SAFETY: a nudged node is linked, and only its own waiter changes that.
                unsafe { queue.unlink(self.node) };
                self.source
                    .left(&mut queue, self.node.want(), Outcome::Waiting);
                Some(Outcome::Granted)
            }
            _ => None,
        }
    }

    /// Step 6. The outcome, if it was settled meanwhile.
    fn retract(self) -> Option<Outcome> {
        let this = std::mem::ManuallyDrop::new(self);
        let mut queue = this.source.queue().lock();
        let outcome = this.node.outcome();
        if outcome.is_settled() {
            return Some(outcome);
        }
        // SAFETY: it is not settled, hence linked.
        unsafe { queue.unlink(this.node) };
        this.source.left(&mut queue, this.node.want(), outcome);
        None
    }
}

impl<S: Source> Drop for Enlisted<'_, S> {
    fn drop(&mut self) {
        let mut queue = self.source.queue().lock();
        let outcome = self.node.outcome();
        if !outcome.is_settled() {
            // SAFETY: as in `retract`.
            unsafe { queue.unlink(self.node) };
        }
        let faulty = match outcome.is_settled() {
            true => fault!("queue_drop_grant"),
            false => fault!("queue_no_leave_serve"),
        };
        if !faulty {
            self.source.left(&mut queue, self.node.want(), outcome);
        }
    }
}

/// Waits for `want`. `between` is called once the caller can be served, and before it parks.
pub(super) fn block<S: Source>(
    source: &S,
    want: usize,
    deadline: Option<Instant>,
    how: How,
    between: impl FnOnce(),
) -> Result<Outcome, Ended> {
    park::check_stack();
    let node = Node::new(want, Wake::Parker(park::current()));
    {
        let mut queue = source.queue().lock(); // step 2
        if let Some(outcome) = source.arrive(&mut queue, want) {
            return Ok(outcome);
        }
        // SAFETY: the node lies in this frame, which is not left before `enlisted` has been dropped or has seen the node
        // settled.
        unsafe { queue.push(&node) }; // step 3
    }
    let enlisted = Enlisted {
        source,
        node: &node,
    };
    between();
    loop {
        if let Some(outcome) = enlisted.look() {
            std::mem::forget(enlisted);
            return Ok(outcome); // step 5
        }
        let waited = match how {
            How::Fallible => wait::wait(deadline),
            How::Infallible if park::park_until(deadline) => Ok(()),
            How::Infallible => Err(Ended::TimedOut),
        };
        if let Err(ended) = waited {
            // step 6
            let Some(outcome) = enlisted.retract() else {
                return Err(ended);
            };
            if let Ended::Interrupted(interrupt) = ended {
                wait::postpone(interrupt);
            }
            return Ok(outcome);
        }
    }
}

/// As [`block`], with no end but what is waited for.
pub(super) fn block_for_ever<S: Source>(source: &S, want: usize) -> Outcome {
    match block(source, want, None, How::Infallible, || ()) {
        Ok(outcome) => outcome,
        Err(ended) => unreachable!("an infallible wait without a deadline: {ended:?}"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Queued,
    Done,
}

/// The wait as a future.
#[must_use = "futures do nothing unless polled"]
pub(super) struct Waiting<'a, S: Source> {
    source: &'a S,
    node: Node,
    stage: Stage,
}

impl<'a, S: Source> Waiting<'a, S> {
    pub(super) fn new(source: &'a S, want: usize) -> Self {
        Waiting {
            source,
            node: Node::new(want, Wake::Nobody),
            stage: Stage::New,
        }
    }

    pub(super) fn source(&self) -> &'a S {
        self.source
    }

    pub(super) fn want(&self) -> usize {
        self.node.want()
    }

    /// Takes its place in the queue without waiting. The outcome, if there is no need to wait.
    pub(super) fn enlist(self: Pin<&mut Self>) -> Option<Outcome> {
        // SAFETY: nothing is moved out of the pinned future.
        let this = unsafe { self.get_unchecked_mut() };
        if this.stage != Stage::New {
            return None;
        }
        let mut queue = this.source.queue().lock(); // step 2
        if let Some(outcome) = this.source.arrive(&mut queue, this.node.want()) {
            this.stage = Stage::Done;
            return Some(outcome);
        }
        // SAFETY: the node is pinned, and the drop of the future unlinks it.
        unsafe { queue.push(&this.node) }; // step 3
        this.stage = Stage::Queued;
        None
    }
}

impl<S: Source> Future for Waiting<'_, S> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        park::check_stack();
        if self.stage == Stage::New
            && let Some(outcome) = self.as_mut().enlist()
        {
            return Poll::Ready(outcome);
        }
        // SAFETY: nothing is moved out of the pinned future.
        let this = unsafe { self.get_unchecked_mut() };
        assert!(this.stage == Stage::Queued, "polled after its end");
        let waker = context.waker().clone();
        let enlisted = std::mem::ManuallyDrop::new(Enlisted {
            source: this.source,
            node: &this.node,
        });
        // The waker first: a settling that comes after the look finds it.
        let mut queue = this.source.queue().lock();
        let old = match this.node.outcome().is_settled() {
            true => Wake::Task(waker),
            false => queue.set_waker(&this.node, waker),
        };
        drop(queue);
        // User code, and it may panic: before the outcome is taken, which the drop of this future passes on then.
        drop(old);
        match enlisted.look() {
            Some(outcome) => {
                this.stage = Stage::Done;
                Poll::Ready(outcome)
            }
            None => Poll::Pending,
        }
    }
}

impl<S: Source> Drop for Waiting<'_, S> {
    fn drop(&mut self) {
        if self.stage == Stage::Queued {
            drop(Enlisted {
                source: self.source,
                node: &self.node,
            });
        }
    }
}

impl<S: Source> fmt::Debug for Waiting<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("node", &self.node)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}
