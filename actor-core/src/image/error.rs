//! What can be wrong with an image.

use std::error::Error;
use std::net::SocketAddr;
use std::{fmt, io};

use super::Kind;

/// A value could not be frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The value's `Serialize` failed, with this text.
    Value(String),
    /// The image would have more bytes than [`Limits::bytes`](super::Limits::bytes), or than its header can say.
    TooLarge {
        /// How many.
        size: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// Values are nested deeper than [`Limits::depth`](super::Limits::depth).
    TooDeep {
        /// How deep is allowed.
        limit: usize,
    },
    /// There are more values than [`Limits::values`](super::Limits::values).
    TooMany {
        /// How many are allowed.
        limit: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(text) => write!(f, "the value cannot be frozen: {text}"),
            Self::TooLarge { size, limit } => {
                write!(
                    f,
                    "frozen it takes {size} bytes, and an image may have {limit}"
                )
            }
            Self::TooDeep { limit } => write!(f, "its values are nested deeper than {limit}"),
            Self::TooMany { limit } => write!(f, "it has more than {limit} values"),
        }
    }
}

impl Error for EncodeError {}

/// Bytes are not an image, or not the one expected. In the order in which it is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are more bytes than [`Limits::bytes`](super::Limits::bytes).
    TooLarge {
        /// How many there are.
        size: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// There are fewer bytes than a header has.
    Short {
        /// How many there are.
        size: usize,
    },
    /// They do not begin as an image does.
    Magic,
    /// They are in another version of the format.
    Format {
        /// In which.
        found: u8,
    },
    /// There are fewer bytes, or more, than the header says: torn, or something was appended.
    Length {
        /// How many the header says.
        said: u64,
        /// How many there are.
        is: usize,
    },
    /// A byte is not what it was when the image was written.
    Checksum {
        /// The checksum in the header.
        said: u32,
        /// That of the bytes.
        is: u32,
    },
    /// A kind of image that this version does not know.
    UnknownKind {
        /// Its number.
        found: u8,
    },
    /// The reserved byte is not 0: written by something newer.
    Reserved,
    /// The name is empty or not UTF-8.
    Name,
    /// The payload is not one MessagePack value: it ends too early, goes on too long, or has a byte that begins nothing.
    Payload {
        /// Where in the payload.
        at: usize,
    },
    /// Values are nested deeper than [`Limits::depth`](super::Limits::depth).
    TooDeep {
        /// Where in the payload.
        at: usize,
        /// How deep is allowed.
        limit: usize,
    },
    /// There are more values than [`Limits::values`](super::Limits::values).
    TooMany {
        /// Where in the payload.
        at: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// It is of another kind than was asked for.
    WrongKind {
        /// Its kind.
        found: Kind,
        /// What was asked for.
        wanted: Kind,
    },
    /// It is of another type or function than was asked for.
    WrongName {
        /// Of which.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// The code that wrote it was not this code.
    Fingerprint {
        /// That of the code that wrote it.
        found: u64,
        /// That of this code.
        wanted: u64,
    },
    /// The payload is not of the type it is read as, says the type's `Deserialize`.
    Value(String),
    /// A listener in it cannot listen on its address again.
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: io::ErrorKind,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size, limit } => {
                write!(f, "{size} bytes, and an image may have {limit}")
            }
            Self::Short { size } => write!(f, "{size} bytes are too few for an image"),
            Self::Magic => f.write_str("this does not begin as an image does"),
            Self::Format { found } => write!(
                f,
                "version {found} of the format, and this build reads version {}",
                super::header::FORMAT
            ),
            Self::Length { said, is } => {
                write!(f, "{is} bytes, and {said} by its own account: torn?")
            }
            Self::Checksum { said, is } => write!(
                f,
                "the checksum is {is:08x}, and {said:08x} by its own account: damaged"
            ),
            Self::UnknownKind { found } => write!(f, "an image of the unknown kind {found}"),
            Self::Reserved => f.write_str("a reserved byte is in use: written by something newer"),
            Self::Name => f.write_str("the name is empty or not UTF-8"),
            Self::Payload { at } => {
                write!(
                    f,
                    "the payload is not one MessagePack value, from byte {at} on"
                )
            }
            Self::TooDeep { at, limit } => write!(
                f,
                "values nested deeper than {limit}, at byte {at} of the payload"
            ),
            Self::TooMany { at, limit } => write!(
                f,
                "more than {limit} values, from byte {at} of the payload on"
            ),
            Self::WrongKind { found, wanted } => {
                write!(f, "an image of {found}, and not of {wanted}")
            }
            Self::WrongName { found, wanted } => {
                write!(f, "an image of `{found}`, and not of `{wanted}`")
            }
            Self::Fingerprint { found, wanted } => write!(
                f,
                "written by other code ({found:016x}) than would go on with it ({wanted:016x})"
            ),
            Self::Value(text) => write!(f, "the payload is of another type: {text}"),
            Self::Bind { address, error } => {
                write!(f, "{address} cannot be listened on again: {error}")
            }
        }
    }
}

impl Error for DecodeError {}
