//! What a bounded mailbox does when it is full.

use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{ActorOptions, DeadReason, WhenFull};

use super::support::*;

/// Full of `take(0)` and `take(1)`, with the handler held.
fn full<const P: u8>(sys: &System) -> (Addr<Desk<2, P>>, Flag) {
    let (desk, release) = held::<2, P>(sys);
    (0..2).for_each(|n| desk.tell().take(n).unwrap());
    (desk, release)
}

fn number<M>(msg: M) -> u32
where
    DeskMsg: From<M>,
{
    match msg.into() {
        DeskMsg::Take { n } => n,
        _ => panic!("another message"),
    }
}

#[test]
fn block_makes_the_sender_wait_for_room() {
    let sys = system(2);
    let (desk, release) = full::<BLOCK>(&sys);
    let (to, running) = (desk.clone(), Flag::default());
    let here = running.clone();
    let told = sys.spawn_microthread(move || {
        here.raise();
        to.tell().take(2)
    });
    running.wait();
    let late = desk.ask().within(Duration::ZERO).take(3).unwrap_err();
    assert_eq!(late.into_message().map(number), Some(3));
    release.raise();
    told.unwrap().join().unwrap().unwrap();
    assert_eq!(desk.ask().seen().unwrap(), [0, 1, 2]);
}

#[test]
fn fail_gives_every_message_back_at_once() {
    let sys = system(2);
    let letters = sys.dead_letters();
    let (desk, release) = full::<FAIL>(&sys);
    match desk.tell().take(2) {
        Err(TellError::Full(msg)) => assert_eq!(number(msg), 2),
        other => panic!("{other:?}"),
    }
    match desk.ask().take(3) {
        Err(AskError::Full(msg)) => assert_eq!(number(msg), 3),
        other => panic!("{other:?}"),
    }
    match desk.request().take(4).wait() {
        Err(AskError::Full(msg)) => assert_eq!(number(msg), 4),
        other => panic!("{other:?}"),
    }
    release.raise();
    until(|| desk.queued() == 0);
    desk.tell().take(5).unwrap();
    until(|| desk.queued() == 0);
    assert_eq!(desk.ask().seen().unwrap(), [0, 1, 5]);
    assert_eq!(letters.try_iter().count(), 0, "each was given back");
}

#[test]
fn drop_oldest_makes_room_for_the_newest() {
    let sys = system(2);
    let letters = sys.dead_letters();
    let (desk, release) = full::<DROP_OLDEST>(&sys);
    for n in 2..5 {
        desk.tell().take(n).unwrap();
        assert_eq!(desk.queued(), 2);
    }
    let displaced = |n| (n, DeadReason::Displaced);
    assert_eq!(taken(&letters), [displaced(0), displaced(1), displaced(2)]);
    release.raise();
    until(|| desk.queued() == 0);
    assert_eq!(desk.ask().seen().unwrap(), [3, 4]);
}

#[test]
fn drop_oldest_tells_the_asker_of_the_oldest() {
    let sys = system(2);
    let letters = sys.dead_letters();
    let (desk, release) = held::<2, DROP_OLDEST>(&sys);
    let (first, second) = (desk.request().take(0), desk.request().take(1));
    let third = desk.request().take(2);
    assert!(matches!(first.wait(), Err(AskError::Displaced)));
    release.raise();
    assert_eq!((second.wait().unwrap(), third.wait().unwrap()), (1, 2));
    assert_eq!(letters.try_iter().count(), 0, "its asker knows");
}

#[test]
fn drop_newest_lets_the_new_one_go() {
    let sys = system(2);
    let letters = sys.dead_letters();
    let (desk, release) = full::<DROP_NEWEST>(&sys);
    desk.tell().take(2).unwrap();
    assert_eq!(taken(&letters), [(2, DeadReason::Full)]);
    // An ask has somebody to give it back to.
    let refused = desk.ask().take(3).unwrap_err();
    assert!(matches!(refused, AskError::Full(_)));
    assert_eq!(refused.into_message().map(number), Some(3));
    assert_eq!(letters.try_iter().count(), 0);
    release.raise();
    until(|| desk.queued() == 0);
    assert_eq!(desk.ask().seen().unwrap(), [0, 1]);
}

