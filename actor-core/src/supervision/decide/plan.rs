//! What a supervisor is busy with: children to stop, then children to start, one at a time.
//!
//! A plan goes on when its step is answered ([`Decider::answer_step`]) and ends in [`Decider::finish`], or where a start
//! failed, in [`Decider::start_failed`]. Both know what it was for and answer whoever waits.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::{
    Action, Awaits, ChildKey, Decider, How, Incarnation, Input, Out, Outcome, Phase, What, refuse,
};
use crate::actor::ExitReason;
use crate::supervision::error::ChildError;
use crate::supervision::spec::{Restart, Shutdown};

/// What a plan is for.
#[derive(Debug)]
pub(super) enum Purpose<T> {
    Boot {
        to: T,
    },
    BootFailed {
        to: T,
        error: ChildError,
        reason: ExitReason,
    },
    StartChild {
        to: T,
    },
    RestartChild {
        to: T,
    },
    Terminate {
        child: ChildKey,
        to: T,
    },
    /// An automatic restart.
    Restart,
    GiveUp {
        reason: ExitReason,
    },
    Shutdown {
        reason: ExitReason,
    },
}

#[derive(Debug)]
pub(super) struct Plan<T> {
    /// In reverse start order.
    stops: VecDeque<ChildKey>,
    /// In start order.
    starts: VecDeque<ChildKey>,
    pub(super) purpose: Purpose<T>,
    step: Option<Step>,
    /// How the last start went, for the reply.
    last: Option<Outcome>,
    /// Children that are being stopped all at once.
    crowd: Option<Crowd>,
    /// Why the child that is being started is killed, if it is.
    killed_for: Option<ExitReason>,
}

impl<T> Plan<T> {
    /// Whether the supervisor ends with it.
    pub(super) fn is_last(&self) -> bool {
        matches!(
            self.purpose,
            Purpose::Shutdown { .. } | Purpose::GiveUp { .. } | Purpose::BootFailed { .. }
        )
    }
}

/// The children of a dynamic supervisor while it ends. They are alike, so one deadline is for all.
#[derive(Debug)]
struct Crowd {
    left: BTreeSet<(ChildKey, Incarnation)>,
    /// Those whose end can be waited for.
    ending: BTreeSet<(ChildKey, Incarnation)>,
    /// The stop that was ordered last: the driver keeps the deadline of that.
    step: Step,
}

/// A stop or start that has been ordered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    child: ChildKey,
    incarnation: Incarnation,
    /// `None` for a start.
    stop: Option<How>,
    /// Nothing but the child ends it.
    is_endless: bool,
    overdue: bool,
}

impl<T> Decider<T> {
    pub(super) fn begin(
        &mut self,
        now: Instant,
        stops: impl IntoIterator<Item = ChildKey>,
        starts: impl IntoIterator<Item = ChildKey>,
        purpose: Purpose<T>,
        out: Out<'_, T>,
    ) {
        debug_assert!(self.plan.is_none(), "one plan at a time");
        let (stops, starts) = (stops.into_iter().collect(), starts.into_iter().collect());
        self.plan = Some(Plan {
            stops,
            starts,
            purpose,
            step: None,
            last: None,
            crowd: None,
            killed_for: None,
        });
        self.advance(now, out);
    }

    pub(super) fn stop_all(&mut self, now: Instant, purpose: Purpose<T>, out: Out<'_, T>) {
        let all: Vec<ChildKey> = self.children.keys().rev().copied().collect();
        if self.settings.dynamic {
            return self.stop_crowd(now, all, purpose, out);
        }
        self.begin(now, all, [], purpose, out);
    }

    fn stop_crowd(
        &mut self,
        now: Instant,
        all: Vec<ChildKey>,
        purpose: Purpose<T>,
        out: Out<'_, T>,
    ) {
        let steps = all
            .into_iter()
            .filter_map(|key| self.order_stop(now, key, out));
        let steps: Vec<Step> = steps.collect();
        let Some(&step) = steps.last() else {
            return self.finish(purpose, None, out);
        };
        let left: BTreeSet<_> = steps.iter().map(|it| (it.child, it.incarnation)).collect();
        let ending = if step.is_endless {
            left.clone()
        } else {
            BTreeSet::new()
        };
        self.plan = Some(Plan {
            stops: VecDeque::new(),
            starts: VecDeque::new(),
            purpose,
            step: None,
            last: None,
            crowd: Some(Crowd { left, ending, step }),
            killed_for: None,
        });
    }

