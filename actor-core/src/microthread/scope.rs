//! [`scope`]: microthreads that borrow.
//!
//! # Why borrowing is sound
//! 1. A child is counted before it can run, and until its [`End`] is dropped. That is the last thing of it: its body, what
//!    the body captured, and a result nobody wants are dropped before. This holds whether it returns, unwinds, is killed
//!    before it starts, or is discarded by a runtime that ends.
//! 2. `scope` neither returns nor unwinds before the count is zero. The closure's own unwinding is caught; the wait is one
//!    that a kill does not end; whatever might refuse the wait is asked before the first child exists; should anything in
//!    between unwind after all, [`Lent`] aborts.
//! 3. No stack with a part in it is abandoned: one that overflows into its guard page aborts the process, the caller's
//!    because it has lent, a child's because what waits for it could otherwise wait for ever.
//! 4. A child whose stack is leaked (a shutdown past its deadline) stays counted: its scope then never ends.
//!
//! A kill of the caller goes on to the children while the scope waits for them, except inside a `shield`, which puts it off.
//!
//! What a child's microthread-locals hold is `'static`, so they may go after its [`End`]: 1 does not need them.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::rt::core::Core;
use crate::rt::error::{JoinError, SpawnError};
use crate::rt::offload::Lent;
use crate::rt::park::{self, Parker};
use crate::rt::runtime::Runtime;
use crate::rt::task::{self, JoinHandle, Killer};
use crate::rt::worker::Worker;
use crate::stack;

/// What a scope and its children share. Outlives both.
struct Shared {
    /// Children that have not ended.
    running: AtomicUsize,
    /// Children that panicked or never ran, and that nobody has joined.
    unhandled: AtomicUsize,
    waiter: &'static Parker,
    children: Mutex<Children>,
}

#[derive(Default)]
struct Children {
    /// Every child there is shall end.
    killing: bool,
    places: Vec<Place>,
    free: Vec<usize>,
}

enum Place {
    /// Its child is being spawned.
    Reserved,
    Running(Killer),
    /// Its child has ended, before it was known here.
    Ended,
    Free,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// A child is going to be spawned.
    fn reserve(&self) -> usize {
        self.running.fetch_add(1, Ordering::Relaxed);
        let mut children = locked(&self.children);
        match children.free.pop() {
            Some(key) => {
                children.places[key] = Place::Reserved;
                key
            }
            None => {
                children.places.push(Place::Reserved);
                children.places.len() - 1
            }
        }
    }

    /// It has been spawned.
    fn spawned(&self, key: usize, killer: Killer) {
        let mut children = locked(&self.children);
        if matches!(children.places[key], Place::Ended) {
            children.places[key] = Place::Free;
            children.free.push(key);
            return;
        }
        if children.killing {
            killer.kill();
        }
        children.places[key] = Place::Running(killer);
    }

    /// It has ended. Whether its scope is killing its children.
    fn ended(&self, key: usize) -> bool {
        let mut children = locked(&self.children);
        let place = match children.places[key] {
            Place::Reserved => Place::Ended,
            _ => {
                children.free.push(key);
                Place::Free
            }
        };
        let _killer = mem::replace(&mut children.places[key], place);
        children.killing
    }

    /// It was never spawned. Its place is free once it has ended.
    fn not_spawned(&self, key: usize) {
        let mut children = locked(&self.children);
        if matches!(children.places[key], Place::Ended) {
            children.places[key] = Place::Free;
            children.free.push(key);
        }
    }

    /// Kills all children, now and to come.
    fn kill_all(&self) {
        let mut children = locked(&self.children);
        if !mem::replace(&mut children.killing, true) {
            for place in &children.places {
                if let Place::Running(killer) = place {
                    killer.kill();
                }
            }
        }
    }

