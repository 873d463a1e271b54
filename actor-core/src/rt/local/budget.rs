//! How long a run may take, and how it ended.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::rt::wait::Interrupt;

use super::handle::TaskletRef;
use super::task::Task;

/// How much a [`Scheduler::run_for`](super::Scheduler::run_for) may use, and what happens when that is used up.
///
/// Native code can be interrupted only where it calls the scheduler: at *scheduling points*, which are
/// [`checkpoint`](crate::microthread::checkpoint), about every sixty-fourth pass of a
/// [`#[preemptible]`](macro@crate::preemptible) loop, and every switch. So a budget is counted in these, or in time looked at
/// there (not at each one while they come fast), and code that never reaches one is not interrupted. Where a slice has taken
/// more than twice its time, a `tracing` event names the microthread.
///
/// By default the budget is for each *slice*, which begins anew at every switch: microthreads that always yield
/// sooner are never interrupted, and the run ends when nothing is ready. [`total`](Self::total) makes it one for the whole
/// run.
///
/// ```
/// use actor_core::local::{Budget, Outcome, Scheduler, schedule};
///
/// let sched = Scheduler::new();
/// let _endless = sched.spawn(|| while schedule().is_ok() {});
/// // A frame of a game: a thousand scheduling points, then draw.
/// let outcome = sched.run_for(Budget::points(1000).total().soft())?;
/// assert!(matches!(outcome, Outcome::Expired));
/// # Ok::<(), actor_core::local::RunError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a budget does nothing until it is passed to `run_for`"]
pub struct Budget {
    pub(super) points: Option<u64>,
    pub(super) time: Option<Duration>,
    pub(super) total: bool,
    pub(super) soft: bool,
}

impl Budget {
    /// So many scheduling points.
    pub fn points(points: u64) -> Self {
        Budget {
            points: Some(points),
            time: None,
            total: false,
            soft: false,
        }
    }

    /// So much time.
    pub fn time(time: Duration) -> Self {
        Budget {
            points: None,
            time: Some(time),
            total: false,
            soft: false,
        }
    }

    /// At most so much time as well: whichever is used up first.
    pub fn and_time(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// For the whole run instead of for each slice.
    pub fn total(mut self) -> Self {
        self.total = true;
        self
    }

    /// Nobody is interrupted: the run ends at the next switch after the budget is used up, and everybody stays scheduled.
    /// Not at the switch of a channel's hand-over, but at the one after it.
    pub fn soft(mut self) -> Self {
        self.soft = true;
        self
    }
}

/// How a run ended that did not fail.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing is ready any more. Microthreads may be blocked or paused.
    Done,
    /// The budget was used up, and this microthread taken off the ring: it is paused, and goes on where it is once it is
    /// inserted again. If this is its last handle, dropping it kills the microthread.
    Interrupted(TaskletRef),
    /// The budget was soft and used up; everybody is where they were.
    Expired,
}

/// A microthread panicked (or ran out of stack, or ended by an error thrown into it), and nobody handled that: the run ended,
/// the others stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncaught {
    pub(super) id: u64,
    pub(super) name: Option<String>,
    pub(super) message: String,
}

impl Uncaught {
    pub(super) fn new(task: &Task, message: String) -> Self {
        Uncaught {
            id: task.header.id(),
            name: task.name.as_deref().map(Into::into),
            message,
        }
    }

    /// The id of the microthread that panicked.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its name, if it had one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What it panicked with, if that was a message, or else what happened.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Uncaught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Uncaught { id, name, message } = self;
        match name {
            Some(name) => write!(f, "microthread {name}#{id} panicked: {message}"),
            None => write!(f, "microthread #{id} panicked: {message}"),
        }
    }
}

impl Error for Uncaught {}

/// Why a run ended before nothing was ready any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunError {
    /// A microthread panicked.
    Uncaught(Uncaught),
    /// There is no stack for a microthread that is to start; it stays where it is in the ring. The text says which limit.
    NoStack(String),
    /// Nothing was run: called from a hook of the scheduler's or where switching is trapped ([`Interrupt::SwitchTrap`]), or
    /// while a panic unwinds ([`Interrupt::Unwinding`]).
    Refused(Interrupt),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Uncaught(uncaught) => uncaught.fmt(f),
            RunError::NoStack(limit) => write!(f, "a microthread could not start: {limit}"),
            RunError::Refused(interrupt) => {
                write!(f, "a scheduler cannot be run here: {interrupt}")
            }
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RunError::Refused(interrupt) => Some(interrupt),
            RunError::Uncaught(_) | RunError::NoStack(_) => None,
        }
    }
}

impl From<Interrupt> for RunError {
    fn from(interrupt: Interrupt) -> Self {
        RunError::Refused(interrupt)
    }
}

impl From<Uncaught> for RunError {
    fn from(uncaught: Uncaught) -> Self {
        RunError::Uncaught(uncaught)
    }
}

/// What a run gives.
pub(super) type RunResult = Result<Outcome, RunError>;
