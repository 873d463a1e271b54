//! Links, exit signals, and trapping them.

use std::sync::mpsc::{self, Receiver, Sender};

use actor_core::prelude::*;
use actor_core::{AnyAddr, Received};

use super::support::*;

/// What a [`Linker`] does for a test.
type Job = Box<dyn FnOnce(&mut Linker, &mut Cx<Linker>) + Send>;

/// An actor that does as it is told, passes its signals on, and says why it ends.
#[actor]
struct Linker {
    signals: Sender<Signal>,
    stopped: Sender<ExitReason>,
}

#[actor]
impl Linker {
    pub fn act(&mut self, cx: &mut Cx<Self>, job: Job) {
        job(self, cx);
    }

    #[on_signal]
    fn signal(&mut self, signal: Signal) {
        self.signals.send(signal).unwrap();
    }

    #[on_stop]
    fn stopping(&mut self, reason: &ExitReason) {
        let _ = self.stopped.send(reason.clone());
    }
}

struct Linked {
    addr: Addr<Linker>,
    signals: Receiver<Signal>,
    stopped: Receiver<ExitReason>,
}

impl Linked {
    fn new(sys: &System) -> Self {
        let ((signals, received), (stopped, stops)) = (mpsc::channel(), mpsc::channel());
        Linked {
            addr: sys.spawn(Linker { signals, stopped }).unwrap(),
            signals: received,
            stopped: stops,
        }
    }

    fn act(&self, job: impl FnOnce(&mut Linker, &mut Cx<Linker>) + Send + 'static) {
        self.addr.ask().act(Box::new(job)).unwrap();
    }

    fn link(&self, other: &Addr<Linker>) {
        let other = other.clone();
        self.act(move |_, cx| cx.link(&other));
    }

    fn unlink(&self, other: &Addr<Linker>) {
        let other = other.clone();
        self.act(move |_, cx| cx.unlink(&other));
    }

    fn trap(&self) {
        self.act(|_, cx| assert!(!cx.trap_exits(true)));
    }

    /// That it is alive, has handled what came, and got no signal.
    #[track_caller]
    fn is_left_alone(&self) {
        self.act(|_, _| ());
        assert_eq!(self.signals.try_recv().ok(), None);
    }

    #[track_caller]
    fn exit_of(&self, who: &Addr<Linker>) -> ExitReason {
        match self.signals.recv_timeout(LIMIT).expect("a signal comes") {
            Signal::Exit {
                from: Some(from),
                reason,
                ..
            } => {
                assert_eq!(from, *who);
                reason
            }
            other => panic!("not an exit of an actor: {other:?}"),
        }
    }
}

fn pair(sys: &System) -> (Linked, Linked) {
    let (a, b) = (Linked::new(sys), Linked::new(sys));
    a.link(&b.addr);
    (a, b)
}

fn panics(of: &Linked) {
    let _ = of.addr.tell().act(Box::new(|_, _| panic!("bad luck")));
}

#[test]
fn an_abnormal_end_ends_the_other_for_the_same_reason_in_either_direction() {
    let sys = system(2);
    for turned in [false, true] {
        let (a, b) = pair(&sys);
        let (first, other) = if turned { (&b, &a) } else { (&a, &b) };
        panics(first);
        assert_eq!(end(&other.addr), ExitReason::Panicked("bad luck".into()));
        // Its state was sound: the hook has run, and was told.
        let told = other.stopped.recv_timeout(LIMIT).unwrap();
        assert_eq!(told, ExitReason::Panicked("bad luck".into()));
    }
}

#[test]
fn a_chain_of_links_ends_to_its_last() {
    let sys = system(2);
    let chain: Vec<Linked> = (0..100).map(|_| Linked::new(&sys)).collect();
    for next in chain.windows(2) {
        next[0].link(&next[1].addr);
    }
    panics(&chain[50]);
    for one in &chain {
        assert_eq!(end(&one.addr), ExitReason::Panicked("bad luck".into()));
    }
}

#[test]
fn a_normal_end_leaves_the_other_alone_unless_it_traps() {
    let sys = system(1);
    let (a, b) = pair(&sys);
    let trapping = Linked::new(&sys);
    trapping.trap();
    trapping.link(&a.addr);
    a.addr.stop();
    end(&a.addr);
    assert_eq!(trapping.exit_of(&a.addr), ExitReason::Normal);
    b.is_left_alone();
}

