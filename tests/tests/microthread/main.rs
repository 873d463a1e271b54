//! What a microthread promises: spawn, join, kill, wait.

mod kill;
mod order;
mod storm;
mod throw;
mod wait;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::panic::{catch_unwind, resume_unwind};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use actor_core::Event;
use actor_core::microthread::{self, Builder, JoinError, block_on, blocking};
use tests::{Gate, OpenOnDrop, ms, runtime, until, until_idle, within};

const LIMIT: u64 = 30;

#[track_caller]
fn assert_killed<T>(result: Result<T, JoinError>) {
    match result {
        Err(JoinError::Killed) => {}
        Err(other) => panic!("{other:?} instead of Killed"),
        Ok(_) => panic!("a value instead of Killed"),
    }
}

// ---- spawn and join --------------------------------------------------------------------------------------------------

#[test]
fn spawns_from_a_thread_and_from_inside() {
    within(LIMIT, || {
        let rt = runtime(2);
        let from_thread = rt.spawn(|| {
            microthread::spawn(|| microthread::spawn(|| 3).join().unwrap() + 4)
                .join()
                .unwrap()
        });
        assert_eq!(from_thread.unwrap().join().unwrap(), 7);
        let built = Builder::new()
            .name("built")
            .spawn_in(&rt, || Builder::new().spawn(|| 5).unwrap().join().unwrap());
        assert_eq!(built.unwrap().join().unwrap(), 5);
    });
}

#[test]
fn spawn_outside_a_runtime_panics_and_says_what_to_call() {
    let refused = catch_unwind(|| microthread::spawn(|| ())).unwrap_err();
    assert!(
        refused
            .downcast_ref::<String>()
            .map(String::as_str)
            .or(refused.downcast_ref::<&str>().copied())
            .unwrap()
            .contains("Runtime::spawn")
    );
    assert!(catch_unwind(|| Builder::new().spawn(|| ())).is_err());
}

#[test]
fn join_gives_the_value_to_a_thread_and_to_a_microthread_of_another_runtime() {
    within(LIMIT, || {
        let (a, b) = (runtime(1), runtime(1));
        let go = Gate::new();
        let in_a = a
            .spawn({
                let go = go.clone();
                move || {
                    go.wait();
                    vec![1, 2]
                }
            })
            .unwrap();
        let in_b = b.spawn(move || in_a.join().unwrap()).unwrap();
        until_idle(&b);
        go.open();
        assert_eq!(in_b.join().unwrap(), [1, 2]);
    });
}

#[test]
fn join_gives_the_payload_of_a_panic() {
    within(LIMIT, || {
        let rt = runtime(1);
        let handle = rt
            .spawn(|| -> () { resume_unwind(Box::new("out of tea")) })
            .unwrap();
        let error = handle.join().unwrap_err();
        assert_eq!(error.message(), Some("out of tea"));
        let JoinError::Panicked(payload) = error else {
            panic!("{error:?}")
        };
        assert_eq!(*payload.downcast::<&str>().unwrap(), "out of tea");
        // And the worker goes on.
        assert_eq!(rt.spawn(|| 1).unwrap().join().unwrap(), 1);
    });
}

#[test]
fn join_with_a_timeout_gives_the_handle_back_and_later_the_value() {
    within(LIMIT, || {
        let rt = runtime(1);
        let go = Gate::new();
        let wait = {
            let go = go.clone();
            move || {
                go.wait();
                9
            }
        };
        let handle = rt.spawn(wait).unwrap();
        let handle = handle.join_timeout(Duration::ZERO).unwrap_err();
        let handle = handle.join_timeout(ms(5)).unwrap_err();
        // From a microthread as well.
        let handle = rt
            .spawn(move || handle.join_timeout(ms(5)).unwrap_err())
            .unwrap()
            .join()
            .unwrap();
        assert!(!handle.is_finished());
        go.open();
        assert_eq!(handle.join_timeout(Duration::MAX).unwrap().unwrap(), 9);
    });
}

#[test]
fn a_dropped_handle_detaches_and_the_unwanted_result_is_dropped() {
    within(LIMIT, || {
        let rt = runtime(1);
        let dropped = Gate::new();
        let go = Gate::new();
        let result = OpenOnDrop(dropped.clone());
        drop(
            rt.spawn({
                let go = go.clone();
                move || {
                    go.wait();
                    result
                }
            })
            .unwrap(),
        );
        assert!(!dropped.is_open());
        go.open();
        dropped.wait();
        // Dropped by the handle when it has ended before.
        let dropped = Gate::new();
        let result = OpenOnDrop(dropped.clone());
        let handle = rt.spawn(move || result).unwrap();
        until(|| handle.is_finished());
        drop(handle);
        dropped.wait();
    });
}

