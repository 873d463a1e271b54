//! A store as it is written to disk: a flat sequence, four values for each key.
//!
//! `key, deadline, kind, value`: bytes, milliseconds since 1970 (0 for never), 0 for a string and 1 for a hash, and bytes or a
//! sequence of fields and values in turn. Deadlines are times of day, so a key expires when it should have, however long nobody
//! was there to see it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};

use super::hashes::Hash;
use super::{NEVER, Store, Value};
use crate::op::Expiry;

/// Bytes, which a `Vec<u8>` is not to serde.
struct Bytes<T>(T);

impl Serialize for Bytes<&[u8]> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes<Vec<u8>> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Bytes<Vec<u8>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Bytes(bytes.to_vec()))
            }

            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
                Ok(Bytes(bytes))
            }
        }
        from.deserialize_byte_buf(Read)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut seq = to.serialize_seq(Some(2 * self.fields().count()))?;
        for (field, value) in self.fields() {
            seq.serialize_element(&Bytes(field))?;
            seq.serialize_element(&Bytes(value))?;
        }
        seq.end()
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Hash;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("fields and values in turn")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Hash, A::Error> {
                let mut hash = Hash::default();
                while let Some(Bytes::<Vec<u8>>(field)) = seq.next_element()? {
                    let Bytes::<Vec<u8>>(value) = next(&mut seq)?;
                    hash.set(&field, &value);
                }
                Ok(hash)
            }
        }
        from.deserialize_seq(Read)
    }
}

impl Serialize for Store {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut seq = to.serialize_seq(Some(4 * self.items.len()))?;
        for (_, key, item) in self.items.iter() {
            seq.serialize_element(&Bytes(key))?;
            seq.serialize_element(match item.deadline {
                NEVER => &0,
                ref deadline => deadline,
            })?;
            match &item.value {
                Value::Str(bytes) => {
                    seq.serialize_element(&0_u8)?;
                    seq.serialize_element(&Bytes(&bytes[..]))?;
                }
                Value::Hash(hash) => {
                    seq.serialize_element(&1_u8)?;
                    seq.serialize_element(hash)?;
                }
            }
        }
        seq.end()
    }
}

impl<'de> Deserialize<'de> for Store {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Store;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("keys, each with deadline, kind and value")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Store, A::Error> {
                let mut store = Store::new();
                while let Some(Bytes::<Vec<u8>>(key)) = seq.next_element()? {
                    let deadline = next(&mut seq)?;
                    let value = match next::<u8, A>(&mut seq)? {
                        0 => Value::Str(next::<Bytes<Vec<u8>>, A>(&mut seq)?.0),
                        1 => Value::Hash(Box::new(next(&mut seq)?)),
                        kind => return Err(A::Error::custom(format_args!("the kind {kind}"))),
                    };
                    if store.items.find(&key).is_some() {
                        return Err(A::Error::custom("a key comes twice"));
                    }
                    let slot = store.insert(&key, value);
                    if deadline != 0 {
                        store.set_expiry(slot, Expiry::At(deadline));
                    }
                }
                Ok(store)
            }
        }
        from.deserialize_seq(Read)
    }
}

/// The next element, which must be there.
fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(seq: &mut A) -> Result<T, A::Error> {
    let next = seq.next_element()?;
    next.ok_or_else(|| A::Error::custom("it ends in the middle of a key"))
}
