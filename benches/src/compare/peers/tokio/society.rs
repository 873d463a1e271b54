//! Workloads of many actors, as tasks of tokio.

use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::spawn;

use super::{Counter, Msg};
use crate::compare::measured::{Job, Measured, Outcome};
use crate::compare::peers::{listening, pass, reports, silence_panics};
use crate::compare::rules::{Forks, Random, balances, complement, items_sum, transfers};
use crate::compare::workload::Workload;

type Tx<T> = mpsc::UnboundedSender<T>;

pub(super) async fn perform(job: Job) -> Outcome {
    Outcome::Measured(match job.workload {
        Workload::AskParallel => ask_parallel(job).await,
        Workload::Chameneos => chameneos(job).await,
        Workload::Big => big(job).await,
        Workload::BoundedBuffer => bounded_buffer(job).await,
        Workload::BankTransaction => bank(job).await,
        Workload::DiningPhilosophers => dining(job).await,
        Workload::SupervisedRestart => restart(job).await,
        Workload::EchoServer => echo().await,
        other => unreachable!("{} is done elsewhere", other.name()),
    })
}

fn send<T>(to: &Tx<T>, msg: T) {
    assert!(to.send(msg).is_ok(), "the receiver is alive");
}

async fn ask_parallel(job: Job) -> Measured {
    let counters: Vec<_> = (0..job.actors).map(|_| Counter::start(None)).collect();
    let asker = spawn(async move {
        for _ in 0..job.messages / job.actors {
            let mut pending = Vec::with_capacity(counters.len());
            for counter in &counters {
                let (reply, answer) = oneshot::channel();
                counter.tell(Msg::Get(reply)).await;
                pending.push(answer);
            }
            for answer in pending {
                assert_eq!(answer.await, Ok(0));
            }
        }
    });
    let begin = Instant::now();
    asker.await.expect("the asker ends");
    Measured::time(begin.elapsed(), job.messages)
}

// ---- chameneos ------------------------------------------------------------------------------------------------------

enum Met {
    With(u8),
    Over,
}

