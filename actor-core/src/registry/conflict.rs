//! What happens when a name is wanted that another has.
//!
//! | here | elsewhere |
//! |---|---|
//! | [`Refuse`](OnConflict::Refuse) | Erlang's `register`, Akka's and ractor's names |
//! | [`TakeOver`](OnConflict::TakeOver) | `global:random_notify_name`, but the newcomer wins |
//! | [`StopHolder`](OnConflict::StopHolder) | a custom resolve function of `global` |
//! | [`KillHolder`](OnConflict::KillHolder) | `global:random_exit_name`, but the newcomer wins |
//!
//! Erlang's resolve functions settle a conflict between two parts of a network that each had a holder; within one system
//! the registry is never in two minds, so there is nothing for a function to choose from: the policy is the newcomer's.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::actor::NameTaken;

/// What shall happen if another living actor has the name.
///
/// Whatever takes a name over does it from one instant to the next: a lookup finds the old holder or the new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnConflict {
    /// The name stays where it is, and the newcomer gets an error.
    #[default]
    Refuse,
    /// The newcomer gets the name. The old holder goes on without it.
    TakeOver,
    /// As [`TakeOver`](Self::TakeOver), and the old holder is then asked to stop, as by [`Addr::stop`](crate::Addr::stop).
    /// If it has a supervisor, that decides whether it is started again, without the name.
    StopHolder,
    /// As [`StopHolder`](Self::StopHolder), by [`Addr::kill`](crate::Addr::kill).
    KillHolder,
}

/// How an actor is spawned by [`System::spawn_with`](crate::System::spawn_with).
///
/// ```
/// use actor_core::{OnConflict, SpawnOptions};
///
/// let options = SpawnOptions::new().name("till").on_conflict(OnConflict::StopHolder);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until an actor is spawned with them"]
pub struct SpawnOptions {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) on_conflict: OnConflict,
}

impl SpawnOptions {
    /// No name.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name it is registered under.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What shall happen if another has that name. Default: the spawn is refused.
    pub fn on_conflict(mut self, on_conflict: OnConflict) -> Self {
        self.on_conflict = on_conflict;
        self
    }
}

/// Why an actor was not registered under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// Another has it, or this same actor, and the policy is [`OnConflict::Refuse`].
    NameTaken(NameTaken),
    /// The actor has ended.
    Ended,
    /// The actor lives in another system.
    OtherSystem,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameTaken(_) => "an actor cannot be registered by that name",
            Self::Ended => "the actor has ended",
            Self::OtherSystem => "the actor lives in another system",
        })
    }
}

impl Error for RegisterError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NameTaken(error) => Some(error),
            Self::Ended | Self::OtherSystem => None,
        }
    }
}

impl From<NameTaken> for RegisterError {
    fn from(error: NameTaken) -> Self {
        Self::NameTaken(error)
    }
}
