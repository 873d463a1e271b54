//! Tens of thousands of messages that are all but right, to a node.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actor_core::channel;
use actor_core::image::Image;
use actor_core::microthread;
use actor_core::migrate::{FarError, FarSide, LocalFarSide, PeerLimits, local_pair};
use actor_core::store::{Loaded, MemoryStore, Store, StoreError};
use tests::heap::live;
use tests::spoil::{put_right, spoil};
use tests::{Gate, within};

use super::peer::{Garden, Sides, Touchy, Tree, serves, sum, world};
use super::said::{Message, Refusal, Wire};

/// Takes down what is said by a way.
#[derive(Debug)]
struct Tap(LocalFarSide, Arc<Mutex<Vec<Vec<u8>>>>);

impl FarSide for Tap {
    fn node(&self) -> &str {
        self.0.node()
    }
    fn send(&self, message: &[u8]) -> Result<(), FarError> {
        if !message.is_empty() {
            self.1.lock().unwrap().push(message.to_vec());
        }
        self.0.send(message)
    }
    fn recv(&self) -> Result<Vec<u8>, FarError> {
        self.0.recv()
    }
    fn close(&self) {
        self.0.close();
    }
}

/// What two nodes have said to each other while all kinds of things moved.
fn conversation() -> Vec<Wire> {
    let (a, b) = (world("a", |it| it), world("b", |it| it));
    let said = Arc::default();
    let (to_b, to_a) = local_pair("a", "b");
    a.node.attach(Tap(to_b, Arc::clone(&said))).unwrap();
    b.node.attach(Tap(to_a, Arc::clone(&said))).unwrap();

    let gate = Gate::new();
    let garden = Garden {
        tree: Tree::deep(8),
        gate: Some(gate.clone()),
        ..Garden::default()
    };
    let garden = a.sys.spawn_named("a name of its own", garden).unwrap();
    a.node.adopt("garden", &garden).unwrap();
    garden.tell().wait().unwrap();
    tests::until(|| gate.waiting() == 1);
    let asked: Vec<_> = (0..4).map(|n| garden.request().add(n)).collect();
    garden.tell().plant(Tree::deep(3)).unwrap();
    garden.tell().touch(Touchy(2)).unwrap();
    std::thread::scope(|scope| {
        let moving = scope.spawn(|| a.node.migrate("garden", "b").unwrap());
        gate.open();
        moving.join().unwrap();
    });
    for answer in asked {
        answer.wait().unwrap();
    }
    garden.tell().plant(Tree::deep(2)).unwrap();
    garden.ask().add(9).unwrap();

    let ((give, from), (to, take)) = (channel::unbounded(), channel::unbounded());
    let sides: Sides = (give.clone(), take);
    a.node.spawn_with("sum", sum(9, from, to), sides).unwrap();
    give.send(5).unwrap();
    a.node.migrate("sum", "b").unwrap();
    b.node.migrate("garden", "a").unwrap();
    a.node.close();
    b.node.close();
    let said = said.lock().unwrap();
    said.iter().map(|it| Wire::decode(it)).collect()
}

/// Fails now and then.
struct Failing {
    store: MemoryStore,
    saves: AtomicUsize,
    /// Not any more.
    whole: Arc<AtomicBool>,
}

impl Store for Failing {
    fn save(&self, name: &str, image: &Image) -> Result<(), StoreError> {
        let nth = self.saves.fetch_add(1, Ordering::Relaxed);
        if nth % 50 == 49 && !self.whole.load(Ordering::Relaxed) {
            return Err(StoreError::Io {
                doing: "failing".to_owned(),
                error: std::io::ErrorKind::StorageFull.into(),
            });
        }
        self.store.save(name, image)
    }
    fn load(&self, name: &str) -> Result<Loaded, StoreError> {
        self.store.load(name)
    }
    fn remove(&self, name: &str) -> Result<bool, StoreError> {
        self.store.remove(name)
    }
    fn names(&self) -> Result<Vec<String>, StoreError> {
        self.store.names()
    }
}

