//! A direct call: an ask whose actor is idle runs it at once, on another stack, while the asker's stands still. So does a spawn
//! that waits for the actor's start.
//!
//! # The problem
//! An asker that parks goes back to its worker's root, which resumes a runner, which runs the actor that was asked, which wakes
//! the asker, which is resumed by the root: four switches, three exchanges on the asker's token, one on the slot, and a return
//! address that the processor predicts wrongly for each frame of the asker's that is left after the last switch. But this
//! worker was going to run that actor next, and nothing else before it that the asker could notice.
//!
//! # Steps
//! ```text
//!   root: ─► resumes A ·································································► A parks, or goes on
//!   A:        asks, and the mailbox was idle: C1 C2 ─┐                     ┌─► C4: answered? goes on
//!   runner:                                          └► C3: runs the actor ┘   else waits, as any asker does
//! ```
//! - **C1** The asker has put its message into an idle mailbox, so it has the actor's runnable in hand. It gives that to the
//!   worker as what a runner shall run first.
//! - **C2** It resumes an idle stack of the pool, as the root would, but from its own stack: the runner comes back to it. To the
//!   root the asker's stack is running all the while.
//! - **C3** The runner runs that one runnable and, finding that it was called, comes back and looks for no other. If the actor
//!   waits half-way its stack comes back suspended, and is put aside under its parker, as the root would: whoever
//!   resumes it next is whom it comes back to then.
//! - **C4** The asker raises what is due, and looks whether it has been answered, before it would park. A call is a wake-up
//!   without cause that comes at once.
//!
//! Calls nest, as a called actor may ask another that is idle: each on a stack of its own. They end in reverse order, since
//! each is a resumption.
//!
//! # The answer
//! While a call is under way its asker stands still, below the code that runs, on the same thread. So if what answers is this
//! thread, and the slot is that of the innermost call, then neither side of the slot can do anything meanwhile but the answer,
//! and the answer is a store instead of an exchange; and nobody need be woken, by C4. Others may look at the word (`actor::waits`),
//! which is atomic. Answers from elsewhere, or to a call that is not the innermost, or that is over, exchange and wake.
//!
//! # A wait for what is queued
//! Who waits for an answer to a request, which was sent before, has no runnable in hand: the actor is somewhere in a queue. If that is
//! this worker's, the root would resume a runner next, and that would run what is queued up to the answer. So the waiter does
//! ([`run_queued_for`](Worker::run_queued_for)): C2 with nothing to run first, and at C3 the runner takes from the queues, as any
//! runner does, until [`DRAWS`] have run, or nothing is left, or the root must be let in. It does not come back at once when one
//! that ran here has answered: what is behind that in the queue was there before the waiter could go on, and is most often
//! another that the waiter has requested something of. An answer from another thread is found at C4. A slot that somebody is registered in
//! already is waited for as ever.
//!
//! # A start
//! Whoever spawns an actor that has a start hook waits for it, so the same holds: nothing would be gained by another worker's doing
//! it. A flag in the actor's header says that it has started (`actor::start`, `wait_started`), and the spawner looks at that.
//!
//! # What stays as it was
//! - *Kills.* One that comes for the asker while it stands still leaves a permit, and is raised at C4; until then its worker is
//!   busy, so it could not have come to it sooner.
//! - *Turns.* Each call counts, so that a stack which only calls has a turn of 128 of them. After the last it has its answer, and lets
//!   the others go on before it does: if it parked with its question unanswered, those that ask the same actor meanwhile would find
//!   that busy, and have to park as well. Where the root is due already, or the runtime ends, the actor is queued and the asker
//!   parks. If others wait in the queue then, it is queued behind them.
//! - *The limit of stacks.* An asker that stands still has no claim on a stack, though it may have to wait after all. So who asks
//!   in a call is refused when those that stand still here would use up what is left (`Worker::may_wait`).
//! - *Overflow.* A called stack that is abandoned is left to the root, which has room for the rest: the worker notes it.
//! - *Nothing else is called*: an actor with its own stack or with a stack of another size, or where the asker's
//!   stack may not be suspended or is a local scheduler's, and in a driven runtime, whose every step somebody decides.
//!
//! # Seeded faults
//! | fault | what it breaks | caught by |
//! |---|---|---|
//! | `call_any_slot` | whatever is answered in a call counts as an answer to it | `an_answer_to_another_in_a_call_wakes_that` (does not end) |
//! | `call_goes_on` | a runner that was called looks for more to run | `what_is_asked_alone_runs_before_the_asker_goes_on` |
//! | `call_forget_outer` | a call that ends forgets the one around it | `what_is_asked_in_a_call_alone_runs_before_the_asker_goes_on` |
//! | `call_start_wakes_nobody` | who waits for a start that was called, and has waited, is not woken | `a_start_that_waits_is_waited_for` (does not end) |
//! | `call_skip_kill` | no kill is raised at C4 | `an_asker_that_is_killed_in_its_call_ends_there` |
//! | `call_no_turns` | a call is no step | `an_asker_that_only_calls_lets_others_run` (does not end) |
//! | `call_keeps_turn` | an asker whose turn is over goes on, and parks with its next question | `askers_take_turns_and_find_who_they_ask_idle` |
//! | `call_draws_one` | a runner that takes from the queues takes one | `who_waits_for_a_request_lets_what_is_queued_go_first` |
//! | `call_forget_lost` | the root does not learn of a stack that was abandoned in a call | `an_overflow_in_a_call_is_told` (does not end) |

