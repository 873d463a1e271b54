//! Asks and requests: answers, deadlines, and what the asker learns when there is none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{ActorOptions, Event, NoMethods, Reply, microthread};

use super::support::*;

/// Answers of all kinds. Unoptimised code copies the large ones many times.
#[actor(stack = 512 * 1024)]
pub struct Answers(Arc<AtomicUsize>);

#[derive(Debug, PartialEq, Eq)]
pub struct Broke(u32);

#[derive(Debug, PartialEq)]
#[repr(align(256))]
pub struct Aligned(u8);

#[actor]
impl Answers {
    pub fn nothing(&self) {}
    pub fn text(&self, n: usize) -> String {
        "x".repeat(n)
    }
    pub fn large(&self) -> [u8; 8192] {
        std::array::from_fn(|i| i as u8)
    }
    pub fn aligned(&self) -> Aligned {
        Aligned(7)
    }
    pub fn counted(&self) -> Counted {
        Counted::new(&self.0)
    }
    pub fn fallible(&self, n: u32) -> Result<u32, Broke> {
        if n > 3 { Err(Broke(n - 3)) } else { Ok(n) }
    }
    pub fn maybe(&self) -> Option<Result<u8, Broke>> {
        Some(Err(Broke(1)))
    }
}

fn answers(sys: &System) -> (Addr<Answers>, Arc<AtomicUsize>) {
    let count = Arc::default();
    (sys.spawn(Answers(Arc::clone(&count))).unwrap(), count)
}

#[test]
fn an_answer_may_be_of_any_type() {
    let sys = system(1);
    let (answers, count) = answers(&sys);
    let all = move || {
        answers.ask().nothing().unwrap();
        assert_eq!(answers.ask().text(3).unwrap(), "xxx");
        let large = answers.ask().large().unwrap();
        assert!(large.iter().enumerate().all(|(i, byte)| *byte == i as u8));
        let aligned = answers.ask().aligned().unwrap();
        assert_eq!(aligned, Aligned(7));
        assert!((&raw const aligned).addr().is_multiple_of(256));
        assert_eq!(answers.ask().fallible(3).unwrap(), 3);
        assert_eq!(answers.ask().maybe().unwrap(), Some(Err(Broke(1))));
        drop(answers.ask().counted().unwrap());
        assert_eq!(count.load(Ordering::SeqCst), 0);
    };
    all();
    let inside = || {
        let large = microthread::Builder::new().stack_size(512 * 1024);
        large.spawn(all).unwrap().join().unwrap();
    };
    sys.spawn_microthread(inside).unwrap().join().unwrap();
}

#[test]
fn a_handlers_error_arrives_flattened() {
    let sys = system(1);
    let (answers, _) = answers(&sys);
    let asked = answers.ask().fallible(5);
    assert!(matches!(asked, Err(AskError::Handler(Broke(2)))));
    let within = answers.ask().within(LIMIT).fallible(5);
    assert_eq!(within.unwrap_err().into_handler(), Some(Broke(2)));
    let requested = answers.request().fallible(4).wait();
    assert_eq!(requested.unwrap_err().into_handler(), Some(Broke(1)));
    let mut pending = answers.request().fallible(9);
    until(|| answers.queued() == 0);
    answers.ask().nothing().unwrap();
    let taken = pending.try_take().expect("answered before the other");
    assert_eq!(taken.unwrap_err().into_handler(), Some(Broke(6)));
}

#[test]
fn an_answer_that_nobody_waits_for_is_dropped() {
    let sys = system(1);
    let (answers, count) = answers(&sys);
    answers.tell().counted().unwrap();
    drop(answers.request().counted());
    let kept = answers.request().counted();
    answers.ask().nothing().unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 1);
    drop(kept);
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn an_ask_with_a_deadline_gives_up_and_the_message_is_handled_all_the_same() {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    let release = hold(&probe);
    let (one, two) = (probe.clone(), probe.clone());
    let ask = |probe: &Addr<Probe>, n| probe.ask().within(Duration::from_millis(5)).note(n);
    assert!(ask(&one, 1).unwrap_err().is_timeout());
    let micro = sys.spawn_microthread(move || ask(&two, 2)).unwrap();
    assert!(micro.join().unwrap().unwrap_err().is_timeout());
    release.raise();
    assert_eq!(probe.ask().within(LIMIT).seen().unwrap(), [1, 2]);
}

