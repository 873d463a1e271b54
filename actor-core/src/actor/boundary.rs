//! A message boundary of an actor, held: what others may do with it while none of its code runs.
//!
//! Whoever has the *right to run* an actor can do here what no message can: look at everything that the actor is
//! ([`Boundary::look`]: its state, what waits in its lanes, its timers), and take what waits out of it without having it handled
//! ([`Boundary::leave`]). An actor that is about to start is given what it should find ([`Seed`]). What is made of that is the
//! business of layers above.
//!
//! # Looking
//! Nothing is taken out in order to be looked at: so nothing is lost if the code of the user's that looks (a `Serialize`)
//! panics, and bounded mailboxes stay bounded. What was set aside and what is in a mailbox is read where it is, as only the
//! consumer, which is here, takes any out. The exception is a mailbox that displaces its oldest message, which senders do. There
//! the messages are set aside first, no more of them than the mailbox may hold. Timers are lent (`timers::lend`).
//!
//! # Leaving
//! The actor's state is dropped, without its stop hook, and its timers end. What `look` has shown is given up; what has come
//! since, and what still comes, is passed on, in order, for as long as the address is kept: until it is stopped or killed.
//! It does that on the stack of its activation, as a handler that receives. An order that reaches it is not carried out.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::observe::DeadReason;
use crate::rt::header::Header;

use super::addr::Addr;
use super::cell::{Cell, Envelope};
use super::cx::Cx;
use super::delivery::WhenFull;
use super::error::StayError;
use super::exit::ExitReason;
use super::extra::{Extra, Role};
use super::lanes::Aside;
use super::life;
use super::mailbox::{Consumer, Flags};
use super::receive;
use super::reply::{Failure, Port};
use super::sys;
use super::timers::{self, Period, Sown};
use super::traits::Actor;
use super::unhandled;

/// The right to run the actor with this header, between two messages.
pub(crate) struct Right<'a>(&'a Header);

impl<'a> Right<'a> {
    /// # Safety
    /// The caller has the right to run that actor, which is at a message boundary with its state in place, and lends it for as
    /// long as this lives.
    pub(super) unsafe fn new(header: &'a Header) -> Self {
        Right(header)
    }

    /// To that actor, which is the one of `addr`.
    pub(super) fn to<A: Actor>(self, addr: &'a Addr<A>) -> Boundary<'a, A> {
        let cell = addr.cell();
        assert!(ptr::eq(self.0, cell.header()), "the right to run another");
        Boundary {
            cell,
            prepared: false,
            not_send: PhantomData,
        }
    }
}

/// See the [module](self).
pub(crate) struct Boundary<'a, A: Actor> {
    cell: &'a Cell<A>,
    /// Its hook for moves has been called.
    prepared: bool,
    not_send: PhantomData<*const ()>,
}

/// A message that waits.
#[derive(Clone, Copy)]
pub(crate) struct Waiting<'a, M> {
    pub(crate) msg: &'a M,
    /// Somebody waits for its answer.
    pub(crate) asked: bool,
}

/// A timer that is not due yet.
pub(crate) struct Set<'a, M> {
    pub(crate) left: Duration,
    pub(crate) period: Option<Period>,
    pub(crate) msg: &'a M,
}

/// What waits for an actor. Lanes in the order in which they are handled, each oldest first.
pub(crate) struct Contents<'a, M> {
    pub(crate) urgent: Vec<Waiting<'a, M>>,
    /// With the messages of timers that are due, where their turn is.
    pub(crate) queue: Vec<Waiting<'a, M>>,
    pub(crate) stash: Vec<Waiting<'a, M>>,
    pub(crate) timers: Vec<Set<'a, M>>,
    /// The same without what timers send.
    pub(crate) seen: Seen,
}

/// How many messages of each lane were looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    urgent: usize,
    queue: usize,
    stash: usize,
}

/// Why an actor is not ready to leave.
pub(crate) enum NotReady {
    Stays(StayError),
    Ends(ExitReason),
}

/// A repeated timer makes its messages by a function of the user's, which nobody can look into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opaque;

impl<A: Actor> fmt::Debug for Boundary<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Boundary").field(&self.addr()).finish()
    }
}