#[test]
fn ids_are_unique_and_names_appear_in_events() {
    within(LIMIT, || {
        let rt = runtime(2);
        let events = rt.events();
        let named = Builder::new().name("inner").spawn_in(&rt, || {
            (0..100)
                .map(|_| microthread::spawn(|| ()).id())
                .collect::<HashSet<_>>()
        });
        let mut ids = named.unwrap().join().unwrap();
        ids.extend((0..100).map(|_| rt.spawn(|| ()).unwrap().id()));
        assert_eq!(ids.len(), 200);
        let named = |event: &Event| matches!(event, Event::Exited { who, .. } if who.name.as_deref() == Some("inner"));
        assert!(events.iter().any(|event| named(&event)));
    });
}

#[test]
fn a_stack_size_asked_for_is_there() {
    /// Goes on until `bytes` of stack are in use.
    #[inline(never)]
    fn deep(start: usize, bytes: usize) -> usize {
        let frame = std::hint::black_box([1_u8; 512]);
        let used = start - std::ptr::from_ref(&frame) as usize;
        let deepest = if used < bytes {
            deep(start, bytes)
        } else {
            used
        };
        std::hint::black_box(&frame);
        deepest
    }
    within(LIMIT, || {
        let rt = runtime(1);
        for size in [256 << 10, 4 << 20, 64 << 10] {
            let handle = Builder::new().stack_size(size).spawn_in(&rt, move || {
                let here = 0_u8;
                deep(std::ptr::from_ref(&here) as usize, size - 16 * 1024)
            });
            assert!(handle.unwrap().join().unwrap() >= size - 16 * 1024);
        }
    });
}

// ---- what lives on the stack -----------------------------------------------------------------------------------------

#[test]
fn locals_that_are_not_send_live_across_every_blocking_call() {
    within(LIMIT, || {
        let rt = runtime(2);
        let handles: Vec<_> = (0..50)
            .map(|n| {
                rt.spawn(move || {
                    let local = Rc::new(RefCell::new(Vec::new()));
                    let other = local.clone();
                    let borrowed = Cell::new(0);
                    local.borrow_mut().push(n);
                    microthread::yield_now();
                    other.borrow_mut().push(n);
                    microthread::sleep(ms(1));
                    local.borrow_mut().push(n);
                    let held = other.borrow();
                    microthread::spawn(|| ()).join().unwrap();
                    borrowed.set(blocking(|| 1));
                    block_on(async {});
                    held.len() + borrowed.get() + Rc::strong_count(&local)
                })
                .unwrap()
            })
            .collect();
        for handle in handles {
            assert_eq!(handle.join().unwrap(), 6);
        }
    });
}

#[test]
fn thread_locals_stay_valid_across_suspension() {
    thread_local!(static LOCAL: Cell<usize> = const { Cell::new(0) });
    within(LIMIT, || {
        let rt = runtime(2);
        let handles: Vec<_> = (0..100)
            .map(|_| {
                rt.spawn(|| {
                    let (id, address) = (
                        thread::current().id(),
                        LOCAL.with(|local| std::ptr::from_ref(local) as usize),
                    );
                    for round in 0..20 {
                        LOCAL.with(|local| local.set(local.get() + 1));
                        match round % 4 {
                            0 => microthread::yield_now(),
                            1 => microthread::sleep(ms(1)),
                            2 => microthread::spawn(|| ()).join().unwrap(),
                            _ => blocking(|| ()),
                        }
                        assert_eq!(thread::current().id(), id);
                        assert_eq!(
                            LOCAL.with(|local| std::ptr::from_ref(local) as usize),
                            address
                        );
                    }
                    (id, LOCAL.get())
                })
                .unwrap()
            })
            .collect();
        let ends: Vec<_> = handles
            .into_iter()
            .map(|handle| handle.join().unwrap())
            .collect();
        let workers: HashSet<_> = ends.iter().map(|(id, _)| *id).collect();
        // Every addition went to one of the workers' own counters: nothing was lost, nothing done twice.
        let total: usize = workers
            .iter()
            .map(|worker| {
                ends.iter()
                    .filter(|(id, _)| id == worker)
                    .map(|(_, n)| *n)
                    .max()
                    .unwrap()
            })
            .sum();
        assert_eq!(total, 100 * 20);
    });
}

// ---- on ordinary threads ---------------------------------------------------------------------------------------------

#[test]
fn everything_works_on_an_ordinary_thread() {
    within(LIMIT, || {
        assert!(!microthread::is_microthread());
        let deadline = Instant::now() + ms(2);
        microthread::sleep_until(deadline);
        assert!(Instant::now() >= deadline);
        microthread::sleep(ms(1));
        microthread::yield_now();
        microthread::checkpoint();
        assert_eq!(
            microthread::no_suspend(|| {
                microthread::sleep(ms(1));
                2
            }),
            2
        );
        let here = thread::current().id();
        assert_eq!(blocking(|| thread::current().id()), here);
        let gate = Gate::new();
        let opener = thread::spawn({
            let gate = gate.clone();
            move || gate.open()
        });
        block_on(gate.opened());
        opener.join().unwrap();
        let rt = runtime(1);
        assert!(
            rt.spawn(microthread::is_microthread)
                .unwrap()
                .join()
                .unwrap()
        );
    });
}
