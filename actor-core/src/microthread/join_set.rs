//! [`JoinSet`].
//!
//! Each member tells the set of its end by its number, once its handle's join would return at once ([`OnEnd`]); the set
//! takes numbers from the front and joins those handles.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::rt::core::Core;
use crate::rt::error::{JoinError, SpawnError};
use crate::rt::runtime::Runtime;
use crate::rt::task::{self, JoinHandle, OnEnd};
use crate::rt::wait;
use crate::rt::worker::Worker;
use crate::sync::{Notify, WaitError};

#[derive(Default)]
struct Ended {
    numbers: Mutex<VecDeque<u64>>,
    news: Notify,
}

impl Ended {
    fn next(&self) -> Option<u64> {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.pop_front()
    }
}

/// One member's end.
pub(crate) struct Tell {
    ended: Arc<Ended>,
    number: u64,
}

impl OnEnd for Tell {
    fn ended(&self) {
        let numbers = &self.ended.numbers;
        let mut numbers = numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.push_back(self.number);
        drop(numbers);
        self.ended.news.notify_one();
    }
}

/// Microthreads whose results are taken in the order in which they end: tokio's `JoinSet` for microthreads.
///
/// Dropping the set kills its members, without waiting for them; [`shutdown`](Self::shutdown) waits too,
/// [`detach_all`](Self::detach_all) lets them go on.
///
/// ```
/// use actor_core::{Runtime, microthread::{self, JoinSet}};
/// use std::time::Duration;
///
/// let rt = Runtime::new()?;
/// let handle = rt.spawn(|| {
///     let mut set = JoinSet::new();
///     for n in [3, 1, 2] {
///         set.spawn(move || {
///             microthread::sleep(Duration::from_millis(20 * n));
///             n
///         });
///     }
///     let mut sum = 0;
///     while let Some(ended) = set.join_next() {
///         sum += ended.unwrap();
///     }
///     sum
/// })?;
/// assert_eq!(handle.join()?, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JoinSet<T> {
    members: BTreeMap<u64, JoinHandle<T>>,
    ended: Arc<Ended>,
    next: u64,
}

impl<T> JoinSet<T> {
    /// An empty set.
    pub fn new() -> Self {
        JoinSet {
            members: BTreeMap::new(),
            ended: Arc::default(),
            next: 0,
        }
    }

    /// How many members there are whose results have not been taken.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Starts a member in the runtime of the calling microthread, and gives its number in this set.
    ///
    /// # Panics
    /// Outside a runtime ([`spawn_in`](Self::spawn_in) works from anywhere), at the stack limit, or while the runtime ends.
    #[track_caller]
    pub fn spawn<F>(&mut self, body: F) -> u64
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let Some(core) = Worker::current_core() else {
            panic!("`JoinSet::spawn` outside a runtime; use `JoinSet::spawn_in`");
        };
        match self.start(&core, body) {
            Ok(number) => number,
            Err(error) => panic!("could not spawn a microthread: {error}"),
        }
    }

    /// Starts a member in `runtime`, and gives its number in this set.
    ///
    /// # Errors
    /// [`SpawnError`] at the stack limit or while the runtime ends.
    pub fn spawn_in<F>(&mut self, runtime: &Runtime, body: F) -> Result<u64, SpawnError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.start(runtime.core(), body)
    }

    fn start<F>(&mut self, core: &Arc<Core>, body: F) -> Result<u64, SpawnError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.add(|tell| task::spawn_with(core, task::Options::default(), body, tell))
    }

    /// Adds the member that `spawn` starts, which tells of its end.
    pub(crate) fn add(
        &mut self,
        spawn: impl FnOnce(Tell) -> Result<JoinHandle<T>, SpawnError>,
    ) -> Result<u64, SpawnError> {
        let number = self.next;
        let tell = Tell {
            ended: self.ended.clone(),
            number,
        };
        let handle = spawn(tell)?;
        self.next += 1;
        self.members.insert(number, handle);
        Ok(number)
    }

    /// Waits for the next member to end and gives its result. `None`: the set is empty.
    ///
    /// Not interruptible: while a panic unwinds it blocks the thread. A kill unwinds out of it; no result is lost by that.
    pub fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.join_next_with_number().map(|(_, result)| result)
    }

    /// As [`join_next`](Self::join_next), with the member's number.
    pub fn join_next_with_number(&mut self) -> Option<(u64, Result<T, JoinError>)> {
        while !self.is_empty() {
            let next = self.take_ended();
            if next.is_some() {
                return next;
            }
            self.ended.news.wait();
        }
        None
    }

    /// As [`join_next`](Self::join_next), for at most `timeout`.
    ///
    /// # Errors
    /// [`WaitError`]: the time is over, or the wait was interrupted.
    pub fn join_next_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<Result<T, JoinError>>, WaitError> {
        let deadline = wait::after(timeout);
        while !self.is_empty() {
            if let Some((_, result)) = self.take_ended() {
                return Ok(Some(result));
            }
            self.ended.news.notified().wait_until(deadline)?;
        }
        Ok(None)
    }

    /// [`join_next`](Self::join_next) as a future. Dropping it loses no result.
    pub async fn join_next_async(&mut self) -> Option<Result<T, JoinError>> {
        while !self.is_empty() {
            if let Some((_, result)) = self.take_ended() {
                return Some(result);
            }
            self.ended.news.notified().await;
        }
        None
    }

    /// The result of a member that has ended, if there is one.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.take_ended().map(|(_, result)| result)
    }

    fn take_ended(&mut self) -> Option<(u64, Result<T, JoinError>)> {
        let number = self.ended.next()?;
        let handle = self.members.remove(&number);
        let handle = handle.expect("a member ends once");
        Some((number, handle.join()))
    }

    /// Kills the member with this number. `false`: there is none.
    pub fn kill(&self, number: u64) -> bool {
        let member = self.members.get(&number);
        member.inspect(|member| member.kill()).is_some()
    }

    /// Kills all members. They end at their next suspension points, and [`join_next`](Self::join_next) then gives
    /// [`JoinError::Killed`] for them.
    pub fn kill_all(&mut self) {
        self.members.values().for_each(JoinHandle::kill);
    }

    /// Kills all members and waits until they have ended. Their results are dropped.
    pub fn shutdown(&mut self) {
        self.kill_all();
        while self.join_next().is_some() {}
    }

    /// Takes all members out of the set; they go on.
    pub fn detach_all(&mut self) {
        self.members.clear();
        self.ended = Arc::default();
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        JoinSet::new()
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.kill_all();
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
