//! Many tasklets that do everything to each other at random: nothing breaks, everybody ends, and it always goes the same way.

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

use actor_core::local::{
    Budget, Outcome, RemoteTasklet, RunError, Scheduler, TaskletRef, atomic, current, run, run_for,
    schedule, schedule_remove, spawn, switch_trap,
};
use actor_core::microthread::{checkpoint, shield, sleep};
use tests::within;

use crate::{LIMIT, Log, OnDrop, Signal};

struct Storm {
    rng: RefCell<fastrand::Rng>,
    /// Everybody who was ever spawned.
    all: RefCell<Vec<TaskletRef>>,
    remotes: RefCell<Vec<RemoteTasklet>>,
    signals: Vec<Signal>,
    log: RefCell<String>,
    dropped: Log,
}

impl Storm {
    fn new(seed: u64) -> Rc<Self> {
        Rc::new(Storm {
            rng: RefCell::new(fastrand::Rng::with_seed(seed)),
            all: RefCell::default(),
            remotes: RefCell::default(),
            signals: (0..4).map(|_| Signal::new()).collect(),
            log: RefCell::default(),
            dropped: Log::new(),
        })
    }

    fn below(&self, n: usize) -> usize {
        self.rng.borrow_mut().usize(..n)
    }

    fn any(&self) -> TaskletRef {
        let all = self.all.borrow();
        all[self.below(all.len())].clone()
    }

    fn note(&self, what: impl std::fmt::Debug) {
        let id = current().map_or(0, |me| me.id());
        write!(self.log.borrow_mut(), "{id}:{what:?} ").unwrap();
    }

    /// One thing that a tasklet may do.
    fn act(self: &Rc<Self>, depth: usize) {
        match self.below(24) {
            0..=3 => self.note(schedule().is_ok()),
            4 => self.note(schedule_remove().is_ok()),
            5 => self.note(self.any().run().is_ok()),
            6 => self.note(self.any().switch().is_ok()),
            7 | 8 => self.note(self.any().insert()),
            9 => self.note(self.any().remove()),
            10 => self.any().kill(),
            11 => self.any().kill_pending(),
            12 => self.note(self.any().throw("thrown").is_ok()),
            13 => self.note(self.any().throw_pending("thrown").is_ok()),
            14 => self.note(run().is_ok()),
            15 => self.note(run_for(Budget::points(20)).is_ok()),
            16 | 17 => self.note(self.signals[self.below(4)].wait().is_ok()),
            18 | 19 => self.signals[self.below(4)].send(),
            20 => sleep(Duration::from_millis(self.below(5) as u64)),
            21 if depth < 3 => atomic(|| self.act(depth + 1)),
            22 if depth < 3 => shield(|| self.act(depth + 1)),
            21 | 22 => switch_trap(|| self.note(schedule().is_ok())),
            _ => {
                if self.all.borrow().len() < 200 {
                    let storm = self.clone();
                    let tasklet = spawn(move || storm.body());
                    self.all.borrow_mut().push(tasklet.handle());
                } else {
                    let remote = self.any().remote();
                    self.remotes.borrow_mut().extend(remote);
                }
            }
        }
    }

    fn body(self: Rc<Self>) {
        let _on_drop = OnDrop(self.dropped.clone(), "d");
        for _ in 0..self.below(30) {
            checkpoint();
            self.act(0);
        }
        if self.below(10) == 0 {
            panic!("one in ten");
        }
    }
}

fn storm(seed: u64) -> String {
    let storm = Storm::new(seed);
    let sched = Scheduler::builder().virtual_time().build();
    for _ in 0..20 {
        let inside = storm.clone();
        let tasklet = sched.spawn(move || inside.body());
        storm.all.borrow_mut().push(tasklet.handle());
    }
    for round in 0..60 {
        let outcome = match round % 3 {
            0 => sched.run_for(Budget::points(50)),
            1 => sched.run_for(Budget::points(100).total().soft()),
            _ => sched.run_until_idle().map(|()| Outcome::Done),
        };
        match outcome {
            Ok(Outcome::Interrupted(who)) => {
                assert!(who.is_paused());
                who.insert().unwrap();
            }
            Ok(_) | Err(RunError::Uncaught(_)) => {}
            Err(other) => panic!("{other}"),
        }
        if let Some(remote) = storm.remotes.borrow_mut().pop() {
            let order = storm.below(4);
            std::thread::spawn(move || match order {
                0 => remote.insert(),
                1 => remote.kill(),
                2 => remote.run_next(),
                _ => remote.throw("from afar"),
            })
            .join()
            .unwrap()
            .unwrap();
        }
        storm.signals.iter().for_each(Signal::send);
        storm.any().insert().ok();
        storm.any().run().ok();
        let left = storm.all.borrow();
        let alive = left.iter().filter(|tasklet| tasklet.is_alive()).count();
        assert_eq!(alive, sched.alive());
    }
    drop(sched);
    assert!(storm.all.borrow().iter().all(|tasklet| !tasklet.is_alive()));
    storm.all.take();
    let log = storm.log.take();
    // Nothing was leaked: whoever had a part in it has let go.
    assert_eq!(Rc::strong_count(&storm), 1);
    log
}

#[test]
fn whatever_tasklets_do_to_each_other_goes_the_same_way_again() {
    let seeds = std::env::var("STORM_SEED").map_or(0..60, |seed| {
        let seed = seed.parse().unwrap();
        seed..seed + 1
    });
    for seed in seeds {
        within(LIMIT, || {
            let first = storm(seed);
            assert!(first == storm(seed), "seed {seed}");
        });
    }
}
