//! Random trees, in which actors crash, are killed, end, fail to start, are terminated, restarted, deleted, added, and in
//! the end stopped, against the [model of OTP's supervisor](super::otp): the same starts, failed starts and exits in the same
//! order, and the same answers.
//!
//! `ACTOR_TREES` says how many cases are run; on real workers a tenth of them. `ACTOR_TREE` runs one.

use super::otp::{Call, Kind, Op, Outcome, Reason, Setup, Spec, Stop, World, parent};
use super::*;
use actor_core::testing::Explorer;
use actor_core::{AutoShutdown, ChildState, Strategy, SupervisorBuilder};
use crossbeam_channel::Receiver;
use std::collections::{HashMap, VecDeque};

const CASES: u64 = 2_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

// ---- a case --------------------------------------------------------------------------------------------------------------

/// A tree, what happens to it, and what is to come of each.
struct Case {
    number: u64,
    tree: Spec,
    started: Vec<String>,
    steps: Vec<Step>,
}

/// What happens, and what is to come of it.
struct Step {
    op: Op,
    log: Vec<String>,
    answers: Vec<&'static str>,
    listing: Vec<String>,
}

impl Step {
    fn of(world: &mut World, op: Op) -> Self {
        world.happen(&op);
        Self {
            op,
            log: world.take_log(),
            answers: world.take_answers(),
            listing: world.listing(),
        }
    }
}

struct Random(fastrand::Rng);

impl Random {
    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.0.usize(..from.len())].clone())
    }

    fn restart(&mut self) -> Restart {
        [
            Restart::Permanent,
            Restart::Permanent,
            Restart::Transient,
            Restart::Transient,
            Restart::Temporary,
        ][self.0.usize(..5)]
    }

    fn tree(&mut self, path: &str, depth: u32) -> Setup {
        let strategy = self.pick(&[
            Strategy::OneForOne,
            Strategy::OneForAll,
            Strategy::RestForOne,
        ]);
        let auto = self.pick(&[
            AutoShutdown::Never,
            AutoShutdown::AnySignificant,
            AutoShutdown::AllSignificant,
        ]);
        let (auto, count) = (auto.unwrap(), self.0.usize(2..5));
        let children = ["a", "b", "c", "d"][..count].iter().map(|id| {
            let path = format!("{path}.{id}");
            let kind = if depth > 0 && self.0.u32(..4) == 0 {
                Kind::Sup(self.tree(&path, depth - 1))
            } else {
                let stops = [Stop::Timeout, Stop::Timeout, Stop::Brutal, Stop::Stubborn];
                Kind::Worker(self.pick(&stops).unwrap())
            };
            let mut restart = self.restart();
            let significant = auto != AutoShutdown::Never && self.0.bool();
            if significant && restart == Restart::Permanent {
                restart = Restart::Transient;
            }
            Spec {
                path,
                restart,
                significant,
                kind,
            }
        });
        Setup {
            strategy: strategy.unwrap(),
            children: children.collect(),
            intensity: self.0.usize(..4),
            auto,
        }
    }

    fn call(&mut self, sup: &str) -> Op {
        let path = format!("{sup}.{}", ["a", "b", "c", "d"][self.0.usize(..4)]);
        Op::Call(match self.0.u32(..6) {
            0 | 1 => Call::Terminate(path),
            2 | 3 => Call::Restart(path),
            4 => Call::Delete(path),
            _ => Call::Start(Spec {
                path,
                restart: self.restart(),
                significant: false,
                kind: Kind::Worker(Stop::Timeout),
            }),
        })
    }

    /// Something that may happen to those for whom `within` holds.
    fn event(&mut self, world: &World, within: impl Fn(&str) -> bool) -> Option<Op> {
        let who = world.who();
        let who: Vec<_> = who.into_iter().filter(|(path, _)| within(path)).collect();
        if self.0.u32(..5) == 0 {
            let (path, _) = self.pick(&who)?;
            let outcome = self.pick(&[Outcome::Fail, Outcome::Fail, Outcome::Ignore]);
            return Some(Op::Plan(path, outcome?, self.0.usize(1..3)));
        }
        let workers: Vec<_> = who.into_iter().filter(|(_, is_sup)| !is_sup).collect();
        let (path, _) = self.pick(&workers)?;
        let reasons = [
            Reason::Crash,
            Reason::Crash,
            Reason::Killed,
            Reason::Normal,
            Reason::Shutdown,
        ];
        Some(Op::Leave(path, self.pick(&reasons)?))
    }

    fn step(&mut self, world: &World, batches: bool) -> Option<Op> {
        let sups = world.who();
        let sups: Vec<_> = sups.into_iter().filter(|(_, is_sup)| *is_sup).collect();
        let (sup, _) = self.pick(&sups)?;
        match self.0.u32(..10) {
            0..6 => self.event(world, |path| path != "root"),
            6..8 => Some(self.call(&sup)),
            _ if !batches => None,
            _ => {
                // Nobody is told of what happens in it before its end, so who lives can be foreseen.
                let mut ops = Vec::new();
                let mut gone: Vec<String> = Vec::new();
                for _ in 0..self.0.usize(2..5) {
                    let of_sup =
                        |path: &str| parent(path) == sup && !gone.iter().any(|it| it == path);
                    let op = match self.0.bool() {
                        true => self.event(world, of_sup),
                        false => Some(self.call(&sup)),
                    };
                    if let Some(Op::Leave(path, _)) = &op {
                        gone.push(path.clone());
                    }
                    ops.extend(op);
                }
                Some(Op::Batch(sup, ops))
            }
        }
    }
}

