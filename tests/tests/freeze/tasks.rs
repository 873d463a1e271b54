//! Migratable functions as tasks of a runtime: their ends, and taking them off it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actor_core::channel::{self, Receiver, Sender};
use actor_core::microthread::{self, JoinError, JoinSet, SpawnError, sleep, yield_now};
use actor_core::migratable::{
    NotFrozen, NotSuspended, Suspended, Task, WhyNotSpawned, WhyNotSuspended,
};
use actor_core::testing;
use actor_core::{System, migratable};

fn sys() -> System {
    System::builder().workers(2).build().unwrap()
}

#[migratable]
fn sum(numbers: Receiver<u64>) -> u64 {
    let mut sum = 0;
    while let Ok(n) = numbers.recv() {
        sum += n;
    }
    sum
}

#[migratable]
fn count(to: u64) -> u64 {
    let mut n = 0;
    while n < to {
        yield_now();
        n += 1;
    }
    n
}

#[migratable]
fn deeper(numbers: Receiver<u64>) -> u64 {
    count(3).call() + sum(numbers).call()
}

#[migratable]
fn squares(numbers: Receiver<u64>, to: Sender<u64>) {
    while let Ok(n) = numbers.recv() {
        yield_now();
        if to.send(n * n).is_err() {
            return;
        }
    }
}

#[migratable]
fn panics(after: u32) -> u32 {
    for _ in 0..after {
        yield_now();
    }
    panic!("after {after}")
}

#[migratable]
fn sleeps(millis: u64) -> u64 {
    sleep(Duration::from_millis(millis));
    millis
}

#[test]
fn a_task_gives_its_result() {
    let sys = sys();
    let (tx, rx) = channel::unbounded();
    let task = sys.spawn_migratable(deeper(rx)).unwrap();
    for n in 1..=4 {
        tx.send(n).unwrap();
    }
    assert!(!task.is_finished());
    drop(tx);
    assert_eq!(task.join().unwrap(), 13);
    let id = sys.spawn_migratable(count(0)).unwrap().id();
    assert_ne!(id, sys.spawn_migratable(count(0)).unwrap().id());
}

#[test]
fn tasks_are_spawned_from_inside_and_joined_there() {
    let sys = sys();
    let inside = sys.spawn_microthread(|| {
        let tasks: Vec<_> = (0..100).map(|n| migratable::spawn(count(n))).collect();
        let ends = tasks.into_iter().map(|task| task.join().unwrap());
        ends.sum::<u64>()
    });
    assert_eq!(inside.unwrap().join().unwrap(), (0..100).sum());
}

#[test]
fn a_detached_task_goes_on() {
    let sys = sys();
    let ((tx, rx), (to, squared)) = (channel::unbounded(), channel::unbounded());
    drop(sys.spawn_migratable(squares(rx, to)).unwrap());
    for n in 0..3 {
        tx.send(n).unwrap();
        assert_eq!(squared.recv().unwrap(), n * n);
    }
    drop(tx);
    assert!(squared.recv().is_err());
}

#[test]
fn a_join_with_a_deadline_gives_the_handle_back() {
    let sys = sys();
    let (tx, rx) = channel::unbounded();
    let task = sys.spawn_migratable(sum(rx)).unwrap();
    let task = task.join_timeout(Duration::ZERO).unwrap_err();
    tx.send(5).unwrap();
    drop(tx);
    assert_eq!(task.join().unwrap(), 5);
}

#[test]
fn a_panic_is_caught_and_never_resumed() {
    let sys = sys();
    for after in 0..3 {
        let task = sys.spawn_migratable(panics(after)).unwrap();
        while !task.is_finished() {
            microthread::yield_now();
        }
        let NotSuspended { task, why, .. } = task.suspend().unwrap_err();
        assert_eq!(why, WhyNotSuspended::Ended);
        let error = task.join().unwrap_err();
        assert_eq!(error.message(), Some(&*format!("after {after}")));
    }
}

#[test]
fn a_kill_drops_the_state_at_every_suspension_point() {
    // At each of them it holds the sender and the receiver: before its start, waiting to receive, having yielded, waiting to send.
    testing::check(|sys| {
        let ((tx, rx), (to, squared)) = (channel::unbounded(), channel::rendezvous());
        let task = sys.spawn_migratable(squares(rx, to)).unwrap();
        let sender = microthread::spawn({
            let tx = tx.clone();
            move || tx.send(2).is_ok()
        });
        task.kill();
        assert!(matches!(task.join(), Err(JoinError::Killed)));
        sender.join().unwrap();
        assert!(tx.send(3).is_err());
        assert!(squared.recv().is_err());
    });
}

