//! Direct calls (`rt/worker/call.rs`), on one worker, where what is asked is idle.

use std::future::Future;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::reply::Port;
use super::{
    Actor, ActorOptions, Addr, AskError, Cx, ExitReason, NoMethods, Reply, SpawnError, StartError,
};
use crate::microthread;
use crate::system::System;

type Job = Box<dyn FnOnce(Reply<'_>, &mut Vec<Port>) + Send>;

/// Does what it is asked to; what it keeps are ports.
#[derive(Default)]
struct Does(Vec<Port>);

impl ActorOptions for Does {}

impl Actor for Does {
    type Msg = Job;
    type Tell<'a> = NoMethods;
    type TryTell<'a> = NoMethods;
    type Ask<'a> = NoMethods;
    type Request<'a> = NoMethods;

    fn handle(&mut self, job: Job, reply: Reply<'_>, _: &mut Cx<Self>) {
        job(reply, &mut self.0);
    }
}

type Answer<T> = Result<T, AskError<Job>>;

fn ask<T: Send + 'static>(
    it: &Addr<Does>,
    job: impl FnOnce(Reply<'_>, &mut Vec<Port>) + Send + 'static,
) -> Answer<T> {
    it.__ask(Box::new(job), None)
}

fn tell(it: &Addr<Does>, job: impl FnOnce() + Send + 'static) {
    it.send(Box::new(|_, _| job())).unwrap();
}

/// Runs `f` on a worker that is alone, with actors that are idle.
fn on_one_worker<const N: usize>(f: impl FnOnce([Addr<Does>; N]) + Send + 'static) {
    let sys = System::builder()
        .workers(1)
        .spare_workers(0)
        .build()
        .unwrap();
    let actors = std::array::from_fn(|_| sys.spawn(Does::default()).unwrap());
    let main = sys.spawn_microthread(move || f(actors)).unwrap();
    main.join().unwrap();
}

/// What has happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    fn all(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

#[test]
fn an_answer_to_another_in_a_call_wakes_that() {
    on_one_worker(|[it]| {
        let to = it.clone();
        let kept = Arc::new(AtomicBool::new(false));
        let keeps = kept.clone();
        let waits = microthread::spawn(move || {
            let keep = move |reply: Reply<'_>, ports: &mut Vec<Port>| {
                ports.push(reply.leave());
                keeps.store(true, Ordering::Relaxed);
            };
            ask::<u32>(&to, keep).unwrap()
        });
        while !kept.load(Ordering::Relaxed) {
            microthread::yield_now();
        }
        // So that it has parked.
        microthread::yield_now();
        let both = |reply: Reply<'_>, ports: &mut Vec<Port>| {
            ports.pop().unwrap().send(7_u32).unwrap();
            reply.send(8_u32);
        };
        assert_eq!(ask::<u32>(&it, both).unwrap(), 8);
        assert_eq!(waits.join().unwrap(), 7);
    });
}

#[test]
fn what_is_asked_alone_runs_before_the_asker_goes_on() {
    on_one_worker(|[it, other]| {
        let log = Log::default();
        let (first, last) = (log.clone(), log.clone());
        tell(&other, move || last.note("told"));
        let job = move |reply: Reply<'_>, _: &mut Vec<Port>| {
            first.note("asked");
            reply.send(());
        };
        ask::<()>(&it, job).unwrap();
        log.note("asker");
        ask::<()>(&other, |reply, _| reply.send(())).unwrap();
        assert_eq!(log.all(), ["asked", "asker", "told"]);
    });
}

#[test]
fn what_is_asked_in_a_call_alone_runs_before_the_asker_goes_on() {
    on_one_worker(|[it, inner, other]| {
        let log = Log::default();
        let (first, second, last) = (log.clone(), log.clone(), log.clone());
        tell(&other, move || last.note("told"));
        let job = move |reply: Reply<'_>, _: &mut Vec<Port>| {
            let job = move |reply: Reply<'_>, _: &mut Vec<Port>| {
                first.note("inner");
                reply.send(());
            };
            ask::<()>(&inner, job).unwrap();
            second.note("outer");
            reply.send(());
        };
        ask::<()>(&it, job).unwrap();
        log.note("asker");
        ask::<()>(&other, |reply, _| reply.send(())).unwrap();
        assert_eq!(log.all(), ["inner", "outer", "asker", "told"]);
    });
}

