//! The scheduler as its owner sees it, and what its microthreads call.

use std::fmt;
use std::rc::Rc;
use std::thread;

use crate::rt::error::JoinError;
use crate::rt::hook;
use crate::rt::runner;
use crate::rt::runtime::{Guard, MAX_STACK_SIZE, MIN_STACK_SIZE};
use crate::rt::wait::Interrupt;
use crate::rt::worker::Worker;
use crate::stack;
use crate::sys::clock::Clock;

use super::budget::{Budget, Outcome, RunError};
use super::calls::run_inner;
use super::drive::{Driven, Until};
use super::handle::TaskletRef;
use super::hooks::{ChannelHook, ErrorHandler, ScheduleHook};
use super::inner::{Inner, Setup};
use super::task::Task;
use super::tasklet::Tasklet;

/// A scheduler that its owner drives: single-threaded, deterministic, a slice at a time if need be.
///
/// See the [module](crate::local). It belongs to the thread that made it.
///
/// Dropping it kills what is still alive in it, so that destructors run. What does not end when it has been killed ten times
/// is leaked with its stack, and named by a `tracing` event; so is, while a panic unwinds, everything that has started, as
/// then nothing can switch. A [`shield`](crate::microthread::shield)ed section is waited for as long as others, or the next
/// deadline, can bring it on.
///
/// Neither it nor its microthreads go to another thread:
///
/// ```compile_fail,E0277
/// let sched = actor_core::local::Scheduler::new();
/// std::thread::spawn(move || sched.run());
/// ```
/// but what they do may wait for other threads ([`Builder::wait_for_threads`]), and these have [`RemoteTasklet`](super::RemoteTasklet)s.
///
/// ```
/// use actor_core::local::{Scheduler, schedule};
/// use std::{cell::RefCell, rc::Rc};
///
/// let (sched, log) = (Scheduler::new(), Rc::new(RefCell::new(Vec::new())));
/// for name in ["a", "b"] {
///     let log = log.clone();
///     sched.spawn(move || {
///         for step in 0..2 {
///             log.borrow_mut().push((name, step));
///             schedule().unwrap();
///         }
///     });
/// }
/// sched.run()?;
/// assert_eq!(*log.borrow(), [("a", 0), ("b", 0), ("a", 1), ("b", 1)]);
/// # Ok::<(), actor_core::local::RunError>(())
/// ```
pub struct Scheduler {
    inner: Rc<Inner>,
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        match self.inner.driving.get() {
            // One of its own microthreads drops it: it ends when whoever drives it lets go.
            true => self.inner.abandoned.set(true),
            false => self.inner.end(),
        }
    }
}

impl Default for Scheduler {
    fn default() -> Self {
        Scheduler::new()
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// Sets up a [`Scheduler`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    config: stack::PoolConfig,
    virtual_time: bool,
    waits_for_threads: bool,
}

/// The clock of whatever runs the caller.
fn clock_here() -> Clock {
    let local = super::entry::clock();
    local.unwrap_or_else(|| {
        Worker::with(|worker| worker.map_or(Clock::System, |w| w.core().seam.clock().clone()))
    })
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            config: stack::PoolConfig {
                max_stacks: 16 * 1024 * 1024,
                guard: crate::rt::runtime::default_guard(),
                ..stack::PoolConfig::default()
            },
            virtual_time: false,
            waits_for_threads: false,
        }
    }
}

