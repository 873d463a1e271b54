//! Sections 1 and 4: states, creation, kill, throw.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use actor_core::local::{
    Scheduler, StateError, Tasklet, ThrowError, current, schedule, schedule_remove, spawn,
};
use actor_core::microthread::{self, Interrupt, JoinError};
use actor_core::microthread_local;

use crate::{Log, OnDrop, Signal, assert_killed, assert_thrown};

/// alive, scheduled, blocked, paused
fn flags<T>(tasklet: &Tasklet<T>) -> [bool; 4]
where
    T: 'static,
{
    [
        tasklet.is_alive(),
        tasklet.is_scheduled(),
        tasklet.is_blocked(),
        tasklet.is_paused(),
    ]
}

#[test]
fn a_tasklet_goes_through_its_states() {
    let sched = Scheduler::new();
    let signal = Signal::new();
    let tasklet = sched.tasklet().unbound();
    assert_eq!(flags(&tasklet), [false; 4]);
    let waits = signal.clone();
    tasklet.bind(move || waits.wait().unwrap()).unwrap();
    assert_eq!(flags(&tasklet), [true, false, false, true]);
    tasklet.insert().unwrap();
    assert_eq!(flags(&tasklet), [true, true, false, false]);
    sched.run().unwrap();
    assert_eq!(flags(&tasklet), [true, true, true, false]);
    signal.send();
    sched.run().unwrap();
    assert_eq!(flags(&tasklet), [false; 4]);
}

#[test]
fn spawn_appends_to_the_end_of_the_ring_and_the_handle_may_be_dropped() {
    let (sched, log) = (Scheduler::new(), Log::new());
    for name in ["a", "b"] {
        let log = log.clone();
        drop(sched.spawn(move || log.add(name)));
    }
    assert_eq!(sched.run_count(), 2);
    sched.run().unwrap();
    log.is("a b");
}

#[test]
fn an_unbound_tasklet_is_dead_to_insert_and_run() {
    let sched = Scheduler::new();
    let tasklet: Tasklet<()> = sched.tasklet().unbound();
    assert_eq!(tasklet.insert(), Err(StateError::Dead));
    assert_eq!(tasklet.run(), Err(StateError::Dead));
    assert_eq!(tasklet.remove(), Ok(()));
}

#[test]
fn a_tasklet_that_is_alive_cannot_be_bound() {
    let sched = Scheduler::new();
    let paused = sched.bind(|| 1);
    assert_eq!(paused.bind(|| 2), Err(StateError::Alive));
    let scheduled = sched.spawn(|| 1);
    assert_eq!(scheduled.bind(|| 2), Err(StateError::Alive));
    assert_eq!(scheduled.join().unwrap(), 1);
}

#[test]
fn a_dead_tasklet_can_be_bound_and_run_again() {
    let sched = Scheduler::new();
    let tasklet = sched.spawn(|| 1);
    sched.run().unwrap();
    tasklet.bind(|| 2).unwrap();
    tasklet.insert().unwrap();
    tasklet.kill();
    tasklet.bind(|| 3).unwrap();
    tasklet.insert().unwrap();
    assert_eq!(tasklet.join().unwrap(), 3);
}

#[test]
fn a_forgotten_paused_tasklet_is_killed_and_its_destructors_run() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let started = sched.spawn({
        let log = log.clone();
        move || {
            let _on_drop = OnDrop(log, "dropped");
            schedule_remove().unwrap();
            unreachable!("nobody can insert it any more");
        }
    });
    sched.run().unwrap();
    assert!(started.is_paused());
    drop(started);
    sched.run().unwrap();
    log.is("dropped");
    assert_eq!(sched.alive(), 0);

    let unstarted = OnDrop(log.clone(), "unstarted");
    log.clear();
    drop(sched.bind(move || drop(unstarted)));
    log.is("unstarted");
    assert_eq!(sched.alive(), 0);
}

#[test]
fn a_tasklet_knows_itself() {
    let sched = Scheduler::new();
    let tasklet = sched.tasklet().name("me").spawn(|| {
        let me = current().unwrap();
        assert!(me.is_current() && !me.is_main());
        (me.id(), me.name().map(str::to_owned))
    });
    assert!(!tasklet.is_current());
    let id = tasklet.id();
    assert_eq!(tasklet.join().unwrap(), (id, Some("me".to_owned())));
    assert!(current().is_none());
}

