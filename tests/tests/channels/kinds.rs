//! The other kinds of channel: oneshot, broadcast, watch, and what time sends to. Between microthreads of several workers, threads
//! and futures; in a `select`; killed and thrown at.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use actor_core::channel::{
    RecvError, Select, SelectError, SendError, TryRecvError, after, at, broadcast, never, oneshot,
    tick, unbounded, watch,
};
use actor_core::microthread::{self, Interrupt, block_on};
use actor_core::{select, testing};
use tests::{Gate, ms, one_worker, runtime, until_idle, within};

use super::{Drops, LIMIT, Stop, assert_killed};

/// Starts one and waits until it waits.
fn started<T: Send + 'static>(
    rt: &actor_core::Runtime,
    body: impl FnOnce() -> T + Send + 'static,
) -> microthread::JoinHandle<T> {
    let gate = Gate::new();
    let opens = gate.clone();
    let handle = rt.spawn(move || {
        opens.open();
        body()
    });
    gate.wait();
    until_idle(rt);
    let handle = handle.unwrap();
    assert!(!handle.is_finished(), "it does not wait");
    handle
}

// ---- oneshot ---------------------------------------------------------------------------------------------------------

#[test]
fn an_answer_arrives_wherever_the_two_are() {
    within(LIMIT, || {
        let rt = runtime(2);
        for round in 0..2_000_usize {
            let (answer, question) = oneshot::channel();
            let asker = rt.spawn(move || match round % 2 {
                0 => question.recv(),
                _ => block_on(question),
            });
            let (asker, answers) = (asker.unwrap(), move || answer.send(round).unwrap());
            match round % 20 {
                0 => thread::spawn(answers).join().unwrap(),
                1 => answers(),
                _ => drop(rt.spawn(answers).unwrap()),
            }
            assert_eq!(asker.join().unwrap(), Ok(round));
        }
    });
}

#[test]
fn a_question_that_nobody_answers_ends_and_an_answer_that_nobody_wants_comes_back() {
    testing::check(|_| {
        let (answer, question) = oneshot::channel::<u32>();
        let asker = microthread::spawn(move || question.recv());
        let answerer = microthread::spawn(move || drop(answer));
        answerer.join().unwrap();
        assert_eq!(asker.join().unwrap(), Err(RecvError::Disconnected));
        let (answer, question) = oneshot::channel();
        let asker = microthread::spawn(move || drop(question));
        let sent = answer.send(5);
        asker.join().unwrap();
        assert!(matches!(sent, Ok(()) | Err(SendError::Disconnected(5))));
    });
}

#[test]
fn every_answer_is_dropped_once() {
    within(LIMIT, || {
        let rt = runtime(2);
        let drops = Drops::default();
        for round in 0..300 {
            let (answer, question) = oneshot::channel();
            let asker = rt.spawn(move || drop(question.recv())).unwrap();
            let value = drops.value();
            let answerer = rt.spawn(move || drop(answer.send(value))).unwrap();
            match round % 3 {
                0 => asker.kill(),
                1 => drop(asker.throw(Stop(0))),
                _ => answerer.kill(),
            }
            drop((asker.join(), answerer.join()));
        }
        drops.assert_each_once("oneshot");
    });
}

// ---- broadcast -------------------------------------------------------------------------------------------------------

#[test]
fn everybody_gets_everything_in_order_or_is_told_what_was_lost() {
    const SENT: u64 = 3_000;
    within(LIMIT, || {
        for capacity in [1, 7, SENT as usize] {
            let rt = runtime(2);
            let (sender, first) = broadcast::channel(capacity);
            let receive = |receiver: broadcast::Receiver<u64>, asynchronous: bool| {
                move || {
                    let (mut got, mut lost, mut last) = (0, 0, None);
                    loop {
                        let received = match asynchronous {
                            true => block_on(receiver.recv_async()),
                            false => receiver.recv(),
                        };
                        match received {
                            Ok(value) => {
                                assert_eq!(value, got + lost, "what was lost is known");
                                assert!(last.replace(value) < Some(value));
                                got += 1;
                            }
                            Err(broadcast::RecvError::Lagged(n)) => lost += n,
                            Err(_) => break (got, lost),
                        }
                    }
                }
            };
            let microthreads: Vec<_> = (0..6)
                .map(|n| rt.spawn(receive(sender.subscribe(), n % 2 == 0)).unwrap())
                .collect();
            let thread = thread::spawn(receive(first, false));
            (0..SENT).for_each(|n| assert_eq!(sender.send(n), Ok(7)));
            drop(sender);
            let all = microthreads.into_iter().map(|it| it.join().unwrap());
            for (got, lost) in all.chain([thread.join().unwrap()]) {
                assert_eq!(got + lost, SENT);
                assert!(capacity < SENT as usize || lost == 0);
            }
        }
    });
}

