//! [`CancellationToken`].
//!
//! Tokens form a tree: a child knows its parent, which keeps it alive; a parent knows its children weakly. A child is
//! entered, and a cancellation marks, under the parent's lock: a child that is entered later is born cancelled. Trees may be
//! deep, so nothing here recurses.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::rt::wait;
use crate::sync::{Notified, Notify, WaitError};

#[derive(Default)]
struct Node {
    cancelled: AtomicBool,
    news: Notify,
    children: Mutex<Children>,
    /// The parent, and the number there.
    parent: Option<(Arc<Node>, u64)>,
}

#[derive(Default)]
struct Children {
    next: u64,
    nodes: BTreeMap<u64, Weak<Node>>,
}

impl Node {
    fn children(&self) -> MutexGuard<'_, Children> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Marks this node, and gives its children. `None`: it was marked before.
    fn mark(&self) -> Option<BTreeMap<u64, Weak<Node>>> {
        let mut children = self.children();
        let before = self.cancelled.swap(true, Ordering::AcqRel);
        (!before).then(|| std::mem::take(&mut children.nodes))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut parent = self.parent.take();
        while let Some((node, number)) = parent {
            node.children().nodes.remove(&number);
            // The last reference to the parent: its own parent is next, here and not in its destructor.
            parent = Arc::into_inner(node).and_then(|mut node| node.parent.take());
        }
    }
}

/// A request to end that can be looked at and waited for: tokio-util's `CancellationToken` for microthreads.
///
/// Clones are the same token. Cancelling one cancels its [children](Self::child_token), not its parent. Nothing is forced to
/// end: that is what `kill` is for.
///
/// ```
/// use actor_core::{Runtime, microthread::{self, CancellationToken}};
///
/// let rt = Runtime::new()?;
/// let token = CancellationToken::new();
/// let worker = rt.spawn({
///     let token = token.clone();
///     move || {
///         let mut steps = 0_u64;
///         while !token.is_cancelled() {
///             steps += 1;
///             microthread::yield_now();
///         }
///         steps
///     }
/// })?;
/// token.cancel();
/// worker.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct CancellationToken(Arc<Node>);

impl CancellationToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that is cancelled with this one, and can be cancelled alone.
    pub fn child_token(&self) -> CancellationToken {
        let mut children = self.0.children();
        if self.0.is_cancelled() {
            let child = Node::default();
            child.cancelled.store(true, Ordering::Relaxed);
            return CancellationToken(Arc::new(child));
        }
        let number = children.next;
        children.next += 1;
        let mut child = Node::default();
        child.parent = Some((self.0.clone(), number));
        let child = Arc::new(child);
        children.nodes.insert(number, Arc::downgrade(&child));
        CancellationToken(child)
    }

    /// Cancels the token and its children, and wakes whoever waits for one of them.
    pub fn cancel(&self) {
        let mut due = vec![self.0.clone()];
        while let Some(node) = due.pop() {
            if let Some(children) = node.mark() {
                node.news.notify_waiters();
                due.extend(children.into_values().filter_map(|child| child.upgrade()));
            }
        }
    }

    /// Whether it has been cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it is cancelled, parking the microthread or blocking the thread. Not interruptible: while a panic unwinds
    /// it blocks the thread. A kill unwinds out of it.
    pub fn wait(&self) {
        // A wait made before the look misses no cancellation after it.
        let news = self.0.news.notified();
        if !self.is_cancelled() {
            news.wait();
        }
    }

    /// As [`wait`](Self::wait), for at most `timeout`.
    ///
    /// # Errors
    /// [`WaitError`]: the time is over, or the wait was interrupted.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<(), WaitError> {
        self.wait_until(wait::after(timeout))
    }

    /// As [`wait`](Self::wait), at most until `deadline`.
    ///
    /// # Errors
    /// As [`wait_timeout`](Self::wait_timeout).
    pub fn wait_deadline(&self, deadline: Instant) -> Result<(), WaitError> {
        self.wait_until(Some(deadline))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        let news = self.0.news.notified();
        if self.is_cancelled() {
            return Ok(());
        }
        news.wait_until(deadline)
    }

    /// A future that is ready once the token is cancelled.
    pub fn cancelled(&self) -> Cancelled<'_> {
        Cancelled {
            news: self.0.news.notified(),
            token: self,
        }
    }

    /// Runs `future` until it is ready, or until the token is cancelled: then it is dropped, and `None` given.
    pub async fn run_until_cancelled<F: Future>(&self, future: F) -> Option<F::Output> {
        let (mut future, mut cancelled) = (pin!(future), pin!(self.cancelled()));
        std::future::poll_fn(|context| {
            if cancelled.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(context).map(Some)
        })
        .await
    }

    /// A guard that cancels the token when it is dropped.
    pub fn drop_guard(self) -> DropGuard {
        DropGuard(Some(self))
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken")
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// Waits for a cancellation; from [`CancellationToken::cancelled`].
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Cancelled<'a> {
    news: Notified<'a>,
    token: &'a CancellationToken,
}

impl Future for Cancelled<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.token.is_cancelled() {
            return Poll::Ready(());
        }
        // SAFETY: the field is pinned as the whole is.
        let news = unsafe { self.map_unchecked_mut(|this| &mut this.news) };
        news.poll(context)
    }
}

/// Cancels a token when dropped; from [`CancellationToken::drop_guard`].
#[must_use = "if unused the token is cancelled at once"]
#[derive(Debug)]
pub struct DropGuard(Option<CancellationToken>);

impl DropGuard {
    /// Takes the token out; it is not cancelled.
    pub fn disarm(mut self) -> CancellationToken {
        self.0.take().expect("a guard is disarmed once")
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(token) = &self.0 {
            token.cancel();
        }
    }
}
