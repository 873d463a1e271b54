//! Moving a thing, from the side of the node that it leaves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::handover::{Outcome, State, Token};
use super::kind::{Ready, Running, Unfrozen};
use super::wire::{Name, Packed};
use super::{Inner, MoveError, Node};
use crate::channel::{self, Receiver, oneshot};
use crate::rt::wait;

/// How a move went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moved {
    /// For how long it lived nowhere, as far as is known here: from when it was stopped until its new node said that it lives
    /// there.
    pub away: Duration,
    /// Whether the new node has said so. If not, it has gone all the same, and lives there once that node is up and there is a way
    /// to it.
    pub confirmed: bool,
}

impl Node {
    /// Moves the thing of this name to another node: stops it, offers it, and, if it is taken, lets it go. Waits for that; if the
    /// caller is killed meanwhile, the move goes on.
    ///
    /// # Errors
    /// [`MoveError`]: it goes on here, unless that says otherwise.
    pub fn migrate(&self, name: &str, to: &str) -> Result<Moved, MoveError> {
        let (node, name, to) = (self.inner.clone(), Name::from(name), Name::from(to));
        let (over, moved) = oneshot::channel();
        let body = move || {
            // Nobody may wait any more.
            let _ = over.send(node.migrate(&name, &to));
        };
        let spawned = self.inner.sys.spawn_microthread(body);
        drop(spawned.map_err(MoveError::Spawn)?);
        moved.recv().unwrap_or(Err(MoveError::Interrupted))
    }
}

impl Inner {
    fn migrate(self: &Arc<Self>, name: &Name, to: &Name) -> Result<Moved, MoveError> {
        if !self.has_way(to) {
            return Err(MoveError::NoWay(to.clone().into()));
        }
        let mover = Arc::new(());
        let saver = self.with_thing(name, |thing| match thing.party.state() {
            Some(State::Here { .. }) if thing.mover.strong_count() > 0 => Err(MoveError::Moving),
            Some(State::Here { .. }) => match (&thing.running, &thing.broken) {
                (None, Some(why)) => Err(MoveError::NotResumed(why.clone())),
                _ => {
                    thing.mover = Arc::downgrade(&mover);
                    Ok(thing.saver.clone())
                }
            },
            Some(State::Leaving { .. }) => Err(MoveError::Moving),
            _ => Err(MoveError::NotHere),
        })?;
        // The save that is under way ends, and those that come meanwhile wait for the end of the move.
        let _turn = saver.turn();
        let running = self.with_thing(name, |thing| {
            // Not another of that name, which has begun when this had ended.
            let same = Arc::ptr_eq(&thing.saver, &saver);
            same.then(|| self.stops(name, thing)).flatten()
        });
        let running = running.ok_or(MoveError::NotHere)?;
        let since = wait::now();
        // Not under the lock of the thing: it may take its time.
        let frozen = match running.freeze(to, self.patience) {
            Ok(frozen) => frozen,
            Err(Unfrozen { why, again }) => {
                self.goes_on(name, running, again);
                return Err(why);
            }
        };
        drop(running);
        let (told, outcomes) = channel::unbounded();
        let offer = Token(self.numbers.draw());
        let image = Packed::from(frozen.image());
        let left = self.with_thing(name, |thing| {
            let mut out = Vec::new();
            let left = thing.party.leave(to.clone(), offer, image, &mut out);
            if left.is_ok() {
                thing.frozen = Some(frozen);
                thing.waiting = Some(told);
                self.act(name, thing, out);
            }
            left.is_ok()
        });
        match left {
            true => self.outcome(name, offer, &outcomes, since),
            // It has ended.
            false => Err(MoveError::NotHere),
        }
    }

    fn outcome(
        self: &Arc<Self>,
        name: &Name,
        offer: Token,
        outcomes: &Receiver<Outcome>,
        since: Instant,
    ) -> Result<Moved, MoveError> {
        let mut decided = false;
        loop {
            let moved = |confirmed| Moved {
                away: wait::now().saturating_duration_since(since),
                confirmed,
            };
            let outcome = match wait::after(self.patience) {
                Some(deadline) => outcomes.recv_deadline(deadline).ok(),
                None => outcomes.recv().ok(),
            };
            let stayed = |error| {
                self.with_thing(name, |thing| match &thing.broken {
                    Some(why) => MoveError::NotResumed(why.clone()),
                    None => error,
                })
            };
            return match outcome {
                Some(Outcome::Decided) => {
                    decided = true;
                    continue;
                }
                Some(Outcome::Confirmed) => Ok(moved(true)),
                Some(Outcome::Missing) => Err(MoveError::Missing),
                Some(Outcome::Refused(why)) => Err(stayed(MoveError::Refused(why))),
                Some(Outcome::NotSaved) => {
                    let error = self.with_thing(name, |thing| thing.unsaved.take());
                    Err(stayed(match error {
                        Some(error) => MoveError::NotSaved(error),
                        None => MoveError::TimedOut,
                    }))
                }
                Some(Outcome::GivenUp | Outcome::Interrupted) => Err(stayed(MoveError::TimedOut)),
                None if decided => Ok(moved(false)),
                None => {
                    self.with_thing(name, |thing| {
                        let mut out = Vec::new();
                        thing.party.give_up(offer, &mut out);
                        self.act(name, thing, out);
                    });
                    // That says how: it may have been decided just now. If the store did not take that, it is in doubt.
                    let in_doubt = self.with_thing(name, |thing| thing.party.state().cloned());
                    match in_doubt {
                        Some(State::Gone { .. }) if outcomes.is_empty() => Ok(moved(false)),
                        _ => continue,
                    }
                }
            };
        }
    }

    /// It was not frozen.
    fn goes_on(
        self: &Arc<Self>,
        name: &Name,
        running: Arc<dyn Running>,
        again: Option<Box<dyn Ready>>,
    ) {
        self.with_thing(name, |thing| {
            if !matches!(thing.party.state(), Some(State::Here { .. })) {
                return; // it has ended
            }
            let running = match again {
                None => running,
                Some(ready) => match ready.start(self, name, None) {
                    Ok(running) => running,
                    Err(why) => {
                        thing.broken = Some(why);
                        self.is_nowhere(name);
                        return;
                    }
                },
            };
            self.runs_here(name, &running);
            thing.running = Some(running);
        });
    }
}
