//! Scenarios in a child process: this test binary again, with the scenario's name in the environment.

use std::cell::Cell;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::pool::RUN;
use super::*;

const SCENARIO: &str = "ACTOR_CORE_STACK_SCENARIO";

/// What a scenario writes when it has reached its end.
const DONE: &str = "scenario done";

/// Not a test: the entry of the child. Does nothing without a scenario.
#[test]
fn scenario() {
    let Ok(name) = std::env::var(SCENARIO) else {
        return;
    };
    let (name, mode) = name.split_once(' ').unwrap_or((&name, "auto"));
    let guard = if mode == "mprotect" {
        GuardMode::Mprotect
    } else {
        GuardMode::Auto
    };
    let config = PoolConfig {
        guard,
        ..PoolConfig::default()
    };
    set_label(|| ("deep thought", 42));
    match name {
        "recursion" => abandoned_twice(config),
        "no_signal_stack" => without_signal_stack(config),
        "locked" => locked_memory(config),
        "allocating" => overflow_in(config, allocate_for_ever),
        "lending" => overflow_in(config, || {
            set_lending(true);
            set_lending(true);
            set_lending(false);
            overflow();
        }),
        "lent_before" => {
            overflow_in(config, || {
                set_lending(true);
                set_lending(false);
                overflow();
            });
            done();
        }
        "unwinding" => overflow_in(config, || {
            struct Deep;
            impl Drop for Deep {
                fn drop(&mut self) {
                    overflow();
                }
            }
            let _deep = Deep;
            std::panic::resume_unwind(Box::new(()));
        }),
        "policy" => overflow_in(
            PoolConfig {
                overflow: OverflowPolicy::Abort,
                ..config
            },
            overflow,
        ),
        "segv" => overflow_in(config, || {
            // SAFETY: it is not: the fault is what the scenario is about.
            unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) };
        }),
        "segv_off_stack" => {
            overflow_in(config, || {});
            // SAFETY: as above.
            unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) };
        }
        "thread_stack" => {
            overflow_in(config, || {});
            recurse(0, &|_| false);
        }
        "escaping_panic" => overflow_in(config, || std::panic::resume_unwind(Box::new(()))),
        "mappings" => mapping_limit(config),
        "many" => many(config),
        "side_by_side" => side_by_side(config),
        _ => panic!("no scenario {name}"),
    }
}

fn done() {
    use std::io::Write;
    std::io::stdout().write_all(DONE.as_bytes()).unwrap();
}

fn child(scenario: &str) -> Output {
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "stack::tests::process::scenario",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(SCENARIO, scenario)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(Duration::from_secs(120)) else {
        // SAFETY: our own child, not yet waited for.
        unsafe { libc::kill(id as libc::pid_t, libc::SIGKILL) };
        panic!("{scenario} hangs");
    };
    output.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn succeeds(scenario: &str) {
    let output = child(scenario);
    assert!(
        output.status.success() && text(&output.stdout).contains(DONE),
        "{output:?}"
    );
}

#[track_caller]
fn aborts_with(scenario: &str, words: &str) {
    let output = child(scenario);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{output:?}");
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("deep thought #42") && stderr.contains(words),
        "{stderr}"
    );
    assert!(!text(&output.stdout).contains(DONE));
}

thread_local!(static STEP: Cell<fn()> = const { Cell::new(|| {}) });

fn step_body() {
    while !retiring() {
        STEP.get()();
        suspend();
    }
}

fn overflow() {
    recurse(0, &|_| false);
}

/// Small frames, and at the end of each a call into malloc that goes deeper than the next frame.
#[inline(never)]
fn allocate_for_ever() {
    // SAFETY: a plain allocation, leaked.
    let block = unsafe { libc::malloc(std::hint::black_box(8000)) };
    if !block.is_null() {
        allocate_for_ever();
    }
    std::hint::black_box(block);
}

/// Runs `step` on a stack, on a plain thread.
fn overflow_in(config: PoolConfig, step: fn()) {
    let worker = std::thread::spawn(move || {
        STEP.set(step);
        let mut pool = Pool::new(Shared::new(config), step_body);
        let mut stack = pool.take(0).unwrap();
        let _ = stack.resume();
    });
    worker.join().unwrap();
}

fn has_signal_stack() -> bool {
    // SAFETY: a query into a zeroed place of the right type.
    unsafe {
        let mut now: libc::stack_t = std::mem::zeroed();
        libc::sigaltstack(std::ptr::null(), &raw mut now) == 0
            && now.ss_flags & libc::SS_DISABLE == 0
    }
}

