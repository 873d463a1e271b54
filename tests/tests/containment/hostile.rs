//! Code of the user's that we call where nobody expects it: wakers, and destructors of messages.

#![expect(
    unreachable_pub,
    reason = "the methods of an actor that are messages are `pub`"
)]

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Wake, Waker};
use std::thread;

use actor_core::channel::{self, oneshot};
use actor_core::microthread;
use actor_core::prelude::*;
use actor_core::sync::Mutex;
use tests::{Gate, child, within};

use super::LIMIT;

// ---- wakers ------------------------------------------------------------------------------------------------------------

/// Panics when it is asked to wake its task.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

/// Polls `future`, which is not ready, with a waker that panics.
fn leave_a_bad_waker<F: Future>(future: Pin<&mut F>) {
    let waker = Waker::from(Arc::new(Panics));
    assert!(future.poll(&mut Context::from_waker(&waker)).is_pending());
}

#[actor]
struct Server;

#[actor]
impl Server {
    pub fn twice(&mut self, n: u64) -> u64 {
        2 * n
    }

    pub fn wait(&mut self, gate: Gate) -> u64 {
        gate.wait();
        1
    }
}

#[test]
fn a_waker_that_panics_ends_neither_the_actor_that_answers_nor_other_monitors() {
    within(LIMIT, || {
        let sys = System::new().unwrap();
        let server = sys.spawn(Server).unwrap();
        let gate = Gate::new();
        let mut answer = server.request().wait(gate.clone());
        leave_a_bad_waker(Pin::new(&mut answer));
        gate.open();
        assert_eq!(server.ask().twice(21).unwrap(), 42);
        assert_eq!(answer.wait().unwrap(), 1);

        let mut monitors: Vec<_> = (0..3).map(|_| server.monitor()).collect();
        leave_a_bad_waker(Pin::new(&mut monitors[0]));
        leave_a_bad_waker(Pin::new(&mut monitors[1]));
        server.stop();
        for monitor in &mut monitors {
            assert_eq!(monitor.wait().unwrap(), ExitReason::Normal);
        }
        assert_eq!(server.join(), ExitReason::Normal);
    });
}

#[test]
fn a_waker_that_panics_costs_whoever_wakes_it_nothing() {
    within(LIMIT, || {
        // What is received is received.
        let (sender, receiver) = channel::bounded(1);
        sender.send(1).unwrap();
        let mut waiting = pin!(sender.send_async(2));
        leave_a_bad_waker(waiting.as_mut());
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!(receiver.recv(), Ok(2));
        // What is sent is sent.
        let (answer, mut question) = oneshot::channel();
        leave_a_bad_waker(Pin::new(&mut question));
        answer.send(3).unwrap();
        assert_eq!(question.try_recv(), Ok(3));
    });
}

#[test]
fn a_waker_that_panics_while_another_panic_unwinds_does_not_abort() {
    child!(|| {
        let mutex = Mutex::new(0);
        let held = mutex.lock().unwrap();
        let mut waiting = pin!(mutex.lock_async());
        leave_a_bad_waker(waiting.as_mut());
        let unwinds = move || {
            let _held = held;
            panic!("the first");
        };
        catch_unwind(AssertUnwindSafe(unwinds)).unwrap_err();
    })
    .succeeds();
}

// ---- destructors of messages ---------------------------------------------------------------------------------------------

/// A message that does something when it is dropped unhandled.
struct Trap(Option<Box<dyn FnOnce() + Send>>);

