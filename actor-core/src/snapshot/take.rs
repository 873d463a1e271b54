//! Taking an actor, to go on elsewhere. What is promised is said in the [module above](super).

use crate::actor::{Actor, Boundary, Holds, NotReady, Port, StayError, Sys};
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

/// Why an actor is not held.
pub(crate) enum NotTaken {
    Snapshot(SnapshotError),
    /// Its hook has refused.
    Stays(StayError),
}

impl From<SnapshotError> for NotTaken {
    fn from(error: SnapshotError) -> Self {
        Self::Snapshot(error)
    }
}

/// Has an actor prepare to move to the node `to`, and holds it at that boundary, by the deadline set.
pub(super) fn take_by<A: Snapshot>(sys: Sys<'_, A>, to: &str) -> Result<Taken<A>, NotTaken> {
    let to: Box<str> = to.into();
    let taken = sys.hold(move |actor| {
        let look = |actor: &Boundary<'_, A>| capture(actor, 0, Asks::In, &Limits::default());
        // What cannot be written need not prepare.
        if A::HAS_ON_MOVE
            && let Err(error) = look(actor)
        {
            return (Err(error.into()), Holds::No);
        }
        match actor.prepare(&to) {
            None => {}
            Some(NotReady::Stays(why)) => return (Err(NotTaken::Stays(why)), Holds::No),
            Some(NotReady::Ends(reason)) => {
                return (Err(SnapshotError::Dead.into()), Holds::Ends(reason));
            }
        }
        let Captured {
            image,
            seen,
            asks,
            listens,
        } = match look(actor) {
            Ok(captured) => captured,
            Err(error) => return (Err(error.into()), Holds::No),
        };
        let (leave, told) = oneshot::channel();
        let decided = move || {
            let Leave { pass, ports } = told.recv().ok()?;
            Some(move |actor: Boundary<'_, A>| {
                let left = |all| drop(ports.send(all));
                actor.leave(seen, left, pass)
            })
        };
        let taken = Taken {
            image,
            asks,
            listens,
            leave,
        };
        (Ok(taken), Holds::Until(decided))
    });
    taken.map_err(SnapshotError::from)?
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
