//! Runs a test body many times, each time differently.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use crate::rt::runtime::{self, BuildError};
use crate::rt::task;
use crate::rt::wait;
use crate::sys::clock::Clock;
use crate::sys::seam::Seam;
use crate::system::System;

use super::director::{Director, Handle, Outcome};
use super::failure::{Failure, Reason};
use super::faults::{Armed, Faults};
use super::policy::{Decider, Path, Pct, Policy};
use super::trace::Hash;

/// Stacks of a run. Only touched pages cost memory, and assertions format.
const STACK_SIZE: usize = 256 * 1024;
/// What is left of a run has so much virtual time to stop,
const STOP_WITHIN: Duration = Duration::from_secs(60);
/// and so much of the machine's to be unwound.
const UNWIND_WITHIN: Duration = Duration::from_secs(5);

/// Runs a test body under the seeded scheduler, many times. See the [module](super).
///
/// ```
/// use actor_core::testing::{Explorer, Policy};
/// use actor_core::microthread;
///
/// let report = Explorer::new()
///     .iterations(50)
///     .policy(Policy::Pct { depth: 2 })
///     .run(|sys| {
///         let one = sys.spawn_microthread(|| 1).unwrap();
///         let two = microthread::spawn(|| 2);
///         assert_eq!(one.join().unwrap() + two.join().unwrap(), 3);
///     })?;
/// assert_eq!(report.runs, 50);
/// # Ok::<(), actor_core::testing::Failure>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "an explorer does nothing until `run` or `check`"]
pub struct Explorer {
    seed: u64,
    iterations: u64,
    policy: Policy,
    faults: Faults,
    max_steps: u64,
    switch_points: bool,
    hold_limit: Duration,
}

impl Default for Explorer {
    fn default() -> Self {
        Self::new()
    }
}

/// What an [`Explorer`] has done without finding a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// How many runs there were.
    pub runs: u64,
    /// The most steps one of them took.
    pub max_steps: u64,
    /// Whether there is no other run: [`Policy::Exhaustive`] has tried every choice.
    pub complete: bool,
    /// A hash of the traces of all runs, in order.
    pub hash: u64,
}

impl Report {
    fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.max_steps = self.max_steps.max(outcome.trace.steps);
        let mut hash = Hash(self.hash);
        hash.word(outcome.trace.hash);
        self.hash = hash.0;
    }
}

impl Explorer {
    /// 100 runs with the seeds 0 to 99, each choice at random, no faults.
    pub fn new() -> Self {
        Explorer {
            seed: 0,
            iterations: 100,
            policy: Policy::Random,
            faults: Faults::none(),
            max_steps: 100_000,
            switch_points: true,
            hold_limit: Duration::from_secs(10),
        }
    }

    /// The seed of the first run; each further run takes the next number. Default: 0, so that a test does the same each time.
    ///
    /// The environment variable `ACTOR_SEED` goes before this: then there is one run, with that seed.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many runs, unless one fails. Of no consequence to [`Policy::Exhaustive`], which has its own limit. Default: 100.
    pub fn iterations(mut self, runs: u64) -> Self {
        self.iterations = runs;
        self
    }

    /// How choices are made. Default: [`Policy::Random`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// What goes wrong. Default: nothing.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// A run with more steps (of a microthread up to its next wait, of an actor with one message) fails with
    /// [`Reason::StepLimit`]. Default: 100,000.
    pub fn max_steps(mut self, steps: u64) -> Self {
        self.max_steps = steps;
        self
    }

    /// Whether others may run after each message sent and each microthread spawned, as they may on several workers, and not
    /// only where the caller waits. Default: yes.
    ///
    /// To be switched off for code that sends or spawns with a `std` lock held: others that want the lock would block the only
    /// thread. (The lock belongs to no microthread; it is a mistake under the ordinary scheduler too, where a full mailbox waits.)
    pub fn switch_points(mut self, on: bool) -> Self {
        self.switch_points = on;
        self
    }

    /// A run in which code holds the thread for longer than this, by the machine's clock, fails with [`Reason::Stuck`].
    /// Default: 10 s.
    pub fn hold_limit(mut self, limit: Duration) -> Self {
        self.hold_limit = limit;
        self
    }

    /// Runs `body`, as the first microthread (called `main`) of a fresh system each time. A run is over when its body returns:
    /// what is left then is stopped, or killed. A microthread or an actor that panics fails the run only if the body finds out
    /// and panics too, as with `join().unwrap()`.
    ///
    /// # Errors
    /// The first [`Failure`], after it has been replayed once.
    ///
    /// # Panics
    /// If `ACTOR_SEED` is set and not a number, or the system refuses a thread.
    pub fn run(&self, body: impl Fn(&System) + Send + Sync + 'static) -> Result<Report, Failure> {
        let body: Body = Arc::new(body);
        let only = seed_from_environment();
        match self.policy {
            Policy::Random => self.run_seeds(&body, only, |seed| {
                Decider::Random(fastrand::Rng::with_seed(seed))
            }),
            Policy::Pct { depth } => {
                // A function of the program, so a replay finds the same.
                let steps = self.run_once(&body, 0, Decider::First).trace.steps;
                self.run_seeds(&body, only, |seed| {
                    Decider::Pct(Pct::new(seed, depth, steps))
                })
            }
            Policy::Exhaustive {
                max_runs,
                max_depth,
            } => self.run_paths(&body, only, max_runs, Path::new(max_depth)),
        }
    }

    /// As [`run`](Self::run), for a test.
    ///
    /// # Panics
    /// With the failure's text: what went wrong, the seed, the end of the trace, and how to replay it. And as
    /// [`run`](Self::run).
    #[track_caller]
    pub fn check(&self, body: impl Fn(&System) + Send + Sync + 'static) {
        if let Err(failure) = self.run(body) {
            panic!("{failure}");
        }
    }

