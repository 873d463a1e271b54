//! Section 8: threads, and where a scheduler can be driven.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use actor_core::local::{
    Budget, Outcome, RemoteTasklet, Scheduler, StateError, run_count, schedule, schedule_remove,
    spawn,
};
use actor_core::microthread::{self, JoinError, blocking, checkpoint};
use actor_core::prelude::*;
use actor_core::sync::Semaphore;
use tests::{Gate, one_worker, runtime, within};

use crate::{LIMIT, Log, assert_killed, assert_thrown, stepper};

/// Runs `orders` on another thread, which is done when this returns.
fn elsewhere(remote: &RemoteTasklet, orders: impl FnOnce(RemoteTasklet) + Send + 'static) {
    let remote = remote.clone();
    thread::spawn(move || orders(remote)).join().unwrap();
}

#[test]
fn each_scheduler_has_its_own_ring() {
    let (one, other) = (Scheduler::new(), Scheduler::new());
    one.spawn(|| assert_eq!(run_count(), 1));
    let elsewhere = other.spawn(|| ());
    one.run().unwrap();
    assert_eq!((one.run_count(), other.run_count()), (0, 1));
    elsewhere.join().unwrap();
}

#[test]
fn a_foreign_insert_and_remove_act_on_the_ring_of_the_tasklets_own_thread() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let tasklet = stepper(&sched, &log, "a");
    let remote = tasklet.remote().unwrap();
    assert_eq!((remote.id(), remote.name()), (tasklet.id(), Some("a")));
    elsewhere(&remote, |remote| remote.remove().unwrap());
    sched.run().unwrap();
    assert!(tasklet.is_paused());
    elsewhere(&remote, |remote| {
        assert_eq!(run_count(), 0);
        remote.insert().unwrap();
        assert_eq!(run_count(), 0);
    });
    sched.run().unwrap();
    log.is("a0 a1");
}

#[test]
fn a_foreign_run_puts_it_in_front() {
    let (sched, log) = (Scheduler::new(), Log::new());
    for name in ["a", "b"] {
        stepper(&sched, &log, name);
    }
    let c = stepper(&sched, &log, "c");
    elsewhere(&c.remote().unwrap(), |remote| remote.run_next().unwrap());
    sched.run().unwrap();
    log.is("c0 a0 b0 c1 a1 b1");
}

#[test]
fn a_foreign_kill_and_throw_arrive() {
    let sched = Scheduler::new();
    let killed = sched.spawn(|| schedule_remove().unwrap());
    let thrown = sched.spawn(|| assert_thrown(schedule_remove(), "boo"));
    sched.run().unwrap();
    elsewhere(&killed.remote().unwrap(), |remote| remote.kill().unwrap());
    elsewhere(&thrown.remote().unwrap(), |remote| {
        remote.throw("boo").unwrap()
    });
    sched.run().unwrap();
    assert_killed(killed.join());
    thrown.join().unwrap();
}

#[test]
fn a_foreign_handle_keeps_a_paused_tasklet() {
    let sched = Scheduler::new();
    let tasklet = sched.spawn(|| schedule_remove().unwrap());
    let remote = tasklet.remote().unwrap();
    sched.run().unwrap();
    drop(tasklet);
    sched.run().unwrap();
    assert_eq!(sched.alive(), 1);
    let clone = remote.clone();
    drop(remote);
    sched.run().unwrap();
    assert_eq!(sched.alive(), 1);
    thread::spawn(move || drop(clone)).join().unwrap();
    sched.run().unwrap();
    assert_eq!(sched.alive(), 0);
}

#[test]
fn a_foreign_handle_says_when_the_scheduler_is_gone() {
    let sched = Scheduler::new();
    let remote = sched.bind(|| ()).remote().unwrap();
    drop(sched);
    assert_eq!(remote.insert(), Err(StateError::NoScheduler));
    assert_eq!(remote.kill(), Err(StateError::NoScheduler));
}

