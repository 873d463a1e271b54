//! The selection: one of several operations is done. Its protocol is in [`channel::wait`](crate::channel::wait).

use std::time::Instant;

use crate::channel::wait::{Settled, Ticket, Until};
use crate::rt::block_on::Poller;
use crate::rt::park;
use crate::rt::wait::{self, Ended, Interrupt};
use crate::rt::wake::{Wake, Wakes};
use crate::sys::fault::fault;

use super::case::Case;

/// How often a thread looks before it sleeps.
const LOOKS: u32 = 6;

/// Does one of `cases`, and says which; of several that can be done, a random one or, if `biased`, the first. `None`: none
/// could be in time. Without a deadline and with nothing that is enabled it waits for ever, as Go's does.
pub(crate) fn select(cases: &mut [&mut dyn Case], until: Until, biased: bool) -> Option<usize> {
    park::check_stack();
    let mut order: Vec<usize> = (0..cases.len())
        .filter(|&index| cases[index].is_enabled())
        .collect();
    let poller = order
        .iter()
        .any(|&index| cases[index].polls())
        .then(Poller::new);
    if wait::watches_channels()
        && let Err(why) = wait::channel_event(None)
    {
        return interrupt(cases, &order, why);
    }
    let mut until = until;
    let mut looks = match park::on_stack() {
        Some(_) => 0,
        None => LOOKS,
    };
    loop {
        if !biased {
            shuffle(&mut order);
        }
        for &index in &order {
            if cases[index].attempt(poller.as_ref()) {
                park::switch_point();
                return Some(index);
            }
        }
        let deadline = match until {
            Until::Now => return None,
            Until::Deadline(_) if looks > 0 => {
                (0..1 << (LOOKS - looks)).for_each(|_| std::hint::spin_loop());
                looks -= 1;
                continue;
            }
            Until::Deadline(deadline) => deadline,
        };
        let wake = Wake::Parker(park::current());
        let waited = once(cases, &order, wake, |cases, ticket| {
            park(cases, &order, ticket, poller.as_ref(), deadline)
        });
        match waited {
            Waited::Chosen(index) => return Some(index),
            Waited::Again => {}
            Waited::TimedOut => until = Until::Now,
            Waited::Interrupted(why) => {
                if let Some(index) = interrupt(cases, &order, why) {
                    return Some(index);
                }
            }
        }
    }
}

/// The first that can fail with `why` does.
#[cold]
fn interrupt(cases: &mut [&mut dyn Case], order: &[usize], why: Interrupt) -> Option<usize> {
    let mut why = why;
    for &index in order {
        match cases[index].interrupt(why) {
            Ok(()) => return Some(index),
            Err(back) => why = back,
        }
    }
    None
}

/// How a wait has ended.
pub(in crate::channel) enum Waited {
    Chosen(usize),
    /// Something may have changed.
    Again,
    TimedOut,
    Interrupted(Interrupt),
}

/// Steps 1 under all locks, and 2 to 5. `wait` returns when the ticket is settled, or says why it gives up.
pub(in crate::channel) fn once(
    cases: &mut [&mut dyn Case],
    order: &[usize],
    wake: Wake,
    wait: impl FnOnce(&[&mut dyn Case], &Ticket) -> Waited,
) -> Waited {
    let ticket = Ticket::new(false, wake);
    let mut wakes = Wakes::default();
    // SAFETY: the cases are borrowed for all of this function, and the ticket lies in it; `enlisted` retracts every case before
    // it is left.
    if let Some(index) = unsafe { enlist(cases, order, &ticket, &mut wakes) } {
        wakes.fire();
        return Waited::Chosen(index);
    }
    let mut enlisted = Enlisted {
        cases,
        order,
        ticket: &ticket,
    };
    let ended = wait(enlisted.cases, &ticket);
    match (ticket.leave(), ended) {
        (None, ended) => {
            enlisted.retract(None);
            ended
        }
        (Some((how, index)), ended) => {
            if let Waited::Interrupted(why) = ended {
                wait::postpone(why);
            }
            enlisted.settle(how, index)
        }
    }
}

