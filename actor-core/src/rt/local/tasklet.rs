//! A microthread and its result.

use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::rc::Rc;
use std::thread;

use crate::rt::error::{JoinError, panic_message};
use crate::rt::park::{self, Parker};
use crate::rt::task::{drop_quietly, reason};
use crate::rt::wait::{self, Ended, Interrupt};

use super::drive::{Driven, Until};
use super::error::StateError;
use super::handle::TaskletRef;
use super::inner::Inner;
use super::task::{Body, End, Task};

pub(super) type Slot<T> = Rc<RefCell<Option<Result<T, JoinError>>>>;

/// A microthread of a local scheduler and the place for its result. What can be done with it is with [`TaskletRef`].
///
/// Dropping it detaches a microthread that is scheduled or blocked; a paused one is killed with its last handle.
///
/// ```
/// use actor_core::local::Scheduler;
///
/// let sched = Scheduler::new();
/// let tasklet = sched.spawn(|| 6 * 7);
/// assert!(tasklet.is_scheduled());
/// assert_eq!(tasklet.join()?, 42);
/// # Ok::<(), actor_core::microthread::JoinError>(())
/// ```
pub struct Tasklet<T> {
    tasklet: TaskletRef,
    result: Slot<T>,
}

impl<T> Deref for Tasklet<T> {
    type Target = TaskletRef;

    fn deref(&self) -> &TaskletRef {
        &self.tasklet
    }
}

impl<T> fmt::Debug for Tasklet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tasklet.fmt(f)
    }
}

impl<T: 'static> Tasklet<T> {
    pub(super) fn unbound(tasklet: TaskletRef) -> Self {
        Tasklet {
            tasklet,
            result: Rc::default(),
        }
    }

    /// Gives it a function to run. It is paused then; [`insert`](TaskletRef::insert) it, or [`run`](TaskletRef::run) it. A
    /// dead one can be bound again; a result that nobody has taken is dropped.
    ///
    /// # Errors
    /// [`StateError::Alive`] if it has something to run already.
    pub fn bind(&self, f: impl FnOnce() -> T + 'static) -> Result<(), StateError> {
        let inner = self.inner()?;
        if self.is_alive() {
            return Err(StateError::Alive);
        }
        let task = self.task();
        let left = self.result.borrow_mut().take();
        drop_quietly((left, task.fate.take()));
        task.drop_pending();
        // Those were destructors of the user's, which may have bound it.
        if self.is_alive() {
            return Err(StateError::Alive);
        }
        task.renew(body(f, self.result.clone(), task));
        inner.adopt(task);
        Ok(())
    }

    pub(super) fn result(&self) -> &Slot<T> {
        &self.result
    }

    /// A handle of the same microthread without its result.
    pub fn handle(&self) -> TaskletRef {
        self.tasklet.clone()
    }

    /// Waits for its end and gives its result. In a microthread the caller waits; from outside, the scheduler is driven until
    /// this one has ended.
    ///
    /// # Errors
    /// [`JoinError`] if it panicked, was killed or overflowed its stack, and [`JoinError::Interrupted`] if the wait was
    /// interrupted, for instance because it would never have ended; the microthread then goes on without a handle.
    pub fn join(self) -> Result<T, JoinError> {
        while self.is_alive() {
            let inner = self.inner().map_err(|_| JoinError::Shutdown)?;
            if inner.driving.get() {
                if inner.is_root() {
                    // A destructor: the scheduler would wait for itself.
                    return Err(JoinError::Interrupted(refusal()));
                }
                drop(inner);
                self.wait()?;
            } else {
                self.drive(&inner)?;
            }
        }
        let result = self.result.borrow_mut().take();
        let result = result.or_else(|| self.task().fate.take().map(Err));
        result.unwrap_or(Err(JoinError::Killed))
    }

    /// Somebody drives the scheduler: waits for the end, or less.
    fn wait(&self) -> Result<(), JoinError> {
        /// Also when a kill unwinds.
        struct Joining<'a>(&'a Task, &'static Parker);
        impl Drop for Joining<'_> {
            fn drop(&mut self) {
                let mut joiners = self.0.joiners.borrow_mut();
                joiners.retain(|joiner| !ptr::eq(*joiner, self.1));
            }
        }
        if !park::may_suspend() {
            // The thread would wait for itself.
            return Err(JoinError::Interrupted(refusal()));
        }
        let me = park::current();
        self.task().joiners.borrow_mut().push(me);
        let _joining = Joining(self.task(), me);
        match wait::wait(None) {
            Err(Ended::Interrupted(interrupt)) if !self.is_alive() => {
                wait::postpone(interrupt);
                Ok(())
            }
            Err(Ended::Interrupted(interrupt)) => Err(JoinError::Interrupted(interrupt)),
            Err(Ended::TimedOut) | Ok(()) => Ok(()),
        }
    }

    fn drive(&self, inner: &Inner) -> Result<(), JoinError> {
        if thread::panicking() {
            return Err(JoinError::Interrupted(Interrupt::Unwinding));
        }
        match inner.drive(Until::Ended(self.task().clone())) {
            Driven::Ended => Ok(()),
            Driven::NoStack(limit) => Err(JoinError::NoStack(limit)),
            Driven::Stuck | Driven::Run(_) => Err(JoinError::Interrupted(Interrupt::Deadlock)),
        }
    }
}

/// Why the caller cannot wait, where `park::may_suspend` says no.
fn refusal() -> Interrupt {
    match thread::panicking() {
        true => Interrupt::Unwinding,
        false => Interrupt::SwitchTrap,
    }
}

/// `f`, whose result goes to `slot`, as a body of `task`.
fn body<T: 'static>(f: impl FnOnce() -> T + 'static, slot: Slot<T>, task: &Rc<Task>) -> Body {
    let task = Rc::downgrade(task);
    Box::new(move || {
        let thrown = task.upgrade().and_then(|task| task.take_thrown());
        let result = match thrown {
            None => panic::catch_unwind(AssertUnwindSafe(f)).map_err(reason),
            Some(thrown) => {
                drop_quietly(f);
                Err(JoinError::Thrown(thrown))
            }
        };
        conclude(result, &slot)
    })
}

/// Leaves a result for whoever has the handle.
pub(super) fn conclude<T>(result: Result<T, JoinError>, slot: &Slot<T>) -> End {
    let end = match &result {
        Ok(_) | Err(JoinError::Killed) => End::Quietly,
        Err(JoinError::Panicked(payload)) => End::Uncaught(panic_message(&**payload).to_owned()),
        Err(error) => End::Uncaught(error.to_string()),
    };
    if Rc::strong_count(slot) == 1 {
        drop_quietly(result);
    } else {
        *slot.borrow_mut() = Some(result);
    }
    end
}
