//! Scopes, join sets and locals at their edges: shields, nesting, shutdown, forgotten handles, caught overflows.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use actor_core::microthread::{self, JoinError, JoinSet, yield_now};
use actor_core::microthread_local;
use tests::{Gate, OpenOnDrop, ms, one_worker, runtime, until_idle, within};

const LIMIT: u64 = 60;

fn for_ever() {
    microthread::sleep(ms(3_600_000));
}

/// A shield puts the kill off, so what the section's scope waits for goes on too.
#[test]
fn a_kill_does_not_reach_the_children_of_a_shielded_scope() {
    within(LIMIT, || {
        let rt = one_worker();
        let (started, go_on) = (Gate::new(), Gate::new());
        let (done, after) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let parent = rt
            .spawn({
                let (started, go_on) = (started.clone(), go_on.clone());
                let (done, after) = (done.clone(), after.clone());
                move || {
                    microthread::shield(|| {
                        microthread::scope(|s| {
                            s.spawn(|| {
                                started.open();
                                go_on.wait();
                                done.store(true, SeqCst);
                            });
                        })
                    });
                    after.store(true, SeqCst);
                }
            })
            .unwrap();
        started.wait();
        until_idle(&rt);
        parent.kill();
        // The one worker has handled the kill's wake-up, and what came of it, before these have run.
        for _ in 0..5 {
            rt.spawn(yield_now).unwrap().join().unwrap();
        }
        go_on.open();
        assert!(matches!(parent.join(), Err(JoinError::Killed)));
        assert!(done.load(SeqCst), "the child was killed inside the shield");
        assert!(
            !after.load(SeqCst),
            "the kill is raised where the shield ends"
        );
    });
}

#[inline(never)]
fn recurse_and_spawn<'scope>(s: &'scope microthread::Scope<'scope, '_>, depth: usize) -> usize {
    let frame = black_box([depth; 32]);
    if black_box(depth) == usize::MAX {
        return frame[0];
    }
    s.spawn(|| ()); // the call that notices
    recurse_and_spawn(s, depth + 1) + black_box(&frame)[3]
}

/// No child came of that spawn, so none has failed.
#[test]
fn a_spawn_that_overflows_and_is_caught_is_no_failed_child() {
    within(LIMIT, || {
        let rt = runtime(1);
        let handle = rt.spawn(|| {
            microthread::scope(|s| {
                let caught = catch_unwind(AssertUnwindSafe(|| recurse_and_spawn(s, 0)));
                assert!(caught.is_err());
                s.spawn(|| ());
            });
        });
        handle.unwrap().join().unwrap();
    });
}

#[test]
fn scopes_nest_and_a_kill_of_the_outermost_reaches_the_innermost() {
    within(LIMIT, || {
        let rt = runtime(2);
        let (started, unwound) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
        let parent = rt
            .spawn({
                let (started, unwound) = (started.clone(), unwound.clone());
                move || {
                    struct Count<'a>(&'a AtomicUsize, &'a mut u32);
                    impl Drop for Count<'_> {
                        fn drop(&mut self) {
                            *self.1 += 1;
                            self.0.fetch_add(1, SeqCst);
                        }
                    }
                    let (mut outer, mut inner) = (0, 0);
                    microthread::scope(|s| {
                        s.spawn(|| {
                            let _count = Count(&unwound, &mut outer);
                            microthread::scope(|s| {
                                s.spawn(|| {
                                    let _count = Count(&unwound, &mut inner);
                                    started.open();
                                    for_ever();
                                });
                            });
                        });
                    });
                }
            })
            .unwrap();
        started.wait();
        until_idle(&rt);
        parent.kill();
        assert!(matches!(parent.join(), Err(JoinError::Killed)));
        assert_eq!(unwound.load(SeqCst), 2);
    });
}

#[test]
fn a_runtime_that_ends_while_a_scope_waits_ends_children_and_caller() {
    within(LIMIT, || {
        for workers in [1, 2] {
            let rt = runtime(workers);
            let (started, unwound) = (Gate::new(), Gate::new());
            let parent = rt
                .spawn({
                    let (started, unwound) = (started.clone(), unwound.clone());
                    move || {
                        let lent = [1, 2, 3];
                        microthread::scope(|s| {
                            s.spawn(|| {
                                let _open = OpenOnDrop(unwound.clone());
                                started.open();
                                for_ever();
                                black_box(&lent);
                            });
                        });
                    }
                })
                .unwrap();
            started.wait();
            assert!(rt.shutdown(ms(10_000)).unwrap().is_clean());
            assert!(unwound.is_open());
            assert!(parent.join().is_err());
        }
    });
}

