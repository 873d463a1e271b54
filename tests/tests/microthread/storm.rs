//! Everything at once: spawns, kills, joins, sleeps, yields, panics, from inside and outside, and every end is accounted for.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use actor_core::Runtime;
use actor_core::microthread::{self, Builder, JoinError, JoinHandle, blocking};
use tests::{Gate, ms, runtime, until, within};

use super::LIMIT;

/// What a microthread knows of itself, and others of it.
#[derive(Default)]
struct Fate(AtomicU8);

/// It was told to end.
const KILLED: u8 = 1;
/// It is about to panic.
const PANICS: u8 = 2;
/// It has run into its body.
const STARTED: u8 = 4;

#[derive(Default)]
struct Counts {
    spawned: AtomicUsize,
    dropped: AtomicUsize,
    /// Spawns that are still allowed.
    left: AtomicUsize,
    ends: [AtomicUsize; 3],
}

/// What each body captures; dropped exactly once, however the microthread ends.
struct Captured(Arc<Counts>);

impl Drop for Captured {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, SeqCst);
    }
}

type Spawned = (Arc<Fate>, u64, JoinHandle<u64>);

fn body(seed: u64, fate: &Fate, captured: &Captured) -> u64 {
    fate.0.fetch_or(STARTED, SeqCst);
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut children: Vec<Spawned> = Vec::new();
    for _ in 0..rng.usize(1..10) {
        match rng.u8(..13) {
            0..=2 => microthread::yield_now(),
            3 => microthread::sleep(Duration::from_micros(rng.u64(..500))),
            4 => microthread::checkpoint(),
            5 if rng.u8(..4) == 0 => assert_eq!(blocking(|| seed), seed),
            6..=8 => children.extend(spawn(&captured.0, rng.u64(..), |body| {
                Ok(microthread::spawn(body))
            })),
            9 => {
                if let Some((fate, _, handle)) = children.last() {
                    kill(fate, handle);
                }
            }
            10 => {
                if let Some(child) = children.pop() {
                    account(&captured.0, child);
                }
            }
            11 => {
                if let Some((fate, seed, handle)) = children.pop() {
                    match handle.join_timeout(Duration::from_micros(rng.u64(..300))) {
                        Ok(result) => check(&captured.0, &fate, seed, result),
                        Err(handle) => children.push((fate, seed, handle)),
                    }
                }
            }
            12 if rng.u8(..4) == 0 => {
                fate.0.fetch_or(PANICS, SeqCst);
                resume_unwind(Box::new(seed));
            }
            _ => {}
        }
    }
    // What is left over: some are joined, some go on alone.
    for child in children {
        if rng.bool() {
            account(&captured.0, child);
        }
    }
    seed
}

fn kill(fate: &Fate, handle: &JoinHandle<u64>) {
    fate.0.fetch_or(KILLED, SeqCst);
    handle.kill();
}

fn spawn(
    counts: &Arc<Counts>,
    seed: u64,
    start: impl FnOnce(Box<dyn FnOnce() -> u64 + Send>) -> Result<JoinHandle<u64>, ()>,
) -> Option<Spawned> {
    counts
        .left
        .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
        .ok()?;
    counts.spawned.fetch_add(1, SeqCst);
    let (fate, captured) = (Arc::new(Fate::default()), Captured(counts.clone()));
    let own = fate.clone();
    let handle = start(Box::new(move || body(seed, &own, &captured))).expect("a spawn");
    Some((fate, seed, handle))
}

fn account(counts: &Counts, (fate, seed, handle): Spawned) {
    check(counts, &fate, seed, handle.join());
}

/// The end fits what was done to it and what it did.
fn check(counts: &Counts, fate: &Fate, seed: u64, result: Result<u64, JoinError>) {
    let fate = fate.0.load(SeqCst);
    let end = match result {
        Ok(value) => {
            assert_eq!(value, seed);
            assert_ne!(fate & STARTED, 0, "a value without a body");
            0
        }
        Err(JoinError::Panicked(payload)) => {
            assert_ne!(fate & PANICS, 0, "a panic nobody raised: {payload:?}");
            assert_eq!(*payload.downcast::<u64>().unwrap(), seed);
            1
        }
        Err(JoinError::Killed) => {
            assert_ne!(fate & KILLED, 0, "killed by nobody");
            2
        }
        Err(other) => panic!("{other:?}"),
    };
    counts.ends[end].fetch_add(1, SeqCst);
}

