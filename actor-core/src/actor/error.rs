//! What can go wrong with an actor: one error type for each operation.
//!
//! An error that stands for a message not handled gives it back (`into_message`): nothing is lost because a mailbox was
//! full or an actor dead. `Debug` and `Display` ask nothing of the message, which therefore need not be `Debug` for
//! `unwrap` and `?` to work. All of them may get more cases, and are `#[non_exhaustive]`.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::cycle::{WaitCycle, deadlock};
use super::exit::ExitReason;

/// A message could not be told to an actor. Each case gives the message back.
///
/// ```
/// # use actor_core::prelude::*;
/// # #[actor]
/// # struct Counter { n: u64 }
/// # #[actor]
/// # impl Counter {
/// #     pub fn add(&mut self, by: u64) { self.n += by }
/// # }
/// # let sys = System::new()?;
/// # let counter = sys.spawn(Counter { n: 0 })?;
/// # let mut later = Vec::new();
/// match counter.try_tell().add(2) {
///     Err(TellError::Full(message)) => later.push(message),
///     other => other?,
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
pub enum TellError<M> {
    /// The actor is dead, or was when the message would have entered its mailbox.
    Closed(M),
    /// The mailbox is full, and the operation does not wait: `try_tell`, `try_send`, or, if the actor's policy is
    /// [`WhenFull::Fail`](crate::WhenFull::Fail), any.
    Full(M),
    /// The mailbox stayed full until the deadline.
    Timeout(M),
    /// The mailbox is full, and its actor waits for the one that tells: waiting for room would never end.
    Deadlock {
        /// The message.
        message: M,
        /// Who waits for whom.
        path: WaitCycle,
    },
}

impl<M> TellError<M> {
    /// The message that was not delivered.
    pub fn into_message(self) -> M {
        match self {
            Self::Closed(message)
            | Self::Full(message)
            | Self::Timeout(message)
            | Self::Deadlock { message, .. } => message,
        }
    }

    /// The same error with the message in another form.
    pub fn map_message<N>(self, form: impl FnOnce(M) -> N) -> TellError<N> {
        match self {
            Self::Closed(message) => TellError::Closed(form(message)),
            Self::Full(message) => TellError::Full(form(message)),
            Self::Timeout(message) => TellError::Timeout(form(message)),
            Self::Deadlock { message, path } => TellError::Deadlock {
                message: form(message),
                path,
            },
        }
    }

    /// Whether the actor is dead: trying again is of no use.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

impl<M> fmt::Debug for TellError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "Closed(..)",
            Self::Full(_) => "Full(..)",
            Self::Timeout(_) => "Timeout(..)",
            Self::Deadlock { path, .. } => return write!(f, "Deadlock({path})"),
        })
    }
}

impl<M> fmt::Display for TellError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => CLOSED,
            Self::Full(_) => "the actor's mailbox is full",
            Self::Timeout(_) => "the actor's mailbox stayed full until the deadline",
            Self::Deadlock { path, .. } => return deadlock(path, f),
        })
    }
}

impl<M> Error for TellError<M> {}

/// There is nobody to receive the answer; it is given back. From [`ReplyTo::send`](crate::ReplyTo::send).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NoAsker<T>(pub T);

impl<T> fmt::Debug for NoAsker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoAsker(..)")
    }
}

impl<T> fmt::Display for NoAsker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody waits for the answer")
    }
}

impl<T> Error for NoAsker<T> {}

/// An ask got no answer, or the handler's answer was an error.
///
/// `E` is the error of a handler that returns a `Result`: an ask of it gives `Ok` for its `Ok` and
/// [`Handler`](Self::Handler) for its `Err`, so that one `?` serves for both. For other handlers `E` is [`Infallible`].
///
/// ```
/// # use actor_core::prelude::*;
/// # #[derive(Debug)]
/// # struct Broke;
/// # impl std::fmt::Display for Broke {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("broke") }
/// # }
/// # impl std::error::Error for Broke {}
/// # #[actor]
/// # struct Account { balance: i64 }
/// # #[actor]
/// # impl Account {
/// #     pub fn withdraw(&mut self, n: i64) -> Result<i64, Broke> {
/// #         self.balance = self.balance.checked_sub(n).filter(|left| *left >= 0).ok_or(Broke)?;
/// #         Ok(self.balance)
/// #     }
/// # }
/// # let sys = System::new()?;
/// # let account = sys.spawn(Account { balance: 5 })?;
/// match account.ask().withdraw(3) {
///     Ok(left) => println!("{left} left"),
///     Err(AskError::Handler(Broke)) => println!("no money"),
///     Err(other) => return Err(other.into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
pub enum AskError<M, E = Infallible> {
    /// The actor is dead, or was when the message would have entered its mailbox. It was not handled.
    Closed(M),
    /// The mailbox is full, or stayed so until the deadline. The message was not handled.
    Full(M),
    /// The asking handler would have to keep its stack while it waits, and as many stacks are in use as the system allows
    /// (`max_stacks`). The message was not sent.
    StackLimit(M),
    /// The message was accepted, but there was no answer by the deadline. It may have been handled, or may yet be.
    Timeout,
    /// The mailbox was full, and its policy ([`WhenFull::DropOldest`](crate::WhenFull::DropOldest)) gave the place of the
    /// message to a newer one. It was not handled.
    Displaced,
    /// The handler answered with this error.
    Handler(E),
    /// The message was accepted, and there will be no answer: the actor died before or in the handler, for the reason
    /// given if it is known, or the handler let the reply port go.
    NoReply(Option<ExitReason>),
    /// The actor waits, itself or through others, for the one that asks: waiting for its answer would never end.
    Deadlock {
        /// The message, if it was not accepted. It was, if the wait came after the request, or if another actor has handed
        /// the message on to one that waits for the asker; it may yet be handled then.
        message: Option<M>,
        /// Who waits for whom.
        path: WaitCycle,
    },
}

