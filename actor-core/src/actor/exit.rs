//! How an actor ends, as it says so itself ([`Exit`]) and as others see it ([`ExitReason`]).
//!
//! An actor with a `run` body ends by returning an [`Exit`]; one with message methods ends because somebody stopped it
//! or because it failed. Everybody else (a supervisor, a link, a caller waiting in `join`) sees an [`ExitReason`], which
//! also has the endings that an actor cannot choose: it was killed, it panicked, it ran out of stack.

use std::fmt;
use std::sync::Arc;

/// Why an actor is no longer there.
///
/// A supervisor decides by it: a transient child is restarted unless the reason [is clean](Self::is_clean).
/// The texts are shared, so that a reason is cheap to clone however many links, monitors and events it goes to.
///
/// ```
/// # use actor_core::prelude::*;
/// # #[actor]
/// # struct Counter { n: u64 }
/// # #[actor]
/// # impl Counter {
/// #     pub fn add(&mut self, by: u64) { self.n += by }
/// # }
/// # let sys = System::new()?;
/// let addr = sys.spawn(Counter { n: 0 })?;
/// addr.stop();
/// assert_eq!(addr.join(), ExitReason::Normal);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitReason {
    /// It finished: it was stopped by `stop`, or its `run` body returned [`Exit::Normal`].
    Normal,
    /// It was told to end by its supervisor or by the system's shutdown, and did.
    Shutdown,
    /// It was killed: its stack was unwound at the next point where it waited.
    Killed,
    /// A handler panicked. The text is the panic's message, or says that the payload was not a string.
    Panicked(Arc<str>),
    /// It ran out of stack.
    Overflow,
    /// It gave up by itself: its `#[on_start]` hook returned an error, or its `run` body returned [`Exit::Failed`]. The
    /// text is that error, displayed.
    Failed(Arc<str>),
    /// It was dead already when it was linked to or monitored, so that nobody knows why. Of an actor: it was linked to one.
    NoProc,
}

impl ExitReason {
    /// A [`Failed`](Self::Failed) that carries `why`, displayed.
    pub fn failed(why: impl fmt::Display) -> Self {
        Self::Failed(why.to_string().into())
    }

    /// Whether the actor ended as intended: [`Normal`](Self::Normal) or [`Shutdown`](Self::Shutdown). A transient child
    /// that ends so is not restarted. To links only [`Normal`](Self::Normal) is no failure: see [`Signal`](crate::Signal).
    #[must_use]
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Normal | Self::Shutdown)
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("ended normally"),
            Self::Shutdown => f.write_str("shut down"),
            Self::Killed => f.write_str("killed"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::Overflow => f.write_str("ran out of stack"),
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::NoProc => f.write_str("was not there"),
        }
    }
}

/// What a `run` body returns: how it ended, as far as an actor can choose that.
///
/// ```
/// # use actor_core::prelude::*;
/// # #[actor]
/// # struct Session { served: u32 }
/// # enum SessionMsg { Line(String) }
/// # impl Session {
/// #     fn serve(&mut self, message: SessionMsg) -> Result<(), std::fmt::Error> {
/// #         let SessionMsg::Line(_) = message;
/// #         self.served += 1;
/// #         Ok(())
/// #     }
/// # }
/// #[actor(message = SessionMsg)]
/// impl Session {
///     pub fn run(mut self, inbox: Inbox<Self>) -> Exit {
///         while let Ok(message) = inbox.recv() {
///             if let Err(error) = self.serve(message) {
///                 return Exit::failed(error);
///             }
///         }
///         Exit::Normal
///     }
/// }
/// ```
///
/// A body whose work is one fallible function converts its result: `self.serve(inbox).into()`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use = "an exit says how the actor ended: return it from `run`"]
pub enum Exit {
    /// The work is done.
    Normal,
    /// It ended because it was asked to.
    Shutdown,
    /// It cannot go on; the text says why. A supervisor restarts a permanent or transient child.
    Failed(Arc<str>),
}

impl Exit {
    /// A [`Failed`](Self::Failed) that carries `why`, displayed.
    pub fn failed(why: impl fmt::Display) -> Self {
        Self::Failed(why.to_string().into())
    }
}

/// `Ok` is [`Exit::Normal`]; `Err` is [`Exit::Failed`] with the error displayed.
impl<E: fmt::Display> From<Result<(), E>> for Exit {
    fn from(result: Result<(), E>) -> Self {
        match result {
            Ok(()) => Self::Normal,
            Err(error) => Self::failed(error),
        }
    }
}

impl From<Exit> for ExitReason {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Normal => Self::Normal,
            Exit::Shutdown => Self::Shutdown,
            Exit::Failed(why) => Self::Failed(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_normal_and_shutdown_are_clean() {
        assert!(ExitReason::Normal.is_clean());
        assert!(ExitReason::Shutdown.is_clean());
        for reason in [
            ExitReason::Killed,
            ExitReason::Overflow,
            ExitReason::Panicked("x".into()),
            ExitReason::failed("x"),
            ExitReason::NoProc,
        ] {
            assert!(!reason.is_clean(), "{reason}");
        }
    }

    #[test]
    fn a_failed_exit_keeps_its_text() {
        let exit = Exit::from(Err("no disk"));
        assert_eq!(ExitReason::from(exit), ExitReason::Failed("no disk".into()));
        assert_eq!(ExitReason::failed("no disk").to_string(), "failed: no disk");
        assert_eq!(Exit::from(Ok::<(), &str>(())), Exit::Normal);
    }
}
