//! Messages for what has gone, and the answers to them.

use std::fmt;
use std::sync::Arc;

use super::Inner;
use super::guest::{Guest, Share};
use super::heading::Asker;
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
        let delivered = self.node.deliver(&self.thing, message, Asker::Nobody, None);
        delivered.is_ok()
    }

    /// Passes a message on for whose answer somebody waits. Without a way `answered` is called with `None`.
    pub(super) fn ask(&self, message: &Packed, answered: Answered) {
        let asker = Asker::Here(answered);
        let delivered = self.node.deliver(&self.thing, message, asker, None);
        if let Err(asker) = delivered {
            self.node.has_nobody(message, asker);
        }
    }

    /// Waits while much is on its way already. Not for a driver of moves, which others wait for.
    pub(super) fn wait_for_room(&self) {
        if let Some(to) = self.node.went(&self.thing) {
            self.node.wait_for_room(&to);
        }
    }

    /// Waits for the answer to a call that the other node knows of.
    pub(super) fn expect(&self, number: u128, answered: Answered) {
        let to = self.node.went(&self.thing);
        let node = to.unwrap_or_else(|| self.node.name.clone());
        let waiting = Waiting {
            node: node.clone(),
            answered,
        };
        // Before the look: a way that ends after it finds this.
        self.node.calls().insert(number, waiting);
        if !self.node.has_way(&node) {
            self.node.answered(number, None);
        }
    }
}

impl Inner {
    /// A call of somebody's here.
    pub(super) fn own_call(self: &Arc<Self>, answered: Answered) -> Call {
        let (node, number) = (self.name.clone(), self.numbers.draw());
        self.calls().insert(number, Waiting { node, answered });
        Call {
            node: self.clone(),
            from: self.name.clone(),
            number,
            _share: None,
        }
    }

    /// An answer has come, or it is known that none will.
    pub(super) fn answered(&self, call: u128, answer: Option<Packed>) {
        let waiting = self.calls().remove(&call);
        if let Some(Waiting { answered, .. }) = waiting {
            answered(answer);
        }
    }

    /// An answer has come from this node: to what was asked of that node, or it is none.
    pub(super) fn answered_by(&self, from: &Name, call: u128, answer: Option<Packed>) {
        let asked = self.calls().get(&call).is_some_and(|it| it.node == *from);
        if asked {
            self.answered(call, answer);
        }
    }

    /// A call of another node's. `None`: it has too many already, and is told that there is no answer to this one.
    pub(super) fn call(self: &Arc<Self>, from: &Arc<Guest>, number: u128) -> Option<Call> {
        let Some(share) = self.room_for_call(from) else {
            self.say_no_answer(&from.name, number);
            return None;
        };
        Some(Call {
            node: self.clone(),
            from: from.name.clone(),
            number,
            _share: Some(Arc::new(share)),
        })
    }

    fn say_no_answer(&self, to: &Name, call: u128) {
        let answer = None;
        self.say(to, &Wire::Answer { call, answer });
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
    from: Name,
    number: u128,
    /// Of what the other may have here.
    _share: Option<Arc<Share>>,
}

/// The calls whose messages are in an image, in their order there, the first with this number.
pub(super) struct Asked {
    pub(super) node: Arc<Inner>,
    pub(super) from: Arc<Guest>,
    pub(super) first: u128,
}

impl Asked {
    /// There is no answer to the first `n`.
    pub(super) fn unanswered(&self, n: usize) {
        (0..n).for_each(|n| self.node.say_no_answer(&self.from.name, self.number(n)));
    }

    /// The `n`th. `None`: as [`Inner::call`].
    pub(super) fn nth(&self, n: usize) -> Option<Call> {
        self.node.call(&self.from, self.number(n))
    }

    fn number(&self, n: usize) -> u128 {
        self.first.wrapping_add(n as u128)
    }
}

impl Call {
    /// Answers, or says that there is no answer.
    pub(super) fn answer(self, answer: Option<Packed>) {
        let call = self.number;
        if self.from == self.node.name {
            return self.node.answered(call, answer);
        }
        self.node.say(&self.from, &Wire::Answer { call, answer });
    }
}
