//! The pool as users see it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use super::builder::PoolBuilder;
use super::error::{Nobody, PoolError, RouteError};
use super::hash;
use super::pick::{self, Picker};
use super::slots::Table;
use crate::actor::{Actor, Addr};
use crate::group::{PublishError, Published};
use crate::rt::wait;
use crate::supervision::Supervisor;
use crate::sync;

/// A supervised set of workers, each in a numbered slot, and a router to them.
///
/// A worker that fails is started again in its slot, at the same address, as a child of any supervisor. The pool's
/// supervisor may itself be a child of another: by [`PoolBuilder::child`], or as a field of a declared tree, marked `#[pool(..)]`
/// (see [`Tree`](crate::supervision::Tree)).
///
/// - [`pick`](Self::pick) gives the address of the next worker, as the pool's [`Balance`](crate::Balance) says;
/// - [`by_key`](Self::by_key) that of the worker to whose slot a key belongs: the same over crashes and restarts, and when the
///   pool is resized only the keys of the slots that come or go move;
/// - [`get`](Self::get) that of the worker in a slot; [`publish`](Self::publish) tells all.
///
/// A handle: clones lead to the same pool, and dropping them all does not end it.
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::Pool;
/// use std::time::Duration;
///
/// #[actor]
/// struct Worker { slot: usize }
///
/// #[actor]
/// impl Worker {
///     pub fn slot(&self) -> usize {
///         self.slot
///     }
///     pub fn divide(&mut self, a: u64, b: u64) -> u64 {
///         a / b
///     }
/// }
///
/// let sys = System::new()?;
/// let pool = Pool::builder(4, |slot| Worker { slot })
///     .intensity(10, Duration::from_secs(10))
///     .start(&sys)?;
/// assert_eq!(pool.pick()?.ask().divide(6, 2)?, 3);
/// assert_eq!(pool.get(3).unwrap().ask().slot()?, 3);
///
/// let owner = pool.by_key("ann")?;
/// # let hook = std::panic::take_hook();
/// # std::panic::set_hook(Box::new(|_| {}));
/// assert!(owner.ask().divide(1, 0).is_err()); // it panics, and is started again
/// # std::panic::set_hook(hook);
/// assert_eq!(pool.by_key("ann")?, owner);
///
/// pool.resize(2)?; // the last two finish what they have
/// assert_eq!(pool.size(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pool<A: Actor> {
    pub(super) table: Arc<Table<A>>,
    pub(super) picker: Arc<Picker>,
    /// Held by whoever resizes.
    pub(super) resizing: Arc<sync::Mutex<()>>,
    pub(super) drain: Duration,
}

impl<A: Actor> Pool<A> {
    /// Sets up a pool of `size` workers, each made by `factory` from the number of its slot, which counts from 0.
    ///
    /// The factory runs once for the first start of each worker and once for each restart, on the pool's supervisor, as that
    /// of a [`ChildSpec`](crate::ChildSpec::new).
    pub fn builder(
        size: usize,
        factory: impl Fn(usize) -> A + Send + Sync + 'static,
    ) -> PoolBuilder<A> {
        PoolBuilder::new(size, Arc::new(move |slot| Ok(factory(slot))))
    }

    /// As [`builder`](Self::builder), with a factory that may fail. See [`ChildSpec::try_new`](crate::ChildSpec::try_new).
    pub fn try_builder<E: fmt::Display>(
        size: usize,
        factory: impl Fn(usize) -> Result<A, E> + Send + Sync + 'static,
    ) -> PoolBuilder<A> {
        let factory = move |slot| factory(slot).map_err(|error| Arc::from(error.to_string()));
        PoolBuilder::new(size, Arc::new(factory))
    }

    // ---- routing --------------------------------------------------------------------------------------------------------

    /// The worker that is next.
    ///
    /// # Errors
    /// [`Nobody`] is there: the pool has no workers, has not started, or has ended.
    pub fn pick(&self) -> Result<Addr<A>, Nobody> {
        self.next().ok_or(Nobody)
    }

