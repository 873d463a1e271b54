//! How others reach an actor.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use crate::observe::Who;
use crate::registry::Erased;
use crate::rt::header::{HOLDS_STACK, Header, STARTED};
use crate::rt::park::{self, Parker};
use crate::rt::wait;
use crate::rt::worker::Worker;
use crate::stack;
use crate::sys::asym;

use super::boundary::Seed;
use super::cell::{Cell, DEAD, DOWN, ENDING, Envelope};
use super::cycle::WaitCycle;
use super::delivery;
use super::error::{AskError, SpawnError, TellError};
use super::exit::ExitReason;
use super::extra::{Dependants, Extra, Keeper, State, Waits};
use super::host::Host;
use super::life;
use super::pending::Pending;
use super::reply::{self, Failure, Port, Receiver, ReplyError};
use super::traits::Actor;
use super::waits::{self, Waiter, Waiting};

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
        check_stack();
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
        check_stack();
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
        check_stack();
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

    // ---- spawning ---------------------------------------------------------------------------------------------------

    /// Starts an actor in `host`. If it has an `on_start`, waits for that.
    pub(crate) fn spawn(
        host: &Arc<Host>,
        actor: A,
        name: Option<Arc<str>>,
    ) -> Result<Self, SpawnError> {
        Self::spawn_tied(host, actor, name, |_| {})
    }

    /// As [`spawn`](Self::spawn), and calls `tie` with its address before it runs.
    pub(crate) fn spawn_tied(
        host: &Arc<Host>,
        actor: A,
        name: Option<Arc<str>>,
        tie: impl FnOnce(&Self),
    ) -> Result<Self, SpawnError> {
        check_stack();
        check_may_start::<A>(host)?;
        let waits = A::HAS_ON_START;
        let extra = name.is_some().then(Box::<Extra>::default);
        if let (Some(extra), Some(name)) = (&extra, &name) {
            extra.lock().name = Some(name.clone());
        }
        let addr = Self::adopt(Cell::create(host, Some(actor), extra));
        if let Some(name) = name
            && let Err(taken) = host.registry.register(name, addr.clone())
        {
            addr.never_started();
            return Err(SpawnError::NameTaken(taken));
        }
        addr.note_claim();
        addr.report_spawned();
        tie(&addr);
        let begun = || {
            // The runtime may have been stopped since `check_may_start`, and its last look at idle actors be over: see `Core::stop`.
            asym::light();
            if host.core.is_stopping() {
                host.sweep();
            }
        };
        if waits {
            addr.wait_started(|starter| {
                addr.cell().start(starter);
                begun();
            })?;
        } else {
            if A::OWN_STACK {
                addr.begin();
            }
            begun();
        }
        Ok(addr)
    }

    /// Starts an actor under all of these names, which finds `seed`. If it has an `on_start`, waits for that. `tie` is called
    /// with its address before it runs. What comes for it by its names before that waits behind what it finds.
    pub(crate) fn spawn_seeded(
        host: &Arc<Host>,
        actor: A,
        names: &[Arc<str>],
        seed: Seed<A::Msg>,
        tie: impl FnOnce(&Self),
    ) -> Result<Self, SpawnError> {
        check_stack();
        let addr = Self::adopt(Cell::create(host, None, Some(Box::default())));
        addr.cell().incarnation.store(0, Ordering::Relaxed);
        for name in names {
            if let Err(taken) = host.registry.register(name.clone(), addr.clone()) {
                addr.bury(ExitReason::Shutdown);
                return Err(SpawnError::NameTaken(taken));
            }
        }
        tie(&addr);
        if let Err(error) = addr.restart(actor, Some(seed)) {
            addr.bury(ExitReason::Shutdown);
            return Err(error);
        }
        // As in `spawn_tied`.
        asym::light();
        if host.core.is_stopping() {
            host.sweep();
        }
        if A::HAS_ON_START {
            addr.wait_started(|_| ())?;
        }
        Ok(addr)
    }

    /// An actor with no life yet: [`restart`](Self::restart) gives it its first. For supervisors.
    pub(crate) fn prepare(
        host: &Arc<Host>,
        name: Option<Arc<str>>,
        keeper: Arc<dyn Keeper>,
    ) -> Self {
        let extra = Box::<Extra>::default();
        {
            let mut extra = extra.lock();
            extra.name = name;
            extra.keeper = Some(keeper);
        }
        let addr = Self::adopt(Cell::create(host, None, Some(extra)));
        addr.cell().incarnation.store(0, Ordering::Relaxed);
        addr
    }

    /// Gives an actor that is down its next life, which finds `seed`, and returns which it is. For its supervisor, which alone may call this,
    /// and only between being told of the last end and the next call.
    ///
    /// # Errors
    /// The stack limit, or the runtime ends: it stays down, and the state is dropped.
    pub(crate) fn restart(&self, state: A, seed: Option<Seed<A::Msg>>) -> Result<u32, SpawnError> {
        if self.cell().life() != DOWN {
            return Err(SpawnError::ShuttingDown); // it has been discarded
        }
        check_may_start::<A>(self.cell().host())?;
        let cell = self.cell();
        let incarnation = cell.incarnation.load(Ordering::Relaxed) + 1;
        cell.incarnation.store(incarnation, Ordering::Relaxed);
        self.note_claim();
        self.report_spawned();
        self.note_restored(false);
        if let Some(seed) = seed {
            self.sow(seed);
        }
        life::restart(cell, state);
        Ok(incarnation)
    }

    /// Ends an actor that is down for good. For its supervisor, as with [`restart`](Self::restart). Does nothing if the
    /// runtime has done so already.
    pub(crate) fn bury(&self, reason: ExitReason) {
        if self.cell().life() == DOWN {
            life::bury_down(self.cell(), reason);
        }
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

    /// Notes the claim on a stack that `check_may_start` has taken for it.
    fn note_claim(&self) {
        if A::OWN_STACK {
            self.cell().header().set(HOLDS_STACK);
        }
    }

    pub(super) fn report_spawned(&self) {
        let cell = self.cell();
        cell.host()
            .core
            .events
            .emit(tracing::Level::TRACE, || crate::Event::Spawned {
                who: cell.describe(),
            });
    }

    /// Schedules the first activation of an actor that was created scheduled.
    fn begin(&self) {
        self.cell().schedule_first();
    }

    /// Undoes the creation of an actor whose name was taken.
    fn never_started(&self) {
        let cell = self.cell();
        if A::OWN_STACK {
            cell.host().core.budget.release();
        }
        life::never_started(cell);
    }

    /// Waits until it has started. `begin`, called first with the caller's parker, sees to it that it runs, and may run it here.
    ///
    /// Most have started then, and nobody was told: STARTED says so. For those that have not, the wait is as any other, in the
    /// extra part, which is made now. Whoever announces a start sets STARTED and then looks for that part; who waits makes it and
    /// then looks at STARTED; all four are sequentially consistent, so one of them sees the other. A part that was there before
    /// is found by the announcer, and the list is under its lock.
    fn wait_started(&self, begin: impl FnOnce(&'static Parker)) -> Result<(), SpawnError> {
        let cell = self.cell();
        let header = cell.header();
        {
            let starter = park::current();
            // Until it parks the wait is its own: others see it, and see its end by STARTED.
            let on = waits::on_start(header);
            let _waiting = Waiter::at(starter).map(|waiter| waiter.waits_for(on));
            begin(starter);
        }
        if header.has(STARTED) {
            return Ok(());
        }
        let started = |state: &mut State| match state.start_failed.take() {
            Some(error) => Some(Err(SpawnError::Start(error))),
            None => header.has_in_order(STARTED).then_some(Ok(())),
        };
        match wait_for(cell, waits::on_start(header), None, started) {
            Ok(started) => started.expect("there is no deadline"),
            Err(path) => {
                self.kill();
                Err(SpawnError::Deadlock(path))
            }
        }
    }
}

/// Whether an actor of this type may start now; takes its claim on a stack if it needs one from the start.
fn check_may_start<A: Actor>(host: &Arc<Host>) -> Result<(), SpawnError> {
    if host.core.is_stopping() {
        return Err(SpawnError::ShuttingDown);
    }
    if A::OWN_STACK && !host.core.budget.try_acquire() {
        return Err(SpawnError::StackLimit {
            limit: host.core.budget.limit(),
        });
    }
    Ok(())
}

/// Waits until `done` gives something, or `deadline` (`None` then). Whoever changes what `done` looks at wakes all waiters in
/// the cell's extra part afterwards. An actor that waits without a deadline has an edge to the cell's (`waits`).
///
/// # Errors
/// The circle that its wait would close.
fn wait_for<A: Actor, R>(
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
    check_stack();
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

/// An ask of `to`, to whom `push` leads. Inlined up to the calls that users make, as what switches stacks is.
#[inline(always)]
pub(super) fn ask_by<M, T: Send + 'static, E>(
    to: &Header,
    msg: M,
    within: Option<Duration>,
    push: impl FnOnce(M, Port, &'static Parker, Until<'_>) -> Result<(), TellError<M>>,
) -> Result<T, AskError<M, E>> {
    let deadline = within.and_then(wait::after);
    if !may_block() {
        return Err(AskError::StackLimit(msg));
    }
    let asker = park::current();
    let (reply, mut receiver) = reply::slot_waiting_at::<T>(asker);
    reply.hand_to(to);
    let waiting = match deadline {
        None => Waiter::at(asker).map(|waiter| waiter.waits_for(receiver.as_raw())),
        Some(_) => None,
    };
    let until = match &waiting {
        Some(waiting) => Until::Answered(waiting),
        None => Until::Deadline(deadline),
    };
    push(msg, reply, asker, until).map_err(undelivered)?;
    if let Some(answer) = receiver.take_sent() {
        return Ok(answer);
    }
    wait_for_answer(receiver, waiting, deadline).map_err(no_answer)
}

#[inline(never)]
fn wait_for_answer<T: Send + 'static>(
    mut receiver: Receiver<T>,
    waiting: Option<Waiting>,
    deadline: Option<Instant>,
) -> Result<T, ReplyError> {
    match waiting {
        Some(_waiting) => receiver.wait_until(None),
        None => receiver.wait(deadline),
    }
}

