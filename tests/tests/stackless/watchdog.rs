//! Section 3: run and the watchdog.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actor_core::local::{
    self, Budget, Outcome, Scheduler, current, run, run_for, schedule, schedule_remove, spawn,
};
use actor_core::microthread::{checkpoint, sleep};
use actor_core::preemptible;

use crate::{Log, Signal, stepper};

/// A microthread that counts its checkpoints, for ever.
fn busy(sched: &Scheduler) -> (local::Tasklet<()>, Rc<Cell<u64>>) {
    let count = Rc::new(Cell::new(0));
    let tasklet = sched.spawn({
        let count = count.clone();
        move || {
            loop {
                checkpoint();
                count.set(count.get() + 1);
            }
        }
    });
    (tasklet, count)
}

#[test]
fn run_returns_when_the_ring_is_empty() {
    let (sched, log, signal) = (Scheduler::new(), Log::new(), Signal::new());
    stepper(&sched, &log, "a");
    let waits = signal.clone();
    let blocked = sched.spawn(move || waits.wait());
    let paused = sched.bind(|| ());
    sched.run().unwrap();
    log.is("a0 a1");
    // The blocked and the paused do not keep it going.
    assert!(blocked.is_blocked() && paused.is_paused());
    sched.run().unwrap();
}

#[test]
fn a_nested_run_returns_when_all_others_are_done() {
    let (sched, log) = (Scheduler::new(), Log::new());
    sched.spawn({
        let log = log.clone();
        move || {
            let me = current().unwrap();
            let inner = log.clone();
            spawn(move || {
                assert!(!me.is_scheduled() && !me.is_paused() && me.is_alive());
                inner.add("inner");
            });
            run().unwrap();
            log.add("outer");
        }
    });
    sched.run().unwrap();
    log.is("inner outer");
}

#[test]
fn the_innermost_of_nested_runs_wakes_first() {
    let (sched, log) = (Scheduler::new(), Log::new());
    for name in ["a", "b"] {
        let log = log.clone();
        sched.spawn(move || {
            log.add(format!("{name}0"));
            run().unwrap();
            log.add(format!("{name}1"));
        });
    }
    sched.run().unwrap();
    log.is("a0 b0 b1 a1");
}

#[test]
fn an_inner_run_does_not_return_while_main_can_run() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let main = log.clone();
    sched
        .main(move || {
            let log = main.clone();
            spawn(move || {
                run().unwrap();
                log.add("inner");
            });
            for _ in 0..3 {
                schedule().unwrap();
                main.add("m");
            }
            schedule_remove().unwrap(); // the ring is empty: the inner run's turn
            main.add("end");
        })
        .unwrap();
    log.is("m m m inner end");
}

#[test]
fn waking_an_outer_run_releases_those_inside_it() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let main = log.clone();
    sched
        .main(move || {
            let nested = |name: &'static str| {
                let log = main.clone();
                spawn(move || {
                    let ended = run();
                    log.add(name);
                    ended.unwrap();
                })
            };
            let (outer, inner) = (nested("outer"), nested("inner"));
            schedule().unwrap();
            assert!(!outer.is_scheduled() && !inner.is_scheduled());
            outer.throw_pending("wake up").unwrap();
            assert!(outer.is_scheduled() && inner.is_scheduled());
            schedule().unwrap();
            main.add("main");
        })
        .unwrap();
    log.is("inner outer main");
}

#[test]
fn a_hard_budget_takes_the_running_tasklet_off_and_gives_it() {
    let sched = Scheduler::new();
    let (tasklet, count) = busy(&sched);
    match sched.run_for(Budget::points(100)).unwrap() {
        Outcome::Interrupted(who) => assert_eq!(who, *tasklet),
        other => panic!("{other:?}"),
    }
    assert!(tasklet.is_paused());
    assert_eq!(count.get(), 100);
    // It goes on where it was.
    tasklet.insert().unwrap();
    assert!(matches!(
        sched.run_for(Budget::points(100)).unwrap(),
        Outcome::Interrupted(_)
    ));
    // The checkpoint in which it was interrupted, and a hundred more.
    assert_eq!(count.get(), 201);
    tasklet.kill();
    sched.run().unwrap();
    assert!(!tasklet.is_alive());
}

#[test]
fn a_run_that_ends_within_its_budget_says_so() {
    let sched = Scheduler::new();
    sched.spawn(checkpoint);
    let outcome = sched.run_for(Budget::points(100)).unwrap();
    assert!(matches!(outcome, Outcome::Done));
}

#[test]
fn the_budget_of_a_slice_begins_anew_at_every_switch() {
    let (sched, log) = (Scheduler::new(), Log::new());
    for name in ["a", "b"] {
        let log = log.clone();
        sched.spawn(move || {
            for _ in 0..1000 {
                (0..10).for_each(|_| checkpoint());
                schedule().unwrap();
            }
            log.add(name);
        });
    }
    let outcome = sched.run_for(Budget::points(10)).unwrap();
    assert!(matches!(outcome, Outcome::Done));
    log.is("a b");
}

#[test]
fn a_total_budget_is_for_the_whole_run() {
    let sched = Scheduler::new();
    let switches = Rc::new(Cell::new(0));
    for _ in 0..2 {
        let switches = switches.clone();
        sched.spawn(move || {
            loop {
                switches.set(switches.get() + 1);
                schedule().unwrap();
            }
        });
    }
    let outcome = sched.run_for(Budget::points(100).total()).unwrap();
    assert!(
        matches!(outcome, Outcome::Interrupted(ref who) if who.is_paused()),
        "{outcome:?}"
    );
    assert_eq!(switches.get(), 101);
    assert_eq!(sched.run_count(), 1);
}