impl<'a, A: Actor> Boundary<'a, A> {
    /// The actor.
    pub(crate) fn state(&self) -> &A {
        // SAFETY: the right to run is here, the state is in place, and nothing else refers to it between messages.
        unsafe { self.cell.state() }
    }

    /// The actor, to be changed.
    pub(super) fn state_mut(&mut self) -> &mut A {
        // SAFETY: as in `state`; `self` is borrowed for as long as this is used.
        unsafe { self.cell.state() }
    }

    /// Calls the hook for a move to the node `to`. `None`: it is ready.
    pub(crate) fn prepare(&mut self, to: &str) -> Option<NotReady> {
        if !A::HAS_ON_MOVE {
            return None;
        }
        self.prepared = true;
        let mut cx = Cx::new(self.cell);
        let refused = life::contain(|| self.state_mut().on_move(&mut cx, to));
        match (refused, cx.take_exit()) {
            (Err(reason), _) => Some(NotReady::Ends(reason)),
            (Ok(_), Some(exit)) => Some(NotReady::Ends(exit.into())),
            (Ok(Err(why)), None) => {
                self.prepared = false;
                Some(NotReady::Stays(why))
            }
            (Ok(Ok(())), None) => None,
        }
    }

    /// It does not leave. If it was prepared to, it starts again.
    pub(super) fn stays(mut self) -> Result<(), ExitReason> {
        if !(self.prepared && A::HAS_ON_START) {
            return Ok(());
        }
        self.addr().note_restored(true);
        let mut cx = Cx::new(self.cell);
        life::contain(|| self.state_mut().on_start(&mut cx))?
            .map_err(|error| ExitReason::failed(&error))?;
        cx.take_exit().map_or(Ok(()), |exit| Err(exit.into()))
    }

    pub(crate) fn addr(&self) -> Addr<A> {
        Addr::to(self.cell)
    }

