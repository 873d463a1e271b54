//! All timers of one actor.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::rt::header::Header;
use crate::rt::timer::Key;
use crate::rt::worker::{Shared, Worker};

use super::handle::{Cancel, MissedTicks, Period};

/// What makes the messages of a repeated timer.
pub(super) type Maker<M> = Box<dyn Make<M>>;

/// See [`Maker`].
pub(super) trait Make<M>: Send {
    fn make(&mut self) -> M;

    /// The message of which it makes copies, if that is what it does.
    fn original(&self) -> Option<&M> {
        None
    }
}

impl<M, F: FnMut() -> M + Send> Make<M> for F {
    fn make(&mut self) -> M {
        self()
    }
}

/// Makes copies of a message.
pub(super) struct Copies<M, C> {
    pub(super) msg: M,
    pub(super) copy: C,
}

impl<M: Send, C: Fn(&M) -> M + Send> Make<M> for Copies<M, C> {
    fn make(&mut self) -> M {
        (self.copy)(&self.msg)
    }

    fn original(&self) -> Option<&M> {
        Some(&self.msg)
    }
}

/// See the [parent module](super). Nothing of the user's is called or dropped under the lock.
pub(super) struct Schedule<M>(Mutex<Lists<M>>);

pub(super) struct Lists<M> {
    /// The number of the next timer.
    next: u64,
    /// By when they are due, and those due at the same time by number. Most are set for later than all others, and leave at
    /// the front: at either end this is as cheap as a queue, and in between it moves the shorter side.
    pub(super) once: VecDeque<Once<M>>,
    /// In no order: few.
    pub(super) repeating: Vec<Repeating<M>>,
    pub(super) turns: VecDeque<Turn<M>>,
    /// The numbers of those that are lent out ([`lend`](super::lend)), sorted. What is not among them any more has been
    /// cancelled meanwhile.
    pub(super) lent: Vec<u64>,
    alarm: Option<Alarm>,
}

// What the docs of `Timer` say that one costs.
const _: () = assert!(size_of::<Once<u64>>() == 32);

pub(super) struct Once<M> {
    pub(super) due: Instant,
    pub(super) number: u64,
    pub(super) msg: M,
}

pub(super) struct Repeating<M> {
    pub(super) number: u64,
    pub(super) due: Instant,
    pub(super) period: Period,
    /// `None`: it is making a message.
    pub(super) make: Option<Maker<M>>,
    /// It has a turn, and is not due before that has been taken.
    pub(super) has_turn: bool,
}

/// A timer that is due. See the parent module, 2.
pub(super) struct Turn<M> {
    pub(super) position: u32,
    pub(super) number: u64,
    /// `None`: that of a repeated timer is made when the turn is taken.
    pub(super) msg: Option<M>,
}

/// What is handled next.
pub(super) enum Due<M> {
    Once(M),
    /// Of the repeated timer with this number, to be made. To be followed by [`Schedule::ticked`].
    Tick(u64, Maker<M>),
}

struct Alarm {
    at: Instant,
    /// Where it was set. To be compared; the actor's cell keeps its runtime, and so this, from being used for another.
    worker: *const Shared,
    key: Key,
}

// SAFETY: the pointer is only compared.
unsafe impl Send for Alarm {}

/// What was taken out of a schedule.
pub(super) struct Cleared<M> {
    _once: VecDeque<Once<M>>,
    _repeating: Vec<Repeating<M>>,
    _turns: VecDeque<Turn<M>>,
}

impl<M> Default for Schedule<M> {
    fn default() -> Self {
        Schedule(Mutex::new(Lists {
            next: 0,
            once: VecDeque::new(),
            repeating: Vec::new(),
            turns: VecDeque::new(),
            lent: Vec::new(),
            alarm: None,
        }))
    }
}

