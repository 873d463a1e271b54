//! The scheduler's inside: who there is, and the moves between ring, pause and block.
//!
//! Everything here runs on one thread. No borrow of a cell is held across a switch or while code of the user's runs.
//! The current microthread is the head of the ring whenever code of the user's runs in it; who takes it out, or turns the
//! ring, leaves its stack at once.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::ptr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crate::rt::park::{self, Parker};
use crate::rt::timer::Timers;
use crate::rt::wait::Interrupt;
use crate::stack::{self, Pool};
use crate::sys::clock::Clock;

use super::drive;
use super::handle::TaskletRef;
use super::hooks::Hooks;
use super::ring::Ring;
use super::shared::Shared;
use super::task::{NO_SLOT, Status, Task, Work};
use super::watch::Watch;

/// Why a stack came back to the loop.
pub(super) enum Handoff {
    /// Its task has left the ring, or goes on later.
    Suspended,
    /// Nothing is on it any more.
    Idle,
}

/// What a [`Scheduler`](super::Scheduler) is made with.
pub(super) struct Setup {
    pub(super) stacks: Arc<stack::Shared>,
    pub(super) clock: Clock,
    /// The clock is virtual and this scheduler moves it.
    pub(super) moves_clock: bool,
    /// Whether to wait for other threads where that may help, instead of speaking of a deadlock.
    pub(super) waits_for_threads: bool,
}

pub(super) struct Inner {
    pub(super) me: Weak<Inner>,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Clock,
    pub(super) moves_clock: bool,
    pub(super) waits_for_threads: bool,
    pub(super) pool: RefCell<Option<Pool>>,
    pub(super) ring: RefCell<Ring>,
    pub(super) tasks: RefCell<Vec<Option<Rc<Task>>>>,
    free: RefCell<Vec<u32>>,
    pub(super) timers: RefCell<Timers<&'static Parker>>,
    pub(super) current: RefCell<Option<Rc<Task>>>,
    pub(super) main: RefCell<Option<Rc<Task>>>,
    pub(super) watch: Watch,
    pub(super) hooks: Hooks,
    /// What other threads have handles of, by number.
    pub(super) remotes: RefCell<BTreeMap<u64, TaskletRef>>,
    pub(super) handoff: Cell<Option<Handoff>>,
    /// What the stack that is about to start shall run.
    pub(super) first: RefCell<Option<(Rc<Task>, Work)>>,
    /// How many are blocked in waits that cannot be interrupted and have no deadline: something outside is to end them.
    pub(super) foreign: Cell<usize>,
    pub(super) switch_trap: Cell<u32>,
    /// The switch under way is that of a hand-over.
    pub(super) handing_over: Cell<bool>,
    pub(super) driving: Cell<bool>,
    /// The owner has dropped it in the middle of a drive.
    pub(super) abandoned: Cell<bool>,
    /// The parker of the code that drives, if that is on a stack of ours.
    pub(super) driver: Cell<Option<&'static Parker>>,
    /// The scheduler that runs the code that drives.
    pub(super) outer: Cell<*const Inner>,
    /// The loop shall look outside before it goes on.
    pub(super) attention: Cell<bool>,
    /// The loop waits where it is driven, and others on its thread run meanwhile.
    pub(super) waits_outside: Cell<bool>,
    next_id: Cell<u64>,
    pub(super) switches: Cell<u32>,
    /// The state of the generator that chooses among equals, for `select`.
    pub(super) choices: Cell<u64>,
}

thread_local! {
    /// The scheduler whose stack runs on this thread.
    static CURRENT: Cell<*const Inner> = const { Cell::new(ptr::null()) };
}

/// Calls `f` with the scheduler one of whose stacks was resumed last, and is not left: whose code, or code that this runs, is
/// what calls. `f` may switch: a scheduler outlives each stack of its that runs.
#[inline]
pub(super) fn here<R>(f: impl FnOnce(Option<&Inner>) -> R) -> R {
    // SAFETY: set by `entered` for as long as it borrows the scheduler. A switch leaves that frame alone: it lies below the
    // stack that calls, which is resumed from nowhere else.
    f(unsafe { CURRENT.get().as_ref() })
}

/// As [`here`], on a stack of a local scheduler.
#[inline]
pub(super) fn on_stack<R>(f: impl FnOnce(&Inner) -> R) -> R {
    here(|inner| f(inner.expect("on a stack of a local scheduler")))
}

/// The scheduler that [`here`] gives, to be followed while that one's stack is not left.
pub(super) fn here_raw() -> *const Inner {
    CURRENT.get()
}

