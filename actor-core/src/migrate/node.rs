//! Nodes: who has what, and moves it.

mod actor;
mod builder;
mod calls;
mod error;
mod guest;
mod kind;
mod links;
mod microthread;
mod thing;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::far::FarSide;
use super::handover::{Outcome, Party, Refusal, State, Token};
use crate::actor::Addr;
use crate::channel::{self, Receiver};
use crate::migratable::{self, Migratable, Start, Suspended};
use crate::rt::wait;
use crate::store::Store;
use crate::system::System;

pub use actor::Movable;
pub use builder::NodeBuilder;
use calls::Waiting;
pub use error::{MoveError, NodeError};
use guest::Guest;
pub use guest::PeerLimits;
use kind::{Kind, Ready, Running, Unfrozen};
use links::Link;
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

/// A number that was never drawn before, and never will be.
fn draw() -> u128 {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Without the system's: from the generator of this thread, which had a seed of its own.
        return fastrand::u128(..);
    }
    u128::from_be_bytes(bytes)
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
    routes: Mutex<HashMap<Name, Name>>,
    living: Mutex<HashMap<Name, Arc<dyn Running>>>,
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

    /// Where what has gone from here went.
    fn routes(&self) -> MutexGuard<'_, HashMap<Name, Name>> {
        lock(&self.routes)
    }

    fn living(&self) -> MutexGuard<'_, HashMap<Name, Arc<dyn Running>>> {
        lock(&self.living)
    }

    fn living_here(&self, thing: &Name) -> Option<Arc<dyn Running>> {
        self.living().get(thing).cloned()
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
    /// Ends all ways.
    fn close(&self) {
        let links: Vec<Link> = self.links().drain().map(|(_, link)| link).collect();
        links.iter().for_each(Link::close);
    }

    fn load(self: &Arc<Self>) -> Result<(), NodeError> {
        let Some(store) = &self.store else {
            return Ok(());
        };
        for name in store.names().map_err(NodeError::Store)? {
            let Some(thing) = name.strip_prefix(RECORDS) else {
                continue;
            };
            let loaded = store.load(&name).map_err(NodeError::Store)?;
            let Some(image) = loaded.image else { continue };
            let record = wire::unpack(&image).map_err(|error| NodeError::Record {
                thing: thing.to_owned(),
                error,
            })?;
            let name: Name = thing.into();
            let gone = match &record {
                State::Gone { to, .. } => Some(to.clone()),
                _ => None,
            };
            let mut out = Vec::new();
            let party = Party::load(record, &mut out);
            let mut thing = Thing::new(party);
            self.act(&name, &mut thing, out);
            if let Some(to) = gone {
                self.routes().insert(name.clone(), to);
            }
            let shared = Arc::new(crate::sync::Mutex::new(thing));
            self.things().insert(name, shared);
        }
        Ok(())
    }
}

