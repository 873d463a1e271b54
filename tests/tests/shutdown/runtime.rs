//! Runtimes: what is suspended unwinds, what does not is named.

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use actor_core::microthread::{self, Builder, JoinError, SpawnError, blocking};
use actor_core::{Runtime, ShutdownFromInside};
use tests::{
    Gate, Holder, OpenOnDrop, ms, one_worker, runtime, threads_called, until, until_idle, within,
};

const LIMIT: u64 = 30;
/// Never reached: what a test expects to end ends long before.
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn whatever_is_suspended_unwinds_on_its_own_thread() {
    within(LIMIT, || {
        struct SameThread(thread::ThreadId, Arc<AtomicUsize>);
        impl Drop for SameThread {
            fn drop(&mut self) {
                assert_eq!(self.0, thread::current().id());
                self.1.fetch_add(1, SeqCst);
            }
        }
        let rt = runtime(2);
        let (started, unwound) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let never = Gate::new();
        let waits: [Arc<dyn Fn() + Send + Sync>; 5] = [
            Arc::new(|| microthread::sleep(LONG)),
            Arc::new(|| microthread::sleep(Duration::MAX)),
            Arc::new(move || never.wait()),
            Arc::new(|| {
                microthread::spawn(|| microthread::sleep(LONG))
                    .join()
                    .unwrap()
            }),
            Arc::new(microthread::yield_now),
        ];
        let handles: Vec<_> = (0..50)
            .map(|n| {
                let (started, unwound, wait) = (
                    started.clone(),
                    unwound.clone(),
                    waits[n % waits.len()].clone(),
                );
                rt.spawn(move || {
                    let _same = SameThread(thread::current().id(), unwound);
                    started.fetch_add(1, SeqCst);
                    loop {
                        wait()
                    }
                })
                .unwrap()
            })
            .collect();
        until(|| started.load(SeqCst) == 50);
        let report = rt.shutdown(LONG).unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(unwound.load(SeqCst), 50);
        for handle in handles {
            let result: Result<(), _> = handle.join();
            assert!(
                matches!(result, Err(JoinError::Killed | JoinError::Panicked(_))),
                "{result:?}"
            );
        }
        assert!(rt.shutdown(LONG).unwrap().is_clean());
    });
}

/// A worker that always has something to resume must still notice.
#[test]
fn what_only_yields_is_ended() {
    within(LIMIT, || {
        for (workers, count) in [(1, 1), (1, 3), (2, 5)] {
            let rt = runtime(workers);
            let started = Arc::new(AtomicUsize::new(0));
            let handles: Vec<_> = (0..count)
                .map(|_| {
                    let started = started.clone();
                    rt.spawn(move || {
                        started.fetch_add(1, SeqCst);
                        loop {
                            microthread::yield_now()
                        }
                    })
                    .unwrap()
                })
                .collect();
            until(|| started.load(SeqCst) == count);
            assert!(rt.shutdown(LONG).unwrap().is_clean());
            for handle in handles {
                let result: Result<(), _> = handle.join();
                assert!(matches!(result, Err(JoinError::Killed)));
            }
        }
    });
}

#[test]
fn what_has_not_started_never_does_and_its_joiners_are_told() {
    within(LIMIT, || {
        let rt = one_worker();
        let holder = Holder::spawn(&rt, "the holder");
        let ran = Arc::new(AtomicUsize::new(0));
        let (dropped, handles): (Vec<_>, Vec<_>) = (0..100)
            .map(|_| {
                let gate = Gate::new();
                let (on_drop, ran) = (OpenOnDrop(gate.clone()), ran.clone());
                (
                    gate,
                    rt.spawn(move || {
                        let _on_drop = on_drop;
                        ran.fetch_add(1, SeqCst);
                    })
                    .unwrap(),
                )
            })
            .unzip();
        let stopping = Gate::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                until(|| matches!(rt.spawn(|| ()), Err(SpawnError::ShuttingDown)));
                stopping.open();
            });
            let ending = scope.spawn(|| rt.shutdown(LONG).unwrap());
            stopping.wait();
            drop(holder);
            assert!(ending.join().unwrap().is_clean());
        });
        for handle in handles {
            assert!(matches!(handle.join(), Err(JoinError::Shutdown)));
        }
        assert!(dropped.iter().all(Gate::is_open));
        assert_eq!(ran.load(SeqCst), 0);
    });
}

