//! Messages that time sends to an actor: `after`, `every`.
//!
//! # Terms
//! A *timer* is a message, or a way to make one, and the time at which it is *due*. All that an actor has are in its
//! *schedule* (`schedule.rs`), behind the pointer to what few actors have. An *alarm* (`rt::alarm`) is a timer of a worker that
//! tells the actor to look at the time; an actor has at most one that it counts on, set for the earliest of its timers.
//!
//! # From a timer to its handler
//! 1. Whoever sets a timer, on any thread, puts it into the schedule. If it is due before the alarm, or there is none, the actor
//!    is told to look (TIMERS).
//! 2. At its next message boundary the actor finds TIMERS up, takes it down, and looks ([`attend`]). What is due gets a *turn*
//!    behind the messages that are in the mailbox at that moment: a turn is a position in the mailbox's count, and takes no
//!    place in the mailbox itself.
//! 3. Then it sets the alarm, on the worker it runs on, for the earliest timer that has no turn. While there are turns TIMERS
//!    stays up, so that each boundary comes here.
//! 4. A turn whose position has been reached is taken: its message is handled as one that was told.
//! 5. The alarm goes off on the worker's root, which raises TIMERS (and so has an idle actor scheduled), and 2 follows.
//!
//! So setting a timer is an insertion and, at most, one exchange on the mailbox's word; no thread but the actor's own worker
//! touches a worker's timers; the user's code (making a message, dropping one) runs as part of the actor; and a timer needs no
//! place in a bounded mailbox, so that it is neither refused nor has to wait there.
//!
//! # Why none is lost
//! TIMERS is taken down *before* the schedule is looked at, under its lock; it is raised after a timer has been inserted, under
//! the same lock. So an insertion comes before the look, and the look sees it; or after, and TIMERS is up behind the look. The
//! same holds for an alarm. One that goes off too early (its timer was cancelled; the actor has moved to another worker, and
//! left it behind) makes the actor look for nothing, once.
//!
//! # Whose they are
//! A life's. When it ends all its timers are taken out, those with a turn too, before the next life begins. One that is set
//! while the actor is between two lives is the next one's. One that is set when it has ended for good is dropped: whoever
//! inserts looks after that whether the actor is DEAD, and whoever makes it DEAD looks for timers after that, with a full fence
//! in between on either side.

mod handle;
mod lend;
mod schedule;
#[cfg(all(test, not(loom)))]
mod tests;

pub use handle::{After, Every, MissedTicks, Period, Timer};
pub(super) use lend::{Lent, lend};

use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::rt::park;

use super::cell::{Cell, DEAD, Envelope};
use super::mailbox::{Consumer, Flags};
use super::traits::Actor;
use handle::Cancel;
use schedule::{Copies, Due, Maker, Schedule};

/// An actor's schedule, once it has had a timer.
#[derive(Default)]
pub(super) struct Timers(OnceLock<Arc<dyn Cancel>>);

impl Timers {
    fn get<M: Send + 'static>(&self) -> Option<&Schedule<M>> {
        self.0.get().map(|it| of_type(&**it))
    }

    fn get_or_new<M: Send + 'static>(&self) -> &Arc<dyn Cancel> {
        self.0.get_or_init(|| Arc::new(Schedule::<M>::default()))
    }
}

fn of_type<M: Send + 'static>(schedule: &dyn Cancel) -> &Schedule<M> {
    let any: &dyn std::any::Any = schedule;
    any.downcast_ref()
        .expect("an actor's schedule is of its messages")
}

/// The schedule of `cell`'s actor, if it has one.
fn of<A: Actor>(cell: &Cell<A>) -> Option<&Schedule<A::Msg>> {
    cell.extra()?.has_rare()?.timers.get()
}

/// The time, by the clock of the actor's system.
fn now<A: Actor>(cell: &Cell<A>) -> Instant {
    cell.host().core.seam.clock().now()
}

/// `delay` from now. What the clock cannot say is centuries away.
fn later<A: Actor>(cell: &Cell<A>, delay: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    let now = now(cell);
    now.checked_add(delay).unwrap_or_else(|| now + FAR)
}

/// Step 1.
fn set<A: Actor>(cell: &Cell<A>, delay: Duration, what: What<A::Msg>) -> Timer {
    park::check_stack();
    let due = later(cell, delay);
    let shared = cell.extra_or_new().rare().timers.get_or_new::<A::Msg>();
    let schedule = of_type::<A::Msg>(&**shared);
    let (number, first) = match what {
        What::Once(msg) => schedule.add(due, msg),
        What::Every(period, make) => schedule.add_repeating(due, period, make),
    };
    // See "Whose they are".
    fence(Ordering::SeqCst);
    if cell.life() == DEAD {
        drop(schedule.clear());
    } else if first {
        cell.raise(Flags::TIMERS);
    }
    Timer::new(shared.clone(), number, due)
}

enum What<M> {
    Once(M),
    Every(Period, Maker<M>),
}

/// A timer of an actor that is about to start, as it stood in another life of it: due when `left` is over.
pub(crate) struct Sown<M> {
    pub(crate) left: Duration,
    pub(crate) msg: M,
    /// For one that repeats: how often, and what makes the copies.
    pub(crate) every: Option<(Period, Box<dyn Fn(&M) -> M + Send>)>,
}

/// Sets the timers of an actor that is about to start. The caller has its right to run.
pub(super) fn sow<A: Actor>(cell: &Cell<A>, timers: impl IntoIterator<Item = Sown<A::Msg>>) {
    for Sown { left, msg, every } in timers {
        let what = match every {
            None => What::Once(msg),
            Some((period, copy)) => What::Every(period, Box::new(Copies { msg, copy })),
        };
        let _ = set(cell, left, what);
    }
}

/// Steps 2 to 4, at a message boundary with TIMERS up: the message whose turn it is.
///
/// May unwind: it calls what makes the message of a repeated timer. Its handler may catch that, and receive again.
#[cold]
#[inline(never)]
pub(super) fn attend<A: Actor>(
    cell: &Cell<A>,
    consumer: &mut Consumer<'_, Envelope<A::Msg>>,
) -> Option<A::Msg> {
    /// What has not been looked at yet is looked at next time.
    struct Unwinding<'a, A: Actor>(&'a Cell<A>);
    impl<A: Actor> Drop for Unwinding<'_, A> {
        fn drop(&mut self) {
            self.0.raise(Flags::TIMERS);
        }
    }
    let _ = consumer.take_flags(Flags::TIMERS);
    let schedule = of(cell)?;
    let now = now(cell);
    let unwinding = Unwinding(cell);
    schedule.give_turns(now, consumer.position());
    let found = loop {
        match schedule.take_turn(|position| consumer.has_reached(position)) {
            None => break None,
            Some(Due::Once(msg)) => break Some(msg),
            Some(Due::Tick(number, mut make)) => {
                let msg = make.make();
                // Cancelled meanwhile: its message is not wanted.
                if schedule.ticked(number, make, now) {
                    break Some(msg);
                }
            }
        }
    };
    std::mem::forget(unwinding);
    if schedule.set_alarm(now, cell.header()) {
        cell.raise(Flags::TIMERS);
    }
    found
}

/// A life is over: takes its timers, to be dropped where the user's destructors may run.
#[must_use = "messages have destructors"]
pub(super) fn life_ends<A: Actor>(cell: &Cell<A>) -> Option<impl Sized + use<A>> {
    of(cell).map(Schedule::clear)
}