#[test]
fn a_kill_ends_a_sleep_and_a_loop_that_always_finds_something() {
    let sys = sys();
    let sleeper = sys.spawn_migratable(sleeps(1_000_000_000)).unwrap();
    let (tx, rx) = channel::unbounded();
    let stop = Arc::new(AtomicBool::new(false));
    let busy = sys.spawn_migratable(sum(rx)).unwrap();
    let feeder = std::thread::spawn({
        let stop = stop.clone();
        move || {
            while !stop.load(Ordering::Relaxed) && tx.send(1).is_ok() {
                while tx.len() > 1000 && !tx.is_closed() {
                    std::thread::yield_now();
                }
            }
        }
    });
    sleeper.kill();
    busy.kill();
    assert!(matches!(sleeper.join(), Err(JoinError::Killed)));
    assert!(matches!(busy.join(), Err(JoinError::Killed)));
    stop.store(true, Ordering::Relaxed);
    feeder.join().unwrap();
}

/// Receives what is always there.
#[migratable]
fn echoes(rx: Receiver<u64>, tx: Sender<u64>) {
    while let Ok(n) = rx.recv() {
        if n == 0 || tx.send(n).is_err() {
            return;
        }
    }
}

#[test]
fn a_loop_that_always_finds_something_shares_its_worker() {
    let sys = System::builder()
        .workers(1)
        .spare_workers(0)
        .build()
        .unwrap();
    let (tx, rx) = channel::unbounded();
    tx.send(1).unwrap();
    let busy = sys.spawn_migratable(echoes(rx, tx.clone())).unwrap();
    assert_eq!(sys.spawn_microthread(|| 7).unwrap().join().unwrap(), 7);
    assert!(!busy.is_finished());
    tx.send(0).unwrap();
    busy.join().unwrap();
}

#[test]
fn a_sleep_takes_its_time_and_no_stack() {
    testing::check(|sys| {
        let stacks = sys.stats().stacks_in_use;
        let task = sys.spawn_migratable(sleeps(3_600_000)).unwrap();
        microthread::sleep(Duration::from_secs(1800));
        assert!(!task.is_finished());
        assert_eq!(sys.stats().stacks_in_use, stacks);
        assert_eq!(task.join().unwrap(), 3_600_000);
        assert_eq!(testing::elapsed(), Duration::from_secs(3600));
    });
}

/// Blocks where it does not wait: it keeps its worker's stack for so long.
fn block(entered: &Sender<()>, go_on: &Receiver<()>) {
    entered.send(()).unwrap();
    go_on.recv().unwrap();
}

#[migratable]
fn blocks(entered: Sender<()>, go_on: Receiver<()>) -> u32 {
    block(&entered, &go_on);
    let _ = go_on.recv();
    7
}

#[test]
fn what_runs_is_refused_or_waited_for() {
    let sys = sys();
    let ((entered, has_entered), (go, go_on)) = (channel::unbounded(), channel::unbounded());
    let task = sys.spawn_migratable(blocks(entered, go_on)).unwrap();
    has_entered.recv().unwrap();
    let refused = task.try_suspend().unwrap_err();
    assert_eq!(refused.why, WhyNotSuspended::Running);
    assert!(refused.to_string().contains("let `suspend` wait for it"));
    let suspender = std::thread::spawn(move || refused.task.suspend().unwrap());
    go.send(()).unwrap();
    let suspended = suspender.join().unwrap();
    go.send(()).unwrap();
    assert_eq!(suspended.spawn(&sys).unwrap().join().unwrap(), 7);
}

#[test]
fn a_kill_of_who_waits_to_suspend_leaves_the_task_running() {
    testing::check(|sys| {
        let ((entered, has_entered), (go, go_on)) = (channel::unbounded(), channel::unbounded());
        let task = sys
            .spawn_migratable(blocks(entered, go_on.clone()))
            .unwrap();
        has_entered.recv().unwrap();
        let suspender = microthread::spawn(move || drop(task.suspend()));
        yield_now();
        suspender.kill();
        go.send(()).unwrap();
        let _ = suspender.join();
        drop(go_on);
        // Suspended and dropped, or gone on and ended: either way its receiver goes.
        while go.send(()).is_ok() {
            sleep(Duration::from_millis(1));
        }
    });
}

#[test]
fn what_has_ended_gives_its_handle_back() {
    let sys = sys();
    let task = sys.spawn_migratable(count(0)).unwrap();
    while !task.is_finished() {
        std::thread::yield_now();
    }
    let refused = task.try_suspend().unwrap_err();
    assert_eq!(refused.why, WhyNotSuspended::Ended);
    let NotFrozen::NotSuspended(refused) = refused.task.freeze().unwrap_err() else {
        panic!("it has ended");
    };
    assert_eq!(refused.task.join().unwrap(), 0);
}

