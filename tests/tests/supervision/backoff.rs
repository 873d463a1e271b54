//! Delays between restarts. In virtual time, so that they are exact.

use super::*;
use actor_core::testing::{self, Explorer};
use actor_core::{Backoff, ChildState, SpecError, Strategy};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn exact(initial: u64, max: u64) -> Backoff {
    Backoff::new(Duration::from_secs(initial), Duration::from_secs(max)).jitter_percent(0)
}

fn quiet(run: impl Fn(&System) + Send + Sync + 'static) {
    drop(system()); // sets the panic hook
    Explorer::new().iterations(20).check(run);
}

/// Crashes the child and waits for its next life: how long that took.
fn crash(child: &Addr<Probe>) -> Duration {
    let before = testing::elapsed();
    assert!(child.ask().boom().is_err());
    child.ask().life().unwrap();
    testing::elapsed() - before
}

fn one(sys: &System, backoff: Backoff) -> (Supervisor, Addr<Probe>) {
    let sup = Supervisor::builder()
        .intensity(MANY, SOON)
        .backoff(backoff)
        .child(ChildSpec::new("a", probe("a", &Log::default())))
        .start(sys)
        .unwrap();
    let child = sup.child("a").unwrap();
    (sup, child)
}

#[test]
fn delays_double_and_start_again_after_a_long_life() {
    quiet(|sys| {
        let (_sup, child) = one(sys, exact(1, 5));
        let delays: Vec<_> = (0..5).map(|_| crash(&child)).collect();
        assert_eq!(delays, [1, 2, 4, 5, 5].map(secs));
        microthread::sleep(secs(6));
        assert_eq!(crash(&child), secs(1));
    });
}

#[test]
fn failed_starts_are_tried_again_with_growing_delays() {
    quiet(|sys| {
        let lives = AtomicU32::new(0);
        let factory = move || {
            let life = lives.fetch_add(1, Ordering::Relaxed) + 1;
            let (tag, log) = ("a", Log::default());
            let made = Probe { tag, log, life };
            matches!(life, 1 | 4..).then_some(made).ok_or("no")
        };
        let spec = ChildSpec::try_new("a", factory).backoff(exact(1, 60));
        let sup = Supervisor::builder().intensity(MANY, SOON);
        let sup = sup.child(spec).start(sys).unwrap();
        // 1 and fails, 2 and fails, 4 and starts.
        assert_eq!(crash(&sup.child("a").unwrap()), secs(7));
    });
}

#[test]
fn jitter_shortens_delays_and_is_a_function_of_the_seed() {
    let run = |iterations| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let all = seen.clone();
        drop(system());
        let report = Explorer::new().iterations(iterations).run(move |sys| {
            let (_sup, child) = one(sys, Backoff::new(secs(8), secs(8)));
            let delay = crash(&child);
            assert!(delay >= secs(4) && delay <= secs(8), "{delay:?}");
            all.lock().unwrap().push(delay);
        });
        report.unwrap();
        seen.lock().unwrap().clone()
    };
    let delays = run(20);
    assert_eq!(delays, run(20));
    assert!(delays.iter().any(|it| *it != delays[0]), "{delays:?}");
}

#[test]
fn attempts_are_charged_when_they_are_made() {
    quiet(|sys| {
        // One in ten seconds, each after eleven: it never gives up.
        let backoff = exact(11, 11);
        let sup = Supervisor::builder()
            .intensity(1, secs(10))
            .backoff(backoff)
            .child(ChildSpec::new("a", probe("a", &Log::default())))
            .start(sys)
            .unwrap();
        let child = sup.child("a").unwrap();
        for _ in 0..5 {
            assert_eq!(crash(&child), secs(11));
        }
        assert!(sup.is_alive());
        // Two in ten seconds are too many.
        let sup = Supervisor::builder()
            .intensity(1, secs(10))
            .child(ChildSpec::new("a", probe("a", &Log::default())).backoff(exact(4, 4)))
            .start(sys)
            .unwrap();
        let child = sup.child::<Probe>("a").unwrap();
        crash(&child);
        let before = testing::elapsed();
        assert!(child.ask().boom().is_err());
        assert_eq!(sup.join(), ExitReason::Shutdown);
        assert_eq!(testing::elapsed() - before, secs(4));
    });
}

#[test]
fn while_it_waits_a_child_can_be_terminated_and_not_restarted_or_deleted() {
    quiet(|sys| {
        let (sup, child) = one(sys, exact(100, 100));
        let before = testing::elapsed();
        assert!(child.ask().boom().is_err());
        // An answer that comes after its exit was seen.
        while sup.which_children().unwrap()[0].state != ChildState::Restarting {
            microthread::yield_now();
        }
        assert_eq!(sup.restart_child("a"), Err(ChildError::Restarting));
        assert_eq!(sup.delete_child("a"), Err(ChildError::Restarting));
        let queued = child.request().life();
        sup.terminate_child("a").unwrap();
        assert_eq!(child.join(), panicked());
        assert!(queued.wait().is_err());
        sup.restart_child("a").unwrap();
        assert_eq!(testing::elapsed(), before);
        let again = sup.child::<Probe>("a").unwrap();
        microthread::sleep(secs(200));
        assert_eq!(again.ask().life().unwrap(), 2);
    });
}

#[test]
fn siblings_run_on_until_the_attempt_is_made() {
    quiet(|sys| {
        let log = Log::default();
        let sup = Supervisor::builder()
            .strategy(Strategy::OneForAll)
            .backoff(exact(10, 10))
            .child(ChildSpec::new("a", probe("a", &log)))
            .child(ChildSpec::new("b", probe("b", &log)))
            .start(sys)
            .unwrap();
        let [a, b] = ["a", "b"].map(|id| sup.child::<Probe>(id).unwrap());
        assert!(a.ask().boom().is_err());
        microthread::sleep(secs(9));
        assert_eq!(b.ask().life().unwrap(), 1);
        microthread::sleep(secs(2));
        assert_eq!(b.ask().life().unwrap(), 2);
        assert_eq!(a.ask().life().unwrap(), 2);
    });
}

#[test]
fn a_supervisor_that_is_stopped_waits_for_no_delay() {
    let sys = system();
    let (sup, child) = one(&sys, exact(10_000, 10_000));
    assert!(child.ask().boom().is_err());
    sup.stop();
    assert_eq!(sup.join(), ExitReason::Normal);
    assert!(!child.is_alive());
}

#[test]
fn an_impossible_backoff_is_refused() {
    let sys = system();
    let sup = patient(&sys);
    let spec = ChildSpec::new("a", probe("a", &Log::default()));
    let spec = spec.backoff(Backoff::new(secs(2), secs(1)));
    assert_eq!(
        sup.start_child(spec).unwrap_err(),
        ChildError::InvalidSpec(SpecError::InvalidBackoff)
    );
    let builder = Supervisor::builder().backoff(Backoff::new(secs(0), secs(1)));
    assert!(matches!(builder.start(&sys), Err(SpawnError::Start(_))));
}
