//! How others reach an actor.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use crate::observe::Who;
use crate::registry::Erased;
use crate::rt::header::Header;
use crate::rt::park::{self, Parker};
use crate::rt::wait;

use super::ask::{ask_by, undelivered};
use super::cell::{Cell, DEAD, DOWN, ENDING, Envelope};
use super::cycle::WaitCycle;
use super::delivery::{self, Until};
use super::error::{AskError, TellError};
use super::exit::ExitReason;
use super::extra::{Dependants, Extra, State, Waits};
use super::host::Host;
use super::life;
use super::pending::Pending;
use super::reply::{self, Port, Receiver};
use super::traits::Actor;
use super::waits::{self, Waiter};

/// The address of an actor: send it messages, ask it, stop it, wait for it.
///
/// Cloning is cheap. An address stays valid when a supervisor restarts the actor; what was queued and not handled is
/// handled by the next life. Once the actor has ended for good every operation says so, and gives the message back.
///
/// Holding an address does not keep the actor alive, and dropping all of them does not end it.
///
/// # What is promised
/// Between one sender and one actor, messages arrive in order, each at most once; a message is in the mailbox when the
/// send returns. A message the actor never handled is given back (the send failed), answered with an error (it was
/// asked), or is a [`DeadLetter`](crate::DeadLetter). Messages of one sender with different
/// [priorities](crate::Priority) are in order among their like.
pub struct Addr<A: Actor> {
    cell: NonNull<Cell<A>>,
}

// SAFETY: an address is a counted reference to a cell, which is Sync and Send.
unsafe impl<A: Actor> Send for Addr<A> {}
// SAFETY: as above.
unsafe impl<A: Actor> Sync for Addr<A> {}

impl<A: Actor> Clone for Addr<A> {
    #[inline]
    fn clone(&self) -> Self {
        Addr::to(self.cell())
    }
}

impl<A: Actor> Drop for Addr<A> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the address's own reference.
        unsafe { Header::drop_ref(self.cell.cast()) }
    }
}

impl<A: Actor> PartialEq for Addr<A> {
    /// Whether both lead to the same actor.
    fn eq(&self, other: &Self) -> bool {
        self.cell == other.cell
    }
}

impl<A: Actor> Eq for Addr<A> {}

impl<A: Actor> Hash for Addr<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

impl<A: Actor> fmt::Debug for Addr<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Addr({}#{})", Cell::<A>::type_label(), self.id())
    }
}

impl<A: Actor> Erased for Addr<A> {
    fn id(&self) -> u64 {
        Addr::id(self)
    }

    fn is_alive(&self) -> bool {
        Addr::is_alive(self)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn who(&self) -> Who {
        Addr::who(self)
    }

    fn note_name(&self, name: &Arc<str>) {
        Addr::note_name(self, name);
    }

    fn forget_name(&self, name: &str) {
        Addr::forget_name(self, name);
    }

    fn stop(&self) {
        Addr::stop(self);
    }

    fn kill(&self) {
        Addr::kill(self);
    }
}

impl<A: Actor> Addr<A> {
    /// One more address of `cell`'s actor.
    #[inline]
    pub(super) fn to(cell: &Cell<A>) -> Self {
        cell.header().add_ref();
        Addr {
            cell: NonNull::from(cell),
        }
    }

    #[inline]
    pub(super) fn cell(&self) -> &Cell<A> {
        // SAFETY: the address holds a reference.
        unsafe { self.cell.as_ref() }
    }

    // ---- verbs ------------------------------------------------------------------------------------------------------

    /// The messages of the actor, as calls that return when the message is in the mailbox. While a bounded mailbox is full
    /// the caller waits, unless the actor has another [policy](crate::WhenFull).
    #[inline]
    pub fn tell(&self) -> A::Tell<'_> {
        self.into()
    }

