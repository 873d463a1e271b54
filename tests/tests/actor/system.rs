//! Systems: what is left of actors, addresses and messages when their system ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use actor_core::ShutdownFromInside;
use actor_core::microthread;
use actor_core::prelude::*;

use super::support::*;

fn owning(alive: &Arc<AtomicUsize>) -> Probe {
    Probe {
        owned: vec![Box::new(Counted::new(alive))],
        ..Probe::default()
    }
}

#[test]
fn a_shutdown_stops_every_actor_with_its_hook() {
    let sys = system(2);
    let alive = Arc::default();
    let mut all = Vec::new();
    for n in 0..100 {
        let (probe, stopped) = Probe::reporting();
        let probe = sys
            .spawn(Probe {
                stopped: probe.stopped,
                ..owning(&alive)
            })
            .unwrap();
        if n % 3 == 0 {
            probe.tell().note(n).unwrap();
        }
        all.push((probe, stopped));
    }
    assert!(sys.shutdown(LIMIT).unwrap().is_clean());
    for (probe, stopped) in &all {
        assert_eq!(stopped.try_recv(), Ok(ExitReason::Shutdown));
        assert_eq!(probe.join(), ExitReason::Shutdown);
    }
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    assert!(matches!(
        sys.spawn(Probe::default()),
        Err(SpawnError::ShuttingDown)
    ));
    // Again is no harm.
    assert!(sys.shutdown(LIMIT).unwrap().is_clean());
}

#[test]
fn addresses_outlive_the_system_and_its_memory_goes_with_the_last() {
    let sys = system(2);
    let alive = Arc::new(AtomicUsize::new(0));
    let events = sys.events();
    let probe = sys.spawn_named("named", owning(&alive)).unwrap();
    let release = hold(&probe);
    let message = Box::new(Counted::new(&alive));
    probe.tell().carry(message).unwrap();
    probe.kill();
    drop(sys);
    assert_eq!(alive.load(Ordering::SeqCst), 0, "state and messages");
    assert!(!probe.is_alive());
    assert_eq!(probe.join(), ExitReason::Killed);
    assert!(probe.tell().note(1).unwrap_err().is_closed());
    assert!(probe.ask().seen().unwrap_err().is_closed());
    release.raise();
    let other = probe.clone();
    drop(probe);
    while events.try_recv().is_ok() {}
    let open = events.try_recv().unwrap_err();
    assert!(open.is_empty(), "an address keeps the system's memory");
    drop(other);
    until(|| {
        events
            .try_recv()
            .is_err_and(|error| error.is_disconnected())
    });
}

#[test]
fn a_system_dropped_with_live_actors_ends_them() {
    let alive = Arc::new(AtomicUsize::new(0));
    let sys = system(2);
    let idle = sys.spawn(owning(&alive)).unwrap();
    let loner = sys.spawn(super::names::Loner).unwrap();
    let events = sys.events();
    let clone = sys.clone();
    drop(sys);
    idle.ask().note(1).unwrap(); // there is another handle yet
    drop(clone);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    assert_eq!(end(&idle), ExitReason::Shutdown);
    assert_eq!(end(&loner), ExitReason::Normal);
    drop((idle, loner));
    // Nothing keeps the memory of a system that has ended.
    until(|| {
        loop {
            match events.try_recv() {
                Ok(_) => {}
                Err(error) => break error.is_disconnected(),
            }
        }
    });
}

#[test]
fn handles_of_handlers_do_not_keep_the_system() {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    perform(&probe, |probe, cx| {
        probe.owned.push(Box::new(cx.system()));
        probe.owned.push(Box::new(cx.addr()));
        0
    });
    probe.ask().seen().unwrap();
    let events = sys.events();
    drop(sys);
    assert_eq!(end(&probe), ExitReason::Shutdown);
    drop(probe);
    until(|| {
        loop {
            match events.try_recv() {
                Ok(_) => {}
                Err(error) => break error.is_disconnected(),
            }
        }
    });
}

