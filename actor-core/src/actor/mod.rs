//! Actors: state, a mailbox, an address.
//!
//! A message from `tell` to its handler: [`Addr`] puts it into the cell's `mailbox`, whose word says whether the actor was
//! idle; if so the sender schedules the cell (`cell`), a worker runs an activation of it (`activation`), which calls
//! [`Actor::handle`], which calls the user's method and answers through [`Reply`].
//!
//! Invariant of this layer: nothing here knows of supervisors beyond the trait `Keeper` (`extra`).

mod activation;
mod addr;
mod answer;
mod any_addr;
mod ask;
pub mod asked;
mod attend;
mod batch;
mod boundary;
#[cfg(all(test, not(loom)))]
mod calls;
mod carried;
mod cell;
mod cx;
mod cycle;
mod delegated;
mod delivery;
mod error;
mod exit;
mod extra;
mod failed;
mod forward;
pub(crate) mod frozen;
mod held;
mod host;
mod inbox;
mod kept;
mod lanes;
mod life;
mod linking;
mod mailbox;
mod monitor;
mod options;
mod pending;
pub mod plain;
mod protocol;
mod receive;
mod recipient;
mod replies;
mod reply;
mod signal;
mod stack;
mod start;
mod stash;
mod step;
mod sys;
mod ties;
mod timers;
mod traits;
mod trees;
mod unhandled;
mod waits;

pub use addr::Addr;
pub use answer::Reply;
pub use any_addr::AnyAddr;
pub(crate) use batch::Batch;
pub(crate) use boundary::{AtEnd, Boundary, Contents, NotReady, Opaque, Seed, Seen, Waiting};
pub(crate) use carried::Asker;
pub use cx::Cx;
pub use cycle::WaitCycle;
pub(crate) use cycle::deadlock;
pub use delegated::ReplyTo;
pub use delivery::{Priority, WhenFull};
pub use error::*;
pub use exit::*;
pub(crate) use extra::{Dependants, Keeper, Role};
pub use failed::HandlerError;
pub use forward::{Forward, ForwardError};
pub(crate) use held::{Drained, Membership};
pub(crate) use host::Host;
pub use inbox::{Inbox, Received};
pub(crate) use kept::Shared;
pub(crate) use life::cause;
pub use monitor::Monitor;
pub use options::*;
pub use pending::Pending;
pub use protocol::{AddrOf, Protocol};
pub use recipient::{Carries, Recipient};
pub use replies::Replies;
pub(crate) use reply::Port;
pub use signal::{MonitorId, Signal};
pub(crate) use step::Step;
pub(crate) use sys::Holds;
pub use sys::{Sys, SysError};
pub(crate) use timers::Sown;
pub use timers::{After, Every, MissedTicks, Period, Timer};
pub use traits::*;
pub(crate) use waits::breaks_circle_of;
