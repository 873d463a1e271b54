//! The means to cut.

use std::task::{Poll, Waker};

use actor_core::image::{Image, Limits};
use actor_core::migratable::{self, Migratable, Suspended};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What takes part: functions, and the ends of channels that nobody else has.
pub(crate) trait World: Serialize + DeserializeOwned {
    /// What comes out, apart from what the functions return.
    type Seen: PartialEq + std::fmt::Debug;

    /// Resumes each function that has not ended, once. Whether all have.
    fn turn(&mut self, log: &mut Vec<String>) -> bool;

    /// Looks at what is left.
    fn seen(self) -> Self::Seen;
}

/// A function that takes part, with what it has returned.
#[derive(Serialize, serde::Deserialize)]
#[serde(bound = "")]
pub(crate) enum Actor<M: Migratable> {
    Runs(Suspended<M>),
    Ended,
}

impl<M: Migratable> Actor<M>
where
    M::Output: std::fmt::Debug,
{
    pub(crate) fn turn(&mut self, log: &mut Vec<String>) -> bool {
        let Actor::Runs(suspended) = self else {
            return true;
        };
        match suspended.resume(Waker::noop()) {
            Poll::Pending => false,
            Poll::Ready(output) => {
                log.push(format!("{} gave {output:?}", M::NAME));
                *self = Actor::Ended;
                true
            }
        }
    }
}

impl<M: Migratable> From<migratable::Start<M>> for Actor<M> {
    fn from(start: migratable::Start<M>) -> Self {
        Actor::Runs(Suspended::new(start))
    }
}

fn moved<W: World>(world: W) -> W {
    let bytes = migratable::freeze(&world).unwrap().encode();
    drop(world);
    let image = Image::decode(&bytes, &Limits::default()).unwrap();
    migratable::thaw(&image).unwrap()
}

/// Runs to the end, cut after each turn for which `cut` says so. How many turns it took, and what came out.
pub(crate) fn run<W: World>(
    world: W,
    cut: impl Fn(usize) -> bool,
) -> (usize, Vec<String>, W::Seen) {
    go_on(world, Vec::new(), cut)
}

/// The same for one of which `log` is known already.
pub(crate) fn go_on<W: World>(
    mut world: W,
    mut log: Vec<String>,
    cut: impl Fn(usize) -> bool,
) -> (usize, Vec<String>, W::Seen) {
    for turn in 0..100_000 {
        if cut(turn) {
            world = moved(world);
        }
        if world.turn(&mut log) {
            // Who of several ends first is up to who was resumed first.
            log.sort();
            return (turn, log, world.seen());
        }
    }
    panic!("it does not end: {log:?}");
}

/// The same comes out wherever it is cut.
pub(crate) fn cut_everywhere<W: World>(make: impl Fn() -> W) -> (Vec<String>, W::Seen) {
    let (turns, log, seen) = run(make(), |_| false);
    assert!(turns > 0, "there is nowhere to cut");
    for at in 0..=turns {
        let (_, cut_log, cut_seen) = run(make(), |turn| turn == at);
        assert_eq!((&cut_log, &cut_seen), (&log, &seen), "cut at {at}");
    }
    let (_, cut_log, cut_seen) = run(make(), |_| true);
    assert_eq!((&cut_log, &cut_seen), (&log, &seen), "cut everywhere");
    (log, seen)
}

/// A world of one function.
impl<M: Migratable> World for Actor<M>
where
    M::Output: std::fmt::Debug,
{
    type Seen = ();

    fn turn(&mut self, log: &mut Vec<String>) -> bool {
        self.turn(log)
    }

    fn seen(self) {}
}

/// What one function gives, cut everywhere.
pub(crate) fn alone<M: Migratable>(make: impl Fn() -> migratable::Start<M>) -> String
where
    M::Output: std::fmt::Debug,
{
    let (log, ()) = cut_everywhere(|| Actor::from(make()));
    let [line] = &log[..] else {
        panic!("one function, one result: {log:?}");
    };
    line.split_once(" gave ").unwrap().1.to_owned()
}
