//! What can go wrong with snapshots.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::actor::{SpawnError, SysError};
use crate::image::{DecodeError, EncodeError};
use crate::microthread::Interrupt;
use crate::store::StoreError;

/// Why no snapshot was taken. The actor goes on in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The actor has ended, or did before it came to this; or it is between two lives.
    Dead,
    /// The actor has its own stack, and its state on it.
    OwnStack,
    /// The caller is the actor itself, whose handler would have to return first.
    Itself,
    /// The deadline passed first.
    Timeout,
    /// The caller's wait was interrupted.
    Interrupted(Interrupt),
    /// The code that writes the state or a message has panicked, with this text.
    Panicked(Arc<str>),
    /// It cannot be written, or would be beyond the limits of an image.
    Encode(EncodeError),
    /// A repeated timer makes its messages by a function ([`Addr::send_every`](crate::Addr::send_every)), which cannot be
    /// written. Set it by [`Addr::every`](crate::Addr::every).
    Timer,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dead => f.write_str("the actor is dead, or between two lives"),
            Self::OwnStack => {
                f.write_str("the actor has its own stack, and its state on it: have it write that itself")
            }
            Self::Itself => f.write_str(
                "the caller is this actor's own handler: have another take it, or a policy",
            ),
            Self::Timeout => f.write_str("the actor did not come to it by the deadline"),
            Self::Interrupted(why) => write!(f, "the wait was interrupted: {why}"),
            Self::Panicked(text) => write!(f, "writing it panicked: {text}"),
            Self::Encode(error) => error.fmt(f),
            Self::Timer => f.write_str(
                "a timer makes its messages by a function, which cannot be written: set it by `every`",
            ),
        }
    }
}

impl Error for SnapshotError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Interrupted(why) => Some(why),
            Self::Encode(error) => Some(error),
            _ => None,
        }
    }
}

impl From<SysError> for SnapshotError {
    fn from(error: SysError) -> Self {
        match error {
            SysError::Dead => Self::Dead,
            SysError::OwnStack => Self::OwnStack,
            SysError::Itself => Self::Itself,
            SysError::Timeout => Self::Timeout,
            SysError::Panicked(text) => Self::Panicked(text),
            SysError::Interrupted(why) => Self::Interrupted(why),
        }
    }
}

/// Why a state of an older version could not be made the present one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeError(Arc<str>);

impl UpgradeError {
    /// With this text.
    pub fn new(why: impl fmt::Display) -> Self {
        UpgradeError(why.to_string().into())
    }
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for UpgradeError {}

impl From<DecodeError> for UpgradeError {
    fn from(error: DecodeError) -> Self {
        Self::new(error)
    }
}

/// Why no actor was made of an image. The image is as it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum RestoreError {
    /// It is of another type of actor, or of something else; or what is in it cannot be read.
    Image(DecodeError),
    /// It is of a version that this program does not know yet.
    Newer {
        /// Of which.
        image: u32,
        /// The latest it knows.
        known: u32,
    },
    /// It is of an older version, whose state cannot be made the present one.
    Upgrade {
        /// Of which.
        image: u32,
        /// Why not.
        error: UpgradeError,
    },
    /// The store could not say what was saved last.
    Store(StoreError),
    /// The actor did not start: its name is taken, its start hook failed. What waited in the image is with it there.
    Spawn(SpawnError),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(error) => write!(f, "the image cannot be restored: {error}"),
            Self::Newer { image, known } => write!(
                f,
                "the image is of version {image}, and this program knows version {known}: it was written by a later one"
            ),
            Self::Upgrade { image, error } => {
                write!(
                    f,
                    "the image of version {image} cannot be upgraded: {error}"
                )
            }
            Self::Store(error) => write!(f, "the last snapshot cannot be loaded: {error}"),
            Self::Spawn(error) => write!(f, "the restored actor did not start: {error}"),
        }
    }
}

impl Error for RestoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self {
            Self::Image(error) => error,
            Self::Upgrade { error, .. } => error,
            Self::Store(error) => error,
            Self::Spawn(error) => error,
            Self::Newer { .. } => return None,
        })
    }
}

impl From<DecodeError> for RestoreError {
    fn from(error: DecodeError) -> Self {
        Self::Image(error)
    }
}

impl From<SpawnError> for RestoreError {
    fn from(error: SpawnError) -> Self {
        Self::Spawn(error)
    }
}
