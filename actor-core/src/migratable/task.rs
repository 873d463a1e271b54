//! Functions that a runtime runs.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::image::Image;
use crate::microthread::{JoinError, JoinSet, SpawnError};
use crate::rt::core::Core;
use crate::rt::cx::Waiting;
use crate::rt::machine::{self, Handle, Held};
use crate::rt::park;
use crate::rt::runtime::Runtime;
use crate::rt::task::OnEnd;
use crate::rt::wait::Until;
use crate::rt::worker::Worker;

use super::call::{self, Call};
use super::{FreezeError, Migratable, Start, Suspended};

/// A migratable function that runs in a runtime, as a microthread without a stack of its own: join it, kill it, or take it off at its
/// suspension point, to freeze it or to go on with it elsewhere.
///
/// It is run on whichever worker comes to it, from one suspension point to the next, and costs its state plus about eighty bytes.
/// What it calls between them may block; then it keeps a stack for so long. A loop shares its worker with others where it waits,
/// also if what it waits for is always there.
///
/// Dropping the handle detaches it, as with `std::thread`. A runtime that shuts down kills it.
///
/// ```
/// use actor_core::channel::{self, Receiver};
/// use actor_core::{System, migratable};
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
/// let sys = System::new()?;
/// let (tx, rx) = channel::unbounded();
/// let task = sys.spawn_migratable(sum(rx))?;
/// tx.send(1)?;
/// tx.send(2)?;
///
/// let suspended = task.suspend()?; // nothing runs it now
/// tx.send(3)?;
/// drop(tx);
/// assert_eq!(suspended.spawn(&sys)?.join()?, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping the handle detaches the function"]
pub struct Task<M: Migratable>(Handle<M::Output, Call<M>>);

impl<M: Migratable> Task<M> {
    /// Its id, unique in its runtime. Suspended and spawned again it has another.
    pub fn id(&self) -> u64 {
        self.0.join.id()
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.0.join.is_finished()
    }

    /// Ends it at its next suspension point, where its state is dropped; if it is at one, as soon as a worker comes to it. A call
    /// in it that blocks unwinds, as a microthread's does. [`join`](Self::join) then gives [`JoinError::Killed`]. Killing
    /// what has ended does nothing.
    pub fn kill(&self) {
        self.0.join.kill();
    }

    /// Waits for it to end and returns its result. Parks the calling microthread, or blocks the calling thread.
    ///
    /// # Errors
    /// [`JoinError`] if it panicked, was killed, overflowed the stack, or never ran because the runtime ended.
    pub fn join(self) -> Result<M::Output, JoinError> {
        self.0.join.join()
    }

    /// As [`join`](Self::join), for at most `timeout`.
    ///
    /// # Errors
    /// The handle itself, if it has not ended by then.
    pub fn join_timeout(self, timeout: Duration) -> Result<Result<M::Output, JoinError>, Self> {
        self.0.join_timeout(timeout).map_err(Task)
    }

    /// Takes it off its runtime at its suspension point. If it is running just now this waits until it gets to one: parks the
    /// calling microthread, or blocks the calling thread. A kill ends that wait; then the function goes on, detached.
    ///
    /// A wait of it is given up without a trace, and begins again when it goes on. To freeze several together, suspend each and
    /// [`freeze`](super::freeze) them in one image.
    ///
    /// # Errors
    /// [`NotSuspended`], which gives the handle back: it has ended, panicked or been killed; or the function itself is the caller.
    pub fn suspend(self) -> Result<Suspended<M>, NotSuspended<M>> {
        self.suspend_until(None)
    }

    /// As [`suspend`](Self::suspend), for at most up to `deadline`: then it is running.
    pub(crate) fn suspend_until(
        self,
        deadline: Option<Instant>,
    ) -> Result<Suspended<M>, NotSuspended<M>> {
        park::check_stack();
        self.taken_off(Until::Deadline(deadline))
    }

    /// As [`suspend`](Self::suspend), without waiting.
    ///
    /// # Errors
    /// [`NotSuspended`], which gives the handle back, also if it is running just now.
    pub fn try_suspend(self) -> Result<Suspended<M>, NotSuspended<M>> {
        self.taken_off(Until::Now)
    }

    fn taken_off(self, until: Until) -> Result<Suspended<M>, NotSuspended<M>> {
        match self.0.suspend(until) {
            Ok((call, waiting)) => {
                let mut suspended = Suspended::with(call, waiting);
                suspended.give_up_wait();
                Ok(suspended)
            }
            Err((handle, held)) => Err(NotSuspended {
                task: Task(handle),
                why: match held {
                    Held::Running => WhyNotSuspended::Running,
                    Held::Caller => WhyNotSuspended::Caller,
                    Held::Ended => WhyNotSuspended::Ended,
                },
            }),
        }
    }

