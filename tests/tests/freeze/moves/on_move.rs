//! The hook of actors that move.

use std::time::Duration;

use actor_core::migrate::{MoveError, Node, Refusal, local_pair};
use actor_core::prelude::*;
use actor_core::snapshot::SnapshotError;
use tests::{Gate, within};

/// Keeps a diary. What its `leave` does is said in `leaves`.
#[actor(snapshot)]
#[derive(Default)]
struct Guest {
    diary: Vec<String>,
    leaves: Leaves,
    #[snapshot(skip)]
    gate: Option<Gate>,
}

#[derive(Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
enum Leaves {
    #[default]
    Gladly,
    Not,
    Panicking,
    Stopping,
}

#[actor]
impl Guest {
    #[on_start]
    fn arrive(&mut self, cx: &mut Cx<Self>) {
        let how = if cx.is_restored() { "again" } else { "here" };
        self.diary.push(how.to_owned());
    }
    #[on_move]
    fn leave(&mut self, cx: &mut Cx<Self>, to: &str) -> Result<(), &'static str> {
        if let Some(gate) = &self.gate {
            gate.wait();
        }
        self.diary.push(format!("off to {to}"));
        match self.leaves {
            Leaves::Gladly => Ok(()),
            Leaves::Not => Err("it rains"),
            Leaves::Panicking => panic!("on purpose"),
            Leaves::Stopping => {
                cx.stop();
                Ok(())
            }
        }
    }
    pub(crate) fn note(&mut self, text: String) {
        self.diary.push(text);
    }
    pub(crate) fn diary(&self) -> Vec<String> {
        self.diary.clone()
    }
}

struct World {
    here: System,
    a: Node,
    b: Node,
    _there: System,
}

/// `accepts`: whether the other node does.
fn world(accepts: bool, patience: Duration) -> World {
    let (here, there) = (System::new().unwrap(), System::new().unwrap());
    let a = Node::builder("a", &here).accept_actor::<Guest>();
    let b = Node::builder("b", &there);
    let b = if accepts {
        b.accept_actor::<Guest>()
    } else {
        b
    };
    let (a, b) = (a.patience(patience).start().unwrap(), b.start().unwrap());
    let (to_b, to_a) = local_pair("a", "b");
    a.attach(to_b).unwrap();
    b.attach(to_a).unwrap();
    World {
        here,
        a,
        b,
        _there: there,
    }
}

const LONG: Duration = Duration::from_secs(30);

impl World {
    fn guest(&self, guest: Guest) -> Addr<Guest> {
        let guest = self.here.spawn(guest).unwrap();
        self.a.adopt("guest", &guest).unwrap();
        guest
    }
}

fn leaving(leaves: Leaves) -> Guest {
    Guest {
        leaves,
        ..Guest::default()
    }
}

#[test]
fn the_hook_is_the_last_thing_before_it_moves_and_it_starts_there() {
    within(60, || {
        let world = world(true, LONG);
        let gate = Gate::new();
        let guest = world.guest(Guest {
            gate: Some(gate.clone()),
            ..Guest::default()
        });
        guest.ask().note("before".into()).unwrap();
        std::thread::scope(|scope| {
            let moving = scope.spawn(|| world.a.migrate("guest", "b"));
            tests::until(|| gate.waiting() == 1);
            // Waits while the hook does, and comes along.
            guest.tell().note("meanwhile".into()).unwrap();
            gate.open();
            moving.join().unwrap().unwrap();
        });
        let there = world.b.actor::<Guest>("guest").unwrap();
        let diary = ["here", "before", "off to b", "again", "meanwhile"];
        assert_eq!(there.ask().diary().unwrap(), diary);
    });
}

#[test]
fn the_hook_may_refuse_to_go() {
    within(60, || {
        let world = world(true, LONG);
        let guest = world.guest(leaving(Leaves::Not));
        let error = world.a.migrate("guest", "b").unwrap_err();
        assert!(matches!(&error, MoveError::Stays(_)), "{error}");
        assert_eq!(error.to_string(), "it does not want to go: it rains");
        assert!(world.a.has("guest"));
        assert_eq!(guest.ask().diary().unwrap(), ["here", "off to b"]);
    });
}

#[test]
fn when_the_move_fails_after_the_hook_it_starts_here_again() {
    within(60, || {
        let world = world(false, LONG);
        let guest = world.guest(Guest::default());
        let error = world.a.migrate("guest", "b").unwrap_err();
        let unknown = matches!(error, MoveError::Refused(Refusal::Unknown(_)));
        assert!(unknown, "{error}");
        assert!(world.a.has("guest"));
        let diary = ["here", "off to b", "again"];
        assert_eq!(guest.ask().diary().unwrap(), diary);
    });
}

#[test]
fn when_the_hook_takes_too_long_it_stays_and_starts_again_after_it() {
    within(60, || {
        let world = world(true, Duration::from_millis(50));
        let gate = Gate::new();
        let guest = world.guest(Guest {
            gate: Some(gate.clone()),
            ..Guest::default()
        });
        let error = world.a.migrate("guest", "b").unwrap_err();
        assert!(matches!(error, MoveError::NotFrozen), "{error}");
        gate.open();
        let diary = ["here", "off to b", "again"];
        assert_eq!(guest.ask().diary().unwrap(), diary);
        assert!(world.a.has("guest"));
    });
}

#[test]
fn a_hook_that_panics_or_stops_the_actor_is_its_end() {
    for leaves in [Leaves::Panicking, Leaves::Stopping] {
        within(60, move || {
            let world = world(true, LONG);
            let guest = world.guest(leaving(leaves));
            let error = world.a.migrate("guest", "b").unwrap_err();
            let dead = matches!(error, MoveError::Snapshot(SnapshotError::Dead));
            assert!(dead, "{error}");
            match (leaves, guest.join()) {
                (Leaves::Panicking, ExitReason::Panicked(text)) => {
                    assert_eq!(&*text, "on purpose");
                }
                (Leaves::Stopping, ExitReason::Normal) => {}
                (_, reason) => panic!("{reason}"),
            }
            assert!(!world.b.has("guest"));
        });
    }
}