#[test]
fn a_killed_subscriber_takes_nothing_from_others() {
    within(LIMIT, || {
        let rt = one_worker();
        let (sender, receiver) = broadcast::channel(2);
        let (own, receiver) = (sender.subscribe(), Arc::new(receiver));
        let shared = receiver.clone();
        let victims = [
            started(&rt, move || drop(own.recv())),
            started(&rt, move || drop(shared.recv())),
        ];
        victims.iter().for_each(microthread::JoinHandle::kill);
        for victim in victims {
            assert_killed(victim.join());
        }
        assert_eq!(sender.receiver_count(), 1);
        sender.send(1).unwrap();
        assert_eq!(receiver.recv(), Ok(1));
        assert!(sender.is_empty());
    });
}

// ---- watch -----------------------------------------------------------------------------------------------------------

#[test]
fn everybody_sees_the_last_value_and_never_an_older_one_after_a_newer() {
    const LAST: u32 = 2_000;
    within(LIMIT, || {
        let rt = runtime(2);
        let (sender, receiver) = watch::channel(0);
        let look = |receiver: watch::Receiver<u32>, asynchronous: bool| {
            move || {
                let mut seen = 0;
                while seen < LAST {
                    match asynchronous {
                        true => block_on(receiver.changed_async()).unwrap(),
                        false => receiver.changed().unwrap(),
                    }
                    let now = receiver.get();
                    assert!(now >= seen);
                    seen = now;
                }
            }
        };
        let microthreads: Vec<_> = (0..6)
            .map(|n| rt.spawn(look(receiver.clone(), n % 2 == 0)).unwrap())
            .collect();
        let thread = thread::spawn(look(receiver, false));
        // Several senders: each modification is one step.
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let sender = sender.clone();
                rt.spawn(move || {
                    (0..LAST / 4).for_each(|_| sender.send_modify(|n| *n += 1));
                })
            })
            .collect();
        microthreads.into_iter().for_each(|it| it.join().unwrap());
        thread.join().unwrap();
        senders
            .into_iter()
            .for_each(|it| it.unwrap().join().unwrap());
        assert_eq!(*sender.borrow(), LAST);
    });
}

#[test]
fn a_wait_for_a_value_ends_when_it_comes() {
    testing::check(|_| {
        let (sender, receiver) = watch::channel(0);
        let waits = microthread::spawn(move || *receiver.wait_for(|n| *n >= 3).unwrap());
        (1..=3).for_each(|n| sender.send(n).unwrap());
        assert_eq!(waits.join().unwrap(), 3);
    });
}

#[test]
fn a_killed_watcher_has_seen_nothing() {
    within(LIMIT, || {
        let rt = one_worker();
        let (sender, receiver) = watch::channel(0);
        let receiver = Arc::new(receiver);
        let own = receiver.clone();
        let victim = started(&rt, move || drop(own.changed()));
        let holder = tests::Holder::spawn(&rt, "holder");
        sender.send(1).unwrap(); // it is woken, and cannot run
        victim.kill();
        drop(holder);
        assert_killed(victim.join());
        assert_eq!(receiver.has_changed(), Ok(true));
    });
}

#[test]
fn whoever_waits_for_news_learns_that_the_last_sender_is_gone() {
    within(LIMIT, || {
        let rt = one_worker();
        let (news, receiver) = broadcast::channel::<u32>(1);
        let (latest, watcher) = watch::channel(0);
        let hears = started(&rt, move || receiver.recv());
        let sees = started(&rt, move || watcher.changed());
        drop((news.clone(), latest.clone()));
        until_idle(&rt);
        assert!(!hears.is_finished() && !sees.is_finished(), "not the last");
        drop((news, latest));
        let gone = Err(broadcast::RecvError::Disconnected);
        assert_eq!(hears.join().unwrap(), gone);
        assert_eq!(sees.join().unwrap(), Err(RecvError::Disconnected));
    });
}

