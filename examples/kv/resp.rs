//! Requests: from bytes as they arrive to lists of arguments.
//!
//! # The wire
//! A request is an array of bulk strings, or a line of text typed by a human (an *inline* command):
//!
//! ```text
//! *2\r\n $3\r\n GET\r\n $4\r\n name\r\n          (blanks added)
//! GET name\r\n
//! ```
//!
//! # How bytes flow
//! The decoder owns the read buffer. A session asks for [`Decoder::space`], lets the socket read into it, reports how
//! much arrived with [`Decoder::filled`], and then takes complete requests with [`Decoder::next_request`] until there is
//! none. A [`Request`] borrows its arguments from the buffer: nothing is copied here.
//!
//! ```text
//!   0          start        scan             end              buf.len()
//!   | taken    | request being read          | space to fill  |
//!              | seen      | not yet seen     |
//! ```
//!
//! A request may arrive in many reads. What has been understood of it (arguments so far, arguments missing, length of
//! the current one, `scan`) is kept, so no byte is looked at twice, however small the pieces are.
//!
//! # What bounds memory
//! Nothing is allocated because a client *claims* a length: the buffer grows when bytes have filled it, and the argument
//! list grows when arguments have arrived. [`Limits`] bound what may arrive; beyond them, and on any
//! malformed byte, the answer is a [`ProtocolError`], after which the session sends the text and closes the connection:
//! there is no way to find the start of the next request in a broken stream.

use std::fmt;
use std::ops::Index;

use crate::inline;
use crate::num::parse_i64;

/// What a client may send.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes in one argument.
    pub bulk: usize,
    /// Arguments in one request.
    pub args: usize,
    /// Bytes in one line: an inline command, or the header of an array or bulk string.
    pub line: usize,
    /// Bytes in one request, all arguments together; at most 2 GiB, since positions are 32 bits wide.
    pub request: usize,
}

impl Default for Limits {
    /// Redis's own limits, with the number of arguments as it was before Redis 7 (which takes two thousand million).
    fn default() -> Self {
        Limits {
            bulk: 512 << 20,
            args: 1_048_576,
            line: 64 << 10,
            request: 1 << 30,
        }
    }
}

/// The stream is broken; the text is what Redis sends before it closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolError {
    /// The number of arguments is no number, or over [`Limits::args`].
    MultibulkLength,
    /// The length of an argument is no number, negative, or over [`Limits::bulk`].
    BulkLength,
    /// An argument starts with this byte and not with `$`.
    ExpectedDollar(u8),
    /// The line with the number of arguments does not end within [`Limits::line`].
    MultibulkLine,
    /// The line with the length of an argument does not end within [`Limits::line`].
    BulkLine,
    /// An inline command is longer than [`Limits::line`].
    InlineTooLong,
    /// An inline command has a quote without its partner.
    UnbalancedQuotes,
    /// A header or an argument is not followed by a line end. (Redis skips the two bytes unseen; a client that gets
    /// lengths wrong is better told at once than served a request it did not send.)
    MissingLineEnd,
    /// The request is over [`Limits::request`].
    RequestTooLong,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ERR Protocol error: ")?;
        match self {
            Self::MultibulkLength => f.write_str("invalid multibulk length"),
            Self::BulkLength => f.write_str("invalid bulk length"),
            Self::ExpectedDollar(got) => write!(f, "expected '$', got '{}'", char::from(*got)),
            Self::MultibulkLine => f.write_str("too big mbulk count string"),
            Self::BulkLine => f.write_str("too big bulk count string"),
            Self::InlineTooLong => f.write_str("too big inline request"),
            Self::UnbalancedQuotes => f.write_str("unbalanced quotes in request"),
            Self::MissingLineEnd => f.write_str("missing line end"),
            Self::RequestTooLong => f.write_str("request too long"),
        }
    }
}

impl std::error::Error for ProtocolError {}

/// A run of bytes within a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Span {
    pub(crate) fn new(start: usize, len: usize) -> Span {
        let narrow = |n| u32::try_from(n).expect("requests and batches are limited to 4 GiB");
        Span {
            start: narrow(start),
            len: narrow(len),
        }
    }

    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..][..self.len as usize]
    }
}

/// The arguments of one request, the command's name first; never empty. Borrowed from the buffer they arrived in.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Request<'a> {
    pub(crate) fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        Request { bytes, spans }
    }

    /// How many arguments there are.
    #[allow(clippy::len_without_is_empty, reason = "a request is never empty")]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// The argument at `index`, if there is one.
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.spans.get(index).map(|span| span.of(self.bytes))
    }

    /// The arguments from `index` on.
    pub fn from(&self, index: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let bytes = self.bytes;
        self.spans[index.min(self.spans.len())..]
            .iter()
            .map(move |span| span.of(bytes))
    }
}

