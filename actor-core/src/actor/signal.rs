//! What an actor hears of others by: signals.

use std::fmt;

use super::any_addr::AnyAddr;
use super::exit::ExitReason;

/// What the runtime tells an actor of another: the end of one it watches, or of one it is linked to.
///
/// An actor with message methods gets its signals in a private method marked `#[on_signal]`, which takes any of
/// `cx: &mut Cx<Self>` and `signal: Signal`; one with a `run` body by [`Inbox::recv_any`](crate::Inbox::recv_any).
///
/// # The system lane
/// Signals do not travel in the mailbox. They wait in a lane of their own, which no bound of the mailbox limits and no policy
/// drops from; each is handled at a message boundary, before the messages that wait, in the order in which they were sent.
///
/// # Which exit signals are handed out
/// An exit signal comes when an actor that this one is linked to ends, or when somebody calls [`Addr::exit`](crate::Addr::exit).
///
/// | reason | the actor traps exits ([`Cx::trap_exits`](crate::Cx::trap_exits)) | it does not |
/// |---|---|---|
/// | [`Normal`](ExitReason::Normal) | it gets [`Signal::Exit`] | nothing happens |
/// | any other | it gets [`Signal::Exit`] | it ends, for that reason; its `on_stop` runs |
///
/// What counts is whether it traps when the signal is handled. A [`kill`](crate::Addr::kill) is no exit signal and cannot be
/// trapped; those linked to its victim get one with [`Killed`](ExitReason::Killed), which can.
///
/// # Without a hook
/// A signal to an actor that has no `#[on_signal]` is dropped, with an
/// [`Event::SignalDropped`](crate::Event::SignalDropped).
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::{MonitorId, Signal};
///
/// #[actor]
/// struct Worker;
///
/// #[actor]
/// impl Worker {
///     pub fn work(&mut self) {
///         panic!("out of luck");
///     }
/// }
///
/// #[actor]
/// #[derive(Default)]
/// struct Boss {
///     lost: Vec<ExitReason>,
/// }
///
/// #[actor]
/// impl Boss {
///     pub fn hire(&mut self, cx: &mut Cx<Self>) {
///         let (worker, _) = cx.spawn_monitor(Worker).unwrap();
///         worker.tell().work().unwrap();
///     }
///
///     #[on_signal]
///     fn signal(&mut self, signal: Signal) {
///         if let Signal::Down { reason, .. } = signal {
///             self.lost.push(reason);
///         }
///     }
///
///     pub fn lost(&self) -> Vec<ExitReason> {
///         self.lost.clone()
///     }
/// }
///
/// let sys = System::new()?;
/// let boss = sys.spawn(Boss::default())?;
/// boss.tell().hire()?;
/// while boss.ask().lost()?.is_empty() {}
/// assert_eq!(boss.ask().lost()?, [ExitReason::Panicked("out of luck".into())]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// An actor that this one monitors has ended. The monitor is gone with it.
    #[non_exhaustive]
    Down {
        /// Which monitor: what [`Cx::monitor`](crate::Cx::monitor) gave.
        monitor: MonitorId,
        /// Who ended.
        from: AnyAddr,
        /// Why. [`ExitReason::NoProc`] if it was dead already.
        reason: ExitReason,
    },
    /// An actor that this one was linked to has ended, or somebody asks this one to end. Only handed out to actors that trap
    /// exits.
    #[non_exhaustive]
    Exit {
        /// Who ended; `None` if the signal was sent by [`Addr::exit`](crate::Addr::exit).
        from: Option<AnyAddr>,
        /// Why.
        reason: ExitReason,
    },
}

impl Signal {
    /// Who it is about; `None` for an exit signal that was sent by [`Addr::exit`](crate::Addr::exit).
    #[must_use]
    pub fn from(&self) -> Option<&AnyAddr> {
        match self {
            Signal::Down { from, .. } => Some(from),
            Signal::Exit { from, .. } => from.as_ref(),
        }
    }

    /// Why they ended, or why this actor shall.
    #[must_use]
    pub fn reason(&self) -> &ExitReason {
        match self {
            Signal::Down { reason, .. } | Signal::Exit { reason, .. } => reason,
        }
    }
}

/// Which monitor of an actor a [`Signal::Down`] is of. Given by [`Cx::monitor`](crate::Cx::monitor), and never twice to one
/// actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MonitorId(pub(super) u64);

impl fmt::Display for MonitorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "monitor {}", self.0)
    }
}
