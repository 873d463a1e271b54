//! Routing to the members of a group.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use super::error::{Nobody, RouteError};
use super::hash;
use super::pick::{self, Balance, Picker};
use crate::actor::{Actor, Addr};
use crate::group::{Group, PublishError, Published};

/// Sends each message to one of a group's members, or to all.
///
/// Whom a router routes to is the group's business: it grows when an actor joins, and shrinks when one leaves or ends.
///
/// - [`pick`](Self::pick) gives the address of the next member, as the [`Balance`] says;
/// - [`by_key`](Self::by_key) that of the member to whom a key belongs (*consistent hashing*: when the group changes, only the
///   keys of who comes or goes move);
/// - [`publish`](Self::publish) tells all.
///
/// With an address everything goes on as usual: `router.pick()?.tell().job(x)?`, `router.by_key(&user)?.ask().balance()?`. If
/// that member ends between the two, the error gives the message back; [`send`](Self::send) goes on to the next by itself.
///
/// A handle: clones take turns together. Two routers made for one group do not.
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::{Balance, Router};
///
/// #[actor]
/// struct Worker { n: u64 }
///
/// #[actor]
/// impl Worker {
///     pub fn square(&mut self, x: u64) -> u64 {
///         self.n += 1;
///         x * x
///     }
///     pub fn done(&self) -> u64 {
///         self.n
///     }
/// }
///
/// let sys = System::new()?;
/// let workers = sys.group::<Worker>("workers");
/// let router = Router::new(&workers, Balance::RoundRobin);
/// assert!(router.pick().is_err()); // nobody is there
/// for _ in 0..2 {
///     workers.join(&sys.spawn(Worker { n: 0 })?)?;
/// }
/// for x in 0..4 {
///     assert_eq!(router.pick()?.ask().square(x)?, x * x);
/// }
/// for worker in workers.members().iter() {
///     assert_eq!(worker.ask().done()?, 2);
/// }
/// assert_eq!(router.by_key("ann")?, router.by_key("ann")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Router<A: Actor> {
    group: Group<A>,
    picker: Arc<Picker>,
}

impl<A: Actor> Router<A> {
    /// A router to the members of `group`.
    pub fn new(group: &Group<A>, balance: Balance) -> Self {
        Self {
            group: group.clone(),
            picker: Arc::new(Picker::new(balance)),
        }
    }

    /// The group.
    pub fn group(&self) -> &Group<A> {
        &self.group
    }

    /// How messages without a key are shared out.
    pub fn balance(&self) -> Balance {
        self.picker.balance()
    }

    /// The member that is next.
    ///
    /// # Errors
    /// [`Nobody`] is there.
    pub fn pick(&self) -> Result<Addr<A>, Nobody> {
        self.next().ok_or(Nobody)
    }

    fn next(&self) -> Option<Addr<A>> {
        let members = self.group.listed();
        let at = self.picker.pick(&members)?;
        Some(members[at].clone())
    }

    /// The member to whom `key` belongs. As long as it is a member that is the same one, restarts included; see
    /// [`Router`].
    ///
    /// # Errors
    /// [`Nobody`] is there.
    pub fn by_key<K: Hash + ?Sized>(&self, key: &K) -> Result<Addr<A>, Nobody> {
        self.owner(hash::of_key(key)).ok_or(Nobody)
    }

    fn owner(&self, key: u64) -> Option<Addr<A>> {
        let members = self.group.listed();
        let alive = members.iter().filter(|it| it.is_alive());
        hash::belongs(key, alive.map(|it| (it.id(), it))).cloned()
    }

    /// Sends a message to the member that is next; waits while its mailbox is full. If it has ended, another gets it.
    ///
    /// # Errors
    /// [`RouteError::Nobody`], with the message.
    pub fn send(&self, msg: A::Msg) -> Result<(), RouteError<A::Msg>> {
        pick::send(msg, || self.next())
    }

    /// As [`send`](Self::send), without waiting: of those whose mailboxes have room the next one gets it.
    ///
    /// # Errors
    /// [`RouteError`], with the message.
    pub fn try_send(&self, msg: A::Msg) -> Result<(), RouteError<A::Msg>> {
        let members = self.group.listed();
        pick::try_send(msg, &members, self.picker.pick(&members))
    }

    /// Sends a message to the member to whom `key` belongs; waits while its mailbox is full. If it has ended, the key belongs
    /// to another, who gets it.
    ///
    /// # Errors
    /// [`RouteError::Nobody`], with the message.
    pub fn send_by_key<K: Hash + ?Sized>(
        &self,
        key: &K,
        msg: A::Msg,
    ) -> Result<(), RouteError<A::Msg>> {
        let key = hash::of_key(key);
        pick::send(msg, || self.owner(key))
    }

    /// As [`Group::publish`].
    ///
    /// # Errors
    /// As there.
    pub fn publish(&self, message: A::Msg) -> Result<Published<A>, PublishError<A>>
    where
        A::Msg: Clone,
    {
        self.group.publish(message)
    }

    /// As [`Group::publish_with`].
    pub fn publish_with(&self, make: impl FnMut(&Addr<A>) -> A::Msg) -> Published<A> {
        self.group.publish_with(make)
    }
}

impl<A: Actor> Clone for Router<A> {
    fn clone(&self) -> Self {
        Self {
            group: self.group.clone(),
            picker: self.picker.clone(),
        }
    }
}

impl<A: Actor> fmt::Debug for Router<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("group", &self.group)
            .field("balance", &self.balance())
            .finish()
    }
}
