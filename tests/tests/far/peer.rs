//! A node, and a peer of its that knows the secret and says what a test says.

use std::sync::LazyLock;

use actor_core::channel::{self, Receiver, Sender};
use actor_core::image::{Head, Image, Kind};
use actor_core::migrate::{FarSide, LocalFarSide, Node, NodeBuilder, local_pair};
use actor_core::prelude::*;
use actor_core::snapshot::Snapshot;
use actor_core::{System, migratable};
use serde::{Deserialize, Serialize};
use tests::Gate;

use super::said::{Message, Packed, Wire};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) enum Tree {
    #[default]
    Leaf,
    Branch(Box<Tree>),
    Many(Vec<Tree>),
}

impl Tree {
    pub(crate) fn deep(depth: usize) -> Self {
        (0..depth).fold(Tree::Leaf, |tree, n| match n % 2 {
            0 => Tree::Branch(Box::new(tree)),
            _ => Tree::Many(vec![tree]),
        })
    }

    pub(crate) fn depth(&self) -> usize {
        match self {
            Tree::Leaf => 0,
            Tree::Branch(tree) => 1 + tree.depth(),
            Tree::Many(trees) => 1 + trees.iter().map(Tree::depth).max().unwrap_or(0),
        }
    }
}

/// Cannot be read if it is odd; the code that reads it does not expect that.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Touchy(pub(crate) u8);

impl<'de> Deserialize<'de> for Touchy {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(from)?;
        assert!(number % 2 == 0, "an odd number");
        Ok(Touchy(number))
    }
}

/// What a garden does not start with.
pub(crate) const BARREN: u64 = u64::MAX;

#[actor(snapshot)]
#[derive(Default)]
pub(crate) struct Garden {
    pub(crate) entries: Vec<u64>,
    pub(crate) tree: Tree,
    pub(crate) touchy: Touchy,
    #[snapshot(skip)]
    pub(crate) gate: Option<Gate>,
}

#[actor]
impl Garden {
    #[on_start]
    fn grows(&mut self) -> Result<(), &'static str> {
        match self.entries[..] {
            [BARREN] => Err("barren"),
            _ => Ok(()),
        }
    }
    pub(crate) fn add(&mut self, n: u64) -> usize {
        self.entries.push(n);
        self.entries.len()
    }
    pub(crate) fn entries(&self) -> Vec<u64> {
        self.entries.clone()
    }
    pub(crate) fn plant(&mut self, tree: Tree) -> usize {
        self.tree = tree;
        self.tree.depth()
    }
    pub(crate) fn touch(&mut self, touchy: Touchy) {
        self.touchy = touchy;
    }
    /// Holds it up.
    pub(crate) fn wait(&mut self) {
        if let Some(gate) = &self.gate {
            gate.wait();
        }
    }
}

/// Has little room.
#[actor(mailbox = 2, snapshot)]
#[derive(Default)]
pub(crate) struct Narrow {
    pub(crate) entries: Vec<u64>,
    #[snapshot(skip)]
    pub(crate) gate: Option<Gate>,
}

#[actor]
impl Narrow {
    pub(crate) fn add(&mut self, n: u64) -> usize {
        self.entries.push(n);
        self.entries.len()
    }
    pub(crate) fn wait(&mut self) {
        if let Some(gate) = &self.gate {
            gate.wait();
        }
    }
}

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

pub(crate) type Sides = (Sender<u64>, Receiver<u64>);

pub(crate) struct World {
    pub(crate) sys: System,
    pub(crate) node: Node,
    pub(crate) arrivals: Receiver<(String, Sides)>,
}

/// A node whose system has one thread, which does all that is counted.
pub(crate) fn world(name: &str, set: impl FnOnce(NodeBuilder) -> NodeBuilder) -> World {
    let sys = System::builder()
        .workers(1)
        .spare_workers(0)
        .build()
        .unwrap();
    let (seen, arrivals) = channel::unbounded();
    let builder = Node::builder(name, &sys)
        .accept_actor::<Garden>()
        .accept_actor::<Narrow>()
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

/// The other end of a way to the node.
pub(crate) fn peer(world: &World, name: &str) -> LocalFarSide {
    let (far, own) = local_pair(name, world.node.name());
    world.node.attach(own).unwrap();
    far
}

pub(crate) fn connect(a: &World, b: &World) {
    a.node.attach(peer(b, a.node.name())).unwrap();
}

/// What the node says next of the thing of this name.
pub(crate) fn hears(peer: &LocalFarSide, about: &str) -> Message {
    loop {
        match Wire::decode(&peer.recv().unwrap()) {
            Wire::Handover { thing, message } if thing == about => return message,
            _ => {}
        }
    }
}

/// And of which call it says next that it is answered, and how.
pub(crate) fn answer(peer: &LocalFarSide) -> (u128, Option<Packed>) {
    loop {
        if let Wire::Answer { call, answer } = Wire::decode(&peer.recv().unwrap()) {
            return (call, answer);
        }
    }
}

pub(crate) fn offer(thing: &str, epoch: u64, offer: u128, image: &Image) -> Vec<u8> {
    let image = Packed(image.encode());
    let message = Message::Offer {
        epoch,
        offer,
        image,
    };
    Wire::of(thing, message)
}

pub(crate) fn told(thing: &str, call: Option<u128>, msg: &GardenMsg) -> Vec<u8> {
    forward(thing, call, a_garden().head().name(), msg)
}

pub(crate) fn forward(thing: &str, call: Option<u128>, to: &str, msg: &impl Serialize) -> Vec<u8> {
    let image = Image::of(Head::new(Kind::Data, to), msg).unwrap();
    let (thing, message) = (thing.to_owned(), Packed(image.encode()));
    Wire::Forward {
        thing,
        call,
        message,
    }
    .encode()
}

/// An image of a garden with this in it.
pub(crate) fn image_of<A: Snapshot>(actor: A) -> Image {
    let sys = System::new().unwrap();
    sys.spawn(actor).unwrap().snapshot().unwrap()
}

/// Of one with nothing in it.
pub(crate) fn a_garden() -> &'static Image {
    static IMAGE: LazyLock<Image> = LazyLock::new(|| image_of(Garden::default()));
    &IMAGE
}

/// The node still does what it is there for, with another node.
pub(crate) fn serves(world: &World) {
    let other = self::world("honest", |it| it);
    connect(&other, world);
    let garden = other.sys.spawn(Garden::default()).unwrap();
    garden.ask().add(1).unwrap();
    other.node.adopt("honest garden", &garden).unwrap();
    other
        .node
        .migrate("honest garden", world.node.name())
        .unwrap();
    assert_eq!(garden.ask().add(2).unwrap(), 2);
    world.node.migrate("honest garden", "honest").unwrap();
    assert_eq!(garden.ask().entries().unwrap(), [1, 2]);

    let ((give, from), (to, take)) = (channel::unbounded(), channel::unbounded());
    let sides: Sides = (give.clone(), take);
    other
        .node
        .spawn_with("honest sum", sum(2, from, to), sides)
        .unwrap();
    give.send(1).unwrap();
    other.node.migrate("honest sum", world.node.name()).unwrap();
    loop {
        let (name, (give, take)) = world.arrivals.recv().unwrap();
        if name == "honest sum" {
            give.send(10).unwrap();
            assert_eq!(take.recv().unwrap(), 11);
            return;
        }
    }
}
