//! Section 6: callbacks.

use std::cell::RefCell;
use std::rc::Rc;

use actor_core::local::{Scheduler, TaskletRef, current, schedule};
use actor_core::microthread::Interrupt;

use crate::{Log, Signal, stepper};

fn name(tasklet: Option<&TaskletRef>) -> String {
    tasklet.map_or("root", |t| t.name().unwrap_or("?")).into()
}

fn log_switches(sched: &Scheduler, log: &Log) {
    let log = log.clone();
    sched.set_schedule_hook(Some(Rc::new(
        move |previous: Option<&TaskletRef>, next: Option<&TaskletRef>| {
            log.add(format!("({},{})", name(previous), name(next)));
        },
    )));
}

#[test]
fn the_schedule_hook_is_called_before_each_switch() {
    let (sched, log) = (Scheduler::new(), Log::new());
    log_switches(&sched, &log);
    stepper(&sched, &log, "a");
    stepper(&sched, &log, "b");
    sched.run().unwrap();
    log.is("(root,a) a0 (a,b) b0 (b,a) a1 (a,b) b1 (b,root)");
}

#[test]
fn one_that_goes_on_itself_is_no_switch() {
    let (sched, log) = (Scheduler::new(), Log::new());
    log_switches(&sched, &log);
    stepper(&sched, &log, "a");
    sched.run().unwrap();
    log.is("(root,a) a0 a1 (a,root)");
}

#[test]
fn setting_a_hook_gives_the_one_before() {
    let (sched, log) = (Scheduler::new(), Log::new());
    log_switches(&sched, &log);
    stepper(&sched, &log, "a");
    assert!(sched.set_schedule_hook(None).is_some());
    assert!(sched.set_schedule_hook(None).is_none());
    assert!(sched.set_channel_hook(None).is_none());
    sched.run().unwrap();
    log.is("a0 a1");
}

#[test]
fn a_panic_in_a_schedule_hook_is_ignored() {
    let (sched, log) = (Scheduler::new(), Log::new());
    sched.set_schedule_hook(Some(Rc::new(
        |_: Option<&TaskletRef>, _: Option<&TaskletRef>| panic!("boo"),
    )));
    stepper(&sched, &log, "a");
    stepper(&sched, &log, "b");
    sched.run().unwrap();
    log.is("a0 b0 a1 b1");
}

#[test]
fn a_schedule_hook_can_neither_wait_nor_run_the_scheduler() {
    let sched = Rc::new(Scheduler::new());
    let seen = Rc::new(RefCell::new(Vec::new()));
    let tasklet = sched.spawn(|| ());
    sched.set_schedule_hook(Some(Rc::new({
        let (seen, signal) = (seen.clone(), Signal::new());
        let sched = Rc::downgrade(&sched);
        move |_: Option<&TaskletRef>, _: Option<&TaskletRef>| {
            let sched = sched.upgrade().unwrap();
            assert!(current().is_none());
            seen.borrow_mut().push(format!("{:?}", signal.wait()));
            seen.borrow_mut().push(format!("{:?}", sched.run()));
        }
    })));
    sched.run().unwrap();
    assert!(!tasklet.is_alive());
    assert_eq!(
        *seen.borrow(),
        ["Err(SwitchTrap)", "Err(Refused(SwitchTrap))"].repeat(2)
    );
    sched.set_schedule_hook(None);
}

#[test]
fn what_a_schedule_hook_does_to_the_ring_holds() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let (a, b) = (stepper(&sched, &log, "a"), stepper(&sched, &log, "b"));
    sched.set_schedule_hook(Some(Rc::new({
        let (a, b) = (a.handle(), b.handle());
        move |_: Option<&TaskletRef>, next: Option<&TaskletRef>| {
            // It should not, but nothing breaks: the other goes first.
            if next == Some(&a) && b.is_alive() {
                a.remove().unwrap();
                a.insert().unwrap();
            }
        }
    })));
    sched.run().unwrap();
    log.is("b0 b1 a0 a1");
    sched.set_schedule_hook(None);
}

#[test]
fn a_scheduler_may_be_run_inside_a_hook_of_another() {
    let (outer, log) = (Scheduler::new(), Log::new());
    outer.set_schedule_hook(Some(Rc::new({
        let log = log.clone();
        move |_: Option<&TaskletRef>, _: Option<&TaskletRef>| {
            let (inner, signal) = (Scheduler::new(), Signal::new());
            let log = log.clone();
            let sends = signal.clone();
            inner.spawn(move || {
                schedule().unwrap();
                sends.send();
            });
            inner.main(move || signal.wait().unwrap()).unwrap();
            log.add("inner");
        }
    })));
    outer.spawn(|| ());
    outer.run().unwrap();
    log.is("inner inner");
    outer.set_schedule_hook(None);
}

#[test]
fn a_trapped_wait_is_as_if_it_had_never_been() {
    let (sched, signal) = (Scheduler::new(), Signal::new());
    let waits = signal.clone();
    sched
        .main(move || {
            let refused = actor_core::local::switch_trap(|| waits.wait());
            assert_eq!(refused, Err(Interrupt::SwitchTrap));
            waits.send();
            waits.wait().unwrap();
        })
        .unwrap();
}

#[test]
fn the_last_handle_of_who_ran_before_may_end_who_runs_next() {
    struct Kills(TaskletRef);
    impl Drop for Kills {
        fn drop(&mut self) {
            self.0.kill();
        }
    }
    let (sched, log) = (Scheduler::new(), Log::new());
    let first = sched.spawn(|| ());
    let next = sched.spawn({
        let log = log.clone();
        move || log.add("next")
    });
    sched.set_schedule_hook(Some(Rc::new({
        let (first, next) = (RefCell::new(Some(first)), next.handle());
        move |_: Option<&TaskletRef>, after: Option<&TaskletRef>| {
            if after == Some(&next)
                && let Some(first) = first.take()
            {
                // Now only what is noted of the last switch keeps it.
                let kills = Kills(next.clone());
                first.bind(move || drop(kills)).unwrap();
            }
        }
    })));
    sched.run().unwrap();
    log.is("next");
    assert!(!next.is_alive());
    sched.set_schedule_hook(None);
}
