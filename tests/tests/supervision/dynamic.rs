//! Dynamic supervisors: children by a template, with arguments.

use super::*;
use actor_core::{ChildTemplate, DynamicSupervisor};

type Probes = DynamicSupervisor<Probe, &'static str>;

/// Counts all lives of all children.
fn template(log: &Log) -> ChildTemplate<Probe, &'static str> {
    let (log, lives) = (log.clone(), AtomicU32::new(0));
    ChildTemplate::try_new("probe", move |&tag: &&'static str| {
        if tag == "bad" {
            return Err("bad");
        }
        let life = lives.fetch_add(1, Ordering::Relaxed) + 1;
        let log = log.clone();
        Ok(Probe { tag, log, life })
    })
}

fn probes(sys: &System, log: &Log, restart: Restart) -> Probes {
    let builder = DynamicSupervisor::builder(template(log).restart(restart));
    builder.intensity(MANY, SOON).start(sys).unwrap()
}

fn specs(sup: &Probes) -> usize {
    sup.count_children().unwrap().specs
}

#[test]
fn a_child_is_made_from_its_arguments_again_at_the_same_address() {
    let (sys, log) = (system(), Log::default());
    let sup = probes(&sys, &log, Restart::Permanent);
    let (a, b) = (sup.start_child("a").unwrap(), sup.start_child("b").unwrap());
    assert!(a.ask().boom().is_err());
    assert_eq!(a.ask().life().unwrap(), 3);
    assert_eq!(b.ask().life().unwrap(), 2);
    assert_eq!(
        log.take(),
        [
            "a starts",
            "b starts",
            "a stops: panicked: boom",
            "a starts"
        ]
    );
    let ids: Vec<_> = sup.which_children().unwrap();
    assert_eq!(ids.len(), 2);
    assert_eq!((&*ids[0].id, ids[0].actor), ("probe", Some(b.id())));
}

#[test]
fn children_that_end_for_good_are_forgotten() {
    let (sys, log) = (system(), Log::default());
    for (restart, exits) in [
        (Restart::Transient, [true, false]),
        (Restart::Temporary, [true, true]),
    ] {
        let sup = probes(&sys, &log, restart);
        let (a, b) = (sup.start_child("a").unwrap(), sup.start_child("b").unwrap());
        a.tell().leave(Exit::Normal).unwrap();
        assert_eq!(a.join(), ExitReason::Normal);
        assert!(b.ask().boom().is_err());
        if exits[1] {
            assert_eq!(b.join(), panicked());
            assert_eq!(specs(&sup), 0);
        } else {
            assert_eq!(b.ask().life().unwrap(), 3);
            assert_eq!(specs(&sup), 1);
        }
    }
}

#[test]
fn a_start_that_fails_keeps_nothing() {
    let (sys, log) = (system(), Log::default());
    let sup = probes(&sys, &log, Restart::Permanent);
    assert_eq!(
        sup.start_child("bad").unwrap_err().to_string(),
        "child `probe` did not start: failed: bad"
    );
    assert_eq!(specs(&sup), 0);
}

#[test]
fn terminating_forgets_and_a_dead_child_is_no_error_but_a_stranger_is() {
    let (sys, log) = (system(), Log::default());
    let sup = probes(&sys, &log, Restart::Permanent);
    let child = sup.start_child("a").unwrap();
    sup.terminate_child(&child).unwrap();
    assert_eq!(child.join(), ExitReason::Shutdown);
    assert_eq!(specs(&sup), 0);
    assert_eq!(sup.terminate_child(&child), Ok(()));
    let stranger = sys.spawn(Probe::quiet()).unwrap();
    assert_eq!(sup.terminate_child(&stranger), Err(ChildError::NotFound));
    assert!(stranger.is_alive());
}

