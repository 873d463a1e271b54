//! Names for actors.
//!
//! A **name** leads to at most one address. An address is stored **erased** (behind [`Erased`]), and comes back out as
//! the type it went in as; asking for another type is an error of its own, since it is a mistake in the program and not
//! a matter of who happens to be registered.
//!
//! # Rules
//! * The first to register a name holds it until it unregisters, dies, or another takes it over. A dead holder is no
//!   holder: the name is free to take and lookups do not find it, even before its teardown has come to unregister it.
//! * Whoever registers a name that is held says what shall happen ([`OnConflict`]). A name that is taken over leads to the
//!   new holder from one instant to the next: no lookup in between finds nothing.
//! * [`Registry::unregister`] removes a name only while the given actor still holds it. A late teardown can therefore
//!   never remove the successor that took the name over.
//! * A restart does not pass here: an address stays valid across it, and so do its names.
//!
//! # Why a name is not left behind
//! An actor's teardown (1) marks it dead, (2) takes out the notes of its names, (3) unregisters each. A registration, under
//! the lock of the name's shard, (a) inserts and notes the name with the actor, then (b) looks whether the actor is dead,
//! and if so removes what it inserted. If the note is made before (2), (3) comes after it and finds the entry, which takes
//! the same shard's lock. If it is made after (2), then (1) happens before (b) by way of the lock of the notes, and (b) sees
//! it (`actor::held` has the fences for an actor that never had a note). Both may find it; the removal is by id, so the second does nothing. A name that is lost (taken over, unregistered) is
//! forgotten in the notes under that same shard's lock, so notes and entries agree whoever comes first.
//!
//! # Two that take over at once
//! Both swap the entry under the shard's lock: one of them displaces the first holder, the other displaces the one. Each
//! displaced holder is returned to exactly one caller, which tells (stops, kills) it, after the lock.
//!
//! # Waiting for a name
//! A waiter (1) enters the list of waiters, (2) looks the name up, (3) parks. A registration (a) inserts, (b) looks whether
//! there are waiters, and wakes those for its name. Between 1 and 2, and between a and b, is a full fence: one of the two
//! sees the other.
//!
//! # Locks
//! The map is sharded, each shard behind a lock of its own. Under it run only hashing, comparing, cloning an address,
//! and the [`Erased`] methods, all of which must neither block nor call the registry; those that note and forget take the
//! lock of the actor's notes, under which no other is taken. Addresses are *dropped* after
//! the lock is released: the last address of an actor may run destructors that come back here. No lock is held across
//! a switch, since nothing under it can switch.
//!
//! # Cost
//! | operation | cost |
//! |---|---|
//! | `register` | an allocation for the name (none if it comes as an `Arc<str>`), one for the erased address, one hash, a shard's write lock, the lock of the actor's notes, a fence |
//! | `unregister` | one hash, a shard's write lock, the lock of the notes, two deallocations |
//! | `lookup` | one hash, a shard's read lock, one clone of the address |
//! | `names` | every entry, each shard's read lock in turn, and a sort |
//!
//! Measured on one thread of a busy two-core machine, with a thousand names: `register` 65 ns (220 ns while the map grows),
//! `lookup` 30 ns, `unregister` 56 ns. With a million, cache misses dominate: 410 (740), 240 and 300 ns. An actor without
//! a name costs nothing here.

mod conflict;
mod wait;

use std::any::{Any, type_name};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::actor::NameTaken;
use crate::observe::Who;

pub use conflict::{OnConflict, RegisterError, SpawnOptions};
use wait::Waiters;

/// An address whose type has been forgotten. Its methods must neither block nor call the registry, except the last two,
/// which are called without its locks.
pub(crate) trait Erased: Send + Sync + 'static {
    /// The actor's id: never used twice within a system.
    fn id(&self) -> u64;
    /// Whether the actor can still take messages; false for ever once it is false. An actor between two incarnations
    /// is alive.
    fn is_alive(&self) -> bool;
    /// The address itself.
    fn as_any(&self) -> &dyn Any;
    /// The name of the address's type, for errors.
    fn type_name(&self) -> &'static str {
        type_name::<Self>()
    }
    /// How the actor is named in events.
    fn who(&self) -> Who;
    /// The actor holds `name` from now on, and is to unregister it when it dies.
    fn note_name(&self, name: &Arc<str>);
    /// The actor does not hold `name` any more.
    fn forget_name(&self, name: &str);
    /// Asks the actor to end.
    fn stop(&self);
    /// Ends the actor.
    fn kill(&self);
}

/// Names of actors, each leading to an address. See the [module](self).
#[derive(Default)]
pub(crate) struct Registry {
    names: DashMap<Arc<str>, Arc<dyn Erased>>,
    waiters: Waiters,
}

