//! Children at rest: those of a dynamic supervisor that were started in a batch and to which nothing has happened since.
//!
//! What a supervisor keeps of an ordinary child (its place in the decisions, its tie, its factory) is several times as large as
//! a small actor. A batch of them needs none of that while they only run. It is one *crowd*: a table with an address and the
//! arguments of each, and one keeper for all of them. Their keys are reserved, so that each has its place in the start order,
//! but the deciding half does not know of them.
//!
//! # How a child leaves its rest
//! ```text
//!                          something is asked of it: hand_over()
//!      ┌─ at rest ─┐ ───────────────────────────────────────────► ┌─ risen ─┐      forget()
//!      │ address,  │                                              │   tie   │ ─────────────────► gone
//!      │ arguments │  it ends: exited()     ┌─ arguments wait ─┐   │         │
//!      └───────────┘ ─────────────────────► │ notice under way │ ─►└─────────┘
//!            │                              └──────────────────┘  hand_over(), when the notice is heard
//!            └── it ends after the supervisor has: buried at once
//! ```
//! Rising makes it a child like any other: it gets a [`Tie`], which has the duty described in [`child`](super::child), and the
//! driver adopts it, as running, before it hears what has become of it. The crowd stays the keeper that its cell knows, and
//! passes on what it is told to the tie.
//!
//! # Who may
//! A place in the table is emptied once, under the lock: by the driver (to ask something of the child, or because the
//! supervisor may be about to stop all), or by the child's own end. When the supervisor is gone the crowd is *abandoned*: each
//! of those that still rest is killed, and its end finds that nobody decides. An end that empties its place just before that
//! enters its tie into the roster, which refuses if it has been abandoned meanwhile; then too it is buried at once. The steps
//! are in [`places`].

use std::any::Any;
use std::sync::Arc;

use super::child::{Child, ChildOf, Lease, Tie, contain, drop_quietly};
use super::decide::ChildKey;
use super::driver::Driver;
use super::error::ChildError;
use super::msg::Site;
use super::roster::Roster;
use super::template::Make;
use crate::actor::{Actor, Addr, Batch, ExitReason, Keeper, Shared};
use places::{Ended, Places};

#[cfg(all(test, loom))]
mod models;
mod places;

/// A crowd, whatever the type of its actors.
pub(super) trait AtRest: Send + Sync {
    /// The child with this key, if it is one of these and has not been handed over.
    fn hand_over(&self, key: ChildKey) -> Option<Box<dyn Child>>;
    /// The key of the actor with this id, if it rests.
    fn resting(&self, actor: u64) -> Option<ChildKey>;
    /// Those that rest: key, actor's id, and whether it is up.
    fn each(&self, f: &mut dyn FnMut(ChildKey, u64, bool));
    /// The child is forgotten.
    fn forget(&self, key: ChildKey);
    /// Whether nobody rests, and nobody that has risen is left.
    fn is_empty(&self) -> bool;
    /// The supervisor is gone.
    fn abandon(&self);
}

struct Crowd<A: Actor, Args> {
    supervisor: Addr<Driver>,
    roster: Arc<Roster>,
    make: Make<A, Args>,
    first_id: u64,
    first_key: ChildKey,
    /// By the distance from the first id, and key.
    places: Places<(Addr<A>, Args), Tie<A>>,
}

impl<A: Actor, Args: Send + 'static> Crowd<A, Args> {
    fn child(&self, tie: Arc<Tie<A>>, (addr, args): (Addr<A>, Args)) -> Box<dyn Child> {
        let make = self.make.clone();
        let factory = Box::new(move || make(&args));
        Box::new(ChildOf::of_lease(factory, Lease::of_first_life(tie, addr)))
    }

    fn tie(&self, index: usize, addr: &Addr<A>) -> Arc<Tie<A>> {
        let key = self.first_key.plus(index);
        Tie::of_living(&self.supervisor, &self.roster, key, addr.clone())
    }

    fn index(&self, actor: u64) -> Option<usize> {
        usize::try_from(actor.checked_sub(self.first_id)?).ok()
    }

    /// The tie of one that has risen.
    fn risen(&self, actor: u64) -> Option<Arc<Tie<A>>> {
        self.places.risen(self.index(actor)?)
    }
}

impl<A: Actor, Args: Send + 'static> AtRest for Crowd<A, Args> {
    fn hand_over(&self, key: ChildKey) -> Option<Box<dyn Child>> {
        let index = key.since(self.first_key)?;
        let tie = |own: &(Addr<A>, Args)| self.tie(index, &own.0);
        let (tie, own) = self.places.hand_over(index, &self.roster, tie)?;
        Some(self.child(tie, own))
    }

    fn resting(&self, actor: u64) -> Option<ChildKey> {
        let index = self.index(actor)?;
        let rests = self.places.rests(index);
        rests.then(|| self.first_key.plus(index))
    }

    fn each(&self, f: &mut dyn FnMut(ChildKey, u64, bool)) {
        self.places.each(|index, (addr, _)| {
            f(self.first_key.plus(index), addr.id(), addr.is_up());
        });
    }

    fn forget(&self, key: ChildKey) {
        if let Some(index) = key.since(self.first_key) {
            self.places.forget(index);
        }
    }

    fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn abandon(&self) {
        // Ties are in the roster.
        let left = self.places.abandon(|(addr, _)| addr.clone());
        left.iter().for_each(Addr::kill);
    }
}

