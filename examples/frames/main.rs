//! A world of a hundred thousand microthreads in a 60 Hz loop: each frame drives them for a budget of time, then "draws".
//!
//! ```sh
//! cargo run --release --example frames              # 300 frames of 100,000 microthreads
//! cargo run --release --example frames -- 60 10000  # 60 frames of 10,000
//! ```
//! Each microthread is a plain loop with local variables: it moves, and lets the others go on. The scheduler is stopped by its
//! budget wherever it is in the round, and goes on there in the next frame; nobody is interrupted in the middle of a step.
//! Memory: a page for each microthread's stack, hence about 420 MB for 100,000.

use std::cell::Cell;
use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use actor_core::local::{Budget, Outcome, Scheduler, schedule};

/// A frame of a 60 Hz screen,
const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 60);
/// and how much of it is the world's.
const BUDGET: Duration = Duration::from_millis(10);

/// What all microthreads share. They run on one thread, so cells will do.
#[derive(Default)]
struct World {
    over: Cell<bool>,
    steps: Cell<u64>,
    bounces: Cell<u64>,
}

/// A ball between two walls.
fn ball(world: &World, seed: u32) {
    let (mut at, mut speed) = (f64::from(seed % 997), f64::from(seed % 13) - 6.0);
    while !world.over.get() {
        at += speed;
        if !(0.0..=997.0).contains(&at) {
            speed = -speed;
            world.bounces.set(world.bounces.get() + 1);
        }
        world.steps.set(world.steps.get() + 1);
        if schedule().is_err() {
            return;
        }
    }
}

/// What the frames have taken, sorted.
struct Times(Vec<Duration>);

impl Times {
    fn at(&self, per_cent: usize) -> Duration {
        let last = self.0.len() - 1;
        self.0[last * per_cent / 100]
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let frames: usize = arguments.next().map_or(Ok(300), |n| n.parse())?;
    let balls: u32 = arguments.next().map_or(Ok(100_000), |n| n.parse())?;
    let mut out = io::stdout().lock();

    let (sched, world) = (Scheduler::new(), Rc::new(World::default()));
    let start = Instant::now();
    for seed in 0..balls {
        let world = world.clone();
        sched.spawn(move || ball(&world, seed));
    }
    let outcome = sched.run_for(Budget::points(balls.into()).total().soft())?;
    assert!(matches!(outcome, Outcome::Expired | Outcome::Done));
    writeln!(out, "{balls} microthreads started in {:?}", start.elapsed())?;

    let mut times = Times(Vec::new());
    let mut next = Instant::now();
    for frame in 1..=frames {
        let (begun, before) = (Instant::now(), world.steps.get());
        let outcome = sched.run_for(Budget::time(BUDGET).total().soft())?;
        let took = begun.elapsed();
        times.0.push(took);
        if frame % 60 == 0 || frame == frames {
            let (steps, bounces) = (world.steps.get() - before, world.bounces.get());
            writeln!(
                out,
                "frame {frame}: {steps} steps in {took:?} ({outcome:?}); {bounces} bounces so far"
            )?;
        }
        // Here a game would draw. Late frames are not made up for.
        next = (next + FRAME).max(Instant::now());
        thread::sleep(next - Instant::now());
    }

    world.over.set(true);
    sched.run()?;
    let steps = world.steps.get();
    if !times.0.is_empty() {
        let rounds = steps / u64::from(balls.max(1));
        times.0.sort_unstable();
        writeln!(
            out,
            "{steps} steps, {rounds} each; a frame's share of the world: median {:?}, 99 % {:?}, longest {:?}, of {BUDGET:?}",
            times.at(50),
            times.at(99),
            times.at(100)
        )?;
    }
    writeln!(out, "{} microthreads left", sched.alive())?;
    Ok(())
}
