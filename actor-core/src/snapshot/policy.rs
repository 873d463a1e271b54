//! When snapshots are saved, and where.
//!
//! # Order
//! An actor's images are numbered where they are taken, at its boundaries, so that a later one has a greater *epoch*. They
//! may reach the store by two ways, the microthread's and that of the actor's own end, and one may be overtaken: so they
//! go through a lock, and one that is older than what was saved last is left out.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tracing::Level;

use super::capture::{Asks, capture};
use super::error::{RestoreError, SnapshotError};
use super::restore::{Thawed, start_again, start_with, thaw};
use super::traits::Snapshot;
use crate::actor::{Addr, AtEnd, Boundary, Host};
use crate::image::{Image, Limits};
use crate::observe::{Event, Who};
use crate::registry::SpawnOptions;
use crate::rt::{task, wait};
use crate::store::{Store, StoreError};
use crate::sync::Mutex;
use crate::system::System;

/// When snapshots of an actor are saved, and where: under one name in a [`Store`]. See [the module](crate::snapshot#policies).
///
/// A handle: clones are the same policy. It is of one actor, or of one child through its lives.
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::SpawnOptions;
/// use actor_core::snapshot::SnapshotPolicy;
/// use actor_core::store::MemoryStore;
/// use std::sync::Arc;
/// use std::time::Duration;
/// # #[actor(snapshot)]
/// # struct Counter { n: u64 }
/// # #[actor]
/// # impl Counter {
/// #     pub fn add(&mut self, n: u64) { self.n += n }
/// #     pub fn get(&self) -> u64 { self.n }
/// # }
///
/// let store = Arc::new(MemoryStore::new());
/// let policy = SnapshotPolicy::new(store, "hits").every(Duration::from_secs(5)).on_stop();
///
/// let sys = System::new()?;
/// let hits = sys.restore_or_spawn(&policy, SpawnOptions::new(), || Counter { n: 0 })?;
/// hits.tell().add(3)?;
/// hits.ask().get()?;
/// hits.stop();
/// hits.join(); // it is saved
///
/// let hits = sys.restore_or_spawn(&policy, SpawnOptions::new(), || Counter { n: 0 })?;
/// assert_eq!(hits.ask().get()?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "a policy does nothing until an actor is started with it"]
pub struct SnapshotPolicy {
    kept: Arc<Kept>,
    every: Option<Duration>,
    on_stop: bool,
}

/// What the clones of a policy share.
struct Kept {
    store: Arc<dyn Store>,
    name: Arc<str>,
    limits: Limits,
    /// The epoch of the last image taken.
    epoch: AtomicU64,
    /// The last image saved.
    saved: Mutex<Option<Image>>,
}

impl fmt::Debug for SnapshotPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotPolicy")
            .field("name", &self.kept.name)
            .field("every", &self.every)
            .field("on_stop", &self.on_stop)
            .finish_non_exhaustive()
    }
}

impl SnapshotPolicy {
    /// In `store`, under `name`, at no time yet.
    pub fn new(store: Arc<dyn Store>, name: impl Into<Arc<str>>) -> Self {
        SnapshotPolicy {
            kept: Arc::new(Kept {
                store,
                name: name.into(),
                limits: Limits::default(),
                epoch: AtomicU64::new(0),
                saved: Mutex::new(None),
            }),
            every: None,
            on_stop: false,
        }
    }

    /// Sets what an image may be at most, which the store must allow too when it reads. Before the policy is cloned.
    ///
    /// # Panics
    /// If it has been cloned.
    #[track_caller]
    pub fn limits(mut self, limits: Limits) -> Self {
        let kept = Arc::get_mut(&mut self.kept).expect("limits are set before a policy is cloned");
        kept.limits = limits;
        self
    }

    /// So often, counted from the beginning of one save to that of the next; at once, if a save takes longer than that. An image
    /// that is the same as the last is not saved again. It takes a microthread, which waits for the actor and for the store in its
    /// place.
    ///
    /// A save takes a time of its own, from when the actor writes its image to when the store has it. So what the actor had done
    /// is there after a crash if that was longer ago than `period` and the time of one save; of two saves, where one takes longer
    /// than `period`. A store that fails is an [`Event::SnapshotFailed`], and adds to it until it does not.
    ///
    /// # Panics
    /// If it is zero.
    #[track_caller]
    pub fn every(mut self, period: Duration) -> Self {
        assert!(!period.is_zero(), "a period is longer than zero");
        self.every = Some(period);
        self
    }

    /// Whenever a life of the actor ends at a message boundary.
    pub fn on_stop(mut self) -> Self {
        self.on_stop = true;
        self
    }

    /// Has snapshots of an actor saved. Before it runs.
    pub(super) fn attach<A: Snapshot>(&self, addr: &Addr<A>, host: &Arc<Host>) {
        if self.on_stop {
            addr.at_end(Box::new(LastAct(self.kept.clone())));
        }
        if let Some(every) = self.every {
            let (kept, of) = (self.kept.clone(), addr.clone());
            let spawned = task::spawn(&host.core, task::Options::default(), move || {
                keep(&kept, &of, every);
            });
            if let Err(error) = spawned {
                self.kept.report(host, addr.who(), &error);
            }
        }
    }

