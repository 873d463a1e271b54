//! The lowest layer: what the runtime needs from the machine, behind seams that a test can drive.
//!
//! - [`atomic`]: atomics, cells and yields, from `std` or, under `--cfg loom`, from the model checker.
//! - [`asym`]: a pair of fences of which the frequent side costs nothing.
//! - [`clock`]: the time, real or virtual.
//! - [`fault`]: mistakes that a test build can switch on, to see them caught.
//! - [`grace`]: looking at memory without holding it.
//! - [`once`]: a box that is filled once, later.
//! - [`seam`]: every choice the runtime makes, so that a seeded scheduler can make it instead; ids.
//! - [`spinlock`]: a lock for sections of a few nanoseconds.
//!
//! Invariant: nothing here knows of stacks, workers or actors.

pub(crate) mod asym;
pub(crate) mod atomic;
pub(crate) mod clock;
pub(crate) mod fault;
pub(crate) mod grace;
pub(crate) mod once;
pub(crate) mod seam;
pub(crate) mod spinlock;
