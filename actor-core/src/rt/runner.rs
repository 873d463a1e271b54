//! The runner loop: what a pooled stack does while nothing is suspended on it.
//!
//! Its frames and those below it lie at the bottom of every blocked stack, and a blocked stack is to fit into one page:
//! everything that is not on the straight path is kept out of line.

use std::cell::Cell;
use std::ptr;

use tracing::Level;

use crate::observe::Event;
use crate::stack;

use super::header::{After, HOLDS_STACK, Header, Runnable};
use super::locals;
use super::park::{self, Parker};
use super::worker::Worker;

thread_local! {
    /// What runs on this thread otherwise than by a worker.
    static RUNS: Cell<*const Header> = const { Cell::new(ptr::null()) };
}

/// The name and id of what runs on this thread. Async-signal-safe.
pub(crate) fn what_runs() -> (&'static str, u64) {
    let noted = RUNS.get();
    let task = match noted.is_null() {
        true => Worker::with(|worker| worker.map_or(ptr::null(), Worker::running)),
        false => noted,
    };
    // SAFETY: what runs here is alive while it is noted, be it by `noted` or by its worker; null if nothing does.
    let task = unsafe { task.as_ref() };
    task.map_or(("", 0), |task| ((task.vtable().type_name)(), task.id()))
}

/// Calls `f`, by which `task` runs on this thread, and no worker's doing. A resumption, which does not unwind: what is noted is alive.
#[inline]
pub(super) fn noted<R>(task: &Header, f: impl FnOnce() -> R) -> R {
    let outer = RUNS.replace(task);
    let result = f();
    RUNS.set(outer);
    result
}

/// The body of every pooled stack.
pub(super) fn run() {
    let me = park::on_stack().expect("a pooled stack has its parker");
    let worker = Worker::current().expect("on a worker's thread");
    loop {
        while let Some(runnable) = worker.next_for_runner() {
            if worker.fits(me, &runnable) {
                run_one(worker, me, runnable);
            } else {
                worker.hand_back_for(runnable);
                if stack::retiring() {
                    break;
                }
            }
        }
        if worker.hand_back_idle() {
            worker.retire(me);
            return;
        }
    }
}

#[inline]
fn run_one(worker: &Worker, me: &'static Parker, runnable: Runnable) {
    if worker.core().is_stopping() {
        drop(runnable); // discards it
        return;
    }
    let task = runnable.as_ptr();
    me.begin(task);
    worker.starts(task);
    match runnable.run(me) {
        After::Idle => me.begin(ptr::null()),
        After::Done(runnable) => {
            worker.stops();
            me.begin(ptr::null());
            runnable.finish();
        }
        After::Again(runnable) => {
            me.begin(ptr::null());
            worker.stops_and_queues(runnable);
        }
    }
    // What was made after the task's own end, by a subscriber that was told of it: not for the next task.
    if me.local().has_locals() {
        park::no_suspend(locals::end_of_task);
    }
}

/// Calls `drops`, which runs destructors of the user's for `task`, which will not run any more as the runtime ends. What
/// they wait for is killed, and their worker waits for them.
#[cold]
pub(crate) fn discarding(task: &Header, drops: impl FnOnce()) {
    /// Also when a destructor panics.
    struct End(&'static Parker);
    impl Drop for End {
        fn drop(&mut self) {
            locals::end_of_task();
            self.0.begin(ptr::null());
        }
    }
    // Not where something else runs, which only happens to be the one that discards.
    let idle = park::on_stack().filter(|stack| stack.edge().task().is_null());
    let _end = idle.map(|stack| {
        task.kill();
        stack.begin(task);
        End(stack)
    });
    drops();
}

/// Gives back the claim on the stack budget that `task` may hold.
pub(crate) fn release_claim(task: &Header) {
    if task.has(HOLDS_STACK) && task.clear(HOLDS_STACK) {
        Worker::here(|worker| worker.core().budget.release());
    }
}

/// The stack of `parker` ran into its guard page and has been abandoned with everything on it.
#[cold]
pub(super) fn overflowed(worker: &Worker, parker: &'static Parker) {
    let task = parker.edge().task();
    parker.edge().set_task(ptr::null());
    worker.stops();
    // SAFETY: the abandoned frames hold a reference for ever.
    let Some(task) = (unsafe { task.as_ref() }) else {
        return;
    };
    report(worker, task, parker, true);
    // SAFETY: `task` is alive, and nothing of it runs any more.
    unsafe { (task.vtable().overflowed)(ptr::NonNull::from(task), parker) };
}

/// `task` ran out of stack and has been unwound. On its stack.
#[cold]
pub(crate) fn report_overflow(task: &Header) {
    if let Some(parker) = park::on_stack() {
        Worker::here(|worker| report(worker, task, parker, false));
    }
}

fn report(worker: &Worker, task: &Header, parker: &Parker, abandoned: bool) {
    worker.core().events.emit(Level::ERROR, || Event::Overflow {
        who: task.who(),
        worker: worker.shared().index,
        stack_size: parker.local().size.get(),
        abandoned,
    });
}