#[test]
fn what_waits_in_a_call_answers_later() {
    on_one_worker(|[it]| {
        let job = |reply: Reply<'_>, _: &mut Vec<Port>| {
            // Off its stack, and back, without its asker: twice.
            microthread::yield_now();
            microthread::yield_now();
            reply.send(5_u8);
        };
        assert_eq!(ask::<u8>(&it, job).unwrap(), 5);
        assert_eq!(ask::<u8>(&it, |reply, _| reply.send(6_u8)).unwrap(), 6);
    });
}

/// Who waits, in the given way, for one that kills it and answers does not go on.
fn ends_where_it_waits(wait: fn(&Addr<Does>, Job) -> Answer<()>) {
    on_one_worker(move |[asker, it, after]| {
        let (me, went_on) = (asker.clone(), Arc::new(AtomicBool::new(false)));
        let goes_on = went_on.clone();
        tell(&asker, move || {
            let job = move |reply: Reply<'_>, _: &mut Vec<Port>| {
                me.kill();
                reply.send(());
            };
            let _ = wait(&it, Box::new(job));
            goes_on.store(true, Ordering::Relaxed);
        });
        assert_eq!(asker.join(), ExitReason::Killed);
        assert!(!went_on.load(Ordering::Relaxed));
        ask::<()>(&after, |reply, _| reply.send(())).unwrap();
    });
}

#[test]
fn an_asker_that_is_killed_in_its_call_ends_there() {
    ends_where_it_waits(|it, job| ask(it, job));
}

#[test]
fn an_asker_that_only_calls_lets_others_run() {
    on_one_worker(|[it]| {
        let ran = Arc::new(AtomicBool::new(false));
        let runs = ran.clone();
        let other = microthread::spawn(move || runs.store(true, Ordering::Relaxed));
        while !ran.load(Ordering::Relaxed) {
            ask::<()>(&it, |reply, _| reply.send(())).unwrap();
        }
        other.join().unwrap();
    });
}

/// Ten that ask the same all the time, until one after the other has had its turn of calls.
#[test]
fn askers_take_turns_and_find_who_they_ask_idle() {
    const ASKS: usize = 1_000;
    on_one_worker(|[it]| {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let askers: Vec<_> = (0..10)
            .map(|asker| {
                let (it, asked) = (it.clone(), asked.clone());
                microthread::spawn(move || {
                    for _ in 0..ASKS {
                        let asked = asked.clone();
                        ask::<()>(&it, move |reply, _| {
                            asked.lock().unwrap().push(asker);
                            reply.send(());
                        })
                        .unwrap();
                    }
                })
            })
            .collect();
        askers.into_iter().for_each(|it| it.join().unwrap());
        let asked = asked.lock().unwrap();
        let turns = asked.chunk_by(|one, next| one == next).count();
        assert!((10 * 7..10 * 16).contains(&turns), "{turns} turns");
    });
}

/// Runs into the guard page.
#[inline(never)]
fn deep(n: u64) -> u64 {
    let frame = black_box([n; 16]);
    if n == u64::MAX {
        return n;
    }
    black_box(deep(n + 1)) + frame[3]
}

#[test]
fn an_overflow_in_a_call_is_told() {
    on_one_worker(|[it, other]| {
        let overflows = |_: Reply<'_>, _: &mut Vec<Port>| {
            black_box(deep(0));
        };
        let told = ask::<()>(&it, overflows);
        assert!(matches!(
            told,
            Err(AskError::NoReply(Some(ExitReason::Overflow)))
        ));
        assert_eq!(it.join(), ExitReason::Overflow);
        ask::<()>(&other, |reply, _| reply.send(())).unwrap();
    });
}

// ---- waits for what was requested before --------------------------------------------------------------------------------

type Request<T> = super::Pending<T, Job>;

fn request<T: Send + 'static>(
    it: &Addr<Does>,
    job: impl FnOnce(Reply<'_>, &mut Vec<Port>) + Send + 'static,
) -> Request<T> {
    it.__request(Box::new(job))
}

#[test]
fn who_waits_for_a_request_lets_what_is_queued_go_first() {
    on_one_worker(|[it, behind, before]| {
        let log = Log::default();
        let (first, second, last) = (log.clone(), log.clone(), log.clone());
        let answer: Request<()> = request(&it, move |reply, _| {
            second.note("requested");
            reply.send(());
        });
        tell(&behind, move || last.note("told behind it"));
        // In the next slot.
        tell(&before, move || first.note("told before it"));
        answer.wait().unwrap();
        log.note("asker");
        ask::<()>(&behind, |reply, _| reply.send(())).unwrap();
        let expected = ["told before it", "requested", "told behind it", "asker"];
        assert_eq!(log.all(), expected);
    });
}

