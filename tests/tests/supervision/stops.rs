//! Stopping: order, deadlines, kills, and what happens to those who wait.

use super::*;
use actor_core::{AskError, TellError};

#[test]
fn children_are_stopped_in_reverse_start_order_each_with_its_hook() {
    let sys = system();
    let (sup, log) = (patient(&sys), Log::default());
    for tag in ["a", "b", "c"] {
        sup.start_child(ChildSpec::new(tag, probe(tag, &log)))
            .unwrap();
    }
    assert_eq!(log.take(), ["a starts", "b starts", "c starts"]);
    // A restart does not change the place in the order.
    assert!(sup.child::<Probe>("a").unwrap().ask().boom().is_err());
    assert_eq!(sup.child::<Probe>("a").unwrap().ask().life().unwrap(), 2);
    log.take();
    sup.stop();
    assert_eq!(sup.join(), ExitReason::Normal);
    assert_eq!(
        log.take(),
        [
            "c stops: shut down",
            "b stops: shut down",
            "a stops: shut down"
        ]
    );
    assert!(!sup.is_alive());
}

#[test]
fn the_systems_shutdown_stops_the_tree_in_order() {
    let sys = system();
    let (sup, log) = (patient(&sys), Log::default());
    for tag in ["a", "b", "c"] {
        sup.start_child(ChildSpec::new(tag, probe(tag, &log)))
            .unwrap();
    }
    log.take();
    assert!(sys.shutdown(SOON).unwrap().is_clean());
    assert_eq!(
        log.take(),
        [
            "c stops: shut down",
            "b stops: shut down",
            "a stops: shut down"
        ]
    );
    assert_eq!(sup.join(), ExitReason::Shutdown);
    let refused = sup.start_child(ChildSpec::new("d", probe("d", &log)));
    assert_eq!(refused, Err(ChildError::ShuttingDown));
}

#[test]
fn a_terminated_child_is_dead_and_a_restart_by_hand_makes_another() {
    let sys = system();
    let (sup, log, mut next) = (patient(&sys), Log::default(), events(&sys));
    let spec = ChildSpec::new("a", probe("a", &log))
        .shutdown(Duration::ZERO)
        .name("it");
    let child = sup.start_child(spec).unwrap();
    let (entered, wait) = mpsc::channel();
    let handled = child.request().hang(entered);
    wait.recv_timeout(SOON).unwrap();
    let queued = child.request().life();
    child.tell().note(1).unwrap();
    child.tell().note(2).unwrap();
    sup.terminate_child("a").unwrap();
    // All of it has happened when the call returns.
    assert!(!child.is_alive());
    assert!(sys.names().is_empty());
    assert!(matches!(child.tell().note(3), Err(TellError::Closed(_))));
    assert!(matches!(child.ask().life(), Err(AskError::Closed(_))));
    assert!(matches!(
        handled.wait(),
        Err(AskError::NoReply(Some(ExitReason::Killed)))
    ));
    assert!(matches!(
        queued.wait(),
        Err(AskError::NoReply(Some(ExitReason::Killed)))
    ));
    assert_eq!(child.join(), ExitReason::Killed);
    let Event::DeadLetters { count, .. } = next(&|it| matches!(it, Event::DeadLetters { .. }))
    else {
        unreachable!()
    };
    assert_eq!(count, 2);
    assert_eq!(log.take(), ["a starts"]);

    sup.terminate_child("a").unwrap(); // is stopped already
    sup.restart_child("a").unwrap();
    let other = sup.child::<Probe>("a").unwrap();
    assert_ne!(other.id(), child.id());
    assert_eq!(sys.lookup::<Probe>("it").unwrap(), other);
    assert_eq!(other.ask().life().unwrap(), 2);
    assert!(matches!(child.tell().note(3), Err(TellError::Closed(_))));

    sup.terminate_child("a").unwrap();
    sup.delete_child("a").unwrap();
    assert_eq!(sup.restart_child("a"), Err(ChildError::NotFound));
    assert_eq!(sup.terminate_child("a"), Err(ChildError::NotFound));
    assert_eq!(sup.delete_child("a"), Err(ChildError::NotFound));
}

