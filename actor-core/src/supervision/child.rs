//! A child as the driver has it, and the tie between its actor and its supervisor.
//!
//! # Who may decide over an actor that is down
//! An actor that ends goes *down*: its cell and its mailbox stay until somebody gives it its next life or buries it. If
//! nobody did, its messages would lie there for ever and their senders would wait for ever. So the duty to decide is always
//! in exactly one place, and wherever it is dropped the actor is buried:
//!
//! ```text
//!                 keeper.exited()                    accepted                       Stopped, forgotten
//!   actor lives ─────────────────► Notice (a message) ────────► driver (its `Child`) ─────────────────► buried
//!        ▲                            │ dropped unread:              │ next life                              ▲
//!        └────────────────────────────│──────────────────────────────┘                                        │
//!                                     └─── the supervisor is gone, or is another by now ──────────────────────┘
//! ```
//! A [`Tie`] is the actor's end of this: its [`Keeper`], with its [`Fate`]. The [`Roster`] has the ties of all of a
//! supervisor's children.
//!
//! # When the supervisor ends
//! However it ends, its roster is emptied, and each tie that was in it told: an actor that lives is killed, one that is down
//! is buried. An actor that goes down later finds itself not in the roster, and is buried at once. Nothing falls between:
//! the actor (1) notes that it is down, (2) looks into the roster; the end (a) empties the roster, (b) looks whether the
//! actor is down. Either (1) is before (b), or (a) is before (2). Both may see it, and [`Fate`] lets one of them bury.
//!
//! A supervisor that is a child keeps its mailbox across restarts, so notices of its former life's children may reach the
//! next life. Actor ids are never used twice, and the next life has other actors: such a notice is a stranger's, and is
//! dropped.
//!
//! # What the supervisor waits for
//! The tie has the port of the supervisor's [`Step`], if it waits for this actor, in the [`Fate`] that is to change. So the step
//! is over when the fate changes: when the start hook has run, before anything else of the actor's does, or when it is down; and
//! before the supervisor is told.
//!
//! # Seeded faults
//! | fault | what it breaks | caught by |
//! |---|---|---|
//! | `child_keep_step` | a start hook that has run does not end the step | `a_child_that_has_started_asks_whoever_had_it_started` |

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::decide::{Awaits, ChildKey, How, Incarnation};
use super::driver::Driver;
use super::msg::{Msg, Site};
use super::roster::Roster;
use super::seats::Seat;
use super::spec::{Factory, Policy};
use crate::actor::{Actor, Addr, ExitReason, Host, Keeper, Port, Role, Seed, Step, cause};
use crate::registry::Erased;
use crate::rt::park::Killed;
use crate::sys::fault::fault;

/// How an attempt to start went, as far as the driver itself sees.
#[derive(Debug)]
pub(super) enum Launch {
    /// The actor is on its way; its tie will say more.
    Begun,
    /// The factory declined.
    Declined,
    /// Nothing of it is left.
    Failed(ExitReason),
}

/// A child, whatever the type of its actor.
pub(super) trait Child: Send {
    /// Makes an actor and starts it, in the cell of the last life if that is still there.
    fn start(&mut self, site: &Site, key: ChildKey, incarnation: Incarnation) -> Launch;
    /// Stops the present life.
    fn stop(&self, how: How);
    /// The address, until the actor is buried.
    fn address(&self) -> Option<Arc<dyn Erased>>;
    /// Whether the actor is alive, and not between two lives.
    fn is_up(&self) -> bool;
    /// The incarnation that a notice is about, if it is about the present one.
    fn incarnation(&self, notice: &Notice) -> Option<Incarnation>;
    /// Ends the actor for good, if it is there and down.
    fn bury(&mut self, site: &Site);
    /// The rest of the actor's start, or of its end, to wait for. `None` if it is over.
    fn step(&self, awaits: Awaits) -> Option<Step>;
}

/// Who keeps a child's address for others. Nothing that blocks runs in its methods.
pub(crate) trait Place<A: Actor>: Send + Sync {
    /// The child is this actor from now on, which is about to have its first life.
    fn taken(&self, addr: &Addr<A>);
    /// That actor has ended for good.
    fn left(&self, _addr: &Addr<A>) {}
    /// The child's factory has declined to make one.
    fn declined(&self) {}
}

/// Where a child's lives go on from.
pub(crate) trait Past<A: Actor>: Send {
    /// How far the last one came. `None`: there is nothing to go on from, and the factory makes the next. Runs where the
    /// factory does.
    fn last(&self, host: &Arc<Host>) -> Result<Option<Continued<A>>, Arc<str>>;
    /// The child is this actor from now on, which is about to have its first life.
    fn attach(&self, addr: &Addr<A>, host: &Arc<Host>);
}

