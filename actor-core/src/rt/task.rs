//! Microthreads: spawn, join, kill.
//!
//! A microthread is a closure and a place for its result, in one allocation that begins with the scheduler's header.
//! Until it starts it is a queue entry like any other and may be stolen; then it runs as a function call of whichever
//! runner popped it, and owns that runner's stack for as long as it is blocked.
//!
//! # Result
//! The end and the one handle meet in a word ([`super::join`]), which says whose the result is: the handle's, once the
//! microthread has ended; the microthread's, if the handle has gone before. Whoever has it drops it.
//!
//! Besides the handle something else may want to know of the end ([`OnEnd`]): a set of microthreads. It is told last, when
//! the handle's join would return at once.

use std::any::Any;
use std::cell::UnsafeCell;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Level;

use crate::actor::ExitReason;
use crate::observe::{Event, Who};
use crate::stack;

use super::core::Core;
use super::error::{JoinError, SpawnError, panic_message};
use super::header::{After, HOLDS_STACK, Header, Runnable, THROWN, VTable};
use super::join::{Finished, JoinWord};
use super::locals;
use super::park::{self, Killed, Parker};
use super::runner;
use super::throw::{Pending, ThrowError};
use super::wait;
use super::worker::Worker;

/// What a spawner may choose.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) stack_size: usize,
}

/// Told when a microthread has ended, in whichever way, its result being there for the handle. On a worker's thread; must
/// neither block nor unwind.
pub(crate) trait OnEnd: Send + 'static {
    fn ended(&self);
}

impl OnEnd for () {
    fn ended(&self) {}
}

#[repr(C)]
struct Task<F, T, E> {
    header: Header,
    join: JoinWord<Parker>,
    name: Option<Arc<str>>,
    core: Arc<Core>,
    pending: Pending,
    on_end: E,
    stage: UnsafeCell<Stage<F, T>>,
}

enum Stage<F, T> {
    Waiting(F),
    Running,
    Ended(Result<T, JoinError>),
}

