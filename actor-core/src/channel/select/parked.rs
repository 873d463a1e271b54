//! A selection that outlives whoever has begun it: that of a migratable function, which is left meanwhile.
//!
//! It owns its cases. It is polled as a future is; one that is polled with another waker gives up its places and takes new ones.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Instant;

use crate::channel::wait::{Op, Settled, Ticket};
use crate::rt::cx;
use crate::rt::wait::{self, Next};
use crate::rt::wake::{Wake, Wakes};

use super::arm::Nothing;
use super::case::{Case, OpCase};
use super::selection::{enlist, shuffle};

/// A case that borrows nothing.
trait OwnedCase: Case + Send {
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<C: Case + Send + 'static> OwnedCase for C {
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// One, whatever it is.
pub struct AnyCase(Box<dyn OwnedCase>);

impl AnyCase {
    pub(in crate::channel) fn new<O>(case: OpCase<O>) -> Self
    where
        O: Op + Send + 'static,
        O::Slot: Send,
        O::Output: Send,
    {
        AnyCase(Box::new(case))
    }

    /// One that is never chosen.
    pub(in crate::channel) fn nothing() -> Self {
        AnyCase(Box::new(Nothing))
    }

    /// The case itself.
    pub(in crate::channel) fn into_any(self) -> Box<dyn Any> {
        self.0.into_any()
    }
}

impl fmt::Debug for AnyCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyCase").finish_non_exhaustive()
    }
}

/// How it has ended: the cases, each of which has its outcome or what it has not sent.
pub(in crate::channel) struct Over {
    pub(in crate::channel) chosen: Option<usize>,
    pub(in crate::channel) cases: Vec<AnyCase>,
}

/// See the [module](self).
pub(in crate::channel) struct Parked {
    cases: Vec<AnyCase>,
    biased: bool,
    deadline: Option<Instant>,
    /// That under which the cases wait. A box, so that it stays where it is.
    ticket: Option<Pin<Box<Registered>>>,
}

struct Registered {
    ticket: Ticket,
    /// Whom it wakes.
    waker: Waker,
}

impl Parked {
    pub(in crate::channel) fn new(
        cases: Vec<AnyCase>,
        biased: bool,
        deadline: Option<Instant>,
    ) -> Self {
        Parked {
            cases,
            biased,
            deadline,
            ticket: None,
        }
    }

    /// Steps 1 and 2: the case that could be done.
    fn register(&mut self, context: &Context<'_>) -> Option<usize> {
        let waker = context.waker().clone();
        let registered = Box::pin(Registered {
            ticket: Ticket::new(false, Wake::Task(waker.clone())),
            waker,
        });
        let cases = self.cases.iter().enumerate();
        let mut order: Vec<usize> = cases
            .filter_map(|(index, case)| case.0.is_enabled().then_some(index))
            .collect();
        if !self.biased {
            shuffle(&mut order);
        }
        let mut cases: Vec<&mut dyn Case> = Vec::with_capacity(self.cases.len());
        for case in &mut self.cases {
            cases.push(&mut *case.0);
        }
        let mut wakes = Wakes::default();
        // SAFETY: the cases lie in boxes of `self`, and the ticket in one that is put there; `leave`, which takes all out of their
        // lists, comes before either is moved out or dropped.
        let chosen = unsafe { enlist(&mut cases, &order, &registered.ticket, &mut wakes) };
        if chosen.is_none() {
            self.ticket = Some(registered);
        }
        wakes.go_on_with(Next::Caller);
        wakes.fire();
        chosen
    }

    /// Step 5: which case a partner has settled, if one has.
    fn leave(&mut self) -> Option<(Settled, usize)> {
        let registered = self.ticket.take()?;
        let settled = registered.ticket.leave();
        for (index, case) in self.cases.iter_mut().enumerate() {
            if settled.is_none_or(|(_, chosen)| chosen != index) {
                case.0.retract();
            }
        }
        settled
    }

    /// Step 3: the case that has been done.
    fn settle(&mut self) -> Option<usize> {
        let (how, index) = self.leave()?;
        self.cases[index].0.settle(how).then_some(index)
    }

    fn over(&mut self, chosen: Option<usize>) -> Over {
        Over {
            chosen,
            cases: std::mem::take(&mut self.cases),
        }
    }

    fn look(&mut self, context: &Context<'_>) -> Option<Over> {
        if let Some(registered) = &self.ticket
            && registered.ticket.settled().is_none()
            && registered.waker.will_wake(context.waker())
            && self.deadline.is_none_or(|at| wait::now() < at)
        {
            return None;
        }
        let chosen = self.settle().or_else(|| self.register(context));
        if chosen.is_some() {
            return Some(self.over(chosen));
        }
        if self.deadline.is_some_and(|at| wait::now() >= at) {
            let chosen = self.settle();
            return Some(self.over(chosen));
        }
        None
    }
}

impl cx::Parked for Parked {
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>, outcome: &mut dyn Any) -> bool {
        let over = self.get_mut().look(context);
        let is_over = over.is_some();
        if let Some(outcome) = outcome.downcast_mut::<Option<Over>>() {
            *outcome = over;
        }
        is_over
    }

    /// What was received goes back. A value that has been taken from it has been sent: that case is the one chosen.
    fn retract(self: Pin<&mut Self>, slot: &mut dyn Any) -> bool {
        let this = self.get_mut();
        let mut chosen = None;
        if let Some((how, index)) = this.leave() {
            let case = &mut this.cases[index].0;
            if !case.sends() {
                case.give_back();
            } else if how == Settled::Served {
                chosen = case.settle(how).then_some(index);
            }
        }
        if let Some(slot) = slot.downcast_mut::<Option<Over>>() {
            *slot = Some(this.over(chosen));
        }
        true
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        if let Some((_, index)) = self.leave() {
            self.cases[index].0.give_back();
        }
    }
}
