//! What is stored comes back: strings, expiry, hashes, scans, pipelines, through the `redis` crate.

use std::collections::{BTreeMap, BTreeSet};

use redis::{Connection, FromRedisValue, RedisResult, cmd};

use crate::{Service, until};

fn ask<T: FromRedisValue>(con: &mut Connection, words: &[&str]) -> T {
    try_ask(con, words).unwrap()
}

fn try_ask<T: FromRedisValue>(con: &mut Connection, words: &[&str]) -> RedisResult<T> {
    let mut cmd = cmd(words[0]);
    words[1..].iter().for_each(|word| {
        cmd.arg(word);
    });
    cmd.query(con)
}

#[test]
fn strings_and_counters() {
    let service = Service::start();
    let con = &mut service.redis();
    assert_eq!(ask::<String>(con, &["SET", "name", "Ada"]), "OK");
    assert_eq!(ask::<String>(con, &["GET", "name"]), "Ada");
    assert_eq!(ask::<Option<String>>(con, &["GET", "nobody"]), None);
    assert_eq!(
        ask::<Option<String>>(con, &["SET", "name", "Bob", "NX"]),
        None
    );
    assert_eq!(
        ask::<String>(con, &["SET", "name", "Bob", "XX", "GET"]),
        "Ada"
    );
    assert_eq!(ask::<i64>(con, &["APPEND", "name", "by"]), 5);
    assert_eq!(ask::<i64>(con, &["INCR", "n"]), 1);
    assert_eq!(ask::<i64>(con, &["INCRBY", "n", "41"]), 42);
    assert_eq!(ask::<String>(con, &["INCRBYFLOAT", "n", "0.5"]), "42.5");
    let error = try_ask::<i64>(con, &["INCR", "name"]).unwrap_err();
    assert_eq!(
        error.detail(),
        Some("value is not an integer or out of range")
    );
    ask::<()>(con, &["MSET", "a", "1", "b", "2", "c", "3"]);
    let many: Vec<Option<i64>> = ask(con, &["MGET", "a", "b", "x", "c"]);
    assert_eq!(many, [Some(1), Some(2), None, Some(3)]);
    assert_eq!(ask::<i64>(con, &["DEL", "a", "b", "x", "c"]), 3);
    assert_eq!(ask::<i64>(con, &["DBSIZE"]), 2);
    assert_eq!(ask::<String>(con, &["TYPE", "n"]), "string");
}

#[test]
fn every_byte_is_kept_in_keys_and_values() {
    let service = Service::start();
    let con = &mut service.redis();
    let all: Vec<u8> = (0..=255).chain(*b"\r\n$-1\r\n*0\r\n").collect();
    for key in [&all[..], b"", b"\r\n", b"\0"] {
        cmd("SET").arg(key).arg(&all).exec(con).unwrap();
        assert_eq!(cmd("GET").arg(key).query::<Vec<u8>>(con).unwrap(), all);
    }
    let keys: BTreeSet<Vec<u8>> = ask(con, &["KEYS", "*"]);
    assert_eq!(keys.len(), 4);
    assert!(keys.contains(&all));
}

#[test]
fn big_values_come_back_whole_and_in_order() {
    let service = Service::start();
    let con = &mut service.redis();
    let value = |n: u32, len: usize| -> Vec<u8> {
        (0..len as u32)
            .map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(n) >> 11) as u8)
            .collect()
    };
    let huge = value(0, 24 << 20);
    cmd("SET").arg("huge").arg(&huge).exec(con).unwrap();
    // Many replies, each larger than the limit at which a shard stops: batches go several rounds.
    let mut gets = redis::pipe();
    for n in 0..32 {
        cmd("SET")
            .arg(format!("big:{n}"))
            .arg(value(n, 300_000 + n as usize))
            .exec(con)
            .unwrap();
        gets.get(format!("big:{n}"));
    }
    let replies: Vec<Vec<u8>> = gets.query(con).unwrap();
    for (n, reply) in (0..).zip(replies) {
        assert!(reply == value(n, 300_000 + n as usize), "value {n}");
    }
    assert!(cmd("GET").arg("huge").query::<Vec<u8>>(con).unwrap() == huge);
}

