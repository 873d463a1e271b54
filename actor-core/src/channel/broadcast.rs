//! A channel whose every receiver gets every value: news, to whoever listens.
//!
//! A receiver gets what is sent after it [subscribed](Sender::subscribe). [`Sender::send`] never waits: the channel keeps the
//! last `capacity` values, and a receiver that is slower than that loses the oldest. Its next receive says how many
//! ([`RecvError::Lagged`]), and the one after that goes on with the oldest that is left. A value is dropped once every receiver
//! has got it or lost it. The receivers share a value until they clone it, so between threads it must be `Sync` as well as
//! `Send`.
//!
//! ```
//! use actor_core::channel::broadcast::{self, RecvError};
//!
//! let (sender, receiver) = broadcast::channel(2);
//! let late = sender.subscribe();
//! for n in 1..=3 {
//!     sender.send(n)?;
//! }
//! assert_eq!(receiver.recv(), Err(RecvError::Lagged(1)));
//! assert_eq!(receiver.recv(), Ok(2));
//! assert_eq!(receiver.recv(), Ok(3));
//! assert_eq!(late.recv(), Err(RecvError::Lagged(1)));
//!
//! drop(sender);
//! assert_eq!(late.recv(), Ok(2));
//! assert_eq!(receiver.recv(), Err(RecvError::Disconnected));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Terms
//! - *position*: the number of a value, counted from the first that was ever sent. Each receiver has the position of the value
//!   it gets next.
//! - *ring*: the values that are kept, at the positions from `base` on. Each has a count of those that get it *next*; the
//!   receivers that have got everything are counted apart, at the *end*.
//! - *lagging*: a receiver with a position before `base`. It is counted at `base`.
//!
//! # Steps
//! ```text
//!   send     S1  lock; there is no receiver → an error
//!            S2  the ring is full: take the first out; those counted there are now counted at the next, or at the end
//!            S3  put the value behind the others: those at the end are counted there; wake everybody who waits; unlock
//!   receive  R1  lock; lagging → go to `base`, and say how far that is
//!            R2  a value is at the position → count the receiver at the next one, or at the end; if nobody is left to get the
//!                first, take it out of the ring; unlock, clone the value
//!            R3  no sender is left → `Disconnected`
//!            R4  else wait: join the list, in the same section; woken: R1 again
//!   leave    L1  a receiver: lock; it is counted no more; take out the values at the front that nobody gets; unlock, drop them
//!            L2  the last sender: lock; wake everybody who waits
//! ```
//! *Nobody waits for ever*: R1 to R4 are one section, and so are S1 to S3 and L2; whoever comes second sees the other.
//! *Nothing is lost* beside what `Lagged` says: a wait moves no value, so one who leaves without looking has not got it yet.
//! *Nothing is kept too long*: the first in the ring is one that somebody gets next, or it is taken out (R2, L1). That one
//! look at the first is enough, as those who get a value later have a position before it.
//!
//! Values are cloned, and dropped, outside the lock: the ring has them in `Arc`s. The last to get one gets the original, if
//! all others have made their clones.
//!
//! # Seeded faults
//! | fault                     | what it breaks                             | caught by                                                |
//! |---------------------------|--------------------------------------------|----------------------------------------------------------|
//! | `broadcast_no_wake`       | S3 wakes nobody                            | `loom_broadcast_a_send_ends_every_wait`, `a_send_wakes_everybody_who_waits` |
//! | `broadcast_wake_one`      | S3 wakes one only                          | `loom_broadcast_a_send_ends_every_wait`, `a_send_wakes_everybody_who_waits` |
//! | `broadcast_silent_drop`   | no L2                                      | `loom_broadcast_the_last_sender_ends_the_wait`, `the_last_sender_ends_the_waits` |
//! | `broadcast_silent_lag`    | R1 does not say what was lost              | `a_slow_receiver_is_told_what_it_lost_and_goes_on`       |
//! | `broadcast_strand`        | S2 forgets those that were counted         | `it_behaves_as_a_list_for_each_receiver`                 |
//! | `broadcast_keep`          | L1 takes nothing out                       | `a_receiver_that_leaves_frees_what_it_alone_had_to_get`  |

mod error;
#[cfg(all(test, loom))]
mod models;
mod state;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::rt::park;
use crate::rt::wait;
use crate::rt::wake::Wakes;
use crate::sys::atomic::AtomicU64;
use crate::sys::fault::fault;

use super::error::SendError;
use super::wait::{Until, Waiting, run};

pub use error::{RecvError, RecvTimeoutError, TryRecvError};

use state::{Core, Entry};
pub(in crate::channel) use state::{Recv, cloned};

/// Makes a channel that keeps the last `capacity` values. Room for them is made as they come.
///
/// # Panics
/// If `capacity` is 0: every receiver would lose every value.
///
/// ```should_panic
/// drop(actor_core::channel::broadcast::channel::<u32>(0));
/// ```
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(
        capacity > 0,
        "a broadcast channel keeps at least one value: use a capacity of 1 or more"
    );
    let core = Arc::new(Core::new(capacity));
    let sender = Sender { core };
    let receiver = sender.subscribe();
    (sender, receiver)
}

/// The side that sends. Clones send into the same channel; when the last is dropped, receivers get what is kept for them, and
/// then `Disconnected`.
pub struct Sender<T> {
    core: Arc<Core<T>>,
}

