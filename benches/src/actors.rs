//! The actors that are measured.

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
