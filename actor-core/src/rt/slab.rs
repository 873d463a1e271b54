//! Where actors' cells live, and tasks without a stack: one slab per runtime and type of cell.
//!
//! # Terms
//! *Slot*: memory for one cell. *Chunk*: 64 KiB of slots behind a header, aligned to its size, so that the header is found by
//! masking a slot's address. (Chunks of large cells are larger: at least four slots.) *Carved*: a slot that has been
//! used before. *Magazine*: a worker's private list of free slots. *Depot*: the chunks and their
//! free slots, under a lock.
//!
//! ```text
//!   worker 0   loaded [o o o]   spare [ ]           chunk header: owner, way back to the slab, carved, free list
//!   worker 1   loaded [o]       spare [o o o o]     | slot | slot | slot | ..carved.. | ..untouched.. |
//!                   \  a magazine at a time  /
//!                      depot: chunks by age, those with room by age                  <- foreign threads, one by one
//! ```
//!
//! Allocating and freeing on a worker touches its two magazines and nothing shared. When both are empty, or both full, one
//! is exchanged with the depot: a lock once in [`Slab::MAGAZINE`] operations at worst (two magazines, so that going
//! back and forth over a boundary does not exchange each time). A slot freed by another worker than the one that
//! allocated it simply lands in that worker's magazine. Threads that are no workers go to the depot.
//!
//! The depot hands out slots of the oldest chunk with room, so that young chunks drain after a burst; a chunk without a
//! slot in use goes back to the allocator at once. Slots in magazines count as in use: a worker about to sleep calls
//! [`Slab::flush`], and must do so before it exits.
//!
//! # Lifetime
//! A chunk owns a clone of the *owner*, normally an `Arc` of the runtime, which [`Slab::owner_of`] finds from a cell's
//! address, and a share of the slab's insides. So a held cell keeps its memory, its slab's depot and its owner, even when the
//! [`Slab`] is gone; the last slot of a chunk to be freed lets all of it go. It follows that an owner which has the
//! `Slab` as a field is kept alive by a full magazine: flush them.
//!
//! # Type stability: the contract of [`Slot`]
//! Between allocation and freeing the slab does not touch a slot. While a slot is free, and from the moment it is
//! carved, its *count word* (an atomic reference count) reads 0 and belongs to nobody: the slab keeps its own link
//! elsewhere in the slot. A walk ([`Slab::for_each_live`]) can therefore look at every carved slot at any time: it
//! tries to take a reference, "increment unless 0", and needs no other knowledge of who allocates and frees meanwhile:
//!
//! - *Free, or allocated but not yet published*: the word is 0, the attempt fails. The allocator of the slot
//!   fills in everything **but** the count word, field by field (a write of the whole struct would be a non-atomic write to a word
//!   that a walk may be reading), and then publishes by storing a count, with release ordering.
//! - *Live*: the attempt succeeds, with acquire ordering, and the cell cannot be freed until the walker drops that reference.
//! - *Dying*: the count has reached 0 (for good: no attempt succeeds any more), the destructor runs in place without
//!   touching the count word, then comes [`Slab::free`].
//! - *Free and allocated again while the walk looks*: as above, for the new cell.
//!
//! A walk pins the chunk it is in, under the lock, so the chunk stays although it becomes free meanwhile. It holds no lock while
//! it calls out. It visits every cell that is live from its beginning to its end, once, in the order of chunks and slots;
//! and of those that come or go meanwhile, some.
//!
//! Whoever looks at what is atomic in a cell without a reference does so as a reader ([`grace`](crate::sys::grace)): chunks are
//! given back after a grace period.
//!
//! All that threads share goes through the depot's lock, except the count words, the number of carved slots (stored with release
//! after the slots' count words) and the header's fields that never change. There is nothing here for a model checker but that lock.
//!
//! # Seeded faults
//!
//! | fault                | what it breaks                                      | caught by                                 |
//! |----------------------|-----------------------------------------------------|-------------------------------------------|
//! | `slab_keep_chunks`   | free chunks are kept                                | `memory_and_owner_go_with_the_last_cell`  |
//! | `slab_no_pin`        | a walk does not pin its chunk                       | `a_walk_pins_its_chunk`                   |
//! | `slab_double_carve`  | the depot hands the last carved slot out twice      | `behaves_as_a_set_of_addresses`           |
//! | `slab_drop_spare`    | a flush forgets the spare magazine                  | `memory_and_owner_go_with_the_last_cell`  |
//! | `slab_skip_last`     | a walk leaves out the last carved slot              | `behaves_as_a_set_of_addresses`           |

