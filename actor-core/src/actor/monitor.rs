//! Monitors as handles: for threads, microthreads and futures, and for actors that would rather wait than get a signal.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::channel::{RecvTimeoutError, oneshot};
use crate::microthread::Interrupt;
use crate::rt::park;
use crate::rt::wait;
use crate::system::System;

use super::addr::Addr;
use super::any_addr::AnyAddr;
use super::error::SpawnError;
use super::exit::ExitReason;
use super::host::Host;
use super::ties;
use super::traits::Actor;

/// A watch on an actor: it says, once, that the actor's life has ended, and why. What [`Addr::monitor`] returns.
///
/// Wait for it, or `.await` it. Once it has ended it says the same whenever it is asked again. Dropping it ends the watch.
///
/// # Which end
/// A monitor is of one *life*, as a monitor of Erlang's is of one process: it ends when that life does, also if a supervisor
/// then restarts the actor under the same address. ([`Addr::join`] waits for the end for good.) To watch the next life, monitor
/// the address again. A monitor made between two lives is of the next; if there is none, as the supervisor gives up, it ends
/// with the reason of the last. So a loop that monitors again after each end misses nothing but lives that began and ended
/// before it did. A monitor of an actor that has ended for good ends at once, with [`ExitReason::NoProc`].
///
/// ```
/// use actor_core::prelude::*;
///
/// # #[actor]
/// # struct Worker;
/// # #[actor]
/// # impl Worker { pub fn work(&mut self) { panic!("out of luck") } }
/// let sys = System::new()?;
/// let worker = sys.spawn(Worker)?;
/// let mut monitor = worker.monitor();
/// worker.tell().work()?;
/// assert_eq!(monitor.wait()?, ExitReason::Panicked("out of luck".into()));
/// // It has ended for good.
/// assert_eq!(worker.monitor().wait()?, ExitReason::NoProc);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a monitor that is dropped watches nobody"]
pub struct Monitor {
    of: AnyAddr,
    number: u64,
    end: oneshot::Receiver<ExitReason>,
    /// Once it is known.
    reason: Option<ExitReason>,
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("of", &self.of)
            .field("reason", &self.reason)
            .finish()
    }
}

impl Monitor {
    fn new(of: AnyAddr, number: u64) -> Self {
        park::check_stack();
        let (sender, end) = oneshot::channel();
        ties::monitor_by_handle(of.peer(), number, sender);
        Monitor {
            of,
            number,
            end,
            reason: None,
        }
    }

    /// Whom it watches.
    pub fn of(&self) -> &AnyAddr {
        &self.of
    }

    /// Waits for the end of the life it watches. Parks the calling microthread, or blocks the calling thread.
    ///
    /// # Errors
    /// [`Interrupt`] if the wait is interrupted; the monitor is as before.
    pub fn wait(&mut self) -> Result<ExitReason, Interrupt> {
        let ended = self.wait_until(None)?;
        Ok(ended.expect("there is no deadline"))
    }

    /// As [`wait`](Self::wait), for at most `timeout`; `None` if the life has not ended by then.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<ExitReason>, Interrupt> {
        self.wait_until(wait::after(timeout))
    }

    /// Why the life has ended, if it has.
    pub fn try_wait(&mut self) -> Option<ExitReason> {
        if self.reason.is_none() {
            self.reason = self.end.try_recv().ok();
        }
        self.reason.clone()
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Result<Option<ExitReason>, Interrupt> {
        if self.reason.is_none() {
            let received = match deadline {
                Some(deadline) => self.end.recv_deadline(deadline),
                None => self.end.recv_timeout(Duration::MAX),
            };
            self.reason = match received {
                Ok(reason) => Some(reason),
                Err(RecvTimeoutError::TimedOut) => return Ok(None),
                Err(RecvTimeoutError::Interrupted(why)) => return Err(why),
                Err(_) => unreachable!("the watched keeps the sender until it has sent"),
            };
        }
        Ok(self.reason.clone())
    }
}

impl Future for Monitor {
    type Output = ExitReason;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<ExitReason> {
        if self.reason.is_none() {
            let ended = ready!(Pin::new(&mut self.end).poll(context));
            self.reason = Some(ended.expect("the watched keeps the sender until it has sent"));
        }
        Poll::Ready(self.reason.clone().expect("it has just been set"))
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        ties::demonitor_by_handle(self.of.peer(), self.number);
    }
}

impl<A: Actor> Addr<A> {
    /// Watches the actor's present life, from anywhere. For an actor that would rather get a signal than wait there is
    /// [`Cx::monitor`](crate::Cx::monitor).
    pub fn monitor(&self) -> Monitor {
        Monitor::new(self.into(), self.cell().host().next_id())
    }
}

impl AnyAddr {
    /// As [`Addr::monitor`].
    pub fn monitor(&self) -> Monitor {
        Monitor::new(self.clone(), self.peer().host().next_id())
    }
}

impl System {
    /// As [`spawn`](Self::spawn), with a monitor that watches the actor from before it starts: however soon it ends, the reason
    /// is known.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub fn spawn_monitor<A: Actor>(&self, actor: A) -> Result<(Addr<A>, Monitor), SpawnError> {
        let host: &Arc<Host> = self.host();
        let mut monitor = None;
        let addr = Addr::spawn_tied(host, actor, None, |addr| monitor = Some(addr.monitor()))?;
        Ok((addr, monitor.expect("a spawned actor was tied")))
    }
}
