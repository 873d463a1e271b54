//! The mailbox word: one `u64` that holds the lock, the actor's scheduling state and the number of messages ever pushed.
//!
//! ```text
//!  63                 32 31  12    11       10      9      8     7    6      5    4    3         2      1         0
//! +---------------------+-----+---------+-------+------+-----+----+------+----+----+---------+------+---------+----+
//! | pushed (wrapping)   |  0  |LISTENING|WAITERS|TIMERS|LANES|HELD|SIGNAL|KILL|STOP|SUSPENDED|CLOSED|SCHEDULED|LOCK|
//! +---------------------+-----+---------+-------+------+-----+----+------+----+----+---------+------+---------+----+
//! ```
//!
//! Everything here is arithmetic on values; the atomic operations are in [`super`].

/// A sender (or, rarely, the consumer) is changing the tail of the queue or the wait list. While it is set nobody else may
/// change the word, because the holder unlocks with a plain store.
pub(super) const LOCK: u64 = 1;
/// An activation is queued or running, or the mailbox is closed: a push must not schedule another.
pub(super) const SCHEDULED: u64 = 1 << 1;
/// No message is accepted any more. Never cleared.
pub(super) const CLOSED: u64 = 1 << 2;
/// A restart is in progress: messages are accepted, nothing is scheduled until `resume`.
pub(super) const SUSPENDED: u64 = 1 << 3;
/// The wait list is not empty: senders wait for room.
pub(super) const WAITERS: u64 = 1 << 10;
/// With SCHEDULED clear: the consumer is parked in the middle of a handler and is to be unparked, not scheduled.
pub(super) const LISTENING: u64 = 1 << 11;

const FLAG_SHIFT: u32 = 4;
const FLAG_BITS: u64 = 0b11_1111 << FLAG_SHIFT;
/// See [`Flags::HELD`].
const HELD: u64 = Flags::HELD.bits();
/// The flags that stand for messages, which wait while they are held.
const BESIDE: u64 = Flags::LANES.with(Flags::TIMERS).bits();
/// The flags that want something done, held or not.
const REQUESTS: u64 = FLAG_BITS & !(HELD | BESIDE);
const ONE_PUSHED: u64 = 1 << 32;

/// Requests to the actor that do not travel as messages. Anybody raises them; only the consumer takes them down.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags(u8);

impl Flags {
    /// Finish: stop after the messages the actor chooses to handle.
    pub(crate) const STOP: Flags = Flags(1);
    /// End at once.
    pub(crate) const KILL: Flags = Flags(1 << 1);
    /// Look at the actor's signal queue (links, monitors).
    pub(crate) const SIGNAL: Flags = Flags(1 << 2);
    /// Messages wait, as the actor is suspended: the other flags schedule it, a message does not. Only the consumer raises it.
    pub(crate) const HELD: Flags = Flags(1 << 3);
    /// There are messages beside the queue: urgent ones, or some that were set aside (see `actor::lanes`).
    pub(crate) const LANES: Flags = Flags(1 << 4);
    /// Look at the actor's timers (`actor::timers`).
    pub(crate) const TIMERS: Flags = Flags(1 << 5);

    pub(crate) const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn bits(self) -> u64 {
        (self.0 as u64) << FLAG_SHIFT
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl std::fmt::Debug for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [
            (Flags::STOP, "STOP"),
            (Flags::KILL, "KILL"),
            (Flags::SIGNAL, "SIGNAL"),
            (Flags::HELD, "HELD"),
            (Flags::LANES, "LANES"),
            (Flags::TIMERS, "TIMERS"),
        ];
        f.debug_set()
            .entries(
                names
                    .iter()
                    .filter(|(flag, _)| self.contains(*flag))
                    .map(|(_, name)| name),
            )
            .finish()
    }
}

#[inline(always)]
pub(super) const fn flags(word: u64) -> Flags {
    Flags(((word & FLAG_BITS) >> FLAG_SHIFT) as u8)
}

#[inline(always)]
pub(super) const fn pushed(word: u64) -> u32 {
    (word >> 32) as u32
}

/// Messages in the queue, given a word and a consumed count that were not read at one instant: a count read later than the
/// word may be ahead of it, which shows as a negative length.
#[inline(always)]
pub(super) const fn len(word: u64, consumed: u32) -> i32 {
    pushed(word).wrapping_sub(consumed) as i32
}

/// The word of a mailbox whose consumer is there, and has nothing left to do.
#[inline(always)]
pub(super) const fn done(consumed: u32) -> u64 {
    (consumed as u64) << 32 | SCHEDULED
}

/// Is there something for an activation to do?
pub(super) const fn pending(word: u64, consumed: u32) -> bool {
    let messages = pushed(word) != consumed || word & (WAITERS | BESIDE) != 0;
    messages && word & HELD == 0 || word & REQUESTS != 0
}

/// Who must be told that there is something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an actor that was idle must be scheduled"]
pub(crate) enum Wake {
    /// Nobody: an activation is queued or running, or there shall be none.
    Nobody,
    /// The actor was idle: it must be scheduled.
    Actor,
    /// The consumer listens: the stack that it is parked on must be unparked.
    Listener,
}

/// The word with one message more, and [`scheduled`], unless messages are held.
#[inline(always)]
pub(super) const fn push_one(word: u64) -> (u64, Wake) {
    schedule_unless(word.wrapping_add(ONE_PUSHED), SUSPENDED | HELD)
}

/// [`push_one`], where the actor is neither scheduled nor listens, and nothing is held.
#[inline(always)]
pub(super) const fn push_first(word: u64) -> Option<u64> {
    match word & (SCHEDULED | SUSPENDED | HELD | LISTENING) {
        0 => Some(word.wrapping_add(ONE_PUSHED | SCHEDULED)),
        _ => None,
    }
}

/// The word with `SCHEDULED` set unless the mailbox is suspended, and whom the caller, if it has set it, must wake.
#[inline(always)]
pub(super) const fn scheduled(word: u64) -> (u64, Wake) {
    schedule_unless(word, SUSPENDED)
}

/// The word with `flags` raised, and [`scheduled`]; held messages schedule nobody, those beside the queue no more than others.
#[inline(always)]
pub(super) const fn raised(word: u64, flags: Flags) -> (u64, Wake) {
    let held_back = match flags.bits() & !BESIDE {
        0 => SUSPENDED | HELD,
        _ => SUSPENDED,
    };
    schedule_unless(word | flags.bits(), held_back)
}

#[inline(always)]
const fn schedule_unless(word: u64, held_back: u64) -> (u64, Wake) {
    if word & held_back != 0 {
        return (word, Wake::Nobody);
    }
    let wake = if word & SCHEDULED != 0 {
        Wake::Nobody
    } else if word & LISTENING != 0 {
        Wake::Listener
    } else {
        Wake::Actor
    };
    (word | SCHEDULED, wake)
}
