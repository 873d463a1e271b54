//! One worker's timers: a hierarchical wheel with exact firing. Single-threaded, safe code.
//!
//! # Terms
//! Time is counted in nanoseconds since the wheel was made; what lies before is 0, what lies more than 584
//! years after is the last nanosecond. A *tick* is 2^16 ns (66 us). The *cursor* is the tick up to which the
//! wheel has been turned, never later than the latest time it was told.
//!
//! # Structure
//! ```text
//!   near     a binary heap by (deadline, order of insertion): entries whose tick is the cursor's or earlier
//!   level 0  64 lists, one a tick                 ticks that differ from the cursor only in bits 0..6
//!   level 1  64 lists, one for 64 ticks           ... in bits 6..12 and below
//!   ...
//!   level 7  64 lists, one for 2^42 ticks         ... in bits 42..48 and below: all there is of 64-bit time
//! ```
//! An entry lies at the level of the highest group of six bits in which its tick differs from the cursor,
//! in the list named by that group. From this follow:
//!
//! 1. All entries of a level are due before all entries of the next, and within a level those of a lower
//!    list before those of a higher. So the earliest list is found from one bitmap a level.
//! 2. When the cursor reaches the first tick of a list, the whole list is placed anew: every entry falls to a lower
//!    level or into the heap. An entry moves at most eight times in its life, and not at all if it is
//!    cancelled early, as most timeouts are.
//! 3. Between lists the cursor may jump: what it passes is empty.
//!
//! The heap is what makes firing exact to the nanosecond, and in deadline order, first in first out among
//! equals, although a list is unordered; it holds one tick's worth of entries, unless the worker is late.
//!
//! # The next deadline
//! Each list knows the least deadline ever put into it since it was last empty. Cancelling does not raise it, as that would
//! need a search. So [`Timers::next_deadline`] is exact unless the earliest entry was cancelled while others
//! share its list. Then the worker wakes once too early, [`Timers::expire`] turns the cursor into that list, and
//! placing its entries anew makes the figure exact again. No wake-up is repeated; a list that
//! has lost all its entries causes none.
//!
//! # Cancelling
//! Entries lie in a slab and are doubly linked, so a list is left in constant time. An entry in the heap
//! leaves the slab and stays behind as a stale item, known by its number; when stale items outnumber the
//! others they are swept out. A [`Key`] holds that number, unique for ever, so a key kept too long
//! cancels nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

mod slab;
#[cfg(test)]
mod tests;

use slab::{Entry, NONE, Slab};

const TICK_BITS: u32 = 16;
const GROUP_BITS: u32 = 6;
const LISTS: usize = 1 << GROUP_BITS;
const LEVELS: usize = (u64::BITS - TICK_BITS).div_ceil(GROUP_BITS) as usize;

/// Heap and slab keep this much room when they shrink.
const KEEP: usize = 64;

/// Names one entry; void once that has fired or been cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    number: NonZeroU64,
    index: u32,
}

impl Key {
    pub(super) fn parts(self) -> (NonZeroU64, u32) {
        (self.number, self.index)
    }

    pub(super) fn of_parts(number: NonZeroU64, index: u32) -> Self {
        Key { number, index }
    }
}

/// Where an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Near,
    List { level: u8, list: u8 },
}

/// The unordered entries of one list.
#[derive(Clone, Copy)]
struct List {
    head: u32,
    /// No entry is due before this; see "The next deadline".
    least: u64,
}

const EMPTY: List = List {
    head: NONE,
    least: u64::MAX,
};

/// An item of the heap: deadline, number, index in the slab.
type Item = Reverse<(u64, NonZeroU64, u32)>;

/// Timers with a payload each. See the module's documentation.
pub(crate) struct Timers<T> {
    base: Instant,
    cursor: u64,
    next_number: NonZeroU64,
    near: BinaryHeap<Item>,
    /// Items of `near` whose entry has been cancelled.
    stale: usize,
    /// Bit `l` of `occupied[level]`: list `l` of that level has entries.
    occupied: [u64; LEVELS],
    lists: Box<[[List; LISTS]; LEVELS]>,
    slab: Slab<T>,
}

