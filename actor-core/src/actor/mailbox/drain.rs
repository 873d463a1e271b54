//! The messages left in a mailbox that was closed.

use super::block::{BlockPtr, Slots};
use std::marker::PhantomData;
use std::mem;

/// The messages a closed (or dropped) mailbox still held, oldest first. Dropping it drops those not taken.
///
/// It owns the blocks outright: nothing of the mailbox is referred to.
pub(crate) struct Drain<M> {
    block: BlockPtr,
    at: u16,
    left: u32,
    owns: PhantomData<M>,
}

// SAFETY: it owns messages of type `M` and raw memory that nobody else refers to.
unsafe impl<M: Send> Send for Drain<M> {}

impl<M> Drain<M> {
    /// # Safety
    /// The caller hands over the chain that starts at `block` (null: none), with `left` messages from slot `at` on.
    pub(super) unsafe fn new(block: BlockPtr, at: u16, left: u32) -> Self {
        Drain {
            block,
            at,
            left,
            owns: PhantomData,
        }
    }

    /// Calls `f` with each message, oldest first. They stay.
    pub(crate) fn each(&mut self, mut f: impl FnMut(&mut M)) {
        let (mut block, mut at) = (self.block, self.at);
        for _ in 0..self.left {
            if at == Slots::<M>::CAP {
                // SAFETY: the chain is ours, and as many messages follow.
                block = unsafe { Slots::<M>::next(block) };
                at = 0;
            }
            // SAFETY: as in `next` of the iterator; nothing else refers to what is ours.
            f(unsafe { Slots::<M>::get_mut(block, at) });
            at += 1;
        }
    }

    /// Frees the current block and goes on to the next.
    fn advance(&mut self) {
        // SAFETY: the chain is ours; the block's messages have all been read, or there were none.
        unsafe {
            let next = Slots::<M>::next(self.block);
            Slots::<M>::free(self.block);
            self.block = next;
        }
        self.at = 0;
    }
}

impl<M> Iterator for Drain<M> {
    type Item = M;

    fn next(&mut self) -> Option<M> {
        if self.left == 0 {
            return None;
        }
        if self.at == Slots::<M>::CAP {
            self.advance();
        }
        // SAFETY: `left` messages follow, the next one in this slot; the position moves on before anything can unwind.
        let message = unsafe { Slots::<M>::read(self.block, self.at) };
        self.at += 1;
        self.left -= 1;
        Some(message)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl<M> ExactSizeIterator for Drain<M> {}

impl<M> Drop for Drain<M> {
    #[inline]
    fn drop(&mut self) {
        // Most often there is nothing, and not even a block.
        if !self.block.is_null() {
            self.drop_all();
        }
    }
}

impl<M> Drain<M> {
    /// Drops what is left, and frees the blocks.
    #[inline(never)]
    fn drop_all(&mut self) {
        /// Goes on if a message's destructor panics (a second panic aborts, as everywhere in Rust).
        struct Rest<'a, M>(&'a mut Drain<M>);
        impl<M> Drop for Rest<'_, M> {
            fn drop(&mut self) {
                self.0.by_ref().for_each(drop);
                while !self.0.block.is_null() {
                    self.0.advance();
                }
            }
        }
        while self.left > 0 {
            let rest = Rest(self);
            if let Some(message) = rest.0.next() {
                drop(message);
            }
            mem::forget(rest);
        }
        drop(Rest(self));
    }
}

impl<M> std::fmt::Debug for Drain<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drain").field("left", &self.left).finish()
    }
}
