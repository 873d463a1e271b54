//! kameo: an actor for each, messages as types with handlers.

use std::time::{Duration, Instant};

use kameo::error::Infallible;
use kameo::mailbox;
use kameo::prelude::*;
use tokio::sync::oneshot;

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

fn start<A: Actor>(args: A::Args, bound: Option<usize>) -> ActorRef<A> {
    match bound {
        Some(bound) => A::spawn_with_mailbox(args, mailbox::bounded(bound)),
        None => A::spawn_with_mailbox(args, mailbox::unbounded()),
    }
}

// ---- a counter ------------------------------------------------------------------------------------------------------

struct Counter {
    n: u64,
    _life: Life,
}

impl Actor for Counter {
    type Args = ();
    type Error = Infallible;

    async fn on_start((): (), _: ActorRef<Self>) -> Result<Self, Infallible> {
        let _life = Life::begin();
        Ok(Counter { n: 0, _life })
    }
}

#[messages]
impl Counter {
    #[message]
    fn add(&mut self, by: u64) {
        self.n += by;
    }

    #[message]
    fn get(&self) -> u64 {
        self.n
    }
}

async fn get(of: &ActorRef<Counter>) -> u64 {
    of.ask(Get).await.expect("the counter answers")
}

#[derive(Actor)]
struct Sender(ActorRef<Counter>);

#[messages]
impl Sender {
    #[message]
    async fn go(&mut self, messages: u64, job: Job) {
        for _ in 0..messages {
            pass(job).await;
            self.0
                .tell(Add { by: 1 })
                .await
                .expect("the counter is alive");
        }
    }
}

#[derive(Actor)]
struct Asker(ActorRef<Counter>);

#[messages]
impl Asker {
    /// In nanoseconds.
    #[message]
    async fn ask(&mut self, asks: u64) -> u64 {
        let start = Instant::now();
        for _ in 0..asks {
            assert_eq!(get(&self.0).await, 0);
        }
        start.elapsed().as_nanos() as u64
    }

    #[message]
    async fn timed(&mut self, asks: u64) -> Vec<u64> {
        let mut latencies = Latencies::default();
        for _ in 0..asks {
            let asked = latencies.begin();
            assert_eq!(get(&self.0).await, 0);
            latencies.end(asked);
        }
        latencies.into_vec()
    }
}

async fn population(job: Job) -> Measured {
    let mut counters: Vec<ActorRef<Counter>> = Vec::with_capacity(job.actors as usize);
    let before = resident();
    let begin = Instant::now();
    counters.extend((0..job.actors).map(|_| start((), None)));
    until(Life::started, job.actors).await;
    let spawned = begin.elapsed();
    if job.workload == Workload::IdleMemory {
        return Measured::bytes(before, resident(), job.actors);
    }
    let begin = Instant::now();
    for counter in counters {
        counter.stop_gracefully().await.expect("it is alive");
    }
    until(Life::ended, job.actors).await;
    Measured::lives(spawned, begin.elapsed(), job.actors)
}

async fn counting(job: Job, senders: u64) -> Measured {
    let counter = start((), job.workload.bound());
    let begin = Instant::now();
    let each = job.messages / senders;
    let mut pending = Vec::new();
    for _ in 0..senders {
        let sender = start::<Sender>(Sender(counter.clone()), None);
        pending.push(
            sender
                .ask(Go {
                    messages: each,
                    job,
                })
                .enqueue()
                .await
                .expect("it is alive"),
        );
    }
    for sender in pending {
        sender.await.expect("a sender ends");
    }
    assert_eq!(get(&counter).await, job.messages);
    Measured::time(begin.elapsed(), job.messages)
}

async fn ask(job: Job) -> Measured {
    let asker = start::<Asker>(Asker(start((), None)), None);
    let elapsed = asker.ask(Ask { asks: job.messages }).await;
    Measured::time(
        Duration::from_nanos(elapsed.expect("the asker ends")),
        job.messages,
    )
}