#[test]
fn the_ttl_family_tells_the_time_left() {
    let service = Service::start();
    let con = &mut service.redis();
    ask::<()>(con, &["SET", "k", "v"]);
    assert_eq!(ask::<i64>(con, &["TTL", "k"]), -1);
    assert_eq!(ask::<i64>(con, &["TTL", "nobody"]), -2);
    assert_eq!(ask::<i64>(con, &["EXPIRE", "k", "1000"]), 1);
    assert!((1..=1000).contains(&ask::<i64>(con, &["TTL", "k"])));
    assert!((1..=1_000_000).contains(&ask::<i64>(con, &["PTTL", "k"])));
    assert_eq!(ask::<i64>(con, &["PERSIST", "k"]), 1);
    assert_eq!(ask::<i64>(con, &["TTL", "k"]), -1);
    assert_eq!(ask::<i64>(con, &["EXPIREAT", "k", "33177117420"]), 1);
    assert_eq!(ask::<i64>(con, &["EXPIRETIME", "k"]), 33_177_117_420);
    assert_eq!(ask::<i64>(con, &["PEXPIREAT", "k", "1"]), 1);
    assert_eq!(ask::<i64>(con, &["EXISTS", "k"]), 0);
    let error = try_ask::<()>(con, &["SET", "k", "v", "EX", "0"]).unwrap_err();
    assert_eq!(error.detail(), Some("invalid expire time in 'set' command"));
}

#[test]
fn keys_expire_though_nobody_looks_them_up() {
    let service = Service::start();
    let con = &mut service.redis();
    // More than a shard removes in one go; set latest first, so that alarms have to be moved earlier.
    let mut pipe = redis::pipe();
    for n in 0..5_000 {
        let life_ms = 1 + (5_000 - n) / 100;
        pipe.cmd("SET")
            .arg(format!("short:{n}"))
            .arg(n)
            .arg("PX")
            .arg(life_ms);
    }
    pipe.cmd("SET").arg("long").arg(1).arg("EX").arg(1000);
    pipe.cmd("SET").arg("for ever").arg(1);
    pipe.exec(con).unwrap();
    until("only two keys are left", || {
        ask::<i64>(con, &["DBSIZE"]) == 2
    });
    // The alarm rings again for what is set after it rang.
    ask::<()>(con, &["PEXPIRE", "long", "1"]);
    until("only one is", || ask::<i64>(con, &["DBSIZE"]) == 1);
}

#[test]
fn hashes() {
    let service = Service::start();
    let con = &mut service.redis();
    assert_eq!(ask::<i64>(con, &["HSET", "h", "a", "1", "b", "2"]), 2);
    assert_eq!(ask::<i64>(con, &["HSET", "h", "a", "3"]), 0);
    assert_eq!(ask::<i64>(con, &["HGET", "h", "a"]), 3);
    let all: BTreeMap<String, i64> = ask(con, &["HGETALL", "h"]);
    assert_eq!(all, BTreeMap::from([("a".into(), 3), ("b".into(), 2)]));
    let some: Vec<Option<i64>> = ask(con, &["HMGET", "h", "b", "x", "a"]);
    assert_eq!(some, [Some(2), None, Some(3)]);
    assert_eq!(ask::<i64>(con, &["HINCRBY", "h", "a", "-4"]), -1);
    assert_eq!(ask::<i64>(con, &["HDEL", "h", "a", "x"]), 1);
    assert_eq!(ask::<i64>(con, &["HLEN", "h"]), 1);
    let error = try_ask::<()>(con, &["GET", "h"]).unwrap_err();
    assert_eq!(error.code(), Some("WRONGTYPE"));
    for n in 0..1_000 {
        ask::<()>(con, &["HSET", "large", &format!("f{n}"), "1"]);
    }
    let mut scan = cmd("HSCAN");
    let fields: BTreeMap<String, i64> = scan
        .arg("large")
        .cursor_arg(0)
        .clone()
        .iter::<(String, i64)>(con)
        .unwrap()
        .map(|field| field.unwrap())
        .collect();
    assert_eq!(fields.len(), 1_000);
}

