//! Rendezvous, bounded and unbounded channels: one thing, with room for none, some or any number of values.
//!
//! # Terms
//! - *state*: what is to be received next (the *outbox*) and who waits, behind the channel's lock.
//! - *inbox*: what was sent after that, behind a lock of its own. A channel gets one once threads have contended for its lock.
//! - *alert*: a flag in the inbox: there may be a reason why a sender must look at the state.
//!
//! # Invariants, while the lock of the state is free
//! 1. Receivers wait only while outbox and inbox are empty and no sender waits, and while they do the alert is raised.
//! 2. Senders wait only while the channel is full.
//! 3. Nobody waits for a side that is gone. The alert is raised for good once the receivers are.
//!
//! # Sending and receiving
//! ```text
//!   send     S1  there is an inbox: lock it; no alert, and room → push, done (its lock alone); else unlock
//!            S2  lock the state; a receiver waits → give it to that one, done
//!            S3  the channel is closed, the receivers are gone → an error
//!            S4  there is no inbox: room → push to the outbox, done
//!            S5  lock the inbox; lower the alert; room → push, done; unlock
//!            S6  wait: in the list of senders, before the state is unlocked
//!   receive  R1  lock the state; the outbox is empty, and there is an inbox: lock it and exchange the two; if both are empty
//!                and the caller will wait, raise the alert; unlock
//!            R2  take the first of the outbox; a sender waits → put its value behind what is there, in the same section of the
//!                inbox's lock in which the room it takes becomes known
//!            R3  no room at all, and a sender waits → take its value from it
//!            R4  an error, or wait: in the list of receivers, before the state is unlocked
//! ```
//! The lock of the state is taken before that of the inbox. As long as two threads do not meet, a channel is one lock; from then
//! on senders and receivers share a cache line once in many values only.
//!
//! # Why no value is lost or overtaken
//! A sender that finds an inbox puts its values there, or hands them over while both are empty; values leave the inbox for the
//! outbox all at once, and only into an empty one. An inbox is made under the lock of the state, so nobody puts into the
//! outbox after it has been; what is in the outbox then was sent before.
//!
//! # Why nobody waits for ever
//! A receiver raises the alert under both locks once it has found nothing (R1), and is in the list before it unlocks the state.
//! A sender that pushed before that was found; one that comes after it sees the alert, waits for the lock of the state in S2,
//! and finds the receiver. The alert is lowered (S5) only under both locks, when no receiver waits. A sender waits under the
//! lock of the state (S6), so the next R2 finds it. Room is counted as what was ever sent less what was ever received: a
//! sender with a count that is too old sees too little room, and looks again in S5, where the count is exact.
//!
//! A value that was given to a receiver which left without it goes to the next receiver, or to the front of the outbox, room
//! or not. What is given is numbered, so that several that come back are in the order in which they were given.
//!
//! # What is lent
//! To be frozen, what is in a channel is looked at by code of the user's, outside the locks: it is *lent* (`contents`), and
//! comes back to its place. Meanwhile it counts as in the channel, nothing is received, nothing is handed over past it, and whoever
//! waits goes on waiting, also if the other side is gone: invariant 1 holds again when it is back.
//!
//! # What is sealed
//! When what has the channel moves to another process, what is in it must be there or here, and not be both. So it is lent and the
//! channel is *sealed* in one section: nothing enters either, whoever would send waits (the alert is raised, so each sees the state).
//! Then it is either *cut*, when the image has been written: its contents are dropped, and both sides are told that the other is
//! gone. Or it is as it was: the contents come back, and who waits to send is let in, as far as there is room.
//!
//! # Seeded faults
//! | fault                    | what it breaks                                    | caught by                                        |
//! |--------------------------|---------------------------------------------------|--------------------------------------------------|
//! | `channel_no_alert`       | no alert in R1                                    | `loom_a_receiver_that_waits_is_found`            |
//! | `channel_late_alert`     | R1 raises the alert in a second section           | `loom_a_receiver_that_waits_is_found`            |
//! | `channel_no_refill`      | R2 does not look at the senders that wait         | `loom_a_sender_that_waits_gets_the_room`         |
//! | `channel_back_unsorted`  | values that come back are not put in their order  | `values_that_come_back_keep_their_order`         |
//! | `channel_give_back_last` | a value that comes back is put behind the others  | `a_value_that_comes_back_is_the_next`            |
//! | `channel_lent_unknown`   | what is lent does not count as in the channel     | `what_is_lent_is_not_overtaken`                  |
//! | `channel_seal_open`      | senders do not look whether it is sealed          | `nothing_enters_or_leaves_what_is_sealed`        |

