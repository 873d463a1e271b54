//! Loom models: a child's end, against the driver and against the end of the supervisor.
//!
//! `ci/models.sh`

use std::sync::Arc;

use loom::sync::Mutex;
use loom::thread;

use super::places::{Ended, Places};
use super::{AtRest, Child, ChildKey};
use crate::supervision::child::Tied;
use crate::supervision::roster::Roster;
use crate::sys::atomic::{AtomicBool, AtomicUsize, Ordering};

/// An actor as far as a crowd knows one.
#[derive(Default)]
struct Node {
    killed: AtomicBool,
    buried: AtomicUsize,
}

impl Node {
    fn kill(&self) {
        self.killed.store(true, Ordering::Release);
    }

    fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    fn bury(&self) {
        self.buried.fetch_add(1, Ordering::AcqRel);
    }

    fn buried(&self) -> usize {
        self.buried.load(Ordering::Acquire)
    }
}

#[derive(PartialEq)]
enum Fate {
    Lives,
    Down,
    Buried,
}

/// As the ties in [`child`](crate::supervision::child): of the same steps.
struct Tie {
    node: Arc<Node>,
    fate: Mutex<Fate>,
}

impl Tie {
    fn new(node: &Arc<Node>) -> Arc<Self> {
        Arc::new(Tie {
            node: node.clone(),
            fate: Mutex::new(Fate::Lives),
        })
    }
}

impl Tied for Tie {
    fn child(&self) -> ChildKey {
        unreachable!()
    }

    fn actor_id(&self) -> u64 {
        1
    }

    fn kill(&self) {
        if *self.fate.lock().unwrap() == Fate::Lives {
            self.node.kill();
        }
    }

    fn bury(&self) {
        let mut fate = self.fate.lock().unwrap();
        if *fate == Fate::Down {
            *fate = Fate::Buried;
            drop(fate);
            self.node.bury();
        }
    }
}

/// A supervisor's end of it: one place, the roster, and what it has been told.
struct Site {
    places: Places<Arc<Node>, Tie>,
    roster: Roster,
    told: Mutex<Vec<Arc<Tie>>>,
}

impl Site {
    fn new() -> Arc<Self> {
        Arc::new(Site {
            places: Places::new(1),
            roster: Roster::default(),
            told: Mutex::new(Vec::new()),
        })
    }

    fn start(&self, node: &Arc<Node>) {
        self.places.fill(|| (node.clone(), ()));
    }

    /// The child ends.
    fn end(&self) {
        match self.places.ended(0, &self.roster, Tie::new) {
            Ended::Tied(tie) => {
                *tie.fate.lock().unwrap() = Fate::Down;
                if self.roster.has(tie.actor_id()) {
                    self.told.lock().unwrap().push(tie);
                } else {
                    tie.bury();
                }
            }
            Ended::Alone(node) => node.bury(),
            Ended::Unknown => panic!("an end that nobody hears of"),
        }
    }

    fn hand_over(&self) -> Option<(Arc<Tie>, Arc<Node>)> {
        self.places.hand_over(0, &self.roster, Tie::new)
    }

    fn told(&self) -> Option<Arc<Tie>> {
        self.told.lock().unwrap().pop()
    }
}

struct Rests(Arc<Site>);

impl AtRest for Rests {
    fn hand_over(&self, _: ChildKey) -> Option<Box<dyn Child>> {
        unreachable!()
    }

    fn resting(&self, _: u64) -> Option<ChildKey> {
        unreachable!()
    }

    fn each(&self, _: &mut dyn FnMut(ChildKey, u64, bool)) {
        unreachable!()
    }

    fn forget(&self, _: ChildKey) {
        unreachable!()
    }

    fn is_empty(&self) -> bool {
        self.0.places.is_empty()
    }

    fn abandon(&self) {
        let left = self.0.places.abandon(Arc::clone);
        left.iter().for_each(|node| node.kill());
    }
}

#[test]
fn loom_an_end_finds_its_place() {
    loom::model(|| {
        let (site, node) = (Site::new(), Arc::new(Node::default()));
        let other = {
            let site = site.clone();
            let start = || {
                let ending = site.clone();
                // It may end as soon as it has been started.
                let other = thread::spawn(move || ending.end());
                (node.clone(), other)
            };
            site.places.fill(start)
        };
        other.join().unwrap();
        assert!(site.told().is_some());
    });
}

/// The driver asks something of a child that ends: it has the child once, and hears once of its end, by the same tie.
#[test]
fn loom_an_end_meets_what_is_asked() {
    loom::model(|| {
        let (site, node) = (Site::new(), Arc::new(Node::default()));
        site.start(&node);
        let other = {
            let site = site.clone();
            thread::spawn(move || site.end())
        };
        let (tie, _) = site.hand_over().expect("it is handed over when asked for");
        assert!(site.hand_over().is_none());
        assert!(!site.places.is_empty() && !site.places.rests(0));
        other.join().unwrap();
        let told = site.told().expect("the driver hears of its end");
        assert!(Arc::ptr_eq(&told, &tie));
        assert!(site.told().is_none() && node.buried() == 0);
        site.places.forget(0);
        assert!(site.places.is_empty());
    });
}

/// Whichever comes first, somebody buries it, once. What has been told is dropped unread then, as notices are.
#[test]
fn loom_an_end_meets_the_end_of_the_supervisor() {
    loom::model(|| {
        let (site, node) = (Site::new(), Arc::new(Node::default()));
        site.roster.enter_crowd(Arc::new(Rests(site.clone())));
        site.start(&node);
        let other = {
            let site = site.clone();
            thread::spawn(move || site.end())
        };
        site.roster.abandon();
        let killed = node.is_killed();
        let rests = site.places.rests(0);
        assert!(killed || !rests);
        other.join().unwrap();
        if let Some(tie) = site.told() {
            tie.bury();
        }
        assert_eq!(node.buried(), 1);
        assert!(site.told().is_none());
    });
}
