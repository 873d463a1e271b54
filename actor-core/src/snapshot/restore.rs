//! From an image to an actor.

use std::sync::Arc;

use serde::de::IgnoredAny;

use super::error::RestoreError;
use super::payload::{self, Place, QUEUE, Read, STASH, Timer, URGENT};
use super::traits::{OldState, Snapshot, check};
use crate::actor::{Addr, Port, Seed, Sown};
use crate::image::{DecodeError, Head, Image, Kind};
use crate::registry::{OnConflict, SpawnOptions};
use crate::supervision::Restart;
use crate::system::System;

/// An actor that has been read, and has not started.
pub(crate) struct Thawed<A: Snapshot> {
    pub(super) actor: A,
    pub(super) seed: Seed<A::Msg>,
    pub(super) names: Vec<Arc<str>>,
}

/// Reads an image, with the ports of those who wait for its asks.
pub(crate) fn thaw<A: Snapshot>(
    image: &Image,
    ports: Vec<Port>,
) -> Result<Thawed<A>, RestoreError> {
    check::<A>(image)?;
    let version = image.head().schema_version();
    if version > A::VERSION {
        return Err(RestoreError::Newer {
            image: version,
            known: A::VERSION,
        });
    }
    let read: Read<A::State, A::Msg> = if version == A::VERSION {
        image.value()?
    } else {
        let rest: Read<IgnoredAny, A::Msg> = image.value()?;
        let old = OldState {
            image,
            known: A::VERSION,
        };
        let state = A::upgrade(old).map_err(|error| RestoreError::Upgrade {
            image: version,
            error,
        })?;
        Read {
            state,
            urgent: rest.urgent,
            queue: rest.queue,
            stash: rest.stash,
            timers: rest.timers,
            asks: rest.asks,
            names: rest.names,
            role: rest.role,
        }
    };
    let names = payload::names(&read.names);
    let mut asks = Asks::new(&read.asks, ports);
    let seed = Seed {
        urgent: asks.lane(URGENT, read.urgent),
        queue: asks.lane(QUEUE, read.queue),
        stash: asks.lane(STASH, read.stash),
        timers: (read.timers.into_iter().map(sown::<A>)).collect::<Result<_, _>>()?,
    };
    asks.done()?;
    Ok(Thawed {
        actor: A::load(read.state),
        seed,
        names,
    })
}

/// Gives ports to messages, in order.
struct Asks<'a> {
    places: std::slice::Iter<'a, Place>,
    ports: std::vec::IntoIter<Port>,
}

impl<'a> Asks<'a> {
    fn new(places: &'a [Place], ports: Vec<Port>) -> Self {
        Asks {
            places: places.iter(),
            ports: ports.into_iter(),
        }
    }

    fn lane<M>(&mut self, lane: u8, messages: Vec<M>) -> Vec<(M, Port)> {
        let mut with_ports = Vec::with_capacity(messages.len());
        for (at, msg) in messages.into_iter().enumerate() {
            let next = self.places.as_slice().first();
            let asked = next.is_some_and(|place| *place == (lane, at as u32));
            let port = match asked {
                true => {
                    self.places.next();
                    self.ports.next()
                }
                false => None,
            };
            with_ports.push((msg, port.unwrap_or(Port::none())));
        }
        with_ports
    }

    /// All places have been met.
    fn done(self) -> Result<(), DecodeError> {
        match self.places.as_slice() {
            [] => Ok(()),
            [(lane, at), ..] => Err(DecodeError::Value(format!(
                "there is no message {at} in lane {lane}, or not in this order"
            ))),
        }
    }
}

/// A timer to be set. Copies of the message of one that repeats are read anew each time: messages need not be `Clone`.
fn sown<A: Snapshot>(timer: Timer<A::Msg>) -> Result<Sown<A::Msg>, DecodeError> {
    let (left, period) = (timer.left(), timer.period());
    let every = match period {
        None => None,
        Some(period) => {
            let value = |error: String| DecodeError::Value(error);
            let bytes = rmp_serde::to_vec_named(&timer.msg).map_err(|e| value(e.to_string()))?;
            let read = move || rmp_serde::from_slice::<A::Msg>(&bytes);
            read().map_err(|e| value(e.to_string()))?;
            let copy = move |_: &A::Msg| read().expect("it was read once");
            Some((
                period,
                Box::new(copy) as Box<dyn Fn(&A::Msg) -> A::Msg + Send>,
            ))
        }
    };
    Ok(Sown {
        left,
        msg: timer.msg,
        every,
    })
}

impl System {
    /// Starts an actor that goes on from an image, under the names it had there. Returns when its start hook has run. See
    /// [the module](crate::snapshot) for what it finds.
    ///
    /// # Errors
    /// [`RestoreError`]; [`SpawnError::NameTaken`](crate::SpawnError::NameTaken) in it if another has one of the names. The
    /// image can be restored again. Messages of the image that the actor had when its start failed are accounted for as any
    /// that are left.
    ///
    /// # Panics
    /// If the upgrade or a `Deserialize` of the actor's does.
    pub fn restore<A: crate::snapshot::Snapshot>(
        &self,
        image: &Image,
    ) -> Result<Addr<A>, RestoreError> {
        start_again(self, thaw::<A>(image, Vec::new())?, |_| {})
    }

