//! Switching between microthreads, on a worker and in a local scheduler: yielding, waking each other, and what it costs to be ready to. `-- --quick` for a short run.

use std::future::poll_fn;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use actor_core::local::{Budget, Scheduler, schedule};
use actor_core::microthread::{self, block_on, yield_now};
use actor_core::{Runtime, preemptible};
use benches::gate::Countdown;
use criterion::{Criterion, criterion_group, criterion_main};

fn one_worker() -> Runtime {
    let builder = Runtime::builder().workers(1).spare_workers(0);
    builder.build().expect("a runtime with one worker")
}

/// Runs `measured` in a microthread of `rt`.
fn inside(rt: &Runtime, measured: impl FnOnce() -> Duration + Send + 'static) -> Duration {
    let handle = rt.spawn(measured).expect("room for one microthread");
    handle.join().expect("the measurement ends")
}

/// Two microthreads yield to each other; one iteration is a yield of each, hence two switches.
fn yields(rounds: u64) -> Duration {
    let shared = Arc::new((AtomicBool::new(false), AtomicU64::new(0), Countdown::new()));
    shared.2.reset(1);
    let other = microthread::spawn({
        let shared = shared.clone();
        move || {
            let (stop, turns, started) = &*shared;
            started.arrive();
            while !stop.load(Ordering::Relaxed) {
                turns.store(turns.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                yield_now();
            }
        }
    });
    let (stop, turns, started) = &*shared;
    started.wait();
    let before = turns.load(Ordering::Relaxed);
    let start = Instant::now();
    for _ in 0..rounds {
        yield_now();
    }
    let took = start.elapsed();
    let others = turns.load(Ordering::Relaxed) - before;
    assert!(
        others.abs_diff(rounds) <= 1,
        "{others} turns of the other in {rounds}"
    );
    stop.store(true, Ordering::Relaxed);
    other.join().expect("the other yields until told to stop");
    took
}

/// Alone, a microthread that yields is resumed at once: one switch.
fn yields_alone(rounds: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..rounds {
        yield_now();
    }
    start.elapsed()
}

/// Whose turn it is among two, and how to wake each.
#[derive(Default)]
struct Baton {
    turn: AtomicU64,
    wakers: [Mutex<Option<Waker>>; 2],
}

impl Baton {
    /// Takes every second turn, up to turn `end`: parks until it comes, wakes the other one.
    fn play(&self, me: usize, end: u64) {
        let mut known = false;
        block_on(poll_fn(|context| {
            if !known {
                *self.waker(me) = Some(context.waker().clone());
                known = true;
            }
            loop {
                let turn = self.turn.load(Ordering::Acquire);
                if turn >= end {
                    return Poll::Ready(());
                }
                if turn % 2 != me as u64 {
                    return Poll::Pending;
                }
                self.turn.store(turn + 1, Ordering::Release);
                if let Some(other) = &*self.waker(1 - me) {
                    other.wake_by_ref();
                }
            }
        }));
    }

    fn waker(&self, of: usize) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.wakers[of]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two microthreads wake each other in turn; one iteration is a wake-up and a park of each.
fn wakes(rounds: u64) -> Duration {
    let baton = Arc::new(Baton::default());
    let end = rounds.saturating_mul(2);
    let other = microthread::spawn({
        let baton = baton.clone();
        move || baton.play(1, end)
    });
    let start = Instant::now();
    baton.play(0, end);
    other.join().expect("the other plays to the end");
    start.elapsed()
}

/// The same between two OS threads.
fn thread_wakes(rounds: u64) -> Duration {
    let baton = Arc::new(Baton::default());
    let end = rounds.saturating_mul(2);
    std::thread::scope(|scope| {
        scope.spawn(|| baton.play(1, end));
        let start = Instant::now();
        baton.play(0, end);
        start.elapsed()
    })
}

fn switch(c: &mut Criterion) {
    let rt = one_worker();
    let mut group = c.benchmark_group("switch");
    group.bench_function("yield_alone", |b| {
        b.iter_custom(|n| inside(&rt, move || yields_alone(n)));
    });
    group.bench_function("yield_pair", |b| {
        b.iter_custom(|n| inside(&rt, move || yields(n)));
    });
    group.bench_function("wake_pair", |b| {
        b.iter_custom(|n| inside(&rt, move || wakes(n)));
    });
    group.bench_function("wake_pair/os_threads", |b| b.iter_custom(thread_wakes));
    group.finish();
}

/// `tasklets` of a local scheduler take turns; one iteration is a turn of each.
fn turns(tasklets: u64, rounds: u64, budget: Option<Budget>) -> Duration {
    let sched = Scheduler::new();
    for _ in 0..tasklets {
        sched.spawn(move || (0..rounds).for_each(|_| schedule().expect("nobody traps switches")));
    }
    let start = Instant::now();
    match budget {
        None => sched.run().expect("nobody panics"),
        Some(budget) => drop(sched.run_for(budget).expect("nobody panics")),
    }
    start.elapsed()
}

/// The local scheduler's switch; an iteration of a pair is two.
fn local(c: &mut Criterion) {
    let hour = Budget::time(Duration::from_secs(3600));
    let mut group = c.benchmark_group("local");
    group.bench_function("schedule_pair", |b| b.iter_custom(|n| turns(2, n, None)));
    group.bench_function("schedule_pair/slice_budget", |b| {
        b.iter_custom(|n| turns(2, n, Some(hour)));
    });
    group.bench_function("schedule_pair/total_budget", |b| {
        b.iter_custom(|n| turns(2, n, Some(hour.total())));
    });
    group.bench_function("schedule_alone", |b| b.iter_custom(|n| turns(1, n, None)));
    group.bench_function("spawn_and_run", |b| {
        let sched = Scheduler::new();
        b.iter(|| {
            sched.spawn(|| ());
            sched.run().expect("nobody panics");
        });
    });
    group.finish();
}

/// A loop that does next to nothing, so that the price of sharing its worker stands out.
fn plain(passes: u64) -> u64 {
    let mut sum = 0_u64;
    for n in 0..passes {
        sum = black_box(sum ^ n);
    }
    sum
}

/// The same loop.
#[preemptible]
fn shares(passes: u64) -> u64 {
    let mut sum = 0_u64;
    for n in 0..passes {
        sum = black_box(sum ^ n);
    }
    sum
}

/// The same loop with a checkpoint written by hand.
fn checks(passes: u64) -> u64 {
    let mut sum = 0_u64;
    for n in 0..passes {
        microthread::checkpoint();
        sum = black_box(sum ^ n);
    }
    sum
}

/// What it costs a loop to share its worker; one iteration is a pass.
fn checkpoint(c: &mut Criterion) {
    let rt = one_worker();
    let timed = |passes: fn(u64) -> u64, n| {
        inside(&rt, move || {
            let start = Instant::now();
            black_box(passes(n));
            start.elapsed()
        })
    };
    let mut group = c.benchmark_group("checkpoint");
    group.bench_function("loop", |b| b.iter_custom(|n| timed(plain, n)));
    group.bench_function("loop/preemptible", |b| b.iter_custom(|n| timed(shares, n)));
    group.bench_function("loop/checkpoint", |b| b.iter_custom(|n| timed(checks, n)));
    group.bench_function("checkpoint", |b| {
        b.iter_custom(|n| {
            inside(&rt, move || {
                let start = Instant::now();
                (0..n).for_each(|_| microthread::checkpoint());
                start.elapsed()
            })
        });
    });
    group.finish();
}

criterion_group!(benches, switch, local, checkpoint);
criterion_main!(benches);