mod contents;
mod ops;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::rt::throw::Thrown;
use crate::rt::wait::{self, Next};
use crate::rt::wake::Wakes;
use crate::sys::atomic::{AtomicUsize, Ordering};
use crate::sys::fault::fault;
use crate::sys::once::OnceBox;
use crate::sys::spinlock::SpinLock;

use super::buffer::Buffer;
use super::error::RecvError;
use super::wait::List;

pub(super) use contents::{Cut, Sealed};
pub(super) use ops::{Recv, Send};

/// Who runs next when a rendezvous finds its partner waiting. See [`Sender::set_preference`](super::Sender::set_preference).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// The receiver: Stackless's -1.
    #[default]
    Receiver,
    /// Whoever came second goes on: Stackless's 0.
    Neither,
    /// The sender: Stackless's 1.
    Sender,
}

/// What goes through a channel.
pub(super) enum Item<T> {
    Value(T),
    Error(Box<Thrown>),
}

impl<T> Item<T> {
    #[inline]
    pub(super) fn received(self) -> Result<T, RecvError> {
        match self {
            Item::Value(value) => Ok(value),
            Item::Error(error) => Err(RecvError::Thrown(*error)),
        }
    }
}

/// What a receiver that waited was given.
pub(super) struct Given<T> {
    item: Item<T>,
    /// The how manieth that was.
    number: u64,
}

pub(super) struct State<T> {
    /// What is received next.
    pub(super) outbox: Buffer<Item<T>>,
    pub(super) senders: List<Item<T>>,
    pub(super) receivers: List<Given<T>>,
    /// How many were given to receivers that waited.
    given: u64,
    /// The numbers of those that came back; they are at the front of the outbox, in this order.
    came_back: VecDeque<u64>,
    /// How many values are lent: 0, or all that there were.
    lent: usize,
    /// It is on its way elsewhere: nothing enters or leaves.
    sealed: bool,
    /// Since there is an inbox: how many values were ever taken out of outbox and inbox.
    taken: usize,
    /// The last sender, the last receiver has gone.
    no_senders: bool,
    no_receivers: bool,
    pub(super) closed: bool,
    pub(super) preference: Preference,
    pub(super) schedule_all: bool,
}

impl<T> State<T> {
    /// Whether what is in the channel is lent, or would be, were there any.
    #[inline(always)]
    fn is_out(&self) -> bool {
        self.lent > 0 || self.sealed
    }

    /// The item goes to the first receiver that waits.
    #[inline]
    fn give(&mut self, item: &mut Option<Item<T>>, wakes: &mut Wakes) -> bool {
        let given = self.give_again(item, self.given, wakes);
        self.given += u64::from(given);
        given
    }

    /// As [`give`](Self::give), for one that was the `number`th to be given.
    #[inline]
    fn give_again(&mut self, item: &mut Option<Item<T>>, number: u64, wakes: &mut Wakes) -> bool {
        let given = self.receivers.serve(wakes, |slot| {
            *slot = item.take().map(|item| Given { item, number });
        });
        given.is_some()
    }

    /// The first of the outbox.
    #[inline(always)]
    fn pop_outbox(&mut self) -> Option<Item<T>> {
        if !self.came_back.is_empty() {
            self.came_back.pop_front();
        }
        self.outbox.pop()
    }

    /// Puts an item that was given before the others: behind those that came back and had been given before it.
    fn put_back(&mut self, given: Given<T>) {
        let place = match fault!("channel_back_unsorted") {
            true => 0,
            false => self
                .came_back
                .partition_point(|&number| number < given.number),
        };
        self.came_back.insert(place, given.number);
        self.outbox.insert_near_front(place, given.item);
    }
}

/// What was sent since threads met at the channel.
struct Inbox<T> {
    values: Buffer<Item<T>>,
    /// How many values were ever sent, handing over apart.
    sent: usize,
    /// How many were ever received, when it was last looked at.
    received: usize,
    alert: bool,
}

/// Two lines of the cache each, as neighbours are fetched together.
#[repr(align(128))]
struct Apart<V>(V);

