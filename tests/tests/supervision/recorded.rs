//! The model of OTP's supervisor against traces recorded from Erlang: `tests/erlang/record.escript` made
//! `tests/erlang/traces.txt`. Erlang is not needed here.

use super::otp::{Call, Kind, Op, Outcome, Reason, Setup, Spec, Stop, World, parent};
use actor_core::{AutoShutdown, Restart, Strategy};

const TRACES: &str = include_str!("../../erlang/traces.txt");

fn restart(word: &str) -> Restart {
    match word {
        "permanent" => Restart::Permanent,
        "transient" => Restart::Transient,
        "temporary" => Restart::Temporary,
        _ => panic!("{word}"),
    }
}

fn node(line: &[&str]) -> Spec {
    match *line {
        ["worker", path, again, significant, stop] => Spec {
            path: path.to_owned(),
            restart: restart(again),
            significant: significant == "true",
            kind: Kind::Worker(match stop {
                "brutal" => Stop::Brutal,
                "timeout" => Stop::Timeout,
                "stubborn" => Stop::Stubborn,
                _ => panic!("{stop}"),
            }),
        },
        ["sup", path, strategy, intensity, auto, again, significant] => Spec {
            path: path.to_owned(),
            restart: restart(again),
            significant: significant == "true",
            kind: Kind::Sup(Setup {
                strategy: match strategy {
                    "one_for_one" => Strategy::OneForOne,
                    "one_for_all" => Strategy::OneForAll,
                    "rest_for_one" => Strategy::RestForOne,
                    _ => panic!("{strategy}"),
                },
                intensity: intensity.parse().unwrap(),
                auto: match auto {
                    "never" => AutoShutdown::Never,
                    "any_significant" => AutoShutdown::AnySignificant,
                    "all_significant" => AutoShutdown::AllSignificant,
                    _ => panic!("{auto}"),
                },
                children: Vec::new(),
            }),
        },
        _ => panic!("{line:?}"),
    }
}

fn add(tree: &mut Spec, spec: Spec) {
    let Kind::Sup(setup) = &mut tree.kind else {
        panic!("{} is a worker", tree.path)
    };
    if parent(&spec.path) == tree.path {
        return setup.children.push(spec);
    }
    let above = setup.children.iter_mut();
    let within = |it: &&mut Spec| spec.path.starts_with(&format!("{}.", it.path));
    add(
        above.into_iter().find(within).expect("its supervisor"),
        spec,
    );
}

fn op(line: &[&str]) -> Op {
    match *line {
        ["fail", path, times] => Op::Plan(path.to_owned(), Outcome::Fail, times.parse().unwrap()),
        ["ignore", path, times] => {
            Op::Plan(path.to_owned(), Outcome::Ignore, times.parse().unwrap())
        }
        ["crash", path] => Op::Leave(path.to_owned(), Reason::Crash),
        ["kill", path] => Op::Leave(path.to_owned(), Reason::Killed),
        ["normal", path] => Op::Leave(path.to_owned(), Reason::Normal),
        ["shutdown", path] => Op::Leave(path.to_owned(), Reason::Shutdown),
        ["terminate", path] => Op::Call(Call::Terminate(path.to_owned())),
        ["restart", path] => Op::Call(Call::Restart(path.to_owned())),
        ["delete", path] => Op::Call(Call::Delete(path.to_owned())),
        ["start", path, again] => Op::Call(Call::Start(Spec {
            path: path.to_owned(),
            restart: restart(again),
            significant: false,
            kind: Kind::Worker(Stop::Timeout),
        })),
        ["stop", "root"] => Op::StopRoot,
        _ => panic!("{line:?}"),
    }
}

/// A recorded case, replayed.
struct Case<'a> {
    number: &'a str,
    tree: Option<Spec>,
    world: Option<World>,
    batch: Option<(String, Vec<Op>)>,
    log: Vec<&'a str>,
    answers: Vec<&'a str>,
    last: String,
}

impl Case<'_> {
    /// What was recorded is what the model did.
    fn compare(&mut self) {
        let Some(world) = &mut self.world else { return };
        let (number, last) = (self.number, &self.last);
        assert_eq!(world.take_log(), self.log, "case {number}, after {last}");
        assert_eq!(
            world.take_answers(),
            self.answers,
            "case {number}, after {last}"
        );
        self.log.clear();
        self.answers.clear();
    }

    fn begin(&mut self) {
        if let (None, Some(tree)) = (&self.world, &self.tree) {
            let mut world = World::start(tree);
            world.retries_by_number = false;
            self.world = Some(world);
        }
    }
}

#[test]
fn the_model_does_what_erlang_did() {
    let mut case: Option<Case<'_>> = None;
    let (mut cases, mut happenings) = (0, 0);
    for line in TRACES.lines().chain(["case end"]) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (&*words, &mut case) {
            (["#", ..], _) => {}
            (["case", number], _) => {
                if let Some(mut last) = case.take() {
                    last.begin();
                    last.compare();
                    cases += 1;
                }
                case = Some(Case {
                    number,
                    tree: None,
                    world: None,
                    batch: None,
                    log: Vec::new(),
                    answers: Vec::new(),
                    last: "the start".to_owned(),
                });
            }
            (["sup" | "worker", ..], Some(case)) => match &mut case.tree {
                None => case.tree = Some(node(&words)),
                Some(tree) => add(tree, node(&words)),
            },
            ([">", ..], Some(case)) => {
                case.log.push(&line[2..]);
                happenings += 1;
            }
            (["=", answer], Some(case)) => case.answers.push(answer),
            (["op", words @ ..], Some(case)) => {
                case.begin();
                match (words, &mut case.batch) {
                    (["end"], batch) => {
                        let (path, ops) = batch.take().expect("a batch");
                        let world = case.world.as_mut().unwrap();
                        world.happen(&Op::Batch(path, ops));
                        continue;
                    }
                    (words, Some((_, ops))) => {
                        ops.push(op(words));
                        continue;
                    }
                    _ => {}
                }
                case.compare();
                case.last = line.to_owned();
                match words {
                    ["batch", path] => case.batch = Some(((*path).to_owned(), Vec::new())),
                    words => case.world.as_mut().unwrap().happen(&op(words)),
                }
            }
            _ => panic!("{line}"),
        }
    }
    assert!(cases >= 200 && happenings > 5_000, "{cases} {happenings}");
}
