//! A run is a function of its seed.

use super::*;
use actor_core::prelude::*;
use std::collections::HashSet;
use std::io::Write;
use tests::child;

#[actor]
struct Counter {
    n: u64,
}

#[actor]
impl Counter {
    pub fn add(&mut self, by: u64) {
        if by == 13 {
            panic!("unlucky");
        }
        self.n += by;
    }
    pub fn get(&self) -> u64 {
        self.n
    }
}

/// Something of everything: microthreads, actors, restarts, timers, a name.
fn mixture(sys: &System) {
    let sup = Supervisor::builder()
        .intensity(5, secs(10))
        .child(ChildSpec::new("counter", || Counter { n: 0 }).name("counter"))
        .start(sys)
        .unwrap();
    let counter = sys.lookup::<Counter>("counter").unwrap();
    let others: Vec<_> = (0..3)
        .map(|i| {
            let counter = counter.clone();
            microthread::spawn(move || {
                microthread::sleep(Duration::from_millis(i % 2));
                counter.tell().add(12 + i).unwrap();
                counter.ask().within(secs(1)).get().unwrap()
            })
        })
        .collect();
    for other in others {
        let _ = other.join().unwrap();
    }
    sup.stop();
    sup.join();
}

/// The hash of one run with this seed.
fn hash(seed: u64) -> u64 {
    let explorer = Explorer::new().seed(seed).iterations(1);
    explorer.run(mixture).unwrap().hash
}

#[test]
fn the_same_seed_takes_the_same_steps() {
    for seed in 0..20 {
        assert_eq!(hash(seed), hash(seed), "seed {seed}");
    }
}

#[test]
fn the_same_seed_takes_the_same_steps_in_another_process() {
    let print = || {
        let hashes: Vec<_> = (0..20).map(|seed| format!("{:016x}", hash(seed))).collect();
        let _ = writeln!(std::io::stderr(), "hashes {}", hashes.join(" "));
    };
    // In the first child this does not return.
    let (one, two) = (child!(print), child!(print));
    let line = |end: &tests::End| {
        let stderr = end.stderr();
        let line = stderr.lines().find(|line| line.starts_with("hashes "));
        line.unwrap_or_else(|| panic!("no hashes in {stderr}"))
            .to_string()
    };
    assert_eq!(line(&one), line(&two));
    let here: Vec<_> = (0..20).map(|seed| format!("{:016x}", hash(seed))).collect();
    assert_eq!(line(&one), format!("hashes {}", here.join(" ")));
    one.succeeds();
    two.succeeds();
}

#[test]
fn different_seeds_take_different_orders() {
    let hashes: HashSet<_> = (0..50).map(hash).collect();
    assert!(hashes.len() > 40, "{}", hashes.len());
}

#[test]
fn a_lost_update_is_found_and_its_seed_replays_it() {
    let failure = fails(&Explorer::new(), lost_update);
    assert!(message(&failure).contains("an update was lost"));
    let text = failure.to_string();
    let command = format!("ACTOR_SEED={} cargo test", failure.seed);
    for part in [&*command, "replay::a_lost_update", "\"main\""] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let again = fails(
        &Explorer::new().seed(failure.seed).iterations(1),
        lost_update,
    );
    assert_eq!(again.reason, failure.reason);
    assert_eq!(again.trace, failure.trace);
}

#[test]
fn the_seed_in_the_environment_is_the_only_one_that_runs() {
    let failure = fails(&Explorer::new(), lost_update);
    let seed = failure.seed.to_string();
    let hash = format!("{:016x}", failure.trace.hash);
    let end = child!(
        || {
            // Whatever the test says.
            let failure = fails(&Explorer::new().seed(1_000_000), lost_update);
            let _ = writeln!(std::io::stderr(), "seed {}", failure.seed);
            let _ = writeln!(std::io::stderr(), "hash {:016x}", failure.trace.hash);
        },
        &[("ACTOR_SEED", &seed)]
    );
    let stderr = end.stderr();
    assert!(stderr.contains(&format!("seed {seed}\n")), "{stderr}");
    assert!(stderr.contains(&format!("hash {hash}\n")), "{stderr}");
    end.succeeds();
}

#[test]
fn the_number_of_an_exhaustive_run_in_the_environment_replays_it() {
    /// As `lost_update`, but nobody gives way: the first run, with no switch that need not be, loses nothing.
    fn body(_: &System) {
        let n = Arc::new(AtomicU32::new(0));
        let adders = [(); 2].map(|()| {
            let n = n.clone();
            microthread::spawn(move || {
                let seen = n.load(SeqCst);
                testing::switch_point();
                n.store(seen + 1, SeqCst);
            })
        });
        adders.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(n.load(SeqCst), 2, "an update was lost");
    }
    let explorer = Explorer::new().policy(Policy::Exhaustive {
        max_runs: 10_000,
        max_depth: 100,
    });
    let failure = fails(&explorer, body);
    assert!(failure.seed > 0, "found in the first run");
    let seed = failure.seed.to_string();
    let hash = format!("hash {:016x}\n", failure.trace.hash);
    let end = child!(
        || {
            let failure = fails(&explorer, body);
            let _ = writeln!(std::io::stderr(), "hash {:016x}", failure.trace.hash);
        },
        &[("ACTOR_SEED", &seed)]
    );
    assert!(end.stderr().contains(&hash), "{}", end.stderr());
    end.succeeds();
}

#[test]
fn a_failure_that_does_not_repeat_is_reported_as_such() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let failure = fails(&Explorer::new(), |_| {
        for _ in 0..RUNS.fetch_add(1, SeqCst) {
            microthread::yield_now();
        }
        panic!("always");
    });
    let Reason::TraceMismatch { first, again, .. } = &failure.reason else {
        panic!("{failure}");
    };
    assert_eq!(first, again.as_ref().expect("it failed again"));
    assert!(failure.to_string().contains("not reproducible"));
}

#[test]
fn check_panics_with_the_seed_and_how_to_replay_it() {
    let checked = std::panic::catch_unwind(|| testing::check(lost_update));
    let payload = checked.expect_err("the update is lost");
    let text = payload.downcast_ref::<String>().expect("a text");
    assert!(text.contains("ACTOR_SEED=") && text.contains("an update was lost"));
}
