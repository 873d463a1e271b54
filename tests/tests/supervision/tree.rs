//! Supervisors that start with children, and supervisors of supervisors.

use super::*;
use actor_core::{LookupError, SpecError};

#[test]
fn the_first_children_are_started_in_order() {
    let sys = system();
    let log = Log::default();
    let sup = Supervisor::builder()
        .name("root")
        .child(ChildSpec::new("a", probe("a", &log)))
        .child(ChildSpec::new("b", probe("b", &log)))
        .child(ChildSpec::optional("c", || {
            Ok::<Option<Probe>, String>(None)
        }))
        .start(&sys)
        .unwrap();
    assert_eq!(log.take(), ["a starts", "b starts"]);
    let ids: Vec<_> = sup
        .which_children()
        .unwrap()
        .iter()
        .map(|it| it.id.clone())
        .collect();
    assert_eq!(ids, ["c".into(), "b".into(), "a".into()]);
    let counts = sup.count_children().unwrap();
    assert_eq!((counts.specs, counts.active), (3, 2));
    assert_eq!(Supervisor::lookup(&sys, "root").unwrap(), sup);
    assert!(matches!(
        sys.lookup::<Probe>("root"),
        Err(LookupError::WrongType { .. })
    ));
    assert!(matches!(
        sup.child_supervisor("a"),
        Err(ChildError::WrongType { .. })
    ));
    assert_eq!(sup.child::<Probe>("d"), Err(ChildError::NotFound));
}

#[test]
fn a_first_start_that_fails_stops_the_earlier_children_in_reverse_order() {
    let sys = system();
    let log = Log::default();
    let builder = || {
        Supervisor::builder()
            .child(ChildSpec::new("a", probe("a", &log)))
            .child(ChildSpec::new("b", probe("b", &log)))
            .child(ChildSpec::<Probe>::try_new("c", || Err("no disk")))
            .child(ChildSpec::new("d", probe("d", &log)))
    };
    let stops = [
        "a starts",
        "b starts",
        "b stops: shut down",
        "a stops: shut down",
    ];
    let Err(SpawnError::Start(why)) = builder().start(&sys) else {
        panic!("c does not start")
    };
    assert_eq!(why.to_string(), "child `c` did not start: failed: no disk");
    assert_eq!(log.take(), stops);

    // Reasons are wrapped in each other.
    let root = patient(&sys);
    let own = log.clone();
    let inner = ChildSpec::new("inner", move || {
        Supervisor::builder()
            .child(ChildSpec::new("a", probe("a", &own)))
            .child(ChildSpec::<Probe>::try_new("c", || Err("no disk")))
    });
    let refused = root.start_supervisor(inner).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "child `inner` did not start: failed: child `c` did not start: failed: no disk"
    );
    assert_eq!(root.count_children().unwrap().specs, 0);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let sys = system();
    let log = Log::default();
    let refused = |builder: actor_core::SupervisorBuilder| match builder.start(&sys) {
        Err(SpawnError::Start(why)) => why.to_string(),
        other => panic!("{other:?}"),
    };
    let twice = Supervisor::builder()
        .child(ChildSpec::new("a", probe("a", &log)))
        .child(ChildSpec::new("a", probe("a", &log)));
    assert_eq!(refused(twice), SpecError::DuplicateId.to_string());
    assert_eq!(
        refused(Supervisor::builder().intensity(1, Duration::ZERO)),
        SpecError::ZeroPeriod.to_string()
    );
    let nameless = Supervisor::builder().child(ChildSpec::new("", probe("a", &log)));
    assert_eq!(refused(nameless), SpecError::EmptyId.to_string());
    assert!(log.take().is_empty());
}

/// A supervisor that allows no restart, with one child.
fn brittle(log: &Log) -> impl Fn() -> actor_core::SupervisorBuilder + Send + 'static {
    let log = log.clone();
    move || {
        Supervisor::builder()
            .intensity(0, SOON)
            .child(ChildSpec::new("leaf", probe("leaf", &log)).name("leaf"))
    }
}

