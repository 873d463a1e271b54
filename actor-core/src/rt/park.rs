//! Parking: how anything waits, and how it is woken.
//!
//! A [`Parker`] is a one-permit token, as in `std::thread::park`. Every pooled stack has one, and so has every OS
//! thread that ever blocks. [`current`] names the one of the code that asks; [`Parker::park_until`] takes the permit
//! or waits for it; [`Parker::unpark`] grants it, from any thread. Every wait in the library is the same loop: make
//! yourself known to whoever will wake you, check the condition, park, check again.
//!
//! # Terms
//! - *permit*: at most one is stored; `unpark` grants it, `park` consumes it.
//! - *home*: the worker whose stack it is, or the local scheduler ([`super::local`]); only it ever resumes the stack.
//! - *spurious wake-up*: `park` may return without cause, so each caller loops on its own condition.
//!
//! The token's states and transitions are in [`super::token`]. Whoever turns PARKED into NOTIFIED, and nobody else, hands
//! the stack to its home's ready list. So a stack is in at most one list, once.
//!
//! # Why no wake-up is lost
//! 1. The parking side turns EMPTY into PARKED by a compare-exchange *before* it leaves its stack. An `unpark` before
//!    that makes the exchange fail, and `park` returns at once.
//! 2. An `unpark` after it finds PARKED and puts the parker into its home's inbox or ready list. Only the home worker
//!    reads those, and it does so only between resumptions; so although the stack may not have been left yet, it will
//!    have been when its worker looks. This is what pinning buys: no handshake between the leaving side and the waker.
//! 3. The permit is consumed by an exchange: an `unpark` at the same moment is not wiped out.
//!
//! # Lifetime
//! Parkers live in memory that is never given back, only recycled: as many as there were stacks and blocking threads
//! at the same time, 128 bytes each. A waker may therefore keep a plain `&'static Parker` with no reference count; a
//! late `unpark` hits whoever has the parker now, which is a spurious wake-up. An OS thread waits on the token's own
//! address (a futex), so its waker needs no handle either. For a stack the waker needs the home's inbox: it may read
//! the `home` field exactly while it holds the PARKED→NOTIFIED transition and has not pushed yet, because the stack
//! cannot run, end or be recycled until then; it takes its own reference on the home before it pushes.
//!
//! # Kill
//! [`Header::kill`] sets KILLED and unparks the parker noted in the header; before a task parks at a parker for the first
//! time it notes it and then reads KILLED. Why one of the two sees the other is said in [`super::token`]. KILLED is raised
//! as an unwinding with our own payload at the suspension point, and again at each later one, after letting others run. Inside
//! a [`shield`] it is not raised: what woke up without cause parks again. An error that is thrown into a task finds it in the
//! same way ([`super::throw`]).
//!
//! # Code that is on no stack of ours
//! Inside a user's own generator, in a destructor that runs while a panic unwinds, or on an ordinary OS thread,
//! `current` gives the *thread's* parker, and parking blocks the thread. The monitor sees a worker that makes no
//! progress, names what runs there, and lends its ready work to other workers.

use std::cell::{Cell, UnsafeCell};
use std::panic;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::stack::{self, Stack};
use crate::sys::atomic::{AtomicPtr, AtomicUsize};

use super::edge::Edge;
#[cfg(feature = "testing")]
use super::header::FAULT;
use super::header::KILLED;
use super::inbox::Linked;
use super::local;
use super::locals::Locals;
use super::throw::Thrown;
use super::token::Token;
use super::worker::Shared;
#[cfg(feature = "testing")]
use super::worker::Worker;

mod parker;

#[cfg(not(loom))]
pub(crate) use super::worker::is_called_for;

/// The payload of a kill. Never seen by a panic hook; code that catches it and goes on is killed again.
#[derive(Debug)]
pub(crate) struct Killed;

/// Who resumes a stack.
#[derive(Debug)]
pub(crate) enum Home {
    /// A worker of a runtime.
    Worker(Arc<Shared>),
    /// A local scheduler.
    Local(Arc<local::Shared>),
}

/// One waiting place. See the [module](self).
#[repr(align(64))]
pub(crate) struct Parker {
    token: Token,
    link: AtomicPtr<Parker>,
    home: UnsafeCell<Option<Home>>,
    /// The address of the local scheduler that is the home, or 0.
    owner: AtomicUsize,
    /// What runs on the stack, while something does, and what that waits for.
    edge: Edge,
    local: Local,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Parker>() <= 128);

