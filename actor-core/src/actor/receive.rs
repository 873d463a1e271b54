//! Selective receive: the first message that matches, in the middle of a handler; the others keep their places.
//!
//! As in Erlang, messages are looked at in their order, those that do not match are set aside (see [`lanes`](super::lanes)), and
//! the wait goes on from there: each is looked at once in a receive. When the receive ends, however it ends, they are in front
//! of their lanes again, for the next receive or for the actor itself.
//!
//! # Waiting
//! The handler's stack is parked, and the mailbox says so ([`Consumer::listen`]): whoever sends the actor something unparks that
//! stack and does not schedule the actor. The right to run, and with it the actor's state, stays with the handler.
//!
//! An actor with its own stack has nothing else that could be scheduled, and goes the same way.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::rt::park;
use crate::rt::preempt;
use crate::rt::wait;
use crate::rt::worker::Worker;

use super::attend::{attend_own, drop_lane};
use super::cell::{Cell, ENDING, Envelope};
use super::cx::Cx;
use super::error::{RecvError, TryRecvError};
use super::inbox::Inbox;
use super::lanes::{self, Lanes, Which};
use super::mailbox::{Consumer, Flags};
use super::reply::Port;
use super::traits::Actor;

/// What ends a wait for a message, beside a message.
const HEARD: Flags = Flags::STOP
    .with(Flags::KILL)
    .with(Flags::LANES)
    .with(Flags::TIMERS);

/// The same where the wait is a message boundary, as it is of an actor with its own stack: signals too.
const HEARD_AT_BOUNDARIES: Flags = HEARD.with(Flags::SIGNAL);

impl<A: Actor> Cx<A> {
    /// Waits for the first message that `select` wants, among those already queued and those to come. The others keep their
    /// places, and are handled, or received, later.
    ///
    /// `select` gets each message in turn, urgent ones first, and gives back those that it does not want; it may be called twice
    /// for one message, and cannot receive itself ([`RecvError::NotOwner`]). The handler waits on its stack; the actor handles nothing else meanwhile.
    ///
    /// If the message was asked, its asker is told that there will be no answer.
    ///
    /// ```
    /// use actor_core::prelude::*;
    ///
    /// #[actor]
    /// struct Door;
    ///
    /// #[actor]
    /// impl Door {
    ///     /// Opens for the first who knows the word.
    ///     pub fn guard(&mut self, cx: &mut Cx<Self>, word: String) -> Result<u32, RecvError> {
    ///         cx.receive(|msg| match msg {
    ///             DoorMsg::Knock { said, who } if said == word => Ok(who),
    ///             other => Err(other),
    ///         })
    ///     }
    ///     pub fn knock(&mut self, said: String, who: u32) { let _ = (said, who); }
    /// }
    /// # use actor_core::RecvError;
    ///
    /// let sys = System::new()?;
    /// let door = sys.spawn(Door)?;
    /// let opened_for = door.request().guard("friend".into());
    /// door.tell().knock("foe".into(), 1)?;
    /// door.tell().knock("friend".into(), 2)?;
    /// assert_eq!(opened_for.wait()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RecvError::Closed`] if the actor has been asked to stop: the handler should return. [`RecvError::NotOwner`] if this is
    /// not called by the handler itself.
    ///
    /// A kill unwinds out of it, as out of any wait.
    pub fn receive<T>(
        &mut self,
        select: impl FnMut(A::Msg) -> Result<T, A::Msg>,
    ) -> Result<T, RecvError> {
        receive(self.cell(), None, select).map_err(without_deadline)
    }

    /// As [`receive`](Self::receive), for at most `timeout`. With no time at all it looks only at what has come already.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] if none came in time, otherwise as [`receive`](Self::receive).
    pub fn receive_within<T>(
        &mut self,
        timeout: Duration,
        select: impl FnMut(A::Msg) -> Result<T, A::Msg>,
    ) -> Result<T, TryRecvError> {
        receive(self.cell(), wait::after(timeout), select)
    }
}

