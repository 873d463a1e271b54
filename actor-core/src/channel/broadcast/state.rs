//! The steps of the [module](super): the state, and the receive.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use crate::channel::wait::{List, Op};
use crate::rt::wait::Interrupt;
use crate::rt::wake::Wakes;
use crate::sys::atomic::{AtomicU64, Ordering};
use crate::sys::fault::fault;
use crate::sys::spinlock::SpinLock;

use super::error::RecvError;

/// What senders and receivers share.
pub(in crate::channel) struct Core<T> {
    pub(super) state: SpinLock<State<T>>,
}

impl<T> Core<T> {
    /// With one sender.
    pub(super) fn new(capacity: usize) -> Self {
        Core {
            state: SpinLock::new(State {
                capacity,
                ring: VecDeque::new(),
                base: 0,
                at_end: 0,
                senders: 1,
                receivers: 0,
                waiting: List::default(),
            }),
        }
    }
}

pub(super) struct Entry<T> {
    value: Arc<T>,
    /// How many receivers get it next.
    next: usize,
}

pub(in crate::channel) struct State<T> {
    capacity: usize,
    ring: VecDeque<Entry<T>>,
    /// The position of the first in the ring.
    base: u64,
    /// How many receivers have got everything.
    at_end: usize,
    pub(super) senders: usize,
    pub(super) receivers: usize,
    waiting: List<()>,
}

impl<T> State<T> {
    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    fn end(&self) -> u64 {
        self.base + self.ring.len() as u64
    }

    /// How many receivers get what is at `index` next.
    fn count(&mut self, index: usize) -> &mut usize {
        match self.ring.get_mut(index) {
            Some(entry) => &mut entry.next,
            None => &mut self.at_end,
        }
    }

    /// S1 to S3: how many receivers there are, and the value that had to make room.
    pub(super) fn send(
        &mut self,
        value: Arc<T>,
        wakes: &mut Wakes,
    ) -> Result<(usize, Option<Entry<T>>), Arc<T>> {
        if self.receivers == 0 {
            return Err(value);
        }
        let lost = match self.ring.len() >= self.capacity {
            true => self.ring.pop_front(),
            false => None,
        };
        if let Some(lost) = &lost {
            self.base += 1;
            if !fault!("broadcast_strand") {
                *self.count(0) += lost.next; // S2
            }
        }
        let next = mem::take(&mut self.at_end);
        self.ring.push_back(Entry { value, next });
        self.wake_all(wakes);
        Ok((self.receivers, lost))
    }

    pub(super) fn wake_all(&mut self, wakes: &mut Wakes) {
        if fault!("broadcast_no_wake") && self.senders > 0 {
            return;
        }
        while self.waiting.serve(wakes, |_| ()).is_some() {
            if fault!("broadcast_wake_one") {
                return;
            }
        }
    }

    /// A new receiver: its position.
    pub(super) fn subscribe(&mut self) -> u64 {
        self.receivers += 1;
        self.at_end += 1;
        self.end()
    }

    pub(super) fn ahead(&self, position: &AtomicU64) -> usize {
        // Relaxed, here and below: a position is the lock's.
        (self.end() - position.load(Ordering::Relaxed)) as usize
    }

    /// R1 to R3.
    fn receive(&mut self, position: &AtomicU64) -> Option<Result<Arc<T>, RecvError>> {
        let at = position.load(Ordering::Relaxed);
        if at < self.base {
            position.store(self.base, Ordering::Relaxed);
            if !fault!("broadcast_silent_lag") {
                return Some(Err(RecvError::Lagged(self.base - at))); // R1
            }
        }
        let at = at.max(self.base);
        let index = (at - self.base) as usize;
        let Some(entry) = self.ring.get_mut(index) else {
            return (self.senders == 0).then_some(Err(RecvError::Disconnected)); // R3
        };
        entry.next -= 1;
        let nobody_left = index == 0 && entry.next == 0;
        let value = entry.value.clone();
        *self.count(index + 1) += 1;
        position.store(at + 1, Ordering::Relaxed);
        if nobody_left && let Some(first) = self.ring.pop_front() {
            self.base += 1;
            drop(value); // not the last reference
            return Some(Ok(first.value));
        }
        Some(Ok(value))
    }

    /// L1: what nobody else has yet to get.
    pub(super) fn leave(&mut self, position: &AtomicU64) -> VecDeque<Entry<T>> {
        self.receivers -= 1;
        let at = position.load(Ordering::Relaxed).max(self.base);
        let index = (at - self.base) as usize;
        *self.count(index) -= 1;
        let unwanted = self.ring.iter().take_while(|entry| entry.next == 0).count();
        if unwanted == 0 || fault!("broadcast_keep") {
            return VecDeque::new();
        }
        self.base += unwanted as u64;
        let wanted = self.ring.split_off(unwanted);
        mem::replace(&mut self.ring, wanted)
    }
}

/// The receive. What it gets has yet to be [cloned].
pub(in crate::channel) struct Recv<'a, T> {
    pub(super) core: &'a Core<T>,
    pub(super) position: &'a AtomicU64,
}

/// The end of R2, outside the lock.
pub(in crate::channel) fn cloned<T: Clone>(
    received: Result<Arc<T>, RecvError>,
) -> Result<T, RecvError> {
    received.map(Arc::unwrap_or_clone)
}

impl<T> Op for Recv<'_, T> {
    type State = State<T>;
    /// The values stay in the state.
    type Slot = ();
    type Output = Result<Arc<T>, RecvError>;

    fn state(&self) -> &SpinLock<State<T>> {
        &self.core.state
    }

    fn attempt(
        &self,
        state: &mut State<T>,
        _: &mut Option<()>,
        _: bool,
        _: &mut Wakes,
    ) -> Option<Self::Output> {
        state.receive(self.position)
    }

    fn list<'s>(&self, state: &'s mut State<T>) -> &'s mut List<()> {
        &mut state.waiting
    }

    fn interrupted(&self, why: Interrupt, _: &mut Option<()>) -> Self::Output {
        Err(RecvError::Interrupted(why))
    }
}
