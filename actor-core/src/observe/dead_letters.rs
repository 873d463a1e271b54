//! Dead letters: messages that were accepted and that nobody will ever handle.
//!
//! # What becomes one
//! | what happened | [`DeadReason`] |
//! |---|---|
//! | it was queued, or set aside, when its actor ended for good, or when the runtime ended | [`Ended`](DeadReason::Ended) |
//! | the mailbox was full, and its policy gave the place to a newer one | [`Displaced`](DeadReason::Displaced) |
//! | the mailbox was full, and its policy refused the newcomer | [`Full`](DeadReason::Full) |
//! | its sender was killed while it waited for room | [`SenderEnded`](DeadReason::SenderEnded) |
//!
//! What was *asked* is given back to the asker instead, as an error; it is a dead letter only if the asker has gone. So each
//! message ends in exactly one way: it is handled, or its handler fails, or its sender is told, or it is a dead letter.
//!
//! # A slow subscriber
//! is treated as by [`Event`](super::Event)s: its subscription has a capacity, letters beyond it are dropped and counted, and the
//! next one that fits says how many are missing before it. Nobody waits for a subscriber.
//!
//! # Cost
//! While nobody subscribes a dead letter is dropped where it is found: no allocation, one relaxed load.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::Receiver;

use super::Who;
use super::subscribers::{Subscribers, Subscription};
use crate::actor::ExitReason;

/// Why a message was never handled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeadReason {
    /// Its actor ended for good, with the message still waiting. At the end of the runtime the reason is
    /// [`Shutdown`](ExitReason::Shutdown).
    Ended(ExitReason),
    /// The mailbox was full, and a newer message took its place ([`WhenFull::DropOldest`](crate::WhenFull::DropOldest)).
    Displaced,
    /// The mailbox was full, and the message was not let in ([`WhenFull::DropNewest`](crate::WhenFull::DropNewest)).
    Full,
    /// Its sender was killed while it waited for room.
    SenderEnded,
    /// Its actor has moved to another node, and it could not be passed on: there was no way to that node, or the actor had
    /// ended there.
    NoWay,
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(reason) => write!(f, "the actor {reason}"),
            Self::Displaced => f.write_str("a newer message took its place"),
            Self::Full => f.write_str("the mailbox was full"),
            Self::NoWay => f.write_str("the actor has moved, and there is no way to it"),
            Self::SenderEnded => f.write_str("its sender was killed while it waited for room"),
        }
    }
}

/// A message that nobody will handle. From [`System::dead_letters`](crate::System::dead_letters).
///
/// Every subscriber gets every letter; the message in it there is only once, and whoever [takes](Self::take) it first has it.
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::DeadReason;
///
/// #[actor]
/// struct Printer;
///
/// #[actor]
/// impl Printer {
///     pub fn print(&mut self, cx: &mut Cx<Self>, page: u32) {
///         let _ = page;
///         cx.stop(); // out of paper
///     }
/// }
///
/// let sys = System::new()?;
/// let letters = sys.dead_letters();
/// let printer = sys.spawn(Printer)?;
/// while printer.tell().print(7).is_ok() {} // until it is gone
/// printer.join();
/// for letter in letters.try_iter() {
///     assert_eq!(letter.reason, DeadReason::Ended(ExitReason::Normal));
///     assert!(matches!(letter.take(), Some(PrinterMsg::Print { page: 7 })));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Whom it was sent to.
    pub to: Who,
    /// Why it was not handled.
    pub reason: DeadReason,
    /// The type of the message, as [`std::any::type_name`] has it.
    pub message_type: &'static str,
    /// How many letters before this one were dropped because this subscription was full.
    pub missed: u64,
    message: Arc<Mutex<Option<Box<dyn Any + Send>>>>,
}

