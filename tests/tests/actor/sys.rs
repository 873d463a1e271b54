//! Suspending and resuming a running actor, and its state seen and changed from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use actor_core::SysError;
use actor_core::prelude::*;

use super::support::*;

fn probe(sys: &System) -> Addr<Probe> {
    sys.spawn(Probe::default()).unwrap()
}

#[test]
fn a_suspended_actor_handles_nothing_until_it_is_resumed_and_loses_nothing() {
    let sys = system(2);
    let probe = probe(&sys);
    probe.sys().suspend().unwrap();
    for n in 0..300 {
        probe.tell().note(n).unwrap();
    }
    assert_eq!(probe.sys().inspect(|it| it.seen.len()).unwrap(), 0);
    assert_eq!(probe.queued(), 300);
    probe.sys().resume().unwrap();
    assert_eq!(probe.ask().seen().unwrap(), (0..300).collect::<Vec<_>>());
}

#[test]
fn suspending_twice_is_suspending_once() {
    let sys = system(1);
    let probe = probe(&sys);
    probe.sys().resume().unwrap(); // of one that runs
    probe.sys().suspend().unwrap();
    probe.sys().suspend().unwrap();
    probe.tell().note(1).unwrap();
    probe.sys().resume().unwrap();
    assert_eq!(probe.ask().seen().unwrap(), [1]);
}

