//! The chunks of a slab and which of them have room. Everything here happens under the slab's lock.

use super::ages::Ages;
use super::{Chunk, List, Shared, Slot, Stats};
use crate::sys::fault::fault;
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

pub(super) struct Depot<T: Slot, O> {
    /// All chunks.
    chunks: Ages,
    /// Those with a slot that is not out.
    roomy: Ages,
    next_age: u64,
    slots_out: usize,
    /// What those maps hold.
    of: PhantomData<NonNull<Chunk<T, O>>>,
}

impl<T: Slot, O> Depot<T, O> {
    pub(super) fn new() -> Self {
        Self {
            chunks: Ages::default(),
            roomy: Ages::default(),
            next_age: 0,
            slots_out: 0,
            of: PhantomData,
        }
    }

    pub(super) fn next_age(&self) -> u64 {
        self.next_age
    }

    pub(super) fn stats(&self) -> Stats {
        let (chunks, slots_out) = (self.chunks.len(), self.slots_out);
        Stats {
            chunks,
            chunk_bytes: Chunk::<T, O>::BYTES,
            slots_out,
        }
    }

    /// Takes one slot. `shared` is the `Shared` that this depot is in.
    pub(super) fn take(&mut self, shared: &Arc<Shared<T, O>>, owner: &O) -> NonNull<T>
    where
        O: Clone,
    {
        loop {
            let chunk = match self.roomy.first() {
                Some(chunk) => chunk.cast(),
                None => {
                    let age = self.next_age;
                    let chunk = Chunk::new(owner.clone(), shared.clone(), age);
                    self.next_age += 1;
                    self.chunks.insert(age, chunk.cast());
                    self.roomy.insert(age, chunk.cast());
                    chunk
                }
            };
            if let Some(slot) = self.take_from(chunk) {
                return slot;
            }
        }
    }

    /// Takes up to `count` slots, without making more than one chunk: one for the caller, the others into a list. New
    /// slots come in ascending order, so that memory is touched in order.
    pub(super) fn fill(
        &mut self,
        shared: &Arc<Shared<T, O>>,
        owner: &O,
        list: &mut List<T>,
        count: usize,
    ) -> NonNull<T>
    where
        O: Clone,
    {
        let first = self.take(shared, owner);
        let mut others = List::new();
        while others.len + 1 < count {
            let Some(chunk) = self.roomy.first() else {
                break;
            };
            while others.len + 1 < count {
                let Some(slot) = self.take_from(chunk.cast()) else {
                    break;
                };
                // SAFETY: the depot has just handed the slot out; it is in no list.
                unsafe { others.push(slot) };
            }
        }
        // A list is last in, first out: turned round it is in order again.
        while let Some(slot) = others.pop() {
            // SAFETY: it has just left the only list it was in.
            unsafe { list.push(slot) };
        }
        first
    }

    /// Takes a slot from a roomy chunk, or finds that it has none and is roomy no more.
    #[inline]
    fn take_from(&mut self, chunk: NonNull<Chunk<T, O>>) -> Option<NonNull<T>> {
        // SAFETY: the depot knows only chunks that exist; having `&mut` to it, the caller holds the lock.
        let slot = unsafe {
            let header = chunk.as_ref();
            let slot = match fault!("slab_double_carve") && header.carved() == 3 {
                true => Some(Chunk::slot(chunk, 2)),
                false => None,
            };
            slot.or_else(|| header.state().free.pop())
                .or_else(|| Chunk::carve(chunk))
        };
        match slot {
            Some(_) => self.slots_out += 1,
            // SAFETY: as above.
            None => self.roomy.remove(unsafe { chunk.as_ref().age }),
        }
        slot
    }

    /// Takes a free slot back. If that was the last of its chunk, the depot forgets the chunk and puts it in front
    /// of the list `idle`, for [`Chunk::destroy_all`] once the lock is released.
    pub(super) fn put(&mut self, slot: NonNull<T>, idle: &mut *mut Chunk<T, O>) {
        let chunk = Chunk::<T, O>::of(slot);
        self.slots_out -= 1;
        // SAFETY: the slot was out until now, so its chunk exists; the slot is free and in no list; and having `&mut`
        // to the depot, the caller holds the lock.
        unsafe {
            let header = chunk.as_ref();
            let state = header.state();
            if state.free.len == 0 {
                self.roomy.insert(header.age, chunk.cast());
            }
            state.free.push(slot);
        }
        self.forget_if_idle(chunk, idle);
    }

    /// Pins the oldest chunk whose age is in the range.
    pub(super) fn pin(&mut self, ages: Range<u64>) -> Option<NonNull<Chunk<T, O>>> {
        let chunk: NonNull<Chunk<T, O>> = self.chunks.first_of(ages)?.cast();
        // SAFETY: as in `take_from`.
        unsafe { chunk.as_ref().state().pins += u32::from(!fault!("slab_no_pin")) };
        Some(chunk)
    }

    /// Undoes [`pin`](Self::pin); what to destroy once the lock is released.
    pub(super) fn unpin(&mut self, chunk: NonNull<Chunk<T, O>>) -> *mut Chunk<T, O> {
        let mut idle = std::ptr::null_mut();
        // SAFETY: as in `take_from`; a pinned chunk exists.
        unsafe { chunk.as_ref().state().pins -= u32::from(!fault!("slab_no_pin")) };
        self.forget_if_idle(chunk, &mut idle);
        idle
    }

    fn forget_if_idle(&mut self, chunk: NonNull<Chunk<T, O>>, idle: &mut *mut Chunk<T, O>) {
        // SAFETY: as in `take_from`; the callers' chunks exist.
        let (header, state) = unsafe { (chunk.as_ref(), chunk.as_ref().state()) };
        let in_use = state.pins > 0 || state.free.len < header.carved();
        if in_use || fault!("slab_keep_chunks") {
            return;
        }
        self.chunks.remove(header.age);
        self.roomy.remove(header.age);
        state.next_idle = std::mem::replace(idle, chunk.as_ptr());
    }
}

// SAFETY: the pointers are to chunks that the depot's slab shares among threads, under the lock the depot is in.
unsafe impl<T: Slot + Send + Sync, O: Send + Sync> Send for Depot<T, O> {}
