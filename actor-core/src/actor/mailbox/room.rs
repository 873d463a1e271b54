//! Waiting for room in a bounded mailbox, and admitting those who wait.

use std::time::Instant;

use super::block::Slots;
use super::lock::limit;
use super::seam::atomic::Ordering;
use super::seam::{asym, fault, park};
use super::wait::{self, Outcome, Waiter};
use super::word::{self, CLOSED, WAITERS};
use super::{Mailbox, PushError, Pushed, Track, WaitCycle, WaitError, Wake};

impl<M> Mailbox<M> {
    /// Appends `message`, which has found the mailbox full, as soon as there is room, in order of arrival, or until `deadline`
    /// (`None`: for ever). Others are told of the wait by `track`. Parks the caller; if the park unwinds, the message is `lost`.
    #[cold]
    pub(crate) fn wait_for_room(
        &self,
        mut message: M,
        cap: u32,
        deadline: Option<Instant>,
        track: Option<&Track<'_>>,
        lost: &dyn Fn(M),
    ) -> Result<Pushed, WaitError<M>> {
        loop {
            let node = Waiter::new(message, park::current());
            if self.enlist(&node, cap) {
                return self.wait_enlisted(&node, cap, deadline, track, lost);
            }
            // SAFETY: the node was not linked, so it holds the message and is ours alone.
            message = unsafe { node.take_message() };
            match self.try_push(message, cap) {
                Ok(pushed) => return Ok(pushed),
                Err(PushError::Closed(message)) => return Err(WaitError::Closed(message)),
                Err(PushError::Full(back)) => message = back,
            }
        }
    }

    /// Links `node` if the mailbox is still full and open (step W1).
    pub(super) fn enlist(&self, node: &Waiter<M>, cap: u32) -> bool {
        let word = self.lock();
        let room = word & WAITERS == 0
            && word::len(word, self.consumed.load(Ordering::Acquire)) < limit(cap);
        if room || word & CLOSED != 0 {
            self.unlock(word);
            return false;
        }
        // SAFETY: we hold the lock; the caller unlinks the node before it goes away (`wait_enlisted`).
        unsafe { self.waiters.push_back(node) };
        self.unlock(word | WAITERS);
        true
    }

    fn wait_enlisted(
        &self,
        node: &Waiter<M>,
        cap: u32,
        deadline: Option<Instant>,
        track: Option<&Track<'_>>,
        lost: &dyn Fn(M),
    ) -> Result<Pushed, WaitError<M>> {
        /// Unlinks the node if the wait ends by itself, by deadline or unwinding.
        struct Enlisted<'a, M> {
            mailbox: &'a Mailbox<M>,
            node: &'a Waiter<M>,
            lost: &'a dyn Fn(M),
        }
        impl<M> Enlisted<'_, M> {
            /// `true`: the node was still waiting, and holds the message.
            fn retract(&self) -> bool {
                self.node.outcome() == Outcome::Waiting && self.mailbox.retract(self.node)
            }
        }
        impl<M> Drop for Enlisted<'_, M> {
            fn drop(&mut self) {
                // Only unwinding gets here without a verdict, see `forget` below.
                if self.retract() || self.node.outcome() == Outcome::Closed {
                    // SAFETY: the node is in no list and holds the message.
                    (self.lost)(unsafe { self.node.take_message() });
                }
            }
        }

        let enlisted = Enlisted {
            mailbox: self,
            node,
            lost,
        };
        if !fault!("mailbox_skip_recheck") {
            asym::heavy(); // step W2
            self.admit(cap); // step W3
        }
        let circle = track.and_then(|track| self.publish(node, track));
        let verdict = loop {
            match node.outcome() {
                Outcome::Admitted => {
                    break Ok(Pushed { wake: Wake::Nobody });
                }
                // SAFETY: the node was unlinked with the message left in it.
                Outcome::Closed => break Err(WaitError::Closed(unsafe { node.take_message() })),
                Outcome::Waiting => {}
            }
            if let Some(circle) = &circle
                && enlisted.retract()
            {
                // SAFETY: as for the deadline, below.
                break Err(WaitError::Deadlock(
                    unsafe { node.take_message() },
                    circle.clone(),
                ));
            }
            // The lock decides between the deadline and a settlement that comes at the same time.
            if !park::park_until(deadline) && enlisted.retract() {
                // SAFETY: we have just unlinked the node, so it holds the message.
                break Err(WaitError::Timeout(unsafe { node.take_message() }));
            }
        };
        std::mem::forget(enlisted);
        verdict
    }

    /// Tells others of the wait, if `node` still waits, and says whether it would never end. (waits: P1 to P3)
    pub(super) fn publish(&self, node: &Waiter<M>, track: &Track<'_>) -> Option<WaitCycle> {
        let word = self.lock();
        let waits = node.outcome() == Outcome::Waiting;
        if waits {
            // SAFETY: we hold the lock.
            unsafe { node.set_wait((track.publish)()) };
        }
        self.unlock(word);
        if waits { (track.circle)() } else { None }
    }

    /// Takes `node` out of the wait list; `false` if somebody settled it first.
    pub(super) fn retract(&self, node: &Waiter<M>) -> bool {
        let word = self.lock();
        if node.outcome() != Outcome::Waiting {
            self.unlock(word);
            return false;
        }
        // SAFETY: we hold the lock, and a node that is waiting is linked.
        let empty = unsafe {
            node.end_wait();
            self.waiters.unlink(node)
        };
        self.unlock(if empty { word & !WAITERS } else { word });
        true
    }

    /// Moves messages of waiting senders into the mailbox, first come first served, while there is room (steps C3, W3).
    #[cold]
    pub(super) fn admit(&self, cap: u32) {
        let mut spare = None;
        loop {
            let word = self.lock();
            let consumed = self.consumed.load(Ordering::Acquire);
            if word & WAITERS == 0 || word & CLOSED != 0 || word::len(word, consumed) >= limit(cap)
            {
                return self.unlock(word);
            }
            // SAFETY: we hold the lock.
            if unsafe { !self.has_slot(&mut spare) } {
                self.unlock(word);
                spare = Some(Slots::obtain());
                continue;
            }
            // SAFETY: we hold the lock; WAITERS is set, so the list is not empty, and a linked node holds its message. The
            // node is unlinked before it is settled.
            let (parker, empty) = unsafe {
                let node = self.waiters.first();
                self.append((*node).take_message());
                let empty = self.waiters.unlink(node);
                (wait::settle(node, Outcome::Admitted), empty)
            };
            let (word, wake) = word::push_one(word);
            debug_assert_eq!(
                wake,
                Wake::Nobody,
                "WAITERS implies SCHEDULED, SUSPENDED or HELD"
            );
            self.unlock(if empty { word & !WAITERS } else { word });
            if !fault!("mailbox_drop_wake") {
                parker.unpark();
            }
        }
    }
}
