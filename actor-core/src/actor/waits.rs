//! Who waits for whom, and the waits that would never end.
//!
//! # Terms
//! - *waiter*: an actor whose own code (a handler, a hook, a `run` body) waits on its own stack.
//! - *edge*: published by a waiter while it waits: what it waits for ([`Edge`]). It leads to one actor at most: the *owner* of the
//!   port of its ask, or the actor whose room, start or end it waits for.
//! - *circle*: edges each of which leads to the waiter of the next. Nobody in it can go on.
//! - *walk*: following edges. Each actor has at most one, so there is one way to go.
//!
//! A wait with a deadline has no edge: it ends by itself. Nor has one that is not an actor's own (a thread's, a bare
//! microthread's, one made while a panic unwinds), or one for something that no single actor brings about (a lock, a channel, a
//! future). A walk ends where there is no edge, so that these are no part of any circle.
//!
//! # Steps
//! A supervisor that waits for a child to start or to stop takes messages meanwhile. It answers some of them at once, as those
//! that ask for a listing; others *stand in line* until that step is over. So of the edges that lead to it some last as long as
//! the step, and some do not. A step's edge says that it is one ([`Step`](super::step::Step)), and a walk passes from an edge to
//! a step's only if that edge lasts as long: if its port stands in line ([`Port::stand_in_line`](reply::Port::stand_in_line)),
//! if it waits for the actor itself (its start or its end, which come after the step), or if it is itself a step's, whose child
//! has steps. When the supervisor waits otherwise, in a factory, it takes no messages, and each edge to it leads on.
//!
//! The supervisor begins to wait anew whenever it has taken a message, each time with P1 to P3, so also on behalf of those that
//! have come to stand in line since. Where its walk comes back it fails the wait in the circle that leads to it, if that is a
//! call, else it ends the step (`supervision::driver`).
//!
//! A step is a slot, too: the child has the port, and gives it up, which ends the edge, before it tells the supervisor that it has
//! started or ended, and before any code of the child's that runs after its start. So a step that is over is in no circle,
//! though the supervisor may not have run since.
//!
//! # Where an edge is
//! In the parker of the stack that waits (`rt::edge`), which is never freed. From an actor one gets there by the place where it
//! was parked last, noted in its header before the edge is published; that stack may run something else by now, so the edge
//! also says whose it is. What an ask waits for is its slot, whose memory stays a slot's: the slot's own word says whether the
//! answer has come, and beside it stands who has the port. So **the answer itself ends the edge**, in the exchange that
//! delivers it: if A asked B, and B has answered, then B may ask A even before A has run again. A wait for room
//! is ended by whoever grants it, before it wakes the waiter, under the lock of the list in which the waiter stands; a wait for a
//! start by the flag in the actor's header that says that it has started.
//!
//! # Why a circle that would last is found
//! - **P1** The waiter publishes its edge, **P2** issues a full fence, **P3** walks from itself, and fails if it comes back.
//!
//! Take a circle of edges none of which will end by itself. The fences P2 are in one order, and the waiter whose fence is last
//! finds the others' edges, all published before theirs; the walk comes back to it. For asks P3 comes before the message is
//! put into the mailbox, so a failing ask has its message to give back. For room it comes when the sender stands in line, which
//! is what makes its wait true; a sender that fails leaves the line with its message.
//!
//! *Fast path.* An ask that finds the mailbox idle has no P2 and no P3, only two stores. Its message makes the actor run, and
//! what that actor waits for afterwards it publishes after its edge, which it has acquired with the message. So such an edge is
//! older than the next one in the circle; not all can be older than the next, so there are fences, and the last of those finds
//! these edges too, each by way of the older-than chain to a fence. This does not hold of an actor with its own stack, whose
//! mailbox also counts as idle when a receive has timed out: asking it has no fast path.
//!
//! *Moving.* A port that changes hands moves the edge: whoever hands it on does P1 (`Port::hand_to`), P2 and P3 on behalf of
//! the waiter, and fails it where the walk comes back to it ([`breaks_circle_of`]). Whoever takes a port out of its actor, to
//! answer it later, says that it has no owner (`Port::leave_owner`): an answer that anything might give is not part of a circle.
//!
//! # Why there is no false alarm
//! A walk sees one edge after the other, and they may never all have been there at once. So one that comes back is followed
//! by two rounds, of which the second must find the same *waits* as the first, by their sequence numbers, with the same owners. An edge that was there both times, in the
//! same wait, was there all the time, as what ends it ends it for good; so all of them were there at the moment the first round
//! ended. (An owner may hand a port on and get it back between the rounds; but an owner that waits hands nothing on, and
//! the second round sees that it has been waiting.) And a circle of such edges does not come apart but by a kill.
//!
//! # Memory
//! A walk holds no references. It reads, atomically, the place in a header, an edge, and the two atomic fields of a slot.
//! Parkers and slots are never freed. Cells are, so a walk is a reader ([`grace`]): an owner is alive while its
//! edge is on, hence its memory is there until the walk has ended. What was read of an actor that had gone is thrown away,
//! because its edge is looked at again.
//!
//! # Seeded faults
//! | fault | what it breaks | caught by |
//! |---|---|---|
//! | `waits_walk_once` | what one walk has seen is a circle | `loom_edges_that_were_never_there_at_once_are_no_circle` |
//! | `waits_ignore_waits` | the two rounds need not find the same waits | `loom_edges_that_come_and_go_in_turn_are_no_circle` |
//! | `waits_cross_steps` | an ask that stands in no line waits for a step as well | `what_does_not_stand_in_line_does_not_wait_for_the_step` |
//! | `waits_ignore_started` | a wait for a start is on until its waiter goes on | `what_has_started_may_ask_its_spawner_before_that_goes_on` |
//! | `waits_ignore_task` | an edge is taken for that of whoever was on the stack last | `an_edge_on_a_stack_that_runs_another_is_not_ones_own` |
//!
//! The fence P2 is that of [`grace::read`]; its fault is `grace_no_reader_fence`, which
//! `loom_of_waits_in_a_circle_one_is_found` catches too.

