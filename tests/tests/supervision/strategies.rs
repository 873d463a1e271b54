//! Which siblings a restart takes along, and when a supervisor shuts down because its significant children are done.

use super::*;
use actor_core::supervision::{AutoShutdown, SpecError, Strategy};

const TAGS: [&str; 4] = ["a", "b", "c", "d"];

/// Four permanent children.
fn group(sys: &System, strategy: Strategy, log: &Log) -> (Supervisor, Vec<Addr<Probe>>) {
    let builder = Supervisor::builder().strategy(strategy);
    let builder = builder.intensity(MANY, SOON);
    let builder = TAGS.into_iter().fold(builder, |builder, tag| {
        builder.child(ChildSpec::new(tag, probe(tag, log)))
    });
    let sup = builder.start(sys).unwrap();
    let children = TAGS.map(|tag| sup.child(tag).unwrap());
    log.take();
    (sup, children.into())
}

/// Crashes `child`, and waits until so many children have been started again.
fn crash(sys: &System, child: &Addr<Probe>, restarts: usize) {
    let mut next = events(sys);
    assert!(child.ask().boom().is_err());
    for _ in 0..restarts {
        next(&restarted);
    }
}

#[test]
fn one_for_all_stops_the_others_in_reverse_and_starts_all_in_order() {
    let (sys, log) = (system(), Log::default());
    let (_sup, children) = group(&sys, Strategy::OneForAll, &log);
    crash(&sys, &children[1], 4);
    assert_eq!(
        log.take(),
        [
            "b stops: panicked: boom",
            "d stops: shut down",
            "c stops: shut down",
            "a stops: shut down",
            "a starts",
            "b starts",
            "c starts",
            "d starts"
        ]
    );
    // Their addresses are still theirs.
    for child in children {
        assert_eq!(child.ask().life().unwrap(), 2);
    }
}

#[test]
fn rest_for_one_restarts_those_started_after_it() {
    let (sys, log) = (system(), Log::default());
    let (_sup, children) = group(&sys, Strategy::RestForOne, &log);
    crash(&sys, &children[1], 3);
    assert_eq!(
        log.take(),
        [
            "b stops: panicked: boom",
            "d stops: shut down",
            "c stops: shut down",
            "b starts",
            "c starts",
            "d starts"
        ]
    );
    assert_eq!(children[0].ask().life().unwrap(), 1);
}

#[test]
fn a_group_restart_also_starts_what_was_stopped() {
    let (sys, log) = (system(), Log::default());
    let (sup, children) = group(&sys, Strategy::OneForAll, &log);
    sup.terminate_child("c").unwrap();
    log.take();
    crash(&sys, &children[3], 4);
    let starts = log.take();
    assert!(starts.contains(&"c starts".to_owned()), "{starts:?}");
    assert!(sup.child::<Probe>("c").is_ok());
}

#[test]
fn a_group_restart_stops_and_forgets_temporary_siblings_and_that_shuts_nothing_down() {
    let (sys, log) = (system(), Log::default());
    let sup = Supervisor::builder()
        .strategy(Strategy::OneForAll)
        .auto_shutdown(AutoShutdown::AnySignificant)
        .child(ChildSpec::new("a", probe("a", &log)))
        .child(
            ChildSpec::new("t", probe("t", &log))
                .restart(Restart::Temporary)
                .significant(true),
        )
        .start(&sys)
        .unwrap();
    let child = sup.child::<Probe>("a").unwrap();
    log.take();
    crash(&sys, &child, 1);
    assert_eq!(
        log.take(),
        ["a stops: panicked: boom", "t stops: shut down", "a starts"]
    );
    assert_eq!(sup.which_children().unwrap().len(), 1);
    assert_eq!(sup.restart_child("t"), Err(ChildError::NotFound));
}

#[test]
fn a_group_restart_is_charged_once() {
    let (sys, log) = (system(), Log::default());
    let builder = Supervisor::builder().strategy(Strategy::OneForAll);
    let sup = TAGS
        .into_iter()
        .fold(builder.intensity(1, SOON), |builder, tag| {
            builder.child(ChildSpec::new(tag, probe(tag, &log)))
        })
        .start(&sys)
        .unwrap();
    crash(&sys, &sup.child("a").unwrap(), 4);
    assert!(sup.is_alive());
    assert!(sup.child::<Probe>("a").unwrap().ask().boom().is_err());
    assert_eq!(sup.join(), ExitReason::Shutdown);
}

