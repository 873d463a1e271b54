//! Operations on hashes. A hash that loses its last field disappears with its key.

use super::{Failure, OVERFLOW, Store, Value};
use crate::batch::Args;
use crate::dict::{Dict, SlotId};
use crate::glob;
use crate::num::{self, AddError};
use crate::op::HashPart;
use crate::reply;

const NOT_AN_INTEGER: Failure = "ERR hash value is not an integer";
const NOT_A_FLOAT: Failure = "ERR hash value is not a float";

/// Fields and their values.
#[derive(Debug, Default)]
pub(super) struct Hash {
    fields: Dict<Vec<u8>>,
    /// Bytes of all fields and values.
    bytes: usize,
}

impl Hash {
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Hash>() + self.bytes + self.fields.len() * Dict::<Vec<u8>>::ELEMENT_OVERHEAD
    }

    /// All fields and their values.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields
            .iter()
            .map(|(_, field, value)| (field, &value[..]))
    }

    /// Sets a field; true if it is new.
    pub(super) fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        self.bytes += value.len();
        match self.fields.find(field) {
            Some(slot) => {
                let old = self.fields.value_mut(slot);
                self.bytes -= old.len();
                old.clear();
                old.extend_from_slice(value);
                false
            }
            None => {
                self.bytes += field.len();
                self.fields.insert_new(field, value.to_vec());
                true
            }
        }
    }

    /// Removes a field; true if it was there.
    fn remove(&mut self, field: &[u8]) -> bool {
        let removed = self
            .fields
            .find(field)
            .and_then(|slot| self.fields.remove(slot));
        if let Some((field, value)) = &removed {
            self.bytes -= field.len() + value.len();
        }
        removed.is_some()
    }
}

impl Store {
    /// The hash under `key`, if there is one.
    fn hash(&mut self, key: &[u8]) -> Result<Option<(SlotId, &Hash)>, Failure> {
        let Some(slot) = self.find(key) else {
            return Ok(None);
        };
        match &self.items.value(slot).value {
            Value::Hash(hash) => Ok(Some((slot, hash))),
            Value::Str(_) => Err(reply::WRONG_TYPE),
        }
    }

    /// The value of the field `[1]` of the hash `[0]`.
    fn field(&mut self, args: Args<'_>) -> Result<Option<&[u8]>, Failure> {
        let hash = self.hash(args.at(0))?;
        Ok(hash
            .and_then(|(_, hash)| hash.fields.get(args.at(1)))
            .map(|value| &value[..]))
    }

    /// Changes the hash under `key`; makes one if there is none, removes it if nothing is left in it.
    fn change_hash<R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut Hash) -> R,
    ) -> Result<R, Failure> {
        let slot = match self.hash(key)? {
            Some((slot, _)) => slot,
            None => self.insert(key, Value::Hash(Box::default())),
        };
        let (result, empty) = self.change(slot, |value| match value {
            Value::Hash(hash) => (change(hash), hash.fields.is_empty()),
            Value::Str(_) => unreachable!("the type has been checked"),
        });
        if empty {
            self.remove(slot);
        }
        Ok(result)
    }

    pub(super) fn hset(
        &mut self,
        args: Args<'_>,
        status: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let pairs = args.pairs(1);
        let added = self.change_hash(args.at(0), |hash| {
            pairs
                .filter(|(field, value)| hash.set(field, value))
                .count()
        })?;
        if status {
            reply::ok(out);
        } else {
            reply::count(out, added);
        }
        Ok(())
    }

    pub(super) fn hset_nx(&mut self, args: Args<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let absent = self.field(args)?.is_none();
        if absent {
            self.change_hash(args.at(0), |hash| hash.set(args.at(1), args.at(2)))?;
        }
        reply::int(out, i64::from(absent));
        Ok(())
    }

    pub(super) fn hget(&mut self, args: Args<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let value = self.field(args)?;
        reply::bulk_or_nil(out, value);
        Ok(())
    }

    pub(super) fn hmget(&mut self, args: Args<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let hash = self.hash(args.at(0))?;
        let fields = args.from(1);
        reply::array(out, fields.len());
        for field in fields {
            let value = hash.and_then(|(_, hash)| hash.fields.get(field));
            reply::bulk_or_nil(out, value.map(|value| &value[..]));
        }
        Ok(())
    }

    pub(super) fn hdel(&mut self, args: Args<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let fields = args.from(1);
        let removed = match self.hash(args.at(0))? {
            Some(_) => self.change_hash(args.at(0), |hash| {
                fields.filter(|field| hash.remove(field)).count()
            })?,
            None => 0,
        };
        reply::count(out, removed);
        Ok(())
    }

    pub(super) fn hexists(&mut self, args: Args<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let found = self.field(args)?.is_some();
        reply::int(out, i64::from(found));
        Ok(())
    }

    pub(super) fn hlen(&mut self, args: Args<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let len = self
            .hash(args.at(0))?
            .map_or(0, |(_, hash)| hash.fields.len());
        reply::count(out, len);
        Ok(())
    }

    pub(super) fn hstrlen(&mut self, args: Args<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let len = self.field(args)?.map_or(0, <[u8]>::len);
        reply::count(out, len);
        Ok(())
    }

    pub(super) fn hincr_by(
        &mut self,
        args: Args<'_>,
        by: i64,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let old = match self.field(args)? {
            Some(text) => num::parse_i64(text).ok_or(NOT_AN_INTEGER)?,
            None => 0,
        };
        let new = old.checked_add(by).ok_or(OVERFLOW)?;
        let mut text = Vec::new();
        num::push_i64(&mut text, new);
        self.change_hash(args.at(0), |hash| hash.set(args.at(1), &text))?;
        reply::int(out, new);
        Ok(())
    }

    pub(super) fn hincr_by_float(
        &mut self,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let old = self.field(args)?.unwrap_or(b"0");
        let new = num::add_decimal(old, args.at(2)).map_err(|error| match error {
            AddError::NotANumber => NOT_A_FLOAT,
            AddError::NotFinite => super::NOT_FINITE,
        })?;
        self.change_hash(args.at(0), |hash| hash.set(args.at(1), &new))?;
        reply::bulk(out, &new);
        Ok(())
    }

    pub(super) fn hlist(
        &mut self,
        args: Args<'_>,
        part: HashPart,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let Some((_, hash)) = self.hash(args.at(0))? else {
            reply::array(out, 0);
            return Ok(());
        };
        let width = usize::from(part.fields) + usize::from(part.values);
        reply::array(out, hash.fields.len() * width);
        for (_, field, value) in hash.fields.iter() {
            if part.fields {
                reply::bulk(out, field);
            }
            if part.values {
                reply::bulk(out, value);
            }
        }
        Ok(())
    }

    pub(super) fn hscan(
        &mut self,
        args: Args<'_>,
        cursor: u64,
        count: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let pattern = args.get(1);
        let mut found = Vec::new();
        let hash = self.hash(args.at(0))?.map(|(_, hash)| hash);
        let next = hash.and_then(|hash| {
            hash.fields.scan(cursor, count, |slot, field, _| {
                if pattern.is_none_or(|pattern| glob::matches(pattern, field)) {
                    found.push(slot);
                }
            })
        });
        reply::array(out, 2);
        reply::bulk(out, next.unwrap_or(0).to_string());
        reply::array(out, found.len() * 2);
        for (field, value) in hash
            .iter()
            .flat_map(|hash| found.iter().filter_map(|&slot| hash.fields.entry(slot)))
        {
            reply::bulk(out, field);
            reply::bulk(out, value);
        }
        Ok(())
    }
}
