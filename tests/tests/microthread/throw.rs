//! Errors thrown into microthreads, shielded sections, and ending oneself.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use actor_core::__private::wait;
use actor_core::Runtime;
use actor_core::microthread::{self, Interrupt, JoinError, JoinHandle, Thrown, exit, shield};
use actor_core::prelude::*;
use tests::{Gate, OpenOnDrop, ms, one_worker, runtime, until_idle, within};

use super::{LIMIT, assert_killed};

/// What is thrown here.
#[derive(Debug, PartialEq)]
struct Stop(u32);

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stop {}", self.0)
    }
}

impl std::error::Error for Stop {}

/// Waits for nothing, until something is thrown in.
fn wait_for_a_throw() -> Thrown {
    loop {
        match wait() {
            Ok(()) => {}
            Err(Interrupt::Thrown(thrown)) => return thrown,
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// One that has started, and goes on with `then` when the gate opens.
fn held_at<T: Send + 'static>(
    gate: &Gate,
    rt: &Runtime,
    then: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let (gate, running) = (gate.clone(), Gate::new());
    let opens = running.clone();
    let handle = rt.spawn(move || {
        opens.open();
        gate.wait();
        then()
    });
    running.wait();
    handle.unwrap()
}

fn number(thrown: &Thrown) -> u32 {
    thrown.downcast_ref::<Stop>().expect("a Stop").0
}

#[test]
fn the_wait_a_microthread_is_blocked_in_returns_what_is_thrown() {
    within(LIMIT, || {
        let rt = one_worker();
        let running = Gate::new();
        let opens = running.clone();
        let blocked = rt.spawn(move || {
            opens.open();
            wait_for_a_throw()
        });
        let blocked = blocked.unwrap();
        running.wait();
        until_idle(&rt);
        blocked.throw(Stop(7)).unwrap();
        let thrown = blocked.join().unwrap();
        assert_eq!(number(&thrown), 7);
        assert_eq!(thrown.to_string(), "thrown in by another: stop 7");
    });
}

#[test]
fn a_throw_is_pending_where_nothing_can_return_it() {
    within(LIMIT, || {
        let (rt, gate) = (one_worker(), Gate::new());
        let waits = held_at(&gate, &rt, || {
            microthread::sleep(ms(1));
            microthread::yield_now();
            microthread::checkpoint();
            microthread::spawn(|| ()).join().unwrap();
            wait_for_a_throw()
        });
        waits.throw(Stop(1)).unwrap();
        until_idle(&rt);
        gate.open();
        assert_eq!(number(&waits.join().unwrap()), 1);
    });
}

#[test]
fn several_are_returned_in_order_one_a_wait() {
    within(LIMIT, || {
        let (rt, gate) = (one_worker(), Gate::new());
        let waits = held_at(&gate, &rt, || [(); 4].map(|()| number(&wait_for_a_throw())));
        (0..3).for_each(|n| waits.throw(Stop(n)).unwrap());
        gate.open();
        waits.throw(Stop(3)).unwrap();
        assert_eq!(waits.join().unwrap(), [0, 1, 2, 3]);
    });
}

/// Spawns one that cannot have started yet when `meanwhile` is called, and gives how it ended.
fn before_it_starts(
    meanwhile: impl FnOnce(&JoinHandle<()>) + Send + 'static,
) -> Result<(), JoinError> {
    let rt = one_worker();
    let parent = rt.spawn(|| {
        let dropped = OpenOnDrop::default();
        let gate = dropped.0.clone();
        let late = microthread::spawn(move || {
            let _dropped = dropped;
            panic!("it never runs");
        });
        meanwhile(&late);
        let joined = late.join();
        assert!(gate.is_open(), "what it owned is dropped");
        joined
    });
    parent.unwrap().join().unwrap()
}

#[test]
fn what_is_thrown_into_one_that_has_not_started_is_how_it_ends() {
    within(LIMIT, || {
        let joined = before_it_starts(|late| late.throw(Stop(2)).unwrap());
        assert!(matches!(joined, Err(JoinError::Thrown(thrown)) if number(&thrown) == 2));
        let killed = before_it_starts(|late| {
            late.throw(Stop(2)).unwrap();
            late.kill();
        });
        assert_killed(killed);
    });
}

#[test]
fn what_is_thrown_into_one_that_has_ended_comes_back() {
    within(LIMIT, || {
        let rt = one_worker();
        let ended = rt.spawn(|| 5).unwrap();
        tests::until(|| ended.is_finished());
        let back = ended.throw(Stop(3)).unwrap_err().into_inner();
        assert_eq!(*back.downcast::<Stop>().unwrap(), Stop(3));
        assert_eq!(ended.join().unwrap(), 5);
    });
}

/// Whatever the two are about when they meet.
#[test]
fn no_throw_is_lost_at_any_time() {
    within(LIMIT, || {
        let rt = runtime(2);
        for round in 0..2_000 {
            let target = rt.spawn(|| [(); 2].map(|()| number(&wait_for_a_throw())));
            let target = Arc::new(target.unwrap());
            // From its first wait on: before that, it would not start.
            if round % 2 == 0 {
                until_idle(&rt);
            }
            let thrower = rt.spawn({
                let target = target.clone();
                move || {
                    let _ = target.throw(Stop(0));
                    microthread::yield_now();
                    let _ = target.throw(Stop(1));
                }
            });
            thrower.unwrap().join().unwrap();
            match Arc::into_inner(target).unwrap().join() {
                Ok(got) => assert_eq!(got, [0, 1]),
                Err(JoinError::Thrown(thrown)) => assert_eq!(number(&thrown), 0),
                Err(other) => panic!("{other:?}"),
            }
        }
    });
}

// ---- shielded sections -----------------------------------------------------------------------------------------------

/// A microthread that comes into a section, waits there, and says how far it got.
struct Shielded {
    inside: Gate,
    go: Gate,
    reached: Arc<AtomicUsize>,
}

impl Shielded {
    fn new() -> Self {
        Shielded {
            inside: Gate::new(),
            go: Gate::new(),
            reached: Arc::default(),
        }
    }

    fn body(&self) -> impl FnOnce() + Send + 'static {
        let (inside, go, reached) = (self.inside.clone(), self.go.clone(), self.reached.clone());
        move || {
            shield(|| {
                shield(|| {
                    inside.open();
                    go.wait();
                    microthread::sleep(ms(1));
                });
                // The outer section still holds.
                microthread::yield_now();
                microthread::checkpoint();
                reached.fetch_add(1, SeqCst);
            });
            reached.fetch_add(10, SeqCst);
        }
    }
}

#[test]
fn a_kill_is_raised_when_the_outermost_section_ends() {
    within(LIMIT, || {
        let (rt, section) = (one_worker(), Shielded::new());
        let handle = rt.spawn(section.body()).unwrap();
        section.inside.wait();
        handle.kill();
        until_idle(&rt);
        assert!(!handle.is_finished());
        section.go.open();
        assert_killed(handle.join());
        assert_eq!(section.reached.load(SeqCst), 1);
    });
}

#[test]
fn a_throw_is_pending_until_after_the_section() {
    within(LIMIT, || {
        let (rt, inside, woken) = (one_worker(), Gate::new(), Gate::new());
        let handle = rt.spawn({
            let (inside, woken) = (inside.clone(), woken.clone());
            move || {
                shield(|| {
                    inside.open();
                    while !woken.is_open() {
                        // The throw wakes it, and that is all.
                        wait().expect("nothing is thrown in here");
                        woken.open();
                    }
                });
                number(&wait_for_a_throw())
            }
        });
        let handle = handle.unwrap();
        inside.wait();
        until_idle(&rt);
        handle.throw(Stop(4)).unwrap();
        assert_eq!(handle.join().unwrap(), 4);
    });
}

#[test]
fn what_is_due_already_comes_before_the_section() {
    within(LIMIT, || {
        let (rt, go, inside) = (one_worker(), Gate::new(), Gate::new());
        let holds = Arc::new(std::sync::OnceLock::<JoinHandle<()>>::new());
        let handle = rt.spawn({
            let (holds, go, inside) = (holds.clone(), go.clone(), inside.clone());
            move || {
                go.wait();
                holds.get().unwrap().kill();
                shield(|| inside.open());
            }
        });
        holds.set(handle.unwrap()).unwrap();
        go.open();
        tests::until(|| holds.get().unwrap().is_finished());
        assert!(!inside.is_open());
    });
}

#[test]
fn shutdown_waits_for_a_section_but_not_beyond_its_deadline() {
    within(LIMIT, || {
        let (rt, section) = (one_worker(), Shielded::new());
        let handle = rt.spawn(section.body()).unwrap();
        section.inside.wait();
        let go = section.go.clone();
        let opens = std::thread::spawn(move || go.open());
        assert!(rt.shutdown(ms(20_000)).unwrap().is_clean());
        opens.join().unwrap();
        assert_killed(handle.join());
        assert_eq!(section.reached.load(SeqCst), 1);

        let (rt, inside) = (one_worker(), Gate::new());
        let opens = inside.clone();
        let stays = rt.spawn(move || {
            shield(|| {
                opens.open();
                Gate::new().wait();
            });
        });
        inside.wait();
        let report = rt.shutdown(ms(20)).unwrap();
        assert_eq!(report.leaked.len(), 1, "{report:?}");
        drop(stays);
    });
}

#[test]
fn on_an_os_thread_a_section_is_a_call() {
    assert_eq!(shield(|| shield(|| 3)), 3);
}

// ---- ending oneself --------------------------------------------------------------------------------------------------

#[test]
fn who_exits_unwinds_and_counts_as_killed() {
    within(LIMIT, || {
        let rt = one_worker();
        for in_section in [false, true] {
            let dropped = OpenOnDrop::default();
            let gate = dropped.0.clone();
            let exits = rt.spawn(move || {
                let _dropped = dropped;
                if in_section {
                    shield(|| exit())
                } else {
                    exit()
                }
            });
            let joined: Result<(), _> = exits.unwrap().join();
            assert_killed(joined);
            assert!(gate.is_open());
        }
    });
}

#[actor]
struct Exits;

#[actor]
impl Exits {
    pub(crate) fn leave(&mut self) -> u32 {
        exit()
    }
}

#[test]
fn an_actor_whose_handler_exits_is_killed() {
    within(LIMIT, || {
        let sys = System::builder().workers(1).build().unwrap();
        let events = sys.events();
        let exits = sys.spawn(Exits).unwrap();
        assert!(exits.ask().leave().is_err());
        let reason = events.iter().find_map(|event| match event {
            actor_core::Event::Exited { reason, .. } => Some(reason),
            _ => None,
        });
        assert_eq!(reason, Some(ExitReason::Killed));
    });
}

#[test]
fn on_an_os_thread_exit_panics_and_says_so() {
    let refused = std::panic::catch_unwind(|| exit()).unwrap_err();
    let message = refused.downcast_ref::<&str>().unwrap();
    assert!(message.contains("outside a microthread"), "{message}");
}
