//! How long operations on a socket may wait.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::rt::io::Interest;
use crate::rt::wait;

/// The limits of a socket, by direction. Plain atomics: a limit orders nothing else, and an operation reads it once.
#[derive(Debug, Default)]
pub(super) struct Limits {
    read: Limit,
    write: Limit,
}

/// The limits of one direction.
#[derive(Debug, Default)]
pub(super) struct Limit {
    /// In nanoseconds; 0 for none.
    timeout_ns: AtomicU64,
    /// In nanoseconds after the epoch, plus one; 0 for none.
    deadline_ns: AtomicU64,
}

/// What deadlines are counted from: when this process first set one.
fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Limits {
    pub(super) fn of(&self, interest: Interest) -> &Limit {
        match interest {
            Interest::Read => &self.read,
            Interest::Write => &self.write,
        }
    }

    /// One deadline for both directions.
    pub(super) fn set_deadline(&self, deadline: Option<Instant>) {
        self.read.set_deadline(deadline);
        self.write.set_deadline(deadline);
    }
}

impl Limit {
    /// # Errors
    /// `InvalidInput` for a timeout of zero, as std.
    pub(super) fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout_ns = match timeout {
            None => 0,
            Some(Duration::ZERO) => {
                let message = "cannot set a timeout of zero";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            Some(timeout) => nanoseconds(timeout),
        };
        self.timeout_ns.store(timeout_ns, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        match self.timeout_ns.load(Ordering::Relaxed) {
            0 => None,
            timeout_ns => Some(Duration::from_nanos(timeout_ns)),
        }
    }

    pub(super) fn set_deadline(&self, deadline: Option<Instant>) {
        // What lies before the epoch has passed, and so has the epoch.
        let since_epoch = |deadline: Instant| deadline.saturating_duration_since(epoch());
        let deadline_ns = deadline.map_or(0, |d| nanoseconds(since_epoch(d)).saturating_add(1));
        self.deadline_ns.store(deadline_ns, Ordering::Relaxed);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.deadline_ns.load(Ordering::Relaxed) {
            0 => None,
            deadline_ns => epoch().checked_add(Duration::from_nanos(deadline_ns - 1)),
        }
    }

    /// Whether the deadline has passed. Reads no clock if there is none.
    pub(super) fn has_passed(&self) -> bool {
        self.deadline()
            .is_some_and(|deadline| deadline <= wait::now())
    }

    /// The end of a wait that begins now.
    pub(super) fn end_of_wait(&self) -> Option<Instant> {
        let timeout = self.timeout().and_then(wait::after);
        match (timeout, self.deadline()) {
            (Some(timeout), Some(deadline)) => Some(timeout.min(deadline)),
            (one, other) => one.or(other),
        }
    }
}