fn storm(workers: usize, total: usize) {
    let seed = fastrand::u64(..);
    within(LIMIT, || {
        let rt = runtime(workers);
        let counts = Arc::new(Counts::default());
        counts.left.store(total, SeqCst);
        thread::scope(|scope| {
            for n in 0..2 {
                let (rt, counts) = (&rt, &counts);
                scope.spawn(move || {
                    let mut rng = fastrand::Rng::with_seed(seed + n);
                    let mut mine = Vec::new();
                    while let Some(spawned) =
                        spawn(counts, rng.u64(..), |body| rt.spawn(body).map_err(drop))
                    {
                        mine.push(spawned);
                        if rng.u8(..3) == 0 {
                            let (fate, _, handle) = &mine[rng.usize(..mine.len())];
                            kill(fate, handle);
                        }
                        if mine.len() > 100 {
                            account(counts, mine.swap_remove(rng.usize(..100)));
                        }
                    }
                    mine.into_iter()
                        .for_each(|spawned| account(counts, spawned));
                });
            }
        });
        // Those that were detached end as well.
        until(|| counts.dropped.load(SeqCst) == counts.spawned.load(SeqCst));
        assert_eq!(counts.spawned.load(SeqCst), total, "seed {seed}");
        let ends = counts.ends.each_ref().map(|end| end.load(SeqCst));
        assert!(ends.iter().all(|count| *count > 0), "seed {seed}: {ends:?}");
        until(|| rt.stats().stacks_in_use == 0);
        assert!(rt.shutdown(ms(20_000)).unwrap().is_clean(), "seed {seed}");
    });
}

#[test]
fn a_storm_on_two_workers_is_accounted_for() {
    storm(2, 20_000);
}

#[test]
fn a_storm_on_four_workers_is_accounted_for() {
    storm(4, 20_000);
}

/// The runtime ends in the midst of it: whoever waits is told.
#[test]
fn a_storm_that_is_shut_down_leaves_nobody_waiting() {
    const COUNT: usize = 120;
    within(LIMIT, || {
        for round in 0..20 {
            let rt = Runtime::builder()
                .workers(1 + round % 4)
                .offload_threads(2)
                .build()
                .unwrap();
            let counts = Arc::new(Counts::default());
            let (go, started) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
            let handles: Vec<_> = (0..COUNT)
                .map(|n| {
                    let (captured, go, started) =
                        (Captured(counts.clone()), go.clone(), started.clone());
                    rt.spawn(move || {
                        let _captured = captured;
                        started.fetch_add(1, SeqCst);
                        match n % 6 {
                            0 => loop {
                                microthread::yield_now()
                            },
                            1 => loop {
                                microthread::sleep(Duration::from_micros(n as u64))
                            },
                            2 => go.wait(),
                            3 => {
                                while let Ok(child) = Builder::new().spawn(|| ()) {
                                    let _ = child.join();
                                }
                            }
                            4 => loop {
                                blocking(|| ())
                            },
                            _ => {}
                        }
                    })
                    .unwrap()
                })
                .collect();
            // At another moment each time.
            until(|| started.load(SeqCst) >= COUNT * round / 20);
            let report = rt.shutdown(ms(20_000)).unwrap();
            assert!(report.is_clean(), "{report:?}");
            for handle in handles {
                let _ = handle.join();
            }
            assert_eq!(counts.dropped.load(SeqCst), COUNT);
        }
    });
}

/// A stack that has yielded is not left behind when another worker takes what it has yielded to.
#[test]
fn whoever_has_yielded_goes_on_though_another_worker_takes_what_it_yielded_to() {
    within(LIMIT, || {
        let rt = runtime(2);
        for _ in 0..20_000 {
            let handles: Vec<_> = (0..3)
                .map(|_| rt.spawn(microthread::yield_now).unwrap())
                .collect();
            handles
                .into_iter()
                .for_each(|handle| handle.join().unwrap());
        }
    });
}