use std::ptr;
use std::sync::Arc;

use crate::rt::core::Core;
use crate::rt::header::Runnable;
use crate::rt::park;
use crate::rt::park::Parker;

use crate::stack::{Resumed, Stack};
use crate::sys::fault::fault;

use super::{CURRENT, Handoff, Worker};

/// How many runnables run at most before who waits for a request parks.
#[cfg(not(loom))]
const DRAWS: u32 = 16;
/// Set in what is called for if the runner takes from the queues.
const DRAWING: usize = 1;

/// Whether the caller, who answers into `slot`, is the actor, or what that called in turn, that the asker of `slot` has called and
/// stands still for: see the [module](self), "The answer".
#[inline]
#[cfg(not(loom))]
pub(crate) fn is_called_for(slot: *mut ()) -> bool {
    Worker::with(|worker| {
        worker.is_some_and(|worker| {
            let calling = worker.calling.get();
            ptr::eq(calling, slot)
                || ptr::eq(calling, drawing(slot))
                || fault!("call_any_slot") && !calling.is_null()
        })
    })
}

/// What a worker notes of a wait for `slot` by what is queued.
#[inline]
#[cfg(not(loom))]
fn drawing(slot: *mut ()) -> *mut () {
    slot.map_addr(|at| at | DRAWING)
}

impl Worker {
    /// Runs `runnable`, an idle actor that the caller has asked something and is about to wait for, or queues it. The answer
    /// comes into `slot`. `asker` is [the caller's](park::current). Gives it back if this thread is no worker of `core`.
    ///
    /// Raises a kill of the caller's.
    #[inline(always)]
    pub(crate) fn call_or_queue(
        core: &Arc<Core>,
        asker: &'static Parker,
        runnable: Runnable,
        slot: *mut (),
    ) -> Option<Runnable> {
        let Some(worker) = Worker::one_of(core) else {
            return Some(runnable);
        };
        match worker.may_call(asker, &runnable) {
            true => worker.call(asker, runnable, slot),
            false => worker.queue_asked(runnable),
        }
        None
    }

    /// Runs what is queued here until `slot` has been answered, or not at all: the caller, whose parker is `asker`, is about to
    /// wait for that, and nobody is registered in it.
    ///
    /// Raises a kill of the caller's.
    #[cfg(not(loom))]
    pub(crate) fn run_queued_for(asker: &'static Parker, slot: *mut ()) {
        let Some(worker) = Worker::current() else {
            return;
        };
        let first_in_turn = worker.ready.borrow().is_empty() && worker.yielded.borrow().is_empty();
        if first_in_turn
            && !worker.shared.queue.is_empty()
            && worker.may_stand_still(asker)
            && worker.may_wait()
        {
            let outer = worker.draws.replace(match fault!("call_draws_one") {
                true => 1,
                false => DRAWS,
            });
            worker.resume_runner(asker, None, drawing(slot));
            // A wait in what another has drawn leaves that no more than it had.
            worker.draws.set(outer.min(worker.draws.get()));
        }
    }

    /// C3: whether the runner that was called shall take from the queues.
    #[inline]
    pub(super) fn may_draw(&self) -> bool {
        if self.calling.get().addr() & DRAWING == 0 {
            return fault!("call_goes_on");
        }
        let left = self.draws.get();
        self.draws.set(left.saturating_sub(1));
        left > 0
    }

