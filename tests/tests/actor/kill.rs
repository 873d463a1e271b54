//! Killing an actor, whatever it is doing.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use actor_core::microthread;
use actor_core::prelude::*;

use super::support::*;

/// Kills an actor whose handler waits by what `wait` gives, with destructors to run and somebody waiting for the answer.
/// The flag that `wait` is given is raised at the end, for others whom it holds.
fn killed_in(wait: impl FnOnce(&System, &Flag) -> Box<dyn FnOnce() + Send>) {
    let (sys, over) = (system(2), Flag::new());
    let wait = wait(&sys, &over);
    let (probe, stopped) = Probe::reporting();
    let probe = sys.spawn(probe).unwrap();
    let alive = Arc::default();
    let inside = Counted::new(&alive);
    let before = sys.stats().stacks_in_use;
    let asked = probe.request().perform(Box::new(move |_, _| {
        let _unwound = inside;
        wait();
        unreachable!("killed before");
    }));
    blocked(&sys, before + 1);
    probe.kill();
    assert!(matches!(
        asked.wait(),
        Err(AskError::NoReply(Some(ExitReason::Killed)))
    ));
    assert_eq!(end(&probe), ExitReason::Killed);
    assert_eq!(alive.load(Ordering::SeqCst), 0, "its destructors have run");
    assert!(stopped.recv().is_err(), "on_stop has not");
    until(|| sys.stats().stacks_in_use == before);
    over.raise();
}

#[test]
fn blocked_in_an_ask() {
    killed_in(|sys, over| {
        let other = sys.spawn(Probe::default()).unwrap();
        let held = over.clone();
        perform(&other, move |_, _| {
            held.wait();
            0
        });
        blocked(sys, 1);
        Box::new(move || drop(other.ask().seen()))
    });
}

#[test]
fn blocked_in_a_sleep() {
    killed_in(|_, _| Box::new(|| microthread::sleep(LIMIT * 1000)));
}

#[test]
fn blocked_on_a_full_mailbox() {
    killed_in(|sys, over| {
        let narrow = Narrow::<1>::filled(sys, over);
        blocked(sys, 1);
        Box::new(move || drop(narrow.tell().note(1)))
    });
}

#[test]
fn blocked_in_the_join_of_an_actor() {
    killed_in(|sys, _| {
        let other = sys.spawn(Probe::default()).unwrap();
        Box::new(move || drop(other.join()))
    });
}

#[test]
fn blocked_in_the_join_of_a_microthread() {
    killed_in(|sys, over| {
        let held = over.clone();
        let other = sys.spawn_microthread(move || held.wait()).unwrap();
        Box::new(move || drop(other.join()))
    });
}

#[test]
fn blocked_on_a_future() {
    killed_in(|_, _| Box::new(|| microthread::block_on(std::future::pending())));
}

#[test]
fn in_a_blocking_call_which_is_waited_for() {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    let (entered, go) = (Flag::new(), Flag::new());
    let (inside, wait) = (entered.clone(), go.clone());
    let done = Arc::new(AtomicBool::new(false));
    let set = done.clone();
    perform(&probe, move |_, _| {
        microthread::blocking(|| {
            inside.raise();
            wait.wait();
            set.store(true, Ordering::SeqCst);
        });
        unreachable!("killed before");
    });
    entered.wait();
    probe.kill();
    assert_eq!(
        probe.join_timeout(std::time::Duration::from_millis(5)),
        None
    );
    go.raise();
    assert_eq!(end(&probe), ExitReason::Killed);
    assert!(done.load(Ordering::SeqCst));
}

#[test]
fn idle() {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    probe.ask().note(1).unwrap();
    probe.kill();
    assert_eq!(end(&probe), ExitReason::Killed);
    // Of the dead nothing more is asked.
    probe.kill();
    probe.stop();
    assert_eq!(probe.join(), ExitReason::Killed);
}

#[test]
fn queued_behind_a_handler_that_holds_the_only_worker() {
    quiet();
    let sys = System::builder()
        .workers(1)
        .spare_workers(0)
        .build()
        .unwrap();
    let (holder, victim) = (
        sys.spawn(Probe::default()).unwrap(),
        sys.spawn(Probe::default()).unwrap(),
    );
    let (entered, go) = (Flag::new(), Arc::new(AtomicBool::new(false)));
    let (inside, wait) = (entered.clone(), go.clone());
    perform(&holder, move |_, _| {
        inside.raise();
        while !wait.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
        0
    });
    entered.wait();
    let queued = victim.request().note(1);
    victim.kill();
    go.store(true, Ordering::SeqCst);
    assert_eq!(end(&victim), ExitReason::Killed);
    assert!(matches!(
        queued.wait(),
        Err(AskError::NoReply(Some(ExitReason::Killed)))
    ));
    holder.ask().seen().unwrap();
}

#[test]
fn a_handler_that_does_not_wait_is_killed_before_its_next_message() {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    let own = probe.clone();
    let first = probe.request().perform(Box::new(move |_, _| {
        own.kill();
        own.tell().note(1).unwrap();
        7
    }));
    assert_eq!(first.wait().unwrap(), 7);
    assert_eq!(end(&probe), ExitReason::Killed);
}

#[test]
fn a_handler_that_swallows_a_kill_is_killed_again_at_each_wait_and_at_its_end() {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    let (entered, never) = (Flag::new(), Flag::new());
    let inside = entered.clone();
    let asked = probe.request().perform(Box::new(move |_, _| {
        inside.raise();
        let swallow = || panic::catch_unwind(AssertUnwindSafe(|| never.wait())).is_err();
        (0..5).filter(|_| swallow()).count() as u64
    }));
    entered.wait();
    probe.kill();
    assert_eq!(asked.wait().unwrap(), 5);
    assert_eq!(end(&probe), ExitReason::Killed);
}

#[test]
fn in_its_start_hook() {
    let sys = system(1);
    let entered = Flag::new();
    let inside = entered.clone();
    let own = sys.clone();
    let spawning = thread::spawn(move || own.spawn_named("slow", Slow(inside)));
    entered.wait();
    let slow = sys.lookup::<Slow>("slow").unwrap();
    slow.kill();
    assert_eq!(end(&slow), ExitReason::Killed);
    let spawned = spawning.join().unwrap();
    assert!(matches!(spawned, Err(SpawnError::Start(why)) if why.to_string() == "killed"));
}

#[test]
fn in_its_stop_hook() {
    let sys = system(1);
    let entered = Flag::new();
    let lingering = sys.spawn(Lingering(entered.clone())).unwrap();
    lingering.stop();
    entered.wait();
    lingering.kill();
    assert_eq!(end(&lingering), ExitReason::Killed);
}

/// Never gets beyond its start.
#[actor]
pub struct Slow(Flag);

#[actor]
impl Slow {
    #[on_start]
    fn start(&mut self) {
        self.0.raise();
        Flag::new().wait();
    }
}

/// Never gets beyond its stop.
#[actor]
pub struct Lingering(Flag);

#[actor]
impl Lingering {
    #[on_stop]
    fn stop(&mut self) {
        self.0.raise();
        Flag::new().wait();
    }
}