impl<M, E> AskError<M, E> {
    /// The message, if it never reached the actor.
    pub fn into_message(self) -> Option<M> {
        match self {
            Self::Closed(message) | Self::Full(message) | Self::StackLimit(message) => {
                Some(message)
            }
            Self::Deadlock { message, .. } => message,
            Self::Timeout | Self::Displaced | Self::Handler(_) | Self::NoReply(_) => None,
        }
    }

    /// The same error with the message, if it is there, in another form.
    pub fn map_message<N>(self, form: impl FnOnce(M) -> N) -> AskError<N, E> {
        match self {
            Self::Closed(message) => AskError::Closed(form(message)),
            Self::Full(message) => AskError::Full(form(message)),
            Self::StackLimit(message) => AskError::StackLimit(form(message)),
            Self::Timeout => AskError::Timeout,
            Self::Displaced => AskError::Displaced,
            Self::Handler(error) => AskError::Handler(error),
            Self::NoReply(reason) => AskError::NoReply(reason),
            Self::Deadlock { message, path } => AskError::Deadlock {
                message: message.map(form),
                path,
            },
        }
    }

    /// The handler's own error, if it is one.
    pub fn into_handler(self) -> Option<E> {
        match self {
            Self::Handler(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the actor was dead before the message reached it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// Whether the deadline passed with the message in the actor's hands.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout)
    }
}

impl<M, E: fmt::Debug> fmt::Debug for AskError<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(_) => f.write_str("Closed(..)"),
            Self::Full(_) => f.write_str("Full(..)"),
            Self::StackLimit(_) => f.write_str("StackLimit(..)"),
            Self::Timeout => f.write_str("Timeout"),
            Self::Displaced => f.write_str("Displaced"),
            Self::Handler(error) => f.debug_tuple("Handler").field(error).finish(),
            Self::NoReply(reason) => f.debug_tuple("NoReply").field(reason).finish(),
            Self::Deadlock { path, .. } => write!(f, "Deadlock({path})"),
        }
    }
}

impl<M, E> fmt::Display for AskError<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(_) => f.write_str(CLOSED),
            Self::Full(_) => f.write_str("the actor's mailbox is full"),
            Self::StackLimit(_) => f.write_str(
                "all of the system's stacks are in use; raise `max_stacks`, or block in fewer handlers at once",
            ),
            Self::Timeout => f.write_str("no answer by the deadline"),
            Self::Displaced => f.write_str("the actor's mailbox was full, and a newer message took the place"),
            // The error itself is the `source`, and a chain shows it there.
            Self::Handler(_) => f.write_str("the handler answered with an error"),
            Self::NoReply(None) => f.write_str("the actor let the message go without an answer"),
            Self::NoReply(Some(reason)) => write!(f, "no answer, for the actor {reason}"),
            Self::Deadlock { path, .. } => deadlock(path, f),
        }
    }
}

impl<M, E: Error + 'static> Error for AskError<M, E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Handler(error) => Some(error),
            _ => None,
        }
    }
}

const CLOSED: &str = "the actor is dead";

/// An actor's `#[on_start]` hook refused to start it. The text is the hook's error, displayed.
///
/// ```
/// use actor_core::StartError;
///
/// assert_eq!(StartError::new("no disk").to_string(), "no disk");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartError {
    why: Arc<str>,
}

