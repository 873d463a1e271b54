//! Frozen functions in images.
//!
//! The image ([`crate::image`] has the format) is one of [`Kind::Microthreads`]. Its header has name, version and fingerprint of the
//! function that comes first in it. Its payload is the value that was frozen; a suspended function in it is `[name, call]`, a call
//! is `[fingerprint, version, state]`, and a state a map of one entry: where it is suspended, and what it keeps by name. A call
//! that it waits for is among what it keeps.
//!
//! The header is for those who do not have the function, stores and routers of images. What is continued is checked against the
//! payload, where each function in it says for itself what it is.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::{fmt, io};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::channel::frozen;
use crate::image::{DecodeError, EncodeError, Head, Image, Kind, Limits, scope};

use super::Migratable;

/// Why something cannot be frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FreezeError {
    /// It has ended, or panicked: there is nothing left to continue. Look at its result.
    Ended,
    /// It waits for the answer to an ask, which comes to this process: it can be frozen at its next wait. It has not been
    /// disturbed.
    Asking,
    /// It keeps the address of an actor that has no name, by which it could be found again: register it first,
    /// `sys.register(name, &addr, ..)`.
    NoName {
        /// Its type.
        actor: &'static str,
    },
    /// It cannot be written: something that it keeps refuses to be serialised, or it is beyond the limits of an image.
    Image(EncodeError),
}

impl fmt::Display for FreezeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => {
                f.write_str("it has ended, or panicked, and nothing is left to be continued")
            }
            Self::Asking => f.write_str(
                "it waits for the answer to an ask, which comes to this process: freeze it at its next wait",
            ),
            Self::NoName { actor } => write!(
                f,
                "it keeps the address of an actor, a `{actor}`, that has no name by which to find it again: register it"
            ),
            Self::Image(error) => error.fmt(f),
        }
    }
}

impl Error for FreezeError {}

/// Why an image cannot be continued.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThawError {
    /// It is an image of something else, or what it kept cannot be read: a type has been changed, or its bytes have.
    Image(DecodeError),
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
    /// It keeps the address of an actor by its name, and there is no such actor here.
    NoActor {
        /// Its name.
        name: String,
        /// Why not.
        why: String,
    },
}

impl fmt::Display for ThawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(error) => error.fmt(f),
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
            Self::NoActor { name, why } => {
                write!(f, "it keeps the address of the actor `{name}`: {why}")
            }
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
pub fn refuse_thaw(error: ThawError) -> String {
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
    /// As [`REMEMBERED`].
    static REFUSED: RefCell<Option<FreezeError>> = const { RefCell::new(None) };
    /// The header that the function which came first would have.
    static FIRST: RefCell<Option<Head>> = const { RefCell::new(None) };
}

/// That of the image that this thread is writing.
pub(super) fn pass() -> Option<Pass> {
    PASS.get()
}

pub(super) const OUTSIDE: &str =
    "a suspended function cannot be serialised by itself, only by `migratable::freeze`";

/// The name in the header of an image whose first function this is.
pub(crate) fn head_name<M: Migratable>() -> &'static str {
    &M::NAME[..M::NAME.floor_char_boundary(Head::MAX_NAME)]
}

/// A function is in the image that this thread is writing.
pub(super) fn met<M: Migratable>() {
    FIRST.with_borrow_mut(|first| {
        first.get_or_insert_with(|| {
            Head::new(Kind::Microthreads, head_name::<M>())
                .schema(M::VERSION)
                .fingerprint(M::FINGERPRINT)
        });
    });
}

/// Keeps `error` for [`freeze`], on the way through serde.
pub fn refuse_freeze(error: FreezeError) -> String {
    let text = error.to_string();
    REFUSED.set(Some(error));
    text
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
/// [`FreezeError`] if a function in it has ended or panicked or waits for the answer to an ask, if something refuses to be serialised, or if the image would be
/// beyond the default [`Limits`].
pub fn freeze<T: Serialize + ?Sized>(value: &T) -> Result<Image, FreezeError> {
    freeze_within(value, &Limits::default())
}

/// As [`freeze`], within limits of your own, which whoever reads the bytes must allow too.
///
/// # Errors
/// As [`freeze`].
pub fn freeze_within<T: Serialize + ?Sized>(
    value: &T,
    limits: &Limits,
) -> Result<Image, FreezeError> {
    write(value, |value, head| {
        frozen::image(|| Image::of_within(head, value, limits))
    })
}

/// As [`freeze`], of what moves: its channels are not here any more.
///
/// # Errors
/// As [`freeze`]; they are as they were then.
pub(crate) fn take<T: Serialize>(value: &T) -> Result<Image, FreezeError> {
    write(value, |value, head| {
        frozen::take(|| Image::of_within(head, value, &Limits::default()))
    })
}

fn write<T: Serialize + ?Sized>(
    value: &T,
    write: impl FnOnce(&T, Head) -> Result<Image, EncodeError>,
) -> Result<Image, FreezeError> {
    /// What this thread is writing, if it is writing another image meanwhile; put back also when something panics.
    struct Outer(Option<Pass>, Option<Head>);
    impl Drop for Outer {
        fn drop(&mut self) {
            PASS.set(self.0);
            FIRST.set(self.1.take());
        }
    }
    let _outer = Outer(PASS.replace(Some(Pass::GiveUp)), FIRST.take());
    REFUSED.set(None);
    let failed = |error| REFUSED.take().unwrap_or(FreezeError::Image(error));
    let mut sink = rmp_serde::Serializer::new(io::sink());
    frozen::image(|| scope::enter(|| value.serialize(&mut sink)))
        .map_err(|error| failed(EncodeError::Value(error.to_string())))?;
    PASS.set(Some(Pass::Write));
    let head = FIRST.take();
    let head = head.unwrap_or_else(|| Head::new(Kind::Microthreads, "channels"));
    write(value, head).map_err(failed)
}

/// Makes a value from its image.
///
/// # Errors
/// [`ThawError`] if the image is of something else, or of functions that have been changed since.
pub fn thaw<T: DeserializeOwned>(image: &Image) -> Result<T, ThawError> {
    let (found, wanted) = (image.head().kind(), Kind::Microthreads);
    if found != wanted {
        return Err(ThawError::Image(DecodeError::WrongKind { found, wanted }));
    }
    REMEMBERED.set(None);
    frozen::image(|| image.value()).map_err(|error| {
        let typed = REMEMBERED.take();
        typed.unwrap_or(ThawError::Image(error))
    })
}