#[test]
fn no_policy_concerns_the_verbs_that_try() {
    fn trying<const P: u8>(sys: &System) {
        let letters = sys.dead_letters();
        let (desk, release) = full::<P>(sys);
        match desk.try_tell().take(7) {
            Err(TellError::Full(msg)) => assert_eq!(number(msg), 7),
            other => panic!("{other:?}"),
        }
        assert_eq!(letters.try_iter().count(), 0);
        release.raise();
        until(|| desk.queued() == 0);
        desk.try_tell().take(2).unwrap();
        until(|| desk.queued() == 0);
        assert_eq!(desk.ask().seen().unwrap(), [0, 1, 2]);
    }
    let sys = system(2);
    trying::<BLOCK>(&sys);
    trying::<FAIL>(&sys);
    trying::<DROP_OLDEST>(&sys);
    trying::<DROP_NEWEST>(&sys);
}

#[test]
fn a_dead_actor_is_closed_whatever_the_policy() {
    fn dead<const P: u8>(sys: &System) {
        let (desk, release) = full::<P>(sys);
        desk.stop();
        release.raise();
        desk.join();
        assert!(desk.tell().take(2).unwrap_err().is_closed());
        assert!(desk.try_tell().take(2).unwrap_err().is_closed());
        assert!(desk.ask().take(2).unwrap_err().is_closed());
    }
    let sys = system(2);
    dead::<BLOCK>(&sys);
    dead::<FAIL>(&sys);
    dead::<DROP_OLDEST>(&sys);
    dead::<DROP_NEWEST>(&sys);
}

#[test]
fn the_attribute_names_the_policy() {
    #[actor(mailbox = 4, when_full = "block")]
    struct Blocks;
    #[actor(when_full = "fail", mailbox = 4)]
    struct Fails;
    #[actor(mailbox = 4, when_full = "drop_oldest")]
    struct Forgets;
    #[actor(mailbox = 4, when_full = "drop_newest")]
    struct Refuses;
    assert_eq!(Blocks::OPTIONS.policy(), WhenFull::Block);
    assert_eq!(Fails::OPTIONS.policy(), WhenFull::Fail);
    assert_eq!(Forgets::OPTIONS.policy(), WhenFull::DropOldest);
    assert_eq!(Refuses::OPTIONS.policy(), WhenFull::DropNewest);
}

/// Many senders against one consumer, on threads: the order of what gets through, and the sum.
#[test]
fn drop_oldest_keeps_the_order_of_each_sender_and_loses_none_without_trace() {
    const EACH: u32 = 20_000;
    let sys = system(2);
    let letters = sys.dead_letters_up_to(usize::MAX);
    let desk = sys.spawn(Desk::<8, DROP_OLDEST>::default()).unwrap();
    let senders: Vec<_> = (0..3)
        .map(|from| {
            let desk = desk.clone();
            std::thread::spawn(move || {
                (0..EACH).for_each(|n| desk.tell().take(from * EACH + n).unwrap());
            })
        })
        .collect();
    senders.into_iter().for_each(|it| it.join().unwrap());
    until(|| desk.queued() == 0);
    let mut all = desk.ask().seen().unwrap();
    for from in 0..3 {
        let of = all.iter().filter(|n| **n / EACH == from);
        assert!(of.is_sorted_by(|a, b| a < b));
    }
    let (dead, reasons): (Vec<_>, Vec<_>) = taken(&letters).into_iter().unzip();
    assert!(reasons.iter().all(|it| *it == DeadReason::Displaced));
    all.extend(dead);
    all.sort_unstable();
    assert!(all.into_iter().eq(0..3 * EACH));
}
