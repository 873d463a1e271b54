//! Which ends are followed by a restart, and what stays across it.

use super::*;
use actor_core::{AskError, ChildState, TellError};
use std::sync::atomic::AtomicBool;

/// Ends a probe's life; returns when it is on its way.
type End = fn(&Addr<Probe>);

const PANIC: End = |it| {
    let asked = it.ask().boom();
    assert!(matches!(asked, Err(AskError::NoReply(Some(why))) if why == panicked()));
};
const KILL: End = |it| {
    it.kill();
};
const KILL_BUSY: End = |it| {
    let (entered, wait) = mpsc::channel();
    let asked = it.request().hang(entered);
    wait.recv_timeout(SOON).unwrap();
    it.kill();
    let asked = asked.wait();
    assert!(
        matches!(asked, Err(AskError::NoReply(Some(ExitReason::Killed)))),
        "{asked:?}"
    );
};
const OVERFLOW: End = |it| {
    let asked = it.ask().overflow();
    assert!(
        matches!(asked, Err(AskError::NoReply(Some(ExitReason::Overflow)))),
        "{asked:?}"
    );
};
const FAIL: End = |it| it.tell().leave(Exit::failed("had enough")).unwrap();
const STOP: End = |it| it.stop();
const LEAVE: End = |it| it.tell().leave(Exit::Normal).unwrap();
const SHUTDOWN: End = |it| it.tell().leave(Exit::Shutdown).unwrap();

const ABNORMAL: [End; 5] = [PANIC, KILL, KILL_BUSY, OVERFLOW, FAIL];
const NORMAL: [End; 3] = [STOP, LEAVE, SHUTDOWN];

#[test]
fn a_permanent_child_is_restarted_after_any_end() {
    let sys = system();
    let (sup, mut next) = (patient(&sys), events(&sys));
    let child = sup
        .start_child(ChildSpec::new("a", probe("a", &Log::default())))
        .unwrap();
    for (n, end) in (1..).zip(ABNORMAL.iter().chain(&NORMAL)) {
        assert_eq!(child.ask().life().unwrap(), n);
        end(&child);
        let event = next(&restarted);
        let Event::Restarted {
            supervisor,
            child: id,
            incarnation,
            ..
        } = event
        else {
            unreachable!()
        };
        assert_eq!((supervisor.id, supervisor.label), (sup.id(), "Supervisor"));
        assert_eq!((&*id, incarnation), ("a", u64::from(n) + 1));
    }
    assert_eq!(sup.which_children().unwrap()[0].incarnation, 9);
}

#[test]
fn a_transient_child_is_restarted_after_an_abnormal_end_only() {
    let sys = system();
    let (sup, mut next) = (patient(&sys), events(&sys));
    for end in ABNORMAL {
        let spec = ChildSpec::new("a", probe("a", &Log::default())).restart(Restart::Transient);
        let child = sup.start_child(spec).unwrap();
        end(&child);
        next(&restarted);
        assert_eq!(child.ask().life().unwrap(), 2);
        sup.terminate_child("a").unwrap();
        sup.delete_child("a").unwrap();
    }
    for (end, reason) in
        NORMAL
            .iter()
            .zip([ExitReason::Normal, ExitReason::Normal, ExitReason::Shutdown])
    {
        let spec = ChildSpec::new("a", probe("a", &Log::default())).restart(Restart::Transient);
        let child = sup.start_child(spec).unwrap();
        end(&child);
        assert_eq!(child.join(), reason);
        let listed = &sup.which_children().unwrap()[0];
        assert_eq!((listed.state, listed.actor), (ChildState::Stopped, None));
        assert_eq!(sup.child::<Probe>("a"), Err(ChildError::Stopped));
        sup.delete_child("a").unwrap();
    }
}

#[test]
fn a_temporary_child_is_never_restarted_and_then_forgotten() {
    let sys = system();
    let sup = patient(&sys);
    for end in ABNORMAL.iter().chain(&NORMAL) {
        let spec = ChildSpec::new("a", probe("a", &Log::default())).restart(Restart::Temporary);
        let child = sup.start_child(spec).unwrap();
        end(&child);
        child.join();
        assert_eq!(sup.which_children().unwrap(), []);
        assert_eq!(sup.restart_child("a"), Err(ChildError::NotFound));
    }
}

