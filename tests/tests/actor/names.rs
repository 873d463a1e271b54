//! Names.

use actor_core::LookupError;
use actor_core::prelude::*;

use super::support::*;

#[test]
fn a_name_leads_to_its_actor_until_that_ends() {
    let sys = system(1);
    let probe = sys.spawn_named("one", Probe::default()).unwrap();
    assert_eq!(sys.lookup::<Probe>("one").unwrap(), probe);
    let taken = sys.spawn_named("one", Probe::default()).unwrap_err();
    assert!(
        matches!(taken, SpawnError::NameTaken(it) if &*it.name == "one" && it.holder == probe.id())
    );
    assert_eq!(sys.lookup::<Probe>("one").unwrap(), probe);
    probe.stop();
    end(&probe);
    assert!(matches!(
        sys.lookup::<Probe>("one"),
        Err(LookupError::NotFound)
    ));
    let next = sys.spawn_named("one", Probe::default()).unwrap();
    assert_ne!(next, probe);
    assert_eq!(sys.lookup::<Probe>("one").unwrap(), next);
}

#[test]
fn a_name_is_free_after_a_kill_and_a_panic_too() {
    let sys = system(2);
    for n in 0..200 {
        let probe = sys.spawn_named("phoenix", Probe::default()).unwrap();
        if n % 2 == 0 {
            probe.kill();
        } else {
            perform(&probe, |_, _| panic!("burn"));
        }
        end(&probe);
    }
    assert!(sys.names().is_empty());
}

#[test]
fn a_name_asked_for_as_another_type_is_an_error_of_its_own() {
    let sys = system(1);
    sys.spawn_named("one", Probe::default()).unwrap();
    let wrong = sys.lookup::<Narrow<1>>("one").unwrap_err();
    assert!(
        matches!(wrong, LookupError::WrongType { held, wanted } if held.contains("Probe") && wanted.contains("Narrow"))
    );
    assert!(matches!(
        sys.lookup::<Probe>("two"),
        Err(LookupError::NotFound)
    ));
}

#[test]
fn names_are_listed_sorted_and_belong_to_one_system() {
    let (one, two) = (system(1), system(1));
    for name in ["c", "a", "b"] {
        one.spawn_named(name, Probe::default()).unwrap();
    }
    let names = one.names();
    assert!(names.iter().map(|name| &**name).eq(["a", "b", "c"]));
    assert!(two.names().is_empty());
    two.spawn_named("a", Narrow::<1>::default()).unwrap();
    assert!(one.lookup::<Probe>("a").is_ok());
}

#[test]
fn an_own_stack_actor_whose_name_is_taken_gives_its_stack_back() {
    let sys = system(1);
    sys.spawn_named("one", Probe::default()).unwrap();
    for _ in 0..3 {
        assert!(sys.spawn_named("one", Loner).is_err());
    }
    assert_eq!(sys.stats().stacks_in_use, 0);
}

#[actor]
pub struct Loner;

#[actor]
impl Loner {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        let _ = inbox.recv();
        Exit::Normal
    }
}

#[test]
fn a_name_is_free_once_its_actor_has_failed_to_start() {
    let sys = system(2);
    for _ in 0..2_000 {
        let failed = sys.spawn_named("hopeless", Hopeless).unwrap_err();
        assert!(matches!(failed, SpawnError::Start(_)), "{failed:?}");
    }
}

#[actor]
pub struct Hopeless;

#[actor]
impl Hopeless {
    #[on_start]
    fn start(&mut self) -> Result<(), &'static str> {
        Err("as ever")
    }
}