use crate::sys::fault::fault;
use std::cell::UnsafeCell;
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard};

mod ages;
mod chunk;
mod depot;
#[cfg(test)]
mod tests;

use chunk::Chunk;
use depot::Depot;

/// What a slab asks of a cell type. See the module's documentation.
///
/// # Safety
/// - `init_free` sets the count word to 0.
/// - `try_acquire` touches nothing but the count word, atomically.
/// - `link` points to a word of the slot, aligned for a pointer, that does not overlap the count word.
/// - From `init_free` on, everybody else accesses the count word only atomically, and it is not 0 only while
///   the slot is allocated.
pub(crate) unsafe trait Slot: Sized {
    /// Sets the count word of a slot that has never been used. Nobody else knows the slot yet.
    ///
    /// # Safety
    /// `slot` points to writable memory for a `Self`, otherwise uninitialised.
    unsafe fn init_free(slot: NonNull<Self>);

    /// The word in which the slab links a free slot. Whoever allocates finds anything in it.
    fn link(slot: NonNull<Self>) -> NonNull<*mut Self>;

    /// Adds one to the count word unless it is 0 (acquire ordering); says whether it did.
    ///
    /// # Safety
    /// `slot` is a carved slot of a slab, in whatever state, whose chunk exists.
    unsafe fn try_acquire(slot: NonNull<Self>) -> bool;
}

/// Free slots, linked through themselves.
struct List<T: Slot> {
    head: *mut T,
    len: usize,
}

impl<T: Slot> List<T> {
    const fn new() -> Self {
        Self {
            head: ptr::null_mut(),
            len: 0,
        }
    }

    /// # Safety
    /// `slot` is free, and in no list.
    #[inline]
    unsafe fn push(&mut self, slot: NonNull<T>) {
        // SAFETY: a free slot's link is the slab's (`Slot`), and by contract the slot is in this list alone.
        unsafe { T::link(slot).write(self.head) };
        self.head = slot.as_ptr();
        self.len += 1;
    }

    #[inline]
    fn pop(&mut self) -> Option<NonNull<T>> {
        let slot = NonNull::new(self.head)?;
        // SAFETY: a slot in a list is free and its link was written by `push`.
        self.head = unsafe { T::link(slot).read() };
        self.len -= 1;
        Some(slot)
    }
}

/// One worker's free slots, alone on its cache lines.
#[repr(align(128))]
struct Magazines<T: Slot> {
    loaded: List<T>,
    spare: List<T>,
}

/// What a slab's handle and its chunks share.
struct Shared<T: Slot, O> {
    depot: Mutex<Depot<T, O>>,
    workers: Box<[UnsafeCell<Magazines<T>>]>,
}

// SAFETY: each element of `workers` is used by one thread at a time (contract of `alloc`, `free` and `flush`), the rest
// is under a lock. Slots move between threads as raw memory; what is in them is their users' business, who are bound to
// `T: Send + Sync` here. Owners are shared and dropped by whatever thread frees last.
unsafe impl<T: Slot + Send + Sync, O: Send + Sync> Sync for Shared<T, O> {}
// SAFETY: as above; nothing in it is tied to a thread.
unsafe impl<T: Slot + Send + Sync, O: Send + Sync> Send for Shared<T, O> {}

impl<T: Slot, O> Shared<T, O> {
    fn depot(&self) -> MutexGuard<'_, Depot<T, O>> {
        // No operation under the lock is left half-done by a panic but that of cloning an owner, which comes first.
        self.depot
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// # Safety
    /// The caller alone uses the magazines of `worker` until the returned reference is gone.
    #[allow(clippy::mut_from_ref)]
    #[inline]
    unsafe fn magazines(&self, worker: usize) -> &mut Magazines<T> {
        // SAFETY: by contract nobody else has a reference to this element.
        unsafe { &mut *self.workers[worker].get() }
    }
}