#[test]
fn address_id_and_name_stay_across_restarts() {
    let sys = system();
    let (sup, mut next) = (patient(&sys), events(&sys));
    let spec = ChildSpec::new("a", probe("a", &Log::default())).name("it");
    let child = sup.start_child(spec).unwrap();
    let id = child.id();
    for life in 2..5 {
        assert!(child.ask().boom().is_err());
        assert!(child.is_alive(), "it is between two lives");
        assert_eq!(sys.lookup::<Probe>("it").unwrap(), child);
        next(&restarted);
        assert_eq!(
            sys.lookup::<Probe>("it").unwrap().ask().life().unwrap(),
            life
        );
        assert_eq!(sup.child::<Probe>("a").unwrap().id(), id);
    }
    assert_eq!(&*sys.names()[0], "it");
}

#[test]
fn what_was_queued_is_handled_by_the_next_life_in_order() {
    let sys = system();
    let (sup, log) = (patient(&sys), Log::default());
    let child = sup
        .start_child(ChildSpec::new("a", probe("a", &log)))
        .unwrap();
    let (entered, wait) = mpsc::channel();
    let (gate, open) = gate();
    let fatal = child.request().boom_later(entered, gate);
    wait.recv_timeout(SOON).unwrap();
    for n in 0..300 {
        child.tell().note(n).unwrap(); // more than a block, more than a batch
    }
    let queued = child.request().life();
    log.take();
    open.send(()).unwrap();
    let lost = fatal.wait();
    assert!(matches!(lost, Err(AskError::NoReply(Some(why))) if why == panicked()));
    assert_eq!(
        queued.wait().unwrap(),
        2,
        "asked of the first life, answered by the second"
    );
    let mut expected = vec!["a stops: panicked: boom".to_owned(), "a starts".to_owned()];
    expected.extend((0..300).map(|n| format!("2.{n}")));
    assert_eq!(log.take(), expected);
}

#[test]
fn what_is_sent_during_a_restart_is_handled_by_the_next_life() {
    let sys = system();
    let (sup, log) = (patient(&sys), Log::default());
    let (gate, open) = gate();
    let (entered, wait) = mpsc::channel();
    let make = probe("a", &log);
    let spec = ChildSpec::new("a", move || {
        let made = make();
        if made.life > 1 {
            entered.send(()).unwrap();
            gate.pass();
        }
        made
    });
    let child = sup.start_child(spec).unwrap();
    assert!(child.ask().boom().is_err());
    wait.recv_timeout(SOON).unwrap();
    // It is down now, and its supervisor in the factory.
    let asked = child.request().life();
    child.tell().note(1).unwrap();
    // Neither is kept for the next life.
    child.kill();
    child.stop();
    open.send(()).unwrap();
    assert_eq!(asked.wait().unwrap(), 2);
    assert_eq!(child.ask().life().unwrap(), 2);
    assert_eq!(log.take().last().unwrap(), "2.1");
}

#[actor(mailbox = 2)]
struct Narrow {
    fatal: Arc<AtomicBool>,
    sum: Arc<AtomicU32>,
    gate: Gate,
}

#[actor]
impl Narrow {
    pub fn add(&mut self, n: u32) {
        self.sum.fetch_add(n, Ordering::Relaxed);
        if self.fatal.swap(false, Ordering::Relaxed) {
            self.gate.pass();
            panic!("boom");
        }
    }
}

#[test]
fn senders_that_wait_for_room_are_let_in_by_the_next_life() {
    let sys = system();
    let (sup, sum) = (patient(&sys), Arc::new(AtomicU32::new(0)));
    let (gate, open) = gate();
    let (fatal, all) = (Arc::new(AtomicBool::new(true)), sum.clone());
    let spec = ChildSpec::new("a", move || Narrow {
        fatal: fatal.clone(),
        sum: sum.clone(),
        gate: gate.clone(),
    });
    let child = sup.start_child(spec).unwrap();
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let child = child.clone();
            sys.spawn_microthread(move || (0..4).try_for_each(|_| child.tell().add(1)))
                .unwrap()
        })
        .collect();
    while !matches!(
        child.try_send(NarrowMsg::Add { n: 0 }),
        Err(TellError::Full(_))
    ) {
        microthread::yield_now();
    }
    open.send(()).unwrap();
    for sender in senders {
        sender.join().unwrap().unwrap();
    }
    child.ask().add(0).unwrap();
    assert_eq!(all.load(Ordering::Relaxed), 32);
}

/// Owns its stack.
#[actor]
struct Summer {
    sum: u32,
    log: Log,
}

#[derive(Debug)]
enum Step {
    Add(u32),
    Say,
    Panic,
    Fail,
    Hang(Sender<()>),
}

