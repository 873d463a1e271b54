//! How a population of each kind is measured.

use std::time::{Duration, Instant};

use actor_core::System;
use benches::memory::{self, Memory};
use benches::stats::median;

use super::Result;
use super::options::Job;
use super::row::{Kind, Row};

mod actors;
mod microthreads;
mod migratables;
mod threads;

/// Measures a population. Leaves it alive.
pub(super) fn measure(job: Job) -> Result<Row> {
    match job.kind {
        Kind::OsThread => {
            threads::keep_to_one_cpu()?;
            population(job, threads::Threads::default())
        }
        Kind::Microthread => {
            inside(move |sys| population(job, microthreads::Microthreads::new(sys)))
        }
        Kind::Migratable => inside(move |sys| population(job, migratables::Migratables::new(sys))),
        Kind::Actor => inside(move |sys| population(job, actors::plain(sys))),
        Kind::ActorNamed => inside(move |sys| population(job, actors::named(sys))),
        Kind::ActorSupervised => inside(move |sys| population(job, actors::supervised(sys)?)),
        Kind::ActorOwnStack => inside(move |sys| population(job, actors::OwnStacks::new(sys))),
    }
}

/// Runs `driver` in a microthread of a system with one worker.
fn inside(driver: impl FnOnce(System) -> Result<Row> + Send + 'static) -> Result<Row> {
    // A spare would take the members over while the driver creates them without suspending.
    let sys = System::builder().workers(1).spare_workers(0).build()?;
    let row = sys.spawn_microthread({
        let sys = sys.clone();
        move || driver(sys)
    })?;
    let row = row.join().map_err(|error| error.to_string())?;
    // Members refer to it until the process ends.
    std::mem::forget(sys);
    row
}

/// Members that can be created and visited.
trait Population {
    /// How many visits are enough to tell the time of one, optimised.
    const VISITS: usize;

    /// Creates `n` more; returns when they can be reached and all is quiet.
    fn create(&mut self, n: usize) -> Result<()>;

    /// Has each member do once what it can do: run, block, be resumed.
    fn exercise(&mut self) -> Result<()>;

    /// The stacks that the runtime has mapped, used or not. `None` if it is not the runtime's doing.
    fn stacks(&self) -> Option<u64>;

    /// Visits all members in order of creation, `rounds` times. How long that took, and how many visits it was.
    fn visit(&mut self, rounds: usize) -> Result<(Duration, usize)>;
}

/// Measurements of which the median is taken.
const SAMPLES: usize = 5;

fn population<P: Population>(job: Job, mut members: P) -> Result<Row> {
    let Job { kind, n, short } = job;
    // The one more, which pays for what is paid once.
    members.create(1)?;
    members.exercise()?;
    members.visit(2)?;
    let guards = memory::guards();
    let stacks = members.stacks();
    let before = Memory::now()?;

    let start = Instant::now();
    members.create(n)?;
    let create = start.elapsed();
    members.exercise()?;
    let visits = if short { P::VISITS / 1_000 } else { P::VISITS };
    let rounds = (visits / SAMPLES / n).max(1);
    let mut samples = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let (took, visits) = members.visit(rounds)?;
        samples.push(nanos_each(took, visits));
    }

    let with = Memory::now()?;
    let guarded = guards.and_then(|before| Some(memory::guards()?.saturating_sub(before)));
    let stacks = stacks.and_then(|before| Some(members.stacks()?.saturating_sub(before)));
    std::mem::forget(members);
    #[expect(clippy::cast_precision_loss, reason = "byte counts below 2^52")]
    let bytes_each = (with.resident as f64 - before.resident as f64) / n as f64;
    Ok(Row {
        kind,
        n,
        rss_bytes: with.resident,
        virt_bytes: with.virt,
        bytes_each,
        create_ns: nanos_each(create, n),
        switch_ns: median(samples).unwrap_or(0.0),
        mappings: with.mappings,
        stacks,
        guarded,
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^52")]
fn nanos_each(took: Duration, count: usize) -> f64 {
    took.as_nanos() as f64 / count as f64
}
