//! What is in a channel, lent out to be looked at outside its locks.

use std::collections::VecDeque;
use std::mem;

use crate::rt::wake::Wakes;
use crate::sys::fault::fault;

use super::{Core, Item};

/// What is lent. It comes back also when whoever looks at it panics.
struct Lent<'a, T> {
    core: &'a Core<T>,
    items: Vec<Item<T>>,
    /// The numbers of the first of them, which had come back.
    numbers: VecDeque<u64>,
}

impl<T> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        self.core
            .put_back_all(mem::take(&mut self.items), mem::take(&mut self.numbers));
    }
}

impl<T> Core<T> {
    /// Calls `look` with what is in the channel, the first to be received first. Meanwhile others can send to it, as far as there
    /// is room, and not receive from it.
    ///
    /// `None`: somebody else is looking.
    pub(in crate::channel) fn with_contents<R>(
        &self,
        look: impl FnOnce(&[Item<T>]) -> R,
    ) -> Option<R> {
        let mut items = Vec::new();
        let mut state = self.state().lock();
        if state.lent > 0 {
            return None;
        }
        while let Some(item) = state.outbox.pop() {
            items.push(item);
        }
        if let Some(shared) = self.shared.get() {
            let mut inbox = shared.inbox.0.lock();
            while let Some(item) = inbox.values.pop() {
                items.push(item);
            }
        }
        if !fault!("channel_lent_unknown") {
            state.lent = items.len();
        }
        let numbers = mem::take(&mut state.came_back);
        drop(state);
        let lent = Lent {
            core: self,
            items,
            numbers,
        };
        Some(look(&lent.items))
    }

    fn put_back_all(&self, items: Vec<Item<T>>, mut numbers: VecDeque<u64>) {
        let mut unwanted = Vec::new();
        let mut wakes = Wakes::default();
        let mut state = self.state().lock();
        state.lent = 0;
        if state.no_receivers {
            unwanted = items;
        } else {
            // What has come back meanwhile had been given before; so had the first of these.
            let mut again = Vec::new();
            for number in mem::take(&mut state.came_back) {
                again.extend(state.outbox.pop().map(|item| (number, item)));
            }
            let mut items = VecDeque::from(items);
            for (number, item) in again {
                let place = numbers.partition_point(|&other| other < number);
                numbers.insert(place, number);
                items.insert(place, item);
            }
            for (place, item) in items.into_iter().enumerate() {
                state.outbox.insert_near_front(place, item);
            }
            state.came_back = numbers;
            // Those that have begun to wait meanwhile.
            while !state.receivers.is_empty() {
                let Some(item) = self.pop(&mut state, true) else {
                    break;
                };
                self.refill(&mut state, &mut wakes);
                state.give(&mut Some(item), &mut wakes);
            }
            if state.no_senders || state.closed {
                // They look for themselves.
                while state.receivers.serve(&mut wakes, |_| ()).is_some() {}
            }
        }
        drop(state);
        wakes.fire();
        drop(unwanted); // values of the user's: outside the locks
    }

    /// Puts in what was in the channel that this one is a copy of. Nobody else has it yet.
    pub(in crate::channel) fn fill(&self, values: Vec<T>, closed: bool) {
        let mut state = self.state().lock();
        for value in values {
            state.outbox.push(Item::Value(value));
        }
        state.closed = closed;
    }
}
