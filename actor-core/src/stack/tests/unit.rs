use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::*;

fn pool(config: PoolConfig, body: fn()) -> (Pool, Arc<Shared>) {
    let shared = Shared::new(config);
    (Pool::new(Arc::clone(&shared), body), shared)
}

fn both_guards(test: impl Fn(PoolConfig)) {
    for guard in [GuardMode::Auto, GuardMode::Mprotect] {
        test(PoolConfig {
            guard,
            ..PoolConfig::default()
        });
    }
}

/// Runs the closure in the user slot, over and over.
fn data_body() {
    while !retiring() {
        // SAFETY: the tests that use this body put a pointer to a live closure reference into the slot.
        let step = unsafe { *current_data().cast::<&dyn Fn()>() };
        step();
        suspend();
    }
}

/// Runs `step` on a stack, once, to its end.
fn on_stack(config: PoolConfig, step: &dyn Fn()) {
    let (mut pool, _) = pool(config, data_body);
    let mut stack = pool.take(0).unwrap();
    let mut step = step;
    stack.set_data((&raw mut step).cast());
    assert_eq!(stack.resume(), Resumed::Suspended);
    pool.give(stack);
}

#[test]
fn a_body_suspends_and_continues_where_it_was() {
    thread_local!(static STEPS: Cell<u32> = const { Cell::new(0) });
    fn body() {
        for step in 1..=3 {
            STEPS.set(step);
            suspend();
        }
    }
    both_guards(|config| {
        let (mut pool, _) = pool(config, body);
        let mut stack = pool.take(0).unwrap();
        for step in 1..=3 {
            assert_eq!(stack.resume(), Resumed::Suspended);
            assert_eq!(STEPS.get(), step);
        }
        assert_eq!(stack.resume(), Resumed::Finished);
        // Resumed again, a finished stack starts its body afresh.
        assert_eq!(stack.resume(), Resumed::Suspended);
        assert_eq!(STEPS.get(), 1);
    });
}

#[test]
fn code_knows_the_stack_it_runs_on() {
    assert!(current().is_none());
    assert_eq!(headroom(), usize::MAX);
    both_guards(|config| {
        on_stack(config, &|| {
            // SAFETY: we run on the stack, so its control block is alive.
            let ctx = unsafe { current().unwrap().as_ref() };
            assert!(ctx.bounds().contains(&context::stack_pointer()));
            assert!(ctx.bounds().len() >= 64 * 1024);
            assert!(headroom() > 32 * 1024 && headroom() < 64 * 1024);
            assert_eq!(current_data(), ctx.data());
        });
    });
    assert!(current().is_none());
}

#[test]
fn inside_a_generator_of_the_users_no_stack_is_current() {
    on_stack(PoolConfig::default(), &|| {
        let mut nested = generator::Gn::<()>::new_scoped_local(|mut scope| {
            scope.yield_with(
                current().is_none() && current_data().is_null() && check_headroom().is_ok(),
            );
            catch_unwind(suspend).is_err()
        });
        assert_eq!(nested.next(), Some(true));
        assert!(current().is_some());
        // suspend() refuses, by panicking, to switch a context that is not its own.
        assert_eq!(nested.next(), Some(true));
    });
}

#[test]
fn stacks_nest() {
    on_stack(PoolConfig::default(), &|| {
        let outer = current().unwrap();
        let id = Cell::new(0);
        on_stack(PoolConfig::default(), &|| {
            // SAFETY: we run on the stack, so its control block is alive.
            id.set(unsafe { current().unwrap().as_ref() }.id());
        });
        assert_eq!(current(), Some(outer));
        // SAFETY: as above.
        assert_ne!(unsafe { outer.as_ref() }.id(), id.get());
    });
}

#[test]
fn the_stack_given_back_last_is_taken_first() {
    let (mut pool, _) = pool(PoolConfig::default(), idle_body);
    let (first, second) = (pool.take(0).unwrap(), pool.take(0).unwrap());
    let (one, two) = (first.id(), second.id());
    pool.give(first);
    pool.give(second);
    let (again, and_again) = (pool.take(0).unwrap(), pool.take(0).unwrap());
    assert_eq!((again.id(), and_again.id()), (two, one));
    pool.give(again);
    pool.give(and_again);
}

