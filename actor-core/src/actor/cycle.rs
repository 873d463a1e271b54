//! What a wait that would never end is told.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::observe::Who;

/// The path of a deadlock: actors each of which waits for the next, and the last for the first.
///
/// Actors that wait for one another would wait for ever, so the library does not let them: of the waits in such a cycle at
/// least one fails, with [`AskError::Deadlock`](crate::AskError::Deadlock),
/// [`TellError::Deadlock`](crate::TellError::Deadlock) or [`SpawnError::Deadlock`](crate::SpawnError::Deadlock), or as
/// [`Addr::try_join`](crate::Addr::try_join) says, and the others go on. Two may fail when they close the cycle at the same
/// moment.
///
/// # What counts
/// What an actor's own code waits for, in a handler, a hook or its `run` body, on its own stack and without a deadline:
/// - the answer to an ask, from the actor that has the message; of a request, while it is in `wait`. Not if the answer is
///   owed by a [`ReplyTo`](crate::ReplyTo), which anybody may have, until it is forwarded;
/// - room in a full mailbox, from the mailbox's actor;
/// - the end of an actor (`join`), and the start of one that it spawns.
///
/// A wait with a deadline ends by itself, so a cycle with one in it is none. Neither are waits of threads and of microthreads
/// that are no actors, waits for locks, channels and futures, nor such as are begun while a panic unwinds. What a
/// [migratable](mod@crate::migratable) function asks is as what a future does, also if an actor [calls](crate::migratable::Start::call) it:
/// if that asks the actor which waits for it, they wait for ever. Give one of the two a deadline.
///
/// A supervisor waits for a child to start, and for one to end whose [`Shutdown`](crate::Shutdown) is `Infinity`; whoever has it
/// start or stop a child waits for it ([`ChildError::Deadlock`](crate::ChildError::Deadlock)). So a hook that has its own
/// supervisor start or stop a child is refused. Listing and counting children is no such wait: it is answered meanwhile. Where no
/// call is part of the cycle, the supervisor kills the child, and a start has failed then, for the path.
///
/// ```
/// use actor_core::prelude::*;
///
/// #[actor]
/// struct Mirror;
///
/// #[actor]
/// impl Mirror {
///     /// Asks the one that asked, which waits for us.
///     pub fn look(&mut self, cx: &mut Cx<Self>, into: Option<Addr<Mirror>>) -> Result<(), String> {
///         match into {
///             Some(other) => other.ask().look(Some(cx.addr())).map_err(|error| error.to_string()),
///             None => Ok(()),
///         }
///     }
///     pub fn itself(&mut self, cx: &mut Cx<Self>) -> Option<usize> {
///         match cx.addr().ask().look(None) {
///             Err(AskError::Deadlock { path, .. }) => Some(path.actors().len()),
///             _ => None,
///         }
///     }
/// }
///
/// let sys = System::new()?;
/// let (a, b) = (sys.spawn(Mirror)?, sys.spawn(Mirror)?);
/// assert_eq!(a.ask().itself()?, Some(1));
/// assert!(a.ask().look(Some(b)).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitCycle {
    actors: Arc<[Who]>,
}

impl WaitCycle {
    pub(super) fn new(actors: impl IntoIterator<Item = Who>) -> Self {
        let actors = actors.into_iter().collect();
        WaitCycle { actors }
    }

    /// The actors, each waiting for the next and the last for the first. The first is the one whose wait failed.
    #[must_use]
    pub fn actors(&self) -> &[Who] {
        &self.actors
    }
}

/// `A#1 -> B#2 -> A#1`.
impl fmt::Display for WaitCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.actors
            .iter()
            .try_for_each(|who| write!(f, "{who} -> "))?;
        match self.actors.first() {
            Some(first) => first.fmt(f),
            None => Ok(()),
        }
    }
}

impl Error for WaitCycle {}

/// What every error with a path says.
pub(crate) fn deadlock(path: &WaitCycle, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "the wait would never end: {path}")
}
