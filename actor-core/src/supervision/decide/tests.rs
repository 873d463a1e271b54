//! The rules, one table or story each. Numbers are those of the list of OTP's rules that the machine follows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::supervision::intensity::Intensity;
use crate::supervision::spec::{Policy, Restart, Shutdown};
use Restart::{Permanent, Temporary, Transient};

mod calls;
mod restarts;
mod stops;

const SECOND: Duration = Duration::from_secs(1);

/// A decider, a clock, and short ways to say things. Calls are numbered by hand.
pub(super) struct Rig {
    decider: Decider<u32>,
    now: Instant,
}

fn crash() -> ExitReason {
    ExitReason::Panicked("boom".into())
}

fn policy(id: &str, restart: Restart) -> Policy {
    Policy {
        id: id.into(),
        restart,
        shutdown: Shutdown::DEFAULT,
        significant: false,
        backoff: None,
    }
}

fn id(id: &str) -> Target {
    Target::Id(id.into())
}

fn reply(to: u32, result: Result<Outcome, ChildError>) -> Action<u32> {
    Action::Reply { to, result }
}

fn start((child, incarnation): (ChildKey, Incarnation)) -> Action<u32> {
    Action::Start { child, incarnation }
}

fn failed(name: &str, reason: ExitReason) -> ChildError {
    ChildError::StartFailed {
        id: Arc::from(name),
        reason,
    }
}

impl Rig {
    fn new(restarts: u32) -> Self {
        Self::with(restarts, Strategy::OneForOne, AutoShutdown::Never)
    }

    fn with(restarts: u32, strategy: Strategy, auto_shutdown: AutoShutdown) -> Self {
        let settings = Settings {
            strategy,
            intensity: Intensity::new(restarts, 10 * SECOND).unwrap(),
            auto_shutdown,
            ..Settings::default()
        };
        Self {
            decider: Decider::new(settings),
            now: Instant::now(),
        }
    }

    /// Everything the machine answers, reports included.
    fn all(&mut self, input: Input<u32>) -> Vec<Action<u32>> {
        let mut out = Vec::new();
        self.decider.handle(self.now, input, &mut out);
        out
    }

    /// What it orders and answers, without the reports.
    fn tell(&mut self, input: Input<u32>) -> Vec<Action<u32>> {
        let mut out = self.all(input);
        out.retain(|action| !matches!(action, Action::Report(_)));
        out
    }

    fn reports(&mut self, input: Input<u32>) -> Vec<What> {
        let reports = self
            .all(input)
            .into_iter()
            .filter_map(|action| match action {
                Action::Report(report) => Some(report.what),
                _ => None,
            });
        reports.collect()
    }

    fn request(&mut self, policy: Policy, to: u32) -> (ChildKey, Vec<Action<u32>>) {
        let child = self.decider.new_key();
        (child, self.tell(Input::StartChild { child, policy, to }))
    }

    /// A child that runs.
    fn child(&mut self, policy: Policy) -> (ChildKey, Incarnation) {
        let (child, _) = self.request(policy, 0);
        let incarnation = Incarnation(1);
        assert_eq!(
            self.tell(Input::Started { child, incarnation }),
            [reply(0, Ok(Outcome::Started { child, incarnation }))]
        );
        (child, incarnation)
    }

    fn exited(
        &mut self,
        (child, incarnation): (ChildKey, Incarnation),
        reason: ExitReason,
    ) -> Vec<Action<u32>> {
        self.tell(Input::Exited {
            child,
            incarnation,
            reason,
        })
    }

    fn started(&mut self, (child, incarnation): (ChildKey, Incarnation)) -> Vec<Action<u32>> {
        self.tell(Input::Started { child, incarnation })
    }

    fn start_failed(&mut self, (child, incarnation): (ChildKey, Incarnation)) -> Vec<Action<u32>> {
        self.tell(Input::StartFailed {
            child,
            incarnation,
            reason: crash(),
        })
    }

    fn phase(&self, child: ChildKey) -> Option<Phase> {
        self.decider
            .list()
            .find(|it| it.child == child)
            .map(|it| it.phase)
    }

    fn ask_stop(&self, (child, incarnation): (ChildKey, Incarnation)) -> Action<u32> {
        Action::Stop {
            child,
            incarnation,
            how: How::Ask,
            deadline: Some(self.now + 5 * SECOND),
        }
    }
}

fn next((child, incarnation): (ChildKey, Incarnation)) -> (ChildKey, Incarnation) {
    (child, incarnation.next())
}
