//! Things that are saved where they live, between moves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actor_core::image::Image;
use actor_core::migrate::{MoveError, Node, NodeError, Place, SaveError, local_pair};
use actor_core::store::{FileStore, Loaded, MemoryStore, Store, StoreError};
use actor_core::{Addr, System, microthread, migratable};
use tests::{Gate, ms, within};

use super::nodes::{Ledger, World, a_sum, adopted, connect, world, world_with};

/// Counts what is saved, sees that no older record takes the place of a newer one, and may be held up or fail.
#[derive(Default)]
struct Watched {
    inner: MemoryStore,
    saves: AtomicUsize,
    fails: AtomicBool,
    /// Who comes waits here, if there is one.
    gate: Mutex<Option<Gate>>,
    epochs: Mutex<HashMap<String, u64>>,
}

impl Watched {
    fn saves(&self) -> usize {
        self.saves.load(Ordering::SeqCst)
    }

    fn hold(&self) -> Gate {
        let gate = Gate::new();
        *self.gate.lock().unwrap() = Some(gate.clone());
        gate
    }
}

impl Store for Watched {
    fn save(&self, name: &str, image: &Image) -> Result<(), StoreError> {
        self.saves.fetch_add(1, Ordering::SeqCst);
        let gate = self.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.wait();
        }
        if self.fails.load(Ordering::SeqCst) {
            let error = std::io::Error::other("full");
            let doing = "writing".to_owned();
            return Err(StoreError::Io { doing, error });
        }
        let epoch = image.head().epoch_number();
        let last = (self.epochs.lock().unwrap()).insert(name.to_owned(), epoch);
        assert!(last <= Some(epoch), "{epoch} behind {last:?}");
        self.inner.save(name, image)
    }

    fn load(&self, name: &str) -> Result<Loaded, StoreError> {
        self.inner.load(name)
    }

    fn remove(&self, name: &str) -> Result<bool, StoreError> {
        self.epochs.lock().unwrap().remove(name);
        self.inner.remove(name)
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        self.inner.names()
    }
}

fn with_store(name: &str, store: &Arc<Watched>) -> World {
    let store = store.clone();
    world_with(name, |it| it.store(store))
}

/// A node with a store, and an empty ledger there.
fn a_ledger() -> (Arc<Watched>, World, Addr<Ledger>) {
    let store = Arc::new(Watched::default());
    let a = with_store("a", &store);
    let ledger = adopted(&a, Ledger::default());
    (store, a, ledger)
}

/// What a node that is started from this store has in it.
fn after_a_crash(name: &str, store: &Arc<Watched>) -> Vec<u64> {
    let again = with_store(name, store);
    let ledger = again.node.actor::<Ledger>("ledger").unwrap();
    ledger.ask().entries().unwrap()
}

#[test]
fn what_was_handled_before_a_save_is_there_after_a_crash_and_what_was_after_is_not() {
    within(60, || {
        let (store, a, ledger) = a_ledger();
        ledger.ask().add(1).unwrap();
        ledger.ask().add(2).unwrap();
        a.node.save("ledger").unwrap();
        ledger.ask().add(3).unwrap();
        assert_eq!(after_a_crash("a", &store), [1, 2]);
    });
}

#[test]
fn what_waits_is_saved_too_unless_it_was_asked() {
    within(60, || {
        let (store, a, ledger) = a_ledger();
        ledger.sys().suspend().unwrap();
        ledger.tell().add(1).unwrap();
        let asked = ledger.request().add(2);
        ledger.tell().add(3).unwrap();
        a.node.save("ledger").unwrap();
        assert_eq!(after_a_crash("a", &store), [1, 3]);
        ledger.sys().resume().unwrap();
        assert_eq!(asked.wait().unwrap(), 2);
    });
}

