//! What microthreads call of the scheduler that runs them.

use std::rc::Rc;
use std::thread;

use crate::rt::park::{self, Parker};
use crate::rt::wait::Interrupt;

use super::budget::{Budget, Outcome, RunError, RunResult};
use super::drive::{Driven, Until};
use super::error::StateError;
use super::handle::TaskletRef;
use super::inner::{Inner, here, on_stack};
use super::task::{Status, Task};
use super::tasklet::Tasklet;

/// The current one has arranged who is next; returns when it is its turn again, with an error that was thrown into it.
pub(super) fn after_switch() -> Result<(), Interrupt> {
    after_switch_of_others();
    match park::on_stack().and_then(Parker::after_switch) {
        None => Ok(()),
        Some(thrown) => Err(Interrupt::Thrown(thrown)),
    }
}

/// As [`after_switch`]; an error that was thrown into it stays pending.
pub(super) fn after_switch_of_others() {
    on_stack(Inner::leave);
    park::raise_kill_if_due();
}

#[inline(always)]
fn inside<R>(f: impl FnOnce(&Inner) -> Result<R, StateError>) -> Result<R, StateError> {
    park::check_stack();
    here(|inner| f(inner.ok_or(StateError::Outside)?))
}

/// Runs `inner`; in one of its own microthreads, nested.
pub(super) fn run_inner(inner: &Inner, waits: bool, budget: Option<Budget>) -> RunResult {
    park::check_stack();
    if thread::panicking() {
        return Err(RunError::Refused(Interrupt::Unwinding));
    }
    if !inner.driving.get() {
        inner.watch.push(None, waits, budget, &inner.clock);
        return match inner.drive(Until::RunEnds) {
            Driven::Run(result) => result,
            Driven::NoStack(limit) => Err(RunError::NoStack(limit)),
            Driven::Ended | Driven::Stuck => Ok(Outcome::Done),
        };
    }
    if !inner.is_inside() {
        return Err(RunError::Refused(Interrupt::SwitchTrap));
    }
    inner.may_switch()?;
    let task = inner.current();
    inner.ring.borrow_mut().remove(task.slot.get());
    task.status.set(Status::Running);
    inner
        .watch
        .push(Some(task.clone()), waits, budget, &inner.clock);
    after_switch_of_others();
    let outcome = task.outcome.borrow_mut().take();
    outcome.unwrap_or(Ok(Outcome::Done))
}

/// The microthread of a local scheduler that calls.
///
/// ```
/// use actor_core::local::{self, Scheduler};
///
/// let sched = Scheduler::new();
/// let me = sched.tasklet().name("me").spawn(|| local::current().unwrap().name() == Some("me"));
/// assert!(me.join()?);
/// assert!(local::current().is_none());
/// # Ok::<(), actor_core::microthread::JoinError>(())
/// ```
pub fn current() -> Option<TaskletRef> {
    park::check_stack();
    here(|inner| {
        let current = inner?.current.borrow();
        current.as_ref().map(TaskletRef::of)
    })
}

/// How many are in the ring of the scheduler that runs the caller, the caller included; 0 outside.
pub fn run_count() -> usize {
    park::check_stack();
    here(|inner| inner.map_or(0, |inner| inner.ring.borrow().len()))
}

/// Starts a microthread in the scheduler that runs the caller, at the end of its ring: what is
/// [`Scheduler::spawn`](super::Scheduler::spawn) from outside.
///
/// # Panics
/// Outside a local scheduler.
///
/// ```
/// use actor_core::local::{self, Scheduler};
///
/// let sched = Scheduler::new();
/// let sum = sched.main(|| {
///     let parts: Vec<_> = (0..10).map(|n| local::spawn(move || n)).collect();
///     parts.into_iter().map(|part| part.join().unwrap()).sum::<i32>()
/// })?;
/// assert_eq!(sum, 45);
/// # Ok::<(), actor_core::microthread::JoinError>(())
/// ```
#[track_caller]
pub fn spawn<T: 'static>(f: impl FnOnce() -> T + 'static) -> Tasklet<T> {
    park::check_stack();
    let unbound = here(|inner| inner.map(|inner| inner.unbound(None, 0)));
    let Some(unbound) = unbound else {
        panic!("`local::spawn` outside a local scheduler; use `Scheduler::spawn`");
    };
    let tasklet = Tasklet::unbound(unbound);
    let ready = tasklet.bind(f).and_then(|()| tasklet.insert());
    debug_assert_eq!(ready, Ok(()), "new");
    tasklet
}

/// Goes to the end of the ring: all others run first. Returns at once if there are none.
///
/// # Errors
/// [`StateError::Outside`], and [`StateError::Refused`] if switching is trapped or an error was thrown into the caller.
///
/// ```
/// use actor_core::local::{self, Scheduler};
/// use std::{cell::RefCell, rc::Rc};
///
/// let (sched, log) = (Scheduler::new(), Rc::new(RefCell::new(Vec::new())));
/// for name in ["a", "b"] {
///     let log = log.clone();
///     sched.spawn(move || {
///         log.borrow_mut().push(name);
///         local::schedule().unwrap();
///         log.borrow_mut().push(name);
///     });
/// }
/// sched.run()?;
/// assert_eq!(*log.borrow(), ["a", "b", "a", "b"]);
/// # Ok::<(), actor_core::local::RunError>(())
/// ```
#[inline]
pub fn schedule() -> Result<(), StateError> {
    inside(|inner| {
        let me = inner.switchable()?;
        me.raise_kill_if_due();
        inner.let_others();
        match me.after_switch() {
            None => Ok(()),
            Some(thrown) => Err(Interrupt::Thrown(thrown).into()),
        }
    })
}