impl<T> fmt::Debug for Timers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl<T> Timers<T> {
    /// No timers. `base` is the present: deadlines before it all count as equal to it.
    pub(crate) fn new(base: Instant) -> Self {
        Self {
            base,
            cursor: 0,
            next_number: NonZeroU64::MIN,
            near: BinaryHeap::new(),
            stale: 0,
            occupied: [0; LEVELS],
            lists: Box::new([[EMPTY; LISTS]; LEVELS]),
            slab: Slab::new(),
        }
    }

    /// How many timers are set.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether no timer is set.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.slab.len() == 0
    }

    /// Sets a timer. A deadline in the past is due at the next [`expire`](Self::expire).
    pub(crate) fn insert(&mut self, deadline: Instant, payload: T) -> Key {
        let deadline = self.since_base(deadline);
        let number = self.next_number;
        // One a nanosecond would last 584 years.
        self.next_number = number.checked_add(1).expect("fewer than 2^64 timers");
        let index = self.slab.insert(Entry::new(deadline, number, payload));
        self.place(index, deadline, number);
        Key { number, index }
    }

    /// Removes a timer and returns its payload, or `None` if it has fired or been cancelled before.
    pub(crate) fn cancel(&mut self, key: Key) -> Option<T> {
        let entry = self.slab.get(key.index, key.number)?;
        match entry.place {
            Place::List { level, list } => self.unlink(key.index, level, list),
            Place::Near => {
                self.stale += 1;
                if self.stale > self.near.len() / 2 + KEEP {
                    self.sweep(key);
                }
            }
        }
        Some(self.slab.remove(key.index))
    }

    /// When [`expire`](Self::expire) next has something to do. Never later than the earliest deadline; how it may be
    /// earlier, and that this does not repeat, see the module's documentation.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        self.next_due()
            .map(|at| self.base + Duration::from_nanos(at))
    }

    /// Removes all timers due at `now` and calls `fire` with each payload: by deadline, and among equal
    /// deadlines in order of insertion. Says how many. If `fire` panics, those not yet fired remain.
    pub(crate) fn expire(&mut self, now: Instant, mut fire: impl FnMut(T)) -> usize {
        let now = self.since_base(now);
        if self.next_due().is_none_or(|at| at > now) {
            return 0;
        }
        self.turn(now >> TICK_BITS);
        let mut fired = 0;
        while let Some(index) = self.pop_near(now) {
            let payload = self.slab.remove(index);
            fired += 1;
            fire(payload);
        }
        self.near.shrink_to(KEEP);
        fired
    }

    /// Removes one timer that is due at `now`, if there is one: the earliest, and of `n > 1` with equal deadlines the one that
    /// `choose(n)` names, in order of insertion, from 0. The others stay set, and can still be cancelled. For the seeded
    /// scheduler.
    #[cfg(any(all(test, not(loom)), feature = "testing"))]
    pub(crate) fn expire_one(
        &mut self,
        now: Instant,
        choose: impl FnOnce(usize) -> usize,
    ) -> Option<T> {
        let at = self.due(now)?;
        let mut ties = Vec::new();
        while self.prune_near() == Some(at) {
            ties.extend(self.near.pop());
        }
        let chosen = if ties.len() > 1 {
            choose(ties.len())
        } else {
            0
        };
        let Reverse((_, _, index)) = ties.remove(chosen);
        self.near.extend(ties);
        Some(self.slab.remove(index))
    }

    /// Whether a timer is due at `now`: exactly, unlike [`next_deadline`](Self::next_deadline).
    #[cfg(feature = "testing")]
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        self.due(now).is_some()
    }

    /// The earliest deadline, if it is not after `now`.
    #[cfg(any(all(test, not(loom)), feature = "testing"))]
    fn due(&mut self, now: Instant) -> Option<u64> {
        let now = self.since_base(now);
        self.turn(now >> TICK_BITS);
        self.prune_near().filter(|at| *at <= now)
    }

    fn since_base(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.base).as_nanos()).unwrap_or(u64::MAX)
    }

    /// The least deadline that may still be set.
    fn next_due(&mut self) -> Option<u64> {
        // What is near is due before anything in a list.
        self.prune_near().or_else(|| {
            let (level, list) = self.earliest_list()?;
            Some(self.lists[level][list].least)
        })
    }

    fn earliest_list(&self) -> Option<(usize, usize)> {
        let level = self.occupied.iter().position(|lists| *lists != 0)?;
        Some((level, self.occupied[level].trailing_zeros() as usize))
    }

    /// Turns the cursor to the tick `to`, bringing everything due by its end into the heap.
    fn turn(&mut self, to: u64) {
        if to <= self.cursor {
            return;
        }
        while let Some((level, list)) = self.earliest_list() {
            let shift = level as u32 * GROUP_BITS;
            let above = self.cursor >> shift >> GROUP_BITS;
            let first = (above << GROUP_BITS | list as u64) << shift;
            if first > to {
                break;
            }
            self.cursor = first;
            self.occupied[level] &= !(1 << list);
            let mut next = std::mem::replace(&mut self.lists[level][list], EMPTY).head;
            while next != NONE {
                let index = next;
                let entry = self.slab.at(index);
                next = entry.next;
                let (deadline, number) = (entry.deadline, entry.number());
                self.place(index, deadline, number);
            }
        }
        self.cursor = to;
    }

    /// Puts an entry of the slab, which is nowhere, where it belongs.
    fn place(&mut self, index: u32, deadline: u64, number: NonZeroU64) {
        let tick = deadline >> TICK_BITS;
        if tick <= self.cursor {
            self.slab.at(index).place = Place::Near;
            self.near.push(Reverse((deadline, number, index)));
            return;
        }
        let level = (tick ^ self.cursor).ilog2() / GROUP_BITS;
        let list = (tick >> (level * GROUP_BITS)) as usize % LISTS;
        self.occupied[level as usize] |= 1 << list;
        let home = &mut self.lists[level as usize][list];
        home.least = home.least.min(deadline);
        let old = std::mem::replace(&mut home.head, index);
        let entry = self.slab.at(index);
        entry.place = Place::List {
            level: level as u8,
            list: list as u8,
        };
        (entry.prev, entry.next) = (NONE, old);
        if old != NONE {
            self.slab.at(old).prev = index;
        }
    }

    fn unlink(&mut self, index: u32, level: u8, list: u8) {
        let entry = self.slab.at(index);
        let (prev, next) = (entry.prev, entry.next);
        if next != NONE {
            self.slab.at(next).prev = prev;
        }
        if prev != NONE {
            self.slab.at(prev).next = next;
            return;
        }
        let home = &mut self.lists[level as usize][list as usize];
        home.head = next;
        if next == NONE {
            *home = EMPTY;
            self.occupied[level as usize] &= !(1 << list);
        }
    }

    /// Drops stale items from the top of the heap; the deadline there.
    #[inline]
    fn prune_near(&mut self) -> Option<u64> {
        loop {
            let Reverse((deadline, number, index)) = *self.near.peek()?;
            if self.slab.get(index, number).is_some() {
                return Some(deadline);
            }
            self.near.pop();
            self.stale -= 1;
        }
    }

    fn pop_near(&mut self, now: u64) -> Option<u32> {
        self.prune_near().filter(|deadline| *deadline <= now)?;
        self.near.pop().map(|Reverse((_, _, index))| index)
    }

    /// Drops all stale items, and that of `also`, which is about to be cancelled.
    #[cold]
    fn sweep(&mut self, also: Key) {
        let slab = &mut self.slab;
        self.near.retain(|Reverse((_, number, index))| {
            *number != also.number && slab.get(*index, *number).is_some()
        });
        self.near.shrink_to(2 * self.near.len() + KEEP);
        self.stale = 0;
    }
}
