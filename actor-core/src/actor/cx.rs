//! What a handler knows of its own actor.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::observe::Who;
use crate::rt::header::Header;

use super::addr::Addr;
use super::cell::Cell;
use super::exit::Exit;
use super::extra::Extra;
use super::host::Host;
use super::inbox::Inbox;
use super::traits::Actor;

/// The context of a handler: the actor's own address, its system, and how to end.
///
/// ```
/// use actor_core::prelude::*;
///
/// #[actor]
/// struct Once;
///
/// #[actor]
/// impl Once {
///     pub fn go(&mut self, cx: &mut Cx<Self>) -> u64 {
///         cx.stop();
///         cx.id()
///     }
/// }
///
/// let sys = System::new()?;
/// let once = sys.spawn(Once)?;
/// assert_eq!(once.ask().go()?, once.id());
/// assert_eq!(once.join(), ExitReason::Normal);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Cx<A: Actor> {
    /// Valid while a handler runs, as its activation holds the life reference; `Cx` never leaves the activation's frame.
    cell: *const Cell<A>,
    exit: Option<Exit>,
    actor: PhantomData<A>,
}

impl<A: Actor> fmt::Debug for Cx<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx").field("id", &self.id()).finish()
    }
}

impl<A: Actor> Cx<A> {
    pub(super) fn new(cell: &Cell<A>) -> Self {
        Cx {
            cell,
            exit: None,
            actor: PhantomData,
        }
    }

    pub(super) fn cell(&self) -> &Cell<A> {
        // SAFETY: see the field. Users only ever get `&mut Cx`, and cannot make another to swap it with outside an
        // activation of the same type, whose frame is as good.
        unsafe { &*self.cell }
    }

    #[inline]
    pub(super) fn wants_exit(&self) -> bool {
        self.exit.is_some()
    }

    pub(super) fn take_exit(&mut self) -> Option<Exit> {
        self.exit.take()
    }

    /// The actor's own address.
    pub fn addr(&self) -> Addr<A> {
        Addr::to(self.cell())
    }

    /// The actor's id, unique in its system.
    pub fn id(&self) -> u64 {
        self.cell().header().id()
    }

    /// How it is named in events.
    pub(super) fn who(&self) -> Who {
        self.cell().describe()
    }

    pub(super) fn header(&self) -> &Header {
        self.cell().header()
    }

    pub(super) fn extra(&self) -> &Extra {
        self.cell().extra_or_new()
    }

    pub(crate) fn host(&self) -> &Arc<Host> {
        self.cell().host()
    }

    /// Ends the actor, with [`ExitReason::Normal`](crate::ExitReason::Normal), when the present handler has returned.
    /// Messages still queued are not handled: those that were asked fail, the others become dead letters.
    pub fn stop(&mut self) {
        self.exit = Some(Exit::Normal);
    }

    /// As [`stop`](Self::stop), saying why.
    pub fn exit(&mut self, exit: Exit) {
        self.exit = Some(exit);
    }

    /// The inbox of an actor with its own stack, for its start hook.
    pub(crate) fn inbox(&self) -> Inbox<A> {
        Inbox::new(self.cell())
    }

    /// Messages waiting in the actor's mailbox, in all its lanes; those [stashed](Self::stash) not counted.
    pub fn queued(&self) -> usize {
        self.cell().queued()
    }
}