#[test]
fn an_inner_supervisor_that_gives_up_is_restarted_if_permanent_and_not_if_transient() {
    let sys = system();
    let (root, log, mut next) = (patient(&sys), Log::default(), events(&sys));
    let inner = root
        .start_supervisor(ChildSpec::new("inner", brittle(&log)).name("inner"))
        .unwrap();
    let leaf = inner.child::<Probe>("leaf").unwrap();
    assert!(leaf.ask().boom().is_err());
    next(&|it| matches!(it, Event::GaveUp { .. }));
    // The same supervisor, at the same address, with a new child.
    next(&|it| matches!(it, Event::Restarted { child, .. } if &**child == "inner"));
    assert_eq!(leaf.join(), panicked());
    assert_eq!(root.child_supervisor("inner").unwrap(), inner);
    assert_eq!(Supervisor::lookup(&sys, "inner").unwrap(), inner);
    assert_eq!(
        inner.child::<Probe>("leaf").unwrap().ask().life().unwrap(),
        1
    );
    root.terminate_child("inner").unwrap();
    assert_eq!(inner.join(), ExitReason::Shutdown);
    root.delete_child("inner").unwrap();

    let spec = ChildSpec::new("inner", brittle(&log)).restart(Restart::Transient);
    let inner = root.start_supervisor(spec).unwrap();
    inner.child::<Probe>("leaf").unwrap().kill();
    assert_eq!(inner.join(), ExitReason::Shutdown);
    assert_eq!(root.count_children().unwrap().active, 0);
    assert_eq!(root.count_children().unwrap().specs, 1);
}

#[test]
fn a_killed_inner_supervisor_is_restarted_and_its_old_children_are_gone() {
    let sys = system();
    let (root, log, mut next) = (patient(&sys), Log::default(), events(&sys));
    let own = log.clone();
    let spec = ChildSpec::new("inner", move || {
        // No names: the old children may still be ending when the new ones start.
        Supervisor::builder()
            .intensity(MANY, SOON)
            .child(ChildSpec::new("a", probe("a", &own)))
            .child(ChildSpec::new("b", probe("b", &own)))
    });
    let inner = root.start_supervisor(spec).unwrap();
    for _ in 0..50 {
        let old = ["a", "b"].map(|id| inner.child::<Probe>(id).unwrap());
        let added = inner
            .start_child(ChildSpec::new("c", probe("c", &log)))
            .unwrap();
        old[0].tell().boom().unwrap();
        inner.kill();
        next(&|it| matches!(it, Event::Restarted { child, .. } if &**child == "inner"));
        for it in old.iter().chain([&added]) {
            let reason = it.join();
            assert!(
                reason == ExitReason::Killed || reason == panicked(),
                "{reason}"
            );
        }
        let counts = inner.count_children().unwrap();
        assert_eq!((counts.specs, counts.active), (2, 2));
        // The new ones hear nothing of the old ones' ends.
        assert_eq!(inner.child::<Probe>("a").unwrap().ask().life().unwrap(), 1);
    }
    root.stop();
    assert_eq!(root.join(), ExitReason::Normal);
}

#[test]
fn a_tree_stops_from_the_leaves_up_and_in_reverse() {
    let sys = system();
    let log = Log::default();
    let inner = |tags: [&'static str; 2]| {
        let log = log.clone();
        move || {
            tags.iter().fold(Supervisor::builder(), |builder, tag| {
                builder.child(ChildSpec::new(*tag, probe(tag, &log)))
            })
        }
    };
    let root = Supervisor::builder()
        .supervisor(ChildSpec::new("left", inner(["a", "b"])))
        .child(ChildSpec::new("middle", probe("middle", &log)))
        .supervisor(ChildSpec::new("right", inner(["c", "d"])))
        .start(&sys)
        .unwrap();
    assert_eq!(
        log.take(),
        [
            "a starts",
            "b starts",
            "middle starts",
            "c starts",
            "d starts"
        ]
    );
    assert!(sys.shutdown(SOON).unwrap().is_clean());
    let stops = ["d", "c", "middle", "b", "a"].map(|tag| format!("{tag} stops: shut down"));
    assert_eq!(log.take(), stops);
    assert_eq!(root.join(), ExitReason::Shutdown);
}

