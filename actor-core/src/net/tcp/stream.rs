//! A connection.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::rt::io::Interest;
use crate::rt::wait;

use super::super::addr::{ToSocketAddrs, resolve};
use super::super::socket::Socket;
use super::connect;

/// A TCP connection: [`std::net::TcpStream`], but a wait parks the microthread.
///
/// The connection is closed when its last handle is dropped. Reads and writes go through a shared reference as well
/// (`Read` and `Write` for `&TcpStream`), so one microthread may read while another writes: lend it to a scope, share
/// it with `Arc`, or take a second handle with [`try_clone`](Self::try_clone). If several read at once, each byte goes to one
/// of them.
///
/// ```
/// use actor_core::{Runtime, microthread, net::{TcpListener, TcpStream}};
/// use std::io::{BufRead, BufReader, Write};
///
/// let rt = Runtime::new()?;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let sums = rt.spawn(move || -> std::io::Result<String> {
///     let stream = TcpStream::connect(address)?;
///     let mut writer = stream.try_clone()?;
///     microthread::spawn(move || writeln!(writer, "2 3"));
///     let mut answer = String::new();
///     BufReader::new(stream).read_line(&mut answer)?;
///     Ok(answer)
/// })?;
///
/// let (stream, _) = listener.accept()?;
/// let mut numbers = String::new();
/// BufReader::new(&stream).read_line(&mut numbers)?;
/// let sum: i32 = numbers.split_whitespace().map(|n| n.parse::<i32>().unwrap()).sum();
/// writeln!(&stream, "{sum}")?;
/// assert_eq!(sums.join()??, "5\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TcpStream {
    socket: Arc<Socket<std::net::TcpStream>>,
}

impl TcpStream {
    pub(super) fn of(socket: Socket<std::net::TcpStream>) -> Self {
        TcpStream {
            socket: Arc::new(socket),
        }
    }

    fn std(&self) -> &std::net::TcpStream {
        self.socket.inner()
    }

