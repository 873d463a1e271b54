//! A scheduler that its owner drives: microthreads on one thread, in an order that is known.
//!
//! It needs neither a [`Runtime`](crate::Runtime) nor any thread but the caller's. A game loop runs it for a slice of each
//! frame; a simulation runs it in virtual time, always the same way; a program takes it as what Stackless Python's
//! scheduler is, whose vocabulary this is. What waits elsewhere waits here: locks and signals of [`sync`](crate::sync), sleeps,
//! joins, [`microthread_local!`](crate::microthread_local) and [`shield`](crate::microthread::shield) work as in a runtime.
//!
//! ```
//! use actor_core::local::{self, Budget, Outcome, Scheduler};
//! use actor_core::microthread;
//! use std::time::Duration;
//!
//! let sched = Scheduler::new();
//! for _ in 0..3 {
//!     sched.spawn(|| {
//!         for _step in 0..1000 {
//!             local::schedule().unwrap();
//!         }
//!     });
//! }
//! // A frame: at most five milliseconds, everybody stays where they are.
//! let mut frames = 0;
//! while let Outcome::Expired = sched.run_for(Budget::time(Duration::from_millis(5)).total().soft())? {
//!     frames += 1; // draw
//! }
//! assert_eq!(sched.alive(), 0);
//! # Ok::<(), local::RunError>(())
//! ```
//!
//! # Words
//! - *ring*: those that can run, in the order in which they will. The one that runs is *current*, and at its head.
//! - *paused*: alive, and neither in the ring nor blocked. *blocked*: waiting for something.
//! - *main*: the microthread of [`Scheduler::main`]: it is told when nobody else could ever wake it.
//!
//! # In which order
//! | call | what it does to the ring |
//! |---|---|
//! | [`Scheduler::spawn`], [`spawn`], [`TaskletRef::insert`], whatever wakes a blocked one | it goes to the end |
//! | [`schedule`], [`yield_now`](crate::microthread::yield_now) | the current one goes to the end, the next runs |
//! | [`schedule_remove`] | the current one is paused, the next runs |
//! | [`TaskletRef::run`] | that one runs; the current one and all others keep their places |
//! | [`TaskletRef::switch`] | that one runs; the current one is paused |
//! | [`TaskletRef::kill`], [`TaskletRef::throw`] | as `run`, if it has started |
//! | [`run`] | the current one leaves the ring, and goes on when that is empty, the innermost such caller first |
//!
//! # Where it runs
//! On the stack of whoever drives it, which may be a microthread of a runtime or of another local scheduler: while it is driven
//! it is that one's turn. When nobody in it is ready it waits there as any code does. A kill of that one unwinds out of the run;
//! the scheduler stays as it is. What its microthreads cannot do is let others of the runtime run for their own sake: they are
//! parts of whoever drives them. Blocking I/O on a thread that is no worker's blocks that thread.
//!
//! Migratable functions are members of the ring as well ([`Scheduler::spawn_migratable`]), and own no stack:
//! see [`migratable::Tasklet`](crate::migratable::Tasklet).

// # How it runs
// ```text
//   root, Inner::drive:   ┌─► head of the ring ──► resume its stack ──┐   the code there rearranges the ring,
//                         │                                           │   then leaves its stack (`Inner::leave`)
//                         └───────────────────────────────────────────┘
//                         ring empty: the innermost watcher goes on, or the root returns
// ```
// What owns no stack (`machine`) is given one for each turn, and rearranges the ring where the turn ends.
//
// All decisions are made by the code that runs, before it leaves: it takes itself out of the ring, puts others in, turns
// the ring to whom it wants next. The loop only resumes the head. So the order of everything is a function of the
// calls that were made. A stack yields to the loop that resumed it and nowhere else: a scheduler inside a microthread of
// another, or of a runtime, is one that runs on its stack.
//
// # Waiting
// A microthread here waits as everywhere (`rt::park`): its parker's home is the scheduler. Unparked from its own thread
// while one of the scheduler's stacks runs, it goes to the end of the ring at once. Unparked otherwise, it goes through an
// inbox (`shared`), which the loop empties now and then, and always before it finds that nothing is ready; then it may wait
// for the inbox where it is driven, parked like any other code there.
//
// A wait that can be interrupted (`rt::wait`) is refused where it would be a *deadlock*: the caller is the last in the
// ring, no run waits, no timer is set, nobody waits for something outside, and the scheduler was not told to wait for other
// threads. The same is found out when the ring becomes empty while the main microthread waits: it gets the error.
//
// # Rejected
// - *Sharing the worker's ready list*: a worker owes nobody an order and takes whom it wants; here every member must be
//   reachable in constant time, to leave the ring or to be jumped to.
// - *The main microthread on the root's stack*, as in Stackless: then code could only be driven from where it was entered, and
//   a scheduler inside a microthread would have to switch on behalf of a stack it does not own.

mod budget;
mod calls;
mod drive;
mod entry;
mod error;
mod handle;
mod hooks;
mod inner;
pub(crate) mod machine;
mod remote;
mod ring;
mod scheduler;
mod shared;
mod task;
mod tasklet;
#[cfg(all(test, not(loom)))]
mod tests;
mod watch;

pub use budget::{Budget, Outcome, RunError, Uncaught};
pub use calls::{
    atomic, current, run, run_count, run_for, schedule, schedule_remove, spawn, switch_trap,
};
pub(crate) use entry::{
    checkpoint, choose, clock, hand_over, is_trapped, let_go, may_hand_over, now, pass,
    suspend_parked, turn_is_over, wait, wake, yield_now,
};
pub use error::{StateError, ThrowError};
pub use handle::TaskletRef;
pub use hooks::{ChannelEvent, ChannelHook, ErrorHandler, ScheduleHook};
pub(crate) use hooks::{channel_event, in_hook, watches_channels};
pub use remote::RemoteTasklet;
pub use scheduler::{Builder, Scheduler, TaskletBuilder};
#[cfg(all(test, loom))]
pub(in crate::rt) use shared::Outer;
pub(crate) use shared::Shared;
pub use tasklet::Tasklet;
