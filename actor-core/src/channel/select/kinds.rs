//! The arms of the other kinds of channel.

use std::time::Instant;

use crate::channel::error::RecvError;
use crate::channel::time::{After, Never, Tick, Timed};
use crate::channel::{broadcast, oneshot, watch};
use crate::rt::block_on::Poller;
use crate::rt::wait::{self, Interrupt};

use super::arm::{AnyCase, Arm, Source, arm, output_of};
use super::case::{Case, OpCase, Pending};

arm!(OneshotArm<'a, T>, OpCase<oneshot::Recv<'a, T>>, Result<T, RecvError>);

impl<'a, T> Source for &'a oneshot::Receiver<T> {
    type Output = Result<T, RecvError>;
    type Arm = OneshotArm<'a, T>;
    fn arm(self) -> OneshotArm<'a, T> {
        OneshotArm(OpCase::new(self.op()))
    }
}

/// The value is cloned once the arm has been chosen, outside the lock.
#[doc(hidden)]
pub struct BroadcastArm<'a, T>(OpCase<broadcast::Recv<'a, T>>);

impl<T> std::fmt::Debug for BroadcastArm<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BroadcastArm").finish_non_exhaustive()
    }
}

impl<T: Clone> Arm for BroadcastArm<'_, T> {
    type Output = Result<T, broadcast::RecvError>;
    fn case(&mut self) -> AnyCase<'_> {
        AnyCase(&mut self.0)
    }
    fn output(&mut self) -> Self::Output {
        broadcast::cloned(output_of(&mut self.0))
    }
}

impl<'a, T: Clone> Source for &'a broadcast::Receiver<T> {
    type Output = Result<T, broadcast::RecvError>;
    type Arm = BroadcastArm<'a, T>;
    fn arm(self) -> BroadcastArm<'a, T> {
        BroadcastArm(OpCase::new(self.op()))
    }
}

arm!(ChangedArm<'a, T>, OpCase<watch::Changed<'a, T>>, Result<(), RecvError>);

/// Ready when the value has changed.
impl<'a, T> Source for &'a watch::Receiver<T> {
    type Output = Result<(), RecvError>;
    type Arm = ChangedArm<'a, T>;
    fn arm(self) -> ChangedArm<'a, T> {
        ChangedArm(OpCase::new(self.op()))
    }
}

/// A receive of what time sends, as a case.
pub(super) struct TimeCase<'a, T> {
    source: &'a dyn Timed<T>,
    output: Option<Result<T, RecvError>>,
}

impl<T> Case for TimeCase<'_, T> {
    fn attempt(&mut self, _: Option<&Poller>) -> bool {
        self.output = self.source.take(wait::now()).map(Ok);
        self.output.is_some()
    }

    fn due(&self) -> Option<Instant> {
        self.source.due()
    }

    fn interrupt(&mut self, why: Interrupt) -> Result<(), Interrupt> {
        self.output = Some(Err(RecvError::Interrupted(why)));
        Ok(())
    }
}

impl<T> Pending for TimeCase<'_, T> {
    type Output = Result<T, RecvError>;

    fn output(&mut self) -> Option<Self::Output> {
        self.output.take()
    }
}

arm!(TimeArm<'a, T>, TimeCase<'a, T>, Result<T, RecvError>);

fn timed<T>(source: &dyn Timed<T>) -> TimeArm<'_, T> {
    TimeArm(TimeCase {
        source,
        output: None,
    })
}

impl<'a> Source for &'a After {
    type Output = Result<Instant, RecvError>;
    type Arm = TimeArm<'a, Instant>;
    fn arm(self) -> TimeArm<'a, Instant> {
        timed(self)
    }
}

impl<'a> Source for &'a Tick {
    type Output = Result<Instant, RecvError>;
    type Arm = TimeArm<'a, Instant>;
    fn arm(self) -> TimeArm<'a, Instant> {
        timed(self)
    }
}

impl<'a, T> Source for &'a Never<T> {
    type Output = Result<T, RecvError>;
    type Arm = TimeArm<'a, T>;
    fn arm(self) -> TimeArm<'a, T> {
        timed(self)
    }
}
