//! A shard: the actor that owns a part of the keys.
//!
//! This is all it takes to make [`Store`], which knows nothing of actors, safe to use from thousands of sessions: the
//! actor runs one message at a time, so the store stays an ordinary struct behind `&mut self`. Each method marked `pub`
//! below is a message, and `shard.ask().work(batch)` a call that looks like one.
//!
//! # What a crash costs
//! A shard that panics loses its data: this is a cache, and the memory is the only copy. Its supervisor starts it again,
//! empty, under the same address. The session whose batch it died with is told so and answers its client with an error;
//! batches that were waiting in the mailbox are run by the next life. Other shards do not notice.
//!
//! # Expiry without polling
//! Keys that nobody looks up must go when their time comes. A shard with such a key has an `Alarm`, an actor that sleeps
//! until the earliest deadline and then sends `expire`. Deadlines are moved earlier by a message; later ones need no
//! message, as the shard sets the alarm again whenever it rings. A shard in which nothing expires has no alarm, and one
//! whose alarm is set costs no processor time until it rings.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actor_core::TryRecvError;
use actor_core::prelude::*;

use crate::batch::Batch;
use crate::op::Millis;
use crate::store::Store;

/// Bytes of unread replies with which a batch comes back unfinished. With the size at which a session sends what it has,
/// it bounds what a session holds.
const REPLY_LIMIT: usize = 256 << 10;

/// Expired keys removed before other messages have their turn.
const EXPIRE_BUDGET: usize = 1000;

/// The time of day.
pub fn now() -> Millis {
    // Before 1970 it is 1970.
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

/// A part of the keys, and whoever watches over their expiry.
#[actor(name = "kv::Shard")]
#[derive(Debug, Default)]
pub struct Shard {
    store: Store,
    alarm: Option<SetAlarm>,
}

/// What `INFO` tells of a shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Keys.
    pub keys: usize,
    /// Keys with expiry time.
    pub expires: usize,
    /// Estimated bytes.
    pub used: usize,
}

impl Shard {
    /// A shard without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sees to it that the alarm rings when the next key is due, or earlier.
    fn set_alarm(&mut self, cx: &mut Cx<Self>) {
        let Some(due) = self.store.next_deadline() else {
            return;
        };
        let alarm = match &mut self.alarm {
            Some(alarm) => alarm,
            None => {
                let ringing = Alarm { shard: cx.addr() };
                // With no stack to be had for an alarm, keys expire when they are looked up, and the next message tries
                // again.
                let Ok(alarm) = cx.system().spawn(ringing) else {
                    return;
                };
                self.alarm.insert(SetAlarm { alarm, at: None })
            }
        };
        if alarm.at.is_none_or(|at| due < at) {
            alarm.at = Some(due);
            if alarm.alarm.send(due).is_err() {
                // It has ended, which it does only with the system.
                self.alarm = None;
            }
        }
    }
}

#[actor]
impl Shard {
    /// Runs the operations of a batch, as many as there is room for replies, and gives it back.
    pub fn work(&mut self, cx: &mut Cx<Self>, mut batch: Box<Batch>) -> Box<Batch> {
        self.store.run(&mut batch, now(), REPLY_LIMIT);
        self.set_alarm(cx);
        batch
    }

    /// Removes keys that are due. The alarm sends this.
    pub fn expire(&mut self, cx: &mut Cx<Self>) {
        if self.store.expire(now(), EXPIRE_BUDGET) == EXPIRE_BUDGET {
            // There may be more. A message to oneself goes behind those that wait, so nobody waits long.
            let _ = cx.addr().tell().expire();
            return;
        }
        if let Some(alarm) = &mut self.alarm {
            alarm.at = None;
        }
        self.set_alarm(cx);
    }

    /// Numbers for `INFO`.
    pub fn facts(&self) -> Facts {
        Facts {
            keys: self.store.len(),
            expires: self.store.expiring(),
            used: self.store.used(),
        }
    }
}

/// A shard's alarm, as the shard knows it. Dropped with the shard's state, and so also when a handler panics.
#[derive(Debug)]
struct SetAlarm {
    alarm: Addr<Alarm>,
    /// When it will ring; `None` if it has rung.
    at: Option<Millis>,
}

impl Drop for SetAlarm {
    fn drop(&mut self) {
        self.alarm.stop();
    }
}

/// Rings at the earliest of the times it was sent. An actor of the other kind: it has a stack of its own, so that it
/// can wait for a message *or* a point in time, wherever it likes.
#[actor(name = "kv::Alarm")]
#[derive(Debug)]
struct Alarm {
    shard: Addr<Shard>,
}

#[actor(message = Millis)]
impl Alarm {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        // Times are sent earliest last, so the last one counts.
        let mut next = inbox.recv();
        while let Ok(at) = next {
            let left = Duration::from_millis(at.saturating_sub(now()));
            next = match inbox.recv_timeout(left) {
                Err(TryRecvError::Empty) => {
                    if self.shard.tell().expire().is_err() {
                        break;
                    }
                    inbox.recv()
                }
                Ok(earlier) => Ok(earlier),
                Err(_) => break,
            };
        }
        Exit::Normal
    }
}
