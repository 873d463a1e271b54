//! Invariants, under any order of events a driver could see.
//!
//! A small world plays the driver: it keeps what was ordered and not yet answered, and a script decides what happens
//! next. Exits travel: a child is dead for a while before the machine is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::supervision::intensity::Intensity;
use crate::supervision::settings::Strategy;
use crate::supervision::spec::{Policy, Restart, Shutdown};

const PERIOD: Duration = Duration::from_millis(50);

type Life = (ChildKey, Incarnation);

struct World {
    decider: Decider<u32>,
    now: Instant,
    limit: u32,
    /// Ordered to start, not yet answered.
    starting: BTreeSet<Life>,
    /// Started, and not yet told to be dead. `true`: dead already, its exit travels.
    lives: BTreeMap<Life, bool>,
    /// Ordered to stop.
    stopping: Option<Life>,
    asked: Option<Life>,
    retries: VecDeque<Life>,
    newest: BTreeMap<ChildKey, Incarnation>,
    calls: u32,
    open: BTreeSet<u32>,
    /// Times of the automatic attempts.
    attempts: Vec<Instant>,
    stop_run: Vec<ChildKey>,
    over: Option<ExitReason>,
}

impl World {
    fn new(limit: u32, settings: Settings) -> Self {
        let settings = Settings {
            intensity: Intensity::new(limit, PERIOD).unwrap(),
            ..settings
        };
        Self {
            decider: Decider::new(settings),
            now: Instant::now(),
            limit,
            starting: BTreeSet::new(),
            lives: BTreeMap::new(),
            stopping: None,
            asked: None,
            retries: VecDeque::new(),
            newest: BTreeMap::new(),
            calls: 0,
            open: BTreeSet::new(),
            attempts: Vec::new(),
            stop_run: Vec::new(),
            over: None,
        }
    }

    fn call(&mut self) -> u32 {
        self.calls += 1;
        self.open.insert(self.calls);
        self.calls
    }

    fn feed(&mut self, input: Input<u32>) {
        let mut out = Vec::new();
        self.decider.handle(self.now, input, &mut out);
        let starts = out
            .iter()
            .filter(|action| matches!(action, Action::Start { .. }))
            .count();
        assert!(starts <= 1, "one step at a time");
        // A start is waited for, so the plan it belongs to is still there.
        // In a group it is one of many.
        if starts == 1
            && self.decider.settings.strategy == Strategy::OneForOne
            && self
                .decider
                .plan
                .as_ref()
                .is_some_and(|plan| matches!(plan.purpose, Purpose::Restart))
        {
            self.attempts.push(self.now);
            let recent = self
                .attempts
                .iter()
                .filter(|&&at| self.now - at <= PERIOD)
                .count();
            assert!(
                recent <= self.limit as usize,
                "{recent} restarts in a period"
            );
        }
        for action in out {
            assert_eq!(
                self.over, None,
                "nothing follows the last action: {action:?}"
            );
            self.obey(action);
        }
        // The machine's own view of who may live agrees with the world's.
        let known: BTreeSet<Life> = self.decider.living().collect();
        let here: BTreeSet<Life> = self
            .starting
            .iter()
            .chain(self.lives.keys())
            .copied()
            .collect();
        assert!(known.is_subset(&here), "{known:?} of {here:?}");
    }