impl Index<usize> for Request<'_> {
    type Output = [u8];

    fn index(&self, index: usize) -> &[u8] {
        self.spans[index].of(self.bytes)
    }
}

/// How far the request at `start` has been understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing of it yet.
    Start,
    /// In an array: `missing` arguments have not been read; the next byte belongs to a `$` line.
    Header { missing: usize },
    /// In an array: an argument of `len` bytes comes, and `missing - 1` after it.
    Bulk { missing: usize, len: usize },
}

/// Buffer and decoder of one connection.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    buf: Vec<u8>,
    start: usize,
    /// Bytes of the current request that need no second look, counted from `start`.
    scan: usize,
    end: usize,
    /// The last read filled the buffer: there may have been more to read.
    full: bool,
    state: State,
    /// The arguments of the current request; positions count from `start`, or into `unquoted` for an inline command.
    spans: Vec<Span>,
    unquoted: Vec<u8>,
}

/// The buffer's size at first: one command, or a few, of the usual size.
const FIRST: usize = 1 << 10;
/// The size up to which the buffer grows to take more in one read, and to which it goes back once a larger request has
/// been served.
const READ: usize = 16 << 10;
/// Argument lists longer than this are given back after use.
const KEEP_ARGS: usize = 1024;

impl Decoder {
    /// A decoder with an empty buffer; memory comes with the first [`space`](Self::space).
    pub fn new(limits: Limits) -> Self {
        let limits = Limits {
            request: limits.request.min(1 << 31),
            ..limits
        };
        Decoder {
            limits,
            buf: Vec::new(),
            start: 0,
            scan: 0,
            end: 0,
            full: false,
            state: State::Start,
            spans: Vec::new(),
            unquoted: Vec::new(),
        }
    }

