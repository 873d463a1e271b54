//! The mailbox: a queue of messages with many senders and one consumer, and the scheduling state of the actor it belongs to.
//!
//! # Terms
//! - *word*: one `AtomicU64`: a lock bit, the actor's scheduling state and flags, and the count of messages ever *pushed*
//!   (see `word.rs` for the picture).
//! - *consumed*: the count of messages ever popped, in a word of its own, which only the consumer writes. The queue's length is
//!   `pushed - consumed`.
//! - *block*: 512 bytes or 1 KiB of message slots (`block.rs`). The queue is a chain of blocks; an idle mailbox owns none.
//! - *consumer*: the running activation. There is one at a time: it comes into being when somebody is told `must_schedule`,
//!   and ends by going idle, suspending or closing.
//! - *listening*: the consumer is parked in the middle of a handler, and is to be unparked instead of scheduled (`listen.rs`).
//! - *displacing*: a policy of bounded mailboxes, by which a sender takes the oldest message out (`displace.rs`).
//! - *waiter*: a sender that found a bounded mailbox full; its node and its message lie in its own stack frame (`wait.rs`).
//!
//! ```text
//!   word: LOCK | SCHEDULED CLOSED SUSPENDED STOP KILL SIGNAL HELD LANES TIMERS WAITERS LISTENING | pushed
//!                                   head                          tail
//!   consumer pops here, no lock --> [ x x m m ] -> [ m m m m ] -> [ m m . . ] <-- senders append here, under LOCK
//!                                   waiters: -> (sender, m) -> (sender, m)        admitted first come, first served
//! ```
//!
//! # States
//! ```text
//!             push or flag: must_schedule                        suspend
//!    IDLE  ------------------------------->  SCHEDULED  ------------------------>  SUSPENDED
//!      ^                                      |   |  ^                              |     |
//!      +--------------------------------------+   |  +------------------------------+     |
//!      |   go_idle: nothing queued or flagged     |     resume, something to do: must_     |
//!      |                                          |     schedule                           |
//!      +------------------------------------------|----------------------------------------+
//!                                                 v     resume, nothing to do
//!                                              CLOSED (for good; SCHEDULED stays set, so nobody schedules it again)
//! ```
//!
//! # Protocol
//! A push is one read-modify-write:
//! - **S1** compare-exchange the word to the same word with LOCK (acquire), if it is open and has room;
//! - **S2** write the message into the tail's next slot, with plain stores;
//! - **S3** store the word without LOCK, with `pushed + 1` and SCHEDULED (release). SCHEDULED was clear: `must_schedule`.
//!
//! A plain store may end the critical section because nobody changes the word while LOCK is set; that includes the flags,
//! which are raised by a compare-exchange from a word without LOCK. Under the lock there is no user code, no allocation, no
//! call that may unwind or park: if the thread's block cache is empty the sender unlocks, allocates, and starts again. A
//! sender that meets a held lock spins for a bounded time, then yields its thread, in case the holder was preempted.
//!
//! A pop takes no lock: it loads the word (acquire) and compares its count with `consumed`; if they differ the slot at
//! `head_at` is full. Then
//! - **C1** it stores `consumed + 1` (release);
//! - **C2** bounded only: a light asymmetric fence;
//! - **C3** bounded only: it loads the word again, and if WAITERS is set, locks and admits waiters while there is room.
//!
//! A sender that finds a bounded mailbox full
//! - **W1** locks, checks again, links its node, and unlocks with WAITERS set;
//! - **W2** issues the heavy asymmetric fence;
//! - **W3** checks again: if there is room now it admits waiters itself, from the front of the list;
//! - then parks until its node is settled, its deadline passes, or it is killed. Before that, an actor publishes its wait, under
//!   the lock, if its node still stands in line: so others see it wait exactly while it does, as whoever takes the node out
//!   ends the wait under the lock (`actor::waits`).
//!
//! *Admitting* moves a waiter's message into the queue under the lock, unlinks and settles its node, and unparks its sender
//! after unlocking. So a freed slot is not a wake-up that could be lost with a sender that has just gone (killed, or out of
//! time), nor one that a newcomer could steal: the message is in the queue before the sender knows.
//!
//! In a mailbox that displaces, a pop takes the lock as well, since senders pop too; nobody ever waits there. What a flag stands
//! for is put in place before it is raised, and looked for again after it was taken down (`Consumer::lower`).
//!
//! # Why nothing is lost
//! 1. *No lost schedule.* SCHEDULED is cleared only by going idle and by suspending, both by an exchange on the word that the
//!    push changes too. Going idle requires that the exchanged word counts no message beyond `consumed` and holds no flag. So
//!    a push comes before it, and the exchange sees it; or after it, and sees SCHEDULED clear.
//! 2. *No lost room.* C1–C3 and W1–W3 are store, fence, load on both sides, crosswise: the consumer stores `consumed` and loads
//!    the word, the sender stores the word and loads `consumed`. At least one of them sees the other's store, and admits.
//!    That holds for each single pop, so that a handler which waits for the waiting sender does not wait for ever.
//! 3. *No overtaking.* A push fails with `Full` while WAITERS is set, room or not, so every sender queues behind the others.
//! 4. *No waiter on an idle mailbox.* WAITERS implies SCHEDULED, SUSPENDED or HELD: a sender links itself only if it finds the
//!    queue full under the lock, a full queue is not idle, and going idle requires WAITERS clear. Admitting never has to schedule.
//! 5. *Held messages.* HELD is raised and taken down by the consumer alone. While it is up messages, waiters and LANES count for
//!    nothing: they neither schedule nor keep the consumer from going idle, which leaves the blocks where they are. Whoever takes
//!    it down is the consumer, and going idle then meets what has come, by 1.
//! 6. *Deadline against admission.* Both need the lock; the node's outcome, read under it, says which was first.
//! 7. *The right wake-up.* Whether the actor is idle, or listens, or neither is read by the exchange (or under the lock) that
//!    adds the message. So a sender that is slow to act on "listens" unparks a stack without cause, at worst, and never
//!    schedules an actor whose handler has gone on.
//! 8. *The last access.* After S3, or the store that ends going idle, neither side touches the mailbox, whose actor may already
//!    be running, or ended, elsewhere. A settled node is not touched after its outcome is stored.
//!
//! # Rejected
//! - *One node a message*: a cache miss each; 20–30 ns a tell with a thousand queued.
//! - *A state flag beside a lock-free queue*: going idle is then a decision over two words; a prototype lost 1,065 of 4 million
//!   wake-ups.
//! - *Fetch-add for a slot*: one RMW too, but the slot is filled after it is counted, so the consumer meets holes, and a bound
//!   or a close needs a second word.
//! - *Waking a waiter and letting it push*: the slot must be reserved for it meanwhile, and passed on if it is gone.
//! - *Publishing `consumed` once a batch*: less traffic on the line, but a batch that is abandoned with its stack (overflow)
//!   would leave messages to be read twice.
//!
//! # Checks
//! `tests.rs`: behaviour, a property test against a deque, stress with real threads. `models.rs`: loom, with blocks of two
//! messages. `bench.rs`: costs. Seeded faults:
//!
//! | fault | what it breaks | caught by |
//! |---|---|---|
//! | `mailbox_lock_relaxed` | taking the lock does not acquire | `loom_push_against_going_idle` |
//! | `mailbox_unlock_relaxed` | releasing the lock does not release | `loom_push_against_going_idle` |
//! | `mailbox_raise_ignores_lock` | raising a flag ignores that the word is locked | `loom_raise_against_push` |
//! | `mailbox_pop_relaxed` | the consumer does not acquire what it pops | `loom_push_against_going_idle` |
//! | `mailbox_idle_blindly` | going idle ignores a message that has come meanwhile | `loom_push_against_going_idle` |
//! | `mailbox_held_as_empty` | going idle gives up the blocks of held messages | `held_messages_stay_and_schedule_nobody` |
//! | `mailbox_skip_light` | no C2 | `loom_wait_for_room_against_pop` |
//! | `mailbox_skip_admit` | no C3 | `loom_wait_for_room_against_pop` |
//! | `mailbox_skip_recheck` | no W3 | `loom_wait_for_room_against_pop` |
//! | `mailbox_drop_wake` | an admitted sender is not unparked | `loom_wait_for_room_against_pop` |
//! | `mailbox_keep_wait` | a sender that has been admitted still counts as waiting | `others_see_a_sender_wait_only_while_it_does` |
//! | `mailbox_displace_unlocked` | the consumer of a mailbox that displaces pops without the lock | `loom_displace_against_pop` |
//! | `mailbox_listen_blindly` | listening ignores a message that has come meanwhile | `loom_listen_against_push` |
//! | `mailbox_lower_blindly` | what has come before its flag was taken down is not looked for | `loom_a_message_behind_a_flag_is_seen_or_flagged` |
//! | `mailbox_close_forgets_waiters` | closing leaves waiting senders linked | `loom_close_against_waiting_sender` |

