//! How runs fail.

use super::*;
use actor_core::channel::{Receiver, Sender, rendezvous};
use actor_core::prelude::*;
use std::sync::atomic::AtomicBool;

fn names(failure: &Failure) -> Vec<String> {
    let Reason::Deadlock { waiting, .. } = &failure.reason else {
        panic!("{failure}");
    };
    let name = |who: &actor_core::Who| who.name.as_deref().unwrap_or(who.label).to_string();
    waiting.iter().map(name).collect()
}

/// Says when it is dropped.
struct Bell(Arc<AtomicBool>);

impl Drop for Bell {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn a_deadlock_names_those_who_wait_and_unwinds_them() {
    let unwound = Arc::new(AtomicBool::new(false));
    let bell = unwound.clone();
    let failure = fails(&Explorer::new(), move |_| {
        let bell = Bell(bell.clone());
        let waiter = microthread::Builder::new().name("waiter").spawn(|| {
            let _bell = bell;
            microthread::block_on(std::future::pending::<()>());
        });
        waiter.unwrap().join().unwrap();
    });
    assert_eq!(names(&failure), ["main", "waiter"]);
    assert!(unwound.load(SeqCst));
    assert!(failure.to_string().contains("deadlock"));
}

/// Says something to another only when it has heard something itself.
#[actor]
struct Polite {
    hears: Receiver<()>,
    says: Sender<()>,
}

#[actor]
impl Polite {
    pub fn talk(&mut self) {
        if self.hears.recv().is_ok() {
            let _ = self.says.send(());
        }
    }
}

#[test]
fn two_actors_that_wait_for_each_other_are_named() {
    let failure = fails(&Explorer::new(), |sys| {
        let ((to_one, at_one), (to_two, at_two)) = (rendezvous(), rendezvous());
        let polite = |hears, says| Polite { hears, says };
        let one = sys.spawn_named("one", polite(at_one, to_two)).unwrap();
        let two = sys.spawn_named("two", polite(at_two, to_one)).unwrap();
        let (first, second) = (one.request().talk(), two.request().talk());
        first.wait().unwrap();
        second.wait().unwrap();
    });
    assert_eq!(names(&failure), ["main", "one", "two"]);
}

#[test]
fn an_endless_run_ends_at_the_step_limit() {
    let failure = fails(&Explorer::new().max_steps(500), |_| {
        loop {
            microthread::yield_now();
        }
    });
    assert!(matches!(
        failure.reason,
        Reason::StepLimit { limit: 500, .. }
    ));
    assert_eq!(failure.trace.steps, 501);
}

#[test]
fn a_timer_that_is_set_for_ever_ends_at_the_step_limit_too() {
    let failure = fails(&Explorer::new().max_steps(500), |_| {
        drop(microthread::spawn(|| {
            loop {
                microthread::sleep(secs(1));
            }
        }));
        microthread::block_on(std::future::pending::<()>());
    });
    assert!(matches!(failure.reason, Reason::StepLimit { .. }));
}

#[test]
fn code_that_holds_the_thread_is_named() {
    let release = Arc::new(AtomicBool::new(false));
    let held = release.clone();
    let explorer = Explorer::new().hold_limit(Duration::from_millis(100));
    let failure = fails(&explorer, move |_| {
        while !held.load(SeqCst) {
            std::thread::yield_now();
        }
    });
    release.store(true, SeqCst);
    let Reason::Stuck { who: Some(who), .. } = &failure.reason else {
        panic!("{failure}");
    };
    assert_eq!(who.name.as_deref(), Some("main"));
}

#[test]
fn what_the_body_leaves_behind_is_stopped_or_killed() {
    let dropped = Arc::new(AtomicU32::new(0));
    #[actor]
    struct Counted(Arc<AtomicU32>);
    #[actor]
    impl Counted {
        #[on_stop]
        fn on_stop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
        pub fn nothing(&self) {}
    }
    let count = dropped.clone();
    Explorer::new().iterations(10).check(move |sys| {
        drop(sys.spawn(Counted(count.clone())).unwrap());
        let guard = Counted(count.clone());
        drop(microthread::spawn(move || {
            let guard = guard;
            let _on_kill = OnDrop(&guard.0);
            microthread::block_on(std::future::pending::<()>());
        }));
        microthread::yield_now();
        // It has started, or never will, and drops its closure then.
        microthread::sleep(secs(1));
    });
    assert_eq!(dropped.load(SeqCst), 20);
}

struct OnDrop<'a>(&'a AtomicU32);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}
