//! Activations: how an actor handles its messages.
//!
//! Whoever runs the cell has the *right to run*, which is the right to consume the mailbox. It calls `on_start` if that
//! is due, then handles messages as plain function calls, up to `BATCH` of them (twice as many as a turn has reductions, if
//! it runs because a loop has yielded to it, or waits for room: `rt::preempt`), and then
//! - queues itself behind the others, if there may be more (`After::Again`), or
//! - goes idle, by one exchange on the mailbox's word, which fails if a message or a flag came meanwhile, or
//! - ends.
//!
//! Before it goes idle it gives up everything that belongs to running: the claim on a stack that a blocked handler may
//! have taken, the monitor's pointer to it, and the life reference. After the exchange another worker may be running the
//! actor, or have freed it.

use std::mem::MaybeUninit;
use std::panic::{self, AssertUnwindSafe};
use std::ptr::NonNull;

use crate::rt::header::{After, Runnable};
use crate::rt::locals;
use crate::rt::park::{self, Parker};
use crate::rt::preempt;
use crate::rt::worker::Worker;

use super::answer::Reply;
use super::attend::{Attended, attend};
use super::cell::{Cell, Envelope, STARTING};
use super::cx::Cx;
use super::exit::ExitReason;
use super::lanes;
use super::life::{self, Ending};
use super::mailbox::{Consumer, Flags, Next};
use super::reply::{self, Failure};
use super::traits::Actor;

/// Messages an activation handles before others have their turn.
const BATCH: u32 = 128;
/// Batches that it handles at most, if a whole turn was left to it.
const BATCHES: u32 = 2 * preempt::TURN / BATCH;

/// How an activation's messages ran out.
enum Step {
    Batch,
    Idle,
    /// The actor ends: how and why is beside.
    End,
}

/// Runs the actor once. The caller is the runner, on the stack of `stack`, with an entry that carries the right to run.
#[inline(always)]
pub(super) fn activate<A: Actor>(
    cell: &Cell<A>,
    runnable: Runnable,
    stack: &'static Parker,
) -> After {
    if A::OWN_STACK || cell.life() == STARTING {
        // SAFETY: the entry carries the right to run.
        let mut consumer = unsafe { cell.mailbox.consumer() };
        if let Some(ending) = life::first(cell, &mut consumer) {
            return life::end(cell, consumer, runnable, ending);
        }
    }
    // Beside what `handle` returns, which is a register then.
    let mut ending = None;
    let handled = panic::catch_unwind(AssertUnwindSafe(|| handle(cell, stack, &mut ending)));
    let ending = match handled {
        Ok(Step::Idle) => {
            // The life reference has been given up.
            let _ = runnable.into_raw();
            return After::Idle;
        }
        Ok(Step::Batch) => return After::Again(runnable),
        Ok(Step::End) => {
            locals::end_of_task_on(stack);
            ending.expect("how it ends is beside")
        }
        Err(payload) => {
            let reason = life::caught(payload);
            locals::end_of_task_on(stack);
            broken(reason, stack)
        }
    };
    // SAFETY: the entry carries the right to run.
    let consumer = unsafe { cell.mailbox.consumer() };
    life::end(cell, consumer, runnable, ending)
}

/// A handler has unwound, for `reason`: its asker learns it.
#[cold]
#[inline(never)]
fn broken(reason: ExitReason, stack: &Parker) -> Ending {
    let unanswered = stack.local().reply.replace(std::ptr::null_mut());
    // SAFETY: the note is set while a `Reply` holds the port, and one dropped by the unwinding leaves both.
    unsafe { reply::fail_raw(unanswered, Failure::of(&reason, false)) };
    Ending::broken(reason)
}

