//! Pools: supervised workers in numbered slots.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use actor_core::testing::{self, Explorer};
use actor_core::{Balance, ChildError, Nobody, Pool, PoolBuilder, PoolError, RouteError};

use super::*;

/// A worker that knows its slot, and writes down what it has done.
#[actor]
pub struct Worker {
    slot: usize,
    life: u32,
    done: Arc<Mutex<Vec<(usize, u64)>>>,
    /// Sleeps so many virtual seconds over each job.
    pace: u64,
}

#[actor]
impl Worker {
    #[on_start]
    fn enlist(&mut self, cx: &mut Cx<Self>) {
        everybody(&cx.system()).join(&cx.addr()).unwrap();
    }

    pub fn work(&mut self, job: u64) -> usize {
        if self.pace > 0 {
            microthread::sleep(Duration::from_secs(self.pace));
        }
        self.done.lock().unwrap().push((self.slot, job));
        self.slot
    }

    pub fn slot(&self) -> usize {
        self.slot
    }

    pub fn life(&self) -> u32 {
        self.life
    }

    pub fn boom(&mut self) -> u64 {
        panic!("boom")
    }

    pub fn leave(&mut self, cx: &mut Cx<Self>) {
        cx.stop();
    }
}

/// All workers of a system that live.
fn everybody(sys: &System) -> Group<Worker> {
    sys.group("everybody")
}

#[derive(Clone, Default)]
struct Works {
    done: Arc<Mutex<Vec<(usize, u64)>>>,
    lives: Arc<AtomicU32>,
    pace: u64,
}

impl Works {
    fn pool(&self, size: usize) -> PoolBuilder<Worker> {
        let works = self.clone();
        Pool::builder(size, move |slot| Worker {
            slot,
            life: works.lives.fetch_add(1, Ordering::SeqCst) + 1,
            done: works.done.clone(),
            pace: works.pace,
        })
        .intensity(MANY, LIMIT)
    }

    fn jobs(&self) -> Vec<u64> {
        let mut jobs: Vec<_> = self.done.lock().unwrap().iter().map(|it| it.1).collect();
        jobs.sort_unstable();
        jobs
    }
}

fn slots(pool: &Pool<Worker>) -> Vec<usize> {
    let workers = pool.workers();
    workers.iter().map(|it| it.ask().slot().unwrap()).collect()
}

fn work(job: u64) -> WorkerMsg {
    WorkerMsg::Work { job }
}

#[test]
fn each_slot_has_its_worker() {
    let sys = system(1);
    let pool = Works::default().pool(4).start(&sys).unwrap();
    assert_eq!(pool.size(), 4);
    assert_eq!(slots(&pool), [0, 1, 2, 3]);
    for slot in 0..4 {
        let worker = pool.get(slot).unwrap();
        assert_eq!(worker.ask().slot().unwrap(), slot);
        assert_eq!(pool.workers()[slot], worker);
    }
    assert_eq!(pool.get(4), None);
    // In turn, unless said otherwise.
    let turns: Vec<_> = (0..8)
        .map(|job| pool.pick().unwrap().ask().work(job).unwrap())
        .collect();
    assert_eq!(turns, [0, 1, 2, 3, 0, 1, 2, 3]);
}

#[test]
fn a_worker_that_fails_is_started_again_in_its_slot_and_keeps_its_keys() {
    let sys = system(2);
    let pool = Works::default().pool(4).start(&sys).unwrap();
    let owners: Vec<_> = (0..100).map(|key| pool.by_key(&key).unwrap()).collect();
    let distinct: BTreeSet<_> = owners.iter().map(Addr::id).collect();
    assert_eq!(distinct.len(), 4);
    for slot in 0..4 {
        let worker = pool.get(slot).unwrap();
        let life = worker.ask().life().unwrap();
        assert!(worker.ask().boom().is_err());
        assert_eq!(pool.get(slot), Some(worker.clone()), "the same address");
        assert_eq!(worker.ask().slot().unwrap(), slot);
        assert!(worker.ask().life().unwrap() > life, "another life");
        for (key, owner) in owners.iter().enumerate() {
            assert_eq!(pool.by_key(&(key as i32)).unwrap(), *owner);
        }
    }
}

