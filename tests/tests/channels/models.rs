//! Channels against a model: random programs under the seeded scheduler, whose histories the model must explain.

use std::sync::Arc;

use actor_core::testing::{Explorer, Policy, Reason};
use tests::within;

use super::CAPACITIES;
use super::model::Act;
use super::programs::{Deed, How, Program, Step};

const LIMIT: u64 = 300;

/// Every program is run so many times, each time in another order.
const ORDERS: u64 = 12;

fn explained(programs: u64, capacities: &[Option<usize>], selects: bool) {
    within(LIMIT, || {
        for seed in 0..programs {
            let program = Arc::new(Program::random(seed, capacities, selects));
            let policy = match seed % 3 {
                0 => Policy::Pct { depth: 3 },
                _ => Policy::Random,
            };
            let explorer = Explorer::new().seed(seed * ORDERS).iterations(ORDERS);
            let own = program.clone();
            let result = explorer.policy(policy).run(move |_| {
                own.run().assert_explained_by(own.model());
            });
            if let Err(failure) = result {
                panic!("program {seed}: {program:#?}\n{failure}");
            }
        }
    });
}

#[test]
fn a_rendezvous_is_explained_by_the_model() {
    explained(60, &[Some(0)], false);
}

#[test]
fn bounded_channels_are_explained_by_the_model() {
    for capacity in [1, 2] {
        explained(40, &[Some(capacity)], false);
    }
}

#[test]
fn an_unbounded_channel_is_explained_by_the_model() {
    explained(40, &[None], false);
}

#[test]
fn selections_are_explained_by_the_model() {
    explained(60, &[Some(0), Some(0)], true);
    for capacity in CAPACITIES {
        explained(20, &[capacity, Some(1)], true);
    }
}

/// Every order of a small program.
fn every_order(threads: Vec<Vec<Step>>, deeds: Vec<Deed>, capacities: &[Option<usize>]) {
    within(LIMIT, || {
        let program = Program {
            capacities: capacities.to_vec(),
            threads,
            deeds,
        };
        let policy = Policy::Exhaustive {
            max_runs: 100_000,
            max_depth: 1_000,
        };
        let report = Explorer::new().policy(policy).run(move |_| {
            program.run().assert_explained_by(program.model());
        });
        let report = report.unwrap_or_else(|failure| panic!("{failure}"));
        assert!(report.complete, "{report:?}");
    });
}

fn sends(value: u32) -> Step {
    Step::Do(vec![(0, Act::Send(value))], How::Wait)
}

fn receives() -> Step {
    Step::Do(vec![(0, Act::Recv)], How::Wait)
}

#[test]
fn every_order_of_a_hand_over_and_a_kill_or_a_throw_is_explained() {
    // The last looks what has become of the values.
    let threads = vec![
        vec![receives()],
        vec![sends(1), sends(2)],
        vec![Step::Sleep(1), receives(), receives()],
    ];
    for capacity in [Some(0), Some(1), Some(2)] {
        for deed in [Deed::Kill(0), Deed::Throw(0)] {
            every_order(threads.clone(), vec![deed], &[capacity]);
        }
    }
}

#[test]
fn every_order_of_a_kill_and_another_that_waits_is_explained() {
    let threads = vec![vec![receives()], vec![receives()], vec![sends(1)]];
    for capacity in [Some(0), Some(1)] {
        every_order(threads.clone(), vec![Deed::Kill(0)], &[capacity]);
    }
}

#[test]
fn every_order_of_two_selections_that_meet_is_explained() {
    let both = |value| Step::Do(vec![(0, Act::Send(value)), (1, Act::Recv)], How::Wait);
    let other = |value| Step::Do(vec![(1, Act::Send(value)), (0, Act::Recv)], How::Wait);
    let capacities = [Some(0), Some(0)];
    every_order(vec![vec![both(1)], vec![other(2)]], Vec::new(), &capacities);
    every_order(
        vec![vec![both(1)], vec![other(2)]],
        vec![Deed::Kill(0)],
        &capacities,
    );
}

#[test]
fn a_wrong_model_explains_less() {
    let program = Program {
        capacities: vec![Some(2)],
        threads: vec![vec![sends(1), sends(2)], vec![receives(), receives()]],
        deeds: Vec::new(),
    };
    let failure = Explorer::new()
        .run(move |_| {
            let mut model = program.model();
            model.last_first = true;
            program.run().assert_explained_by(model);
        })
        .expect_err("what is first sent is first received");
    let Reason::Panic { message, .. } = &failure.reason else {
        panic!("{failure}");
    };
    assert!(message.contains("no order explains this"), "{message}");
}
