//! The header of an image, to bytes and back. The table is in the [module above](super).

use std::fmt;

use super::{DecodeError, Limits};

/// The version of the format that is written, and the only one that is read.
pub(super) const FORMAT: u8 = 1;

const MAGIC: [u8; 4] = *b"\x89ACT";
/// Bytes before the name.
const FIXED: usize = 36;
/// Where the checksum is, which it does not cover itself.
const CHECKSUM: usize = 32;

/// What an image is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// An actor.
    Actor,
    /// Microthreads, with the channels between them.
    Microthreads,
    /// A value of the user's own.
    Data,
}

impl Kind {
    const fn number(self) -> u8 {
        match self {
            Self::Actor => 1,
            Self::Microthreads => 2,
            Self::Data => 3,
        }
    }

    const fn of(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Actor),
            2 => Some(Self::Microthreads),
            3 => Some(Self::Data),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Actor => "an actor",
            Self::Microthreads => "microthreads",
            Self::Data => "data",
        })
    }
}

/// What the header of an image says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Head {
    kind: Kind,
    name: Box<str>,
    schema: u32,
    epoch: u64,
    fingerprint: u64,
}

impl Head {
    /// The longest name, in bytes.
    pub const MAX_NAME: usize = 255;

    /// An image of this kind, of the type or function of this name; schema, epoch and fingerprint are 0.
    ///
    /// # Panics
    /// If the name is empty or longer than [`MAX_NAME`](Self::MAX_NAME).
    #[track_caller]
    pub fn new(kind: Kind, name: impl Into<Box<str>>) -> Self {
        let name = name.into();
        assert!(
            (1..=Self::MAX_NAME).contains(&name.len()),
            "an image's name has 1 to {} bytes, and not {}",
            Self::MAX_NAME,
            name.len()
        );
        Head {
            kind,
            name,
            schema: 0,
            epoch: 0,
            fingerprint: 0,
        }
    }

    /// Sets the version of the type's fields.
    pub fn schema(mut self, version: u32) -> Self {
        self.schema = version;
        self
    }

    /// Sets which image of its owner it is.
    pub fn epoch(mut self, epoch: u64) -> Self {
        self.epoch = epoch;
        self
    }

    /// Binds it to the code with this fingerprint.
    pub fn fingerprint(mut self, fingerprint: u64) -> Self {
        self.fingerprint = fingerprint;
        self
    }

    /// What it is an image of.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The name of the type or function.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of the type's fields.
    #[must_use]
    pub fn schema_version(&self) -> u32 {
        self.schema
    }

    /// Which image of its owner it is.
    #[must_use]
    pub fn epoch_number(&self) -> u64 {
        self.epoch
    }

    /// The fingerprint of the code it is bound to; 0 if to none.
    #[must_use]
    pub fn code(&self) -> u64 {
        self.fingerprint
    }

    /// Looks whether it is what is wanted: the kind, the name, and, unless that is 0, the code.
    ///
    /// # Errors
    /// [`DecodeError::WrongKind`], [`DecodeError::WrongName`] or [`DecodeError::Fingerprint`].
    pub fn expect(&self, wanted: &Head) -> Result<(), DecodeError> {
        if self.kind != wanted.kind {
            return Err(DecodeError::WrongKind {
                found: self.kind,
                wanted: wanted.kind,
            });
        }
        if self.name != wanted.name {
            return Err(DecodeError::WrongName {
                found: self.name.to_string(),
                wanted: wanted.name.to_string(),
            });
        }
        if wanted.fingerprint != 0 && self.fingerprint != wanted.fingerprint {
            return Err(DecodeError::Fingerprint {
                found: self.fingerprint,
                wanted: wanted.fingerprint,
            });
        }
        Ok(())
    }
}

/// How many bytes the two make.
pub(super) fn size(head: &Head, payload: &[u8]) -> usize {
    FIXED + head.name.len() + payload.len()
}

/// Header and payload, as bytes. The payload has at most `u32::MAX`.
pub(super) fn encode(head: &Head, payload: &[u8]) -> Vec<u8> {
    let name = head.name.as_bytes();
    let name_length = u8::try_from(name.len()).expect("`Head::new` has looked");
    let length = u32::try_from(payload.len()).expect("looked at when it was made");
    let mut out = Vec::with_capacity(size(head, payload));
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[FORMAT, head.kind.number(), 0, name_length]);
    out.extend_from_slice(&head.schema.to_be_bytes());
    out.extend_from_slice(&head.epoch.to_be_bytes());
    out.extend_from_slice(&head.fingerprint.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(name);
    out.extend_from_slice(payload);
    let sum = checksum(&out).to_be_bytes();
    out[CHECKSUM..FIXED].copy_from_slice(&sum);
    out
}

/// The header that `bytes` begin with, and the payload behind it.
pub(super) fn decode<'a>(
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<(Head, &'a [u8]), DecodeError> {
    if bytes.len() > limits.bytes {
        return Err(DecodeError::TooLarge {
            size: bytes.len(),
            limit: limits.bytes,
        });
    }
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
        return Err(DecodeError::Short { size: bytes.len() });
    };
    let [a, b, c, d, format, kind, reserved, name_length, ..] = *fixed;
    if [a, b, c, d] != MAGIC {
        return Err(DecodeError::Magic);
    }
    if format != FORMAT {
        return Err(DecodeError::Format { found: format });
    }
    let length = u32::from_be_bytes(field(fixed, 28));
    let said = FIXED as u64 + u64::from(name_length) + u64::from(length);
    if said != bytes.len() as u64 {
        return Err(DecodeError::Length {
            said,
            is: bytes.len(),
        });
    }
    let (said, is) = (u32::from_be_bytes(field(fixed, CHECKSUM)), checksum(bytes));
    if said != is {
        return Err(DecodeError::Checksum { said, is });
    }
    let kind = Kind::of(kind).ok_or(DecodeError::UnknownKind { found: kind })?;
    if reserved != 0 {
        return Err(DecodeError::Reserved);
    }
    let (name, payload) = rest.split_at(usize::from(name_length));
    let name = str::from_utf8(name).map_err(|_| DecodeError::Name)?;
    if name.is_empty() {
        return Err(DecodeError::Name);
    }
    let head = Head {
        kind,
        name: name.into(),
        schema: u32::from_be_bytes(field(fixed, 8)),
        epoch: u64::from_be_bytes(field(fixed, 12)),
        fingerprint: u64::from_be_bytes(field(fixed, 20)),
    };
    Ok((head, payload))
}

fn field<const N: usize>(fixed: &[u8; FIXED], at: usize) -> [u8; N] {
    *fixed[at..].first_chunk().expect("within the fixed part")
}

/// Of all bytes but the checksum's own.
fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..CHECKSUM]);
    hasher.update(&bytes[FIXED..]);
    hasher.finalize()
}
