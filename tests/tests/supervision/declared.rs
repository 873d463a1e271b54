//! Trees declared as structs.

use super::*;
use actor_core::supervision::Tree;
use actor_core::{Backoff, ChildState, DynamicSupervisor, SpecError};

#[derive(Clone)]
pub struct Book {
    log: Log,
    /// How often each expression was evaluated.
    made: Arc<Mutex<Vec<String>>>,
}

impl Book {
    fn new() -> Self {
        let (log, made) = <_>::default();
        Self { log, made }
    }

    fn made(&self) -> Vec<String> {
        std::mem::take(&mut self.made.lock().unwrap())
    }

    fn note(&self, what: impl Into<String>) {
        self.made.lock().unwrap().push(what.into());
    }

    /// A probe, which says when it starts and stops; and that it was made.
    fn probe(&self, name: &str) -> Probe {
        self.note(name);
        (probe(name.to_owned().leak(), &self.log))()
    }
}

#[supervisor(one_for_one, intensity = 1_000_000, period = "60s", args(book: Book, first: usize), name = "plant")]
#[derive(Clone, Debug, PartialEq)]
pub struct Plant {
    #[child(book.probe("boiler"), shutdown = "60s")]
    boiler: Addr<Probe>,
    #[child(|i| book.probe(&format!("press-{}", first + i)), transient, name = |i| format!("press-{i}"))]
    presses: [Addr<Probe>; 3],
    #[supervisor(args(book, true))]
    line: Line,
    #[child(Some(book.probe("lamp")).filter(|_| first > 0))]
    lamp: Option<Addr<Probe>>,
}

#[supervisor(rest_for_one, intensity = 0, args(book: Book, lit: bool))]
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    #[child(if lit { Ok(book.probe("belt")) } else { Err("no light") }, permanent)]
    belt: Addr<Probe>,
    #[dynamic(|name: &String| book.probe(name), temporary, shutdown = infinity, intensity = 3, period = "1m")]
    parcels: DynamicSupervisor<Probe, String>,
}

#[test]
fn a_declared_tree_starts_in_the_order_of_its_fields_and_stops_in_reverse() {
    let (sys, book) = (system(), Book::new());
    let plant = Plant::start(&sys, book.clone(), 1).unwrap();
    assert_eq!(
        book.log.take(),
        ["boiler", "press-1", "press-2", "press-3", "belt", "lamp"]
            .map(|it| format!("{it} starts"))
    );
    let parcel = plant.line.parcels.start_child("parcel".into()).unwrap();
    assert_eq!(parcel.ask().life().unwrap(), 1);
    plant.stop();
    assert_eq!(plant.join(), ExitReason::Normal);
    let stops = [
        "lamp", "parcel", "belt", "press-3", "press-2", "press-1", "boiler",
    ];
    let mut expected = vec!["parcel starts".to_owned()];
    expected.extend(stops.map(|it| format!("{it} stops: shut down")));
    assert_eq!(book.log.take(), expected);
}

#[test]
fn its_handle_has_typed_addresses_also_of_inner_trees_and_is_its_supervisor() {
    let (sys, book) = (system(), Book::new());
    let plant = Plant::start(&sys, book, 0).unwrap();
    assert_eq!(plant.presses[2], plant.child("presses[2]").unwrap());
    assert_eq!(plant.presses[1], sys.lookup("press-1").unwrap());
    assert_eq!(plant.line.belt, plant.line.child("belt").unwrap());
    assert_eq!(
        plant.line.supervisor(),
        &plant.child_supervisor("line").unwrap()
    );
    assert_eq!(
        Supervisor::lookup(&sys, "plant").unwrap(),
        *plant.supervisor()
    );
    let ids = plant
        .which_children()
        .unwrap()
        .into_iter()
        .map(|it| it.id.to_string());
    let expected = [
        "lamp",
        "line",
        "presses[2]",
        "presses[1]",
        "presses[0]",
        "boiler",
    ];
    assert_eq!(ids.collect::<Vec<_>>(), expected);
    // The expression of the lamp has declined.
    assert_eq!(plant.lamp, None);
    let lamp = plant.which_children().unwrap().swap_remove(0);
    assert_eq!(lamp.state, ChildState::Stopped);
    assert_eq!(plant.presses[0].ask().life().unwrap(), 1);
}

#[test]
fn its_expressions_are_evaluated_for_each_life_with_its_parameters() {
    let (sys, book, mut next) = (system(), Book::new(), None);
    let plant = Plant::start(&sys, book.clone(), 7).unwrap();
    let next = next.get_or_insert(events(&sys));
    assert_eq!(book.made().len(), 6);
    assert!(plant.presses[1].ask().boom().is_err());
    next(&|it| matches!(it, Event::Restarted { child, .. } if &**child == "presses[1]"));
    assert_eq!(book.made(), ["press-8"]);
    // At the address that the handle has.
    assert_eq!(plant.presses[1].ask().life().unwrap(), 1);
}

#[test]
fn an_inner_tree_is_made_again_with_all_its_children_and_refresh_takes_their_addresses_over() {
    let (sys, book) = (system(), Book::new());
    let mut next = events(&sys);
    let mut plant = Plant::start(&sys, book.clone(), 0).unwrap();
    let (before, line) = (plant.clone(), plant.line.supervisor().clone());
    book.made();
    // The line allows no restart.
    plant.line.belt.kill();
    next(&|it| matches!(it, Event::Restarted { child, .. } if &**child == "line"));
    assert_eq!(book.made(), ["belt"]);
    assert_eq!(before.line.belt.join(), ExitReason::Killed);
    plant.refresh();
    assert_eq!(plant.line.supervisor(), &line);
    assert_ne!(plant.line.belt, before.line.belt);
    assert_eq!(plant.line.belt, line.child("belt").unwrap());
    assert_eq!(plant.line.belt.ask().life().unwrap(), 1);
    assert!(!before.line.parcels.is_alive());
    assert!(plant.line.parcels.start_child("parcel".into()).is_ok());
    // The others are the same.
    assert_eq!(
        (&plant.boiler, &plant.presses),
        (&before.boiler, &before.presses)
    );
}

