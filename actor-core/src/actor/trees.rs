//! What the end of a system needs to know of its actors: the roots of its supervision trees, in the order in which they were
//! started, and names for its report.

use std::any::TypeId;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::observe::Who;
use crate::rt::report::PhaseReport;
use crate::rt::wait;

use super::addr::Addr;
use super::exit::ExitReason;
use super::traits::Actor;

/// An actor that is the root of a tree.
pub(super) trait Root: Send + Sync {
    fn stop(&self);
    /// Waits until it has ended, or `deadline`.
    fn join(&self, deadline: Instant);
    fn is_alive(&self) -> bool;
}

impl<A: Actor> Root for Addr<A> {
    fn stop(&self) {
        self.stop_for(ExitReason::Shutdown);
    }

    fn join(&self, deadline: Instant) {
        self.join_timeout(deadline.saturating_duration_since(wait::now()));
    }

    fn is_alive(&self) -> bool {
        Addr::is_alive(self)
    }
}

/// The roots that live, and perhaps some that have ended.
#[derive(Default)]
pub(super) struct Trees(Mutex<Noted>);

#[derive(Default)]
pub(super) struct Noted {
    /// In start order.
    pub(super) roots: Vec<Box<dyn Root>>,
    /// The type of all of them.
    pub(super) ty: Option<TypeId>,
    /// How many there may be before those that have ended are looked for.
    limit: usize,
}

impl Trees {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note<A: Actor>(&self, root: &Addr<A>) {
        let mut noted = self.lock();
        noted.ty = Some(TypeId::of::<A>());
        noted.roots.push(Box::new(root.clone()));
        let mut ended = Vec::new();
        if noted.roots.len() > noted.limit.max(16) {
            let roots = std::mem::take(&mut noted.roots);
            (noted.roots, ended) = roots.into_iter().partition(|root| root.is_alive());
            noted.limit = noted.roots.len() * 2;
        }
        drop(noted);
        drop(ended); // after the lock
    }

    /// Those noted so far, which are forgotten.
    pub(super) fn take(&self) -> Noted {
        let mut noted = self.lock();
        Noted {
            roots: std::mem::take(&mut noted.roots),
            ty: noted.ty,
            limit: 0,
        }
    }
}

/// Names for a report: some, and how many there are.
#[derive(Default)]
pub(super) struct Names {
    names: Vec<String>,
    count: usize,
}

impl Names {
    pub(super) fn add(&mut self, who: impl FnOnce() -> Who) {
        self.count += 1;
        if self.names.len() < PhaseReport::MOST_NAMES {
            self.names.push(who().to_string());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl From<Names> for Vec<String> {
    fn from(Names { mut names, count }: Names) -> Self {
        if count > names.len() {
            names.push(format!("and {} more", count - names.len()));
        }
        names
    }
}
