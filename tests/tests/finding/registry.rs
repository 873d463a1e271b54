//! Names: what happens when two want the same, and how one waits for a name.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use actor_core::testing::{self, Explorer};
use actor_core::{Event, LookupError, OnConflict, RegisterError, SpawnOptions};

use super::*;

fn named(name: &str, on_conflict: OnConflict) -> SpawnOptions {
    SpawnOptions::new().name(name).on_conflict(on_conflict)
}

fn names(sys: &System) -> Vec<String> {
    sys.names().iter().map(|it| it.to_string()).collect()
}

#[test]
fn a_name_in_use_is_refused_unless_said_otherwise() {
    let sys = system(1);
    let first = sys.spawn_with(SpawnOptions::new().name("one"), Noter::default());
    let first = first.unwrap();
    let refused = sys
        .spawn_with(SpawnOptions::new().name("one"), Noter::default())
        .unwrap_err();
    assert!(matches!(refused, SpawnError::NameTaken(it) if it.holder == first.id()));
    let other = noter(&sys);
    for addr in [&other, &first] {
        let refused = sys.register("one", addr, OnConflict::Refuse).unwrap_err();
        assert!(
            matches!(refused, RegisterError::NameTaken(it) if it.holder == first.id()),
            "also of the holder itself"
        );
    }
    assert_eq!(sys.lookup::<Noter>("one").unwrap(), first);
}

#[test]
fn a_name_taken_over_leads_to_the_newcomer_and_the_old_holder_is_told_of() {
    let sys = system(1);
    let old = sys.spawn_named("one", Noter::default()).unwrap();
    let new = noter(&sys);
    let events = sys.events();
    let lost = sys.register("one", &new, OnConflict::TakeOver).unwrap();
    assert_eq!(lost.map(|it| it.id), Some(old.id()));
    assert_eq!(sys.lookup::<Noter>("one").unwrap(), new);
    assert!(events.try_iter().any(|event| matches!(
        event,
        Event::NameLost { who, name, holder, .. }
            if who.id == old.id() && &*name == "one" && holder == new.id()
    )));
    // The old one lives, and its end does not touch the name.
    old.ask().note(1).unwrap();
    old.stop();
    end(&old);
    assert_eq!(sys.lookup::<Noter>("one").unwrap(), new);
    new.stop();
    end(&new);
    assert!(sys.names().is_empty());
}

#[test]
fn the_old_holder_is_stopped_or_killed_if_the_policy_says_so() {
    let sys = system(1);
    for (policy, reason) in [
        (OnConflict::StopHolder, ExitReason::Normal),
        (OnConflict::KillHolder, ExitReason::Killed),
    ] {
        let old = sys
            .spawn_with(named("one", policy), Noter::default())
            .unwrap();
        let new = sys
            .spawn_with(named("one", policy), Noter::default())
            .unwrap();
        assert_eq!(end(&old), reason);
        assert_eq!(sys.lookup::<Noter>("one").unwrap(), new);
        new.stop();
        end(&new);
    }
}

