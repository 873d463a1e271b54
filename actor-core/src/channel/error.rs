//! How operations on channels fail. Each error of a send gives the value back. They are serde's, so that a migratable function can
//! keep them while it waits.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::rt::throw::Thrown;
use crate::rt::wait::Interrupt;

const DISCONNECTED: &str = "the other side of the channel is gone";
const CLOSED: &str = "the channel is closed, and nobody waits at its other side";

/// The errors of one way to send; `$extra` is what it has beside the others.
macro_rules! send_error {
    ($(#[$meta:meta])* $name:ident $(, $(#[$extra_meta:meta])* $extra:ident: $text:literal)?) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $name<T> {
            $($(#[$extra_meta])* $extra(T),)?
            /// Every receiver is gone: nobody will ever receive it.
            Disconnected(T),
            /// The channel has been [closed](super::Sender::close), and no receiver was waiting.
            Closed(T),
            /// The wait was interrupted.
            Interrupted(T, Interrupt),
        }

        impl<T> $name<T> {
            /// What was to be sent.
            pub fn into_inner(self) -> T {
                match self {
                    $(Self::$extra(value) => value,)?
                    Self::Disconnected(value) | Self::Closed(value) | Self::Interrupted(value, _) => value,
                }
            }

            /// Whether every receiver is gone.
            pub fn is_disconnected(&self) -> bool {
                matches!(self, Self::Disconnected(_))
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$extra(_) => f.write_str(concat!(stringify!($extra), "(..)")),)?
                    Self::Disconnected(_) => f.write_str("Disconnected(..)"),
                    Self::Closed(_) => f.write_str("Closed(..)"),
                    Self::Interrupted(_, why) => write!(f, "Interrupted(.., {why:?})"),
                }
            }
        }

        impl<T> fmt::Display for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$extra(_) => f.write_str($text),)?
                    Self::Disconnected(_) => f.write_str(DISCONNECTED),
                    Self::Closed(_) => f.write_str(CLOSED),
                    Self::Interrupted(_, why) => write!(f, "the wait to send was interrupted: {why}"),
                }
            }
        }

        impl<T> Error for $name<T> {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                match self {
                    Self::Interrupted(_, why) => Some(why),
                    _ => None,
                }
            }
        }
    };
}

/// The errors of one way to receive.
macro_rules! recv_error {
    ($(#[$meta:meta])* $name:ident $(, $(#[$extra_meta:meta])* $extra:ident: $text:literal)?) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$extra_meta])* $extra,)?
            /// Every sender is gone, and everything they have sent has been received.
            Disconnected,
            /// The channel has been [closed](super::Sender::close), and everything sent has been received.
            Closed,
            /// An error was sent, with [`Sender::send_error`](super::Sender::send_error).
            Thrown(Thrown),
            /// The wait was interrupted.
            Interrupted(Interrupt),
        }

        impl $name {
            /// Whether every sender is gone, and everything received.
            pub fn is_disconnected(&self) -> bool {
                matches!(self, Self::Disconnected)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$extra => f.write_str($text),)?
                    Self::Disconnected => f.write_str(DISCONNECTED),
                    Self::Closed => f.write_str(CLOSED),
                    Self::Thrown(error) => error.fmt(f),
                    Self::Interrupted(why) => write!(f, "the wait to receive was interrupted: {why}"),
                }
            }
        }

        impl Error for $name {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                match self {
                    Self::Thrown(error) => error.source(),
                    Self::Interrupted(why) => Some(why),
                    _ => None,
                }
            }
        }
    };
}

send_error! {
    /// Why something could not be sent.
    SendError
}
send_error! {
    /// Why something could not be sent at once.
    TrySendError,
    /// No receiver waits, and there is no room.
    Full: "the channel is full"
}
send_error! {
    /// Why something could not be sent in time.
    SendTimeoutError,
    /// The deadline has passed.
    TimedOut: "the deadline has passed, and the value was not sent"
}
recv_error! {
    /// Why nothing was received.
    RecvError
}
recv_error! {
    /// Why nothing was received at once.
    TryRecvError,
    /// Nothing is there yet.
    Empty: "the channel is empty"
}
recv_error! {
    /// Why nothing was received in time.
    RecvTimeoutError,
    /// The deadline has passed.
    TimedOut: "the deadline has passed, and nothing was received"
}

/// The same error of an operation that has one more way to fail.
macro_rules! widen {
    (send $($wide:ident)*) => {
        $(impl<T> From<SendError<T>> for $wide<T> {
            fn from(error: SendError<T>) -> Self {
                match error {
                    SendError::Disconnected(value) => $wide::Disconnected(value),
                    SendError::Closed(value) => $wide::Closed(value),
                    SendError::Interrupted(value, why) => $wide::Interrupted(value, why),
                }
            }
        })*
    };
    (recv $($wide:ident)*) => {
        $(impl From<RecvError> for $wide {
            fn from(error: RecvError) -> Self {
                match error {
                    RecvError::Disconnected => $wide::Disconnected,
                    RecvError::Closed => $wide::Closed,
                    RecvError::Thrown(error) => $wide::Thrown(error),
                    RecvError::Interrupted(why) => $wide::Interrupted(why),
                }
            }
        })*
    };
}
widen!(send TrySendError SendTimeoutError);
widen!(recv TryRecvError RecvTimeoutError);

impl<T> SendError<T> {
    pub(super) fn map<U>(self, f: impl FnOnce(T) -> U) -> SendError<U> {
        match self {
            SendError::Disconnected(value) => SendError::Disconnected(f(value)),
            SendError::Closed(value) => SendError::Closed(f(value)),
            SendError::Interrupted(value, why) => SendError::Interrupted(f(value), why),
        }
    }
}

/// Why [`Sender::send_all`](super::Sender::send_all) stopped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendAllError<T> {
    /// How many had been sent before.
    pub sent: usize,
    /// What could not be sent, and why.
    pub error: SendError<T>,
}

impl<T> fmt::Debug for SendAllError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendAllError")
            .field("sent", &self.sent)
            .field("error", &self.error)
            .finish()
    }
}

impl<T> fmt::Display for SendAllError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} had been sent: {}", self.sent, self.error)
    }
}

impl<T> Error for SendAllError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
