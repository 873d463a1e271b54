//! The ring: a growable circular buffer of a power-of-two size.
//!
//! `VecDeque` would do, but it keeps a length beside its head, so that a push right before a pop waits twice for a
//! value just stored. Here a push writes `tail` alone and a pop `head` alone: 8 ns a pair become 5.

use std::mem::MaybeUninit;

use crate::sys::fault::fault;

pub(super) struct Ring<T> {
    /// Its length is a power of two.
    places: Box<[MaybeUninit<T>]>,
    /// Counts of all pops and pushes, wrapping. The places from `head` to `tail`, modulo the size, are filled.
    head: usize,
    tail: usize,
}

impl<T> Ring<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            places: Box::new_uninit_slice(capacity.next_power_of_two()),
            head: 0,
            tail: 0,
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.tail.wrapping_sub(self.head)
    }

    /// How many have been popped, ever, wrapping.
    #[inline]
    pub(super) fn popped(&self) -> usize {
        self.head
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.head == self.tail
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
    pub(super) fn push(&mut self, task: T) -> bool {
        let full = self.len() == self.capacity();
        if full {
            self.resize(self.capacity() * 2);
        }
        let tail = self.tail;
        self.place(tail).write(task);
        self.tail = tail.wrapping_add(1);
        full
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let head = self.head;
        self.head = head.wrapping_add(1);
        // SAFETY: `head` was below `tail`, so its place is filled; from now on it counts as empty.
        Some(unsafe { self.place(head).assume_init_read() })
    }

    /// Moves what is there to a buffer of `capacity`, a power of two with room for it.
    #[cold]
    pub(super) fn resize(&mut self, capacity: usize) {
        let mut ring = Self::new(capacity);
        if !fault!("queue_count_anew") {
            (ring.head, ring.tail) = (self.head, self.head);
        }
        assert!(self.len() <= ring.capacity());
        while let Some(task) = self.pop() {
            let tail = ring.tail;
            ring.place(tail).write(task);
            ring.tail = tail.wrapping_add(1);
        }
        *self = ring;
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        // If a destructor panics the rest is leaked.
        while self.pop().is_some() {}
    }
}