#[test]
fn many_who_wait_at_once_cost_two_saves_at_most() {
    within(60, || {
        let (store, a, ledger) = a_ledger();
        ledger.ask().add(0).unwrap();
        let (before, gate) = (store.saves(), store.hold());
        // They have come when all of them are in the next save.
        let asked = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let save = || a.node.save("ledger").unwrap();
            scope.spawn(save);
            tests::until(|| gate.waiting() == 1);
            for n in 1..=20 {
                let (ledger, asked) = (ledger.clone(), &asked);
                scope.spawn(move || {
                    ledger.ask().add(n).unwrap();
                    asked.fetch_add(1, Ordering::SeqCst);
                    save();
                });
            }
            tests::until(|| asked.load(Ordering::SeqCst) == 20);
            gate.open();
        });
        let cost = store.saves() - before;
        // One more for those who were late for the second.
        assert!((2..=3).contains(&cost), "{cost} saves");
        let mut saved = after_a_crash("a", &store);
        saved.sort_unstable();
        assert_eq!(saved, (0..=20).collect::<Vec<_>>());
    });
}

#[test]
fn what_is_as_it_was_is_not_written_again() {
    within(60, || {
        let (store, a, ledger) = a_ledger();
        ledger.ask().add(1).unwrap();
        a.node.save("ledger").unwrap();
        let saves = store.saves();
        a.node.save("ledger").unwrap();
        assert_eq!(store.saves(), saves);
        ledger.ask().add(2).unwrap();
        a.node.save("ledger").unwrap();
        assert_eq!(store.saves(), saves + 1);
        // Back from a move the record is another, though it is the same.
        let b = world("b");
        connect(&a.node, &b.node);
        a.node.migrate("ledger", "b").unwrap();
        b.node.migrate("ledger", "a").unwrap();
        a.node.save("ledger").unwrap();
        let saves = store.saves();
        a.node.save("ledger").unwrap();
        assert_eq!(store.saves(), saves);
        assert_eq!(after_a_crash("a", &store), [1, 2]);
    });
}

#[test]
fn a_store_that_fails_is_an_error_and_the_next_save_writes() {
    within(60, || {
        let (store, a, ledger) = a_ledger();
        ledger.ask().add(1).unwrap();
        store.fails.store(true, Ordering::SeqCst);
        let error = a.node.save("ledger").unwrap_err();
        assert!(matches!(error, SaveError::NotSaved(_)), "{error}");
        assert_eq!(ledger.ask().add(2).unwrap(), 2);
        store.fails.store(false, Ordering::SeqCst);
        a.node.save("ledger").unwrap();
        assert_eq!(after_a_crash("a", &store), [1, 2]);
        // Nor is a move in its way.
        let b = world("b");
        connect(&a.node, &b.node);
        assert!(a.node.migrate("ledger", "b").unwrap().confirmed);
    });
}

#[test]
fn what_does_not_live_here_is_not_saved_and_without_a_store_nothing_is() {
    within(60, || {
        let store = Arc::new(Watched::default());
        let (a, b) = (with_store("a", &store), world("b"));
        connect(&a.node, &b.node);
        assert!(matches!(a.node.save("ledger"), Err(SaveError::NotHere)));
        let _ledger = adopted(&a, Ledger::default());
        a.node.migrate("ledger", "b").unwrap();
        assert!(matches!(a.node.save("ledger"), Err(SaveError::NotHere)));
        assert!(matches!(b.node.save("ledger"), Err(SaveError::NoStore)));
    });
}

#[test]
fn an_actor_that_comes_to_no_boundary_is_not_saved_and_goes_on() {
    within(60, || {
        let store = Arc::new(Watched::default());
        let set = store.clone();
        let a = world_with("a", |it| it.store(set).patience(ms(50)));
        let gate = Gate::new();
        let ledger = adopted(&a, Ledger::held_by(&gate));
        ledger.tell().wait().unwrap();
        tests::until(|| gate.waiting() == 1);
        let error = a.node.save("ledger").unwrap_err();
        assert!(matches!(error, SaveError::TimedOut), "{error}");
        gate.open();
        ledger.ask().add(1).unwrap();
        a.node.save("ledger").unwrap();
        assert_eq!(after_a_crash("a", &store), [1]);
    });
}

