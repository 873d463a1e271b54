//! Selective receive: in the middle of a handler, and by an inbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::testing;
use actor_core::{DeadReason, RecvError, TryRecvError};

use super::support::*;

#[derive(Default)]
#[actor]
struct Clerk {
    seen: Vec<u32>,
}

#[actor]
impl Clerk {
    pub fn note(&mut self, n: u32) -> u32 {
        self.seen.push(n);
        n
    }

    #[priority(high)]
    pub fn urgent(&mut self, n: u32) {
        self.seen.push(n);
    }

    pub fn seen(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.seen)
    }

    /// Waits for that note, whether urgent or not.
    pub fn wait_for(
        &mut self,
        cx: &mut Cx<Self>,
        entered: Flag,
        wanted: u32,
    ) -> Result<u32, RecvError> {
        entered.raise();
        cx.receive(|msg| match msg {
            ClerkMsg::Note { n } | ClerkMsg::Urgent { n } if n == wanted => Ok(n),
            other => Err(other),
        })
    }

    /// So many notes, in the order that they are received in, once released.
    pub fn collect(
        &mut self,
        cx: &mut Cx<Self>,
        entered: Flag,
        release: Flag,
        count: usize,
    ) -> Vec<u32> {
        entered.raise();
        release.wait();
        let mut next = || cx.receive(any_note).unwrap();
        (0..count).map(|_| next()).collect()
    }

    pub fn look(&mut self, cx: &mut Cx<Self>, wanted: u32) -> Result<u32, TryRecvError> {
        cx.receive_within(Duration::ZERO, |msg| match msg {
            ClerkMsg::Note { n } if n == wanted => Ok(n),
            other => Err(other),
        })
    }

    /// Fails on the first note above 10.
    pub fn choke(&mut self, cx: &mut Cx<Self>, entered: Flag) {
        entered.raise();
        let _ = cx.receive(|msg| match msg {
            ClerkMsg::Note { n } if n > 10 => panic!("too much"),
            other => Err::<(), _>(other),
        });
    }

    pub fn hold(&mut self, entered: Flag, release: Flag) {
        entered.raise();
        release.wait();
    }
}

fn raised() -> Flag {
    let flag = Flag::default();
    flag.raise();
    flag
}

fn any_note(msg: ClerkMsg) -> Result<u32, ClerkMsg> {
    match msg {
        ClerkMsg::Note { n } | ClerkMsg::Urgent { n } => Ok(n),
        other => Err(other),
    }
}

fn clerk(sys: &System) -> Addr<Clerk> {
    sys.spawn(Clerk::default()).unwrap()
}

fn held(sys: &System) -> (Addr<Clerk>, Flag) {
    let clerk = clerk(sys);
    let (entered, release) = (Flag::default(), Flag::default());
    clerk.tell().hold(entered.clone(), release.clone()).unwrap();
    entered.wait();
    (clerk, release)
}

#[test]
fn it_takes_the_first_that_matches_and_leaves_the_others_in_order() {
    let sys = system(2);
    // Queued already, and still to come.
    for early in [true, false] {
        let (clerk, release) = held(&sys);
        let entered = Flag::default();
        let waits = clerk.request().wait_for(entered.clone(), 3);
        if !early {
            release.raise();
            entered.wait();
        }
        for n in [1, 2, 3, 4, 3] {
            clerk.tell().note(n).unwrap();
        }
        release.raise();
        assert_eq!(waits.wait().unwrap(), 3);
        assert_eq!(clerk.ask().seen().unwrap(), [1, 2, 4, 3]);
    }
}

#[test]
fn what_it_set_aside_is_received_first_by_the_next() {
    let sys = system(2);
    let clerk = clerk(&sys);
    let waits = clerk.request().wait_for(Flag::default(), 9);
    let all = clerk.request().collect(Flag::default(), raised(), 5);
    for n in [1, 2, 9, 3, 4, 5] {
        clerk.tell().note(n).unwrap();
    }
    assert_eq!(waits.wait().unwrap(), 9);
    // `collect` itself was set aside with them, and comes first.
    assert_eq!(all.wait().unwrap(), [1, 2, 3, 4, 5]);
    assert!(clerk.ask().seen().unwrap().is_empty());
}

