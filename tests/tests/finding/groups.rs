//! Groups: who is in them, who is told, and who hears of it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use actor_core::channel::broadcast::RecvError;
use actor_core::testing;
use actor_core::{
    ActorOptions, Group, GroupEvent, GroupWatch, JoinError, NoMethods, Options, Reply,
};

use super::*;

/// Writes down what it is told, as `(itself, what)`.
pub struct Scribe<const BOUND: usize> {
    book: Book,
}

type Book = Arc<Mutex<Vec<(u64, u64)>>>;

impl<const BOUND: usize> ActorOptions for Scribe<BOUND> {
    const OPTIONS: Options = Options::new().mailbox(BOUND);
}

impl<const BOUND: usize> Actor for Scribe<BOUND> {
    type Msg = u64;
    type Tell<'a> = NoMethods;
    type TryTell<'a> = NoMethods;
    type Ask<'a> = NoMethods;
    type Request<'a> = NoMethods;

    fn handle(&mut self, n: u64, reply: Reply<'_>, cx: &mut Cx<Self>) {
        self.book.lock().unwrap().push((cx.id(), n));
        reply.send(());
    }
}

fn scribe<const BOUND: usize>(sys: &System, book: &Book) -> Addr<Scribe<BOUND>> {
    let book = book.clone();
    sys.spawn(Scribe { book }).unwrap()
}

fn group(sys: &System) -> Group<Noter> {
    sys.group("lobby")
}

#[test]
fn members_are_listed_in_the_order_in_which_they_joined() {
    let sys = system(1);
    let all: Vec<_> = (0..5).map(|_| noter(&sys)).collect();
    for n in [3, 0, 4, 1] {
        group(&sys).join(&all[n]).unwrap();
    }
    group(&sys).join(&all[0]).unwrap(); // is one already
    let expected = [3, 0, 4, 1].map(|n| all[n].clone());
    assert_eq!(group(&sys).members()[..], expected);
    assert!(group(&sys).leave(&all[0]));
    assert!(!group(&sys).leave(&all[0]));
    assert!(!group(&sys).contains(&all[0]));
    group(&sys).join(&all[0]).unwrap();
    let expected = [3, 4, 1, 0].map(|n| all[n].clone());
    assert_eq!(group(&sys).members()[..], expected);
}

#[test]
fn groups_of_one_name_and_different_types_have_nothing_to_do_with_each_other() {
    let sys = system(1);
    let book = Book::default();
    let (noter, scribe) = (noter(&sys), scribe::<1>(&sys, &book));
    sys.group("x").join(&noter).unwrap();
    sys.group("x").join(&scribe).unwrap();
    sys.group("a").join(&noter).unwrap();
    let names: Vec<_> = sys.group_names::<Noter>();
    assert!(names.iter().map(|it| &**it).eq(["a", "x"]));
    assert_eq!(sys.group::<Noter>("x").members()[..], [noter]);
    assert_eq!(sys.group::<Scribe<1>>("x").members()[..], [scribe]);
    assert!(sys.group::<Scribe<1>>("a").is_empty());
}

#[test]
fn a_member_that_ends_has_left_when_its_end_shows() {
    let sys = system(2);
    for n in 0..300 {
        let member = noter(&sys);
        let groups = [group(&sys), sys.group("other"), Group::new(&sys)];
        for group in &groups {
            group.join(&member).unwrap();
        }
        match n % 3 {
            0 => member.stop(),
            1 => member.kill(),
            _ => member.tell().boom().unwrap(),
        }
        end(&member);
        for group in &groups {
            assert!(group.is_empty(), "{group:?}");
        }
    }
    assert!(sys.group_names::<Noter>().is_empty());
}

#[test]
fn a_member_stays_one_across_restarts_and_leaves_when_it_is_terminated() {
    let sys = system(2);
    let sup = Supervisor::builder()
        .intensity(MANY, LIMIT)
        .child(ChildSpec::new("noter", Noter::default))
        .start(&sys)
        .unwrap();
    let child = sup.child::<Noter>("noter").unwrap();
    group(&sys).join(&child).unwrap();
    let watch = group(&sys).watch();
    for _ in 0..10 {
        assert!(child.ask().boom().is_err());
        assert_eq!(*group(&sys).members(), *std::slice::from_ref(&child));
    }
    child.ask().noted().unwrap();
    assert!(watch.events().is_empty());
    sup.terminate_child("noter").unwrap();
    assert!(group(&sys).is_empty());
    let ended = Some(ExitReason::Shutdown);
    let left = watch.recv().unwrap();
    assert!(
        matches!(&left, GroupEvent::Left { member, ended: why, .. } if *member == child && *why == ended)
    );
}

