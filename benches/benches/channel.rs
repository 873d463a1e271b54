//! What channels cost, beside crossbeam-channel's in the same run. `-- --quick` for a short run.
//!
//! - `rendezvous`: a value handed over between two microthreads of one worker.
//! - `select`: a send, and a selection of two receives of which one is ready. `oneshot`: made, sent, received.
//! - `pair`: a send and a receive by one microthread (ours) or thread (both): nobody waits, nobody contends.
//! - `fill`: many sends, then as many receives.
//! - `contended`: so many producers and consumers, ours as microthreads on two workers and as threads, theirs as threads; two
//!   processors are assumed. One iteration is one value.
//! - `gather`: a hundred microthreads are told to work for half a microsecond each, and all answer through one channel; on one
//!   worker, and on two. One iteration is one answer.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use actor_core::{Runtime, channel, microthread, select};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// Room in the bounded channels.
const ROOM: usize = 128;

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

/// Both families, for the loops that are the same.
trait Family {
    type Tx: Clone + Send + 'static;
    type Rx: Clone + Send + 'static;
    fn make(room: Option<usize>) -> (Self::Tx, Self::Rx);
    fn send(tx: &Self::Tx, value: u64);
    fn recv(rx: &Self::Rx) -> Option<u64>;
}

struct Ours;
struct Crossbeam;

impl Family for Ours {
    type Tx = channel::Sender<u64>;
    type Rx = channel::Receiver<u64>;
    fn make(room: Option<usize>) -> (Self::Tx, Self::Rx) {
        room.map_or_else(channel::unbounded, channel::bounded)
    }
    fn send(tx: &Self::Tx, value: u64) {
        tx.send(value).expect("the receiver is there");
    }
    fn recv(rx: &Self::Rx) -> Option<u64> {
        rx.recv().ok()
    }
}

impl Family for Crossbeam {
    type Tx = crossbeam_channel::Sender<u64>;
    type Rx = crossbeam_channel::Receiver<u64>;
    fn make(room: Option<usize>) -> (Self::Tx, Self::Rx) {
        room.map_or_else(crossbeam_channel::unbounded, crossbeam_channel::bounded)
    }
    fn send(tx: &Self::Tx, value: u64) {
        tx.send(value).expect("the receiver is there");
    }
    fn recv(rx: &Self::Rx) -> Option<u64> {
        rx.recv().ok()
    }
}

fn pair<F: Family>(room: Option<usize>, rounds: u64) -> Duration {
    let (tx, rx) = F::make(room);
    timed(rounds, || {
        F::send(&tx, 1);
        black_box(F::recv(&rx));
    })
}

/// Batches of a thousand.
fn fill<F: Family>(room: Option<usize>, rounds: u64) -> Duration {
    let (tx, rx) = F::make(room.map(|_| 1000));
    let start = Instant::now();
    let mut left = rounds;
    while left > 0 {
        let batch = left.min(1000);
        (0..batch).for_each(|n| F::send(&tx, n));
        (0..batch).for_each(|_| {
            black_box(F::recv(&rx));
        });
        left -= batch;
    }
    start.elapsed()
}

/// One party of a contended run.
type Party = Box<dyn FnOnce() + Send>;

/// `count` producers and as many consumers of `rounds` values in all.
fn parties<F: Family>(room: Option<usize>, count: u64, rounds: u64) -> Vec<Party> {
    let (tx, rx) = F::make(room);
    let part = rounds.div_ceil(count);
    let mut parties: Vec<Party> = Vec::new();
    for _ in 0..count {
        let (tx, rx) = (tx.clone(), rx.clone());
        parties.push(Box::new(move || (0..part).for_each(|n| F::send(&tx, n))));
        parties.push(Box::new(move || {
            while let Some(value) = F::recv(&rx) {
                black_box(value);
            }
        }));
    }
    parties
}

fn on_threads(parties: Vec<Party>) -> Duration {
    let start = Instant::now();
    let threads: Vec<_> = parties.into_iter().map(thread::spawn).collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().expect("it ends"));
    start.elapsed()
}

fn on_workers(rt: &Runtime, parties: Vec<Party>) -> Duration {
    let start = Instant::now();
    let spawned: Vec<_> = parties
        .into_iter()
        .map(|party| rt.spawn(party).expect("room for a few"))
        .collect();
    spawned
        .into_iter()
        .for_each(|party| party.join().expect("it ends"));
    start.elapsed()
}

/// One iteration is one value handed over.
fn rendezvous(rounds: u64) -> Duration {
    let (tx, rx) = channel::rendezvous();
    let receiver = microthread::spawn(move || {
        for value in &rx {
            black_box::<u64>(value);
        }
    });
    let took = timed(rounds, || tx.send(1).expect("the receiver is there"));
    drop(tx);
    receiver.join().expect("it ends");
    took
}