/// Slots for cells of type `T`, each chunk with an owner `O`.
pub(crate) struct Slab<T: Slot, O> {
    shared: Arc<Shared<T, O>>,
}

impl<T: Slot, O> fmt::Debug for Slab<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slab")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// What a slab holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stats {
    pub(crate) chunks: usize,
    pub(crate) chunk_bytes: usize,
    /// Slots handed out by the depot: to cells, or to magazines.
    pub(crate) slots_out: usize,
}

impl<T: Slot + Send + Sync, O: Clone + Send + Sync> Slab<T, O> {
    /// An empty slab for workers 0 to `workers - 1`.
    pub(crate) fn new(workers: usize) -> Self {
        let none = || {
            UnsafeCell::new(Magazines {
                loaded: List::new(),
                spare: List::new(),
            })
        };
        let workers = (0..workers).map(|_| none()).collect();
        Self {
            shared: Arc::new(Shared {
                depot: Mutex::new(Depot::new()),
                workers,
            }),
        }
    }

    /// A slot, to be filled in and published as the module's documentation says. `owner` is cloned into a new chunk; the
    /// same one must be given each time. `worker`: the worker that calls, `None` for a foreign thread.
    ///
    /// # Safety
    /// If `worker` is given, no other thread uses that number for this slab until the call is over (here, in
    /// [`free`](Self::free), in [`flush`](Self::flush)), and changes of the thread behind a number are synchronised.
    #[inline]
    pub(crate) unsafe fn alloc(&self, worker: Option<usize>, owner: &O) -> NonNull<T> {
        let Some(worker) = worker else {
            return self.shared.depot().take(&self.shared, owner);
        };
        // SAFETY: by contract this thread alone uses the worker's magazines.
        let magazines = unsafe { self.shared.magazines(worker) };
        match magazines.loaded.pop() {
            Some(slot) => slot,
            None => self.alloc_slow(magazines, owner),
        }
    }

    #[cold]
    fn alloc_slow(&self, magazines: &mut Magazines<T>, owner: &O) -> NonNull<T> {
        std::mem::swap(&mut magazines.loaded, &mut magazines.spare);
        if let Some(slot) = magazines.loaded.pop() {
            return slot;
        }
        self.shared
            .depot()
            .fill(&self.shared, owner, &mut magazines.loaded, Self::MAGAZINE)
    }
}

impl<T: Slot, O> Slab<T, O> {
    /// Slots in a full magazine: at most 64, and of large cells fewer.
    pub(crate) const MAGAZINE: usize = {
        let fit = 32 * 1024 / size_of::<T>();
        if fit > 64 {
            64
        } else if fit < 2 {
            2
        } else {
            fit
        }
    };

    /// Gives a slot back, which must not be used any more. Possible when the [`Slab`] is gone. May drop an owner.
    ///
    /// # Safety
    /// `slot` came from `alloc` of a `Slab<T, O>`, was not freed since, its count word is 0 and its contents have been dropped. If
    /// `worker` is given: the calling thread is that worker *of the runtime that the slab belongs to*, as in
    /// [`alloc`](Self::alloc), and will [`flush`](Self::flush) afterwards. Compare [`owner_of`](Self::owner_of) if in doubt.
    #[inline]
    pub(crate) unsafe fn free(worker: Option<usize>, slot: NonNull<T>) {
        // SAFETY: by contract the slot is out, so its chunk exists, and with it the slab's insides.
        let shared = unsafe { &Chunk::<T, O>::of(slot).as_ref().shared };
        let Some(worker) = worker else {
            let mut one = List::new();
            // SAFETY: free from now on, by contract, and in no list.
            unsafe { one.push(slot) };
            return Self::give_back([one]);
        };
        // SAFETY: by contract this thread alone uses the worker's magazines.
        let magazines = unsafe { shared.magazines(worker) };
        if magazines.loaded.len >= Self::MAGAZINE {
            Self::free_slow(magazines);
        }
        // SAFETY: free from now on, by contract, and in no list.
        unsafe { magazines.loaded.push(slot) };
    }