/// See [`Past`].
pub(crate) struct Continued<A: Actor> {
    pub(crate) actor: A,
    pub(crate) seed: Seed<A::Msg>,
}

/// A child whose actor is an `A`.
pub(super) struct ChildOf<A: Actor> {
    factory: Factory<A>,
    name: Option<Arc<str>>,
    /// How large its stack may become.
    grow_stack: Option<usize>,
    /// The size it has come to, if it has.
    stack_size: Option<usize>,
    place: Option<Arc<dyn Place<A>>>,
    past: Option<Box<dyn Past<A>>>,
    role: Option<Role>,
    lease: Option<Lease<A>>,
}

/// An actor that has not been buried.
pub(super) struct Lease<A: Actor> {
    tie: Arc<Tie<A>>,
    addr: Addr<A>,
    /// The number of its present life, as the actor counts.
    life: u32,
    /// The same, as the deciding half counts.
    incarnation: Incarnation,
    place: Option<Arc<dyn Place<A>>>,
}

impl<A: Actor> Drop for Lease<A> {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            place.left(&self.addr);
        }
    }
}

impl<A: Actor> ChildOf<A> {
    pub(super) fn new(factory: Factory<A>) -> Self {
        Self {
            factory,
            name: None,
            grow_stack: None,
            stack_size: None,
            place: None,
            past: None,
            role: None,
            lease: None,
        }
    }

    /// Whose actor is there already.
    pub(super) fn of_lease(factory: Factory<A>, lease: Lease<A>) -> Self {
        Self {
            lease: Some(lease),
            ..Self::new(factory)
        }
    }

    /// With what its spec says.
    pub(super) fn of_spec(
        factory: Factory<A>,
        policy: &Policy,
        name: Option<Arc<str>>,
        grow_stack: Option<usize>,
        seat: Option<Seat>,
    ) -> Self {
        Self {
            name,
            grow_stack,
            place: seat.map(|seat| -> Arc<dyn Place<A>> { Arc::new(seat) }),
            ..Self::new(factory).with_role(policy)
        }
    }

    pub(super) fn with_role(mut self, policy: &Policy) -> Self {
        self.role = Some(Role {
            child: policy.id.clone(),
            restart: policy.restart.name(),
        });
        self
    }

    pub(super) fn with_past(mut self, past: Option<Box<dyn Past<A>>>) -> Self {
        self.past = past;
        self
    }

    pub(super) fn placed(mut self, place: Option<Arc<dyn Place<A>>>) -> Self {
        self.place = place;
        self
    }

    /// An actor with no life yet, under its name.
    fn prepare(
        name: Option<&Arc<str>>,
        place: Option<&Arc<dyn Place<A>>>,
        role: Option<&Role>,
        site: &Site,
        key: ChildKey,
        incarnation: Incarnation,
    ) -> Result<Lease<A>, ExitReason> {
        let down = Fate::Down(ExitReason::Shutdown);
        let mut tie = Tie::new(&site.addr, &site.roster, key, down);
        tie.role = role.cloned();
        let tie = Arc::new(tie);
        let addr = Addr::prepare(&site.host, name.cloned(), tie.clone());
        // Just made, and set nowhere else.
        let _ = tie.actor.set(addr.clone());
        if let Some(name) = name
            && let Err(taken) = site.host.registry.register(name.clone(), addr.clone())
        {
            let reason = ExitReason::failed(taken);
            tie.down(&reason);
            tie.bury();
            return Err(reason);
        }
        site.roster.enter(tie.clone());
        if let Some(place) = place {
            place.taken(&addr);
        }
        Ok(Lease {
            tie,
            addr,
            life: 0,
            incarnation,
            place: place.cloned(),
        })
    }
}

