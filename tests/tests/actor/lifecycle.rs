//! Starting, stopping, the hooks, waiting for the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{Event, microthread};

use super::support::*;

/// What a [`Starter`] does in its hook.
type Hook = Box<dyn FnOnce(&mut Cx<Starter>) -> Result<(), String> + Send>;

/// An actor whose start is the test's.
#[actor]
pub struct Starter {
    hook: Option<Hook>,
    started: bool,
    _owned: Option<Counted>,
}

#[actor]
impl Starter {
    #[on_start]
    fn start(&mut self, cx: &mut Cx<Self>) -> Result<(), String> {
        self.hook.take().map_or(Ok(()), |hook| hook(cx))?;
        self.started = true;
        Ok(())
    }

    pub fn started(&self) -> bool {
        self.started
    }
}

fn starter(hook: impl FnOnce(&mut Cx<Starter>) -> Result<(), String> + Send + 'static) -> Starter {
    Starter {
        hook: Some(Box::new(hook)),
        started: false,
        _owned: None,
    }
}

#[test]
fn on_start_has_run_when_spawn_returns_and_may_wait() {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    let ran = Flag::new();
    let seen = ran.clone();
    let asked = probe.clone();
    let hook = move |_: &mut Cx<_>| {
        microthread::sleep(Duration::from_millis(1));
        asked.ask().note(1).map_err(|error| error.to_string())?;
        seen.raise();
        Ok(())
    };
    let addr = sys.spawn(starter(hook)).unwrap();
    assert!(ran.is_raised());
    assert!(addr.ask().started().unwrap());
    // From a microthread and from a handler as well.
    let inner = sys.clone();
    let spawned = sys.spawn_microthread(move || inner.spawn(starter(|_| Ok(()))));
    let addr = spawned.unwrap().join().unwrap().unwrap();
    assert!(addr.ask().started().unwrap());
    perform(&probe, |probe, cx| {
        let addr = cx.system().spawn(starter(|_| Ok(()))).unwrap();
        probe.seen.push(addr.ask().started().unwrap().into());
        0
    });
    assert_eq!(probe.ask().seen().unwrap(), [1, 1]);
}

#[test]
fn a_start_that_waits_holds_up_nobody_else_and_messages_wait_for_it() {
    let sys = system(1);
    let (entered, go) = (Flag::new(), Flag::new());
    let (inside, wait) = (entered.clone(), go.clone());
    let own = sys.clone();
    let spawning = thread::spawn(move || {
        let hook = move |_: &mut Cx<_>| {
            inside.raise();
            wait.wait();
            Ok(())
        };
        own.spawn_named("slow", starter(hook))
    });
    entered.wait();
    let probe = sys.spawn(Probe::default()).unwrap();
    probe.ask().note(1).unwrap();
    let early = sys.lookup::<Starter>("slow").unwrap();
    let pending = early.request().started();
    go.raise();
    assert!(pending.wait().unwrap());
    assert_eq!(spawning.join().unwrap().unwrap(), early);
}

