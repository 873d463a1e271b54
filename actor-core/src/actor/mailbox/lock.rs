//! The lock of a mailbox, which is a bit of its word, and what is done under it: steps S1 to S3.

use super::Mailbox;
use super::block::{Slots, Spare};
use super::seam::atomic::{Backoff, Ordering};
use super::seam::fault;
use super::word::{self, CLOSED, LOCK, WAITERS, Wake};

/// Why the lock was not taken for a push.
pub(super) enum Refusal {
    Full,
    Closed,
}

impl<M> Mailbox<M> {
    /// Takes the lock and returns the word without LOCK.
    #[inline]
    pub(super) fn lock(&self) -> u64 {
        let mut backoff = Backoff::new();
        loop {
            let word = self.word.load(Ordering::Relaxed);
            if word & LOCK == 0 && self.try_lock(word) {
                return word;
            }
            backoff.wait();
        }
    }

    /// Takes the lock if the mailbox is idle.
    #[inline(always)]
    pub(super) fn lock_idle(&self) -> Option<u64> {
        let word = self.word.load(Ordering::Relaxed);
        // Below the count there is nothing: it is open, at rest, and nothing is asked of it.
        (word as u32 == 0 && self.try_lock(word)).then_some(word)
    }

    /// Takes the lock if a message would be accepted.
    pub(super) fn lock_to_push(&self, cap: u32) -> Result<u64, Refusal> {
        let mut backoff = Backoff::new();
        loop {
            let word = self.word.load(Ordering::Relaxed);
            self.accepts(word, cap)?;
            if word & LOCK == 0 && self.try_lock(word) {
                return Ok(word);
            }
            backoff.wait();
        }
    }

    /// Whether a message would be accepted, by a word just read.
    #[inline(always)]
    pub(super) fn accepts(&self, word: u64, cap: u32) -> Result<(), Refusal> {
        if word & CLOSED != 0 {
            return Err(Refusal::Closed);
        }
        // The word is read before the count. If the count is ahead of it the length is negative, and the exchange fails.
        if cap != 0
            && (word & WAITERS != 0
                || word::len(word, self.consumed.load(Ordering::Acquire)) >= limit(cap))
        {
            return Err(Refusal::Full);
        }
        Ok(())
    }

    /// Step S1.
    #[inline(always)]
    pub(super) fn try_lock(&self, word: u64) -> bool {
        let order = if fault!("mailbox_lock_relaxed") {
            Ordering::Relaxed
        } else {
            Ordering::Acquire
        };
        self.word
            .compare_exchange_weak(word, word | LOCK, order, Ordering::Relaxed)
            .is_ok()
    }

    /// Step S3: publishes `word`, which has no LOCK, and what was done under the lock.
    #[inline(always)]
    pub(super) fn unlock(&self, word: u64) {
        debug_assert!(word & LOCK == 0);
        let order = if fault!("mailbox_unlock_relaxed") {
            Ordering::Relaxed
        } else {
            Ordering::Release
        };
        self.word.store(word, order);
    }

    /// Changes the word without anything else, in one exchange, while nobody holds the lock.
    pub(super) fn update<R>(&self, change: impl Fn(u64) -> (u64, R)) -> R {
        let mut backoff = Backoff::new();
        loop {
            let word = self.word.load(Ordering::Acquire);
            if word & LOCK == 0 || fault!("mailbox_raise_ignores_lock") {
                let (changed, answer) = change(word);
                if self
                    .word
                    .compare_exchange_weak(word, changed, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
                {
                    return answer;
                }
            }
            backoff.wait();
        }
    }

    // --- under the lock ---

    /// Makes sure the tail has a free slot, with a block from `spare` or the thread's cache; `false` if there is none: the
    /// caller unlocks, obtains one and tries again, so that the allocator is never called under the lock.
    ///
    /// # Safety
    /// The caller holds the lock.
    #[inline(always)]
    pub(super) unsafe fn has_slot(&self, spare: &mut Option<Spare<M>>) -> bool {
        // SAFETY: the lock guards `tail` and `tail_at`.
        let (tail, at) = unsafe { (self.tail.with(|tail| *tail), self.tail_at.with(|at| *at)) };
        if !tail.is_null() && at < Slots::<M>::CAP {
            return true;
        }
        let Some(block) = spare.take().or_else(Slots::cached) else {
            return false;
        };
        let block = block.into_raw();
        // SAFETY: the lock guards `tail`, `tail_at`, the tail's `next`, and `head` while there is no block.
        unsafe {
            if tail.is_null() {
                self.head.with_mut(|head| *head = block);
                self.head_at.with_mut(|at| *at = 0);
            } else {
                Slots::<M>::set_next(tail, block);
            }
            self.tail.with_mut(|tail| *tail = block);
            self.tail_at.with_mut(|at| *at = 0);
        }
        true
    }

    /// Step S2: writes `message` into the tail's next slot.
    ///
    /// # Safety
    /// The caller holds the lock, `has_slot` said yes, and the caller counts the message in the word it unlocks with.
    #[inline(always)]
    pub(super) unsafe fn append(&self, message: M) {
        // SAFETY: the slot at `tail_at` is free, and the consumer does not read it before it is counted.
        unsafe {
            let at = self.tail_at.with(|at| *at);
            self.tail.with(|tail| Slots::write(*tail, at, message));
            self.tail_at.with_mut(|slot| *slot = at + 1);
        }
    }

    /// Steps S2 and S3, of which `word` is what was locked. Says whom the caller must wake.
    ///
    /// # Safety
    /// The caller holds the lock, and `has_slot` said yes.
    #[inline(always)]
    pub(super) unsafe fn append_last(&self, word: u64, message: M) -> Wake {
        // SAFETY: the caller's.
        unsafe { self.append(message) };
        // Asked first, so that what follows need not find out again.
        if let Some(word) = word::push_first(word) {
            self.unlock(word);
            return Wake::Actor;
        }
        let (word, wake) = word::push_one(word);
        self.unlock(word);
        wake
    }
}

/// `cap` as a bound on a length.
#[inline(always)]
pub(super) const fn limit(cap: u32) -> i32 {
    if cap == 0 || cap > i32::MAX as u32 {
        i32::MAX
    } else {
        cap as i32
    }
}