/// What the peer has heard, that it can use.
#[derive(Debug, Default)]
struct Heard {
    /// What it could commit: thing, offer, ticket.
    accepted: Vec<(String, u128, u128)>,
    refused: HashMap<&'static str, u64>,
    confirmed: u64,
    missing: u64,
    answers: u64,
    without: u64,
}

/// Says so many messages, each as it comes to mind. All on the node's thread, so that what that has allocated is what there is.
#[derive(Debug)]
struct Hostile {
    corpus: Vec<Wire>,
    left: AtomicUsize,
    rng: Mutex<fastrand::Rng>,
    heard: Arc<Mutex<Heard>>,
    most: Arc<Mutex<isize>>,
    done: Gate,
    closed: Gate,
}

impl Hostile {
    fn next(&self, rng: &mut fastrand::Rng) -> Vec<u8> {
        let heard = &mut *self.heard.lock().unwrap();
        // An honest commit, or one with something changed.
        if !heard.accepted.is_empty() && rng.u8(..8) == 0 {
            let at = rng.usize(..heard.accepted.len());
            let (thing, mut offer, mut ticket) = heard.accepted[at].clone();
            match rng.u8(..4) {
                0 => offer ^= 1,
                1 => ticket = rng.u128(..),
                _ => drop(heard.accepted.swap_remove(at)),
            }
            let epoch = number(rng);
            let message = match rng.u8(..3) {
                0 => Message::Abort { offer, ticket },
                _ => Message::Commit {
                    epoch,
                    offer,
                    ticket,
                },
            };
            return Wire::of(&thing, message);
        }
        let mut wire = self.corpus[rng.usize(..self.corpus.len())].clone();
        let few = rng.bool();
        let name = match rng.u16(..500) {
            0 => "n".repeat(rng.usize(200..100_000)),
            1..100 => "the node's own".to_owned(),
            // Some meet again.
            _ => format!("thing {}", rng.u16(..if few { 50 } else { 5_000 })),
        };
        match &mut wire {
            Wire::Handover { thing, message } => {
                *thing = name;
                match message {
                    Message::Offer {
                        epoch,
                        offer,
                        image,
                    } => {
                        (*epoch, *offer) = (number(rng), rng.u128(..));
                        match rng.u8(..20) {
                            // Of something that nobody has heard of.
                            0 => {
                                image.0[36] = b'?';
                                put_right(&mut image.0);
                            }
                            // Another of what is not decided.
                            1 if !heard.accepted.is_empty() => {
                                let at = rng.usize(..heard.accepted.len());
                                (*thing, *epoch) = (heard.accepted[at].0.clone(), 0);
                            }
                            _ => {}
                        }
                    }
                    Message::Refuse { why, .. } if rng.bool() => {
                        *why = Refusal::Thaw("y".repeat(rng.usize(..10_000)));
                    }
                    _ => {}
                }
            }
            Wire::Forward { thing, call, .. } => {
                *thing = name;
                *call = rng.bool().then(|| rng.u128(..));
            }
            Wire::Answer { call, .. } => *call = rng.u128(..),
        }
        if rng.bool()
            && let Some(image) = wire.packed()
        {
            spoil(image, rng);
        }
        let mut bytes = wire.encode();
        if rng.u8(..4) == 0 {
            spoil(&mut bytes, rng);
        }
        bytes
    }
}

fn number(rng: &mut fastrand::Rng) -> u64 {
    match rng.u8(..6) {
        0 => 0,
        1 => u64::MAX,
        2 => u64::MAX - 1,
        _ => rng.u64(..1000),
    }
}

impl FarSide for Hostile {
    fn node(&self) -> &str {
        "hostile"
    }

