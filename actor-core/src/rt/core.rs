//! What all workers of one runtime share.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crate::observe::Events;
use crate::stack;
use crate::sys::asym;
use crate::sys::seam::Seam;

use super::header::Runnable;
use super::monitor::Monitor;
use super::offload::Offload;
use super::roster::Roster;
use super::sleep;
use super::worker::{Shared, Worker};

/// How a runtime is set up. See `rt::Builder` for what the fields mean to users.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) workers: usize,
    pub(crate) spares: usize,
    pub(crate) stack_size: usize,
    pub(crate) max_stacks: usize,
    pub(crate) guard: stack::GuardMode,
    pub(crate) overflow: stack::OverflowPolicy,
    pub(crate) keep_idle_stacks: usize,
    pub(crate) hold_limit: Duration,
    pub(crate) offload_threads: usize,
    pub(crate) thread_name: String,
    /// No monitor is started.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) unwatched: bool,
}

/// The runtime runs.
const RUNNING: u8 = 0;
/// Nothing new starts; what runs is being ended.
const STOPPING: u8 = 1;
/// The time for an orderly end is over: workers end at once and leak what they have.
const ABANDONED: u8 = 2;

/// The shared part of a runtime; kept alive by its handles, its worker threads, and every chunk of actor cells.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) seam: Arc<Seam>,
    pub(crate) stacks: Arc<stack::Shared>,
    pub(crate) budget: Budget,
    pub(crate) events: Events,
    pub(crate) injector: Injector,
    pub(crate) monitor: Monitor,
    pub(crate) offload: Offload,
    /// The tasks that own no stack.
    pub(super) roster: Roster,
    /// One slot for each worker there may ever be: the configured ones first, then spares.
    slots: Box<[OnceLock<Arc<Shared>>]>,
    /// How many slots are filled.
    filled: AtomicUsize,
    /// Workers that sleep, or are about to.
    pub(crate) sleepers: AtomicUsize,
    phase: AtomicU8,
    /// Called by a worker, with its number, when it is about to sleep or to end.
    sleep_hook: OnceLock<SleepHook>,
    threads: Mutex<Threads>,
    ended: Condvar,
    #[cfg(feature = "tokio")]
    pub(crate) tokio: super::tokio_lend::Lender,
    /// Who decides over a driven runtime's steps. Set before anything is queued.
    #[cfg(feature = "testing")]
    pub(crate) conductor: OnceLock<Arc<dyn super::worker::Conductor>>,
}

type SleepHook = Box<dyn Fn(usize) + Send + Sync>;

