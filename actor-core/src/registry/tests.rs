//! The registry's logic, with addresses that lead to nobody.

use super::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// An address of one kind of actor or another.
#[derive(Clone, Debug)]
struct Fake<const KIND: u8> {
    id: u64,
    dead: Arc<AtomicBool>,
    /// The notes.
    names: Arc<Mutex<Vec<Arc<str>>>>,
    /// Called when an address is dropped, as the last address of a real actor might run anything.
    on_drop: Option<Arc<Registry>>,
}

impl<const KIND: u8> Fake<KIND> {
    fn new(id: u64) -> Self {
        Self {
            id,
            dead: Arc::default(),
            names: Arc::default(),
            on_drop: None,
        }
    }

    fn die(&self) {
        self.dead.store(true, Ordering::Release);
    }
}

impl<const KIND: u8> Drop for Fake<KIND> {
    fn drop(&mut self) {
        if let Some(registry) = &self.on_drop {
            registry.unregister("name", u64::MAX);
        }
    }
}

impl<const KIND: u8> Erased for Fake<KIND> {
    fn id(&self) -> u64 {
        self.id
    }
    fn is_alive(&self) -> bool {
        !self.dead.load(Ordering::Acquire)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn who(&self) -> Who {
        Who::new(self.id, "Fake", None)
    }
    fn note_name(&self, name: &Arc<str>) {
        self.names.lock().unwrap().push(name.clone());
    }
    fn forget_name(&self, name: &str) {
        self.names.lock().unwrap().retain(|held| &**held != name);
    }
    fn stop(&self) {}
    fn kill(&self) {}
}

#[test]
fn a_name_leads_to_what_was_registered_as_that_type_only() {
    let registry = Registry::default();
    registry.register("a", Fake::<0>::new(1)).unwrap();
    assert_eq!(registry.lookup::<Fake<0>>("a").unwrap().id, 1);
    let wrong = registry.lookup::<Fake<1>>("a").unwrap_err();
    assert!(
        matches!(wrong, LookupError::WrongType { held, wanted } if held != wanted),
        "{wrong}"
    );
    assert_eq!(
        registry.lookup::<Fake<0>>("b").unwrap_err(),
        LookupError::NotFound
    );
}

#[test]
fn a_name_has_one_holder() {
    let registry = Registry::default();
    registry.register("a", Fake::<0>::new(1)).unwrap();
    let taken = registry.register("a", Fake::<1>::new(2)).unwrap_err();
    assert_eq!(taken, NameTaken::new("a", 1));
    assert_eq!(registry.lookup::<Fake<0>>("a").unwrap().id, 1);
}

#[test]
fn a_late_teardown_does_not_remove_the_successor() {
    let registry = Registry::default();
    let first = Fake::<0>::new(1);
    registry.register("a", first.clone()).unwrap();
    first.die();
    assert_eq!(
        registry.lookup::<Fake<0>>("a").unwrap_err(),
        LookupError::NotFound
    );
    registry.register("a", Fake::<0>::new(2)).unwrap();
    assert!(!registry.unregister("a", 1));
    assert_eq!(registry.lookup::<Fake<0>>("a").unwrap().id, 2);
    assert!(registry.unregister("a", 2));
    assert!(!registry.unregister("a", 2));
}

#[test]
fn registering_the_dead_leaves_nothing() {
    let registry = Registry::default();
    let dead = Fake::<0>::new(1);
    dead.die();
    registry.register("a", dead).unwrap();
    assert!(registry.names.is_empty());
}

#[test]
fn names_are_sorted_and_of_the_living() {
    let registry = Registry::default();
    let dead = Fake::<0>::new(0);
    for (name, address) in [
        ("c", Fake::new(1)),
        ("a", Fake::new(2)),
        ("d", dead.clone()),
        ("b", Fake::new(3)),
    ] {
        registry.register(name, address).unwrap();
    }
    dead.die();
    assert_eq!(
        registry
            .names()
            .iter()
            .map(|name| &**name)
            .collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
}

#[test]
fn an_address_may_call_the_registry_when_dropped() {
    let registry = Arc::new(Registry::default());
    let fake = |id| Fake::<0> {
        id,
        dead: Arc::default(),
        names: Arc::default(),
        on_drop: Some(Arc::clone(&registry)),
    };
    let first = fake(1);
    let dead = Arc::clone(&first.dead);
    registry.register("name", first).unwrap();
    registry.register("name", fake(2)).unwrap_err(); // refused: dropped
    dead.store(true, Ordering::Release);
    registry.register("name", fake(3)).unwrap(); // displaced: dropped
    assert!(registry.unregister("name", 3)); // removed: dropped
}

/// Actors take a name, die and unregister, all at once. None is left behind, and none removes another's.
#[test]
fn takers_and_teardowns_race_without_leaving_or_losing_a_name() {
    let registry = Registry::default();
    let ids = AtomicU64::new(1);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..3000 {
                    let address = Fake::<0>::new(ids.fetch_add(1, Ordering::Relaxed));
                    if registry.register("a", address.clone()).is_ok() {
                        let held = registry.lookup::<Fake<0>>("a").map(|it| it.id);
                        assert_eq!(
                            held,
                            Ok(address.id),
                            "alive, so nobody else can have taken it"
                        );
                        // Its own teardown, racing with a second registration of it.
                        std::thread::scope(|inner| {
                            if address.id.is_multiple_of(64) {
                                inner.spawn(|| {
                                    registry
                                        .register(format!("late-{}", address.id), address.clone())
                                });
                            }
                            address.die();
                            registry.unregister("a", address.id);
                            registry.unregister(&format!("late-{}", address.id), address.id);
                        });
                    }
                }
            });
        }
    });
    assert!(registry.names.is_empty(), "{registry:?}");
}

