//! Answers that are carried: from where the message was handled, to where somebody waits for them.

use std::fmt;

use super::addr::Addr;
use super::cell::Envelope;
use super::delivery::Until;
use super::reply::{self, Failure, Port, ReplyError};
use super::traits::Actor;
use super::unhandled::account;
use crate::observe::DeadReason;

/// What the answer to one message is waited for with.
pub struct Expected<R> {
    port: Port,
    wait: Box<dyn FnOnce() -> Option<R> + Send>,
}

impl<R: 'static> Expected<R> {
    /// For an answer of type `T`.
    pub fn new<T: Send + 'static>(make: fn(T) -> R) -> Self {
        let (port, receiver) = reply::slot::<T>();
        Expected {
            port,
            wait: Box::new(move || match receiver.wait(None) {
                Ok(value) => Some(make(value)),
                Err(ReplyError::NoReply(_) | ReplyError::Timeout) => None,
            }),
        }
    }

    /// As one of another type.
    pub fn map<S: 'static>(self, make: fn(R) -> S) -> Expected<S> {
        let Expected { port, wait } = self;
        Expected {
            port,
            wait: Box::new(move || wait().map(make)),
        }
    }

    /// The port for the message, and the wait: `None` if there is no answer.
    pub(crate) fn split(self) -> (Port, Box<dyn FnOnce() -> Option<R> + Send>) {
        (self.port, self.wait)
    }
}

impl<R> fmt::Debug for Expected<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected").finish_non_exhaustive()
    }
}

/// Who waits for the answer to a message that has gone elsewhere. Dropped, it learns that there is none.
#[derive(Debug)]
pub struct Asker(Port);

impl Asker {
    pub(crate) fn new(port: Port) -> Self {
        port.leave_owner();
        Asker(port)
    }

    /// Answers. Nobody may wait any more.
    pub fn send<T: Send + 'static>(self, value: T) {
        let _ = self.0.send(value);
    }

    /// There will be no answer.
    pub(crate) fn fail(self) {
        self.0.fail(Failure::Dropped);
    }
}

impl<A: Actor> Addr<A> {
    /// Puts a message that came from elsewhere into the mailbox, with the port of whoever waits for the answer.
    pub(crate) fn deliver(&self, msg: A::Msg, port: Port) {
        port.hand_to(self.cell().header());
        let asked = port.is_some();
        if let Err(error) = self.push(msg, port, Until::Deadline(None))
            && !asked
        {
            self.is_undeliverable(error.into_message(), Port::none());
        }
    }

    /// Accounts for a message that has no way to where the actor is now.
    pub(crate) fn is_undeliverable(&self, msg: A::Msg, reply: Port) {
        let envelope = Envelope { msg, reply };
        account(
            self.cell(),
            envelope,
            DeadReason::NoWay,
            Some(Failure::Dead),
        );
    }
}
