//! An actor's life: starting and ending. What is between is activations (`activation`).
//!
//! # The end, step by step
//! 1. `on_stop`, unless the actor was killed or lost its stack. If it ends at a message boundary, whoever keeps snapshots of it
//!    looks at it once more (`boundary`).
//! 2. The state is dropped. A panic there is contained; it becomes the reason if there was no worse.
//! 3. Supervised: DOWN; the mailbox is suspended with what it holds, and the supervisor is told. It restarts the actor in
//!    the same cell (addresses and queued messages stay), or buries it (step 4).
//! 4. Otherwise DEAD: the mailbox is closed, what it still held is answered with the reason or becomes dead letters, then its
//!    names and memberships are given up, and those who wait for the end are woken.
//!
//! 5. Either way everybody tied to it is told (`ties`): links, monitors. In step 3 that is before the supervisor is.
//!
//! Dead comes before giving up names and memberships (see `held`).

use std::any::Any;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::ptr::NonNull;
use std::sync::atomic::{Ordering, fence};

use tracing::Level;

use crate::observe::{DeadReason, Event};
use crate::rt::error::panic_message;
use crate::rt::header::{After, FAULT, KILLED, PANICS, Runnable, STARTED};
use crate::rt::locals;
use crate::rt::park::{self, Killed};
use crate::rt::runner;
use crate::rt::worker::Worker;
use crate::stack;
use crate::sys::fault::fault;

use super::addr::Addr;
use super::any_addr::AnyAddr;
use super::attend::exit_signal;
use super::boundary;
use super::cell::{Cell, DEAD, DOWN, ENDING, Envelope, RUNNING, STARTING};
use super::cx::Cx;
use super::error::StartError;
use super::exit::{Exit, ExitReason};
use super::extra::Extra;
use super::held;
use super::inbox::Inbox;
use super::lanes;
use super::mailbox::{Consumer, Drain, Flags, Wake};
use super::reply::Failure;
use super::stack::OwnStack;
use super::timers;
use super::traits::Actor;
use super::unhandled::{self, Left};
use super::{sys, ties};

pub(super) use lost::{abandoned, discard_idle, discarded, never_started};

mod lost;

/// How and why an actor ends.
pub(super) struct Ending {
    reason: ExitReason,
    /// Whether `on_stop` is due.
    hook: bool,
    /// Whether it ends at a message boundary, with its state as a handler has left it.
    whole: bool,
    /// It ends because `on_start` failed.
    start_failed: Option<StartError>,
}

impl Ending {
    pub(super) fn for_reason(reason: ExitReason) -> Self {
        let hook = !matches!(reason, ExitReason::Killed | ExitReason::Overflow);
        Ending {
            reason,
            hook,
            whole: hook,
            start_failed: None,
        }
    }

    /// Well, whatever the reason.
    pub(super) fn well(reason: ExitReason) -> Self {
        Ending {
            hook: true,
            whole: true,
            ..Ending::bare(reason, None)
        }
    }

    /// By a panic, which may have left the state half changed.
    pub(super) fn broken(reason: ExitReason) -> Self {
        Ending {
            whole: false,
            ..Ending::for_reason(reason)
        }
    }

    /// Without anything that needs the state.
    pub(super) fn bare(reason: ExitReason, start_failed: Option<StartError>) -> Self {
        Ending {
            reason,
            hook: false,
            whole: false,
            start_failed,
        }
    }
}

/// The first activation of a life: it starts. `Some`: and ends.
#[cold]
#[inline(never)]
pub(super) fn first<A: Actor>(
    cell: &Cell<A>,
    consumer: &mut Consumer<'_, Envelope<A::Msg>>,
) -> Option<Ending> {
    let mut ending = match start(cell, consumer) {
        Ok(None) if A::OWN_STACK => return Some(Ending::bare(live(cell), None)),
        Ok(None) => return None,
        Ok(Some(exit)) => Ending::for_reason(exit.into()),
        Err(ending) => ending,
    };
    ending.hook &= !A::OWN_STACK;
    ending.whole &= !A::OWN_STACK;
    Some(ending)
}

/// Why the flags say that the actor shall end now, if they do.
#[cold]
pub(super) fn asked_to_end<A: Actor>(
    cell: &Cell<A>,
    consumer: &mut Consumer<'_, Envelope<A::Msg>>,
) -> Option<ExitReason> {
    let flags = consumer.flags();
    if flags.contains(Flags::KILL) {
        return Some(ExitReason::Killed);
    }
    let stop = flags.contains(Flags::STOP) && !held::finishes(cell);
    stop.then(|| stop_reason(cell))
}

