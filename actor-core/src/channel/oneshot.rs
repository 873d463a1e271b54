//! A channel for one value, sent once and received once: the answer to a question.
//!
//! [`Sender::send`] never waits. [`Receiver`] waits with [`recv`](Receiver::recv), or is awaited: it is a future. When either
//! side is dropped the other is told. Both sides may be in microthreads, on workers or on OS threads.
//!
//! ```
//! use actor_core::Runtime;
//! use actor_core::channel::oneshot;
//!
//! let rt = Runtime::new()?;
//! let (answer, question) = oneshot::channel();
//! rt.spawn(move || answer.send(6 * 7))?;
//! assert_eq!(question.recv()?, 42);
//!
//! let (answer, question) = oneshot::channel::<u32>();
//! drop(answer);
//! assert!(question.recv().unwrap_err().is_disconnected());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Terms
//! - *state*: the value, who is gone, and who waits, behind one lock, in the channel's one allocation.
//! - *waker*: that of the receiver as a future. It lies in the state, so that the future may be moved.
//!
//! # Steps
//! ```text
//!   the sender                                           the receiver
//!   S1  lock; the receiver is gone → unlock, an error    R1  lock; the value is there → take it, done
//!   S2  put the value there, if it sends and was not     R2  the sender is done → `Disconnected`
//!       just dropped; it is done                         R3  in the same section: join the list, or leave the waker; unlock
//!   S3  take everybody out of the list, and the waker    R4  woken: R1 again
//!   S4  unlock, then wake them                           R5  dropped: lock; it is gone; take the value; unlock; drop that
//! ```
//! S1 to S3 are one section, and so are R1 to R3. If the sender's comes first, R1 or R2 ends the wait; else S3 finds whoever
//! waits. A value stays in the state until R1 takes it: one who is woken and leaves without looking loses nothing. Of S2 and
//! R5 one comes first: the value goes back to the sender, or is dropped with the receiver.
//!
//! # Seeded faults
//! | fault                   | what it breaks                                     | caught by                                             |
//! |-------------------------|----------------------------------------------------|-------------------------------------------------------|
//! | `oneshot_two_sections`  | R1 and R3 are not one section                      | `loom_oneshot_a_send_ends_the_wait_of_a_future`       |
//! | `oneshot_no_wake`       | no S3                                              | `loom_oneshot_a_send_ends_a_receive`, `a_send_wakes_a_future_that_waits` |
//! | `oneshot_silent_drop`   | a sender that is dropped tells nobody              | `loom_oneshot_a_dropped_sender_ends_a_receive`, `a_dropped_side_is_seen_by_the_other` |
//! | `oneshot_deaf_sender`   | S1 does not look whether the receiver is gone      | `a_dropped_side_is_seen_by_the_other`                 |
//! | `oneshot_keeps_value`   | R5 leaves the value where it is                    | `loom_oneshot_a_value_is_received_dropped_or_returned`, `a_value_nobody_received_is_dropped_with_the_receiver` |
//! | `oneshot_first_waker`   | R3 keeps the waker of the first poll               | `the_last_waker_is_woken`                             |

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::rt::park;
use crate::rt::wait::{self, Interrupt};
use crate::rt::wake::{Wake, Wakes};
use crate::sys::fault::fault;
use crate::sys::spinlock::SpinLock;

use super::error::{RecvError, RecvTimeoutError, SendError, TryRecvError};
use super::wait::{List, Op, Until, run};

pub(in crate::channel) struct State<T> {
    value: Option<T>,
    /// The sender has sent, or is gone.
    done: bool,
    receiver_gone: bool,
    receivers: List<()>,
    waker: Wake,
}

impl<T> State<T> {
    /// R1 and R2.
    fn take(&mut self) -> Option<Result<T, RecvError>> {
        match self.value.take() {
            Some(value) => Some(Ok(value)),
            None if self.done => Some(Err(RecvError::Disconnected)),
            None => None,
        }
    }

    /// The rest of S2, and S3.
    fn finish(&mut self, wakes: &mut Wakes) {
        self.done = true;
        if fault!("oneshot_no_wake") {
            return;
        }
        while self.receivers.serve(wakes, |_| ()).is_some() {}
        wakes.push(mem::replace(&mut self.waker, Wake::Nobody));
    }
}

/// What the two sides share.
pub(in crate::channel) struct Core<T>(SpinLock<State<T>>);

impl<T> fmt::Debug for Core<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}

/// Makes a channel for one value. See the [module](self).
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let core = Arc::new(Core(SpinLock::new(State {
        value: None,
        done: false,
        receiver_gone: false,
        receivers: List::default(),
        waker: Wake::Nobody,
    })));
    let receiver = Receiver { core: core.clone() };
    (Sender { core: Some(core) }, receiver)
}

/// The side that sends, once. If it is dropped without, the receiver gets `Disconnected`.
#[derive(Debug)]
pub struct Sender<T> {
    /// Taken once it has sent.
    core: Option<Arc<Core<T>>>,
}