impl Case {
    fn new(number: u64, batches: bool) -> Self {
        let mut random = Random(fastrand::Rng::with_seed(number));
        let setup = random.tree("root", 2);
        let tree = Spec {
            path: "root".to_owned(),
            restart: Restart::Temporary,
            significant: false,
            kind: Kind::Sup(setup),
        };
        let mut world = World::start(&tree);
        let started = world.take_log();
        let mut steps = Vec::new();
        for _ in 0..random.0.usize(4..16) {
            let Some(op) = random.step(&world, batches) else {
                continue;
            };
            steps.push(Step::of(&mut world, op));
        }
        if world.is_alive() {
            steps.push(Step::of(&mut world, Op::StopRoot));
        }
        Self {
            number,
            tree,
            started,
            steps,
        }
    }
}

// ---- the real thing ------------------------------------------------------------------------------------------------------

#[actor]
struct Leaf {
    stubborn: bool,
}

#[actor]
impl Leaf {
    #[on_stop]
    fn close(&mut self, reason: &ExitReason) {
        if self.stubborn && *reason == ExitReason::Shutdown {
            hang();
        }
    }

    pub fn crash(&mut self) {
        panic!("boom")
    }

    pub fn leave(&mut self, cx: &mut Cx<Self>, exit: Exit) {
        self.stubborn = false;
        cx.exit(exit);
    }
}

/// What the next starts come to.
#[derive(Clone, Default)]
struct Plan(Arc<Mutex<HashMap<String, VecDeque<Outcome>>>>);

impl Plan {
    fn next<A>(&self, path: &str, make: impl FnOnce() -> A) -> Result<Option<A>, &'static str> {
        let mut plan = self.0.lock().unwrap();
        match plan.get_mut(path).and_then(VecDeque::pop_front) {
            None | Some(Outcome::Start) => Ok(Some(make())),
            Some(Outcome::Fail) => Err("no"),
            Some(Outcome::Ignore) => Ok(None),
        }
    }

    fn leaf(&self, spec: &Spec, stop: Stop) -> ChildSpec<Leaf> {
        let (plan, path) = (self.clone(), spec.path.clone());
        let stubborn = stop == Stop::Stubborn;
        self.common(
            ChildSpec::optional(id(&spec.path), move || {
                plan.next(&path, || Leaf { stubborn })
            }),
            spec,
        )
        .shutdown(match stop {
            Stop::Brutal => Shutdown::BrutalKill,
            Stop::Timeout => Shutdown::Timeout(SOON),
            Stop::Stubborn => Shutdown::Timeout(Duration::from_millis(1)),
        })
    }

    fn inner(&self, spec: &Spec, setup: &Setup) -> ChildSpec<SupervisorBuilder> {
        let (plan, path, setup) = (self.clone(), spec.path.clone(), setup.clone());
        let factory = move || plan.next(&path, || plan.builder(&setup));
        self.common(ChildSpec::optional(id(&spec.path), factory), spec)
    }

    fn common<A>(&self, child: ChildSpec<A>, spec: &Spec) -> ChildSpec<A> {
        child
            .restart(spec.restart)
            .significant(spec.significant)
            .name(spec.path.clone())
    }

    fn builder(&self, setup: &Setup) -> SupervisorBuilder {
        let builder = Supervisor::builder()
            .strategy(setup.strategy)
            .auto_shutdown(setup.auto)
            .intensity(setup.intensity as u32, Duration::from_secs(1_000_000));
        setup
            .children
            .iter()
            .fold(builder, |builder, spec| match &spec.kind {
                Kind::Worker(stop) => builder.child(self.leaf(spec, *stop)),
                Kind::Sup(setup) => builder.supervisor(self.inner(spec, setup)),
            })
    }
}