/// It is saved at one node, moved to the other, saved there, and so on, while others save it too; its records never go back.
#[test]
fn saves_and_moves_at_once_never_put_an_older_record_in_the_place_of_a_newer() {
    within(120, || {
        let stores = [(); 2].map(|()| Arc::new(Watched::default()));
        let (a, b) = (with_store("a", &stores[0]), with_store("b", &stores[1]));
        connect(&a.node, &b.node);
        let ledger = adopted(&a, Ledger::default());
        let moved = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for at in [&a, &b] {
                for _ in 0..2 {
                    scope.spawn(|| {
                        while !moved.load(Ordering::SeqCst) {
                            match at.node.save("ledger") {
                                Ok(()) | Err(SaveError::NotHere) => {}
                                Err(error) => panic!("{error}"),
                            }
                        }
                    });
                }
            }
            for n in 0..40 {
                ledger.ask().add(n).unwrap();
                let (from, to) = if n % 2 == 0 { (&a, "b") } else { (&b, "a") };
                let from = &from.node;
                match from.migrate("ledger", to) {
                    Ok(how) => assert!(how.confirmed),
                    Err(error) => panic!("{error}"),
                }
                // What has just been handled is saved where it is now.
                let home = if n % 2 == 0 { &b } else { &a };
                home.node.save("ledger").unwrap();
            }
            moved.store(true, Ordering::SeqCst);
        });
        let entries = ledger.ask().entries().unwrap();
        assert_eq!(entries, (0..40).collect::<Vec<_>>());
        assert_eq!(after_a_crash("a", &stores[0]), entries);
    });
}

#[test]
fn a_save_that_comes_during_a_move_waits_for_its_end() {
    within(60, || {
        let store = Arc::new(Watched::default());
        let (a, b) = (with_store("a", &store), world("b"));
        // Nobody answers yet.
        let (to_b, to_a) = local_pair("a", "b");
        a.node.attach(to_b).unwrap();
        let _ledger = adopted(&a, Ledger::default());
        std::thread::scope(|scope| {
            let moving = scope.spawn(|| a.node.migrate("ledger", "b"));
            tests::until(|| !a.node.has("ledger"));
            let saving = scope.spawn(|| a.node.save("ledger"));
            let again = a.node.migrate("ledger", "b");
            assert!(matches!(again, Err(MoveError::Moving)), "{again:?}");
            b.node.attach(to_a).unwrap();
            assert!(moving.join().unwrap().unwrap().confirmed);
            assert!(matches!(saving.join().unwrap(), Err(SaveError::NotHere)));
        });
    });
}

#[test]
fn a_function_is_saved_where_it_waits_with_what_is_in_its_channels() {
    within(60, || {
        let store = Arc::new(Watched::default());
        let a = with_store("a", &store);
        let (start, sides) = a_sum(4);
        a.node.spawn_with("sum", start, sides.clone()).unwrap();
        sides.0.send(1).unwrap();
        sides.0.send(10).unwrap();
        a.node.save("sum").unwrap();
        sides.0.send(100).unwrap(); // lost
        let again = with_store("a", &store);
        let (name, there) = again.arrivals.recv().unwrap();
        assert_eq!(name, "sum");
        there.0.send(1_000).unwrap();
        there.0.send(10_000).unwrap();
        assert_eq!(there.1.recv().unwrap(), 11_011);
        // The one that was saved went on as it was.
        sides.0.send(1_000).unwrap();
        assert_eq!(sides.1.recv().unwrap(), 1_111);
        tests::until(|| !a.node.has("sum") && !again.node.has("sum"));
        assert_eq!(store.names().unwrap(), Vec::<String>::new());
    });
}

#[migratable]
fn sleeper(to: actor_core::channel::Sender<u64>) {
    for n in 0..4 {
        microthread::sleep(ms(40));
        if to.send(n).is_err() {
            return;
        }
    }
}