// ---- time ------------------------------------------------------------------------------------------------------------

#[test]
fn a_moment_comes_when_it_is_due_and_once() {
    testing::check(|_| {
        let start = testing::elapsed();
        let moment = after(ms(30));
        assert_eq!(moment.try_recv(), Err(TryRecvError::Empty));
        moment.recv().unwrap();
        assert_eq!(testing::elapsed() - start, ms(30));
        // It is not received again; `at` in the past is there at once.
        assert!(moment.recv_timeout(ms(1_000)).is_err());
        let start = testing::elapsed();
        let past = Instant::now() - ms(1);
        assert_eq!(at(past).recv(), Ok(past));
        assert_eq!(testing::elapsed(), start);
    });
}

#[test]
fn a_ticker_keeps_time_beside_other_work() {
    testing::check(|_| {
        let start = testing::elapsed();
        let (tx, rx) = unbounded();
        let sender = microthread::spawn(move || {
            for n in 0..10 {
                microthread::sleep(ms(7));
                tx.send(n).unwrap();
            }
        });
        let (ticks, enough) = (tick(ms(20)), after(ms(101)));
        let (mut ticked, mut got, mut rx) = (Vec::new(), Vec::new(), Some(&rx));
        loop {
            select! {
                recv(rx) -> value => match value {
                    Ok(value) => got.push(value),
                    Err(_) => rx = None,
                },
                recv(&ticks) => ticked.push(testing::elapsed() - start),
                recv(&enough) => break,
            }
        }
        assert_eq!(ticked, [20, 40, 60, 80, 100].map(ms));
        assert!(got.into_iter().eq(0..10));
        assert_eq!(testing::elapsed() - start, ms(101));
        sender.join().unwrap();
    });
}

#[test]
fn what_never_comes_leaves_the_choice_to_others() {
    testing::check(|_| {
        let (nothing, soon) = (never::<u32>(), after(ms(5)));
        let start = testing::elapsed();
        let chosen = select! {
            recv(&nothing) -> _ => 1,
            recv(&soon) -> _ => 2,
            default(ms(9)) => 3,
        };
        assert_eq!((chosen, testing::elapsed() - start), (2, ms(5)));
        assert_eq!(nothing.try_recv(), Err(TryRecvError::Empty));
        let mut select = Select::new();
        let _branch = select.recv(&nothing);
        assert_eq!(select.try_wait(), Err(SelectError::NotReady));
    });
}

#[test]
fn the_earlier_of_two_moments_is_taken_and_the_later_is_left() {
    testing::check(|_| {
        let (early, late) = (after(ms(3)), after(ms(4)));
        let start = testing::elapsed();
        let first = select! { recv(&late) => 4, recv(&early) => 3 };
        let second = select! { recv(&late) => 4, recv(&early) => 3 };
        assert_eq!((first, second, testing::elapsed() - start), (3, 4, ms(4)));
    });
}

// ---- all of them in one selection ------------------------------------------------------------------------------------

/// One of each kind, nothing to be received.
struct Every {
    plain: (
        actor_core::channel::Sender<u32>,
        actor_core::channel::Receiver<u32>,
    ),
    answer: Mutex<Option<oneshot::Sender<u32>>>,
    question: oneshot::Receiver<u32>,
    /// From then on there is nothing to ask: its receiver would be ready for ever.
    answered: AtomicBool,
    news: (broadcast::Sender<u32>, broadcast::Receiver<u32>),
    latest: (watch::Sender<u32>, watch::Receiver<u32>),
    done: Gate,
}

impl Every {
    fn new() -> Arc<Self> {
        let (answer, question) = oneshot::channel();
        Arc::new(Every {
            plain: unbounded(),
            answer: Mutex::new(Some(answer)),
            question,
            answered: AtomicBool::new(false),
            news: broadcast::channel(2),
            latest: watch::channel(0),
            done: Gate::new(),
        })
    }