#[test]
fn asked_messages_that_are_set_aside_are_answered_in_their_turn() {
    let sys = system(2);
    let clerk = clerk(&sys);
    let waits = clerk.request().wait_for(Flag::default(), 9);
    let asked: Vec<_> = (0..3).map(|n| clerk.request().note(n)).collect();
    clerk.tell().note(9).unwrap();
    assert_eq!(waits.wait().unwrap(), 9);
    for (n, asked) in (0..).zip(asked) {
        assert_eq!(asked.wait().unwrap(), n);
    }
}

#[test]
fn who_asked_what_is_received_is_told_that_there_is_no_answer() {
    let sys = system(2);
    let clerk = clerk(&sys);
    let waits = clerk.request().wait_for(Flag::default(), 9);
    let asked = clerk.request().note(9);
    assert_eq!(waits.wait().unwrap(), 9);
    assert!(matches!(asked.wait(), Err(AskError::NoReply(None))));
}

#[test]
fn urgent_messages_are_looked_at_first() {
    let sys = system(2);
    let clerk = clerk(&sys);
    let (entered, release) = (Flag::default(), Flag::default());
    let all = (clerk.request()).collect(entered.clone(), release.clone(), 5);
    entered.wait();
    for n in 1..3 {
        clerk.tell().note(n).unwrap();
        clerk.tell().urgent(10 + n).unwrap();
    }
    release.raise();
    clerk.tell().urgent(13).unwrap(); // perhaps while it waits
    let got = all.wait().unwrap();
    let before = got.iter().position(|n| *n == 13).unwrap();
    assert!(before >= 2, "{got:?}");
    let others: Vec<_> = got.into_iter().filter(|n| *n != 13).collect();
    assert_eq!(others, [11, 12, 1, 2]);
}

#[test]
fn urgent_messages_that_were_set_aside_are_handled_first() {
    let sys = system(2);
    let clerk = clerk(&sys);
    let entered = Flag::default();
    let waits = clerk.request().wait_for(entered.clone(), 9);
    entered.wait();
    for n in 1..3 {
        clerk.tell().note(n).unwrap();
        clerk.tell().urgent(10 + n).unwrap();
    }
    clerk.tell().urgent(9).unwrap();
    assert_eq!(waits.wait().unwrap(), 9);
    assert_eq!(clerk.ask().seen().unwrap(), [11, 12, 1, 2]);
}

#[test]
fn with_no_time_it_looks_at_what_has_come_and_leaves_all_in_place() {
    let sys = system(2);
    let (clerk, release) = held(&sys);
    let (first, second) = (clerk.request().look(2), clerk.request().look(2));
    for n in [1, 2, 3] {
        clerk.tell().note(n).unwrap();
    }
    release.raise();
    assert_eq!(first.wait().unwrap(), 2);
    assert!(matches!(
        second.wait(),
        Err(AskError::Handler(TryRecvError::Empty))
    ));
    assert_eq!(clerk.ask().seen().unwrap(), [1, 3]);
}

#[test]
fn a_request_to_stop_ends_the_wait() {
    let sys = system(2);
    let letters = sys.dead_letters();
    let clerk = clerk(&sys);
    let entered = Flag::default();
    let waits = clerk.request().wait_for(entered.clone(), 9);
    entered.wait();
    clerk.tell().note(1).unwrap();
    clerk.stop();
    assert!(matches!(
        waits.wait(),
        Err(AskError::Handler(RecvError::Closed))
    ));
    assert_eq!(clerk.join(), ExitReason::Normal);
    let left: Vec<_> = letters.try_iter().filter_map(|it| it.take()).collect();
    assert!(matches!(left[..], [ClerkMsg::Note { n: 1 }]));
}