async fn ask_loaded(job: Job) -> Measured {
    let counter = start((), None);
    let begin = Instant::now();
    let asks = job.messages / job.actors;
    let mut pending = Vec::new();
    for _ in 0..job.actors {
        let asker = start::<Asker>(Asker(counter.clone()), None);
        pending.push(
            asker
                .ask(Timed { asks })
                .enqueue()
                .await
                .expect("it is alive"),
        );
    }
    let mut latencies = Vec::new();
    for asker in pending {
        latencies.append(&mut asker.await.expect("an asker ends"));
    }
    Measured::time(begin.elapsed(), job.messages).and_latencies(latencies)
}

async fn fork_join(job: Job) -> Measured {
    let bound = job.workload.bound();
    let counters: Vec<ActorRef<Counter>> = (0..job.actors).map(|_| start((), bound)).collect();
    let begin = Instant::now();
    for _ in 0..job.messages {
        for counter in &counters {
            counter
                .tell(Add { by: 1 })
                .await
                .expect("the counter is alive");
        }
    }
    for counter in &counters {
        assert_eq!(get(counter).await, job.messages);
    }
    Measured::time(begin.elapsed(), job.actors * job.messages)
}

// ---- tokens ---------------------------------------------------------------------------------------------------------

#[derive(Actor)]
struct Link {
    next: Option<ActorRef<Link>>,
    done: Option<oneshot::Sender<()>>,
}

#[messages]
impl Link {
    #[message]
    fn point(&mut self, next: ActorRef<Link>) {
        self.next = Some(next);
    }

    #[message]
    async fn hop(&mut self, left: u64) {
        match (&self.next, left) {
            (Some(next), 1..) => next
                .tell(Hop { left: left - 1 })
                .await
                .expect("it is alive"),
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
    let mut links: Vec<ActorRef<Link>> = Vec::new();
    for i in 0..job.actors {
        let done = done.take_if(|_| i == hops % job.actors);
        links.push(start(Link { next: None, done }, None));
    }
    for (link, next) in links.iter().zip(links.iter().cycle().skip(1)) {
        link.ask(Point { next: next.clone() })
            .await
            .expect("it is alive");
    }
    let begin = Instant::now();
    links[0]
        .tell(Hop { left: hops })
        .await
        .expect("the ring is alive");
    ended.await.expect("the token arrives");
    Measured::time(begin.elapsed(), job.messages)
}

/// Ten under each, down to the leaves; sums go up.
struct Node {
    parent: Parent,
    left: u64,
    sum: u64,
}

enum Parent {
    Node(ActorRef<Node>),
    Driver(oneshot::Sender<u64>),
}

impl Parent {
    async fn tell(self, sum: u64) {
        match self {
            Parent::Node(parent) => parent.tell(Child { sum }).await.expect("a parent waits"),
            Parent::Driver(done) => done.send(sum).expect("the driver waits"),
        }
    }
}

impl Actor for Node {
    type Args = (Parent, u64, u64);
    type Error = Infallible;

    async fn on_start(
        (parent, number, size): Self::Args,
        me: ActorRef<Self>,
    ) -> Result<Self, Infallible> {
        let (left, sum) = (10, 0);
        if size == 1 {
            parent.tell(number).await;
            me.kill();
            return Ok(Node {
                parent: Parent::Node(me),
                left,
                sum,
            });
        }
        let size = size / 10;
        for i in 0..10 {
            let parent = Parent::Node(me.clone());
            start::<Node>((parent, number + i * size, size), None);
        }
        Ok(Node { parent, left, sum })
    }
}

#[messages]
impl Node {
    #[message(ctx)]
    async fn child(&mut self, ctx: &mut Context<Self, ()>, sum: u64) {
        self.sum += sum;
        self.left -= 1;
        if self.left == 0 {
            let parent = std::mem::replace(&mut self.parent, Parent::Node(ctx.actor_ref().clone()));
            parent.tell(self.sum).await;
            ctx.stop();
        }
    }
}

async fn skynet(job: Job) -> Measured {
    let (done, sum) = oneshot::channel();
    let begin = Instant::now();
    start::<Node>((Parent::Driver(done), 0, job.actors), None);
    assert_eq!(sum.await, Ok(sum_below(job.actors)));
    Measured::time(begin.elapsed(), job.actors)
}
