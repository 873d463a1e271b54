//! A worker: the thread that resumes stacks. What other threads see of it is in `worker/shared.rs`, how its root goes round in
//! `worker/root.rs`, what it does when it has nothing to run in `worker/idle.rs`.
//!
//! # How a worker runs things
//! The worker's own thread stack is the *root*. It never runs user code; it resumes pooled stacks, one at a time:
//!
//! ```text
//!   root:   ┌─► a suspended stack is ready? ── yes ──► resume it ─────────────┐
//!           │          │ no                                                  │
//!           │   something is in a run queue? ── yes ──► resume a runner ─────┤  the stack comes back:
//!           │          │ no                            (an idle stack)       │  parked / yielded / idle /
//!           │   I/O, timers, steal, sleep                                    │  ended / overflowed
//!           └────────────────────────────────────────────────────────────────┘
//!
//!   runner (on a pooled stack, `rt::runner`):   pop a runnable, call it as a function, again; come back when there is
//!                                               nothing left, a suspended stack is ready, or the root has duties
//! ```
//! What a runner calls may park. Then the stack is suspended with the call's frames on it, the root puts it aside under
//! its parker, and takes another stack for the next runnable. A stack whose call returns is a runner again.
//!
//! What asks an idle actor resumes a runner for it by itself, without the root: `worker/call.rs`.
//!
//! # The queues, in the order they are looked at
//! - *ready*: suspended stacks to resume. Only this worker can. Filled by this worker directly, by others through the
//!   *inbox*.
//! - *queue*: stealable runnables with the next-slot in front (`rt::queue`). Pushed by this worker alone.
//! - *mail*: runnables another worker has assigned to this one, to spread stacks. Stealable by who has fewer stacks.
//! - *injector*: from OS threads and stuck workers; shared by all.
//!
//! Ready stacks go first, as they hold memory; but after `READY_RUN` of them in a row, or after one has yielded or waits for room
//! in a mailbox, a runnable has its turn. A stack that yields goes behind both: to the end of the ready list if no runnable waits,
//! else to *yielded*, from where it joins the ready list once as many runnables have been taken as waited when it yielded, or none
//! is left.
//!
//! # Sleep
//! An idle worker sleeps in its poller, so that descriptors, timers and wake-ups are one wait. The steps, and why nothing
//! is missed, are in [`super::sleep`]. Nobody needs to wake a worker for its own queue: its owner is awake while it has
//! entries, and if the owner is held up, the monitor takes them away. One that has no stack to run them on looks again soon.
//! Where its sleeps have been short, a worker looks a little longer before the next one ([`super::spin`]).
//! What waits on another worker it takes only if it would wait there for some time ([`super::patience`]).
//!
//! A worker that has slept for a while with nothing to do gives memory back, and sleeps on.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::stack::{Pool, Stack};
use crate::sys::fault::fault;
use crate::sys::seam::WorkerSeam;

use super::alarm::Alarm;
use super::core::Core;
use super::header::{HOLDS_STACK, Header, Runnable};
use super::io;
use super::park::Parker;
use super::patience::Thief;
use super::preempt;
use super::runner;
use super::spin::Spin;
use super::timer::Timers;

mod call;
#[cfg(feature = "testing")]
mod driven;
mod idle;
mod root;
mod shared;

#[cfg(not(loom))]
pub(crate) use call::is_called_for;
#[cfg(feature = "testing")]
pub(crate) use driven::{Candidate, Conductor, INJECTED, Verdict, is_driven_here};
pub(crate) use shared::Shared;

/// After so many resumed stacks in a row, a runnable has its turn.
const READY_RUN: u32 = 16;
/// After so many scheduling steps the root looks at descriptors, timers and the injector: direct calls (`worker/call.rs`), or what
/// weighs as much.
const DUTY_EVERY: u32 = 128;
/// What an activation or a resumed stack weighs.
const STEP: u32 = 2;
/// What a whole turn of a microthread weighs (`rt::preempt`).
const TURN_STEPS: u32 = 32;
/// A thief takes at most so many.
const STEAL_MAX: usize = 256;
/// A worker that has no stack for what is in its queue looks again after so long.
const STARVED: Duration = Duration::from_millis(10);
/// An idle worker gives memory back after being idle for so long,
const TRIM_AFTER: Duration = Duration::from_millis(100);
/// or when it becomes idle after having had some to give for so long.
const TRIM_AT_LATEST: Duration = Duration::from_secs(1);
/// How many stacks are given back in one go.
const TRIM_PORTION: usize = 256;

/// Why a stack came back to whoever resumed it.
#[derive(Clone, Copy)]
enum Handoff {
    /// It waits for its parker.
    Parked,
    /// It wants to go on after the others.
    Yielded,
    /// It has nothing on it.
    Idle,
    /// It has nothing on it, and has popped something that wants a stack of another size: that is `first` now.
    Resize,
}

