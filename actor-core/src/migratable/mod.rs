//! Migratable functions: they can be frozen where they wait, and continued elsewhere.
//!
//! [`#[migratable]`](macro@crate::migratable) makes a function a state machine whose state is plain data: what it keeps, and where
//! it waits. [`freeze`] makes an [`Image`](crate::image::Image) of it, and of everything that is frozen with it; [`thaw`] makes it again, in
//! this process or in another one, with the same program.
//!
//! It is run in its caller, by [`.call()`](Start::call); by a runtime, as a [`Task`] that owns no stack
//! ([`System::spawn_migratable`](crate::System::spawn_migratable)); by a local scheduler, as a [`Tasklet`] that owns none
//! ([`Scheduler::spawn_migratable`](crate::local::Scheduler::spawn_migratable)); or by hand, as a [`Suspended`] one. A task is taken off its
//! runtime by [`suspend`](Task::suspend), and put on another by [`spawn`](Suspended::spawn).
//!
//! # What is promised
//! - **It goes on exactly where it was**: in mid-loop, in mid-expression, calls deep.
//! - **An image is a copy.** What was frozen stays and can go on; images can be thawed any number of times. To move something,
//!   drop the original.
//! - **A wait leaves no trace.** Freezing gives it up: a value that was to be sent is in the image, one that had just been given to a
//!   receive goes to the next receiver, or back into the channel, before that is written. Continued, it tries again.
//! - **An ask is asked once.** The answer comes to this process, so what waits for one is not frozen ([`FreezeError::Asking`]) and
//!   not disturbed; it is at its next wait.
//! - **Channels stay connected** among what is in one image, with what is in them.
//! - **A panic is the end**: what has panicked is neither frozen nor resumed.
//! - **A changed body is refused**, with its [`ThawError`]; a damaged image is refused where its bytes are read.
//!
//! # What is not frozen
//! A sleep keeps how much of it was left. Time goes on at the other end's clock. The sides of a channel that are not in the image do
//! not exist for the copy. An actor stays where it is: its address is frozen as the name it is registered under, and looked up again
//! ([`System::with_names`](crate::System::with_names)). Errors sent with `send_error`, and everything that serde does not serialise, are refused.
//!
//! [The guide](crate::guide::moving) has it all in one place: what can move and what cannot, versions, and what is promised when
//! something fails.
//!
//! # Format
//! The header is that of [`image`](crate::image), its kind 2; name, schema (the `version`) and fingerprint are those of the function that
//! comes first in it, for those who do not have the function. The payload is the value that was frozen, as serde writes it, in which
//! these are:
//!
//! | what | is written as |
//! |---|---|
//! | a suspended function | array of 2: its path, a string; its call |
//! | a call, of it or of one that it waits for | array of 3: fingerprint and version of its function, numbers; its state |
//! | a state | map of 1: where it waits, a string; a map of what it keeps, by name. A call that it waits for is among that |
//! | the first side of a channel that is met | array of 4: its number; its capacity, nil if it has none; whether it is closed; array of the values in it |
//! | another side of it | array of 1: that number. They count from 0 |
//! | a wait with a deadline | what was left: map of `secs` and `nanos`, or nil |
//! | the address of an actor | the actor's name, a string |
//! | a [`TcpListener`](crate::net::TcpListener) | array of 2: its address, a string; its timeout, a map as above, or nil |
//!
//! What is continued is checked against the payload, where each function says for itself what it is.

mod call;
mod durable;
#[doc(hidden)]
pub mod hold;
mod image;
pub mod iter;
mod program;
mod question;
mod suspended;
mod task;
mod tasklet;

use std::fmt;

pub(crate) use self::durable::spawn as spawn_durable;
pub use self::durable::{Durable, DurableError, NotDurable, Saving};
pub use self::image::{FreezeError, ThawError, freeze, freeze_within, thaw};
pub(crate) use self::image::{head_name, take};
use self::program::Program;
pub use self::suspended::Suspended;
pub(crate) use self::task::spawn_in;
pub use self::task::{
    NotFrozen, NotSpawned, NotSuspended, Task, WhyNotSpawned, WhyNotSuspended, spawn,
};
pub use self::tasklet::{Tasklet, TaskletNotSuspended};

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
    /// waits for it, and both can be frozen. In an actor, what it asks is no part of a [circle](crate::WaitCycle) that is found.
    pub fn call(self) -> M::Output {
        suspended::run(self)
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
    pub use super::hold;
    pub use super::image::{refuse_freeze, refuse_thaw};
    pub use super::iter;
    pub use super::iter::{Ours, Theirs};
    pub use super::program::{Keep, Program, broken, keep, program, resumed_after_end};
    pub use super::question::{branch, residual};
    pub use crate::__hold as hold;
    pub use crate::channel::kept::choice;
    pub use crate::channel::kept::{Recv, Send};
    pub use crate::net::Accept;
    pub use crate::rt::cx::{Cx, Until};
    pub use serde;
}
