//! Nodes: who has what, and moves it.

mod actor;
mod builder;
mod calls;
mod error;
mod guest;
mod heading;
mod keeping;
mod kind;
mod links;
mod microthread;
mod moving;
mod numbers;
mod place;
mod saving;
mod thing;
mod wire;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::far::FarSide;
use super::handover::{Party, Refusal, State};
use crate::actor::Addr;
use crate::channel::{Receiver, Sender};
use crate::migratable::{self, Migratable, Start, Suspended};
use crate::store::{Store, StoreError};
use crate::system::System;

pub use actor::Movable;
pub use builder::NodeBuilder;
use calls::{Asked, Waiting};
pub use error::{MoveError, NodeError, SaveError};
use guest::Guest;
pub use guest::PeerLimits;
use heading::Headings;
use keeping::Keeper;
pub use keeping::{Answering, Calling, CallingState};
use kind::{Kind, Ready, Running};
use links::Link;
pub use moving::Moved;
use numbers::Numbers;
pub use place::Place;
use thing::{Shared, Thing};
use wire::{Name, Packed};

/// What the tests of the bytes need: see [`migrate::private`](super::private).
pub(super) mod private {
    use super::wire::{Wire, unpack};
    use crate::image::{DecodeError, Image, Limits};
    use crate::migrate::handover::Message;

    /// Reads what a node says, with the image in it.
    pub fn read_message(bytes: &[u8]) -> Result<Option<Image>, DecodeError> {
        let packed = match Wire::decode(bytes)? {
            Wire::Handover {
                message: Message::Offer { image, .. },
                ..
            } => Some(image),
            Wire::Handover { .. } => None,
            Wire::Forward { message, .. } => Some(message),
            Wire::Answer { answer, .. } => answer,
        };
        packed.map(|it| it.image()).transpose()
    }

    /// Reads a record.
    pub fn read_record(bytes: &[u8]) -> Result<(), DecodeError> {
        unpack(&Image::decode(bytes, &Limits::default())?).map(drop)
    }
}

/// What the names begin with under which a store keeps the records of things.
const RECORDS: &str = "moves/";

/// Under which name a store keeps the record of a thing.
fn record_of(thing: &str) -> String {
    format!("{RECORDS}{thing}")
}

/// What the handles and the microthreads of a node share.
struct Inner {
    name: Name,
    /// Does not keep its runtime.
    sys: System,
    store: Option<Arc<dyn Store>>,
    kinds: HashMap<String, Box<dyn Kind>>,
    patience: Duration,
    peers: PeerLimits,
    maps: Mutex<Maps>,
    links: Mutex<HashMap<Name, Link>>,
    calls: Mutex<HashMap<u128, Waiting>>,
    headings: Mutex<Headings>,
    /// Of each thing, the actors that it was here: they pass on what comes for it, and their names are its names.
    left: Mutex<HashMap<Name, HashSet<u64>>>,
    numbers: Numbers,
    /// What opens ways by itself.
    kept: Mutex<Vec<Keeper>>,
    /// None once it is closed.
    open: Mutex<Option<Sender<()>>>,
    /// Ends then. Nothing comes by it.
    closed: Receiver<()>,
    guests: Mutex<HashMap<Name, Arc<Guest>>>,
}

type Maps = BTreeMap<Name, Shared>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Each is held for a look or a change only: nothing is waited for meanwhile.
impl Inner {
    fn things(&self) -> MutexGuard<'_, Maps> {
        lock(&self.maps)
    }

    fn links(&self) -> MutexGuard<'_, HashMap<Name, Link>> {
        lock(&self.links)
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<u128, Waiting>> {
        lock(&self.calls)
    }

    fn left(&self) -> MutexGuard<'_, HashMap<Name, HashSet<u64>>> {
        lock(&self.left)
    }
}

/// A system among others, to which what runs in it can move: see the [module](super).
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
    _open: Arc<Open>,
}

