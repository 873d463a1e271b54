//! Section 4 and the deadlock rules of section 5: uncaught errors, the error handler, deadlocks.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use actor_core::local::{
    RunError, Scheduler, StateError, Tasklet, TaskletRef, ThrowError, Uncaught, current, run,
    run_count, schedule, schedule_remove, spawn,
};
use actor_core::microthread::{Interrupt, JoinError, sleep};

use crate::{Log, Signal, assert_thrown, stepper};

#[track_caller]
fn uncaught(result: Result<(), RunError>) -> String {
    match result {
        Err(RunError::Uncaught(uncaught)) => uncaught.message().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_uncaught_panic_surfaces_in_run_and_the_others_stay_queued() {
    let (sched, log) = (Scheduler::new(), Log::new());
    stepper(&sched, &log, "a");
    let tasklet = sched.tasklet().name("p").spawn(|| panic!("boo"));
    stepper(&sched, &log, "b");
    match sched.run() {
        Err(RunError::Uncaught(uncaught)) => {
            assert_eq!(uncaught.message(), "boo");
            assert_eq!(uncaught.id(), tasklet.id());
            assert_eq!(uncaught.name(), Some("p"));
        }
        other => panic!("{other:?}"),
    }
    log.is("a0");
    assert!(!tasklet.is_alive());
    assert_eq!(sched.run_count(), 2);
    sched.run().unwrap();
    log.is("a0 b0 a1 b1");
    let Err(JoinError::Panicked(payload)) = tasklet.join() else {
        panic!("the join gives the panic, too")
    };
    assert_eq!(payload.downcast_ref(), Some(&"boo"));
}

#[test]
fn an_uncaught_panic_surfaces_in_the_innermost_run() {
    let sched = Scheduler::new();
    sched.spawn(|| {
        spawn(|| panic!("boo"));
        assert_eq!(uncaught(run()), "boo");
    });
    sched.run().unwrap();
}

#[test]
fn an_uncaught_panic_reaches_main_even_if_that_is_blocked() {
    let (sched, signal) = (Scheduler::new(), Signal::new());
    let handed_on = sched.main(move || {
        spawn(|| panic!("boo"));
        match signal.wait() {
            Err(Interrupt::Thrown(thrown)) => {
                let uncaught = thrown.downcast_ref::<Uncaught>().unwrap();
                uncaught.message().to_owned()
            }
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(handed_on.unwrap(), "boo");
}

#[test]
fn a_panic_of_main_is_what_main_gives() {
    let sched = Scheduler::new();
    let ended: Result<(), JoinError> = sched.main(|| panic!("boo"));
    assert_eq!(ended.unwrap_err().message(), Some("boo"));
}

#[test]
fn an_error_handler_absorbs_what_it_is_given() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let before = sched.set_error_handler(Some(Rc::new({
        let log = log.clone();
        move |uncaught: &Uncaught| {
            // In the tasklet that dies.
            assert_eq!(current().unwrap().id(), uncaught.id());
            log.add(uncaught.message());
        }
    })));
    assert!(before.is_none());
    sched.spawn(|| panic!("boo"));
    stepper(&sched, &log, "a");
    sched.run().unwrap();
    log.is("boo a0 a1");
    assert!(sched.set_error_handler(None).is_some());
    sched.spawn(|| panic!("again"));
    assert_eq!(uncaught(sched.run()), "again");
}

#[test]
fn an_error_handler_that_panics_replaces_the_error() {
    let sched = Scheduler::new();
    sched.set_error_handler(Some(Rc::new(|_: &Uncaught| panic!("worse"))));
    let tasklet = sched.spawn(|| panic!("boo"));
    assert_eq!(uncaught(sched.run()), "worse");
    assert_eq!(tasklet.join().unwrap_err().message(), Some("boo"));
}

#[test]
fn an_error_handler_can_neither_switch_nor_wait() {
    let sched = Scheduler::new();
    let seen = Rc::new(RefCell::new(Vec::new()));
    sched.set_error_handler(Some(Rc::new({
        let (seen, signal) = (seen.clone(), Signal::new());
        move |_: &Uncaught| {
            seen.borrow_mut().push(format!("{:?}", schedule()));
            seen.borrow_mut().push(format!("{:?}", signal.wait()));
            seen.borrow_mut().push(format!("{:?}", run()));
            sleep(Duration::from_secs(1000)); // has no error to give: panics
        }
    })));
    sched.spawn(|| panic!("boo"));
    assert!(uncaught(sched.run()).contains("no_suspend"));
    assert_eq!(
        *seen.borrow(),
        [
            "Err(Refused(SwitchTrap))",
            "Err(SwitchTrap)",
            "Err(Refused(SwitchTrap))"
        ]
    );
}

// ---- deadlocks -------------------------------------------------------------------------------------------------------

#[test]
fn the_last_that_could_run_cannot_block() {
    let (sched, signal) = (Scheduler::new(), Signal::new());
    let tasklet = signal.clone();
    sched
        .main(move || {
            let other = spawn({
                let main = current().unwrap();
                move || {
                    assert!(main.is_blocked());
                    // Everything is as before, and it may go on.
                    assert_eq!(tasklet.wait(), Err(Interrupt::Deadlock));
                    assert_eq!(tasklet.wait(), Err(Interrupt::Deadlock));
                    assert_eq!(run_count(), 1);
                    tasklet.send();
                }
            });
            signal.wait().unwrap();
            other.join().unwrap();
        })
        .unwrap();
}

#[test]
fn main_is_told_when_the_last_other_has_ended() {
    let (sched, log, signal) = (Scheduler::new(), Log::new(), Signal::new());
    stepper(&sched, &log, "a");
    let main = log.clone();
    sched
        .main(move || {
            assert_eq!(signal.wait(), Err(Interrupt::Deadlock));
            main.add("deadlock");
            // It is off what it waited for.
            signal.send();
            assert_eq!(signal.0.available_permits(), 1);
        })
        .unwrap();
    log.is("a0 a1 deadlock");
}

#[test]
fn under_run_those_who_are_left_blocked_are_no_error() {
    let (sched, signal) = (Scheduler::new(), Signal::new());
    let waits = signal.clone();
    let tasklet = sched.spawn(move || waits.wait());
    sched.run().unwrap();
    assert!(tasklet.is_blocked());
    signal.send();
    tasklet.join().unwrap().unwrap();
}

#[test]
fn a_deadline_that_may_help_is_waited_for() {
    let sched = Scheduler::builder().virtual_time().build();
    let signal = Signal::new();
    let sends = signal.clone();
    sched.spawn(move || {
        sleep(Duration::from_secs(60));
        sends.send();
    });
    sched.main(move || signal.wait().unwrap()).unwrap();
}

#[test]
fn a_block_trap_refuses_what_would_block_and_nothing_else() {
    let (sched, signal) = (Scheduler::new(), Signal::new());
    sched
        .main(move || {
            let me = current().unwrap();
            assert!(!me.block_trap());
            me.set_block_trap(true);
            assert_eq!(signal.wait(), Err(Interrupt::BlockTrap));
            signal.send();
            signal.wait().unwrap();
            schedule().unwrap();
            me.set_block_trap(false);
            assert_eq!(signal.wait(), Err(Interrupt::Deadlock));
        })
        .unwrap();
}

#[test]
fn what_the_tasklet_that_ran_out_of_stack_leaves() {
    #[expect(unconditional_recursion, reason = "ends with the stack")]
    fn deeper(n: u64) -> u64 {
        let room = std::hint::black_box([n; 64]);
        schedule().unwrap();
        room[0] + deeper(n + 1)
    }
    let (sched, log) = (Scheduler::new(), Log::new());
    let tasklet = sched.spawn(|| deeper(0));
    stepper(&sched, &log, "a");
    let message = uncaught(sched.run());
    assert!(message.contains("stack"), "{message}");
    assert!(matches!(tasklet.join(), Err(JoinError::Overflowed)));
    sched.run().unwrap();
    log.is("a0 a1");
}

#[test]
fn a_stack_that_is_abandoned_in_its_guard_page_ends_the_run_and_nothing_else() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let tasklet = sched.spawn(|| tests::recurse(0));
    stepper(&sched, &log, "a");
    assert_eq!(uncaught(sched.run()), "stack overflow");
    assert!(matches!(tasklet.join(), Err(JoinError::Overflowed)));
    sched.run().unwrap();
    log.is("a0 a1");
}

#[test]
fn a_tasklet_for_which_there_is_no_stack_stays_in_the_ring() {
    let sched = Scheduler::builder().max_stacks(1).build();
    let signal = Signal::new();
    let waits = signal.clone();
    let first = sched.spawn(move || waits.wait());
    let second = sched.spawn(|| 2);
    match sched.run() {
        Err(RunError::NoStack(limit)) => assert!(limit.contains("max_stacks"), "{limit}"),
        other => panic!("{other:?}"),
    }
    assert!(second.is_scheduled());
    assert!(matches!(sched.main(|| ()), Err(JoinError::NoStack(_))));
    signal.send();
    second.remove().unwrap();
    first.join().unwrap().unwrap();
    second.insert().unwrap();
    assert_eq!(second.join().unwrap(), 2);
}

#[test]
fn nothing_runs_while_a_panic_unwinds() {
    struct RunsOnDrop(Scheduler);
    impl Drop for RunsOnDrop {
        fn drop(&mut self) {
            let ran = self.0.run();
            assert_eq!(ran, Err(RunError::Refused(Interrupt::Unwinding)));
            let joined = self.0.spawn(|| ()).join();
            assert!(matches!(
                joined,
                Err(JoinError::Interrupted(Interrupt::Unwinding))
            ));
        }
    }
    let unwound = std::panic::catch_unwind(|| {
        let _runs = RunsOnDrop(Scheduler::new());
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(unwound.is_err());
}

#[test]
fn an_error_thrown_into_schedule_is_its_error() {
    let sched = Scheduler::new();
    let tasklet = sched.spawn(|| assert_thrown(schedule(), "boo"));
    sched.spawn({
        let tasklet = tasklet.handle();
        move || tasklet.throw("boo").unwrap()
    });
    tasklet.join().unwrap();
}

#[test]
fn while_a_tasklet_unwinds_it_cannot_switch_but_others_can_be_arranged() {
    struct OnUnwind(Log, TaskletRef);
    impl Drop for OnUnwind {
        fn drop(&mut self) {
            let refused = Err(StateError::Refused(Interrupt::Unwinding));
            assert_eq!(schedule(), refused);
            assert_eq!(schedule_remove(), refused);
            assert_eq!(self.1.switch(), refused);
            assert_eq!(run(), Err(RunError::Refused(Interrupt::Unwinding)));
            // The calls that can leave it to the ring do.
            self.1.throw("later").unwrap();
            let log = self.0.clone();
            spawn(move || log.add("spawned"));
            self.0.add("unwound");
        }
    }
    let (sched, log) = (Scheduler::new(), Log::new());
    let target = sched.spawn({
        let log = log.clone();
        move || {
            assert_thrown(schedule_remove(), "later");
            log.add("target");
        }
    });
    sched.run().unwrap();
    let killed = sched.spawn({
        let on_unwind = OnUnwind(log.clone(), target.handle());
        move || {
            let _on_unwind = on_unwind;
            schedule_remove().unwrap();
        }
    });
    sched.run().unwrap();
    killed.kill();
    sched.run().unwrap();
    log.is("unwound target spawned");
    target.join().unwrap();
}

#[test]
fn a_handle_and_a_result_outlive_the_scheduler() {
    let sched = Scheduler::new();
    let ended = sched.spawn(|| 7);
    let never: Tasklet<()> = sched.bind(|| ());
    sched.run().unwrap();
    drop(sched);
    assert_eq!(ended.join().unwrap(), 7);
    assert_eq!(never.bind(|| ()), Err(StateError::NoScheduler));
    assert!(matches!(
        never.throw("boo"),
        Err(ThrowError::NoScheduler(_))
    ));
    assert!(matches!(never.join(), Err(JoinError::Killed)));
}
