//! Two nodes in one process.

use super::{FarError, FarSide};
use crate::channel::{self, Receiver, Sender};

/// A way to another node in the same process: for tests, and for systems that are kept apart within one. Made by [`local_pair`].
#[derive(Debug)]
pub struct LocalFarSide {
    node: Box<str>,
    to: Sender<Vec<u8>>,
    from: Receiver<Vec<u8>>,
}

/// Both ends of a way between two nodes with these names: the first is for the node `a`, and leads to `b`.
///
/// ```
/// use actor_core::migrate::{FarError, FarSide, local_pair};
///
/// let (to_b, to_a) = local_pair("a", "b");
/// assert_eq!((to_b.node(), to_a.node()), ("b", "a"));
/// to_b.send(b"hello")?;
/// assert_eq!(to_a.recv()?, b"hello");
/// to_a.close();
/// assert!(matches!(to_b.recv(), Err(FarError::Closed)));
/// # Ok::<(), FarError>(())
/// ```
pub fn local_pair(a: &str, b: &str) -> (LocalFarSide, LocalFarSide) {
    let (to_b, from_a) = channel::unbounded();
    let (to_a, from_b) = channel::unbounded();
    let at_a = LocalFarSide {
        node: b.into(),
        to: to_b,
        from: from_b,
    };
    let at_b = LocalFarSide {
        node: a.into(),
        to: to_a,
        from: from_a,
    };
    (at_a, at_b)
}

impl FarSide for LocalFarSide {
    fn node(&self) -> &str {
        &self.node
    }

    fn send(&self, message: &[u8]) -> Result<(), FarError> {
        if message.is_empty() {
            return Ok(());
        }
        self.to.send(message.to_vec()).map_err(|_| FarError::Closed)
    }

    fn recv(&self) -> Result<Vec<u8>, FarError> {
        self.from.recv().map_err(|_| FarError::Closed)
    }

    fn close(&self) {
        self.to.close();
        self.from.close();
    }
}
