//! The consumer's side: popping, going idle, suspending, closing.

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::block::{BlockPtr, Slots};
use super::seam::atomic::{Backoff, Ordering};
use super::seam::{asym, fault};
use super::wait::{self, Outcome};
use super::word::{self, CLOSED, Flags, LOCK, SCHEDULED, SUSPENDED, WAITERS};
use super::{Drain, Mailbox, Wake};

/// The right to pop: one at a time, see [`Mailbox::consumer`].
pub(crate) struct Consumer<'a, M> {
    pub(super) mailbox: &'a Mailbox<M>,
    pub(super) not_send: PhantomData<*const ()>,
}

/// See [`Consumer::next`].
pub(crate) enum Next<M> {
    Flags(Flags),
    Message(NonNull<M>),
    Nothing,
}

/// With what order a word is loaded that counts what is popped.
#[inline(always)]
fn popping() -> Ordering {
    if fault!("mailbox_pop_relaxed") {
        Ordering::Relaxed
    } else {
        Ordering::Acquire
    }
}

impl<'a, M> Consumer<'a, M> {
    /// The oldest message, if there is one.
    #[inline]
    pub(crate) fn pop(&mut self, cap: u32) -> Option<M> {
        let word = self.mailbox.word.load(popping());
        // SAFETY: moved out at once.
        self.pop_at(word, cap).map(|it| unsafe { it.read() })
    }

    /// What there is to do for an activation: what a flag asks for, or else the oldest message. That is no longer the mailbox's,
    /// and the caller moves it out of where it is before it calls anything else of a consumer.
    #[inline(always)]
    pub(crate) fn next(&mut self, cap: u32) -> Next<M> {
        let word = self.mailbox.word.load(popping());
        let flags = word::flags(word);
        if !flags.is_empty() {
            return Next::Flags(flags);
        }
        self.pop_at(word, cap).map_or(Next::Nothing, Next::Message)
    }

    /// The oldest message that `word` counts, which has just been loaded.
    #[inline(always)]
    fn pop_at(&mut self, word: u64, cap: u32) -> Option<NonNull<M>> {
        let mailbox = self.mailbox;
        let consumed = mailbox.consumed.load(Ordering::Relaxed);
        if word::pushed(word) == consumed {
            return None;
        }
        // SAFETY: the word counts a message we have not consumed. The acquiring load makes visible what was done under the
        // lock before it was counted: the message, the block it is in, and the links (or `head`) that lead there. `head` and
        // `head_at` are ours; the block we leave is full and behind the tail, so no sender touches it.
        let message = unsafe {
            let mut at = mailbox.head_at.with(|at| *at);
            if at == Slots::<M>::CAP {
                Slots::<M>::free(mailbox.leave_head());
                at = 0;
            }
            let message = mailbox.head.with(|head| Slots::<M>::place(*head, at));
            mailbox.head_at.with_mut(|slot| *slot = at + 1);
            message
        };
        mailbox
            .consumed
            .store(consumed.wrapping_add(1), Ordering::Release); // step C1
        if cap != 0 {
            if !fault!("mailbox_skip_light") {
                asym::light(); // step C2
            }
            if mailbox.word.load(Ordering::Relaxed) & WAITERS != 0 && !fault!("mailbox_skip_admit")
            {
                mailbox.admit(cap); // step C3
            }
        }
        Some(message)
    }

    /// The messages in the queue, oldest first, which stay there.
    ///
    /// # Safety
    /// Senders do not [displace](Mailbox::push_displacing): then only the consumer takes messages out.
    pub(crate) unsafe fn peek(&self) -> Vec<&M> {
        let mailbox = self.mailbox;
        let consumed = mailbox.consumed.load(Ordering::Relaxed);
        let left = word::len(mailbox.word.load(Ordering::Acquire), consumed);
        let mut seen = Vec::with_capacity(usize::try_from(left).unwrap_or(0));
        if left <= 0 {
            return seen;
        }
        // SAFETY: as in `pop`, for each of the messages that the word counts and we have not consumed. They stay where they
        // are while the consumer, which is borrowed, does not pop; senders write to later slots only.
        unsafe {
            let mut block = mailbox.head.with(|head| *head);
            let mut at = mailbox.head_at.with(|at| *at);
            for _ in 0..left {
                if at == Slots::<M>::CAP {
                    block = Slots::<M>::next(block);
                    at = 0;
                }
                seen.push(Slots::<M>::get(block, at));
                at += 1;
            }
        }
        seen
    }

