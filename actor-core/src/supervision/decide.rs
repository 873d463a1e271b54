//! The supervisor's decisions, as a pure and deterministic state machine.
//!
//! # Terms
//! * A **child** is a spec with a place in the start order; its **incarnations** are its lives, one after another.
//! * A **plan** is what the supervisor is busy with: children to stop, one at a time, then children to start, one at a
//!   time, and what it is all for (its **purpose**). Every operation is a plan, even one with a single step.
//! * The **step** is the one stop or start that has been ordered and not yet answered.
//! * The **line** holds inputs that arrived during a plan, in order of arrival.
//!
//! # States of a child
//! ```text
//!               order Start           Started                      order Stop
//!   Stopped ───────────────▶ Starting ────────▶ Running ─────────────────────────▶ Stopping
//!      ▲ ▲                   │   ▲  │              │  Exited, to be started again     │
//!      │ └────── Ignored ────┤   │  └──────────────┼─▶ Starting (next incarnation)    │ Exited
//!      │ └─ StartFailed ─────┘   │ Retry           │                                  │
//!      │      by hand            │                 │ Exited, and not                  │
//!      │                     Restarting ◀── StartFailed in an automatic restart       │
//!      │   Terminate ────────────┘                 │                                  │
//!      └───────────────────────────────────────────┴──────────────────────────────────┘
//! ```
//! A *temporary* child is forgotten instead of entering Stopped.
//!
//! # Steps of an input
//! 1. If it answers the current step, the step is done and the plan goes on.
//! 2. Else, if it is about some step (`Started`, `StartFailed`, `Ignored`, `Overdue`, `Endless`) it is stale: dropped.
//! 3. Else, if there is a plan, it joins the line. An exit that joins the line is noted at its child, so that a stop of
//!    that child which comes first finds it already dead (and swallows the exit, which is stale when its turn comes).
//! 4. Else it is acted upon: refused, or answered, or made into a plan whose first step is ordered at once.
//! 5. While there is no plan, the head of the line is taken as in 4.
//!
//! # Why nothing is lost, and nothing runs twice
//! * *At most one incarnation of a child lives.* `Start` is ordered only in Stopped, Restarting and, for the next
//!   incarnation, on the exit of the running one. All of these are reached only by an input that says that the last
//!   incarnation is gone (`Exited`, `StartFailed`, `Ignored`), matched by number. Numbers never repeat, so a stale input
//!   matches nothing.
//! * *Every call is answered exactly once.* Its reply token is moved: into the line, into a plan's purpose, into a
//!   `Reply`. A plan is only ever replaced by one that carries its token on. When the supervisor ends, the tokens in the
//!   line are answered with `ShuttingDown`, as is every later call.
//! * *No child survives its supervisor.* `GiveUp` and `Finish` come only from a plan whose stops are all of the living.
//!   A supervisor that is killed has no plan: its driver kills all of [`Decider::living`] and waits for none of them.
//!
//! # Departures from OTP
//! * A listing or a count is answered from the present state, even in the middle of a plan; in OTP it waits in line.
//! * Calls that arrive once the supervisor is on its way out are refused at once and not left to fail with its death.
//! * An exit that arrives before `Started` is a failed start; OTP cannot see that order.

mod plan;
mod table;
mod types;

#[cfg(test)]
mod props;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::error::ChildError;
use super::intensity::{Charge, Window};
use super::settings::{AutoShutdown, Settings, Strategy};
use super::spec::{Policy, Restart, SpecError};
use crate::actor::ExitReason;

use plan::{Plan, Purpose};

pub(crate) use types::{
    Action, Awaits, ChildInfo, ChildKey, Counts, How, Incarnation, Input, Outcome, Phase, Report,
    Target, What,
};

#[derive(Debug)]
struct Child {
    policy: Policy,
    phase: Phase,
    /// The current incarnation, or the last one, or [`Incarnation::NONE`].
    incarnation: Incarnation,
    /// The exit of the running incarnation, while it waits in line.
    noted: Option<ExitReason>,
    /// When the incarnation was started.
    since: Option<Instant>,
    /// Automatic restarts in a row, for the back-off.
    row: u32,
}

