//! Whose turn it is: the word of a task that owns no stack.
//!
//! Such a task ([`super::machine`]) is run by whoever takes its entry out of a run queue, on a stack that is not its own, from one
//! suspension point to the next. Its word says who has the right to touch what it is in the middle of, its *frame*.
//!
//! ```text
//!              wake                  start                    wake
//!    IDLE ────────────► SCHEDULED ──────────► RUNNING ─────────────► RUNNING + WOKEN
//!     ▲                  │    ▲                │ │ │ ▲                  │
//!     │                  │    └─────────────── │ │ │ └── yield, start   │ rest: it is scheduled again
//!     └──────────────────┼─────────── rest ────┘ │ │                    ▼
//!                        │                       │ │                SCHEDULED
//!   claim, from IDLE and │ SCHEDULED, and from   │ │ end, and discard
//!                        ▼ RUNNING if yielded    ▼ ▼
//!                     CLAIMED ◄───── handed over   OVER
//! ```
//!
//! # Steps
//! 1. Whoever wants it to run makes news visible, and then *wakes* it. Who turns IDLE into SCHEDULED puts an entry into a queue.
//! 2. Whoever takes an entry *starts* it, which fails if it is not its turn: then the entry is a stale one, and nothing happens.
//! 3. It runs. Who wakes it meanwhile adds WOKEN, as it may have looked for the news before they came.
//! 4. It waits and *rests*, which is refused if it has been woken; or it yields, and is to run *again*. In both cases whoever
//!    did step 2 queues it.
//! 5. Whoever wants the frame *claims* it. At a suspension point, IDLE or SCHEDULED, it is the claimer's at once. While it is
//!    RUNNING, WANTED is added, and step 4 hands the frame over: CLAIMED. A claimer that waited and gives up *retracts*; if
//!    that comes too late it has the frame and *puts it back*.
//! 6. OVER: it has ended. Nothing wakes what is OVER or CLAIMED.
//!
//! # Yielding
//! A loop that yields is switched to and from all the time, and claimed hardly ever. So a yield leaves the word alone. It stays
//! RUNNING, and the right to run goes with the entry, as long as no other entry can be in a queue. Beside the word is a flag:
//!
//! ```text
//!   yields                                  takes the entry                       claims
//!   y1  yielded = 1      (release)          s1  yielded = 0                       c1  word += WANTED
//!   y2  light fence                         s2  light fence                       c2  heavy fence
//!   y3  read the word                       s3  read the word   (acquire)         c3  read yielded    (acquire)
//!       WANTED: hands it over                   RUNNING: it runs                      1: takes it: CLAIMED
//!       else: queues it                         WANTED: hands it over                 0: is handed it
//! ```
//! What the word was when the entry was queued, or what it is by now: that is what s3 reads, as the way through a queue synchronises.
//! Of s and c one sees the other (`sys::asym`): either c3 reads the 0 of s1, or s3 reads WANTED; and if both, the frame is handed over
//! by a compare-exchange, which the claimer waits for. Once c3 has read the 1 of a yield, the start that follows that yield is after
//! c2 and reads WANTED, so nothing runs until the claimer has taken the frame, or has been handed it. So are y and c: a claimer that reads 0
//! is seen by y3, and need not wait for the entry to be taken.
//!
//! A claim that takes the frame of what is SCHEDULED or has yielded leaves a *stale* entry in a queue, and if the frame is put back there
//! will be another one. Then the entry is no proof of anything: STALE is in the word from then on, and with it every step is a
//! read-modify-write of the word: a yield makes it SCHEDULED, and the flag is not looked at.
//!
//! **No wake-up is lost.** `wake` is a read-modify-write of the word, also where it changes nothing, and so is the start of what is
//! SCHEDULED. So either that is after it and acquires what came before it, or `wake` finds it RUNNING and adds WOKEN, or IDLE
//! and schedules it. The start of what has yielded takes WOKEN away if it sees it, and acquires; if not, the rest that follows sees it.
//! **The frame has one owner:** who makes it RUNNING, CLAIMED or OVER, each by a compare-exchange from what the word was; or who has the only
//! entry of what has yielded, by s3.
//! **The frame is seen:** who gives it away releases, who gets it acquires.
//!
//! # Seeded faults
//! | fault                | what it breaks                                  | caught by                                     |
//! |----------------------|-------------------------------------------------|-----------------------------------------------|
//! | `turn_wake_looks`    | waking what is scheduled is a load              | `loom_a_wake_is_seen_by_the_turn_it_finds`    |
//! | `turn_blind_rest`    | `rest` is a store                               | `loom_a_wake_while_it_runs_is_another_turn`   |
//! | `turn_blind_start`   | `start` of what is SCHEDULED is a store         | `loom_a_frame_has_one_owner`                  |
//! | `turn_rest_relaxed`  | `rest` and `again` do not release               | `loom_a_frame_has_one_owner`                  |
//! | `turn_blind_retract` | `retract` is a store                            | `loom_a_claim_given_up_leaves_it_running`     |
//! | `turn_start_no_light`| no s2                                           | `loom_what_yields_has_one_owner`              |
//! | `turn_claim_no_heavy`| no c2                                           | `loom_what_yields_has_one_owner`              |
//! | `turn_yield_blind`   | no y3                                           | `loom_what_yields_is_handed_over_at_once`     |
//! | `turn_claim_clean`   | a claim does not leave STALE                    | `loom_a_frame_has_one_owner`                  |