impl StartError {
    /// From the error of the hook.
    pub fn new(why: impl fmt::Display) -> Self {
        Self {
            why: why.to_string().into(),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Error for StartError {}

impl From<StartError> for ExitReason {
    fn from(error: StartError) -> Self {
        Self::Failed(error.why)
    }
}

/// An actor's `#[on_move]` hook did not let it go to another node. The text is the hook's error, displayed.
///
/// ```
/// use actor_core::StayError;
///
/// assert_eq!(StayError::new("three calls are open").to_string(), "three calls are open");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StayError {
    why: Arc<str>,
}

impl StayError {
    /// From the error of the hook.
    pub fn new(why: impl fmt::Display) -> Self {
        Self {
            why: why.to_string().into(),
        }
    }
}

impl fmt::Display for StayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Error for StayError {}

/// An actor or microthread could not be spawned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpawnError {
    /// There are as many stacks as the system was given. Actors with message methods only need one while they run.
    StackLimit {
        /// That many.
        limit: usize,
    },
    /// The system is shutting down, and starts nothing any more.
    ShuttingDown,
    /// The name is in use.
    NameTaken(NameTaken),
    /// The actor's `#[on_start]` hook refused.
    Start(StartError),
    /// The actor's `#[on_start]` hook waits, itself or through others, for the actor that spawns it. It is killed.
    Deadlock(WaitCycle),
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StackLimit { limit } => {
                write!(f, "all of the system's {limit} stacks are in use")
            }
            Self::ShuttingDown => f.write_str("the system is shutting down"),
            Self::NameTaken(_) => f.write_str("an actor cannot be registered by that name"),
            Self::Start(_) => f.write_str("the actor did not start"),
            Self::Deadlock(path) => deadlock(path, f),
        }
    }
}

impl Error for SpawnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NameTaken(error) => Some(error),
            Self::Start(error) => Some(error),
            Self::StackLimit { .. } | Self::ShuttingDown | Self::Deadlock(_) => None,
        }
    }
}

impl From<NameTaken> for SpawnError {
    fn from(error: NameTaken) -> Self {
        Self::NameTaken(error)
    }
}

impl From<StartError> for SpawnError {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

/// A live actor is registered by that name already.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameTaken {
    /// The name.
    pub name: Arc<str>,
    /// The id of the actor that has it.
    pub holder: u64,
}

impl NameTaken {
    /// That `holder` is registered as `name`.
    pub fn new(name: impl Into<Arc<str>>, holder: u64) -> Self {
        Self {
            name: name.into(),
            holder,
        }
    }
}

impl fmt::Display for NameTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the name {:?} is taken by actor {}",
            self.name, self.holder
        )
    }
}

impl Error for NameTaken {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Neither `Debug` nor `Clone`, as a message may be.
    struct Message(u8);

    #[test]
    fn a_tell_error_gives_the_message_back() {
        for (n, error) in [
            TellError::Closed(Message(0)),
            TellError::Full(Message(1)),
            TellError::Timeout(Message(2)),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(usize::from(error.into_message().0), n);
        }
    }

    #[test]
    fn an_ask_error_gives_back_a_message_that_was_not_accepted() {
        let full: AskError<Message> = AskError::Full(Message(7));
        assert_eq!(full.into_message().map(|m| m.0), Some(7));
        let late: AskError<Message> = AskError::Timeout;
        assert!(late.into_message().is_none());
    }

    #[test]
    fn the_handlers_error_is_the_source() {
        let inner = StartError::new("broke");
        let error: AskError<Message, _> = AskError::Handler(inner.clone());
        assert_eq!(
            error.source().map(ToString::to_string),
            Some(inner.to_string())
        );
        assert_eq!(error.into_handler(), Some(inner));
    }

    #[test]
    fn errors_are_shown_without_a_bound_on_the_message() {
        let error: AskError<Message> = AskError::NoReply(Some(ExitReason::Killed));
        assert_eq!(error.to_string(), "no answer, for the actor killed");
        assert_eq!(format!("{error:?}"), "NoReply(Some(Killed))");
        assert_eq!(format!("{:?}", TellError::Full(Message(0))), "Full(..)");
    }
}

/// Why an inbox gives no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum RecvError {
    /// The actor has been asked to stop.
    Closed,
    /// The caller is not the actor whose inbox it is; or it is the closure of a selective receive, which looks at one message.
    NotOwner,
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the actor has been asked to stop",
            Self::NotOwner => "only the actor itself receives from its inbox",
        })
    }
}

impl Error for RecvError {}

/// Why an inbox gives no message now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum TryRecvError {
    /// There is none, or none came in time.
    Empty,
    /// The actor has been asked to stop.
    Closed,
    /// The caller is not the actor whose inbox it is; or it is the closure of a selective receive, which looks at one message.
    NotOwner,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no message has come"),
            Self::Closed => RecvError::Closed.fmt(f),
            Self::NotOwner => RecvError::NotOwner.fmt(f),
        }
    }
}

impl Error for TryRecvError {}
