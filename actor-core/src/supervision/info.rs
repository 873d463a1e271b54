//! What a supervisor says about its children.

use std::sync::Arc;

use super::decide::Phase;
use super::spec::Restart;

/// One child of a supervisor, as [`which_children`](super::Supervisor::which_children) lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildInfo {
    /// The id in its spec.
    pub id: Arc<str>,
    /// When it is started again.
    pub restart: Restart,
    /// What it is doing.
    pub state: ChildState,
    /// Which life of the child this is, or was the last; 0 if it has had none. An attempt to start that failed counts.
    pub incarnation: u64,
    /// The actor's id, unless the child is stopped. Restarts do not change it.
    pub actor: Option<u64>,
}

/// What a child is doing, as far as its supervisor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChildState {
    /// It is being started; its start hook may be running.
    Starting,
    /// It runs.
    Running,
    /// It has been asked to stop, or killed, and has not ended yet.
    Stopping,
    /// It ended, the attempt to start it again failed, and the next attempt is due.
    Restarting,
    /// It does not run, and is not started again unless by hand.
    Stopped,
}

impl From<Phase> for ChildState {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Starting => Self::Starting,
            Phase::Running => Self::Running,
            Phase::Stopping => Self::Stopping,
            Phase::Restarting => Self::Restarting,
            Phase::Stopped => Self::Stopped,
        }
    }
}

/// How many children a supervisor has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildCounts {
    /// Children, stopped ones included.
    pub specs: usize,
    /// Those that are alive at this moment. One that has ended is not, even if its supervisor does not know yet.
    pub active: usize,
}
