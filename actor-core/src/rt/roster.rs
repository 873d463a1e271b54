//! The tasks of a runtime that own no stack: where they live, and where a runtime that ends finds them, as one that waits is in no
//! queue and on no worker.
//!
//! One slab (`rt::slab`) for each type of task, whose chunks keep the runtime's core. A walk that ends a runtime finds every task
//! that does not find the runtime ending: who makes one publishes it, and then looks (`machine::spawn`); who ends the runtime says
//! so, and then walks; with an asymmetric fence in between on either side.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use crate::sys::asym;

use super::core::Core;
use super::slab::{Slab, Slot};

/// A map by type.
pub(crate) type ByType<V> = HashMap<TypeId, V, BuildHasherDefault<TypeIdHasher>>;

/// A `TypeId` is a hash already.
#[derive(Default)]
pub(crate) struct TypeIdHasher(u64);

impl Hasher for TypeIdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 ^= word;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

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
    fn as_any(&self) -> &dyn Any;
}

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Roster(RwLock<ByType<Arc<dyn AnySlab>>>);

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roster").finish_non_exhaustive()
    }
}

impl Roster {
    /// Calls `f` with the slab of the tasks that are a `T`, for that many workers.
    pub(super) fn with_slab<T, R>(&self, workers: usize, f: impl FnOnce(&TaskSlab<T>) -> R) -> R
    where
        T: Slot + Send + Sync + 'static,
        TaskSlab<T>: AnySlab,
    {
        fn of_type<T: Slot + 'static>(slab: &dyn AnySlab) -> &TaskSlab<T> {
            let slab = slab.as_any().downcast_ref();
            slab.expect("the slab under a type's id is of that type")
        }
        let id = TypeId::of::<T>();
        {
            let slabs = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(slab) = slabs.get(&id) {
                return f(of_type(&**slab));
            }
        }
        let mut slabs = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let slab = slabs
            .entry(id)
            .or_insert_with(|| Arc::new(TaskSlab::<T>::new(workers)))
            .clone();
        drop(slabs);
        f(of_type(&*slab))
    }

    fn each_slab(&self, f: impl FnMut(&Arc<dyn AnySlab>)) {
        // Not under the lock: what is killed may drop code of the user's, which may spawn what nobody has spawned before.
        let slabs: Vec<_> = {
            let slabs = self.0.read().unwrap_or_else(PoisonError::into_inner);
            slabs.values().cloned().collect()
        };
        slabs.iter().for_each(f);
    }

    /// Gives back the free places that worker `worker` holds. On its thread.
    pub(super) fn flush(&self, worker: usize) {
        self.each_slab(|slab| slab.flush(worker));
    }

    /// How many there are, and some that are free.
    #[cfg(all(test, not(loom)))]
    pub(super) fn places(&self) -> usize {
        let mut places = 0;
        self.each_slab(|slab| places += slab.places());
        places
    }

    /// Tells all there are to end, now that the runtime says that it does.
    pub(super) fn kill_all(&self) {
        asym::heavy();
        self.each_slab(|slab| slab.kill_all());
    }
}