/// The part that only the home's thread touches.
pub(crate) struct Local {
    /// The suspended stack, while it is suspended.
    pub(crate) stack: Cell<Option<Stack>>,
    /// The stack's size in bytes.
    pub(crate) size: Cell<usize>,
    /// Where the home keeps it in its list of stacks.
    pub(crate) index: Cell<usize>,
    /// The timer of the wait under way has fired.
    timed_out: Cell<bool>,
    /// KILLED has been raised on the present task at least once.
    kill_raised: Cell<bool>,
    /// The reply slot of the message being handled on this stack, reachable when the stack is lost.
    pub(crate) reply: Cell<*mut ()>,
    /// Depth of sections in which a block is a panic.
    no_suspend: Cell<u32>,
    /// Depth of sections during which kills and throws stay pending.
    shield: Cell<u32>,
    /// The microthread-locals of what runs on the stack, once it has used one.
    pub(crate) locals: Cell<Option<Rc<Locals>>>,
}

impl Local {
    /// Whether what runs on the stack has used a microthread-local.
    #[inline(always)]
    pub(crate) fn has_locals(&self) -> bool {
        // SAFETY: a look at a pointer of this thread's own, which nothing changes meanwhile.
        unsafe { (*self.locals.as_ptr()).is_some() }
    }
}

// SAFETY: `token` and `link` are atomics. `home` is written while nobody can hold a PARKED→NOTIFIED transition (before
// the parker's stack first runs, after it ended) and read only by who holds it. `local` is touched by the home's thread
// alone; a stack never leaves its home. `edge` is atomics.
unsafe impl Sync for Parker {}
// SAFETY: recycled parkers change hands under the free list's lock, with `stack`, `task`, `locals` and `home` empty.
unsafe impl Send for Parker {}

impl Linked for Parker {
    fn link(&self) -> &AtomicPtr<Self> {
        &self.link
    }
}

impl std::fmt::Debug for Parker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parker")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// The parkers nobody uses now.
static FREE: Mutex<Vec<&'static Parker>> = Mutex::new(Vec::new());

thread_local! {
    static THREAD: Cell<Option<&'static Parker>> = const { Cell::new(None) };
    static OWNER: ThreadOwner = const { ThreadOwner };
}

/// Gives the thread's parker back when the thread ends.
struct ThreadOwner;

impl Drop for ThreadOwner {
    fn drop(&mut self) {
        if let Some(parker) = THREAD.take() {
            free_list().push(parker);
        }
    }
}

fn free_list() -> std::sync::MutexGuard<'static, Vec<&'static Parker>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn allocate() -> &'static Parker {
    let mut free = free_list();
    if free.is_empty() {
        let chunk: Vec<Parker> = (0..64).map(|_| Parker::new()).collect();
        free.extend(chunk.leak().iter());
    }
    free.pop().expect("the list was just filled")
}

/// The parker of the code that calls: its stack's, or its thread's where it is on no stack of ours or unwinds.
#[inline]
pub(crate) fn current() -> &'static Parker {
    match on_stack() {
        Some(parker) if !std::thread::panicking() => parker,
        _ => thread_parker(),
    }
}

/// The parker of the pooled stack this code runs on, if it does.
#[inline]
pub(crate) fn on_stack() -> Option<&'static Parker> {
    // SAFETY: null, or what rt attaches to its stacks: their parkers, which are never freed.
    unsafe { stack::current_data().cast::<Parker>().as_ref() }
}

#[cold]
fn make_thread_parker() -> &'static Parker {
    let parker = allocate();
    THREAD.set(Some(parker));
    // Registers the destructor; on a thread that is past its destructors the parker is not recycled.
    let _ = OWNER.try_with(|_| ());
    parker
}

fn thread_parker() -> &'static Parker {
    THREAD.get().unwrap_or_else(make_thread_parker)
}

/// Parks the calling code until its parker is unparked; may return without cause. Unwinds if the task is killed.
pub(crate) fn park() {
    park_until(None);
}

/// As [`park`], but no longer than to `deadline`. `false`: the deadline has passed.
pub(crate) fn park_until(deadline: Option<Instant>) -> bool {
    match on_stack() {
        Some(parker) if !std::thread::panicking() => parker.park_here(deadline),
        _ => thread_parker().park_thread(deadline),
    }
}

/// As [`park_until`], but a kill does not end the wait: for waits whose end others rely on (`blocking`, `scope`).
pub(crate) fn park_unkillable(deadline: Option<Instant>) -> bool {
    match on_stack() {
        Some(parker) if !std::thread::panicking() => parker.park_stack(deadline, false),
        _ => thread_parker().park_thread(deadline),
    }
}

