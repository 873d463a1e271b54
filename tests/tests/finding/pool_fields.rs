//! Pools as fields of declared trees.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actor_core::{Balance, Nobody, Pool, RouteError};

use super::*;

/// Who was started and stopped, in order; and what makes the next start of one name fail.
#[derive(Clone, Default)]
pub struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    broken: Arc<Mutex<Option<String>>>,
}

impl Log {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap())
    }

    fn note(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    fn hand(&self, name: impl Into<String>) -> Hand {
        let (name, log) = (name.into(), self.clone());
        Hand { name, log, done: 0 }
    }

    fn try_hand(&self, name: impl Into<String>) -> Result<Hand, String> {
        let name = name.into();
        match &*self.broken.lock().unwrap() {
            Some(broken) if *broken == name => Err(format!("{name} is broken")),
            _ => Ok(self.hand(name)),
        }
    }
}

fn lines(of: &[&str]) -> Vec<String> {
    of.iter().map(|it| (*it).to_owned()).collect()
}

#[actor]
pub struct Hand {
    name: String,
    log: Log,
    /// In this life.
    done: u64,
}

#[actor]
impl Hand {
    #[on_start]
    fn started(&mut self) {
        self.log.note(format!("+{}", self.name));
    }

    #[on_stop]
    fn stopped(&mut self) {
        self.log.note(format!("-{}", self.name));
    }

    pub fn work(&mut self, job: u64) -> String {
        self.done += job;
        self.name.clone()
    }

    pub fn done(&self) -> u64 {
        self.done
    }

    pub fn boom(&mut self) -> u64 {
        panic!("boom")
    }
}

/// The pool stands between two other children.
#[supervisor(rest_for_one, intensity = 1_000, period = "60s", args(log: Log, hands: usize))]
#[derive(Clone, Debug, PartialEq)]
struct Shop {
    #[child(log.hand("door"))]
    door: Addr<Hand>,
    #[pool(|slot| log.try_hand(format!("hand-{slot}")), size = hands, intensity = 1, period = "60s", name = "hands")]
    hands: Pool<Hand>,
    #[child(log.hand("till"))]
    till: Addr<Hand>,
}

/// Waits until a child with this id has been started again.
fn restarted(events: &crossbeam_channel::Receiver<Event>, id: &str) {
    let is_it = |event| matches!(event, Event::Restarted { child, .. } if &*child == id);
    loop {
        if is_it(events.recv_timeout(LIMIT).expect("it is not restarted")) {
            return;
        }
    }
}

#[test]
fn a_pool_is_started_in_its_place_in_the_tree_and_stopped_in_reverse() {
    let (sys, log) = (system(2), Log::default());
    let shop = Shop::start(&sys, log.clone(), 3).unwrap();
    let starts = ["+door", "+hand-0", "+hand-1", "+hand-2", "+till"];
    assert_eq!(log.take(), lines(&starts));
    let ids: Vec<_> = shop.which_children().unwrap();
    let ids: Vec<&str> = ids.iter().map(|it| &*it.id).collect();
    assert_eq!(ids, ["till", "hands", "door"]);
    shop.stop();
    assert_eq!(shop.join(), ExitReason::Normal);
    let mut stops = log.take();
    stops[1..4].sort_unstable(); // the workers all at once, as the children of any dynamic supervisor
    assert_eq!(
        stops,
        lines(&["-till", "-hand-0", "-hand-1", "-hand-2", "-door"])
    );
    assert_eq!(shop.hands.pick(), Err(Nobody));
    let back = shop.hands.send(HandMsg::Work { job: 7 }).unwrap_err();
    assert!(matches!(back, RouteError::Nobody(HandMsg::Work { job: 7 })));
}