#[actor(message = Step)]
impl Summer {
    pub fn run(mut self, inbox: Inbox<Self>) -> Exit {
        while let Ok(step) = inbox.recv() {
            match step {
                Step::Add(n) => self.sum += n,
                Step::Say => self.log.add(self.sum.to_string()),
                Step::Panic => panic!("boom"),
                Step::Fail => return Exit::failed("had enough"),
                Step::Hang(entered) => {
                    entered.send(()).unwrap();
                    hang();
                }
            }
        }
        self.log.add("asked to stop");
        Exit::Normal
    }
}

#[test]
fn a_child_with_its_own_stack_is_restarted_with_what_was_queued() {
    let sys = system();
    let (sup, log, mut next) = (patient(&sys), Log::default(), events(&sys));
    let own = log.clone();
    let spec = ChildSpec::new("a", move || Summer {
        sum: 0,
        log: own.clone(),
    });
    let child = sup.start_child(spec).unwrap();
    for fatal in [Step::Panic, Step::Fail] {
        for step in [
            Step::Add(1),
            Step::Say,
            fatal,
            Step::Add(2),
            Step::Add(3),
            Step::Say,
        ] {
            child.send(step).unwrap();
        }
        next(&restarted);
    }
    let (entered, wait) = mpsc::channel();
    child.send(Step::Hang(entered)).unwrap();
    wait.recv_timeout(SOON).unwrap();
    child.send(Step::Say).unwrap();
    child.kill();
    next(&restarted);
    child.kill(); // where it receives, or before
    next(&restarted);
    child.stop();
    next(&restarted);
    sup.stop();
    sup.join();
    let log = log.take();
    assert_eq!(log[..5], ["1", "5", "6", "5", "0"], "{log:?}");
    assert_eq!(sys.stats().stacks_in_use, 0);
}

/// Overflows by plain recursion, where nothing but the guard page stops it.
#[actor(stack = 65536)]
struct Deep(u64);

#[inline(never)]
fn descend(n: u64) -> u64 {
    let pad = std::hint::black_box([n; 32]);
    if n == u64::MAX {
        0
    } else {
        descend(n + 1) + pad[7]
    }
}

#[actor]
impl Deep {
    pub fn life(&self) -> u64 {
        self.0
    }

    pub fn descend(&mut self) -> u64 {
        microthread::yield_now(); // and so has a claim on its stack
        descend(self.0)
    }
}

#[test]
fn a_child_that_ran_into_its_guard_page_is_restarted_in_the_same_cell() {
    let sys = system();
    let (sup, mut next) = (patient(&sys), events(&sys));
    let lives = AtomicU32::new(0);
    let spec = ChildSpec::new("a", move || {
        Deep(u64::from(lives.fetch_add(1, Ordering::Relaxed)) + 1)
    });
    let child = sup.start_child(spec).unwrap();
    for life in 1..4 {
        assert_eq!(child.ask().life().unwrap(), life);
        let lost = child.request().descend();
        let queued = child.request().life();
        let lost = lost.wait();
        assert!(
            matches!(lost, Err(AskError::NoReply(Some(ExitReason::Overflow)))),
            "{lost:?}"
        );
        assert_eq!(queued.wait().unwrap(), life + 1);
        next(&restarted);
    }
    assert_eq!(child.ask().life().unwrap(), 4);
    while sys.stats().stacks_abandoned < 3 {
        microthread::yield_now(); // counted by the worker when all else is done
    }
    // They count against the limit for ever; the fourth is the supervisor's.
    assert_eq!(sys.stats().stacks_in_use, 4);
    sup.stop();
    assert_eq!(sup.join(), ExitReason::Normal);
}

/// Counts how many of it there are.
#[actor]
struct Single(Arc<AtomicU32>);

#[actor]
impl Single {
    #[on_stop]
    fn close(&mut self) {
        microthread::yield_now();
    }

    pub fn boom(&mut self) {
        panic!("boom")
    }
}

impl Drop for Single {
    fn drop(&mut self) {
        microthread::yield_now();
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_life_begins_only_after_the_last_one_is_torn_down() {
    let sys = system();
    let (sup, mut next) = (patient(&sys), events(&sys));
    let (alive, together) = (
        Arc::new(AtomicU32::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (mine, seen) = (alive.clone(), together.clone());
    let spec = ChildSpec::new("a", move || {
        if mine.fetch_add(1, Ordering::SeqCst) > 0 {
            seen.store(true, Ordering::SeqCst);
        }
        Single(mine.clone())
    });
    let child = sup.start_child(spec).unwrap();
    for n in 0..200 {
        match n % 3 {
            0 => child.tell().boom().unwrap(),
            1 => child.kill(),
            _ => child.stop(),
        }
        next(&restarted);
    }
    sup.stop();
    sup.join();
    assert!(!together.load(Ordering::SeqCst));
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}