    /// As [`answer_step`](Self::answer_step), while a crowd is being stopped.
    fn answer_crowd(&mut self, input: Input<T>, out: Out<'_, T>) -> Option<Input<T>> {
        let Some(crowd) = self.plan.as_mut().and_then(|plan| plan.crowd.as_mut()) else {
            return Some(input);
        };
        match input {
            Input::Exited {
                child,
                incarnation,
                reason,
            } if crowd.left.remove(&(child, incarnation)) => {
                crowd.ending.remove(&(child, incarnation));
                let (step, over) = (crowd.step, crowd.left.is_empty());
                let step = Step {
                    child,
                    incarnation,
                    ..step
                };
                self.stopped(step, reason, out);
                if over && let Some(plan) = self.plan.take() {
                    self.finish(plan.purpose, None, out);
                }
                None
            }
            Input::Overdue { child, incarnation }
                if (child, incarnation) == (crowd.step.child, crowd.step.incarnation)
                    && !crowd.step.overdue =>
            {
                crowd.step.overdue = true;
                let left: Vec<_> = crowd.left.iter().rev().copied().collect();
                for (child, incarnation) in left {
                    self.kill_overdue(child, incarnation, out);
                }
                None
            }
            Input::Endless {
                child, incarnation, ..
            } if crowd.ending.remove(&(child, incarnation)) => {
                self.kill_overdue(child, incarnation, out);
                None
            }
            input => Some(input),
        }
    }

    /// What is waited for that nothing but the child ends. In a crowd it is one of those left, and others in turn.
    pub(crate) fn awaited(&self) -> Option<(ChildKey, Incarnation, Awaits)> {
        let plan = self.plan.as_ref()?;
        if let Some(crowd) = &plan.crowd {
            let (child, incarnation) = crowd.ending.last()?;
            return Some((*child, *incarnation, Awaits::End));
        }
        let step = plan.step.filter(|it| it.is_endless)?;
        let awaits = match step.stop {
            None => Awaits::Start,
            Some(_) => Awaits::End,
        };
        Some((step.child, step.incarnation, awaits))
    }

    /// Orders the next step, or finishes the plan if there is none.
    fn advance(&mut self, now: Instant, out: Out<'_, T>) {
        let Some(mut plan) = self.plan.take() else {
            return;
        };
        debug_assert!(plan.step.is_none(), "the last step has been answered");
        while plan.step.is_none()
            && let Some(key) = plan.stops.pop_front()
        {
            plan.step = self.order_stop(now, key, out);
            if plan.step.is_none() && matches!(plan.purpose, Purpose::Restart) {
                self.forget_if_temporary(key, out);
            }
        }
        while plan.step.is_none()
            && let Some(key) = plan.starts.pop_front()
        {
            // A temporary sibling that was stopped for the restart has been forgotten.
            let Some(child) = self.children.get_mut(&key) else {
                continue;
            };
            debug_assert!(matches!(child.phase, Phase::Stopped | Phase::Restarting));
            child.phase = Phase::Starting;
            child.incarnation = child.incarnation.next();
            let incarnation = child.incarnation;
            out.push(Action::Start {
                child: key,
                incarnation,
            });
            plan.step = Some(Step {
                child: key,
                incarnation,
                stop: None,
                is_endless: true,
                overdue: false,
            });
        }
        if plan.step.is_some() {
            self.plan = Some(plan);
        } else {
            self.finish(plan.purpose, plan.last, out);
        }
    }

