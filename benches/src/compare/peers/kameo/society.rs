//! Workloads of many actors, in kameo.

use std::time::{Duration, Instant};

use kameo::error::Infallible;
use kameo::prelude::*;
use kameo::supervision::RestartPolicy;
use tokio::sync::mpsc::{self, UnboundedSender};

use super::{Counter, Get, start};
use crate::compare::measured::{Job, Measured, Outcome};
use crate::compare::peers::{TOKIOS_CHANNELS, TOKIOS_SOCKETS, cannot, reports, silence_panics};
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
        Workload::SupervisedRestart => restart(job).await,
        Workload::EchoServer => return cannot(TOKIOS_SOCKETS),
        other => unreachable!("{} is done elsewhere", other.name()),
    })
}

macro_rules! tell {
    ($to:expr, $msg:expr) => {
        $to.tell($msg).await.expect("it is alive")
    };
}

// ---- ask_parallel ---------------------------------------------------------------------------------------------------

#[derive(Actor)]
struct Asker(Vec<ActorRef<Counter>>);

#[messages]
impl Asker {
    #[message]
    async fn go(&mut self, rounds: u64) {
        for _ in 0..rounds {
            let mut pending = Vec::with_capacity(self.0.len());
            for counter in &self.0 {
                pending.push(counter.ask(Get).enqueue().await.expect("it is alive"));
            }
            for answer in pending {
                assert_eq!(answer.await.expect("the counter answers"), 0);
            }
        }
    }
}

async fn ask_parallel(job: Job) -> Measured {
    let counters = (0..job.actors).map(|_| start((), None)).collect();
    let asker = start::<Asker>(Asker(counters), None);
    let begin = Instant::now();
    let rounds = job.messages / job.actors;
    asker.ask(Go { rounds }).await.expect("the asker ends");
    Measured::time(begin.elapsed(), job.messages)
}

// ---- chameneos ------------------------------------------------------------------------------------------------------

#[derive(Actor)]
struct Mall {
    waiting: Option<(ActorRef<Creature>, u8)>,
    left: u64,
}

#[messages]
impl Mall {
    #[message]
    async fn meet(&mut self, who: ActorRef<Creature>, colour: u8) {
        if self.left == 0 {
            return tell!(who, Over);
        }
        match self.waiting.take() {
            None => self.waiting = Some((who, colour)),
            Some((other, its)) => {
                self.left -= 1;
                tell!(other, Met { other: colour });
                tell!(who, Met { other: its });
            }
        }
    }
}

struct Creature {
    me: ActorRef<Creature>,
    mall: ActorRef<Mall>,
    colour: u8,
    meetings: u64,
    done: UnboundedSender<u64>,
}

impl Actor for Creature {
    type Args = (ActorRef<Mall>, u8, UnboundedSender<u64>);
    type Error = Infallible;

    async fn on_start(
        (mall, colour, done): Self::Args,
        me: ActorRef<Self>,
    ) -> Result<Self, Infallible> {
        let creature = Creature {
            me,
            mall,
            colour,
            meetings: 0,
            done,
        };
        creature.go().await;
        Ok(creature)
    }
}

#[messages]
impl Creature {
    async fn go(&self) {
        let (who, colour) = (self.me.clone(), self.colour);
        tell!(self.mall, Meet { who, colour });
    }

    #[message]
    async fn met(&mut self, other: u8) {
        self.colour = complement(self.colour, other);
        self.meetings += 1;
        self.go().await;
    }

    #[message]
    fn over(&mut self) {
        self.done.send(self.meetings).expect("the driver counts");
    }
}

async fn chameneos(job: Job) -> Measured {
    let (done, meetings) = mpsc::unbounded_channel();
    let begin = Instant::now();
    let mall = start::<Mall>(
        Mall {
            waiting: None,
            left: job.messages,
        },
        None,
    );
    for i in 0..job.actors {
        start::<Creature>((mall.clone(), (i % 3) as u8, done.clone()), None);
    }
    assert_eq!(reports(meetings, job.actors).await, 2 * job.messages);
    Measured::time(begin.elapsed(), job.messages)
}

// ---- big ------------------------------------------------------------------------------------------------------------

#[derive(Actor)]
struct Pinger {
    others: Vec<ActorRef<Pinger>>,
    me: usize,
    random: Random,
    left: u64,
    done: UnboundedSender<u64>,
}

#[messages]
impl Pinger {
    async fn next_one(&mut self) {
        let other = self.random.pick(&self.others);
        let from = self.others[self.me].clone();
        tell!(other, Ping { from });
    }

    #[message]
    async fn begin(&mut self, others: Vec<ActorRef<Pinger>>) {
        self.others = others;
        self.next_one().await;
    }

    #[message]
    async fn ping(&mut self, from: ActorRef<Pinger>) {
        tell!(from, Pong);
    }

    #[message]
    async fn pong(&mut self) {
        self.left -= 1;
        match self.left {
            0 => self.done.send(1).expect("the driver counts"),
            _ => self.next_one().await,
        }
    }
}