    /// The names it is registered under, the first one first.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        let names = |extra: &Extra| extra.lock().names();
        self.cell.extra().map_or_else(Vec::new, names)
    }

    /// What it is to its supervisor, if it has one.
    pub(crate) fn role(&self) -> Option<Role> {
        self.cell.keeper()?.role()
    }

    /// What `f` makes of all that waits for the actor, which stays where it is.
    ///
    /// # Errors
    /// [`Opaque`].
    pub(crate) fn look<R>(&self, f: impl FnOnce(&Contents<'_, A::Msg>) -> R) -> Result<R, Opaque> {
        if displaces::<A>() {
            self.set_all_aside();
        }
        let lanes = self.cell.lanes();
        let aside = lanes.map(|lanes| {
            let mut aside = lanes.aside();
            aside.rewind();
            let place: *const Aside<A::Msg> = &raw const *aside;
            // SAFETY: only the consumer touches what is set aside; it is here, and does not while this is used. The lock is
            // given up, as it is for moves only: code of the user's may wait, or lose its stack.
            unsafe { &*place }
        });
        // SAFETY: the right to run is here, and no other consumer is in use.
        let queue = unsafe { self.cell.mailbox.consumer() };
        // SAFETY: as above.
        let urgent = lanes.map(|lanes| unsafe { lanes.urgent.consumer() });
        let timers = timers::lend(self.cell);

        let mut contents = Contents {
            urgent: Vec::new(),
            queue: Vec::new(),
            stash: Vec::new(),
            timers: Vec::new(),
            seen: Seen::default(),
        };
        if let (Some(aside), Some(urgent)) = (aside, &urgent) {
            let ahead = aside.urgent.ahead().chain(peek::<A>(urgent));
            contents.urgent.extend(ahead.map(waiting));
            contents.queue.extend(aside.normal.ahead().map(waiting));
            contents.stash.extend(aside.stash.iter().map(waiting));
        }
        let mut due = timers.iter().flat_map(timers::Lent::due).peekable();
        let in_queue = peek::<A>(&queue);
        let ahead = contents.queue.len();
        contents.seen = Seen {
            urgent: contents.urgent.len(),
            queue: ahead + in_queue.len(),
            stash: contents.stash.len(),
        };
        for at in 0..=in_queue.len() {
            while let Some(it) = due.next_if(|it| queue.ahead_of(it.position) <= at) {
                let msg = it.msg.ok_or(Opaque)?;
                contents.queue.push(Waiting { msg, asked: false });
            }
            contents
                .queue
                .extend(in_queue.get(at).copied().map(waiting));
        }
        for it in timers.iter().flat_map(timers::Lent::pending) {
            contents.timers.push(Set {
                left: it.left,
                period: it.period,
                msg: it.msg.ok_or(Opaque)?,
            });
        }
        Ok(f(&contents))
    }

    /// Sets all aside that is in mailboxes from which senders displace: as much as one of them may hold.
    fn set_all_aside(&self) {
        let lanes = self.cell.lanes_or_new();
        let mut displaced = VecDeque::new();
        // SAFETY: the right to run is here, and no other consumer is in use.
        let (mut queue, mut urgent) =
            unsafe { (self.cell.mailbox.consumer(), lanes.urgent.consumer()) };
        {
            let mut aside = lanes.aside();
            aside.rewind();
            let cap = Cell::<A>::CAP as usize;
            while let Some(envelope) = Cell::<A>::pop(&mut urgent) {
                displaced.extend(aside.urgent.append(envelope, cap));
            }
            while let Some(envelope) = Cell::<A>::pop(&mut queue) {
                displaced.extend(aside.normal.append(envelope, cap));
            }
        }
        let _ = queue.raise(Flags::LANES);
        for oldest in displaced {
            let why = Some(Failure::Displaced);
            unhandled::account(self.cell, oldest, DeadReason::Displaced, why);
        }
    }

    /// See the module, "Leaving". `left` is given the ports of those messages seen that were asked, in their order; `pass` every
    /// message that has come since, until the end, whose reason this returns.
    pub(crate) fn leave(
        self,
        seen: Seen,
        left: impl FnOnce(Vec<Port>),
        mut pass: impl FnMut(A::Msg, Port),
    ) -> ExitReason {
        // SAFETY: the right to run is here, and nobody looks at the state any more: `sys::Visited::Left`.
        let dropped = life::contain(|| unsafe { self.cell.drop_state() });
        let _ = dropped.and(life::contain(|| drop(timers::life_ends(self.cell))));
        let mut ports = Vec::new();
        let mut given_up = |envelope: Option<Envelope<A::Msg>>| {
            let Some(envelope) = envelope else { return };
            if !A::is_kept(&envelope.msg) {
                // It is not in the image, and nobody will handle it.
                let why = DeadReason::Ended(ExitReason::Normal);
                return unhandled::account(self.cell, envelope, why, Some(Failure::Dead));
            }
            if envelope.reply.is_some() {
                envelope.reply.leave_owner();
                ports.push(envelope.reply);
            }
            let _ = life::contain(|| drop(envelope.msg));
        };
        // SAFETY: the right to run is here, and no other consumer is in use.
        let mut queue = unsafe { self.cell.mailbox.consumer() };
        // A suspension is over, or nothing would be passed on.
        let _ = queue.take_flags(Flags::HELD);
        if let Some(lanes) = self.cell.lanes() {
            // SAFETY: as above.
            let mut urgent = unsafe { lanes.urgent.consumer() };
            for _ in 0..seen.urgent {
                let ahead = lanes.aside().urgent.pop();
                given_up(ahead.or_else(|| Cell::<A>::pop(&mut urgent)));
            }
        }
        for _ in 0..seen.queue {
            let ahead = self.cell.lanes().and_then(|it| it.aside().normal.pop());
            given_up(ahead.or_else(|| Cell::<A>::pop(&mut queue)));
        }
        if let Some(lanes) = self.cell.lanes() {
            let stash = mem::take(&mut lanes.aside().stash);
            debug_assert_eq!(stash.len(), seen.stash);
            stash.into_iter().map(Some).for_each(given_up);
        }
        left(ports);
        loop {
            match receive::next_to_pass_on(self.cell) {
                Ok(Envelope { msg, reply }) => {
                    reply.leave_owner();
                    pass(msg, reply);
                }
                Err(_) => return sys::reason_to_end(self.cell),
            }
        }
    }
}

fn waiting<M>(envelope: &Envelope<M>) -> Waiting<'_, M> {
    Waiting {
        msg: &envelope.msg,
        asked: envelope.reply.is_some(),
    }
}

const fn displaces<A: Actor>() -> bool {
    matches!(Cell::<A>::WHEN_FULL, WhenFull::DropOldest)
}

