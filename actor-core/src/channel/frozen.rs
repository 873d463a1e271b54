//! Channels in an image: what is in one is written where the image first comes to either of its sides, with a number; from
//! then on it is that number. So sides that were of one channel are of one again.
//!
//! ```text
//!   the first time   [number, capacity or nil, closed, [values]]
//!   later            [number]
//! ```
//! Numbers count from 0, in the order in which they are met. Who waits at a channel is not written: a migratable function that
//! waits tries again where it is continued.
//!
//! A side that is not in the image is gone in the copy, as if it had been dropped.
//!
//! An image of what moves ([`take`]) is no copy: its channels are sealed when they are written, and cut when all has been. A side
//! of theirs that is not in it is cut off, and what waits in them is in the image and nowhere else.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeSeq, Serializer};

use crate::rt::park;

use super::core::{Core, Cut, Item, Sealed};
use super::{Receiver, Sender, pair};

thread_local! {
    static IMAGE: RefCell<Option<Channels>> = const { RefCell::new(None) };
}

/// The channels of the image that this thread is writing, or reading.
#[derive(Default)]
pub(crate) struct Channels {
    /// By the addresses of those written.
    written: HashMap<usize, u32>,
    /// A `(Sender<T>, Receiver<T>)` for each read.
    read: Vec<Option<Box<dyn Any>>>,
    /// Of an image of what moves: those written.
    sealed: Option<Vec<Box<dyn Cut>>>,
}

/// Calls `f`, which writes or reads one image. One within another is another image.
///
/// What it is about is the thread's, and the values are the user's code: if that waited, a microthread that began an image
/// meanwhile would end this one. So it cannot ([`no_suspend`](crate::microthread::no_suspend)).
pub(crate) fn image<R>(f: impl FnOnce() -> R) -> R {
    within(Channels::default(), f).0
}

/// As [`image`], of what moves if it is written: its channels are cut here. If it is not, they are as they were.
pub(crate) fn take<R, E>(f: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
    let channels = Channels {
        sealed: Some(Vec::new()),
        ..Channels::default()
    };
    let (written, channels) = within(channels, f);
    let sealed = channels.and_then(|channels| channels.sealed);
    if written.is_ok() {
        sealed.into_iter().flatten().for_each(Cut::cut);
    }
    written
}

fn within<R>(channels: Channels, f: impl FnOnce() -> R) -> (R, Option<Channels>) {
    /// Also when `f` panics.
    struct Outer(Option<Channels>);
    impl Drop for Outer {
        fn drop(&mut self) {
            let inner = IMAGE.replace(self.0.take());
            drop(inner); // sides of channels, with values of the user's
        }
    }
    let _outer = Outer(IMAGE.replace(Some(channels)));
    let result = park::no_suspend(f);
    (result, IMAGE.take())
}

const OUTSIDE: &str = "a channel cannot be serialised by itself, only in the image of what uses it: `migratable::freeze`";
const LENT: &str =
    "a channel is being frozen by somebody else at this moment, or holds itself: freeze it again";
const THROWN: &str =
    "an error sent with `send_error` is in the channel, and errors cannot be frozen";