#[test]
fn whoever_has_the_name_already_keeps_it_and_is_left_alone() {
    let sys = system(1);
    let addr = sys.spawn_named("one", Noter::default()).unwrap();
    let lost = sys.register("one", &addr, OnConflict::KillHolder).unwrap();
    assert_eq!(lost, None);
    addr.ask().note(1).unwrap();
    assert_eq!(sys.lookup::<Noter>("one").unwrap(), addr);
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

#[test]
fn a_start_that_fails_takes_no_name_over() {
    let sys = system(1);
    let old = sys.spawn_named("one", Noter::default()).unwrap();
    let failed = sys.spawn_with(named("one", OnConflict::KillHolder), Hopeless);
    assert!(matches!(failed, Err(SpawnError::Start(_))));
    assert_eq!(sys.lookup::<Noter>("one").unwrap(), old);
    old.ask().note(1).unwrap();
}

#[test]
fn an_actor_may_have_several_names_and_loses_all_when_it_ends() {
    let sys = system(1);
    let addr = sys.spawn_named("a", Noter::default()).unwrap();
    for name in ["c", "b"] {
        sys.register(name, &addr, OnConflict::Refuse).unwrap();
    }
    assert_eq!(names(&sys), ["a", "b", "c"]);
    for name in ["a", "b", "c"] {
        assert_eq!(sys.lookup::<Noter>(name).unwrap(), addr);
    }
    addr.kill();
    end(&addr);
    assert!(sys.names().is_empty());
    // Free again, all of them.
    for name in ["a", "b", "c"] {
        sys.spawn_named(name, Noter::default()).unwrap();
    }
}

#[test]
fn an_unregistered_actor_goes_on_without_the_name_and_events_show_the_next() {
    let sys = system(1);
    let addr = sys.spawn_named("a", Noter::default()).unwrap();
    sys.register("b", &addr, OnConflict::Refuse).unwrap();
    assert!(sys.unregister("a"));
    assert!(!sys.unregister("a"));
    assert_eq!(sys.lookup::<Noter>("a").unwrap_err(), LookupError::NotFound);
    assert_eq!(names(&sys), ["b"]);
    addr.ask().note(1).unwrap();
    let next = sys.spawn_named("a", Noter::default()).unwrap();
    let events = sys.events();
    addr.stop();
    end(&addr);
    let who = events.try_iter().find_map(|event| match event {
        Event::Exited { who, .. } => Some(who),
        _ => None,
    });
    assert_eq!(who.unwrap().name.as_deref(), Some("b"));
    assert_eq!(sys.lookup::<Noter>("a").unwrap(), next);
    assert_eq!(names(&sys), ["a"]);
}

#[test]
fn the_dead_and_the_strangers_get_no_names() {
    let (sys, other) = (system(1), system(1));
    let stranger = noter(&other);
    let dead = noter(&sys);
    dead.stop();
    end(&dead);
    let holder = sys.spawn_named("one", Noter::default()).unwrap();
    for policy in [OnConflict::Refuse, OnConflict::KillHolder] {
        assert_eq!(
            sys.register("one", &stranger, policy),
            Err(RegisterError::OtherSystem)
        );
        assert_eq!(
            sys.register("one", &dead, policy),
            Err(RegisterError::Ended)
        );
    }
    holder.ask().note(1).unwrap();
    assert_eq!(sys.lookup::<Noter>("one").unwrap(), holder);
}

#[test]
fn all_names_of_a_supervised_child_are_kept_across_restarts() {
    let sys = system(2);
    let sup = Supervisor::builder()
        .intensity(MANY, LIMIT)
        .child(ChildSpec::new("noter", Noter::default).name("a"))
        .start(&sys)
        .unwrap();
    let child = sup.child::<Noter>("noter").unwrap();
    sys.register("b", &child, OnConflict::Refuse).unwrap();
    for _ in 0..10 {
        assert!(child.ask().boom().is_err());
        for name in ["a", "b"] {
            let found = sys.lookup::<Noter>(name).unwrap();
            assert_eq!(found, child);
            found.ask().note(1).unwrap();
        }
    }
    sup.terminate_child("noter").unwrap();
    assert!(sys.names().is_empty());
}

#[test]
fn a_lookup_waits_for_the_name_and_no_longer_than_it_is_told() {
    testing::check(|sys| {
        let other = sys.clone();
        let late = microthread::spawn(move || {
            microthread::sleep(Duration::from_secs(5));
            other.spawn_named("b", Noter::default()).unwrap(); // not that one
            microthread::sleep(Duration::from_secs(5));
            other.spawn_named("a", Noter::default()).unwrap()
        });
        let start = testing::elapsed();
        let found = sys.lookup_timeout::<Noter>("a", LIMIT).unwrap();
        assert_eq!(testing::elapsed() - start, Duration::from_secs(10));
        assert_eq!(found, late.join().unwrap());
        let none = sys.lookup_timeout::<Noter>("c", LIMIT).unwrap_err();
        assert_eq!(none, LookupError::NotFound);
        assert_eq!(
            testing::elapsed() - start,
            Duration::from_secs(10) + LIMIT,
            "it waits as long as it may"
        );
        let wrong = sys.lookup_timeout::<Hopeless>("a", LIMIT).unwrap_err();
        assert!(matches!(wrong, LookupError::WrongType { .. }));
    });
}

#[test]
fn a_lookup_that_waits_misses_no_name() {
    let sys = system(2);
    for n in 0..2_000 {
        let name = format!("n{n}");
        let (waiter, barrier) = (sys.clone(), Arc::new(Barrier::new(2)));
        let (wanted, both) = (name.clone(), barrier.clone());
        let waits = std::thread::spawn(move || {
            both.wait();
            waiter.lookup_timeout::<Noter>(&wanted, LIMIT)
        });
        barrier.wait();
        let addr = sys.spawn_named(name, Noter::default()).unwrap();
        assert_eq!(waits.join().unwrap(), Ok(addr.clone()));
        addr.stop();
    }
}

#[test]
fn of_many_that_want_one_actor_of_a_name_one_makes_it() {
    testing::check(|sys| {
        let made = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..4)
            .map(|n| {
                let (sys, made) = (sys.clone(), made.clone());
                microthread::spawn(move || {
                    let addr = sys
                        .lookup_or_spawn("one", || {
                            made.fetch_add(1, Ordering::Relaxed);
                            testing::switch_point();
                            Noter::default()
                        })
                        .unwrap();
                    addr.tell().note(n).unwrap();
                    addr
                })
            })
            .collect();
        let addrs: Vec<_> = callers.into_iter().map(|it| it.join().unwrap()).collect();
        assert!(addrs.iter().all(|it| *it == addrs[0]));
        let mut noted = addrs[0].ask().noted().unwrap();
        noted.sort_unstable();
        assert_eq!(noted, [0, 1, 2, 3]);
        assert!(made.load(Ordering::Relaxed) >= 1);
    });
    let sys = system(1);
    sys.spawn_named("one", Noter::default()).unwrap();
    let wrong = sys.lookup_or_spawn("one", || Hopeless).unwrap_err();
    assert!(matches!(wrong, SpawnError::NameTaken(_)), "{wrong:?}");
}

#[test]
fn a_name_passed_on_by_force_is_never_missing() {
    let explorer = Explorer::new();
    explorer.check(|sys| {
        sys.spawn_named("one", Noter::default()).unwrap();
        let takers: Vec<_> = (0..3)
            .map(|_| {
                let sys = sys.clone();
                microthread::spawn(move || {
                    sys.spawn_with(named("one", OnConflict::StopHolder), Noter::default())
                        .unwrap()
                })
            })
            .collect();
        for _ in 0..10 {
            sys.lookup::<Noter>("one").unwrap();
            microthread::yield_now();
        }
        let takers: Vec<_> = takers.into_iter().map(|it| it.join().unwrap()).collect();
        let holder = sys.lookup::<Noter>("one").unwrap();
        for taker in takers {
            if taker != holder {
                assert_eq!(taker.join(), ExitReason::Normal);
            }
        }
        holder.ask().note(1).unwrap();
    });
}
