//! The schedule by itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::handle::{Cancel, MissedTicks, Period};
use super::schedule::{Due, Schedule};

const SECOND: Duration = Duration::from_secs(1);

/// All messages that have a turn.
fn take_all(schedule: &Schedule<u64>) -> Vec<u64> {
    std::iter::from_fn(|| match schedule.take_turn(|_| true)? {
        Due::Once(msg) => Some(msg),
        Due::Tick(..) => panic!("none repeats"),
    })
    .collect()
}

#[test]
fn it_does_as_a_sorted_map_does() {
    let base = Instant::now();
    for seed in 0..200 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let schedule = Schedule::<u64>::default();
        let mut model = BTreeMap::new();
        let mut timers = Vec::new();
        let mut now = base;
        for msg in 0..200_u64 {
            match rng.u32(..8) {
                0..4 => {
                    let due = now + rng.u32(..20) * SECOND;
                    let (number, _) = schedule.add(due, msg);
                    model.insert((due, number), msg);
                    timers.push((number, due));
                }
                4..6 if !timers.is_empty() => {
                    let (number, due) = timers.swap_remove(rng.usize(..timers.len()));
                    let was_set = model.remove(&(due, number)).is_some();
                    assert_eq!(schedule.is_set(number, due), was_set);
                    assert_eq!(schedule.cancel(number, due), was_set);
                    assert!(!schedule.is_set(number, due));
                }
                _ => {
                    now += rng.u32(..5) * SECOND;
                    schedule.give_turns(now, 0);
                    let later = model.split_off(&(now + Duration::from_nanos(1), 0));
                    let due: Vec<u64> = model.into_values().collect();
                    assert_eq!(take_all(&schedule), due);
                    model = later;
                }
            }
        }
    }
}

#[test]
fn a_turn_that_is_cancelled_is_not_taken() {
    let base = Instant::now();
    let schedule = Schedule::<u64>::default();
    let (once, _) = schedule.add(base, 1);
    schedule.add(base, 2);
    let make = Box::new(|| 3);
    let (tick, _) = schedule.add_repeating(base, Period::new(SECOND), make);
    schedule.give_turns(base, 7);
    assert!(schedule.take_turn(|position| position == 8).is_none());
    assert!(schedule.cancel(once, base) && schedule.cancel(tick, base));
    assert_eq!(take_all(&schedule), [2]);
    // A tick whose message is being made.
    let (tick, _) = schedule.add_repeating(base, Period::new(SECOND), Box::new(|| 4));
    schedule.give_turns(base, 0);
    let Some(Due::Tick(number, make)) = schedule.take_turn(|_| true) else {
        panic!("it is due");
    };
    assert!(number == tick && schedule.cancel(tick, base));
    assert!(!schedule.ticked(number, make, base), "it is not wanted");
}

#[test]
fn the_next_tick_is_due_as_the_policy_says() {
    let base = Instant::now();
    let next = |missed, late: Duration| {
        let schedule = Schedule::<u64>::default();
        let period = Period::new(4 * SECOND).missed(missed);
        let (number, _) = schedule.add_repeating(base, period, Box::new(|| 0));
        schedule.give_turns(base, 0);
        let Some(Due::Tick(_, make)) = schedule.take_turn(|_| true) else {
            panic!("it is due");
        };
        assert!(schedule.ticked(number, make, base + late));
        schedule.next_due().expect("it is due again") - base
    };
    for (late, [skip, delay, burst]) in [
        (0, [4, 4, 4]),
        (3, [4, 7, 4]),
        (4, [8, 8, 4]),
        (9, [12, 13, 4]),
    ] {
        let late = late * SECOND;
        assert_eq!(next(MissedTicks::Skip, late), skip * SECOND);
        assert_eq!(next(MissedTicks::Delay, late), delay * SECOND);
        assert_eq!(next(MissedTicks::Burst, late), burst * SECOND);
    }
}