impl<A: Actor> Inbox<A> {
    /// Waits for the first message that `select` wants, among those already queued and those to come. The others keep their
    /// places. See [`Cx::receive`].
    ///
    /// ```
    /// use actor_core::prelude::*;
    ///
    /// #[actor]
    /// struct Even;
    ///
    /// #[actor(message = u64)]
    /// impl Even {
    ///     pub fn run(self, inbox: Inbox<Self>) -> Exit {
    ///         let even = inbox.receive(|n| if n % 2 == 0 { Ok(n) } else { Err(n) });
    ///         let odd = inbox.recv(); // the first of those that were left
    ///         Exit::failed(format!("{even:?} {odd:?}")) // so that the example can see it
    ///     }
    /// }
    ///
    /// let sys = System::new()?;
    /// let even = sys.spawn(Even)?;
    /// for n in [1, 3, 4] {
    ///     even.send(n)?;
    /// }
    /// assert_eq!(even.join(), ExitReason::failed("Ok(4) Ok(1)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn receive<T>(
        &self,
        select: impl FnMut(A::Msg) -> Result<T, A::Msg>,
    ) -> Result<T, RecvError> {
        receive(self.cell(), None, select).map_err(without_deadline)
    }

    /// As [`receive`](Self::receive), for at most `timeout`. With no time at all it looks only at what has come already.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] if none came in time, otherwise as [`receive`](Self::receive).
    pub fn receive_within<T>(
        &self,
        timeout: Duration,
        select: impl FnMut(A::Msg) -> Result<T, A::Msg>,
    ) -> Result<T, TryRecvError> {
        receive(self.cell(), wait::after(timeout), select)
    }
}

pub(super) fn without_deadline(error: TryRecvError) -> RecvError {
    match error {
        TryRecvError::Closed => RecvError::Closed,
        TryRecvError::NotOwner | TryRecvError::Empty => RecvError::NotOwner,
    }
}

/// Whether the caller is what runs as the actor of `cell`, and not in the middle of a receive.
pub(super) fn check_owner<A: Actor>(cell: &Cell<A>) -> Result<(), TryRecvError> {
    let header: *const _ = cell.header();
    let mine = Worker::with(|worker| worker.is_some_and(|worker| worker.is_running(header)));
    let selecting = |lanes: &Lanes<_>| lanes.selecting.load(Ordering::Relaxed);
    match mine && !cell.lanes().is_some_and(selecting) {
        true => Ok(()),
        false => Err(TryRecvError::NotOwner),
    }
}

/// Whether the caller is the actor, and shall go on receiving.
pub(super) fn check_open<A: Actor>(cell: &Cell<A>) -> Result<(), TryRecvError> {
    check_owner(cell)?;
    park::check_stack();
    // Receiving is a suspension point, whether or not there is a message: who always finds one must not keep the others of its
    // worker from running.
    preempt::checkpoint();
    if A::OWN_STACK && cell.mailbox.flags().contains(Flags::SIGNAL) {
        // SAFETY: this code runs as the actor itself, so the right to run is here; no other consumer is in use.
        if attend_own(cell, &mut unsafe { cell.mailbox.consumer() }) {
            cell.raise(Flags::SIGNAL);
        }
    }
    let flags = cell.mailbox.flags();
    if flags.contains(Flags::KILL) {
        // Killed since the look above: the mark for this comes before the flag.
        park::checkpoint();
    }
    // KILL and no unwinding: this is a destructor, while something else unwinds. No wait would end by itself, as the
    // mailbox does not go idle with a flag up. Dead: it is the destructor of a message that was left.
    if flags.contains(Flags::STOP) || flags.contains(Flags::KILL) || cell.life() >= ENDING {
        return Err(TryRecvError::Closed);
    }
    Ok(())
}

/// A receive under way. However it ends, what it has passed is next again.
struct Scan<'a, A: Actor> {
    cell: &'a Cell<A>,
    lanes: &'a Lanes<A::Msg>,
    /// SIGNAL was taken down to wait, though the mailbox is not empty yet: it is up again when the receive has ended.
    signal_again: bool,
}

impl<A: Actor> Drop for Scan<'_, A> {
    fn drop(&mut self) {
        lanes::put_up(self.cell, self.lanes);
        if self.signal_again {
            self.cell.raise(Flags::SIGNAL);
        }
    }
}

fn receive<A: Actor, T>(
    cell: &Cell<A>,
    deadline: Option<Instant>,
    mut select: impl FnMut(A::Msg) -> Result<T, A::Msg>,
) -> Result<T, TryRecvError> {
    check_open(cell)?;
    let lanes = cell.lanes_or_new();
    let unanswered = {
        let mut aside = lanes.aside();
        aside.rewind();
        std::mem::replace(&mut aside.current, Port::none())
    };
    drop(unanswered);
    let mut scan = Scan {
        cell,
        lanes,
        signal_again: false,
    };
    let mut in_time = true;
    loop {
        check_open(cell)?;
        // SAFETY: this code runs as the actor itself (`check_owner`), so the right to run is here; and no other consumer of
        // this activation is in use, as its own waits for the handler, and none is kept across code of the user's or a park.
        let mut consumer = unsafe { cell.mailbox.consumer() };
        while let Some((which, envelope)) = scan.next(&mut consumer) {
            if let Some(wanted) = scan.offer(which, envelope, &mut select) {
                return Ok(wanted);
            }
        }
        if !in_time {
            return Err(TryRecvError::Empty);
        }
        if A::OWN_STACK && consumer.flags().contains(Flags::SIGNAL) {
            // A look for an empty mailbox waits for the end of this receive, which what it has passed does not make empty.
            scan.signal_again |= attend_own(cell, &mut consumer);
        }
        let heard = if A::OWN_STACK {
            HEARD_AT_BOUNDARIES
        } else {
            HEARD
        };
        in_time = park_listening(cell, &mut consumer, heard, deadline);
    }
}