#[test]
fn all_children_are_stopped_at_once_with_one_deadline() {
    let sys = system();
    let (started, at) = mpsc::channel();
    let lives = Arc::new(AtomicU32::new(0));
    struct CountOnDrop(Arc<AtomicU32>);
    impl Drop for CountOnDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    /// Its stop hook returns when those of all have begun: one after the other they never would.
    #[actor]
    struct Together {
        all: Arc<std::sync::Barrier>,
        began: Sender<()>,
        _count: CountOnDrop,
    }
    #[actor]
    impl Together {
        #[on_stop]
        fn close(&mut self) {
            self.began.send(()).unwrap();
            let all = self.all.clone();
            microthread::blocking(move || all.wait());
        }
    }
    let (all, count) = (Arc::new(std::sync::Barrier::new(3)), lives.clone());
    let template = ChildTemplate::new("together", move |began: &Sender<()>| Together {
        all: all.clone(),
        began: began.clone(),
        _count: CountOnDrop(count.clone()),
    });
    let sup = DynamicSupervisor::builder(template.shutdown(Shutdown::Infinity))
        .start(&sys)
        .unwrap();
    for _ in 0..3 {
        sup.start_child(started.clone()).unwrap();
    }
    sup.stop();
    assert_eq!(sup.join(), ExitReason::Normal);
    assert_eq!(at.try_iter().count(), 3);
    assert_eq!(lives.load(Ordering::SeqCst), 3);
}

#[test]
fn children_that_hang_are_killed_after_the_one_deadline() {
    let (sys, log) = (system(), Log::default());
    let template = template(&log).shutdown(Duration::from_millis(1));
    let sup = DynamicSupervisor::builder(template).start(&sys).unwrap();
    let (entered, inside) = mpsc::channel();
    let children: Vec<_> = (0..3)
        .map(|_| {
            let child = sup.start_child("a").unwrap();
            drop(child.request().hang(entered.clone()));
            inside.recv_timeout(SOON).unwrap();
            child
        })
        .collect();
    let quiet = sup.start_child("b").unwrap();
    sup.stop();
    assert_eq!(sup.join(), ExitReason::Normal);
    assert!(children.iter().all(|it| it.join() == ExitReason::Killed));
    assert_eq!(quiet.join(), ExitReason::Shutdown);
}

#[test]
fn giving_up_stops_all_children() {
    let (sys, log) = (system(), Log::default());
    let builder = DynamicSupervisor::builder(template(&log));
    let sup = builder.intensity(1, SOON).start(&sys).unwrap();
    let (a, b) = (sup.start_child("a").unwrap(), sup.start_child("b").unwrap());
    for _ in 0..2 {
        assert!(a.ask().boom().is_err());
    }
    assert_eq!(sup.join(), ExitReason::Shutdown);
    assert_eq!(b.join(), ExitReason::Shutdown);
    assert_eq!(sup.start_child("c").unwrap_err(), ChildError::ShuttingDown);
}

#[test]
fn a_dynamic_supervisor_has_no_ids_and_keeps_its_types_in_a_tree() {
    let (sys, log) = (system(), Log::default());
    let own = log.clone();
    let root = Supervisor::builder()
        .supervisor(ChildSpec::new("probes", move || {
            DynamicSupervisor::builder(template(&own))
        }))
        .start(&sys)
        .unwrap();
    let found = root.child_supervisor("probes").unwrap();
    assert_eq!(found.terminate_child("probe"), Err(ChildError::Dynamic));
    let spec = ChildSpec::new("a", probe("a", &log));
    assert_eq!(found.start_child(spec).unwrap_err(), ChildError::Dynamic);
    assert!(matches!(
        DynamicSupervisor::<Probe, String>::from_supervisor(found.clone()),
        Err(ChildError::WrongType { .. })
    ));
    assert_eq!(
        Probes::from_supervisor(root.clone()).unwrap_err(),
        ChildError::NotDynamic
    );
    let probes = Probes::from_supervisor(found).unwrap();
    let child = probes.start_child("a").unwrap();
    root.stop();
    assert_eq!(root.join(), ExitReason::Normal);
    assert_eq!(child.join(), ExitReason::Shutdown);
}
