//! Functions that move in the middle of what they do.

use actor_core::migrate::{
    MoveError, NodeError, Refusal, Secret, TcpFarListener, TcpFarSide, TcpSettings,
};
use actor_core::{Runtime, System, migratable};
use tests::within;

use super::nodes::{Sides, World, a_sum, connect, two, world, world_with};

/// Gives it these at the node where it is.
fn give(sides: &Sides, numbers: impl IntoIterator<Item = u64>) {
    numbers.into_iter().for_each(|n| sides.0.send(n).unwrap());
}

fn arrived(at: &World, name: &str) -> Sides {
    let (arrived, sides) = at.arrivals.recv().unwrap();
    assert_eq!(arrived, name);
    sides
}

#[test]
fn a_function_goes_on_in_mid_loop_at_another_node_with_its_channels() {
    within(60, || {
        let (a, b) = two();
        let (start, here) = a_sum(6);
        a.node.spawn_with("sum", start, here.clone()).unwrap();
        give(&here, [1, 10]);
        let moved = a.node.migrate("sum", "b").unwrap();
        assert!(moved.confirmed);
        assert!(!a.node.has("sum"));
        assert!(b.node.has("sum"));
        // What was left here leads nowhere.
        assert!(here.0.send(7).is_err());
        let there = arrived(&b, "sum");
        give(&there, [100, 1_000]);
        b.node.migrate("sum", "a").unwrap();
        let back = arrived(&a, "sum");
        give(&back, [10_000, 100_000]);
        assert_eq!(back.1.recv().unwrap(), 111_111);
        tests::until(|| !a.node.has("sum"));
    });
}

#[test]
fn values_that_wait_in_its_channels_come_with_it() {
    within(60, || {
        let (a, b) = two();
        let (start, here) = a_sum(5);
        give(&here, [1, 2, 3, 4, 5]);
        a.node.spawn_with("sum", start, here).unwrap();
        // It may have ended before: then it is not here any more.
        match a.node.migrate("sum", "b") {
            Ok(_) => assert_eq!(arrived(&b, "sum").1.recv().unwrap(), 15),
            Err(MoveError::NotHere | MoveError::NotFrozen) => {}
            Err(error) => panic!("{error}"),
        }
    });
}

#[test]
fn what_the_other_node_does_not_accept_goes_on_here() {
    within(60, || {
        let a = world("a");
        let sys = System::new().unwrap();
        let node = actor_core::migrate::Node::builder("b", &sys)
            .start()
            .unwrap();
        connect(&a.node, &node);
        let (start, here) = a_sum(2);
        a.node.spawn_with("sum", start, here.clone()).unwrap();
        give(&here, [1]);
        let error = a.node.migrate("sum", "b").unwrap_err();
        assert!(
            matches!(error, MoveError::Refused(Refusal::Unknown(_))),
            "{error}"
        );
        assert!(a.node.has("sum"));
        let here = arrived(&a, "sum");
        give(&here, [2]);
        assert_eq!(here.1.recv().unwrap(), 3);
    });
}

#[test]
fn what_is_not_here_or_has_no_way_does_not_move() {
    within(60, || {
        let (a, _b) = two();
        let error = a.node.migrate("nobody", "b").unwrap_err();
        assert!(matches!(error, MoveError::NotHere), "{error}");
        let (start, here) = a_sum(1);
        a.node.spawn_with("sum", start, here).unwrap();
        let error = a.node.migrate("sum", "elsewhere").unwrap_err();
        assert!(matches!(error, MoveError::NoWay(_)), "{error}");
        assert!(a.node.has("sum"));
        let (start, here) = a_sum(1);
        let error = a.node.spawn_with("sum", start, here).unwrap_err();
        assert!(matches!(error, NodeError::Taken(_)), "{error}");
    });
}

#[migratable]
fn stranger() {}

#[test]
fn a_node_starts_nothing_that_could_not_come_back() {
    let a = world("a");
    let error = a.node.spawn("stranger", stranger()).unwrap_err();
    assert!(matches!(error, NodeError::Unknown(_)), "{error}");
    drop(Runtime::new());
}

#[test]
fn a_name_that_is_taken_there_is_refused() {
    within(60, || {
        let (a, b) = two();
        for world in [&a, &b] {
            let (start, here) = a_sum(1);
            world.node.spawn_with("sum", start, here).unwrap();
        }
        let error = a.node.migrate("sum", "b").unwrap_err();
        assert!(
            matches!(error, MoveError::Refused(Refusal::Here)),
            "{error}"
        );
        assert!(a.node.has("sum") && b.node.has("sum"));
    });
}

#[test]
fn of_two_moves_at_once_one_is_refused_and_it_lives_once() {
    within(60, || {
        let (a, b, c) = (world("a"), world("b"), world("c"));
        connect(&a.node, &b.node);
        connect(&a.node, &c.node);
        let (start, here) = a_sum(2);
        a.node.spawn_with("sum", start, here.clone()).unwrap();
        let (to_b, to_c) = std::thread::scope(|scope| {
            let to_b = scope.spawn(|| a.node.migrate("sum", "b"));
            let to_c = scope.spawn(|| a.node.migrate("sum", "c"));
            (to_b.join().unwrap(), to_c.join().unwrap())
        });
        assert!(to_b.is_ok() != to_c.is_ok(), "{to_b:?} {to_c:?}");
        let there = if to_b.is_ok() { &b } else { &c };
        assert!(there.node.has("sum"));
        let sides = arrived(there, "sum");
        give(&sides, [3, 4]);
        assert_eq!(sides.1.recv().unwrap(), 7);
    });
}

#[test]
fn it_moves_over_tcp() {
    within(60, || {
        let (a, b) = (world("a"), world_with("b", |it| it));
        let secret = Secret::new(b"sixteen bytes, or more").unwrap();
        let settings = TcpSettings::default();
        let listener = TcpFarListener::bind("127.0.0.1:0", "b", &secret, settings).unwrap();
        let address = listener.local_addr().unwrap();
        let far = std::thread::scope(|scope| {
            let there = scope.spawn(|| listener.accept().unwrap().greet().unwrap());
            let here = TcpFarSide::connect(address, "a", &secret, settings).unwrap();
            a.node.attach(here).unwrap();
            there.join().unwrap()
        });
        b.node.attach(far).unwrap();
        let (start, here) = a_sum(2);
        a.node.spawn_with("sum", start, here.clone()).unwrap();
        give(&here, [1]);
        assert!(a.node.migrate("sum", "b").unwrap().confirmed);
        let there = arrived(&b, "sum");
        give(&there, [2]);
        assert_eq!(there.1.recv().unwrap(), 3);
    });
}
