//! A map of chunks by their age.
//!
//! Of pointers without a type, and with its code in one place: a slab has a type of its own for each type of actor, and a tree
//! made anew for each would be a fifth of what the compiler has to do for an actor.

use std::collections::BTreeMap;
use std::ops::Range;
use std::ptr::NonNull;

#[derive(Debug, Default)]
pub(super) struct Ages(BTreeMap<u64, NonNull<()>>);

impl Ages {
    pub(super) fn insert(&mut self, age: u64, chunk: NonNull<()>) {
        self.0.insert(age, chunk);
    }

    pub(super) fn remove(&mut self, age: u64) {
        self.0.remove(&age);
    }

    /// The oldest.
    pub(super) fn first(&self) -> Option<NonNull<()>> {
        self.0.first_key_value().map(|(_, chunk)| *chunk)
    }

    /// The oldest whose age is in the range.
    pub(super) fn first_of(&self, ages: Range<u64>) -> Option<NonNull<()>> {
        self.0.range(ages).next().map(|(_, chunk)| *chunk)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