#[test]
fn what_was_queued_before_the_suspension_waits_too() {
    let sys = system(1);
    let probe = probe(&sys);
    let release = hold(&probe);
    for n in 0..10 {
        probe.tell().note(n).unwrap();
    }
    let other = probe.clone();
    let suspending = thread::spawn(move || other.sys().suspend());
    // The order may come before or after: either way nothing is lost, and what is left waits.
    release.raise();
    suspending.join().unwrap().unwrap();
    let left = 10 - probe.sys().inspect(|it| it.seen.len()).unwrap();
    assert_eq!(probe.queued(), left);
    probe.sys().resume().unwrap();
    assert_eq!(probe.ask().seen().unwrap(), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_suspended_actor_still_stops_dies_and_ends_by_exit_signals() {
    let sys = system(1);
    let ends: [(fn(&Addr<Probe>), ExitReason); 3] = [
        (Addr::stop, ExitReason::Normal),
        (Addr::kill, ExitReason::Killed),
        (
            |it| it.exit(ExitReason::failed("x")),
            ExitReason::failed("x"),
        ),
    ];
    for (ends, reason) in ends {
        let probe = probe(&sys);
        probe.sys().suspend().unwrap();
        let asked = probe.request().seen();
        probe.exit(ExitReason::Normal); // nothing
        assert!(probe.sys().inspect(|_| ()).is_ok());
        ends(&probe);
        assert_eq!(end(&probe), reason);
        assert!(asked.wait().is_err());
    }
}

/// It hears.
#[actor]
#[derive(Default)]
struct Hearer(Vec<ExitReason>);

#[actor]
impl Hearer {
    pub fn watch(&mut self, cx: &mut Cx<Self>, other: Addr<Probe>) {
        cx.trap_exits(true);
        cx.monitor(&other);
    }

    pub fn heard(&self) -> Vec<ExitReason> {
        self.0.clone()
    }

    #[on_signal]
    fn signal(&mut self, signal: Signal) {
        self.0.push(signal.reason().clone());
    }
}

#[test]
fn signals_for_the_hook_wait_while_the_actor_is_suspended() {
    let sys = system(1);
    let (hearer, probe) = (sys.spawn(Hearer::default()).unwrap(), probe(&sys));
    hearer.ask().watch(probe.clone()).unwrap();
    hearer.sys().suspend().unwrap();
    let asked = hearer.request().heard();
    probe.kill();
    end(&probe);
    hearer.exit(ExitReason::Shutdown); // trapped
    assert_eq!(hearer.sys().inspect(|it| it.0.len()).unwrap(), 0);
    hearer.sys().resume().unwrap();
    let both = [ExitReason::Killed, ExitReason::Shutdown];
    assert_eq!(asked.wait().unwrap(), both);
}

#[test]
fn a_bounded_mailbox_stays_bounded_while_suspended_and_its_senders_wait() {
    let sys = system(2);
    let narrow = sys.spawn(Narrow::<2>::default()).unwrap();
    narrow.sys().suspend().unwrap();
    narrow.try_tell().note(0).unwrap();
    narrow.try_tell().note(1).unwrap();
    assert!(matches!(narrow.try_tell().note(9), Err(TellError::Full(_))));
    let other = narrow.clone();
    let sender = sys
        .spawn_microthread(move || (2..20).for_each(|n| other.tell().note(n).unwrap()))
        .unwrap();
    blocked(&sys, 1);
    assert_eq!(narrow.queued(), 2);
    narrow.sys().resume().unwrap();
    sender.join().unwrap();
    assert_eq!(narrow.ask().seen().unwrap(), (0..20).collect::<Vec<_>>());
}

#[test]
fn state_is_seen_and_changed_between_messages_and_before_those_that_wait() {
    let sys = system(1);
    let probe = probe(&sys);
    let release = hold(&probe);
    probe.tell().note(1).unwrap();
    let other = probe.clone();
    let started = Flag::new();
    let began = started.clone();
    let changing = sys
        .spawn_microthread(move || {
            began.raise();
            other.sys().update(|it| {
                it.seen.push(0);
                it.seen.len()
            })
        })
        .unwrap();
    started.wait();
    blocked(&sys, 2); // it waits, and the handler does
    release.raise();
    assert_eq!(changing.join().unwrap(), Ok(1));
    assert_eq!(probe.ask().seen().unwrap(), [0, 1]);
    let old = probe
        .sys()
        .update(|it| std::mem::take(&mut it.seen))
        .unwrap();
    assert_eq!(old, [0, 1]);
    assert_eq!(probe.sys().inspect(|it| it.seen.clone()), Ok(Vec::new()));
}

#[test]
fn a_panic_of_inspect_is_the_callers_alone() {
    let sys = system(1);
    let probe = probe(&sys);
    let seen = probe.sys().inspect(|_| panic!("my own")).map(|(): ()| ());
    assert_eq!(seen, Err(SysError::Panicked("my own".into())));
    assert_eq!(probe.ask().seen().unwrap(), []);
}

#[test]
fn a_panic_of_update_is_the_actors_too() {
    let sys = system(1);
    let probe = probe(&sys);
    let changed = probe.sys().update(|_| panic!("torn")).map(|(): ()| ());
    assert_eq!(changed, Err(SysError::Panicked("torn".into())));
    assert_eq!(end(&probe), ExitReason::Panicked("torn".into()));
}

#[test]
fn the_dead_are_refused_and_so_are_calls_that_wait_when_the_actor_dies() {
    let sys = system(2);
    let probe = probe(&sys);
    let release = hold(&probe);
    let other = probe.clone();
    let waiting = sys
        .spawn_microthread(move || other.sys().inspect(|_| ()))
        .unwrap();
    blocked(&sys, 2);
    probe.kill();
    assert_eq!(waiting.join().unwrap(), Err(SysError::Dead));
    end(&probe);
    assert_eq!(probe.sys().suspend(), Err(SysError::Dead));
    assert_eq!(probe.sys().resume(), Err(SysError::Dead));
    assert_eq!(probe.sys().inspect(|_| ()), Err(SysError::Dead));
    assert_eq!(probe.sys().update(|_| ()), Err(SysError::Dead));
    release.raise();
}

#[test]
fn a_call_that_has_timed_out_is_not_carried_out_later() {
    let sys = system(1);
    let probe = probe(&sys);
    let release = hold(&probe);
    let late = probe.sys().within(Duration::from_millis(1));
    assert_eq!(late.update(|it| it.seen.push(1)), Err(SysError::Timeout));
    release.raise();
    assert_eq!(probe.ask().seen().unwrap(), []);
}

#[test]
fn an_actors_own_handler_is_refused() {
    let sys = system(1);
    let probe = probe(&sys);
    let refused = within(&probe, |_, cx| {
        u64::from(cx.addr().sys().suspend() == Err(SysError::Itself))
    });
    assert_eq!(refused, 1);
    // Another actor's is not.
    let other = self::probe(&sys);
    let seen = within(&other, move |_, _| {
        probe.sys().inspect(|it| it.seen.len() as u64).unwrap()
    });
    assert_eq!(seen, 0);
}

/// It owns its stack.
#[actor]
struct Own;

#[actor]
impl Own {
    fn run(self, inbox: Inbox<Self>) -> Exit {
        while inbox.recv().is_ok() {}
        Exit::Normal
    }
}

#[test]
fn an_own_stack_actor_is_refused() {
    let sys = system(1);
    let own = sys.spawn(Own).unwrap();
    assert_eq!(own.sys().suspend(), Err(SysError::OwnStack));
    assert_eq!(own.sys().inspect(|_| ()), Err(SysError::OwnStack));
}

#[test]
fn a_restart_ends_the_suspension_and_keeps_the_messages() {
    let sys = system(2);
    let starts = Arc::new(AtomicUsize::new(0));
    let count = starts.clone();
    let supervisor = Supervisor::builder()
        .child(ChildSpec::new("child", move || {
            count.fetch_add(1, Ordering::SeqCst);
            Probe::default()
        }))
        .start(&sys)
        .unwrap();
    let child = supervisor.child::<Probe>("child").unwrap();
    child.sys().suspend().unwrap();
    child.tell().note(1).unwrap();
    child.kill();
    assert_eq!(child.ask().seen().unwrap(), [1]);
    assert_eq!(starts.load(Ordering::SeqCst), 2);
}

#[test]
fn a_closure_that_is_killed_ends_the_actor() {
    let sys = system(2);
    let probe = probe(&sys);
    let (entered, never) = (Flag::new(), Flag::new());
    let inside = entered.clone();
    let other = probe.clone();
    let waiting = sys
        .spawn_microthread(move || {
            other.sys().inspect(move |_| {
                inside.raise();
                never.wait();
            })
        })
        .unwrap();
    entered.wait();
    probe.kill();
    assert_eq!(waiting.join().unwrap(), Err(SysError::Dead));
    assert_eq!(end(&probe), ExitReason::Killed);
}

#[test]
fn a_system_shuts_down_with_suspended_actors_in_it() {
    let sys = system(1);
    let probe = probe(&sys);
    probe.sys().suspend().unwrap();
    probe.tell().note(1).unwrap();
    assert!(sys.shutdown(LIMIT).unwrap().is_clean());
    assert_eq!(end(&probe), ExitReason::Shutdown);
}
