//! A shard that crashes: what it costs, and what it does not.

use actor_core::Event;
use kv::client::Value;
use kv::demo::{self, Plan};
use kv::pipeline::shard_of;
use kv::server::Config;

use crate::{PATIENCE, Service};

/// A key of a shard of four.
fn key(shard: u32) -> String {
    (0..)
        .map(|n| format!("key:{n}"))
        .find(|key| shard_of(key.as_bytes(), 4) == shard)
        .unwrap()
}

#[test]
fn a_crash_costs_one_shard_its_data_and_one_batch_its_answers() {
    let service = Service::start();
    let events = service.0.as_ref().unwrap().events();
    let mut client = service.plain();
    for shard in 0..4 {
        assert_eq!(
            client.ask(&format!("SET {} x", key(shard))).unwrap(),
            Value::ok()
        );
    }
    // In one pipeline: what shares the batch with the crash is lost, other shards' answers come.
    client.queue(["GET", &key(1)]);
    client.queue(["GET", &key(2)]);
    client.queue(["DEBUG", "PANIC", &key(2)]);
    client.queue(["GET", &key(2)]);
    client.queue(["PING"]);
    client.queue(["GET", &key(3)]);
    client.flush().unwrap();
    let replies: Vec<_> = (0..6).map(|_| client.receive().unwrap()).collect();
    assert_eq!(replies[0], Value::text("x"));
    for lost in &replies[1..4] {
        let Value::Error(text) = lost else {
            panic!("{lost:?}");
        };
        assert!(text.starts_with("ERR shard 2 failed"), "{text}");
    }
    assert_eq!(
        replies[4..],
        [Value::Simple("PONG".into()), Value::text("x")]
    );
    // The same connection, the same address of the shard: empty, and at work.
    assert_eq!(client.ask(&format!("GET {}", key(2))).unwrap(), Value::Nil);
    assert_eq!(
        client.ask(&format!("SET {} y", key(2))).unwrap(),
        Value::ok()
    );
    assert_eq!(client.ask("DBSIZE").unwrap(), Value::Int(4));
    let restarted = std::iter::from_fn(|| events.recv_timeout(PATIENCE).ok())
        .find(|event| matches!(event, Event::Restarted { .. }));
    assert!(restarted.is_some());
}

#[test]
fn an_answer_of_many_shards_is_an_error_if_one_of_them_fails() {
    let service = Service::start();
    let mut client = service.plain();
    client.queue(["MSET", &key(0), "a", &key(1), "b"]);
    client.queue(["DEBUG", "PANIC", &key(1)]);
    client.queue(["MGET", &key(0), &key(1)]);
    client.flush().unwrap();
    assert!(client.receive().unwrap().is_error());
    assert!(client.receive().unwrap().is_error());
    let Value::Array(values) = client.receive().unwrap() else {
        panic!("MGET answers value by value");
    };
    assert_eq!(values[0], Value::text("a"));
    assert!(values[1].is_error());
    assert_eq!(client.ask("PING").unwrap(), Value::Simple("PONG".into()));
}

#[test]
fn expiry_goes_on_after_a_crash() {
    let service = Service::start();
    let mut client = service.plain();
    client.ask(&format!("SET {} x EX 1000", key(0))).unwrap();
    assert!(
        client
            .ask(&format!("DEBUG PANIC {}", key(0)))
            .unwrap()
            .is_error()
    );
    client.ask(&format!("SET {} x PX 5", key(0))).unwrap();
    crate::until("the key has expired", || {
        client.ask("DBSIZE").unwrap() == Value::Int(0)
    });
}

#[test]
fn crashes_under_load_disturb_nothing_else() {
    let plan = Plan {
        rounds: 100,
        crashes: 40,
        idle: 20,
        ..Plan::default()
    };
    for workers in [1, 2, 4] {
        let config = Config {
            workers: Some(workers),
            ..Config::default()
        };
        let report = demo::run(&plan, config).unwrap();
        assert!(report.faults.is_empty(), "{workers} workers:\n{report}");
    }
}