impl<M> Schedule<M> {
    pub(super) fn lock(&self) -> MutexGuard<'_, Lists<M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a timer. Gives its number, and whether it is due before the alarm.
    pub(super) fn add(&self, due: Instant, msg: M) -> (u64, bool) {
        let mut lists = self.lock();
        let number = lists.number();
        let at = lists.once.partition_point(|it| it.due <= due);
        lists.once.insert(at, Once { due, number, msg });
        (number, lists.is_before_alarm(due))
    }

    /// As [`add`](Self::add), for one that is due at `due` for the first time.
    pub(super) fn add_repeating(
        &self,
        due: Instant,
        period: Period,
        make: Maker<M>,
    ) -> (u64, bool) {
        let mut lists = self.lock();
        let number = lists.number();
        lists.repeating.push(Repeating {
            number,
            due,
            period,
            make: Some(make),
            has_turn: false,
        });
        (number, lists.is_before_alarm(due))
    }

    /// Gives all that are due at `now` a turn at `position`, in the order in which they are due.
    pub(super) fn give_turns(&self, now: Instant, position: u32) {
        let mut lists = self.lock();
        let lists = &mut *lists;
        loop {
            let once = lists.once.front().map(|it| (it.due, it.number));
            let repeating = lists.repeating.iter_mut().filter(|it| !it.has_turn);
            let repeating = repeating.min_by_key(|it| (it.due, it.number));
            match (once, repeating) {
                (once, Some(tick))
                    if tick.due <= now
                        && once.is_none_or(|once| (tick.due, tick.number) < once) =>
                {
                    tick.has_turn = true;
                    lists.turns.push_back(Turn {
                        position,
                        number: tick.number,
                        msg: None,
                    });
                }
                (Some((due, _)), _) if due <= now => {
                    let Once { number, msg, .. } = lists.once.pop_front().expect("the front");
                    lists.turns.push_back(Turn {
                        position,
                        number,
                        msg: Some(msg),
                    });
                }
                _ => break,
            }
        }
    }

    /// Takes the first turn, if its position has been reached.
    pub(super) fn take_turn(&self, has_reached: impl FnOnce(u32) -> bool) -> Option<Due<M>> {
        let mut lists = self.lock();
        let turn = lists
            .turns
            .pop_front_if(|turn| has_reached(turn.position))?;
        Some(match turn.msg {
            Some(msg) => Due::Once(msg),
            None => {
                let number = turn.number;
                let repeating = lists.repeating.iter_mut().find(|it| it.number == number);
                let make = repeating.and_then(|it| it.make.take());
                Due::Tick(number, make.expect("cancelling takes the turn too"))
            }
        })
    }

    /// The message of a tick has been made: its timer is due again. `false`: it has been cancelled meanwhile.
    pub(super) fn ticked(&self, number: u64, make: Maker<M>, now: Instant) -> bool {
        let mut lists = self.lock();
        let found = lists.repeating.iter_mut().find(|it| it.number == number);
        let Some(timer) = found else {
            drop(lists);
            drop(make);
            return false;
        };
        timer.make = Some(make);
        timer.has_turn = false;
        timer.due = timer.period.next(timer.due, now);
        true
    }

    /// Sees to it that the alarm of `actor` is set for the earliest timer that has no turn. `true`: there are turns. On a
    /// worker, as the actor.
    pub(super) fn set_alarm(&self, now: Instant, actor: &Header) -> bool {
        let mut lists = self.lock();
        let next = lists.next_due();
        let in_time =
            |alarm: &mut Alarm| alarm.at > now && next.is_some_and(|next| alarm.at <= next);
        let old = lists.alarm.take_if(|alarm| !in_time(alarm));
        if lists.alarm.is_none()
            && let Some(at) = next
        {
            lists.alarm = Some(Worker::here(|worker| Alarm {
                at,
                worker: Arc::as_ptr(worker.shared()),
                key: worker.set_alarm(at, actor),
            }));
        }
        let has_turns = !lists.turns.is_empty();
        drop(lists);
        cancel(old);
        has_turns
    }

