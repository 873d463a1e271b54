//! What users see of timers: how to set one, and what is returned.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Copies, What};
use crate::actor::addr::Addr;
use crate::actor::cx::Cx;
use crate::actor::traits::{Actor, MessageMethods};

impl<A: Actor> Addr<A> {
    /// The messages of the actor, as calls that send them `delay` from now, and return the [`Timer`] at once.
    ///
    /// ```
    /// use actor_core::prelude::*;
    /// use std::time::Duration;
    ///
    /// #[actor]
    /// struct Egg;
    ///
    /// #[actor]
    /// impl Egg {
    ///     pub fn done(&mut self, cx: &mut Cx<Self>) {
    ///         cx.stop();
    ///     }
    /// }
    ///
    /// let sys = System::new()?;
    /// let egg = sys.spawn(Egg)?;
    /// let timer = egg.after(Duration::from_secs(3600)).done();
    /// egg.after(Duration::from_millis(1)).done();
    /// assert_eq!(egg.join(), ExitReason::Normal);
    /// assert!(!timer.cancel(), "it ended with the actor");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// What is promised of timers is said at [`Timer`].
    pub fn after(&self, delay: Duration) -> A::After
    where
        A: MessageMethods,
    {
        After {
            addr: self.clone(),
            delay,
        }
        .into()
    }

    /// The messages of the actor, as calls that send them again and again, the first time a period from now, and return the
    /// [`Timer`] at once. The parameters are cloned for each.
    ///
    /// A [`Duration`] will do for a [`Period`], which can also say what becomes of ticks that were missed.
    ///
    /// # Panics
    /// If the period is zero.
    ///
    /// ```
    /// use actor_core::prelude::*;
    /// use std::time::Duration;
    ///
    /// #[actor]
    /// struct Countdown(u32);
    ///
    /// #[actor]
    /// impl Countdown {
    ///     #[on_start]
    ///     fn start(&mut self, cx: &mut Cx<Self>) {
    ///         cx.every(Duration::from_millis(1)).tick(2);
    ///     }
    ///     pub fn tick(&mut self, cx: &mut Cx<Self>, by: u32) {
    ///         self.0 -= by;
    ///         if self.0 == 0 {
    ///             cx.stop();
    ///         }
    ///     }
    /// }
    ///
    /// let sys = System::new()?;
    /// assert_eq!(sys.spawn(Countdown(6))?.join(), ExitReason::Normal);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn every(&self, period: impl Into<Period>) -> A::Every
    where
        A: MessageMethods,
    {
        Every {
            addr: self.clone(),
            period: period.into().checked(),
        }
        .into()
    }

    /// As [`after`](Self::after), with a message as a value.
    pub fn send_after(&self, delay: Duration, msg: A::Msg) -> Timer {
        super::set(self.cell(), delay, What::Once(msg))
    }

    /// As [`every`](Self::every), with messages that `make` makes, as part of the actor, one each time.
    ///
    /// # Panics
    /// If the period is zero. If `make` panics, it is the actor that does.
    #[track_caller]
    pub fn send_every(
        &self,
        period: impl Into<Period>,
        make: impl FnMut() -> A::Msg + Send + 'static,
    ) -> Timer {
        let period = period.into().checked();
        super::set(
            self.cell(),
            period.period,
            What::Every(period, Box::new(make)),
        )
    }
}

impl<A: Actor> Cx<A> {
    /// The actor's own messages, sent after a while: as [`Addr::after`].
    pub fn after(&self, delay: Duration) -> A::After
    where
        A: MessageMethods,
    {
        self.addr().after(delay)
    }

    /// The actor's own messages, sent again and again: as [`Addr::every`].
    ///
    /// # Panics
    /// If the period is zero.
    #[track_caller]
    pub fn every(&self, period: impl Into<Period>) -> A::Every
    where
        A: MessageMethods,
    {
        self.addr().every(period)
    }
}

/// A message about to be sent after a while: what the views behind [`Addr::after`] are made of.
#[must_use = "it is set with a message: call one of the methods"]
pub struct After<A: Actor> {
    addr: Addr<A>,
    delay: Duration,
}

impl<A: Actor> After<A> {
    /// Sets the timer, counted from now.
    pub fn set(self, msg: A::Msg) -> Timer {
        self.addr.send_after(self.delay, msg)
    }
}

impl<A: Actor> fmt::Debug for After<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("After")
            .field("addr", &self.addr)
            .field("delay", &self.delay)
            .finish()
    }
}

/// A message about to be sent again and again: what the views behind [`Addr::every`] are made of.
#[must_use = "it is set with a message: call one of the methods"]
pub struct Every<A: Actor> {
    addr: Addr<A>,
    period: Period,
}

