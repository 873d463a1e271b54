//! [`Barrier`]. Who has arrived is who is in the queue: the last one settles the others and does not wait itself.

use std::fmt;
use std::time::{Duration, Instant};

use crate::rt::wait as rt_wait;

use super::error::WaitError;
use super::queue::{Locked, Outcome, Queue};
use super::wait::{How, Source, block, block_for_ever};

/// Lets several wait for each other: `std::sync::Barrier` for microthreads.
///
/// The last of a group to arrive is the leader; then the barrier is ready for the next group. One that stops waiting (a
/// deadline, a kill) does not count as having arrived.
///
/// ```
/// use actor_core::{Runtime, sync::Barrier};
/// use std::sync::Arc;
///
/// let rt = Runtime::new()?;
/// let barrier = Arc::new(Barrier::new(3));
/// let parties: Vec<_> = (0..3)
///     .map(|_| {
///         let barrier = barrier.clone();
///         rt.spawn(move || barrier.wait().is_leader())
///     })
///     .collect::<Result<_, _>>()?;
/// let leaders = parties.into_iter().map(|p| p.join().unwrap());
/// assert_eq!(leaders.filter(|leads| *leads).count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Barrier {
    queue: Queue,
    parties: usize,
}

/// What a wait at a [`Barrier`] gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    fn of(outcome: Outcome) -> Self {
        BarrierWaitResult(outcome == Outcome::Granted)
    }

    /// Whether the caller was the last of its group.
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl Source for Barrier {
    fn queue(&self) -> &Queue {
        &self.queue
    }

    fn arrive(&self, queue: &mut Locked<'_>, _: usize) -> Option<Outcome> {
        if queue.len() + 1 < self.parties {
            return None;
        }
        queue.settle_all(Outcome::All);
        Some(Outcome::Granted)
    }

    fn left(&self, _: &mut Locked<'_>, _: usize, _: Outcome) {}
}

impl Barrier {
    super::const_unless_loom! {
        /// A barrier for groups of `parties`; 0 is taken as 1.
        pub fn new(parties: usize) -> Self {
            Barrier { queue: Queue::new(), parties }
        }
    }

    /// Waits until a whole group has arrived.
    ///
    /// Not interruptible: while a panic unwinds it blocks the thread. A kill unwinds out of it.
    pub fn wait(&self) -> BarrierWaitResult {
        BarrierWaitResult::of(block_for_ever(self, 0))
    }

    /// As [`wait`](Self::wait), for at most `timeout`.
    ///
    /// # Errors
    /// [`WaitError`]: the time is over, or the wait was interrupted. The caller has not arrived then.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<BarrierWaitResult, WaitError> {
        self.wait_until(rt_wait::after(timeout))
    }

    /// As [`wait`](Self::wait), at most until `deadline`.
    ///
    /// # Errors
    /// As [`wait_timeout`](Self::wait_timeout).
    pub fn wait_deadline(&self, deadline: Instant) -> Result<BarrierWaitResult, WaitError> {
        self.wait_until(Some(deadline))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Result<BarrierWaitResult, WaitError> {
        let outcome = block(self, 0, deadline, How::Fallible, || ())?;
        Ok(BarrierWaitResult::of(outcome))
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties)
            .finish_non_exhaustive()
    }
}
