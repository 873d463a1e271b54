//! Freezing what is blocked in a receive, two calls deep, and thawing it. `-- --quick` for a short run.

#![expect(clippy::print_stdout, reason = "the size of an image is a result too")]

use std::hint::black_box;

use actor_core::channel::{self, Receiver, Sender};
use actor_core::image::{Image, Limits};
use actor_core::migratable::Suspended;
use actor_core::{System, migratable};
use criterion::{Criterion, criterion_group, criterion_main};

/// Waits for a number.
#[migratable]
fn next(from: Receiver<u64>) -> u64 {
    from.recv().unwrap_or(0)
}

/// Waits for it in a call.
#[migratable]
fn sum(from: Receiver<u64>) -> u64 {
    let mut sum = 0;
    for _ in 0..1000 {
        sum += next(from.clone()).call();
    }
    sum
}

/// As [`sum`], without a channel of its own: both calls share the one that is theirs.
fn suspended(sys: &System) -> (Suspended<sum>, Sender<u64>) {
    let (tx, rx) = channel::unbounded();
    let task = sys.spawn_migratable(sum(rx)).expect("the system runs");
    tx.send(1).expect("it receives");
    // Until it waits for the second number.
    while !tx.is_empty() {
        std::thread::yield_now();
    }
    (task.suspend().expect("it waits"), tx)
}

fn freeze(c: &mut Criterion) {
    let sys = System::builder().workers(1).build().expect("a system");
    let (blocked, _tx) = suspended(&sys);
    let bytes = blocked.freeze().expect("it can be written").encode();
    println!("an image takes {} bytes, header and all", bytes.len());
    let mut group = c.benchmark_group("freeze");
    group.bench_function("freeze", |b| {
        b.iter(|| {
            black_box(&blocked)
                .freeze()
                .expect("it can be written")
                .encode()
        });
    });
    group.bench_function("thaw", |b| {
        b.iter(|| {
            let image = Image::decode(black_box(&bytes), &Limits::default()).expect("an image");
            Suspended::<sum>::thaw(&image).expect("one of it")
        });
    });
    // Off its scheduler and on again, blocked as it was.
    group.bench_function("suspend_and_spawn", |b| {
        let (tx, rx) = channel::unbounded();
        let mut task = Some(sys.spawn_migratable(sum(rx)).expect("the system runs"));
        b.iter(|| {
            let suspended = task.take().map(|task| task.suspend().expect("it waits"));
            task = suspended.map(|it| it.spawn(&sys).expect("the system runs"));
        });
        drop((task, tx));
    });
    group.finish();
}

criterion_group!(benches, freeze);
criterion_main!(benches);
