//! Structured concurrency: scopes that borrow, join sets, cancellation, microthread-locals.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use actor_core::microthread::{
    self, AccessError, CancellationToken, JoinError, JoinSet, block_on, yield_now,
};
use actor_core::prelude::*;
use actor_core::sync::WaitError;
use actor_core::{Runtime, microthread_local};
use tests::{Gate, OpenOnDrop, child, ms, one_worker, recurse, runtime, until_idle, within};

const LIMIT: u64 = 60;

/// Runs `body` in a microthread of a runtime with so many workers.
fn inside<T: Send + 'static>(workers: usize, body: impl FnOnce() -> T + Send + 'static) -> T {
    within(LIMIT, || {
        runtime(workers).spawn(body).unwrap().join().unwrap()
    })
}

fn for_ever() {
    microthread::sleep(ms(3_600_000));
}

#[test]
fn children_borrow_and_have_ended_when_the_scope_returns() {
    inside(2, || {
        for _ in 0..50 {
            let mut parts = vec![0_u64; 32];
            let ended = AtomicUsize::new(0);
            microthread::scope(|s| {
                for (n, part) in parts.iter_mut().enumerate() {
                    let ended = &ended;
                    s.spawn(move || {
                        yield_now();
                        *part = n as u64;
                        ended.fetch_add(1, SeqCst);
                    });
                }
            });
            assert_eq!(ended.load(SeqCst), 32);
            assert_eq!(parts.iter().sum::<u64>(), 31 * 32 / 2);
        }
    });
}

#[test]
fn a_scope_works_from_an_os_thread_and_its_children_spawn_siblings() {
    within(LIMIT, || {
        let rt = runtime(2);
        let count = AtomicUsize::new(0);
        let result = microthread::scope_in(&rt, |s| {
            s.spawn(|| {
                for _ in 0..10 {
                    s.spawn(|| count.fetch_add(1, SeqCst));
                }
            });
            7
        });
        assert_eq!((result, count.load(SeqCst)), (7, 10));
    });
}

#[test]
fn a_result_may_borrow_and_is_dropped_if_nobody_joins() {
    inside(1, || {
        let drops = AtomicUsize::new(0);
        struct Counts<'a>(&'a AtomicUsize);
        impl Drop for Counts<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, SeqCst);
            }
        }
        microthread::scope(|s| {
            let joined = s.spawn(|| Counts(&drops));
            s.spawn(|| Counts(&drops));
            drop(joined.join().unwrap());
        });
        assert_eq!(drops.load(SeqCst), 2);
    });
}

#[test]
fn a_childs_panic_is_the_scopes_unless_it_was_joined() {
    inside(1, || {
        let ended = Gate::new();
        let tried = catch_unwind(AssertUnwindSafe(|| {
            microthread::scope(|s| {
                s.spawn(|| resume_unwind(Box::new("broken")));
                s.spawn(|| {
                    yield_now();
                    ended.open();
                });
            })
        }));
        assert!(tried.is_err());
        assert!(ended.is_open(), "siblings are waited for");
        microthread::scope(|s| {
            let child = s.spawn(|| resume_unwind(Box::new("broken")));
            let error: Result<(), _> = child.join();
            assert_eq!(error.unwrap_err().message(), Some("broken"));
        });
    });
}

#[test]
fn a_killed_child_is_no_panic() {
    inside(1, || {
        microthread::scope(|s| {
            let child = s.spawn(for_ever);
            yield_now();
            child.kill();
        });
        microthread::scope(|s| {
            s.spawn(for_ever);
            s.kill_all();
            s.spawn(for_ever);
        });
    });
}

#[test]
fn a_closure_that_unwinds_takes_its_children_along() {
    inside(2, || {
        let unwound = Gate::new();
        let tried = catch_unwind(AssertUnwindSafe(|| {
            microthread::scope(|s| {
                let started = Gate::new();
                s.spawn({
                    let started = started.clone();
                    let unwound = &unwound;
                    move || {
                        let _open = OpenOnDrop(unwound.clone());
                        started.open();
                        for_ever();
                    }
                });
                started.wait();
                resume_unwind(Box::new("over"));
            })
        }));
        assert_eq!(*tried.unwrap_err().downcast::<&str>().unwrap(), "over");
        assert!(unwound.is_open());
    });
}

#[test]
fn an_error_of_the_try_form_takes_the_children_along() {
    inside(1, || {
        let tried = microthread::try_scope(|s| {
            s.spawn(for_ever);
            s.spawn(for_ever);
            Err::<(), _>("no use")
        });
        assert_eq!(tried, Err("no use"));
        let value = microthread::try_scope(|s| {
            let child = s.spawn(|| 1);
            Ok::<_, JoinError>(child.join()? + 1)
        });
        assert_eq!(value.unwrap(), 2);
    });
}