    /// Waits until no child is left. Neither a kill nor anything else ends this.
    fn wait(&self) {
        let own = park::on_stack().filter(|_| !std::thread::panicking());
        let task = own.and_then(|parker| Some((parker, parker.task()?)));
        // Acquire: what the children did is seen by whoever goes on.
        while self.running.load(Ordering::Acquire) > 0 {
            if let Some((parker, task)) = task {
                // As before any wait (`rt::token`, "Kill"): noted first, so that a kill after the look wakes.
                task.set_parker(parker);
                // Not inside a shield: the children's work is the section's.
                if parker.is_kill_due() {
                    self.kill_all();
                }
            }
            park::park_unkillable(None);
        }
    }
}

/// What a child has come to. Shared by the child and its handle.
#[derive(Default)]
struct Record {
    finished: AtomicBool,
    kill_asked: AtomicBool,
    unhandled: AtomicBool,
}

/// A child's last act.
struct End {
    shared: Arc<Shared>,
    record: Arc<Record>,
    key: usize,
}

impl Drop for End {
    fn drop(&mut self) {
        let killing = self.shared.ended(self.key);
        let record = &self.record;
        if !killing
            && !record.finished.load(Ordering::Relaxed)
            && !record.kill_asked.load(Ordering::Relaxed)
        {
            record.unhandled.store(true, Ordering::Relaxed);
            self.shared.unhandled.fetch_add(1, Ordering::Relaxed);
        }
        // Release: everything of the child comes before the end of its scope.
        if self.shared.running.fetch_sub(1, Ordering::Release) == 1 {
            self.shared.waiter.unpark();
        }
    }
}

/// A spawn under way. Dropped, the spawn has failed or unwinds: there is no child to have failed.
struct Spawning<'a> {
    shared: &'a Shared,
    record: &'a Record,
    key: usize,
}

impl Drop for Spawning<'_> {
    fn drop(&mut self) {
        self.shared.not_spawned(self.key);
        self.shared.handled(self.record);
    }
}

/// While it exists, an overflow of the calling stack aborts the process. As [`Lent`], for what may unwind.
struct Lends;

impl Lends {
    fn begin() -> Self {
        stack::set_lending(true);
        Lends
    }
}

impl Drop for Lends {
    fn drop(&mut self) {
        stack::set_lending(false);
    }
}

/// A child, until it has ended. The order of the fields is that of their drops: `end` is last.
struct Child<F, T> {
    body: Option<F>,
    value: Option<Arc<Mutex<Option<T>>>>,
    end: End,
}

impl<F: FnOnce() -> T, T> Child<F, T> {
    fn run(mut self) {
        let _lends = Lends::begin();
        let body = self.body.take().expect("a child runs once");
        let value = body();
        if let Some(place) = &self.value {
            *locked(place) = Some(value);
        }
        self.end.record.finished.store(true, Ordering::Relaxed);
    }
}

impl<F, T> Drop for Child<F, T> {
    fn drop(&mut self) {
        let _lends = Lends::begin();
        drop(self.value.take());
        drop(self.body.take());
    }
}

