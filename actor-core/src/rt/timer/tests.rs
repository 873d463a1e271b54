//! Examples, a model, and (ignored) the price.
#![cfg(not(loom))]

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn ns(n: u64) -> Duration {
    Duration::from_nanos(n)
}

fn fired(timers: &mut Timers<u32>, now: Instant) -> Vec<u32> {
    let mut all = Vec::new();
    let count = timers.expire(now, |payload| all.push(payload));
    assert_eq!(count, all.len());
    all
}

#[test]
fn fires_to_the_nanosecond_and_never_before() {
    let base = Instant::now();
    let mut timers = Timers::new(base);
    for at in [
        1,
        65_535,
        65_536,
        65_537,
        4_194_304,
        1_000_000_007,
        86_400_000_000_123,
    ] {
        timers.insert(base + ns(at), 1);
        assert_eq!(timers.next_deadline(), Some(base + ns(at)));
        assert_eq!(fired(&mut timers, base + ns(at - 1)), Vec::<u32>::new());
        assert_eq!(fired(&mut timers, base + ns(at)), [1]);
        assert!(timers.is_empty() && timers.next_deadline().is_none());
    }
}

#[test]
fn in_deadline_order_and_first_in_first_out_among_equals() {
    let base = Instant::now();
    let mut timers = Timers::new(base);
    let deadlines = [
        5_000_000,
        70_000,
        5_000_000,
        69_999,
        0,
        70_000,
        3_600_000_000_000,
    ];
    for (n, at) in deadlines.into_iter().enumerate() {
        timers.insert(base + ns(at), n as u32);
    }
    assert_eq!(
        fired(&mut timers, base + ns(4_000_000_000_000)),
        [4, 3, 1, 5, 0, 2, 6]
    );
}

#[test]
fn ties_fire_as_chosen() {
    let base = Instant::now();
    let mut timers = Timers::new(base);
    for (n, at) in [9, 9, 9, 5, 100].into_iter().enumerate() {
        timers.insert(base + ns(at), n as u32);
    }
    let (mut asked, mut all) = (Vec::new(), Vec::new());
    let mut last = |n| {
        asked.push(n);
        n - 1
    };
    while let Some(n) = timers.expire_one(base + ns(50), &mut last) {
        all.push(n);
    }
    assert_eq!(all.len(), 4);
    assert_eq!((asked, all), (vec![3, 2], vec![3, 2, 1, 0]));
    assert_eq!(timers.len(), 1);
}

#[test]
fn a_deadline_in_the_past_is_due_at_once_and_one_in_centuries_is_not() {
    let base = Instant::now();
    let mut timers = Timers::new(base + Duration::from_secs(1));
    timers.insert(base, 1);
    let far = timers.insert(base + Duration::from_secs(1000 * 365 * 86_400), 2);
    let year = timers.insert(base + Duration::from_secs(365 * 86_400), 3);
    assert_eq!(fired(&mut timers, base), [1]);
    assert_eq!(
        fired(&mut timers, base + Duration::from_secs(364 * 86_400)),
        Vec::<u32>::new()
    );
    assert_eq!(
        timers.next_deadline(),
        Some(base + Duration::from_secs(365 * 86_400))
    );
    assert_eq!(timers.cancel(year), Some(3));
    assert!(
        timers
            .next_deadline()
            .is_some_and(|at| at > base + Duration::from_secs(500 * 365 * 86_400))
    );
    assert_eq!(timers.cancel(far), Some(2));
    assert_eq!(timers.next_deadline(), None);
}

#[test]
fn a_key_is_void_once_its_timer_is_gone() {
    let base = Instant::now();
    let mut timers = Timers::new(base);
    let old = timers.insert(base + ns(10), 1);
    assert_eq!(fired(&mut timers, base + ns(10)), [1]);
    let new = timers.insert(base + ns(20), 2);
    assert_eq!(old.index, new.index, "the place is used again");
    assert_eq!(timers.cancel(old), None);
    assert_eq!(timers.cancel(new), Some(2));
    assert_eq!(timers.cancel(new), None);
}

#[test]
fn a_cancelled_earliest_costs_one_early_wake_up_at_most() {
    let base = Instant::now();
    let mut timers = Timers::new(base);
    let hour = 3_600_000_000_000;
    (0..1000).for_each(|n| {
        timers.insert(base + ns(hour + n), n as u32);
    });
    let early = timers.insert(base + ns(hour - 60_000_000_000), 9999);
    timers.cancel(early);
    let mut wakes = 0;
    while !timers.is_empty() {
        let at = timers.next_deadline().expect("timers are set");
        timers.expire(at.max(base + ns(hour - 1)), |_| ());
        wakes += 1;
    }
    assert!(wakes <= 1001, "{wakes} wake-ups for 1000 deadlines");
}

#[test]
fn cancelling_what_is_near_does_not_pile_up() {
    let base = Instant::now();
    let mut timers = Timers::new(base);
    timers.insert(base, 0);
    for n in 0..100_000 {
        let key = timers.insert(base + ns(1), n);
        assert_eq!(timers.cancel(key), Some(n));
    }
    assert!(
        timers.near.len() < 1000,
        "{} stale items",
        timers.near.len()
    );
    assert_eq!(fired(&mut timers, base), [0]);
}

