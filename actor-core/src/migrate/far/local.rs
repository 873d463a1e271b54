//! Two nodes in one process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{FarError, FarSide};
use crate::channel::{self, Receiver, Sender};

/// A way to another node in the same process: for tests, and for systems that are kept apart within one. Made by [`local_pair`].
#[derive(Debug)]
pub struct LocalFarSide {
    node: Box<str>,
    /// Of the two, the one that leads there.
    to: usize,
    senders: Arc<Senders>,
    from: Receiver<Vec<u8>>,
}

/// The senders of both directions, none once it is closed: who waits to receive is woken by that.
type Senders = [Mutex<Option<Sender<Vec<u8>>>>; 2];

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
    let senders = Arc::new([to_b, to_a].map(|sender| Mutex::new(Some(sender))));
    let at_a = LocalFarSide {
        node: b.into(),
        to: 0,
        senders: senders.clone(),
        from: from_b,
    };
    let at_b = LocalFarSide {
        node: a.into(),
        to: 1,
        senders,
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
        let to = lock(&self.senders[self.to]);
        // It waits for nothing: there is no limit to what may be under way.
        let sent = to.as_ref().map(|to| to.send(message.to_vec()));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(FarError::Closed),
        }
    }

    fn recv(&self) -> Result<Vec<u8>, FarError> {
        self.from.recv().map_err(|_| FarError::Closed)
    }

    fn close(&self) {
        let both = self.senders.each_ref().map(|sender| lock(sender).take());
        drop(both);
    }
}

impl Drop for LocalFarSide {
    fn drop(&mut self) {
        self.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
