//! Futures: waiting for one parks the microthread, not the worker.

use std::future::Future;
use std::pin::pin;
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

/// Runs a future to its end, parking the calling microthread (or blocking the calling thread) while it is pending.
///
/// With the feature `tokio` the future is polled inside a tokio runtime lent by the scheduler, so that tokio's sockets,
/// timers and clients work; blocking calls of this crate inside such a poll panic, as a switch there would leave tokio's
/// thread-local context on the wrong stack.
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
    let signal = Arc::new(Signal {
        woken: AtomicBool::new(false),
        waiter: park::current(),
    });
    let waker = Waker::from(signal.clone());
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        #[cfg(feature = "tokio")]
        let polled = super::tokio_lend::entered(|| future.as_mut().poll(&mut context));
        #[cfg(not(feature = "tokio"))]
        let polled = future.as_mut().poll(&mut context);
        if let Poll::Ready(output) = polled {
            return output;
        }
        while !signal.woken.swap(false, Ordering::Acquire) {
            park::park();
        }
    }
}