mod block;
mod consumer;
mod displace;
mod drain;
mod listen;
mod lock;
mod room;
pub(crate) mod seam;
mod wait;
mod word;

#[cfg(all(test, not(loom)))]
mod bench;
#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;
use std::marker::PhantomData;
#[cfg(test)]
use std::time::Instant;

use super::cycle::WaitCycle;
use crate::rt::edge::Wait;
use block::{BlockPtr, Slots};
pub(crate) use consumer::{Consumer, Next};
pub(crate) use drain::Drain;
use lock::Refusal;
use seam::atomic::{AtomicU32, AtomicU64, Ordering, UnsafeCell};
use wait::WaitList;
use word::{CLOSED, LOCK, SCHEDULED, SUSPENDED};
pub(crate) use word::{Flags, Wake};

/// A queue of messages with many senders and one consumer, and the scheduling state of the actor that owns it.
///
/// `cap`, where a method takes one, is the mailbox's capacity, 0 for unbounded. It is a constant of the actor's type and so is
/// not stored; it must be the same in every call on one mailbox.
#[repr(C)]
pub(crate) struct Mailbox<M> {
    /// See [`word`].
    word: AtomicU64,
    /// Messages ever popped (wrapping). Written by the consumer; senders read it for the bound.
    consumed: AtomicU32,
    /// The consumer's position in `head`. Consumer only.
    head_at: UnsafeCell<u16>,
    /// The next free slot in `tail`. Guarded by the lock.
    tail_at: UnsafeCell<u16>,
    /// The block the consumer reads; null if the mailbox owns none. Consumer only, except that the sender that adds the first
    /// block sets it under the lock; the consumer looks only once a word counts a message in that block.
    head: UnsafeCell<BlockPtr>,
    /// The block senders write; null if the mailbox owns none. Guarded by the lock.
    tail: UnsafeCell<BlockPtr>,
    /// Guarded by the lock.
    waiters: WaitList<M>,
    owns: PhantomData<M>,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Mailbox<u64>>() <= 40);

