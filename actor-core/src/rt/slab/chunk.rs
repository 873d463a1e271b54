//! A chunk: its header, and the arithmetic from header to slot and back.

use super::{List, Shared, Slot};
use crate::sys::grace;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The header at the beginning of each chunk.
pub(super) struct Chunk<T: Slot, O> {
    pub(super) owner: O,
    pub(super) shared: Arc<Shared<T, O>>,
    /// Chunks of a slab are numbered as they are made.
    pub(super) age: u64,
    /// Slots below this index have been used; their count words may be looked at.
    carved: AtomicU32,
    state: UnsafeCell<State<T, O>>,
}

/// What belongs to the holder of the depot's lock.
pub(super) struct State<T: Slot, O> {
    /// Carved slots that are in the depot.
    pub(super) free: List<T>,
    /// Walks that are in this chunk.
    pub(super) pins: u32,
    /// The next in a list of chunks to be destroyed.
    pub(super) next_idle: *mut Chunk<T, O>,
}

impl<T: Slot, O> Chunk<T, O> {
    /// A chunk's size and alignment.
    pub(super) const BYTES: usize = {
        let large = (Self::FIRST + 4 * size_of::<T>()).next_power_of_two();
        if large > 64 * 1024 { large } else { 64 * 1024 }
    };

    /// Offset of the first slot.
    const FIRST: usize = size_of::<Self>().next_multiple_of(align_of::<T>());

    /// Slots in a chunk.
    pub(super) const SLOTS: usize = (Self::BYTES - Self::FIRST) / size_of::<T>();

    const LAYOUT: Layout = {
        assert!(
            size_of::<T>() >= 2 * size_of::<usize>(),
            "no room for count and link"
        );
        assert!(Self::SLOTS >= 4 && Self::SLOTS <= u32::MAX as usize);
        assert!(align_of::<Self>() <= Self::BYTES && align_of::<T>() <= Self::BYTES);
        match Layout::from_size_align(Self::BYTES, Self::BYTES) {
            Ok(layout) => layout,
            Err(_) => panic!("cell type too large"),
        }
    };

    pub(super) fn new(owner: O, shared: Arc<Shared<T, O>>, age: u64) -> NonNull<Self> {
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc(Self::LAYOUT) };
        let Some(chunk) = NonNull::new(memory.cast::<Self>()) else {
            handle_alloc_error(Self::LAYOUT)
        };
        // `of` comes back from an address.
        let _ = memory.expose_provenance();
        let state = State {
            free: List::new(),
            pins: 0,
            next_idle: ptr::null_mut(),
        };
        let carved = AtomicU32::new(0);
        // SAFETY: fresh memory, large enough and aligned for the header.
        unsafe {
            chunk.write(Self {
                owner,
                shared,
                age,
                carved,
                state: UnsafeCell::new(state),
            })
        };
        chunk
    }

    /// The chunk a slot lies in.
    #[inline]
    pub(super) fn of(slot: NonNull<T>) -> NonNull<Self> {
        let address = slot.addr().get() & !(Self::BYTES - 1);
        // SAFETY: a slot lies behind its chunk's header, within BYTES of an address aligned to BYTES, which
        // is not 0.
        unsafe { NonNull::new_unchecked(ptr::with_exposed_provenance_mut(address)) }
    }

    /// The slot at an index below [`SLOTS`](Self::SLOTS).
    pub(super) fn slot(chunk: NonNull<Self>, index: usize) -> NonNull<T> {
        debug_assert!(index < Self::SLOTS);
        // SAFETY: within the chunk's memory, by the definition of SLOTS.
        unsafe { chunk.byte_add(Self::FIRST).cast::<T>().add(index) }
    }

    /// How many slots may be looked at.
    pub(super) fn carved(&self) -> usize {
        // Acquire: their count words are set.
        self.carved.load(Ordering::Acquire) as usize
    }

    /// What the lock protects.
    ///
    /// # Safety
    /// The caller holds the depot's lock and has no other reference to this chunk's state.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn state(&self) -> &mut State<T, O> {
        // SAFETY: exclusive, by contract.
        unsafe { &mut *self.state.get() }
    }

    /// A slot that was never used, if there is one.
    ///
    /// # Safety
    /// The caller holds the depot's lock.
    pub(super) unsafe fn carve(chunk: NonNull<Self>) -> Option<NonNull<T>> {
        // SAFETY: the depot knows only chunks that exist.
        let header = unsafe { chunk.as_ref() };
        // Changed under the lock alone.
        let carved = header.carved.load(Ordering::Relaxed);
        if carved as usize == Self::SLOTS {
            return None;
        }
        let slot = Self::slot(chunk, carved as usize);
        // SAFETY: memory for a slot, which nobody knows yet.
        unsafe { T::init_free(slot) };
        header.carved.store(carved + 1, Ordering::Release);
        Some(slot)
    }

    /// Destroys a list of chunks that the depot has forgotten.
    pub(super) fn destroy_all(mut idle: *mut Self) {
        if !idle.is_null() {
            grace::wait(); // for those who look at cells without a reference
        }
        while let Some(chunk) = NonNull::new(idle) {
            // SAFETY: the depot has forgotten the chunk, no slot is out, no walk is in it: this thread alone knows it. It was made
            // by `new`.
            unsafe {
                idle = chunk.as_ref().state().next_idle;
                let header = chunk.read();
                dealloc(chunk.as_ptr().cast(), Self::LAYOUT);
                // Last, as it may run foreign code.
                drop(header);
            }
        }
    }
}
