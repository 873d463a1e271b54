//! [`Notify`].
//!
//! # The word
//! PERMIT: a `notify_one` that nobody has consumed. QUEUED: somebody waits (see [`super::queue`]); never both. The rest
//! counts the calls of `notify_waiters`, so that a [`Notified`] knows of those since it was made, though it was not in the
//! queue yet.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::rt::wait as rt_wait;
use crate::sys::atomic::{AtomicUsize, Ordering};

use super::error::WaitError;
use super::queue::{Locked, Outcome, Queue};
use super::wait::{How, Source, Waiting, block, block_for_ever};

const PERMIT: usize = 1;
const QUEUED: usize = 2;
const ROUND: usize = 4;

/// Tells one waiter, or all of them, that something has happened: tokio's `Notify` for microthreads.
///
/// [`notify_one`](Self::notify_one) wakes the one that has waited longest; if nobody waits, it leaves one permit, and the
/// next wait returns at once. [`notify_waiters`](Self::notify_waiters) wakes everybody who waits, or holds a [`Notified`]
/// made before, and leaves nothing. A notified waiter that leaves early (a kill, a dropped future) passes a `notify_one` on.
///
/// ```
/// use actor_core::{Runtime, sync::Notify};
/// use std::sync::Arc;
///
/// let rt = Runtime::new()?;
/// let news = Arc::new(Notify::new());
/// let waiter = rt.spawn({
///     let news = news.clone();
///     move || news.wait()
/// })?;
/// news.notify_one(); // before or after the wait: both will do
/// waiter.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Notify {
    word: AtomicUsize,
    queue: Queue,
}

impl Source for Notify {
    fn queue(&self) -> &Queue {
        &self.queue
    }

    /// `round` is the count of rounds the waiter has seen.
    fn arrive(&self, _: &mut Locked<'_>, round: usize) -> Option<Outcome> {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word / ROUND != round {
                return Some(Outcome::All);
            }
            let permit = word & PERMIT != 0;
            let new = if permit {
                word & !PERMIT
            } else {
                word | QUEUED
            };
            match self
                .word
                .compare_exchange_weak(word, new, Ordering::Acquire, Ordering::Acquire)
            {
                Ok(_) => return permit.then_some(Outcome::Granted),
                Err(now) => word = now,
            }
        }
    }

    fn left(&self, queue: &mut Locked<'_>, _: usize, how: Outcome) {
        match how {
            Outcome::Granted => self.notify_front(queue),
            _ => self.note_empty(queue),
        }
    }
}

impl Notify {
    super::const_unless_loom! {
        /// Nobody waits, and no permit is there.
        pub fn new() -> Self {
            Notify { word: AtomicUsize::new(0), queue: Queue::new() }
        }
    }

    fn note_empty(&self, queue: &Locked<'_>) {
        if queue.is_empty() {
            self.word.fetch_and(!QUEUED, Ordering::Relaxed);
        }
    }

    /// Under the lock: the first, or a permit for who comes next.
    fn notify_front(&self, queue: &mut Locked<'_>) {
        if queue.settle_front(Outcome::Granted) {
            self.note_empty(queue);
        } else {
            self.word.fetch_or(PERMIT, Ordering::Release);
        }
    }

    /// Wakes the one that has waited longest, or leaves a permit for the next wait. Permits do not add up.
    pub fn notify_one(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & QUEUED == 0 {
            // Also if the permit is there: who consumes it is to see what came before this call.
            match self.word.compare_exchange_weak(
                word,
                word | PERMIT,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
        self.notify_front(&mut self.queue.lock());
    }

    /// Wakes everybody who waits, or holds a [`Notified`] made before this call. Leaves no permit.
    pub fn notify_waiters(&self) {
        let mut queue = self.queue.lock();
        self.word.fetch_add(ROUND, Ordering::Release);
        queue.settle_all(Outcome::All);
        self.note_empty(&queue);
    }

    fn round(&self) -> usize {
        self.word.load(Ordering::Acquire) / ROUND
    }

    /// Waits to be notified. Not interruptible: while a panic unwinds it blocks the thread. A kill unwinds out of it.
    pub fn wait(&self) {
        block_for_ever(self, self.round());
    }

    /// As [`wait`](Self::wait), for at most `timeout`.
    ///
    /// # Errors
    /// [`WaitError`]: the time is over, or the wait was interrupted.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<(), WaitError> {
        self.notified().wait_until(rt_wait::after(timeout))
    }

    /// A wait that counts from now, and has yet to be waited for: a future, or [`Notified::wait`].
    ///
    /// Make it before looking at what the notifications are about, look, then wait: no `notify_waiters` is missed.
    pub fn notified(&self) -> Notified<'_> {
        Notified {
            waiting: Waiting::new(self, self.round()),
        }
    }
}

impl Default for Notify {
    fn default() -> Self {
        Notify::new()
    }
}

/// A wait for a [`Notify`], from [`Notify::notified`].
#[must_use = "a wait does nothing until it is waited for"]
#[derive(Debug)]
pub struct Notified<'a> {
    waiting: Waiting<'a, Notify>,
}

impl Notified<'_> {
    /// Waits to be notified, parking the microthread or blocking the thread. Not interruptible.
    pub fn wait(self) {
        block_for_ever(self.waiting.source(), self.waiting.want());
    }

    /// As [`wait`](Self::wait), for at most `timeout`.
    ///
    /// # Errors
    /// [`WaitError`]: the time is over, or the wait was interrupted.
    pub fn wait_timeout(self, timeout: Duration) -> Result<(), WaitError> {
        self.wait_until(rt_wait::after(timeout))
    }

    /// As [`wait`](Self::wait), at most until `deadline`.
    ///
    /// # Errors
    /// As [`wait_timeout`](Self::wait_timeout).
    pub fn wait_deadline(self, deadline: Instant) -> Result<(), WaitError> {
        self.wait_until(Some(deadline))
    }

    pub(crate) fn wait_until(self, deadline: Option<Instant>) -> Result<(), WaitError> {
        let (source, want) = (self.waiting.source(), self.waiting.want());
        block(source, want, deadline, How::Fallible, || ())?;
        Ok(())
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // SAFETY: the field is pinned as the whole is.
        let waiting = unsafe { self.map_unchecked_mut(|this| &mut this.waiting) };
        waiting.poll(context).map(|_| ())
    }
}