    /// When the earliest that has no turn is due.
    #[cfg(all(test, not(loom)))]
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.lock().next_due()
    }

    /// Takes everything out.
    pub(super) fn clear(&self) -> Cleared<M> {
        let mut lists = self.lock();
        let cleared = Cleared {
            _once: mem::take(&mut lists.once),
            _repeating: mem::take(&mut lists.repeating),
            _turns: mem::take(&mut lists.turns),
        };
        let alarm = lists.alarm.take();
        drop(lists);
        cancel(alarm);
        cleared
    }
}

/// Cancels an alarm, if it was set where the caller runs. One that is left goes off for nothing.
fn cancel(alarm: Option<Alarm>) {
    let Some(alarm) = alarm else { return };
    Worker::with(|worker| {
        if let Some(worker) = worker
            && std::ptr::eq(Arc::as_ptr(worker.shared()), alarm.worker)
        {
            worker.cancel_alarm(alarm.key);
        }
    });
}

impl<M> Lists<M> {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn is_before_alarm(&self, due: Instant) -> bool {
        self.alarm.as_ref().is_none_or(|alarm| due < alarm.at)
    }

    /// When the earliest that has no turn is due.
    fn next_due(&self) -> Option<Instant> {
        let repeating = self.repeating.iter().filter(|it| !it.has_turn);
        let once = self.once.front().map(|it| it.due);
        repeating.map(|it| it.due).chain(once).min()
    }

    fn find_once(&self, number: u64, due: Instant) -> Option<usize> {
        let at = self
            .once
            .partition_point(|it| (it.due, it.number) < (due, number));
        self.once
            .get(at)
            .is_some_and(|it| it.number == number)
            .then_some(at)
    }
}

impl<M: Send + 'static> Cancel for Schedule<M> {
    fn cancel(&self, number: u64, due: Instant) -> bool {
        let mut lists = self.lock();
        let turn = lists.turns.iter().position(|it| it.number == number);
        let turn = turn.and_then(|at| lists.turns.remove(at));
        let repeating = lists.repeating.iter().position(|it| it.number == number);
        let repeating = repeating.map(|at| lists.repeating.swap_remove(at));
        let once = lists.find_once(number, due);
        let once = once.and_then(|at| lists.once.remove(at));
        let lent = lists.lent.binary_search(&number).ok();
        let lent = lent.map(|at| lists.lent.remove(at));
        drop(lists);
        turn.is_some() || repeating.is_some() || once.is_some() || lent.is_some()
    }

    fn is_set(&self, number: u64, due: Instant) -> bool {
        let lists = self.lock();
        lists.turns.iter().any(|it| it.number == number)
            || lists.repeating.iter().any(|it| it.number == number)
            || lists.find_once(number, due).is_some()
            || lists.lent.binary_search(&number).is_ok()
    }
}

impl<M> fmt::Debug for Schedule<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = self.lock();
        f.debug_struct("Schedule")
            .field("once", &lists.once.len())
            .field("repeating", &lists.repeating.len())
            .field("turns", &lists.turns.len())
            .finish()
    }
}

impl Period {
    /// When a tick is due after the one that was due at `due` and is handled `now`.
    pub(super) fn next(self, due: Instant, now: Instant) -> Instant {
        let period = self.period;
        let far = now + Duration::from_secs(100 * 365 * 24 * 3600);
        match self.missed {
            MissedTicks::Burst => due.checked_add(period).unwrap_or(far),
            MissedTicks::Delay => now.checked_add(period).unwrap_or(far),
            MissedTicks::Skip => {
                // A period is not zero; nor does the remainder of centuries by nanoseconds fit into less than this.
                let late = now.saturating_duration_since(due).as_nanos();
                let into = late % period.as_nanos();
                let left = period.as_nanos() - into;
                let left = u64::try_from(left).map_or(period, Duration::from_nanos);
                now.checked_add(left).unwrap_or(far)
            }
        }
    }
}
