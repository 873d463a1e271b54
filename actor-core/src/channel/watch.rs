//! A channel that keeps the latest value only: a setting, a state, to be looked at and waited for.
//!
//! Receivers see the latest value at any time ([`Receiver::get`], [`Receiver::with`], [`Receiver::borrow`]) and can wait for
//! one they have not [*seen*](Receiver::changed). What is replaced before anybody has looked is never seen.
//!
//! To look never waits, and keeps nobody waiting: a [`Ref`] is a hold on one value, which stays as it is while others are sent.
//! Who looks shares the value, so between threads it must be `Sync` as well as `Send`.
//!
//! ```
//! use actor_core::Runtime;
//! use actor_core::channel::watch;
//!
//! let rt = Runtime::new()?;
//! let (sender, receiver) = watch::channel("starting");
//! let waits = rt.spawn(move || receiver.wait_for(|state| *state == "ready").map(|state| *state))?;
//! sender.send("loading")?;
//! sender.send("ready")?;
//! assert_eq!(waits.join()?, Ok("ready"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Terms
//! - *version*: how often a value has been sent. Each receiver has the version it has *seen*.
//! - *turn*: a lock that senders take one after the other, so that [`Sender::send_modify`] loses no value of others'. It
//!   parks: what is done in turn may wait.
//! - *state*: the value in an `Arc`, the version, who is gone and who waits, behind a spin lock.
//!
//! # Steps
//! ```text
//!   send   S1  take the turn; make the new value                  wait  W1  lock the state; the version is not the one
//!          S2  lock the state; exchange the values, raise the               seen → it is now, done
//!              version, wake everybody who waits; unlock                W2  no sender is left → `Disconnected`
//!          S3  drop the old value                                       W3  else join the list, in the same section;
//!   leave  L1  the last sender: lock the state; wake everybody              woken: W1 again
//! ```
//! W1 to W3 are one section, and so are S2 and L1: whoever comes second sees the other. A wait that is given up after it was
//! woken has seen nothing: the version tells the next one.
//!
//! Values are made, looked at, cloned and dropped outside the lock of the state.
//!
//! # Seeded faults
//! | fault                 | what it breaks                              | caught by                                          |
//! |-----------------------|---------------------------------------------|----------------------------------------------------|
//! | `watch_no_wake`       | S2 wakes nobody                             | `a_send_wakes_everybody_who_waits`                 |
//! | `watch_silent_drop`   | no L1                                       | `the_last_sender_ends_the_waits`                   |
//! | `watch_no_turn`       | `send_modify` is not one step               | `a_modification_loses_nothing_of_others`           |
//! | `watch_early_seen`    | who joins the list has seen the next value  | `a_future_that_was_woken_and_is_dropped_has_seen_nothing` |

mod receiver;
mod state;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, PoisonError};

use crate::rt::park;
use crate::rt::wake::Wakes;
use crate::sync::MutexGuard;
use crate::sys::fault::fault;

use super::error::SendError;
use state::Core;

pub use receiver::Receiver;
pub(in crate::channel) use state::Changed;

/// Makes a channel whose first value is `initial`. The receiver has seen it.
pub fn channel<T>(initial: T) -> (Sender<T>, Receiver<T>) {
    let core = Arc::new(Core::new(initial));
    let sender = Sender { core };
    let receiver = sender.subscribe();
    (sender, receiver)
}

/// The side that sends. Clones send into the same channel; when the last is dropped, receivers can still see the last value,
/// and waits for another end with `Disconnected`.
///
/// Senders take turns: one that comes while another is in [`send_modify`](Self::send_modify) waits until that is done. This
/// wait is not interruptible; a kill unwinds out of it.
pub struct Sender<T> {
    core: Arc<Core<T>>,
}

