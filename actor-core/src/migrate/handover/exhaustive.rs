//! Every state that two nodes can get into, visited.
//!
//! What the nodes say goes into a set from which nothing is ever taken: any message may come at any time, any number of times, in
//! any order, or never. Between any two actions a node may die, and start again with what its store has. A save may fail, and have
//! been done or not. What is bounded is only how often something new begins: moves, deaths, failures, tokens.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Action, Message, Party, State, Token};
use crate::sys::fault::fault;

/// What a thing has done: a bit for each piece of work.
type Work = u8;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Node {
    /// None: it is dead.
    party: Option<Party<usize, Work>>,
    store: Option<State<usize, Work>>,
    /// What is to be done before anything else.
    pending: VecDeque<Action<usize, Work>>,
    /// The thing, if it lives here.
    alive: Option<(u64, Work)>,
    /// An image that was taken of it, to be saved.
    taken: Option<(u64, Work)>,
    /// The record of that, which is being written.
    writing: Option<State<usize, Work>>,
}

/// How often something may still begin.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Budget {
    moves: u8,
    deaths: u8,
    failures: u8,
    work: u8,
    saves: u8,
    tokens: u8,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    nodes: [Node; 2],
    said: BTreeSet<(usize, usize, Message<Work>)>,
    left: Budget,
    drawn: u8,
    done: Work,
    /// What whoever asked for the work was told is done.
    acknowledged: Work,
    /// Whether records outlive a node.
    durable: bool,
}

impl World {
    fn new(durable: bool, left: Budget) -> Self {
        let node = |party: Party<usize, Work>| Node {
            party: Some(party),
            store: None,
            pending: VecDeque::new(),
            alive: None,
            taken: None,
            writing: None,
        };
        let mut here = node(Party::here(0));
        here.alive = Some((0, 0));
        here.store = Some(State::Here {
            epoch: 0,
            image: Some(0),
        });
        World {
            nodes: [here, node(Party::away())],
            said: BTreeSet::new(),
            left,
            drawn: 0,
            done: 0,
            acknowledged: 0,
            durable,
        }
    }

    /// What the next token would be.
    fn fresh(&self) -> Token {
        Token(u128::from(self.drawn))
    }

    /// Has the party take an input, of which it may use the next token.
    fn input(
        &mut self,
        at: usize,
        input: impl FnOnce(&mut Party<usize, Work>, Token, &mut Vec<Action<usize, Work>>),
    ) -> bool {
        let fresh = self.fresh();
        let mut out = Vec::new();
        let node = &mut self.nodes[at];
        let Some(party) = &mut node.party else {
            return false;
        };
        input(party, fresh, &mut out);
        let used = match party.state() {
            Some(State::Leaving { offer, .. }) => *offer == fresh,
            Some(State::Arrived { ticket, .. }) => *ticket == fresh,
            _ => false,
        };
        node.pending.extend(out);
        if used {
            if self.left.tokens == 0 {
                return false;
            }
            self.left.tokens -= 1;
            self.drawn += 1;
        }
        true
    }

    /// Carries out the next action; `saves`: whether a save is one, and whether it is done all the same.
    fn act(&mut self, at: usize, saves: Result<(), bool>) {
        let node = &mut self.nodes[at];
        match node.pending.pop_front() {
            Some(Action::Save(record)) => {
                if saves != Err(false) {
                    node.store = Some(record.clone());
                }
                if saves.is_err() {
                    node.pending.clear();
                    self.input(at, |party, _, out| party.unsaved(record, out));
                }
            }
            Some(Action::Forget) => node.store = None,
            Some(Action::Send { to, message }) => {
                self.said.insert((at, to, message));
            }
            Some(Action::Activate { epoch, image }) => {
                assert_eq!(node.alive, None, "it is started twice at one node");
                node.alive = Some((epoch, image));
            }
            Some(Action::Tell(_)) | None => {}
        }
    }

    fn die(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.party = None;
        node.pending.clear();
        node.alive = None;
        node.taken = None;
        node.writing = None;
        if !self.durable {
            node.store = None;
        }
    }

    fn start(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let mut out = Vec::new();
        node.party = Some(match node.store.clone() {
            Some(record) => Party::load(record, &mut out),
            None => Party::away(),
        });
        node.pending.extend(out);
    }