impl<T> Sender<T> {
    /// Sends `value` to all receivers there are, and says how many that is. Never waits. Some of them may lose it, or leave
    /// without it.
    ///
    /// # Errors
    /// [`SendError::Disconnected`] if there is no receiver, with the value. There may be one again later.
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        park::check_stack();
        let value = Arc::new(value);
        let mut wakes = Wakes::default();
        let sent = self.core.state.lock().send(value, &mut wakes);
        let (receivers, lost) = sent.map_err(|value| {
            let value = Arc::into_inner(value).expect("nobody else has got it");
            SendError::Disconnected(value)
        })?;
        wakes.fire();
        drop(lost); // the user's: outside the lock
        park::switch_point();
        Ok(receivers)
    }

    /// As [`send`](Self::send), for a caller that holds a lock under which nothing may switch, nor code of the user's run:
    /// nobody is woken, and nothing dropped, before [`Posted::deliver`].
    pub(crate) fn post(&self, value: T) -> Posted<T> {
        let value = Arc::new(value);
        let mut wakes = Wakes::default();
        let sent = self.core.state.lock().send(value, &mut wakes);
        let unwanted = match sent {
            Ok((_, lost)) => Unwanted::Lost { _entry: lost },
            Err(value) => Unwanted::Refused { _value: value },
        };
        Posted { wakes, unwanted }
    }

    /// A new receiver, which gets what is sent from now on.
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(&self.core)
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.core.state.lock().receivers
    }

    /// How many values are kept, as some receiver has yet to get them.
    pub fn len(&self) -> usize {
        self.core.state.lock().len()
    }

    /// Whether every receiver has got every value, or lost it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the two are of one channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.core, &other.core)
    }
}

/// What is left to do of a [`post`](Sender::post).
#[must_use = "the receivers are not woken before `deliver`"]
pub(crate) struct Posted<T> {
    wakes: Wakes,
    unwanted: Unwanted<T>,
}

/// Kept to be dropped later.
enum Unwanted<T> {
    Lost { _entry: Option<Entry<T>> },
    Refused { _value: Arc<T> },
}

impl<T> Posted<T> {
    pub(crate) fn deliver(self) {
        self.wakes.fire();
        drop(self.unwanted);
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
        if state.senders == 0 && !fault!("broadcast_silent_drop") {
            state.wake_all(&mut wakes); // L2
        }
        drop(state);
        wakes.fire();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("len", &self.len())
            .field("receivers", &self.receiver_count())
            .finish_non_exhaustive()
    }
}

/// A receiver of everything that is sent from its making on. It may be shared: each value then goes to one of those that
/// receive with it.
pub struct Receiver<T> {
    core: Arc<Core<T>>,
    /// Changed under the lock only.
    position: AtomicU64,
}

impl<T> Receiver<T> {
    fn new(core: &Arc<Core<T>>) -> Self {
        let position = core.state.lock().subscribe();
        Receiver {
            core: core.clone(),
            position: AtomicU64::new(position),
        }
    }

    /// Another receiver, which gets what is sent from now on, not what this one has yet to get.
    pub fn resubscribe(&self) -> Self {
        Receiver::new(&self.core)
    }

    /// How many values it has yet to get. Those it has lost count until [`RecvError::Lagged`] has told of them.
    pub fn len(&self) -> usize {
        self.core.state.lock().ahead(&self.position)
    }

    /// Whether it has got everything that was sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the two are of one channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.core, &other.core)
    }

    pub(in crate::channel) fn op(&self) -> Recv<'_, T> {
        Recv {
            core: &self.core,
            position: &self.position,
        }
    }
}

impl<T: Clone> Receiver<T> {
    /// Receives the next value, waiting until it is sent.
    ///
    /// If the caller is killed while it waits, the next receive gets the value. If the value's `Clone` panics, so does this,
    /// and the next receive gets the one after it.
    ///
    /// # Errors
    /// [`RecvError::Lagged`] if values were lost; [`RecvError::Disconnected`] if every sender is gone, and it has got all
    /// that was sent; or the wait was interrupted.
    pub fn recv(&self) -> Result<T, RecvError> {
        match run(&self.op(), &mut None, Until::Deadline(None)) {
            Some(received) => cloned(received),
            None => unreachable!("a receive without a deadline does not end by it"),
        }
    }

    /// Receives the next value if it has been sent.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] if it has not; else as [`recv`](Self::recv).
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        match run(&self.op(), &mut None, Until::Now) {
            Some(received) => cloned(received).map_err(TryRecvError::from),
            None => Err(TryRecvError::Empty),
        }
    }

    /// As [`recv`](Self::recv), for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvTimeoutError::TimedOut`] if that is over; else as [`recv`](Self::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.recv_until(wait::after(timeout))
    }

    /// As [`recv`](Self::recv), at most until `deadline`.
    ///
    /// # Errors
    /// As [`recv_timeout`](Self::recv_timeout).
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.recv_until(Some(deadline))
    }

    fn recv_until(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        match run(&self.op(), &mut None, Until::Deadline(deadline)) {
            Some(received) => cloned(received).map_err(RecvTimeoutError::from),
            None => Err(RecvTimeoutError::TimedOut),
        }
    }

    /// As [`recv`](Self::recv), as a future. It may be dropped at any time, and then has received nothing.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn recv_async(&self) -> Result<T, RecvError> {
        cloned(Waiting::new(self.op(), None).await)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let unwanted = self.core.state.lock().leave(&self.position);
        drop(unwanted); // values of the user's: outside the lock
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
