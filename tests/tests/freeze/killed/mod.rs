//! Nodes in processes of their own, of which one or both are killed, by `SIGKILL`, at every step of what they do in turn: before
//! and after each record is written or removed, and each message sent or received. They are started again from their stores.
//!
//! A *cut* is a kind of step and a number: the process kills itself when it comes to the `n`th step of that kind. Each kind is
//! gone through from 1 to the first number that nobody gets to. In each run
//! - whatever runs says so in a log, each time that it does anything and every few milliseconds: its lives follow each other there, and do
//!   not overlap;
//! - in the end it is at one node, and the other knows nothing of it;
//! - each request counts once. A client says it again until it is acknowledged, and it is acknowledged when it has been saved.

mod child;
mod parent;

use std::sync::Mutex;

use parent::{Cuts, Run, Thing};
use tests::within;

/// The kinds of steps.
const STEPS: [&str; 8] = [
    "save-before",
    "save-after",
    "remove-before",
    "remove-after",
    "send-before",
    "send-after",
    "recv-before",
    "recv-after",
];

/// How many runs there are at once: they wait for each other's processes more than they compute.
const AT_ONCE: usize = 4;

/// Goes through all cuts, `lives` lives of a process long, at these sides. How many runs there were with a kill.
fn every_cut(
    thing: Thing,
    at: &'static [&'static str],
    lives: usize,
    story: fn(&mut Run),
) -> usize {
    every_cut_with(thing, at, lives, false, story)
}

fn every_cut_with(
    thing: Thing,
    at: &'static [&'static str],
    lives: usize,
    kept: bool,
    story: fn(&mut Run),
) -> usize {
    let steps = Mutex::new(STEPS.iter());
    let one_after_the_other = || {
        let mut kills = 0;
        loop {
            let Some(step) = steps.lock().unwrap().next() else {
                return kills;
            };
            for number in 1.. {
                let cuts = Cuts {
                    at,
                    lives,
                    step,
                    number,
                    kept,
                };
                let mut run = Run::new(thing, cuts);
                story(&mut run);
                match run.settle() {
                    0 => break,
                    _ => kills += 1,
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let all = [(); AT_ONCE].map(|()| scope.spawn(one_after_the_other));
        all.into_iter().map(|it| it.join().unwrap()).sum()
    })
}

/// Requests at both nodes, there and back, with a full mailbox and senders who wait for room in it.
fn there_and_back(run: &mut Run) {
    run.begin();
    run.requests(0..2);
    run.flood(100..110);
    run.moves_to("b");
    run.requests(2..4);
    run.flood(110..120);
    run.moves_to("a");
    run.requests(4..6);
    run.requests(100..120);
}

/// Twice there and back.
fn twice(run: &mut Run) {
    run.begin();
    for n in 0..4 {
        run.requests(n * 2..n * 2 + 2);
        run.moves_to(["b", "a"][n as usize % 2]);
    }
}

#[test]
fn an_actor_lives_once_and_counts_once_whenever_its_source_is_killed() {
    within(300, || {
        let kills = every_cut(Thing::Actor, &["a"], 1, there_and_back);
        assert!(kills >= 30, "{kills} runs with a kill");
    });
}

#[test]
fn an_actor_lives_once_and_counts_once_whenever_its_destination_is_killed() {
    within(300, || {
        let kills = every_cut(Thing::Actor, &["b"], 1, there_and_back);
        assert!(kills >= 30, "{kills} runs with a kill");
    });
}

#[test]
fn an_actor_lives_once_and_counts_once_if_both_are_killed_and_killed_again() {
    within(300, || {
        let kills = every_cut(Thing::Actor, &["a", "b"], 2, twice);
        assert!(kills >= 30, "{kills} runs with a kill");
    });
}

#[test]
fn a_function_lives_once_and_counts_once_whoever_is_killed() {
    within(300, || {
        let kills = every_cut(Thing::Function, &["a", "b"], 1, twice);
        assert!(kills >= 30, "{kills} runs with a kill");
    });
}

/// Nobody but the nodes themselves opens ways: what was under way when a process was killed is settled all the same.
#[test]
fn nodes_that_keep_their_ways_find_each_other_again_and_settle_what_was_under_way() {
    within(300, || {
        let kills = every_cut_with(Thing::Actor, &["a", "b"], 1, true, twice);
        assert!(kills >= 20, "{kills} runs with a kill");
    });
}
