//! Where messages go that come for a thing by way of its node: from its old addresses here, and from other nodes.
//!
//! # Headings
//! | heading | when | what becomes of a message |
//! |---|---|---|
//! | `Here` | it runs here | it goes into its mailbox |
//! | `Open` | it is frozen here, or has been offered to this node, and where it will live is not decided | it is held |
//! | `Gone` | it has gone from here | it is passed on to the node where it went |
//! | none | it was never here, or has ended here | nobody has it |
//!
//! `Gone` outlives the record of the move, for as long as the node is: addresses are kept for long. When an offer comes for
//! what has gone, and is not decided for this node, it is `Gone` as before.
//!
//! # Order
//! What is held goes before what comes later: a heading changes from `Open` only when nothing is held any more, and by `Gone` in the
//! same section of its lock. Between two nodes messages keep their order. So what one sender sends by one address stays in order as
//! long as it takes one path. A thing that moves on, or comes back, while messages for it are on the path to where it was makes those
//! take a longer path than the ones after them, which may then come first.
//!
//! # Locks
//! The lock of the headings is held for a look or a change, and for sending what is held, which waits for nothing. It is never
//! held while a message goes into a mailbox, as there may be no room in that.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, MutexGuard};

use super::calls::{Answered, Call, Waiting};
use super::guest::{Guest, Share};
use super::kind::Running;
use super::thing::contain;
use super::wire::{Name, Packed, Wire};
use super::{Inner, lock};

/// See the [module](self).
pub(super) enum Heading {
    Here(Arc<dyn Running>),
    Open {
        /// Where it had gone before it was offered to this node.
        was: Option<Name>,
        held: Vec<Held>,
    },
    Gone(Name),
}

pub(super) type Headings = HashMap<Name, Heading>;

/// Who waits for the answer to a message.
pub(super) enum Asker {
    Nobody,
    /// Somebody at this node.
    Here(Answered),
    Elsewhere(Call),
}

impl Asker {
    fn answered(self) -> Option<Answered> {
        match self {
            Asker::Nobody => None,
            Asker::Here(answered) => Some(answered),
            Asker::Elsewhere(call) => Some(Box::new(move |answer| call.answer(answer))),
        }
    }

    /// There will be no answer.
    fn fail(self) {
        if let Some(answered) = self.answered() {
            answered(None);
        }
    }
}

/// A message that waits for a decision.
pub(super) struct Held {
    message: Packed,
    asker: Asker,
    /// Of what its node may have here.
    _share: Option<Share>,
}

