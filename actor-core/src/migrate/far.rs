//! The other end: what a node needs of whatever brings its messages to another.

mod error;
mod local;

use std::fmt;

pub use error::FarError;
pub use local::{LocalFarSide, local_pair};

/// A way to another node: whole messages, each way.
///
/// What an implementation promises:
/// - *Whole, unchanged, in order.* Messages arrive as they were sent, or not at all. What arrives is a beginning of what was sent:
///   if one is lost, those after it are too, and the way has ended.
/// - *Known.* Who is at the other end has proved to be the node that [`node`](Self::node) names.
/// - *Bounded.* No call waits for ever for a peer that is gone, or that will not read: it fails with a [`FarError`], and the
///   way has ended.
///
/// A node asks nothing more: that a message which was sent has arrived it learns from an answer, and what was lost with a way is
/// said again on the next. Two come with the library: [`LocalFarSide`] within a process, [`TcpFarSide`](super::TcpFarSide) between
/// two.
///
/// Its calls are made from microthreads and may park them.
pub trait FarSide: fmt::Debug + Send + Sync + 'static {
    /// The name of the node at the other end.
    fn node(&self) -> &str;

    /// Hands a message over. An empty one is a sign of life, and nothing else: nobody receives it.
    ///
    /// # Errors
    /// [`FarError`]: it may have arrived or not. [`FarError::TooLarge`]: it was not sent, and the way goes on.
    fn send(&self, message: &[u8]) -> Result<(), FarError>;

    /// Waits for the next message. Only one waits at a time.
    ///
    /// # Errors
    /// [`FarError`]: nothing comes any more. [`FarError::Closed`] if it was closed, at either end, between two messages.
    fn recv(&self) -> Result<Vec<u8>, FarError>;

    /// Ends it, for both ends; who waits in a call is woken.
    fn close(&self);
}