impl Builder {
    /// The size of a stack in bytes where none was asked for, between [`MIN_STACK_SIZE`] and [`MAX_STACK_SIZE`]. Default:
    /// 64 KiB, of which only what is touched takes memory.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.config.stack_size = bytes.clamp(MIN_STACK_SIZE, MAX_STACK_SIZE);
        self
    }

    /// How many microthreads may have started and not ended, at least one. Default: 16 million.
    pub fn max_stacks(mut self, stacks: usize) -> Self {
        self.config.max_stacks = stacks.max(1);
        self
    }

    /// How stacks are guarded; see [`crate::Builder::guard`].
    pub fn guard(mut self, guard: Guard) -> Self {
        self.config.guard = guard.into();
        self
    }

    /// Time stands still while somebody can run and jumps to the next deadline when nobody can, so that a simulation of an
    /// hour takes no time and always goes the same way.
    pub fn virtual_time(mut self) -> Self {
        self.virtual_time = true;
        self
    }

    /// Where nobody can run, waits for other threads instead of giving [`Interrupt::Deadlock`] or returning from
    /// [`Scheduler::run`]: for microthreads that share channels with other threads.
    pub fn wait_for_threads(mut self) -> Self {
        self.waits_for_threads = true;
        self
    }

    /// Makes the scheduler.
    pub fn build(self) -> Scheduler {
        stack::set_label(runner::what_runs);
        hook::install();
        let setup = Setup {
            stacks: stack::Shared::new(self.config),
            clock: match self.virtual_time {
                true => Clock::new_virtual(),
                false => clock_here(),
            },
            moves_clock: self.virtual_time,
            waits_for_threads: self.waits_for_threads,
        };
        Scheduler {
            inner: Rc::new_cyclic(|me| Inner::new(me.clone(), setup)),
        }
    }
}

/// A name and a stack size for a microthread of a local scheduler.
#[derive(Debug)]
#[must_use = "a builder does nothing until `spawn` or `unbound`"]
pub struct TaskletBuilder<'a> {
    scheduler: &'a Scheduler,
    name: Option<Rc<str>>,
    stack_size: usize,
}

impl TaskletBuilder<'_> {
    /// The name in errors and reports.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The size of its stack in bytes, rounded up; between [`MIN_STACK_SIZE`] and [`MAX_STACK_SIZE`].
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = bytes.clamp(MIN_STACK_SIZE, MAX_STACK_SIZE);
        self
    }

    /// One with nothing to run yet: [`Tasklet::bind`] it.
    pub fn unbound<T: 'static>(self) -> Tasklet<T> {
        Tasklet::unbound(self.scheduler.inner.unbound(self.name, self.stack_size))
    }

    /// One that will run `f`, paused.
    pub fn bind<T: 'static>(self, f: impl FnOnce() -> T + 'static) -> Tasklet<T> {
        let tasklet = self.unbound();
        let bound = tasklet.bind(f);
        debug_assert_eq!(bound, Ok(()), "new");
        tasklet
    }

    /// One that will run `f`, at the end of the ring.
    pub fn spawn<T: 'static>(self, f: impl FnOnce() -> T + 'static) -> Tasklet<T> {
        let tasklet = self.bind(f);
        let ready = tasklet.insert();
        debug_assert_eq!(ready, Ok(()), "new");
        tasklet
    }
}

impl Inner {
    pub(super) fn unbound(&self, name: Option<Rc<str>>, stack_size: usize) -> TaskletRef {
        let task = Task::new(self.me.clone(), self.next_id(), name, stack_size);
        TaskletRef::of(&task)
    }
}

impl Scheduler {
    pub(super) fn inner(&self) -> &Rc<Inner> {
        &self.inner
    }

    /// A scheduler with the defaults.
    pub fn new() -> Self {
        Scheduler::builder().build()
    }