async fn big(job: Job) -> Measured {
    let (done, ended) = mpsc::unbounded_channel();
    let left = job.messages / job.actors;
    let pinger = |me| {
        let (others, random, done) = (Vec::new(), Random::new(me as u64), done.clone());
        start::<Pinger>(
            Pinger {
                others,
                me,
                random,
                left,
                done,
            },
            None,
        )
    };
    let pingers: Vec<_> = (0..job.actors as usize).map(pinger).collect();
    let begin = Instant::now();
    for pinger in &pingers {
        tell!(
            pinger,
            Begin {
                others: pingers.clone()
            }
        );
    }
    assert_eq!(reports(ended, job.actors).await, job.actors);
    Measured::time(begin.elapsed(), job.messages)
}

// ---- bank_transaction -----------------------------------------------------------------------------------------------

#[derive(Actor)]
struct Account(i64);

#[messages]
impl Account {
    #[message]
    async fn pay(&mut self, to: ActorRef<Account>) {
        self.0 -= 1;
        to.ask(Credit).await.expect("it answers");
    }

    #[message]
    fn credit(&mut self) {
        self.0 += 1;
    }

    #[message]
    fn balance(&self) -> i64 {
        self.0
    }
}

async fn bank(job: Job) -> Measured {
    let accounts: Vec<_> = (0..job.actors)
        .map(|_| start::<Account>(Account(0), None))
        .collect();
    let begin = Instant::now();
    for (from, to) in transfers(job.actors, job.messages) {
        tell!(
            accounts[from],
            Pay {
                to: accounts[to].clone()
            }
        );
    }
    // Once an account answers all that it paid has arrived, and only earlier ones pay to it.
    let mut after = Vec::new();
    for account in &accounts {
        after.push(account.ask(Balance).await.expect("it answers"));
    }
    let elapsed = begin.elapsed();
    assert_eq!(after, balances(job.actors, job.messages));
    Measured::time(elapsed, job.messages)
}

// ---- dining_philosophers --------------------------------------------------------------------------------------------

#[derive(Actor)]
struct Arbiter(Forks);

#[messages]
impl Arbiter {
    #[message]
    async fn hungry(&mut self, seat: usize, who: ActorRef<Philosopher>) {
        match self.0.take(seat) {
            true => tell!(who, Eat),
            false => tell!(who, Denied),
        }
    }

    #[message]
    fn done(&mut self, seat: usize) {
        self.0.put_back(seat);
    }
}

struct Philosopher {
    me: ActorRef<Philosopher>,
    seat: usize,
    arbiter: ActorRef<Arbiter>,
    left: u64,
    done: UnboundedSender<u64>,
}

impl Actor for Philosopher {
    type Args = (usize, ActorRef<Arbiter>, u64, UnboundedSender<u64>);
    type Error = Infallible;

    async fn on_start(
        (seat, arbiter, left, done): Self::Args,
        me: ActorRef<Self>,
    ) -> Result<Self, Infallible> {
        let philosopher = Philosopher {
            me,
            seat,
            arbiter,
            left,
            done,
        };
        philosopher.ask().await;
        Ok(philosopher)
    }
}

#[messages]
impl Philosopher {
    async fn ask(&self) {
        let (seat, who) = (self.seat, self.me.clone());
        tell!(self.arbiter, Hungry { seat, who });
    }

    #[message]
    async fn denied(&mut self) {
        self.ask().await;
    }

    #[message]
    async fn eat(&mut self) {
        self.left -= 1;
        tell!(self.arbiter, Done { seat: self.seat });
        match self.left {
            0 => self.done.send(1).expect("the driver counts"),
            _ => self.ask().await,
        }
    }
}

async fn dining(job: Job) -> Measured {
    let (done, ended) = mpsc::unbounded_channel();
    let begin = Instant::now();
    let seats = job.actors as usize;
    let arbiter = start::<Arbiter>(Arbiter(Forks::new(seats)), None);
    for seat in 0..seats {
        let left = job.messages / job.actors;
        start::<Philosopher>((seat, arbiter.clone(), left, done.clone()), None);
    }
    assert_eq!(reports(ended, job.actors).await, job.actors);
    Measured::time(begin.elapsed(), job.messages)
}

// ---- supervised_restart ---------------------------------------------------------------------------------------------

#[derive(Actor)]
struct Supervisor;

struct Fragile(u64);

impl Actor for Fragile {
    type Args = ();
    type Error = Infallible;

    async fn on_start((): (), _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Fragile(0))
    }
}

#[messages]
impl Fragile {
    #[message]
    fn crash(&mut self) {
        panic!("on purpose")
    }

    #[message]
    fn bump(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

async fn restart(job: Job) -> Measured {
    silence_panics();
    let supervisor = Supervisor::spawn(Supervisor);
    let fragile = Fragile::supervise(&supervisor, ())
        .restart_policy(RestartPolicy::Permanent)
        .restart_limit(u32::MAX, Duration::from_secs(1))
        .spawn()
        .await;
    let begin = Instant::now();
    for _ in 0..job.messages {
        tell!(fragile, Crash);
        // What the life that ends had in its mailbox is refused.
        let bumped = loop {
            match fragile.ask(Bump).await {
                Ok(bumped) => break bumped,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        assert_eq!(bumped, 1);
    }
    Measured::time(begin.elapsed(), job.messages)
}
