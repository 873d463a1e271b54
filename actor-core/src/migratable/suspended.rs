//! Functions that are driven by hand.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeTuple, Serializer};

use crate::image::Image;
use crate::local::Scheduler;
use crate::rt::block_on::Poller;
use crate::rt::core::Core;
use crate::rt::cx::{Cx, Waiting};
use crate::rt::park;
use crate::rt::runtime::Runtime;
use crate::rt::task::OnEnd;

use super::call::Call;
use super::image::{self, Pass};
use super::program::resumed_after_end;
use super::task::{self, NotSpawned, Task, WhyNotSpawned};
use super::tasklet::{self, Tasklet};
use super::{FreezeError, Migratable, Start, ThawError};

/// Runs a function in the caller, to its end.
pub(super) fn run<M: Migratable>(start: Start<M>) -> M::Output {
    park::check_stack();
    let poller = Poller::new();
    let mut running = Suspended::new(start);
    loop {
        match running.step(poller.waker()) {
            Ok(output) => return output,
            Err(pending) => pending.wait(&poller, None),
        }
    }
}

/// How far a function has got in one go.
pub(super) struct Pending {
    pub(super) again: bool,
    deadline: Option<Instant>,
    /// An operation that it had waited for, or tried, is done.
    pub(super) went_on: bool,
}

impl Pending {
    /// Waits until it can go on, or until `due`.
    pub(super) fn wait(&self, poller: &Poller, due: Option<Instant>) {
        if self.again {
            return park::yield_now();
        }
        let deadline = [self.deadline, due].into_iter().flatten().min();
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
        Self::with(Call::new(start.args), Waiting::default())
    }

    pub(super) fn with(call: Call<M>, waiting: Waiting) -> Self {
        Suspended {
            inner: RefCell::new(Inner {
                call: Some(call),
                waiting,
            }),
        }
    }

    /// Gives up the wait that it is in, unless that is an ask: then freezing it is refused until the answer has come.
    pub(super) fn give_up_wait(&mut self) {
        let _asking = self.inner.get_mut().give_up_wait();
    }

    /// Puts it on `runtime`, where it goes on.
    ///
    /// # Errors
    /// [`NotSpawned`], which gives it back, if it has ended or panicked, or while the runtime ends.
    pub fn spawn_in(self, runtime: &Runtime) -> Result<Task<M>, NotSpawned<M>> {
        self.spawn_on(runtime.core(), ())
    }

    /// Puts it at the end of the ring of a local scheduler, where it goes on. To have it paused there,
    /// [remove](crate::local::TaskletRef::remove) it.
    ///
    /// # Errors
    /// [`NotSpawned`], which gives it back, if it has ended or panicked.
    pub fn spawn_local(self, scheduler: &Scheduler) -> Result<Tasklet<M>, NotSpawned<M>> {
        let Inner { call, waiting } = self.inner.into_inner();
        match call {
            Some(call) => Ok(tasklet::spawn_begun(scheduler, call, waiting)),
            None => Err(NotSpawned {
                suspended: Suspended {
                    inner: RefCell::new(Inner {
                        call: None,
                        waiting,
                    }),
                },
                why: WhyNotSpawned::Ended,
            }),
        }
    }

    /// As [`spawn_in`](Self::spawn_in); `on_end` is told if it ends there.
    pub(crate) fn spawn_on(
        self,
        core: &Arc<Core>,
        on_end: impl OnEnd,
    ) -> Result<Task<M>, NotSpawned<M>> {
        let Inner { call, waiting } = self.inner.into_inner();
        let back = |call, waiting, why| NotSpawned {
            suspended: Suspended {
                inner: RefCell::new(Inner { call, waiting }),
            },
            why,
        };
        let Some(call) = call else {
            return Err(back(None, waiting, WhyNotSpawned::Ended));
        };
        task::spawn_begun(core, call, waiting, on_end).map_err(|(error, call, waiting)| {
            back(Some(call), waiting, WhyNotSpawned::Refused(error))
        })
    }

    /// Goes on as far as it can without waiting. `waker` is woken when it can go on; but not at the end of a sleep, and when it
    /// has yielded it can go on at once. To be resumed for no reason does no harm.
    ///
    /// # Panics
    /// If it has ended, or panicked before. If it panics.
    #[track_caller]
    pub fn resume(&mut self, waker: &Waker) -> Poll<M::Output> {
        let Inner { call, waiting } = self.inner.get_mut();
        resume(call, &mut Cx::new(waker, waiting))
    }

    /// As [`resume`](Self::resume), for whoever goes on with it when it asks for that.
    pub(super) fn step(&mut self, waker: &Waker) -> Result<M::Output, Pending> {
        let Inner { call, waiting } = self.inner.get_mut();
        let mut cx = Cx::sharing(waker, waiting);
        match resume(call, &mut cx) {
            Poll::Ready(output) => Ok(output),
            Poll::Pending => Err(Pending {
                again: cx.wants_again(),
                deadline: cx.deadline(),
                went_on: cx.went_on(),
            }),
        }
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

#[track_caller]
fn resume<M: Migratable>(call: &mut Option<Call<M>>, cx: &mut Cx<'_>) -> Poll<M::Output> {
    let Some(mut running) = call.take() else {
        resumed_after_end();
    };
    let polled = running.resume(cx);
    if polled.is_pending() {
        *call = Some(running);
    }
    polled
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
                Ok(Suspended::with(call, Waiting::default()))
            }
        }

        deserializer.deserialize_tuple(2, Parts(PhantomData::<fn() -> M>))
    }
}
