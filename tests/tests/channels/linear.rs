//! Is there an order that explains what was seen? A search after Wing and Gong ("Testing and verifying concurrent objects",
//! 1993).
//!
//! # Terms
//! - *operation*: a call, from the stamp of its begin to that of its end.
//! - *point*: an instant between the two at which something happens. A call that takes effect at once has one. A call that may
//!   wait has two: at the first it is served or stands in the queue, at the second it returns, or leaves the queue. Under the
//!   seeded scheduler nobody else runs before the first, so it comes before any other stamp: who waits first is known.
//! - *stuck*: an operation that was still waiting when nothing went on any more. Its last point comes after that: who should
//!   have been woken, and was not, is found out.
//! - *model*: a state, and what each point does to it. A point that cannot happen in a state has no successor there; one that
//!   may go several ways has several.
//! - *history*: the operations of one run. It is *explained* if all their points can be put into one order, in which each
//!   operation's own are in theirs and inside of it, and each can happen in the state that those before it have led to.
//!
//! # The search
//! Depth first. The next point may be that of any operation that had begun before the least of the stamps that the next points of
//! all others have to come before.
//! How far each operation is, together with the state, is visited once. Histories are short: a dozen operations.

use std::collections::HashSet;
use std::fmt::{self, Write};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A sequential model.
pub trait Model: Clone + Eq + Hash {
    /// What can happen.
    type Point: Clone + fmt::Debug;

    /// The states that `point` of the operation numbered so may lead to. None: it cannot happen now.
    fn happen(&self, operation: usize, point: &Self::Point) -> Vec<Self>;
}

#[derive(Clone, Debug)]
struct Operation<P> {
    who: usize,
    begin: u64,
    end: u64,
    /// The first point comes before this stamp.
    prompt: u64,
    /// It was stuck: the last point comes after this stamp.
    stuck: Option<u64>,
    points: Vec<P>,
}

impl<P> Operation<P> {
    /// The stamp that the point numbered so comes after.
    fn since(&self, point: usize) -> u64 {
        match self.stuck {
            Some(stuck) if point + 1 == self.points.len() => stuck,
            _ => self.begin,
        }
    }

    /// The stamp that the point numbered so comes before.
    fn limit(&self, point: usize) -> u64 {
        match point {
            0 => self.prompt,
            _ => self.end,
        }
    }
}

struct Record<P> {
    clock: u64,
    /// Nothing has gone on since.
    still: Option<u64>,
    operations: Vec<Operation<P>>,
}

impl<P> Record<P> {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

/// The operations of one run.
pub struct History<P>(Arc<Mutex<Record<P>>>);

impl<P> Clone for History<P> {
    fn clone(&self) -> Self {
        History(self.0.clone())
    }
}

impl<P: Clone + fmt::Debug> History<P> {
    pub fn new() -> Self {
        History(Arc::new(Mutex::new(Record {
            clock: 0,
            still: None,
            operations: Vec::new(),
        })))
    }

    fn record(&self) -> MutexGuard<'_, Record<P>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An operation begins.
    pub fn begin(&self, who: usize) -> Open<P> {
        let mut record = self.record();
        let begin = record.tick();
        record.operations.push(Operation {
            who,
            begin,
            end: u64::MAX,
            prompt: begin + 1,
            stuck: None,
            points: Vec::new(),
        });
        Open {
            history: self.clone(),
            number: record.operations.len() - 1,
            ended: None,
            killed: Vec::new(),
            stuck: Vec::new(),
        }
    }

    /// Nothing goes on any more: what has not ended is stuck.
    pub fn stands_still(&self) {
        let mut record = self.record();
        record.still = Some(record.tick());
    }

    /// # Panics
    /// If no order explains it. The message shows it.
    #[track_caller]
    pub fn assert_explained_by<M: Model<Point = P>>(&self, model: M) {
        let operations = self.record().operations.clone();
        if let Err(most) = explain(model, &operations) {
            panic!(
                "no order explains this; at most {most} points fit\n{}",
                shown(&operations)
            );
        }
    }
}

/// An operation that has begun.
#[must_use]
pub struct Open<P> {
    history: History<P>,
    number: usize,
    ended: Option<Vec<P>>,
    killed: Vec<P>,
    stuck: Vec<P>,
}

impl<P> Open<P> {
    /// Its points if it unwinds. A kill is raised where it waits, so after the first.
    pub fn if_killed(mut self, points: Vec<P>) -> Self {
        self.killed = points;
        self
    }

    /// Its points if it is stuck, and then killed.
    pub fn if_stuck(mut self, points: Vec<P>) -> Self {
        self.stuck = points;
        self
    }