    /// The thing does a piece of work.
    fn work(&mut self, at: usize) {
        let Some((_, work)) = &mut self.nodes[at].alive else {
            return;
        };
        let piece = 1 << self.done;
        assert_eq!(*work & piece, 0, "done twice");
        *work |= piece;
        self.done += 1;
    }

    /// The image that was taken is saved, or not, as the thing is where it was or not.
    fn keep(&mut self, at: usize) -> bool {
        let node = &mut self.nodes[at];
        let (Some(party), Some((epoch, work))) = (&node.party, node.taken.take()) else {
            return false;
        };
        node.writing = party.keeps(epoch, work);
        true
    }

    /// It is written: who waited for that is told. Or the store fails, and it may have been written all the same.
    fn write(&mut self, at: usize, saves: Result<(), bool>) {
        let Some(record) = self.nodes[at].writing.take() else {
            return;
        };
        if let (Ok(()), State::Here { image, .. }) = (saves, &record) {
            self.acknowledged |= image.expect("it is saved with one");
        }
        if saves != Err(false) {
            self.nodes[at].store = Some(record);
        }
    }

    fn leave(&mut self, at: usize) -> bool {
        let Some((_, work)) = self.nodes[at].alive.take() else {
            return false;
        };
        self.input(at, |party, fresh, out| {
            party
                .leave(1 - at, fresh, work, out)
                .expect("what is alive can leave");
        })
    }

    /// Everything that can happen next.
    fn next(&self) -> Vec<World> {
        let mut worlds = Vec::new();
        for at in 0..2 {
            let node = &self.nodes[at];
            let mut branch = |step: &dyn Fn(&mut World) -> bool| {
                let mut world = self.clone();
                if step(&mut world) {
                    worlds.push(world);
                }
            };
            let Some(party) = &node.party else {
                branch(&|world| {
                    world.start(at);
                    true
                });
                continue;
            };
            if self.left.deaths > 0 {
                branch(&|world| {
                    world.left.deaths -= 1;
                    world.die(at);
                    true
                });
            }
            if node.writing.is_some() {
                branch(&|world| {
                    world.write(at, Ok(()));
                    true
                });
                if self.left.failures > 0 {
                    for written in [true, false] {
                        branch(&|world| {
                            world.left.failures -= 1;
                            world.write(at, Err(written));
                            true
                        });
                    }
                }
            }
            if let Some(next) = node.pending.front() {
                let saves = matches!(next, Action::Save(_));
                let writes = saves || matches!(next, Action::Forget);
                if writes && node.writing.is_some() && !fault!("handover_writes_at_once") {
                    continue;
                }
                branch(&|world| {
                    world.act(at, Ok(()));
                    true
                });
                if saves && self.left.failures > 0 {
                    for written in [true, false] {
                        branch(&|world| {
                            world.left.failures -= 1;
                            world.act(at, Err(written));
                            true
                        });
                    }
                }
                continue;
            }
            if node.taken.is_some() {
                branch(&|world| world.keep(at));
            }
            if node.alive.is_some() {
                if self.left.moves > 0 {
                    branch(&|world| {
                        world.left.moves -= 1;
                        world.leave(at)
                    });
                }
                if self.left.work > 0 {
                    branch(&|world| {
                        world.left.work -= 1;
                        world.work(at);
                        true
                    });
                }
                // One after the other, and none that has nothing to save.
                let saving = node.taken.is_some() || node.writing.is_some();
                let new = node
                    .alive
                    .is_some_and(|(_, work)| work & !self.acknowledged != 0);
                if !saving && new && self.left.saves > 0 {
                    branch(&|world| {
                        world.left.saves -= 1;
                        world.nodes[at].taken = world.nodes[at].alive;
                        true
                    });
                }
            }
            if let Some(State::Leaving { offer, .. } | State::Gone { offer, .. }) = party.state() {
                branch(&|world| world.input(at, |party, _, out| party.give_up(*offer, out)));
            }
            branch(&|world| world.input(at, |party, _, out| party.again(out)));
            for (from, to, message) in &self.said {
                if *to == at {
                    branch(&|world| {
                        world.input(at, |party, fresh, out| {
                            party.hear(*from, message.clone(), fresh, out);
                        })
                    });
                }
            }
        }
        worlds
    }

