//! Blocks: the memory messages wait in.
//!
//! ```text
//! block:  | next | slot 0 | slot 1 | ... | slot CAP-1 |        512 bytes or 1 KiB in all, by the size of a message
//! ```
//!
//! A block is raw memory: which slots hold a message is known only to the mailbox (from `head_at`, `tail_at` and the counts).
//! A block is written by senders under the mailbox's lock, read by the consumer, and freed by the consumer (or by a `Drain`).
//!
//! Freed blocks go to a small cache of the freeing thread, by size class and not by message type, so that a mailbox that is
//! filled and emptied over and over (each `tell` to an idle actor takes a block, each going idle gives it back) does not call
//! the allocator. The cache is bounded (see `cache::CACHED`) and freed with its thread.
//!
//! # No copies
//! A message is moved from the sender's registers into its slot, and from there into the handler's, each field by itself. In
//! between there must be no copy of the whole: to read in one piece what was just written in two is to wait until both have left
//! the processor's store buffer. What is passed by reference has its place in memory from the start, though. So what is rare (no
//! room, no block, a held lock) is in calls of its own, which are given the message in another place.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::seam::atomic::UnsafeCell;

/// What every block begins with.
pub(super) struct Header {
    /// The block that follows, once this one is full. Written by a sender under the lock, read by the consumer after an
    /// acquiring load of a word that counts a message in that next block.
    next: UnsafeCell<*mut Header>,
    /// Loom cannot see into raw memory: each access to slot `i` is reported as an access to `slots[i]`.
    #[cfg(loom)]
    slots: [UnsafeCell<()>; 2],
}

pub(super) type BlockPtr = *mut Header;

const SMALL: usize = 512;
const LARGE: usize = 1024;
const ALIGN: usize = 16;

/// The geometry of blocks of `M`.
pub(super) struct Slots<M>(PhantomData<M>);

impl<M> Slots<M> {
    const OFFSET: usize = size_of::<Header>().next_multiple_of(align_of::<M>());

    /// The size class, if blocks of `M` belong to one.
    const CLASS: Option<usize> = if cfg!(loom) || align_of::<M>() > ALIGN {
        None
    } else if size_of::<M>() <= 64 {
        Some(0)
    } else if size_of::<M>() <= (LARGE - Self::OFFSET) / 2 {
        Some(1)
    } else {
        None
    };

    /// Messages a block holds.
    pub(super) const CAP: u16 = {
        let size = match Self::CLASS {
            Some(0) => SMALL,
            _ => LARGE,
        };
        let message = if size_of::<M>() == 0 {
            8
        } else {
            size_of::<M>()
        };
        let fits = size.saturating_sub(Self::OFFSET) / message;
        if cfg!(loom) {
            2
        } else if fits == 0 {
            1
        } else {
            fits as u16
        }
    };

    const LAYOUT: Layout = {
        let (size, align) = match Self::CLASS {
            Some(0) => (SMALL, ALIGN),
            Some(_) => (LARGE, ALIGN),
            None => {
                let align = if align_of::<M>() > ALIGN {
                    align_of::<M>()
                } else {
                    ALIGN
                };
                (Self::OFFSET + Self::CAP as usize * size_of::<M>(), align)
            }
        };
        match Layout::from_size_align(size, align) {
            Ok(layout) => layout,
            Err(_) => panic!("message type too large"),
        }
    };

    /// Moves `message` into slot `at`.
    ///
    /// # Safety
    /// `block` is a live block of `M`, `at < CAP`, the slot is free, and nobody else accesses it.
    #[inline(always)]
    pub(super) unsafe fn write(block: BlockPtr, at: u16, message: M) {
        debug_assert!(at < Self::CAP);
        // SAFETY: the slot lies within the block's layout and is aligned for `M`, by the definition of OFFSET and CAP; the
        // caller vouches for exclusive access.
        unsafe {
            #[cfg(loom)]
            (*block).slots[at as usize].with_mut(|_| ());
            block
                .byte_add(Self::OFFSET)
                .cast::<M>()
                .add(at as usize)
                .write(message);
        }
    }

    /// Moves the message out of slot `at`, which is free afterwards.
    ///
    /// # Safety
    /// As for [`write`](Self::write), but the slot holds a message.
    #[inline(always)]
    pub(super) unsafe fn read(block: BlockPtr, at: u16) -> M {
        // SAFETY: the caller vouches that the slot is initialised and read once.
        unsafe { Self::place(block, at).read() }
    }

