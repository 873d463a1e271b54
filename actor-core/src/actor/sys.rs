//! Looking after an actor that runs: suspend it, resume it, look at its state, replace it. What OTP has in its module `sys`.
//!
//! A request of this kind is an *order*: it waits in the actor's lane (`ties`) and is carried out at a message boundary, before
//! the messages that wait, also while the actor is suspended. The caller waits on a channel of its own for what came of it. An
//! order that is not carried out is dropped with the lane, and with it the channel's sending side, which the caller is told of.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use crate::channel::RecvTimeoutError;
use crate::channel::oneshot;
use crate::microthread::Interrupt;
use crate::rt::park;
use crate::rt::wait;
use crate::rt::worker::Worker;

use super::addr::Addr;
use super::attend::exit_signal;
use super::boundary::{Boundary, Right};
use super::cell::{Cell, DOWN};
use super::exit::ExitReason;
use super::life::{contain, stop_reason};
use super::mailbox::Flags;
use super::ties;
use super::traits::Actor;

/// Where an order's outcome goes.
type Outcome<R> = oneshot::Sender<Result<R, SysError>>;

/// What is asked of the actor as such, and not of its handlers. See the [module](self).
pub(crate) enum Order {
    Suspend(Outcome<()>),
    Resume(Outcome<()>),
    /// Is lent the right to run the actor, and says what is to become of it.
    Visit(Box<dyn FnOnce(Right<'_>) -> Visited + Send>),
}

/// Whether an actor is held at its boundary.
pub(crate) enum Holds<D> {
    No,
    /// It must end.
    Ends(ExitReason),
    /// Until this has decided.
    Until(D),
}

/// What an order leaves of the actor.
pub(super) enum Visited {
    /// It goes on.
    Well,
    /// It must end, for that reason.
    Ends(ExitReason),
    /// It has ended: its state is gone.
    Left(ExitReason),
}

/// What can be done to a running actor from outside its handlers: what [`Addr::sys`] returns.
///
/// Every call is carried out at the actor's next message boundary, before the messages that wait there, and returns when it
/// has been. The calling microthread or thread waits, without a deadline unless [`within`](Self::within) sets one.
///
/// # Suspended
/// A suspended actor handles no messages and no signals; they wait, in order. It still carries out the calls of this view, still
/// stops when it is stopped, dies when it is killed, and ends by an exit signal that it does not trap. Suspending it twice is
/// suspending it once. A restart ends the suspension: the next life begins as any other.
///
/// ```
/// use actor_core::prelude::*;
///
/// #[actor]
/// struct Counter {
///     n: u64,
/// }
///
/// #[actor]
/// impl Counter {
///     pub fn add(&mut self, by: u64) {
///         self.n += by;
///     }
///     pub fn get(&self) -> u64 {
///         self.n
///     }
/// }
///
/// let sys = System::new()?;
/// let counter = sys.spawn(Counter { n: 0 })?;
/// counter.sys().suspend()?;
/// counter.tell().add(2)?; // waits
/// assert_eq!(counter.sys().inspect(|it| it.n)?, 0);
/// counter.sys().update(|it| it.n = 40)?;
/// counter.sys().resume()?;
/// assert_eq!(counter.ask().get()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// All calls, with [`SysError`]. An actor with its own stack has its state there, and its boundaries where it likes: it is
/// refused.
#[must_use = "this does nothing until one of its methods is called"]
pub struct Sys<'a, A: Actor> {
    addr: &'a Addr<A>,
    within: Option<Duration>,
}

impl<A: Actor> Clone for Sys<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: Actor> Copy for Sys<'_, A> {}

impl<A: Actor> fmt::Debug for Sys<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sys")
            .field("of", &self.addr)
            .field("within", &self.within)
            .finish()
    }
}

impl<A: Actor> Addr<A> {
    /// What can be done to the running actor from outside its handlers: suspend and resume it, look at its state, change it.
    pub fn sys(&self) -> Sys<'_, A> {
        Sys {
            addr: self,
            within: None,
        }
    }
}