/// Where scoped microthreads are spawned; see [`scope`].
pub struct Scope<'scope, 'env: 'scope> {
    shared: Arc<Shared>,
    core: Arc<Core>,
    // Invariant, as in std: a longer or shorter scope is another one.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a microthread that may borrow whatever lives longer than the scope.
    ///
    /// Dropping the handle leaves the joining to the scope.
    ///
    /// # Panics
    /// At the stack limit, or while the runtime ends; [`try_spawn`](Self::try_spawn) gives these as errors.
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, body: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        match self.try_spawn(body) {
            Ok(handle) => handle,
            Err(error) => panic!("could not spawn a scoped microthread: {error}"),
        }
    }

    /// As [`spawn`](Self::spawn).
    ///
    /// # Errors
    /// [`SpawnError`] at the stack limit or while the runtime ends; the body is dropped.
    pub fn try_spawn<F, T>(&'scope self, body: F) -> Result<ScopedJoinHandle<'scope, T>, SpawnError>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let value = Arc::new(Mutex::new(None));
        let record = Arc::new(Record::default());
        let key = self.shared.reserve();
        let child = Child {
            body: Some(body),
            value: Some(value.clone()),
            end: End {
                shared: self.shared.clone(),
                record: record.clone(),
                key,
            },
        };
        let run: Box<dyn FnOnce() + Send + 'scope> = Box::new(move || child.run());
        // SAFETY: only the lifetime changes. What it bounds is gone before the child's `End` is dropped, and the scope does
        // neither return nor unwind before that: see the module, 1 and 2. What remains of the box is its memory.
        let run: Box<dyn FnOnce() + Send + 'static> = unsafe { mem::transmute(run) };
        let spawning = Spawning {
            shared: &self.shared,
            record: &record,
            key,
        };
        let handle = task::spawn(&self.core, task::Options::default(), run)?;
        mem::forget(spawning);
        self.shared.spawned(key, handle.killer());
        Ok(ScopedJoinHandle {
            handle,
            value,
            record,
            shared: self.shared.clone(),
            scope: PhantomData,
        })
    }

    /// Kills all children, also those that are spawned from now on. They unwind at their next suspension points; the scope
    /// waits for that. Nothing of this counts as a panic of theirs.
    pub fn kill_all(&self) {
        self.shared.kill_all();
    }
}

