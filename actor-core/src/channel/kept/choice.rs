//! `select!` in a migratable function.
//!
//! As a send or a receive: tried, and tried again when the wait is over. What is to be sent lies in the state, as an `Option`,
//! while nobody waits, and with the wait meanwhile. A send that is found to have been done when the wait is given up *is* the
//! one that is chosen: that is kept in the state (`sent`), and found at the next try.

use std::any::Any;
use std::fmt;
use std::task::Poll;

use crate::channel::core::{self, Item};
use crate::channel::select::case::{OpCase, Pending};
use crate::channel::select::parked::{AnyCase, Over, Parked};
use crate::channel::select::selection::shuffle;
use crate::channel::sender::{given_back, taken_back};
use crate::channel::{Receiver, RecvError, SendError, Sender};
use crate::rt::cx::{Cx, Until};

use super::{OwnedRecv, OwnedSend, at_once};

/// What is done with an arm, whatever it gives; for one try.
pub trait Try {
    /// Whether it can ever be chosen.
    fn is_enabled(&self) -> bool;

    /// Does it, if it can be done without waiting.
    fn attempt(&mut self) -> bool;

    /// Whether it was done while its wait was being given up.
    fn was_done(&mut self) -> bool {
        false
    }

    /// It has been done while its wait was being given up.
    fn note_done(&mut self) {}

    /// Begins to wait.
    fn begin(&mut self) -> AnyCase;

    /// The wait is over.
    fn back(&mut self, case: AnyCase);
}

/// One arm.
pub trait Arm: Try {
    /// What it gives.
    type Output;

    /// The outcome, once it has been chosen.
    fn output(self) -> Self::Output;
}

/// What a `select!` of a migratable function can receive from.
#[diagnostic::on_unimplemented(
    message = "a `select!` of a migratable function cannot wait at `{Self}`",
    note = "it receives from a reference to a channel's `Receiver`, as `recv(&rx)`, and waits for time by `default(duration)` and `deadline(instant)`",
    note = "to wait on this machine only, call a function that does"
)]
pub trait Source {
    /// Its arm.
    type Arm: Arm;

    /// One try.
    fn arm(self) -> Self::Arm;
}

impl<'a, T: Send + 'static> Source for &'a Receiver<T> {
    type Arm = RecvArm<'a, T>;

    fn arm(self) -> RecvArm<'a, T> {
        Some(self).arm()
    }
}

impl<'a, T: Send + 'static> Source for Option<&'a Receiver<T>> {
    type Arm = RecvArm<'a, T>;

    fn arm(self) -> RecvArm<'a, T> {
        RecvArm {
            from: self,
            output: None,
        }
    }
}

const CHOSEN: &str = "the arm that was chosen has an outcome";

/// `recv(&rx)`
pub struct RecvArm<'a, T> {
    from: Option<&'a Receiver<T>>,
    output: Option<Result<T, RecvError>>,
}

impl<T: Send + 'static> Try for RecvArm<'_, T> {
    fn is_enabled(&self) -> bool {
        self.from.is_some()
    }

    fn attempt(&mut self) -> bool {
        let tried = |from: &Receiver<T>| at_once(&core::Recv(&from.core), &mut None);
        self.output = self.from.and_then(tried);
        self.output.is_some()
    }

    fn begin(&mut self) -> AnyCase {
        let case = |from: &Receiver<T>| AnyCase::new(OpCase::new(OwnedRecv(from.core.clone())));
        self.from.map_or_else(AnyCase::nothing, case)
    }

    fn back(&mut self, case: AnyCase) {
        self.output = own(case).and_then(|mut case: Box<OpCase<OwnedRecv<T>>>| case.output());
    }
}

impl<T: Send + 'static> Arm for RecvArm<'_, T> {
    type Output = Result<T, RecvError>;

    fn output(self) -> Self::Output {
        self.output.expect(CHOSEN)
    }
}

/// `send(&tx, value)`, `send(&tx, from slot)`
pub struct SendArm<'a, T> {
    to: &'a Sender<T>,
    slot: &'a mut Option<T>,
    sent: &'a mut bool,
    output: Option<Result<(), SendError<T>>>,
}

