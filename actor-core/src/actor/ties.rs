//! What ties actors to each other: links, monitors, and the lane by which they hear of it.
//!
//! # Terms
//! - *life*: from a start to the next end. A supervised actor may have several under one address; ties are of one life.
//! - *half*: a link's entry at one of its ends. It names the other end and the link's number. A link is two halves.
//! - *watch*: a monitor's entry at the actor that watches; *watcher*: its entry at the one that is watched. A [`Monitor`]
//!   handle has no watch, only a watcher, which is the sending side of its channel.
//! - *lane*: what waits for an actor's next message boundary: signals, and orders of [`sys`](super::sys).
//! - *lock*: that of an actor's `Extra`. All of the above lies behind the lock of the actor that has it.
//!
//! # Steps
//! ```text
//!   link(a, b)      K1  lock both, in the order of their keys      end(a)  E1  a's life says DOWN or DEAD
//!                   K2  a has a half for b → done                          E2  lock a; take all of its ties; unlock
//!                   K3  b is dead → an exit signal into a's lane           E3  for each half: lock the other end; if its
//!                   K4  a half at each end                                     half is there, with this number, remove it
//!   unlink(a, b)    U1  lock both, in that order                               and put an exit signal into its lane
//!                   U2  remove both halves, and what has come of           E4  for each watcher that is an actor: lock it; if
//!                       the link into a's lane                                 its watch is there, remove it and put a Down
//!   monitor(a, b)   M1  lock a; a watch                                        into its lane. For one that is a handle: send
//!                   M2  lock b; it is dead → M3, else a watcher            E5  for each watch: lock the other; remove the
//!                   M3  lock a; its watch is there → remove it,                watcher
//!                       and put a Down into its lane
//!   demonitor(a)    D1  lock a; remove the watch, or the Down in its lane
//!                   D2  lock b; remove the watcher
//! ```
//! What is put into a lane is followed, after the unlock, by the flag `SIGNAL` on the mailbox, which schedules the actor.
//! Only a, while it runs, calls `link`, `monitor` and `demonitor` for itself; `unlink` too. Ends come on any worker.
//!
//! # Why each is told once, and nobody after an unlink
//! 1. *The half is the token.* E3 speaks to an end only if it removes that end's half, under its lock; so does U2. Of the two one
//!    comes first. If it is the unlink, E3 finds no half; if it is the end, U2 removes the signal from the lane, where it still
//!    is unless it has been handled, which a, running the unlink, would know. The watch is a monitor's token: E4, M3 and D1.
//! 2. *The number.* Between E2 and E3 the other end may unlink and link again, to a's next life. E3 would take the new half for
//!    the old: the numbers differ. Numbers of watches are never used twice at all.
//! 3. *Both halves or none.* K4 and U2 change both under both locks, so that a link is never there at one end alone, except
//!    between E2 and E3, and then the ending will find it.
//! 4. *No end is missed.* K3 and M2 look at b's life under b's lock, after E1 and before E2 take it: an entry made before E2 is
//!    taken by it; one that would come after E2 meets a life that says so. (Where b had no `Extra`, making it and E2's look for
//!    one are ordered by a fence on each side: one of the two sees the other.)
//! 5. *No deadlock.* Nobody takes a second lock but in K1 and U1, in one order. Under a lock nothing waits, and no code of the
//!    user's runs: what was removed is dropped after the unlock.
//!
//! # A restart
//! E1 to E5 are done before the supervisor hears of the end, so before the next life. What is tied to an actor that is *down*,
//! between two lives, is tied to its next; if that never comes, its burial is the end. Dead is only who has ended for good.
//!
//! # Rejected
//! - *Erlang's unlink and its acknowledgement*: its processes may be on other nodes. Here both ends are in reach of a lock.
//! - *One lock for all ties*: an end would hold up every other.
//!
//! # Seeded faults
//! | fault | what it breaks | caught by |
//! |---|---|---|
//! | `ties_two_sections` | K4 is two sections, one for each half | `loom_a_link_is_at_both_ends_or_at_none` |
//! | `ties_unordered_locks` | K1 takes the caller's lock first | `loom_a_link_is_at_both_ends_or_at_none` |
//! | `ties_half_unchecked` | E3 tells an end that has no half any more | `loom_after_an_unlink_no_exit_comes`, `an_end_tells_only_whoever_is_still_tied` |
//! | `ties_number_unchecked` | E3 takes any half | `an_end_that_is_late_leaves_a_new_link_alone` |
//! | `ties_unlink_leaves_signal` | U2 leaves the lane as it is | `loom_after_an_unlink_no_exit_comes` |
//! | `ties_watch_unchecked` | E4 tells an actor that does not watch any more | `loom_a_monitor_tells_once_or_not_at_all`, `an_end_tells_only_whoever_is_still_tied` |
//! | `ties_dead_unseen` | K3 and M2 do not look at the life | `loom_a_monitor_and_an_end_meet`, `loom_a_link_and_an_end_meet` |
//! | `ties_drop_wake` | a signal in the lane raises no flag | `loom_a_monitor_and_an_end_meet` |
//!
//! [`Monitor`]: super::monitor::Monitor

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::atomic::{Ordering, fence};

