//! Groups: actors of one type that are reached together.
//!
//! A [`Group`] has **members**, in the order in which they joined. Whoever has a handle lists them, publishes to all of them,
//! routes to one of them ([`Router`](crate::Router)), or watches them come and go.
//!
//! # Rules
//! * An actor is a member at most once. It may be in any number of groups.
//! * A member that ends for good leaves, by itself and at once: its end takes it off. A restart does not pass here: the
//!   address stays valid, and its owner a member. Whoever has seen the end (in `join`) sees no member any more; the event
//!   of its leaving may come an instant later.
//! * The list of members and the events agree: they change in one section of the group's lock. A watch begins in one as
//!   well, so that its members and its events together miss nothing and repeat nothing.
//! * All of a group's watches see the same events in the same order.
//! * A group is local to its system.
//!
//! # Why no dead member is left behind
//! As with names (see `actor::held`): a join lists the member and notes that with the actor, in one section, then looks
//! whether it is dead. The actor's end marks it dead, then takes out its notes, then leaves each group noted. One of the two
//! finds the other. Both may; the second finds no member, and does nothing.
//!
//! # Who keeps a group
//! ```text
//!   handle, watch ───► Inner ◄─── note, with each member (until it leaves or ends)
//!                      │  ▲
//!              members │  ┊ weak
//!                      ▼  ┊
//!                   addresses       directory of the system: (type, name) ──► group
//! ```
//! The circle from a member's note to the group to the member's address is cut when the member leaves or ends. When nothing
//! refers to a group any more, it and its entry in the directory are gone: names of groups may be made up freely.
//!
//! # Locks
//! A group's lock is held for changes of the lists and no more; inside it, the lock of a member's notes and that of the
//! watches' channel are taken. Nothing is woken, dropped or sent to under it.
//!
//! # Cost
//! A member costs two map entries and a note: about 100 bytes. A group that nobody watches makes no events. Publishing to `n`
//! members is `n` sends; the list of members is made anew at the first use after a change, and shared until the next.

mod directory;
mod publish;
mod watch;

#[cfg(all(test, not(loom)))]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::actor::{Actor, Addr, ExitReason, Host, Membership};
use crate::channel::broadcast;
use crate::system::System;

pub(crate) use directory::Directory;
pub use publish::{Missed, PublishError, Published};
pub use watch::{GroupEvent, GroupWatch};

/// Actors of type `A` that are reached together: Erlang's `pg`, typed.
///
/// A handle: clones lead to the same group, and so does [`System::group`] with the same name. A group exists as long as
/// anybody has a handle or is a member.
///
/// Members are addresses of one actor type, so that everything an address can do can be done with each. They are listed, and
/// published to, in the order in which they joined.
///
/// ```
/// use actor_core::prelude::*;
///
/// #[actor]
/// struct Guest { heard: Vec<String> }
///
/// #[actor]
/// impl Guest {
///     pub fn hear(&mut self, line: String) {
///         self.heard.push(line);
///     }
///     pub fn heard(&self) -> Vec<String> {
///         self.heard.clone()
///     }
/// }
///
/// let sys = System::new()?;
/// let lobby = sys.group::<Guest>("lobby");
/// for _ in 0..2 {
///     lobby.join(&sys.spawn(Guest { heard: vec![] })?)?;
/// }
/// let published = lobby.publish_with(|_| GuestMsg::Hear { line: "hello".to_owned() });
/// assert_eq!(published.delivered, 2);
///
/// let first = lobby.members()[0].clone();
/// assert_eq!(first.ask().heard()?, ["hello"]);
/// first.stop();
/// first.join();
/// assert_eq!(lobby.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Group<A: Actor> {
    inner: Arc<Inner<A>>,
}

struct Inner<A: Actor> {
    name: Option<Arc<str>>,
    host: Arc<Host>,
    state: Mutex<State<A>>,
}

struct State<A: Actor> {
    /// By their places, which are given out in the order of joining and never twice.
    members: BTreeMap<u64, Addr<A>>,
    /// The place of each, by its id. Only looked up, never iterated: its order would not be deterministic.
    places: HashMap<u64, u64>,
    next_place: u64,
    /// The members, if nothing has changed since somebody asked.
    list: Option<Arc<[Addr<A>]>>,
    /// Where events go, once somebody has watched.
    news: Option<broadcast::Sender<GroupEvent<A>>>,
}

/// What a change leaves to be done once the lock is released.
struct Change<A: Actor> {
    posted: Option<broadcast::Posted<GroupEvent<A>>>,
    /// Dropped, and no more.
    _list: Option<Arc<[Addr<A>]>>,
    _note: Option<Arc<dyn Membership>>,
}

impl<A: Actor> Change<A> {
    fn finish(self) {
        if let Some(posted) = self.posted {
            // The wakers of futures are the users'. What one panics with is nothing to whoever joins, leaves or ends here.
            let woken = panic::catch_unwind(AssertUnwindSafe(|| posted.deliver()));
            std::mem::forget(woken);
        }
    }
}

