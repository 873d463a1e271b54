//! Where the children of a declared tree leave their addresses.
//!
//! A tree's handle has an address for each of its children. To ask the supervisor for them would race with its children, which
//! may have ended for good by then, and with restarts of inner trees, whose children are new actors. So each child of a
//! declared tree has a *seat*: a place under its id where its address is put when its actor is made, before that starts. The
//! seats of an inner tree hang from those of the outer one and outlive its lives, so that the handle can be read again.
//!
//! Of a child that is more than its address to who holds the handle, what it is to them is kept beside the seats, and outlives
//! those lives too.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::child::Place;
use crate::actor::{Actor, Addr};
use crate::registry::Erased;

/// The seats of one tree. A handle: clones are the same seats.
#[derive(Clone, Default)]
pub struct Seats(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    addresses: HashMap<Arc<str>, Arc<dyn Erased>>,
    inner: HashMap<Arc<str>, Seats>,
    kept: HashMap<Arc<str>, Arc<dyn Any + Send + Sync>>,
}

impl Seats {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The seat of the child with this id.
    pub(super) fn seat(&self, id: Arc<str>) -> Seat {
        let seats = self.clone();
        Seat { seats, id }
    }

    /// The seats of the inner tree with this id.
    pub(super) fn inner(&self, id: &str) -> Seats {
        let mut entries = self.lock();
        entries.inner.entry(id.into()).or_default().clone()
    }

    /// What is kept for the child with this id: what `make` made, if there was nothing before.
    pub(crate) fn keep<T: Clone + Send + Sync + 'static>(
        &self,
        id: &str,
        make: impl FnOnce() -> T,
    ) -> T {
        if let Some(kept) = self.kept(id) {
            return kept;
        }
        let made = make();
        self.lock().kept.insert(id.into(), Arc::new(made.clone()));
        made
    }

    /// What is kept for the child with this id.
    pub(super) fn kept<T: Clone + Send + Sync + 'static>(&self, id: &str) -> Option<T> {
        let kept = self.lock().kept.get(id).cloned()?;
        kept.downcast_ref::<T>().cloned()
    }

    /// The address in a seat, as a `T`.
    pub(super) fn get<T: Erased + Clone>(&self, id: &str) -> Option<T> {
        let address = self.lock().addresses.get(id).cloned()?;
        address.as_any().downcast_ref::<T>().cloned()
    }
}

impl fmt::Debug for Seats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.lock();
        f.debug_struct("Seats")
            .field("children", &entries.addresses.len())
            .finish_non_exhaustive()
    }
}

/// One child's seat.
pub(super) struct Seat {
    seats: Seats,
    id: Arc<str>,
}

/// What is in a seat when an actor has ended for good stays: its address says so.
impl<A: Actor> Place<A> for Seat {
    fn taken(&self, address: &Addr<A>) {
        let mut entries = self.seats.lock();
        let former = entries
            .addresses
            .insert(Arc::clone(&self.id), Arc::new(address.clone()));
        drop(entries);
        drop(former); // after the lock
    }

    fn declined(&self) {
        let mut entries = self.seats.lock();
        let former = entries.addresses.remove(&self.id);
        drop(entries);
        drop(former); // after the lock
    }
}
