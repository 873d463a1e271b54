//! Operations on keys of any type, and on the whole store.

use super::{NEVER, Store};
use crate::batch::Args;
use crate::dict::SlotId;
use crate::glob;
use crate::op::{ExpireIf, Expiry, Kind, Millis, TtlForm};
use crate::reply;

/// A position in the scan of all shards, one after the other.
///
/// The client sees one number, `at * shards + shard`: zero is both the beginning (slot 0 of shard 0) and, as the protocol
/// wants it, the end, since no position behind the first is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The slot in the shard.
    pub at: u64,
    /// The shard.
    pub shard: u32,
    /// How many shards there are.
    pub shards: u32,
}

impl Cursor {
    /// Reads what [`number`](Self::number) wrote, or anything else a client may send.
    pub fn from_number(number: u64, shards: u32) -> Cursor {
        let n = u64::from(shards);
        Cursor {
            at: number / n,
            shard: (number % n) as u32,
            shards,
        }
    }

    /// The number the client sees.
    pub fn number(self) -> u64 {
        self.at
            .saturating_mul(u64::from(self.shards))
            .saturating_add(u64::from(self.shard))
    }

    /// Where to go on, given where to go on in this shard.
    fn next(self, at: Option<u64>) -> Cursor {
        match at {
            Some(at) => Cursor { at, ..self },
            None => Cursor {
                at: 0,
                shard: (self.shard + 1) % self.shards,
                ..self
            },
        }
    }
}

impl Store {
    pub(super) fn del(&mut self, args: Args<'_>, out: &mut Vec<u8>) {
        let mut removed = 0;
        for key in args.from(0) {
            if let Some(slot) = self.find(key) {
                self.remove(slot);
                removed += 1;
            }
        }
        reply::int(out, removed);
    }

    pub(super) fn exists(&mut self, args: Args<'_>, out: &mut Vec<u8>) {
        let found = args.from(0).filter(|key| self.find(key).is_some()).count();
        reply::count(out, found);
    }

    pub(super) fn type_of(&mut self, args: Args<'_>, out: &mut Vec<u8>) {
        let kind = self
            .find(args.at(0))
            .map(|slot| self.items.value(slot).value.kind());
        reply::simple(
            out,
            match kind {
                Some(Kind::String) => "string",
                Some(Kind::Hash) => "hash",
                Some(Kind::Other) | None => "none",
            },
        );
    }

    pub(super) fn expire_key(
        &mut self,
        args: Args<'_>,
        at: i64,
        only: ExpireIf,
        out: &mut Vec<u8>,
    ) {
        let Some(slot) = self.find(args.at(0)) else {
            return reply::int(out, 0);
        };
        let old = self.items.value(slot).deadline;
        // Times before 1970 are in the past like all others; `NEVER` itself stays reserved.
        let new = Millis::try_from(at).unwrap_or(0);
        let refused = (only.absent && old != NEVER)
            || (only.present && old == NEVER)
            || (only.later && new <= old)
            || (only.earlier && new >= old);
        if refused {
            return reply::int(out, 0);
        }
        if new <= self.now {
            self.remove(slot);
        } else {
            self.set_expiry(slot, Expiry::At(new));
        }
        reply::int(out, 1);
    }

    pub(super) fn ttl(&mut self, args: Args<'_>, form: TtlForm, out: &mut Vec<u8>) {
        let Some(slot) = self.find(args.at(0)) else {
            return reply::int(out, -2);
        };
        let deadline = self.items.value(slot).deadline;
        if deadline == NEVER {
            return reply::int(out, -1);
        }
        let millis = if form.absolute {
            deadline
        } else {
            deadline - self.now
        };
        let shown = if form.seconds {
            millis.saturating_add(500) / 1000
        } else {
            millis
        };
        reply::int(out, i64::try_from(shown).unwrap_or(i64::MAX));
    }

    pub(super) fn persist(&mut self, args: Args<'_>, out: &mut Vec<u8>) {
        let slot = self
            .find(args.at(0))
            .filter(|&slot| self.items.value(slot).deadline != NEVER);
        if let Some(slot) = slot {
            self.set_expiry(slot, Expiry::Never);
        }
        reply::int(out, i64::from(slot.is_some()));
    }

    pub(super) fn keys(&mut self, args: Args<'_>, out: &mut Vec<u8>) {
        let pattern = args.at(0);
        let alive = self
            .items
            .iter()
            .filter(|(_, _, item)| item.deadline > self.now);
        let found: Vec<SlotId> = alive
            .filter(|(_, key, _)| glob::matches(pattern, key))
            .map(|(slot, ..)| slot)
            .collect();
        self.key_array(&found, out);
    }

    pub(super) fn scan(
        &mut self,
        args: Args<'_>,
        cursor: Cursor,
        count: usize,
        kind: Option<Kind>,
        out: &mut Vec<u8>,
    ) {
        let pattern = args.get(0);
        let mut found = Vec::new();
        let next = self.items.scan(cursor.at, count, |slot, key, item| {
            let fits = item.deadline > self.now
                && kind.is_none_or(|kind| kind == item.value.kind())
                && pattern.is_none_or(|pattern| glob::matches(pattern, key));
            if fits {
                found.push(slot);
            }
        });
        reply::array(out, 2);
        reply::bulk(out, cursor.next(next).number().to_string());
        self.key_array(&found, out);
    }

    fn key_array(&self, slots: &[SlotId], out: &mut Vec<u8>) {
        reply::array(out, slots.len());
        for (key, _) in slots.iter().filter_map(|&slot| self.items.entry(slot)) {
            reply::bulk(out, key);
        }
    }

    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        *self = Store {
            now: self.now,
            ..Store::default()
        };
        reply::ok(out);
    }
}
