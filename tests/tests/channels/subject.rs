//! Something to be compared with a model: random programs for it, run under the seeded scheduler, with kills and throws.

use std::sync::Arc;

use actor_core::microthread::{self, JoinHandle};
use actor_core::testing::{Explorer, Policy, switch_point};
use fastrand::Rng;
use tests::{ms, within};

use super::Stop;
use super::linear::{History, Model, Open};

const LIMIT: u64 = 300;

/// Every program is run so many times, each time in another order.
const ORDERS: u64 = 10;

/// One microthread's pen.
pub struct Log<P> {
    history: History<P>,
    pub who: usize,
}

impl<P: Clone + std::fmt::Debug> Log<P> {
    /// An operation that may wait, and its points if it is killed, or stuck.
    pub fn begin(&self, killed: Vec<P>, stuck: Vec<P>) -> Open<P> {
        let open = self.history.begin(self.who);
        open.if_killed(killed).if_stuck(stuck)
    }

    /// An operation that cannot wait.
    pub fn at_once<R>(&self, point: impl FnOnce(&R) -> P, operation: impl FnOnce() -> R) -> R {
        let open = self.history.begin(self.who);
        let result = operation();
        open.end(vec![point(&result)]);
        result
    }
}

/// A lock, and what can be done with it.
pub trait Subject: Send + Sync + 'static {
    type Model: Model<Point: Send>;

    fn new() -> Self;
    fn model() -> Self::Model;
    /// One microthread does something.
    fn step(&self, rng: &mut Rng, log: &Log<<Self::Model as Model>::Point>);
}

/// One run: three microthreads take some steps each, while a fourth kills and throws. Gives what was seen.
pub fn run<S: Subject>(seed: u64) -> History<<S::Model as Model>::Point> {
    let (subject, history) = (Arc::new(S::new()), History::new());
    let microthreads: Vec<_> = (0..3)
        .map(|who| {
            let (subject, history) = (subject.clone(), history.clone());
            let mut rng = Rng::with_seed(seed * 4 + who as u64);
            microthread::spawn(move || {
                let log = Log { history, who };
                for _ in 0..4 {
                    switch_point();
                    subject.step(&mut rng, &log);
                }
            })
        })
        .collect();
    let mut rng = Rng::with_seed(seed * 4 + 3);
    for _ in 0..rng.usize(..12) {
        let one = &microthreads[rng.usize(..3)];
        match rng.u8(..10) {
            0 | 1 => one.kill(),
            2 | 3 => drop(one.throw(Stop(0))),
            4 => microthread::sleep(ms(rng.u64(1..4))),
            _ => microthread::yield_now(),
        }
    }
    // Who waits then waits for ever.
    microthread::sleep(ms(1_000_000));
    history.stands_still();
    microthreads.iter().for_each(JoinHandle::kill);
    microthreads.into_iter().for_each(|it| drop(it.join()));
    history
}

pub fn explained<S: Subject>(programs: u64) {
    within(LIMIT, || {
        for seed in 0..programs {
            let policy = match seed % 3 {
                0 => Policy::Pct { depth: 3 },
                _ => Policy::Random,
            };
            let explorer = Explorer::new().seed(seed * ORDERS).iterations(ORDERS);
            let result = explorer.policy(policy).run(move |_| {
                run::<S>(seed).assert_explained_by(S::model());
            });
            if let Err(failure) = result {
                panic!("program {seed}: {failure}");
            }
        }
    });
}
