//! Who sleeps: the word of a worker, the flag of the monitor.
//!
//! # A worker
//! 1. It says that it sleeps ([`Sleep::begin`]).
//! 2. It looks once more for work that others may have handed to it. If there is some: step 4.
//! 3. It waits in its poller.
//! 4. It says that it is awake ([`Sleep::end`]).
//!
//! Whoever hands work to it (a) makes it visible, (b) fences ([`handed_over`]), (c) looks whether the worker sleeps and,
//! if it is the first to notice, nudges it ([`Sleep::wake`]). 1 and (a) are writes, 2 and (c) the reads after them, with
//! a full fence in between on either side: at least one sees the other. A nudge that comes before step 3 ends the wait of
//! step 3 at once.
//!
//! # The monitor
//! It sleeps while all workers do: it says so ([`Watch::lie_down`]), then looks at the workers once more, then waits. A
//! worker that is past step 4 and is about to run something looks whether the monitor sleeps ([`Watch::is_lying`]) and
//! nudges it. The same pattern: either the monitor sees the worker awake, or the worker sees the monitor asleep.
//!
//! A worker must therefore not go from step 4 to running something without that look.
//!
//! # Seeded faults
//! | fault                  | what it breaks                              | caught by                               |
//! |------------------------|---------------------------------------------|-----------------------------------------|
//! | `sleep_no_begin_fence` | no fence between 1 and 2                    | `loom_a_sleeping_worker_is_woken`       |
//! | `sleep_no_push_fence`  | no (b)                                      | `loom_a_sleeping_worker_is_woken`       |
//! | `sleep_every_nudge`    | each who looks nudges, not only the first   | `loom_a_sleeping_worker_is_nudged_once` |
//! | `watch_no_lie_fence`   | the monitor looks before it has said so     | `loom_the_monitor_watches_who_is_awake` |
//! | `watch_no_look_fence`  | the worker looks before it has said so      | `loom_the_monitor_watches_who_is_awake` |

use crate::sys::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use crate::sys::fault::fault;

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;
const NUDGED: u32 = 2;

/// Whether a worker sleeps. See the [module](self).
#[derive(Debug)]
pub(crate) struct Sleep(AtomicU32);

/// (b): to be called between handing work over and [`Sleep::wake`].
#[inline]
pub(crate) fn handed_over() {
    if !fault!("sleep_no_push_fence") {
        fence(Ordering::SeqCst);
    }
}

impl Sleep {
    pub(crate) fn new() -> Self {
        Sleep(AtomicU32::new(AWAKE))
    }

    /// Step 1.
    pub(crate) fn begin(&self) {
        // An exchange would not do instead of the fence: it orders the word, and step 2 reads others.
        self.0.store(ASLEEP, Ordering::Relaxed);
        if !fault!("sleep_no_begin_fence") {
            fence(Ordering::SeqCst);
        }
    }

    /// Step 4. `true`: somebody has nudged the worker.
    pub(crate) fn end(&self) -> bool {
        self.0.swap(AWAKE, Ordering::AcqRel) == NUDGED
    }

    /// (c). `true`: it sleeps, and the caller has to nudge it.
    #[must_use]
    pub(crate) fn wake(&self) -> bool {
        if fault!("sleep_every_nudge") {
            return self.0.load(Ordering::Relaxed) != AWAKE;
        }
        self.0.load(Ordering::Relaxed) == ASLEEP
            && self
                .0
                .compare_exchange(ASLEEP, NUDGED, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    /// Whether it sleeps and has not been nudged. For the monitor, after [`Watch::lie_down`], and for statistics.
    pub(crate) fn is_asleep(&self) -> bool {
        self.0.load(Ordering::Relaxed) == ASLEEP
    }
}

/// Whether the monitor sleeps. See the [module](self).
#[derive(Debug)]
pub(crate) struct Watch(AtomicBool);

impl Watch {
    pub(crate) fn new() -> Self {
        Watch(AtomicBool::new(false))
    }

    /// The monitor says that it sleeps. Before its last look at the workers.
    pub(crate) fn lie_down(&self) {
        self.0.store(true, Ordering::Relaxed);
        if !fault!("watch_no_lie_fence") {
            fence(Ordering::SeqCst);
        }
    }

    /// The monitor is up.
    pub(crate) fn get_up(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether the monitor must be nudged. By a worker, past its step 4.
    pub(crate) fn is_lying(&self) -> bool {
        if !fault!("watch_no_look_fence") {
            fence(Ordering::SeqCst);
        }
        self.0.load(Ordering::Relaxed)
    }
}
