//! How long messages wait while something holds a worker.
//!
//! ```text
//! cargo run --release -p benches --bin hold -- [--short]
//! ```
//! Ten thousand messages go to a hundred actors, about one every 150 microseconds; each carries the time it was sent, and its
//! handler notes how long ago that was. Meanwhile one microthread does not let go of its worker:
//!
//! - *nobody*: the comparison. All workers are asleep when a message comes, so this is what waking a thread costs.
//! - *spin*: it computes without suspending.
//! - *foreign call*: it sits in a call that blocks its thread, unknown to the runtime.
//!
//! The messages come from an OS thread outside, or from the very microthread that holds its worker (it sends one, then spins
//! or blocks a little, and so on, never suspending). The latter is the worst case: they land in the queue of the worker
//! that is held, and only the monitor can move them to another.
//!
//! The last column says whether the culprit was named in an event.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use actor_core::Event;
use actor_core::microthread::JoinHandle;
use actor_core::prelude::*;
use benches::stats::percentile;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const ACTORS: usize = 100;
/// Time from one message to the next; a thread that sleeps oversleeps by some 50 microseconds.
const PACE: Duration = Duration::from_micros(100);
/// The culprit has been at it for so long when the first message is sent.
const SETTLE: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let messages = match &*args.iter().map(|arg| &**arg).collect::<Vec<_>>() {
        [] => 10_000,
        ["--short"] => 500,
        _ => {
            let _ = writeln!(io::stderr(), "usage: hold [--short]");
            return ExitCode::from(2);
        }
    };
    match table(messages) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "hold: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What holds a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Culprit {
    Nobody,
    Spin,
    ForeignCall,
}

/// Where the messages come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    Thread,
    Culprit,
}

const SCENARIOS: [(Culprit, Sender); 5] = [
    (Culprit::Nobody, Sender::Thread),
    (Culprit::Spin, Sender::Thread),
    (Culprit::ForeignCall, Sender::Thread),
    (Culprit::Spin, Sender::Culprit),
    (Culprit::ForeignCall, Sender::Culprit),
];

fn table(messages: usize) -> Result<()> {
    let mut out = io::stdout();
    writeln!(
        out,
        "{:>7}  {:<12}  {:<12} {:>8} {:>9} {:>9} {:>9} {:>9}  named",
        "workers", "held by", "sent by", "messages", "p50 us", "p99 us", "p99.9 us", "max us"
    )?;
    for workers in [1, 2] {
        for (culprit, sender) in SCENARIOS {
            let Delays { mut delays, named } = measure(workers, culprit, sender, messages)?;
            let mut at = |share| {
                percentile(&mut delays, share)
                    .unwrap_or_default()
                    .as_micros()
            };
            let (p50, p99, p999, max) = (at(0.5), at(0.99), at(0.999), at(1.0));
            writeln!(
                out,
                "{workers:>7}  {:<12}  {:<12} {:>8} {p50:>9} {p99:>9} {p999:>9} {max:>9}  {}",
                match culprit {
                    Culprit::Nobody => "nobody",
                    Culprit::Spin => "spin",
                    Culprit::ForeignCall => "foreign call",
                },
                match sender {
                    Sender::Thread => "a thread",
                    Sender::Culprit => "the culprit",
                },
                delays.len(),
                if named { "yes" } else { "no" },
            )?;
        }
    }
    Ok(())
}

/// Notes how long each message was on its way.
#[actor]
struct Sink {
    delays: Vec<Duration>,
}

#[actor]
impl Sink {
    pub(crate) fn note(&mut self, sent: Instant) {
        self.delays.push(sent.elapsed());
    }

    pub(crate) fn delays(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.delays)
    }
}

struct Delays {
    delays: Vec<Duration>,
    /// An event named the culprit.
    named: bool,
}

fn measure(workers: usize, culprit: Culprit, sender: Sender, messages: usize) -> Result<Delays> {
    let sys = System::builder().workers(workers).build()?;
    let events = sys.events();
    let each = messages.div_ceil(ACTORS);
    let sinks = (0..ACTORS)
        .map(|_| {
            sys.spawn(Sink {
                delays: Vec::with_capacity(each),
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let sinks = Arc::new(sinks);
    match sender {
        Sender::Thread => {
            let held = hold(&sys, culprit)?;
            thread::sleep(SETTLE);
            send(&sinks, messages, || thread::sleep(PACE))?;
            collected(&sinks, messages);
            held.release()?;
        }
        Sender::Culprit => {
            let pause: fn() = match culprit {
                Culprit::Spin => || spin_until(|start| start.elapsed() >= PACE),
                _ => || thread::sleep(PACE),
            };
            let to = sinks.clone();
            let held = sys.spawn_microthread(move || {
                let start = Instant::now();
                while start.elapsed() < SETTLE {
                    pause();
                }
                let sent = send(&to, messages, pause);
                // What it has sent is to arrive although it goes on.
                let start = Instant::now();
                while start.elapsed() < SETTLE {
                    pause();
                }
                sent
            })?;
            held.join().map_err(|error| error.to_string())??;
        }
    }
    let mut delays = Vec::with_capacity(messages);
    for sink in sinks.iter() {
        delays.append(&mut sink.ask().delays()?);
    }
    let named = events
        .try_iter()
        .any(|event| matches!(event, Event::Stuck { .. }));
    Ok(Delays { delays, named })
}

/// Sends the messages, each with the time, and pauses after each.
fn send(sinks: &[Addr<Sink>], messages: usize, pause: impl Fn()) -> Result<()> {
    for sink in sinks.iter().cycle().take(messages) {
        sink.tell().note(Instant::now())?;
        pause();
    }
    Ok(())
}

/// Waits, on a thread, until nothing is queued any more: the culprit must not let go before.
fn collected(sinks: &[Addr<Sink>], messages: usize) {
    let give_up = Instant::now() + PACE * u32::try_from(messages).unwrap_or(u32::MAX);
    while sinks.iter().any(|sink| sink.queued() > 0) && Instant::now() < give_up {
        thread::sleep(PACE);
    }
}

/// A worker that is held, until it is released.
struct Held {
    stop: Arc<AtomicBool>,
    call: Option<std::sync::mpsc::Sender<()>>,
    by: Option<JoinHandle<()>>,
}

fn hold(sys: &System, culprit: Culprit) -> Result<Held> {
    let stop = Arc::new(AtomicBool::new(false));
    let (mut call, mut by) = (None, None);
    match culprit {
        Culprit::Nobody => {}
        Culprit::Spin => {
            let stop = stop.clone();
            by = Some(sys.spawn_microthread(move || spin_until(|_| stop.load(Ordering::Relaxed)))?);
        }
        Culprit::ForeignCall => {
            let (sender, receiver) = std::sync::mpsc::channel::<()>();
            call = Some(sender);
            by = Some(sys.spawn_microthread(move || {
                // It ends when the other side hangs up.
                let _ = receiver.recv();
            })?);
        }
    }
    Ok(Held { stop, call, by })
}

impl Held {
    fn release(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.call);
        match self.by {
            Some(by) => Ok(by.join().map_err(|error| error.to_string())?),
            None => Ok(()),
        }
    }
}

fn spin_until(done: impl Fn(Instant) -> bool) {
    let start = Instant::now();
    while !done(start) {
        std::hint::spin_loop();
    }
}
