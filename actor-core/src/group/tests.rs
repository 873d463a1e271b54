//! Groups come and go.

use super::*;
use crate::actor::{ActorOptions, Cx, NoMethods, Reply};

struct Mute;

impl ActorOptions for Mute {}

impl Actor for Mute {
    type Msg = ();
    type Tell<'a> = NoMethods;
    type TryTell<'a> = NoMethods;
    type Ask<'a> = NoMethods;
    type Request<'a> = NoMethods;

    fn handle(&mut self, (): (), _: Reply<'_>, _: &mut Cx<Self>) {}
}

#[test]
fn a_group_goes_when_nothing_refers_to_it_and_its_entry_with_it() {
    let sys = System::builder().workers(1).build().unwrap();
    let directory = &sys.host().groups;
    for n in 0..100 {
        drop(sys.group::<Mute>(format!("{n}")));
    }
    assert_eq!(directory.len(), 0);
    // A member keeps it, though nobody has a handle; so does a watch.
    let member = sys.spawn(Mute).unwrap();
    sys.group::<Mute>("a").join(&member).unwrap();
    let watch = sys.group::<Mute>("b").watch();
    assert_eq!(directory.len(), 2);
    assert!(sys.group::<Mute>("a").contains(&member));
    sys.group::<Mute>("b").join(&member).unwrap();
    assert!(matches!(watch.recv(), Ok(GroupEvent::Joined { .. })));
    drop(watch);
    assert_eq!(directory.len(), 2);
    // The last it leaves, so that the others are gone when that shows.
    let nameless = Group::new(&sys);
    nameless.join(&member).unwrap();
    let watch = nameless.watch();
    member.kill();
    assert!(matches!(watch.recv(), Ok(GroupEvent::Left { .. })));
    assert_eq!(directory.len(), 0);
}

#[test]
fn a_groups_entry_and_its_successors_race_without_losing_either() {
    let sys = System::builder().workers(1).build().unwrap();
    let member = sys.spawn(Mute).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    let group = sys.group::<Mute>("a");
                    // While we have a handle everybody else's is of the same group.
                    assert_eq!(group, sys.group::<Mute>("a"));
                }
            });
        }
    });
    assert_eq!(sys.host().groups.len(), 0);
    sys.group::<Mute>("a").join(&member).unwrap();
    assert_eq!(sys.host().groups.len(), 1);
}
