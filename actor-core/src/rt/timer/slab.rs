//! Entries of the wheel, by index. Vacant ones are linked both ways, so that the tail can be cut off.

use super::{KEEP, Place};
use std::num::NonZeroU64;

/// No entry.
pub(super) const NONE: u32 = u32::MAX;

pub(super) struct Entry<T> {
    pub(super) deadline: u64,
    /// `None`: vacant, with `prev` and `next` in the list of the vacant.
    number: Option<NonZeroU64>,
    pub(super) prev: u32,
    pub(super) next: u32,
    pub(super) place: Place,
    payload: Option<T>,
}

impl<T> Entry<T> {
    pub(super) fn new(deadline: u64, number: NonZeroU64, payload: T) -> Self {
        let payload = Some(payload);
        Self {
            deadline,
            number: Some(number),
            prev: NONE,
            next: NONE,
            place: Place::Near,
            payload,
        }
    }

    pub(super) fn number(&self) -> NonZeroU64 {
        self.number.expect("an entry that is set")
    }
}

pub(super) struct Slab<T> {
    entries: Vec<Entry<T>>,
    vacant: u32,
    len: usize,
}

impl<T> Slab<T> {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            vacant: NONE,
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    pub(super) fn insert(&mut self, entry: Entry<T>) -> u32 {
        self.len += 1;
        if self.vacant != NONE {
            let index = self.vacant;
            self.take_vacant(index);
            self.entries[index as usize] = entry;
            return index;
        }
        let index = u32::try_from(self.entries.len())
            .ok()
            .filter(|index| *index != NONE);
        self.entries.push(entry);
        index.expect("fewer than 2^32 timers on one worker")
    }

    /// The entry at `index`, if it still is the one with this number.
    pub(super) fn get(&mut self, index: u32, number: NonZeroU64) -> Option<&mut Entry<T>> {
        self.entries
            .get_mut(index as usize)
            .filter(|entry| entry.number == Some(number))
    }

    /// The entry at `index`, which is there.
    pub(super) fn at(&mut self, index: u32) -> &mut Entry<T> {
        &mut self.entries[index as usize]
    }

    /// Vacates the entry at `index`, which is set and linked nowhere.
    pub(super) fn remove(&mut self, index: u32) -> T {
        let vacant = self.vacant;
        let entry = self.at(index);
        entry.number = None;
        (entry.prev, entry.next) = (NONE, vacant);
        let payload = entry.payload.take().expect("an entry that is set");
        if vacant != NONE {
            self.at(vacant).prev = index;
        }
        self.vacant = index;
        self.len -= 1;
        if self.entries.len() > 4 * self.len + KEEP {
            self.cut();
        }
        payload
    }

    fn take_vacant(&mut self, index: u32) {
        let entry = self.at(index);
        let (prev, next) = (entry.prev, entry.next);
        if next != NONE {
            self.at(next).prev = prev;
        }
        match prev {
            NONE => self.vacant = next,
            _ => self.at(prev).next = next,
        }
    }

    /// Three quarters are vacant: gives back those at the end. (One entry at the end keeps the rest: it
    /// cannot move, as its index is in somebody's key. It leaves when it fires.)
    #[cold]
    fn cut(&mut self) {
        while self.entries.len() > 2 * self.len + KEEP / 2
            && self
                .entries
                .last()
                .is_some_and(|entry| entry.number.is_none())
        {
            self.take_vacant(self.entries.len() as u32 - 1);
            self.entries.pop();
        }
        if self.entries.capacity() > 4 * self.entries.len() {
            self.entries.shrink_to(2 * self.entries.len());
        }
    }
}
