//! Schedulers that share a thread, a scheduler's end, and what is done to one in an odd place.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use actor_core::channel::{self, Preference};
use actor_core::local::{RemoteTasklet, Scheduler, StateError, Tasklet, schedule, switch_trap};
use actor_core::microthread::{self, Interrupt, JoinError};
use actor_core::microthread_local;
use tests::{Gate, child, one_worker, within};

use crate::{LIMIT, Log, OnDrop, Signal, assert_killed};

/// More than a test takes.
const LONG: Duration = Duration::from_secs(24 * 3600);

#[test]
fn what_a_neighbour_gives_to_a_scheduler_that_waits_wakes_it() {
    within(LIMIT, || {
        let (outer, inner) = (Scheduler::new(), Rc::new(Scheduler::new()));
        let sleeper = inner.spawn(|| microthread::sleep(LONG));
        let driver = inner.clone();
        let drives = outer.spawn(move || driver.run_until_idle());
        outer.spawn(move || {
            assert!(sleeper.is_blocked(), "its scheduler waits");
            assert_eq!(inner.spawn(|| 5).join().unwrap(), 5);
            let paused = inner.bind(|| 6);
            paused.insert().unwrap();
            assert_eq!(paused.join().unwrap(), 6);
            sleeper.kill();
            assert_killed(sleeper.join());
        });
        outer.run_until_idle().unwrap();
        drives.join().unwrap().unwrap();
    });
}

#[test]
fn the_end_of_what_a_scheduler_is_driven_for_ends_its_wait() {
    within(LIMIT, || {
        let (outer, inner) = (Scheduler::new(), Rc::new(Scheduler::new()));
        let sleeper = inner.spawn(|| microthread::sleep(LONG));
        let paused = inner.bind(|| ());
        let handle = paused.handle();
        let joins = outer.spawn(move || paused.join());
        outer.spawn(move || {
            assert!(sleeper.is_blocked(), "its scheduler waits");
            handle.kill();
        });
        outer.run_until_idle().unwrap();
        assert_killed(joins.join().unwrap());
    });
}

#[test]
fn an_order_for_what_has_moved_to_another_scheduler_is_for_that_one() {
    let (one, other) = (Scheduler::new(), Scheduler::new());
    let moved = other.bind(|| 0);
    drop(moved);
    let blocked = one.spawn({
        let signal = Signal::new();
        move || signal.wait()
    });
    one.run().unwrap();
    assert!(blocked.is_blocked());
    let _first = other.spawn(|| ());
    let moves = one.bind(|| 1);
    let remote = moves.remote().unwrap();
    moves.bind_to(&other).unwrap();
    remote.run_next().unwrap();
    one.run().unwrap();
    assert!(blocked.is_blocked());
    assert!(moves.is_scheduled());
    assert_eq!((one.run_count(), other.run_count()), (0, 2));
    assert_eq!(moves.join().unwrap(), 1);
    assert_eq!(other.run_count(), 1, "it was next");
}

#[test]
fn a_destructor_at_the_end_of_a_scheduler_in_a_microthread_does_not_wait_for_it() {
    /// Joins another when it is dropped.
    struct Joins(Option<Tasklet<()>>, Rc<Cell<bool>>);
    impl Drop for Joins {
        fn drop(&mut self) {
            let other = self.0.take().expect("dropped once");
            let joined = other.join();
            assert!(
                matches!(joined, Err(JoinError::Interrupted(Interrupt::SwitchTrap))),
                "{joined:?}"
            );
            self.1.set(true);
        }
    }
    within(LIMIT, || {
        let rt = one_worker();
        let done = rt.spawn(|| {
            let done = Rc::new(Cell::new(false));
            let sched = Scheduler::new();
            let joins = Rc::new(RefCell::new(None));
            let own = joins.clone();
            sched.spawn(move || drop(own));
            let other = sched.spawn(|| ());
            *joins.borrow_mut() = Some(Joins(Some(other), done.clone()));
            drop(joins);
            drop(sched);
            done.get()
        });
        assert!(done.unwrap().join().unwrap());
    });
}