    fn run_seeds(
        &self,
        body: &Body,
        only: Option<u64>,
        decider: impl Fn(u64) -> Decider,
    ) -> Result<Report, Failure> {
        let mut report = Report::default();
        let (first, runs) = only.map_or((self.seed, self.iterations), |seed| (seed, 1));
        for run in 0..runs {
            let seed = first.wrapping_add(run);
            let outcome = self.run_once(body, seed, decider(seed));
            report.add(&outcome);
            if let Some(reason) = outcome.reason.clone() {
                return Err(self.failed(body, (seed, seed), outcome, reason, decider(seed)));
            }
        }
        Ok(report)
    }

    fn run_paths(
        &self,
        body: &Body,
        only: Option<u64>,
        max_runs: u64,
        mut path: Path,
    ) -> Result<Report, Failure> {
        let mut report = Report::default();
        while report.runs < max_runs && only.is_none_or(|only| report.runs <= only) {
            let number = report.runs;
            let outcome = self.run_once(body, self.seed, Decider::Path(path));
            report.add(&outcome);
            let Decider::Path(taken) = outcome.decider.clone() else {
                unreachable!("a run keeps its decider");
            };
            let strayed = taken.strayed;
            let again = Decider::Path(taken.clone().again());
            let mut reason = outcome.reason.clone();
            if strayed {
                reason = Some(Reason::TraceMismatch {
                    first: Box::new(reason.unwrap_or(Reason::Panic {
                        message: "a recorded choice had another number of candidates".into(),
                    })),
                    again: None,
                    hash: outcome.trace.hash,
                });
            }
            if let Some(reason) = reason
                && only.is_none_or(|only| only == number)
            {
                return Err(self.failed(body, (number, self.seed), outcome, reason, again));
            }
            path = taken;
            if !path.advance() {
                report.complete = true;
                break;
            }
        }
        Ok(report)
    }

    /// Replays a failed run once, and says what came of it.
    fn failed(
        &self,
        body: &Body,
        (shown, seed): (u64, u64),
        outcome: Outcome,
        reason: Reason,
        decider: Decider,
    ) -> Failure {
        let (mut failure, trace) = (
            Failure {
                seed: shown,
                policy: self.policy,
                reason: reason.clone(),
                trace: Box::new(outcome.trace),
            },
            // A run that held its thread has left it behind, and is not one to be repeated.
            (!matches!(reason, Reason::Stuck { .. } | Reason::TraceMismatch { .. }))
                .then(|| self.run_once(body, seed, decider)),
        );
        if let Some(again) = trace
            && (again.trace.hash != failure.trace.hash || again.reason.as_ref() != Some(&reason))
        {
            failure.reason = Reason::TraceMismatch {
                first: Box::new(reason),
                again: again.reason.map(Box::new),
                hash: again.trace.hash,
            };
        }
        failure
    }

    fn run_once(&self, body: &Body, seed: u64, decider: Decider) -> Outcome {
        match self.try_run(body, seed, decider) {
            Ok(outcome) => outcome,
            Err(error) => panic!("the seeded scheduler could not start: {error}"),
        }
    }

    fn try_run(&self, body: &Body, seed: u64, decider: Decider) -> Result<Outcome, BuildError> {
        let clock = Clock::new_virtual();
        let faults = Armed::new(&self.faults, seed);
        let director = Director::new(
            decider,
            faults,
            clock.clone(),
            self.max_steps,
            self.switch_points,
        );
        let seam = Seam::with(clock, seed, Some(Box::new(Handle(director.clone()))));
        let runtime = runtime::Builder::new()
            .workers(1)
            .spare_workers(0)
            .stack_size(STACK_SIZE)
            .thread_name("seeded")
            .build_with(seam)?;
        let core = runtime.core().clone();
        assert!(core.conductor.set(director.clone()).is_ok(), "set once");
        director.listen(core.events.subscribe_with(usize::MAX / 2));
        let sys = System::over(runtime);
        let options = task::Options {
            name: Some("main".into()),
            ..task::Options::default()
        };
        let main = {
            let (body, ended) = (body.clone(), End(director.clone()));
            let inner = System::of_host(sys.host());
            move || {
                let result = panic::catch_unwind(AssertUnwindSafe(|| body(&inner)));
                ended.0.body_ended(result);
                if let Some(deadline) = wait::after(STOP_WITHIN) {
                    let _ = inner.host().stop_all(deadline);
                }
            }
        };
        // It can only be refused at the stack limit or during a shutdown.
        drop(task::spawn(&core, options, main).expect("the first microthread"));
        let mut patience = UNWIND_WITHIN;
        if !director.wait(self.hold_limit) {
            patience = Duration::ZERO;
            let who = core
                .workers()
                .find_map(|worker| worker.inspect(crate::rt::header::Header::who));
            director.close(Some(Reason::Stuck {
                who,
                held: self.hold_limit,
            }));
        }
        core.stop();
        match runtime::shut_down(&core, patience) {
            Ok(report) if report.is_clean() => drop(sys),
            // Its thread is held, or a stack could not be unwound: it would be waited for once more.
            _ => std::mem::forget(sys),
        }
        Ok(director.outcome())
    }
}

type Body = Arc<dyn Fn(&System) + Send + Sync>;

/// Tells the director that the body is gone, however that came.
struct End(Arc<Director>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn seed_from_environment() -> Option<u64> {
    let text = std::env::var("ACTOR_SEED").ok()?;
    match text.parse() {
        Ok(seed) => Some(seed),
        Err(error) => panic!("ACTOR_SEED={text:?} is not a seed: {error}"),
    }
}