#[test]
fn nothing_starts_after_shutdown() {
    within(LIMIT, || {
        let rt = runtime(2);
        assert!(rt.shutdown(LONG).unwrap().is_clean());
        let refused = rt.spawn(|| ()).unwrap_err();
        assert_eq!(refused, SpawnError::ShuttingDown);
        assert!(matches!(
            Builder::new().spawn_in(&rt, || ()),
            Err(SpawnError::ShuttingDown)
        ));
    });
}

/// Whether a spawn comes before or after: each handle that was given out gets an answer.
#[test]
fn a_spawn_that_races_with_shutdown_is_refused_or_answered() {
    within(LIMIT, || {
        for round in 0..300 {
            let rt = runtime(1 + round % 2);
            let (send, handles) = mpsc::channel();
            thread::scope(|scope| {
                for _ in 0..2 {
                    let (rt, send) = (&rt, send.clone());
                    scope.spawn(move || {
                        while let Ok(handle) = rt.spawn(|| 1) {
                            send.send(handle).unwrap();
                        }
                    });
                }
                // From inside, too.
                let inside = send.clone();
                let spawner = rt.spawn(move || {
                    while let Ok(handle) = Builder::new().spawn(|| 1) {
                        let _ = inside.send(handle);
                        microthread::yield_now();
                    }
                });
                drop(spawner);
                drop(send);
                (0..round * 10).for_each(|_| std::hint::spin_loop());
                assert!(rt.shutdown(LONG).unwrap().is_clean());
            });
            for handle in handles {
                match handle.join() {
                    Ok(value) => assert_eq!(value, 1),
                    Err(error) => assert!(
                        matches!(error, JoinError::Shutdown | JoinError::Killed),
                        "{error:?}"
                    ),
                }
            }
        }
    });
}

#[test]
fn what_holds_its_worker_is_named_and_those_behind_it_are_told() {
    within(LIMIT, || {
        for spares in [0, 1] {
            let rt = Runtime::builder()
                .workers(1)
                .spare_workers(spares)
                .build()
                .unwrap();
            let holder = Holder::spawn(&rt, "the holder");
            let queued = rt.spawn(|| ()).unwrap();
            let report = rt.shutdown(ms(20)).unwrap();
            assert_eq!(report.leaked.len(), 1, "{report:?}");
            assert!(
                report.leaked[0].contains("\"the holder\"")
                    && report.leaked[0].contains("holds its worker"),
                "{report:?}"
            );
            assert!(!report.is_clean());
            // With a spare worker it may have run before the end.
            let told = queued.join();
            assert!(
                matches!(told, Err(JoinError::Shutdown)) || (spares == 1 && told.is_ok()),
                "{told:?}"
            );
            drop(holder);
        }
    });
}

