//! Section 2: the run ring, current, main.

use actor_core::local::{
    Scheduler, StateError, current, run_count, schedule, schedule_remove, spawn, switch_trap,
};
use actor_core::microthread::{Interrupt, yield_now};

use crate::{Log, Signal, assert_killed, stepper};

const TRAPPED: Result<(), StateError> = Err(StateError::Refused(Interrupt::SwitchTrap));

#[test]
fn the_run_count_includes_the_current_one() {
    let sched = Scheduler::new();
    sched
        .main(|| {
            assert_eq!(run_count(), 1);
            // The one that joins is blocked then.
            let other = spawn(|| assert_eq!(run_count(), 1));
            assert_eq!(run_count(), 2);
            other.join().unwrap();
            assert_eq!(run_count(), 1);
        })
        .unwrap();
    assert_eq!(run_count(), 0);
    assert_eq!(sched.run_count(), 0);
}

#[test]
fn main_is_an_ordinary_member_of_the_ring() {
    let (sched, log) = (Scheduler::new(), Log::new());
    stepper(&sched, &log, "a");
    let main = log.clone();
    sched
        .main(move || {
            assert!(current().unwrap().is_main());
            main.add("m0");
            schedule().unwrap();
            main.add("m1");
            schedule().unwrap();
        })
        .unwrap();
    log.is("m0 a0 m1 a1");
}

#[test]
fn schedule_sends_the_current_one_to_the_end() {
    let (sched, log) = (Scheduler::new(), Log::new());
    for name in ["a", "b", "c"] {
        stepper(&sched, &log, name);
    }
    sched.run().unwrap();
    log.is("a0 b0 c0 a1 b1 c1");
}

#[test]
fn schedule_with_nobody_else_returns_at_once() {
    let sched = Scheduler::new();
    sched.main(|| schedule().unwrap()).unwrap();
    assert_eq!(schedule(), Err(StateError::Outside));
}

#[test]
fn yield_now_is_schedule() {
    let (sched, log) = (Scheduler::new(), Log::new());
    for name in ["a", "b"] {
        let log = log.clone();
        sched.spawn(move || {
            log.add(name);
            yield_now();
            log.add(name);
        });
    }
    sched.run().unwrap();
    log.is("a b a b");
}

#[test]
fn schedule_remove_pauses_until_somebody_inserts() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let tasklet = sched.spawn({
        let log = log.clone();
        move || {
            log.add("a0");
            schedule_remove().unwrap();
            log.add("a1");
        }
    });
    stepper(&sched, &log, "b");
    sched.run().unwrap();
    log.is("a0 b0 b1");
    assert!(tasklet.is_paused());
    tasklet.insert().unwrap();
    sched.run().unwrap();
    log.is("a0 b0 b1 a1");
}

#[test]
fn schedule_remove_by_main_as_the_last_returns() {
    let (sched, log) = (Scheduler::new(), Log::new());
    stepper(&sched, &log, "a");
    let main = log.clone();
    sched
        .main(move || {
            schedule_remove().unwrap();
            main.add("m");
        })
        .unwrap();
    log.is("a0 a1 m");
}

#[test]
fn schedule_remove_by_the_last_under_run_ends_the_run() {
    let sched = Scheduler::new();
    let tasklet = sched.spawn(schedule_remove);
    sched.run().unwrap();
    assert!(tasklet.is_paused());
}

#[test]
fn schedule_remove_by_the_last_while_main_is_blocked_is_a_deadlock() {
    let (sched, signal) = (Scheduler::new(), Signal::new());
    let main = signal.clone();
    let tasklet = sched.spawn(move || {
        assert_eq!(
            schedule_remove(),
            Err(StateError::Refused(Interrupt::Deadlock))
        );
        assert_eq!(run_count(), 1);
        signal.send();
    });
    sched.main(move || main.wait().unwrap()).unwrap();
    tasklet.join().unwrap();
}

#[test]
fn one_that_nobody_has_a_handle_of_is_killed_when_it_removes_itself() {
    let sched = Scheduler::new();
    sched.spawn(|| schedule_remove().unwrap());
    sched.run().unwrap();
    assert_eq!(sched.alive(), 0);
}

#[test]
fn insert_appends_and_is_idempotent() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let a = sched.bind({
        let log = log.clone();
        move || log.add("a")
    });
    stepper(&sched, &log, "b");
    a.insert().unwrap();
    a.insert().unwrap();
    assert_eq!(sched.run_count(), 2);
    sched.run().unwrap();
    log.is("b0 a b1");
}

#[test]
fn insert_refuses_the_blocked_and_the_dead() {
    let (sched, signal) = (Scheduler::new(), Signal::new());
    let tasklet = sched.spawn(move || signal.wait().is_err());
    sched.run().unwrap();
    assert_eq!(tasklet.insert(), Err(StateError::Blocked));
    tasklet.kill_pending();
    sched.run().unwrap();
    assert_eq!(tasklet.insert(), Err(StateError::Dead));
}

#[test]
fn remove_pauses_and_refuses_the_blocked_and_the_current() {
    let (sched, log, signal) = (Scheduler::new(), Log::new(), Signal::new());
    let waits = signal.clone();
    let blocked = sched.spawn(move || waits.wait().unwrap());
    sched.run().unwrap();
    assert_eq!(blocked.remove(), Err(StateError::Blocked));
    let removed = stepper(&sched, &log, "a");
    removed.remove().unwrap();
    removed.remove().unwrap();
    assert!(removed.is_paused());
    sched.spawn(|| {
        assert_eq!(current().unwrap().remove(), Err(StateError::Current));
    });
    sched.run().unwrap();
    log.is("");
    signal.send();
    removed.insert().unwrap();
    sched.run().unwrap();
    log.is("a0 a1");
}