    fn send(&self, message: &[u8]) -> Result<(), FarError> {
        if message.is_empty() {
            return Ok(());
        }
        let heard = &mut *self.heard.lock().unwrap();
        match Wire::decode(message) {
            Wire::Handover { thing, message } => match message {
                Message::Accept { offer, ticket } => {
                    heard.accepted.push((thing, offer, ticket));
                }
                Message::Refuse { why, .. } => {
                    let name = match why {
                        Refusal::Busy => "busy",
                        Refusal::Here => "here",
                        Refusal::NotSaved => "not saved",
                        Refusal::Unknown(_) => "unknown",
                        Refusal::Thaw(_) => "thaw",
                        Refusal::Full => "full",
                    };
                    *heard.refused.entry(name).or_default() += 1;
                }
                Message::Confirm { .. } => heard.confirmed += 1,
                Message::Missing { .. } => heard.missing += 1,
                _ => {}
            },
            Wire::Answer { answer, .. } => match answer {
                Some(_) => heard.answers += 1,
                None => heard.without += 1,
            },
            Wire::Forward { .. } => {}
        }
        Ok(())
    }

    fn recv(&self) -> Result<Vec<u8>, FarError> {
        // Whoever else has something to do.
        microthread::yield_now();
        if self.left.load(Ordering::Relaxed) == 0 {
            self.done.open();
            self.closed.wait();
            return Err(FarError::Closed);
        }
        self.left.fetch_sub(1, Ordering::Relaxed);
        let most = &mut *self.most.lock().unwrap();
        *most = live().max(*most);
        Ok(self.next(&mut self.rng.lock().unwrap()))
    }

    fn close(&self) {
        self.closed.open();
    }
}

/// How many messages; a test of an hour is one with more.
fn messages() -> usize {
    let set = std::env::var("ACTOR_PEER").ok();
    set.map_or(60_000, |n| n.parse().expect("ACTOR_PEER is a number"))
}

/// Tens of thousands of messages that are all but right: the node lives, has met all that can be wrong, keeps little, and serves.
#[test]
fn a_node_that_hears_what_means_ill_lives_and_serves() {
    within(300, || {
        let mut limits = PeerLimits::default();
        (limits.undecided, limits.calls) = (32 << 10, 100);
        let whole = Arc::new(AtomicBool::new(false));
        let world = world("there", |builder| {
            let store = Failing {
                store: MemoryStore::new(),
                saves: AtomicUsize::new(0),
                whole: whole.clone(),
            };
            builder.store(Arc::new(store)).peer_limits(limits)
        });
        let own = world.sys.spawn(Garden::default()).unwrap();
        world.node.adopt("the node's own", &own).unwrap();
        let (heard, most) = (Arc::default(), Arc::default());
        let done = Gate::new();
        world
            .node
            .attach(Hostile {
                corpus: conversation(),
                left: AtomicUsize::new(messages()),
                rng: Mutex::new(fastrand::Rng::with_seed(21)),
                heard: Arc::clone(&heard),
                most: Arc::clone(&most),
                done: done.clone(),
                closed: Gate::new(),
            })
            .unwrap();
        done.wait();
        let living = format!("{:?}", world.node).matches("thing ").count();
        whole.store(true, Ordering::Relaxed);
        serves(&world);
        assert!(own.ask().entries().is_ok());
        let heard = heard.lock().unwrap();
        // `full` is a matter of who comes first; it has its own test (`bounds`).
        for why in ["busy", "here", "not saved", "unknown", "thaw"] {
            let all = &heard.refused;
            assert!(all.contains_key(why), "never `{why}`: {all:?}");
        }
        let all = [heard.confirmed, heard.missing, heard.answers, heard.without];
        assert!(!all.contains(&0), "{all:?}");
        // What lives has been moved here, with its record, and is not the peer's any more.
        let (most, allowed) = (*most.lock().unwrap(), (2 << 20) + 8192 * living as isize);
        assert!(most <= allowed, "{most} bytes, with {living} things");
    });
}