#[test]
fn a_stack_that_is_abandoned_in_a_trap_leaves_no_trap_behind() {
    let sched = Scheduler::new();
    let lost = sched.spawn(|| switch_trap(|| tests::recurse(0)));
    assert!(sched.run().is_err());
    assert!(matches!(lost.join(), Err(JoinError::Overflowed)));
    let switches = sched.spawn(schedule);
    assert_eq!(switches.join().unwrap(), Ok(()));
}

#[test]
fn a_scheduler_in_a_thread_local_ends_with_its_thread() {
    thread_local! {
        static SCHED: Scheduler = Scheduler::new();
    }
    child!(|| {
        within(LIMIT, || {
            let (told, wait) = std::sync::mpsc::channel();
            struct Tells(std::sync::mpsc::Sender<()>);
            impl Drop for Tells {
                fn drop(&mut self) {
                    self.0.send(()).unwrap();
                }
            }
            thread::spawn(move || {
                SCHED.with(|sched| {
                    let tells = Tells(told);
                    let signal = Signal::new();
                    sched.spawn(move || {
                        let _tells = tells;
                        let _ = signal.wait();
                    });
                    sched.run().unwrap();
                });
            })
            .join()
            .unwrap();
            wait.recv().unwrap();
        });
    })
    .succeeds();
}

#[test]
fn a_future_that_meets_its_partner_does_not_switch_in_its_poll() {
    let log = Log::new();
    let sched = Scheduler::new();
    let (tx, rx) = channel::rendezvous();
    let receiver = sched.spawn({
        let log = log.clone();
        move || log.add(rx.recv().unwrap())
    });
    sched.run().unwrap();
    sched.spawn({
        let log = log.clone();
        move || {
            let mut send = pin!(tx.send_async("value"));
            let polled = send.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            log.add("polled");
            assert_eq!(polled, Poll::Ready(Ok(())));
        }
    });
    sched.run().unwrap();
    receiver.join().unwrap();
    log.is("polled value");
}

#[test]
fn who_took_a_value_and_is_killed_while_the_preferred_partner_runs_has_received_it() {
    let log = Log::new();
    let sched = Scheduler::new();
    let (tx, rx) = channel::rendezvous();
    tx.set_preference(Preference::Sender);
    let victim: Rc<RefCell<Option<Tasklet<()>>>> = Rc::default();
    let sender = sched.spawn({
        let (log, victim, tx) = (log.clone(), victim.clone(), tx.clone());
        move || {
            tx.send(OnDrop(log.clone(), "value")).unwrap();
            log.add("kills");
            victim.borrow().as_ref().unwrap().kill();
            log.add("sent");
        }
    });
    sched.run().unwrap();
    *victim.borrow_mut() = Some(sched.spawn({
        let (log, rx) = (log.clone(), rx.clone());
        move || {
            let _value = rx.recv();
            log.add("goes on");
        }
    }));
    sched.run().unwrap();
    sender.join().unwrap();
    log.is("kills value sent");
    assert!(rx.is_empty());
}

/// An error, or a closure's capture, whose destructor panics.
#[derive(Debug)]
struct Bomb;

impl std::fmt::Display for Bomb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bomb")
    }
}

impl std::error::Error for Bomb {}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in a destructor");
    }
}

#[test]
fn an_error_nobody_took_whose_destructor_panics_ends_with_its_tasklet() {
    child!(|| {
        let (sched, log) = (Scheduler::new(), Log::new());
        let tasklet = sched.spawn(|| {
            schedule().unwrap_err();
            7
        });
        tasklet.throw_pending("first").unwrap();
        sched.spawn({
            let log = log.clone();
            move || log.add("other")
        });
        let throws = sched.spawn(|| {
            let me = actor_core::local::current().unwrap();
            me.throw_pending(Bomb).unwrap();
            8
        });
        let _ = sched.run();
        assert_eq!(throws.join().unwrap(), 8);
        log.is("other");
    })
    .succeeds();
}

