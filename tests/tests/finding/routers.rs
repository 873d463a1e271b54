//! Routers: which member of a group gets a message.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use actor_core::testing::{self, Explorer};
use actor_core::{Backoff, Balance, Group, Nobody, RouteError, Router};

use super::*;

const ALL: [Balance; 4] = [
    Balance::RoundRobin,
    Balance::LeastLoaded,
    Balance::TwoChoices,
    Balance::Random,
];

fn noters(sys: &System, n: usize) -> (Group<Noter>, Vec<Addr<Noter>>) {
    let group = Group::new(sys);
    let all: Vec<_> = (0..n).map(|_| noter(sys)).collect();
    all.iter().for_each(|it| group.join(it).unwrap());
    (group, all)
}

fn note(n: u64) -> NoterMsg {
    NoterMsg::Note { n }
}

#[test]
fn round_robin_takes_members_in_turn_and_follows_the_group() {
    let sys = system(1);
    let (group, all) = noters(&sys, 3);
    let router = Router::new(&group, Balance::RoundRobin);
    let same = router.clone();
    for n in 0..6 {
        let router = if n % 2 == 0 { &router } else { &same };
        assert_eq!(router.pick().unwrap(), all[n % 3]);
    }
    group.leave(&all[1]);
    let four: Vec<_> = (0..4).map(|_| router.pick().unwrap()).collect();
    assert_eq!(four[..2], four[2..]);
    assert!(!four.contains(&all[1]));
    group.join(&all[1]).unwrap();
    let three: Vec<_> = (0..3).map(|_| router.pick().unwrap()).collect();
    assert!(all.iter().all(|it| three.contains(it)));
}

#[test]
fn a_member_that_has_ended_is_never_picked() {
    let sys = system(2);
    for balance in ALL {
        let (group, all) = noters(&sys, 4);
        let router = Router::new(&group, balance);
        for (n, dying) in all[..3].iter().enumerate() {
            dying.kill();
            end(dying);
            for key in 0..50 {
                let dead = &all[..=n];
                assert!(!dead.contains(&router.pick().unwrap()), "{balance:?}");
                assert!(!dead.contains(&router.by_key(&key).unwrap()));
            }
        }
    }
}

#[test]
fn a_router_to_nobody_gives_the_message_back() {
    let sys = system(1);
    for balance in ALL {
        let (group, all) = noters(&sys, 1);
        let router = Router::new(&group, balance);
        all[0].stop();
        end(&all[0]);
        assert_eq!(router.pick(), Err(Nobody));
        assert_eq!(router.by_key("a"), Err(Nobody));
        for error in [
            router.send(note(7)),
            router.try_send(note(7)),
            router.send_by_key("a", note(7)),
        ] {
            let error = error.unwrap_err();
            assert!(matches!(error, RouteError::Nobody(NoterMsg::Note { n: 7 })));
        }
        assert_eq!(router.publish_with(|_| note(7)).delivered, 0);
    }
}

#[test]
fn the_least_loaded_gets_the_next_message() {
    // Nobody handles anything before we wait.
    Explorer::new().switch_points(false).check(|sys| {
        let (group, all) = noters(sys, 4);
        for (waiting, member) in [2, 0, 1, 5].into_iter().zip(&all) {
            (0..waiting).for_each(|n| member.tell().note(n).unwrap());
        }
        let router = Router::new(&group, Balance::LeastLoaded);
        // Up to the level of the fullest.
        for n in 0..4 * 5 - 8 {
            router.send(note(n)).unwrap();
            let levels: Vec<_> = all.iter().map(Addr::queued).collect();
            let rest = &levels[..3];
            let spread = rest.iter().max().unwrap() - rest.iter().min().unwrap();
            assert!(spread <= 2, "{levels:?}");
            assert_eq!(levels[3], 5);
        }
        assert!(all.iter().all(|it| it.queued() == 5));
        // Idle ones in turn.
        group.leave(&all[3]);
        all[..3].iter().for_each(|it| drop(it.ask().noted()));
        let three: Vec<_> = (0..3).map(|_| router.pick().unwrap()).collect();
        assert!(all[..3].iter().all(|it| three.contains(it)));
    });
}

#[test]
fn of_two_choices_the_fullest_is_spared() {
    Explorer::new().switch_points(false).check(|sys| {
        let (group, all) = noters(sys, 3);
        (0..100).for_each(|n| all[1].tell().note(n).unwrap());
        let router = Router::new(&group, Balance::TwoChoices);
        (0..60).for_each(|n| router.send(note(n)).unwrap());
        assert_eq!(all[1].queued(), 100);
        assert_eq!(all[0].queued() + all[2].queued(), 60);
    });
}

#[test]
fn random_picks_are_the_seeds() {
    let picks = |seed| {
        let picks = Arc::new(Mutex::new(Vec::new()));
        let own = picks.clone();
        let report = Explorer::new().seed(seed).run(move |sys| {
            let (group, all) = noters(sys, 5);
            let router = Router::new(&group, Balance::Random);
            let picked = (0..40).map(|_| router.pick().unwrap());
            let places = picked.map(|it| all.iter().position(|one| *one == it));
            *own.lock().unwrap() = places.collect::<Vec<_>>();
        });
        report.unwrap();

        picks.lock().unwrap().clone()
    };
    assert_eq!(picks(1), picks(1));
    assert_ne!(picks(1), picks(2));
}

