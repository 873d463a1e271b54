//! This library.

use std::time::{Duration, Instant};

use actor_core::channel::{self, oneshot};
use actor_core::prelude::*;

use super::resident;
use crate::compare::measured::{Job, Latencies, Life, Measured, Outcome};
use crate::compare::rules::{hops, sum_below};
use crate::compare::workload::Workload;

mod society;

pub(super) fn run(job: Job) -> Outcome {
    let sys = System::builder().workers(job.workers).build();
    let sys = sys.expect("a system");
    let inner = sys.clone();
    // On a worker, as what it works with.
    let main = sys.spawn_microthread(move || perform(&inner, job));
    let main = main.expect("room for one microthread").join();
    main.expect("the workload does not panic")
}

fn perform(sys: &System, job: Job) -> Outcome {
    use Workload as W;
    Outcome::Measured(match job.workload {
        W::Spawn | W::IdleMemory => population(sys, job),
        W::PingPong | W::ThreadRing100 | W::ThreadRing10k => ring(sys, job),
        W::Counting => counting::<Counter>(sys, job, 1),
        W::CountingBounded => counting::<Counter1024>(sys, job, 1),
        W::ManyToOne => counting::<Counter>(sys, job, job.actors),
        W::ManyToOneBounded => counting::<Counter1024>(sys, job, job.actors),
        W::Ask => ask(sys, job),
        W::AskLoaded => ask_loaded(sys, job),
        W::ForkJoin => fork_join::<Counter>(sys, job),
        W::ForkJoinBounded => fork_join::<Counter64>(sys, job),
        W::Skynet => skynet(sys, job),
        W::BlockedMemory => blocked_memory(job),
        _ => return society::perform(sys, job),
    })
}

// ---- a counter ------------------------------------------------------------------------------------------------------

/// What the workloads need of a counter, whatever its bound: bounds are the type's.
trait Counts: Actor {
    fn new() -> Self;
    fn add(to: &Addr<Self>);
    fn get(of: &Addr<Self>) -> u64;
}

macro_rules! counter {
    ($name:ident $(, $options:tt)*) => {
        #[actor $($options)*]
        struct $name {
            n: u64,
            _life: Life,
        }

        #[actor]
        impl $name {
            pub(crate) fn add(&mut self, by: u64) {
                self.n += by;
            }
            pub(crate) fn get(&self) -> u64 {
                self.n
            }
        }

        impl Counts for $name {
            fn new() -> Self {
                $name {
                    n: 0,
                    _life: Life::begin(),
                }
            }
            fn add(to: &Addr<Self>) {
                to.tell().add(1).expect("the counter is alive");
            }
            fn get(of: &Addr<Self>) -> u64 {
                of.ask().get().expect("the counter answers")
            }
        }
    };
}

counter!(Counter);
counter!(Counter64, (mailbox = 64));
counter!(Counter1024, (mailbox = 1024));

/// Tells a counter.
#[actor]
struct Sender<C: Counts>(Addr<C>);

#[actor]
impl<C: Counts> Sender<C> {
    #[preemptible]
    pub(crate) fn go(&mut self, messages: u64) {
        for _ in 0..messages {
            C::add(&self.0);
        }
    }
}

/// Asks a counter.
#[actor]
struct Asker(Addr<Counter>);

#[actor]
impl Asker {
    pub(crate) fn go(&mut self, asks: u64) -> Duration {
        let start = Instant::now();
        for _ in 0..asks {
            assert_eq!(<Counter as Counts>::get(&self.0), 0);
        }
        start.elapsed()
    }

    pub(crate) fn timed(&mut self, asks: u64) -> Vec<u64> {
        let mut latencies = Latencies::default();
        for _ in 0..asks {
            let asked = latencies.begin();
            assert_eq!(<Counter as Counts>::get(&self.0), 0);
            latencies.end(asked);
        }
        latencies.into_vec()
    }
}

fn start<A: Actor>(sys: &System, actor: A) -> Addr<A> {
    sys.spawn(actor).expect("room for one more")
}

/// `spawn` returns when the actor is in service.
fn population(sys: &System, job: Job) -> Measured {
    let mut counters = Vec::with_capacity(job.actors as usize);
    let before = resident();
    let begin = Instant::now();
    counters.extend((0..job.actors).map(|_| start(sys, Counter::new())));
    assert_eq!(Life::started(), job.actors);
    let spawned = begin.elapsed();
    if job.workload == Workload::IdleMemory {
        return Measured::bytes(before, resident(), job.actors);
    }
    let begin = Instant::now();
    counters.iter().for_each(Addr::stop);
    while Life::ended() < job.actors {
        microthread::yield_now();
    }
    Measured::lives(spawned, begin.elapsed(), job.actors)
}

fn counting<C: Counts>(sys: &System, job: Job, senders: u64) -> Measured {
    let counter = start(sys, C::new());
    let begin = Instant::now();
    let senders: Vec<_> = (0..senders)
        .map(|_| start(sys, Sender(counter.clone())))
        .collect();
    let each = job.messages / senders.len() as u64;
    let pending: Vec<_> = senders
        .iter()
        .map(|sender| sender.request().go(each))
        .collect();
    pending
        .into_iter()
        .for_each(|it| it.wait().expect("a sender ends"));
    assert_eq!(C::get(&counter), job.messages);
    Measured::time(begin.elapsed(), job.messages)
}

fn ask(sys: &System, job: Job) -> Measured {
    let asker = start(sys, Asker(start(sys, Counter::new())));
    let elapsed = asker.ask().go(job.messages).expect("the asker ends");
    Measured::time(elapsed, job.messages)
}