/// Why `STOP` was raised.
pub(super) fn stop_reason<A: Actor>(cell: &Cell<A>) -> ExitReason {
    let asked = cell.extra().and_then(|extra| extra.lock().stop_for.take());
    asked.unwrap_or(ExitReason::Normal)
}

/// `on_start`. `Some`: it has started, and its hook has asked for its end.
fn start<A: Actor>(
    cell: &Cell<A>,
    consumer: &mut Consumer<'_, Envelope<A::Msg>>,
) -> Result<Option<Exit>, Ending> {
    if !consumer.flags().is_empty()
        && let Some(reason) = asked_to_end(cell, consumer)
    {
        let error = StartError::new(&reason);
        return Err(Ending::bare(reason, Some(error)));
    }
    let mut cx = Cx::new(cell);
    if A::HAS_ON_START {
        // SAFETY: we have the right to run, and the actor is STARTING with its state in place.
        let state = unsafe { cell.state() };
        let (reason, error) = match contain(|| state.on_start(&mut cx)) {
            Ok(Ok(())) => (None, None),
            Ok(Err(error)) => (Some(ExitReason::failed(&error)), Some(error)),
            Err(reason) => {
                let error = StartError::new(&reason);
                (Some(reason), Some(error))
            }
        };
        if let Some(reason) = reason {
            return Err(Ending::bare(reason, error));
        }
    }
    cell.life.store(RUNNING, Ordering::Release);
    announce_start(cell);
    Ok(cx.take_exit())
}

/// Tells whoever waits for the start: see `Addr::wait_started`.
fn announce_start<A: Actor>(cell: &Cell<A>) {
    if A::HAS_ON_START {
        cell.header().set(STARTED);
    }
    if let Some(extra) = cell.extra_in_order()
        && !fault!("call_start_wakes_nobody")
    {
        extra.lock().wake_all();
    }
    if let Some(keeper) = cell.keeper() {
        let incarnation = cell.incarnation.load(Ordering::Relaxed);
        keeper.started(cell.header().id(), incarnation);
    }
}

/// Tells whoever waits for the start that there was none. A supervisor that waits for one which failed is told when it is torn down.
#[cold]
fn announce_failed_start<A: Actor>(cell: &Cell<A>, error: StartError) {
    let mut extra = cell.extra_or_new().lock();
    extra.start_failed = Some(error);
    extra.wake_all();
}

/// The whole life of an actor with its own stack.
fn live<A: Actor>(cell: &Cell<A>) -> ExitReason {
    let _known = OwnStack::note(cell);
    // Taken out inside, so that a large one is moved no more often than need be.
    let life = || {
        // SAFETY: we have the right to run.
        let state = unsafe { cell.take_state() };
        let state = state.expect("a started actor has a state");
        state.run(Inbox::new(cell))
    };
    match contain(life) {
        Ok(exit) => exit_signal(cell).unwrap_or_else(|| exit.into()),
        Err(reason) => reason,
    }
}

/// Calls code of the user's. Nothing unwinds out of this; what would have is turned into the reason.
pub(super) fn contain<R>(f: impl FnOnce() -> R) -> Result<R, ExitReason> {
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(caught)
}

/// What a caught unwinding means. Its payload is dropped.
#[cold]
pub(super) fn caught(payload: Box<dyn Any + Send>) -> ExitReason {
    let reason = cause(&*payload);
    // The payload's destructor is the user's code too. What that panics with is leaked, or there would be no end to it.
    if let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(again);
    }
    reason
}

/// What an unwinding out of an actor's code means.
#[cold]
pub(crate) fn cause(payload: &(dyn Any + Send)) -> ExitReason {
    if payload.is::<Killed>() {
        ExitReason::Killed
    } else if payload.is::<stack::Overflow>() {
        ExitReason::Overflow
    } else {
        ExitReason::Panicked(panic_message(payload).into())
    }
}

