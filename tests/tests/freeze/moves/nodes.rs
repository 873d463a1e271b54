//! Two nodes, with what the tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actor_core::channel::{self, Receiver, Sender};
use actor_core::migrate::{FarError, FarSide, Node, NodeBuilder, local_pair};
use actor_core::prelude::*;
use actor_core::{System, migratable};

/// Adds up what it is given, `n` times; then says how much.
#[migratable]
pub(crate) fn sum(n: usize, from: Receiver<u64>, to: Sender<u64>) {
    let mut sum = 0;
    for _ in 0..n {
        match from.recv() {
            Ok(more) => sum += more,
            Err(_) => return,
        }
    }
    let _ = to.send(sum);
}

/// The other sides.
pub(crate) type Sides = (Sender<u64>, Receiver<u64>);

pub(crate) fn a_sum(n: usize) -> (actor_core::migratable::Start<sum>, Sides) {
    let (give, from) = channel::unbounded();
    let (to, take) = channel::unbounded();
    (sum(n, from, to), (give, take))
}

#[actor(snapshot)]
#[derive(Default)]
pub(crate) struct Ledger {
    entries: Vec<u64>,
    #[snapshot(skip)]
    gate: Option<tests::Gate>,
}

#[actor]
impl Ledger {
    pub(crate) fn add(&mut self, n: u64) -> usize {
        self.entries.push(n);
        self.entries.len()
    }
    pub(crate) fn entries(&self) -> Vec<u64> {
        self.entries.clone()
    }
    /// Holds it up, so that messages wait.
    pub(crate) fn wait(&mut self) {
        if let Some(gate) = &self.gate {
            gate.wait();
        }
    }
}

impl Ledger {
    pub(crate) fn held_by(gate: &tests::Gate) -> Self {
        Ledger {
            entries: Vec::new(),
            gate: Some(gate.clone()),
        }
    }
}

/// A node in a system of its own, and where luggage is seen that arrives.
pub(crate) struct World {
    pub(crate) sys: System,
    pub(crate) node: Node,
    pub(crate) arrivals: Receiver<(String, Sides)>,
}

pub(crate) fn world(name: &str) -> World {
    world_with(name, |builder| builder)
}

pub(crate) fn world_with(name: &str, set: impl FnOnce(NodeBuilder) -> NodeBuilder) -> World {
    let sys = System::new().unwrap();
    let (seen, arrivals) = channel::unbounded();
    let builder = Node::builder(name, &sys)
        .accept_actor::<Ledger>()
        .accept_with::<sum, Sides>(move |name, sides| {
            let _ = seen.send((name.to_owned(), sides));
        });
    let node = set(builder).start().unwrap();
    World {
        sys,
        node,
        arrivals,
    }
}

/// `ledger` as an actor that can move from there.
pub(crate) fn adopted(at: &World, ledger: Ledger) -> Addr<Ledger> {
    let ledger = at.sys.spawn(ledger).unwrap();
    at.node.adopt("ledger", &ledger).unwrap();
    ledger
}

pub(crate) fn connect(a: &Node, b: &Node) {
    let (to_b, to_a) = local_pair(a.name(), b.name());
    a.attach(to_b).unwrap();
    b.attach(to_a).unwrap();
}

pub(crate) fn two() -> (World, World) {
    let (a, b) = (world("a"), world("b"));
    connect(&a.node, &b.node);
    (a, b)
}

/// A way that ends when so many messages have been sent by it.
#[derive(Debug)]
pub(crate) struct Cut<F> {
    pub(crate) far: F,
    pub(crate) left: Arc<AtomicUsize>,
}

impl<F: FarSide> FarSide for Cut<F> {
    fn node(&self) -> &str {
        self.far.node()
    }

    fn send(&self, message: &[u8]) -> Result<(), FarError> {
        if message.is_empty() {
            return Ok(());
        }
        let one_less = |left: usize| left.checked_sub(1);
        let order = Ordering::SeqCst;
        if self.left.fetch_update(order, order, one_less).is_err() {
            self.far.close();
            return Err(FarError::Closed);
        }
        self.far.send(message)
    }

    fn recv(&self) -> Result<Vec<u8>, FarError> {
        self.far.recv()
    }

    fn close(&self) {
        self.far.close();
    }
}

/// Short, for moves that fail.
pub(crate) const BRIEF: Duration = Duration::from_millis(100);
