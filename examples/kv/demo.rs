//! The demo: the service under load, a shard crashed on purpose, and proof that nothing else was disturbed.
//!
//! Real clients, each a thread with an ordinary blocking socket, talk to a real server over the loopback interface:
//!
//! - for each shard a few *workers* that only use keys of that shard, each counting on a key of its own;
//! - a *subscriber* and a *publisher*, who count messages;
//! - *idle* connections, which must be there in the end.
//!
//! When all are at work, `DEBUG PANIC` crashes one shard, again and again. Then each part reports, and the report is
//! checked: the workers of other shards saw no error and no wrong count; those of the crashed shard saw errors only for
//! the commands it died with; no message was lost, no connection closed.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use actor_core::Event;

use crate::client::{Client, Value};
use crate::pipeline::shard_of;
use crate::server::{Config, Server};

/// What the demo does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Shards of the service.
    pub shards: u32,
    /// Workers for each shard.
    pub workers: usize,
    /// Rounds of each worker, at least.
    pub rounds: usize,
    /// Commands in each round's pipeline.
    pub pipeline: usize,
    /// How often the shard is crashed.
    pub crashes: usize,
    /// Idle connections.
    pub idle: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            shards: 4,
            workers: 2,
            rounds: 500,
            pipeline: 16,
            crashes: 20,
            idle: 200,
        }
    }
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Report {
    /// Lines to be read.
    pub lines: Vec<String>,
    /// What was not as it should be; empty if all was well.
    pub faults: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "  {line}")?;
        }
        for fault in &self.faults {
            writeln!(f, "  FAULT: {fault}")?;
        }
        Ok(())
    }
}

impl Report {
    fn say(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn check(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(fault());
        }
    }
}

/// What a worker saw.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    commands: usize,
    /// Error replies.
    errors: usize,
    /// Counts that were neither one more than the last nor a new beginning after a crash.
    wrong: usize,
    /// The counter began anew.
    anew: usize,
}

