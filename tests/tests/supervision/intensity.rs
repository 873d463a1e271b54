//! How many restarts are normal, and what happens at one more.

use super::*;
use actor_core::ChildState;

const GAVE_UP: &dyn Fn(&Event) -> bool = &|it| matches!(it, Event::GaveUp { .. });

#[test]
fn exactly_as_many_restarts_as_the_intensity_says_are_allowed() {
    let sys = system();
    for allowed in [0, 1, 3, 7] {
        let (log, mut next) = (Log::default(), events(&sys));
        let sup = Supervisor::builder()
            .intensity(allowed, SOON)
            .start(&sys)
            .unwrap();
        let child = sup
            .start_child(ChildSpec::new("a", probe("a", &log)))
            .unwrap();
        for _ in 0..allowed {
            assert!(child.ask().boom().is_err());
            next(&restarted);
        }
        assert_eq!(child.ask().life().unwrap(), allowed + 1);
        assert!(child.ask().boom().is_err());
        let Event::GaveUp {
            supervisor,
            child: id,
            ..
        } = next(GAVE_UP)
        else {
            unreachable!()
        };
        assert_eq!((supervisor.id, &*id), (sup.id(), "a"));
        assert_eq!(sup.join(), ExitReason::Shutdown);
        assert_eq!(child.join(), panicked());
    }
}

#[test]
fn attempts_that_fail_are_charged() {
    let sys = system();
    let attempts = Arc::new(AtomicU32::new(0));
    let count = attempts.clone();
    let make = probe("a", &Log::default());
    let spec = ChildSpec::try_new("a", move || match count.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(make()),
        _ => Err("no disk"),
    });
    let sup = Supervisor::builder()
        .intensity(5, SOON)
        .start(&sys)
        .unwrap();
    let child = sup.start_child(spec).unwrap();
    let queued = {
        let (entered, wait) = mpsc::channel();
        let (gate, open) = gate();
        child.try_tell().boom_later(entered, gate).unwrap();
        wait.recv_timeout(SOON).unwrap();
        let queued = child.request().life();
        open.send(()).unwrap();
        queued
    };
    assert_eq!(sup.join(), ExitReason::Shutdown);
    assert_eq!(attempts.load(Ordering::Relaxed), 1 + 5);
    assert!(
        queued.wait().is_err(),
        "what was kept for the next life is answered"
    );
    assert_eq!(child.join(), panicked(), "how its last life ended");
}

#[test]
fn starts_by_hand_are_free() {
    let sys = system();
    let sup = Supervisor::builder()
        .intensity(1, SOON)
        .start(&sys)
        .unwrap();
    sup.start_child(ChildSpec::new("a", probe("a", &Log::default())))
        .unwrap();
    for _ in 0..10 {
        sup.terminate_child("a").unwrap();
        sup.restart_child("a").unwrap();
    }
    let mut next = events(&sys);
    sup.child::<Probe>("a").unwrap().kill();
    next(&restarted);
    assert!(sup.is_alive());
}

#[test]
fn one_that_gives_up_stops_the_others_in_reverse_order() {
    let sys = system();
    let log = Log::default();
    let sup = Supervisor::builder()
        .intensity(0, SOON)
        .start(&sys)
        .unwrap();
    for tag in ["a", "b", "c", "d"] {
        sup.start_child(ChildSpec::new(tag, probe(tag, &log)))
            .unwrap();
    }
    log.take();
    sup.child::<Probe>("c").unwrap().stop();
    assert_eq!(sup.join(), ExitReason::Shutdown);
    assert_eq!(
        log.take(),
        [
            "c stops: ended normally",
            "d stops: shut down",
            "b stops: shut down",
            "a stops: shut down"
        ]
    );
    assert_eq!(sup.which_children(), Err(ChildError::ShuttingDown));
}

#[test]
fn a_child_that_waits_for_its_next_attempt_is_restarting_and_can_be_terminated() {
    let sys = system();
    let (sup, mut next) = (patient(&sys), events(&sys));
    let make = probe("a", &Log::default());
    let attempts = AtomicU32::new(0);
    let spec = ChildSpec::try_new("a", move || {
        match attempts.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(make()),
            _ => Err("no disk"),
        }
    });
    let child = sup.start_child(spec.name("it")).unwrap();
    child.kill();
    next(&|it| matches!(it, Event::StartFailed { .. }));
    // The attempts go on and on, one between any two calls.
    assert_eq!(
        sup.which_children().unwrap()[0].state,
        ChildState::Restarting
    );
    assert_eq!(sup.restart_child("a"), Err(ChildError::Restarting));
    assert_eq!(sup.delete_child("a"), Err(ChildError::Restarting));
    let asked = child.request().life();
    assert!(child.is_alive());
    sup.terminate_child("a").unwrap();
    assert!(asked.wait().is_err());
    assert!(!child.is_alive());
    assert!(sys.names().is_empty());
    assert_eq!(sup.which_children().unwrap()[0].state, ChildState::Stopped);
    sup.delete_child("a").unwrap();
}

#[test]
fn two_deaths_at_once_cost_two_restarts() {
    let sys = system();
    for (allowed, survives) in [(1, false), (2, true)] {
        let mut next = events(&sys);
        let sup = Supervisor::builder()
            .intensity(allowed, SOON)
            .start(&sys)
            .unwrap();
        let children = ["a", "b"].map(|id| {
            sup.start_child(ChildSpec::new(id, probe(id, &Log::default())))
                .unwrap()
        });
        children.iter().for_each(Addr::kill);
        next(&restarted);
        if survives {
            next(&restarted);
            assert!(sup.is_alive());
        } else {
            assert_eq!(sup.join(), ExitReason::Shutdown);
        }
    }
}