    fn obey(&mut self, action: Action<u32>) {
        match action {
            Action::Start { child, incarnation } => {
                let life = (child, incarnation);
                let clear = !self
                    .starting
                    .iter()
                    .chain(self.lives.keys())
                    .any(|it| it.0 == child);
                assert!(
                    clear,
                    "{life:?} starts only after the exit of the one before was seen"
                );
                assert!(
                    self.starting.is_empty() && self.stopping.is_none(),
                    "one step at a time"
                );
                let newest = self.newest.insert(child, incarnation);
                assert!(newest < Some(incarnation), "incarnations grow");
                self.starting.insert(life);
            }
            Action::Stop {
                child,
                incarnation,
                how,
                ..
            } => {
                let life = (child, incarnation);
                assert!(self.lives.contains_key(&life), "only what lives is stopped");
                assert!(self.starting.is_empty(), "one step at a time");
                if self.asked == Some(life) {
                    assert_eq!((self.stopping, how), (Some(life), How::Kill));
                } else {
                    assert_eq!(self.stopping, None, "one step at a time");
                    self.stop_run.push(child);
                }
                self.stopping = Some(life);
                self.asked = (how == How::Ask).then_some(life);
            }
            Action::Requeue {
                child, incarnation, ..
            } => self.retries.push_back((child, incarnation)),
            Action::Reply { to, .. } => {
                assert!(self.open.remove(&to), "call {to} is answered once")
            }
            Action::GiveUp { reason } | Action::Finish { reason } => {
                let alive: Vec<_> = self.lives.iter().filter(|(_, dead)| !**dead).collect();
                assert!(
                    alive.is_empty() && self.starting.is_empty(),
                    "none survives the supervisor: {alive:?}"
                );
                self.over = Some(reason);
            }
            Action::Report(_) | Action::Forget { .. } => {}
        }
    }

    fn exit(&mut self, life: Life, reason: ExitReason) {
        self.lives.remove(&life);
        if self.stopping == Some(life) {
            (self.stopping, self.asked) = (None, None);
        }
        self.feed(Input::Exited {
            child: life.0,
            incarnation: life.1,
            reason,
        });
    }

    /// One event, chosen by `what` among those possible, with `which` as the detail.
    fn step(&mut self, what: u8, which: u8) {
        if self.over.is_some() {
            return;
        }
        let names = ["a", "b", "c", "d"];
        let target = || Target::Id(names[which as usize % 4].into());
        let pick = |from: Vec<Life>| (!from.is_empty()).then(|| from[which as usize % from.len()]);
        match what % 12 {
            0 | 1 => {
                let to = self.call();
                let restart = [Restart::Permanent, Restart::Transient, Restart::Temporary]
                    [(which / 4) as usize % 3];
                let shutdown = if which > 127 {
                    Shutdown::BrutalKill
                } else {
                    Shutdown::DEFAULT
                };
                let policy = Policy {
                    id: names[which as usize % 4].into(),
                    restart,
                    shutdown,
                    significant: restart != Restart::Permanent
                        && self.decider.settings.auto_shutdown != AutoShutdown::Never
                        && which.is_multiple_of(3),
                    backoff: None,
                };
                let child = self.decider.new_key();
                self.feed(Input::StartChild { child, policy, to });
            }
            2 => {
                let to = self.call();
                self.feed(Input::RestartChild {
                    target: target(),
                    to,
                });
            }
            3 => {
                let to = self.call();
                self.feed(Input::TerminateChild {
                    target: target(),
                    to,
                });
            }
            4 => {
                let to = self.call();
                self.feed(Input::DeleteChild {
                    target: target(),
                    to,
                });
            }
            5 | 6 => self.answer_start(which),
            7 => {
                // A death that nobody has been told of yet.
                let alive = self
                    .lives
                    .iter()
                    .filter(|(_, dead)| !**dead)
                    .map(|(life, _)| *life)
                    .collect();
                if let Some(life) = pick(alive) {
                    self.lives.insert(life, true);
                }
            }
            8 => {
                if let Some(life) = pick(
                    self.lives
                        .iter()
                        .filter(|(_, dead)| **dead)
                        .map(|(life, _)| *life)
                        .collect(),
                ) {
                    let reason = if which.is_multiple_of(3) {
                        ExitReason::Normal
                    } else {
                        ExitReason::Panicked("x".into())
                    };
                    self.exit(life, reason);
                }
            }
            9 => match (self.stopping, self.asked) {
                (Some((child, incarnation)), Some(_)) if which.is_multiple_of(3) => {
                    self.feed(Input::Overdue { child, incarnation });
                }
                (Some(life), asked) => {
                    let reason = if asked.is_some() {
                        ExitReason::Shutdown
                    } else {
                        ExitReason::Killed
                    };
                    self.exit(life, reason);
                }
                (None, _) => {}
            },
            10 => {
                if let Some((child, incarnation)) = self.retries.pop_front() {
                    self.feed(Input::Retry { child, incarnation });
                }
            }
            _ => {
                self.now += Duration::from_millis(u64::from(which % 32));
                // Stale news of every kind about the incarnation before the newest.
                if let Some((&child, &newest)) = self.newest.iter().nth(which as usize % 4)
                    && newest.0 > 1
                {
                    let incarnation = Incarnation(newest.0 - 1);
                    let reason = ExitReason::Overflow;
                    self.feed(Input::Started { child, incarnation });
                    self.feed(Input::Overdue { child, incarnation });
                    if !self.lives.contains_key(&(child, incarnation)) {
                        self.feed(Input::Exited {
                            child,
                            incarnation,
                            reason,
                        });
                    }
                }
            }
        }
    }