fn ask_loaded(sys: &System, job: Job) -> Measured {
    let counter = start(sys, Counter::new());
    let begin = Instant::now();
    let askers: Vec<_> = (0..job.actors)
        .map(|_| start(sys, Asker(counter.clone())))
        .collect();
    let each = job.messages / job.actors;
    let pending: Vec<_> = askers
        .iter()
        .map(|asker| asker.request().timed(each))
        .collect();
    let latencies = pending
        .into_iter()
        .map(|it| it.wait().expect("an asker ends"));
    let latencies = latencies.flatten().collect();
    Measured::time(begin.elapsed(), job.messages).and_latencies(latencies)
}

#[preemptible]
fn spread<C: Counts>(counters: &[Addr<C>], messages: u64) {
    for _ in 0..messages {
        for counter in counters {
            C::add(counter);
        }
    }
}

fn fork_join<C: Counts>(sys: &System, job: Job) -> Measured {
    let counters: Vec<_> = (0..job.actors).map(|_| start(sys, C::new())).collect();
    let begin = Instant::now();
    spread(&counters, job.messages);
    for counter in &counters {
        assert_eq!(C::get(counter), job.messages);
    }
    Measured::time(begin.elapsed(), job.actors * job.messages)
}

// ---- tokens ---------------------------------------------------------------------------------------------------------

/// Passes a token on.
#[actor]
struct Link {
    next: Option<Addr<Link>>,
    done: channel::Sender<()>,
}

#[actor]
impl Link {
    pub(crate) fn point(&mut self, next: Addr<Link>) {
        self.next = Some(next);
    }

    pub(crate) fn hop(&mut self, left: u64) {
        match &self.next {
            Some(next) if left > 0 => next.tell().hop(left - 1).expect("the ring is alive"),
            _ => self.done.send(()).expect("the driver waits"),
        }
    }
}

/// A token goes round; from its first hop to its last.
fn ring(sys: &System, job: Job) -> Measured {
    let hops = hops(job);
    let (done, ended) = channel::bounded(1);
    let link = |_| {
        start(
            sys,
            Link {
                next: None,
                done: done.clone(),
            },
        )
    };
    let links: Vec<_> = (0..job.actors).map(link).collect();
    for (link, next) in links.iter().zip(links.iter().cycle().skip(1)) {
        link.ask().point(next.clone()).expect("it is alive");
    }
    let begin = Instant::now();
    links[0].tell().hop(hops).expect("the ring is alive");
    ended.recv().expect("the token arrives");
    Measured::time(begin.elapsed(), job.messages)
}

/// Ten under each, down to the leaves; sums go up.
#[actor]
struct Node {
    parent: Parent,
    number: u64,
    size: u64,
    left: u64,
    sum: u64,
}

enum Parent {
    Node(Addr<Node>),
    Driver(Option<oneshot::Sender<u64>>),
}

impl Node {
    fn new(parent: Parent, number: u64, size: u64) -> Self {
        let (left, sum) = (10, 0);
        Node {
            parent,
            number,
            size,
            left,
            sum,
        }
    }

    fn done(&mut self, cx: &mut Cx<Self>, sum: u64) {
        match &mut self.parent {
            Parent::Node(parent) => parent.tell().child(sum).expect("a parent waits"),
            Parent::Driver(done) => {
                let done = done.take().expect("once");
                done.send(sum).expect("the driver waits");
            }
        }
        cx.stop();
    }
}

#[actor]
impl Node {
    #[on_start]
    fn start(&mut self, cx: &mut Cx<Self>) {
        if self.size == 1 {
            return self.done(cx, self.number);
        }
        let (sys, size) = (cx.system(), self.size / 10);
        for i in 0..10 {
            let child = Node::new(Parent::Node(cx.addr()), self.number + i * size, size);
            start(&sys, child);
        }
    }

    pub(crate) fn child(&mut self, cx: &mut Cx<Self>, sum: u64) {
        self.sum += sum;
        self.left -= 1;
        if self.left == 0 {
            self.done(cx, self.sum);
        }
    }
}

fn skynet(sys: &System, job: Job) -> Measured {
    let (done, sum) = oneshot::channel();
    let begin = Instant::now();
    start(sys, Node::new(Parent::Driver(Some(done)), 0, job.actors));
    let sum = sum.recv().expect("a sum comes up");
    assert_eq!(sum, sum_below(job.actors));
    Measured::time(begin.elapsed(), job.actors)
}

// ---- stacks ---------------------------------------------------------------------------------------------------------

fn blocked_memory(job: Job) -> Measured {
    let (ready, arrived) = channel::unbounded();
    let (go, gate) = channel::unbounded::<()>();
    let before = resident();
    let blocked: Vec<_> = (0..job.actors)
        .map(|_| {
            let (ready, gate) = (ready.clone(), gate.clone());
            microthread::spawn(move || {
                ready.send(()).expect("the driver counts");
                gate.recv()
                    .expect_err("the gate is closed, not sent through");
                1
            })
        })
        .collect();
    (0..job.actors).for_each(|_| arrived.recv().expect("each arrives"));
    // So that the last has left its stack.
    microthread::yield_now();
    let after = resident();
    drop(go);
    let passed: u64 = blocked
        .into_iter()
        .map(|it| it.join().expect("it ends"))
        .sum();
    assert_eq!(passed, job.actors);
    Measured::bytes(before, after, job.actors)
}
