//! Displacing: a full mailbox whose oldest message makes room for the newest.
//!
//! A sender takes the oldest message out, which elsewhere is the consumer's alone to do. So in a mailbox that displaces the
//! front of the queue (`head`, `head_at`, `consumed`) is guarded by the lock too, and the consumer takes it for each pop
//! ([`Consumer::pop_locked`], never [`pop`](Consumer::pop)). Only actors with that policy pay for it. Nobody ever waits for
//! room, so there is no wait list and no fence.
//!
//! The displaced message leaves and the new one enters in one critical section: a mailbox that is full stays full, and one
//! that is not idle does not look so in between.

use super::block::{BlockPtr, Slots};
use super::lock::limit;
use super::seam::atomic::Ordering;
use super::seam::fault;
use super::word::{self, CLOSED};
use super::{Consumer, Mailbox, Pushed};

impl<M> Mailbox<M> {
    /// Appends `message`; if the mailbox is full the oldest message is taken out, and is the caller's. `Err`: it is closed.
    ///
    /// # Safety
    /// The consumer pops with [`Consumer::pop_locked`] only.
    pub(crate) unsafe fn push_displacing(
        &self,
        message: M,
        cap: u32,
    ) -> Result<(Pushed, Option<M>), M> {
        let mut spare = None;
        loop {
            let word = self.lock();
            if word & CLOSED != 0 {
                self.unlock(word);
                return Err(message);
            }
            // SAFETY: we hold the lock.
            if unsafe { !self.has_slot(&mut spare) } {
                self.unlock(word);
                spare = Some(Slots::obtain());
                continue;
            }
            let full = word::len(word, self.consumed.load(Ordering::Relaxed)) >= limit(cap);
            // SAFETY: we hold the lock, which guards the front as well here; a full queue is not empty; and there is a slot.
            let oldest = unsafe {
                let oldest = full.then(|| self.take_oldest());
                self.append(message);
                oldest
            };
            let (word, wake) = word::push_one(word);
            self.unlock(word);
            return Ok((Pushed { wake }, oldest.map(Oldest::free_rest)));
        }
    }

    /// # Safety
    /// The front is the caller's, under the lock, and the queue is not empty.
    unsafe fn take_oldest(&self) -> Oldest<M> {
        // SAFETY: the caller's.
        unsafe {
            let mut at = self.head_at.with(|at| *at);
            let mut used_up = None;
            if at == Slots::<M>::CAP {
                used_up = Some(self.leave_head());
                at = 0;
            }
            let message = self.head.with(|head| Slots::<M>::read(*head, at));
            self.head_at.with_mut(|slot| *slot = at + 1);
            let consumed = self.consumed.load(Ordering::Relaxed);
            self.consumed
                .store(consumed.wrapping_add(1), Ordering::Release);
            Oldest { message, used_up }
        }
    }
}

/// A message taken out, with the block that was left behind: freed when the lock is not held any more.
struct Oldest<M> {
    message: M,
    used_up: Option<BlockPtr>,
}

impl<M> Oldest<M> {
    fn free_rest(self) -> M {
        if let Some(block) = self.used_up {
            // SAFETY: `leave_head` gave it to us, and all its messages were read.
            unsafe { Slots::<M>::free(block) }
        }
        self.message
    }
}

impl<M> Consumer<'_, M> {
    /// As [`pop`](Self::pop), for a mailbox whose senders may [displace](Mailbox::push_displacing).
    pub(crate) fn pop_locked(&mut self) -> Option<M> {
        if fault!("mailbox_displace_unlocked") {
            return self.pop(0);
        }
        let mailbox = self.mailbox;
        let word = mailbox.lock();
        let empty = word::len(word, mailbox.consumed.load(Ordering::Relaxed)) == 0;
        // SAFETY: we hold the lock, and are the consumer.
        let oldest = (!empty).then(|| unsafe { mailbox.take_oldest() });
        mailbox.unlock(word);
        oldest.map(Oldest::free_rest)
    }
}