/// How a move went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moved {
    /// For how long it lived nowhere, as far as is known here: from when it was stopped until its new node said that it lives
    /// there.
    pub away: Duration,
    /// Whether the new node has said so. If not, it has gone all the same, and lives there once that node is up and there is a way
    /// to it.
    pub confirmed: bool,
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
        self.inner.attach(Arc::new(far))
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
        let (node, addr) = (self.inner.clone(), actor.clone());
        self.begin(name, image.as_ref(), |_, _| {
            Ok(Arc::new(actor::Lives { node, addr }))
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
                inner.save(&name, &record).map_err(NodeError::Store)?;
            }
            match start(inner, &name) {
                Ok(running) => {
                    inner.living().insert(name.clone(), running.clone());
                    inner.routes().remove(&name);
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

    /// Whether a thing of this name lives here now. Not while it is moved.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.inner.living_here(&name.into()).is_some()
    }

    /// The address of the actor that lives here as the thing of this name; `None` if there is none, or of another type.
    #[must_use]
    pub fn actor<A: Movable>(&self, name: &str) -> Option<Addr<A>> {
        let running = self.inner.living_here(&name.into())?;
        running.addr().downcast::<Addr<A>>().ok().map(|it| *it)
    }

    /// Moves the thing of this name to another node: stops it, offers it, and, if it is taken, lets it go. Waits for that.
    ///
    /// # Errors
    /// [`MoveError`]: it goes on here, unless that says otherwise.
    pub fn migrate(&self, name: &str, to: &str) -> Result<Moved, MoveError> {
        let (name, to): (Name, Name) = (name.into(), to.into());
        let inner = &self.inner;
        if !inner.has_way(&to) {
            return Err(MoveError::NoWay(to.into()));
        }
        let running = inner.with_thing(&name, |thing| {
            let Some(State::Here { .. }) = thing.party.state() else {
                return Err(match thing.party.state() {
                    Some(State::Leaving { .. }) => MoveError::Moving,
                    _ => MoveError::NotHere,
                });
            };
            inner.stops(&name, thing).ok_or(match &thing.broken {
                Some(why) => MoveError::NotResumed(why.clone()),
                None => MoveError::Moving,
            })
        })?;
        let since = wait::now();
        // Not under the lock of the thing: it may take its time.
        let frozen = match running.freeze(inner.patience) {
            Ok(frozen) => frozen,
            Err(Unfrozen { why, again }) => {
                inner.goes_on(&name, running, again);
                return Err(why);
            }
        };
        drop(running);
        let (told, outcomes) = channel::unbounded();
        let offer = Token(draw());
        let image = Packed::from(frozen.image());
        let left = inner.with_thing(&name, |thing| {
            let mut out = Vec::new();
            let left = thing.party.leave(to, offer, image, &mut out);
            if left.is_ok() {
                thing.frozen = Some(frozen);
                thing.waiting = Some(told);
                inner.act(&name, thing, out);
            }
            left.is_ok()
        });
        match left {
            true => self.outcome(&name, offer, &outcomes, since),
            // It has ended.
            false => Err(MoveError::NotHere),
        }
    }

    fn outcome(
        &self,
        name: &Name,
        offer: Token,
        outcomes: &Receiver<Outcome>,
        since: Instant,
    ) -> Result<Moved, MoveError> {
        let inner = &self.inner;
        let mut decided = false;
        loop {
            let moved = |confirmed| Moved {
                away: wait::now().saturating_duration_since(since),
                confirmed,
            };
            let outcome = match wait::after(inner.patience) {
                Some(deadline) => outcomes.recv_deadline(deadline).ok(),
                None => outcomes.recv().ok(),
            };
            let stayed = |error| {
                inner.with_thing(name, |thing| match &thing.broken {
                    Some(why) => MoveError::NotResumed(why.clone()),
                    None => error,
                })
            };
            return match outcome {
                Some(Outcome::Decided) => {
                    decided = true;
                    continue;
                }
                Some(Outcome::Confirmed) => Ok(moved(true)),
                Some(Outcome::Missing) => Err(MoveError::Missing),
                Some(Outcome::Refused(why)) => Err(stayed(MoveError::Refused(why))),
                Some(Outcome::NotSaved) => {
                    let error = inner.with_thing(name, |thing| thing.unsaved.take());
                    Err(stayed(match error {
                        Some(error) => MoveError::NotSaved(error),
                        None => MoveError::TimedOut,
                    }))
                }
                Some(Outcome::GivenUp | Outcome::Interrupted) => Err(stayed(MoveError::TimedOut)),
                None if decided => Ok(moved(false)),
                None => {
                    inner.with_thing(name, |thing| {
                        let mut out = Vec::new();
                        thing.party.give_up(offer, &mut out);
                        inner.act(name, thing, out);
                    });
                    // That says how: it may have been decided just now. If the store did not take that, it is in doubt.
                    let in_doubt = inner.with_thing(name, |thing| thing.party.state().cloned());
                    match in_doubt {
                        Some(State::Gone { .. }) if outcomes.is_empty() => Ok(moved(false)),
                        _ => continue,
                    }
                }
            };
        }
    }

    /// Ends all ways of this node, and so does dropping its last handle. What lives here goes on.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl Inner {
    /// It was not frozen.
    fn goes_on(
        self: &Arc<Self>,
        name: &Name,
        running: Arc<dyn Running>,
        again: Option<Box<dyn Ready>>,
    ) {
        self.with_thing(name, |thing| {
            if !matches!(thing.party.state(), Some(State::Here { .. })) {
                return; // it has ended
            }
            let running = match again {
                None => running,
                Some(ready) => match ready.start(self, name, None) {
                    Ok(running) => running,
                    Err(why) => {
                        thing.broken = Some(why);
                        return;
                    }
                },
            };
            self.living().insert(name.clone(), running.clone());
            thing.running = Some(running);
        });
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let things: Vec<_> = self.inner.living().keys().cloned().collect();
        let ways: Vec<_> = self.inner.links().keys().cloned().collect();
        f.debug_struct("Node")
            .field("name", &self.inner.name)
            .field("things", &things)
            .field("ways", &ways)
            .finish_non_exhaustive()
    }
}
