//! A key-value service that speaks the Redis protocol: a tour of the framework by way of a real program.
//!
//! ```text
//! cargo run --release --example kv -- --demo          start it, load it, crash a part of it, report
//! cargo run --release --example kv -- --port 6380     serve; then: redis-cli -p 6380
//! ```
//!
//! It is in two halves. One is plain data and plain functions, which know nothing of sockets, threads or the time of day, and
//! can be tested as such. The other is the actors and microthreads that carry values from one to the other, and it is
//! small, because waiting is written as a call and state as a struct:
//!
//! ```text
//!  socket                    session (a microthread)                        shard (an actor)
//!  ------   ------------------------------------------------------------   -----------------------
//!  bytes -> resp::Decoder -> command::parse -> pipeline::Pipeline::push
//!                                              Pipeline::take -> Box<Batch> -> store::Store::run
//!  bytes <-------------------------------------Pipeline::merge <- Box<Batch> <-'
//! ```
//!
//! # To be read in this order
//! The half that runs:
//!
//! | module         | what it shows                                                                               |
//! |----------------|---------------------------------------------------------------------------------------------|
//! | [`shard`]      | an actor with message methods; one with a stack of its own, which waits for a message or a time |
//! | `connection`   | a microthread that serves a connection; asking several actors at once; what happens if one dies |
//! | [`server`]     | a system, a supervisor, an accept loop, start and stop                                        |
//! | [`hub`]        | publish/subscribe; bounded mailboxes; what to do about a slow receiver                        |
//! | [`data`]       | snapshots of actors in files: what it takes to survive `kill -9`                              |
//! | [`register`]   | a small actor; a channel in a message                                                         |
//! | [`demo`], [`cli`], [`client`] | the demo and its proof; the command line and signals; a client                 |
//!
//! The half that computes:
//!
//! | module       | what it knows                                                               |
//! |--------------|-----------------------------------------------------------------------------|
//! | [`resp`]     | bytes to requests, within limits; [`reply`]: replies to bytes               |
//! | [`command`]  | requests to typed commands; every error that needs no look at a key         |
//! | [`op`]       | what a shard can be asked                                                   |
//! | [`batch`]    | many operations in one message, and their replies                           |
//! | [`pipeline`] | which shard, and in which order the replies belong                          |
//! | [`store`]    | a shard's keys, values and expiry; on [`dict`], a map that can be scanned   |
//! | [`session`]  | what a connection answers by itself: `PING`, `CLIENT`, `COMMAND`, `INFO`    |
//! | [`pubsub`]   | who listens to what                                                         |
//! | [`glob`], [`num`] | patterns and numbers as Redis reads them                               |
//!
//! # What it promises
//! - Strings, counters, expiry, hashes, scans, pipelining and publish/subscribe as Redis has them; no transactions, scripts,
//!   or replication. A command on one key is atomic; the parts of one on keys of several shards are each.
//! - It is a cache: a shard that crashes (`DEBUG PANIC key` makes one) comes back empty, or with `--data DIR` as it was saved
//!   last; so does all of it after a `kill -9`. A shard that has changed is saved every second. Queries it died with are answered
//!   with an error; nothing else is disturbed.
//! - No input takes it down, and what a client can make it hold is bounded by [`resp::Limits`] and what is stored.
//!
//! # In a program
//! ```
//! use kv::client::{Client, Value};
//! use kv::server::{Config, Server};
//!
//! let server = Server::start(Config::default())?;
//! let mut client = Client::connect(server.addr())?;
//! assert_eq!(client.ask("SET name Ada")?, Value::ok());
//! assert_eq!(client.ask("GET name")?, Value::text("Ada"));
//! assert!(server.stop().sessions_ended);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Without the runtime
//! ```
//! use kv::{command, pipeline::Pipeline, resp, store::Store};
//!
//! let mut shards = [Store::new(), Store::new()];
//! let mut decoder = resp::Decoder::new(resp::Limits::default());
//! let mut pipeline = Pipeline::new(2);
//! let cx = command::Context { now: 0, shards: 2, max_value: 512 << 20 };
//!
//! // A read brings two commands.
//! let bytes = b"SET name Ada\r\nMGET name nobody\r\n";
//! decoder.space()[..bytes.len()].copy_from_slice(bytes);
//! decoder.filled(bytes.len());
//! while let Some(request) = decoder.next_request()? {
//!     match command::parse(request, cx) {
//!         Ok(command) => pipeline.push(command, request).expect("no session commands here"),
//!         Err(failure) => pipeline.local(|out| kv::reply::error(out, failure.0)),
//!     }
//! }
//! // One batch for each shard concerned; in the service this is a message to an actor.
//! let mut out = Vec::new();
//! while !pipeline.merge(&mut out) {
//!     for (shard, store) in (0..).zip(&mut shards) {
//!         if let Some(mut batch) = pipeline.take(shard) {
//!             store.run(&mut batch, cx.now, 1 << 20);
//!             pipeline.answer(shard, batch);
//!         }
//!     }
//! }
//! assert_eq!(out, b"+OK\r\n*2\r\n$3\r\nAda\r\n$-1\r\n");
//! # Ok::<(), resp::ProtocolError>(())
//! ```

pub mod batch;
pub mod cli;
pub mod client;
pub mod command;
mod connection;
pub mod data;
pub mod demo;
pub mod dict;
pub mod glob;
pub mod hub;
mod inline;
pub mod num;
pub mod op;
pub mod pipeline;
pub mod pubsub;
pub mod register;
pub mod reply;
pub mod resp;
pub mod server;
pub mod session;
pub mod shard;
pub mod store;

#[cfg(test)]
mod harness;
#[cfg(test)]
mod oracle_tests;
