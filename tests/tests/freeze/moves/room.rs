//! What is told to an actor that has gone waits for room on the way to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actor_core::DeadReason;
use actor_core::migrate::{FarError, FarSide, LocalFarSide, Node, PeerLimits, local_pair};
use actor_core::prelude::*;
use tests::{Gate, within};

/// Its mailbox has room for four.
#[actor(snapshot, mailbox = 4)]
#[derive(Default)]
struct Sink {
    bytes: usize,
}

#[actor]
impl Sink {
    pub(crate) fn put(&mut self, bytes: Vec<u8>) {
        self.bytes += bytes.len();
    }
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A way that takes nothing while it is narrow.
#[derive(Debug)]
struct Narrow {
    far: LocalFarSide,
    narrow: Arc<AtomicBool>,
    gate: Gate,
}

impl FarSide for Narrow {
    fn node(&self) -> &str {
        self.far.node()
    }
    fn send(&self, message: &[u8]) -> Result<(), FarError> {
        if self.narrow.load(Ordering::SeqCst) {
            self.gate.wait();
        }
        self.far.send(message)
    }
    fn recv(&self) -> Result<Vec<u8>, FarError> {
        self.far.recv()
    }
    fn close(&self) {
        self.gate.open();
        self.far.close();
    }
}

const KIB: usize = 1 << 10;

/// A sink that has gone from a node by a way that takes nothing now.
struct World {
    here: System,
    _nodes: [Node; 2],
    _there: System,
    sink: Addr<Sink>,
    narrow: Arc<AtomicBool>,
    gate: Gate,
}

impl World {
    fn new(limits: PeerLimits) -> Self {
        let (here, there) = (System::new().unwrap(), System::new().unwrap());
        let node = |name, sys| {
            let builder = Node::builder(name, sys).accept_actor::<Sink>();
            builder.peer_limits(limits).start().unwrap()
        };
        let (a, b) = (node("a", &here), node("b", &there));
        let (to_b, to_a) = local_pair("a", "b");
        let (narrow, gate) = (Arc::new(AtomicBool::new(false)), Gate::new());
        let far = Narrow {
            far: to_b,
            narrow: narrow.clone(),
            gate: gate.clone(),
        };
        a.attach(far).unwrap();
        b.attach(to_a).unwrap();
        let sink = here.spawn(Sink::default()).unwrap();
        a.adopt("sink", &sink).unwrap();
        a.migrate("sink", "b").unwrap();
        narrow.store(true, Ordering::SeqCst);
        World {
            here,
            _nodes: [a, b],
            _there: there,
            sink,
            narrow,
            gate,
        }
    }

    fn is_wide(&self) {
        self.narrow.store(false, Ordering::SeqCst);
        self.gate.open();
    }
}

fn block() -> Vec<u8> {
    vec![0; 64 * KIB]
}

#[test]
fn whoever_tells_what_has_gone_more_than_the_way_takes_waits() {
    within(60, || {
        let world = World::new(PeerLimits::default());
        let sink = &world.sink;
        // The way takes a mebibyte, and its old mailbox four.
        (0..16).for_each(|_| sink.tell().put(block()).unwrap());
        let mut told = 16;
        for _ in 0..10_000 {
            match sink.try_tell().put(block()) {
                Ok(()) => told += 1,
                Err(TellError::Full(_)) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
            assert!(told < 40, "it takes what the way does not");
        }
        world.is_wide();
        tests::until(|| sink.ask().bytes().unwrap() == told * 64 * KIB);
    });
}

/// What the limit of a way's queue does not let through is accounted for, as what has no way.
#[test]
fn what_is_told_beyond_the_limit_of_the_way_is_a_dead_letter() {
    within(60, || {
        let mut limits = PeerLimits::default();
        limits.queue = 160 * KIB;
        let world = World::new(limits);
        let letters = world.here.dead_letters();
        (0..10).for_each(|_| world.sink.tell().put(block()).unwrap());
        let mut dead = 1;
        let letter = letters.recv().unwrap();
        assert!(matches!(letter.reason, DeadReason::NoWay), "{letter:?}");
        world.is_wide();
        tests::until(|| {
            dead += letters.try_iter().count();
            let bytes = world.sink.ask().bytes().unwrap_or(0);
            bytes / (64 * KIB) + dead == 10
        });
    });
}
