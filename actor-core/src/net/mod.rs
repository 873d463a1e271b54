//! Sockets that park the microthread that waits, and nothing else.
//!
//! [`TcpListener`], [`TcpStream`] and [`UdpSocket`] have the names and meanings of those in `std::net`, so that code and
//! libraries written for blocking sockets work unchanged: a `BufReader` over a stream, a synchronous client, a
//! thread-per-connection server with microthreads for threads. While one of them waits, its worker runs others.
//!
//! ```
//! use actor_core::{Runtime, microthread, net::{TcpListener, TcpStream}};
//! use std::io::{BufRead, BufReader, Read, Write};
//!
//! let rt = Runtime::new()?;
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! rt.spawn(move || {
//!     for stream in listener.incoming() {
//!         let stream = stream.unwrap();
//!         microthread::spawn(move || {
//!             for line in BufReader::new(&stream).lines() {
//!                 let Ok(line) = line else { break };
//!                 if writeln!(&stream, "you said {line}").is_err() { break }
//!             }
//!         });
//!     }
//! })?;
//!
//! // The main thread is no microthread: there the same calls block the thread.
//! let mut client = TcpStream::connect(address)?;
//! client.write_all(b"hello\n")?;
//! client.shutdown(std::net::Shutdown::Write)?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//! assert_eq!(answer, "you said hello\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where a call blocks what
//! - On a microthread, and in an actor's handler: the microthread.
//! - On an ordinary OS thread, inside a generator of the user's own, and in a destructor that runs while a panic
//!   unwinds: the thread.
//!
//! A socket may be used from all of these, by several at once, and moved between runtimes.
//!
//! # How long a call may wait
//! Two limits, which may be combined; the earlier ends the wait, with [`TimedOut`](std::io::ErrorKind::TimedOut):
//! - a *timeout* (`set_read_timeout`, `set_write_timeout`), as in std, for each single operation, from when it begins
//!   to wait. An operation that need not wait does not look at it. (std gives `WouldBlock` on Unix; here no error of
//!   that kind ever comes back.)
//! - a *deadline* (`set_deadline`), a point in time: for a whole exchange, however many operations it takes. An
//!   operation that begins after it fails even if it would not have to wait. It stays until it is set anew.
//!
//! A limit that is changed counts for operations that begin afterwards.
//!
//! # What ends a wait from outside
//! - [`TcpStream::shutdown`], called from anywhere: reads then give the end of the stream, writes an error.
//!   [`TcpListener::shutdown`] ends a wait in `accept` likewise. There is no `close` beside dropping the last handle,
//!   and whoever waits has one.
//! - A kill of the microthread: the call unwinds. No data has been taken from the socket, which others may go on using.
//!   A call that has done something returns first; the kill comes with the next.
//!
//! Each call here is a point where the microthread may be suspended, even one that need not wait: a peer that always
//! has more to say must not keep the other microthreads of the worker from running. Inside
//! [`no_suspend`](crate::microthread::no_suspend) only a call that must wait is one, and panics.
//!
//! # Names
//! `connect("example.org:80")` and the like look the name up with [`blocking`](crate::microthread::blocking), on a
//! thread made for that. A kill or a limit does not end a look-up, as the system's resolver has no way to be told.
//! Literal addresses (`"127.0.0.1:80"`, a `SocketAddr`) are not looked up.
//!
//! # Errors
//! Those of std, except that [`Interrupted`](std::io::ErrorKind::Interrupted) and `WouldBlock` are handled here. Writing
//! to a connection that the peer has closed is [`BrokenPipe`](std::io::ErrorKind::BrokenPipe), never a signal.
//!
//! # In an image
//! A listener that is frozen with what has it, in an [image](crate::image), is written as its address, and listens there again
//! when that is thawed: [`DecodeError::Bind`](crate::image::DecodeError::Bind) if it cannot. It is not closed by that where it was:
//! drop it there first, if both are on one machine. Streams cannot be frozen: what is said on them has to come to its end, or
//! be begun anew. In a [migratable function](mod@crate::migratable) `accept` is a wait like any other: it holds no stack, and the function
//! can be frozen in it.
//!
//! # Descriptors
//! Calls on streams and UDP sockets say themselves that they shall not block, so the descriptor's mode does not matter:
//! it stays in blocking mode, as std's are, and may be shared with, or handed to, other code ([`AsFd`], `into_std`,
//! a child process). A listener's descriptor is in non-blocking mode; who changes that through `AsFd` makes `accept`
//! block its worker. Options that have no method here can be set through `AsFd`, for instance with `socket2::SockRef`.
//!
//! [`AsFd`]: std::os::fd::AsFd

mod addr;
mod frozen;
mod limits;
mod socket;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

pub use addr::ToSocketAddrs;
pub(crate) use addr::resolve;
#[doc(hidden)]
pub use frozen::Accept;
pub use tcp::{Incoming, TcpListener, TcpStream};
pub use udp::UdpSocket;
