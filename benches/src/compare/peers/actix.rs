//! actix: an actor for each, messages as types with handlers. A worker is an arbiter; with two, actors are dealt to them in
//! turn, as an actor stays on its arbiter.

use std::cell::Cell;
use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::task::coop::consume_budget;

use super::{NO_STACKS, cannot, resident, until};
use crate::compare::measured::{Job, Latencies, Life, Measured, Outcome};
use crate::compare::rules::{hops, sum_below};
use crate::compare::workload::Workload;

mod society;

pub(super) fn run(job: Job) -> Outcome {
    System::new().block_on(async move {
        let others = (1..job.workers).map(|_| Arbiter::new()).collect();
        perform(
            &Arbiters {
                others,
                next: Cell::new(0),
            },
            job,
        )
        .await
    })
}

async fn perform(on: &Arbiters, job: Job) -> Outcome {
    use Workload as W;
    Outcome::Measured(match job.workload {
        W::Spawn | W::IdleMemory => population(on, job).await,
        W::PingPong | W::ThreadRing100 | W::ThreadRing10k => ring(on, job).await,
        W::Counting => counting(on, job, 1).await,
        W::ManyToOne => counting(on, job, job.actors).await,
        W::Ask => ask(on, job).await,
        W::AskLoaded => ask_loaded(on, job).await,
        W::ForkJoin => fork_join(on, job).await,
        W::Skynet => skynet(job).await,
        W::BlockedMemory => return cannot(NO_STACKS),
        W::CountingBounded | W::ManyToOneBounded | W::ForkJoinBounded => {
            return cannot(
                "nothing waits for room alone: do_send ignores the bound, send waits for the answer",
            );
        }
        _ => return society::perform(on, job).await,
    })
}

/// Where actors run: the arbiter of the main thread, and others.
struct Arbiters {
    others: Vec<Arbiter>,
    next: Cell<usize>,
}

impl Arbiters {
    fn start<A: Actor<Context = Context<A>> + Send>(&self, actor: A) -> Addr<A> {
        let turn = self
            .next
            .replace((self.next.get() + 1) % (self.others.len() + 1));
        match turn.checked_sub(1) {
            None => actor.start(),
            Some(other) => A::start_in_arbiter(&self.others[other].handle(), |_| actor),
        }
    }
}

// ---- a counter ------------------------------------------------------------------------------------------------------

#[derive(Default)]
struct Counter {
    n: u64,
    life: Option<Life>,
}

impl Actor for Counter {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        self.life = Some(Life::begin());
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Add(u64);

#[derive(Message)]
#[rtype(result = "u64")]
struct Get;

#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

impl Handler<Add> for Counter {
    type Result = ();

    fn handle(&mut self, Add(by): Add, _: &mut Context<Self>) {
        self.n += by;
    }
}

impl Handler<Get> for Counter {
    type Result = u64;

    fn handle(&mut self, _: Get, _: &mut Context<Self>) -> u64 {
        self.n
    }
}

impl Handler<Stop> for Counter {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Context<Self>) {
        context.stop();
    }
}

/// Who works with a counter.
struct Driver(Addr<Counter>);

impl Actor for Driver {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Go(u64);

#[derive(Message)]
#[rtype(result = "Duration")]
struct Ask(u64);

#[derive(Message)]
#[rtype(result = "Vec<u64>")]
struct Timed(u64);

impl Handler<Go> for Driver {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Go(messages): Go, _: &mut Context<Self>) -> Self::Result {
        let counter = self.0.clone();
        Box::pin(async move {
            for _ in 0..messages {
                consume_budget().await;
                counter.do_send(Add(1));
            }
        })
    }
}

impl Handler<Ask> for Driver {
    type Result = ResponseFuture<Duration>;

    fn handle(&mut self, Ask(asks): Ask, _: &mut Context<Self>) -> Self::Result {
        let counter = self.0.clone();
        Box::pin(async move {
            let begin = Instant::now();
            for _ in 0..asks {
                assert_eq!(counter.send(Get).await, Ok(0));
            }
            begin.elapsed()
        })
    }
}

impl Handler<Timed> for Driver {
    type Result = ResponseFuture<Vec<u64>>;

    fn handle(&mut self, Timed(asks): Timed, _: &mut Context<Self>) -> Self::Result {
        let counter = self.0.clone();
        Box::pin(async move {
            let mut latencies = Latencies::default();
            for _ in 0..asks {
                let asked = latencies.begin();
                assert_eq!(counter.send(Get).await, Ok(0));
                latencies.end(asked);
            }
            latencies.into_vec()
        })
    }
}

async fn population(on: &Arbiters, job: Job) -> Measured {
    let mut counters = Vec::with_capacity(job.actors as usize);
    let before = resident();
    let begin = Instant::now();
    counters.extend((0..job.actors).map(|_| on.start(Counter::default())));
    until(Life::started, job.actors).await;
    let spawned = begin.elapsed();
    if job.workload == Workload::IdleMemory {
        return Measured::bytes(before, resident(), job.actors);
    }
    let begin = Instant::now();
    counters.iter().for_each(|counter| counter.do_send(Stop));
    until(Life::ended, job.actors).await;
    Measured::lives(spawned, begin.elapsed(), job.actors)
}

