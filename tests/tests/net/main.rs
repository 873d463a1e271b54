//! Sockets: std's semantics, on microthreads and on threads, and nobody left waiting.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use actor_core::microthread::{self, JoinHandle};
use actor_core::net::{TcpListener, TcpStream};
use actor_core::{Guard, Runtime};

mod connect;
mod http;
mod scale;
mod streams;
mod udp;
mod waits;

type Tested = Result<(), Box<dyn Error>>;

const SOON: Duration = Duration::from_millis(10);

fn runtime(workers: usize) -> Result<Runtime, Box<dyn Error>> {
    guarded(workers, Guard::Auto)
}

fn guarded(workers: usize, guard: Guard) -> Result<Runtime, Box<dyn Error>> {
    let builder = Runtime::builder().workers(workers).spare_workers(0);
    Ok(builder.guard(guard).build()?)
}

fn with_both_guards(test: fn(Guard) -> Tested) -> Tested {
    test(Guard::Auto)?;
    test(Guard::Mprotect)
}

fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Both ends of a connection.
fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let (listener, address) = listen()?;
    let near = TcpStream::connect(address)?;
    let (far, _) = listener.accept()?;
    Ok((near, far))
}

/// Serves each connection by a microthread, until the listener is shut down; the number of connections.
fn serve(
    rt: &Runtime,
    listener: TcpListener,
    session: fn(TcpStream) -> io::Result<()>,
) -> Result<JoinHandle<io::Result<usize>>, Box<dyn Error>> {
    Ok(rt.spawn(move || {
        let mut sessions = Vec::new();
        for stream in listener.incoming() {
            let stream = stream?;
            sessions.push(microthread::spawn(move || session(stream)));
        }
        let count = sessions.len();
        for session in sessions {
            session
                .join()
                .map_err(|error| io::Error::other(error.to_string()))??;
        }
        Ok(count)
    })?)
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => stream.write_all(&buffer[..length])?,
        }
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i / 7 + i) as u8).collect()
}

/// Starts `body` on the only worker of `rt` and returns when it waits: a later microthread has had the worker.
fn start_and_let_wait<T: Send + 'static>(
    rt: &Runtime,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Box<dyn Error>> {
    assert_eq!(rt.stats().workers, 1);
    let (begin, begins) = mpsc::channel();
    let waiting = rt.spawn(move || {
        let _ = begin.send(());
        body()
    })?;
    begins.recv()?;
    rt.spawn(|| ())?.join()?;
    Ok(waiting)
}

/// Runs `test` on a microthread and on this thread.
fn here_and_there(test: fn() -> io::Result<()>) -> Tested {
    runtime(2)?.spawn(test)?.join()??;
    Ok(test()?)
}
