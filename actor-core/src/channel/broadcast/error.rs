//! How a receive fails.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::rt::wait::Interrupt;

/// The errors of one way to receive; `$extra` is what it has beside the others.
macro_rules! recv_error {
    ($(#[$meta:meta])* $name:ident $(, $(#[$extra_meta:meta])* $extra:ident: $text:literal)?) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$extra_meta])* $extra,)?
            /// So many values were lost, as the receiver was slower than the channel has room for. The next receive goes on
            /// with the oldest that is left.
            Lagged(u64),
            /// Every sender is gone, and everything they have sent has been received.
            Disconnected,
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
                    Self::Lagged(lost) => {
                        write!(f, "the receiver was too slow: {lost} values are lost")
                    }
                    Self::Disconnected => f.write_str("every sender of the channel is gone"),
                    Self::Interrupted(why) => {
                        write!(f, "the wait to receive was interrupted: {why}")
                    }
                }
            }
        }

        impl Error for $name {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                match self {
                    Self::Interrupted(why) => Some(why),
                    _ => None,
                }
            }
        }
    };
}

recv_error! {
    /// Why nothing was received.
    RecvError
}
recv_error! {
    /// Why nothing was received at once.
    TryRecvError,
    /// Nothing has been sent that was not received.
    Empty: "nothing new has been sent"
}
recv_error! {
    /// Why nothing was received in time.
    RecvTimeoutError,
    /// The deadline has passed.
    TimedOut: "the deadline has passed, and nothing was received"
}

/// The same error of an operation that has one more way to fail.
macro_rules! widen {
    ($($wide:ident)*) => {
        $(impl From<RecvError> for $wide {
            fn from(error: RecvError) -> Self {
                match error {
                    RecvError::Lagged(lost) => $wide::Lagged(lost),
                    RecvError::Disconnected => $wide::Disconnected,
                    RecvError::Interrupted(why) => $wide::Interrupted(why),
                }
            }
        })*
    };
}
widen!(TryRecvError RecvTimeoutError);
