//! A process with a node. It does what it is told on stdin, line by line, and says on stdout what came of it.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actor_core::channel::{self, Receiver};
use actor_core::microthread::JoinHandle;
use actor_core::migrate::{Node, Secret, TcpFarListener, TcpFarSide, TcpSettings};
use actor_core::net::TcpListener;
use actor_core::prelude::*;

use crate::things::{Ledger, door, primes};
use crate::wire::Order;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The secret of both processes is in this variable of their environment.
pub(crate) const SECRET: &str = "MIGRATE_SECRET";

/// What has come to this process.
#[derive(Clone, Default)]
struct Here {
    orders: Arc<AtomicU64>,
    sum: Arc<AtomicU64>,
    primes: Arc<Mutex<Option<u64>>>,
}

impl Here {
    /// The other side of the door's channel. It ends when that goes elsewhere.
    fn count(&self, sys: &System, orders: Receiver<Order>) {
        let here = self.clone();
        let counting = sys.spawn_microthread(move || {
            for order in orders {
                here.orders.fetch_add(1, Ordering::Relaxed);
                here.sum.fetch_add(order.amount, Ordering::Relaxed);
            }
        });
        drop(counting.expect("the system runs"));
    }

    fn wait_for_primes(&self, sys: &System, result: Receiver<u64>) {
        let here = self.clone();
        let waiting = sys.spawn_microthread(move || {
            if let Ok(count) = result.recv() {
                *here.primes.lock().unwrap_or_else(PoisonError::into_inner) = Some(count);
            }
        });
        drop(waiting.expect("the system runs"));
    }
}

fn node(name: &str, sys: &System, here: &Here) -> Result<Node> {
    let (for_door, for_primes) = (here.clone(), here.clone());
    // What arrives is handed over before it runs; the system is this one.
    let (of_door, of_primes) = (sys.clone(), sys.clone());
    Ok(Node::builder(name, sys)
        .accept_actor::<Ledger>()
        .accept_with::<door, Receiver<Order>>(move |_, orders| for_door.count(&of_door, orders))
        .accept_with::<primes, Receiver<u64>>(move |_, result| {
            for_primes.wait_for_primes(&of_primes, result);
        })
        .start()?)
}

fn say(text: impl std::fmt::Display) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{text}")?;
    out.flush()
}

/// The life of the process. `other`: where the other one listens, if it does already.
pub(crate) fn run(name: &str, other: Option<SocketAddr>) -> Result<()> {
    let secret = Secret::new(std::env::var(SECRET)?.as_bytes())?;
    let settings = TcpSettings::default();
    let sys = System::new()?;
    let here = Here::default();
    let node = node(name, &sys, &here)?;
    match other {
        Some(address) => node.attach(TcpFarSide::connect(address, name, &secret, settings)?)?,
        None => {
            let listener = TcpFarListener::bind("127.0.0.1:0", name, &secret, settings)?;
            say(listener.local_addr()?)?;
            node.attach(listener.accept()?.greet()?)?;
        }
    }
    say("ready")?;
    let mut teller = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["start", primes_below] => {
                let (door, ledger, addr) = start(&node, &sys, &here, primes_below.parse()?)?;
                teller = Some(Teller::start(&sys, addr)?);
                say(format_args!("{door} {ledger}"))?;
            }
            ["move", thing, to] => {
                let waiting = fill_mailbox(&node, thing)?;
                match node.migrate(thing, to) {
                    Ok(moved) => say(format_args!("moved {} {waiting}", moved.away.as_nanos()))?,
                    Err(error) => say(format_args!("failed: {error}"))?,
                }
            }
            ["stop-telling"] => {
                let told = teller.take().map_or(Ok(0), Teller::stop)?;
                say(told)?;
            }
            ["orders"] => {
                let (orders, sum) = (&here.orders, &here.sum);
                let order = Ordering::Relaxed;
                say(format_args!("{} {}", orders.load(order), sum.load(order)))?;
            }
            ["primes"] => {
                let count = *here.primes.lock().unwrap_or_else(PoisonError::into_inner);
                say(count.map_or("-".to_owned(), |count| count.to_string()))?;
            }
            ["ledger"] => match node.actor::<Ledger>("ledger") {
                Some(ledger) => {
                    let totals = ledger.ask().totals()?;
                    let crate::things::Totals {
                        sum,
                        told,
                        ticks,
                        alarms,
                    } = totals;
                    say(format_args!("{sum} {told} {ticks} {alarms}"))?;
                }
                None => say("-")?,
            },
            _ => return Err(format!("what is {line:?}?").into()),
        }
    }
    Ok(())
}

/// When the ledger's one alarm goes off: on its travels, most likely.
const ALARM: Duration = Duration::from_millis(500);

/// The three begin. Where the door and the ledger listen.
fn start(
    node: &Node,
    sys: &System,
    here: &Here,
    primes_below: u64,
) -> Result<(SocketAddr, SocketAddr, Addr<Ledger>)> {
    let (result, results) = channel::unbounded();
    here.wait_for_primes(sys, results.clone());
    node.spawn_with("primes", primes(primes_below, result), results)?;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let door_address = listener.local_addr()?;
    let (to, orders) = channel::unbounded();
    here.count(sys, orders.clone());
    node.spawn_with("door", door(listener, to), orders)?;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let ledger_address = listener.local_addr()?;
    let ledger = sys.spawn(Ledger::new(listener, ALARM))?;
    node.adopt("ledger", &ledger)?;
    Ok((door_address, ledger_address, ledger))
}

/// How many messages wait in the ledger's mailbox at least when it moves. Each tells it one.
const WAITING: u64 = 1_000;

/// If it is the ledger that will move: it is suspended, so that none of these is handled before.
fn fill_mailbox(node: &Node, thing: &str) -> Result<u64> {
    let Some(ledger) = node.actor::<Ledger>(thing) else {
        return Ok(0);
    };
    ledger.sys().suspend()?;
    for _ in 0..WAITING {
        ledger.tell().told(1)?;
    }
    Ok(WAITING)
}

/// Tells the ledger, by the address that it had here, wherever it is, and asks it now and then, so as not to run ahead of it.
struct Teller {
    stop: Arc<AtomicBool>,
    told: JoinHandle<u64>,
}

impl Teller {
    fn start(sys: &System, ledger: Addr<Ledger>) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let told = sys.spawn_microthread(move || {
            let mut told = 0;
            while !stopped.load(Ordering::Relaxed) {
                for amount in 1..=50 {
                    match ledger.tell().told(amount) {
                        Ok(()) => told += amount,
                        Err(_) => return told,
                    }
                }
                if ledger.ask().totals().is_err() {
                    return told;
                }
            }
            told
        })?;
        Ok(Teller { stop, told })
    }

    fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.told.join()?)
    }
}
