//! Continued in another process: each program, cut at each of its suspension points.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use actor_core::image::{Image, Limits};
use actor_core::migratable;
use tests::child;

use super::choices::{merge, nested};
use super::cuts::{Actor, World, go_on, run};
use super::programs::{
    borrows_between, collections, counts, fib, formats, labels, moved_and_given_back, nested_loops,
    office, quarter, shadows, sums, values,
};

/// Names a file in the environment of the child.
const FILE: &str = "FREEZE_TEST_FILE";

/// What was logged before the cut, and the image.
type Cut = (Vec<String>, Vec<u8>);

/// One of each cut.
fn cuts<W: World>(make: fn() -> W) -> Vec<Cut> {
    let (turns, ..) = run(make(), |_| false);
    let cut = |at| {
        let mut world = make();
        let mut log = Vec::new();
        for _ in 0..at {
            world.turn(&mut log);
        }
        (log, migratable::freeze(&world).unwrap().encode())
    };
    (0..=turns).map(cut).collect()
}

/// What comes out is what comes out uncut.
fn continues<W: World>(make: fn() -> W, cuts: Vec<Cut>) {
    let (_, log, seen) = run(make(), |_| false);
    assert!(cuts.len() > 1, "there is nowhere to cut");
    for (at, (before, image)) in cuts.into_iter().enumerate() {
        let image = Image::decode(&image, &Limits::default()).unwrap();
        let world: W = migratable::thaw(&image).unwrap();
        let (_, cut_log, cut_seen) = go_on(world, before, |_| false);
        assert_eq!((&cut_log, &cut_seen), (&log, &seen), "cut at {at}");
    }
}

struct Program {
    name: &'static str,
    cuts: fn() -> Vec<Cut>,
    continues: fn(Vec<Cut>),
}

macro_rules! programs {
    ($($name:ident: $make:expr;)*) => {
        [$(Program {
            name: stringify!($name),
            cuts: || cuts(|| $make),
            continues: |all| continues(|| $make, all),
        }),*]
    };
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

#[test]
fn every_program_goes_on_in_a_new_process_wherever_it_was_cut() {
    let programs = programs! {
        ranges: Actor::from(nested_loops(4));
        vec_map_deque: Actor::from(collections(
            words(&["a", "b"]),
            BTreeMap::from([(1, "one".into()), (2, "two".into())]),
            VecDeque::from([-1, -2]),
        ));
        hash_map: Actor::from(counts((1..6).map(|n| ("w".repeat(n), n as u32)).collect()));
        recursion: Actor::from(fib(6));
        question_mark: Actor::from(quarter(12));
        question_mark_fails: Actor::from(quarter(6));
        labels_and_breaks: Actor::from(labels(9));
        branches: Actor::from(values(8));
        names: Actor::from(shadows(5));
        moves: Actor::from(moved_and_given_back(4));
        borrows: Actor::from(borrows_between(words(&["a", "bc"])));
        strings: Actor::from(formats(6));
        selections_in_selections: Actor::from(nested(4));
        channel_rendezvous: office(0);
        channel_bounded: office(1);
        channel_roomy: office(100);
        receives_in_expressions: sums();
        select: merge(1);
    };
    let path = |name: &str| {
        let file = format!("freeze-{}-{name}", std::process::id());
        std::env::temp_dir().join(file)
    };
    let here = std::env::var(FILE).ok().map(PathBuf::from);
    for program in programs {
        // In the child, only the one that the file is of.
        let file = here.clone().unwrap_or_else(|| path(program.name));
        if !file
            .to_string_lossy()
            .ends_with(&format!("-{}", program.name))
        {
            continue;
        }
        if here.is_none() {
            let cuts = rmp_serde::to_vec(&(program.cuts)()).unwrap();
            std::fs::write(&file, cuts).unwrap();
        }
        let in_child = || {
            let cuts = std::fs::read(&file).unwrap();
            (program.continues)(rmp_serde::from_slice(&cuts).unwrap());
        };
        child!(in_child, &[(FILE, file.to_str().unwrap())]).succeeds();
        std::fs::remove_file(&file).unwrap();
    }
}
