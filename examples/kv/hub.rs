//! Publish/subscribe: the hub, an actor that knows who listens, and a writer for each subscriber.
//!
//! ```text
//!   PUBLISH                                                      a subscriber's connection
//!  session ──ask──► Hub ──try_tell──► Writer (bounded mailbox) ──► socket ◄── its session reads commands
//! ```
//!
//! A session that answers commands writes to its socket when it likes. A subscriber is also sent messages at times of others'
//! choosing, and two who write to one socket would mix their bytes. So while a client is subscribed to anything, everything
//! that it is sent goes through its [`Writer`]; before the first subscription and after the last the session writes by
//! itself.
//!
//! # Slow subscribers
//! The hub must not wait for a socket. A writer's mailbox is its client's *outbox*: bounded in messages by the mailbox and
//! in bytes by a count; when a message does not fit, the client is cut off ([`TcpStream::shutdown`], which also wakes whoever
//! waits for that socket). It sees the end of its stream and may connect and subscribe again, and all others are served
//! without delay.
//!
//! # Order
//! The hub itself sends confirmations of subscriptions, and does so before it notes them. Between one sender and one
//! actor messages keep their order, so no client sees a message of a channel before the confirmation.

use std::collections::HashMap;
use std::io::Write;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actor_core::net::TcpStream;
use actor_core::prelude::*;

use crate::batch::reset;
use crate::pubsub::{Names, Selector, SubscriberId, Topics};

/// Messages an outbox holds.
const OUTBOX_MESSAGES: usize = 4096;
/// Bytes an outbox holds, the last message excepted.
const OUTBOX_BYTES: usize = 8 << 20;
/// A writer writes when it has so many bytes, or when nothing more waits.
const WRITE_BYTES: usize = 32 << 10;

/// Knows who listens to what.
#[actor(name = "kv::Hub")]
#[derive(Debug, Default)]
pub struct Hub {
    topics: Topics,
    subscribers: HashMap<SubscriberId, Outbox>,
}

impl Hub {
    fn change(&mut self, selector: Selector, names: &Names, who: SubscriberId, subscribe: bool) {
        for name in names {
            if subscribe {
                self.topics.subscribe(selector, name, who);
            } else {
                self.topics.unsubscribe(selector, name, who);
            }
        }
    }

    fn confirm(&self, who: SubscriberId, confirmation: Vec<u8>) {
        if let Some(outbox) = self.subscribers.get(&who)
            && !outbox.push(&confirmation.into())
        {
            // Its session ends for that, and leaves.
            outbox.cut();
        }
    }
}

#[actor]
impl Hub {
    /// A client is about to subscribe for the first time. Starts its writer.
    pub fn enter(
        &mut self,
        cx: &mut Cx<Self>,
        who: SubscriberId,
        stream: TcpStream,
    ) -> Result<Addr<Writer>, SpawnError> {
        let waiting = Arc::default();
        let writer = cx.system().spawn(Writer {
            stream: stream.try_clone().map_err(|_| SpawnError::ShuttingDown)?,
            buffer: Vec::new(),
            waiting: Arc::clone(&waiting),
            counted: 0,
        })?;
        let outbox = Outbox {
            writer: writer.clone(),
            stream,
            waiting,
        };
        self.subscribers.insert(who, outbox);
        Ok(writer)
    }

    /// A client that has entered subscribes.
    pub fn subscribe(
        &mut self,
        who: SubscriberId,
        selector: Selector,
        names: Names,
        confirmation: Vec<u8>,
    ) {
        self.confirm(who, confirmation);
        self.change(selector, &names, who, true);
    }

    /// It unsubscribes.
    pub fn unsubscribe(
        &mut self,
        who: SubscriberId,
        selector: Selector,
        names: Names,
        confirmation: Vec<u8>,
    ) {
        self.change(selector, &names, who, false);
        self.confirm(who, confirmation);
    }

