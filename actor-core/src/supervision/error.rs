//! What a supervisor refuses, and why.

use std::fmt;
use std::sync::Arc;

use super::spec::SpecError;
use crate::actor::{Actor, Addr, ExitReason, WaitCycle, deadlock};

/// Why a supervisor did not do what it was asked.
///
/// Whatever was refused changed nothing: a refused start keeps no spec, a refused restart leaves the child stopped. The two
/// that need not be refusals are [`Declined`](Self::Declined), which keeps the spec, and [`Deadlock`](Self::Deadlock).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChildError {
    /// A child with this id is there and runs (or is being started again).
    AlreadyStarted,
    /// A child with this id is there, but stopped: restart it or delete it.
    AlreadyPresent,
    /// There is no such child.
    NotFound,
    /// The child runs: terminate it first.
    Running,
    /// The child is waiting to be started again: terminate it to cancel that.
    Restarting,
    /// The child did not start.
    StartFailed {
        /// The id of the child that failed. When a supervisor starts, this is the first of its children that did.
        id: Arc<str>,
        /// Why, as its factory or its start hook said.
        reason: ExitReason,
    },
    /// The child's factory declined: the child is left stopped, and can be restarted by hand; if it is temporary, it is
    /// forgotten.
    Declined,
    /// The child does not run.
    Stopped,
    /// The child is an actor of another type.
    WrongType {
        /// The type of its address.
        held: &'static str,
        /// The type asked for.
        wanted: &'static str,
    },
    /// The supervisor is dynamic: its children have no ids, and are started by its template. See
    /// [`DynamicSupervisor`](super::DynamicSupervisor).
    Dynamic,
    /// The supervisor is not dynamic.
    NotDynamic,
    /// The child spec is not valid.
    InvalidSpec(SpecError),
    /// The supervisor is stopping, or has stopped.
    ShuttingDown,
    /// The caller is an actor for which the supervisor waits, itself or through others: the answer would never come.
    ///
    /// If the call stood in line behind what the supervisor waits for, it changed nothing. If it is what the supervisor has
    /// begun to do (a child is to be stopped that waits for the caller, say), the supervisor goes on with that.
    Deadlock {
        /// Who waits for whom.
        path: WaitCycle,
    },
    /// The caller is an actor that may not wait for the answer: all of the system's stacks are in use. Nothing was asked.
    StackLimit,
}

impl fmt::Display for ChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyStarted => f.write_str("a child with this id is already running"),
            Self::AlreadyPresent => f.write_str("a child with this id is present, but stopped"),
            Self::NotFound => f.write_str("no such child"),
            Self::Running => f.write_str("the child is running"),
            Self::Restarting => f.write_str("the child is waiting to be started again"),
            Self::StartFailed { id, reason } => write!(f, "child `{id}` did not start: {reason}"),
            Self::Declined => f.write_str("the child's factory declined"),
            Self::Stopped => f.write_str("the child does not run"),
            Self::WrongType { held, wanted } => {
                write!(f, "the child's address is a `{held}`, not a `{wanted}`")
            }
            Self::Dynamic => f.write_str("a dynamic supervisor's children have no ids"),
            Self::NotDynamic => f.write_str("the supervisor is not dynamic"),
            Self::InvalidSpec(_) => f.write_str("invalid child spec"),
            Self::ShuttingDown => f.write_str("the supervisor is stopping"),
            Self::Deadlock { path } => deadlock(path, f),
            Self::StackLimit => f.write_str("all of the system's stacks are in use"),
        }
    }
}

impl std::error::Error for ChildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::InvalidSpec(error) => Some(error),
            _ => None,
        }
    }
}

impl From<SpecError> for ChildError {
    fn from(error: SpecError) -> Self {
        Self::InvalidSpec(error)
    }
}

/// Why [`DynamicSupervisor::start_children`](super::DynamicSupervisor::start_children) did not start all of them.
#[non_exhaustive]
pub struct BatchError<A: Actor> {
    /// Those that were started before that, in order. They run on.
    pub started: Vec<Addr<A>>,
    /// Why the next one was not.
    pub error: ChildError,
}

impl<A: Actor> fmt::Debug for BatchError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchError")
            .field("started", &self.started.len())
            .field("error", &self.error)
            .finish()
    }
}

impl<A: Actor> fmt::Display for BatchError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.started.len();
        write!(f, "the batch ended after {n} children: {}", self.error)
    }
}

impl<A: Actor> std::error::Error for BatchError<A> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
