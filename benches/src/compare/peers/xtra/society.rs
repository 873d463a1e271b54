//! Workloads of many actors, in xtra.

use std::time::Instant;

use tokio::sync::mpsc::{self, UnboundedSender};
use xtra::prelude::*;

use super::{Counter, Get, start, tell};
use crate::compare::measured::{Job, Measured, Outcome};
use crate::compare::peers::{TOKIOS_CHANNELS, TOKIOS_SOCKETS, cannot, reports};
use crate::compare::rules::{Forks, Random, balances, complement, transfers};
use crate::compare::workload::Workload;

pub(super) async fn perform(job: Job) -> Outcome {
    Outcome::Measured(match job.workload {
        Workload::AskParallel => ask_parallel(job).await,
        Workload::Chameneos => chameneos(job).await,
        Workload::Big => big(job).await,
        Workload::BoundedBuffer => return cannot(TOKIOS_CHANNELS),
        Workload::BankTransaction => bank(job).await,
        Workload::DiningPhilosophers => dining(job).await,
        Workload::SupervisedRestart => return cannot("it has no supervision"),
        Workload::EchoServer => return cannot(TOKIOS_SOCKETS),
        other => unreachable!("{} is done elsewhere", other.name()),
    })
}

/// The address of the actor that handles a message.
fn me<A: Actor>(context: &Context<A>) -> Address<A> {
    context
        .mailbox()
        .address()
        .try_upgrade()
        .expect("others have it too")
}

// ---- ask_parallel ---------------------------------------------------------------------------------------------------

#[derive(xtra::Actor)]
struct Asker(Vec<Address<Counter>>);

struct Rounds(u64);

impl Handler<Rounds> for Asker {
    type Return = ();

    async fn handle(&mut self, Rounds(rounds): Rounds, _: &mut Context<Self>) {
        for _ in 0..rounds {
            let mut pending = Vec::with_capacity(self.0.len());
            for counter in &self.0 {
                pending.push(counter.send(Get).detach().await.expect("it is alive"));
            }
            for answer in pending {
                assert_eq!(answer.await, Ok(0));
            }
        }
    }
}

async fn ask_parallel(job: Job) -> Measured {
    let counters = (0..job.actors).map(|_| Counter::start(None)).collect();
    let asker = start(Asker(counters), None);
    let begin = Instant::now();
    asker
        .send(Rounds(job.messages / job.actors))
        .await
        .expect("the asker ends");
    Measured::time(begin.elapsed(), job.messages)
}

// ---- chameneos ------------------------------------------------------------------------------------------------------

#[derive(xtra::Actor)]
struct Mall {
    waiting: Option<Meet>,
    left: u64,
}

struct Meet(Address<Creature>, u8);

impl Handler<Meet> for Mall {
    type Return = ();

    async fn handle(&mut self, Meet(who, colour): Meet, _: &mut Context<Self>) {
        if self.left == 0 {
            return tell(&who, Met::Over).await;
        }
        match self.waiting.take() {
            None => self.waiting = Some(Meet(who, colour)),
            Some(Meet(other, its)) => {
                self.left -= 1;
                tell(&other, Met::With(colour)).await;
                tell(&who, Met::With(its)).await;
            }
        }
    }
}

#[derive(xtra::Actor)]
struct Creature {
    mall: Address<Mall>,
    colour: u8,
    meetings: u64,
    done: UnboundedSender<u64>,
}

enum Met {
    Nobody,
    With(u8),
    Over,
}

impl Handler<Met> for Creature {
    type Return = ();

    async fn handle(&mut self, met: Met, context: &mut Context<Self>) {
        match met {
            Met::Nobody => {}
            Met::With(other) => {
                self.colour = complement(self.colour, other);
                self.meetings += 1;
            }
            Met::Over => return self.done.send(self.meetings).expect("the driver counts"),
        }
        tell(&self.mall, Meet(me(context), self.colour)).await;
    }
}

async fn chameneos(job: Job) -> Measured {
    let (done, meetings) = mpsc::unbounded_channel();
    let begin = Instant::now();
    let mall = start(
        Mall {
            waiting: None,
            left: job.messages,
        },
        None,
    );
    let mut creatures = Vec::new();
    for i in 0..job.actors {
        let (mall, colour, done) = (mall.clone(), (i % 3) as u8, done.clone());
        creatures.push(start(
            Creature {
                mall,
                colour,
                meetings: 0,
                done,
            },
            None,
        ));
    }
    for creature in &creatures {
        tell(creature, Met::Nobody).await;
    }
    assert_eq!(reports(meetings, job.actors).await, 2 * job.messages);
    Measured::time(begin.elapsed(), job.messages)
}

// ---- big ------------------------------------------------------------------------------------------------------------

#[derive(xtra::Actor)]
struct Pinger {
    others: Vec<Address<Pinger>>,
    random: Random,
    left: u64,
    done: UnboundedSender<u64>,
}

