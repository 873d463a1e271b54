//! Into the mailbox: what a full one does, and which lane a message takes.
//!
//! | [`WhenFull`] | `tell`, `send` | `ask`, `request` | `try_tell`, `try_send` |
//! |---|---|---|---|
//! | `Block` | wait for room | wait for room, to the deadline | `Full`, with the message |
//! | `Fail` | `Full`, with the message | `Full`, with the message | `Full`, with the message |
//! | `DropOldest` | in; the oldest one leaves | in; the oldest one leaves | `Full`, with the message |
//! | `DropNewest` | `Ok`; the message leaves | `Full`, with the message | `Full`, with the message |
//!
//! What *leaves* is a [dead letter](crate::DeadLetter), or, if it was asked, is answered with
//! [`AskError::Displaced`](crate::AskError::Displaced). What comes back in an error is in nobody's hands but the sender's. So
//! no policy loses a message without trace. The `try_` verbs never drop anything, whatever the policy.

use std::time::Instant;

use crate::observe::DeadReason;
use crate::rt::park;
use crate::rt::worker::Worker;

use super::cell::{Cell, Envelope};
use super::error::TellError;
use super::mailbox::{Flags, Mailbox, PushError, Pushed, Track, WaitError, Wake};
use super::reply::{Failure, Port};
use super::traits::Actor;
use super::unhandled;
use super::waits::{self, Waiting};

/// How long a message may wait for room.
#[derive(Clone, Copy)]
pub(super) enum Until<'a> {
    /// Until then, if there is one.
    Deadline(Option<Instant>),
    /// For ever: it is asked by an actor that others see wait for the answer. (waits: P2, P3, and the fast path)
    Answered(&'a Waiting),
}

/// What a bounded mailbox does with a message that finds it full.
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::{Options, WhenFull};
///
/// /// Only the latest readings are of interest.
/// #[actor(mailbox = 16, when_full = "drop_oldest")]
/// struct Gauge { last: f64 }
///
/// #[actor]
/// impl Gauge {
///     pub fn read(&mut self, value: f64) { self.last = value }
/// }
///
/// // The same by hand:
/// const OPTIONS: Options = Options::new().mailbox(16).when_full(WhenFull::DropOldest);
/// ```
///
/// None of them concerns `try_tell` and `try_send`: a full mailbox is an error there, with the message in it, and nothing is
/// dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WhenFull {
    /// The sender waits for room, first come first served. `when_full = "block"`.
    #[default]
    Block,
    /// The sender gets its message back at once, as [`TellError::Full`] or [`AskError::Full`](crate::AskError::Full).
    /// `when_full = "fail"`.
    Fail,
    /// The oldest message leaves, and the new one takes the place. `when_full = "drop_oldest"`.
    ///
    /// The one that leaves is a [`DeadLetter`](crate::DeadLetter) with the reason
    /// [`Displaced`](crate::DeadReason::Displaced); who asked it gets [`AskError::Displaced`](crate::AskError::Displaced).
    DropOldest,
    /// The new message leaves. `when_full = "drop_newest"`.
    ///
    /// A tell is `Ok`, as into any lossy channel, and the message is a [`DeadLetter`](crate::DeadLetter) with the reason
    /// [`Full`](crate::DeadReason::Full). An ask gets it back, as [`AskError::Full`](crate::AskError::Full).
    DropNewest,
}

/// Which lane of the mailbox a message takes. See [`Actor::priority`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Priority {
    /// It waits its turn.
    #[default]
    Normal,
    /// It is handled before all normal ones that wait.
    High,
}

/// A message that was not accepted, and the port for its answer.
pub(super) type Refused<M> = (TellError<M>, Port);

