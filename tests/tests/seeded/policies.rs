//! What each policy finds.

use super::*;
use std::collections::HashSet;

/// The order of steps of two microthreads with two steps each.
fn two_by_two(log: &Log<[&'static str; 4]>) -> impl Fn(&System) + Send + Sync + 'static {
    let all = log.clone();
    move |_: &System| {
        let log = Log::default();
        let start = |first, second| {
            let log = log.clone();
            microthread::spawn(move || {
                log.add(first);
                microthread::yield_now();
                log.add(second);
            })
        };
        let (a, b) = (start("a1", "a2"), start("b1", "b2"));
        a.join().unwrap();
        b.join().unwrap();
        all.add(log.all().try_into().unwrap());
    }
}

fn exhaustive(max_runs: u64, max_depth: usize) -> Explorer {
    Explorer::new().policy(Policy::Exhaustive {
        max_runs,
        max_depth,
    })
}

#[test]
fn exhaustive_finds_all_interleavings_of_a_tiny_program() {
    let log = Log::default();
    let explorer = exhaustive(1000, 100).switch_points(false);
    let report = explorer.run(two_by_two(&log)).unwrap();
    assert!(report.complete);
    // Every order of four steps in which each microthread's own are in order: 4! / (2! 2!).
    let orders: HashSet<_> = log.all().into_iter().collect();
    assert_eq!(orders.len(), 6);
    // With the main one, which waits for `a` and then for `b`. Let f(i, j) be the number of ways to go on while it waits for
    // `a`, with i and j turns left, and g(j) while it is ready, `a` having ended: it runs, and then only `b` can; or `b` does.
    //   g(0) = 1   g(j) = 1 + g(j-1)   f(1, j) = g(j) + f(1, j-1)   f(2, j) = f(1, j) + f(2, j-1)
    // f(1, 0..) = 1, 3, 6 and so f(2, 2) = 6 + 3 + 1.
    assert_eq!(report.runs, 10);
}

#[test]
fn exhaustive_keeps_to_its_limits() {
    let log = Log::default();
    let explorer = exhaustive(3, 100).switch_points(false);
    let report = explorer.run(two_by_two(&log)).unwrap();
    assert_eq!((report.runs, report.complete), (3, false));
    // Of the choices only the first is varied: between two.
    let explorer = exhaustive(1000, 1).switch_points(false);
    let report = explorer.run(two_by_two(&log)).unwrap();
    assert_eq!((report.runs, report.complete), (2, true));
}

#[test]
fn exhaustive_finds_a_race_and_its_number_replays_it() {
    let explorer = exhaustive(10_000, 100);
    let failure = fails(&explorer, lost_update);
    assert!(message(&failure).contains("an update was lost"));
    let again = fails(&explorer, lost_update);
    assert_eq!((again.seed, &again.trace), (failure.seed, &failure.trace));
}

#[test]
fn exhaustive_proves_the_absence_of_a_race() {
    let report = exhaustive(100_000, 100).run(|_| {
        let n = Arc::new(AtomicU32::new(0));
        let adders = [(); 2].map(|()| {
            let n = n.clone();
            microthread::spawn(move || {
                microthread::yield_now();
                n.fetch_add(1, SeqCst);
            })
        });
        adders.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(n.load(SeqCst), 2);
    });
    assert!(report.unwrap().complete);
}

/// A bug of depth two: all of a long microthread must run between two steps of a short one.
fn long_between_short(_: &System) {
    const LONG: u32 = 20;
    let steps = Arc::new(AtomicU32::new(0));
    let long = {
        let steps = steps.clone();
        microthread::spawn(move || {
            for _ in 0..LONG {
                testing::switch_point();
                steps.fetch_add(1, SeqCst);
            }
        })
    };
    let short = microthread::spawn(move || {
        let before = steps.load(SeqCst);
        testing::switch_point();
        let after = steps.load(SeqCst);
        assert!(before > 0 || after < LONG, "overtaken");
    });
    long.join().unwrap();
    short.join().unwrap();
}

#[test]
fn pct_finds_a_bug_of_depth_two_that_random_choices_miss() {
    let explorer = Explorer::new().iterations(500);
    assert!(explorer.run(long_between_short).is_ok());
    let pct = explorer.policy(Policy::Pct { depth: 2 });
    let failure = fails(&pct, long_between_short);
    let again = fails(
        &pct.clone().seed(failure.seed).iterations(1),
        long_between_short,
    );
    assert_eq!(again.trace, failure.trace);
}

#[test]
fn pct_does_not_starve_what_a_polling_microthread_waits_for() {
    let explorer = Explorer::new().policy(Policy::Pct { depth: 3 });
    explorer.check(|_| {
        let flag = Arc::new(AtomicU32::new(0));
        let setter = {
            let flag = flag.clone();
            microthread::spawn(move || flag.store(1, SeqCst))
        };
        while flag.load(SeqCst) == 0 {
            microthread::yield_now();
        }
        setter.join().unwrap();
    });
}

#[test]
fn exhaustive_comes_to_its_end_with_one_that_polls() {
    let explorer = exhaustive(10_000, 8);
    let report = explorer.run(|_| {
        let flag = Arc::new(AtomicU32::new(0));
        let setter = {
            let flag = flag.clone();
            microthread::spawn(move || {
                microthread::sleep(secs(1));
                flag.store(1, SeqCst);
            })
        };
        // Others of this kind of loop would keep time from passing; this one waits for what is due already.
        microthread::sleep(secs(1));
        while flag.load(SeqCst) == 0 {
            microthread::yield_now();
        }
        setter.join().unwrap();
    });
    let report = report.unwrap();
    assert!(report.complete && report.runs > 1, "{report:?}");
}
