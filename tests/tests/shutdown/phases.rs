//! Systems: phases, their hooks and deadlines, the order of trees, and the report.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actor_core::microthread::{self, blocking};
use actor_core::prelude::*;
use actor_core::{Phase, PhaseReport, ShutdownReport};
use tests::{Gate, Holder, ms, until, within};

const LIMIT: u64 = 60;
/// Never reached: what a test expects to end ends long before.
const LONG: Duration = Duration::from_secs(3600);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Writes down when it stops.
#[actor]
struct Part {
    name: &'static str,
    log: Log,
}

#[actor]
impl Part {
    fn new(name: &'static str, log: &Log) -> Self {
        let log = log.clone();
        Self { name, log }
    }

    #[on_stop]
    fn on_stop(&mut self, reason: &ExitReason) {
        self.log.add(format!("{} stops: {reason}", self.name));
    }

    pub fn ping(&self) -> &'static str {
        self.name
    }
}

/// Stops when it is let go.
#[actor]
struct Slow(Gate);

#[actor]
impl Slow {
    #[on_stop]
    fn on_stop(&mut self) {
        self.0.wait();
    }

    pub fn ping(&self) {}
}

fn system() -> System {
    System::builder().workers(2).build().unwrap()
}

fn of(report: &ShutdownReport, phase: Phase) -> &PhaseReport {
    report.phases.iter().find(|it| it.phase == phase).unwrap()
}

#[test]
fn phases_run_in_order_and_actors_stop_between_the_hooks_of_their_phase_and_the_clean_up() {
    within(LIMIT, || {
        let (sys, log) = (system(), Log::default());
        let part = sys.spawn(Part::new("part", &log)).unwrap();
        // Registered in any order.
        for phase in Phase::ALL.into_iter().rev() {
            let (log, part) = (log.clone(), part.clone());
            sys.on_shutdown(phase, format!("hook of {phase}"), move |_| {
                let alive = part.ask().ping().is_ok();
                log.add(format!("{phase}: {}", if alive { "alive" } else { "gone" }));
            });
        }
        let report = sys.shutdown(LONG).unwrap();
        assert_eq!(
            log.take(),
            [
                "stop accepting: alive",
                "drain: alive",
                "stop actors: alive",
                "part stops: shut down",
                "clean up: gone",
            ]
        );
        assert!(report.is_graceful(), "{report}");
        let phases: Vec<_> = report.phases.iter().map(|it| it.phase).collect();
        assert_eq!(phases, Phase::ALL);
        for phase in &report.phases {
            assert_eq!(phase.done, [format!("hook of {}", phase.phase)]);
        }
        assert!(report.phases.iter().map(|it| it.took).sum::<Duration>() <= report.took);
    });
}

#[test]
fn the_hooks_of_a_phase_run_at_once_and_may_wait_for_each_other() {
    within(LIMIT, || {
        let sys = system();
        let (a, b) = (Gate::new(), Gate::new());
        sys.on_shutdown(Phase::Drain, "first", {
            let (a, b) = (a.clone(), b.clone());
            move |_| {
                a.wait();
                b.open();
            }
        });
        sys.on_shutdown(Phase::Drain, "second", move |_| {
            a.open();
            b.wait();
        });
        let report = sys.shutdown(LONG).unwrap();
        assert_eq!(of(&report, Phase::Drain).done, ["first", "second"]);
    });
}