/// Ends a life. See the module, "The end".
#[cold]
#[inline(never)]
pub(super) fn end<A: Actor>(
    cell: &Cell<A>,
    mut consumer: Consumer<'_, Envelope<A::Msg>>,
    runnable: Runnable,
    mut ending: Ending,
) -> After {
    let mut reason = ending.reason;
    // The kill has arrived. One that comes from here on ends `on_stop`.
    if cell.header().has(KILLED | PANICS | FAULT) {
        cell.header().clear(KILLED | PANICS | FAULT);
    }
    tell_debts(cell, &reason);
    if consumer.flags().contains(Flags::HELD) {
        // The suspension is over, or no message would wake an `on_stop` that waits for one.
        let _ = consumer.take_flags(Flags::HELD);
    }
    if ending.hook {
        // SAFETY: we have the right to run, and the handlers are done with the state.
        let state = unsafe { cell.state() };
        let mut cx = Cx::new(cell);
        if let Err(later) = contain(|| state.on_stop(&mut cx, &reason)) {
            reason = worse(reason, later);
            ending.whole = false;
        }
    }
    if ending.whole
        // SAFETY: we have the right to run, the hook is done with the state, and that is in place.
        && let Err(later) = contain(|| unsafe { boundary::life_ends(cell) })
    {
        reason = worse(reason, later);
    }
    // SAFETY: we have the right to run.
    if let Err(later) = contain(|| unsafe { cell.drop_state() }) {
        reason = worse(reason, later);
    }
    if cell.extra().is_some()
        && let Err(later) = contain(|| drop(timers::life_ends(cell)))
    {
        reason = worse(reason, later);
    }
    locals::end_of_task();
    runner::release_claim(cell.header());
    if reason == ExitReason::Overflow {
        report_overflow(cell);
    }
    if !cell.has_keeper() {
        bury(cell, consumer, reason);
        // A destructor of what it left may have waited.
        runner::release_claim(cell.header());
        // Last: whoever waits for the start may try again under the same name.
        if let Some(error) = ending.start_failed {
            announce_failed_start(cell, error);
        }
        return After::Done(runnable);
    }
    Worker::here(Worker::stops);
    let _life = runnable.into_raw();
    // What runs on this stack from here on is not the actor's, which may be in its next life, or be gone.
    if let Some(stack) = park::on_stack() {
        stack.begin(std::ptr::null());
    }
    let incarnation = go_down(cell, consumer, &reason);
    tell_keeper(cell, incarnation, reason, ending.start_failed.is_some());
    // The supervisor may have buried it by now, and what came with the life reference with it.
    After::Idle
}

/// Those whose answer the actor owes learn from now on, if they get none, that it is for this reason.
fn tell_debts<A: Actor>(cell: &Cell<A>, reason: &ExitReason) {
    if let Some(rare) = cell.extra().and_then(Extra::has_rare) {
        rare.debts.life_ends(&Failure::of(reason, true));
    }
}

fn worse(reason: ExitReason, later: ExitReason) -> ExitReason {
    if reason.is_clean() { later } else { reason }
}

/// DOWN: the supervisor has the cell from here on. Returns which incarnation it was.
fn go_down<A: Actor>(
    cell: &Cell<A>,
    mut consumer: Consumer<'_, Envelope<A::Msg>>,
    reason: &ExitReason,
) -> u32 {
    let incarnation = cell.incarnation.load(Ordering::Relaxed);
    report_exit(cell, reason);
    // What was asked of this life is not asked of the next.
    let _ = consumer.take_flags(Flags::STOP | Flags::KILL | Flags::SIGNAL | Flags::HELD);
    lanes::keep_for_next_life(cell, Failure::of(reason, false));
    cell.life.store(DOWN, Ordering::Release);
    untie(cell, reason);
    consumer.suspend();
    incarnation
}

/// Tells everybody tied to it that this life has ended: `ties`, E2 to E5.
fn untie<A: Actor>(cell: &Cell<A>, reason: &ExitReason) {
    let ties = cell.extra().and_then(|extra| extra.lock().ties.take());
    if let Some(ties) = ties {
        let me = AnyAddr::of(Addr::to(cell));
        sys::drop_all(ties::announce(&me, *ties, reason));
    }
}

fn tell_keeper<A: Actor>(cell: &Cell<A>, incarnation: u32, reason: ExitReason, start_failed: bool) {
    // The keeper may free the cell as soon as it is told, so it is taken out of it first.
    let Some(keeper) = cell.keeper() else {
        return;
    };
    let actor = cell.header().id();
    if start_failed {
        keeper.start_failed(actor, incarnation, reason);
    } else {
        keeper.exited(actor, incarnation, reason);
    }
}

fn report_exit<A: Actor>(cell: &Cell<A>, reason: &ExitReason) {
    let host = cell.host();
    host.core
        .events
        .emit(Event::exit_level(reason), || Event::Exited {
            who: cell.describe(),
            reason: reason.clone(),
        });
}

/// It ran out of stack, and was unwound in time.
fn report_overflow<A: Actor>(cell: &Cell<A>) {
    let stack_size = park::on_stack().map_or(0, |stack| stack.local().size.get());
    let worker = Worker::here(|worker| worker.shared().index);
    let events = &cell.host().core.events;
    events.emit(Level::ERROR, || Event::Overflow {
        who: cell.describe(),
        worker,
        stack_size,
        abandoned: false,
    });
}

