//! Handles of microthreads: what can be done with one from outside.

use std::error::Error;
use std::fmt;
use std::rc::Rc;

use crate::rt::error::JoinError;
use crate::rt::header::KILLED;
use crate::rt::park;
use crate::rt::throw::Thrown;

use super::calls::{after_switch, after_switch_of_others};
use super::error::{StateError, ThrowError};
use super::inner::{Inner, here};
use super::remote::RemoteTasklet;
use super::scheduler::Scheduler;
use super::task::{Status, Task};

/// One microthread of a local scheduler, whatever its result: to look at it and to schedule it. Cheap to clone.
///
/// A paused microthread whose last handle is dropped could never run again: it is killed, and its destructors run when the
/// scheduler runs next.
///
/// ```
/// use actor_core::local::Scheduler;
///
/// let sched = Scheduler::new();
/// let tasklet = sched.bind(|| 1).handle(); // paused, as nobody has inserted it
/// assert!(tasklet.is_paused() && !tasklet.is_scheduled());
/// tasklet.insert()?;
/// assert!(tasklet.is_scheduled());
/// sched.run()?;
/// assert!(!tasklet.is_alive());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TaskletRef {
    task: Rc<Task>,
}

impl Clone for TaskletRef {
    fn clone(&self) -> Self {
        TaskletRef::of(&self.task)
    }
}

impl Drop for TaskletRef {
    fn drop(&mut self) {
        let handles = self.task.handles.get() - 1;
        self.task.handles.set(handles);
        if handles == 0 && self.task.is(Status::Paused) {
            let home = self.task.home.borrow().upgrade();
            if let Some(inner) = home {
                inner.kill_pending(&self.task);
            }
        }
    }
}

/// The same microthread.
impl PartialEq for TaskletRef {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.task, &other.task)
    }
}

impl Eq for TaskletRef {}

impl fmt::Debug for TaskletRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.task.fmt(f)
    }
}

impl TaskletRef {
    pub(super) fn of(task: &Rc<Task>) -> Self {
        task.handles.set(task.handles.get() + 1);
        TaskletRef { task: task.clone() }
    }

    pub(super) fn task(&self) -> &Rc<Task> {
        &self.task
    }

    /// Its number, unique among those that its scheduler has made.
    pub fn id(&self) -> u64 {
        self.task.header.id()
    }