#[test]
fn a_result_is_joined_from_inside_and_from_outside() {
    let sched = Scheduler::new();
    let outer = sched.spawn(|| spawn(|| 20).join().unwrap() + 1);
    assert_eq!(outer.join().unwrap(), 21);
}

#[test]
fn a_join_that_could_never_end_is_a_deadlock() {
    let sched = Scheduler::new();
    let signal = Signal::new();
    let waits = signal.clone();
    let never = sched.spawn(move || waits.wait());
    // From outside, where nobody can ever wake it: it is the last itself, and is told so.
    assert_eq!(never.join().unwrap(), Err(Interrupt::Deadlock));
    let paused = sched.bind(|| ());
    assert!(matches!(
        paused.join(),
        Err(JoinError::Interrupted(Interrupt::Deadlock))
    ));
}

// ---- kill ------------------------------------------------------------------------------------------------------------

#[test]
fn killing_a_tasklet_that_never_ran_does_not_run_its_body() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let (on_drop, ran) = (OnDrop(log.clone(), "dropped"), log.clone());
    let tasklet = sched.spawn(move || {
        let _on_drop = on_drop;
        ran.add("ran");
    });
    tasklet.kill();
    log.is("dropped");
    assert_eq!(sched.run_count(), 0);
    sched.run().unwrap();
    log.is("dropped");
    assert_killed(tasklet.join());
}

#[test]
fn killing_a_blocked_tasklet_takes_it_off_what_it_waits_for() {
    let (sched, log, signal) = (Scheduler::new(), Log::new(), Signal::new());
    let tasklet = sched.spawn({
        let (log, signal) = (log.clone(), signal.clone());
        move || {
            let _on_drop = OnDrop(log, "dropped");
            signal.wait().unwrap();
        }
    });
    sched.run().unwrap();
    sched
        .main({
            let (log, tasklet) = (log.clone(), tasklet.handle());
            move || {
                tasklet.kill();
                log.add("after");
                assert!(!tasklet.is_alive());
            }
        })
        .unwrap();
    log.is("dropped after");
    // Nobody took the permit on the way out.
    signal.send();
    assert_eq!(signal.0.available_permits(), 1);
    assert_killed(tasklet.join());
}

#[test]
fn killing_a_dead_tasklet_does_nothing() {
    let sched = Scheduler::new();
    let tasklet = sched.spawn(|| 7);
    sched.run().unwrap();
    tasklet.kill();
    tasklet.kill_pending();
    assert_eq!(tasklet.join().unwrap(), 7);
}

#[test]
fn killing_oneself_unwinds_at_the_call() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let tasklet = sched.spawn({
        let log = log.clone();
        move || {
            let _on_drop = OnDrop(log.clone(), "dropped");
            log.add("before");
            current().unwrap().kill();
            log.add("after");
        }
    });
    assert_killed(tasklet.join());
    log.is("before dropped");
    assert_killed(sched.spawn(|| microthread::exit()).join());
}

#[test]
fn kill_makes_its_target_current_and_kill_pending_does_not() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let target = |name| {
        let log = log.clone();
        sched.spawn(move || {
            let _on_drop = OnDrop(log, name);
            schedule_remove().unwrap();
        })
    };
    let (now, later) = (target("now"), target("later"));
    sched.run().unwrap();
    let log2 = log.clone();
    let (now, later) = (now.handle(), later.handle());
    sched.spawn(move || {
        later.kill_pending();
        log2.add("goes_on");
        now.kill();
        log2.add("came_back");
    });
    sched.run().unwrap();
    // The caller kept its place: it came after the target, which had been put at the end, and `later` after it.
    log.is("goes_on now came_back later");
}

#[test]
fn a_killed_tasklet_that_catches_the_kill_is_killed_again() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let tasklet = sched.spawn({
        let log = log.clone();
        move || {
            for _ in 0..3 {
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    loop {
                        schedule().unwrap();
                    }
                }));
                assert!(caught.is_err());
                log.add("caught");
            }
        }
    });
    sched.spawn({
        let tasklet = tasklet.handle();
        move || tasklet.kill()
    });
    tasklet.join().unwrap();
    log.is("caught caught caught");
}

