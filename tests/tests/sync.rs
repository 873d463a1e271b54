//! The locks of `actor_core::sync`: between microthreads, workers and OS threads; deadlines, kills, poison.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use actor_core::Runtime;
use actor_core::microthread::{self, JoinError, JoinHandle, block_on, yield_now};
use actor_core::sync::{
    AcquireError, Barrier, Condvar, LockError, Mutex, Notify, RwLock, Semaphore, TryLockError,
    WaitError,
};
use tests::{Gate, ms, one_worker, runtime, until, until_idle, within};

const LIMIT: u64 = 60;

/// Runs `body` in eight microthreads of a runtime with two workers and in two OS threads, and waits for all of them.
fn everywhere(body: impl Fn() + Send + Sync + 'static) {
    within(LIMIT, || {
        let rt = runtime(2);
        let body = Arc::new(body);
        let handles: Vec<_> = (0..8)
            .map(|_| {
                let body = body.clone();
                rt.spawn(move || body()).unwrap()
            })
            .collect();
        thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| body());
            }
        });
        for handle in handles {
            handle.join().unwrap();
        }
    });
}

/// How many increments each party of [`everywhere`] makes, and all of them.
const EACH: usize = 2_000;
const ALL: usize = 10 * EACH;

#[test]
fn a_mutex_excludes_microthreads_workers_and_threads() {
    let shared = Arc::new((Mutex::new(0_usize), AtomicBool::new(false)));
    let own = shared.clone();
    everywhere(move || {
        let (count, inside) = &*own;
        for n in 0..EACH {
            let mut count = match n % 3 {
                0 => count.lock().unwrap(),
                1 => block_on(count.lock_async()).unwrap(),
                _ => count.lock_timeout(ms(60_000)).unwrap(),
            };
            assert!(!inside.swap(true, SeqCst));
            *count += 1;
            if n % 16 == 0 {
                yield_now(); // with the lock held
            }
            inside.store(false, SeqCst);
        }
    });
    assert_eq!(*shared.0.lock().unwrap(), ALL);
}

#[test]
fn a_rwlock_excludes_writers_and_lets_readers_share() {
    let shared = Arc::new((RwLock::new((0_usize, 0_usize)), AtomicUsize::new(0)));
    let own = shared.clone();
    everywhere(move || {
        let (lock, writes) = &*own;
        for n in 0..EACH {
            if n % 4 == 0 {
                let mut pair = lock.write().unwrap();
                pair.0 += 1;
                if n % 32 == 0 {
                    yield_now();
                }
                pair.1 += 1;
                writes.fetch_add(1, SeqCst);
            } else {
                let pair = lock.read().unwrap();
                if n % 31 == 0 {
                    yield_now();
                }
                assert_eq!(pair.0, pair.1);
            }
        }
    });
    assert_eq!(shared.0.read().unwrap().0, shared.1.load(SeqCst));
}

#[test]
fn a_semaphore_lets_in_as_many_as_it_has_permits() {
    let shared = Arc::new((Semaphore::new(3), AtomicUsize::new(0)));
    let own = shared.clone();
    everywhere(move || {
        let (permits, inside) = &*own;
        for n in 0..EACH {
            let want = 1 + n % 3;
            let permit = permits.acquire_many(want).unwrap();
            assert!(inside.fetch_add(want, SeqCst) + want <= 3);
            if n % 16 == 0 {
                yield_now();
            }
            inside.fetch_sub(want, SeqCst);
            drop(permit);
        }
    });
    assert_eq!(shared.0.available_permits(), 3);
}

#[test]
fn a_condvar_loses_no_wake_up() {
    const CAPACITY: usize = 2;
    // Five producers, five consumers, a tiny buffer: each waits for the other side all the time.
    let shared = Arc::new((Mutex::new(0_usize), Condvar::new(), Condvar::new()));
    let roles = AtomicUsize::new(0);
    let own = shared.clone();
    everywhere(move || {
        let (count, not_full, not_empty) = &*own;
        let produces = roles.fetch_add(1, SeqCst).is_multiple_of(2);
        for _ in 0..EACH {
            if produces {
                let mut n = not_full
                    .wait_while(count.lock().unwrap(), |n| *n == CAPACITY)
                    .unwrap();
                *n += 1;
                not_empty.notify_one();
            } else {
                let mut n = not_empty
                    .wait_while(count.lock().unwrap(), |n| *n == 0)
                    .unwrap();
                *n -= 1;
                not_full.notify_one();
            }
        }
    });
    assert_eq!(*shared.0.lock().unwrap(), 0);
}