    /// Room to read into, never empty. Moves the unfinished request, if any, to the front first.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buf.len() > READ {
                self.buf = Vec::new();
            } else if self.full && self.buf.len() < READ {
                self.buf.resize(self.buf.len() * 2, 0);
            }
        } else if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buf.len() {
            // Doubling what has really arrived: a byte costs amortised constant time, and a claimed length nothing.
            self.buf.resize((self.end * 2).max(FIRST), 0);
        }
        self.full = false;
        &mut self.buf[self.end..]
    }

    /// Tells that the first `n` bytes of [`space`](Self::space) have been filled.
    ///
    /// # Panics
    /// If there was less room.
    pub fn filled(&mut self, n: usize) {
        assert!(
            n <= self.buf.len() - self.end,
            "more bytes than there was space"
        );
        self.end += n;
        self.full = self.end == self.buf.len();
    }

    /// Bytes the buffers take.
    pub fn memory(&self) -> usize {
        self.buf.len() + self.unquoted.capacity() + self.spans.capacity() * size_of::<Span>()
    }

    /// Gives memory back that is not in use: for a connection that has been idle. What has arrived of a request stays.
    pub fn shrink(&mut self) {
        if self.buffered() == 0 {
            (self.start, self.end) = (0, 0);
            self.buf = Vec::new();
            self.unquoted = Vec::new();
        }
        if self.state == State::Start {
            self.spans = Vec::new();
        }
    }

    /// Bytes received and not yet taken as part of a request.
    pub fn buffered(&self) -> usize {
        self.end - self.start
    }

    /// Takes the next complete request, `None` if more bytes are needed. After an error the stream is of no further use.
    pub fn next_request(&mut self) -> Result<Option<Request<'_>>, ProtocolError> {
        loop {
            if self.state == State::Start && self.scan == 0 {
                self.recycle();
            }
            match self.step()? {
                Step::More => {
                    return match self.buffered() > self.limits.request {
                        true => Err(ProtocolError::RequestTooLong),
                        false => Ok(None),
                    };
                }
                Step::Again => {}
                Step::Done { inline } => {
                    let request = self.start..self.start + self.scan;
                    self.start = request.end;
                    self.scan = 0;
                    self.state = State::Start;
                    if request.len() > self.limits.request {
                        return Err(ProtocolError::RequestTooLong);
                    }
                    // Empty lines and empty arrays are no requests.
                    if !self.spans.is_empty() {
                        let bytes = if inline {
                            &self.unquoted[..]
                        } else {
                            &self.buf[request]
                        };
                        return Ok(Some(Request::new(bytes, &self.spans)));
                    }
                }
            }
        }
    }

    /// Forgets the arguments of the previous request.
    fn recycle(&mut self) {
        self.spans.clear();
        self.spans.shrink_to(KEEP_ARGS);
    }

    fn step(&mut self) -> Result<Step, ProtocolError> {
        match self.state {
            State::Start => match self.buf[self.start..self.end].first() {
                None => Ok(Step::More),
                Some(b'*') => self.array_header(),
                Some(_) => self.inline(),
            },
            State::Header { missing } => self.bulk_header(missing),
            State::Bulk { missing, len } => self.bulk(missing, len),
        }
    }

    fn array_header(&mut self) -> Result<Step, ProtocolError> {
        let Some(line) = self.line(0, ProtocolError::MultibulkLine)? else {
            return Ok(Step::More);
        };
        let count = parse_i64(&line[1..]).ok_or(ProtocolError::MultibulkLength)?;
        self.scan = line.len() + 2;
        match usize::try_from(count) {
            Err(_) | Ok(0) => Ok(Step::Done { inline: false }),
            Ok(missing) if missing <= self.limits.args => {
                self.state = State::Header { missing };
                Ok(Step::Again)
            }
            Ok(_) => Err(ProtocolError::MultibulkLength),
        }
    }

    fn bulk_header(&mut self, missing: usize) -> Result<Step, ProtocolError> {
        let begin = self.scan;
        match self.buf[self.start + begin..self.end].first() {
            None => return Ok(Step::More),
            Some(b'$') => {}
            Some(&other) => return Err(ProtocolError::ExpectedDollar(other)),
        }
        let Some(line) = self.line(begin, ProtocolError::BulkLine)? else {
            return Ok(Step::More);
        };
        let len = parse_i64(&line[1..]).and_then(|len| usize::try_from(len).ok());
        let len = len
            .filter(|&len| len <= self.limits.bulk)
            .ok_or(ProtocolError::BulkLength)?;
        self.scan = begin + line.len() + 2;
        if self.scan + len + 2 > self.limits.request {
            return Err(ProtocolError::RequestTooLong);
        }
        self.state = State::Bulk { missing, len };
        Ok(Step::Again)
    }

    fn bulk(&mut self, missing: usize, len: usize) -> Result<Step, ProtocolError> {
        let seen = &self.buf[self.start + self.scan..self.end];
        let Some(line_end) = seen.get(len..len + 2) else {
            return Ok(Step::More);
        };
        if line_end != b"\r\n" {
            return Err(ProtocolError::MissingLineEnd);
        }
        self.spans.push(Span::new(self.scan, len));
        self.scan += len + 2;
        if missing == 1 {
            return Ok(Step::Done { inline: false });
        }
        self.state = State::Header {
            missing: missing - 1,
        };
        Ok(Step::Again)
    }

    /// The header line that begins at `begin`, without its end. Header lines are short, so looking again from their
    /// first byte when the rest arrives is cheap; the limit keeps it so.
    fn line(&self, begin: usize, too_long: ProtocolError) -> Result<Option<&[u8]>, ProtocolError> {
        let seen = &self.buf[self.start + begin..self.end];
        // A number and its line end fit 32 bytes with room to spare; whatever is longer is broken in one way or another,
        // and which one is the same however the bytes were cut.
        let Some(len) = seen.iter().take(self.limits.line).position(|&b| b == b'\r') else {
            return if seen.len() > self.limits.line {
                Err(too_long)
            } else {
                Ok(None)
            };
        };
        match seen.get(len + 1) {
            None => Ok(None),
            Some(b'\n') => Ok(Some(&seen[..len])),
            Some(_) => Err(ProtocolError::MissingLineEnd),
        }
    }

    fn inline(&mut self) -> Result<Step, ProtocolError> {
        let seen = &self.buf[self.start..self.end];
        let window = &seen[..seen.len().min(self.limits.line)];
        let Some(len) = window[self.scan..]
            .iter()
            .position(|&b| b == b'\n')
            .map(|n| n + self.scan)
        else {
            self.scan = window.len();
            return if seen.len() > self.limits.line {
                Err(ProtocolError::InlineTooLong)
            } else {
                Ok(Step::More)
            };
        };
        let line = window[..len].strip_suffix(b"\r").unwrap_or(&window[..len]);
        inline::split(line, &mut self.unquoted, &mut self.spans)
            .ok_or(ProtocolError::UnbalancedQuotes)?;
        self.scan = len + 1;
        Ok(Step::Done { inline: true })
    }
}

enum Step {
    /// Bytes are missing.
    More,
    /// The state has moved on.
    Again,
    /// `scan` bytes form one request, possibly empty.
    Done { inline: bool },
}

#[cfg(test)]
#[path = "resp_tests.rs"]
mod tests;
