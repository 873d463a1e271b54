//! Microthreads: threads that cost next to nothing.
//!
//! A microthread runs a closure on a pooled stack of its own and may block anywhere: a join, a sleep, an ask, a socket.
//! Blocking parks the microthread; its worker thread goes on with others. Every function here works on an ordinary OS
//! thread as well, where it blocks the thread.
//!
//! ```
//! use actor_core::{Runtime, microthread};
//! use std::time::Duration;
//!
//! let rt = Runtime::new()?;
//! let total = rt.spawn(|| {
//!     let parts: Vec<_> = (0..10)
//!         .map(|i| microthread::spawn(move || {
//!             microthread::sleep(Duration::from_millis(1));
//!             i
//!         }))
//!         .collect();
//!     parts.into_iter().map(|part| part.join().unwrap()).sum::<i32>()
//! })?;
//! assert_eq!(total.join()?, 45);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Several at once
//! - [`scope`]: microthreads that borrow from their caller and end before it goes on.
//! - [`JoinSet`]: microthreads whose results come as they end.
//! - [`CancellationToken`]: a request to end, to be looked at and waited for.
//! - [`microthread_local!`]: values that belong to a microthread.

mod cancel;
mod join_set;
mod local;
mod scope;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::rt::park;
use crate::rt::preempt;
use crate::rt::runtime::{MAX_STACK_SIZE, MIN_STACK_SIZE, Runtime};
use crate::rt::task;
use crate::rt::wait;
use crate::rt::worker::Worker;

pub use self::cancel::{CancellationToken, Cancelled, DropGuard};
pub use self::join_set::JoinSet;
pub use self::local::{AccessError, LocalKey};
pub use self::scope::{Scope, ScopedJoinHandle, scope, scope_in, try_scope};
pub use crate::microthread_local;
pub use crate::rt::block_on::block_on;
pub use crate::rt::error::{JoinError, SpawnError};
pub use crate::rt::offload::blocking;
pub use crate::rt::task::JoinHandle;
pub use crate::rt::throw::{ThrowError, Thrown};
pub use crate::rt::wait::Interrupt;

/// Starts a microthread in the runtime of the calling one.
///
/// It starts on whichever worker comes to it first; once started it stays there. `body` must be `Send`, but what it
/// creates and keeps across blocking calls need not be.
///
/// # Panics
/// Outside a runtime, at the stack limit, or while the runtime ends. [`Builder::spawn`] gives these as errors, and
/// [`Runtime::spawn`] works from anywhere.
#[track_caller]
pub fn spawn<F, T>(body: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let Some(core) = Worker::current_core() else {
        panic!(
            "`microthread::spawn` outside a runtime; use `Runtime::spawn` or `System::spawn_microthread`"
        );
    };
    match task::spawn(&core, task::Options::default(), body) {
        Ok(handle) => handle,
        Err(error) => panic!("could not spawn a microthread: {error}"),
    }
}

/// Chooses a microthread's name and stack size.
///
/// ```
/// use actor_core::{Runtime, microthread};
///
/// let rt = Runtime::new()?;
/// let handle = microthread::Builder::new()
///     .name("deep")
///     .stack_size(1024 * 1024)
///     .spawn_in(&rt, || "done")?;
/// assert_eq!(handle.join()?, "done");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `spawn`"]
pub struct Builder {
    options: task::Options,
}

impl Builder {
    /// A microthread with no name and the runtime's stack size.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name in events and reports.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.options.name = Some(name.into());
        self
    }

    /// The size of its stack in bytes, rounded up; clamped to what the runtime's builder allows.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.options.stack_size = bytes.clamp(MIN_STACK_SIZE, MAX_STACK_SIZE);
        self
    }

    /// Starts it in the runtime of the calling microthread.
    ///
    /// # Errors
    /// [`SpawnError`] at the stack limit or while the runtime ends.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F, T>(self, body: F) -> Result<JoinHandle<T>, SpawnError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let Some(core) = Worker::current_core() else {
            panic!("`Builder::spawn` outside a runtime; use `Builder::spawn_in`");
        };
        task::spawn(&core, self.options, body)
    }

    /// Starts it in `runtime`, from anywhere.
    ///
    /// # Errors
    /// [`SpawnError`] at the stack limit or while the runtime ends.
    pub fn spawn_in<F, T>(self, runtime: &Runtime, body: F) -> Result<JoinHandle<T>, SpawnError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        task::spawn(runtime.core(), self.options, body)
    }
}

/// Lets everything else that is ready run, then goes on. On a thread that is no worker's, yields the thread. In a
/// [local scheduler](crate::local) it is [`schedule`](crate::local::schedule), unless switching is trapped.
///
/// A suspension point: a kill is raised here.
#[inline]
pub fn yield_now() {
    park::yield_now();
}

