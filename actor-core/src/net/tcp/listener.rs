//! Accepting connections.

use std::fmt;
use std::io;
use std::iter::FusedIterator;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::rt::io::Interest;

use super::super::addr::{ToSocketAddrs, resolve};
use super::super::socket::Socket;
use super::stream::TcpStream;

/// How many connections may wait to be accepted; the system has a limit of its own (`net.core.somaxconn`) and takes
/// the lesser. std's 128 overflow when a thousand clients come at once, and who does not fit tries again after a second.
const BACKLOG: i32 = 4096;

/// A TCP socket that takes connections: [`std::net::TcpListener`], but a wait parks the microthread.
///
/// ```
/// use actor_core::{Runtime, net::{TcpListener, TcpStream}};
/// use std::io::{Read, Write};
///
/// let rt = Runtime::new()?;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let server = rt.spawn(move || {
///     let (mut stream, _peer) = listener.accept()?;
///     stream.write_all(b"welcome")
/// })?;
/// let mut greeting = String::new();
/// TcpStream::connect(address)?.read_to_string(&mut greeting)?;
/// assert_eq!(greeting, "welcome");
/// server.join()??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # A loop that goes on
/// `accept` gives every error of the system's, as std does, and tries nothing again by itself. Some are about the one
/// connection ([`ConnectionAborted`](io::ErrorKind::ConnectionAborted): the peer has gone again) and the next call may
/// well succeed. Others last: with no descriptor left (`EMFILE`, `ENFILE`) or no memory, `accept` fails at once each
/// time it is called, while the connection stays in line. A server should then neither end nor try again at once, but
/// pause until some of its connections have ended:
///
/// ```no_run
/// use actor_core::{microthread, net::TcpListener};
/// use std::time::Duration;
///
/// # fn serve(_: actor_core::net::TcpStream) {}
/// fn accept_all(listener: &TcpListener) {
///     let mut pause = Duration::from_millis(1);
///     for stream in listener.incoming() {
///         match stream {
///             Ok(stream) => {
///                 pause = Duration::from_millis(1);
///                 microthread::spawn(move || serve(stream));
///             }
///             Err(_) => {
///                 microthread::sleep(pause);
///                 pause = (pause * 2).min(Duration::from_secs(1));
///             }
///         }
///     }
/// }
/// ```
pub struct TcpListener {
    shared: Arc<Shared>,
}

struct Shared {
    socket: Socket<std::net::TcpListener>,
    shut: AtomicBool,
}

