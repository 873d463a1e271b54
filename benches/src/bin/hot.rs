//! The hot paths, to have their instructions counted: `hot PATH ROUNDS`, `hot --list`.
//!
//! `ci/instructions.sh` runs each path twice under callgrind, with a number of rounds and with twice as many: the difference is what
//! the rounds take, without what comes before and after. Everything runs on one worker, so a count is the same in every run.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command that reports"
)]

use std::hint::black_box;
use std::process::ExitCode;

use actor_core::prelude::*;
use actor_core::{channel, microthread, migratable};
use benches::actors::{self, Counter};
use benches::gate::Countdown;

static DONE: Countdown = Countdown::new();

fn tell(sys: &System, rounds: u64) {
    let counter = sys.spawn(Counter::default()).expect("room for one");
    actors::tell(&counter, rounds);
}

fn ask(sys: &System, rounds: u64) {
    let counter = sys.spawn(Counter::default()).expect("room for one");
    actors::ask(&counter, rounds);
}

fn ring(sys: &System, rounds: u64) {
    actors::hops(&actors::ring(sys, 100, &DONE), rounds, &DONE);
}

/// Actors that stay, idle.
fn spawn(sys: &System, rounds: u64) {
    let spawn = |_| sys.spawn(Counter::default()).expect("room for all");
    std::mem::forget(black_box((0..rounds).map(spawn).collect::<Vec<_>>()));
}

fn yields(_: &System, rounds: u64) {
    let other = microthread::spawn(move || (0..rounds).for_each(|_| microthread::yield_now()));
    (0..rounds).for_each(|_| microthread::yield_now());
    other.join().expect("it ends");
}

/// A migratable function that yields in each pass of its loop.
#[migratable]
fn passes(rounds: u64) -> u64 {
    let mut sum = 0;
    for n in 0..rounds {
        sum += n;
        microthread::yield_now();
    }
    sum
}

fn migratables(sys: &System, rounds: u64) {
    let task = sys.spawn_migratable(passes(rounds)).expect("it runs");
    black_box(task.join().expect("it ends"));
}

fn microthreads(_: &System, rounds: u64) {
    for n in 0..rounds {
        black_box(microthread::spawn(move || n).join().expect("it ends"));
    }
}

fn rendezvous(_: &System, rounds: u64) {
    let (tx, rx) = channel::rendezvous();
    let giver = microthread::spawn(move || (0..rounds).for_each(|n| tx.send(n).expect("taken")));
    (0..rounds).for_each(|_| {
        black_box(rx.recv().expect("given"));
    });
    giver.join().expect("it ends");
}

fn pair(_: &System, rounds: u64) {
    let (tx, rx) = channel::bounded(16);
    for n in 0..rounds {
        tx.send(n).expect("there is room");
        black_box(rx.recv().expect("there is one"));
    }
}

type Path = fn(&System, u64);

const PATHS: &[(&str, Path)] = &[
    ("tell", tell),
    ("ask", ask),
    ("ring", ring),
    ("spawn", spawn),
    ("spawn_stop", actors::spawn_stop),
    ("yield", yields),
    ("migratable", migratables),
    ("microthread", microthreads),
    ("rendezvous", rendezvous),
    ("pair", pair),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args == ["--list"] {
        PATHS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let chosen = match &args[..] {
        [path, rounds] => PATHS
            .iter()
            .find(|(name, _)| name == path)
            .zip(rounds.parse().ok()),
        _ => None,
    };
    let Some(((_, path), rounds)) = chosen else {
        eprintln!("hot PATH ROUNDS, where PATH is one that `hot --list` lists");
        return ExitCode::FAILURE;
    };
    let builder = System::builder().workers(1).spare_workers(0);
    let sys = builder.build().expect("a system with one worker");
    let inner = sys.clone();
    let runs = sys.spawn_microthread(move || path(&inner, rounds));
    let runs = runs.expect("room for one microthread");
    runs.join().expect("the path ends");
    ExitCode::SUCCESS
}
