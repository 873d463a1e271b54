//! Images: frozen state as bytes that another process, build or machine can check before it believes them.
//!
//! An **image** is a *payload*, a value in MessagePack with named fields, behind a *header* that says what the value is. The
//! header is checked in full, and so is the shape of the payload, before anything is built from it: an image may come from a
//! disk that lied, from an older build, or from somebody who wishes you ill.
//!
//! # The format, byte by byte
//! All numbers are big-endian, as in MessagePack; the same on every architecture.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | magic: `89 41 43 54` (`\x89ACT`) |
//! | 4 | 1 | version of this format: 1 |
//! | 5 | 1 | kind: 1 an actor, 2 microthreads and what connects them, 3 data of the user's |
//! | 6 | 1 | reserved: 0 |
//! | 7 | 1 | length of the name, `n`: 1 to 255 |
//! | 8 | 4 | version of the schema: the user's number for the type's fields |
//! | 12 | 8 | epoch: which image of its owner this is; a later one has a greater number |
//! | 20 | 8 | fingerprint of the code that wrote it, or 0 if it is not bound to code |
//! | 28 | 4 | length of the payload, `p` |
//! | 32 | 4 | checksum: CRC-32 (that of zlib and PNG) of all other bytes, in order |
//! | 36 | `n` | name of the type or function, UTF-8 |
//! | 36 + `n` | `p` | payload: one MessagePack value |
//!
//! The checksum finds what was torn or has rotted. It is no signature: whoever can write the bytes can write the checksum.
//!
//! What is in the payload is said by whoever writes it: [`snapshot`](crate::snapshot#format) of actors,
//! [`migratable`](mod@crate::migratable#format) of functions and channels, [`migrate`](crate::migrate#format) of a node's records. [The
//! guide](crate::guide::moving) says what can be frozen at all.
//!
//! # What hostile bytes can do
//! Be refused, with a [`DecodeError`] that says why and where. They are not trusted with a size: [`Limits`] bound the bytes of an image, how
//! deep its values are nested and how many there are, and a length that says more than there is is refused before anything is
//! allocated for it. So what decoding allocates is bounded by the number of values times the largest that the type read can hold for
//! one of them. Decoding recurses to the depth allowed: on a small stack allow less.
//!
//! ```
//! use actor_core::image::{DecodeError, Head, Image, Kind, Limits};
//!
//! let image = Image::of(Head::new(Kind::Data, "shop::Cart").schema(2), &vec!["tea", "milk"])?;
//! let bytes = image.encode();
//!
//! let back = Image::decode(&bytes, &Limits::default())?;
//! assert_eq!(back.head().name(), "shop::Cart");
//! assert_eq!(back.value::<Vec<String>>()?, ["tea", "milk"]);
//!
//! let torn = Image::decode(&bytes[..bytes.len() - 1], &Limits::default());
//! assert!(matches!(torn, Err(DecodeError::Length { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod header;
pub(crate) mod scope;
pub(crate) mod variants;
mod walk;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::{DecodeError, EncodeError};
pub use header::{Head, Kind};

/// What an image may be at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes, with the header. Default: 64 MiB.
    pub bytes: usize,
    /// Values, those inside others counted too; a field's name is one. Default: 8 million.
    pub values: usize,
    /// How deep values are nested in others. Default: 64. Each level takes some hundred bytes of stack when it is read.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            bytes: 64 << 20,
            values: 8_000_000,
            depth: 64,
        }
    }
}

/// The text of an error, which may say as much as is in an image.
fn shortened(mut text: String) -> String {
    const ENOUGH: usize = 1024;
    if text.len() > ENOUGH {
        text.truncate(text.floor_char_boundary(ENOUGH));
        text.push_str(" ..");
        text.shrink_to_fit();
    }
    text
}

/// Frozen state, and what it is. See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    head: Head,
    payload: Vec<u8>,
}

impl Image {
    /// Freezes `value`, within the default limits.
    ///
    /// # Errors
    /// [`EncodeError`]: the value's own `Serialize` failed, or nobody could thaw it within these limits.
    pub fn of<T: Serialize + ?Sized>(head: Head, value: &T) -> Result<Self, EncodeError> {
        Self::of_within(head, value, &Limits::default())
    }

    /// As [`of`](Self::of), within limits of your own, which whoever reads it must allow too.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn of_within<T: Serialize + ?Sized>(
        head: Head,
        value: &T,
        limits: &Limits,
    ) -> Result<Self, EncodeError> {
        let mut payload = Vec::with_capacity(128);
        scope::enter(|| rmp_serde::encode::write_named(&mut payload, value))
            .map_err(|error| EncodeError::Value(error.to_string()))?;
        let (size, limit) = (header::size(&head, &payload), limits.bytes);
        if size > limit || u32::try_from(payload.len()).is_err() {
            return Err(EncodeError::TooLarge { size, limit });
        }
        walk::check(&payload, limits).map_err(|error| match error {
            DecodeError::TooDeep { limit, .. } => EncodeError::TooDeep { limit },
            DecodeError::TooMany { limit, .. } => EncodeError::TooMany { limit },
            other => EncodeError::Value(other.to_string()),
        })?;
        Ok(Image { head, payload })
    }

    /// What it is an image of.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The frozen value, as MessagePack.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// As bytes, header and all.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        header::encode(&self.head, &self.payload)
    }

    /// Reads bytes that [`encode`](Self::encode) wrote, perhaps long ago and elsewhere. Looks at every byte of the
    /// header, at the checksum, and at the shape of the payload, but builds nothing of it yet.
    ///
    /// # Errors
    /// [`DecodeError`], for the first thing that is wrong, in the order of its variants.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, DecodeError> {
        let (head, payload) = header::decode(bytes, limits)?;
        walk::check(payload, limits)?;
        Ok(Image {
            head,
            payload: payload.to_vec(),
        })
    }

    /// Thaws the value: builds a new one at each call.
    ///
    /// # Errors
    /// [`DecodeError::Value`]: the payload is no `T`. [`DecodeError::Bind`].
    pub fn value<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        scope::enter(|| rmp_serde::from_slice(&self.payload)).map_err(|error| {
            let typed = scope::refused();
            typed.unwrap_or_else(|| DecodeError::Value(shortened(error.to_string())))
        })
    }
}
