//! What the supervisor says of itself: to callers, and to whoever observes.

use std::cmp::Reverse;
use std::sync::Arc;

use tracing::Level;

use super::Driver;
use crate::observe::{Event, Who};
use crate::supervision::decide::{Incarnation, Report, What};
use crate::supervision::error::ChildError;
use crate::supervision::info::{ChildCounts, ChildInfo, ChildState};
use crate::supervision::msg::{Answer, Answered};

impl Driver {
    pub(super) fn find(&self, id: &str) -> Answered {
        let mut children = self.decider.list();
        let found = children.find(|it| *it.id == *id);
        let key = found.ok_or(ChildError::NotFound)?.child;
        let address = self.children.get(&key).and_then(|it| it.address());
        address.map(Answer::Child).ok_or(ChildError::Stopped)
    }

    pub(super) fn list(&self) -> Vec<ChildInfo> {
        let children = self.decider.list().map(|it| {
            let actor = self
                .children
                .get(&it.child)
                .and_then(|child| child.address())
                .map(|address| address.id());
            let info = ChildInfo {
                actor,
                id: it.id,
                restart: it.restart,
                state: it.phase.into(),
                incarnation: it.incarnation.get(),
            };
            (it.child, info)
        });
        let mut children: Vec<_> = children.collect();
        if let Some(template) = self.template.as_ref().filter(|_| !self.crowds.is_empty()) {
            let policy = template.policy();
            self.crowds.each(|key, actor, _| {
                let info = ChildInfo {
                    actor: Some(actor),
                    id: Arc::clone(&policy.id),
                    restart: policy.restart,
                    state: ChildState::Running,
                    incarnation: Incarnation::FIRST.get(),
                };
                children.push((key, info));
            });
            children.sort_unstable_by_key(|(key, _)| Reverse(*key));
        }
        children.into_iter().map(|(_, info)| info).collect()
    }

    pub(super) fn count(&self) -> ChildCounts {
        let is_up = |key, _| self.children.get(&key).is_some_and(|it| it.is_up());
        let counts = self.decider.counts(is_up);
        let mut counts = ChildCounts {
            specs: counts.specs,
            active: counts.active,
        };
        self.crowds.each(|_, _, is_up| {
            counts.specs += 1;
            counts.active += usize::from(is_up);
        });
        counts
    }

    pub(super) fn report(&self, report: Report) {
        let child = report.id;
        let incarnation = report.incarnation.get();
        match report.what {
            // The actor's own event says it.
            What::Ended { .. } | What::StoppedWith { .. } => {}
            What::StartFailed { reason } => {
                self.emit(Level::WARN, |supervisor| Event::StartFailed {
                    supervisor,
                    child,
                    incarnation,
                    reason,
                })
            }
            What::Restarted => self.emit(Level::WARN, |supervisor| Event::Restarted {
                supervisor,
                child,
                incarnation,
            }),
            What::Overdue => self.emit(Level::WARN, |supervisor| Event::StopOverdue {
                supervisor,
                child,
                incarnation,
            }),
            What::GaveUp => self.emit(Level::ERROR, |supervisor| Event::GaveUp {
                supervisor,
                child,
            }),
        }
    }

    fn emit(&self, level: Level, event: impl FnOnce(Who) -> Event) {
        let site = self.site();
        let events = &site.host.core.events;
        events.emit(level, || event(site.addr.who()));
    }
}
