//! Who runs when.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use actor_core::Runtime;
use actor_core::microthread::{self, blocking};
use tests::{Gate, ms, one_worker, within};

use super::LIMIT;

#[test]
fn those_that_yield_take_turns() {
    within(LIMIT, || {
        let rt = one_worker();
        let log = Arc::new(Mutex::new(Vec::new()));
        let parent = rt.spawn({
            let log = log.clone();
            move || {
                let handles: Vec<_> = (0..3)
                    .map(|who| {
                        let log = log.clone();
                        microthread::spawn(move || {
                            for _ in 0..4 {
                                log.lock().unwrap().push(who);
                                microthread::yield_now();
                            }
                        })
                    })
                    .collect();
                handles
                    .into_iter()
                    .for_each(|handle| handle.join().unwrap());
            }
        });
        parent.unwrap().join().unwrap();
        assert_eq!(*log.lock().unwrap(), [0, 1, 2].repeat(4));
    });
}

/// "Lets everything else that is ready run": woken stacks and what has not started yet alike.
#[test]
fn a_yield_lets_everything_that_is_ready_run_once() {
    within(LIMIT, || {
        let rt = one_worker();
        let parent = rt.spawn(|| {
            for count in [1, 10, 500] {
                let started = Arc::new(AtomicUsize::new(0));
                let go = Gate::new();
                let children: Vec<_> = (0..count)
                    .map(|_| {
                        let (started, go) = (started.clone(), go.clone());
                        microthread::spawn(move || {
                            started.fetch_add(1, SeqCst);
                            go.wait();
                            started.fetch_add(1, SeqCst);
                        })
                    })
                    .collect();
                microthread::yield_now();
                assert_eq!(started.load(SeqCst), count);
                go.open();
                microthread::yield_now();
                assert_eq!(started.load(SeqCst), 2 * count);
                children.into_iter().for_each(|child| child.join().unwrap());
            }
        });
        parent.unwrap().join().unwrap();
    });
}

/// Deadlines in any order, and a round counts only if all slept before the first of them.
#[test]
fn sleepers_wake_in_the_order_of_their_deadlines_and_not_before() {
    within(LIMIT, || {
        let rt = one_worker();
        let counts = [10, 20, 40, 80, 160, 320].into_iter().any(|unit| {
            let base = Instant::now();
            let log = Arc::new(Mutex::new(Vec::new()));
            let handles = [5_u32, 2, 4, 1, 3].map(|place| {
                let log = log.clone();
                rt.spawn(move || {
                    let (from, deadline) = (Instant::now(), base + ms(unit) * place);
                    microthread::sleep_until(deadline);
                    assert!(Instant::now() >= deadline);
                    log.lock().unwrap().push(place);
                    from
                })
                .unwrap()
            });
            let in_time = handles.map(|handle| handle.join().unwrap() < base + ms(unit));
            let log = log.lock().unwrap();
            assert!(log.is_sorted() || in_time.contains(&false), "{log:?}");
            !in_time.contains(&false)
        });
        assert!(
            counts,
            "the machine never let five microthreads start in time"
        );
    });
}

// ---- nobody starves --------------------------------------------------------------------------------------------------

/// A stack that is ready again and again leaves room for what has not started.
#[test]
fn those_that_always_yield_do_not_starve_what_has_not_started() {
    within(LIMIT, || {
        for yielders in [1, 40] {
            let rt = one_worker();
            let over = Arc::new(AtomicBool::new(false));
            let handles: Vec<_> = (0..yielders)
                .map(|_| {
                    let over = over.clone();
                    rt.spawn(move || {
                        while !over.load(SeqCst) {
                            microthread::yield_now()
                        }
                    })
                    .unwrap()
                })
                .collect();
            let last = rt.spawn(move || over.store(true, SeqCst)).unwrap();
            last.join().unwrap();
            handles
                .into_iter()
                .for_each(|handle| handle.join().unwrap());
        }
    });
}

/// Each of a chain starts the next one and ends: there is always something to run that has not started.
fn chain(over: Arc<AtomicBool>) {
    if !over.load(SeqCst) {
        drop(microthread::spawn(move || chain(over)));
    }
}

/// Whatever the busy worker is kept busy with: timers fire, and what comes from other threads has its turn.
fn nobody_starves_beside(busy: impl FnOnce(&Runtime, Arc<AtomicBool>)) {
    within(LIMIT, || {
        let rt = one_worker();
        let over = Arc::new(AtomicBool::new(false));
        busy(&rt, over.clone());
        for _ in 0..3 {
            rt.spawn(|| microthread::sleep(ms(1)))
                .unwrap()
                .join()
                .unwrap();
            let (inside, gate) = (Gate::new(), Gate::new());
            let waits = rt
                .spawn({
                    let (inside, gate) = (inside.clone(), gate.clone());
                    move || {
                        inside.open();
                        gate.wait();
                        blocking(|| 3)
                    }
                })
                .unwrap();
            inside.wait();
            gate.open();
            assert_eq!(waits.join().unwrap(), 3);
        }
        over.store(true, SeqCst);
    });
}

#[test]
fn what_always_has_a_successor_starves_nobody() {
    nobody_starves_beside(|rt, over| drop(rt.spawn(move || chain(over)).unwrap()));
}

#[test]
fn those_that_always_yield_starve_nobody() {
    nobody_starves_beside(|rt, over| {
        for _ in 0..20 {
            let over = over.clone();
            drop(
                rt.spawn(move || {
                    while !over.load(SeqCst) {
                        microthread::yield_now()
                    }
                })
                .unwrap(),
            );
        }
    });
}

#[test]
fn yields_and_successors_together_starve_nobody() {
    nobody_starves_beside(|rt, over| {
        for n in 0..20 {
            let over = over.clone();
            drop(
                rt.spawn(move || match n % 2 {
                    0 => chain(over),
                    _ => {
                        while !over.load(SeqCst) {
                            microthread::yield_now()
                        }
                    }
                })
                .unwrap(),
            );
        }
    });
}
