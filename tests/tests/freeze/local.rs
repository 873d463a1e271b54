//! Migratable functions in a local scheduler, beside microthreads that own a stack.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actor_core::channel::{self, Receiver, Sender};
use actor_core::local::{self, Budget, Outcome, RunError, Scheduler, ThrowError};
use actor_core::microthread::{JoinError, sleep, yield_now};
use actor_core::migratable::{Suspended, WhyNotSpawned, WhyNotSuspended};
use actor_core::{System, migratable};

#[migratable]
fn sum(numbers: Receiver<u64>) -> u64 {
    let mut sum = 0;
    while let Ok(n) = numbers.recv() {
        sum += n;
    }
    sum
}

/// Notes who it is in each pass.
#[migratable]
fn notes(name: u64, passes: u64, log: Sender<u64>) -> u64 {
    for _ in 0..passes {
        log.send(name).unwrap();
        yield_now();
    }
    name
}

#[migratable]
fn naps(ms: u64) -> u64 {
    sleep(Duration::from_millis(ms));
    ms
}

#[migratable]
fn panics(after: u64) -> u64 {
    for _ in 0..after {
        yield_now();
    }
    panic!("after {after}")
}

/// A loop that never has to wait.
#[migratable]
fn spins(passes: u64) -> u64 {
    let (tx, rx) = channel::bounded(1);
    let mut sum = 0;
    for n in 0..passes {
        tx.send(n).unwrap();
        sum += rx.recv().unwrap();
    }
    sum
}

/// What is dropped counts.
#[derive(serde::Serialize, serde::Deserialize)]
struct Counts;

static DROPPED: AtomicU32 = AtomicU32::new(0);

