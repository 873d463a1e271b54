//! The microthread runtime: tasks, run queues, workers, monitor, timers, descriptors, offload.
//!
//! Read in this order: [`header`] (what can be scheduled), [`park`] (how things wait), [`worker`] (how they run),
//! [`monitor`] (what happens when code does not let go), [`local`] (the same without workers), then the rest as needed.
//!
//! Invariants of this layer: a started stack is only ever resumed by its worker; nothing here knows of actors; every
//! choice goes through `sys::seam`.

mod alarm;
pub(crate) mod block_on;
pub(crate) mod by_type;
pub(crate) mod core;
pub(crate) mod cx;
pub(crate) mod edge;
pub(crate) mod error;
pub(crate) mod header;
pub(crate) mod hook;
mod inbox;
pub(crate) mod io;
mod join;
pub mod local;
pub(crate) mod locals;
pub(crate) mod machine;
#[cfg(all(test, loom))]
mod models;
mod monitor;
pub(crate) mod offload;
pub(crate) mod park;
mod patience;
pub(crate) mod preempt;
mod queue;
pub(crate) mod report;
pub(crate) mod roster;
pub(crate) mod runner;
pub(crate) mod runtime;
pub(crate) mod slab;
mod sleep;
mod spin;
pub(crate) mod task;
pub(crate) mod throw;
pub(crate) mod timer;
mod token;
#[cfg(feature = "tokio")]
pub(crate) mod tokio_lend;
mod turn;
pub(crate) mod wait;
pub(crate) mod wake;
pub(crate) mod worker;