    /// Its name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.task.name.as_deref()
    }

    /// Whether it has something left to run.
    pub fn is_alive(&self) -> bool {
        !self.task.is(Status::Dead)
    }

    /// Whether it waits on a channel, a lock, a deadline or the like.
    pub fn is_blocked(&self) -> bool {
        self.task.is(Status::Blocked)
    }

    /// Whether it is in the run ring, or blocked: in either case its scheduler will let it run in time.
    pub fn is_scheduled(&self) -> bool {
        matches!(self.task.status.get(), Status::Scheduled | Status::Blocked)
    }

    /// Whether it is alive but nowhere: it runs again only if it is inserted.
    pub fn is_paused(&self) -> bool {
        self.task.is(Status::Paused)
    }

    /// Whether it is the one that runs.
    pub fn is_current(&self) -> bool {
        here(|inner| inner.is_some_and(|inner| inner.is_current(&self.task)))
    }

    /// Whether it is the main microthread: see [`Scheduler::main`].
    pub fn is_main(&self) -> bool {
        self.task.is_main.get()
    }

    /// Whether a wait that would block it gives [`Interrupt::BlockTrap`](crate::microthread::Interrupt::BlockTrap) instead.
    pub fn block_trap(&self) -> bool {
        self.task.block_trap.get()
    }

    /// See [`block_trap`](Self::block_trap). What need not block goes on as ever, and so does what has no error to give, such
    /// as a sleep.
    pub fn set_block_trap(&self, trap: bool) {
        self.task.block_trap.set(trap);
    }

    pub(super) fn inner(&self) -> Result<Rc<Inner>, StateError> {
        park::check_stack();
        let home = self.task.home.borrow().upgrade();
        home.ok_or(StateError::NoScheduler)
    }

    /// Puts it at the end of the ring; if it is there already, nothing changes.
    ///
    /// # Errors
    /// [`StateError`] if it is blocked, dead, or waits in a nested run.
    pub fn insert(&self) -> Result<(), StateError> {
        let inner = self.inner()?;
        match self.task.status.get() {
            Status::Paused => inner.make_scheduled(&self.task),
            Status::Scheduled => {}
            Status::Blocked => return Err(StateError::Blocked),
            Status::Running => return Err(StateError::Running),
            Status::Dead => return Err(StateError::Dead),
        }
        Ok(())
    }

    /// Takes it off the ring: it is paused. If it is not in the ring, nothing changes.
    ///
    /// # Errors
    /// [`StateError`] if it is blocked or the current one (see [`schedule_remove`](super::schedule_remove)).
    pub fn remove(&self) -> Result<(), StateError> {
        let inner = self.inner()?;
        if inner.is_current(&self.task) {
            return Err(StateError::Current);
        }
        match self.task.status.get() {
            Status::Blocked => return Err(StateError::Blocked),
            Status::Scheduled => {
                inner.ring.borrow_mut().remove(self.task.slot.get());
                self.task.status.set(Status::Paused);
            }
            Status::Paused | Status::Running | Status::Dead => {}
        }
        Ok(())
    }

    /// Lets it run at once, inserting it first if need be. The caller keeps its place in the ring, so those between it and
    /// the caller run before the caller does. From outside the scheduler it becomes the one to run first.
    ///
    /// # Errors
    /// [`StateError`] if it is blocked or dead, or switching is trapped; and [`StateError::Refused`] with an error that was
    /// thrown into the caller before its turn came again.
    pub fn run(&self) -> Result<(), StateError> {
        self.jump(false)
    }

    /// As [`run`](Self::run), but the caller leaves the ring: it is paused, and somebody has to insert it again. (If it has no
    /// handle anywhere, nobody ever could: it is killed.) Switching to oneself does nothing.
    ///
    /// # Errors
    /// As [`run`](Self::run), and [`StateError::Outside`] where there is nobody to be paused.
    pub fn switch(&self) -> Result<(), StateError> {
        if !here(|inner| inner.is_some_and(|inner| self.is_of(inner))) {
            return Err(StateError::Outside);
        }
        self.jump(true)
    }

    fn is_of(&self, inner: &Inner) -> bool {
        std::ptr::eq(self.task.home.borrow().as_ptr(), inner)
    }

    fn jump(&self, leaves_ring: bool) -> Result<(), StateError> {
        let inner = self.inner()?;
        if inner.is_current(&self.task) {
            return Ok(());
        }
        let slot = || self.task.slot.get();
        if !here(|current| current.is_some_and(|current| self.is_of(current))) {
            self.insert()?;
            let mut ring = inner.ring.borrow_mut();
            match inner.driving.get() {
                false => ring.turn_to(slot()),
                true if ring.head() == Some(slot()) => {}
                // From a hook, or from a scheduler that one of its microthreads drives.
                true => {
                    ring.remove(slot());
                    ring.push_next(slot());
                }
            }
            return Ok(());
        }
        inner.may_switch()?;
        let caller = inner.current();
        if leaves_ring && caller.handles.get() == 0 && !caller.is_main.get() {
            drop(inner);
            TaskletRef::of(&caller).kill();
            return Ok(());
        }
        self.insert()?;
        inner.ring.borrow_mut().turn_to(slot());
        if leaves_ring {
            inner.ring.borrow_mut().remove(caller.slot.get());
            caller.status.set(Status::Paused);
        }
        drop((inner, caller));
        Ok(after_switch()?)
    }

    /// Ends it at once: it becomes current and unwinds, running its destructors, from where it is; one that has not started
    /// never runs. Killing a dead one does nothing; killing oneself unwinds here. From outside the scheduler, and where
    /// switching is trapped, it is as [`kill_pending`](Self::kill_pending).
    ///
    /// A body that catches the unwinding is killed again at each later suspension point. Inside a
    /// [`shield`](crate::microthread::shield) the kill is put off until the section's end.
    pub fn kill(&self) {
        let Ok(inner) = self.inner() else { return };
        if inner.is_current(&self.task) {
            self.task.header.set(KILLED);
            return park::raise_kill_if_due();
        }
        inner.kill_pending(&self.task);
        self.let_go_first(inner);
    }

    /// As [`kill`](Self::kill), but it unwinds when it is its turn; the caller goes on.
    pub fn kill_pending(&self) {
        if let Ok(inner) = self.inner() {
            inner.kill_pending(&self.task);
        }
    }

    /// Switches to it if it is in the ring and the caller may. What is thrown into the caller stays pending.
    fn let_go_first(&self, inner: Rc<Inner>) {
        if inner.is_inside() && inner.may_switch().is_ok() {
            // It may have been woken by another thread already.
            inner.arrivals();
            if self.task.is(Status::Scheduled) {
                inner.ring.borrow_mut().turn_to(self.task.slot.get());
                drop(inner);
                after_switch_of_others();
            }
        }
    }

    /// Throws an error into it: it becomes current, and the call it is blocked in, or the next one that can, returns
    /// [`Interrupt::Thrown`](crate::microthread::Interrupt::Thrown). From outside the scheduler, and where switching is trapped, it is as
    /// [`throw_pending`](Self::throw_pending).
    ///
    /// What a call of another kind (a sleep) waits for it goes on waiting for, and a call that has been served succeeds: the
    /// error stays pending. Several are delivered in order.
    ///
    /// # Errors
    /// [`ThrowError`], with the error, if it has ended, or has not started: then it never will, and joining it gives
    /// [`JoinError::Thrown`].
    pub fn throw(&self, error: impl Into<Box<dyn Error + Send + Sync>>) -> Result<(), ThrowError> {
        let thrown = Thrown::new(error.into());
        let Ok(inner) = self.inner() else {
            return Err(ThrowError::NoScheduler(thrown));
        };
        if self.is_alive() && !self.task.has_started() {
            inner.discard(&self.task, JoinError::Thrown(thrown.clone()));
            return Err(ThrowError::NotStarted(thrown));
        }
        self.put(&inner, thrown)?;
        if !inner.is_current(&self.task) {
            self.let_go_first(inner);
        }
        Ok(())
    }

    /// As [`throw`](Self::throw), but the caller goes on. One that has not started does not run its body when it is its turn:
    /// it ends with [`JoinError::Thrown`], which is an uncaught error of its own.
    ///
    /// # Errors
    /// [`ThrowError`], with the error, if it has ended.
    pub fn throw_pending(
        &self,
        error: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Result<(), ThrowError> {
        let thrown = Thrown::new(error.into());
        match self.inner() {
            Ok(inner) => self.put(&inner, thrown),
            Err(_) => Err(ThrowError::NoScheduler(thrown)),
        }
    }

    fn put(&self, inner: &Inner, thrown: Thrown) -> Result<(), ThrowError> {
        let task = &self.task;
        match task.status.get() {
            Status::Dead => return Err(ThrowError::Dead(thrown)),
            _ => task.pending.push(&task.header, thrown),
        }
        match task.status.get() {
            Status::Paused => inner.make_scheduled(task),
            Status::Blocked => inner.unpark(task),
            Status::Running => inner.leave_run(task),
            Status::Scheduled | Status::Dead => {}
        }
        Ok(())
    }

    /// Moves it to another scheduler of this thread, where it is paused. Its handles go on being good. The orders of a
    /// [`RemoteTasklet`] that was made before go by way of the scheduler it was in then: they are carried out when that looks,
    /// and refused once that is gone.
    ///
    /// # Errors
    /// [`StateError`] if it has started, as its stack stays where it is, or is in the ring.
    pub fn bind_to(&self, scheduler: &Scheduler) -> Result<(), StateError> {
        let inner = self.inner()?;
        match self.task.status.get() {
            Status::Dead => return Err(StateError::Dead),
            _ if self.task.has_started() => return Err(StateError::Started),
            Status::Paused => {}
            _ => return Err(StateError::Alive),
        }
        inner.release_slot(&self.task);
        scheduler.inner().adopt(&self.task);
        *self.task.home.borrow_mut() = scheduler.inner().me.clone();
        Ok(())
    }

    /// A handle for other threads.
    ///
    /// # Errors
    /// [`StateError::NoScheduler`] if its scheduler is gone.
    pub fn remote(&self) -> Result<RemoteTasklet, StateError> {
        Ok(RemoteTasklet::new(&*self.inner()?, self.clone()))
    }
}
