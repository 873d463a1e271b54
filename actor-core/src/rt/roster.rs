//! The tasks of a runtime that own no stack: where they live, and where a runtime that ends finds them, as one that waits is in no
//! queue and on no worker.
//!
//! One slab (`rt::slab`) for each type of task, whose chunks keep the runtime's core. A walk that ends a runtime finds every task
//! that does not find the runtime ending: who makes one publishes it, and then looks (`machine::spawn`); who ends the runtime says
//! so, and then walks; with an asymmetric fence in between on either side.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::sys::asym;

use super::by_type::ByType;
use super::core::Core;
use super::slab::{Slab, Slot};

/// The slab of a type of task.
pub(super) type TaskSlab<T> = Slab<T, Arc<Core>>;

/// It, whatever the type.
pub(super) trait AnySlab: Any + Send + Sync {
    /// On the worker's thread.
    fn flush(&self, worker: usize);
    fn kill_all(&self);
    /// How many places are out: to tasks, or free in the hands of workers.
    #[cfg(all(test, not(loom)))]
    fn places(&self) -> usize;
}

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Roster(ByType<dyn AnySlab>);

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roster").finish_non_exhaustive()
    }
}

impl Roster {
    /// The slab of the tasks that are a `T`, for that many workers.
    pub(super) fn slab<T>(&self, workers: usize) -> &TaskSlab<T>
    where
        T: Slot + Send + Sync + 'static,
        TaskSlab<T>: AnySlab,
    {
        let make = || -> Box<dyn AnySlab> { Box::new(TaskSlab::<T>::new(workers)) };
        self.0.get_or_make(|slab| slab, make)
    }

    /// Gives back the free places that worker `worker` holds. On its thread.
    pub(super) fn flush(&self, worker: usize) {
        self.0.each(|slab| slab.flush(worker));
    }

    /// How many there are, and some that are free.
    #[cfg(all(test, not(loom)))]
    pub(super) fn places(&self) -> usize {
        let mut places = 0;
        self.0.each(|slab| places += slab.places());
        places
    }

    /// Tells all there are to end, now that the runtime says that it does.
    pub(super) fn kill_all(&self) {
        asym::heavy();
        self.0.each(|slab| slab.kill_all());
    }
}
