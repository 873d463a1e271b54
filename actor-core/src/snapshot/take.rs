//! Taking an actor, to go on elsewhere. What is promised is said in the [module above](super).

use crate::actor::{Actor, Addr, Boundary, Port};
use crate::channel::oneshot;
use crate::image::Image;

use super::capture::{Asks, Captured, capture};
use super::error::SnapshotError;
use super::traits::Snapshot;

type Pass<A> = Box<dyn FnMut(<A as Actor>::Msg, Port) + Send>;

/// An actor that is held at a boundary.
pub(crate) struct Taken<A: Snapshot> {
    /// All of it, asks too.
    pub(crate) image: Image,
    /// How many messages in the image somebody waits for.
    pub(crate) asks: usize,
    /// Whoever drops it resumes the actor.
    leave: oneshot::Sender<Leave<A>>,
}

/// What the actor is told.
struct Leave<A: Snapshot> {
    pass: Pass<A>,
    ports: oneshot::Sender<Vec<Port>>,
}

/// Holds an actor at its next boundary.
pub(crate) fn take<A: Snapshot>(addr: &Addr<A>) -> Result<Taken<A>, SnapshotError> {
    addr.sys().hold(|actor| {
        let Captured { image, seen, asks } = match capture(actor, 0, Asks::In) {
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
        (Ok(Taken { image, asks, leave }), Some(decided))
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