/// For long computations: raises what is due, and lets others run now and then.
///
/// What is due: a kill, also that of a runtime that is shutting down; an overflow, if little is left of the stack. Each call
/// raises it at once. After 4,096 checkpoints without a wait in between, the microthread yields if anything else is ready
/// on its worker, as [`yield_now`] does; where nothing is, it goes on. (It also yields where it has swallowed a kill before.)
/// It never yields inside [`no_suspend`], nor while a panic unwinds. On a thread that is no worker's it does nothing. In a
/// [local scheduler](crate::local) it uses up a run's budget, and lets nobody else go first.
///
/// [`#[preemptible]`](macro@crate::preemptible) puts a cheaper one into each loop of a function, which also yields once it has
/// woken many others.
///
/// ```
/// use actor_core::{Runtime, microthread};
///
/// let rt = Runtime::builder().workers(1).build()?;
/// let endless = rt.spawn(|| loop {
///     microthread::checkpoint();
/// })?;
/// let other = rt.spawn(|| "has its turn")?;
/// assert_eq!(other.join()?, "has its turn");
/// endless.kill();
/// assert!(endless.join().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn checkpoint() {
    preempt::checkpoint();
}

/// Parks the calling microthread (or blocks the thread) for at least `duration`.
pub fn sleep(duration: Duration) {
    match wait::after(duration) {
        Some(deadline) => sleep_until(deadline),
        // Later than the clock can say.
        None => loop {
            park::park();
        },
    }
}

/// Parks the calling microthread (or blocks the thread) until `deadline`.
pub fn sleep_until(deadline: Instant) {
    while park::park_until(Some(deadline)) {
        if wait::now() >= deadline {
            return;
        }
    }
}

/// Runs `f`; a call in it that would suspend the microthread panics instead.
///
/// For code whose safety relies on nothing else running on the thread meanwhile, such as scoped thread-locals.
///
/// ```
/// use actor_core::{Runtime, microthread};
/// use std::time::Duration;
///
/// let rt = Runtime::new()?;
/// let tried = rt.spawn(|| {
///     microthread::no_suspend(|| microthread::sleep(Duration::from_millis(1)))
/// })?;
/// assert!(tried.join().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn no_suspend<R>(f: impl FnOnce() -> R) -> R {
    park::no_suspend(f)
}

/// Runs `f` to its end: kills, and errors thrown in, that come meanwhile stay pending.
///
/// A kill is raised when `f` has returned, and its result is dropped then; an error thrown in is returned by the next call
/// after it that can. One that is due already is raised before `f` is called. Sections nest, and the outermost counts. What
/// `f` waits for it goes on waiting for, so a body that never returns cannot be ended: it holds up a shutdown until that
/// one's deadline. Panics and overflows are not held back. On a thread that is no worker's, this calls `f`.
///
/// ```
/// use actor_core::{Runtime, microthread};
/// use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
/// use std::sync::{Arc, mpsc};
///
/// let rt = Runtime::new()?;
/// let halves = Arc::new(AtomicU32::new(0));
/// let (begun, wait) = mpsc::channel();
/// let transfer = rt.spawn({
///     let halves = halves.clone();
///     move || microthread::shield(|| {
///         halves.fetch_add(1, SeqCst);
///         begun.send(()).unwrap();
///         microthread::yield_now();
///         halves.fetch_add(1, SeqCst);
///     })
/// })?;
/// wait.recv()?;
/// transfer.kill();
/// let _ = transfer.join();
/// assert_eq!(halves.load(SeqCst), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn shield<R>(f: impl FnOnce() -> R) -> R {
    park::shield(f)
}

/// Ends the calling microthread, or the actor whose handler calls, as if it were killed: it unwinds from here, running its
/// destructors, and whoever joins it gets [`JoinError::Killed`]. Also inside [`shield`].
///
/// ```
/// use actor_core::{Runtime, microthread::{self, JoinError}};
///
/// let rt = Runtime::new()?;
/// let handle = rt.spawn(|| microthread::exit())?;
/// assert!(matches!(handle.join(), Err(JoinError::Killed)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// On a thread that is no worker's, and inside a generator of the caller's own.
#[track_caller]
pub fn exit() -> ! {
    park::exit()
}

/// Whether the caller runs on a microthread's stack (or a handler's), where blocking parks instead of blocking the thread.
pub fn is_microthread() -> bool {
    park::on_stack().is_some()
}

/// The deepest that the stack the caller runs on has been, in bytes, by page: how large it has to be. `None` on an OS thread's
/// own stack.
///
/// A microthread and an actor with a `run` body have a stack from start to end, but it was perhaps used by others before: the
/// mark is of all since its pages were last given back to the system, which happens some time after it has been idle. That
/// is all the more so in a handler of an actor without a stack of its own, which runs on whichever is free. So the mark is an
/// upper bound, and a good one where those that use stacks of a size are alike. Costs a system call.
///
/// ```
/// use actor_core::{Runtime, microthread};
///
/// let rt = Runtime::new()?;
/// let (before, after) = rt
///     .spawn(|| {
///         let before = microthread::stack_high_water();
///         std::hint::black_box([0_u8; 20_000]);
///         (before, microthread::stack_high_water())
///     })?
///     .join()?;
/// assert!(after >= Some(20_000) && after >= before);
/// assert_eq!(microthread::stack_high_water(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn stack_high_water() -> Option<usize> {
    crate::stack::current_bounds().map(crate::stack::high_water)
}