async fn counting(on: &Arbiters, job: Job, senders: u64) -> Measured {
    let counter = on.start(Counter::default());
    let begin = Instant::now();
    let senders: Vec<_> = (0..senders)
        .map(|_| on.start(Driver(counter.clone())))
        .collect();
    let each = job.messages / senders.len() as u64;
    // Requests are sent when they are first polled.
    let sent: Vec<_> = senders
        .iter()
        .map(|it| tokio::task::spawn_local(it.send(Go(each))))
        .collect();
    for sender in sent {
        sender.await.expect("it ends").expect("a sender ends");
    }
    assert_eq!(counter.send(Get).await, Ok(job.messages));
    Measured::time(begin.elapsed(), job.messages)
}

async fn ask(on: &Arbiters, job: Job) -> Measured {
    let asker = on.start(Driver(on.start(Counter::default())));
    let elapsed = asker.send(Ask(job.messages)).await;
    Measured::time(elapsed.expect("the asker ends"), job.messages)
}

async fn ask_loaded(on: &Arbiters, job: Job) -> Measured {
    let counter = on.start(Counter::default());
    let begin = Instant::now();
    let each = job.messages / job.actors;
    let ask = |_| tokio::task::spawn_local(on.start(Driver(counter.clone())).send(Timed(each)));
    let askers: Vec<_> = (0..job.actors).map(ask).collect();
    let mut latencies = Vec::new();
    for asker in askers {
        latencies.append(&mut asker.await.expect("it ends").expect("an asker ends"));
    }
    Measured::time(begin.elapsed(), job.messages).and_latencies(latencies)
}

async fn fork_join(on: &Arbiters, job: Job) -> Measured {
    let counters: Vec<_> = (0..job.actors)
        .map(|_| on.start(Counter::default()))
        .collect();
    let begin = Instant::now();
    for _ in 0..job.messages {
        for counter in &counters {
            consume_budget().await;
            counter.do_send(Add(1));
        }
    }
    for counter in &counters {
        assert_eq!(counter.send(Get).await, Ok(job.messages));
    }
    Measured::time(begin.elapsed(), job.actors * job.messages)
}

// ---- tokens ---------------------------------------------------------------------------------------------------------

struct Link {
    next: Option<Addr<Link>>,
    done: Option<oneshot::Sender<()>>,
}

impl Actor for Link {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Point(Addr<Link>);

#[derive(Message)]
#[rtype(result = "()")]
struct Hop(u64);

impl Handler<Point> for Link {
    type Result = ();

    fn handle(&mut self, Point(next): Point, _: &mut Context<Self>) {
        self.next = Some(next);
    }
}

impl Handler<Hop> for Link {
    type Result = ();

    fn handle(&mut self, Hop(left): Hop, _: &mut Context<Self>) {
        match (&self.next, left) {
            (Some(next), 1..) => next.do_send(Hop(left - 1)),
            _ => {
                let done = self.done.take().expect("the token ends where it was sent");
                done.send(()).expect("the driver waits");
            }
        }
    }
}

/// A token goes round; from its first hop to its last.
async fn ring(on: &Arbiters, job: Job) -> Measured {
    let hops = hops(job);
    let (done, ended) = oneshot::channel();
    let mut done = Some(done);
    let mut links = Vec::new();
    for i in 0..job.actors {
        let done = done.take_if(|_| i == hops % job.actors);
        links.push(on.start(Link { next: None, done }));
    }
    for (link, next) in links.iter().zip(links.iter().cycle().skip(1)) {
        link.send(Point(next.clone())).await.expect("it is alive");
    }
    let begin = Instant::now();
    links[0].do_send(Hop(hops));
    ended.await.expect("the token arrives");
    Measured::time(begin.elapsed(), job.messages)
}

/// Ten under each, down to the leaves; sums go up.
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

    fn done(&mut self, context: &mut Context<Self>, sum: u64) {
        match &mut self.parent {
            Parent::Node(parent) => parent.do_send(Child(sum)),
            Parent::Driver(done) => {
                let done = done.take().expect("once");
                done.send(sum).expect("the driver waits");
            }
        }
        context.stop();
    }
}

impl Actor for Node {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        if self.size == 1 {
            return self.done(context, self.number);
        }
        let size = self.size / 10;
        for i in 0..10 {
            Node::new(
                Parent::Node(context.address()),
                self.number + i * size,
                size,
            )
            .start();
        }
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Child(u64);

impl Handler<Child> for Node {
    type Result = ();

    fn handle(&mut self, Child(sum): Child, context: &mut Context<Self>) {
        self.sum += sum;
        self.left -= 1;
        if self.left == 0 {
            self.done(context, self.sum);
        }
    }
}

/// All on one arbiter: actors do not move, and most know only their parents.
async fn skynet(job: Job) -> Measured {
    let (done, sum) = oneshot::channel();
    let begin = Instant::now();
    Node::new(Parent::Driver(Some(done)), 0, job.actors).start();
    assert_eq!(sum.await, Ok(sum_below(job.actors)));
    Measured::time(begin.elapsed(), job.actors)
}