impl<A: Actor> Child for ChildOf<A> {
    fn start(&mut self, site: &Site, key: ChildKey, incarnation: Incarnation) -> Launch {
        let made = contain(|| match &self.past {
            Some(past) => past.last(&site.host),
            None => Ok(None),
        });
        let made = match made {
            Ok(Ok(Some(Continued { actor, seed }))) => Ok(Ok(Some((actor, Some(seed))))),
            Ok(Ok(None)) => contain(|| (self.factory)().map(|it| it.map(|it| (it, None)))),
            Ok(Err(why)) => Ok(Err(why)),
            Err(reason) => Err(reason),
        };
        let (state, mut seed) = match made {
            Ok(Ok(Some(made))) => made,
            Ok(Ok(None)) => {
                if let Some(place) = &self.place {
                    place.declined();
                }
                return Launch::Declined;
            }
            Ok(Err(why)) => return Launch::Failed(ExitReason::Failed(why)),
            Err(reason) => return Launch::Failed(reason),
        };
        let lease = match &mut self.lease {
            Some(lease) => {
                // Its mailbox is the one of the last life, with what waits there.
                seed = seed.map(Seed::without_messages);
                lease
            }
            None => match Self::prepare(
                self.name.as_ref(),
                self.place.as_ref(),
                self.role.as_ref(),
                site,
                key,
                incarnation,
            ) {
                Ok(lease) => {
                    if let Some(past) = &self.past {
                        past.attach(&lease.addr, &site.host);
                    }
                    self.lease.insert(lease)
                }
                Err(reason) => {
                    drop_quietly(state);
                    return Launch::Failed(reason);
                }
            },
        };
        // Before the start: the actor may be down again before `restart` returns.
        let last = lease.tie.becomes(Fate::Starts(Port::none()));
        if let (Some(max), Fate::Down(ExitReason::Overflow)) = (self.grow_stack, &last) {
            let had = lease.addr.stack_size();
            self.stack_size = Some(had.saturating_mul(2).min(max).max(had));
        }
        if let Some(bytes) = self.stack_size {
            lease.addr.set_stack_size(bytes);
        }
        match contain(|| lease.addr.restart(state, seed)) {
            Ok(Ok(life)) => {
                lease.life = life;
                lease.incarnation = incarnation;
                Launch::Begun
            }
            Ok(Err(error)) => lease.refused(ExitReason::failed(error)),
            // The destructor of the state, which was refused.
            Err(reason) => lease.refused(reason),
        }
    }

    fn stop(&self, how: How) {
        let Some(lease) = &self.lease else { return };
        match how {
            How::Ask => lease.addr.stop_for(ExitReason::Shutdown),
            How::Kill => lease.addr.kill(),
        }
    }

    fn address(&self) -> Option<Arc<dyn Erased>> {
        let lease = self.lease.as_ref()?;
        Some(Arc::new(lease.addr.clone()))
    }

    fn is_up(&self) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.addr.is_up())
    }

    fn incarnation(&self, notice: &Notice) -> Option<Incarnation> {
        let lease = self.lease.as_ref()?;
        let mine = lease.addr.id() == notice.tie.actor_id() && lease.life == notice.life;
        mine.then_some(lease.incarnation)
    }

    fn bury(&mut self, site: &Site) {
        if let Some(lease) = self.lease.take() {
            site.roster.leave(lease.addr.id());
            lease.tie.bury();
        }
    }

    fn step(&self, awaits: Awaits) -> Option<Step> {
        self.lease.as_ref()?.tie.step(awaits)
    }
}

impl<A: Actor> Lease<A> {
    /// Of an actor that has been at rest since its first life began.
    pub(super) fn of_first_life(tie: Arc<Tie<A>>, addr: Addr<A>) -> Self {
        let incarnation = Incarnation::FIRST;
        Self {
            tie,
            addr,
            life: 1,
            incarnation,
            place: None,
        }
    }

    fn refused(&self, reason: ExitReason) -> Launch {
        self.tie.down(&reason);
        Launch::Failed(reason)
    }
}

/// Calls the user's `f`. A panic there ends there; a kill, which is meant for the supervisor, does not.
pub(super) fn contain<R>(f: impl FnOnce() -> R) -> Result<R, ExitReason> {
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        if payload.is::<Killed>() {
            panic::resume_unwind(payload);
        }
        let reason = cause(&*payload);
        drop_quietly(payload);
        reason
    })
}

/// Drops a value of the user's; a panic in its destructor ends there.
pub(super) fn drop_quietly<V>(value: V) {
    let dropped = panic::catch_unwind(AssertUnwindSafe(|| drop(value)));
    // The payload may panic when it is dropped, and so on: enough.
    std::mem::forget(dropped);
}

// ---- the actor's end ---------------------------------------------------------------------------------------------------

/// Who decides over an actor.
#[derive(Debug)]
enum Fate {
    /// It is being started. The port is that of the supervisor's [`Step`], if it waits for that.
    Starts(Port),
    /// It lives. The port is that of the supervisor's [`Step`], if it waits for its end.
    Lives(Port),
    /// It is down: whoever has the duty decides. Why its last life ended.
    Down(ExitReason),
    /// It has ended for good.
    Buried,
}

/// The tie between an actor and its supervisor.
pub(super) struct Tie<A: Actor> {
    /// Nothing that blocks or calls user code runs under the lock. Dropped before the address of the actor that has the port in it.
    fate: Mutex<Fate>,
    supervisor: Addr<Driver>,
    roster: Arc<Roster>,
    child: ChildKey,
    actor: OnceLock<Addr<A>>,
    role: Option<Role>,
}