#[test]
fn a_shutdown_kills_what_does_not_stop_by_half_its_time() {
    let sys = system(2);
    let alive = Arc::new(AtomicUsize::new(0));
    let waiting = sys.spawn(owning(&alive)).unwrap();
    let _never = hold(&waiting);
    let report = sys.shutdown(Duration::from_secs(1)).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(end(&waiting), ExitReason::Killed);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

/// A flag that a thread spins on, and whether one does.
fn spin() -> (Flag, Arc<AtomicBool>, impl FnOnce() + Send + 'static) {
    let (entered, go) = (Flag::new(), Arc::new(AtomicBool::new(false)));
    let (inside, wait) = (entered.clone(), go.clone());
    let spin = move || {
        inside.raise();
        while !wait.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    };
    (entered, go, spin)
}

#[track_caller]
fn leaves_behind(sys: &System, probe: &Addr<Probe>) {
    let report = sys.shutdown(Duration::from_millis(50)).unwrap();
    let wanted = format!("Probe#{}", probe.id());
    let named = |who: &String| who.starts_with(&wanted);
    assert!(report.leaked.iter().any(named), "{report:?}");
    assert!(!report.is_clean());
}

#[test]
fn who_holds_a_worker_at_the_end_is_named_and_left_behind() {
    let sys = system(2);
    let (entered, go, spin) = spin();
    let probe = sys.spawn(Probe::default()).unwrap();
    perform(&probe, move |_, _| {
        spin();
        0
    });
    entered.wait();
    leaves_behind(&sys, &probe);
    go.store(true, Ordering::SeqCst);
}

#[test]
fn who_cannot_be_unwound_at_the_end_is_named_and_left_behind() {
    let sys = system(2);
    let (entered, go, spin) = spin();
    let probe = sys.spawn(Probe::default()).unwrap();
    perform(&probe, move |_, _| {
        microthread::blocking(spin);
        0
    });
    entered.wait();
    leaves_behind(&sys, &probe);
    go.store(true, Ordering::SeqCst);
}

#[test]
fn a_system_is_not_shut_down_from_inside() {
    let sys = system(1);
    let probe = sys.spawn(Probe::default()).unwrap();
    let inner = sys.clone();
    let refused = sys.spawn_microthread(move || inner.shutdown(LIMIT));
    let refused = refused.unwrap().join().unwrap();
    assert_eq!(refused, Err(ShutdownFromInside));
    perform(&probe, |probe, cx| {
        let refused = cx.system().shutdown(LIMIT) == Err(ShutdownFromInside);
        probe.note(refused.into());
        0
    });
    assert_eq!(probe.ask().seen().unwrap(), [1]);
}

#[test]
fn actors_are_spawned_from_handlers_and_threads_alike() {
    let sys = system(2);
    let root = sys.spawn(Probe::default()).unwrap();
    let spawned = root.ask().perform(Box::new(|_, cx| {
        let sys = cx.system();
        let mut sum = 0;
        for n in 0..50 {
            let child = sys.spawn(Probe::default()).unwrap();
            child.tell().note(n).unwrap();
            sum += child.ask().seen().unwrap()[0];
        }
        sum
    }));
    assert_eq!(spawned.unwrap(), (0..50).sum());
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let sys = sys.clone();
            thread::spawn(move || {
                for n in 0..50 {
                    let probe = sys.spawn(Probe::default()).unwrap();
                    probe.ask().note(n).unwrap();
                    probe.stop();
                    end(&probe);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|it| it.join().unwrap());
}

#[test]
fn a_hundred_thousand_actors_come_answer_and_go() {
    const MANY: usize = 100_000;
    let sys = system(2);
    let alive = Arc::new(AtomicUsize::new(0));
    let tiny = || Tiny {
        sum: 0,
        _own: Counted::new(&alive),
    };
    let all: Vec<_> = (0..MANY).map(|_| sys.spawn(tiny()).unwrap()).collect();
    assert_eq!(alive.load(Ordering::SeqCst), MANY);
    for round in 0..2 {
        for addr in &all {
            addr.tell().add(round + 1).unwrap();
        }
    }
    let answers: Vec<_> = all.iter().map(|addr| addr.request().sum()).collect();
    for answer in answers {
        assert_eq!(answer.wait().unwrap(), 3);
    }
    all.iter().for_each(Addr::stop);
    for addr in &all {
        assert_eq!(end(addr), ExitReason::Normal);
    }
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    assert_eq!(sys.stats().stacks_in_use, 0);
    drop(all);
    // And once more in the memory they left.
    let again: Vec<_> = (0..MANY).map(|_| sys.spawn(tiny()).unwrap()).collect();
    again.iter().for_each(Addr::kill);
    assert!(sys.shutdown(LIMIT).unwrap().is_clean());
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[actor]
pub struct Tiny {
    sum: u64,
    _own: Counted,
}

#[actor]
impl Tiny {
    pub fn add(&mut self, n: u64) {
        self.sum += n;
    }
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

#[test]
fn two_systems_talk_to_each_other() {
    let (one, two) = (system(1), system(1));
    let (here, there) = (
        one.spawn(Probe::default()).unwrap(),
        two.spawn(Probe::default()).unwrap(),
    );
    let to = there.clone();
    let job: Job = Box::new(move |_, _| {
        to.ask().note(4).unwrap();
        to.ask().seen().unwrap()[0]
    });
    assert_eq!(here.ask().perform(job).unwrap(), 4);
    drop(two);
    let job: Job = Box::new(move |_, _| there.ask().seen().is_err_and(|e| e.is_closed()).into());
    assert_eq!(here.ask().perform(job).unwrap(), 1);
}

#[test]
fn an_actor_spawned_by_a_hook_of_the_shutdown_is_stopped_too() {
    let sys = system(2);
    let alive = Arc::new(AtomicUsize::new(0));
    let heir = Heir {
        left: 3,
        alive: alive.clone(),
        _own: Counted::new(&alive),
    };
    sys.spawn(heir).unwrap();
    assert!(sys.shutdown(LIMIT).unwrap().is_clean());
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

/// Leaves another behind when it stops.
#[actor]
pub struct Heir {
    left: u32,
    alive: Arc<AtomicUsize>,
    _own: Counted,
}

#[actor]
impl Heir {
    #[on_stop]
    fn stop(&mut self, cx: &mut Cx<Self>) {
        if self.left > 0 {
            let heir = Heir {
                left: self.left - 1,
                alive: self.alive.clone(),
                _own: Counted::new(&self.alive),
            };
            cx.system().spawn(heir).unwrap();
        }
    }
}

#[test]
fn nobody_is_left_waiting_by_a_shutdown_and_nothing_alive() {
    for round in 0..150 {
        let sys = system(2);
        let alive = Arc::new(AtomicUsize::new(0));
        let (over, ended) = mpsc::channel();
        let go = Flag::new();
        // With a start to wait for, with an answer to wait for, and with a name that is taken.
        sys.spawn_named("taken", Probe::default()).unwrap();
        for kind in 0..3 {
            let (sys, alive, over, go) = (sys.clone(), alive.clone(), over.clone(), go.clone());
            thread::spawn(move || {
                go.wait();
                loop {
                    let spawned = match kind {
                        0 => sys.spawn(Begun(Counted::new(&alive))).map(drop),
                        1 => sys
                            .spawn(owning(&alive))
                            .map(|probe| _ = probe.ask().seen()),
                        _ => sys.spawn_named("taken", owning(&alive)).map(drop),
                    };
                    if matches!(spawned, Err(SpawnError::ShuttingDown)) {
                        break;
                    }
                }
                drop(sys);
                over.send(()).unwrap();
            });
        }
        go.raise();
        for _ in 0..round % 50 * 20 {
            std::hint::spin_loop();
        }
        assert!(sys.shutdown(Duration::from_millis(40)).unwrap().is_clean());
        for _ in 0..3 {
            let ended = ended.recv_timeout(LIMIT);
            ended.expect("somebody waits for ever");
        }
        drop(sys);
        assert_eq!(alive.load(Ordering::SeqCst), 0, "round {round}");
    }
}

/// Has a start hook.
#[actor]
pub struct Begun(Counted);

#[actor]
impl Begun {
    #[on_start]
    fn start(&mut self) {
        let _ = &self.0;
    }
}
