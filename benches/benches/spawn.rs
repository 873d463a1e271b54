//! Starting microthreads: one after the other, and many at once. `-- --quick` for a short run.

use std::hint::black_box;
use std::time::{Duration, Instant};

use actor_core::Runtime;
use actor_core::microthread;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn inside(rt: &Runtime, measured: impl FnOnce() -> Duration + Send + 'static) -> Duration {
    let handle = rt.spawn(measured).expect("room for one microthread");
    handle.join().expect("the measurement ends")
}

/// Microthreads in one burst.
const BURST: u64 = 1000;

/// Starts one, waits for it, starts the next.
fn spawn_join(n: u64) -> Duration {
    let start = Instant::now();
    for i in 0..n {
        let handle = microthread::spawn(move || black_box(i));
        handle.join().expect("it returns a number");
    }
    start.elapsed()
}

/// Starts `BURST`, then waits for all of them.
fn burst(n: u64, body: fn()) -> Duration {
    let mut handles = Vec::with_capacity(BURST as usize);
    let start = Instant::now();
    for _ in 0..n {
        handles.extend((0..BURST).map(|_| microthread::spawn(body)));
        for handle in handles.drain(..) {
            handle.join().expect("it returns nothing");
        }
    }
    start.elapsed()
}

fn spawn(c: &mut Criterion) {
    let mut group = c.benchmark_group("spawn");
    for workers in [1, 2] {
        // Without spares: where others use the machine too, a worker that does not get its CPU would be taken for held up.
        let builder = Runtime::builder().workers(workers).spare_workers(0);
        let rt = builder.build().expect("a runtime");
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("spawn_join/{workers}"), |b| {
            b.iter_custom(|n| inside(&rt, move || spawn_join(n)));
        });
        group.throughput(Throughput::Elements(BURST));
        group.bench_function(format!("burst/{workers}"), |b| {
            b.iter_custom(|n| inside(&rt, move || burst(n, || ())));
        });
        // Each keeps a stack while the others have their turn.
        group.bench_function(format!("burst_that_yields/{workers}"), |b| {
            b.iter_custom(|n| inside(&rt, move || burst(n, microthread::yield_now)));
        });
        if workers == 1 {
            group.throughput(Throughput::Elements(1));
            group.bench_function("spawn_join/from_a_thread", |b| {
                b.iter(|| {
                    let handle = rt.spawn(|| black_box(1)).expect("room for one");
                    handle.join().expect("it returns a number")
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, spawn);
criterion_main!(benches);
