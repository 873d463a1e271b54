//! Many actors of one kind, started at once by their supervisor.

use std::sync::Arc;

use crate::sys::asym;

use super::addr::Addr;
use super::cell::Cell;
use super::error::SpawnError;
use super::host::Host;
use super::kept::{Shared, Word};
use super::traits::Actor;

/// Starts actors one by one, which have consecutive ids and one keeper. They have nothing to do before their first message, so
/// each is alive, and idle, when [`start`](Self::start) returns.
pub(crate) struct Batch<'a> {
    host: &'a Arc<Host>,
    keeper: &'a Arc<Shared>,
    worker: Option<usize>,
    next_id: u64,
}

impl<'a> Batch<'a> {
    /// Whether actors of this type can be started so.
    pub(crate) const fn fits<A: Actor>() -> bool {
        !A::OWN_STACK && !A::HAS_ON_START
    }

    /// Of as many actors as ids have been reserved from `first_id` on.
    pub(crate) fn new(
        host: &'a Arc<Host>,
        keeper: &'a Arc<Shared>,
        first_id: u64,
    ) -> Result<Self, SpawnError> {
        if host.core.is_stopping() {
            return Err(SpawnError::ShuttingDown);
        }
        Ok(Batch {
            host,
            keeper,
            worker: host.worker_here(),
            next_id: first_id,
        })
    }

    /// Starts the next one.
    pub(crate) fn start<A: Actor>(&mut self, state: A) -> Addr<A> {
        assert!(Self::fits::<A>(), "it has something to do first");
        let id = self.next_id;
        self.next_id += 1;
        let word = Word::of_shared(Arc::clone(self.keeper));
        let cell = Cell::create_as(self.host, self.worker, id, Some(state), word);
        Addr::adopt(cell)
    }

    /// Tells whoever observes. Apart from [`start`](Self::start), as that may be called under a lock.
    pub(crate) fn report<A: Actor>(&self, addr: &Addr<A>) {
        addr.report_spawned();
    }

    /// All have been started, and their keeper knows them.
    pub(crate) fn done(self) {
        // The runtime may have been stopped meanwhile, and its last look at idle actors be over.
        asym::light();
        if self.host.core.is_stopping() {
            self.host.sweep();
        }
    }
}