    /// Slot `at`, for the caller to move the message out.
    ///
    /// # Safety
    /// As for [`read`](Self::read), which the caller has to do in place of this.
    #[inline(always)]
    pub(super) unsafe fn place(block: BlockPtr, at: u16) -> NonNull<M> {
        debug_assert!(at < Self::CAP);
        // SAFETY: as in `write`.
        unsafe {
            #[cfg(loom)]
            (*block).slots[at as usize].with_mut(|_| ());
            NonNull::new_unchecked(block.byte_add(Self::OFFSET).cast::<M>().add(at as usize))
        }
    }

    /// The message in slot `at`, which stays there.
    ///
    /// # Safety
    /// As for [`read`](Self::read); the message stays for as long as the reference is used.
    pub(super) unsafe fn get<'a>(block: BlockPtr, at: u16) -> &'a M {
        debug_assert!(at < Self::CAP);
        // SAFETY: as in `read`.
        unsafe {
            #[cfg(loom)]
            (*block).slots[at as usize].with(|_| ());
            &*block.byte_add(Self::OFFSET).cast::<M>().add(at as usize)
        }
    }

    /// As [`get`](Self::get), to be changed.
    ///
    /// # Safety
    /// As for [`get`](Self::get), and nobody else refers to the message meanwhile.
    pub(super) unsafe fn get_mut<'a>(block: BlockPtr, at: u16) -> &'a mut M {
        debug_assert!(at < Self::CAP);
        // SAFETY: as in `read`.
        unsafe {
            #[cfg(loom)]
            (*block).slots[at as usize].with_mut(|_| ());
            &mut *block.byte_add(Self::OFFSET).cast::<M>().add(at as usize)
        }
    }

    /// The block after `block`.
    ///
    /// # Safety
    /// `block` is live and its `next` is not being written.
    #[inline(always)]
    pub(super) unsafe fn next(block: BlockPtr) -> BlockPtr {
        // SAFETY: the caller's.
        unsafe { (*block).next.with(|next| *next) }
    }

    /// Links `next` behind `block`.
    ///
    /// # Safety
    /// `block` is live and its `next` is neither read nor written by others meanwhile.
    #[inline(always)]
    pub(super) unsafe fn set_next(block: BlockPtr, next: BlockPtr) {
        // SAFETY: the caller's.
        unsafe { (*block).next.with_mut(|slot| *slot = next) }
    }

    /// A block from the thread's cache, if there is one. Does not call the allocator.
    #[inline]
    pub(super) fn cached() -> Option<Spare<M>> {
        let block = cache::take(Self::CLASS?)?;
        // SAFETY: a block of this class has this layout, and nobody else holds it.
        unsafe { block.write(Header::new()) };
        Some(Spare(block, PhantomData))
    }

    /// A block from the cache or the allocator.
    pub(super) fn obtain() -> Spare<M> {
        Self::cached().unwrap_or_else(|| {
            // SAFETY: the layout is not empty: it holds at least a header.
            let memory = unsafe { alloc(Self::LAYOUT) };
            let Some(block) = NonNull::new(memory.cast::<Header>()) else {
                handle_alloc_error(Self::LAYOUT)
            };
            // SAFETY: fresh memory, large and aligned enough for a header.
            unsafe { block.write(Header::new()) };
            Spare(block, PhantomData)
        })
    }

    /// Gives `block` to the thread's cache, or back to the allocator.
    ///
    /// # Safety
    /// `block` came from this type's `obtain` or `cached`, holds no message that should still be dropped, and is not used
    /// afterwards.
    #[inline]
    pub(super) unsafe fn free(block: BlockPtr) {
        // SAFETY: the caller's; a block is never null, and all blocks of a class share one layout.
        unsafe {
            let block = NonNull::new_unchecked(block);
            block.drop_in_place();
            if !matches!(Self::CLASS, Some(class) if cache::give(class, block)) {
                dealloc(block.as_ptr().cast(), Self::LAYOUT);
            }
        }
    }
}

impl Header {
    fn new() -> Self {
        Header {
            next: UnsafeCell::new(std::ptr::null_mut()),
            #[cfg(loom)]
            slots: [UnsafeCell::new(()), UnsafeCell::new(())],
        }
    }
}

/// An empty block that is not in a mailbox yet.
pub(super) struct Spare<M>(NonNull<Header>, PhantomData<M>);

impl<M> Spare<M> {
    pub(super) fn into_raw(self) -> BlockPtr {
        let block = self.0.as_ptr();
        std::mem::forget(self);
        block
    }
}

impl<M> Drop for Spare<M> {
    fn drop(&mut self) {
        // SAFETY: it came from `obtain` or `cached`, is empty, and was not put to use (`into_raw` forgets the guard).
        unsafe { Slots::<M>::free(self.0.as_ptr()) }
    }
}