#[test]
fn the_dead_and_the_strangers_do_not_join() {
    let (sys, other) = (system(1), system(1));
    let dead = noter(&sys);
    dead.stop();
    end(&dead);
    assert_eq!(group(&sys).join(&dead), Err(JoinError::Ended));
    let stranger = noter(&other);
    assert_eq!(group(&sys).join(&stranger), Err(JoinError::OtherSystem));
    assert!(!group(&sys).leave(&stranger));
    assert!(group(&sys).is_empty());
}

#[test]
fn a_join_that_races_with_the_end_leaves_no_dead_member() {
    let sys = system(2);
    let mut outcomes = BTreeSet::new();
    for _ in 0..3_000 {
        let (member, group) = (noter(&sys), group(&sys));
        let joined = std::thread::scope(|scope| {
            let joins = scope.spawn(|| group.join(&member).is_ok());
            member.kill();
            joins.join().unwrap()
        });
        outcomes.insert(joined);
        end(&member);
        assert!(group.is_empty());
    }
    assert!(!outcomes.is_empty());
}

fn joined<A: Actor>(event: GroupEvent<A>) -> Addr<A> {
    match event {
        GroupEvent::Joined { member, .. } => member,
        other => panic!("not joined: {other:?}"),
    }
}

fn left<A: Actor>(event: GroupEvent<A>) -> (Addr<A>, Option<ExitReason>) {
    match event {
        GroupEvent::Left { member, ended, .. } => (member, ended),
        other => panic!("not left: {other:?}"),
    }
}

#[test]
fn a_watch_has_the_members_and_then_every_change_with_its_reason() {
    testing::check(|sys| {
        quiet();
        let all: Vec<_> = (0..4).map(|_| noter(sys)).collect();
        let group = group(sys);
        group.join(&all[0]).unwrap();
        let watch = group.watch();
        assert_eq!(watch.members()[..], [all[0].clone()]);
        for member in &all {
            group.join(member).unwrap();
        }
        for member in &all[1..] {
            assert_eq!(joined(watch.recv().unwrap()), *member);
        }
        group.leave(&all[0]);
        assert_eq!(left(watch.recv().unwrap()), (all[0].clone(), None));
        all[1].stop();
        let normal = Some(ExitReason::Normal);
        assert_eq!(left(watch.recv().unwrap()), (all[1].clone(), normal));
        all[2].kill();
        let killed = Some(ExitReason::Killed);
        assert_eq!(left(watch.recv().unwrap()), (all[2].clone(), killed));
        all[3].tell().boom().unwrap();
        let panicked = Some(ExitReason::Panicked("boom".into()));
        assert_eq!(left(watch.recv().unwrap()), (all[3].clone(), panicked));
        assert!(watch.events().is_empty());
        assert!(group.is_empty());
    });
}

#[test]
fn a_watch_that_is_too_slow_is_told_how_much_it_missed() {
    let sys = system(1);
    let (group, member) = (group(&sys), noter(&sys));
    let watch = group.watch();
    for _ in 0..600 {
        group.join(&member).unwrap();
        group.leave(&member);
    }
    assert_eq!(watch.recv().unwrap_err(), RecvError::Lagged(1200 - 1024));
    assert_eq!(watch.events().len(), 1024);
    assert_eq!(joined(watch.recv().unwrap()), member);
}

#[test]
fn a_message_is_published_to_all_in_order_and_who_missed_it_is_named() {
    let sys = system(1);
    let book = Book::default();
    let group = sys.group::<Scribe<1>>("scribes");
    let all: Vec<_> = (0..3).map(|_| scribe::<1>(&sys, &book)).collect();
    for member in &all {
        group.join(member).unwrap();
    }
    for n in 0..3 {
        let published = group.publish(n).unwrap();
        assert_eq!((published.delivered, published.missed.len()), (3, 0));
        for member in &all {
            let _: () = member.__ask(100 + n, None).unwrap(); // it has had its turn
        }
    }
    for member in &all {
        let own: Vec<_> = book.lock().unwrap().clone();
        let own = own.iter().filter(|it| it.0 == member.id());
        assert!(own.map(|it| it.1).eq([0, 100, 1, 101, 2, 102]));
    }
}