#[test]
fn a_hook_whose_destructor_panics_does_not_keep_a_scheduler_from_ending() {
    let log = Log::new();
    let sched = Scheduler::new();
    let on_drop = OnDrop(log.clone(), "ended");
    let waits = sched.spawn(move || {
        let _on_drop = on_drop;
        let _ = Signal::new().wait();
    });
    let remote = waits.remote().unwrap();
    sched.run().unwrap();
    let bomb = Bomb;
    sched.set_channel_hook(Some(Rc::new(move |_: &_| {
        let _ = &bomb;
    })));
    remote.throw(Bomb).unwrap();
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(sched)));
    log.is("ended");
    assert_eq!(remote.kill(), Err(StateError::NoScheduler));
    assert!(dropped.is_ok());
}

#[test]
fn what_an_error_handler_keeps_in_a_local_is_not_the_next_tasklets() {
    microthread_local! {
        static MARK: Cell<u32> = Cell::new(0);
    }
    let sched = Scheduler::new();
    sched.set_error_handler(Some(Rc::new(|_: &_| MARK.with(|mark| mark.set(7)))));
    sched.spawn(|| panic!("to be handled"));
    sched.run().unwrap();
    let next = sched.spawn(|| MARK.with(Cell::get));
    assert_eq!(next.join().unwrap(), 0);
}

#[test]
fn an_error_nobody_took_whose_destructor_panics_ends_with_its_microthread() {
    child!(|| {
        let rt = one_worker();
        let (begun, gate) = (Gate::new(), Gate::new());
        let (begins, waits) = (begun.clone(), gate.clone());
        let target = rt.spawn(move || {
            begins.open();
            waits.wait();
        });
        let target = target.unwrap();
        begun.wait();
        target.throw(Bomb).unwrap();
        drop(target);
        gate.open();
        assert_eq!(rt.spawn(|| 8).unwrap().join().unwrap(), 8);
    })
    .succeeds();
}

#[test]
fn a_result_whose_destructor_binds_its_tasklet_again_binds_it_once() {
    type Result = Box<dyn Any>;
    struct Rebinds(Weak<Tasklet<Result>>);
    impl Drop for Rebinds {
        fn drop(&mut self) {
            let tasklet = self.0.upgrade().expect("it is being bound");
            tasklet.bind(|| Box::new("by the destructor")).unwrap();
        }
    }
    let sched = Scheduler::new();
    let tasklet = Rc::new(sched.tasklet().unbound::<Result>());
    let own = Rc::downgrade(&tasklet);
    tasklet.bind(move || Box::new(Rebinds(own))).unwrap();
    tasklet.insert().unwrap();
    sched.run().unwrap();
    let bound = tasklet.bind(|| Box::new("by the test"));
    assert_eq!(bound, Err(StateError::Alive));
    assert_eq!(sched.alive(), 1);
    tasklet.insert().unwrap();
    sched.run().unwrap();
    assert_eq!(sched.alive(), 0);
    drop(sched);
    let result = Rc::into_inner(tasklet).unwrap().join().unwrap();
    assert_eq!(result.downcast_ref(), Some(&"by the destructor"));
}

#[test]
fn a_scheduler_that_is_dropped_while_other_threads_wake_its_own_ends_them_all() {
    const ROUNDS: usize = 300;
    const WAITERS: usize = 4;
    within(LIMIT, || {
        let ended = Arc::new(AtomicUsize::new(0));
        struct Counts(Arc<AtomicUsize>);
        impl Drop for Counts {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        for _ in 0..ROUNDS {
            let sched = Scheduler::new();
            let (tx, rx) = channel::rendezvous();
            let mut remotes = Vec::new();
            for _ in 0..WAITERS {
                let (rx, counts) = (rx.clone(), Counts(ended.clone()));
                let tasklet = sched.spawn(move || {
                    let _counts = counts;
                    while rx.recv().is_ok() {}
                });
                remotes.push(tasklet.remote().unwrap());
            }
            drop(rx);
            sched.run().unwrap();
            let sends = {
                let tx = tx.clone();
                thread::spawn(move || while tx.send(()).is_ok() {})
            };
            let orders =
                thread::spawn(
                    move || {
                        while remotes.iter().all(|remote| remote.run_next().is_ok()) {}
                    },
                );
            drop(sched);
            sends.join().unwrap();
            orders.join().unwrap();
            drop(tx);
        }
        assert_eq!(ended.load(Ordering::SeqCst), ROUNDS * WAITERS);
    });
}

#[test]
fn what_is_sent_to_a_tasklet_that_was_leaked_harms_nobody() {
    let (tx, rx) = channel::rendezvous();
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let sched = Scheduler::new();
        sched.spawn(move || rx.recv());
        sched.run().unwrap();
        panic!("its scheduler is dropped by this, and cannot end it");
    }));
    assert!(unwound.is_err());
    thread::scope(|scope| {
        let sends = scope.spawn(|| tx.send(1));
        assert_eq!(sends.join().unwrap(), Ok(()), "it waits for ever");
    });
    let sched = Scheduler::new();
    assert_eq!(sched.spawn(|| 5).join().unwrap(), 5);
    assert!(tx.try_send(2).is_err());
}