// SAFETY: a mailbox moves messages from thread to thread, and never lends one by reference: `M: Send` is enough. The cells
// are guarded as said at each field; what cannot be checked (one consumer) is the contract of `Mailbox::consumer`.
unsafe impl<M: Send> Sync for Mailbox<M> {}
// SAFETY: as above.
unsafe impl<M: Send> Send for Mailbox<M> {}

/// A message is in the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// Whom the caller must wake.
    pub(crate) wake: Wake,
}

/// A message that was not accepted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushError<M> {
    /// No room, or others have been waiting for room for longer.
    Full(M),
    /// The mailbox is closed.
    Closed(M),
}

/// A message whose sender waited for room in vain.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum WaitError<M> {
    /// The deadline passed first.
    Timeout(M),
    /// The mailbox is closed.
    Closed(M),
    /// The wait would be part of a circle ([`Track`]).
    Deadlock(M, WaitCycle),
}

/// How others are told of a wait for room (`actor::waits`).
pub(crate) struct Track<'a> {
    /// Publishes the wait. Called under the lock.
    pub(crate) publish: &'a dyn Fn() -> Wait,
    /// The circle it is part of, once it has been published.
    pub(crate) circle: &'a dyn Fn() -> Option<WaitCycle>,
}

impl<M> Mailbox<M> {
    /// An empty, idle mailbox: the first push schedules the actor.
    pub(crate) fn new() -> Self {
        Self::with_word(0)
    }