#[test]
fn a_foreign_order_wakes_a_thread_that_waits() {
    within(LIMIT, || {
        let sched = Scheduler::builder().wait_for_threads().build();
        let tasklet = sched.bind(|| 7);
        let remote = tasklet.remote().unwrap();
        let other = thread::spawn(move || remote.insert().unwrap());
        assert_eq!(tasklet.join().unwrap(), 7);
        other.join().unwrap();
    });
}

#[test]
fn a_thread_with_nobody_ready_waits_for_a_waker_of_another() {
    within(LIMIT, || {
        let sched = Scheduler::builder().wait_for_threads().build();
        let here = Arc::new(Semaphore::new(0));
        let there = Arc::new(Semaphore::new(0));
        let other = thread::spawn({
            let (here, there) = (here.clone(), there.clone());
            move || {
                for _ in 0..1000 {
                    there.acquire().unwrap().forget();
                    here.add_permits(1);
                }
            }
        });
        sched
            .main(move || {
                for _ in 0..1000 {
                    there.add_permits(1);
                    here.acquire().unwrap().forget();
                }
            })
            .unwrap();
        other.join().unwrap();
    });
}

#[test]
fn two_schedulers_on_two_threads_wake_each_other() {
    within(LIMIT, || {
        const EACH: usize = 500;
        let ends = [0, 1].map(|_| Arc::new(Semaphore::new(0)));
        let start = Arc::new(Barrier::new(2));
        let threads = [0, 1].map(|me| {
            let (mine, others) = (ends[me].clone(), ends[1 - me].clone());
            let start = start.clone();
            thread::spawn(move || {
                let sched = Scheduler::builder().wait_for_threads().build();
                for _ in 0..4 {
                    let (mine, others) = (mine.clone(), others.clone());
                    sched.spawn(move || {
                        for _ in 0..EACH {
                            others.add_permits(1);
                            mine.acquire().unwrap().forget();
                        }
                    });
                }
                start.wait();
                sched.run_until_idle().unwrap();
                assert_eq!(sched.alive(), 0);
            })
        });
        threads.into_iter().for_each(|t| t.join().unwrap());
    });
}

#[test]
fn an_unstarted_tasklet_can_be_bound_to_another_scheduler() {
    let (one, other, log) = (Scheduler::new(), Scheduler::new(), Log::new());
    let tasklet = stepper(&one, &log, "a");
    assert_eq!(tasklet.bind_to(&other), Err(StateError::Alive));
    tasklet.remove().unwrap();
    tasklet.bind_to(&other).unwrap();
    assert_eq!((one.alive(), other.alive()), (0, 1));
    assert!(tasklet.is_paused());
    tasklet.insert().unwrap();
    assert_eq!((one.run_count(), other.run_count()), (0, 1));
    one.run().unwrap();
    log.is("");
    tasklet.join().unwrap();
    log.is("a0 a1");
}

#[test]
fn a_started_tasklet_cannot_be_bound_to_another_scheduler() {
    let (one, other) = (Scheduler::new(), Scheduler::new());
    let tasklet = one.spawn(|| schedule_remove().unwrap());
    one.run().unwrap();
    assert_eq!(tasklet.bind_to(&other), Err(StateError::Started));
    tasklet.insert().unwrap();
    tasklet.join().unwrap();
}

// ---- where it is driven ----------------------------------------------------------------------------------------------

#[test]
fn a_scheduler_inside_a_microthread_waits_without_holding_the_worker() {
    within(LIMIT, || {
        let rt = one_worker();
        let (asked, answered) = (Gate::new(), Gate::new());
        let driver = rt.spawn({
            let (asked, answered) = (asked.clone(), answered.clone());
            move || {
                let sched = Scheduler::new();
                sched.spawn(move || {
                    asked.open();
                    answered.wait();
                });
                sched.run_until_idle().unwrap();
                assert_eq!(sched.alive(), 0);
            }
        });
        let other = rt.spawn(move || {
            asked.wait();
            answered.open();
        });
        driver.unwrap().join().unwrap();
        other.unwrap().join().unwrap();
    });
}

