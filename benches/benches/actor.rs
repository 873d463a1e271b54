//! Messages: telling, asking, passing on. `-- --quick` for a short run.

use std::hint::black_box;
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use benches::actors::{self, Counter, Link};
use benches::gate::Countdown;
use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};

/// So many are told before anybody waits: a burst, and not all of a measurement's messages in memory.
const BURST: u64 = 256;
const RING: usize = 100;

static DONE: Countdown = Countdown::new();

/// Tells in bursts, and waits for the last of each.
fn tell(counter: &Addr<Counter>, n: u64) -> Duration {
    let start = Instant::now();
    for i in 0..n {
        counter.tell().add(1).expect("it is alive");
        if i % BURST == BURST - 1 {
            black_box(counter.ask().get().expect("it answers"));
        }
    }
    black_box(counter.ask().get().expect("it answers"));
    start.elapsed()
}

fn ask(counter: &Addr<Counter>, n: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        black_box(counter.ask().get().expect("it answers"));
    }
    start.elapsed()
}

/// One token goes round.
fn ring(first: &Addr<Link>, n: u64) -> Duration {
    let start = Instant::now();
    actors::hops(first, n, &DONE);
    start.elapsed()
}

/// Starts an actor and has it end.
fn spawn_stop(sys: &System, n: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        let counter = sys.spawn(Counter::default()).expect("room for one");
        counter.stop();
        black_box(counter.join());
    }
    start.elapsed()
}

/// One measurement inside a microthread of `sys`.
fn inside(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    sys: &System,
    measured: impl Fn(u64) -> Duration + Clone + Send + 'static,
) {
    group.bench_function(name, |b| {
        b.iter_custom(|n| {
            let measured = measured.clone();
            let handle = sys.spawn_microthread(move || measured(n));
            let handle = handle.expect("room for one microthread");
            handle.join().expect("the measurement ends")
        });
    });
}

fn actor(c: &mut Criterion) {
    let builder = System::builder().workers(1).spare_workers(0);
    let sys = builder.build().expect("a system with one worker");
    let counter = sys.spawn(Counter::default()).expect("room for one");
    let mut group = c.benchmark_group("actor");
    let to = counter.clone();
    inside(&mut group, "tell", &sys, move |n| tell(&to, n));
    let to = counter.clone();
    inside(&mut group, "ask", &sys, move |n| ask(&to, n));
    for of in [2, RING] {
        let first = actors::ring(&sys, of, &DONE);
        inside(&mut group, &format!("ring/{of}"), &sys, move |n| {
            ring(&first, n)
        });
    }
    let inner = sys.clone();
    inside(&mut group, "spawn_stop", &sys, move |n| {
        spawn_stop(&inner, n)
    });
    // Across threads: a wake-up of a worker, and one of the thread.
    group.bench_function("tell/from_a_thread", |b| {
        b.iter_custom(|n| tell(&counter, n));
    });
    group.bench_function("ask/from_a_thread", |b| {
        b.iter_custom(|n| ask(&counter, n));
    });
    group.finish();
}

criterion_group!(benches, actor);
criterion_main!(benches);