/// How long a message may wait for room.
#[derive(Clone, Copy)]
pub(super) enum Until<'a> {
    /// Until then, if there is one.
    Deadline(Option<Instant>),
    /// For ever: it is asked by an actor that others see wait for the answer. (waits: P2, P3, and the fast path)
    Answered(&'a Waiting),
}

/// Unwinds a caller that is about to run out of stack, while there is room for that. Each call of the runtime that users may
/// recurse through begins with it.
#[inline]
pub(super) fn check_stack() {
    if stack::check_headroom().is_err() && !std::thread::panicking() {
        stack::raise_overflow();
    }
}

/// Whether the caller may block without going beyond the stack limit.
#[inline]
fn may_block() -> bool {
    Worker::with(|worker| worker.is_none_or(Worker::may_wait))
}

#[cold]
pub(super) fn undelivered<M, E>(error: TellError<M>) -> AskError<M, E> {
    match error {
        TellError::Closed(msg) => AskError::Closed(msg),
        TellError::Full(msg) | TellError::Timeout(msg) => AskError::Full(msg),
        TellError::Deadlock { message, path } => AskError::Deadlock {
            message: Some(message),
            path,
        },
    }
}

#[cold]
pub(super) fn no_answer<M, E>(error: ReplyError) -> AskError<M, E> {
    match error {
        ReplyError::Timeout => AskError::Timeout,
        ReplyError::NoReply(Failure::Deadlock(path)) => AskError::Deadlock {
            message: None,
            path,
        },
        ReplyError::NoReply(Failure::Displaced) => AskError::Displaced,
        ReplyError::NoReply(failure) => AskError::NoReply(life::exit_reason(failure)),
    }
}
