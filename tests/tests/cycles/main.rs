//! Waits that would never end: in every circle of them at least one fails, with the path, and the others go on; and nothing
//! that is no circle fails.
//!
//! - `exhaustive`: two and three actors that wait for each other, in all interleavings.
//! - `kinds`: each kind of wait that is tracked, and what its error says.
//! - `alarms`: what is no circle, though it looks like one.
//! - `supervisors`: circles through what supervisors start and stop, and what only looks like one.
//! - `storm`: rings of up to 64 actors on several workers, many times.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "the actors of the tests"
)]

mod alarms;
mod exhaustive;
mod kinds;
mod storm;
mod supervisors;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use actor_core::WaitCycle;
use actor_core::channel::oneshot;
use actor_core::prelude::*;
use actor_core::testing::{Explorer, Policy};

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// As it should.
    Done,
    /// With the ids of this path.
    Deadlock(Vec<u64>),
}

impl Outcome {
    fn path(&self) -> Option<&[u64]> {
        match self {
            Self::Done => None,
            Self::Deadlock(path) => Some(path),
        }
    }
}

fn ids(path: &WaitCycle) -> Vec<u64> {
    path.actors().iter().map(|who| who.id).collect()
}

fn asked<T, M, E: std::fmt::Debug>(result: Result<T, AskError<M, E>>) -> Outcome {
    match result {
        Ok(_) => Outcome::Done,
        Err(AskError::Deadlock { path, .. }) => Outcome::Deadlock(ids(&path)),
        Err(other) => panic!("failed otherwise: {other:?}"),
    }
}

fn told<M>(result: Result<(), TellError<M>>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(TellError::Deadlock { path, .. }) => Outcome::Deadlock(ids(&path)),
        Err(other) => panic!("failed otherwise: {other:?}"),
    }
}

fn joined(result: Result<ExitReason, WaitCycle>) -> Outcome {
    match result {
        Ok(_) => Outcome::Done,
        Err(path) => Outcome::Deadlock(ids(&path)),
    }
}

/// `path` goes round `ring`, from wherever it begins.
#[track_caller]
fn goes_round(path: &[u64], ring: &[u64]) {
    let at = ring.iter().position(|id| *id == path[0]);
    let mut turned = ring.to_vec();
    turned.rotate_left(at.expect("it begins with an actor of the ring"));
    assert_eq!(path, turned);
}

/// Runs `body` in all interleavings; with `switch_points`, also of what lies between two messages that one sends.
#[track_caller]
fn all_interleavings(switch_points: bool, body: impl Fn(&System) + Send + Sync + 'static) {
    let policy = Policy::Exhaustive {
        max_runs: 1_000_000,
        max_depth: 200,
    };
    let explorer = Explorer::new().policy(policy).switch_points(switch_points);
    match explorer.run(body) {
        Ok(report) => assert!(report.complete, "{report:?}"),
        Err(failure) => panic!("{failure}"),
    }
}

/// What was seen in all runs.
#[derive(Debug)]
struct Seen<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Seen(self.0.clone())
    }
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Seen(Arc::default())
    }
}

impl<T: Ord + Clone> Seen<T> {
    fn add(&self, it: T) {
        self.0.lock().unwrap().push(it);
    }

    /// Each once, in order.
    fn each(&self) -> Vec<T> {
        let mut all = self.0.lock().unwrap().clone();
        all.sort();
        all.dedup();
        all
    }
}

/// How an actor waits.
#[derive(Clone, Copy, Debug)]
pub enum How {
    /// Asks one after the other.
    Ask,
    /// Makes all requests first, and then waits for one after the other.
    Request,
    /// Waits for one after the other to end.
    Join,
}

/// Where several actors tell how they fared. Who waits for all of them is woken once.
struct Board {
    outcomes: Mutex<Vec<Option<Vec<Outcome>>>>,
    done: Mutex<Option<oneshot::Sender<()>>>,
}

impl Board {
    fn new(n: usize) -> (Arc<Self>, oneshot::Receiver<()>) {
        let (done, all_done) = oneshot::channel();
        let board = Board {
            outcomes: Mutex::new(vec![None; n]),
            done: Mutex::new(Some(done)),
        };
        (Arc::new(board), all_done)
    }

    fn put(&self, at: usize, outcomes: Vec<Outcome>) {
        let is_last = {
            let mut all = self.outcomes.lock().unwrap();
            all[at] = Some(outcomes);
            all.iter().all(Option::is_some)
        };
        if is_last {
            let done = self.done.lock().unwrap().take();
            done.unwrap().send(()).unwrap();
        }
    }

    fn all(&self) -> Vec<Vec<Outcome>> {
        let mut all = self.outcomes.lock().unwrap();
        all.iter_mut().map(|it| it.take().unwrap()).collect()
    }
}

/// What the actors of one test know of each other.
struct Plan {
    board: Arc<Board>,
    how: How,
    next: Vec<Vec<usize>>,
    all: OnceLock<Vec<Addr<Node>>>,
}

/// An actor that waits for others.
#[actor]
pub struct Node {
    at: usize,
    plan: Arc<Plan>,
}

impl Node {
    fn wait_for_next(&self) -> Vec<Outcome> {
        let all = self.plan.all.get().expect("it is set before they run");
        let next = self.plan.next[self.at].iter().map(|it| &all[*it]);
        match self.plan.how {
            How::Ask => next.map(|it| asked(it.ask().ping())).collect(),
            How::Join => next.map(|it| joined(it.try_join())).collect(),
            How::Request => {
                let requests: Vec<_> = next.map(|it| it.request().ping()).collect();
                requests.into_iter().map(|it| asked(it.wait())).collect()
            }
        }
    }
}

#[actor]
impl Node {
    pub fn ping(&self) -> u8 {
        7
    }
    pub fn go(&self, cx: &mut Cx<Self>) {
        let outcomes = self.wait_for_next();
        if matches!(self.plan.how, How::Join) {
            cx.stop();
        }
        self.plan.board.put(self.at, outcomes);
    }
}

/// Lets as many actors as `next` has entries wait as it says, all at once, and gives them and what became of it.
fn wait_as(sys: &System, how: How, next: Vec<Vec<usize>>) -> (Vec<u64>, Vec<Vec<Outcome>>) {
    let n = next.len();
    let (board, all_done) = Board::new(n);
    let plan = Arc::new(Plan {
        board: board.clone(),
        how,
        next,
        all: OnceLock::new(),
    });
    let node = |at| Node {
        at,
        plan: plan.clone(),
    };
    let nodes: Vec<_> = (0..n).map(|at| sys.spawn(node(at)).unwrap()).collect();
    let ids = nodes.iter().map(Addr::id).collect();
    assert!(plan.all.set(nodes.clone()).is_ok());
    nodes.iter().for_each(|it| it.tell().go().unwrap());
    all_done.recv().unwrap();
    nodes.iter().for_each(Addr::stop);
    (ids, board.all())
}

/// Each for the next.
fn ring(n: usize) -> Vec<Vec<usize>> {
    (0..n).map(|at| vec![(at + 1) % n]).collect()
}
