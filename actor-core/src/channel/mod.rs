//! Channels: values from one microthread, worker or thread to another.
//!
//! | kind | made by | a send | each value goes to |
//! |---|---|---|---|
//! | rendezvous | [`rendezvous`], [`bounded`] with 0 | waits for a receive: Stackless's channel, Go's without a buffer | one receiver |
//! | bounded | [`bounded`] | waits while it is full | one receiver |
//! | unbounded | [`unbounded`] | never waits | one receiver |
//! | oneshot | [`oneshot::channel`] | once, never waits | the receiver |
//! | broadcast | [`broadcast::channel`] | never waits; who is slow loses the oldest, and is told | every receiver |
//! | watch | [`watch::channel`] | never waits; the latest value counts | every receiver |
//! | time | [`after`], [`at`], [`tick`], [`never`](never()) | | |
//!
//! One of several operations, whichever can be done first: [`select!`](crate::select), [`Select`].
//!
//! ```
//! use actor_core::{Runtime, channel, microthread};
//!
//! let rt = Runtime::new()?;
//! let (tx, rx) = channel::bounded(8);
//! let squares = rt.spawn(move || {
//!     for n in 1..=10_u64 {
//!         tx.send(n * n).unwrap(); // waits while the channel is full
//!     } // the sender is dropped: that ends the iteration below
//! })?;
//! assert_eq!(rx.iter().sum::<u64>(), 385); // on an OS thread
//! squares.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Waiting
//! Every operation works on microthreads, workers and plain OS threads in any mixture: a microthread is parked, a thread
//! blocks. Waiters are served first come, first served. Each blocking call has a form that tries (`try_recv`), forms with a
//! limit (`recv_timeout`, `recv_deadline`) and one that is a future (`recv_async`).
//!
//! # How a wait ends
//! - *Done*: between one sender and one receiver values arrive in order, each once.
//! - *Disconnected*: the other side is gone. Receivers first get what is still in the channel.
//! - *Closed*: see [`Sender::close`]. It forbids waiting, can be taken back, and wakes nobody.
//! - *Timed out*, or *interrupted* ([`Interrupt`](crate::microthread::Interrupt)): nothing has happened, and what was to be
//!   sent is in the error.
//! - *Killed*, or dropped as a future: nothing has happened; a value that had just been given to it goes to the next receiver,
//!   before all others.
//!
//! # Who runs next
//! On one worker, and between workers and threads, the one that was waited for goes on and the other becomes ready. On a local
//! scheduler a rendezvous says exactly who runs next: see [`Sender::set_preference`].
//!
//! The kinds with one receiver for each value share `core.rs`; all share the wait of `wait.rs`, where the protocol is.

pub mod broadcast;
mod buffer;
mod core;
mod error;
pub(crate) mod frozen;
mod handle;
pub(crate) mod kept;
#[cfg(all(test, loom))]
mod models;
pub mod oneshot;
#[cfg(test)]
mod polled;
mod receiver;
#[doc(hidden)]
pub mod select;
mod sender;
#[cfg(all(test, not(loom)))]
mod tests;
mod time;
pub(crate) mod wait;
pub mod watch;

pub use self::core::Preference;
pub use error::{
    RecvError, RecvTimeoutError, SendAllError, SendError, SendTimeoutError, TryRecvError,
    TrySendError,
};
pub use receiver::{IntoIter, Iter, Receiver, TryIter};
pub use select::{Branch, Select, SelectError, Source};
pub use sender::Sender;
pub use time::{After, Never, Tick, after, at, never, tick};

use self::core::Core;

fn pair<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let core = Core::new(capacity);
    let receiver = Receiver { core: core.clone() };
    (Sender { core }, receiver)
}

/// A channel with room for `capacity` values: a send waits while it is full. With 0 it is a [`rendezvous`].
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    pair(capacity)
}

/// A channel with room for any number of values: a send never waits.
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    pair(usize::MAX)
}

/// A channel with no room: a send waits for a receive, and hands its value over. Stackless's channel.
pub fn rendezvous<T>() -> (Sender<T>, Receiver<T>) {
    pair(0)
}