async fn chameneos(job: Job) -> Measured {
    let begin = Instant::now();
    let (mall, mut visitors) = mpsc::unbounded_channel::<(Tx<Met>, u8)>();
    spawn(async move {
        let (mut waiting, mut left) = (None, job.messages);
        while let Some((who, colour)) = visitors.recv().await {
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
    let (done, meetings) = mpsc::unbounded_channel();
    for i in 0..job.actors {
        let (mall, done) = (mall.clone(), done.clone());
        spawn(async move {
            let (me, mut inbox) = mpsc::unbounded_channel();
            let (mut colour, mut meetings) = ((i % 3) as u8, 0);
            send(&mall, (me.clone(), colour));
            while let Some(Met::With(other)) = inbox.recv().await {
                colour = complement(colour, other);
                meetings += 1;
                send(&mall, (me.clone(), colour));
            }
            send(&done, meetings);
        });
    }
    assert_eq!(reports(meetings, job.actors).await, 2 * job.messages);
    Measured::time(begin.elapsed(), job.messages)
}

// ---- big ------------------------------------------------------------------------------------------------------------

enum Ball {
    Ping(Tx<Ball>),
    Pong,
}

async fn big(job: Job) -> Measured {
    let (done, ended) = mpsc::unbounded_channel();
    let (senders, inboxes): (Vec<_>, Vec<_>) =
        (0..job.actors).map(|_| mpsc::unbounded_channel()).unzip();
    let begin = Instant::now();
    for (i, mut inbox) in inboxes.into_iter().enumerate() {
        let (others, done) = (senders.clone(), done.clone());
        spawn(async move {
            let mut random = Random::new(i as u64);
            let mut next = || {
                let other = random.pick(&others);
                send(other, Ball::Ping(others[i].clone()));
            };
            let mut left = job.messages / job.actors;
            next();
            while let Some(msg) = inbox.recv().await {
                match msg {
                    Ball::Ping(from) => send(&from, Ball::Pong),
                    Ball::Pong => {
                        left -= 1;
                        match left {
                            0 => send(&done, 1),
                            _ => next(),
                        }
                    }
                }
            }
        });
    }
    assert_eq!(reports(ended, job.actors).await, job.actors);
    Measured::time(begin.elapsed(), job.messages)
}

// ---- bounded_buffer -------------------------------------------------------------------------------------------------

/// A channel with a bound, the receiving end of which is shared as tokio's documentation advises: behind a mutex.
async fn bounded_buffer(job: Job) -> Measured {
    let (put, take) = mpsc::channel(job.workload.bound().expect("it has one"));
    let half = job.actors / 2;
    let take = Arc::new(Mutex::new(take));
    let begin = Instant::now();
    for _ in 0..half {
        let put = put.clone();
        spawn(async move {
            for item in 0..job.messages / half {
                put.send(item).await.expect("someone takes it");
            }
        });
    }
    drop(put);
    let consumers: Vec<_> = (0..half)
        .map(|_| {
            let take = take.clone();
            spawn(async move {
                let mut sum = 0;
                loop {
                    let item = take.lock().await.recv().await;
                    match item {
                        Some(item) => sum += item,
                        None => return sum,
                    }
                }
            })
        })
        .collect();
    let mut sum = 0;
    for consumer in consumers {
        sum += consumer.await.expect("it ends");
    }
    assert_eq!(sum, items_sum(half, job.messages));
    Measured::time(begin.elapsed(), job.messages)
}

// ---- bank_transaction -----------------------------------------------------------------------------------------------

enum Order {
    Pay(Tx<Order>),
    Credit(oneshot::Sender<()>),
    Balance(oneshot::Sender<i64>),
}

async fn ask<T>(account: &Tx<Order>, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> T {
    let (reply, answer) = oneshot::channel();
    send(account, order(reply));
    answer.await.expect("it answers")
}

fn account() -> Tx<Order> {
    let (tx, mut orders) = mpsc::unbounded_channel();
    spawn(async move {
        let mut balance = 0;
        while let Some(order) = orders.recv().await {
            match order {
                Order::Pay(to) => {
                    balance -= 1;
                    ask(&to, Order::Credit).await;
                }
                Order::Credit(reply) => {
                    balance += 1;
                    reply.send(()).expect("the payer waits");
                }
                Order::Balance(reply) => reply.send(balance).expect("the teller waits"),
            }
        }
    });
    tx
}

async fn bank(job: Job) -> Measured {
    let accounts: Vec<_> = (0..job.actors).map(|_| account()).collect();
    let begin = Instant::now();
    for (from, to) in transfers(job.actors, job.messages) {
        pass(job).await;
        send(&accounts[from], Order::Pay(accounts[to].clone()));
    }
    // Once an account answers all that it paid has arrived, and only earlier ones pay to it.
    let mut after = Vec::new();
    for account in &accounts {
        after.push(ask(account, Order::Balance).await);
    }
    let elapsed = begin.elapsed();
    assert_eq!(after, balances(job.actors, job.messages));
    Measured::time(elapsed, job.messages)
}

// ---- dining_philosophers --------------------------------------------------------------------------------------------

enum Request {
    Hungry(usize, Tx<bool>),
    Done(usize),
}

async fn dining(job: Job) -> Measured {
    let begin = Instant::now();
    let (arbiter, mut requests) = mpsc::unbounded_channel();
    let seats = job.actors as usize;
    spawn(async move {
        let mut forks = Forks::new(seats);
        while let Some(request) = requests.recv().await {
            match request {
                Request::Hungry(seat, who) => send(&who, forks.take(seat)),
                Request::Done(seat) => forks.put_back(seat),
            }
        }
    });
    let (done, ended) = mpsc::unbounded_channel();
    for seat in 0..seats {
        let (arbiter, done) = (arbiter.clone(), done.clone());
        spawn(async move {
            let (me, mut answers) = mpsc::unbounded_channel();
            let mut left = job.messages / job.actors;
            while left > 0 {
                send(&arbiter, Request::Hungry(seat, me.clone()));
                if answers.recv().await.expect("the arbiter answers") {
                    left -= 1;
                    send(&arbiter, Request::Done(seat));
                }
            }
            send(&done, 1);
        });
    }
    assert_eq!(reports(ended, job.actors).await, job.actors);
    Measured::time(begin.elapsed(), job.messages)
}

// ---- supervised_restart ---------------------------------------------------------------------------------------------

/// A task that starts another again whenever that panics; the channel outlives it.
async fn restart(job: Job) -> Measured {
    silence_panics();
    let (fragile, inbox) = mpsc::unbounded_channel::<Option<oneshot::Sender<u64>>>();
    spawn(async move {
        let inbox = Arc::new(Mutex::new(inbox));
        loop {
            let inbox = inbox.clone();
            let life = spawn(async move {
                let (mut n, mut inbox) = (0, inbox.lock().await);
                while let Some(msg) = inbox.recv().await {
                    n += 1;
                    msg.expect("to panic, on purpose")
                        .send(n)
                        .expect("the asker waits");
                }
            });
            if life.await.is_ok() {
                return;
            }
        }
    });
    let begin = Instant::now();
    for _ in 0..job.messages {
        send(&fragile, None);
        let (reply, answer) = oneshot::channel();
        send(&fragile, Some(reply));
        assert_eq!(answer.await, Ok(1));
    }
    Measured::time(begin.elapsed(), job.messages)
}

// ---- echo_server ----------------------------------------------------------------------------------------------------

/// A task for each connection.
async fn echo() -> ! {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listening(listener.local_addr().expect("it is bound").port());
    loop {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("it is open");
        spawn(async move {
            let mut buffer = [0; 1024];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                stream
                    .write_all(&buffer[..read])
                    .await
                    .expect("the client reads");
            }
        });
    }
}
