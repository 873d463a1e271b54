//! Workloads of many actors, in ractor.

use std::time::Instant;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent, call};
use tokio::sync::mpsc::{self, UnboundedSender};

use super::{Counter, CounterMsg, Done, start};
use crate::compare::measured::{Job, Measured, Outcome};
use crate::compare::peers::{TOKIOS_CHANNELS, TOKIOS_SOCKETS, cannot, reports, silence_panics};
use crate::compare::rules::{Forks, Random, balances, complement, transfers};
use crate::compare::workload::Workload;

type Started<T> = Result<T, ActorProcessingErr>;

pub(super) async fn perform(job: Job) -> Outcome {
    Outcome::Measured(match job.workload {
        Workload::AskParallel => ask_parallel(job).await,
        Workload::Chameneos => chameneos(job).await,
        Workload::Big => big(job).await,
        Workload::BoundedBuffer => return cannot(TOKIOS_CHANNELS),
        Workload::BankTransaction => bank(job).await,
        Workload::DiningPhilosophers => dining(job).await,
        Workload::SupervisedRestart => restart(job).await,
        Workload::EchoServer => return cannot(TOKIOS_SOCKETS),
        other => unreachable!("{} is done elsewhere", other.name()),
    })
}

// ---- ask_parallel ---------------------------------------------------------------------------------------------------

struct Asker;

struct Rounds(u64, RpcReplyPort<()>);

impl Actor for Asker {
    type Msg = Rounds;
    type State = Vec<ActorRef<CounterMsg>>;
    type Arguments = Self::State;

    async fn pre_start(&self, _: ActorRef<Rounds>, counters: Self::State) -> Started<Self::State> {
        Ok(counters)
    }

    async fn handle(
        &self,
        _: ActorRef<Rounds>,
        Rounds(rounds, reply): Rounds,
        counters: &mut Self::State,
    ) -> Done {
        for _ in 0..rounds {
            let mut pending = Vec::with_capacity(counters.len());
            for counter in &*counters {
                let (reply, answer) = ractor::concurrency::oneshot();
                counter.send_message(CounterMsg::Get(reply.into()))?;
                pending.push(answer);
            }
            for answer in pending {
                assert_eq!(answer.await?, 0);
            }
        }
        Ok(reply.send(())?)
    }
}

async fn ask_parallel(job: Job) -> Measured {
    let mut counters = Vec::new();
    for _ in 0..job.actors {
        counters.push(start(Counter, ()).await);
    }
    let asker = start(Asker, counters).await;
    let begin = Instant::now();
    call!(asker, |reply| Rounds(job.messages / job.actors, reply)).expect("the asker ends");
    Measured::time(begin.elapsed(), job.messages)
}

// ---- chameneos ------------------------------------------------------------------------------------------------------

struct Mall;

struct Meet(ActorRef<Met>, u8);

impl Actor for Mall {
    type Msg = Meet;
    type State = (Option<Meet>, u64);
    type Arguments = u64;

    async fn pre_start(&self, _: ActorRef<Meet>, left: u64) -> Started<Self::State> {
        Ok((None, left))
    }

    async fn handle(
        &self,
        _: ActorRef<Meet>,
        Meet(who, colour): Meet,
        (waiting, left): &mut Self::State,
    ) -> Done {
        if *left == 0 {
            return Ok(who.send_message(Met::Over)?);
        }
        match waiting.take() {
            None => *waiting = Some(Meet(who, colour)),
            Some(Meet(other, its)) => {
                *left -= 1;
                other.send_message(Met::With(colour))?;
                who.send_message(Met::With(its))?;
            }
        }
        Ok(())
    }
}

struct Creature;

enum Met {
    With(u8),
    Over,
}

struct CreatureState {
    mall: ActorRef<Meet>,
    colour: u8,
    meetings: u64,
    done: UnboundedSender<u64>,
}

impl Actor for Creature {
    type Msg = Met;
    type State = CreatureState;
    type Arguments = CreatureState;

    async fn pre_start(&self, me: ActorRef<Met>, state: CreatureState) -> Started<CreatureState> {
        state.mall.send_message(Meet(me, state.colour))?;
        Ok(state)
    }

    async fn handle(&self, me: ActorRef<Met>, msg: Met, state: &mut CreatureState) -> Done {
        match msg {
            Met::With(other) => {
                state.colour = complement(state.colour, other);
                state.meetings += 1;
                state.mall.send_message(Meet(me, state.colour))?;
            }
            Met::Over => state.done.send(state.meetings)?,
        }
        Ok(())
    }
}