#[test]
fn a_deadline_holds_for_a_full_mailbox_too() {
    let sys = system(1);
    let (narrow, release) = Narrow::<1>::full(&sys);
    let asked = narrow.ask().within(Duration::from_millis(5)).note(3);
    assert!(matches!(
        asked,
        Err(AskError::Full(NarrowMsg::Note { n: 3 }))
    ));
    release.raise();
    assert_eq!(narrow.ask().seen().unwrap(), [0]);
}

#[test]
fn requests_run_in_parallel() {
    let sys = system(1);
    let release = Flag::new();
    let (mut entered, mut pending) = (Vec::new(), Vec::new());
    for n in 0..4 {
        let probe = sys.spawn(Probe::default()).unwrap();
        let (inside, wait) = (Flag::new(), release.clone());
        entered.push(inside.clone());
        pending.push(probe.request().perform(Box::new(move |_, _| {
            inside.raise();
            wait.wait();
            n
        })));
    }
    entered.iter().for_each(Flag::wait); // all of them are at work
    release.raise();
    let sum: u64 = pending.into_iter().map(|it| it.wait().unwrap()).sum();
    assert_eq!(sum, 6);
}

#[test]
fn a_pending_answer_can_be_looked_at_waited_for_and_awaited() {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    let release = hold(&probe);
    let mut first = probe.request().seen();
    let second = probe.request().seen();
    assert!(first.try_take().is_none());
    let waited = first.wait_for(Duration::from_millis(1));
    assert!(waited.unwrap_err().is_timeout());
    release.raise();
    assert_eq!(first.wait_for(LIMIT).unwrap(), []);
    assert!(matches!(
        first.try_take(),
        Some(Err(AskError::NoReply(None)))
    ));
    assert_eq!(microthread::block_on(second).unwrap(), []);
    let third = probe.request().seen();
    let inside = sys
        .spawn_microthread(move || microthread::block_on(third).unwrap())
        .unwrap();
    assert_eq!(inside.join().unwrap(), []);
}

