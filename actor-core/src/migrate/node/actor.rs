//! Actors as things.

use std::any::Any;
use std::collections::HashSet;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::Level;

use super::calls::{Answered, Asked, Call, Route};
use super::error::{MoveError, SaveError};
use super::kind::{Frozen, Kind, Ready, Running, Unfrozen};
use super::wire::{Name, Packed};
use super::{Inner, Refusal};
use crate::actor::{Addr, Asker, NameTaken, Port, Replies};
use crate::image::{DecodeError, EncodeError, Head, Image};
use crate::observe::Event;
use crate::snapshot::moving::{self, NotTaken, Taken, Thawed};
use crate::snapshot::{Snapshot, SnapshotError};
use crate::sync::Mutex;

/// An actor that can move: it has a snapshot, and its answers can be frozen.
///
/// Implemented for every actor with message methods that is `#[actor(snapshot)]`, if what its methods return implements serde's
/// traits.
pub trait Movable: Snapshot + Replies<Reply: Serialize + DeserializeOwned> {}

impl<A: Snapshot + Replies<Reply: Serialize + DeserializeOwned>> Movable for A {}

type Wait<A> = Box<dyn FnOnce() -> Option<<A as Replies>::Reply> + Send>;

/// What an actor of this type is called in an image.
pub(super) fn name_of<A: Movable>() -> String {
    moving::name_of::<A>().to_owned()
}

fn pack<A: Movable>(value: &impl Serialize) -> Result<Packed, EncodeError> {
    let head = Head::new(crate::image::Kind::Data, moving::name_of::<A>());
    Ok(Packed::from(&Image::of(head, value)?))
}

fn unpack<A: Movable, T: DeserializeOwned>(packed: &Packed) -> Result<T, DecodeError> {
    let image = packed.image()?;
    let head = Head::new(crate::image::Kind::Data, moving::name_of::<A>());
    image.head().expect(&head)?;
    image.value()
}

/// Actors of type `A`.
pub(super) struct Actors<A: Movable>(pub(super) Arrived<A>);

type Arrived<A> = Arc<dyn Fn(&str, Addr<A>) + Send + Sync>;

impl<A: Movable> Kind for Actors<A> {
    fn thaw(&self, node: &Inner, name: &Name, image: &Image) -> Result<Box<dyn Ready>, Refusal> {
        let failed = |error: &dyn std::error::Error| Refusal::Thaw(error.to_string());
        let asked = moving::asked::<A>(image).map_err(|it| failed(&it))?;
        let expected = asked.iter().map(|msg| A::__expect(msg).split());
        let (ports, waits) = expected.unzip();
        let thawed = moving::thaw::<A>(image, ports).map_err(|it| failed(&it))?;
        let left = node.left().get(name).cloned().unwrap_or_default();
        for name in moving::names(&thawed) {
            let holder = node.sys.host().registry.holder(name);
            if let Some(holder) = holder.filter(|it| !left.contains(it)) {
                return Err(failed(&NameTaken::new(name.clone(), holder)));
            }
        }
        let arrived = self.0.clone();
        Ok(Box::new(Prepared {
            thawed,
            waits,
            arrived,
        }))
    }
}

/// An actor that does not run yet, and what waits for its answers to what was asked before.
struct Prepared<A: Movable> {
    thawed: Thawed<A>,
    waits: Vec<Wait<A>>,
    arrived: Arrived<A>,
}

impl<A: Movable> Ready for Prepared<A> {
    fn start(
        self: Box<Self>,
        node: &Arc<Inner>,
        name: &Name,
        asked: Option<Asked>,
    ) -> Result<Arc<dyn Running>, Refusal> {
        let Prepared {
            thawed,
            waits,
            arrived,
        } = *self;
        let left = node.left().get(name).cloned().unwrap_or_default();
        let addr = moving::start(&node.sys, thawed, |addr, names| {
            claim(node, &left, addr, names);
            arrived(name, addr.clone());
        });
        let addr = addr.map_err(|error| {
            if let Some(asked) = &asked {
                asked.unanswered(waits.len());
            }
            Refusal::Thaw(error.to_string())
        })?;
        if let Some(asked) = asked {
            for (n, wait) in waits.into_iter().enumerate() {
                if let Some(call) = asked.nth(n) {
                    answer_when_known::<A>(node, call, wait);
                }
            }
        }
        Ok(Arc::new(Lives { addr }))
    }
}

