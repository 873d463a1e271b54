//! Bounds: how many stacks, how much memory, on which worker.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use actor_core::microthread::{
    self, Builder, JoinError, JoinHandle, SpawnError, block_on, blocking,
};
use actor_core::{Guard, Runtime};
use tests::{Gate, child, ms, until, until_idle, within};

const LIMIT: u64 = 60;

/// Spawns `count` that have started and wait for `go`.
fn blocked(rt: &Runtime, count: usize, go: &Gate) -> Vec<JoinHandle<usize>> {
    let started = Arc::new(AtomicUsize::new(0));
    let handles = (0..count)
        .map(|n| {
            let (started, go) = (started.clone(), go.clone());
            rt.spawn(move || {
                started.fetch_add(1, SeqCst);
                go.wait();
                n
            })
            .unwrap()
        })
        .collect();
    until(|| started.load(SeqCst) == count);
    handles
}

fn all_end(handles: Vec<JoinHandle<usize>>) {
    for (n, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.join().unwrap(), n);
    }
}

// ---- the stack limit -------------------------------------------------------------------------------------------------

#[test]
fn at_the_stack_limit_a_spawn_says_so_and_everything_goes_on() {
    within(LIMIT, || {
        let rt = Runtime::builder()
            .workers(2)
            .max_stacks(100)
            .build()
            .unwrap();
        for _ in 0..3 {
            let (parent_go, go) = (Gate::new(), Gate::new());
            // One of the hundred tries from inside.
            let inside = rt
                .spawn({
                    let parent_go = parent_go.clone();
                    move || {
                        parent_go.wait();
                        Builder::new().spawn(|| ()).map(|_| ())
                    }
                })
                .unwrap();
            let handles = blocked(&rt, 99, &go);
            assert_eq!(rt.stats().stacks_in_use, 100);
            let refused = rt.spawn(|| ()).unwrap_err();
            assert_eq!(refused, SpawnError::StackLimit { limit: 100 });
            assert!(
                refused.to_string().contains("100") && refused.to_string().contains("max_stacks")
            );
            parent_go.open();
            assert_eq!(
                inside.join().unwrap(),
                Err(SpawnError::StackLimit { limit: 100 })
            );
            // One has ended: one may come, and may block.
            let one_more = rt
                .spawn(|| {
                    microthread::yield_now();
                    blocking(|| 1)
                })
                .unwrap();
            assert_eq!(one_more.join().unwrap(), 1);
            go.open();
            all_end(handles);
            assert_eq!(rt.stats().stacks_in_use, 0);
        }
    });
}

/// However one ends, its claim is given back before the end shows.
#[test]
fn every_way_to_end_makes_room() {
    within(LIMIT, || {
        let rt = Runtime::builder().workers(1).max_stacks(1).build().unwrap();
        for round in 0..200 {
            let handle = rt
                .spawn(move || match round % 4 {
                    0 => (),
                    1 => std::panic::resume_unwind(Box::new("over")),
                    2 => microthread::yield_now(),
                    _ => microthread::sleep(ms(3_600_000)),
                })
                .unwrap_or_else(|error| panic!("round {round}: {error}"));
            if round % 4 == 3 {
                handle.kill()
            }
            let _ = handle.join();
        }
        assert_eq!(rt.stats().stacks_in_use, 0);
    });
}

/// Every stack that may be used can be used, at the same time, on whichever worker.
#[test]
fn as_many_as_the_limit_says_are_blocked_at_the_same_time() {
    within(LIMIT, || {
        for (workers, count) in [(1, 50), (2, 3_000), (2, 5_000)] {
            let rt = Runtime::builder()
                .workers(workers)
                .spare_workers(0)
                .max_stacks(count)
                .build()
                .unwrap();
            let go = Gate::new();
            let handles = blocked(&rt, count, &go);
            assert_eq!(
                rt.spawn(|| ()).unwrap_err(),
                SpawnError::StackLimit { limit: count }
            );
            go.open();
            all_end(handles);
        }
    });
}