/// Hangs when it is stopped.
#[actor]
struct Stubborn {
    gate: Option<Gate>,
    log: Log,
}

#[actor]
impl Stubborn {
    #[on_stop]
    fn close(&mut self) {
        self.log.add("hook");
        match &self.gate {
            Some(gate) => gate.pass(),
            None => hang(),
        }
        self.log.add("hook done");
    }

    pub fn wait(&mut self) {
        microthread::yield_now();
        self.log.add("waited");
    }
}

impl Drop for Stubborn {
    fn drop(&mut self) {
        self.log.add("dropped");
    }
}

fn stubborn(gate: Option<Gate>, log: &Log) -> ChildSpec<Stubborn> {
    let log = log.clone();
    ChildSpec::new("stubborn", move || Stubborn {
        gate: gate.clone(),
        log: log.clone(),
    })
}

#[test]
fn a_child_that_does_not_stop_in_time_is_killed_and_the_others_follow() {
    let sys = system();
    let (sup, log, mut next) = (patient(&sys), Log::default(), events(&sys));
    sup.start_child(ChildSpec::new("first", probe("first", &log)))
        .unwrap();
    let child = sup
        .start_child(stubborn(None, &log).shutdown(Duration::from_millis(1)))
        .unwrap();
    log.take();
    sup.stop();
    let overdue = next(&|it| matches!(it, Event::StopOverdue { .. }));
    assert!(
        matches!(overdue, Event::StopOverdue { child, incarnation: 1, .. } if &*child == "stubborn")
    );
    assert_eq!(sup.join(), ExitReason::Normal);
    assert_eq!(child.join(), ExitReason::Killed);
    // The hook had begun; it was ended where it waited.
    assert_eq!(log.take(), ["hook", "dropped", "first stops: shut down"]);
}

#[test]
fn a_kill_that_ended_the_stop_hook_of_one_life_is_not_one_of_the_next() {
    let sys = system();
    let (sup, log, mut next) = (patient(&sys), Log::default(), events(&sys));
    let child = sup
        .start_child(stubborn(None, &log).shutdown(Shutdown::BrutalKill))
        .unwrap();
    for _ in 0..20 {
        child.stop();
        while log.take() != ["hook"] {
            microthread::yield_now();
        }
        child.kill();
        next(&restarted);
        // Waits: a kill that was left over would end it here.
        child.ask().wait().unwrap();
        log.take();
    }
}

#[test]
fn a_brutal_kill_runs_no_hook() {
    let sys = system();
    let (sup, log) = (patient(&sys), Log::default());
    let child = sup
        .start_child(stubborn(None, &log).shutdown(Shutdown::BrutalKill))
        .unwrap();
    sup.terminate_child("stubborn").unwrap();
    assert_eq!(child.join(), ExitReason::Killed);
    assert_eq!(log.take(), ["dropped"]);
}

#[test]
fn infinity_waits_for_as_long_as_it_takes() {
    let sys = system();
    let (sup, log) = (patient(&sys), Log::default());
    let (gate, open) = gate();
    let child = sup
        .start_child(stubborn(Some(gate), &log).shutdown(Shutdown::Infinity))
        .unwrap();
    sup.stop();
    // Calls are refused at once meanwhile, and it still lists what it has.
    while sup.which_children().unwrap()[0].state != actor_core::ChildState::Stopping {
        microthread::yield_now();
    }
    assert_eq!(
        sup.terminate_child("stubborn"),
        Err(ChildError::ShuttingDown)
    );
    assert_eq!(
        sup.start_child(stubborn(None, &log)),
        Err(ChildError::ShuttingDown)
    );
    sup.stop(); // once more does nothing
    assert!(child.is_alive() && sup.is_alive());
    open.send(()).unwrap();
    assert_eq!(sup.join(), ExitReason::Normal);
    assert_eq!(child.join(), ExitReason::Shutdown);
    assert_eq!(log.take(), ["hook", "hook done", "dropped"]);
}