    /// `None` if there is nothing to wait for.
    fn order_stop(&mut self, now: Instant, key: ChildKey, out: Out<'_, T>) -> Option<Step> {
        let child = self.children.get_mut(&key)?;
        if child.phase != Phase::Running {
            child.phase = Phase::Stopped; // cancels a retry
            return None;
        }
        let (how, deadline) = match child.policy.shutdown {
            Shutdown::BrutalKill => (How::Kill, None),
            Shutdown::Timeout(timeout) => (How::Ask, now.checked_add(timeout)),
            Shutdown::Infinity => (How::Ask, None),
        };
        let incarnation = child.incarnation;
        let step = Step {
            child: key,
            incarnation,
            stop: Some(how),
            is_endless: how == How::Ask && deadline.is_none(),
            overdue: false,
        };
        if let Some(reason) = child.noted.take() {
            self.stopped(step, reason, out);
            return None;
        }
        child.phase = Phase::Stopping;
        out.push(Action::Stop {
            child: key,
            incarnation,
            how,
            deadline,
        });
        Some(step)
    }

    /// It has not ended in time.
    fn kill_overdue(&mut self, child: ChildKey, incarnation: Incarnation, out: Out<'_, T>) {
        self.report(child, What::Overdue, out);
        out.push(kill(child, incarnation));
    }

    fn stopped(&mut self, step: Step, reason: ExitReason, out: Out<'_, T>) {
        self.child(step.child).phase = Phase::Stopped;
        let expected = match step.stop {
            Some(How::Ask) if !step.overdue => reason.is_clean(),
            // Killed; or it made it to a normal end just before.
            _ => reason == ExitReason::Killed || reason.is_clean(),
        };
        if !expected {
            self.report(step.child, What::StoppedWith { reason }, out);
        }
    }

    /// Gives the input back if it does not answer the current step.
    pub(super) fn answer_step(
        &mut self,
        now: Instant,
        input: Input<T>,
        out: Out<'_, T>,
    ) -> Option<Input<T>> {
        let input = self.answer_crowd(input, out)?;
        let Some(step) = self.plan.as_mut().and_then(|plan| plan.step.as_mut()) else {
            return Some(input);
        };
        let Step {
            child: key,
            incarnation,
            stop,
            ..
        } = *step;
        let about_step = matches!(&input,
            Input::Started { child, incarnation: it } | Input::StartFailed { child, incarnation: it, .. }
            | Input::Ignored { child, incarnation: it } | Input::Exited { child, incarnation: it, .. }
            | Input::Overdue { child, incarnation: it } | Input::Endless { child, incarnation: it, .. } if *child == key && *it == incarnation);
        if !about_step {
            return Some(input);
        }
        match (stop, input) {
            (Some(_), Input::Exited { reason, .. }) => {
                let step = *step;
                self.stopped(step, reason, out);
                if self.is_restarting() {
                    self.forget_if_temporary(key, out);
                }
                self.step_done(now, None, out);
            }
            (Some(How::Ask), Input::Overdue { .. } | Input::Endless { .. }) if !step.overdue => {
                (step.overdue, step.is_endless) = (true, false);
                self.kill_overdue(key, incarnation, out);
            }
            (None, Input::Started { .. }) => {
                let by_itself = self.is_restarting();
                let child = self.child(key);
                child.phase = Phase::Running;
                child.since = Some(now);
                if !by_itself {
                    child.row = 0;
                }
                self.due.remove(&key);
                if self.is_restarting() {
                    self.report(key, What::Restarted, out);
                }
                self.step_done(
                    now,
                    Some(Outcome::Started {
                        child: key,
                        incarnation,
                    }),
                    out,
                );
            }
            (None, Input::Endless { reason, .. }) => {
                step.is_endless = false;
                if let Some(plan) = self.plan.as_mut() {
                    plan.killed_for = Some(reason);
                }
                out.push(kill(key, incarnation));
            }
            (None, Input::Ignored { .. }) => {
                self.child(key).phase = Phase::Stopped;
                self.due.remove(&key);
                self.forget_if_temporary(key, out);
                self.step_done(now, Some(Outcome::Ignored { child: key }), out);
            }
            (None, Input::StartFailed { reason, .. } | Input::Exited { reason, .. }) => {
                self.start_failed(now, key, reason, out);
            }
            _ => {} // an answer to a step of the other kind: stale
        }
        None
    }

    fn is_restarting(&self) -> bool {
        let plan = self.plan.as_ref();
        plan.is_some_and(|plan| matches!(plan.purpose, Purpose::Restart))
    }

