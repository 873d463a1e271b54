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
//!   that is killed goes on from its last [record](#what-a-crash-loses). Without a store, what a killed node had is gone.
//! - **It goes or it stays.** [`Node::migrate`] fails, and the thing goes on where it was; or it is decided, by one write to the
//!   source's store, and only the destination can have it from then on. Until the source has answered, a destination that
//!   was cut off waits.
//!
//! The module `handover`, in the source text, has the protocol, step by step, with what holds after each.
//!
//! # What a crash loses
//! The record of a thing is of its beginning, of its last move, or of the last time that it was saved, whichever came last. It is
//! saved by [`Node::save`], and, if [told to](NodeBuilder::save_every), by the node itself every so often.
//! - *When `save` has returned*, what the thing had done before it was called is there after any crash, and so is what was told and
//!   waits.
//! - *What it has done since its record is lost*, also what others were told of it. Who waits for an
//!   answer gets an error, whether the message was handled or not, and asks again.
//!
//! So whoever must not hear of what may be lost hears of it after `save`, and whoever does not hear asks again. To count each message
//! once all the same, it has a number by which the actor knows it; here that of the client's last, for clients that wait for each
//! acknowledgement before they send the next:
//! ```
//! # use std::collections::HashMap;
//! # use std::error::Error;
//! # use std::sync::Arc;
//! use actor_core::migrate::Node;
//! use actor_core::prelude::*;
//! use actor_core::store::MemoryStore;
//!
//! #[actor(snapshot)]
//! #[derive(Default)]
//! struct Counter {
//!     n: u64,
//!     last: HashMap<String, u64>, // of each client
//! }
//!
//! #[actor]
//! impl Counter {
//!     /// However often a request comes, it counts once.
//!     pub fn add(&mut self, client: String, request: u64, by: u64) -> u64 {
//!         let last = self.last.entry(client).or_default();
//!         if request > *last {
//!             *last = request;
//!             self.n += by;
//!         }
//!         self.n
//!     }
//! }
//!
//! /// What the client is told in the end. If it is told nothing, it sends the same request again.
//! fn acknowledge(node: &Node, client: &str, request: u64, by: u64) -> Result<u64, Box<dyn Error>> {
//!     let counter = node.actor::<Counter>("counter").ok_or("it is elsewhere")?;
//!     let n = counter.ask().add(client.to_owned(), request, by)?;
//!     node.save("counter")?; // of many clients at once, with one write
//!     Ok(n)
//! }
//!
//! let sys = System::new()?;
//! let store = Arc::new(MemoryStore::new()); // a `FileStore`, to outlive the process
//! let node = Node::builder("a", &sys).accept_actor::<Counter>().store(store).start()?;
//! node.adopt("counter", &sys.spawn(Counter::default())?)?;
//! assert_eq!(acknowledge(&node, "ada", 1, 40)?, 40);
//! assert_eq!(acknowledge(&node, "ada", 2, 2)?, 42);
//! assert_eq!(acknowledge(&node, "ada", 2, 2)?, 42);
//! # Ok::<(), Box<dyn Error>>(())
//! ```
//!
//! # After a restart
//! What the store has a record of goes on before [`NodeBuilder::start`] returns. [`Node::things`] names it, and says of each thing
//! [where it is](Place); [`Node::actor`] has the new addresses, as those of the process before lead nowhere; and the hooks of
//! [`accept_with`](NodeBuilder::accept_with) and [`accept_actor_with`](NodeBuilder::accept_actor_with) are called for each, then
//! and whenever one comes later. What cannot go on is [`Place::Broken`], and its record stays: mend the reason and start again.
//! So does that of an actor that has ended, however it did; [`Node::release`] removes it.
//!
//! # Ways that open again
//! A way ends with its connection. [`Node::keep_calling`] has a node call an address, and again whenever that way has ended, with growing
//! and random delays; [`Node::keep_answering`] has it take calls; both until the node is closed. What a move was waiting for when
//! the way ended is said again on the next. It is enough if one of two nodes calls; if both do, one way is in use.
//!
//! # What comes with it
//! A function is stopped where it waits. Of its channels, what waits in them comes along, and the sides that are in its luggage. The
//! sides that others have here are cut off: nothing more is received by them, and what is sent is given back with an error.
//!
//! An actor is stopped between two messages. Its state, what waits in its mailbox, timers and names come along (see
//! [`snapshot`](crate::snapshot)). Links, monitors, groups and its supervisor do not.
//!
//! # Who talks to an actor that moves
//! - *While it moves* messages wait for it. They are neither lost nor refused.
//! - *Afterwards* its old address passes on what it is given, for as long as its system lives: also to where it goes from there,
//!   and when it comes back. Each message costs its writing as an image, and a frame; each answer that too.
//! - *In order* arrives what one sender sends by one address, but for what is under way when the thing moves on: that follows it by
//!   another node, and what was sent later may come first. Nothing is lost by that, nor comes twice.
//! - *Who asked before or asks afterwards* gets the answer by the same way.
//! - *When the way is lost* asks that wait for an answer end with [`AskError::NoReply`](crate::AskError::NoReply): the message may
//!   have been handled. What is told while there is no way is a [dead letter](crate::DeadReason::NoWay); what had been sent may be lost
//!   with the way. Messages are not said again on the next, or one could be handled twice.
//! - *What comes by a way* is dealt with one after the other. A full mailbox of an actor here, and its start hook when it arrives, hold
//!   up what comes later by the same way, answers included: an actor with a bound should ask nothing in its handlers by the way on which
//!   its messages come, nor in its start hook, or within a time (`ask().within(..)`).
//!
//! # Live sessions
//! An actor that has sessions with clients, or hands them to microthreads of its own, ends them in a hook,
//! [`#[on_move]`](crate::Actor::on_move), which is called before it is stopped: there it waits until they are finished, tells the clients
//! where it goes ([the hook gets the name of the node](crate::Actor::on_move)), or closes them. It may refuse to go:
//! [`MoveError::Stays`]. Wherever it goes on after that, [`#[on_start]`](crate::Actor::on_start) opens them again.
//!
//! ```
//! use actor_core::prelude::*;
//! use actor_core::channel::{Sender, unbounded};
//!
//! #[actor(snapshot)]
//! struct Room {
//!     topic: String,
//!     #[snapshot(skip)]
//!     guests: Vec<Sender<String>>, // each is read by a microthread that writes to a client's socket
//! }
//!
//! #[actor]
//! impl Room {
//!     pub fn enter(&mut self, guest: Sender<String>) { self.guests.push(guest) }
//!
//!     #[on_move]
//!     fn leave(&mut self, to: &str) {
//!         for guest in self.guests.drain(..) {
//!             let _ = guest.send(format!("moved to {to}"));
//!         }
//!     }
//! }
//! # use actor_core::migrate::{Node, local_pair};
//! # let (here, there) = (System::new()?, System::new()?);
//! # let a = Node::builder("a", &here).accept_actor::<Room>().start()?;
//! # let b = Node::builder("b", &there).accept_actor::<Room>().start()?;
//! # let (to_b, to_a) = local_pair("a", "b");
//! # a.attach(to_b)?;
//! # b.attach(to_a)?;
//!
//! let room = here.spawn(Room { topic: "tea".into(), guests: vec![] })?;
//! a.adopt("room", &room)?;
//! let (guest, lines) = unbounded();
//! room.ask().enter(guest)?;
//! a.migrate("room", "b")?;
//! assert_eq!(lines.recv()?, "moved to b");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
//! does not run ([`MoveError::NotResumed`]). Streams do not move.
//!
//! [The guide](crate::guide::moving) has what can move and what cannot, and what is promised at each failure.
//!
//! # Format
//! A node keeps a record of each thing in its store, under `moves/` and the thing's name: an [image](crate::image) of kind 3, with the name
//! `actor_core::migrate::Record`, schema 1 and the record's epoch. The payload is a map of one entry, a state with a map of its
//! fields. Offers and tickets are 16 bytes, big-endian; an image is all of its bytes, header and all.
//!
//! | state | fields, in this order | what it says |
//! |---|---|---|
//! | `Here` | `epoch`, `image` (nil before there is one) | it lives here, and goes on from this |
//! | `Leaving` | `epoch`, `offer`, `to`, `image` | it is offered to the node `to` |
//! | `Gone` | `epoch`, `offer`, `ticket`, `to` | it has gone there, which is not confirmed yet |
//! | `Arrived` | `epoch`, `offer`, `ticket`, `from`, `image` | it waits for what the node `from` decides |
//!
//! The image of an actor is as in [`snapshot`](crate::snapshot#format); that of a function, as in [`migratable`](mod@crate::migratable#format), of
//! an array of 2: the function, its luggage. What nodes say to each other are images of `actor_core::migrate::Wire`: nodes of one version
//! understand each other, and the bytes of a [way](TcpFarSide) are said where its greeting is.

mod far;
mod handover;
mod node;
mod tcp;

pub use far::{FarError, FarSide, LocalFarSide, local_pair};
pub use handover::Refusal;
pub use node::{
    Answering, Calling, CallingState, Movable, MoveError, Moved, Node, NodeBuilder, NodeError,
    PeerLimits, Place, SaveError,
};
/// What the tests of the bytes need.
#[doc(hidden)]
pub mod private {
    pub use super::node::private::*;
    pub use super::tcp::private::*;
}
pub use tcp::{Secret, ShortSecret, TcpCaller, TcpFarListener, TcpFarSide, TcpSettings};
