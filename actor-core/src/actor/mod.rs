//! Actors: state, a mailbox, an address.
//!
//! A message from `tell` to its handler: [`Addr`] puts it into the cell's `mailbox`, whose word says whether the actor was
//! idle; if so the sender schedules the cell (`cell`), a worker runs an activation of it (`life`), which calls
//! [`Actor::handle`], which calls the user's method and answers through [`Reply`].
//!
//! Invariant of this layer: nothing here knows of supervisors beyond the trait `Keeper` (`extra`).

mod addr;
mod answer;
mod cell;
mod cx;
mod cycle;
mod error;
mod exit;
mod extra;
mod host;
mod inbox;
mod life;
mod mailbox;
mod options;
mod pending;
mod reply;
mod slab;
mod traits;
mod waits;

pub use addr::Addr;
pub use answer::Reply;
pub use cx::Cx;
pub use cycle::{JoinError, WaitCycle};
pub use error::*;
pub use exit::*;
pub(crate) use extra::{Dependants, Keeper};
pub(crate) use host::Host;
pub use inbox::Inbox;
pub(crate) use life::cause;
pub use options::*;
pub use pending::Pending;
pub(crate) use reply::Port;
pub use traits::*;
