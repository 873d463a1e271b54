//! Who waits for the ring to become empty, and whose budget counts.
//!
//! Runs nest: a microthread may call `run` itself. Each waits in a stack of *watchers*; when the ring becomes empty the
//! innermost goes on. At most one budget counts, that of the outermost run that has one: inner ones behave as if they
//! had none.
//!
//! # How a budget is used up
//! A switch uses up one point, and so does a checkpoint; but a budget for each slice begins anew at a switch. What is used up
//! shows as:
//! - *expired* (soft): the loop ends the run before it resumes the next one, unless the switch was that of a hand-over;
//! - *pending* (hard): the current one may not be interrupted here. It is once it may; or else, if the budget is one for the
//!   whole run, whoever is next is, before it goes on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::sys::clock::Clock;

use super::budget::{Budget, Outcome, RunResult};
use super::handle::TaskletRef;
use super::inner::Inner;
use super::task::{Status, Task};

/// The clock is looked at once in so many points at most,
const LOOK_MAX: u64 = 16;
/// and at each one once so much of the budget has gone by between two looks.
const SHARE: u32 = 64;

struct Watcher {
    /// `None`: whoever drives the scheduler from outside.
    task: Option<Rc<Task>>,
    /// It goes on waiting while somebody may be woken.
    waits: bool,
}

struct Timed {
    /// Whose budget it is, as an index of the watchers.
    watcher: usize,
    budget: Budget,
    used: u64,
    since: Option<Instant>,
    /// When to look at the clock, as a value of `used`, and how many points after the last look that is.
    look_at: u64,
    stride: u64,
    looked: Option<Instant>,
    expired: bool,
    pending: bool,
}

impl Timed {
    fn begin(&mut self, now: Option<Instant>) {
        self.used = 0;
        (self.since, self.looked) = (now, now);
        (self.look_at, self.stride) = (1, 1);
        self.pending = false;
    }

    /// Another point. Whether the budget is used up.
    fn use_up(&mut self, clock: &Clock) -> bool {
        self.used += 1;
        if self.budget.points.is_some_and(|points| self.used > points) {
            return true;
        }
        self.used >= self.look_at && self.is_over_time(clock)
    }

    fn is_over_time(&mut self, clock: &Clock) -> bool {
        let (Some(time), Some(since), Some(looked)) = (self.budget.time, self.since, self.looked)
        else {
            return false;
        };
        let now = clock.now();
        self.stride = match now - looked > time / SHARE {
            true => 1,
            false => (2 * self.stride).min(LOOK_MAX),
        };
        self.look_at = self.used + self.stride;
        self.looked = Some(now);
        now - since >= time
    }
}

/// See the [module](self).
#[derive(Default)]
pub(super) struct Watch {
    watchers: RefCell<Vec<Watcher>>,
    root_result: RefCell<Option<RunResult>>,
    has_root_result: Cell<bool>,
    timed: RefCell<Option<Timed>>,
    has_budget: Cell<bool>,
}

impl Watch {
    pub(super) fn depth(&self) -> usize {
        self.watchers.borrow().len()
    }

    /// A run begins: of `task`, or from outside.
    pub(super) fn push(
        &self,
        task: Option<Rc<Task>>,
        waits: bool,
        budget: Option<Budget>,
        clock: &Clock,
    ) {
        let mut watchers = self.watchers.borrow_mut();
        watchers.push(Watcher { task, waits });
        let mut timed = self.timed.borrow_mut();
        if let (Some(budget), None) = (budget, &*timed) {
            let mut new = Timed {
                watcher: watchers.len() - 1,
                budget,
                used: 0,
                since: None,
                look_at: 0,
                stride: 0,
                looked: None,
                expired: false,
                pending: false,
            };
            new.begin(budget.time.map(|_| clock.now()));
            *timed = Some(new);
            self.has_budget.set(true);
        }
    }

