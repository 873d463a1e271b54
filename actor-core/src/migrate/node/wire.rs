//! What nodes say to each other, as bytes: an [image](crate::image) of a [`Wire`], so that what comes from afar is looked at before
//! anything is made of it.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::ser::{Serialize, Serializer};

use super::super::handover::{Message, State};
use super::NodeError;
use crate::image::{DecodeError, EncodeError, Head, Image, Kind, Limits};

/// The name of a node, or of a thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name(Arc<str>);

/// The longest name, in bytes.
const LONGEST: usize = 255;

impl Name {
    /// One that others can read.
    pub(super) fn checked(name: &str) -> Result<Self, NodeError> {
        match name.len() > LONGEST {
            true => Err(NodeError::Name(name.len())),
            false => Ok(name.into()),
        }
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Name(name.into())
    }
}

impl From<Name> for Arc<str> {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a name of at most {LONGEST} bytes")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Name, E> {
                // Before anything is made of it.
                Name::checked(name).map_err(E::custom)
            }
        }
        from.deserialize_str(Text)
    }
}

/// An image as bytes, to be kept and passed on without a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packed(pub(super) Arc<[u8]>);

impl From<&Image> for Packed {
    fn from(image: &Image) -> Self {
        Packed(image.encode().into())
    }
}

impl Packed {
    pub(super) fn image(&self) -> Result<Image, DecodeError> {
        Image::decode(&self.0, &Limits::default())
    }
}

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Packed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Packed, E> {
                Ok(Packed(bytes.into()))
            }
        }
        from.deserialize_bytes(Bytes).map_err(D::Error::custom)
    }
}

/// A record of a thing, as it is in the store.
pub(super) type Record = State<Name, Packed>;

/// One thing that one node says to another.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) enum Wire {
    /// Of the handover of a thing.
    Handover {
        thing: Name,
        message: Message<Packed>,
    },
    /// A message for a thing that has gone there; with the number of the call, if somebody waits for the answer.
    Forward {
        thing: Name,
        call: Option<u128>,
        message: Packed,
    },
    /// The answer to a call; none if there will be none.
    Answer { call: u128, answer: Option<Packed> },
}

const WIRE: &str = "actor_core::migrate::Wire";
const RECORD: &str = "actor_core::migrate::Record";
const SCHEMA: u32 = 1;

/// For what holds an image as large as the limits allow.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.bytes += 1 << 20;
    limits
}

impl Wire {
    pub(super) fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let head = Head::new(Kind::Data, WIRE).schema(SCHEMA);
        Ok(Image::of_within(head, self, &limits())?.encode())
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let image = Image::decode(bytes, &limits())?;
        image.head().expect(&Head::new(Kind::Data, WIRE))?;
        image.value()
    }
}

/// As the store keeps it.
pub(super) fn pack(record: &Record) -> Result<Image, EncodeError> {
    let head = Head::new(Kind::Data, RECORD)
        .schema(SCHEMA)
        .epoch(record.epoch());
    Image::of_within(head, record, &limits())
}

const DAMAGED: &str = "actor_core::migrate::Damaged";

/// In the place of a record of which only earlier ones can be read.
pub(super) fn damaged() -> Result<Image, EncodeError> {
    Image::of(Head::new(Kind::Data, DAMAGED), &())
}

pub(super) fn is_damaged(image: &Image) -> bool {
    image.head().expect(&Head::new(Kind::Data, DAMAGED)).is_ok()
}

/// What the store kept.
pub(super) fn unpack(image: &Image) -> Result<Record, DecodeError> {
    image.head().expect(&Head::new(Kind::Data, RECORD))?;
    image.value()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::super::handover::Token;
    use super::*;

    const OFFER: Token = Token(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
    const TICKET: Token = Token(u128::MAX - 1);

    /// The payload of each record in the state of that name, as the docs of `migrate` say: written once, by hand.
    fn golden(state: &str, fields: &[(&str, &[u8])]) -> Vec<u8> {
        let text = |text: &str| [&[0xa0 | text.len() as u8], text.as_bytes()].concat();
        let mut bytes = vec![0x81];
        bytes.extend(text(state));
        bytes.push(0x80 | fields.len() as u8);
        for (name, value) in fields {
            bytes.extend(text(name));
            bytes.extend(*value);
        }
        bytes
    }

    #[test]
    fn the_bytes_of_records_are_the_documented_ones_and_are_read() {
        let name = |name: &str| Name::from(name);
        let image = Packed(Arc::from(*b"img"));
        let (epoch, offer, ticket) = (300, OFFER, TICKET);
        let here = |image| State::Here { epoch, image };
        let leaving = State::Leaving {
            epoch,
            offer,
            to: name("b"),
            image: image.clone(),
        };
        let gone = State::Gone {
            epoch,
            offer,
            ticket,
            to: name("b"),
        };
        let arrived = State::Arrived {
            epoch,
            offer,
            ticket,
            from: name("a"),
            image: image.clone(),
        };
        let e: (&str, &[u8]) = ("epoch", b"\xcd\x01\x2c");
        let o: (&str, &[u8]) = (
            "offer",
            b"\xc4\x10\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10",
        );
        let t: (&str, &[u8]) = (
            "ticket",
            b"\xc4\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe",
        );
        let i: (&str, &[u8]) = ("image", b"\xc4\x03img");
        for (record, state, fields) in [
            (here(None), "Here", &[e, ("image", b"\xc0")][..]),
            (here(Some(image)), "Here", &[e, i]),
            (leaving, "Leaving", &[e, o, ("to", b"\xa1b"), i]),
            (gone, "Gone", &[e, o, t, ("to", b"\xa1b")]),
            (arrived, "Arrived", &[e, o, t, ("from", b"\xa1a"), i]),
        ] {
            let packed = pack(&record).unwrap();
            let head = packed.head();
            assert_eq!((head.name(), head.schema_version()), (RECORD, 1));
            assert_eq!((head.kind(), head.epoch_number()), (Kind::Data, 300));
            assert_eq!(
                packed.payload(),
                golden(state, fields),
                "{:02x?}",
                packed.payload()
            );
            assert_eq!(unpack(&packed).unwrap(), record);
        }
    }
}