#[test]
fn stacks_are_at_least_as_large_as_asked() {
    both_guards(|config| {
        let (mut pool, _) = pool(config, idle_body);
        for size in [1, 16 * 1024, 20_000, 64 * 1024, 100_000, 1 << 20] {
            let stack = pool.take(size).unwrap();
            assert!(stack.bounds().len() >= size.max(16 * 1024));
            pool.give(stack);
        }
        assert!(matches!(
            pool.take(usize::MAX),
            Err(LimitReached::TooLarge { .. })
        ));
    });
}

#[test]
fn the_limit_is_an_error_and_passes() {
    let config = PoolConfig {
        max_stacks: 2,
        ..PoolConfig::default()
    };
    let (mut pool, shared) = pool(config, idle_body);
    let (one, two) = (pool.take(0).unwrap(), pool.take(0).unwrap());
    let refused = pool.take(0).unwrap_err();
    assert_eq!(refused, LimitReached::Configured { limit: 2 });
    assert!(refused.to_string().contains("max_stacks"));
    pool.give(one);
    let three = pool.take(0).unwrap();
    assert_eq!((shared.stats().live, shared.stats().idle), (2, 0));
    pool.give(two);
    pool.give(three);
    assert_eq!((shared.stats().live, shared.stats().idle), (0, 2));
}

#[test]
fn the_limit_holds_over_all_pools_and_idle_stacks_do_not_count() {
    let config = PoolConfig {
        max_stacks: 2,
        ..PoolConfig::default()
    };
    let (mut one, shared) = pool(config, idle_body);
    let mut two = Pool::new(shared, idle_body);
    let (a, b) = (one.take(0).unwrap(), two.take(0).unwrap());
    assert!(one.take(0).is_err() && two.take(0).is_err());
    one.give(a);
    let c = two.take(0).unwrap();
    two.give(b);
    two.give(c);
}

#[test]
fn a_large_limit_is_used_up_to_the_last() {
    let config = PoolConfig {
        max_stacks: 3000,
        ..PoolConfig::default()
    };
    let (mut pool, shared) = pool(config, idle_body);
    let stacks: Vec<_> = (0..3000).map(|_| pool.take(0).unwrap()).collect();
    assert!(matches!(
        pool.take(0),
        Err(LimitReached::Configured { limit: 3000 })
    ));
    stacks.into_iter().for_each(|stack| pool.give(stack));
    drop(pool);
    let mut other = Pool::new(shared, idle_body);
    let stacks: Vec<_> = (0..3000).map(|_| other.take(0).unwrap()).collect();
    stacks.into_iter().for_each(|stack| other.give(stack));
}

#[test]
fn a_refused_size_costs_no_permit() {
    let config = PoolConfig {
        max_stacks: 1,
        ..PoolConfig::default()
    };
    let (mut pool, _) = pool(config, idle_body);
    assert!(pool.take(1 << 60).is_err());
    let stack = pool.take(0).unwrap();
    pool.give(stack);
}

#[test]
fn a_stack_dropped_alive_is_leaked_and_counts() {
    let config = PoolConfig {
        max_stacks: 1,
        ..PoolConfig::default()
    };
    let (mut pool, shared) = pool(config, idle_body);
    let mut stack = pool.take(0).unwrap();
    let _ = stack.resume();
    drop(stack);
    assert_eq!((shared.stats().live, shared.stats().abandoned), (0, 1));
    assert!(pool.take(0).is_err());
}

#[test]
fn a_body_that_will_not_retire_is_leaked() {
    fn stubborn() {
        loop {
            suspend();
        }
    }
    let (mut pool, shared) = pool(PoolConfig::default(), stubborn);
    let mut stack = pool.take(0).unwrap();
    let _ = stack.resume();
    pool.give(stack);
    // Held so that the count can be read when the pool is gone: the leaked stack keeps it alive.
    drop(pool);
    let stats = shared.stats();
    assert_eq!((stats.live, stats.idle, stats.abandoned), (0, 0, 1));
}

