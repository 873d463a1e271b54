//! Children that are started in a batch: at rest until something happens to them, and then children like any other.

use super::*;
use actor_core::{BatchError, ChildState, ChildTemplate, DynamicSupervisor, microthread};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Has no hooks, so that it can rest. Its argument is a number, and it writes down when it is dropped.
#[actor]
struct Small {
    n: u64,
    log: Log,
}

#[actor]
impl Small {
    pub fn n(&self) -> u64 {
        self.n
    }

    pub fn add(&mut self, by: u64) {
        self.n += by;
    }

    pub fn boom(&mut self) -> u32 {
        panic!("boom")
    }

    #[on_stop]
    fn on_stop(&mut self, reason: &ExitReason) {
        self.log.add(format!("{} stops: {reason}", self.n));
    }
}

type Smalls = DynamicSupervisor<Small, u64>;

fn smalls(log: &Log, restart: Restart) -> actor_core::DynamicBuilder<Small, u64> {
    let log = log.clone();
    let make = move |n: &u64| Small {
        n: *n,
        log: log.clone(),
    };
    DynamicSupervisor::builder(ChildTemplate::new("small", make).restart(restart))
        .intensity(MANY, SOON)
}

fn started(sys: &System, log: &Log, n: u64) -> (Smalls, Vec<Addr<Small>>) {
    let sup = smalls(log, Restart::Permanent).start(sys).unwrap();
    let all = sup.start_children(0..n).unwrap();
    (sup, all)
}

#[test]
fn a_batch_is_started_in_order_and_its_children_are_listed_like_any_other() {
    let sys = system();
    let log = Log::default();
    let (sup, all) = started(&sys, &log, 100);
    let single = sup.start_child(100).unwrap();
    let more = sup.start_children([101, 102]).unwrap();
    for (n, child) in (0..).zip(all.iter().chain([&single]).chain(&more)) {
        assert_eq!(child.ask().n().unwrap(), n);
    }
    let counts = sup.count_children().unwrap();
    assert_eq!((counts.specs, counts.active), (103, 103));
    // In reverse start order.
    let listed: Vec<_> = sup
        .which_children()
        .unwrap()
        .iter()
        .map(|it| it.actor)
        .collect();
    let expected = more.iter().rev().chain([&single]).chain(all.iter().rev());
    assert_eq!(listed, expected.map(|it| Some(it.id())).collect::<Vec<_>>());
    let first = sup.which_children().unwrap().pop().unwrap();
    assert_eq!((&*first.id, first.incarnation), ("small", 1));
    assert_eq!(
        (first.restart, first.state),
        (Restart::Permanent, ChildState::Running)
    );
}

#[test]
fn one_that_fails_is_started_again_with_its_arguments_at_its_address_and_keeps_its_messages() {
    let sys = system();
    let (log, mut next) = (Log::default(), events(&sys));
    let (sup, all) = started(&sys, &log, 10);
    for round in 1..=3 {
        all[7].tell().add(5).unwrap();
        assert!(all[7].ask().boom().is_err());
        next(&|it| matches!(it, Event::Restarted { incarnation, .. } if *incarnation == round + 1));
        assert_eq!(all[7].ask().n().unwrap(), 7);
    }
    all[3].kill();
    next(&restarted);
    assert_eq!(all[3].ask().n().unwrap(), 3);
    assert_eq!(sup.count_children().unwrap().active, 10);
    // Those that rest have not been touched.
    all[0].tell().add(1).unwrap();
    assert_eq!(all[0].ask().n().unwrap(), 1);
}

#[test]
fn one_can_be_terminated_and_is_then_forgotten() {
    let sys = system();
    let log = Log::default();
    let (sup, all) = started(&sys, &log, 4);
    sup.terminate_child(&all[2]).unwrap();
    assert_eq!(log.take(), ["2 stops: shut down"]);
    assert_eq!(all[2].join(), ExitReason::Shutdown);
    // Again: it has ended already.
    sup.terminate_child(&all[2]).unwrap();
    let counts = sup.count_children().unwrap();
    assert_eq!((counts.specs, counts.active), (3, 3));
    // One that has been started again.
    let mut next = events(&sys);
    all[1].kill();
    next(&restarted);
    sup.terminate_child(&all[1]).unwrap();
    assert!(!all[1].is_alive());
    assert_eq!(sup.count_children().unwrap().specs, 2);
    // The child of another is a stranger.
    let (other, others) = started(&sys, &log, 1);
    assert_eq!(sup.terminate_child(&others[0]), Err(ChildError::NotFound));
    assert!(other.terminate_child(&others[0]).is_ok());
    // All of a batch are gone: so is the batch.
    sup.terminate_child(&all[0]).unwrap();
    sup.terminate_child(&all[3]).unwrap();
    assert_eq!(sup.count_children().unwrap().specs, 0);
    assert_eq!(sup.start_children([9]).unwrap()[0].ask().n().unwrap(), 9);
}

#[test]
fn temporary_ones_that_end_are_forgotten() {
    let sys = system();
    let log = Log::default();
    let sup = smalls(&log, Restart::Temporary).start(&sys).unwrap();
    let all = sup.start_children(0..3).unwrap();
    all[0].stop();
    assert!(all[1].ask().boom().is_err());
    all[0].join();
    assert_eq!(all[1].join(), panicked());
    while sup.count_children().unwrap().specs != 1 {
        std::thread::yield_now();
    }
    assert!(all[2].is_alive());
}

