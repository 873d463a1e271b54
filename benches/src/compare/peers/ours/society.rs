//! Workloads of many actors, in this library.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use actor_core::channel::{self, Sender};
use actor_core::net::TcpListener;
use actor_core::prelude::*;

use super::{Counter, Counts, start};
use crate::compare::measured::{Job, Measured, Outcome};
use crate::compare::peers::{listening, silence_panics};
use crate::compare::rules::{Forks, Random, balances, complement, items_sum, transfers};
use crate::compare::workload::Workload;

pub(super) fn perform(sys: &System, job: Job) -> Outcome {
    Outcome::Measured(match job.workload {
        Workload::AskParallel => ask_parallel(sys, job),
        Workload::Chameneos => chameneos(sys, job),
        Workload::Big => big(sys, job),
        Workload::BoundedBuffer => bounded_buffer(job),
        Workload::BankTransaction => bank(sys, job),
        Workload::DiningPhilosophers => dining(sys, job),
        Workload::SupervisedRestart => restart(sys, job),
        Workload::EchoServer => echo(),
        other => unreachable!("{} is done elsewhere", other.name()),
    })
}

// ---- ask_parallel ---------------------------------------------------------------------------------------------------

#[actor]
struct Asker(Vec<Addr<Counter>>);

#[actor]
impl Asker {
    pub(crate) fn go(&mut self, rounds: u64) {
        for _ in 0..rounds {
            let pending: Vec<_> = self
                .0
                .iter()
                .map(|counter| counter.request().get())
                .collect();
            for answer in pending {
                assert_eq!(answer.wait().expect("the counter answers"), 0);
            }
        }
    }
}

fn ask_parallel(sys: &System, job: Job) -> Measured {
    let counters = (0..job.actors)
        .map(|_| start(sys, Counter::new()))
        .collect();
    let asker = start(sys, Asker(counters));
    let begin = Instant::now();
    asker
        .ask()
        .go(job.messages / job.actors)
        .expect("the asker ends");
    Measured::time(begin.elapsed(), job.messages)
}

// ---- chameneos ------------------------------------------------------------------------------------------------------

#[actor]
struct Mall {
    waiting: Option<(Addr<Creature>, u8)>,
    left: u64,
}

#[actor]
impl Mall {
    pub(crate) fn meet(&mut self, who: Addr<Creature>, colour: u8) {
        if self.left == 0 {
            return who.tell().over().expect("it waits");
        }
        match self.waiting.take() {
            None => self.waiting = Some((who, colour)),
            Some((other, its)) => {
                self.left -= 1;
                other.tell().met(colour).expect("it waits");
                who.tell().met(its).expect("it waits");
            }
        }
    }
}

#[actor]
struct Creature {
    mall: Addr<Mall>,
    colour: u8,
    meetings: u64,
    done: Sender<u64>,
}

#[actor]
impl Creature {
    #[on_start]
    fn go(&mut self, cx: &mut Cx<Self>) {
        self.mall
            .tell()
            .meet(cx.addr(), self.colour)
            .expect("the mall is there");
    }

    pub(crate) fn met(&mut self, cx: &mut Cx<Self>, other: u8) {
        self.colour = complement(self.colour, other);
        self.meetings += 1;
        self.go(cx);
    }

    pub(crate) fn over(&mut self) {
        self.done.send(self.meetings).expect("the driver counts");
    }
}

fn chameneos(sys: &System, job: Job) -> Measured {
    let (done, meetings) = channel::unbounded();
    let begin = Instant::now();
    let mall = start(
        sys,
        Mall {
            waiting: None,
            left: job.messages,
        },
    );
    let creature = |i| Creature {
        mall: mall.clone(),
        colour: (i % 3) as u8,
        meetings: 0,
        done: done.clone(),
    };
    let _creatures: Vec<_> = (0..job.actors).map(|i| start(sys, creature(i))).collect();
    let meetings = (0..job.actors).map(|_| meetings.recv().expect("each reports"));
    assert_eq!(meetings.sum::<u64>(), 2 * job.messages);
    Measured::time(begin.elapsed(), job.messages)
}

// ---- big ------------------------------------------------------------------------------------------------------------

#[actor]
struct Pinger {
    others: Vec<Addr<Pinger>>,
    random: Random,
    left: u64,
    done: Sender<()>,
}

#[actor]
impl Pinger {
    pub(crate) fn go(&mut self, cx: &mut Cx<Self>, others: Vec<Addr<Pinger>>) {
        self.others = others;
        self.next(cx);
    }

    fn next(&mut self, cx: &mut Cx<Self>) {
        self.random
            .pick(&self.others)
            .tell()
            .ping(cx.addr())
            .expect("it is alive");
    }

    pub(crate) fn ping(&mut self, from: Addr<Pinger>) {
        from.tell().pong().expect("it waits");
    }

    pub(crate) fn pong(&mut self, cx: &mut Cx<Self>) {
        self.left -= 1;
        match self.left {
            0 => self.done.send(()).expect("the driver counts"),
            _ => self.next(cx),
        }
    }
}

fn big(sys: &System, job: Job) -> Measured {
    let (done, ended) = channel::unbounded();
    let left = job.messages / job.actors;
    let pinger = |i| Pinger {
        others: Vec::new(),
        random: Random::new(i),
        left,
        done: done.clone(),
    };
    let pingers: Vec<_> = (0..job.actors).map(|i| start(sys, pinger(i))).collect();
    let begin = Instant::now();
    for pinger in &pingers {
        pinger.tell().go(pingers.clone()).expect("it is alive");
    }
    (0..job.actors).for_each(|_| ended.recv().expect("each ends"));
    Measured::time(begin.elapsed(), job.messages)
}