/// The kill waits for what borrows, and reaches it.
#[test]
fn a_kill_of_the_caller_goes_on_to_the_children_and_waits_for_them() {
    within(LIMIT, || {
        for workers in [1, 2] {
            let rt = runtime(workers);
            let (started, unwound) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
            let parent = rt
                .spawn({
                    let (started, unwound) = (started.clone(), unwound.clone());
                    move || {
                        struct Count<'a>(&'a AtomicUsize, &'a [u8]);
                        impl Drop for Count<'_> {
                            fn drop(&mut self) {
                                assert_eq!(self.1, [1, 2, 3]);
                                self.0.fetch_add(1, SeqCst);
                            }
                        }
                        let lent = vec![1, 2, 3];
                        microthread::scope(|s| {
                            for _ in 0..5 {
                                s.spawn(|| {
                                    let _count = Count(&unwound, &lent);
                                    for_ever();
                                });
                            }
                            s.spawn(|| started.open());
                        });
                        unreachable!("goes on after a kill");
                    }
                })
                .unwrap();
            started.wait();
            until_idle(&rt);
            parent.kill();
            assert!(matches!(parent.join(), Err(JoinError::Killed)));
            assert_eq!(unwound.load(SeqCst), 5);
        }
    });
}

/// At any moment: spawning, waiting, ending.
#[test]
fn kills_at_any_time_leave_no_child_behind() {
    within(LIMIT, || {
        let rt = runtime(2);
        for round in 0..200 {
            let running = Arc::new(AtomicUsize::new(0));
            let parent = rt
                .spawn({
                    let running = running.clone();
                    move || {
                        struct Runs<'a>(&'a AtomicUsize);
                        impl Drop for Runs<'_> {
                            fn drop(&mut self) {
                                self.0.fetch_sub(1, SeqCst);
                            }
                        }
                        loop {
                            microthread::scope(|s| {
                                for _ in 0..3 {
                                    running.fetch_add(1, SeqCst);
                                    let runs = Runs(&running);
                                    s.spawn(move || {
                                        let _runs = runs;
                                        yield_now();
                                    });
                                }
                            });
                        }
                    }
                })
                .unwrap();
            (0..round * 10).for_each(|_| std::hint::spin_loop());
            parent.kill();
            let result: Result<(), _> = parent.join();
            assert!(matches!(result, Err(JoinError::Killed)));
            assert_eq!(running.load(SeqCst), 0);
        }
    });
}

#[test]
fn an_overflow_in_a_scoped_child_aborts() {
    child!(|| inside(1, || microthread::scope(|s| {
        s.spawn(|| recurse(0));
    })))
    .aborts_with("lent");
}

#[test]
fn an_overflow_of_the_caller_while_its_scope_is_open_aborts() {
    child!(|| inside(1, || microthread::scope(|s| {
        s.spawn(for_ever);
        black_box(recurse(0));
    })))
    .aborts_with("lent");
}

#[test]
fn an_overflow_after_the_scope_is_contained() {
    child!(|| within(LIMIT, || {
        let rt = runtime(1);
        let handle = rt.spawn(|| {
            microthread::scope(|s| {
                s.spawn(|| ());
            });
            recurse(0)
        });
        assert!(matches!(handle.unwrap().join(), Err(JoinError::Overflowed)));
    }))
    .succeeds();
}

#[test]
fn a_scope_in_no_suspend_is_refused_before_anything_is_lent() {
    inside(1, || {
        let called = AtomicBool::new(false);
        let tried = catch_unwind(AssertUnwindSafe(|| {
            microthread::no_suspend(|| microthread::scope(|_| called.store(true, SeqCst)));
        }));
        assert!(tried.is_err() && !called.load(SeqCst));
    });
}

// ---- JoinSet -------------------------------------------------------------------------------------------------------

#[test]
fn a_join_set_gives_results_in_the_order_of_the_ends() {
    within(LIMIT, || {
        let rt = one_worker();
        let mut set = JoinSet::new();
        let gates: Vec<_> = (0..5).map(|_| Gate::new()).collect();
        for (n, gate) in gates.iter().cloned().enumerate() {
            let number = set.spawn_in(&rt, move || {
                gate.wait();
                n
            });
            assert_eq!(number.unwrap(), n as u64);
        }
        assert!(set.try_join_next().is_none());
        let timed_out = set.join_next_timeout(ms(1)).map(|_| ());
        assert_eq!(timed_out, Err(WaitError::TimedOut));
        for n in [3, 1, 4, 0, 2] {
            gates[n].open();
            let (number, result) = set.join_next_with_number().unwrap();
            assert_eq!((number, result.unwrap()), (n as u64, n));
        }
        assert!(set.is_empty() && set.join_next().is_none());
        assert!(block_on(set.join_next_async()).is_none());
    });
}

