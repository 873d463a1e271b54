//! Shared support of the benchmarks.
//!
//! - [`actors`]: the actors that are measured.
//! - [`gate`]: holding a population of microthreads blocked, letting it go, and waiting until all have arrived.
//! - [`memory`]: what the process occupies, as the kernel counts it.
//! - [`stats`]: medians and percentiles.

#![forbid(unsafe_code)]

pub mod actors;
pub mod gate;
pub mod memory;
pub mod stats;
