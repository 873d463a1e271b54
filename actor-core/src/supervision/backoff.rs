//! How long to wait before a child is started again.

use std::time::Duration;

use super::spec::SpecError;

/// Delays between the automatic restarts of a child: longer from one to the next, and never the same for two children that
/// fail together.
///
/// Before its *n*th restart in a row a child waits for `initial` * 2^(*n* - 1), at most for `max`, less a random part of up
/// to [`jitter_percent`](Self::jitter_percent). A row ends when a life has lasted for longer than
/// [`reset_after`](Self::reset_after), or when somebody restarts the child by hand. Without a back-off there is no delay, as
/// in OTP.
///
/// # While it waits
/// the child is [`Restarting`](super::ChildState::Restarting), as between two attempts: its address is valid and takes
/// messages; to terminate it ends the wait, to restart or delete it is refused. Its siblings are left alone: under
/// [`OneForAll`](super::Strategy::OneForAll) and [`RestForOne`](super::Strategy::RestForOne) they are stopped when the
/// attempt is made, not before.
///
/// # The intensity
/// An attempt is charged when it is made, after its delay. Delays so keep a child that fails at once from using up the
/// intensity: if no more attempts fit into the period than it allows, the supervisor never gives up. For one that shall, let
/// the period be longer than the sum of so many delays. For an `initial` of 1 s and a `max` of 30 s, five attempts in a row
/// take up to 1 + 2 + 4 + 8 + 16 = 31 s, and each further one up to 30 s.
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::Backoff;
/// use std::time::Duration;
///
/// # #[actor]
/// # struct Link;
/// # #[actor]
/// # impl Link { pub fn ping(&self) -> bool { true } }
/// # let sys = System::new()?;
/// let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
/// let sup = Supervisor::builder()
///     .backoff(backoff) // of children that say nothing
///     .child(ChildSpec::new("link", || Link).backoff(backoff.jitter_percent(20)))
///     .start(&sys)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a back-off does nothing until it is given to a supervisor or a child spec"]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    jitter_percent: u8,
    reset_after: Option<Duration>,
}

impl Backoff {
    /// From `initial` to `max`, less up to half of it.
    pub const fn new(initial: Duration, max: Duration) -> Self {
        Self {
            initial,
            max,
            jitter_percent: 50,
            reset_after: None,
        }
    }

    /// How much of each delay is random: it is between the full delay less so many percent and the full delay. Default: 50.
    pub const fn jitter_percent(mut self, percent: u8) -> Self {
        self.jitter_percent = percent;
        self
    }

    /// After a life longer than this the next delay is `initial` again. Default: `max`.
    pub const fn reset_after(mut self, life: Duration) -> Self {
        self.reset_after = Some(life);
        self
    }

    pub(crate) fn check(self) -> Result<Self, SpecError> {
        if self.initial.is_zero() || self.initial > self.max || self.jitter_percent > 100 {
            return Err(SpecError::InvalidBackoff);
        }
        Ok(self)
    }

    /// Whether a life that lasted so long ends the row.
    pub(crate) fn resets(self, life: Duration) -> bool {
        life > self.reset_after.unwrap_or(self.max)
    }

    /// The delay before the restart with number `nth` in a row, from 1.
    pub(crate) fn delay(self, nth: u32, rng: &mut fastrand::Rng) -> Duration {
        let doublings = nth.saturating_sub(1).min(63);
        let full = 1_u64 << doublings;
        let full = u32::try_from(full)
            .ok()
            .and_then(|times| self.initial.checked_mul(times))
            .map_or(self.max, |it| it.min(self.max));
        let less = full.mul_f64(f64::from(self.jitter_percent) / 100.0 * rng.f64());
        full.saturating_sub(less)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn delays_double_up_to_the_longest() {
        let backoff = Backoff::new(SECOND, 10 * SECOND).jitter_percent(0);
        let mut rng = fastrand::Rng::with_seed(0);
        let delays = [1, 2, 3, 4, 5, 6, 40, 64, u32::MAX].map(|nth| backoff.delay(nth, &mut rng));
        let seconds = delays.map(|it| it.as_secs());
        assert_eq!(seconds, [1, 2, 4, 8, 10, 10, 10, 10, 10]);
    }

    #[test]
    fn jitter_takes_off_up_to_its_part_and_depends_on_the_seed_alone() {
        let backoff = Backoff::new(SECOND, SECOND).jitter_percent(40);
        let draw = |seed| {
            let mut rng = fastrand::Rng::with_seed(seed);
            (0..1000)
                .map(|_| backoff.delay(1, &mut rng))
                .collect::<Vec<_>>()
        };
        let delays = draw(1);
        assert!(
            delays
                .iter()
                .all(|it| (600..=1000).contains(&it.as_millis()))
        );
        assert!(delays.iter().any(|it| it.as_millis() < 700));
        assert!(delays.iter().any(|it| it.as_millis() > 900));
        assert_eq!(delays, draw(1));
        assert_ne!(delays, draw(2));
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let refused = Err(SpecError::InvalidBackoff);
        assert_eq!(Backoff::new(Duration::ZERO, SECOND).check(), refused);
        assert_eq!(Backoff::new(2 * SECOND, SECOND).check(), refused);
        let certain = Backoff::new(SECOND, SECOND);
        assert_eq!(certain.jitter_percent(101).check(), refused);
        assert!(certain.jitter_percent(100).check().is_ok());
    }
}
