//! The way to another node over TCP.
//!
//! # Terms
//! Of two nodes one **calls** (connects) and the other **answers** (accepts). Both know a **secret**, and show that they do without
//! saying it. A **nonce** is a number that a node draws for this connection. A **tag** is an HMAC-SHA256.
//!
//! # The greeting
//! ```text
//!   caller                                        answerer
//!     │ hello: version, name, nonce                  │
//!     ├─────────────────────────────────────────────▶│
//!     │                  hello: version, name, nonce │
//!     │◀─────────────────────────────────────────────┤
//!     │ proof: tag(secret, "caller", both hellos)    │
//!     ├─────────────────────────────────────────────▶│ compares, in constant time
//!     │  1 proof: tag(secret, "answerer", both hellos)│
//!     │◀─────────────────────────────────────────────┤ or 0: it was wrong, and nothing else
//!     │ compares                                     │
//! ```
//! A hello, byte by byte; its first six bytes are the same in every version:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | magic: `89 41 46 53` (`\x89AFS`) |
//! | 4 | 2 | version: 1, big-endian |
//! | 6 | 1 | 1 from the caller, 2 from the answerer |
//! | 7 | 1 | length of the node's name, `n`: 1 to 255 |
//! | 8 | 32 | nonce |
//! | 40 | `n` | the node's name, UTF-8 |
//!
//! # Why that is enough
//! - *Who does not know the secret* cannot make a tag with it, and the answerer says nothing more before it has seen the caller's.
//! - *What was recorded* does not fit: both hellos are in each tag, with a nonce of each side's.
//! - *What is sent back* does not fit: each tag says whose it is, and a hello says by its own byte that it is a caller's.
//! - *Who sits in between* can pass things on, but not change them: each frame has a tag too, with a key of this connection and direction
//!   and the number of the frame. A frame that is changed, repeated, left out, or sent back, is found, and ends the connection.
//! - *Who guesses* can try the secret as fast as it likes once it has heard one greeting. So a secret is long and random:
//!   16 bytes at least.
//!
//! **Nothing is encrypted.** Who can listen can read what moves. Where that matters, use a tunnel.
//!
//! # Frames
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | length of the body, `n`, big-endian; 0 is a sign of life |
//! | 4 | 32 | tag: of the frame's number (8 bytes, from 0), the length, and the body |
//! | 36 | `n` | body |
//!
//! A length beyond the limit is refused before anything is allocated for it, and memory grows with what has come.
//!
//! # How long anything may take
//! The greeting, as a whole; a frame, from its first byte to its last; the time between frames, which signs of life cut short.
//! Each has a limit in [`TcpSettings`], for as slow a peer as may be, or one that means to be.

mod frame;
mod hello;
mod secret;

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::far::{FarError, FarSide};
use crate::net::{TcpListener, TcpStream, ToSocketAddrs};
use crate::rt::wait;
use crate::supervision::Backoff;
use crate::sync::Mutex;

use secret::Key;
pub use secret::{Secret, ShortSecret};

/// See [`migrate::private`](super::private).
pub(super) mod private {
    pub use super::frame::{read, write};
    pub use super::hello::{Hello, Role};
    pub use super::secret::Key;
}

/// Limits of a connection between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpSettings {
    /// The longest message, in bytes. Default: 65 MiB, for an image as large as
    /// [`image::Limits`](crate::image::Limits) allow and what is said with it.
    pub message: usize,
    /// How long a greeting may take, and the connecting before it. Default: 5 s.
    pub greeting: Duration,
    /// How long a message may take from its first byte to its last, to read and to write. Default: 30 s.
    pub frame: Duration,
    /// How long nothing may come before the other end counts as gone. Default: 30 s. A node sends a sign of life
    /// three times as often.
    pub silence: Duration,
    /// How long a node that [keeps calling](super::Node::keep_calling) waits from one call to the next, and one that keeps
    /// answering when no call can be taken. Default: from 100 ms to 10 s, less up to half.
    pub again: Backoff,
}