#[test]
fn a_shielded_section_puts_a_kill_off() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let tasklet = sched.spawn({
        let log = log.clone();
        move || {
            microthread::shield(|| {
                schedule().unwrap();
                log.add("section");
            });
            log.add("unreachable");
        }
    });
    let handle = tasklet.handle();
    sched.spawn(move || handle.kill());
    assert_killed(tasklet.join());
    log.is("section");
}

// ---- throw -----------------------------------------------------------------------------------------------------------

#[test]
fn throw_makes_its_target_current_and_the_call_it_is_blocked_in_returns_the_error() {
    let (sched, log, signal) = (Scheduler::new(), Log::new(), Signal::new());
    let tasklet = sched.spawn({
        let (log, signal) = (log.clone(), signal.clone());
        move || {
            assert_thrown(signal.wait(), "boo");
            log.add("target");
            // It is alive, and waits again.
            signal.wait().unwrap();
        }
    });
    sched.run().unwrap();
    sched.spawn({
        let (log, tasklet) = (log.clone(), tasklet.handle());
        move || {
            tasklet.throw("boo").unwrap();
            log.add("thrower");
        }
    });
    sched.run().unwrap();
    log.is("target thrower");
    assert!(tasklet.is_blocked());
    signal.send();
    tasklet.join().unwrap();
}

#[test]
fn throw_pending_lets_the_caller_go_on() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let tasklet = sched.spawn({
        let log = log.clone();
        move || {
            assert_thrown(schedule_remove(), "one");
            // Several are delivered in order, one a call.
            assert_thrown(schedule(), "two");
            log.add("target");
        }
    });
    sched.run().unwrap();
    sched.spawn({
        let (log, tasklet) = (log.clone(), tasklet.handle());
        move || {
            tasklet.throw_pending("one").unwrap();
            tasklet.throw_pending("two").unwrap();
            assert!(tasklet.is_scheduled());
            log.add("thrower");
        }
    });
    tasklet.join().unwrap();
    log.is("thrower target");
}

#[test]
fn what_is_thrown_into_one_that_never_started_surfaces() {
    let (sched, ran) = (Scheduler::new(), Rc::new(Cell::new(false)));
    let body = |ran: &Rc<Cell<bool>>| {
        let ran = ran.clone();
        move || ran.set(true)
    };
    // At once: in the caller.
    let tasklet = sched.spawn(body(&ran));
    match tasklet.throw("boo") {
        Err(ThrowError::NotStarted(thrown)) => assert_eq!(thrown.get().to_string(), "boo"),
        other => panic!("{other:?}"),
    }
    assert!(!tasklet.is_alive());
    assert!(matches!(tasklet.join(), Err(JoinError::Thrown(_))));
    // Pending: in whoever runs the scheduler.
    let tasklet = sched.bind(body(&ran));
    tasklet.throw_pending("boo").unwrap();
    assert!(tasklet.is_scheduled());
    let error = sched.run().unwrap_err();
    assert!(error.to_string().contains("boo"), "{error}");
    assert!(matches!(tasklet.join(), Err(JoinError::Thrown(_))));
    assert!(!ran.get());
}

#[test]
fn nothing_can_be_thrown_into_a_dead_tasklet() {
    let sched = Scheduler::new();
    let tasklet = sched.spawn(|| ());
    sched.run().unwrap();
    assert!(matches!(tasklet.throw("boo"), Err(ThrowError::Dead(_))));
    assert!(matches!(
        tasklet.throw_pending("boo"),
        Err(ThrowError::Dead(_))
    ));
}

#[test]
fn what_is_thrown_while_the_wait_is_served_stays_pending() {
    let (sched, signal) = (Scheduler::new(), Signal::new());
    let tasklet = sched.spawn({
        let signal = signal.clone();
        move || {
            signal.wait().unwrap();
            assert_thrown(signal.wait(), "late");
        }
    });
    sched.run().unwrap();
    sched.spawn({
        let (tasklet, signal) = (tasklet.handle(), signal.clone());
        move || {
            signal.send();
            tasklet.throw_pending("late").unwrap();
        }
    });
    tasklet.join().unwrap();
}

