//! Waiting that can fail: what channels, `select` and the locks of `sync` are built on.
//!
//! [`park`](super::park) ends in one way only beside its deadline, by unwinding. A wait here may also be *interrupted*: its
//! caller takes back what it has registered, and gives an error that says why and returns what it was to send.
//!
//! # How to wait
//! ```text
//!   1  make yourself known to whoever will wake you: your parker (`park::current()`) or, for a future, a waker
//!   2  look whether what you wait for is there already; if so, retract and go
//!   3  wait(deadline):  Ok: look again (2), the wake-up may be spurious   Err: retract; if that finds that you were served
//!                                                                          meanwhile, take it: a success is never thrown away;
//!                                                                          then `postpone` the interrupt
//! ```
//! A kill unwinds out of step 3, so a registration must be retracted by a guard's `Drop`.
//!
//! # Time
//! Deadlines are computed with [`now`] and [`after`], never with `Instant::now`, so that they follow the clock of the
//! scheduler the code runs under.

use std::error::Error;
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use super::local;
use super::park::{self, Parker};
use super::throw::Thrown;
use super::worker::Worker;
use crate::sys::seam::Choice;

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// Not at all.
    Now,
    /// As long as it takes, or to a deadline.
    Deadline(Option<Instant>),
}

/// Whether a caller that would wait for what another thread may be about to do should look again first: its worker has no others to
/// run, or such looks have found something lately (`rt::spin`). `true` on threads that are no workers.
pub(crate) fn look_pays() -> bool {
    Worker::current().is_none_or(|worker| !worker.has_others() || worker.looks.pays())
}

/// Such a look has ended.
pub(crate) fn looked(found: bool) {
    if let Some(worker) = Worker::current() {
        worker.looks.looked(found);
    }
}

/// Why a wait ended without what it waited for, and not by its deadline.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Interrupt {
    /// A panic is unwinding through the calling microthread: nothing may switch away from it.
    Unwinding,
    /// Somebody has thrown an error in, with [`JoinHandle::throw`](crate::microthread::JoinHandle::throw) or
    /// [`TaskletRef::throw`](crate::local::TaskletRef::throw).
    Thrown(Thrown),
    /// Everybody would wait for ever: the caller is the last of its [local scheduler](crate::local) that could run, or all
    /// others have ended meanwhile. What it waited for is as if it had never waited, and it may go on.
    Deadlock,
    /// The caller would have blocked while its [`block_trap`](crate::local::TaskletRef::set_block_trap) was set.
    BlockTrap,
    /// There would have been a switch inside [`switch_trap`](crate::local::switch_trap), in a hook of a
    /// [local scheduler](crate::local), or elsewhere where its microthreads cannot switch.
    SwitchTrap,
}

impl fmt::Display for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interrupt::Unwinding => f.write_str("cannot wait while a panic unwinds"),
            Interrupt::Thrown(thrown) => thrown.fmt(f),
            Interrupt::Deadlock => f.write_str("deadlock: nobody is left who could end this wait"),
            Interrupt::BlockTrap => f.write_str("would block, and `block_trap` is set"),
            Interrupt::SwitchTrap => f.write_str("would switch, and switching is trapped"),
        }
    }
}

impl Error for Interrupt {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Interrupt::Thrown(thrown) => thrown.source(),
            _ => None,
        }
    }
}

/// How a wait ended, if not by a wake-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The deadline has passed.
    TimedOut,
    /// See [`Interrupt`].
    Interrupted(Interrupt),
}

/// Parks the calling code until its parker is unparked, at most to `deadline`; may return without cause. Step 3.
///
/// An error that has been thrown into the calling microthread is returned here, before it parks. One that comes while it is
/// parked wakes it: `Ok`, and the next wait returns it, if what was waited for has not come.
///
/// Unwinds if the calling microthread is killed.
#[inline(always)]
pub(crate) fn wait(deadline: Option<Instant>) -> Result<(), Ended> {
    if local::in_hook() {
        return Err(Ended::Interrupted(Interrupt::SwitchTrap));
    }
    let in_time = match park::on_stack() {
        None => park::park_until(deadline),
        Some(_) if thread::panicking() => return Err(Ended::Interrupted(Interrupt::Unwinding)),
        Some(parker) => {
            if let Some(thrown) = parker.take_thrown() {
                return Err(Ended::Interrupted(Interrupt::Thrown(thrown)));
            }
            if parker.is_local() {
                return local::wait(parker, deadline);
            }
            parker.park_here(deadline)
        }
    };
    match in_time {
        true => Ok(()),
        false => Err(Ended::TimedOut),
    }
}

