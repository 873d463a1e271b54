//! The ring: a growable circular buffer of a power-of-two size.
//!
//! `VecDeque` would do, but it keeps a length beside its head, so that a push right before a pop waits twice for a
//! value just stored. Here a push writes `tail` alone and a pop `head` alone: 8 ns a pair become 5. And both are counts that
//! others may read at any time: how much waits here, and how much has left.

use std::mem::MaybeUninit;

use crate::sys::atomic::{AtomicUsize, Ordering};

/// Where a ring begins and ends: counts of all pops and pushes, wrapping. Moved by whoever has the ring.
pub(super) struct Ends {
    head: AtomicUsize,
    tail: AtomicUsize,
}

impl Ends {
    pub(super) fn new() -> Self {
        Ends {
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
        }
    }

    /// About how many there are; exact for whoever has the ring.
    #[inline]
    pub(super) fn len(&self) -> usize {
        let head = self.head.load(Ordering::Relaxed);
        // To others the head may seem ahead of the tail.
        let len = self.tail.load(Ordering::Relaxed).wrapping_sub(head);
        usize::try_from(len as isize).unwrap_or(0)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed) == self.tail.load(Ordering::Relaxed)
    }

    /// How many have been popped, ever, wrapping.
    #[inline]
    pub(super) fn popped(&self) -> usize {
        self.head.load(Ordering::Relaxed)
    }
}

/// The places of a ring. Its length is a power of two, and those from `head` to `tail`, modulo the length, are filled; `ends` is
/// always the same, the ring's own.
pub(super) struct Ring<T> {
    places: Box<[MaybeUninit<T>]>,
}

impl<T> Ring<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            places: Box::new_uninit_slice(capacity.next_power_of_two()),
        }
    }

    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.places.len()
    }

    /// The place for a count.
    #[inline]
    fn place(&mut self, count: usize) -> &mut MaybeUninit<T> {
        let index = count & (self.places.len() - 1);
        debug_assert!(index < self.places.len());
        // SAFETY: the length is a power of two, so at least 1, and `index` is at most the length less 1.
        unsafe { self.places.get_unchecked_mut(index) }
    }

    /// Appends. If the ring is full its capacity is doubled first; says whether it was.
    #[inline]
    pub(super) fn push(&mut self, ends: &Ends, task: T) -> bool {
        let tail = ends.tail.load(Ordering::Relaxed);
        let full = tail.wrapping_sub(ends.head.load(Ordering::Relaxed)) == self.capacity();
        if full {
            self.resize(ends, self.capacity() * 2);
        }
        self.place(tail).write(task);
        ends.tail.store(tail.wrapping_add(1), Ordering::Relaxed);
        full
    }

    #[inline]
    pub(super) fn pop(&mut self, ends: &Ends) -> Option<T> {
        let head = ends.head.load(Ordering::Relaxed);
        if head == ends.tail.load(Ordering::Relaxed) {
            return None;
        }
        ends.head.store(head.wrapping_add(1), Ordering::Relaxed);
        // SAFETY: `head` was below `tail`, so its place is filled; from now on it counts as empty.
        Some(unsafe { self.place(head).assume_init_read() })
    }

    /// Moves what is there to a buffer of `capacity`, a power of two with room for it.
    #[cold]
    pub(super) fn resize(&mut self, ends: &Ends, capacity: usize) {
        let mut ring = Self::new(capacity);
        assert!(ends.len() <= ring.capacity());
        let head = ends.head.load(Ordering::Relaxed);
        for count in (0..ends.len()).map(|n| head.wrapping_add(n)) {
            // SAFETY: it is filled; the old buffer goes without its contents being dropped.
            ring.place(count)
                .write(unsafe { self.place(count).assume_init_read() });
        }
        *self = ring;
    }
}
