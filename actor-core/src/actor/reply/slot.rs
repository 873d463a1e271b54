//! The memory of a reply slot, where it comes from, and the encoding of its word.
//!
//! # Memory
//! Slots are recycled and never given back: as many as there were unanswered asks at one time. So whoever comes by a slot's
//! address may look at its two atomic fields at any time, and finds out elsewhere whether it was still the slot that was
//! meant (`actor::waits`). Those two are therefore written atomically from the beginning, and a free slot is linked through its
//! payload.
//!
//! A thread keeps up to [`CACHED`](pool) free ones to itself; the rest are in a list that all share.

use std::any::TypeId;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull, null_mut, without_provenance_mut};
use std::task::Waker;

use super::Failure;
use crate::actor::mailbox::seam::atomic::{AtomicPtr, Ordering, UnsafeCell};
use crate::actor::mailbox::seam::park::Parker;

/// Values up to this size, in bytes, lie in the slot itself; larger ones in a box.
pub(super) const INLINE: usize = 40;
pub(super) const INLINE_ALIGN: usize = 8;

#[cfg_attr(not(loom), repr(C, align(64)))]
pub(super) struct Slot {
    pub(super) word: AtomicPtr<()>,
    /// The actor that has the port, while an actor has it. Written by whoever has the port.
    pub(super) owner: AtomicPtr<()>,
    /// The type of the answer, which a function tells in half the room.
    expected: fn() -> TypeId,
    pub(super) payload: UnsafeCell<Payload>,
}

#[repr(align(8))]
pub(super) struct Payload(
    #[expect(dead_code, reason = "accessed through casts")] [MaybeUninit<u8>; INLINE],
);

#[cfg(not(loom))]
const _: () = assert!(size_of::<Slot>() == 64);
const _: () = assert!(inline::<Failure>() && align_of::<Parker>() >= 4);

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

/// Whether `word` is a parker's.
pub(super) fn is_parker(word: *mut ()) -> bool {
    word != EMPTY && word.addr() & TAG == 0
}

/// The waiter in `word`, if there is one.
///
/// # Safety
/// `word` is the result of an exchange that took it out of a slot's word (or it never got there), and is used once.
pub(super) unsafe fn waiter(word: *mut ()) -> Waiter {
    match word.addr() & TAG {
        // SAFETY: an untagged word other than null was made by `parker_word`.
        0 if is_parker(word) => Waiter::Parker(unsafe { &*word.cast::<Parker>() }),
        WAKER => {
            let waker = word.map_addr(|address| address & !TAG).cast();
            // SAFETY: made by `waker_word`, and the caller owns it.
            Waiter::Waker(unsafe { Box::from_raw(waker) })
        }
        _ => Waiter::None,
    }
}

/// `T` where it fits into a slot, a box of it where it does not.
pub(super) const fn inline<T>() -> bool {
    size_of::<T>() <= INLINE && align_of::<T>() <= INLINE_ALIGN
}

impl Slot {
    /// A slot for an answer of type `T`.
    #[inline]
    pub(super) fn obtain<T: 'static>(word: *mut ()) -> NonNull<Slot> {
        let slot = pool::take();
        let p = slot.as_ptr();
        // SAFETY: nobody else has the slot; its atomic fields, which somebody may be looking at, are written as such.
        unsafe {
            (*p).word.store(word, Ordering::Relaxed);
            (*p).owner.store(null_mut(), Ordering::Relaxed);
            (&raw mut (*p).expected).write(TypeId::of::<T>);
        }
        slot
    }

    /// Whether it is for an answer of type `T`.
    #[inline]
    pub(super) fn expects<T: 'static>(&self) -> bool {
        // One function may be compiled more than once.
        ptr::fn_addr_eq(self.expected, TypeId::of::<T> as fn() -> TypeId)
            || (self.expected)() == TypeId::of::<T>()
    }

    /// # Safety
    /// Both parties have left, and the payload is empty.
    #[inline]
    pub(super) unsafe fn free(slot: NonNull<Slot>) {
        // SAFETY: the caller's.
        unsafe { pool::give(slot) }
    }

    /// # Safety
    /// The payload is the caller's to write, and empty.
    #[inline(always)]
    pub(super) unsafe fn put<P>(&self, payload: P) {
        // SAFETY: the caller's; a `P` that does not fit goes into a box, which does.
        self.payload.with_mut(|place| unsafe {
            if inline::<P>() {
                place.cast::<P>().write(payload);
            } else {
                place.cast::<Box<P>>().write(Box::new(payload));
            }
        });
    }

    /// # Safety
    /// The payload is the caller's, and was `put` as a `P`. It is empty afterwards.
    #[inline(always)]
    pub(super) unsafe fn take<P>(&self) -> P {
        // SAFETY: the caller's; `inline` says the same as it did in `put`.
        self.payload.with_mut(|place| unsafe {
            if inline::<P>() {
                place.cast::<P>().read()
            } else {
                *place.cast::<Box<P>>().read()
            }
        })
    }

    fn fresh() -> Slot {
        Slot {
            word: AtomicPtr::new(null_mut()),
            owner: AtomicPtr::new(null_mut()),
            expected: TypeId::of::<()>,
            payload: UnsafeCell::new(Payload([MaybeUninit::uninit(); INLINE])),
        }
    }
}

