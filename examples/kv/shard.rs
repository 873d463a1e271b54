//! A shard: the actor that owns a part of the keys.
//!
//! This is all it takes to make [`Store`], which knows nothing of actors, safe to use from thousands of sessions: the
//! actor runs one message at a time, so the store stays an ordinary struct behind `&mut self`. Each method marked `pub`
//! below is a message, and `shard.ask().work(batch)` a call that looks like one.
//!
//! # What a crash costs
//! A shard that panics loses its data, if the memory is the only copy: its supervisor starts it again, empty, under the same
//! address. With `--data` it goes on from its last snapshot, and what was changed since is lost. The session whose batch it died with is told so and answers its client with an error;
//! batches that were waiting in the mailbox are run by the next life. Other shards do not notice.
//!
//! # Expiry without polling
//! Keys that nobody looks up must go when their time comes. A shard with such a key has a timer set for the earliest
//! deadline, which sends it `expire`. It is set anew for an earlier deadline; later ones need nothing, as the shard sets the
//! timer again whenever it has gone off. A shard in which nothing expires has none, and one that is set costs no processor
//! time until it goes off. It dies with the shard's life, however that ends.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

/// A part of the keys, and what watches over their expiry.
///
/// A snapshot has the keys alone: batches are asked, so whoever sent one hears that it was lost, and the timer is set again when
/// the next life starts.
#[actor(name = "kv::Shard", snapshot)]
#[derive(Debug, Default)]
pub struct Shard {
    store: Store,
    /// When the next key is due, and the timer for that.
    #[snapshot(skip)]
    alarm: Option<(Millis, Timer)>,
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

    /// Sees to it that `expire` comes when the next key is due, or earlier.
    fn set_alarm(&mut self, cx: &mut Cx<Self>) {
        let Some(due) = self.store.next_deadline() else {
            return;
        };
        if self.alarm.as_ref().is_some_and(|(set, _)| *set <= due) {
            return;
        }
        if let Some((_, later)) = self.alarm.take() {
            later.cancel();
        }
        let left = Duration::from_millis(due.saturating_sub(now()));
        self.alarm = Some((due, cx.after(left).expire()));
    }
}

#[actor]
impl Shard {
    #[on_start]
    fn start(&mut self, cx: &mut Cx<Self>) {
        self.set_alarm(cx);
    }

    /// Runs the operations of a batch, as many as there is room for replies, and gives it back.
    #[snapshot(skip)]
    pub fn work(&mut self, cx: &mut Cx<Self>, mut batch: Box<Batch>) -> Box<Batch> {
        self.store.run(&mut batch, now(), REPLY_LIMIT);
        self.set_alarm(cx);
        batch
    }

    /// Removes keys that are due. The timer sends this.
    #[snapshot(skip)]
    pub fn expire(&mut self, cx: &mut Cx<Self>) {
        if self.store.expire(now(), EXPIRE_BUDGET) == EXPIRE_BUDGET {
            // There may be more. A message to oneself goes behind those that wait, so nobody waits long.
            let _ = cx.addr().tell().expire();
            return;
        }
        self.alarm = None;
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