/// The worker threads, and which of them have ended.
#[derive(Debug, Default)]
struct Threads {
    handles: Vec<thread::JoinHandle<()>>,
    running: usize,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("config", &self.config)
            .field("workers", &self.filled.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

impl Core {
    /// Sets up a runtime and starts its workers.
    pub(crate) fn start(config: Config, seam: Seam) -> std::io::Result<Arc<Core>> {
        crate::sys::asym::init();
        stack::set_label(super::runner::what_runs);
        super::hook::install();
        let stacks = stack::Shared::new(stack::PoolConfig {
            stack_size: config.stack_size,
            // The limit is the budget's. It may be overdrawn, and each worker needs a stack to run what never blocks, which may be
            // what those who overdrew it wait for.
            max_stacks: usize::MAX / 2,
            guard: config.guard,
            overflow: config.overflow,
            keep_idle: config.keep_idle_stacks,
        });
        let core = Arc::new(Core {
            seam: Arc::new(seam),
            stacks,
            budget: Budget::new(config.max_stacks),
            events: Events::new(),
            injector: Injector::default(),
            monitor: Monitor::new(),
            offload: Offload::new(config.offload_threads, &config.thread_name),
            roster: Roster::default(),
            slots: (0..config.workers + config.spares)
                .map(|_| OnceLock::new())
                .collect(),
            filled: AtomicUsize::new(0),
            sleepers: AtomicUsize::new(0),
            phase: AtomicU8::new(RUNNING),
            sleep_hook: OnceLock::new(),
            threads: Mutex::new(Threads::default()),
            ended: Condvar::new(),
            #[cfg(feature = "tokio")]
            tokio: super::tokio_lend::Lender::new(&config.thread_name),
            #[cfg(feature = "testing")]
            conductor: OnceLock::new(),
            config,
        });
        for _ in 0..core.config.workers {
            if let Err(error) = core.add_worker() {
                core.stop();
                core.join(None);
                return Err(error);
            }
        }
        // A driven runtime has one thread, and nothing is to interfere with that.
        if core.seam.is_driven() {
            return Ok(core);
        }
        #[cfg(any(test, feature = "testing"))]
        if core.config.unwatched {
            return Ok(core);
        }
        if let Err(error) = Monitor::start(&core) {
            core.stop();
            core.join(None);
            return Err(error);
        }
        Ok(core)
    }

    /// Has `hook` called by each worker, with its number, when it is about to sleep or to end. Once.
    pub(crate) fn set_sleep_hook(&self, hook: SleepHook) {
        assert!(self.sleep_hook.set(hook).is_ok(), "one system a runtime");
    }

    pub(crate) fn about_to_sleep(&self, worker: usize) {
        self.roster.flush(worker);
        if let Some(hook) = self.sleep_hook.get() {
            hook(worker);
        }
    }

    /// The workers there are, configured and spare.
    pub(crate) fn workers(&self) -> impl Iterator<Item = &Arc<Shared>> {
        let filled = self.filled.load(Ordering::Acquire);
        self.slots[..filled].iter().filter_map(OnceLock::get)
    }

    /// The worker of this index.
    pub(super) fn worker(&self, index: usize) -> Option<&Arc<Shared>> {
        self.slots.get(index)?.get()
    }

    /// How many workers there are.
    pub(crate) fn worker_count(&self) -> usize {
        self.filled.load(Ordering::Acquire)
    }

    /// Whether another worker may be added.
    pub(crate) fn may_add_worker(&self) -> bool {
        self.worker_count() < self.slots.len() && !self.is_stopping()
    }

    /// Starts one more worker thread.
    pub(crate) fn add_worker(self: &Arc<Self>) -> std::io::Result<()> {
        let mut threads = self.threads();
        let index = self.filled.load(Ordering::Acquire);
        if index == self.slots.len() {
            return Ok(());
        }
        let shared = Arc::new(Shared::new(index)?);
        let core = self.clone();
        let own = shared.clone();
        let handle = thread::Builder::new()
            .name(format!("{}-{index}", self.config.thread_name))
            .spawn(move || {
                let worker = Worker::new(core.clone(), own);
                worker.run();
                core.worker_ended();
            })?;
        threads.handles.push(handle);
        threads.running += 1;
        assert!(self.slots[index].set(shared).is_ok(), "slot in use");
        self.filled.store(index + 1, Ordering::Release);
        Ok(())
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn worker_ended(&self) {
        let left = {
            let mut threads = self.threads();
            threads.running -= 1;
            threads.running
        };
        if left == 0 {
            self.discard_queued();
        }
        self.ended.notify_all();
    }

    /// Something has just been queued where any worker may find it. If there are none any more, nobody would.
    ///
    /// To be called after [`sleep::handed_over`]. Who queues, queues, fences and then looks at the phase and at the count of
    /// workers; the last worker counts itself out, or somebody sets the phase, and then fences and looks at the queues: one
    /// of the two sees the other.
    pub(crate) fn has_queued(&self) {
        if self.is_stopping() && (self.is_abandoned() || self.has_ended()) {
            self.discard_queued();
        }
    }

    /// Discards what nobody will run any more, so that those who wait for it are told.
    #[cold]
    pub(crate) fn discard_queued(&self) {
        fence(Ordering::SeqCst);
        while let Some(runnable) = self.injector.pop() {
            drop(runnable);
        }
        for worker in self.workers() {
            worker.discard_mail();
        }
    }

    /// Whether the runtime is ending.
    pub(crate) fn is_stopping(&self) -> bool {
        self.phase.load(Ordering::Acquire) != RUNNING
    }

    /// From now on nothing new starts, and every worker ends what it has and then itself.
    pub(crate) fn stop(&self) {
        self.phase.store(STOPPING, Ordering::SeqCst);
        // Who starts something makes it known, issues a light fence, and then looks at the phase: either that is seen, or it is
        // there for whoever looks, from here on, for what is to be ended.
        asym::heavy();
        for worker in self.workers() {
            worker.nudge();
        }
        self.monitor.nudge();
        self.roster.kill_all();
    }

    /// From now on every worker ends as soon as it can, whatever it still has.
    pub(crate) fn abandon(&self) {
        self.phase.store(ABANDONED, Ordering::SeqCst);
        for worker in self.workers() {
            worker.nudge();
        }
    }

    /// Whether the time for an orderly end is over.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.phase.load(Ordering::Acquire) == ABANDONED
    }

    /// Whether every worker has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.is_stopping() && self.threads().running == 0
    }

    /// Waits until all workers have ended, at most `timeout`. `true`: they have, and their threads are joined.
    pub(crate) fn join(&self, timeout: Option<Duration>) -> bool {
        let threads = self.threads();
        let running = |t: &mut Threads| t.running > 0;
        let mut threads = match timeout {
            None => self
                .ended
                .wait_while(threads, running)
                .unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.ended
                    .wait_timeout_while(threads, timeout, running)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        };
        if threads.running > 0 {
            return false;
        }
        let handles = std::mem::take(&mut threads.handles);
        drop(threads);
        for handle in handles {
            // A worker's thread does not unwind; and there is nobody to tell if it did.
            let _ = handle.join();
        }
        self.monitor.join();
        true
    }

    /// Hands a runnable to whichever worker comes first; wakes one if all that are free sleep.
    pub(crate) fn inject(&self, runnable: Runnable) {
        self.injector.push(runnable); // (a)
        sleep::handed_over(); // (b)
        self.wake_one(); // (c)
        self.has_queued();
    }

    /// Wakes a sleeping worker, if there is one. After [`sleep::handed_over`], if it is woken for something in particular.
    pub(crate) fn wake_one(&self) -> bool {
        self.workers().any(|worker| worker.wake_if_asleep())
    }
}

/// Ready work that no worker owns: from OS threads, and taken from workers that hold things up.
#[derive(Debug, Default)]
pub(crate) struct Injector {
    len: AtomicUsize,
    queue: Mutex<VecDeque<Runnable>>,
}

impl Injector {
    fn queue(&self) -> MutexGuard<'_, VecDeque<Runnable>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, runnable: Runnable) {
        self.extend([runnable]);
    }

