//! Whether what waits on one worker is worth taking to another.
//!
//! To steal stops the owner for a moment ([`super::queue`]) and moves what is stolen from one core's cache to another's: the
//! cell, its messages, and the memory that they are in, which then is freed where it was not allocated. For what the owner
//! would have run a microsecond later that is loss, and much of it: a loop that tells ten thousand idle actors, and lets
//! those run that it has woken, takes 35 to 40 ns a message, and took 160 to 430 while another worker stole from it. So
//!
//! - a thief is patient: it takes from a queue once something in it has waited for its *patience* since the thief first looked;
//! - the monitor wakes no thief for a queue which its owner gets through within [`WORTH_WAKING`].
//!
//! What a thief leaves is run by a worker that gets on; one that does not is the monitor's business.
//!
//! # What a theft has brought
//! Some of what waits is as well run elsewhere: actors that compute, or that have most to do with each other. Some is not: those
//! who tell each other all the time take several times as long on two cores as on one, at a cache line or more from core
//! to core for each message, and were they stolen, soon wait for each other again, so that the next theft is near. Nothing that
//! waits says which it is. So the thief tries it, and looks what came of it.
//!
//! *Steps* are what the monitor counts, activations and resumed stacks. *Alone* is what the owner did from the thief's first look
//! until it took something; a *visit* lasts from then until the thief has nothing to do. The visit
//!
//! - has *cost* if the thief's steps have taken more than twice as long as the owner's alone, and yet were [`SHORT`]: two at
//!   half the pace do no more than one, and have stopped that one for the theft. A long step may be another kind of work, and is
//!   worth moving in any case. The patience becomes fourfold.
//! - has *paid* otherwise. The patience is [`PATIENCE`] again, as it is [`FORGOTTEN`] after the last visit that has cost: the load
//!   may have changed.
//! - says nothing if the owner did less than [`FEW`] steps alone.
//!
//! What the owner does during the visit is not asked: it may have nothing to do because others have taken from it, too.
//!
//! So of work that is better left alone at most [`RAISES`] thefts are tried in 20 ms; and what waits for 0.64 ms is taken, whatever
//! came of it before. Twenty philosophers and their arbiter take 100 to 190 ns a meal on one worker, as much on two, and took
//! 300 to 600 when patience was always the same (`dining_philosophers` of the benchmark `compare`).
//!
//! # Seeded faults
//! | fault             | what it breaks                                    | caught by                                    |
//! |-------------------|---------------------------------------------------|----------------------------------------------|
//! | `patience_none`   | a thief takes what it sees                        | `what_its_owner_gets_through_is_left_to_it`  |
//! | `patience_endless`| a thief that looks again forgets since when       | `what_has_waited_for_long_is_taken`          |
//! | `patience_blind`  | what a theft has cost changes nothing             | `who_lost_by_a_theft_is_more_patient`        |
//! | `patience_counts_all` | long steps cost as short ones do              | `long_steps_are_worth_taking`                |
//! | `patience_keeps`  | what a theft has cost is never forgotten          | `what_a_theft_has_cost_is_forgotten`         |

use std::time::{Duration, Instant};

use crate::sys::fault::fault;

use super::spin;

/// About what it costs to steal, and what was stolen to run elsewhere.
pub(super) const PATIENCE: Duration = Duration::from_micros(10);
const _: () = assert!(
    PATIENCE.as_nanos() < spin::LOOK.as_nanos(),
    "a look is long enough to find something"
);
/// How often a thief's patience may become fourfold.
const RAISES: u32 = 3;
/// After so long a thief's patience is what it was at first.
const FORGOTTEN: Duration = Duration::from_millis(20);
/// A thief's steps are short if they take no longer on average: what it costs to have all that a step needs come from another
/// core's cache is a good part of that.
const SHORT: Pace = Pace {
    steps: 2,
    time: Duration::from_micros(5),
};
/// So many steps say how fast their worker is.
const FEW: u64 = 8;
/// About what it costs to wake a thread.
const WORTH_WAKING: Duration = Duration::from_micros(50);

/// What waits in a queue. See [`LocalQueue::waiting`](super::queue::LocalQueue::waiting).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    /// How many have left it, ever, wrapping.
    pub(crate) left: usize,
    /// How many wait.
    pub(crate) len: usize,
}