impl Shared {
    /// Somebody knows how the child failed.
    fn handled(&self, record: &Record) {
        if record.unhandled.swap(false, Ordering::Relaxed) {
            self.unhandled.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("running", &self.shared.running.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// A scoped microthread: wait for its result, or kill it. From [`Scope::spawn`].
pub struct ScopedJoinHandle<'scope, T> {
    handle: JoinHandle<()>,
    value: Arc<Mutex<Option<T>>>,
    record: Arc<Record>,
    shared: Arc<Shared>,
    scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits for it to end and returns its result.
    ///
    /// # Errors
    /// [`JoinError`] if it panicked, was killed, overflowed its stack, or never ran because the runtime ended. The scope does
    /// not panic for a child whose error was seen here.
    pub fn join(self) -> Result<T, JoinError> {
        match self.handle.join() {
            Ok(()) => Ok(locked(&self.value).take().expect("it has finished")),
            Err(error) => {
                self.shared.handled(&self.record);
                Err(error)
            }
        }
    }

    /// Ends it at its next suspension point, as [`JoinHandle::kill`]. Not a panic as far as the scope is concerned.
    pub fn kill(&self) {
        self.record.kill_asked.store(true, Ordering::Relaxed);
        self.handle.kill();
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// The microthread's id, unique in its runtime.
    pub fn id(&self) -> u64 {
        self.handle.id()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle")
            .field("id", &self.id())
            .field("finished", &self.is_finished())
            .finish()
    }
}

/// Calls `f` with a [`Scope`], whose microthreads may borrow from the caller, and waits for all of them: `std::thread::scope`
/// for microthreads.
///
/// - If `f` unwinds (a panic, a kill), the children are killed, waited for, and the unwinding goes on.
/// - If the caller is killed while the scope waits for its children, they are killed too, and the kill is raised after they
///   have ended; inside a [`shield`](crate::microthread::shield) they go on. No kill and no deadline ends the wait before: the
///   children may be using what they borrowed.
/// - The destructors of a child's [locals](crate::microthread::LocalKey) may still run when the scope has returned, unless
///   the child was joined.
/// - While the scope exists an overflow of the caller's or a child's stack into its guard page aborts the process.
///
/// # Panics
/// As `f` does. If a child panicked, overflowed or never ran, and nobody has joined it. Outside a runtime (there is
/// [`scope_in`]); inside [`no_suspend`](crate::microthread::no_suspend).
///
/// ```
/// use actor_core::{Runtime, microthread};
///
/// let rt = Runtime::new()?;
/// let handle = rt.spawn(|| {
///     let mut words = vec!["to", "be", "or"];
///     let (first, rest) = words.split_first_mut().unwrap();
///     let longest = microthread::scope(|s| {
///         s.spawn(|| *first = "not");
///         let longest = s.spawn(|| rest.iter().map(|word| word.len()).max());
///         longest.join().unwrap()
///     });
///     assert_eq!(longest, Some(2));
///     words.concat()
/// })?;
/// assert_eq!(handle.join()?, "notbeor");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// A borrow must outlive the scope:
/// ```compile_fail,E0373
/// use actor_core::microthread;
///
/// microthread::scope(|s| {
///     let local = 1;
///     s.spawn(|| assert_eq!(local, 1)); // error: `local` is dropped before the scope has waited
/// });
/// ```
/// and nothing borrowed by a child leaves it:
/// ```compile_fail,E0521
/// use actor_core::microthread;
///
/// let mut kept = None;
/// microthread::scope(|s| {
///     kept = Some(s.spawn(|| 1)); // error: a handle escapes
/// });
/// ```
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let Some(core) = Worker::current_core() else {
        panic!("`microthread::scope` outside a runtime; use `microthread::scope_in`");
    };
    run(core, f, |_| false)
}

/// As [`scope`], with the microthreads in `runtime`, from anywhere: an OS thread is blocked while it waits.
///
/// # Panics
/// As [`scope`].
///
/// ```
/// use actor_core::{Runtime, microthread};
///
/// let rt = Runtime::new()?;
/// let numbers = [1, 2, 3];
/// let sum = microthread::scope_in(&rt, |s| s.spawn(|| numbers.iter().sum::<i32>()).join())?;
/// assert_eq!(sum, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn scope_in<'env, F, T>(runtime: &Runtime, f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    run(runtime.core().clone(), f, |_| false)
}

/// As [`scope`], for an `f` that can fail: if it does, the children are killed and waited for.
///
/// # Errors
/// `f`'s.
///
/// # Panics
/// As [`scope`]; with an error to return, not for children.
///
/// ```
/// use actor_core::{Runtime, microthread};
/// use std::time::Duration;
///
/// let rt = Runtime::new()?;
/// let handle = rt.spawn(|| {
///     microthread::try_scope(|s| {
///         s.spawn(|| microthread::sleep(Duration::from_secs(3600)));
///         Err::<(), _>("no use")
///     })
/// })?;
/// assert_eq!(handle.join()?, Err("no use"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn try_scope<'env, F, T, E>(f: F) -> Result<T, E>
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> Result<T, E>,
{
    let Some(core) = Worker::current_core() else {
        panic!("`microthread::try_scope` outside a runtime");
    };
    run(core, f, Result::is_err)
}

/// A scope, whose children are killed if `gives_up` says so of what `f` returned.
#[track_caller]
fn run<'env, F, T>(core: Arc<Core>, f: F, gives_up: fn(&T) -> bool) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    // Whatever refuses the wait must do so here: once a child may run, there is no way out before it has ended.
    park::checkpoint();
    park::refuse_to_park();
    let scope = Scope {
        shared: Arc::new(Shared {
            running: AtomicUsize::new(0),
            unhandled: AtomicUsize::new(0),
            waiter: park::current(),
            children: Mutex::default(),
        }),
        core,
        scope: PhantomData,
        env: PhantomData,
    };
    let lent = Lent::begin();
    let result: Result<T, Box<dyn Any + Send>> =
        panic::catch_unwind(AssertUnwindSafe(|| f(&scope)));
    if result.as_ref().map_or(true, gives_up) {
        scope.shared.kill_all();
    }
    scope.shared.wait();
    lent.end();
    let value = match result {
        Ok(value) => value,
        Err(payload) => panic::resume_unwind(payload),
    };
    if !gives_up(&value) {
        park::checkpoint();
        assert!(
            scope.shared.unhandled.load(Ordering::Relaxed) == 0,
            "a scoped microthread panicked, or was ended by an overflow or its runtime"
        );
    }
    value
}