#[test]
fn a_function_that_sleeps_ends_though_it_is_saved_all_the_while() {
    within(60, || {
        let store = Arc::new(Watched::default());
        let set = store.clone();
        let a = world_with("a", |it| it.store(set).accept::<sleeper>());
        let (to, seen) = actor_core::channel::unbounded();
        a.node.spawn("sleeper", sleeper(to)).unwrap();
        while a.node.has("sleeper") {
            match a.node.save("sleeper") {
                // It may end meanwhile.
                Ok(()) | Err(SaveError::NotHere | SaveError::TimedOut) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(seen.iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    });
}

#[test]
fn a_node_that_saves_by_itself_does_so_until_it_is_closed() {
    within(60, || {
        let store = Arc::new(Watched::default());
        let set = store.clone();
        let a = world_with("a", |it| it.store(set).save_every(ms(1)));
        let ledger = adopted(&a, Ledger::default());
        let begun = store.saves();
        ledger.ask().add(1).unwrap();
        tests::until(|| store.saves() > begun);
        // It is as it was.
        tests::until(|| after_a_crash("a", &store) == [1]);
        // It fails for a while.
        let events = a.sys.events();
        store.fails.store(true, Ordering::SeqCst);
        ledger.ask().add(2).unwrap();
        let is_it = |event: &actor_core::Event| matches!(event, actor_core::Event::NotSaved { name, .. } if &**name == "ledger");
        while !is_it(&events.recv().unwrap()) {}
        store.fails.store(false, Ordering::SeqCst);
        tests::until(|| after_a_crash("a", &store) == [1, 2]);
        drop(a);
        tests::until(|| Arc::strong_count(&store) == 1);
    });
}

#[test]
fn an_actor_that_has_ended_is_gone_on_from_after_a_restart_unless_it_was_released() {
    within(60, || {
        let (store, a, ledger) = a_ledger();
        ledger.ask().add(1).unwrap();
        a.node.save("ledger").unwrap();
        ledger.stop();
        ledger.join();
        assert!(!a.node.has("ledger"));
        assert_eq!(a.node.place("ledger"), Some(Place::Ended));
        assert_eq!(after_a_crash("a", &store), [1]);
        a.node.release("ledger").unwrap();
        assert_eq!(a.node.place("ledger"), None);
        assert!(matches!(a.node.release("ledger"), Err(SaveError::NotHere)));
        assert!(with_store("a", &store).node.things().is_empty());
        // Its name is free.
        let _ledger = adopted(&a, Ledger::default());
        assert!(a.node.has("ledger"));
    });
}

#[test]
fn a_function_that_was_released_goes_on_and_its_end_is_not_that_of_another_of_its_name() {
    within(60, || {
        let store = Arc::new(Watched::default());
        let a = with_store("a", &store);
        let (first, sides) = a_sum(1);
        a.node.spawn_with("sum", first, sides.clone()).unwrap();
        a.node.release("sum").unwrap();
        let (second, others) = a_sum(1);
        a.node.spawn_with("sum", second, others.clone()).unwrap();
        sides.0.send(1).unwrap();
        assert_eq!(sides.1.recv().unwrap(), 1);
        until_idle(&a);
        assert!(a.node.has("sum"));
        others.0.send(2).unwrap();
        assert_eq!(others.1.recv().unwrap(), 2);
        tests::until(|| a.node.place("sum").is_none());
    });
}

/// Nothing runs there but what waits.
fn until_idle(at: &World) {
    tests::until(|| {
        let stats = at.sys.stats();
        stats.sleeping == stats.workers
    });
}

/// It may have gone since what can still be read.
#[test]
fn a_thing_whose_last_record_is_damaged_does_not_go_on_from_the_one_before() {
    within(60, || {
        let dir = std::env::temp_dir().join(format!("actor-moves-{}", std::process::id()));
        // A microthread of the node before may be just about to end.
        let open = || {
            let mut store = None;
            tests::until(|| {
                store = FileStore::open(&dir).ok();
                store.is_some()
            });
            Arc::new(store.unwrap())
        };
        let sys = System::new().unwrap();
        let start = |store| {
            let builder = Node::builder("a", &sys).accept_actor::<Ledger>();
            builder.store(store).start()
        };
        {
            let node = start(open()).unwrap();
            let ledger = sys.spawn(Ledger::default()).unwrap();
            node.adopt("ledger", &ledger).unwrap();
            ledger.ask().add(1).unwrap();
            node.save("ledger").unwrap();
        }
        let entries = std::fs::read_dir(&dir).unwrap();
        let files = entries.map(|it| it.unwrap().path());
        let last = files
            .filter(|it| it.extension().is_some_and(|it| it == "image"))
            .max();
        std::fs::write(last.unwrap(), b"nothing of the kind").unwrap();
        for _ in 0..2 {
            let error = start(open()).unwrap_err();
            assert!(
                matches!(&error, NodeError::Damaged(thing) if thing == "ledger"),
                "{error}"
            );
        }
        let store = open();
        store.remove("moves/ledger").unwrap();
        assert!(start(store).unwrap().things().is_empty());
        std::fs::remove_dir_all(&dir).unwrap();
    });
}