#[test]
fn a_start_that_fails_is_the_spawners_error() {
    let sys = system(1);
    let events = sys.events();
    let alive = Arc::default();
    let failing = Starter {
        _owned: Some(Counted::new(&alive)),
        ..starter(|_| Err("no disk".into()))
    };
    let failed = sys.spawn(failing).unwrap_err();
    assert!(matches!(failed, SpawnError::Start(why) if why.to_string() == "no disk"));
    let reason = event(&events, |event| match event {
        Event::Exited { reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!(reason, ExitReason::failed("no disk"));
    until(|| alive.load(Ordering::SeqCst) == 0);

    let failed = sys.spawn(starter(|_| panic!("bad luck"))).unwrap_err();
    assert!(matches!(failed, SpawnError::Start(why) if why.to_string() == "panicked: bad luck"));
}

#[test]
fn stop_comes_before_queued_messages() {
    let sys = system(1);
    let events = sys.events();
    let (probe, stopped) = Probe::reporting();
    let probe = sys.spawn(probe).unwrap();
    let release = hold(&probe);
    for n in 0..5 {
        probe.tell().note(n).unwrap();
    }
    probe.stop();
    assert!(probe.is_alive(), "the handler is not interrupted");
    release.raise();
    assert_eq!(end(&probe), ExitReason::Normal);
    assert_eq!(stopped.recv().unwrap(), ExitReason::Normal);
    assert_eq!(dead_letters(&events, probe.id()), 5);
}

#[test]
fn a_handler_ends_its_own_actor() {
    let sys = system(1);
    for (exit, reason) in [
        (Exit::Normal, ExitReason::Normal),
        (Exit::Shutdown, ExitReason::Shutdown),
        (Exit::failed("bored"), ExitReason::failed("bored")),
    ] {
        let (probe, stopped) = Probe::reporting();
        let probe = sys.spawn(probe).unwrap();
        perform(&probe, |_, cx| {
            cx.exit(exit);
            0
        });
        assert_eq!(end(&probe), reason);
        assert_eq!(stopped.recv().unwrap(), reason);
    }
    let probe = sys.spawn(Probe::default()).unwrap();
    perform(&probe, |_, cx| {
        cx.stop();
        0
    });
    assert_eq!(end(&probe), ExitReason::Normal);
}

#[test]
fn on_stop_is_told_the_reason_and_not_called_after_a_kill_or_an_overflow() {
    let sys = system(1);
    let spawn = || {
        let (probe, stopped) = Probe::reporting();
        (sys.spawn(probe).unwrap(), stopped)
    };
    let (probe, stopped) = spawn();
    perform(&probe, |_, _| panic!("why not"));
    assert_eq!(end(&probe), ExitReason::Panicked("why not".into()));
    let told = ExitReason::Panicked("why not".into());
    assert_eq!(stopped.recv().unwrap(), told);

    let (probe, stopped) = spawn();
    probe.kill();
    assert_eq!(end(&probe), ExitReason::Killed);
    assert!(stopped.recv().is_err(), "the state was dropped without it");

    let (probe, stopped) = spawn();
    perform(&probe, |_, cx| dive(&cx.addr(), 0));
    assert_eq!(end(&probe), ExitReason::Overflow);
    assert!(stopped.recv().is_err());

    let (probe, stopped) = spawn();
    let _ = sys.shutdown(LIMIT).unwrap();
    assert_eq!(end(&probe), ExitReason::Shutdown);
    assert_eq!(stopped.recv().unwrap(), ExitReason::Shutdown);
}

/// Its `on_stop` is the test's.
#[actor]
pub struct Stopper(Option<StopHook>);

type StopHook = Box<dyn FnOnce(&mut Cx<Stopper>) + Send>;

#[actor]
impl Stopper {
    #[on_stop]
    fn stopping(&mut self, cx: &mut Cx<Self>) {
        if let Some(hook) = self.0.take() {
            hook(cx);
        }
    }
    pub fn boom(&self) {
        panic!("first");
    }
}

#[test]
fn on_stop_may_wait_and_a_panic_in_it_is_the_reason_if_there_was_no_worse() {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    let asked = probe.clone();
    let hook = move |_: &mut Cx<_>| asked.ask().note(1).unwrap();
    let stopper = sys.spawn(Stopper(Some(Box::new(hook)))).unwrap();
    stopper.stop();
    assert_eq!(end(&stopper), ExitReason::Normal);
    assert_eq!(probe.ask().seen().unwrap(), [1]);

    let stopper = sys
        .spawn(Stopper(Some(Box::new(|_| panic!("second")))))
        .unwrap();
    stopper.stop();
    assert_eq!(end(&stopper), ExitReason::Panicked("second".into()));

    let stopper = sys
        .spawn(Stopper(Some(Box::new(|_| panic!("second")))))
        .unwrap();
    stopper.tell().boom().unwrap();
    assert_eq!(end(&stopper), ExitReason::Panicked("first".into()));
}

#[test]
fn the_end_can_be_waited_for_from_threads_microthreads_and_handlers() {
    let sys = system(2);
    let probe = sys.spawn(Probe::default()).unwrap();
    let release = hold(&probe);
    assert_eq!(probe.join_timeout(Duration::ZERO), None);
    let late = probe.clone();
    let timed = sys.spawn_microthread(move || late.join_timeout(Duration::from_millis(1)));
    assert_eq!(timed.unwrap().join().unwrap(), None);

    let (report, ends) = mpsc::channel();
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (probe, report) = (probe.clone(), report.clone());
            thread::spawn(move || report.send(probe.join()).unwrap())
        })
        .collect();
    for _ in 0..3 {
        let (probe, report) = (probe.clone(), report.clone());
        let join = move || report.send(probe.join()).unwrap();
        drop(sys.spawn_microthread(join).unwrap());
    }
    let (waiting, awaited) = (sys.spawn(Probe::default()).unwrap(), probe.clone());
    perform(&waiting, move |_, _| {
        report.send(awaited.join()).unwrap();
        0
    });
    perform(&probe, |_, cx| {
        cx.exit(Exit::failed("enough"));
        0
    });
    release.raise();
    let ends: Vec<_> = ends.iter().take(7).collect();
    assert_eq!(ends, vec![ExitReason::failed("enough"); 7]);
    threads.into_iter().for_each(|it| it.join().unwrap());
    assert_eq!(probe.join(), ExitReason::failed("enough"));
    assert!(probe.join_timeout(Duration::ZERO).is_some());
}

#[test]
fn the_state_is_dropped_at_the_end_and_not_with_the_last_address() {
    let sys = system(1);
    let alive = Arc::new(AtomicUsize::new(0));
    let probe = sys
        .spawn(Probe {
            owned: vec![Box::new(Counted::new(&alive))],
            ..Probe::default()
        })
        .unwrap();
    let other = probe.clone();
    assert_eq!(probe, other);
    drop(probe);
    other.ask().note(1).unwrap();
    assert_eq!(alive.load(Ordering::SeqCst), 1);
    other.stop();
    end(&other);
    assert_eq!(alive.load(Ordering::SeqCst), 0, "joined, and gone");
}

#[test]
fn an_actor_lives_on_without_addresses() {
    let sys = system(1);
    let alive = Arc::new(AtomicUsize::new(0));
    let probe = sys
        .spawn(Probe {
            owned: vec![Box::new(Counted::new(&alive))],
            ..Probe::default()
        })
        .unwrap();
    let id = probe.id();
    let release = hold(&probe);
    perform(&probe, |_, cx| {
        assert_eq!(cx.queued(), 0);
        cx.stop();
        cx.id()
    });
    let events = sys.events();
    drop(probe);
    assert_eq!(alive.load(Ordering::SeqCst), 1);
    release.raise();
    event(&events, |event| match event {
        Event::Exited { who, .. } if who.id == id => Some(()),
        _ => None,
    });
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[test]
fn a_start_hook_may_end_its_actor() {
    let sys = system(1);
    let addr = sys
        .spawn(starter(|cx| {
            cx.exit(Exit::failed("no work"));
            Ok(())
        }))
        .unwrap();
    assert_eq!(end(&addr), ExitReason::failed("no work"));
    let (tell, told) = mpsc::channel();
    let addr = sys.spawn(Unneeded(tell)).unwrap();
    assert_eq!(end(&addr), ExitReason::Normal);
    assert!(told.recv().is_err(), "its body never ran");
}

/// Ends before its body begins.
#[actor]
pub struct Unneeded(mpsc::Sender<()>);

#[actor]
impl Unneeded {
    #[on_start]
    fn start(&mut self, cx: &mut Cx<Self>) {
        cx.stop();
    }

    fn run(self, _inbox: Inbox<Self>) -> Exit {
        self.0.send(()).unwrap();
        Exit::Normal
    }
}
