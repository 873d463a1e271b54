//! Turns and yields on one worker, where what others do they do because what runs let them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::{LOOK, TURN, back_edge};
use crate::rt::core::Core;
use crate::rt::park::yield_now;
use crate::rt::runtime::Runtime;
use crate::rt::task;

/// Runs `body` on a worker that is alone, and without a monitor, which could take away for a moment what waits.
fn alone<T: Send + 'static>(body: impl FnOnce(&Arc<Core>) -> T + Send + 'static) -> T {
    let builder = Runtime::builder().workers(1).spare_workers(0);
    let rt = builder.unwatched().build().unwrap();
    let core = rt.core().clone();
    rt.spawn(move || body(&core)).unwrap().join().unwrap()
}

fn spawn(core: &Arc<Core>, body: impl FnOnce() + Send + 'static) {
    drop(task::spawn(core, task::Options::default(), body).unwrap());
}

fn passes(n: u32) {
    (0..n).for_each(|_| back_edge());
}

/// How many have run.
#[derive(Clone, Default)]
struct Ran(Arc<AtomicUsize>);

impl Ran {
    fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Spawns what notes that it has run.
    fn spawn(&self, core: &Arc<Core>) {
        let ran = self.clone();
        spawn(core, move || ran.note());
    }

    /// Spawns what notes that it has run, and spawns the next.
    fn spawn_chain(&self, core: &Arc<Core>, most: usize) {
        let (ran, there) = (self.clone(), core.clone());
        spawn(core, move || {
            ran.note();
            if ran.count() < most {
                ran.spawn_chain(&there, most);
            }
        });
    }
}

/// How many of so many that wait have run before a loop's turn is over, and right after.
fn run_by_the_end_of_a_turn(waiting: usize) -> (usize, usize) {
    alone(move |core| {
        let ran = Ran::default();
        (0..waiting).for_each(|_| ran.spawn(core));
        passes(TURN - 1);
        let within = ran.count();
        passes(1);
        (within, ran.count())
    })
}

#[test]
fn a_turn_that_is_over_lets_go_on_what_waits() {
    assert_eq!(run_by_the_end_of_a_turn(1), (0, 1));
}

#[test]
fn what_a_loop_has_woken_goes_before_its_turn_is_over() {
    let handled = alone(|core| {
        let ran = Ran::default();
        for _ in 0..TURN - 1 {
            ran.spawn(core);
            back_edge();
        }
        ran.count()
    });
    // It looks twice before it knows that it has woken many, and may be on its way to that once more.
    assert!(handled >= (TURN - 4 * LOOK) as usize, "{handled}");
}

#[test]
fn what_waited_before_a_loop_waits_for_its_whole_turn() {
    assert_eq!(run_by_the_end_of_a_turn(1_000), (0, 1_000));
}

#[test]
fn who_yields_goes_on_when_what_waited_has_run_and_before_what_came_since() {
    let ran = alone(|core| {
        let ran = Ran::default();
        (0..3).for_each(|_| ran.spawn_chain(core, 1_000));
        yield_now();
        ran.count()
    });
    assert_eq!(ran, 3);
}

#[test]
fn who_lets_go_lets_one_runnable_go_before_other_stacks() {
    let log = alone(|core| {
        let log = Arc::<Mutex<Vec<&str>>>::default();
        let noting = |log: &Arc<Mutex<Vec<_>>>| {
            let log = log.clone();
            move |what| log.lock().unwrap().push(what)
        };
        let note = noting(&log);
        spawn(core, move || {
            note("the other stack begins");
            yield_now();
            note("the other stack goes on");
        });
        yield_now();
        // The other has a stack now, and is ready.
        let note = noting(&log);
        spawn(core, move || note("the runnable"));
        yield_now();
        yield_now();
        log.lock().unwrap().clone()
    });
    let order = [
        "the other stack begins",
        "the runnable",
        "the other stack goes on",
    ];
    assert_eq!(log, order);
}
