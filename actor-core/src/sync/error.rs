//! How waits for a lock fail.

use std::error::Error;
use std::fmt;
use std::sync::PoisonError;

use crate::rt::wait::{Ended, Interrupt};

/// A wait ended without what it was for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum WaitError {
    /// The deadline has passed.
    TimedOut,
    /// The wait was interrupted.
    Interrupted(Interrupt),
}

impl From<Ended> for WaitError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::TimedOut => WaitError::TimedOut,
            Ended::Interrupted(why) => WaitError::Interrupted(why),
        }
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitError::TimedOut => f.write_str("the deadline has passed"),
            WaitError::Interrupted(why) => write!(f, "the wait was interrupted: {why}"),
        }
    }
}

impl Error for WaitError {}

/// Why a lock with a deadline was not taken cleanly. `G` is the guard.
#[non_exhaustive]
pub enum LockError<G> {
    /// The lock was taken, and a holder before has panicked; the guard is inside.
    Poisoned(PoisonError<G>),
    /// The deadline has passed, and the lock was not taken.
    TimedOut,
    /// The wait was interrupted, and the lock was not taken.
    Interrupted(Interrupt),
}

impl<G> From<Ended> for LockError<G> {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::TimedOut => LockError::TimedOut,
            Ended::Interrupted(why) => LockError::Interrupted(why),
        }
    }
}

impl<G> From<PoisonError<G>> for LockError<G> {
    fn from(poisoned: PoisonError<G>) -> Self {
        LockError::Poisoned(poisoned)
    }
}

impl<G> fmt::Debug for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Poisoned(_) => f.write_str("Poisoned(..)"),
            LockError::TimedOut => f.write_str("TimedOut"),
            LockError::Interrupted(why) => f.debug_tuple("Interrupted").field(why).finish(),
        }
    }
}

impl<G> fmt::Display for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Poisoned(_) => f.write_str("a holder of the lock panicked before"),
            LockError::TimedOut => f.write_str("the lock was not free before the deadline"),
            LockError::Interrupted(why) => write!(f, "the wait was interrupted: {why}"),
        }
    }
}

impl<G> Error for LockError<G> {}

/// Why [`Semaphore::acquire`](super::Semaphore::acquire) and its kin gave no permit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum AcquireError {
    /// The semaphore was closed.
    Closed,
    /// The deadline has passed.
    TimedOut,
    /// The wait was interrupted.
    Interrupted(Interrupt),
}

impl From<Ended> for AcquireError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::TimedOut => AcquireError::TimedOut,
            Ended::Interrupted(why) => AcquireError::Interrupted(why),
        }
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcquireError::Closed => f.write_str("the semaphore is closed"),
            AcquireError::TimedOut => f.write_str("no permits before the deadline"),
            AcquireError::Interrupted(why) => write!(f, "the wait was interrupted: {why}"),
        }
    }
}

impl Error for AcquireError {}

/// Why [`Semaphore::try_acquire`](super::Semaphore::try_acquire) and its kin gave no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum TryAcquireError {
    /// The semaphore was closed.
    Closed,
    /// There are too few permits, or others have been waiting for them.
    NoPermits,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryAcquireError::Closed => "the semaphore is closed",
            TryAcquireError::NoPermits => "too few permits; `acquire` waits for them",
        })
    }
}

impl Error for TryAcquireError {}