    /// What holds at any time.
    fn check(&self) {
        let alive: Vec<_> = self.nodes.iter().filter_map(|it| it.alive).collect();
        assert!(alive.len() <= 1, "it lives twice");
        if let [(_, work)] = alive[..]
            && self.durable
        {
            assert_eq!(
                work & self.acknowledged,
                self.acknowledged,
                "it goes on from before what was acknowledged"
            );
        }
    }

    /// Both are up and what they say arrives: what becomes of it?
    fn settle(mut self) {
        self.left.tokens = u8::MAX - self.drawn;
        for at in 0..2 {
            if self.nodes[at].party.is_none() {
                self.start(at);
            }
            self.keep(at);
            self.write(at, Ok(()));
        }
        for _ in 0..8 {
            for at in 0..2 {
                if self.nodes[at].pending.is_empty() {
                    self.input(at, |party, _, out| party.again(out));
                }
                let mut heard = VecDeque::new();
                loop {
                    for at in 0..2 {
                        while let Some(next) = self.nodes[at].pending.front().cloned() {
                            self.act(at, Ok(()));
                            self.check();
                            if let Action::Send { to, message } = next {
                                heard.push_back((at, to, message));
                            }
                        }
                    }
                    let Some((from, to, message)) = heard.pop_front() else {
                        break;
                    };
                    self.input(to, |party, fresh, out| {
                        party.hear(from, message, fresh, out);
                    });
                }
            }
        }
        let states = self.nodes.each_ref().map(|it| {
            let party = it.party.as_ref().expect("it is up");
            party.state().cloned()
        });
        let open = states
            .iter()
            .flatten()
            .any(|it| !matches!(it, State::Here { .. }));
        assert!(!open, "not settled: {states:?}");
        let alive = self.nodes.iter().filter(|it| it.alive.is_some()).count();
        match self.durable {
            true => assert_eq!(alive, 1, "it is lost: {states:?}"),
            false => assert!(alive <= 1),
        }
    }
}

/// Visits all that can be reached, and says how many.
fn visit(world: World) -> usize {
    let key = |world: &World| {
        let hash = |seed: u64| {
            let mut hasher = DefaultHasher::new();
            seed.hash(&mut hasher);
            world.hash(&mut hasher);
            hasher.finish()
        };
        (hash(0), hash(1))
    };
    let mut seen = HashSet::from([key(&world)]);
    let mut open = vec![world];
    while let Some(world) = open.pop() {
        world.check();
        for next in world.next() {
            if seen.insert(key(&next)) {
                open.push(next);
            }
        }
        // With something still to be done it is what it is when that is done.
        if world.nodes.iter().all(|it| it.pending.is_empty()) {
            world.settle();
        }
    }
    seen.len()
}

fn budget(moves: u8, deaths: u8, failures: u8, [work, saves]: [u8; 2], tokens: u8) -> Budget {
    Budget {
        moves,
        deaths,
        failures,
        work,
        saves,
        tokens,
    }
}

#[test]
fn whatever_is_lost_repeated_or_killed_one_lives() {
    for budget in [
        budget(0, 2, 2, [3, 3], 0),
        budget(1, 1, 2, [0, 0], 4),
        budget(1, 2, 1, [0, 0], 3),
        budget(1, 2, 0, [1, 1], 3),
        budget(1, 1, 1, [1, 1], 3),
        budget(2, 1, 0, [0, 0], 4),
        budget(2, 0, 1, [0, 0], 5),
    ] {
        assert!(visit(World::new(true, budget)) > 1_000);
    }
}

/// It comes back, and is saved, and only then an image from before it left is to be.
#[test]
fn an_image_from_an_earlier_life_is_not_saved() {
    let mut out = Vec::new();
    let mut party: Party<usize, Work> = Party::here(0);
    let (fresh, early, late) = (Token(0), 0, 1);
    assert!(party.keeps(0, early).is_some());
    party.leave(1, fresh, early, &mut out).unwrap();
    assert_eq!(party.keeps(0, early), None);
    party.give_up(fresh, &mut out);
    let image = Some(late);
    assert_eq!(party.keeps(1, late), Some(State::Here { epoch: 1, image }));
    assert_eq!(party.keeps(0, early), None);
}

#[test]
fn without_a_store_one_lives_at_most() {
    for budget in [budget(1, 2, 0, [0, 0], 4), budget(2, 1, 0, [0, 0], 4)] {
        assert!(visit(World::new(false, budget)) > 1_000);
    }
}
