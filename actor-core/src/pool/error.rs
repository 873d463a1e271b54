//! Why nobody was routed to.

use std::error::Error;
use std::fmt;

/// A message found no actor to take it. It is in here.
#[non_exhaustive]
pub enum RouteError<M> {
    /// Nobody is there: no members, or all of them have ended.
    Nobody(M),
    /// All mailboxes are full, and the operation does not wait.
    Full(M),
}

impl<M> RouteError<M> {
    /// The message.
    pub fn into_message(self) -> M {
        match self {
            Self::Nobody(message) | Self::Full(message) => message,
        }
    }
}

impl<M> fmt::Debug for RouteError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody(_) => "Nobody(..)",
            Self::Full(_) => "Full(..)",
        })
    }
}

impl<M> fmt::Display for RouteError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody(_) => NOBODY,
            Self::Full(_) => "all mailboxes are full",
        })
    }
}

impl<M> Error for RouteError<M> {}

/// Nobody is there to be picked: no members, or all of them have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nobody;

impl fmt::Display for Nobody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NOBODY)
    }
}

impl Error for Nobody {}

const NOBODY: &str = "nobody is there to take the message";