/// Steps, and the time that they took.
#[derive(Clone, Copy, Debug)]
struct Pace {
    steps: u64,
    time: Duration,
}

impl Pace {
    /// Whether a step takes more than `times` as long as one of `other`.
    fn is_slower_than(self, times: u128, other: Pace) -> bool {
        u128::from(self.steps) * other.time.as_nanos() * times
            < u128::from(other.steps) * self.time.as_nanos()
    }
}

/// What a thief knows of a queue where something waits.
#[derive(Clone, Copy, Debug)]
struct Known {
    since: Instant,
    /// How many will have left the queue when all that waited then has.
    all: usize,
    /// The owner's steps by then.
    steps: u64,
}

#[derive(Debug)]
struct Visit {
    begun: Instant,
    /// The thief's steps by then.
    own: u64,
    alone: Pace,
}

/// What a worker remembers of others' queues, and of its thefts.
#[derive(Debug, Default)]
pub(super) struct Thief {
    /// By worker.
    known: Vec<Option<Known>>,
    visit: Option<Visit>,
    /// How often its patience has been raised, and when last.
    raised: Option<(u32, Instant)>,
}

impl Thief {
    /// For how long something must have waited.
    pub(super) fn patience(&self) -> Duration {
        PATIENCE * 4u32.pow(self.raises())
    }

    fn raises(&self) -> u32 {
        self.raised.map_or(0, |(times, _)| times)
    }

    /// It has nothing to do, `own` steps after it began.
    pub(super) fn looks(&mut self, now: Instant, own: u64) {
        if let Some(visit) = self.visit.take() {
            self.judge(now, own, &visit);
        }
        if let Some((_, at)) = self.raised
            && now.saturating_duration_since(at) >= FORGOTTEN
            && !fault!("patience_keeps")
        {
            self.raised = None;
        }
    }

    fn judge(&mut self, now: Instant, own: u64, visit: &Visit) {
        if visit.alone.steps < FEW {
            return;
        }
        let own = Pace {
            steps: own.wrapping_sub(visit.own),
            time: now.saturating_duration_since(visit.begun),
        };
        let short = !own.is_slower_than(1, SHORT) || fault!("patience_counts_all");
        let cost = short && own.is_slower_than(2, visit.alone) && !fault!("patience_blind");
        self.raised = cost.then(|| ((self.raises() + 1).min(RAISES), now));
    }

    /// It looks at the queue of `victim`. Whether it should take something.
    pub(super) fn is_worth_taking(
        &mut self,
        now: Instant,
        victim: usize,
        waiting: Waiting,
        steps: impl FnOnce() -> u64,
    ) -> bool {
        if self.known.len() <= victim {
            self.known.resize(victim + 1, None);
        }
        let patience = self.patience();
        let known = &mut self.known[victim];
        if waiting.len == 0 {
            *known = None;
            return false;
        }
        if fault!("patience_none") {
            return true;
        }
        match *known {
            Some(Known { since, all, .. })
                if all.wrapping_sub(waiting.left).cast_signed() > 0
                    && !fault!("patience_endless") =>
            {
                now.saturating_duration_since(since) >= patience
            }
            _ => {
                *known = Some(Known {
                    since: now,
                    all: waiting.left.wrapping_add(waiting.len),
                    steps: steps(),
                });
                false
            }
        }
    }

    /// It takes something from `victim`, whose steps are `theirs`, having taken `own` itself.
    pub(super) fn takes(&mut self, now: Instant, victim: usize, own: u64, theirs: u64) {
        let known = self.known.get(victim).copied().flatten();
        self.visit = known.map(|known| Visit {
            begun: now,
            own,
            alone: Pace {
                steps: theirs.wrapping_sub(known.steps),
                time: now.saturating_duration_since(known.since),
            },
        });
    }
}

/// Whether somebody should be woken for what waits in a queue that `passed` have left within `time`.
pub(super) fn is_worth_waking_for(waiting: Waiting, passed: usize, time: Duration) -> bool {
    let fast = waiting.len as u128 * time.as_nanos() <= passed as u128 * WORTH_WAKING.as_nanos();
    waiting.len > 0 && !fast
}

#[cfg(all(test, not(loom)))]
mod tests;
