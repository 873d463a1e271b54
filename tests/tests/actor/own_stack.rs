//! Actors with a `run` body.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{RecvError, TryRecvError, microthread};

use super::support::*;

/// What a [`Body`] does with its life.
type Life = Box<dyn FnOnce(Inbox<Body>) -> Exit + Send>;

/// An actor whose body is the test's.
#[actor]
pub struct Body(Life);

#[actor(message = u64)]
impl Body {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        (self.0)(inbox)
    }
}

fn body(sys: &System, life: impl FnOnce(Inbox<Body>) -> Exit + Send + 'static) -> Addr<Body> {
    sys.spawn(Body(Box::new(life))).unwrap()
}

#[test]
fn receives_in_order_and_ends_by_returning() {
    let sys = system(1);
    for (exit, reason) in [
        (Exit::Normal, ExitReason::Normal),
        (Exit::Shutdown, ExitReason::Shutdown),
        (Exit::failed("full"), ExitReason::failed("full")),
    ] {
        let addr = body(&sys, |inbox| {
            let all: Vec<u64> = (0..4).map(|_| inbox.recv().unwrap()).collect();
            assert_eq!(all, [1, 2, 3, 4]);
            exit
        });
        for n in 1..=4 {
            addr.send(n).unwrap();
        }
        assert_eq!(end(&addr), reason);
    }
}

#[test]
fn receives_with_and_without_a_deadline() {
    let sys = system(1);
    let (looked, sent) = (Flag::new(), Flag::new());
    let (tell, wait) = (looked.clone(), sent.clone());
    let addr = body(&sys, move |inbox| {
        assert_eq!(inbox.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(
            inbox.recv_timeout(Duration::from_millis(1)),
            Err(TryRecvError::Empty)
        );
        assert!(inbox.is_empty());
        tell.raise();
        wait.wait();
        assert_eq!(inbox.len(), 3);
        assert_eq!(inbox.try_recv(), Ok(1));
        assert_eq!(inbox.recv_timeout(Duration::ZERO), Ok(2));
        assert_eq!(inbox.recv_timeout(LIMIT), Ok(3));
        assert_eq!(inbox.recv_timeout(LIMIT), Ok(4));
        Exit::Normal
    });
    looked.wait();
    for n in 1..=3 {
        addr.send(n).unwrap();
    }
    sent.raise();
    until(|| addr.queued() == 0);
    addr.send(4).unwrap();
    assert_eq!(end(&addr), ExitReason::Normal);
}

#[test]
fn stop_closes_the_inbox_and_what_is_queued_is_dead_letters() {
    let sys = system(1);
    let events = sys.events();
    let (entered, go) = (Flag::new(), Flag::new());
    let (inside, wait) = (entered.clone(), go.clone());
    let addr = body(&sys, move |inbox| {
        inside.raise();
        wait.wait();
        assert_eq!(inbox.recv(), Err(RecvError::Closed));
        assert_eq!(inbox.try_recv(), Err(TryRecvError::Closed));
        assert_eq!(inbox.recv_timeout(LIMIT), Err(TryRecvError::Closed));
        Exit::failed("its own word")
    });
    entered.wait();
    for n in 0..3 {
        addr.send(n).unwrap();
    }
    addr.stop();
    go.raise();
    assert_eq!(end(&addr), ExitReason::failed("its own word"));
    assert_eq!(dead_letters(&events, addr.id()), 3);
}

#[test]
fn a_stop_wakes_a_body_that_waits() {
    let sys = system(1);
    for timeout in [None, Some(LIMIT)] {
        let entered = Flag::new();
        let inside = entered.clone();
        let addr = body(&sys, move |inbox| {
            inside.raise();
            let closed = match timeout {
                None => inbox.recv() == Err(RecvError::Closed),
                Some(limit) => inbox.recv_timeout(limit) == Err(TryRecvError::Closed),
            };
            if closed { Exit::Shutdown } else { Exit::Normal }
        });
        entered.wait();
        addr.stop();
        assert_eq!(end(&addr), ExitReason::Shutdown);
    }
}

#[test]
fn returning_early_leaves_dead_letters_and_wakes_waiting_senders() {
    let sys = system(1);
    let events = sys.events();
    let (entered, go) = (Flag::new(), Flag::new());
    let (inside, wait) = (entered.clone(), go.clone());
    let addr = body(&sys, move |_| {
        inside.raise();
        wait.wait();
        Exit::Normal
    });
    entered.wait();
    addr.send(1).unwrap();
    addr.send(2).unwrap();
    go.raise();
    assert_eq!(dead_letters(&events, addr.id()), 2);
    assert_eq!(end(&addr), ExitReason::Normal);
    assert!(matches!(addr.send(3), Err(TellError::Closed(3))));

    let brief = sys.spawn(Brief).unwrap();
    let refused = (0..).find_map(|n| brief.send(n).err());
    assert!(refused.unwrap().is_closed());
}

/// Takes three messages, two at a time at most.
#[actor(mailbox = 2)]
pub struct Brief;

#[actor(message = u64)]
impl Brief {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        for n in 0..3 {
            assert_eq!(inbox.recv(), Ok(n));
        }
        Exit::Normal
    }
}