#[test]
fn a_kill_unwinds_it_and_what_it_set_aside_is_accounted_for() {
    let sys = system(2);
    let letters = sys.dead_letters();
    for _ in 0..200 {
        let clerk = clerk(&sys);
        let entered = Flag::default();
        let waits = clerk.request().wait_for(entered.clone(), 9);
        entered.wait();
        let asked = clerk.request().note(1);
        clerk.tell().note(2).unwrap();
        clerk.kill();
        let killed = |it| matches!(it, Some(AskError::NoReply(Some(ExitReason::Killed))));
        assert!(matches!(
            waits.wait(),
            Err(AskError::NoReply(Some(ExitReason::Killed)))
        ));
        assert!(killed(asked.wait().err()));
        assert_eq!(clerk.join(), ExitReason::Killed);
        let letter = letters.try_recv().unwrap();
        assert_eq!(letter.reason, DeadReason::Ended(ExitReason::Killed));
        assert!(matches!(letter.take(), Some(ClerkMsg::Note { n: 2 })));
        assert!(letters.is_empty());
    }
}

#[test]
fn the_next_life_handles_what_was_set_aside() {
    let sys = system(2);
    let sup = Supervisor::builder()
        .intensity(1000, Duration::from_secs(1))
        .start(&sys)
        .unwrap();
    let clerk = sup
        .start_child(ChildSpec::new("clerk", Clerk::default))
        .unwrap();
    for _ in 0..100 {
        let entered = Flag::default();
        let waits = clerk.request().wait_for(entered.clone(), 9);
        entered.wait();
        let asked = clerk.request().note(1);
        clerk.tell().note(2).unwrap();
        clerk.kill();
        assert!(waits.wait().is_err());
        assert_eq!(asked.wait().unwrap(), 1);
        assert_eq!(clerk.ask().seen().unwrap(), [1, 2]);
    }
}

#[test]
fn a_panic_of_the_choice_fails_that_message_and_no_other() {
    let sys = system(2);
    let letters = sys.dead_letters();
    let clerk = clerk(&sys);
    let entered = Flag::default();
    let chokes = clerk.request().choke(entered.clone());
    entered.wait();
    let asked = clerk.request().note(1);
    let fatal = clerk.request().note(11);
    let panicked = |it: Option<AskError<ClerkMsg>>| {
        let Some(AskError::NoReply(Some(ExitReason::Panicked(why)))) = it else {
            panic!("{it:?}");
        };
        assert_eq!(&*why, "too much");
    };
    panicked(chokes.wait().err());
    panicked(fatal.wait().err());
    panicked(asked.wait().err()); // queued when it ended
    clerk.join();
    assert_eq!(letters.try_iter().count(), 0);
}

#[test]
fn a_shutdown_ends_the_wait() {
    let sys = system(2);
    let clerk = clerk(&sys);
    let entered = Flag::default();
    let waits = clerk.request().wait_for(entered.clone(), 9);
    entered.wait();
    assert!(sys.shutdown(LIMIT).unwrap().is_clean());
    assert!(waits.wait().is_err());
}

#[test]
fn no_wake_up_is_lost_to_a_handler_that_waits() {
    const EACH: u32 = 20_000;
    let sys = system(2);
    let clerk = clerk(&sys);
    let entered = Flag::default();
    let all = (clerk.request()).collect(entered.clone(), raised(), 4 * EACH as usize);
    entered.wait();
    let senders: Vec<_> = (0..4)
        .map(|from| {
            let clerk = clerk.clone();
            thread::spawn(move || {
                for n in 0..EACH {
                    match from {
                        0 => clerk.tell().urgent(from * EACH + n).unwrap(),
                        _ => clerk.tell().note(from * EACH + n).unwrap(),
                    }
                    if n % 64 == 0 {
                        thread::yield_now();
                    }
                }
            })
        })
        .collect();
    senders.into_iter().for_each(|it| it.join().unwrap());
    let got = all.wait().unwrap();
    for from in 0..4 {
        let of = got.iter().filter(|n| **n / EACH == from);
        assert!(of.copied().eq(from * EACH..(from + 1) * EACH), "of {from}");
    }
}

/// One actor, one message at a time, at most.
#[derive(Default)]
#[actor]
struct Exclusive {
    busy: Arc<AtomicBool>,
}

#[actor]
impl Exclusive {
    pub fn work(&mut self, cx: &mut Cx<Self>) {
        assert!(!self.busy.swap(true, Ordering::SeqCst), "two at once");
        let _ = cx.receive_within(Duration::from_micros(20), |msg| match msg {
            ExclusiveMsg::Done => Ok(()),
            other => Err(other),
        });
        assert!(self.busy.swap(false, Ordering::SeqCst));
    }

