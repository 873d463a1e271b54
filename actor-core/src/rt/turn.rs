//! Whose turn it is: the word of a task that owns no stack.
//!
//! Such a task ([`super::machine`]) is run by whoever takes its entry out of a run queue, on a stack that is not its own, from one
//! suspension point to the next. Its word says who has the right to touch what it is in the middle of, its *frame*.
//!
//! ```text
//!              wake                  start                    wake
//!    IDLE ────────────► SCHEDULED ──────────► RUNNING ─────────────► RUNNING + WOKEN
//!     ▲                  │    ▲                │ │ │                    │
//!     │                  │    └─── again ──────┘ │ │ rest               │ rest: it is scheduled again
//!     └──────────────────┼─────────── rest ──────┘ │                    ▼
//!                        │                         │                SCHEDULED
//!   claim, from IDLE and │ SCHEDULED               │ end, and discard from SCHEDULED
//!                        ▼                         ▼
//!                     CLAIMED                     OVER
//! ```
//!
//! # Steps
//! 1. Whoever wants it to run makes news visible, and then *wakes* it. Who turns IDLE into SCHEDULED puts an entry into a queue.
//! 2. Whoever takes an entry *starts* it, which fails if it is not SCHEDULED: then the entry is a stale one, and nothing happens.
//! 3. It runs. Who wakes it meanwhile adds WOKEN, as it may have looked for the news before they came.
//! 4. It waits and *rests*, which is refused if it has been woken; or it yields, and is scheduled *again*. In both cases whoever
//!    did step 2 queues it.
//! 5. Whoever wants the frame *claims* it. At a suspension point, IDLE or SCHEDULED, it is the claimer's at once; the entry that may
//!    be in a queue has become stale. While it is RUNNING, WANTED is added, and step 4 hands the frame over: CLAIMED. A
//!    claimer that waited and gives up *retracts*; if that comes too late it has the frame and *puts it back*.
//! 6. OVER: it has ended. Nothing wakes what is OVER or CLAIMED.
//!
//! **No wake-up is lost.** `wake` and `start` are read-modify-writes of one word, also where `wake` changes nothing. So either
//! `start` is after it and acquires what came before it, or `wake` finds it RUNNING and adds WOKEN, or IDLE and schedules it.
//! **The frame has one owner:** who makes it RUNNING, CLAIMED or OVER, each by a compare-exchange from what the word was.
//! **The frame is seen:** who gives it away releases, who gets it acquires.
//!
//! # Seeded faults
//! | fault                | what it breaks                                  | caught by                                     |
//! |----------------------|-------------------------------------------------|-----------------------------------------------|
//! | `turn_wake_looks`    | waking what is scheduled is a load              | `loom_a_wake_is_seen_by_the_turn_it_finds`    |
//! | `turn_blind_rest`    | `rest` is a store                               | `loom_a_wake_while_it_runs_is_another_turn`   |
//! | `turn_blind_start`   | `start` is a load and a store                   | `loom_a_frame_has_one_owner`                  |
//! | `turn_rest_relaxed`  | `rest` and `again` do not release               | `loom_a_frame_has_one_owner`                  |
//! | `turn_blind_retract` | `retract` is a store                            | `loom_a_claim_given_up_leaves_it_running`     |

#[cfg(all(test, loom))]
mod models;

use crate::sys::atomic::{AtomicU32, Ordering};
use crate::sys::fault::fault;

const IDLE: u32 = 0;
const SCHEDULED: u32 = 1;
const RUNNING: u32 = 2;
const CLAIMED: u32 = 3;
const OVER: u32 = 4;
const STATE: u32 = 7;
/// Beside RUNNING.
const WOKEN: u32 = 8;
/// Beside RUNNING: a claimer waits.
const WANTED: u32 = 16;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Turn(AtomicU32);

/// What is to become of one that has run up to a suspension point.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It is left alone: it is anybody's.
    Idle,
    /// The caller queues it.
    Again,
    /// The frame is the claimer's, who is to be told.
    Claimed,
}

/// What has become of a claim.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The frame is the caller's.
    Taken,
    /// It runs.
    Running,
    /// It has ended.
    Over,
}