#[cfg(test)]
mod fixture;
#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

use std::ptr::NonNull;

use crate::rt::edge::{Edge, Wait};
use crate::rt::header::{Header, STARTED};
use crate::rt::park::{self, Parker};
use crate::sys::fault::fault;
use crate::sys::grace;

use super::cycle::WaitCycle;
use super::reply;

/// Set in what is waited for if it is an actor itself, and not a slot.
const ACTOR: usize = 1;
/// Set in what is waited for if the waiter takes messages meanwhile.
const STEP: usize = 2;
/// Set, beside [`ACTOR`], if the actor's start is waited for, and no more.
const START: usize = 4;

const _: () = assert!(align_of::<Header>() > (ACTOR | STEP | START));

/// An actor whose own code is about to wait. See the [module](self).
#[derive(Clone, Copy)]
pub(super) struct Waiter {
    parker: &'static Parker,
    header: NonNull<Header>,
}

/// The actor whose code calls, if it is one, on its own stack.
#[inline]
pub(super) fn here() -> Option<Waiter> {
    Waiter::at(park::current())
}

/// What a wait for `actor` itself has as its edge.
pub(super) fn on_actor(actor: &Header) -> *mut () {
    let actor: *const Header = actor;
    actor.cast_mut().map_addr(|at| at | ACTOR).cast()
}

/// What a wait for the start of `actor` has as its edge: STARTED ends it.
pub(super) fn on_start(actor: &Header) -> *mut () {
    on_actor(actor).map_addr(|at| at | START)
}

impl Waiter {
    /// The actor whose code calls, if it is one, on its own stack: `parker` is the caller's ([`park::current`]), and that of a
    /// thread, or of code that unwinds, has no task.
    ///
    /// None in code of the user's that runs while it waits already, such as the destructor of a message that its own displaced: there is one
    /// edge, which says what it waits for in the end.
    #[inline]
    pub(super) fn at(parker: &'static Parker) -> Option<Waiter> {
        let task = parker.task()?;
        (task.vtable().is_actor && !parker.edge().waits()).then(|| Waiter {
            parker,
            header: NonNull::from(task),
        })
    }