    fn next(&self) -> Option<Addr<A>> {
        let slots = self.table.read();
        let workers = slots.workers();
        self.picker.pick(workers).map(|at| workers[at].clone())
    }

    /// The worker to whose slot `key` belongs (*consistent hashing*). As long as a slot has a worker, its keys stay with it,
    /// whatever happens to others and however often the worker is started again. While a slot is empty, since its worker has
    /// ended for good, its keys belong to others.
    ///
    /// # Errors
    /// As [`pick`](Self::pick).
    pub fn by_key<K: Hash + ?Sized>(&self, key: &K) -> Result<Addr<A>, Nobody> {
        self.owner(hash::of_key(key)).ok_or(Nobody)
    }

    fn owner(&self, key: u64) -> Option<Addr<A>> {
        let slots = self.table.read();
        let alive = slots
            .each()
            .filter_map(|(slot, worker)| Some((slot as u64, worker.filter(|it| it.is_alive())?)));
        hash::belongs(key, alive).cloned()
    }

    /// The worker in slot number `slot`, counted from 0, if there is one.
    pub fn get(&self, slot: usize) -> Option<Addr<A>> {
        self.table.read().get(slot).cloned()
    }

    /// The workers, in the order of their slots: a snapshot.
    pub fn workers(&self) -> Arc<[Addr<A>]> {
        self.table.read().workers().clone()
    }

    /// Sends a message to the worker that is next; waits while its mailbox is full. If it has ended, another gets it.
    ///
    /// # Errors
    /// [`RouteError::Nobody`], with the message.
    pub fn send(&self, msg: A::Msg) -> Result<(), RouteError<A::Msg>> {
        pick::send(msg, || self.next())
    }

    /// As [`send`](Self::send), without waiting: of those whose mailboxes have room the next one gets it.
    ///
    /// # Errors
    /// [`RouteError`], with the message.
    pub fn try_send(&self, msg: A::Msg) -> Result<(), RouteError<A::Msg>> {
        let workers = self.workers();
        pick::try_send(msg, &workers, self.picker.pick(&workers))
    }

    /// Sends a message to the worker to whose slot `key` belongs; waits while its mailbox is full. If that has ended for good,
    /// the key belongs to another, who gets it.
    ///
    /// # Errors
    /// [`RouteError::Nobody`], with the message.
    pub fn send_by_key<K: Hash + ?Sized>(
        &self,
        key: &K,
        msg: A::Msg,
    ) -> Result<(), RouteError<A::Msg>> {
        let key = hash::of_key(key);
        pick::send(msg, || self.owner(key))
    }

    /// Tells all workers a message, in the order of their slots, as [`Group::publish`](crate::Group::publish) does.
    ///
    /// # Errors
    /// As there.
    pub fn publish(&self, message: A::Msg) -> Result<Published<A>, PublishError<A>>
    where
        A::Msg: Clone,
    {
        Published::clones(&self.workers(), message)
    }

    /// As [`publish`](Self::publish), with a message made for each worker.
    pub fn publish_with(&self, make: impl FnMut(&Addr<A>) -> A::Msg) -> Published<A> {
        Published::to(&self.workers(), make)
    }

    // ---- size -----------------------------------------------------------------------------------------------------------

    /// How many slots there are.
    pub fn size(&self) -> usize {
        self.table.read().size()
    }

