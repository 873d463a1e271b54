//! An address of which only one type of message is known, whatever the actor behind it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::time::Instant;

use crate::rt::header::Header;
use crate::rt::park::Parker;

use super::addr::Addr;
use super::cell::Cell;
use super::cycle::WaitCycle;
use super::delivery::Until;
use super::error::TellError;
use super::exit::ExitReason;
use super::reply::Port;
use super::traits::Actor;

/// Somebody who takes messages of type `M`: the address of an actor, with the actor's type forgotten.
///
/// For lists of subscribers, callbacks, plug-ins: whoever holds it can send an `M`, and neither knows nor can do anything
/// else. Any actor gives one whose messages are made from an `M` and can be taken apart into it again (an error gives the
/// message back). In the message enum that `#[actor]` writes, `#[from]` on the one parameter of a message says so:
///
/// ```
/// use actor_core::prelude::*;
///
/// #[derive(Clone, Debug)]
/// pub struct Price(u64);
///
/// #[actor]
/// struct Highest(u64);
///
/// #[actor]
/// impl Highest {
///     pub fn seen(&mut self, #[from] price: Price) {
///         self.0 = self.0.max(price.0);
///     }
///     pub fn get(&self) -> u64 {
///         self.0
///     }
/// }
///
/// #[actor]
/// struct Count(u64);
///
/// #[actor]
/// impl Count {
///     pub fn add(&mut self, #[from] _price: Price) {
///         self.0 += 1;
///     }
///     pub fn get(&self) -> u64 {
///         self.0
///     }
/// }
///
/// let sys = System::new()?;
/// let (highest, count) = (sys.spawn(Highest(0))?, sys.spawn(Count(0))?);
/// let subscribers: Vec<Recipient<Price>> = vec![highest.recipient(), count.recipient()];
/// for price in [3, 7, 5] {
///     for subscriber in &subscribers {
///         subscriber.send(Price(price))?;
///     }
/// }
/// assert_eq!((highest.ask().get()?, count.ask().get()?), (7, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Every actor is a recipient of its own message type. It is two words, made and cloned without allocating, and what is
/// promised of an [`Addr`] holds of it.
pub struct Recipient<M: 'static> {
    /// A cell, of whatever type; one counted reference to it is ours.
    to: NonNull<dyn Receives<M>>,
}

// SAFETY: a recipient is a counted reference to a cell, which is Sync and Send. It holds no `M`.
unsafe impl<M> Send for Recipient<M> {}
// SAFETY: as above.
unsafe impl<M> Sync for Recipient<M> {}

/// A message type some of whose messages are made from an `M`, and can be taken apart into it again.
///
/// Every type that is `From<M>` and `TryInto<M>` is one; nothing needs to implement this. For generated enums `#[from]` on the
/// parameter of a message, and `protocols = [..]`, write both conversions. One that does not give back the `M` it was made
/// from makes a failing send panic.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no message that is made from `{M}`",
    label = "this actor does not take it",
    note = "a protocol is named on the actor's `impl` block: `#[actor(protocols = [..])]`",
    note = "a message with one parameter is made from it if that is marked: `#[from]`"
)]
pub trait Carries<M>: From<M> + TryInto<M> {}

#[diagnostic::do_not_recommend]
impl<S: From<M> + TryInto<M>, M> Carries<M> for S {}