#[test]
fn memory_shrinks_after_a_burst() {
    let base = Instant::now();
    let mut timers = Timers::new(base);
    let keys: Vec<_> = (0..100_000)
        .map(|n| timers.insert(base + ns(n * 1000), n as u32))
        .collect();
    keys[..50_000]
        .iter()
        .for_each(|key| assert!(timers.cancel(*key).is_some()));
    assert_eq!(
        fired(&mut timers, base + Duration::from_secs(10)).len(),
        50_000
    );
    assert!(
        timers.slab.capacity() <= 4 * KEEP,
        "{} entries kept",
        timers.slab.capacity()
    );
    assert!(
        timers.near.capacity() <= 4 * KEEP,
        "{} items kept",
        timers.near.capacity()
    );
}

#[test]
fn a_panic_while_firing_leaves_the_rest() {
    let base = Instant::now();
    let mut timers = Timers::new(base);
    (0..3).for_each(|n| {
        timers.insert(base + ns(n), n as u32);
    });
    let first = std::panic::AssertUnwindSafe(|| timers.expire(base + ns(5), |n| assert_ne!(n, 1)));
    assert!(std::panic::catch_unwind(first).is_err());
    assert_eq!(fired(&mut timers, base + ns(5)), [2]);
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u64),
    Cancel(usize),
    Advance(u64),
    ToNext,
}

/// Distances of all magnitudes.
fn distance() -> impl Strategy<Value = u64> {
    (0u32..62, any::<u64>()).prop_map(|(bits, n)| n & ((1 << bits) - 1))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => distance().prop_map(Step::Insert),
        1 => (0u64..4).prop_map(Step::Insert),
        3 => any::<usize>().prop_map(Step::Cancel),
        2 => (0u32..44, any::<u64>()).prop_map(|(bits, n)| Step::Advance(n & ((1 << bits) - 1))),
        3 => Just(Step::ToNext),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Against a sorted map: the same fire in the same order, and the next deadline is a lower bound that
    /// does not repeat.
    #[test]
    fn behaves_as_a_sorted_map(steps in prop::collection::vec(step(), 1..200), slack in 0u64..3) {
        let base = Instant::now();
        let mut now = 0u64;
        let mut timers = Timers::new(base);
        let mut model: BTreeMap<(u64, u32), Key> = BTreeMap::new();
        let (mut number, mut cancelled, mut early) = (0, 0, 0);
        for step in steps {
            match step {
                Step::Insert(after) => {
                    let at = (now + after).saturating_sub(slack);
                    number += 1;
                    model.insert((at, number), timers.insert(base + ns(at), number));
                }
                Step::Cancel(_) if model.is_empty() => {}
                Step::Cancel(which) => {
                    let (name, key) = model.iter().nth(which % model.len()).map(|(n, k)| (*n, *k)).unwrap();
                    model.remove(&name);
                    cancelled += 1;
                    prop_assert_eq!(timers.cancel(key), Some(name.1));
                    prop_assert_eq!(timers.cancel(key), None);
                }
                Step::Advance(by) => now += by,
                Step::ToNext => {
                    if let Some(at) = timers.next_deadline() {
                        now = now.max((at - base).as_nanos() as u64);
                    }
                }
            }
            let due: Vec<u32> = model.range(..=(now, u32::MAX)).map(|((_, n), _)| *n).collect();
            model.retain(|(at, _), _| *at > now);
            let mut all = Vec::new();
            let before = timers.next_deadline();
            timers.expire(base + ns(now), |n| all.push(n));
            prop_assert_eq!(&all, &due);
            prop_assert_eq!(timers.len(), model.len());
            let next = timers.next_deadline();
            let exact = model.keys().next().map(|(at, _)| base + ns(*at));
            prop_assert!(next <= exact && next.is_some() == exact.is_some());
            prop_assert!(next.is_none_or(|at| at > base + ns(now)), "a wake-up does not repeat");
            early += usize::from(due.is_empty() && before.is_some_and(|at| at <= base + ns(now)));
            prop_assert!(early <= cancelled, "{early} early wake-ups for {cancelled} cancelled");
        }
    }
}

/// `cargo test --release -p actor-core --lib timer_price -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
#[cfg(target_os = "linux")]
#[allow(clippy::print_stdout)]
fn timer_price() {
    use crate::sys::clock::thread_cpu_time;
    let base = Instant::now();
    for standing in [0u64, 1000, 1_000_000] {
        let mut timers = Timers::new(base);
        for n in 0..standing {
            timers.insert(base + Duration::from_secs(60) + ns(n * 1_000_000), 0u64);
        }
        let turns = 5_000_000u32;
        let start = thread_cpu_time();
        for n in 0..turns {
            let key = timers.insert(base + ns(5_000_000_000 + u64::from(n)), 0);
            std::hint::black_box(timers.cancel(key));
        }
        let cancelled = (thread_cpu_time() - start) / turns;
        let start = thread_cpu_time();
        for n in 0..1_000_000 {
            timers.insert(base + ns(n * 7919 % 1_000_000 * 1000), n);
        }
        let inserted = (thread_cpu_time() - start).as_nanos() / 1_000_000;
        let start = thread_cpu_time();
        assert_eq!(
            timers.expire(base + Duration::from_secs(2), |_| ()),
            1_000_000
        );
        let expired = (thread_cpu_time() - start).as_nanos() / 1_000_000;
        println!(
            "{standing:>8} set: insert+cancel {cancelled:?}, insert {inserted} ns, expire {expired} ns"
        );
    }
}
