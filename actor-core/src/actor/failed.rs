//! Handlers that fail with nobody to tell: an `Err` from a message that was only told.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use tracing::Level;

use super::cx::Cx;
use super::exit::{Exit, ExitReason};
use super::traits::Actor;
use crate::observe::Event;

/// The error of a handler whose message was only told, so that there was nobody to give it to. It goes to the actor's
/// `#[on_error]` hook, which by default ends the actor.
///
/// An asker gets the error itself, as [`AskError::Handler`](crate::AskError::Handler), and the actor goes on.
///
/// ```
/// use actor_core::prelude::*;
///
/// #[derive(Debug, PartialEq)]
/// pub enum Refused {
///     TooMuch,
///     Closed,
/// }
///
/// #[actor]
/// struct Store {
///     refused: u32,
/// }
///
/// #[actor]
/// impl Store {
///     pub fn put(&mut self, n: u32) -> Result<(), Refused> {
///         if n > 9 { Err(Refused::TooMuch) } else { Ok(()) }
///     }
///     pub fn close(&mut self) -> Result<(), Refused> {
///         Err(Refused::Closed)
///     }
///     pub fn refused(&self) -> u32 {
///         self.refused
///     }
///
///     #[on_error]
///     fn failed(&mut self, cx: &mut Cx<Self>, error: HandlerError) {
///         match error.downcast_ref() {
///             Some(Refused::TooMuch) => self.refused += 1,
///             _ => cx.exit(error.into()),
///         }
///     }
/// }
///
/// let sys = System::new()?;
/// let store = sys.spawn(Store { refused: 0 })?;
/// store.tell().put(10)?;
/// assert_eq!(store.ask().refused()?, 1);
/// assert!(matches!(store.ask().put(11), Err(AskError::Handler(Refused::TooMuch))));
/// assert_eq!(store.ask().refused()?, 1, "the asker got that one");
/// store.tell().close()?;
/// assert_eq!(store.join(), ExitReason::failed("Closed"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct HandlerError {
    message: &'static str,
    text: Arc<str>,
    error: Box<dyn Any + Send>,
}

impl HandlerError {
    /// The message's method.
    pub fn message(&self) -> &'static str {
        self.message
    }

    /// The error, if it is an `E`.
    pub fn downcast_ref<E: 'static>(&self) -> Option<&E> {
        self.error.downcast_ref()
    }

    /// The error by value, if it is an `E`.
    ///
    /// # Errors
    /// This, if it is not.
    pub fn downcast<E: 'static>(self) -> Result<E, Self> {
        let Self {
            message,
            text,
            error,
        } = self;
        match error.downcast() {
            Ok(error) => Ok(*error),
            Err(error) => Err(Self {
                message,
                text,
                error,
            }),
        }
    }
}

/// The error, displayed. One that has no `Display` is shown as by `Debug`; one that has neither by the name of its type, and so
/// is one whose type is a parameter of the actor's of which neither is said.
impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerError")
            .field("message", &self.message)
            .field("error", &self.text)
            .finish()
    }
}

impl Error for HandlerError {}

/// [`Exit::Failed`], with the error displayed.
impl From<HandlerError> for Exit {
    fn from(error: HandlerError) -> Self {
        Self::Failed(error.text)
    }
}

/// [`ExitReason::Failed`], with the error displayed.
impl From<HandlerError> for ExitReason {
    fn from(error: HandlerError) -> Self {
        Self::Failed(error.text)
    }
}

/// What generated code does with the error of a message that was told.
#[cold]
#[inline(never)]
pub fn told_in_vain<A: Actor, E: Send + 'static>(
    actor: &mut A,
    cx: &mut Cx<A>,
    message: &'static str,
    text: String,
    error: E,
) {
    let text: Arc<str> = text.into();
    let events = &cx.host().core.events;
    events.emit(Level::WARN, || Event::HandlerFailed {
        who: cx.who(),
        message,
        error: text.clone(),
    });
    let error = HandlerError {
        message,
        text,
        error: Box::new(error),
    };
    actor.on_error(cx, error);
}

/// An error to be put into words: `(&&&ErrorText(&error)).error_text()`, with the three traits below in scope, is the best that is
/// known to be there at the call: the first of them is found with fewest borrows taken off.
#[derive(Debug)]
pub struct ErrorText<'a, E: ?Sized>(pub &'a E);

/// The first choice.
pub trait TextByDisplay {
    /// The error, displayed.
    fn error_text(&self) -> String;
}

impl<E: fmt::Display + ?Sized> TextByDisplay for &&ErrorText<'_, E> {
    fn error_text(&self) -> String {
        self.0.to_string()
    }
}

/// The second.
pub trait TextByDebug {
    /// The error as by `Debug`.
    fn error_text(&self) -> String;
}

impl<E: fmt::Debug + ?Sized> TextByDebug for &ErrorText<'_, E> {
    fn error_text(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// The last.
pub trait TextByType {
    /// The name of its type.
    fn error_text(&self) -> String;
}

impl<E: ?Sized> TextByType for ErrorText<'_, E> {
    fn error_text(&self) -> String {
        std::any::type_name::<E>().to_owned()
    }
}
