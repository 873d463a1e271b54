//! The seeded scheduler, `actor_core::testing`: what it promises to those who test with it.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "the actors of the tests"
)]

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actor_core::testing::{Explorer, Failure, Faults, Policy, Probe, Reason, When};
use actor_core::{System, microthread, testing};

mod actors;
mod failures;
mod faults;
mod policies;
mod replay;
mod time;

/// What happened, in order.
#[derive(Clone, Debug, Default)]
struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone> Log<T> {
    fn add(&self, entry: T) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.push(entry);
    }

    fn all(&self) -> Vec<T> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.clone()
    }
}

/// Two microthreads add one each, and let others run between reading and writing.
fn lost_update(_: &System) {
    let n = Arc::new(AtomicU32::new(0));
    let adders: Vec<_> = (0..2)
        .map(|_| {
            let n = n.clone();
            microthread::spawn(move || {
                let seen = n.load(SeqCst);
                microthread::yield_now();
                n.store(seen + 1, SeqCst);
            })
        })
        .collect();
    adders.into_iter().for_each(|it| it.join().unwrap());
    assert_eq!(n.load(SeqCst), 2, "an update was lost");
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The explorer finds something.
#[track_caller]
fn fails(explorer: &Explorer, body: impl Fn(&System) + Send + Sync + 'static) -> Failure {
    match explorer.run(body) {
        Err(failure) => failure,
        Ok(report) => panic!("no failure: {report:?}"),
    }
}

/// The message of the panic that a failure is for.
#[track_caller]
fn message(failure: &Failure) -> &str {
    match &failure.reason {
        Reason::Panic { message, .. } => message,
        other => panic!("failed otherwise: {other}"),
    }
}
