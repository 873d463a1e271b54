//! Futures: waiting for one parks the microthread, not the worker.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::park::{self, Parker};

/// Wakes one `block_on`. The flag, and not the parker's permit, is what counts: a poll may itself block on something
/// else and consume the permit.
struct Signal {
    woken: AtomicBool,
    waiter: &'static Parker,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.waiter.unpark();
    }
}

/// Polls futures for the calling code, and wakes it.
pub(crate) struct Poller {
    signal: Arc<Signal>,
    waker: Waker,
}

impl Poller {
    pub(crate) fn new() -> Self {
        let signal = Arc::new(Signal {
            woken: AtomicBool::new(false),
            waiter: park::current(),
        });
        let waker = Waker::from(signal.clone());
        Poller { signal, waker }
    }

    /// What wakes it.
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Polls `future`; if it is pending, [`take_woken`](Self::take_woken) will say when to poll again.
    pub(crate) fn poll<F: Future + ?Sized>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        let mut context = Context::from_waker(&self.waker);
        #[cfg(feature = "tokio")]
        return super::tokio_lend::entered(|| future.poll(&mut context));
        #[cfg(not(feature = "tokio"))]
        future.poll(&mut context)
    }

    /// Whether something polled has asked to be polled again since the last call.
    pub(crate) fn take_woken(&self) -> bool {
        self.signal.woken.swap(false, Ordering::Acquire)
    }
}

/// Runs a future to its end, parking the calling microthread (or blocking the calling thread) while it is pending.
///
/// With the feature `tokio` the future is polled inside a tokio runtime lent by the scheduler, so that tokio's sockets,
/// timers and clients work; blocking calls of this crate inside such a poll panic, as a switch there would leave tokio's
/// thread-local context on the wrong stack. What asks for that runtime already when it is made, as tokio's timers and many
/// clients' requests do, belongs inside the future: `block_on(async { client.get(url).send().await })`. The frames of such
/// clients are deep: give the actor or microthread a larger stack if it overflows.
///
/// A kill ends the wait and drops the future.
///
/// ```
/// use actor_core::{Runtime, microthread};
///
/// let rt = Runtime::new()?;
/// let handle = rt.spawn(|| microthread::block_on(async { 42 }))?;
/// assert_eq!(handle.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    park::check_stack();
    let poller = Poller::new();
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = poller.poll(future.as_mut()) {
            return output;
        }
        while !poller.take_woken() {
            park::park();
        }
    }
}
