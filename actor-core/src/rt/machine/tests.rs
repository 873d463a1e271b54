//! Alarms of tasks: none is left behind.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use super::{Cx, Machine, Waiting, Worker, spawn, wake};
use crate::rt::error::JoinError;
use crate::rt::runtime::Runtime;

const LATER: Duration = Duration::from_secs(3600);

/// Wants to go on in an hour, each time.
struct Sleeper {
    turns: Arc<AtomicUsize>,
}

impl Machine for Sleeper {
    type Output = ();
    type Moved = ();

    fn resume(&mut self, cx: &mut Cx<'_>) -> Poll<()> {
        self.turns.fetch_add(1, Ordering::SeqCst);
        cx.go_on_at(Some(Instant::now() + LATER));
        Poll::Pending
    }

    fn moved(self) {}

    fn name() -> &'static str {
        "sleeper"
    }
}

fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::park_timeout(Duration::from_millis(1));
    }
}

fn runtime(workers: usize) -> Runtime {
    let builder = Runtime::builder().workers(workers).spare_workers(0);
    builder.build().unwrap()
}

/// Those whose alarm was set on another worker than the one they end on are left until there are many; and each worker holds two
/// magazines of free places.
#[test]
fn what_was_killed_or_suspended_in_a_sleep_is_not_kept_until_its_end() {
    const TASKS: usize = 5_000;
    for workers in [1, 2] {
        for suspended in [false, true] {
            let rt = runtime(workers);
            let before = rt.core().roster.places();
            let turns = Arc::<AtomicUsize>::default();
            let mut handles = Vec::new();
            for _ in 0..TASKS {
                let turns = turns.clone();
                let sleeper = Sleeper { turns };
                let spawned = spawn(rt.core(), sleeper, Waiting::default(), ());
                handles.push(spawned.unwrap_or_else(|_| panic!("no room")));
            }
            until(|| turns.load(Ordering::SeqCst) == TASKS);
            for handle in handles {
                match suspended {
                    true => {
                        let forever = crate::rt::wait::Until::Deadline(None);
                        assert!(handle.suspend(forever).is_ok());
                    }
                    false => {
                        handle.join.kill();
                        assert!(matches!(handle.join.join(), Err(JoinError::Killed)));
                    }
                }
            }
            let left = workers * (1024 + 2 * 64);
            until(|| rt.core().roster.places() <= before + left);
        }
    }
}

#[test]
fn an_alarm_is_taken_back_before_the_next_is_set() {
    const TURNS: usize = 3_000;
    let rt = runtime(1);
    let turns = Arc::<AtomicUsize>::default();
    let sleeper = Sleeper {
        turns: turns.clone(),
    };
    let handle = spawn(rt.core(), sleeper, Waiting::default(), ());
    let handle = handle.unwrap_or_else(|_| panic!("no room"));
    for n in 1..=TURNS {
        until(|| turns.load(Ordering::SeqCst) >= n);
        // SAFETY: the handle holds a reference to a task.
        unsafe { wake(NonNull::from(handle.join.header())) };
    }
    let set = rt.spawn(|| Worker::here(|worker| worker.timers.borrow().len()));
    assert!(set.unwrap().join().unwrap() <= 2);
    handle.join.kill();
}