impl Default for TcpSettings {
    fn default() -> Self {
        TcpSettings {
            message: 65 << 20,
            greeting: Duration::from_secs(5),
            frame: Duration::from_secs(30),
            silence: Duration::from_secs(30),
            again: Backoff::new(Duration::from_millis(100), Duration::from_secs(10)),
        }
    }
}

/// A way to another node, over a TCP connection whose ends have proved to know the same secret. Each frame has a tag
/// (HMAC-SHA256, with a key of this connection and direction), so that one which was changed, repeated or left out is found; nothing
/// is encrypted.
///
/// ```
/// use actor_core::migrate::{FarSide, Secret, TcpFarListener, TcpFarSide, TcpSettings};
///
/// let secret = Secret::new(b"a secret that nobody can guess")?;
/// let settings = TcpSettings::default();
/// let listener = TcpFarListener::bind("127.0.0.1:0", "there", &secret, settings)?;
/// let address = listener.local_addr()?;
///
/// let other = secret.clone();
/// let here = std::thread::spawn(move || TcpFarSide::connect(address, "here", &other, settings));
/// let to_here = listener.accept()?.greet()?;
/// let to_there = here.join().unwrap()?;
/// assert_eq!((to_there.node(), to_here.node()), ("there", "here"));
/// to_there.send(b"hello")?;
/// assert_eq!(to_here.recv()?, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TcpFarSide {
    node: Box<str>,
    settings: TcpSettings,
    stream: TcpStream,
    reads: Mutex<Reads>,
    writes: Mutex<Writes>,
    closed: AtomicBool,
}

struct Reads {
    stream: BufReader<TcpStream>,
    key: Key,
    /// Of the next frame.
    number: u64,
}

struct Writes {
    key: Key,
    number: u64,
    /// A frame was begun and, for all that is known, not ended.
    within: bool,
}

impl TcpFarSide {
    /// Calls the node at `address`, as the node `own`.
    ///
    /// # Errors
    /// [`FarError`], for the first thing that went wrong.
    pub fn connect(
        address: impl ToSocketAddrs,
        own: &str,
        secret: &Secret,
        settings: TcpSettings,
    ) -> Result<Self, FarError> {
        const DOING: &str = "connecting";
        let addresses =
            crate::net::resolve(&address).map_err(|error| FarError::of(DOING, error))?;
        let mut last = None;
        for address in addresses.iter() {
            match TcpStream::connect_timeout(address, settings.greeting) {
                Ok(stream) => {
                    return greet(stream, hello::Role::Caller, own, secret, settings);
                }
                Err(error) => last = Some(error),
            }
        }
        let error = last.unwrap_or_else(|| io::ErrorKind::InvalidInput.into());
        Err(FarError::of(DOING, error))
    }
}

fn greet(
    stream: TcpStream,
    role: hello::Role,
    own: &str,
    secret: &Secret,
    settings: TcpSettings,
) -> Result<TcpFarSide, FarError> {
    stream.set_deadline(wait::after(settings.greeting));
    // What is said is small and waited for. If it cannot be set it is only slower.
    let _ = stream.set_nodelay(true);
    let agreed = hello::exchange(&stream, role, own, secret)?;
    stream.set_deadline(None);
    let clone = || {
        stream
            .try_clone()
            .map_err(|error| FarError::of("greeting", error))
    };
    Ok(TcpFarSide {
        node: agreed.node,
        settings,
        reads: Mutex::new(Reads {
            stream: BufReader::new(clone()?),
            key: agreed.reads,
            number: 0,
        }),
        writes: Mutex::new(Writes {
            key: agreed.writes,
            number: 0,
            within: false,
        }),
        stream,
        closed: AtomicBool::new(false),
    })
}

impl FarSide for TcpFarSide {
    fn node(&self) -> &str {
        &self.node
    }