/// To be called with an interrupt that is not passed on, because retracting found that the wait had been served: an error
/// thrown in stays pending, for the next wait.
pub(crate) fn postpone(interrupt: Interrupt) {
    if let Interrupt::Thrown(thrown) = interrupt {
        park::put_thrown_back(thrown);
    }
}

/// Who goes on when a rendezvous finds its partner waiting, from the point of view of the one that came second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The partner at once; the caller keeps its place among the ready.
    Partner,
    /// The caller; the partner goes to the end of the ready.
    Caller,
    /// Whoever comes after the caller; the partner goes to the end of the ready.
    Successor,
}

/// Wakes `partner`, which has been served, and lets whoever `next` says go on. What was handed over is with the partner
/// already: a kill that unwinds out of this takes nothing back.
///
/// Between workers, and from OS threads, `next` is of no consequence: the partner becomes ready on its own worker.
#[inline]
pub(crate) fn hand_over(partner: &'static Parker, next: Next) {
    if !local::hand_over(partner, next) {
        partner.unpark();
    }
}

/// To be called before a rendezvous takes or gives a value whose partner waits: whether the switch that
/// [`hand_over`] may make is allowed.
#[inline]
pub(crate) fn may_hand_over(next: Next) -> Result<(), Interrupt> {
    local::may_hand_over(next)
}

/// Whether [`channel_event`] is to be called, at the next operation of a channel.
#[inline]
pub(crate) fn watches_channels() -> bool {
    local::watches_channels()
}

/// An operation of a channel that is about to be done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChannelUse {
    /// What tells the channel apart from others that exist at the same time.
    pub(crate) channel: usize,
    pub(crate) sending: bool,
    /// No partner waits, and there is nothing to be had or no room.
    pub(crate) will_block: bool,
}

/// To be called before each operation of a channel: tells the hook of the local scheduler that the caller runs under, unless it
/// is `None`.
///
/// # Errors
/// [`Interrupt::SwitchTrap`] inside a hook, where channels are not to be used.
pub(crate) fn channel_event(of: Option<ChannelUse>) -> Result<(), Interrupt> {
    local::channel_event(of)
}

/// One of `n` candidates that are equally good, by the choice of the scheduler the caller runs under.
pub(crate) fn choose(n: usize) -> usize {
    if let Some(chosen) = local::choose(n) {
        return chosen;
    }
    Worker::with(|worker| match worker {
        Some(worker) => worker.seam().choose(Choice::Select, n),
        None => fastrand::usize(..n.max(1)),
    })
}

/// The time, by the clock of the scheduler the caller runs under.
#[inline]
pub(crate) fn now() -> Instant {
    if let Some(now) = local::now() {
        return now;
    }
    Worker::with(|worker| match worker {
        Some(worker) => worker.core().seam.clock().now(),
        None => Instant::now(),
    })
}

/// Moves the clock of the scheduler the caller runs under on to `deadline`, if it is a virtual one. `false`: it is not.
#[cold]
pub(super) fn skip_to(deadline: Instant) -> bool {
    if let Some(clock) = local::clock() {
        return clock
            .as_virtual()
            .map(|hands| hands.advance_to(deadline))
            .is_some();
    }
    #[cfg(feature = "testing")]
    if super::worker::is_driven_here() {
        Worker::here(|worker| worker.skip_to(deadline));
        return true;
    }
    false
}

/// The deadline of a wait for at most `timeout` from now. `None`: later than the clock can say.
pub(crate) fn after(timeout: Duration) -> Option<Instant> {
    now().checked_add(timeout)
}
