//! What happens in a system, for whoever wants to know: events.
//!
//! An **event** says that something happened to an actor, a supervisor or a worker. Each goes two ways: to `tracing`,
//! under a target that does not change between versions, and to **subscriptions**, which are channels, bounded by the
//! hub, of [`Event`] values for programs (and OS threads) that react to them.
//!
//! | target | events |
//! |---|---|
//! | `actor_core::lifecycle` | [`Spawned`](Event::Spawned), [`Exited`](Event::Exited), [`HandlerFailed`](Event::HandlerFailed), [`NameLost`](Event::NameLost), [`NotSaved`](Event::NotSaved), [`SignalDropped`](Event::SignalDropped) |
//! | `actor_core::supervision` | [`Restarted`](Event::Restarted), [`StartFailed`](Event::StartFailed), [`StopOverdue`](Event::StopOverdue), [`GaveUp`](Event::GaveUp) |
//! | `actor_core::scheduler` | [`Stuck`](Event::Stuck), [`Overflow`](Event::Overflow) |
//! | `actor_core::mailbox` | [`DeadLetters`](Event::DeadLetters) |
//! | `actor_core::snapshot` | [`SnapshotFailed`](Event::SnapshotFailed), [`SnapshotDamaged`](Event::SnapshotDamaged) |
//! | `actor_core::migrate` | [`WayOpened`](Event::WayOpened), [`WayEnded`](Event::WayEnded), [`WayFailed`](Event::WayFailed) |
//! | `actor_core::events` | [`Lagged`](Event::Lagged) |
//!
//! # A slow subscriber
//! A subscription never blocks the system and never outgrows its capacity. When its channel is full, events are dropped from it and
//! counted; the count is delivered as [`Event::Lagged`], in the place of what was dropped, once there is room for it
//! *and* for an event behind it (or a subscriber which is always a little too slow would receive nothing but counts),
//! or when the hub goes away. Other subscriptions are not affected. All subscriptions see the same order.
//!
//! # Cost
//! When nobody subscribes and `tracing` is off, an event is two relaxed loads and is never built: the hub's own count
//! of subscriptions, and `tracing`'s maximum level, a static. Otherwise a cold function, never inlined, builds the
//! event and hands it out: the stack it needs is not part of its caller's frame, which matters where the caller runs on a
//! small stack. What a `tracing` subscriber needs comes on top.
//!
//! # Locks
//! Subscriptions are behind a mutex that is held for attempts to send, which do not wait. `tracing` is told before that
//! and outside it, since its subscribers run arbitrary code.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use tracing::Level;
use tracing::level_filters::LevelFilter;

use crate::actor::ExitReason;

mod dead_letters;
mod subscribers;
mod trace;

use subscribers::{Subscribers, Subscription};

pub(crate) use dead_letters::DeadLetters;
pub use dead_letters::{DeadLetter, DeadReason};

/// Who an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Who {
    /// The id: never used twice within a system.
    pub id: u64,
    /// What kind it is: the actor's type, or the microthread's label.
    pub label: &'static str,
    /// The name it is registered under, if any.
    pub name: Option<Arc<str>>,
}

impl Who {
    pub(crate) fn new(id: u64, label: &'static str, name: Option<Arc<str>>) -> Self {
        Self { id, label, name }
    }
}

