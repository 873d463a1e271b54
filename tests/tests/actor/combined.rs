//! What is promised of each of several things, where they meet: suspension, timers, urgent messages, selective receive, the
//! stash, links, debts, and ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{DeadReason, Pool, RecvError, microthread, testing};

use super::support::*;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

type Seen = Arc<Mutex<Vec<u64>>>;

/// Notes what it handles, and has something of everything.
#[actor]
#[derive(Default)]
pub struct Desk {
    seen: Seen,
    back: Option<Addr<Desk>>,
    owed: Vec<ReplyTo<u64>>,
    /// Whether its `on_stop` waits for a note.
    lingers: bool,
}

#[actor]
impl Desk {
    pub fn note(&mut self, n: u64) {
        self.seen.lock().unwrap().push(n);
    }
    #[priority(high)]
    pub fn urgent(&mut self, n: u64) {
        self.note(n);
    }
    /// How much it has noted.
    #[priority(high)]
    pub fn count(&self) -> u64 {
        self.seen.lock().unwrap().len() as u64
    }
    /// As the one at the back says.
    pub fn count_back(&self, reply: ReplyTo<u64>) {
        let back = self.back.as_ref().unwrap();
        reply.forward(back).count().unwrap();
    }
    pub fn hold(&mut self, entered: Flag, release: Flag) {
        entered.raise();
        release.wait();
    }
    /// Receives that note, and answers with it.
    pub fn wait_for(&mut self, cx: &mut Cx<Self>, wanted: u64) -> Result<u64, RecvError> {
        let received = cx.receive(|msg| is(msg, wanted));
        if received.is_err() {
            self.note(99);
        }
        received
    }
    /// As `wait_for`, for its own timer.
    pub fn wake_me(&mut self, cx: &mut Cx<Self>, after: u64, n: u64) -> Result<u64, RecvError> {
        cx.after(secs(after)).note(n);
        cx.receive(|msg| is(msg, n))
    }
    /// Receives that note, whatever panics meanwhile.
    pub fn wait_on_for(&mut self, cx: &mut Cx<Self>, wanted: u64) {
        loop {
            let received = catch_unwind(AssertUnwindSafe(|| cx.receive(|msg| is(msg, wanted))));
            if let Ok(received) = received {
                return self.note(received.unwrap_or(404));
            }
        }
    }
    pub fn owe(&mut self, reply: ReplyTo<u64>) {
        self.owed.push(reply);
    }
    pub fn put_away(&mut self, cx: &mut Cx<Self>, n: u64) -> u64 {
        cx.stash(DeskMsg::PutAway { n });
        0
    }
    pub fn carry(&mut self, what: Counted) {
        drop(what);
    }
    pub fn link(&mut self, cx: &mut Cx<Self>, other: Addr<Desk>) {
        cx.link(&other);
    }
    pub fn trap(&mut self, cx: &mut Cx<Self>) {
        cx.trap_exits(true);
    }

    #[on_signal]
    fn signal(&mut self, signal: Signal) {
        assert_eq!(*signal.reason(), ExitReason::Killed);
        self.note(1000);
    }

    #[on_stop]
    fn stopping(&mut self, cx: &mut Cx<Self>) {
        if self.lingers {
            let last = cx.receive_within(secs(10), |msg| is(msg, 7));
            self.note(last.unwrap_or(404));
        }
    }
}

fn is(msg: DeskMsg, wanted: u64) -> Result<u64, DeskMsg> {
    match msg {
        DeskMsg::Note { n } if n == wanted => Ok(n),
        other => Err(other),
    }
}

fn desk(sys: &System) -> (Addr<Desk>, Seen) {
    let seen = Seen::default();
    let desk = Desk {
        seen: seen.clone(),
        ..Desk::default()
    };
    (sys.spawn(desk).unwrap(), seen)
}

fn all(seen: &Seen) -> Vec<u64> {
    seen.lock().unwrap().clone()
}

