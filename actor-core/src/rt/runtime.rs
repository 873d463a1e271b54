//! The runtime as users see it: build, spawn, shut down.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

use crate::observe::Event;
use crate::stack;
use crate::sys::seam::Seam;

use super::core::{Config, Core};
use super::error::{ShutdownFromInside, SpawnError};
use super::report::ShutdownReport;
use super::task::{self, JoinHandle};
use super::worker::Worker;

/// How stacks are guarded against overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Guard {
    /// Guard pages in the page tables (Linux 6.13 and later), which need no memory mapping of their own, so that a
    /// million stacks fit; where the kernel has none, as [`Mprotect`](Self::Mprotect).
    #[default]
    Auto,
    /// A protected mapping for each stack. Each stack then takes two of the process's mappings: about 32,700 stacks at
    /// the kernel's default `vm.max_map_count`.
    Mprotect,
}

impl From<Guard> for stack::GuardMode {
    fn from(guard: Guard) -> Self {
        match guard {
            Guard::Auto => stack::GuardMode::Auto,
            Guard::Mprotect => stack::GuardMode::Mprotect,
        }
    }
}

/// How stacks are guarded where nothing was chosen.
pub(super) fn default_guard() -> stack::GuardMode {
    match std::env::var_os("ACTOR_GUARD") {
        Some(value) if value == "mprotect" => stack::GuardMode::Mprotect,
        _ => stack::GuardMode::Auto,
    }
}

/// What happens when a stack runs into its guard page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnOverflow {
    /// The stack is abandoned with everything on it, which is leaked; the microthread ends as overflowed; the process
    /// goes on. Where that would be unsound (the fault is in foreign code, which may hold a lock; the stack has lent
    /// memory to others) the process aborts, naming the culprit.
    #[default]
    Abandon,
    /// The process aborts, naming the culprit.
    Abort,
}

/// Sets up a [`Runtime`].
///
/// ```
/// use std::time::Duration;
///
/// let rt = actor_core::Runtime::builder()
///     .workers(2)
///     .stack_size(128 * 1024)
///     .max_stacks(10_000)
///     .build()?;
/// rt.shutdown(Duration::from_secs(1))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    config: Config,
}