    /// An empty mailbox of an actor whose first activation the caller schedules.
    pub(crate) fn new_scheduled() -> Self {
        Self::with_word(SCHEDULED)
    }

    /// An empty mailbox of an actor that has no life yet: suspended until [`resume`](Self::resume).
    pub(crate) fn new_suspended() -> Self {
        Self::with_word(SUSPENDED)
    }

    fn with_word(word: u64) -> Self {
        Self::with_counts(word, 0)
    }

    /// Both counts start at `count`: lets tests cross the wrap-around.
    fn with_counts(word: u64, count: u32) -> Self {
        Mailbox {
            word: AtomicU64::new(word | u64::from(count) << 32),
            consumed: AtomicU32::new(count),
            head_at: UnsafeCell::new(0),
            tail_at: UnsafeCell::new(0),
            head: UnsafeCell::new(std::ptr::null_mut()),
            tail: UnsafeCell::new(std::ptr::null_mut()),
            waiters: WaitList::new(),
            owns: PhantomData,
        }
    }

    /// Appends `message` unless the mailbox is full or closed. Never waits for room.
    #[inline(always)]
    pub(crate) fn try_push(&self, message: M, cap: u32) -> Result<Pushed, PushError<M>> {
        let word = self.word.load(Ordering::Relaxed);
        if word & LOCK == 0 && self.accepts(word, cap).is_ok() && self.try_lock(word) {
            // SAFETY: we hold the lock.
            if unsafe { self.has_slot(&mut None) } {
                // SAFETY: and there is a slot.
                let wake = unsafe { self.append_last(word, message) };
                return Ok(Pushed { wake });
            }
            self.unlock(word);
        }
        self.try_push_slowly(&mut Some(message), cap)
    }

    /// [`try_push`](Self::try_push), where somebody else has the lock, or there may be no room, or no block. The message is taken out
    /// of a place of its own: see `block`.
    #[cold]
    #[inline(never)]
    fn try_push_slowly(&self, message: &mut Option<M>, cap: u32) -> Result<Pushed, PushError<M>> {
        let message = message.take().expect("the caller's message");
        let mut spare = None;
        loop {
            let word = match self.lock_to_push(cap) {
                Ok(word) => word,
                Err(Refusal::Full) => return Err(PushError::Full(message)),
                Err(Refusal::Closed) => return Err(PushError::Closed(message)),
            };
            // SAFETY: we hold the lock.
            if unsafe { self.has_slot(&mut spare) } {
                // SAFETY: and there is a slot.
                let wake = unsafe { self.append_last(word, message) };
                return Ok(Pushed { wake });
            }
            self.unlock(word);
            if word::len(word, self.consumed.load(Ordering::Relaxed)) > i32::MAX - (1 << 16) {
                return Err(PushError::Full(message)); // the counts cannot hold more
            }
            spare = Some(Slots::obtain());
        }
    }

    /// Appends `message`, waiting for room if the mailbox is full, in order of arrival, until `deadline` (`None`: for ever).
    ///
    /// Parks the caller. If the park unwinds (the caller is killed), the caller leaves the queue, and `lost` is called with the
    /// message; it must neither unwind nor park.
    #[cfg(test)]
    pub(crate) fn push_wait(
        &self,
        message: M,
        cap: u32,
        deadline: Option<Instant>,
        lost: &dyn Fn(M),
    ) -> Result<Pushed, WaitError<M>> {
        match self.try_push(message, cap) {
            Ok(pushed) => Ok(pushed),
            Err(PushError::Closed(message)) => Err(WaitError::Closed(message)),
            Err(PushError::Full(message)) => self.wait_for_room(message, cap, deadline, None, lost),
        }
    }

    /// Appends `message` if the mailbox is idle: not scheduled, suspended or closed. The caller must schedule the actor then.
    #[inline(always)]
    pub(crate) fn push_to_idle(&self, message: M) -> Result<(), M> {
        match self.lock_idle() {
            // SAFETY: we hold the lock.
            Some(word) if unsafe { self.has_slot(&mut None) } => {
                // SAFETY: and there is a slot, and room: a mailbox that is idle is empty.
                let wake = unsafe { self.append_last(word, message) };
                debug_assert_eq!(wake, Wake::Actor, "it was idle");
                Ok(())
            }
            Some(word) => {
                self.unlock(word);
                self.push_to_idle_slowly(&mut Some(message))
            }
            None => Err(message),
        }
    }