use crate::channel::oneshot;
use crate::sys::fault::fault;

use super::any_addr::{AnyAddr, Peer};
use super::exit::ExitReason;
use super::extra::Guard;
use super::signal::{MonitorId, Signal};
use super::sys::Order;

#[cfg(all(test, loom))]
mod models;
#[cfg(test)]
mod node;
#[cfg(all(test, not(loom)))]
mod tests;

/// Which actor of the process. Ordered by id, so that walks over ties are the same in each run of the seeded scheduler; the
/// cell's address tells actors of different systems apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key {
    id: u64,
    place: usize,
}

impl Key {
    pub(super) fn of(peer: &dyn Peer) -> Self {
        Key {
            id: peer.id(),
            place: peer.place(),
        }
    }

    /// Stands for a handle, which is no actor.
    const HANDLE: Key = Key { id: 0, place: 0 };
}

/// The ties of one life. Behind the lock of the actor's `Extra`.
#[derive(Default)]
pub(crate) struct Ties {
    /// Exit signals are handed out, and do not end the actor.
    pub(super) traps: bool,
    /// Messages wait until it is resumed.
    pub(super) suspended: bool,
    /// The exit signal that an actor with its own stack ends for.
    pub(super) exit_for: Option<ExitReason>,
    halves: BTreeMap<Key, Half>,
    watches: BTreeMap<u64, AnyAddr>,
    watchers: BTreeMap<(Key, u64), Watcher>,
    pub(super) signals: VecDeque<Signal>,
    pub(super) orders: VecDeque<Order>,
}

struct Half {
    other: AnyAddr,
    number: u64,
}

enum Watcher {
    Actor(AnyAddr),
    Handle(oneshot::Sender<ExitReason>),
}

/// The actor's lock, for whoever is about to look at its life.
pub(super) fn lock(peer: &dyn Peer) -> Guard<'_> {
    let extra = peer.extra();
    // It may be new. Crosswise with the ending, which writes its life, then looks for an `Extra`.
    fence(Ordering::SeqCst);
    extra.lock()
}

/// K1, U1. The guards in the order of the arguments, which are not the same actor.
fn lock_both<'a>(a: &'a dyn Peer, b: &'a dyn Peer) -> (Guard<'a>, Guard<'a>) {
    if Key::of(a) < Key::of(b) || fault!("ties_unordered_locks") {
        let first = lock(a);
        (first, lock(b))
    } else {
        let first = lock(b);
        (lock(a), first)
    }
}

fn is_dead(peer: &dyn Peer) -> bool {
    peer.is_dead() && !fault!("ties_dead_unseen")
}

fn wake(peer: &dyn Peer) {
    if !fault!("ties_drop_wake") {
        peer.wake();
    }
}

/// Where the seeded scheduler may let others in: between two steps of an ending.
fn between_steps() {
    #[cfg(not(loom))]
    crate::rt::park::switch_point();
}

