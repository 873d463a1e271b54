//! Replies compared with those of a real server: Redis 7.0.15's are recorded, and a live one can be asked.
//!
//! ```text
//! redis-server --port 7399 --save '' --enable-debug-command yes &
//! KV_ORACLE=127.0.0.1:7399 cargo test -p examples -- --ignored redis_still_says
//! ```
//! The server's data is flushed.
//!
//! # Known differences, left out of the script
//! - `INCRBYFLOAT`: Redis computes with 80-bit floats, so it knows larger numbers (`1e400`), reads hexadecimal ones, and
//!   shows rounding errors (`5005.60000000000000009`) where this service adds exactly.
//! - `GETEX key EX 0` on a missing key or a hash: Redis looks at the key first, here the invalid time is told first.
//! - `SCAN -1`: Redis reads a negative cursor as a very large one; here it is invalid.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::Harness;

/// Commands, each with the reply of Redis 7.0.15 when run in this order on an empty server.
const SCRIPT: &[(&str, &str)] = &include!("oracle_script.in");

/// A connection to the server that answers one command at a time: a `PING` with a mark shows where the reply ends.
struct Oracle(TcpStream);

impl Oracle {
    fn ask(&mut self, line: &str) -> String {
        const MARK: &[u8] = b"$9\r\nthe-end-!\r\n";
        self.0
            .write_all(format!("{line}\r\nECHO the-end-!\r\n").as_bytes())
            .unwrap();
        let mut reply = Vec::new();
        let mut chunk = [0; 4096];
        while !reply.ends_with(MARK) {
            let n = self.0.read(&mut chunk).unwrap();
            assert!(n > 0, "the server closed the connection after {line:?}");
            reply.extend_from_slice(&chunk[..n]);
        }
        reply.truncate(reply.len() - MARK.len());
        String::from_utf8_lossy(&reply).into_owned()
    }
}

/// Runs the script and fails with all replies that differ from the recorded ones.
fn check(mut ask: impl FnMut(&str) -> String) {
    let differences: Vec<String> = SCRIPT
        .iter()
        .map(|&(line, recorded)| (line, recorded, ask(line)))
        .filter(|(_, recorded, now)| recorded != now)
        .map(|(line, recorded, now)| {
            format!("{line}\n    recorded {recorded:?}\n    now      {now:?}\n")
        })
        .collect();
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        differences.concat()
    );
}

#[test]
fn replies_are_those_of_redis() {
    for shards in [1, 4] {
        let mut kv = Harness::new(shards);
        check(|line| kv.ask(line));
    }
}

#[test]
#[ignore = "needs a Redis server, named by KV_ORACLE"]
fn redis_still_says_what_was_recorded() {
    let addr = std::env::var("KV_ORACLE").expect("KV_ORACLE names the server");
    let mut oracle = Oracle(TcpStream::connect(addr).unwrap());
    oracle.ask("FLUSHALL");
    check(|line| oracle.ask(line));
}
