//! What waits elsewhere waits here, too: locks, sleeps, tokens, sockets, futures.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use actor_core::local::{Scheduler, TaskletRef, schedule, spawn};
use actor_core::microthread::{self, CancellationToken, JoinSet, block_on, scope_in, sleep};
use actor_core::net::{TcpListener, TcpStream};
use actor_core::sync::{Barrier, Condvar, Mutex, Notify, RwLock};
use tests::{runtime, within};

use crate::{LIMIT, Log};

#[test]
fn sleeps_end_in_the_order_of_their_deadlines() {
    let (sched, log) = (Scheduler::builder().virtual_time().build(), Log::new());
    for (name, ms) in [("c", 30), ("a", 10), ("b", 20)] {
        let log = log.clone();
        sched.spawn(move || {
            sleep(Duration::from_millis(ms));
            log.add(name);
        });
    }
    sched.run_until_idle().unwrap();
    log.is("a b c");
}

#[test]
fn with_only_a_deadline_left_the_thread_waits_for_it() {
    let sched = Scheduler::new();
    sched.main(|| sleep(Duration::from_millis(1))).unwrap();
    let sleeper = sched.spawn(|| sleep(Duration::from_millis(1)));
    sleeper.join().unwrap();
}

#[test]
fn locks_pass_from_one_to_the_next() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let (mutex, rwlock) = (Rc::new(Mutex::new(0)), Rc::new(RwLock::new(0)));
    for name in ["a", "b"] {
        let (log, mutex, rwlock) = (log.clone(), mutex.clone(), rwlock.clone());
        sched.spawn(move || {
            let mut value = mutex.lock().unwrap();
            schedule().unwrap();
            *value += 1;
            log.add(name);
            drop(value);
            *rwlock.write().unwrap() += 1;
        });
    }
    sched.run().unwrap();
    log.is("a b");
    assert_eq!((*mutex.lock().unwrap(), *rwlock.read().unwrap()), (2, 2));
}

#[test]
fn signals_wake_tasklets() {
    let (sched, log) = (Scheduler::new(), Log::new());
    let (notify, pair) = (
        Rc::new(Notify::new()),
        Rc::new((Mutex::new(false), Condvar::new())),
    );
    sched.spawn({
        let (log, notify) = (log.clone(), notify.clone());
        move || {
            notify.wait();
            log.add("notified");
        }
    });
    sched.spawn({
        let (log, pair) = (log.clone(), pair.clone());
        move || {
            let ready = pair.0.lock().unwrap();
            drop(pair.1.wait_while(ready, |ready| !*ready).unwrap());
            log.add("signalled");
        }
    });
    sched.spawn(move || {
        notify.notify_one();
        *pair.0.lock().unwrap() = true;
        pair.1.notify_all();
    });
    sched.run().unwrap();
    log.is("notified signalled");
    let barrier = Rc::new(Barrier::new(3));
    for _ in 0..3 {
        let barrier = barrier.clone();
        sched.spawn(move || barrier.wait());
    }
    sched.run().unwrap();
    assert_eq!(sched.alive(), 0);
}

#[test]
fn a_cancellation_token_is_waited_for() {
    let (sched, token) = (Scheduler::new(), CancellationToken::new());
    let waiter = sched.spawn({
        let token = token.clone();
        move || token.wait()
    });
    sched.run().unwrap();
    assert!(waiter.is_blocked());
    token.cancel();
    waiter.join().unwrap();
}

#[test]
fn a_future_is_waited_for() {
    let sched = Scheduler::new();
    let polls = sched.spawn(|| {
        let mut polls = 0;
        block_on(poll_fn(move |context| {
            polls += 1;
            context.waker().wake_by_ref();
            if polls < 3 {
                Poll::Pending
            } else {
                Poll::Ready(polls)
            }
        }))
    });
    assert_eq!(polls.join().unwrap(), 3);
}

#[test]
fn scopes_and_join_sets_of_a_runtime_are_waited_for() {
    within(LIMIT, || {
        let rt = Rc::new(runtime(1));
        let sched = Scheduler::new();
        let sum = sched.spawn({
            let rt = rt.clone();
            move || {
                let one = 1;
                let scoped = scope_in(&rt, |s| *s.spawn(|| &one).join().unwrap());
                let mut set = JoinSet::new();
                set.spawn_in(&rt, || 2).unwrap();
                scoped + set.join_next().unwrap().unwrap()
            }
        });
        assert_eq!(sum.join().unwrap(), 3);
    });
}

#[test]
fn sockets_work_where_there_is_no_worker() {
    within(LIMIT, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            let mut four = [0; 4];
            stream.read_exact(&mut four).unwrap();
            stream.write_all(b"pong").unwrap();
            four
        });
        let sched = Scheduler::new();
        let server = sched.spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"ping").unwrap();
            let mut four = [0; 4];
            stream.read_exact(&mut four).unwrap();
            four
        });
        assert_eq!(&server.join().unwrap(), b"pong");
        assert_eq!(&client.join().unwrap(), b"ping");
    });
}

#[test]
fn sockets_park_the_tasklet_where_there_is_a_worker() {
    within(LIMIT, || {
        let rt = runtime(1);
        let served = rt.spawn(|| {
            let sched = Scheduler::new();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = sched.spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(b"ping").unwrap();
            });
            let client = sched.spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                let mut four = [0; 4];
                stream.read_exact(&mut four).unwrap();
                four
            });
            sched.run_until_idle().unwrap();
            server.join().unwrap();
            client.join().unwrap()
        });
        assert_eq!(&served.unwrap().join().unwrap(), b"ping");
    });
}

#[test]
fn ten_thousand_tasklets_take_turns() {
    let sched = Scheduler::new();
    let sum = Rc::new(std::cell::Cell::new(0_u64));
    for n in 0..10_000 {
        let sum = sum.clone();
        sched.spawn(move || {
            schedule().unwrap();
            sum.set(sum.get() + n);
        });
    }
    sched.run().unwrap();
    assert_eq!(sum.get(), 10_000 * 9_999 / 2);
    sched.trim();
}

#[test]
fn a_users_generator_inside_a_tasklet_cannot_switch_it() {
    use actor_core::local::run;
    let sched = Scheduler::new();
    let tasklet = sched.spawn(|| {
        let me: TaskletRef = actor_core::local::current().unwrap();
        let other = spawn(|| ());
        let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
        let mut generator = generator::Gn::<()>::new_scoped_local({
            let seen = seen.clone();
            move |_scope| {
                seen.borrow_mut().push(format!("{:?}", schedule()));
                seen.borrow_mut().push(format!("{:?}", other.run()));
                seen.borrow_mut().push(format!("{:?}", run()));
                // Does nothing there.
                microthread::checkpoint();
            }
        });
        generator.resume();
        assert_eq!(
            *seen.borrow(),
            [
                "Err(Refused(SwitchTrap))",
                "Err(Refused(SwitchTrap))",
                "Err(Refused(SwitchTrap))"
            ]
        );
        assert!(me.is_current());
    });
    tasklet.join().unwrap();
}
