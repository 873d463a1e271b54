//! [`Select`].

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::channel::error::SendError;
use crate::channel::sender::Sender;
use crate::channel::wait::Until;
use crate::rt::wait;

use super::arm::{AnyCase, Arm, SendArm, Source, ready};
use super::case::Case;
use super::selection::select;

/// A `select` whose branches are made at run time; where they are known, use [`select!`](crate::select).
///
/// Branches are added once, and may be waited for any number of times. Each [`wait`](Self::wait) does one operation and says
/// which; its result is then in the [`Branch`]. Of several that can be done a random one is.
///
/// ```
/// use actor_core::channel::{self, Select, SelectError};
///
/// let (senders, receivers): (Vec<_>, Vec<_>) = (0..3).map(|_| channel::unbounded()).unzip();
/// for (n, sender) in senders.into_iter().enumerate() {
///     sender.send(n)?; // and is dropped
/// }
/// let mut select = Select::new();
/// let branches: Vec<_> = receivers.iter().map(|receiver| select.recv(receiver)).collect();
/// let mut sum = 0;
/// while let Ok(index) = select.wait() {
///     match branches[index].take() {
///         Some(Ok(n)) => sum += n,
///         _ => select.remove(index), // disconnected: it would be ready for ever
///     }
/// }
/// assert_eq!(sum, 0 + 1 + 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Select<'a> {
    arms: Vec<Option<Box<dyn Dynamic + 'a>>>,
    biased: bool,
}

/// Why a [`Select`] did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum SelectError {
    /// Nothing could be done at once.
    NotReady,
    /// The deadline has passed.
    TimedOut,
    /// There is no branch, or all of them have been sent or removed.
    Empty,
}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SelectError::NotReady => "no branch is ready",
            SelectError::TimedOut => "the deadline has passed",
            SelectError::Empty => "there is no branch to wait for",
        })
    }
}

impl Error for SelectError {}

/// Where the result of a branch of a [`Select`] is to be found.
pub struct Branch<O> {
    index: usize,
    output: Rc<Cell<Option<O>>>,
}

impl<O> Branch<O> {
    /// The result, after a wait that said this branch's [index](Self::index). `None`: it was not chosen, or taken before.
    pub fn take(&self) -> Option<O> {
        self.output.take()
    }

    /// The number of the branch: they count from 0 in the order they were added.
    pub fn index(&self) -> usize {
        self.index
    }
}

impl<O> fmt::Debug for Branch<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Branch")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

/// An arm, and where its outcome goes.
struct Delivering<A: Arm> {
    arm: A,
    output: Rc<Cell<Option<A::Output>>>,
}

trait Dynamic {
    fn case(&mut self) -> AnyCase<'_>;
    fn deliver(&mut self);
}

impl<A: Arm> Dynamic for Delivering<A> {
    fn case(&mut self) -> AnyCase<'_> {
        self.arm.case()
    }
    fn deliver(&mut self) {
        self.output.set(Some(self.arm.output()));
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select")
            .field("branches", &self.arms.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Select<'a> {
    /// Without branches.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`new`](Self::new); of several branches that are ready the first added is taken.
    pub fn biased() -> Self {
        Select {
            arms: Vec::new(),
            biased: true,
        }
    }

    /// Adds a receive.
    pub fn recv<S: Source>(&mut self, source: S) -> Branch<S::Output>
    where
        S::Arm: 'a,
    {
        self.add(source.arm())
    }

    /// Adds a send, to be done once. Not sent, the value is dropped with the `Select`, or by [`remove`](Self::remove).
    pub fn send<T>(&mut self, sender: &'a Sender<T>, value: T) -> Branch<Result<(), SendError<T>>> {
        self.add(SendArm::new(sender, value))
    }

    /// Adds a future, to be polled until it is ready, once.
    pub fn ready<F: Future + ?Sized>(&mut self, future: Pin<&'a mut F>) -> Branch<F::Output> {
        self.add(ready(future))
    }

    fn add<A: Arm + 'a>(&mut self, arm: A) -> Branch<A::Output> {
        let output = Rc::new(Cell::new(None));
        let index = self.arms.len();
        self.arms.push(Some(Box::new(Delivering {
            arm,
            output: output.clone(),
        })));
        Branch { index, output }
    }

    /// Takes a branch out; the others keep their numbers. Nothing happens if it is not there.
    pub fn remove(&mut self, index: usize) {
        if let Some(arm) = self.arms.get_mut(index) {
            *arm = None;
        }
    }

    /// Waits until a branch can be done, does it, and says which.
    ///
    /// If the wait is interrupted, a branch that can say so fails with it.
    ///
    /// # Errors
    /// [`SelectError::Empty`].
    pub fn wait(&mut self) -> Result<usize, SelectError> {
        self.until(Until::Deadline(None), SelectError::Empty)
    }

    /// Does a branch if one can be done without waiting, and says which.
    ///
    /// # Errors
    /// [`SelectError::NotReady`], [`SelectError::Empty`].
    pub fn try_wait(&mut self) -> Result<usize, SelectError> {
        self.until(Until::Now, SelectError::NotReady)
    }

    /// As [`wait`](Self::wait), for at most `timeout`.
    ///
    /// # Errors
    /// [`SelectError::TimedOut`], [`SelectError::Empty`].
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<usize, SelectError> {
        self.until(Until::Deadline(wait::after(timeout)), SelectError::TimedOut)
    }

    /// As [`wait`](Self::wait), at most until `deadline`.
    ///
    /// # Errors
    /// [`SelectError::TimedOut`], [`SelectError::Empty`].
    pub fn wait_deadline(&mut self, deadline: Instant) -> Result<usize, SelectError> {
        self.until(Until::Deadline(Some(deadline)), SelectError::TimedOut)
    }

    fn until(&mut self, until: Until, otherwise: SelectError) -> Result<usize, SelectError> {
        let mut numbers = Vec::with_capacity(self.arms.len());
        let mut cases: Vec<&mut dyn Case> = Vec::with_capacity(self.arms.len());
        for (number, arm) in self.arms.iter_mut().enumerate() {
            let case = arm.as_mut().map(|arm| arm.case().0);
            if let Some(case) = case
                && case.is_enabled()
            {
                numbers.push(number);
                cases.push(case);
            }
        }
        if cases.is_empty() {
            return Err(SelectError::Empty);
        }
        let chosen = select(&mut cases, until, self.biased).ok_or(otherwise)?;
        let number = numbers[chosen];
        if let Some(arm) = &mut self.arms[number] {
            arm.deliver();
        }
        Ok(number)
    }
}