impl Drop for Counts {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

#[migratable]
fn holds(numbers: Receiver<u64>) -> u64 {
    let held = Counts;
    let n = numbers.recv().unwrap_or(0);
    drop(held);
    n
}

#[test]
fn it_takes_its_turns_in_the_ring_as_its_neighbours_do() {
    let sched = Scheduler::new();
    let (tx, rx) = channel::unbounded();
    let first = sched.spawn_migratable(notes(1, 3, tx.clone()));
    let second = sched.spawn({
        let tx = tx.clone();
        move || {
            for _ in 0..3 {
                tx.send(2).unwrap();
                local::schedule().unwrap();
            }
        }
    });
    let third = sched.spawn_migratable(notes(3, 3, tx));
    assert_eq!(sched.run_count(), 3);
    sched.run().unwrap();
    let order: Vec<u64> = std::iter::from_fn(|| rx.try_recv().ok()).collect();
    assert_eq!(order, [1, 2, 3, 1, 2, 3, 1, 2, 3]);
    assert!(!second.is_alive());
    assert_eq!((first.join().unwrap(), third.join().unwrap()), (1, 3));
    assert_eq!(sched.alive(), 0);
}

#[test]
fn many_that_wait_own_no_stack() {
    // As many as there may be, of those that own one.
    let sched = Scheduler::builder().max_stacks(1).build();
    let (tx, rx) = channel::unbounded();
    let waiting: Vec<_> = (0..1000)
        .map(|_| sched.spawn_migratable(sum(rx.clone())))
        .collect();
    sched.run().unwrap();
    assert!(waiting.iter().all(|it| it.is_blocked()));
    (1..=1000).for_each(|n| tx.send(n).unwrap());
    drop((tx, rx));
    let total: u64 = waiting.into_iter().map(|it| it.join().unwrap()).sum();
    assert_eq!(total, 500_500);
}

#[test]
fn it_is_joined_from_inside_and_from_outside() {
    let sched = Scheduler::new();
    let (tx, rx) = channel::rendezvous();
    let function = sched.spawn_migratable(sum(rx));
    let joined = sched.spawn(move || function.join().unwrap());
    let giver = sched.spawn(move || (1..=4).for_each(|n| tx.send(n).unwrap()));
    assert_eq!(joined.join().unwrap(), 10);
    giver.join().unwrap();
}

#[test]
fn a_sleep_is_a_timer_of_the_scheduler() {
    let sched = Scheduler::builder().virtual_time().build();
    let order = Rc::new(RefCell::new(Vec::new()));
    let joins: Vec<_> = [30, 10, 20]
        .map(|ms| {
            let (order, nap) = (order.clone(), sched.spawn_migratable(naps(ms)));
            sched.spawn(move || {
                let ms = nap.join().unwrap();
                order.borrow_mut().push(ms);
            })
        })
        .into();
    sched.run_until_idle().unwrap();
    assert!(joins.iter().all(|it| !it.is_alive()));
    assert_eq!(*order.borrow(), [10, 20, 30]);
}

#[test]
fn a_deadline_that_is_not_needed_any_more_keeps_nobody_waiting() {
    let sched = Scheduler::new();
    let nap = sched.spawn_migratable(naps(3_600_000));
    sched.run().unwrap();
    assert!(nap.is_blocked());
    nap.kill();
    // An hour, otherwise.
    sched.run_until_idle().unwrap();
    assert!(matches!(nap.join(), Err(JoinError::Killed)));
    let taken = sched.spawn_migratable(naps(3_600_000));
    sched.run().unwrap();
    let suspended = taken.suspend().unwrap();
    sched.run_until_idle().unwrap();
    assert!(!suspended.has_ended());
}

#[test]
fn a_kill_drops_what_it_keeps_where_it_waits() {
    let sched = Scheduler::new();
    let (_tx, rx) = channel::unbounded();
    let waits = sched.spawn_migratable(holds(rx.clone()));
    sched.run().unwrap();
    let before = DROPPED.load(Ordering::Relaxed);
    let handle = waits.handle();
    sched.main(move || handle.kill()).unwrap();
    assert_eq!(DROPPED.load(Ordering::Relaxed), before + 1);
    assert!(!waits.is_alive());
    assert!(matches!(waits.join(), Err(JoinError::Killed)));
    // One that has not begun never does.
    let new = sched.spawn_migratable(holds(rx));
    new.kill();
    assert!(matches!(new.join(), Err(JoinError::Killed)));
    assert_eq!(DROPPED.load(Ordering::Relaxed), before + 1);
}

#[test]
fn what_is_alive_ends_with_its_scheduler() {
    let sched = Scheduler::new();
    let (tx, rx) = channel::unbounded::<u64>();
    let waits = sched.spawn_migratable(sum(rx));
    sched.run().unwrap();
    drop(sched);
    assert!(matches!(waits.join(), Err(JoinError::Killed)));
    assert!(tx.send(1).is_err(), "its side of the channel is gone");
}

#[test]
fn an_error_thrown_into_it_ends_it() {
    let sched = Scheduler::new();
    let (_tx, rx) = channel::unbounded();
    let waits = sched.spawn_migratable(sum(rx.clone()));
    sched.run().unwrap();
    waits.throw_pending("enough").unwrap();
    let error = sched.run().unwrap_err();
    assert!(matches!(&error, RunError::Uncaught(it) if it.name() == waits.name()));
    assert!(matches!(waits.join(), Err(JoinError::Thrown(it)) if it.get().to_string() == "enough"));
    let new = sched.spawn_migratable(sum(rx));
    assert!(matches!(new.throw("early"), Err(ThrowError::NotStarted(_))));
}

#[test]
fn a_panic_surfaces_in_the_run_and_in_the_join() {
    let sched = Scheduler::new();
    let panics = sched.spawn_migratable(panics(2));
    let other = sched.spawn(|| 5);
    let RunError::Uncaught(uncaught) = sched.run().unwrap_err() else {
        panic!("it panicked");
    };
    assert_eq!(
        (uncaught.message(), uncaught.id()),
        ("after 2", panics.id())
    );
    assert!(matches!(panics.join(), Err(JoinError::Panicked(_))));
    assert_eq!(other.join().unwrap(), 5);
}

#[test]
fn it_is_paused_and_inserted_where_it_is_suspended() {
    let sched = Scheduler::new();
    let (tx, rx) = channel::unbounded();
    let function = sched.spawn_migratable(notes(7, 2, tx));
    let controls = sched.spawn({
        let function = function.handle();
        move || {
            // It has had a turn.
            assert!(function.is_scheduled());
            function.remove().unwrap();
            assert!(function.is_paused());
            local::schedule().unwrap();
            function.run().unwrap();
        }
    });
    sched.run().unwrap();
    assert!(!controls.is_alive());
    assert_eq!(function.join().unwrap(), 7);
    assert_eq!(rx.len(), 2);
}

#[test]
fn a_budget_suspends_it_in_a_loop() {
    let sched = Scheduler::new();
    let spins = sched.spawn_migratable(spins(1_000_000));
    let mut interrupted = 0;
    loop {
        match sched.run_for(Budget::points(100)).unwrap() {
            Outcome::Interrupted(who) => {
                assert_eq!(who, *spins);
                assert!(spins.is_paused());
                interrupted += 1;
                who.insert().unwrap();
            }
            outcome => {
                assert!(matches!(outcome, Outcome::Done));
                break;
            }
        }
    }
    assert!(interrupted > 10, "{interrupted}");
    assert_eq!(spins.join().unwrap(), 499_999_500_000);
}

#[test]
fn a_soft_budget_ends_the_run_at_its_yield() {
    let sched = Scheduler::new();
    let (tx, rx) = channel::unbounded();
    let function = sched.spawn_migratable(notes(1, 1000, tx));
    let mut runs = 0;
    while let Outcome::Expired = sched.run_for(Budget::points(100).total().soft()).unwrap() {
        assert!(function.is_scheduled());
        runs += 1;
    }
    assert!((5..=10).contains(&runs), "{runs}");
    assert_eq!((function.join().unwrap(), rx.len()), (1, 1000));
}

#[test]
fn it_is_suspended_wherever_it_is_and_goes_on_elsewhere() {
    let (tx, rx) = channel::unbounded();
    let first = Scheduler::new();
    // Not begun, then blocked, then with what it waits for there.
    let suspended = first.spawn_migratable(sum(rx)).suspend().unwrap();
    assert_eq!((first.alive(), first.run_count()), (0, 0));
    let blocked = suspended.spawn_local(&first).unwrap();
    first.run().unwrap();
    tx.send(1).unwrap();
    first.run().unwrap();
    tx.send(2).unwrap();
    assert!(blocked.is_scheduled());
    let suspended = blocked.suspend().unwrap();
    assert_eq!((first.alive(), first.run_count()), (0, 0));
    tx.send(3).unwrap();
    // By way of a runtime.
    let sys = System::builder().workers(1).build().unwrap();
    let task = suspended.spawn(&sys).unwrap();
    let suspended = task.suspend().unwrap();
    let second = Scheduler::new();
    let last = suspended.spawn_local(&second).unwrap();
    drop(tx);
    assert_eq!(last.join().unwrap(), 6);
}

#[test]
fn an_image_of_it_goes_on_beside_it() {
    let sched = Scheduler::new();
    let (tx, rx) = channel::unbounded();
    let function = sched.spawn_migratable(notes(3, 5, tx));
    sched.run_for(Budget::points(2).total().soft()).unwrap();
    let suspended = function.suspend().unwrap();
    let image = suspended.freeze().unwrap();
    let noted = rx.len();
    assert!(noted > 0 && noted < 5);
    assert_eq!(suspended.spawn_local(&sched).unwrap().join().unwrap(), 3);
    assert_eq!(rx.len(), 5);
    // The copy's receiver is not in the image: it fails to send, as it would have elsewhere.
    let copy = Suspended::<notes>::thaw(&image).unwrap();
    let copy = copy.spawn_local(&sched).unwrap();
    assert!(matches!(copy.join(), Err(JoinError::Panicked(_))));
}

#[test]
fn what_cannot_be_suspended_is_given_back() {
    let sched = Scheduler::new();
    let done = sched.spawn_migratable(naps(0));
    sched.run_until_idle().unwrap();
    let error = done.suspend().unwrap_err();
    assert_eq!(error.why, WhyNotSuspended::Ended);
    assert_eq!(error.tasklet.join().unwrap(), 0);

    let (_tx, rx) = channel::unbounded();
    let killed = sched.spawn_migratable(sum(rx));
    sched.run().unwrap();
    killed.kill_pending();
    let error = killed.suspend().unwrap_err();
    assert_eq!(error.why, WhyNotSuspended::Ended);
    assert!(matches!(error.tasklet.join(), Err(JoinError::Killed)));

    let mut ended = Suspended::new(naps(0));
    while ended.resume(std::task::Waker::noop()).is_pending() {}
    let refused = ended.spawn_local(&sched).unwrap_err();
    assert_eq!(refused.why, WhyNotSpawned::Ended);
}

/// A plain function that waits in the middle of a turn.
fn waits_on_its_stack(gate: &Receiver<u64>) -> u64 {
    gate.recv().unwrap_or(0)
}

#[migratable]
fn calls_out(gate: Receiver<u64>) -> u64 {
    let mut sum = 0;
    for _ in 0..2 {
        sum += waits_on_its_stack(&gate);
        yield_now();
    }
    sum
}

#[test]
fn what_it_calls_may_wait_on_a_stack() {
    let sched = Scheduler::new();
    let (tx, rx) = channel::unbounded();
    let function = sched.spawn_migratable(calls_out(rx));
    sched.run().unwrap();
    assert!(function.is_blocked());
    let error = function.suspend().unwrap_err();
    assert_eq!(error.why, WhyNotSuspended::Running);
    tx.send(4).unwrap();
    tx.send(5).unwrap();
    assert_eq!(error.tasklet.join().unwrap(), 9);
}

#[test]
fn another_thread_wakes_it() {
    for _ in 0..200 {
        let sched = Scheduler::builder().wait_for_threads().build();
        let (tx, rx) = channel::unbounded();
        let function = sched.spawn_migratable(sum(rx));
        let other = std::thread::spawn(move || (1..=10).for_each(|n| tx.send(n).unwrap()));
        assert_eq!(function.join().unwrap(), 55);
        other.join().unwrap();
    }
}

#[test]
fn suspending_it_races_with_a_wake_from_another_thread() {
    for round in 0..300 {
        let sched = Scheduler::builder().wait_for_threads().build();
        let (tx, rx) = channel::unbounded();
        let mut function = sched.spawn_migratable(sum(rx));
        let other = std::thread::spawn(move || (1..=100).for_each(|n| tx.send(n).unwrap()));
        // It waits for the other thread, if it comes before it.
        sched.run_for(Budget::points(1).total().soft()).unwrap();
        for _ in 0..round % 7 + 1 {
            let suspended = match function.suspend() {
                Ok(suspended) => suspended,
                Err(error) => {
                    function = error.tasklet;
                    break;
                }
            };
            function = suspended.spawn_local(&sched).unwrap();
            sched.run_for(Budget::points(3).total().soft()).unwrap();
        }
        assert_eq!(function.join().unwrap(), 5050);
        other.join().unwrap();
    }
}
