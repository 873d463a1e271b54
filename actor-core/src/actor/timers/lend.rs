//! Lending an actor's timers out, to be looked at where code of the user's may run: not under the lock.
//!
//! While they are lent the schedule is empty, but for the numbers of those that are. Others may set timers, which find their
//! place when the lent ones come back, and cancel them: a number taken off the list is a timer that does not come back. Turns
//! are given and taken, and alarms set, by the actor alone, which is the one that lends.

use std::mem;
use std::time::{Duration, Instant};

use super::handle::Period;
use super::schedule::{Once, Repeating, Schedule, Turn};
use super::{now, of};
use crate::actor::cell::Cell;
use crate::actor::traits::Actor;

/// The timers of an actor, until it is dropped. See the [module](self).
pub(in crate::actor) struct Lent<'a, M> {
    schedule: &'a Schedule<M>,
    now: Instant,
    once: Vec<Once<M>>,
    repeating: Vec<Repeating<M>>,
    turns: Vec<Turn<M>>,
}

/// One that has no turn.
pub(in crate::actor) struct Pending<'a, M> {
    pub(in crate::actor) left: Duration,
    pub(in crate::actor) period: Option<Period>,
    /// `None`: it is made by a function of the user's.
    pub(in crate::actor) msg: Option<&'a M>,
}

/// One that is due, and comes when all before this position of the mailbox have been handled.
pub(in crate::actor) struct Due<'a, M> {
    pub(in crate::actor) position: u32,
    /// As in [`Pending`].
    pub(in crate::actor) msg: Option<&'a M>,
}

/// Lends out the timers of `cell`'s actor, if it has had any. The caller has its right to run.
pub(in crate::actor) fn lend<A: Actor>(cell: &Cell<A>) -> Option<Lent<'_, A::Msg>> {
    let (schedule, now) = (of(cell)?, now(cell));
    let mut lists = schedule.lock();
    let lent = Lent {
        schedule,
        now,
        once: mem::take(&mut lists.once).into(),
        repeating: mem::take(&mut lists.repeating),
        turns: mem::take(&mut lists.turns).into(),
    };
    let once = lent.once.iter().map(|it| it.number);
    let repeating = lent.repeating.iter().map(|it| it.number);
    let due = (lent.turns.iter()).filter(|it| it.msg.is_some());
    lists.lent = once
        .chain(repeating)
        .chain(due.map(|it| it.number))
        .collect();
    lists.lent.sort_unstable();
    drop(lists);
    Some(lent)
}

impl<M> Lent<'_, M> {
    /// Those that are due, in the order of their turns.
    pub(in crate::actor) fn due(&self) -> impl Iterator<Item = Due<'_, M>> {
        self.turns.iter().map(|turn| Due {
            position: turn.position,
            msg: turn.msg.as_ref().or_else(|| {
                let repeating = self.repeating.iter().find(|it| it.number == turn.number);
                repeating?.make.as_ref()?.original()
            }),
        })
    }

    /// The others: first those that come once, in the order in which they are due. One that repeats and is due is among
    /// them, as it will be when it has been handled.
    pub(in crate::actor) fn pending(&self) -> impl Iterator<Item = Pending<'_, M>> {
        let left = |due: Instant| due.saturating_duration_since(self.now);
        let once = self.once.iter().map(move |it| Pending {
            left: left(it.due),
            period: None,
            msg: Some(&it.msg),
        });
        let repeating = self.repeating.iter().map(move |it| Pending {
            left: left(match it.has_turn {
                true => it.period.next(it.due, self.now),
                false => it.due,
            }),
            period: Some(it.period),
            msg: it.make.as_ref().and_then(|make| make.original()),
        });
        once.chain(repeating)
    }
}

impl<M> Drop for Lent<'_, M> {
    fn drop(&mut self) {
        let (once, repeating) = (mem::take(&mut self.once), mem::take(&mut self.repeating));
        let turns = mem::take(&mut self.turns);
        let mut lists = self.schedule.lock();
        let left = mem::take(&mut lists.lent);
        let stays = |number: u64| left.binary_search(&number).is_ok();
        let (once, gone): (Vec<_>, Vec<_>) = once.into_iter().partition(|it| stays(it.number));
        let (repeating, stopped): (Vec<_>, Vec<_>) =
            repeating.into_iter().partition(|it| stays(it.number));
        let (turns, skipped): (Vec<_>, Vec<_>) = turns.into_iter().partition(|it| stays(it.number));
        lists.once.extend(once);
        lists
            .once
            .make_contiguous()
            .sort_by_key(|it| (it.due, it.number));
        lists.repeating.extend(repeating);
        lists.turns = turns.into();
        drop(lists);
        drop((gone, stopped, skipped)); // after the lock
    }
}
