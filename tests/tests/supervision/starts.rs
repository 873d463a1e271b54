//! Starting: what may fail, and what is left then.

use super::*;
use actor_core::{ChildState, SpecError};

/// Starts as it is told to.
#[actor]
struct Starter(Option<&'static str>);

#[actor]
impl Starter {
    #[on_start]
    fn open(&mut self) -> Result<(), String> {
        match self.0 {
            Some("boom") => panic!("boom"),
            Some("hang") => hang(),
            Some(why) => Err(why.to_owned()),
            None => Ok(()),
        }
    }

    pub fn boom(&mut self) {
        panic!("boom")
    }

    pub fn ping(&self) {}
}

fn failed(id: &str, reason: ExitReason) -> ChildError {
    ChildError::StartFailed {
        id: id.into(),
        reason,
    }
}

#[test]
fn a_start_that_fails_says_why_and_leaves_nothing() {
    let sys = system();
    let sup = patient(&sys);
    let specs: [(ChildSpec<Starter>, ExitReason); 5] = [
        (
            ChildSpec::new("a", || -> Starter { panic!("boom") }),
            panicked(),
        ),
        (
            ChildSpec::try_new("a", || Err("no disk")),
            ExitReason::failed("no disk"),
        ),
        (
            ChildSpec::new("a", || Starter(Some("no luck"))),
            ExitReason::failed("no luck"),
        ),
        (ChildSpec::new("a", || Starter(Some("boom"))), panicked()),
        (
            ChildSpec::new("a", || -> Starter { std::panic::panic_any(Bomb) }),
            ExitReason::Panicked("a panic whose payload is not a string".into()),
        ),
    ];
    for (spec, reason) in specs {
        let refused = sup.start_child(spec.name("it"));
        assert_eq!(refused, Err(failed("a", reason)));
        assert_eq!(sup.which_children().unwrap(), []);
        assert!(sys.names().is_empty());
    }
    sup.start_child(ChildSpec::new("a", || Starter(None)).name("it"))
        .unwrap();
}

/// A panic's payload that panics itself.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("boom again");
        }
    }
}

#[test]
fn a_child_killed_in_its_start_hook_did_not_start() {
    let sys = system();
    let sup = patient(&sys);
    let spec = ChildSpec::new("a", || Starter(Some("hang"))).name("it");
    let starter = sup.clone();
    let starting = sys
        .spawn_microthread(move || starter.start_child(spec))
        .unwrap();
    let child = loop {
        match sys.lookup::<Starter>("it") {
            Ok(child) => break child,
            Err(_) => microthread::yield_now(),
        }
    };
    // The supervisor is not held up by a child that is: what needs no step is answered.
    let state = || sup.which_children().unwrap()[0].state;
    assert_eq!(state(), ChildState::Starting);
    child.tell().ping().unwrap();
    child.kill();
    assert_eq!(
        starting.join().unwrap(),
        Err(failed("a", ExitReason::Killed))
    );
    assert_eq!(child.join(), ExitReason::Killed);
    assert!(child.tell().ping().is_err());
}

#[test]
fn a_spec_is_checked_and_an_id_is_taken_once() {
    let sys = system();
    let sup = patient(&sys);
    let start = |id: &str, restart| {
        sup.start_child(ChildSpec::new(id, || Starter(None)).restart(restart))
            .map(drop)
    };
    assert_eq!(
        start("", Restart::Permanent),
        Err(SpecError::EmptyId.into())
    );
    start("a", Restart::Permanent).unwrap();
    assert_eq!(
        start("a", Restart::Permanent),
        Err(ChildError::AlreadyStarted)
    );
    sup.terminate_child("a").unwrap();
    assert_eq!(
        start("a", Restart::Permanent),
        Err(ChildError::AlreadyPresent)
    );
    sup.delete_child("a").unwrap();
    start("a", Restart::Temporary).unwrap();
}

#[test]
fn a_name_that_is_taken_fails_the_start_and_stays_with_its_holder() {
    let sys = system();
    let sup = patient(&sys);
    let holder = sys.spawn_named("it", Starter(None)).unwrap();
    let Err(ChildError::StartFailed {
        reason: ExitReason::Failed(why),
        ..
    }) = sup.start_child(ChildSpec::new("a", || Starter(None)).name("it"))
    else {
        panic!("the name is taken");
    };
    assert!(why.contains("\"it\" is taken"), "{why}");
    assert_eq!(sys.lookup::<Starter>("it").unwrap(), holder);
}

#[test]
fn a_child_that_declines_is_kept_stopped_unless_it_is_temporary() {
    let sys = system();
    let sup = patient(&sys);
    let willing = Arc::new(AtomicU32::new(0));
    let ask = willing.clone();
    let spec = ChildSpec::optional("a", move || {
        Ok::<_, String>((ask.load(Ordering::Relaxed) > 0).then_some(Starter(None)))
    });
    assert_eq!(sup.start_child(spec), Err(ChildError::Declined));
    assert_eq!(sup.restart_child("a"), Err(ChildError::Declined));
    assert_eq!(sup.which_children().unwrap()[0].state, ChildState::Stopped);
    willing.store(1, Ordering::Relaxed);
    sup.restart_child("a").unwrap();
    let child = sup.child::<Starter>("a").unwrap();
    // Declining an automatic restart leaves it stopped, too, and closes its address.
    willing.store(0, Ordering::Relaxed);
    child.tell().boom().unwrap();
    assert_eq!(child.join(), panicked());
    assert_eq!(sup.which_children().unwrap()[0].state, ChildState::Stopped);

    let never = ChildSpec::optional("b", || Ok::<Option<Starter>, String>(None));
    assert_eq!(
        sup.start_child(never.restart(Restart::Temporary)),
        Err(ChildError::Declined)
    );
    assert_eq!(sup.count_children().unwrap().specs, 1);
}