    /// It has no subscriptions but these, and gives them up.
    pub fn leave(&mut self, who: SubscriberId, channels: Names, patterns: Names) {
        self.change(Selector::Channel, &channels, who, false);
        self.change(Selector::Pattern, &patterns, who, false);
        self.subscribers.remove(&who);
    }

    /// Sends a message to all who listen to the channel, and tells how often.
    pub fn publish(&mut self, channel: Vec<u8>, message: Vec<u8>) -> usize {
        let subscribers = &self.subscribers;
        self.topics.publish(&channel, &message, |who, push| {
            if let Some(outbox) = subscribers.get(&who)
                && !outbox.push(push)
            {
                outbox.cut();
            }
        })
    }

    /// `PUBSUB CHANNELS`, as an encoded reply.
    pub fn channels(&self, pattern: Option<Vec<u8>>) -> Vec<u8> {
        let mut out = Vec::new();
        self.topics.channels(pattern.as_deref(), &mut out);
        out
    }

    /// `PUBSUB NUMSUB`, as an encoded reply.
    pub fn num_sub(&self, names: Vec<Vec<u8>>) -> Vec<u8> {
        let mut out = Vec::new();
        self.topics
            .num_sub(names.iter().map(|name| &name[..]), &mut out);
        out
    }

    /// `PUBSUB NUMPAT`.
    pub fn num_pat(&self) -> usize {
        self.topics.num_pat()
    }

    /// Whether the hub stops or has panicked, its clients would listen for ever to nothing. Cut off, they can connect anew
    /// and subscribe with its next life.
    #[on_stop]
    fn close(&mut self) {
        self.subscribers.values().for_each(Outbox::cut);
    }
}

/// The way to a subscriber: a mailbox for messages, and the means to cut it off.
#[derive(Debug)]
struct Outbox {
    writer: Addr<Writer>,
    stream: TcpStream,
    waiting: Arc<AtomicUsize>,
}

impl Outbox {
    /// Whether there was room.
    fn push(&self, bytes: &Arc<[u8]>) -> bool {
        if self.waiting.fetch_add(bytes.len(), Ordering::Relaxed) > OUTBOX_BYTES {
            return false;
        }
        self.writer.try_tell().push(bytes.clone()).is_ok()
    }

    fn cut(&self) {
        // It may be gone already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Writes what a subscriber is sent.
#[actor(mailbox = OUTBOX_MESSAGES, name = "kv::Writer")]
#[derive(Debug)]
pub struct Writer {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of messages in the mailbox and in `buffer`.
    waiting: Arc<AtomicUsize>,
    /// How many of the bytes in `buffer` are counted in `waiting`.
    counted: usize,
}

impl Writer {
    fn write(&mut self, cx: &mut Cx<Self>) {
        // May wait for the client. This actor's other messages wait with it, up to what the outbox holds; nobody else.
        let written = self.stream.write_all(&self.buffer);
        reset(&mut self.buffer);
        self.waiting
            .fetch_sub(std::mem::take(&mut self.counted), Ordering::Relaxed);
        if written.is_err() {
            // It may be gone already.
            let _ = self.stream.shutdown(Shutdown::Both);
            cx.stop();
        }
    }
}

#[actor]
impl Writer {
    /// A message, from the hub.
    pub fn push(&mut self, cx: &mut Cx<Self>, bytes: Arc<[u8]>) {
        self.buffer.extend_from_slice(&bytes);
        self.counted += bytes.len();
        // One write for many messages, if many wait.
        if cx.queued() == 0 || self.buffer.len() >= WRITE_BYTES {
            self.write(cx);
        }
    }

    /// Replies, from the client's own session, which waits until they are written: it takes no more commands than its client
    /// takes replies.
    pub fn reply(&mut self, cx: &mut Cx<Self>, bytes: Vec<u8>) {
        self.buffer.extend_from_slice(&bytes);
        self.write(cx);
    }
}