#[test]
fn when_the_supervisor_ends_all_are_stopped_with_their_hooks() {
    let sys = system();
    let log = Log::default();
    for end in [Smalls::stop, |sup: &Smalls| {
        // One restart too many: it gives up.
        let all = sup.start_children([7, 7, 7]).unwrap();
        for child in all {
            child.kill();
        }
    }] {
        let builder = smalls(&log, Restart::Permanent).intensity(1, SOON);
        let sup = builder.start(&sys).unwrap();
        let all = sup.start_children(0..5).unwrap();
        end(&sup);
        sup.join();
        let mut stopped = log.take();
        stopped.sort();
        stopped.retain(|it| !it.starts_with('7'));
        assert_eq!(
            stopped,
            ["0", "1", "2", "3", "4"].map(|n| format!("{n} stops: shut down"))
        );
        for child in all {
            assert_eq!(child.join(), ExitReason::Shutdown);
        }
    }
}

#[test]
fn when_the_supervisor_is_killed_all_are_killed_and_none_is_left() {
    let sys = system();
    let log = Log::default();
    let (sup, all) = started(&sys, &log, 50);
    let mut next = events(&sys);
    all[3].kill();
    next(&restarted);
    sup.kill();
    for child in &all {
        assert_eq!(child.join(), ExitReason::Killed);
    }
    assert!(log.take().is_empty());
}

#[test]
fn they_end_with_their_system() {
    let sys = system();
    let log = Log::default();
    let (_sup, all) = started(&sys, &log, 50);
    all[9].ask().n().unwrap();
    assert!(sys.shutdown(SOON).unwrap().is_graceful());
    assert_eq!(log.take().len(), 50);
    assert!(all.iter().all(|it| it.join() == ExitReason::Shutdown));
}

#[test]
fn a_batch_ends_at_the_first_that_does_not_start_and_says_which_did() {
    let sys = system();
    let make = |n: &u64| match n {
        0..3 => Ok(Some(Small {
            n: *n,
            log: Log::default(),
        })),
        3 => Err("no room"),
        4 => Ok(None),
        _ => panic!("boom"),
    };
    let sup = DynamicSupervisor::builder(ChildTemplate::optional("small", make));
    let sup = sup.start(&sys).unwrap();
    let failed = |reason| ChildError::StartFailed {
        id: "small".into(),
        reason,
    };
    let reasons = [
        (3, failed(ExitReason::Failed("no room".into()))),
        (4, ChildError::Declined),
        (5, failed(panicked())),
    ];
    for (wrong, reason) in reasons {
        let BatchError { started, error, .. } = sup.start_children([0, 1, wrong, 2]).unwrap_err();
        assert_eq!(error, reason);
        assert_eq!(started.len(), 2);
        assert_eq!(started[1].ask().n().unwrap(), 1);
    }
    assert_eq!(sup.count_children().unwrap().active, 6);
    assert!(sup.start_children([]).unwrap().is_empty());
    sup.stop();
    sup.join();
    let refused = sup.start_children([0]).unwrap_err();
    assert_eq!(
        (refused.started.len(), refused.error),
        (0, ChildError::ShuttingDown)
    );
}

#[test]
fn those_with_a_start_hook_are_started_one_after_another() {
    let sys = system();
    let log = Log::default();
    let own = log.clone();
    let make = move |tag: &&'static str| probe(tag, &own)();
    let sup = DynamicSupervisor::builder(ChildTemplate::new("probe", make))
        .start(&sys)
        .unwrap();
    let all = sup.start_children(["a", "b", "c"]).unwrap();
    assert_eq!(log.take(), ["a starts", "b starts", "c starts"]);
    assert_eq!(all[2].ask().life().unwrap(), 1);
}

/// Children at rest are killed, stopped, terminated and asked from several threads while their supervisor starts them again.
#[test]
fn whatever_happens_at_once_each_is_started_again_or_ends_and_nothing_hangs() {
    let sys = system_with(2);
    for round in 0..20_u64 {
        let log = Log::default();
        let (sup, all) = started(&sys, &log, 64);
        std::thread::scope(|scope| {
            for thread in 0..3_u64 {
                let (sup, all) = (&sup, &all);
                scope.spawn(move || {
                    let mut rng = fastrand::Rng::with_seed(round * 3 + thread);
                    for _ in 0..100 {
                        let child = &all[rng.usize(..all.len())];
                        match rng.u8(..5) {
                            0 => child.kill(),
                            1 => child.stop(),
                            2 => drop(child.ask().boom()),
                            3 => drop(child.ask().n()),
                            _ => sup
                                .terminate_child(child)
                                .unwrap_or_else(|error| assert_eq!(error, ChildError::NotFound)),
                        }
                    }
                });
            }
        });
        if round % 2 == 0 {
            sup.stop();
        } else {
            sup.kill();
        }
        sup.join();
        for child in all {
            child.join();
        }
    }
}

#[test]
fn when_the_supervisor_is_killed_while_a_batch_is_starting_those_that_have_started_are_killed_too()
{
    #[actor]
    struct Lives(Arc<AtomicUsize>);
    #[actor]
    impl Lives {}
    impl Drop for Lives {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    actor_core::testing::check(|sys| {
        let alive = Arc::new(AtomicUsize::new(0));
        let count = alive.clone();
        let template = ChildTemplate::new("lives", move |n: &u64| {
            if *n == 2 {
                microthread::sleep(Duration::from_secs(60));
            }
            count.fetch_add(1, Ordering::SeqCst);
            Lives(count.clone())
        });
        let sup = DynamicSupervisor::builder(template).start(sys).unwrap();
        let starts = {
            let sup = sup.clone();
            sys.spawn_microthread(move || sup.start_children(0..3).is_err())
                .unwrap()
        };
        microthread::sleep(Duration::from_secs(1));
        assert_eq!(alive.load(Ordering::SeqCst), 2);
        sup.kill();
        assert_eq!(sup.join(), ExitReason::Killed);
        assert!(starts.join().unwrap());
        microthread::sleep(Duration::from_secs(1));
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    });
}
