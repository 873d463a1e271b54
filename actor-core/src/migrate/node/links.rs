//! The ways to other nodes, and what comes by them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::Level;

use super::super::far::{FarError, FarSide};
use super::guest::Guest;
use super::wire::{Name, Wire};
use super::{Inner, NodeError, lock};
use crate::channel::{self, Receiver, RecvTimeoutError, Sender};
use crate::observe::Event;
use crate::rt::task;
use crate::sync::Notify;

/// How often a node says that it is there, and again what was not answered.
const BEAT: Duration = Duration::from_secs(10);

/// The stack of a reader, in bytes: what comes is read on it, nested as deep as images may be.
const READER: usize = 1 << 20;

/// While so many bytes wait to be sent by a way, who passes messages on to it waits.
const MUCH: usize = 1 << 20;

/// A way to another node that is in use.
#[derive(Clone, Debug)]
pub(super) struct Link {
    far: Arc<dyn FarSide>,
    /// None once it is closed.
    open: Arc<Mutex<Option<Open>>>,
    queued: Arc<Queued>,
    /// Ends then. Nothing comes by it.
    ends: Receiver<()>,
}

/// Dropped, who waits for its receivers is woken.
#[derive(Debug)]
struct Open {
    /// To its writer. Whoever reads must not wait for who writes: two nodes would wait for each other.
    queue: Sender<Vec<u8>>,
    /// To who says that this node is there. Nothing is sent by it.
    _beats: Sender<()>,
}

/// How many bytes are in a queue.
#[derive(Debug, Default)]
struct Queued {
    bytes: AtomicUsize,
    /// Tells whoever waits that there are not so many any more, or that the way has ended.
    fewer: Notify,
}

impl Queued {
    /// `false`: there would be more than `limit`.
    fn add(&self, bytes: usize, limit: usize) -> bool {
        let more = |now: usize| now.checked_add(bytes).filter(|sum| *sum <= limit);
        let order = Ordering::Relaxed;
        self.bytes.fetch_update(order, order, more).is_ok()
    }

    fn take(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if before > MUCH && before - bytes <= MUCH {
            self.fewer.notify_waiters();
        }
    }
}

impl Link {
    pub(super) fn close(&self) {
        let open = lock(&self.open).take();
        drop(open);
        self.queued.fewer.notify_waiters();
        self.far.close();
    }

    /// Whether it is open, with room for as many bytes as that in its queue, and so will be sent if nothing comes between.
    fn send(&self, message: Vec<u8>, limit: usize) -> bool {
        let size = counted(&message);
        let open = lock(&self.open);
        let Some(open) = open.as_ref() else {
            return false;
        };
        // It waits for nothing: beside that the queue has no limit.
        self.queued.add(size, limit) && open.queue.send(message).is_ok()
    }

    /// Waits while much is in its queue.
    fn wait_for_room(&self) {
        loop {
            // Before the look, so that what is told after it is heard.
            let fewer = self.queued.fewer.notified();
            let much = self.queued.bytes.load(Ordering::Relaxed) > MUCH;
            if !much || !self.is_open() {
                return;
            }
            fewer.wait();
        }
    }

    fn is_open(&self) -> bool {
        lock(&self.open).is_some()
    }

    /// The node at the other end.
    pub(super) fn to(&self) -> &str {
        self.far.node()
    }

    /// Says when it ends: by ending.
    pub(super) fn ends(&self) -> &Receiver<()> {
        &self.ends
    }

    fn is(&self, other: &Link) -> bool {
        Arc::ptr_eq(&self.far, &other.far)
    }
}

impl Inner {
    /// Uses this way to the node it leads to, in the place of any other.
    pub(super) fn attach(self: &Arc<Self>, far: Arc<dyn FarSide>) -> Result<Link, NodeError> {
        let (queue, messages) = channel::unbounded::<Vec<u8>>();
        let (_beats, ends) = channel::bounded::<()>(0);
        let link = Link {
            far,
            open: Arc::new(Mutex::new(Some(Open { queue, _beats }))),
            queued: Arc::default(),
            ends,
        };
        let to = Name::checked(link.far.node())?;
        // Who waits for an answer by the way before will have none: what was said by that may be lost with it.
        let (replaced, lost) = {
            let mut links = self.links();
            let replaced = links.insert(to.clone(), link.clone());
            let lost = replaced.as_ref().map(|_| self.calls_to(&to));
            (replaced, lost.unwrap_or_default())
        };
        let started = self.use_link(&link, &to, messages);
        if let Some(before) = replaced {
            before.close();
        }
        lost.into_iter().for_each(|it| self.answered(it, None));
        if let Err(error) = started {
            self.detach(&link, &to);
            return Err(error);
        }
        let events = &self.sys.host().core.events;
        events.emit(Level::DEBUG, || Event::WayOpened { node: to.into() });
        Ok(link)
    }

