use super::*;
use crate::harness::Harness;
use proptest::prelude::*;
use std::collections::HashMap;

/// Asks each line and compares the reply, in which `|` stands for a line end.
fn check(kv: &mut Harness, lines: &[(&str, &str)]) {
    for (line, expected) in lines {
        assert_eq!(
            kv.ask(line).trim_end().replace("\r\n", "|"),
            *expected,
            "{line}"
        );
    }
}

#[test]
fn keys_expire_when_the_clock_says_so() {
    let mut kv = Harness::new(1);
    check(
        &mut kv,
        &[
            ("SET a 1 PX 100", "+OK"),
            ("PTTL a", ":100"),
            ("SET b 1", "+OK"),
            ("TTL b", ":-1"),
            ("TTL c", ":-2"),
        ],
    );
    kv.now += 99;
    check(
        &mut kv,
        &[("GET a", "$1|1"), ("PTTL a", ":1"), ("TTL a", ":0")],
    );
    kv.now += 1;
    check(
        &mut kv,
        &[
            ("GET a", "$-1"),
            ("DBSIZE", ":1"),
            ("EXPIRE b 10", ":1"),
            ("PERSIST b", ":1"),
            ("PERSIST b", ":0"),
        ],
    );
    check(
        &mut kv,
        &[
            ("SET b 2 EX 10", "+OK"),
            ("SET b 3 KEEPTTL", "+OK"),
            ("TTL b", ":10"),
            ("SET b 4", "+OK"),
            ("TTL b", ":-1"),
        ],
    );
    check(&mut kv, &[("EXPIRE b -1", ":1"), ("EXISTS b", ":0")]);
}

#[test]
fn active_expiry_removes_what_is_due_in_bounded_steps() {
    let mut kv = Harness::new(1);
    for n in 0..100 {
        kv.ask(&format!("SET k{n} v PX {}", 10 + n % 2 * 1000));
    }
    let (now, store) = (kv.now, &mut kv.stores[0]);
    assert_eq!(store.next_deadline(), Some(now + 10));
    assert_eq!(store.expire(now + 9, 100), 0);
    assert_eq!(store.expire(now + 10, 30), 30);
    assert_eq!(store.expire(now + 10, 30), 20);
    assert_eq!((store.len(), store.expiring()), (50, 50));
    assert_eq!(store.next_deadline(), Some(now + 1010));
    assert_eq!(store.expire(now + 5000, 100), 50);
    assert_eq!(
        (store.used(), store.next_deadline(), store.is_empty()),
        (0, None, true)
    );
}

#[test]
fn memory_follows_the_data() {
    let mut kv = Harness::new(1);
    kv.ask(&format!("SET a {}", "x".repeat(10_000)));
    assert!((10_000..11_000).contains(&kv.stores[0].used()));
    for line in [
        "SET a short",
        "HSET h f 1 g 2",
        "HSET h f 333",
        "HDEL h g",
        "APPEND a more",
        "INCR n",
    ] {
        kv.ask(line);
    }
    assert!(
        (1..1_000).contains(&kv.stores[0].used()),
        "{}",
        kv.stores[0].used()
    );
    kv.ask("DEL a h n");
    assert_eq!(kv.stores[0].used(), 0);
}

#[test]
#[should_panic(expected = "DEBUG PANIC boom")]
fn debug_panic_panics() {
    Harness::new(1).ask("DEBUG PANIC boom");
}

