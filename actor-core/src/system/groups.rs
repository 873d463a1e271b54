//! A system's groups.

use std::sync::Arc;

use super::System;
use crate::actor::Actor;
use crate::group::Group;

impl System {
    /// The group of that name, of actors of type `A`. There is always one: a group that nobody has joined is empty. Groups of
    /// one name and different types have nothing to do with each other.
    ///
    /// ```
    /// # use actor_core::prelude::*;
    /// # #[actor]
    /// # struct Member;
    /// # #[actor]
    /// # impl Member { pub fn hear(&mut self) {} }
    /// let sys = System::new()?;
    /// let member = sys.spawn(Member)?;
    /// sys.group::<Member>("lobby").join(&member)?;
    /// assert!(sys.group::<Member>("lobby").contains(&member));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group<A: Actor>(&self, name: impl Into<Arc<str>>) -> Group<A> {
        self.host.groups.get(&self.host, name.into())
    }

    /// The names of the groups of `A`s that have members, sorted.
    pub fn group_names<A: Actor>(&self) -> Vec<Arc<str>> {
        self.host.groups.names::<A>()
    }
}