    /// Changes the number of workers, and waits until that is done. One resize at a time; others wait for it.
    ///
    /// *Up*: workers are started in new slots, one after the other. Each is routed to once its start hook has run.
    ///
    /// *Down*: the slots with the highest numbers go. From one instant to the next nobody is routed to them; each worker
    /// handles what is in its mailbox, and what reaches it meanwhile by addresses that were taken before, and ends when its
    /// mailbox is empty (with [`ExitReason::Shutdown`](crate::ExitReason::Shutdown)). A message that comes after that is given
    /// back, or, if it comes in the very moment of the end, is a dead letter. A worker that fails while it finishes is
    /// started again as its spec says, to finish the rest. One that is not done in the pool's
    /// [`drain`](PoolBuilder::drain) time is stopped: what is left in its mailbox is answered with an error or counted as dead
    /// letters.
    ///
    /// A caller that is killed meanwhile leaves the workers finishing.
    ///
    /// # Errors
    /// [`PoolError::NotStarted`]; [`PoolError::Worker`] if a new worker does not start, or the pool's supervisor ends: the
    /// pool keeps the slots before it.
    pub fn resize(&self, size: usize) -> Result<(), PoolError> {
        // A holder that panicked has left the table as it should be.
        let _one = self
            .resizing
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let supervisor = self.table.read().supervisor().cloned();
        let supervisor = supervisor.ok_or(PoolError::NotStarted)?;
        while self.size() < size {
            let slot = self.table.add();
            if let Err(error) = supervisor.start_child(slot) {
                drop(self.table.cut(slot));
                return Err(PoolError::Worker { slot, error });
            }
            self.table.open();
        }
        let removed = self.table.cut(size);
        for worker in &removed {
            self.table.let_go(worker);
        }
        let deadline = wait::after(self.drain);
        for worker in removed {
            let left = deadline.map_or(Duration::MAX, |it| {
                it.saturating_duration_since(wait::now())
            });
            if worker.join_timeout(left).is_none() {
                // If the supervisor is gone, so is the worker, or will be.
                let _ = supervisor.terminate_child(&worker);
            }
        }
        Ok(())
    }

    /// What each worker has to do.
    pub fn stats(&self) -> PoolStats {
        let slots = self.table.read();
        let workers = slots.each().map(|(slot, worker)| WorkerStats {
            slot,
            actor: worker.map(Addr::id),
            is_up: worker.is_some_and(Addr::is_up),
            queued: worker.map_or(0, Addr::queued),
        });
        PoolStats {
            workers: workers.collect(),
        }
    }

    // ---- life -----------------------------------------------------------------------------------------------------------

    /// The workers' supervisor, once the pool has started: to stop the pool, to wait for its end, to list its children.
    pub fn supervisor(&self) -> Option<Supervisor> {
        let slots = self.table.read();
        slots.supervisor().map(|it| it.as_supervisor().clone())
    }
}

impl<A: Actor> Clone for Pool<A> {
    fn clone(&self) -> Self {
        Self {
            table: self.table.clone(),
            picker: self.picker.clone(),
            resizing: self.resizing.clone(),
            drain: self.drain,
        }
    }
}

impl<A: Actor> PartialEq for Pool<A> {
    /// Whether both lead to the same pool.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.table, &other.table)
    }
}

impl<A: Actor> Eq for Pool<A> {}

impl<A: Actor> Hash for Pool<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.table).hash(state);
    }
}

impl<A: Actor> fmt::Debug for Pool<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots = self.table.read();
        f.debug_struct("Pool")
            .field("size", &slots.size())
            .field("workers", &slots.workers().len())
            .field("balance", &self.picker.balance())
            .finish_non_exhaustive()
    }
}

/// What the workers of a [`Pool`] have to do, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// One for each slot, in order.
    pub workers: Vec<WorkerStats>,
}

/// What the worker in a slot has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// The number of its slot.
    pub slot: usize,
    /// The worker's id, if the slot has one.
    pub actor: Option<u64>,
    /// Whether it runs: not between two lives.
    pub is_up: bool,
    /// Messages waiting in its mailbox.
    pub queued: usize,
}

impl PoolStats {
    /// How many workers run.
    #[must_use]
    pub fn up(&self) -> usize {
        self.workers.iter().filter(|it| it.is_up).count()
    }

    /// Messages waiting in all mailboxes together.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.workers.iter().map(|it| it.queued).sum()
    }
}
