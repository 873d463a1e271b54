//! Actors that run out of stack, in a child process each: this test binary again, with the scenario in the environment.
//!
//! *Soft*: the recursion passes through the runtime, which sees the end coming and unwinds. *Hard*: it runs into the guard
//! page, and the stack is abandoned. Either way the actor alone ends, those who asked it are told, and the process goes on.

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{Event, Guard};

use super::support::*;

const SCENARIO: &str = "ACTOR_TEST_SCENARIO";
const DONE: &str = "scenario done";

/// Not a test: the entry of the child. Does nothing without a scenario.
#[test]
fn scenario() {
    let Ok(name) = std::env::var(SCENARIO) else {
        return;
    };
    let (name, guard) = name.split_once(' ').expect("a scenario and a guard");
    let guard = match guard {
        "mprotect" => Guard::Mprotect,
        _ => Guard::Auto,
    };
    quiet();
    let sys = System::builder().workers(1).guard(guard).build().unwrap();
    match name {
        "hard_in_a_handler" => in_a_handler(&sys, |_, _| hard(0), true),
        "soft_in_a_handler" => in_a_handler(&sys, |own, _| dive(own, 0), false),
        "soft_by_asks_in_a_handler" => in_a_handler(&sys, |own, _| dive_asking(own, 0), false),
        "hard_in_a_body" => in_a_body(&sys, |_| hard(0), true),
        "soft_in_a_body" => in_a_body(&sys, |other| dive(other, 0), false),
        "in_an_answer" => in_an_answer(&sys),
        "soft_by_try_tells" => in_a_handler(&sys, |other, _| dive_trying(other, 0), false),
        "soft_by_spawns" => in_a_handler(&sys, |_, sys| dive_spawning(sys, 0), false),
        "soft_by_joins" => in_a_handler(&sys, |other, _| dive_joining(other, 0), false),
        "soft_by_receives" => soft_by_receives(&sys),
        "hard_in_a_start" => in_a_start(&sys),
        "hard_with_debts" => with_debts(&sys, |_| hard(0)),
        "soft_with_debts" => with_debts(&sys, |other| dive(other, 0)),
        "hard_in_a_stop" => in_a_stop(&sys),
        other => panic!("no scenario {other}"),
    }
    assert!(sys.shutdown(LIMIT).unwrap().is_clean());
    #[expect(clippy::print_stdout, reason = "how the child tells its parent")]
    {
        println!("{DONE}");
    }
}

fn run(scenario: &str) {
    for guard in ["auto", "mprotect"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "overflow::scenario", "--nocapture"])
            .env(SCENARIO, format!("{scenario} {guard}"))
            .output()
            .unwrap();
        let done = String::from_utf8_lossy(&output.stdout).contains(DONE);
        assert!(output.status.success() && done, "{guard}: {output:?}");
    }
}

#[test]
fn hard_in_a_handler() {
    run("hard_in_a_handler");
}

#[test]
fn soft_in_a_handler() {
    run("soft_in_a_handler");
}

#[test]
fn soft_by_asks_in_a_handler() {
    run("soft_by_asks_in_a_handler");
}

#[test]
fn hard_in_a_body() {
    run("hard_in_a_body");
}

#[test]
fn soft_in_a_body() {
    run("soft_in_a_body");
}

#[test]
fn in_an_answer_that_is_too_large() {
    run("in_an_answer");
}

#[test]
fn soft_by_try_tells() {
    run("soft_by_try_tells");
}

#[test]
fn soft_by_spawns() {
    run("soft_by_spawns");
}

#[test]
fn soft_by_joins() {
    run("soft_by_joins");
}

#[test]
fn soft_by_receives_in_a_body() {
    run("soft_by_receives");
}

#[test]
fn hard_in_a_start() {
    run("hard_in_a_start");
}

#[test]
fn hard_in_a_stop() {
    run("hard_in_a_stop");
}

#[test]
fn hard_with_answers_owed() {
    run("hard_with_debts");
}

#[test]
fn soft_with_answers_owed() {
    run("soft_with_debts");
}

// ---- in the child ----------------------------------------------------------------------------------------------------

/// Plain recursion.
#[inline(never)]
fn hard(n: u64) -> u64 {
    let frame = black_box([n; 16]);
    if n == u64::MAX {
        return n;
    }
    black_box(hard(n + 1)) + frame[3]
}

/// Recursion that asks at each level.
#[inline(never)]
fn dive_asking(other: &Addr<Probe>, n: u64) -> u64 {
    let _ = other.ask().note(n);
    if n == u64::MAX {
        return n;
    }
    black_box(dive_asking(other, n + 1)) + 1
}

/// Recursion that tries to tell at each level.
#[inline(never)]
fn dive_trying(other: &Addr<Probe>, n: u64) -> u64 {
    let _ = other.try_tell().note(n);
    if n == u64::MAX {
        return n;
    }
    black_box(dive_trying(other, n + 1)) + 1
}