#[test]
fn a_pool_grows_and_only_the_keys_of_the_new_slots_move() {
    let sys = system(1);
    let pool = Works::default().pool(4).start(&sys).unwrap();
    let owners = || -> Vec<_> { (0..500_u64).map(|key| pool.by_key(&key).unwrap()).collect() };
    let before = owners();
    pool.resize(6).unwrap();
    assert_eq!(slots(&pool), [0, 1, 2, 3, 4, 5]);
    let new = [pool.get(4).unwrap(), pool.get(5).unwrap()];
    let after = owners();
    for (was, is) in before.iter().zip(&after) {
        assert!(was == is || new.contains(is));
    }
    assert!(new.iter().all(|it| after.contains(it)));
    pool.resize(4).unwrap();
    assert_eq!(owners(), before, "and come back");
    pool.resize(4).unwrap();
    assert_eq!(slots(&pool), [0, 1, 2, 3]);
}

#[test]
fn a_worker_that_is_removed_finishes_what_it_has_and_gets_nothing_new() {
    testing::check(|sys| {
        let works = Works {
            pace: 1,
            ..Works::default()
        };
        let pool = works
            .pool(3)
            .drain(Duration::from_secs(1_000))
            .start(sys)
            .unwrap();
        let going: Vec<_> = pool.workers()[1..].to_vec();
        (0..30).for_each(|job| pool.send(work(job)).unwrap());
        let resizing = pool.clone();
        let resizer = microthread::spawn(move || resizing.resize(1).unwrap());
        while pool.size() > 1 {
            microthread::yield_now();
        }
        // Nobody is routed to them any more, though they have work for ten seconds.
        for job in 30..40 {
            assert_eq!(pool.pick().unwrap(), pool.get(0).unwrap());
            assert_eq!(pool.by_key(&job).unwrap(), pool.get(0).unwrap());
            pool.send(work(job)).unwrap();
        }
        assert_eq!(pool.get(1), None);
        resizer.join().unwrap();
        for worker in going {
            assert_eq!(worker.join(), ExitReason::Shutdown);
        }
        let supervisor = pool.supervisor().unwrap();
        assert_eq!(supervisor.count_children().unwrap().specs, 1);
        pool.get(0).unwrap().ask().slot().unwrap();
        assert_eq!(works.jobs(), (0..40).collect::<Vec<_>>(), "all is done");
    });
}

#[test]
fn what_reaches_a_removed_worker_by_an_address_taken_before_is_handled_or_comes_back() {
    testing::check(|sys| {
        let works = Works::default();
        let pool = works.pool(2).start(sys).unwrap();
        let events = sys.events();
        let kept = pool.get(1).unwrap();
        let sender = microthread::spawn(move || {
            let (mut taken, mut back) = (0, 0);
            for job in 0..20 {
                match kept.tell().work(job) {
                    Ok(()) => taken += 1,
                    Err(error) => {
                        assert!(error.is_closed());
                        back += 1;
                    }
                }
                microthread::yield_now();
            }
            (kept, taken, back)
        });
        pool.resize(1).unwrap();
        let (kept, taken, back) = sender.join().unwrap();
        assert_eq!(kept.join(), ExitReason::Shutdown);
        let dead: u64 = events
            .try_iter()
            .filter_map(|event| match event {
                Event::DeadLetters { count, .. } => Some(count),
                _ => None,
            })
            .sum();
        assert_eq!(taken, works.jobs().len() as u64 + dead);
        assert_eq!(taken + back, 20);
    });
}