/// Lets everything else that is ready run once, then goes on. On a thread that is no worker's, yields the thread.
#[inline(always)]
pub(crate) fn yield_now() {
    match on_stack() {
        Some(parker) if !std::thread::panicking() => {
            check_stack();
            parker.check_kill();
            parker.yield_stack();
            parker.check_kill();
        }
        _ => std::thread::yield_now(),
    }
}

/// Where a driven runtime may go on with something else although the caller need not wait: after a message has been sent, a
/// microthread spawned. Raises no kill. Does nothing elsewhere, nor without the feature `testing`.
///
/// Not to be called with a lock held that others may want, or in the middle of anything.
#[inline]
pub(crate) fn switch_point() {
    #[cfg(feature = "testing")]
    if super::worker::is_driven_here()
        && may_suspend()
        && let Some(parker) = on_stack()
        && !parker.is_local()
        && parker.task().is_some()
        && Worker::here(|worker| worker.switches_away(parker))
    {
        parker.claim_stack();
        Worker::here(Worker::suspend_switched);
    }
}

/// Where a fault that a driven runtime has chosen for the calling task is raised, beside its suspension points. Does nothing
/// without the feature `testing`.
#[inline]
pub(crate) fn fault_point() {
    #[cfg(feature = "testing")]
    if super::worker::is_driven_here()
        && let Some(parker) = on_stack()
        && !parker.is_local()
        && parker.task().is_some_and(|task| task.has(FAULT))
    {
        parker.check_kill();
    }
}

/// Raises an overflow if little is left of the calling stack: for entries into the runtime, which needs some stack itself,
/// and here can still unwind. Not while a panic unwinds.
#[inline]
pub(crate) fn check_stack() {
    if stack::check_headroom().is_err() && !std::thread::panicking() {
        stack::raise_overflow();
    }
}

/// Raises what is due on the calling task: an overflow; a kill, also that of a runtime that is ending, whose worker cannot
/// kill what never comes back to it.
pub(crate) fn checkpoint() {
    if let Some(parker) = on_stack()
        && !std::thread::panicking()
    {
        check_stack();
        if parker.is_local() {
            local::checkpoint();
        } else {
            parker.note_shutdown();
        }
        parker.check_kill();
    }
}

/// Raises a kill of the calling task, if there is one.
pub(crate) fn raise_kill_if_due() {
    if let Some(parker) = on_stack()
        && !std::thread::panicking()
    {
        parker.check_kill();
    }
}

/// The parker of the stack the caller runs on, if it may be suspended.
#[inline]
pub(super) fn suspendable() -> Option<&'static Parker> {
    on_stack().filter(|parker| parker.local.no_suspend.get() == 0 && !std::thread::panicking())
}

/// Whether a wait here would suspend a stack, and not block the thread or panic.
pub(crate) fn may_suspend() -> bool {
    suspendable().is_some()
}

/// One of the nested sections that a depth counts, until it is dropped.
struct Section(&'static Cell<u32>);

impl Section {
    fn enter(depth: &'static Cell<u32>) -> Self {
        depth.set(depth.get() + 1);
        Section(depth)
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Runs `f`; a call in it that would suspend the stack panics instead.
pub(crate) fn no_suspend<R>(f: impl FnOnce() -> R) -> R {
    let _section = on_stack().map(|parker| Section::enter(&parker.local.no_suspend));
    f()
}

/// Runs `f`; kills and throws that come meanwhile are pending until it has returned. See `microthread::shield`.
pub(crate) fn shield<R>(f: impl FnOnce() -> R) -> R {
    // What is due already comes first: it is not what the section is there to keep off.
    checkpoint();
    let section = on_stack().map(|parker| Section::enter(&parker.local.shield));
    let result = f();
    drop(section);
    checkpoint();
    result
}

/// Kills the calling task at once.
///
/// # Panics
/// Where there is none.
#[track_caller]
pub(crate) fn exit() -> ! {
    let task = on_stack().and_then(|parker| parker.task().map(|task| (parker, task)));
    let Some((parker, task)) = task else {
        panic!(
            "`microthread::exit` outside a microthread: return, or unwind with an error instead"
        );
    };
    task.set(KILLED);
    parker.local.kill_raised.set(true);
    panic::resume_unwind(Box::new(Killed));
}

/// An error that [`Parker::take_thrown`] gave is pending again.
#[cold]
pub(crate) fn put_thrown_back(thrown: Thrown) {
    if let Some(task) = on_stack().and_then(Parker::task)
        && let Some(pending) = task.pending()
    {
        pending.put_back(task, thrown);
    }
}

/// # Panics
/// Where parking would: for calls that must not get as far as to the wait that would panic.
pub(crate) fn refuse_to_park() {
    if let Some(parker) = on_stack() {
        parker.refuse_to_park();
    }
}
