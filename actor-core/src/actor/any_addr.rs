//! An address whose type has been forgotten, for what concerns actors of any type: who it was that ended, whom to link to.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::observe::Who;

use super::addr::Addr;
use super::cell::{Cell, DEAD, DOWN};
use super::exit::ExitReason;
use super::extra::Extra;
use super::host::Host;
use super::life;
use super::mailbox::Flags;
use super::ties::{self, Key};
use super::traits::Actor;

/// An actor, as far as others need to know one whatever its type. Nothing in here waits or calls code of the user's.
pub(crate) trait Peer: Send + Sync + 'static {
    /// Its id, unique in its system.
    fn id(&self) -> u64;
    /// Which of all actors of the process it is, together with the id: the same for every address of it.
    fn place(&self) -> usize;
    /// What it has beside its state and mailbox.
    fn extra(&self) -> &Extra;
    /// It has ended for good.
    fn is_dead(&self) -> bool;
    /// It is neither dead nor between two lives.
    fn is_up(&self) -> bool;
    /// Has it look at its lane at its next message boundary.
    fn wake(&self);
    /// How it is named in events.
    fn who(&self) -> Who;
    /// Where it lives.
    fn host(&self) -> &Host;
    fn stop(&self);
    fn kill(&self);
    /// The typed address.
    fn as_any(&self) -> &dyn Any;
}

impl<A: Actor> Peer for Addr<A> {
    fn id(&self) -> u64 {
        Addr::id(self)
    }

    fn place(&self) -> usize {
        std::ptr::from_ref(self.cell()).addr()
    }

    fn extra(&self) -> &Extra {
        self.cell().extra_or_new()
    }

    fn is_dead(&self) -> bool {
        self.cell().life() == DEAD
    }

    fn is_up(&self) -> bool {
        self.cell().life() < DOWN
    }

    fn wake(&self) {
        let cell: &Cell<A> = self.cell();
        // The end of its system ends it too, and whoever walks a chain of links there must not do so on his stack.
        if !cell.host().core.is_stopping() {
            cell.raise(Flags::SIGNAL);
        }
    }

    fn who(&self) -> Who {
        Addr::who(self)
    }

    fn host(&self) -> &Host {
        self.cell().host()
    }

    fn stop(&self) {
        Addr::stop(self);
    }

    fn kill(&self) {
        life::kill(self.cell());
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The address of an actor whose type is not known: what a [`Signal`](crate::Signal) says who it is about by.
///
/// It compares with typed addresses, and turns back into one. Messages are sent through that.
///
/// ```
/// use actor_core::AnyAddr;
/// use actor_core::prelude::*;
///
/// # #[actor]
/// # struct Counter { n: u64 }
/// # #[actor]
/// # impl Counter { pub fn get(&self) -> u64 { self.n } }
/// # #[actor]
/// # struct Other;
/// # #[actor]
/// # impl Other {}
/// let sys = System::new()?;
/// let counter = sys.spawn(Counter { n: 7 })?;
/// let any = AnyAddr::from(&counter);
/// assert_eq!(any, counter);
/// assert_eq!(any.downcast::<Counter>().unwrap().ask().get()?, 7);
/// assert!(any.downcast::<Other>().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AnyAddr(Arc<dyn Peer>);

impl AnyAddr {
    pub(super) fn of(peer: impl Peer) -> Self {
        AnyAddr(Arc::new(peer))
    }

    /// The actor's id, unique in its system.
    pub fn id(&self) -> u64 {
        self.0.id()
    }

    /// The actor's id, type and name, as events have them.
    pub fn who(&self) -> Who {
        self.0.who()
    }

    /// Whether the actor has not ended for good. One whose supervisor may yet restart it has not.
    pub fn is_alive(&self) -> bool {
        !self.0.is_dead()
    }

    /// Whether it is the address of an `A`.
    pub fn is<A: Actor>(&self) -> bool {
        self.0.as_any().is::<Addr<A>>()
    }

    /// The address as what it was, if that is the address of an `A`.
    pub fn downcast<A: Actor>(&self) -> Option<Addr<A>> {
        self.0.as_any().downcast_ref().cloned()
    }

    /// As [`Addr::stop`].
    pub fn stop(&self) {
        self.0.stop();
    }

    /// As [`Addr::kill`].
    pub fn kill(&self) {
        self.0.kill();
    }

    /// As [`Addr::exit`].
    pub fn exit(&self, reason: ExitReason) {
        ties::exit(self.peer(), reason);
    }

    pub(super) fn peer(&self) -> &dyn Peer {
        &*self.0
    }

    pub(super) fn key(&self) -> Key {
        Key::of(self.peer())
    }
}

/// Whether both lead to the same actor.
impl PartialEq for AnyAddr {
    fn eq(&self, other: &Self) -> bool {
        self.0.place() == other.0.place()
    }
}

impl Eq for AnyAddr {}

impl<A: Actor> PartialEq<Addr<A>> for AnyAddr {
    fn eq(&self, other: &Addr<A>) -> bool {
        self.0.place() == other.place()
    }
}

impl<A: Actor> PartialEq<AnyAddr> for Addr<A> {
    fn eq(&self, other: &AnyAddr) -> bool {
        other == self
    }
}

impl Hash for AnyAddr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

/// `Counter#7`, as in events.
impl fmt::Debug for AnyAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyAddr({})", self.0.who())
    }
}

impl<A: Actor> From<Addr<A>> for AnyAddr {
    fn from(addr: Addr<A>) -> Self {
        AnyAddr::of(addr)
    }
}

impl<A: Actor> From<&Addr<A>> for AnyAddr {
    fn from(addr: &Addr<A>) -> Self {
        AnyAddr::of(addr.clone())
    }
}

impl From<&AnyAddr> for AnyAddr {
    fn from(addr: &AnyAddr) -> Self {
        addr.clone()
    }
}
