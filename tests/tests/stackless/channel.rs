//! Section 5: the channel, and the channel's part of section 6. `Sender` and `Receiver` together are what a channel is there.

use std::cell::RefCell;
use std::rc::Rc;
use std::thread;

use actor_core::channel::{
    Preference, Receiver, RecvError, SendError, Sender, TryRecvError, TrySendError, rendezvous,
};
use actor_core::local::{RunError, Scheduler, current, schedule, spawn, switch_trap};
use actor_core::microthread::Interrupt;
use actor_core::{channel, select};
use tests::within;

use crate::{LIMIT, Log, stepper};

#[test]
fn the_balance_counts_senders_or_receivers() {
    let sched = Scheduler::new();
    let (tx, rx) = rendezvous();
    for n in 0..3 {
        let tx = tx.clone();
        sched.spawn(move || tx.send(n).unwrap());
    }
    sched.run().unwrap();
    assert_eq!((tx.balance(), rx.balance()), (3, 3));
    sched
        .main({
            let rx = rx.clone();
            move || (0..3).for_each(|n| assert_eq!(rx.recv(), Ok(n)))
        })
        .unwrap();
    assert_eq!(rx.balance(), 0);
    for _ in 0..2 {
        let rx = rx.clone();
        sched.spawn(move || rx.recv().map(drop));
    }
    sched.run().unwrap();
    assert_eq!(tx.balance(), -2);
}

#[test]
fn waiters_are_served_first_come_first_served() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let (tx, rx) = rendezvous();
    for name in ["a", "b", "c"] {
        let (rx, log) = (rx.clone(), log.clone());
        sched.spawn(move || log.add(format!("{name}{}", rx.recv().unwrap())));
    }
    sched.spawn(move || (0..3).for_each(|n| tx.send(n).unwrap()));
    sched.run().unwrap();
    log.is("a0 b1 c2");
}

#[test]
fn without_a_partner_the_caller_is_blocked_and_the_next_runs() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let (tx, rx) = rendezvous::<()>();
    let receiver = sched.spawn(move || rx.recv());
    stepper(&sched, &log, "b");
    sched.run().unwrap();
    assert!(receiver.is_blocked());
    log.is("b0 b1");
    drop(tx);
    sched.run().unwrap();
    assert_eq!(receiver.join().unwrap(), Err(RecvError::Disconnected));
}