    /// Connects to the first of `address`'s addresses that accepts. The system gives up after some minutes; see
    /// [`connect_timeout`](Self::connect_timeout) for less.
    ///
    /// # Errors
    /// As [`std::net::TcpStream::connect`]: that of the last address tried.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        connect::any(&resolve(&address)?).map(Self::of)
    }

    /// Connects to `address`, within `timeout`.
    ///
    /// ```
    /// use actor_core::net::{TcpListener, TcpStream};
    /// use std::{io, time::Duration};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect_timeout(&listener.local_addr()?, Duration::from_secs(5))?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # Ok::<(), io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`std::net::TcpStream::connect_timeout`]: [`TimedOut`](io::ErrorKind::TimedOut) after `timeout`,
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if it is zero.
    pub fn connect_timeout(address: &SocketAddr, timeout: Duration) -> io::Result<Self> {
        if timeout.is_zero() {
            let message = "cannot set a timeout of zero";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let deadline = wait::after(timeout);
        connect::one(*address, deadline).map(Self::of)
    }

    /// The other side's address.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) once the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.std().peer_addr()
    }

    /// This side's address.
    ///
    /// # Errors
    /// What the system says; nothing that is known.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.std().local_addr()
    }

    /// Ends one direction of the connection, or both, for all handles, and wakes who waits for it: reads give the end
    /// of the stream, writes [`BrokenPipe`](io::ErrorKind::BrokenPipe). The peer sees the end of the stream once it has
    /// read what was written before.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the connection is gone.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.std().shutdown(how)
    }

    /// Another handle to the same connection, limits included. It shares the descriptor.
    ///
    /// # Errors
    /// None at present.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(TcpStream {
            socket: self.socket.clone(),
        })
    }

    /// As `read`, but what is read stays there to be read again.
    ///
    /// # Errors
    /// As `read`.
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.recv(buffer, libc::MSG_PEEK)
    }

    /// Sets the longest time one read or peek waits; `None`, the default, for ever. An operation that waits for longer
    /// fails with [`TimedOut`](io::ErrorKind::TimedOut) (std: `WouldBlock` on Unix).
    ///
    /// ```
    /// use actor_core::net::{TcpListener, TcpStream};
    /// use std::{io::{self, Read}, time::Duration};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut silent = TcpStream::connect(listener.local_addr()?)?;
    /// silent.set_read_timeout(Some(Duration::from_millis(1)))?;
    /// assert_eq!(silent.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    /// # Ok::<(), io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a timeout of zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.limit(Interest::Read).set_timeout(timeout)
    }

    /// Sets the longest time one write waits; otherwise as [`set_read_timeout`](Self::set_read_timeout).
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a timeout of zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.limit(Interest::Write).set_timeout(timeout)
    }

    /// The longest time one read waits.
    ///
    /// # Errors
    /// None at present.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.socket.limit(Interest::Read).timeout())
    }

    /// The longest time one write waits.
    ///
    /// # Errors
    /// None at present.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.socket.limit(Interest::Write).timeout())
    }

    /// Sets the time after which reads and writes fail with [`TimedOut`](io::ErrorKind::TimedOut); `None`, the default,
    /// for never. For a request and its answer, or a whole session, however slowly they trickle.
    ///
    /// ```
    /// use actor_core::net::{TcpListener, TcpStream};
    /// use std::{io::{self, Read}, time::{Duration, Instant}};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut silent = TcpStream::connect(listener.local_addr()?)?;
    /// silent.set_deadline(Some(Instant::now() + Duration::from_millis(1)));
    /// let mut request = Vec::new();
    /// assert_eq!(silent.read_to_end(&mut request).unwrap_err().kind(), io::ErrorKind::TimedOut);
    /// # Ok::<(), io::Error>(())
    /// ```
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.socket.limits().set_deadline(deadline);
    }

    /// As [`set_deadline`](Self::set_deadline), for reads and peeks only.
    pub fn set_read_deadline(&self, deadline: Option<Instant>) {
        self.socket.limit(Interest::Read).set_deadline(deadline);
    }

    /// As [`set_deadline`](Self::set_deadline), for writes only.
    pub fn set_write_deadline(&self, deadline: Option<Instant>) {
        self.socket.limit(Interest::Write).set_deadline(deadline);
    }

    /// The time after which reads fail.
    pub fn read_deadline(&self) -> Option<Instant> {
        self.socket.limit(Interest::Read).deadline()
    }

    /// The time after which writes fail.
    pub fn write_deadline(&self) -> Option<Instant> {
        self.socket.limit(Interest::Write).deadline()
    }

    /// Whether small writes go out at once (`TCP_NODELAY`) or are gathered while earlier data is unacknowledged.
    ///
    /// # Errors
    /// As std.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.std().set_nodelay(nodelay)
    }

    /// Whether small writes go out at once.
    ///
    /// # Errors
    /// As std.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.std().nodelay()
    }

    /// Sets `IP_TTL`.
    ///
    /// # Errors
    /// As std.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.std().set_ttl(ttl)
    }

    /// `IP_TTL`.
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

    /// The connection as std's, in blocking mode, with the timeouts set here but no deadline. While other handles exist
    /// it is a duplicate.
    ///
    /// # Errors
    /// What the system says to the duplicate or the timeouts.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        let (read, write) = (self.read_timeout()?, self.write_timeout()?);
        let stream = match Arc::try_unwrap(self.socket) {
            Ok(socket) => socket.into_inner(),
            Err(socket) => socket.inner().try_clone()?,
        };
        if read.is_some() {
            stream.set_read_timeout(read)?;
        }
        if write.is_some() {
            stream.set_write_timeout(write)?;
        }
        Ok(stream)
    }
}

impl From<std::net::TcpStream> for TcpStream {
    /// Takes over its timeouts. Its mode may be either, and stays.
    fn from(stream: std::net::TcpStream) -> Self {
        let (read, write) = (stream.read_timeout(), stream.write_timeout());
        let stream = Self::of(Socket::new(stream));
        // What the system gives is never zero.
        let _ = stream.set_read_timeout(read.unwrap_or_default());
        let _ = stream.set_write_timeout(write.unwrap_or_default());
        stream
    }
}

impl Read for &TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.recv_stream(buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.socket.recv_vectored(buffers)
    }
}

impl Write for &TcpStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.socket.send(buffer)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.send_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(buffers)
    }
}

impl Write for TcpStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self).write(buffer)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.std().as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.std().as_raw_fd()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std().fmt(f)
    }
}