/// Puts a message into `mailbox`, a lane of the actor's, by the policy of its type. Says whom to wake.
#[inline(always)]
pub(super) fn enter<A: Actor>(
    cell: &Cell<A>,
    mailbox: &Mailbox<Envelope<A::Msg>>,
    envelope: Envelope<A::Msg>,
    until: Until<'_>,
) -> Result<Wake, Refused<A::Msg>> {
    match Cell::<A>::WHEN_FULL {
        WhenFull::Block => {
            let pushed = match mailbox.try_push(envelope, Cell::<A>::CAP) {
                Ok(pushed) => return Ok(pushed.wake),
                Err(PushError::Closed(back)) => Err(WaitError::Closed(back)),
                Err(PushError::Full(back)) => wait_for_room(cell, mailbox, back, until),
            };
            match pushed {
                Ok(pushed) => Ok(pushed.wake),
                Err(WaitError::Deadlock(back, path)) => {
                    let message = back.msg;
                    Err((TellError::Deadlock { message, path }, back.reply))
                }
                Err(WaitError::Timeout(back)) => Err((TellError::Timeout(back.msg), back.reply)),
                Err(WaitError::Closed(back)) => Err((TellError::Closed(back.msg), back.reply)),
            }
        }
        WhenFull::Fail => try_enter::<A>(mailbox, envelope),
        WhenFull::DropNewest => match try_enter::<A>(mailbox, envelope) {
            Err((TellError::Full(msg), reply)) if !reply.is_some() => {
                unhandled::account(cell, Envelope { msg, reply }, DeadReason::Full, None);
                Ok(Wake::Nobody)
            }
            entered => entered,
        },
        WhenFull::DropOldest => {
            // SAFETY: all of the actor's lanes are popped by `Cell::pop`, which knows the policy.
            match unsafe { mailbox.push_displacing(envelope, Cell::<A>::CAP) } {
                Ok((pushed, displaced)) => {
                    if let Some(oldest) = displaced {
                        let why = Some(Failure::Displaced);
                        unhandled::account(cell, oldest, DeadReason::Displaced, why);
                    }
                    Ok(pushed.wake)
                }
                Err(back) => Err((TellError::Closed(back.msg), back.reply)),
            }
        }
    }
}

/// Waits for room, and so for the actor: others are told, unless they know already, or there is a deadline. (waits: P1 to P3)
#[cold]
fn wait_for_room<A: Actor>(
    cell: &Cell<A>,
    mailbox: &Mailbox<Envelope<A::Msg>>,
    envelope: Envelope<A::Msg>,
    until: Until<'_>,
) -> Result<Pushed, WaitError<Envelope<A::Msg>>> {
    let lost = |envelope| unhandled::account(cell, envelope, DeadReason::SenderEnded, None);
    // Most likely the actor whose mailbox it has filled.
    Worker::with(|worker| worker.map(Worker::lets_runnable_go_first));
    let (deadline, waiter) = match until {
        Until::Deadline(None) => (None, waits::here()),
        Until::Deadline(deadline) => (deadline, None),
        Until::Answered(_) => (None, None),
    };
    let Some(waiter) = waiter else {
        return mailbox.wait_for_room(envelope, Cell::<A>::CAP, deadline, None, &lost);
    };
    let track = Track {
        publish: &|| waiter.publish(waits::on_actor(cell.header())),
        circle: &|| waiter.circle(),
    };
    mailbox.wait_for_room(envelope, Cell::<A>::CAP, None, Some(&track), &lost)
}

/// Puts a message into `mailbox` if there is room; gives the port back with it if not.
#[inline(always)]
pub(super) fn try_enter<A: Actor>(
    mailbox: &Mailbox<Envelope<A::Msg>>,
    envelope: Envelope<A::Msg>,
) -> Result<Wake, Refused<A::Msg>> {
    match mailbox.try_push(envelope, Cell::<A>::CAP) {
        Ok(pushed) => Ok(pushed.wake),
        Err(PushError::Full(back)) => Err((TellError::Full(back.msg), back.reply)),
        Err(PushError::Closed(back)) => Err((TellError::Closed(back.msg), back.reply)),
    }
}

/// Puts a message into the lane it takes, and wakes whom that wakes: `how` is [`enter`] or [`try_enter`] into a lane.
#[inline(always)]
pub(super) fn deliver<A: Actor>(
    cell: &Cell<A>,
    envelope: Envelope<A::Msg>,
    how: impl FnOnce(&Mailbox<Envelope<A::Msg>>, Envelope<A::Msg>) -> Result<Wake, Refused<A::Msg>>,
) -> Result<(), Refused<A::Msg>> {
    if is_urgent::<A>(&envelope.msg) {
        return urgent(cell, |lane| how(lane, envelope)).map(|_| ());
    }
    let wake = how(&cell.mailbox, envelope)?;
    cell.wake(wake);
    park::switch_point();
    Ok(())
}

/// Whether `msg` takes the urgent lane.
#[inline(always)]
pub(super) fn is_urgent<A: Actor>(msg: &A::Msg) -> bool {
    A::HAS_PRIORITIES && A::priority(msg) == Priority::High
}

/// Puts a message into the urgent lane.
#[cold]
#[inline(never)]
fn urgent<A: Actor, R>(cell: &Cell<A>, how: impl FnOnce(&Mailbox<Envelope<A::Msg>>) -> R) -> R {
    /// Raised when the message is in, also if the sender is killed while it waits: others' messages may have been let in
    /// meanwhile by its doing.
    struct Raise<'a, A: Actor>(&'a Cell<A>);
    impl<A: Actor> Drop for Raise<'_, A> {
        fn drop(&mut self) {
            self.0.raise(Flags::LANES);
        }
    }
    let raise = Raise(cell);
    let entered = how(&cell.lanes_or_new().urgent);
    drop(raise);
    park::switch_point();
    entered
}