#[test]
fn notify_all_wakes_everybody() {
    within(LIMIT, || {
        let rt = runtime(2);
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let waiters: Vec<_> = (0..20)
            .map(|_| {
                let shared = shared.clone();
                rt.spawn(move || {
                    let (go, changed) = &*shared;
                    drop(changed.wait_while(go.lock().unwrap(), |go| !*go).unwrap());
                })
                .unwrap()
            })
            .collect();
        *shared.0.lock().unwrap() = true;
        shared.1.notify_all();
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

#[test]
fn a_barrier_has_one_leader_a_group_and_can_be_used_again() {
    const ROUNDS: usize = 50;
    let shared = Arc::new((Barrier::new(10), AtomicUsize::new(0), AtomicUsize::new(0)));
    let own = shared.clone();
    everywhere(move || {
        let (barrier, leaders, arrived) = &*own;
        for round in 1..=ROUNDS {
            arrived.fetch_add(1, SeqCst);
            if barrier.wait().is_leader() {
                leaders.fetch_add(1, SeqCst);
            }
            assert!(arrived.load(SeqCst) >= round * 10, "went on too early");
        }
    });
    assert_eq!(shared.1.load(SeqCst), ROUNDS);
}

#[test]
fn waiters_are_served_first_come_first_served() {
    within(LIMIT, || {
        let rt = one_worker();
        let (lock, order) = (
            Arc::new(RwLock::new(())),
            Arc::new(std::sync::Mutex::new(Vec::new())),
        );
        let held = lock.write().unwrap();
        let handles: Vec<_> = (0..10)
            .map(|n| {
                let (lock, order) = (lock.clone(), order.clone());
                let started = Gate::new();
                let handle = rt
                    .spawn({
                        let started = started.clone();
                        move || {
                            started.open();
                            let _guard = lock.write().unwrap();
                            order.lock().unwrap().push(n);
                        }
                    })
                    .unwrap();
                started.wait();
                until_idle(&rt);
                handle
            })
            .collect();
        drop(held);
        for handle in handles {
            handle.join().unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
    });
}

/// One that locks and unlocks all the time keeps nobody else out.
#[test]
fn a_greedy_holder_starves_nobody() {
    within(LIMIT, || {
        let rt = runtime(2);
        let (mutex, done) = (Arc::new(Mutex::new(())), Arc::new(AtomicBool::new(false)));
        let greedy = rt
            .spawn({
                let (mutex, done) = (mutex.clone(), done.clone());
                move || {
                    while !done.load(SeqCst) {
                        let guard = mutex.lock().unwrap();
                        yield_now();
                        drop(guard);
                    }
                }
            })
            .unwrap();
        let modest = rt
            .spawn(move || (0..100).for_each(|_| drop(mutex.lock().unwrap())))
            .unwrap();
        modest.join().unwrap();
        done.store(true, SeqCst);
        greedy.join().unwrap();
    });
}

/// Something to be held, ten ways to wait for it, and to see whether it can be had afterwards.
struct Everything {
    mutex: Mutex<()>,
    lock: RwLock<()>,
    permits: Semaphore,
    news: Notify,
    barrier: Barrier,
    condvar: Condvar,
    free_mutex: Mutex<()>,
}

impl Everything {
    fn new() -> Arc<Self> {
        Arc::new(Everything {
            mutex: Mutex::new(()),
            lock: RwLock::new(()),
            permits: Semaphore::new(1),
            news: Notify::new(),
            barrier: Barrier::new(2),
            condvar: Condvar::new(),
            free_mutex: Mutex::new(()),
        })
    }
}

type Wait = fn(&Everything);

const WAITS: [(&str, Wait); 10] = [
    ("mutex", |all| drop(all.mutex.lock())),
    ("mutex, for a time", |all| {
        drop(all.mutex.lock_timeout(ms(3_600_000)));
    }),
    ("mutex, async", |all| drop(block_on(all.mutex.lock_async()))),
    ("read", |all| drop(all.lock.read())),
    ("write", |all| drop(all.lock.write())),
    ("semaphore", |all| drop(all.permits.acquire())),
    ("notify", |all| all.news.wait()),
    ("notified", |all| block_on(all.news.notified())),
    ("barrier", |all| {
        all.barrier.wait();
    }),
    ("condvar", |all| {
        drop(all.condvar.wait(all.free_mutex.lock().unwrap()));
    }),
];

fn assert_killed(result: Result<(), JoinError>) {
    assert!(matches!(result, Err(JoinError::Killed)), "{result:?}");
}

fn start_waiting(rt: &Runtime, all: &Arc<Everything>, wait: Wait) -> JoinHandle<()> {
    let started = Gate::new();
    let handle = rt
        .spawn({
            let (all, started) = (all.clone(), started.clone());
            move || {
                started.open();
                wait(&all);
            }
        })
        .unwrap();
    started.wait();
    until_idle(rt);
    handle
}

#[test]
fn a_killed_waiter_leaves_every_queue() {
    within(LIMIT, || {
        let rt = runtime(1);
        for (name, wait) in WAITS {
            let all = Everything::new();
            let held = (
                all.mutex.lock().unwrap(),
                all.lock.write().unwrap(),
                all.permits.acquire().unwrap(),
            );
            let handle = start_waiting(&rt, &all, wait);
            assert!(!handle.is_finished(), "{name}");
            handle.kill();
            assert_killed(handle.join());
            drop(held);
            // Nothing went to the one that is gone.
            assert!(all.mutex.try_lock().is_ok(), "{name}");
            assert!(all.lock.try_write().is_ok(), "{name}");
            assert!(all.permits.try_acquire().is_ok(), "{name}");
            all.news.notify_one();
            all.news.wait();
            assert_eq!(
                all.barrier.wait_timeout(ms(0)),
                Err(WaitError::TimedOut),
                "{name}"
            );
        }
    });
}

/// Kills at any moment, the grant on its way: it goes to another.
#[test]
fn a_kill_that_meets_a_grant_loses_nothing() {
    within(LIMIT, || {
        let rt = runtime(2);
        let permits = Arc::new(Semaphore::new(0));
        for round in 0..300 {
            let spawn = || {
                let permits = permits.clone();
                rt.spawn(move || permits.acquire().unwrap().forget())
                    .unwrap()
            };
            let (victim, other) = (spawn(), spawn());
            (0..round).for_each(|_| std::hint::spin_loop());
            permits.add_permits(1);
            victim.kill();
            if victim.join().is_ok() {
                permits.add_permits(1);
            }
            other.join().unwrap();
            assert_eq!(permits.available_permits(), 0);
        }
    });
}

#[test]
fn a_notification_of_a_killed_waiter_goes_to_the_next() {
    within(LIMIT, || {
        let rt = runtime(1);
        let shared = Arc::new((Mutex::new(()), Condvar::new()));
        let wait = |rt: &Runtime| {
            let started = Gate::new();
            let handle = rt
                .spawn({
                    let (shared, started) = (shared.clone(), started.clone());
                    move || {
                        let guard = shared.0.lock().unwrap();
                        started.open();
                        drop(shared.1.wait(guard).unwrap());
                    }
                })
                .unwrap();
            started.wait();
            until_idle(rt);
            handle
        };
        let (first, second) = (wait(&rt), wait(&rt));
        // The first is notified but cannot have the mutex; then it is killed.
        let held = shared.0.lock().unwrap();
        shared.1.notify_one();
        until_idle(&rt);
        first.kill();
        assert_killed(first.join());
        drop(held);
        second.join().unwrap();
    });
}

#[test]
fn a_deadline_ends_each_wait_and_nothing_is_taken() {
    let check = || {
        let all = Everything::new();
        let held = (
            all.mutex.lock().unwrap(),
            all.lock.read().unwrap(),
            all.permits.acquire().unwrap(),
        );
        assert!(matches!(
            all.mutex.lock_timeout(ms(1)),
            Err(LockError::TimedOut)
        ));
        assert!(matches!(
            all.lock.write_timeout(ms(1)),
            Err(LockError::TimedOut)
        ));
        assert!(
            all.lock.read_timeout(ms(1)).is_ok(),
            "no writer waits any more"
        );
        assert_eq!(
            all.permits.acquire_timeout(ms(1)).unwrap_err(),
            AcquireError::TimedOut
        );
        assert_eq!(all.news.wait_timeout(ms(1)), Err(WaitError::TimedOut));
        assert_eq!(all.barrier.wait_timeout(ms(1)), Err(WaitError::TimedOut));
        let free = all.free_mutex.lock().unwrap();
        let (free, result) = all.condvar.wait_timeout(free, ms(1)).unwrap();
        assert!(result.timed_out());
        let waited = all.condvar.wait_timeout_while(free, ms(1), |()| true);
        assert!(waited.unwrap().1.timed_out());
        drop(held);
        assert!(all.mutex.try_lock().is_ok() && all.lock.try_write().is_ok());
        assert_eq!(all.permits.available_permits(), 1);
    };
    within(LIMIT, || {
        check();
        runtime(1).spawn(check).unwrap().join().unwrap();
    });
}

#[test]
fn poison_follows_std() {
    within(LIMIT, || {
        let rt = runtime(1);
        let shared = Arc::new((Mutex::new(1), RwLock::new(2)));
        let own = shared.clone();
        let reader = rt.spawn(move || {
            let _guard = own.1.read().unwrap();
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(reader.unwrap().join().is_err());
        assert!(!shared.1.is_poisoned(), "a reader does not poison");
        let own = shared.clone();
        let writer = rt.spawn(move || {
            let _guards = (own.0.lock().unwrap(), own.1.write().unwrap());
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(writer.unwrap().join().is_err());
        let (mutex, lock) = &*shared;
        assert!(mutex.is_poisoned() && lock.is_poisoned());
        assert_eq!(*mutex.lock().unwrap_err().into_inner(), 1);
        assert!(matches!(mutex.try_lock(), Err(TryLockError::Poisoned(_))));
        assert!(matches!(
            mutex.lock_timeout(ms(1)),
            Err(LockError::Poisoned(_))
        ));
        assert!(lock.read().is_err() && lock.write().is_err());
        mutex.clear_poison();
        lock.clear_poison();
        assert!(mutex.lock().is_ok() && lock.write().is_ok());
        let (mut mutex, lock) = Arc::into_inner(shared).unwrap();
        *mutex.get_mut().unwrap() = 5;
        assert_eq!(
            (mutex.into_inner().unwrap(), lock.into_inner().unwrap()),
            (5, 2)
        );
    });
}

/// Runs its closure when a panic drops it.
struct WhileUnwinding<F: FnMut()>(F);

impl<F: FnMut()> Drop for WhileUnwinding<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn while_a_panic_unwinds_fallible_waits_say_so_and_locks_block_the_thread() {
    within(LIMIT, || {
        let rt = runtime(2);
        let all = Everything::new();
        let held = all.mutex.lock().unwrap();
        let said = Gate::new();
        let handle = rt
            .spawn({
                let (all, said) = (all.clone(), said.clone());
                move || {
                    let permits = Semaphore::new(0);
                    let _unwinding = WhileUnwinding(|| {
                        assert!(matches!(
                            all.mutex.lock_timeout(ms(3_600_000)),
                            Err(LockError::Interrupted(microthread::Interrupt::Unwinding))
                        ));
                        assert!(matches!(
                            permits.acquire(),
                            Err(AcquireError::Interrupted(_))
                        ));
                        assert!(matches!(
                            all.news.wait_timeout(ms(3_600_000)),
                            Err(WaitError::Interrupted(_))
                        ));
                        said.open();
                        drop(all.mutex.lock().unwrap());
                    });
                    std::panic::resume_unwind(Box::new("over"));
                }
            })
            .unwrap();
        until(|| said.is_open());
        drop(held);
        assert!(matches!(handle.join(), Err(JoinError::Panicked(_))));
        assert!(
            !all.mutex.is_poisoned(),
            "a guard taken while unwinding does not poison"
        );
    });
}

#[test]
fn owned_permits_travel() {
    within(LIMIT, || {
        let rt = runtime(2);
        let permits = Arc::new(Semaphore::new(1));
        let permit = permits.clone().acquire_owned().unwrap();
        assert!(permits.clone().try_acquire_owned().is_err());
        let waiter = rt.spawn({
            let permits = permits.clone();
            move || block_on(permits.acquire_owned_async()).is_ok()
        });
        rt.spawn(move || drop(permit)).unwrap().join().unwrap();
        assert!(waiter.unwrap().join().unwrap());
    });
}

#[test]
fn notify_waiters_wakes_all_who_wait_and_leaves_no_permit() {
    within(LIMIT, || {
        let rt = one_worker();
        let all = Everything::new();
        let waiters: Vec<_> = (0..5)
            .map(|_| start_waiting(&rt, &all, |all| all.news.wait()))
            .collect();
        all.news.notify_waiters();
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!(all.news.wait_timeout(ms(0)), Err(WaitError::TimedOut));
    });
}

#[test]
fn a_downgraded_writer_lets_waiting_readers_in() {
    within(LIMIT, || {
        let rt = one_worker();
        let all = Everything::new();
        let writer = all.lock.write().unwrap();
        let reader = start_waiting(&rt, &all, |all| drop(all.lock.read().unwrap()));
        let reads = actor_core::sync::RwLockWriteGuard::downgrade(writer);
        reader.join().unwrap();
        assert!(all.lock.try_write().is_err());
        drop(reads);
        assert!(all.lock.try_write().is_ok());
    });
}
