//! Migratable functions, each in the middle of a loop.

use std::time::{Duration, Instant};

use actor_core::microthread::yield_now;
use actor_core::{System, migratable};

use super::super::Result;
use super::Population;

/// A member: it yields in each pass of its loop, and keeps three numbers.
#[migratable]
fn member(passes: u64) -> u64 {
    let mut sum = 0;
    for n in 0..passes {
        sum += n;
        yield_now();
    }
    sum
}

/// Nothing is kept to reach a member again: it is always ready.
pub(super) struct Migratables {
    sys: System,
    n: usize,
}

impl Migratables {
    pub(super) fn new(sys: System) -> Self {
        Migratables { sys, n: 0 }
    }
}

impl Population for Migratables {
    const VISITS: usize = 20_000_000;

    fn create(&mut self, n: usize) -> Result<()> {
        for _ in 0..n {
            drop(self.sys.spawn_migratable(member(u64::MAX))?);
        }
        self.n += n;
        yield_now();
        Ok(())
    }

    fn exercise(&mut self) -> Result<()> {
        yield_now();
        Ok(())
    }

    fn stacks(&self) -> Option<u64> {
        Some(self.sys.stats().stacks as u64)
    }

    fn visit(&mut self, rounds: usize) -> Result<(Duration, usize)> {
        // Each time this microthread has its turn, all others have had theirs.
        let start = Instant::now();
        for _ in 0..rounds {
            yield_now();
        }
        Ok((start.elapsed(), rounds * (self.n + 1)))
    }
}
