//! An answer that is still to come.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::ask::no_answer;
use super::error::AskError;
use super::reply::{Failure, Receiver, ReplyError};
use super::waits;
use crate::rt::wait::after;

/// The answer to a request: wait for it, or `.await` it.
///
/// Dropping it gives the answer up; the message is handled all the same.
///
/// ```
/// use actor_core::prelude::*;
///
/// #[actor]
/// struct Square;
///
/// #[actor]
/// impl Square {
///     pub fn of(&mut self, n: u64) -> u64 {
///         n * n
///     }
/// }
///
/// let sys = System::new()?;
/// let (a, b) = (sys.spawn(Square)?, sys.spawn(Square)?);
/// let (x, y) = (a.request().of(3), b.request().of(4)); // both at work
/// assert_eq!(x.wait()? + y.wait()?, 25);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "an answer nobody waits for is dropped; use `tell` if none is wanted"]
pub struct Pending<T, M, E = Infallible> {
    state: State<T, M, E>,
}

enum State<T, M, E> {
    Plain(Receiver<T>),
    Fallible(Receiver<Result<T, E>>),
    /// The message was not delivered.
    Failed(Option<AskError<M, E>>),
}

impl<T, M, E> Unpin for Pending<T, M, E> {}

impl<T, M, E> fmt::Debug for Pending<T, M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

impl<T: Send + 'static, M> Pending<T, M> {
    pub(super) fn plain(sent: Result<Receiver<T>, AskError<M>>) -> Self {
        Pending {
            state: match sent {
                Ok(receiver) => State::Plain(receiver),
                Err(error) => State::Failed(Some(error)),
            },
        }
    }
}

impl<T: Send + 'static, M, E: Send + 'static> Pending<T, M, E> {
    pub(super) fn fallible(sent: Result<Receiver<Result<T, E>>, AskError<M, E>>) -> Self {
        Pending {
            state: match sent {
                Ok(receiver) => State::Fallible(receiver),
                Err(error) => State::Failed(Some(error)),
            },
        }
    }

    /// Waits for the answer. Parks the calling microthread, or blocks the calling thread.
    ///
    /// # Errors
    /// [`AskError::Handler`] if the handler answered with an error; [`AskError::NoReply`] if there will be no answer;
    /// [`AskError::Closed`], with the message, if it never reached the actor; [`AskError::Deadlock`] if the caller is an
    /// actor that the one with the message waits for.
    pub fn wait(mut self) -> Result<T, AskError<M, E>> {
        self.wait_until(None)
    }

    /// As [`wait`](Self::wait), for at most `timeout`; after [`AskError::Timeout`] it can be waited for again.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), and [`AskError::Timeout`].
    pub fn wait_for(&mut self, timeout: Duration) -> Result<T, AskError<M, E>> {
        self.wait_until(after(timeout))
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Result<T, AskError<M, E>> {
        match &mut self.state {
            State::Plain(receiver) => wait(receiver, deadline).map_err(no_answer),
            State::Fallible(receiver) => wait(receiver, deadline)
                .map_err(no_answer)?
                .map_err(AskError::Handler),
            State::Failed(error) => Err(error.take().unwrap_or(AskError::NoReply(None))),
        }
    }

    /// Ends the wait: [`AskError::Timeout`], unless the answer has come before.
    pub(super) fn leave(self) -> Result<T, AskError<M, E>> {
        let lost = |failure: Failure| no_answer(ReplyError::NoReply(failure));
        match self.state {
            State::Plain(mut receiver) => match receiver.leave() {
                Some(outcome) => outcome.map_err(lost),
                None => Err(AskError::Timeout),
            },
            State::Fallible(mut receiver) => match receiver.leave() {
                Some(outcome) => outcome.map_err(lost)?.map_err(AskError::Handler),
                None => Err(AskError::Timeout),
            },
            State::Failed(error) => Err(error.unwrap_or(AskError::NoReply(None))),
        }
    }

    /// The answer, if it has come. After that it is gone.
    pub fn try_take(&mut self) -> Option<Result<T, AskError<M, E>>> {
        let lost = |failure: Failure| no_answer(ReplyError::NoReply(failure));
        match &mut self.state {
            State::Plain(receiver) => receiver.try_take().map(|taken| taken.map_err(lost)),
            State::Fallible(receiver) => receiver.try_take().map(|taken| match taken {
                Ok(answer) => answer.map_err(AskError::Handler),
                Err(failure) => Err(lost(failure)),
            }),
            State::Failed(error) => error.take().map(Err),
        }
    }
}

impl<T: Send + 'static, M, E: Send + 'static> Future for Pending<T, M, E> {
    type Output = Result<T, AskError<M, E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let lost = |failure: Failure| no_answer(ReplyError::NoReply(failure));
        match &mut self.state {
            State::Plain(receiver) => Pin::new(receiver)
                .poll(cx)
                .map(|answer| answer.map_err(lost)),
            State::Fallible(receiver) => Pin::new(receiver).poll(cx).map(|answer| match answer {
                Ok(answer) => answer.map_err(AskError::Handler),
                Err(failure) => Err(lost(failure)),
            }),
            State::Failed(error) => {
                Poll::Ready(Err(error.take().unwrap_or(AskError::NoReply(None))))
            }
        }
    }
}

/// Waits. An actor that does so without a deadline has an edge meanwhile (`waits`).
fn wait<T: Send + 'static>(
    receiver: &mut Receiver<T>,
    deadline: Option<Instant>,
) -> Result<T, ReplyError> {
    receiver.run_queued();
    let waiter = waits::here().filter(|_| deadline.is_none());
    let Some(waiter) = waiter else {
        return receiver.wait_until(deadline);
    };
    if let Some(outcome) = receiver.begin_wait() {
        return outcome.map_err(ReplyError::NoReply);
    }
    let waiting = waiter.waits_for(receiver.as_raw());
    if let Some(path) = waiting.circle() {
        let outcome = receiver.give_up();
        return outcome
            .unwrap_or(Err(Failure::Deadlock(path)))
            .map_err(ReplyError::NoReply);
    }
    receiver.wait_until(None)
}