    /// [Suspends](Self::suspend) it and makes an image of it: it is in that image now, and nowhere else.
    ///
    /// ```
    /// use actor_core::migratable::Suspended;
    /// use actor_core::{System, microthread, migratable};
    ///
    /// #[migratable]
    /// fn count(to: u32) -> u32 {
    ///     let mut n = 0;
    ///     while n < to {
    ///         n += 1;
    ///         microthread::yield_now();
    ///     }
    ///     n
    /// }
    ///
    /// let sys = System::new()?;
    /// let image = match sys.spawn_migratable(count(1_000_000))?.freeze() {
    ///     Ok(image) => image,
    ///     Err(_) => return Ok(()), // it has counted that fast
    /// };
    /// let there = System::new()?; // in another process, perhaps
    /// let task = Suspended::<count>::thaw(&image)?.spawn(&there)?;
    /// assert_eq!(task.join()?, 1_000_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NotFrozen`], which gives it back: running, or suspended.
    pub fn freeze(self) -> Result<Image, NotFrozen<M>> {
        let suspended = self.suspend().map_err(NotFrozen::NotSuspended)?;
        suspended.freeze().map_err(|error| NotFrozen::Refused {
            suspended: Box::new(suspended),
            error,
        })
    }
}

impl<M: Migratable> fmt::Debug for Task<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("function", &M::NAME)
            .field("id", &self.id())
            .field("finished", &self.is_finished())
            .finish()
    }
}

/// Why a task could not be suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyNotSuspended {
    /// It is running just now; only of [`Task::try_suspend`].
    Running,
    /// The function itself is the caller, and would wait for itself.
    Caller,
    /// It has ended, or panicked, or been killed.
    Ended,
}

impl fmt::Display for WhyNotSuspended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => {
                "it is running, and can be suspended only where it waits: try again, or let `suspend` wait for it"
            }
            Self::Caller => {
                "a function cannot suspend itself, as it is running: leave that to another one"
            }
            Self::Ended => {
                "it has ended, or panicked, or been killed: nothing is left to be continued; join it"
            }
        })
    }
}

/// A task could not be suspended. Gives its handle back.
pub struct NotSuspended<M: Migratable> {
    /// The task, as it was.
    pub task: Task<M>,
    /// Why.
    pub why: WhyNotSuspended,
}

impl<M: Migratable> fmt::Debug for NotSuspended<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotSuspended")
            .field("task", &self.task)
            .field("why", &self.why)
            .finish()
    }
}

