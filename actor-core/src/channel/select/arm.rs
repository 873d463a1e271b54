//! The arms of a `select`: what can be received from, sent to, or polled, as the macro and [`Select`](super::Select) use it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::channel::core::{Item, Recv, Send};
use crate::channel::error::{RecvError, SendError};
use crate::channel::receiver::Receiver;
use crate::channel::sender::{self, Sender};

use super::case::{Case, FutureCase, OpCase, Pending};

/// What [`select!`](crate::select) and [`Select`](super::Select) can receive from: a reference to a receiver, as `&rx`.
///
/// An `Option` of one is a source, too: `None` is never ready, as Go's `nil` channel.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be received from in a `select`",
    note = "write a reference to a receiver: `recv(&rx)`",
    note = "to wait for a future, write `ready(future)`"
)]
pub trait Source: Sized {
    /// What its receive returns.
    type Output;
    #[doc(hidden)]
    type Arm: Arm<Output = Self::Output>;
    #[doc(hidden)]
    fn arm(self) -> Self::Arm;
}

/// One arm of a selection. Not to be implemented outside this crate.
#[doc(hidden)]
pub trait Arm {
    type Output;
    fn case(&mut self) -> AnyCase<'_>;
    /// The outcome, once the arm has been chosen.
    fn output(&mut self) -> Self::Output;
}

/// An arm, whatever it is.
#[doc(hidden)]
pub struct AnyCase<'a>(pub(super) &'a mut dyn Case);

impl fmt::Debug for AnyCase<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyCase").finish_non_exhaustive()
    }
}

/// An arm that is never chosen.
pub(super) struct Nothing;

impl Case for Nothing {
    fn attempt(&mut self, _: Option<&crate::rt::block_on::Poller>) -> bool {
        false
    }

    fn is_enabled(&self) -> bool {
        false
    }

    fn interrupt(
        &mut self,
        why: crate::rt::wait::Interrupt,
    ) -> Result<(), crate::rt::wait::Interrupt> {
        Err(why)
    }
}

const CHOSEN: &str = "the arm that was chosen has an outcome";

/// Names a case as an arm.
macro_rules! arm {
    ($name:ident<'a, T>, $case:ty, $output:ty) => {
        #[doc(hidden)]
        pub struct $name<'a, T>(pub(super) $case);

        impl<T> std::fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }

        impl<'a, T> Arm for $name<'a, T> {
            type Output = $output;
            fn case(&mut self) -> AnyCase<'_> {
                AnyCase(&mut self.0)
            }
            fn output(&mut self) -> $output {
                output_of(&mut self.0)
            }
        }
    };
}
pub(super) use arm;

pub(super) fn output_of<C: Pending>(case: &mut C) -> C::Output {
    case.output().expect(CHOSEN)
}

arm!(RecvArm<'a, T>, OpCase<Recv<'a, T>>, Result<T, RecvError>);

impl<'a, T> Source for &'a Receiver<T> {
    type Output = Result<T, RecvError>;
    type Arm = RecvArm<'a, T>;
    fn arm(self) -> RecvArm<'a, T> {
        RecvArm(OpCase::new(Recv(&self.core)))
    }
}

/// An arm that may be missing.
#[doc(hidden)]
#[derive(Debug)]
pub struct OptionArm<A>(Option<A>, Nothing);

impl fmt::Debug for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nothing")
    }
}

impl<A: Arm> Arm for OptionArm<A> {
    type Output = A::Output;
    fn case(&mut self) -> AnyCase<'_> {
        match &mut self.0 {
            Some(arm) => arm.case(),
            None => AnyCase(&mut self.1),
        }
    }
    fn output(&mut self) -> A::Output {
        self.0.as_mut().map(Arm::output).expect(CHOSEN)
    }
}

impl<S: Source> Source for Option<S> {
    type Output = S::Output;
    type Arm = OptionArm<S::Arm>;
    fn arm(self) -> OptionArm<S::Arm> {
        OptionArm(self.map(Source::arm), Nothing)
    }
}

/// A send. What was not sent goes back to where it came from.
#[doc(hidden)]
pub struct SendArm<'a, T> {
    case: OpCase<Send<'a, T>>,
    from: Option<&'a mut Option<T>>,
}

impl<'a, T> SendArm<'a, T> {
    pub(super) fn new(sender: &'a Sender<T>, value: T) -> Self {
        let case = OpCase::sending(Send(&sender.core), Some(Item::Value(value)));
        SendArm { case, from: None }
    }

    fn from_slot(sender: &'a Sender<T>, slot: &'a mut Option<T>) -> Self {
        let case = OpCase::sending(Send(&sender.core), slot.take().map(Item::Value));
        SendArm {
            case,
            from: Some(slot),
        }
    }

    /// What was to be sent, and was not.
    pub(super) fn unsent(&mut self) -> Option<T> {
        self.case
            .unsent()
            .map(|item| sender::taken_back(Some(item)))
    }
}

impl<T> Arm for SendArm<'_, T> {
    type Output = Result<(), SendError<T>>;
    fn case(&mut self) -> AnyCase<'_> {
        AnyCase(&mut self.case)
    }
    fn output(&mut self) -> Self::Output {
        output_of(&mut self.case).map_err(sender::given_back)
    }
}

impl<T> Drop for SendArm<'_, T> {
    fn drop(&mut self) {
        if self.from.is_some() {
            let unsent = self.unsent();
            if let Some(slot) = &mut self.from
                && unsent.is_some()
            {
                **slot = unsent;
            }
        }
    }
}

impl<T> fmt::Debug for SendArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendArm").finish_non_exhaustive()
    }
}

/// A future.
#[doc(hidden)]
pub struct ReadyArm<'a, F: Future + ?Sized>(FutureCase<'a, F>);

impl<F: Future + ?Sized> Arm for ReadyArm<'_, F> {
    type Output = F::Output;
    fn case(&mut self) -> AnyCase<'_> {
        AnyCase(&mut self.0)
    }
    fn output(&mut self) -> F::Output {
        output_of(&mut self.0)
    }
}

impl<F: Future + ?Sized> fmt::Debug for ReadyArm<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyArm").finish_non_exhaustive()
    }
}

#[doc(hidden)]
pub fn recv<S: Source>(source: S) -> S::Arm {
    source.arm()
}

#[doc(hidden)]
pub fn send<'a, T>(sender: &'a Sender<T>, value: T) -> SendArm<'a, T> {
    SendArm::new(sender, value)
}

#[doc(hidden)]
pub fn send_from<'a, T>(sender: &'a Sender<T>, slot: &'a mut Option<T>) -> SendArm<'a, T> {
    SendArm::from_slot(sender, slot)
}

#[doc(hidden)]
pub fn ready<F: Future + ?Sized>(future: Pin<&mut F>) -> ReadyArm<'_, F> {
    ReadyArm(FutureCase::new(future))
}