    /// The waiter waits for `on` (a slot, or [`on_actor`]) from now on. (P1)
    #[inline]
    pub(super) fn publish(self, on: *mut ()) -> Wait {
        // SAFETY: it is what runs here.
        unsafe { self.header.as_ref() }.set_parker(self.parker);
        self.parker.edge().publish(on)
    }

    /// As [`publish`](Self::publish), until the guard is dropped.
    #[inline]
    pub(super) fn waits_for(self, on: *mut ()) -> Waiting {
        let wait = self.publish(on);
        Waiting { waiter: self, wait }
    }

    /// As [`waits_for`](Self::waits_for) a slot, while the waiter takes messages: a step.
    pub(super) fn waits_for_step(self, slot: *mut ()) -> Waiting {
        self.waits_for(slot.map_addr(|at| at | STEP))
    }

    /// The circle that the waiter's published edge is part of, if it is in one. (P2, P3)
    #[cold]
    pub(super) fn circle(self) -> Option<WaitCycle> {
        circle_of(self.header)
    }
}

/// While this is there, the waiter waits.
pub(crate) struct Waiting {
    waiter: Waiter,
    wait: Wait,
}

impl Waiting {
    /// As [`Waiter::circle`].
    pub(crate) fn circle(&self) -> Option<WaitCycle> {
        self.waiter.circle()
    }
}

impl Drop for Waiting {
    #[inline]
    fn drop(&mut self) {
        self.waiter.parker.edge().end(self.wait);
    }
}

/// One edge, as a walk saw it.
#[derive(Clone, Copy)]
struct Link {
    of: NonNull<Header>,
    edge: &'static Edge,
    wait: Wait,
    /// Whether `of` takes messages meanwhile.
    is_step: bool,
    to: NonNull<Header>,
    /// Whether it lasts as long as a step of `to`'s.
    in_line: bool,
}

impl Link {
    /// Whether it lasts as long as `next`, the edge of the actor that it leads to.
    fn lasts_with(&self, next: &Self) -> bool {
        self.in_line || !next.is_step || fault!("waits_cross_steps")
    }
}

impl PartialEq for Link {
    fn eq(&self, other: &Self) -> bool {
        self.of == other.of
            && std::ptr::eq(self.edge, other.edge)
            && self.wait == other.wait
            && self.to == other.to
            && self.in_line == other.in_line
    }
}

/// The edge of `of`, if it has one.
///
/// # Safety
/// The caller is a reader, and has found `of`, an actor's header, since it began; or it holds a reference.
unsafe fn link(of: NonNull<Header>) -> Option<Link> {
    // SAFETY: the caller's: the memory is that of an actor's header as long as the caller reads.
    let parker = unsafe { Header::parker_at(of) }?;
    let edge = parker.edge();
    let (wait, task, on) = edge.look()?;
    if !std::ptr::eq(task, of.as_ptr()) && !fault!("waits_ignore_task") {
        return None;
    }
    let is_step = on.addr() & STEP != 0;
    let at = on.map_addr(|at| at & !(ACTOR | STEP | START));
    let (to, in_line) = if on.addr() & ACTOR != 0 {
        let to = NonNull::new(at.cast())?;
        if on.addr() & START != 0 && !fault!("waits_ignore_started") {
            // SAFETY: an actor whose address the waiter holds while the edge is on, or had when the caller began to read.
            let started = unsafe { Header::has_at(to, STARTED) };
            if started {
                return None;
            }
        }
        // An actor makes room, starts and ends between its messages, and not in a step.
        (to, true)
    } else {
        // SAFETY: what is published is an actor or a slot.
        unsafe { reply::owner_of(at, std::ptr::from_ref(parker).cast()) }?
    };
    edge.is_still(wait).then_some(Link {
        of,
        edge,
        wait,
        is_step,
        to,
        in_line,
    })
}

