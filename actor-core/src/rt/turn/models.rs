//! Loom models of the word.

use loom::sync::Arc;
use loom::sync::atomic::AtomicUsize;
use loom::thread;

use super::{Claim, Rest, Start, Turn};
use crate::sys::atomic::{Ordering, UnsafeCell, yield_now};

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}

/// A task whose queue is a count. As with any queue, who takes an entry sees what came before it was put in.
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
        assert_eq!(turn.start(), Start::Runs);
        assert_eq!(turn.rest(), Rest::Idle);
        Self::new(turn, 0)
    }

    /// One that has yielded.
    fn yielded() -> Arc<Task> {
        let turn = Turn::scheduled();
        assert_eq!(turn.start(), Start::Runs);
        assert_eq!(turn.again(), Rest::Again);
        Self::new(turn, 1)
    }

    /// One that was claimed and put back: the first of its entries is stale.
    fn put_back() -> Arc<Task> {
        let turn = Turn::scheduled();
        assert_eq!(turn.claim(false), Claim::Taken);
        turn.put_back();
        Self::new(turn, 2)
    }

    fn wake(&self) {
        if self.turn.wake() {
            self.queued.fetch_add(1, Ordering::Release);
        }
    }

    /// Whether there was an entry to take.
    fn pop(&self) -> bool {
        let take = |n: usize| n.checked_sub(1);
        self.queued
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, take)
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
            assert_eq!(task.turn.start(), Start::Runs);
            seen = task.news.load(Ordering::Relaxed);
            if task.turn.rest() == Rest::Again {
                task.queued.fetch_add(1, Ordering::Release);
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
            assert_eq!(task.turn.start(), Start::Runs);
            seen = task.news.load(Ordering::Relaxed);
            if task.turn.rest() == Rest::Again {
                task.queued.fetch_add(1, Ordering::Release);
            }
        }
        waker.join().unwrap();
        assert!(seen == 1 || task.queued.load(Ordering::Relaxed) == 1);
    });
}

/// The same of one that has yielded, and is woken before its turn comes, or in it.
#[test]
fn loom_a_wake_is_seen_by_the_turn_after_a_yield() {
    model(|| {
        let task = Task::yielded();
        let waker = {
            let task = task.clone();
            thread::spawn(move || {
                task.news.store(1, Ordering::Relaxed);
                task.wake();
            })
        };
        let mut seen = 0;
        while task.pop() {
            assert_eq!(task.turn.start(), Start::Runs);
            seen = task.news.load(Ordering::Relaxed);
            if task.turn.rest() == Rest::Again {
                task.queued.fetch_add(1, Ordering::Release);
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
        let task = Task::put_back();
        let workers = [0, 1].map(|_| {
            let task = task.clone();
            thread::spawn(move || {
                while task.pop() {
                    if task.turn.start() != Start::Runs {
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

/// A worker whose task yields in each turn, and a claimer.
#[test]
fn loom_what_yields_has_one_owner() {
    model(|| {
        let task = Task::yielded();
        let worker = {
            let task = task.clone();
            thread::spawn(move || {
                for _ in 0..2 {
                    if task.turn.start() != Start::Runs {
                        return;
                    }
                    task.touch();
                    if task.turn.again() != Rest::Again {
                        return;
                    }
                }
            })
        };
        match task.turn.claim(true) {
            Claim::Taken => {}
            Claim::Over => unreachable!("nothing ends it"),
            Claim::Running => {
                while !task.turn.is_claimed() {
                    yield_now();
                }
            }
        }
        task.touch();
        worker.join().unwrap();
    });
}

/// It yields, and its entry is not taken: a claimer has it, or is handed it by the one that yields.
#[test]
fn loom_what_yields_is_handed_over_at_once() {
    model(|| {
        let task = Task::scheduled();
        let worker = {
            let task = task.clone();
            thread::spawn(move || {
                if task.turn.start() == Start::Runs {
                    task.touch();
                    let _ = task.turn.again();
                }
            })
        };
        let claim = task.turn.claim(true);
        worker.join().unwrap();
        assert!(claim == Claim::Taken || task.turn.is_claimed());
        task.touch();
    });
}

/// A claimer that does not wait: it has the frame, or the task goes on.
#[test]
fn loom_a_claim_that_does_not_wait_leaves_it_running() {
    model(|| {
        let task = Task::yielded();
        let worker = {
            let task = task.clone();
            thread::spawn(move || {
                let mut turns = 0;
                while turns < 2 && task.turn.start() == Start::Runs {
                    task.touch();
                    turns += 1;
                    if task.turn.again() != Rest::Again {
                        break;
                    }
                }
                turns
            })
        };
        let taken = task.turn.claim(false) == Claim::Taken;
        if taken {
            task.touch();
        }
        let turns = worker.join().unwrap();
        assert!(taken || turns == 2);
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
                if task.pop() && task.turn.start() == Start::Runs {
                    task.touch();
                    if task.turn.rest() == Rest::Again {
                        task.queued.fetch_add(1, Ordering::Release);
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
            task.queued.fetch_add(1, Ordering::Release);
        }
        worker.join().unwrap();
        task.wake();
        let mut ran = false;
        while task.pop() {
            if task.turn.start() == Start::Runs {
                task.touch();
                ran = true;
                assert_eq!(task.turn.rest(), Rest::Idle);
            }
        }
        assert!(ran);
    });
}