/// Gives it its names, of which those that it `left` here may have some. That nobody else has one was seen when it was thawed. If
/// somebody does now, it lives without: it has come, and could not be sent back.
fn claim<A: Movable>(node: &Inner, left: &HashSet<u64>, addr: &Addr<A>, names: Vec<Arc<str>>) {
    let host = node.sys.host();
    for name in names {
        let Err(taken) = host.registry.register(name.clone(), addr.clone()) else {
            continue;
        };
        if left.contains(&taken.holder) {
            drop(host.registry.take_over(name, addr.clone()));
        } else {
            let holder = taken.holder;
            host.core.events.emit(Level::DEBUG, || Event::NameLost {
                who: addr.who(),
                name: name.clone(),
                holder,
            });
        }
    }
}

/// Sends the answer where it is waited for, when there is one.
fn answer_when_known<A: Movable>(node: &Arc<Inner>, call: Call, wait: Wait<A>) {
    let unanswered = call.clone();
    let body = move || {
        let answer = wait().and_then(|reply| match pack::<A>(&reply) {
            Ok(packed) => Some(packed),
            Err(error) => {
                tracing::warn!(target: "actor_core::migrate", %error, "an answer that cannot be sent");
                None
            }
        });
        call.answer(answer);
    };
    if node.sys.spawn_microthread(body).is_err() {
        unanswered.answer(None);
    }
}

/// An actor that lives here.
pub(super) struct Lives<A: Movable> {
    pub(super) addr: Addr<A>,
}

impl<A: Movable> Running for Lives<A> {
    fn freeze(&self, to: &Name, within: Duration) -> Result<Box<dyn Frozen>, Unfrozen> {
        let taken = moving::take(&self.addr, to, within);
        let taken = taken.map_err(|error| match error {
            NotTaken::Stays(why) => MoveError::Stays(why),
            NotTaken::Snapshot(SnapshotError::Timeout) => MoveError::NotFrozen,
            NotTaken::Snapshot(other) => MoveError::Snapshot(other),
        })?;
        let addr = self.addr.clone();
        if taken.listens {
            let left = Left::of(taken, addr);
            return Ok(Box::new(left.map_err(MoveError::Snapshot)?));
        }
        Ok(Box::new(Held { taken, addr }))
    }

    fn image(&self, _: &Arc<Inner>, within: Duration) -> Result<Image, SaveError> {
        let image = self.addr.sys().within(within).snapshot();
        image.map_err(|error| match error {
            SnapshotError::Timeout => SaveError::TimedOut,
            other => SaveError::Snapshot(other),
        })
    }

    fn take(&self, node: &Arc<Inner>, message: &Packed, call: Option<Call>) -> bool {
        let msg: A::Msg = match unpack::<A, _>(message) {
            Ok(msg) => msg,
            Err(error) => {
                tracing::warn!(target: "actor_core::migrate", %error, "a message that cannot be read");
                return false;
            }
        };
        let port = match call {
            None => Port::none(),
            Some(call) => {
                let (port, wait) = A::__expect(&msg).split();
                answer_when_known::<A>(node, call, wait);
                port
            }
        };
        self.addr.deliver(msg, port);
        true
    }

    fn is_alive(&self) -> bool {
        self.addr.is_alive()
    }

    fn released(&self) {}

    fn addr(&self) -> Box<dyn Any> {
        Box::new(self.addr.clone())
    }
}

/// An actor that is held where it was.
struct Held<A: Movable> {
    taken: Taken<A>,
    addr: Addr<A>,
}

impl<A: Movable> Frozen for Held<A> {
    fn image(&self) -> &Image {
        &self.taken.image
    }

    fn stay(self: Box<Self>, _: &Arc<Inner>) -> Option<Arc<dyn Running>> {
        let Held { taken, addr } = *self;
        taken.resume();
        Some(Arc::new(Lives { addr }))
    }

    fn gone(self: Box<Self>, route: Route, first: u128) {
        let Held { taken, addr } = *self;
        note_left(&route, &addr);
        let asks = route.clone();
        let passed = taken.leave(move |msg, port| {
            pass(&route, &addr, msg, port);
            route.wait_for_room();
        });
        // Killed meanwhile, it has no askers either.
        expect_all::<A>(&asks, first, passed.unwrap_or_default());
    }
}

/// An actor that was ended to close its listeners, which could not be bound elsewhere on this machine before. Its cell is a
/// forwarding address already; what comes for it waits until it is known where it goes.
struct Left<A: Movable> {
    image: Image,
    ports: Vec<Port>,
    addr: Addr<A>,
    ahead: Arc<Mutex<Ahead<A>>>,
}

/// Where what comes for it goes.
enum Ahead<A: Movable> {
    /// That is not decided.
    Open(Vec<(A::Msg, Port)>),
    Gone(Route),
    /// It has been made again, here.
    Here(Addr<A>),
    /// It could not be made again.
    Nowhere,
}