#[test]
fn run_jumps_and_those_in_between_run_before_the_caller() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let main = log.clone();
    sched
        .main(move || {
            let step = |name: &'static str| {
                let log = main.clone();
                spawn(move || {
                    log.add(format!("{name}0"));
                    schedule().unwrap();
                    log.add(format!("{name}1"));
                })
            };
            let (_a, b, _c) = (step("a"), step("b"), step("c"));
            b.run().unwrap();
            main.add("main");
        })
        .unwrap();
    log.is("b0 c0 main");
    sched.run().unwrap();
    log.is("b0 c0 main a0 b1 c1 a1");
}

#[test]
fn run_inserts_a_paused_one_and_refuses_a_blocked_one() {
    let (sched, log, signal) = (Scheduler::new(), Log::new(), Signal::new());
    let waits = signal.clone();
    let blocked = sched.spawn(move || waits.wait());
    sched.run().unwrap();
    let main = log.clone();
    let handle = blocked.handle();
    sched
        .main(move || {
            assert_eq!(handle.run(), Err(StateError::Blocked));
            assert_eq!(handle.switch(), Err(StateError::Blocked));
            assert_eq!(run_count(), 1);
            let log = main.clone();
            let paused = spawn(move || log.add("ran"));
            paused.remove().unwrap();
            paused.run().unwrap();
            main.add("main");
        })
        .unwrap();
    log.is("ran main");
}

#[test]
fn run_from_outside_makes_it_the_first() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let _a = stepper(&sched, &log, "a");
    let b = stepper(&sched, &log, "b");
    b.run().unwrap();
    assert_eq!(b.switch(), Err(StateError::Outside));
    sched.run().unwrap();
    log.is("b0 a0 b1 a1");
}

#[test]
fn switch_pauses_the_caller() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let main = log.clone();
    sched
        .main(move || {
            let me = current().unwrap();
            let log = main.clone();
            let other = spawn(move || {
                assert!(me.is_paused());
                log.add("other");
                me.insert().unwrap();
            });
            other.switch().unwrap();
            main.add("main");
        })
        .unwrap();
    log.is("other main");
}

#[test]
fn switching_to_oneself_does_nothing() {
    let sched = Scheduler::new();
    sched
        .main(|| {
            current().unwrap().switch().unwrap();
            current().unwrap().run().unwrap();
        })
        .unwrap();
}

#[test]
fn one_that_nobody_has_a_handle_of_is_killed_when_it_switches_away() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let target = stepper(&sched, &log, "a");
    let handle = target.handle();
    sched.spawn(move || handle.switch().unwrap());
    sched.run().unwrap();
    assert_eq!(sched.alive(), 0);
    log.is("a0 a1");
}

#[test]
fn a_switch_trap_refuses_every_switch_and_changes_nothing() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let main = log.clone();
    sched
        .main(move || {
            let signal = Signal::new();
            let log = main.clone();
            let other = spawn(move || log.add("other"));
            switch_trap(|| {
                switch_trap(|| assert_eq!(schedule(), TRAPPED));
                // The outer one holds still.
                assert_eq!(schedule(), TRAPPED);
                assert_eq!(schedule_remove(), TRAPPED);
                assert_eq!(other.run(), TRAPPED);
                assert_eq!(other.switch(), TRAPPED);
                assert_eq!(signal.wait(), Err(Interrupt::SwitchTrap));
                assert!(actor_core::local::run().is_err());
                yield_now();
                other.kill_pending();
                assert!(!other.is_alive());
            });
            assert_eq!(run_count(), 1);
            let log = main.clone();
            spawn(move || log.add("after"));
            schedule().unwrap();
        })
        .unwrap();
    log.is("after");
}

#[test]
fn a_switch_trap_does_not_keep_others_from_being_woken() {
    let sched = Scheduler::new();
    let signal = Signal::new();
    let waits = signal.clone();
    let waiter = sched.spawn(move || waits.wait().unwrap());
    sched.run().unwrap();
    let handle = waiter.handle();
    sched
        .main(move || {
            switch_trap(|| signal.send());
            assert!(handle.is_scheduled() && !handle.is_blocked());
        })
        .unwrap();
    waiter.join().unwrap();
}

#[test]
fn a_kill_inside_a_switch_trap_waits_for_its_turn() {
    let sched = Scheduler::new();
    let target = sched.spawn(|| schedule_remove().unwrap());
    sched.run().unwrap();
    let handle = target.handle();
    sched
        .main(move || {
            switch_trap(|| handle.kill());
            assert!(handle.is_alive() && handle.is_scheduled());
        })
        .unwrap();
    assert_killed(target.join());
}

#[test]
fn a_wait_that_cannot_fail_panics_in_a_switch_trap() {
    let sched = Scheduler::new();
    let tasklet = sched.spawn(|| {
        switch_trap(|| actor_core::microthread::sleep(std::time::Duration::from_secs(1)));
    });
    let error = tasklet.join().unwrap_err();
    assert_eq!(
        error.message(),
        Some("a blocking call inside `switch_trap`")
    );
}
