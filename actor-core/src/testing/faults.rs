//! Faults: what goes wrong in a run although the code is right.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use crate::observe::Who;
use crate::rt::worker::Verdict;

/// Something that goes wrong. See [`Faults`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// It panics: a handler as it begins or where it waits, a microthread where it waits.
    Panic,
    /// It is killed, likewise.
    Kill,
    /// It is not run for so long, although it is ready.
    Delay(Duration),
    /// The clock jumps forward by so much; everything is late.
    ClockJump(Duration),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Panic => f.write_str("panic"),
            Fault::Kill => f.write_str("kill"),
            Fault::Delay(by) => write!(f, "delay by {by:?}"),
            Fault::ClockJump(by) => write!(f, "clock jump by {by:?}"),
        }
    }
}

/// When a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum When {
    /// The n-th time the target is about to run; the first is 1.
    Turn(u64),
    /// The first time the target is about to run in the n-th step of the run or later.
    Step(u64),
    /// Each time the target is about to run with a probability of one in n.
    OneIn(u32),
}

/// Which faults are injected into a run, and when.
///
/// A target is named by the name of an actor or microthread, or by the actor's type. A fault strikes when the target is about
/// to run. (A microthread that has not started, and has panicked or been killed, has not run at all.)
///
/// ```
/// use actor_core::testing::{Faults, When};
/// use std::time::Duration;
///
/// let faults = Faults::none()
///     .panic("Ledger", When::Turn(3))
///     .kill("session", When::OneIn(20))
///     .clock_jump(Duration::from_secs(60), When::Step(50))
///     .at_most(4);
/// # let _ = faults;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[must_use = "faults are given to an explorer"]
pub struct Faults {
    plans: Vec<Plan>,
    at_most: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    fault: Fault,
    /// `None`: whoever runs.
    target: Option<String>,
    when: When,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    fn plan(mut self, fault: Fault, target: Option<String>, when: When) -> Self {
        self.plans.push(Plan {
            fault,
            target,
            when,
        });
        self
    }

    /// The target panics.
    pub fn panic(self, target: impl Into<String>, when: When) -> Self {
        self.plan(Fault::Panic, Some(target.into()), when)
    }

    /// The target is killed.
    pub fn kill(self, target: impl Into<String>, when: When) -> Self {
        self.plan(Fault::Kill, Some(target.into()), when)
    }

    /// The target is kept from running for so much virtual time.
    pub fn delay(self, target: impl Into<String>, by: Duration, when: When) -> Self {
        self.plan(Fault::Delay(by), Some(target.into()), when)
    }

    /// The clock jumps when anybody is about to run.
    pub fn clock_jump(self, by: Duration, when: When) -> Self {
        self.plan(Fault::ClockJump(by), None, when)
    }

    /// In each run at most so many faults. Without this, as many as the conditions say.
    pub fn at_most(mut self, faults: u64) -> Self {
        self.at_most = Some(faults);
        self
    }
}

/// The faults of one run.
#[derive(Debug)]
pub(super) struct Armed {
    plans: Vec<(Plan, State)>,
    left: u64,
    rng: Rng,
}

#[derive(Debug, Default)]
struct State {
    turns: u64,
    done: bool,
}

impl Armed {
    pub(super) fn new(faults: &Faults, seed: u64) -> Self {
        let plans = faults.plans.iter().cloned();
        Armed {
            plans: plans.map(|plan| (plan, State::default())).collect(),
            left: faults.at_most.unwrap_or(u64::MAX),
            // Another stream than that of the choices.
            rng: Rng::with_seed(seed ^ 0x5eed_fa17),
        }
    }

    /// The fault that strikes `who`, which is about to run in step `step`.
    pub(super) fn strike(&mut self, who: &Who, step: u64) -> Option<Fault> {
        let mut struck = None;
        for (plan, state) in &mut self.plans {
            let meant = |target: &String| {
                who.label == target || who.name.as_deref() == Some(target.as_str())
            };
            if !plan.target.as_ref().is_none_or(meant) {
                continue;
            }
            state.turns += 1;
            // Drawn whether it counts or not, so that one plan does not shift the draws of another.
            let now = match plan.when {
                When::Turn(turn) => state.turns == turn,
                When::Step(at) => step >= at && !state.done,
                When::OneIn(n) => self.rng.u32(..n.max(1)) == 0,
            };
            if now && struck.is_none() && self.left > 0 {
                state.done = true;
                self.left -= 1;
                struck = Some(plan.fault);
            }
        }
        struck
    }
}

impl Fault {
    pub(super) fn verdict(self) -> Verdict {
        match self {
            Fault::Panic => Verdict::Panic,
            Fault::Kill => Verdict::Kill,
            Fault::Delay(by) => Verdict::Hold(by),
            Fault::ClockJump(_) => Verdict::Run,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_its_target_at_its_turn_and_no_more_often_than_allowed() {
        let faults = Faults::none()
            .kill("a", When::Turn(2))
            .panic("B", When::OneIn(1));
        let mut armed = Armed::new(&faults.at_most(2), 0);
        let a = Who::new(1, "A", Some("a".into()));
        let b = Who::new(2, "B", None);
        let struck: Vec<_> = [&a, &b, &a, &a, &b]
            .into_iter()
            .map(|who| armed.strike(who, 1))
            .collect();
        let (kill, panic) = (Some(Fault::Kill), Some(Fault::Panic));
        assert_eq!(struck, [None, panic, kill, None, None]);
    }
}
