//! Actors that move, with who talks to them.

use std::sync::atomic::{AtomicBool, Ordering};

use actor_core::DeadReason;
use actor_core::migrate::{MoveError, Node, Place, Refusal};
use actor_core::prelude::*;
use tests::{Gate, within};

use super::nodes::{Ledger, World, adopted, connect, two, world};

/// A ledger that has gone from `a` to `b`, and is suspended there: by its old address, and by that.
fn gone_and_suspended(a: &World, b: &World) -> (Addr<Ledger>, Addr<Ledger>) {
    let ledger = adopted(a, Ledger::default());
    a.node.migrate("ledger", "b").unwrap();
    let there = b.node.actor::<Ledger>("ledger").unwrap();
    there.sys().suspend().unwrap();
    (ledger, there)
}

#[test]
fn an_actor_moves_with_its_state_and_its_address_follows() {
    within(60, || {
        let (a, b) = two();
        let ledger = adopted(&a, Ledger::default());
        ledger.ask().add(1).unwrap();
        assert!(a.node.migrate("ledger", "b").unwrap().confirmed);
        ledger.tell().add(2).unwrap();
        assert_eq!(ledger.ask().add(3).unwrap(), 3);
        let there = b.node.actor::<Ledger>("ledger").unwrap();
        assert_eq!(there.ask().entries().unwrap(), [1, 2, 3]);
        assert_eq!(ledger.ask().entries().unwrap(), [1, 2, 3]);
    });
}

#[test]
fn what_waits_comes_with_it_in_order_and_who_asked_is_answered() {
    within(60, || {
        let (a, b) = two();
        let gate = Gate::new();
        let ledger = adopted(&a, Ledger::held_by(&gate));
        ledger.tell().wait().unwrap();
        tests::until(|| gate.waiting() == 1);
        let mut asked = Vec::new();
        for n in 0..20 {
            match n % 2 {
                0 => ledger.tell().add(n).unwrap(),
                _ => asked.push((n, ledger.request().add(n))),
            }
        }
        let moving = std::thread::scope(|scope| {
            let moving = scope.spawn(|| a.node.migrate("ledger", "b"));
            gate.open();
            moving.join().unwrap()
        });
        moving.unwrap();
        for n in 20..25 {
            ledger.tell().add(n).unwrap();
        }
        for (n, answer) in asked {
            assert_eq!(answer.wait().unwrap() as u64, n + 1);
        }
        assert_eq!(ledger.ask().entries().unwrap(), (0..25).collect::<Vec<_>>());
        assert!(b.node.has("ledger"));
    });
}

#[test]
fn it_comes_back_and_every_old_address_leads_to_it() {
    within(60, || {
        let (a, b) = two();
        let first = adopted(&a, Ledger::default());
        a.node.migrate("ledger", "b").unwrap();
        let second = b.node.actor::<Ledger>("ledger").unwrap();
        b.node.migrate("ledger", "a").unwrap();
        let third = a.node.actor::<Ledger>("ledger").unwrap();
        for (n, address) in [&first, &second, &third].into_iter().enumerate() {
            assert_eq!(address.ask().add(n as u64).unwrap(), n + 1);
        }
        // Here it is found without the way.
        a.node.close();
        assert_eq!(first.ask().entries().unwrap(), [0, 1, 2]);
    });
}

#[test]
fn a_named_actor_is_found_by_its_name_wherever_it_goes_also_when_it_comes_back() {
    within(60, || {
        let (a, b) = two();
        let ledger = a.sys.spawn_named("books", Ledger::default()).unwrap();
        a.node.adopt("ledger", &ledger).unwrap();
        for n in 0..4 {
            let (from, to) = if n % 2 == 0 { (&a, &b) } else { (&b, &a) };
            assert!(
                from.node
                    .migrate("ledger", to.node.name())
                    .unwrap()
                    .confirmed
            );
            let there = to.sys.lookup::<Ledger>("books").unwrap();
            assert_eq!(there, to.node.actor("ledger").unwrap());
            there.ask().add(n).unwrap();
            // Where it was, its name leads after it.
            let behind = from.sys.lookup::<Ledger>("books").unwrap();
            assert_eq!(behind.ask().entries().unwrap(), (0..=n).collect::<Vec<_>>());
        }
    });
}

#[test]
fn an_actor_whose_name_somebody_else_has_there_stays() {
    within(60, || {
        let (a, b) = two();
        let ledger = a.sys.spawn_named("books", Ledger::default()).unwrap();
        a.node.adopt("ledger", &ledger).unwrap();
        let other = b.sys.spawn_named("books", Ledger::default()).unwrap();
        let error = a.node.migrate("ledger", "b").unwrap_err();
        assert!(
            matches!(&error, MoveError::Refused(Refusal::Thaw(why)) if why.contains("books")),
            "{error}"
        );
        assert_eq!(ledger.ask().add(1).unwrap(), 1);
        other.stop();
        other.join();
        assert!(a.node.migrate("ledger", "b").unwrap().confirmed);
        assert_eq!(
            b.sys
                .lookup::<Ledger>("books")
                .unwrap()
                .ask()
                .entries()
                .unwrap(),
            [1]
        );
    });
}

