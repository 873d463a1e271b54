//! Calls: a function's state on the heap, and whoever waits for it.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::task::Poll;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, SerializeTuple, Serializer};

use crate::rt::cx::Cx;

use super::image;
use super::program::Program;
use super::{Migratable, Start};

/// A function that has begun: its program, which has no size, and its state.
struct Frame<P: Program> {
    program: P,
    state: P::State,
}

/// A frame of which only is known what it ends with.
trait AnyFrame<O>: Send {
    fn resume(&mut self, cx: &mut Cx<'_>) -> Poll<O>;
    fn as_any(&self) -> &dyn Any;
}

impl<P: Program> AnyFrame<P::Output> for Frame<P> {
    #[inline]
    fn resume(&mut self, cx: &mut Cx<'_>) -> Poll<P::Output> {
        self.program.resume(&mut self.state, cx)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A call that has begun. It names the function, and not its state: so a function's state can hold a call of the function.
pub struct Call<M: Migratable> {
    frame: Box<dyn AnyFrame<M::Output>>,
    of: PhantomData<fn() -> M>,
}

impl<M: Migratable> Call<M> {
    pub(super) fn new(args: M::Args) -> Self {
        let program = M::program();
        Self::with(program, program.start(args))
    }

    fn with<P: Program<Output = M::Output>>(program: P, state: P::State) -> Self {
        Call {
            frame: Box::new(Frame { program, state }),
            of: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn resume(&mut self, cx: &mut Cx<'_>) -> Poll<M::Output> {
        self.frame.resume(cx)
    }
}

impl<M: Migratable> fmt::Debug for Call<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("of", &M::NAME)
            .finish_non_exhaustive()
    }
}

/// Its state, which is a `P::State`.
fn state<P: Program>(_: P, frame: &dyn Any) -> &P::State {
    let frame = frame.downcast_ref::<Frame<P>>();
    &frame
        .expect("a call is made with its function's program")
        .state
}

/// `[fingerprint, version, state]`
impl<M: Migratable> Serialize for Call<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = serializer.serialize_tuple(3)?;
        parts.serialize_element(&M::FINGERPRINT)?;
        parts.serialize_element(&M::VERSION)?;
        parts.serialize_element(state(M::program(), self.frame.as_any()))?;
        parts.end()
    }
}

impl<'de, M: Migratable> Deserialize<'de> for Call<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts<M, P>(PhantomData<fn() -> M>, P);

        impl<'de, M: Migratable, P: Program<Output = M::Output>> serde::de::Visitor<'de> for Parts<M, P> {
            type Value = Call<M>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a call of `{}`", M::NAME)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut parts: A,
            ) -> Result<Call<M>, A::Error> {
                let missing = || A::Error::custom("a call has three parts");
                let fingerprint: u64 = parts.next_element()?.ok_or_else(missing)?;
                let version: u32 = parts.next_element()?.ok_or_else(missing)?;
                if let Err(error) = image::same_body::<M>(fingerprint, version) {
                    return Err(A::Error::custom(image::refuse_thaw(error)));
                }
                let state = parts.next_element()?.ok_or_else(missing)?;
                Ok(Call::with(self.1, state))
            }
        }

        deserializer.deserialize_tuple(3, Parts(PhantomData::<fn() -> M>, M::program()))
    }
}

/// Begins a call, in a migratable function.
#[inline]
pub fn begin<M: Migratable>(start: Start<M>) -> Call<M> {
    Call::new(start.args)
}

/// Goes on with it.
#[inline]
pub fn poll_call<M: Migratable>(call: &mut Call<M>, cx: &mut Cx<'_>) -> Poll<M::Output> {
    call.resume(cx)
}
