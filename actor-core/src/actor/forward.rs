//! Handing an ask on: another actor answers it.

use std::error::Error;
use std::fmt;

use crate::rt::park;

use super::addr::Addr;
use super::cell::Envelope;
use super::cycle::{WaitCycle, deadlock};
use super::delegated::ReplyTo;
use super::delivery;
use super::delivery::Until;
use super::error::TellError;
use super::reply::Failure;
use super::traits::{Actor, MessageMethods};
use super::waits;

/// An ask about to be handed on to an actor: what the views behind [`ReplyTo::forward`] are made of.
#[must_use = "it is handed on with a message: call one of the methods"]
pub struct Forward<'a, A: Actor, T> {
    to: &'a Addr<A>,
    reply: ReplyTo<T>,
    /// Whether to wait while the mailbox is full.
    wait: bool,
}

impl<T: Send + 'static> ReplyTo<T> {
    /// Hands the ask on: the messages of `to` that are answered with a `T`, as calls that return when the message is in the
    /// mailbox. Its handler answers the original asker, whose deadline, if it has one, goes on. While a bounded mailbox is full
    /// the caller waits.
    ///
    /// A message with another answer does not compile. If the message at hand was only told, so is the next.
    ///
    /// ```
    /// use actor_core::prelude::*;
    ///
    /// #[actor]
    /// struct Shard(u64);
    ///
    /// #[actor]
    /// impl Shard {
    ///     pub fn get(&self) -> u64 {
    ///         self.0
    ///     }
    /// }
    ///
    /// #[actor]
    /// struct Front(Vec<Addr<Shard>>);
    ///
    /// #[actor]
    /// impl Front {
    ///     /// Waits for nobody, however slow the shard is.
    ///     pub fn get(&self, shard: usize, reply: ReplyTo<u64>) {
    ///         let _ = reply.forward(&self.0[shard]).get();
    ///     }
    /// }
    ///
    /// let sys = System::new()?;
    /// let front = sys.spawn(Front(vec![sys.spawn(Shard(5))?, sys.spawn(Shard(7))?]))?;
    /// assert_eq!(front.ask().get(1)?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forward<A: MessageMethods>(self, to: &Addr<A>) -> A::Forward<'_, T> {
        self.to(to, true).into()
    }

    /// As [`forward`](Self::forward), but a full mailbox is an error.
    pub fn try_forward<A: MessageMethods>(self, to: &Addr<A>) -> A::Forward<'_, T> {
        self.to(to, false).into()
    }

    /// As [`forward`](Self::forward), with a message as a value. That the answer to it is a `T` is looked at when it is
    /// given: one of another type fails the ask.
    ///
    /// # Errors
    /// As [`Forward::send`].
    pub fn forward_message<A: Actor>(
        self,
        to: &Addr<A>,
        msg: A::Msg,
    ) -> Result<(), ForwardError<A::Msg, T>> {
        self.to(to, true).send(msg)
    }

    fn to<A: Actor>(self, to: &Addr<A>, wait: bool) -> Forward<'_, A, T> {
        Forward {
            to,
            reply: self,
            wait,
        }
    }
}

impl<A: Actor, T> Forward<'_, A, T> {
    /// Puts `msg` into the mailbox, with the port.
    ///
    /// # Errors
    /// [`ForwardError::Closed`] if the actor has ended, [`ForwardError::Full`] if this is not to wait and its mailbox is full,
    /// [`ForwardError::Deadlock`] if waiting for room would never end.
    ///
    /// If the actor waits, itself or through others, for the asker, who waits for the answer, then that would never come:
    /// the ask fails with [`AskError::Deadlock`](crate::AskError::Deadlock), and the message goes nowhere.
    pub fn send(self, msg: A::Msg) -> Result<(), ForwardError<A::Msg, T>> {
        park::check_stack();
        let cell = self.to.cell();
        let handed = self.reply.pass_on(|port| {
            port.hand_to(cell.header());
            if let Some(path) = waits::breaks_circle_of(&port) {
                port.fail(Failure::Deadlock(path));
                return Ok(());
            }
            let envelope = Envelope { msg, reply: port };
            let entered = delivery::deliver(cell, envelope, |lane, envelope| match self.wait {
                true => delivery::enter(cell, lane, envelope, Until::Deadline(None)),
                false => delivery::try_enter::<A>(lane, envelope),
            });
            entered.map_err(|(refused, port)| {
                port.leave_owner();
                (port, refused)
            })
        });
        match handed {
            Ok(()) => Ok(()),
            Err((reply, TellError::Closed(msg))) => Err(ForwardError::Closed(msg, reply)),
            Err((reply, TellError::Full(msg) | TellError::Timeout(msg))) => {
                Err(ForwardError::Full(msg, reply))
            }
            Err((reply, TellError::Deadlock { message, path })) => Err(ForwardError::Deadlock {
                message,
                reply,
                path,
            }),
        }
    }
}

impl<A: Actor, T> fmt::Debug for Forward<'_, A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward")
            .field("to", self.to)
            .field("reply", &self.reply)
            .finish()
    }
}

/// An ask could not be handed on. Each case gives back the message and the port: answer it, or hand it to somebody else.
#[non_exhaustive]
pub enum ForwardError<M, T> {
    /// The actor is dead, or was when the message would have entered its mailbox.
    Closed(M, ReplyTo<T>),
    /// The mailbox is full, and the operation does not wait.
    Full(M, ReplyTo<T>),
    /// The mailbox is full, and its actor waits for the one that hands on: waiting for room would never end.
    Deadlock {
        /// The message.
        message: M,
        /// The port.
        reply: ReplyTo<T>,
        /// Who waits for whom.
        path: WaitCycle,
    },
}

impl<M, T> ForwardError<M, T> {
    /// The message that was not delivered, and the port.
    pub fn into_parts(self) -> (M, ReplyTo<T>) {
        match self {
            Self::Closed(message, reply)
            | Self::Full(message, reply)
            | Self::Deadlock { message, reply, .. } => (message, reply),
        }
    }

    /// The port: the asker still waits.
    pub fn into_reply(self) -> ReplyTo<T> {
        self.into_parts().1
    }

    /// Whether the actor is dead: trying again is of no use.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(..))
    }
}

impl<M, T> fmt::Debug for ForwardError<M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(..) => "Closed(..)",
            Self::Full(..) => "Full(..)",
            Self::Deadlock { path, .. } => return write!(f, "Deadlock({path})"),
        })
    }
}

impl<M, T> fmt::Display for ForwardError<M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(..) => "the actor is dead",
            Self::Full(..) => "the actor's mailbox is full",
            Self::Deadlock { path, .. } => return deadlock(path, f),
        })
    }
}

impl<M, T> Error for ForwardError<M, T> {}