impl<A: Actor> Every<A> {
    #[doc(hidden)]
    pub fn __set_cloned(self, msg: A::Msg, clone: fn(&A::Msg) -> A::Msg) -> Timer {
        let Every { addr, period } = self;
        let what = What::Every(period, Box::new(Copies { msg, copy: clone }));
        super::set(addr.cell(), period.period, what)
    }

    /// Sets the timer, counted from now, for messages that `make` makes.
    pub fn set(self, make: impl FnMut() -> A::Msg + Send + 'static) -> Timer {
        self.addr.send_every(self.period, make)
    }
}

impl<A: Actor> fmt::Debug for Every<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Every")
            .field("addr", &self.addr)
            .field("period", &self.period)
            .finish()
    }
}

/// What becomes of ticks that are due while the actor does not come to them. However late it is, it never has more than one
/// waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MissedTicks {
    /// They are left out. The next is due a whole number of periods after the first, as ever.
    #[default]
    Skip,
    /// The next is due a period after the late one was handled: ticks are never closer together than that.
    Delay,
    /// They are made up for, each when the one before has been handled, until the actor is in step again.
    Burst,
}

/// How often, and what becomes of missed ticks.
///
/// ```
/// use actor_core::{MissedTicks, Period};
/// use std::time::Duration;
///
/// let second = Duration::from_secs(1);
/// assert_eq!(Period::from(second), Period::new(second).missed(MissedTicks::Skip));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "it says how often: give it to `every`"]
pub struct Period {
    pub(crate) period: Duration,
    pub(crate) missed: MissedTicks,
}

impl Period {
    /// Every `period`; missed ticks are [skipped](MissedTicks::Skip).
    pub const fn new(period: Duration) -> Self {
        Period {
            period,
            missed: MissedTicks::Skip,
        }
    }

    /// What becomes of missed ticks.
    pub const fn missed(mut self, missed: MissedTicks) -> Self {
        self.missed = missed;
        self
    }

    #[track_caller]
    fn checked(self) -> Self {
        assert!(!self.period.is_zero(), "a period is longer than zero");
        self
    }
}

impl From<Duration> for Period {
    fn from(period: Duration) -> Self {
        Period::new(period)
    }
}

/// What has been set by [`Addr::after`] or [`Addr::every`]: to cancel it.
///
/// Dropping it cancels nothing.
///
/// # What is promised of timers
/// - A timer belongs to the life of the actor in which it was set, and ends with it: it never reaches the actor after a
///   restart. (One that is set while a supervisor is about to restart the actor belongs to the next life.) When a life ends,
///   what its timers would have sent is dropped, and is no dead letter.
/// - It never comes before its time. (It may come late: while code holds the worker on which the actor last ran, as a sleep.)
///   When its time has come, it is handled after the messages that the actor has in its mailbox
///   when it takes notice, between two messages; those that are due together are handled in the order they are due.
/// - It takes no place in the mailbox: it is not refused by a full one and does not wait for room. It is not counted by
///   [`Addr::queued`], and not found by a handler that receives by itself.
/// - Its message is told, not asked.
/// - An actor that has ended has no timers: one set for it is over at once.
///
/// # What it costs
/// No stack. A timer is its message and 24 bytes, a repeated one about a hundred; an actor that has had one keeps some 500 for
/// them. The list is sorted: setting one that is due after all others is as cheap as the end of a queue, another one moves up
/// to half of the list, and so does cancelling.
#[derive(Clone)]
pub struct Timer {
    schedule: Arc<dyn Cancel>,
    number: u64,
    /// When it was due for the first time.
    due: Instant,
}

/// A schedule, whatever its messages are.
pub(super) trait Cancel: Any + Send + Sync {
    /// Takes a timer out. Whether it was in.
    fn cancel(&self, number: u64, due: Instant) -> bool;
    /// Whether it is in.
    fn is_set(&self, number: u64, due: Instant) -> bool;
}

impl Timer {
    pub(super) fn new(schedule: Arc<dyn Cancel>, number: u64, due: Instant) -> Self {
        Timer {
            schedule,
            number,
            due,
        }
    }

    /// Cancels it. Nothing more comes of it when this has returned `true`; its message is dropped.
    ///
    /// `false`: there was nothing to cancel. It has been handled, or is being handled now; it has been cancelled before; or it
    /// ended with its actor.
    pub fn cancel(&self) -> bool {
        self.schedule.cancel(self.number, self.due)
    }

    /// Whether something is to come of it yet. A snapshot.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.schedule.is_set(self.number, self.due)
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("is_set", &self.is_set())
            .finish_non_exhaustive()
    }
}
