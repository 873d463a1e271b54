//! A worker: the thread that resumes stacks, and what other threads see of it.
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
//! # The queues, in the order they are looked at
//! - *ready*: suspended stacks to resume. Only this worker can. Filled by this worker directly, by others through the
//!   *inbox*.
//! - *queue*: stealable runnables with the next-slot in front (`rt::queue`). Pushed by this worker alone.
//! - *mail*: runnables another worker has assigned to this one, to spread stacks. Stealable by who has fewer stacks.
//! - *injector*: from OS threads and stuck workers; shared by all.
//!
//! Ready stacks go first, as they hold memory; but after `READY_RUN` of them in a row a runnable has its turn. A stack
//! that yields goes behind both: to the end of the ready list if no runnable waits, else to *yielded*, from where it joins
//! the ready list once as many runnables have been taken as waited when it yielded, or none is left.
//!
//! # Sleep
//! An idle worker sleeps in its poller, so that descriptors, timers and wake-ups are one wait. The steps, and why nothing
//! is missed, are in [`super::sleep`]. Nobody needs to wake a worker for its own queue: its owner is awake while it has
//! entries, and if the owner is held up, the monitor takes them away. One that has no stack to run them on looks again soon.
//! Where its sleeps have been short, a worker looks a little longer before the next one ([`super::spin`]).
//!
//! A worker that has slept for a while with nothing to do gives memory back, and sleeps on.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::fmt;
use std::hint::spin_loop;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::stack::{Pool, Resumed, Stack};
use crate::sys::seam::{Choice, WorkerSeam};

use super::core::Core;
use super::header::{HOLDS_STACK, Header, Runnable};
use super::inbox::Inbox;
use super::io;
use super::park::{Home, Parker};
use super::preempt;
use super::queue::LocalQueue;
use super::runner;
use super::sleep::{self, Sleep};
use super::spin::{self, Spin};
use super::timer::Timers;

#[cfg(feature = "testing")]
mod driven;
#[cfg(feature = "testing")]
pub(crate) use driven::{Candidate, Conductor, INJECTED, Verdict, is_driven_here};

/// After so many resumed stacks in a row, a runnable has its turn.
const READY_RUN: u32 = 16;
/// After so many scheduling steps the root looks at descriptors, timers and the injector.
const DUTY_EVERY: u32 = 64;
/// A whole turn of a microthread (`rt::preempt`) weighs as much as so many steps.
const TURN_STEPS: u32 = 16;
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

/// What other threads see of a worker.
pub(crate) struct Shared {
    pub(crate) index: usize,
    pub(crate) queue: LocalQueue<Runnable>,
    inbox: Inbox<Parker>,
    mail: Mutex<VecDeque<Runnable>>,
    mail_len: AtomicUsize,
    /// What runs now. Cleared inside an owner's section of `queue` before the object may be freed, so it may be
    /// followed by whoever has stopped the owner.
    running: AtomicPtr<Header>,
    /// Counts scheduling steps; unchanged between two looks of the monitor means: held up.
    progress: AtomicU64,
    /// Stacks in use. Written by the worker alone.
    stacks_in_use: AtomicUsize,
    sleep: Sleep,
    pub(crate) poller: polling::Poller,
    /// Keys of sources that were dropped on other threads.
    closed: Mutex<Vec<usize>>,
    closed_any: AtomicBool,
    /// What remained when the worker had to end without ending it.
    pub(crate) leaked: Mutex<Vec<String>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("index", &self.index)
            .field("load", &self.load())
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(index: usize) -> std::io::Result<Self> {
        Ok(Shared {
            index,
            queue: LocalQueue::new(),
            inbox: Inbox::new(),
            mail: Mutex::new(VecDeque::new()),
            mail_len: AtomicUsize::new(0),
            running: AtomicPtr::new(ptr::null_mut()),
            progress: AtomicU64::new(0),
            stacks_in_use: AtomicUsize::new(0),
            sleep: Sleep::new(),
            poller: polling::Poller::new()?,
            closed: Mutex::new(Vec::new()),
            closed_any: AtomicBool::new(false),
            leaked: Mutex::new(Vec::new()),
        })
    }