    /// What was saved last, as an actor that has not started. `None` if there is nothing, or only what is damaged.
    pub(super) fn last<A: Snapshot>(&self, host: &Host) -> Result<Option<Thawed<A>>, RestoreError> {
        let kept = &self.kept;
        let (image, damaged) = match kept.store.load(&kept.name) {
            Ok(loaded) => (loaded.image, loaded.damaged),
            Err(StoreError::Damaged(damaged)) => (None, damaged),
            Err(error) => return Err(RestoreError::Store(error)),
        };
        for damaged in damaged {
            host.core
                .events
                .emit(Level::WARN, || Event::SnapshotDamaged {
                    name: kept.name.clone(),
                    damaged: damaged.to_string().into(),
                    older: image.is_some(),
                });
        }
        let Some(image) = image else {
            return Ok(None);
        };
        let epoch = image.head().epoch_number();
        kept.epoch.fetch_max(epoch, Ordering::Relaxed);
        let thawed = thaw(&image, Vec::new())?;
        let mut saved = kept.saved.lock().unwrap_or_else(PoisonError::into_inner);
        *saved = Some(image);
        Ok(Some(thawed))
    }
}

impl Kept {
    fn take<A: Snapshot>(&self, actor: &Boundary<'_, A>) -> Result<Image, SnapshotError> {
        let epoch = self.epoch.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(capture(actor, epoch, Asks::Out, &self.limits)?.image)
    }

    /// Saves an image, unless it says nothing new.
    fn save(&self, image: Image) -> Result<(), StoreError> {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = saved.as_ref().is_none_or(|last| {
            image.head().epoch_number() > last.head().epoch_number()
                && image.payload() != last.payload()
        });
        if is_new {
            self.store.save(&self.name, &image)?;
            *saved = Some(image);
        }
        Ok(())
    }

    /// Saves what was taken of an actor, or reports why not.
    fn keep<A: Snapshot>(&self, taken: Result<Image, SnapshotError>, addr: &Addr<A>) {
        let failed: Box<dyn fmt::Display> = match taken.map(|image| self.save(image)) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => Box::new(error),
            Err(error) => Box::new(error),
        };
        self.report(addr.host(), addr.who(), &*failed);
    }

    fn report(&self, host: &Host, who: Who, error: &dyn fmt::Display) {
        host.core
            .events
            .emit(Level::WARN, || Event::SnapshotFailed {
                who,
                name: self.name.clone(),
                error: error.to_string().into(),
            });
    }
}

/// The microthread's: until the actor has ended for good.
fn keep<A: Snapshot>(kept: &Arc<Kept>, addr: &Addr<A>, every: Duration) {
    while addr.is_alive() {
        let mut life = addr.monitor();
        let mut rest = every;
        loop {
            match life.wait_timeout(rest) {
                Ok(None) => {}
                Ok(Some(_)) => break,
                Err(_) => return,
            }
            let begun = wait::now();
            let of = kept.clone();
            let taken = addr.sys().at_boundary(move |actor| of.take(actor));
            match taken {
                // It has just ended, or waits for its next life.
                Err(crate::SysError::Dead) => {}
                Err(error) => kept.report(addr.host(), addr.who(), &error),
                Ok(taken) => kept.keep(taken, addr),
            }
            rest = every.saturating_sub(wait::now().saturating_duration_since(begun));
        }
    }
}

/// Saves an actor as its last act.
struct LastAct(Arc<Kept>);

impl<A: Snapshot> AtEnd<A> for LastAct {
    fn life_ends(&self, actor: &Boundary<'_, A>) {
        let addr = actor.addr();
        self.0.keep(self.0.take(actor), &addr);
    }
}

impl System {
    /// Starts an actor that goes on from the last snapshot of `policy`, or, if there is none, one that `make` makes; later
    /// snapshots of it are saved as the policy says. Returns when its start hook has run.
    ///
    /// It gets the name that the options say, or else those that it had in the snapshot. What is found and what then becomes of
    /// it is said in [the module](crate::snapshot#policies).
    ///
    /// # Errors
    /// [`RestoreError`]: nothing was started, and nothing will be saved over what could not be read.
    ///
    /// # Panics
    /// As [`restore`](Self::restore).
    pub fn restore_or_spawn<A: Snapshot>(
        &self,
        policy: &SnapshotPolicy,
        options: SpawnOptions,
        make: impl FnOnce() -> A,
    ) -> Result<Addr<A>, RestoreError> {
        let host = self.host();
        let attach = |addr: &Addr<A>| policy.attach(addr, host);
        match policy.last::<A>(host)? {
            Some(thawed) if options.name.is_none() => start_again(self, thawed, attach),
            Some(thawed) => start_with(self, thawed, options, attach),
            None => Ok(self.spawn_tied(options, make(), attach)?),
        }
    }
}
