//! ractor: an actor for each, messages as an enum.

use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, call};
use tokio::sync::oneshot;
use tokio::task::coop::consume_budget;

use super::{NO_STACKS, cannot, on_tokio, resident, until};
use crate::compare::measured::{Job, Latencies, Life, Measured, Outcome};
use crate::compare::rules::{hops, sum_below};
use crate::compare::workload::Workload;

mod society;

type Done = Result<(), ActorProcessingErr>;

pub(super) fn run(job: Job) -> Outcome {
    on_tokio(job.workers, perform(job))
}

async fn perform(job: Job) -> Outcome {
    use Workload as W;
    Outcome::Measured(match job.workload {
        W::Spawn | W::IdleMemory => population(job).await,
        W::PingPong | W::ThreadRing100 | W::ThreadRing10k => ring(job).await,
        W::Counting => counting(job, 1).await,
        W::ManyToOne => counting(job, job.actors).await,
        W::Ask => ask(job).await,
        W::AskLoaded => ask_loaded(job).await,
        W::ForkJoin => fork_join(job).await,
        W::Skynet => skynet(job).await,
        W::BlockedMemory => return cannot(NO_STACKS),
        W::CountingBounded | W::ManyToOneBounded | W::ForkJoinBounded => {
            return cannot("its mailboxes have no bound");
        }
        _ => return society::perform(job).await,
    })
}

async fn start<A: Actor>(actor: A, arguments: A::Arguments) -> ActorRef<A::Msg> {
    let (actor, _ended) = Actor::spawn(None, actor, arguments)
        .await
        .expect("it starts");
    actor
}

// ---- a counter ------------------------------------------------------------------------------------------------------

struct Counter;

enum CounterMsg {
    Add(u64),
    Get(RpcReplyPort<u64>),
}

impl Actor for Counter {
    type Msg = CounterMsg;
    type State = (u64, Life);
    type Arguments = ();

    async fn pre_start(
        &self,
        _: ActorRef<CounterMsg>,
        (): (),
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok((0, Life::begin()))
    }

    async fn handle(
        &self,
        _: ActorRef<CounterMsg>,
        msg: CounterMsg,
        (n, _): &mut Self::State,
    ) -> Done {
        match msg {
            CounterMsg::Add(by) => *n += by,
            CounterMsg::Get(reply) => reply.send(*n)?,
        }
        Ok(())
    }
}

fn add(to: &ActorRef<CounterMsg>) {
    to.send_message(CounterMsg::Add(1))
        .expect("the counter is alive");
}

async fn get(of: &ActorRef<CounterMsg>) -> u64 {
    call!(of, CounterMsg::Get).expect("the counter answers")
}

/// Who works with a counter.
struct Driver;

enum DriverMsg {
    Send(u64, RpcReplyPort<()>),
    Ask(u64, RpcReplyPort<Duration>),
    Timed(u64, RpcReplyPort<Vec<u64>>),
}

impl Actor for Driver {
    type Msg = DriverMsg;
    type State = ActorRef<CounterMsg>;
    type Arguments = ActorRef<CounterMsg>;

    async fn pre_start(
        &self,
        _: ActorRef<DriverMsg>,
        counter: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(counter)
    }

    async fn handle(
        &self,
        _: ActorRef<DriverMsg>,
        msg: DriverMsg,
        counter: &mut Self::State,
    ) -> Done {
        match msg {
            DriverMsg::Send(messages, reply) => {
                for _ in 0..messages {
                    consume_budget().await;
                    add(counter);
                }
                reply.send(())?;
            }
            DriverMsg::Ask(asks, reply) => {
                let begin = Instant::now();
                for _ in 0..asks {
                    assert_eq!(get(counter).await, 0);
                }
                reply.send(begin.elapsed())?;
            }
            DriverMsg::Timed(asks, reply) => {
                let mut latencies = Latencies::default();
                for _ in 0..asks {
                    let asked = latencies.begin();
                    assert_eq!(get(counter).await, 0);
                    latencies.end(asked);
                }
                reply.send(latencies.into_vec())?;
            }
        }
        Ok(())
    }
}

async fn population(job: Job) -> Measured {
    let mut counters = Vec::with_capacity(job.actors as usize);
    let before = resident();
    let begin = Instant::now();
    for _ in 0..job.actors {
        // In service when it returns.
        counters.push(start(Counter, ()).await);
    }
    let spawned = begin.elapsed();
    assert_eq!(Life::started(), job.actors);
    if job.workload == Workload::IdleMemory {
        return Measured::bytes(before, resident(), job.actors);
    }
    let begin = Instant::now();
    counters.iter().for_each(|counter| counter.stop(None));
    until(Life::ended, job.actors).await;
    Measured::lives(spawned, begin.elapsed(), job.actors)
}

/// Sends each driver what makes it work, and waits for all.
async fn drive<T: Send + 'static>(
    drivers: u64,
    counter: &ActorRef<CounterMsg>,
    msg: impl Fn(RpcReplyPort<T>) -> DriverMsg,
) -> Vec<T> {
    let mut pending = Vec::new();
    for _ in 0..drivers {
        let driver = start(Driver, counter.clone()).await;
        let (reply, answer) = ractor::concurrency::oneshot();
        driver.send_message(msg(reply.into())).expect("it is alive");
        pending.push(answer);
    }
    let mut answers = Vec::new();
    for answer in pending {
        answers.push(answer.await.expect("a driver ends"));
    }
    answers
}