    /// How many of the messages in the queue were there when [`position`](Self::position) gave this.
    pub(crate) fn ahead_of(&self, position: u32) -> usize {
        let consumed = self.mailbox.consumed.load(Ordering::Relaxed);
        usize::try_from(position.wrapping_sub(consumed) as i32).unwrap_or(0)
    }

    /// The place behind everything that is in the queue now: see [`has_reached`](Self::has_reached).
    pub(crate) fn position(&self) -> u32 {
        word::pushed(self.mailbox.word.load(Ordering::Acquire))
    }

    /// Whether all that was in the queue when [`position`](Self::position) gave this has been popped.
    pub(crate) fn has_reached(&self, position: u32) -> bool {
        let consumed = self.mailbox.consumed.load(Ordering::Relaxed);
        consumed.wrapping_sub(position) as i32 >= 0
    }

    /// Ends the activation if there is nothing left to do; otherwise gives the consumer back.
    ///
    /// After `Ok` the next push or flag schedules the actor, perhaps before this call has returned: the caller must not
    /// touch what belongs to the consumer any more.
    #[inline]
    pub(crate) fn go_idle(self, cap: u32) -> Result<(), Self> {
        let mailbox = self.mailbox;
        let consumed = mailbox.consumed.load(Ordering::Relaxed);
        // As it is most often, so without a look first.
        let done = word::done(consumed);
        if mailbox.try_lock(done) {
            // SAFETY: we hold the lock, and the word counts nothing beyond what was consumed.
            unsafe { self.leave_empty(done) };
            return Ok(());
        }
        self.go_idle_slowly(consumed, cap)
    }

    /// [`go_idle`](Self::go_idle), where something has come, is asked for, or is held.
    #[inline(never)]
    fn go_idle_slowly(self, consumed: u32, cap: u32) -> Result<(), Self> {
        let mailbox = self.mailbox;
        let mut backoff = Backoff::new();
        let word = loop {
            let word = mailbox.word.load(Ordering::Relaxed);
            if word::pending(word, consumed) && !fault!("mailbox_idle_blindly") {
                if word & WAITERS != 0 {
                    mailbox.admit(cap);
                }
                return Err(self);
            }
            if word & LOCK == 0 && mailbox.try_lock(word) {
                break word;
            }
            backoff.wait();
        };
        if word::pushed(word) != consumed && !fault!("mailbox_held_as_empty") {
            // Messages are held: the blocks stay.
            mailbox.unlock(word & !SCHEDULED);
            return Ok(());
        }
        // SAFETY: we hold the lock, and the queue is empty.
        unsafe { self.leave_empty(word) };
        Ok(())
    }

    /// Takes the block out of a queue that is empty, and unlocks; `word` is what was locked.
    ///
    /// # Safety
    /// The lock is held, and the queue is empty.
    #[inline(always)]
    unsafe fn leave_empty(self, word: u64) {
        let mailbox = self.mailbox;
        // SAFETY: we hold the lock and are the consumer, so all of the queue is ours; it is empty, so there is at most one
        // block, the head being the tail.
        let block = unsafe {
            mailbox.head.with_mut(|head| *head = std::ptr::null_mut());
            mailbox
                .tail
                .with_mut(|tail| std::mem::replace(&mut *tail, std::ptr::null_mut()))
        };
        mailbox.unlock(word & !SCHEDULED);
        if !block.is_null() {
            // SAFETY: it has been taken out of the mailbox, and all its messages were read.
            unsafe { Slots::<M>::free(block) };
        }
    }