/// Three take the name from each other by force, and some die. Whoever lived and lost it was displaced once.
#[test]
fn takers_by_force_displace_each_holder_once_and_leave_nothing() {
    const ALL: u64 = 9000;
    let registry = Registry::default();
    let ids = AtomicU64::new(1);
    let displaced = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let address = Fake::<0>::new(ids.fetch_add(1, Ordering::Relaxed));
                    if address.id > ALL {
                        break;
                    }
                    if let Some(lost) = registry.take_over("a", address.clone()) {
                        displaced.lock().unwrap().push(lost.id());
                    }
                    if address.id.is_multiple_of(3) {
                        // Its teardown: dead, notes, lists.
                        address.die();
                        let notes = std::mem::take(&mut *address.names.lock().unwrap());
                        for name in notes {
                            registry.unregister(&name, address.id);
                        }
                    }
                }
            });
        }
    });
    let mut displaced = displaced.into_inner().unwrap();
    let all = displaced.len();
    displaced.sort_unstable();
    displaced.dedup();
    assert_eq!(displaced.len(), all, "nobody is displaced twice");
    // Those that live have lost it, but for the last.
    let last = registry.lookup::<Fake<0>>("a").ok();
    let last_id = last.as_ref().map(|it| it.id);
    for id in (1..=ALL).filter(|id| !id.is_multiple_of(3)) {
        let lost = displaced.binary_search(&id).is_ok();
        assert_eq!(lost, last_id != Some(id), "{id}");
    }
    if let Some(last) = last {
        assert_eq!(last.names.lock().unwrap().len(), 1);
        assert!(registry.unregister("a", last.id));
        assert!(last.names.lock().unwrap().is_empty());
    }
    assert!(registry.names.is_empty(), "{registry:?}");
}

#[test]
fn a_name_by_force_is_swapped_and_its_notes_with_it() {
    let registry = Registry::default();
    let (one, two) = (Fake::<0>::new(1), Fake::<1>::new(2));
    registry.register("a", one.clone()).unwrap();
    assert!(registry.take_over("a", one.clone()).is_none(), "it has it");
    let lost = registry.take_over("a", two.clone()).unwrap();
    assert_eq!(lost.id(), 1);
    assert!(one.names.lock().unwrap().is_empty());
    assert_eq!(two.names.lock().unwrap().len(), 1);
    assert!(!registry.unregister("a", 1));
    two.die();
    assert!(
        registry.take_over("a", one.clone()).is_none(),
        "the dead lose nothing"
    );
    assert_eq!(registry.holder("a"), Some(1));
    assert!(
        registry.take_over("a", two).is_none(),
        "the dead take nothing"
    );
    assert_eq!(registry.holder("a"), Some(1));
    assert!(registry.remove("a"));
    assert!(!registry.remove("a"));
    assert!(one.names.lock().unwrap().is_empty());
}