/// Links `me`, which is running, with `other`. `number` was never given to another link.
pub(super) fn link(me: &AnyAddr, other: &AnyAddr, number: u64) {
    if me == other {
        return;
    }
    let (mut mine, mut theirs) = lock_both(me.peer(), other.peer());
    if mine.ties().halves.contains_key(&other.key()) {
        return; // K2
    }
    if is_dead(other.peer()) {
        drop(theirs);
        mine.ties().signals.push_back(Signal::Exit {
            from: Some(other.clone()),
            reason: ExitReason::NoProc,
        });
        drop(mine);
        return wake(me.peer());
    }
    let half = |other: &AnyAddr| Half {
        other: other.clone(),
        number,
    };
    mine.ties().halves.insert(other.key(), half(other)); // K4
    if fault!("ties_two_sections") {
        drop((mine, theirs));
        theirs = lock(other.peer());
    }
    theirs.ties().halves.insert(me.key(), half(me));
}

/// Ends the link between `me`, which is running, and `other`, with what has come of it.
pub(super) fn unlink(me: &AnyAddr, other: &AnyAddr) {
    if me == other {
        return;
    }
    let (mut mine, mut theirs) = lock_both(me.peer(), other.peer());
    let ours = mine.ties();
    let mut removed = vec![ours.halves.remove(&other.key())];
    removed.push(theirs.ties().halves.remove(&me.key()));
    let mut late = Vec::new();
    if !fault!("ties_unlink_leaves_signal") {
        late = take_from(
            &mut ours.signals,
            |it| matches!(it, Signal::Exit { from: Some(from), .. } if from == other),
        );
    }
    drop((mine, theirs));
    drop((removed, late));
}

/// Takes out what `pick` picks, leaving the rest in order.
fn take_from(signals: &mut VecDeque<Signal>, pick: impl Fn(&Signal) -> bool) -> Vec<Signal> {
    let mut taken = Vec::new();
    for signal in mem::take(signals) {
        if pick(&signal) {
            taken.push(signal);
        } else {
            signals.push_back(signal);
        }
    }
    taken
}

/// Has `me`, which is running, watch `other`. `number` was never given to another monitor of its own.
pub(super) fn monitor(me: &AnyAddr, other: &AnyAddr, number: u64) {
    let watch = other.clone();
    lock(me.peer()).ties().watches.insert(number, watch); // M1
    let watcher = Watcher::Actor(me.clone());
    let refused = {
        let mut theirs = lock(other.peer());
        if is_dead(other.peer()) {
            Some(watcher)
        } else {
            theirs.ties().watchers.insert((me.key(), number), watcher)
        }
    };
    if refused.is_some() {
        tell_down(me.peer(), number, other, &ExitReason::NoProc); // M3
    }
}

/// Has a handle watch `other`. `number` was never given to another handle that does.
pub(super) fn monitor_by_handle(
    other: &dyn Peer,
    number: u64,
    handle: oneshot::Sender<ExitReason>,
) {
    let mut theirs = lock(other);
    if is_dead(other) {
        drop(theirs);
        let _ = handle.send(ExitReason::NoProc);
        return;
    }
    let watchers = &mut theirs.ties().watchers;
    watchers.insert((Key::HANDLE, number), Watcher::Handle(handle));
}

/// Ends a monitor of `me`, which is running, with what has come of it. Whether the other was still watched.
pub(super) fn demonitor(me: &AnyAddr, id: MonitorId) -> bool {
    let (watch, late) = {
        let mut mine = lock(me.peer());
        let ties = mine.ties();
        let watch = ties.watches.remove(&id.0); // D1
        let is_of = |it: &Signal| matches!(it, Signal::Down { monitor, .. } if *monitor == id);
        (watch, take_from(&mut ties.signals, is_of))
    };
    drop(late);
    let Some(other) = watch else { return false };
    forget_watcher(other.peer(), me.key(), id.0); // D2
    true
}

/// Ends the monitor of a handle.
pub(super) fn demonitor_by_handle(other: &dyn Peer, number: u64) {
    forget_watcher(other, Key::HANDLE, number);
}

fn forget_watcher(of: &dyn Peer, who: Key, number: u64) {
    let removed = {
        let mut state = lock(of);
        let ties = state.ties.as_mut();
        ties.and_then(|ties| ties.watchers.remove(&(who, number)))
    };
    drop(removed);
}

/// Sends an exit signal that comes of no link. One that is not up gets none.
pub(super) fn exit(to: &dyn Peer, reason: ExitReason) {
    {
        let mut state = lock(to);
        if !to.is_up() {
            return;
        }
        let signals = &mut state.ties().signals;
        signals.push_back(Signal::Exit { from: None, reason });
    }
    wake(to);
}

