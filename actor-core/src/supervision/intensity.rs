//! How many restarts are still normal.
//!
//! An intensity of *n* restarts in a *period* allows exactly *n*: the supervisor gives up at the attempt that would be
//! the *n* + 1st within the period. The window slides. An attempt made exactly one period ago still counts, as in OTP;
//! unlike OTP, which counts in whole seconds, time here is as fine as the clock.
//!
//! Every attempt of an automatic restart is charged, those that fail included. What somebody asks for by hand (starting
//! or restarting a child) is free.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::spec::SpecError;

/// The limit: so many restarts in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Intensity {
    restarts: u32,
    period: Duration,
}

impl Intensity {
    /// OTP's default: one restart in five seconds.
    pub(crate) const DEFAULT: Self = Self {
        restarts: 1,
        period: Duration::from_secs(5),
    };

    /// At most `restarts` in any `period`. No restarts at all is a valid limit; a period of zero is not.
    pub(crate) fn new(restarts: u32, period: Duration) -> Result<Self, SpecError> {
        if period.is_zero() {
            return Err(SpecError::ZeroPeriod);
        }
        Ok(Self { restarts, period })
    }

    /// How many, in which time.
    pub(super) const fn parts(self) -> (u32, Duration) {
        (self.restarts, self.period)
    }
}

impl Default for Intensity {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The attempts that still count. Never holds more than the limit.
#[derive(Debug)]
pub(crate) struct Window {
    limit: Intensity,
    attempts: VecDeque<Instant>,
}

/// What the window says to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Charge {
    /// Go on. The attempt has been counted.
    Allowed,
    /// One too many.
    Exceeded,
}

impl Window {
    pub(crate) fn new(limit: Intensity) -> Self {
        Self {
            limit,
            attempts: VecDeque::new(),
        }
    }

    /// How many more would be allowed now.
    pub(crate) fn left(&mut self, now: Instant) -> usize {
        self.expire(now);
        self.limit.restarts as usize - self.attempts.len()
    }

    /// Counts an attempt made at `now`. A clock that steps back makes older attempts count for longer, never shorter.
    pub(crate) fn charge(&mut self, now: Instant) -> Charge {
        self.expire(now);
        if self.attempts.len() >= self.limit.restarts as usize {
            return Charge::Exceeded;
        }
        self.attempts.push_back(now);
        Charge::Allowed
    }

    /// Forgets what does not count any more.
    fn expire(&mut self, now: Instant) {
        while let Some(&oldest) = self.attempts.front()
            && now.saturating_duration_since(oldest) > self.limit.period
        {
            self.attempts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(restarts: u32, period_ms: u64) -> Window {
        Window::new(Intensity::new(restarts, Duration::from_millis(period_ms)).unwrap())
    }

    #[test]
    fn exactly_n_are_allowed() {
        let now = Instant::now();
        let mut window = window(3, 10);
        for _ in 0..3 {
            assert_eq!(window.charge(now), Charge::Allowed);
        }
        assert_eq!(window.charge(now), Charge::Exceeded);
    }

    #[test]
    fn an_attempt_counts_until_it_is_older_than_the_period() {
        let start = Instant::now();
        let period = Duration::from_millis(10);
        let mut on_edge = window(1, 10);
        assert_eq!(on_edge.charge(start), Charge::Allowed);
        assert_eq!(on_edge.charge(start + period), Charge::Exceeded);
        let mut after = window(1, 10);
        assert_eq!(after.charge(start), Charge::Allowed);
        assert_eq!(
            after.charge(start + period + Duration::from_nanos(1)),
            Charge::Allowed
        );
    }

    #[test]
    fn none_may_be_allowed_and_a_zero_period_is_refused() {
        assert_eq!(window(0, 10).charge(Instant::now()), Charge::Exceeded);
        assert_eq!(
            Intensity::new(1, Duration::ZERO),
            Err(SpecError::ZeroPeriod)
        );
    }

    proptest! {
        /// Against the definition: an attempt is allowed if and only if fewer than n allowed ones lie within the period.
        #[test]
        fn window_equals_its_definition(n in 0_u32..5, period in 1_u64..20, gaps in prop::collection::vec(0_u64..8, 0..60)) {
            let mut now = Instant::now();
            let mut window = window(n, period);
            let mut allowed: Vec<Instant> = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                let counted = allowed.iter().filter(|&&at| now - at <= Duration::from_millis(period)).count();
                let expected = if counted < n as usize { Charge::Allowed } else { Charge::Exceeded };
                prop_assert_eq!(window.charge(now), expected);
                if expected == Charge::Allowed {
                    allowed.push(now);
                }
                prop_assert!(window.attempts.len() <= n as usize);
            }
        }
    }
}