#[test]
fn a_pool_dropped_unmaps_its_idle_stacks() {
    both_guards(|config| {
        let (mut pool, _) = pool(config, idle_body);
        let mut stack = pool.take(0).unwrap();
        let _ = stack.resume();
        let page = stack.bounds().start;
        pool.give(stack);
        let mapped = || {
            let mut flags = 0_u8;
            // SAFETY: asks about one page; `flags` has room for the answer.
            unsafe { libc::mincore(page as *mut _, 1, &raw mut flags) == 0 }
        };
        assert!(mapped());
        // Other tests may map something there at once, so what follows the drop cannot be looked at; that it does not
        // panic shows that the sentinel was in place.
        drop(pool);
    });
}

#[test]
fn headroom_ends_before_the_guard_and_overflow_unwinds() {
    both_guards(|config| {
        for stack_size in [16 * 1024, 64 * 1024] {
            let config = PoolConfig {
                stack_size,
                ..config.clone()
            };
            on_stack(config, &|| {
                let deepest = recurse(0, &|_| check_headroom().is_err());
                assert!(deepest > 10);
                let caught = catch_unwind(|| {
                    recurse(0, &|_| {
                        if check_headroom().is_err() {
                            raise_overflow();
                        }
                        false
                    })
                });
                assert!(caught.unwrap_err().is::<Overflow>());
                assert!(headroom() > 0);
            });
        }
    });
}

#[test]
fn high_water_follows_use_and_trim_gives_the_pages_back() {
    both_guards(|config| {
        let (mut pool, _) = pool(config, data_body);
        let mut stack = pool.take(0).unwrap();
        let page = guard::page_size();
        assert!(stack.high_water() <= 2 * page);
        let deep: &dyn Fn() = &|| {
            recurse(0, &|_| headroom() < 16 * 1024);
        };
        let mut step = deep;
        stack.set_data((&raw mut step).cast());
        assert_eq!(stack.resume(), Resumed::Suspended);
        assert!(stack.high_water() > 24 * 1024);
        pool.give(stack);
        pool.trim();
        let mut stack = pool.take(0).unwrap();
        assert!(stack.high_water() <= 2 * page);
        // What the stack was doing survives.
        assert_eq!(stack.resume(), Resumed::Suspended);
        pool.give(stack);
    });
}

#[test]
fn trim_works_in_portions() {
    let (mut pool, _) = pool(PoolConfig::default(), idle_body);
    let stacks: Vec<_> = (0..10).map(|_| pool.take(0).unwrap()).collect();
    stacks.into_iter().for_each(|stack| pool.give(stack));
    assert!(pool.trim_some(4));
    assert!(pool.trim_some(4));
    assert!(!pool.trim_some(4));
    assert!(!pool.trim_some(1));
    assert!(!pool.wants_trim());
}

#[test]
fn trim_keeps_what_it_is_told_to() {
    both_guards(|config| {
        let (mut pool, shared) = pool(
            PoolConfig {
                keep_idle: 16,
                ..config
            },
            idle_body,
        );
        let mut stacks: Vec<_> = (0..400).map(|_| pool.take(0).unwrap()).collect();
        stacks
            .iter_mut()
            .for_each(|stack| assert_eq!(stack.resume(), Resumed::Suspended));
        stacks.into_iter().for_each(|stack| pool.give(stack));
        assert!(pool.wants_trim());
        pool.trim();
        // Else a worker would go on trimming for ever.
        assert!(!pool.wants_trim());
        let idle = shared.stats().idle;
        assert!(idle >= 16, "{idle}");
        if !shared.guards_in_page_tables() {
            assert_eq!(idle, 16);
        }
        let stacks: Vec<_> = (0..400).map(|_| pool.take(0).unwrap()).collect();
        for mut stack in stacks {
            assert_eq!(stack.resume(), Resumed::Suspended);
            pool.give(stack);
        }
    });
}

#[test]
fn a_panic_inside_a_body_can_be_caught_there() {
    on_stack(PoolConfig::default(), &|| {
        let caught = catch_unwind(AssertUnwindSafe(|| std::panic::resume_unwind(Box::new(5))));
        assert!(caught.is_err());
    });
}