/// After how many edges a walk from `me` comes back to it, if it does.
///
/// # Safety
/// The caller is a reader, and holds a reference to `me`.
unsafe fn way_back(me: NonNull<Header>) -> Option<usize> {
    // Brent's: `mark` is where the walk was at each power of two, so it meets a circle that `me` is not in.
    let (mut mark, mut power) = (me, 1);
    // SAFETY: the caller's.
    let first = unsafe { link(me) }?;
    let mut last = first;
    for steps in 1.. {
        let at = last.to;
        if at == me {
            return last.lasts_with(&first).then_some(steps);
        }
        if at == mark {
            return None;
        }
        if steps == power {
            (mark, power) = (at, power * 2);
        }
        // SAFETY: found since the caller began, as the owner of an edge that was on.
        let next = unsafe { link(at) }?;
        if !last.lasts_with(&next) {
            return None;
        }
        last = next;
    }
    None
}

/// A reference to an actor, whatever its type.
struct Held(NonNull<Header>);

impl Held {
    /// # Safety
    /// The caller is a reader, and has found the actor since it began.
    unsafe fn new(header: NonNull<Header>) -> Option<Self> {
        // SAFETY: the caller's: an actor's header, whose count has been set when its memory was made.
        unsafe { Header::try_acquire(header) }.then_some(Held(header))
    }

    fn header(&self) -> &Header {
        // SAFETY: a reference is held.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: its own reference.
        unsafe { Header::drop_ref(self.0) }
    }
}

/// The circle that `me`'s edge is part of, if it is in one. `me` is alive meanwhile.
fn circle_of(me: NonNull<Header>) -> Option<WaitCycle> {
    let mut held = Vec::new();
    let found = {
        let _reading = grace::read(); // P2
        // SAFETY: reading; `me` is alive by contract.
        let len = unsafe { way_back(me) }?; // P3
        // SAFETY: as above.
        fault!("waits_walk_once") || unsafe { holds_together(me, len, &mut held) }
    };
    // The references are given up only now: that may free memory, and so wait for readers.
    found.then(|| WaitCycle::new(held.iter().map(|it: &Held| it.header().who())))
}

/// Two rounds of `len` edges that find the same waits. Leaves references to the actors of the circle, in order, in `held`.
///
/// # Safety
/// As [`way_back`].
unsafe fn holds_together(me: NonNull<Header>, len: usize, held: &mut Vec<Held>) -> bool {
    let mut links: Vec<Link> = Vec::with_capacity(len);
    let mut at = me;
    for _ in 0..len {
        // SAFETY: as in `way_back`.
        let Some(one) = (unsafe { Held::new(at) }) else {
            return false;
        };
        // Whatever comes of it, it is not dropped here, where we read.
        held.push(one);
        // SAFETY: as in `way_back`.
        let Some(link) = (unsafe { link(at) }) else {
            return false;
        };
        links.push(link);
        at = link.to;
    }
    let nexts = links.iter().cycle().skip(1);
    if at != me
        || !links
            .iter()
            .zip(nexts)
            .all(|(it, next)| it.lasts_with(next))
    {
        return false;
    }
    // SAFETY: as above.
    fault!("waits_ignore_waits")
        || links
            .iter()
            .all(|seen| unsafe { link(seen.of) } == Some(*seen))
}

/// Whether the ask whose port is `port`, and which its caller has just handed to another actor, is part of a circle now. Then
/// the caller, who still has the port in hand, fails it with what this gives
/// ([`Failure::Deadlock`](super::reply::Failure::Deadlock)), and nothing else does.
pub(crate) fn breaks_circle_of(port: &reply::Port) -> Option<WaitCycle> {
    let waiter = port.waiter()?;
    let held = {
        let _reading = grace::read();
        // SAFETY: a parker, and parkers are never freed.
        let edge = unsafe { &*waiter.cast::<Parker>() }.edge();
        let (wait, task, on) = edge.look()?;
        if on != port.as_raw() {
            return None;
        }
        let task = NonNull::new(task.cast_mut())?;
        if !edge.is_still(wait) {
            return None;
        }
        // SAFETY: an actor that was in a wait since we began to read.
        unsafe { Held::new(task) }?
    };
    circle_of(held.0)
}