#[test]
fn orders_that_make_nobody_ready_do_not_keep_a_run_going() {
    /// Gives another order of its kind when it is dropped.
    #[derive(Debug)]
    struct Again(RemoteTasklet, Arc<AtomicUsize>);
    impl std::fmt::Display for Again {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("again")
        }
    }
    impl std::error::Error for Again {}
    impl Drop for Again {
        fn drop(&mut self) {
            if self.1.load(Ordering::SeqCst) == 0 {
                let again = Again(self.0.clone(), self.1.clone());
                self.0.throw(again).unwrap();
            }
        }
    }
    within(LIMIT, || {
        let sched = Scheduler::new();
        let ended = sched.spawn(|| ());
        let remote = ended.remote().unwrap();
        sched.run().unwrap();
        let enough = Arc::new(AtomicUsize::new(0));
        remote.throw(Again(remote.clone(), enough.clone())).unwrap();
        sched.run().unwrap();
        enough.store(1, Ordering::SeqCst);
    });
}

#[test]
fn a_destructor_that_blocks_where_its_tasklet_is_about_to_does_not_use_up_its_wake_up() {
    /// Wakes who is about to wait, and blocks there itself.
    struct Wakes(Signal, Rc<Cell<bool>>);
    impl Drop for Wakes {
        fn drop(&mut self) {
            self.0.send();
            let helped = Signal::new();
            let help = helped.clone();
            actor_core::local::spawn(move || help.send());
            helped.wait().unwrap();
            // While somebody can run, a wait that goes on is no deadlock.
            let ended = self.1.clone();
            actor_core::local::spawn(move || {
                for _ in 0..10 {
                    schedule().unwrap();
                }
                ended.set(true);
            });
        }
    }
    let (sched, signal) = (Scheduler::new(), Signal::new());
    let other_ended = Rc::new(Cell::new(false));
    let wakes = Wakes(signal.clone(), other_ended.clone());
    let unstarted = sched.bind(move || drop(wakes));
    let remote = unstarted.remote().unwrap();
    let ended = other_ended.clone();
    // In a run nobody would be told of a deadlock, so nobody looks for orders before a wait.
    let woken_first = sched.main(move || {
        let kills = thread::spawn(move || remote.kill().unwrap());
        kills.join().unwrap();
        signal.wait().unwrap();
        !ended.get()
    });
    assert!(!unstarted.is_alive());
    assert!(woken_first.unwrap(), "it waited until nobody else was left");
    sched.run().unwrap();
    assert!(other_ended.get());
}

#[test]
fn an_error_nobody_took_is_dropped_before_the_end_shows_where_it_may_block() {
    #[derive(Debug)]
    struct Blocks(Arc<AtomicUsize>);
    impl std::fmt::Display for Blocks {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("blocks")
        }
    }
    impl std::error::Error for Blocks {}
    impl Drop for Blocks {
        fn drop(&mut self) {
            microthread::sleep(Duration::from_millis(1));
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    within(LIMIT, || {
        let rt = one_worker();
        let (begun, gate) = (Gate::new(), Gate::new());
        let (begins, waits) = (begun.clone(), gate.clone());
        let target = rt.spawn(move || {
            begins.open();
            waits.wait();
        });
        let target = target.unwrap();
        begun.wait();
        let dropped = Arc::new(AtomicUsize::new(0));
        target.throw(Blocks(dropped.clone())).unwrap();
        gate.open();
        while !target.is_finished() {
            thread::yield_now();
        }
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        target.join().unwrap();
    });
}
