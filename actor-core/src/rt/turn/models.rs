//! Loom models of the word.

use loom::sync::Arc;
use loom::sync::atomic::AtomicUsize;
use loom::thread;

use super::{Claim, Rest, Turn};
use crate::sys::atomic::{Ordering, UnsafeCell, yield_now};

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}

/// A task whose queue is a count.
struct Task {
    turn: Turn,
    queued: AtomicUsize,
    frame: UnsafeCell<u32>,
    news: AtomicUsize,
}

impl Task {
    fn new(turn: Turn, queued: usize) -> Arc<Task> {
        Arc::new(Task {
            turn,
            queued: AtomicUsize::new(queued),
            frame: UnsafeCell::new(0),
            news: AtomicUsize::new(0),
        })
    }

    /// One whose entry is queued.
    fn scheduled() -> Arc<Task> {
        Self::new(Turn::scheduled(), 1)
    }

    fn idle() -> Arc<Task> {
        let turn = Turn::scheduled();
        assert!(turn.start());
        assert_eq!(turn.rest(), Rest::Idle);
        Self::new(turn, 0)
    }

    fn wake(&self) {
        if self.turn.wake() {
            self.queued.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether there was an entry to take.
    fn pop(&self) -> bool {
        let take = |n: usize| n.checked_sub(1);
        self.queued
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }

    fn touch(&self) {
        // SAFETY: the caller has the frame; loom checks that.
        self.frame.with_mut(|frame| unsafe { *frame += 1 });
    }
}

/// Two wakes, each after news, and a worker: it ends when a turn has seen both.
#[test]
fn loom_a_wake_while_it_runs_is_another_turn() {
    model(|| {
        let task = Task::idle();
        let wakers = [0, 1].map(|_| {
            let task = task.clone();
            thread::spawn(move || {
                task.news.fetch_add(1, Ordering::Relaxed);
                task.wake();
            })
        });
        let mut seen = 0;
        while seen < 2 {
            if !task.pop() {
                yield_now();
                continue;
            }
            assert!(task.turn.start());
            seen = task.news.load(Ordering::Relaxed);
            if task.turn.rest() == Rest::Again {
                task.queued.fetch_add(1, Ordering::Relaxed);
            }
        }
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

/// Who wakes what is scheduled has nothing to do; the turn that follows sees what came before the wake, or there is another.
#[test]
fn loom_a_wake_is_seen_by_the_turn_it_finds() {
    model(|| {
        let task = Task::scheduled();
        let waker = {
            let task = task.clone();
            thread::spawn(move || {
                task.news.store(1, Ordering::Relaxed);
                task.wake();
            })
        };
        let mut seen = 0;
        while task.pop() {
            assert!(task.turn.start());
            seen = task.news.load(Ordering::Relaxed);
            if task.turn.rest() == Rest::Again {
                task.queued.fetch_add(1, Ordering::Relaxed);
            }
        }
        waker.join().unwrap();
        assert!(seen == 1 || task.queued.load(Ordering::Relaxed) == 1);
    });
}

/// Two workers with an entry each, one of them stale, and a claimer.
#[test]
fn loom_a_frame_has_one_owner() {
    model(|| {
        let task = Task::new(Turn::scheduled(), 2);
        let workers = [0, 1].map(|_| {
            let task = task.clone();
            thread::spawn(move || {
                while task.pop() {
                    if !task.turn.start() {
                        continue;
                    }
                    task.touch();
                    match task.turn.again() {
                        Rest::Claimed => {}
                        _ => return, // its entry is left
                    }
                }
            })
        });
        let claimed = match task.turn.claim(true) {
            Claim::Taken => true,
            Claim::Over => unreachable!("nothing ends it"),
            Claim::Running => {
                while !task.turn.is_claimed() {
                    yield_now();
                }
                true
            }
        };
        assert!(claimed);
        task.touch();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

/// A claimer that waited no longer: the task goes on, or has been handed over and is put back; in either case it runs again.
#[test]
fn loom_a_claim_given_up_leaves_it_running() {
    model(|| {
        let task = Task::scheduled();
        let worker = {
            let task = task.clone();
            thread::spawn(move || {
                if task.pop() && task.turn.start() {
                    task.touch();
                    if task.turn.rest() == Rest::Again {
                        task.queued.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        };
        let put_back = match task.turn.claim(true) {
            Claim::Taken => true,
            Claim::Running => !task.turn.retract(),
            Claim::Over => unreachable!("nothing ends it"),
        };
        if put_back {
            task.touch();
            task.turn.put_back();
            task.queued.fetch_add(1, Ordering::Relaxed);
        }
        worker.join().unwrap();
        task.wake();
        let mut ran = false;
        while task.pop() {
            if task.turn.start() {
                task.touch();
                ran = true;
                assert_eq!(task.turn.rest(), Rest::Idle);
            }
        }
        assert!(ran);
    });
}