#[test]
fn what_has_been_killed_is_not_suspended() {
    testing::check(|sys| {
        let (_tx, rx) = channel::unbounded();
        let task = sys.spawn_migratable(sum(rx)).unwrap();
        yield_now();
        task.kill();
        let refused = task.suspend().unwrap_err();
        assert_eq!(refused.why, WhyNotSuspended::Ended);
        assert!(matches!(refused.task.join(), Err(JoinError::Killed)));
    });
}

/// Where `narcissus` finds itself.
static MIRROR: Mutex<Option<Task<narcissus>>> = Mutex::new(None);

fn suspend_myself() -> bool {
    loop {
        if let Some(me) = MIRROR.lock().unwrap().take() {
            return me.suspend().unwrap_err().why == WhyNotSuspended::Caller;
        }
        microthread::yield_now();
    }
}

#[migratable]
fn narcissus(done: Sender<bool>) {
    let refused = suspend_myself();
    done.send(refused).unwrap();
}

#[test]
fn a_function_cannot_suspend_itself() {
    let sys = sys();
    let (done, refused) = channel::unbounded();
    *MIRROR.lock().unwrap() = Some(sys.spawn_migratable(narcissus(done)).unwrap());
    assert!(refused.recv().unwrap());
}

#[test]
fn a_task_is_suspended_wherever_it_is_and_loses_nothing() {
    testing::check(|sys| {
        let (tx, rx) = channel::bounded(1);
        let mut task = sys.spawn_migratable(sum(rx)).unwrap();
        let sender = microthread::spawn(move || (1..=6).for_each(|n| tx.send(n).unwrap()));
        loop {
            let suspended = match task.suspend() {
                Ok(suspended) => suspended,
                Err(refused) => {
                    assert_eq!(refused.task.join().unwrap(), 21);
                    break;
                }
            };
            yield_now();
            task = suspended.spawn(sys).unwrap();
            yield_now();
        }
        sender.join().unwrap();
    });
}

#[test]
fn wakes_that_race_with_suspending_are_not_lost() {
    let (here, there) = (sys(), sys());
    let (tx, rx) = channel::bounded(2);
    let mut task = here.spawn_migratable(sum(rx)).unwrap();
    let sender = std::thread::spawn(move || (1..=20_000).for_each(|n| tx.send(n).unwrap()));
    let mut moves = 0;
    let sum = loop {
        match task.suspend() {
            Ok(suspended) => {
                moves += 1;
                let to = [&here, &there][moves % 2];
                task = suspended.spawn(to).unwrap();
            }
            Err(refused) => break refused.task.join().unwrap(),
        }
    };
    sender.join().unwrap();
    assert_eq!(sum, (1..=20_000).sum());
    assert!(moves > 0);
}

#[test]
fn a_sleep_that_is_moved_keeps_what_was_left_of_it() {
    testing::check(|sys| {
        let task = sys.spawn_migratable(sleeps(10_000)).unwrap();
        sleep(Duration::from_secs(4));
        let image = task.freeze().unwrap();
        sleep(Duration::from_secs(100));
        let task = Suspended::<sleeps>::thaw(&image).unwrap().spawn(sys);
        assert_eq!(task.unwrap().join().unwrap(), 10_000);
        assert_eq!(testing::elapsed(), Duration::from_secs(110));
    });
}

type Graph = (
    Suspended<squares>,
    Suspended<squares>,
    Suspended<sum>,
    Sender<u64>,
);

#[test]
fn a_graph_of_three_moves_together_and_back() {
    let (here, there) = (sys(), sys());
    let ((tx, a), (to_b, b), (to_c, c)) = (
        channel::bounded(2),
        channel::rendezvous(),
        channel::bounded(1),
    );
    let mut tasks = (
        here.spawn_migratable(squares(a, to_b)).unwrap(),
        here.spawn_migratable(squares(b, to_c)).unwrap(),
        here.spawn_migratable(sum(c)).unwrap(),
        tx,
    );
    for n in 1..=20 {
        tasks.3.send(n).unwrap();
        let (first, second, third, tx) = tasks;
        let suspended = (
            first.suspend().unwrap(),
            second.suspend().unwrap(),
            third.suspend().unwrap(),
            tx,
        );
        let image = migratable::freeze(&suspended).unwrap();
        drop(suspended);
        let (first, second, third, tx): Graph = migratable::thaw(&image).unwrap();
        let to = [&here, &there][n as usize % 2];
        tasks = (
            first.spawn(to).unwrap(),
            second.spawn(to).unwrap(),
            third.spawn(to).unwrap(),
            tx,
        );
    }
    let (first, second, third, tx) = tasks;
    drop(tx);
    first.join().unwrap();
    second.join().unwrap();
    assert_eq!(third.join().unwrap(), (1..=20_u64).map(|n| n.pow(4)).sum());
}

