//! What other threads see of a worker: where they put what it is to run, and what they may take.

use std::collections::VecDeque;
use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::rt::header::{Header, Runnable};
use crate::rt::inbox::Inbox;
use crate::rt::park::Parker;
use crate::rt::queue::LocalQueue;
use crate::rt::sleep::{self, Sleep};
use crate::rt::timer::Key;

/// What other threads see of a worker.
pub(crate) struct Shared {
    pub(crate) index: usize,
    pub(crate) queue: LocalQueue<Runnable>,
    pub(super) inbox: Inbox<Parker>,
    pub(super) mail: Mutex<VecDeque<Runnable>>,
    pub(super) mail_len: AtomicUsize,
    /// What runs now. Cleared inside an owner's section of `queue` before the object may be freed, so it may be
    /// followed by whoever has stopped the owner.
    pub(super) running: AtomicPtr<Header>,
    /// Counts scheduling steps; unchanged between two looks of the monitor means: held up.
    pub(super) progress: AtomicU64,
    /// Stacks in use. Written by the worker alone.
    pub(super) stacks_in_use: AtomicUsize,
    pub(super) sleep: Sleep,
    pub(crate) poller: polling::Poller,
    /// Keys of sources that were dropped on other threads.
    pub(super) closed: Mutex<Vec<usize>>,
    pub(super) closed_any: AtomicBool,
    /// Keys of timers that were withdrawn on other threads.
    pub(super) withdrawn: Mutex<Vec<Key>>,
    pub(super) withdrawn_any: AtomicBool,
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
            withdrawn: Mutex::new(Vec::new()),
            withdrawn_any: AtomicBool::new(false),
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

    pub(super) fn pop_mail(&self) -> Option<Runnable> {
        if !self.has_mail() {
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

    /// A timer of this worker's is not needed any more. From any other thread.
    pub(crate) fn timer_withdrawn(&self, key: Key) {
        /// After so many it is woken, as it might sleep until the first of them is due.
        const MANY: usize = 1024;
        let mut withdrawn = (self.withdrawn.lock()).unwrap_or_else(PoisonError::into_inner);
        withdrawn.push(key);
        let many = withdrawn.len().is_multiple_of(MANY);
        drop(withdrawn);
        // Freed when the worker next looks at its timers.
        self.withdrawn_any.store(true, Ordering::Release);
        if many {
            self.nudge();
        }
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

    /// Whether something is assigned to it that it has not started.
    pub(crate) fn has_mail(&self) -> bool {
        self.mail_len.load(Ordering::Relaxed) > 0
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