#[test]
fn a_child_that_is_stopped_where_it_asks_its_supervisor_is_killed_in_the_end() {
    let sys = system();
    let sup = patient(&sys);

    #[actor]
    struct Suicidal(Supervisor);

    #[actor]
    impl Suicidal {
        pub fn end(&mut self) {
            let _ = self.0.terminate_child("a");
        }
    }

    let own = sup.clone();
    let spec = ChildSpec::new("a", move || Suicidal(own.clone())).shutdown(Duration::ZERO);
    let child = sup.start_child(spec).unwrap();
    assert!(child.ask().end().is_err());
    assert_eq!(child.join(), ExitReason::Killed);
    assert_eq!(sup.count_children().unwrap().active, 0);
    sup.restart_child("a").unwrap();
}

#[test]
fn a_killed_supervisors_children_are_killed_without_their_hooks() {
    let sys = system();
    let (sup, log) = (patient(&sys), Log::default());
    let children = ["a", "b", "c"].map(|tag| {
        sup.start_child(ChildSpec::new(tag, probe(tag, &log)).name(tag))
            .unwrap()
    });
    let (entered, wait) = mpsc::channel();
    let handled = children[0].request().hang(entered);
    wait.recv_timeout(SOON).unwrap();
    let queued = children[0].request().life();
    log.take();
    sup.kill(); // where it receives
    assert_eq!(sup.join(), ExitReason::Killed);
    for child in &children {
        assert_eq!(child.join(), ExitReason::Killed);
        assert!(child.tell().note(0).is_err());
    }
    assert!(matches!(
        handled.wait(),
        Err(AskError::NoReply(Some(ExitReason::Killed)))
    ));
    assert!(matches!(
        queued.wait(),
        Err(AskError::NoReply(Some(ExitReason::Killed)))
    ));
    assert!(sys.names().is_empty());
    assert!(log.take().is_empty());
    assert_eq!(sup.count_children(), Err(ChildError::ShuttingDown));
}

/// While the supervisor is in a factory: one child is down, one has died, one lives, and a call waits.
#[test]
fn a_supervisor_killed_in_a_factory_leaves_nobody_behind() {
    for _ in 0..20 {
        let sys = system();
        let (sup, log) = (patient(&sys), Log::default());
        let (entered, wait) = mpsc::channel();
        let make = probe("down", &log);
        let down = sup
            .start_child(ChildSpec::new("down", move || {
                let made = make();
                if made.life > 1 {
                    entered.send(()).unwrap();
                    hang();
                }
                made
            }))
            .unwrap();
        let dead = sup
            .start_child(ChildSpec::new("dead", probe("dead", &log)))
            .unwrap();
        let lives = sup
            .start_child(ChildSpec::new("lives", probe("lives", &log)))
            .unwrap();
        assert!(down.ask().boom().is_err());
        wait.recv_timeout(SOON).unwrap();
        assert!(dead.ask().boom().is_err());
        let asked = down.request().life();
        let asked_dead = dead.request().life();
        let caller = sup.clone();
        let call = sys
            .spawn_microthread(move || caller.restart_child("down"))
            .unwrap();
        sup.kill();
        assert_eq!(sup.join(), ExitReason::Killed);
        assert_eq!(down.join(), panicked());
        assert_eq!(dead.join(), panicked());
        assert_eq!(lives.join(), ExitReason::Killed);
        assert!(asked.wait().is_err() && asked_dead.wait().is_err());
        assert_eq!(call.join().unwrap(), Err(ChildError::ShuttingDown));
        assert!(sys.shutdown(SOON).unwrap().is_clean());
    }
}

#[test]
fn a_supervisor_whose_stack_is_lost_takes_its_children_with_it() {
    #[inline(never)]
    fn descend(n: u64) -> u64 {
        let pad = std::hint::black_box([n; 32]);
        if n == u64::MAX {
            0
        } else {
            descend(n + 1) + pad[7]
        }
    }
    let sys = system();
    let (sup, log) = (patient(&sys), Log::default());
    let child = sup
        .start_child(ChildSpec::new("a", probe("a", &log)))
        .unwrap();
    let deep = sup.start_child(ChildSpec::new("deep", || {
        descend(0);
        Probe::quiet()
    }));
    assert_eq!(deep, Err(ChildError::ShuttingDown));
    assert_eq!(sup.join(), ExitReason::Overflow);
    assert_eq!(child.join(), ExitReason::Killed);
}

