//! How the layers below and beside find the scheduler they run under: parking, waiting, handing over.

use std::sync::Arc;
use std::time::Instant;

use crate::rt::park::{self, Parker};
use crate::rt::wait::{Ended, Interrupt, Next};
use crate::sys::clock::Clock;

use super::hooks::in_hook;
use super::inner::{Inner, here, on_stack};
use super::shared::Shared;
use super::task::Task;

/// A parked stack of `home` has been unparked. From any thread.
pub(crate) fn wake(home: &Arc<Shared>, parker: &'static Parker) {
    let mine = here(|inner| match inner {
        Some(inner) if Arc::ptr_eq(&inner.shared, home) => {
            inner.make_ready(parker);
            true
        }
        _ => false,
    });
    if !mine {
        // Its own reference: once pushed, the stack may run and end, and its scheduler with it.
        Arc::clone(home).wake(parker);
    }
}

/// Waits for the permit of `parker`, the caller's, off its stack.
#[inline(always)]
pub(crate) fn suspend_parked(parker: &'static Parker, deadline: Option<Instant>) {
    on_stack(|inner| inner.suspend_parked(parker, deadline));
}

/// Lets the others run once, unless switching is trapped.
#[inline(always)]
pub(crate) fn yield_now() {
    on_stack(|inner| {
        if inner.may_switch().is_ok() {
            inner.let_others();
        }
    });
}

/// As [`yield_now`], and leaves the stack also where there is nobody else.
pub(crate) fn let_go() {
    on_stack(|inner| {
        if inner.may_switch().is_ok() {
            inner.ring.borrow_mut().rotate();
            inner.leave();
        }
    });
}

/// A scheduling point that does not switch, unless a budget is used up or whoever drives the scheduler is to end.
pub(crate) fn checkpoint() {
    on_stack(|inner| {
        if inner.is_driver_ending() && inner.may_switch().is_ok() {
            inner.attention.set(true);
            inner.leave();
        }
        match park::may_suspend() {
            true => inner.point(),
            false => inner.point_in_between(),
        }
    });
}

/// What runs on this thread has had a whole turn (`rt::preempt`). `false`: it is not in a local scheduler.
pub(crate) fn turn_is_over() -> bool {
    here(|inner| {
        if let Some(inner) = inner {
            inner.attention.set(true);
        }
        inner.is_some()
    })
}

/// A pass of a migratable function's loop: a scheduling point. `Some(true)`: it is to be suspended there. `None`: it is not in a local
/// scheduler.
pub(crate) fn pass() -> Option<bool> {
    here(|inner| inner.map(Inner::pass))
}

/// Whether the caller's switches are trapped. On a stack of a local scheduler.
pub(crate) fn is_trapped() -> bool {
    on_stack(|inner| inner.switch_trap.get() > 0)
}

/// See `rt::wait::wait`.
pub(crate) fn wait(parker: &'static Parker, deadline: Option<Instant>) -> Result<(), Ended> {
    /// Also when a kill unwinds.
    struct Fallible<'a>(&'a Task);
    impl Drop for Fallible<'_> {
        fn drop(&mut self) {
            self.0.fallible.set(false);
        }
    }
    park::check_stack();
    let task = on_stack(Inner::current);
    if !parker.has_permit() {
        let allowed = on_stack(|inner| inner.may_block(&task, deadline));
        if !allowed.map_err(Ended::Interrupted)? {
            return Ok(());
        }
    }
    task.deadlocked.set(false);
    task.fallible.set(true);
    let in_time = {
        let _fallible = Fallible(&task);
        park::park_until(deadline)
    };
    if task.deadlocked.replace(false) {
        Err(Ended::Interrupted(Interrupt::Deadlock))
    } else if in_time {
        Ok(())
    } else {
        Err(Ended::TimedOut)
    }
}

/// See `rt::wait::may_hand_over`.
pub(crate) fn may_hand_over(next: Next) -> Result<(), Interrupt> {
    if in_hook() {
        return Err(Interrupt::SwitchTrap);
    }
    here(|inner| match inner {
        Some(inner) if next != Next::Caller && inner.switch_trap.get() > 0 => {
            Err(Interrupt::SwitchTrap)
        }
        _ => Ok(()),
    })
}

/// See `rt::wait::hand_over`. `false`: the partner is not the scheduler's, or the caller is not.
#[inline]
pub(crate) fn hand_over(partner: &'static Parker, next: Next) -> bool {
    here(|inner| inner.is_some_and(|inner| inner.hand_over(partner, next)))
}

impl Inner {
    fn hand_over(&self, partner: &'static Parker, next: Next) -> bool {
        if !partner.belongs_to(&self.shared) {
            return false;
        }
        self.point_in_between();
        let woken = partner.unpark_in_place();
        let may_switch = self.may_switch().is_ok();
        match next {
            // It may have been woken before, by a kill or the like.
            Next::Partner if may_switch && (woken || self.is_scheduled(partner)) => {
                self.make_next(partner);
            }
            _ => {
                if woken {
                    self.make_ready(partner);
                }
                if next != Next::Successor || !may_switch {
                    return true;
                }
                self.ring.borrow_mut().rotate();
            }
        }
        self.handing_over.set(true);
        self.leave();
        park::raise_kill_if_due();
        true
    }
}

/// One of `n` candidates, on one of its stacks: random enough to be fair, and the same in each run.
pub(crate) fn choose(n: usize) -> Option<usize> {
    here(|inner| {
        let mut rng = fastrand::Rng::with_seed(inner?.choices.get());
        let chosen = rng.usize(..n.max(1));
        inner?.choices.set(rng.get_seed());
        Some(chosen)
    })
}

/// The scheduler's clock, on one of its stacks.
pub(crate) fn clock() -> Option<Clock> {
    here(|inner| inner.map(|inner| inner.clock.clone()))
}

/// The time by the scheduler's clock, on one of its stacks.
#[inline]
pub(crate) fn now() -> Option<Instant> {
    here(|inner| inner.map(|inner| inner.clock.now()))
}
