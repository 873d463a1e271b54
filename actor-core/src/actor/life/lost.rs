//! Ends that an actor does not see to itself: its stack is lost, the runtime ends and will not run it any more, or it was never to start.

use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use super::{
    announce_failed_start, bury, close, contain, go_down, report_exit, tell_debts, tell_keeper,
};
use crate::actor::cell::{Cell, STARTING};
use crate::actor::error::StartError;
use crate::actor::exit::ExitReason;
use crate::actor::extra::Extra;
use crate::actor::mailbox::{Flags, Wake};
use crate::actor::reply::{self, Failure};
use crate::actor::timers;
use crate::actor::traits::Actor;
use crate::rt::header::{FAULT, HOLDS_STACK, Header, KILLED, PANICS};
use crate::rt::park::Parker;

/// The stack on which the actor ran is lost, with whatever it was doing. On the worker's root.
#[cold]
pub(in crate::actor) fn abandoned<A: Actor>(cell: &Cell<A>, stack: &'static Parker) {
    let lost: *mut () = stack.local().reply.replace(std::ptr::null_mut());
    // SAFETY: the port lies in the abandoned frames, which will never run again, and cannot have left them: `Reply` does
    // not outlive the call of the handler, and clears the note before the port is used up.
    unsafe { reply::fail_raw(lost, Failure::Overflow) };
    if let Some(rare) = cell.extra().and_then(Extra::has_rare) {
        rare.debts.life_is_lost(&Failure::Overflow);
    }
    // The abandoned frames keep theirs; this is the life reference from now on.
    cell.header().add_ref();
    // SAFETY: the right to run was on that stack, and is nobody's now but ours.
    let consumer = unsafe {
        cell.leak_state();
        cell.mailbox.consumer()
    };
    // Its claim on the stack is never given back: not now, nor by its next life.
    cell.header().clear(KILLED | PANICS | FAULT | HOLDS_STACK);
    let _ = contain(|| drop(timers::life_ends(cell)));
    let dependants = cell.extra().and_then(|it| {
        let mut extra = it.lock();
        extra.stack = None;
        extra.dependants.take()
    });
    if let Some(dependants) = dependants {
        dependants.orphaned();
    }
    let starting = cell.life() == STARTING;
    if cell.has_keeper() {
        let incarnation = go_down(cell, consumer, &ExitReason::Overflow);
        return tell_keeper(cell, incarnation, ExitReason::Overflow, starting);
    }
    bury(cell, consumer, ExitReason::Overflow);
    if starting {
        announce_failed_start(cell, StartError::new(&ExitReason::Overflow));
    }
    // SAFETY: the life reference taken above.
    unsafe { Header::drop_ref(NonNull::from(cell.header())) };
}

/// The runtime ends and will not run the actor again. The caller has its right to run, and drops the life reference.
#[cold]
pub(in crate::actor) fn discarded<A: Actor>(cell: &Cell<A>) {
    // SAFETY: the queue entry carried the right to run.
    let mut consumer = unsafe { cell.mailbox.consumer() };
    tell_debts(cell, &ExitReason::Shutdown);
    // SAFETY: as above.
    let _ = contain(|| unsafe { cell.drop_state() });
    let starting = cell.life() == STARTING;
    report_exit(cell, &ExitReason::Shutdown);
    let keeper = cell.keeper();
    close(cell, &mut consumer, ExitReason::Shutdown);
    if starting {
        announce_failed_start(cell, StartError::new(&ExitReason::Shutdown));
    }
    if let Some(keeper) = keeper {
        keeper.exited(
            cell.header().id(),
            cell.incarnation.load(Ordering::Relaxed),
            ExitReason::Shutdown,
        );
    }
}

/// The runtime ends: an actor that is idle, and that nobody will schedule any more, has ended.
#[cold]
pub(in crate::actor) fn discard_idle<A: Actor>(cell: &Cell<A>) {
    // The right to run one with its own stack stays with that stack, if it has started; if not, with its queue entry.
    if A::OWN_STACK {
        return;
    }
    let wake = cell.mailbox.raise(Flags::KILL);
    if wake != Wake::Actor {
        // The right to run is with a handler; if that listens, it hears of it.
        cell.wake(wake);
    } else {
        // It was idle, so the right to run is ours now.
        discarded(cell);
        // SAFETY: the life reference, which came with the right to run.
        unsafe { Header::drop_ref(NonNull::from(cell.header())) };
    }
}

/// The actor shall not start after all: its name is taken. The caller created it.
pub(in crate::actor) fn never_started<A: Actor>(cell: &Cell<A>) {
    // One that has a start is created scheduled, and nobody else has handed it over. One that has none is created idle, and
    // a shutdown's walk over all actors may have scheduled it: then the walk's stop ends it.
    if !A::OWN_STACK && !A::HAS_ON_START && cell.mailbox.raise(Flags::KILL) == Wake::Nobody {
        return;
    }
    // SAFETY: so the creator has the right to run.
    let mut consumer = unsafe { cell.mailbox.consumer() };
    // SAFETY: as above.
    let _ = contain(|| unsafe { cell.drop_state() });
    close(cell, &mut consumer, ExitReason::Shutdown);
    // SAFETY: the life reference.
    unsafe { Header::drop_ref(NonNull::from(cell.header())) };
}
