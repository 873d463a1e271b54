//! Which of several gets the next message, and how a message finds one that takes it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::RouteError;
use crate::actor::{Actor, Addr, TellError};
use crate::rt::wait;

/// How messages without a key are shared out among actors.
///
/// | | the next message goes to | cost | for |
/// |---|---|---|---|
/// | [`RoundRobin`](Self::RoundRobin) | the one after the last | constant | jobs of one size |
/// | [`LeastLoaded`](Self::LeastLoaded) | the shortest mailbox, in turn among equals | a look at each | few actors, jobs that vary |
/// | [`TwoChoices`](Self::TwoChoices) | the shorter of two mailboxes drawn at random | constant | many actors, jobs that vary |
/// | [`Random`](Self::Random) | one drawn at random | constant | senders that share nothing |
///
/// The length of a mailbox does not count the message being handled.
///
/// An actor that is down and about to be started again gets a message only if all are: its messages would wait for the
/// restart. One that has ended for good gets none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Balance {
    /// Each in turn.
    #[default]
    RoundRobin,
    /// The one with the fewest messages waiting.
    LeastLoaded,
    /// The one with fewer messages waiting, of two drawn at random: nearly as even as looking at all of them.
    TwoChoices,
    /// Any, with equal chances. Under the seeded scheduler, as its seed decides.
    Random,
}

/// A balance and where it is.
#[derive(Debug, Default)]
pub(super) struct Picker {
    balance: Balance,
    /// Counts picks. Relaxed: it publishes nothing.
    turn: AtomicUsize,
}

impl Picker {
    pub(super) fn new(balance: Balance) -> Self {
        Self {
            balance,
            turn: AtomicUsize::new(0),
        }
    }

    pub(super) fn balance(&self) -> Balance {
        self.balance
    }

    /// One that is up; or, if none is, one that is alive.
    pub(super) fn pick<A: Actor>(&self, members: &[Addr<A>]) -> Option<usize> {
        let loads = |usable: fn(&Addr<A>) -> bool| {
            move |at: usize| usable(&members[at]).then(|| members[at].queued())
        };
        self.choose(members.len(), loads(Addr::is_up))
            .or_else(|| self.choose(members.len(), loads(Addr::is_alive)))
    }

    /// One of `n` for which `load` is something: how much it has to do.
    fn choose(&self, n: usize, load: impl Fn(usize) -> Option<usize>) -> Option<usize> {
        if n == 0 {
            return None;
        }
        let in_turn = || self.turn.fetch_add(1, Ordering::Relaxed) % n;
        let start = match self.balance {
            Balance::RoundRobin => in_turn(),
            Balance::Random => wait::choose(n),
            // From another one each time, or all messages would go to the first of those that have nothing waiting.
            Balance::LeastLoaded => {
                return around(in_turn(), n)
                    .filter_map(|at| Some((load(at)?, at)))
                    .min_by_key(|(load, _)| *load)
                    .map(|(_, at)| at);
            }
            Balance::TwoChoices => {
                let one = wait::choose(n);
                let other = (one + 1 + wait::choose((n - 1).max(1))) % n;
                match (load(one), load(other)) {
                    (Some(own), Some(its)) if its < own => other,
                    (None, Some(_)) => other,
                    _ => one,
                }
            }
        };
        around(start, n).find(|at| load(*at).is_some())
    }
}

/// All of `0..n`, beginning with `start`.
fn around(start: usize, n: usize) -> impl Iterator<Item = usize> {
    (start..n).chain(0..start)
}

/// Sends to whom `pick` names, and if that one has ended meanwhile, to whom it names then.
///
/// Ends: who was found closed is dead, and not named again.
pub(super) fn send<A: Actor>(
    mut msg: A::Msg,
    pick: impl Fn() -> Option<Addr<A>>,
) -> Result<(), RouteError<A::Msg>> {
    loop {
        let Some(addr) = pick() else {
            return Err(RouteError::Nobody(msg));
        };
        msg = match addr.send(msg) {
            Ok(()) => return Ok(()),
            Err(TellError::Closed(back)) => back,
            Err(full) => return Err(RouteError::Full(full.into_message())),
        };
    }
}

/// Sends to the first of `members`, beginning with `start`, that has room.
pub(super) fn try_send<A: Actor>(
    mut msg: A::Msg,
    members: &[Addr<A>],
    start: Option<usize>,
) -> Result<(), RouteError<A::Msg>> {
    let mut full = false;
    for at in start.into_iter().flat_map(|it| around(it, members.len())) {
        msg = match members[at].try_send(msg) {
            Ok(()) => return Ok(()),
            Err(error) => {
                full |= !error.is_closed();
                error.into_message()
            }
        };
    }
    Err(match full {
        true => RouteError::Full(msg),
        false => RouteError::Nobody(msg),
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn picks(balance: Balance, loads: &[Option<usize>], times: usize) -> Vec<Option<usize>> {
        let picker = Picker::new(balance);
        let load = |at: usize| loads[at];
        (0..times)
            .map(|_| picker.choose(loads.len(), load))
            .collect()
    }

    const ALL: [Balance; 4] = [
        Balance::RoundRobin,
        Balance::LeastLoaded,
        Balance::TwoChoices,
        Balance::Random,
    ];

    #[test]
    fn nobody_is_picked_of_nobody_and_only_those_that_are_usable() {
        for balance in ALL {
            assert_eq!(picks(balance, &[], 1), [None]);
            assert_eq!(picks(balance, &[None, None, None], 1), [None]);
            assert_eq!(picks(balance, &[Some(9)], 2), [Some(0), Some(0)]);
            let one = picks(balance, &[None, None, Some(5), None], 50);
            assert!(one.iter().all(|it| *it == Some(2)), "{balance:?}");
        }
    }

    #[test]
    fn round_robin_takes_each_in_turn_and_skips() {
        let three = [Some(0), Some(0), Some(0)];
        let turns = picks(Balance::RoundRobin, &three, 5);
        assert_eq!(turns, [0, 1, 2, 0, 1].map(Some));
        let turns = picks(Balance::RoundRobin, &[Some(0), None, Some(0)], 4);
        assert_eq!(turns, [0, 2, 2, 0].map(Some));
    }

    #[test]
    fn least_loaded_takes_the_shortest_and_equals_in_turn() {
        let loads = [Some(3), Some(1), Some(7), Some(1)];
        let turns = picks(Balance::LeastLoaded, &loads, 4);
        assert_eq!(turns, [1, 1, 3, 3].map(Some));
        let idle = picks(Balance::LeastLoaded, &[Some(0); 3], 3);
        assert_eq!(idle, [0, 1, 2].map(Some));
    }

    #[test]
    fn of_two_choices_the_longest_is_never_the_better() {
        let turns = picks(Balance::TwoChoices, &[Some(0), Some(9), Some(1)], 300);
        assert!(turns.iter().all(|it| *it != Some(1)));
        for at in [0, 2] {
            assert!(turns.contains(&Some(at)));
        }
    }

    #[test]
    fn at_random_everybody_has_a_turn() {
        let turns = picks(Balance::Random, &[Some(0); 4], 400);
        for at in 0..4 {
            assert!(turns.contains(&Some(at)));
        }
    }
}
