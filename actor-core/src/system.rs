//! A system: a runtime, its actors, their names.

mod groups;
mod names;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::actor::{Actor, Addr, Cx, Host, Inbox, SpawnError};
use crate::microthread;
use crate::migratable::{self, Durable, Migratable, NotDurable, NotSpawned, Saving, Suspended};
use crate::observe::{DeadLetter, Event};
use crate::rt::error::ShutdownFromInside;
use crate::rt::report::{Phase, ShutdownReport};
use crate::rt::runtime::{self, BuildError, Guard, OnOverflow, Runtime, Stats};
use crate::store::Store;

mod shutdown;

pub(crate) use shutdown::Hooks;

/// Sets up a [`System`]: the settings of its runtime.
///
/// ```
/// let sys = actor_core::System::builder().workers(2).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct SystemBuilder {
    runtime: runtime::Builder,
}

macro_rules! forward {
    ($($(#[$doc:meta])* $name:ident: $ty:ty),* $(,)?) => {
        $(
            $(#[$doc])*
            pub fn $name(mut self, $name: $ty) -> Self {
                self.runtime = self.runtime.$name($name);
                self
            }
        )*
    };
}

impl SystemBuilder {
    forward! {
        /// See [`Builder::workers`](crate::Builder::workers).
        workers: usize,
        /// See [`Builder::spare_workers`](crate::Builder::spare_workers).
        spare_workers: usize,
        /// See [`Builder::stack_size`](crate::Builder::stack_size).
        stack_size: usize,
        /// See [`Builder::max_stacks`](crate::Builder::max_stacks).
        max_stacks: usize,
        /// See [`Builder::guard`](crate::Builder::guard).
        guard: Guard,
        /// See [`Builder::on_overflow`](crate::Builder::on_overflow).
        on_overflow: OnOverflow,
        /// See [`Builder::keep_idle_stacks`](crate::Builder::keep_idle_stacks).
        keep_idle_stacks: usize,
        /// See [`Builder::hold_limit`](crate::Builder::hold_limit).
        hold_limit: Duration,
        /// See [`Builder::offload_threads`](crate::Builder::offload_threads).
        offload_threads: usize,
    }

    /// See [`Builder::thread_name`](crate::Builder::thread_name).
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.runtime = self.runtime.thread_name(name);
        self
    }

    /// Without a monitor, with the feature `testing`: for tests of the order in which one worker runs things, which a monitor
    /// changes where it finds that code has held the worker for a millisecond. Nobody names what holds a worker then, nor lets
    /// others run what waits there.
    ///
    /// ```
    /// let sys = actor_core::System::builder().workers(1).unwatched().build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "testing")]
    pub fn unwatched(mut self) -> Self {
        self.runtime = self.runtime.unwatched();
        self
    }

    /// Starts the system.
    ///
    /// # Errors
    /// As [`Builder::build`](crate::Builder::build).
    pub fn build(self) -> Result<System, BuildError> {
        Ok(System::over(self.runtime.build()?))
    }
}

/// A runtime with actors in it.
///
/// A handle: clones share the system. Dropping the last one shuts it down as [`shutdown`](Self::shutdown) with ten seconds
/// does. Handles that a handler gets from its context do not count.
///
/// ```
/// use actor_core::prelude::*;
///
/// #[actor]
/// struct Counter {
///     n: u64,
/// }
///
/// #[actor]
/// impl Counter {
///     pub fn add(&mut self, by: u64) {
///         self.n += by;
///     }
///     pub fn get(&self) -> u64 {
///         self.n
///     }
/// }
///
/// let sys = System::new()?;
/// let counter = sys.spawn(Counter { n: 0 })?;
/// counter.tell().add(2)?;
/// assert_eq!(counter.ask().get()?, 2);
/// assert!(sys.shutdown(std::time::Duration::from_secs(1))?.is_clean());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct System {
    host: Arc<Host>,
    /// `None` in the handles that handlers get: an actor must not keep its own system from being dropped.
    runtime: Option<Arc<Runtime>>,
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)
    }
}

impl System {
    /// A system with the default settings.
    ///
    /// # Errors
    /// As [`Builder::build`](crate::Builder::build).
    pub fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// Sets up a system.
    pub fn builder() -> SystemBuilder {
        SystemBuilder::default()
    }

    /// A system of its own over `runtime`.
    pub(crate) fn over(runtime: Runtime) -> Self {
        System {
            host: Host::new(runtime.core().clone()),
            runtime: Some(Arc::new(runtime)),
        }
    }

    pub(crate) fn of_host(host: &Arc<Host>) -> Self {
        System {
            host: host.clone(),
            runtime: None,
        }
    }

