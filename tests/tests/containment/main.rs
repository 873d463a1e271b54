//! What goes wrong in one microthread stays there: panics, overflows, destructors, foreign code.

mod answers;
mod growth;
mod hostile;
mod overflow;

use std::panic::{catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use actor_core::microthread::{self, Builder, JoinError, block_on, blocking};
use actor_core::{Event, ExitReason, Runtime};
use tests::{Gate, OpenOnDrop, child, ms, one_worker, runtime, until, within};

const LIMIT: u64 = 30;

/// A thousand microthreads come and go.
fn goes_on(rt: &Runtime) {
    let handles: Vec<_> = (0..1000)
        .map(|n| {
            rt.spawn(move || {
                microthread::yield_now();
                n
            })
            .unwrap()
        })
        .collect();
    for (n, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.join().unwrap(), n);
    }
}

// ---- panics and destructors ------------------------------------------------------------------------------------------

#[test]
fn a_panic_ends_its_microthread_and_is_told_to_subscribers() {
    within(LIMIT, || {
        let rt = runtime(1);
        let events = rt.events();
        let bystander = rt
            .spawn({
                let gate = Gate::new();
                move || gate.waiting()
            })
            .unwrap();
        let handle = Builder::new().name("unlucky").spawn_in(&rt, || -> () {
            resume_unwind(Box::new(String::from("out of luck")))
        });
        assert_eq!(
            handle.unwrap().join().unwrap_err().message(),
            Some("out of luck")
        );
        let reason = events.iter().find_map(|event| match event {
            Event::Exited { who, reason, .. } if who.name.as_deref() == Some("unlucky") => {
                Some(reason)
            }
            _ => None,
        });
        assert_eq!(reason, Some(ExitReason::Panicked("out of luck".into())));
        assert_eq!(bystander.join().unwrap(), 0);
        goes_on(&rt);
    });
}

struct PanicOnDrop;

impl Drop for PanicOnDrop {
    fn drop(&mut self) {
        resume_unwind(Box::new("in a destructor"));
    }
}

/// While unwinding it aborts (Rust's rule); in the straight path it is a panic like others.
#[test]
fn a_panic_in_a_destructor_is_a_panic() {
    within(LIMIT, || {
        let rt = runtime(1);
        let handle = rt.spawn(|| drop(PanicOnDrop)).unwrap();
        assert_eq!(
            handle.join().unwrap_err().message(),
            Some("in a destructor")
        );
        goes_on(&rt);
    });
}

#[test]
fn a_panic_in_a_destructor_while_unwinding_aborts_with_the_name() {
    child!(|| {
        let rt = runtime(1);
        let handle = rt
            .spawn(|| {
                let _second = PanicOnDrop;
                panic!("the first")
            })
            .unwrap();
        let _: Result<(), _> = handle.join();
    })
    .aborts_with("panicked while a panic was unwinding it");
}

/// A panic that was caught is over: the next one is an ordinary panic.
#[test]
fn panics_one_after_the_other_are_not_taken_for_one_in_a_destructor() {
    let end = child!(|| {
        let rt = runtime(1);
        let handle = rt.spawn(|| {
            (0..3)
                .filter(|_| catch_unwind(|| panic!("ordinary")).is_err())
                .count()
        });
        assert_eq!(handle.unwrap().join().unwrap(), 3);
    });
    assert!(!end.stderr().contains("was unwinding"), "{}", end.stderr());
    end.succeeds();
}

/// The result's destructor runs where the handle was dropped, or where the microthread ended; never does it harm.
#[test]
fn a_panic_in_the_destructor_of_a_result_nobody_takes_is_contained() {
    within(LIMIT, || {
        let rt = one_worker();
        for _ in 0..50 {
            drop(rt.spawn(|| PanicOnDrop).unwrap());
            let handle = rt.spawn(|| PanicOnDrop).unwrap();
            until(|| handle.is_finished());
            drop(handle);
            // And that of a payload.
            drop(
                rt.spawn(|| -> () { resume_unwind(Box::new(PanicOnDrop)) })
                    .unwrap(),
            );
            // And that of a closure that never runs.
            let parent = rt.spawn(|| {
                let captured = PanicOnDrop;
                let victim = microthread::spawn(move || std::mem::forget(captured));
                victim.kill();
                victim.join()
            });
            let result = parent.unwrap().join().unwrap();
            assert!(matches!(result, Err(JoinError::Killed)));
        }
        goes_on(&rt);
    });
}

/// A microthread that ends with `result` after its handle has gone. (If it ended before, the result would be the handle's, and
/// be dropped in this thread.)
fn ends_without_a_handle<T: Send + 'static>(rt: &Runtime, result: T) {
    let start = Gate::new();
    let handle = rt.spawn({
        let start = start.clone();
        move || {
            start.wait();
            result
        }
    });
    drop(handle.unwrap());
    start.open();
}