    /// Chooses stacks, time, and what to do when nobody can run.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A microthread that will run `f`, at the end of the ring. `f` need not be `Send`: it stays on this thread.
    pub fn spawn<T: 'static>(&self, f: impl FnOnce() -> T + 'static) -> Tasklet<T> {
        self.tasklet().spawn(f)
    }

    /// A microthread that will run `f`, paused.
    pub fn bind<T: 'static>(&self, f: impl FnOnce() -> T + 'static) -> Tasklet<T> {
        self.tasklet().bind(f)
    }

    /// Chooses a name and a stack size for a microthread.
    pub fn tasklet(&self) -> TaskletBuilder<'_> {
        TaskletBuilder {
            scheduler: self,
            name: None,
            stack_size: 0,
        }
    }

    /// Runs until nothing is ready. Those that are blocked or paused do not keep it going, unless what they wait for comes in
    /// time, or a deadline of theirs is due.
    ///
    /// Inside one of the scheduler's microthreads this is a nested run: the caller leaves the ring and goes on when the ring
    /// is empty, the innermost such caller first.
    ///
    /// # Errors
    /// [`RunError::Uncaught`] if a microthread panicked and no handler took that. The others stay queued, and a later run
    /// goes on with them. [`RunError::NoStack`], [`RunError::Refused`].
    pub fn run(&self) -> Result<(), RunError> {
        run_inner(&self.inner, false, None).map(|_| ())
    }

    /// As [`run`](Self::run), within a [`Budget`].
    ///
    /// Of nested runs only the outermost one with a budget is bound by it; inner ones behave as if they had none.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_for(&self, budget: Budget) -> Result<Outcome, RunError> {
        run_inner(&self.inner, false, Some(budget))
    }

    /// As [`run`](Self::run), but instead of returning it waits where that may help: while somebody waits for a deadline, or
    /// for something that comes from outside the scheduler (a join, [`blocking`](crate::microthread::blocking), a socket), or
    /// while somebody is blocked at all if the scheduler was told to [wait for threads](Builder::wait_for_threads).
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// ```
    /// use actor_core::{local::Scheduler, microthread};
    /// use std::time::Duration;
    ///
    /// let sched = Scheduler::builder().virtual_time().build();
    /// let sleeper = sched.spawn(|| microthread::sleep(Duration::from_secs(3600)));
    /// sched.run()?;
    /// assert!(sleeper.is_blocked()); // nobody is ready
    /// sched.run_until_idle()?;
    /// assert!(!sleeper.is_alive());
    /// # Ok::<(), actor_core::local::RunError>(())
    /// ```
    pub fn run_until_idle(&self) -> Result<(), RunError> {
        run_inner(&self.inner, true, None).map(|_| ())
    }

    /// Runs `f` as the main microthread, and others as they come, until `f` returns. Others that are left stay as they are.
    ///
    /// The main microthread is an ordinary member of the ring, and goes first. When nobody else could ever wake it, its wait
    /// ends with [`Interrupt::Deadlock`]; a panic that nobody handles and no run waits for arrives there as
    /// [`Interrupt::Thrown`]. (Whoever is in a wait that has no error to give, for a lock, say, or for the end of something in
    /// a runtime, is taken to wait for something outside that will come.)
    ///
    /// # Errors
    /// [`JoinError`], as if it had been joined.
    ///
    /// # Panics
    /// Inside the scheduler, in its hooks, and while it has a main microthread already.
    ///
    /// ```
    /// use actor_core::local::{self, Scheduler};
    /// use actor_core::microthread::Interrupt;
    /// use actor_core::sync::{AcquireError, Semaphore};
    ///
    /// let sched = Scheduler::new();
    /// let waited = sched.main(|| {
    ///     local::spawn(|| ());
    ///     // Lets the other one run, and then nobody is left who could give a permit.
    ///     Semaphore::new(0).acquire().map(drop)
    /// })?;
    /// assert_eq!(waited, Err(AcquireError::Interrupted(Interrupt::Deadlock)));
    /// # Ok::<(), actor_core::microthread::JoinError>(())
    /// ```
    #[track_caller]
    pub fn main<T: 'static>(&self, f: impl FnOnce() -> T + 'static) -> Result<T, JoinError> {
        /// Also when a kill of whoever drives unwinds.
        struct Main<'a>(&'a Inner);
        impl Drop for Main<'_> {
            fn drop(&mut self) {
                if let Some(main) = self.0.main.take() {
                    main.is_main.set(false);
                }
            }
        }
        let inner = &*self.inner;
        if inner.driving.get() {
            panic!(
                "`Scheduler::main` of a scheduler that runs already: use `local::spawn` and `join`"
            );
        }
        if thread::panicking() {
            return Err(JoinError::Interrupted(Interrupt::Unwinding));
        }
        let tasklet = self.tasklet().name("main").spawn(f);
        let task = tasklet.task();
        task.is_main.set(true);
        *inner.main.borrow_mut() = Some(task.clone());
        inner.ring.borrow_mut().turn_to(task.slot.get());
        let main = Main(inner);
        let driven = inner.drive(Until::Ended(task.clone()));
        drop(main);
        match driven {
            Driven::NoStack(limit) => {
                if !task.has_started() {
                    tasklet.kill();
                }
                Err(JoinError::NoStack(limit))
            }
            Driven::Stuck => Err(JoinError::Interrupted(Interrupt::Deadlock)),
            Driven::Ended | Driven::Run(_) => tasklet.join(),
        }
    }

    /// How many are in the ring, the current one included.
    pub fn run_count(&self) -> usize {
        self.inner.ring.borrow().len()
    }

    /// How many are alive: in the ring, blocked, paused, or in a nested run.
    pub fn alive(&self) -> usize {
        self.inner.count()
    }

    /// Gives memory back that stacks hold which nobody uses now. Takes about a microsecond for each that was used since.
    pub fn trim(&self) {
        self.inner.pool().trim();
    }

    /// Has `hook` called before each switch, with who ran last and who runs next; `None` stands for the code that drives the
    /// scheduler. Returns the hook there was.
    ///
    /// In it nothing may switch, wait, or use a channel: what would gives [`Interrupt::SwitchTrap`], or panics where it has no
    /// error to give. A panic in it is ignored.
    ///
    /// ```
    /// use actor_core::local::{Scheduler, TaskletRef};
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// let (sched, log) = (Scheduler::new(), Rc::new(RefCell::new(Vec::new())));
    /// sched.set_schedule_hook(Some(Rc::new({
    ///     let log = log.clone();
    ///     move |before: Option<&TaskletRef>, after: Option<&TaskletRef>| {
    ///         log.borrow_mut().push((before.map(TaskletRef::id), after.map(TaskletRef::id)));
    ///     }
    /// })));
    /// let id = sched.spawn(|| ()).id();
    /// sched.run()?;
    /// assert_eq!(*log.borrow(), [(None, Some(id)), (Some(id), None)]);
    /// # Ok::<(), actor_core::local::RunError>(())
    /// ```
    pub fn set_schedule_hook(&self, hook: Option<ScheduleHook>) -> Option<ScheduleHook> {
        self.inner.hooks.schedule.replace(hook)
    }

    /// Has `hook` called before each send and receive of a rendezvous, bounded or unbounded channel in this scheduler's
    /// microthreads; futures and selections are not told of. Returns the hook there was. What
    /// must not be done in it is as in [`set_schedule_hook`](Self::set_schedule_hook).
    pub fn set_channel_hook(&self, hook: Option<ChannelHook>) -> Option<ChannelHook> {
        self.inner.hooks.channel.replace(hook)
    }

    /// Has `handler` called, in the microthread that panicked, with a panic that nobody caught. When it returns, the panic
    /// has been dealt with; when it panics itself, that goes on in place of the first. Returns the handler there was. What
    /// must not be done in it is as in [`set_schedule_hook`](Self::set_schedule_hook).
    ///
    /// Joining the microthread gives its panic in either case. A stack that overflowed into its guard has no room for a
    /// handler: that always ends the run.
    ///
    /// ```
    /// use actor_core::local::{Scheduler, Uncaught};
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// let (sched, log) = (Scheduler::new(), Rc::new(RefCell::new(Vec::new())));
    /// sched.set_error_handler(Some(Rc::new({
    ///     let log = log.clone();
    ///     move |uncaught: &Uncaught| log.borrow_mut().push(uncaught.message().to_owned())
    /// })));
    /// sched.spawn(|| panic!("out of cheese"));
    /// sched.run()?;
    /// assert_eq!(*log.borrow(), ["out of cheese"]);
    /// # Ok::<(), actor_core::local::RunError>(())
    /// ```
    pub fn set_error_handler(&self, handler: Option<ErrorHandler>) -> Option<ErrorHandler> {
        self.inner.hooks.error.replace(handler)
    }
}
