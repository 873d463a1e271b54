//! Links, monitors, unlinks and ends, at random and from all sides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use actor_core::prelude::*;
use actor_core::{Monitor, MonitorId};

use super::support::*;

/// A small generator, so that a failing round can be run again by its number.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// What all nodes note down together.
#[derive(Default)]
struct Ledger {
    /// How often each monitor has told; the key is the watcher's id and the monitor's.
    downs: Mutex<HashMap<(u64, MonitorId), u32>>,
}

#[actor]
struct Node {
    ledger: Arc<Ledger>,
    /// Monitors that were not taken back, and of whom.
    watches: Vec<(MonitorId, Addr<Node>)>,
    links: Vec<Addr<Node>>,
}

#[actor]
impl Node {
    pub fn tie(&mut self, cx: &mut Cx<Self>, other: Addr<Node>, how: usize) {
        match how {
            // Of two only one links and unlinks, and so knows whether they are linked.
            0..=3 if other.id() <= cx.id() => {}
            0..=2 => {
                cx.link(&other);
                self.links.push(other);
            }
            3 => {
                cx.unlink(&other);
                self.links.retain(|it| *it != other);
            }
            4..=7 => {
                let id = cx.monitor(&other);
                self.watches.push((id, other));
            }
            _ => {
                if let Some((id, _)) = self.watches.pop() {
                    cx.demonitor(id);
                    // None came before, or it was noted; none may come after.
                    let key = (cx.id(), id);
                    let mut downs = self.ledger.downs.lock().unwrap();
                    downs.insert(key, u32::MAX / 2);
                }
            }
        }
    }

    pub fn trap(&mut self, cx: &mut Cx<Self>) {
        cx.trap_exits(true);
    }

    pub fn panics(&mut self) {
        panic!("storm");
    }

    /// What it still watches, and is linked to by its own doing.
    pub fn ties(&self) -> (Vec<(MonitorId, Addr<Node>)>, Vec<Addr<Node>>) {
        (self.watches.clone(), self.links.clone())
    }

    #[on_signal]
    fn signal(&mut self, cx: &mut Cx<Self>, signal: Signal) {
        if let Signal::Down { monitor, .. } = signal {
            let mut downs = self.ledger.downs.lock().unwrap();
            *downs.entry((cx.id(), monitor)).or_default() += 1;
        }
    }
}

/// Each monitor of a survivor tells once if its actor is dead, and not at all if it is not or the monitor was taken back; no
/// survivor is linked to one that is dead, unless it traps or that one ended normally.
#[test]
fn in_a_storm_each_monitor_tells_once_and_nobody_outlives_a_link() {
    const NODES: usize = 24;
    for round in 1..=150 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (round << 20));
        let sys = system(2);
        let ledger = Arc::new(Ledger::default());
        let nodes: Vec<Addr<Node>> = (0..NODES)
            .map(|_| {
                sys.spawn(Node {
                    ledger: ledger.clone(),
                    watches: Vec::new(),
                    links: Vec::new(),
                })
                .unwrap()
            })
            .collect();
        // Few links, or one end would be everybody's.
        let mut handles: Vec<(Monitor, Addr<Node>)> = Vec::new();
        let traps = &nodes[..4];
        for trap in traps {
            trap.ask().trap().unwrap();
        }
        for step in 0..200 {
            let (a, b) = (&nodes[random.below(NODES)], &nodes[random.below(NODES)]);
            match random.below(40) {
                0 => a.kill(),
                1 => a.stop(),
                2 => drop(a.tell().panics()),
                3 => a.exit(ExitReason::failed("storm")),
                4..=7 => handles.push((a.monitor(), a.clone())),
                8 if !handles.is_empty() => drop(handles.swap_remove(random.below(handles.len()))),
                _ => {
                    let how = if step < 40 {
                        4 + random.below(5)
                    } else {
                        random.below(9)
                    };
                    let _ = a.tell().tie(b.clone(), how);
                }
            }
        }
        // An end may cause others, so what is looked at is looked at until it is as promised.
        until(|| {
            let unsettled = |node: &Addr<Node>| {
                let Ok((watches, links)) = node.ask().ties() else {
                    return false;
                };
                let downs = ledger.downs.lock().unwrap();
                let told = |id| downs.get(&(node.id(), id)).is_some();
                let untold = watches.iter().any(|(id, of)| !of.is_alive() && !told(*id));
                let lives_on = |other: &Addr<Node>| {
                    !other.is_alive() && end(other) != ExitReason::Normal && !traps.contains(node)
                };
                untold || links.iter().any(lives_on)
            };
            !nodes.iter().any(unsettled)
        });
        // And nobody is told what is not so, nor twice.
        for node in &nodes {
            let Ok((watches, _)) = node.ask().ties() else {
                continue;
            };
            let downs = ledger.downs.lock().unwrap();
            for (id, of) in watches {
                let told = downs.get(&(node.id(), id)).copied().unwrap_or(0);
                let may = u32::from(!of.is_alive()); // of one that has only just ended it may yet
                assert!(told <= may, "round {round}: {node:?} of {of:?} {told}");
            }
        }
        for (mut monitor, of) in handles {
            if of.is_alive() {
                assert_eq!(monitor.try_wait(), None, "round {round}: {of:?}");
                continue;
            }
            let told = monitor.wait_timeout(LIMIT).unwrap().expect("it tells");
            // It may have been made too late.
            let is_so = told == end(&of) || told == ExitReason::NoProc;
            assert!(is_so, "round {round}: {of:?} {told}");
        }
        assert!(
            ledger
                .downs
                .lock()
                .unwrap()
                .values()
                .all(|n| *n == 1 || *n == u32::MAX / 2)
        );
    }
}
