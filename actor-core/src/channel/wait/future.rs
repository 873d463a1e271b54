//! The wait as a future.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::rt::wait::Next;
use crate::rt::wake::{Wake, Wakes};
use crate::sys::fault::fault;

use super::list::{Node, Ticket};
use super::{Enlisted, Op};

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

impl<O: Op> Waiting<O> {
    /// Ends the wait with nothing done, as dropping the future does. What was to be sent, if it has not been.
    pub(crate) fn give_up(self: Pin<&mut Self>) -> Option<O::Slot> {
        // SAFETY: nothing is moved out of the pinned future but the slot, which is not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        if this.stage.replace(Stage::Done) == Stage::Queued {
            let enlisted = Enlisted {
                op: &this.op,
                node: &this.node,
                ticket: &this.ticket,
            };
            return enlisted.leave();
        }
        this.node.slot_mut().take()
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
