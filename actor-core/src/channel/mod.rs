//! Channels.
pub mod broadcast;
mod buffer;
mod core;
mod error;
mod handle;
#[cfg(all(test, loom))]
mod models;
pub mod oneshot;
#[cfg(test)]
mod polled;
mod receiver;
#[doc(hidden)]
pub mod select;
mod sender;
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