/// From an OS thread, whose scope no shutdown kills: the children that never ran are what it panics for.
#[test]
fn a_runtime_that_ends_under_a_threads_scope_shows_as_the_scopes_panic() {
    within(LIMIT, || {
        let rt = runtime(1);
        let lent = AtomicUsize::new(0);
        let tried = catch_unwind(AssertUnwindSafe(|| {
            microthread::scope_in(&rt, |s| {
                let started = Gate::new();
                s.spawn({
                    let (started, lent) = (started.clone(), &lent);
                    move || {
                        lent.fetch_add(1, SeqCst);
                        started.open();
                        for_ever();
                    }
                });
                started.wait();
                let clean = rt.shutdown(ms(10_000)).unwrap().is_clean();
                assert!(clean);
                assert!(s.try_spawn(|| ()).is_err());
            })
        }));
        assert!(tried.is_err());
        assert_eq!(lent.load(SeqCst), 1);
    });
}

#[test]
fn a_scope_outside_a_runtime_is_refused_before_its_closure_runs() {
    let called = AtomicBool::new(false);
    let tried = catch_unwind(AssertUnwindSafe(|| {
        microthread::scope(|_| called.store(true, SeqCst));
    }));
    let payload = tried.unwrap_err();
    let message = payload.downcast_ref::<&str>().expect("a plain message");
    assert!(message.contains("scope_in"), "{message}");
    assert!(!called.load(SeqCst));
}

#[test]
fn a_child_whose_handle_is_forgotten_is_waited_for() {
    within(LIMIT, || {
        let rt = runtime(2);
        let handle = rt.spawn(|| {
            let mut value = 0;
            microthread::scope(|s| {
                mem::forget(s.spawn(|| {
                    for _ in 0..20 {
                        yield_now();
                    }
                    value = 6;
                }));
            });
            value
        });
        assert_eq!(handle.unwrap().join().unwrap(), 6);
    });
}

#[test]
fn a_child_killed_before_it_runs_drops_what_it_borrowed_before_the_scope_ends() {
    within(LIMIT, || {
        let rt = one_worker();
        let handle = rt.spawn(|| {
            struct Sets<'a>(&'a mut bool);
            impl Drop for Sets<'_> {
                fn drop(&mut self) {
                    *self.0 = true;
                }
            }
            let (mut dropped, ran) = (false, AtomicBool::new(false));
            microthread::scope(|s| {
                let sets = Sets(&mut dropped);
                let ran = &ran;
                s.spawn(move || {
                    let _sets = sets;
                    ran.store(true, SeqCst);
                })
                .kill();
            });
            (dropped, ran.load(SeqCst))
        });
        assert_eq!(handle.unwrap().join().unwrap(), (true, false));
    });
}

#[test]
fn kill_all_of_a_join_set_leaves_a_result_for_each_member() {
    within(LIMIT, || {
        let rt = one_worker();
        let mut set = JoinSet::new();
        for _ in 0..3 {
            set.spawn_in(&rt, for_ever).unwrap();
        }
        set.kill_all();
        assert_eq!(set.len(), 3);
        for _ in 0..3 {
            assert!(matches!(set.join_next(), Some(Err(JoinError::Killed))));
        }
        assert!(set.try_join_next().is_none() && set.join_next().is_none());
    });
}

thread_local! {
    static FAILS: Cell<bool> = const { Cell::new(true) };
}

microthread_local! {
    static FRAGILE: u32 = if FAILS.replace(false) { resume_unwind(Box::new("first")) } else { 4 };
    static WAITS: RefCell<Option<WaitsOnDrop>> = RefCell::new(None);
}

#[test]
fn a_local_whose_initialiser_panicked_is_made_at_the_next_use() {
    within(LIMIT, || {
        let rt = one_worker();
        let handle = rt.spawn(|| {
            let first = catch_unwind(|| FRAGILE.with(|n| *n));
            (first.is_err(), FRAGILE.with(|n| *n))
        });
        assert_eq!(handle.unwrap().join().unwrap(), (true, 4));
    });
}

/// Waits in its destructor.
struct WaitsOnDrop(Gate, Gate);

impl Drop for WaitsOnDrop {
    fn drop(&mut self) {
        self.0.wait();
        self.1.open();
    }
}

/// As with `std::thread::scope`: they own nothing that is borrowed, and who joins the child waits for them.
#[test]
fn a_scope_waits_for_a_childs_locals_only_if_the_child_is_joined() {
    within(LIMIT, || {
        let rt = one_worker();
        let handle = rt.spawn(|| {
            let (go_on, dropped) = (Gate::new(), Gate::new());
            microthread::scope(|s| {
                let (go_on, dropped) = (go_on.clone(), dropped.clone());
                s.spawn(|| WAITS.set(Some(WaitsOnDrop(go_on, dropped))));
            });
            assert!(!dropped.is_open());
            go_on.open();
            dropped.wait();
            let dropped = Gate::new();
            microthread::scope(|s| {
                let (go_on, dropped) = (go_on.clone(), dropped.clone());
                let child = s.spawn(|| WAITS.set(Some(WaitsOnDrop(go_on, dropped))));
                child.join().unwrap();
            });
            assert!(dropped.is_open());
        });
        handle.unwrap().join().unwrap();
    });
}