#[cfg(all(test, loom))]
mod models;

use crate::sys::asym;
use crate::sys::atomic::{AtomicBool, AtomicU32, Ordering};
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
/// Beside all but OVER: some entry may be stale.
const STALE: u32 = 32;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Turn {
    word: AtomicU32,
    /// It has yielded, and has not been started since. Says nothing beside STALE.
    yielded: AtomicBool,
}

/// What an entry is good for.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// It is its turn: the frame is the caller's.
    Runs,
    /// The entry is a stale one.
    Stale,
    /// The frame is the claimer's, who is to be told.
    Claimed,
}

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
        Turn {
            word: AtomicU32::new(SCHEDULED),
            yielded: AtomicBool::new(false),
        }
    }

    /// Step 1. `true`: the caller queues it.
    #[must_use]
    pub(crate) fn wake(&self) -> bool {
        let mut now = self.word.load(Ordering::Relaxed);
        loop {
            let next = match now & STATE {
                IDLE => SCHEDULED | now & STALE,
                RUNNING => now | WOKEN,
                SCHEDULED if !fault!("turn_wake_looks") => now,
                _ => return false,
            };
            match self.change(now, next) {
                Ok(()) => return now & STATE == IDLE,
                Err(other) => now = other,
            }
        }
    }

    /// Step 2.
    #[inline]
    pub(crate) fn start(&self) -> Start {
        self.yielded.store(false, Ordering::Relaxed); // s1
        if !fault!("turn_start_no_light") {
            asym::light(); // s2
        }
        // s3
        match self.word.load(Ordering::Acquire) {
            RUNNING => Start::Runs,
            now => self.start_by_word(now),
        }
    }

    fn start_by_word(&self, mut now: u32) -> Start {
        if fault!("turn_blind_start") && now & STATE == SCHEDULED {
            self.word.store(RUNNING | now & STALE, Ordering::Release);
            return Start::Runs;
        }
        loop {
            let (next, start) = match now & STATE {
                SCHEDULED => (RUNNING | now & STALE, Start::Runs),
                RUNNING if now & STALE != 0 => return Start::Stale,
                // It has yielded.
                RUNNING if now & WANTED != 0 => (CLAIMED, Start::Claimed),
                RUNNING => (RUNNING, Start::Runs),
                _ => return Start::Stale,
            };
            match self.change(now, next) {
                Ok(()) => return start,
                Err(other) => now = other,
            }
        }
    }

    /// Step 4: it waits.
    pub(crate) fn rest(&self) -> Rest {
        if fault!("turn_blind_rest") {
            self.word.store(IDLE, Ordering::Release);
            return Rest::Idle;
        }
        self.leave(|now| match now & WOKEN {
            0 => Rest::Idle,
            _ => Rest::Again,
        })
    }

    /// Step 4: it yields.
    #[inline]
    pub(crate) fn again(&self) -> Rest {
        // Its own, as long as it runs.
        if self.word.load(Ordering::Relaxed) & STALE != 0 {
            return self.leave(|_| Rest::Again);
        }
        let order = match fault!("turn_rest_relaxed") {
            true => Ordering::Relaxed,
            false => Ordering::Release,
        };
        self.yielded.store(true, order); // y1
        asym::light(); // y2
        // y3
        match self.word.load(Ordering::Relaxed) {
            now if now & (WANTED | STALE) == 0 || fault!("turn_yield_blind") => Rest::Again,
            now => self.hand_over(now),
        }
    }

    /// It has yielded, and a claimer has come. Its entry is not in a queue yet.
    #[cold]
    fn hand_over(&self, mut now: u32) -> Rest {
        // Until the claimer has taken it.
        while now & STALE == 0 {
            if now & WANTED == 0 {
                return Rest::Again; // the claimer has gone
            }
            match self.change(now, CLAIMED) {
                Ok(()) => break,
                Err(other) => now = other,
            }
        }
        Rest::Claimed
    }

    fn leave(&self, unclaimed: impl Fn(u32) -> Rest) -> Rest {
        let (succeeds, fails) = match fault!("turn_rest_relaxed") {
            true => (Ordering::Relaxed, Ordering::Relaxed),
            false => (Ordering::AcqRel, Ordering::Relaxed),
        };
        let mut now = self.word.load(Ordering::Relaxed);
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
            let next = next | now & STALE;
            match self.word.compare_exchange_weak(now, next, succeeds, fails) {
                Ok(_) => return rest,
                Err(other) => now = other,
            }
        }
    }

    /// Step 5. If it runs and `waits`, it is handed over at its next suspension point.
    pub(crate) fn claim(&self, waits: bool) -> Claim {
        let mut now = self.word.load(Ordering::Relaxed);
        loop {
            let stale = match fault!("turn_claim_clean") {
                true => 0,
                false => STALE,
            };
            let next = match now & STATE {
                RUNNING => now | WANTED, // c1
                OVER => return Claim::Over,
                SCHEDULED => CLAIMED | stale,
                _ => CLAIMED | now & STALE,
            };
            match self.change(now, next) {
                Ok(()) if now & STATE == RUNNING => break,
                Ok(()) => return Claim::Taken,
                Err(other) => now = other,
            }
        }
        if now & STALE == 0 {
            if !fault!("turn_claim_no_heavy") {
                asym::heavy(); // c2
            }
            // c3
            if self.yielded.load(Ordering::Acquire) {
                self.take_yielded();
                return Claim::Taken;
            }
        }
        match waits || self.retract() {
            true => Claim::Running,
            false => Claim::Taken,
        }
    }

    /// It has yielded, and whoever takes its entry sees WANTED: the frame is the claimer's, if it has not been handed to it.
    fn take_yielded(&self) {
        let stale = match fault!("turn_claim_clean") {
            true => 0,
            false => STALE,
        };
        let mut now = self.word.load(Ordering::Acquire);
        while now & STATE == RUNNING {
            match self.change(now, CLAIMED | stale) {
                Ok(()) => return,
                Err(other) => now = other,
            }
        }
        debug_assert_eq!(now & STATE, CLAIMED);
    }

    /// Whether the frame has been handed over to a claimer that waits.
    pub(crate) fn is_claimed(&self) -> bool {
        self.word.load(Ordering::Acquire) & STATE == CLAIMED
    }

    /// The claimer waits no longer. `false`: the frame is its, to be put back.
    #[must_use]
    pub(crate) fn retract(&self) -> bool {
        if fault!("turn_blind_retract") {
            self.word.store(RUNNING, Ordering::Release);
            return true;
        }
        let mut now = self.word.load(Ordering::Acquire);
        while now & WANTED != 0 {
            match self.change(now, now & !WANTED) {
                Ok(()) => return true,
                Err(other) => now = other,
            }
        }
        now & STATE != CLAIMED
    }

    /// The frame is put back by whoever has claimed it, who queues it then.
    pub(crate) fn put_back(&self) {
        // The claimer's alone, as long as it is claimed.
        let stale = self.word.load(Ordering::Relaxed) & STALE;
        self.word.store(SCHEDULED | stale, Ordering::Release);
    }

    /// The entry will never run. If it would have, it is over, and the frame is the caller's.
    pub(crate) fn discard(&self) -> Start {
        let start = self.start();
        if start == Start::Runs {
            self.end();
        }
        start
    }

    /// It has ended. By whoever runs it.
    pub(crate) fn end(&self) {
        self.word.store(OVER, Ordering::Release);
    }

    fn change(&self, from: u32, to: u32) -> Result<(), u32> {
        self.word
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .map(|_| ())
    }
}
