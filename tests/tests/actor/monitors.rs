//! Monitors: as signals, and as handles.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{AnyAddr, MonitorId, Received, microthread};

use super::support::*;

/// An actor that watches others, and passes on what it hears.
#[actor]
struct Watcher(mpsc::Sender<Signal>);

#[actor]
impl Watcher {
    pub fn watch(&mut self, cx: &mut Cx<Self>, other: AnyAddr) -> MonitorId {
        cx.monitor(&other)
    }

    pub fn forget(&mut self, cx: &mut Cx<Self>, monitor: MonitorId) -> bool {
        cx.demonitor(monitor)
    }

    /// In one handler: others cannot tell it in between.
    pub fn watch_kill_and_forget(&mut self, cx: &mut Cx<Self>, other: Addr<Probe>) -> bool {
        let monitor = cx.monitor(&other);
        other.kill();
        end(&other);
        cx.demonitor(monitor)
    }

    pub fn hire(&mut self, cx: &mut Cx<Self>) -> MonitorId {
        cx.spawn_monitor(Short).unwrap().1
    }

    pub fn nothing(&mut self) {}

    #[on_signal]
    fn signal(&mut self, signal: Signal) {
        self.0.send(signal).unwrap();
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

fn watcher(sys: &System) -> (Addr<Watcher>, mpsc::Receiver<Signal>) {
    let (sender, receiver) = mpsc::channel();
    (sys.spawn(Watcher(sender)).unwrap(), receiver)
}

fn probe(sys: &System) -> Addr<Probe> {
    sys.spawn(Probe::default()).unwrap()
}

#[track_caller]
fn down(signals: &mpsc::Receiver<Signal>) -> (MonitorId, AnyAddr, ExitReason) {
    match signals.recv_timeout(LIMIT).expect("a signal comes") {
        Signal::Down {
            monitor,
            from,
            reason,
            ..
        } => (monitor, from, reason),
        other => panic!("not a down: {other:?}"),
    }
}

/// That no signal is there once the actor has handled everything.
#[track_caller]
fn nothing_more(watcher: &Addr<Watcher>, signals: &mpsc::Receiver<Signal>) {
    watcher.ask().nothing().unwrap();
    assert_eq!(signals.try_recv().ok(), None);
}

#[test]
fn a_monitor_tells_who_and_why_once() {
    let sys = system(2);
    let (watcher, signals) = watcher(&sys);
    for (ends, reason) in [
        (Addr::stop as fn(&Addr<Probe>), ExitReason::Normal),
        (Addr::kill, ExitReason::Killed),
    ] {
        let probe = probe(&sys);
        let id = watcher.ask().watch((&probe).into()).unwrap();
        ends(&probe);
        let (monitor, from, why) = down(&signals);
        assert_eq!((monitor, why), (id, reason));
        assert_eq!(from, probe);
        assert_eq!(from.downcast::<Probe>(), Some(probe));
        nothing_more(&watcher, &signals);
    }
}

#[test]
fn a_monitor_is_one_way() {
    let sys = system(1);
    let (watcher, _signals) = watcher(&sys);
    let probe = probe(&sys);
    watcher.ask().watch((&probe).into()).unwrap();
    watcher.kill();
    end(&watcher);
    assert_eq!(probe.ask().seen().unwrap(), []);
    probe.stop(); // whose watcher is gone
    assert_eq!(end(&probe), ExitReason::Normal);
}

#[test]
fn there_may_be_many_monitors_between_two_and_each_tells() {
    let sys = system(2);
    let (watcher, signals) = watcher(&sys);
    let probe = probe(&sys);
    let mut ids: Vec<_> = (0..10)
        .map(|_| watcher.ask().watch((&probe).into()).unwrap())
        .collect();
    probe.stop();
    let mut told: Vec<_> = (0..10).map(|_| down(&signals).0).collect();
    ids.sort();
    told.sort();
    assert_eq!(ids, told);
    nothing_more(&watcher, &signals);
}

#[test]
fn a_monitor_of_a_dead_actor_tells_at_once() {
    let sys = system(1);
    let (watcher, signals) = watcher(&sys);
    let probe = probe(&sys);
    probe.stop();
    end(&probe);
    let id = watcher.ask().watch((&probe).into()).unwrap();
    let (monitor, from, why) = down(&signals);
    assert_eq!((monitor, why), (id, ExitReason::NoProc));
    assert_eq!(from, probe);
    nothing_more(&watcher, &signals);
}

#[test]
fn a_monitor_that_is_taken_back_tells_nothing() {
    let sys = system(1);
    let (watcher, signals) = watcher(&sys);
    let probe = probe(&sys);
    let kept = watcher.ask().watch((&probe).into()).unwrap();
    let id = watcher.ask().watch((&probe).into()).unwrap();
    assert!(watcher.ask().forget(id).unwrap());
    assert!(!watcher.ask().forget(id).unwrap());
    probe.stop();
    assert_eq!(down(&signals).0, kept);
    nothing_more(&watcher, &signals);
}

#[test]
fn taking_a_monitor_back_takes_back_a_down_that_waits() {
    let sys = system(1);
    let (watcher, signals) = watcher(&sys);
    let probe = probe(&sys);
    assert!(!watcher.ask().watch_kill_and_forget(probe).unwrap());
    nothing_more(&watcher, &signals);
}

#[test]
fn spawn_monitor_is_atomic_the_real_reason_comes_however_soon_the_child_ends() {
    let sys = system(2);
    let (watcher, signals) = watcher(&sys);
    for _ in 0..200 {
        let id = watcher.ask().hire().unwrap();
        let (monitor, from, why) = down(&signals);
        assert_eq!((monitor, why), (id, ExitReason::failed("short")));
        assert!(from.is::<Short>());
        let (_, mut monitor) = sys.spawn_monitor(Short).unwrap();
        assert_eq!(monitor.wait().unwrap(), ExitReason::failed("short"));
    }
}

#[test]
fn a_handle_is_waited_for_from_threads_microthreads_handlers_and_futures() {
    let sys = system(2);
    let probe = probe(&sys);
    let (mut one, mut two, three) = (probe.monitor(), probe.monitor(), probe.monitor());
    let mut four = AnyAddr::from(&probe).monitor();
    assert_eq!(one.of(), &AnyAddr::from(&probe));
    let thread = thread::spawn(move || one.wait());
    let parked = sys.spawn_microthread(move || two.wait()).unwrap();
    let future = sys
        .spawn_microthread(move || microthread::block_on(three))
        .unwrap();
    let asking = self::probe(&sys);
    let asked = asking.request().perform(Box::new(move |_, _| {
        u64::from(four.wait().unwrap() == ExitReason::Killed)
    }));
    blocked(&sys, 3);
    probe.kill();
    assert_eq!(thread.join().unwrap(), Ok(ExitReason::Killed));
    assert_eq!(parked.join().unwrap(), Ok(ExitReason::Killed));
    assert_eq!(future.join().unwrap(), ExitReason::Killed);
    assert_eq!(asked.wait().unwrap(), 1);
}

#[test]
fn a_handle_can_be_waited_for_with_a_deadline_and_says_the_same_again() {
    let sys = system(1);
    let probe = probe(&sys);
    let mut monitor = probe.monitor();
    assert_eq!(monitor.try_wait(), None);
    assert_eq!(monitor.wait_timeout(Duration::from_millis(1)), Ok(None));
    probe.stop();
    assert_eq!(monitor.wait_timeout(LIMIT), Ok(Some(ExitReason::Normal)));
    assert_eq!(monitor.try_wait(), Some(ExitReason::Normal));
    assert_eq!(monitor.wait(), Ok(ExitReason::Normal));
    assert_eq!(microthread::block_on(monitor), ExitReason::Normal);
    assert_eq!(probe.monitor().wait(), Ok(ExitReason::NoProc));
}

#[test]
fn a_monitor_watches_one_life_and_one_made_between_two_lives_the_next() {
    let sys = system(2);
    let (release, again) = (Flag::new(), release_probe());
    let supervisor = Supervisor::builder()
        .child(ChildSpec::new(
            "child",
            again.clone().factory(release.clone()),
        ))
        .start(&sys)
        .unwrap();
    let child = supervisor.child::<Gated>("child").unwrap();
    let mut first = child.monitor();
    let (watcher, signals) = watcher(&sys);
    watcher.ask().watch((&child).into()).unwrap();
    child.kill();
    assert_eq!(first.wait(), Ok(ExitReason::Killed));
    assert_eq!(down(&signals).2, ExitReason::Killed);
    assert!(child.is_alive(), "its supervisor restarts it");
    // The factory waits: the actor is down. What is made now is the next life's.
    again.entered.wait();
    let mut next = child.monitor();
    watcher.ask().watch((&child).into()).unwrap();
    release.raise();
    until(|| child.ask().ready().is_ok());
    assert_eq!(next.try_wait(), None);
    nothing_more(&watcher, &signals);
    child.kill();
    assert_eq!(next.wait(), Ok(ExitReason::Killed));
    assert_eq!(down(&signals).2, ExitReason::Killed);
}

/// A child whose second start waits.
#[actor]
struct Gated;

#[actor]
impl Gated {
    pub fn ready(&self) {}
}

#[derive(Clone)]
struct Gate {
    entered: Flag,
    starts: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

fn release_probe() -> Gate {
    Gate {
        entered: Flag::new(),
        starts: std::sync::Arc::default(),
    }
}

impl Gate {
    fn factory(self, release: Flag) -> impl Fn() -> Gated + Send + Sync + 'static {
        move || {
            let start = self
                .starts
                .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            if start == 1 {
                self.entered.raise();
                release.wait();
            }
            Gated
        }
    }
}

#[test]
fn a_monitor_made_between_two_lives_ends_if_there_is_no_next() {
    let sys = system(2);
    let (release, gate) = (Flag::new(), release_probe());
    let supervisor = Supervisor::builder()
        .child(ChildSpec::new(
            "child",
            gate.clone().factory(release.clone()),
        ))
        .start(&sys)
        .unwrap();
    let child = supervisor.child::<Gated>("child").unwrap();
    child.kill();
    gate.entered.wait();
    let mut next = child.monitor();
    supervisor.kill();
    release.raise();
    // Killed while it restarts the child: the child is stopped, or buried with what its last life ended for.
    let ended = next.wait_timeout(LIMIT).unwrap().expect("it ends");
    assert!(
        [ExitReason::Killed, ExitReason::Shutdown].contains(&ended),
        "{ended}"
    );
    assert!(supervisor.join_timeout(LIMIT).is_some());
}

#[test]
fn a_supervisor_is_monitored_as_any_actor_is() {
    let sys = system(1);
    let supervisor = Supervisor::builder().start(&sys).unwrap();
    let mut monitor = AnyAddr::from(&supervisor).monitor();
    supervisor.stop();
    assert!(monitor.wait_timeout(LIMIT).unwrap().is_some());
}

#[test]
fn a_handle_that_is_dropped_leaves_nothing_behind() {
    let sys = system(1);
    let probe = probe(&sys);
    for _ in 0..1_000 {
        drop(probe.monitor());
    }
    let mut monitor = probe.monitor();
    probe.stop();
    assert_eq!(monitor.wait(), Ok(ExitReason::Normal));
}

/// Own-stack: passes on what it receives.
#[actor]
struct Listener(Vec<AnyAddr>, mpsc::Sender<Received<u64>>);

#[actor(message = u64)]
impl Listener {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        let ids: Vec<_> = self.0.iter().map(|it| inbox.monitor(it)).collect();
        assert!(inbox.demonitor(ids[0]));
        while let Ok(received) = inbox.recv_any() {
            self.1.send(received).unwrap();
        }
        Exit::Normal
    }
}

#[test]
fn an_own_stack_actor_receives_downs_beside_its_messages() {
    let sys = system(2);
    let probes = [probe(&sys), probe(&sys)];
    let (told, tells) = mpsc::channel();
    let any = probes.iter().map(AnyAddr::from).collect();
    let listener = sys.spawn(Listener(any, told)).unwrap();
    listener.send(1).unwrap();
    assert_eq!(tells.recv_timeout(LIMIT).unwrap(), Received::Message(1));
    probes[0].stop(); // no longer watched
    end(&probes[0]);
    probes[1].stop();
    let Received::Signal(Signal::Down { from, reason, .. }) = tells.recv_timeout(LIMIT).unwrap()
    else {
        panic!("a down");
    };
    assert_eq!(from, probes[1]);
    assert_eq!(reason, ExitReason::Normal);
    listener.send(2).unwrap();
    assert_eq!(tells.recv_timeout(LIMIT).unwrap(), Received::Message(2));
}

#[test]
fn an_overflow_is_told_to_those_who_watch() {
    let sys = system(2);
    let diver = probe(&sys);
    let mut monitor = diver.monitor();
    let to = probe(&sys);
    perform(&diver, move |_, _| dive(&to, 0));
    assert_eq!(monitor.wait(), Ok(ExitReason::Overflow));
}
