//! A client in a hundred lines, for the demo and the tests: requests out, replies in, over anything that reads and writes.
//!
//! It works on a `std::net::TcpStream` in a thread as on an `actor_core::net::TcpStream` in a microthread.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::num::parse_i64;
use crate::reply;

/// A reply, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A status such as `OK`.
    Simple(String),
    /// An error's text.
    Error(String),
    /// A number.
    Int(i64),
    /// Bytes.
    Bulk(Vec<u8>),
    /// No value.
    Nil,
    /// Several.
    Array(Vec<Value>),
}

impl Value {
    /// `OK`.
    pub fn ok() -> Value {
        Value::Simple("OK".into())
    }

    /// Bytes, from text.
    pub fn text(text: impl Into<Vec<u8>>) -> Value {
        Value::Bulk(text.into())
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_))
    }
}

/// A connection to a service that speaks RESP2.
#[derive(Debug)]
pub struct Client<S: Read + Write> {
    stream: BufReader<S>,
    /// Requests that have not been sent.
    requests: Vec<u8>,
}

impl Client<TcpStream> {
    /// Connects; calls block the thread.
    ///
    /// # Errors
    /// As [`TcpStream::connect`].
    pub fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        Ok(Client::new(stream))
    }
}

impl<S: Read + Write> Client<S> {
    /// A client on a connection that is there already.
    pub fn new(stream: S) -> Self {
        Client {
            stream: BufReader::new(stream),
            requests: Vec::new(),
        }
    }

    /// The connection.
    pub fn stream(&self) -> &S {
        self.stream.get_ref()
    }

    /// Sends a command, given as words with blanks between, and returns the reply.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn ask(&mut self, command: &str) -> io::Result<Value> {
        self.queue(command.split_ascii_whitespace());
        self.flush()?;
        self.receive()
    }

    /// Queues a command; several queued ones are a pipeline.
    pub fn queue(&mut self, words: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        let words: Vec<_> = words.into_iter().collect();
        reply::array(&mut self.requests, words.len());
        words
            .iter()
            .for_each(|w| reply::bulk(&mut self.requests, w));
    }

    /// Sends what is queued.
    ///
    /// # Errors
    /// As a write.
    pub fn flush(&mut self) -> io::Result<()> {
        let sent = self.stream.get_mut().write_all(&self.requests);
        self.requests.clear();
        sent
    }

    /// Waits for a reply.
    ///
    /// # Errors
    /// As a read; `InvalidData` if what comes is no reply.
    pub fn receive(&mut self) -> io::Result<Value> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.strip_suffix(b"\r\n").ok_or_else(broken)?;
        let (&kind, rest) = line.split_first().ok_or_else(broken)?;
        let text = || String::from_utf8_lossy(rest).into_owned();
        let number = || parse_i64(rest).ok_or_else(broken);
        match kind {
            b'+' => Ok(Value::Simple(text())),
            b'-' => Ok(Value::Error(text())),
            b':' => number().map(Value::Int),
            b'$' => match usize::try_from(number()?) {
                Err(_) => Ok(Value::Nil),
                Ok(len) => self.bulk(len).map(Value::Bulk),
            },
            b'*' => match number()? {
                -1 => Ok(Value::Nil),
                len => (0..len)
                    .map(|_| self.receive())
                    .collect::<Result<_, _>>()
                    .map(Value::Array),
            },
            _ => Err(broken()),
        }
    }

    fn bulk(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(len);
        Ok(bytes)
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a reply")
}