    /// It ends, and these are its points.
    pub fn end(mut self, points: Vec<P>) {
        self.ended = Some(points);
    }
}

impl<P> Drop for Open<P> {
    fn drop(&mut self) {
        let record = &mut *self
            .history
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let end = record.tick();
        let operation = &mut record.operations[self.number];
        operation.end = end;
        let stuck = record.still.filter(|still| operation.begin < *still);
        operation.points = match (self.ended.take(), stuck) {
            (Some(points), _) => points,
            (None, None) => std::mem::take(&mut self.killed),
            (None, stuck) => {
                operation.stuck = stuck;
                std::mem::take(&mut self.stuck)
            }
        };
    }
}

fn shown<P: fmt::Debug>(operations: &[Operation<P>]) -> String {
    let mut text = String::new();
    for it in operations {
        let (who, begin, end, points) = (it.who, it.begin, it.end, &it.points);
        let _ = writeln!(text, "  {who}: {begin:3} to {end:3} {points:?}");
    }
    text
}

/// How many points fit, at most, if not all.
fn explain<M: Model>(model: M, operations: &[Operation<M::Point>]) -> Result<(), usize> {
    let all: usize = operations.iter().map(|it| it.points.len()).sum();
    let mut visited = HashSet::new();
    let mut stack = vec![(vec![0_u8; operations.len()], model)];
    let mut most = 0;
    while let Some((through, state)) = stack.pop() {
        let done: usize = through.iter().map(|n| usize::from(*n)).sum();
        most = most.max(done);
        if done == all {
            return Ok(());
        }
        let left = |at: &usize| usize::from(through[*at]) < operations[*at].points.len();
        let limit = |at: usize| operations[at].limit(usize::from(through[at]));
        let first = (0..operations.len()).filter(left).map(limit).min();
        let first = first.unwrap_or(u64::MAX);
        // The last comes off the stack first: later operations are pushed first.
        for at in (0..operations.len()).rev().filter(left) {
            let point = usize::from(through[at]);
            if operations[at].since(point) > first {
                continue;
            }
            let point = &operations[at].points[point];
            for next in state.happen(at, point) {
                let mut through = through.clone();
                through[at] += 1;
                if visited.insert((through.clone(), next.clone())) {
                    stack.push((through, next));
                }
            }
        }
    }
    Err(most)
}

#[cfg(test)]
mod tests {
    use super::{History, Model, Operation, explain};

    /// A register.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct Register(u32);

    #[derive(Clone, Debug)]
    enum Point {
        Read(u32),
        Write(u32),
    }
    use Point::{Read, Write};

    impl Model for Register {
        type Point = Point;

        fn happen(&self, _: usize, point: &Point) -> Vec<Self> {
            match point {
                Read(seen) if *seen == self.0 => vec![self.clone()],
                Read(_) => Vec::new(),
                Write(value) => vec![Register(*value)],
            }
        }
    }

    fn history(operations: &[(u64, u64, Point)]) -> Result<(), usize> {
        let operation = |(begin, end, point): &(u64, u64, Point)| Operation {
            who: 0,
            begin: *begin,
            end: *end,
            prompt: *end,
            stuck: None,
            points: vec![point.clone()],
        };
        let operations: Vec<_> = operations.iter().map(operation).collect();
        explain(Register(0), &operations)
    }

    #[test]
    fn what_overlaps_may_have_happened_either_way_round() {
        for seen in [0, 1] {
            let both = [(1, 4, Write(1)), (2, 3, Read(seen))];
            assert_eq!(history(&both), Ok(()));
        }
        assert_eq!(history(&[(1, 4, Write(1)), (2, 3, Read(2))]), Err(1));
    }

    #[test]
    fn what_has_ended_happened_before_what_begins() {
        assert_eq!(history(&[(1, 2, Write(1)), (3, 4, Read(1))]), Ok(()));
        assert_eq!(history(&[(1, 2, Write(1)), (3, 4, Read(0))]), Err(1));
        // Two reads during one write cannot see it and then not see it.
        let back = [(1, 6, Write(1)), (2, 3, Read(1)), (4, 5, Read(0))];
        assert_eq!(history(&back), Err(2));
    }

    #[test]
    fn an_operation_that_unwinds_has_other_points() {
        let history = History::new();
        drop(history.begin(0).if_killed(vec![Write(1)]));
        let open = history.begin(0).if_killed(vec![Write(2)]);
        open.end(vec![Read(1)]);
        history.assert_explained_by(Register(0));
    }

    #[test]
    fn an_operation_that_is_stuck_sees_what_came_before() {
        let history = || {
            let history = History::new();
            let open = history.begin(0).if_stuck(vec![Read(0), Read(1)]);
            history.begin(1).end(vec![Write(1)]);
            (history, open)
        };
        let (stuck, open) = history();
        stuck.stands_still();
        drop(open);
        stuck.assert_explained_by(Register(0));
        // It should not have been stuck.
        let (stuck, open) = history();
        let open = open.if_stuck(vec![Read(0), Read(0)]);
        stuck.stands_still();
        drop(open);
        let explained = std::panic::catch_unwind(|| stuck.assert_explained_by(Register(0)));
        assert!(explained.is_err());
    }
}
