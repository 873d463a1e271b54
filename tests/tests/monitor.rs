//! What is promised about code that does not let go of its worker, and about having nothing to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use actor_core::microthread::{self, Builder, blocking};
use actor_core::{Event, Runtime};
use crossbeam_channel::Receiver;
use tests::{Gate, child, ms, runtime, until, until_idle, within};

const LIMIT: u64 = 30;

/// Waits for the event that names `culprit`.
fn named(events: &Receiver<Event>, culprit: &str) {
    events
        .iter()
        .find(|event| matches!(event, Event::Stuck { who, .. } if who.name.as_deref() == Some(culprit)))
        .expect("the runtime lives");
}

/// `hold` keeps a worker until it is told to let go; meanwhile ten thousand others come, and it is named.
fn others_go_on_while(hold: fn(&AtomicBool)) {
    within(LIMIT, || {
        for workers in [1, 2] {
            let rt = runtime(workers);
            let stuck = rt.events();
            let (started, over) = (Gate::new(), Arc::new(AtomicBool::new(false)));
            let culprit = Builder::new()
                .name("culprit")
                .spawn_in(&rt, {
                    let (started, over) = (started.clone(), over.clone());
                    move || {
                        started.open();
                        hold(&over);
                        "let go"
                    }
                })
                .unwrap();
            started.wait();
            named(&stuck, "culprit");
            let others: Vec<_> = (0..10_000)
                .map(|n| {
                    rt.spawn(move || {
                        if n % 3 == 0 {
                            microthread::yield_now()
                        }
                        if n % 1000 == 1 {
                            microthread::sleep(ms(1))
                        }
                        n
                    })
                    .unwrap()
                })
                .collect();
            for (n, other) in others.into_iter().enumerate() {
                assert_eq!(other.join().unwrap(), n);
            }
            assert!(!culprit.is_finished());
            over.store(true, SeqCst);
            assert_eq!(culprit.join().unwrap(), "let go");
        }
    });
}

#[test]
fn ten_thousand_others_complete_while_one_spins() {
    others_go_on_while(|over| {
        while !over.load(SeqCst) {
            std::hint::spin_loop()
        }
    });
}

#[test]
fn ten_thousand_others_complete_while_one_sleeps_in_foreign_code() {
    others_go_on_while(|over| {
        while !over.load(SeqCst) {
            // SAFETY: a plain call.
            unsafe { libc::usleep(2_000) };
        }
    });
}

#[test]
fn ten_thousand_others_complete_while_one_has_parked_its_thread() {
    others_go_on_while(|over| {
        while !over.load(SeqCst) {
            thread::park_timeout(ms(5))
        }
    });
}

/// What waits behind the culprit in its own queue, and what it goes on producing.
#[test]
fn what_a_spinning_microthread_has_spawned_runs_elsewhere() {
    within(LIMIT, || {
        for workers in [1, 2] {
            let rt = runtime(workers);
            let handle = rt.spawn(|| {
                let done = Arc::new(AtomicUsize::new(0));
                for round in 1..=4 {
                    for _ in 0..2_500 {
                        let done = done.clone();
                        drop(microthread::spawn(move || {
                            microthread::yield_now();
                            done.fetch_add(1, SeqCst)
                        }));
                    }
                    while done.load(SeqCst) < round * 2_500 {
                        std::hint::spin_loop()
                    }
                }
                done.load(SeqCst)
            });
            assert_eq!(handle.unwrap().join().unwrap(), 10_000);
        }
    });
}

