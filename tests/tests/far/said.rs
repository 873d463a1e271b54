//! What nodes say to each other, written down a second time: as a peer would write it who knows the secret and means ill.

use std::fmt;

use actor_core::image::{Head, Image, Kind, Limits};
use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// An image, as bytes in a message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packed(pub(crate) Vec<u8>);

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
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Packed, E> {
                Ok(Packed(bytes.to_vec()))
            }
        }
        from.deserialize_bytes(Bytes)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Wire {
    Handover {
        thing: String,
        message: Message,
    },
    Forward {
        thing: String,
        call: Option<u128>,
        message: Packed,
    },
    Answer {
        call: u128,
        answer: Option<Packed>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Message {
    Offer {
        epoch: u64,
        offer: u128,
        image: Packed,
    },
    Accept {
        offer: u128,
        ticket: u128,
    },
    Refuse {
        offer: u128,
        why: Refusal,
    },
    Commit {
        epoch: u64,
        offer: u128,
        ticket: u128,
    },
    Abort {
        offer: u128,
        ticket: u128,
    },
    Confirm {
        offer: u128,
        ticket: u128,
    },
    Missing {
        offer: u128,
        ticket: u128,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    Busy,
    Here,
    NotSaved,
    Unknown(String),
    Thaw(String),
    Full,
}

/// A record, as it is in a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Record {
    Here {
        epoch: u64,
        image: Option<Packed>,
    },
    Leaving {
        epoch: u64,
        offer: u128,
        to: String,
        image: Packed,
    },
    Gone {
        epoch: u64,
        offer: u128,
        ticket: u128,
        to: String,
    },
    Arrived {
        epoch: u64,
        offer: u128,
        ticket: u128,
        from: String,
        image: Packed,
    },
}

pub(crate) const WIRE: &str = "actor_core::migrate::Wire";
pub(crate) const RECORD: &str = "actor_core::migrate::Record";

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.bytes += 1 << 20;
    limits
}

/// As bytes, under a header that says what is wanted.
pub(crate) fn encoded(name: &str, value: &impl Serialize) -> Vec<u8> {
    let head = Head::new(Kind::Data, name).schema(1);
    Image::of_within(head, value, &limits()).unwrap().encode()
}

impl Wire {
    pub(crate) fn encode(&self) -> Vec<u8> {
        encoded(WIRE, self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let image = Image::decode(bytes, &limits()).unwrap();
        image.value().unwrap()
    }

    pub(crate) fn of(thing: &str, message: Message) -> Vec<u8> {
        let thing = thing.to_owned();
        Wire::Handover { thing, message }.encode()
    }

    /// The image in it.
    pub(crate) fn packed(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Wire::Handover {
                message: Message::Offer { image, .. },
                ..
            } => Some(&mut image.0),
            Wire::Forward { message, .. } => Some(&mut message.0),
            Wire::Answer { answer, .. } => answer.as_mut().map(|it| &mut it.0),
            Wire::Handover { .. } => None,
        }
    }
}