#[test]
fn its_field_is_the_pool_with_all_its_ways_to_a_worker() {
    let (sys, log) = (system(1), Log::default());
    let shop = Shop::start(&sys, log, 3).unwrap();
    assert_eq!(shop.hands.size(), 3);
    let turns: Vec<_> = (0..6)
        .map(|job| shop.hands.pick().unwrap().ask().work(job).unwrap())
        .collect();
    let once = ["hand-0", "hand-1", "hand-2"];
    assert_eq!(turns, [once, once].concat());
    let second = shop.hands.get(1).unwrap();
    assert_eq!(second.ask().work(0).unwrap(), "hand-1");
    assert_eq!(shop.hands.workers()[1], second);
    assert_eq!(shop.hands.get(3), None);
    let owner = shop.hands.by_key("ann").unwrap();
    shop.hands
        .send_by_key("ann", HandMsg::Work { job: 100 })
        .unwrap();
    assert!(owner.ask().done().unwrap() >= 100);
    // Its supervisor is the tree's child, with the name it was given.
    let supervisor = shop.hands.supervisor().unwrap();
    assert_eq!(supervisor, shop.child_supervisor("hands").unwrap());
    assert_eq!(supervisor, Supervisor::lookup(&sys, "hands").unwrap());
}

#[test]
fn a_worker_that_fails_is_started_again_in_its_slot_and_nobody_else() {
    let (sys, log) = (system(2), Log::default());
    let shop = Shop::start(&sys, log.clone(), 2).unwrap();
    let events = sys.events();
    log.take();
    let worker = shop.hands.get(1).unwrap();
    assert!(worker.ask().boom().is_err());
    restarted(&events, "hands"); // the workers are called as the field
    assert_eq!(worker.ask().work(1).unwrap(), "hand-1");
    assert_eq!(shop.hands.get(1), Some(worker));
    assert_eq!(log.take(), lines(&["-hand-1", "+hand-1"]));
}

#[test]
fn the_strategy_restarts_it_with_the_others_and_the_handle_leads_to_the_new_workers() {
    let (sys, log) = (system(2), Log::default());
    let shop = Shop::start(&sys, log.clone(), 2).unwrap();
    let events = sys.events();
    shop.hands.resize(3).unwrap();
    let before = shop.hands.workers();
    log.take();
    // Rest for one: the door takes the pool and the till with it.
    assert!(shop.door.ask().boom().is_err());
    restarted(&events, "till");
    let mut seen = log.take();
    seen[2..5].sort_unstable();
    let expected = [
        "-door", "-till", "-hand-0", "-hand-1", "-hand-2", "+door", "+hand-0", "+hand-1",
        "+hand-2", "+till",
    ];
    assert_eq!(seen, lines(&expected), "with the size that it had");
    for (slot, old) in before.iter().enumerate() {
        assert!(!old.is_alive());
        let new = shop.hands.get(slot).unwrap();
        assert_eq!(new.ask().work(1).unwrap(), format!("hand-{slot}"));
    }
    shop.hands.resize(1).unwrap();
    assert_eq!(shop.hands.workers().len(), 1);
    log.take();
    // The till comes after it, and concerns it not.
    assert!(shop.till.ask().boom().is_err());
    restarted(&events, "till");
    assert_eq!(log.take(), lines(&["-till", "+till"]));
}

#[test]
fn a_pool_that_gives_up_is_started_again_as_a_child_of_the_tree() {
    let (sys, log) = (system(2), Log::default());
    let shop = Shop::start(&sys, log.clone(), 2).unwrap();
    let events = sys.events();
    let before = shop.hands.workers();
    log.take();
    // One restart is normal, two are too many.
    for _ in 0..2 {
        assert!(before[0].ask().boom().is_err());
    }
    restarted(&events, "till");
    assert!(
        before
            .iter()
            .all(|it| end(it) == ExitReason::Shutdown || !it.is_alive())
    );
    assert_eq!(shop.hands.pick().unwrap().ask().done().unwrap(), 0);
    assert_eq!(shop.hands.workers().len(), 2);
    let lines = log.take();
    assert!(lines.contains(&"+till".into()) && !lines.contains(&"+door".into()));
}

/// A tree in a tree, whose supervisor allows no restart.
#[supervisor(intensity = 1_000, period = "60s", args(log: Log, sizes: Arc<AtomicUsize>))]
#[derive(Clone, Debug, PartialEq)]
struct Street {
    #[supervisor(args(log, sizes.fetch_add(1, Ordering::SeqCst)))]
    stall: Stall,
}

#[supervisor(intensity = 0, args(log: Log, size: usize))]
#[derive(Clone, Debug, PartialEq)]
struct Stall {
    #[child(log.hand("sign"))]
    sign: Addr<Hand>,
    #[pool(log.hand("helper"), size = size)]
    helpers: Pool<Hand>,
}