impl Child {
    fn lives_as(&self, incarnation: Incarnation) -> bool {
        self.phase == Phase::Running && self.incarnation == incarnation
    }
}

/// The deciding half of a supervisor. See the [module](self) for how it works.
#[derive(Debug)]
pub(crate) struct Decider<T> {
    settings: Settings,
    window: Window,
    rng: fastrand::Rng,
    /// In start order.
    children: BTreeMap<ChildKey, Child>,
    /// Only looked up, never iterated: its order would not be deterministic.
    ids: HashMap<Arc<str>, ChildKey>,
    next_key: u64,
    /// Children that the restart under way, or the next attempt of it, is to start: their actors are kept.
    due: BTreeSet<ChildKey>,
    plan: Option<Plan<T>>,
    line: VecDeque<Input<T>>,
    ended: bool,
}

type Out<'a, T> = &'a mut Vec<Action<T>>;

impl<T> Decider<T> {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            window: Window::new(settings.intensity),
            rng: fastrand::Rng::with_seed(0),
            children: BTreeMap::new(),
            ids: HashMap::new(),
            next_key: 0,
            due: BTreeSet::new(),
            plan: None,
            line: VecDeque::new(),
            ended: false,
        }
    }

    /// From what the jitter of delays is drawn.
    pub(crate) fn seed(&mut self, seed: u64) {
        self.rng = fastrand::Rng::with_seed(seed);
    }

    /// A key for a child about to be added. Keys must be fed in the order in which they were made. The driver files the
    /// factory under it; `Forget` says when to drop that, also if the child is refused.
    pub(crate) fn new_key(&mut self) -> ChildKey {
        self.next_key += 1;
        ChildKey(self.next_key)
    }

    /// Whether an operation is under way, so that calls would only join the line.
    pub(crate) fn is_busy(&self) -> bool {
        self.plan.is_some()
    }

    /// Takes one input, made at `now`, and appends to `out` what to do about it.
    pub(crate) fn handle(&mut self, now: Instant, input: Input<T>, out: Out<'_, T>) {
        if self.ended {
            refuse(input, out);
            return;
        }
        let Some(input) = self.answer_step(now, input, out) else {
            return self.take_line(now, out);
        };
        match input {
            Input::Started { .. }
            | Input::StartFailed { .. }
            | Input::Ignored { .. }
            | Input::Overdue { .. }
            | Input::Endless { .. } => {}
            input if self.is_busy() => self.join_line(input, out),
            input => self.act(now, input, out),
        }
        self.take_line(now, out);
    }

    fn take_line(&mut self, now: Instant, out: Out<'_, T>) {
        while self.plan.is_none() && !self.ended {
            let Some(input) = self.line.pop_front() else {
                return;
            };
            self.act(now, input, out);
        }
    }

    fn join_line(&mut self, input: Input<T>, out: Out<'_, T>) {
        if self.is_leaving() && !matches!(input, Input::Exited { .. }) {
            refuse(input, out);
            return;
        }
        if let Input::Exited {
            child,
            incarnation,
            reason,
        } = &input
        {
            match self.children.get_mut(child) {
                Some(found) if found.lives_as(*incarnation) => found.noted = Some(reason.clone()),
                _ => return, // stale
            }
        }
        self.line.push_back(input);
    }

    /// Takes a call out of the line, as if it had not been made. Nothing, if it is not there.
    pub(crate) fn withdraw(&mut self, is: impl Fn(&T) -> bool, out: Out<'_, T>) {
        let at = self.line.iter().position(|it| it.caller().is_some_and(&is));
        let withdrawn = at.and_then(|at| self.line.remove(at));
        if let Some(Input::StartChild { child, .. }) = withdrawn {
            out.push(Action::Forget { child });
        }
    }

    // ---- acting on an input when there is no plan -------------------------------------------------------------------

    fn act(&mut self, now: Instant, input: Input<T>, out: Out<'_, T>) {
        match input {
            Input::Boot { children, to } => self.boot(now, children, to, out),
            Input::StartChild { child, policy, to } => {
                if let Err(error) = self.settings.check(&policy) {
                    out.push(Action::Forget { child });
                    out.push(Action::Reply {
                        to,
                        result: Err(error.into()),
                    });
                    return;
                }
                if let Some(&present) = self.ids.get(&policy.id) {
                    let stopped = self.children[&present].phase == Phase::Stopped;
                    let error = if stopped {
                        ChildError::AlreadyPresent
                    } else {
                        ChildError::AlreadyStarted
                    };
                    out.push(Action::Forget { child });
                    out.push(Action::Reply {
                        to,
                        result: Err(error),
                    });
                    return;
                }
                self.add(child, policy);
                self.begin(now, [], [child], Purpose::StartChild { to }, out);
            }
            Input::RestartChild { target, to } => match self.find(&target) {
                Ok((child, Phase::Stopped)) => {
                    self.begin(now, [], [child], Purpose::RestartChild { to }, out)
                }
                found => out.push(Action::Reply {
                    to,
                    result: Err(not_stopped(found)),
                }),
            },
            Input::TerminateChild { target, to } => match self.find(&target) {
                Ok((child, _)) => {
                    self.begin(now, [child], [], Purpose::Terminate { child, to }, out)
                }
                Err(error) => out.push(Action::Reply {
                    to,
                    result: Err(error),
                }),
            },
            Input::DeleteChild { target, to } => match self.find(&target) {
                Ok((child, Phase::Stopped)) => {
                    self.forget(child, out);
                    out.push(Action::Reply {
                        to,
                        result: Ok(Outcome::Deleted),
                    });
                }
                found => out.push(Action::Reply {
                    to,
                    result: Err(not_stopped(found)),
                }),
            },
            Input::Shutdown { reason } => self.stop_all(now, Purpose::Shutdown { reason }, out),
            Input::Exited {
                child,
                incarnation,
                reason,
            } => self.exited(now, child, incarnation, reason, out),
            Input::Retry { child, incarnation } => {
                // The number of the attempt that failed: a retry that was cancelled does not match.
                let waiting = self.children.get(&child);
                if waiting.is_some_and(|it| {
                    it.phase == Phase::Restarting && it.incarnation == incarnation
                }) {
                    self.restart(now, child, out);
                }
            }
            Input::Started { .. }
            | Input::StartFailed { .. }
            | Input::Ignored { .. }
            | Input::Overdue { .. }
            | Input::Endless { .. } => {}
        }
    }

    fn boot(&mut self, now: Instant, children: Vec<(ChildKey, Policy)>, to: T, out: Out<'_, T>) {
        let mut keys = Vec::with_capacity(children.len());
        let mut invalid = None;
        for (child, policy) in children {
            let mut valid = self.settings.check(&policy);
            if self.ids.contains_key(&policy.id) {
                valid = valid.and(Err(SpecError::DuplicateId));
            }
            match valid {
                Ok(()) => {
                    self.add(child, policy);
                    keys.push(child);
                }
                Err(error) => {
                    invalid.get_or_insert(error);
                    out.push(Action::Forget { child });
                }
            }
        }
        if let Some(error) = invalid {
            let (error, reason) = (ChildError::from(error), ExitReason::failed(error));
            return self.stop_all(now, Purpose::BootFailed { to, error, reason }, out);
        }
        self.begin(now, [], keys, Purpose::Boot { to }, out);
    }

    fn exited(
        &mut self,
        now: Instant,
        key: ChildKey,
        incarnation: Incarnation,
        reason: ExitReason,
        out: Out<'_, T>,
    ) {
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        if !child.lives_as(incarnation) {
            return; // stale
        }
        child.phase = Phase::Stopped;
        child.noted = None;
        let normal = reason.is_clean();
        let restart = child.policy.restart;
        // A permanent child is never expected to end.
        if restart == Restart::Permanent || !normal {
            self.report(key, What::Ended { reason }, out);
        }
        match restart {
            Restart::Permanent => self.restart_in_time(now, key, out),
            Restart::Transient if !normal => self.restart_in_time(now, key, out),
            Restart::Transient | Restart::Temporary => self.ended_for_good(now, key, out),
        }
    }

    /// The child ended by itself and is not started again. Only this may shut the supervisor down automatically.
    fn ended_for_good(&mut self, now: Instant, key: ChildKey, out: Out<'_, T>) {
        let policy = &self.child(key).policy;
        let significant = policy.significant;
        self.forget_if_temporary(key, out);
        if !significant {
            return;
        }
        let over = match self.settings.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            // One that waits for its retry is still there; one that is stopped is not.
            AutoShutdown::AllSignificant => !self
                .children
                .values()
                .any(|it| it.policy.significant && it.phase != Phase::Stopped),
        };
        if over {
            let reason = ExitReason::Shutdown;
            self.stop_all(now, Purpose::GiveUp { reason }, out);
        }
    }

    /// A restart at once, or after the delay that is due.
    fn restart_in_time(&mut self, now: Instant, key: ChildKey, out: Out<'_, T>) {
        match self.delayed(now, key) {
            None => self.restart(now, key, out),
            at => self.wait_for_retry(key, at, out),
        }
    }

    /// When the next attempt may be made, if not at once. It is one more in the row.
    fn delayed(&mut self, now: Instant, key: ChildKey) -> Option<Instant> {
        let default = self.settings.backoff;
        let child = self.children.get_mut(&key)?;
        let backoff = child.policy.backoff.or(default)?;
        let lasted = child
            .since
            .take()
            .map(|it| now.saturating_duration_since(it));
        if lasted.is_some_and(|it| backoff.resets(it)) {
            child.row = 0;
        }
        child.row = child.row.saturating_add(1);
        // Beyond the end of time there is no next attempt; now is the best that can be done.
        now.checked_add(backoff.delay(child.row, &mut self.rng))
    }

    fn wait_for_retry(&mut self, key: ChildKey, at: Option<Instant>, out: Out<'_, T>) {
        self.due.insert(key);
        let child = self.child(key);
        child.phase = Phase::Restarting;
        let incarnation = child.incarnation;
        out.push(Action::Requeue {
            child: key,
            incarnation,
            at,
        });
    }

    /// One attempt of an automatic restart: charged first, then planned.
    fn restart(&mut self, now: Instant, child: ChildKey, out: Out<'_, T>) {
        if self.window.charge(now) == Charge::Exceeded {
            self.child(child).phase = Phase::Stopped;
            self.report(child, What::GaveUp, out);
            // A supervisor that gives up ends *shutdown*: a transient inner supervisor is then not started again.
            return self.stop_all(
                now,
                Purpose::GiveUp {
                    reason: ExitReason::Shutdown,
                },
                out,
            );
        }
        let group: Vec<ChildKey> = match self.settings.strategy {
            Strategy::OneForOne => vec![child],
            Strategy::OneForAll => self.children.keys().copied().collect(),
            Strategy::RestForOne => self.children.range(child..).map(|(&key, _)| key).collect(),
        };
        self.due.extend(&group);
        // The child itself is down already.
        let others = group.iter().rev().copied().filter(|&key| key != child);
        let stops: Vec<ChildKey> = others.collect();
        self.begin(now, stops, group, Purpose::Restart, out);
    }
}

fn not_stopped(found: Result<(ChildKey, Phase), ChildError>) -> ChildError {
    match found {
        Ok((_, Phase::Restarting)) => ChildError::Restarting,
        Ok(_) => ChildError::Running,
        Err(error) => error,
    }
}

/// Answers a call to a supervisor that is on its way out; there is nothing to say to anything else.
fn refuse<T>(input: Input<T>, out: Out<'_, T>) {
    match input {
        Input::StartChild { child, to, .. } => {
            out.push(Action::Forget { child });
            out.push(Action::Reply {
                to,
                result: Err(ChildError::ShuttingDown),
            });
        }
        Input::Boot { to, .. }
        | Input::RestartChild { to, .. }
        | Input::TerminateChild { to, .. }
        | Input::DeleteChild { to, .. } => out.push(Action::Reply {
            to,
            result: Err(ChildError::ShuttingDown),
        }),
        _ => {}
    }
}