#[test]
fn a_removed_worker_that_fails_is_started_again_to_finish_the_rest() {
    testing::check(|sys| {
        quiet();
        let works = Works {
            pace: 1,
            ..Works::default()
        };
        let pool = works
            .pool(2)
            .drain(Duration::from_secs(1_000))
            .start(sys)
            .unwrap();
        let going = pool.get(1).unwrap();
        (0..3).for_each(|job| going.tell().work(job).unwrap());
        going.tell().boom().unwrap();
        (3..6).for_each(|job| going.tell().work(job).unwrap());
        pool.resize(1).unwrap();
        assert_eq!(going.join(), ExitReason::Shutdown);
        assert_eq!(works.jobs(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(works.lives.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn a_removed_worker_that_takes_too_long_is_stopped() {
    testing::check(|sys| {
        let works = Works {
            pace: 1,
            ..Works::default()
        };
        let pool = works
            .pool(2)
            .drain(Duration::from_secs(10))
            .start(sys)
            .unwrap();
        let events = sys.events();
        let going = pool.get(1).unwrap();
        (0..100).for_each(|job| going.tell().work(job).unwrap());
        let start = testing::elapsed();
        pool.resize(1).unwrap();
        let took = (testing::elapsed() - start).as_secs();
        assert!((10..=11).contains(&took), "{took}");
        assert_eq!(going.join(), ExitReason::Shutdown);
        let done = works.jobs().len() as u64;
        assert!((10..=11).contains(&done));
        let dead = events.try_iter().find_map(|event| match event {
            Event::DeadLetters { count, .. } => Some(count),
            _ => None,
        });
        assert_eq!(dead, Some(100 - done));
    });
}

#[test]
fn others_are_started_again_while_a_removed_worker_finishes() {
    testing::check(|sys| {
        quiet();
        let works = Works {
            pace: 100,
            ..Works::default()
        };
        let pool = works
            .pool(2)
            .drain(Duration::from_secs(1_000))
            .start(sys)
            .unwrap();
        pool.get(1).unwrap().tell().work(0).unwrap();
        let resizing = pool.clone();
        let resizer = microthread::spawn(move || resizing.resize(1).unwrap());
        while pool.size() > 1 {
            microthread::yield_now();
        }
        let stays = pool.get(0).unwrap();
        assert!(stays.ask().boom().is_err());
        assert_eq!(stays.ask().life().unwrap(), 3);
        assert!(works.jobs().is_empty(), "the other is not done yet");
        resizer.join().unwrap();
        assert_eq!(works.jobs(), [0]);
    });
}

#[test]
fn an_own_stack_worker_finishes_too() {
    struct Loner(Arc<Mutex<Vec<u64>>>);
    impl actor_core::ActorOptions for Loner {}
    impl Actor for Loner {
        type Msg = u64;
        type Tell<'a> = actor_core::NoMethods;
        type TryTell<'a> = actor_core::NoMethods;
        type Ask<'a> = actor_core::NoMethods;
        type Request<'a> = actor_core::NoMethods;
        const OWN_STACK: bool = true;

        fn run(self, inbox: Inbox<Self>) -> Exit {
            while let Ok(n) = inbox.recv() {
                microthread::yield_now();
                self.0.lock().unwrap().push(n);
            }
            Exit::Shutdown
        }
    }
    testing::check(|sys| {
        let done = Arc::new(Mutex::new(Vec::new()));
        let own = done.clone();
        let pool = Pool::builder(2, move |_| Loner(own.clone()));
        let pool = pool.start(sys).unwrap();
        let going = pool.get(1).unwrap();
        (0..10).for_each(|n| going.send(n).unwrap());
        pool.resize(1).unwrap();
        assert_eq!(going.join(), ExitReason::Shutdown);
        assert_eq!(*done.lock().unwrap(), (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn a_pool_of_nobody_gives_the_message_back_and_can_grow() {
    let sys = system(1);
    let pool = Works::default().pool(2).start(&sys).unwrap();
    pool.resize(0).unwrap();
    assert_eq!(pool.pick(), Err(Nobody));
    assert_eq!(pool.by_key("a"), Err(Nobody));
    for result in [
        pool.send(work(7)),
        pool.try_send(work(7)),
        pool.send_by_key("a", work(7)),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(
            error,
            RouteError::Nobody(WorkerMsg::Work { job: 7 })
        ));
    }
    pool.resize(1).unwrap();
    assert_eq!(pool.pick().unwrap().ask().slot().unwrap(), 0);
}

#[test]
fn a_slot_whose_worker_has_ended_for_good_is_empty_and_its_keys_go_to_others() {
    let sys = system(1);
    let builder = Works::default().pool(3).restart(Restart::Transient);
    let pool = builder.start(&sys).unwrap();
    let owners: Vec<_> = (0..100).map(|key| pool.by_key(&key).unwrap()).collect();
    let gone = pool.get(1).unwrap();
    gone.tell().leave().unwrap();
    assert_eq!(end(&gone), ExitReason::Normal);
    for (key, owner) in owners.iter().enumerate() {
        let now = pool.by_key(&(key as i32)).unwrap();
        assert!(now == *owner || *owner == gone);
        assert_ne!(now, gone);
        assert_ne!(pool.pick().unwrap(), gone);
    }
    // The supervisor hears of it in its turn.
    pool.supervisor().unwrap().count_children().unwrap();
    assert_eq!(pool.get(1), None);
    assert_eq!(slots(&pool), [0, 2]);
    assert_eq!(pool.stats().workers[1].actor, None);
}

#[test]
fn a_worker_that_does_not_start_leaves_the_pool_as_it_was() {
    let sys = system(1);
    let fails = Arc::new(AtomicBool::new(false));
    let (works, own) = (Works::default(), fails.clone());
    let pool = Pool::try_builder(2, move |slot| {
        if slot == 3 && own.load(Ordering::SeqCst) {
            return Err("no room");
        }
        Ok(Worker {
            slot,
            life: 1,
            done: works.done.clone(),
            pace: 0,
        })
    });
    let pool = pool.start(&sys).unwrap();
    fails.store(true, Ordering::SeqCst);
    let error = pool.resize(5).unwrap_err();
    assert!(
        matches!(
            &error,
            PoolError::Worker {
                slot: 3,
                error: ChildError::StartFailed { .. },
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(slots(&pool), [0, 1, 2], "those before it are there");
    fails.store(false, Ordering::SeqCst);
    pool.resize(5).unwrap();
    assert_eq!(slots(&pool), [0, 1, 2, 3, 4]);
    pool.resize(1).unwrap();
    fails.store(true, Ordering::SeqCst);
    assert!(
        Pool::try_builder(4, |slot| { if slot < 3 { Ok(Hopeful) } else { Err("no") } })
            .start(&sys)
            .is_err()
    );
}

#[actor]
pub struct Hopeful;

#[actor]
impl Hopeful {
    pub fn nothing(&mut self) {}
}

#[test]
fn a_pool_is_a_child_like_any_other_and_its_handle_outlives_its_lives() {
    let sys = system(2);
    let works = Works::default();
    let (spec, pool) = works.pool(3).intensity(1, LIMIT).child("workers");
    assert_eq!(pool.resize(4), Err(PoolError::NotStarted));
    assert_eq!(pool.pick(), Err(Nobody));
    let root = Supervisor::builder().supervisor(spec).start(&sys).unwrap();
    assert_eq!(slots(&pool), [0, 1, 2]);
    pool.resize(5).unwrap();
    let before = pool.workers();
    let events = sys.events();
    // Two failures are too many for it: it gives up, and is started again with as many workers.
    for _ in 0..2 {
        let _ = pool.get(0).unwrap().ask().boom();
    }
    before.iter().for_each(|it| drop(end(it)));
    let restarted =
        |event: &Event| matches!(event, Event::Restarted { child, .. } if &**child == "workers");
    assert!(events.iter().any(|event| restarted(&event)));
    let supervisor = pool.supervisor().unwrap();
    assert_eq!(supervisor.count_children().unwrap().active, 5);
    assert_eq!(slots(&pool), [0, 1, 2, 3, 4]);
    assert!(before.iter().all(|it| !pool.workers().contains(it)));
    pool.resize(2).unwrap();
    assert_eq!(slots(&pool), [0, 1]);
    root.stop();
    assert_eq!(root.join(), ExitReason::Normal);
    assert_eq!(pool.pick(), Err(Nobody));
    assert!(pool.resize(7).is_err());
}

#[test]
fn stats_say_what_waits_where() {
    Explorer::new().switch_points(false).check(|sys| {
        let pool = Works::default().pool(3).start(sys).unwrap();
        for (slot, jobs) in [(0, 2), (2, 1)] {
            let worker = pool.get(slot).unwrap();
            (0..jobs).for_each(|job| worker.tell().work(job).unwrap());
        }
        let stats = pool.stats();
        let queued: Vec<_> = stats.workers.iter().map(|it| it.queued).collect();
        assert_eq!(queued, [2, 0, 1]);
        assert_eq!((stats.queued(), stats.up()), (3, 3));
        let ids = stats.workers.iter().map(|it| it.actor.unwrap());
        assert!(ids.eq(pool.workers().iter().map(Addr::id)));
    });
}

#[test]
fn all_workers_are_published_to() {
    let sys = system(1);
    let works = Works::default();
    let pool = works.pool(3).start(&sys).unwrap();
    let published = pool.publish_with(|_| work(5));
    assert_eq!(published.delivered, 3);
    assert_eq!(slots(&pool), [0, 1, 2]);
    assert_eq!(works.jobs(), [5, 5, 5]);
}

/// Jobs go in while workers fail and the pool is resized up and down: each that was accepted is done, but for those that came
/// in the very moment of a worker's end, which are dead letters.
#[test]
fn in_a_storm_of_resizes_and_crashes_no_job_is_lost() {
    const JOBS: u64 = 4_000;
    for balance in [
        Balance::RoundRobin,
        Balance::LeastLoaded,
        Balance::TwoChoices,
    ] {
        let sys = system(2);
        let works = Works::default();
        let builder = works.pool(3).balance(balance).drain(LIMIT);
        let pool = builder.start(&sys).unwrap();
        let events = sys.events();
        let letters = std::thread::spawn(move || count_dead_letters(&events));
        let (done, sent) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            let senders: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        loop {
                            let job = sent.fetch_add(1, Ordering::SeqCst);
                            if job >= JOBS {
                                break;
                            }
                            match job % 3 {
                                0 => pool.send_by_key(&(job % 17), work(job)).unwrap(),
                                1 => pool.try_send(work(job)).unwrap(),
                                _ => pool.send(work(job)).unwrap(),
                            }
                        }
                    })
                })
                .collect();
            let resizes = scope.spawn(|| {
                for n in 0.. {
                    pool.resize(1 + n % 6).unwrap();
                    if done.load(Ordering::SeqCst) {
                        break;
                    }
                }
            });
            let crashes = scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let _ = pool.pick().unwrap().ask().boom();
                }
            });
            senders.into_iter().for_each(|it| it.join().unwrap());
            done.store(true, Ordering::SeqCst);
            resizes.join().unwrap();
            crashes.join().unwrap();
        });
        pool.resize(0).unwrap(); // all finish
        all_counted(&sys, &everybody(&sys));
        let (jobs, dead) = (works.jobs(), letters.join().unwrap());
        let distinct: BTreeSet<_> = jobs.iter().collect();
        assert_eq!(distinct.len(), jobs.len(), "none is done twice");
        assert_eq!(jobs.len() as u64 + dead, JOBS, "{balance:?}");
    }
}
