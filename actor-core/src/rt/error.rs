//! How spawning, joining and ending fail.

use std::any::Any;
use std::error::Error;
use std::fmt;

use super::throw::Thrown;
use super::wait::Interrupt;

/// Why a microthread could not be spawned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpawnError {
    /// As many stacks are in use as the runtime allows (`Builder::max_stacks`).
    StackLimit {
        /// The limit.
        limit: usize,
    },
    /// The runtime is ending; nothing new starts.
    ShuttingDown,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpawnError::StackLimit { limit } => write!(
                f,
                "the limit of {limit} stacks is reached; raise it with `max_stacks`, or let blocked microthreads end first"
            ),
            SpawnError::ShuttingDown => f.write_str("the runtime is shutting down"),
        }
    }
}

impl Error for SpawnError {}

/// Why a microthread gave no result.
#[non_exhaustive]
pub enum JoinError {
    /// It panicked; this is the panic's payload.
    Panicked(Box<dyn Any + Send>),
    /// It was killed.
    Killed,
    /// It ran out of stack. At a call into this crate it was unwound in time; elsewhere it hit the end of its stack and was
    /// abandoned with everything on it (see [`OnOverflow`](crate::OnOverflow)).
    Overflowed,
    /// It never started, because the runtime ended.
    Shutdown,
    /// It never started, because this was thrown into it before.
    Thrown(Thrown),
    /// The wait for it was interrupted; it goes on. Only where a [local scheduler](crate::local) runs it.
    Interrupted(Interrupt),
    /// It could not start, as there is no stack for it. The text says which limit is reached. Only of a
    /// [local scheduler](crate::local).
    NoStack(String),
}

impl JoinError {
    /// The panic's message, if it panicked with one.
    pub fn message(&self) -> Option<&str> {
        match self {
            JoinError::Panicked(payload) => Some(panic_message(&**payload)),
            _ => None,
        }
    }

    /// Goes on unwinding with the panic's payload, if it panicked.
    ///
    /// # Panics
    /// Always: with the payload, or naming the error.
    pub fn resume(self) -> ! {
        match self {
            JoinError::Panicked(payload) => std::panic::resume_unwind(payload),
            other => panic!("{other}"),
        }
    }
}

/// The text of a panic's payload, as far as it has one.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic whose payload is not a string"
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Panicked(payload) => f
                .debug_tuple("Panicked")
                .field(&panic_message(&**payload))
                .finish(),
            JoinError::Killed => f.write_str("Killed"),
            JoinError::Overflowed => f.write_str("Overflowed"),
            JoinError::Shutdown => f.write_str("Shutdown"),
            JoinError::Thrown(thrown) => thrown.fmt(f),
            JoinError::Interrupted(interrupt) => {
                f.debug_tuple("Interrupted").field(interrupt).finish()
            }
            JoinError::NoStack(limit) => f.debug_tuple("NoStack").field(limit).finish(),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Panicked(payload) => {
                write!(f, "the microthread panicked: {}", panic_message(&**payload))
            }
            JoinError::Killed => f.write_str("the microthread was killed"),
            JoinError::Overflowed => f.write_str("the microthread overflowed its stack"),
            JoinError::Shutdown => {
                f.write_str("the runtime ended before the microthread could start")
            }
            JoinError::Thrown(thrown) => {
                write!(f, "the microthread did not start: {thrown}")
            }
            JoinError::Interrupted(interrupt) => {
                write!(
                    f,
                    "the wait for the microthread was interrupted: {interrupt}"
                )
            }
            JoinError::NoStack(limit) => write!(f, "the microthread could not start: {limit}"),
        }
    }
}

impl Error for JoinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            JoinError::Thrown(thrown) => thrown.source(),
            JoinError::Interrupted(interrupt) => Some(interrupt),
            _ => None,
        }
    }
}

/// A runtime cannot be shut down from one of its own microthreads, which would wait for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownFromInside;

impl fmt::Display for ShutdownFromInside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a runtime cannot be shut down from inside one of its own microthreads; return to the thread that built it",
        )
    }
}

impl Error for ShutdownFromInside {}
