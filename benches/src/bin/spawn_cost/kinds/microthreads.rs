//! Stackful microthreads, each in the middle of a loop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actor_core::System;
use actor_core::microthread::{self, JoinHandle, yield_now};
use benches::gate::{Countdown, Gate};

use super::super::Result;
use super::Population;

static GATE: Gate = Gate::new();
static ARRIVED: Countdown = Countdown::new();
/// Whether members yield after they have passed the gate, or go back to it.
static YIELDS: AtomicBool = AtomicBool::new(false);

/// A member: blocked at the gate, except while it is visited.
fn member() {
    loop {
        ARRIVED.arrive();
        GATE.wait();
        while YIELDS.load(Ordering::Relaxed) {
            yield_now();
        }
    }
}

pub(super) struct Microthreads {
    sys: System,
    handles: Vec<JoinHandle<()>>,
}

impl Microthreads {
    pub(super) fn new(sys: System) -> Self {
        Microthreads {
            sys,
            handles: Vec::new(),
        }
    }
}

impl Population for Microthreads {
    const VISITS: usize = 5_000_000;

    fn create(&mut self, n: usize) -> Result<()> {
        self.handles.reserve_exact(n);
        ARRIVED.reset(n);
        for _ in 0..n {
            self.handles
                .push(microthread::Builder::new().spawn(member)?);
        }
        ARRIVED.wait();
        Ok(())
    }

    fn exercise(&mut self) -> Result<()> {
        ARRIVED.reset(self.handles.len());
        GATE.open();
        ARRIVED.wait();
        Ok(())
    }

    fn stacks(&self) -> Option<u64> {
        Some(self.sys.stats().stacks as u64)
    }

    fn visit(&mut self, rounds: usize) -> Result<(Duration, usize)> {
        ARRIVED.reset(self.handles.len());
        YIELDS.store(true, Ordering::Relaxed);
        GATE.open();
        // Everybody is ready now, this microthread last. Each time it has its turn, all others have had theirs.
        yield_now();
        let start = Instant::now();
        for _ in 0..rounds {
            yield_now();
        }
        let took = start.elapsed();
        YIELDS.store(false, Ordering::Relaxed);
        ARRIVED.wait();
        Ok((took, rounds * (self.handles.len() + 1)))
    }
}
