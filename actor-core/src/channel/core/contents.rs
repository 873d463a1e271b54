//! What is in a channel, lent out to be looked at outside its locks.

use std::collections::VecDeque;
use std::mem;
use std::ops::Deref;
use std::sync::Arc;

use crate::rt::wake::Wakes;
use crate::sys::fault::fault;

use super::{Core, Item, State};

/// The contents of a channel, out of it. Dropped, also when whoever looks at them panics, they come back, and it goes on as if
/// nothing had been.
pub(in crate::channel) struct Lent<T, C: Deref<Target = Core<T>>> {
    core: C,
    items: Vec<Item<T>>,
    /// The numbers of the first of them, which had come back.
    numbers: VecDeque<u64>,
}

/// A channel that is on its way elsewhere: its contents are out, and nothing enters.
pub(in crate::channel) type Sealed<T> = Lent<T, Arc<Core<T>>>;

impl<T, C: Deref<Target = Core<T>>> Lent<T, C> {
    /// Takes out what is in the channel. `seals`: nothing enters meanwhile either.
    fn of(core: C, seals: bool) -> Option<Self> {
        let (items, numbers) = core.lend(seals)?;
        Some(Lent {
            core,
            items,
            numbers,
        })
    }

    pub(in crate::channel) fn items(&self) -> &[Item<T>] {
        &self.items
    }
}

impl<T> Sealed<T> {
    /// `None`: somebody is looking at the contents.
    pub(in crate::channel) fn new(core: &Arc<Core<T>>) -> Option<Self> {
        Self::of(core.clone(), true)
    }
}

impl<T, C: Deref<Target = Core<T>>> Drop for Lent<T, C> {
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
        let lent = Lent::of(self, false)?;
        Some(look(lent.items()))
    }

    /// Takes out what is in the channel, until it is put back. `seals`: nothing enters meanwhile either.
    fn lend(&self, seals: bool) -> Option<(Vec<Item<T>>, VecDeque<u64>)> {
        let mut items = Vec::new();
        let mut state = self.state().lock();
        if state.lent > 0 || state.sealed {
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
            inbox.alert |= seals;
        }
        if !fault!("channel_lent_unknown") {
            state.lent = items.len();
        }
        state.sealed = seals && !fault!("channel_seal_open");
        let numbers = mem::take(&mut state.came_back);
        Some((items, numbers))
    }

    /// Senders that wait though there is room: they came while the channel was sealed.
    fn admit(&self, state: &mut State<T>, wakes: &mut Wakes) {
        while !state.senders.is_empty() {
            let hands_over = !state.receivers.is_empty();
            let has_room = match self.shared.get() {
                None => state.outbox.len() < self.capacity,
                Some(shared) => {
                    let inbox = shared.inbox.0.lock();
                    inbox.sent.wrapping_sub(state.taken) < self.capacity
                }
            };
            if !hands_over && !has_room {
                return;
            }
            let Some(Some(item)) = state.senders.serve(wakes, Option::take) else {
                return;
            };
            let mut item = Some(item);
            if hands_over && state.give(&mut item, wakes) {
                continue;
            }
            if let Some(item) = item {
                match self.shared.get() {
                    None => state.outbox.push(item),
                    Some(shared) => shared.inbox.0.lock().push(item),
                }
            }
        }
    }

    fn put_back_all(&self, items: Vec<Item<T>>, mut numbers: VecDeque<u64>) {
        let mut unwanted = Vec::new();
        let mut wakes = Wakes::default();
        let mut state = self.state().lock();
        state.lent = 0;
        state.sealed = false;
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
            self.admit(&mut state, &mut wakes);
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

/// A sealed channel, of whatever values.
pub(in crate::channel) trait Cut {
    /// It has gone: whoever holds a side of it here is told that there are no others.
    fn cut(self: Box<Self>);
}

impl<T> Cut for Sealed<T> {
    fn cut(mut self: Box<Self>) {
        let moved = mem::take(&mut self.items);
        let core = &self.core;
        let mut wakes = Wakes::default();
        let mut state = core.state().lock();
        state.lent = 0;
        state.sealed = false;
        state.came_back.clear();
        (state.no_senders, state.no_receivers) = (true, true);
        core.raise_alert();
        state.senders.end_all(&mut wakes);
        state.receivers.end_all(&mut wakes);
        // Nothing but what was received here before, and came back from whoever did not live to see it.
        let came_back = mem::take(&mut state.outbox);
        drop(state);
        wakes.fire();
        drop((moved, came_back)); // values of the user's: outside the locks
    }
}
