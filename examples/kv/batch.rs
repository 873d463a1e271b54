//! Batches: many operations for one shard in one message, and the replies in the same message on its way back.
//!
//! A client that pipelines sixteen commands sends them in one packet. Sixteen messages to the shards would cost sixteen
//! enqueues and sixteen wake-ups; a batch costs one. It travels like a tray through a hatch:
//!
//! ```text
//!  session                                        shard
//!     | push, push, push        Box<Batch>          |
//!     | ------------------------------------------> | Store::run: for each op append a reply to `replies`
//!     | reply(0), reply(1), ..                      |
//!     | <------------------------------------------ |
//!     | clear; the buffers are used for the next read
//! ```
//!
//! All bytes are in five vectors that keep their capacity (up to a bound) from one use to the next. Once warm, a
//! batch allocates nothing: not for the message, not for the arguments, not for the replies.
//!
//! # Partial answers
//! A thousand `GET`s of a large value are a small request with a huge answer. A shard therefore stops after the operation
//! with which the unread replies exceed a limit, and returns the batch with [`remaining`](Batch::remaining) work. The
//! session writes out what it got and sends the batch again. So memory is bounded by the limit plus one reply, and a slow
//! reader slows down only itself.

use crate::op::Op;
use crate::resp::Span;

/// Bytes of capacity that each vector of a batch or pipeline may keep for its next use.
const KEEP: usize = 32 << 10;

/// Empties a vector, and gives memory back if it has grown large.
pub(crate) fn reset<T>(vec: &mut Vec<T>) {
    vec.clear();
    vec.shrink_to(KEEP / size_of::<T>());
}

/// Operations for one shard and their replies.
#[derive(Debug, Default)]
pub struct Batch {
    /// All arguments, one after the other.
    bytes: Vec<u8>,
    /// Where each argument lies in `bytes`.
    spans: Vec<Span>,
    /// Each operation, and where its arguments end in `spans` (they begin where the previous one's end).
    ops: Vec<(Op, u32)>,
    /// Operations that have been run.
    run: usize,
    /// Encoded replies, one after the other.
    replies: Vec<u8>,
    /// Where each reply ends in `replies`.
    ends: Vec<usize>,
    /// Replies that have been read.
    read: usize,
}

/// The arguments of an operation in a batch.
#[derive(Debug, Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// The argument at `index`.
    ///
    /// # Panics
    /// If there is none; commands check their arity before they become operations.
    pub fn at(&self, index: usize) -> &'a [u8] {
        self.spans[index].of(self.bytes)
    }

    /// The argument at `index`, if there is one.
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.spans.get(index).map(|span| span.of(self.bytes))
    }

    /// The arguments from `index` on.
    pub fn from(&self, index: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let bytes = self.bytes;
        self.spans[index..].iter().map(move |span| span.of(bytes))
    }

    /// The arguments from `index` on, two by two.
    pub fn pairs(
        &self,
        index: usize,
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        let bytes = self.bytes;
        self.spans[index..]
            .chunks_exact(2)
            .map(move |pair| (pair[0].of(bytes), pair[1].of(bytes)))
    }
}

impl Batch {
    /// Adds an argument for the operation that the next [`push`](Self::push) completes.
    pub fn arg(&mut self, bytes: &[u8]) {
        self.spans.push(Span::new(self.bytes.len(), bytes.len()));
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds an operation with the arguments added since the last one.
    pub fn push(&mut self, op: Op) {
        let end = u32::try_from(self.spans.len())
            .expect("sessions send a batch long before it has 2^32 arguments");
        self.ops.push((op, end));
    }

    /// True if arguments have been added for which there is no operation yet.
    pub fn has_loose_args(&self) -> bool {
        self.spans.len() > self.ops.last().map_or(0, |&(_, end)| end as usize)
    }

    /// Bytes the operations take.
    pub fn size(&self) -> usize {
        self.bytes.len() + size_of_val(&self.spans[..]) + size_of_val(&self.ops[..])
    }

    /// Bytes the vectors take.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
            + self.replies.capacity()
            + self.spans.capacity() * size_of::<Span>()
            + self.ops.capacity() * size_of::<(Op, u32)>()
            + self.ends.capacity() * size_of::<usize>()
    }

    /// Operations that have not been run.
    pub fn remaining(&self) -> usize {
        self.ops.len() - self.run
    }

    /// Runs the remaining operations in order until the unread replies exceed `limit` bytes. `run` appends exactly one
    /// reply to the buffer it is given. At least one operation is run.
    pub fn run(&mut self, limit: usize, mut run: impl FnMut(Op, Args<'_>, &mut Vec<u8>)) {
        if self.read == self.ends.len() {
            self.replies.clear();
            self.ends.clear();
            self.read = 0;
        }
        let mut start = match self.run {
            0 => 0,
            n => self.ops[n - 1].1 as usize,
        };
        for &(op, end) in &self.ops[self.run..] {
            let args = Args {
                bytes: &self.bytes,
                spans: &self.spans[start..end as usize],
            };
            run(op, args, &mut self.replies);
            self.ends.push(self.replies.len());
            self.run += 1;
            start = end as usize;
            if self.replies.len() > limit {
                break;
            }
        }
    }

    /// The next unread reply, without taking it.
    pub fn peek(&self) -> Option<&[u8]> {
        let end = *self.ends.get(self.read)?;
        let start = self.read.checked_sub(1).map_or(0, |last| self.ends[last]);
        Some(&self.replies[start..end])
    }

    /// Takes the reply that [`peek`](Self::peek) shows.
    pub fn advance(&mut self) {
        debug_assert!(self.read < self.ends.len(), "a reply has been seen");
        self.read += 1;
    }

    /// Empties the batch for its next use.
    pub fn clear(&mut self) {
        reset(&mut self.bytes);
        reset(&mut self.spans);
        reset(&mut self.ops);
        reset(&mut self.replies);
        reset(&mut self.ends);
        (self.run, self.read) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(op: Op, args: Args<'_>, out: &mut Vec<u8>) {
        assert_eq!(op, Op::Get);
        args.from(0).for_each(|arg| out.extend_from_slice(arg));
    }

    fn batch(args: &[&[&str]]) -> Batch {
        let mut batch = Batch::default();
        for op in args {
            op.iter().for_each(|arg| batch.arg(arg.as_bytes()));
            batch.push(Op::Get);
        }
        batch
    }

    fn take(batch: &mut Batch) -> Option<Vec<u8>> {
        let reply = batch.peek()?.to_vec();
        batch.advance();
        Some(reply)
    }

    #[test]
    fn replies_come_in_the_order_of_operations() {
        let mut batch = batch(&[&["a", "bc"], &[], &["d"]]);
        batch.run(usize::MAX, echo);
        let replies: Vec<_> = std::iter::from_fn(|| take(&mut batch)).collect();
        assert_eq!(replies, [b"abc".to_vec(), vec![], b"d".to_vec()]);
        batch.clear();
        assert!(!batch.has_loose_args() && batch.remaining() == 0);
    }

    #[test]
    fn a_batch_stops_at_the_limit_and_goes_on() {
        let mut batch = batch(&[&["aaaa"], &["b"], &["c"]]);
        batch.run(3, echo);
        assert_eq!(batch.remaining(), 2);
        assert_eq!(take(&mut batch).unwrap(), b"aaaa");
        assert_eq!(take(&mut batch), None);
        batch.run(3, echo);
        assert_eq!(batch.remaining(), 0);
        assert_eq!(take(&mut batch).unwrap(), b"b");
        assert_eq!(take(&mut batch).unwrap(), b"c");
    }
}