/// What the asker of a handler, and one queued behind it, learn.
#[track_caller]
fn learns(
    reason: ExitReason,
    job: impl FnOnce(&mut Probe, &mut Cx<Probe>) -> u64 + Send + 'static,
    meanwhile: impl FnOnce(&Addr<Probe>),
) {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    let (entered, go) = (Flag::new(), Flag::new());
    let (inside, wait) = (entered.clone(), go.clone());
    let asked = probe.request().perform(Box::new(move |probe, cx| {
        inside.raise();
        wait.wait();
        job(probe, cx)
    }));
    entered.wait();
    let queued = probe.request().seen();
    let late = probe.clone();
    let parked = sys.spawn_microthread(move || late.ask().seen()).unwrap();
    until(|| probe.queued() == 2);
    meanwhile(&probe);
    go.raise();
    let of = |error| match error {
        AskError::NoReply(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(asked.wait().map_err(of), Err(Some(reason.clone())));
    assert_eq!(queued.wait().map_err(of), Err(Some(reason.clone())));
    assert_eq!(
        parked.join().unwrap().map_err(of),
        Err(Some(reason.clone()))
    );
    assert_eq!(end(&probe), reason);
}

#[test]
fn the_asker_of_a_panicking_handler_learns_why() {
    let reason = ExitReason::Panicked("no luck with 7".into());
    learns(reason, |_, _| panic!("no luck with {}", 7), |_| {});
}

#[test]
fn the_asker_of_a_killed_handler_learns_it() {
    let wait = |_: &mut Probe, _: &mut Cx<Probe>| {
        microthread::sleep(LIMIT);
        0
    };
    learns(ExitReason::Killed, wait, Addr::kill);
}

#[test]
fn the_asker_of_an_overflowing_handler_learns_it() {
    learns(ExitReason::Overflow, |_, cx| dive(&cx.addr(), 0), |_| {});
}

#[test]
fn asks_queued_behind_a_stop_learn_it() {
    let sys = system(1);
    for (exit, reason) in [
        (Exit::Normal, ExitReason::Normal),
        (Exit::Shutdown, ExitReason::Shutdown),
        (Exit::failed("bored"), ExitReason::failed("bored")),
    ] {
        let probe = sys.spawn(Probe::default()).unwrap();
        let (entered, go) = (Flag::new(), Flag::new());
        let (inside, wait) = (entered.clone(), go.clone());
        let asked = probe.request().perform(Box::new(move |_, cx| {
            inside.raise();
            wait.wait();
            cx.exit(exit);
            7
        }));
        entered.wait();
        let queued = probe.request().seen();
        go.raise();
        assert_eq!(asked.wait().unwrap(), 7, "the handler itself answers");
        assert!(
            matches!(queued.wait(), Err(AskError::NoReply(Some(told))) if told == reason),
            "{reason}"
        );
        assert_eq!(end(&probe), reason);
    }
}

/// By hand: handles asks in ways that generated code does not.
pub struct Odd;

pub enum OddMsg {
    Forget,
    Leak,
    WrongType,
    AnswerThenPanic,
    CatchOwnPanic,
    Right,
}

impl ActorOptions for Odd {}

impl Actor for Odd {
    type Msg = OddMsg;
    type Tell<'a> = NoMethods;
    type TryTell<'a> = NoMethods;
    type Ask<'a> = NoMethods;
    type Request<'a> = NoMethods;

    fn handle(&mut self, msg: OddMsg, reply: Reply<'_>, _: &mut Cx<Self>) {
        match msg {
            OddMsg::Forget => drop(reply),
            OddMsg::Leak => std::mem::forget(reply),
            OddMsg::WrongType => reply.send("text"),
            OddMsg::AnswerThenPanic => {
                reply.send(1_u64);
                panic!("too late");
            }
            OddMsg::CatchOwnPanic => {
                let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    let _reply = reply;
                    panic!("caught");
                }));
                assert!(caught.is_err());
            }
            OddMsg::Right => {
                assert!(reply.is_asked());
                reply.send(2_u64);
            }
        }
    }
}

#[test]
fn an_ask_the_handler_does_not_answer_fails_without_a_reason() {
    let sys = system(1);
    let odd = sys.spawn(Odd).unwrap();
    for unanswered in [
        OddMsg::Forget,
        OddMsg::Leak,
        OddMsg::WrongType,
        OddMsg::CatchOwnPanic,
    ] {
        let asked = odd.__ask::<u64>(unanswered, None);
        assert!(matches!(asked, Err(AskError::NoReply(None))), "{asked:?}");
        assert_eq!(odd.__ask::<u64>(OddMsg::Right, None).unwrap(), 2);
    }
    let answered = odd.__ask::<u64>(OddMsg::AnswerThenPanic, None);
    assert_eq!(answered.unwrap(), 1);
    assert_eq!(end(&odd), ExitReason::Panicked("too late".into()));
}

