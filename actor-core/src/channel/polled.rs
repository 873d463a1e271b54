//! Futures polled by hand, for the tests and the models of the kinds of channel.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

#[cfg(not(loom))]
mod bell {
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts how often it was woken.
    #[derive(Default)]
    pub(in crate::channel) struct Bell(AtomicUsize);

    impl Bell {
        pub(in crate::channel) fn rung(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }

        pub(super) fn ring(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[cfg(loom)]
mod bell {
    /// To wait for.
    pub(in crate::channel) struct Bell(loom::sync::Notify);

    impl Default for Bell {
        fn default() -> Self {
            Bell(loom::sync::Notify::new())
        }
    }

    impl Bell {
        pub(super) fn ring(&self) {
            self.0.notify();
        }

        pub(in crate::channel) fn wait(&self) {
            self.0.wait();
        }
    }
}

pub(in crate::channel) use bell::Bell;

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

/// Polls once; what wakes the future rings the bell.
pub(in crate::channel) fn poll<F: Future>(
    future: Pin<&mut F>,
    bell: &Arc<Bell>,
) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(bell.clone())))
}

/// Polls until it is ready, in a loom model.
#[cfg(loom)]
pub(in crate::channel) fn block_on<F: Future>(future: F) -> F::Output {
    let bell = Arc::new(Bell::default());
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(output) = poll(future.as_mut(), &bell) {
            return output;
        }
        bell.wait();
    }
}
