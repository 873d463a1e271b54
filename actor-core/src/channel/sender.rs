//! [`Sender`].

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::rt::park;
use crate::rt::throw::Thrown;
use crate::rt::wait;

use super::core::{Core, Item, Preference, Send};
use super::error::{SendAllError, SendError, SendTimeoutError, TrySendError};
use super::handle::both_sides;
use super::wait::{Until, Waiting, run};

/// The side of a channel that sends. Clones send into the same channel; when the last is dropped, receivers get what is in
/// the channel, and then `Disconnected`.
pub struct Sender<T> {
    pub(super) core: Arc<Core<T>>,
}

both_sides!(Sender);

impl<T> Sender<T> {
    /// Sends `value`: waits until a receiver takes it or, where the channel has room, until it does.
    ///
    /// If the caller is killed while it waits, the value is dropped with it.
    ///
    /// # Errors
    /// Every receiver is gone, the channel is closed, or the wait was interrupted. The value is in the error.
    #[inline]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        park::check_stack();
        match self.core.send_at_once(Item::Value(value)) {
            None => {
                park::switch_point();
                Ok(())
            }
            Some(item) => self.put(item, Until::Deadline(None)).map_err(given_back),
        }
    }

    /// Sends `value` if that needs no waiting.
    ///
    /// # Errors
    /// [`TrySendError::Full`] if it would have to wait; else as [`send`](Self::send).
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        park::check_stack();
        let mut slot = self.core.send_at_once(Item::Value(value));
        if slot.is_none() {
            park::switch_point();
            return Ok(());
        }
        match run(&Send(&self.core), &mut slot, Until::Now) {
            Some(sent) => sent.map_err(|error| given_back(error).into()),
            None => Err(TrySendError::Full(taken_back(slot))),
        }
    }

    /// As [`send`](Self::send), for at most `timeout`.
    ///
    /// # Errors
    /// [`SendTimeoutError::TimedOut`] if that is over; else as [`send`](Self::send).
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.send_until(value, wait::after(timeout))
    }

    /// As [`send`](Self::send), at most until `deadline`.
    ///
    /// # Errors
    /// As [`send_timeout`](Self::send_timeout).
    pub fn send_deadline(&self, value: T, deadline: Instant) -> Result<(), SendTimeoutError<T>> {
        self.send_until(value, Some(deadline))
    }

    fn send_until(&self, value: T, deadline: Option<Instant>) -> Result<(), SendTimeoutError<T>> {
        let mut slot = Some(Item::Value(value));
        match run(&Send(&self.core), &mut slot, Until::Deadline(deadline)) {
            Some(sent) => sent.map_err(|error| given_back(error).into()),
            None => Err(SendTimeoutError::TimedOut(taken_back(slot))),
        }
    }

    /// As [`send`](Self::send), as a future. Dropped before it is done, it sends nothing, and drops the value.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_async(&self, value: T) -> Result<(), SendError<T>> {
        let sent = Waiting::new(Send(&self.core), Some(Item::Value(value))).await;
        sent.map_err(given_back)
    }

    /// Sends an error in place of a value: the receive that gets it fails with
    /// [`RecvError::Thrown`](super::RecvError::Thrown). It waits its turn as a value does.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_error<E>(&self, error: E) -> Result<(), SendError<Thrown>>
    where
        E: Into<Box<dyn Error + std::marker::Send + Sync>>,
    {
        let item = Item::Error(Box::new(Thrown::new(error.into())));
        self.put(item, Until::Deadline(None)).map_err(|error| {
            error.map(|item| match item {
                Item::Error(error) => *error,
                Item::Value(_) => unreachable!("an error was sent"),
            })
        })
    }

    /// Sends each of `values` in turn, and says how many there were.
    ///
    /// # Errors
    /// The first that could not be sent, how many had been, and why. Those behind it are not taken from the iterator.
    pub fn send_all(&self, values: impl IntoIterator<Item = T>) -> Result<usize, SendAllError<T>> {
        let mut sent = 0;
        for value in values {
            self.send(value)
                .map_err(|error| SendAllError { sent, error })?;
            sent += 1;
        }
        Ok(sent)
    }

    fn put(&self, item: Item<T>, until: Until) -> Result<(), SendError<Item<T>>> {
        let mut slot = Some(item);
        match run(&Send(&self.core), &mut slot, until) {
            Some(sent) => sent,
            None => unreachable!("a send without a deadline does not end by it"),
        }
    }
}

/// The error of a send that had a value.
#[cold]
pub(super) fn given_back<T>(error: SendError<Item<T>>) -> SendError<T> {
    error.map(|item| taken_back(Some(item)))
}

/// The value that a send has not sent.
pub(super) fn taken_back<T>(slot: Option<Item<T>>) -> T {
    match slot {
        Some(Item::Value(value)) => value,
        _ => unreachable!("what was not sent is in its slot"),
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.core.add_sender();
        Sender {
            core: self.core.clone(),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.core.drop_sender();
    }
}