    /// The innermost waits no more.
    fn pop(&self) -> Option<Watcher> {
        let mut watchers = self.watchers.borrow_mut();
        let popped = watchers.pop();
        let mut timed = self.timed.borrow_mut();
        if timed
            .as_ref()
            .is_some_and(|timed| timed.watcher >= watchers.len())
        {
            // The budget of a run that is over counts no more.
            *timed = None;
            self.has_budget.set(false);
        }
        popped
    }

    pub(super) fn innermost_waits(&self) -> bool {
        self.watchers.borrow().last().is_some_and(|w| w.waits)
    }

    #[inline]
    pub(super) fn take_root_result(&self) -> Option<RunResult> {
        if self.has_root_result.replace(false) {
            self.root_result.borrow_mut().take()
        } else {
            None
        }
    }

    #[inline]
    pub(super) fn has_budget(&self) -> bool {
        self.has_budget.get()
    }

    /// Whether a soft budget is used up, so that the next switch ends its run.
    pub(super) fn has_expired(&self) -> bool {
        self.has_budget.get()
            && self
                .timed
                .borrow()
                .as_ref()
                .is_some_and(|timed| timed.expired)
    }

    fn is_pending(&self) -> bool {
        self.timed
            .borrow()
            .as_ref()
            .is_some_and(|timed| timed.pending)
    }

    /// A point. `true`: the current one is to be interrupted now.
    fn charge(&self, clock: &Clock, may_interrupt: bool) -> bool {
        let mut timed = self.timed.borrow_mut();
        let Some(timed) = &mut *timed else {
            return false;
        };
        if !timed.use_up(clock) {
            return false;
        }
        if timed.budget.soft {
            timed.expired = true;
            return false;
        }
        timed.pending = !may_interrupt;
        may_interrupt
    }

    /// A switch. Gives how long the slice before has been, if it took much longer than it should.
    fn switch(&self, clock: &Clock) -> Option<Duration> {
        let mut timed = self.timed.borrow_mut();
        let timed = timed.as_mut()?;
        if timed.budget.total {
            if timed.use_up(clock) {
                match timed.budget.soft {
                    true => timed.expired = true,
                    false => timed.pending = true,
                }
            }
            return None;
        }
        let now = timed.budget.time.map(|_| clock.now());
        let took = now.zip(timed.since).map(|(now, since)| now - since);
        timed.begin(now);
        took.filter(|took| timed.budget.time.is_some_and(|time| *took >= 2 * time))
    }
}

impl Inner {
    /// The innermost run ends: who called it goes on next.
    pub(super) fn end_innermost(&self, result: RunResult) {
        match self.watch.pop() {
            Some(Watcher {
                task: Some(task), ..
            }) => {
                *task.outcome.borrow_mut() = Some(result);
                self.make_scheduled(&task);
                self.ring.borrow_mut().turn_to(task.slot.get());
            }
            Some(Watcher { task: None, .. }) => {
                *self.watch.root_result.borrow_mut() = Some(result);
                self.watch.has_root_result.set(true);
            }
            None => {}
        }
    }

    /// The run whose budget is used up ends. Runs inside it are over, too: their callers become ready.
    fn end_timed(&self, result: RunResult) {
        let at = self.watch.timed.borrow().as_ref().map(|t| t.watcher);
        if let Some(at) = at {
            self.release_watchers(at + 1);
            self.end_innermost(result);
        }
    }

    /// Those who began to wait in a run after the first `depth` wait no more.
    pub(super) fn release_watchers(&self, depth: usize) {
        while self.watch.depth() > depth {
            if let Some(task) = self.watch.pop().and_then(|watcher| watcher.task) {
                *task.outcome.borrow_mut() = Some(Ok(Outcome::Done));
                self.make_scheduled(&task);
            }
        }
    }

    /// `task`, which waits in a run, is woken for another reason: its run, and those that were begun inside it, are over.
    pub(super) fn leave_run(&self, task: &Task) {
        let is_its = |watcher: &Watcher| {
            watcher
                .task
                .as_deref()
                .is_some_and(|t| std::ptr::eq(t, task))
        };
        let at = self.watch.watchers.borrow().iter().position(is_its);
        if let Some(at) = at {
            self.release_watchers(at);
        }
    }

