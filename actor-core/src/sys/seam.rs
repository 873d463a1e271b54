//! The one seam for choices, and where ids come from.
//!
//! Whenever the runtime could do one of several things, it asks here, with a [`Choice`] that says what kind
//! of decision it is and the number of candidates in a fixed order. In production nothing decides: the
//! answer is the first candidate, at the price of one predictable branch, except [`Choice::Victim`] and
//! [`Choice::Select`], which a worker's own generator answers. Under test a [`Driver`] decides everything: with a single thread, a
//! virtual [`Clock`] and a seed, a run is then a function of its seed.
//!
//! There is one [`Seam`] per system, and one [`WorkerSeam`] per worker: the latter owns what must not be
//! shared to be fast, the generator and a range of ids. Ids come from a counter of the system, never from
//! addresses, so that a replayed run hands out the same ones. They start at 1; 0 is free to mean "none".

use super::clock::Clock;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What kind of decision is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Choice {
    /// Which ready activation or stack runs next.
    #[cfg(any(all(test, not(loom)), feature = "testing"))]
    Next,
    /// Which of several timers due at the same tick fires first.
    #[cfg(any(all(test, not(loom)), feature = "testing"))]
    Timer,
    /// Whether a deadline or the reply it guards wins when both are there (0: the reply).
    #[cfg(any(all(test, not(loom)), feature = "testing"))]
    Deadline,
    /// Which ready branch a select takes.
    Select,
    /// From whom an idle worker tries to steal.
    Victim,
}

/// Decides in place of the defaults. Called only when there is more than one candidate.
pub(crate) trait Driver: Send + Sync {
    /// The candidate to take, below `n`.
    fn choose(&self, choice: Choice, n: usize) -> usize;
}

/// A system's clock, seed, choices and ids.
pub(crate) struct Seam {
    clock: Clock,
    seed: u64,
    driver: Option<Box<dyn Driver>>,
    next_id: AtomicU64,
}

impl fmt::Debug for Seam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seam")
            .field("clock", &self.clock)
            .field("seed", &self.seed)
            .field("driven", &self.driver.is_some())
            .finish_non_exhaustive()
    }
}

impl Seam {
    /// The production seam: the machine's clock, the first candidate, a random seed.
    pub(crate) fn new() -> Self {
        Self::with(Clock::System, fastrand::u64(..), None)
    }

    /// A seam for a chosen clock and seed and, perhaps, a driver.
    pub(crate) fn with(clock: Clock, seed: u64, driver: Option<Box<dyn Driver>>) -> Self {
        Self {
            clock,
            seed,
            driver,
            next_id: AtomicU64::new(1),
        }
    }

    /// The system's clock.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What every generator of the system is seeded from.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether a driver decides, i.e. whether the run is to be reproducible.
    #[inline]
    pub(crate) fn is_driven(&self) -> bool {
        self.driver.is_some()
    }

    /// An id no other call returns, for a thread that is no worker.
    pub(crate) fn next_id(&self) -> u64 {
        self.reserve_ids(1)
    }

    /// The first of `n` consecutive ids no other call returns.
    pub(crate) fn reserve_ids(&self, n: u64) -> u64 {
        self.next_id.fetch_add(n, Ordering::Relaxed)
    }
}

#[cold]
fn driven(driver: &dyn Driver, choice: Choice, n: usize) -> usize {
    if n <= 1 {
        return 0;
    }
    let chosen = driver.choose(choice, n);
    assert!(
        chosen < n,
        "the driver chose {chosen} of {n} for {choice:?}"
    );
    chosen
}

/// One worker's part of the seam. Not `Sync`.
pub(crate) struct WorkerSeam {
    shared: Arc<Seam>,
    /// The state of a `fastrand::Rng`, which is its seed.
    rng: Cell<u64>,
    /// The next id and the end of the range it is in.
    ids: Cell<(u64, u64)>,
}

impl fmt::Debug for WorkerSeam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerSeam")
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

impl WorkerSeam {
    /// Ids a worker takes at a time: one shared addition in a thousand spawns.
    const RANGE: u64 = 1024;

