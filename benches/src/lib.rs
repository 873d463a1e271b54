//! Shared support of the benchmarks.
//!
//! - [`actors`]: the actors that are measured, and what is done with them.
//! - `compare` (feature `peers`): this library beside others.
//! - [`gate`]: holding a population of microthreads blocked, letting it go, and waiting until all have arrived.
//! - [`memory`]: what the process occupies, as the kernel counts it.
//! - [`stats`]: medians and percentiles.

#![forbid(unsafe_code)]

pub mod actors;
#[cfg(feature = "peers")]
pub mod compare;
pub mod gate;
pub mod memory;
pub mod stats;
