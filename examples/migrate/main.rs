//! Two processes, and what moves from one to the other and back while clients use it.
//!
//! ```sh
//! cargo run --release --example migrate [-- PRIMES_BELOW]
//! ```
//! - A migratable microthread counts primes, in a nested loop: it is stopped between two divisions.
//! - A migratable microthread listens on a port, and feeds a channel. Its clients come with an order each.
//! - An actor keeps accounts: it has a listener of its own with sessions, messages that wait, timers.
//!
//! The clients are threads of this process with sockets of std's. They repeat what was not acknowledged, so that nothing is lost; and
//! nothing is counted twice: the totals must be exact.

#![expect(clippy::print_stdout, reason = "a demonstration that reports")]

mod clients;
mod node;
mod things;
mod wire;

use std::error::Error;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use clients::{Clients, book, knock};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Orders that clients of each service have acknowledged between two moves.
const ORDERS: u64 = 500;
/// How long whatever is awaited may take.
const PATIENCE: Duration = Duration::from_secs(300);

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [] => show(10_000_000),
        [role, name] if role == "node" => node::run(name, None),
        [role, name, other] if role == "node" => node::run(name, Some(other.parse()?)),
        [primes_below] => show(primes_below.parse()?),
        _ => Err("usage: migrate [PRIMES_BELOW]".into()),
    }
}

/// A process with a node. It is killed when this is dropped.
struct Process {
    name: &'static str,
    child: Child,
    to: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(name: &'static str, secret: &str, args: &[&str]) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["node", name])
            .args(args)
            .env(node::SECRET, secret)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let to = child.stdin.take().ok_or("its stdin is a pipe")?;
        let said = child.stdout.take().ok_or("its stdout is a pipe")?;
        println!("process {} is node {name}", child.id());
        Ok(Process {
            name,
            child,
            to,
            said: BufReader::new(said).lines(),
        })
    }

    fn listen(&mut self) -> Result<String> {
        match self.said.next() {
            Some(line) => Ok(line?),
            None => Err(format!("node {} has ended: {}", self.name, self.child.wait()?).into()),
        }
    }

    fn order(&mut self, order: &str) -> Result<String> {
        writeln!(self.to, "{order}")?;
        self.listen()
    }

    /// The numbers that it answers with; none if it has nothing to say.
    fn numbers(&mut self, order: &str) -> Result<Vec<u64>> {
        let line = self.order(order)?;
        match line.as_str() {
            "-" => Ok(Vec::new()),
            line => Ok(line
                .split(' ')
                .map(str::parse)
                .collect::<std::result::Result<_, _>>()?),
        }
    }

    /// Moves all three from here to another node. How many messages waited in them.
    fn moves_to(&mut self, to: &str) -> Result<u64> {
        let mut waiting = 0;
        for thing in ["primes", "door", "ledger"] {
            let line = self.order(&format!("move {thing} {to}"))?;
            let Some((away, messages)) = line
                .strip_prefix("moved ")
                .and_then(|it| it.split_once(' '))
            else {
                return Err(format!("{thing} did not move to {to}: {line}").into());
            };
            let away = Duration::from_nanos(away.parse()?);
            let with = match messages {
                "0" => String::new(),
                some => format!(", with {some} messages in its mailbox"),
            };
            println!(
                "  {thing} moved from {} to {to}{with}: away for {away:.2?}",
                self.name
            );
            waiting += messages.parse::<u64>()?;
        }
        Ok(waiting)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tries until there is something.
fn wait_for<T>(mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if let Some(found) = look()? {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err("it did not come to an end".into())
}

/// By a sieve.
fn count_primes(end: u64) -> u64 {
    let end = end as usize;
    let mut composite = vec![false; end];
    let mut count = 0;
    for n in 2..end {
        if !composite[n] {
            count += 1;
            (n * n..end).step_by(n).for_each(|m| composite[m] = true);
        }
    }
    count
}

fn show(primes_below: u64) -> Result<()> {
    let secret = format!("{:032x}", rand());
    let mut b = Process::start("b", &secret, &[])?;
    let address = b.listen()?;
    let mut a = Process::start("a", &secret, &[&address])?;
    for process in [&mut a, &mut b] {
        let line = process.listen()?;
        if line != "ready" {
            return Err(format!("node {} is not ready: {line}", process.name).into());
        }
    }
    let addresses = a.order(&format!("start {primes_below}"))?;
    let (door, ledger) = addresses.split_once(' ').ok_or("two addresses")?;
    let (door, ledger): (SocketAddr, SocketAddr) = (door.parse()?, ledger.parse()?);
    println!("node a counts primes, has the door at {door} and the ledger at {ledger}");

    let knocking = Clients::start(4, door, knock);
    let booking = Clients::start(4, ledger, book);
    let go_on = || {
        knocking.go_on_for(ORDERS);
        booking.go_on_for(ORDERS);
    };
    go_on();
    let waited = a.moves_to("b")?;
    go_on();
    let waited = waited + b.moves_to("a")?;
    go_on();
    let (knocked, booked) = (knocking.stop(), booking.stop());
    let told = a.order("stop-telling")?.parse::<u64>()? + waited;
    println!(
        "the door's clients had {} orders acknowledged, the longest in {:.2?}; the ledger's {}, the longest in {:.2?}",
        knocked.orders, knocked.longest, booked.orders, booked.longest,
    );

    // What was acknowledged is on its way, at most.
    let counted = wait_for(|| {
        let (at_a, at_b) = (a.numbers("orders")?, b.numbers("orders")?);
        let counted = (at_a[0] + at_b[0], at_a[1] + at_b[1], at_b[0]);
        Ok((counted.0 >= knocked.orders).then_some(counted))
    })?;
    let totals = wait_for(|| {
        let totals = a.numbers("ledger")?;
        Ok((totals[1] >= told && totals[3] > 0).then_some(totals))
    })?;
    let primes = wait_for(|| Ok(a.numbers("primes")?.first().copied()))?;

    let mut exact = true;
    let mut check = |what: &str, is: u64, should: u64| {
        let verdict = if is == should { "exact" } else { "WRONG" };
        println!("  {what}: {is} of {should}, {verdict}");
        exact &= is == should;
    };
    check("primes", primes, count_primes(primes_below));
    check(
        "orders that came out of the channel",
        counted.0,
        knocked.orders,
    );
    check("their sum", counted.1, knocked.sum);
    check("the sum of the ledger's accounts", totals[0], booked.sum);
    check("the sum of what was told to it", totals[1], told);
    check("its alarm", totals[3], 1);
    println!(
        "  {} orders came out at b; the ledger's timer has ticked {} times",
        counted.2, totals[2]
    );
    match exact && counted.2 > 0 {
        true => Ok(()),
        false => Err("some are not".into()),
    }
}

/// A secret for this run.
fn rand() -> u128 {
    use std::hash::{BuildHasher, RandomState};
    let half = || u128::from(RandomState::new().hash_one(Instant::now()));
    half() << 64 | half()
}