/// E3 to E5: tells everybody of the end of `me`, whose ties these were. Gives back the orders that were not carried out: their
/// destructors are the user's code.
pub(super) fn announce(me: &AnyAddr, ties: Ties, reason: &ExitReason) -> VecDeque<Order> {
    let Ties {
        halves,
        watches,
        watchers,
        orders,
        ..
    } = ties;
    for Half { other, number } in halves.into_values() {
        between_steps();
        tell_exit(other.peer(), number, me, reason);
    }
    for ((_, number), watcher) in watchers {
        between_steps();
        match watcher {
            Watcher::Actor(actor) => tell_down(actor.peer(), number, me, reason),
            // A handle that is gone wants to know nothing.
            Watcher::Handle(handle) => drop(handle.send(reason.clone())),
        }
    }
    for (number, other) in watches {
        between_steps();
        forget_watcher(other.peer(), me.key(), number);
    }
    orders
}

/// E3.
fn tell_exit(to: &dyn Peer, number: u64, me: &AnyAddr, reason: &ExitReason) {
    let half = {
        let mut state = lock(to);
        if state.ties.is_none() && !fault!("ties_half_unchecked") {
            return;
        }
        let ties = state.ties();
        let is_it = ties
            .halves
            .get(&me.key())
            .is_some_and(|half| half.number == number || fault!("ties_number_unchecked"));
        if !is_it && !fault!("ties_half_unchecked") {
            return;
        }
        ties.signals.push_back(Signal::Exit {
            from: Some(me.clone()),
            reason: reason.clone(),
        });
        ties.halves.remove(&me.key())
    };
    wake(to);
    drop(half);
}

/// E4, M3.
fn tell_down(to: &dyn Peer, number: u64, me: &AnyAddr, reason: &ExitReason) {
    let watch = {
        let mut state = lock(to);
        if state.ties.is_none() && !fault!("ties_watch_unchecked") {
            return;
        }
        let ties = state.ties();
        let watch = ties.watches.remove(&number);
        if watch.is_none() && !fault!("ties_watch_unchecked") {
            return;
        }
        ties.signals.push_back(Signal::Down {
            monitor: MonitorId(number),
            from: me.clone(),
            reason: reason.clone(),
        });
        watch
    };
    wake(to);
    drop(watch);
}

/// What an actor finds in its lane at a message boundary.
pub(super) enum Next {
    Nothing,
    /// Nothing but what waits until it is resumed.
    Suspended,
    Order(Order),
    /// For the hook.
    Signal(Signal),
    /// An exit signal that does not concern it.
    Ignored(Signal),
    /// It ends, for that reason.
    End(ExitReason),
}

impl Ties {
    /// What comes next, taken out of the lane.
    pub(super) fn next(&mut self) -> Next {
        if let Some(order) = self.orders.pop_front() {
            return Next::Order(order);
        }
        if self.suspended {
            return self.take_fatal().map_or(Next::Suspended, Next::End);
        }
        match self.signals.pop_front() {
            None => Next::Nothing,
            Some(signal) if self.traps || !is_exit(&signal) => Next::Signal(signal),
            Some(signal) if is_fatal(&signal) => Next::End(signal.reason().clone()),
            Some(signal) => Next::Ignored(signal),
        }
    }

    /// The reason of the first exit signal that ends the actor, if there is one.
    pub(super) fn take_fatal(&mut self) -> Option<ExitReason> {
        if self.traps {
            return None;
        }
        let fatal = self.signals.iter().find(|signal| is_fatal(signal))?;
        Some(fatal.reason().clone())
    }

    /// The next signal to hand out.
    pub(super) fn take_signal(&mut self) -> Next {
        match self.signals.pop_front() {
            None => Next::Nothing,
            Some(signal) if self.traps || !is_exit(&signal) => Next::Signal(signal),
            Some(signal) => Next::Ignored(signal),
        }
    }
}

fn is_exit(signal: &Signal) -> bool {
    matches!(signal, Signal::Exit { .. })
}

fn is_fatal(signal: &Signal) -> bool {
    is_exit(signal) && *signal.reason() != ExitReason::Normal
}
