//! Where actors live: a runtime, its name registry, and the slabs of their cells.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Weak};
use std::time::Instant;

use crate::group::Directory;
use crate::observe::DeadLetters;
use crate::registry::Registry;
use crate::rt::by_type::ByType;
use crate::rt::core::Core;
use crate::rt::header::Runnable;
use crate::rt::slab::Slab;
use crate::rt::wait;
use crate::rt::worker::Worker;
use crate::system::Hooks;

use super::addr::Addr;
use super::cell::Cell;
use super::exit::ExitReason;
use super::life;
use super::traits::Actor;
use super::trees::{Names, Trees};

/// What all actors of one system share. Every chunk of cells keeps it alive.
pub(crate) struct Host {
    pub(crate) core: Arc<Core>,
    pub(crate) registry: Registry,
    pub(crate) groups: Directory,
    /// What the system does when it ends, beyond stopping its actors.
    pub(crate) hooks: Hooks,
    trees: Trees,
    pub(crate) dead_letters: DeadLetters,
    slabs: ByType<dyn AnySlab>,
}

pub(super) type CellSlab<A> = Slab<Cell<A>, Arc<Host>>;

/// A slab whatever the type of its cells.
trait AnySlab: Any + Send + Sync {
    fn flush(&self, worker: usize);
    fn stop_all(&self);
    fn stop_and_join_all(&self, deadline: Instant, overdue: &mut Names);
    fn any_alive(&self) -> bool;
    fn living(&self, names: &mut Names);
    fn discard_idle(&self);
    /// The type of its actors.
    fn of(&self) -> TypeId;
}

impl<A: Actor> AnySlab for CellSlab<A> {
    fn flush(&self, worker: usize) {
        // SAFETY: called by `Host::flush`, on that worker's thread.
        unsafe { Slab::flush(self, worker) }
    }

    fn stop_all(&self) {
        self.for_each_live(|cell| stop(&Addr::adopt(cell)));
    }

    fn stop_and_join_all(&self, deadline: Instant, overdue: &mut Names) {
        self.for_each_live(|cell| {
            let addr = Addr::adopt(cell);
            // Asked again: it may be one that a hook has started since the others were asked.
            stop(&addr);
            if !join(&addr, deadline) && !addr.is_supervised() {
                overdue.add(|| addr.who());
            }
        });
    }

    fn any_alive(&self) -> bool {
        let mut any = false;
        self.for_each_live(|cell| any |= Addr::adopt(cell).is_alive());
        any
    }

    fn living(&self, names: &mut Names) {
        self.for_each_live(|cell| {
            let addr = Addr::adopt(cell);
            if addr.is_alive() {
                names.add(|| addr.who());
            }
        });
    }

    fn discard_idle(&self) {
        self.for_each_live(|cell| life::discard_idle(Addr::adopt(cell).cell()));
    }

    fn of(&self) -> TypeId {
        TypeId::of::<A>()
    }
}

/// Asks for the end of an actor that is not a supervisor's to stop, in its order.
fn stop<A: Actor>(addr: &Addr<A>) {
    if !addr.is_supervised() {
        addr.stop_for(ExitReason::Shutdown);
    }
}

/// Whether it has ended, by `deadline` at the latest.
fn join<A: Actor>(addr: &Addr<A>, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(wait::now());
    addr.join_timeout(left).is_some()
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("core", &self.core)
            .finish_non_exhaustive()
    }
}

impl Host {
    pub(crate) fn new(core: Arc<Core>) -> Arc<Self> {
        let host = Arc::new(Host {
            core,
            registry: Registry::default(),
            groups: Directory::default(),
            hooks: Hooks::default(),
            trees: Trees::default(),
            dead_letters: DeadLetters::new(),
            slabs: ByType::default(),
        });
        let weak: Weak<Host> = Arc::downgrade(&host);
        host.core.set_sleep_hook(Box::new(move |worker| {
            if let Some(host) = weak.upgrade() {
                host.flush(worker);
            }
        }));
        host
    }

    /// Gives back the free cells that worker `worker` holds. On its thread.
    fn flush(&self, worker: usize) {
        self.slabs.each(|slab| slab.flush(worker));
    }

    /// The slab of `A`'s cells.
    #[inline]
    pub(super) fn slab<A: Actor>(&self) -> &CellSlab<A> {
        let workers = self.core.config.workers + self.core.config.spares;
        let make = || -> Box<dyn AnySlab> { Box::new(CellSlab::<A>::new(workers)) };
        self.slabs.get_or_make(|slab| slab, make)
    }

    /// Notes a supervisor that has none: when the system ends, such stop one after another, the last noted first.
    pub(crate) fn note_tree<A: Actor>(&self, root: &Addr<A>) {
        self.trees.note(root);
    }

    /// Asks every actor to stop, and waits until all have, or `deadline`. Returns who was asked, and has not by then.
    ///
    /// Actors that nobody supervises are asked all at once, and then the trees one after another, each when the one before
    /// has ended.
    pub(crate) fn stop_all(&self, deadline: Instant) -> Vec<String> {
        let mut overdue = Names::default();
        let now = || self.core.seam.clock().now();
        // Those that end may have started others meanwhile.
        while self.any_alive() && now() < deadline {
            overdue = Names::default();
            let trees = self.trees.take();
            self.slabs.each(|slab| {
                if trees.ty != Some(slab.of()) {
                    slab.stop_all();
                }
            });
            for tree in trees.roots.iter().rev() {
                tree.stop();
                tree.join(deadline);
            }
            self.slabs
                .each(|slab| slab.stop_and_join_all(deadline, &mut overdue));
        }
        if overdue.is_empty() && self.any_alive() {
            // There was no time to ask anybody.
            self.slabs.each(|slab| slab.living(&mut overdue));
        }
        overdue.into()
    }

    /// The actors that have not ended, as far as they are named.
    pub(crate) fn living(&self) -> Vec<String> {
        let mut names = Names::default();
        self.slabs.each(|slab| slab.living(&mut names));
        names.into()
    }

    /// Hands an actor over to whichever worker comes first. From threads that are no workers of this system.
    pub(super) fn inject(&self, runnable: Runnable) {
        self.core.inject(runnable);
        // Read after the push, as `sweep` pops after the runtime was stopped: one of the two sees the other.
        fence(Ordering::SeqCst);
        if self.core.is_stopping() {
            self.sweep();
        }
    }

    /// Ends what no worker will run any more, now that the runtime ends: queue entries that may have come too late for the
    /// last worker, and actors that are idle. Whoever waits for them is told.
    #[cold]
    pub(crate) fn sweep(&self) {
        while let Some(runnable) = self.core.injector.pop() {
            drop(runnable); // discards it
        }
        self.slabs.each(|slab| slab.discard_idle());
    }

    fn any_alive(&self) -> bool {
        let mut any = false;
        self.slabs.each(|slab| any |= slab.any_alive());
        any
    }

    /// An id that no other call returns.
    pub(super) fn next_id(&self) -> u64 {
        Worker::next_id(&self.core)
    }

    /// The worker whose thread this is, if it is one of this system's.
    pub(super) fn worker_here(&self) -> Option<usize> {
        Worker::of(&self.core, |worker| {
            worker.map(|worker| worker.shared().index)
        })
    }
}
