//! A seeded scheduler: the same actors and microthreads, one thread, virtual time, and every choice from a seed.
//!
//! [`check`] runs a test body many times, each time in a system of its own, and each time in another order. When a run fails, the
//! test fails with a *seed*; `ACTOR_SEED=n cargo test name` replays that run, step by step. [`Explorer`] has the settings: how
//! choices are made ([`Policy`]), what goes wrong ([`Faults`]), how long a run may be.
//!
//! A lost update: each of two microthreads reads, lets others run, and writes.
//!
//! ```
//! use actor_core::microthread;
//! use actor_core::testing::{Explorer, Reason};
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
//!
//! let body = |_: &actor_core::System| {
//!     let n = Arc::new(AtomicU32::new(0));
//!     let adders: Vec<_> = (0..2)
//!         .map(|_| {
//!             let n = n.clone();
//!             microthread::spawn(move || {
//!                 let seen = n.load(SeqCst);
//!                 microthread::yield_now();
//!                 n.store(seen + 1, SeqCst);
//!             })
//!         })
//!         .collect();
//!     adders.into_iter().for_each(|it| it.join().unwrap());
//!     assert_eq!(n.load(SeqCst), 2);
//! };
//! let failure = Explorer::new().run(body).unwrap_err();
//! assert!(matches!(failure.reason, Reason::Panic { .. }));
//! // The seed replays it: the same failure by the same steps.
//! let again = Explorer::new().seed(failure.seed).run(body).unwrap_err();
//! assert_eq!(again.trace.hash, failure.trace.hash);
//! ```
//!
//! # What is decided
//! - Who runs next, among all that are ready, at each wait, each `yield_now`, the end of each message's handler and, unless
//!   [switched off](Explorer::switch_points), after each message sent and each microthread spawned. An actor handles one message at
//!   a time before others may run.
//! - Which of several timers due at the same instant goes first, and whether a deadline that has come goes before what is ready:
//!   a reply and the deadline of its ask arrive in either order.
//! - Which ready branch a select takes.
//!
//! # Time
//! Time stands still while anything is ready and jumps to the next deadline when nothing is: an hour's sleep takes no time. Every
//! deadline and pause of this crate follows it. [`elapsed`] and [`advance`] read and move the clock. (What gives way is ready: a loop
//! of `yield_now` that waits for the time does not see it pass, and ends at the step limit. Let it sleep.)
//!
//! # What fails
//! A panic of the body; a deadlock (nothing is ready, no deadline is set), with the names of all that wait; too many steps; code
//! that holds the thread. A failed run is replayed once, and if its trace differs, that is the failure:
//! [`Reason::TraceMismatch`]. Whatever is left after a failure is killed and unwound.
//!
//! # What is outside
//! OS threads, the machine's clock (`Instant::now`), `RandomState`, sockets, tokio's clients: none of it is decided, nor recorded.
//! A run that depends on it cannot be replayed, and a wait for it looks like a deadlock.
//! [`blocking(f)`](crate::microthread::blocking) calls `f` on the spot, so `f` must not wait for what another microthread does,
//! unless by a call of this crate. A `std` lock held across a wait may block the only thread, and so may a destructor that waits
//! while a panic unwinds; both are reported as [`Reason::Stuck`].
//!
//! # Files
//! `explorer` sets up and repeats runs; `director` makes the choices of one and keeps its `trace`; `policy` says how; `faults`,
//! `time` and `probe` are what their names say. The worker's side is `rt::worker::driven`.

mod director;
mod explorer;
mod failure;
mod faults;
mod policy;
mod probe;
mod time;
mod trace;

pub use explorer::{Explorer, Report};
pub use failure::{Failure, Reason};
pub use faults::{Fault, Faults, When};
pub use policy::Policy;
pub use probe::{Probe, ProbeActor};
pub use time::{advance, elapsed};
pub use trace::{Entry, Happening, Trace};

use crate::System;

/// A point at which others may run, although the caller has nothing to wait for: between two accesses to memory that microthreads
/// share, where two workers could interleave. Raises no kill. Does nothing outside a run of the seeded scheduler, or in one
/// whose [switch points](Explorer::switch_points) are off.
pub fn switch_point() {
    crate::rt::park::switch_point();
}

/// Runs `body` under the seeded scheduler a hundred times, with a hundred seeds.
///
/// # Panics
/// With the first failure: what went wrong, the seed, the end of the trace, and how to replay it. As
/// [`Explorer::check`] with the defaults of [`Explorer::new`].
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::testing;
///
/// #[actor]
/// struct Counter {
///     n: u64,
/// }
///
/// #[actor]
/// impl Counter {
///     pub fn add(&mut self, by: u64) {
///         self.n += by;
///     }
///     pub fn get(&self) -> u64 {
///         self.n
///     }
/// }
///
/// testing::check(|sys| {
///     let counter = sys.spawn(Counter { n: 0 }).unwrap();
///     let other = counter.clone();
///     let adder = microthread::spawn(move || other.tell().add(2));
///     counter.tell().add(1).unwrap();
///     adder.join().unwrap().unwrap();
///     assert_eq!(counter.ask().get().unwrap(), 3);
/// });
/// ```
#[track_caller]
pub fn check(body: impl Fn(&System) + Send + Sync + 'static) {
    Explorer::new().check(body);
}