    #[cold]
    fn free_slow(magazines: &mut Magazines<T>) {
        std::mem::swap(&mut magazines.loaded, &mut magazines.spare);
        if magazines.loaded.len > 0 {
            // `shared` stays: its caller holds a slot that is still out.
            Self::give_back([std::mem::replace(&mut magazines.loaded, List::new())]);
        }
    }

    /// Empties a worker's magazines into the depot.
    ///
    /// # Safety
    /// As for [`alloc`](Self::alloc) with that worker.
    pub(crate) unsafe fn flush(&self, worker: usize) {
        // SAFETY: by contract this thread alone uses the worker's magazines.
        let magazines = unsafe { self.shared.magazines(worker) };
        let loaded = std::mem::replace(&mut magazines.loaded, List::new());
        let spare = std::mem::replace(&mut magazines.spare, List::new());
        if fault!("slab_drop_spare") {
            return Self::give_back([loaded]);
        }
        Self::give_back([loaded, spare]);
    }

    /// Returns free slots to the depot, and chunks without a slot in use to the allocator.
    fn give_back<const N: usize>(lists: [List<T>; N]) {
        let Some(any) = lists.iter().find_map(|list| NonNull::new(list.head)) else {
            return;
        };
        // SAFETY: slots in a magazine count as in use, so their chunk exists. Cloned, as the chunk may go below.
        let shared = unsafe { Chunk::<T, O>::of(any).as_ref().shared.clone() };
        let mut depot = shared.depot();
        let mut idle = ptr::null_mut();
        for mut list in lists {
            while let Some(slot) = list.pop() {
                depot.put(slot, &mut idle);
            }
        }
        // Owners are dropped outside the lock: they may be runtimes.
        drop(depot);
        Chunk::destroy_all(idle);
    }

    /// The owner of the chunk a cell lies in.
    ///
    /// # Safety
    /// `slot` came from a `Slab<T, O>` and is not freed for as long as the reference is used.
    #[inline]
    pub(crate) unsafe fn owner_of<'a>(slot: NonNull<T>) -> &'a O
    where
        T: 'a,
    {
        // SAFETY: by contract the slot is out meanwhile, so its chunk exists; the owner in it never changes.
        unsafe { &Chunk::<T, O>::of(slot).as_ref().owner }
    }

    /// Calls `visit` with each live cell, **with a reference taken for it**, which `visit` must release. May be called by
    /// any thread, and `visit` may allocate and free. Which cells are visited: see the module's documentation.
    pub(crate) fn for_each_live(&self, mut visit: impl FnMut(NonNull<T>)) {
        let end = self.shared.depot().next_age();
        let mut age = 0;
        while let Some(pin) = Pin::next(&self.shared, age..end) {
            // SAFETY: pinned, so the chunk exists.
            let chunk = unsafe { pin.chunk.as_ref() };
            age = chunk.age + 1;
            let carved = chunk.carved();
            let carved = carved - usize::from(fault!("slab_skip_last"));
            for slot in (0..carved).map(|index| Chunk::slot(pin.chunk, index)) {
                // SAFETY: a carved slot of a chunk that exists.
                if unsafe { T::try_acquire(slot) } {
                    visit(slot);
                }
            }
        }
    }

    /// How much the slab holds.
    pub(crate) fn stats(&self) -> Stats {
        self.shared.depot().stats()
    }
}

/// Keeps a chunk while a walk is in it.
struct Pin<'a, T: Slot, O> {
    shared: &'a Shared<T, O>,
    chunk: NonNull<Chunk<T, O>>,
}

impl<'a, T: Slot, O> Pin<'a, T, O> {
    /// Pins the oldest chunk whose age is in the range.
    fn next(shared: &'a Shared<T, O>, ages: std::ops::Range<u64>) -> Option<Self> {
        let chunk = shared.depot().pin(ages)?;
        Some(Self { shared, chunk })
    }
}

impl<T: Slot, O> Drop for Pin<'_, T, O> {
    fn drop(&mut self) {
        let idle = self.shared.depot().unpin(self.chunk);
        Chunk::destroy_all(idle);
    }
}