impl TcpListener {
    /// A listener on the first of `address`'s addresses that can be had; port 0 lets the system choose one. Up to 4,096
    /// connections wait in line to be accepted, or as many as the system allows.
    ///
    /// # Errors
    /// As [`std::net::TcpListener::bind`].
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(&resolve(&address)?[..])?;
        // To listen once more changes nothing but the number.
        SockRef::from(&listener).listen(BACKLOG)?;
        listener.set_nonblocking(true)?;
        Ok(Self::of(listener))
    }

    /// `inner` is in non-blocking mode.
    fn of(inner: std::net::TcpListener) -> Self {
        TcpListener {
            shared: Arc::new(Shared {
                socket: Socket::new(inner),
                shut: AtomicBool::new(false),
            }),
        }
    }

    fn std(&self) -> &std::net::TcpListener {
        self.shared.socket.inner()
    }

    /// Takes the next connection, waiting for one if need be, with the peer's address. Several may call at once; each
    /// connection goes to one of them.
    ///
    /// # Errors
    /// Those of the system, for which see [above](Self#a-loop-that-goes-on);
    /// [`TimedOut`](io::ErrorKind::TimedOut) at a limit; [`InvalidInput`](io::ErrorKind::InvalidInput) after
    /// [`shutdown`](Self::shutdown).
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self
            .shared
            .socket
            .run(Interest::Read, std::net::TcpListener::accept)?;
        Ok((TcpStream::of(Socket::new(stream)), peer))
    }

    /// When an `accept` that begins now ends at the latest.
    pub(in crate::net) fn end_of_wait(&self) -> Option<Instant> {
        self.shared.socket.limit(Interest::Read).end_of_wait()
    }

    /// As [`accept`](Self::accept) until then, for what owns no stack: pending, it is called again when `waker` has been woken, or
    /// for no reason. Where nothing would wake it, it waits here.
    pub(in crate::net) fn poll_accept(
        &self,
        until: Option<Instant>,
        waker: &Waker,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let socket = &self.shared.socket;
        let tried = socket.poll(Interest::Read, until, waker, std::net::TcpListener::accept);
        match tried {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(done)) => {
                Poll::Ready(done.map(|(stream, peer)| (TcpStream::of(Socket::new(stream)), peer)))
            }
            None => Poll::Ready(self.accept()),
        }
    }

    /// The connections one after the other, without end, until [`shutdown`](Self::shutdown).
    ///
    /// Errors are items like others, see [above](Self#a-loop-that-goes-on).
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// Ends waits in `accept`, present and future, which fail with [`InvalidInput`](io::ErrorKind::InvalidInput), and
    /// the iterators of [`incoming`](Self::incoming). Connections that nobody has accepted are refused. For all handles;
    /// the address is free once the last of them is gone.
    ///
    /// ```
    /// use actor_core::{Runtime, net::TcpListener};
    ///
    /// let rt = Runtime::new()?;
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let handle = listener.try_clone()?;
    /// let server = rt.spawn(move || listener.incoming().filter_map(Result::ok).count())?;
    /// handle.shutdown()?;
    /// assert_eq!(server.join()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What the system says; nothing that is known.
    pub fn shutdown(&self) -> io::Result<()> {
        // Before the call: who is woken by it looks.
        self.shared.shut.store(true, Ordering::SeqCst);
        match SockRef::from(self.std()).shutdown(Shutdown::Both) {
            // It was shut down before.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        }
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the system says; nothing that is known.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.std().local_addr()
    }

    /// Another handle to the same listener, limits included.
    ///
    /// # Errors
    /// None at present.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(TcpListener {
            shared: self.shared.clone(),
        })
    }

    /// Sets the longest time one `accept` waits; `None` for ever, which is the default.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a timeout of zero.
    pub fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.shared
            .socket
            .limit(Interest::Read)
            .set_timeout(timeout)
    }

    /// The longest time one `accept` waits.
    pub fn timeout(&self) -> Option<Duration> {
        self.shared.socket.limit(Interest::Read).timeout()
    }

    /// Sets the time after which `accept` fails with [`TimedOut`](io::ErrorKind::TimedOut); `None`, the default, for
    /// never.
    ///
    /// ```
    /// use actor_core::net::TcpListener;
    /// use std::{io, time::Instant};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// listener.set_deadline(Some(Instant::now()));
    /// assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::TimedOut);
    /// # Ok::<(), io::Error>(())
    /// ```
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.shared.socket.limits().set_deadline(deadline);
    }

    /// The time after which `accept` fails.
    pub fn deadline(&self) -> Option<Instant> {
        self.shared.socket.limit(Interest::Read).deadline()
    }

    /// Sets the `IP_TTL` of accepted connections.
    ///
    /// # Errors
    /// As std.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.std().set_ttl(ttl)
    }

    /// The `IP_TTL` of accepted connections.
    ///
    /// # Errors
    /// As std.
    pub fn ttl(&self) -> io::Result<u32> {
        self.std().ttl()
    }

    /// Takes what has gone wrong since the last look (`SO_ERROR`).
    ///
    /// # Errors
    /// As std.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.std().take_error()
    }

    /// The listener as std's, in blocking mode. While other handles exist it is a duplicate, in the non-blocking mode
    /// that they need.
    ///
    /// # Errors
    /// What the system says to the duplicate or the change of mode.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        match Arc::try_unwrap(self.shared) {
            Ok(shared) => {
                let listener = shared.socket.into_inner();
                listener.set_nonblocking(false)?;
                Ok(listener)
            }
            Err(shared) => shared.socket.inner().try_clone(),
        }
    }
}

impl From<std::net::TcpListener> for TcpListener {
    /// Puts it into non-blocking mode, for all who share it.
    fn from(listener: std::net::TcpListener) -> Self {
        listener
            .set_nonblocking(true)
            .expect("the mode of an open socket can be set");
        Self::of(listener)
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.std().as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.std().as_raw_fd()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std().fmt(f)
    }
}

/// The connections of a [`TcpListener`]. See [`incoming`](TcpListener::incoming).
#[derive(Debug)]
#[must_use = "an iterator does nothing until it is asked"]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<Self::Item> {
        let accepted = self.listener.accept();
        if accepted.is_err() && self.listener.shared.shut.load(Ordering::SeqCst) {
            return None;
        }
        Some(accepted.map(|(stream, _)| stream))
    }
}

impl FusedIterator for Incoming<'_> {}
