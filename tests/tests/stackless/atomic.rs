//! Section 7: atomic sections.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use actor_core::local::{Budget, Outcome, Scheduler, atomic, schedule, switch_trap};
use actor_core::microthread::{checkpoint, no_suspend};

use crate::{Log, stepper};

fn work(done: &Cell<u32>) {
    for _ in 0..50 {
        checkpoint();
        done.set(done.get() + 1);
    }
}

/// Runs `section` with a budget that is used up inside it; gives how far it came.
fn interrupted(section: impl FnOnce(&Cell<u32>) + 'static) -> u32 {
    let (sched, done) = (Scheduler::new(), Rc::new(Cell::new(0)));
    let tasklet = sched.spawn({
        let done = done.clone();
        move || {
            section(&done);
            done.set(10_000);
        }
    });
    let outcome = sched.run_for(Budget::points(10)).unwrap();
    assert!(
        matches!(outcome, Outcome::Interrupted(ref who) if *who == *tasklet),
        "{outcome:?}"
    );
    assert!(tasklet.is_paused());
    done.get()
}

#[test]
fn an_interrupt_waits_for_the_end_of_an_atomic_section() {
    // It had completed, and the next statement had not run.
    assert_eq!(interrupted(|done| atomic(|| work(done))), 50);
    assert_eq!(interrupted(work), 10);
}

#[test]
fn atomic_sections_nest() {
    let nested = |done: &Cell<u32>| {
        atomic(|| {
            atomic(|| work(done));
            done.set(done.get() + 100);
        });
    };
    assert_eq!(interrupted(nested), 150);
}

#[test]
fn an_atomic_section_that_unwinds_is_over() {
    let unwinds = |done: &Cell<u32>| {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            atomic(|| std::panic::resume_unwind(Box::new(())));
        }));
        assert!(caught.is_err());
        work(done);
    };
    assert_eq!(interrupted(unwinds), 10);
}

#[test]
fn an_interrupt_waits_for_the_end_of_a_switch_trap() {
    assert_eq!(interrupted(|done| switch_trap(|| work(done))), 50);
}

#[test]
fn an_interrupt_waits_for_the_end_of_a_section_in_which_nothing_suspends() {
    let section = |done: &Cell<u32>| {
        no_suspend(|| work(done));
        checkpoint();
    };
    assert_eq!(interrupted(section), 50);
}

#[test]
fn what_an_atomic_section_asks_for_still_switches() {
    let (sched, log) = (Scheduler::new(), Log::new());
    sched.spawn({
        let log = log.clone();
        move || {
            atomic(|| {
                log.add("x0");
                schedule().unwrap();
                log.add("x1");
            });
        }
    });
    stepper(&sched, &log, "a");
    sched.run().unwrap();
    log.is("x0 a0 x1 a1");
}

#[test]
fn an_interrupt_kept_back_is_not_passed_on_by_a_switch_of_its_slice() {
    let (sched, log) = (Scheduler::new(), Log::new());
    sched.spawn(move || {
        let done = Cell::new(0);
        atomic(|| {
            work(&done);
            // A new slice for everybody.
            schedule().unwrap();
        });
    });
    let other = log.clone();
    sched.spawn(move || {
        atomic(|| ());
        other.add("other");
    });
    let outcome = sched.run_for(Budget::points(10)).unwrap();
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    log.is("other");
}

#[test]
fn outside_a_scheduler_a_section_just_runs() {
    assert_eq!(atomic(|| 1) + switch_trap(|| 2), 3);
}
