//! How choices are made: at random, by random priorities, or all of them in turn.
//!
//! # Random
//! Each choice is uniform among its candidates. Good at shallow bugs in small programs; a bug that needs one microthread to be
//! overtaken many times in a row becomes exponentially unlikely.
//!
//! # PCT
//! Probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi and Nagarakatte, ASPLOS 2010). Each actor and microthread gets
//! a random priority when it is first seen, above all of 1 to d - 1, and the ready one of the highest priority runs. At d - 1 steps,
//! drawn before the run out of the k steps it is expected to take, the one that is about to run falls to priority d - 1, d - 2, and
//! so on down to 1. A bug of depth d, i.e. one that d orderings between steps bring about, is found in a run of n actors and
//! microthreads with a probability of at least `1/(n k^(d-1))`, whatever else the program does. Here k is the length of one run that
//! makes the first choice everywhere. One that gives way by itself falls below all others, as it waits for one of them; choices other
//! than who runs next are uniform.
//!
//! # Exhaustive
//! Depth first over the tree of choices: a run follows the recorded prefix, then takes the first candidate everywhere; after it the
//! last choice that has another candidate takes that, and what follows is forgotten. As those that give way go behind all others
//! (`rt::worker`), a path that only takes the first ends even if the program polls.
//!
//! # Seeded faults
//! | fault                     | what it breaks                                | caught by                                               |
//! |---------------------------|-----------------------------------------------|---------------------------------------------------------|
//! | `policy_pct_no_change`    | no priority falls at a change                 | `pct_changes_its_mind_up_to_depth_less_one_times`       |
//! | `policy_pct_no_yield`     | one that gives way keeps its priority         | `pct_lets_others_run_when_one_gives_way`                |
//! | `policy_path_stops_short` | the last candidate of a choice is left out    | `paths_visit_every_leaf_once`                           |

use std::collections::BTreeMap;
use std::fmt;

use fastrand::Rng;

use crate::rt::worker::Candidate;
use crate::sys::fault::fault;

/// How the choices of a run are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Policy {
    /// Each uniformly among its candidates.
    #[default]
    Random,
    /// Probabilistic concurrency testing: random priorities, which change at `depth - 1` random steps. Finds a bug that takes
    /// `depth` orderings with a known least probability; 2 or 3 is enough for most.
    Pct {
        /// How many orderings the bug takes. At least 1.
        depth: u32,
    },
    /// All of them, one run each, depth first: a proof if it comes to its end
    /// ([`Report::complete`](super::Report::complete)). For small programs.
    Exhaustive {
        /// At most so many runs.
        max_runs: u64,
        /// In each run at most so many choices are varied; those after take the first candidate.
        max_depth: usize,
    },
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::Random => f.write_str("random"),
            Policy::Pct { depth } => write!(f, "PCT of depth {depth}"),
            Policy::Exhaustive { .. } => f.write_str("exhaustive"),
        }
    }
}

/// Makes the choices of one run.
#[derive(Clone, Debug)]
pub(super) enum Decider {
    /// The first candidate always.
    First,
    Random(Rng),
    Pct(Pct),
    Path(Path),
}

impl Decider {
    /// Which of `n`, more than one.
    pub(super) fn choose(&mut self, n: usize) -> usize {
        match self {
            Decider::First => 0,
            Decider::Random(rng) => rng.usize(..n),
            Decider::Pct(pct) => pct.rng.usize(..n),
            Decider::Path(path) => path.take(n),
        }
    }

    /// Which runs next. At least one candidate.
    pub(super) fn next(&mut self, candidates: &[Candidate]) -> usize {
        match self {
            Decider::Pct(pct) => pct.next(candidates),
            _ if candidates.len() == 1 => 0,
            other => other.choose(candidates.len()),
        }
    }
}

/// The state of [`Policy::Pct`].
#[derive(Clone, Debug)]
pub(super) struct Pct {
    rng: Rng,
    depth: u32,
    /// Steps at which a priority falls, ascending, and to what.
    changes: Vec<(u64, u64)>,
    step: u64,
    priorities: BTreeMap<u64, Priority>,
    /// Counts those who gave way.
    lowered: i64,
}

/// Higher runs first. Negative: gave way.
type Priority = i64;

