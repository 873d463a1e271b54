//! Messages: telling, asking, passing on. `-- --quick` for a short run.

use std::hint::black_box;
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use benches::gate::Countdown;
use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};

/// So many are told before anybody waits: a burst, and not all of a measurement's messages in memory.
const BURST: u64 = 256;
const RING: usize = 100;

static DONE: Countdown = Countdown::new();

#[actor]
struct Counter {
    n: u64,
}

#[actor]
impl Counter {
    pub(crate) fn add(&mut self, by: u64) {
        self.n += by;
    }

    pub(crate) fn get(&self) -> u64 {
        self.n
    }
}

/// Passes a token on.
#[actor]
struct Link {
    next: Option<Addr<Link>>,
}

#[actor]
impl Link {
    pub(crate) fn point(&mut self, next: Addr<Link>) {
        self.next = Some(next);
    }

    /// `left` more hops.
    pub(crate) fn hop(&mut self, left: u64) {
        match &self.next {
            Some(next) if left > 0 => next.tell().hop(left - 1).expect("the ring is alive"),
            _ => DONE.arrive(),
        }
    }
}

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
fn hops(first: &Addr<Link>, n: u64) -> Duration {
    DONE.reset(1);
    let start = Instant::now();
    first.tell().hop(n).expect("the ring is alive");
    DONE.wait();
    start.elapsed()
}

fn ring(sys: &System, of: usize) -> Addr<Link> {
    let link = || sys.spawn(Link { next: None }).expect("room for one");
    let links: Vec<_> = (0..of).map(|_| link()).collect();
    for (link, next) in links.iter().zip(links.iter().cycle().skip(1)) {
        link.ask().point(next.clone()).expect("it is alive");
    }
    links[0].clone()
}

/// Starts an actor and has it end.
fn spawn_stop(sys: &System, n: u64) -> Duration {
    let start = Instant::now();
    for i in 0..n {
        let counter = sys.spawn(Counter { n: i }).expect("room for one");
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
    let counter = sys.spawn(Counter { n: 0 }).expect("room for one");
    let mut group = c.benchmark_group("actor");
    let to = counter.clone();
    inside(&mut group, "tell", &sys, move |n| tell(&to, n));
    let to = counter.clone();
    inside(&mut group, "ask", &sys, move |n| ask(&to, n));
    for of in [2, RING] {
        let first = ring(&sys, of);
        inside(&mut group, &format!("ring/{of}"), &sys, move |n| {
            hops(&first, n)
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
