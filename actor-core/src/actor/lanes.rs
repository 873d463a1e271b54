//! The lanes of a mailbox beside its queue: urgent messages, and those that were set aside.
//!
//! # Terms
//! - *queue*: the actor's [`Mailbox`], in its cell. Most actors have nothing else.
//! - *urgent lane*: a second [`Mailbox`], for messages of high [`Priority`](super::Priority), with the same bound and policy. It
//!   never schedules anybody.
//! - *set aside*: taken out of a lane by a selective receive that did not want it, and waiting in front of that lane.
//! - *passed*: set aside by the receive that runs now; not looked at again before it ends. The others are *ahead*.
//! - *stash*: what the actor has put away until it says `unstash_all`.
//! - LANES: the flag in the queue's word that says "look here first".
//!
//! ```text
//!                  ahead              urgent lane
//!   next  <--  [ u u ]  <---------  [ u u u u ]  <-- senders, who then raise LANES
//!         <--  [ m m m m ]  <-----  [ m m m m m m ]  <-- senders
//!                  ahead                 queue
//!                    ^
//!                    +-- unstash_all --  stash [ m m ]
//! ```
//!
//! # Steps
//! A message is next if it comes first in this order: urgent and ahead, urgent lane, ahead, queue.
//! - **L1** A sender puts its message into the urgent lane,
//! - **L2** and raises LANES, which schedules the actor if it is idle, as any flag does.
//! - **L3** The consumer, seeing LANES at a message boundary, takes the next message from the lanes.
//! - **L4** Finding none, it takes LANES down,
//! - **L5** and looks into the urgent lane again; if there is one now, it raises LANES itself.
//!
//! # Why nothing is lost
//! 1. *No urgent message without LANES.* L2 and L4 change one word. If L2 comes after L4 the flag is up; if before, L4 sees it
//!    (acquire), so L5 sees the message of L1.
//! 2. *Set aside is seen.* Only the consumer sets messages aside, and it raises LANES whenever it leaves any; an actor with that
//!    flag up does not go idle, and one that is resumed with it is scheduled.
//! 3. *Across lives.* At the end of a life the stash goes in front of what is ahead, so that the next life gets all of it, in the
//!    order it came. At the end of the last one every lane is closed and drained. A sender's L1 then fails.
//! 4. *Across a lost stack.* A message is always in a lane or, one at a time, in the hands of a handler. The asker of that one is
//!    noted here (`current`), and is told how it ended.
//!
//! All of it lies behind the lazily allocated part of the cell, from the first use on. An actor that has none pays for a flag
//! in a word that it reads anyway.
//!
//! L4 and L5 are [`Consumer::lower`], which has its model with those of the mailbox.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cell::{Cell, Envelope};
use super::mailbox::{Consumer, Flags, Mailbox};
use super::reply::{Failure, Port};
use super::timers;
use super::traits::Actor;
use super::unhandled::Left;

/// See the module. The consumer's, but for the urgent lane and the count.
pub(super) struct Lanes<M> {
    pub(super) urgent: Mailbox<Envelope<M>>,
    /// Messages set aside, to be read by anybody.
    aside_count: AtomicUsize,
    /// A selective receive is asking the user's code about a message.
    pub(super) selecting: AtomicBool,
    /// The lock is never contended, and held for moves only.
    aside: Mutex<Aside<M>>,
}

/// What only the consumer touches.
pub(super) struct Aside<M> {
    pub(super) urgent: Lane<M>,
    pub(super) normal: Lane<M>,
    pub(super) stash: VecDeque<Envelope<M>>,
    /// The asker of the message that a selective receive is looking at.
    pub(super) current: Port,
}

/// What was set aside of one lane, oldest first: those passed, then those ahead.
pub(super) struct Lane<M> {
    passed: VecDeque<Envelope<M>>,
    ahead: VecDeque<Envelope<M>>,
}

/// Which lane a message was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Urgent,
    Normal,
}

impl<M> Lanes<M> {
    pub(super) fn new() -> Self {
        Lanes {
            urgent: Mailbox::new_scheduled(),
            aside_count: AtomicUsize::new(0),
            selecting: AtomicBool::new(false),
            aside: Mutex::new(Aside {
                urgent: Lane::new(),
                normal: Lane::new(),
                stash: VecDeque::new(),
                current: Port::none(),
            }),
        }
    }