#[test]
fn a_suspended_actors_timers_and_urgent_messages_wait_and_come_in_order_on_resume() {
    testing::check(|sys| {
        let (desk, seen) = desk(sys);
        desk.sys().suspend().unwrap();
        desk.tell().note(2).unwrap();
        desk.after(secs(1)).note(10);
        desk.after(secs(2)).urgent(11);
        desk.tell().urgent(1).unwrap();
        microthread::sleep(secs(5));
        desk.tell().note(3).unwrap();
        microthread::sleep(secs(5));
        assert_eq!(all(&seen), []);
        desk.sys().resume().unwrap();
        microthread::sleep(secs(1));
        // A timer has its turn behind what it finds in the mailbox.
        assert_eq!(all(&seen), [1, 2, 3, 10, 11]);
    });
}

#[test]
fn a_selective_receive_gets_the_message_of_a_timer_and_leaves_the_others() {
    testing::check(|sys| {
        let (desk, seen) = desk(sys);
        let asked = desk.request().wait_for(7);
        desk.after(secs(1)).note(1);
        desk.after(secs(2)).note(7);
        desk.tell().note(2).unwrap();
        assert_eq!(asked.wait().unwrap(), 7);
        assert_eq!(desk.ask().wake_me(3, 8).unwrap(), 8);
        microthread::sleep(secs(1));
        assert_eq!(all(&seen), [2, 1]);
    });
}

#[test]
fn a_stop_ends_a_receive_and_what_it_had_passed_is_accounted_for() {
    let sys = system(1);
    let letters = sys.dead_letters();
    let (desk, seen) = desk(&sys);
    let asked = desk.request().wait_for(7);
    blocked(&sys, 1);
    let passed = desk.request().put_away(1);
    desk.tell().note(1).unwrap();
    desk.tell().urgent(2).unwrap();
    desk.stop();
    assert!(matches!(
        asked.wait(),
        Err(AskError::Handler(RecvError::Closed))
    ));
    assert!(matches!(
        passed.wait(),
        Err(AskError::NoReply(Some(ExitReason::Normal)))
    ));
    assert_eq!(end(&desk), ExitReason::Normal);
    assert_eq!(all(&seen), [99]);
    let dead: Vec<_> = letters.try_iter().collect();
    assert_eq!(dead.len(), 2, "{dead:?}");
    let reason = DeadReason::Ended(ExitReason::Normal);
    assert!(dead.iter().all(|it| it.reason == reason));
}

#[test]
fn a_forwarded_urgent_message_is_handled_before_what_waits_and_answers_the_asker() {
    let sys = system(2);
    let (back, seen) = desk(&sys);
    let front = Desk {
        back: Some(back.clone()),
        ..Desk::default()
    };
    let front = sys.spawn(front).unwrap();
    let (entered, release) = (Flag::new(), Flag::new());
    back.tell().hold(entered.clone(), release.clone()).unwrap();
    entered.wait();
    for n in 0..10 {
        back.tell().note(n).unwrap();
    }
    let asked = front.request().count_back();
    until(|| back.queued() == 11);
    release.raise();
    assert_eq!(asked.wait().unwrap(), 0);
    until(|| all(&seen).len() == 10);
}

#[test]
fn a_kill_accounts_for_stash_timers_links_and_debts_at_once() {
    let sys = system(2);
    let letters = sys.dead_letters();
    let ((desk, seen), (peer, told)) = (desk(&sys), desk(&sys));
    let alive = Arc::new(AtomicUsize::new(0));
    peer.ask().trap().unwrap();
    desk.ask().link(peer.clone()).unwrap();
    desk.after(LIMIT).carry(Counted::new(&alive));
    let owed = desk.request().owe();
    let stashed = [1, 2].map(|n| desk.request().put_away(n));
    desk.tell().put_away(3).unwrap();
    let (entered, release) = (Flag::new(), Flag::new());
    let held = desk.request().hold(entered.clone(), release);
    entered.wait();
    let queued = desk.request().count();
    desk.tell().note(1).unwrap();
    desk.tell().urgent(2).unwrap();
    desk.kill();
    assert_eq!(end(&desk), ExitReason::Killed);
    let killed = |why| assert_eq!(why, Some(ExitReason::Killed));
    for asked in stashed.into_iter().chain([owed, queued]) {
        match asked.wait() {
            Err(AskError::NoReply(why)) => killed(why),
            other => panic!("{other:?}"),
        }
    }
    match held.wait() {
        Err(AskError::NoReply(why)) => killed(why),
        other => panic!("{other:?}"),
    }
    // Told: one in the stash, one in each lane.
    assert_eq!(letters.try_iter().count(), 3);
    assert_eq!(alive.load(Ordering::SeqCst), 0, "the timer's message");
    assert_eq!(all(&seen), []);
    until(|| all(&told) == [1000]);
    assert!(peer.is_alive());
}

