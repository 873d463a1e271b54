//! The feature `tokio`: tokio's sockets, timers and tasks inside handlers and microthreads.

#![allow(
    unreachable_pub,
    reason = "messages are public methods, also of private actors"
)]

use std::time::Duration;

use actor_core::net::TcpListener;
use actor_core::prelude::*;
use std::io::{Read, Write};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Talks to a server with tokio's client.
#[actor]
struct Client {
    server: SocketAddr,
}

#[actor]
impl Client {
    /// What the server says to `line`.
    pub fn call(&mut self, line: String) -> std::io::Result<String> {
        microthread::block_on(async {
            let mut stream = tokio::net::TcpStream::connect(self.server).await?;
            stream.write_all(line.as_bytes()).await?;
            let mut answer = vec![0; line.len()];
            stream.read_exact(&mut answer).await?;
            Ok(String::from_utf8(answer).expect("an echo"))
        })
    }
}

#[test]
fn a_handler_uses_a_tokio_client() {
    let sys = System::builder().workers(1).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    let _server = sys
        .spawn_microthread(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let mut buffer = [0; 64];
                while let Ok(n @ 1..) = stream.read(&mut buffer) {
                    stream.write_all(&buffer[..n]).unwrap();
                }
            }
        })
        .unwrap();
    let clients = [(); 4].map(|()| sys.spawn(Client { server }).unwrap());
    let answers = clients
        .each_ref()
        .map(|client| client.request().call("hello".to_owned()));
    for answer in answers {
        assert_eq!(answer.wait().unwrap(), "hello");
    }
}

#[test]
fn tokio_timers_and_tasks_work_under_block_on() {
    let sys = System::builder().workers(1).build().unwrap();
    let sum = sys
        .spawn_microthread(|| {
            microthread::block_on(async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let other = tokio::spawn(async { 40 });
                other.await.unwrap() + 2
            })
        })
        .unwrap();
    assert_eq!(sum.join().unwrap(), 42);
}

#[test]
fn a_pending_answer_is_a_future_for_tokio() {
    let sys = System::builder().workers(1).build().unwrap();
    let client = sys
        .spawn(Client {
            server: "127.0.0.1:1".parse().unwrap(),
        })
        .unwrap();
    let tokio = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let answer = tokio.block_on(client.request().call("x".to_owned()));
    assert!(matches!(answer, Err(AskError::Handler(_))), "{answer:?}");
}

#[test]
fn a_blocking_call_inside_a_lent_poll_panics_instead_of_mixing_contexts() {
    let sys = System::builder().workers(1).build().unwrap();
    let tried = sys
        .spawn_microthread(|| {
            microthread::block_on(async { microthread::sleep(Duration::from_millis(1)) })
        })
        .unwrap();
    assert!(matches!(
        tried.join(),
        Err(microthread::JoinError::Panicked(_))
    ));
}