/// Recursion that spawns at each level.
#[inline(never)]
fn dive_spawning(sys: &System, n: u64) -> u64 {
    let probe = sys.spawn(Probe::default());
    if n == u64::MAX {
        return n;
    }
    black_box(dive_spawning(sys, n + 1)) + u64::from(probe.is_ok())
}

/// Recursion that waits for an end at each level.
#[inline(never)]
fn dive_joining(other: &Addr<Probe>, n: u64) -> u64 {
    let joined = other.join_timeout(Duration::ZERO);
    if n == u64::MAX {
        return n;
    }
    black_box(dive_joining(other, n + 1)) + u64::from(joined.is_some())
}

/// Recursion that receives at each level.
#[inline(never)]
fn dive_receiving(inbox: &Inbox<Receiver>, n: u64) -> u64 {
    let received = inbox.recv_timeout(Duration::ZERO);
    if n == u64::MAX {
        return n;
    }
    black_box(dive_receiving(inbox, n + 1)) + u64::from(received.is_ok())
}

/// Three times, as the first might do well by accident: a handler runs out of stack. Its asker, and those queued behind,
/// are told; on the same worker another actor goes on, and so does one that was suspended meanwhile.
fn in_a_handler(sys: &System, deep: fn(&Addr<Probe>, &System) -> u64, abandoned: bool) {
    let events = sys.events();
    let suspended = sys.spawn(Probe::default()).unwrap();
    let release = hold(&suspended);
    let other = sys.spawn(Probe::default()).unwrap();
    for lost in 1..=3 {
        let (probe, stopped) = Probe::reporting();
        let name = format!("deep-{lost}");
        let probe = sys.spawn_named(&*name, probe).unwrap();
        let gate = hold(&probe);
        let to = other.clone();
        let asked = probe
            .request()
            .perform(Box::new(move |_, cx| deep(&to, &cx.system())));
        let behind = probe.request().seen();
        probe.tell().note(1).unwrap();
        gate.raise();
        assert!(matches!(
            asked.wait(),
            Err(AskError::NoReply(Some(ExitReason::Overflow)))
        ));
        assert!(matches!(
            behind.wait(),
            Err(AskError::NoReply(Some(ExitReason::Overflow)))
        ));
        assert_eq!(end(&probe), ExitReason::Overflow);
        assert_eq!(dead_letters(&events, probe.id()), 1);
        assert!(probe.tell().note(1).unwrap_err().is_closed());
        assert!(sys.lookup::<Probe>(&name).is_err());
        if abandoned {
            until(|| sys.stats().stacks_abandoned == lost);
            // The state is leaked: other threads might be using it.
            assert!(
                stopped
                    .try_recv()
                    .is_err_and(|e| e == std::sync::mpsc::TryRecvError::Empty)
            );
        } else {
            assert_eq!(sys.stats().stacks_abandoned, 0);
            assert!(stopped.recv().is_err(), "dropped, without on_stop");
        }
        other.ask().note(1).unwrap();
    }
    release.raise();
    suspended.ask().note(1).unwrap();
}

fn in_a_body(sys: &System, deep: fn(&Addr<Probe>) -> u64, abandoned: bool) {
    let events = sys.events();
    let other = sys.spawn(Probe::default()).unwrap();
    for lost in 1..=3 {
        let to = other.clone();
        let diver = sys.spawn(Diver(Box::new(move || deep(&to)))).unwrap();
        diver.send(1).unwrap();
        diver.send(2).unwrap();
        assert_eq!(end(&diver), ExitReason::Overflow);
        assert_eq!(dead_letters(&events, diver.id()), 1);
        until(|| sys.stats().stacks_abandoned == if abandoned { lost } else { 0 });
        other.ask().note(1).unwrap();
    }
    // Abandoned stacks count for ever.
    let left = if abandoned { 3 } else { 0 };
    until(|| sys.stats().stacks_in_use == left);
}

/// Dives at its first message.
#[actor]
pub struct Diver(Box<dyn FnOnce() -> u64 + Send>);

#[actor(message = u64)]
impl Diver {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        while inbox.len() < 2 {
            actor_core::microthread::yield_now();
        }
        assert_eq!(inbox.recv(), Ok(1));
        Exit::failed((self.0)())
    }
}

fn in_a_start(sys: &System) {
    let refused = sys.spawn_named("deep", DeepStart).unwrap_err();
    assert!(matches!(refused, SpawnError::Start(why) if why.to_string() == "ran out of stack"));
    until(|| sys.names().is_empty());
    sys.spawn(Probe::default()).unwrap().ask().note(1).unwrap();
}

#[actor]
pub struct DeepStart;

#[actor]
impl DeepStart {
    #[on_start]
    fn start(&mut self) {
        black_box(hard(0));
    }
}

fn in_a_stop(sys: &System) {
    let alive = Arc::default();
    let events = sys.events();
    let deep = sys.spawn(DeepStop(Counted::new(&alive))).unwrap();
    let id = deep.id();
    deep.stop();
    assert_eq!(end(&deep), ExitReason::Overflow);
    assert_eq!(alive.load(Ordering::SeqCst), 1, "leaked");
    event(&events, |event| match event {
        Event::Overflow { who, abandoned, .. } if who.id == id => {
            assert!(abandoned);
            Some(())
        }
        _ => None,
    });
    sys.spawn(Probe::default()).unwrap().ask().note(1).unwrap();
}

