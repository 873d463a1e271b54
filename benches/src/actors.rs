//! The actors that are measured, and what is done with them. Loops over calls are inline: compiled into what measures them,
//! as if they were written there.

use std::hint::black_box;

use actor_core::prelude::*;

use crate::gate::Countdown;

/// Adds up.
#[actor]
#[derive(Debug, Default)]
pub struct Counter {
    n: u64,
}

#[actor]
impl Counter {
    /// Told.
    pub fn add(&mut self, by: u64) {
        self.n += by;
    }

    /// Asked.
    pub fn get(&self) -> u64 {
        self.n
    }
}

/// So many are told before anybody waits: a burst, and not all of a measurement's messages in memory.
const BURST: u64 = 256;

/// Tells `n` messages in bursts, and waits for the last of each.
///
/// # Panics
/// If the counter is gone.
#[inline]
pub fn tell(counter: &Addr<Counter>, n: u64) {
    for i in 0..n {
        counter.tell().add(1).expect("it is alive");
        if i % BURST == BURST - 1 {
            black_box(counter.ask().get().expect("it answers"));
        }
    }
    black_box(counter.ask().get().expect("it answers"));
}

/// Asks `n` times, one after the other.
///
/// # Panics
/// If the counter is gone.
#[inline]
pub fn ask(counter: &Addr<Counter>, n: u64) {
    for _ in 0..n {
        black_box(counter.ask().get().expect("it answers"));
    }
}

/// Starts an actor and has it end, `n` times.
///
/// # Panics
/// If there is no room for one.
#[inline]
pub fn spawn_stop(sys: &System, n: u64) {
    for _ in 0..n {
        let counter = sys.spawn(Counter::default()).expect("room for one");
        counter.stop();
        black_box(counter.join());
    }
}

/// Passes a token on.
#[actor]
#[derive(Debug)]
pub struct Link {
    next: Option<Addr<Link>>,
    done: &'static Countdown,
}

#[actor]
impl Link {
    /// Says to whom.
    pub fn point(&mut self, next: Addr<Link>) {
        self.next = Some(next);
    }

    /// `left` more hops.
    pub fn hop(&mut self, left: u64) {
        match &self.next {
            Some(next) if left > 0 => next.tell().hop(left - 1).expect("the ring is alive"),
            _ => self.done.arrive(),
        }
    }
}

/// A ring of so many links, of which the first comes back. Whoever has no hop left arrives at `done`.
///
/// # Panics
/// If there is no room for them.
pub fn ring(sys: &System, of: usize, done: &'static Countdown) -> Addr<Link> {
    let link = || sys.spawn(Link { next: None, done }).expect("room for one");
    let links: Vec<_> = (0..of).map(|_| link()).collect();
    for (link, next) in links.iter().zip(links.iter().cycle().skip(1)) {
        link.ask().point(next.clone()).expect("it is alive");
    }
    links[0].clone()
}

/// Sends a token so many hops round the ring of `first`, and waits until it has arrived.
///
/// # Panics
/// If the ring is gone.
pub fn hops(first: &Addr<Link>, n: u64, done: &Countdown) {
    done.reset(1);
    first.tell().hop(n).expect("the ring is alive");
    done.wait();
}
