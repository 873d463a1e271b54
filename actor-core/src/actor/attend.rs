//! What an actor does about its lane, at a message boundary.
//!
//! The flag `SIGNAL` says that something was put into the lane (`ties`). The consumer takes the flag down *before* it looks
//! there, so that what is put in later raises it again, and takes one thing out at a time; while there may be more it raises
//! the flag itself. In this way a signal is one item of an activation's batch, as a message is, and a kill or a stop is seen
//! before the next.
//!
//! # Suspended
//! A suspended actor has the flag `HELD` up, with which messages neither schedule it nor keep it from going idle (`mailbox`). Of
//! its lane it takes orders, and exit signals that end it. Signals for its hook wait, as they would change its state. The
//! suspension is of one life: the next begins without.

use std::mem;

use super::boundary::Right;
use super::cell::{Cell, Envelope};
use super::cx::Cx;
use super::exit::ExitReason;
use super::held;
use super::mailbox::{Consumer, Flags};
use super::signal::Signal;
use super::sys;
use super::sys::{Order, Visited};
use super::ties::Next;
use super::traits::Actor;

/// What a look at the lane came to.
pub(super) enum Attended {
    /// There is nothing in it: messages are next.
    Messages,
    /// Something was done, and there may be more.
    Again,
    /// Nothing is to be done until the actor is resumed.
    Suspended,
    /// The actor ends, by an exit signal: its state is as it should be.
    Exit(ExitReason),
    /// The actor ends, by what an order did to it.
    Broken(ExitReason),
    /// The actor has ended: an order has left nothing of its state.
    Left(ExitReason),
}

/// Takes the next thing out of the lane of an actor with message methods. The caller has looked for a kill and a stop.
#[cold]
pub(super) fn attend<A: Actor>(
    cell: &Cell<A>,
    consumer: &mut Consumer<'_, Envelope<A::Msg>>,
    cx: &mut Cx<A>,
) -> Attended {
    let _ = consumer.take_flags(Flags::SIGNAL);
    let next = cell.extra().and_then(|extra| {
        let mut state = extra.lock();
        state.ties.as_mut().map(|ties| ties.next())
    });
    match next.unwrap_or(Next::Nothing) {
        Next::Nothing => {
            if held::check_drained(cell) {
                let _ = consumer.raise(Flags::SIGNAL);
            }
            return Attended::Messages;
        }
        Next::Suspended => return Attended::Suspended,
        Next::End(reason) => return Attended::Exit(reason),
        Next::Ignored(signal) => drop(signal),
        Next::Signal(signal) => {
            // SAFETY: the caller has the right to run, and nothing else refers to the state between messages.
            unsafe { cell.state() }.on_signal(cx, signal);
        }
        Next::Order(order) => match obey(cell, consumer, order) {
            Visited::Well => {}
            Visited::Ends(reason) => return Attended::Broken(reason),
            Visited::Left(reason) => return Attended::Left(reason),
        },
    }
    // Nobody has to be scheduled for it: we are running.
    let _ = consumer.raise(Flags::SIGNAL);
    Attended::Again
}

/// Carries out an order.
fn obey<A: Actor>(
    cell: &Cell<A>,
    consumer: &mut Consumer<'_, Envelope<A::Msg>>,
    order: Order,
) -> Visited {
    let suspend = |suspended| cell.extra_or_new().lock().ties().suspended = suspended;
    match order {
        Order::Suspend(done) => {
            suspend(true);
            consumer.hold();
            let _ = done.send(Ok(()));
        }
        Order::Resume(done) => {
            suspend(false);
            let _ = consumer.take_flags(Flags::HELD);
            let _ = done.send(Ok(()));
        }
        // SAFETY: the caller has the right to run, and its consumer is not used before this has returned; nothing else refers
        // to the state between messages.
        Order::Visit(visit) => return visit(unsafe { Right::new(cell.header()) }),
    }
    Visited::Well
}

/// Looks through the lane of an actor with its own stack. If there is an exit signal that ends it, that becomes a request to
/// stop, which closes its inbox. `true`: SIGNAL is to be raised again, as by [`held::check_drained`].
#[cold]
#[must_use = "the next boundary is to look too"]
pub(super) fn attend_own<A: Actor>(
    cell: &Cell<A>,
    consumer: &mut Consumer<'_, Envelope<A::Msg>>,
) -> bool {
    let _ = consumer.take_flags(Flags::SIGNAL);
    let again = held::check_drained(cell);
    let Some(extra) = cell.extra() else {
        return again;
    };
    let mut state = extra.lock();
    let Some(ties) = state.ties.as_mut() else {
        return again;
    };
    if let Some(reason) = ties.take_fatal() {
        ties.exit_for.get_or_insert_with(|| reason.clone());
        state.stop_for = Some(reason);
        drop(state);
        let _ = consumer.raise(Flags::STOP);
    }
    again
}

/// Empties the lane of an actor that has been left. An exit signal that ends it becomes a request to stop.
#[cold]
pub(super) fn drop_lane<A: Actor>(cell: &Cell<A>, consumer: &mut Consumer<'_, Envelope<A::Msg>>) {
    // Whoever waits for it to be drained looks when it has ended: passing on is no handling.
    let _ = attend_own(cell, consumer);
    let lane = cell.extra().and_then(|extra| {
        let mut state = extra.lock();
        let ties = state.ties.as_mut()?;
        Some((mem::take(&mut ties.orders), mem::take(&mut ties.signals)))
    });
    if let Some((orders, signals)) = lane {
        drop(signals);
        sys::drop_all(orders);
    }
}

/// The next signal for an actor with its own stack.
pub(super) fn next_signal<A: Actor>(cell: &Cell<A>) -> Option<Signal> {
    loop {
        let next = cell.extra()?.lock().ties.as_mut()?.take_signal();
        match next {
            Next::Signal(signal) => return Some(signal),
            Next::Ignored(signal) => drop(signal),
            _ => return None,
        }
    }
}

/// The exit signal that ended an actor with its own stack, if one did.
pub(super) fn exit_signal<A: Actor>(cell: &Cell<A>) -> Option<ExitReason> {
    let mut state = cell.extra()?.lock();
    state.ties.as_mut()?.exit_for.take()
}