    /// Runs `runnable`, an actor that is to start and whose start the caller is about to wait for, or queues it as what may take
    /// long. `starter` is the caller's parker. Else as [`call_or_queue`](Self::call_or_queue).
    pub(crate) fn call_start_or_queue(
        core: &Arc<Core>,
        starter: &'static Parker,
        runnable: Runnable,
    ) -> Option<Runnable> {
        let Some(worker) = Worker::one_of(core) else {
            return Some(runnable);
        };
        if worker.may_call(starter, &runnable) {
            let actor = runnable.as_ptr().cast_mut().cast();
            worker.call(starter, runnable, actor);
        } else if worker.root_is_due() {
            // The next thing here all the same.
            worker.queue_asked(runnable);
        } else {
            worker.push_unstarted(runnable);
        }
        None
    }

    /// The worker whose thread this is. Not through [`with`](Self::with): what is switched in is to be inlined, and a closure of
    /// this size is not.
    #[inline(always)]
    pub(in crate::rt) fn current<'a>() -> Option<&'a Worker> {
        // SAFETY: the worker is on this thread's stack, or what calls would not run; and stacks do not change threads.
        unsafe { CURRENT.get().as_ref() }
    }

    /// As [`current`](Self::current), if it is one of `core`.
    #[inline(always)]
    fn one_of<'a>(core: &Arc<Core>) -> Option<&'a Worker> {
        Worker::current().filter(|worker| Arc::ptr_eq(&worker.core, core))
    }

    /// Whether the stack of `asker`, who calls, may stand still for `runnable`.
    #[inline(always)]
    fn may_call(&self, asker: &'static Parker, runnable: &Runnable) -> bool {
        runnable.header().stack_size() == 0 && self.may_stand_still(asker)
    }

    /// Whether the stack of `asker`, who calls, may stand still.
    #[inline(always)]
    fn may_stand_still(&self, asker: &'static Parker) -> bool {
        #[cfg(feature = "testing")]
        if self.is_driven() {
            return false;
        }
        !self.root_is_due() && asker.may_stand_still() && !self.core.is_stopping()
    }

    /// Whether the caller may wait without going beyond the limit, if all that stand still here have to wait too: there is room, or
    /// it has its claim.
    #[inline]
    pub(crate) fn may_wait(&self) -> bool {
        self.core.budget.has_room_for(self.open_calls.get()) || self.holds_claim()
    }

    #[inline(always)]
    fn call(&self, asker: &'static Parker, runnable: Runnable, slot: *mut ()) {
        if let Some(left) = self.resume_runner(asker, Some(runnable), slot) {
            self.queue_asked(left);
        } else if self.root_is_due() && self.calling.get().is_null() && !fault!("call_keeps_turn") {
            park::yield_now();
        }
    }

    /// Resumes a runner, which runs `first`. Gives that back if there is no stack.
    #[inline(always)]
    fn resume_runner(
        &self,
        asker: &'static Parker,
        first: Option<Runnable>,
        slot: *mut (),
    ) -> Option<Runnable> {
        let runner = match self.spare.take() {
            Some(spare) => Ok(spare),
            None => self.take_runner(0),
        };
        let Ok((mut stack, runner)) = runner else {
            return first;
        };
        if !fault!("call_no_turns") {
            self.steps.set(self.steps.get() + 1);
        }
        self.first.set(first); // C1
        let outer = self.calling.replace(slot);
        self.open_calls.set(self.open_calls.get() + 1);
        let resumed = stack.resume(); // C2, C3
        self.open_calls.set(self.open_calls.get() - 1);
        self.calling.set(match fault!("call_forget_outer") {
            true => ptr::null_mut(),
            false => outer,
        });
        if resumed == Resumed::Suspended && matches!(self.handoff.get(), Some(Handoff::Idle)) {
            self.keep(stack, runner);
        } else {
            self.came_back(resumed, stack, runner);
        }
        self.starts(asker.edge().task());
        if !fault!("call_skip_kill") {
            asker.raise_kill_if_due(); // C4
        }
        None
    }

    /// Keeps a runner for the next call, or gives it back: calls that nest leave several.
    #[inline(always)]
    fn keep(&self, stack: Stack, runner: &'static Parker) {
        if let Some((other, _)) = self.spare.replace(Some((stack, runner))) {
            self.give(other);
        }
    }

    /// Queues an actor that is not called.
    #[cold]
    fn queue_asked(&self, runnable: Runnable) {
        if self.root_is_due() && self.shared.queue.stealable() > 0 {
            self.push(runnable);
        } else {
            self.push_next(runnable);
        }
    }
}
