//! Things, and the driver of their [handovers](super::super::handover): it carries out what the state machine says.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Weak};

use super::super::handover::{Action, Message, Outcome, Party, Refusal, State, Token};
use super::Inner;
use super::calls::{Asked, Route};
use super::guest::{Guest, Share};
use super::heading::Asker;
use super::kind::{Frozen, Ready, Running};
use super::saving::{Digest, Saver};
use super::wire::{Name, Packed, Wire, pack};
use crate::channel::Sender;
use crate::rt::error::panic_message;
use crate::rt::park::Killed;
use crate::rt::task::drop_quietly;
use crate::store::StoreError;
use crate::sync::{Mutex, MutexGuard};

type Step = Action<Name, Packed>;

/// What a node has of a thing.
pub(super) struct Thing {
    pub(super) party: Party<Name, Packed>,
    /// It lives here. Not while it is frozen.
    pub(super) running: Option<Arc<dyn Running>>,
    /// It was stopped, to leave.
    pub(super) frozen: Option<Box<dyn Frozen>>,
    /// It was thawed, and waits for the source's decision.
    ready: Option<Box<dyn Ready>>,
    /// Where answers go to what was asked in the image that it arrives with.
    pub(super) asked: Option<Asked>,
    /// What its image takes of what the source may have here, until that has decided.
    share: Option<Share>,
    /// Whoever moves it.
    pub(super) waiting: Option<Sender<Outcome>>,
    /// Why its last record was not saved.
    pub(super) unsaved: Option<Arc<StoreError>>,
    /// Whose turn it is with it.
    pub(super) saver: Arc<Saver>,
    /// There for as long as somebody moves it.
    pub(super) mover: Weak<()>,
    /// In which epoch it was saved last, and what, if that is its record now.
    pub(super) saved: Option<(u64, Digest)>,
    /// Why it does not run, though it lives here.
    pub(super) broken: Option<Refusal>,
    /// Nothing is known of it any more: this is no entry of the node's.
    pub(super) forgotten: bool,
}

impl Thing {
    pub(super) fn new(party: Party<Name, Packed>) -> Self {
        Thing {
            party,
            running: None,
            frozen: None,
            ready: None,
            asked: None,
            share: None,
            waiting: None,
            unsaved: None,
            saver: Arc::default(),
            mover: Weak::new(),
            saved: None,
            broken: None,
            forgotten: false,
        }
    }
}

pub(super) type Shared = Arc<Mutex<Thing>>;

pub(super) fn lock(thing: &Shared) -> MutexGuard<'_, Thing> {
    thing.lock().unwrap_or_else(|it| it.into_inner())
}

impl Inner {
    /// Calls `f` with what the node has of a thing, perhaps nothing yet.
    pub(super) fn with_thing<R>(
        self: &Arc<Self>,
        name: &Name,
        f: impl FnOnce(&mut Thing) -> R,
    ) -> R {
        loop {
            let shared = (self.things().entry(name.clone()))
                .or_insert_with(|| Arc::new(Mutex::new(Thing::new(Party::away()))))
                .clone();
            let mut thing = lock(&shared);
            if thing.forgotten {
                continue;
            }
            let result = f(&mut thing);
            if thing.party.state().is_none() {
                thing.forgotten = true;
                self.things().remove(name);
                self.is_not_here(name);
            }
            return result;
        }
    }

    /// A message of the handover.
    pub(super) fn hear(
        self: &Arc<Self>,
        guest: &Arc<Guest>,
        name: &Name,
        message: Message<Packed>,
    ) {
        let from = &guest.name;
        self.with_thing(name, |thing| {
            if let Message::Offer {
                epoch,
                offer,
                image,
            } = &message
                && thing.party.takes(from, *epoch)
            {
                let share = self.room(guest, image.0.len());
                let ready = match share {
                    Some(_) => self.thaw(name, image),
                    None => Err(Refusal::Full),
                };
                match ready {
                    Ok(ready) => {
                        drop_quietly(thing.ready.replace(ready));
                        thing.share = share;
                        thing.asked = Some(Asked {
                            node: self.clone(),
                            from: guest.clone(),
                            first: offer.0,
                        });
                    }
                    Err(why) => {
                        let refuse = Message::Refuse { offer: *offer, why };
                        return self.say_of(name, from, refuse);
                    }
                }
            }
            let mut out = Vec::new();
            thing
                .party
                .hear(from.clone(), message, Token(self.numbers.draw()), &mut out);
            if matches!(thing.party.state(), Some(State::Arrived { .. })) {
                self.is_open(name);
            }
            self.act(name, thing, out);
        });
    }

    /// A message for a thing that was meant for it where it was.
    pub(super) fn forwarded(
        self: &Arc<Self>,
        from: &Arc<Guest>,
        name: &Name,
        call: Option<u128>,
        message: &Packed,
    ) {
        let asker = match call.map(|number| self.call(from, number)) {
            None => Asker::Nobody,
            Some(None) => return,
            Some(Some(call)) => Asker::Elsewhere(call),
        };
        if let Err(asker) = self.deliver(name, message, asker, Some(from)) {
            self.has_nobody(message, asker);
        }
    }

    /// Says again what has not been answered by this node.
    pub(super) fn again(self: &Arc<Self>, to: &Name) {
        let names: Vec<_> = self.things().keys().cloned().collect();
        for name in names {
            self.with_thing(&name, |thing| {
                let concerned = match thing.party.state() {
                    Some(State::Leaving { to: node, .. } | State::Gone { to: node, .. }) => {
                        node == to
                    }
                    Some(State::Arrived { from, .. }) => from == to,
                    Some(State::Here { .. }) => thing.running.is_none(),
                    None => false,
                };
                if concerned {
                    let mut out = Vec::new();
                    thing.party.again(&mut out);
                    self.act(&name, thing, out);
                }
            });
        }
    }