    pub fn done(&mut self) {
        assert!(!self.busy.load(Ordering::SeqCst), "two at once");
    }
}

#[test]
fn a_handler_that_waits_is_the_only_one_that_runs() {
    let sys = system(3);
    let one = sys.spawn(Exclusive::default()).unwrap();
    let senders: Vec<_> = (0..4)
        .map(|from| {
            let one = one.clone();
            thread::spawn(move || {
                for n in 0..2_000 {
                    match (n + from) % 3 {
                        0 => one.tell().work().unwrap(),
                        1 => one.ask().work().unwrap(),
                        _ => one.tell().done().unwrap(),
                    }
                }
            })
        })
        .collect();
    senders.into_iter().for_each(|it| it.join().unwrap());
    one.stop();
    assert_eq!(one.join(), ExitReason::Normal);
}

#[test]
fn on_the_seeded_scheduler_every_order_ends_alike() {
    testing::check(|sys| {
        let clerk = sys.spawn(Clerk::default()).unwrap();
        let waits = clerk.request().wait_for(Flag::default(), 2);
        let send = |n| {
            let to = clerk.clone();
            sys.spawn_microthread(move || to.tell().note(n)).unwrap()
        };
        for sender in [send(1), send(2), send(3)] {
            sender.join().unwrap().unwrap();
        }
        assert_eq!(waits.wait().unwrap(), 2);
        let mut seen = clerk.ask().seen().unwrap();
        seen.sort_unstable();
        assert_eq!(seen, [1, 3]);
    });
}

#[actor]
struct Picky {
    ready: Flag,
    through: Flag,
}

#[actor(message = u32)]
impl Picky {
    pub fn run(self, inbox: Inbox<Self>) -> Exit {
        let above = |limit| move |n: u32| if n > limit { Ok(n) } else { Err(n) };
        let mut got = vec![
            inbox.receive(above(3)),
            inbox.receive(above(1)),
            inbox.recv(),
        ];
        let none = inbox.receive_within(Duration::ZERO, above(100));
        assert_eq!(none, Err(TryRecvError::Empty));
        self.ready.raise();
        got.push(inbox.receive(above(100))); // to come
        got.push(inbox.recv());
        self.through.raise();
        got.push(inbox.receive(above(100)));
        Exit::failed(format!("{got:?}"))
    }
}

#[test]
fn an_inbox_receives_selectively() {
    let sys = system(2);
    for _ in 0..100 {
        let (ready, through) = (Flag::default(), Flag::default());
        let picky = Picky {
            ready: ready.clone(),
            through: through.clone(),
        };
        let picky = sys.spawn(picky).unwrap();
        for n in [1, 2, 3, 4] {
            picky.send(n).unwrap();
        }
        ready.wait();
        picky.send(101).unwrap();
        through.wait();
        picky.stop();
        assert_eq!(
            picky.join(),
            ExitReason::failed("[Ok(4), Ok(2), Ok(1), Ok(101), Ok(3), Err(Closed)]")
        );
    }
}

#[actor]
struct Nosy;

#[actor(message = u32)]
impl Nosy {
    pub fn run(self, inbox: Inbox<Self>) -> Exit {
        let mut inner = Vec::new();
        let found = inbox.receive(|n| {
            inner.push(inbox.receive(Ok));
            inner.push(inbox.recv());
            if n == 2 { Ok(n) } else { Err(n) }
        });
        let refused = inner.iter().all(|it| *it == Err(RecvError::NotOwner));
        assert!(refused && inner.len() == 4, "{inner:?}");
        // A panic out of the closure ends its look too.
        let lost = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            inbox.receive(|n| -> Result<(), u32> { panic!("at {n}") })
        }));
        assert!(lost.is_err());
        Exit::failed(format!("{found:?} {:?}", inbox.recv()))
    }
}

#[test]
fn the_closure_of_a_selective_receive_cannot_receive() {
    let sys = system(1);
    let nosy = sys.spawn(Nosy).unwrap();
    for n in [1, 2, 3] {
        nosy.send(n).unwrap();
    }
    assert_eq!(nosy.join(), ExitReason::failed("Ok(2) Ok(3)"));
}
