//! What happened in a run: every step, choice, fault and event, as a hash of all and the last few as values.
//!
//! The hash is over ids, kinds and texts, never over addresses or the machine's time, so that equal runs have equal hashes in
//! whatever process.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::time::Duration;

use crate::observe::{Event, Who};

/// So many entries are kept.
const TAIL: usize = 256;

/// What a run did. See [`Failure::trace`](super::Failure::trace).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Trace {
    /// The hash of all entries: equal runs have equal hashes.
    pub hash: u64,
    /// How many steps the run took.
    pub steps: u64,
    /// How many entries there were in all.
    pub len: u64,
    /// The last of them.
    pub tail: VecDeque<Entry>,
}

/// One entry of a [`Trace`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// In which step.
    pub step: u64,
    /// At which virtual time.
    pub at: Duration,
    /// What happened.
    pub what: Happening,
}

/// What an [`Entry`] says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Happening {
    /// It ran.
    Ran(Who),
    /// A choice was made: which of `of` candidates, counted from 0.
    Chose {
        /// What was to be chosen.
        what: &'static str,
        /// Which was taken.
        taken: usize,
        /// Among how many.
        of: usize,
    },
    /// The deadline of its wait passed.
    TimedOut(Option<Who>),
    /// Nothing was ready, and the clock jumped.
    Advanced(Duration),
    /// A fault was injected.
    Injected(super::Fault, Option<Who>),
    /// An event of the system.
    Event(Event),
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happening::Ran(who) => write!(f, "run {who}"),
            Happening::Chose { what, taken, of } => write!(f, "{what}: {taken} of {of}"),
            Happening::TimedOut(Some(who)) => write!(f, "time is up for {who}"),
            Happening::TimedOut(None) => f.write_str("time is up"),
            Happening::Advanced(by) => write!(f, "the clock moves on by {by:?}"),
            Happening::Injected(fault, Some(who)) => write!(f, "fault: {fault} of {who}"),
            Happening::Injected(fault, None) => write!(f, "fault: {fault}"),
            Happening::Event(event) => write_event(f, event),
        }
    }
}

fn write_event(f: &mut fmt::Formatter<'_>, event: &Event) -> fmt::Result {
    match event {
        Event::Spawned { who } => write!(f, "{who} spawned"),
        Event::Exited { who, reason } => write!(f, "{who} {reason}"),
        Event::Restarted {
            supervisor,
            child,
            incarnation,
        } => write!(f, "{supervisor} restarted {child:?} (life {incarnation})"),
        Event::StartFailed {
            supervisor,
            child,
            incarnation,
            reason,
        } => write!(
            f,
            "{supervisor} could not start {child:?} (life {incarnation}): {reason}"
        ),
        Event::StopOverdue {
            supervisor, child, ..
        } => write!(f, "{supervisor} kills {child:?}, which does not stop"),
        Event::GaveUp { supervisor, child } => write!(f, "{supervisor} gave up over {child:?}"),
        Event::DeadLetters { who, count } => write!(f, "{who} left {count} dead letters"),
        other => write!(f, "{other:?}"),
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6}  {:>10?}  {}", self.step, self.at, self.what)
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.tail {
            writeln!(f, "{entry}")?;
        }
        Ok(())
    }
}

impl Trace {
    pub(super) fn add(&mut self, at: Duration, what: Happening) {
        let mut hash = Hash(self.hash);
        hash.word(self.steps);
        hash.word(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
        match &what {
            // The most frequent, by far: no text.
            Happening::Ran(who) => hash.word(who.id),
            Happening::Chose { what, taken, of } => {
                hash.bytes(what.as_bytes());
                hash.word((*taken as u64) << 32 | *of as u64);
            }
            other => {
                // Writing to a hash does not fail.
                let _ = write!(hash, "{other}");
            }
        }
        self.hash = hash.0;
        self.len += 1;
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(Entry {
            step: self.steps,
            at,
            what,
        });
    }
}

/// A 64-bit hash that is the same everywhere: multiply, rotate, add.
pub(super) struct Hash(pub(super) u64);

impl Hash {
    pub(super) fn word(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = (mixed ^ (mixed >> 32))
            .rotate_left(23)
            .wrapping_add(0x632b_e59b_d9b4_e019);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
        self.word(bytes.len() as u64);
    }
}

impl Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(whats: &[Happening]) -> Trace {
        let mut trace = Trace::default();
        for what in whats {
            trace.steps += 1;
            trace.add(Duration::ZERO, what.clone());
        }
        trace
    }

    fn ran(id: u64) -> Happening {
        Happening::Ran(Who::new(id, "x", None))
    }

    #[test]
    fn equal_entries_in_equal_order_have_equal_hashes_and_others_not() {
        let one = trace(&[ran(1), ran(2)]);
        assert_eq!(one.hash, trace(&[ran(1), ran(2)]).hash);
        assert_ne!(one.hash, trace(&[ran(2), ran(1)]).hash);
        assert_ne!(one.hash, trace(&[ran(1)]).hash);
        let chose = |taken| Happening::Chose {
            what: "next",
            taken,
            of: 3,
        };
        assert_ne!(trace(&[chose(0)]).hash, trace(&[chose(1)]).hash);
    }

    #[test]
    fn the_tail_is_bounded_and_the_hash_is_of_all() {
        let many: Vec<_> = (0..1000).map(ran).collect();
        let trace_of_many = trace(&many);
        assert_eq!(trace_of_many.len, 1000);
        assert_eq!(trace_of_many.tail.len(), TAIL);
        assert_ne!(trace_of_many.hash, trace(&many[1..]).hash);
    }
}