    /// As [`tell`](Self::tell), but a full mailbox is an error, with the message in it.
    #[inline]
    pub fn try_tell(&self) -> A::TryTell<'_> {
        self.into()
    }

    /// The messages of the actor, as calls that return the handler's answer. The calling microthread (or thread) waits; there
    /// is no deadline unless `within` sets one.
    #[inline]
    pub fn ask(&self) -> A::Ask<'_> {
        self.into()
    }

    /// As [`ask`](Self::ask), but each call returns a [`Pending`] answer at once, so that several actors work in parallel.
    #[inline]
    pub fn request(&self) -> A::Request<'_> {
        self.into()
    }

    /// Puts a message into the mailbox; waits while a bounded one is full, or does what the actor's
    /// [policy](crate::WhenFull) says.
    ///
    /// # Errors
    /// [`TellError::Closed`], with the message, if the actor has ended; [`TellError::Full`] if that is the policy.
    #[inline]
    pub fn send(&self, msg: A::Msg) -> Result<(), TellError<A::Msg>> {
        self.push(msg, Port::none(), Until::Deadline(None))
    }

    /// Puts a message into the mailbox if there is room.
    ///
    /// # Errors
    /// [`TellError::Full`] or [`TellError::Closed`], with the message.
    #[inline]
    pub fn try_send(&self, msg: A::Msg) -> Result<(), TellError<A::Msg>> {
        park::check_stack();
        let cell = self.cell();
        let envelope = Envelope {
            msg,
            reply: Port::none(),
        };
        delivery::deliver(cell, envelope, delivery::try_enter::<A>).map_err(|(refused, _)| refused)
    }

    /// As [`push`](Self::push), of a message that is asked by whoever's parker is `asker`, and who waits for the answer next. An
    /// idle actor may have answered when this returns.
    #[inline(always)]
    pub(super) fn push_asked(
        &self,
        msg: A::Msg,
        reply: Port,
        asker: &'static Parker,
        until: Until<'_>,
    ) -> Result<(), TellError<A::Msg>> {
        park::check_stack();
        let cell = self.cell();
        let mut envelope = Envelope { msg, reply };
        if !A::OWN_STACK && !delivery::is_urgent::<A>(&envelope.msg) {
            let slot = envelope.reply.as_raw();
            match cell.mailbox.push_to_idle(envelope) {
                Ok(()) => {
                    cell.run_asked(asker, slot);
                    park::switch_point();
                    return Ok(());
                }
                Err(back) => envelope = back,
            }
        }
        self.push_busy(envelope, until)
    }

    /// The actor is not idle, or not to be called.
    #[inline(never)]
    fn push_busy(
        &self,
        envelope: Envelope<A::Msg>,
        until: Until<'_>,
    ) -> Result<(), TellError<A::Msg>> {
        if let Until::Answered(waiting) = until
            && let Some(path) = waiting.circle()
        {
            let message = envelope.msg;
            return Err(TellError::Deadlock { message, path });
        }
        let cell = self.cell();
        delivery::deliver(cell, envelope, |lane, envelope| {
            delivery::enter(cell, lane, envelope, until)
        })
        .map_err(|(refused, _)| refused)
    }

    #[inline]
    pub(super) fn push(
        &self,
        msg: A::Msg,
        reply: Port,
        until: Until<'_>,
    ) -> Result<(), TellError<A::Msg>> {
        park::check_stack();
        let cell = self.cell();
        let envelope = Envelope { msg, reply };
        delivery::deliver(cell, envelope, |lane, envelope| {
            delivery::enter(cell, lane, envelope, until)
        })
        .map_err(|(refused, _)| refused)
    }

    /// As [`send`](Self::send), with the port of somebody who waits for the answer already. If the message is not accepted, they
    /// are told that there is none.
    #[cfg_attr(
        any(not(test), loom),
        expect(dead_code, reason = "for the protocol that moves actors")
    )]
    pub(crate) fn pass_on(&self, msg: A::Msg, reply: Port) -> Result<(), TellError<A::Msg>> {
        reply.hand_to(self.cell().header());
        self.push(msg, reply, Until::Deadline(None))
    }

    // ---- life -------------------------------------------------------------------------------------------------------

    /// The actor's id, unique in its system. A restart does not change it.
    pub fn id(&self) -> u64 {
        self.cell().header().id()
    }

    /// Whether the actor has not ended for good.
    pub fn is_alive(&self) -> bool {
        self.cell().life() < ENDING
    }

    /// Messages waiting in the mailbox, in all its lanes; those [stashed](crate::Cx::stash) not counted. A snapshot.
    pub fn queued(&self) -> usize {
        self.cell().queued()
    }

    /// Asks the actor to end when the message it is handling is done, before those that are queued. Returns at once; its
    /// `on_stop` hook runs. Of one that has ended nothing is asked. One with its own stack sees its inbox closed.
    pub fn stop(&self) {
        life::stop(self.cell(), ExitReason::Normal);
    }

    /// As [`stop`](Self::stop), with a reason for the hook and for whoever waits.
    pub(crate) fn stop_for(&self, reason: ExitReason) {
        life::stop(self.cell(), reason);
    }

    /// Ends the actor at its next suspension point, by unwinding, or else before its next message. Returns at once. Its
    /// `on_stop` hook does not run, its destructors do. A supervisor restarts it as after any abnormal end.
    pub fn kill(&self) {
        life::kill(self.cell());
    }

    /// Waits until the actor has ended for good, and says why.
    ///
    /// # Panics
    /// In an actor for which this one waits, itself or through others: the wait would never end. So also where an actor waits
    /// for its own end. [`try_join`](Self::try_join) returns that as an error.
    #[track_caller]
    pub fn join(&self) -> ExitReason {
        match self.try_join() {
            Ok(reason) => reason,
            Err(path) => panic!("`join` of {self:?} would never end: {path}"),
        }
    }

    /// As [`join`](Self::join), for callers that may be actors which this one waits for.
    ///
    /// # Errors
    /// The path of the deadlock that the wait would be.
    pub fn try_join(&self) -> Result<ExitReason, WaitCycle> {
        let ended = self.wait_end(None)?;
        Ok(ended.expect("there is no deadline"))
    }

    /// As [`join`](Self::join), for at most `timeout`; `None` if it has not ended by then.
    pub fn join_timeout(&self, timeout: Duration) -> Option<ExitReason> {
        // Without a deadline if `timeout` is beyond what the clock can tell.
        self.wait_end(wait::after(timeout)).ok()?
    }

    pub(super) fn wait_end(
        &self,
        deadline: Option<Instant>,
    ) -> Result<Option<ExitReason>, WaitCycle> {
        let cell = self.cell();
        wait_for(cell, waits::on_actor(cell.header()), deadline, |state| {
            let ended = || state.ended_for.clone().unwrap_or(ExitReason::Normal);
            (cell.life() == DEAD).then(ended)
        })
    }

    // ---- for generated code -----------------------------------------------------------------------------------------

    #[doc(hidden)]
    #[inline]
    pub fn __tell(&self, msg: A::Msg) -> Result<(), TellError<A::Msg>> {
        self.send(msg)
    }

    #[doc(hidden)]
    #[inline]
    pub fn __try_tell(&self, msg: A::Msg) -> Result<(), TellError<A::Msg>> {
        self.try_send(msg)
    }

    #[doc(hidden)]
    #[inline]
    pub fn __ask<T: Send + 'static>(
        &self,
        msg: A::Msg,
        within: Option<Duration>,
    ) -> Result<T, AskError<A::Msg>> {
        self.ask_as(msg, within)
    }

    #[doc(hidden)]
    #[inline]
    pub fn __ask_result<T: Send + 'static, E: Send + 'static>(
        &self,
        msg: A::Msg,
        within: Option<Duration>,
    ) -> Result<T, AskError<A::Msg, E>> {
        self.ask_as::<Result<T, E>, E>(msg, within)?
            .map_err(AskError::Handler)
    }

    #[inline(always)]
    fn ask_as<T: Send + 'static, E>(
        &self,
        msg: A::Msg,
        within: Option<Duration>,
    ) -> Result<T, AskError<A::Msg, E>> {
        ask_by(
            self.cell().header(),
            msg,
            within,
            |msg, reply, asker, until| self.push_asked(msg, reply, asker, until),
        )
    }

    #[doc(hidden)]
    pub fn __request<T: Send + 'static>(&self, msg: A::Msg) -> Pending<T, A::Msg> {
        Pending::plain(self.request_as(msg))
    }

    #[doc(hidden)]
    pub fn __request_result<T: Send + 'static, E: Send + 'static>(
        &self,
        msg: A::Msg,
    ) -> Pending<T, A::Msg, E> {
        Pending::fallible(self.request_as(msg))
    }

    fn request_as<T: Send + 'static, E>(
        &self,
        msg: A::Msg,
    ) -> Result<Receiver<T>, AskError<A::Msg, E>> {
        let (reply, receiver) = reply::slot::<T>();
        reply.hand_to(self.cell().header());
        self.push(msg, reply, Until::Deadline(None))
            .map_err(undelivered)?;
        Ok(receiver)
    }

    /// Who is told if the actor's state is lost with its stack.
    pub(crate) fn set_dependants(&self, dependants: Arc<dyn Dependants>) {
        self.cell().extra_or_new().lock().dependants = Some(dependants);
    }

    /// Whether it is alive and not between two lives.
    pub(crate) fn is_up(&self) -> bool {
        self.cell().life() < DOWN
    }

    /// Where it lives.
    pub(crate) fn host(&self) -> &Arc<Host> {
        self.cell().host()
    }

    /// How it is named in events.
    pub(crate) fn who(&self) -> Who {
        self.cell().describe()
    }

    /// Takes over one reference to a live cell.
    pub(super) fn adopt(cell: NonNull<Cell<A>>) -> Self {
        Addr { cell }
    }

    /// Whether a supervisor decides what becomes of it.
    pub(super) fn is_supervised(&self) -> bool {
        self.cell().has_keeper()
    }
}

