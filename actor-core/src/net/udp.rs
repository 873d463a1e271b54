//! Datagrams.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::rt::io::Interest;

use super::addr::{ToSocketAddrs, resolve};
use super::socket::Socket;

/// A UDP socket: [`std::net::UdpSocket`], but a wait parks the microthread.
///
/// ```
/// use actor_core::{Runtime, net::UdpSocket};
///
/// let rt = Runtime::new()?;
/// let server = UdpSocket::bind("127.0.0.1:0")?;
/// let address = server.local_addr()?;
/// rt.spawn(move || -> std::io::Result<()> {
///     let mut buffer = [0; 1500];
///     loop {
///         let (length, peer) = server.recv_from(&mut buffer)?;
///         server.send_to(&buffer[..length], peer)?;
///     }
/// })?;
///
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// client.connect(address)?;
/// client.send(b"ping")?;
/// let mut buffer = [0; 16];
/// let length = client.recv(&mut buffer)?;
/// assert_eq!(&buffer[..length], b"ping");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct UdpSocket {
    socket: Arc<Socket<std::net::UdpSocket>>,
}

impl UdpSocket {
    /// A socket on the first of `address`'s addresses that can be had; port 0 lets the system choose one.
    ///
    /// # Errors
    /// As [`std::net::UdpSocket::bind`].
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        std::net::UdpSocket::bind(&resolve(&address)?[..]).map(Self::from)
    }

    fn std(&self) -> &std::net::UdpSocket {
        self.socket.inner()
    }

    /// Names the peer that [`send`](Self::send) sends to; datagrams of others are no longer received. Does not wait, but
    /// for a look-up.
    ///
    /// # Errors
    /// As [`std::net::UdpSocket::connect`].
    pub fn connect(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        self.std().connect(&resolve(&address)?[..])
    }

    /// Sends one datagram to the connected peer. Waits while the system has no room for it.
    ///
    /// # Errors
    /// As [`std::net::UdpSocket::send`]; also what the network has reported of an earlier one, such as
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused). [`TimedOut`](io::ErrorKind::TimedOut) at a limit.
    pub fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.socket.send(datagram)
    }

    /// Receives one datagram from the connected peer. What does not fit into `buffer` is lost.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.recv(buffer, 0)
    }

    /// As [`recv`](Self::recv), but the datagram stays there to be received again.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.recv(buffer, libc::MSG_PEEK)
    }

    /// Sends one datagram to the first of `address`'s addresses.
    ///
    /// # Errors
    /// As [`std::net::UdpSocket::send_to`]; [`TimedOut`](io::ErrorKind::TimedOut) at a limit.
    pub fn send_to(&self, datagram: &[u8], address: impl ToSocketAddrs) -> io::Result<usize> {
        match resolve(&address)?.first() {
            Some(&address) => self.socket.send_to(datagram, address),
            None => {
                let message = "no addresses to send data to";
                Err(io::Error::new(io::ErrorKind::InvalidInput, message))
            }
        }
    }

    /// Receives one datagram, with its sender. What does not fit into `buffer` is lost.
    ///
    /// # Errors
    /// As [`std::net::UdpSocket::recv_from`]; [`TimedOut`](io::ErrorKind::TimedOut) at a limit.
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(buffer, 0)
    }

    /// As [`recv_from`](Self::recv_from), but the datagram stays there to be received again.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(buffer, libc::MSG_PEEK)
    }

    /// The address it receives on.
    ///
    /// # Errors
    /// What the system says; nothing that is known.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.std().local_addr()
    }

    /// The connected peer.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) if there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.std().peer_addr()
    }

    /// Another handle to the same socket, limits included. It shares the descriptor.
    ///
    /// # Errors
    /// None at present.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(UdpSocket {
            socket: self.socket.clone(),
        })
    }

    /// Sets the longest time one receive or peek waits; `None`, the default, for ever. An operation that waits for
    /// longer fails with [`TimedOut`](io::ErrorKind::TimedOut) (std: `WouldBlock` on Unix).
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a timeout of zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.limit(Interest::Read).set_timeout(timeout)
    }

    /// Sets the longest time one send waits; otherwise as [`set_read_timeout`](Self::set_read_timeout).
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a timeout of zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.limit(Interest::Write).set_timeout(timeout)
    }

    /// The longest time one receive waits.
    ///
    /// # Errors
    /// None at present.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.socket.limit(Interest::Read).timeout())
    }

    /// The longest time one send waits.
    ///
    /// # Errors
    /// None at present.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.socket.limit(Interest::Write).timeout())
    }

    /// Sets the time after which sends and receives fail with [`TimedOut`](io::ErrorKind::TimedOut); `None`, the
    /// default, for never.
    ///
    /// ```
    /// use actor_core::net::UdpSocket;
    /// use std::{io, time::{Duration, Instant}};
    ///
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_deadline(Some(Instant::now() + Duration::from_millis(1)));
    /// assert_eq!(socket.recv(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    /// # Ok::<(), io::Error>(())
    /// ```
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.socket.limits().set_deadline(deadline);
    }

    /// The time after which receives fail.
    pub fn deadline(&self) -> Option<Instant> {
        self.socket.limit(Interest::Read).deadline()
    }

    /// Takes what has gone wrong since the last look (`SO_ERROR`).
    ///
    /// # Errors
    /// As std.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.std().take_error()
    }

    /// The socket as std's, with the timeouts set here but no deadline. While other handles exist it is a duplicate.
    ///
    /// # Errors
    /// What the system says to the duplicate or the timeouts.
    pub fn into_std(self) -> io::Result<std::net::UdpSocket> {
        let (read, write) = (self.read_timeout()?, self.write_timeout()?);
        let socket = match Arc::try_unwrap(self.socket) {
            Ok(socket) => socket.into_inner(),
            Err(socket) => socket.inner().try_clone()?,
        };
        if read.is_some() {
            socket.set_read_timeout(read)?;
        }
        if write.is_some() {
            socket.set_write_timeout(write)?;
        }
        Ok(socket)
    }
}

