//! How actors find each other: names, groups, routers, pools.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "the actors of the tests"
)]

use std::panic;
use std::sync::Once;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{Event, Group, GroupEvent};

mod groups;
mod pool_fields;
mod pools;
mod registry;
mod routers;

/// Nothing here takes so long unless it hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// More restarts than any test makes.
const MANY: u32 = 1_000_000;

fn system(workers: usize) -> System {
    quiet();
    System::builder().workers(workers).build().unwrap()
}

/// Panics of actors are the subject of the tests, not news.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let text = info.payload().downcast_ref::<&str>();
            if text != Some(&"boom") {
                loud(info);
            }
        }));
    });
}

/// Why it ended.
#[track_caller]
fn end<A: Actor>(addr: &Addr<A>) -> ExitReason {
    addr.join_timeout(LIMIT).expect("it does not end")
}

/// Notes numbers, and fails when it is told to.
#[actor]
#[derive(Default)]
pub struct Noter {
    noted: Vec<u64>,
}

#[actor]
impl Noter {
    pub fn note(&mut self, n: u64) {
        self.noted.push(n);
    }

    pub fn noted(&self) -> Vec<u64> {
        self.noted.clone()
    }

    pub fn boom(&mut self) -> u64 {
        panic!("boom")
    }
}

fn noter(sys: &System) -> Addr<Noter> {
    sys.spawn(Noter::default()).unwrap()
}

#[actor]
pub struct End;

#[actor]
impl End {
    pub fn nothing(&mut self) {}
}

/// All dead letters until the actor `End` has ended.
fn count_dead_letters(events: &crossbeam_channel::Receiver<Event>) -> u64 {
    let mut letters = 0;
    for event in events {
        match event {
            Event::DeadLetters { count, .. } => letters += count,
            Event::Lagged { .. } => panic!("the test's own reader is too slow"),
            Event::Exited { who, .. } if who.label == "End" => break,
            _ => {}
        }
    }
    letters
}

/// To be called when all of `everybody` have ended: ends [`count_dead_letters`], when all are counted.
fn all_counted<A: Actor>(sys: &System, everybody: &Group<A>) {
    // Who ends has its dead letters counted, and leaves then.
    let watch = everybody.watch();
    for _ in watch.members() {
        let left = watch.recv().unwrap();
        assert!(matches!(left, GroupEvent::Left { .. }), "{left:?}");
    }
    sys.spawn(End).unwrap().stop();
}
