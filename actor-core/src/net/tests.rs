//! What needs more than the public interface: a listener whose line is full.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::TcpStream;
use crate::Runtime;

/// A listener with room for one connection in line, and the connections that fill it.
fn full_listener() -> io::Result<(Socket, SocketAddr, Vec<Socket>)> {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    listener.listen(0)?;
    let address = listener.local_addr()?.as_socket().expect("an address");
    let mut queued = Vec::new();
    for _ in 0..4 {
        // The system's figure is a lower bound; what does not fit stays in the handshake.
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
        let _ = socket.connect(&address.into());
        queued.push(socket);
    }
    Ok((listener, address, queued))
}

#[test]
fn connecting_gives_up_after_its_timeout() -> Result<(), Box<dyn std::error::Error>> {
    let (_listener, address, _queued) = full_listener()?;
    let connect = move || {
        let timeout = Duration::from_millis(30);
        let error = TcpStream::connect_timeout(&address, timeout).expect_err("no room");
        error.kind()
    };
    assert_eq!(Runtime::new()?.spawn(connect)?.join()?, ErrorKind::TimedOut);
    assert_eq!(connect(), ErrorKind::TimedOut);
    Ok(())
}

#[test]
fn a_kill_ends_a_connect_under_way() -> Result<(), Box<dyn std::error::Error>> {
    let (_listener, address, _queued) = full_listener()?;
    let rt = Runtime::builder().workers(1).build()?;
    let (begun, has_begun) = std::sync::mpsc::channel();
    let connecting = rt.spawn(move || {
        let _ = begun.send(());
        TcpStream::connect(address).map(drop)
    })?;
    has_begun.recv()?;
    // On the only worker: it runs once the other waits.
    let other = rt.spawn(|| ())?;
    other.join()?;
    connecting.kill();
    assert!(connecting.join().is_err());
    Ok(())
}
