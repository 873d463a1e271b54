//! Virtual time.

use super::*;
use actor_core::prelude::*;
use std::collections::HashSet;

#[test]
fn a_years_sleep_takes_no_time_and_is_exact() {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    testing::check(|_| {
        microthread::sleep(YEAR);
        assert_eq!(testing::elapsed(), YEAR);
    });
}

/// Which cannot switch: nothing else is to run, so its time passes at once.
#[test]
fn a_sleep_while_a_panic_unwinds_takes_no_time_and_is_exact() {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    struct Sleeps;
    impl Drop for Sleeps {
        fn drop(&mut self) {
            microthread::sleep(YEAR);
        }
    }
    testing::check(|_| {
        let unwinds = microthread::spawn(|| {
            let _sleeps = Sleeps;
            std::panic::resume_unwind(Box::new("over"));
        });
        let ended: Result<(), _> = unwinds.join();
        ended.unwrap_err();
        assert_eq!(testing::elapsed(), YEAR);
    });
}

#[test]
fn sleepers_wake_in_the_order_of_their_deadlines() {
    testing::check(|_| {
        let log = Log::default();
        let sleepers = [3, 1, 2].map(|n| {
            let log = log.clone();
            microthread::spawn(move || {
                microthread::sleep(secs(n));
                log.add((n, testing::elapsed()));
            })
        });
        sleepers.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(log.all(), [1, 2, 3].map(|n| (n, secs(n))));
    });
}

#[test]
fn timers_due_at_the_same_instant_fire_in_any_order() {
    let orders = Log::default();
    let all = orders.clone();
    testing::check(move |_| {
        let log = Log::default();
        let deadline = std::sync::OnceLock::new();
        let deadline = Arc::new(deadline);
        let sleepers = [0, 1, 2].map(|n| {
            let (log, deadline) = (log.clone(), deadline.clone());
            microthread::spawn(move || {
                // One at a time, and all at rest before the clock moves.
                let _ = deadline.set(());
                microthread::sleep(secs(1));
                log.add(n);
            })
        });
        sleepers.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(testing::elapsed(), secs(1));
        all.add(log.all());
    });
    let orders: HashSet<_> = orders.all().into_iter().collect();
    assert_eq!(orders.len(), 6);
}

#[test]
fn advancing_the_clock_ends_waits() {
    testing::check(|_| {
        let sleeper = microthread::spawn(|| microthread::sleep(secs(60)));
        // It sleeps, as there is nothing else to do while this one does.
        microthread::sleep(secs(1));
        testing::advance(secs(58));
        assert_eq!(testing::elapsed(), secs(59));
        assert!(!sleeper.is_finished());
        testing::advance(secs(1));
        sleeper.join().unwrap();
        assert_eq!(testing::elapsed(), secs(60));
    });
}

#[actor]
struct Slow;

#[actor]
impl Slow {
    pub fn answer_after(&mut self, pause: Duration) -> u32 {
        microthread::sleep(pause);
        7
    }
}

#[test]
fn an_ask_times_out_exactly_at_its_deadline() {
    testing::check(|sys| {
        let slow = sys.spawn(Slow).unwrap();
        let within = Duration::from_millis(10);
        let asked = slow.ask().within(within).answer_after(secs(5));
        assert!(matches!(asked, Err(AskError::Timeout)), "{asked:?}");
        assert_eq!(testing::elapsed(), within);
        assert_eq!(slow.ask().answer_after(secs(1)).unwrap(), 7);
        assert_eq!(testing::elapsed(), secs(6));
    });
}

#[test]
fn a_reply_at_the_very_deadline_comes_in_time_or_too_late() {
    let outcomes = Log::default();
    let all = outcomes.clone();
    testing::check(move |sys| {
        let slow = sys.spawn(Slow).unwrap();
        let asked = slow.ask().within(secs(1)).answer_after(secs(1));
        assert_eq!(testing::elapsed(), secs(1));
        all.add(asked.is_ok());
    });
    let outcomes: HashSet<_> = outcomes.all().into_iter().collect();
    assert_eq!(outcomes.len(), 2);
}

#[test]
fn outside_a_run_there_is_no_virtual_time() {
    assert!(std::panic::catch_unwind(testing::elapsed).is_err());
    assert!(std::panic::catch_unwind(|| testing::advance(secs(1))).is_err());
    testing::switch_point(); // does nothing
}
