//! What an actor waits for while it goes on taking messages.
//!
//! It is an ask without a message: a slot, whose port another actor has. Why, and what a walk makes of it: see `waits`.

use super::addr::Addr;
use super::reply::{self, Port, Receiver};
use super::traits::Actor;
use super::waits::{self, Waiting};

/// See the [module](self). Dropping it is to wait for it no more.
#[derive(Debug)]
pub(crate) struct Step {
    receiver: Receiver<()>,
}

impl Step {
    /// A step that is over when the port, which is `by`'s, is dropped. Whoever keeps the port keeps the address, too, and drops
    /// the port first.
    pub(crate) fn of<A: Actor>(by: &Addr<A>) -> (Self, Port) {
        let (port, receiver) = reply::slot();
        port.hand_to(by.cell().header());
        // It is over only when `by`'s own step is, if `by` has one.
        port.stand_in_line();
        (Step { receiver }, port)
    }

    /// Until the guard is dropped, the calling actor waits for the step, and for nothing else that is tracked. `None` if it is over.
    /// (waits: P1)
    pub(crate) fn begin(&mut self) -> Option<Waiting> {
        let waiter = waits::here()?;
        if self.receiver.begin_wait().is_some() {
            return None;
        }
        Some(waiter.waits_for_step(self.receiver.as_raw()))
    }
}