/// Waits until `done` gives something, or `deadline` (`None` then). Whoever changes what `done` looks at wakes all waiters in
/// the cell's extra part afterwards. An actor that waits without a deadline has an edge to the cell's (`waits`).
///
/// # Errors
/// The circle that its wait would close.
pub(super) fn wait_for<A: Actor, R>(
    cell: &Cell<A>,
    on: *mut (),
    deadline: Option<Instant>,
    done: impl Fn(&mut State) -> Option<R>,
) -> Result<Option<R>, WaitCycle> {
    struct Retract<'a>(&'a Extra, &'static park::Parker);
    impl Drop for Retract<'_> {
        fn drop(&mut self) {
            self.0.lock().waiters.retain(|it| {
                let mine = std::ptr::eq(it.parker, self.1);
                if mine {
                    it.end();
                }
                !mine
            });
        }
    }
    park::check_stack();
    let extra = cell.extra_or_new();
    let parker = park::current();
    let waiter = waits::here().filter(|_| deadline.is_none());
    let _retract = Retract(extra, parker);
    loop {
        let mut begins = false;
        {
            let mut state = extra.lock();
            if let Some(done) = done(&mut state) {
                return Ok(Some(done));
            }
            let waits = &mut state.waiters;
            if !waits.iter().any(|it| std::ptr::eq(it.parker, parker)) {
                begins = waiter.is_some();
                let wait = waiter.map(|it| it.publish(on));
                waits.push(Waits { parker, wait });
            }
        }
        // Whoever changes what `done` looks at then looks for waiters: see `life::close`.
        fence(Ordering::SeqCst);
        if let Some(done) = done(&mut extra.lock()) {
            return Ok(Some(done));
        }
        if begins && let Some(path) = waiter.and_then(Waiter::circle) {
            return Err(path);
        }
        if !park::park_until(deadline) {
            return Ok(done(&mut extra.lock()));
        }
    }
}