impl<T: Send + 'static> Try for SendArm<'_, T> {
    fn is_enabled(&self) -> bool {
        self.slot.is_some()
    }

    fn attempt(&mut self) -> bool {
        let mut item = self.slot.take().map(Item::Value);
        let sent = at_once(&core::Send(&self.to.core), &mut item);
        *self.slot = item.map(|item| taken_back(Some(item)));
        self.output = sent.map(|sent| sent.map_err(given_back));
        self.output.is_some()
    }

    fn was_done(&mut self) -> bool {
        if std::mem::take(self.sent) {
            self.output = Some(Ok(()));
        }
        self.output.is_some()
    }

    fn note_done(&mut self) {
        *self.sent = true;
    }

    fn begin(&mut self) -> AnyCase {
        let item = self.slot.take().map(Item::Value);
        AnyCase::new(OpCase::sending(OwnedSend(self.to.core.clone()), item))
    }

    fn back(&mut self, case: AnyCase) {
        let Some(mut case) = own::<OpCase<OwnedSend<T>>>(case) else {
            return;
        };
        self.output = case.output().map(|sent| sent.map_err(given_back));
        if self.output.is_none() {
            *self.slot = case.unsent().map(|item| taken_back(Some(item)));
        }
    }
}

impl<T: Send + 'static> Arm for SendArm<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn output(self) -> Self::Output {
        self.output.expect(CHOSEN)
    }
}

/// The case that an arm has made. None: it was not enabled.
fn own<C: Any>(case: AnyCase) -> Option<Box<C>> {
    case.into_any().downcast().ok()
}

impl<T> fmt::Debug for RecvArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvArm").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SendArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendArm").finish_non_exhaustive()
    }
}

/// An arm that receives.
pub fn recv<S: Source>(from: S) -> S::Arm {
    from.arm()
}

/// An arm that sends what is in `slot`, if something is. `sent`: it has been.
pub fn send<'a, T>(
    to: &'a Sender<T>,
    slot: &'a mut Option<T>,
    sent: &'a mut bool,
) -> SendArm<'a, T> {
    SendArm {
        to,
        slot,
        sent,
        output: None,
    }
}

/// How long it waits.
#[derive(Clone, Copy, Debug)]
pub enum Patience<'a> {
    /// Not at all.
    None,
    /// As long as it takes.
    Endless,
    /// To a moment.
    Until(&'a Until),
}

/// Does one of `arms`, or waits. `None`: none could be done in time.
pub fn choose<const N: usize>(
    mut arms: [&mut dyn Try; N],
    patience: Patience<'_>,
    biased: bool,
    cx: &mut Cx<'_>,
) -> Poll<Option<usize>> {
    if !cx.is_waiting() {
        if let Some(done) = arms.iter_mut().position(|arm| arm.was_done()) {
            return Poll::Ready(Some(done));
        }
        let mut order: Vec<usize> = (0..N).filter(|&n| arms[n].is_enabled()).collect();
        if !biased {
            shuffle(&mut order);
        }
        if let Some(done) = order.into_iter().find(|&n| arms[n].attempt()) {
            return Poll::Ready(Some(done));
        }
        let deadline = match patience {
            Patience::None => return Poll::Ready(None),
            Patience::Endless => None,
            Patience::Until(until) if until.poll(cx).is_ready() => return Poll::Ready(None),
            Patience::Until(until) => until.at(),
        };
        let cases = arms.iter_mut().map(|arm| arm.begin()).collect();
        cx.park(Parked::new(cases, biased, deadline));
    }
    if let Patience::Until(until) = patience {
        let _ = until.poll(cx); // to be resumed then; whether it has come, the wait looks itself
    }
    let mut back = None;
    let polled = cx.poll::<Over>(&mut back);
    let given_up = polled.is_pending();
    if let Poll::Ready(over) = polled {
        back = Some(over);
    }
    let Some(Over { chosen, cases }) = back else {
        return Poll::Pending;
    };
    for (arm, case) in arms.iter_mut().zip(cases) {
        arm.back(case);
    }
    if given_up {
        if let Some(done) = chosen {
            arms[done].note_done();
        }
        return Poll::Pending;
    }
    Poll::Ready(chosen)
}
