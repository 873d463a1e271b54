//! Where things are, as a node knows it.

use super::super::handover::{Refusal, State};
use super::Node;
use super::thing::{self, Shared, Thing};

/// Where a thing is, as far as a node knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// It lives here.
    Here,
    /// It lives here, but does not run: it could not be continued from its image. Its record is kept.
    Broken(Refusal),
    /// It lived here, as an actor that has ended: stopped, failed or killed. Its record is kept, and the node goes on from that when
    /// it is started again; unless the thing is [released](Node::release).
    Ended,
    /// It is frozen here, to go to another node, which may not take it.
    Leaving {
        /// Which.
        to: String,
    },
    /// It has gone to another node, which has not confirmed that yet.
    Gone {
        /// Which.
        to: String,
    },
    /// It waits here until the node that it comes from says whether it has gone.
    Arriving {
        /// Which.
        from: String,
    },
}

impl Place {
    fn of(thing: &Thing) -> Option<Self> {
        Some(match thing.party.state()? {
            State::Here { .. } => match &thing.broken {
                Some(why) if thing.running.is_none() => Self::Broken(why.clone()),
                _ => match &thing.running {
                    Some(running) if !running.is_alive() => Self::Ended,
                    _ => Self::Here,
                },
            },
            State::Leaving { to, .. } => Self::Leaving { to: to.to_string() },
            State::Gone { to, .. } => Self::Gone { to: to.to_string() },
            State::Arrived { from, .. } => Self::Arriving {
                from: from.to_string(),
            },
        })
    }
}

impl Node {
    /// Where the thing of this name is; `None` if the node knows nothing of it: it has never been here, has ended, or is where it
    /// went. Waits while a record of it is written.
    ///
    /// ```
    /// use actor_core::migrate::{Node, Place};
    /// use actor_core::prelude::*;
    ///
    /// #[actor(snapshot)]
    /// struct Counter {
    ///     n: u64,
    /// }
    ///
    /// #[actor]
    /// impl Counter {
    ///     pub fn get(&self) -> u64 {
    ///         self.n
    ///     }
    /// }
    ///
    /// let sys = System::new()?;
    /// let node = Node::builder("a", &sys).accept_actor::<Counter>().start()?;
    /// node.adopt("counter", &sys.spawn(Counter { n: 7 })?)?;
    /// assert_eq!(node.place("counter"), Some(Place::Here));
    /// assert_eq!(node.things(), [("counter".to_owned(), Place::Here)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn place(&self, name: &str) -> Option<Place> {
        let shared = self.inner.things().get(name).cloned()?;
        Place::of(&thing::lock(&shared))
    }

    /// All things that the node knows of, by name, and where they are.
    #[must_use]
    pub fn things(&self) -> Vec<(String, Place)> {
        let all: Vec<(String, Shared)> = (self.inner.things().iter())
            .map(|(name, shared)| (name.to_string(), shared.clone()))
            .collect();
        let places = all.into_iter().filter_map(|(name, shared)| {
            let place = Place::of(&thing::lock(&shared))?;
            Some((name, place))
        });
        places.collect()
    }
}
