//! A pool's table: which worker is in which slot. See the [module](super).

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::actor::{Actor, Addr, Drained};
use crate::supervision::{DynamicSupervisor, Place};

/// The workers' supervisor: its children are made from the number of their slot.
pub(super) type Workers<A> = DynamicSupervisor<A, usize>;

/// The table; shared by the pool's handles, its supervisor's template and the places of its children.
pub(super) struct Table<A: Actor> {
    state: RwLock<Slots<A>>,
}

/// What is in it.
pub(super) struct Slots<A: Actor> {
    /// One for each slot: its worker, unless it has ended for good and there is no other yet.
    slots: Vec<Option<Addr<A>>>,
    /// How many slots are open. Those behind are being started in, and are nobody's business yet.
    open: usize,
    /// The workers, in the order of their slots.
    workers: Arc<[Addr<A>]>,
    /// Once it has started.
    supervisor: Option<Workers<A>>,
}

impl<A: Actor> Table<A> {
    pub(super) fn new(size: usize) -> Arc<Self> {
        Arc::new(Self {
            state: RwLock::new(Slots {
                slots: vec![None; size],
                open: size,
                workers: Arc::new([]),
                supervisor: None,
            }),
        })
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Slots<A>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Slots<A>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of slot number `slot`.
    pub(super) fn place(self: &Arc<Self>, slot: usize) -> Arc<dyn Place<A>> {
        let table = self.clone();
        Arc::new(SlotPlace { table, slot })
    }

    /// The supervisor has started, or another after it.
    pub(super) fn opened(&self, supervisor: Workers<A>) {
        let former = self.write().supervisor.replace(supervisor);
        drop(former); // after the lock
    }

    /// Changes the slots with `change`. What that returns, and the former list of workers, is dropped after the lock.
    fn change<R>(&self, change: impl FnOnce(&mut Slots<A>) -> R) -> R {
        let (result, _former) = {
            let mut state = self.write();
            let result = change(&mut state);
            let workers = state.each().filter_map(|(_, worker)| worker).cloned();
            let workers = workers.collect();
            (result, std::mem::replace(&mut state.workers, workers))
        };
        result
    }

    /// One slot more, which is not open yet. Its number.
    pub(super) fn add(&self) -> usize {
        self.change(|state| {
            state.slots.push(None);
            state.slots.len() - 1
        })
    }

    /// Opens all slots.
    pub(super) fn open(&self) {
        self.change(|state| state.open = state.slots.len());
    }

    /// Takes the slots from number `size` on away, and gives their workers.
    pub(super) fn cut(&self, size: usize) -> Vec<Addr<A>> {
        let cut = self.change(|state| {
            state.open = state.open.min(size);
            state.slots.split_off(size.min(state.slots.len()))
        });
        cut.into_iter().flatten().collect()
    }
}

impl<A: Actor> Slots<A> {
    pub(super) fn size(&self) -> usize {
        self.open
    }

    pub(super) fn get(&self, slot: usize) -> Option<&Addr<A>> {
        self.slots[..self.open].get(slot)?.as_ref()
    }

    /// Each slot with its worker, if it has one.
    pub(super) fn each(&self) -> impl Iterator<Item = (usize, Option<&Addr<A>>)> {
        self.slots[..self.open]
            .iter()
            .map(Option::as_ref)
            .enumerate()
    }

    pub(super) fn workers(&self) -> &Arc<[Addr<A>]> {
        &self.workers
    }

    pub(super) fn supervisor(&self) -> Option<&Workers<A>> {
        self.supervisor.as_ref()
    }
}

/// See [`Table::place`].
struct SlotPlace<A: Actor> {
    table: Arc<Table<A>>,
    slot: usize,
}

impl<A: Actor> Place<A> for SlotPlace<A> {
    fn taken(&self, addr: &Addr<A>) {
        let has_slot = self.table.change(|state| {
            let slot = state.slots.get_mut(self.slot)?;
            Some(slot.replace(addr.clone()))
        });
        if has_slot.is_none() {
            self.table.let_go(addr); // cut while its worker was about to start
        }
    }

    fn left(&self, addr: &Addr<A>) {
        self.table.change(|state| {
            let slot = state.slots.get_mut(self.slot)?;
            // Its successor may be there already.
            slot.take_if(|held| held == addr)
        });
    }
}

impl<A: Actor> Table<A> {
    /// Has a worker that is in no slot any more end, once it has handled what it has.
    pub(super) fn let_go(&self, worker: &Addr<A>) {
        let supervisor = self.read().supervisor.clone();
        if let Some(supervisor) = supervisor {
            worker.when_drained(Arc::new(LetGo { supervisor }));
        }
    }
}

/// Tells the supervisor when a worker has handled what it had.
struct LetGo<A> {
    supervisor: Workers<A>,
}

impl<A: Actor> Drained for LetGo<A> {
    fn drained(&self, actor: u64) {
        self.supervisor.release(actor);
    }
}

impl<A: Actor> fmt::Debug for Table<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.read();
        f.debug_struct("Table")
            .field("size", &state.slots.len())
            .field("workers", &state.workers.len())
            .finish_non_exhaustive()
    }
}