#[test]
fn a_scheduler_inside_a_microthread_shares_the_worker() {
    within(LIMIT, || {
        let rt = one_worker();
        let stop = Arc::new(AtomicBool::new(false));
        let driver = rt.spawn({
            let stop = stop.clone();
            move || {
                let sched = Scheduler::new();
                for _ in 0..2 {
                    let stop = stop.clone();
                    sched.spawn(move || {
                        while !stop.load(Ordering::SeqCst) {
                            checkpoint();
                            schedule().unwrap();
                        }
                    });
                }
                sched.run().unwrap();
            }
        });
        let other = rt.spawn(move || stop.store(true, Ordering::SeqCst));
        driver.unwrap().join().unwrap();
        other.unwrap().join().unwrap();
    });
}

#[test]
fn a_kill_of_whoever_drives_ends_the_drive() {
    within(LIMIT, || {
        let rt = runtime(1);
        for alone in [true, false] {
            let (begun, wait) = mpsc::channel();
            let driver = rt.spawn(move || {
                let sched = Scheduler::new();
                sched.spawn(move || {
                    begun.send(()).unwrap();
                    loop {
                        checkpoint();
                    }
                });
                if !alone {
                    sched.spawn(|| while schedule().is_ok() {});
                }
                sched.run().unwrap();
            });
            let driver = driver.unwrap();
            wait.recv().unwrap();
            driver.kill();
            assert_killed(driver.join());
        }
    });
}

#[test]
fn a_runtime_that_ends_ends_a_drive_in_it() {
    within(LIMIT, || {
        let rt = runtime(1);
        let (begun, wait) = mpsc::channel();
        let driver = rt.spawn(move || {
            let sched = Scheduler::new();
            sched.spawn(move || {
                begun.send(()).unwrap();
                loop {
                    schedule().unwrap();
                }
            });
            sched.run().unwrap();
        });
        wait.recv().unwrap();
        drop(rt);
        assert!(driver.unwrap().join().is_err());
    });
}

#[test]
fn a_scheduler_inside_a_tasklet_of_another_waits_there() {
    let (outer, log) = (Scheduler::new(), Log::new());
    let gate = Gate::new();
    outer.spawn({
        let (log, gate) = (log.clone(), gate.clone());
        move || {
            let inner = Scheduler::new();
            let inside = log.clone();
            inner.spawn(move || {
                gate.wait();
                inside.add("inner");
            });
            inner.run_until_idle().unwrap();
            log.add("outer");
        }
    });
    let other = log.clone();
    outer.spawn(move || {
        other.add("opens");
        gate.open();
    });
    outer.run_until_idle().unwrap();
    log.is("opens inner outer");
}

#[test]
fn a_budget_reaches_a_scheduler_inside_a_tasklet() {
    let outer = Scheduler::new();
    let tasklet = outer.spawn(|| {
        let inner = Scheduler::new();
        for _ in 0..2 {
            inner.spawn(|| while schedule().is_ok() {});
        }
        inner.run().unwrap();
    });
    let outcome = outer.run_for(Budget::points(100)).unwrap();
    assert!(matches!(outcome, Outcome::Interrupted(who) if who == *tasklet));
}

#[test]
fn offload_and_joins_of_a_runtime_work_inside_a_driven_scheduler() {
    within(LIMIT, || {
        let rt = runtime(2);
        let driver = rt.spawn(|| {
            let sched = Scheduler::new();
            sched
                .main(|| {
                    let by_offload = spawn(|| blocking(|| 1));
                    let by_runtime = spawn(|| microthread::spawn(|| 2).join().unwrap());
                    let by_scope = spawn(|| {
                        let three = 3;
                        microthread::scope(|s| *s.spawn(|| &three).join().unwrap())
                    });
                    by_offload.join().unwrap()
                        + by_runtime.join().unwrap()
                        + by_scope.join().unwrap()
                })
                .unwrap()
        });
        assert_eq!(driver.unwrap().join().unwrap(), 6);
    });
}

