//! Opening a connection.

use actor_core::net::{TcpListener, TcpStream};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Tested, here_and_there, listen};

#[test]
fn connecting_fails_as_in_std() -> Tested {
    here_and_there(|| {
        // Nobody listens on port 1.
        let refused = TcpStream::connect("127.0.0.1:1").expect_err("nobody listens");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let none = TcpStream::connect(&[] as &[SocketAddr]).expect_err("no address");
        assert_eq!(none.kind(), ErrorKind::InvalidInput);
        let (_listener, address) = listen()?;
        let zero = TcpStream::connect_timeout(&address, Duration::ZERO).expect_err("no time");
        assert_eq!(zero.kind(), ErrorKind::InvalidInput);
        assert!(TcpStream::connect("not an address").is_err());
        // The second of two is tried.
        let both = [SocketAddr::from(([127, 0, 0, 1], 1)), address];
        assert_eq!(TcpStream::connect(&both[..])?.peer_addr()?, address);
        Ok(())
    })
}

#[test]
fn names_are_looked_up() -> Tested {
    here_and_there(|| {
        let listener = TcpListener::bind("localhost:0")?;
        let port = listener.local_addr()?.port();
        let stream = TcpStream::connect(("localhost", port))?;
        let (_, peer) = listener.accept()?;
        assert_eq!(peer, stream.local_addr()?);
        TcpStream::connect(format!("localhost:{port}"))?;
        Ok(())
    })
}