#[test]
fn a_hook_that_is_overdue_is_killed_and_named_and_the_next_phase_runs() {
    within(LIMIT, || {
        let (sys, log, unwound) = (system(), Log::default(), Gate::new());
        sys.phase_limit(Phase::Drain, ms(5));
        sys.on_shutdown(Phase::Drain, "sessions", {
            let unwound = tests::OpenOnDrop(unwound.clone());
            move |within| {
                assert!(within <= ms(5));
                let _unwound = unwound;
                microthread::sleep(LONG);
            }
        });
        sys.on_shutdown(Phase::Drain, "quick", |_| {});
        let part = sys.spawn(Part::new("part", &log)).unwrap();
        let report = sys.shutdown(LONG).unwrap();
        let drain = of(&report, Phase::Drain);
        assert_eq!(
            (&drain.overdue, &drain.killed),
            (&vec!["sessions".to_owned()], &vec!["sessions".to_owned()])
        );
        assert_eq!(drain.done, ["quick"]);
        assert!(unwound.is_open());
        assert_eq!(part.join(), ExitReason::Shutdown);
        assert!(report.is_clean() && !report.is_graceful(), "{report}");
        assert!(of(&report, Phase::StopActors).is_clean());
        assert_eq!(log.take(), ["part stops: shut down"]);
        let text = report.to_string();
        assert!(
            text.contains("overdue: sessions; killed: sessions"),
            "{text}"
        );
    });
}

#[test]
fn a_hook_that_panics_is_in_the_report_with_what_it_said() {
    within(LIMIT, || {
        let sys = system();
        std::panic::set_hook(Box::new(|_| {}));
        sys.on_shutdown(Phase::CleanUp, "flush", |_| panic!("no disk"));
        let report = sys.shutdown(LONG).unwrap();
        let _ = std::panic::take_hook();
        let [(name, why)] = &of(&report, Phase::CleanUp).failed[..] else {
            panic!("{report}")
        };
        assert_eq!(name, "flush");
        assert!(why.contains("no disk"), "{why}");
        assert!(report.is_clean() && !report.is_graceful());
    });
}

#[test]
fn trees_stop_one_after_another_the_one_started_last_first() {
    within(LIMIT, || {
        let (sys, log) = (system(), Log::default());
        let names = ["a", "b", "c", "d"];
        let trees = names.map(|name| {
            let log = log.clone();
            let builder = Supervisor::builder()
                .child(ChildSpec::new("1", {
                    let log = log.clone();
                    move || Part::new(format!("{name}1").leak(), &log)
                }))
                .child(ChildSpec::new("2", move || {
                    Part::new(format!("{name}2").leak(), &log)
                }));
            builder.start(&sys).unwrap()
        });
        // One that has ended is none to stop.
        trees[1].stop();
        trees[1].join();
        log.take();
        assert!(sys.shutdown(LONG).unwrap().is_graceful());
        let expected = ["d2", "d1", "c2", "c1", "a2", "a1"];
        assert_eq!(
            log.take(),
            expected.map(|it| format!("{it} stops: shut down"))
        );
    });
}

#[test]
fn who_does_not_stop_in_time_is_named_overdue_and_who_still_lived_killed() {
    within(LIMIT, || {
        let (sys, gate, log) = (system(), Gate::new(), Log::default());
        let slow = sys.spawn_named("slow", Slow(gate.clone())).unwrap();
        slow.ask().ping().unwrap();
        let own = log.clone();
        let sup = Supervisor::builder()
            .name("tree")
            .child(ChildSpec::new("part", move || Part::new("part", &own)).name("part"))
            .child(
                ChildSpec::new("stuck", move || Slow(gate.clone()))
                    .name("stuck")
                    .shutdown(Shutdown::Infinity),
            )
            .start(&sys)
            .unwrap();
        sys.phase_limit(Phase::StopActors, ms(5));
        let report = sys.shutdown(LONG).unwrap();
        let phase = of(&report, Phase::StopActors);
        let has =
            |list: &[String], name: &str| list.iter().any(|it| it.contains(&format!("{name:?}")));
        assert!(
            has(&phase.overdue, "slow") && has(&phase.overdue, "tree"),
            "{report}"
        );
        // A child is its supervisor's to stop.
        assert!(
            !has(&phase.overdue, "stuck") && !has(&phase.overdue, "part"),
            "{report}"
        );
        for name in ["slow", "tree", "stuck", "part"] {
            assert!(has(&phase.killed, name), "{report}");
        }
        assert!(report.is_clean() && !report.is_graceful());
        assert!(!sup.is_alive() && !slow.is_alive());
    });
}

