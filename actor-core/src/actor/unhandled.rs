//! What becomes of a message that was accepted and will not be handled: its asker is told, or it is a dead letter.

use tracing::Level;

use crate::observe::{DeadReason, Event, Who};

use super::cell::{Cell, Envelope};
use super::life::contain;
use super::reply::Failure;
use super::traits::Actor;

/// Accounts for `envelope`. Its asker, if it has one, is told `why`; if there is none, or it has gone, or `why` is `None`
/// because the asker itself is ending, the message is a dead letter.
///
/// Does not unwind, whatever the message's destructor does.
#[cold]
#[inline(never)]
pub(super) fn account<A: Actor>(
    cell: &Cell<A>,
    envelope: Envelope<A::Msg>,
    reason: DeadReason,
    why: Option<Failure>,
) {
    if !give_back_or_publish(cell, &mut None, envelope, reason, why) {
        count::<A>(cell, 1);
    }
}

/// Accounts for all of `envelopes`, which were waiting when the actor ended.
pub(super) fn account_all<A: Actor>(
    cell: &Cell<A>,
    envelopes: impl Iterator<Item = Envelope<A::Msg>>,
    reason: &DeadReason,
    why: &Failure,
) {
    let mut who = None;
    let mut dead = 0;
    for envelope in envelopes {
        if !give_back_or_publish(cell, &mut who, envelope, reason.clone(), Some(why.clone())) {
            dead += 1;
        }
    }
    count::<A>(cell, dead);
}

/// `true`: the asker has been told.
fn give_back_or_publish<A: Actor>(
    cell: &Cell<A>,
    who: &mut Option<Who>,
    Envelope { msg, reply }: Envelope<A::Msg>,
    reason: DeadReason,
    why: Option<Failure>,
) -> bool {
    let told = why.is_some_and(|why| reply.fail(why));
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
    told
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
