//! The children of a supervisor: adding, finding, listing.

use std::sync::Arc;
use std::time::Instant;

use super::{
    Action, Child, ChildInfo, ChildKey, Counts, Decider, Incarnation, Input, Out, Phase, Report,
    Target, What,
};
use crate::supervision::error::ChildError;
use crate::supervision::spec::Policy;

impl<T> Decider<T> {
    /// The children in reverse start order, as OTP lists them.
    pub(crate) fn list(&self) -> impl Iterator<Item = ChildInfo> {
        self.children.iter().rev().map(|(&key, child)| ChildInfo {
            child: key,
            id: Arc::clone(&child.policy.id),
            restart: child.policy.restart,
            phase: child.phase,
            incarnation: child.incarnation,
        })
    }

    /// Whether nobody is going to start the child again, unless by hand.
    pub(crate) fn is_left(&self, child: ChildKey) -> bool {
        let found = self.children.get(&child);
        found.is_none_or(|it| it.phase == Phase::Stopped && !self.due.contains(&child))
    }

    /// The child has been terminated: it is not due any more, nor is what waited with it for a retry.
    pub(super) fn not_due(&mut self, child: ChildKey) {
        self.due.remove(&child);
        let waits = |it: &Child| it.phase == Phase::Restarting;
        if !self.due.is_empty() && !self.children.values().any(waits) {
            self.due.clear();
        }
    }

    /// How many children there are. `is_alive` asks the actor itself: one that died but whose exit has not been
    /// noticed is not active.
    pub(crate) fn counts(&self, is_alive: impl Fn(ChildKey, Incarnation) -> bool) -> Counts {
        let active = self
            .living()
            .filter(|&(child, incarnation)| is_alive(child, incarnation))
            .count();
        Counts {
            specs: self.children.len(),
            active,
        }
    }

    /// Every incarnation that may be alive (being started, running, being stopped), in reverse start order.
    pub(crate) fn living(&self) -> impl Iterator<Item = (ChildKey, Incarnation)> {
        self.children.iter().rev().filter_map(|(&key, child)| {
            let lives = matches!(
                child.phase,
                Phase::Starting | Phase::Running | Phase::Stopping
            );
            (lives && child.noted.is_none()).then_some((key, child.incarnation))
        })
    }

    pub(super) fn find(&self, target: &Target) -> Result<(ChildKey, Phase), ChildError> {
        let key = match target {
            Target::Id(id) => self.ids.get(id),
            Target::Child(key) => Some(key),
        };
        let found = key.and_then(|key| self.children.get_key_value(key));
        found
            .map(|(&key, child)| (key, child.phase))
            .ok_or(ChildError::NotFound)
    }

    pub(super) fn add(&mut self, key: ChildKey, policy: Policy) {
        debug_assert!(
            self.children
                .last_key_value()
                .is_none_or(|(&last, _)| last < key),
            "keys are fed in the order in which they were made"
        );
        if !self.settings.dynamic {
            self.ids.insert(Arc::clone(&policy.id), key);
        }
        let child = Child {
            policy,
            phase: Phase::Stopped,
            incarnation: Incarnation::NONE,
            noted: None,
            since: None,
            row: 0,
        };
        self.children.insert(key, child);
    }

    /// The first of `n` keys for children of a dynamic supervisor that are at rest: see [`adopt`](Self::adopt).
    pub(crate) fn new_keys(&mut self, n: usize) -> ChildKey {
        let first = ChildKey(self.next_key + 1);
        self.next_key += n as u64;
        first
    }

    /// A child of a dynamic supervisor that has been running at rest, unknown to this half, under a key reserved for it. It is
    /// as if it had been started like any other: its first life runs.
    pub(crate) fn adopt(&mut self, key: ChildKey, policy: Policy) {
        debug_assert!(self.settings.dynamic && !self.ended);
        let child = Child {
            policy,
            phase: Phase::Running,
            incarnation: Incarnation::FIRST,
            noted: None,
            since: None,
            row: 0,
        };
        self.children.insert(key, child);
    }

    /// Whether the supervisor is on its way out.
    pub(crate) fn is_leaving(&self) -> bool {
        self.ended || self.plan.as_ref().is_some_and(|plan| plan.is_last())
    }

    /// Whether taking this input may make the supervisor stop all of its children: then it must know of those at rest.
    /// Each input in the line may be charged once, too.
    pub(crate) fn may_leave(&mut self, now: Instant, input: &Input<T>) -> bool {
        let ends = |it: &Input<T>| matches!(it, Input::Shutdown { .. });
        ends(input) || self.line.iter().any(ends) || self.window.left(now) <= self.line.len()
    }

    pub(super) fn forget(&mut self, key: ChildKey, out: Out<'_, T>) {
        if let Some(child) = self.children.remove(&key) {
            if !self.settings.dynamic {
                self.ids.remove(&child.policy.id);
            }
            self.due.remove(&key);
            out.push(Action::Forget { child: key });
        }
    }

    pub(super) fn report(&mut self, key: ChildKey, what: What, out: Out<'_, T>) {
        let child = self.child(key);
        let (id, incarnation) = (Arc::clone(&child.policy.id), child.incarnation);
        out.push(Action::Report(Report {
            child: key,
            id,
            incarnation,
            what,
        }));
    }

    /// A child that the caller knows to be there: a plan names only such, and nothing else runs during a plan.
    pub(super) fn child(&mut self, key: ChildKey) -> &mut Child {
        self.children
            .get_mut(&key)
            .expect("a plan names only children that are there")
    }
}
