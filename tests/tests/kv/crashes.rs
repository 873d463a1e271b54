//! `--data DIR`: what was acknowledged is there again after the process was killed under load.
//!
//! # What must be there
//! A save of a shard begins when the one before has ended. So if image `k` was the last that was seen at some time, image `k + 2`
//! was begun after that time, and has what was acknowledged before. In time: when an image `k + 2` is the last on disk, what was
//! acknowledged before `k + 1` was there. That nothing takes longer than it is said to is a matter of the policy's own tests, in
//! virtual time: `the_time_that_a_save_takes_is_not_added_to_the_time_between_saves`.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use kv::client::{Client, Value};

use super::dir::Dir;
use super::until;

/// Clients of the load, for each of two commands.
const CLIENTS: usize = 50;
/// Requests that each has under way.
const PIPELINE: usize = 16;
/// Keys of the load, for each of two commands.
const RANGE: usize = 10_000;

/// What hammers the service, until that is killed.
enum Storm {
    Benchmark(Vec<Child>),
    Own(Vec<JoinHandle<()>>),
}

impl Storm {
    /// `redis-benchmark`, if there is one.
    fn benchmark(addr: SocketAddr) -> Option<Self> {
        let start = |test: &str| {
            let mut command = Command::new("redis-benchmark");
            command
                .args(["-h", &addr.ip().to_string(), "-p", &addr.port().to_string()])
                .args(["-t", test, "-q", "-n", "1000000000", "-d", "100"])
                .args(["-c", &CLIENTS.to_string(), "-P", &PIPELINE.to_string()])
                .args(["-r", &RANGE.to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.spawn().ok()
        };
        Some(Storm::Benchmark(vec![start("set")?, start("incr")?]))
    }

    /// The same load, made here.
    fn own(addr: SocketAddr) -> Self {
        let client = move |incr: bool| {
            let value = "v".repeat(100);
            let mut client = Client::connect(addr).unwrap();
            // Until the service is killed.
            let mut round = move || {
                for _ in 0..PIPELINE {
                    let n = fastrand::usize(..RANGE);
                    match incr {
                        true => client.queue(["INCR", &format!("counter:{n:012}")]),
                        false => client.queue(["SET", &format!("key:{n:012}"), &value]),
                    }
                }
                client.flush()?;
                (0..PIPELINE).try_for_each(|_| client.receive().map(drop))
            };
            thread::spawn(move || while round().is_ok() {})
        };
        Storm::Own((0..2 * CLIENTS).map(|n| client(n % 2 == 0)).collect())
    }

    /// Whether all of it is still at it.
    fn blows(&mut self) -> bool {
        match self {
            Storm::Benchmark(all) => all.iter_mut().all(|it| it.try_wait().unwrap().is_none()),
            Storm::Own(all) => !all.iter().any(JoinHandle::is_finished),
        }
    }

    /// When the service is gone.
    fn end(self) {
        match self {
            Storm::Benchmark(all) => {
                for mut child in all {
                    // It may have ended by itself, as the service is gone.
                    let _ = child.kill();
                    child.wait().unwrap();
                }
            }
            Storm::Own(all) => all.into_iter().for_each(|it| it.join().unwrap()),
        }
    }
}

/// What a writer sent, and what of that was acknowledged when.
#[derive(Default)]
struct Log {
    sent: i64,
    acknowledged: Vec<Instant>,
}

/// Clients that write, each on keys of its own, one request at a time: a counter, and then a key that is new.
struct Writers {
    logs: Arc<[Mutex<Log>]>,
    threads: Vec<JoinHandle<()>>,
}

const WRITERS: usize = 4;

impl Writers {
    fn start(addr: SocketAddr, round: usize) -> Self {
        let logs: Arc<[Mutex<Log>]> = (0..WRITERS).map(|_| Mutex::default()).collect();
        let write = |of: usize| {
            let logs = logs.clone();
            let mut client = Client::connect(addr).unwrap();
            thread::spawn(move || {
                for n in 1.. {
                    logs[of].lock().unwrap().sent = n;
                    let count = client.ask(&format!("INCR count-{round}-{of}"));
                    let set = format!("SET write-{round}-{of}-{n} {n}");
                    let (Ok(count), Ok(set)) = (count, client.ask(&set)) else {
                        return;
                    };
                    assert_eq!((count, set), (Value::Int(n), Value::ok()));
                    logs[of].lock().unwrap().acknowledged.push(Instant::now());
                }
            })
        };
        let threads = (0..WRITERS).map(write).collect();
        Writers { logs, threads }
    }

    /// How many writes each has had acknowledged.
    fn acknowledged(&self) -> usize {
        let counts = self
            .logs
            .iter()
            .map(|it| it.lock().unwrap().acknowledged.len());
        counts.min().unwrap()
    }

    /// When the service is gone.
    fn end(self) -> Arc<[Mutex<Log>]> {
        self.threads.into_iter().for_each(|it| it.join().unwrap());
        self.logs
    }
}

/// Watches which image of each shard is the last.
struct Watch {
    seen: Arc<Mutex<Vec<(Instant, [u64; 2])>>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Watch {
    fn start(dir: &Arc<Dir>) -> Self {
        let (seen, stop) = (
            Arc::new(Mutex::new(Vec::new())),
            Arc::new(AtomicBool::new(false)),
        );
        let (dir, sees, stops) = (dir.clone(), seen.clone(), stop.clone());
        let thread = thread::spawn(move || {
            while !stops.load(Ordering::Relaxed) {
                let when = Instant::now();
                if let Some(last) = last(&dir) {
                    sees.lock().unwrap().push((when, last));
                }
                thread::park_timeout(Duration::from_millis(1));
            }
        });
        Watch { seen, stop, thread }
    }

    /// How many images there have been of each shard since.
    fn images(&self) -> u64 {
        let seen = self.seen.lock().unwrap();
        let (Some((_, first)), Some((_, last))) = (seen.first(), seen.last()) else {
            return 0;
        };
        (0..2)
            .map(|shard| last[shard] - first[shard])
            .min()
            .unwrap()
    }

    /// Until when everything acknowledged must be there, if these are the last images.
    fn end(self, last: [u64; 2]) -> Instant {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        let seen = self.seen.lock().unwrap();
        let begun_later = |seen: &[u64; 2]| (0..2).all(|shard| seen[shard] + 2 <= last[shard]);
        let all = seen.iter().filter(|(_, seen)| begun_later(seen));
        all.map(|(when, _)| *when).max().expect("there were three")
    }
}

/// The numbers of the last images of both shards.
fn last(dir: &Dir) -> Option<[u64; 2]> {
    Some([dir.last(0)?, dir.last(1)?])
}

/// All keys and their values.
fn everything(addr: SocketAddr) -> HashMap<String, i64> {
    let mut client = Client::connect(addr).unwrap();
    let Value::Array(keys) = client.ask("KEYS *").unwrap() else {
        panic!("not keys");
    };
    let text = |key| match key {
        Value::Bulk(key) => String::from_utf8(key).unwrap(),
        other => panic!("not a key: {other:?}"),
    };
    let keys: Vec<_> = keys.into_iter().map(text).collect();
    let mut all = HashMap::new();
    for some in keys.chunks(1000) {
        client.queue(["MGET"].into_iter().chain(some.iter().map(|key| &**key)));
        client.flush().unwrap();
        let Value::Array(values) = client.receive().unwrap() else {
            panic!("not values");
        };
        for (key, value) in some.iter().zip(values) {
            let Value::Bulk(value) = value else {
                panic!("{key} has {value:?}");
            };
            let value = String::from_utf8(value).unwrap();
            // Those of the load's `SET` are a hundred bytes, and no number.
            assert_eq!(
                key.starts_with("key:"),
                value.len() == 100,
                "{key}: {value}"
            );
            all.insert(key.clone(), value.parse().unwrap_or(-1));
        }
    }
    all
}

/// What is there of what the writers did: everything acknowledged by then, and nothing that was not sent.
fn check(found: &mut HashMap<String, i64>, round: usize, logs: &[Mutex<Log>], until: Instant) {
    for (of, log) in logs.iter().enumerate() {
        let log = log.lock().unwrap();
        let owed = log
            .acknowledged
            .iter()
            .filter(|when| **when <= until)
            .count() as i64;
        assert!(owed > 0, "the test is of some use");
        let count = found.remove(&format!("count-{round}-{of}")).unwrap_or(0);
        assert!(
            (owed..=log.sent).contains(&count),
            "{owed} <= {count} <= {}",
            log.sent
        );
        for n in 1..=log.sent {
            let value = found.remove(&format!("write-{round}-{of}-{n}"));
            assert!(
                value == Some(n) || value.is_none() && n > owed,
                "{n}: {value:?}"
            );
        }
    }
}

fn survives_kills(name: &str, storm: impl Fn(SocketAddr) -> Storm) {
    let dir = Arc::new(Dir::new(name));
    let mut rounds = Vec::new();
    for round in 0..3 {
        let before = last(&dir);
        let program = dir.start();
        let mut storm = storm(program.addr);
        let writers = Writers::start(program.addr, round);
        // Of an image that was not finished the number is left out: so not before this process has saved each.
        until("each shard is saved", || {
            let now = last(&dir);
            (0..2).all(|shard| now.map(|it| it[shard]) > before.map(|it| it[shard]))
        });
        let watch = Watch::start(&dir);
        // Then it is killed wherever it is: in the middle of requests, or of a save.
        until("there are saves under load", || watch.images() >= 4);
        let more = writers.acknowledged() + 1 + fastrand::usize(..20);
        until("more is written", || writers.acknowledged() >= more);
        assert!(storm.blows());
        program.kill();
        storm.end();
        let owed = watch.end(last(&dir).unwrap());
        rounds.push((writers.end(), owed));
    }
    let program = dir.start();
    let mut found = everything(program.addr);
    for (round, (logs, owed)) in rounds.iter().enumerate() {
        check(&mut found, round, logs, *owed);
    }
    let load = |key: &str| {
        let (kind, number) = key.split_once(':')?;
        let number = number.parse::<usize>().ok().filter(|n| *n < RANGE)?;
        Some((kind == "key" || kind == "counter") && key == format!("{kind}:{number:012}"))
    };
    let strangers: Vec<_> = found.keys().filter(|key| load(key) != Some(true)).collect();
    assert!(strangers.is_empty(), "nobody has written {strangers:?}");
    for kind in ["key:", "counter:"] {
        assert!(found.keys().any(|key| key.starts_with(kind)), "{kind}");
    }
    program.terminate();
}

#[test]
fn what_was_acknowledged_long_enough_ago_survives_a_kill_under_redis_benchmark() {
    let missing = Once::new();
    survives_kills("benchmark", |addr| {
        Storm::benchmark(addr).unwrap_or_else(|| {
            missing.call_once(|| {
                // Not by `eprintln!`, which is shown of tests that fail.
                let said = "there is no redis-benchmark here (Debian's redis-tools): the test makes the same load itself";
                writeln!(io::stderr(), "{said}").unwrap();
            });
            Storm::own(addr)
        })
    });
}

#[test]
fn what_was_acknowledged_long_enough_ago_survives_a_kill_under_a_load_of_our_own() {
    survives_kills("own", Storm::own);
}