    /// A temporary child that has stopped for good is forgotten, and so is any of a dynamic supervisor.
    pub(super) fn forget_if_temporary(&mut self, key: ChildKey, out: Out<'_, T>) {
        let found = self.children.get(&key);
        let temporary = found.is_some_and(|it| it.policy.restart == Restart::Temporary);
        if temporary || self.settings.dynamic {
            self.forget(key, out);
        }
    }

    fn step_done(&mut self, now: Instant, outcome: Option<Outcome>, out: Out<'_, T>) {
        if let Some(plan) = self.plan.as_mut() {
            plan.step = None;
            plan.killed_for = None; // it has started just before
            plan.last = outcome.or(plan.last.take());
        }
        self.advance(now, out);
    }

    fn start_failed(&mut self, now: Instant, key: ChildKey, reason: ExitReason, out: Out<'_, T>) {
        let killed_for = self.plan.as_mut().and_then(|it| it.killed_for.take());
        let reason = killed_for.unwrap_or(reason);
        self.report(
            key,
            What::StartFailed {
                reason: reason.clone(),
            },
            out,
        );
        let child = self.child(key);
        child.phase = Phase::Stopped;
        let error = ChildError::StartFailed {
            id: Arc::clone(&child.policy.id),
            reason,
        };
        let Some(plan) = self.plan.take() else { return };
        match plan.purpose {
            Purpose::Boot { to } => {
                // Nested supervisors wrap each other's reasons: `failed: child `a` did not start: failed: child ..`.
                let reason = ExitReason::failed(&error);
                self.stop_all(now, Purpose::BootFailed { to, error, reason }, out);
            }
            Purpose::StartChild { to } => {
                self.forget(key, out);
                out.push(Action::Reply {
                    to,
                    result: Err(error),
                });
            }
            Purpose::RestartChild { to } => out.push(Action::Reply {
                to,
                result: Err(error),
            }),
            // The rest of the plan goes: the retry makes its own, and charges it.
            Purpose::Restart => {
                let at = self.delayed(now, key);
                self.wait_for_retry(key, at, out);
            }
            purpose => debug_assert!(false, "a plan for {} starts nothing", purpose.label()),
        }
    }

    fn finish(&mut self, purpose: Purpose<T>, last: Option<Outcome>, out: Out<'_, T>) {
        match purpose {
            Purpose::Boot { to } => out.push(Action::Reply {
                to,
                result: Ok(Outcome::Booted),
            }),
            Purpose::StartChild { to } | Purpose::RestartChild { to } => {
                debug_assert!(last.is_some(), "a plan with a start has an outcome");
                out.push(Action::Reply {
                    to,
                    result: last.ok_or(ChildError::NotFound),
                });
            }
            Purpose::Terminate { child, to } => {
                self.not_due(child);
                self.forget_if_temporary(child, out);
                out.push(Action::Reply {
                    to,
                    result: Ok(Outcome::Terminated),
                });
            }
            Purpose::Restart => {}
            Purpose::BootFailed { to, error, reason } => {
                out.push(Action::Reply {
                    to,
                    result: Err(error),
                });
                self.end(Action::GiveUp { reason }, out);
            }
            Purpose::GiveUp { reason } => self.end(Action::GiveUp { reason }, out),
            Purpose::Shutdown { reason } => self.end(Action::Finish { reason }, out),
        }
    }

    fn end(&mut self, last: Action<T>, out: Out<'_, T>) {
        self.ended = true;
        self.line.drain(..).for_each(|input| refuse(input, out));
        self.children.clear();
        self.due.clear();
        self.ids.clear();
        out.push(last);
    }
}

impl<T> Purpose<T> {
    fn label(&self) -> &'static str {
        match self {
            Self::Boot { .. } => "boot",
            Self::BootFailed { .. } => "failed boot",
            Self::StartChild { .. } => "start",
            Self::RestartChild { .. } => "restart by hand",
            Self::Terminate { .. } => "terminate",
            Self::Restart => "restart",
            Self::GiveUp { .. } => "give up",
            Self::Shutdown { .. } => "shutdown",
        }
    }
}

fn kill<T>(child: ChildKey, incarnation: Incarnation) -> Action<T> {
    Action::Stop {
        child,
        incarnation,
        how: How::Kill,
        deadline: None,
    }
}