    /// Messages waiting here, those in the stash not counted.
    pub(super) fn len(&self) -> usize {
        self.urgent.len() + self.aside_count.load(Ordering::Relaxed)
    }

    /// What was set aside, to be changed by the consumer.
    pub(super) fn aside(&self) -> AsideGuard<'_, M> {
        AsideGuard {
            count: &self.aside_count,
            aside: self.aside.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// Keeps the count up to date.
pub(super) struct AsideGuard<'a, M> {
    count: &'a AtomicUsize,
    aside: MutexGuard<'a, Aside<M>>,
}

impl<M> std::ops::Deref for AsideGuard<'_, M> {
    type Target = Aside<M>;

    fn deref(&self) -> &Aside<M> {
        &self.aside
    }
}

impl<M> std::ops::DerefMut for AsideGuard<'_, M> {
    fn deref_mut(&mut self) -> &mut Aside<M> {
        &mut self.aside
    }
}

impl<M> Drop for AsideGuard<'_, M> {
    fn drop(&mut self) {
        let waiting = self.aside.urgent.len() + self.aside.normal.len();
        self.count.store(waiting, Ordering::Relaxed);
    }
}

impl<M> Aside<M> {
    pub(super) fn lane(&mut self, which: Which) -> &mut Lane<M> {
        match which {
            Which::Urgent => &mut self.urgent,
            Which::Normal => &mut self.normal,
        }
    }

    /// All that was passed is ahead again.
    pub(super) fn rewind(&mut self) {
        self.urgent.rewind();
        self.normal.rewind();
    }

    /// Puts the stash in front of what is ahead, in its order. Returns how many that were.
    pub(super) fn unstash(&mut self) -> usize {
        let mut stash = std::mem::take(&mut self.stash);
        let count = stash.len();
        self.normal.rewind();
        stash.append(&mut self.normal.ahead);
        self.normal.ahead = stash;
        count
    }

    fn is_empty(&self) -> bool {
        self.urgent.len() + self.normal.len() == 0 && !self.current.is_some()
    }
}

impl<M> Lane<M> {
    fn new() -> Self {
        Lane {
            passed: VecDeque::new(),
            ahead: VecDeque::new(),
        }
    }

    fn len(&self) -> usize {
        self.passed.len() + self.ahead.len()
    }

    fn rewind(&mut self) {
        if !self.passed.is_empty() {
            self.passed.append(&mut self.ahead);
            std::mem::swap(&mut self.passed, &mut self.ahead);
        }
    }

    /// Those not passed, in order.
    pub(super) fn ahead(&self) -> impl ExactSizeIterator<Item = &Envelope<M>> {
        self.ahead.iter()
    }

    /// Puts some in front of all others, in their order.
    pub(super) fn prepend(&mut self, envelopes: impl Iterator<Item = Envelope<M>>) {
        self.rewind();
        let mut first: VecDeque<_> = envelopes.collect();
        first.append(&mut self.ahead);
        self.ahead = first;
    }

    /// Sets one aside behind all others. If there are more than `cap` then, the oldest leaves.
    pub(super) fn append(&mut self, envelope: Envelope<M>, cap: usize) -> Option<Envelope<M>> {
        self.ahead.push_back(envelope);
        (self.ahead.len() > cap).then(|| self.ahead.pop_front())?
    }

    /// The next one not passed.
    pub(super) fn pop(&mut self) -> Option<Envelope<M>> {
        self.ahead.pop_front()
    }

    /// Passes one that has just been taken, from here or from the lane behind.
    pub(super) fn pass(&mut self, envelope: Envelope<M>) {
        self.passed.push_back(envelope);
    }
}

/// The next message at a message boundary; `flags` are those just read.
#[inline]
pub(super) fn next<A: Actor>(
    cell: &Cell<A>,
    consumer: &mut Consumer<'_, Envelope<A::Msg>>,
    flags: Flags,
) -> Option<Envelope<A::Msg>> {
    if flags.contains(Flags::LANES)
        && let Some(beside) = next_beside(cell, consumer)
    {
        return Some(beside);
    }
    if flags.contains(Flags::TIMERS)
        && let Some(timed) = timed(cell, consumer)
    {
        return Some(timed);
    }
    Cell::<A>::pop(consumer)
}