    /// Which one was chosen. An interrupt is whose it is.
    fn wait(&self) -> Result<usize, Interrupt> {
        let interrupted = |error| match error {
            RecvError::Interrupted(why) => why,
            other => panic!("{other:?}"),
        };
        let question = (!self.answered.load(SeqCst)).then_some(&self.question);
        let (nothing, far) = (never::<()>(), after(ms(3_600_000)));
        select! {
            recv(&self.plain.1) -> got => got.map(|it| assert_eq!(it, 7)).map(|()| 0).map_err(interrupted),
            recv(question) -> got => {
                self.answered.store(got.is_ok(), SeqCst);
                got.map(|it| assert_eq!(it, 7)).map(|()| 1).map_err(interrupted)
            },
            recv(&self.news.1) -> got => match got {
                Ok(it) => { assert_eq!(it, 7); Ok(2) }
                Err(broadcast::RecvError::Interrupted(why)) => Err(why),
                Err(other) => panic!("{other:?}"),
            },
            recv(&self.latest.1) -> got => got.map(|()| 3).map_err(interrupted),
            ready(self.done.opened()) => Ok(4),
            recv(&nothing) -> got => got.map(|()| 5).map_err(interrupted),
            recv(&far) -> got => got.map(|_| 6).map_err(interrupted),
        }
    }

    fn make_ready(&self, which: usize) {
        match which {
            0 => self.plain.0.send(7).unwrap(),
            1 => self.answer.lock().unwrap().take().unwrap().send(7).unwrap(),
            2 => assert_eq!(self.news.0.send(7), Ok(1)),
            3 => self.latest.0.send(7).unwrap(),
            _ => self.done.open(),
        }
    }
}

#[test]
fn a_selection_takes_whichever_kind_is_ready() {
    within(LIMIT, || {
        let rt = one_worker();
        for which in 0..5 {
            let every = Every::new();
            let own = every.clone();
            let waits = started(&rt, move || own.wait());
            every.make_ready(which);
            assert_eq!(waits.join().unwrap(), Ok(which));
            // Nothing of that wait is in the way of others. (The gate stays open.)
            for other in (0..5).filter(|it| *it != which) {
                every.make_ready(other);
                let got = every.wait().unwrap();
                assert!(got == other || which == 4);
            }
            assert_eq!(every.plain.0.balance(), 0);
        }
    });
}

#[test]
fn a_selection_of_every_kind_can_be_killed_and_thrown_at() {
    within(LIMIT, || {
        let rt = one_worker();
        let every = Every::new();
        let start = || {
            let own = every.clone();
            started(&rt, move || own.wait())
        };
        let victim = start();
        victim.kill();
        assert_killed(victim.join());
        let target = start();
        target.throw(Stop(1)).unwrap();
        let Err(Interrupt::Thrown(thrown)) = target.join().unwrap() else {
            panic!("not thrown");
        };
        assert_eq!(thrown.downcast_ref(), Some(&Stop(1)));
        assert_eq!(every.plain.0.balance(), 0);
        for which in 0..4 {
            every.make_ready(which);
            assert_eq!(every.wait(), Ok(which));
        }
    });
}

#[test]
fn selections_of_answers_and_news_lose_nothing() {
    within(LIMIT, || {
        let rt = runtime(2);
        let stop = Arc::new(AtomicBool::new(false));
        let (news, receiver) = broadcast::channel(10_000);
        let sends = {
            let stop = stop.clone();
            rt.spawn(move || {
                let mut sent = 0_u64;
                while !stop.load(SeqCst) && sent < 9_000 {
                    news.send(sent).unwrap();
                    sent += 1;
                    microthread::yield_now();
                }
                sent
            })
        };
        let mut heard = 0;
        for round in 0..500_u64 {
            let (answer, question) = oneshot::channel();
            drop(rt.spawn(move || answer.send(round)).unwrap());
            loop {
                select! {
                    recv(&question) -> answer => {
                        assert_eq!(answer, Ok(round));
                        break;
                    },
                    recv(&receiver) -> news => match news {
                        Ok(news) => {
                            assert_eq!(news, heard);
                            heard += 1;
                        }
                        Err(error) => assert!(error.is_disconnected()),
                    },
                }
            }
        }
        stop.store(true, SeqCst);
        let sent = sends.unwrap().join().unwrap();
        while receiver.recv().is_ok() {
            heard += 1;
        }
        assert_eq!(heard, sent);
    });
}
