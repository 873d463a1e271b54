//! One shard's data and the operations on it.
//!
//! A store belongs to one actor, so it is an ordinary struct: `&mut self`, no lock, no atomics. Nothing in here knows
//! about actors, sockets or clocks; [`Store::run`] is told what time it is.
//!
//! # Expiry
//! A key with a deadline dies in one of two ways, whichever comes first:
//! - *lazily*: every look-up goes through `find`, which removes the key if its time has come, so nobody ever
//!   sees an expired value;
//! - *actively*: [`Store::expire`] removes what is due, up to a number of keys, so that keys which nobody looks
//!   up again do not stay for ever. Deadlines are kept in order, so it finds what is due without searching (Redis samples at
//!   random), and [`Store::next_deadline`] says when to come back.
//!
//! # Memory
//! [`Store::used`] is an estimate: heap bytes of keys and values plus a constant per element. It is kept up to date by
//! difference: whatever changes a value does so inside `change`.

mod frozen;
mod hashes;
mod keys;
mod strings;

use std::collections::BTreeSet;

use crate::batch::{Args, Batch};
use crate::dict::{Dict, SlotId};
use crate::op::{Expiry, Kind, Millis, Op};
use crate::reply;

use hashes::Hash;
pub use keys::Cursor;

/// What a key holds.
#[derive(Debug)]
enum Value {
    /// Bytes; integers are kept as their text.
    Str(Vec<u8>),
    /// Boxed, because most values are strings and a slot is as large as its largest variant.
    Hash(Box<Hash>),
}

impl Value {
    fn kind(&self) -> Kind {
        match self {
            Value::Str(_) => Kind::String,
            Value::Hash(_) => Kind::Hash,
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Value::Str(bytes) => bytes.capacity(),
            Value::Hash(hash) => hash.heap_bytes(),
        }
    }
}

#[derive(Debug)]
struct Item {
    value: Value,
    /// [`NEVER`] if the key does not expire.
    deadline: Millis,
}

const NEVER: Millis = Millis::MAX;

/// An operation failed; this is its reply.
type Failure = &'static str;

const NOT_AN_INTEGER: Failure = "ERR value is not an integer or out of range";
const NOT_A_FLOAT: Failure = "ERR value is not a valid float";
const OVERFLOW: Failure = "ERR increment or decrement would overflow";
const NOT_FINITE: Failure = "ERR increment would produce NaN or Infinity";

/// One shard's keys and values.
#[derive(Debug, Default)]
pub struct Store {
    items: Dict<Item>,
    /// `(deadline, slot)` of every key that expires.
    deadlines: BTreeSet<(Millis, SlotId)>,
    used: usize,
    now: Millis,
}

impl Store {
    /// An empty store.
    pub fn new() -> Self {
        Store::default()
    }

    /// Runs a batch's remaining operations at time `now`, until the replies exceed `reply_limit` bytes.
    pub fn run(&mut self, batch: &mut Batch, now: Millis, reply_limit: usize) {
        self.now = now;
        batch.run(reply_limit, |op, args, out| {
            if let Err(failure) = self.apply(op, args, out) {
                reply::error(out, failure);
            }
        });
    }

    /// Removes up to `budget` keys that are due at `now` and returns how many there were. If that is `budget`, there may
    /// be more: let other messages have their turn, then call again.
    pub fn expire(&mut self, now: Millis, budget: usize) -> usize {
        self.now = now;
        let mut expired = 0;
        while expired < budget
            && let Some(&(deadline, slot)) = self.deadlines.first()
            && deadline <= now
        {
            self.remove(slot);
            expired += 1;
        }
        expired
    }

    /// When the next key is due.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// Number of keys, including those that are due and not yet removed.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True if there are no keys.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many of the keys have an expiry time.
    pub fn expiring(&self) -> usize {
        self.deadlines.len()
    }