#[test]
fn a_join_set_tells_how_members_failed() {
    inside(2, || {
        let mut set = JoinSet::new();
        let killed = set.spawn(for_ever);
        set.spawn(|| resume_unwind(Box::new("broken")));
        let error = set.join_next().unwrap().unwrap_err();
        assert_eq!(error.message(), Some("broken"));
        assert!(set.kill(killed) && !set.kill(99));
        assert!(matches!(set.join_next(), Some(Err(JoinError::Killed))));
    });
}

#[test]
fn an_overflowed_member_is_not_lost() {
    child!(|| inside(1, || {
        let mut set = JoinSet::new();
        set.spawn(|| recurse(0));
        assert!(matches!(set.join_next(), Some(Err(JoinError::Overflowed))));
    }))
    .succeeds();
}

#[test]
fn a_dropped_join_set_kills_and_a_detached_one_does_not() {
    within(LIMIT, || {
        let rt = runtime(1);
        let (unwound, go_on) = (Gate::new(), Gate::new());
        let detached = Arc::new(AtomicBool::new(false));
        let mut set = JoinSet::new();
        let (gate, flag) = (go_on.clone(), detached.clone());
        set.spawn_in(&rt, move || {
            gate.wait();
            flag.store(true, SeqCst);
        })
        .unwrap();
        set.detach_all();
        assert!(set.is_empty());
        let started = Gate::new();
        let (open, start) = (OpenOnDrop(unwound.clone()), started.clone());
        set.spawn_in(&rt, move || {
            let _open = open;
            start.open();
            for_ever();
        })
        .unwrap();
        started.wait();
        drop(set);
        unwound.wait();
        go_on.open();
        tests::until(|| detached.load(SeqCst));
    });
}

#[test]
fn shutdown_of_a_join_set_waits_for_its_members() {
    inside(2, || {
        let running = Arc::new(AtomicUsize::new(0));
        let mut set = JoinSet::new();
        for _ in 0..10 {
            let running = running.clone();
            set.spawn(move || {
                struct Out(Arc<AtomicUsize>);
                impl Drop for Out {
                    fn drop(&mut self) {
                        self.0.fetch_sub(1, SeqCst);
                    }
                }
                running.fetch_add(1, SeqCst);
                let _out = Out(running);
                for_ever();
            });
        }
        yield_now();
        set.shutdown();
        assert!(set.is_empty());
        assert_eq!(running.load(SeqCst), 0);
    });
}

// ---- CancellationToken ---------------------------------------------------------------------------------------------

#[test]
fn cancelling_reaches_children_and_not_parents() {
    let root = CancellationToken::new();
    let (left, right) = (root.child_token(), root.child_token());
    let leaf = left.child_token();
    left.cancel();
    assert!(left.is_cancelled() && leaf.is_cancelled());
    assert!(!root.is_cancelled() && !right.is_cancelled());
    root.cancel();
    assert!(right.is_cancelled() && root.child_token().is_cancelled());
}

#[test]
fn every_way_to_wait_for_a_cancellation_ends() {
    within(LIMIT, || {
        let rt = runtime(2);
        let token = CancellationToken::new();
        assert_eq!(token.wait_timeout(ms(1)), Err(WaitError::TimedOut));
        let waits: [fn(CancellationToken); 4] = [
            |token| token.wait(),
            |token| token.wait_timeout(ms(3_600_000)).unwrap(),
            |token| block_on(token.cancelled()),
            |token| {
                let never = std::future::pending::<()>();
                assert!(block_on(token.run_until_cancelled(never)).is_none());
            },
        ];
        let waiters: Vec<_> = (0..20)
            .map(|n| {
                let token = token.child_token();
                rt.spawn(move || waits[n % 4](token)).unwrap()
            })
            .collect();
        let blocked = thread::spawn({
            let token = token.clone();
            move || token.wait()
        });
        token.cancel();
        waiters
            .into_iter()
            .for_each(|waiter| waiter.join().unwrap());
        blocked.join().unwrap();
        token.wait();
        assert_eq!(token.wait_timeout(ms(0)), Ok(()));
    });
}

#[test]
fn a_drop_guard_cancels_unless_disarmed() {
    let token = CancellationToken::new();
    drop(token.clone().drop_guard().disarm());
    assert!(!token.is_cancelled());
    drop(token.clone().drop_guard());
    assert!(token.is_cancelled());
}

