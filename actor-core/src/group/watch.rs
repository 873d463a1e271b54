//! Seeing members come and go.

use std::fmt;
use std::sync::Arc;

use super::Group;
use crate::actor::{Actor, Addr, ExitReason};
use crate::channel::broadcast::{self, Receiver, RecvError};

/// How many events a watch may be behind.
const CAPACITY: usize = 1024;

/// The members of a group have changed.
#[non_exhaustive]
pub enum GroupEvent<A: Actor> {
    /// An actor has joined.
    #[non_exhaustive]
    Joined {
        /// Who.
        member: Addr<A>,
    },
    /// A member has left.
    #[non_exhaustive]
    Left {
        /// Who.
        member: Addr<A>,
        /// Why it has ended, if it left for that; `None` if somebody took it off.
        ended: Option<ExitReason>,
    },
}

impl<A: Actor> GroupEvent<A> {
    /// Who has joined or left.
    pub fn member(&self) -> &Addr<A> {
        match self {
            Self::Joined { member } | Self::Left { member, .. } => member,
        }
    }
}

impl<A: Actor> Clone for GroupEvent<A> {
    fn clone(&self) -> Self {
        match self {
            Self::Joined { member } => Self::Joined {
                member: member.clone(),
            },
            Self::Left { member, ended } => Self::Left {
                member: member.clone(),
                ended: ended.clone(),
            },
        }
    }
}

impl<A: Actor> PartialEq for GroupEvent<A> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Joined { member }, Self::Joined { member: other }) => member == other,
            (
                Self::Left { member, ended },
                Self::Left {
                    member: other,
                    ended: why,
                },
            ) => member == other && ended == why,
            _ => false,
        }
    }
}

impl<A: Actor> fmt::Debug for GroupEvent<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined { member } => f.debug_struct("Joined").field("member", member).finish(),
            Self::Left { member, ended } => f
                .debug_struct("Left")
                .field("member", member)
                .field("ended", ended)
                .finish(),
        }
    }
}

/// A group's members at one instant, and every change since then.
///
/// Keeps the group, so that its events do not end. The events are a [channel's](crate::channel::broadcast): receiving parks
/// the microthread, blocks the thread, or is a branch of a `select!`. A watch that falls more than 1,024 events behind loses
/// the oldest, and is told how many ([`RecvError::Lagged`]): then [`members`](Group::members) says how things are.
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::GroupEvent;
/// # #[actor]
/// # struct Guest;
/// # #[actor]
/// # impl Guest { pub fn hear(&mut self) {} }
///
/// let sys = System::new()?;
/// let lobby = sys.group::<Guest>("lobby");
/// let (ann, bob) = (sys.spawn(Guest)?, sys.spawn(Guest)?);
/// lobby.join(&ann)?;
/// let watch = lobby.watch();
/// lobby.join(&bob)?;
/// ann.stop();
/// assert_eq!(watch.members()[..], [ann.clone()]);
/// assert!(matches!(watch.recv()?, GroupEvent::Joined { member, .. } if member == bob));
/// assert!(matches!(
///     watch.recv()?,
///     GroupEvent::Left { member, ended: Some(ExitReason::Normal), .. } if member == ann
/// ));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GroupWatch<A: Actor> {
    group: Group<A>,
    members: Arc<[Addr<A>]>,
    events: Receiver<GroupEvent<A>>,
}

impl<A: Actor> GroupWatch<A> {
    /// The members when the watch began, in the order in which they had joined. Of one that was just ending, an event says so.
    pub fn members(&self) -> &[Addr<A>] {
        &self.members
    }

    /// What has happened since then.
    pub fn events(&self) -> &Receiver<GroupEvent<A>> {
        &self.events
    }

    /// The next event; waits for it.
    ///
    /// # Errors
    /// [`RecvError::Lagged`]; or the wait was interrupted.
    pub fn recv(&self) -> Result<GroupEvent<A>, RecvError> {
        self.events.recv()
    }

    /// The group.
    pub fn group(&self) -> &Group<A> {
        &self.group
    }
}

impl<A: Actor> fmt::Debug for GroupWatch<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupWatch")
            .field("group", &self.group)
            .field("waiting", &self.events.len())
            .finish_non_exhaustive()
    }
}

impl<A: Actor> Group<A> {
    /// The members now, and every change from now on.
    pub fn watch(&self) -> GroupWatch<A> {
        let mut state = self.inner.lock();
        let events = match &state.news {
            Some(news) => news.subscribe(),
            None => {
                let (news, events) = broadcast::channel(CAPACITY);
                state.news = Some(news);
                events
            }
        };
        GroupWatch {
            group: self.clone(),
            members: state.list(),
            events,
        }
    }
}