#[test]
fn a_system_that_is_dropped_ends_its_trees() {
    for _ in 0..20 {
        let sys = system();
        let (sup, log) = (patient(&sys), Log::default());
        let child = sup
            .start_child(ChildSpec::new("a", probe("a", &log)))
            .unwrap();
        child.tell().boom().unwrap();
        drop(sys);
        assert!(!child.is_alive() && !sup.is_alive());
        assert!(child.tell().note(1).is_err());
    }
}

/// A child that cannot be stopped in time when the system ends: the runtime kills the supervisor, and the child with it.
#[test]
fn a_tree_that_hangs_when_the_system_ends_is_killed() {
    let sys = system();
    let (sup, log) = (patient(&sys), Log::default());
    let child = sup
        .start_child(stubborn(None, &log).shutdown(Shutdown::Infinity))
        .unwrap();
    let idle = sup
        .start_child(ChildSpec::new("idle", probe("idle", &log)))
        .unwrap();
    let report = sys.shutdown(Duration::from_millis(200)).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert!(!child.is_alive() && !idle.is_alive() && !sup.is_alive());
}

#[test]
fn a_termination_that_was_called_before_an_exit_arrived_swallows_it() {
    let sys = system_with(1);
    // An exit that counted would be one too many.
    let sup = Supervisor::builder()
        .intensity(0, SOON)
        .start(&sys)
        .unwrap();
    let log = Log::default();
    let child = sup
        .start_child(ChildSpec::new("a", probe("a", &log)))
        .unwrap();
    let (gate, open) = gate();
    let (entered, wait) = mpsc::channel();
    let make = probe("slow", &log);
    let (own, own_too) = (sup.clone(), sup.clone());
    let starting = sys
        .spawn_microthread(move || {
            own.start_child(ChildSpec::new("slow", move || {
                entered.send(()).unwrap();
                gate.pass();
                make()
            }))
        })
        .unwrap();
    wait.recv_timeout(SOON).unwrap(); // the supervisor is in the factory
    let terminating = sys
        .spawn_microthread(move || own_too.terminate_child("a"))
        .unwrap();
    // One worker: when this has run, the one before it has called.
    sys.spawn_microthread(|| ()).unwrap().join().unwrap();
    assert!(child.ask().boom().is_err());
    open.send(()).unwrap();
    starting.join().unwrap().unwrap();
    terminating.join().unwrap().unwrap();
    assert_eq!(child.join(), panicked());
    assert!(sup.is_alive());
    assert_eq!(sup.count_children().unwrap().active, 1);
}

#[test]
fn what_a_spec_holds_is_dropped_with_it() {
    let sys = system();
    let (sup, held) = (patient(&sys), Arc::new(()));
    let spec = |id: &str| {
        let (held, make) = (held.clone(), probe("a", &Log::default()));
        ChildSpec::new(id, move || {
            let _ = &held;
            make()
        })
    };
    let holders = || Arc::strong_count(&held) - 1;
    sup.start_child(spec("a")).unwrap();
    assert_eq!(sup.start_child(spec("a")), Err(ChildError::AlreadyStarted));
    assert_eq!(holders(), 1);
    sup.terminate_child("a").unwrap();
    assert_eq!(holders(), 1);
    sup.delete_child("a").unwrap();
    assert_eq!(holders(), 0);
    let temporary = sup
        .start_child(spec("b").restart(Restart::Temporary))
        .unwrap();
    temporary.kill();
    temporary.join();
    sup.count_children().unwrap();
    assert_eq!(holders(), 0);
    sup.start_child(spec("c")).unwrap();
    sup.kill();
    sup.join();
    assert_eq!(holders(), 0);
    assert!(sup.start_child(spec("d")).is_err());
    assert_eq!(holders(), 0);
}
