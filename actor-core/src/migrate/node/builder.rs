//! Setting a node up.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::kind::Kind;
use super::wire::Name;
use super::{Inner, Movable, Node, NodeError, Open, PeerLimits, actor, microthread};
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
    pub fn accept_actor<A: Movable>(mut self) -> Self {
        let kind = actor::Actors::<A>(PhantomData);
        self.kinds.insert(actor::name_of::<A>(), Box::new(kind));
        self
    }

    /// Sets how long each part of a move may take: the freezing, the answer to the offer, and the confirmation. Default: 10 s.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sets how much it keeps for each other node.
    pub fn peer_limits(mut self, limits: PeerLimits) -> Self {
        self.peers = limits;
        self
    }

    /// Starts it: what lives here by the store's records goes on, and what was under way is settled, once there is a way
    /// to the other node.
    ///
    /// # Errors
    /// [`NodeError::Name`], [`NodeError::Store`], [`NodeError::Record`].
    pub fn start(self) -> Result<Node, NodeError> {
        let NodeBuilder {
            name,
            sys,
            store,
            kinds,
            patience,
            peers,
        } = self;
        let name = Name::checked(&name)?;
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
            routes: Mutex::default(),
            living: Mutex::default(),
            guests: Mutex::default(),
        });
        inner.load()?;
        Ok(Node {
            _open: Arc::new(Open(inner.clone())),
            inner,
        })
    }
}

impl fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