    /// Starts what reads from a way, what writes to it, and what says that this node is there.
    fn use_link(
        self: &Arc<Self>,
        link: &Link,
        to: &Name,
        messages: Receiver<Vec<u8>>,
    ) -> Result<(), NodeError> {
        let core = &self.sys.host().core;
        let (node, own, name) = (self.clone(), link.clone(), to.clone());
        let read = move || {
            let detach = Detach(&node, &own, &name);
            let why = node.read(&own, &node.guest(&name));
            drop(detach);
            let events = &node.sys.host().core.events;
            events.emit(Level::DEBUG, || Event::WayEnded {
                node: name.clone().into(),
                why: why.to_string().into(),
            });
        };
        let options = task::Options {
            stack_size: READER,
            ..Default::default()
        };
        drop(task::spawn(core, options, read).map_err(NodeError::Spawn)?);

        let (far, queued) = (link.far.clone(), link.queued.clone());
        let write = move || {
            for message in messages {
                let sent = far.send(&message);
                queued.take(counted(&message));
                if sent.is_err_and(|it| !is_about_message(&it)) {
                    break;
                }
            }
            far.close();
        };
        drop(
            self.sys
                .spawn_microthread(write)
                .map_err(NodeError::Spawn)?,
        );

        let (node, own, name) = (self.clone(), link.clone(), to.clone());
        let beat = move || {
            // At once: what was lost with the way before is said on this one.
            while own.is_open() {
                own.send(Vec::new(), node.peers.queue);
                node.again(&name);
                if own.ends.recv_timeout(BEAT) != Err(RecvTimeoutError::TimedOut) {
                    break;
                }
            }
        };
        drop(self.sys.spawn_microthread(beat).map_err(NodeError::Spawn)?);
        Ok(())
    }

    /// The way to this node that is in use.
    pub(super) fn link_to(&self, to: &Name) -> Option<Link> {
        self.links().get(to).cloned()
    }

    /// Takes what comes, until nothing does.
    fn read(self: &Arc<Self>, link: &Link, from: &Arc<Guest>) -> FarError {
        loop {
            let message = match link.far.recv() {
                Ok(message) => message,
                Err(error) => return error,
            };
            match Wire::decode(&message) {
                Ok(Wire::Handover { thing, message }) => self.hear(from, &thing, message),
                Ok(Wire::Forward {
                    thing,
                    call,
                    message,
                }) => self.forwarded(from, &thing, call, &message),
                Ok(Wire::Answer { call, answer }) => self.answered_by(&from.name, call, answer),
                // The other end is a node, of another build perhaps: what it says next may be understood.
                Err(error) => {
                    tracing::warn!(target: "actor_core::migrate", node = %from.name, %error, "a message that cannot be read");
                }
            }
        }
    }

    /// The way has ended: who waits for answers by it gets none.
    fn detach(&self, link: &Link, to: &Name) {
        link.close();
        let current = {
            let mut links = self.links();
            let current = links.get(to).is_some_and(|it| it.is(link));
            if current {
                links.remove(to);
            }
            current
        };
        if !current {
            return;
        }
        let lost = self.calls_to(to);
        lost.into_iter().for_each(|it| self.answered(it, None));
    }

    /// The calls whose answers are to come from a node.
    fn calls_to(&self, node: &Name) -> Vec<u128> {
        let calls = self.calls();
        let theirs = calls.iter().filter(|(_, waiting)| waiting.node == *node);
        theirs.map(|(number, _)| *number).collect()
    }

    /// Waits while much is to be sent to a node: for whoever passes on what comes for a thing, and so for those who send it.
    pub(super) fn wait_for_room(&self, to: &Name) {
        if let Some(link) = self.link_to(to) {
            link.wait_for_room();
        }
    }

    pub(super) fn has_way(&self, to: &Name) -> bool {
        self.links().contains_key(to)
    }

    /// Says something to a node. `false`: there is no way to it, or it cannot be said.
    pub(super) fn say(&self, to: &Name, wire: &Wire) -> bool {
        let Some(link) = self.links().get(to).cloned() else {
            return false;
        };
        match wire.encode() {
            Ok(message) => {
                let sent = link.send(message, self.peers.queue);
                if !sent && matches!(wire, Wire::Answer { .. }) {
                    // Who waits for it must not wait for ever.
                    link.close();
                }
                sent
            }
            Err(error) => {
                tracing::warn!(target: "actor_core::migrate", node = %to, %error, "a message that cannot be sent");
                false
            }
        }
    }
}

/// What a message counts in a queue.
fn counted(message: &[u8]) -> usize {
    message.len() + 64
}

/// The reader of a way ends, in whichever manner, and the way with it.
struct Detach<'a>(&'a Inner, &'a Link, &'a Name);

impl Drop for Detach<'_> {
    fn drop(&mut self) {
        let Detach(node, link, name) = self;
        node.detach(link, name);
    }
}

/// Whether the way goes on.
fn is_about_message(error: &FarError) -> bool {
    matches!(error, FarError::TooLarge { .. })
}