#[test]
fn an_inner_tree_that_is_started_again_gives_the_pool_of_the_handle_its_workers() {
    let (sys, log) = (system(2), Log::default());
    let sizes = Arc::new(AtomicUsize::new(2));
    let street = Street::start(&sys, log.clone(), sizes.clone()).unwrap();
    let events = sys.events();
    let before = street.stall.helpers.workers();
    assert_eq!(before.len(), 2);
    assert!(street.stall.sign.ask().boom().is_err());
    restarted(&events, "stall");
    assert_eq!(
        sizes.load(Ordering::SeqCst),
        4,
        "its arguments were evaluated again"
    );
    // Without a refresh: the pool is the same, and its size its own.
    let now = street.stall.helpers.workers();
    assert_eq!(now.len(), 2);
    assert!(now.iter().all(|it| it.ask().work(1).unwrap() == "helper"));
    assert!(before.iter().all(|it| !it.is_alive()));
    street.stall.helpers.resize(3).unwrap();
    let mut fresh = street.clone();
    fresh.refresh();
    assert_eq!(fresh.stall.helpers, street.stall.helpers);
    assert_ne!(fresh.stall.sign, street.stall.sign);
    assert_eq!(fresh.stall.helpers.size(), 3);
}

#[test]
fn two_trees_of_a_type_have_two_pools() {
    let (sys, log) = (system(1), Log::default());
    let root = Supervisor::builder().start(&sys).unwrap();
    let spec = |id| Stall::spec(id, log.clone(), 1);
    let one = root.start_supervisor(spec("one")).unwrap();
    let two = root.start_supervisor(spec("two")).unwrap();
    assert_ne!(one.helpers, two.helpers);
    root.terminate_child("one").unwrap();
    assert_eq!(one.helpers.pick(), Err(Nobody));
    two.helpers.pick().unwrap().ask().work(1).unwrap();
}

#[test]
fn a_worker_that_does_not_start_fails_the_start_of_the_tree_and_those_before_are_stopped() {
    let (sys, log) = (system(2), Log::default());
    *log.broken.lock().unwrap() = Some("hand-2".into());
    let error = Shop::start(&sys, log.clone(), 4).unwrap_err();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    assert!(text.contains("hand-2 is broken"), "{text}");
    let mut seen = log.take();
    seen[3..5].sort_unstable();
    let expected = ["+door", "+hand-0", "+hand-1", "-hand-0", "-hand-1", "-door"];
    assert_eq!(seen, lines(&expected));
}

/// All settings that workers have, and those of the pool.
#[supervisor(one_for_all, args(log: Log))]
struct Settings {
    #[pool(log.hand("a"), size = 2, balance = least_loaded, transient)]
    least: Pool<Hand>,
    #[pool(log.hand("b"), size = 1 + 1, balance = two_choices, drain = "60s", shutdown = brutal_kill)]
    two: Pool<Hand>,
    #[pool(log.hand("c"), size = 0, balance = random, backoff = "1ms..2ms")]
    none: Pool<Hand>,
}

#[test]
fn its_settings_are_those_of_the_builder() {
    let (sys, log) = (system(1), Log::default());
    let all = Settings::start(&sys, log.clone()).unwrap();
    let balance = |pool: &Pool<Hand>| {
        format!("{pool:?}")
            .split("balance: ")
            .nth(1)
            .map(|it| it.split(',').next().unwrap().to_owned())
    };
    let balances = [&all.least, &all.two, &all.none].map(|it| balance(it).unwrap());
    let expected = [Balance::LeastLoaded, Balance::TwoChoices, Balance::Random];
    assert_eq!(balances, expected.map(|it| format!("{it:?}")));
    // Transient: who leaves for good leaves the slot empty.
    let gone = all.least.get(0).unwrap();
    gone.stop();
    end(&gone);
    all.least.supervisor().unwrap().count_children().unwrap();
    assert_eq!(all.least.get(0), None);
    assert_eq!(all.least.pick().unwrap(), all.least.get(1).unwrap());
    // Nobody yet, and growing.
    assert_eq!(all.none.pick(), Err(Nobody));
    all.none.resize(1).unwrap();
    assert_eq!(all.none.pick().unwrap().ask().work(1).unwrap(), "c");
    log.take();
    all.stop();
    all.join();
    // Those of the second are killed, and their hooks do not run.
    assert_eq!(log.take(), lines(&["-c", "-a"]));
}
