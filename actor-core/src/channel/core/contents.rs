//! What is in a channel, lent out to be looked at outside its locks.

use crate::rt::wake::Wakes;

use super::{Core, Item};

impl<T> Core<T> {
    /// Calls `look` with what is in the channel, the first to be received first.
    ///
    /// Meanwhile it looks empty to others. Afterwards what was in it is in front of what has come meanwhile; receivers that have
    /// begun to wait meanwhile are served.
    pub(in crate::channel) fn with_contents<R>(&self, look: impl FnOnce(&[Item<T>]) -> R) -> R {
        /// Also when `look` panics.
        struct Lent<'a, T> {
            core: &'a Core<T>,
            items: Vec<Item<T>>,
        }

        impl<T> Drop for Lent<'_, T> {
            fn drop(&mut self) {
                self.core.put_back_all(std::mem::take(&mut self.items));
            }
        }

        let mut items = Vec::new();
        let mut state = self.state().lock();
        while let Some(item) = state.outbox.pop() {
            items.push(item);
        }
        if let Some(shared) = self.shared.get() {
            let mut inbox = shared.inbox.0.lock();
            while let Some(item) = inbox.values.pop() {
                items.push(item);
            }
        }
        drop(state);
        let lent = Lent { core: self, items };
        look(&lent.items)
    }

    fn put_back_all(&self, items: Vec<Item<T>>) {
        let mut unwanted = None;
        let mut wakes = Wakes::default();
        let mut state = self.state().lock();
        if state.no_receivers {
            unwanted = Some(items);
        } else {
            for (place, item) in items.into_iter().enumerate() {
                state.outbox.insert_near_front(place, item);
            }
            while !state.receivers.is_empty() {
                let Some(item) = state.pop_outbox() else {
                    break;
                };
                self.note_taken(&mut state);
                state.give(&mut Some(item), &mut wakes);
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