// ---- bounded_buffer -------------------------------------------------------------------------------------------------

/// A channel with a bound is such a buffer.
fn bounded_buffer(job: Job) -> Measured {
    let (put, take) = channel::bounded(job.workload.bound().expect("it has one"));
    let half = job.actors / 2;
    let begin = Instant::now();
    for _ in 0..half {
        let put = put.clone();
        let _ = microthread::spawn(move || {
            (0..job.messages / half).for_each(|item| put.send(item).expect("someone takes it"));
        });
    }
    drop(put);
    let consumers: Vec<_> = (0..half)
        .map(|_| {
            let take = take.clone();
            microthread::spawn(move || take.iter().sum::<u64>())
        })
        .collect();
    let sum: u64 = consumers
        .into_iter()
        .map(|it| it.join().expect("it ends"))
        .sum();
    assert_eq!(sum, items_sum(half, job.messages));
    Measured::time(begin.elapsed(), job.messages)
}

// ---- bank_transaction -----------------------------------------------------------------------------------------------

#[actor]
struct Account(i64);

#[actor]
impl Account {
    pub(crate) fn pay(&mut self, to: Addr<Account>) {
        self.0 -= 1;
        to.ask().credit().expect("it answers");
    }

    pub(crate) fn credit(&mut self) {
        self.0 += 1;
    }

    pub(crate) fn balance(&self) -> i64 {
        self.0
    }
}

#[preemptible]
fn tell_to_pay(accounts: &[Addr<Account>], job: Job) {
    for (from, to) in transfers(job.actors, job.messages) {
        accounts[from]
            .tell()
            .pay(accounts[to].clone())
            .expect("it is alive");
    }
}

fn bank(sys: &System, job: Job) -> Measured {
    let accounts: Vec<_> = (0..job.actors).map(|_| start(sys, Account(0))).collect();
    let begin = Instant::now();
    tell_to_pay(&accounts, job);
    // Once an account answers all that it paid has arrived, and only earlier ones pay to it.
    let balance = |it: &Addr<Account>| it.ask().balance().expect("it answers");
    let after: Vec<_> = accounts.iter().map(balance).collect();
    let elapsed = begin.elapsed();
    assert_eq!(after, balances(job.actors, job.messages));
    Measured::time(elapsed, job.messages)
}

// ---- dining_philosophers --------------------------------------------------------------------------------------------

#[actor]
struct Arbiter(Forks);

#[actor]
impl Arbiter {
    pub(crate) fn hungry(&mut self, seat: usize, who: Addr<Philosopher>) {
        match self.0.take(seat) {
            true => who.tell().eat().expect("it waits"),
            false => who.tell().denied().expect("it waits"),
        }
    }

    pub(crate) fn done(&mut self, seat: usize) {
        self.0.put_back(seat);
    }
}

#[actor]
struct Philosopher {
    seat: usize,
    arbiter: Addr<Arbiter>,
    left: u64,
    done: Sender<()>,
}

#[actor]
impl Philosopher {
    #[on_start]
    fn start(&mut self, cx: &mut Cx<Self>) {
        self.denied(cx);
    }

    pub(crate) fn denied(&mut self, cx: &mut Cx<Self>) {
        self.arbiter
            .tell()
            .hungry(self.seat, cx.addr())
            .expect("it is alive");
    }

    pub(crate) fn eat(&mut self, cx: &mut Cx<Self>) {
        self.left -= 1;
        self.arbiter.tell().done(self.seat).expect("it is alive");
        match self.left {
            0 => self.done.send(()).expect("the driver counts"),
            _ => self.denied(cx),
        }
    }
}

fn dining(sys: &System, job: Job) -> Measured {
    let (done, ended) = channel::unbounded();
    let begin = Instant::now();
    let seats = job.actors as usize;
    let arbiter = start(sys, Arbiter(Forks::new(seats)));
    let left = job.messages / job.actors;
    let philosopher = |seat| Philosopher {
        seat,
        arbiter: arbiter.clone(),
        left,
        done: done.clone(),
    };
    let _philosophers: Vec<_> = (0..seats)
        .map(|seat| start(sys, philosopher(seat)))
        .collect();
    (0..seats).for_each(|_| ended.recv().expect("each has eaten"));
    Measured::time(begin.elapsed(), job.messages)
}

// ---- supervised_restart ---------------------------------------------------------------------------------------------

#[actor]
struct Fragile(u64);

#[actor]
impl Fragile {
    pub(crate) fn crash(&mut self) {
        panic!("on purpose")
    }

    pub(crate) fn bump(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

fn restart(sys: &System, job: Job) -> Measured {
    silence_panics();
    let often = Duration::from_secs(1);
    let supervisor = Supervisor::builder().intensity(u32::MAX, often).start(sys);
    let spec = ChildSpec::new("fragile", || Fragile(0)).restart(Restart::Permanent);
    let fragile = supervisor
        .expect("a supervisor")
        .start_child(spec)
        .expect("it starts");
    let begin = Instant::now();
    for _ in 0..job.messages {
        fragile.tell().crash().expect("its mailbox stays");
        assert_eq!(fragile.ask().bump().expect("the next life answers"), 1);
    }
    Measured::time(begin.elapsed(), job.messages)
}

// ---- echo_server ----------------------------------------------------------------------------------------------------

/// A microthread for each connection.
fn echo() -> ! {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listening(listener.local_addr().expect("it is bound").port());
    loop {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.set_nodelay(true).expect("it is open");
        let _ = microthread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                stream.write_all(&buffer[..read]).expect("the client reads");
            }
        });
    }
}