/// Makes a probe, except at its second life.
fn failing_once(tag: &'static str, log: &Log) -> ChildSpec<Probe> {
    let (log, lives) = (log.clone(), AtomicU32::new(0));
    ChildSpec::try_new(tag, move || {
        let life = lives.fetch_add(1, Ordering::Relaxed) + 1;
        if life == 2 {
            log.add(format!("{tag} fails"));
            return Err("no");
        }
        let log = log.clone();
        Ok(Probe { tag, log, life })
    })
}

fn retried(strategy: Strategy, restarts: usize) -> Vec<String> {
    let (sys, log) = (system(), Log::default());
    let sup = Supervisor::builder()
        .strategy(strategy)
        .intensity(MANY, SOON)
        .child(ChildSpec::new("a", probe("a", &log)))
        .child(failing_once("b", &log))
        .child(ChildSpec::new("c", probe("c", &log)))
        .start(&sys)
        .unwrap();
    log.take();
    crash(&sys, &sup.child("a").unwrap(), restarts);
    log.take()
}

#[test]
fn one_for_all_begins_again_when_a_start_fails_in_a_restart() {
    assert_eq!(
        retried(Strategy::OneForAll, 4),
        [
            "a stops: panicked: boom",
            "c stops: shut down",
            "b stops: shut down",
            "a starts",
            "b fails",
            "a stops: shut down",
            "a starts",
            "b starts",
            "c starts"
        ]
    );
}

#[test]
fn rest_for_one_goes_on_at_the_child_that_failed_to_start() {
    assert_eq!(
        retried(Strategy::RestForOne, 3),
        [
            "a stops: panicked: boom",
            "c stops: shut down",
            "b stops: shut down",
            "a starts",
            "b fails",
            "b starts",
            "c starts"
        ]
    );
}

/// A transient, significant child.
fn significant(tag: &'static str, log: &Log) -> ChildSpec<Probe> {
    let spec = ChildSpec::new(tag, probe(tag, log));
    spec.restart(Restart::Transient).significant(true)
}

fn two_significant(sys: &System, auto_shutdown: AutoShutdown) -> (Supervisor, Log) {
    let log = Log::default();
    let builder = Supervisor::builder()
        .auto_shutdown(auto_shutdown)
        .intensity(MANY, SOON);
    let sup = builder
        .child(significant("a", &log))
        .child(significant("b", &log))
        .child(ChildSpec::new("c", probe("c", &log)))
        .start(sys)
        .unwrap();
    log.take();
    (sup, log)
}

fn leave(sup: &Supervisor, id: &str) {
    let child = sup.child::<Probe>(id).unwrap();
    child.tell().leave(Exit::Normal).unwrap();
    child.join();
}

#[test]
fn any_significant_child_that_ends_for_good_shuts_the_supervisor_down() {
    let sys = system();
    let (sup, log) = two_significant(&sys, AutoShutdown::AnySignificant);
    // Being started again is no end.
    crash(&sys, &sup.child("a").unwrap(), 1);
    log.take();
    leave(&sup, "a");
    assert_eq!(sup.join(), ExitReason::Shutdown);
    assert_eq!(
        log.take(),
        [
            "a stops: ended normally",
            "c stops: shut down",
            "b stops: shut down"
        ]
    );
}

#[test]
fn all_significant_waits_for_the_last_and_counts_terminated_children_as_gone() {
    let sys = system();
    let (sup, _) = two_significant(&sys, AutoShutdown::AllSignificant);
    leave(&sup, "a");
    // An answer that comes after its exit was seen.
    assert_eq!(sup.which_children().unwrap().len(), 3);
    assert!(sup.is_alive());
    leave(&sup, "b");
    assert_eq!(sup.join(), ExitReason::Shutdown);

    let (sup, _) = two_significant(&sys, AutoShutdown::AllSignificant);
    sup.terminate_child("a").unwrap();
    leave(&sup, "b");
    assert_eq!(sup.join(), ExitReason::Shutdown);
}

#[test]
fn terminating_a_significant_child_shuts_nothing_down() {
    let sys = system();
    let (sup, _) = two_significant(&sys, AutoShutdown::AnySignificant);
    sup.terminate_child("a").unwrap();
    sup.terminate_child("b").unwrap();
    assert_eq!(sup.count_children().unwrap().active, 1);
    sup.restart_child("a").unwrap();
    leave(&sup, "a");
    assert_eq!(sup.join(), ExitReason::Shutdown);
}