#[test]
fn as_many_may_hold_a_worker_as_there_are_spares() {
    within(LIMIT, || {
        let rt = Runtime::builder()
            .workers(2)
            .spare_workers(4)
            .build()
            .unwrap();
        let (inside, over) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let holders: Vec<_> = (0..5)
            .map(|_| {
                rt.spawn({
                    let (inside, over) = (inside.clone(), over.clone());
                    move || {
                        inside.fetch_add(1, SeqCst);
                        while !over.load(SeqCst) {
                            thread::park_timeout(ms(1))
                        }
                    }
                })
                .unwrap()
            })
            .collect();
        until(|| inside.load(SeqCst) == 5);
        let others: Vec<_> = (0..1_000)
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
        assert!(rt.stats().workers <= 6);
        over.store(true, SeqCst);
        holders
            .into_iter()
            .for_each(|holder| holder.join().unwrap());
    });
}

/// Named once for each time it holds on, and nobody else is.
#[test]
fn a_culprit_is_named_once_for_each_hold_and_others_never() {
    within(LIMIT, || {
        let rt = Runtime::builder()
            .workers(1)
            .hold_limit(ms(3))
            .build()
            .unwrap();
        let events = rt.events();
        let body = || {
            for _ in 0..3 {
                let start = Instant::now();
                while start.elapsed() < ms(100) {
                    std::hint::spin_loop()
                }
                microthread::yield_now();
            }
        };
        Builder::new()
            .name("culprit")
            .spawn_in(&rt, body)
            .unwrap()
            .join()
            .unwrap();
        drop(rt);
        let named: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Stuck {
                    who,
                    worker: 0,
                    held,
                    ..
                } => Some((who.name, held)),
                _ => None,
            })
            .collect();
        // A machine that takes the monitor's processor away may make it miss one.
        assert!((1..=3).contains(&named.len()), "{named:?}");
        assert!(
            named
                .iter()
                .all(|(who, held)| who.as_deref() == Some("culprit") && *held >= ms(3)),
            "{named:?}"
        );
    });
}

#[test]
fn nobody_is_named_within_the_limit_or_for_waiting() {
    within(LIMIT, || {
        let rt = Runtime::builder()
            .workers(1)
            .hold_limit(Duration::from_secs(3600))
            .build()
            .unwrap();
        let events = rt.events();
        let over = Arc::new(AtomicBool::new(false));
        let holder = rt
            .spawn({
                let over = over.clone();
                move || {
                    while !over.load(SeqCst) {
                        std::hint::spin_loop()
                    }
                }
            })
            .unwrap();
        // Moved away from the holder, so the monitor has looked.
        rt.spawn(|| microthread::sleep(ms(20)))
            .unwrap()
            .join()
            .unwrap();
        over.store(true, SeqCst);
        holder.join().unwrap();
        rt.spawn(|| blocking(|| thread::park_timeout(ms(30))))
            .unwrap()
            .join()
            .unwrap();
        drop(rt);
        assert!(
            !events
                .iter()
                .any(|event| matches!(event, Event::Stuck { .. }))
        );
    });
}

/// How often the threads of the runtime called `name` have gone to sleep or lost their processor.
fn switches(name: &str) -> u64 {
    let mut sum = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let Ok(status) = std::fs::read_to_string(task.path().join("status")) else {
            continue;
        };
        let field = |field: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(field))
                .map(str::trim)
        };
        if field("Name:").is_some_and(|comm| comm.starts_with(name)) {
            sum += field("voluntary_ctxt_switches:")
                .unwrap()
                .parse::<u64>()
                .unwrap();
        }
    }
    sum
}

