//! Clients, as anybody would write them: threads with sockets of std's. What is not acknowledged is said again.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::wire::Order;

/// How long an answer may take: longer than anything is away.
const PATIENCE: Duration = Duration::from_secs(20);

/// Clients of one service.
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Summary>>,
}

/// What a client has had acknowledged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) orders: u64,
    pub(crate) sum: u64,
    /// The longest that an order took, with all attempts.
    pub(crate) longest: Duration,
}

/// How a client talks to a service: on a connection for each order, or on one for many.
type Attempt = fn(&mut Option<TcpStream>, SocketAddr, Order) -> io::Result<()>;

fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// To the door: one order a connection.
pub(crate) fn knock(_: &mut Option<TcpStream>, to: SocketAddr, order: Order) -> io::Result<()> {
    let mut stream = connect(to)?;
    stream.write_all(&order.bytes())?;
    stream.read_exact(&mut [0; 1])
}

/// To the ledger: as many as there is a connection for.
pub(crate) fn book(kept: &mut Option<TcpStream>, to: SocketAddr, order: Order) -> io::Result<()> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => connect(to)?,
    };
    stream.write_all(&order.bytes())?;
    stream.read_exact(&mut [0; 8])?;
    *kept = Some(stream);
    Ok(())
}

impl Clients {
    pub(crate) fn start(count: u32, to: SocketAddr, attempt: Attempt) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let client = |client| {
            let (stop, acknowledged) = (stop.clone(), acknowledged.clone());
            thread::spawn(move || run(client, to, attempt, &stop, &acknowledged))
        };
        Clients {
            threads: (0..count).map(client).collect(),
            stop,
            acknowledged,
        }
    }

    /// Waits until so many more orders have been acknowledged.
    pub(crate) fn go_on_for(&self, orders: u64) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + orders;
        while self.acknowledged.load(Ordering::Relaxed) < goal {
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn stop(self) -> Summary {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Summary::default();
        for thread in self.threads {
            let one = thread.join().expect("a client does not panic");
            all.orders += one.orders;
            all.sum += one.sum;
            all.longest = all.longest.max(one.longest);
        }
        all
    }
}

fn run(
    client: u32,
    to: SocketAddr,
    attempt: Attempt,
    stop: &AtomicBool,
    acknowledged: &AtomicU64,
) -> Summary {
    let mut summary = Summary::default();
    let mut connection = None;
    // It stops when its last order has been acknowledged: one that has not might have been counted.
    while !stop.load(Ordering::Relaxed) {
        let number = summary.orders + 1;
        let order = Order {
            client,
            number,
            amount: u64::from(client) * 1_000 + number % 997,
        };
        let since = Instant::now();
        while attempt(&mut connection, to, order).is_err() {
            // Nobody listens between the two places.
            thread::sleep(Duration::from_millis(1));
        }
        summary.longest = summary.longest.max(since.elapsed());
        summary.orders = number;
        summary.sum += order.amount;
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    summary
}
