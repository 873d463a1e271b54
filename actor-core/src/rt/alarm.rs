//! What a worker's timers do when they fire.
//!
//! Most end a wait: the stack's parker is told that its time is over. The others are *alarms*: an object that can be run (an
//! actor, that is) is told that the time has come which it asked for. It is not run there and then, on the worker's root, but
//! sees to it that it will be.
//!
//! An alarm is set and cancelled on the worker's own thread. Elsewhere it is withdrawn: its worker cancels it when it next looks at its
//! timers. (That of an actor is left to go off for nothing: an actor has one.)

use std::num::NonZeroU64;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Instant;

use super::core::Core;
use super::header::Header;
use super::park::Parker;
use super::timer::Key;
use super::worker::Worker;

/// The payload of a timer.
pub(super) enum Alarm {
    /// The wait of this parker's stack has taken too long.
    Wait(&'static Parker),
    /// See the [module](self).
    Task(Kept),
}

/// A reference to an object that can be run.
pub(super) struct Kept(NonNull<Header>);

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: its own reference.
        unsafe { Header::drop_ref(self.0) }
    }
}

/// Which alarm a task has set, and on which worker: for one that may be taken back anywhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set {
    number: NonZeroU64,
    index: u32,
    worker: u32,
}

impl Set {
    /// Sets one on the calling worker.
    pub(super) fn here(deadline: Instant, task: &Header) -> Self {
        Worker::here(|worker| {
            let (number, index) = worker.set_alarm(deadline, task).parts();
            let worker = u32::try_from(worker.shared().index).expect("fewer workers");
            Set {
                number,
                index,
                worker,
            }
        })
    }

    /// Takes it back, unless it has gone off. `core`: of the worker that it was set on.
    pub(super) fn cancel(self, core: &Arc<Core>) {
        let key = Key::of_parts(self.number, self.index);
        let Some(its) = core.worker(self.worker as usize) else {
            return;
        };
        Worker::with(|worker| match worker {
            Some(worker) if worker.is(its) => worker.cancel_alarm(key),
            _ => its.timer_withdrawn(key),
        });
    }
}

impl Alarm {
    /// On the root, with the timers not borrowed.
    pub(super) fn go_off(self) {
        match self {
            Alarm::Wait(parker) => parker.time_out(),
            // SAFETY: the function was made for the type that begins with this header, to which there is a reference.
            Alarm::Task(task) => unsafe { (task.0.as_ref().vtable().alarm)(task.0) },
        }
    }

    /// Whose it is.
    #[cfg(feature = "testing")]
    pub(super) fn header(&self) -> Option<&Header> {
        match self {
            Alarm::Wait(parker) => parker.task(),
            // SAFETY: as in `go_off`.
            Alarm::Task(task) => Some(unsafe { task.0.as_ref() }),
        }
    }
}

impl Worker {
    /// Has `alarm` of the object's [`VTable`](super::header::VTable) called at `deadline`, on this worker's root. Holds a
    /// reference to it up to then.
    pub(crate) fn set_alarm(&self, deadline: Instant, task: &Header) -> Key {
        task.add_ref();
        let alarm = Alarm::Task(Kept(NonNull::from(task)));
        self.timers.borrow_mut().insert(deadline, alarm)
    }

    /// Takes an alarm back that was set on this worker, unless it has gone off.
    pub(crate) fn cancel_alarm(&self, key: Key) {
        let cancelled = self.timers.borrow_mut().cancel(key);
        // The timers are free again: this may free the object.
        drop(cancelled);
    }
}