/// The next message for an actor that has been left, with its asker. Orders that come for it are dropped, and so are signals
/// that do not end it.
///
/// # Errors
/// [`TryRecvError::Closed`] if it has been asked to end.
pub(super) fn next_to_pass_on<A: Actor>(cell: &Cell<A>) -> Result<Envelope<A::Msg>, TryRecvError> {
    let scan = Scan {
        cell,
        lanes: cell.lanes_or_new(),
        signal_again: false,
    };
    loop {
        check_open(cell)?;
        // SAFETY: as in `receive`.
        let mut consumer = unsafe { cell.mailbox.consumer() };
        if consumer.flags().contains(Flags::SIGNAL) {
            drop_lane(cell, &mut consumer);
            continue;
        }
        if let Some((_, envelope)) = scan.next(&mut consumer) {
            return Ok(envelope);
        }
        park_listening(cell, &mut consumer, HEARD_AT_BOUNDARIES, None);
    }
}

impl<A: Actor> Scan<'_, A> {
    /// The next message that has not been looked at.
    fn next(
        &self,
        consumer: &mut Consumer<'_, Envelope<A::Msg>>,
    ) -> Option<(Which, Envelope<A::Msg>)> {
        let mut aside = self.lanes.aside();
        let urgent = aside
            .urgent
            .pop()
            .or_else(|| lanes::pop_urgent::<A>(self.lanes));
        if let Some(envelope) = urgent {
            return Some((Which::Urgent, envelope));
        }
        if let Some(envelope) = aside.normal.pop() {
            return Some((Which::Normal, envelope));
        }
        drop(aside);
        if consumer.flags().contains(Flags::LANES)
            && let Some(late) = lanes::take_down::<A>(self.lanes, consumer)
        {
            return Some((Which::Urgent, late));
        }
        if consumer.flags().contains(Flags::TIMERS)
            && let Some(timed) = lanes::timed(self.cell, consumer)
        {
            return Some((Which::Normal, timed));
        }
        Cell::<A>::pop(consumer).map(|envelope| (Which::Normal, envelope))
    }

    /// Offers a message to `select`, and passes it if that does not want it.
    fn offer<T>(
        &self,
        which: Which,
        Envelope { msg, reply }: Envelope<A::Msg>,
        select: &mut impl FnMut(A::Msg) -> Result<T, A::Msg>,
    ) -> Option<T> {
        // Off the stack: should `select` unwind or lose it, the asker is told why.
        self.lanes.aside().current = reply;
        let selected = {
            let _selecting = Selecting::of(self.lanes);
            select(msg)
        };
        let mut aside = self.lanes.aside();
        let reply = std::mem::replace(&mut aside.current, Port::none());
        match selected {
            Ok(wanted) => {
                drop(aside);
                drop(reply);
                Some(wanted)
            }
            Err(msg) => {
                aside.lane(which).pass(Envelope { msg, reply });
                None
            }
        }
    }
}

/// While the user's code looks at a message, which has no place in any lane meanwhile: another receive would overtake it, and
/// leave its asker without the answer.
struct Selecting<'a, M>(&'a Lanes<M>);

impl<'a, M> Selecting<'a, M> {
    fn of(lanes: &'a Lanes<M>) -> Self {
        lanes.selecting.store(true, Ordering::Relaxed);
        Selecting(lanes)
    }
}

impl<M> Drop for Selecting<'_, M> {
    fn drop(&mut self) {
        self.0.selecting.store(false, Ordering::Relaxed);
    }
}

/// Parks the handler until something comes for the actor. `false`: the deadline has passed.
fn park_listening<A: Actor>(
    cell: &Cell<A>,
    consumer: &mut Consumer<'_, Envelope<A::Msg>>,
    heard: Flags,
    deadline: Option<Instant>,
) -> bool {
    struct Listening<'a, 'b, M>(&'a mut Consumer<'b, M>);
    impl<M> Drop for Listening<'_, '_, M> {
        fn drop(&mut self) {
            self.0.stop_listening();
        }
    }
    // Noted before the mailbox says so: from then on a sender may unpark it.
    cell.header().set_parker(park::current());
    if !consumer.listen(Cell::<A>::CAP, heard) {
        // Something has come meanwhile.
        return true;
    }
    let _listening = Listening(consumer);
    park::park_until(deadline)
}