/// Least stack size in bytes: unwinding a panic with a backtrace takes more than 20 KiB.
pub const MIN_STACK_SIZE: usize = 32 * 1024;
/// Greatest stack size in bytes.
pub const MAX_STACK_SIZE: usize = 256 * 1024 * 1024 - 4096;

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// The defaults: one worker a core; stacks of 64 KiB, of which only touched pages cost memory; as many stacks as
    /// memory holds. The environment variable `ACTOR_GUARD=mprotect` changes the default of [`guard`](Self::guard).
    pub fn new() -> Self {
        Builder {
            config: Config {
                workers: thread::available_parallelism().map_or(1, usize::from),
                spares: 16,
                stack_size: 64 * 1024,
                max_stacks: 16 * 1024 * 1024,
                guard: default_guard(),
                overflow: stack::OverflowPolicy::Abandon,
                keep_idle_stacks: 256,
                hold_limit: Duration::from_millis(10),
                offload_threads: 512,
                thread_name: "actor".into(),
                #[cfg(any(test, feature = "testing"))]
                unwatched: false,
            },
        }
    }

    /// The number of workers: OS threads that run microthreads. Default: one a core.
    pub fn workers(mut self, workers: usize) -> Self {
        self.config.workers = workers;
        self
    }

    /// How many workers may be added while all others are held up by code that does not suspend. A spare worker stays,
    /// asleep. Default: 16.
    pub fn spare_workers(mut self, spares: usize) -> Self {
        self.config.spares = spares;
        self
    }

    /// The size of a stack in bytes, where a microthread or an actor does not ask for its own; rounded up to whole pages.
    /// Default: 64 KiB.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.config.stack_size = bytes;
        self
    }

    /// How many stacks may be in use at the same time: one for each microthread and each actor with a `run` body from
    /// its spawn to its end, one for each message handler while it is blocked. Beyond it, spawning gives
    /// [`SpawnError::StackLimit`], and an `ask` from a handler
    /// [`AskError::StackLimit`](crate::AskError::StackLimit).
    ///
    /// It limits what can be refused. A handler that waits for something else (a lock, a channel, a deadline) keeps its stack beyond
    /// the limit, as its wait might otherwise never end; until enough have ended nothing new is started then, and
    /// [`Stats::stacks_in_use`] says more than [`Stats::max_stacks`].
    pub fn max_stacks(mut self, stacks: usize) -> Self {
        self.config.max_stacks = stacks;
        self
    }

    /// How stacks are guarded against overflow.
    pub fn guard(mut self, guard: Guard) -> Self {
        self.config.guard = guard.into();
        self
    }

    /// What happens when a stack runs into its guard page.
    pub fn on_overflow(mut self, policy: OnOverflow) -> Self {
        self.config.overflow = match policy {
            OnOverflow::Abandon => stack::OverflowPolicy::Abandon,
            OnOverflow::Abort => stack::OverflowPolicy::Abort,
        };
        self
    }

    /// Idle stacks each worker keeps for re-use; those beyond are given back when it becomes idle. Default: 256.
    pub fn keep_idle_stacks(mut self, stacks: usize) -> Self {
        self.config.keep_idle_stacks = stacks;
        self
    }

    /// Code that holds a worker longer than this without suspending is named in an [`Event::Stuck`]. Other ready work
    /// moves to another worker long before. Default: 10 ms.
    pub fn hold_limit(mut self, limit: Duration) -> Self {
        self.config.hold_limit = limit;
        self
    }

    /// How many calls of [`blocking`](crate::microthread::blocking) may run at the same time. Default: 512.
    pub fn offload_threads(mut self, threads: usize) -> Self {
        self.config.offload_threads = threads;
        self
    }

    /// What the runtime's threads are called; a number is appended. Default: `actor`.
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.config.thread_name = name.into();
        self
    }

    /// Without a monitor, for tests of an order that it may change.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn unwatched(mut self) -> Self {
        self.config.unwatched = true;
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    /// [`BuildError::Invalid`] for a setting out of range; [`BuildError::Io`] if the system refuses a thread or a
    /// descriptor.
    pub fn build(self) -> Result<Runtime, BuildError> {
        self.build_with(Seam::new())
    }

    /// As [`build`](Self::build), with a chosen clock, seed and driver.
    pub(crate) fn build_with(self, seam: Seam) -> Result<Runtime, BuildError> {
        let config = &self.config;
        let in_range = |what, value: usize, min: usize, max: usize| {
            if (min..=max).contains(&value) {
                Ok(())
            } else {
                Err(BuildError::Invalid {
                    what,
                    value,
                    min,
                    max,
                })
            }
        };
        in_range("workers", config.workers, 1, 1024)?;
        in_range("spare_workers", config.spares, 0, 1024)?;
        in_range(
            "stack_size",
            config.stack_size,
            MIN_STACK_SIZE,
            MAX_STACK_SIZE,
        )?;
        in_range("max_stacks", config.max_stacks, 1, usize::MAX / 2)?;
        in_range("offload_threads", config.offload_threads, 1, 65_536)?;
        let core = Core::start(self.config, seam).map_err(BuildError::Io)?;
        Ok(Runtime { core })
    }
}

/// Why a runtime could not be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting is out of range.
    Invalid {
        /// The builder's method.
        what: &'static str,
        /// What it was given.
        value: usize,
        /// The least it takes.
        min: usize,
        /// The most it takes.
        max: usize,
    },
    /// The system refused a thread or a descriptor.
    Io(io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Invalid {
                what,
                value,
                min,
                max,
            } => write!(f, "`{what}({value})` is out of range: {min} to {max}"),
            BuildError::Io(error) => write!(f, "the runtime could not start: {error}"),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BuildError::Io(error) => Some(error),
            BuildError::Invalid { .. } => None,
        }
    }
}

/// A scheduler of microthreads on worker threads.
///
/// Several may live in one process; each has its own workers, stacks and limits. Most programs use a
/// [`System`](crate::System), which has a runtime and adds actors.
///
/// Dropping the last handle shuts the runtime down as [`shutdown`](Self::shutdown) with ten seconds does. Dropped inside
/// one of its own microthreads, where it cannot wait for itself, it only tells everything to end and reports the mistake
/// as a `tracing` error.
///
/// ```
/// use actor_core::Runtime;
///
/// let rt = Runtime::new()?;
/// let answer = rt.spawn(|| 6 * 7)?.join()?;
/// assert_eq!(answer, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Runtime {
    core: Arc<Core>,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}