/// The per-thread cache of free blocks.
mod cache {
    use super::{ALIGN, Header, LARGE, SMALL};
    use std::alloc::{Layout, dealloc};
    use std::cell::Cell;
    use std::ptr::NonNull;

    /// Blocks a thread keeps of each class: 128 KiB of small ones, for as many actors as a loop wakes before they run
    /// (`rt::preempt`), and 16 KiB of large ones.
    const CACHED: [u32; 2] = [256, 16];
    const SIZE: [usize; 2] = [SMALL, LARGE];

    /// A free block's first word links it to the next free one.
    struct Class {
        first: Cell<*mut Free>,
        /// How many more are kept; none until somebody will free them ([`open`]).
        room: Cell<u32>,
    }

    struct Free {
        next: *mut Free,
    }

    /// Opens the cache at first, and empties it when the thread ends. Apart from it, as a thread-local with a destructor asks at
    /// each access whether that has run.
    struct Owner;

    thread_local! {
        static CACHE: [Class; 2] = const {
            [const { Class { first: Cell::new(std::ptr::null_mut()), room: Cell::new(0) } }; 2]
        };
        static OWNER: Owner = Owner::open();
    }

    #[inline]
    pub(super) fn take(class: usize) -> Option<NonNull<Header>> {
        CACHE.with(|cache| {
            let class = &cache[class];
            let block = NonNull::new(class.first.get())?;
            // SAFETY: blocks in the list are owned by it, and begin with a `Free`.
            class.first.set(unsafe { block.read() }.next);
            class.room.set(class.room.get() + 1);
            Some(block.cast())
        })
    }

    /// `false` if the cache is full or the thread is ending: the caller keeps the block.
    ///
    /// # Safety
    /// `block` is an unused block of `class`, and the caller gives it up if this returns `true`.
    #[inline]
    pub(super) unsafe fn give(class: usize, block: NonNull<Header>) -> bool {
        CACHE.with(|cache| {
            let class = &cache[class];
            let mut room = class.room.get();
            if room == 0 {
                open();
                room = class.room.get();
                if room == 0 {
                    return false;
                }
            }
            let block = block.cast::<Free>();
            // SAFETY: the caller's; a block is larger than a `Free` and aligned for it.
            unsafe {
                block.write(Free {
                    next: class.first.get(),
                })
            };
            class.first.set(block.as_ptr());
            class.room.set(room - 1);
            true
        })
    }

    /// Opens the cache, once, unless the thread is ending.
    #[cold]
    fn open() {
        let _ = OWNER.try_with(|_| ());
    }

    impl Owner {
        fn open() -> Self {
            CACHE.with(|cache| {
                for (class, bound) in cache.iter().zip(CACHED) {
                    class.room.set(bound);
                }
            });
            Owner
        }
    }

    impl Drop for Owner {
        fn drop(&mut self) {
            CACHE.with(|cache| {
                for (class, size) in cache.iter().zip(SIZE) {
                    class.room.set(0);
                    while let Some(block) = NonNull::new(class.first.get()) {
                        // SAFETY: as in `take`; every block of the class was allocated with this layout, whose size and
                        // alignment were valid then.
                        unsafe {
                            class.first.set(block.read().next);
                            dealloc(
                                block.as_ptr().cast(),
                                Layout::from_size_align_unchecked(size, ALIGN),
                            );
                        }
                    }
                }
            });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::{Slots, cache};

    /// Looks at the cache when its thread is all but over.
    struct Late;

    static HELD_NONE: AtomicBool = AtomicBool::new(false);

    impl Drop for Late {
        fn drop(&mut self) {
            let empty = cache::take(0).is_none();
            // Freed at once, as the cache is closed.
            drop(Slots::<u64>::obtain());
            let stays_empty = cache::take(0).is_none();
            HELD_NONE.store(empty && stays_empty, Ordering::Relaxed);
        }
    }

    thread_local! {
        static LATE: Late = const { Late };
    }

    #[test]
    fn a_cache_is_empty_once_its_thread_has_ended_and_stays_so() {
        let thread = std::thread::spawn(|| {
            // Before the cache's own, so that it goes after it.
            LATE.with(|_| ());
            assert!(cache::take(0).is_none());
            drop([Slots::<u64>::obtain(), Slots::obtain()]);
            let kept = cache::take(0).expect("two were freed");
            // SAFETY: it has just been taken, and is unused.
            assert!(unsafe { cache::give(0, kept) });
        });
        thread.join().unwrap();
        assert!(HELD_NONE.load(Ordering::Relaxed));
    }
}
