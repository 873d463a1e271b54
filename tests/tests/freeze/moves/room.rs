//! What is told to an actor that has gone waits for room on the way to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actor_core::TellError;
use actor_core::migrate::{FarError, FarSide, LocalFarSide, Node, local_pair};
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

#[test]
fn whoever_tells_what_has_gone_more_than_the_way_takes_waits() {
    within(60, || {
        let (here, there) = (System::new().unwrap(), System::new().unwrap());
        let node = |name, sys| {
            Node::builder(name, sys)
                .accept_actor::<Sink>()
                .start()
                .unwrap()
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
        // The way takes a mebibyte, and its old mailbox four.
        let block = || vec![0; 64 * KIB];
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
        narrow.store(false, Ordering::SeqCst);
        gate.open();
        tests::until(|| sink.ask().bytes().unwrap() == told * 64 * KIB);
    });
}
