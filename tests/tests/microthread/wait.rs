//! Waiting for foreign code and for futures, and where waiting is forbidden.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use actor_core::Runtime;
use actor_core::microthread::{self, JoinError, block_on, blocking};
use tests::{Gate, OpenOnDrop, ms, one_worker, runtime, until_idle, within};

use super::{LIMIT, assert_killed};

// ---- blocking --------------------------------------------------------------------------------------------------------

#[test]
fn blocking_borrows_from_its_caller_on_another_thread_while_the_worker_goes_on() {
    within(LIMIT, || {
        let rt = runtime(1);
        let (inside, go) = (Gate::new(), Gate::new());
        let handle = rt
            .spawn({
                let (inside, go) = (inside.clone(), go.clone());
                move || {
                    let mut local = vec![1, 2, 3];
                    let worker = thread::current().id();
                    let other = blocking(|| {
                        inside.open();
                        go.wait();
                        local.push(4);
                        assert!(!microthread::is_microthread());
                        thread::current().id()
                    });
                    assert_ne!(worker, other);
                    assert_eq!(worker, thread::current().id());
                    local
                }
            })
            .unwrap();
        inside.wait();
        assert_eq!(rt.spawn(|| "goes on").unwrap().join().unwrap(), "goes on");
        go.open();
        assert_eq!(handle.join().unwrap(), [1, 2, 3, 4]);
    });
}

#[test]
fn a_panic_in_blocking_comes_out_of_it() {
    within(LIMIT, || {
        let rt = runtime(1);
        let handle = rt.spawn(|| {
            let caught = catch_unwind(|| blocking(|| resume_unwind(Box::new(17_u8)))).unwrap_err();
            assert_eq!(*caught.downcast::<u8>().unwrap(), 17);
            blocking(|| resume_unwind(Box::new("again")))
        });
        let error: JoinError = handle.unwrap().join().unwrap_err();
        assert_eq!(error.message(), Some("again"));
    });
}

#[test]
fn blocking_calls_beyond_the_limit_wait_in_line() {
    within(LIMIT, || {
        let rt = Runtime::builder()
            .workers(2)
            .offload_threads(2)
            .build()
            .unwrap();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let handles: Vec<_> = (0..40)
            .map(|n| {
                let (now, most) = (now.clone(), most.clone());
                rt.spawn(move || {
                    blocking(|| {
                        most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                        thread::yield_now();
                        now.fetch_sub(1, SeqCst);
                        n
                    })
                })
                .unwrap()
            })
            .collect();
        for (n, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.join().unwrap(), n);
        }
        assert!((1..=2).contains(&most.load(SeqCst)));
    });
}

