//! Preemption at checkpoints: how a loop that never waits still shares its worker.
//!
//! Nothing interrupts code that runs on a stack of ours. What can be done is to count: each pass of a `#[preemptible]` loop, each
//! `checkpoint()`, each receive of an actor's, and each pass of a migratable function's loop that has waits in it, is a *reduction*,
//! as Erlang calls it, and after [`TURN`] of them the *turn* is over.
//!
//! # Steps
//! 1. Whatever starts or resumes on a worker begins a turn ([`begin_turn`]).
//! 2. A reduction takes one off what is left: a load, a subtraction and a store of a thread-local, inlined where it is made.
//! 3. In a loop, at every [`LOOK`]th reduction, what is due is raised: an overflow; a kill, also that of a runtime that ends.
//!    `checkpoint()`, which is written where it matters, raises at each.
//! 4. When nothing is left the turn is over. The worker is asked whether anything else would run if this let go
//!    ([`Worker::turn_is_over`]): a stack that is ready or has yielded, a runnable, mail, the injector; descriptors and timers
//!    after every few turns, as only the root looks at them. If so, the microthread yields; if not, it begins another turn.
//! 5. In a loop the turn is over before that if many more runnables wait here than at its first look: it wakes others faster
//!    than they would run. They run while what they have been told is in the cache (a loop over ten thousand idle actors: 46 ns a
//!    message; 104 ns if all 4,096 passes go first). What waited before the loop does not count, or a busy worker's loops would never
//!    have whole turns.
//!
//! Whoever yields, or waits for room in a mailbox, lets one runnable go first before other stacks have their turn, and if that is an
//! actor it may handle twice as many messages as a turn has reductions (`actor::activation`). Otherwise several loops that tell one actor
//! would outrun it: its mailbox would fill with all they have to say; or, if it has a bound, each would wait for room time and
//! again, for few messages.
//!
//! # What follows
//! - A loop notices a kill at the latest after [`LOOK`] passes, `checkpoint()` at once.
//! - Counted, not timed: under the seam a run is the same each time. How long a turn takes depends on the loop; the monitor
//!   goes on watching that.
//! - Where nothing may be suspended (`no_suspend`, while a panic unwinds, a user's own generator, a thread that is no
//!   worker's) a turn that is over begins again and nothing else happens.
//! - The count is the thread's, not the microthread's: what a worker resumes begins a turn, whatever ran there before.
//! - A local scheduler ([`super::local`]) lets nobody go first but by its own rules. There a turn that is over is one of
//!   whoever drives it, who is asked to give way at the next switch.
//!
//! # Seeded faults
//! | fault | what it breaks | caught by |
//! |---|---|---|
//! | `preempt_no_end` | a turn that is over begins again, and nothing yields | `a_turn_that_is_over_lets_go_on_what_waits` |
//! | `preempt_blind` | step 5 is left out | `what_a_loop_has_woken_goes_before_its_turn_is_over` |
//! | `preempt_counts_all` | at step 5, what waited before the loop counts | `what_waited_before_a_loop_waits_for_its_whole_turn` |
//! | `yield_to_nobody` | who yields is ready at once | `who_yields_goes_on_when_what_waited_has_run_and_before_what_came_since` |
//! | `yield_not_due` | who has yielded waits until nothing is queued | `who_yields_goes_on_when_what_waited_has_run_and_before_what_came_since` |
//! | `yield_to_stacks` | who lets go lets other stacks go first | `who_lets_go_lets_one_runnable_go_before_other_stacks` |

use std::cell::Cell;

use super::local;
use super::park::{self, Parker};
use super::worker::Worker;
use crate::sys::fault::fault;

#[cfg(all(test, not(loom)))]
mod tests;

/// Reductions in a turn.
pub(crate) const TURN: u32 = 4096;
/// A loop looks at what is due after so many reductions. A power of two that divides [`TURN`].
pub(crate) const LOOK: u32 = 64;
const _: () = assert!(LOOK.is_power_of_two() && TURN.is_multiple_of(LOOK));

thread_local! {
    /// What is left of the turn: never 0 between two calls.
    static LEFT: Cell<u32> = const { Cell::new(TURN) };
}

/// Something starts or resumes on this thread. Step 1.
#[inline]
pub(super) fn begin_turn() {
    LEFT.set(TURN);
}

/// One reduction. Gives what is left.
#[inline(always)]
fn reduce() -> u32 {
    let left = LEFT.get() - 1;
    LEFT.set(left);
    left
}

/// A pass of a loop.
#[inline(always)]
pub(crate) fn back_edge() {
    if reduce() & (LOOK - 1) == 0 {
        look();
    }
}

/// Step 3, in a loop.
#[cold]
#[inline(never)]
fn look() {
    let left = LEFT.get();
    if left == 0 {
        turn_over();
    } else if has_woken_many(left == TURN - LOOK) {
        begin_turn();
        park::yield_now();
    }
    park::checkpoint();
}

/// Step 5. `first`: this is the first look of a turn.
fn has_woken_many(first: bool) -> bool {
    may_let_go()
        && Worker::with(|worker| worker.is_some_and(|it| it.queue_has_grown(first)))
        && !fault!("preempt_blind")
}

/// A checkpoint written by hand.
#[inline]
pub(crate) fn checkpoint() {
    if reduce() == 0 {
        turn_over();
    }
    park::checkpoint();
}

/// Step 4.
#[cold]
#[inline(never)]
fn turn_over() {
    // First: what follows may unwind.
    begin_turn();
    if !local::turn_is_over() && !fault!("preempt_no_end") {
        give_way();
    }
}

/// Yields if anything else would run here.
pub(super) fn give_way() {
    if others_would_run() {
        park::yield_now();
    }
}

/// Whether this worker could run others meanwhile.
fn may_let_go() -> bool {
    park::may_suspend() && !park::on_stack().is_some_and(Parker::is_local)
}

fn others_would_run() -> bool {
    may_let_go() && Worker::with(|worker| worker.is_some_and(|worker| worker.turn_is_over()))
}

/// A migratable function has come to a checkpoint: a reduction. `true`: it is to be suspended there, as its turn is over and others
/// would run, or as it has been killed.
#[inline]
pub(super) fn passed() -> bool {
    let left = reduce();
    left & (LOOK - 1) == 0 && look_at_pass(left)
}

#[cold]
#[inline(never)]
fn look_at_pass(left: u32) -> bool {
    if left == 0 {
        begin_turn();
    }
    let killed = || park::suspendable().is_some_and(Parker::is_ending);
    if killed() {
        return true;
    }
    if left == 0 && local::turn_is_over() {
        return local::pass() == Some(true);
    }
    local::pass().unwrap_or_else(|| left == 0 && others_would_run())
}
