//! This library beside its peers, measured side by side.
//!
//! ```sh
//! cargo run --release -p benches --features peers --bin compare -- [WORKLOAD ..] [--peer NAME ..] [--runs N]
//!     [--json FILE] [--html FILE] [--short]
//! ```
//! Without names: all workloads, all peers that are installed (`benches/peers.sh` installs Go and Erlang).
//!
//! # How it measures
//! 1. The program starts itself for each single measurement (or the peer's own program, if that is not in Rust): a process
//!    does one workload once, checks its own answer, and prints a line of JSON. Time is taken inside, so that starting the
//!    process and its runtime is in no figure.
//! 2. Runs are interleaved: each of a workload's configurations once, then all once more, .., so that what else the machine
//!    does meets all alike.
//! 3. A configuration is a peer, its number of workers (one and two), and, if Rust's global allocator is the peer's, which one
//!    (the C library's and mimalloc; the latter is a program of its own, built when it is needed). A peer is shown with the
//!    configuration that has the lowest median, and the table says which; the JSON has them all. A configuration that has taken
//!    more than twice as much as another of the same peer's, each at its best so far, is not run again; nor is one waited for
//!    that takes several times as long.
//! 4. Then ours and the two best peers, each with its best configuration, run by turns: the ratio to the best peer is the median
//!    of five pairs, next to each other in time, and not a ratio of medians.
//!
//! # What is compared
//! The same guarantees: a bounded mailbox against a bounded one, an answer against an answer, an actor that is in service
//! against one whose task has been polled. Where a peer lacks what a workload is about, the table says so. Our `ask` is never
//! inlined: it is a message in the mailbox, and the asker waits; on one worker and across two is its two configurations.
//!
//! A loop that only sends lets others run now and then, in the way that its peer has for that (`#[preemptible]`, tokio's budget,
//! a yield), in `counting` and `many_to_one`; in `fork_join` where that makes it faster, as it does ours and actix; in
//! `bank_transaction` ours and tokio's.
//!
//! # Where what is
//! | file | what |
//! |---|---|
//! | `workload` | the table of workloads: what each does, sizes |
//! | `peers` | one file a peer: a function for each workload. Go and Erlang: `benches/peers/` |
//! | `rules` | what the workloads go by, the same for all |
//! | `measured` | what a child is told, and what it prints |
//! | `options`, `programs`, `child`, `drive`, `duel` | the parent: what to do; what to start; one measurement; all of them; pairs |
//! | `report`, `table`, `page`, `plot` | what came of it, as JSON, text, and a page with plots |

use std::io::{self, Write};
use std::process::ExitCode;

use measured::Outcome;
use options::{Mode, Options};

mod child;
mod drive;
mod duel;
mod load;
pub mod measured;
mod options;
mod page;
pub mod peers;
mod plot;
mod programs;
mod report;
pub mod rules;
mod table;
pub mod workload;

/// Why nothing more is done.
type Error = Box<dyn std::error::Error>;

/// The whole program; `allocator` is the name of the global allocator that it was built with.
pub fn main(allocator: &'static str) -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(|it| perform(it, allocator)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is no other place to say it.
            let _ = writeln!(io::stderr(), "compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn perform(mode: Mode, allocator: &str) -> Result<(), Error> {
    match mode {
        Mode::Help => Ok(writeln!(io::stdout(), "{}", options::USAGE)?),
        Mode::Child(peer, job) => say(&peers::perform(peer, job)),
        Mode::Load(load) => say(&Outcome::Measured(load::run(load)?)),
        Mode::Drive(options) => {
            let report = drive::run(&options, allocator)?;
            table::print(&report, &mut io::stdout().lock())?;
            if let Some(file) = &options.json {
                std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
            }
            if let Some(file) = &options.html {
                std::fs::write(file, page::render(&report))?;
            }
            report.failures()
        }
    }
}

/// A child's answer.
fn say(outcome: &Outcome) -> Result<(), Error> {
    Ok(writeln!(
        io::stdout(),
        "{}",
        serde_json::to_string(outcome)?
    )?)
}
