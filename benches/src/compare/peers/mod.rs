//! The peers: who takes part, on what, and who does which workload how.

use std::future::Future;
use std::io::{self, Write};
use std::process::Command;

use ::tokio::sync::mpsc::UnboundedReceiver;
use ::tokio::task::coop::consume_budget;
use ::tokio::task::yield_now;

use crate::memory::Memory;

use super::child;
use super::measured::{Job, Outcome};

mod actix;
mod kameo;
mod may;
mod ours;
mod ractor;
mod tokio;
mod xtra;

/// One who is measured.
#[derive(Debug)]
pub struct Peer {
    /// As on the command line.
    pub name: &'static str,
    /// How it is run.
    pub kind: Kind,
}

/// How a peer is run.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// In this program, which starts itself for it; the crate of which the version is told.
    Crate(&'static str, fn(Job) -> Outcome),
    /// In Go.
    Go,
    /// In Erlang.
    Erlang,
}

/// All of them, in the order of the tables.
pub const ALL: &[Peer] = &[
    rust("ours", "actor-core", ours::run),
    rust("tokio", "tokio", tokio::run),
    rust("actix", "actix", actix::run),
    rust("ractor", "ractor", ractor::run),
    rust("kameo", "kameo", kameo::run),
    rust("xtra", "xtra", xtra::run),
    rust("may", "may", may::run),
    Peer {
        name: "go",
        kind: Kind::Go,
    },
    Peer {
        name: "erlang",
        kind: Kind::Erlang,
    },
];

const fn rust(name: &'static str, of: &'static str, run: fn(Job) -> Outcome) -> Peer {
    Peer {
        name,
        kind: Kind::Crate(of, run),
    }
}

/// The one of that name.
pub fn named(name: &str) -> Option<&'static Peer> {
    ALL.iter().find(|peer| peer.name == name)
}

/// What a crate's version is in the lock file that this was built with.
fn locked(of: &str) -> Option<&'static str> {
    const LOCK: &str = include_str!("../../../../Cargo.lock");
    let entry = LOCK
        .split(&format!("name = \"{of}\"\nversion = \""))
        .nth(1)?;
    entry.split('"').next()
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next().map(str::to_owned);
    line.filter(|_| output.status.success())
}

impl Peer {
    /// Its version. `None` if it is not installed.
    pub fn version(&self) -> Option<String> {
        match self.kind {
            Kind::Crate(of, _) => locked(of).map(str::to_owned),
            Kind::Go => {
                let line = first_line("go", &["version"])?;
                line.split(' ')
                    .nth(2)
                    .map(|it| it.trim_start_matches("go").to_owned())
            }
            Kind::Erlang => {
                const PRINT: &str = "io:format(\"OTP ~s, ERTS ~s~n\", [erlang:system_info(otp_release), \
                                     erlang:system_info(version)]), halt().";
                first_line("erl", &["-noshell", "-eval", PRINT])
            }
        }
    }

    /// Whether Rust's global allocator is its.
    pub fn takes_allocators(&self) -> bool {
        matches!(self.kind, Kind::Crate(..))
    }
}

/// Does what a child is to do.
pub(super) fn perform(peer: &Peer, job: Job) -> Outcome {
    let mut outcome = match peer.kind {
        Kind::Crate(_, run) => run(job),
        Kind::Go | Kind::Erlang => cannot("it is a program of its own"),
    };
    if let Outcome::Measured(measured) = &mut outcome {
        measured.peak_bytes = child::peak(std::process::id());
    }
    outcome
}

// ---- what peers share -----------------------------------------------------------------------------------------------

/// Why those that are built on futures leave out what is about stacks.
const NO_STACKS: &str =
    "a function that is written as a future owns no stack; what waiting costs it is in idle_memory";

fn cannot(why: &str) -> Outcome {
    Outcome::Cannot(why.to_owned())
}

/// Why those on tokio leave out what is about sockets.
const TOKIOS_SOCKETS: &str = "its sockets are tokio's, in tokio's tasks";

/// Why those on tokio leave out what is about a channel.
const TOKIOS_CHANNELS: &str =
    "it has no channel that many take from; what tokio's cost is in tokio's row";

/// Tells the parent where the server waits. The parent ends it.
fn listening(port: u16) {
    // Nobody to tell it to if the parent is gone.
    let _ = writeln!(io::stdout(), "{{\"listening\":{port}}}");
}

/// Panics that are part of the workload print nothing.
fn silence_panics() {
    std::panic::set_hook(Box::new(|_| {}));
}

/// Resident bytes.
fn resident() -> u64 {
    Memory::now().expect("/proc is readable").resident
}

/// A pass of a loop that sends and never waits, in a task of tokio's: lets others run now and then, as tokio advises. Where
/// mailboxes have a bound the loop waits.
async fn pass(job: Job) {
    if job.workload.bound().is_none() {
        consume_budget().await;
    }
}

/// Waits until so many have reported, and adds up what.
async fn reports(mut from: UnboundedReceiver<u64>, count: u64) -> u64 {
    let mut sum = 0;
    for _ in 0..count {
        sum += from.recv().await.expect("each reports");
    }
    sum
}

/// Lets others run until `count` has reached so many.
async fn until(count: impl Fn() -> u64, reached: u64) {
    while count() < reached {
        yield_now().await;
    }
}

/// Runs `main` as a task of a tokio runtime: the current-thread one if there is one worker, as tokio advises for that.
fn on_tokio(workers: usize, main: impl Future<Output = Outcome> + Send + 'static) -> Outcome {
    let mut builder = match workers {
        1 => ::tokio::runtime::Builder::new_current_thread(),
        _ => ::tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(workers).enable_all().build();
    let runtime = runtime.expect("a runtime of tokio");
    // A task, so that it runs on a worker as those do that it works with.
    let main = runtime.spawn(main);
    runtime.block_on(main).expect("the workload does not panic")
}