#[test]
fn what_cannot_be_killed_is_leaked_and_named() {
    within(LIMIT, || {
        let sys = system();
        let gate = Gate::new();
        let inside = Gate::new();
        sys.on_shutdown(Phase::StopAccepting, "deaf", {
            let (gate, inside) = (gate.clone(), inside.clone());
            move |_| {
                blocking(|| {
                    inside.open();
                    gate.wait();
                });
            }
        });
        let report = sys.shutdown(ms(40)).unwrap();
        assert!(inside.is_open());
        assert_eq!(of(&report, Phase::StopAccepting).overdue, ["deaf"]);
        assert_eq!(report.leaked.len(), 1, "{report}");
        assert!(report.leaked[0].contains("\"deaf\""), "{report}");
        gate.open();
    });
}

#[test]
fn a_list_of_names_is_bounded_and_says_how_many_more_there_are() {
    within(LIMIT, || {
        let (sys, gate) = (system(), Gate::new());
        let all: Vec<_> = (0..PhaseReport::MOST_NAMES + 7)
            .map(|_| sys.spawn(Slow(gate.clone())).unwrap())
            .collect();
        sys.phase_limit(Phase::StopActors, ms(5));
        let report = sys.shutdown(LONG).unwrap();
        let phase = of(&report, Phase::StopActors);
        assert_eq!(phase.killed.len(), PhaseReport::MOST_NAMES + 1);
        assert_eq!(phase.killed.last().unwrap(), "and 7 more");
        drop(all);
    });
}

#[test]
fn dropping_the_last_handle_runs_the_hooks_too() {
    within(LIMIT, || {
        let (sys, ran) = (system(), Gate::new());
        let inner = ran.clone();
        sys.on_shutdown(Phase::CleanUp, "hook", move |_| inner.open());
        drop(sys);
        assert!(ran.is_open());
    });
}

#[test]
fn a_second_shutdown_runs_no_hook_again() {
    within(LIMIT, || {
        let (sys, log) = (system(), Log::default());
        let own = log.clone();
        sys.on_shutdown(Phase::Drain, "once", move |_| own.add("ran"));
        assert_eq!(
            of(&sys.shutdown(LONG).unwrap(), Phase::Drain).done,
            ["once"]
        );
        let again = sys.shutdown(LONG).unwrap();
        assert!(
            again
                .phases
                .iter()
                .all(|it| it.done.is_empty() && it.is_clean())
        );
        assert_eq!(log.take(), ["ran"]);
    });
}

#[test]
fn an_actor_may_register_a_hook() {
    #[actor]
    struct Host(Gate);
    #[actor]
    impl Host {
        pub fn register(&self, cx: &mut Cx<Self>) {
            let gate = self.0.clone();
            cx.system()
                .on_shutdown(Phase::Drain, "of an actor", move |_| gate.open());
        }
    }
    within(LIMIT, || {
        let (sys, ran) = (system(), Gate::new());
        sys.spawn(Host(ran.clone()))
            .unwrap()
            .ask()
            .register()
            .unwrap();
        assert!(sys.shutdown(LONG).unwrap().is_graceful());
        assert!(ran.is_open());
    });
}

/// A worker that is held does not keep the report from coming.
#[test]
fn a_shutdown_with_a_held_worker_still_reports() {
    within(LIMIT, || {
        let rt = tests::runtime(1);
        let holder = Holder::spawn(&rt, "the holder");
        let report = rt.shutdown(ms(5)).unwrap();
        assert!(report.phases.is_empty() && !report.is_clean());
        drop(holder);
        until(|| rt.stats().stacks_in_use == 0);
    });
}
