//! What a shutdown says about itself.

use std::fmt;
use std::time::Duration;

/// A part of a system's shutdown. They run in this order, each when the one before it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Take nothing more in: close listeners, leave groups. All actors still run.
    StopAccepting,
    /// Finish what was taken in: wait for sessions, empty queues. All actors still run.
    Drain,
    /// The hooks of this phase, and then the actors: those that nobody supervises are all asked to stop; the supervision
    /// trees stop one after another, the one started last first, each in its own order.
    StopActors,
    /// What needs the actors to have ended: flush files, say goodbye. Only microthreads run.
    CleanUp,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Phase; 4] = [
        Phase::StopAccepting,
        Phase::Drain,
        Phase::StopActors,
        Phase::CleanUp,
    ];

    /// Its place among them.
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::StopAccepting => "stop accepting",
            Phase::Drain => "drain",
            Phase::StopActors => "stop actors",
            Phase::CleanUp => "clean up",
        })
    }
}

/// How one phase of a shutdown went. Hooks are named as they were registered; actors as in events.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PhaseReport {
    /// Which it was.
    pub phase: Phase,
    /// How long it took.
    pub took: Duration,
    /// Hooks that returned in time.
    pub done: Vec<String>,
    /// Hooks that panicked, and why.
    pub failed: Vec<(String, String)>,
    /// Hooks, and actors and trees that were asked to stop, that had not ended by the phase's deadline.
    pub overdue: Vec<String>,
    /// Who was killed at the deadline: the hooks that were overdue and, after [`Phase::StopActors`], each actor that still
    /// lived. At most [`MOST_NAMES`](Self::MOST_NAMES) are named, and how many more there were.
    pub killed: Vec<String>,
}

impl PhaseReport {
    /// So many actors are named in a list; the last line says how many more there were.
    pub const MOST_NAMES: usize = 100;

    pub(crate) fn new(phase: Phase) -> Self {
        PhaseReport {
            phase,
            took: Duration::ZERO,
            done: Vec::new(),
            failed: Vec::new(),
            overdue: Vec::new(),
            killed: Vec::new(),
        }
    }

    /// Whether everything in it ended by itself and in time.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failed.is_empty() && self.overdue.is_empty() && self.killed.is_empty()
    }
}

/// One line, as for a log.
impl fmt::Display for PhaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.phase, self.took)?;
        let failed = self
            .failed
            .iter()
            .map(|(who, why)| format!("{who} ({why})"));
        let failed: Vec<_> = failed.collect();
        for (what, who) in [
            ("done", &self.done),
            ("failed", &failed),
            ("overdue", &self.overdue),
            ("killed", &self.killed),
        ] {
            if !who.is_empty() {
                write!(f, "; {what}: {}", who.join(", "))?;
            }
        }
        Ok(())
    }
}

/// What became of what was running when a runtime or a system was shut down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "what is in `leaked` did not end"]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How each phase of a system's shutdown went, in order. Empty for a runtime without a system.
    pub phases: Vec<PhaseReport>,
    /// Microthreads and actors that had not ended by the deadline, by name. Their stacks are leaked; a worker thread that
    /// one of them holds is left behind.
    pub leaked: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl ShutdownReport {
    /// Whether everything ended in time, killed or not: nothing is leaked.
    pub fn is_clean(&self) -> bool {
        self.leaked.is_empty()
    }

    /// Whether nothing had to be killed either, and no hook failed.
    pub fn is_graceful(&self) -> bool {
        self.is_clean() && self.phases.iter().all(PhaseReport::is_clean)
    }
}

/// One line a phase, as for a log.
impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for phase in &self.phases {
            writeln!(f, "{phase}")?;
        }
        write!(f, "in all: {:?}", self.took)?;
        if !self.leaked.is_empty() {
            write!(f, "; leaked: {}", self.leaked.join(", "))?;
        }
        Ok(())
    }
}