/// Several overflows on one thread; other stacks of it, and its pool, go on.
fn overflow_repeatedly(config: PoolConfig) {
    let shared = Shared::new(PoolConfig {
        max_stacks: 5,
        ..config
    });
    let mut pool = Pool::new(shared.clone(), step_body);
    STEP.set(|| {});
    let mut bystander = pool.take(0).unwrap();
    assert_eq!(bystander.resume(), Resumed::Suspended);
    for round in 1..=3 {
        STEP.set(overflow);
        let mut stack = pool.take(0).unwrap();
        assert_eq!(stack.resume(), Resumed::Overflowed);
        assert_eq!(stack.resume(), Resumed::Overflowed);
        if round == 1 {
            pool.give(stack)
        } else {
            drop(stack)
        }
        assert!(current().is_none());
        let stats = shared.stats();
        assert_eq!((stats.live, stats.abandoned), (1, round));
        STEP.set(|| {});
        assert_eq!(bystander.resume(), Resumed::Suspended);
        // The allocator still works.
        std::hint::black_box(vec![1_u8; 100_000]);
    }
    let last = pool.take(0).unwrap();
    assert!(matches!(
        pool.take(0),
        Err(LimitReached::Configured { limit: 5 })
    ));
    pool.give(last);
    pool.give(bystander);
}

fn abandoned_twice(config: PoolConfig) {
    std::thread::spawn(move || {
        assert!(has_signal_stack(), "std gives its threads a signal stack");
        overflow_repeatedly(config);
    })
    .join()
    .unwrap();
    done();
}

fn without_signal_stack(config: PoolConfig) {
    std::thread::spawn(move || {
        let off = libc::stack_t {
            ss_sp: std::ptr::null_mut(),
            ss_flags: libc::SS_DISABLE,
            ss_size: 0,
        };
        // SAFETY: no handler runs on the stack that this turns off.
        unsafe { libc::sigaltstack(&raw const off, std::ptr::null_mut()) };
        assert!(!has_signal_stack());
        overflow_repeatedly(config);
    })
    .join()
    .unwrap();
    done();
}

fn locked_memory(config: PoolConfig) {
    // Asks the kernel now: it is each stack's own install that shall fail.
    let shared = Shared::new(config.clone());
    // SAFETY: affects paging only.
    if unsafe { libc::mlockall(libc::MCL_FUTURE) } == 0 {
        let mut pool = Pool::new(shared.clone(), idle_body);
        let stack = pool.take(0).unwrap();
        assert_eq!(shared.stats().mappings, guard::MAPPINGS_EACH);
        pool.give(stack);
        pool.trim();
        drop(pool);
        assert_eq!(shared.stats().mappings, 0);
        overflow_repeatedly(config);
    }
    done();
}

fn mapping_limit(config: PoolConfig) {
    let shared = Shared::new(PoolConfig {
        keep_idle: 0,
        ..config
    });
    let mut pool = Pool::new(shared.clone(), idle_body);
    let mut stacks = Vec::new();
    let refused = loop {
        match pool.take(0) {
            Ok(stack) => stacks.push(stack),
            Err(refused) => break refused,
        }
    };
    assert!(
        matches!(refused, LimitReached::Mappings { limit, .. } if limit == stacks.len()),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("vm.max_map_count"));
    // Ordinary allocation still works, and what was given back can be had again.
    std::hint::black_box(vec![1_u8; 10 << 20]);
    stacks.drain(..).for_each(|stack| pool.give(stack));
    pool.trim();
    assert_eq!((shared.stats().idle, shared.stats().mappings), (0, 0));
    let stack = pool.take(0).unwrap();
    pool.give(stack);
    done();
}

