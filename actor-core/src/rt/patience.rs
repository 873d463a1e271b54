//! Whether what waits on one worker is worth taking to another.
//!
//! To steal stops the owner for a moment ([`super::queue`]) and moves what is stolen from one core's cache to another's: the
//! cell, its messages, and the memory that they are in, which then is freed where it was not allocated. For what the owner
//! would have run a microsecond later that is loss, and much of it: a loop that tells ten thousand idle actors, and lets
//! those run that it has woken, takes 35 to 40 ns a message, and took 160 to 430 while another worker stole from it. So
//!
//! - a thief is patient: it takes from a queue once something in it has waited for [`PATIENCE`] since the thief first looked;
//! - the monitor wakes no thief for a queue which its owner gets through within [`WORTH_WAKING`].
//!
//! What a thief leaves is run by a worker that gets on; one that does not is the monitor's business.
//!
//! # Seeded faults
//! | fault             | what it breaks                                    | caught by                                    |
//! |-------------------|---------------------------------------------------|----------------------------------------------|
//! | `patience_none`   | a thief takes what it sees                        | `what_its_owner_gets_through_is_left_to_it`  |
//! | `patience_endless`| a thief that looks again forgets since when       | `what_has_waited_for_long_is_taken`          |

use std::time::{Duration, Instant};

use crate::sys::fault::fault;

use super::spin;

/// About what it costs to steal, and what was stolen to run elsewhere.
pub(super) const PATIENCE: Duration = Duration::from_micros(10);
const _: () = assert!(
    PATIENCE.as_nanos() < spin::LOOK.as_nanos(),
    "a look is long enough to find something"
);
/// About what it costs to wake a thread.
const WORTH_WAKING: Duration = Duration::from_micros(50);

/// What waits in a queue. See [`LocalQueue::waiting`](super::queue::LocalQueue::waiting).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    /// How many have left it, ever, wrapping.
    pub(crate) left: usize,
    /// How many wait.
    pub(crate) len: usize,
}

/// What a thief remembers of a queue: since when it has known of something that waits there, and how many will have left the
/// queue when all that waited then has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known(Option<(Instant, usize)>);

impl Known {
    /// The thief looks. Whether it should take something.
    pub(super) fn is_worth_taking(&mut self, now: Instant, waiting: Waiting) -> bool {
        if waiting.len == 0 {
            self.0 = None;
            return false;
        }
        if fault!("patience_none") {
            return true;
        }
        match self.0 {
            Some((since, all))
                if all.wrapping_sub(waiting.left).cast_signed() > 0
                    && !fault!("patience_endless") =>
            {
                now.saturating_duration_since(since) >= PATIENCE
            }
            _ => {
                self.0 = Some((now, waiting.left.wrapping_add(waiting.len)));
                false
            }
        }
    }
}

/// Whether somebody should be woken for what waits in a queue that `passed` have left within `time`.
pub(super) fn is_worth_waking_for(waiting: Waiting, passed: usize, time: Duration) -> bool {
    let fast = waiting.len as u128 * time.as_nanos() <= passed as u128 * WORTH_WAKING.as_nanos();
    waiting.len > 0 && !fast
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn waiting(left: usize, len: usize) -> Waiting {
        Waiting { left, len }
    }

    #[test]
    fn what_has_waited_for_long_is_taken() {
        let (mut known, start) = (Known::default(), Instant::now());
        assert!(!known.is_worth_taking(start, waiting(7, 2)));
        assert!(!known.is_worth_taking(start + PATIENCE / 2, waiting(8, 5)));
        // The last of the two is still there.
        assert!(known.is_worth_taking(start + PATIENCE, waiting(8, 1)));
    }

    #[test]
    fn what_its_owner_gets_through_is_left_to_it() {
        let (mut known, start) = (Known::default(), Instant::now());
        let mut left = usize::MAX - 100;
        for look in 0..100 {
            let now = start + PATIENCE / 2 * look;
            assert!(!known.is_worth_taking(now, waiting(left, 3)));
            left = left.wrapping_add(3);
        }
    }

    #[test]
    fn what_comes_into_an_empty_queue_has_not_waited() {
        let (mut known, start) = (Known::default(), Instant::now());
        assert!(!known.is_worth_taking(start, waiting(0, 1)));
        assert!(!known.is_worth_taking(start + PATIENCE, waiting(0, 0)));
        assert!(!known.is_worth_taking(start + PATIENCE, waiting(0, 1)));
        assert!(known.is_worth_taking(start + 2 * PATIENCE, waiting(0, 1)));
    }

    #[test]
    fn nobody_is_woken_for_what_would_be_done_before() {
        let tick = Duration::from_millis(1);
        assert!(!is_worth_waking_for(waiting(0, 0), 0, tick));
        assert!(is_worth_waking_for(waiting(0, 1), 0, tick));
        // A queue of 64 at 25,000 a millisecond is empty after 3 us; at 1,000 after 64.
        assert!(!is_worth_waking_for(waiting(0, 64), 25_000, tick));
        assert!(is_worth_waking_for(waiting(0, 64), 1_000, tick));
    }
}