/// Handles messages, up to a batch, and goes idle if they run out.
///
/// The consumer is made anew for each use: one that is lent to what is rare would have its place in memory.
#[inline(always)]
fn handle<A: Actor>(cell: &Cell<A>, stack: &'static Parker, ending: &mut Option<Ending>) -> Step {
    let mut cx = Cx::new(cell);
    let mut batches = 1;
    let mut left = batch();
    loop {
        if left == 0 {
            // The next activation may be on another thread.
            locals::end_of_task_on(stack);
            if batches == BATCHES || !Worker::here(Worker::is_let_go_first) {
                return Step::Batch;
            }
            batches += 1;
            left = BATCH;
        }
        left -= 1;
        let mut beside = MaybeUninit::uninit();
        let next = match Cell::<A>::POPS_IN_PLACE {
            // SAFETY: the caller has the right to run.
            true => unsafe { cell.mailbox.consumer() }.next(Cell::<A>::CAP),
            false => Next::Flags(cell.mailbox.flags()),
        };
        let place = match next {
            Next::Message(place) => Some(place),
            Next::Nothing => None,
            Next::Flags(flags) => match attend_flags(cell, flags, &mut cx) {
                Attend::Message(message) => Some(NonNull::from(beside.write(message))),
                Attend::Again => continue,
                Attend::Idle => None,
                Attend::End(ends) => {
                    *ending = Some(ends);
                    return Step::End;
                }
            },
        };
        let Some(place) = place else {
            match go_idle(cell, stack, ending) {
                Some(step) => return step,
                None => continue,
            }
        };
        // SAFETY: the message is ours, and is moved out of its place here, field by field (see `mailbox::block`).
        let (msg, reply) = unsafe {
            let place = place.as_ptr();
            (
                (&raw mut (*place).msg).read(),
                (&raw mut (*place).reply).read(),
            )
        };
        // SAFETY: we have the right to run, and nothing else refers to the state between messages.
        let state = unsafe { cell.state() };
        let reply = Reply::new(reply, &stack.local().reply);
        park::fault_point();
        state.handle(msg, reply, &mut cx);
        let unanswered = stack.local().reply.get();
        if !unanswered.is_null() {
            stack.local().reply.set(std::ptr::null_mut());
            // SAFETY: the handler has returned, so its `Reply` is gone; a note that is still there was left by an
            // unwinding which the handler itself caught.
            unsafe { reply::fail_raw(unanswered, Failure::Dropped) };
        }
        if cx.wants_exit() {
            *ending = cx.take_exit().map(|exit| Ending::for_reason(exit.into()));
            return Step::End;
        }
    }
}

/// How many messages an activation handles before others have their turn.
#[inline(always)]
fn batch() -> u32 {
    // One at a time where every interleaving is wanted.
    #[cfg(feature = "testing")]
    if crate::rt::worker::is_driven_here() {
        return 1;
    }
    BATCH
}

/// There is no message left. `None`: but now there is something to do.
#[inline(always)]
fn go_idle<A: Actor>(
    cell: &Cell<A>,
    stack: &'static Parker,
    ending: &mut Option<Ending>,
) -> Option<Step> {
    // The next activation may be on another thread.
    locals::end_of_task_on(stack);
    if !Worker::here(|worker| worker.may_idle(cell.header())) {
        // Nobody would schedule it again.
        *ending = Some(Ending::for_reason(ExitReason::Shutdown));
        return Some(Step::End);
    }
    // SAFETY: the caller has the right to run.
    if let Ok(()) = unsafe { cell.mailbox.consumer() }.go_idle(Cell::<A>::CAP) {
        return Some(Step::Idle);
    }
    Worker::here(|worker| worker.starts(cell.header()));
    None
}

/// What an activation does next, after a look at its flags.
enum Attend<M> {
    Message(Envelope<M>),
    Again,
    Idle,
    End(Ending),
}

/// Does what `flags` ask for, or else takes the next message, where there is one beside the queue or the queue is not popped in
/// place.
#[cold]
#[inline(never)]
fn attend_flags<A: Actor>(cell: &Cell<A>, mut flags: Flags, cx: &mut Cx<A>) -> Attend<A::Msg> {
    // SAFETY: the caller has the right to run.
    let mut consumer = unsafe { cell.mailbox.consumer() };
    if !flags.without(Flags::LANES.with(Flags::TIMERS)).is_empty() {
        if let Some(next) = attend_requests(cell, &mut consumer, cx) {
            return next;
        }
        flags = consumer.flags();
    }
    lanes::next(cell, &mut consumer, flags).map_or(Attend::Idle, Attend::Message)
}

/// Does one thing that is asked for beside the messages. `None`: it is the messages' turn.
fn attend_requests<A: Actor>(
    cell: &Cell<A>,
    consumer: &mut Consumer<'_, Envelope<A::Msg>>,
    cx: &mut Cx<A>,
) -> Option<Attend<A::Msg>> {
    if let Some(reason) = life::asked_to_end(cell, consumer) {
        return Some(Attend::End(Ending::for_reason(reason)));
    }
    let attended = attend(cell, consumer, cx);
    if let Some(exit) = cx.take_exit() {
        return Some(Attend::End(Ending::for_reason(exit.into())));
    }
    Some(match attended {
        Attended::Messages => return None,
        Attended::Again => Attend::Again,
        Attended::Suspended => Attend::Idle,
        // Whatever the reason, the actor is well.
        Attended::Exit(reason) => Attend::End(Ending::well(reason)),
        // Half changed, that is: the hook is due, but it is not whole.
        Attended::Broken(reason) => Attend::End(Ending::broken(reason)),
        // There is nothing to end any more but its address.
        Attended::Left(reason) => Attend::End(Ending::bare(reason, None)),
    })
}