    /// Hands a woken stack to this worker. From any other thread.
    pub(crate) fn wake(&self, parker: &'static Parker) {
        self.inbox.push(parker); // (a)
        sleep::handed_over(); // (b)
        self.wake_if_asleep(); // (c)
    }

    /// Assigns a runnable to this worker.
    pub(crate) fn assign(&self, runnable: Runnable) {
        let mut mail = self.mail();
        mail.push_back(runnable);
        self.mail_len.store(mail.len(), Ordering::Relaxed); // (a)
        drop(mail);
        sleep::handed_over(); // (b)
        self.wake_if_asleep(); // (c)
    }

    fn mail(&self) -> MutexGuard<'_, VecDeque<Runnable>> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pop_mail(&self) -> Option<Runnable> {
        if self.mail_len.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut mail = self.mail();
        let popped = mail.pop_front();
        self.mail_len.store(mail.len(), Ordering::Relaxed);
        popped
    }

    /// Drops what was assigned to a worker that has ended, or will not look any more.
    pub(crate) fn discard_mail(&self) {
        while let Some(runnable) = self.pop_mail() {
            drop(runnable);
        }
    }

    /// Takes everything that others could run instead of this worker. For the monitor.
    pub(crate) fn take_everything(&self, into: &mut Vec<Runnable>) {
        // Busy means that the owner is scheduling, hence not held up.
        let _ = self.queue.take_all(into);
        while let Some(runnable) = self.pop_mail() {
            into.push(runnable);
        }
    }

    /// Ends the poller's wait, present or next.
    pub(crate) fn nudge(&self) {
        // It can fail only if the eventfd's counter is full, and then the wait ends anyway.
        let _ = self.poller.notify();
    }

    /// A source registered with this worker was dropped on another thread.
    pub(crate) fn closed_elsewhere(&self, key: usize) {
        self.closed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(key);
        // Freed when the worker next looks at its descriptors; there is no hurry.
        self.closed_any.store(true, Ordering::Release);
    }

    /// Wakes the worker if it sleeps and nobody else has. After [`sleep::handed_over`].
    pub(crate) fn wake_if_asleep(&self) -> bool {
        let asleep = self.sleep.wake();
        if asleep {
            self.nudge();
        }
        asleep
    }

    pub(crate) fn is_asleep(&self) -> bool {
        self.sleep.is_asleep()
    }

    pub(crate) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// Stacks in use, and microthreads assigned to this worker that have not started.
    pub(crate) fn load(&self) -> usize {
        self.stacks_in_use.load(Ordering::Relaxed) + self.mail_len.load(Ordering::Relaxed)
    }

    /// Whether code of a user's runs on it, or it is between two steps with such code.
    pub(crate) fn runs_something(&self) -> bool {
        !self.running.load(Ordering::Relaxed).is_null()
    }

    /// Ready work that another worker could take.
    pub(crate) fn surplus(&self) -> usize {
        self.queue.stealable() + self.mail_len.load(Ordering::Relaxed)
    }

    /// Calls `f` with what runs on this worker, while it provably stays alive. `None`: nothing runs, or the worker is
    /// scheduling.
    pub(crate) fn inspect<R>(&self, f: impl FnOnce(&Header) -> R) -> Option<R> {
        let inspect = || {
            // SAFETY: the pointer is cleared inside an owner's section before the object's last reference goes, and
            // the owner can neither be in a section nor enter one now.
            unsafe { self.running.load(Ordering::Relaxed).as_ref() }.map(f)
        };
        self.queue.with_owner_stopped(inspect).ok().flatten()
    }
}