impl<F, T, E> Task<F, T, E>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
    E: OnEnd,
{
    const VTABLE: VTable = VTable {
        run: Self::run,
        overflowed: Self::overflowed,
        discard: Self::discard,
        release: Self::release,
        alarm: |_| unreachable!("it sets none"),
        killed: |_| (),
        who: Self::who,
        pending: Self::pending,
        is_actor: false,
        type_name: std::any::type_name::<F>,
    };

    /// The task behind a header.
    ///
    /// # Safety
    /// `header` is the first field of a live `Task<F, T, E>`.
    unsafe fn of<'a>(header: NonNull<Header>) -> &'a Self {
        // SAFETY: `repr(C)` puts the header first; the caller vouches for the type and the lifetime.
        unsafe { header.cast::<Self>().as_ref() }
    }

    unsafe fn run(runnable: Runnable, _: &'static Parker) -> After {
        let header = NonNull::from(runnable.header());
        // SAFETY: this vtable is only ever put into a `Task<F, T, E>`, and `runnable` keeps it alive.
        let task = unsafe { Self::of(header) };
        // SAFETY: a task is queued once, so nobody else touches the stage before `join` has been finished.
        let stage = unsafe { &mut *task.stage.get() };
        let Stage::Waiting(body) = std::mem::replace(stage, Stage::Running) else {
            unreachable!("a microthread is queued once");
        };
        let result = if task.header.is_killed() {
            drop_quietly(body);
            Err(JoinError::Killed)
        } else if task.header.has(THROWN)
            && let Some(thrown) = task.pending.take(&task.header)
        {
            drop_quietly(body);
            Err(JoinError::Thrown(thrown))
        } else {
            let body = || {
                park::fault_point();
                body()
            };
            panic::catch_unwind(AssertUnwindSafe(body)).map_err(reason)
        };
        // Before the end shows, as with everything else that the body leaves behind.
        task.drop_pending();
        locals::end_of_task();
        if matches!(result, Err(JoinError::Overflowed)) {
            runner::report_overflow(&task.header);
        }
        // Before the end shows: who has seen it may count on the room.
        runner::release_claim(&task.header);
        task.end(result);
        // Those that came meanwhile; now that the end shows there will be no more.
        task.drop_pending();
        // The destructor of a result nobody wants may have used locals, and may have blocked.
        locals::end_of_task();
        runner::release_claim(&task.header);
        After::Done(runnable)
    }

    /// Drops the errors thrown in that nobody took, on the task's own stack, where their destructors may block.
    fn drop_pending(&self) {
        if self.header.has(THROWN) {
            drop_quietly(self.pending.take_all(&self.header));
        }
    }

    /// Leaves the result and tells the joiner; drops the result if there will be none.
    fn end(&self, result: Result<T, JoinError>) {
        tell_of_end(&self.core, &self.header, result.as_ref().err());
        // SAFETY: nobody else touches the stage before `join` has been finished.
        unsafe { *self.stage.get() = Stage::Ended(result) };
        match self.join.finish() {
            Finished::Nothing => {}
            Finished::Wake(joiner) => joiner.unpark(),
            // SAFETY: there is no handle, so the stage stays this side's.
            Finished::Unwanted => drop_quietly(unsafe { self.take_stage() }),
        }
        self.on_end.ended();
    }

    /// # Safety
    /// The stage is the caller's: before [`JoinWord::finish`] and after it found no handle, the microthread's; once
    /// `join` is done, the handle's.
    unsafe fn take_stage(&self) -> Stage<F, T> {
        // SAFETY: as the caller promises.
        std::mem::replace(unsafe { &mut *self.stage.get() }, Stage::Running)
    }

    unsafe fn overflowed(header: NonNull<Header>, _: &'static Parker) {
        // SAFETY: as in `run`.
        let task = unsafe { Self::of(header) };
        // The claim on the budget stays: the stack is gone for good.
        task.end(Err(JoinError::Overflowed));
    }

    unsafe fn pending(header: &Header) -> Option<&Pending> {
        // SAFETY: as in `run`.
        Some(unsafe { &Self::of(NonNull::from(header)).pending })
    }

    unsafe fn discard(header: NonNull<Header>) {
        // SAFETY: as in `run`.
        let task = unsafe { Self::of(header) };
        // SAFETY: as in `run`.
        let stage = unsafe { &mut *task.stage.get() };
        if let Stage::Waiting(body) = std::mem::replace(stage, Stage::Running) {
            runner::discarding(&task.header, || drop_quietly(body));
            if task.header.clear(HOLDS_STACK) {
                task.core.budget.release();
            }
            task.end(Err(JoinError::Shutdown));
        }
        // SAFETY: the queue entry's reference is given up here.
        unsafe { Header::drop_ref(header) };
    }

    unsafe fn release(header: NonNull<Header>) {
        // SAFETY: the last reference is gone; the allocation was made by `Box` in `spawn`.
        let task = unsafe { Box::from_raw(header.cast::<Self>().as_ptr()) };
        debug_assert!(
            matches!(task.stage.into_inner(), Stage::Running),
            "whoever the result belonged to has taken it"
        );
        // Errors of the user's that came as it ended. This may be the end of a stack's body, which must not unwind; and where
        // nothing runs on that stack, there is nobody to be parked.
        let nobody = park::on_stack().is_some_and(|stack| stack.edge().task().is_null());
        let pending = task.pending;
        match nobody {
            true => park::no_suspend(|| drop_quietly(pending)),
            false => drop_quietly(pending),
        }
    }

    unsafe fn who(header: NonNull<Header>) -> Who {
        // SAFETY: as in `run`.
        let task = unsafe { Self::of(header) };
        let label = std::any::type_name::<F>();
        Who::new(task.header.id(), label, task.name.clone())
    }
}

/// A microthread has ended, by `error` or normally.
pub(super) fn tell_of_end(core: &Core, task: &Header, error: Option<&JoinError>) {
    let level = match error {
        None | Some(JoinError::Shutdown) => Level::DEBUG,
        Some(_) => Level::WARN,
    };
    core.events.emit(level, || Event::Exited {
        who: task.who(),
        reason: error.map_or(ExitReason::Normal, exit_reason),
    });
}

/// Drops a value of the user's; a panic in its destructor ends there.
pub(crate) fn drop_quietly<V>(value: V) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // Dropping the payload might panic again.
        std::mem::forget(payload);
    }
}

/// What an unwinding that ended a microthread means.
#[cold]
pub(crate) fn reason(payload: Box<dyn Any + Send>) -> JoinError {
    if payload.is::<Killed>() {
        JoinError::Killed
    } else if payload.is::<stack::Overflow>() {
        JoinError::Overflowed
    } else {
        JoinError::Panicked(payload)
    }
}

fn exit_reason(error: &JoinError) -> ExitReason {
    match error {
        JoinError::Panicked(payload) => ExitReason::Panicked(panic_message(&**payload).into()),
        JoinError::Killed => ExitReason::Killed,
        JoinError::Overflowed => ExitReason::Overflow,
        JoinError::Shutdown => ExitReason::Shutdown,
        JoinError::Thrown(thrown) => ExitReason::failed(thrown),
        // Not how a microthread of a runtime ends.
        JoinError::Interrupted(_) | JoinError::NoStack(_) => ExitReason::failed(error),
    }
}