struct Shared<T> {
    inbox: Apart<SpinLock<Inbox<T>>>,
    /// As `State::taken`, for senders.
    received: Apart<AtomicUsize>,
}

/// What senders and receivers share.
pub(super) struct Core<T> {
    state: Apart<SpinLock<State<T>>>,
    /// What is read at each operation and changes hardly ever.
    pub(super) capacity: usize,
    shared: OnceBox<Shared<T>>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
}

impl<T> fmt::Debug for Core<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}

impl<T> Core<T> {
    /// How often the lock must have been found taken before there is an inbox.
    const CONTENDED: u32 = if cfg!(loom) { 0 } else { SpinLock::<()>::MANY };

    /// With one sender and one receiver.
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        let core = Core {
            state: Apart(SpinLock::new(State {
                outbox: Buffer::default(),
                given: 0,
                came_back: VecDeque::new(),
                senders: List::default(),
                receivers: List::default(),
                lent: 0,
                sealed: false,
                taken: 0,
                no_senders: false,
                no_receivers: false,
                closed: false,
                preference: Preference::default(),
                schedule_all: false,
            })),
            capacity,
            shared: OnceBox::new(),
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(1),
        };
        Arc::new(core)
    }

    /// The lock of the state.
    #[inline]
    pub(super) fn state(&self) -> &SpinLock<State<T>> {
        &self.state.0
    }

    /// What tells it apart from others that exist at the same time.
    pub(super) fn number(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// How many values are in it.
    pub(super) fn len(&self, state: &State<T>) -> usize {
        let inbox = self.shared.get();
        let inbox = inbox.map_or(0, |shared| shared.inbox.0.lock().values.len());
        state.outbox.len() + state.lent + inbox
    }

    /// S1, or S4 with nothing to look out for; anything else is left to the operation. What was not sent comes back.
    #[inline]
    pub(super) fn send_at_once(&self, item: Item<T>) -> Option<Item<T>> {
        if self.capacity == 0 || wait::watches_channels() {
            return Some(item);
        }
        if let Some(shared) = self.shared.get() {
            let mut inbox = shared.inbox.0.lock();
            if inbox.alert || !shared.has_room(&mut inbox, self.capacity) {
                return Some(item);
            }
            inbox.push(item);
            return None;
        }
        let mut state = self.state().lock();
        let plain =
            state.receivers.is_empty() && !state.closed && !state.no_receivers && !state.is_out();
        if !plain || state.outbox.len() >= self.capacity || self.shared.get().is_some() {
            return Some(item);
        }
        state.outbox.push(item);
        self.look_for_company(&state);
        None
    }

    /// R1 and R2, while the outbox has something and no sender waits.
    #[inline(always)]
    pub(super) fn recv_at_once(&self) -> Option<Item<T>> {
        if self.capacity == 0 || wait::watches_channels() {
            return None;
        }
        let mut state = self.state().lock();
        if !state.senders.is_empty() || state.is_out() {
            return None;
        }
        let item = state.pop_outbox()?;
        self.note_taken(&mut state);
        Some(item)
    }

    /// An inbox is made once the lock has been found taken a number of times. Under that lock.
    #[inline]
    fn look_for_company(&self, state: &State<T>) {
        if self.state().contended() >= Self::CONTENDED && self.shared.get().is_none() {
            self.make_inbox(state);
        }
    }

    #[cold]
    pub(super) fn make_inbox(&self, state: &State<T>) {
        let shared = Shared {
            inbox: Apart(SpinLock::new(Inbox {
                values: Buffer::default(),
                sent: state.taken.wrapping_add(state.outbox.len() + state.lent),
                received: state.taken,
                // The next sender looks whether there is a reason.
                alert: true,
            })),
            received: Apart(AtomicUsize::new(state.taken)),
        };
        self.shared.set(Box::new(shared));
    }

    /// A value was taken out, and nobody waits for its room.
    #[inline(always)]
    fn note_taken(&self, state: &mut State<T>) {
        state.taken = state.taken.wrapping_add(1);
        self.publish_taken(state);
    }

    #[inline]
    fn publish_taken(&self, state: &State<T>) {
        if self.capacity != usize::MAX
            && let Some(shared) = self.shared.get()
        {
            // Relaxed: a sender that sees an old count looks again under the lock of the state.
            shared.received.0.store(state.taken, Ordering::Relaxed);
        }
    }

    /// R1 and the first half of R2. `waits`: the caller will, if there is nothing.
    #[inline]
    fn pop(&self, state: &mut State<T>, waits: bool) -> Option<Item<T>> {
        if let Some(item) = state.pop_outbox() {
            return Some(item);
        }
        let shared = self.shared.get()?;
        let mut inbox = shared.inbox.0.lock();
        if inbox.values.len() > 1 {
            std::mem::swap(&mut inbox.values, &mut state.outbox);
            drop(inbox);
            return state.outbox.pop();
        }
        let item = inbox.values.pop();
        if fault!("channel_late_alert") && item.is_none() {
            drop(inbox);
            inbox = shared.inbox.0.lock();
        }
        if item.is_none() && waits && !fault!("channel_no_alert") {
            inbox.alert = true;
        }
        item
    }

    /// The second half of R2.
    #[inline]
    fn refill(&self, state: &mut State<T>, wakes: &mut Wakes) {
        if state.senders.is_empty() || fault!("channel_no_refill") {
            return self.note_taken(state);
        }
        self.refill_from_sender(state, wakes);
    }

    fn refill_from_sender(&self, state: &mut State<T>, wakes: &mut Wakes) {
        state.taken = state.taken.wrapping_add(1);
        let Some(shared) = self.shared.get() else {
            if state.outbox.len() + state.lent < self.capacity
                && let Some(Some(item)) = state.senders.serve(wakes, Option::take)
            {
                state.outbox.push(item);
            }
            return;
        };
        // Nobody else gets the room meanwhile: it becomes known before the inbox is unlocked.
        let mut inbox = shared.inbox.0.lock();
        if inbox.sent.wrapping_sub(state.taken) < self.capacity
            && let Some(Some(item)) = state.senders.serve(wakes, Option::take)
        {
            inbox.push(item);
        }
        self.publish_taken(state);
    }

    /// Raises the alert, if there is an inbox: senders must look at the state.
    pub(super) fn raise_alert(&self) {
        if let Some(shared) = self.shared.get() {
            shared.inbox.0.lock().alert = true;
        }
    }

    pub(super) fn add_sender(&self) {
        // Relaxed: the count is read for its last decrement only; the `Arc` bounds it.
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_receiver(&self) {
        self.receivers.fetch_add(1, Ordering::Relaxed);
    }

    /// A sender is gone. The last one ends all waits to receive.
    pub(super) fn drop_sender(&self) {
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut wakes = Wakes::default();
            let mut state = self.state().lock();
            state.no_senders = true;
            if !state.is_out() {
                state.receivers.end_all(&mut wakes);
            }
            drop(state);
            wakes.fire();
        }
    }

    /// A receiver is gone. The last one ends all waits to send, and drops what nobody will receive.
    pub(super) fn drop_receiver(&self) {
        if self.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut wakes = Wakes::default();
            let mut state = self.state().lock();
            state.no_receivers = true;
            self.raise_alert();
            state.senders.end_all(&mut wakes);
            let outbox = std::mem::take(&mut state.outbox);
            let inbox = self
                .shared
                .get()
                .map(|shared| std::mem::take(&mut shared.inbox.0.lock().values));
            drop(state);
            wakes.fire();
            drop((outbox, inbox)); // values of the user's: outside the locks
        }
    }

    /// Who goes on after the caller has served a partner that waited.
    #[inline]
    fn next(&self, state: &State<T>, caller: Preference) -> Next {
        if self.capacity > 0 {
            Next::Caller
        } else if state.schedule_all {
            Next::Successor
        } else if state.preference == Preference::Neither || state.preference == caller {
            Next::Caller
        } else {
            Next::Partner
        }
    }
}

impl<T> Shared<T> {
    #[inline]
    fn has_room(&self, inbox: &mut Inbox<T>, capacity: usize) -> bool {
        if inbox.sent.wrapping_sub(inbox.received) < capacity {
            return true;
        }
        inbox.received = self.received.0.load(Ordering::Relaxed);
        inbox.sent.wrapping_sub(inbox.received) < capacity
    }
}

impl<T> Inbox<T> {
    #[inline]
    fn push(&mut self, item: Item<T>) {
        self.sent = self.sent.wrapping_add(1);
        self.values.push(item);
    }
}