/// Looks at the threads of `name` until they have not moved for `quiet`.
fn until_quiet(name: &str, quiet: Duration) {
    let (mut last, mut since) = (switches(name), Instant::now());
    while since.elapsed() < quiet {
        thread::park_timeout(quiet / 4);
        let now = switches(name);
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}

/// Microseconds of processor time of this process.
fn processor_time() -> i64 {
    // SAFETY: all zeroes is a valid `rusage`, into which the call writes.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let micros = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    micros(usage.ru_utime) + micros(usage.ru_stime)
}

/// No periodic wake-up of any kind: a bound on counts, not on durations.
#[test]
fn an_idle_runtime_uses_no_processor_time() {
    child!(|| within(LIMIT, || {
        let rt = Runtime::builder()
            .workers(2)
            .thread_name("idle")
            .build()
            .unwrap();
        let never = Gate::new();
        let handles: Vec<_> = (0..1000)
            .map(|n| {
                let never = never.clone();
                rt.spawn(move || match n % 4 {
                    0 => never.wait(),
                    1 => microthread::sleep(ms(n % 7)),
                    2 => blocking(|| ()),
                    _ => microthread::yield_now(),
                })
                .unwrap()
            })
            .collect();
        until(|| handles.iter().filter(|handle| handle.is_finished()).count() == 750);
        until_quiet("idle", ms(400));
        let (before, used) = (switches("idle"), processor_time());
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(2) {
            thread::park_timeout(Duration::from_secs(2) - start.elapsed());
        }
        let (moved, used) = (switches("idle") - before, processor_time() - used);
        assert!(
            moved <= 3,
            "{moved} switches and {used} us in two idle seconds"
        );
        assert!(
            used < 50_000,
            "{moved} switches and {used} us in two idle seconds"
        );
        // And it has not fallen asleep for good.
        never.open();
        handles
            .into_iter()
            .for_each(|handle| handle.join().unwrap());
    }))
    .succeeds();
}

/// Asleep itself while there is nothing to watch, the monitor is there when there is.
#[test]
fn the_monitor_wakes_with_the_workers() {
    within(LIMIT, || {
        for workers in [1, 2] {
            let name = if workers == 1 { "wakesone" } else { "wakestwo" };
            let rt = Runtime::builder()
                .workers(workers)
                .thread_name(name)
                .build()
                .unwrap();
            for _ in 0..3 {
                until_quiet(name, ms(60));
                let done = Arc::new(AtomicBool::new(false));
                // Ends only when another has run, which with one worker takes the monitor.
                let spins = rt
                    .spawn({
                        let done = done.clone();
                        move || {
                            while !done.load(SeqCst) {
                                std::hint::spin_loop()
                            }
                        }
                    })
                    .unwrap();
                let other = rt.spawn(move || done.store(true, SeqCst)).unwrap();
                spins.join().unwrap();
                other.join().unwrap();
            }
        }
    });
}

/// A worker gives memory back in its sleep, as it were: what it finds afterwards must be watched as well.
#[test]
fn the_monitor_wakes_for_work_that_comes_while_memory_is_given_back() {
    within(LIMIT, || {
        let rt = Runtime::builder()
            .workers(1)
            .spare_workers(2)
            .keep_idle_stacks(0)
            .build()
            .unwrap();
        for _ in 0..3 {
            let (started, go) = (Arc::new(AtomicUsize::new(0)), Gate::new());
            let burst: Vec<_> = (0..5_000)
                .map(|_| {
                    let (started, go) = (started.clone(), go.clone());
                    rt.spawn(move || {
                        started.fetch_add(1, SeqCst);
                        go.wait()
                    })
                    .unwrap()
                })
                .collect();
            until(|| started.load(SeqCst) == 5_000);
            go.open();
            burst.into_iter().for_each(|handle| handle.join().unwrap());
            until_idle(&rt);
            // From here the worker sleeps, until after a while it wakes to give the stacks back.
            let sleeping = |rt: &Runtime| {
                let stats = rt.stats();
                stats.sleeping == stats.workers
            };
            let patience = Instant::now();
            while sleeping(&rt) && patience.elapsed() < ms(400) {
                std::hint::spin_loop()
            }
            let done = Arc::new(AtomicBool::new(false));
            let spins = rt
                .spawn({
                    let done = done.clone();
                    move || {
                        while !done.load(SeqCst) {
                            std::hint::spin_loop()
                        }
                    }
                })
                .unwrap();
            let other = rt.spawn(move || done.store(true, SeqCst)).unwrap();
            spins.join().unwrap();
            other.join().unwrap();
        }
    });
}
