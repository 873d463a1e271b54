//! Workloads of many, as coroutines of may.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Instant;

use may::go;
use may::net::TcpListener;
use may::sync::mpsc::{self, Sender};
use may::sync::{Mutex, Semphore, mpmc};

use super::{Msg, counter};
use crate::compare::measured::{Job, Measured, Outcome};
use crate::compare::peers::{listening, silence_panics};
use crate::compare::rules::{Forks, Random, balances, complement, items_sum, transfers};
use crate::compare::workload::Workload;

pub(super) fn perform(job: Job) -> Outcome {
    Outcome::Measured(match job.workload {
        Workload::AskParallel => ask_parallel(job),
        Workload::Chameneos => chameneos(job),
        Workload::Big => big(job),
        Workload::BoundedBuffer => bounded_buffer(job),
        Workload::BankTransaction => bank(job),
        Workload::DiningPhilosophers => dining(job),
        Workload::SupervisedRestart => restart(job),
        Workload::EchoServer => echo(),
        other => unreachable!("{} is done elsewhere", other.name()),
    })
}

fn send<T>(to: &Sender<T>, msg: T) {
    assert!(to.send(msg).is_ok(), "the receiver is alive");
}

/// One channel takes all answers of a round: they are added up.
fn ask_parallel(job: Job) -> Measured {
    let counters: Vec<_> = (0..job.actors).map(|_| counter()).collect();
    let begin = Instant::now();
    let (reply, answer) = mpsc::channel();
    for _ in 0..job.messages / job.actors {
        counters
            .iter()
            .for_each(|counter| send(counter, Msg::Get(reply.clone())));
        let answers = counters
            .iter()
            .map(|_| answer.recv().expect("each answers"));
        assert_eq!(answers.sum::<u64>(), 0);
    }
    Measured::time(begin.elapsed(), job.messages)
}

// ---- chameneos ------------------------------------------------------------------------------------------------------

enum Met {
    With(u8),
    Over,
}

fn chameneos(job: Job) -> Measured {
    let begin = Instant::now();
    let (mall, visitors) = mpsc::channel::<(Sender<Met>, u8)>();
    go!(move || {
        let (mut waiting, mut left) = (None, job.messages);
        for (who, colour) in visitors.iter() {
            if left == 0 {
                send(&who, Met::Over);
                continue;
            }
            match waiting.take() {
                None => waiting = Some((who, colour)),
                Some((other, its)) => {
                    left -= 1;
                    send(&other, Met::With(colour));
                    send(&who, Met::With(its));
                }
            }
        }
    });
    let creature = |i| {
        let mall = mall.clone();
        go!(move || {
            let (me, inbox) = mpsc::channel();
            let (mut colour, mut meetings) = ((i % 3) as u8, 0);
            send(&mall, (me.clone(), colour));
            while let Ok(Met::With(other)) = inbox.recv() {
                colour = complement(colour, other);
                meetings += 1;
                send(&mall, (me.clone(), colour));
            }
            meetings
        })
    };
    let creatures: Vec<_> = (0..job.actors).map(creature).collect();
    let meetings: u64 = creatures
        .into_iter()
        .map(|it| it.join().expect("each reports"))
        .sum();
    assert_eq!(meetings, 2 * job.messages);
    Measured::time(begin.elapsed(), job.messages)
}

// ---- big ------------------------------------------------------------------------------------------------------------

enum Ball {
    Ping(Sender<Ball>),
    Pong,
}

fn big(job: Job) -> Measured {
    let (done, ended) = mpsc::channel();
    let (senders, inboxes): (Vec<_>, Vec<_>) = (0..job.actors).map(|_| mpsc::channel()).unzip();
    let begin = Instant::now();
    for (i, inbox) in inboxes.into_iter().enumerate() {
        let (others, done) = (senders.clone(), done.clone());
        go!(move || {
            let mut random = Random::new(i as u64);
            let mut next = || {
                let other = random.pick(&others);
                send(other, Ball::Ping(others[i].clone()));
            };
            let mut left = job.messages / job.actors;
            next();
            for msg in inbox.iter() {
                match msg {
                    Ball::Ping(from) => send(&from, Ball::Pong),
                    Ball::Pong => {
                        left -= 1;
                        match left {
                            0 => send(&done, ()),
                            _ => next(),
                        }
                    }
                }
            }
        });
    }
    (0..job.actors).for_each(|_| ended.recv().expect("each ends"));
    Measured::time(begin.elapsed(), job.messages)
}

// ---- bounded_buffer -------------------------------------------------------------------------------------------------

