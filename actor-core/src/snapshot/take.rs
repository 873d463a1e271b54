//! Taking an actor, to go on elsewhere. What is promised is said in the [module above](super).

use crate::actor::{Actor, Boundary, Port, Sys};
use crate::channel::oneshot;
use crate::image::{Image, Limits};

use super::capture::{Asks, Captured, capture};
use super::error::SnapshotError;
use super::traits::Snapshot;

type Pass<A> = Box<dyn FnMut(<A as Actor>::Msg, Port) + Send>;

/// An actor that is held at a boundary.
pub(crate) struct Taken<A: Snapshot> {
    /// All of it, asks too.
    pub(crate) image: Image,
    /// How many messages in the image somebody waits for.
    #[cfg_attr(
        any(not(test), loom),
        expect(dead_code, reason = "the ports of `leave` are as many")
    )]
    pub(crate) asks: usize,
    /// Whether there are listeners in it, which the actor still has.
    pub(crate) listens: bool,
    /// Whoever drops it resumes the actor.
    leave: oneshot::Sender<Leave<A>>,
}

/// What the actor is told.
struct Leave<A: Snapshot> {
    pass: Pass<A>,
    ports: oneshot::Sender<Vec<Port>>,
}

/// Holds an actor at its next boundary, by the deadline set.
pub(super) fn take_by<A: Snapshot>(sys: Sys<'_, A>) -> Result<Taken<A>, SnapshotError> {
    sys.hold(|actor| {
        let Captured {
            image,
            seen,
            asks,
            listens,
        } = match capture(actor, 0, Asks::In, &Limits::default()) {
            Ok(captured) => captured,
            Err(error) => return (Err(error), None),
        };
        let (leave, told) = oneshot::channel();
        let decided = move || {
            let Leave { pass, ports } = told.recv().ok()?;
            Some(move |actor: Boundary<'_, A>| {
                let left = |all| drop(ports.send(all));
                actor.leave(seen, left, pass)
            })
        };
        (
            Ok(Taken {
                image,
                asks,
                listens,
                leave,
            }),
            Some(decided),
        )
    })?
}

impl<A: Snapshot> Taken<A> {
    /// It goes on as if nothing had been.
    pub(crate) fn resume(self) {}

    /// It has left: what comes for it from here on goes to `pass`. The ports of its asks, in the order of the image.
    ///
    /// # Errors
    /// [`SnapshotError::Dead`]: it was killed while it was held, and nothing has left.
    pub(crate) fn leave(
        self,
        pass: impl FnMut(A::Msg, Port) + Send + 'static,
    ) -> Result<Vec<Port>, SnapshotError> {
        let (ports, left) = oneshot::channel();
        let leave = Leave {
            pass: Box::new(pass),
            ports,
        };
        self.leave.send(leave).map_err(|_| SnapshotError::Dead)?;
        left.recv().map_err(|_| SnapshotError::Dead)
    }
}
