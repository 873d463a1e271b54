//! Actors on green threads.
//!
//! A struct becomes an actor with [`#[actor]`](actor); its public methods become its messages. An actor handles one message at
//! a time and may block wherever it likes: an ask, a sleep, a socket. Blocking parks the handler, not the thread. Actors live
//! in a [`System`], under [`Supervisor`]s that start them again when they fail.
//!
//! ```
//! use actor_core::prelude::*;
//!
//! #[actor]
//! struct Counter {
//!     n: u64,
//! }
//!
//! #[actor]
//! impl Counter {
//!     pub fn add(&mut self, by: u64) {
//!         self.n += by;
//!     }
//!     pub fn get(&self) -> u64 {
//!         self.n
//!     }
//! }
//!
//! let sys = System::new()?;
//! let counter = sys.spawn(Counter { n: 0 })?;
//! counter.tell().add(2)?; // queued when it returns
//! assert_eq!(counter.ask().get()?, 2); // waits for the answer
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to go on
//! - [`Addr`]: everything one can do with an actor from outside, and what is promised about messages.
//! - [`Actor`]: the two bodies an actor can have. [`Cx`]: what a handler knows of itself. [`Inbox`]: where a `run` body
//!   receives.
//! - [`#[protocol]`](protocol), [`AddrOf`]: what several types of actors can be asked alike. [`Recipient`]: whoever takes one
//!   type of message. [`Replies`]: messages and answers as values, for logs, recordings and the wire.
//! - [`Supervisor`], [`ChildSpec`]: who is started again, when, and how often.
//! - [`microthread`]: the primitive below actors, useful without them; [`Runtime`] runs microthreads alone.
//! - [`local`]: a scheduler of microthreads that its owner drives, on one thread, with neither runtime nor actors.
//! - [`#[preemptible]`](preemptible): for loops that compute and never wait.
//! - [`sync`]: locks and signals that park the microthread.
//! - [`net`]: sockets that park the microthread and are `std::io::Read` and `Write`.
//! - [`Event`]: what happens in a system, as values and as `tracing` events.
//!
//! # How it ends
//! | what | the actor's end | destructors | `on_stop` | its supervisor sees |
//! |---|---|---|---|---|
//! | [`Addr::stop`], [`Cx::stop`] | before the next message | run | runs | [`Normal`](ExitReason::Normal) |
//! | its supervisor or system stops it | before the next message | run | runs | [`Shutdown`](ExitReason::Shutdown) |
//! | an exit signal: a link, [`Addr::exit`] | before the next message | run | runs | the [signal](Signal)'s reason |
//! | a handler's `Err`, if its message was told | after that handler, unless [`on_error`](HandlerError) says otherwise | run | runs | [`Failed`](ExitReason::Failed) |
//! | a panic | at once, by unwinding | run | runs | [`Panicked`](ExitReason::Panicked) |
//! | [`Addr::kill`] | at its next suspension point | run | does not | [`Killed`](ExitReason::Killed) |
//! | the stack runs short | at the next call into this crate, by unwinding | run | does not | [`Overflow`](ExitReason::Overflow) |
//! | the stack runs into its guard page | at once | do not: the stack is abandoned | does not | [`Overflow`](ExitReason::Overflow) |
//!
//! # Features
//! - `macros` (default): [`#[actor]`](actor), [`#[supervisor]`](macro@supervisor) and [`#[preemptible]`](preemptible).
//! - `testing`: a seeded scheduler for tests, with virtual time, and probes: `actor_core::testing`.
//! - `tokio`: lends a tokio runtime to [`microthread::block_on`], so that tokio's clients work inside handlers.

#[cfg(panic = "abort")]
compile_error!(
    "actor-core contains a panic in its actor by unwinding: remove `panic = \"abort\"` from the profile"
);
#[cfg(not(target_os = "linux"))]
compile_error!("actor-core runs on Linux only: it needs membarrier, futexes and epoll");
#[cfg(not(target_pointer_width = "64"))]
compile_error!(
    "actor-core needs a 64-bit target: counts that share a word with flags could wrap on others"
);

mod actor;
pub mod channel;
mod group;
pub mod guide;
pub mod image;
pub mod microthread;
pub mod migratable;
pub mod migrate;
pub mod net;
mod observe;
mod pool;
mod registry;
mod rt;
pub mod snapshot;
mod stack;
pub mod store;
pub mod supervision;
pub mod sync;
mod sys;
mod system;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(hidden)]
pub use actor::private as __private;
pub use actor::{
    Actor, ActorOptions, Addr, AddrOf, After, AnyAddr, AskError, Carries, Cx, Every, Exit,
    ExitReason, Forward, ForwardError, HandlerError, Inbox, MessageMethods, MissedTicks, Monitor,
    MonitorId, NameTaken, Never, NoAsker, NoMethods, Options, Pending, Period, Priority, Protocol,
    Received, Recipient, RecvError, Replies, Reply, ReplyTo, Signal, SpawnError, StartError,
    StayError, Sys, SysError, TellError, Timer, TryRecvError, WaitCycle, WhenFull,
};
#[cfg(feature = "macros")]
pub use actor_macros::{actor, migratable, preemptible, protocol, select, supervisor};
pub use group::{Group, GroupEvent, GroupWatch, JoinError, Missed, PublishError, Published};
pub use observe::{DeadLetter, DeadReason, Event, Who};
pub use pool::{
    Balance, Nobody, Pool, PoolBuilder, PoolError, PoolStats, RouteError, Router, WorkerStats,
};
pub use registry::{LookupError, OnConflict, RegisterError, SpawnOptions};
pub use rt::error::ShutdownFromInside;
pub use rt::local;
pub use rt::report::{Phase, PhaseReport, ShutdownReport};
pub use rt::runtime::{
    BuildError, Builder, Guard, MAX_STACK_SIZE, MIN_STACK_SIZE, OnOverflow, Runtime, Stats,
};
pub use supervision::{
    AutoShutdown, Backoff, BatchError, ChildCounts, ChildError, ChildInfo, ChildSpec, ChildState,
    ChildTemplate, DynamicBuilder, DynamicSupervisor, Restart, Shutdown, SpecError, Strategy,
    Supervisor, SupervisorBuilder, SupervisorSetup,
};
pub use system::{System, SystemBuilder};

/// What most programs need: `use actor_core::prelude::*;`.
pub mod prelude {
    pub use crate::microthread;
    pub use crate::{
        Actor, Addr, AddrOf, AskError, ChildError, ChildSpec, Cx, Exit, ExitReason, HandlerError,
        Inbox, Pending, Recipient, ReplyTo, Restart, Shutdown, Signal, SpawnError, StartError,
        Supervisor, System, TellError, Timer,
    };
    #[cfg(feature = "macros")]
    pub use crate::{actor, preemptible, protocol, supervisor};
}

/// The README's examples, as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
