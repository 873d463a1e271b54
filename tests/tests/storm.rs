//! A storm of connections: as many as the machine's limit on descriptors allows, all open and all served at the same time,
//! and spread over the workers. And one more than the limit allows.
//!
//! The clients are in a child process, which is this test binary with a variable set: they need as many descriptors again.
#![expect(clippy::print_stdout, reason = "the parts talk by lines")]

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use kv::client::{Client, Value};
use kv::server::{Config, Server};

const CLIENTS: &str = "STORM_CLIENTS";
const CRAMPED: &str = "STORM_CRAMPED";
const PATIENCE: Duration = Duration::from_secs(120);
/// Descriptors for everything else a process has open.
const HEADROOM: usize = 200;
/// More are no better a test, and there are but so many ports.
const MOST: usize = 20_000;

/// Sets the limit on descriptors, to the hard limit unless told otherwise, and returns it.
fn limit_descriptors(wanted: Option<u64>) -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls are given a live `rlimit`.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        limit.rlim_cur = wanted.unwrap_or(limit.rlim_max);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

/// This test binary as a child that runs one test with a variable set: its input, and its output by lines.
struct Part {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Part {
    fn start(test: &str, variable: &str, value: String) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(variable, value)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Part {
            input: child.stdin.take().unwrap(),
            child,
            lines,
        }
    }

    /// What stands behind `word` in the next line that has it.
    fn expect(&mut self, word: &str) -> String {
        for line in &mut self.lines {
            if let Some((_, rest)) = line.unwrap().split_once(word) {
                return rest.trim().to_string();
            }
        }
        panic!("the child ended without saying {word:?}");
    }

    fn go_on(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }

    fn end(mut self) {
        drop(self.input);
        assert!(self.child.wait().unwrap().success());
    }
}

fn wait_for_parent() {
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// The clients' part.
#[test]
fn clients() {
    let Ok(task) = std::env::var(CLIENTS) else {
        return;
    };
    let (addr, count) = task.split_once(' ').unwrap();
    let (addr, count): (SocketAddr, i64) = (addr.parse().unwrap(), count.parse().unwrap());
    limit_descriptors(None);
    let mut clients: Vec<_> = (0..count)
        .map(|_| {
            let client = Client::connect(addr).unwrap();
            client.stream().set_read_timeout(Some(PATIENCE)).unwrap();
            client
        })
        .collect();
    for round in 0..2 {
        // All of them ask before any answer is read.
        for (n, client) in clients.iter_mut().enumerate() {
            client.queue(["SET", &format!("key:{n}"), &format!("{round}:{n}")]);
            client.queue(["GET", &format!("key:{n}")]);
            client.queue(["INCR", "all"]);
            client.flush().unwrap();
        }
        let mut sum = 0;
        for (n, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.receive().unwrap(), Value::ok());
            assert_eq!(
                client.receive().unwrap(),
                Value::text(format!("{round}:{n}"))
            );
            let Value::Int(one) = client.receive().unwrap() else {
                panic!("INCR answers with a number");
            };
            sum += one;
        }
        // Each number from the first to the last was given out once.
        let (first, last) = (round * count + 1, (round + 1) * count);
        assert_eq!(sum, (first + last) * count / 2);
        println!("round done");
        wait_for_parent();
    }
}

#[test]
fn thousands_of_connections_are_served_at_once_and_spread_over_the_workers() {
    if std::env::var_os(CRAMPED).is_some() || std::env::var_os(CLIENTS).is_some() {
        return;
    }
    let count = (limit_descriptors(None) - HEADROOM).min(MOST);
    assert!(
        count > 500,
        "this machine allows {count} connections: no storm"
    );
    const WORKERS: usize = 4;
    let server = Server::start(Config {
        workers: Some(WORKERS),
        shards: Some(WORKERS),
        ..Config::default()
    })
    .unwrap();
    let mut clients = Part::start("clients", CLIENTS, format!("{} {count}", server.addr()));
    for _ in 0..2 {
        clients.expect("round done");
        let by_worker = server.stats().by_worker;
        let sessions: usize = by_worker.iter().sum();
        assert!(sessions >= count, "{sessions} stacks for {count} sessions");
        for load in &by_worker[..WORKERS] {
            let share = count / WORKERS;
            assert!((share / 2..=share * 2).contains(load), "{by_worker:?}");
        }
        clients.go_on();
    }
    clients.end();
    // All are gone again, but for the one that asks.
    let mut client = Client::connect(server.addr()).unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Value::Bulk(info) = client.ask("INFO clients").unwrap() else {
            panic!("INFO answers with text");
        };
        if String::from_utf8(info)
            .unwrap()
            .contains("connected_clients:1\r\n")
        {
            break;
        }
        assert!(Instant::now() < deadline, "sessions do not end");
    }
    let report = server.stop();
    assert!(
        report.sessions_ended && report.shutdown.is_clean(),
        "{report:?}"
    );
}

/// The part of a server with few descriptors.
#[test]
fn cramped() {
    if std::env::var_os(CRAMPED).is_none() {
        return;
    }
    limit_descriptors(Some(64));
    let server = Server::start(Config {
        workers: Some(2),
        ..Config::default()
    })
    .unwrap();
    println!("listening on {}", server.addr());
    wait_for_parent();
    let report = server.stop();
    assert!(
        report.sessions_ended && report.shutdown.is_clean(),
        "{report:?}"
    );
    println!("failures {}", report.accept_failures);
}

#[test]
fn a_server_out_of_descriptors_serves_those_it_has_and_then_those_who_wait() {
    if std::env::var_os(CRAMPED).is_some() || std::env::var_os(CLIENTS).is_some() {
        return;
    }
    let mut server = Part::start("cramped", CRAMPED, String::new());
    let addr: SocketAddr = server.expect("listening on").parse().unwrap();
    let mut clients: Vec<_> = (0..150).map(|_| Client::connect(addr).unwrap()).collect();
    for client in &mut clients {
        client.stream().set_read_timeout(Some(PATIENCE)).unwrap();
        client.queue(["PING"]);
        client.flush().unwrap();
    }
    // While the others wait in line, those who are in are served; the accept loop pauses, longer each time.
    for n in 1..=20_000 {
        clients[0].queue(["INCR", "n"]);
        clients[0].flush().unwrap();
        if n == 1 {
            assert_eq!(clients[0].receive().unwrap(), Value::Simple("PONG".into()));
        }
        assert_eq!(clients[0].receive().unwrap(), Value::Int(n));
    }
    clients[0].queue(["PING"]);
    clients[0].flush().unwrap();
    // In the order in which they came: those who are in are answered, and by leaving let others in.
    for mut client in clients {
        assert_eq!(client.receive().unwrap(), Value::Simple("PONG".into()));
    }
    server.go_on();
    let failures: u64 = server.expect("failures").parse().unwrap();
    assert!((1..1_000).contains(&failures), "{failures}");
    server.end();
}
