//! Loom models of the runtime's words: the permit and the kill (`rt::token`), sleep (`rt::sleep`), the result
//! (`rt::join`), a local scheduler's wait for others (`rt::local`). Each of those modules lists the seeded faults that the models catch.
//!
//! `ci/models.sh`

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};
use loom::sync::{Arc, Notify};
use loom::thread;

use super::inbox::{Inbox, Linked};
use super::join::{Finished, JoinWord};
use super::local::Outer;
use super::sleep::{self, Sleep, Watch};
use super::token::{Place, Token, Unparked};
use crate::sys::atomic::{AtomicPtr, UnsafeCell};

/// With two or three preemptions every fault listed is found; without a bound some models take hours.
fn model(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// A stack: its token, and its home, which runs it again when it has been handed over (as the real one, through something
/// that releases and acquires). A home that is never handed the stack waits for ever, which loom reports as a deadlock.
struct Stack {
    token: Token,
    home: Notify,
    /// Times it is in its home's list: at most one.
    listed: AtomicUsize,
}

impl Stack {
    fn new() -> &'static Stack {
        leak(Stack {
            token: Token::new(),
            home: Notify::new(),
            listed: AtomicUsize::new(0),
        })
    }

    fn unpark(&self) {
        match self.token.unpark() {
            Unparked::Nobody => {}
            Unparked::Stack => {
                assert_eq!(self.listed.fetch_add(1, AcqRel), 0, "handed over twice");
                self.home.notify();
            }
            Unparked::Thread => unreachable!("no thread is parked"),
        }
    }

    fn park(&self) {
        if self.token.park() {
            // Loom's `wait` may return without cause.
            while self.listed.load(Acquire) == 0 {
                self.home.wait();
            }
            assert_eq!(self.listed.fetch_sub(1, AcqRel), 1);
            assert!(self.token.resume(), "handed over without a permit");
        }
    }
}

