//! The register of connections: for `CLIENT LIST`, and for ending them all.
//!
//! The accept loop enters a connection before its session starts, and the session takes it out when it ends, however it
//! ends. The messages come from two senders, but the first is in the mailbox when `tell` returns, before there is a
//! session that could send the second.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Shutdown;
use std::sync::mpsc;

use actor_core::net::TcpStream;
use actor_core::prelude::*;

use crate::session::Card;
use crate::shard::now;

/// Knows all connections.
#[actor(name = "kv::Register")]
#[derive(Debug, Default)]
pub struct Register {
    connections: BTreeMap<u64, Entry>,
    /// Told when the last connection has ended.
    done: Option<mpsc::Sender<()>>,
}

#[derive(Debug)]
struct Entry {
    card: Card,
    stream: TcpStream,
}

impl Register {
    fn tell_if_done(&mut self) {
        if self.connections.is_empty()
            && let Some(done) = self.done.take()
        {
            // Nobody waits any more.
            let _ = done.send(());
        }
    }
}

#[actor]
impl Register {
    /// A connection has been accepted.
    pub fn enter(&mut self, card: Card, stream: TcpStream) {
        self.connections.insert(card.id, Entry { card, stream });
    }

    /// What there is to tell of a connection has changed.
    pub fn update(&mut self, card: Card) {
        if let Some(entry) = self.connections.get_mut(&card.id) {
            entry.card = card;
        }
    }

    /// A connection has ended.
    pub fn leave(&mut self, id: u64) {
        self.connections.remove(&id);
        self.tell_if_done();
    }

    /// `CLIENT LIST`, as text.
    pub fn list(&self) -> String {
        let now = now();
        self.connections
            .values()
            .fold(String::new(), |mut list, entry| {
                // Writing to a String cannot fail.
                let _ = writeln!(list, "{}", entry.card.line(now));
                list
            })
    }

    /// How many connections there are.
    pub fn count(&self) -> usize {
        self.connections.len()
    }

    /// Ends all connections: their sessions see the end of their streams. `done` is told when the last has ended. A message
    /// can carry any value that may be sent, channels included; this one reaches a thread outside the system.
    pub fn close(&mut self, done: mpsc::Sender<()>) {
        for entry in self.connections.values() {
            // It may be gone already.
            let _ = entry.stream.shutdown(Shutdown::Both);
        }
        self.done = Some(done);
        self.tell_if_done();
    }
}