impl Turn {
    /// One whose first entry is about to be queued.
    pub(crate) fn scheduled() -> Self {
        Turn(AtomicU32::new(SCHEDULED))
    }

    /// Step 1. `true`: the caller queues it.
    #[must_use]
    pub(crate) fn wake(&self) -> bool {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            let next = match now & STATE {
                IDLE => SCHEDULED,
                RUNNING => now | WOKEN,
                SCHEDULED if !fault!("turn_wake_looks") => now,
                _ => return false,
            };
            match self.change(now, next) {
                Ok(()) => return now == IDLE,
                Err(other) => now = other,
            }
        }
    }

    /// Step 2. `false`: the entry is stale.
    #[must_use]
    pub(crate) fn start(&self) -> bool {
        if fault!("turn_blind_start") {
            let scheduled = self.0.load(Ordering::Acquire) == SCHEDULED;
            if scheduled {
                self.0.store(RUNNING, Ordering::Release);
            }
            return scheduled;
        }
        self.change(SCHEDULED, RUNNING).is_ok()
    }

    /// Step 4: it waits.
    pub(crate) fn rest(&self) -> Rest {
        if fault!("turn_blind_rest") {
            self.0.store(IDLE, Ordering::Release);
            return Rest::Idle;
        }
        self.leave(|now| match now & WOKEN {
            0 => Rest::Idle,
            _ => Rest::Again,
        })
    }

    /// Step 4: it yields.
    pub(crate) fn again(&self) -> Rest {
        self.leave(|_| Rest::Again)
    }

    fn leave(&self, unclaimed: impl Fn(u32) -> Rest) -> Rest {
        let (succeeds, fails) = match fault!("turn_rest_relaxed") {
            true => (Ordering::Relaxed, Ordering::Relaxed),
            false => (Ordering::AcqRel, Ordering::Relaxed),
        };
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            debug_assert_eq!(now & STATE, RUNNING);
            let rest = match now & WANTED {
                0 => unclaimed(now),
                _ => Rest::Claimed,
            };
            let next = match rest {
                Rest::Idle => IDLE,
                Rest::Again => SCHEDULED,
                Rest::Claimed => CLAIMED,
            };
            match self.0.compare_exchange_weak(now, next, succeeds, fails) {
                Ok(_) => return rest,
                Err(other) => now = other,
            }
        }
    }

    /// Step 5. If it runs and `waits`, it is handed over at its next suspension point.
    pub(crate) fn claim(&self, waits: bool) -> Claim {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            let (next, claim) = match now & STATE {
                RUNNING if waits => (now | WANTED, Claim::Running),
                RUNNING => return Claim::Running,
                OVER => return Claim::Over,
                _ => (CLAIMED, Claim::Taken),
            };
            match self.change(now, next) {
                Ok(()) => return claim,
                Err(other) => now = other,
            }
        }
    }

    /// Whether the frame has been handed over to a claimer that waits.
    pub(crate) fn is_claimed(&self) -> bool {
        self.0.load(Ordering::Acquire) == CLAIMED
    }

    /// The claimer waits no longer. `false`: the frame is its, to be put back.
    #[must_use]
    pub(crate) fn retract(&self) -> bool {
        if fault!("turn_blind_retract") {
            self.0.store(RUNNING, Ordering::Release);
            return true;
        }
        let mut now = self.0.load(Ordering::Acquire);
        while now & WANTED != 0 {
            match self.change(now, now & !WANTED) {
                Ok(()) => return true,
                Err(other) => now = other,
            }
        }
        now != CLAIMED
    }

    /// The frame is put back by whoever has claimed it, who queues it then.
    pub(crate) fn put_back(&self) {
        self.0.store(SCHEDULED, Ordering::Release);
    }

    /// The entry will never run. `true`: the frame is the caller's, and it is over.
    #[must_use]
    pub(crate) fn discard(&self) -> bool {
        self.change(SCHEDULED, OVER).is_ok()
    }

    /// It has ended. By whoever runs it.
    pub(crate) fn end(&self) {
        self.0.store(OVER, Ordering::Release);
    }

    fn change(&self, from: u32, to: u32) -> Result<(), u32> {
        self.0
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .map(|_| ())
    }
}
