//! Moving what runs from one node to another: it is stopped where it is, goes over, and goes on there.
//!
//! ```
//! use actor_core::migrate::{Node, local_pair};
//! use actor_core::prelude::*;
//!
//! #[actor(snapshot)]
//! struct Counter {
//!     n: u64,
//! }
//!
//! #[actor]
//! impl Counter {
//!     pub fn add(&mut self, by: u64) -> u64 {
//!         self.n += by;
//!         self.n
//!     }
//! }
//!
//! // Two systems; in one process here, in two with `TcpFarSide`.
//! let (here, there) = (System::new()?, System::new()?);
//! let a = Node::builder("a", &here).accept_actor::<Counter>().start()?;
//! let b = Node::builder("b", &there).accept_actor::<Counter>().start()?;
//! let (to_b, to_a) = local_pair("a", "b");
//! a.attach(to_b)?;
//! b.attach(to_a)?;
//!
//! let counter = here.spawn(Counter { n: 1 })?;
//! a.adopt("counter", &counter)?;
//! a.migrate("counter", "b")?;
//! assert!(b.has("counter"));
//! assert_eq!(counter.ask().add(2)?, 3); // the address follows
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Terms
//! - A *node* is a system that has a name among others. A *thing* is what can move: a call of a migratable function with its
//!   *luggage*, or an actor. Its name is its own, over all nodes that it may come to.
//! - A *way* leads to another node: a [`FarSide`].
//!
//! # What is promised
//! - **At any time a thing lives at one node at most**, whatever is lost, comes twice or too late, and whoever is killed.
//! - **With a [store](NodeBuilder::store) at both nodes, exactly one**, once both are up again and there is a way between them. A node
//!   that is killed goes on from its last record: that of the beginning, or of the last move. Without a store, what a killed node
//!   had is gone.
//! - **It goes or it stays.** [`Node::migrate`] fails, and the thing goes on where it was; or it is decided, by one write to the
//!   source's store, and only the destination can have it from then on. Until the source has answered, a destination that
//!   was cut off waits.
//!
//! The module `handover`, in the source text, has the protocol, step by step, with what holds after each.
//!
//! # What comes with it
//! A function is stopped where it waits. Of its channels, what is in them comes along, and the sides that are in its luggage. The sides
//! that others have here are cut off.
//!
//! An actor is stopped between two messages. Its state, what waits in its mailbox, timers and names come along (see
//! [`snapshot`](crate::snapshot)). Links, monitors, groups and its supervisor do not.
//!
//! # Who talks to an actor that moves
//! - *While it moves* messages wait for it. They are neither lost nor refused.
//! - *Afterwards* its old address passes on what it is given, for as long as its system lives: also to where it goes from there,
//!   and when it comes back. What one sender sends by one address arrives in order. Each message costs its writing as an image,
//!   and a frame; each answer that too.
//! - *Who asked before or asks afterwards* gets the answer by the same way.
//! - *When the way is lost* asks that wait for an answer end with [`AskError::NoReply`](crate::AskError::NoReply): the message may
//!   have been handled. What is told while there is no way is a [dead letter](crate::DeadReason::NoWay); what had been sent may be lost
//!   with the way. Messages are not said again on the next, or one could be handled twice.
//!
//! # Nodes that mean ill, or are broken
//! Who knows the secret can move what it likes to a node that accepts it, and send messages to what is there, as many as an honest one
//! could: bound the mailboxes of what should not take them all. Beyond that it does no harm. What cannot be read is passed over, also if
//! code of yours panics at it; what it has a node keep, and have others wait for, is bounded by [`PeerLimits`]; names have at most 255
//! bytes; an answer counts from whom it was asked only.
//!
//! # Listeners
//! A [`TcpListener`](crate::net::TcpListener) that comes along listens on its address again. The thing that has it is ended before it is
//! offered, so that the address is free, also on the same machine; between the two nobody listens. If it cannot be bound there the move is
//! refused ([`Refusal::Thaw`]) and it is bound again here; and if that fails too, as someone else has it now, the thing
//! does not run ([`MoveError::NotResumed`]). Streams do not move: an actor that has some ends or hands over its sessions before it is
//! moved, in a message of its own.

mod far;
mod handover;
mod node;
mod tcp;

pub use far::{FarError, FarSide, LocalFarSide, local_pair};
pub use handover::Refusal;
pub use node::{Movable, MoveError, Moved, Node, NodeBuilder, NodeError, PeerLimits};
/// What the tests of the bytes need.
#[doc(hidden)]
pub mod private {
    pub use super::node::private::*;
    pub use super::tcp::private::*;
}
pub use tcp::{Secret, ShortSecret, TcpCaller, TcpFarListener, TcpFarSide, TcpSettings};