/// Sixteen of those that are queued, that is: who is answered by the first of them does not wait for all.
#[test]
fn who_waits_for_a_request_goes_on_before_all_that_is_queued() {
    on_one_worker(|its: [Addr<Does>; 40]| {
        let log = Log::default();
        let answer: Request<()> = request(&its[0], |reply, _| reply.send(()));
        for it in &its[1..] {
            let log = log.clone();
            tell(it, move || log.note("queued"));
        }
        answer.wait().unwrap();
        let before = log.all().len();
        for it in &its {
            ask::<()>(it, |reply, _| reply.send(())).unwrap();
        }
        // The last that was told is in the next slot, and goes before the request.
        assert_eq!((before, log.all().len()), (15, 39));
    });
}

#[test]
fn a_wait_in_what_is_drawn_does_not_let_more_go_before_the_outer_one() {
    on_one_worker(|its: [Addr<Does>; 40]| {
        let log = Log::default();
        let answer: Request<()> = request(&its[0], |reply, _| reply.send(()));
        for it in &its[1..14] {
            tell(it, || ());
        }
        // The last of sixteen: it waits for one, when nothing else is queued, and then tells twenty.
        let (other, late, log_of_late) = (its[14].clone(), its[20..].to_vec(), log.clone());
        tell(&its[15], move || {
            let answer: Request<()> = request(&other, |reply, _| reply.send(()));
            answer.wait().unwrap();
            for it in &late {
                let log = log_of_late.clone();
                tell(it, move || log.note("late"));
            }
        });
        // In the next slot, and so before all of them.
        tell(&its[16], || ());
        let asked = its[20..].to_vec();
        answer.wait().unwrap();
        let before = log.all().len();
        for it in &asked {
            ask::<()>(it, |reply, _| reply.send(())).unwrap();
        }
        assert_eq!((before, log.all().len()), (0, 20));
    });
}

#[test]
fn a_request_whose_actor_waits_is_waited_for() {
    on_one_worker(|[it, other]| {
        let answers: [Request<u8>; 2] = [(&it, 5_u8), (&other, 6)].map(|(to, n)| {
            request(to, move |reply, _| {
                // Off its stack, and back, without its asker: twice.
                microthread::yield_now();
                microthread::yield_now();
                reply.send(n);
            })
        });
        assert_eq!(answers.map(|it| it.wait().unwrap()), [5, 6]);
    });
}

#[test]
fn a_request_that_was_polled_or_waited_for_in_vain_is_waited_for() {
    on_one_worker(|[it]| {
        let go = Arc::new(AtomicBool::new(false));
        let goes = go.clone();
        let mut answer: Request<u8> = request(&it, move |reply, _| {
            while !goes.load(Ordering::Relaxed) {
                microthread::yield_now();
            }
            reply.send(7_u8);
        });
        assert!(matches!(
            answer.wait_for(std::time::Duration::ZERO),
            Err(AskError::Timeout)
        ));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(std::pin::Pin::new(&mut answer).poll(&mut cx).is_pending());
        go.store(true, Ordering::Relaxed);
        assert_eq!(answer.wait().unwrap(), 7);
    });
}

#[test]
fn who_is_killed_while_what_is_queued_runs_ends_there() {
    ends_where_it_waits(|it, job| request(it, job).wait());
}

/// What is queued may be anything: a microthread, one that wants a larger stack, one that is lost with its stack.
#[test]
fn whatever_is_queued_runs_while_a_request_is_waited_for() {
    on_one_worker(|[it, lost]| {
        let large = microthread::Builder::new().stack_size(1 << 20);
        let large = large.spawn(|| black_box([1_u8; 1 << 17])[7]).unwrap();
        let small = microthread::spawn(|| 2_u8);
        let overflows: Request<()> = request(&lost, |_, _| {
            black_box(deep(0));
        });
        let answer: Request<u8> = request(&it, |reply, _| reply.send(3_u8));
        // In front of all.
        assert!(matches!(
            overflows.wait(),
            Err(AskError::NoReply(Some(ExitReason::Overflow)))
        ));
        assert_eq!(answer.wait().unwrap(), 3);
        assert_eq!(large.join().unwrap() + small.join().unwrap(), 3);
    });
}

