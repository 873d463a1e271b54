//! Listening: the consumer waits for a message in the middle of a handler, on the stack it is on.
//!
//! ```text
//!   SCHEDULED  --listen: nothing queued or flagged-->  LISTENING  --push or flag: unpark the listener-->  LISTENING | SCHEDULED
//!       ^                                                  |                                                      |
//!       +----------------- stop_listening (a wake-up, the deadline, an unwinding) --------------------------------+
//! ```
//! The right to run stays with the consumer all the while. Only the question "whom must I wake?" gets another answer, and the
//! word gives it in the same exchange as the push: so a sender that was told to unpark the listener, but is slow, does that
//! late and without harm, and never schedules an actor that has gone on.

use super::Consumer;
use super::seam::atomic::{Backoff, Ordering};
use super::seam::fault;
use super::word::{self, Flags, LISTENING, LOCK, SCHEDULED, WAITERS};

impl<M> Consumer<'_, M> {
    /// From now on the next push, or flag, says [`Wake::Listener`](super::Wake::Listener), unless there is a message or one of
    /// `flags` already: `false`. The caller has seen to it that the listener can be found, and then parks.
    pub(crate) fn listen(&mut self, cap: u32, flags: Flags) -> bool {
        let mailbox = self.mailbox;
        let mut backoff = Backoff::new();
        loop {
            let word = mailbox.word.load(Ordering::Relaxed);
            // Read after the word: if a sender has displaced a message meanwhile, the exchange fails.
            let consumed = mailbox.consumed.load(Ordering::Relaxed);
            let something = word::pushed(word) != consumed || word & (flags.bits() | WAITERS) != 0;
            if something && !fault!("mailbox_listen_blindly") {
                if word & WAITERS != 0 {
                    mailbox.admit(cap);
                }
                return false;
            }
            if word & LOCK == 0 {
                let listening = (word & !SCHEDULED) | LISTENING;
                // Release: whoever is told to wake the listener sees where it is.
                let order = Ordering::AcqRel;
                let exchange =
                    (mailbox.word).compare_exchange_weak(word, listening, order, Ordering::Relaxed);
                if exchange.is_ok() {
                    return true;
                }
            }
            backoff.wait();
        }
    }

    /// Ends [`listen`](Self::listen), however the wait has ended.
    pub(crate) fn stop_listening(&mut self) {
        self.mailbox
            .update(|word| ((word | SCHEDULED) & !LISTENING, ()));
    }
}