/// A result that nobody wants is dropped by the microthread, which may wait in that destructor and be waited for.
#[test]
fn the_destructor_of_a_result_nobody_takes_may_block() {
    within(LIMIT, || {
        #[expect(dead_code, reason = "the last field is there for its destructor")]
        struct Waits(Gate, Gate, OpenOnDrop);
        impl Drop for Waits {
            fn drop(&mut self) {
                self.0.open();
                self.1.wait();
            }
        }
        let rt = runtime(1);
        let (inside, go, over) = (Gate::new(), Gate::new(), Gate::new());
        let result = Waits(inside.clone(), go.clone(), OpenOnDrop(over.clone()));
        ends_without_a_handle(&rt, result);
        inside.wait();
        goes_on(&rt);
        assert_eq!(rt.stats().stacks_in_use, 1);
        go.open();
        over.wait();
        until(|| rt.stats().stacks_in_use == 0);
        // A shutdown ends the wait.
        let (inside, over) = (Gate::new(), Gate::new());
        let result = Waits(inside.clone(), Gate::new(), OpenOnDrop(over.clone()));
        ends_without_a_handle(&rt, result);
        inside.wait();
        assert!(rt.shutdown(ms(3_600_000)).unwrap().is_clean());
        assert!(over.is_open());
    });
}

/// While a panic unwinds nothing switches: the thread blocks, and what is ready goes on elsewhere.
#[test]
fn blocking_in_a_destructor_while_unwinding_holds_the_thread_and_nobody_else() {
    within(LIMIT, || {
        struct Waits(Gate, Gate);
        impl Drop for Waits {
            fn drop(&mut self) {
                assert!(thread::panicking());
                let here = thread::current().id();
                self.0.open();
                self.1.wait();
                microthread::sleep(ms(1));
                microthread::yield_now();
                assert_eq!(blocking(|| 4), 4);
                assert_eq!(microthread::spawn(|| 5).join().unwrap(), 5);
                assert_eq!(thread::current().id(), here);
            }
        }
        for workers in [1, 2] {
            let rt = runtime(workers);
            let (inside, go) = (Gate::new(), Gate::new());
            let waits = Waits(inside.clone(), go.clone());
            let panics = rt
                .spawn(move || {
                    let _waits = waits;
                    resume_unwind(Box::new("over"))
                })
                .unwrap();
            inside.wait();
            goes_on(&rt);
            go.open();
            let result: Result<(), _> = panics.join();
            assert_eq!(result.unwrap_err().message(), Some("over"));
            // A kill unwinds as well.
            let (inside, go, started) = (Gate::new(), Gate::new(), Gate::new());
            let waits = Waits(inside.clone(), go.clone());
            let killed = rt
                .spawn({
                    let started = started.clone();
                    move || {
                        let _waits = waits;
                        started.open();
                        loop {
                            microthread::yield_now()
                        }
                    }
                })
                .unwrap();
            started.wait();
            killed.kill();
            inside.wait();
            goes_on(&rt);
            go.open();
            let result: Result<(), _> = killed.join();
            assert!(matches!(result, Err(JoinError::Killed)));
            goes_on(&rt);
        }
    });
}

// ---- other people's stacks -------------------------------------------------------------------------------------------

/// Code inside a user's own generator is not on a stack of ours: a wait there blocks the thread, and others go on.
#[test]
fn blocking_inside_a_users_generator_holds_the_thread_and_nobody_else() {
    within(LIMIT, || {
        let rt = runtime(1);
        let (inside, go) = (Gate::new(), Gate::new());
        let handle = rt.spawn({
            let (inside, go) = (inside.clone(), go.clone());
            move || {
                let mut values = generator::Gn::<()>::new_scoped(move |mut scope| {
                    assert!(!microthread::is_microthread());
                    inside.open();
                    go.wait();
                    microthread::sleep(ms(1));
                    microthread::yield_now();
                    scope.yield_(1);
                    scope.yield_(blocking(|| 2));
                    scope.yield_(block_on(async { 3 }));
                    scope.yield_(microthread::spawn(|| 4).join().unwrap());
                    generator::done!()
                });
                let mut sum = 0;
                while let Some(value) = values.resume() {
                    sum += value;
                    // Between two resumptions the microthread may wait as always.
                    assert!(microthread::is_microthread());
                    microthread::sleep(ms(1));
                }
                sum
            }
        });
        inside.wait();
        goes_on(&rt);
        go.open();
        assert_eq!(handle.unwrap().join().unwrap(), 10);
    });
}

/// A kill cannot end a wait on a stack that is not ours; it does as soon as the microthread is back on its own.
#[test]
fn a_kill_waits_for_a_users_generator() {
    within(LIMIT, || {
        let rt = runtime(1);
        let (inside, go, after) = (Gate::new(), Gate::new(), Arc::new(AtomicBool::new(false)));
        let handle = rt
            .spawn({
                let (inside, go, after) = (inside.clone(), go.clone(), after.clone());
                move || {
                    let mut once = generator::Gn::<()>::new_scoped(move |_| {
                        inside.open();
                        go.wait();
                        1
                    });
                    assert_eq!(once.resume(), Some(1));
                    drop(once);
                    after.store(true, SeqCst);
                    microthread::yield_now();
                    unreachable!("killed");
                }
            })
            .unwrap();
        inside.wait();
        handle.kill();
        goes_on(&rt);
        assert!(!handle.is_finished());
        go.open();
        let result: Result<(), _> = handle.join();
        assert!(matches!(result, Err(JoinError::Killed)));
        assert!(after.load(SeqCst));
    });
}
