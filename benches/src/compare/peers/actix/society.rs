//! Workloads of many actors, in actix.

use std::time::Instant;

use actix::prelude::*;
use tokio::sync::mpsc::{self, UnboundedSender};

use super::{Arbiters, Counter, Get};
use crate::compare::measured::{Job, Measured, Outcome};
use crate::compare::peers::{TOKIOS_CHANNELS, TOKIOS_SOCKETS, cannot, reports};
use crate::compare::rules::{Forks, Random, balances, complement, transfers};
use crate::compare::workload::Workload;

pub(super) async fn perform(on: &Arbiters, job: Job) -> Outcome {
    Outcome::Measured(match job.workload {
        Workload::AskParallel => ask_parallel(on, job).await,
        Workload::Chameneos => chameneos(on, job).await,
        Workload::Big => big(on, job).await,
        Workload::BoundedBuffer => return cannot(TOKIOS_CHANNELS),
        Workload::BankTransaction => bank(on, job).await,
        Workload::DiningPhilosophers => dining(on, job).await,
        Workload::SupervisedRestart => {
            return cannot(
                "a panic ends the arbiter with all on it; its Supervisor starts what has stopped again",
            );
        }
        Workload::EchoServer => return cannot(TOKIOS_SOCKETS),
        other => unreachable!("{} is done elsewhere", other.name()),
    })
}

// ---- ask_parallel ---------------------------------------------------------------------------------------------------

struct Asker(Vec<Addr<Counter>>);

impl Actor for Asker {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Rounds(u64);

impl Handler<Rounds> for Asker {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Rounds(rounds): Rounds, _: &mut Context<Self>) -> Self::Result {
        let counters = self.0.clone();
        Box::pin(async move {
            for _ in 0..rounds {
                // A request is in the mailbox when `send` returns, if there is room.
                let pending: Vec<_> = counters.iter().map(|counter| counter.send(Get)).collect();
                for answer in pending {
                    assert_eq!(answer.await, Ok(0));
                }
            }
        })
    }
}

async fn ask_parallel(on: &Arbiters, job: Job) -> Measured {
    let counters = (0..job.actors)
        .map(|_| on.start(Counter::default()))
        .collect();
    let asker = on.start(Asker(counters));
    let begin = Instant::now();
    asker
        .send(Rounds(job.messages / job.actors))
        .await
        .expect("the asker ends");
    Measured::time(begin.elapsed(), job.messages)
}

// ---- chameneos ------------------------------------------------------------------------------------------------------

struct Mall {
    waiting: Option<Meet>,
    left: u64,
}

impl Actor for Mall {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Meet(Addr<Creature>, u8);

impl Handler<Meet> for Mall {
    type Result = ();

    fn handle(&mut self, Meet(who, colour): Meet, _: &mut Context<Self>) {
        if self.left == 0 {
            return who.do_send(Met::Over);
        }
        match self.waiting.take() {
            None => self.waiting = Some(Meet(who, colour)),
            Some(Meet(other, its)) => {
                self.left -= 1;
                other.do_send(Met::With(colour));
                who.do_send(Met::With(its));
            }
        }
    }
}

struct Creature {
    mall: Addr<Mall>,
    colour: u8,
    meetings: u64,
    done: UnboundedSender<u64>,
}

impl Actor for Creature {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.mall.do_send(Meet(context.address(), self.colour));
    }
}

#[derive(Message)]
#[rtype(result = "()")]
enum Met {
    With(u8),
    Over,
}

impl Handler<Met> for Creature {
    type Result = ();

    fn handle(&mut self, met: Met, context: &mut Context<Self>) {
        match met {
            Met::With(other) => {
                self.colour = complement(self.colour, other);
                self.meetings += 1;
                self.mall.do_send(Meet(context.address(), self.colour));
            }
            Met::Over => self.done.send(self.meetings).expect("the driver counts"),
        }
    }
}

async fn chameneos(on: &Arbiters, job: Job) -> Measured {
    let (done, meetings) = mpsc::unbounded_channel();
    let begin = Instant::now();
    let mall = on.start(Mall {
        waiting: None,
        left: job.messages,
    });
    let creature = |i| {
        let (mall, colour, done) = (mall.clone(), (i % 3) as u8, done.clone());
        on.start(Creature {
            mall,
            colour,
            meetings: 0,
            done,
        })
    };
    let _creatures: Vec<_> = (0..job.actors).map(creature).collect();
    assert_eq!(reports(meetings, job.actors).await, 2 * job.messages);
    Measured::time(begin.elapsed(), job.messages)
}

// ---- big ------------------------------------------------------------------------------------------------------------

struct Pinger {
    others: Vec<Addr<Pinger>>,
    random: Random,
    left: u64,
    done: UnboundedSender<u64>,
}

impl Actor for Pinger {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
enum Ball {
    Go(Vec<Addr<Pinger>>),
    Ping(Addr<Pinger>),
    Pong,
}

impl Pinger {
    fn next(&mut self, context: &Context<Self>) {
        let other = self.random.pick(&self.others);
        other.do_send(Ball::Ping(context.address()));
    }
}

impl Handler<Ball> for Pinger {
    type Result = ();