    pub(crate) fn extend(&self, runnables: impl IntoIterator<Item = Runnable>) {
        let mut queue = self.queue();
        queue.extend(runnables);
        self.len.store(queue.len(), Ordering::SeqCst);
    }

    /// The oldest entry. A plain load if there is none.
    #[inline]
    pub(crate) fn pop(&self) -> Option<Runnable> {
        if self.is_empty() {
            return None;
        }
        let mut queue = self.queue();
        let popped = queue.pop_front();
        self.len.store(queue.len(), Ordering::SeqCst);
        popped
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(Ordering::SeqCst) == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }
}

/// How many stacks users may hold at the same time: microthreads from their spawn to their end, own-stack actors from
/// start to exit, handlers while they are blocked.
///
/// It is a limit for what can be refused: a spawn, an ask. A handler that blocks elsewhere, on a lock, say, cannot be: it
/// overdraws the budget, and while more is used than the limit says nothing else is granted.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    fn new(limit: usize) -> Self {
        Budget {
            limit,
            used: AtomicUsize::new(0),
        }
    }

    /// Takes one unit, unless that would go beyond the limit.
    pub(crate) fn try_acquire(&self) -> bool {
        if self.used.fetch_add(1, Ordering::Relaxed) < self.limit {
            return true;
        }
        self.used.fetch_sub(1, Ordering::Relaxed);
        false
    }

    /// Takes one unit, whatever the limit.
    pub(crate) fn overdraw(&self) {
        self.used.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives one unit back.
    pub(crate) fn release(&self) {
        self.used.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether a unit is to be had, as things stand, when so many others have been.
    pub(crate) fn has_room_for(&self, others: usize) -> bool {
        let used = self.used.load(Ordering::Relaxed);
        used.saturating_add(others) < self.limit
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}