fn id(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, id)| id)
}

/// An event as the model writes it, if it is one of those that count.
fn line(event: &Event) -> Option<String> {
    match event {
        Event::Spawned { who, .. } => Some(format!("start {}", who.name.as_ref()?)),
        Event::Exited { who, reason, .. } => {
            let path = who.name.as_ref()?;
            let reason = match reason {
                // The root is stopped from outside.
                ExitReason::Normal if **path == *"root" => Reason::Shutdown,
                ExitReason::Normal => Reason::Normal,
                ExitReason::Shutdown => Reason::Shutdown,
                ExitReason::Killed => Reason::Killed,
                ExitReason::Panicked(_) => Reason::Crash,
                ExitReason::Failed(_) => Reason::Failed,
                other => panic!("{other}"),
            };
            Some(format!("exit {path} {reason}"))
        }
        Event::StartFailed {
            supervisor, child, ..
        } => Some(format!("fail {}.{child}", supervisor.name.as_ref()?)),
        _ => None,
    }
}

fn answered<T>(result: Result<T, ChildError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(ChildError::Declined) => "ignored",
        Err(ChildError::StartFailed { .. }) => "failed",
        Err(ChildError::AlreadyStarted) => "already_started",
        Err(ChildError::AlreadyPresent) => "already_present",
        Err(ChildError::NotFound) => "not_found",
        Err(ChildError::Running) => "running",
        Err(ChildError::Restarting) => "restarting",
        Err(ChildError::ShuttingDown) => "gone",
        Err(other) => panic!("{other}"),
    }
}

fn call_of(sys: &System, plan: &Plan, call: &Call) -> &'static str {
    let Ok(sup) = Supervisor::lookup(sys, parent(call.path())) else {
        return "gone";
    };
    let id = id(call.path());
    match call {
        Call::Terminate(_) => answered(sup.terminate_child(id)),
        Call::Restart(_) => answered(sup.restart_child(id)),
        Call::Delete(_) => answered(sup.delete_child(id)),
        Call::Start(spec) => answered(sup.start_child(plan.leaf(spec, Stop::Timeout))),
    }
}

/// A case under way.
struct Run<'a> {
    sys: &'a System,
    plan: Plan,
    events: Receiver<Event>,
    /// Under the seeded scheduler: until nothing moves any more. Otherwise until what is expected is there.
    seeded: bool,
}