/// The message of a timer whose turn it is (see `timers`): what was set aside came before it.
#[cold]
#[inline(never)]
pub(super) fn timed<A: Actor>(
    cell: &Cell<A>,
    consumer: &mut Consumer<'_, Envelope<A::Msg>>,
) -> Option<Envelope<A::Msg>> {
    let msg = timers::attend(cell, consumer)?;
    let reply = Port::none();
    Some(Envelope { msg, reply })
}

/// Step L3, and L4 if there is none.
#[cold]
#[inline(never)]
fn next_beside<A: Actor>(
    cell: &Cell<A>,
    consumer: &mut Consumer<'_, Envelope<A::Msg>>,
) -> Option<Envelope<A::Msg>> {
    let lanes = cell.lanes()?;
    let mut aside = lanes.aside();
    // Left by a handler that has caught a panic out of its receive.
    let unanswered = std::mem::replace(&mut aside.current, Port::none());
    aside.rewind();
    let found = aside
        .urgent
        .pop()
        .or_else(|| pop_urgent::<A>(lanes))
        .or_else(|| aside.normal.pop());
    drop(aside);
    drop(unanswered);
    if found.is_some() {
        return found;
    }
    take_down::<A>(lanes, consumer)
}

/// The oldest message of the urgent lane. For the consumer.
pub(super) fn pop_urgent<A: Actor>(lanes: &Lanes<A::Msg>) -> Option<Envelope<A::Msg>> {
    // SAFETY: the caller has the right to run, which is that to consume every lane; no other consumer is in use.
    let mut consumer = unsafe { lanes.urgent.consumer() };
    Cell::<A>::pop(&mut consumer)
}

/// Steps L4 and L5: nothing is ahead. An urgent message that has come meanwhile, or none.
pub(super) fn take_down<A: Actor>(
    lanes: &Lanes<A::Msg>,
    consumer: &mut Consumer<'_, Envelope<A::Msg>>,
) -> Option<Envelope<A::Msg>> {
    consumer.lower(Flags::LANES, || pop_urgent::<A>(lanes))
}

/// The consumer has taken LANES down and is about to leave: raises it again if there is anything.
pub(super) fn put_up<A: Actor>(cell: &Cell<A>, lanes: &Lanes<A::Msg>) {
    let mut aside = lanes.aside();
    aside.rewind();
    if !aside.is_empty() || !lanes.urgent.is_empty() {
        drop(aside);
        cell.raise(Flags::LANES);
    }
}

/// A life ends, and there may be another: what waits, also in the stash, waits for that one. `why` is for the asker of a
/// message that was being looked at.
pub(super) fn keep_for_next_life<A: Actor>(cell: &Cell<A>, why: Failure) {
    let Some(lanes) = cell.lanes() else { return };
    lanes.selecting.store(false, Ordering::Relaxed); // its stack may have been lost meanwhile
    let mut aside = lanes.aside();
    let current = std::mem::replace(&mut aside.current, Port::none());
    aside.unstash();
    drop(aside);
    current.fail(why);
    put_up(cell, lanes);
}

/// The last life has ended: takes out everything that waits here, in order. The queue has been closed.
pub(super) fn close<A: Actor>(cell: &Cell<A>, why: &Failure) -> Vec<Left<A::Msg>> {
    // Made in order to be closed: a sender may be about to make it.
    let lanes = match A::HAS_PRIORITIES {
        true => Some(cell.lanes_or_new()),
        false => cell.lanes(),
    };
    let Some(lanes) = lanes else {
        return Vec::new();
    };
    // SAFETY: the caller has the right to run.
    let urgent = unsafe { lanes.urgent.consumer() }.close();
    let mut aside = lanes.aside();
    let current = std::mem::replace(&mut aside.current, Port::none());
    aside.unstash();
    aside.rewind();
    let ahead = [
        std::mem::take(&mut aside.urgent.ahead),
        std::mem::take(&mut aside.normal.ahead),
    ];
    drop(aside);
    current.fail(why.clone());
    let [urgent_ahead, ahead] = ahead;
    vec![
        Left::Aside(urgent_ahead),
        Left::Queue(urgent),
        Left::Aside(ahead),
    ]
}
