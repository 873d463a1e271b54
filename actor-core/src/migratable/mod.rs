//! Migratable microthreads: functions that can be frozen where they wait, and continued elsewhere.
//!
//! [`#[migratable]`](macro@crate::migratable) makes a function a state machine whose state is plain data.

mod call;
mod image;
pub mod iter;
mod program;
mod question;
mod suspended;

use std::fmt;

pub use self::image::{FreezeError, ThawError, freeze, thaw};
use self::program::Program;
pub use self::suspended::Suspended;

/// A migratable function, as the type of the same name that the macro makes: `primes` of `fn primes(..)`.
///
/// The macro implements it; there is no other way to.
pub trait Migratable: 'static {
    /// What it takes, as a tuple.
    type Args: Send + 'static;
    /// What it returns.
    type Output: Send + 'static;
    /// Its path, which an image carries.
    const NAME: &'static str;
    /// A number for its signature and body, which an image carries: another body has another number.
    const FINGERPRINT: u64;
    /// The `version = n` of the attribute, 0 without.
    const VERSION: u32;

    /// The state machine.
    #[doc(hidden)]
    fn program() -> impl Program<Args = Self::Args, Output = Self::Output>;
}

/// A call of a migratable function that has not begun: what the function returns.
#[must_use = "it does nothing before it is spawned, or run by `.call()`"]
pub struct Start<M: Migratable> {
    args: M::Args,
}

impl<M: Migratable> Start<M> {
    #[doc(hidden)]
    pub fn new(args: M::Args) -> Self {
        Start { args }
    }

    /// Runs the function to its end, in the caller, waiting where it waits. In a migratable function this is where the caller
    /// waits for it, and both can be frozen.
    pub fn call(self) -> M::Output {
        suspended::run::<M>(self.args)
    }
}

impl<M: Migratable> fmt::Debug for Start<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("function", &M::NAME)
            .finish_non_exhaustive()
    }
}

/// What the generated code needs. Reached as `actor_core::__private::migratable`.
#[doc(hidden)]
pub mod private {
    pub use super::call::{Call, begin, poll_call};
    pub use super::iter;
    pub use super::iter::{Ours, Theirs};
    pub use super::program::{Program, broken, keep, program, resumed_after_end};
    pub use super::question::{branch, residual};
    pub use crate::channel::kept::{Recv, Send};
    pub use crate::rt::cx::{Cx, Until};
    pub use serde;
}