    /// [`push_to_idle`](Self::push_to_idle), where there was no block. The message as in `try_push_slowly`.
    #[cold]
    #[inline(never)]
    fn push_to_idle_slowly(&self, message: &mut Option<M>) -> Result<(), M> {
        let message = message.take().expect("the caller's message");
        let mut spare = Some(Slots::obtain());
        let Some(word) = self.lock_idle() else {
            return Err(message);
        };
        // SAFETY: we hold the lock, and bring a block if there is no slot. There is room, as above.
        unsafe {
            let there = self.has_slot(&mut spare);
            debug_assert!(there, "it has been given a block");
            let wake = self.append_last(word, message);
            debug_assert_eq!(wake, Wake::Actor, "it was idle");
        }
        Ok(())
    }

    /// Asks for the actor's attention, and says whom the caller must wake. While the mailbox is suspended the flag is only
    /// noted, and `resume` answers for it.
    pub(crate) fn raise(&self, flags: Flags) -> Wake {
        self.update(|word| {
            if word & CLOSED != 0 {
                (word, Wake::Nobody)
            } else {
                word::raised(word, flags)
            }
        })
    }

    /// Ends a suspension. If there is something to do the caller must schedule the actor.
    pub(crate) fn resume(&self) -> Wake {
        self.update(|word| {
            let resumed = word & !SUSPENDED;
            // The count is stable: there is no consumer while SUSPENDED is set, and if it is not set we change nothing.
            let pending = word::pending(word, self.consumed.load(Ordering::Relaxed));
            if word & (CLOSED | SUSPENDED) == SUSPENDED && pending {
                word::scheduled(resumed)
            } else {
                (resumed, Wake::Nobody)
            }
        })
    }

    /// The flags raised at this moment.
    #[inline]
    pub(crate) fn flags(&self) -> Flags {
        word::flags(self.word.load(Ordering::Acquire))
    }

    /// Messages waiting in the mailbox; senders waiting for room not counted. A snapshot.
    pub(crate) fn len(&self) -> usize {
        let word = self.word.load(Ordering::Acquire);
        word::len(word, self.consumed.load(Ordering::Acquire)).max(0) as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.word.load(Ordering::Acquire) & SUSPENDED != 0
    }

    /// The consumer's side of the mailbox.
    ///
    /// # Safety
    /// There is at most one consumer at a time, and what one does happens before what the next does. The running activation
    /// is the consumer: it comes from a `must_schedule` (or from `new_scheduled`) and ends with `go_idle` or `suspend`.
    #[inline(always)]
    pub(crate) unsafe fn consumer(&self) -> Consumer<'_, M> {
        Consumer {
            mailbox: self,
            not_send: PhantomData,
        }
    }
}

impl<M> Drop for Mailbox<M> {
    fn drop(&mut self) {
        let word = self.word.load(Ordering::Relaxed);
        let left = word::len(word, self.consumed.load(Ordering::Relaxed)) as u32;
        // SAFETY: nobody else has the mailbox (waiting senders borrow it), so we are the consumer and need no lock.
        drop(unsafe {
            Drain::<M>::new(
                self.head.with(|head| *head),
                self.head_at.with(|at| *at),
                left,
            )
        });
    }
}

impl<M> fmt::Debug for Mailbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox")
            .field("len", &self.len())
            .field("flags", &self.flags())
            .field("closed", &self.is_closed())
            .field("suspended", &self.is_suspended())
            .finish()
    }
}

impl<M> fmt::Debug for PushError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PushError::Full(_) => "Full(..)",
            PushError::Closed(_) => "Closed(..)",
        })
    }
}

impl<M> fmt::Debug for WaitError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WaitError::Timeout(_) => "Timeout(..)",
            WaitError::Closed(_) => "Closed(..)",
            WaitError::Deadlock(..) => "Deadlock(..)",
        })
    }
}
