//! What goes into a decision and what comes out.

use std::sync::Arc;
use std::time::Instant;

use super::super::error::ChildError;
use super::super::spec::{Policy, Restart};
use crate::actor::ExitReason;

/// A child for as long as its spec is kept, across restarts. Never used twice; ordered as children were added, which
/// is the start order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChildKey(pub(super) u64);

impl ChildKey {
    /// The key that is `n` further on, of those reserved together.
    pub(in crate::supervision) fn plus(self, n: usize) -> Self {
        Self(self.0 + n as u64)
    }

    /// How far it is from `first`, if it is not before it.
    pub(in crate::supervision) fn since(self, first: Self) -> Option<usize> {
        usize::try_from(self.0.checked_sub(first.0)?).ok()
    }
}

/// One life of a child, counted from 1. An attempt that failed to start has used its number up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Incarnation(pub(super) u64);

impl Incarnation {
    pub(in crate::supervision) const NONE: Self = Self(0);
    pub(in crate::supervision) const FIRST: Self = Self(1);

    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The number, for events.
    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

/// How a call names a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Id(Arc<str>),
    Child(ChildKey),
}

/// Something that happened. `T` is whatever the driver needs to answer a call: a reply port.
#[derive(Debug)]
pub(crate) enum Input<T> {
    /// The supervisor starts, with these children, in this order. The first input, if there is one.
    Boot {
        children: Vec<(ChildKey, Policy)>,
        to: T,
    },
    /// Add a child and start it.
    StartChild {
        child: ChildKey,
        policy: Policy,
        to: T,
    },
    /// Start a stopped child again.
    RestartChild { target: Target, to: T },
    /// Stop a child; its spec stays, unless it is temporary.
    TerminateChild { target: Target, to: T },
    /// Forget a stopped child.
    DeleteChild { target: Target, to: T },
    /// Stop all children and end with this reason.
    Shutdown { reason: ExitReason },

    /// [`Action::Start`] is done: the child runs.
    Started {
        child: ChildKey,
        incarnation: Incarnation,
    },
    /// [`Action::Start`] failed, and nothing of that incarnation is left.
    StartFailed {
        child: ChildKey,
        incarnation: Incarnation,
        reason: ExitReason,
    },
    /// [`Action::Start`] was declined by the factory, and nothing of that incarnation is left.
    Ignored {
        child: ChildKey,
        incarnation: Incarnation,
    },
    /// An incarnation has ended and is torn down.
    Exited {
        child: ChildKey,
        incarnation: Incarnation,
        reason: ExitReason,
    },
    /// The deadline of an [`Action::Stop`] has passed.
    Overdue {
        child: ChildKey,
        incarnation: Incarnation,
    },
    /// What [`Decider::awaited`](super::Decider::awaited) has told of would never be over, for this reason.
    Endless {
        child: ChildKey,
        incarnation: Incarnation,
        reason: ExitReason,
    },
    /// [`Action::Requeue`] has come back.
    Retry {
        child: ChildKey,
        incarnation: Incarnation,
    },
}

impl<T> Input<T> {
    /// Who made the call, if it is one.
    pub(super) fn caller(&self) -> Option<&T> {
        match self {
            Self::Boot { to, .. }
            | Self::StartChild { to, .. }
            | Self::RestartChild { to, .. }
            | Self::TerminateChild { to, .. }
            | Self::DeleteChild { to, .. } => Some(to),
            _ => None,
        }
    }
}

/// What the driver has to do, in the order given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action<T> {
    /// Start this incarnation; answer with `Started`, `StartFailed` or `Ignored`.
    Start {
        child: ChildKey,
        incarnation: Incarnation,
    },
    /// Stop this incarnation; answered by its `Exited`. At `deadline`, if there is one, feed `Overdue`. An incarnation
    /// that is already dead needs nothing: its `Exited` is under way.
    Stop {
        child: ChildKey,
        incarnation: Incarnation,
        how: How,
        deadline: Option<Instant>,
    },
    /// Put `Retry` at the end of the supervisor's own mailbox, behind what is already there.
    Requeue {
        child: ChildKey,
        incarnation: Incarnation,
        /// Not before then.
        at: Option<Instant>,
    },
    /// The spec is gone: drop the factory.
    Forget { child: ChildKey },
    /// Tell whoever observes.
    Report(Report),
    /// Answer a call.
    Reply {
        to: T,
        result: Result<Outcome, ChildError>,
    },
    /// The supervisor ends by its own decision; no child is left. The last action.
    GiveUp { reason: ExitReason },
    /// The supervisor ends as it was asked to; no child is left. The last action.
    Finish { reason: ExitReason },
}

/// What the supervisor waits for of an incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    Start,
    End,
}

/// How an incarnation is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Asked; its stop hook runs. It ends with *shutdown*.
    Ask,
    /// Killed; no stop hook is begun. It ends with *killed*.
    Kill,
}

/// What a call that was not refused has achieved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All children of a supervisor that starts have been started.
    Booted,
    Started {
        child: ChildKey,
        incarnation: Incarnation,
    },
    /// The factory declined.
    Ignored {
        child: ChildKey,
    },
    Terminated,
    Deleted,
}

/// What is worth telling about a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) child: ChildKey,
    pub(crate) id: Arc<str>,
    pub(crate) incarnation: Incarnation,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// It ended by itself, in a way its restart setting does not call normal.
    Ended { reason: ExitReason },
    /// It did not start.
    StartFailed { reason: ExitReason },
    /// It was started again automatically.
    Restarted,
    /// It did not stop in time and is killed.
    Overdue,
    /// It was being stopped, and ended with something else than that calls for.
    StoppedWith { reason: ExitReason },
    /// One restart too many: the supervisor gives up.
    GaveUp,
}

/// Where a child is, for listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Stopped,
    Starting,
    Running,
    Stopping,
    /// An automatic restart failed and will be tried again.
    Restarting,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChildInfo {
    pub(crate) child: ChildKey,
    pub(crate) id: Arc<str>,
    pub(crate) restart: Restart,
    pub(crate) phase: Phase,
    /// The current incarnation, or the last one.
    pub(crate) incarnation: Incarnation,
}

/// How many children there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Specs kept.
    pub(crate) specs: usize,
    /// Children that run and are not dead.
    pub(crate) active: usize,
}