/// More than `vm.max_map_count` has room for: those that have no stack yet start when others end.
#[test]
fn beyond_the_mappings_of_the_kernel_the_rest_waits_its_turn() {
    child!(|| within(LIMIT, || {
        // Two mappings each, of 65,530 by default.
        let count = std::fs::read_to_string("/proc/sys/vm/max_map_count")
            .unwrap()
            .trim()
            .parse::<usize>()
            .unwrap()
            / 2
            + 1_000;
        if count > 100_000 {
            return;
        }
        let rt = Runtime::builder()
            .workers(2)
            .guard(Guard::Mprotect)
            .build()
            .unwrap();
        let (started, go) = (Arc::new(AtomicUsize::new(0)), Gate::new());
        let handles: Vec<_> = (0..count)
            .map(|n| {
                let (started, go) = (started.clone(), go.clone());
                rt.spawn(move || {
                    started.fetch_add(1, SeqCst);
                    go.wait();
                    n
                })
                .unwrap()
            })
            .collect();
        until(|| started.load(SeqCst) > count / 2);
        // Ordinary allocation still works.
        drop(std::hint::black_box(vec![1_u8; 32 << 20]));
        go.open();
        all_end(handles);
    }))
    .succeeds();
}

/// Nothing of this runtime's will end and give a stack back; somebody else in the process gives memory back.
#[test]
fn what_finds_no_memory_for_a_stack_starts_once_there_is_some() {
    const STACK: usize = 16 << 20;
    fn limit_address_space(bytes: libc::rlim_t) {
        // SAFETY: the calls use the structure they are given, and nothing else.
        unsafe {
            let mut limit: libc::rlimit = std::mem::zeroed();
            assert_eq!(libc::getrlimit(libc::RLIMIT_AS, &raw mut limit), 0);
            limit.rlim_cur = bytes.min(limit.rlim_max);
            assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &raw const limit), 0);
        }
    }
    child!(|| within(LIMIT, || {
        let rt = Runtime::builder()
            .workers(1)
            .spare_workers(0)
            .stack_size(STACK)
            .build()
            .unwrap();
        until_idle(&rt);
        let used = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: usize = used.split(' ').next().unwrap().parse().unwrap();
        // SAFETY: it only asks.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        limit_address_space((pages * page + STACK / 2) as libc::rlim_t);
        let starts = rt.spawn(|| 7).unwrap();
        // It looks again and again, asleep in between, and not only while the queue of all workers has it.
        let mut asleep = 0;
        until(|| {
            asleep += rt.stats().sleeping;
            asleep == 100
        });
        limit_address_space(libc::RLIM_INFINITY);
        assert_eq!(starts.join().unwrap(), 7);
    }))
    .succeeds();
}

/// Those that have stacks go on while there is none for the rest, also if all they do is to let the rest go first.
#[test]
fn beyond_the_mappings_of_the_kernel_those_who_yield_go_on() {
    child!(|| within(LIMIT, || {
        let most = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
        let count = most.trim().parse::<usize>().unwrap() / 2 + 1_000;
        if count > 100_000 {
            return;
        }
        let rt = Runtime::builder()
            .workers(1)
            .spare_workers(0)
            .guard(Guard::Mprotect)
            .build()
            .unwrap();
        let (started, over) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let handles: Vec<_> = (0..count)
            .map(|n| {
                let (started, over) = (started.clone(), over.clone());
                rt.spawn(move || {
                    started.fetch_add(1, SeqCst);
                    while !over.load(SeqCst) {
                        microthread::yield_now();
                    }
                    n
                })
                .unwrap()
            })
            .collect();
        // No more come for long: the next has no stack. (If that is wrong the test passes for another reason.)
        let (mut before, mut looks) = (0, 0);
        until(|| {
            let now = started.load(SeqCst);
            looks = if now == before { looks + 1 } else { 0 };
            before = now;
            now > count / 2 && looks > 100
        });
        over.store(true, SeqCst);
        all_end(handles);
    }))
    .succeeds();
}

