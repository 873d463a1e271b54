//! Setting a node up.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::kind::Kind;
use super::numbers::Numbers;
use super::wire::Name;
use super::{Inner, Movable, Node, NodeError, Open, PeerLimits, actor, microthread};
use crate::actor::Addr;
use crate::channel;
use crate::migratable::{self, Migratable};
use crate::store::Store;
use crate::system::System;

/// Sets up a [`Node`].
#[must_use = "nothing happens before `start`"]
pub struct NodeBuilder {
    name: Name,
    sys: System,
    store: Option<Arc<dyn Store>>,
    kinds: HashMap<String, Box<dyn Kind>>,
    patience: Duration,
    save_every: Option<Duration>,
    peers: PeerLimits,
}

impl NodeBuilder {
    pub(super) fn new(name: &str, sys: &System) -> Self {
        NodeBuilder {
            name: name.into(),
            sys: System::of_host(sys.host()),
            store: None,
            kinds: HashMap::new(),
            patience: Duration::from_secs(10),
            save_every: None,
            peers: PeerLimits::default(),
        }
    }

    /// Keeps records, and what lives here when it was last saved, in this store: what is promised then is in the
    /// [module](crate::migrate). It is for this node alone.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Continues calls of the function `M` that come from other nodes.
    pub fn accept<M: Migratable>(self) -> Self {
        self.accept_with::<M, ()>(|_, ()| {})
    }

    /// As [`accept`](Self::accept), of those that were started with luggage: the other sides of their channels, perhaps.
    /// `arrived` is given a thing's name and its luggage each time that it begins to live here, before it runs. It must not wait for
    /// the thing.
    pub fn accept_with<M: Migratable, T>(
        mut self,
        arrived: impl Fn(&str, T) + Send + Sync + 'static,
    ) -> Self
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    {
        let kind = microthread::Calls::<M, T> {
            arrived: Arc::new(arrived),
            of: PhantomData,
        };
        let name = migratable::head_name::<M>().to_owned();
        self.kinds.insert(name, Box::new(kind));
        self
    }

    /// Continues actors of type `A` that come from other nodes.
    pub fn accept_actor<A: Movable>(self) -> Self {
        self.accept_actor_with::<A>(|_, _| {})
    }

    /// As [`accept_actor`](Self::accept_actor). `arrived` is given a thing's name and the actor's address each time that it begins to
    /// live here, before it runs: when it has come, and when the node goes on from its store. It must not wait for the actor, nor ask the node about it.
    pub fn accept_actor_with<A: Movable>(
        mut self,
        arrived: impl Fn(&str, Addr<A>) + Send + Sync + 'static,
    ) -> Self {
        let kind = actor::Actors::<A>(Arc::new(arrived));
        self.kinds.insert(actor::name_of::<A>(), Box::new(kind));
        self
    }

    /// Sets how long each part of a move may take: the freezing, the answer to the offer, and the confirmation. Default: 10 s.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Saves everything that lives here so often, as [`Node::save`] does, until the node is closed; what is as it was is not
    /// written again. It needs a [`store`](Self::store), and without one does nothing. What cannot be saved is an
    /// [`Event::NotSaved`](crate::Event::NotSaved), and tried again the next time. Default: never.
    ///
    /// # Panics
    /// If it is zero.
    #[track_caller]
    pub fn save_every(mut self, period: Duration) -> Self {
        assert!(!period.is_zero(), "a period is longer than zero");
        self.save_every = Some(period);
        self
    }

    /// Sets how much it keeps for each other node.
    pub fn peer_limits(mut self, limits: PeerLimits) -> Self {
        self.peers = limits;
        self
    }

    /// Starts it: what lives here by the store's records goes on, and what was under way is settled, once there is a way
    /// to the other node. See [after a restart](crate::migrate#after-a-restart).
    ///
    /// # Errors
    /// [`NodeError::Name`], [`NodeError::Store`], [`NodeError::Record`], [`NodeError::Damaged`], [`NodeError::NoRandomness`], [`NodeError::Spawn`].
    pub fn start(self) -> Result<Node, NodeError> {
        let NodeBuilder {
            name,
            sys,
            store,
            kinds,
            patience,
            save_every,
            peers,
        } = self;
        let name = Name::checked(&name)?;
        let numbers = Numbers::new(getrandom::fill).map_err(NodeError::NoRandomness)?;
        let (open, closed) = channel::bounded(0);
        let inner = Arc::new(Inner {
            name,
            sys,
            store,
            kinds,
            patience,
            peers,
            maps: Mutex::default(),
            links: Mutex::default(),
            calls: Mutex::default(),
            headings: Mutex::default(),
            left: Mutex::default(),
            kept: Mutex::default(),
            numbers,
            open: Mutex::new(Some(open)),
            closed,
            guests: Mutex::default(),
        });
        inner.load()?;
        let node = Node {
            _open: Arc::new(Open(inner.clone())),
            inner,
        };
        if let (Some(period), Some(_)) = (save_every, &node.inner.store) {
            let saver = node.inner.clone();
            let body = move || saver.keep_saving(period);
            let spawned = node.inner.sys.spawn_microthread(body);
            drop(spawned.map_err(NodeError::Spawn)?);
        }
        Ok(node)
    }
}

impl fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
