//! Taking an actor.

use std::sync::mpsc;
use std::time::Duration;

use serde::Serializer;

use super::restore::{start_with, thaw};
use super::take::{NotTaken, Taken, take_by};
use super::{Snapshot, SnapshotError, Summary};
use crate::actor::{
    Actor, ActorOptions, Addr, Cx, ExitReason, NoMethods, Options, Pending, Port, Priority, Reply,
};
use crate::registry::SpawnOptions;
use crate::system::System;

fn take(sum: &Addr<Sum>) -> Result<Taken<Sum>, SnapshotError> {
    take_by(sum.sys(), "elsewhere").map_err(|error| match error {
        NotTaken::Snapshot(error) => error,
        NotTaken::Stays(why) => panic!("it has no hook: {why}"),
    })
}

/// Adds what it is sent, and answers with what that made. Above a hundred is urgent, above a thousand stashed.
struct Sum(u64);

impl ActorOptions for Sum {
    const OPTIONS: Options = Options::new().name("Sum");
}

impl Actor for Sum {
    type Msg = u64;
    type Tell<'a> = NoMethods;
    type TryTell<'a> = NoMethods;
    type Ask<'a> = NoMethods;
    type Request<'a> = NoMethods;

    const HAS_PRIORITIES: bool = true;

    fn priority(msg: &u64) -> Priority {
        match msg {
            100..1000 => Priority::High,
            _ => Priority::Normal,
        }
    }

    fn on_stop(&mut self, _: &mut Cx<Self>, _: &ExitReason) {
        assert_ne!(self.0, 13, "never of one that has left");
    }

    fn handle(&mut self, n: u64, reply: Reply<'_>, cx: &mut Cx<Self>) {
        if n == 0 {
            cx.unstash_all();
        }
        if n >= 1000 && self.0 < 1000 {
            return cx.stash(n);
        }
        self.0 += n;
        reply.send(self.0);
    }
}

impl Snapshot for Sum {
    type State = u64;

    fn save<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(self.0)
    }
    fn load(n: u64) -> Self {
        Sum(n)
    }
}

fn request(of: &Addr<Sum>, n: u64) -> Pending<u64, u64> {
    of.__request(n)
}

#[test]
fn a_taken_actor_moves_with_its_asks_and_leaves_an_address_that_passes_on() {
    let (here, there) = (System::new().unwrap(), System::new().unwrap());
    let sum = here.spawn_named("sum", Sum(13)).unwrap();
    sum.sys().suspend().unwrap();
    let stashed = request(&sum, 1000);
    sum.sys().resume().unwrap();
    while sum.queued() > 0 {
        std::thread::yield_now();
    }
    sum.sys().suspend().unwrap();
    let first = request(&sum, 1);
    sum.send(2).unwrap();
    let urgent = request(&sum, 100);
    let third = request(&sum, 3);
    let _ = sum.send_after(Duration::from_secs(3600), 1);

    let taken = take(&sum).unwrap();
    assert_eq!(taken.asks, 4);
    let summary = Summary::of(&taken.image).unwrap();
    assert_eq!((summary.messages, summary.timers), (5, 1));
    // It runs nothing; what comes now waits.
    let late = request(&sum, 4);
    sum.send(5).unwrap();
    let image = taken.image.clone();
    let (passed, others) = mpsc::channel::<(u64, Port)>();
    let ports = taken
        .leave(move |n, port| passed.send((n, port)).unwrap())
        .unwrap();
    assert_eq!(ports.len(), 4);
    let moved: Addr<Sum> = start_with(
        &there,
        thaw(&image, ports).unwrap(),
        SpawnOptions::new(),
        |_| {},
    )
    .unwrap();
    let forward = |(n, port)| moved.pass_on(n, port).unwrap();
    forward(others.recv().unwrap());
    forward(others.recv().unwrap());
    sum.send(6).unwrap(); // the old address is good for as long as it is kept
    forward(others.recv().unwrap());
    assert_eq!(urgent.wait().unwrap(), 113);
    assert_eq!(first.wait().unwrap(), 114);
    assert_eq!(third.wait().unwrap(), 119);
    assert_eq!(late.wait().unwrap(), 123);
    assert_eq!(request(&moved, 99).wait().unwrap(), 233);
    assert_eq!(request(&moved, 900).wait().unwrap(), 1133);
    moved.send(0).unwrap();
    assert_eq!(stashed.wait().unwrap(), 2133);
    assert!(sum.is_alive());
    assert_eq!(here.lookup::<Sum>("sum").unwrap(), sum);
    assert_eq!(sum.snapshot().err(), Some(SnapshotError::Dead));
    sum.stop();
    assert_eq!(sum.join(), ExitReason::Normal);
    assert!(here.shutdown(Duration::from_secs(60)).unwrap().is_clean());
}

#[test]
fn one_that_is_taken_and_resumed_has_lost_nothing() {
    let sys = System::new().unwrap();
    let sum = sys.spawn(Sum(0)).unwrap();
    sum.sys().suspend().unwrap();
    let (first, second) = (request(&sum, 1), request(&sum, 2));
    take(&sum).unwrap().resume();
    drop(take(&sum).unwrap());
    sum.sys().resume().unwrap();
    assert_eq!((first.wait().unwrap(), second.wait().unwrap()), (1, 3));
}

#[test]
fn one_that_is_killed_while_it_is_held_does_not_leave() {
    let sys = System::new().unwrap();
    let sum = sys.spawn(Sum(0)).unwrap();
    let taken = take(&sum).unwrap();
    let waits = request(&sum, 1);
    sum.kill();
    assert_eq!(sum.join(), ExitReason::Killed);
    assert!(waits.wait().is_err());
    let left = taken.leave(|_, _| unreachable!("it has ended"));
    assert_eq!(left.err(), Some(SnapshotError::Dead));
}

#[test]
fn a_kill_ends_an_address_that_passes_on() {
    let sys = System::new().unwrap();
    let sum = sys.spawn(Sum(13)).unwrap();
    let taken = take(&sum).unwrap();
    taken.leave(|_, port| drop(port)).unwrap();
    assert!(request(&sum, 1).wait().is_err());
    sum.kill();
    assert_eq!(sum.join(), ExitReason::Killed);
    assert!(sum.send(1).is_err());
}