#[supervisor(args(book: Book, lit: bool))]
#[derive(Debug)]
struct Works {
    #[child(book.probe("gate"))]
    gate: Addr<Probe>,
    #[supervisor(args(book, lit), transient)]
    line: Line,
}

#[test]
fn a_child_that_does_not_start_says_why_through_all_levels_and_nothing_is_left() {
    let (sys, book) = (system(), Book::new());
    let Err(SpawnError::Start(why)) = Works::start(&sys, book.clone(), false) else {
        panic!("there is no light")
    };
    assert_eq!(
        why.to_string(),
        "child `line` did not start: failed: child `belt` did not start: failed: no light"
    );
    assert_eq!(book.log.take(), ["gate starts", "gate stops: shut down"]);
}

#[test]
fn a_declared_tree_is_a_child_of_a_supervisor_built_at_run_time() {
    let (sys, book) = (system(), Book::new());
    let root = patient(&sys);
    let works = Works::spec("works", book.clone(), true).restart(Restart::Transient);
    let works = root.start_supervisor(works).unwrap();
    assert_eq!(works.gate.ask().life().unwrap(), 1);
    assert_eq!(root.child_supervisor("works").unwrap(), *works.supervisor());
    assert_eq!(
        root.which_children().unwrap()[0].restart,
        Restart::Transient
    );
    root.terminate_child("works").unwrap();
    assert_eq!(works.line.belt.join(), ExitReason::Shutdown);
    // By hand it is made again, at other addresses, which its spec's handle has.
    root.restart_child("works").unwrap();
    let mut works = works;
    works.refresh();
    assert_eq!(works.gate.ask().life().unwrap(), 1);

    // And one to start with.
    let root = Supervisor::builder().supervisor(Works::spec("works", book, true));
    let root = root.start(&sys).unwrap();
    let works = root.child_supervisor("works").unwrap();
    assert_eq!(
        works.child::<Probe>("gate").unwrap().ask().life().unwrap(),
        1
    );
}

#[test]
fn a_tree_ends_with_its_system() {
    let (sys, book) = (system(), Book::new());
    let plant = Plant::start(&sys, book, 1).unwrap();
    assert!(sys.shutdown(SOON).unwrap().is_clean());
    assert_eq!(plant.join(), ExitReason::Shutdown);
    assert_eq!(plant.boiler.join(), ExitReason::Shutdown);
}

#[supervisor(auto_shutdown = any_significant, backoff = "1us..2us", args(book: Book))]
struct Job {
    #[child(book.probe("helper"), backoff = Backoff::new(SOON, SOON))]
    helper: Addr<Probe>,
    #[child(book.probe("task"), temporary, significant, shutdown = brutal_kill)]
    task: Addr<Probe>,
}

#[test]
fn its_settings_are_those_of_its_supervisor_and_its_children() {
    let (sys, book) = (system(), Book::new());
    let job = Job::start(&sys, book.clone()).unwrap();
    job.task.stop();
    assert_eq!(job.join(), ExitReason::Shutdown);
    assert_eq!(job.helper.join(), ExitReason::Shutdown);

    let job = Job::start(&sys, book.clone()).unwrap();
    book.log.take();
    job.stop();
    job.join();
    assert_eq!(job.task.join(), ExitReason::Killed);
    // Killed without its hook.
    assert_eq!(book.log.take(), ["helper stops: shut down"]);

    // It waits for its first attempt, for as long as its own back-off says.
    let job = Job::start(&sys, book).unwrap();
    let mut next = events(&sys);
    job.helper.kill();
    next(&|it| matches!(it, Event::Exited { reason, .. } if *reason == ExitReason::Killed));
    let state = |job: &Job| job.which_children().unwrap()[1].state;
    while state(&job) == ChildState::Running {
        std::thread::yield_now();
    }
    assert_eq!(state(&job), ChildState::Restarting);
}

/// What a `const` cannot check is refused when the tree is started, with the reason.
#[supervisor(backoff = Backoff::new(SOON, SOON).jitter_percent(101))]
#[derive(Debug)]
struct Jittery {}

#[test]
fn what_does_not_show_when_it_is_compiled_is_refused_with_the_reason() {
    let refused = match Jittery::start(&system()) {
        Err(SpawnError::Start(why)) => why.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused, SpecError::InvalidBackoff.to_string());
}

/// Trees may be generic.
fn started<T: Tree<Args = ()>>(
    root: &Supervisor,
    spec: ChildSpec<actor_core::supervision::TreeSetup<T>>,
) -> T {
    root.start_supervisor(spec).unwrap()
}

#[actor]
pub struct Holds<T>(T);

#[actor]
impl<T: Clone + Send + 'static> Holds<T> {
    pub fn get(&self) -> T {
        self.0.clone()
    }
}

#[supervisor]
struct Pair<T: Clone + Send + Default + 'static, const N: usize> {
    #[child(Holds(T::default()))]
    one: Addr<Holds<T>>,
    #[child(|i| Holds(i))]
    all: [Addr<Holds<usize>>; N],
}

#[test]
fn a_declared_tree_may_be_generic() {
    let sys = system();
    let pair: Pair<String, 4> = started(&patient(&sys), Pair::spec("pair"));
    assert_eq!(pair.one.ask().get().unwrap(), "");
    assert_eq!(pair.all[3].ask().get().unwrap(), 3);
}