#[test]
fn a_scan_finds_every_key_of_every_shard() {
    let service = Service::start();
    let con = &mut service.redis();
    let mut pipe = redis::pipe();
    let keys: BTreeSet<String> = (0..2_000).map(|n| format!("key:{n}")).collect();
    keys.iter().for_each(|key| {
        pipe.set(key, 1);
    });
    pipe.exec(con).unwrap();
    let scan = |con: &mut Connection, pattern: &str| -> BTreeSet<String> {
        let mut scan = cmd("SCAN");
        scan.cursor_arg(0)
            .arg("MATCH")
            .arg(pattern)
            .arg("COUNT")
            .arg(37);
        let found = scan.iter::<String>(con).unwrap();
        found.map(|key| key.unwrap()).collect()
    };
    assert_eq!(scan(con, "*"), keys);
    assert_eq!(scan(con, "key:19??").len(), 100);
    let matched: BTreeSet<String> = ask(con, &["KEYS", "key:1[0-4]"]);
    assert_eq!(matched.len(), 5);
    assert_eq!(ask::<String>(con, &["FLUSHALL"]), "OK");
    assert_eq!(ask::<i64>(con, &["DBSIZE"]), 0);
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let service = Service::start();
    let con = &mut service.redis();
    let mut pipe = redis::pipe();
    for n in 0..10_000 {
        match n % 5 {
            0 => pipe.cmd("SET").arg(format!("k{n}")).arg(n),
            1 => pipe.cmd("GET").arg(format!("k{}", n - 1)),
            2 => pipe.cmd("ECHO").arg(n),
            3 => pipe.cmd("INCR").arg("shared"),
            _ => pipe.cmd("MGET").arg(format!("k{}", n - 4)).arg("nobody"),
        };
    }
    let replies: Vec<redis::Value> = pipe.query(con).unwrap();
    assert_eq!(replies.len(), 10_000);
    for (n, reply) in replies.into_iter().enumerate() {
        let number = |value| i64::from_redis_value(value).unwrap();
        match n % 5 {
            0 => assert_eq!(reply, redis::Value::Okay),
            1 => assert_eq!(number(reply), n as i64 - 1),
            2 => assert_eq!(number(reply), n as i64),
            3 => assert_eq!(number(reply), n as i64 / 5 + 1),
            _ => {
                let pair = <(i64, Option<i64>)>::from_redis_value(reply).unwrap();
                assert_eq!(pair, (n as i64 - 4, None));
            }
        }
    }
}

#[test]
fn transactions_are_refused_and_the_connection_goes_on() {
    let service = Service::start();
    let con = &mut service.redis();
    for command in ["MULTI", "EXEC", "WATCH"] {
        let error = try_ask::<()>(con, &[command, "k"]).unwrap_err();
        assert!(
            error.detail().unwrap().starts_with("unknown command"),
            "{error}"
        );
    }
    assert_eq!(ask::<String>(con, &["PING"]), "PONG");
}

#[test]
fn a_connection_and_the_service_tell_about_themselves() {
    let service = Service::start();
    let (con, other) = (&mut service.redis(), &mut service.redis());
    ask::<()>(con, &["CLIENT", "SETNAME", "ada"]);
    ask::<()>(other, &["CLIENT", "SETNAME", "bob"]);
    let id: u64 = ask(con, &["CLIENT", "ID"]);
    let list: String = ask(other, &["CLIENT", "LIST"]);
    assert!(
        list.lines()
            .any(|line| line.starts_with(&format!("id={id} ")) && line.contains(" name=ada ")),
        "{list}"
    );
    assert_eq!(list.lines().count(), 2);
    ask::<()>(con, &["MSET", "a", "1", "b", "2"]);
    ask::<()>(con, &["EXPIRE", "a", "100"]);
    let info: String = ask(con, &["INFO"]);
    assert!(
        info.contains("connected_clients:2\r\n") && info.contains("db0:keys=2,expires=1,"),
        "{info}"
    );
    let version: BTreeMap<String, redis::Value> = ask(con, &["HELLO", "2"]);
    assert!(version.contains_key("version"));
    assert_eq!(ask::<String>(con, &["DEBUG", "SLEEP", "0"]), "OK");
    assert_eq!(ask::<String>(con, &["RESET"]), "RESET");
    assert_eq!(ask::<Option<String>>(con, &["CLIENT", "GETNAME"]), None);
    assert_eq!(ask::<String>(con, &["QUIT"]), "OK");
    until("the one who quit is gone", || {
        ask::<String>(other, &["CLIENT", "LIST"]).lines().count() == 1
    });
}