#[test]
fn a_kill_unwinds_the_body() {
    let sys = system(1);
    let alive = Arc::default();
    for waits in [
        (|_| microthread::sleep(LIMIT)) as fn(&Inbox<Body>),
        |inbox| _ = inbox.system().spawn(Probe::default()).unwrap().join(),
        |inbox| {
            while inbox.try_recv().is_err() {
                microthread::yield_now();
            }
        },
    ] {
        let (entered, inside) = (Flag::new(), Counted::new(&alive));
        let tell = entered.clone();
        let addr = body(&sys, move |inbox| {
            let _unwound = inside;
            tell.raise();
            waits(&inbox);
            unreachable!("killed before");
        });
        entered.wait();
        addr.kill();
        assert_eq!(end(&addr), ExitReason::Killed);
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }
    until(|| sys.stats().stacks_in_use == 0);
}

#[test]
fn a_body_killed_before_it_starts_never_does() {
    let sys = system(1);
    let holder = sys.spawn(Probe::default()).unwrap();
    let killed = holder.request().perform(Box::new(|probe, cx| {
        let addr = body(&cx.system(), |_| unreachable!("never started"));
        addr.kill();
        let killed = u64::from(addr.join() == ExitReason::Killed);
        probe.note(killed);
        killed
    }));
    assert_eq!(killed.wait().unwrap(), 1);
    until(|| sys.stats().stacks_in_use == 0);
}

#[test]
fn a_panic_in_the_body_ends_the_actor_alone() {
    let sys = system(1);
    let addr = body(&sys, |inbox| panic!("got {}", inbox.recv().unwrap()));
    addr.send(7).unwrap();
    assert_eq!(end(&addr), ExitReason::Panicked("got 7".into()));
    sys.spawn(Probe::default()).unwrap().ask().note(1).unwrap();
}

thread_local! {
    static STASH: RefCell<Option<Inbox<Body>>> = const { RefCell::new(None) };
}

/// The answers that an inbox gives to somebody it does not belong to.
fn strange(inbox: &Inbox<Body>) -> bool {
    inbox.recv() == Err(RecvError::NotOwner)
        && inbox.try_recv() == Err(TryRecvError::NotOwner)
        && inbox.recv_timeout(Duration::ZERO) == Err(TryRecvError::NotOwner)
}

