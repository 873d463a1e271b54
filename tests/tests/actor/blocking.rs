//! Handlers that wait: what they keep, and whom they hold up.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use actor_core::microthread;
use actor_core::prelude::*;
use actor_core::sync::{Mutex, Notify};

use super::support::*;

#[test]
fn locals_that_are_not_send_live_across_every_kind_of_wait() {
    let sys = system(2);
    let other = sys.spawn(Probe::default()).unwrap();
    let probes: Vec<_> = (0..8)
        .map(|_| sys.spawn(Probe::default()).unwrap())
        .collect();
    let pending: Vec<_> = probes
        .iter()
        .map(|probe| {
            let other = other.clone();
            probe.request().perform(Box::new(move |_, cx| {
                let local = Rc::new(Cell::new(0));
                let shared = Rc::clone(&local);
                let borrowed = RefCell::new(vec![1]);
                let guard = borrowed.borrow_mut();
                let thread = thread::current().id();
                let count = |n| shared.set(shared.get() + n);
                for _ in 0..10 {
                    other.ask().note(1).unwrap();
                    count(1);
                    microthread::sleep(Duration::from_micros(10));
                    count(1);
                    microthread::yield_now();
                    count(1);
                    count(microthread::blocking(|| 1));
                    let brief = microthread::spawn(|| 1);
                    count(brief.join().unwrap());
                    assert_eq!(thread::current().id(), thread, "it has not moved");
                }
                assert_eq!(guard.len(), 1);
                assert!(cx.addr().is_alive());
                local.get()
            }))
        })
        .collect();
    for pending in pending {
        assert_eq!(pending.wait().unwrap(), 50);
    }
    assert_eq!(other.ask().seen().unwrap().len(), 80);
}

#[test]
fn a_handler_that_waits_does_not_hold_its_worker() {
    quiet();
    let sys = System::builder()
        .workers(1)
        .spare_workers(0)
        .build()
        .unwrap();
    let release = Flag::new();
    let held: Vec<_> = (0..100)
        .map(|_| {
            let probe = sys.spawn(Probe::default()).unwrap();
            let wait = release.clone();
            perform(&probe, move |_, _| {
                wait.wait();
                0
            });
            probe
        })
        .collect();
    blocked(&sys, 100);
    assert_eq!(sys.stats().workers, 1);
    let other = sys.spawn(Probe::default()).unwrap();
    for n in 0..100 {
        other.ask().note(n).unwrap();
    }
    release.raise();
    for probe in held {
        assert_eq!(probe.ask().seen().unwrap(), []);
    }
    // An actor that is done with waiting owns no stack.
    until(|| sys.stats().stacks_in_use == 0);
}

#[test]
fn a_handler_waits_for_an_actor_that_waits_for_an_actor() {
    const DEEP: usize = 200;
    let sys = system(2);
    let probes: Arc<[_]> = (0..DEEP)
        .map(|_| sys.spawn(Probe::default()).unwrap())
        .collect();
    fn next(probes: Arc<[Addr<Probe>]>, at: usize) -> u64 {
        match probes.get(at) {
            None => 0,
            Some(probe) => {
                let rest = Arc::clone(&probes);
                let job: Job = Box::new(move |_, _| next(rest, at + 1) + 1);
                probe.ask().perform(job).unwrap()
            }
        }
    }
    assert_eq!(next(probes, 0), DEEP as u64);
}

#[test]
fn a_message_waits_for_the_handler_before_it_even_if_that_waits() {
    let sys = system(2);
    let probe = sys.spawn(Probe::default()).unwrap();
    let release = Flag::new();
    let wait = release.clone();
    perform(&probe, move |probe, _| {
        wait.wait();
        probe.note(1);
        0
    });
    probe.tell().note(2).unwrap();
    blocked(&sys, 1);
    assert_eq!(probe.queued(), 1);
    release.raise();
    assert_eq!(probe.ask().seen().unwrap(), [1, 2]);
}

#[test]
fn an_actor_answers_its_own_request_after_the_handler() {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    perform(&probe, |probe, cx| {
        let own = cx.addr();
        let pending = own.request().seen();
        assert!(cx.queued() > 0);
        probe.note(3);
        drop(pending); // waiting for it here would be waiting for itself
        0
    });
    assert_eq!(probe.ask().seen().unwrap(), [3]);
}

/// Such a wait cannot be refused, and what ends it runs on the worker that it would block.
#[test]
fn waits_beyond_the_stack_limit_do_not_hold_up_what_would_end_them() {
    quiet();
    let sys = System::builder()
        .workers(1)
        .spare_workers(0)
        .max_stacks(1)
        .build()
        .unwrap();
    let probe = || sys.spawn(Probe::default()).unwrap();
    let (lock, news) = (Arc::new(Mutex::new(0)), Arc::new(Notify::new()));
    // Suspended with the lock held, on the one stack there may be.
    let (holder, held, release) = (probe(), Flag::new(), Flag::new());
    perform(&holder, {
        let (lock, held, release) = (lock.clone(), held.clone(), release.clone());
        move |_, _| {
            let _guard = lock.lock().unwrap();
            held.raise();
            release.wait();
            0
        }
    });
    held.wait();
    let lockers = [(); 4].map(|()| probe());
    for locker in &lockers {
        let lock = lock.clone();
        perform(locker, move |_, _| {
            *lock.lock().unwrap() += 1;
            0
        });
    }
    let waiter = probe();
    perform(&waiter, {
        let news = news.clone();
        move |_, _| {
            news.wait();
            0
        }
    });
    blocked(&sys, 6);
    assert_eq!(sys.stats().max_stacks, 1);
    assert!(sys.spawn(Body).is_err(), "nothing is started beyond it");
    // From a handler that has not begun: there is a stack for it.
    perform(&probe(), {
        let news = news.clone();
        move |_, _| {
            news.notify_one();
            0
        }
    });
    waiter.ask().seen().unwrap();
    release.raise();
    for locker in &lockers {
        locker.ask().seen().unwrap();
    }
    assert_eq!(*lock.lock().unwrap(), 4);
    blocked(&sys, 0);
    end(&sys.spawn(Body).unwrap());
}

/// Has a stack of its own, and ends at once.
#[actor]
struct Body;

#[actor]
impl Body {
    fn run(self, _: Inbox<Self>) -> Exit {
        Exit::Normal
    }
}