#[migratable]
fn refuses(_keeps: Unwritable) {
    yield_now();
}

#[derive(serde::Deserialize)]
struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not this one"))
    }
}

#[test]
fn what_cannot_be_written_is_given_back_suspended() {
    let sys = System::builder()
        .workers(1)
        .spare_workers(0)
        .build()
        .unwrap();
    let inside = sys.clone();
    let frozen = sys.spawn_microthread(move || {
        // On the one worker, so it has not begun.
        inside
            .spawn_migratable(refuses(Unwritable))
            .unwrap()
            .freeze()
    });
    let error = frozen.unwrap().join().unwrap().unwrap_err();
    assert!(error.to_string().contains("not this one"), "{error}");
    let NotFrozen::Refused { suspended, .. } = error else {
        panic!("it was suspended: {error}");
    };
    suspended.spawn(&sys).unwrap().join().unwrap();
}

#[test]
fn a_shutdown_ends_all_of_them() {
    let sys = sys();
    let dropped = Arc::new(AtomicU32::new(0));
    let (tx, rx) = channel::unbounded::<u64>();
    let tasks: Vec<_> = (0..100)
        .map(|_| sys.spawn_migratable(sum(rx.clone())).unwrap())
        .collect();
    let sleeper = sys.spawn_migratable(sleeps(1_000_000_000)).unwrap();
    let yields = sys.spawn_migratable(count(u64::MAX)).unwrap();
    drop(rx);
    assert!(sys.shutdown(Duration::from_secs(10)).unwrap().is_clean());
    let ended = |end| matches!(end, JoinError::Killed | JoinError::Shutdown);
    for task in tasks {
        assert!(ended(task.join().unwrap_err()));
        dropped.fetch_add(1, Ordering::Relaxed);
    }
    assert!(ended(sleeper.join().unwrap_err()));
    assert!(ended(yields.join().unwrap_err()));
    assert!(tx.send(1).is_err(), "all receivers are dropped");
    assert_eq!(
        sys.spawn_migratable(count(1)).unwrap_err(),
        SpawnError::ShuttingDown
    );
    let refused = Suspended::new(count(1)).spawn(&sys).unwrap_err();
    assert_eq!(
        refused.why,
        WhyNotSpawned::Refused(SpawnError::ShuttingDown)
    );
    assert_eq!(
        refused
            .suspended
            .spawn(&self::sys())
            .unwrap()
            .join()
            .unwrap(),
        1
    );
}

#[test]
fn a_shutdown_names_those_that_do_not_end() {
    let sys = System::builder()
        .workers(1)
        .spare_workers(0)
        .build()
        .unwrap();
    let (entered, has_entered) = channel::unbounded();
    let (go, go_on) = channel::unbounded();
    let task = sys.spawn_migratable(holds_on(entered, go_on)).unwrap();
    has_entered.recv().unwrap();
    let report = sys.shutdown(Duration::from_millis(50)).unwrap();
    assert!(report.leaked[0].contains("holds_on"), "{report:?}");
    drop((task, go));
}

fn shielded(entered: &Sender<()>, go_on: &Receiver<()>) {
    microthread::shield(|| block(entered, go_on));
}

#[migratable]
fn holds_on(entered: Sender<()>, go_on: Receiver<()>) {
    shielded(&entered, &go_on);
}

#[test]
fn a_set_joins_both_kinds() {
    let sys = sys();
    let inside = sys.spawn_microthread(|| {
        let mut set = JoinSet::new();
        for n in 0..10 {
            set.spawn_migratable(count(n));
            set.spawn(move || 100 + n);
        }
        let mut ends = Vec::new();
        while let Some(end) = set.join_next() {
            ends.push(end.unwrap());
        }
        let endless = set.spawn_migratable(count(u64::MAX));
        assert!(set.kill(endless));
        assert!(matches!(set.join_next(), Some(Err(JoinError::Killed))));
        ends.sort_unstable();
        ends
    });
    let expected: Vec<u64> = (0..10).chain(100..110).collect();
    assert_eq!(inside.unwrap().join().unwrap(), expected);
}

fn down(n: u64) -> u64 {
    microthread::checkpoint();
    match std::hint::black_box([n; 64])[0] {
        u64::MAX => 0,
        n => down(n + 1) + 1,
    }
}

#[migratable]
fn overflows(n: u64) -> u64 {
    yield_now();
    down(n)
}

#[test]
fn an_overflow_ends_the_task_alone() {
    let sys = sys();
    let task = sys.spawn_migratable(overflows(0)).unwrap();
    assert!(matches!(task.join(), Err(JoinError::Overflowed)));
    assert_eq!(sys.spawn_migratable(count(3)).unwrap().join().unwrap(), 3);
}