async fn chameneos(job: Job) -> Measured {
    let (done, meetings) = mpsc::unbounded_channel();
    let begin = Instant::now();
    let mall = start(Mall, job.messages).await;
    for i in 0..job.actors {
        let (mall, colour, done) = (mall.clone(), (i % 3) as u8, done.clone());
        start(
            Creature,
            CreatureState {
                mall,
                colour,
                meetings: 0,
                done,
            },
        )
        .await;
    }
    assert_eq!(reports(meetings, job.actors).await, 2 * job.messages);
    Measured::time(begin.elapsed(), job.messages)
}

// ---- big ------------------------------------------------------------------------------------------------------------

struct Pinger;

enum Ball {
    Go(Vec<ActorRef<Ball>>),
    Ping(ActorRef<Ball>),
    Pong,
}

struct PingerState {
    others: Vec<ActorRef<Ball>>,
    random: Random,
    left: u64,
    done: UnboundedSender<u64>,
}

impl PingerState {
    fn next(&mut self, me: ActorRef<Ball>) -> Done {
        let other = self.random.pick(&self.others);
        Ok(other.send_message(Ball::Ping(me))?)
    }
}

impl Actor for Pinger {
    type Msg = Ball;
    type State = PingerState;
    type Arguments = PingerState;

    async fn pre_start(&self, _: ActorRef<Ball>, state: PingerState) -> Started<PingerState> {
        Ok(state)
    }

    async fn handle(&self, me: ActorRef<Ball>, msg: Ball, state: &mut PingerState) -> Done {
        match msg {
            Ball::Go(others) => {
                state.others = others;
                state.next(me)
            }
            Ball::Ping(from) => Ok(from.send_message(Ball::Pong)?),
            Ball::Pong => {
                state.left -= 1;
                match state.left {
                    0 => Ok(state.done.send(1)?),
                    _ => state.next(me),
                }
            }
        }
    }
}

async fn big(job: Job) -> Measured {
    let (done, ended) = mpsc::unbounded_channel();
    let mut pingers = Vec::new();
    for i in 0..job.actors {
        let (others, random, done) = (Vec::new(), Random::new(i), done.clone());
        let left = job.messages / job.actors;
        pingers.push(
            start(
                Pinger,
                PingerState {
                    others,
                    random,
                    left,
                    done,
                },
            )
            .await,
        );
    }
    let begin = Instant::now();
    for pinger in &pingers {
        pinger
            .send_message(Ball::Go(pingers.clone()))
            .expect("it is alive");
    }
    assert_eq!(reports(ended, job.actors).await, job.actors);
    Measured::time(begin.elapsed(), job.messages)
}

// ---- bank_transaction -----------------------------------------------------------------------------------------------

struct Account;

enum Order {
    Pay(ActorRef<Order>),
    Credit(RpcReplyPort<()>),
    Balance(RpcReplyPort<i64>),
}

impl Actor for Account {
    type Msg = Order;
    type State = i64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Order>, (): ()) -> Started<i64> {
        Ok(0)
    }

    async fn handle(&self, _: ActorRef<Order>, order: Order, balance: &mut i64) -> Done {
        match order {
            Order::Pay(to) => {
                *balance -= 1;
                call!(to, Order::Credit)?;
            }
            Order::Credit(reply) => {
                *balance += 1;
                reply.send(())?;
            }
            Order::Balance(reply) => reply.send(*balance)?,
        }
        Ok(())
    }
}

async fn bank(job: Job) -> Measured {
    let mut accounts = Vec::new();
    for _ in 0..job.actors {
        accounts.push(start(Account, ()).await);
    }
    let begin = Instant::now();
    for (from, to) in transfers(job.actors, job.messages) {
        accounts[from]
            .send_message(Order::Pay(accounts[to].clone()))
            .expect("it is alive");
    }
    // Once an account answers all that it paid has arrived, and only earlier ones pay to it.
    let mut after = Vec::new();
    for account in &accounts {
        after.push(call!(account, Order::Balance).expect("it answers"));
    }
    let elapsed = begin.elapsed();
    assert_eq!(after, balances(job.actors, job.messages));
    Measured::time(elapsed, job.messages)
}

// ---- dining_philosophers --------------------------------------------------------------------------------------------

struct Arbiter;

