//! Whether a worker that has nothing to do looks a little longer before it sleeps.
//!
//! To be woken costs more than to find: whoever ends a worker's sleep, be it another thread or the peer at the other end of
//! a loopback connection, pays for waking its thread, and what it has sent waits until that thread runs (6 to 59 us when
//! measured). So where something usually comes within a few microseconds the worker keeps looking for that long.
//! Where it does not, looking is waste, and on a machine without a core to spare it keeps others from working. So it looks
//! only while that pays:
//!
//! - A sleep that was soon over earns a *credit*: looking would have found what ended it.
//! - A look that finds something earns one, too; one that does not costs two.
//! - Without credit the worker sleeps at once.
//!
//! Who would wait for a channel that others share does likewise, on a stack, for about a microsecond and while its worker has others to
//! run ([`wait::look_pays`](super::wait::look_pays)).
//!
//! An idle process earns nothing and so never looks. One whose work comes at longer intervals than [`LOOK`] looks not at
//! all, and one with mixed intervals looks only as often as at least two in three looks find something.

use std::cell::Cell;
use std::time::Duration;

/// For how long to look at most.
pub(super) const LOOK: Duration = Duration::from_micros(20);
/// A sleep no longer than this was soon over: a look, and what it takes to fall asleep and to be woken.
const SOON: Duration = Duration::from_micros(40);
const MOST: u32 = 8;

/// What a worker remembers of its last sleeps. See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Spin(Cell<u32>);

impl Spin {
    /// Whether to look before the next sleep.
    pub(super) fn pays(&self) -> bool {
        self.0.get() > 0
    }

    /// A sleep that something other than its time limit has ended.
    pub(super) fn slept(&self, duration: Duration) {
        if duration <= SOON {
            self.earn();
        }
    }

    /// A look has ended.
    pub(super) fn looked(&self, found: bool) {
        if found {
            self.earn();
        } else {
            self.0.set(self.0.get().saturating_sub(2));
        }
    }

    fn earn(&self) {
        self.0.set((self.0.get() + 1).min(MOST));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_who_was_soon_woken_looks() {
        let spin = Spin::default();
        assert!(!spin.pays());
        spin.slept(Duration::from_millis(1));
        assert!(!spin.pays());
        spin.slept(SOON);
        assert!(spin.pays());
    }

    #[test]
    fn looking_ends_when_two_of_three_looks_find_nothing() {
        let spin = Spin::default();
        spin.slept(Duration::ZERO);
        for _ in 0..100 {
            spin.looked(true);
        }
        let looks = (0..).take_while(|n| {
            let pays = spin.pays();
            spin.looked(n % 3 == 0);
            pays
        });
        assert_eq!(looks.count(), 8);
    }

    #[test]
    fn looking_goes_on_while_two_of_three_find_something() {
        let spin = Spin::default();
        spin.slept(Duration::ZERO);
        spin.looked(true);
        spin.looked(true);
        for n in 0..1000 {
            assert!(spin.pays());
            spin.looked(n % 3 != 0);
        }
    }
}
