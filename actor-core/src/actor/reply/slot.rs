//! The memory of a reply slot, its cache, and the encoding of its word.

use std::any::TypeId;
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null_mut, without_provenance_mut};
use std::task::Waker;

use crate::actor::mailbox::seam::atomic::{AtomicPtr, UnsafeCell};
use crate::actor::mailbox::seam::park::Parker;

/// Values up to this size, in bytes, lie in the slot itself; larger ones in a box.
pub(super) const INLINE: usize = 40;
pub(super) const INLINE_ALIGN: usize = 8;

#[cfg_attr(not(loom), repr(C, align(64)))]
pub(super) struct Slot {
    pub(super) word: AtomicPtr<()>,
    pub(super) payload: UnsafeCell<Payload>,
    pub(super) expected: TypeId,
}

#[repr(align(8))]
pub(super) struct Payload(
    #[expect(dead_code, reason = "accessed through casts")] [MaybeUninit<u8>; INLINE],
);

#[cfg(not(loom))]
const _: () = assert!(size_of::<Slot>() == 64);

pub(super) const EMPTY: *mut () = null_mut();
pub(super) const SENT: *mut () = without_provenance_mut(1);
pub(super) const FAILED: *mut () = without_provenance_mut(5);
pub(super) const GONE: *mut () = without_provenance_mut(9);

/// The lowest two bits: 0 is a parker (or `EMPTY`), 1 one of the constants, 2 a boxed waker.
const TAG: usize = 3;
const WAKER: usize = 2;

/// What a word holds besides the state.
pub(super) enum Waiter {
    None,
    Parker(&'static Parker),
    Waker(Box<Waker>),
}

pub(super) fn parker_word(parker: &'static Parker) -> *mut () {
    std::ptr::from_ref(parker).cast_mut().cast()
}

pub(super) fn waker_word(waker: Box<Waker>) -> *mut () {
    Box::into_raw(waker)
        .map_addr(|address| address | WAKER)
        .cast()
}

/// The waiter in `word`, if there is one.
///
/// # Safety
/// `word` is the result of an exchange that took it out of a slot's word (or it never got there), and is used once.
pub(super) unsafe fn waiter(word: *mut ()) -> Waiter {
    match word.addr() & TAG {
        // SAFETY: an untagged word other than null was made by `parker_word`.
        0 if word != EMPTY => Waiter::Parker(unsafe { &*word.cast::<Parker>() }),
        WAKER => {
            let waker = word.map_addr(|address| address & !TAG).cast();
            // SAFETY: made by `waker_word`, and the caller owns it.
            Waiter::Waker(unsafe { Box::from_raw(waker) })
        }
        _ => Waiter::None,
    }
}

impl Slot {
    /// A slot, from the thread's cache or the allocator.
    #[inline]
    pub(super) fn obtain(word: *mut (), expected: TypeId) -> NonNull<Slot> {
        let slot = Slot {
            word: AtomicPtr::new(word),
            payload: UnsafeCell::new(Payload([MaybeUninit::uninit(); INLINE])),
            expected,
        };
        match cache::take() {
            Some(memory) => {
                // SAFETY: the memory is a slot's, and nobody else holds it.
                unsafe { memory.write(slot) };
                memory
            }
            None => NonNull::from(Box::leak(Box::new(slot))),
        }
    }

    /// # Safety
    /// Both parties have left, and the payload is empty.
    #[inline]
    pub(super) unsafe fn free(slot: NonNull<Slot>) {
        // SAFETY: the caller's; slots come from `Box` (`obtain`).
        unsafe {
            if cfg!(loom) || !cache::give(slot) {
                drop(Box::from_raw(slot.as_ptr()));
            }
        }
    }
}

/// The per-thread cache of free slots.
mod cache {
    use super::Slot;
    use std::cell::Cell;
    use std::ptr::{NonNull, null_mut};

    /// Slots a thread keeps: 8 KiB.
    const CACHED: u32 = 128;

    struct Free {
        next: *mut Free,
    }

    struct Cache {
        first: Cell<*mut Free>,
        count: Cell<u32>,
    }

    thread_local! {
        static CACHE: Cache = const { Cache { first: Cell::new(null_mut()), count: Cell::new(0) } };
    }

    #[inline]
    pub(super) fn take() -> Option<NonNull<Slot>> {
        CACHE
            .try_with(|cache| {
                let slot = NonNull::new(cache.first.get())?;
                // SAFETY: slots in the list are owned by it, and begin with a `Free`.
                cache.first.set(unsafe { slot.read() }.next);
                cache.count.set(cache.count.get() - 1);
                Some(slot.cast())
            })
            .ok()
            .flatten()
    }

    /// `false` if the cache is full or the thread is ending: the caller keeps the slot.
    ///
    /// # Safety
    /// `slot` is an unused slot that came from a `Box`, and the caller gives it up if this returns `true`.
    #[inline]
    pub(super) unsafe fn give(slot: NonNull<Slot>) -> bool {
        CACHE
            .try_with(|cache| {
                if cache.count.get() >= CACHED {
                    return false;
                }
                let slot = slot.cast::<Free>();
                // SAFETY: the caller's; a slot is larger than a `Free`, aligned for it, and has no destructor to run.
                unsafe {
                    slot.write(Free {
                        next: cache.first.get(),
                    })
                };
                cache.first.set(slot.as_ptr());
                cache.count.set(cache.count.get() + 1);
                true
            })
            .unwrap_or(false)
    }

    impl Drop for Cache {
        fn drop(&mut self) {
            while let Some(slot) = NonNull::new(self.first.get()) {
                // SAFETY: as in `take`; a slot came from a `Box`, and a `Slot` need not be intact to free its memory.
                unsafe {
                    self.first.set(slot.read().next);
                    drop(Box::from_raw(
                        slot.as_ptr().cast::<std::mem::MaybeUninit<Slot>>(),
                    ));
                }
            }
        }
    }
}