impl Inner {
    pub(super) fn new(me: Weak<Inner>, setup: Setup) -> Inner {
        Inner {
            me,
            shared: Arc::new(Shared::new()),
            pool: RefCell::new(Some(Pool::new(setup.stacks, drive::body))),
            timers: RefCell::new(Timers::new(setup.clock.now())),
            clock: setup.clock,
            moves_clock: setup.moves_clock,
            waits_for_threads: setup.waits_for_threads,
            ring: RefCell::new(Ring::new()),
            tasks: RefCell::default(),
            free: RefCell::default(),
            current: RefCell::default(),
            main: RefCell::default(),
            watch: Watch::default(),
            hooks: Hooks::default(),
            remotes: RefCell::default(),
            handoff: Cell::new(None),
            first: RefCell::default(),
            foreign: Cell::new(0),
            switch_trap: Cell::new(0),
            handing_over: Cell::new(false),
            driving: Cell::new(false),
            abandoned: Cell::new(false),
            driver: Cell::new(None),
            outer: Cell::new(ptr::null()),
            attention: Cell::new(false),
            waits_outside: Cell::new(false),
            next_id: Cell::new(1),
            switches: Cell::new(0),
            choices: Cell::new(0),
        }
    }

    pub(super) fn next_id(&self) -> u64 {
        self.next_id.replace(self.next_id.get() + 1)
    }

    /// Calls `f`, which resumes a stack of this scheduler's, as [`here`].
    #[inline]
    pub(super) fn entered<R>(&self, f: impl FnOnce() -> R) -> R {
        let before = CURRENT.replace(self);
        let result = f();
        CURRENT.set(before);
        result
    }

    /// Whose stack runs.
    #[inline]
    pub(super) fn current(&self) -> Rc<Task> {
        let current = self.current.borrow();
        current.clone().expect("something runs")
    }

    #[inline]
    pub(super) fn is_current(&self, task: &Task) -> bool {
        let current = self.current.borrow();
        current.as_deref().is_some_and(|t| ptr::eq(t, task))
    }

    /// Whether the caller runs in one of this scheduler's microthreads, and may leave its stack.
    pub(super) fn is_inside(&self) -> bool {
        here(|inner| inner.is_some_and(|inner| ptr::eq(inner, self))) && park::may_suspend()
    }

    /// Whether the caller runs where the scheduler is driven, between two switches.
    pub(super) fn is_root(&self) -> bool {
        let same = match (park::on_stack(), self.driver.get()) {
            (Some(here), Some(driver)) => ptr::eq(here, driver),
            (None, None) => true,
            _ => false,
        };
        same && self.current.borrow().is_none()
    }

    // ---- the table -------------------------------------------------------------------------------------------------

    /// Gives the task a slot, and keeps it alive until it ends.
    pub(super) fn adopt(&self, task: &Rc<Task>) {
        let mut tasks = self.tasks.borrow_mut();
        let slot = self.free.borrow_mut().pop().unwrap_or_else(|| {
            tasks.push(None);
            u32::try_from(tasks.len() - 1).expect("fewer than 2^32 microthreads")
        });
        tasks[slot as usize] = Some(task.clone());
        task.slot.set(slot);
        task.status.set(Status::Paused);
    }

    /// The task is this scheduler's no more. Runs no code of the user's.
    pub(super) fn release_slot(&self, task: &Task) {
        let slot = task.slot.replace(NO_SLOT);
        self.ring.borrow_mut().remove(slot);
        task.status.set(Status::Dead);
        let own = self.tasks.borrow_mut()[slot as usize].take();
        self.free.borrow_mut().push(slot);
        // Not the last reference: the caller has one.
        drop(own);
    }

    /// The task has ended, or will never run: whoever waits for that is told.
    pub(super) fn disown(&self, task: &Task) {
        self.release_slot(task);
        if let Some(own) = task.own.take() {
            own.recycle();
        }
        let joiners = std::mem::take(&mut *task.joiners.borrow_mut());
        joiners.into_iter().for_each(Parker::unpark);
        // The loop may be there for the end of this one.
        self.rouse();
    }

    /// Something has changed that the loop has to see. It looks by itself, but where it waits outside; then whoever changes
    /// something is a neighbour: it runs on this thread, but not in this scheduler.
    #[inline]
    fn rouse(&self) {
        if self.waits_outside.get() {
            self.shared.rouse();
        }
    }

    fn task_of(&self, parker: &Parker) -> Rc<Task> {
        let tasks = self.tasks.borrow();
        let task = &tasks[parker.local().index.get()];
        task.clone().expect("a parked stack has a task")
    }

    /// Everybody who is not dead, in the order of their slots.
    pub(super) fn everybody(&self) -> Vec<Rc<Task>> {
        self.tasks.borrow().iter().flatten().cloned().collect()
    }

    pub(super) fn count(&self) -> usize {
        self.tasks.borrow().len() - self.free.borrow().len()
    }

    pub(super) fn is_anybody_blocked(&self) -> bool {
        let tasks = self.tasks.borrow();
        tasks.iter().flatten().any(|task| task.is(Status::Blocked))
    }

    // ---- moves -----------------------------------------------------------------------------------------------------

    /// What is parked has been unparked: it goes to the end of the ring.
    pub(super) fn make_ready(&self, parker: &'static Parker) {
        self.make_scheduled(&self.task_of(parker));
    }