struct Go(Vec<Address<Pinger>>);
struct Ping(Address<Pinger>);
struct Pong;

impl Pinger {
    async fn next(&mut self, context: &Context<Self>) {
        let other = self.random.pick(&self.others);
        tell(other, Ping(me(context))).await;
    }
}

impl Handler<Go> for Pinger {
    type Return = ();

    async fn handle(&mut self, Go(others): Go, context: &mut Context<Self>) {
        self.others = others;
        self.next(context).await;
    }
}

impl Handler<Ping> for Pinger {
    type Return = ();

    async fn handle(&mut self, Ping(from): Ping, _: &mut Context<Self>) {
        tell(&from, Pong).await;
    }
}

impl Handler<Pong> for Pinger {
    type Return = ();

    async fn handle(&mut self, _: Pong, context: &mut Context<Self>) {
        self.left -= 1;
        match self.left {
            0 => self.done.send(1).expect("the driver counts"),
            _ => self.next(context).await,
        }
    }
}

async fn big(job: Job) -> Measured {
    let (done, ended) = mpsc::unbounded_channel();
    let left = job.messages / job.actors;
    let pinger = |i| {
        let (others, random, done) = (Vec::new(), Random::new(i), done.clone());
        start(
            Pinger {
                others,
                random,
                left,
                done,
            },
            None,
        )
    };
    let pingers: Vec<_> = (0..job.actors).map(pinger).collect();
    let begin = Instant::now();
    for pinger in &pingers {
        tell(pinger, Go(pingers.clone())).await;
    }
    assert_eq!(reports(ended, job.actors).await, job.actors);
    Measured::time(begin.elapsed(), job.messages)
}

// ---- bank_transaction -----------------------------------------------------------------------------------------------

#[derive(xtra::Actor)]
struct Account(i64);

struct Pay(Address<Account>);
struct Credit;
struct Balance;

impl Handler<Pay> for Account {
    type Return = ();

    async fn handle(&mut self, Pay(to): Pay, _: &mut Context<Self>) {
        self.0 -= 1;
        to.send(Credit).priority(1).await.expect("it answers");
    }
}

impl Handler<Credit> for Account {
    type Return = ();

    async fn handle(&mut self, _: Credit, _: &mut Context<Self>) {
        self.0 += 1;
    }
}

impl Handler<Balance> for Account {
    type Return = i64;

    async fn handle(&mut self, _: Balance, _: &mut Context<Self>) -> i64 {
        self.0
    }
}

async fn bank(job: Job) -> Measured {
    let accounts: Vec<_> = (0..job.actors).map(|_| start(Account(0), None)).collect();
    let begin = Instant::now();
    for (from, to) in transfers(job.actors, job.messages) {
        tell(&accounts[from], Pay(accounts[to].clone())).await;
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

#[derive(xtra::Actor)]
struct Arbiter(Forks);

struct Hungry(usize, Address<Philosopher>);
struct Done(usize);

impl Handler<Hungry> for Arbiter {
    type Return = ();

    async fn handle(&mut self, Hungry(seat, who): Hungry, _: &mut Context<Self>) {
        tell(&who, Granted(self.0.take(seat))).await;
    }
}

impl Handler<Done> for Arbiter {
    type Return = ();

    async fn handle(&mut self, Done(seat): Done, _: &mut Context<Self>) {
        self.0.put_back(seat);
    }
}

#[derive(xtra::Actor)]
struct Philosopher {
    seat: usize,
    arbiter: Address<Arbiter>,
    left: u64,
    done: UnboundedSender<u64>,
}

struct Granted(bool);

impl Handler<Granted> for Philosopher {
    type Return = ();

    async fn handle(&mut self, Granted(free): Granted, context: &mut Context<Self>) {
        if free {
            self.left -= 1;
            tell(&self.arbiter, Done(self.seat)).await;
        }
        match self.left {
            0 => self.done.send(1).expect("the driver counts"),
            _ => tell(&self.arbiter, Hungry(self.seat, me(context))).await,
        }
    }
}

async fn dining(job: Job) -> Measured {
    let (done, ended) = mpsc::unbounded_channel();
    let begin = Instant::now();
    let seats = job.actors as usize;
    let arbiter = start(Arbiter(Forks::new(seats)), None);
    let left = job.messages / job.actors;
    let philosopher = |seat| {
        let (arbiter, done) = (arbiter.clone(), done.clone());
        start(
            Philosopher {
                seat,
                arbiter,
                left,
                done,
            },
            None,
        )
    };
    let philosophers: Vec<_> = (0..seats).map(philosopher).collect();
    for philosopher in &philosophers {
        tell(philosopher, Granted(false)).await;
    }
    assert_eq!(reports(ended, job.actors).await, job.actors);
    Measured::time(begin.elapsed(), job.messages)
}