/// A channel of many receivers, and a semaphore for its places, as it has no bound of its own.
fn bounded_buffer(job: Job) -> Measured {
    let places = Arc::new(Semphore::new(job.workload.bound().expect("it has one")));
    let (put, take) = mpmc::channel();
    let half = job.actors / 2;
    let begin = Instant::now();
    for _ in 0..half {
        let (put, places) = (put.clone(), places.clone());
        go!(move || {
            for item in 0..job.messages / half {
                places.wait();
                put.send(item).expect("someone takes it");
            }
        });
    }
    drop(put);
    let consumer = |_| {
        let (take, places) = (take.clone(), places.clone());
        go!(move || {
            let mut sum = 0;
            while let Ok(item) = take.recv() {
                places.post();
                sum += item;
            }
            sum
        })
    };
    let consumers: Vec<_> = (0..half).map(consumer).collect();
    let sum: u64 = consumers
        .into_iter()
        .map(|it| it.join().expect("it ends"))
        .sum();
    assert_eq!(sum, items_sum(half, job.messages));
    Measured::time(begin.elapsed(), job.messages)
}

// ---- bank_transaction -----------------------------------------------------------------------------------------------

enum Order {
    Pay(Sender<Order>),
    Credit(Sender<i64>),
    Balance(Sender<i64>),
}

fn account() -> Sender<Order> {
    let (tx, orders) = mpsc::channel();
    go!(move || {
        let (credit, credited) = mpsc::channel();
        let mut balance = 0;
        for order in orders.iter() {
            match order {
                Order::Pay(to) => {
                    balance -= 1;
                    send(&to, Order::Credit(credit.clone()));
                    credited.recv().expect("it answers");
                }
                Order::Credit(reply) => {
                    balance += 1;
                    send(&reply, balance);
                }
                Order::Balance(reply) => send(&reply, balance),
            }
        }
    });
    tx
}

fn bank(job: Job) -> Measured {
    let accounts: Vec<_> = (0..job.actors).map(|_| account()).collect();
    let begin = Instant::now();
    for (from, to) in transfers(job.actors, job.messages) {
        send(&accounts[from], Order::Pay(accounts[to].clone()));
    }
    // Once an account answers all that it paid has arrived, and only earlier ones pay to it.
    let (reply, answer) = mpsc::channel();
    let balance = |account: &Sender<Order>| {
        send(account, Order::Balance(reply.clone()));
        answer.recv().expect("it answers")
    };
    let after: Vec<_> = accounts.iter().map(balance).collect();
    let elapsed = begin.elapsed();
    assert_eq!(after, balances(job.actors, job.messages));
    Measured::time(elapsed, job.messages)
}

// ---- dining_philosophers --------------------------------------------------------------------------------------------

enum Request {
    Hungry(usize, Sender<bool>),
    Done(usize),
}

fn dining(job: Job) -> Measured {
    let begin = Instant::now();
    let (arbiter, requests) = mpsc::channel();
    let seats = job.actors as usize;
    go!(move || {
        let mut forks = Forks::new(seats);
        for request in requests.iter() {
            match request {
                Request::Hungry(seat, who) => send(&who, forks.take(seat)),
                Request::Done(seat) => forks.put_back(seat),
            }
        }
    });
    let philosopher = |seat| {
        let arbiter = arbiter.clone();
        go!(move || {
            let (me, answers) = mpsc::channel();
            let mut left = job.messages / job.actors;
            while left > 0 {
                send(&arbiter, Request::Hungry(seat, me.clone()));
                if answers.recv().expect("the arbiter answers") {
                    left -= 1;
                    send(&arbiter, Request::Done(seat));
                }
            }
        })
    };
    let philosophers: Vec<_> = (0..seats).map(philosopher).collect();
    philosophers
        .into_iter()
        .for_each(|it| it.join().expect("each has eaten"));
    Measured::time(begin.elapsed(), job.messages)
}

// ---- supervised_restart ---------------------------------------------------------------------------------------------

/// A coroutine that starts another again whenever that panics; the channel outlives it.
fn restart(job: Job) -> Measured {
    silence_panics();
    let (fragile, inbox) = mpsc::channel::<Option<Sender<u64>>>();
    go!(move || {
        let inbox = Arc::new(Mutex::new(inbox));
        loop {
            let inbox = inbox.clone();
            let life = go!(move || {
                // Whoever held it before has panicked.
                let inbox = inbox.lock().unwrap_or_else(|it| it.into_inner());
                for (n, msg) in inbox.iter().enumerate() {
                    send(&msg.expect("to panic, on purpose"), n as u64 + 1);
                }
            });
            if life.join().is_ok() {
                return;
            }
        }
    });
    let begin = Instant::now();
    let (reply, answer) = mpsc::channel();
    for _ in 0..job.messages {
        send(&fragile, None);
        send(&fragile, Some(reply.clone()));
        assert_eq!(answer.recv(), Ok(1));
    }
    Measured::time(begin.elapsed(), job.messages)
}

// ---- echo_server ----------------------------------------------------------------------------------------------------

/// A coroutine for each connection.
fn echo() -> ! {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listening(listener.local_addr().expect("it is bound").port());
    loop {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.set_nodelay(true).expect("it is open");
        go!(move || {
            let mut buffer = [0; 1024];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                stream.write_all(&buffer[..read]).expect("the client reads");
            }
        });
    }
}