/// Options that are std's.
macro_rules! options {
    ($($(#[$doc:meta])* fn $name:ident(&self $(, $arg:ident: $kind:ty)*) -> $result:ty;)*) => {
        impl UdpSocket {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// As std.
            pub fn $name(&self $(, $arg: $kind)*) -> io::Result<$result> {
                self.std().$name($($arg),*)
            }
        )*}
    };
}

options! {
    /// Allows (or forbids, the default) datagrams to a broadcast address.
    fn set_broadcast(&self, broadcast: bool) -> ();
    /// Whether datagrams may go to a broadcast address.
    fn broadcast(&self) -> bool;
    /// Sets `IP_TTL`.
    fn set_ttl(&self, ttl: u32) -> ();
    /// `IP_TTL`.
    fn ttl(&self) -> u32;
    /// Sets `IP_MULTICAST_TTL`.
    fn set_multicast_ttl_v4(&self, ttl: u32) -> ();
    /// `IP_MULTICAST_TTL`.
    fn multicast_ttl_v4(&self) -> u32;
    /// Sets `IP_MULTICAST_LOOP`: whether this host receives its own multicast datagrams.
    fn set_multicast_loop_v4(&self, on: bool) -> ();
    /// `IP_MULTICAST_LOOP`.
    fn multicast_loop_v4(&self) -> bool;
    /// Sets `IPV6_MULTICAST_LOOP`.
    fn set_multicast_loop_v6(&self, on: bool) -> ();
    /// `IPV6_MULTICAST_LOOP`.
    fn multicast_loop_v6(&self) -> bool;
    /// Joins a multicast group on the interface with the given address.
    fn join_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
    /// Joins a multicast group on the interface with the given index.
    fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> ();
    /// Leaves a multicast group.
    fn leave_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
    /// Leaves a multicast group.
    fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> ();
}

impl From<std::net::UdpSocket> for UdpSocket {
    /// Takes over its timeouts. Its mode may be either, and stays.
    fn from(socket: std::net::UdpSocket) -> Self {
        let (read, write) = (socket.read_timeout(), socket.write_timeout());
        let socket = UdpSocket {
            socket: Arc::new(Socket::new(socket)),
        };
        // What the system gives is never zero.
        let _ = socket.set_read_timeout(read.unwrap_or_default());
        let _ = socket.set_write_timeout(write.unwrap_or_default());
        socket
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.std().as_fd()
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.std().as_raw_fd()
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std().fmt(f)
    }
}
