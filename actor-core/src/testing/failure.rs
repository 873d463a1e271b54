//! How a run failed.

use std::error::Error;
use std::fmt;
use std::thread;
use std::time::Duration;

use crate::observe::Who;

use super::policy::Policy;
use super::trace::Trace;

/// Lines of the trace that are shown.
const SHOWN: usize = 40;

/// A run that failed, and how to see it again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// What replays it: [`Explorer::seed`](super::Explorer::seed), or the environment variable `ACTOR_SEED`. Under
    /// [`Policy::Exhaustive`] the number of the run.
    pub seed: u64,
    /// The policy under which it was found, and is to be replayed.
    pub policy: Policy,
    /// What went wrong.
    pub reason: Reason,
    /// What happened up to then.
    pub trace: Box<Trace>,
}

/// What went wrong in a run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The body of the test panicked.
    #[non_exhaustive]
    Panic {
        /// With what.
        message: String,
    },
    /// Nothing could run any more, no timer was set, and the body had not returned.
    #[non_exhaustive]
    Deadlock {
        /// Everything that waits: microthreads, actors with a stack of their own, actors in the middle of a handler.
        waiting: Vec<Who>,
    },
    /// The body had not returned after so many steps.
    #[non_exhaustive]
    StepLimit {
        /// The limit.
        limit: u64,
    },
    /// Code held the only thread for long: a loop without a suspension point, a lock or a call that blocks the thread. What
    /// ran could not be ended and is leaked, with its thread.
    #[non_exhaustive]
    Stuck {
        /// What ran.
        who: Option<Who>,
        /// For how long, by the machine's clock.
        held: Duration,
    },
    /// It failed, and a second run with the same choices went differently: something outside the scheduler's reach plays a part
    /// (an OS thread, `Instant::now`, the order of a `HashMap`, a static that the first run left changed).
    #[non_exhaustive]
    TraceMismatch {
        /// How the first run failed.
        first: Box<Reason>,
        /// How the second did, if it failed.
        again: Option<Box<Reason>>,
        /// The hash of the second run's trace.
        hash: u64,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Panic { message } => write!(f, "panicked: {message}"),
            Reason::Deadlock { waiting } => {
                f.write_str("deadlock: nothing can run; these wait:")?;
                waiting.iter().try_for_each(|who| write!(f, " {who},"))
            }
            Reason::StepLimit { limit } => write!(
                f,
                "not done after {limit} steps; an endless loop, or raise `max_steps`"
            ),
            Reason::Stuck { who, held } => {
                match who {
                    Some(who) => write!(f, "stuck: {who}")?,
                    None => f.write_str("stuck: something")?,
                }
                write!(f, " has held the only thread for {held:?} without waiting")
            }
            Reason::TraceMismatch { first, again, hash } => {
                write!(
                    f,
                    "not reproducible: the second run with the same choices went differently (trace hash {hash:016x}); look for \
                     OS threads, the machine's clock, hash maps, statics. The first run: {first}. The second: "
                )?;
                match again {
                    Some(again) => write!(f, "{again}"),
                    None => f.write_str("no failure"),
                }
            }
        }
    }
}

impl Failure {
    /// The command that replays it, as far as the name of the test is known.
    pub fn replay_command(&self) -> String {
        let thread = thread::current();
        let test = thread.name().filter(|name| *name != "main");
        format!(
            "ACTOR_SEED={} cargo test {}",
            self.seed,
            test.unwrap_or("<the test>")
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.reason)?;
        writeln!(
            f,
            "  seed {}, policy {}, {} steps, trace hash {:016x}",
            self.seed, self.policy, self.trace.steps, self.trace.hash
        )?;
        writeln!(f, "  replay: {}", self.replay_command())?;
        writeln!(f, "  the end of the trace (step, virtual time, what):")?;
        let skipped = self.trace.tail.len().saturating_sub(SHOWN);
        for entry in self.trace.tail.iter().skip(skipped) {
            writeln!(f, "  {entry}")?;
        }
        Ok(())
    }
}

impl Error for Failure {}
