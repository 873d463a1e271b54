//! `--data DIR`: what was written is there again after the process was stopped, and what is damaged is named.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use actor_core::image::{Head, Image, Kind};
use kv::client::{Client, Value};

use super::dir::Dir;
use super::process::{Program, command};
use super::until;

fn number(value: Value) -> i64 {
    match value {
        Value::Int(n) => n,
        other => panic!("not a number: {other:?}"),
    }
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

const KEYS: u32 = 20;

/// A directory with two images of each shard, the values of the older one being `old` and those of the last one `new`.
fn saved_twice(name: &str) -> Dir {
    let dir = Dir::new(name);
    for (round, value) in ["old", "new"].into_iter().enumerate() {
        let program = dir.start();
        let mut client = Client::connect(program.addr).unwrap();
        for n in 0..KEYS {
            client.ask(&format!("SET key-{n} {value}")).unwrap();
        }
        drop(client);
        program.terminate();
        // Nothing else is kept but the last.
        for shard in 0..2 {
            let saved = dir.saved(shard);
            for (_, older) in &saved[..saved.len() - round - 1] {
                fs::remove_file(older).unwrap();
            }
        }
    }
    dir
}

/// What a service that does not save says of its data: the values, and what it complained of.
fn read(dir: &Dir) -> (Vec<Value>, String) {
    let args = format!("--port 0 --shards 2 --data {dir} --save-every 1000000");
    let mut program = Program::of(command(&args).stderr(Stdio::piped()));
    let mut client = Client::connect(program.addr).unwrap();
    let values = (0..KEYS).map(|n| client.ask(&format!("GET key-{n}")).unwrap());
    let values = values.collect();
    drop(client);
    let mut stderr = program.stderr();
    program.terminate();
    let mut text = String::new();
    stderr.read_to_string(&mut text).unwrap();
    (values, text)
}

/// What may become of a file.
const DAMAGES: [(&str, fn(&mut Vec<u8>)); 6] = [
    ("torn", |bytes| bytes.truncate(bytes.len() / 2)),
    ("torn within its header", |bytes| bytes.truncate(20)),
    ("empty", Vec::clear),
    ("with a bit flipped", |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    }),
    ("full of zeros", |bytes| bytes.fill(0)),
    ("of another version of the format", |bytes| bytes[4] = 2),
];

#[test]
fn whatever_is_damaged_is_named_and_set_aside_and_the_one_before_is_used() {
    for (number, (what, damage)) in DAMAGES.into_iter().enumerate() {
        let dir = saved_twice(&format!("damaged-{number}"));
        let (_, path) = dir.saved(0).pop().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, &bytes).unwrap();

        let (values, text) = read(&dir);
        let [old, new] = ["old", "new"].map(Value::text);
        assert!(values.contains(&new), "the other shard; {what}");
        assert!(values.contains(&old), "this shard; {what}");
        assert!(
            values.iter().all(|it| [&old, &new].contains(&it)),
            "{what}: {values:?}"
        );
        let aside = path.with_extension("damaged");
        assert_eq!(fs::read(&aside).unwrap(), bytes, "{what}");
        assert!(text.contains(aside.to_str().unwrap()), "{what}: {text}");
        assert!(text.contains("the one before is used"), "{what}: {text}");

        let (again, text) = read(&dir);
        assert_eq!((again, &*text), (values, ""), "{what}: it is told once");
    }
}

#[test]
fn if_all_files_of_a_shard_are_damaged_each_is_named_and_the_others_are_used() {
    let dir = saved_twice("all-damaged");
    for (_, path) in dir.saved(0) {
        fs::write(path, "").unwrap();
    }
    let (values, text) = read(&dir);
    assert!(values.contains(&Value::text("new")) && values.contains(&Value::Nil));
    assert_eq!(
        text.matches(".damaged: ").count(),
        2,
        "each is named: {text}"
    );
    assert_eq!(text.matches("the shard begins empty").count(), 2, "{text}");
}

#[test]
fn data_of_a_later_program_are_refused_and_left_as_they_are() {
    let dir = saved_twice("later");
    let (_, path) = dir.saved(0).pop().unwrap();
    let later = Image::of(Head::new(Kind::Actor, "kv::Shard").schema(1000), &[0_u8]);
    let later = later.unwrap().encode();
    fs::write(&path, &later).unwrap();
    let args = format!("--port 0 --shards 2 --data {dir}");
    let output = command(&args).stderr(Stdio::piped()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("version 1000"), "{text}");
    assert_eq!(fs::read(&path).unwrap(), later);
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
    let args = format!("--port 0 --shards 3 --data {dir}");
    let output = command(&args).stderr(Stdio::piped()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && text.contains("--shards 2"),
        "{text}"
    );
}