#[test]
fn automatic_shutdown_goes_upwards_through_significant_supervisors() {
    let (sys, log) = (system(), Log::default());
    let own = log.clone();
    let inner = ChildSpec::new("inner", move || {
        Supervisor::builder()
            .auto_shutdown(AutoShutdown::AnySignificant)
            .child(significant("leaf", &own))
    });
    let outer = Supervisor::builder()
        .auto_shutdown(AutoShutdown::AnySignificant)
        .supervisor(inner.restart(Restart::Transient).significant(true))
        .start(&sys)
        .unwrap();
    leave(&outer.child_supervisor("inner").unwrap(), "leaf");
    assert_eq!(outer.join(), ExitReason::Shutdown);
}

#[test]
fn a_significant_child_that_could_not_matter_is_refused() {
    let sys = system();
    let log = Log::default();
    let permanent = || ChildSpec::new("a", probe("a", &log)).significant(true);
    let refused = |builder: actor_core::SupervisorBuilder| {
        let error = builder.start(&sys).unwrap_err();
        std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
    };
    let builder = Supervisor::builder().auto_shutdown(AutoShutdown::AnySignificant);
    let why = refused(builder.child(permanent()));
    let expected = SpecError::SignificantPermanent.to_string();
    assert!(why.contains(&expected), "{why}");
    let why = refused(Supervisor::builder().child(significant("a", &log)));
    let expected = SpecError::SignificantInVain.to_string();
    assert!(why.contains(&expected), "{why}");

    let sup = patient(&sys);
    assert_eq!(
        sup.start_child(permanent()).unwrap_err(),
        ChildError::InvalidSpec(SpecError::SignificantPermanent)
    );
    assert_eq!(
        sup.start_child(significant("a", &log)).unwrap_err(),
        ChildError::InvalidSpec(SpecError::SignificantInVain)
    );
    assert_eq!(sup.which_children().unwrap(), []);
    assert!(log.take().is_empty());
}

#[test]
fn messages_to_siblings_are_kept_through_a_group_restart_and_its_retries() {
    let (sys, log) = (system(), Log::default());
    let (failing, (gate, open)) = (AtomicU32::new(0), gate());
    let (entered, inside) = mpsc::channel();
    let sup = Supervisor::builder()
        .strategy(Strategy::RestForOne)
        .intensity(MANY, SOON)
        .child(ChildSpec::new("a", probe("a", &log)))
        .child(ChildSpec::try_new("b", {
            let log = log.clone();
            move || {
                let life = failing.fetch_add(1, Ordering::Relaxed) + 1;
                if life > 1 {
                    entered.send(()).unwrap();
                    gate.pass();
                }
                let log = log.clone();
                let tag = "b";
                (life != 2).then_some(Probe { tag, log, life }).ok_or("no")
            }
        }))
        .child(ChildSpec::new("c", probe("c", &log)))
        .start(&sys)
        .unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|id| sup.child::<Probe>(id).unwrap());
    assert!(a.ask().boom().is_err());
    // While `b` and `c` are down, and again while `b` has failed and `c` waits for the next attempt.
    inside.recv_timeout(SOON).unwrap();
    let (note_b, note_c) = (b.request().life(), c.request().life());
    open.send(()).unwrap();
    inside.recv_timeout(SOON).unwrap();
    let later = c.request().life();
    open.send(()).unwrap();
    assert_eq!(note_b.wait().unwrap(), 3);
    assert_eq!(note_c.wait().unwrap(), 2);
    assert_eq!(later.wait().unwrap(), 2);
    assert!(c.is_alive() && sup.child::<Probe>("c").unwrap() == c);
}

#[test]
fn terminating_the_child_that_failed_ends_those_that_waited_with_it() {
    let (sys, log) = (system(), Log::default());
    let lives = AtomicU32::new(0);
    let sup = Supervisor::builder()
        .strategy(Strategy::RestForOne)
        .intensity(MANY, SOON)
        .child(ChildSpec::try_new("a", {
            let log = log.clone();
            move || {
                let life = lives.fetch_add(1, Ordering::Relaxed) + 1;
                let (tag, log) = ("a", log.clone());
                (life == 1).then_some(Probe { tag, log, life }).ok_or("no")
            }
        }))
        .child(ChildSpec::new("b", probe("b", &log)))
        .start(&sys)
        .unwrap();
    let [a, b] = ["a", "b"].map(|id| sup.child::<Probe>(id).unwrap());
    let mut next = events(&sys);
    assert!(a.ask().boom().is_err());
    next(&|it| matches!(it, Event::StartFailed { .. }));
    // It is tried again and again.
    sup.terminate_child("a").unwrap();
    a.join();
    assert_eq!(b.join(), ExitReason::Shutdown);
}
