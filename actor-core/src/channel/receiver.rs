//! [`Receiver`], and iteration.

use std::iter::FusedIterator;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::rt::park;
use crate::rt::wait;

use super::core::{Core, Preference, Recv};
use super::error::{RecvError, RecvTimeoutError, TryRecvError};
use super::handle::both_sides;
use super::wait::{Until, Waiting, run};

/// The side of a channel that receives. Clones share what is sent: each value goes to one of them. When the last is dropped,
/// senders get `Disconnected`, and what is in the channel is dropped.
pub struct Receiver<T> {
    pub(super) core: Arc<Core<T>>,
}

both_sides!(Receiver);

impl<T> Receiver<T> {
    /// Receives a value, waiting until there is one. Those that wait are served first come, first served.
    ///
    /// If the caller is killed while it waits, just as it was given a value, that value goes to the next receiver.
    ///
    /// # Errors
    /// Every sender is gone, or the channel closed, and nothing is left; an error was sent; or the wait was interrupted.
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        match self.take_at_once() {
            Some(received) => received,
            None => self.wait(),
        }
    }

    // Always: a result that is returned through memory is read back wider than it was written, which stalls (21 ns for a send
    // and a receive, and 14 like this).
    #[inline(always)]
    fn take_at_once(&self) -> Option<Result<T, RecvError>> {
        park::check_stack();
        let item = self.core.recv_at_once()?;
        park::switch_point();
        Some(item.received())
    }

    fn wait(&self) -> Result<T, RecvError> {
        match run(&Recv(&self.core), &mut None, Until::Deadline(None)) {
            Some(received) => received,
            None => unreachable!("a receive without a deadline does not end by it"),
        }
    }

    /// Receives a value if one is there, or a sender waits with one.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] if it would have to wait; else as [`recv`](Self::recv).
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        if let Some(received) = self.take_at_once() {
            return received.map_err(TryRecvError::from);
        }
        match run(&Recv(&self.core), &mut None, Until::Now) {
            Some(received) => received.map_err(TryRecvError::from),
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
        match run(&Recv(&self.core), &mut None, Until::Deadline(deadline)) {
            Some(received) => received.map_err(RecvTimeoutError::from),
            None => Err(RecvTimeoutError::TimedOut),
        }
    }

    /// As [`recv`](Self::recv), as a future. It may be dropped at any time: what it was given meanwhile goes to the next
    /// receiver.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn recv_async(&self) -> Result<T, RecvError> {
        Waiting::new(Recv(&self.core), None).await
    }

    /// Receives until nothing more will come. See [`Iter`].
    pub fn iter(&self) -> Iter<'_, T> {
        Iter {
            receiver: self,
            error: None,
        }
    }

    /// Receives what is there, without waiting.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.core.add_receiver();
        Receiver {
            core: self.core.clone(),
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.core.drop_receiver();
    }
}

/// Receives values, waiting for each, from [`Receiver::iter`]. It ends with the first receive that fails, for whatever reason;
/// [`error`](Self::error) says which.
#[derive(Debug)]
pub struct Iter<'a, T> {
    receiver: &'a Receiver<T>,
    error: Option<RecvError>,
}

impl<T> Iter<'_, T> {
    /// Why it has ended: `Disconnected` if all went well.
    pub fn error(&self) -> Option<&RecvError> {
        self.error.as_ref()
    }
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.error.is_some() {
            return None;
        }
        self.receiver
            .recv()
            .map_err(|error| self.error = Some(error))
            .ok()
    }
}

impl<T> FusedIterator for Iter<'_, T> {}

/// Receives what is there, from [`Receiver::try_iter`].
#[derive(Debug)]
pub struct TryIter<'a, T> {
    receiver: &'a Receiver<T>,
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

/// Receives values, waiting for each, until one receive fails.
#[derive(Debug)]
pub struct IntoIter<T> {
    receiver: Receiver<T>,
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { receiver: self }
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}
