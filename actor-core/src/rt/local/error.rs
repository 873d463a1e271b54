//! Why something cannot be done with a microthread in the state it is in.

use std::error::Error;
use std::fmt;

use crate::rt::throw::Thrown;
use crate::rt::wait::Interrupt;

/// Why a microthread could not be inserted, removed, run or bound.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateError {
    /// It has ended, or was never bound to a function.
    Dead,
    /// It is blocked: on a channel, a lock, a deadline. Only what it waits for makes it ready, or a kill or throw.
    Blocked,
    /// It is the one that runs.
    Current,
    /// It has something to run already, and can be bound to nothing else.
    Alive,
    /// It has started, and its stack belongs to its scheduler: only one that has not started can move.
    Started,
    /// It waits in a nested `run`.
    Running,
    /// Its scheduler is gone.
    NoScheduler,
    /// No scheduler runs the caller: this can only be done from inside.
    Outside,
    /// Switching is not allowed here, or an error was thrown into the caller while others ran.
    Refused(Interrupt),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StateError::Dead => "the microthread is dead: bind it first",
            StateError::Blocked => "the microthread is blocked",
            StateError::Current => "the microthread is the current one",
            StateError::Alive => "the microthread is alive: it is bound already",
            StateError::Started => {
                "the microthread has started: its stack stays with its scheduler"
            }
            StateError::Running => "the microthread waits in a nested run",
            StateError::NoScheduler => "the microthread's scheduler is gone",
            StateError::Outside => "called outside the scheduler's microthreads",
            StateError::Refused(interrupt) => return interrupt.fmt(f),
        })
    }
}

impl Error for StateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            StateError::Refused(interrupt) => interrupt.source(),
            _ => None,
        }
    }
}

impl From<Interrupt> for StateError {
    fn from(interrupt: Interrupt) -> Self {
        StateError::Refused(interrupt)
    }
}

/// An error that could not be thrown into a microthread, which comes back.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ThrowError {
    /// It has ended.
    Dead(Thrown),
    /// It had not started. It never will: its body is dropped.
    NotStarted(Thrown),
    /// Its scheduler is gone, and so is the microthread.
    NoScheduler(Thrown),
}

impl ThrowError {
    /// The error that was to be thrown.
    pub fn into_inner(self) -> Thrown {
        match self {
            ThrowError::Dead(thrown)
            | ThrowError::NotStarted(thrown)
            | ThrowError::NoScheduler(thrown) => thrown,
        }
    }
}

impl fmt::Display for ThrowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (why, thrown) = match self {
            ThrowError::Dead(thrown) => ("has ended", thrown),
            ThrowError::NotStarted(thrown) => ("had not started", thrown),
            ThrowError::NoScheduler(thrown) => ("has lost its scheduler", thrown),
        };
        write!(f, "thrown into a microthread that {why}: {thrown}")
    }
}

impl Error for ThrowError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ThrowError::Dead(thrown)
            | ThrowError::NotStarted(thrown)
            | ThrowError::NoScheduler(thrown) => Some(thrown),
        }
    }
}