impl<T> Sender<T> {
    /// Sends `value`: from now on it is the latest.
    ///
    /// # Errors
    /// [`SendError::Disconnected`] if there is no receiver, with the value; the latest stays what it was. Where receivers may
    /// [subscribe](Self::subscribe) later, use [`send_replace`](Self::send_replace).
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        let turn = self.turn();
        if self.receiver_count() == 0 {
            return Err(SendError::Disconnected(value));
        }
        drop(self.put(turn, value)); // S3
        park::switch_point();
        Ok(())
    }

    /// Sends `value`, also if nobody receives, and returns the one before.
    ///
    /// ```
    /// use actor_core::channel::watch;
    ///
    /// let (sender, _) = watch::channel(1);
    /// assert!(sender.send(2).is_err(), "nobody receives");
    /// assert_eq!(*sender.send_replace(3), 1);
    /// assert_eq!(sender.subscribe().get(), 3);
    /// ```
    pub fn send_replace(&self, value: T) -> Ref<T> {
        let turn = self.turn();
        let old = self.put(turn, value);
        park::switch_point();
        Ref(old)
    }

    /// Changes a clone of the latest value with `modify`, and sends it, also if nobody receives. No other sender comes in
    /// between, so it must not send to this channel itself, or it waits for ever.
    ///
    /// If `modify` panics, or the caller is killed in it, nothing is sent.
    ///
    /// ```
    /// use actor_core::channel::watch;
    ///
    /// let (sender, receiver) = watch::channel(vec![1]);
    /// sender.send_modify(|list| list.push(2));
    /// assert_eq!(receiver.get(), [1, 2]);
    /// ```
    pub fn send_modify(&self, modify: impl FnOnce(&mut T))
    where
        T: Clone,
    {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// As [`send_modify`](Self::send_modify), but nothing is sent if `modify` says `false`. Whether it was sent.
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool
    where
        T: Clone,
    {
        let mut turn = Some(self.turn());
        let mut value = T::clone(&self.borrow());
        if fault!("watch_no_turn") {
            turn = None;
        }
        if !modify(&mut value) {
            return false;
        }
        let turn = turn.unwrap_or_else(|| self.turn());
        drop(self.put(turn, value)); // S3
        park::switch_point();
        true
    }

    /// S1: whatever happened to the last to have it, as that has then not sent.
    fn turn(&self) -> MutexGuard<'_, ()> {
        let turn = self.core.turn.lock();
        turn.unwrap_or_else(PoisonError::into_inner)
    }

    /// S2, and the end of the turn: the value before.
    fn put(&self, turn: MutexGuard<'_, ()>, value: T) -> Arc<T> {
        let value = Arc::new(value);
        let mut wakes = Wakes::default();
        let old = self.core.state.lock().put(value, &mut wakes);
        drop(turn);
        wakes.fire();
        old
    }

    /// The latest value.
    pub fn borrow(&self) -> Ref<T> {
        Ref(self.core.state.lock().value())
    }

    /// Calls `f` with the latest value.
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.borrow())
    }

    /// A new receiver, which has seen the latest value.
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(&self.core, None)
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.core.state.lock().receivers
    }

    /// Whether there is no receiver.
    pub fn is_disconnected(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Whether the two are of one channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.core, &other.core)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.core.state.lock().senders += 1;
        Sender {
            core: self.core.clone(),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut wakes = Wakes::default();
        let mut state = self.core.state.lock();
        state.senders -= 1;
        if state.senders == 0 && !fault!("watch_silent_drop") {
            state.wake_all(&mut wakes); // L1
        }
        drop(state);
        wakes.fire();
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("value", &self.borrow())
            .field("receivers", &self.receiver_count())
            .finish_non_exhaustive()
    }
}

/// A hold on a value that was the latest when it was [borrowed](Receiver::borrow). Keeps nobody waiting, and may be kept.
pub struct Ref<T>(Arc<T>);

impl<T> Ref<T> {
    /// The value itself, or a clone, if others may look at it too.
    pub fn into_owned(this: Self) -> T
    where
        T: Clone,
    {
        Arc::unwrap_or_clone(this.0)
    }
}

impl<T> Deref for Ref<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The same value, not a clone of it.
impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        Ref(self.0.clone())
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