fn resident() -> usize {
    let smaps = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = smaps.lines().find(|line| line.starts_with("Rss:")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        * 1024
}

/// 100,000 live stacks, few mappings; and after the burst the memory comes back.
fn many(config: PoolConfig) {
    const COUNT: usize = 100_000;
    let shared = Shared::new(config);
    let mut pool = Pool::new(shared.clone(), idle_body);
    if !shared.guards_in_page_tables() {
        return done();
    }
    let mut stacks = Vec::with_capacity(COUNT);
    let before = resident();
    for _ in 0..COUNT {
        let mut stack = pool.take(0).unwrap();
        assert_eq!(stack.resume(), Resumed::Suspended);
        stacks.push(stack);
    }
    let maps = guard::count_maps();
    assert!(maps > 0 && maps < 1000, "{maps} mappings");
    let each = (resident() - before) / COUNT;
    let pages = if cfg!(debug_assertions) { 2 } else { 1 };
    assert!(each <= pages * 4200, "{each} bytes a stack");
    // Every other one first: whatever the order, nothing goes singly.
    let mut rest = Vec::new();
    for (index, stack) in stacks.into_iter().enumerate() {
        if index % 2 == 0 {
            pool.give(stack)
        } else {
            rest.push(stack)
        }
    }
    pool.trim();
    assert!(guard::count_maps() < 1000);
    assert_eq!(shared.stats().live, COUNT / 2);
    rest.into_iter().for_each(|stack| pool.give(stack));
    // In portions, and with a use in between.
    assert!(pool.trim_some(COUNT / 4));
    assert!(guard::count_maps() < 1000);
    let stacks: Vec<_> = (0..2 * RUN).map(|_| pool.take(0).unwrap()).collect();
    for mut stack in stacks {
        assert_eq!(stack.resume(), Resumed::Suspended);
        pool.give(stack);
    }
    pool.trim();
    let maps = guard::count_maps();
    assert!(maps > 0 && maps < 1000, "{maps} mappings");
    let after = resident() - before.min(resident());
    assert!(after < 20 << 20, "{after} bytes stay resident");
    done();
}

/// Two workers grow in turns, so that their stacks alternate in memory as finely as they can; each can shrink all the
/// same.
fn side_by_side(config: PoolConfig) {
    const COUNT: usize = 2000;
    let shared = Shared::new(config);
    if !shared.guards_in_page_tables() {
        return done();
    }
    let turn = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (turn, shared) = (&turn, &shared);
            scope.spawn(move || {
                let mut pool = Pool::new(shared.clone(), idle_body);
                let mut stacks = Vec::new();
                for round in 0..2 * COUNT {
                    if round % 2 == worker {
                        stacks.push(pool.take(0).unwrap());
                    }
                    turn.wait();
                }
                stacks.into_iter().for_each(|stack| pool.give(stack));
                pool.trim();
                turn.wait();
                let idle = shared.stats().idle;
                assert!(
                    idle < COUNT,
                    "{idle} of {} stacks are still mapped",
                    2 * COUNT
                );
                assert!(guard::count_maps() < 1000);
                turn.wait();
            });
        }
    });
    done();
}

#[test]
fn an_overflow_is_abandoned_and_the_thread_goes_on() {
    succeeds("recursion");
    succeeds("recursion mprotect");
}

#[test]
fn a_thread_without_a_signal_stack_gets_one() {
    succeeds("no_signal_stack");
}

#[test]
fn locked_memory_falls_back_to_protected_guards() {
    succeeds("locked");
}

#[test]
fn an_overflow_inside_the_allocator_aborts_and_never_hangs() {
    for _ in 0..3 {
        aborts_with("allocating", "in foreign code");
    }
    aborts_with("allocating mprotect", "in foreign code");
}

#[test]
fn an_overflow_with_memory_lent_aborts() {
    aborts_with("lending", "lent");
    succeeds("lent_before");
}

#[test]
fn an_overflow_while_unwinding_aborts() {
    aborts_with("unwinding", "unwinding");
}

#[test]
fn the_policy_can_be_to_abort() {
    aborts_with("policy", "overflowed its stack; aborting");
    aborts_with("policy mprotect", "overflowed its stack; aborting");
}

#[test]
fn another_fault_ends_the_process_as_usual() {
    for scenario in ["segv", "segv_off_stack"] {
        let output = child(scenario);
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{output:?}");
        assert!(!text(&output.stderr).contains("overflow"), "{output:?}");
    }
}

#[test]
fn an_overflow_of_a_threads_own_stack_is_reported_by_std() {
    let output = child("thread_stack");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{output:?}");
    assert!(
        text(&output.stderr).contains("has overflowed its stack"),
        "{output:?}"
    );
}

#[test]
fn a_panic_that_leaves_the_body_aborts() {
    let output = child("escaping_panic");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{output:?}");
}

#[test]
fn the_mapping_limit_is_an_error_before_it_is_reached() {
    succeeds("mappings mprotect");
}

#[test]
fn workers_that_grew_together_can_each_shrink() {
    succeeds("side_by_side");
}

#[test]
fn a_hundred_thousand_stacks_need_few_mappings_and_leave_little_behind() {
    succeeds("many");
}
