//! Faults that the scheduler injects.

use super::*;
use actor_core::prelude::*;
use actor_core::testing::{Fault, Happening};

#[actor]
struct Flaky {
    handled: u32,
}

#[actor]
impl Flaky {
    pub fn work(&mut self) -> u32 {
        microthread::yield_now();
        self.handled += 1;
        self.handled
    }
}

/// A supervised `Flaky` is asked until it has answered ten times. Gives how many asks failed.
fn ten_answers(sys: &System) -> u32 {
    let sup = Supervisor::builder()
        .intensity(1000, secs(1))
        .child(ChildSpec::new("flaky", || Flaky { handled: 0 }))
        .start(sys)
        .unwrap();
    let flaky = sup.child::<Flaky>("flaky").unwrap();
    let (mut answers, mut failures) = (0, 0);
    while answers < 10 {
        match flaky.ask().work() {
            Ok(_) => answers += 1,
            Err(AskError::NoReply(Some(_))) => failures += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    failures
}

#[test]
fn a_supervised_actor_survives_panics_and_kills() {
    let failures = Log::default();
    let all = failures.clone();
    let faults = Faults::none()
        .panic("Flaky", When::OneIn(8))
        .kill("Flaky", When::OneIn(8))
        .at_most(5);
    let explorer = Explorer::new().faults(faults);
    explorer.check(move |sys| all.add(ten_answers(sys)));
    let failures = failures.all();
    assert!(failures.iter().all(|n| *n <= 5), "{failures:?}");
    assert!(failures.iter().sum::<u32>() > 100, "{failures:?}");
}

#[test]
fn a_fault_strikes_at_its_turn() {
    let faults = Faults::none().panic("Flaky", When::Turn(1));
    let explorer = Explorer::new().faults(faults);
    explorer.check(|sys| {
        let flaky = sys.spawn(Flaky { handled: 0 }).unwrap();
        let asked = flaky.ask().work();
        let Err(AskError::NoReply(Some(ExitReason::Panicked(text)))) = &asked else {
            panic!("{asked:?}");
        };
        assert!(text.contains("injected"), "{text}");
        assert!(matches!(flaky.join(), ExitReason::Panicked(_)));
    });
}

#[test]
fn a_microthread_is_killed_where_it_waits() {
    let faults = Faults::none().kill("victim", When::Turn(2));
    Explorer::new().faults(faults).check(|_| {
        let victim = microthread::Builder::new().name("victim").spawn(|| {
            microthread::sleep(secs(1));
            unreachable!("killed where it slept");
        });
        let ended = victim.unwrap().join();
        assert!(matches!(ended, Err(microthread::JoinError::Killed)));
    });
}

#[test]
fn a_kill_that_comes_with_an_injected_panic_is_raised_after_it() {
    let faults = Faults::none().panic("victim", When::Turn(2));
    Explorer::new().faults(faults).check(|_| {
        let victim = microthread::Builder::new().name("victim").spawn(|| {
            let sleep = || microthread::sleep(secs(3600));
            let panicked = std::panic::catch_unwind(sleep).unwrap_err();
            assert!(panicked.is::<String>(), "the panic comes first");
            sleep();
            unreachable!("killed where it sleeps again");
        });
        let victim = victim.unwrap();
        microthread::sleep(secs(1));
        victim.kill();
        assert!(matches!(victim.join(), Err(microthread::JoinError::Killed)));
    });
}

#[test]
fn a_microthread_that_panics_as_it_starts_has_panicked() {
    let faults = Faults::none().panic("victim", When::Turn(1));
    Explorer::new().faults(faults).check(|_| {
        let victim = microthread::Builder::new().name("victim");
        let victim = victim.spawn(|| unreachable!("it does not begin")).unwrap();
        let ended: Result<(), _> = victim.join();
        assert!(ended.unwrap_err().message().unwrap().contains("injected"));
    });
}

#[test]
fn what_is_delayed_runs_later() {
    let faults = Faults::none().delay("late", secs(30), When::Turn(1));
    Explorer::new().faults(faults).check(|_| {
        let late = microthread::Builder::new()
            .name("late")
            .spawn(testing::elapsed);
        let prompt = microthread::spawn(testing::elapsed);
        assert_eq!(prompt.join().unwrap(), Duration::ZERO);
        assert_eq!(late.unwrap().join().unwrap(), secs(30));
    });
}

#[test]
fn a_jump_of_the_clock_lets_deadlines_pass() {
    let faults = Faults::none().clock_jump(secs(100), When::Step(5));
    Explorer::new().faults(faults).check(|_| {
        for _ in 0..10 {
            microthread::yield_now();
        }
        assert_eq!(testing::elapsed(), secs(100));
    });
}

#[test]
fn faults_are_part_of_the_trace_and_of_the_replay() {
    let faults = Faults::none().kill("Flaky", When::OneIn(3));
    let explorer = Explorer::new().faults(faults);
    let body = |sys: &System| assert_eq!(ten_answers(sys), 0);
    let failure = fails(&explorer, body);
    message(&failure);
    let injected = |what: &Happening| matches!(what, Happening::Injected(Fault::Kill, _));
    assert!(failure.trace.tail.iter().any(|it| injected(&it.what)));
    let again = fails(&explorer.seed(failure.seed), body);
    assert_eq!(again.trace, failure.trace);
}
