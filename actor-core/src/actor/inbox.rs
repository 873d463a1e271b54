//! Where an actor with its own stack receives.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::rt::park;
use crate::rt::wait;
use crate::rt::worker::Worker;

use super::addr::{Addr, check_stack};
use super::cell::{Cell, DEAD, Envelope};
use super::error::{RecvError, TryRecvError};
use super::exit::ExitReason;
use super::host::Host;
use super::life;
use super::mailbox::{Consumer, Flags};
use super::reply::Port;
use super::traits::Actor;

/// The receiving end of an actor with a `run` body.
///
/// Only the actor itself receives: an inbox cannot be sent to another thread, and used from another microthread of the same
/// thread it gives [`RecvError::NotOwner`].
///
/// ```
/// use actor_core::prelude::*;
///
/// #[actor]
/// struct Sum(u64);
///
/// #[actor(message = u64)]
/// impl Sum {
///     pub fn run(mut self, inbox: Inbox<Self>) -> Exit {
///         while let Ok(n) = inbox.recv() {
///             self.0 += n;
///         }
///         Exit::failed(self.0) // so that the example can see it
///     }
/// }
///
/// let sys = System::new()?;
/// let sum = sys.spawn(Sum(0))?;
/// sum.send(1)?;
/// sum.send(2)?;
/// while sum.queued() > 0 {
///     actor_core::microthread::yield_now();
/// }
/// sum.stop();
/// assert_eq!(sum.join(), ExitReason::failed(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Inbox<A: Actor> {
    addr: Addr<A>,
    /// Not `Send`.
    not_send: PhantomData<*mut ()>,
}

impl<A: Actor> fmt::Debug for Inbox<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("of", &self.addr).finish()
    }
}

impl<A: Actor> Inbox<A> {
    pub(super) fn new(cell: &Cell<A>) -> Self {
        Inbox {
            addr: Addr::to(cell),
            not_send: PhantomData,
        }
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// [`RecvError::Closed`] once the actor has been asked to stop: it should end. Messages still queued are then not given
    /// out any more; when the actor has ended they are answered with an error or counted as dead letters.
    pub fn recv(&self) -> Result<A::Msg, RecvError> {
        self.recv_until(None).map_err(|error| match error {
            TryRecvError::Closed => RecvError::Closed,
            TryRecvError::NotOwner | TryRecvError::Empty => RecvError::NotOwner,
        })
    }

    /// As [`recv`](Self::recv), for at most `timeout`.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] after `timeout`, otherwise as [`recv`](Self::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<A::Msg, TryRecvError> {
        match wait::after(timeout) {
            Some(deadline) => self.recv_until(Some(deadline)),
            None => self.recv_until(None),
        }
    }

    /// The next message, if there is one.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] if there is none, otherwise as [`recv`](Self::recv).
    pub fn try_recv(&self) -> Result<A::Msg, TryRecvError> {
        self.check_open()?;
        let cell = self.addr.cell();
        // SAFETY: as in `next`.
        let mut consumer = unsafe { cell.mailbox.consumer() };
        pop(cell, &mut consumer)
            .map(|envelope| envelope.msg)
            .ok_or(TryRecvError::Empty)
    }

    fn check_owner(&self) -> Result<(), TryRecvError> {
        let header: *const _ = self.addr.cell().header();
        let mine = Worker::with(|worker| worker.is_some_and(|worker| worker.is_running(header)));
        mine.then_some(()).ok_or(TryRecvError::NotOwner)
    }

    /// Whether the caller is the actor, and shall go on receiving.
    fn check_open(&self) -> Result<(), TryRecvError> {
        self.check_owner()?;
        check_stack();
        // Receiving is a suspension point, whether or not there is a message.
        park::checkpoint();
        let cell = self.addr.cell();
        let flags = cell.mailbox.flags();
        // KILL and no unwinding: this is a destructor, while something else unwinds. No wait would end by itself, as the
        // mailbox does not go idle with a flag up. Dead: it is the destructor of a message that was left.
        if flags.contains(Flags::STOP) || flags.contains(Flags::KILL) || cell.life() == DEAD {
            return Err(TryRecvError::Closed);
        }
        Ok(())
    }

    fn recv_until(&self, deadline: Option<Instant>) -> Result<A::Msg, TryRecvError> {
        // Asked, of an actor that has no way to answer: the port is dropped, and the asker told so.
        self.next(deadline).map(|(msg, _)| msg)
    }

    /// The next message with the port for its answer.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Result<(A::Msg, Port), TryRecvError> {
        let cell = self.addr.cell();
        loop {
            self.check_open()?;
            // SAFETY: this code runs as the actor itself (checked above: it is what runs on this worker now), whose
            // activation is its whole life, so the right to run is here; and no other consumer of this activation is in
            // use, as none is kept across anything that could run other code.
            let mut consumer = unsafe { cell.mailbox.consumer() };
            if let Some(Envelope { msg, reply }) = pop(cell, &mut consumer) {
                return Ok((msg, reply));
            }
            // Noted before the mailbox is idle: from then on a sender may unpark it.
            cell.header().set_parker(park::current());
            // On failure something has come meanwhile.
            if consumer.go_idle(Cell::<A>::CAP).is_ok() && !park::park_until(deadline) {
                return Err(TryRecvError::Empty);
            }
        }
    }

    /// Takes the request to stop, if there is one, and says what for. The inbox is open again, for an actor that has to hear
    /// of others before it can end.
    pub(crate) fn take_stop(&self) -> Option<ExitReason> {
        self.check_owner().ok()?;
        let cell = self.addr.cell();
        // SAFETY: as in `next`.
        let mut consumer = unsafe { cell.mailbox.consumer() };
        let taken = consumer.take_flags(Flags::STOP);
        taken.contains(Flags::STOP).then(|| life::stop_reason(cell))
    }

    /// The actor's own address.
    pub fn addr(&self) -> Addr<A> {
        self.addr.clone()
    }

    pub(crate) fn host(&self) -> &Arc<Host> {
        self.addr.cell().host()
    }

    /// Messages waiting.
    pub fn len(&self) -> usize {
        self.addr.queued()
    }

    /// Whether no message waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The next message, whether another or time has sent it.
#[inline]
fn pop<A: Actor>(
    cell: &Cell<A>,
    consumer: &mut Consumer<'_, Envelope<A::Msg>>,
) -> Option<Envelope<A::Msg>> {
    match consumer.flags().is_empty() {
        true => consumer.pop(Cell::<A>::CAP),
        false => life::timed_or_next(cell, consumer),
    }
}