/// What is in a mailbox, if senders leave it there.
fn peek<'c, A: Actor>(consumer: &'c Consumer<'_, Envelope<A::Msg>>) -> Vec<&'c Envelope<A::Msg>> {
    match displaces::<A>() {
        true => Vec::new(), // it has been set aside
        // SAFETY: it is not of that policy.
        false => unsafe { consumer.peek() },
    }
}

// ---- an actor that is about to start -------------------------------------------------------------------------------------

/// What an actor finds when it starts, beside its state.
pub(crate) struct Seed<M> {
    pub(crate) urgent: Vec<(M, Port)>,
    pub(crate) queue: Vec<(M, Port)>,
    pub(crate) stash: Vec<(M, Port)>,
    pub(crate) timers: Vec<Sown<M>>,
}

impl<M> Seed<M> {
    /// For an actor that has its messages.
    pub(crate) fn without_messages(self) -> Self {
        Seed {
            urgent: Vec::new(),
            queue: Vec::new(),
            stash: Vec::new(),
            timers: self.timers,
        }
    }
}

impl<A: Actor> Addr<A> {
    /// Puts `seed` into an actor that is down, whose next life is to find it: in front of what its mailbox holds. For whoever
    /// may restart it.
    pub(crate) fn sow(&self, seed: Seed<A::Msg>) {
        let cell = self.cell();
        let envelope = |(msg, reply): (A::Msg, Port)| {
            reply.hand_to(cell.header());
            Envelope { msg, reply }
        };
        if !(seed.urgent.is_empty() && seed.queue.is_empty() && seed.stash.is_empty()) {
            let lanes = cell.lanes_or_new();
            {
                let mut aside = lanes.aside();
                aside.urgent.prepend(seed.urgent.into_iter().map(envelope));
                aside.normal.prepend(seed.queue.into_iter().map(envelope));
                aside.stash.extend(seed.stash.into_iter().map(envelope));
            }
            cell.raise(Flags::LANES);
        }
        timers::sow(cell, seed.timers);
        self.note_restored(true);
    }

    /// Whether the next life, or the present one, goes on from where another stopped.
    pub(super) fn note_restored(&self, restored: bool) {
        let cell = self.cell();
        if restored {
            let rare = cell.extra_or_new().rare();
            rare.restored.store(true, Ordering::Relaxed);
        } else if let Some(rare) = cell.extra().and_then(Extra::has_rare) {
            rare.restored.store(false, Ordering::Relaxed);
        }
    }
}

impl<A: Actor> Cx<A> {
    /// Whether the actor's present life goes on from a [snapshot](crate::snapshot): its state, timers and messages come from
    /// there. For start hooks, which run in such a life too, and should not set the timers again that it has.
    #[must_use]
    pub fn is_restored(&self) -> bool {
        let rare = self.cell().extra().and_then(Extra::has_rare);
        rare.is_some_and(|rare| rare.restored.load(Ordering::Relaxed))
    }
}

/// See [`Rare`](super::extra::Rare).
pub(super) type Restored = AtomicBool;

// ---- the end of a life ---------------------------------------------------------------------------------------------------

/// Who looks at an actor once more when a life of it ends at a message boundary, behind its stop hook.
pub(crate) trait AtEnd<A: Actor>: Send + Sync {
    /// May wait, as a stop hook may.
    fn life_ends(&self, actor: &Boundary<'_, A>);
}

impl<A: Actor> Addr<A> {
    /// Has `hook` called at the end of this actor's lives. The first one that is given stays.
    pub(crate) fn at_end(&self, hook: Box<dyn AtEnd<A>>) {
        let rare = self.cell().extra_or_new().rare();
        rare.at_end.set(Box::new(Box::new(hook)));
    }
}

/// A life ends at a message boundary, with its state in place.
///
/// # Safety
/// The caller has the right to run.
pub(super) unsafe fn life_ends<A: Actor>(cell: &Cell<A>) {
    let rare = cell.extra().and_then(Extra::has_rare);
    let hook: Option<&Box<dyn Any + Send + Sync>> = rare.and_then(|rare| rare.at_end.get());
    if let Some(hook) = hook.and_then(|it| it.downcast_ref::<Box<dyn AtEnd<A>>>()) {
        hook.life_ends(&Boundary {
            cell,
            prepared: false,
            not_send: PhantomData,
        });
    }
}