/// `Counter#7`, or `Counter#7 "name"`.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.label, self.id)?;
        match &self.name {
            Some(name) => write!(f, " {name:?}"),
            None => Ok(()),
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An actor or a microthread was started. (`TRACE`)
    #[non_exhaustive]
    Spawned {
        /// Who.
        who: Who,
    },
    /// It ended, and is torn down. (`DEBUG`; `WARN` unless *normal* or *shutdown*)
    #[non_exhaustive]
    Exited {
        /// Who.
        who: Who,
        /// Why.
        reason: ExitReason,
    },
    /// Its name was taken over by another actor. (`DEBUG`)
    #[non_exhaustive]
    NameLost {
        /// Who had it.
        who: Who,
        /// The name.
        name: Arc<str>,
        /// The id of the actor that has it now.
        holder: u64,
    },
    /// A handler returned an error, and its message was only told. (`WARN`)
    #[non_exhaustive]
    HandlerFailed {
        /// Whose handler.
        who: Who,
        /// The message's method.
        message: &'static str,
        /// The error, displayed.
        error: Arc<str>,
    },
    /// A supervisor started a child again by itself. (`WARN`)
    #[non_exhaustive]
    Restarted {
        /// The supervisor.
        supervisor: Who,
        /// The child's id in its spec.
        child: Arc<str>,
        /// Which life of the child this is; the first is 1.
        incarnation: u64,
    },
    /// A child did not start. (`WARN`)
    #[non_exhaustive]
    StartFailed {
        /// The supervisor.
        supervisor: Who,
        /// The child's id in its spec.
        child: Arc<str>,
        /// Which life of the child this would have been.
        incarnation: u64,
        /// Why.
        reason: ExitReason,
    },
    /// A child did not stop in its time, and is killed. (`WARN`)
    #[non_exhaustive]
    StopOverdue {
        /// The supervisor.
        supervisor: Who,
        /// The child's id in its spec.
        child: Arc<str>,
        /// Which life of the child this is.
        incarnation: u64,
    },
    /// One restart too many: a supervisor stops its children and ends. (`ERROR`)
    #[non_exhaustive]
    GaveUp {
        /// The supervisor.
        supervisor: Who,
        /// The child that should have been started again.
        child: Arc<str>,
    },
    /// A worker has been held for long by one activation, so that the stacks suspended there wait. (`WARN`)
    #[non_exhaustive]
    Stuck {
        /// Who holds the worker.
        who: Who,
        /// The worker's number.
        worker: usize,
        /// For how long so far.
        held: Duration,
    },
    /// A stack overflowed. (`ERROR`)
    #[non_exhaustive]
    Overflow {
        /// Whose stack.
        who: Who,
        /// The worker's number.
        worker: usize,
        /// How large the stack is, in bytes.
        stack_size: usize,
        /// Whether the stack could not be unwound: it and what it held are leaked.
        abandoned: bool,
    },
    /// An image of a durable function, or of what lives at a node, could not be saved. (`WARN`)
    #[non_exhaustive]
    NotSaved {
        /// The name under which it is saved.
        name: Arc<str>,
        /// Why not.
        error: Arc<str>,
    },
    /// Messages that were accepted will never be handled. The messages themselves, and why, come by
    /// [`System::dead_letters`](crate::System::dead_letters). (`DEBUG`)
    #[non_exhaustive]
    DeadLetters {
        /// Whose messages.
        who: Who,
        /// How many.
        count: u64,
    },
    /// An actor got a signal, of a link or a monitor, and has no hook for it. (`DEBUG`)
    #[non_exhaustive]
    SignalDropped {
        /// Who got it.
        who: Who,
        /// Whose end it told of; `None` if it was sent by [`Addr::exit`](crate::Addr::exit).
        from: Option<Who>,
        /// Why that one ended.
        reason: ExitReason,
    },
    /// A snapshot of an actor was not taken or not saved. What was saved before it stands. (`WARN`)
    #[non_exhaustive]
    SnapshotFailed {
        /// Whose.
        who: Who,
        /// The name under which it should have been saved.
        name: Arc<str>,
        /// Why not, displayed.
        error: Arc<str>,
    },
    /// A snapshot that was to be restored is damaged, and was set aside. (`WARN`)
    #[non_exhaustive]
    SnapshotDamaged {
        /// The name under which it was saved.
        name: Arc<str>,
        /// Where it is now, and what is wrong with it.
        damaged: Arc<str>,
        /// Whether there is one before it that is whole, which is used in its place. If not, the life begins anew.
        older: bool,
    },
    /// There is a way to another node: to be used from here on, in the place of any other. (`DEBUG`)
    #[non_exhaustive]
    WayOpened {
        /// To which.
        node: Arc<str>,
    },
    /// A way to another node has ended. (`DEBUG`)
    #[non_exhaustive]
    WayEnded {
        /// To which.
        node: Arc<str>,
        /// Why, displayed.
        why: Arc<str>,
    },
    /// There is no way to another node: a call has failed, from here or to here. It may be tried again. (`WARN`)
    #[non_exhaustive]
    WayFailed {
        /// The address that was called, or that the call came from.
        peer: Arc<str>,
        /// Why not, displayed.
        error: Arc<str>,
    },
    /// This subscription was too slow. (`DEBUG`)
    #[non_exhaustive]
    Lagged {
        /// How many events it did not get here.
        missed: u64,
    },
}

