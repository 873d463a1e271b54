//! What a population of threads, microthreads and actors costs: memory, creation, switching.
//!
//! ```text
//! cargo run --release -p benches --bin spawn_cost -- [--json] [--kind KIND].. [--n N].. [--max N] [--runs R] [--short]
//! ```
//! Each row is measured in a fresh process, `--runs` times (3), of which the median of each column is printed. Sizes are 2
//! to 1,000,000 (OS threads to 2,000). `--json` prints one object a line instead of a table. `--short` is to see whether it works,
//! not what it costs.
//!
//! # Kinds
//! | kind | a member |
//! |---|---|
//! | `os_thread` | `std::thread` with std's default stack, parked in a loop |
//! | `microthread` | a stackful microthread, blocked in the middle of its loop |
//! | `migratable` | a migratable function, suspended in the middle of its loop; owns no stack |
//! | `actor` | message methods, state of one `u64`; idle; has handled a message, and has blocked and resumed inside a handler |
//! | `actor_named` | the same, each registered under a name of its own, such as `counter-123456` |
//! | `actor_supervised` | the same, as children of one dynamic supervisor, started in one batch; each keeps a `u64` for its restarts |
//! | `actor_own_stack` | a `run` body that waits in its inbox |
//!
//! All of a process's threads, the runtime and what is measured share the system's allocator.
//!
//! # Columns
//! - *resident*, *virtual*: the whole process, with all members live.
//! - *bytes each*: the growth in resident memory, by member. It includes what the harness keeps to reach a member again:
//!   a thread's handle, a microthread's join handle and waker, an actor's address. One more member, live from before the
//!   first measurement, has paid for what is paid once. Memory becomes resident by the page, cells of actors come by the
//!   chunk of 64 KiB, and what was freed before is used again: figures for few members say little. Not included is what
//!   the kernel keeps for itself: page tables, some 150 bytes for each stack.
//! - *create*: from before the first is created until all are blocked (an `actor`: can be sent to), by member. It includes
//!   the kernel's work for memory touched the first time, the harness's own vector, and, except for `actor`, the first run
//!   up to where the member blocks. Measured inside a microthread; for `os_thread`, on the main thread.
//! - *switch*: members are visited in order of creation, over and over, and the time is divided by the visits. What a
//!   visit is: `os_thread`: its neighbour unparks it, it unparks the next, and parks. `microthread`: it is resumed where
//!   it yielded, and yields. `migratable`: the same, as a
//!   function call. `actor`, `actor_own_stack`: a message is sent to it, and it handles it.
//! - *mappings*: of the whole process.
//! - *stacks*: the runtime's count of the stacks it has mapped for the members, spare ones included. *guarded*: the kernel's
//!   count of the guards it has. All are guarded if these are no fewer. An OS thread has two guards, its own and the one of
//!   its signal stack.
//!
//! The runtime has one worker, and OS threads are kept to one CPU: what is compared is the cost of a switch and not of
//! waking another CPU.

use std::io::{self, Write};
use std::process::ExitCode;

mod kinds;
mod options;
mod row;

use options::{Command, Job, Options};
use row::Row;

/// The one allocator for everything that is measured.
#[global_allocator]
static ALLOCATOR: std::alloc::System = std::alloc::System;

fn main() -> ExitCode {
    let mut err = io::stderr();
    let command = match options::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            let _ = writeln!(err, "{error}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    let result = match command {
        Command::Help => writeln!(io::stdout(), "{}", options::USAGE).map_err(Into::into),
        Command::Measure(job) => measure(job),
        Command::Table(options) => table(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(err, "spawn_cost: {error}");
            ExitCode::FAILURE
        }
    }
}

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// The child: one row. It leaves without taking the population down, which is not measured.
fn measure(job: Job) -> Result<()> {
    let row = kinds::measure(job)?;
    let mut out = io::stdout();
    writeln!(out, "{}", serde_json::to_string(&row)?)?;
    out.flush()?;
    std::process::exit(0)
}

/// The parent: all rows.
fn table(options: &Options) -> Result<()> {
    let mut out = io::stdout();
    if !options.json {
        writeln!(out, "{}", Row::HEADER)?;
    }
    for job in options.rows() {
        let rows = (0..options.runs)
            .map(|_| row::in_a_fresh_process(job))
            .collect::<Result<Vec<_>>>()?;
        let Some(row) = Row::median(&rows) else {
            continue;
        };
        if options.json {
            writeln!(out, "{}", serde_json::to_string(&row)?)?;
        } else {
            writeln!(out, "{row}")?;
        }
        out.flush()?;
    }
    Ok(())
}
