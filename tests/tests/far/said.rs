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

/// Writes the length and the checksum of an image as they should be, so that the layers behind them are reached.
pub(crate) fn put_right(bytes: &mut [u8]) {
    if bytes.len() < 36 {
        return;
    }
    let payload = bytes.len().saturating_sub(36 + usize::from(bytes[7]));
    bytes[28..32].copy_from_slice(&(payload as u32).to_be_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..32]);
    hasher.update(&bytes[36..]);
    let sum = hasher.finalize();
    bytes[32..36].copy_from_slice(&sum.to_be_bytes());
}

/// Changes an image somewhere, mostly so that only a layer behind the checksum can tell.
pub(crate) fn spoil(bytes: &mut Vec<u8>, rng: &mut fastrand::Rng) {
    for _ in 0..rng.usize(1..4) {
        mutate(bytes, rng);
    }
    if rng.u8(..8) != 0 {
        put_right(bytes);
    }
}

fn mutate(bytes: &mut Vec<u8>, rng: &mut fastrand::Rng) {
    let length = bytes.len();
    if length == 0 {
        return bytes.push(rng.u8(..));
    }
    // The header and what begins the payload, or anywhere.
    let at = match rng.bool() {
        true => rng.usize(..length),
        false => rng.usize(..length.min(100)),
    };
    match rng.u8(..9) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << rng.u8(..8),
        2 => bytes[at] = rng.u8(..),
        3 => bytes.insert(at, rng.u8(..)),
        4 => drop(bytes.remove(at)),
        // What begins a container, a text or something wide, with a length that may be anything.
        5 => {
            const WIDE: [u8; 12] = [
                0xc1, 0xc4, 0xc6, 0xc9, 0xcf, 0xd8, 0xdb, 0xdc, 0xdd, 0xdf, 0x9f, 0x8f,
            ];
            bytes[at] = WIDE[rng.usize(..WIDE.len())];
            for byte in bytes.iter_mut().skip(at + 1).take(rng.usize(..5)) {
                *byte = if rng.bool() { 0 } else { 0xff };
            }
        }
        // Deep.
        6 => {
            let nested = rng.usize(1..80);
            let at = at.max(length.min(36 + usize::from(*bytes.get(7).unwrap_or(&0))));
            bytes.splice(at..at, std::iter::repeat_n(0x91, nested));
        }
        // A number at its end.
        7 => {
            let end = length.min(at + 9);
            bytes[at..end].fill(0xff);
            bytes[at] = 0xcf;
        }
        // Much.
        _ => {
            let end = length.min(at + rng.usize(1..200));
            let copy = bytes[at..end].to_vec();
            (0..rng.usize(..8)).for_each(|_| bytes.extend_from_slice(&copy));
        }
    }
}