#[test]
fn a_hash_is_scanned_to_its_end() {
    let mut kv = Harness::new(1);
    for n in 0..50 {
        kv.ask(&format!("HSET h f{n} {n}"));
    }
    let (mut cursor, mut fields) = ("0".to_string(), 0);
    loop {
        let reply = kv.ask(&format!("HSCAN h {cursor} COUNT 7 MATCH f*"));
        fields += reply.matches("\r\nf").count();
        cursor = reply.split("\r\n").nth(2).unwrap().to_string();
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(fields, 50);
}

#[derive(Debug, Clone)]
enum Act {
    Set(u8, i64, Option<u64>),
    Incr(u8, i64),
    Del(u8),
    Expire(u8, u64),
    Persist(u8),
    Wait(u64),
    Sweep(usize),
    HSet(u8, u8),
    HDel(u8, u8),
}

fn act() -> impl Strategy<Value = Act> {
    let key = || 0u8..6;
    prop_oneof![
        (key(), any::<i64>(), proptest::option::of(1u64..50))
            .prop_map(|(k, v, t)| Act::Set(k, v, t)),
        (key(), -5i64..5).prop_map(|(k, by)| Act::Incr(k, by)),
        key().prop_map(Act::Del),
        (key(), 0u64..50).prop_map(|(k, t)| Act::Expire(k, t)),
        key().prop_map(Act::Persist),
        (0u64..30).prop_map(Act::Wait),
        (0usize..4).prop_map(Act::Sweep),
        (key(), 0u8..4).prop_map(|(k, f)| Act::HSet(k, f)),
        (key(), 0u8..4).prop_map(|(k, f)| Act::HDel(k, f)),
    ]
}

/// A value and when it ends, in the simplest form there is.
#[derive(Debug, Clone, PartialEq)]
enum Model {
    Number(i64),
    Fields(std::collections::BTreeSet<u8>),
}

proptest! {
    #[test]
    fn the_store_does_what_a_plain_map_does(acts in proptest::collection::vec(act(), 0..120)) {
        let mut kv = Harness::new(3);
        let mut model: HashMap<u8, (Model, Option<u64>)> = HashMap::new();
        let wrong = format!("-{}\r\n", reply::WRONG_TYPE);
        for act in acts {
            model.retain(|_, (_, end)| end.is_none_or(|end| end > kv.now));
            let now = kv.now;
            match act {
                Act::Set(k, v, ttl) => {
                    let option = ttl.map_or(String::new(), |t| format!("PX {t}"));
                    prop_assert_eq!(kv.ask(&format!("SET k{k} {v} {option}")), "+OK\r\n");
                    model.insert(k, (Model::Number(v), ttl.map(|t| now + t)));
                }
                Act::Incr(k, by) => {
                    let reply = kv.ask(&format!("INCRBY k{k} {by}"));
                    let (value, _) = model.entry(k).or_insert((Model::Number(0), None));
                    match value {
                        Model::Fields(_) => prop_assert_eq!(&reply, &wrong),
                        Model::Number(n) => match n.checked_add(by) {
                            Some(sum) => {
                                *n = sum;
                                prop_assert_eq!(reply, format!(":{sum}\r\n"));
                            }
                            None => prop_assert_eq!(reply, format!("-{OVERFLOW}\r\n")),
                        },
                    }
                }
                Act::Del(k) => {
                    let removed = u8::from(model.remove(&k).is_some());
                    prop_assert_eq!(kv.ask(&format!("DEL k{k}")), format!(":{removed}\r\n"));
                }
                Act::Expire(k, ttl) => {
                    let found = u8::from(model.contains_key(&k));
                    prop_assert_eq!(kv.ask(&format!("PEXPIRE k{k} {ttl}")), format!(":{found}\r\n"));
                    model.entry(k).and_modify(|(_, end)| *end = Some(now + ttl));
                }
                Act::Persist(k) => {
                    kv.ask(&format!("PERSIST k{k}"));
                    model.entry(k).and_modify(|(_, end)| *end = None);
                    model.retain(|_, (_, end)| end.is_none_or(|end| end > now));
                }
                Act::Wait(ms) => kv.now += ms,
                Act::Sweep(budget) => {
                    let expired: usize = kv.stores.iter_mut().map(|store| store.expire(now, budget)).sum();
                    prop_assert!(expired <= 3 * budget);
                }
                Act::HSet(k, f) => {
                    let reply = kv.ask(&format!("HSET k{k} f{f} v"));
                    match &mut model.entry(k).or_insert((Model::Fields(Default::default()), None)).0 {
                        Model::Number(_) => prop_assert_eq!(&reply, &wrong),
                        Model::Fields(set) => prop_assert_eq!(reply, format!(":{}\r\n", u8::from(set.insert(f)))),
                    }
                }
                Act::HDel(k, f) => {
                    let reply = kv.ask(&format!("HDEL k{k} f{f}"));
                    let mut emptied = false;
                    match model.get_mut(&k).map(|(value, _)| value) {
                        None => prop_assert_eq!(reply, ":0\r\n"),
                        Some(Model::Number(_)) => prop_assert_eq!(&reply, &wrong),
                        Some(Model::Fields(set)) => {
                            prop_assert_eq!(reply, format!(":{}\r\n", u8::from(set.remove(&f))));
                            emptied = set.is_empty();
                        }
                    }
                    if emptied {
                        model.remove(&k);
                    }
                }
            }
            model.retain(|_, (_, end)| end.is_none_or(|end| end > kv.now));
            for k in 0..6u8 {
                let (kind, ttl) = match model.get(&k) {
                    None => ("none", -2),
                    Some((value, end)) => (
                        if matches!(value, Model::Number(_)) { "string" } else { "hash" },
                        end.map_or(-1, |end| (end - kv.now) as i64),
                    ),
                };
                prop_assert_eq!(kv.ask(&format!("TYPE k{k}")), format!("+{kind}\r\n"));
                prop_assert_eq!(kv.ask(&format!("PTTL k{k}")), format!(":{ttl}\r\n"));
            }
        }
        // Memory is accounted for by difference; the sum must come out even.
        kv.ask("DEL k0 k1 k2 k3 k4 k5");
        prop_assert!(kv.stores.iter().all(|store| store.used() == 0 && store.next_deadline().is_none()));
    }
}