impl Inner {
    fn headings(&self) -> MutexGuard<'_, Headings> {
        lock(&self.headings)
    }

    pub(super) fn living_here(&self, thing: &Name) -> Option<Arc<dyn Running>> {
        match self.headings().get(thing) {
            Some(Heading::Here(running)) => Some(running.clone()),
            _ => None,
        }
    }

    /// The names of what lives here.
    pub(super) fn all_living(&self) -> Vec<Name> {
        let headings = self.headings();
        let living = headings
            .iter()
            .filter(|(_, it)| matches!(it, Heading::Here(_)));
        living.map(|(name, _)| name.clone()).collect()
    }

    /// Lets go of all that runs here.
    pub(super) fn no_more_headings(&self) -> Headings {
        mem::take(&mut *self.headings())
    }

    /// Where what has gone from here went.
    pub(super) fn went(&self, thing: &Name) -> Option<Name> {
        match self.headings().get(thing) {
            Some(Heading::Gone(to)) => Some(to.clone()),
            _ => None,
        }
    }

    /// Where it will live is open from here on.
    pub(super) fn is_open(&self, thing: &Name) {
        let mut headings = self.headings();
        let was = match headings.get(thing) {
            Some(Heading::Open { .. }) => return,
            Some(Heading::Gone(to)) => Some(to.clone()),
            Some(Heading::Here(_)) | None => None,
        };
        let held = Vec::new();
        let before = headings.insert(thing.clone(), Heading::Open { was, held });
        drop(headings);
        drop(before); // an actor's address, perhaps the last
    }

    /// It has gone, and what was held follows it.
    pub(super) fn has_gone(&self, thing: &Name, to: &Name) {
        self.goes(self.headings(), thing, to);
    }

    /// What is held is sent under the lock, so that it is before what comes later; who cannot have an answer is told after that.
    fn goes(&self, mut headings: MutexGuard<'_, Headings>, thing: &Name, to: &Name) {
        let before = headings.insert(thing.clone(), Heading::Gone(to.clone()));
        let Some(Heading::Open { held, .. }) = before else {
            return;
        };
        let sent = held.into_iter().map(|it| {
            let passed = self.pass_on(to, thing, &it.message, it.asker);
            passed.map_err(|unsent| (it.message, unsent))
        });
        let unsent: Vec<_> = sent.filter_map(Result::err).collect();
        drop(headings);
        for (message, asker) in unsent {
            self.has_nobody(&message, asker);
        }
    }

    /// It runs here, and gets what was held.
    pub(super) fn runs_here(self: &Arc<Self>, thing: &Name, running: &Arc<dyn Running>) {
        loop {
            let held = {
                let mut headings = self.headings();
                match headings.get_mut(thing) {
                    Some(Heading::Open { held, .. }) if !held.is_empty() => mem::take(held),
                    _ => {
                        headings.insert(thing.clone(), Heading::Here(running.clone()));
                        return;
                    }
                }
            };
            for Held { message, asker, .. } in held {
                self.give(&**running, &message, asker);
            }
        }
    }

    /// It will not run here: it has ended, or was not for this node.
    pub(super) fn is_not_here(&self, thing: &Name) {
        let headings = self.headings();
        match headings.get(thing) {
            Some(Heading::Open { was: Some(to), .. }) => {
                let to = to.clone();
                self.goes(headings, thing, &to);
            }
            Some(Heading::Gone(_)) => {}
            Some(Heading::Here(_) | Heading::Open { was: None, .. }) | None => {
                drop(headings);
                self.is_nowhere(thing);
            }
        }
    }

    /// It lives here and cannot go on: nobody has what comes for it.
    pub(super) fn is_nowhere(&self, thing: &Name) {
        let before = self.headings().remove(thing);
        if let Some(Heading::Open { held, .. }) = before {
            for Held { message, asker, .. } in held {
                self.has_nobody(&message, asker);
            }
        }
    }

    /// A message for a thing. `from`: the node it comes from, if it comes from another. It comes back if nobody here knows what to
    /// do with it.
    pub(super) fn deliver(
        self: &Arc<Self>,
        thing: &Name,
        message: &Packed,
        asker: Asker,
        from: Option<&Arc<Guest>>,
    ) -> Result<(), Asker> {
        let running = {
            let mut headings = self.headings();
            match headings.get_mut(thing) {
                None => return Err(asker),
                Some(Heading::Here(running)) => running.clone(),
                Some(Heading::Gone(to)) => {
                    let to = to.clone();
                    drop(headings);
                    return self.pass_on(&to, thing, message, asker);
                }
                Some(Heading::Open { held, .. }) => {
                    let share = from.map(|guest| self.room(guest, message.0.len()));
                    let _share = match share {
                        Some(None) => return Err(asker), // too much of that node's is held
                        share => share.flatten(),
                    };
                    held.push(Held {
                        message: message.clone(),
                        asker,
                        _share,
                    });
                    return Ok(());
                }
            }
        };
        self.give(&*running, message, asker);
        Ok(())
    }

    /// Gives a message to what it is for, and waits for room if there is none.
    fn give(self: &Arc<Self>, running: &dyn Running, message: &Packed, asker: Asker) {
        let call = match asker {
            Asker::Nobody => None,
            Asker::Elsewhere(call) => Some(call),
            Asker::Here(answered) => Some(self.own_call(answered)),
        };
        let taken = contain(|| running.take(self, message, call.clone()));
        if !taken.unwrap_or(false) {
            let asker = call.map_or(Asker::Nobody, Asker::Elsewhere);
            self.has_nobody(message, asker);
        }
    }

    /// Sends a message after a thing. Waits for nothing, and calls nobody. Gives back who waits for the answer if it cannot be sent.
    fn pass_on(
        &self,
        to: &Name,
        thing: &Name,
        message: &Packed,
        asker: Asker,
    ) -> Result<(), Asker> {
        let call = asker.answered().map(|answered| {
            let number = self.numbers.draw();
            let node = to.clone();
            self.calls().insert(number, Waiting { node, answered });
            number
        });
        let forward = Wire::Forward {
            thing: thing.clone(),
            call,
            message: message.clone(),
        };
        if self.say(to, &forward) {
            return Ok(());
        }
        // Who has been told already, as the way has ended, need not be told again.
        let waiting = call.and_then(|number| self.calls().remove(&number));
        Err(waiting.map_or(Asker::Nobody, |waiting| Asker::Here(waiting.answered)))
    }

    pub(super) fn has_nobody(&self, message: &Packed, asker: Asker) {
        if matches!(asker, Asker::Nobody) {
            let bytes = message.0.len();
            tracing::warn!(target: "actor_core::migrate", bytes, "a message for what is not here any more");
        }
        asker.fail();
    }
}