impl Runtime {
    /// A runtime with the defaults of [`Builder::new`].
    ///
    /// # Errors
    /// [`BuildError::Io`] if the system refuses a thread or a descriptor.
    pub fn new() -> Result<Self, BuildError> {
        Builder::new().build()
    }

    /// Sets up a runtime.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Starts a microthread. From anywhere.
    ///
    /// # Errors
    /// [`SpawnError`] at the stack limit or while the runtime ends.
    pub fn spawn<F, T>(&self, body: F) -> Result<JoinHandle<T>, SpawnError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        task::spawn(&self.core, task::Options::default(), body)
    }

    /// Subscribes to the runtime's events. See [`Event`].
    pub fn events(&self) -> crossbeam_channel::Receiver<Event> {
        self.core.events.subscribe()
    }

    /// What the runtime's workers and stacks are doing.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.core)
    }

    /// Ends everything: nothing new starts, what has not started never will, what is suspended is killed and unwinds on
    /// its own thread. Waits for that for at most `deadline`; what has not ended by then is leaked and named in the
    /// report. Later calls wait and report likewise.
    ///
    /// # Errors
    /// [`ShutdownFromInside`] from one of the runtime's own microthreads, which would wait for itself.
    pub fn shutdown(&self, deadline: Duration) -> Result<ShutdownReport, ShutdownFromInside> {
        shut_down(&self.core, deadline)
    }
}

pub(crate) fn is_inside(core: &Arc<Core>) -> bool {
    Worker::of(core, |worker| worker.is_some())
}

pub(crate) fn shut_down(
    core: &Arc<Core>,
    deadline: Duration,
) -> Result<ShutdownReport, ShutdownFromInside> {
    if is_inside(core) {
        return Err(ShutdownFromInside);
    }
    let start = Instant::now();
    core.stop();
    let mut leaked = Vec::new();
    if !core.join(Some(deadline)) {
        core.abandon();
        // Those that get on leave now, and say what they leave behind; those that are held cannot.
        core.join(Some(Duration::from_millis(200)));
        let held = |worker: &Arc<super::worker::Shared>| {
            worker.inspect(|header| format!("{} (holds its worker)", header.who()))
        };
        leaked.extend(core.workers().filter_map(held));
        core.discard_queued();
    }
    for worker in core.workers() {
        let left = worker.leaked.lock().unwrap_or_else(PoisonError::into_inner);
        leaked.extend(left.iter().cloned());
    }
    Ok(ShutdownReport {
        phases: Vec::new(),
        leaked,
        took: start.elapsed(),
    })
}

impl Drop for Runtime {
    fn drop(&mut self) {
        match shut_down(&self.core, Duration::from_secs(10)) {
            Ok(report) if report.is_clean() => {}
            Ok(report) => {
                tracing::error!(target: "actor_core::scheduler", leaked = ?report.leaked, "dropped with live stacks");
            }
            Err(ShutdownFromInside) => {
                tracing::error!(target: "actor_core::scheduler", "a runtime was dropped inside its own microthread");
                self.core.stop();
            }
        }
    }
}

/// A snapshot of a runtime's workers and stacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Worker threads, spare ones included.
    pub workers: usize,
    /// Workers that sleep.
    pub sleeping: usize,
    /// Stacks in use by users: blocked handlers, microthreads from spawn to end.
    pub stacks_in_use: usize,
    /// So many may be in use for more to be started. See [`Builder::max_stacks`].
    pub max_stacks: usize,
    /// Stacks that exist, in use and idle.
    pub stacks: usize,
    /// Stacks abandoned after running into their guard page; never given back.
    pub stacks_abandoned: usize,
    /// Stacks in use, by worker.
    pub by_worker: Vec<usize>,
}

impl Stats {
    pub(crate) fn of(core: &Core) -> Self {
        let stacks = core.stacks.stats();
        Stats {
            workers: core.worker_count(),
            sleeping: core.workers().filter(|w| w.is_asleep()).count(),
            stacks_in_use: core.budget.used(),
            max_stacks: core.budget.limit(),
            stacks: stacks.live + stacks.idle,
            stacks_abandoned: stacks.abandoned,
            by_worker: core.workers().map(|w| w.load()).collect(),
        }
    }
}
