//! What a migratable function waits with.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{preempt, wait};

/// A wait that somebody else will end: it is known to whoever that is, and lies outside the state, as it cannot be frozen.
pub(crate) trait Parked: Send {
    /// Whether it is over. Then `outcome`, an `Option` of what it ends with, has it.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>, outcome: &mut dyn Any) -> bool;

    /// Gives the wait up: nothing has happened. What it was to hand over is in `slot` again, an `Option` of that. `false`: it
    /// cannot be given up, and goes on.
    fn retract(self: Pin<&mut Self>, slot: &mut dyn Any) -> bool;

    /// Whether what ends it comes from outside a local scheduler that the function is in, and will come.
    fn is_for_outside(&self) -> bool {
        false
    }
}

/// The place for it: a word, as each task has one, whether it waits for somebody or not.
#[derive(Default)]
pub(crate) struct Waiting(Option<Box<Pin<Box<dyn Parked>>>>);

impl Waiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn is_for_outside(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|parked| parked.is_for_outside())
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Waiting").field(&self.0.is_some()).finish()
    }
}

/// What a function that is resumed has of the world. See `migratable::program`.
#[derive(Debug)]
pub struct Cx<'a> {
    waker: &'a Waker,
    waiting: &'a mut Waiting,
    /// It wants to go on when others have run.
    again: bool,
    /// It wants to go on then, if not before.
    deadline: Option<Instant>,
    /// It is resumed only to give up its wait.
    retracts: bool,
    /// An operation has been done.
    went_on: bool,
    /// It is run by a runtime, with which it shares the turn of what runs it.
    shares: bool,
    /// What is left of its turn, in checkpoints, if it does not.
    left: u32,
}

impl<'a> Cx<'a> {
    pub(crate) fn new(waker: &'a Waker, waiting: &'a mut Waiting) -> Self {
        Cx {
            waker,
            waiting,
            again: false,
            deadline: None,
            retracts: false,
            shares: false,
            left: preempt::TURN,
            went_on: false,
        }
    }

    /// Of a runtime: its turn is over when that of whatever runs it is, and others would run, or when that has been killed.
    pub(crate) fn sharing(waker: &'a Waker, waiting: &'a mut Waiting) -> Self {
        Cx {
            shares: true,
            ..Cx::new(waker, waiting)
        }
    }

    pub(crate) fn retracting(waker: &'a Waker, waiting: &'a mut Waiting) -> Self {
        Cx {
            retracts: true,
            ..Cx::new(waker, waiting)
        }
    }

    /// Who is woken when it can go on.
    pub(crate) fn waker(&self) -> &'a Waker {
        self.waker
    }

    /// It yields.
    #[inline]
    pub fn again(&mut self) {
        self.again = true;
    }

    /// A checkpoint. `true`: its turn is over; it is to be suspended here, and goes on when others have run.
    #[inline]
    pub fn checkpoint(&mut self) -> bool {
        let over = match self.shares {
            true => preempt::passed(),
            false => {
                self.left -= 1;
                self.left == 0
            }
        };
        if over {
            self.left = preempt::TURN;
            self.again();
        }
        over
    }

    /// An operation has been done at once.
    #[inline]
    pub(crate) fn done_at_once(&mut self) {
        self.went_on = true;
    }

    /// Whether any has been done.
    pub(crate) fn went_on(&self) -> bool {
        self.went_on
    }

    pub(crate) fn wants_again(&self) -> bool {
        self.again
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// It wants to go on at that time, if not before.
    pub(crate) fn go_on_at(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// Whether a wait has begun. It is that of the operation that is tried now, as a function waits for one at a time.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.0.is_some()
    }

    /// Begins a wait.
    pub(crate) fn park<P: Parked + 'static>(&mut self, parked: P) {
        self.waiting.0 = Some(Box::new(Box::pin(parked)));
    }

    /// Goes on with the wait that has begun. `slot`: where what it was to hand over goes if it is given up.
    pub(crate) fn poll<O: 'static>(&mut self, slot: &mut dyn Any) -> Poll<O> {
        let Some(parked) = &mut self.waiting.0 else {
            return Poll::Pending;
        };
        if self.retracts {
            if (**parked).as_mut().retract(slot) {
                self.waiting.0 = None;
            }
            return Poll::Pending;
        }
        let mut outcome: Option<O> = None;
        let mut context = Context::from_waker(self.waker);
        if !(**parked).as_mut().poll(&mut context, &mut outcome) {
            return Poll::Pending;
        }
        self.waiting.0 = None;
        self.went_on = true;
        match outcome {
            Some(outcome) => Poll::Ready(outcome),
            None => unreachable!("a wait that is over has an outcome of its operation's type"),
        }
    }
}

/// A moment. Frozen, it is how much time was left.
#[derive(Clone, Copy, Debug)]
pub struct Until(Option<Instant>);

impl Until {
    /// `duration` from now.
    pub fn after(duration: Duration) -> Self {
        Until(wait::after(duration))
    }

    /// This one; none: never.
    pub(crate) fn at_most(at: Option<Instant>) -> Self {
        Until(at)
    }

    /// This one.
    pub fn new(at: Instant) -> Self {
        Until(Some(at))
    }

    /// None: later than the clock can say.
    pub(crate) fn at(&self) -> Option<Instant> {
        self.0
    }

    /// Whether it has come.
    pub fn poll(&self, cx: &mut Cx<'_>) -> Poll<()> {
        if self.0.is_some_and(|at| wait::now() >= at) {
            cx.went_on = true;
            return Poll::Ready(());
        }
        cx.go_on_at(self.0);
        Poll::Pending
    }
}

impl Serialize for Until {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0
            .map(|at| at.saturating_duration_since(wait::now()))
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Until {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let left = Option::<Duration>::deserialize(deserializer)?;
        Ok(Until(left.and_then(wait::after)))
    }
}