/// Starts a microthread in `core`.
pub(crate) fn spawn<F, T>(
    core: &Arc<Core>,
    options: Options,
    body: F,
) -> Result<JoinHandle<T>, SpawnError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    spawn_with(core, options, body, ())
}

/// As [`spawn`]; `on_end` is told of the end.
pub(crate) fn spawn_with<F, T, E>(
    core: &Arc<Core>,
    options: Options,
    body: F,
    on_end: E,
) -> Result<JoinHandle<T>, SpawnError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
    E: OnEnd,
{
    park::check_stack();
    if core.is_stopping() {
        return Err(SpawnError::ShuttingDown);
    }
    if !core.budget.try_acquire() {
        return Err(SpawnError::StackLimit {
            limit: core.budget.limit(),
        });
    }
    let id = Worker::next_id(core);
    let task = Box::new(Task {
        header: Header::new(&Task::<F, T, E>::VTABLE, id, options.stack_size),
        join: JoinWord::new(),
        name: options.name,
        core: core.clone(),
        pending: Pending::default(),
        on_end,
        stage: UnsafeCell::new(Stage::<F, T>::Waiting(body)),
    });
    task.header.set(HOLDS_STACK);
    task.header.add_ref(); // the handle's
    core.events.emit(Level::TRACE, || Event::Spawned {
        who: task.header.who(),
    });
    let header = NonNull::from(Box::leak(task)).cast::<Header>();
    let handle = JoinHandle {
        header,
        take: |header, out| {
            // SAFETY: the handle was made for this task, holds a reference, and the caller has seen that `join` is done,
            // which makes the stage the handle's.
            if let Stage::Ended(result) = unsafe { Task::<F, T, E>::of(header).take_stage() } {
                *out = Some(result);
            }
        },
        join: |header| {
            // SAFETY: the handle holds a reference.
            NonNull::from(&unsafe { Task::<F, T, E>::of(header) }.join)
        },
        result: PhantomData,
    };
    // SAFETY: the first reference goes over to the entry; `F: Send`.
    let runnable = unsafe { Runnable::from_raw(header) };
    if let Some(left) = Worker::queue_here(core, runnable, Worker::push_unstarted) {
        core.inject(left);
    }
    park::switch_point();
    Ok(handle)
}

/// A microthread that has been spawned: wait for its result, or kill it.
///
/// Dropping the handle detaches the microthread, as with `std::thread`.
///
/// ```
/// use actor_core::{Runtime, microthread};
///
/// let rt = Runtime::new()?;
/// let handle = rt.spawn(|| {
///     let inner = microthread::spawn(|| 20);
///     inner.join().unwrap() + 1
/// })?;
/// assert_eq!(handle.join()?, 21);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping the handle detaches the microthread"]
pub struct JoinHandle<T> {
    header: NonNull<Header>,
    take: unsafe fn(NonNull<Header>, &mut Option<Result<T, JoinError>>),
    join: unsafe fn(NonNull<Header>) -> NonNull<JoinWord<Parker>>,
    result: PhantomData<T>,
}