/// Runs the demo.
///
/// # Errors
/// If the service does not start, or a connection fails, which is a fault as well.
pub fn run(plan: &Plan, config: Config) -> Result<Report, Box<dyn std::error::Error>> {
    let server = Server::start(Config {
        shards: Some(plan.shards as usize),
        ..config
    })?;
    let addr = server.addr();
    let events = server.events();
    let mut report = Report::default();
    let begun = Instant::now();
    let mut idle = (0..plan.idle)
        .map(|_| Client::connect(addr))
        .collect::<io::Result<Vec<_>>>()?;

    // Something to lose: a few keys in each shard.
    let keys: Vec<Vec<String>> = (0..plan.shards)
        .map(|s| keys_of(s, plan.shards, 100))
        .collect();
    let mut main = Client::connect(addr)?;
    for key in keys.iter().flatten() {
        main.queue(["SET", key, key]);
    }
    main.flush()?;
    for _ in keys.iter().flatten() {
        let reply = main.receive()?;
        report.check(reply == Value::ok(), || format!("SET: {reply:?}"));
    }

    let (at_work, crashed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let seen = thread::scope(|scope| -> io::Result<_> {
        let worker = |shard: u32, number: usize| {
            let (at_work, crashed) = (&at_work, &crashed);
            let key = format!("count:{number}:{}", keys[shard as usize][0]);
            let key = (0..)
                .map(|n| format!("{key}:{n}"))
                .find(|k| shard_of(k.as_bytes(), plan.shards) == shard);
            scope.spawn(move || work(addr, &key.unwrap_or_default(), plan, at_work, crashed))
        };
        let workers: Vec<_> = (0..plan.shards)
            .flat_map(|shard| (0..plan.workers).map(move |n| (shard, n)))
            .map(|(shard, n)| (shard, worker(shard, n)))
            .collect();
        let mut listener = Client::connect(addr)?;
        listener.ask("SUBSCRIBE news")?;
        let listening = scope.spawn(move || listen(listener));
        let publishing = scope.spawn(|| publish(addr, &crashed));

        while at_work.load(Ordering::Relaxed) < workers.len() {
            thread::yield_now();
        }
        // Shard 0 is crashed; each time an answer from it shows that it is there again.
        let mut answers = Vec::new();
        for _ in 0..plan.crashes {
            answers.push(main.ask(&format!("DEBUG PANIC {}", keys[0][0]))?);
            answers.push(main.ask(&format!("SET {} again", keys[0][0]))?);
        }
        crashed.store(true, Ordering::Relaxed);
        let mut tallies = vec![Tally::default(); plan.shards as usize];
        for (shard, worker) in workers {
            let one = worker.join().expect("a worker does not panic")?;
            let sum = &mut tallies[shard as usize];
            sum.commands += one.commands;
            sum.errors += one.errors;
            sum.wrong += one.wrong;
            sum.anew += one.anew;
        }
        let sent = publishing.join().expect("the publisher does not panic")?;
        let heard = listening.join().expect("the subscriber does not panic")?;
        Ok((answers, tallies, sent, heard))
    });
    let (answers, tallies, sent, heard) = seen?;
    let took = begun.elapsed();

    judge_crashes(plan, &answers, &tallies, &mut report);
    let commands: usize = tallies.iter().map(|t| t.commands).sum();
    report.say(format!(
        "{commands} commands by {} clients in {:.2} s",
        plan.workers * plan.shards as usize,
        took.as_secs_f64()
    ));
    report.check(sent == heard, || {
        format!("{sent} messages published, {heard} heard")
    });
    report.say(format!(
        "{sent} messages published, {heard} heard, in order"
    ));

    // What the other shards had is there; what shard 0 had is not.
    for (shard, keys) in keys.iter().enumerate() {
        main.queue(
            ["EXISTS"]
                .into_iter()
                .chain(keys.iter().map(String::as_str)),
        );
        main.flush()?;
        let (found, expected) = (
            main.receive()?,
            if shard == 0 { 1 } else { keys.len() as i64 },
        );
        report.check(found == Value::Int(expected), || {
            format!("shard {shard} has {found:?} keys, not {expected}")
        });
    }
    report.say("keys of the other shards: all there; of the crashed one: gone, as said in the documentation");
    let alive = idle
        .iter_mut()
        .filter_map(|c| c.ask("PING").ok())
        .filter(|pong| !pong.is_error());
    let alive = alive.count();
    report.check(alive == plan.idle, || {
        format!("{alive} of {} idle connections answer", plan.idle)
    });
    report.say(format!(
        "{alive} of {} idle connections answer; by worker: {:?}",
        plan.idle,
        server.stats().by_worker
    ));

    drop((idle, main));
    let stopped = server.stop();
    report.check(
        stopped.sessions_ended && stopped.shutdown.is_clean(),
        || format!("{stopped:?}"),
    );
    let restarts = events
        .try_iter()
        .filter(|e| matches!(e, Event::Restarted { .. }))
        .count();
    report.check(restarts == plan.crashes, || {
        format!("{restarts} restarts for {} crashes", plan.crashes)
    });
    report.say(format!(
        "{restarts} restarts for {} crashes; stopped cleanly: {}",
        plan.crashes,
        stopped.shutdown.is_clean()
    ));
    Ok(report)
}

fn judge_crashes(plan: &Plan, answers: &[Value], tallies: &[Tally], report: &mut Report) {
    for pair in answers.chunks(2) {
        report.check(pair[0].is_error(), || format!("DEBUG PANIC: {:?}", pair[0]));
        report.check(pair[1] == Value::ok(), || {
            format!("after the crash: {:?}", pair[1])
        });
    }
    for (shard, tally) in tallies.iter().enumerate() {
        let Tally {
            commands,
            errors,
            wrong,
            anew,
        } = *tally;
        report.say(format!("shard {shard}: {commands} commands, {errors} errors, {anew} new beginnings, {wrong} wrong answers"));
        report.check(wrong == 0, || {
            format!("shard {shard}: {wrong} wrong answers")
        });
        if shard == 0 {
            // A crash fails no more than what the workers had under way.
            let most = plan.crashes * plan.workers * plan.pipeline;
            report.check(errors <= most, || {
                format!("{errors} errors for {} crashes", plan.crashes)
            });
        } else {
            report.check(errors == 0 && anew == 0, || {
                format!("shard {shard} was disturbed")
            });
        }
    }
}

/// So many keys of a shard.
fn keys_of(shard: u32, shards: u32, count: usize) -> Vec<String> {
    let names = (0..).map(|n| format!("key:{n}"));
    names
        .filter(|key| shard_of(key.as_bytes(), shards) == shard)
        .take(count)
        .collect()
}

/// Counts on one key, in pipelines, until the crashes are over and its rounds are done.
fn work(
    addr: SocketAddr,
    key: &str,
    plan: &Plan,
    at_work: &AtomicUsize,
    crashed: &AtomicBool,
) -> io::Result<Tally> {
    let mut client = Client::connect(addr)?;
    let (mut tally, mut last) = (Tally::default(), 0);
    let mut rounds = 0;
    while rounds < plan.rounds || !crashed.load(Ordering::Relaxed) {
        for _ in 0..plan.pipeline {
            client.queue(["INCR", key]);
        }
        client.flush()?;
        for _ in 0..plan.pipeline {
            tally.commands += 1;
            match client.receive()? {
                Value::Int(n) if n == last + 1 => last = n,
                Value::Int(1) => (last, tally.anew) = (1, tally.anew + 1),
                Value::Error(_) => tally.errors += 1,
                _ => tally.wrong += 1,
            }
        }
        rounds += 1;
        if rounds == 10 {
            at_work.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(tally)
}

/// Publishes numbers until the crashes are over, and then the end. How many there were.
fn publish(addr: SocketAddr, crashed: &AtomicBool) -> io::Result<usize> {
    let mut client = Client::connect(addr)?;
    let mut sent = 0;
    while !crashed.load(Ordering::Relaxed) {
        client.ask(&format!("PUBLISH news {sent}"))?;
        sent += 1;
    }
    client.ask("PUBLISH news end")?;
    Ok(sent)
}

/// Counts the messages that come in order, until the end.
fn listen(mut client: Client<std::net::TcpStream>) -> io::Result<usize> {
    let mut heard = 0;
    client
        .stream()
        .set_read_timeout(Some(Duration::from_secs(60)))?;
    loop {
        let Value::Array(message) = client.receive()? else {
            return Ok(heard);
        };
        match message.last() {
            Some(Value::Bulk(number)) if *number == heard.to_string().into_bytes() => heard += 1,
            _ => return Ok(heard),
        }
    }
}
