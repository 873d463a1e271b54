//! What a child measures, and how it says so.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::workload::Workload;
use crate::stats;

/// What a child is to do.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// What.
    pub workload: Workload,
    /// On how many workers.
    pub workers: usize,
    /// See [`Size`](super::workload::Size).
    pub actors: u64,
    /// See [`Size`](super::workload::Size).
    pub messages: u64,
}

/// What came of it: a line of JSON on the child's standard output.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did it.
    Measured(Measured),
    /// It cannot do it, and why.
    Cannot(String),
}

/// A measurement.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Measured {
    /// In the workload's unit.
    pub value: f64,
    /// What else was measured: `stop_ns`, `p50_ns`, `p99_ns`.
    #[serde(default)]
    pub more: BTreeMap<String, f64>,
    /// The most memory that was resident.
    #[serde(default)]
    pub peak_bytes: u64,
}

impl Measured {
    /// Nanoseconds for each of `n`.
    pub fn time(elapsed: Duration, n: u64) -> Self {
        Measured {
            value: each(elapsed, n),
            ..Measured::default()
        }
    }

    /// Nanoseconds for each of `n` until it is in service, and until it is gone.
    pub fn lives(spawned: Duration, stopped: Duration, n: u64) -> Self {
        Measured::time(spawned, n).and("stop_ns", each(stopped, n))
    }

    /// Bytes for each of `n`.
    pub fn bytes(before: u64, after: u64, n: u64) -> Self {
        Measured {
            value: after.saturating_sub(before) as f64 / n as f64,
            ..Measured::default()
        }
    }

    /// Adds a second figure.
    #[must_use]
    fn and(mut self, name: &str, value: f64) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    /// Adds the median and the 99th percentile of single durations.
    #[must_use]
    pub fn and_latencies(self, mut latencies: Vec<u64>) -> Self {
        let mut at = |share| stats::percentile(&mut latencies, share).unwrap_or(0) as f64;
        let (p50, p99) = (at(0.5), at(0.99));
        self.and("p50_ns", p50).and("p99_ns", p99)
    }
}

/// Nanoseconds for each of `n`.
fn each(elapsed: Duration, n: u64) -> f64 {
    elapsed.as_nanos() as f64 / n as f64
}

static STARTED: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);

/// Part of an actor's state: counts that it is in service, and that it is gone.
#[derive(Debug)]
pub struct Life(());

impl Life {
    /// One more is in service.
    pub fn begin() -> Self {
        STARTED.fetch_add(1, Ordering::Relaxed);
        Life(())
    }

    /// How many have come into service.
    pub fn started() -> u64 {
        STARTED.load(Ordering::Relaxed)
    }

    /// How many are gone.
    pub fn ended() -> u64 {
        ENDED.load(Ordering::Relaxed)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        ENDED.fetch_add(1, Ordering::Relaxed);
    }
}

/// How long some of an asker's asks took.
#[derive(Debug, Default)]
pub struct Latencies {
    asks: u64,
    taken: Vec<u64>,
}

impl Latencies {
    /// One ask in so many is timed: to look at a clock twice takes about as long as an ask. No power of two, as turns are.
    const EVERY: u64 = 17;

    /// Before an ask.
    pub fn begin(&mut self) -> Option<Instant> {
        self.asks += 1;
        self.asks.is_multiple_of(Self::EVERY).then(Instant::now)
    }

    /// After it, with what [`begin`](Self::begin) gave.
    pub fn end(&mut self, asked: Option<Instant>) {
        if let Some(asked) = asked {
            self.taken.push(asked.elapsed().as_nanos() as u64);
        }
    }

    /// In nanoseconds.
    pub fn into_vec(self) -> Vec<u64> {
        self.taken
    }
}