fn write<T, S>(core: &Arc<Core<T>>, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Serialize + 'static,
    S: Serializer,
{
    let met = IMAGE.with_borrow_mut(|image| {
        let written = &mut image.as_mut()?.written;
        let next = written.len() as u32;
        let number = *written.entry(core.number()).or_insert(next);
        Some((number, number == next))
    });
    let (number, first) = met.ok_or_else(|| S::Error::custom(OUTSIDE))?;
    if !first {
        let mut parts = serializer.serialize_seq(Some(1))?;
        parts.serialize_element(&number)?;
        return parts.end();
    }
    let closed = core.state().lock().closed;
    let capacity = (core.capacity != usize::MAX).then_some(core.capacity as u64);
    let whole = |serializer: S, items: &[Item<T>]| {
        let mut parts = serializer.serialize_seq(Some(4))?;
        parts.serialize_element(&number)?;
        parts.serialize_element(&capacity)?;
        parts.serialize_element(&closed)?;
        parts.serialize_element(&Contents(items))?;
        parts.end()
    };
    let lent = || S::Error::custom(LENT);
    if !moves() {
        let mut serializer = Some(serializer);
        let written = core
            .with_contents(|items| whole(serializer.take().expect("it is written once"), items));
        return written.unwrap_or_else(|| Err(lent()));
    }
    let sealed = Box::new(Sealed::new(core).ok_or_else(lent)?);
    let written = whole(serializer, sealed.items())?;
    IMAGE.with_borrow_mut(|image| {
        if let Some(all) = image.as_mut().and_then(|image| image.sealed.as_mut()) {
            all.push(sealed);
        }
    });
    Ok(written)
}

/// Whether the image that this thread is writing is one of what moves.
fn moves() -> bool {
    IMAGE.with_borrow(|image| image.as_ref().is_some_and(|image| image.sealed.is_some()))
}

struct Contents<'a, T>(&'a [Item<T>]);

impl<T: Serialize> Serialize for Contents<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut values = serializer.serialize_seq(Some(self.0.len()))?;
        for item in self.0 {
            match item {
                Item::Value(value) => values.serialize_element(value)?,
                Item::Error(_) => return Err(S::Error::custom(THROWN)),
            }
        }
        values.end()
    }
}

struct Sides<T, R>(fn(&(Sender<T>, Receiver<T>)) -> R, PhantomData<T>);

impl<T: 'static, R> Sides<T, R> {
    fn of<E: serde::de::Error>(&self, number: u32) -> Result<R, E> {
        IMAGE.with_borrow(|image| {
            let channels = image.as_ref().ok_or_else(|| E::custom(OUTSIDE))?;
            let sides = channels.read.get(number as usize).and_then(Option::as_ref);
            let sides = sides.and_then(|sides| sides.downcast_ref());
            let sides = sides.ok_or_else(|| {
                E::custom("a channel that is not in the image, or of other values")
            })?;
            Ok((self.0)(sides))
        })
    }
}

impl<'de, T: Deserialize<'de> + 'static, R> Visitor<'de> for Sides<T, R> {
    type Value = R;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a channel")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<R, A::Error> {
        let missing = || A::Error::custom("a channel has one part or four");
        let number: u32 = parts.next_element()?.ok_or_else(missing)?;
        let Some(capacity) = parts.next_element::<Option<u64>>()? else {
            return self.of(number);
        };
        // Known before its contents are read, which may have sides of it among them.
        let capacity = match capacity {
            Some(capacity) => usize::try_from(capacity)
                .map_err(|_| A::Error::custom("a channel larger than this machine's memory"))?,
            None => usize::MAX,
        };
        let sides: (Sender<T>, Receiver<T>) = pair(capacity);
        let core = sides.0.core.clone();
        IMAGE.with_borrow_mut(|image| {
            let read = &mut image
                .as_mut()
                .ok_or_else(|| A::Error::custom(OUTSIDE))?
                .read;
            if read.len() != number as usize {
                return Err(A::Error::custom("channels that are not in their order"));
            }
            read.push(Some(Box::new(sides)));
            Ok(())
        })?;
        let closed: bool = parts.next_element()?.ok_or_else(missing)?;
        let values: Vec<T> = parts.next_element()?.ok_or_else(missing)?;
        core.fill(values, closed);
        self.of(number)
    }
}

macro_rules! side {
    ($side:ident, $n:tt) => {
        /// In the image of what uses it (`migratable::freeze`), with what is in the channel. Elsewhere an error.
        impl<T: Serialize + 'static> Serialize for $side<T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                write(&self.core, serializer)
            }
        }

        /// In the image of what uses it (`migratable::thaw`). Elsewhere an error.
        impl<'de, T: Deserialize<'de> + 'static> Deserialize<'de> for $side<T> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let sides: Sides<T, Self> = Sides(|sides| sides.$n.clone(), PhantomData);
                deserializer.deserialize_seq(sides)
            }
        }
    };
}

side!(Sender, 0);
side!(Receiver, 1);