async fn counting(job: Job, senders: u64) -> Measured {
    let counter = start(Counter, ()).await;
    let begin = Instant::now();
    drive(senders, &counter, |reply| {
        DriverMsg::Send(job.messages / senders, reply)
    })
    .await;
    assert_eq!(get(&counter).await, job.messages);
    Measured::time(begin.elapsed(), job.messages)
}

async fn ask(job: Job) -> Measured {
    let counter = start(Counter, ()).await;
    let elapsed = drive(1, &counter, |reply| DriverMsg::Ask(job.messages, reply)).await;
    Measured::time(elapsed[0], job.messages)
}

async fn ask_loaded(job: Job) -> Measured {
    let counter = start(Counter, ()).await;
    let begin = Instant::now();
    let each = job.messages / job.actors;
    let latencies = drive(job.actors, &counter, |reply| DriverMsg::Timed(each, reply)).await;
    Measured::time(begin.elapsed(), job.messages).and_latencies(latencies.concat())
}

async fn fork_join(job: Job) -> Measured {
    let mut counters = Vec::new();
    for _ in 0..job.actors {
        counters.push(start(Counter, ()).await);
    }
    let begin = Instant::now();
    for _ in 0..job.messages {
        counters.iter().for_each(add);
    }
    for counter in &counters {
        assert_eq!(get(counter).await, job.messages);
    }
    Measured::time(begin.elapsed(), job.actors * job.messages)
}

// ---- tokens ---------------------------------------------------------------------------------------------------------

struct Link;

enum LinkMsg {
    Point(ActorRef<LinkMsg>),
    Hop(u64),
}

struct LinkState {
    next: Option<ActorRef<LinkMsg>>,
    done: Option<oneshot::Sender<()>>,
}

impl Actor for Link {
    type Msg = LinkMsg;
    type State = LinkState;
    type Arguments = Option<oneshot::Sender<()>>;

    async fn pre_start(
        &self,
        _: ActorRef<LinkMsg>,
        done: Self::Arguments,
    ) -> Result<LinkState, ActorProcessingErr> {
        Ok(LinkState { next: None, done })
    }

    async fn handle(&self, _: ActorRef<LinkMsg>, msg: LinkMsg, state: &mut LinkState) -> Done {
        match (msg, &state.next) {
            (LinkMsg::Point(next), _) => state.next = Some(next),
            (LinkMsg::Hop(left @ 1..), Some(next)) => next.send_message(LinkMsg::Hop(left - 1))?,
            (LinkMsg::Hop(_), _) => {
                let done = state.done.take().expect("the token ends where it was sent");
                done.send(()).expect("the driver waits");
            }
        }
        Ok(())
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
        links.push(start(Link, done).await);
    }
    for (link, next) in links.iter().zip(links.iter().cycle().skip(1)) {
        link.send_message(LinkMsg::Point(next.clone()))
            .expect("it is alive");
    }
    let begin = Instant::now();
    links[0]
        .send_message(LinkMsg::Hop(hops))
        .expect("the ring is alive");
    ended.await.expect("the token arrives");
    Measured::time(begin.elapsed(), job.messages)
}

/// Ten under each, down to the leaves; sums go up.
struct Node;

struct Child(u64);

enum Parent {
    Node(ActorRef<Child>),
    Driver(Option<oneshot::Sender<u64>>),
}

struct NodeState {
    parent: Parent,
    number: u64,
    size: u64,
    left: u64,
    sum: u64,
}

impl NodeState {
    fn done(&mut self, me: &ActorRef<Child>, sum: u64) {
        match &mut self.parent {
            Parent::Node(parent) => parent.send_message(Child(sum)).expect("a parent waits"),
            Parent::Driver(done) => {
                let done = done.take().expect("once");
                done.send(sum).expect("the driver waits");
            }
        }
        me.stop(None);
    }
}

impl Actor for Node {
    type Msg = Child;
    type State = NodeState;
    type Arguments = (Parent, u64, u64);

    async fn pre_start(
        &self,
        _: ActorRef<Child>,
        (parent, number, size): Self::Arguments,
    ) -> Result<NodeState, ActorProcessingErr> {
        let (left, sum) = (10, 0);
        Ok(NodeState {
            parent,
            number,
            size,
            left,
            sum,
        })
    }

    async fn post_start(&self, me: ActorRef<Child>, state: &mut NodeState) -> Done {
        if state.size == 1 {
            state.done(&me, state.number);
            return Ok(());
        }
        let size = state.size / 10;
        for i in 0..10 {
            let parent = Parent::Node(me.clone());
            start(Node, (parent, state.number + i * size, size)).await;
        }
        Ok(())
    }

    async fn handle(&self, me: ActorRef<Child>, Child(sum): Child, state: &mut NodeState) -> Done {
        state.sum += sum;
        state.left -= 1;
        if state.left == 0 {
            state.done(&me, state.sum);
        }
        Ok(())
    }
}

async fn skynet(job: Job) -> Measured {
    let (done, sum) = oneshot::channel();
    let begin = Instant::now();
    start(Node, (Parent::Driver(Some(done)), 0, job.actors)).await;
    assert_eq!(sum.await, Ok(sum_below(job.actors)));
    Measured::time(begin.elapsed(), job.actors)
}