#[test]
fn an_error_thrown_in_is_dropped_with_a_tasklet_that_never_looks() {
    let sched = Scheduler::new();
    let tasklet = sched.spawn(|| {
        schedule_remove().unwrap_err();
    });
    sched.run().unwrap();
    tasklet.throw_pending("one").unwrap();
    tasklet.throw_pending("two").unwrap();
    sched.run().unwrap();
    assert!(!tasklet.is_alive());
    // Bound again, it begins with none.
    tasklet.bind(|| schedule().unwrap()).unwrap();
    tasklet.insert().unwrap();
    tasklet.join().unwrap();
}

// ---- storage and the end ---------------------------------------------------------------------------------------------

microthread_local! {
    static MINE: RefCell<Option<OnDrop>> = RefCell::new(None);
}

#[test]
fn microthread_locals_belong_to_a_tasklet_and_end_with_it() {
    let (sched, log) = (Scheduler::new(), Log::new());
    for name in ["a", "b"] {
        let log = log.clone();
        sched.spawn(move || {
            MINE.with(|mine| {
                assert!(mine.borrow().is_none());
                *mine.borrow_mut() = Some(OnDrop(log.clone(), name));
            });
            schedule().unwrap();
            log.add("ends");
        });
    }
    sched.run().unwrap();
    log.is("ends a ends b");
}

#[test]
fn dropping_a_scheduler_kills_what_is_alive_in_it() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let signal = Signal::new();
    for name in ["paused", "blocked", "scheduled"] {
        let (log, signal) = (log.clone(), signal.clone());
        let tasklet = sched.spawn(move || {
            let _on_drop = OnDrop(log, name);
            match name {
                "paused" => schedule_remove().unwrap(),
                "blocked" => signal.wait().unwrap(),
                _ => loop {
                    schedule().unwrap();
                },
            }
        });
        std::mem::forget(tasklet);
    }
    sched.spawn(|| panic!("stop here"));
    sched.run().unwrap_err();
    let unstarted = OnDrop(log.clone(), "unstarted");
    let tasklet = sched.spawn(move || drop(unstarted));
    drop(sched);
    log.is("unstarted scheduled paused blocked");
    assert!(!tasklet.is_alive());
    assert_eq!(tasklet.insert(), Err(StateError::NoScheduler));
    assert_killed(tasklet.join());
}

#[test]
fn dropping_a_scheduler_lets_a_shielded_section_end() {
    let log = Log::new();
    let sched = Scheduler::builder().virtual_time().build();
    for n in 0..2 {
        let log = log.clone();
        sched.spawn(move || {
            microthread::shield(|| {
                microthread::sleep(std::time::Duration::from_secs(n));
                log.add("section");
            });
            log.add("unreachable");
        });
    }
    sched.run().unwrap();
    drop(sched);
    log.is("section unreachable section");
}

#[test]
fn what_swallows_every_kill_is_leaked_with_the_scheduler() {
    let sched = Scheduler::new();
    let stubborn = sched.spawn(|| {
        loop {
            let _ = catch_unwind(AssertUnwindSafe(|| schedule_remove().is_ok()));
        }
    });
    sched.run().unwrap();
    drop(sched);
    assert!(!stubborn.is_alive());
    let left: Result<(), _> = stubborn.join();
    assert!(matches!(left, Err(JoinError::Shutdown)), "{left:?}");
}

#[test]
fn a_tasklet_may_drop_the_scheduler_it_runs_in() {
    let log = Log::new();
    let sched = Rc::new(Scheduler::new());
    let other = OnDrop(log.clone(), "other");
    sched.spawn(move || {
        let _other = other;
        loop {
            schedule().unwrap();
        }
    });
    let tasklet = sched.spawn({
        let (sched, log) = (sched.clone(), log.clone());
        move || {
            drop(sched);
            log.add("dropped");
        }
    });
    drop(sched);
    tasklet.join().unwrap();
    log.is("dropped other");
}
