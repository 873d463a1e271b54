//! What a supervisor would leave behind if it ended now: children, and callers that wait.
//!
//! It is kept apart from the supervisor's state, since that may be lost together with its stack. See
//! [`child`](super::child), "When the supervisor ends", for the steps.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::child::Tied;
use super::decide::ChildKey;
use crate::actor::{Dependants, Port};

/// See the [module](self).
#[derive(Default)]
pub(super) struct Roster {
    /// Nothing that blocks or calls user code runs under the lock.
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    /// Of all children that have not been buried, by their actors' ids: in the order in which these were made.
    ties: BTreeMap<u64, Arc<dyn Tied>>,
    callers: BTreeMap<Ticket, Port>,
    last: u64,
}

/// A caller's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

impl Roster {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enter(&self, tie: Arc<dyn Tied>) {
        let actor = tie.actor_id();
        self.lock().ties.insert(actor, tie);
    }

    pub(super) fn leave(&self, actor: u64) {
        let left = self.lock().ties.remove(&actor);
        drop(left); // after the lock
    }

    pub(super) fn has(&self, actor: u64) -> bool {
        self.lock().ties.contains_key(&actor)
    }

    /// Which child an actor is, unless it has been buried.
    pub(super) fn child_of(&self, actor: u64) -> Option<ChildKey> {
        self.lock().ties.get(&actor).map(|tie| tie.child())
    }

    /// Keeps the port of a caller who waits.
    pub(super) fn wait(&self, port: Port) -> Ticket {
        let mut entries = self.lock();
        entries.last += 1;
        let ticket = Ticket(entries.last);
        entries.callers.insert(ticket, port);
        ticket
    }

    /// The caller's turn has come.
    pub(super) fn called(&self, ticket: Ticket) -> Option<Port> {
        self.lock().callers.remove(&ticket)
    }

    /// The supervisor is gone: ends all that is left, without waiting for it, and lets the callers know.
    pub(super) fn abandon(&self) {
        let Entries { ties, callers, .. } = std::mem::take(&mut *self.lock()); // step a
        for tie in ties.into_values().rev() {
            tie.kill();
            tie.bury(); // step b
        }
        drop(callers);
    }
}

impl Dependants for Roster {
    fn orphaned(&self) {
        self.abandon();
    }
}

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.lock();
        f.debug_struct("Roster")
            .field("actors", &entries.ties.len())
            .field("callers", &entries.callers.len())
            .finish()
    }
}