/// Whether it waits in a sleep or only yields: it never ends, so it is named, and its worker leaves it behind.
#[test]
fn what_swallows_every_kill_is_named() {
    within(LIMIT, || {
        for (name, wait) in [
            ("shutsleep", (|| microthread::sleep(ms(1))) as fn()),
            ("shutyield", microthread::yield_now),
            ("shutcheck", microthread::checkpoint),
        ] {
            let rt = Runtime::builder()
                .workers(2)
                .thread_name(name)
                .build()
                .unwrap();
            let started = Gate::new();
            let body = {
                let started = started.clone();
                move || {
                    started.open();
                    loop {
                        let _ = catch_unwind(wait);
                    }
                }
            };
            drop(Builder::new().name("stubborn").spawn_in(&rt, body).unwrap());
            started.wait();
            let innocent = rt.spawn(|| microthread::sleep(LONG)).unwrap();
            let report = rt.shutdown(ms(20)).unwrap();
            assert_eq!(report.leaked.len(), 1, "{report:?}");
            assert!(report.leaked[0].contains("\"stubborn\""), "{report:?}");
            assert!(matches!(
                innocent.join(),
                Err(JoinError::Killed | JoinError::Shutdown)
            ));
            // A later call says the same.
            assert_eq!(rt.shutdown(ms(20)).unwrap().leaked, report.leaked);
            until(|| threads_called(name) == 0);
        }
    });
}

#[test]
fn a_shutdown_waits_for_what_blocking_has_borrowed() {
    within(LIMIT, || {
        let rt = runtime(1);
        let (inside, go) = (Gate::new(), Gate::new());
        let handle = rt
            .spawn({
                let (inside, go) = (inside.clone(), go.clone());
                move || {
                    let local = AtomicUsize::new(0);
                    blocking(|| {
                        inside.open();
                        go.wait();
                        local.store(1, SeqCst)
                    });
                }
            })
            .unwrap();
        inside.wait();
        thread::scope(|scope| {
            let ending = scope.spawn(|| rt.shutdown(LONG).unwrap());
            until(|| rt.spawn(|| ()).is_err());
            assert!(!handle.is_finished());
            go.open();
            assert!(ending.join().unwrap().is_clean());
        });
        assert!(matches!(handle.join(), Err(JoinError::Killed)));
    });
}

/// A destructor may block; also that of a closure that never ran.
#[test]
fn what_was_captured_may_block_when_it_is_dropped_at_shutdown() {
    within(LIMIT, || {
        struct Slow(Arc<AtomicUsize>);
        impl Drop for Slow {
            fn drop(&mut self) {
                let dropped = self.0.clone();
                thread::spawn(move || dropped.fetch_add(1, SeqCst))
                    .join()
                    .unwrap();
                let _ = catch_unwind(|| microthread::sleep(ms(5)));
                let _ = catch_unwind(microthread::yield_now);
                self.0.fetch_add(1, SeqCst);
            }
        }
        let dropped = Arc::new(AtomicUsize::new(0));
        let rt = one_worker();
        let holder = Holder::spawn(&rt, "the holder");
        let handles: Vec<_> = (0..3)
            .map(|_| {
                let slow = Slow(dropped.clone());
                rt.spawn(move || drop(slow)).unwrap()
            })
            .collect();
        thread::scope(|scope| {
            let ending = scope.spawn(|| rt.shutdown(LONG).unwrap());
            until(|| rt.spawn(|| ()).is_err());
            drop(holder);
            assert!(ending.join().unwrap().is_clean());
        });
        assert_eq!(dropped.load(SeqCst), 6);
        for handle in handles {
            assert!(matches!(handle.join(), Err(JoinError::Shutdown)));
        }
    });
}

#[test]
fn a_shutdown_from_inside_is_an_error_and_changes_nothing() {
    within(LIMIT, || {
        let rt = Arc::new(runtime(1));
        let inside = rt
            .spawn({
                let rt = rt.clone();
                move || rt.shutdown(LONG).map(|_| ())
            })
            .unwrap();
        assert_eq!(inside.join().unwrap(), Err(ShutdownFromInside));
        assert_eq!(rt.spawn(|| 1).unwrap().join().unwrap(), 1);
    });
}

