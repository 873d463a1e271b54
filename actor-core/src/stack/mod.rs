//! Pooled, guarded stacks, and what happens when one overflows.
//!
//! This is the only module that names the crate `generator`; everything above it sees [`Pool`], [`Stack`] and the
//! functions that ask about the stack the caller runs on.
//!
//! # Terms
//!
//! - *Resumer*: the code that called [`Stack::resume`], usually a worker's root context on the OS thread's own stack.
//! - *Body*: the function a pool runs on its stacks, the runtime's runner loop. One body a pool.
//! - *Idle stack*: one nobody needs: its body has returned, or is suspended with nothing on it. Only idle stacks may be
//!   given back with [`Pool::give`].
//! - *Live stack*: taken and not given back. *Abandoned stack*: one whose frames can never be unwound. It is leaked, and
//!   counts as live for ever.
//! - *Guarded stack*: one whose guard lives in the page tables (`MADV_GUARD_INSTALL`) and not in a mapping of its own.
//!
//! # States of a stack
//!
//! ```text
//!             resume                    suspend()
//!   [base] ------------> [in the body] -----------> [suspended]
//!     ^                    |  |   ^                     |
//!     |   body returns     |  |   +------- resume ------+
//!     +---- (Finished) ----+  |
//!     |                       +---- guard page hit ---> [abandoned]   (Overflowed; never left)
//!     |  retiring: the entry loop returns
//!     +------------> [done]: the generator may be dropped
//! ```
//!
//! Below the body sits our *entry loop*, which owns the control block `Ctx` and calls the body again each time a stack
//! at *base* is resumed. A finished body therefore costs a switch (17 ns) and not a re-initialised generator (35 ns), and
//! the generator itself finishes only when it is retired. Retiring sets a flag, [`retiring`], and resumes the stack once:
//! a body that sees the flag after [`suspend`] must return. A body that does not is leaked, because **a live generator is
//! never dropped**: `generator` would unwind it with a panic the body may swallow, or, on a panicking thread, unmap the
//! stack without running a destructor.
//!
//! # A stack in memory
//!
//! ```text
//!   high   +--------------------------+ <- bounds().end, page aligned
//!          | generator's control block|
//!          | entry loop's frame, Ctx  |   the only page a blocked stack needs to keep
//!          | body, and what it calls  |
//!          :                          :
//!          | soft reserve             |   check_headroom() fails from here on: raise `Overflow` by unwinding
//!          +--------------------------+ <- bounds().start
//!          | guard (lowest stack page)|   guarded stacks only
//!          | guard page               |
//!   low    +--------------------------+
//! ```
//!
//! # Guards and mappings
//!
//! A mapping is what the kernel counts against `vm.max_map_count`. See [`guard`] for how a guarded stack avoids having
//! one to itself, and the invariant that keeps it so.
//!
//! # Overflow
//!
//! First [`check_headroom`], at each entry into the runtime, while unwinding is still possible. Last the guard page and
//! the signal handler of [`overflow`], which abandons the stack or aborts the process. [`before_section`] keeps that out of
//! sections behind a spin lock, which nobody would release.

mod context;
mod guard;
mod limits;
mod overflow;
mod pool;

pub(crate) use context::{
    Overflow, Resumed, Stack, before_section, check_headroom, current_bounds, current_data,
    high_water, raise_overflow, retiring, set_lending, suspend, suspend_idle,
};
#[cfg(test)]
pub(crate) use context::{current, headroom};
pub(crate) use guard::GuardMode;
pub(crate) use limits::{LimitReached, OverflowPolicy, PoolConfig, Shared};
pub(crate) use overflow::set_label;
pub(crate) use pool::Pool;

#[cfg(test)]
mod tests;