#[test]
fn a_total_budget_stops_tasklets_that_never_reach_a_checkpoint() {
    let sched = Scheduler::new();
    let ended = Rc::new(Cell::new(0));
    for _ in 0..100 {
        let ended = ended.clone();
        sched.spawn(move || ended.set(ended.get() + 1));
    }
    let outcome = sched.run_for(Budget::points(50).total().soft()).unwrap();
    assert!(matches!(outcome, Outcome::Expired), "{outcome:?}");
    assert_eq!(ended.get(), 51);
    let outcome = sched.run_for(Budget::points(10).total()).unwrap();
    match outcome {
        // It has not begun, and goes on when it is inserted.
        Outcome::Interrupted(who) => who.insert().unwrap(),
        other => panic!("{other:?}"),
    }
    sched.run().unwrap();
    assert_eq!(ended.get(), 100);
}

#[test]
fn a_soft_budget_removes_nobody_and_ends_at_the_next_switch() {
    let (sched, log) = (Scheduler::new(), Log::new());
    for name in ["a", "b", "c"] {
        let log = log.clone();
        sched.spawn(move || {
            (0..10).for_each(|_| checkpoint());
            log.add(name);
            schedule().unwrap();
            log.add(name);
        });
    }
    let outcome = sched.run_for(Budget::points(5).soft()).unwrap();
    assert!(matches!(outcome, Outcome::Expired));
    log.is("a");
    assert_eq!(sched.run_count(), 3);
    sched.run().unwrap();
    log.is("a b c a b c");
}

#[test]
fn a_soft_budget_ends_the_run_of_one_that_yields_alone() {
    let sched = Scheduler::new();
    let tasklet = sched.spawn(|| while schedule().is_ok() {});
    let outcome = sched.run_for(Budget::points(100).total().soft()).unwrap();
    assert!(matches!(outcome, Outcome::Expired));
    assert!(tasklet.is_scheduled());
}

#[test]
fn a_budget_of_time_interrupts() {
    let sched = Scheduler::new();
    let (tasklet, _) = busy(&sched);
    let budget = Budget::time(Duration::from_millis(2));
    assert!(matches!(
        sched.run_for(budget).unwrap(),
        Outcome::Interrupted(_)
    ));
    tasklet.insert().unwrap();
    let outcome = sched.run_for(Budget::points(u64::MAX).and_time(Duration::from_millis(2)));
    assert!(matches!(outcome.unwrap(), Outcome::Interrupted(_)));
    // And of those who only yield.
    sched.spawn(|| while schedule().is_ok() {});
    let outcome = sched.run_for(budget.total().soft()).unwrap();
    assert!(matches!(outcome, Outcome::Expired));
}

#[test]
fn a_preemptible_loop_is_interrupted() {
    #[preemptible]
    fn spin() {
        loop {}
    }
    let sched = Scheduler::new();
    let tasklet = sched.spawn(spin);
    let outcome = sched.run_for(Budget::points(10)).unwrap();
    assert!(matches!(outcome, Outcome::Interrupted(who) if who == *tasklet));
}

#[test]
fn budgets_do_not_stack_the_outermost_counts() {
    let sched = Scheduler::new();
    let (tasklet, count) = {
        let (tasklet, count) = busy(&sched);
        tasklet.remove().unwrap();
        (tasklet, count)
    };
    let handle = tasklet.handle();
    let outer = sched.spawn(move || {
        handle.insert().unwrap();
        // As if it had none.
        run_for(Budget::points(10)).unwrap()
    });
    match sched.run_for(Budget::points(1000)).unwrap() {
        Outcome::Interrupted(who) => assert_eq!(who, *tasklet),
        other => panic!("{other:?}"),
    }
    assert_eq!(count.get(), 1000);
    // The run inside was over with the one around it.
    assert!(outer.is_scheduled());
    assert!(matches!(outer.join().unwrap(), Outcome::Done));
}

#[test]
fn an_inner_budget_counts_where_there_is_no_outer_one() {
    let sched = Scheduler::new();
    let (tasklet, _) = busy(&sched);
    let outer = sched.spawn(move || run_for(Budget::points(10)).unwrap());
    tasklet.remove().unwrap();
    let handle = tasklet.handle();
    sched.spawn(move || handle.insert().unwrap());
    match outer.join().unwrap() {
        Outcome::Interrupted(who) => assert_eq!(who, *tasklet),
        other => panic!("{other:?}"),
    }
}

#[test]
fn run_does_not_wait_for_deadlines_and_run_until_idle_does() {
    let (sched, log) = (Scheduler::builder().virtual_time().build(), Log::new());
    for (name, seconds) in [("b", 2), ("a", 1)] {
        let log = log.clone();
        sched.spawn(move || {
            sleep(Duration::from_secs(seconds));
            log.add(name);
        });
    }
    sched.run().unwrap();
    log.is("");
    sched.run_until_idle().unwrap();
    log.is("a b");
}

/// Collects the warnings of the scheduler's.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "actor_core::local"
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!("{field}={value:?} ");
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn one_that_holds_its_scheduler_without_a_checkpoint_is_named() {
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), || {
        let sched = Scheduler::new();
        sched.tasklet().name("hog").spawn(|| {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(5) {}
        });
        let budget = Budget::time(Duration::from_millis(1));
        assert!(matches!(sched.run_for(budget).unwrap(), Outcome::Done));
    });
    let warnings = warnings.0.lock().unwrap();
    assert!(
        warnings
            .iter()
            .any(|w| w.contains("hog") && w.contains("took")),
        "{warnings:?}"
    );
}
