//! xtra on tokio: an actor for each, messages as types with handlers.
//!
//! Its mailbox is a heap of priorities, which keeps no order among equals: what is told goes before what asks for the result,
//! by a higher priority.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use xtra::prelude::*;
use xtra::spawn_tokio;

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
        W::Skynet => skynet(job).await,
        W::BlockedMemory => return cannot(NO_STACKS),
        _ => return society::perform(job).await,
    })
}

fn start<A: Actor<Stop = ()>>(actor: A, bound: Option<usize>) -> Address<A> {
    spawn_tokio(
        actor,
        bound.map_or_else(Mailbox::unbounded, Mailbox::bounded),
    )
}

/// Queues a message, before all that is asked; nobody waits for what the handler returns.
async fn tell<A: Handler<M>, M: Send + 'static>(to: &Address<A>, msg: M) {
    let queued = to.send(msg).priority(1).detach().await;
    let _handled = queued.expect("the actor is alive");
}

// ---- a counter ------------------------------------------------------------------------------------------------------

struct Counter {
    n: u64,
    life: Option<Life>,
}

impl Counter {
    fn start(bound: Option<usize>) -> Address<Self> {
        start(Counter { n: 0, life: None }, bound)
    }
}

impl Actor for Counter {
    type Stop = ();

    async fn started(&mut self, _: &Mailbox<Self>) -> Result<(), ()> {
        self.life = Some(Life::begin());
        Ok(())
    }

    async fn stopped(self) {}
}

struct Add(u64);
struct Get;

impl Handler<Add> for Counter {
    type Return = ();

    async fn handle(&mut self, Add(by): Add, _: &mut Context<Self>) {
        self.n += by;
    }
}

impl Handler<Get> for Counter {
    type Return = u64;

    async fn handle(&mut self, _: Get, _: &mut Context<Self>) -> u64 {
        self.n
    }
}

#[derive(xtra::Actor)]
struct Driver(Address<Counter>);

struct Go(u64, Job);
struct Ask(u64);
struct Timed(u64);

impl Handler<Go> for Driver {
    type Return = ();

    async fn handle(&mut self, Go(messages, job): Go, _: &mut Context<Self>) {
        for _ in 0..messages {
            pass(job).await;
            tell(&self.0, Add(1)).await;
        }
    }
}

impl Handler<Ask> for Driver {
    type Return = Duration;

    async fn handle(&mut self, Ask(asks): Ask, _: &mut Context<Self>) -> Duration {
        let begin = Instant::now();
        for _ in 0..asks {
            assert_eq!(self.0.send(Get).await, Ok(0));
        }
        begin.elapsed()
    }
}

impl Handler<Timed> for Driver {
    type Return = Vec<u64>;

    async fn handle(&mut self, Timed(asks): Timed, _: &mut Context<Self>) -> Vec<u64> {
        let mut latencies = Latencies::default();
        for _ in 0..asks {
            let asked = latencies.begin();
            assert_eq!(self.0.send(Get).await, Ok(0));
            latencies.end(asked);
        }
        latencies.into_vec()
    }
}

async fn population(job: Job) -> Measured {
    let mut counters = Vec::with_capacity(job.actors as usize);
    let before = resident();
    let begin = Instant::now();
    counters.extend((0..job.actors).map(|_| Counter::start(None)));
    until(Life::started, job.actors).await;
    let spawned = begin.elapsed();
    if job.workload == Workload::IdleMemory {
        return Measured::bytes(before, resident(), job.actors);
    }
    let begin = Instant::now();
    // An actor stops with its last address.
    drop(counters);
    until(Life::ended, job.actors).await;
    Measured::lives(spawned, begin.elapsed(), job.actors)
}

async fn counting(job: Job, senders: u64) -> Measured {
    let counter = Counter::start(job.workload.bound());
    let begin = Instant::now();
    let mut pending = Vec::new();
    for _ in 0..senders {
        let sender = start(Driver(counter.clone()), None);
        let sent = sender.send(Go(job.messages / senders, job)).detach().await;
        pending.push(sent.expect("it is alive"));
    }
    for sender in pending {
        sender.await.expect("a sender ends");
    }
    assert_eq!(counter.send(Get).await, Ok(job.messages));
    Measured::time(begin.elapsed(), job.messages)
}

async fn ask(job: Job) -> Measured {
    let asker = start(Driver(Counter::start(None)), None);
    let elapsed = asker.send(Ask(job.messages)).await;
    Measured::time(elapsed.expect("the asker ends"), job.messages)
}