#[test]
fn an_error_that_is_sent_is_raised_at_the_receiver() {
    let sched = Scheduler::new();
    let (tx, rx) = rendezvous::<()>();
    let receiver = sched.spawn(move || rx.recv());
    sched.spawn(move || tx.send_error("sent").unwrap());
    sched.run().unwrap();
    match receiver.join().unwrap() {
        Err(RecvError::Thrown(error)) => assert_eq!(error.get().to_string(), "sent"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_error_that_is_sent_and_not_caught_surfaces_in_run() {
    let sched = Scheduler::new();
    let (tx, rx) = rendezvous::<()>();
    sched.spawn(move || rx.recv().unwrap());
    sched.spawn(move || tx.send_error("sent").unwrap());
    match sched.run() {
        Err(RunError::Uncaught(uncaught)) => assert!(uncaught.to_string().contains("sent")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn send_all_returns_the_count() {
    let sched = Scheduler::new();
    let (tx, rx) = rendezvous();
    let sender = sched.spawn(move || tx.send_all(0..5));
    let receiver = sched.spawn(move || rx.iter().sum::<i32>());
    sched.run().unwrap();
    assert_eq!(sender.join().unwrap(), Ok(5));
    assert_eq!(receiver.join().unwrap(), 10);
}

#[test]
fn iteration_ends_with_an_error_that_is_sent() {
    let sched = Scheduler::new();
    let (tx, rx) = rendezvous();
    sched.spawn(move || {
        tx.send(1).unwrap();
        tx.send_error("stop").unwrap();
        assert_eq!(tx.send(2), Err(SendError::Disconnected(2)));
    });
    let all = sched.spawn(move || {
        let mut iter = rx.iter();
        let all: Vec<i32> = iter.by_ref().collect();
        assert!(matches!(iter.error(), Some(RecvError::Thrown(_))));
        all
    });
    sched.run().unwrap();
    assert_eq!(all.join().unwrap(), [1]);
}

#[test]
fn iteration_ends_when_it_is_closed_and_empty() {
    let sched = Scheduler::new();
    let (tx, rx) = rendezvous();
    let sender = sched.spawn({
        let tx = tx.clone();
        move || tx.send(1)
    });
    sched.run().unwrap();
    tx.close();
    let all = sched.spawn(move || {
        let mut iter = rx.iter();
        let all: Vec<i32> = iter.by_ref().collect();
        assert_eq!(iter.error(), Some(&RecvError::Closed));
        all
    });
    sched.run().unwrap();
    assert_eq!(all.join().unwrap(), [1]);
    assert_eq!(
        sender.join().unwrap(),
        Ok(()),
        "who waits can still be served"
    );
}

#[test]
fn a_closed_channel_lets_nobody_wait() {
    let (tx, rx) = rendezvous();
    tx.close();
    assert!(rx.is_closing() && rx.is_closed());
    assert_eq!(tx.send(1), Err(SendError::Closed(1)));
    assert_eq!(rx.recv(), Err(RecvError::Closed));
}

#[test]
fn closing_wakes_nobody_and_it_is_closed_when_empty() {
    let sched = Scheduler::new();
    let (tx, rx) = rendezvous();
    let receiver = sched.spawn({
        let rx = rx.clone();
        move || rx.recv()
    });
    sched.run().unwrap();
    tx.close();
    assert!(tx.is_closing() && !tx.is_closed());
    sched.run().unwrap();
    assert!(receiver.is_blocked());
    tx.send(1).unwrap(); // a partner waits
    assert!(tx.is_closed());
    sched.run().unwrap();
    assert_eq!(receiver.join().unwrap(), Ok(1));
}

#[test]
fn open_takes_a_close_back() {
    let sched = Scheduler::new();
    let (tx, rx) = rendezvous();
    rx.close();
    rx.reopen();
    assert!(!tx.is_closing());
    let sender = sched.spawn(move || tx.send(1));
    sched.run().unwrap();
    assert!(sender.is_blocked());
    assert_eq!(rx.try_recv(), Ok(1));
    sched.run().unwrap();
    assert_eq!(sender.join().unwrap(), Ok(()));
}

#[test]
fn a_block_trap_refuses_what_would_block_and_nothing_else() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let (tx, rx) = rendezvous();
    stepper(&sched, &log, "a");
    sched
        .main(move || {
            let me = current().unwrap();
            me.set_block_trap(true);
            let trapped = Interrupt::BlockTrap;
            assert_eq!(rx.recv(), Err(RecvError::Interrupted(trapped.clone())));
            assert_eq!(tx.send(1), Err(SendError::Interrupted(1, trapped)));
            assert_eq!(tx.balance(), 0);
            me.set_block_trap(false);
            let sender = spawn({
                let tx = tx.clone();
                move || tx.send(2)
            });
            schedule().unwrap();
            schedule().unwrap();
            me.set_block_trap(true);
            assert_eq!(rx.recv(), Ok(2), "a partner waits");
            me.set_block_trap(false);
            sender.join().unwrap().unwrap();
        })
        .unwrap();
}

#[test]
fn a_switch_trap_refuses_a_hand_over_and_leaves_everything() {
    let sched = Scheduler::new();
    let (tx, rx) = rendezvous();
    let receiver = sched.spawn(move || rx.recv());
    sched
        .main(move || {
            schedule().unwrap();
            let sent = switch_trap(|| tx.send(1));
            assert_eq!(sent, Err(SendError::Interrupted(1, Interrupt::SwitchTrap)));
            let tried = switch_trap(|| tx.try_send(1));
            assert_eq!(
                tried,
                Err(TrySendError::Interrupted(1, Interrupt::SwitchTrap))
            );
            assert_eq!(tx.balance(), -1);
            tx.set_preference(Preference::Neither);
            switch_trap(|| tx.send(2)).unwrap(); // no switch
        })
        .unwrap();
    sched.run().unwrap();
    assert_eq!(receiver.join().unwrap(), Ok(2));
}

const DEADLOCK: RecvError = RecvError::Interrupted(Interrupt::Deadlock);

#[test]
fn the_last_that_could_run_gets_the_deadlock_and_may_go_on() {
    let sched = Scheduler::new();
    let (tx, rx) = rendezvous::<i32>();
    let blocked = sched.spawn({
        let rx = rx.clone();
        move || rx.recv()
    });
    sched
        .main({
            let (tx, rx) = (tx.clone(), rx.clone());
            move || {
                schedule().unwrap();
                assert_eq!(rx.recv(), Err(DEADLOCK));
                assert_eq!(rx.balance(), -1, "as if it had not tried");
                tx.send(5).unwrap();
            }
        })
        .unwrap();
    assert_eq!(blocked.join().unwrap(), Ok(5));
}

#[test]
fn main_is_told_when_the_last_other_ends() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let (tx, rx) = rendezvous::<()>();
    stepper(&sched, &log, "a");
    let received = sched.main(move || (rx.recv(), rx.balance())).unwrap();
    assert_eq!(received, (Err(DEADLOCK), 0));
    log.is("a0 a1");
    drop(tx);
}

#[test]
fn main_is_told_that_nobody_receives_either() {
    let sched = Scheduler::new();
    let (tx, rx) = rendezvous();
    let sent = sched.main(move || tx.send(1)).unwrap();
    assert_eq!(sent, Err(SendError::Interrupted(1, Interrupt::Deadlock)));
    drop(rx);
}

#[test]
fn those_left_blocked_under_run_are_no_error() {
    let sched = Scheduler::new();
    let (_tx, rx) = rendezvous::<()>();
    let left = sched.spawn(move || rx.recv());
    assert_eq!(sched.run(), Ok(()));
    assert!(left.is_blocked());
}

#[test]
fn another_thread_may_be_waited_for() {
    within(LIMIT, || {
        let sched = Scheduler::builder().wait_for_threads().build();
        let (tx, rx) = rendezvous();
        let sender = thread::spawn(move || tx.send(7));
        let received = sched.main(move || rx.recv()).unwrap();
        assert_eq!(received, Ok(7));
        sender.join().unwrap().unwrap();
    });
}

#[test]
fn completing_with_a_waiter_of_another_thread_lets_the_caller_go_on() {
    within(LIMIT, || {
        let (tx, rx) = rendezvous();
        let receiver = thread::spawn(move || rx.recv());
        while tx.balance() == 0 {
            thread::yield_now();
        }
        let (sched, log) = (Scheduler::new(), Log::new());
        sched.spawn({
            let log = log.clone();
            move || {
                tx.send(1).unwrap();
                log.add("sent");
            }
        });
        stepper(&sched, &log, "a");
        sched.run().unwrap();
        log.is("sent a0 a1");
        assert_eq!(receiver.join().unwrap(), Ok(1));
    });
}

#[test]
fn who_waits_gets_disconnected_when_the_other_side_is_gone() {
    let sched = Scheduler::new();
    let (tx, rx) = rendezvous::<i32>();
    let sender = sched.spawn(move || tx.send(1));
    sched.run().unwrap();
    drop(rx);
    sched.run().unwrap();
    assert_eq!(sender.join().unwrap(), Err(SendError::Disconnected(1)));
}

#[test]
fn a_blocked_one_that_is_killed_leaves_the_channel() {
    let sched = Scheduler::new();
    let (tx, rx) = rendezvous::<i32>();
    let receiver = sched.spawn(move || rx.recv());
    let kept = tx.clone();
    sched.run().unwrap();
    assert_eq!(tx.balance(), -1);
    receiver.kill();
    sched.run().unwrap();
    assert_eq!(kept.balance(), 0);
    assert_eq!(tx.try_send(1), Err(TrySendError::Disconnected(1)));
}

type Seen = Rc<RefCell<Vec<(String, bool, bool)>>>;

/// What the hook sees while one receives, and then another sends.
fn watched(sched: &Scheduler) -> Seen {
    let seen = Seen::default();
    sched.set_channel_hook(Some(Rc::new({
        let seen = seen.clone();
        move |event| {
            let name = event.tasklet().name().unwrap_or_default().to_owned();
            seen.borrow_mut()
                .push((name, event.is_sending(), event.will_block()));
        }
    })));
    seen
}

#[test]
fn the_channel_hook_is_told_before_the_transfer() {
    let sched = Scheduler::new();
    let seen = watched(&sched);
    let (tx, rx) = rendezvous();
    sched.tasklet().name("r").spawn(move || rx.recv().unwrap());
    sched.tasklet().name("s").spawn(move || tx.send(1).unwrap());
    sched.run().unwrap();
    let expected = [("r", false, true), ("s", true, false)];
    let expected = expected.map(|(name, sends, blocks)| (name.to_owned(), sends, blocks));
    assert_eq!(*seen.borrow(), expected);
}

#[test]
fn the_channel_hook_is_told_of_channels_with_room_too() {
    let sched = Scheduler::new();
    let seen = watched(&sched);
    let (tx, rx) = channel::bounded(1);
    sched.tasklet().name("s").spawn(move || {
        tx.send(1).unwrap();
        tx.send(2).unwrap();
    });
    sched.tasklet().name("r").spawn(move || rx.recv().unwrap());
    sched.run().unwrap();
    let expected = [("s", true, false), ("s", true, true), ("r", false, false)];
    let expected = expected.map(|(name, sends, blocks)| (name.to_owned(), sends, blocks));
    assert_eq!(*seen.borrow(), expected);
}

#[test]
fn a_channel_is_refused_inside_a_hook() {
    let sched = Scheduler::new();
    let (tx, rx): (Sender<i32>, Receiver<i32>) = channel::unbounded();
    tx.send(0).unwrap();
    let refused = Rc::new(RefCell::new(Vec::new()));
    sched.set_channel_hook(Some(Rc::new({
        let (tx, rx, refused) = (tx.clone(), rx.clone(), refused.clone());
        move |_| {
            let trap = Interrupt::SwitchTrap;
            assert_eq!(tx.send(1), Err(SendError::Interrupted(1, trap.clone())));
            assert_eq!(rx.try_recv(), Err(TryRecvError::Interrupted(trap.clone())));
            let selected = select! { recv(&rx) -> received => received, default => Ok(7) };
            assert_eq!(selected, Err(RecvError::Interrupted(trap)));
            refused.borrow_mut().push("all");
        }
    })));
    let receiver = sched.spawn(move || rx.recv());
    sched.run().unwrap();
    assert_eq!(receiver.join().unwrap(), Ok(0));
    assert_eq!(*refused.borrow(), ["all"]);
}

/// The same choices each time, and every channel gets its turn.
#[test]
fn a_select_on_a_local_scheduler_is_fair_and_repeatable() {
    let run = || {
        let sched = Scheduler::new();
        sched
            .main(|| {
                let channels: [_; 2] = std::array::from_fn(|_| channel::unbounded());
                for (tx, _) in &channels {
                    tx.send_all(0..100).unwrap();
                }
                let [(_a, a), (_b, b)] = channels;
                (0..100)
                    .map(|_| {
                        select! {
                            recv(&a) -> _ => 'a',
                            recv(&b) -> _ => 'b',
                        }
                    })
                    .collect::<String>()
            })
            .unwrap()
    };
    let once = run();
    assert_eq!(once, run());
    let ones = once.matches('a').count();
    assert!((20..=80).contains(&ones), "{once}");
}
