//! Handles for other threads: orders that the scheduler carries out when it looks.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::rt::task::drop_quietly;

use super::error::StateError;
use super::handle::TaskletRef;
use super::inner::Inner;
use super::shared::{Order, Shared};
use super::task::Status;

/// A microthread of a local scheduler, from another thread. Cheap to clone.
///
/// Each method leaves an order, and wakes the scheduler's thread if that waits for other threads or deadlines; the order is
/// carried out there, between two switches. What cannot be done then is not: to insert what is blocked, say.
///
/// ```
/// use actor_core::local::Scheduler;
///
/// let sched = Scheduler::builder().wait_for_threads().build();
/// let tasklet = sched.bind(|| "inserted by another thread");
/// let remote = tasklet.remote()?;
/// let other = std::thread::spawn(move || remote.insert().unwrap());
/// assert_eq!(tasklet.join()?, "inserted by another thread"); // waits for somebody to insert it
/// other.join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RemoteTasklet(Arc<Remote>);

struct Remote {
    shared: Arc<Shared>,
    number: u64,
    id: u64,
    name: Option<Box<str>>,
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.shared.order(self.number, Order::Forget);
    }
}

impl RemoteTasklet {
    pub(super) fn new(inner: &Inner, tasklet: TaskletRef) -> Self {
        let mut remotes = inner.remotes.borrow_mut();
        let number = remotes.last_key_value().map_or(0, |(last, _)| last + 1);
        let remote = Remote {
            shared: inner.shared.clone(),
            number,
            id: tasklet.id(),
            name: tasklet.name().map(Into::into),
        };
        remotes.insert(number, tasklet);
        RemoteTasklet(Arc::new(remote))
    }

    /// See [`TaskletRef::id`].
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// See [`TaskletRef::name`].
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    fn order(&self, order: Order) -> Result<(), StateError> {
        match self.0.shared.order(self.0.number, order) {
            true => Ok(()),
            false => Err(StateError::NoScheduler),
        }
    }

    /// Has it put at the end of the ring: see [`TaskletRef::insert`].
    ///
    /// # Errors
    /// [`StateError::NoScheduler`] if the scheduler is gone.
    pub fn insert(&self) -> Result<(), StateError> {
        self.order(Order::Insert)
    }

    /// Has it taken off the ring: see [`TaskletRef::remove`].
    ///
    /// # Errors
    /// [`StateError::NoScheduler`] if the scheduler is gone.
    pub fn remove(&self) -> Result<(), StateError> {
        self.order(Order::Remove)
    }

    /// Has it put into the ring so that it is next.
    ///
    /// # Errors
    /// [`StateError::NoScheduler`] if the scheduler is gone.
    pub fn run_next(&self) -> Result<(), StateError> {
        self.order(Order::RunNext)
    }

    /// Has it killed when it is its turn: see [`TaskletRef::kill_pending`].
    ///
    /// # Errors
    /// [`StateError::NoScheduler`] if the scheduler is gone, and the microthread with it.
    pub fn kill(&self) -> Result<(), StateError> {
        self.order(Order::Kill)
    }

    /// Has an error thrown into it: see [`TaskletRef::throw_pending`].
    ///
    /// # Errors
    /// [`StateError::NoScheduler`] if the scheduler is gone.
    pub fn throw(&self, error: impl Into<Box<dyn Error + Send + Sync>>) -> Result<(), StateError> {
        self.order(Order::Throw(error.into()))
    }
}

impl fmt::Debug for RemoteTasklet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteTasklet")
            .field("id", &self.0.id)
            .field("name", &self.0.name)
            .finish()
    }
}

impl Inner {
    /// What another thread wants done with what it knows under `number`. Not on a stack of the scheduler's that is about to
    /// be left: destructors may run.
    pub(super) fn carry_out(&self, number: u64, order: Order) {
        let tasklet = self.remotes.borrow().get(&number).cloned();
        let Some(tasklet) = tasklet else { return };
        // What cannot be done has nobody to be told.
        let _ = match order {
            Order::Insert => tasklet.insert(),
            Order::Remove => tasklet.remove(),
            Order::RunNext => Self::run_next(&tasklet),
            Order::Kill => {
                tasklet.kill_pending();
                Ok(())
            }
            Order::Throw(error) => {
                drop_quietly(tasklet.throw_pending(error));
                Ok(())
            }
            Order::Forget => {
                let forgotten = self.remotes.borrow_mut().remove(&number);
                drop(forgotten);
                Ok(())
            }
        };
    }

    /// In the scheduler it is in now: it may have [moved](TaskletRef::bind_to).
    fn run_next(tasklet: &TaskletRef) -> Result<(), StateError> {
        let inner = tasklet.inner()?;
        let task = tasklet.task();
        if !inner.is_current(task) {
            tasklet.insert()?;
            let slot = task.slot.get();
            let mut ring = inner.ring.borrow_mut();
            ring.remove(slot);
            // On the root nobody is current, and the head is next.
            let head = ring.head().filter(|_| inner.current.borrow().is_none());
            match head {
                Some(_) => {
                    ring.push(slot);
                    ring.turn_to(slot);
                }
                None => ring.push_next(slot),
            }
            debug_assert!(task.is(Status::Scheduled));
        }
        Ok(())
    }
}