    /// As [`restore`](Self::restore), with the name that the options say, or none, and with what shall happen if another has
    /// it, in place of the names in the image.
    ///
    /// ```
    /// # use actor_core::prelude::*;
    /// use actor_core::{OnConflict, SpawnOptions};
    /// # #[actor(snapshot)]
    /// # struct Counter { n: u64 }
    /// # #[actor]
    /// # impl Counter { pub fn get(&self) -> u64 { self.n } }
    ///
    /// let sys = System::new()?;
    /// let old = sys.spawn_named("hits", Counter { n: 7 })?;
    /// let image = old.snapshot()?;
    /// let options = SpawnOptions::new().name("hits").on_conflict(OnConflict::StopHolder);
    /// let new = sys.restore_with::<Counter>(options, &image)?;
    /// assert_eq!(sys.lookup::<Counter>("hits")?, new);
    /// assert_eq!(old.join(), ExitReason::Normal);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`restore`](Self::restore).
    ///
    /// # Panics
    /// As [`restore`](Self::restore).
    pub fn restore_with<A: crate::snapshot::Snapshot>(
        &self,
        options: SpawnOptions,
        image: &Image,
    ) -> Result<Addr<A>, RestoreError> {
        start_with(self, thaw::<A>(image, Vec::new())?, options, |_| {})
    }
}

/// Starts what was read under the name that the options say.
pub(super) fn start_with<A: Snapshot>(
    sys: &System,
    thawed: Thawed<A>,
    options: SpawnOptions,
    tie: impl FnOnce(&Addr<A>),
) -> Result<Addr<A>, RestoreError> {
    match (options.name, options.on_conflict) {
        (name, OnConflict::Refuse) => start(sys, thawed, name.as_slice(), tie),
        (None, _) => start(sys, thawed, &[], tie),
        (Some(name), by_force) => {
            let addr = start(sys, thawed, &[], tie)?;
            sys.take_over(name, &addr, by_force);
            Ok(addr)
        }
    }
}

/// Starts what was read under the names that it had.
pub(super) fn start_again<A: Snapshot>(
    sys: &System,
    mut thawed: Thawed<A>,
    tie: impl FnOnce(&Addr<A>),
) -> Result<Addr<A>, RestoreError> {
    let names = std::mem::take(&mut thawed.names);
    start(sys, thawed, &names, tie)
}

/// Starts what was read.
pub(super) fn start<A: Snapshot>(
    sys: &System,
    thawed: Thawed<A>,
    names: &[Arc<str>],
    tie: impl FnOnce(&Addr<A>),
) -> Result<Addr<A>, RestoreError> {
    let Thawed { actor, seed, .. } = thawed;
    Ok(Addr::spawn_seeded(sys.host(), actor, names, seed, tie)?)
}

/// What can be said of an actor's image by those who do not have the actor's type.
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::snapshot::Summary;
/// # #[actor(snapshot)]
/// # struct Counter { n: u64 }
/// # #[actor]
/// # impl Counter { pub fn add(&mut self, n: u64) { self.n += n } }
///
/// let sys = System::new()?;
/// let counter = sys.spawn_named("hits", Counter { n: 0 })?;
/// counter.sys().suspend()?;
/// counter.tell().add(1)?;
/// let summary = Summary::of(&counter.snapshot()?)?;
/// assert_eq!((&*summary.type_name, summary.version), ("Counter", 1));
/// assert_eq!((&summary.names[..], summary.messages), (&["hits".to_owned()][..], 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The actor's type.
    pub type_name: String,
    /// The version of its state.
    pub version: u32,
    /// Which image of its policy it is; 0 if it was taken without.
    pub epoch: u64,
    /// The names it was registered under, the first one first.
    pub names: Vec<String>,
    /// The id of the child that it was, and when it was started again.
    pub role: Option<(String, Restart)>,
    /// How many messages wait in it.
    pub messages: usize,
    /// How many timers are set in it.
    pub timers: usize,
}

impl Summary {
    /// Of an image.
    ///
    /// # Errors
    /// [`DecodeError`]: it is not an actor's.
    pub fn of(image: &Image) -> Result<Self, DecodeError> {
        let head = image.head();
        head.expect(&Head::new(Kind::Actor, head.name()))?;
        let read: Read<IgnoredAny, IgnoredAny> = image.value()?;
        let role = read.role.map(|role| {
            let restart = match &*role.restart {
                "permanent" => Restart::Permanent,
                "transient" => Restart::Transient,
                "temporary" => Restart::Temporary,
                other => return Err(DecodeError::Value(format!("no such restart: {other:?}"))),
            };
            Ok((role.child, restart))
        });
        Ok(Summary {
            type_name: head.name().to_owned(),
            version: head.schema_version(),
            epoch: head.epoch_number(),
            names: read.names,
            role: role.transpose()?,
            messages: read.urgent.len() + read.queue.len() + read.stash.len(),
            timers: read.timers.len(),
        })
    }
}