    /// Takes down `flags` and returns those of them that were raised.
    pub(crate) fn take_flags(&mut self, flags: Flags) -> Flags {
        let taken = std::cell::Cell::new(0);
        self.mailbox.update(|word| {
            taken.set(word & flags.bits());
            (word & !flags.bits(), ())
        });
        word::flags(taken.get())
    }

    /// Has messages wait, until [`take_flags`](Self::take_flags) takes `HELD` down.
    pub(crate) fn hold(&mut self) {
        self.mailbox.update(|word| (word | Flags::HELD.bits(), ()));
    }

    /// Takes `flag` down, unless what it stands for has come meanwhile: then `look`, called after that, finds it, and the flag
    /// is up again, as there may be more.
    pub(crate) fn lower<T>(&mut self, flag: Flags, look: impl FnOnce() -> Option<T>) -> Option<T> {
        let _ = self.take_flags(flag);
        if fault!("mailbox_lower_blindly") {
            return None;
        }
        let found = look()?;
        let wake = self.mailbox.raise(flag);
        debug_assert_eq!(wake, Wake::Nobody, "the consumer is here");
        Some(found)
    }

    /// Ends the activation with the mailbox suspended: messages and flags are accepted, but nothing schedules the actor until
    /// [`Mailbox::resume`].
    pub(crate) fn suspend(self) {
        self.mailbox
            .update(|word| ((word | SUSPENDED) & !SCHEDULED, ()));
    }

    /// Closes the mailbox for good: pushes fail from now on, waiting senders get their messages back, and the messages left
    /// are the caller's. The actor is never scheduled again.
    pub(crate) fn close(&mut self) -> Drain<M> {
        let mailbox = self.mailbox;
        let mut word = mailbox.lock();
        let consumed = mailbox.consumed.load(Ordering::Relaxed);
        mailbox
            .consumed
            .store(word::pushed(word), Ordering::Release);
        // SAFETY: we hold the lock and are the consumer: the whole queue is ours, and we take it out.
        let drain = unsafe {
            let head = mailbox
                .head
                .with_mut(|head| std::mem::replace(&mut *head, std::ptr::null_mut()));
            mailbox.tail.with_mut(|tail| *tail = std::ptr::null_mut());
            Drain::new(
                head,
                mailbox.head_at.with(|at| *at),
                word::len(word, consumed) as u32,
            )
        };
        word = (word | CLOSED | SCHEDULED) & !SUSPENDED;
        loop {
            // SAFETY: we hold the lock; a node is unlinked before it is settled.
            let parker = unsafe {
                let node = mailbox.waiters.first();
                if node.is_null() {
                    mailbox.unlock(word & !WAITERS);
                    return drain;
                }
                mailbox.waiters.unlink(node);
                wait::settle(node, Outcome::Closed)
            };
            mailbox.unlock(word);
            if !fault!("mailbox_close_forgets_waiters") {
                parker.unpark();
            }
            word = mailbox.lock();
        }
    }
}

impl<M> Mailbox<M> {
    /// Goes on to the block after the head, which is used up and the caller's to free.
    ///
    /// # Safety
    /// `head` is the caller's to move, and a message is known to be in the block after it.
    #[cold]
    pub(super) unsafe fn leave_head(&self) -> BlockPtr {
        // SAFETY: the caller's; the head's `next` was written before that message was counted.
        self.head.with_mut(|head| unsafe {
            let next = Slots::<M>::next(*head);
            std::mem::replace(&mut *head, next)
        })
    }
}

impl<M> std::ops::Deref for Consumer<'_, M> {
    type Target = Mailbox<M>;

    fn deref(&self) -> &Mailbox<M> {
        self.mailbox
    }
}

impl<M> fmt::Debug for Consumer<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mailbox.fmt(f)
    }
}
