//! `--data DIR`: what was written is there again after the process was killed.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;

use kv::client::{Client, Value};

use super::process::{Program, command};
use super::until;

/// A directory that goes when this does.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let name = format!("kv-data-{name}-{}", std::process::id());
        Dir(std::env::temp_dir().join(name))
    }

    fn start(&self) -> Program {
        let dir = self.0.display();
        Program::start(&format!("--port 0 --shards 2 --data {dir} --save-every 50"))
    }

    /// The numbers of the images of a shard, sorted.
    fn saved(&self, shard: u32) -> Vec<(u64, PathBuf)> {
        let files = fs::read_dir(&self.0).into_iter().flatten();
        let files = files.map(|file| file.unwrap().path());
        let number = |path: PathBuf| {
            let name = path.file_name()?.to_str()?.strip_suffix(".image")?;
            let (of, number) = name.split_once('@')?;
            let is_it = of == format!("shard-{shard}-of-2");
            Some((
                u64::from_str_radix(number, 16).ok().filter(|_| is_it)?,
                path.clone(),
            ))
        };
        let mut all: Vec<_> = files.filter_map(number).collect();
        all.sort();
        all
    }

    fn last(&self, shard: u32) -> Option<u64> {
        self.saved(shard).last().map(|(number, _)| *number)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn number(value: Value) -> i64 {
    match value {
        Value::Int(n) => n,
        other => panic!("not a number: {other:?}"),
    }
}

/// Clients that count, each a key of its own, and what the service has acknowledged of that.
struct Load {
    acknowledged: Arc<[AtomicI64]>,
    stop: Arc<AtomicBool>,
    clients: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn start(program: &Program) -> Self {
        let acknowledged: Arc<[AtomicI64]> = (0..8).map(|_| AtomicI64::new(0)).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..8).map(|n| {
            let (acknowledged, stop) = (acknowledged.clone(), stop.clone());
            let mut client = Client::connect(program.addr).unwrap();
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // It is killed in the middle of this.
                    let Ok(answer) = client.ask(&format!("INCR key-{n}")) else {
                        return;
                    };
                    acknowledged[n].store(number(answer), Ordering::SeqCst);
                }
            })
        });
        let clients = clients.collect();
        Load {
            acknowledged,
            stop,
            clients,
        }
    }

    fn now(&self) -> Vec<i64> {
        self.acknowledged
            .iter()
            .map(|it| it.load(Ordering::SeqCst))
            .collect()
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|it| it.join().unwrap());
    }
}

fn counts(program: &Program) -> Vec<i64> {
    let mut client = Client::connect(program.addr).unwrap();
    let counts = (0..8).map(|n| number(client.ask(&format!("INCRBY key-{n} 0")).unwrap()));
    counts.collect()
}

#[test]
fn what_was_acknowledged_before_the_last_save_began_survives_a_kill_under_load() {
    let dir = Dir::new("kill");
    let mut before = vec![0; 8];
    for _ in 0..3 {
        let program = dir.start();
        let found = counts(&program);
        let kept = |found: &[i64], before: &[i64]| before.iter().zip(found).all(|(b, f)| b <= f);
        assert!(
            kept(&found, &before),
            "{before:?} were acknowledged, {found:?} are there"
        );
        let load = Load::start(&program);
        until("there is load", || load.now().iter().all(|n| *n > 0));
        // The save after the next one begins after this.
        let (acknowledged, last) = (load.now(), [dir.last(0), dir.last(1)]);
        until("two saves of each shard", || {
            (0..2).all(|shard| {
                let after = last[shard as usize].map_or(1, |last| last + 2);
                dir.last(shard).is_some_and(|now| now >= after)
            })
        });
        program.kill();
        load.stop();
        before = acknowledged;
    }
    let program = dir.start();
    let found = counts(&program);
    assert!(
        before.iter().zip(&found).all(|(b, f)| b <= f),
        "{before:?}, {found:?}"
    );
}

#[test]
fn all_kinds_of_values_and_their_expiry_survive_a_stop() {
    let dir = Dir::new("values");
    let program = dir.start();
    let mut client = Client::connect(program.addr).unwrap();
    for n in 0..100 {
        client.ask(&format!("SET string-{n} value-{n}")).unwrap();
        client.ask(&format!("HSET hash-{n} a {n} b x")).unwrap();
    }
    client.ask("SET later 1 EX 1000").unwrap();
    client.ask("SET soon 1 PX 1").unwrap();
    drop(client);
    program.terminate();

    let program = dir.start();
    let mut client = Client::connect(program.addr).unwrap();
    for n in 0..100 {
        let value = client.ask(&format!("GET string-{n}")).unwrap();
        assert_eq!(value, Value::text(format!("value-{n}")));
        let value = client.ask(&format!("HGET hash-{n} a")).unwrap();
        assert_eq!(value, Value::text(n.to_string()));
        assert_eq!(number(client.ask(&format!("HLEN hash-{n}")).unwrap()), 2);
    }
    let left = number(client.ask("TTL later").unwrap());
    assert!((1..=1000).contains(&left), "{left}");
    assert_eq!(number(client.ask("EXISTS soon").unwrap()), 0);
    until("nobody has to look for it to go", || {
        number(client.ask("DBSIZE").unwrap()) == 201
    });
}

#[test]
fn a_damaged_file_is_named_and_the_one_before_is_used() {
    let dir = Dir::new("damaged");
    for value in ["old", "new"] {
        let program = dir.start();
        let mut client = Client::connect(program.addr).unwrap();
        for n in 0..20 {
            client.ask(&format!("SET key-{n} {value}")).unwrap();
        }
        drop(client);
        program.terminate();
        // Nothing else is kept but the last.
        for shard in 0..2 {
            let saved = dir.saved(shard);
            for (_, older) in &saved[..saved.len() - if value == "old" { 1 } else { 2 }] {
                fs::remove_file(older).unwrap();
            }
        }
    }
    let (_, path) = dir.saved(0).pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();

    let mut program = Program::of(
        command(&format!(
            "--port 0 --shards 2 --data {} --save-every 1000000",
            dir.0.display()
        ))
        .stderr(Stdio::piped()),
    );
    let mut client = Client::connect(program.addr).unwrap();
    let values: Vec<_> = (0..20)
        .map(|n| client.ask(&format!("GET key-{n}")).unwrap())
        .collect();
    assert!(values.contains(&Value::text("new")), "the other shard");
    assert!(
        values
            .iter()
            .all(|it| [Value::text("old"), Value::text("new")].contains(it))
    );
    drop(client);
    let mut stderr = program.stderr();
    program.terminate();
    let mut text = String::new();
    stderr.read_to_string(&mut text).unwrap();
    let aside = path.with_extension("damaged");
    assert!(aside.exists());
    assert!(text.contains(aside.to_str().unwrap()), "{text}");
}

#[test]
fn another_number_of_shards_is_refused_with_the_number_to_use() {
    let dir = Dir::new("shards");
    let program = dir.start();
    Client::connect(program.addr)
        .unwrap()
        .ask("SET a 1")
        .unwrap();
    program.terminate();
    let args = format!("--port 0 --shards 3 --data {}", dir.0.display());
    let output = command(&args).stderr(Stdio::piped()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && text.contains("--shards 2"),
        "{text}"
    );
}