impl DeadLetter {
    /// The message, for whoever takes it first. `None`: it has been taken, or it is of another type.
    #[must_use]
    pub fn take<M: 'static>(&self) -> Option<M> {
        let mut message = self.lock();
        match message.take()?.downcast() {
            Ok(taken) => Some(*taken),
            Err(other) => {
                *message = Some(other);
                None
            }
        }
    }

    /// The message, of whatever type, for whoever takes it first.
    #[must_use]
    pub fn take_any(&self) -> Option<Box<dyn Any + Send>> {
        self.lock().take()
    }

    /// Delivers it, or counts it as missed. False when nobody listens any more.
    fn offer_to(&self, subscription: &mut Subscription<Self>) -> bool {
        if subscription.room() == 0 {
            subscription.missed += 1;
            return true;
        }
        let missed = std::mem::take(&mut subscription.missed);
        subscription.send(Self {
            missed,
            ..self.clone()
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<dyn Any + Send>>> {
        self.message.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("to", &self.to)
            .field("reason", &self.reason)
            .field("message_type", &self.message_type)
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}

/// `CounterMsg to Counter#7 was not handled: the actor killed`.
impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            to,
            reason,
            message_type,
            ..
        } = self;
        write!(f, "{message_type} to {to} was not handled: {reason}")
    }
}

/// Hands dead letters out. One for each system.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    subscribers: Subscribers<DeadLetter>,
}

impl DeadLetters {
    pub(crate) const fn new() -> Self {
        Self {
            subscribers: Subscribers::new(),
        }
    }

    /// The dead letters from now on, with at most `capacity` of them waiting. Dropping the receiver ends the subscription.
    pub(crate) fn subscribe(&self, capacity: usize) -> Receiver<DeadLetter> {
        self.subscribers.add(capacity.max(1))
    }

    /// Whether anybody would see a letter.
    #[inline]
    pub(crate) fn wanted(&self) -> bool {
        self.subscribers.len() != 0
    }

    /// Hands `message` to whoever subscribes. What is dropped here, because nobody has room for it, is dropped outside the
    /// lock: its destructor is the user's.
    #[cold]
    pub(crate) fn publish<M: Send + 'static>(&self, to: Who, reason: DeadReason, message: M) {
        let letter = DeadLetter {
            to,
            reason,
            message_type: std::any::type_name::<M>(),
            missed: 0,
            message: Arc::new(Mutex::new(Some(Box::new(message)))),
        };
        self.subscribers.offer(|it| letter.offer_to(it));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(hub: &DeadLetters, n: u32) {
        hub.publish(Who::new(1, "Till", None), DeadReason::Full, n);
    }

    #[test]
    fn a_slow_subscriber_is_told_how_many_letters_it_missed() {
        let hub = DeadLetters::new();
        let (slow, quick) = (hub.subscribe(2), hub.subscribe(100));
        (0..5).for_each(|n| publish(&hub, n));
        let slow_got: Vec<_> = slow
            .try_iter()
            .map(|it| (it.missed, it.take::<u32>()))
            .collect();
        assert_eq!(slow_got, [(0, Some(0)), (0, Some(1))]);
        publish(&hub, 5);
        let next = slow.try_recv().unwrap();
        assert_eq!((next.missed, next.take::<u32>()), (3, Some(5)));
        assert_eq!(quick.try_iter().count(), 6, "others are not affected");
    }

    #[test]
    fn whoever_takes_the_message_first_has_it() {
        let hub = DeadLetters::new();
        let (one, two) = (hub.subscribe(1), hub.subscribe(1));
        publish(&hub, 7);
        let (one, two) = (one.recv().unwrap(), two.recv().unwrap());
        assert_eq!(one.take::<String>(), None, "of another type: it stays");
        assert_eq!(two.take::<u32>(), Some(7));
        assert!(one.take_any().is_none());
        assert_eq!(
            one.to_string(),
            "u32 to Till#1 was not handled: the mailbox was full"
        );
    }

    #[test]
    fn a_subscription_ends_with_its_receiver() {
        let hub = DeadLetters::new();
        let letters = hub.subscribe(1);
        assert!(hub.wanted());
        drop(letters);
        publish(&hub, 0);
        assert!(!hub.wanted());
    }
}
