//! Kill: at every suspension point, before the start, after the end, against a body that will not die.

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use actor_core::microthread::{self, JoinHandle, block_on, blocking};
use tests::{Gate, OpenOnDrop, ms, one_worker, runtime, until, until_idle, within};

use super::{LIMIT, assert_killed};

/// Starts `wait`, lets it block, kills it: it unwinds, running its destructors, and ends as killed.
#[track_caller]
fn killed_while(wait: impl FnOnce() + Send + 'static) {
    within(LIMIT, || {
        let rt = runtime(1);
        let (started, unwound) = (Gate::new(), Gate::new());
        let handle = rt
            .spawn({
                let (started, on_unwind) = (started.clone(), OpenOnDrop(unwound.clone()));
                move || {
                    let _on_unwind = on_unwind;
                    started.open();
                    wait();
                    unreachable!("goes on after a kill");
                }
            })
            .unwrap();
        started.wait();
        // Whether it has parked by now or not, the kill must reach it; with one worker asleep, it has.
        until_idle(&rt);
        handle.kill();
        assert_killed(handle.join());
        assert!(unwound.is_open());
    });
}

/// As [`killed_while`], for what never lets its worker sleep, and for a kill that comes at any moment.
#[track_caller]
fn killed_at_any_time(wait: impl Fn() + Clone + Send + 'static) {
    within(LIMIT, || {
        let rt = runtime(2);
        for round in 0..200 {
            let wait = wait.clone();
            let handle = rt
                .spawn(move || {
                    loop {
                        wait()
                    }
                })
                .unwrap();
            (0..round).for_each(|_| std::hint::spin_loop());
            handle.kill();
            assert_killed(handle.join());
        }
    });
}

#[test]
fn killed_in_a_join() {
    let never = Gate::new();
    killed_while(move || microthread::spawn(move || never.wait()).join().unwrap());
}

#[test]
fn killed_in_a_join_with_a_timeout() {
    let never = Gate::new();
    killed_while(move || {
        drop(microthread::spawn(move || never.wait()).join_timeout(Duration::from_secs(3600)))
    });
}

#[test]
fn killed_in_a_sleep() {
    killed_while(|| microthread::sleep(Duration::from_secs(3600)));
    killed_while(|| microthread::sleep(Duration::MAX));
}

#[test]
fn killed_in_block_on() {
    killed_while(|| block_on(std::future::pending()));
}

#[test]
fn killed_in_a_yield() {
    killed_at_any_time(microthread::yield_now);
}

#[test]
fn killed_at_a_checkpoint() {
    killed_at_any_time(microthread::checkpoint);
}

#[test]
fn killed_between_two_sleeps_at_any_time() {
    killed_at_any_time(|| microthread::sleep(Duration::from_micros(1)));
}

#[test]
fn killed_around_blocking_at_any_time() {
    killed_at_any_time(|| blocking(|| ()));
}

#[test]
fn killed_around_a_join_at_any_time() {
    killed_at_any_time(|| microthread::spawn(|| ()).join().unwrap());
}

/// The waiter's place is free again: whoever it waited for can be waited for by others.
#[test]
fn a_killed_join_leaves_the_other_alone() {
    within(LIMIT, || {
        let rt = runtime(1);
        let go = Gate::new();
        let target = rt
            .spawn({
                let go = go.clone();
                move || {
                    go.wait();
                    5
                }
            })
            .unwrap();
        let kept: Arc<Mutex<Option<JoinHandle<i32>>>> = Arc::default();
        let joiner = rt
            .spawn({
                let kept = kept.clone();
                move || {
                    let mut target = Some(target);
                    // A timeout's wait, killed: the handle is dropped, the microthread detached.
                    struct Keep(Arc<Mutex<Option<JoinHandle<i32>>>>, Option<JoinHandle<i32>>);
                    impl Drop for Keep {
                        fn drop(&mut self) {
                            *self.0.lock().unwrap() = self.1.take();
                        }
                    }
                    let mut keep = Keep(kept, None);
                    loop {
                        match target.take().unwrap().join_timeout(ms(1)) {
                            Ok(_) => unreachable!("it ended"),
                            Err(handle) => keep.1 = Some(handle),
                        }
                        microthread::yield_now();
                        target = keep.1.take();
                    }
                }
            })
            .unwrap();
        joiner.kill();
        assert_killed(joiner.join());
        go.open();
        if let Some(target) = kept.lock().unwrap().take() {
            assert_eq!(target.join().unwrap(), 5);
        }
    });
}