    /// The part of worker number `worker`. Equal seeds and numbers give equal generators.
    pub(crate) fn new(shared: Arc<Seam>, worker: usize) -> Self {
        // Wyrand states that differ by a small number give unrelated streams only after mixing.
        let mixed =
            fastrand::Rng::with_seed(shared.seed() ^ (worker as u64).rotate_right(16)).u64(..);
        Self {
            shared,
            rng: Cell::new(mixed),
            ids: Cell::new((0, 0)),
        }
    }

    /// Which of `n` candidates to take.
    #[inline]
    pub(crate) fn choose(&self, choice: Choice, n: usize) -> usize {
        match (&self.shared.driver, choice) {
            (Some(driver), _) => driven(&**driver, choice, n),
            (None, Choice::Victim | Choice::Select) if n > 1 => self.random_below(n),
            (None, _) => 0,
        }
    }

    /// A number below `n` from the worker's generator; 0 if `n` is 0.
    pub(crate) fn random_below(&self, n: usize) -> usize {
        if n == 0 {
            return 0;
        }
        let mut rng = fastrand::Rng::with_seed(self.rng.get());
        let number = rng.usize(..n);
        self.rng.set(rng.get_seed());
        number
    }

    /// An id no other call returns.
    #[inline]
    pub(crate) fn next_id(&self) -> u64 {
        let (next, end) = self.ids.get();
        if next < end {
            self.ids.set((next + 1, end));
            return next;
        }
        let first = self.shared.reserve_ids(Self::RANGE);
        self.ids.set((first + 1, first + Self::RANGE));
        first
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::Mutex;

    const ALL: [Choice; 5] = [
        Choice::Next,
        Choice::Timer,
        Choice::Deadline,
        Choice::Select,
        Choice::Victim,
    ];

    struct Last(Mutex<Vec<(Choice, usize)>>);

    impl Driver for &'static Last {
        fn choose(&self, choice: Choice, n: usize) -> usize {
            self.0.lock().unwrap().push((choice, n));
            n - 1
        }
    }

    #[test]
    fn in_production_only_victims_and_selections_are_drawn() {
        let seam = Arc::new(Seam::new());
        let worker = WorkerSeam::new(seam.clone(), 0);
        let mut drawn = HashSet::new();
        for _ in 0..200 {
            for choice in ALL {
                let chosen = worker.choose(choice, 4);
                if matches!(choice, Choice::Victim | Choice::Select) {
                    drawn.insert((choice, chosen));
                } else {
                    assert_eq!(chosen, 0);
                }
            }
        }
        assert_eq!(drawn.len(), 2 * 4);
        assert_eq!(worker.choose(Choice::Victim, 0), 0);
    }

    #[test]
    fn a_driver_makes_every_choice_that_is_one() {
        static LOG: Last = Last(Mutex::new(Vec::new()));
        let seam = Arc::new(Seam::with(Clock::new_virtual(), 7, Some(Box::new(&LOG))));
        assert!(seam.is_driven());
        let worker = WorkerSeam::new(seam.clone(), 0);
        for choice in ALL {
            assert_eq!(worker.choose(choice, 1), 0, "one candidate is no choice");
            assert_eq!(worker.choose(choice, 3), 2);
        }
        assert_eq!(LOG.0.lock().unwrap().len(), ALL.len());
    }

    #[test]
    fn equal_seeds_draw_equal_victims_and_workers_differ() {
        let draw = |seed, worker| {
            let seam = Arc::new(Seam::with(Clock::System, seed, None));
            let worker = WorkerSeam::new(seam, worker);
            (0..32)
                .map(|_| worker.choose(Choice::Victim, 1000))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
        assert_ne!(draw(1, 0), draw(2, 0));
    }

    #[test]
    fn ids_are_unique_over_workers_and_threads_and_never_zero() {
        let seam = Arc::new(Seam::new());
        let workers: Vec<_> = (0..3).map(|w| WorkerSeam::new(seam.clone(), w)).collect();
        let mut seen = HashSet::new();
        for _ in 0..3000 {
            for worker in &workers {
                assert!(seen.insert(worker.next_id()));
            }
            assert!(seen.insert(seam.next_id()));
        }
        assert!(!seen.contains(&0));
    }
}