impl<A: Actor> Tie<A> {
    fn new(supervisor: &Addr<Driver>, roster: &Arc<Roster>, child: ChildKey, fate: Fate) -> Self {
        Self {
            fate: Mutex::new(fate),
            supervisor: supervisor.clone(),
            roster: roster.clone(),
            child,
            actor: OnceLock::new(),
            role: None,
        }
    }

    /// Of an actor that is alive already.
    pub(super) fn of_living(
        supervisor: &Addr<Driver>,
        roster: &Arc<Roster>,
        child: ChildKey,
        actor: Addr<A>,
    ) -> Arc<Self> {
        let tie = Self::new(supervisor, roster, child, Fate::Lives(Port::none()));
        // Just made, and set nowhere else.
        let _ = tie.actor.set(actor);
        Arc::new(tie)
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the last fate. Where that is dropped, the step that was in it is over.
    fn becomes(&self, fate: Fate) -> Fate {
        std::mem::replace(&mut *self.fate(), fate)
    }

    fn step(&self, awaits: Awaits) -> Option<Step> {
        let (step, mut port) = Step::of(self.actor.get()?);
        let awaited = match (&mut *self.fate(), awaits) {
            (Fate::Starts(of), Awaits::Start) | (Fate::Lives(of), Awaits::End) => {
                std::mem::swap(of, &mut port);
                true
            }
            _ => false,
        };
        awaited.then_some(step)
    }

    fn tell(self: Arc<Self>, life: u32, news: News) {
        let tie = self.clone();
        let notice = Notice { tie, life, news };
        if self.roster.has(self.actor_id()) {
            // The mailbox has no bound. If it is closed the notice comes back, and is dropped.
            let _ = self.supervisor.try_send(Msg::Notice(notice));
        }
    }

    /// The actor is down, and torn down.
    fn down(&self, reason: &ExitReason) {
        drop(self.becomes(Fate::Down(reason.clone()))); // step 1
    }
}

impl<A: Actor> Keeper for Tie<A> {
    fn started(self: Arc<Self>, _: u64, life: u32) {
        let last = self.becomes(Fate::Lives(Port::none()));
        if fault!("child_keep_step") {
            std::mem::forget(last);
        }
        self.tell(life, News::Started);
    }

    fn start_failed(self: Arc<Self>, _: u64, life: u32, reason: ExitReason) {
        self.down(&reason);
        self.tell(life, News::StartFailed(reason)); // step 2
    }

    fn exited(self: Arc<Self>, _: u64, life: u32, reason: ExitReason) {
        self.down(&reason);
        self.tell(life, News::Exited(reason)); // step 2
    }

    fn role(&self) -> Option<Role> {
        self.role.clone()
    }
}

/// A tie, whatever the type of its actor.
pub(super) trait Tied: Send + Sync {
    /// Which child of its supervisor's the actor is.
    fn child(&self) -> ChildKey;
    fn actor_id(&self) -> u64;
    /// Kills the actor, if it lives.
    fn kill(&self);
    /// Ends the actor for good, if it is down.
    fn bury(&self);
}

impl<A: Actor> Tied for Tie<A> {
    fn child(&self) -> ChildKey {
        self.child
    }

    fn actor_id(&self) -> u64 {
        self.actor.get().map_or(0, Addr::id)
    }

    fn kill(&self) {
        let lives = matches!(*self.fate(), Fate::Starts(_) | Fate::Lives(_));
        if let (true, Some(actor)) = (lives, self.actor.get()) {
            actor.kill();
        }
    }

    fn bury(&self) {
        let reason = {
            let mut fate = self.fate();
            match std::mem::replace(&mut *fate, Fate::Buried) {
                Fate::Down(reason) => reason,
                other => {
                    *fate = other;
                    return;
                }
            }
        };
        if let Some(actor) = self.actor.get() {
            actor.bury(reason);
        }
    }
}

/// What an actor's tie tells the supervisor. Dropped unread it buries the actor, if that is down.
pub(crate) struct Notice {
    tie: Arc<dyn Tied>,
    /// Which life of the actor it is about.
    life: u32,
    news: News,
}

/// See [`Notice`].
#[derive(Clone, Debug)]
pub(super) enum News {
    Started,
    StartFailed(ExitReason),
    Exited(ExitReason),
}

impl Notice {
    /// The child it is about, if it is not a stranger's.
    pub(super) fn child(&self) -> ChildKey {
        self.tie.child()
    }

    /// Takes the duty over.
    pub(super) fn accept(mut self) -> News {
        std::mem::replace(&mut self.news, News::Started)
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        if !matches!(self.news, News::Started) {
            self.tie.bury();
        }
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notice")
            .field("actor", &self.tie.actor_id())
            .field("news", &self.news)
            .finish_non_exhaustive()
    }
}
