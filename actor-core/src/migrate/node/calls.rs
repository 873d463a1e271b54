//! Messages for what has gone, and the answers to them.

use std::fmt;
use std::sync::Arc;

use super::Inner;
use super::wire::{Name, Packed, Wire};

/// What is done with an answer; `None`: there is none.
pub(super) type Answered = Box<dyn FnOnce(Option<Packed>) + Send>;

/// Somebody at this node who waits for an answer from another.
pub(super) struct Waiting {
    /// The other.
    pub(super) node: Name,
    pub(super) answered: Answered,
}

/// The way to a thing that has gone to another node, wherever it goes from there, and also if it comes back.
///
/// Takes no lock that is held while a thing is moved.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) node: Arc<Inner>,
    pub(super) thing: Name,
}

impl Route {
    /// Passes a message on. `false`: there is no way.
    pub(super) fn tell(&self, message: &Packed) -> bool {
        match self.node.living_here(&self.thing) {
            Some(here) => here.take(&self.node, message, None),
            None => self.node.pass_on(&self.thing, None, message),
        }
    }

    /// Passes a message on for whose answer somebody waits. Without a way `answered` is called with `None`.
    pub(super) fn ask(&self, message: &Packed, answered: Answered) {
        let number = self.node.numbers.draw();
        let Some(here) = self.node.living_here(&self.thing) else {
            self.expect(number, answered);
            if !self.node.pass_on(&self.thing, Some(number), message) {
                self.node.answered(number, None);
            }
            return;
        };
        let node = self.node.name.clone();
        self.node.calls().insert(number, Waiting { node, answered });
        let call = self.node.call(&self.node.name, number);
        if !here.take(&self.node, message, Some(call)) {
            self.node.answered(number, None);
        }
    }

    /// Waits for the answer to a call that the other node knows of.
    pub(super) fn expect(&self, number: u128, answered: Answered) {
        let to = self.node.routes().get(&self.thing).cloned();
        let node = to.unwrap_or_else(|| self.node.name.clone());
        let way = self.node.has_way(&node);
        self.node.calls().insert(number, Waiting { node, answered });
        if !way {
            self.node.answered(number, None);
        }
    }
}

impl Inner {
    /// Sends a message after a thing that has gone. `false`: there is no way.
    pub(super) fn pass_on(&self, thing: &Name, call: Option<u128>, message: &Packed) -> bool {
        let Some(to) = self.routes().get(thing).cloned() else {
            return false;
        };
        let (thing, message) = (thing.clone(), message.clone());
        let wire = Wire::Forward {
            thing,
            call,
            message,
        };
        self.say(&to, &wire)
    }

    /// An answer has come, or it is known that none will.
    pub(super) fn answered(&self, call: u128, answer: Option<Packed>) {
        let waiting = self.calls().remove(&call);
        if let Some(Waiting { answered, .. }) = waiting {
            answered(answer);
        }
    }

    pub(super) fn call(self: &Arc<Self>, from: &Name, number: u128) -> Call {
        Call {
            node: self.clone(),
            from: from.clone(),
            number,
        }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({})", self.thing)
    }
}

/// Somebody at another node who waits for an answer from this one.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) node: Arc<Inner>,
    pub(super) from: Name,
    pub(super) number: u128,
}

impl Call {
    /// That of the `n`th message of an image, of which this is the first's.
    pub(super) fn nth(&self, n: usize) -> Self {
        Call {
            number: self.number.wrapping_add(n as u128),
            ..self.clone()
        }
    }

    /// Answers, or says that there is no answer.
    pub(super) fn answer(self, answer: Option<Packed>) {
        let call = self.number;
        if self.from == self.node.name {
            return self.node.answered(call, answer);
        }
        self.node.say(&self.from, &Wire::Answer { call, answer });
    }
}
