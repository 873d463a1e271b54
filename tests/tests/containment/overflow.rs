//! Stacks that run out: unwound in time where a call into the runtime notices, abandoned where the guard page does.

use std::future::Future;
use std::hint::black_box;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Waker};

use actor_core::microthread::{self, Builder, JoinError, block_on, blocking};
use actor_core::sync::{Mutex, Notify, RwLock, Semaphore};
use actor_core::{Event, Guard, OnOverflow, Runtime};
use tests::{Gate, OpenOnDrop, child, ms, recurse, runtime, until, within};

use super::{LIMIT, goes_on};

/// Recursion that calls `step` at each level.
#[inline(never)]
fn recurse_with(step: fn(), depth: usize) -> usize {
    let frame = black_box([depth; 32]);
    if black_box(depth) == usize::MAX {
        return frame[0];
    }
    step();
    recurse_with(step, depth + 1) + black_box(&frame)[3]
}

/// The steps that recursion meets: each an entry into the runtime.
const ENTRIES: [(&str, fn()); 9] = [
    ("yield", microthread::yield_now),
    ("checkpoint", microthread::checkpoint),
    ("spawn and join", || {
        microthread::spawn(|| ()).join().unwrap()
    }),
    ("sleep", || {
        microthread::sleep(std::time::Duration::from_nanos(1))
    }),
    ("blocking", || blocking(|| ())),
    ("block_on", || block_on(async {})),
    ("mutex", || {
        static MUTEX: Mutex<u32> = Mutex::new(0);
        *MUTEX.lock().unwrap() += 1;
    }),
    ("rwlock", || {
        static LOCK: RwLock<u32> = RwLock::new(0);
        let before = *LOCK.read().unwrap();
        *LOCK.write().unwrap() = before + 1;
    }),
    ("semaphore", || {
        static PERMITS: Semaphore = Semaphore::new(1);
        drop(PERMITS.acquire().unwrap());
    }),
];

/// Overflow that comes by a call of ours: unwound in time, so nothing is lost.
fn unwinds_in_time(rt: &Runtime) {
    let events = rt.events();
    for (name, entry) in ENTRIES {
        let unwound = Gate::new();
        let on_drop = OpenOnDrop(unwound.clone());
        let handle = Builder::new()
            .name(name)
            .spawn_in(rt, move || {
                let _on_drop = on_drop;
                recurse_with(entry, 0)
            })
            .unwrap();
        assert!(
            matches!(handle.join(), Err(JoinError::Overflowed)),
            "{name}"
        );
        assert!(unwound.is_open());
        let (whose, abandoned) = events
            .iter()
            .find_map(|event| match event {
                Event::Overflow { who, abandoned, .. } => Some((who, abandoned)),
                _ => None,
            })
            .unwrap();
        assert_eq!((whose.name.as_deref(), abandoned), (Some(name), false));
    }
    assert_eq!(rt.stats().stacks_abandoned, 0);
    assert_eq!(rt.stats().stacks_in_use, 0);
    goes_on(rt);
}

#[test]
fn an_overflow_at_an_entry_into_the_runtime_unwinds() {
    child!(|| within(LIMIT, || for workers in [1, 2] {
        unwinds_in_time(&runtime(workers))
    }))
    .succeeds();
}

#[test]
fn an_overflow_that_was_unwound_can_be_caught() {
    within(LIMIT, || {
        let rt = runtime(1);
        let handle = rt.spawn(|| {
            (0..5)
                .filter(|_| catch_unwind(|| recurse_with(microthread::yield_now, 0)).is_err())
                .count()
        });
        assert_eq!(handle.unwrap().join().unwrap(), 5);
    });
}

