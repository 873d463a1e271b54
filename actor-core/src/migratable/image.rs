//! Frozen functions as bytes.
//!
//! ```text
//!   offset  bytes
//!        0      4  magic, "AFZ" and the version of this format, 1
//!        4      4  length of what follows the header, little-endian
//!        8      4  checksum of what follows the header: CRC-32 (IEEE), little-endian
//!       12         MessagePack: the value; a suspended function in it is [name, call]
//! ```
//! A call is `[fingerprint, version, state]`, where the state is a map of one entry: where it is suspended, and what it keeps by
//! name. A call that it waits for is among what it keeps.
//!
//! The same bytes on every machine: MessagePack's integers have no size of the machine's. (`usize` beyond the range of the machine
//! that thaws is an error there.)

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::{fmt, io};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::channel::frozen;

use super::Migratable;

const MAGIC: [u8; 4] = *b"AFZ\x01";
const HEADER: usize = 12;

/// The deepest nesting that is read: a hostile image must not use up the stack.
const DEPTH: usize = 128;

/// Why something cannot be frozen.
#[derive(Debug)]
#[non_exhaustive]
pub enum FreezeError {
    /// It has ended, or panicked: there is nothing left to continue. Look at its result.
    Ended,
    /// Something that it keeps refuses to be serialised: what, by its own words.
    Refused(String),
    /// The image would be longer than 4 GiB.
    TooLong,
}

impl fmt::Display for FreezeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => {
                f.write_str("it has ended, or panicked, and nothing is left to be continued")
            }
            Self::Refused(why) => write!(f, "something that it keeps cannot be frozen: {why}"),
            Self::TooLong => f.write_str("its image would be longer than 4 GiB"),
        }
    }
}

impl Error for FreezeError {}

/// Why an image cannot be continued.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThawError {
    /// It is no image, or one of another format.
    NotAnImage,
    /// It is shorter or longer than it says.
    Length {
        /// How long it says it is, in bytes, with its header.
        said: u64,
        /// How long it is.
        is: u64,
    },
    /// It has been changed since it was made.
    Checksum,
    /// It is of another function.
    OtherFunction {
        /// Of which.
        image: String,
        /// Which was asked for.
        wanted: &'static str,
    },
    /// The function, or one that it had called, has been changed since: its new body does not have the places at which the
    /// old one was suspended. Keep the old one beside the new one, under its name, until all its images have been continued.
    ChangedBody {
        /// Which function.
        function: &'static str,
        /// Its number in the image.
        image: u64,
        /// Its number now.
        now: u64,
    },
    /// The function has another `version` than it had.
    ChangedVersion {
        /// Which function.
        function: &'static str,
        /// The version in the image.
        image: u32,
        /// The version now.
        now: u32,
    },
    /// What it kept cannot be read: in which way. A type has been changed, or its bytes have.
    Malformed(String),
}

impl fmt::Display for ThawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnImage => {
                f.write_str("this is no image of a migratable function, or one of another format")
            }
            Self::Length { said, is } => {
                write!(f, "the image should have {said} bytes and has {is}")
            }
            Self::Checksum => f.write_str("the image is damaged: its checksum is wrong"),
            Self::OtherFunction { image, wanted } => {
                write!(f, "the image is of `{image}`, not of `{wanted}`")
            }
            Self::ChangedBody {
                function,
                image,
                now,
            } => write!(
                f,
                "the body of `{function}` has changed since the image was made ({image:016x}, now {now:016x}): keep the old one until its images have been continued"
            ),
            Self::ChangedVersion {
                function,
                image,
                now,
            } => write!(
                f,
                "the image was made by version {image} of `{function}`, which is {now} now"
            ),
            Self::Malformed(why) => write!(f, "what the image holds cannot be read: {why}"),
        }
    }
}

impl Error for ThawError {}

/// Whether a function is what it was when an image was made.
pub(super) fn same_body<M: Migratable>(fingerprint: u64, version: u32) -> Result<(), ThawError> {
    if version != M::VERSION {
        return Err(ThawError::ChangedVersion {
            function: M::NAME,
            image: version,
            now: M::VERSION,
        });
    }
    if fingerprint != M::FINGERPRINT {
        return Err(ThawError::ChangedBody {
            function: M::NAME,
            image: fingerprint,
            now: M::FINGERPRINT,
        });
    }
    Ok(())
}

thread_local! {
    /// The typed error behind one of serde's, which are text.
    static REMEMBERED: RefCell<Option<ThawError>> = const { RefCell::new(None) };
}

/// Keeps `error` for [`thaw`], on the way through serde.
pub(super) fn remember(error: ThawError) -> String {
    let text = error.to_string();
    REMEMBERED.set(Some(error));
    text
}

/// What serialising a suspended function is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pass {
    /// To make it give up its wait, before anything is written: what it had been given goes back into its channel.
    GiveUp,
    Write,
}

thread_local! {
    static PASS: Cell<Option<Pass>> = const { Cell::new(None) };
    static SAW_ENDED: Cell<bool> = const { Cell::new(false) };
}

