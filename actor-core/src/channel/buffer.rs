//! What a channel holds: a queue that grows by chunks, so that no push moves what is queued.

use std::collections::VecDeque;
use std::mem;

/// Elements in a chunk.
const CHUNK: usize = 64;

/// First in, first out.
pub(super) struct Buffer<T> {
    /// Taken from here. Empty only if everything is.
    first: VecDeque<T>,
    /// Put in at the last of these or, if there is none, into `first`.
    rest: VecDeque<VecDeque<T>>,
    /// A chunk that has been emptied, for the next time.
    spare: Option<VecDeque<T>>,
    len: usize,
}

impl<T> Default for Buffer<T> {
    fn default() -> Self {
        Buffer {
            first: VecDeque::new(),
            rest: VecDeque::new(),
            spare: None,
            len: 0,
        }
    }
}

impl<T> Buffer<T> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    pub(super) fn push(&mut self, value: T) {
        self.len += 1;
        if self.rest.is_empty() && self.first.len() < CHUNK {
            self.first.push_back(value);
        } else {
            self.push_behind(value);
        }
    }

    #[inline(never)]
    fn push_behind(&mut self, value: T) {
        if let Some(last) = self.rest.back_mut()
            && last.len() < CHUNK
        {
            return last.push_back(value);
        }
        let spare = self.spare.take();
        let mut chunk = spare.unwrap_or_else(|| VecDeque::with_capacity(CHUNK));
        chunk.push_back(value);
        self.rest.push_back(chunk);
    }

    /// Puts `value` behind the first `place` ones, which have been put in by this.
    pub(super) fn insert_near_front(&mut self, place: usize, value: T) {
        self.len += 1;
        self.first.insert(place, value);
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<T> {
        let value = self.first.pop_front()?;
        self.len -= 1;
        if self.first.is_empty() && !self.rest.is_empty() {
            self.next_chunk();
        }
        Some(value)
    }

    fn next_chunk(&mut self) {
        if let Some(next) = self.rest.pop_front() {
            self.spare = Some(mem::replace(&mut self.first, next));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Buffer, CHUNK};
    use std::collections::VecDeque;

    #[test]
    fn it_is_a_queue_with_a_front() {
        let mut rng = fastrand::Rng::with_seed(3);
        let (mut buffer, mut model) = (Buffer::default(), VecDeque::new());
        for step in 0..40_000 {
            // Grows and shrinks by turns, over several chunks.
            let grow = (step / (CHUNK * 20)).is_multiple_of(2);
            match rng.usize(..10) {
                0 => {
                    buffer.insert_near_front(0, step);
                    buffer.insert_near_front(1, step + 1);
                    model.push_front(step + 1);
                    model.push_front(step);
                }
                n if (n < 7) == grow => {
                    buffer.push(step);
                    model.push_back(step);
                }
                _ => assert_eq!(buffer.pop(), model.pop_front()),
            }
            assert_eq!(buffer.len(), model.len());
        }
        while let Some(value) = model.pop_front() {
            assert_eq!(buffer.pop(), Some(value));
        }
        assert_eq!(buffer.pop(), None);
    }
}