    /// Estimated bytes in use.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Appends one reply, or appends nothing and fails.
    fn apply(&mut self, op: Op, args: Args<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        match op {
            Op::Get => self.get(args, out)?,
            Op::GetOrNil => self.get_or_nil(args, out),
            Op::Set {
                expiry,
                when,
                reply,
            } => self.set(args, expiry, when, reply, out)?,
            Op::SetAll => self.set_all(args, out),
            Op::GetDel => self.get_del(args, out)?,
            Op::GetEx { expiry } => self.get_ex(args, expiry, out)?,
            Op::Append { max } => self.append(args, max, out)?,
            Op::StrLen => self.str_len(args, out)?,
            Op::GetRange { start, end } => self.get_range(args, start, end, out)?,
            Op::SetRange { offset, max } => self.set_range(args, offset, max, out)?,
            Op::IncrBy { by } => self.incr_by(args, by, out)?,
            Op::IncrByFloat => self.incr_by_float(args, out)?,
            Op::Del => self.del(args, out),
            Op::Exists => self.exists(args, out),
            Op::Type => self.type_of(args, out),
            Op::Expire { at, only } => self.expire_key(args, at, only, out),
            Op::Ttl(form) => self.ttl(args, form, out),
            Op::Persist => self.persist(args, out),
            Op::Keys => self.keys(args, out),
            Op::Scan {
                cursor,
                count,
                kind,
                shard,
                shards,
            } => {
                self.scan(
                    args,
                    Cursor {
                        at: cursor,
                        shard,
                        shards,
                    },
                    count,
                    kind,
                    out,
                );
            }
            Op::DbSize => reply::count(out, self.len()),
            Op::Flush => self.flush(out),
            Op::HSet { status } => self.hset(args, status, out)?,
            Op::HSetNx => self.hset_nx(args, out)?,
            Op::HGet => self.hget(args, out)?,
            Op::HMGet => self.hmget(args, out)?,
            Op::HDel => self.hdel(args, out)?,
            Op::HExists => self.hexists(args, out)?,
            Op::HLen => self.hlen(args, out)?,
            Op::HStrLen => self.hstrlen(args, out)?,
            Op::HIncrBy { by } => self.hincr_by(args, by, out)?,
            Op::HIncrByFloat => self.hincr_by_float(args, out)?,
            Op::HList(part) => self.hlist(args, part, out)?,
            Op::HScan { cursor, count } => self.hscan(args, cursor, count, out)?,
            Op::Panic => panic!("DEBUG PANIC {}", args.at(0).escape_ascii()),
        }
        Ok(())
    }

    /// The slot of a key that is alive; removes it if its time has come.
    fn find(&mut self, key: &[u8]) -> Option<SlotId> {
        let slot = self.items.find(key)?;
        if self.items.value(slot).deadline > self.now {
            return Some(slot);
        }
        self.remove(slot);
        None
    }

    /// Adds a key that is known to be absent.
    fn insert(&mut self, key: &[u8], value: Value) -> SlotId {
        self.used += Dict::<Item>::ELEMENT_OVERHEAD + key.len() + value.heap_bytes();
        self.items.insert_new(
            key,
            Item {
                value,
                deadline: NEVER,
            },
        )
    }

    /// Removes the key in `slot`.
    fn remove(&mut self, slot: SlotId) -> Option<Value> {
        let (key, item) = self.items.remove(slot)?;
        self.used -= Dict::<Item>::ELEMENT_OVERHEAD + key.len() + item.value.heap_bytes();
        if item.deadline != NEVER {
            self.deadlines.remove(&(item.deadline, slot));
        }
        Some(item.value)
    }

    /// Changes the value in `slot` and accounts for the memory.
    fn change<R>(&mut self, slot: SlotId, change: impl FnOnce(&mut Value) -> R) -> R {
        let value = &mut self.items.value_mut(slot).value;
        let before = value.heap_bytes();
        let result = change(value);
        self.used = self.used - before + value.heap_bytes();
        result
    }

    fn set_expiry(&mut self, slot: SlotId, expiry: Expiry) {
        let deadline = match expiry {
            Expiry::Keep => return,
            Expiry::Never => NEVER,
            Expiry::At(at) => at,
        };
        let old = std::mem::replace(&mut self.items.value_mut(slot).deadline, deadline);
        if old == deadline {
            return;
        }
        if old != NEVER {
            self.deadlines.remove(&(old, slot));
        }
        if deadline != NEVER {
            self.deadlines.insert((deadline, slot));
        }
    }
}

#[cfg(test)]
mod tests;
