//! A hash map whose elements never move: the ground `SCAN` stands on.
//!
//! # The problem
//! `SCAN` hands the client a cursor and forgets about the client. Between two calls elements come and go and the map
//! grows. Still, *an element that is there from the first call to the last must be returned*. A `HashMap` moves its
//! elements when it grows, so no position in it keeps a meaning. (Redis walks its buckets in the order of their
//! reversed index bits, which survives doublings at the price of returning some elements twice.)
//!
//! # The solution
//! Elements live in numbered *slots*; the hash table proper only maps a key's hash to a slot number.
//!
//! ```text
//!   table (hash -> slot)        slots     0      1      2      3      4
//!   [ .. 3 .. 0 .. 4 .. ] ---->        | a: 1 | free | free | b: 7 | c: 2 |
//!                                         ^scan cursor counts through these
//! ```
//!
//! An element keeps its slot until it is removed, and a cursor is the number of the next slot to look at. So a scan
//! returns every element that stays exactly once; one that is added meanwhile may be missed, one that is removed and
//! added again may be seen twice. Free slots are used again before new ones are made. As a bonus the
//! order of iteration depends on the history of the map and not on its hash function: a seeded test replays.

use std::fmt;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// The number of a slot.
pub type SlotId = u32;

struct Entry<V> {
    /// Kept so that a growing table need not visit the keys.
    hash: u64,
    key: Box<[u8]>,
    value: V,
}

/// A map from byte strings to `V` with stable slots.
pub struct Dict<V> {
    table: HashTable<SlotId>,
    slots: Vec<Option<Entry<V>>>,
    free: Vec<SlotId>,
    /// Seeded per map, so that nobody can prepare keys that collide.
    hasher: DefaultHashBuilder,
}

impl<V> Default for Dict<V> {
    fn default() -> Self {
        Dict {
            table: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<V> fmt::Debug for Dict<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dict")
            .field("len", &self.len())
            .field("slots", &self.slots.len())
            .finish_non_exhaustive()
    }
}

impl<V> Dict<V> {
    /// Bytes one element takes beside key and value's own heap memory: its slot and its share of the table.
    pub const ELEMENT_OVERHEAD: usize = size_of::<Option<Entry<V>>>() + 8;

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The slot of `key`.
    pub fn find(&self, key: &[u8]) -> Option<SlotId> {
        let hash = self.hasher.hash_one(key);
        self.table
            .find(hash, |&slot| is_at(&self.slots, slot, hash, key))
            .copied()
    }

    /// Key and value in `slot`, if it is taken.
    pub fn entry(&self, slot: SlotId) -> Option<(&[u8], &V)> {
        let entry = self.slots.get(slot as usize)?.as_ref()?;
        Some((&entry.key, &entry.value))
    }

    /// The value in `slot`.
    ///
    /// # Panics
    /// If the slot is free.
    pub fn value(&self, slot: SlotId) -> &V {
        &self.slots[slot as usize]
            .as_ref()
            .expect("a slot that was found is taken")
            .value
    }

    /// The value in `slot`, to change.
    ///
    /// # Panics
    /// If the slot is free.
    pub fn value_mut(&mut self, slot: SlotId) -> &mut V {
        &mut self.slots[slot as usize]
            .as_mut()
            .expect("a slot that was found is taken")
            .value
    }

    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Option<&V> {
        self.find(key).map(|slot| self.value(slot))
    }