#[test]
fn killed_before_it_starts_it_never_runs_and_what_it_captured_is_dropped() {
    within(LIMIT, || {
        let rt = one_worker();
        let (started, go) = (Gate::new(), Arc::new(AtomicBool::new(false)));
        let holder = rt
            .spawn({
                let (started, go) = (started.clone(), go.clone());
                move || {
                    started.open();
                    while !go.load(SeqCst) {
                        thread::yield_now()
                    }
                }
            })
            .unwrap();
        started.wait();
        let (ran, dropped) = (Gate::new(), Gate::new());
        let victim = rt
            .spawn({
                let (on_drop, ran) = (OpenOnDrop(dropped.clone()), ran.clone());
                move || {
                    let _on_drop = on_drop;
                    ran.open()
                }
            })
            .unwrap();
        victim.kill();
        assert!(!dropped.is_open());
        go.store(true, SeqCst);
        assert_killed(victim.join());
        assert!(dropped.is_open() && !ran.is_open());
        holder.join().unwrap();
    });
}

#[test]
fn a_kill_after_the_end_changes_nothing() {
    within(LIMIT, || {
        let rt = runtime(1);
        let handle = rt.spawn(|| 1).unwrap();
        until(|| handle.is_finished());
        handle.kill();
        assert_eq!(handle.join().unwrap(), 1);
    });
}

#[test]
fn a_kill_that_meets_no_suspension_point_lets_it_end() {
    within(LIMIT, || {
        let rt = runtime(1);
        let (started, go) = (Gate::new(), Arc::new(AtomicBool::new(false)));
        let handle = rt
            .spawn({
                let (started, go) = (started.clone(), go.clone());
                move || {
                    started.open();
                    while !go.load(SeqCst) {
                        thread::yield_now()
                    }
                    1
                }
            })
            .unwrap();
        started.wait();
        handle.kill();
        go.store(true, SeqCst);
        assert_eq!(handle.join().unwrap(), 1);
    });
}

/// A loop that swallows every kill is killed again at each suspension point, and others have their turn in between.
#[test]
fn others_run_while_a_kill_is_swallowed_again_and_again() {
    within(LIMIT, || {
        let rt = runtime(1);
        for wait in [
            microthread::yield_now as fn(),
            microthread::checkpoint,
            || microthread::sleep(ms(1)),
            || blocking(|| ()),
        ] {
            let (stop, swallowed) = (
                Arc::new(AtomicBool::new(false)),
                Arc::new(AtomicUsize::new(0)),
            );
            let started = Gate::new();
            let stubborn = rt
                .spawn({
                    let (stop, swallowed) = (stop.clone(), swallowed.clone());
                    let started = started.clone();
                    move || {
                        started.open();
                        while !stop.load(SeqCst) {
                            if catch_unwind(wait).is_err() {
                                swallowed.fetch_add(1, SeqCst);
                            }
                        }
                        "ends by itself"
                    }
                })
                .unwrap();
            started.wait();
            stubborn.kill();
            until(|| swallowed.load(SeqCst) > 10);
            let others: Vec<_> = (0..100)
                .map(|n| {
                    rt.spawn(move || {
                        microthread::yield_now();
                        n
                    })
                    .unwrap()
                })
                .collect();
            for (n, other) in others.into_iter().enumerate() {
                assert_eq!(other.join().unwrap(), n);
            }
            assert!(!stubborn.is_finished());
            stop.store(true, SeqCst);
            assert_eq!(stubborn.join().unwrap(), "ends by itself");
        }
    });
}

/// A kill of what runs next on the same stack does not depend on what ran there before.
#[test]
fn a_kill_does_not_stick_to_the_stack() {
    within(LIMIT, || {
        let rt = runtime(1);
        for _ in 0..100 {
            let victim = rt
                .spawn(|| {
                    loop {
                        microthread::yield_now()
                    }
                })
                .unwrap();
            let handle = rt
                .spawn(|| {
                    (0..3).for_each(|_| microthread::yield_now());
                    1
                })
                .unwrap();
            victim.kill();
            assert_killed(victim.join());
            assert_eq!(handle.join().unwrap(), 1);
        }
    });
}
