//! The monitor: a thread that watches the workers, and sleeps while they do.
//!
//! Each worker counts its scheduling steps. The monitor looks about every millisecond, but only while some worker is
//! awake. A count that has not moved between two looks, with something running, means that code holds the worker:
//!
//! 1. What others could run instead (the worker's queue with its next-slot, its mail) goes to the injector, at every look,
//!    as the code that holds the worker may go on producing.
//! 2. A sleeping worker is woken for it; if none sleeps and all are held up, a spare one is added.
//! 3. When it has lasted longer than the configured limit, the code is named, once, in an event.
//!
//! The stacks suspended on a held worker wait: they cannot move. The remedy is `blocking`.
//!
//! A worker that does get on but has more than it can do at the moment, while another sleeps, is helped the same way: the
//! sleeper is woken and steals, unless the worker gets through its queue in less than that takes ([`super::patience`]). That
//! decision is left to the monitor because waking a thread costs more than most messages do.
//!
//! # Sleep
//! When all workers sleep the monitor does, too, with no timeout; a worker that wakes to run something nudges it. See
//! [`super::sleep`]. So an idle process has no periodic wake-ups, and a busy one is always watched.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::Level;

use crate::observe::Event;

use super::core::Core;
use super::header::{Header, Runnable};
use super::{patience, sleep};

const TICK: Duration = Duration::from_millis(1);
/// So many looks at sleeping workers before the monitor sleeps too: going to sleep and being woken costs more than a few
/// looks.
const LINGER: u32 = 20;

pub(crate) struct Monitor {
    watch: sleep::Watch,
    nudged: Mutex<bool>,
    signal: Condvar,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}

/// What the monitor remembers of a worker.
#[derive(Debug, Default, Clone, Copy)]
struct Watch {
    progress: u64,
    /// How many had left its queue.
    left: Option<usize>,
    held: u32,
    reported: bool,
}

impl Monitor {
    pub(crate) fn new() -> Self {
        Monitor {
            watch: sleep::Watch::new(),
            nudged: Mutex::new(false),
            signal: Condvar::new(),
            thread: Mutex::new(None),
        }
    }

    pub(crate) fn start(core: &Arc<Core>) -> io::Result<()> {
        let own = core.clone();
        let handle = thread::Builder::new()
            .name(format!("{}-monitor", core.config.thread_name))
            .spawn(move || watch(&own))?;
        *core
            .monitor
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(handle);
        Ok(())
    }

    /// A worker has woken up. Its own state says so already.
    #[inline]
    pub(crate) fn work_begins(&self) {
        if self.watch.is_lying() {
            self.nudge();
        }
    }

    #[cold]
    pub(crate) fn nudge(&self) {
        *self.nudged.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.signal.notify_one();
    }

    /// Waits for the monitor to end, which it does when all workers have.
    pub(crate) fn join(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.nudge();
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            // The monitor runs no user code; if it has died there is nobody to tell.
            let _ = thread.join();
        }
    }

    /// Waits for a nudge, at most `timeout`.
    fn wait(&self, timeout: Option<Duration>) {
        let nudged = self.nudged.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = |nudged: &mut bool| !*nudged;
        let mut nudged = match timeout {
            Some(timeout) => {
                self.signal
                    .wait_timeout_while(nudged, timeout, quiet)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
            None => self
                .signal
                .wait_while(nudged, quiet)
                .unwrap_or_else(PoisonError::into_inner),
        };
        *nudged = false;
    }
}

fn watch(core: &Arc<Core>) {
    let mut watches = vec![Watch::default(); core.config.workers + core.config.spares];
    let mut loot = Vec::new();
    let mut idle_looks = 0;
    while !core.has_ended() {
        if core.workers().all(|worker| worker.is_asleep()) {
            idle_looks += 1;
        } else {
            idle_looks = 0;
        }
        if idle_looks < LINGER {
            core.monitor.wait(Some(TICK));
        } else {
            idle_looks = 0;
            core.monitor.watch.lie_down();
            if core.workers().all(|worker| worker.is_asleep()) {
                core.monitor.wait(None);
            }
            core.monitor.watch.get_up();
        }
        look(core, &mut watches, &mut loot);
    }
}

/// One look at every worker.
fn look(core: &Arc<Core>, watches: &mut [Watch], loot: &mut Vec<Runnable>) {
    let limit = (core.config.hold_limit.as_micros() / TICK.as_micros()).max(1);
    let (mut held, mut awake, mut surplus) = (0, 0, false);
    for (worker, watch) in core.workers().zip(watches) {
        if worker.is_asleep() {
            *watch = Watch::default();
            continue;
        }
        awake += 1;
        let progress = worker.progress();
        if progress != watch.progress || !worker.runs_something() {
            let waiting = worker.queue.waiting();
            let passed = watch.left.map_or(0, |left| waiting.left.wrapping_sub(left));
            surplus |= worker.has_mail() || patience::is_worth_waking_for(waiting, passed, TICK);
            *watch = Watch {
                progress,
                left: Some(waiting.left),
                ..Watch::default()
            };
            continue;
        }
        watch.held += 1;
        held += 1;
        worker.take_everything(loot);
        if u128::from(watch.held) >= limit && !watch.reported {
            // Nobody, if the worker has just moved on, or somebody else looks at its queue: then at the next look.
            if let Some(who) = worker.inspect(Header::who) {
                watch.reported = true;
                let (worker, held) = (worker.index, TICK * watch.held);
                core.events
                    .emit(Level::WARN, || Event::Stuck { who, worker, held });
            }
        }
    }
    if !loot.is_empty() {
        core.injector.extend(loot.drain(..));
        sleep::handed_over();
        core.has_queued();
    }
    if surplus || !core.injector.is_empty() {
        let woken = core.wake_one();
        if !woken && held == awake && !core.injector.is_empty() && core.may_add_worker() {
            // Out of threads: the work waits until a worker is free again, and the next look tries once more.
            if let Err(error) = core.add_worker() {
                tracing::warn!(target: "actor_core::scheduler", %error, "no spare worker");
            }
        }
    }
}
