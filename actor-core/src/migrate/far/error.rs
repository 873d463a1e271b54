//! What can go wrong between two nodes.

use std::error::Error;
use std::{fmt, io};

/// Why there is no way to another node, or none any more.
#[derive(Debug)]
#[non_exhaustive]
pub enum FarError {
    /// It was closed, here or there.
    Closed,
    /// It ended in the middle of something.
    Cut {
        /// Of what.
        doing: &'static str,
    },
    /// The other end took too long.
    TimedOut {
        /// For what.
        doing: &'static str,
    },
    /// The system refused.
    Io {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        error: io::Error,
    },
    /// Whatever is at the other end, it does not begin as a node does.
    Stranger,
    /// It speaks another version of the protocol.
    Version {
        /// Which.
        theirs: u16,
        /// Which is spoken here.
        ours: u16,
    },
    /// It answers a call with a call: something that returns what it is sent, perhaps.
    Reflected,
    /// A node's name has 1 to 255 bytes, of UTF-8. This one has not, or is that of this node itself.
    Name,
    /// It could not prove that it knows the secret.
    Proof,
    /// It says that this node could not prove that it knows the secret.
    Denied,
    /// A message has more bytes than are allowed.
    TooLarge {
        /// How many.
        size: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// A message is not the next that the other end sent: something in between has changed, repeated or left out some.
    Tag,
}

impl fmt::Display for FarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection was closed"),
            Self::Cut { doing } => write!(f, "the connection ended while {doing}"),
            Self::TimedOut { doing } => write!(f, "the other end took too long, while {doing}"),
            Self::Io { doing, .. } => f.write_str(doing),
            Self::Stranger => f.write_str("the other end does not begin as a node does"),
            Self::Version { theirs, ours } => write!(
                f,
                "the other end speaks version {theirs} of the protocol, and this one {ours}"
            ),
            Self::Reflected => f.write_str("the other end returns what it is sent"),
            Self::Name => f.write_str("the other end has no name that a node can have"),
            Self::Proof => f.write_str("the other end does not know the secret"),
            Self::Denied => f.write_str("the other end knows another secret"),
            Self::TooLarge { size, limit } => {
                write!(f, "a message of {size} bytes, where {limit} are allowed")
            }
            Self::Tag => f.write_str("a message was changed, repeated or left out on the way"),
        }
    }
}

impl Error for FarError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl FarError {
    /// What an error of a socket's means here.
    pub(in crate::migrate) fn of(doing: &'static str, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::TimedOut { doing },
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::Cut { doing },
            _ => Self::Io { doing, error },
        }
    }
}
