//! Messages that nobody will handle: who gets them, and why.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{DeadReason, Event};

use super::support::*;

#[test]
fn what_was_queued_when_its_actor_ended_is_a_dead_letter_with_the_message_and_the_reason() {
    let ends: [(fn(&Addr<Desk>), ExitReason); 3] = [
        (|it| it.stop(), ExitReason::Normal),
        (|it| it.kill(), ExitReason::Killed),
        (
            |it| it.tell().leave(Exit::failed("had enough")).unwrap(),
            ExitReason::failed("had enough"),
        ),
    ];
    let sys = system(2);
    for (end, reason) in ends {
        let letters = sys.dead_letters();
        let (desk, release) = held::<0, BLOCK>(&sys);
        end(&desk);
        let accepted = (0..3).filter(|n| desk.tell().take(*n).is_ok()).count();
        release.raise();
        assert_eq!(desk.join(), reason);
        // They are there when `join` returns.
        let expected: Vec<_> = (0..accepted as u32)
            .map(|n| (n, DeadReason::Ended(reason.clone())))
            .collect();
        assert_eq!(taken(&letters), expected);
    }
}

#[test]
fn a_letter_says_whom_it_was_for_and_what_it_is() {
    let sys = system(1);
    let letters = sys.dead_letters();
    let (desk, release) = held::<0, BLOCK>(&sys);
    desk.tell().take(7).unwrap();
    desk.kill();
    release.raise();
    desk.join();
    let letter = letters.try_recv().unwrap();
    assert_eq!((letter.to.id, letter.to.label), (desk.id(), "Desk"));
    assert_eq!(letter.message_type, std::any::type_name::<DeskMsg>());
    assert_eq!(letter.missed, 0);
    assert!(
        letter
            .to_string()
            .ends_with("was not handled: the actor killed")
    );
}

#[test]
fn an_asked_message_goes_back_to_its_asker_and_is_no_dead_letter() {
    let sys = system(2);
    let letters = sys.dead_letters();
    let (desk, release) = held::<0, BLOCK>(&sys);
    let asked = desk.request().take(1);
    desk.tell().take(2).unwrap();
    desk.stop();
    release.raise();
    let answer = asked.wait();
    assert!(
        matches!(answer, Err(AskError::NoReply(Some(ExitReason::Normal)))),
        "{answer:?}"
    );
    desk.join();
    assert_eq!(
        taken(&letters),
        [(2, DeadReason::Ended(ExitReason::Normal))]
    );
}

#[test]
fn an_asked_message_whose_asker_has_gone_is_a_dead_letter() {
    let sys = system(2);
    let letters = sys.dead_letters();
    let (desk, release) = held::<0, BLOCK>(&sys);
    let late = desk.ask().within(Duration::ZERO).take(1);
    assert!(matches!(late, Err(AskError::Timeout)), "{late:?}");
    drop(desk.request().take(2));
    desk.stop();
    release.raise();
    desk.join();
    let reason = DeadReason::Ended(ExitReason::Normal);
    assert_eq!(taken(&letters), [(1, reason.clone()), (2, reason)]);
}

#[test]
fn what_was_queued_when_the_runtime_ended_is_a_dead_letter() {
    let sys = system(1);
    let letters = sys.dead_letters();
    let (desk, _never) = held::<0, BLOCK>(&sys);
    desk.tell().take(1).unwrap();
    let _ = sys.shutdown(Duration::from_millis(200)).unwrap();
    desk.join();
    let (got, reasons): (Vec<_>, Vec<_>) = taken(&letters).into_iter().unzip();
    assert_eq!(got, [1]);
    // The shutdown asked it to stop, and then killed it.
    let ended = [ExitReason::Killed, ExitReason::Shutdown].map(DeadReason::Ended);
    assert!(ended.contains(&reasons[0]), "{reasons:?}");
}

#[test]
fn the_message_of_a_sender_killed_while_it_waits_for_room_is_a_dead_letter() {
    let sys = system(2);
    let letters = sys.dead_letters();
    let (desk, release) = held::<1, BLOCK>(&sys);
    desk.tell().take(1).unwrap();
    let (to, running) = (desk.clone(), Flag::default());
    let here = running.clone();
    let sender = move || {
        here.raise();
        to.tell().take(2)
    };
    let sender = sys.spawn_microthread(sender).unwrap();
    running.wait();
    sender.kill();
    assert!(sender.join().is_err());
    let letter = letters.recv_timeout(LIMIT).unwrap();
    assert_eq!(letter.reason, DeadReason::SenderEnded);
    assert!(matches!(letter.take(), Some(DeskMsg::Take { n: 2 })));
    release.raise();
    assert_eq!(desk.ask().seen().unwrap(), [1]);
}

/// Counts its copies that are alive.
pub struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[actor]
struct Holder;

#[actor]
impl Holder {
    pub fn hold(&mut self, entered: Flag, release: Flag) {
        entered.raise();
        release.wait();
    }

    pub fn keep(&mut self, it: Alive) {
        drop(it);
    }
}

#[test]
fn messages_are_kept_only_if_somebody_subscribes() {
    let sys = system(1);
    let alive = Arc::new(AtomicUsize::new(0));
    let end_with_three = || {
        let holder = sys.spawn(Holder).unwrap();
        let (entered, release) = (Flag::default(), Flag::default());
        holder
            .tell()
            .hold(entered.clone(), release.clone())
            .unwrap();
        entered.wait();
        for _ in 0..3 {
            alive.fetch_add(1, Ordering::SeqCst);
            holder.tell().keep(Alive(alive.clone())).unwrap();
        }
        holder.kill();
        release.raise();
        holder.join();
    };
    end_with_three();
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    let letters = sys.dead_letters();
    end_with_three();
    assert_eq!(alive.load(Ordering::SeqCst), 3);
    assert_eq!(letters.try_iter().count(), 3);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    drop(letters);
    end_with_three();
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[test]
fn a_subscriber_that_lags_holds_up_nobody_and_is_told_what_it_missed() {
    let sys = system(1);
    let (slow, quick) = (sys.dead_letters_up_to(2), sys.dead_letters_up_to(1 << 20));
    let events = sys.events();
    let end_with = |messages: u32| {
        let (desk, release) = held::<0, BLOCK>(&sys);
        (0..messages).for_each(|n| desk.tell().take(n).unwrap());
        desk.kill();
        release.raise();
        desk.join();
    };
    end_with(100);
    assert_eq!(taken(&quick).len(), 100);
    assert_eq!(slow.try_iter().count(), 2);
    end_with(1);
    assert_eq!(slow.try_recv().unwrap().missed, 98);
    assert_eq!(quick.try_recv().unwrap().missed, 0);
    let counted = events.try_iter().filter_map(|event| match event {
        Event::DeadLetters { count, .. } => Some(count),
        _ => None,
    });
    assert_eq!(counted.sum::<u64>(), 101);
}