impl<A: Actor> Sys<'_, A> {
    /// Sets a deadline for the call that follows.
    pub fn within(mut self, timeout: Duration) -> Self {
        self.within = Some(timeout);
        self
    }

    /// Has messages and signals wait from the next message boundary on.
    ///
    /// # Errors
    /// [`SysError`]. After [`SysError::Timeout`] the actor may yet be suspended, when it comes to it.
    pub fn suspend(self) -> Result<(), SysError> {
        self.order(Order::Suspend)
    }

    /// Goes on with the messages and signals that wait. An actor that is not suspended stays as it is.
    ///
    /// # Errors
    /// [`SysError`]. After [`SysError::Timeout`] the actor may yet be resumed, when it comes to it.
    pub fn resume(self) -> Result<(), SysError> {
        self.order(Order::Resume)
    }

    /// What `look` sees in the actor's state. It runs where the actor does, and may wait, which holds the actor up.
    ///
    /// # Errors
    /// [`SysError`]. A panic of `look` is the caller's alone: it is [`SysError::Panicked`] here, and the actor goes on. If the
    /// call has timed out before `look` begins, it is not run.
    #[doc(alias = "get_state")]
    pub fn inspect<R, F>(self, look: F) -> Result<R, SysError>
    where
        R: Send + 'static,
        F: FnOnce(&A) -> R + Send + 'static,
    {
        self.at_boundary(move |actor| look(actor.state()))
    }

    /// Changes the actor's state, by reference or by `*state = other`. It runs where the actor does, and may wait, which holds
    /// the actor up.
    ///
    /// # Errors
    /// [`SysError`]. A panic of `change` may leave the state half changed. So it is the actor's panic too: the actor ends, and
    /// the caller gets [`SysError::Panicked`]. If the call has timed out before `change` begins, it is not run.
    #[doc(alias = "replace_state")]
    pub fn update<R, F>(self, change: F) -> Result<R, SysError>
    where
        R: Send + 'static,
        F: FnOnce(&mut A) -> R + Send + 'static,
    {
        self.visit(move |mut actor| change(actor.state_mut()), Visited::Ends)
    }

    /// What `look` sees of the actor as a whole.
    ///
    /// # Errors
    /// As [`inspect`](Self::inspect).
    pub(crate) fn at_boundary<R, F>(self, look: F) -> Result<R, SysError>
    where
        R: Send + 'static,
        F: FnOnce(&Boundary<'_, A>) -> R + Send + 'static,
    {
        self.visit(move |actor| look(&actor), |_| Visited::Well)
    }

    /// Returns what `look` sees of the actor, which is then held at that boundary until what `look` gives for that has decided. If
    /// that gives a way to leave it, it is left.
    ///
    /// # Errors
    /// As [`inspect`](Self::inspect).
    pub(crate) fn hold<R, F, D, L>(self, look: F) -> Result<R, SysError>
    where
        R: Send + 'static,
        F: FnOnce(&mut Boundary<'_, A>) -> (R, Holds<D>) + Send + 'static,
        D: FnOnce() -> Option<L>,
        L: FnOnce(Boundary<'_, A>) -> ExitReason,
    {
        let addr = self.addr.clone();
        self.order(move |outcome: Outcome<R>| {
            Order::Visit(Box::new(move |right: Right<'_>| {
                if outcome.is_disconnected() {
                    return Visited::Well; // the caller has given up
                }
                let mut actor = right.to(&addr);
                let stays = |actor: Boundary<'_, A>| match actor.stays() {
                    Ok(()) => Visited::Well,
                    Err(reason) => Visited::Ends(reason),
                };
                let (seen, holds) = match contain(|| look(&mut actor)) {
                    Ok(seen) => seen,
                    Err(ExitReason::Panicked(text)) => {
                        let _ = outcome.send(Err(SysError::Panicked(text)));
                        return stays(actor);
                    }
                    Err(reason) => return Visited::Ends(reason),
                };
                if let Err(unheard) = outcome.send(Ok(seen)) {
                    drop(unheard);
                    // The caller has given up.
                    return match holds {
                        Holds::Ends(reason) => Visited::Ends(reason),
                        Holds::No | Holds::Until(_) => stays(actor),
                    };
                }
                let decide = match holds {
                    Holds::No => return stays(actor),
                    Holds::Ends(reason) => return Visited::Ends(reason),
                    Holds::Until(decide) => decide,
                };
                match contain(decide) {
                    Ok(None) => stays(actor),
                    Ok(Some(leave)) => {
                        let left = contain(|| leave(actor));
                        Visited::Left(left.unwrap_or_else(|reason| reason))
                    }
                    Err(reason) => Visited::Ends(reason),
                }
            }))
        })
    }

    /// `panics`: what a panic does to the actor.
    fn visit<R, F>(self, f: F, panics: fn(ExitReason) -> Visited) -> Result<R, SysError>
    where
        R: Send + 'static,
        F: FnOnce(Boundary<'_, A>) -> R + Send + 'static,
    {
        let addr = self.addr.clone();
        self.order(move |outcome: Outcome<R>| {
            Order::Visit(Box::new(move |right: Right<'_>| {
                if outcome.is_disconnected() {
                    return Visited::Well; // the caller has given up
                }
                match contain(|| f(right.to(&addr))) {
                    Ok(seen) => {
                        let _ = outcome.send(Ok(seen));
                        Visited::Well
                    }
                    Err(ExitReason::Panicked(text)) => {
                        let _ = outcome.send(Err(SysError::Panicked(text.clone())));
                        panics(ExitReason::Panicked(text))
                    }
                    // Killed, or out of stack: that is the actor's in any case, and the caller hears of it by the channel.
                    Err(reason) => Visited::Ends(reason),
                }
            }))
        })
    }

    fn order<R>(self, make: impl FnOnce(Outcome<R>) -> Order) -> Result<R, SysError> {
        park::check_stack();
        let deadline: Option<Instant> = self.within.and_then(wait::after);
        let cell = self.addr.cell();
        if A::OWN_STACK {
            return Err(SysError::OwnStack);
        }
        let header: *const _ = cell.header();
        if Worker::with(|worker| worker.is_some_and(|worker| worker.is_running(header))) {
            return Err(SysError::Itself);
        }
        let (outcome, mut answer) = oneshot::channel();
        let order = make(outcome);
        let refused = {
            let mut state = ties::lock(self.addr);
            if cell.life() < DOWN {
                state.ties().orders.push_back(order);
                None
            } else {
                Some(order)
            }
        };
        if refused.is_some() {
            return Err(SysError::Dead);
        }
        cell.raise(Flags::SIGNAL);
        let answered = match deadline {
            Some(deadline) => answer.recv_deadline(deadline),
            None => answer.recv().map_err(RecvTimeoutError::from),
        };
        match answered {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::TimedOut) => Err(SysError::Timeout),
            Err(RecvTimeoutError::Interrupted(why)) => Err(SysError::Interrupted(why)),
            Err(_) => Err(SysError::Dead),
        }
    }
}