enum Request {
    Hungry(usize, ActorRef<Granted>),
    Done(usize),
}

impl Actor for Arbiter {
    type Msg = Request;
    type State = Forks;
    type Arguments = usize;

    async fn pre_start(&self, _: ActorRef<Request>, seats: usize) -> Started<Forks> {
        Ok(Forks::new(seats))
    }

    async fn handle(&self, _: ActorRef<Request>, request: Request, forks: &mut Forks) -> Done {
        match request {
            Request::Hungry(seat, who) => who.send_message(Granted(forks.take(seat)))?,
            Request::Done(seat) => forks.put_back(seat),
        }
        Ok(())
    }
}

struct Philosopher;

struct Granted(bool);

struct PhilosopherState {
    seat: usize,
    arbiter: ActorRef<Request>,
    left: u64,
    done: UnboundedSender<u64>,
}

impl Actor for Philosopher {
    type Msg = Granted;
    type State = PhilosopherState;
    type Arguments = PhilosopherState;

    async fn pre_start(
        &self,
        me: ActorRef<Granted>,
        state: PhilosopherState,
    ) -> Started<PhilosopherState> {
        state
            .arbiter
            .send_message(Request::Hungry(state.seat, me))?;
        Ok(state)
    }

    async fn handle(
        &self,
        me: ActorRef<Granted>,
        Granted(free): Granted,
        state: &mut PhilosopherState,
    ) -> Done {
        if free {
            state.left -= 1;
            state.arbiter.send_message(Request::Done(state.seat))?;
        }
        match state.left {
            0 => Ok(state.done.send(1)?),
            _ => Ok(state
                .arbiter
                .send_message(Request::Hungry(state.seat, me))?),
        }
    }
}

async fn dining(job: Job) -> Measured {
    let (done, ended) = mpsc::unbounded_channel();
    let begin = Instant::now();
    let seats = job.actors as usize;
    let arbiter = start(Arbiter, seats).await;
    for seat in 0..seats {
        let (arbiter, left, done) = (arbiter.clone(), job.messages / job.actors, done.clone());
        start(
            Philosopher,
            PhilosopherState {
                seat,
                arbiter,
                left,
                done,
            },
        )
        .await;
    }
    assert_eq!(reports(ended, job.actors).await, job.actors);
    Measured::time(begin.elapsed(), job.messages)
}

// ---- supervised_restart ---------------------------------------------------------------------------------------------

/// Starts its child again when that fails; the address is a new one, which it hands out.
struct Supervisor;

impl Supervisor {
    async fn start_child(me: &ActorRef<()>) -> Started<ActorRef<Risk>> {
        let (child, _ended) = Actor::spawn_linked(None, Fragile, (), me.get_cell()).await?;
        Ok(child)
    }
}

impl Actor for Supervisor {
    type Msg = ();
    type State = UnboundedSender<ActorRef<Risk>>;
    type Arguments = Self::State;

    async fn pre_start(&self, me: ActorRef<()>, children: Self::State) -> Started<Self::State> {
        children.send(Supervisor::start_child(&me).await?)?;
        Ok(children)
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<()>,
        event: SupervisionEvent,
        children: &mut Self::State,
    ) -> Done {
        if let SupervisionEvent::ActorFailed(..) = event {
            children.send(Supervisor::start_child(&me).await?)?;
        }
        Ok(())
    }
}

struct Fragile;

enum Risk {
    Crash,
    Bump(RpcReplyPort<u64>),
}

impl Actor for Fragile {
    type Msg = Risk;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Risk>, (): ()) -> Started<u64> {
        Ok(0)
    }

    async fn handle(&self, _: ActorRef<Risk>, risk: Risk, n: &mut u64) -> Done {
        match risk {
            Risk::Crash => panic!("on purpose"),
            Risk::Bump(reply) => {
                *n += 1;
                Ok(reply.send(*n)?)
            }
        }
    }
}

async fn restart(job: Job) -> Measured {
    silence_panics();
    let (children, mut lives) = mpsc::unbounded_channel();
    start(Supervisor, children).await;
    let mut fragile = lives.recv().await.expect("a first life");
    let begin = Instant::now();
    for _ in 0..job.messages {
        fragile.send_message(Risk::Crash).expect("it is alive");
        fragile = lives.recv().await.expect("a next life");
        assert_eq!(call!(fragile, Risk::Bump).expect("it answers"), 1);
    }
    Measured::time(begin.elapsed(), job.messages)
}