#[test]
fn a_plain_thread_joins_into_a_runtime_from_a_tasklet() {
    within(LIMIT, || {
        let rt = runtime(1);
        let handle = rt
            .spawn(|| microthread::sleep(Duration::from_millis(1)))
            .unwrap();
        let sched = Scheduler::new();
        sched.spawn(|| handle.join().unwrap());
        sched.run_until_idle().unwrap();
        assert_eq!(sched.alive(), 0);
        // What needs a runtime around it says so.
        let spawned = sched.spawn(|| drop(microthread::spawn(|| ())));
        let error = match spawned.join() {
            Err(JoinError::Panicked(payload)) => *payload.downcast::<&str>().unwrap(),
            other => panic!("{other:?}"),
        };
        assert!(error.contains("outside a runtime"), "{error}");
    });
}

#[test]
fn a_scheduler_inside_a_seeded_run_follows_its_clock() {
    use actor_core::testing;
    testing::check(|_| {
        let driver = microthread::spawn(|| {
            let sched = Scheduler::new();
            for seconds in [3600, 1800] {
                sched.spawn(move || microthread::sleep(Duration::from_secs(seconds)));
            }
            let elsewhere = sched.spawn(|| microthread::spawn(|| 1).join().unwrap());
            sched.run_until_idle().unwrap();
            elsewhere.join().unwrap()
        });
        assert_eq!(driver.join().unwrap(), 1);
        assert_eq!(testing::elapsed(), Duration::from_secs(3600));
    });
}

#[test]
fn joining_a_tasklet_where_its_scheduler_is_driven_is_refused() {
    /// Joins when it is dropped, which is between two switches.
    struct Joins(Option<actor_core::local::Tasklet<()>>, mpsc::Sender<bool>);
    impl Drop for Joins {
        fn drop(&mut self) {
            let joined = self.0.take().unwrap().join();
            let refused = matches!(joined, Err(JoinError::Interrupted(_)));
            self.1.send(refused).unwrap();
        }
    }
    within(LIMIT, || {
        let rt = runtime(1);
        let (result, refused) = mpsc::channel();
        let driver = rt.spawn(move || {
            let sched = Scheduler::new();
            let paused = sched.bind(|| ());
            let joins = Joins(Some(paused), result);
            let victim = sched.bind(move || drop(joins));
            let remote = victim.remote().unwrap();
            thread::spawn(move || remote.kill().unwrap())
                .join()
                .unwrap();
            sched.run().unwrap();
        });
        driver.unwrap().join().unwrap();
        assert!(refused.recv().unwrap());
    });
}

#[actor]
struct Doubler;

#[actor]
impl Doubler {
    pub(crate) fn double(&self, n: u32) -> u32 {
        2 * n
    }
    /// The same by tasklets that ask `other`.
    pub(crate) fn by_tasklets(&self, other: Addr<Doubler>, n: u32) -> u32 {
        let sched = Scheduler::new();
        let parts: Vec<_> = (0..n)
            .map(|_| {
                let other = other.clone();
                sched.spawn(move || other.ask().double(1).unwrap())
            })
            .collect();
        sched.run_until_idle().unwrap();
        parts.into_iter().map(|part| part.join().unwrap()).sum()
    }
}

#[test]
fn actors_are_asked_from_tasklets_on_a_plain_thread_and_in_a_handler() {
    within(LIMIT, || {
        let sys = System::new().unwrap();
        let (one, other) = (sys.spawn(Doubler).unwrap(), sys.spawn(Doubler).unwrap());
        let sched = Scheduler::new();
        let asks = sched.spawn({
            let (one, other) = (one.clone(), other.clone());
            move || {
                other.tell().double(1).unwrap();
                one.ask().by_tasklets(other, 10).unwrap()
            }
        });
        let asks_too =
            sched.spawn(move || one.ask().within(Duration::from_secs(20)).double(3).unwrap());
        assert_eq!(asks.join().unwrap(), 20);
        assert_eq!(asks_too.join().unwrap(), 6);
    });
}