    fn send(&self, message: &[u8]) -> Result<(), FarError> {
        const DOING: &str = "sending";
        let (size, limit) = (message.len(), self.settings.message);
        if size > limit || u32::try_from(size).is_err() {
            return Err(FarError::TooLarge { size, limit });
        }
        let mut writes = self.writes.lock().unwrap_or_else(|it| it.into_inner());
        if writes.within || self.closed.load(Ordering::SeqCst) {
            return Err(FarError::Closed);
        }
        // A kill in the middle leaves it set: what came next would not be the next frame.
        writes.within = true;
        let frame = frame::write(&writes.key, writes.number, message);
        self.stream
            .set_write_deadline(wait::after(self.settings.frame));
        if let Err(error) = (&self.stream).write_all(&frame) {
            self.close();
            return Err(FarError::of(DOING, error));
        }
        writes.number += 1;
        writes.within = false;
        Ok(())
    }

    fn recv(&self) -> Result<Vec<u8>, FarError> {
        let mut reads = self.reads.lock().unwrap_or_else(|it| it.into_inner());
        let received = loop {
            match self.next(&mut reads) {
                Ok(message) if message.is_empty() => {}
                received => break received,
            }
        };
        if received.is_err() {
            self.close();
        }
        received
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        // It may be gone already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl TcpFarSide {
    /// What this connection may take.
    pub fn settings(&self) -> TcpSettings {
        self.settings
    }

    fn next(&self, reads: &mut Reads) -> Result<Vec<u8>, FarError> {
        let Reads {
            stream,
            key,
            number,
        } = reads;
        self.stream
            .set_read_deadline(wait::after(self.settings.silence));
        let began = stream.fill_buf();
        let began = began.map_err(|error| match self.closed.load(Ordering::SeqCst) {
            true => FarError::Closed,
            false => FarError::of("waiting for a message", error),
        })?;
        if began.is_empty() {
            return Err(FarError::Closed);
        }
        self.stream
            .set_read_deadline(wait::after(self.settings.frame));
        let message = frame::read(stream, key, *number, self.settings.message)?;
        *number += 1;
        Ok(message)
    }
}

impl Drop for TcpFarSide {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for TcpFarSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpFarSide")
            .field("node", &self.node)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

/// Where other nodes call this one.
#[derive(Debug)]
pub struct TcpFarListener {
    listener: TcpListener,
    own: Box<str>,
    secret: Secret,
    settings: TcpSettings,
}

impl TcpFarListener {
    /// Listens on `address`, as the node `own`.
    ///
    /// # Errors
    /// As [`TcpListener::bind`].
    pub fn bind(
        address: impl ToSocketAddrs,
        own: &str,
        secret: &Secret,
        settings: TcpSettings,
    ) -> io::Result<Self> {
        Ok(TcpFarListener {
            listener: TcpListener::bind(address)?,
            own: own.into(),
            secret: secret.clone(),
            settings,
        })
    }

    /// Waits for a call, from anybody. Greet each on a microthread of its own: who calls may take its time.
    ///
    /// # Errors
    /// As [`TcpListener::accept`].
    pub fn accept(&self) -> io::Result<TcpCaller> {
        let (stream, from) = self.listener.accept()?;
        Ok(TcpCaller {
            stream,
            from,
            own: self.own.clone(),
            secret: self.secret.clone(),
            settings: self.settings,
        })
    }

    pub(super) fn settings(&self) -> TcpSettings {
        self.settings
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// As [`TcpListener::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Ends waits in [`accept`](Self::accept), present and future.
    ///
    /// # Errors
    /// As [`TcpListener::shutdown`].
    pub fn shutdown(&self) -> io::Result<()> {
        self.listener.shutdown()
    }
}

/// Somebody who has connected, and has not proved anything yet.
#[derive(Debug)]
#[must_use = "dropped, the connection is closed"]
pub struct TcpCaller {
    stream: TcpStream,
    from: SocketAddr,
    own: Box<str>,
    secret: Secret,
    settings: TcpSettings,
}

impl TcpCaller {
    /// From where.
    pub fn address(&self) -> SocketAddr {
        self.from
    }

    /// Answers, and has it prove that it knows the secret.
    ///
    /// # Errors
    /// [`FarError`]; the connection is closed.
    pub fn greet(self) -> Result<TcpFarSide, FarError> {
        greet(
            self.stream,
            hello::Role::Answerer,
            &self.own,
            &self.secret,
            self.settings,
        )
    }
}