#[test]
fn dropped_inside_its_own_microthread_it_reports_that_and_ends() {
    within(LIMIT, || {
        let name = "dropinside";
        let rt = Arc::new(
            Runtime::builder()
                .workers(2)
                .thread_name(name)
                .build()
                .unwrap(),
        );
        let (go, after) = (Gate::new(), Gate::new());
        let log = Log::default();
        let sleeper = rt.spawn(|| microthread::sleep(LONG)).unwrap();
        let handle = rt
            .spawn({
                let (rt, go, after, log) = (rt.clone(), go.clone(), after.clone(), log.clone());
                move || {
                    go.wait();
                    tracing::subscriber::with_default(log, || drop(rt));
                    after.open();
                    let refused = Builder::new().spawn(|| ()).unwrap_err();
                    assert_eq!(refused, SpawnError::ShuttingDown);
                    "to its end"
                }
            })
            .unwrap();
        drop(rt);
        go.open();
        after.wait();
        // What does not block any more ends by itself.
        assert_eq!(handle.join().unwrap(), "to its end");
        assert!(matches!(
            sleeper.join(),
            Err(JoinError::Killed | JoinError::Shutdown)
        ));
        assert!(
            log.0
                .lock()
                .unwrap()
                .iter()
                .any(|line| line.contains("dropped inside its own microthread")),
            "{log:?}"
        );
        until(|| threads_called(name) == 0);
    });
}

#[test]
fn a_drop_ends_it_and_leaves_no_thread() {
    within(LIMIT, || {
        let name = "droprt";
        let rt = Runtime::builder()
            .workers(3)
            .thread_name(name)
            .build()
            .unwrap();
        let sleeper = rt.spawn(|| microthread::sleep(LONG)).unwrap();
        assert_eq!(rt.spawn(|| 5).unwrap().join().unwrap(), 5);
        until(|| threads_called(name) == 4);
        let kept = rt.spawn(|| 6).unwrap();
        until(|| kept.is_finished());
        drop(rt);
        assert_eq!(threads_called(name), 0);
        assert!(matches!(
            sleeper.join(),
            Err(JoinError::Killed | JoinError::Shutdown)
        ));
        assert_eq!(kept.join().unwrap(), 6);
    });
}

#[test]
fn several_runtimes_in_one_process_wait_for_each_other_and_end_one_by_one() {
    within(LIMIT, || {
        let mut all: Vec<_> = (1..=4).map(|n| Arc::new(runtime(1 + n % 2))).collect();
        // A chain of joins through all of them, from inside.
        fn chain(all: Vec<Arc<Runtime>>) -> usize {
            match all.split_first() {
                None => 0,
                Some((first, rest)) => {
                    let rest = rest.to_vec();
                    1 + first.spawn(move || chain(rest)).unwrap().join().unwrap()
                }
            }
        }
        for _ in 0..20 {
            assert_eq!(chain(all.clone()), 4);
        }
        while let Some(one) = all.pop() {
            let blocked = one.spawn(|| microthread::sleep(LONG)).unwrap();
            // Ended from within another.
            if let Some(other) = all.first() {
                let own = one.clone();
                other
                    .spawn(move || assert!(own.shutdown(LONG).unwrap().is_clean()))
                    .unwrap()
                    .join()
                    .unwrap();
                assert!(matches!(
                    blocked.join(),
                    Err(JoinError::Killed | JoinError::Shutdown)
                ));
                assert!(one.spawn(|| ()).is_err());
            }
            assert_eq!(chain(all.clone()), all.len());
        }
    });
}

#[test]
fn a_runtime_with_nothing_in_it_ends_at_once_and_may_live_inside_another() {
    within(LIMIT, || {
        for deadline in [Duration::ZERO, LONG, Duration::MAX] {
            let rt = runtime(1);
            until_idle(&rt);
            let inner = rt.spawn(|| {
                let inner = runtime(1);
                inner.spawn(|| 3).unwrap().join().unwrap()
            });
            assert_eq!(inner.unwrap().join().unwrap(), 3);
            let report = rt.shutdown(deadline).unwrap();
            assert!(report.is_clean() || deadline.is_zero());
        }
    });
}

/// Collects what is said to `tracing`.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!("{value:?} ");
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