impl Trap {
    fn new(f: impl FnOnce() + Send + 'static) -> Self {
        Trap(Some(Box::new(f)))
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

#[actor]
struct Keeper {
    seen: mpsc::Sender<u32>,
}

#[actor]
impl Keeper {
    pub fn hold(&mut self, gate: Gate) {
        gate.wait();
    }

    pub fn keep(&mut self, _trap: Trap) {}

    pub fn note(&mut self, n: u32) -> u32 {
        let _ = self.seen.send(n);
        n
    }

    pub fn myself(&mut self, cx: &mut Cx<Self>, gate: Gate, own: Addr<Keeper>) {
        gate.wait();
        drop(own);
        let _ = cx.addr();
    }
}

fn keeper(sys: &System) -> (Addr<Keeper>, mpsc::Receiver<u32>) {
    let (seen, notes) = mpsc::channel();
    (sys.spawn(Keeper { seen }).unwrap(), notes)
}

/// Messages whose destructors tell, ask, spawn, wait and panic, left by an actor that ends: each runs to its end, and each
/// asker behind them gets its answer.
#[test]
fn destructors_of_messages_left_behind_may_do_what_they_like() {
    within(LIMIT, || {
        let sys = System::new().unwrap();
        let (other, notes) = keeper(&sys);
        for round in 0..50 {
            let (ends, _) = keeper(&sys);
            let gate = Gate::new();
            ends.tell().hold(gate.clone()).unwrap();
            let (to, own) = (other.clone(), ends.clone());
            let host = sys.clone();
            ends.tell()
                .keep(Trap::new(move || to.tell().note(1).unwrap()))
                .unwrap();
            let to = other.clone();
            ends.tell()
                .keep(Trap::new(move || {
                    assert_eq!(to.ask().note(2).unwrap(), 2);
                }))
                .unwrap();
            ends.tell().keep(Trap::new(|| panic!("dropped"))).unwrap();
            ends.tell()
                .keep(Trap::new(move || {
                    // Itself, which is ending.
                    assert!(own.tell().note(3).is_err());
                    assert!(own.ask().note(3).is_err());
                    own.stop();
                    own.kill();
                }))
                .unwrap();
            let to = other.clone();
            ends.tell()
                .keep(Trap::new(move || {
                    let (short, _) = keeper(&host);
                    short
                        .tell()
                        .keep(Trap::new(move || to.tell().note(4).unwrap()))
                        .unwrap();
                    short.kill();
                    let handle = microthread::spawn(|| 5);
                    assert_eq!(handle.join().unwrap(), 5);
                }))
                .unwrap();
            let last = ends.request().note(9);
            match round % 2 {
                0 => ends.kill(),
                _ => ends.stop(),
            }
            gate.open();
            ends.join();
            assert!(round % 2 == 1 || last.wait().is_err());
            let mut seen: Vec<_> = (0..3).map(|_| notes.recv().unwrap()).collect();
            seen.sort_unstable();
            assert_eq!(seen, [1, 2, 4]);
        }
    });
}

/// The last address of an actor is in its own mailbox, or dropped by its own handler.
#[test]
fn an_actor_may_have_the_last_address_of_itself() {
    within(LIMIT, || {
        let sys = System::new().unwrap();
        for _ in 0..100 {
            let (own, _) = keeper(&sys);
            let gate = Gate::new();
            let mut end = own.monitor();
            let (done, dropped) = mpsc::channel();
            own.tell().myself(gate.clone(), own.clone()).unwrap();
            let again = own.clone();
            own.tell()
                .keep(Trap::new(move || {
                    drop(again);
                    let _ = done.send(());
                }))
                .unwrap();
            own.stop();
            drop(own);
            gate.open();
            assert_eq!(end.wait().unwrap(), ExitReason::Normal);
            drop(end);
            dropped.recv().unwrap();
        }
    });
}

thread_local! {
    static AT_EXIT: std::cell::RefCell<Vec<Trap>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Destructors of ending threads send, ask, wait and receive.
#[test]
fn a_destructor_of_an_ending_thread_may_tell_and_ask() {
    within(LIMIT, || {
        let sys = System::new().unwrap();
        let (other, notes) = keeper(&sys);
        for first in [false, true] {
            let (to, (sender, receiver)) = (other.clone(), channel::bounded(1));
            let ender = thread::spawn(move || {
                let last = move || {
                    to.tell().note(1).unwrap();
                    assert_eq!(to.ask().note(2).unwrap(), 2);
                    assert_eq!(to.request().note(3).wait().unwrap(), 3);
                    sender.send(7).unwrap();
                    assert_eq!(receiver.recv(), Ok(7));
                };
                // Before or after whatever of ours the thread has.
                if first {
                    AT_EXIT.with_borrow_mut(|it| it.push(Trap::new(last)));
                    microthread::block_on(async {});
                } else {
                    microthread::block_on(async {});
                    let (unused, rest) = channel::bounded::<u8>(1);
                    unused.send(1).unwrap();
                    rest.recv().unwrap();
                    AT_EXIT.with_borrow_mut(|it| it.push(Trap::new(last)));
                }
            });
            ender.join().unwrap();
            let seen: Vec<_> = (0..3).map(|_| notes.recv().unwrap()).collect();
            assert_eq!(seen, [1, 2, 3]);
        }
    });
}

/// A system ends with messages queued whose destructors use what has ended.
#[test]
fn destructors_of_messages_run_when_the_system_ends_and_find_everybody_gone() {
    within(LIMIT, || {
        for _ in 0..20 {
            let sys = System::new().unwrap();
            let (done, dropped) = mpsc::channel();
            let (keeper, _) = keeper(&sys);
            let gate = Gate::new();
            keeper.tell().hold(gate).unwrap(); // for ever
            for n in 0..10 {
                let (own, done, host) = (keeper.clone(), done.clone(), sys.clone());
                let trap = move || {
                    let _ = own.tell().note(n);
                    let _ = own.ask().note(n);
                    let _ = host.spawn(Server).map(|it| it.ask().twice(1));
                    done.send(n).unwrap();
                };
                keeper.tell().keep(Trap::new(trap)).unwrap();
            }
            let _leaves = sys.shutdown(std::time::Duration::from_millis(10)).unwrap();
            drop((sys, keeper));
            let mut seen: Vec<_> = (0..10).map(|_| dropped.recv().unwrap()).collect();
            seen.sort_unstable();
            assert_eq!(seen, Vec::from_iter(0..10));
        }
    });
}