impl<A: Movable> Ahead<A> {
    fn take(&mut self, addr: &Addr<A>, msg: A::Msg, port: Port) {
        match self {
            Self::Open(waiting) => waiting.push((msg, port)),
            Self::Gone(route) => pass(route, addr, msg, port),
            Self::Here(now) => now.deliver(msg, port),
            Self::Nowhere => addr.is_undeliverable(msg, port),
        }
    }

    fn route(&self) -> Option<Route> {
        match self {
            Self::Gone(route) => Some(route.clone()),
            _ => None,
        }
    }

    /// From here on, also for what has come before.
    fn decide(this: &Mutex<Self>, how: Self, addr: &Addr<A>) {
        let mut ahead = this.lock().unwrap_or_else(|it| it.into_inner());
        if let Self::Open(waiting) = mem::replace(&mut *ahead, how) {
            for (msg, port) in waiting {
                ahead.take(addr, msg, port);
            }
        }
    }
}

impl<A: Movable> Left<A> {
    fn of(taken: Taken<A>, addr: Addr<A>) -> Result<Self, SnapshotError> {
        let image = taken.image.clone();
        let ahead = Arc::new(Mutex::new(Ahead::Open(Vec::new())));
        let (shared, own) = (ahead.clone(), addr.clone());
        let ports = taken.leave(move |msg, port| {
            let route = {
                let mut ahead = shared.lock().unwrap_or_else(|it| it.into_inner());
                ahead.take(&own, msg, port);
                ahead.route()
            };
            if let Some(route) = route {
                route.wait_for_room();
            }
        })?;
        Ok(Left {
            image,
            ports,
            addr,
            ahead,
        })
    }
}

impl<A: Movable> Frozen for Left<A> {
    fn image(&self) -> &Image {
        &self.image
    }

    fn stay(self: Box<Self>, node: &Arc<Inner>) -> Option<Arc<dyn Running>> {
        let Left {
            image,
            ports,
            addr,
            ahead,
        } = *self;
        let own = HashSet::from([addr.id()]);
        let again = moving::thaw::<A>(&image, ports).and_then(|thawed| {
            moving::start(&node.sys, thawed, |now, names| {
                claim(node, &own, now, names);
            })
        });
        match again {
            Ok(now) => {
                Ahead::decide(&ahead, Ahead::Here(now.clone()), &addr);
                Some(Arc::new(Lives { addr: now }))
            }
            Err(error) => {
                tracing::warn!(target: "actor_core::migrate", %error, "an actor could not be made again");
                Ahead::decide(&ahead, Ahead::Nowhere, &addr);
                None
            }
        }
    }

    fn gone(self: Box<Self>, route: Route, first: u128) {
        note_left(&route, &self.addr);
        expect_all::<A>(&route, first, self.ports);
        Ahead::decide(&self.ahead, Ahead::Gone(route), &self.addr);
    }
}

/// From here on this passes on what comes for the thing.
fn note_left<A: Movable>(route: &Route, addr: &Addr<A>) {
    let mut left = route.node.left();
    left.entry(route.thing.clone())
        .or_default()
        .insert(addr.id());
}

/// Who asked what is in the image waits for the answers from where it goes.
fn expect_all<A: Movable>(route: &Route, first: u128, ports: Vec<Port>) {
    for (n, port) in ports.into_iter().enumerate() {
        route.expect(first.wrapping_add(n as u128), answered::<A>(port));
    }
}

/// What is done with the answer to a message that was asked here.
fn answered<A: Movable>(port: Port) -> Answered {
    let asker = Asker::new(port);
    Box::new(
        move |answer| match answer.map(|packed| unpack::<A, A::Reply>(&packed)) {
            Some(Ok(reply)) => A::__answer(reply, asker),
            Some(Err(error)) => {
                tracing::warn!(target: "actor_core::migrate", %error, "an answer that cannot be read");
                asker.fail();
            }
            None => asker.fail(),
        },
    )
}

/// Sends a message after an actor that has gone.
fn pass<A: Movable>(route: &Route, addr: &Addr<A>, msg: A::Msg, port: Port) {
    match pack::<A>(&msg) {
        Ok(packed) if port.is_some() => route.ask(&packed, answered::<A>(port)),
        Ok(packed) if route.tell(&packed) => {}
        Ok(_) => addr.is_undeliverable(msg, port),
        Err(error) => {
            tracing::warn!(target: "actor_core::migrate", %error, "a message that cannot be sent");
            addr.is_undeliverable(msg, port);
        }
    }
}