#[test]
fn of_two_that_wait_for_each_others_answers_one_is_told() {
    on_one_worker(|[one, other]| {
        let back = one.clone();
        let to = other.clone();
        let fails: Request<bool> = request(&one, move |reply, _| {
            let answer: Request<bool> = request(&to, move |reply, _| {
                let asked = ask::<()>(&back, |reply, _| reply.send(()));
                reply.send(asked.is_err_and(is_deadlock));
            });
            reply.send(match answer.wait() {
                Ok(other_was_told) => other_was_told,
                Err(error) => is_deadlock(error),
            });
        });
        assert!(fails.wait().unwrap());
        ask::<()>(&other, |reply, _| reply.send(())).unwrap();
    });
}

// ---- starts ------------------------------------------------------------------------------------------------------------

/// Does in its start hook, and when it is told to, what it was made with.
struct Starts(Arc<dyn Fn(&Addr<Starts>) -> Result<(), StartError> + Send + Sync>);

impl ActorOptions for Starts {}

impl Actor for Starts {
    type Msg = ();
    type Tell<'a> = NoMethods;
    type TryTell<'a> = NoMethods;
    type Ask<'a> = NoMethods;
    type Request<'a> = NoMethods;

    const HAS_ON_START: bool = true;

    fn on_start(&mut self, cx: &mut Cx<Self>) -> Result<(), StartError> {
        (self.0)(&cx.addr())
    }

    fn handle(&mut self, (): (), reply: Reply<'_>, cx: &mut Cx<Self>) {
        let _ = (self.0)(&cx.addr());
        reply.send(());
    }
}

fn starts(
    beside: &Addr<Does>,
    hook: impl Fn(&Addr<Starts>) -> Result<(), StartError> + Send + Sync + 'static,
) -> Result<Addr<Starts>, SpawnError> {
    System::of_host(beside.host()).spawn(Starts(Arc::new(hook)))
}

#[test]
fn what_starts_alone_runs_before_its_spawner_goes_on() {
    on_one_worker(|[other]| {
        let log = Log::default();
        let (first, last) = (log.clone(), log.clone());
        tell(&other, move || last.note("told"));
        let hook = move |_: &Addr<Starts>| {
            first.note("started");
            Ok(())
        };
        starts(&other, hook).unwrap();
        log.note("spawner");
        ask::<()>(&other, |reply, _| reply.send(())).unwrap();
        assert_eq!(log.all(), ["started", "spawner", "told"]);
    });
}

#[test]
fn a_start_that_waits_is_waited_for() {
    on_one_worker(|[other]| {
        let started = Arc::new(AtomicBool::new(false));
        let starting = started.clone();
        let hook = move |_: &Addr<Starts>| {
            // Off its stack, and back, without its spawner.
            microthread::yield_now();
            microthread::yield_now();
            starting.store(true, Ordering::Relaxed);
            Ok(())
        };
        starts(&other, hook).unwrap();
        assert!(started.load(Ordering::Relaxed));
    });
}

#[test]
fn a_start_that_fails_is_told() {
    on_one_worker(|[other]| {
        for waits in [false, true] {
            let hook = move |_: &Addr<Starts>| {
                if waits {
                    microthread::yield_now();
                    microthread::yield_now();
                }
                Err(StartError::new("no"))
            };
            let failed = starts(&other, hook).unwrap_err();
            assert!(matches!(failed, SpawnError::Start(error) if error.to_string() == "no"));
        }
        let overflows = |_: &Addr<Starts>| {
            black_box(deep(0));
            Ok(())
        };
        assert!(matches!(
            starts(&other, overflows).unwrap_err(),
            SpawnError::Start(_)
        ));
    });
}

/// The wait is over when the hook is, though its spawner has not run since.
#[test]
fn what_has_started_may_ask_its_spawner_before_that_goes_on() {
    on_one_worker(|[spawner]| {
        let (done, asked) = crate::channel::bounded(1);
        let (me, of) = (spawner.clone(), System::of_host(spawner.host()));
        let job = move |reply: Reply<'_>, _: &mut Vec<Port>| {
            let in_hook = AtomicBool::new(true);
            let hook = move |own: &Addr<Starts>| {
                let answer = ask::<()>(&me, |reply, _| reply.send(()));
                if in_hook.swap(false, Ordering::Relaxed) {
                    assert!(answer.is_err_and(is_deadlock));
                    // Handled before the spawner goes on, in the same activation.
                    own.send(()).unwrap();
                } else {
                    done.send(answer.is_ok()).unwrap();
                }
                Ok(())
            };
            of.spawn(Starts(Arc::new(hook))).unwrap();
            reply.send(());
        };
        ask::<()>(&spawner, job).unwrap();
        assert!(asked.recv().unwrap());
    });
}

fn is_deadlock(error: AskError<Job>) -> bool {
    matches!(error, AskError::Deadlock { .. })
}