// ---- both kinds of guards --------------------------------------------------------------------------------------------

/// Some of everything.
fn representative(rt: &Runtime) {
    let go = Gate::new();
    let handles = blocked(rt, 500, &go);
    let killed = rt.spawn(|| microthread::sleep(ms(3_600_000))).unwrap();
    killed.kill();
    assert!(matches!(killed.join(), Err(JoinError::Killed)));
    let panicked = rt
        .spawn(|| -> () { std::panic::resume_unwind(Box::new("over")) })
        .unwrap();
    assert_eq!(panicked.join().unwrap_err().message(), Some("over"));
    let large = Builder::new().stack_size(1 << 20).spawn_in(rt, || {
        let array = std::hint::black_box([1_u8; 200_000]);
        microthread::yield_now();
        array.iter().map(|n| usize::from(*n)).sum::<usize>()
    });
    assert_eq!(large.unwrap().join().unwrap(), 200_000);
    let mixed = rt.spawn(|| {
        let parts: Vec<_> = (0..100)
            .map(|n| {
                microthread::spawn(move || {
                    microthread::sleep(ms(n % 3));
                    blocking(|| n) + block_on(async { n })
                })
            })
            .collect();
        parts
            .into_iter()
            .map(|part| part.join().unwrap())
            .sum::<u64>()
    });
    assert_eq!(mixed.unwrap().join().unwrap(), 9900);
    go.open();
    all_end(handles);
    until_idle(rt);
}

#[test]
fn with_protected_guards_everything_works() {
    within(LIMIT, || {
        for workers in [1, 2] {
            let rt = Runtime::builder()
                .workers(workers)
                .guard(Guard::Mprotect)
                .keep_idle_stacks(10)
                .build()
                .unwrap();
            (0..3).for_each(|_| representative(&rt));
            assert!(rt.shutdown(ms(10_000)).unwrap().is_clean());
        }
    });
}

#[test]
fn with_the_kernels_best_guards_everything_works() {
    within(LIMIT, || {
        for workers in [1, 2] {
            let rt = Runtime::builder()
                .workers(workers)
                .guard(Guard::Auto)
                .keep_idle_stacks(10)
                .build()
                .unwrap();
            (0..3).for_each(|_| representative(&rt));
            assert!(rt.shutdown(ms(10_000)).unwrap().is_clean());
        }
    });
}

/// Counted by the mappings that thousands of stacks take.
#[test]
fn the_environment_chooses_the_default_of_the_guards() {
    child!(
        || within(LIMIT, || {
            let maps = || {
                std::fs::read_to_string("/proc/self/maps")
                    .unwrap()
                    .lines()
                    .count()
            };
            let rt = Runtime::builder().workers(1).build().unwrap();
            let (before, go) = (maps(), Gate::new());
            let handles = blocked(&rt, 2_000, &go);
            let more = maps() - before;
            assert!(more >= 4_000, "{more}");
            go.open();
            all_end(handles);
        }),
        &[("ACTOR_GUARD", "mprotect")]
    )
    .succeeds();
}

// ---- memory ----------------------------------------------------------------------------------------------------------