    /// Before the microthread in `slot` goes on: whether a budget is used up, and its run over.
    #[cold]
    pub(super) fn budget_ends(&self, slot: u32) -> bool {
        if self.handing_over.get() {
            return false;
        }
        if self.watch.has_expired() {
            self.end_timed(Ok(Outcome::Expired));
            return true;
        }
        let task = self.tasks.borrow()[slot as usize].clone();
        match task {
            Some(task) if self.watch.is_pending() && self.may_interrupt(&task) => {
                self.ring.borrow_mut().remove(slot);
                task.status.set(Status::Paused);
                self.end_timed(Ok(Outcome::Interrupted(TaskletRef::of(&task))));
                true
            }
            _ => false,
        }
    }

    /// A microthread has been left.
    #[cold]
    pub(super) fn charge_switch(&self, task: &Task) {
        if let Some(took) = self.watch.switch(&self.clock) {
            let (id, name) = (task.header.id(), task.name.as_deref());
            tracing::warn!(
                target: "actor_core::local", id, name, ?took,
                "held its scheduler for more than twice the budget of a slice; put checkpoints into it"
            );
        }
    }

    /// A point at which the current microthread may be interrupted.
    #[inline]
    pub(super) fn point(&self) {
        if self.watch.has_budget.get() {
            self.charge_point();
        }
    }

    #[cold]
    fn charge_point(&self) {
        let task = self.current();
        if self.watch.charge(&self.clock, self.may_interrupt(&task)) {
            self.interrupt_current(&task);
        }
    }

    /// A point at which it may not be.
    #[inline]
    pub(super) fn point_in_between(&self) {
        if self.watch.has_budget.get() {
            let _ = self.watch.charge(&self.clock, false);
        }
    }

    /// A pass of a migratable function's loop. `true`: it is to be suspended there.
    pub(super) fn pass(&self) -> bool {
        if self.is_driver_ending() {
            self.attention.set(true);
            return true;
        }
        let task = self.current.borrow().clone();
        match task {
            Some(task) if self.watch.has_budget.get() && task.own.get().is_some() => {
                self.point_in_between();
                self.watch.is_pending() && self.may_interrupt(&task)
            }
            _ => {
                match self.may_switch() {
                    Ok(()) => self.point(),
                    Err(_) => self.point_in_between(),
                }
                false
            }
        }
    }

    /// The current one, which owns no stack, yields. `true`: it goes on at once, as there is nobody else. If not, the stack is to be left,
    /// and the ring is as it should be.
    pub(super) fn goes_on_alone(&self, task: &Rc<Task>) -> bool {
        let may_interrupt = self.may_interrupt(task);
        let interrupted = self.watch.has_budget.get() && {
            let alone = self.ring.borrow().len() == 1 && !self.watch.has_expired();
            let used_up = alone && self.watch.charge(&self.clock, may_interrupt);
            used_up || self.watch.is_pending() && may_interrupt
        };
        if interrupted {
            self.take_off_ring(task);
            return false;
        }
        if self.ring.borrow().len() > 1 || self.watch.has_expired() {
            self.ring.borrow_mut().rotate();
            return false;
        }
        self.is_soon_back()
    }

    fn may_interrupt(&self, task: &Task) -> bool {
        task.atomic.get() == 0 && self.switch_trap.get() == 0
    }

    /// An atomic section or a trap of the current one has ended: what was kept back happens now.
    pub(super) fn end_of_section(&self) {
        if !self.watch.has_budget.get() || self.may_switch().is_err() {
            return;
        }
        let task = self.current();
        if self.watch.is_pending() && self.may_interrupt(&task) {
            self.interrupt_current(&task);
        }
    }

    fn interrupt_current(&self, task: &Rc<Task>) {
        self.take_off_ring(task);
        self.leave();
    }

    /// The current one is interrupted: the run whose budget it has used up is over.
    fn take_off_ring(&self, task: &Rc<Task>) {
        self.ring.borrow_mut().remove(task.slot.get());
        task.status.set(Status::Paused);
        self.end_timed(Ok(Outcome::Interrupted(TaskletRef::of(task))));
    }
}