    pub(crate) fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Starts an actor. If it has an `#[on_start]` hook, returns when that has run.
    ///
    /// # Errors
    /// [`SpawnError`]: the hook failed, the system is shutting down, or (own-stack actors only) the stack limit is reached.
    pub fn spawn<A: Actor>(&self, actor: A) -> Result<Addr<A>, SpawnError> {
        Addr::spawn(&self.host, actor, None)
    }

    /// Starts a microthread in the system's runtime. From anywhere.
    ///
    /// # Errors
    /// As [`Runtime::spawn`](crate::Runtime::spawn).
    pub fn spawn_microthread<F, T>(
        &self,
        body: F,
    ) -> Result<microthread::JoinHandle<T>, microthread::SpawnError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        crate::rt::task::spawn(&self.host.core, Default::default(), body)
    }

    /// Starts a migratable function in the system's runtime, as a task that owns no stack. From anywhere.
    ///
    /// # Errors
    /// [`ShuttingDown`](microthread::SpawnError::ShuttingDown) while the system ends.
    pub fn spawn_migratable<M: Migratable>(
        &self,
        start: migratable::Start<M>,
    ) -> Result<migratable::Task<M>, microthread::SpawnError> {
        migratable::spawn_in(&self.host.core, start)
    }

    /// Starts a migratable function that survives its process: an image of it is saved in `store`, under `name`, at each
    /// suspension point; and if there is one already it continues from that, and `start` is dropped. When it has ended, its images
    /// are removed. What holds after a crash: it continues from its last image, and does again what it did since.
    ///
    /// One function a name at a time. It is driven by a microthread of that name, and holds a stack.
    ///
    /// ```
    /// use actor_core::store::{MemoryStore, Store};
    /// use actor_core::{System, microthread, migratable};
    /// use std::sync::Arc;
    ///
    /// #[migratable]
    /// fn sum(to: u64) -> u64 {
    ///     let mut sum = 0;
    ///     for n in 0..to {
    ///         sum += n;
    ///         microthread::yield_now();
    ///     }
    ///     sum
    /// }
    ///
    /// let store = Arc::new(MemoryStore::new()); // a `FileStore`, to outlive the process
    /// let sys = System::new()?;
    /// let first = sys.spawn_durable(&store, "sum", sum(1_000_000))?;
    /// while store.names()?.is_empty() { /* until it has been saved */ }
    /// sys.shutdown(std::time::Duration::from_secs(1))?;
    /// assert!(first.join().is_err());
    ///
    /// let sys = System::new()?;
    /// let second = sys.spawn_durable(&store, "sum", sum(1_000_000))?;
    /// assert!(second.is_continued());
    /// # second.kill();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NotDurable`]: the store failed, its image is of something else or of an older function, or nothing new starts.
    pub fn spawn_durable<M: Migratable, S: Store>(
        &self,
        store: &Arc<S>,
        name: impl Into<Arc<str>>,
        start: migratable::Start<M>,
    ) -> Result<Durable<M>, NotDurable> {
        self.spawn_durable_with(store, name, Saving::new(), start)
    }

    /// As [`spawn_durable`](Self::spawn_durable), saved when `saving` says.
    ///
    /// # Errors
    /// As [`spawn_durable`](Self::spawn_durable).
    pub fn spawn_durable_with<M: Migratable, S: Store>(
        &self,
        store: &Arc<S>,
        name: impl Into<Arc<str>>,
        saving: Saving,
        start: migratable::Start<M>,
    ) -> Result<Durable<M>, NotDurable> {
        migratable::spawn_durable(&self.host.core, store, name.into(), saving, start)
    }

    /// Subscribes to the system's events.
    ///
    /// ```
    /// use actor_core::Event;
    /// use actor_core::prelude::*;
    ///
    /// let sys = System::new()?;
    /// let events = sys.events();
    /// sys.spawn_microthread(|| ())?.join()?;
    /// assert!(matches!(events.recv()?, Event::Spawned { .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn events(&self) -> crossbeam_channel::Receiver<Event> {
        self.host.core.events.subscribe()
    }

    /// Subscribes to the system's dead letters: messages that were accepted and that nobody will handle, from now on. At most
    /// 1024 of them wait in the subscription; see [`dead_letters_up_to`](Self::dead_letters_up_to).
    pub fn dead_letters(&self) -> crossbeam_channel::Receiver<DeadLetter> {
        self.dead_letters_up_to(1024)
    }

    /// As [`dead_letters`](Self::dead_letters), for `capacity` letters waiting at most. Those for which there is no room are
    /// dropped, and [counted](DeadLetter::missed) in the next one that has some.
    ///
    /// The letters of an actor that has ended are in the subscription when [`join`](Addr::join) returns.
    pub fn dead_letters_up_to(&self, capacity: usize) -> crossbeam_channel::Receiver<DeadLetter> {
        self.host.dead_letters.subscribe(capacity)
    }

    /// What the runtime's workers and stacks are doing.
    pub fn stats(&self) -> Stats {
        runtime::Stats::of(&self.host.core)
    }

    fn now(&self) -> Instant {
        self.host.core.seam.clock().now()
    }

    /// Has `hook` run when the system is shut down, in the given [`Phase`]: once, in a microthread of its own, beside the
    /// other hooks of the phase. It is given how long it may take, may wait and ask actors, and is killed when it is overdue.
    /// A panic in it is in the report. The name is what the report calls it.
    ///
    /// From handlers too. A hook that comes while its phase runs, or later, does not run.
    ///
    /// ```
    /// use actor_core::{Phase, System};
    /// use std::time::Duration;
    ///
    /// let sys = System::new()?;
    /// sys.on_shutdown(Phase::StopAccepting, "listener", |_| { /* close the listener */ });
    /// sys.on_shutdown(Phase::Drain, "sessions", |within| { /* wait for them, so long at most */ });
    /// let report = sys.shutdown(Duration::from_secs(10))?;
    /// assert!(report.is_graceful());
    /// assert_eq!(report.phases[0].done, ["listener"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_shutdown(
        &self,
        phase: Phase,
        name: impl Into<Arc<str>>,
        hook: impl FnOnce(Duration) + Send + 'static,
    ) {
        self.host.hooks.add(phase, name.into(), Box::new(hook));
    }

    /// Gives a phase of the shutdown a limit of its own, in place of any that it had: it takes at most so long. Without one,
    /// or if that is shorter, it takes at most half of the time that is left when it begins.
    pub fn phase_limit(&self, phase: Phase, limit: Duration) {
        self.host.hooks.limit(phase, limit);
    }

    /// Ends the system within `deadline`, in phases: hooks and actors as [`Phase`] says, and then everything that is left is
    /// killed. What has not ended by then is leaked. The report says how each phase went, who was overdue, killed and leaked.
    ///
    /// A phase takes at most half of the time that is left when it begins; see [`phase_limit`](Self::phase_limit). A later call
    /// reports on what was left for it to do.
    ///
    /// # On a signal
    /// The runtime installs no signal handlers. A program that shall end on SIGINT waits for that on its main thread, here
    /// with the crate `signal-hook`:
    ///
    /// ```no_run
    /// use actor_core::{Phase, System};
    /// use signal_hook::consts::{SIGINT, SIGTERM};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // Before anything is served: a signal must not find the default action.
    /// let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    /// let sys = System::new()?;
    /// // .. start the trees ..
    /// sys.on_shutdown(Phase::Drain, "sessions", |within| { /* wait for those that are open */ });
    /// sys.phase_limit(Phase::Drain, Duration::from_secs(20));
    ///
    /// signals.forever().next();
    /// let report = sys.shutdown(Duration::from_secs(60))?;
    /// println!("{report}");
    /// std::process::exit(if report.is_graceful() { 0 } else { 1 });
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ShutdownFromInside`] from one of the system's own microthreads or handlers, which would wait for itself.
    pub fn shutdown(&self, deadline: Duration) -> Result<ShutdownReport, ShutdownFromInside> {
        if runtime::is_inside(&self.host.core) {
            return Err(ShutdownFromInside);
        }
        let start = self.now();
        let phases = shutdown::run(&self.host, deadline);
        let left = deadline.saturating_sub(self.now() - start);
        let mut report = runtime::shut_down(&self.host.core, left)?;
        self.host.sweep();
        report.phases = phases;
        report.took = self.now() - start;
        Ok(report)
    }
}

impl<M: Migratable> Suspended<M> {
    /// Puts it on `sys`, where it goes on.
    ///
    /// # Errors
    /// [`NotSpawned`], which gives it back, if it has ended or panicked, or while the system ends.
    pub fn spawn(self, sys: &System) -> Result<migratable::Task<M>, NotSpawned<M>> {
        self.spawn_on(&sys.host.core, ())
    }
}

impl<A: Actor> Cx<A> {
    /// The actor's system. A handle that does not keep the system from being dropped.
    pub fn system(&self) -> System {
        System::of_host(self.host())
    }
}

impl<A: Actor> Inbox<A> {
    /// The actor's system. A handle that does not keep the system from being dropped.
    pub fn system(&self) -> System {
        System::of_host(self.host())
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        // The last full handle: what its actors hold is the runtime's to end.
        if let Some(runtime) = Arc::into_inner(runtime) {
            if !runtime::is_inside(&self.host.core) && !self.host.core.is_stopping() {
                let _ = shutdown::run(&self.host, Duration::from_secs(10));
            }
            drop(runtime);
            self.host.sweep();
        }
    }
}
