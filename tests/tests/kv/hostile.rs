//! Clients that send what they should not, too much of it, or too little: an error or the end of the connection, and
//! nobody else notices.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use kv::client::{Client, Value};

use crate::process::Program;
use crate::{PATIENCE, Service};

/// Sends bytes, ends the sending side, and returns all that comes back. A reset is as good as an end.
fn exchange(service: &Service, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(service.addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    answer
}

#[test]
fn a_broken_request_is_told_so_and_the_connection_ends() {
    let service = Service::small();
    let cases: [(&[u8], &str); 9] = [
        (
            b"*x\r\n",
            "-ERR Protocol error: invalid multibulk length\r\n",
        ),
        (
            b"*1001\r\n",
            "-ERR Protocol error: invalid multibulk length\r\n",
        ),
        (
            b"*1\r\n:4\r\n",
            "-ERR Protocol error: expected '$', got ':'\r\n",
        ),
        (
            b"*1\r\n$-5\r\n",
            "-ERR Protocol error: invalid bulk length\r\n",
        ),
        (
            b"*1\r\n$1048577\r\n",
            "-ERR Protocol error: invalid bulk length\r\n",
        ),
        (
            b"*1\r\n$99999999999999999999\r\n",
            "-ERR Protocol error: invalid bulk length\r\n",
        ),
        (
            b"*1\r\n$4\r\nPINGxx",
            "-ERR Protocol error: missing line end\r\n",
        ),
        (
            b"GET 'a\r\n",
            "-ERR Protocol error: unbalanced quotes in request\r\n",
        ),
        (
            &[b'a'; 1100],
            "-ERR Protocol error: too big inline request\r\n",
        ),
    ];
    for (bytes, expected) in cases {
        let answer = exchange(&service, bytes);
        assert_eq!(
            String::from_utf8_lossy(&answer),
            expected,
            "{}",
            bytes.escape_ascii()
        );
        // What came before it is answered.
        let answer = exchange(&service, &[b"PING\r\n", bytes].concat());
        assert_eq!(
            String::from_utf8_lossy(&answer),
            format!("+PONG\r\n{expected}")
        );
    }
    assert_eq!(
        service.plain().ask("PING").unwrap(),
        Value::Simple("PONG".into())
    );
}

#[test]
fn an_oversized_request_is_refused() {
    let service = Service::small();
    // Three arguments within their limit, and together over that of a request; sent by the server's leave in part.
    let mut request = b"*4\r\n$4\r\nMSET\r\n".to_vec();
    for _ in 0..3 {
        request.extend_from_slice(b"$1000000\r\n");
        request.extend(std::iter::repeat_n(b'x', 1_000_000));
        request.extend_from_slice(b"\r\n");
    }
    let answer = exchange(&service, &request);
    let expected = b"-ERR Protocol error: request too long\r\n";
    assert!(
        answer.is_empty() || answer == expected,
        "{}",
        answer.escape_ascii()
    );
    assert_eq!(service.plain().ask("DBSIZE").unwrap(), Value::Int(0));
}

#[test]
fn arbitrary_bytes_end_in_an_error_or_nothing() {
    let service = Service::small();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let pieces: [&[u8]; 12] = [
        b"*3\r\n",
        b"$3\r\n",
        b"SET\r\n",
        b"\r\n",
        b"*-1\r\n",
        b"$0\r\n",
        b"GET a\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"\0\xff",
        b"\"",
        b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
        b"$1000\r\n",
    ];
    for _ in 0..300 {
        let mut bytes = Vec::new();
        for _ in 0..random() % 12 {
            match random() % 4 {
                0 => bytes.extend((0..random() % 8).map(|_| random() as u8)),
                _ => bytes.extend_from_slice(pieces[(random() % 12) as usize]),
            }
        }
        // Whatever it was, what comes back are whole lines, and then the connection ends.
        let answer = exchange(&service, &bytes);
        assert!(
            answer.is_empty() || answer.ends_with(b"\r\n"),
            "{} for {}",
            answer.escape_ascii(),
            bytes.escape_ascii()
        );
    }
    assert_eq!(
        service.plain().ask("PING").unwrap(),
        Value::Simple("PONG".into())
    );
}

#[test]
fn a_half_sent_request_holds_up_nobody() {
    let service = Service::start();
    let request = b"*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$5\r\nwhole\r\n";
    let mut halves: Vec<_> = (0..200)
        .map(|n| {
            let mut stream = TcpStream::connect(service.addr()).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(&request[..n % request.len()]).unwrap();
            stream
        })
        .collect();
    let mut other = service.plain();
    assert_eq!(other.ask("SET k v").unwrap(), Value::ok());
    assert_eq!(other.ask("EXISTS half").unwrap(), Value::Int(0));
    for (n, stream) in halves.iter_mut().enumerate() {
        stream.write_all(&request[n % request.len()..]).unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"+OK\r\n");
    }
    assert_eq!(other.ask("GET half").unwrap(), Value::text("whole"));
}

/// A client of a service in a process of its own, whose memory can be looked at.
fn client_of(program: &Program) -> Client<TcpStream> {
    let client = Client::connect(program.addr).unwrap();
    client.stream().set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

#[test]
fn a_client_that_does_not_read_stops_only_itself() {
    let program = Program::start("--port 0 --workers 2 --shards 4");
    let mut other = client_of(&program);
    let value = vec![b'x'; 100_000];
    other.queue([&b"SET"[..], b"big", &value]);
    other.flush().unwrap();
    assert_eq!(other.receive().unwrap(), Value::ok());
    let before = program.resident();
    // Half a gigabyte of replies, for a few kilobytes of requests. None is read until all is asked for.
    const TIMES: usize = 5_000;
    let mut greedy = client_of(&program);
    (0..TIMES).for_each(|_| greedy.queue(["GET", "big"]));
    greedy.flush().unwrap();
    for n in 0..1_000 {
        assert_eq!(other.ask("INCR n").unwrap(), Value::Int(n + 1));
    }
    let more = program.resident().saturating_sub(before);
    assert!(
        more < 16 << 20,
        "{more} bytes for replies that are not read"
    );
    for _ in 0..TIMES {
        assert_eq!(greedy.receive().unwrap(), Value::Bulk(value.clone()));
    }
}

#[test]
fn idle_and_half_sent_connections_cost_little() {
    let program = Program::start("--port 0 --workers 2 --shards 4");
    let mut first = client_of(&program);
    first.ask("SET k v").unwrap();
    let before = program.resident();
    const COUNT: usize = 2_000;
    let idle: Vec<_> = (0..COUNT)
        .map(|n| {
            let mut client = client_of(&program);
            assert_eq!(client.ask("GET k").unwrap(), Value::text("v"));
            if n % 2 == 0 {
                // The beginning of half a gigabyte.
                let mut stream = client.stream();
                stream
                    .write_all(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\nx")
                    .unwrap();
            }
            client
        })
        .collect();
    assert_eq!(first.ask("PING").unwrap(), Value::Simple("PONG".into()));
    let each = program.resident().saturating_sub(before) / COUNT;
    // Most of it is the frames of an unoptimised build; an optimised one takes less than half.
    assert!(each < 32 << 10, "{each} bytes for a connection");
    drop(idle);
}
