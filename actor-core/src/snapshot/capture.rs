//! From an actor to an image.

use super::error::SnapshotError;
use super::payload::{QUEUE, Role, STASH, State, Timer, URGENT, Written, name_of};
use super::traits::Snapshot;
use crate::actor::{Addr, Boundary, Contents, Opaque, Seen, Sys, Waiting};
use crate::image::{Head, Image, Kind, Limits, scope};

/// Whether messages that were asked are in an image.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    Out,
    In,
}

/// What was captured.
pub(super) struct Captured {
    pub(super) image: Image,
    /// Which messages were looked at.
    pub(super) seen: Seen,
    /// Whether there are listeners in the image.
    pub(super) listens: bool,
    /// How many of those in the image were asked.
    pub(super) asks: usize,
}

/// The actor as it is at its boundary.
pub(super) fn capture<A: Snapshot>(
    actor: &Boundary<'_, A>,
    epoch: u64,
    asks: Asks,
    limits: &Limits,
) -> Result<Captured, SnapshotError> {
    let (names, role) = (actor.names(), actor.role());
    let looked = actor.look(|contents| {
        let mut written = Written {
            state: State(actor.state()),
            urgent: Vec::new(),
            queue: Vec::new(),
            stash: Vec::new(),
            timers: timers::<A>(contents),
            asks: Vec::new(),
            names: names.iter().map(|name| &**name).collect(),
            role: role.as_ref().map(|role| Role {
                child: &*role.child,
                restart: role.restart,
            }),
        };
        for (number, from, to) in [
            (URGENT, &contents.urgent, &mut written.urgent),
            (QUEUE, &contents.queue, &mut written.queue),
            (STASH, &contents.stash, &mut written.stash),
        ] {
            for Waiting { msg, asked } in from {
                if !A::is_kept(msg) || *asked && asks == Asks::Out {
                    continue;
                }
                if *asked {
                    let place = u32::try_from(to.len()).expect("a lane has at most `u32::MAX`");
                    written.asks.push((number, place));
                }
                to.push(*msg);
            }
        }
        let head = Head::new(Kind::Actor, name_of::<A>());
        let head = head.schema(A::VERSION).epoch(epoch);
        let image = Image::of_within(head, &written, limits).map_err(SnapshotError::Encode)?;
        Ok(Captured {
            image,
            listens: scope::noted() > 0,
            seen: contents.seen,
            asks: written.asks.len(),
        })
    });
    looked.map_err(|Opaque| SnapshotError::Timer)?
}

fn timers<'a, A: Snapshot>(contents: &Contents<'a, A::Msg>) -> Vec<Timer<&'a A::Msg>> {
    let kept = contents.timers.iter().filter(|it| A::is_kept(it.msg));
    kept.map(|it| Timer::new(it.left, it.period, it.msg))
        .collect()
}

impl<A: Snapshot> Addr<A> {
    /// The actor as an image, taken at its next message boundary. See [the module](crate::snapshot) for what is in it. From a
    /// thread, a microthread or another actor, which waits meanwhile.
    ///
    /// The actor writes the image, and then goes on; nothing is stored anywhere.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn snapshot(&self) -> Result<Image, SnapshotError> {
        self.sys().snapshot()
    }
}

impl<A: Snapshot> Sys<'_, A> {
    /// As [`Addr::snapshot`], by the deadline set.
    ///
    /// # Errors
    /// As [`Addr::snapshot`].
    pub fn snapshot(self) -> Result<Image, SnapshotError> {
        let captured =
            self.at_boundary(|actor| capture(actor, 0, Asks::Out, &Limits::default()))?;
        Ok(captured?.image)
    }
}
