//! Publish/subscribe, through the `redis` crate and by hand.

use std::io::Read;

use kv::client::Value;
use redis::cmd;

use crate::{PATIENCE, Service, until};

#[test]
fn channels_and_patterns_deliver_in_order() {
    let service = Service::start();
    let mut listener = service.redis();
    let mut sub = listener.as_pubsub();
    sub.set_read_timeout(Some(PATIENCE)).unwrap();
    sub.subscribe(&["news", "weather"]).unwrap();
    sub.psubscribe("n*").unwrap();
    let con = &mut service.redis();
    // The client takes the second confirmation of its SUBSCRIBE for that of its PSUBSCRIBE, and may be here before it.
    until("the pattern is subscribed to", || {
        cmd("PUBSUB").arg("NUMPAT").query::<i64>(con).unwrap() == 1
    });
    for n in 0..100 {
        let heard: i64 = cmd("PUBLISH").arg("news").arg(n).query(con).unwrap();
        assert_eq!(heard, 2, "to the channel and to the pattern");
    }
    assert_eq!(
        cmd("PUBLISH")
            .arg("sports")
            .arg(1)
            .query::<i64>(con)
            .unwrap(),
        0
    );
    for n in 0..100 {
        for pattern in [None, Some("n*".to_string())] {
            let message = sub.get_message().unwrap();
            assert_eq!(message.get_payload::<i64>().unwrap(), n);
            assert_eq!(message.get_pattern::<Option<String>>().unwrap(), pattern);
        }
    }
    let counts: (String, i64, String, i64) = cmd("PUBSUB")
        .arg("NUMSUB")
        .arg(&["news", "none"])
        .query(con)
        .unwrap();
    assert_eq!(counts, ("news".into(), 1, "none".into(), 0));
    let channels: Vec<String> = cmd("PUBSUB").arg("CHANNELS").arg("w*").query(con).unwrap();
    assert_eq!(channels, ["weather"]);
    assert_eq!(cmd("PUBSUB").arg("NUMPAT").query::<i64>(con).unwrap(), 1);
    drop(sub);
    drop(listener);
    until("nobody listens", || {
        cmd("PUBLISH").arg("news").arg(0).query::<i64>(con).unwrap() == 0
    });
}

#[test]
fn a_subscriber_still_gives_some_commands_and_can_go_back() {
    let service = Service::start();
    let mut client = service.plain();
    client.ask("SET k v").unwrap();
    // In one read: what comes before and after is answered in order.
    client.queue(["GET", "k"]);
    client.queue(["SUBSCRIBE", "a", "b"]);
    client.queue(["PING", "x"]);
    client.queue(["GET", "k"]);
    client.queue(["UNSUBSCRIBE"]);
    client.queue(["GET", "k"]);
    client.flush().unwrap();
    let array = |values: &[Value]| Value::Array(values.to_vec());
    let text = |t: &str| Value::text(t);
    assert_eq!(client.receive().unwrap(), text("v"));
    for (n, name) in (1..).zip(["a", "b"]) {
        assert_eq!(
            client.receive().unwrap(),
            array(&[text("subscribe"), text(name), Value::Int(n)])
        );
    }
    assert_eq!(client.receive().unwrap(), array(&[text("pong"), text("x")]));
    let Value::Error(error) = client.receive().unwrap() else {
        panic!("GET while subscribed");
    };
    assert!(error.starts_with("ERR Can't execute 'get'"), "{error}");
    for (n, name) in [(1, "a"), (0, "b")] {
        assert_eq!(
            client.receive().unwrap(),
            array(&[text("unsubscribe"), text(name), Value::Int(n)])
        );
    }
    assert_eq!(client.receive().unwrap(), text("v"));
    // Again, and out by RESET.
    client.ask("PSUBSCRIBE *").unwrap();
    assert_eq!(service.plain().ask("PUBLISH x 1").unwrap(), Value::Int(1));
    assert_eq!(
        client.receive().unwrap(),
        array(&[text("pmessage"), text("*"), text("x"), text("1")])
    );
    assert_eq!(client.ask("RESET").unwrap(), Value::Simple("RESET".into()));
    assert_eq!(service.plain().ask("PUBLISH x 1").unwrap(), Value::Int(0));
    assert_eq!(client.ask("GET k").unwrap(), text("v"));
    assert_eq!(
        client.ask("UNSUBSCRIBE").unwrap(),
        array(&[text("unsubscribe"), Value::Nil, Value::Int(0)])
    );
}

#[test]
fn a_slow_subscriber_is_cut_off_and_the_others_miss_nothing() {
    let service = Service::start();
    let mut slow = service.plain();
    slow.ask("SUBSCRIBE news").unwrap();
    let mut fast = service.plain();
    fast.ask("SUBSCRIBE news").unwrap();
    let mut con = service.plain();
    let payload = vec![b'x'; 256 << 10];
    let mut sent = 0;
    let published = |con: &mut kv::client::Client<_>| {
        con.queue([&b"PUBLISH"[..], b"news", &payload]);
        con.flush().unwrap();
        con.receive().unwrap()
    };
    // The slow one takes nothing. In step with the fast one: how fast that is does not matter.
    while published(&mut con) == Value::Int(2) {
        let Value::Array(message) = fast.receive().unwrap() else {
            panic!("no message");
        };
        assert_eq!(message[2], Value::Bulk(payload.clone()));
        sent += 1;
        assert!(
            sent < 1_000,
            "256 MB are waiting for one who does not take them"
        );
    }
    assert!(fast.receive().is_ok());
    assert_eq!(published(&mut con), Value::Int(1));
    assert!(fast.receive().is_ok());
    // The one cut off finds what was under way, and then the end.
    let mut rest = Vec::new();
    let _ = slow.stream().read_to_end(&mut rest);
    assert!(rest.len() <= (sent + 1) * (payload.len() + 100));
    assert_eq!(con.ask("PING").unwrap(), Value::Simple("PONG".into()));
}
