//! Messages: telling, asking, passing on. `-- --quick` for a short run.

use std::time::{Duration, Instant};

use actor_core::prelude::*;
use benches::actors::{self, Counter};
use benches::gate::Countdown;
use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};

const RING: usize = 100;

static DONE: Countdown = Countdown::new();

fn timed(measured: impl FnOnce()) -> Duration {
    let start = Instant::now();
    measured();
    start.elapsed()
}

/// One measurement inside a microthread of `sys`.
fn inside(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    sys: &System,
    measured: impl Fn(u64) + Clone + Send + 'static,
) {
    group.bench_function(name, |b| {
        b.iter_custom(|n| {
            let measured = measured.clone();
            let handle = sys.spawn_microthread(move || timed(|| measured(n)));
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
    inside(&mut group, "tell", &sys, move |n| actors::tell(&to, n));
    let to = counter.clone();
    inside(&mut group, "ask", &sys, move |n| actors::ask(&to, n));
    for of in [2, RING] {
        let first = actors::ring(&sys, of, &DONE);
        inside(&mut group, &format!("ring/{of}"), &sys, move |n| {
            actors::hops(&first, n, &DONE);
        });
    }
    let inner = sys.clone();
    inside(&mut group, "spawn_stop", &sys, move |n| {
        actors::spawn_stop(&inner, n);
    });
    // Across threads: a wake-up of a worker, and one of the thread.
    group.bench_function("tell/from_a_thread", |b| {
        b.iter_custom(|n| timed(|| actors::tell(&counter, n)));
    });
    group.bench_function("ask/from_a_thread", |b| {
        b.iter_custom(|n| timed(|| actors::ask(&counter, n)));
    });
    group.finish();
}

criterion_group!(benches, actor);
criterion_main!(benches);