#[test]
fn nobody_else_receives_from_an_inbox_stashed_in_a_thread_local() {
    let sys = system(1);
    let (stashed, go) = (Flag::new(), Flag::new());
    let (tell, wait) = (stashed.clone(), go.clone());
    let addr = body(&sys, move |inbox| {
        STASH.set(Some(inbox));
        tell.raise();
        wait.wait();
        let inbox = STASH.take().unwrap();
        assert_eq!(inbox.recv(), Ok(7), "its owner still receives");
        STASH.set(Some(inbox));
        Exit::Normal
    });
    stashed.wait();
    addr.send(7).unwrap();
    // On the same worker, there being one: while the owner lives, and when it is gone.
    let look = || {
        let strange = STASH.with_borrow(|inbox| strange(inbox.as_ref().unwrap()));
        u64::from(strange)
    };
    let micro = || sys.spawn_microthread(look).unwrap().join().unwrap();
    let probe = sys.spawn(Probe::default()).unwrap();
    let handler = || probe.ask().perform(Box::new(move |_, _| look())).unwrap();
    let other = || {
        let (tell, told) = mpsc::channel();
        let other = body(&sys, move |_| {
            tell.send(look()).unwrap();
            Exit::Normal
        });
        end(&other);
        told.recv().unwrap()
    };
    assert_eq!((micro(), handler(), other()), (1, 1, 1));
    go.raise();
    end(&addr);
    assert_eq!((micro(), handler(), other()), (1, 1, 1));
    let unstash = || drop(STASH.take());
    sys.spawn_microthread(unstash).unwrap().join().unwrap();
}

#[test]
fn a_body_knows_its_address_and_its_system() {
    let sys = system(1);
    let (tell, told) = mpsc::channel();
    let addr = body(&sys, move |inbox| {
        let probe = inbox.system().spawn(Probe::default()).unwrap();
        tell.send((inbox.addr(), probe)).unwrap();
        Exit::Normal
    });
    let (own, probe) = told.recv().unwrap();
    assert_eq!(own, addr);
    probe.ask().note(1).unwrap();
}

#[test]
fn a_body_may_have_a_start_hook() {
    let sys = system(1);
    let hooked = sys.spawn(Hooked(1)).unwrap();
    hooked.send(5).unwrap();
    assert_eq!(end(&hooked), ExitReason::failed(16));
    assert!(matches!(sys.spawn(Hooked(0)), Err(SpawnError::Start(_))));
    until(|| sys.stats().stacks_in_use == 0);
}

#[actor]
pub struct Hooked(u64);

#[actor(message = u64)]
impl Hooked {
    #[on_start]
    fn start(&mut self) -> Result<(), &'static str> {
        self.0 += 10;
        if self.0 == 10 { Err("nothing") } else { Ok(()) }
    }

    fn run(self, inbox: Inbox<Self>) -> Exit {
        Exit::failed(self.0 + inbox.recv().unwrap())
    }
}

#[test]
fn a_body_takes_a_stack_from_the_limit_for_its_whole_life() {
    quiet();
    let sys = System::builder().workers(1).max_stacks(1).build().unwrap();
    let first = body(&sys, |inbox| {
        let _ = inbox.recv();
        Exit::Normal
    });
    let second = sys.spawn(Body(Box::new(|_| Exit::Normal)));
    assert!(matches!(second, Err(SpawnError::StackLimit { limit: 1 })));
    sys.spawn(Probe::default()).unwrap().ask().note(1).unwrap();
    first.stop();
    end(&first);
    until(|| sys.stats().stacks_in_use == 0);
    end(&body(&sys, |_| Exit::Normal));
}

#[test]
fn every_message_wakes_a_body_that_sleeps_in_between() {
    const MESSAGES: u64 = 3_000;
    let sys = system(2);
    let addr = body(&sys, |inbox| {
        for n in 0..MESSAGES {
            // Now by deadline, now without: the mailbox goes idle, and wakes, in all the ways it can.
            let got = match n % 3 {
                0 => inbox.recv().unwrap(),
                1 => loop {
                    match inbox.recv_timeout(Duration::from_micros(1)) {
                        Ok(got) => break got,
                        Err(TryRecvError::Empty) => {}
                        Err(other) => panic!("{other}"),
                    }
                },
                _ => loop {
                    match inbox.try_recv() {
                        Ok(got) => break got,
                        Err(_) => microthread::yield_now(),
                    }
                },
            };
            assert_eq!(got, n);
        }
        Exit::Normal
    });
    for n in 0..MESSAGES {
        addr.send(n).unwrap();
        if n.is_multiple_of(7) {
            until(|| addr.queued() == 0);
        }
    }
    assert_eq!(end(&addr), ExitReason::Normal);
}

