//! The way between two nodes ends in the middle of a move, after each message of it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use actor_core::migrate::{MoveError, local_pair};
use actor_core::store::MemoryStore;
use tests::within;

use super::nodes::{BRIEF, Cut, World, a_sum, connect, world_with};

/// The node that has it, once one has.
fn home<'a>(a: &'a World, b: &'a World) -> &'a World {
    tests::until(|| a.node.has("sum") || b.node.has("sum"));
    assert!(!(a.node.has("sum") && b.node.has("sum")), "it lives twice");
    if a.node.has("sum") { a } else { b }
}

fn cut_after(from_a: usize, from_b: usize, stores: bool) {
    within(60, move || {
        let world = |name| {
            world_with(name, |builder| {
                let builder = builder.patience(BRIEF);
                match stores {
                    true => builder.store(Arc::new(MemoryStore::new())),
                    false => builder,
                }
            })
        };
        let (a, b) = (world("a"), world("b"));
        let (to_b, to_a) = local_pair("a", "b");
        let cut = |far, left| Cut {
            far,
            left: Arc::new(AtomicUsize::new(left)),
        };
        a.node.attach(cut(to_b, from_a)).unwrap();
        b.node.attach(cut(to_a, from_b)).unwrap();
        let (start, here) = a_sum(3);
        a.node.spawn_with("sum", start, here.clone()).unwrap();
        here.0.send(1).unwrap();
        let moved = a.node.migrate("sum", "b");
        match &moved {
            Ok(_) | Err(MoveError::TimedOut) => {}
            Err(error) => panic!("{from_a} {from_b}: {error}"),
        }
        connect(&a.node, &b.node);
        let at = home(&a, &b);
        assert_eq!(moved.is_ok(), at.node.name() == "b", "{from_a} {from_b}");
        let (_, sides) = at.arrivals.recv().unwrap();
        sides.0.send(10).unwrap();
        sides.0.send(100).unwrap();
        assert_eq!(sides.1.recv().unwrap(), 111);
        tests::until(|| !a.node.has("sum") && !b.node.has("sum"));
        assert!(a.arrivals.try_recv().is_err() && b.arrivals.try_recv().is_err());
    });
}

/// The source says two things, the destination two.
#[test]
fn whenever_the_way_ends_it_lives_once_and_goes_on_when_there_is_another() {
    for from_a in 0..=2 {
        for from_b in 0..=2 {
            cut_after(from_a, from_b, false);
            cut_after(from_a, from_b, true);
        }
    }
}