/// Ends the actor for good.
fn bury<A: Actor>(
    cell: &Cell<A>,
    mut consumer: Consumer<'_, Envelope<A::Msg>>,
    reason: ExitReason,
) {
    report_exit(cell, &reason);
    close(cell, &mut consumer, reason);
}

/// DEAD, with everything that follows from it.
fn close<A: Actor>(
    cell: &Cell<A>,
    consumer: &mut Consumer<'_, Envelope<A::Msg>>,
    reason: ExitReason,
) {
    // Whoever finds it dead must find out why.
    if reason != ExitReason::Normal {
        cell.extra_or_new().lock().ended_for = Some(reason.clone());
    }
    cell.life.store(ENDING, Ordering::Release);
    let left = consumer.close();
    if left.len() > 0 || A::HAS_PRIORITIES || cell.lanes().is_some() {
        account_for_all(cell, left, &reason);
    }
    cell.life.store(DEAD, Ordering::Release);
    // Before the look at `extra`, as `wait_for` adds to it before it looks at `life`: one of the two sees the other.
    fence(Ordering::SeqCst);
    if cell.extra_word().is_empty() {
        return; // which all of the rest is about
    }
    let _ = contain(|| drop(timers::life_ends(cell)));
    // Dropped last, and outside of the lock.
    let _keeper = cell.take_keeper();
    let Some(extra) = cell.extra() else { return };
    held::give_up(cell, &reason);
    untie(cell, &reason);
    let others = {
        let mut extra = extra.lock();
        extra.wake_all();
        extra.dependants.take()
    };
    drop(others);
}

/// What was not handled, in the queue, which has been closed, and beside it.
#[cold]
#[inline(never)]
fn account_for_all<A: Actor>(cell: &Cell<A>, left: Drain<Envelope<A::Msg>>, reason: &ExitReason) {
    let (why, dead) = (Failure::of(reason, true), DeadReason::Ended(reason.clone()));
    let mut all = lanes::close(cell, &why);
    if left.len() > 0 {
        all.push(Left::Queue(left));
    }
    unhandled::account_all(cell, all, &dead, &why);
}

// ---- what others ask of an actor -----------------------------------------------------------------------------------------

/// Asks the actor to end at its next message boundary, for `reason`.
pub(super) fn stop<A: Actor>(cell: &Cell<A>, reason: ExitReason) {
    if reason != ExitReason::Normal {
        cell.extra_or_new().lock().stop_for = Some(reason);
    }
    cell.raise(Flags::STOP);
}

/// Ends the actor at its next suspension point, or before its next message.
///
/// A kill is two marks, one for where it waits and one for its next message boundary. The first may end a life before the
/// second is made; under the lock, which [`restart`] takes too, both are of the same life.
pub(super) fn kill<A: Actor>(cell: &Cell<A>) {
    let extra = match cell.has_keeper() {
        true => Some(cell.extra_or_new()),
        false => None,
    };
    let _one_life = extra.map(Extra::lock);
    if cell.life() < DOWN {
        cell.header().kill();
        cell.raise(Flags::KILL);
    }
}

// ---- for the supervisor --------------------------------------------------------------------------------------------------

/// Starts the next life of an actor that is DOWN. What its mailbox holds is handled first.
pub(super) fn restart<A: Actor>(cell: &Cell<A>, state: A) {
    // SAFETY: DOWN, and the caller is its supervisor: the right to run is with it, and nobody else touches the state.
    let mut consumer = unsafe { cell.mailbox.consumer() };
    {
        // What was asked of it while it was down, or came too late for its last life, is not asked of this one.
        let mut extra = cell.extra_or_new().lock();
        extra.stop_for = None;
        cell.header().clear(KILLED | PANICS | FAULT | STARTED);
        let _ = consumer.take_flags(Flags::STOP | Flags::KILL | Flags::SIGNAL);
    }
    // SAFETY: as above.
    unsafe { cell.put_state(state) };
    cell.life.store(STARTING, Ordering::Release);
    // With a flag up there is always something to do, so resuming hands us the duty to schedule.
    if cell.mailbox.raise(Flags::SIGNAL) != Wake::Nobody || cell.mailbox.resume() != Wake::Nobody {
        cell.schedule_first();
    }
}

/// Ends an actor that is DOWN for good, for the reason its last life ended.
pub(super) fn bury_down<A: Actor>(cell: &Cell<A>, reason: ExitReason) {
    // SAFETY: DOWN, and the caller is its supervisor: the right to run is with it.
    let mut consumer = unsafe { cell.mailbox.consumer() };
    close(cell, &mut consumer, reason);
    // SAFETY: the life reference, which was with the suspended mailbox.
    unsafe { crate::rt::header::Header::drop_ref(NonNull::from(cell.header())) };
}
