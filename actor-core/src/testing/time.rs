//! Virtual time.

use std::time::Duration;

use crate::rt::park;
use crate::rt::worker::Worker;
use crate::sys::clock::Virtual;

#[track_caller]
fn hands<R>(f: impl FnOnce(&Virtual) -> R) -> R {
    let result = Worker::with(|worker| {
        let hands = worker?.core().seam.clock().as_virtual()?;
        Some(f(hands))
    });
    match result {
        Some(result) => result,
        None => panic!("there is virtual time only inside a run of the seeded scheduler"),
    }
}

/// How much virtual time has passed since the run began.
///
/// # Panics
/// Outside a run of the seeded scheduler.
///
/// ```
/// use actor_core::{microthread, testing};
/// use std::time::Duration;
///
/// testing::check(|_| {
///     microthread::sleep(Duration::from_secs(3600)); // takes no time
///     assert_eq!(testing::elapsed(), Duration::from_secs(3600));
/// });
/// ```
#[track_caller]
pub fn elapsed() -> Duration {
    hands(Virtual::elapsed)
}

/// Moves the clock on by `by` and lets others run once: waits whose deadline has passed may end. Time also passes by itself,
/// whenever nothing is ready.
///
/// # Panics
/// Outside a run of the seeded scheduler.
#[track_caller]
pub fn advance(by: Duration) {
    hands(|hands| hands.advance(by));
    park::yield_now();
}
