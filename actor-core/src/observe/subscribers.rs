//! The subscriptions of a hub: channels whose bound is the hub's own, in an order all of them see.
//!
//! The channel is crossbeam's list, with a look at its length before each item. Its bounded flavour keeps its length when
//! the last receiver goes, so that a full one could not be told from an abandoned one without sending; it would also take
//! the memory for all of its capacity at once.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, unbounded};

/// Who subscribes to `T`s.
pub(super) struct Subscribers<T> {
    /// The length of `subscriptions`, to be read without the lock. Relaxed: it publishes nothing, and an item that races
    /// with a subscription may miss it.
    count: AtomicUsize,
    subscriptions: Mutex<Vec<Subscription<T>>>,
}

/// One of them.
pub(super) struct Subscription<T> {
    items: Sender<T>,
    capacity: usize,
    /// How many items were dropped since the last one delivered.
    pub(super) missed: u64,
}

impl<T> Subscribers<T> {
    pub(super) const fn new() -> Self {
        Self {
            count: AtomicUsize::new(0),
            subscriptions: Mutex::new(Vec::new()),
        }
    }

    /// One more, with at most `capacity` items waiting. Dropping the receiver, and its clones, ends the subscription.
    pub(super) fn add(&self, capacity: usize) -> Receiver<T> {
        let (items, receiver) = unbounded();
        let mut subscriptions = self.lock();
        subscriptions.push(Subscription {
            items,
            capacity,
            missed: 0,
        });
        self.count.store(subscriptions.len(), Ordering::Relaxed);
        receiver
    }

    /// How many there are, by the last look at them.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Shows each to `offer`, under the lock, and forgets those for which that is false: nobody listens any more.
    pub(super) fn offer(&self, offer: impl FnMut(&mut Subscription<T>) -> bool) {
        let mut subscriptions = self.lock();
        subscriptions.retain_mut(offer);
        self.count.store(subscriptions.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Subscription<T>>> {
        // A panic under the lock (out of memory, at most) leaves nothing half done.
        self.subscriptions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Subscription<T> {
    /// For how many items there is room.
    ///
    /// Only the hub sends, under its lock: room that is there stays there. The last receiver empties the channel when it
    /// goes, so a full one is one that somebody may still read.
    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.items.len())
    }

    /// Sends, whether there is room or not. False when nobody listens any more.
    pub(super) fn send(&self, item: T) -> bool {
        self.items.send(item).is_ok()
    }
}

impl<T> fmt::Debug for Subscribers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subscribers").field(&self.len()).finish()
    }
}
