//! What the workloads go by, the same for all peers.

use super::measured::Job;
use super::workload::Workload;

/// How often the token of `ping_pong`, or of a ring, is passed on.
pub fn hops(job: Job) -> u64 {
    match job.workload {
        Workload::PingPong => 2 * job.messages,
        _ => job.messages,
    }
}

/// The colours of `chameneos`, 0 to 2: what two become that meet.
pub fn complement(one: u8, other: u8) -> u8 {
    if one == other { one } else { 3 - one - other }
}

/// A sequence of numbers that look random.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence with that number.
    pub fn new(number: u64) -> Self {
        Random(number)
    }

    /// One of those, by the next number.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// The next, below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// `bank_transaction`: from which account to which one is paid, always to a later one, so that no two wait for each other.
pub fn transfers(accounts: u64, count: u64) -> impl Iterator<Item = (usize, usize)> {
    let mut random = Random::new(1);
    (0..count).map(move |_| {
        let from = random.below(accounts - 1);
        let to = from + 1 + random.below(accounts - from - 1);
        (from as usize, to as usize)
    })
}

/// What the accounts have afterwards, if each began with nothing and each transfer is of one.
pub fn balances(accounts: u64, count: u64) -> Vec<i64> {
    let mut balances = vec![0; accounts as usize];
    for (from, to) in transfers(accounts, count) {
        balances[from] -= 1;
        balances[to] += 1;
    }
    balances
}

/// The sum of the numbers below `count`: what comes up from so many leaves of `skynet`.
pub fn sum_below(count: u64) -> u64 {
    count * (count - 1) / 2
}

/// The sum of the items that `producers` of `bounded_buffer` make: each the numbers below `items / producers`.
pub fn items_sum(producers: u64, items: u64) -> u64 {
    producers * sum_below(items / producers)
}

/// The forks of `dining_philosophers`, of which two at a table share each: what the arbiter knows.
#[derive(Debug)]
pub struct Forks {
    taken: Vec<bool>,
}

impl Forks {
    /// As many as seats, and all there.
    pub fn new(seats: usize) -> Self {
        Forks {
            taken: vec![false; seats],
        }
    }

    /// Gives both to the one at a seat, if both are there.
    pub fn take(&mut self, seat: usize) -> bool {
        let other = self.other(seat);
        let free = !self.taken[seat] && !self.taken[other];
        if free {
            (self.taken[seat], self.taken[other]) = (true, true);
        }
        free
    }

    /// Takes both back.
    pub fn put_back(&mut self, seat: usize) {
        let other = self.other(seat);
        (self.taken[seat], self.taken[other]) = (false, false);
    }

    fn other(&self, seat: usize) -> usize {
        (seat + 1) % self.taken.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_colours_become_the_third_and_equals_stay() {
        for (one, other, becomes) in [(0, 1, 2), (2, 0, 1), (1, 2, 0), (1, 1, 1)] {
            assert_eq!(complement(one, other), becomes);
        }
    }

    #[test]
    fn neighbours_do_not_eat_at_the_same_time() {
        let mut forks = Forks::new(4);
        assert!(forks.take(3), "all are there");
        assert!(!forks.take(2) && !forks.take(0), "one is the neighbour's");
        assert!(forks.take(1), "it sits opposite");
        forks.put_back(3);
        assert!(!forks.take(2) && !forks.take(0), "the other neighbour eats");
        assert!(forks.take(3), "both are back");
    }

    #[test]
    fn nobody_pays_to_an_earlier_account_and_nothing_is_lost() {
        assert!(transfers(10, 1_000).all(|(from, to)| from < to && to < 10));
        let balances = balances(10, 1_000);
        assert_eq!(balances.iter().sum::<i64>(), 0);
        assert!(balances[0] < 0 && balances[9] > 0);
    }
}