impl Event {
    /// How severe it is: the level at which `tracing` is told.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Spawned { .. } => Level::TRACE,
            Self::Exited { reason, .. } => Self::exit_level(reason),
            Self::DeadLetters { .. }
            | Self::Lagged { .. }
            | Self::NameLost { .. }
            | Self::SignalDropped { .. }
            | Self::WayEnded { .. }
            | Self::WayOpened { .. } => Level::DEBUG,
            Self::HandlerFailed { .. }
            | Self::NotSaved { .. }
            | Self::Restarted { .. }
            | Self::SnapshotDamaged { .. }
            | Self::SnapshotFailed { .. }
            | Self::StartFailed { .. }
            | Self::StopOverdue { .. }
            | Self::Stuck { .. }
            | Self::WayFailed { .. } => Level::WARN,
            Self::GaveUp { .. } | Self::Overflow { .. } => Level::ERROR,
        }
    }

    /// The level of an exit with this reason.
    #[must_use]
    pub fn exit_level(reason: &ExitReason) -> Level {
        if reason.is_clean() {
            Level::DEBUG
        } else {
            Level::WARN
        }
    }

    /// Delivers it, or counts it as missed. A count that is delivered is added to `reported`. False when nobody listens
    /// any more.
    fn offer_to(&self, subscription: &mut Subscription<Self>, reported: &mut u64) -> bool {
        let wanted = if subscription.missed > 0 { 2 } else { 1 };
        if subscription.room() < wanted {
            subscription.missed += 1;
            return true;
        }
        if subscription.missed > 0 {
            let missed = std::mem::take(&mut subscription.missed);
            if !subscription.send(Self::Lagged { missed }) {
                return false;
            }
            *reported += missed;
        }
        subscription.send(self.clone())
    }
}

/// Hands events out. One for each system.
#[derive(Debug)]
pub(crate) struct Events {
    subscribers: Subscribers<Event>,
}

impl Events {
    /// How many events wait in a subscription, unless it says otherwise.
    pub(crate) const DEFAULT_CAPACITY: usize = 1024;

    pub(crate) const fn new() -> Self {
        Self {
            subscribers: Subscribers::new(),
        }
    }

    /// The events from now on. Dropping the receiver (and its clones) ends the subscription.
    pub(crate) fn subscribe(&self) -> Receiver<Event> {
        self.subscribe_with(Self::DEFAULT_CAPACITY)
    }

    /// As [`subscribe`](Self::subscribe), for `capacity` events waiting at most, and at least two: a count of what was
    /// missed and an event.
    pub(crate) fn subscribe_with(&self, capacity: usize) -> Receiver<Event> {
        self.subscribers.add(capacity.max(2))
    }

    /// Whether anybody may want an event of this level.
    #[inline]
    pub(crate) fn wants(&self, level: Level) -> bool {
        self.subscribers.len() != 0 || level <= LevelFilter::current()
    }

    /// Hands out the event that `make` builds, if anybody may want one of this `level`, which is its
    /// [`level`](Event::level).
    #[inline]
    pub(crate) fn emit(&self, level: Level, make: impl FnOnce() -> Event) {
        if self.wants(level) {
            self.emit_cold(level, make);
        }
    }

    #[cold]
    #[inline(never)]
    fn emit_cold(&self, level: Level, make: impl FnOnce() -> Event) {
        self.hand_out(level, &make());
    }

    fn hand_out(&self, level: Level, event: &Event) {
        debug_assert_eq!(event.level(), level, "{event:?}");
        trace::emit(event);
        self.publish(event);
    }

    fn publish(&self, event: &Event) {
        if self.subscribers.len() == 0 {
            return;
        }
        let mut reported = 0;
        self.subscribers
            .offer(|it| event.offer_to(it, &mut reported));
        if reported > 0 {
            trace::emit(&Event::Lagged { missed: reported });
        }
    }
}

impl Drop for Events {
    /// What was missed last has no event behind it that would bring the count, so it comes now: one more than the
    /// capacity, if need be.
    fn drop(&mut self) {
        self.subscribers.offer(|it| {
            if it.missed > 0 {
                // Nobody there is nobody to tell.
                it.send(Event::Lagged { missed: it.missed });
            }
            false
        });
    }
}

#[cfg(test)]
mod tests;
