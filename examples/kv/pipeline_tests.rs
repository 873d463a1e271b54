use super::*;
use crate::harness::Harness;

#[test]
fn keys_stay_in_their_shards_for_ever() {
    // Values that must not change: data would be looked for in the wrong place.
    let shards: Vec<u32> = ["", "a", "b", "foo", "user:1000"]
        .iter()
        .map(|key| shard_of(key.as_bytes(), 16))
        .collect();
    assert_eq!(shards, PINNED);
    for n in 0..1000u32 {
        assert!(shard_of(&n.to_le_bytes(), 7) < 7);
    }
}

const PINNED: [u32; 5] = [14, 8, 6, 10, 7];

#[test]
fn keys_spread_evenly() {
    let mut counts = [0; 8];
    for n in 0..8000 {
        counts[shard_of(format!("key:{n:012}").as_bytes(), 8) as usize] += 1;
    }
    assert!(
        counts.iter().all(|&count| (700..1300).contains(&count)),
        "{counts:?}"
    );
}

#[test]
fn a_read_costs_one_message_per_shard() {
    let mut kv = Harness::new(4);
    let sets: String = (0..64).map(|n| format!("SET k{n} {n}\r\n")).collect();
    assert_eq!(kv.send(sets.as_bytes()), b"+OK\r\n".repeat(64));
    assert_eq!(kv.messages, 4);
}

#[test]
fn replies_keep_their_order_over_any_number_of_shards() {
    let script = "SET a 1\r\nPING\r\nINCR a\r\nNOSUCH\r\nMSET x 1 y 2 z 3\r\nMGET z nokey a x y\r\nDEL x y nokey\r\n\
                  EXISTS a a z\r\nECHO hi\r\nHSET h f v\r\nGET h\r\nMGET h\r\nDBSIZE\r\nFLUSHALL\r\nDBSIZE\r\n";
    let expected = Harness::new(1).send(script.as_bytes());
    for shards in [2, 3, 8, 61] {
        for reply_limit in [0, 5, 1 << 20] {
            let mut kv = Harness::new(shards);
            kv.reply_limit = reply_limit;
            assert_eq!(
                kv.send(script.as_bytes()),
                expected,
                "{shards} shards, {reply_limit} bytes"
            );
        }
    }
}

#[test]
fn a_huge_answer_comes_in_pieces() {
    let mut kv = Harness::new(2);
    kv.reply_limit = 10_000;
    kv.ask(&format!("SET big {}", "x".repeat(9_000)));
    kv.messages = 0;
    let answer = kv.send("GET big\r\n".repeat(100).as_bytes());
    assert_eq!(answer.len(), 100 * (9_000 + "$9000\r\n\r\n".len()));
    assert_eq!(kv.messages, 50);
}

#[test]
fn keys_of_all_shards_are_listed_and_scanned() {
    let mut kv = Harness::new(5);
    for n in 0..200 {
        kv.ask(&format!("SET key:{n} v"));
    }
    assert!(kv.ask("KEYS key:*").starts_with("*200\r\n"));
    assert!(kv.ask("KEYS key:1?").starts_with("*10\r\n"));
    let (mut cursor, mut seen) = ("0".to_string(), std::collections::BTreeSet::new());
    loop {
        let reply = kv.ask(&format!("SCAN {cursor} COUNT 7"));
        let lines: Vec<&str> = reply.split("\r\n").collect();
        cursor = lines[2].to_string();
        seen.extend(
            lines
                .iter()
                .filter(|line| line.starts_with("key:"))
                .map(ToString::to_string),
        );
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 200);
    // Whatever a client makes up as a cursor is harmless.
    for cursor in [3, 4, 999_999, u64::MAX] {
        assert!(kv.ask(&format!("SCAN {cursor}")).starts_with("*2\r\n"));
    }
}

#[test]
fn a_lost_shard_fails_what_it_owed_and_nothing_else() {
    let (mut pipeline, mut out) = (Pipeline::new(2), Vec::new());
    let (mut decoder, cx) = (
        crate::resp::Decoder::new(crate::resp::Limits::default()),
        crate::command::Context {
            now: 0,
            shards: 2,
            max_value: 100,
        },
    );
    let one = (0..)
        .map(|n| format!("k{n}"))
        .find(|key| shard_of(key.as_bytes(), 2) == 1)
        .unwrap();
    let zero = (0..)
        .map(|n| format!("k{n}"))
        .find(|key| shard_of(key.as_bytes(), 2) == 0)
        .unwrap();
    let bytes = format!("GET {one}\r\nGET {zero}\r\nDEL {zero} {one}\r\nMGET {one} {zero}\r\n");
    decoder.space()[..bytes.len()].copy_from_slice(bytes.as_bytes());
    decoder.filled(bytes.len());
    while let Some(request) = decoder.next_request().unwrap() {
        pipeline
            .push(crate::command::parse(request, cx).unwrap(), request)
            .unwrap();
    }
    let mut batch = pipeline.take(0).unwrap();
    crate::store::Store::new().run(&mut batch, 0, 1000);
    pipeline.answer(0, batch);
    drop(pipeline.take(1).unwrap());
    assert!(!pipeline.merge(&mut out));
    pipeline.lost(1);
    assert!(pipeline.merge(&mut out));
    let error = "-ERR shard 1 failed, the command may have been executed or not\r\n";
    assert_eq!(
        String::from_utf8(out).unwrap(),
        format!("{error}$-1\r\n{error}*2\r\n{error}$-1\r\n")
    );
    assert!(
        pipeline.is_done() && pipeline.batch(1).peek().is_none(),
        "the next read starts afresh"
    );
}

#[test]
fn everything_that_travels_is_send() {
    fn send<T: Send + 'static>() {}
    send::<Batch>();
    send::<Command>();
}