    fn answer_start(&mut self, which: u8) {
        let Some(&life) = self.starting.first() else {
            return;
        };
        self.starting.remove(&life);
        let (child, incarnation) = life;
        match which % 5 {
            0 => self.feed(Input::StartFailed {
                child,
                incarnation,
                reason: ExitReason::Failed("no".into()),
            }),
            1 if which > 127 => self.feed(Input::Ignored { child, incarnation }),
            _ => {
                self.lives.insert(life, false);
                self.feed(Input::Started { child, incarnation });
            }
        }
    }

    /// Shuts down and lets everything that is under way arrive.
    fn close(&mut self) {
        if self.over.is_none() {
            // Whatever is in line is done first; only then do the stops of the shutdown begin.
            while self.decider.is_busy() && self.over.is_none() {
                self.settle();
            }
        }
        if self.over.is_none() {
            self.stop_run.clear();
            self.feed(Input::Shutdown {
                reason: ExitReason::Shutdown,
            });
            while self.over.is_none() {
                self.settle();
            }
            assert!(
                self.stop_run.is_sorted_by(|a, b| a > b),
                "reverse start order: {:?}",
                self.stop_run
            );
        }
        assert_eq!(self.open, BTreeSet::new(), "every call has been answered");
        assert_eq!(self.decider.list().count(), 0);
    }

    fn settle(&mut self) {
        if let Some(life) = self.stopping {
            self.exit(life, ExitReason::Shutdown);
        } else if !self.starting.is_empty() {
            self.answer_start(2);
        } else {
            panic!("busy, and waiting for nothing");
        }
    }
}

fn settings() -> impl proptest::strategy::Strategy<Value = Settings> {
    let strategies = [
        Strategy::OneForOne,
        Strategy::OneForAll,
        Strategy::RestForOne,
    ];
    let shutdowns = [
        AutoShutdown::Never,
        AutoShutdown::Never,
        AutoShutdown::AnySignificant,
        AutoShutdown::AllSignificant,
    ];
    proptest::strategy::Strategy::prop_map((0_usize..3, 0_usize..4), move |(strategy, shutdown)| {
        Settings {
            strategy: strategies[strategy],
            auto_shutdown: shutdowns[shutdown],
            ..Settings::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// At most one incarnation of a child lives; one starts only after the exit of the one before was seen; steps come
    /// one at a time; a shutdown stops in reverse start order; every call is answered once; no child survives.
    #[test]
    fn invariants_hold_in_any_order_of_events(
        limit in 0_u32..6,
        settings in settings(),
        script in prop::collection::vec((any::<u8>(), any::<u8>()), 0..120),
    ) {
        let mut world = World::new(limit, settings);
        for (what, which) in script {
            world.step(what, which);
        }
        world.close();
    }

    /// The same inputs at the same times give the same actions.
    #[test]
    fn decisions_are_deterministic(settings in settings(), script in prop::collection::vec((any::<u8>(), any::<u8>()), 0..60)) {
        let now = Instant::now();
        let run = || {
            let mut world = World::new(3, settings);
            world.now = now;
            for &(what, which) in &script {
                world.step(what, which);
            }
            (world.newest, world.stop_run, world.over, world.open)
        };
        prop_assert_eq!(run(), run());
    }
}
