//! The runtime's clock: the machine's, or one that moves only when told.
//!
//! Deadlines are `std::time::Instant`s everywhere. An `Instant` cannot be made from nothing, so a virtual
//! clock takes one real reading when it is created and adds its own offset to it: differences between its
//! readings depend on nothing but the calls to [`Virtual::advance`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Where the time comes from. Clones read the same clock.
#[derive(Clone, Debug, Default)]
pub(crate) enum Clock {
    /// The machine's monotonic clock.
    #[default]
    System,
    /// A clock that stands still until it is advanced.
    Virtual(Arc<Virtual>),
}

impl Clock {
    /// A virtual clock, standing at its base.
    pub(crate) fn new_virtual() -> Self {
        Self::Virtual(Arc::new(Virtual {
            base: Instant::now(),
            offset_ns: AtomicU64::new(0),
        }))
    }

    /// The time.
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::System => Instant::now(),
            Self::Virtual(clock) => clock.now(),
        }
    }

    /// The virtual clock, to be advanced, if this is one.
    pub(crate) fn as_virtual(&self) -> Option<&Virtual> {
        match self {
            Self::System => None,
            Self::Virtual(clock) => Some(clock),
        }
    }
}

/// A clock that moves only when told, and never backwards.
#[derive(Debug)]
pub(crate) struct Virtual {
    base: Instant,
    offset_ns: AtomicU64,
}

impl Virtual {
    /// The reading at which the clock was created.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn base(&self) -> Instant {
        self.base
    }

    /// How far the clock has moved since it was created. Unlike an `Instant`, the same in every run.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.offset_ns.load(Ordering::Acquire))
    }

    /// The time.
    pub(crate) fn now(&self) -> Instant {
        self.base + self.elapsed()
    }

    /// Moves the clock on. It stops 584 years after its base.
    #[cfg(any(all(test, not(loom)), feature = "testing"))]
    pub(crate) fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let moved = |offset: u64| Some(offset.saturating_add(by));
        // The closure never declines, so there is no error to see.
        let _ = self
            .offset_ns
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, moved);
    }

    /// Moves the clock on to `to`; a time already passed changes nothing.
    pub(crate) fn advance_to(&self, to: Instant) {
        let offset = to.saturating_duration_since(self.base).as_nanos();
        let offset = u64::try_from(offset).unwrap_or(u64::MAX);
        self.offset_ns.fetch_max(offset, Ordering::AcqRel);
    }
}

/// Processor time of the calling thread: for measurements on a machine that does other things too.
#[cfg(all(test, not(loom), target_os = "linux"))]
pub(crate) fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes to the `timespec` it is given, and this clock exists on Linux.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_moves_only_when_told_and_never_back() {
        let clock = Clock::new_virtual();
        let same = clock.clone();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        let hands = clock.as_virtual().expect("virtual");
        hands.advance(Duration::from_millis(5));
        assert_eq!(same.now() - start, Duration::from_millis(5));
        hands.advance_to(start + Duration::from_millis(3));
        assert_eq!(clock.now() - start, Duration::from_millis(5));
        hands.advance_to(start + Duration::from_millis(8));
        assert_eq!(hands.elapsed(), Duration::from_millis(8));
        assert_eq!(hands.base(), start);
    }

    #[test]
    fn the_system_clock_has_no_hands() {
        assert!(Clock::default().as_virtual().is_none());
        let clock = Clock::System;
        assert!(clock.now() <= clock.now());
    }
}