#[actor]
pub struct DeepStop(Counted);

#[actor]
impl DeepStop {
    #[on_stop]
    fn stop(&mut self) {
        let _ = &self.0;
        black_box(hard(0));
    }
}

/// Owes answers: in its state, in the handler that dives, elsewhere, and one that is another's by then.
fn with_debts(sys: &System, deep: fn(&Addr<Probe>) -> u64) {
    let other = sys.spawn(Probe::default()).unwrap();
    let overflow = |asked: Result<u64, AskError<DeepDebtorMsg>>| {
        assert!(
            matches!(asked, Err(AskError::NoReply(Some(ExitReason::Overflow)))),
            "{asked:?}"
        );
    };
    for _ in 0..3 {
        let (sender, ports) = std::sync::mpsc::channel();
        let back = sys.spawn(DeepDebtor::default()).unwrap();
        let debtor = sys.spawn(DeepDebtor::default()).unwrap();
        let kept = [debtor.request().keep(), debtor.request().keep()];
        let given = debtor.request().give(sender.clone());
        let forwarded = debtor.request().forward(back.clone());
        let to = other.clone();
        let deep = debtor.request().dive(Box::new(move || deep(&to)));
        overflow(deep.wait());
        kept.into_iter().for_each(|asked| overflow(asked.wait()));
        assert_eq!(end(&debtor), ExitReason::Overflow);
        // Abandoned, the debtor fails it; unwound, it leaves it to who has it.
        let given_port = ports.recv().unwrap();
        match given_port.is_abandoned() {
            true => assert!(given_port.send(1).is_err()),
            false => drop(given_port),
        }
        overflow(given.wait());
        back.tell().pay().unwrap();
        assert_eq!(forwarded.wait().unwrap(), 9);
    }
}

#[actor]
#[derive(Default)]
pub struct DeepDebtor(Vec<ReplyTo<u64>>);

#[actor]
impl DeepDebtor {
    pub fn keep(&mut self, reply: ReplyTo<u64>) {
        self.0.push(reply);
    }
    pub fn give(&mut self, to: std::sync::mpsc::Sender<ReplyTo<u64>>, reply: ReplyTo<u64>) {
        to.send(reply).unwrap();
    }
    pub fn forward(&mut self, to: Addr<DeepDebtor>, reply: ReplyTo<u64>) {
        reply.forward(&to).keep().unwrap();
    }
    pub fn dive(&mut self, deep: Box<dyn FnOnce() -> u64 + Send>, reply: ReplyTo<u64>) {
        let deepest = deep();
        let _ = reply.send(deepest);
    }
    pub fn pay(&mut self) {
        self.0.drain(..).for_each(|reply| reply.send(9).unwrap());
    }
}

fn soft_by_receives(sys: &System) {
    for _ in 0..3 {
        assert_eq!(end(&sys.spawn(Receiver).unwrap()), ExitReason::Overflow);
    }
    assert_eq!(sys.stats().stacks_abandoned, 0);
}

#[actor]
pub struct Receiver;

#[actor]
impl Receiver {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        Exit::failed(dive_receiving(&inbox, 0))
    }
}

/// How much stack an answer takes depends on the compiler; the asker is told in any case, wherever in it the stack ends.
fn in_an_answer(sys: &System) {
    let other = sys.spawn(Probe::default()).unwrap();
    answer::<{ 2 * 1024 }>(sys);
    answer::<{ 4 * 1024 }>(sys);
    answer::<{ 6 * 1024 }>(sys);
    answer::<{ 7 * 1024 }>(sys);
    answer::<{ 8 * 1024 }>(sys);
    answer::<{ 10 * 1024 }>(sys);
    answer::<{ 12 * 1024 }>(sys);
    answer::<{ 16 * 1024 }>(sys);
    answer::<{ 24 * 1024 }>(sys);
    answer::<{ 48 * 1024 }>(sys);
    other.ask().note(1).unwrap();
}

fn answer<const N: usize>(sys: &System) {
    let addr = sys.spawn(Verbose::<N>).unwrap();
    match addr.ask().within(LIMIT).answer() {
        Ok(answer) => {
            assert!(answer.iter().all(|byte| *byte == 7));
            addr.stop();
            assert_eq!(end(&addr), ExitReason::Normal);
        }
        Err(AskError::NoReply(Some(ExitReason::Overflow))) => {
            assert_eq!(end(&addr), ExitReason::Overflow);
        }
        Err(error) => panic!("{N} bytes: {error:?}"),
    }
}

#[actor]
pub struct Verbose<const N: usize>;

#[actor]
impl<const N: usize> Verbose<N> {
    pub fn answer(&self) -> [u8; N] {
        [7; N]
    }
}