#[test]
fn a_shutdown_is_abnormal_for_links() {
    let sys = system(1);
    let (a, b) = pair(&sys);
    a.act(|_, cx| cx.exit(Exit::Shutdown));
    assert_eq!(end(&a.addr), ExitReason::Shutdown);
    assert_eq!(end(&b.addr), ExitReason::Shutdown);
}

#[test]
fn a_kill_cannot_be_trapped_and_arrives_at_the_linked_as_killed() {
    let sys = system(1);
    let (a, b) = pair(&sys);
    a.trap();
    let trapping = Linked::new(&sys);
    trapping.trap();
    trapping.link(&a.addr);
    a.addr.kill();
    assert_eq!(end(&a.addr), ExitReason::Killed);
    assert!(
        a.stopped.recv().is_err(),
        "a killed actor's hook does not run"
    );
    assert_eq!(end(&b.addr), ExitReason::Killed);
    // `b` was not killed: it ended by a signal, and its hook ran.
    assert_eq!(b.stopped.recv().unwrap(), ExitReason::Killed);
    // As a signal it can be trapped.
    assert_eq!(trapping.exit_of(&a.addr), ExitReason::Killed);
    trapping.is_left_alone();
}

#[test]
fn who_traps_exits_gets_them_with_who_and_why_and_lives() {
    let sys = system(2);
    let (a, b) = pair(&sys);
    b.trap();
    panics(&a);
    let signal = b.signals.recv_timeout(LIMIT).unwrap();
    let from = signal.from().expect("of a link");
    assert_eq!(from.id(), a.addr.id());
    assert_eq!(from.who().label, "Linker");
    assert_eq!(from.downcast::<Linker>(), Some(a.addr.clone()));
    assert!(!from.is_alive());
    assert_eq!(*signal.reason(), ExitReason::Panicked("bad luck".into()));
    b.is_left_alone();
}

#[test]
fn there_is_one_link_between_two_however_often_they_link() {
    let sys = system(1);
    let (a, b) = pair(&sys);
    b.trap();
    a.link(&b.addr);
    b.link(&a.addr);
    panics(&a);
    b.exit_of(&a.addr);
    b.is_left_alone();

    // And one unlink ends it.
    let (a, b) = pair(&sys);
    b.link(&a.addr);
    a.unlink(&b.addr);
    panics(&a);
    end(&a.addr);
    b.is_left_alone();
}

#[test]
fn either_end_may_unlink() {
    let sys = system(1);
    for turned in [false, true] {
        let (a, b) = pair(&sys);
        let (first, other) = if turned { (&b, &a) } else { (&a, &b) };
        first.unlink(&other.addr);
        panics(&a);
        end(&a.addr);
        b.is_left_alone();
    }
}

#[test]
fn after_an_unlink_no_exit_comes_also_if_one_was_waiting() {
    let sys = system(1);
    let (a, b) = pair(&sys);
    let (dying, doomed) = (a.addr.clone(), a.addr.clone());
    // `b` is in a handler while `a` ends, so the signal waits in its lane.
    b.act(move |_, cx| {
        dying.kill();
        assert_eq!(end(&dying), ExitReason::Killed);
        cx.unlink(&doomed);
    });
    b.is_left_alone();
}

#[test]
fn an_actor_is_not_linked_to_itself() {
    let sys = system(1);
    let a = Linked::new(&sys);
    a.trap();
    a.link(&a.addr.clone());
    a.unlink(&a.addr.clone());
    a.is_left_alone();
    a.addr.stop();
    assert_eq!(end(&a.addr), ExitReason::Normal);
}

#[test]
fn a_link_to_a_dead_actor_is_an_exit_signal_at_once() {
    let sys = system(1);
    let dead = Linked::new(&sys).addr;
    dead.stop();
    end(&dead);
    let trapping = Linked::new(&sys);
    trapping.trap();
    trapping.link(&dead);
    assert_eq!(trapping.exit_of(&dead), ExitReason::NoProc);
    let plain = Linked::new(&sys);
    plain.link(&dead);
    assert_eq!(end(&plain.addr), ExitReason::NoProc);
}