impl Registry {
    /// Gives `address` a name. An actor may have several.
    ///
    /// # Errors
    /// [`NameTaken`] if a living actor holds the name; also if that is this same actor. The address is dropped: its
    /// caller keeps a clone.
    ///
    /// Succeeds without a lasting effect if the actor is dead.
    pub(crate) fn register(
        &self,
        name: impl Into<Arc<str>>,
        address: impl Erased,
    ) -> Result<(), NameTaken> {
        self.claim(name.into(), Arc::new(address), false)
            .map(|displaced| debug_assert!(displaced.is_none()))
    }

    /// Gives `address` a name that another may hold, who loses it then, and is returned. Nothing changes if `address` holds
    /// it already, or is dead.
    pub(crate) fn take_over(
        &self,
        name: impl Into<Arc<str>>,
        address: impl Erased,
    ) -> Option<Arc<dyn Erased>> {
        let taken = self.claim(name.into(), Arc::new(address), true);
        taken.expect("nothing is refused")
    }

    /// The holder that was alive and lost the name.
    fn claim(
        &self,
        name: Arc<str>,
        address: Arc<dyn Erased>,
        by_force: bool,
    ) -> Result<Option<Arc<dyn Erased>>, NameTaken> {
        if !address.is_alive() {
            return Ok(None);
        }
        let displaced = match self.names.entry(Arc::clone(&name)) {
            Entry::Occupied(entry) if !by_force && entry.get().is_alive() => {
                let holder = entry.get().id();
                drop(entry); // the lock, before what the caller gave us
                return Err(NameTaken::new(name, holder));
            }
            Entry::Occupied(entry) if entry.get().id() == address.id() => {
                drop(entry); // as above
                return Ok(None);
            }
            Entry::Occupied(mut entry) => {
                address.note_name(&name);
                let displaced = entry.insert(Arc::clone(&address)); // step a
                displaced.forget_name(&name);
                Some(displaced)
            }
            Entry::Vacant(entry) => {
                address.note_name(&name);
                drop(entry.insert(Arc::clone(&address))); // step a, and the lock
                None
            }
        };
        if !address.is_alive() {
            self.unregister(&name, address.id()); // step b
        }
        self.waiters.wake(&name);
        Ok(displaced.filter(|it| it.is_alive()))
    }

    /// Takes the name away from the actor with this id. False if that actor does not hold it.
    pub(crate) fn unregister(&self, name: &str, id: u64) -> bool {
        self.remove_if(name, |held| held.id() == id)
    }

    /// Takes the name away from whoever holds it. False if no living actor does.
    pub(crate) fn remove(&self, name: &str) -> bool {
        self.remove_if(name, |held| held.is_alive())
    }

    fn remove_if(&self, name: &str, condition: impl Fn(&dyn Erased) -> bool) -> bool {
        let removed = self.names.remove_if(name, |_, held| {
            let going = condition(&**held);
            if going {
                held.forget_name(name);
            }
            going
        });
        removed.is_some() // dropped here, after the lock
    }

    /// The address under this name, as the type it was registered as.
    ///
    /// # Errors
    /// [`LookupError::NotFound`] if no living actor has the name, [`LookupError::WrongType`] if one has but its address
    /// is of another type.
    pub(crate) fn lookup<T: Erased + Clone>(&self, name: &str) -> Result<T, LookupError> {
        let held = self
            .names
            .get(name)
            .filter(|held| held.is_alive())
            .ok_or(LookupError::NotFound)?;
        let wrong = LookupError::WrongType {
            held: held.type_name(),
            wanted: type_name::<T>(),
        };
        held.as_any().downcast_ref::<T>().cloned().ok_or(wrong)
    }

    /// As [`lookup`](Self::lookup), waiting for somebody to have the name, at most until `deadline`.
    pub(crate) fn lookup_until<T: Erased + Clone>(
        &self,
        name: &str,
        deadline: Option<Instant>,
    ) -> Result<T, LookupError> {
        match self.lookup(name) {
            Err(LookupError::NotFound) => {}
            found => return found,
        }
        self.waiters.wait(name, deadline, || self.lookup(name))
    }

    /// The id of the living actor that holds the name.
    pub(crate) fn holder(&self, name: &str) -> Option<u64> {
        let held = self.names.get(name).filter(|held| held.is_alive());
        held.map(|held| held.id())
    }

    /// The names of the living, sorted: the same whatever the order in which they were registered.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        let alive = self.names.iter().filter(|entry| entry.value().is_alive());
        let mut names: Vec<Arc<str>> = alive.map(|entry| Arc::clone(entry.key())).collect();
        names.sort_unstable();
        names
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("names", &self.names())
            .finish()
    }
}

/// Why a name did not lead to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookupError {
    /// No living actor has the name.
    NotFound,
    /// The actor of that name has an address of another type.
    WrongType {
        /// The type of the address held.
        held: &'static str,
        /// The type asked for.
        wanted: &'static str,
    },
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("no actor has this name"),
            Self::WrongType { held, wanted } => {
                write!(f, "the name leads to `{held}`, not to `{wanted}`")
            }
        }
    }
}

impl std::error::Error for LookupError {}

#[cfg(all(test, not(loom)))]
mod tests;
