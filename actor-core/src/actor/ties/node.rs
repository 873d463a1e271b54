//! An actor as far as `ties` knows one, for tests and models: no cell, no worker.

use std::any::Any;
use std::sync::Arc;

use crate::actor::Host;
use crate::actor::any_addr::{AnyAddr, Peer};
use crate::actor::exit::ExitReason;
use crate::actor::extra::Extra;
use crate::actor::signal::Signal;
use crate::observe::Who;
use crate::sys::atomic::{AtomicBool, Ordering};

use super::{Ties, announce};

pub(super) struct Node {
    id: u64,
    extra: Extra,
    dead: AtomicBool,
    woken: AtomicBool,
}

impl Node {
    pub(super) fn new(id: u64) -> Arc<Self> {
        Arc::new(Node {
            id,
            extra: Extra::default(),
            dead: AtomicBool::new(false),
            woken: AtomicBool::new(false),
        })
    }

    pub(super) fn any(self: &Arc<Self>) -> AnyAddr {
        AnyAddr::of(self.clone())
    }

    /// E2.
    pub(super) fn take_ties(&self) -> Ties {
        *self.extra.lock().ties.take().unwrap_or_default()
    }

    /// All of an end for good.
    pub(super) fn end(self: &Arc<Self>) {
        self.dead.store(true, Ordering::Release); // E1
        let ties = self.take_ties();
        drop(announce(&self.any(), ties, &ExitReason::Killed));
    }

    pub(super) fn is_linked_to(&self, other: &Arc<Node>) -> bool {
        let mut state = self.extra.lock();
        state.ties().halves.contains_key(&other.any().key())
    }

    /// What is in its lane at this moment: whoever put it there may be about to wake it.
    pub(super) fn signals_by_now(&self) -> Vec<Signal> {
        self.extra.lock().ties().signals.drain(..).collect()
    }

    /// What waits in its lane when nobody is at work on it. Something in there must have woken it.
    pub(super) fn signals(&self) -> Vec<Signal> {
        let signals = self.signals_by_now();
        assert!(signals.is_empty() || self.woken.load(Ordering::Acquire));
        signals
    }

    /// Breaks the circles of references that ties are.
    pub(super) fn clear(&self) {
        drop(self.take_ties());
    }
}

impl Peer for Arc<Node> {
    fn id(&self) -> u64 {
        self.id
    }

    fn place(&self) -> usize {
        self.id as usize
    }

    fn extra(&self) -> &Extra {
        &self.extra
    }

    fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    fn is_up(&self) -> bool {
        !self.is_dead()
    }

    fn wake(&self) {
        self.woken.store(true, Ordering::Release);
    }

    fn who(&self) -> Who {
        Who::new(self.id, "Node", None)
    }

    fn host(&self) -> &Host {
        unreachable!("a node is in no system")
    }

    fn stop(&self) {}

    fn kill(&self) {}

    fn as_any(&self) -> &dyn Any {
        self
    }
}