/// Recursion into the guard page: the stack is abandoned, the process goes on.
fn abandons(rt: &Runtime) {
    let suspended = rt
        .spawn({
            let gate = Gate::new();
            move || {
                microthread::sleep(ms(50));
                drop(gate);
                6
            }
        })
        .unwrap();
    for round in 1..=3 {
        // A subscription has a bounded length.
        let events = rt.events();
        let dropped = Gate::new();
        let on_drop = OpenOnDrop(dropped.clone());
        let handle = Builder::new()
            .name("deep")
            .spawn_in(rt, move || {
                let _on_drop = on_drop;
                recurse(0)
            })
            .unwrap();
        assert!(matches!(handle.join(), Err(JoinError::Overflowed)));
        // What was on it is leaked, not dropped.
        assert!(!dropped.is_open());
        let (who, size) = events
            .iter()
            .find_map(|event| match event {
                Event::Overflow {
                    who,
                    abandoned: true,
                    stack_size,
                    ..
                } => Some((who, stack_size)),
                _ => None,
            })
            .unwrap();
        assert_eq!(who.name.as_deref(), Some("deep"));
        assert!(size >= 60 * 1024);
        let stats = rt.stats();
        assert_eq!(stats.stacks_abandoned, round);
        // It counts against the limit for ever.
        assert!(stats.stacks_in_use >= round);
        goes_on(rt);
    }
    assert_eq!(suspended.join().unwrap(), 6);
    until(|| rt.stats().stacks_in_use == 3);
    // No live stack of a worker's is an abandoned one.
    until(|| rt.stats().by_worker.iter().sum::<usize>() == 0);
    assert!(rt.shutdown(ms(10_000)).unwrap().is_clean());
}

#[test]
fn an_overflow_elsewhere_abandons_the_stack_and_the_process_goes_on() {
    child!(|| within(LIMIT, || for workers in [1, 2] {
        abandons(&runtime(workers))
    }))
    .succeeds();
}

#[test]
fn with_protected_guards_an_overflow_is_contained_as_well() {
    child!(|| within(LIMIT, || {
        let rt = || {
            Runtime::builder()
                .workers(1)
                .guard(Guard::Mprotect)
                .build()
                .unwrap()
        };
        unwinds_in_time(&rt());
        abandons(&rt());
    }))
    .succeeds();
}

/// A joiner inside, and one that was killed meanwhile: nobody waits for an abandoned stack.
#[test]
fn whoever_waits_for_an_abandoned_microthread_is_told() {
    child!(|| within(LIMIT, || {
        let rt = runtime(1);
        let outer = rt.spawn(|| {
            let inner = microthread::spawn(|| recurse(0));
            matches!(inner.join(), Err(JoinError::Overflowed))
        });
        assert!(outer.unwrap().join().unwrap());
        drop(rt.spawn(|| recurse(0)).unwrap());
        until(|| rt.stats().stacks_abandoned == 2);
        goes_on(&rt);
    }))
    .succeeds();
}

#[test]
fn an_overflow_in_foreign_code_aborts_with_the_name() {
    /// Small frames, and in each a call into the allocator that goes deeper than the next frame.
    #[inline(never)]
    fn allocate_for_ever() {
        // SAFETY: a plain allocation, leaked.
        let block = unsafe { libc::malloc(black_box(8000)) };
        if !block.is_null() {
            allocate_for_ever();
        }
        black_box(block);
    }
    child!(|| within(LIMIT, || {
        let rt = runtime(1);
        let _ = rt.spawn(allocate_for_ever).unwrap().join();
    }))
    .aborts_with("an_overflow_in_foreign_code_aborts_with_the_name");
}

#[test]
fn an_overflow_aborts_if_that_is_the_policy() {
    child!(|| within(LIMIT, || {
        let rt = Runtime::builder()
            .workers(1)
            .on_overflow(OnOverflow::Abort)
            .build()
            .unwrap();
        let _ = rt.spawn(|| recurse(0)).unwrap().join();
    }))
    .aborts_with("overflowed its stack; aborting");
}