impl Run<'_> {
    fn happen(&self, op: &Op) -> Vec<&'static str> {
        match op {
            Op::Plan(path, outcome, times) => {
                let outcomes = std::iter::repeat_n(*outcome, *times).collect();
                self.plan.0.lock().unwrap().insert(path.clone(), outcomes);
            }
            Op::Leave(path, reason) => {
                let leaf = self.sys.lookup::<Leaf>(path).unwrap();
                match reason {
                    Reason::Crash => leaf.tell().crash().unwrap(),
                    Reason::Normal => leaf.tell().leave(Exit::Normal).unwrap(),
                    Reason::Shutdown => leaf.tell().leave(Exit::Shutdown).unwrap(),
                    _ => leaf.kill(),
                }
            }
            Op::Call(call) => return vec![call_of(self.sys, &self.plan, call)],
            Op::Batch(sup, ops) => return self.batch(sup, ops),
            Op::StopRoot => Supervisor::lookup(self.sys, "root").unwrap().stop(),
        }
        Vec::new()
    }

    /// The supervisor is held up in a factory, and then finds all of it in its mailbox.
    fn batch(&self, sup: &str, ops: &[Op]) -> Vec<&'static str> {
        let moment = Duration::from_millis(1);
        let sup = Supervisor::lookup(self.sys, sup).unwrap();
        let gate = tests::Gate::new();
        let hold = gate.clone();
        let holder = microthread::spawn(move || {
            let spec = ChildSpec::<Leaf>::optional("held up", move || {
                hold.wait();
                Ok::<_, String>(None)
            });
            sup.start_child(spec.restart(Restart::Temporary))
        });
        microthread::sleep(moment);
        let mut calls = Vec::new();
        for op in ops {
            if let Op::Call(call) = op {
                let call = call.clone();
                let (sys, plan) = (self.sys.clone(), self.plan.clone());
                calls.push(microthread::spawn(move || call_of(&sys, &plan, &call)));
            } else {
                self.happen(op);
            }
            // It is in the mailbox then.
            microthread::sleep(moment);
        }
        gate.open();
        assert_eq!(answered(holder.join().unwrap()), "ignored");
        calls.into_iter().map(|it| it.join().unwrap()).collect()
    }

    /// What the supervisors say of their children, once they have noticed what happened to them.
    fn listing(&self, expected: &[String]) -> Vec<String> {
        let mut sups: Vec<_> = expected
            .iter()
            .map(|it| parent(&it[..it.find(' ').unwrap()]))
            .collect();
        sups.dedup();
        let late = std::time::Instant::now() + SOON;
        loop {
            let lists = sups.iter().flat_map(|path| {
                let sup = Supervisor::lookup(self.sys, path).ok();
                let children = sup
                    .and_then(|it| it.which_children().ok())
                    .unwrap_or_default();
                children.into_iter().map(move |it| {
                    let state = match it.state {
                        ChildState::Stopped => "stopped",
                        ChildState::Restarting => "restarting",
                        ChildState::Running => "running",
                        _ => "busy",
                    };
                    format!("{path}.{} {state}", it.id)
                })
            });
            let lists: Vec<_> = lists.collect();
            if self.seeded || lists == expected || std::time::Instant::now() > late {
                return lists;
            }
            microthread::yield_now();
        }
    }

    /// What came of it, by the model's words.
    fn came(&self, expected: usize) -> Vec<String> {
        if self.seeded {
            microthread::sleep(Duration::from_secs(1));
            return self.events.try_iter().filter_map(|it| line(&it)).collect();
        }
        let mut came = Vec::new();
        while came.len() < expected {
            match self.events.recv_timeout(SOON) {
                Ok(event) => came.extend(line(&event)),
                Err(_) => break,
            }
        }
        came
    }
}

fn run(case: &Case, sys: &System, seeded: bool) {
    let (plan, events) = (Plan::default(), sys.events());
    let run = Run {
        sys,
        plan,
        events,
        seeded,
    };
    let number = case.number;
    let Kind::Sup(setup) = &case.tree.kind else {
        unreachable!("a tree")
    };
    let root = run.plan.builder(setup).name("root").start(sys).unwrap();
    assert_eq!(run.came(case.started.len()), case.started, "case {number}");
    for step in &case.steps {
        let op = &step.op;
        let given = run.happen(op);
        let came = run.came(step.log.len());
        assert_eq!(came, step.log, "case {number}, after {op:?}");
        assert_eq!(given, step.answers, "case {number}, after {op:?}");
        let listing = run.listing(&step.listing);
        assert_eq!(listing, step.listing, "case {number}, after {op:?}");
    }
    root.join();
    // Nothing came of it that came too late to be compared.
    let late: Vec<_> = run.events.try_iter().filter_map(|it| line(&it)).collect();
    assert!(late.is_empty(), "case {number}: {late:?}");
}

#[test]
fn trees_on_the_seeded_scheduler_do_what_otp_does() {
    drop(system()); // sets the panic hook
    let cases = number("ACTOR_TREES").unwrap_or(CASES);
    let numbers = number("ACTOR_TREE").map_or(0..cases, |one| one..one + 1);
    for number in numbers {
        let explorer = Explorer::new().seed(number).iterations(1);
        explorer.check(move |sys| run(&Case::new(number, true), sys, true));
    }
}

#[test]
fn trees_on_real_workers_do_what_otp_does() {
    let cases = number("ACTOR_TREES").unwrap_or(CASES) / 10;
    let numbers = number("ACTOR_TREE").map_or(0..cases, |one| one..one + 1);
    let sys = system();
    for number in numbers {
        run(&Case::new(number, false), &sys, false);
    }
}