/// Why an actor that has been left ends: it has been asked to, or by an exit signal.
pub(super) fn reason_to_end<A: Actor>(cell: &Cell<A>) -> ExitReason {
    exit_signal(cell).unwrap_or_else(|| stop_reason(cell))
}

/// Drops orders that will not be carried out: their callers are told.
pub(super) fn drop_all(orders: VecDeque<Order>) {
    for order in orders {
        // Closures are the user's.
        let _ = contain(|| drop(order));
    }
}

/// Why a call of [`Sys`] was not carried out, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SysError {
    /// The actor has ended, or did before it came to this; or it is between two lives.
    Dead,
    /// The actor has its own stack, and its state on it.
    OwnStack,
    /// The caller is the actor itself, which would wait for its own handler to return.
    Itself,
    /// The deadline passed first.
    Timeout,
    /// The function given has panicked, with this message.
    Panicked(std::sync::Arc<str>),
    /// The caller's wait was interrupted.
    Interrupted(Interrupt),
}

impl fmt::Display for SysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dead => f.write_str("the actor is dead, or between two lives"),
            Self::OwnStack => {
                f.write_str("the actor has its own stack: ask it by a message of its own")
            }
            Self::Itself => f.write_str(
                "the caller is this actor's own handler: use `self`, or call from elsewhere",
            ),
            Self::Timeout => f.write_str("the actor did not come to it by the deadline"),
            Self::Panicked(text) => write!(f, "the function given panicked: {text}"),
            Self::Interrupted(why) => write!(f, "the wait was interrupted: {why}"),
        }
    }
}

impl std::error::Error for SysError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Interrupted(why) => Some(why),
            _ => None,
        }
    }
}
