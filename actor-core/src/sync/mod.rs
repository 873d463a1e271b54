//! Locks and signals that park the microthread instead of blocking its thread.
//!
//! [`Mutex`], [`RwLock`], [`Condvar`] and [`Barrier`] have `std`'s names and rules, poisoning included; [`Semaphore`] and
//! [`Notify`] have tokio's. Each works between microthreads, workers and plain OS threads in any mixture: where the caller
//! is no microthread, its thread blocks. A `std` lock held across a suspension can deadlock its own worker; these cannot, unless
//! they are waited for in a destructor while a panic unwinds.
//!
//! ```
//! use actor_core::sync::Mutex;
//! use actor_core::{Runtime, microthread};
//! use std::sync::Arc;
//!
//! let rt = Runtime::new()?;
//! let total = Arc::new(Mutex::new(0));
//! let adders: Vec<_> = (1..=10)
//!     .map(|n| {
//!         let total = total.clone();
//!         rt.spawn(move || {
//!             let mut total = total.lock().unwrap();
//!             microthread::yield_now(); // to wait with the lock held is allowed
//!             *total += n;
//!         })
//!     })
//!     .collect::<Result<_, _>>()?;
//! for adder in adders {
//!     adder.join()?;
//! }
//! assert_eq!(*total.lock().unwrap(), 55); // from an OS thread
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How a wait ends
//! - *Served.* Waiters are served first come, first served, and what they waited for is theirs before they run. The mutex
//!   alone lets others overtake, for a bounded time; see [`Mutex`], "Fairness".
//! - *Deadline.* The calls that end in `_timeout` and `_deadline` give it as an error.
//! - *Kill.* A killed microthread unwinds out of its wait.
//! - *Dropped.* The `_async` forms are futures, and may be dropped at any time.
//! - *Interrupted.* While a panic unwinds through a microthread nothing may switch away from it. Calls with typed errors say
//!   so ([`Interrupt`](crate::microthread::Interrupt)); those without (`lock`, `read`, `write`, `Condvar::wait`,
//!   `Barrier::wait`) block the thread, and with it the worker: what ends the wait must not be suspended on the same one.
//!
//! A waiter that leaves early leaves no trace, and what it had been given meanwhile goes to the next.
//!
//! The locks are built on one wait queue; its protocol is in `sync/queue.rs`.

/// A `const fn`, but under loom, whose atomics have no constant constructor.
macro_rules! const_unless_loom {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),*) -> $ret:ty $body:block) => {
        $(#[$meta])*
        #[cfg(not(loom))]
        $vis const fn $name($($arg: $type),*) -> $ret $body
        $(#[$meta])*
        #[cfg(loom)]
        $vis fn $name($($arg: $type),*) -> $ret $body
    };
}
use const_unless_loom;

mod barrier;
mod condvar;
mod error;
#[cfg(all(test, loom))]
mod models;
mod mutex;
mod notify;
mod poison;
mod queue;
mod rwlock;
mod semaphore;
#[cfg(all(test, not(loom)))]
mod tests;
mod wait;

pub use barrier::{Barrier, BarrierWaitResult};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use error::{AcquireError, LockError, TryAcquireError, WaitError};
pub use mutex::{Mutex, MutexGuard};
pub use notify::{Notified, Notify};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
#[doc(no_inline)]
pub use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};