/// The policy is about the last line of defence: where unwinding is possible it is done.
#[test]
fn the_policy_to_abort_does_not_concern_what_can_be_unwound() {
    child!(|| within(LIMIT, || {
        let rt = Runtime::builder()
            .workers(1)
            .on_overflow(OnOverflow::Abort)
            .build()
            .unwrap();
        unwinds_in_time(&rt);
    }))
    .succeeds();
}

/// The panic count of the thread would never return to zero.
#[test]
fn an_overflow_while_unwinding_aborts() {
    struct Deep;
    impl Drop for Deep {
        fn drop(&mut self) {
            black_box(recurse(0));
        }
    }
    child!(|| within(LIMIT, || {
        let rt = runtime(1);
        let _: Result<(), _> = rt
            .spawn(|| {
                let _deep = Deep;
                resume_unwind(Box::new("over"))
            })
            .unwrap()
            .join();
    }))
    .aborts_with("while unwinding");
}

/// The guard page is hit now here, now there in a call whose lock nobody would release: it is not left taken.
#[test]
fn an_overflow_in_a_release_leaves_the_lock_usable_for_others() {
    /// Frames of two sizes, so that the rest begins anywhere; then large ones, and in each a section that settles a waiter.
    #[inline(never)]
    fn dive(small: usize, large: usize, news: &Notify) -> usize {
        match (small, large) {
            (0, 0) => fall(news, 0),
            (0, _) => dive_more(large, news),
            _ => dive(small - 1, large, news) + 1,
        }
    }
    #[inline(never)]
    fn dive_more(large: usize, news: &Notify) -> usize {
        let frame = black_box([0_u64; 2]);
        dive(0, large - 1, news) + black_box(&frame).len()
    }
    #[inline(never)]
    fn fall(news: &Notify, depth: usize) -> usize {
        let frame = black_box([depth; 64]);
        if black_box(depth) == usize::MAX {
            return 0;
        }
        news.notify_one();
        fall(news, depth + 1) + black_box(&frame).len()
    }
    child!(|| within(LIMIT, || {
        let rt = runtime(1);
        let mut context = Context::from_waker(Waker::noop());
        for (small, large) in (0..10).flat_map(|small| (0..10).map(move |large| (small, large))) {
            let news = Arc::new(Notify::new());
            let mut waiters: Vec<_> = (0..200).map(|_| Box::pin(news.notified())).collect();
            for waiter in &mut waiters {
                assert!(waiter.as_mut().poll(&mut context).is_pending());
            }
            let deep = news.clone();
            let ended = rt.spawn(move || dive(small, large, &deep)).unwrap().join();
            assert!(matches!(ended, Err(JoinError::Overflowed)));
            news.notify_one();
        }
        goes_on(&rt);
    }))
    .succeeds();
}

/// The next task on a worker, and on a stack, is not taken for the one that overflowed.
#[test]
fn overflows_among_thousands_of_others() {
    child!(|| within(LIMIT, || {
        let rt = runtime(2);
        let done = Arc::new(AtomicUsize::new(0));
        let handles: Vec<_> = (0..2000)
            .map(|n| {
                let done = done.clone();
                rt.spawn(move || match n % 100 {
                    7 => recurse(0),
                    8 => recurse_with(microthread::checkpoint, 0),
                    _ => {
                        microthread::yield_now();
                        done.fetch_add(1, SeqCst);
                        n
                    }
                })
                .unwrap()
            })
            .collect();
        for (n, handle) in handles.into_iter().enumerate() {
            match (n % 100, handle.join()) {
                (7 | 8, Err(JoinError::Overflowed)) => {}
                (_, Ok(value)) => assert_eq!(value, n),
                (_, other) => panic!("{n}: {other:?}"),
            }
        }
        assert_eq!(done.load(SeqCst), 1960);
        assert_eq!(rt.stats().stacks_abandoned, 20);
    }))
    .succeeds();
}
