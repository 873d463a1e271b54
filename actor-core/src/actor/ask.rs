//! Asks: a message, and a wait for its answer.

use std::time::{Duration, Instant};

use crate::rt::header::Header;
use crate::rt::park::{self, Parker};
use crate::rt::wait;
use crate::rt::worker::Worker;

use super::delivery::Until;
use super::error::{AskError, TellError};
use super::reply::{self, Failure, Port, Receiver, ReplyError};
use super::waits::{Waiter, Waiting};

/// An ask of `to`, to whom `push` leads. Inlined up to the calls that users make, as what switches stacks is.
#[inline(always)]
pub(super) fn ask_by<M, T: Send + 'static, E>(
    to: &Header,
    msg: M,
    within: Option<Duration>,
    push: impl FnOnce(M, Port, &'static Parker, Until<'_>) -> Result<(), TellError<M>>,
) -> Result<T, AskError<M, E>> {
    let deadline = within.and_then(wait::after);
    if !may_block() {
        return Err(AskError::StackLimit(msg));
    }
    let asker = park::current();
    let (reply, mut receiver) = reply::slot_waiting_at::<T>(asker);
    reply.hand_to(to);
    let waiting = match deadline {
        None => Waiter::at(asker).map(|waiter| waiter.waits_for(receiver.as_raw())),
        Some(_) => None,
    };
    let until = match &waiting {
        Some(waiting) => Until::Answered(waiting),
        None => Until::Deadline(deadline),
    };
    push(msg, reply, asker, until).map_err(undelivered)?;
    if let Some(answer) = receiver.take_sent() {
        return Ok(answer);
    }
    wait_for_answer(receiver, waiting, deadline).map_err(no_answer)
}

#[inline(never)]
fn wait_for_answer<T: Send + 'static>(
    mut receiver: Receiver<T>,
    waiting: Option<Waiting>,
    deadline: Option<Instant>,
) -> Result<T, ReplyError> {
    match waiting {
        Some(_waiting) => receiver.wait_until(None),
        None => receiver.wait(deadline),
    }
}

/// Whether the caller may block without going beyond the stack limit.
#[inline]
fn may_block() -> bool {
    Worker::with(|worker| worker.is_none_or(Worker::may_wait))
}

#[cold]
pub(super) fn undelivered<M, E>(error: TellError<M>) -> AskError<M, E> {
    match error {
        TellError::Closed(msg) => AskError::Closed(msg),
        TellError::Full(msg) | TellError::Timeout(msg) => AskError::Full(msg),
        TellError::Deadlock { message, path } => AskError::Deadlock {
            message: Some(message),
            path,
        },
    }
}

#[cold]
pub(super) fn no_answer<M, E>(error: ReplyError) -> AskError<M, E> {
    match error {
        ReplyError::Timeout => AskError::Timeout,
        ReplyError::NoReply(Failure::Deadlock(path)) => AskError::Deadlock {
            message: None,
            path,
        },
        ReplyError::NoReply(Failure::Displaced) => AskError::Displaced,
        ReplyError::NoReply(failure) => AskError::NoReply(failure.exit_reason()),
    }
}