    fn handle(&mut self, ping: Ball, context: &mut Context<Self>) {
        match ping {
            Ball::Go(others) => {
                self.others = others;
                self.next(context);
            }
            Ball::Ping(from) => from.do_send(Ball::Pong),
            Ball::Pong => {
                self.left -= 1;
                match self.left {
                    0 => self.done.send(1).expect("the driver counts"),
                    _ => self.next(context),
                }
            }
        }
    }
}

async fn big(on: &Arbiters, job: Job) -> Measured {
    let (done, ended) = mpsc::unbounded_channel();
    let left = job.messages / job.actors;
    let pinger = |i| {
        let (others, random, done) = (Vec::new(), Random::new(i), done.clone());
        on.start(Pinger {
            others,
            random,
            left,
            done,
        })
    };
    let pingers: Vec<_> = (0..job.actors).map(pinger).collect();
    let begin = Instant::now();
    for pinger in &pingers {
        pinger.do_send(Ball::Go(pingers.clone()));
    }
    assert_eq!(reports(ended, job.actors).await, job.actors);
    Measured::time(begin.elapsed(), job.messages)
}

// ---- bank_transaction -----------------------------------------------------------------------------------------------

struct Account(i64);

impl Actor for Account {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Pay(Addr<Account>);

#[derive(Message)]
#[rtype(result = "()")]
struct Credit;

#[derive(Message)]
#[rtype(result = "i64")]
struct Balance;

impl Handler<Pay> for Account {
    /// Nothing else is handled until it is done.
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, Pay(to): Pay, _: &mut Context<Self>) -> Self::Result {
        self.0 -= 1;
        let paid = async move { to.send(Credit).await.expect("it answers") };
        AtomicResponse::new(Box::pin(paid.into_actor(self)))
    }
}

impl Handler<Credit> for Account {
    type Result = ();

    fn handle(&mut self, _: Credit, _: &mut Context<Self>) {
        self.0 += 1;
    }
}

impl Handler<Balance> for Account {
    type Result = i64;

    fn handle(&mut self, _: Balance, _: &mut Context<Self>) -> i64 {
        self.0
    }
}

async fn bank(on: &Arbiters, job: Job) -> Measured {
    let accounts: Vec<_> = (0..job.actors).map(|_| on.start(Account(0))).collect();
    let begin = Instant::now();
    for (from, to) in transfers(job.actors, job.messages) {
        accounts[from].do_send(Pay(accounts[to].clone()));
    }
    // Once an account answers all that it paid has arrived, and only earlier ones pay to it.
    let mut after = Vec::new();
    for account in &accounts {
        after.push(account.send(Balance).await.expect("it answers"));
    }
    let elapsed = begin.elapsed();
    assert_eq!(after, balances(job.actors, job.messages));
    Measured::time(elapsed, job.messages)
}

// ---- dining_philosophers --------------------------------------------------------------------------------------------

struct Arbiter(Forks);

impl Actor for Arbiter {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
enum Request {
    Hungry(usize, Addr<Philosopher>),
    Done(usize),
}

impl Handler<Request> for Arbiter {
    type Result = ();

    fn handle(&mut self, request: Request, _: &mut Context<Self>) {
        match request {
            Request::Hungry(seat, who) => who.do_send(Granted(self.0.take(seat))),
            Request::Done(seat) => self.0.put_back(seat),
        }
    }
}

struct Philosopher {
    seat: usize,
    arbiter: Addr<Arbiter>,
    left: u64,
    done: UnboundedSender<u64>,
}

impl Actor for Philosopher {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.arbiter
            .do_send(Request::Hungry(self.seat, context.address()));
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Granted(bool);

impl Handler<Granted> for Philosopher {
    type Result = ();

    fn handle(&mut self, Granted(free): Granted, context: &mut Context<Self>) {
        if free {
            self.left -= 1;
            self.arbiter.do_send(Request::Done(self.seat));
        }
        match self.left {
            0 => self.done.send(1).expect("the driver counts"),
            _ => self
                .arbiter
                .do_send(Request::Hungry(self.seat, context.address())),
        }
    }
}

async fn dining(on: &Arbiters, job: Job) -> Measured {
    let (done, ended) = mpsc::unbounded_channel();
    let begin = Instant::now();
    let seats = job.actors as usize;
    let arbiter = on.start(Arbiter(Forks::new(seats)));
    let left = job.messages / job.actors;
    let philosopher = |seat| {
        let (arbiter, done) = (arbiter.clone(), done.clone());
        on.start(Philosopher {
            seat,
            arbiter,
            left,
            done,
        })
    };
    let _philosophers: Vec<_> = (0..seats).map(philosopher).collect();
    assert_eq!(reports(ended, job.actors).await, job.actors);
    Measured::time(begin.elapsed(), job.messages)
}
