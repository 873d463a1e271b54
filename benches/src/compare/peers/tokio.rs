//! Tasks of tokio, each with a channel: actors as "Actors with Tokio" and tokio's own documentation write them. One
//! worker is tokio's current-thread runtime.

use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn;

use super::{NO_STACKS, cannot, on_tokio, pass, resident, until};
use crate::compare::measured::{Job, Latencies, Life, Measured, Outcome};
use crate::compare::rules::{hops, sum_below};
use crate::compare::workload::Workload;

mod society;

pub(super) fn run(job: Job) -> Outcome {
    on_tokio(job.workers, perform(job))
}

async fn perform(job: Job) -> Outcome {
    use Workload as W;
    Outcome::Measured(match job.workload {
        W::Spawn | W::IdleMemory => population(job).await,
        W::PingPong | W::ThreadRing100 | W::ThreadRing10k => ring(job).await,
        W::Counting | W::CountingBounded => counting(job, 1).await,
        W::ManyToOne | W::ManyToOneBounded => counting(job, job.actors).await,
        W::Ask => ask(job).await,
        W::AskLoaded => ask_loaded(job).await,
        W::ForkJoin | W::ForkJoinBounded => fork_join(job).await,
        W::Skynet => {
            let start = Instant::now();
            let sum = skynet(0, job.actors).await;
            assert_eq!(sum, sum_below(job.actors));
            Measured::time(start.elapsed(), job.actors)
        }
        W::BlockedMemory => return cannot(NO_STACKS),
        _ => return society::perform(job).await,
    })
}

// ---- a counter ------------------------------------------------------------------------------------------------------

enum Msg {
    Add(u64),
    Get(oneshot::Sender<u64>),
}

/// A channel with a bound or without.
#[derive(Clone)]
enum Counter {
    Bounded(mpsc::Sender<Msg>),
    Unbounded(mpsc::UnboundedSender<Msg>),
}

impl Counter {
    fn start(bound: Option<usize>) -> Self {
        match bound {
            Some(bound) => {
                let (tx, mut rx) = mpsc::channel(bound);
                spawn(async move {
                    let (_life, mut n) = (Life::begin(), 0);
                    while let Some(msg) = rx.recv().await {
                        Counter::handle(&mut n, msg);
                    }
                });
                Counter::Bounded(tx)
            }
            None => {
                let (tx, mut rx) = mpsc::unbounded_channel();
                spawn(async move {
                    let (_life, mut n) = (Life::begin(), 0);
                    while let Some(msg) = rx.recv().await {
                        Counter::handle(&mut n, msg);
                    }
                });
                Counter::Unbounded(tx)
            }
        }
    }

    fn handle(n: &mut u64, msg: Msg) {
        match msg {
            Msg::Add(by) => *n += by,
            Msg::Get(reply) => reply.send(*n).expect("the asker waits"),
        }
    }

    async fn tell(&self, msg: Msg) {
        match self {
            Counter::Bounded(tx) => tx.send(msg).await.ok(),
            Counter::Unbounded(tx) => tx.send(msg).ok(),
        }
        .expect("the counter is alive");
    }

    async fn get(&self) -> u64 {
        let (reply, answer) = oneshot::channel();
        self.tell(Msg::Get(reply)).await;
        answer.await.expect("the counter answers")
    }
}

async fn population(job: Job) -> Measured {
    let mut counters = Vec::with_capacity(job.actors as usize);
    let before = resident();
    let start = Instant::now();
    counters.extend((0..job.actors).map(|_| Counter::start(None)));
    until(Life::started, job.actors).await;
    let spawned = start.elapsed();
    if job.workload == Workload::IdleMemory {
        return Measured::bytes(before, resident(), job.actors);
    }
    let start = Instant::now();
    drop(counters);
    until(Life::ended, job.actors).await;
    Measured::lives(spawned, start.elapsed(), job.actors)
}

async fn counting(job: Job, senders: u64) -> Measured {
    let counter = Counter::start(job.workload.bound());
    let start = Instant::now();
    let senders: Vec<_> = (0..senders)
        .map(|_| {
            let counter = counter.clone();
            spawn(async move {
                for _ in 0..job.messages / senders {
                    pass(job).await;
                    counter.tell(Msg::Add(1)).await;
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("a sender ends");
    }
    assert_eq!(counter.get().await, job.messages);
    Measured::time(start.elapsed(), job.messages)
}

async fn ask(job: Job) -> Measured {
    let counter = Counter::start(None);
    let asker = spawn(async move {
        let start = Instant::now();
        for _ in 0..job.messages {
            assert_eq!(counter.get().await, 0);
        }
        start.elapsed()
    });
    Measured::time(asker.await.expect("the asker ends"), job.messages)
}

async fn ask_loaded(job: Job) -> Measured {
    let counter = Counter::start(None);
    let start = Instant::now();
    let askers: Vec<_> = (0..job.actors)
        .map(|_| {
            let counter = counter.clone();
            spawn(async move {
                let mut latencies = Latencies::default();
                for _ in 0..job.messages / job.actors {
                    let asked = latencies.begin();
                    assert_eq!(counter.get().await, 0);
                    latencies.end(asked);
                }
                latencies.into_vec()
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for asker in askers {
        latencies.append(&mut asker.await.expect("an asker ends"));
    }
    Measured::time(start.elapsed(), job.messages).and_latencies(latencies)
}

async fn fork_join(job: Job) -> Measured {
    let bound = job.workload.bound();
    let counters: Vec<_> = (0..job.actors).map(|_| Counter::start(bound)).collect();
    let start = Instant::now();
    for _ in 0..job.messages {
        for counter in &counters {
            counter.tell(Msg::Add(1)).await;
        }
    }
    for counter in &counters {
        assert_eq!(counter.get().await, job.messages);
    }
    Measured::time(start.elapsed(), job.actors * job.messages)
}

// ---- tokens ---------------------------------------------------------------------------------------------------------

/// A token goes round; from its first hop to its last.
async fn ring(job: Job) -> Measured {
    let hops = hops(job);
    let (done, mut ended) = mpsc::unbounded_channel();
    let (first, mut inbox) = mpsc::unbounded_channel::<u64>();
    for i in 0..job.actors {
        let (next, its_inbox) = match i + 1 == job.actors {
            true => (first.clone(), mpsc::unbounded_channel().1),
            false => mpsc::unbounded_channel(),
        };
        let mut mine = std::mem::replace(&mut inbox, its_inbox);
        let done = done.clone();
        spawn(async move {
            while let Some(left) = mine.recv().await {
                match left {
                    0 => done.send(()).expect("the driver waits"),
                    _ => next.send(left - 1).expect("the ring is alive"),
                }
            }
        });
    }
    let start = Instant::now();
    first.send(hops).expect("the ring is alive");
    ended.recv().await.expect("the token arrives");
    Measured::time(start.elapsed(), job.messages)
}

/// Ten tasks under each, down to the leaves.
fn skynet(number: u64, size: u64) -> impl Future<Output = u64> + Send {
    let sum: std::pin::Pin<Box<dyn Future<Output = u64> + Send>> = Box::pin(async move {
        if size == 1 {
            return number;
        }
        let size = size / 10;
        let children: [_; 10] =
            std::array::from_fn(|i| spawn(skynet(number + i as u64 * size, size)));
        let mut sum = 0;
        for child in children {
            sum += child.await.expect("a child ends");
        }
        sum
    });
    sum
}