async fn ask_loaded(job: Job) -> Measured {
    let counter = Counter::start(None);
    let begin = Instant::now();
    let mut pending = Vec::new();
    for _ in 0..job.actors {
        let asker = start(Driver(counter.clone()), None);
        let asked = asker.send(Timed(job.messages / job.actors)).detach().await;
        pending.push(asked.expect("it is alive"));
    }
    let mut latencies = Vec::new();
    for asker in pending {
        latencies.append(&mut asker.await.expect("an asker ends"));
    }
    Measured::time(begin.elapsed(), job.messages).and_latencies(latencies)
}

async fn fork_join(job: Job) -> Measured {
    let bound = job.workload.bound();
    let counters: Vec<_> = (0..job.actors).map(|_| Counter::start(bound)).collect();
    let begin = Instant::now();
    for _ in 0..job.messages {
        for counter in &counters {
            tell(counter, Add(1)).await;
        }
    }
    for counter in &counters {
        assert_eq!(counter.send(Get).await, Ok(job.messages));
    }
    Measured::time(begin.elapsed(), job.actors * job.messages)
}

// ---- tokens ---------------------------------------------------------------------------------------------------------

#[derive(xtra::Actor)]
struct Link {
    next: Option<Address<Link>>,
    done: Option<oneshot::Sender<()>>,
}

struct Point(Address<Link>);
struct Hop(u64);

impl Handler<Point> for Link {
    type Return = ();

    async fn handle(&mut self, Point(next): Point, _: &mut Context<Self>) {
        self.next = Some(next);
    }
}

impl Handler<Hop> for Link {
    type Return = ();

    async fn handle(&mut self, Hop(left): Hop, _: &mut Context<Self>) {
        match (&self.next, left) {
            (Some(next), 1..) => tell(next, Hop(left - 1)).await,
            _ => {
                let done = self.done.take().expect("the token ends where it was sent");
                done.send(()).expect("the driver waits");
            }
        }
    }
}

/// A token goes round; from its first hop to its last.
async fn ring(job: Job) -> Measured {
    let hops = hops(job);
    let (done, ended) = oneshot::channel();
    let mut done = Some(done);
    let mut links = Vec::new();
    for i in 0..job.actors {
        let done = done.take_if(|_| i == hops % job.actors);
        links.push(start(Link { next: None, done }, None));
    }
    for (link, next) in links.iter().zip(links.iter().cycle().skip(1)) {
        link.send(Point(next.clone())).await.expect("it is alive");
    }
    let begin = Instant::now();
    tell(&links[0], Hop(hops)).await;
    ended.await.expect("the token arrives");
    Measured::time(begin.elapsed(), job.messages)
}

/// Ten under each, down to the leaves; sums go up.
struct Node {
    /// An address of itself, until it has started: an actor that nobody has an address of stops.
    me: Option<Address<Node>>,
    parent: Parent,
    number: u64,
    size: u64,
    left: u64,
    sum: u64,
}

enum Parent {
    Node(Address<Node>),
    Driver(Option<oneshot::Sender<u64>>),
}

impl Node {
    fn start(parent: Parent, number: u64, size: u64) {
        let (address, mailbox) = Mailbox::unbounded();
        let (me, left, sum) = (Some(address.clone()), 10, 0);
        spawn_tokio(
            Node {
                me,
                parent,
                number,
                size,
                left,
                sum,
            },
            (address, mailbox),
        );
    }

    async fn tell_parent(&mut self, sum: u64) {
        match &mut self.parent {
            Parent::Node(parent) => tell(parent, Child(sum)).await,
            Parent::Driver(done) => {
                let done = done.take().expect("once");
                done.send(sum).expect("the driver waits");
            }
        }
    }
}

impl Actor for Node {
    type Stop = ();

    /// An error ends the actor: a leaf has nothing more to do.
    async fn started(&mut self, _: &Mailbox<Self>) -> Result<(), ()> {
        let me = self.me.take().expect("it starts once");
        if self.size == 1 {
            self.tell_parent(self.number).await;
            return Err(());
        }
        let size = self.size / 10;
        for i in 0..10 {
            Node::start(Parent::Node(me.clone()), self.number + i * size, size);
        }
        Ok(())
    }

    async fn stopped(self) {}
}

struct Child(u64);

impl Handler<Child> for Node {
    type Return = ();

    async fn handle(&mut self, Child(sum): Child, context: &mut Context<Self>) {
        self.sum += sum;
        self.left -= 1;
        if self.left == 0 {
            self.tell_parent(self.sum).await;
            context.stop_self();
        }
    }
}

async fn skynet(job: Job) -> Measured {
    let (done, sum) = oneshot::channel();
    let begin = Instant::now();
    // The root is kept alive by its children, which hold its address.
    Node::start(Parent::Driver(Some(done)), 0, job.actors);
    assert_eq!(sum.await, Ok(sum_below(job.actors)));
    Measured::time(begin.elapsed(), job.actors)
}