/// Under loom a slot is used once, and leaked.
#[cfg(loom)]
mod pool {
    use super::Slot;
    use std::ptr::NonNull;

    pub(super) fn take() -> NonNull<Slot> {
        NonNull::from(Box::leak(Box::new(Slot::fresh())))
    }

    pub(super) unsafe fn give(_: NonNull<Slot>) {}
}

/// The free slots.
#[cfg(not(loom))]
mod pool {
    use super::Slot;
    use std::cell::UnsafeCell;
    use std::ptr::NonNull;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// Slots a thread keeps: 8 KiB.
    const CACHED: u32 = 128;
    /// Slots that are allocated, or move between a thread and the shared list, at a time.
    const BATCH: u32 = 32;

    /// A list of free slots, linked through their payloads.
    struct List {
        first: Option<NonNull<Slot>>,
        /// For how many more.
        room: u32,
    }

    // SAFETY: a slot in a list is the list's alone.
    unsafe impl Send for List {}

    impl List {
        const fn new(room: u32) -> Self {
            List { first: None, room }
        }

        #[inline]
        fn pop(&mut self) -> Option<NonNull<Slot>> {
            let slot = self.first?;
            // SAFETY: the list owns the slot, whose payload `push` has made a link.
            self.first = unsafe { slot.as_ref() }
                .payload
                .with(|link| unsafe { link.cast::<Option<NonNull<Slot>>>().read() });
            self.room += 1;
            Some(slot)
        }

        /// There is room.
        ///
        /// # Safety
        /// The slot is free, and in no list.
        #[inline]
        unsafe fn push(&mut self, slot: NonNull<Slot>) {
            // SAFETY: the caller's; the payload is large enough and aligned for a pointer.
            unsafe { slot.as_ref() }
                .payload
                .with_mut(|link| unsafe { link.cast::<Option<NonNull<Slot>>>().write(self.first) });
            self.first = Some(slot);
            self.room -= 1;
        }

        fn take_from(&mut self, other: &mut List, most: u32) {
            for _ in 0..most {
                let Some(slot) = other.pop() else { return };
                // SAFETY: it was in the other list, and is in none now.
                unsafe { self.push(slot) };
            }
        }
    }

    /// Has room for more slots than there can be.
    static SHARED: Mutex<List> = Mutex::new(List::new(u32::MAX / 2));

    fn shared() -> MutexGuard<'static, List> {
        SHARED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the thread's list room at first, and what it holds to the shared list when the thread ends. Apart from the list, as
    /// a thread-local with a destructor asks at each access whether that has run.
    struct Owner;

    impl Owner {
        fn open() -> Self {
            with_list(|list| list.room = CACHED);
            Owner
        }
    }

    impl Drop for Owner {
        fn drop(&mut self) {
            with_list(|list| {
                shared().take_from(list, u32::MAX);
                list.room = 0;
            });
        }
    }

    thread_local! {
        /// Without room at first, and again once the thread ends.
        static CACHE: UnsafeCell<List> = const { UnsafeCell::new(List::new(0)) };
        static OWNER: Owner = Owner::open();
    }

    /// Calls `f` with the thread's list.
    #[inline]
    fn with_list<R>(f: impl FnOnce(&mut List) -> R) -> R {
        // SAFETY: the thread's own, and nothing in this module that is called meanwhile comes by here.
        CACHE.with(|list| f(unsafe { &mut *list.get() }))
    }

    /// Whether the thread keeps slots.
    fn is_open() -> bool {
        OWNER.try_with(|_| ()).is_ok()
    }

    #[inline]
    pub(super) fn take() -> NonNull<Slot> {
        with_list(List::pop).unwrap_or_else(refill)
    }

    #[cold]
    fn refill() -> NonNull<Slot> {
        let mut batch = List::new(BATCH);
        batch.take_from(&mut shared(), BATCH);
        if batch.first.is_none() {
            let fresh: Vec<Slot> = (0..BATCH).map(|_| Slot::fresh()).collect();
            for slot in fresh.leak() {
                // SAFETY: nobody knows it.
                unsafe { batch.push(NonNull::from(slot)) };
            }
        }
        let slot = batch.pop().expect("a batch is not empty");
        match is_open() {
            true => with_list(|list| list.take_from(&mut batch, BATCH)),
            false => shared().take_from(&mut batch, BATCH),
        }
        slot
    }

    /// # Safety
    /// The slot is free.
    #[inline]
    pub(super) unsafe fn give(slot: NonNull<Slot>) {
        let given = with_list(|list| {
            let has_room = list.room > 0;
            if has_room {
                // SAFETY: the caller's.
                unsafe { list.push(slot) };
            }
            has_room
        });
        if !given {
            // SAFETY: the caller's.
            unsafe { spill(slot) };
        }
    }

    /// Makes room for a slot in the thread's list, or puts it into the shared one if the thread keeps none.
    ///
    /// # Safety
    /// As for [`give`].
    #[cold]
    unsafe fn spill(slot: NonNull<Slot>) {
        if !is_open() {
            // SAFETY: the caller's.
            return unsafe { shared().push(slot) };
        }
        with_list(|list| {
            if list.room == 0 {
                shared().take_from(list, BATCH);
            }
            // SAFETY: the caller's.
            unsafe { list.push(slot) };
        });
    }
}
