//! The steps of a driven worker, each by what it makes possible.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::microthread::{self, JoinError};
use crate::rt::worker::Worker;
use crate::rt::{park, wait};
use crate::testing::{self, Explorer, Faults, Policy, When};

const SECOND: Duration = Duration::from_secs(1);

/// One run that takes the first candidate everywhere.
fn first_always() -> Explorer {
    Explorer::new().policy(Policy::Exhaustive {
        max_runs: 1,
        max_depth: 0,
    })
}

/// What the runs of a body gave.
fn outcomes<T: Ord + Send + 'static>(
    explorer: &Explorer,
    body: impl Fn() -> T + Send + Sync + 'static,
) -> BTreeSet<T> {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let add = seen.clone();
    explorer.check(move |_| {
        let outcome = body();
        add.lock().unwrap().insert(outcome);
    });
    std::mem::take(&mut *seen.lock().unwrap())
}

#[test]
fn a_wake_up_and_its_deadline_come_in_either_order() {
    let seen = outcomes(&Explorer::new(), || {
        let place = Arc::new(Mutex::new(None));
        let note = place.clone();
        let waiter = microthread::spawn(move || {
            *note.lock().unwrap() = Some(park::current());
            park::park_until(wait::after(2 * SECOND))
        });
        // It waits by now.
        microthread::sleep(SECOND);
        Worker::here(|worker| {
            let clock = worker.core().seam.clock();
            clock.as_virtual().expect("driven").advance(SECOND);
        });
        // Its deadline is here, and so is one who will wake it.
        let waker = microthread::spawn(move || {
            let parker = place.lock().unwrap().take();
            parker.expect("it waits").unpark();
        });
        waker.join().unwrap();
        waiter.join().unwrap()
    });
    assert_eq!(seen.len(), 2);
}

#[test]
fn timers_due_together_fire_in_any_order() {
    // Both wait to the same instant, and the one whose timer was set last wakes the other. That one is in time only if its
    // own timer, which was set first, has not fired first.
    let seen = outcomes(&Explorer::new(), || {
        let place = Arc::new(Mutex::new(None));
        let note = place.clone();
        let waiter = microthread::spawn(move || {
            let end = wait::after(2 * SECOND);
            *note.lock().unwrap() = Some(park::current());
            park::park_until(end)
        });
        // It waits by now.
        microthread::sleep(SECOND);
        microthread::sleep(SECOND);
        let parker = place.lock().unwrap().take();
        parker.expect("it waits").unpark();
        waiter.join().unwrap()
    });
    assert_eq!(seen.len(), 2);
}

#[test]
fn the_first_candidate_always_is_a_fair_schedule() {
    first_always().max_steps(1000).check(|_| {
        let flag = Arc::new(AtomicU32::new(0));
        let setter = {
            let flag = flag.clone();
            microthread::spawn(move || {
                microthread::yield_now();
                flag.store(1, SeqCst);
            })
        };
        while flag.load(SeqCst) == 0 {
            microthread::yield_now();
        }
        setter.join().unwrap();
    });
}

#[test]
fn the_first_candidate_always_switches_where_it_must() {
    let seen = outcomes(&first_always(), || {
        let n = Arc::new(AtomicU32::new(0));
        let other = {
            let n = n.clone();
            microthread::spawn(move || n.store(1, SeqCst))
        };
        testing::switch_point();
        let before = n.load(SeqCst);
        other.join().unwrap();
        (before, n.load(SeqCst))
    });
    assert_eq!(seen, BTreeSet::from([(0, 1)]));
}

#[test]
fn a_fault_is_raised_where_its_target_waits() {
    let run = |faults: Faults| {
        outcomes(&Explorer::new().iterations(10).faults(faults), || {
            let victim = microthread::Builder::new().name("victim");
            let victim = victim.spawn(|| microthread::sleep(SECOND)).unwrap();
            match victim.join() {
                Ok(()) => "ended".to_string(),
                Err(JoinError::Killed) => "killed".into(),
                Err(other) => other.message().unwrap_or("otherwise").to_string(),
            }
        })
    };
    let turn = When::Turn(2);
    assert_eq!(run(Faults::none()), BTreeSet::from(["ended".into()]));
    let killed = run(Faults::none().kill("victim", turn));
    assert_eq!(killed, BTreeSet::from(["killed".into()]));
    let panicked = run(Faults::none().panic("victim", turn));
    assert_eq!(panicked, BTreeSet::from([super::INJECTED.into()]));
}