/// Why a stack came back to the root.
enum Handoff {
    /// It waits for its parker.
    Parked,
    /// It wants to go on after the others.
    Yielded,
    /// It has nothing on it.
    Idle,
    /// It has nothing on it, and has popped something that wants a stack of another size.
    Resize(Runnable),
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
    /// Runnables taken so far.
    taken: Cell<u64>,
    timers: RefCell<Timers<&'static Parker>>,
    pub(super) io: RefCell<io::Driver>,
    /// The parkers of all stacks that are in use or idle here, in no order.
    stacks: RefCell<Vec<&'static Parker>>,
    /// The size of the stacks that are handed out where none was asked for.
    default_size: Cell<usize>,
    handoff: Cell<Option<Handoff>>,
    /// What the next runner shall run first.
    first: Cell<Option<Runnable>>,
    steps: Cell<u32>,
    ready_run: Cell<u32>,
    spin: Spin,
    /// When memory shall be given back at the latest, if there is any to give.
    trim_due: Cell<Option<Instant>>,
    /// Everything suspended here has been told to end.
    killed_all: Cell<bool>,
    loot: RefCell<Vec<Runnable>>,
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
            taken: Cell::new(0),
            timers: RefCell::new(Timers::new(core.seam.clock().now())),
            io: RefCell::new(io::Driver::new()),
            stacks: RefCell::default(),
            default_size: Cell::new(0),
            handoff: Cell::new(None),
            first: Cell::new(None),
            steps: Cell::new(0),
            ready_run: Cell::new(0),
            spin: Spin::default(),
            trim_due: Cell::new(None),
            killed_all: Cell::new(false),
            loot: RefCell::default(),
            #[cfg(feature = "testing")]
            driven: driven::Driven::default(),
            core,
            shared,
        }
    }

    /// Calls `f` with the worker whose thread this is, if it is one. `f` does not switch stacks.
    #[inline]
    pub(crate) fn with<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
        // SAFETY: the pointer is set while `run` is on the thread's stack, to its worker, and cleared before it returns.
        f(unsafe { CURRENT.get().as_ref() })
    }

    /// As [`with`](Self::with), for code that runs on a worker's thread.
    #[inline]
    pub(crate) fn here<R>(f: impl FnOnce(&Worker) -> R) -> R {
        Worker::with(|worker| f(worker.expect("on a worker's thread")))
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

    /// Whether `header` is what runs on this worker now.
    pub(crate) fn is_running(&self, header: *const Header) -> bool {
        ptr::eq(self.shared.running.load(Ordering::Relaxed), header)
    }

    /// Whether what runs here has a claim on the stack it would keep if it blocked.
    pub(crate) fn holds_claim(&self) -> bool {
        // SAFETY: what runs on this very thread is alive; null if nothing does.
        unsafe { self.shared.running.load(Ordering::Relaxed).as_ref() }
            .is_none_or(|header| header.has(HOLDS_STACK))
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
    pub(crate) fn suspend_parked(&self, parker: &'static Parker, deadline: Option<Instant>) {
        let timer = deadline.map(|d| self.timers.borrow_mut().insert(d, parker));
        self.handoff.set(Some(Handoff::Parked));
        crate::stack::suspend();
        if let Some(timer) = timer {
            let _ = self.timers.borrow_mut().cancel(timer);
        }
    }

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
        let ready_waits = !self.ready.borrow().is_empty() && self.ready_run.get() < READY_RUN;
        if ready_waits || self.steps.get() >= DUTY_EVERY || self.next_yielded_is_due() {
            return None;
        }
        self.ready_run.set(0);
        self.steps.set(self.steps.get() + 1);
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
    fn next_yielded_is_due(&self) -> bool {
        let yielded = self.yielded.borrow();
        yielded
            .front()
            .is_some_and(|(after, _)| *after <= self.taken.get())
    }

    #[inline]
    pub(crate) fn starts(&self, task: *const Header) {
        let shared = &*self.shared;
        // SAFETY: the caller holds a reference to what it starts; null if nothing does.
        runner::note(unsafe { task.as_ref() });
        preempt::begin_turn();
        shared.running.store(task.cast_mut(), Ordering::Relaxed);
        self.progresses();
    }

    #[inline]
    fn progresses(&self) {
        let progress = &self.shared.progress;
        progress.store(progress.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// What runs here has had a whole turn: whether others would run if it yielded, or the root has duties.
    pub(crate) fn turn_is_over(&self) -> bool {
        // It lets go when asked to, which is what the monitor wants to see.
        self.progresses();
        self.steps.set(self.steps.get() + TURN_STEPS);
        self.steps.get() >= DUTY_EVERY
            || !self.ready.borrow().is_empty()
            || !self.yielded.borrow().is_empty()
            || !self.shared.inbox.is_empty()
            || self.has_runnable()
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

    pub(super) fn hand_back_idle(&self, wants: Option<Runnable>) {
        self.handoff
            .set(Some(wants.map_or(Handoff::Idle, Handoff::Resize)));
        crate::stack::suspend();
    }

    // ---- the root's side -------------------------------------------------------------------------------------------

    /// Whether `runnable` may run on the stack of `parker`.
    #[inline]
    pub(super) fn fits(&self, parker: &Parker, runnable: &Runnable) -> bool {
        let (has, wants) = (parker.local().size.get(), runnable.header().stack_size());
        if wants == 0 {
            has == self.default_size.get()
        } else {
            has >= wants
        }
    }

    /// The stack of `parker` is about to end.
    pub(super) fn retire(&self, parker: &'static Parker) {
        self.forget(parker);
        parker.recycle();
    }

    /// The root: runs until the runtime ends.
    pub(crate) fn run(self) {
        CURRENT.set(&raw const self);
        #[cfg(feature = "testing")]
        if self.is_driven() {
            self.run_driven();
        } else {
            self.run_free();
        }
        #[cfg(not(feature = "testing"))]
        self.run_free();
        self.end();
        // Idle stacks return from their runners, which ask for their worker.
        let pool = self.pool.take();
        drop(pool);
        self.core.about_to_sleep(self.shared.index);
        CURRENT.set(ptr::null());
    }

    fn run_free(&self) {
        loop {
            self.steps.set(self.steps.get() + 1);
            if self.steps.get() > DUTY_EVERY {
                self.steps.set(0);
                self.duties();
                if self.core.is_stopping() && !self.go_on_while_stopping() {
                    break;
                }
            }
            if !self.turn() && !self.idle() {
                break;
            }
        }
    }

    fn pool(&self) -> RefMut<'_, Pool> {
        RefMut::map(self.pool.borrow_mut(), |pool| {
            pool.as_mut().expect("a worker has its pool until the end")
        })
    }

    /// One step: resumes a ready stack, or starts a runner. `false`: there is nothing to do.
    fn turn(&self) -> bool {
        self.take_inbox();
        self.take_yielded();
        // A runner that finds nothing it may take resets nothing: then it is the ready stacks' turn again.
        if self.ready_run.get() < READY_RUN || !self.has_runnable() {
            let parker = self.ready.borrow_mut().pop_front();
            if let Some(parker) = parker {
                self.ready_run.set(self.ready_run.get() + 1);
                let stack = parker.local().stack.take();
                self.resume(stack.expect("a ready stack is suspended"), parker);
                return true;
            }
        }
        if self.has_runnable() && self.start_runner(0) {
            return true;
        }
        // What the others let go first may be gone to another worker since this looked, or there is no stack for it, which only
        // they can give back: they go on, and are not left behind when the worker goes to sleep.
        self.ready_run.set(0);
        let mut ready = self.ready.borrow_mut();
        ready.extend(
            self.yielded
                .borrow_mut()
                .drain(..)
                .map(|(_, parker)| parker),
        );
        !ready.is_empty()
    }

    /// Those that have yielded and have let enough others go first are ready again.
    #[inline]
    fn take_yielded(&self) {
        if self.yielded.borrow().is_empty() {
            return;
        }
        let mut yielded = self.yielded.borrow_mut();
        while let Some((after, parker)) = yielded.front().copied() {
            if after > self.taken.get() && self.has_runnable() {
                break;
            }
            yielded.pop_front();
            self.ready(parker);
        }
    }

    /// A stack has yielded.
    fn put_behind_the_others(&self, parker: &'static Parker) {
        #[cfg(feature = "testing")]
        if self.is_driven() {
            return self.driven_yielded(parker);
        }
        let waiting = self.shared.queue.len()
            + self.shared.mail_len.load(Ordering::Relaxed)
            + self.core.injector.len();
        if waiting == 0 {
            self.take_yielded();
            self.ready(parker);
        } else {
            let after = self.taken.get() + waiting as u64;
            self.yielded.borrow_mut().push_back((after, parker));
        }
    }

    fn has_runnable(&self) -> bool {
        !self.shared.queue.is_empty()
            || self.shared.mail_len.load(Ordering::Relaxed) > 0
            || !self.core.injector.is_empty()
    }

    #[inline]
    fn take_inbox(&self) {
        if !self.shared.inbox.is_empty() {
            let mut ready = self.ready.borrow_mut();
            ready.extend(self.shared.inbox.take_all());
        }
    }

    /// Resumes an idle stack of at least `size` bytes (0: the default) as a runner. `false`: there is none to be had
    /// now.
    fn start_runner(&self, size: usize) -> bool {
        let taken = self.pool().take(size);
        let mut stack = match taken {
            Ok(stack) => stack,
            Err(limit) => {
                self.out_of_stacks(&limit);
                return false;
            }
        };
        self.count_stacks(1);
        // SAFETY: the only data attached to a stack here is its parker, and parkers are never freed.
        let parker = match unsafe { stack.data().cast::<Parker>().as_ref() } {
            Some(parker) => parker,
            None => self.adopt(&mut stack, size),
        };
        self.resume(stack, parker);
        true
    }

    #[cold]
    fn adopt(&self, stack: &mut Stack, wanted: usize) -> &'static Parker {
        let parker = Parker::for_stack(Home::Worker(self.shared.clone()));
        let bounds = stack.bounds();
        parker.local().size.set(bounds.end - bounds.start);
        if wanted == 0 {
            self.default_size.set(bounds.end - bounds.start);
        }
        stack.set_data(ptr::from_ref(parker).cast_mut().cast());
        let mut stacks = self.stacks.borrow_mut();
        parker.local().index.set(stacks.len());
        stacks.push(parker);
        parker
    }

    #[cold]
    fn out_of_stacks(&self, limit: &crate::stack::LimitReached) {
        tracing::warn!(target: "actor_core::scheduler", %limit, "no stack to run on");
        self.pool().trim_some(TRIM_PORTION);
        // Something suspended must end first. Wait for a wake-up, but not for ever: another worker may have given
        // memory back meanwhile.
        self.poll(Some(Duration::from_millis(1)));
    }

    fn resume(&self, mut stack: Stack, parker: &'static Parker) {
        self.starts(parker.local().task.get());
        match stack.resume() {
            Resumed::Suspended => match self.handoff.take() {
                Some(Handoff::Parked) => parker.local().stack.set(Some(stack)),
                Some(Handoff::Yielded) => {
                    parker.local().stack.set(Some(stack));
                    self.put_behind_the_others(parker);
                }
                Some(Handoff::Idle) => self.give(stack),
                Some(Handoff::Resize(runnable)) => {
                    let size = runnable.header().stack_size();
                    self.give(stack);
                    self.first.set(Some(runnable));
                    if !self.start_runner(size)
                        && let Some(runnable) = self.first.take()
                    {
                        self.push(runnable);
                    }
                }
                None => unreachable!("a stack of ours came back without saying why"),
            },
            // A stack ends only when the pool retires it, and then the pool resumes it.
            Resumed::Finished => unreachable!("a runner ended that was not told to"),
            Resumed::Overflowed => {
                // The parker stays with the abandoned frames for ever, as they may still be known to wakers.
                self.forget(parker);
                // Leaks it, and counts it as abandoned: before its task ends, so that who has seen that sees the count.
                drop(stack);
                self.count_stacks(-1);
                runner::overflowed(self, parker);
            }
        }
        self.shared
            .running
            .store(ptr::null_mut(), Ordering::Relaxed);
    }

    fn count_stacks(&self, by: isize) {
        let count = &self.shared.stacks_in_use;
        let now = count.load(Ordering::Relaxed).wrapping_add_signed(by);
        count.store(now, Ordering::Relaxed);
    }

    fn give(&self, stack: Stack) {
        self.count_stacks(-1);
        self.pool().give(stack);
    }

    fn forget(&self, parker: &'static Parker) {
        let mut stacks = self.stacks.borrow_mut();
        let index = parker.local().index.get();
        stacks.swap_remove(index);
        if let Some(moved) = stacks.get(index) {
            moved.local().index.set(index);
        }
    }

    /// What the root does now and then while there is work: descriptors, timers, shared queues.
    fn duties(&self) {
        self.poll(Some(Duration::ZERO));
        // A share of what nobody owns, lest it waits until this worker's own queue is empty.
        let share = self.core.injector.len().div_ceil(self.core.config.workers);
        for _ in 0..share.min(DUTY_EVERY as usize) {
            let Some(runnable) = self.core.injector.pop() else {
                break;
            };
            self.push(runnable);
        }
        if let Some(runnable) = self.shared.pop_mail() {
            self.push(runnable);
        }
        // SAFETY: on the owner's thread.
        unsafe { self.shared.queue.trim() };
    }

    /// Looks at descriptors, waiting at most `timeout` for one, and at timers. Whether anything became ready.
    fn poll(&self, timeout: Option<Duration>) -> bool {
        if self.shared.closed_any.load(Ordering::Relaxed)
            && self.shared.closed_any.swap(false, Ordering::Acquire)
        {
            let mut closed = self
                .shared
                .closed
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            self.reap_closed(std::mem::take(&mut closed));
        }
        let polled = self
            .io
            .borrow_mut()
            .poll(&self.shared.poller, timeout, |parker| parker.unpark());
        let mut any = polled;
        if !self.timers.borrow().is_empty() {
            let now = self.core.seam.clock().now();
            // Collected first: firing a timer needs nothing but the parker, yet must not find the wheel borrowed.
            let mut due = Vec::new();
            self.timers
                .borrow_mut()
                .expire(now, |parker| due.push(parker));
            any |= !due.is_empty();
            due.into_iter().for_each(Parker::time_out);
        }
        any
    }

    /// Nothing to do here: look further, then sleep. `false`: the worker shall end.
    fn idle(&self) -> bool {
        if self.poll(Some(Duration::ZERO)) {
            return true;
        }
        if self.core.is_stopping() {
            let first = !self.killed_all.get();
            if !self.go_on_while_stopping() {
                return false;
            }
            if first {
                return true;
            }
            if !self.has_live_stack() {
                return false;
            }
        }
        if self.steal() || (self.spin.pays() && self.look_longer()) {
            return true;
        }
        // Once it has said that it sleeps, a worker runs nothing before `work_begins`: not left in between.
        loop {
            let trim = self.trim_wait();
            // There was no stack for it. Nobody says when memory is given back elsewhere.
            let starved = !self.shared.queue.is_empty();
            let longest = match starved {
                true => Some(trim.map_or(STARVED, |trim| trim.min(STARVED))),
                false => trim,
            };
            let nothing = match longest {
                Some(Duration::ZERO) => true,
                _ => self.sleep(longest),
            };
            if !nothing || starved || (trim.is_some() && self.trim()) {
                self.core.monitor.work_begins();
                return true;
            }
        }
    }

    /// Looks for something to do for as long as [`spin`](super::spin) says. `true`: there is something.
    fn look_longer(&self) -> bool {
        /// Looks at memory for each look at the descriptors, which is a system call.
        const GLANCES: u32 = 8;
        let clock = self.core.seam.clock();
        let end = clock.now() + spin::LOOK;
        let found = loop {
            let mut glances = 0..GLANCES;
            let news = glances.any(|_| {
                spin_loop();
                self.has_news()
            });
            if news || self.poll(Some(Duration::ZERO)) || self.steal() {
                break true;
            }
            if clock.now() >= end {
                break false;
            }
        };
        self.spin.looked(found);
        found
    }

    /// Sleeps until there is something to do, at most until the next timer or for `longest`. `true`: nothing has come.
    fn sleep(&self, longest: Option<Duration>) -> bool {
        let timer = self.timers.borrow_mut().next_deadline();
        self.shared.sleep.begin(); // step 1
        self.core.sleepers.fetch_add(1, Ordering::Relaxed);
        let mut nothing = false;
        // step 2
        if !self.has_news() {
            let clock = self.core.seam.clock();
            let begun = clock.now();
            let timer = timer.map(|t| t.saturating_duration_since(begun));
            let timeout = match (timer, longest) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            nothing = !self.poll(timeout); // step 3
            self.spin.slept(clock.now() - begun);
        }
        self.core.sleepers.fetch_sub(1, Ordering::Relaxed);
        let nudged = self.shared.sleep.end(); // step 4
        nothing && !nudged && longest.is_some() && !self.has_news()
    }

    /// How long to sleep before giving memory back. `None`: there is none to give.
    fn trim_wait(&self) -> Option<Duration> {
        if !self.pool().wants_trim() {
            self.trim_due.set(None);
            return None;
        }
        let now = self.core.seam.clock().now();
        let due = self.trim_due.get().unwrap_or(now + TRIM_AT_LATEST);
        self.trim_due.set(Some(due));
        Some(TRIM_AFTER.min(due.saturating_duration_since(now)))
    }

    /// Gives memory back, in portions: a big burst takes long, and work may come meanwhile. `true`: it has, and the rest
    /// is left for the next time.
    fn trim(&self) -> bool {
        while self.pool().trim_some(TRIM_PORTION) {
            if self.has_news() || self.poll(Some(Duration::ZERO)) {
                return true;
            }
        }
        self.trim_due.set(None);
        self.core.about_to_sleep(self.shared.index);
        false
    }

    /// Step 2 of going to sleep.
    fn has_news(&self) -> bool {
        !self.shared.inbox.is_empty()
            || self.shared.mail_len.load(Ordering::Relaxed) > 0
            || !self.core.injector.is_empty()
            || (self.core.is_stopping() && !self.killed_all.get())
            || self.core.is_abandoned()
    }

    /// Takes ready work from others.
    fn steal(&self) -> bool {
        let count = self.core.worker_count();
        let start = self.seam.choose(Choice::Victim, count);
        let mut loot = self.loot.borrow_mut();
        let others = self.core.workers().skip(start);
        for victim in others.chain(self.core.workers().take(start)) {
            if self.is(victim) || victim.surplus() == 0 {
                continue;
            }
            let _ = victim.queue.steal(STEAL_MAX, &mut loot);
            // Mail is there to spread stacks: to take back what has just been assigned would undo that.
            if loot.is_empty()
                && self.shared.load() < victim.load()
                && let Some(runnable) = victim.pop_mail()
            {
                loot.push(runnable);
            }
            if !loot.is_empty() {
                loot.drain(..).for_each(|runnable| self.push(runnable));
                return true;
            }
        }
        false
    }

    // ---- the end ---------------------------------------------------------------------------------------------------

    /// The runtime is ending: tells everything here to end, once. `false`: the worker shall leave what has not.
    #[cold]
    fn go_on_while_stopping(&self) -> bool {
        if !self.killed_all.replace(true) {
            self.kill_all();
        }
        !self.core.is_abandoned()
    }

    /// Tells everything that is suspended here to end.
    fn kill_all(&self) {
        for parker in self.stacks.borrow().iter() {
            // SAFETY: while a task is on the stack its frames hold a reference; else the pointer is null.
            if let Some(task) = unsafe { parker.local().task.get().as_ref() } {
                task.kill();
            }
        }
    }

    fn has_live_stack(&self) -> bool {
        let live = |parker: &&'static Parker| !parker.local().task.get().is_null();
        self.stacks.borrow().iter().any(live)
    }

    /// Ends the worker: idle stacks are retired, and what could not be ended is named and leaked.
    fn end(&self) {
        while let Some(runnable) = (unsafe_pop(self)).or_else(|| self.shared.pop_mail()) {
            drop(runnable);
        }
        let mut leaked = Vec::new();
        for parker in self.stacks.borrow().iter() {
            // SAFETY: as in `kill_all`.
            if let Some(task) = unsafe { parker.local().task.get().as_ref() } {
                leaked.push(task.who().to_string());
                // Leaks it, and counts it: unwinding code that did not end when told to is not tried again.
                drop(parker.local().stack.take());
            }
        }
        *self
            .shared
            .leaked
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = leaked;
    }
}

fn unsafe_pop(worker: &Worker) -> Option<Runnable> {
    // SAFETY: on the owner's thread.
    unsafe { worker.shared.queue.pop() }
}