/// That of the image that this thread is writing.
pub(super) fn pass() -> Option<Pass> {
    PASS.get()
}

pub(super) const OUTSIDE: &str =
    "a suspended function cannot be serialised by itself, only by `migratable::freeze`";

/// Keeps [`FreezeError::Ended`] for [`freeze`], on the way through serde.
pub(super) fn ended() -> String {
    SAW_ENDED.set(true);
    FreezeError::Ended.to_string()
}

/// Makes an image of `value`: of the suspended functions in it, the channels that they and the value hold sides of, with what is
/// in those, and everything else that it serialises.
///
/// All stays as it is and can go on: an image is a copy. Within it, sides of one channel are of one channel; a side that is not
/// in `value` does not exist for the copy. What is frozen together is consistent if it does not run meanwhile: a channel whose
/// other side is used by somebody else is written as it is at some moment.
///
/// ```
/// use actor_core::channel::{self, Receiver, Sender};
/// use actor_core::migratable; // the attribute and the module
/// use actor_core::migratable::Suspended;
/// use std::task::{Poll, Waker};
///
/// #[migratable]
/// fn squares(from: Receiver<u64>, to: Sender<u64>) {
///     while let Ok(n) = from.recv() {
///         if to.send(n * n).is_err() {
///             break;
///         }
///     }
/// }
///
/// let (tx, from) = channel::unbounded();
/// let (to, rx) = channel::unbounded();
/// let mut worker = Suspended::new(squares(from, to));
/// tx.send(3)?;
/// assert!(worker.resume(Waker::noop()).is_pending());
/// tx.send(4)?;
///
/// let image = migratable::freeze(&(worker, tx, rx))?;
/// type World = (Suspended<squares>, Sender<u64>, Receiver<u64>);
/// let (mut worker, tx, rx): World = migratable::thaw(&image)?;
/// tx.send(5)?;
/// assert!(worker.resume(Waker::noop()).is_pending());
/// assert_eq!(rx.try_iter().collect::<Vec<_>>(), [9, 16, 25]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`FreezeError`] if a function in it has ended or panicked, or if something refuses to be serialised.
pub fn freeze<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, FreezeError> {
    let mut image = Vec::with_capacity(128);
    image.extend(MAGIC);
    image.extend([0; HEADER - MAGIC.len()]);
    write(value, Pass::GiveUp, &mut io::sink())?;
    write(value, Pass::Write, &mut image)?;
    let body = &image[HEADER..];
    let length = u32::try_from(body.len()).map_err(|_| FreezeError::TooLong)?;
    let checksum = crc32fast::hash(body);
    image[4..8].copy_from_slice(&length.to_le_bytes());
    image[8..12].copy_from_slice(&checksum.to_le_bytes());
    Ok(image)
}

fn write<T: Serialize + ?Sized>(
    value: &T,
    pass: Pass,
    to: &mut impl io::Write,
) -> Result<(), FreezeError> {
    /// Also when something panics.
    struct Outer(Option<Pass>);
    impl Drop for Outer {
        fn drop(&mut self) {
            PASS.set(self.0);
        }
    }
    let _outer = Outer(PASS.replace(Some(pass)));
    SAW_ENDED.set(false);
    let mut serializer = rmp_serde::Serializer::new(to).with_struct_map();
    let written = frozen::image(|| value.serialize(&mut serializer));
    written.map_err(|error| match SAW_ENDED.take() {
        true => FreezeError::Ended,
        false => FreezeError::Refused(error.to_string()),
    })
}

/// Makes a value from its image.
///
/// # Errors
/// [`ThawError`] if the image is damaged, of something else, or of functions that have been changed since.
pub fn thaw<T: DeserializeOwned>(image: &[u8]) -> Result<T, ThawError> {
    let Some((header, body)) = image.split_first_chunk::<HEADER>() else {
        return Err(ThawError::NotAnImage);
    };
    let [m0, m1, m2, m3, l0, l1, l2, l3, c0, c1, c2, c3] = *header;
    if [m0, m1, m2, m3] != MAGIC {
        return Err(ThawError::NotAnImage);
    }
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    if u64::from(length) != body.len() as u64 {
        return Err(ThawError::Length {
            said: u64::from(length) + HEADER as u64,
            is: image.len() as u64,
        });
    }
    if u32::from_le_bytes([c0, c1, c2, c3]) != crc32fast::hash(body) {
        return Err(ThawError::Checksum);
    }
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(body);
    deserializer.set_max_depth(DEPTH);
    REMEMBERED.set(None);
    match frozen::image(|| T::deserialize(&mut deserializer)) {
        Ok(value) => match IgnoredAny::deserialize(&mut deserializer) {
            Err(_) => Ok(value), // nothing is left
            Ok(_) => Err(ThawError::Malformed(
                "there is more than was asked for".to_owned(),
            )),
        },
        Err(error) => Err(REMEMBERED
            .take()
            .unwrap_or_else(|| ThawError::Malformed(error.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
    }
}