#[test]
fn an_exit_sent_by_anybody_is_as_one_of_a_link() {
    let sys = system(1);
    let a = Linked::new(&sys);
    a.addr.exit(ExitReason::Normal);
    a.is_left_alone();
    a.trap();
    for reason in [
        ExitReason::Normal,
        ExitReason::Killed,
        ExitReason::failed("enough"),
    ] {
        a.addr.exit(reason.clone());
        let signal = a.signals.recv_timeout(LIMIT).unwrap();
        assert!(matches!(&signal, Signal::Exit { from: None, .. }));
        assert_eq!(*signal.reason(), reason);
    }
    a.act(|_, cx| assert!(cx.trap_exits(false)));
    AnyAddr::from(&a.addr).exit(ExitReason::failed("enough"));
    assert_eq!(end(&a.addr), ExitReason::failed("enough"));
    assert_eq!(a.stopped.recv().unwrap(), ExitReason::failed("enough"));
    a.addr.exit(ExitReason::Shutdown); // of the dead nothing is asked
}

#[test]
fn what_counts_is_whether_it_traps_when_the_signal_is_handled() {
    let sys = system(1);
    let a = Linked::new(&sys);
    let own = a.addr.clone();
    a.act(move |_, cx| {
        own.exit(ExitReason::failed("early"));
        cx.trap_exits(true);
    });
    let signal = a.signals.recv_timeout(LIMIT).unwrap();
    assert_eq!(*signal.reason(), ExitReason::failed("early"));
    a.is_left_alone();
}

#[test]
fn spawn_link_is_atomic_the_real_reason_comes_however_soon_the_child_ends() {
    let sys = system(2);
    let parent = Linked::new(&sys);
    parent.trap();
    for _ in 0..200 {
        parent.act(|_, cx| {
            cx.spawn_link(Short).unwrap();
        });
        let signal = parent.signals.recv_timeout(LIMIT).unwrap();
        assert_eq!(*signal.reason(), ExitReason::failed("short"));
    }
}

/// It ends at once.
#[actor]
struct Short;

#[actor]
impl Short {
    fn run(self, _inbox: Inbox<Self>) -> Exit {
        Exit::failed("short")
    }
}

/// It does not start.
#[actor]
struct Refuses;

#[actor]
impl Refuses {
    #[on_start]
    fn start(&mut self) -> Result<(), &'static str> {
        Err("no")
    }
}

#[test]
fn a_start_that_fails_is_spawn_links_error_and_no_signal() {
    let sys = system(2);
    let parent = Linked::new(&sys);
    parent.act(|_, cx| {
        let failed = cx.spawn_link(Refuses).unwrap_err();
        assert!(matches!(failed, SpawnError::Start(_)));
        let failed = cx.spawn_monitor(Refuses).unwrap_err();
        assert!(matches!(failed, SpawnError::Start(_)));
    });
    parent.is_left_alone();
}

#[test]
fn links_are_of_one_life() {
    let sys = system(2);
    let factory = |channels: (Sender<Signal>, Sender<ExitReason>)| {
        move || Linker {
            signals: channels.0.clone(),
            stopped: channels.1.clone(),
        }
    };
    let ((signals, _kept), (stopped, _stops)) = (mpsc::channel(), mpsc::channel());
    let supervisor = Supervisor::builder()
        .intensity(10, LIMIT)
        .child(ChildSpec::new("child", factory((signals, stopped))))
        .start(&sys)
        .unwrap();
    let child = supervisor.child::<Linker>("child").unwrap();
    let (watch, other) = (Linked::new(&sys), Linked::new(&sys));
    watch.trap();
    watch.link(&child);
    // The link ends with the life, and is not the next one's.
    child.kill();
    assert_eq!(watch.exit_of(&child), ExitReason::Killed);
    until(|| child.ask().act(Box::new(|_, _| ())).is_ok());
    child.kill();
    until(|| child.ask().act(Box::new(|_, _| ())).is_ok());
    watch.is_left_alone();
    // The next life's own links are its own, and it does not trap for its predecessor.
    let to = other.addr.clone();
    child
        .ask()
        .act(Box::new(move |_, cx: &mut Cx<Linker>| {
            assert!(!cx.trap_exits(false));
            cx.link(&to);
        }))
        .unwrap();
    child.kill();
    assert_eq!(end(&other.addr), ExitReason::Killed);
}

#[test]
fn a_linked_supervisor_stops_its_children_and_ends_for_the_reason() {
    let sys = system(2);
    let supervisor = Supervisor::builder()
        .child(ChildSpec::new("child", Probe::default))
        .start(&sys)
        .unwrap();
    let child = supervisor.child::<Probe>("child").unwrap();
    let a = Linked::new(&sys);
    let to = AnyAddr::from(&supervisor);
    a.act(move |_, cx| cx.link(&to));
    // Its child's ends are its own business.
    child.kill();
    until(|| child.ask().seen().is_ok());
    a.is_left_alone();
    panics(&a);
    let ended = supervisor.join_timeout(LIMIT).expect("it ends");
    assert_eq!(ended, ExitReason::Panicked("bad luck".into()));
    assert_eq!(end(&child), ExitReason::Shutdown);
}