#[test]
fn an_ask_beyond_the_stack_limit_gives_the_message_back() {
    quiet();
    let sys = System::builder().workers(1).max_stacks(1).build().unwrap();
    let (holder, asker, target) = (
        sys.spawn(Probe::default()).unwrap(),
        sys.spawn(Probe::default()).unwrap(),
        sys.spawn(Probe::default()).unwrap(),
    );
    let release = hold(&holder);
    blocked(&sys, 1);
    let to = target.clone();
    let ask = move |_: &mut Probe, _: &mut Cx<Probe>| match to.ask().note(5) {
        Err(AskError::StackLimit(ProbeMsg::Note { n })) => n,
        other => panic!("{other:?}"),
    };
    assert_eq!(asker.ask().perform(Box::new(ask)).unwrap(), 5);
    // From outside there is no stack to be had, and none needed.
    target.ask().note(6).unwrap();
    release.raise();
    holder.ask().seen().unwrap();
    let to = target.clone();
    let ask = move |_: &mut Probe, _: &mut Cx<Probe>| to.ask().seen().unwrap()[0];
    assert_eq!(asker.ask().perform(Box::new(ask)).unwrap(), 6);
}

#[test]
fn an_overflow_that_unwinds_is_an_event() {
    let sys = system(1);
    let events = sys.events();
    let probe = sys.spawn(Probe::default()).unwrap();
    perform(&probe, |_, cx| dive(&cx.addr(), 0));
    assert_eq!(end(&probe), ExitReason::Overflow);
    let abandoned = event(&events, |event| match event {
        Event::Overflow { who, abandoned, .. } if who.id == probe.id() => Some(abandoned),
        _ => None,
    });
    assert!(!abandoned);
}

/// Asks the next one, which asks the next one.
#[actor]
struct Link {
    next: Option<Addr<Link>>,
}

#[actor]
impl Link {
    pub(crate) fn length(&mut self) -> Result<u32, String> {
        let Some(next) = &self.next else {
            actor_core::microthread::yield_now();
            return Ok(1);
        };
        match next.ask().length() {
            Ok(length) => Ok(length + 1),
            Err(AskError::Handler(why)) => Err(why),
            Err(error) => Err(format!("{error:?}")),
        }
    }
}

#[test]
fn a_chain_of_asks_takes_no_more_stacks_than_the_limit() {
    let sys = System::builder().workers(1).max_stacks(4).build().unwrap();
    let chain = |links: u32| {
        let mut first = sys.spawn(Link { next: None }).unwrap();
        for _ in 1..links {
            first = sys.spawn(Link { next: Some(first) }).unwrap();
        }
        first.ask().length()
    };
    assert_eq!(chain(4).unwrap(), 4);
    match chain(60) {
        Err(AskError::Handler(why)) => assert!(why.contains("StackLimit"), "{why}"),
        other => panic!("{other:?}"),
    }
}

/// Asks when it is dropped.
struct Asks(Addr<Probe>, std::sync::mpsc::Sender<bool>);

impl Drop for Asks {
    fn drop(&mut self) {
        let _ = self.1.send(self.0.ask().seen().is_ok());
    }
}

#[actor(mailbox = 1, when_full = "drop_oldest")]
struct Latest;

#[actor]
impl Latest {
    pub(crate) fn hold(&mut self, gate: tests::Gate) {
        gate.wait();
    }
    pub(crate) fn keep(&mut self, it: Asks) {
        drop(it);
    }
    pub(crate) fn one(&self) -> u64 {
        1
    }
}

/// Its destructor runs on the stack of the asker that displaces it, who waits already.
#[test]
fn a_message_that_an_ask_displaces_may_ask_in_its_destructor() {
    let sys = system(1);
    let (other, asker) = (
        sys.spawn(Probe::default()).unwrap(),
        sys.spawn(Probe::default()).unwrap(),
    );
    let latest = sys.spawn(Latest).unwrap();
    let gate = tests::Gate::new();
    latest.tell().hold(gate.clone()).unwrap();
    tests::until(|| gate.waiting() == 1);
    let (tell, told) = std::sync::mpsc::channel();
    latest.tell().keep(Asks(other, tell)).unwrap();
    let ask = move |_: &mut Probe, _: &mut Cx<Probe>| latest.ask().one().unwrap();
    let asked = asker.request().perform(Box::new(ask));
    assert_eq!(told.recv(), Ok(true));
    gate.open();
    assert_eq!(asked.wait().unwrap(), 1);
}