#[test]
fn a_member_with_a_full_mailbox_misses_a_message_and_nobody_waits_for_it() {
    testing::Explorer::new().switch_points(false).check(|sys| {
        let book = Book::default();
        let group = sys.group::<Scribe<1>>("scribes");
        let (full, free) = (scribe::<1>(sys, &book), scribe::<1>(sys, &book));
        group.join(&full).unwrap();
        group.join(&free).unwrap();
        // Nobody runs before we wait.
        full.try_send(1).unwrap();
        let published = group.publish(2).unwrap();
        assert_eq!(published.delivered, 1);
        let [missed] = &published.missed[..] else {
            panic!("one misses it: {published:?}")
        };
        assert_eq!(missed.member, full);
        assert!(matches!(missed.error, TellError::Full(2)));
        // Now nobody takes it, and it comes back.
        let error = group.publish(3).unwrap_err();
        assert_eq!(error.message, 3);
        assert_eq!(error.missed.len(), 2);
        full.stop();
        full.join();
        free.stop();
        free.join();
        let error = group.publish(4).unwrap_err();
        assert_eq!((error.message, error.missed.len()), (4, 0));
    });
}

/// Members come, are published to, leave, come again and are killed, all at once.
///
/// Each copy of a message that a mailbox took was handled or is a dead letter; and a watch's events, applied to what it began
/// with, give the members, in their order.
#[test]
fn in_a_storm_of_joins_leaves_kills_and_publishes_the_sets_add_up() {
    const ROUNDS: u64 = 400;
    let sys = system(2);
    let book = Book::default();
    let group = sys.group::<Scribe<64>>("storm");
    let watch = group.watch();
    // Of those that have left too.
    let everybody = Group::new(&sys);
    let delivered = AtomicU64::new(0);
    let (done, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let events = sys.events();
    let dead_letters = std::thread::scope(|scope| {
        let letters = scope.spawn(|| count_dead_letters(&events));
        let mirror = scope.spawn(|| follow(&watch, &over));
        let comers = scope.spawn(|| {
            let (mut members, mut leaving) = (VecDeque::new(), Vec::new());
            for n in 0..ROUNDS {
                let member = scribe::<64>(&sys, &book);
                everybody.join(&member).unwrap();
                group.join(&member).unwrap();
                members.push_back(member);
                if members.len() <= 8 {
                    continue;
                }
                let old = members.pop_front().unwrap();
                match n % 4 {
                    0 => old.kill(),
                    1 => old.stop(),
                    2 => assert!(group.leave(&old)),
                    _ => {
                        assert!(group.leave(&old));
                        group.join(&old).unwrap();
                        members.push_back(old);
                        continue;
                    }
                }
                leaving.push((n, old));
            }
            // What has left lives on; it is ended later, so that its messages are accounted for.
            let (ended, left): (Vec<_>, Vec<_>) = leaving.into_iter().partition(|it| it.0 % 4 < 2);
            ended.iter().for_each(|it| drop(end(&it.1)));
            members.extend(left.into_iter().map(|it| it.1));
            members
        });
        let publishers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for n in 0.. {
                        let last = done.load(Ordering::SeqCst);
                        let took = match group.publish(n) {
                            Ok(published) => published.delivered,
                            Err(error) => {
                                assert_eq!(error.message, n);
                                0
                            }
                        };
                        delivered.fetch_add(took as u64, Ordering::SeqCst);
                        if last {
                            break;
                        }
                    }
                })
            })
            .collect();
        let mut all = comers.join().unwrap();
        done.store(true, Ordering::SeqCst);
        publishers.into_iter().for_each(|it| it.join().unwrap());
        over.store(true, Ordering::SeqCst);
        let last = scribe::<64>(&sys, &book);
        group.join(&last).unwrap(); // so that there is an event
        everybody.join(&last).unwrap();
        all.push_back(last);
        assert_eq!(mirror.join().unwrap()[..], group.members()[..]);
        for member in &all {
            member.kill();
            end(member);
        }
        all_counted(&sys, &everybody);
        letters.join().unwrap()
    });
    let handled = book.lock().unwrap().len() as u64;
    let delivered = delivered.into_inner();
    assert!(delivered > 0);
    assert_eq!(delivered, handled + dead_letters, "told = handled + dead");
    assert!(group.is_empty());
}

/// Applies a watch's events to what it began with, until it is over.
fn follow<A: Actor>(watch: &GroupWatch<A>, over: &AtomicBool) -> Vec<Addr<A>> {
    let mut members = watch.members().to_vec();
    loop {
        match watch.recv().unwrap() {
            GroupEvent::Joined { member, .. } => {
                assert!(!members.contains(&member), "joined twice");
                members.push(member);
            }
            GroupEvent::Left { member, .. } => {
                let before = members.len();
                members.retain(|it| *it != member);
                assert_eq!(members.len() + 1, before, "left without having joined");
            }
            _ => unreachable!(),
        }
        if over.load(Ordering::SeqCst) && watch.events().is_empty() {
            return members;
        }
    }
}