/// Resident memory in KiB.
fn resident() -> usize {
    let smaps = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = smaps.lines().find(|line| line.starts_with("Rss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Twenty thousand, as many as fit with either kind of guard, are blocked at the same time and end; whatever else the
/// runtime does, most of the memory comes back.
///
/// To be given a runtime without spare workers: a busy machine would bring up any number of them, and each keeps idle
/// stacks of its own and an arena of the allocator's.
fn shrinks(rt: &Runtime) {
    let go = Gate::new();
    all_end({
        let handles = blocked(rt, 100, &go);
        go.open();
        handles
    });
    let before = resident();
    let go = Gate::new();
    let handles = blocked(rt, 20_000, &go);
    let most = resident();
    assert!(
        most - before > 20_000 * 4,
        "a blocked stack holds a page: {before} KiB, then {most}"
    );
    go.open();
    all_end(handles);
    // Most of what the burst took; the allocator keeps an eighth of it, more or less, and the queues may keep some.
    let enough = before + (most - before) / 4;
    until(|| resident() < enough);
    assert!(rt.stats().stacks < 5_000, "{:?}", rt.stats());
}

#[test]
fn memory_comes_back_after_a_burst() {
    child!(|| within(LIMIT, || shrinks(
        &Runtime::builder()
            .workers(2)
            .spare_workers(0)
            .build()
            .unwrap()
    )))
    .succeeds();
}

/// A worker that is never idle for long gives memory back as well.
#[test]
fn memory_comes_back_while_timers_tick() {
    child!(|| within(LIMIT, || {
        let rt = tests::one_worker();
        let over = Arc::new(AtomicBool::new(false));
        let ticker = rt
            .spawn({
                let over = over.clone();
                move || {
                    while !over.load(SeqCst) {
                        microthread::sleep(ms(10))
                    }
                }
            })
            .unwrap();
        shrinks(&rt);
        over.store(true, SeqCst);
        ticker.join().unwrap();
    }))
    .succeeds();
}

// ---- spreading -------------------------------------------------------------------------------------------------------

/// As an accept loop does: it spawns one, waits for the next, and so on.
#[test]
fn what_one_loop_spawns_is_spread_over_the_workers_by_live_stacks() {
    within(LIMIT, || {
        const SESSIONS: usize = 400;
        let rt = Runtime::builder().workers(4).build().unwrap();
        let go = Gate::new();
        let accept = rt.spawn({
            let go = go.clone();
            move || {
                (0..SESSIONS)
                    .map(|_| {
                        let (started, go) = (Gate::new(), go.clone());
                        let session = microthread::spawn({
                            let started = started.clone();
                            move || {
                                started.open();
                                go.wait();
                                thread::current().id()
                            }
                        });
                        started.wait();
                        session
                    })
                    .collect::<Vec<_>>()
            }
        });
        let sessions = accept.unwrap().join().unwrap();
        let loads = rt.stats().by_worker;
        go.open();
        let mut by_thread = HashMap::new();
        for session in sessions {
            *by_thread.entry(session.join().unwrap()).or_insert(0_usize) += 1;
        }
        // Thieves may tilt it: each worker has a fair part, not an equal one.
        assert!(by_thread.len() >= 4, "{by_thread:?}");
        let regular = loads.iter().take(4);
        assert!(
            regular.clone().all(|load| *load >= SESSIONS / 16),
            "{loads:?}"
        );
        assert!(
            regular.clone().all(|load| *load <= SESSIONS / 2),
            "{loads:?}"
        );
    });
}

/// Two that must run at the same time without ever suspending: one of them is taken by the other worker.
#[test]
fn queued_work_is_taken_by_a_worker_that_has_none() {
    within(LIMIT, || {
        let rt = Runtime::builder()
            .workers(2)
            .spare_workers(0)
            .build()
            .unwrap();
        for _ in 0..50 {
            let pair = rt.spawn(|| {
                let arrived = Arc::new(AtomicUsize::new(0));
                let meet = || {
                    let arrived = arrived.clone();
                    move || {
                        arrived.fetch_add(1, SeqCst);
                        while arrived.load(SeqCst) < 2 {
                            thread::yield_now()
                        }
                        thread::current().id()
                    }
                };
                let (a, b) = (microthread::spawn(meet()), microthread::spawn(meet()));
                (a.join().unwrap(), b.join().unwrap())
            });
            let (a, b) = pair.unwrap().join().unwrap();
            assert_ne!(a, b);
        }
    });
}
