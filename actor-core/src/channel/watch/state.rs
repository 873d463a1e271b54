//! The state, and the wait for a change. The steps are those of the [module](super).

use std::mem;
use std::sync::Arc;

use crate::channel::error::RecvError;
use crate::channel::wait::{List, Op};
use crate::rt::wait::Interrupt;
use crate::rt::wake::Wakes;
use crate::sync::Mutex;
use crate::sys::atomic::{AtomicU64, Ordering};
use crate::sys::fault::fault;
use crate::sys::spinlock::SpinLock;

/// What senders and receivers share.
pub(in crate::channel) struct Core<T> {
    pub(super) turn: Mutex<()>,
    pub(super) state: SpinLock<State<T>>,
}

impl<T> Core<T> {
    /// With one sender.
    pub(super) fn new(initial: T) -> Self {
        Core {
            turn: Mutex::new(()),
            state: SpinLock::new(State {
                value: Arc::new(initial),
                version: 0,
                senders: 1,
                receivers: 0,
                waiting: List::default(),
            }),
        }
    }
}

pub(in crate::channel) struct State<T> {
    value: Arc<T>,
    pub(super) version: u64,
    pub(super) senders: usize,
    pub(super) receivers: usize,
    waiting: List<()>,
}

impl<T> State<T> {
    pub(super) fn value(&self) -> Arc<T> {
        self.value.clone()
    }

    /// S2: the value before.
    pub(super) fn put(&mut self, value: Arc<T>, wakes: &mut Wakes) -> Arc<T> {
        self.version += 1;
        if !fault!("watch_no_wake") {
            self.wake_all(wakes);
        }
        mem::replace(&mut self.value, value)
    }

    pub(super) fn wake_all(&mut self, wakes: &mut Wakes) {
        while self.waiting.serve(wakes, |_| ()).is_some() {}
    }

    /// W1 and W2, but that nothing counts as seen yet.
    pub(super) fn has_changed(&self, seen: &AtomicU64) -> Option<Result<(), RecvError>> {
        // Relaxed, here and below: what was seen is the lock's.
        if seen.load(Ordering::Relaxed) != self.version {
            Some(Ok(()))
        } else if self.senders == 0 {
            Some(Err(RecvError::Disconnected))
        } else {
            None
        }
    }

    pub(super) fn see(&self, seen: &AtomicU64) {
        seen.store(self.version, Ordering::Relaxed);
    }
}

/// The wait for a change.
pub(in crate::channel) struct Changed<'a, T> {
    pub(super) core: &'a Core<T>,
    pub(super) seen: &'a AtomicU64,
}

impl<T> Op for Changed<'_, T> {
    type State = State<T>;
    /// The value stays in the state.
    type Slot = ();
    type Output = Result<(), RecvError>;

    fn state(&self) -> &SpinLock<State<T>> {
        &self.core.state
    }

    fn attempt(
        &self,
        state: &mut State<T>,
        _: &mut Option<()>,
        _: bool,
        _: &mut Wakes,
    ) -> Option<Self::Output> {
        let changed = state.has_changed(self.seen);
        if changed.is_some() {
            state.see(self.seen);
        } else if fault!("watch_early_seen") {
            self.seen.store(state.version + 1, Ordering::Relaxed);
        }
        changed
    }

    fn list<'s>(&self, state: &'s mut State<T>) -> &'s mut List<()> {
        &mut state.waiting
    }

    fn interrupted(&self, why: Interrupt, _: &mut Option<()>) -> Self::Output {
        Err(RecvError::Interrupted(why))
    }
}