#[test]
fn a_restart_that_fails_is_tried_again_at_the_same_address() {
    let sys = system();
    let (sup, mut next) = (patient(&sys), events(&sys));
    let attempts = AtomicU32::new(0);
    let spec = ChildSpec::try_new("a", move || {
        match attempts.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(Starter(None)),
            1 => panic!("boom"),
            2 => Err("no disk"),
            3 => Ok(Starter(Some("no luck"))),
            4 => Ok(Starter(Some("boom"))),
            _ => Ok(Starter(None)),
        }
    });
    let child = sup.start_child(spec).unwrap();
    child.tell().boom().unwrap();
    child.ask().ping().unwrap();
    for (n, why) in [
        panicked(),
        ExitReason::failed("no disk"),
        ExitReason::failed("no luck"),
        panicked(),
    ]
    .iter()
    .enumerate()
    {
        let event = next(&|it| matches!(it, Event::StartFailed { .. }));
        let Event::StartFailed {
            incarnation,
            reason,
            ..
        } = event
        else {
            unreachable!()
        };
        assert_eq!((incarnation, &reason), (n as u64 + 2, why));
    }
    let Event::Restarted { incarnation, .. } = next(&restarted) else {
        unreachable!()
    };
    assert_eq!(incarnation, 6);
}

#[test]
fn a_restart_by_hand_that_fails_leaves_it_stopped_without_a_retry() {
    let sys = system();
    // Not one automatic restart is allowed, and none is charged.
    let sup = Supervisor::builder()
        .intensity(0, SOON)
        .start(&sys)
        .unwrap();
    let attempts = Arc::new(AtomicU32::new(0));
    let count = attempts.clone();
    let spec = ChildSpec::try_new("a", move || match count.fetch_add(1, Ordering::Relaxed) {
        0 | 2 => Ok(Starter(None)),
        _ => Err("no disk"),
    });
    sup.start_child(spec).unwrap();
    sup.terminate_child("a").unwrap();
    assert_eq!(
        sup.restart_child("a"),
        Err(failed("a", ExitReason::failed("no disk")))
    );
    assert_eq!(sup.which_children().unwrap()[0].state, ChildState::Stopped);
    assert_eq!(attempts.load(Ordering::Relaxed), 2);
    sup.restart_child("a").unwrap();
    assert_eq!(sup.restart_child("a"), Err(ChildError::Running));
    assert_eq!(sup.delete_child("a"), Err(ChildError::Running));
    assert!(sup.is_alive());
}

#[actor]
struct Idle;

#[actor]
impl Idle {
    pub fn run(self, inbox: Inbox<Self>) -> Exit {
        let _ = inbox.recv();
        Exit::Normal
    }
}

#[test]
fn the_limit_of_stacks_fails_a_start() {
    system();
    let sys = System::builder().workers(1).max_stacks(2).build().unwrap();
    let sup = patient(&sys); // one
    let first = sup.start_child(ChildSpec::new("a", || Idle)).unwrap();
    let refused = sup.start_child(ChildSpec::new("b", || Idle));
    assert_eq!(
        refused,
        Err(failed(
            "b",
            ExitReason::failed("all of the system's 2 stacks are in use")
        ))
    );
    // What a life gave back the next one has.
    let mut next = events(&sys);
    for _ in 0..5 {
        first.kill();
        next(&restarted);
    }
    assert_eq!(sys.stats().stacks_in_use, 2);
}

#[test]
fn calls_are_handled_in_order_of_arrival() {
    let sys = system_with(1);
    let sup = patient(&sys);
    let (gate, open) = gate();
    let log = Log::default();
    let (entered, wait) = mpsc::channel();
    let slow = {
        let (sup, log) = (sup.clone(), log.clone());
        sys.spawn_microthread(move || {
            let spec = ChildSpec::new("slow", move || {
                entered.send(()).unwrap();
                gate.pass();
                Starter(None)
            });
            sup.start_child(spec).unwrap();
            log.add("slow");
        })
        .unwrap()
    };
    wait.recv_timeout(SOON).unwrap();
    // One worker: each of these has sent its call before the next begins.
    let others: Vec<_> = ["a", "b", "c"]
        .map(|id| {
            let (sup, log) = (sup.clone(), log.clone());
            sys.spawn_microthread(move || {
                sup.start_child(ChildSpec::new(id, || Starter(None)))
                    .unwrap();
                log.add(id);
            })
            .unwrap()
        })
        .into();
    open.send(()).unwrap();
    slow.join().unwrap();
    others.into_iter().for_each(|it| it.join().unwrap());
    let ids: Vec<_> = sup
        .which_children()
        .unwrap()
        .into_iter()
        .map(|it| it.id)
        .collect();
    assert_eq!(ids.len(), 4);
    assert_eq!(&*ids[3], "slow", "first in, listed last");
}