/// Step 1 under all locks: the case that could be done. If none can, step 2.
///
/// # Safety
/// Unless a case has been done, cases and ticket stay where they are until each case in `order` has been retracted, or settled.
pub(super) unsafe fn enlist(
    cases: &mut [&mut dyn Case],
    order: &[usize],
    ticket: &Ticket,
    wakes: &mut Wakes,
) -> Option<usize> {
    let locked = Locked::lock(cases, order);
    for &index in order {
        // SAFETY: its lock is held.
        if unsafe { locked.cases[index].attempt_locked(wakes) } {
            return Some(index);
        }
    }
    for &index in order {
        if fault!("channel_lock_singly") {
            locked.unlock_all();
            locked.lock_all();
        }
        // SAFETY: its lock is held. The rest is the caller's.
        unsafe { locked.cases[index].enlist(ticket, index) };
    }
    None
}

/// Step 4, by parking.
fn park(
    cases: &[&mut dyn Case],
    order: &[usize],
    ticket: &Ticket,
    poller: Option<&Poller>,
    deadline: Option<Instant>,
) -> Waited {
    let interruptible = order.iter().any(|&index| cases[index].takes_interrupts());
    while ticket.settled().is_none() {
        if poller.is_some_and(Poller::take_woken) {
            break;
        }
        let due = order.iter().filter_map(|&index| cases[index].due());
        let first = due.chain(deadline).min();
        let waited = if interruptible {
            wait::wait(first)
        } else if park::park_until(first) {
            Ok(())
        } else {
            Err(Ended::TimedOut)
        };
        match waited {
            Ok(()) => {}
            Err(Ended::Interrupted(why)) => return Waited::Interrupted(why),
            Err(Ended::TimedOut) if first == deadline => return Waited::TimedOut,
            Err(Ended::TimedOut) => break,
        }
    }
    Waited::Again
}

/// A random order (Fisher and Yates), by the choices of the scheduler.
pub(in crate::channel) fn shuffle(order: &mut [usize]) {
    for last in (1..order.len()).rev() {
        order.swap(last, wait::choose(last + 1));
    }
}

/// The locks of all cases, held.
struct Locked<'a, 'c> {
    cases: &'a mut [&'c mut dyn Case],
    /// One case for each lock, in the order of their addresses.
    locks: Vec<usize>,
}

impl<'a, 'c> Locked<'a, 'c> {
    fn lock(cases: &'a mut [&'c mut dyn Case], order: &[usize]) -> Self {
        let mut locks: Vec<usize> = order
            .iter()
            .copied()
            .filter(|&index| cases[index].lock_key() != 0)
            .collect();
        locks.sort_unstable_by_key(|&index| cases[index].lock_key());
        locks.dedup_by_key(|&mut index| cases[index].lock_key());
        let locked = Locked { cases, locks };
        locked.lock_all();
        locked
    }

    fn lock_all(&self) {
        for &index in &self.locks {
            self.cases[index].lock();
        }
    }

    fn unlock_all(&self) {
        for &index in &self.locks {
            // SAFETY: taken by `lock_all`.
            unsafe { self.cases[index].unlock() };
        }
    }
}

impl Drop for Locked<'_, '_> {
    fn drop(&mut self) {
        self.unlock_all();
    }
}

/// The cases, in their lists; takes them out if the wait is unwound.
struct Enlisted<'a, 'c> {
    cases: &'a mut [&'c mut dyn Case],
    order: &'a [usize],
    ticket: &'a Ticket,
}

impl Enlisted<'_, '_> {
    /// Step 5 for all but `chosen`, which a partner has taken out.
    fn retract(&mut self, chosen: Option<usize>) {
        for &index in self.order {
            if Some(index) != chosen {
                self.cases[index].retract();
            }
        }
        self.order = &[];
    }

    /// Step 3: a partner has settled a case.
    fn settle(mut self, how: Settled, index: usize) -> Waited {
        self.retract(Some(index));
        match self.cases[index].settle(how) {
            true => Waited::Chosen(index),
            false => Waited::Again,
        }
    }
}

impl Drop for Enlisted<'_, '_> {
    fn drop(&mut self) {
        if self.order.is_empty() {
            return; // retracted
        }
        let settled = self.ticket.leave();
        self.retract(settled.map(|(_, index)| index));
        if let Some((_, index)) = settled {
            self.cases[index].give_back();
        }
    }
}
