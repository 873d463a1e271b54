//! Channels: the rules of Go's and crossbeam's, crowds of every sort at either end, and models that explain what was seen.
//!
//! - `rules`, `endings`, `drops`: one test for each rule. `kinds`: oneshot, broadcast, watch, and what time sends to.
//! - `crowd`: many producers and consumers: microthreads of several workers, OS threads, futures.
//! - `select`: one of several operations. `selections`: when they meet each other, and crowds of them.
//! - `linear`: the search for an order that explains a history. `model` is the model of channels, `programs` what is run,
//!   `models` the tests; `kind_models` and `locks` (with `lock_models`) do the same for the other kinds and for the locks of
//!   `actor_core::sync`, by means of `subject`.
#![allow(
    missing_debug_implementations,
    unreachable_pub,
    reason = "support of the tests"
)]

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use actor_core::Runtime;
use actor_core::channel::{self, Receiver, Sender};
use actor_core::microthread::{self, JoinError, JoinHandle};

mod crowd;
mod drops;
mod endings;
mod kind_models;
mod kinds;
mod linear;
mod lock_models;
mod locks;
mod mixed;
mod model;
mod models;
mod programs;
mod rules;
mod select;
mod selections;
mod subject;

const LIMIT: u64 = 60;

/// No room, for one, for some, for any number.
const CAPACITIES: [Option<usize>; 4] = [Some(0), Some(1), Some(3), None];

fn channel<T>(capacity: Option<usize>) -> (Sender<T>, Receiver<T>) {
    match capacity {
        Some(0) => channel::rendezvous(),
        Some(capacity) => channel::bounded(capacity),
        None => channel::unbounded(),
    }
}

/// Lets others run until `condition` holds: for a microthread of the seeded scheduler.
fn let_run_until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        microthread::yield_now();
    }
}

/// Starts one and waits until the balance of the channel is `balance`, so that it waits there.
#[track_caller]
fn waiting_at<T: Send + 'static, V>(
    rt: &Runtime,
    channel: &Sender<V>,
    balance: isize,
    body: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let handle = rt.spawn(body).expect("a spawn");
    tests::until(|| channel.balance() == balance || handle.is_finished());
    assert!(!handle.is_finished(), "it does not wait");
    handle
}

#[track_caller]
fn assert_killed<T: fmt::Debug>(result: Result<T, JoinError>) {
    assert!(matches!(result, Err(JoinError::Killed)), "{result:?}");
}

/// What is thrown here.
#[derive(Debug, PartialEq)]
struct Stop(u32);

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stop {}", self.0)
    }
}

impl std::error::Error for Stop {}

/// Counts how often each of its values is dropped.
#[derive(Clone, Default)]
struct Drops(Arc<Mutex<Vec<u32>>>);

/// One of them.
struct Value {
    number: usize,
    drops: Drops,
}

impl Drops {
    fn counts(&self) -> std::sync::MutexGuard<'_, Vec<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn value(&self) -> Value {
        let mut counts = self.counts();
        counts.push(0);
        Value {
            number: counts.len() - 1,
            drops: self.clone(),
        }
    }

    #[track_caller]
    fn assert_each_once(&self, of: &str) {
        let counts = self.counts().clone();
        assert!(!counts.is_empty());
        assert!(counts.iter().all(|n| *n == 1), "{of}: {counts:?}");
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.drops.counts()[self.number] += 1;
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "value {}", self.number)
    }
}