#[test]
fn loom_no_wake_up_is_lost() {
    model(3, || {
        let stack = Stack::new();
        let news = Arc::new(AtomicUsize::new(0));
        let wakers = [0, 1].map(|_| {
            let news = news.clone();
            thread::spawn(move || {
                news.fetch_add(1, Relaxed);
                stack.unpark();
            })
        });
        while news.load(Relaxed) < 2 {
            stack.park();
        }
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

/// Two unparks may merge into one permit; who consumes it sees what either had written.
#[test]
fn loom_what_was_written_before_an_unpark_is_seen() {
    model(3, || {
        let stack = Stack::new();
        let cells = Arc::new([0, 1].map(|_| UnsafeCell::new(0)));
        let unparked = Arc::new(AtomicUsize::new(0));
        let wakers = [0, 1].map(|n| {
            let (cells, unparked) = (cells.clone(), unparked.clone());
            thread::spawn(move || {
                // SAFETY: read once the permit it is published with has been consumed.
                cells[n].with_mut(|cell| unsafe { *cell = 7 });
                stack.unpark();
                unparked.fetch_add(1, Relaxed);
            })
        });
        // Says that both have come, and carries nothing over: that is for the permit.
        while unparked.load(Relaxed) < 2 {
            thread::yield_now();
        }
        stack.park();
        // SAFETY: as above.
        assert!(
            cells
                .iter()
                .all(|cell| cell.with(|cell| unsafe { *cell }) == 7)
        );
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

#[test]
fn loom_a_kill_reaches_a_task_that_parks() {
    model(3, || {
        const KILLED: u32 = 1;
        let task = Arc::new((AtomicU32::new(0), Place::<Stack>::nowhere()));
        let killer = {
            let task = task.clone();
            thread::spawn(move || {
                task.0.fetch_or(KILLED, SeqCst); // k1
                if let Some(stack) = task.1.find() {
                    stack.unpark();
                }
            })
        };
        let killed = || task.0.load(Acquire) & KILLED != 0;
        let stack = Stack::new();
        // As `Parker::park_stack` does, until the kill has arrived.
        while !killed() {
            if !task.1.is(stack) {
                task.1.note(stack);
                if killed() {
                    break; // K3
                }
            }
            stack.park();
        }
        killer.join().unwrap();
    });
}

struct Node {
    link: AtomicPtr<Node>,
}

impl Linked for Node {
    fn link(&self) -> &AtomicPtr<Node> {
        &self.link
    }
}

/// A worker as others see it: where they put work, its word, its poller.
struct Worker {
    inbox: Inbox<Node>,
    sleep: Sleep,
    poller: Notify,
    nudges: AtomicUsize,
}

impl Worker {
    fn new() -> Arc<Worker> {
        Arc::new(Worker {
            inbox: Inbox::new(),
            sleep: Sleep::new(),
            poller: Notify::new(),
            nudges: AtomicUsize::new(0),
        })
    }

    fn hand_over(&self) {
        let link = AtomicPtr::new(std::ptr::null_mut());
        self.inbox.push(leak(Node { link })); // (a)
        sleep::handed_over(); // (b)
        // (c)
        if self.sleep.wake() {
            self.nudges.fetch_add(1, Relaxed);
            self.poller.notify();
        }
    }
}

#[test]
fn loom_a_sleeping_worker_is_woken() {
    model(2, || {
        let worker = Worker::new();
        let others = [0, 1].map(|_| {
            let worker = worker.clone();
            thread::spawn(move || worker.hand_over())
        });
        let mut taken = 0;
        loop {
            taken += worker.inbox.take_all().count();
            if taken == 2 {
                break;
            }
            worker.sleep.begin(); // step 1
            if worker.inbox.is_empty() {
                // step 2
                worker.poller.wait(); // step 3
            }
            worker.sleep.end(); // step 4
        }
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn loom_a_sleeping_worker_is_nudged_once() {
    model(3, || {
        let worker = Worker::new();
        worker.sleep.begin();
        let other = {
            let worker = worker.clone();
            thread::spawn(move || worker.hand_over())
        };
        worker.hand_over();
        other.join().unwrap();
        assert_eq!(worker.nudges.load(Relaxed), 1);
        assert!(worker.sleep.end());
    });
}

/// The worker wakes to run something that ends only when the monitor has looked at it.
#[test]
fn loom_the_monitor_watches_who_is_awake() {
    model(3, || {
        let shared = Arc::new((
            Sleep::new(),
            Watch::new(),
            Notify::new(),
            AtomicBool::new(false),
        ));
        shared.0.begin();
        let worker = {
            let shared = shared.clone();
            thread::spawn(move || {
                let (sleep, watch, nudge, nudged) = &*shared;
                sleep.end();
                if watch.is_lying() {
                    nudged.store(true, Release);
                    nudge.notify();
                }
            })
        };
        let (sleep, watch, nudge, nudged) = &*shared;
        watch.lie_down();
        if sleep.is_asleep() {
            while !nudged.load(Acquire) {
                nudge.wait();
            }
        }
        watch.get_up();
        assert!(!sleep.is_asleep());
        worker.join().unwrap();
    });
}

/// The result beside the word: loom reports it if two touch it at a time.
struct Task {
    word: JoinWord<Stack>,
    result: UnsafeCell<Option<u32>>,
    taken: AtomicUsize,
}

impl Task {
    fn new() -> Arc<Task> {
        Arc::new(Task {
            word: JoinWord::new(),
            result: UnsafeCell::new(None),
            taken: AtomicUsize::new(0),
        })
    }

    fn end(&self) {
        // SAFETY: the task's, before it has finished.
        self.result.with_mut(|result| unsafe { *result = Some(5) });
        match self.word.finish() {
            Finished::Nothing => {}
            Finished::Wake(waiter) => waiter.unpark(),
            Finished::Unwanted => self.take(),
        }
    }

    fn take(&self) {
        // SAFETY: the caller owns the result.
        let result = self.result.with_mut(|result| unsafe { (*result).take() });
        assert_eq!(result, Some(5));
        self.taken.fetch_add(1, Relaxed);
    }
}

#[test]
fn loom_a_joiner_sees_the_result() {
    model(3, || {
        let (task, me) = (Task::new(), Stack::new());
        let runs = {
            let task = task.clone();
            thread::spawn(move || task.end())
        };
        if !task.word.is_done() && task.word.register(me) {
            while !task.word.is_done() {
                me.park();
            }
            assert!(!task.word.retract(me));
        }
        task.take();
        runs.join().unwrap();
    });
}

#[test]
fn loom_a_joiner_that_leaves_does_not_undo_the_end() {
    model(3, || {
        let (task, me) = (Task::new(), Stack::new());
        let runs = {
            let task = task.clone();
            thread::spawn(move || task.end())
        };
        // A wait with a deadline that passes at once, and then one without.
        if task.word.register(me) {
            let _ = task.word.retract(me);
        }
        if task.word.register(me) {
            while !task.word.is_done() {
                me.park();
            }
        }
        task.take();
        runs.join().unwrap();
    });
}

#[test]
fn loom_a_result_has_one_owner() {
    model(3, || {
        let task = Task::new();
        let runs = {
            let task = task.clone();
            thread::spawn(move || task.end())
        };
        if !task.word.detach() {
            task.take();
        }
        runs.join().unwrap();
        assert_eq!(task.taken.load(Relaxed), 1);
    });
}

/// Two wake-ups for a scheduler that waits, as it does in `rt::local::drive`, until both have come.
#[test]
fn loom_a_local_scheduler_that_waits_is_woken() {
    model(3, || {
        let inbox = Arc::new(Inbox::<Node>::new());
        let outer = Arc::new(Outer::<Stack>::nowhere());
        let wakers = [0, 1].map(|_| {
            let (inbox, outer) = (inbox.clone(), outer.clone());
            let node = leak(Node {
                link: AtomicPtr::new(std::ptr::null_mut()),
            });
            thread::spawn(move || {
                inbox.push(node); // (a)
                if let Some(stack) = outer.find() {
                    stack.unpark(); // (b), (c)
                }
            })
        });
        let stack = Stack::new();
        let mut woken = 0;
        while woken < 2 {
            woken += inbox.take_all().count();
            if woken < 2 {
                outer.begin(stack); // step 1
                // step 2
                if inbox.is_empty() {
                    stack.park(); // step 3
                }
                outer.end(); // step 4
            }
        }
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}
