//! Where an actor with its own stack receives.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::rt::park;
use crate::rt::wait;

use super::addr::Addr;
use super::attend::next_signal;
use super::cell::{Cell, Envelope};
use super::error::{RecvError, TryRecvError};
use super::exit::ExitReason;
use super::host::Host;
use super::lanes;
use super::life;
use super::mailbox::Flags;
use super::receive::{check_open, check_owner, without_deadline};
use super::reply::Port;
use super::signal::Signal;
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

/// What [`Inbox::recv_any`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received<M> {
    /// A message.
    Message(M),
    /// The end of another actor, that this one watches or is linked to.
    Signal(Signal),
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
        self.recv_until(None).map_err(without_deadline)
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
        self.try_next().map(|(msg, _)| msg)
    }

    /// As [`try_recv`](Self::try_recv), with the port for its answer.
    pub(crate) fn try_next(&self) -> Result<(A::Msg, Port), TryRecvError> {
        let cell = self.cell();
        check_open(cell)?;
        // SAFETY: as in `next`.
        let mut consumer = unsafe { cell.mailbox.consumer() };
        let flags = consumer.flags();
        lanes::next(cell, &mut consumer, flags)
            .map(|Envelope { msg, reply }| (msg, reply))
            .ok_or(TryRecvError::Empty)
    }

    fn recv_until(&self, deadline: Option<Instant>) -> Result<A::Msg, TryRecvError> {
        // Asked, of an actor that has no way to answer: the port is dropped, and the asker told so.
        self.next(deadline).map(|(msg, _)| msg)
    }

    /// Waits for the next signal or message; a signal comes first. What [`recv`](Self::recv) leaves of signals waits for this.
    ///
    /// ```
    /// use actor_core::prelude::*;
    /// use actor_core::{Received, Signal};
    ///
    /// #[actor]
    /// struct Heir(Addr<Rich>);
    ///
    /// #[actor]
    /// impl Heir {
    ///     fn run(self, inbox: Inbox<Self>) -> Exit {
    ///         inbox.monitor(&self.0);
    ///         match inbox.recv_any() {
    ///             Ok(Received::Signal(Signal::Down { reason, .. })) => Exit::failed(reason),
    ///             _ => Exit::Normal,
    ///         }
    ///     }
    /// }
    /// # #[actor]
    /// # struct Rich;
    /// # #[actor]
    /// # impl Rich {}
    ///
    /// let sys = System::new()?;
    /// let rich = sys.spawn(Rich)?;
    /// let heir = sys.spawn(Heir(rich.clone()))?;
    /// rich.stop();
    /// # // Whether it began before or after that.
    /// let ends = [ExitReason::Normal, ExitReason::NoProc].map(ExitReason::failed);
    /// assert!(ends.contains(&heir.join()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_any(&self) -> Result<Received<A::Msg>, RecvError> {
        self.any_until(None).map_err(without_deadline)
    }

    /// As [`recv_any`](Self::recv_any), for at most `timeout`.
    ///
    /// # Errors
    /// As [`recv_timeout`](Self::recv_timeout).
    pub fn recv_any_timeout(&self, timeout: Duration) -> Result<Received<A::Msg>, TryRecvError> {
        self.any_until(wait::after(timeout))
    }

    fn any_until(&self, deadline: Option<Instant>) -> Result<Received<A::Msg>, TryRecvError> {
        self.take_until(deadline, || next_signal(self.cell()))
            .map(|(taken, _)| taken)
    }

    /// The next message with the port for its answer.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Result<(A::Msg, Port), TryRecvError> {
        match self.take_until(deadline, || None)? {
            (Received::Message(msg), reply) => Ok((msg, reply)),
            (Received::Signal(_), _) => unreachable!("signals were not asked for"),
        }
    }

    /// What `signal` gives, or the next message with the port for its answer.
    #[inline]
    fn take_until(
        &self,
        deadline: Option<Instant>,
        signal: impl Fn() -> Option<Signal>,
    ) -> Result<(Received<A::Msg>, Port), TryRecvError> {
        let cell = self.addr.cell();
        loop {
            check_open(cell)?;
            if let Some(signal) = signal() {
                return Ok((Received::Signal(signal), Port::none()));
            }
            // SAFETY: this code runs as the actor itself (checked above: it is what runs on this worker now), whose
            // activation is its whole life, so the right to run is here; and no other consumer of this activation is in
            // use, as none is kept across anything that could run other code.
            let mut consumer = unsafe { cell.mailbox.consumer() };
            let flags = consumer.flags();
            if let Some(Envelope { msg, reply }) = lanes::next(cell, &mut consumer, flags) {
                return Ok((Received::Message(msg), reply));
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
        let cell = self.cell();
        check_owner(cell).ok()?;
        // SAFETY: as in `next`.
        let mut consumer = unsafe { cell.mailbox.consumer() };
        let taken = consumer.take_flags(Flags::STOP);
        taken.contains(Flags::STOP).then(|| life::stop_reason(cell))
    }

    pub(super) fn cell(&self) -> &Cell<A> {
        self.addr.cell()
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
