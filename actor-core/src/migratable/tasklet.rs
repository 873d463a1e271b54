//! Functions that a local scheduler runs.

use std::error::Error;
use std::fmt;
use std::ops::Deref;

use crate::local::{self, Scheduler, TaskletRef};
use crate::microthread::JoinError;
use crate::rt::cx::Waiting;
use crate::rt::local::machine;
use crate::rt::machine::Held;

use super::call::{self, Call};
use super::{Migratable, Start, Suspended, WhyNotSuspended};

/// A migratable function in a local scheduler: a microthread there that owns no stack. What [`Task`](super::Task) is in a runtime, and
/// [`local::Tasklet`] is of what owns one. What can be done with it is with [`TaskletRef`].
///
/// It is a member of the ring like any other: it runs when it is its turn, and a wait, a yield, a kill, and a budget do to it what they do to
/// its neighbours. A budget that is used up in a loop of it, in a pass that may wait, suspends it there. What is different:
/// - An error thrown into it does not make the call that it waits in return: it ends, and [`join`](Self::join) gives
///   [`JoinError::Thrown`].
/// - A channel's preference does not jump to it: woken by a partner, it goes to the end of the ring. Hooks are
///   not told of what it sends and receives.
///
/// Dropping it detaches it; a paused one is killed with its last handle.
///
/// ```
/// use actor_core::channel::{self, Receiver};
/// use actor_core::{local::Scheduler, migratable};
///
/// #[migratable]
/// fn sum(numbers: Receiver<u64>) -> u64 {
///     let mut sum = 0;
///     while let Ok(n) = numbers.recv() {
///         sum += n;
///     }
///     sum
/// }
///
/// let sched = Scheduler::new();
/// let (tx, rx) = channel::unbounded();
/// let tasklet = sched.spawn_migratable(sum(rx));
/// tx.send(1)?;
/// sched.run()?;
/// assert!(tasklet.is_blocked()); // in its receive, and on no stack
///
/// let suspended = tasklet.suspend()?;
/// let image = suspended.freeze()?; // with the channel that it holds
/// tx.send(2)?;
/// drop(tx);
/// let other = Scheduler::new();
/// assert_eq!(suspended.spawn_local(&other)?.join()?, 3);
/// # drop(image);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Tasklet<M: Migratable>(local::Tasklet<M::Output>);

impl<M: Migratable> Deref for Tasklet<M> {
    type Target = TaskletRef;

    fn deref(&self) -> &TaskletRef {
        &self.0
    }
}

impl<M: Migratable> fmt::Debug for Tasklet<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<M: Migratable> Tasklet<M> {
    /// A handle of the same microthread without its result.
    pub fn handle(&self) -> TaskletRef {
        self.0.handle()
    }

    /// Waits for its end and gives its result, as [`local::Tasklet::join`].
    ///
    /// # Errors
    /// As there.
    pub fn join(self) -> Result<M::Output, JoinError> {
        self.0.join()
    }

    /// Takes it off its scheduler where it is suspended: in the ring, paused or blocked. A wait of it is given up without a trace, and begins
    /// again when it goes on. To freeze it, [`freeze`](Suspended::freeze) what this gives.
    ///
    /// # Errors
    /// [`TaskletNotSuspended`], which gives the handle back: it has ended or is about to, as it was killed or an error thrown into it; it is
    /// the caller; or what it called waits in the middle of its turn, on a stack.
    pub fn suspend(self) -> Result<Suspended<M>, TaskletNotSuspended<M>> {
        match self.0.suspend::<Call<M>>() {
            Ok((call, waiting)) => {
                let mut suspended = Suspended::with(call, waiting);
                suspended.give_up_wait();
                Ok(suspended)
            }
            Err((tasklet, held)) => Err(TaskletNotSuspended {
                tasklet: Tasklet(tasklet),
                why: match held {
                    Held::Running => WhyNotSuspended::Running,
                    Held::Caller => WhyNotSuspended::Caller,
                    Held::Ended => WhyNotSuspended::Ended,
                },
            }),
        }
    }
}

/// A function could not be taken off its local scheduler. Gives its handle back.
pub struct TaskletNotSuspended<M: Migratable> {
    /// The function, where it was.
    pub tasklet: Tasklet<M>,
    /// Why.
    pub why: WhyNotSuspended,
}

impl<M: Migratable> fmt::Debug for TaskletNotSuspended<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskletNotSuspended")
            .field("tasklet", &self.tasklet)
            .field("why", &self.why)
            .finish()
    }
}

impl<M: Migratable> fmt::Display for TaskletNotSuspended<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` could not be suspended: {}", M::NAME, self.why)
    }
}

impl<M: Migratable> Error for TaskletNotSuspended<M> {}

/// Puts a function that has begun at the end of the ring.
pub(super) fn spawn_begun<M: Migratable>(
    scheduler: &Scheduler,
    call: Call<M>,
    waiting: Waiting,
) -> Tasklet<M> {
    let embedded = call::unboxed(M::program(), call);
    Tasklet(machine::spawn(scheduler, embedded, waiting))
}

impl Scheduler {
    /// A microthread that will run a migratable function, at the end of the ring. It owns no stack.
    pub fn spawn_migratable<M: Migratable>(&self, start: Start<M>) -> Tasklet<M> {
        let embedded = call::embedded::<M, _>(M::program(), start.args);
        Tasklet(machine::spawn(self, embedded, Waiting::default()))
    }
}