#[test]
fn a_key_keeps_its_member_and_few_keys_move_when_the_group_changes() {
    const KEYS: u64 = 1_000;
    let sys = system(1);
    let (group, all) = noters(&sys, 5);
    let router = Router::new(&group, Balance::RoundRobin);
    let owners = || -> Vec<_> { (0..KEYS).map(|key| router.by_key(&key).unwrap()).collect() };
    let before = owners();
    assert_eq!(before, owners());
    let (newcomer, gone) = (noter(&sys), &all[2]);
    group.join(&newcomer).unwrap();
    let after = owners();
    let moved: Vec<_> = before.iter().zip(&after).filter(|(a, b)| a != b).collect();
    assert!(moved.iter().all(|(_, is)| **is == newcomer));
    assert!(
        (80..250).contains(&moved.len()),
        "about a sixth: {}",
        moved.len()
    );
    gone.kill();
    end(gone);
    let last = owners();
    for (was, is) in after.iter().zip(&last) {
        assert!(
            was == is || was == gone,
            "only the keys of who is gone move"
        );
    }
    group.leave(&newcomer);
    let rest = owners();
    for (was, is) in before.iter().zip(&rest) {
        assert!(was == is || was == gone, "back where they were");
    }
}

#[test]
fn a_full_member_is_passed_over_by_a_sender_that_does_not_wait() {
    #[actor(mailbox = 2)]
    struct Small;
    #[actor]
    impl Small {
        pub fn take(&mut self, n: u64) {
            let _ = n;
        }
    }
    Explorer::new().switch_points(false).check(|sys| {
        let group = Group::new(sys);
        for _ in 0..3 {
            group.join(&sys.spawn(Small).unwrap()).unwrap();
        }
        for balance in ALL {
            let router = Router::new(&group, balance);
            for n in 0..6 {
                router.try_send(SmallMsg::Take { n }).unwrap();
            }
            assert!(group.members().iter().all(|it| it.queued() == 2));
            let full = router.try_send(SmallMsg::Take { n: 9 }).unwrap_err();
            assert!(matches!(full, RouteError::Full(SmallMsg::Take { n: 9 })));
            group.members().iter().for_each(|it| drop(it.ask().take(0)));
        }
    });
}

#[test]
fn a_member_that_waits_to_be_started_again_gets_nothing_unless_all_do() {
    testing::check(|sys| {
        quiet();
        let backoff = Backoff::new(Duration::from_secs(10), Duration::from_secs(10));
        let sup = Supervisor::builder()
            .intensity(MANY, LIMIT)
            .child(ChildSpec::new("a", Noter::default).backoff(backoff))
            .child(ChildSpec::new("b", Noter::default).backoff(backoff))
            .start(sys)
            .unwrap();
        let (a, b) = (sup.child::<Noter>("a"), sup.child::<Noter>("b"));
        let (a, b) = (a.unwrap(), b.unwrap());
        let group = Group::new(sys);
        group.join(&a).unwrap();
        group.join(&b).unwrap();
        for balance in ALL {
            let router = Router::new(&group, balance);
            assert!(a.ask().boom().is_err());
            microthread::sleep(Duration::from_secs(1)); // it is down by now
            for n in 0..5 {
                assert_eq!(router.pick().unwrap(), b, "{balance:?}");
                // A key stays with its member: its state is there, or will be.
                let owner = router.by_key(&n).unwrap();
                assert!(owner == a || owner == b);
            }
            assert!(b.ask().boom().is_err());
            microthread::sleep(Duration::from_secs(1));
            router.pick().unwrap(); // waits for its restart with us
            microthread::sleep(Duration::from_secs(30));
        }
    });
}

/// Members end while others send: what a router's send accepts is handled or counted, and it fails only when nobody is left.
#[test]
fn a_send_goes_on_to_another_when_the_one_it_picked_has_ended() {
    let sys = system(2);
    for balance in ALL {
        let (group, all) = noters(&sys, 40);
        let router = Router::new(&group, balance);
        let done = AtomicBool::new(false);
        let sent = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for n in 0.. {
                        let last = done.load(Ordering::SeqCst);
                        let key = n % 7;
                        match n % 3 {
                            0 => router.send(note(n)).unwrap(),
                            1 => router.try_send(note(n)).unwrap(),
                            _ => router.send_by_key(&key, note(n)).unwrap(),
                        }
                        sent.fetch_add(1, Ordering::SeqCst);
                        if last {
                            break;
                        }
                    }
                });
            }
            for member in &all[1..] {
                member.kill();
                end(member);
            }
            done.store(true, Ordering::SeqCst);
        });
        assert!(sent.into_inner() > 0);
        assert_eq!(group.members()[..], all[..1]);
    }
}

#[test]
fn everybody_is_published_to() {
    let sys = system(1);
    let (group, all) = noters(&sys, 3);
    let router = Router::new(&group, Balance::RoundRobin);
    let mut next = 0;
    let published = router.publish_with(|_| {
        next += 1;
        note(next)
    });
    assert_eq!(published.delivered, 3);
    let noted: BTreeMap<_, _> = all
        .iter()
        .enumerate()
        .map(|(n, it)| (n as u64, it.ask().noted().unwrap()))
        .collect();
    for (n, noted) in noted {
        assert_eq!(noted, [n + 1], "in the order of joining");
    }
}