#[test]
fn the_stop_hook_of_an_actor_that_was_suspended_receives_as_any() {
    for suspended in [false, true] {
        testing::check(move |sys| {
            let seen = Seen::default();
            let lingers = Desk {
                seen: seen.clone(),
                lingers: true,
                ..Desk::default()
            };
            let desk = sys.spawn(lingers).unwrap();
            if suspended {
                desk.sys().suspend().unwrap();
            }
            desk.exit(ExitReason::Shutdown);
            microthread::sleep(secs(1)); // it waits
            desk.tell().note(7).unwrap();
            microthread::sleep(secs(1));
            assert_eq!(all(&seen), [7], "suspended: {suspended}");
            assert_eq!(desk.join(), ExitReason::Shutdown);
        });
    }
}

#[test]
fn a_timer_that_panics_in_a_receive_which_catches_it_does_not_keep_others_from_coming() {
    testing::check(|sys| {
        quiet();
        let (desk, seen) = desk(sys);
        desk.tell().wait_on_for(7).unwrap();
        desk.send_every(secs(1), || -> DeskMsg { panic!("on purpose") });
        desk.after(secs(2)).note(7);
        microthread::sleep(secs(3));
        assert_eq!(all(&seen), [7]);
    });
}

/// Receives a zero first, then the rest.
#[actor]
struct Picky(Seen);

#[actor(message = u64)]
impl Picky {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        let zero = inbox.receive(|n| if n == 0 { Ok(n) } else { Err(n) });
        self.0.lock().unwrap().extend(zero);
        while let Ok(n) = inbox.recv() {
            self.0.lock().unwrap().push(n);
        }
        Exit::Normal
    }
}

#[test]
fn an_own_stack_worker_that_is_let_go_in_a_receive_parks_and_finishes() {
    // A receive that did not park would run for ever here.
    testing::check(|sys| {
        let seen = Seen::default();
        let picky = seen.clone();
        let pool = Pool::builder(1, move |_| Picky(picky.clone()))
            .start(sys)
            .unwrap();
        let worker = pool.get(0).unwrap();
        worker.send(1).unwrap();
        microthread::sleep(secs(1)); // it has passed that
        let resizing = sys.spawn_microthread(move || pool.resize(0)).unwrap();
        microthread::sleep(secs(1)); // it has been asked to say when it has nothing left
        assert_eq!(all(&seen), []);
        worker.send(0).unwrap();
        resizing.join().unwrap().unwrap();
        assert_eq!(all(&seen), [0, 1]);
        assert!(!worker.is_alive());
    });
}

#[test]
fn timers_that_are_far_off_do_not_keep_the_memory_of_a_system_that_has_ended() {
    for ends_first in [false, true] {
        let sys = system(2);
        let events = sys.events();
        let (desk, _) = desk(&sys);
        desk.after(100 * LIMIT).note(1);
        desk.ask().count().unwrap(); // so the alarm is set
        if ends_first {
            desk.kill();
            assert_eq!(end(&desk), ExitReason::Killed);
        }
        drop((desk, sys));
        until(|| {
            while events.try_recv().is_ok() {}
            events
                .try_recv()
                .is_err_and(|error| error.is_disconnected())
        });
    }
}