impl Inner {
    /// The current one goes to the end of the ring, if others are in it.
    #[inline(always)]
    pub(super) fn let_others(&self) {
        if self.ring.borrow().len() > 1 || self.watch.has_expired() {
            self.ring.borrow_mut().rotate();
            self.leave();
        } else {
            self.point();
            if !self.is_soon_back() {
                self.leave();
            }
        }
    }

    /// Alone it goes on, but not for ever unseen: whoever drives may have to end, or have others to let run.
    #[inline(always)]
    pub(super) fn is_soon_back(&self) -> bool {
        if self.is_driver_ending() {
            self.attention.set(true);
        }
        let switches = self.switches.get().wrapping_add(1);
        self.switches.set(switches);
        !self.attention.get() && !switches.is_multiple_of(64)
    }
}

/// Leaves the ring: the caller is paused, and goes on when somebody inserts it again.
///
/// If the main microthread is the last that could run, this returns at once. If the caller has no handle anywhere, nobody
/// could ever insert it: it is killed.
///
/// # Errors
/// As [`schedule`], and [`Interrupt::Deadlock`] if the caller is the last that could run while the main microthread waits.
pub fn schedule_remove() -> Result<(), StateError> {
    inside(|inner| {
        inner.may_switch()?;
        park::raise_kill_if_due();
        let task = inner.current();
        if task.handles.get() == 0 && !task.is_main.get() {
            TaskletRef::of(&task).kill();
        }
        if !task.is_main.get() && inner.is_last() {
            return Err(Interrupt::Deadlock.into());
        }
        inner.ring.borrow_mut().remove(task.slot.get());
        task.status.set(Status::Paused);
        drop(task);
        Ok(after_switch()?)
    })
}

/// Runs the scheduler that runs the caller until nothing else is ready: a nested
/// [`Scheduler::run`](super::Scheduler::run).
///
/// # Errors
/// As [`Scheduler::run`](super::Scheduler::run); outside a scheduler there is nothing to run, and it returns at once.
pub fn run() -> Result<(), RunError> {
    here(|inner| match inner {
        Some(inner) => run_inner(inner, false, None).map(|_| ()),
        None => Ok(()),
    })
}

/// As [`run`], within a [`Budget`]: a nested [`Scheduler::run_for`](super::Scheduler::run_for).
///
/// # Errors
/// As [`run`].
pub fn run_for(budget: Budget) -> Result<Outcome, RunError> {
    here(|inner| match inner {
        Some(inner) => run_inner(inner, false, Some(budget)),
        None => Ok(Outcome::Done),
    })
}

/// Runs `f`, during which the caller is not interrupted by a budget; what was due happens right after. Switches that `f`
/// itself makes are not affected. Sections nest. Outside a local scheduler, this calls `f`.
///
/// ```
/// use actor_core::local::{self, Budget, Outcome, Scheduler};
/// use actor_core::microthread::checkpoint;
/// use std::{cell::Cell, rc::Rc};
///
/// let (sched, done) = (Scheduler::new(), Rc::new(Cell::new(0)));
/// let busy = sched.spawn({
///     let done = done.clone();
///     move || {
///         local::atomic(|| (0..100).for_each(|_| {
///             checkpoint();
///             done.set(done.get() + 1);
///         }));
///         done.set(1000);
///     }
/// });
/// let outcome = sched.run_for(Budget::points(10))?;
/// assert!(matches!(outcome, Outcome::Interrupted(who) if who == *busy));
/// assert_eq!(done.get(), 100); // all of the section, and nothing after it
/// # Ok::<(), actor_core::local::RunError>(())
/// ```
pub fn atomic<R>(f: impl FnOnce() -> R) -> R {
    /// Also by unwinding.
    struct Section(Rc<Task>);
    impl Drop for Section {
        fn drop(&mut self) {
            self.0.atomic.set(self.0.atomic.get() - 1);
        }
    }
    park::check_stack();
    let current = here(|inner| inner.and_then(|inner| inner.current.borrow().clone()));
    let Some(task) = current else {
        return f();
    };
    task.atomic.set(task.atomic.get() + 1);
    let section = Section(task);
    let result = f();
    drop(section);
    end_of_section();
    result
}

/// Runs `f`, during which nothing may switch away from the caller: what would gives [`Interrupt::SwitchTrap`] and leaves
/// everything as it was. Sections nest. Outside a local scheduler, this calls `f`.
///
/// Waking others, on this thread or from another, is no switch.
///
/// # Panics
/// Where a call that would wait has no error to give, as in [`no_suspend`](crate::microthread::no_suspend).
///
/// ```
/// use actor_core::local::{self, Scheduler, StateError};
/// use actor_core::microthread::Interrupt;
///
/// let sched = Scheduler::new();
/// let refused = sched.main(|| {
///     local::spawn(|| ());
///     local::switch_trap(local::schedule)
/// })?;
/// assert_eq!(refused, Err(StateError::Refused(Interrupt::SwitchTrap)));
/// # Ok::<(), actor_core::microthread::JoinError>(())
/// ```
pub fn switch_trap<R>(f: impl FnOnce() -> R) -> R {
    /// Also by unwinding.
    struct Section(Rc<Inner>);
    impl Drop for Section {
        fn drop(&mut self) {
            self.0.switch_trap.set(self.0.switch_trap.get() - 1);
        }
    }
    park::check_stack();
    let Some(inner) = here(|inner| inner.and_then(|inner| inner.me.upgrade())) else {
        return f();
    };
    inner.switch_trap.set(inner.switch_trap.get() + 1);
    let section = Section(inner);
    let result = f();
    drop(section);
    end_of_section();
    result
}

fn end_of_section() {
    here(|inner| {
        if let Some(inner) = inner {
            inner.end_of_section();
        }
    });
    park::raise_kill_if_due();
}
