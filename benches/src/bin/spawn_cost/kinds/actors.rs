//! Actors: with message methods, and with their own stack.

use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_core::{ChildTemplate, DynamicSupervisor};
use benches::gate::{Countdown, Gate};

use super::super::Result;
use super::Population;

static GATE: Gate = Gate::new();
static ARRIVED: Countdown = Countdown::new();

/// So many are sent a message before any of them handles it. Messages wait in memory, and a burst of a million of them
/// would be measured instead of the actors.
const BURST: usize = 256;

/// Has `each` member do something that ends with an arrival, a burst at a time.
fn in_bursts(members: usize, mut each: impl FnMut(usize) -> Result<()>) -> Result<()> {
    for start in (0..members).step_by(BURST) {
        let burst = start..members.min(start + BURST);
        ARRIVED.reset(burst.len());
        burst.into_iter().try_for_each(&mut each)?;
        ARRIVED.wait();
    }
    Ok(())
}

/// An actor that owns no stack, except while its handler is blocked.
#[actor]
struct Counter {
    n: u64,
}

#[actor]
impl Counter {
    pub(crate) fn add(&mut self, by: u64) {
        self.n += by;
        ARRIVED.arrive();
    }

    pub(crate) fn block(&mut self) {
        ARRIVED.arrive();
        GATE.wait();
        ARRIVED.arrive();
    }
}

/// How they are created.
enum By {
    Spawn,
    /// Each under a name of its own.
    Name,
    /// A supervisor, in a batch.
    Supervisor(DynamicSupervisor<Counter, u64>),
}

pub(super) struct Actors {
    sys: System,
    by: By,
    addrs: Vec<Addr<Counter>>,
}

pub(super) fn plain(sys: System) -> Actors {
    Actors::new(sys, By::Spawn)
}

pub(super) fn named(sys: System) -> Actors {
    Actors::new(sys, By::Name)
}

pub(super) fn supervised(sys: System) -> Result<Actors> {
    let template = ChildTemplate::new("counter", |n: &u64| Counter { n: *n });
    let supervisor = DynamicSupervisor::builder(template).start(&sys)?;
    Ok(Actors::new(sys, By::Supervisor(supervisor)))
}

impl Actors {
    fn new(sys: System, by: By) -> Self {
        Actors {
            sys,
            by,
            addrs: Vec::new(),
        }
    }
}

impl Population for Actors {
    const VISITS: usize = 10_000_000;

    fn create(&mut self, n: usize) -> Result<()> {
        match &self.by {
            By::Spawn => {
                self.addrs.reserve_exact(n);
                for _ in 0..n {
                    self.addrs.push(self.sys.spawn(Counter { n: 0 })?);
                }
            }
            By::Name => {
                self.addrs.reserve_exact(n);
                for _ in 0..n {
                    let name = format!("counter-{}", self.addrs.len());
                    self.addrs
                        .push(self.sys.spawn_named(name, Counter { n: 0 })?);
                }
            }
            By::Supervisor(supervisor) => {
                let args = std::iter::repeat_n(0, n);
                // Those that are there already are few: moved, and not the many.
                let mut addrs = supervisor
                    .start_children(args)
                    .map_err(|it| it.to_string())?;
                addrs.append(&mut self.addrs);
                self.addrs = addrs;
            }
        }
        Ok(())
    }

    /// A message, and a handler that blocks and is resumed; one at a time, as what a stack costs is another row's matter.
    fn exercise(&mut self) -> Result<()> {
        self.visit(1)?;
        self.addrs.iter().try_for_each(|addr| {
            ARRIVED.reset(1);
            addr.tell().block()?;
            ARRIVED.wait();
            ARRIVED.reset(1);
            GATE.open();
            ARRIVED.wait();
            Ok(())
        })
    }

    fn stacks(&self) -> Option<u64> {
        Some(self.sys.stats().stacks as u64)
    }

    fn visit(&mut self, rounds: usize) -> Result<(Duration, usize)> {
        let start = Instant::now();
        for _ in 0..rounds {
            in_bursts(self.addrs.len(), |i| Ok(self.addrs[i].tell().add(1)?))?;
        }
        Ok((start.elapsed(), rounds * self.addrs.len()))
    }
}

/// An actor that owns a stack from start to end.
#[actor]
struct Loop {
    n: u64,
}

#[actor(message = u64)]
impl Loop {
    pub(crate) fn run(mut self, inbox: Inbox<Self>) -> Exit {
        ARRIVED.arrive();
        while let Ok(by) = inbox.recv() {
            self.n += by;
            ARRIVED.arrive();
        }
        Exit::Normal
    }
}

pub(super) struct OwnStacks {
    sys: System,
    addrs: Vec<Addr<Loop>>,
}

impl OwnStacks {
    pub(super) fn new(sys: System) -> Self {
        OwnStacks {
            sys,
            addrs: Vec::new(),
        }
    }
}

impl Population for OwnStacks {
    const VISITS: usize = 5_000_000;

    fn create(&mut self, n: usize) -> Result<()> {
        self.addrs.reserve_exact(n);
        ARRIVED.reset(n);
        for _ in 0..n {
            self.addrs.push(self.sys.spawn(Loop { n: 0 })?);
        }
        ARRIVED.wait();
        Ok(())
    }

    fn exercise(&mut self) -> Result<()> {
        self.visit(1).map(drop)
    }

    fn stacks(&self) -> Option<u64> {
        Some(self.sys.stats().stacks as u64)
    }

    fn visit(&mut self, rounds: usize) -> Result<(Duration, usize)> {
        let start = Instant::now();
        for _ in 0..rounds {
            in_bursts(self.addrs.len(), |i| Ok(self.addrs[i].send(1)?))?;
        }
        Ok((start.elapsed(), rounds * self.addrs.len()))
    }
}
