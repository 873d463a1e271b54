//! What becomes of a message that was accepted and will not be handled: its asker is told, or it is a dead letter.

use std::collections::VecDeque;
use std::mem;

use tracing::Level;

use crate::observe::{DeadReason, Event, Who};

use super::cell::{Cell, Envelope};
use super::life::contain;
use super::mailbox::Drain;
use super::reply::{Failure, Port};
use super::traits::Actor;

/// Accounts for a message. Its asker, if it has one, is told `why`; if there is none, or it has gone, or `why` is `None`
/// because the asker itself is ending, the message is a dead letter.
///
/// Does not unwind, whatever the message's destructor does.
#[cold]
#[inline(never)]
pub(super) fn account<A: Actor>(
    cell: &Cell<A>,
    Envelope { msg, reply }: Envelope<A::Msg>,
    reason: DeadReason,
    why: Option<Failure>,
) {
    let told = why.is_some_and(|why| reply.tell_failure(why));
    drop_or_publish(cell, &mut None, msg, reason, told);
    if !told {
        count::<A>(cell, 1);
    }
}

/// Some of what waited when an actor ended.
pub(super) enum Left<M> {
    /// What had been put aside.
    Aside(VecDeque<Envelope<M>>),
    /// What was in a lane.
    Queue(Drain<Envelope<M>>),
}

/// Accounts for all of `left`, which was waiting when the actor ended. Whoever asked is told before any message is dropped: if a
/// destructor takes the stack with it, nobody waits for what is lost there.
pub(super) fn account_all<A: Actor>(
    cell: &Cell<A>,
    mut left: Vec<Left<A::Msg>>,
    reason: &DeadReason,
    why: &Failure,
) {
    let mut all_told = Vec::new();
    let mut tell = |envelope: &mut Envelope<A::Msg>| {
        let reply = mem::replace(&mut envelope.reply, Port::none());
        all_told.push(reply.tell_failure(why.clone()));
    };
    for part in &mut left {
        match part {
            Left::Aside(envelopes) => envelopes.iter_mut().for_each(&mut tell),
            Left::Queue(drain) => drain.each(&mut tell),
        }
    }
    let mut all_told = all_told.into_iter();
    let (mut who, mut dead) = (None, 0);
    let mut account = |envelope: Envelope<A::Msg>| {
        let told = all_told.next().unwrap_or(false);
        dead += u64::from(!told);
        drop_or_publish(cell, &mut who, envelope.msg, reason.clone(), told);
    };
    for part in left {
        match part {
            Left::Aside(envelopes) => envelopes.into_iter().for_each(&mut account),
            Left::Queue(drain) => drain.for_each(&mut account),
        }
    }
    count::<A>(cell, dead);
}

/// Drops the message if somebody has been `told`, else it is a dead letter.
fn drop_or_publish<A: Actor>(
    cell: &Cell<A>,
    who: &mut Option<Who>,
    msg: A::Msg,
    reason: DeadReason,
    told: bool,
) {
    let letters = &cell.host().dead_letters;
    // A message's destructor is the user's code.
    let _ = contain(|| {
        if !told && letters.wanted() {
            let who = who.get_or_insert_with(|| cell.describe()).clone();
            letters.publish(who, reason, msg);
        } else {
            drop(msg);
        }
    });
}

fn count<A: Actor>(cell: &Cell<A>, dead: u64) {
    if dead > 0 {
        let events = &cell.host().core.events;
        events.emit(Level::DEBUG, || Event::DeadLetters {
            who: cell.describe(),
            count: dead,
        });
    }
}
