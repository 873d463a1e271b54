//! Setting up a pool.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Pool;
use super::pick::{Balance, Picker};
use super::slots::Table;
use crate::actor::{Actor, SpawnError};
use crate::snapshot::{Snapshot, SnapshotPolicy};
use crate::supervision::{
    Backoff, ChildSpec, ChildTemplate, DynamicBuilder, DynamicSupervisor, Past, Restart, Shutdown,
};
use crate::sync;
use crate::system::System;

/// Makes the worker of a slot: once for each life.
type Factory<A> = Arc<dyn Fn(usize) -> Result<A, Arc<str>> + Send + Sync>;

/// Where the lives of a slot's worker go on from.
type PastOf<A> = Arc<dyn Fn(usize) -> Box<dyn Past<A>> + Send + Sync>;

/// Sets up a [`Pool`].
#[must_use = "a builder does nothing until `start` or `child`"]
pub struct PoolBuilder<A: Actor> {
    size: usize,
    balance: Balance,
    drain: Duration,
    id: Arc<str>,
    restart: Restart,
    shutdown: Shutdown,
    intensity: Option<(u32, Duration)>,
    backoff: Option<Backoff>,
    name: Option<Arc<str>>,
    past: Option<PastOf<A>>,
    factory: Factory<A>,
}

impl<A: Actor> PoolBuilder<A> {
    pub(super) fn new(size: usize, factory: Factory<A>) -> Self {
        Self {
            size,
            balance: Balance::default(),
            drain: Duration::from_secs(5),
            id: "worker".into(),
            restart: Restart::default(),
            shutdown: Shutdown::default(),
            intensity: None,
            backoff: None,
            name: None,
            past: None,
            factory,
        }
    }

    /// How messages without a key are shared out. Default: each worker in turn.
    pub fn balance(mut self, balance: Balance) -> Self {
        self.balance = balance;
        self
    }

    /// How long a worker that [`Pool::resize`] removes may take to handle what is in its mailbox, before it is stopped all
    /// the same. Default: five seconds.
    pub fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// What events call the workers. Default: `worker`.
    pub fn id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = id.into();
        self
    }

    /// When a worker is started again. Default: always. One that has ended for good leaves its slot empty.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// How a worker is stopped. Default: as for a [`ChildSpec`].
    pub fn shutdown(mut self, shutdown: impl Into<Shutdown>) -> Self {
        self.shutdown = shutdown.into();
        self
    }

    /// How many restarts within a period are still normal, for all workers together. Default: one in five seconds. See
    /// [`SupervisorBuilder::intensity`](crate::SupervisorBuilder::intensity).
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        self.intensity = Some((restarts, period));
        self
    }

    /// How long to wait before a worker is started again. Default: not at all.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// Each life of a worker goes on from the last snapshot of its slot's policy, and snapshots of it are saved as that says: as
    /// by [`ChildSpec::restore`]. The policies need names of their own in their store.
    ///
    /// ```
    /// use actor_core::prelude::*;
    /// use actor_core::Pool;
    /// use actor_core::snapshot::SnapshotPolicy;
    /// use actor_core::store::MemoryStore;
    /// use std::sync::Arc;
    /// # #[actor(snapshot)]
    /// # struct Counter { n: u64 }
    /// # #[actor]
    /// # impl Counter { pub fn add(&mut self, by: u64) -> u64 { self.n += by; self.n } }
    ///
    /// let (sys, store) = (System::new()?, Arc::new(MemoryStore::new()));
    /// let pool = Pool::builder(4, |_| Counter { n: 0 })
    ///     .restore(move |slot| SnapshotPolicy::new(store.clone(), format!("counter-{slot}")).on_stop())
    ///     .start(&sys)?;
    /// assert_eq!(pool.pick()?.ask().add(3)?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(
        mut self,
        policy: impl Fn(usize) -> SnapshotPolicy + Send + Sync + 'static,
    ) -> Self
    where
        A: Snapshot,
    {
        self.past = Some(Arc::new(move |slot| Box::new(policy(slot))));
        self
    }

    /// The name the pool's supervisor is registered under, if it is not another's child.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Starts the pool: its supervisor, and the workers one after the other.
    ///
    /// # Errors
    /// As [`SupervisorBuilder::start`](crate::SupervisorBuilder::start): if a worker does not start, those before it are
    /// stopped.
    pub fn start(mut self, sys: &System) -> Result<Pool<A>, SpawnError> {
        let name = self.name.take();
        let (setup, pool) = self.set_up();
        let supervisor = setup();
        let supervisor = match name {
            Some(name) => supervisor.name(name),
            None => supervisor,
        };
        supervisor.start(sys)?;
        Ok(pool)
    }

    /// The pool as a child of a supervisor: its spec, with this id, for
    /// [`SupervisorBuilder::supervisor`](crate::SupervisorBuilder::supervisor) or
    /// [`Supervisor::start_supervisor`](crate::Supervisor::start_supervisor), and its handle, which is of use once that has
    /// started it. The handle stays valid over all lives that the supervisor gives the pool: it has a size of its own, and
    /// each life begins with as many workers.
    ///
    /// ```
    /// use actor_core::prelude::*;
    /// use actor_core::Pool;
    /// # #[actor]
    /// # struct Worker;
    /// # #[actor]
    /// # impl Worker { pub fn square(&mut self, x: u64) -> u64 { x * x } }
    ///
    /// let sys = System::new()?;
    /// let (spec, pool) = Pool::builder(4, |_| Worker).child("workers");
    /// let root = Supervisor::builder().supervisor(spec).start(&sys)?;
    /// assert_eq!(pool.pick()?.ask().square(3)?, 9);
    /// root.stop();
    /// root.join();
    /// assert!(pool.pick().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn child(self, id: impl Into<Arc<str>>) -> (ChildSpec<DynamicBuilder<A, usize>>, Pool<A>) {
        let (setup, pool) = self.set_up();
        (ChildSpec::new(id, setup), pool)
    }

    /// What sets up each life of the supervisor, and the handle.
    fn set_up(
        self,
    ) -> (
        impl Fn() -> DynamicBuilder<A, usize> + Send + 'static,
        Pool<A>,
    ) {
        let table = Table::new(self.size);
        let pool = Pool {
            table: table.clone(),
            picker: Arc::new(Picker::new(self.balance)),
            resizing: Arc::new(sync::Mutex::new(())),
            drain: self.drain,
        };
        let setup = move || {
            let factory = self.factory.clone();
            let places = table.clone();
            let template =
                ChildTemplate::try_new(self.id.clone(), move |slot: &usize| factory(*slot))
                    .restart(self.restart)
                    .shutdown(self.shutdown)
                    .placed(move |slot| places.place(*slot));
            let template = match self.past.clone() {
                Some(past) => template.with_pasts(move |slot| past(*slot)),
                None => template,
            };
            let opened = table.clone();
            let mut builder = DynamicSupervisor::builder(template)
                .children(0..table.read().size())
                .opened(move |supervisor| opened.opened(supervisor));
            if let Some((restarts, period)) = self.intensity {
                builder = builder.intensity(restarts, period);
            }
            if let Some(backoff) = self.backoff {
                builder = builder.backoff(backoff);
            }
            builder
        };
        (setup, pool)
    }
}

impl<A: Actor> fmt::Debug for PoolBuilder<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("size", &self.size)
            .field("balance", &self.balance)
            .field("drain", &self.drain)
            .field("id", &self.id)
            .field("restart", &self.restart)
            .field("shutdown", &self.shutdown)
            .field("intensity", &self.intensity)
            .field("backoff", &self.backoff)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