#[test]
fn a_supervisors_end_reaches_those_linked_to_it() {
    let sys = system(2);
    let supervisor = Supervisor::builder().start(&sys).unwrap();
    let a = Linked::new(&sys);
    a.trap();
    let to = AnyAddr::from(&supervisor);
    a.act(move |_, cx| cx.link(&to));
    supervisor.kill();
    let signal = a.signals.recv_timeout(LIMIT).unwrap();
    assert_eq!(signal.from(), Some(&AnyAddr::from(&supervisor)));
    assert_eq!(*signal.reason(), ExitReason::Killed);
}

/// Own-stack: what it does is the test's.
#[actor]
struct Body(Option<Box<dyn FnOnce(&Inbox<Body>) -> Exit + Send>>);

#[actor(message = u64)]
impl Body {
    fn run(mut self, inbox: Inbox<Self>) -> Exit {
        (self.0.take().unwrap())(&inbox)
    }
}

fn body(f: impl FnOnce(&Inbox<Body>) -> Exit + Send + 'static) -> Body {
    Body(Some(Box::new(f)))
}

#[test]
fn an_exit_signal_closes_the_inbox_of_an_own_stack_actor_and_is_its_reason() {
    let sys = system(2);
    let (told, tells) = mpsc::channel();
    let own = sys
        .spawn(body(move |inbox| {
            inbox.trap_exits(false);
            told.send(inbox.recv()).unwrap();
            told.send(inbox.recv()).unwrap();
            Exit::Normal
        }))
        .unwrap();
    own.exit(ExitReason::Normal); // passes it by
    own.send(1).unwrap();
    assert_eq!(tells.recv().unwrap(), Ok(1));
    let a = Linked::new(&sys);
    let to = own.clone();
    a.act(move |_, cx| cx.link(&to));
    panics(&a);
    assert!(tells.recv_timeout(LIMIT).unwrap().is_err());
    assert_eq!(end(&own), ExitReason::Panicked("bad luck".into()));
}

#[test]
fn an_own_stack_actor_that_traps_receives_its_exits_before_its_messages() {
    let sys = system(2);
    let (told, tells) = mpsc::channel();
    let go = Flag::new();
    let (ready, wait) = (Flag::new(), go.clone());
    let entered = ready.clone();
    let own = sys
        .spawn(body(move |inbox| {
            inbox.trap_exits(true);
            inbox.spawn_link(Short).unwrap();
            entered.raise();
            wait.wait();
            while let Ok(received) = inbox.recv_any() {
                told.send(received).unwrap();
            }
            Exit::Normal
        }))
        .unwrap();
    ready.wait();
    own.send(1).unwrap();
    own.exit(ExitReason::failed("x"));
    // The child's end has come once it has ended.
    until(|| sys.stats().stacks_in_use == 1);
    go.raise();
    let mut reasons = Vec::new();
    for _ in 0..2 {
        let Received::Signal(signal) = tells.recv_timeout(LIMIT).unwrap() else {
            panic!("signals come first");
        };
        reasons.push(signal.reason().to_string());
    }
    reasons.sort();
    assert_eq!(reasons, ["failed: short", "failed: x"]);
    assert_eq!(tells.recv_timeout(LIMIT).unwrap(), Received::Message(1));
    own.stop();
    assert_eq!(end(&own), ExitReason::Normal);
}

#[test]
fn a_link_between_two_systems_holds() {
    let (one, two) = (system(1), system(1));
    let (a, b) = (Linked::new(&one), Linked::new(&two));
    a.link(&b.addr);
    panics(&b);
    assert_eq!(end(&a.addr), ExitReason::Panicked("bad luck".into()));
}

#[test]
fn a_shutdown_with_a_long_chain_of_links_ends() {
    let sys = system(2);
    let chain: Vec<Linked> = (0..2_000).map(|_| Linked::new(&sys)).collect();
    for next in chain.windows(2) {
        next[0].link(&next[1].addr);
    }
    assert!(sys.shutdown(LIMIT).unwrap().is_clean());
    assert!(chain.iter().all(|one| !one.addr.is_alive()));
}