impl<A: Actor, Args: Send + 'static> Keeper for Crowd<A, Args> {
    fn started(self: Arc<Self>, actor: u64, life: u32) {
        if let Some(tie) = self.risen(actor) {
            tie.started(actor, life);
        }
    }

    fn start_failed(self: Arc<Self>, actor: u64, life: u32, reason: ExitReason) {
        if let Some(tie) = self.risen(actor) {
            tie.start_failed(actor, life, reason);
        }
    }

    fn exited(self: Arc<Self>, actor: u64, life: u32, reason: ExitReason) {
        let Some(index) = self.index(actor) else {
            return;
        };
        let tie = |own: &(Addr<A>, Args)| self.tie(index, &own.0);
        match self.places.ended(index, &self.roster, tie) {
            Ended::Tied(tie) => tie.exited(actor, life, reason),
            Ended::Alone(own) => {
                own.0.bury(reason);
                drop_quietly(own);
            }
            Ended::Unknown => {}
        }
    }
}

impl<A: Actor, Args> Drop for Crowd<A, Args> {
    fn drop(&mut self) {
        // By whoever has the last reference; the arguments' destructors are the user's code.
        self.places.take_rest().for_each(drop_quietly);
    }
}

/// What became of a batch.
pub(super) struct Started {
    /// A `Vec` of the addresses.
    pub(super) addrs: Box<dyn Any + Send>,
    /// What ended it early.
    pub(super) ended: Option<ChildError>,
    pub(super) crowd: Option<Arc<dyn AtRest>>,
}

/// Starts a batch, as far as the factory goes along, under the keys from `first_key` on. `id` is the children's.
pub(super) fn start<A: Actor, Args: Send + 'static>(
    site: &Site,
    make: &Make<A, Args>,
    args: Vec<Args>,
    first_key: ChildKey,
    id: &Arc<str>,
) -> Started {
    let mut addrs: Vec<Addr<A>> = Vec::with_capacity(args.len());
    let first_id = site.host.core.seam.reserve_ids(args.len() as u64);
    let crowd = Arc::new(Crowd {
        supervisor: site.addr.clone(),
        roster: site.roster.clone(),
        make: make.clone(),
        first_id,
        first_key,
        places: Places::new(args.len()),
    });
    let keeper = Shared::new(crowd.clone());
    let Ok(mut batch) = Batch::new(&site.host, &keeper, first_id) else {
        return Started {
            addrs: Box::new(addrs),
            ended: Some(ChildError::ShuttingDown),
            crowd: None,
        };
    };
    // Before the first: the supervisor may be killed in the factory of a later one, or lose its stack there.
    site.roster.enter_crowd(crowd.clone());
    let all = args.len();
    let mut ended = None;
    for args in args {
        let failed = |reason| ChildError::StartFailed {
            id: id.clone(),
            reason,
        };
        let state = match contain(|| make(&args)) {
            Ok(Ok(Some(state))) => state,
            other => {
                ended = Some(match other {
                    Ok(Err(why)) => failed(ExitReason::Failed(why)),
                    Err(reason) => failed(reason),
                    _ => ChildError::Declined,
                });
                drop_quietly(args);
                break;
            }
        };
        let addr = crowd.places.fill(|| {
            let addr = batch.start(state);
            ((addr.clone(), args), addr)
        });
        batch.report(&addr);
        addrs.push(addr);
    }
    crowd.places.give_up(all - addrs.len());
    let crowd: Arc<dyn AtRest> = crowd;
    batch.done();
    Started {
        addrs: Box::new(addrs),
        ended,
        crowd: Some(crowd),
    }
}

/// The crowds of a supervisor, as its driver has them.
#[derive(Default)]
pub(super) struct Crowds {
    /// In start order, so that first keys and first ids ascend.
    all: Vec<Placed>,
}

struct Placed {
    first_key: ChildKey,
    crowd: Arc<dyn AtRest>,
}

impl Crowds {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn add(&mut self, first_key: ChildKey, crowd: Arc<dyn AtRest>) {
        self.all.push(Placed { first_key, crowd });
    }

    /// The place of the crowd that the key is of, if it is of any.
    fn place(&self, key: ChildKey) -> Option<usize> {
        let behind = self.all.partition_point(|it| it.first_key <= key);
        behind.checked_sub(1)
    }

    pub(super) fn hand_over(&self, key: ChildKey) -> Option<Box<dyn Child>> {
        self.all[self.place(key)?].crowd.hand_over(key)
    }

    /// The key of the actor with this id, if it rests.
    pub(super) fn resting(&self, actor: u64) -> Option<ChildKey> {
        self.all.iter().find_map(|it| it.crowd.resting(actor))
    }

    /// Those that rest: key, actor's id, and whether it is up.
    pub(super) fn each(&self, mut f: impl FnMut(ChildKey, u64, bool)) {
        for placed in &self.all {
            placed.crowd.each(&mut f);
        }
    }

    /// The child is forgotten. True if its crowd was, too.
    pub(super) fn forget(&mut self, key: ChildKey) -> bool {
        let Some(place) = self.place(key) else {
            return false;
        };
        self.all[place].crowd.forget(key);
        let gone = self.all[place].crowd.is_empty();
        if gone {
            self.all.remove(place);
        }
        gone
    }
}

/// The addresses in an answer, as `A`'s, and what ended the batch early.
pub(super) fn addresses<A: Actor>(addrs: Box<dyn Any + Send>) -> Result<Vec<Addr<A>>, ChildError> {
    match addrs.downcast::<Vec<Addr<A>>>() {
        Ok(addrs) => Ok(*addrs),
        Err(_) => Err(ChildError::NotDynamic),
    }
}
