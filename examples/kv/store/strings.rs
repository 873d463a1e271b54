//! Operations on strings.

use super::{Failure, NOT_A_FLOAT, NOT_AN_INTEGER, NOT_FINITE, OVERFLOW, Store, Value};
use crate::batch::Args;
use crate::dict::SlotId;
use crate::num::{self, AddError};
use crate::op::{Expiry, SetReply, When};
use crate::reply;

const TOO_LONG: Failure = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";

impl Store {
    /// The string under `key`, if there is one.
    fn string(&mut self, key: &[u8]) -> Result<Option<(SlotId, &[u8])>, Failure> {
        let Some(slot) = self.find(key) else {
            return Ok(None);
        };
        match &self.items.value(slot).value {
            Value::Str(bytes) => Ok(Some((slot, bytes))),
            Value::Hash(_) => Err(reply::WRONG_TYPE),
        }
    }

    /// Puts a string under `key`, whatever was there, and leaves the expiry time alone.
    fn put(&mut self, key: &[u8], bytes: &[u8]) -> SlotId {
        let Some(slot) = self.find(key) else {
            return self.insert(key, Value::Str(bytes.to_vec()));
        };
        self.change(slot, |value| match value {
            // Writing over the old value saves an allocation, unless that would keep much more memory than needed.
            Value::Str(old) if old.capacity() <= 2 * bytes.len() + 16 => {
                old.clear();
                old.extend_from_slice(bytes);
            }
            other => *other = Value::Str(bytes.to_vec()),
        });
        slot
    }

    pub(super) fn get(&mut self, args: Args<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let value = self.string(args.at(0))?.map(|(_, bytes)| bytes);
        reply::bulk_or_nil(out, value);
        Ok(())
    }

    pub(super) fn get_or_nil(&mut self, args: Args<'_>, out: &mut Vec<u8>) {
        let value = self
            .string(args.at(0))
            .ok()
            .flatten()
            .map(|(_, bytes)| bytes);
        reply::bulk_or_nil(out, value);
    }

    pub(super) fn set(
        &mut self,
        args: Args<'_>,
        expiry: Expiry,
        when: When,
        form: SetReply,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let key = args.at(0);
        if form == SetReply::Previous {
            self.get(args, out)?;
        }
        let holds = match when {
            When::Always => true,
            When::Absent => self.find(key).is_none(),
            When::Present => self.find(key).is_some(),
        };
        if holds {
            let slot = self.put(key, args.at(1));
            self.set_expiry(slot, expiry);
        }
        match form {
            SetReply::Previous => {}
            SetReply::Flag => reply::int(out, i64::from(holds)),
            SetReply::Status if holds => reply::ok(out),
            SetReply::Status => reply::nil(out),
        }
        Ok(())
    }

    pub(super) fn set_all(&mut self, args: Args<'_>, out: &mut Vec<u8>) {
        for (key, value) in args.pairs(0) {
            let slot = self.put(key, value);
            self.set_expiry(slot, Expiry::Never);
        }
        reply::ok(out);
    }

    pub(super) fn get_del(&mut self, args: Args<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.get(args, out)?;
        if let Some(slot) = self.find(args.at(0)) {
            self.remove(slot);
        }
        Ok(())
    }

    pub(super) fn get_ex(
        &mut self,
        args: Args<'_>,
        expiry: Expiry,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        self.get(args, out)?;
        if let Some(slot) = self.find(args.at(0)) {
            self.set_expiry(slot, expiry);
        }
        Ok(())
    }

    pub(super) fn append(
        &mut self,
        args: Args<'_>,
        max: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let (key, tail) = (args.at(0), args.at(1));
        let found = self.string(key)?.map(|(slot, bytes)| (slot, bytes.len()));
        if found.map_or(0, |(_, len)| len) + tail.len() > max {
            return Err(TOO_LONG);
        }
        let len = match found {
            Some((slot, _)) => self.change_string(slot, |bytes| {
                bytes.extend_from_slice(tail);
                bytes.len()
            }),
            None => {
                self.insert(key, Value::Str(tail.to_vec()));
                tail.len()
            }
        };
        reply::count(out, len);
        Ok(())
    }

    pub(super) fn str_len(&mut self, args: Args<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let len = self.string(args.at(0))?.map_or(0, |(_, bytes)| bytes.len());
        reply::count(out, len);
        Ok(())
    }

    pub(super) fn get_range(
        &mut self,
        args: Args<'_>,
        start: i64,
        end: i64,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let bytes = self
            .string(args.at(0))?
            .map_or(&b""[..], |(_, bytes)| bytes);
        let len = bytes.len() as i64;
        let from_end = |at: i64| {
            if at < 0 {
                at.saturating_add(len).max(0)
            } else {
                at
            }
        };
        let (first, last) = (from_end(start), from_end(end).min(len - 1));
        let backwards = start < 0 && end < 0 && start > end;
        let range = if backwards || first > last {
            &bytes[..0]
        } else {
            &bytes[first as usize..=last as usize]
        };
        reply::bulk(out, range);
        Ok(())
    }

    pub(super) fn set_range(
        &mut self,
        args: Args<'_>,
        offset: usize,
        max: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let (key, patch) = (args.at(0), args.at(1));
        let found = self.string(key)?.map(|(slot, bytes)| (slot, bytes.len()));
        if patch.is_empty() {
            reply::count(out, found.map_or(0, |(_, len)| len));
            return Ok(());
        }
        let end = offset
            .checked_add(patch.len())
            .filter(|&end| end <= max)
            .ok_or(TOO_LONG)?;
        let slot = found.map_or_else(
            || self.insert(key, Value::Str(Vec::new())),
            |(slot, _)| slot,
        );
        let len = self.change_string(slot, |bytes| {
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[offset..end].copy_from_slice(patch);
            bytes.len()
        });
        reply::count(out, len);
        Ok(())
    }

    pub(super) fn incr_by(
        &mut self,
        args: Args<'_>,
        by: i64,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let key = args.at(0);
        let Some((slot, old)) = self.string(key)? else {
            let mut text = Vec::new();
            num::push_i64(&mut text, by);
            self.insert(key, Value::Str(text));
            reply::int(out, by);
            return Ok(());
        };
        let old = num::parse_i64(old).ok_or(NOT_AN_INTEGER)?;
        let new = old.checked_add(by).ok_or(OVERFLOW)?;
        self.change_string(slot, |bytes| {
            bytes.clear();
            num::push_i64(bytes, new);
        });
        reply::int(out, new);
        Ok(())
    }

    pub(super) fn incr_by_float(
        &mut self,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let key = args.at(0);
        let old = self.string(key)?.map_or(&b"0"[..], |(_, bytes)| bytes);
        let new = num::add_decimal(old, args.at(1)).map_err(|error| match error {
            AddError::NotANumber => NOT_A_FLOAT,
            AddError::NotFinite => NOT_FINITE,
        })?;
        self.put(key, &new);
        reply::bulk(out, &new);
        Ok(())
    }

    /// Changes a value that is known to be a string.
    fn change_string<R>(&mut self, slot: SlotId, change: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.change(slot, |value| match value {
            Value::Str(bytes) => change(bytes),
            Value::Hash(_) => unreachable!("the type has been checked"),
        })
    }
}