#[test]
fn a_supervisor_is_used_from_handlers_too() {
    #[actor]
    struct Pool(Supervisor, Log);

    #[actor]
    impl Pool {
        pub fn grow(&mut self, id: String) -> u32 {
            let spec = ChildSpec::new(id, probe("pooled", &self.1));
            let child = self.0.start_child(spec).unwrap();
            child.ask().life().unwrap()
        }
    }

    let sys = system_with(1);
    let sup = patient(&sys);
    let (own, log) = (sup.clone(), Log::default());
    // A child that starts its siblings.
    let pool = sup
        .start_child(ChildSpec::new("pool", move || {
            Pool(own.clone(), log.clone())
        }))
        .unwrap();
    for n in 0..50 {
        assert_eq!(pool.ask().grow(n.to_string()).unwrap(), 1);
    }
    assert_eq!(sup.count_children().unwrap().active, 51);
    assert!(sys.shutdown(SOON).unwrap().is_clean());
}

/// The notice of a child's end is still unread when its supervisor is killed and restarted.
#[test]
fn a_restarted_supervisor_hears_nothing_of_its_former_lifes_children() {
    let sys = system();
    let (root, log, mut next) = (patient(&sys), Log::default(), events(&sys));
    let own = log.clone();
    let spec = ChildSpec::new("inner", move || {
        Supervisor::builder().child(ChildSpec::new("a", probe("a", &own)))
    });
    let inner = root.start_supervisor(spec).unwrap();
    for _ in 0..20 {
        let old = inner.child::<Probe>("a").unwrap();
        let (entered, wait) = mpsc::channel();
        let caller = inner.clone();
        let call = sys
            .spawn_microthread(move || {
                let hanging = ChildSpec::new("b", move || -> Probe {
                    entered.send(()).unwrap();
                    hang()
                });
                caller.start_child(hanging).map(drop)
            })
            .unwrap();
        wait.recv_timeout(SOON).unwrap(); // the supervisor is in the factory
        old.kill();
        next(&|it| matches!(it, Event::Exited { who, .. } if who.id == old.id()));
        inner.kill();
        // At the first attempt.
        let back = next(&|it| restarted(it) || matches!(it, Event::StartFailed { .. }));
        assert!(restarted(&back), "{back:?}");
        assert_eq!(call.join().unwrap(), Err(ChildError::ShuttingDown));
        assert_eq!(old.join(), ExitReason::Killed);
        let new = inner.child::<Probe>("a").unwrap();
        assert_ne!(new.id(), old.id());
        assert_eq!(new.ask().life().unwrap(), 1);
        let listed = inner.which_children().unwrap();
        assert_eq!((listed.len(), listed[0].incarnation), (1, 1));
    }
}

#[test]
fn the_names_of_a_killed_supervisors_children_are_free_for_its_next_life() {
    let sys = system();
    let (root, log, mut next) = (patient(&sys), Log::default(), events(&sys));
    let inner = root
        .start_supervisor(ChildSpec::new("inner", brittle(&log)))
        .unwrap();
    for _ in 0..50 {
        let leaf = sys.lookup::<Probe>("leaf").unwrap();
        inner.kill();
        // It may take a few attempts, as the old child ends in its own time.
        next(&|it| matches!(it, Event::Restarted { child, .. } if &**child == "inner"));
        assert_eq!(leaf.join(), ExitReason::Killed);
        assert_ne!(sys.lookup::<Probe>("leaf").unwrap().id(), leaf.id());
    }
}