impl Pct {
    /// `steps`: how many the run is expected to take.
    pub(super) fn new(seed: u64, depth: u32, steps: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let depth = depth.max(1);
        let mut at: Vec<u64> = (1..depth).map(|_| rng.u64(1..=steps.max(1))).collect();
        at.sort_unstable();
        let changes = at.into_iter().zip((1..u64::from(depth)).rev()).collect();
        Pct {
            rng,
            depth,
            changes,
            step: 0,
            priorities: BTreeMap::new(),
            lowered: 0,
        }
    }

    fn next(&mut self, candidates: &[Candidate]) -> usize {
        self.step += 1;
        for candidate in candidates {
            if candidate.yielded && !fault!("policy_pct_no_yield") {
                self.lowered += 1;
                self.priorities.insert(candidate.id, -self.lowered);
            } else {
                let (rng, least) = (&mut self.rng, i64::from(self.depth));
                self.priorities
                    .entry(candidate.id)
                    .or_insert_with(|| rng.i64(least..i64::MAX));
            }
        }
        let first = self.highest(candidates);
        match self.changes.first() {
            Some((at, to)) if *at <= self.step && !fault!("policy_pct_no_change") => {
                let lowered = i64::try_from(*to).unwrap_or(1);
                self.priorities.insert(candidates[first].id, lowered);
                self.changes.remove(0);
                self.highest(candidates)
            }
            _ => first,
        }
    }

    fn highest(&self, candidates: &[Candidate]) -> usize {
        // The first of equals, which are none but those without an id.
        let priority = |at: &usize| (self.priorities[&candidates[*at].id], usize::MAX - at);
        (0..candidates.len()).max_by_key(priority).unwrap_or(0)
    }
}

/// The state of [`Policy::Exhaustive`]: a path down the tree of choices.
#[derive(Clone, Debug, Default)]
pub(super) struct Path {
    /// What was taken, and of how many.
    taken: Vec<(usize, usize)>,
    at: usize,
    max_depth: usize,
    /// The prefix did not fit: the program is not a function of the choices.
    pub(super) strayed: bool,
}

impl Path {
    pub(super) fn new(max_depth: usize) -> Self {
        Path {
            max_depth,
            ..Path::default()
        }
    }

    fn take(&mut self, n: usize) -> usize {
        let at = self.at;
        self.at += 1;
        match self.taken.get(at) {
            Some((taken, of)) if *of == n => *taken,
            Some(_) => {
                self.strayed = true;
                0
            }
            None => {
                if at < self.max_depth && !self.strayed {
                    self.taken.push((0, n));
                }
                0
            }
        }
    }

    /// From the beginning, the same way.
    pub(super) fn again(mut self) -> Self {
        (self.at, self.strayed) = (0, false);
        self
    }

    /// The next path. `false`: there is none.
    pub(super) fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some((taken, of)) = self.taken.pop() {
            if taken + 1 + usize::from(fault!("policy_path_stops_short")) < of {
                self.taken.push((taken + 1, of));
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(ids: &[u64]) -> Vec<Candidate> {
        let of = |id: &u64| Candidate {
            id: *id,
            yielded: false,
        };
        ids.iter().map(of).collect()
    }

    #[test]
    fn paths_visit_every_leaf_once() {
        // 3 ways, and below the second of them 2 more.
        let mut path = Path::new(100);
        let mut leaves = Vec::new();
        loop {
            let first = path.take(3);
            let second = (first == 1).then(|| path.take(2));
            leaves.push((first, second));
            if !path.advance() {
                break;
            }
        }
        let all = [(0, None), (1, Some(0)), (1, Some(1)), (2, None)];
        assert_eq!(leaves, all);
    }

    #[test]
    fn pct_changes_its_mind_up_to_depth_less_one_times() {
        let list = candidates(&[1, 2, 3]);
        let switches = |seed| {
            let mut pct = Pct::new(seed, 3, 50);
            let order: Vec<_> = (0..60).map(|_| pct.next(&list)).collect();
            order.windows(2).filter(|pair| pair[0] != pair[1]).count()
        };
        let most = (0..200).map(switches).max();
        assert_eq!(most, Some(2));
    }

    #[test]
    fn pct_lets_others_run_when_one_gives_way() {
        let mut pct = Pct::new(5, 1, 10);
        let mut list = candidates(&[1, 2]);
        let first = pct.next(&list);
        list[first].yielded = true;
        assert_ne!(pct.next(&list), first);
    }
}
