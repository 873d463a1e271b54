//! Who waits for a name. See the [registry](super), "Waiting for a name".

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::rt::park::{self, Parker};

use super::LookupError;

/// The list of waiters.
#[derive(Default)]
pub(super) struct Waiters {
    /// The length of the list, to be read without the lock.
    count: AtomicUsize,
    waiting: Mutex<Vec<Waiter>>,
}

struct Waiter {
    name: Arc<str>,
    parker: &'static Parker,
}

impl Waiters {
    fn lock(&self) -> MutexGuard<'_, Vec<Waiter>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who wait for `name`. They look for themselves, so it does not matter if it is gone again.
    pub(super) fn wake(&self, name: &str) {
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::Relaxed) == 0 {
            return; // step b
        }
        for waiter in self.lock().iter().filter(|it| &*it.name == name) {
            waiter.parker.unpark();
        }
    }

    /// Waits until `look` finds something, or for ever something else, at most until `deadline`.
    pub(super) fn wait<T>(
        &self,
        name: &str,
        deadline: Option<Instant>,
        look: impl Fn() -> Result<T, LookupError>,
    ) -> Result<T, LookupError> {
        let _entered = Entered::new(self, name); // step 1
        loop {
            fence(Ordering::SeqCst);
            match look() {
                Err(LookupError::NotFound) => {} // step 2
                found => return found,
            }
            if !park::park_until(deadline) {
                return look();
            }
        }
    }
}

/// A place in the list; left when dropped, also by the unwinding of a kill.
struct Entered<'a> {
    waiters: &'a Waiters,
    parker: &'static Parker,
}

impl<'a> Entered<'a> {
    fn new(waiters: &'a Waiters, name: &str) -> Self {
        let (parker, name) = (park::current(), name.into());
        let mut waiting = waiters.lock();
        waiting.push(Waiter { name, parker });
        waiters.count.store(waiting.len(), Ordering::Relaxed);
        Self { waiters, parker }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut waiting = self.waiters.lock();
        // One at a time waits on a parker, so this is its one entry.
        waiting.retain(|it| !std::ptr::eq(it.parker, self.parker));
        self.waiters.count.store(waiting.len(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Waiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiters")
            .field("count", &self.count.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}
