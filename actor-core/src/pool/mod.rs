//! Work shared out among actors: routers, and pools of supervised workers.
//!
//! A [`Router`] routes to the members of a [`Group`](crate::Group), which come and go as they like. A [`Pool`] makes its
//! workers itself, keeps each in a numbered **slot**, has them started again when they fail, and can be resized.
//!
//! # Parts of a pool
//! ```text
//!   Pool (handles) ──► Table: slot ──► address, supervisor      who routes reads it
//!                        ▲   ▲
//!                  taken,│   │opened                            who supervises writes it
//!                   left │   │
//!        children of  DynamicSupervisor<A, slot>                may be a child itself, with many lives
//! ```
//! The supervisor writes the table and nobody else: a child's `Place` is told when it gets an actor (before that actor's
//! first life) and when that actor has ended for good. A restart keeps the actor, so it does not pass here. If the
//! supervisor itself is started again, all workers are new, and take the places of the old.
//!
//! The table's length is the pool's size. The first children of each life of the supervisor are as many; a resize changes
//! the length first and the children afterwards.
//!
//! # Removing a worker
//! 1. Its slot is cut off the table, under the table's lock: from then on nobody is routed to it.
//! 2. It is asked to say when a message boundary finds its mailbox empty (`Addr::when_drained`). That survives a crash: a
//!    worker that fails meanwhile is restarted like any other, and goes on with the rest.
//! 3. It says so to the supervisor, by a message; nobody waits in between.
//! 4. The supervisor stops it. What has come since step 3 it handles first.
//!
//! Whoever resizes only waits for the end, and if it takes too long has the supervisor stop the worker as any other child.
//! The supervisor does not wait for a worker to finish, so it can restart others meanwhile.
//!
//! A worker whose slot was cut while it was about to start finds, in its place's `taken`, no slot; it goes through the steps
//! from 2 on. So no worker is left that is in no slot and is not going.
//!
//! # Locks
//! The table is behind a lock that is held to pick an address, or to change a slot; nothing is sent, woken or dropped under
//! it. Resizes are one at a time, by a lock that parks.

mod builder;
pub(crate) mod declared;
mod error;
mod hash;
mod pick;
mod router;
mod slots;
mod workers;

pub use builder::PoolBuilder;
pub use error::{Nobody, PoolError, RouteError};
pub use pick::Balance;
pub use router::Router;
pub use workers::{Pool, PoolStats, WorkerStats};
