//! Functions that are driven by hand.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::task::{Poll, Waker};

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeTuple, Serializer};

use crate::image::Image;
use crate::rt::block_on::Poller;
use crate::rt::cx::{Cx, Waiting};
use crate::rt::park;

use super::call::Call;
use super::image::{self, Pass};
use super::program::resumed_after_end;
use super::{FreezeError, Migratable, Start, ThawError};

/// Runs a function in the caller, to its end.
pub(super) fn run<M: Migratable>(args: M::Args) -> M::Output {
    park::check_stack();
    let poller = Poller::new();
    let mut call = Call::<M>::new(args);
    let mut waiting = Waiting::default();
    loop {
        let mut cx = Cx::new(poller.waker(), &mut waiting);
        if let Poll::Ready(output) = call.resume(&mut cx) {
            return output;
        }
        if cx.wants_again() {
            park::yield_now();
            continue;
        }
        let deadline = cx.deadline();
        while !poller.take_woken() {
            if !park::park_until(deadline) {
                break; // it has waited long enough
            }
        }
    }
}

/// A migratable function that is driven by hand, from wait to wait: for tests, and for schedulers of one's own.
///
/// It can be part of what [`freeze`](super::freeze) makes an image of, and `thaw` makes a value of again.
///
/// ```
/// use actor_core::migratable::Suspended;
/// use actor_core::{microthread, migratable};
/// use std::task::{Poll, Waker};
///
/// #[migratable]
/// fn sum(numbers: Vec<u32>) -> u32 {
///     let mut sum = 0;
///     for n in numbers {
///         microthread::yield_now();
///         sum += n;
///     }
///     sum
/// }
///
/// let mut here = Suspended::new(sum(vec![1, 2, 3]));
/// assert!(here.resume(Waker::noop()).is_pending());
/// assert!(here.resume(Waker::noop()).is_pending());
/// let image = here.freeze()?;
///
/// let mut there = Suspended::<sum>::thaw(&image)?; // in another process, perhaps
/// assert!(there.resume(Waker::noop()).is_pending());
/// assert_eq!(there.resume(Waker::noop()), Poll::Ready(6));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Suspended<M: Migratable> {
    /// Changed by serialising, which first makes it give up its wait.
    inner: RefCell<Inner<M>>,
}

struct Inner<M: Migratable> {
    /// None once it has ended, or panicked.
    call: Option<Call<M>>,
    waiting: Waiting,
}

impl<M: Migratable> Suspended<M> {
    /// A function that has not begun.
    pub fn new(start: Start<M>) -> Self {
        Self::with(Call::new(start.args))
    }

    fn with(call: Call<M>) -> Self {
        Suspended {
            inner: RefCell::new(Inner {
                call: Some(call),
                waiting: Waiting::default(),
            }),
        }
    }

    /// Goes on as far as it can without waiting. `waker` is woken when it can go on; but not at the end of a sleep, and when it
    /// has yielded it can go on at once. To be resumed for no reason does no harm.
    ///
    /// # Panics
    /// If it has ended, or panicked before. If it panics.
    #[track_caller]
    pub fn resume(&mut self, waker: &Waker) -> Poll<M::Output> {
        let Inner { call, waiting } = self.inner.get_mut();
        let Some(mut running) = call.take() else {
            resumed_after_end();
        };
        let polled = running.resume(&mut Cx::new(waker, waiting));
        if polled.is_pending() {
            *call = Some(running);
        }
        polled
    }

    /// Whether it has ended, or panicked.
    pub fn has_ended(&self) -> bool {
        self.inner.borrow().call.is_none()
    }

    /// An image of it, with all channels that it holds a side of. It stays as it is and can go on: image and original are
    /// independent. The same as [`freeze`](super::freeze)`(&self)`.
    ///
    /// # Errors
    /// [`FreezeError`] if it has ended or panicked, or if something that it keeps refuses to be serialised.
    pub fn freeze(&self) -> Result<Image, FreezeError> {
        image::freeze(self)
    }

    /// Makes one from its image. The same as [`thaw`](super::thaw)`(image)`.
    ///
    /// # Errors
    /// [`ThawError`] if the image is not one of `M` as it is now.
    pub fn thaw(image: &Image) -> Result<Self, ThawError> {
        image::thaw(image)
    }
}

impl<M: Migratable> Inner<M> {
    /// Gives up the wait, by the operation that has begun it: it may have put something of the state into it. An ask is not
    /// given up.
    fn give_up_wait(&mut self) -> Result<(), FreezeError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        if let Some(call) = &mut self.call {
            let mut cx = Cx::retracting(Waker::noop(), &mut self.waiting);
            if call.resume(&mut cx).is_ready() {
                unreachable!("what gives up its wait does not go on");
            }
        }
        match self.waiting.is_empty() {
            true => Ok(()),
            false => Err(FreezeError::Asking),
        }
    }
}

impl<M: Migratable> fmt::Debug for Suspended<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suspended")
            .field("function", &M::NAME)
            .field("ended", &self.has_ended())
            .finish()
    }
}

/// `[name, call]`
impl<M: Migratable> Serialize for Suspended<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut inner = self.inner.borrow_mut();
        match image::pass() {
            Some(Pass::GiveUp) => {
                image::met::<M>();
                let given_up = inner.give_up_wait();
                given_up.map_err(|error| S::Error::custom(image::refuse_freeze(error)))?;
            }
            Some(Pass::Write) => {}
            None => return Err(S::Error::custom(image::OUTSIDE)),
        }
        let call = inner.call.as_ref();
        let call =
            call.ok_or_else(|| S::Error::custom(image::refuse_freeze(FreezeError::Ended)))?;
        let mut parts = serializer.serialize_tuple(2)?;
        parts.serialize_element(M::NAME)?;
        parts.serialize_element(call)?;
        parts.end()
    }
}

impl<'de, M: Migratable> Deserialize<'de> for Suspended<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts<M>(PhantomData<fn() -> M>);

        impl<'de, M: Migratable> Visitor<'de> for Parts<M> {
            type Value = Suspended<M>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "`{}`, suspended", M::NAME)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Suspended<M>, A::Error> {
                let missing = || A::Error::custom("a suspended function has two parts");
                let name: String = parts.next_element()?.ok_or_else(missing)?;
                if name != M::NAME {
                    let wanted = M::NAME;
                    let error = ThawError::OtherFunction {
                        image: name,
                        wanted,
                    };
                    return Err(A::Error::custom(image::refuse_thaw(error)));
                }
                let call = parts.next_element()?.ok_or_else(missing)?;
                Ok(Suspended::with(call))
            }
        }

        deserializer.deserialize_tuple(2, Parts(PhantomData::<fn() -> M>))
    }
}