/// A selection of two receives, one of which is ready.
fn selects(rounds: u64) -> Duration {
    let (tx, rx) = channel::unbounded::<u64>();
    let (_idle, idle) = channel::unbounded::<u64>();
    timed(rounds, || {
        tx.send(1).expect("the receiver is there");
        select! {
            recv(&rx) -> value => {
                black_box(value.expect("a sender is there"));
            }
            recv(&idle) -> _ => unreachable!(),
        }
    })
}

fn selects_of_crossbeam(rounds: u64) -> Duration {
    let (tx, rx) = crossbeam_channel::unbounded::<u64>();
    let (_idle, idle) = crossbeam_channel::unbounded::<u64>();
    timed(rounds, || {
        tx.send(1).expect("the receiver is there");
        crossbeam_channel::select! {
            recv(rx) -> value => {
                black_box(value.expect("a sender is there"));
            }
            recv(idle) -> _ => unreachable!(),
        }
    })
}

fn oneshots(rounds: u64) -> Duration {
    timed(rounds, || {
        let (tx, rx) = channel::oneshot::channel();
        tx.send(1).expect("the receiver is there");
        black_box(rx.recv().expect("it was sent"));
    })
}

const KINDS: [(&str, Option<usize>); 2] = [("bounded", Some(ROOM)), ("unbounded", None)];

fn one_worker(c: &mut Criterion) {
    let one = workers(1);
    let mut group = c.benchmark_group("channel");
    group.bench_function("rendezvous", |b| {
        b.iter_custom(|n| inside(&one, move || rendezvous(n)))
    });
    group.bench_function("oneshot", |b| {
        b.iter_custom(|n| inside(&one, move || oneshots(n)))
    });
    group.bench_function("select/ours", |b| {
        b.iter_custom(|n| inside(&one, move || selects(n)))
    });
    group.bench_function("select/crossbeam", |b| b.iter_custom(selects_of_crossbeam));
    for (kind, room) in KINDS {
        let name = |what: &str| BenchmarkId::new(format!("{kind}/{what}"), "ours");
        group.bench_function(name("pair"), |b| {
            b.iter_custom(|n| inside(&one, move || pair::<Ours>(room, n)))
        });
        group.bench_function(format!("{kind}/pair/crossbeam"), |b| {
            b.iter_custom(|n| pair::<Crossbeam>(room, n))
        });
        group.bench_function(name("fill"), |b| {
            b.iter_custom(|n| inside(&one, move || fill::<Ours>(room, n)))
        });
        group.bench_function(format!("{kind}/fill/crossbeam"), |b| {
            b.iter_custom(|n| fill::<Crossbeam>(room, n))
        });
    }
}

fn contended(c: &mut Criterion) {
    let two = workers(2);
    let mut group = c.benchmark_group("channel");
    for (kind, room) in KINDS {
        for count in [1, 2, 4] {
            let name = format!("{kind}/{count}_to_{count}");
            group.bench_function(format!("{name}/ours"), |b| {
                b.iter_custom(|n| on_workers(&two, parties::<Ours>(room, count, n)))
            });
            group.bench_function(format!("{name}/ours_threads"), |b| {
                b.iter_custom(|n| on_threads(parties::<Ours>(room, count, n)))
            });
            group.bench_function(format!("{name}/crossbeam"), |b| {
                b.iter_custom(|n| on_threads(parties::<Crossbeam>(room, count, n)))
            });
        }
    }
}

/// About half a microsecond's.
fn work() {
    let step = |x: u64, _| black_box(x.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1));
    black_box((0..300).fold(1, step));
}

/// One iteration is one answer.
fn answers(rounds: u64) -> Duration {
    const ASKED: u64 = 100;
    let (done, ended) = channel::unbounded();
    let asked = (0..ASKED).map(|_| {
        let (go, told) = channel::unbounded::<()>();
        let done = done.clone();
        let _ = microthread::spawn(move || {
            for () in &told {
                work();
                done.send(()).expect("somebody gathers");
            }
        });
        go
    });
    let asked: Vec<_> = asked.collect();
    timed(rounds.div_ceil(ASKED), || {
        for go in &asked {
            go.send(()).expect("it listens");
        }
        (0..ASKED).for_each(|_| ended.recv().expect("it answers"));
    })
}

fn gather(c: &mut Criterion) {
    let mut group = c.benchmark_group("channel");
    for count in [1, 2] {
        let rt = workers(count);
        group.bench_function(format!("gather/workers_{count}"), |b| {
            b.iter_custom(|n| inside(&rt, move || answers(n)))
        });
    }
}

criterion_group!(benches, one_worker, contended, gather);
criterion_main!(benches);
