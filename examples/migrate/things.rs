//! What moves.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actor_core::channel::Sender;
use actor_core::microthread::{JoinHandle, checkpoint};
use actor_core::net::{TcpListener, TcpStream};
use actor_core::prelude::*;
use actor_core::{microthread, migratable};
use serde::{Deserialize, Serialize};

use crate::wire::Order;

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(2);

// ---- a microthread that computes -----------------------------------------------------------------------------------------

/// Counts the primes below `end`. It can be stopped at each division.
#[migratable]
pub(crate) fn primes(end: u64, result: Sender<u64>) {
    let mut count = u64::from(end > 2);
    for half in 1..end / 2 {
        let n = 2 * half + 1;
        let mut divisor = 3;
        let mut is_prime = true;
        while divisor * divisor <= n {
            checkpoint();
            if n % divisor == 0 {
                is_prime = false;
                break;
            }
            divisor += 2;
        }
        count += u64::from(is_prime);
    }
    let _ = result.send(count);
}

// ---- a microthread that listens ------------------------------------------------------------------------------------------

/// Takes an order from each that comes, and hands them on.
#[migratable]
pub(crate) fn door(listener: TcpListener, orders: Sender<Order>) {
    loop {
        let order = match listener.accept() {
            Ok((stream, _)) => take_order(stream),
            Err(_) => return,
        };
        // From here on it is acknowledged. It is in a variable: wherever the function goes, it goes too.
        if let Ok(order) = order
            && orders.send(order).is_err()
        {
            return;
        }
    }
}

fn take_order(mut stream: TcpStream) -> io::Result<Order> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let order = Order::read(&mut stream)?;
    stream.write_all(&[1])?;
    Ok(order)
}

// ---- an actor ------------------------------------------------------------------------------------------------------------

/// What is known of a client: the last of its orders that was counted, and their sum.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Account {
    last: u64,
    sum: u64,
}

/// What the ledger has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totals {
    /// Of all clients.
    pub(crate) sum: u64,
    /// Told by the process that it began in.
    pub(crate) told: u64,
    /// By its repeated timer.
    pub(crate) ticks: u64,
    /// By the one that goes off once.
    pub(crate) alarms: u64,
}

/// Keeps accounts for clients that connect to it, has messages told and timers set.
#[actor(snapshot)]
pub(crate) struct Ledger {
    listener: TcpListener,
    accounts: BTreeMap<u32, Account>,
    told: u64,
    ticks: u64,
    alarms: u64,
    /// When the one goes off.
    alarm: Duration,
    #[snapshot(skip)]
    live: Option<Live>,
}

impl Ledger {
    pub(crate) fn new(listener: TcpListener, alarm: Duration) -> Self {
        Ledger {
            listener,
            accounts: BTreeMap::new(),
            told: 0,
            ticks: 0,
            alarms: 0,
            alarm,
            live: None,
        }
    }
}

#[actor]
impl Ledger {
    #[on_start]
    fn open(&mut self, cx: &mut Cx<Self>) -> io::Result<()> {
        if !cx.is_restored() {
            cx.every(Duration::from_millis(10)).tick();
            cx.after(self.alarm).ring();
        }
        self.live = Some(Live::open(self.listener.try_clone()?, cx.addr()));
        Ok(())
    }

    /// Lets nobody in any more, and tells those who are in. What they have asked is answered, by the ledger at its new place.
    #[on_move]
    fn close(&mut self) {
        if let Some(live) = self.live.take() {
            live.close(&self.listener);
        }
    }

    /// An order, counted once, however often it is repeated. The client's sum.
    pub(crate) fn add(&mut self, order: Order) -> u64 {
        let account = self.accounts.entry(order.client).or_default();
        if order.number == account.last + 1 {
            account.last = order.number;
            account.sum += order.amount;
        }
        account.sum
    }

    pub(crate) fn told(&mut self, amount: u64) {
        self.told += amount;
    }

    pub(crate) fn tick(&mut self) {
        self.ticks += 1;
    }

    pub(crate) fn ring(&mut self) {
        self.alarms += 1;
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals {
            sum: self.accounts.values().map(|account| account.sum).sum(),
            told: self.told,
            ticks: self.ticks,
            alarms: self.alarms,
        }
    }
}

/// What of a ledger does not move: who waits for clients, and its sessions with them.
struct Live {
    acceptor: JoinHandle<()>,
    sessions: Sessions,
}

/// The sockets of sessions, to end them by.
type Sessions = Arc<Mutex<HashMap<u64, TcpStream>>>;

fn lock(sessions: &Sessions) -> MutexGuard<'_, HashMap<u64, TcpStream>> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    fn open(listener: TcpListener, ledger: Addr<Ledger>) -> Self {
        let sessions = Sessions::default();
        let all = sessions.clone();
        let acceptor = microthread::spawn(move || {
            for (number, stream) in (0..).zip(listener.incoming()) {
                let Ok((stream, handle)) = stream.and_then(|it| Ok((it.try_clone()?, it))) else {
                    continue; // its client has gone again
                };
                lock(&all).insert(number, handle);
                let (all, ledger) = (all.clone(), ledger.clone());
                let _detached = microthread::spawn(move || {
                    let _ = session(stream, &ledger);
                    lock(&all).remove(&number);
                });
            }
        });
        Live { acceptor, sessions }
    }

    fn close(self, listener: &TcpListener) {
        let Live { acceptor, sessions } = self;
        // Its handle must be gone before the address can be bound elsewhere.
        let _ = listener.shutdown();
        let _ = acceptor.join();
        for stream in lock(&sessions).values() {
            // It answers what it has read, reads the end, and ends.
            let _ = stream.shutdown(Shutdown::Read);
        }
    }
}

/// Orders, one after the other; each is acknowledged by the client's sum.
fn session(mut stream: TcpStream, ledger: &Addr<Ledger>) -> io::Result<()> {
    while let Some(order) = Order::read_next(&mut stream)? {
        let sum = ledger.ask().add(order).map_err(io::Error::other)?;
        stream.write_all(&sum.to_be_bytes())?;
    }
    // So that the client has read it all.
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read(&mut [0; 1]);
    Ok(())
}
