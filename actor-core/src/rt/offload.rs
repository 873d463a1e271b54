//! Threads for foreign blocking calls: `blocking(f)`.

use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::stack;

use super::park;
use super::worker::Worker;

/// An offload thread with nothing to do for so long ends.
const LINGER: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// The threads that run what `blocking` is given: started on demand up to a limit, ended when idle.
pub(crate) struct Offload {
    inner: OnceLock<Arc<Inner>>,
    limit: usize,
    name: String,
}

impl fmt::Debug for Offload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offload")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

struct Inner {
    jobs: Sender<Job>,
    queue: Receiver<Job>,
    threads: AtomicUsize,
    /// Threads that are idle, less jobs that wait: below zero, jobs wait for a thread.
    free: AtomicIsize,
}

impl Offload {
    pub(crate) fn new(limit: usize, thread_name: &str) -> Self {
        Offload {
            inner: OnceLock::new(),
            limit: limit.max(1),
            name: format!("{thread_name}-blocking"),
        }
    }

    /// Hands `job` to a thread. The job comes back if there is no thread and none can be started.
    fn submit(&self, job: Job) -> Result<(), Job> {
        let inner = self.inner.get_or_init(|| {
            let (jobs, queue) = unbounded();
            Arc::new(Inner {
                jobs,
                queue,
                threads: AtomicUsize::new(0),
                free: AtomicIsize::new(0),
            })
        });
        let had_free = inner.free.fetch_sub(1, Ordering::AcqRel) > 0;
        if !had_free && !self.start_thread(inner) && inner.threads.load(Ordering::Acquire) == 0 {
            inner.free.fetch_add(1, Ordering::AcqRel);
            return Err(job);
        }
        inner.jobs.send(job).map_err(|unsent| unsent.into_inner())
    }

    fn start_thread(&self, inner: &Arc<Inner>) -> bool {
        let more = |n: usize| (n < self.limit).then_some(n + 1);
        if inner
            .threads
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, more)
            .is_err()
        {
            return false;
        }
        inner.free.fetch_add(1, Ordering::AcqRel);
        let own = inner.clone();
        let started = thread::Builder::new()
            .name(self.name.clone())
            .spawn(move || own.serve());
        if started.is_err() {
            inner.free.fetch_sub(1, Ordering::AcqRel);
            inner.threads.fetch_sub(1, Ordering::AcqRel);
        }
        started.is_ok()
    }
}

impl Inner {
    fn serve(&self) {
        loop {
            while let Ok(job) = self.queue.recv_timeout(LINGER) {
                job();
                self.free.fetch_add(1, Ordering::AcqRel);
            }
            // Idle for long: end, unless as many jobs as idle threads have just been sent.
            let leave = |n: isize| (n > 0).then_some(n - 1);
            let left = self
                .free
                .fetch_update(Ordering::AcqRel, Ordering::Relaxed, leave);
            if left.is_ok() {
                self.threads.fetch_sub(1, Ordering::AcqRel);
                return;
            }
        }
    }
}

/// Runs `f`, which may block its thread (a foreign library, a file, a DNS look-up), without holding up a worker: on an
/// offload thread, while the calling microthread is parked. `f` may borrow from the caller. On a thread that is no
/// worker's it is simply called.
///
/// A kill or a deadline does not end the wait: `f` may be using what it borrowed. A kill is raised after `f` has
/// returned.
///
/// At most as many run at once as the runtime has offload threads (`Builder::offload_threads`); the others wait in line.
///
/// # Panics
/// If `f` panics, with its payload. Inside [`no_suspend`](crate::microthread::no_suspend), without calling `f`.
///
/// ```
/// use actor_core::{Runtime, microthread};
///
/// let rt = Runtime::new()?;
/// let sum = rt.spawn(|| {
///     let numbers = vec![1, 2, 3];
///     microthread::blocking(|| numbers.iter().sum::<i32>())
/// })?;
/// assert_eq!(sum.join()?, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn blocking<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    let core = match park::on_stack() {
        Some(_) if !thread::panicking() => Worker::current_core(),
        _ => None,
    };
    let Some(core) = core else { return f() };
    // Whatever refuses the wait must do so here: once `f` may run, there is no way out before it has ended.
    park::checkpoint();
    park::refuse_to_park();
    #[cfg(feature = "testing")]
    if core.seam.is_driven() {
        // On this very stack: a driven runtime has one thread. Others may go first, before it and before its result is seen.
        park::switch_point();
        let result = f();
        park::switch_point();
        park::checkpoint();
        return result;
    }

    struct Slot<R> {
        result: UnsafeCell<Option<thread::Result<R>>>,
        done: AtomicBool,
    }
    // SAFETY: the result is written by the job before `done` and read by the caller after it.
    unsafe impl<R: Send> Sync for Slot<R> {}

    let slot = Slot {
        result: UnsafeCell::new(None),
        done: AtomicBool::new(false),
    };
    let waiter = park::current();
    let job: Box<dyn FnOnce() + Send + '_> = Box::new({
        let slot = &slot;
        move || {
            let result = panic::catch_unwind(AssertUnwindSafe(f));
            // SAFETY: the caller does not look before `done`.
            unsafe { *slot.result.get() = Some(result) };
            // The last use of anything borrowed: the caller may be gone as soon as this is seen.
            slot.done.store(true, Ordering::Release);
            waiter.unpark();
        }
    });
    // SAFETY: this function neither returns nor unwinds before the job has set `done`: the wait below ends for nothing
    // else, and should anything in between unwind after all, `lent` aborts.
    let job: Job = unsafe { std::mem::transmute(job) };
    let lent = Lent::begin();
    if let Err(job) = core.offload.submit(job) {
        // No thread to be had: hold this one; the monitor moves its other work.
        job();
    }
    while !slot.done.load(Ordering::Acquire) {
        park::park_unkillable(None);
    }
    lent.end();
    match slot.result.into_inner() {
        Some(Ok(value)) => {
            park::checkpoint();
            value
        }
        Some(Err(payload)) => panic::resume_unwind(payload),
        None => unreachable!("done without a result"),
    }
}

/// While it exists, memory of the calling stack is in use elsewhere: an overflow of the stack aborts the process, and so
/// does an unwinding.
pub(crate) struct Lent(());

impl Lent {
    pub(crate) fn begin() -> Self {
        stack::set_lending(true);
        Lent(())
    }

    pub(crate) fn end(self) {
        std::mem::forget(self);
        stack::set_lending(false);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        std::process::abort();
    }
}
