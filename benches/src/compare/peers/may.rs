//! may: a coroutine for each, with a channel.

use std::time::Instant;

use may::sync::mpsc::{self, Receiver, Sender};
use may::{coroutine, go};

use super::{cannot, resident};
use crate::compare::measured::{Job, Latencies, Measured, Outcome};
use crate::compare::rules::{hops, sum_below};
use crate::compare::workload::Workload;

mod society;

pub(super) fn run(job: Job) -> Outcome {
    may::config().set_workers(job.workers);
    go!(move || perform(job))
        .join()
        .expect("the workload does not panic")
}

fn perform(job: Job) -> Outcome {
    use Workload as W;
    Outcome::Measured(match job.workload {
        W::Spawn | W::IdleMemory | W::BlockedMemory => population(job),
        W::PingPong | W::ThreadRing100 | W::ThreadRing10k => ring(job),
        W::Counting => counting(job, 1),
        W::ManyToOne => counting(job, job.actors),
        W::Ask => ask(job),
        W::AskLoaded => ask_loaded(job),
        W::ForkJoin => fork_join(job),
        W::Skynet => {
            let begin = Instant::now();
            assert_eq!(skynet(0, job.actors), sum_below(job.actors));
            Measured::time(begin.elapsed(), job.actors)
        }
        W::CountingBounded | W::ManyToOneBounded | W::ForkJoinBounded => {
            return cannot("its channels have no bound");
        }
        _ => return society::perform(job),
    })
}

// ---- a counter ------------------------------------------------------------------------------------------------------

enum Msg {
    Add(u64),
    Get(Sender<u64>),
}

fn count(inbox: Receiver<Msg>) {
    let mut n = 0;
    while let Ok(msg) = inbox.recv() {
        match msg {
            Msg::Add(by) => n += by,
            Msg::Get(reply) => reply.send(n).expect("the asker waits"),
        }
    }
}

fn counter() -> Sender<Msg> {
    let (tx, rx) = mpsc::channel();
    go!(move || count(rx));
    tx
}

fn add(to: &Sender<Msg>) {
    to.send(Msg::Add(1)).expect("the counter is alive");
}

/// Asks, for answers through one channel, so many times.
fn asking(counter: &Sender<Msg>) -> impl FnMut() -> u64 {
    let (reply, answer) = mpsc::channel();
    move || {
        counter
            .send(Msg::Get(reply.clone()))
            .expect("the counter is alive");
        answer.recv().expect("the counter answers")
    }
}

fn population(job: Job) -> Measured {
    let (ready, arrived) = mpsc::channel();
    let mut counters = Vec::with_capacity(job.actors as usize);
    let before = resident();
    let begin = Instant::now();
    for _ in 0..job.actors {
        let (tx, rx) = mpsc::channel();
        let ready = ready.clone();
        let counter = go!(move || {
            ready.send(()).expect("the driver counts");
            count(rx);
        });
        counters.push((tx, counter));
    }
    (0..job.actors).for_each(|_| arrived.recv().expect("each arrives"));
    let spawned = begin.elapsed();
    if job.workload != Workload::Spawn {
        return Measured::bytes(before, resident(), job.actors);
    }
    let begin = Instant::now();
    let (senders, counters): (Vec<_>, Vec<_>) = counters.into_iter().unzip();
    drop(senders);
    counters
        .into_iter()
        .for_each(|it| it.join().expect("it ends"));
    Measured::lives(spawned, begin.elapsed(), job.actors)
}

/// Pass `n` of a loop that sends and never waits: lets others run now and then.
fn pass(n: u64, send: impl FnOnce()) {
    send();
    if n % 128 == 127 {
        coroutine::yield_now();
    }
}

fn counting(job: Job, senders: u64) -> Measured {
    let counter = counter();
    let begin = Instant::now();
    let each = job.messages / senders;
    let send = |_| {
        let counter = counter.clone();
        go!(move || (0..each).for_each(|n| pass(n, || add(&counter))))
    };
    let senders: Vec<_> = (0..senders).map(send).collect();
    senders
        .into_iter()
        .for_each(|it| it.join().expect("a sender ends"));
    assert_eq!(asking(&counter)(), job.messages);
    Measured::time(begin.elapsed(), job.messages)
}

fn ask(job: Job) -> Measured {
    let counter = counter();
    let begin = Instant::now();
    let mut get = asking(&counter);
    (0..job.messages).for_each(|_| assert_eq!(get(), 0));
    Measured::time(begin.elapsed(), job.messages)
}

fn ask_loaded(job: Job) -> Measured {
    let counter = counter();
    let begin = Instant::now();
    let each = job.messages / job.actors;
    let askers: Vec<_> = (0..job.actors)
        .map(|_| {
            let counter = counter.clone();
            go!(move || {
                let mut get = asking(&counter);
                let mut latencies = Latencies::default();
                for _ in 0..each {
                    let asked = latencies.begin();
                    assert_eq!(get(), 0);
                    latencies.end(asked);
                }
                latencies.into_vec()
            })
        })
        .collect();
    let latencies = askers
        .into_iter()
        .flat_map(|it| it.join().expect("an asker ends"));
    let latencies = latencies.collect();
    Measured::time(begin.elapsed(), job.messages).and_latencies(latencies)
}

fn fork_join(job: Job) -> Measured {
    let counters: Vec<_> = (0..job.actors).map(|_| counter()).collect();
    let begin = Instant::now();
    for _ in 0..job.messages {
        counters.iter().for_each(add);
    }
    for counter in &counters {
        assert_eq!(asking(counter)(), job.messages);
    }
    Measured::time(begin.elapsed(), job.actors * job.messages)
}

// ---- tokens ---------------------------------------------------------------------------------------------------------

/// A token goes round; from its first hop to its last.
fn ring(job: Job) -> Measured {
    let hops = hops(job);
    let (done, ended) = mpsc::channel();
    let (first, mut inbox) = mpsc::channel::<u64>();
    for i in 0..job.actors {
        let (next, its_inbox) = match i + 1 == job.actors {
            true => (first.clone(), mpsc::channel().1),
            false => mpsc::channel(),
        };
        let mine = std::mem::replace(&mut inbox, its_inbox);
        let done = done.clone();
        go!(move || {
            while let Ok(left) = mine.recv() {
                match left {
                    0 => done.send(()).expect("the driver waits"),
                    _ => next.send(left - 1).expect("the ring is alive"),
                }
            }
        });
    }
    let begin = Instant::now();
    first.send(hops).expect("the ring is alive");
    ended.recv().expect("the token arrives");
    Measured::time(begin.elapsed(), job.messages)
}

/// Ten coroutines under each, down to the leaves.
fn skynet(number: u64, size: u64) -> u64 {
    if size == 1 {
        return number;
    }
    let size = size / 10;
    let children: [_; 10] = std::array::from_fn(|i| {
        let number = number + i as u64 * size;
        go!(move || skynet(number, size))
    });
    let join = |child: may::coroutine::JoinHandle<u64>| child.join().expect("a child ends");
    children.into_iter().map(join).sum()
}