#[test]
fn a_deep_chain_of_tokens_is_cancelled_and_dropped_without_recursion() {
    let root = CancellationToken::new();
    let mut last = root.clone();
    for _ in 0..200_000 {
        last = last.child_token();
    }
    root.cancel();
    assert!(last.is_cancelled());
    drop((root, last));
}

// ---- microthread-locals --------------------------------------------------------------------------------------------

microthread_local! {
    static NUMBER: Cell<u32> = Cell::new(7);
    static LIST: RefCell<Vec<u32>> = RefCell::new(vec![1]);
    static KEPT: RefCell<Option<OpenOnDrop>> = RefCell::new(None);
}

#[test]
fn each_microthread_and_thread_has_its_own_value() {
    within(LIMIT, || {
        let rt = one_worker();
        NUMBER.set(1);
        let handles: Vec<_> = (10..20)
            .map(|n| {
                rt.spawn(move || {
                    assert_eq!(NUMBER.replace(n), 7);
                    LIST.with_borrow_mut(|list| list.push(n));
                    yield_now();
                    assert_eq!(LIST.take(), [1, n]);
                    assert_eq!(LIST.replace(vec![]), Vec::<u32>::new());
                    NUMBER.get()
                })
                .unwrap()
            })
            .collect();
        let got: Vec<_> = handles.into_iter().map(|h| h.join().unwrap()).collect();
        assert_eq!(got, (10..20).collect::<Vec<_>>());
        assert_eq!(NUMBER.get(), 1);
        assert_eq!(thread::spawn(|| NUMBER.get()).join().unwrap(), 7);
    });
}

#[test]
fn locals_are_dropped_before_the_end_shows_however_it_comes() {
    within(LIMIT, || {
        let rt = one_worker();
        let ends: [fn(); 3] = [|| (), || resume_unwind(Box::new(())), for_ever];
        for end in ends {
            let (dropped, started) = (Gate::new(), Gate::new());
            let (open, start) = (OpenOnDrop(dropped.clone()), started.clone());
            let handle = rt
                .spawn(move || {
                    KEPT.set(Some(open));
                    start.open();
                    end();
                })
                .unwrap();
            started.wait();
            until_idle(&rt);
            handle.kill();
            let _ = handle.join();
            assert!(dropped.is_open());
        }
        let dropped = Gate::new();
        let open = OpenOnDrop(dropped.clone());
        thread::spawn(|| KEPT.set(Some(open))).join().unwrap();
        assert!(dropped.is_open());
    });
}

/// Looks at `NUMBER` when dropped, after having let others run.
struct Looks(Arc<std::sync::Mutex<Vec<Result<u32, AccessError>>>>);

impl Drop for Looks {
    fn drop(&mut self) {
        yield_now();
        let seen = NUMBER.try_with(Cell::get);
        self.0.lock().unwrap().push(seen);
    }
}

microthread_local! {
    static FIRST: RefCell<Option<Looks>> = RefCell::new(None);
    static SECOND: RefCell<Option<Looks>> = RefCell::new(None);
}

#[test]
fn a_destructor_may_block_and_use_other_locals_while_they_are_there() {
    within(LIMIT, || {
        let rt = one_worker();
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let log = seen.clone();
        rt.spawn(move || {
            FIRST.set(Some(Looks(log.clone())));
            NUMBER.set(3);
            SECOND.set(Some(Looks(log)));
        })
        .unwrap()
        .join()
        .unwrap();
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 2);
        assert!(
            seen.iter()
                .all(|seen| matches!(seen, Ok(3) | Err(AccessError))),
            "{seen:?}"
        );
    });
}

/// Uses a local in its handler.
#[actor]
#[derive(Debug)]
pub struct Noter {}

#[actor]
impl Noter {
    /// Counts in a local; gives what it was.
    pub fn note(&mut self) -> u32 {
        let before = NUMBER.get();
        yield_now();
        NUMBER.set(before + 1);
        before
    }
}

#[test]
fn locals_of_a_handler_do_not_outlast_its_activation() {
    within(LIMIT, || {
        let sys = System::new().unwrap();
        let noter = sys.spawn(Noter {}).unwrap();
        for _ in 0..10 {
            let before = noter.ask().note().unwrap();
            // Each ask may meet the activation of the last, or a new one; never another actor's or microthread's value.
            assert!((7..17).contains(&before));
        }
        let others = sys.spawn_microthread(|| NUMBER.get()).unwrap();
        assert_eq!(others.join().unwrap(), 7);
    });
}

#[test]
fn nothing_of_a_local_is_left_for_the_next_on_the_same_stack() {
    within(LIMIT, || {
        let rt: Runtime = one_worker();
        for _ in 0..20 {
            let handle = rt.spawn(|| NUMBER.replace(99)).unwrap();
            assert_eq!(handle.join().unwrap(), 7);
        }
    });
}