/// A worker, on its own thread.
pub(crate) struct Worker {
    core: Arc<Core>,
    shared: Arc<Shared>,
    seam: WorkerSeam,
    /// `Some` until the end.
    pool: RefCell<Option<Pool>>,
    ready: RefCell<VecDeque<&'static Parker>>,
    /// Stacks that have yielded to runnables, and what `taken` must have reached before each goes on.
    yielded: RefCell<VecDeque<(u64, &'static Parker)>>,
    /// What `taken` is when the first of those is due; `u64::MAX` if there are none.
    yielded_due: Cell<u64>,
    /// Runnables taken so far.
    taken: Cell<u64>,
    /// What `taken` becomes with the one that a stack has let go first.
    yielded_to: Cell<u64>,
    /// How many runnables waited when what runs here had its first look.
    waited: Cell<usize>,
    pub(super) timers: RefCell<Timers<Alarm>>,
    pub(super) io: RefCell<io::Driver>,
    /// The parkers of all stacks that are in use or idle here, in no order.
    stacks: RefCell<Vec<&'static Parker>>,
    /// The size of the stacks that are handed out where none was asked for.
    default_size: Cell<usize>,
    handoff: Cell<Option<Handoff>>,
    /// What the next runner shall run first.
    first: Cell<Option<Runnable>>,
    /// What the innermost call under way waits for, a slot or, for a start, the actor; null if there is none (`worker/call.rs`).
    calling: Cell<*mut ()>,
    /// How many more runnables a runner may take that was called for what is queued (`worker/call.rs`).
    draws: Cell<u32>,
    /// How many calls are under way: askers that stand still, and have no claim on a stack for it.
    open_calls: Cell<usize>,
    /// A runner that has come back from a call, for the next one. The root gives it back.
    spare: Cell<Option<(Stack, &'static Parker)>>,
    /// Stacks that were abandoned in a call, and that the root has not yet seen to.
    lost: RefCell<Vec<&'static Parker>>,
    steps: Cell<u32>,
    ready_run: Cell<u32>,
    spin: Spin,
    /// What is remembered of looks by what runs here, before it waits (`rt::wait`).
    pub(super) looks: Spin,
    /// When memory shall be given back at the latest, if there is any to give.
    trim_due: Cell<Option<Instant>>,
    /// Everything suspended here has been told to end.
    killed_all: Cell<bool>,
    loot: RefCell<Vec<Runnable>>,
    thief: RefCell<Thief>,
    #[cfg(feature = "testing")]
    driven: driven::Driven,
}

thread_local! {
    static CURRENT: Cell<*const Worker> = const { Cell::new(ptr::null()) };
}

impl Worker {
    pub(crate) fn new(core: Arc<Core>, shared: Arc<Shared>) -> Self {
        Worker {
            seam: WorkerSeam::new(core.seam.clone(), shared.index),
            pool: RefCell::new(Some(Pool::new(core.stacks.clone(), runner::run))),
            ready: RefCell::default(),
            yielded: RefCell::default(),
            yielded_due: Cell::new(u64::MAX),
            taken: Cell::new(0),
            yielded_to: Cell::new(u64::MAX),
            waited: Cell::new(0),
            timers: RefCell::new(Timers::new(core.seam.clock().now())),
            io: RefCell::new(io::Driver::new()),
            stacks: RefCell::default(),
            default_size: Cell::new(0),
            handoff: Cell::new(None),
            first: Cell::new(None),
            calling: Cell::new(ptr::null_mut()),
            draws: Cell::new(0),
            open_calls: Cell::new(0),
            spare: Cell::new(None),
            lost: RefCell::default(),
            steps: Cell::new(0),
            ready_run: Cell::new(0),
            spin: Spin::default(),
            looks: Spin::default(),
            trim_due: Cell::new(None),
            killed_all: Cell::new(false),
            loot: RefCell::default(),
            thief: RefCell::default(),
            #[cfg(feature = "testing")]
            driven: driven::Driven::default(),
            core,
            shared,
        }
    }

    /// Calls `f` with the worker whose thread this is, if it is one. `f` does not switch stacks.
    #[inline(always)]
    pub(crate) fn with<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
        // SAFETY: the pointer is set while `run` is on the thread's stack, to its worker, and cleared before it returns.
        f(unsafe { CURRENT.get().as_ref() })
    }

    /// As [`with`](Self::with), for code that runs on a worker's thread.
    #[inline(always)]
    pub(crate) fn here<R>(f: impl FnOnce(&Worker) -> R) -> R {
        Worker::with(|worker| f(worker.expect("on a worker's thread")))
    }

    /// As [`with`](Self::with), with the worker only if it is one of `core`.
    #[inline(always)]
    pub(crate) fn of<R>(core: &Arc<Core>, f: impl FnOnce(Option<&Worker>) -> R) -> R {
        Worker::with(|worker| f(worker.filter(|worker| Arc::ptr_eq(&worker.core, core))))
    }

    /// Queues `runnable` by `here` if this thread is a worker of `core`; gives it back otherwise, to be injected.
    #[inline(always)]
    pub(crate) fn queue_here(
        core: &Arc<Core>,
        runnable: Runnable,
        here: impl FnOnce(&Worker, Runnable),
    ) -> Option<Runnable> {
        Worker::of(core, |worker| match worker {
            Some(worker) => {
                here(worker, runnable);
                None
            }
            None => Some(runnable),
        })
    }

    /// A new id in `core`: of this thread's portion, if it is a worker of it.
    #[inline]
    pub(crate) fn next_id(core: &Arc<Core>) -> u64 {
        let local = Worker::of(core, |worker| worker.map(|worker| worker.seam().next_id()));
        local.unwrap_or_else(|| core.seam.next_id())
    }

    /// The number of the worker whose thread this is, if it is one of `core`.
    #[inline]
    pub(crate) fn index_in(core: &Arc<Core>) -> Option<usize> {
        Worker::of(core, |worker| worker.map(|worker| worker.shared.index))
    }

    /// The runtime whose worker this thread is.
    pub(crate) fn current_core() -> Option<Arc<Core>> {
        Worker::with(|worker| worker.map(|w| w.core.clone()))
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn seam(&self) -> &WorkerSeam {
        &self.seam
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    #[inline]
    pub(crate) fn is(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    /// What runs on this worker now; null if nothing does.
    pub(crate) fn running(&self) -> *const Header {
        self.shared.running.load(Ordering::Relaxed)
    }

    /// Whether `header` is what runs on this worker now.
    pub(crate) fn is_running(&self, header: *const Header) -> bool {
        ptr::eq(self.running(), header)
    }

    /// Whether what runs here has a claim on the stack it would keep if it blocked.
    pub(crate) fn holds_claim(&self) -> bool {
        // SAFETY: what runs on this very thread is alive; null if nothing does.
        unsafe { self.running().as_ref() }.is_none_or(|header| header.has(HOLDS_STACK))
    }

    // ---- what code on this worker's stacks calls -------------------------------------------------------------------

    /// Queues a woken stack of this worker.
    #[inline]
    pub(crate) fn ready(&self, parker: &'static Parker) {
        self.ready.borrow_mut().push_back(parker);
    }

    /// Queues a runnable to run next on this worker, before those already queued. Nobody is woken for it: it is done
    /// here before another thread could be up.
    #[inline]
    pub(crate) fn push_next(&self, runnable: Runnable) {
        // SAFETY: on the owner's thread.
        unsafe { self.shared.queue.push_next(runnable) }
    }

    /// Queues a runnable behind the others.
    #[inline]
    pub(crate) fn push(&self, runnable: Runnable) {
        // SAFETY: on the owner's thread.
        unsafe { self.shared.queue.push(runnable) }
    }

    /// Queues an unstarted microthread: here, or on the worker with the fewest stacks if this one has clearly more;
    /// wakes a sleeper, as this may well block or take long.
    pub(crate) fn push_unstarted(&self, runnable: Runnable) {
        let mine = self.shared.load();
        if mine > 2 {
            let regular = self.core.workers().take(self.core.config.workers);
            let least = regular.min_by_key(|w| w.load());
            if let Some(least) = least
                && least.load() + 2 < mine
                && !self.is(least)
            {
                least.assign(runnable);
                self.core.has_queued();
                return;
            }
        }
        self.push(runnable);
        if self.core.sleepers.load(Ordering::Relaxed) > 0 {
            // For this queue, which a sleeper looks at only once it is up.
            self.core.wake_one();
        }
    }

    /// Sets a timer that unparks `parker` at `deadline`, runs `suspend`, and clears the timer if it is still there.
    #[inline(always)]
    pub(crate) fn suspend_parked(&self, parker: &'static Parker, deadline: Option<Instant>) {
        let timer = deadline.map(|d| self.timers.borrow_mut().insert(d, Alarm::Wait(parker)));
        self.handoff.set(Some(Handoff::Parked));
        crate::stack::suspend();
        if let Some(timer) = timer {
            // That of a parker, with nothing to drop: code for it has no place behind a switch.
            std::mem::forget(self.timers.borrow_mut().cancel(timer));
        }
    }

    #[inline(always)]
    pub(crate) fn suspend_yielded(&self) {
        self.handoff.set(Some(Handoff::Yielded));
        crate::stack::suspend();
    }

    // ---- the runner's side -----------------------------------------------------------------------------------------

    /// The next thing for a runner on a stack of the default size to call, or `None` if the root must be let in.
    #[inline]
    pub(super) fn next_for_runner(&self) -> Option<Runnable> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if !self.calling.get().is_null() && !self.may_draw() {
            return None; // C3
        }
        let ready_waits = !self.ready.borrow().is_empty() && self.ready_run.get() < READY_RUN;
        let yielded_waits = self.yielded_due.get() <= self.taken.get() && !fault!("yield_not_due");
        if ready_waits || self.root_is_due() || yielded_waits {
            return None;
        }
        self.ready_run.set(0);
        self.steps.set(self.steps.get() + STEP);
        // SAFETY: on the owner's thread.
        let popped = unsafe { self.shared.queue.pop() };
        let popped = popped
            .or_else(|| self.shared.pop_mail())
            .or_else(|| self.core.injector.pop());
        if popped.is_some() {
            self.taken.set(self.taken.get() + 1);
        }
        popped
    }

    #[inline]
    pub(crate) fn starts(&self, task: *const Header) {
        preempt::begin_turn();
        self.shared
            .running
            .store(task.cast_mut(), Ordering::Relaxed);
        self.progresses();
    }

    #[inline]
    fn progresses(&self) {
        let progress = &self.shared.progress;
        progress.store(progress.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Whether the root must be let in.
    #[inline(always)]
    fn root_is_due(&self) -> bool {
        self.steps.get() >= DUTY_EVERY
    }

    /// What runs here has had a whole turn: whether others would run if it yielded, or the root has duties.
    pub(crate) fn turn_is_over(&self) -> bool {
        // It lets go when asked to, which is what the monitor wants to see.
        self.progresses();
        self.steps.set(self.steps.get() + TURN_STEPS);
        self.root_is_due() || self.has_others()
    }

    /// Whether others would run if what runs here waited.
    pub(crate) fn has_others(&self) -> bool {
        !self.ready.borrow().is_empty()
            || !self.yielded.borrow().is_empty()
            || !self.shared.inbox.is_empty()
            || self.has_runnable()
    }

    /// What runs here looks: whether many more runnables wait than at its `first` look.
    pub(crate) fn queue_has_grown(&self, first: bool) -> bool {
        let waits = self.shared.queue.len();
        if first && !fault!("preempt_counts_all") {
            self.waited.set(waits);
        }
        waits >= self.waited.get() + preempt::LOOK as usize
    }

    /// What runs here is about to let go, and has made work for others: a runnable goes first, before other stacks.
    pub(crate) fn lets_runnable_go_first(&self) {
        #[cfg(feature = "testing")]
        if self.is_driven() {
            return;
        }
        if !fault!("yield_to_stacks") {
            self.ready_run.set(READY_RUN);
        }
        self.yielded_to.set(self.taken.get() + 1);
    }

    /// Whether the runnable that is running is one that a stack has let go first.
    pub(crate) fn is_let_go_first(&self) -> bool {
        self.taken.get() == self.yielded_to.get()
    }

    /// As [`stops`](Self::stops), of `task`, which has nothing left to do and gives its claim on a stack back. Or `false`, and
    /// nothing, if the runtime stops: nobody would run it again.
    #[inline]
    pub(crate) fn may_idle(&self, task: &Header) -> bool {
        if self.core.is_stopping() {
            return false;
        }
        runner::release_claim(task);
        self.stops();
        true
    }

    /// Nothing runs any more; what did may be freed once this returns.
    #[inline]
    pub(crate) fn stops(&self) {
        let clear = || {
            self.shared
                .running
                .store(ptr::null_mut(), Ordering::Relaxed);
        };
        // SAFETY: on the owner's thread.
        unsafe { self.shared.queue.with_thieves_stopped(clear) }
    }

    /// As [`stops`](Self::stops), and what ran is queued behind the others.
    #[inline]
    pub(super) fn stops_and_queues(&self, runnable: Runnable) {
        let clear = || {
            self.shared
                .running
                .store(ptr::null_mut(), Ordering::Relaxed);
        };
        // SAFETY: on the owner's thread.
        unsafe { self.shared.queue.push_with(runnable, clear) }
    }

    /// A runner has nothing to run. Whether its stack is to be retired, once this returns.
    #[inline(always)]
    pub(super) fn hand_back_idle(&self) -> bool {
        self.handoff.set(Some(Handoff::Idle));
        crate::stack::suspend_idle()
    }

    #[cold]
    pub(super) fn hand_back_for(&self, wants: Runnable) {
        self.draws.set(0);
        self.first.set(Some(wants));
        self.handoff.set(Some(Handoff::Resize));
        crate::stack::suspend();
    }
}