// SAFETY: the handle gives access to the header, which is Sync, and to the result by move, hence `T: Send`.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: through `&JoinHandle` only the header is reached.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// The handle of a task of another kind.
    ///
    /// # Safety
    /// The functions are made for the object that begins with `header`, to which the caller hands over a reference. `take` takes
    /// the result of one whose word is done, and `join` gives its word.
    pub(super) unsafe fn of(
        header: NonNull<Header>,
        take: unsafe fn(NonNull<Header>, &mut Option<Result<T, JoinError>>),
        join: unsafe fn(NonNull<Header>) -> NonNull<JoinWord<Parker>>,
    ) -> Self {
        JoinHandle {
            header,
            take,
            join,
            result: PhantomData,
        }
    }

    pub(super) fn header(&self) -> &Header {
        // SAFETY: the handle holds a reference.
        unsafe { self.header.as_ref() }
    }

    fn word(&self) -> &JoinWord<Parker> {
        // SAFETY: the function was made for this task, and the handle holds a reference.
        unsafe { (self.join)(self.header).as_ref() }
    }

    /// The microthread's id, unique in its runtime.
    pub fn id(&self) -> u64 {
        self.header().id()
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.word().is_done()
    }

    /// Ends the microthread: at its next suspension point (any blocking call, `yield_now`, `checkpoint`) it unwinds,
    /// running its destructors; if it has not started, its body never runs. `join` then gives [`JoinError::Killed`].
    /// Killing what has ended does nothing. A body that catches the unwinding is killed again at each later suspension
    /// point. Inside a [`shield`](crate::microthread::shield) it is put off until the section's end.
    pub fn kill(&self) {
        self.header().kill();
    }

    /// Throws `error` into the microthread: the call it is blocked in returns it.
    ///
    /// That is every call whose error can be an [`Interrupt`](crate::microthread::Interrupt): those of channels, locks and
    /// the like. In any other (a sleep, a join), or while it runs, the error stays pending until the next call of that kind
    /// is about to wait. A call that has been served succeeds nevertheless, and the error stays pending. Several are
    /// delivered in order, one a call. If the microthread has not started, its body never runs, and `join` gives
    /// [`JoinError::Thrown`]. What is still pending when it ends is dropped.
    ///
    /// Unlike a [`kill`](Self::kill) it does not unwind: what the microthread does about the error is up to it.
    ///
    /// ```
    /// use actor_core::{Runtime, microthread::JoinError};
    ///
    /// let rt = Runtime::builder().workers(1).build()?;
    /// let joined = rt.spawn(|| {
    ///     let late = actor_core::microthread::spawn(|| unreachable!("it has not started"));
    ///     late.throw("too late").unwrap();
    ///     late.join().map(|()| "ran")
    /// })?;
    /// let error = joined.join()?.unwrap_err();
    /// assert!(matches!(error, JoinError::Thrown(thrown) if thrown.get().to_string() == "too late"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ThrowError`], which gives the error back, if the microthread has ended.
    pub fn throw(&self, error: impl Into<Box<dyn Error + Send + Sync>>) -> Result<(), ThrowError> {
        let error = error.into();
        if self.is_finished() {
            return Err(ThrowError(error));
        }
        let task = self.header();
        match task.pending() {
            Some(pending) => pending.throw(task, error),
            None => unreachable!("a microthread has its list"),
        }
        Ok(())
    }

    /// Waits for it to end and returns its result. Parks the calling microthread, or blocks the calling thread.
    ///
    /// # Errors
    /// [`JoinError`] if it panicked, was killed, overflowed its stack, or never ran because the runtime ended.
    pub fn join(self) -> Result<T, JoinError> {
        self.wait(None);
        self.take_result()
    }

    /// As [`join`](Self::join), for at most `timeout`.
    ///
    /// # Errors
    /// The handle itself, if the microthread has not ended by then.
    pub fn join_timeout(self, timeout: Duration) -> Result<Result<T, JoinError>, Self> {
        if self.wait(wait::after(timeout)) {
            Ok(self.take_result())
        } else {
            Err(self)
        }
    }

    /// What can kill it without keeping its result.
    pub(crate) fn killer(&self) -> Killer {
        self.header().add_ref();
        Killer(self.header)
    }

    fn take_result(self) -> Result<T, JoinError> {
        let mut out = None;
        // SAFETY: `wait` has seen that it is done.
        unsafe { (self.take)(self.header, &mut out) };
        out.expect("only the handle takes the result")
    }

    fn wait(&self, deadline: Option<Instant>) -> bool {
        /// Takes the parker out again, however the wait ends.
        struct Retract<'a>(&'a JoinWord<Parker>, &'static Parker);
        impl Drop for Retract<'_> {
            fn drop(&mut self) {
                let _ = self.0.retract(self.1);
            }
        }
        let (word, me) = (self.word(), park::current());
        if word.is_done() || !word.register(me) {
            return true;
        }
        let _retract = Retract(word, me);
        loop {
            let in_time = park::park_until(deadline);
            if self.is_finished() {
                return true;
            }
            if !in_time {
                return false;
            }
        }
    }
}

/// A reference to a microthread that can only kill it.
pub(crate) struct Killer(NonNull<Header>);

// SAFETY: it gives access to the header, which is Sync.
unsafe impl Send for Killer {}
// SAFETY: as above.
unsafe impl Sync for Killer {}

impl Killer {
    pub(crate) fn kill(&self) {
        // SAFETY: it holds a reference.
        unsafe { self.0.as_ref() }.kill();
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        // SAFETY: its own reference.
        unsafe { Header::drop_ref(self.0) }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if !self.word().detach() {
            let mut unwanted = None;
            // SAFETY: it has ended, so what is left of the result is the handle's.
            unsafe { (self.take)(self.header, &mut unwanted) };
            // A panic in its destructor has nobody to tell.
            drop_quietly(unwanted);
        }
        // SAFETY: the handle's own reference.
        unsafe { Header::drop_ref(self.header) }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("id", &self.id())
            .field("finished", &self.is_finished())
            .finish()
    }
}