impl<A: Actor> State<A> {
    /// The members have changed, as `event` says.
    fn changed(
        &mut self,
        note: Option<Arc<dyn Membership>>,
        event: impl FnOnce() -> GroupEvent<A>,
    ) -> Change<A> {
        Change {
            posted: self.news.as_ref().map(|news| news.post(event())),
            _list: self.list.take(),
            _note: note,
        }
    }

    /// The members; perhaps one that is dead and about to leave.
    fn list(&mut self) -> Arc<[Addr<A>]> {
        let members = &self.members;
        let list = self
            .list
            .get_or_insert_with(|| members.values().cloned().collect());
        list.clone()
    }
}

impl<A: Actor> Inner<A> {
    fn new(host: &Arc<Host>, name: Option<Arc<str>>) -> Self {
        Self {
            name,
            host: host.clone(),
            state: Mutex::new(State {
                members: BTreeMap::new(),
                places: HashMap::new(),
                next_place: 0,
                list: None,
                news: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<A>> {
        // A panic under the lock (out of memory, at most) leaves nothing half done that matters.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a member off; `None` if it is none.
    fn leave(&self, actor: u64, ended: Option<&ExitReason>) -> Option<()> {
        let (change, _member) = {
            let mut state = self.lock();
            let place = state.places.remove(&actor)?;
            let member = state.members.remove(&place)?;
            let note = member.forget_membership(self);
            let change = state.changed(note, || GroupEvent::Left {
                member: member.clone(),
                ended: ended.cloned(),
            });
            (change, member)
        };
        change.finish();
        Some(())
    }
}

impl<A: Actor> Membership for Inner<A> {
    fn ended(&self, actor: u64, reason: &ExitReason) {
        self.leave(actor, Some(reason));
    }
}

impl<A: Actor> Drop for Inner<A> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            self.host.groups.forget::<A>(name);
        }
    }
}

impl<A: Actor> Group<A> {
    /// A group without a name, for whoever is given its handle.
    pub fn new(sys: &System) -> Self {
        let inner = Arc::new(Inner::new(sys.host(), None));
        Self { inner }
    }

    /// The name by which its system finds it.
    pub fn name(&self) -> Option<&str> {
        self.inner.name.as_deref()
    }

    /// Adds a member, behind those that are there. One that is there already stays where it is.
    ///
    /// # Errors
    /// [`JoinError`]: the actor has ended, or is another system's.
    pub fn join(&self, member: &Addr<A>) -> Result<(), JoinError> {
        if !member.is_of(&self.inner.host) {
            return Err(JoinError::OtherSystem);
        }
        if !member.is_alive() {
            return Err(JoinError::Ended);
        }
        let change = {
            let mut state = self.inner.lock();
            let place = state.next_place;
            if state.places.contains_key(&member.id()) {
                return Ok(());
            }
            state.next_place += 1;
            state.places.insert(member.id(), place);
            state.members.insert(place, member.clone());
            member.note_membership(self.inner.clone());
            state.changed(None, || GroupEvent::Joined {
                member: member.clone(),
            })
        };
        change.finish();
        if !member.is_alive() {
            self.inner.ended(member.id(), &member.ended_for());
            return Err(JoinError::Ended);
        }
        Ok(())
    }

    /// Takes a member off. False if it is none. Messages that were published to it before stay in its mailbox.
    pub fn leave(&self, member: &Addr<A>) -> bool {
        member.is_of(&self.inner.host) && self.inner.leave(member.id(), None).is_some()
    }

    /// Whether an actor is a member.
    pub fn contains(&self, member: &Addr<A>) -> bool {
        let listed = || self.inner.lock().places.contains_key(&member.id());
        member.is_of(&self.inner.host) && member.is_alive() && listed()
    }

    /// The members, in the order in which they joined: a snapshot, shared until the next change.
    pub fn members(&self) -> Arc<[Addr<A>]> {
        let list = self.listed();
        if list.iter().all(Addr::is_alive) {
            return list;
        }
        list.iter().filter(|it| it.is_alive()).cloned().collect()
    }

    /// As [`members`](Self::members), perhaps with some that are dead and about to leave.
    pub(crate) fn listed(&self) -> Arc<[Addr<A>]> {
        self.inner.lock().list()
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.listed().iter().filter(|it| it.is_alive()).count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        !self.listed().iter().any(Addr::is_alive)
    }
}

impl<A: Actor> Clone for Group<A> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

impl<A: Actor> PartialEq for Group<A> {
    /// Whether both are handles of one group.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

impl<A: Actor> Eq for Group<A> {}

impl<A: Actor> Hash for Group<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.name.hash(state);
    }
}

impl<A: Actor> fmt::Debug for Group<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("name", &self.inner.name)
            .field("members", &self.len())
            .finish()
    }
}

/// Why an actor did not join a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// It has ended.
    Ended,
    /// It lives in another system.
    OtherSystem,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "the actor has ended",
            Self::OtherSystem => "the actor lives in another system than the group",
        })
    }
}

impl Error for JoinError {}