impl<M: Migratable> fmt::Display for NotSuspended<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` could not be suspended: {}", M::NAME, self.why)
    }
}

impl<M: Migratable> Error for NotSuspended<M> {}

/// A task could not be frozen. Gives it back.
pub enum NotFrozen<M: Migratable> {
    /// It is where it was.
    NotSuspended(NotSuspended<M>),
    /// It is suspended, and cannot be written.
    Refused {
        /// The function: [spawn](Suspended::spawn) it, and it goes on.
        suspended: Box<Suspended<M>>,
        /// Why.
        error: FreezeError,
    },
}

impl<M: Migratable> fmt::Debug for NotFrozen<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSuspended(error) => error.fmt(f),
            Self::Refused { suspended, error } => f
                .debug_struct("Refused")
                .field("suspended", suspended)
                .field("error", error)
                .finish(),
        }
    }
}

impl<M: Migratable> fmt::Display for NotFrozen<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSuspended(error) => error.fmt(f),
            Self::Refused { error, .. } => {
                write!(f, "`{}` could not be frozen: {error}", M::NAME)
            }
        }
    }
}

impl<M: Migratable> Error for NotFrozen<M> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotSuspended(_) => None,
            Self::Refused { error, .. } => Some(error),
        }
    }
}

/// Why a suspended function could not be spawned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyNotSpawned {
    /// It has ended, or panicked.
    Ended,
    /// The runtime takes nothing new.
    Refused(SpawnError),
}

/// A suspended function could not be spawned. Gives it back.
pub struct NotSpawned<M: Migratable> {
    /// The function, as it was.
    pub suspended: Suspended<M>,
    /// Why.
    pub why: WhyNotSpawned,
}

impl<M: Migratable> fmt::Debug for NotSpawned<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotSpawned")
            .field("suspended", &self.suspended)
            .field("why", &self.why)
            .finish()
    }
}

impl<M: Migratable> fmt::Display for NotSpawned<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            WhyNotSpawned::Ended => write!(
                f,
                "`{}` has ended, or panicked, and nothing is left to be continued",
                M::NAME
            ),
            WhyNotSpawned::Refused(error) => {
                write!(f, "`{}` could not be spawned: {error}", M::NAME)
            }
        }
    }
}

impl<M: Migratable> Error for NotSpawned<M> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.why {
            WhyNotSpawned::Ended => None,
            WhyNotSpawned::Refused(error) => Some(error),
        }
    }
}

/// Starts a function in `core`.
pub(crate) fn spawn_in<M: Migratable>(
    core: &Arc<Core>,
    start: Start<M>,
) -> Result<Task<M>, SpawnError> {
    spawn_with(core, start, ()).map(Task)
}

fn spawn_with<M: Migratable>(
    core: &Arc<Core>,
    start: Start<M>,
    on_end: impl OnEnd,
) -> Result<Handle<M::Output, Call<M>>, SpawnError> {
    park::check_stack();
    let embedded = call::embedded::<M, _>(M::program(), start.args);
    machine::spawn(core, embedded, Waiting::default(), on_end).map_err(|(error, ..)| error)
}

/// Puts a function that has begun on `core`. `on_end` is told if it ends there.
pub(super) fn spawn_begun<M: Migratable>(
    core: &Arc<Core>,
    call: Call<M>,
    waiting: Waiting,
    on_end: impl OnEnd,
) -> Result<Task<M>, (SpawnError, Call<M>, Waiting)> {
    park::check_stack();
    let embedded = call::unboxed(M::program(), call);
    let spawned = machine::spawn(core, embedded, waiting, on_end);
    spawned
        .map(Task)
        .map_err(|(error, embedded, waiting)| (error, machine::Machine::moved(embedded), waiting))
}

/// Starts a function in the runtime of the calling microthread.
///
/// ```
/// use actor_core::{Runtime, migratable};
///
/// #[migratable]
/// fn double(n: u32) -> u32 {
///     n * 2
/// }
///
/// let rt = Runtime::new()?;
/// let doubled = rt.spawn(|| migratable::spawn(double(21)).join())?;
/// assert_eq!(doubled.join()??, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// Outside a runtime, or while the runtime ends. [`Runtime::spawn_migratable`] gives that as an error, and works from anywhere.
#[track_caller]
pub fn spawn<M: Migratable>(start: Start<M>) -> Task<M> {
    let Some(core) = Worker::current_core() else {
        panic!(
            "`migratable::spawn` outside a runtime; use `Runtime::spawn_migratable` or `System::spawn_migratable`"
        );
    };
    match spawn_in(&core, start) {
        Ok(task) => task,
        Err(error) => panic!("could not spawn a migratable function: {error}"),
    }
}

impl Runtime {
    /// Starts a migratable function. From anywhere.
    ///
    /// # Errors
    /// [`SpawnError::ShuttingDown`] while the runtime ends.
    pub fn spawn_migratable<M: Migratable>(&self, start: Start<M>) -> Result<Task<M>, SpawnError> {
        spawn_in(self.core(), start)
    }
}

/// Migratable functions as members.
impl<T> JoinSet<T> {
    /// As [`spawn_in`](Self::spawn_in), of a migratable function.
    ///
    /// # Errors
    /// [`SpawnError::ShuttingDown`] while the runtime ends.
    pub fn spawn_migratable_in<M>(
        &mut self,
        runtime: &Runtime,
        start: Start<M>,
    ) -> Result<u64, SpawnError>
    where
        M: Migratable<Output = T>,
    {
        self.start_migratable(runtime.core(), start)
    }

    /// As [`spawn`](Self::spawn), of a migratable function.
    ///
    /// # Panics
    /// Outside a runtime, or while the runtime ends.
    #[track_caller]
    pub fn spawn_migratable<M>(&mut self, start: Start<M>) -> u64
    where
        M: Migratable<Output = T>,
    {
        let Some(core) = Worker::current_core() else {
            panic!(
                "`JoinSet::spawn_migratable` outside a runtime; use `JoinSet::spawn_migratable_in`"
            );
        };
        match self.start_migratable(&core, start) {
            Ok(number) => number,
            Err(error) => panic!("could not spawn a migratable function: {error}"),
        }
    }

    fn start_migratable<M>(&mut self, core: &Arc<Core>, start: Start<M>) -> Result<u64, SpawnError>
    where
        M: Migratable<Output = T>,
    {
        self.add(|tell| spawn_with(core, start, tell).map(|handle| handle.join))
    }
}
