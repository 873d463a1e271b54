//! Which children wait for how long before they are started again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::decide::{ChildKey, Incarnation};

/// At most one for each child, so that what was cancelled does not pile up.
#[derive(Debug, Default)]
pub(super) struct Retries {
    due: BTreeSet<(Instant, ChildKey)>,
    of: BTreeMap<ChildKey, (Instant, Incarnation)>,
}

impl Retries {
    pub(super) fn add(&mut self, at: Instant, child: ChildKey, incarnation: Incarnation) {
        self.forget(child);
        self.due.insert((at, child));
        self.of.insert(child, (at, incarnation));
    }

    pub(super) fn forget(&mut self, child: ChildKey) {
        if let Some((at, _)) = self.of.remove(&child) {
            self.due.remove(&(at, child));
        }
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|&(at, _)| at)
    }

    /// One that is due by `now`.
    pub(super) fn take(&mut self, now: Instant) -> Option<(ChildKey, Incarnation)> {
        let &(at, child) = self.due.first().filter(|&&(at, _)| at <= now)?;
        self.due.remove(&(at, child));
        let (_, incarnation) = self.of.remove(&child)?;
        Some((child, incarnation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervision::decide::Decider;
    use crate::supervision::settings::Settings;
    use std::time::Duration;

    #[test]
    fn the_last_of_a_child_counts_and_they_come_in_order() {
        let mut decider = Decider::<()>::new(Settings::default());
        let [a, b, c] = [(); 3].map(|()| decider.new_key());
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut retries = Retries::default();
        retries.add(now + second, a, Incarnation::NONE);
        retries.add(now + 2 * second, b, Incarnation::NONE);
        retries.add(now + 2 * second, c, Incarnation::NONE);
        retries.add(now + 3 * second, a, Incarnation::NONE);
        retries.forget(c);
        assert_eq!(retries.next(), Some(now + 2 * second));
        assert_eq!(retries.take(now + second), None);
        assert_eq!(retries.take(now + 9 * second), Some((b, Incarnation::NONE)));
        assert_eq!(retries.take(now + 9 * second), Some((a, Incarnation::NONE)));
        assert_eq!(
            (retries.take(now + 9 * second), retries.next()),
            (None, None)
        );
    }
}
