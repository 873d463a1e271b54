//! What locks and scopes cost, beside `std`'s. `-- --quick` for a short run.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actor_core::sync::{Mutex, Semaphore};
use actor_core::{Runtime, microthread};
use criterion::{Criterion, criterion_group, criterion_main};

fn workers(count: usize) -> Runtime {
    let builder = Runtime::builder().workers(count).spare_workers(0);
    builder.build().expect("a runtime")
}

/// Runs `measured` in a microthread of `rt`.
fn inside(rt: &Runtime, measured: impl FnOnce() -> Duration + Send + 'static) -> Duration {
    let handle = rt.spawn(measured).expect("room for one microthread");
    handle.join().expect("the measurement ends")
}

/// Calls `step` so many times.
fn timed(rounds: u64, mut step: impl FnMut()) -> Duration {
    let start = Instant::now();
    (0..rounds).for_each(|_| step());
    start.elapsed()
}

/// `rounds` calls of `step`, shared out among `parties` microthreads.
fn shared_out(
    rt: &Runtime,
    parties: u64,
    rounds: u64,
    step: impl Fn() + Send + Sync + 'static,
) -> Duration {
    let step = Arc::new(step);
    let start = Instant::now();
    let handles: Vec<_> = (0..parties)
        .map(|_| {
            let step = step.clone();
            let part = rounds.div_ceil(parties);
            rt.spawn(move || (0..part).for_each(|_| step()))
                .expect("room for a few microthreads")
        })
        .collect();
    for handle in handles {
        handle.join().expect("it ends");
    }
    start.elapsed()
}

fn sync(c: &mut Criterion) {
    let (one, two) = (workers(1), workers(2));
    let mut group = c.benchmark_group("sync");
    group.bench_function("mutex", |b| {
        b.iter_custom(|n| {
            inside(&one, move || {
                let mutex = Mutex::new(0_u64);
                timed(n, || *black_box(&mutex).lock().unwrap() += 1)
            })
        });
    });
    group.bench_function("mutex/std", |b| {
        b.iter_custom(|n| {
            let mutex = std::sync::Mutex::new(0_u64);
            timed(n, || *black_box(&mutex).lock().unwrap() += 1)
        });
    });
    group.bench_function("semaphore", |b| {
        b.iter_custom(|n| {
            inside(&one, move || {
                let permits = Semaphore::new(1);
                timed(n, || drop(black_box(&permits).acquire().unwrap()))
            })
        });
    });
    for parties in [2, 16] {
        group.bench_function(format!("mutex/{parties}_on_two_workers"), |b| {
            b.iter_custom(|n| {
                let mutex = Mutex::new(0_u64);
                shared_out(&two, parties, n, move || *mutex.lock().unwrap() += 1)
            });
        });
    }
    group.bench_function("mutex/16_on_two_workers/std", |b| {
        b.iter_custom(|n| {
            let mutex = std::sync::Mutex::new(0_u64);
            shared_out(&two, 16, n, move || *mutex.lock().unwrap() += 1)
        });
    });
    group.bench_function("scope_of_100", |b| {
        b.iter_custom(|n| {
            inside(&one, move || {
                let mut parts = [0_u64; 100];
                timed(n, || {
                    microthread::scope(|s| {
                        for part in &mut parts {
                            s.spawn(|| *part += 1);
                        }
                    });
                })
            })
        });
    });
    group.bench_function("scope_of_100/spawn_and_join", |b| {
        b.iter_custom(|n| {
            inside(&one, move || {
                timed(n, || {
                    let handles: Vec<_> = (0..100_u64)
                        .map(|part| microthread::spawn(move || black_box(part) + 1))
                        .collect();
                    for handle in handles {
                        black_box(handle.join().expect("it ends"));
                    }
                })
            })
        });
    });
    group.finish();
}

criterion_group!(benches, sync);
criterion_main!(benches);
