//! Sends and receives of migratable functions: tried, and tried again when their wait is over.
//!
//! What a function waits with lies outside its state, in a [`Waiting`] of its own; a value to be sent is there meanwhile, and
//! comes back into the state when the wait is given up, to freeze the function. Given up, a wait leaves no trace: a value
//! that had just been received goes to the next receiver.

pub mod choice;

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::rt::cx::{Cx, Parked};
use crate::rt::park;
use crate::rt::wait::{Interrupt, Next};
use crate::rt::wake::Wakes;
use crate::sys::spinlock::SpinLock;

use super::core::{self, Core, Item};
use super::sender::{given_back, taken_back};
use super::wait::{List, Op, Settled, Waiting};
use super::{Receiver, RecvError, SendError, Sender};

/// What a migratable function can receive from.
#[diagnostic::on_unimplemented(
    message = "`.recv()` waits in a migratable function, and `{Self}` is nothing that it can wait for",
    note = "to call a method of that name that does not wait, write `{Self}::recv(&value)`; to wait on this machine only, call a function that does"
)]
pub trait Recv {
    /// What it gives.
    type Received;

    /// Receives, or waits.
    fn poll_recv(&self, cx: &mut Cx<'_>) -> Poll<Self::Received>;
}

/// What a migratable function can send to.
#[diagnostic::on_unimplemented(
    message = "`.send(..)` waits in a migratable function, and `{Self}` is nothing that it can wait for",
    note = "to call a method of that name that does not wait, write `{Self}::send(&value, ..)`; to wait on this machine only, call a function that does"
)]
pub trait Send<T> {
    /// How it ends.
    type Sent;

    /// Sends what is in `slot`, or waits. Nothing in it, and no wait: it has been sent.
    fn poll_send(&self, slot: &mut Option<T>, cx: &mut Cx<'_>) -> Poll<Self::Sent>;
}

impl<T: std::marker::Send + 'static> Recv for Receiver<T> {
    type Received = Result<T, RecvError>;

    fn poll_recv(&self, cx: &mut Cx<'_>) -> Poll<Result<T, RecvError>> {
        if !cx.is_waiting() {
            if let Some(received) = at_once(&core::Recv(&self.core), &mut None) {
                return Poll::Ready(received);
            }
            cx.park(Waiting::new(OwnedRecv(self.core.clone()), None));
        }
        cx.poll(&mut ())
    }
}

impl<T: std::marker::Send + 'static> Send<T> for Sender<T> {
    type Sent = Result<(), SendError<T>>;

    fn poll_send(&self, slot: &mut Option<T>, cx: &mut Cx<'_>) -> Poll<Result<(), SendError<T>>> {
        if !cx.is_waiting() {
            let Some(value) = slot.take() else {
                return Poll::Ready(Ok(()));
            };
            let mut item = Some(Item::Value(value));
            if let Some(sent) = at_once(&core::Send(&self.core), &mut item) {
                return Poll::Ready(sent.map_err(given_back));
            }
            cx.park(Waiting::new(OwnedSend(self.core.clone()), item));
        }
        let mut back: Option<Item<T>> = None;
        let sent = cx.poll::<Result<(), SendError<Item<T>>>>(&mut back);
        if back.is_some() {
            *slot = Some(taken_back(back));
        }
        sent.map_err(given_back)
    }
}

/// The operation, if it can be done without waiting.
#[inline]
fn at_once<O: Op>(op: &O, slot: &mut Option<O::Slot>) -> Option<O::Output> {
    park::check_stack();
    let mut wakes = Wakes::default();
    let mut state = op.state().lock();
    let output = op.attempt(&mut state, slot, false, &mut wakes);
    drop(state);
    // The partner becomes ready, and the function goes on.
    wakes.go_on_with(Next::Caller);
    wakes.fire();
    output
}

impl<O> Parked for Waiting<O>
where
    O: Op + std::marker::Send + 'static,
    O::Slot: std::marker::Send + 'static,
    O::Output: 'static,
{
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>, outcome: &mut dyn Any) -> bool {
        let Poll::Ready(output) = Future::poll(self, context) else {
            return false;
        };
        if let Some(outcome) = outcome.downcast_mut::<Option<O::Output>>() {
            *outcome = Some(output);
        }
        true
    }

    fn retract(self: Pin<&mut Self>, slot: &mut dyn Any) -> bool {
        let left = self.give_up();
        if let Some(slot) = slot.downcast_mut::<Option<O::Slot>>() {
            *slot = left;
        }
        true
    }
}

/// As the operation it is named after, for a future that outlives its caller.
struct OwnedRecv<T>(Arc<Core<T>>);
struct OwnedSend<T>(Arc<Core<T>>);

macro_rules! owned {
    ($owned:ident, $op:ident, $slot:ty, $output:ty) => {
        impl<T> Op for $owned<T> {
            type State = core::State<T>;
            type Slot = $slot;
            type Output = $output;

            fn state(&self) -> &SpinLock<core::State<T>> {
                self.0.state()
            }

            fn attempt(
                &self,
                state: &mut core::State<T>,
                slot: &mut Option<$slot>,
                waits: bool,
                wakes: &mut Wakes,
            ) -> Option<$output> {
                core::$op(&self.0).attempt(state, slot, waits, wakes)
            }

            fn list<'s>(&self, state: &'s mut core::State<T>) -> &'s mut List<$slot> {
                core::$op(&self.0).list(state)
            }

            fn settled(&self, how: Settled, slot: &mut Option<$slot>) -> Option<$output> {
                core::$op(&self.0).settled(how, slot)
            }

            fn interrupted(&self, why: Interrupt, slot: &mut Option<$slot>) -> $output {
                core::$op(&self.0).interrupted(why, slot)
            }

            fn give_back(
                &self,
                state: &mut core::State<T>,
                slot: &mut Option<$slot>,
                wakes: &mut Wakes,
            ) {
                core::$op(&self.0).give_back(state, slot, wakes);
            }
        }
    };
}

owned!(OwnedRecv, Recv, core::Given<T>, Result<T, RecvError>);
owned!(OwnedSend, Send, Item<T>, Result<(), SendError<Item<T>>>);