/// What can be done with a cell by somebody who knows no more than that it takes `M`s.
pub(super) trait Receives<M> {
    fn header(&self) -> &Header;
    fn push(&self, msg: M, reply: Port, until: Until<'_>) -> Result<(), TellError<M>>;
    fn push_asked(
        &self,
        msg: M,
        reply: Port,
        asker: &'static Parker,
        until: Until<'_>,
    ) -> Result<(), TellError<M>>;
    fn try_send(&self, msg: M) -> Result<(), TellError<M>>;
    fn is_alive(&self) -> bool;
    fn queued(&self) -> usize;
    fn stop(&self);
    fn kill(&self);
    fn wait_end(&self, deadline: Option<Instant>) -> Result<Option<ExitReason>, WaitCycle>;
}

impl<A: Actor, M> Receives<M> for Cell<A>
where
    A::Msg: Carries<M>,
{
    fn header(&self) -> &Header {
        Cell::header(self)
    }

    fn push(&self, msg: M, reply: Port, until: Until<'_>) -> Result<(), TellError<M>> {
        lent(self)
            .push(msg.into(), reply, until)
            .map_err(given_back)
    }

    fn push_asked(
        &self,
        msg: M,
        reply: Port,
        asker: &'static Parker,
        until: Until<'_>,
    ) -> Result<(), TellError<M>> {
        lent(self)
            .push_asked(msg.into(), reply, asker, until)
            .map_err(given_back)
    }

    fn try_send(&self, msg: M) -> Result<(), TellError<M>> {
        lent(self).try_send(msg.into()).map_err(given_back)
    }

    fn is_alive(&self) -> bool {
        lent(self).is_alive()
    }

    fn queued(&self) -> usize {
        lent(self).queued()
    }

    fn stop(&self) {
        lent(self).stop();
    }

    fn kill(&self) {
        lent(self).kill();
    }

    fn wait_end(&self, deadline: Option<Instant>) -> Result<Option<ExitReason>, WaitCycle> {
        lent(self).wait_end(deadline)
    }
}

/// An address without a reference of its own, for as long as somebody else's holds.
fn lent<A: Actor>(cell: &Cell<A>) -> ManuallyDrop<Addr<A>> {
    ManuallyDrop::new(Addr::adopt(NonNull::from(cell)))
}

#[cold]
fn given_back<S: TryInto<M>, M>(error: TellError<S>) -> TellError<M> {
    error.map_message(|msg| match msg.try_into() {
        Ok(msg) => msg,
        Err(_) => panic!(
            "`{}` does not give the `{}` back that it was made from: correct its `TryFrom`",
            std::any::type_name::<S>(),
            std::any::type_name::<M>()
        ),
    })
}

impl<M> Recipient<M> {
    pub(super) fn new<A: Actor>(addr: &Addr<A>) -> Self
    where
        A::Msg: Carries<M>,
    {
        let addr = ManuallyDrop::new(addr.clone());
        let to: &dyn Receives<M> = addr.cell();
        Recipient {
            to: NonNull::from(to),
        }
    }

    #[inline]
    pub(super) fn to(&self) -> &dyn Receives<M> {
        // SAFETY: the recipient holds a reference.
        unsafe { self.to.as_ref() }
    }

    /// Puts a message into the mailbox; waits while a bounded one is full.
    ///
    /// # Errors
    /// [`TellError::Closed`], with the message, if the actor has ended.
    pub fn send(&self, msg: M) -> Result<(), TellError<M>> {
        self.to().push(msg, Port::none(), Until::Deadline(None))
    }

    /// Puts a message into the mailbox if there is room.
    ///
    /// # Errors
    /// [`TellError::Full`] or [`TellError::Closed`], with the message.
    pub fn try_send(&self, msg: M) -> Result<(), TellError<M>> {
        self.to().try_send(msg)
    }

    /// The actor's id, unique in its system.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.to().header().id()
    }

    /// Whether the actor has not ended for good.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.to().is_alive()
    }
}

impl<A: Actor> Addr<A> {
    /// The actor as one who takes messages of type `M`, and nothing more is known of. See [`Recipient`].
    #[must_use]
    pub fn recipient<M>(&self) -> Recipient<M>
    where
        A::Msg: Carries<M>,
    {
        Recipient::new(self)
    }
}

impl<M> Clone for Recipient<M> {
    fn clone(&self) -> Self {
        self.to().header().add_ref();
        Recipient { to: self.to }
    }
}

impl<M> Drop for Recipient<M> {
    fn drop(&mut self) {
        // SAFETY: the recipient's own reference. The header is the first field of every cell.
        unsafe { Header::drop_ref(self.to.cast()) }
    }
}

impl<M> PartialEq for Recipient<M> {
    /// Whether both lead to the same actor.
    fn eq(&self, other: &Self) -> bool {
        self.to.cast::<Header>() == other.to.cast::<Header>()
    }
}

impl<M> Eq for Recipient<M> {}

impl<M> Hash for Recipient<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

impl<M> fmt::Debug for Recipient<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Recipient({}#{})",
            (self.to().header().vtable().type_name)(),
            self.id()
        )
    }
}

impl<A: Actor, M> From<Addr<A>> for Recipient<M>
where
    A::Msg: Carries<M>,
{
    fn from(addr: Addr<A>) -> Self {
        Recipient::new(&addr)
    }
}
