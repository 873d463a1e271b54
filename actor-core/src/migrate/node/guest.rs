//! What a node keeps for others, and how much of it there may be.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::wire::Name;
use super::{Inner, lock};

/// How much a node keeps for each other, whatever that sends: who knows the secret may mean ill all the same, or be broken.
///
/// ```
/// use actor_core::migrate::{Node, PeerLimits};
/// use actor_core::prelude::*;
///
/// let sys = System::new()?;
/// let mut limits = PeerLimits::default();
/// limits.undecided = 16 << 20;
/// let node = Node::builder("small", &sys).peer_limits(limits).start()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerLimits {
    /// Bytes of what it has offered and not decided yet, and of messages that came meanwhile, each counted as 1 KiB more than it
    /// has. What it offers beyond is [refused](super::super::Refusal::Full), and a message beyond is as one for what is not here.
    /// Default: 256 MiB.
    pub undecided: usize,
    /// Its calls that have not been answered. One beyond is answered at once: there will be no answer. Default: 65,536.
    pub calls: usize,
    /// Bytes that wait to be sent to it, each message counted as 64 more than it has. What would be beyond is not sent: a message is as
    /// one for which there is no way, a move asks again or is given up, and for an answer the way is ended, so that nobody waits for
    /// it. Default: 256 MiB.
    pub queue: usize,
}

impl Default for PeerLimits {
    fn default() -> Self {
        PeerLimits {
            undecided: 256 << 20,
            calls: 65_536,
            queue: 256 << 20,
        }
    }
}

/// What is counted for something that is kept, beside its own bytes.
const KEPT: usize = 1024;

/// Another node, as far as something of its is here.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) name: Name,
    undecided: AtomicUsize,
    calls: AtomicUsize,
}

/// A part of what a node may have here, given back when it is dropped.
pub(super) struct Share {
    guest: Arc<Guest>,
    of: fn(&Guest) -> &AtomicUsize,
    size: usize,
}

impl Share {
    fn take(
        guest: &Arc<Guest>,
        of: fn(&Guest) -> &AtomicUsize,
        size: usize,
        limit: usize,
    ) -> Option<Self> {
        let more = |now: usize| now.checked_add(size).filter(|sum| *sum <= limit);
        let order = Ordering::Relaxed;
        of(guest).fetch_update(order, order, more).ok()?;
        let guest = guest.clone();
        Some(Share { guest, of, size })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        (self.of)(&self.guest).fetch_sub(self.size, Ordering::Relaxed);
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({} of {})", self.size, self.guest.name)
    }
}

impl Inner {
    /// What is counted for the node of this name: the same as long as anything of its is here, also over several ways.
    pub(super) fn guest(&self, name: &Name) -> Arc<Guest> {
        let mut guests = lock(&self.guests);
        guests.retain(|_, guest| Arc::strong_count(guest) > 1);
        let new = || {
            Arc::new(Guest {
                name: name.clone(),
                undecided: AtomicUsize::new(0),
                calls: AtomicUsize::new(0),
            })
        };
        guests.entry(name.clone()).or_insert_with(new).clone()
    }

    /// Room for so many bytes of something that is not decided.
    pub(super) fn room(&self, guest: &Arc<Guest>, bytes: usize) -> Option<Share> {
        let size = bytes.saturating_add(KEPT);
        Share::take(guest, |it| &it.undecided, size, self.peers.undecided)
    }

    /// Room for a call.
    pub(super) fn room_for_call(&self, guest: &Arc<Guest>) -> Option<Share> {
        Share::take(guest, |it| &it.calls, 1, self.peers.calls)
    }
}
