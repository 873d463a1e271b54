//! A pipeline: stages that are microthreads, with a channel between each and the next.
//!
//! ```sh
//! cargo run --release --example pipeline
//! ```
//! ```text
//!   read ──lines──► 3 × split ──words──► 4 × count ──tables──► collect, ticker, timeout
//!    ▲                                                                      │
//!    └───────────────────────────── cancel ─────────────────────────────────┘
//! ```
//! Lines are read without end, until the timeout cancels the reader. Nothing else needs to be told: a stage ends when those
//! before it have gone and it has received what they left. The scope waits for all of them, so they may borrow the text. Ends
//! with success only if every word of every line that was read was counted.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actor_core::channel::{self, Receiver, Sender};
use actor_core::microthread::{self, CancellationToken};
use actor_core::{Runtime, select};

const TEXT: &str = "\
one small thread is light to hold
and ten are not much more
a hundred thousand fit a core
and all of them can wait
one waits to send and one to hear
and neither waits too late";

/// Words, and how often each was seen.
type Table<'t> = HashMap<&'t str, u64>;

/// Reads lines, over and over, until cancelled.
fn read<'t>(text: &'t str, lines: &Sender<&'t str>, cancel: &CancellationToken, read: &AtomicU64) {
    for line in text.lines().cycle() {
        select! {
            ready(cancel.cancelled()) => return,
            send(lines, line) -> sent => match sent {
                Ok(()) => read.fetch_add(1, Ordering::Relaxed),
                Err(_) => return, // nobody wants them any more
            },
        };
    }
}

/// Splits lines into words.
fn split<'t>(lines: &Receiver<&'t str>, words: &Sender<&'t str>) {
    for line in lines {
        if words.send_all(line.split_whitespace()).is_err() {
            return;
        }
    }
}

/// Counts words, and sends the table when there are no more.
fn count<'t>(words: &Receiver<&'t str>, tables: &Sender<Table<'t>>) {
    let mut table = Table::new();
    for word in words {
        *table.entry(word).or_default() += 1;
    }
    // If it fails, who wanted the table is gone.
    drop(tables.send(table));
}

/// Counts the words of `text`, again and again, for as long as `timeout`. Tells `progress` how many lines have been read, and
/// returns that with the table.
fn run(
    text: &str,
    timeout: Duration,
    mut progress: impl FnMut(u64) -> io::Result<()>,
) -> io::Result<(u64, Table<'_>)> {
    let (cancel, lines_read) = (CancellationToken::new(), AtomicU64::new(0));
    let table = microthread::scope(|scope| {
        let (lines_out, lines) = channel::bounded(16);
        let (words_out, words) = channel::bounded(64);
        let (tables_out, tables) = channel::rendezvous();
        let (cancel, lines_read) = (&cancel, &lines_read);
        scope.spawn(move || read(text, &lines_out, cancel, lines_read));
        for _ in 0..3 {
            let (lines, words) = (lines.clone(), words_out.clone());
            scope.spawn(move || split(&lines, &words));
        }
        for _ in 0..4 {
            let (words, tables) = (words.clone(), tables_out.clone());
            scope.spawn(move || count(&words, &tables));
        }
        // From here on each stage has the only handles to what it sends into, and ends the next by ending.
        drop((lines, words_out, words, tables_out));

        // However this is left, the reader ends.
        let _guard = cancel.clone().drop_guard();
        let (ticks, enough) = (channel::tick(timeout / 5), channel::after(timeout));
        let mut all = Table::new();
        loop {
            select! {
                recv(&enough) => cancel.cancel(),
                recv(&ticks) => progress(lines_read.load(Ordering::Relaxed))?,
                recv(&tables) -> table => match table {
                    Ok(table) => table.iter().for_each(|(word, n)| *all.entry(word).or_default() += n),
                    Err(_) => break io::Result::Ok(all), // every stage has ended
                },
            }
        }
    })?;
    Ok((lines_read.into_inner(), table))
}

/// The same, by one loop.
fn plain(text: &str, lines: u64) -> Table<'_> {
    let mut table = Table::new();
    let lines = text.lines().cycle().take(lines as usize);
    for word in lines.flat_map(str::split_whitespace) {
        *table.entry(word).or_default() += 1;
    }
    table
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let rt = Runtime::new()?;
    let pipeline = rt.spawn(|| {
        run(TEXT, Duration::from_millis(250), |lines| {
            writeln!(io::stdout(), "{lines} lines so far")
        })
    })?;
    let (lines, table) = pipeline.join()??;
    let right = lines > 0 && table == plain(TEXT, lines);
    let mut most: Vec<_> = table.into_iter().collect();
    most.sort_unstable_by_key(|(word, n)| (std::cmp::Reverse(*n), *word));
    let mut out = io::stdout().lock();
    for (word, n) in most.iter().take(3) {
        writeln!(out, "{word:>8} {n}")?;
    }
    let verdict = if right {
        "every word was counted"
    } else {
        "WRONG"
    };
    writeln!(out, "{lines} lines: {verdict}")?;
    Ok(match right {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
