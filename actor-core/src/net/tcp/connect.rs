//! Opening a connection.
//!
//! # Steps
//! 1. The socket is made in non-blocking mode, as `connect(2)` has no flag for it; the call begins the handshake.
//! 2. While that is under way the socket is not writable, so whoever waits to write waits for its end.
//! 3. `SO_ERROR` tells how it ended. It says nothing while it has not (a wait may end without cause): then there is no
//!    peer's address yet either, and the wait goes on.
//! 4. Connected, the socket goes back to blocking mode, like one that was accepted.
//!
//! Who is killed in 2 drops the socket, which ends the handshake.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use socket2::{Domain, Protocol, Type};

use crate::rt::io::{Interest, take_turn};

use super::super::socket::Socket;

/// Connects to the first of `addresses` that accepts.
pub(super) fn any(addresses: &[SocketAddr]) -> io::Result<Socket<std::net::TcpStream>> {
    let mut last = None;
    for &address in addresses {
        match one(address, None) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| {
        let message = "could not resolve to any addresses";
        io::Error::new(io::ErrorKind::InvalidInput, message)
    }))
}

/// Connects to `address`, by `deadline`.
pub(super) fn one(
    address: SocketAddr,
    deadline: Option<Instant>,
) -> io::Result<Socket<std::net::TcpStream>> {
    take_turn();
    let kind = Type::STREAM.nonblocking();
    let socket = socket2::Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    let begun = socket.connect(&address.into()); // step 1
    let socket = Socket::new(std::net::TcpStream::from(socket));
    match begun {
        Ok(()) => {}
        // Interrupted, it goes on all the same.
        Err(error) if is_under_way(&error) => finish(&socket, deadline)?,
        Err(error) => return Err(error),
    }
    socket.inner().set_nonblocking(false)?; // step 4
    Ok(socket)
}

fn is_under_way(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR))
}

fn finish(socket: &Socket<std::net::TcpStream>, deadline: Option<Instant>) -> io::Result<()> {
    loop {
        socket.wait(Interest::Write, deadline)?; // step 2
        if let Some(error) = socket.inner().take_error()? {
            return Err(error); // step 3
        }
        match socket.inner().peer_addr() {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => return Err(error),
        }
    }
}
