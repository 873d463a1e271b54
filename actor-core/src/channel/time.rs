//! Receivers that time sends to: crossbeam's `after`, `tick` and `never`, and `at`.
//!
//! There is nothing behind them, neither a thread nor a timer: what is to be received depends on the clock of the scheduler
//! the caller runs under, and a wait is one with a deadline. So there is no protocol either. A moment is taken once, by
//! whoever finds that it has come; who has waited for the same one waits for the next.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use crate::rt::park;
use crate::rt::wait::{self, Ended};
use crate::sys::spinlock::SpinLock;

use super::error::{RecvError, RecvTimeoutError, TryRecvError};

/// A receiver of one moment, `delay` from now. More than the clock can say: never.
///
/// ```
/// use actor_core::channel::{self, TryRecvError};
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// let timeout = channel::after(Duration::from_millis(5));
/// assert!(timeout.recv()? >= start + Duration::from_millis(5));
/// assert_eq!(timeout.try_recv(), Err(TryRecvError::Empty), "once only");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn after(delay: Duration) -> After {
    After {
        due: SpinLock::new(wait::after(delay)),
    }
}

/// A receiver of one moment, `when`. If that is over it can be received at once.
///
/// ```
/// use std::time::Instant;
///
/// let now = Instant::now();
/// assert_eq!(actor_core::channel::at(now).recv(), Ok(now));
/// ```
pub fn at(when: Instant) -> After {
    After {
        due: SpinLock::new(Some(when)),
    }
}

/// A receiver of moments `period` apart, the first a period from now.
///
/// Moments do not pile up: of those that come while nobody receives the first is kept, and if there were more, the next is due a
/// period after that one has been received. Who is late by less than a period stays in step. With a period of zero there is
/// always one.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// let ticks = actor_core::channel::tick(Duration::from_millis(2));
/// for n in 1..=3 {
///     assert!(ticks.recv()? >= start + n * Duration::from_millis(2));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn tick(period: Duration) -> Tick {
    Tick {
        due: SpinLock::new(wait::after(period)),
        period,
    }
}

/// A receiver to which nothing is ever sent: for a case of a `select` that is not wanted.
///
/// ```
/// use actor_core::channel::{RecvTimeoutError, never};
/// use std::time::Duration;
///
/// let nothing = never::<u32>();
/// let received = nothing.recv_timeout(Duration::from_millis(1));
/// assert_eq!(received, Err(RecvTimeoutError::TimedOut));
/// ```
pub fn never<T>() -> Never<T> {
    Never(PhantomData)
}

/// Receives one moment, from [`after`] or [`at`].
#[derive(Debug)]
#[must_use = "it does nothing unless something is received from it"]
pub struct After {
    /// `None` once it has been received.
    due: SpinLock<Option<Instant>>,
}

/// What time sends to.
pub(in crate::channel) trait Timed<T> {
    /// When there will be something to take.
    fn due(&self) -> Option<Instant>;

    /// Takes what has come by `now`.
    fn take(&self, now: Instant) -> Option<T>;
}

impl Timed<Instant> for After {
    fn due(&self) -> Option<Instant> {
        *self.due.lock()
    }

    fn take(&self, now: Instant) -> Option<Instant> {
        self.due.lock().take_if(|due| *due <= now)
    }
}

/// Receives moments, from [`tick`].
#[must_use = "it does nothing unless something is received from it"]
pub struct Tick {
    /// The next. `None`: later than the clock can say.
    due: SpinLock<Option<Instant>>,
    period: Duration,
}

impl Timed<Instant> for Tick {
    fn due(&self) -> Option<Instant> {
        *self.due.lock()
    }

    fn take(&self, now: Instant) -> Option<Instant> {
        let mut due = self.due.lock();
        let taken = (*due)?;
        if taken > now {
            return None;
        }
        // In step with the one before, unless more than that one has been missed.
        let in_step = taken.checked_add(self.period);
        *due = match in_step {
            Some(next) if next < now => now.checked_add(self.period),
            next => next,
        };
        Some(taken)
    }
}

impl fmt::Debug for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tick")
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}

/// Receives nothing, ever. From [`never()`].
#[must_use = "it does nothing unless something is received from it"]
pub struct Never<T>(PhantomData<fn() -> T>);

impl<T> Timed<T> for Never<T> {
    fn due(&self) -> Option<Instant> {
        None
    }

    fn take(&self, _: Instant) -> Option<T> {
        None
    }
}

impl<T> Clone for Never<T> {
    fn clone(&self) -> Self {
        never()
    }
}

impl<T> fmt::Debug for Never<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Never")
    }
}

/// Takes what has come; else waits until `due`, at most to `deadline`, and looks again. `None`: it took too long.
fn receive<T>(source: &impl Timed<T>, deadline: Option<Instant>) -> Option<Result<T, RecvError>> {
    park::check_stack();
    loop {
        let now = wait::now();
        if let Some(taken) = source.take(now) {
            park::switch_point();
            return Some(Ok(taken));
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            return None;
        }
        let until = match (source.due(), deadline) {
            (Some(due), Some(deadline)) => Some(due.min(deadline)),
            (due, deadline) => due.or(deadline),
        };
        // A wait that is over, or was ended without cause, is followed by another look.
        if let Err(Ended::Interrupted(why)) = wait::wait(until) {
            return Some(Err(RecvError::Interrupted(why)));
        }
    }
}

/// The methods of a receiver that time sends to.
macro_rules! receiver {
    (impl[$($T:ident)?] $name:ty, $item:ty) => {
        impl$(<$T>)? $name {
            /// Receives the next, waiting until it comes. If nothing more will come it waits for ever.
            ///
            /// # Errors
            /// [`RecvError::Interrupted`].
            pub fn recv(&self) -> Result<$item, RecvError> {
                match receive(self, None) {
                    Some(received) => received,
                    None => unreachable!("a receive without a deadline does not end by it"),
                }
            }

            /// Receives the next if it has come.
            ///
            /// # Errors
            /// [`TryRecvError::Empty`] if it has not.
            pub fn try_recv(&self) -> Result<$item, TryRecvError> {
                self.take(wait::now()).ok_or(TryRecvError::Empty)
            }

            /// As [`recv`](Self::recv), for at most `timeout`.
            ///
            /// # Errors
            /// [`RecvTimeoutError::TimedOut`] if that is over; else as [`recv`](Self::recv).
            pub fn recv_timeout(&self, timeout: Duration) -> Result<$item, RecvTimeoutError> {
                self.recv_until(wait::after(timeout))
            }

            /// As [`recv`](Self::recv), at most until `deadline`.
            ///
            /// # Errors
            /// As [`recv_timeout`](Self::recv_timeout).
            pub fn recv_deadline(&self, deadline: Instant) -> Result<$item, RecvTimeoutError> {
                self.recv_until(Some(deadline))
            }

            fn recv_until(&self, deadline: Option<Instant>) -> Result<$item, RecvTimeoutError> {
                match receive(self, deadline) {
                    Some(received) => received.map_err(RecvTimeoutError::from),
                    None => Err(RecvTimeoutError::TimedOut),
                }
            }
        }
    };
}
receiver!(impl[] After, Instant);
receiver!(impl[] Tick, Instant);
receiver!(impl[T] Never<T>, T);

#[cfg(all(test, not(loom)))]
mod tests;