#[test]
fn without_a_way_asks_fail_and_what_was_told_is_a_dead_letter() {
    within(60, || {
        let (a, _b) = two();
        let ledger = adopted(&a, Ledger::default());
        a.node.migrate("ledger", "b").unwrap();
        let letters = a.sys.dead_letters();
        a.node.close();
        assert!(!a.node.has_way("b"));
        let error = ledger.ask().add(1).unwrap_err();
        assert!(matches!(error, AskError::NoReply { .. }), "{error:?}");
        ledger.tell().add(2).unwrap();
        let letter = letters.recv().unwrap();
        assert!(matches!(letter.reason, DeadReason::NoWay), "{letter:?}");
    });
}

#[test]
fn who_waits_when_the_way_is_lost_gets_an_error() {
    within(60, || {
        let (a, b) = two();
        let (ledger, there) = gone_and_suspended(&a, &b);
        let waiting = ledger.request().add(1);
        b.node.close();
        let error = waiting.wait().unwrap_err();
        assert!(matches!(error, AskError::NoReply { .. }), "{error:?}");
        there.sys().resume().unwrap();
    });
}

#[test]
fn who_waits_when_the_way_is_replaced_by_another_gets_an_error() {
    within(60, || {
        let (a, b) = two();
        let (ledger, there) = gone_and_suspended(&a, &b);
        let waiting = ledger.request().add(1);
        tests::until(|| there.queued() == 1);
        connect(&a.node, &b.node);
        let error = waiting.wait().unwrap_err();
        assert!(matches!(error, AskError::NoReply { .. }), "{error:?}");
        there.sys().resume().unwrap();
        assert_eq!(ledger.ask().add(2).unwrap(), 2);
    });
}

/// Starts once here, once there, and never again.
#[actor(snapshot)]
#[derive(Default)]
struct Tired {
    starts: u32,
}

#[actor]
impl Tired {
    #[on_start]
    fn start(&mut self) -> Result<(), &'static str> {
        self.starts += 1;
        match self.starts {
            3 => Err("tired"),
            _ => Ok(()),
        }
    }
    pub(crate) fn starts(&self) -> u32 {
        self.starts
    }
}

#[test]
fn what_comes_back_and_cannot_start_has_no_messages_go_round_in_a_circle() {
    within(60, || {
        let (here, there) = (System::new().unwrap(), System::new().unwrap());
        let node = |name, sys| {
            Node::builder(name, sys)
                .accept_actor::<Tired>()
                .start()
                .unwrap()
        };
        let (a, b) = (node("a", &here), node("b", &there));
        connect(&a, &b);
        let tired = here.spawn(Tired::default()).unwrap();
        a.adopt("tired", &tired).unwrap();
        a.migrate("tired", "b").unwrap();
        let second = b.actor::<Tired>("tired").unwrap();
        assert_eq!(tired.ask().starts().unwrap(), 2);
        let _ = b.migrate("tired", "a").unwrap();
        assert!(matches!(a.place("tired"), Some(Place::Broken(_))));
        for address in [&tired, &second] {
            let error = address.ask().starts().unwrap_err();
            assert!(matches!(error, AskError::NoReply { .. }), "{error:?}");
        }
    });
}

/// However often it moves meanwhile, back or on to a third node: all that is told by its old address arrives, once.
#[test]
fn what_is_told_while_it_moves_about_arrives_once() {
    within(120, || {
        let worlds = ["a", "b", "c"].map(world);
        let [a, b, c] = &worlds;
        connect(&a.node, &b.node);
        connect(&b.node, &c.node);
        connect(&a.node, &c.node);
        let ledger = adopted(a, Ledger::default());
        let stop = AtomicBool::new(false);
        let told = std::thread::scope(|scope| {
            let telling = scope.spawn(|| {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    ledger.tell().add(n).unwrap();
                    n += 1;
                    if n % 64 == 0 {
                        // Not further ahead than it can follow.
                        ledger.ask().add(n).unwrap();
                        n += 1;
                    }
                }
                n
            });
            for round in 0..20 {
                let at = &worlds[round % 3].node;
                let to = worlds[(round + 1) % 3].node.name();
                at.migrate("ledger", to).unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            telling.join().unwrap()
        });
        // What was under way when it moved on may come behind what was told later.
        let all = || ledger.ask().entries().unwrap();
        tests::until(|| all().len() as u64 >= told);
        let mut entries = all();
        entries.sort_unstable();
        assert_eq!(entries, (0..told).collect::<Vec<_>>());
    });
}