/// Ends the ways when the last handle is dropped.
struct Open(Arc<Inner>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Inner {
    /// Ends all ways, and what opens them and saves.
    fn close(&self) {
        drop(lock(&self.open).take());
        let kept = std::mem::take(&mut *lock(&self.kept));
        kept.iter().for_each(Keeper::close);
        let links: Vec<Link> = self.links().drain().map(|(_, link)| link).collect();
        links.iter().for_each(Link::close);
    }

    /// The system ends, and what runs in it: a function that has a node and a node that has it would keep each other. What the
    /// records say is as true as before.
    fn let_go(&self) {
        let headings = self.no_more_headings();
        let things: Vec<Shared> = self.things().values().cloned().collect();
        for thing in things {
            // Nothing waits here. Somebody who has it now is about to end too.
            if let Ok(mut thing) = thing.try_lock() {
                thing.running = None;
            }
        }
        drop(headings);
    }

    fn load(self: &Arc<Self>) -> Result<(), NodeError> {
        let Some(store) = &self.store else {
            return Ok(());
        };
        for name in store.names().map_err(NodeError::Store)? {
            let Some(thing) = name.strip_prefix(RECORDS) else {
                continue;
            };
            let (image, whole) = match store.load(&name) {
                Ok(loaded) => (loaded.image, loaded.damaged.is_empty()),
                Err(StoreError::Damaged(_)) => (None, false),
                Err(error) => return Err(NodeError::Store(error)),
            };
            if !whole {
                // The next time the store would have forgotten what it has set aside.
                let damaged = wire::damaged().expect("it is small");
                store.save(&name, &damaged).map_err(NodeError::Store)?;
            }
            if !whole || image.as_ref().is_some_and(wire::is_damaged) {
                return Err(NodeError::Damaged(thing.to_owned()));
            }
            let Some(image) = image else { continue };
            let record = wire::unpack(&image).map_err(|error| NodeError::Record {
                thing: thing.to_owned(),
                error,
            })?;
            let name: Name = thing.into();
            match &record {
                State::Gone { to, .. } => self.has_gone(&name, to),
                State::Arrived { .. } => self.is_open(&name),
                State::Here { .. } | State::Leaving { .. } => {}
            }
            let asked = match &record {
                // Who asked what is in its image waits for the answers from here.
                State::Arrived { from, offer, .. } => Some(Asked {
                    node: self.clone(),
                    from: self.guest(from),
                    first: offer.0,
                }),
                _ => None,
            };
            let mut out = Vec::new();
            let mut thing = Thing::new(Party::load(record, &mut out));
            thing.asked = asked;
            let shared = Arc::new(crate::sync::Mutex::new(thing));
            // Known before it runs: it may end at once.
            self.things().insert(name.clone(), shared.clone());
            self.act(&name, &mut thing::lock(&shared), out);
        }
        Ok(())
    }
}

impl Node {
    /// A node of this name, in `sys`. All nodes that may meet have different names.
    pub fn builder(name: &str, sys: &System) -> NodeBuilder {
        NodeBuilder::new(name, sys)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Uses this way to the node it leads to, in the place of any other, until it ends. Then who waits for an answer by it gets an
    /// error; moves that are under way go on by the next.
    ///
    /// # Errors
    /// [`NodeError::Name`], [`NodeError::Spawn`].
    pub fn attach(&self, far: impl FarSide) -> Result<(), NodeError> {
        self.inner.attach(Arc::new(far)).map(drop)
    }

    /// Whether there is a way to this node.
    #[must_use]
    pub fn has_way(&self, to: &str) -> bool {
        self.inner.has_way(&to.into())
    }

    /// Starts a call of a migratable function as a thing of this name.
    ///
    /// # Errors
    /// [`NodeError`]; nothing has started then.
    pub fn spawn<M: Migratable>(&self, name: &str, start: Start<M>) -> Result<(), NodeError> {
        self.spawn_with(name, start, ())
    }

    /// As [`spawn`](Self::spawn), with luggage that comes with it wherever it goes, and is given to whoever
    /// [accepts](NodeBuilder::accept_with) it: the other sides of its channels, which would else be left behind.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub fn spawn_with<M: Migratable, T>(
        &self,
        name: &str,
        start: Start<M>,
        luggage: T,
    ) -> Result<(), NodeError>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    {
        let kind = migratable::head_name::<M>();
        self.knows(kind)?;
        let parts = (Suspended::new(start), luggage);
        let image = match self.inner.store {
            None => None,
            Some(_) => Some(migratable::freeze(&parts).map_err(NodeError::Freeze)?),
        };
        let thawed = microthread::Thawed {
            function: parts.0,
            luggage: parts.1,
            arrived: None,
        };
        self.begin(name, image.as_ref(), |inner, name| {
            let started = Box::new(thawed).start(inner, name, None);
            started.map_err(|why| NodeError::Unknown(why.to_string()))
        })
    }

    /// Makes an actor that runs in the node's system a thing of this name. With a store, its snapshot is its first record.
    ///
    /// # Errors
    /// [`NodeError`]; the actor goes on as before.
    pub fn adopt<A: Movable>(&self, name: &str, actor: &Addr<A>) -> Result<(), NodeError> {
        self.knows(&actor::name_of::<A>())?;
        let image = match self.inner.store {
            None => None,
            Some(_) => Some(actor.snapshot().map_err(NodeError::Snapshot)?),
        };
        let addr = actor.clone();
        self.begin(name, image.as_ref(), |_, _| {
            Ok(Arc::new(actor::Lives { addr }))
        })
    }

    fn knows(&self, kind: &str) -> Result<(), NodeError> {
        match self.inner.kinds.contains_key(kind) {
            true => Ok(()),
            false => Err(NodeError::Unknown(kind.to_owned())),
        }
    }

    /// A new thing, whose record is saved before it runs.
    fn begin(
        &self,
        name: &str,
        image: Option<&crate::image::Image>,
        start: impl FnOnce(&Arc<Inner>, &Name) -> Result<Arc<dyn Running>, NodeError>,
    ) -> Result<(), NodeError> {
        let name = Name::checked(name)?;
        let inner = &self.inner;
        inner.with_thing(&name, |thing| {
            if thing.party.state().is_some() {
                return Err(NodeError::Taken(name.clone().into()));
            }
            if let Some(image) = image {
                let image = Some(Packed::from(image));
                let record = State::Here { epoch: 0, image };
                inner
                    .save_record(&name, &record)
                    .map_err(NodeError::Store)?;
            }
            match start(inner, &name) {
                Ok(running) => {
                    inner.runs_here(&name, &running);
                    thing.running = Some(running);
                    thing.party = Party::here(0);
                    Ok(())
                }
                Err(error) => {
                    inner.forget(&name);
                    Err(error)
                }
            }
        })
    }

    /// The thing of this name is the node's no more: its record is removed, and the name may be given to another. It goes on here,
    /// if it runs. For an actor that has ended for good, whose record would be gone on from otherwise, and for what
    /// [cannot go on](Place::Broken). A save or a move of it is waited for.
    ///
    /// # Errors
    /// [`SaveError::NotHere`]; [`SaveError::NotSaved`] if the store did not remove the record: nothing has changed then.
    pub fn release(&self, name: &str) -> Result<(), SaveError> {
        let (inner, name) = (&self.inner, Name::from(name));
        let known = inner.things().get(&name).cloned();
        let known = known.ok_or(SaveError::NotHere)?;
        let saver = thing::lock(&known).saver.clone();
        let _turn = saver.turn();
        inner.with_thing(&name, |thing| {
            let same = Arc::ptr_eq(&thing.saver, &saver);
            if !same || !matches!(thing.party.state(), Some(State::Here { .. })) {
                return Err(SaveError::NotHere);
            }
            if let Some(store) = &inner.store {
                let removed = store.remove(&record_of(&name));
                removed.map_err(|error| SaveError::NotSaved(Arc::new(error)))?;
            }
            if let Some(running) = &thing.running {
                running.released();
            }
            let mut out = Vec::new();
            thing.party.ended(&mut out);
            inner.act(&name, thing, out);
            Ok(())
        })
    }

    /// Whether a thing of this name lives here now, and runs. Not while it is moved; [`place`](Self::place) says more.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let here = self.inner.living_here(&name.into());
        here.is_some_and(|it| it.is_alive())
    }

    /// The address of the actor that lives here as the thing of this name; `None` if there is none, or of another type.
    #[must_use]
    pub fn actor<A: Movable>(&self, name: &str) -> Option<Addr<A>> {
        let running = self.inner.living_here(&name.into())?;
        running.addr().downcast::<Addr<A>>().ok().map(|it| *it)
    }

    /// Ends all ways of this node, and the saving that it does by itself; so does dropping its last handle. What lives here goes on.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let things = self.inner.all_living();
        let ways: Vec<_> = self.inner.links().keys().cloned().collect();
        f.debug_struct("Node")
            .field("name", &self.inner.name)
            .field("things", &things)
            .field("ways", &ways)
            .finish_non_exhaustive()
    }
}