    /// Adds an element whose key is known to be absent and returns its slot.
    pub fn insert_new(&mut self, key: &[u8], value: V) -> SlotId {
        debug_assert!(self.find(key).is_none(), "the key is present");
        let hash = self.hasher.hash_one(key);
        let entry = Some(Entry {
            hash,
            key: key.into(),
            value,
        });
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = entry;
                slot
            }
            None => {
                let slot = SlotId::try_from(self.slots.len())
                    .expect("fewer than 2^32 elements fit into memory");
                self.slots.push(entry);
                slot
            }
        };
        let slots = &self.slots;
        self.table.insert_unique(hash, slot, |&other| {
            slots[other as usize].as_ref().map_or(0, |e| e.hash)
        });
        slot
    }

    /// Removes what is in `slot`, if anything, and returns it.
    pub fn remove(&mut self, slot: SlotId) -> Option<(Box<[u8]>, V)> {
        let entry = self.slots.get_mut(slot as usize)?.take()?;
        if let Ok(found) = self.table.find_entry(entry.hash, |&other| other == slot) {
            found.remove();
        }
        self.free.push(slot);
        if self.is_empty() {
            // Slots are never given back singly (they would have to move), but an empty map starts afresh.
            *self = Dict {
                hasher: self.hasher,
                ..Dict::default()
            };
        }
        Some((entry.key, entry.value))
    }

    /// All elements, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (SlotId, &[u8], &V)> {
        (0..)
            .zip(&self.slots)
            .filter_map(|(slot, entry)| entry.as_ref().map(|e| (slot, &*e.key, &e.value)))
    }

    /// One step of a scan: from slot `at` on, visits up to `count` elements and no more than ten times as many slots
    /// (a map that has shrunk may be mostly free slots). Returns where to go on, `None` at the end.
    pub fn scan(
        &self,
        at: u64,
        count: usize,
        mut visit: impl FnMut(SlotId, &[u8], &V),
    ) -> Option<u64> {
        let mut at = usize::try_from(at).unwrap_or(usize::MAX);
        let slots_end = at
            .saturating_add(count.saturating_mul(10))
            .min(self.slots.len());
        let mut left = count;
        while at < slots_end && left > 0 {
            if let Some(entry) = &self.slots[at] {
                visit(at as SlotId, &entry.key, &entry.value);
                left -= 1;
            }
            at += 1;
        }
        (at < self.slots.len()).then_some(at as u64)
    }
}

fn is_at<V>(slots: &[Option<Entry<V>>], slot: SlotId, hash: u64, key: &[u8]) -> bool {
    slots[slot as usize]
        .as_ref()
        .is_some_and(|entry| entry.hash == hash && *entry.key == *key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeSet, HashMap};

    fn set(dict: &mut Dict<u32>, key: &[u8], value: u32) {
        match dict.find(key) {
            Some(slot) => *dict.value_mut(slot) = value,
            None => {
                dict.insert_new(key, value);
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((0u8..40, any::<Option<u32>>()), 0..400)) {
            let mut dict = Dict::default();
            let mut model = HashMap::new();
            for (key, value) in steps {
                match value {
                    Some(value) => {
                        set(&mut dict, &[key], value);
                        model.insert(key, value);
                    }
                    None => {
                        let removed = dict.find(&[key]).and_then(|slot| dict.remove(slot)).map(|(_, v)| v);
                        prop_assert_eq!(removed, model.remove(&key));
                    }
                }
                prop_assert_eq!(dict.len(), model.len());
                prop_assert_eq!(dict.get(&[key]), model.get(&key));
            }
            let all: HashMap<u8, u32> = dict.iter().map(|(_, k, v)| (k[0], *v)).collect();
            prop_assert_eq!(all, model);
        }

        #[test]
        fn a_scan_returns_all_that_stays(
            start in proptest::collection::btree_set(0u8..=255, 0..200),
            churn in proptest::collection::vec((0u8..=255, any::<bool>()), 0..400),
            count in 1usize..20,
        ) {
            let mut dict = Dict::default();
            for key in &start {
                set(&mut dict, &[*key], 0);
            }
            let mut stayed = start.clone();
            let mut seen = BTreeSet::new();
            let mut churn = churn.chunks(3);
            let mut cursor = Some(0);
            while let Some(at) = cursor {
                cursor = dict.scan(at, count, |_, key, _| { seen.insert(key[0]); });
                for &(key, add) in churn.next().unwrap_or_default() {
                    if add {
                        set(&mut dict, &[key], 0);
                    } else if let Some(slot) = dict.find(&[key]) {
                        stayed.remove(&key);
                        dict.remove(slot);
                    }
                }
            }
            prop_assert!(seen.is_superset(&stayed));
        }
    }

    #[test]
    fn a_scan_step_visits_a_bounded_number_of_slots() {
        let mut dict = Dict::default();
        for n in 0..1000u32 {
            set(&mut dict, &n.to_le_bytes(), n);
        }
        for n in 0..999u32 {
            let slot = dict.find(&n.to_le_bytes()).unwrap();
            dict.remove(slot);
        }
        let mut seen = 0;
        assert_eq!(dict.scan(0, 5, |_, _, _| seen += 1), Some(50));
        assert_eq!(seen, 0);
        assert_eq!(dict.scan(990, 5, |_, _, _| seen += 1), None);
        assert_eq!(seen, 1);
        assert_eq!(dict.scan(u64::MAX, 5, |_, _, _| seen += 1), None);
    }
}