/// What it borrowed is in use until it returns: the kill comes afterwards.
#[test]
fn a_kill_waits_for_what_blocking_has_borrowed() {
    within(LIMIT, || {
        let rt = runtime(1);
        let (inside, go) = (Gate::new(), Gate::new());
        struct Check(Arc<AtomicUsize>, Arc<AtomicUsize>);
        impl Drop for Check {
            fn drop(&mut self) {
                self.1.store(self.0.load(SeqCst), SeqCst);
            }
        }
        let (written, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let handle = rt
            .spawn({
                let (inside, go, check) =
                    (inside.clone(), go.clone(), Check(written, seen.clone()));
                move || {
                    blocking(|| {
                        inside.open();
                        go.wait();
                        check.0.store(7, SeqCst);
                    });
                    unreachable!("goes on after a kill");
                }
            })
            .unwrap();
        inside.wait();
        until_idle(&rt);
        for _ in 0..3 {
            handle.kill();
            until_idle(&rt);
        }
        assert!(!handle.is_finished());
        assert_eq!(seen.load(SeqCst), 0);
        go.open();
        assert_killed(handle.join());
        assert_eq!(seen.load(SeqCst), 7);
    });
}

/// It would have to wait for its borrower, and may not: so the borrower must never start.
#[test]
fn blocking_inside_no_suspend_panics_before_anything_is_lent() {
    within(LIMIT, || {
        let rt = runtime(1);
        let handle = rt.spawn(|| {
            for _ in 0..100 {
                let ran = AtomicBool::new(false);
                let refused = catch_unwind(AssertUnwindSafe(|| {
                    microthread::no_suspend(|| blocking(|| ran.store(true, SeqCst)))
                }));
                assert!(refused.is_err());
                // A job that was started would be started before this one returns.
                blocking(|| ());
                assert!(!ran.load(SeqCst), "it ran while nobody waited for it");
            }
        });
        handle.unwrap().join().unwrap();
    });
}

// ---- futures ---------------------------------------------------------------------------------------------------------

#[test]
fn a_future_woken_from_an_os_thread_continues_on_its_worker() {
    within(LIMIT, || {
        let rt = runtime(2);
        let handles: Vec<_> = (0..100)
            .map(|n| {
                rt.spawn(move || {
                    let (here, gate) = (thread::current().id(), Gate::new());
                    let opener = thread::spawn({
                        let gate = gate.clone();
                        move || gate.open()
                    });
                    block_on(async {
                        gate.opened().await;
                        assert_eq!(thread::current().id(), here)
                    });
                    opener.join().unwrap();
                    n
                })
                .unwrap()
            })
            .collect();
        assert_eq!(
            handles
                .into_iter()
                .map(|handle| handle.join().unwrap())
                .sum::<usize>(),
            4950
        );
    });
}

/// A poll may itself wait, and thereby use up the permit of a wake-up that came meanwhile.
#[test]
fn a_future_that_itself_blocks_loses_no_wake_up() {
    within(LIMIT, || {
        let rt = runtime(1);
        let handle = rt.spawn(|| {
            let mut polls = 0;
            block_on(poll_fn(|context| {
                polls += 1;
                context.waker().wake_by_ref();
                microthread::yield_now();
                microthread::sleep(Duration::from_micros(10));
                microthread::spawn(|| ()).join().unwrap();
                blocking(|| ());
                assert_eq!(block_on(async { 3 }), 3);
                if polls == 20 {
                    Poll::Ready(polls)
                } else {
                    Poll::Pending
                }
            }))
        });
        assert_eq!(handle.unwrap().join().unwrap(), 20);
    });
}

#[test]
fn a_kill_drops_the_future_that_is_waited_for() {
    within(LIMIT, || {
        let rt = runtime(1);
        let (dropped, started) = (Gate::new(), Gate::new());
        let handle = rt
            .spawn({
                let (held, started) = (OpenOnDrop(dropped.clone()), started.clone());
                move || {
                    block_on(async move {
                        let _held = held;
                        started.open();
                        std::future::pending::<()>().await;
                    })
                }
            })
            .unwrap();
        started.wait();
        handle.kill();
        assert_killed(handle.join());
        assert!(dropped.is_open());
    });
}

// ---- no_suspend ------------------------------------------------------------------------------------------------------

#[test]
fn inside_no_suspend_a_blocking_call_panics_and_others_do_not() {
    within(LIMIT, || {
        let rt = runtime(1);
        let handle = rt.spawn(|| {
            let never = Gate::new();
            let refused = |f: &dyn Fn()| {
                catch_unwind(AssertUnwindSafe(|| microthread::no_suspend(f))).is_err()
            };
            assert!(refused(&microthread::yield_now));
            assert!(refused(&|| microthread::sleep(ms(1))));
            assert!(refused(&|| never.wait()));
            assert!(refused(&|| microthread::spawn(|| ()).join().unwrap()));
            assert!(refused(&|| {
                // The inner section ends; the outer does not.
                microthread::no_suspend(|| ());
                microthread::yield_now();
            }));
            assert!(!refused(&microthread::checkpoint));
            assert!(!refused(&|| block_on(async {})));
            assert!(!refused(&|| drop(microthread::spawn(|| ()))));
            // It is over when it is over, also after a panic.
            microthread::yield_now();
            microthread::sleep(ms(1));
            microthread::no_suspend(|| 5)
        });
        assert_eq!(handle.unwrap().join().unwrap(), 5);
    });
}

/// The second time a kill is raised others run first; here they may not.
#[test]
fn inside_no_suspend_a_swallowed_kill_lets_nobody_else_run() {
    within(LIMIT, || {
        let rt = one_worker();
        let (started, go) = (Gate::new(), Arc::new(AtomicBool::new(false)));
        let ran = Arc::new(AtomicBool::new(false));
        let handle = rt
            .spawn({
                let (started, go, ran) = (started.clone(), go.clone(), ran.clone());
                move || {
                    started.open();
                    while !go.load(SeqCst) {
                        thread::yield_now()
                    }
                    microthread::no_suspend(|| {
                        for _ in 0..10 {
                            assert!(catch_unwind(microthread::checkpoint).is_err());
                        }
                        ran.load(SeqCst)
                    })
                }
            })
            .unwrap();
        started.wait();
        handle.kill();
        let other = rt
            .spawn({
                let ran = ran.clone();
                move || ran.store(true, SeqCst)
            })
            .unwrap();
        go.store(true, SeqCst);
        let others_ran = handle.join().unwrap();
        other.join().unwrap();
        assert!(!others_ran);
    });
}