    /// It has come to its end, here.
    pub(super) fn ended(self: &Arc<Self>, name: &Name) {
        self.with_thing(name, |thing| {
            let mut out = Vec::new();
            thing.party.ended(&mut out);
            self.act(name, thing, out);
        });
    }

    /// Does what the state machine says.
    pub(super) fn act(self: &Arc<Self>, name: &Name, thing: &mut Thing, out: Vec<Step>) {
        let mut steps = VecDeque::from(out);
        while let Some(step) = steps.pop_front() {
            match step {
                Action::Save(record) => {
                    thing.saved = None;
                    let saved = {
                        let _writer = thing.saver.writer();
                        self.save_record(name, &record)
                    };
                    let Err(error) = saved else { continue };
                    tracing::error!(target: "actor_core::migrate", thing = %name, %error, "a record was not saved");
                    thing.unsaved = Some(Arc::new(error));
                    let mut instead = Vec::new();
                    thing.party.unsaved(record, &mut instead);
                    steps = instead.into();
                }
                Action::Forget => {
                    drop_quietly(thing.ready.take());
                    thing.share = None;
                    thing.running = None;
                    let _writer = thing.saver.writer();
                    self.forget(name);
                }
                Action::Send { to, message } => self.say_of(name, &to, message),
                Action::Activate { image, .. } => self.activate(name, thing, &image),
                Action::Tell(outcome) => {
                    if outcome == Outcome::Decided
                        && let Some(State::Gone { to, offer, .. }) = thing.party.state()
                    {
                        self.has_gone(name, to);
                        let (node, thing_name) = (self.clone(), name.clone());
                        let route = Route {
                            node,
                            thing: thing_name,
                        };
                        let offer = offer.0;
                        if let Some(frozen) = thing.frozen.take() {
                            frozen.gone(route, offer);
                        }
                    }
                    if let Some(waiting) = &thing.waiting {
                        // Nobody may wait any more.
                        let _ = waiting.send(outcome);
                    }
                }
            }
        }
    }

    /// It does not run here any more, for now.
    pub(super) fn stops(&self, name: &Name, thing: &mut Thing) -> Option<Arc<dyn Running>> {
        let running = thing.running.take()?;
        self.is_open(name);
        Some(running)
    }

    fn activate(self: &Arc<Self>, name: &Name, thing: &mut Thing, image: &Packed) {
        thing.share = None;
        let asked = thing.asked.take();
        let stayed = thing.frozen.take();
        let stayed = stayed.and_then(|frozen| frozen.stay(self));
        let started = match (stayed, thing.ready.take()) {
            (Some(running), _) => Ok(running),
            (None, Some(ready)) => self.start(name, ready, asked),
            (None, None) => self
                .thaw(name, image)
                .and_then(|ready| self.start(name, ready, asked)),
        };
        match started {
            Ok(running) => {
                thing.broken = None;
                self.runs_here(name, &running);
                thing.running = Some(running);
            }
            Err(why) => {
                tracing::error!(target: "actor_core::migrate", thing = %name, %why, "it cannot go on; its record is kept");
                thing.broken = Some(why);
                self.is_nowhere(name);
            }
        }
    }

    fn thaw(&self, thing: &Name, image: &Packed) -> Result<Box<dyn Ready>, Refusal> {
        let image = image
            .image()
            .map_err(|error| Refusal::Thaw(error.to_string()))?;
        let name = image.head().name();
        match self.kinds.get(name) {
            Some(kind) => contain(|| kind.thaw(self, thing, &image)).unwrap_or_else(Err),
            None => Err(Refusal::Unknown(name.to_owned())),
        }
    }

    fn start(
        self: &Arc<Self>,
        name: &Name,
        ready: Box<dyn Ready>,
        asked: Option<Asked>,
    ) -> Result<Arc<dyn Running>, Refusal> {
        contain(|| ready.start(self, name, asked)).unwrap_or_else(Err)
    }

    fn say_of(&self, name: &Name, to: &Name, message: Message<Packed>) {
        let thing = name.clone();
        self.say(to, &Wire::Handover { thing, message });
    }

    pub(super) fn save_record(
        &self,
        name: &str,
        record: &super::wire::Record,
    ) -> Result<(), StoreError> {
        let Some(store) = &self.store else {
            return Ok(());
        };
        let image = pack(record).map_err(|error| StoreError::Io {
            doing: format!("writing the record of {name}"),
            error: std::io::Error::other(error),
        })?;
        store.save(&super::record_of(name), &image)
    }

    pub(super) fn forget(&self, name: &str) {
        let Some(store) = &self.store else { return };
        if let Err(error) = store.remove(&super::record_of(name)) {
            // Found on the next start, it is settled once more.
            tracing::warn!(target: "actor_core::migrate", thing = %name, %error, "a record was not removed");
        }
    }
}

/// Calls `f`, in which there is code of the user's: a panic there ends there. A kill does not.
pub(super) fn contain<R>(f: impl FnOnce() -> R) -> Result<R, Refusal> {
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        if payload.is::<Killed>() {
            panic::resume_unwind(payload);
        }
        let text = panic_message(&*payload).to_string();
        drop_quietly(payload);
        Refusal::Thaw(format!("it panicked: {text}"))
    })
}