#[test]
fn senders_race_with_the_end_of_a_body() {
    const LIVES: usize = 3_000;
    let sys = system(2);
    let (give, given) = mpsc::channel::<Addr<Body>>();
    let sender = thread::spawn(move || {
        for addr in given {
            while addr.send(1).is_ok() {}
        }
    });
    for life in 0..LIVES {
        let addr = body(&sys, move |inbox| {
            for _ in 0..life % 7 {
                let _ = inbox.recv_timeout(Duration::ZERO);
            }
            if life % 2 == 0 {
                let _ = inbox.recv_timeout(Duration::from_micros(10));
            }
            Exit::Normal
        });
        give.send(addr.clone()).unwrap();
        if life % 3 == 0 {
            addr.kill();
        }
        end(&addr);
    }
    drop(give);
    sender.join().unwrap();
    assert!(sys.shutdown(LIMIT).unwrap().is_clean());
}

#[test]
fn a_kill_ends_a_body_that_receives_or_never_runs_out_of_messages() {
    let sys = system(1);
    for receive in [
        (|inbox| inbox.recv().is_ok()) as fn(&Inbox<Body>) -> bool,
        |inbox| inbox.recv_timeout(LIMIT).is_ok(),
    ] {
        for full in [false, true] {
            let entered = Flag::new();
            let tell = entered.clone();
            let addr = body(&sys, move |inbox| {
                tell.raise();
                let own = inbox.addr();
                loop {
                    if full {
                        own.send(1).unwrap();
                    }
                    assert!(receive(&inbox), "killed before");
                }
            });
            entered.wait();
            addr.kill();
            assert_eq!(end(&addr), ExitReason::Killed);
        }
    }
}

#[test]
fn a_destructor_that_receives_while_a_kill_unwinds_it_finds_the_inbox_closed() {
    struct Last(Inbox<Body>, mpsc::Sender<Result<u64, RecvError>>);
    impl Drop for Last {
        fn drop(&mut self) {
            self.1.send(self.0.recv()).unwrap();
        }
    }
    let sys = system(1);
    let entered = Flag::new();
    let (inside, (tell, told)) = (entered.clone(), mpsc::channel());
    let addr = body(&sys, move |inbox| {
        let _last = Last(inbox, tell);
        inside.raise();
        microthread::sleep(LIMIT);
        Exit::Normal
    });
    entered.wait();
    addr.kill();
    assert_eq!(end(&addr), ExitReason::Killed);
    assert_eq!(told.recv().unwrap(), Err(RecvError::Closed));
}

/// A message that, when it is dropped, receives from the inbox in the thread-local.
pub struct Snoop(mpsc::Sender<Result<(), RecvError>>);

impl Drop for Snoop {
    fn drop(&mut self) {
        let received = SNOOPED.with_borrow(|inbox| inbox.as_ref().map(|it| it.recv().map(drop)));
        let _ = self.0.send(received.unwrap_or(Ok(())));
    }
}

thread_local! {
    static SNOOPED: RefCell<Option<Inbox<Snooped>>> = const { RefCell::new(None) };
}

#[actor]
pub struct Snooped(Flag, Flag);

#[actor(message = Snoop)]
impl Snooped {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        SNOOPED.set(Some(inbox));
        self.0.raise();
        self.1.wait();
        Exit::Normal
    }
}

#[test]
fn a_destructor_of_a_dead_letter_finds_the_inbox_closed() {
    let sys = system(1);
    let (entered, go) = (Flag::new(), Flag::new());
    let snooped = sys.spawn(Snooped(entered.clone(), go.clone())).unwrap();
    entered.wait();
    let (tell, told) = mpsc::channel();
    for _ in 0..3 {
        snooped.send(Snoop(tell.clone())).unwrap();
    }
    go.raise();
    for _ in 0..3 {
        let received = told.recv_timeout(LIMIT).expect("it does not wait");
        assert_eq!(received, Err(RecvError::Closed));
    }
    end(&snooped);
    let unstash = || drop(SNOOPED.take());
    sys.spawn_microthread(unstash).unwrap().join().unwrap();
}