impl<T> Sender<T> {
    /// Sends `value`. Never waits.
    ///
    /// # Errors
    /// [`SendError::Disconnected`] if the receiver is gone, with the value. If it goes later, the value is dropped with it.
    pub fn send(mut self, value: T) -> Result<(), SendError<T>> {
        park::check_stack();
        let Some(core) = self.core.take() else {
            unreachable!("a sender has its core until it sends");
        };
        let mut wakes = Wakes::default();
        let mut state = core.0.lock();
        if state.receiver_gone && !fault!("oneshot_deaf_sender") {
            return Err(SendError::Disconnected(value)); // S1
        }
        state.value = Some(value);
        state.finish(&mut wakes);
        drop(state);
        wakes.fire(); // S4
        drop(core);
        park::switch_point();
        Ok(())
    }

    /// Whether the receiver is gone: a send would fail. It may go at any time after a `false`.
    pub fn is_disconnected(&self) -> bool {
        let core = self.core.as_ref();
        core.is_some_and(|core| core.0.lock().receiver_gone)
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let Some(core) = self.core.take() else {
            return; // it has sent
        };
        if fault!("oneshot_silent_drop") {
            return;
        }
        let mut wakes = Wakes::default();
        core.0.lock().finish(&mut wakes);
        wakes.fire();
    }
}

/// The side that receives, once: by one of its methods, or as a future.
///
/// As a future it may be dropped at any time, and with it what was sent. Once it has received, everything says
/// `Disconnected`.
///
/// ```
/// use actor_core::channel::oneshot;
/// use actor_core::microthread::block_on;
///
/// let (answer, question) = oneshot::channel();
/// answer.send("yes").unwrap();
/// assert_eq!(block_on(async { question.await }), Ok("yes"));
/// ```
#[derive(Debug)]
pub struct Receiver<T> {
    core: Arc<Core<T>>,
}

impl<T> Receiver<T> {
    /// Receives the value, waiting until it is sent. If the caller is killed meanwhile, the value is dropped with it.
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] if the sender is gone without sending; or the wait was interrupted, which drops the
    /// receiver: where that may happen, and the value is still wanted, use [`recv_deadline`](Self::recv_deadline).
    pub fn recv(self) -> Result<T, RecvError> {
        match run(&self.op(), &mut None, Until::Deadline(None)) {
            Some(received) => received,
            None => unreachable!("a receive without a deadline does not end by it"),
        }
    }

    /// Receives the value if it has been sent.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] if it has not; [`TryRecvError::Disconnected`] if the sender is gone without sending, or the
    /// value has been received.
    ///
    /// ```
    /// use actor_core::channel::{TryRecvError, oneshot};
    ///
    /// let (answer, mut question) = oneshot::channel();
    /// assert_eq!(question.try_recv(), Err(TryRecvError::Empty));
    /// answer.send(1).unwrap();
    /// assert_eq!(question.try_recv(), Ok(1));
    /// assert_eq!(question.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match run(&self.op(), &mut None, Until::Now) {
            Some(received) => received.map_err(TryRecvError::from),
            None => Err(TryRecvError::Empty),
        }
    }

    /// As [`recv`](Self::recv), for at most `timeout`. The receiver can be used again after an error.
    ///
    /// # Errors
    /// [`RecvTimeoutError::TimedOut`] if that is over; else as [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.recv_until(wait::after(timeout))
    }

    /// As [`recv_timeout`](Self::recv_timeout), at most until `deadline`.
    ///
    /// # Errors
    /// As [`recv_timeout`](Self::recv_timeout).
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.recv_until(Some(deadline))
    }

    fn recv_until(&mut self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        match run(&self.op(), &mut None, Until::Deadline(deadline)) {
            Some(received) => received.map_err(RecvTimeoutError::from),
            None => Err(RecvTimeoutError::TimedOut),
        }
    }

    pub(in crate::channel) fn op(&self) -> Recv<'_, T> {
        Recv(&self.core)
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut waker = Wake::Task(context.waker().clone());
        let mut state = self.core.0.lock();
        if let Some(received) = state.take() {
            return Poll::Ready(received);
        }
        if fault!("oneshot_two_sections") {
            drop(state);
            state = self.core.0.lock();
        }
        if !(fault!("oneshot_first_waker") && matches!(state.waker, Wake::Task(_))) {
            mem::swap(&mut state.waker, &mut waker); // R3
        }
        drop(state);
        Poll::Pending // and the waker before this one is dropped, outside the lock
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.core.0.lock();
        state.receiver_gone = true;
        let waker = mem::replace(&mut state.waker, Wake::Nobody);
        let value = match fault!("oneshot_keeps_value") {
            true => None,
            false => state.value.take(),
        };
        drop(state);
        drop((waker, value)); // the user's: outside the lock
    }
}

/// The receive.
pub(in crate::channel) struct Recv<'a, T>(&'a Core<T>);

impl<T> Op for Recv<'_, T> {
    type State = State<T>;
    /// The value stays in the state.
    type Slot = ();
    type Output = Result<T, RecvError>;

    fn state(&self) -> &SpinLock<State<T>> {
        &self.0.0
    }

    fn attempt(
        &self,
        state: &mut State<T>,
        _: &mut Option<()>,
        _: bool,
        _: &mut Wakes,
    ) -> Option<Self::Output> {
        state.take()
    }

    fn list<'s>(&self, state: &'s mut State<T>) -> &'s mut List<()> {
        &mut state.receivers
    }

    fn interrupted(&self, why: Interrupt, _: &mut Option<()>) -> Self::Output {
        Err(RecvError::Interrupted(why))
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
