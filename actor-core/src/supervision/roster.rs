//! What a supervisor would leave behind if it ended now: children, and callers that wait.
//!
//! It is kept apart from the supervisor's state, since that may be lost together with its stack. See
//! [`child`](super::child), "When the supervisor ends", for the steps.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError};

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

use super::child::Tied;
use super::crowd::AtRest;
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
    /// Children at rest.
    crowds: Vec<Arc<dyn AtRest>>,
    callers: BTreeMap<Ticket, Port>,
    last: u64,
    /// The supervisor is gone: nobody enters any more.
    abandoned: bool,
}

/// A caller's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

impl Roster {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False if the supervisor is gone.
    pub(super) fn enter(&self, tie: Arc<dyn Tied>) -> bool {
        let actor = tie.actor_id();
        let mut entries = self.lock();
        if entries.abandoned {
            return false;
        }
        entries.ties.insert(actor, tie);
        true
    }

    pub(super) fn enter_crowd(&self, crowd: Arc<dyn AtRest>) {
        self.lock().crowds.push(crowd);
    }

    /// Forgets the crowds in which nobody is left.
    pub(super) fn sweep_crowds(&self) {
        let mut entries = self.lock();
        let crowds = std::mem::take(&mut entries.crowds);
        let (left, gone): (Vec<_>, Vec<_>) = crowds.into_iter().partition(|it| !it.is_empty());
        entries.crowds = left;
        drop(entries);
        drop(gone); // after the lock
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

    /// The caller of whose port `f` gives something, and that. For the driver, who alone lets callers in.
    pub(super) fn find_caller<R>(
        &self,
        f: impl Fn(&Port) -> Option<R>,
    ) -> Option<(Ticket, Port, R)> {
        // Not under the lock: `f` may give up the last reference to an actor.
        let mut callers = std::mem::take(&mut self.lock().callers);
        let mut all = callers.iter();
        let found = all.find_map(|(ticket, port)| Some((*ticket, f(port)?)));
        let found = found.and_then(|(ticket, it)| Some((ticket, callers.remove(&ticket)?, it)));
        self.lock().callers = callers;
        found
    }

    /// The supervisor is gone: ends all that is left, without waiting for it, and lets the callers know.
    pub(super) fn abandon(&self) {
        let Entries {
            ties,
            crowds,
            callers,
            ..
        } = {
            let mut entries = self.lock();
            let abandoned = Entries {
                abandoned: true,
                ..Entries::default()
            };
            std::mem::replace(&mut *entries, abandoned) // step a
        };
        for crowd in crowds.into_iter().rev() {
            crowd.abandon();
        }
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
