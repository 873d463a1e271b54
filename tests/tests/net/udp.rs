//! Datagrams.

use actor_core::net::UdpSocket;
use std::io::ErrorKind;
use std::net::SocketAddr;

use super::{SOON, Tested, here_and_there, runtime, start_and_let_wait};

#[test]
fn datagrams_go_both_ways() -> Tested {
    here_and_there(|| {
        let a = UdpSocket::bind("127.0.0.1:0")?;
        let b = UdpSocket::bind("127.0.0.1:0")?;
        let (at_a, at_b) = (a.local_addr()?, b.local_addr()?);
        let mut buffer = [0; 16];
        a.send_to(b"to b", at_b)?;
        assert_eq!(b.peek_from(&mut buffer)?, (4, at_a));
        assert_eq!(b.recv_from(&mut buffer)?, (4, at_a));
        assert_eq!(&buffer[..4], b"to b");
        b.connect(at_a)?;
        assert_eq!(b.peer_addr()?, at_a);
        b.send(b"")?;
        b.send(b"to a")?;
        assert_eq!(a.recv_from(&mut buffer)?, (0, at_b));
        assert_eq!(a.recv(&mut buffer)?, 4);
        b.set_read_timeout(Some(SOON))?;
        let error = b.recv(&mut buffer).expect_err("nothing sent");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let none = a.send_to(b"x", &[] as &[SocketAddr]).expect_err("nowhere");
        assert_eq!(none.kind(), ErrorKind::InvalidInput);
        // The network's answer to a datagram nobody wanted.
        b.set_read_timeout(None)?;
        drop(a);
        b.send(b"too late")?;
        let error = b.recv(&mut buffer).expect_err("nobody there");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        Ok(())
    })
}

#[test]
fn a_datagram_wakes_its_receiver() -> Tested {
    let rt = runtime(1)?;
    let (a, b) = (
        UdpSocket::bind("127.0.0.1:0")?,
        UdpSocket::bind("127.0.0.1:0")?,
    );
    let at_a = a.local_addr()?;
    let waiting = start_and_let_wait(&rt, move || a.recv_from(&mut [0; 8]))?;
    b.send_to(b"hello", at_a)?;
    assert_eq!(waiting.join()??, (5, b.local_addr()?));
    Ok(())
}