    pub(super) fn make_scheduled(&self, task: &Task) {
        task.status.set(Status::Scheduled);
        self.ring.borrow_mut().push(task.slot.get());
        self.rouse();
    }

    /// A parked stack has been unparked, or is in the ring: it comes right after the current one, which it follows at once.
    pub(super) fn make_next(&self, parker: &'static Parker) {
        let task = self.task_of(parker);
        task.status.set(Status::Scheduled);
        let mut ring = self.ring.borrow_mut();
        ring.remove(task.slot.get());
        ring.push_next(task.slot.get());
        ring.turn_to(task.slot.get());
    }

    /// Whether a parked stack has been unparked, and waits for its turn.
    pub(super) fn is_scheduled(&self, parker: &Parker) -> bool {
        self.task_of(parker).is(Status::Scheduled)
    }

    /// The current one leaves its stack; returns when it is its turn again.
    #[inline(always)]
    pub(super) fn leave(&self) {
        self.handoff.set(Some(Handoff::Suspended));
        stack::suspend();
    }

    /// The current one leaves the ring, for `status`, and its stack.
    #[inline(always)]
    pub(super) fn leave_for(&self, task: &Task, status: Status) {
        self.ring.borrow_mut().remove(task.slot.get());
        task.status.set(status);
        self.leave();
    }

    /// Wakes `task` if it is parked.
    pub(super) fn unpark(&self, task: &Task) {
        if task.is(Status::Blocked)
            && let Some(parker) = task.parked_at()
            && parker.unpark_in_place()
        {
            self.make_scheduled(task);
        }
    }

    /// The current one waits for its parker. See `Worker::suspend_parked`.
    #[inline(always)]
    pub(super) fn suspend_parked(&self, parker: &'static Parker, deadline: Option<Instant>) {
        let task = self.current();
        let timer = deadline.map(|at| self.timers.borrow_mut().insert(at, parker));
        let foreign = usize::from(deadline.is_none() && !task.fallible.get());
        self.foreign.set(self.foreign.get() + foreign);
        self.leave_for(&task, Status::Blocked);
        self.foreign.set(self.foreign.get() - foreign);
        if let Some(timer) = timer {
            let _ = self.timers.borrow_mut().cancel(timer);
        }
    }

    /// Whether somebody who is blocked may yet be woken, though nobody can run.
    pub(super) fn may_be_woken(&self) -> bool {
        !self.timers.borrow().is_empty()
            || self.foreign.get() > 0
            || (self.waits_for_threads
                && (self.is_anybody_blocked() || !self.remotes.borrow().is_empty()))
    }

    /// Whether the current one may block in a wait that can be interrupted. `Ok(false)`: it is to look again at what it waits
    /// for, as destructors may have run on its stack, and their waits may have used up its permit.
    pub(super) fn may_block(
        &self,
        task: &Task,
        deadline: Option<Instant>,
    ) -> Result<bool, Interrupt> {
        if task.block_trap.get() {
            return Err(Interrupt::BlockTrap);
        }
        if self.switch_trap.get() > 0 {
            return Err(Interrupt::SwitchTrap);
        }
        if deadline.is_none() && !self.waits_for_threads && self.seems_last() {
            return match self.arrivals() {
                true => Ok(false),
                false => Err(Interrupt::Deadlock),
            };
        }
        Ok(true)
    }

    /// Whether the current one is the last that can run, and nobody else could be woken or would be, if it could not.
    pub(super) fn is_last(&self) -> bool {
        self.seems_last() && (!self.arrivals() || self.ring.borrow().len() == 1)
    }

    /// As [`is_last`](Self::is_last), before a look at what has arrived.
    fn seems_last(&self) -> bool {
        self.ring.borrow().len() == 1 && self.watch.depth() == 0 && !self.may_be_woken()
    }

    /// Whether the current one may leave its stack of its own will.
    #[inline]
    pub(super) fn may_switch(&self) -> Result<(), Interrupt> {
        self.switchable().map(|_| ())
    }

    /// As [`may_switch`](Self::may_switch), with the parker of its stack.
    #[inline]
    pub(super) fn switchable(&self) -> Result<&'static Parker, Interrupt> {
        match park::suspendable() {
            Some(parker) if self.switch_trap.get() == 0 => Ok(parker),
            _ if thread::panicking() => Err(Interrupt::Unwinding),
            _ => Err(Interrupt::SwitchTrap),
        }
    }

    /// Whether whoever drives shall end, so that the current one should let go.
    pub(super) fn is_driver_ending(&self) -> bool {
        if self.driver.get().is_some_and(Parker::is_ending) {
            return true;
        }
        // SAFETY: one of that scheduler's stacks drives this one, see `here_raw`.
        unsafe { self.outer.get().as_ref() }.is_some_and(Inner::is_driver_ending)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Idle stacks return from their bodies, which give their parkers back.
        drop(self.pool.take());
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("run_count", &self.ring.borrow().len())
            .field("alive", &self.count())
            .finish_non_exhaustive()
    }
}
