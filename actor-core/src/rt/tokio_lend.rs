//! Lends a tokio runtime to futures that run under `block_on` (feature `tokio`).

use std::fmt;
use std::sync::OnceLock;

use super::park;
use super::worker::Worker;

/// One tokio runtime for each of ours, with one thread for its driver; built when first used.
pub(crate) struct Lender {
    runtime: OnceLock<Option<tokio::runtime::Runtime>>,
    name: String,
}

impl fmt::Debug for Lender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lender")
            .field("built", &self.runtime.get().is_some())
            .finish_non_exhaustive()
    }
}

impl Lender {
    pub(crate) fn new(thread_name: &str) -> Self {
        Lender {
            runtime: OnceLock::new(),
            name: format!("{thread_name}-tokio"),
        }
    }

    fn runtime(&self) -> Option<&tokio::runtime::Runtime> {
        self.runtime
            .get_or_init(|| {
                tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(1)
                    .thread_name(&self.name)
                    .enable_all()
                    .build()
                    .ok()
            })
            .as_ref()
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        if let Some(Some(runtime)) = self.runtime.take() {
            // The last handle of a runtime may be dropped anywhere, also where waiting for tokio is not allowed.
            runtime.shutdown_background();
        }
    }
}

/// Calls `poll` inside the lent tokio runtime. On a thread that is no worker's, whatever tokio context the caller is in
/// stays.
pub(super) fn entered<R>(poll: impl FnOnce() -> R) -> R {
    let Some(core) = Worker::current_core() else {
        return poll();
    };
    match core.tokio.runtime() {
        // The guard belongs to this thread and must be dropped before anything else runs on it.
        Some(runtime) => park::no_suspend(|| {
            let _entered = runtime.enter();
            poll()
        }),
        None => poll(),
    }
}
