//! Behaviour, threads, models and (ignored) the price.

use super::*;

#[cfg(not(loom))]
mod single {
    use super::*;

    /// A queue that this thread owns and does not share.
    struct Owned(LocalQueue<usize>);

    impl Owned {
        fn new() -> Self {
            Self(LocalQueue::new())
        }
        fn push(&self, task: usize) {
            // SAFETY: this thread owns the queue.
            unsafe { self.0.push(task) }
        }
        fn push_next(&self, task: usize) {
            // SAFETY: this thread owns the queue.
            unsafe { self.0.push_next(task) }
        }
        fn pop(&self) -> Option<usize> {
            // SAFETY: this thread owns the queue.
            unsafe { self.0.pop() }
        }
        fn capacity(&self) -> usize {
            // SAFETY: this thread owns the queue.
            unsafe { self.0.owned(|inner| inner.ring.capacity()) }
        }
        fn drain(&self) -> Vec<usize> {
            std::iter::from_fn(|| self.pop()).collect()
        }
    }

    #[test]
    fn first_in_first_out_and_the_next_slot_before_all() {
        let q = Owned::new();
        (0..3).for_each(|n| q.push(n));
        q.push_next(9);
        assert_eq!(q.0.len(), 4);
        assert_eq!(q.drain(), [9, 0, 1, 2]);
        assert!(q.0.is_empty());
    }

    #[test]
    fn a_displaced_task_goes_to_the_tail() {
        let q = Owned::new();
        q.push(0);
        (1..=3).for_each(|n| q.push_next(n));
        assert_eq!(q.drain(), [3, 0, 1, 2]);
    }

    #[test]
    fn ping_pong_in_the_next_slot_does_not_starve() {
        let q = Owned::new();
        q.push(1000);
        q.push_next(0);
        let turns = (0..10 * LIFO_BUDGET).take_while(|_| {
            let task = q.pop().expect("work");
            q.push_next(task + 1);
            task != 1000
        });
        assert_eq!(turns.count() as u32, LIFO_BUDGET);
    }

    #[test]
    fn a_thief_takes_the_older_half_and_not_the_next_slot() {
        let q = Owned::new();
        let mut loot = Vec::new();
        assert_eq!(q.0.steal(8, &mut loot), Ok(0));
        (0..5).for_each(|n| q.push(n));
        q.push_next(9);
        assert_eq!(q.0.steal(8, &mut loot), Ok(3));
        assert_eq!(loot, [0, 1, 2]);
        assert_eq!(q.0.steal(0, &mut loot), Ok(0));
        assert_eq!(q.0.steal(1, &mut loot), Ok(1));
        assert_eq!(q.0.stealable(), 1);
        assert_eq!(q.drain(), [9, 4]);
    }

    #[test]
    fn what_has_left_is_counted_whoever_took_it_and_however_the_ring_grows() {
        let q = Owned::new();
        let mut loot = Vec::new();
        let mut left = 0;
        for round in [1, 2 * super::MIN_RING, 3, 4 * super::MIN_RING] {
            (0..round).for_each(|n| q.push(n));
            q.push_next(9);
            assert_eq!((q.0.waiting().left, q.0.waiting().len), (left, round));
            assert_eq!(q.pop(), Some(9)); // the next slot is none of the ring
            assert_eq!(q.0.waiting().left, left);
            left += q.0.steal(1, &mut loot).expect("nobody is inside");
            left += usize::from(q.pop().is_some());
            assert_eq!(q.0.waiting().left, left);
            left += q.0.take_all(&mut loot).expect("nobody is inside");
            assert_eq!((q.0.waiting().left, q.0.waiting().len), (left, 0));
        }
    }

    #[test]
    fn the_monitor_takes_everything_next_slot_first() {
        let q = Owned::new();
        (0..5).for_each(|n| q.push(n));
        q.push_next(9);
        let mut all = vec![7];
        assert_eq!(q.0.take_all(&mut all), Ok(6));
        assert_eq!(all, [7, 9, 0, 1, 2, 3, 4]);
        assert!(q.0.is_empty());
        assert_eq!(q.pop(), None);
    }

    #[test]
    fn an_outsider_gives_up_while_the_owner_is_inside() {
        let q = Owned::new();
        (0..4).for_each(|n| q.push(n));
        let mut loot = Vec::new();
        // SAFETY: this thread owns the queue; what is called inside is the outsider's side, by another thread.
        unsafe {
            q.0.with_thieves_stopped(|| {
                std::thread::scope(|s| {
                    s.spawn(|| {
                        assert_eq!(q.0.steal(8, &mut loot), Err(Busy));
                        assert_eq!(q.0.take_all(&mut loot), Err(Busy));
                        assert_eq!(q.0.with_owner_stopped(|| ()), Err(Busy));
                    });
                });
            });
        }
        assert_eq!(
            q.drain(),
            [0, 1, 2, 3],
            "nothing taken, and the owner gets in again"
        );
    }

    #[test]
    fn a_panic_inside_leaves_the_lock_open() {
        let q = Owned::new();
        q.push(1);
        let inside = std::panic::AssertUnwindSafe(|| q.0.with_owner_stopped(|| panic!("stopped")));
        assert!(std::panic::catch_unwind(inside).is_err());
        assert_eq!(q.pop(), Some(1));
        // SAFETY: this thread owns the queue.
        let inside =
            std::panic::AssertUnwindSafe(|| unsafe { q.0.pop_with(|_| panic!("popping")) });
        assert!(std::panic::catch_unwind(inside).is_err());
        assert_eq!(q.0.with_owner_stopped(|| 5), Ok(5));
    }

    #[test]
    fn the_ring_shrinks_after_a_burst() {
        let q = Owned::new();
        (0..100_000).for_each(|n| q.push(n));
        assert_eq!(q.drain().len(), 100_000);
        for _ in 0..30 * SHRINK_AFTER {
            q.push(1);
            q.pop();
        }
        assert!(q.capacity() <= 2 * MIN_RING, "{} places kept", q.capacity());
        (0..100_000).for_each(|n| q.push(n));
        q.drain();
        // SAFETY: this thread owns the queue.
        unsafe { q.0.trim() };
        assert!(q.capacity() <= 2 * MIN_RING);
    }

    #[test]
    fn what_is_left_is_dropped_with_the_queue() {
        let task = std::sync::Arc::new(());
        let q = LocalQueue::new();
        // SAFETY: this thread owns the queue.
        unsafe {
            (0..3).for_each(|_| q.push(task.clone()));
            q.push_next(task.clone());
        }
        drop(q);
        assert_eq!(std::sync::Arc::strong_count(&task), 1);
    }
}

#[cfg(not(loom))]
mod threads {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    /// An owner that pushes and pops against thieves that steal, take all, and look: each task is seen once,
    /// and what the owner publishes inside is read whole.
    #[test]
    fn every_task_is_run_once_under_theft() {
        const TASKS: usize = if cfg!(miri) { 300 } else { 400_000 };
        let q = LocalQueue::new();
        let done = AtomicBool::new(false);
        let stolen = AtomicU64::new(0);
        // Two words that the owner keeps equal, changed one after the other, inside only.
        let pair = [AtomicU64::new(0), AtomicU64::new(0)];
        let (mut seen, others): (Vec<usize>, Vec<Vec<usize>>) = std::thread::scope(|s| {
            let thieves: Vec<_> = (0..2)
                .map(|me| {
                    let (q, done, stolen, pair) = (&q, &done, &stolen, &pair);
                    s.spawn(move || {
                        let mut loot = Vec::new();
                        let mut turn = me;
                        while !done.load(Ordering::Acquire) {
                            turn += 1;
                            let got = match turn % 4 {
                                0 => q.take_all(&mut loot),
                                1 => q.with_owner_stopped(|| {
                                    let [a, b] = pair.each_ref().map(|w| w.load(Ordering::Relaxed));
                                    assert_eq!(a, b, "torn");
                                    0
                                }),
                                _ => q.steal(32, &mut loot),
                            };
                            stolen.fetch_add(got.unwrap_or(0) as u64, Ordering::Relaxed);
                            if got != Ok(1) {
                                std::thread::yield_now();
                            }
                        }
                        loot
                    })
                })
                .collect();
            let mut mine = Vec::new();
            let mut published = 0;
            for task in 0..TASKS {
                // SAFETY: this thread alone owns the queue.
                unsafe {
                    match task % 3 {
                        0 => q.push_next(task),
                        _ => q.push(task),
                    }
                    if task % 4 != 0 {
                        mine.extend(q.pop_with(|_| {
                            published += 1;
                            pair[0].store(published, Ordering::Relaxed);
                            pair[1].store(published, Ordering::Relaxed);
                        }));
                    }
                }
            }
            // SAFETY: as above.
            mine.extend(std::iter::from_fn(|| unsafe { q.pop() }));
            done.store(true, Ordering::Release);
            (
                mine,
                thieves
                    .into_iter()
                    .map(|t| t.join().expect("thief"))
                    .collect(),
            )
        });
        let taken: usize = others.iter().map(Vec::len).sum();
        assert_eq!(
            taken as u64,
            stolen.load(Ordering::Relaxed),
            "counts agree with the loot"
        );
        seen.extend(others.into_iter().flatten());
        seen.sort_unstable();
        assert_eq!(seen.len(), TASKS);
        assert!(seen.iter().enumerate().all(|(n, task)| n == *task));
    }

    /// `cargo test --release -p actor-core --lib queue_price -- --ignored --nocapture`
    #[test]
    #[ignore = "a measurement"]
    #[cfg(target_os = "linux")]
    #[allow(clippy::print_stdout)]
    fn queue_price() {
        use crate::sys::clock::thread_cpu_time;
        fn price(name: &str, mut turn: impl FnMut()) {
            const TURNS: u32 = 20_000_000;
            let start = thread_cpu_time();
            (0..TURNS).for_each(|_| turn());
            println!(
                "{name:28} {:6.2} ns",
                (thread_cpu_time() - start).as_secs_f64() * 1e9 / f64::from(TURNS)
            );
        }
        let q = LocalQueue::new();
        let task = std::ptr::NonNull::<u64>::dangling();
        // SAFETY: this thread owns the queue, in each closure.
        unsafe {
            price("push + pop", || {
                q.push(task);
                std::hint::black_box(q.pop());
            });
            price("push_next + pop", || {
                q.push_next(task);
                std::hint::black_box(q.pop());
            });
            (0..1000).for_each(|_| q.push(task));
            price("push + pop, 1000 waiting", || {
                q.push(task);
                std::hint::black_box(q.pop());
            });
        }
        let start = thread_cpu_time();
        for _ in 0..100_000 {
            q.with_owner_stopped(|| ()).expect("idle owner");
        }
        println!(
            "{:28} {:6.2} ns",
            "stopping an idle owner",
            (thread_cpu_time() - start).as_secs_f64() * 1e4
        );
    }
}

#[cfg(loom)]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// One owner, one thief, few tasks: all are seen, once, whatever the interleaving. Loom's cell fails the
    /// model if both are inside, or if one does not see what the other did.
    #[test]
    fn loom_owner_against_thief() {
        loom::model(|| {
            let q = Arc::new(LocalQueue::new());
            // SAFETY: this thread alone owns the queue, here and below.
            unsafe { q.push(1) };
            let thief = {
                let q = q.clone();
                thread::spawn(move || {
                    let mut loot = Vec::new();
                    let _ = q.steal(8, &mut loot);
                    loot
                })
            };
            let mut seen = Vec::new();
            // SAFETY: as above.
            unsafe {
                q.push(2);
                seen.extend(q.pop());
            }
            seen.extend(thief.join().unwrap());
            // SAFETY: as above.
            seen.extend(std::iter::from_fn(|| unsafe { q.pop() }));
            seen.sort_unstable();
            assert_eq!(seen, [1, 2]);
        });
    }

    /// Two thieves and no owner: one at a time.
    #[test]
    fn loom_two_thieves() {
        loom::model(|| {
            let q = Arc::new(LocalQueue::new());
            // SAFETY: this thread alone owns the queue; the ownership is not used while the thieves run.
            unsafe { (0..3).for_each(|n| q.push(n)) };
            let thief = |q: Arc<LocalQueue<usize>>| {
                thread::spawn(move || {
                    let mut loot = Vec::new();
                    let _ = q.steal(8, &mut loot);
                    loot
                })
            };
            let (a, b) = (thief(q.clone()), thief(q.clone()));
            let mut seen = a.join().unwrap();
            seen.extend(b.join().unwrap());
            // SAFETY: as above.
            seen.extend(std::iter::from_fn(|| unsafe { q.pop() }));
            seen.sort_unstable();
            assert_eq!(seen, [0, 1, 2]);
        });
    }

    /// The monitor looks at what the owner publishes inside.
    #[test]
    fn loom_the_monitor_reads_what_is_published() {
        loom::model(|| {
            let q = Arc::new(LocalQueue::<usize>::new());
            let running = Arc::new(UnsafeCell::new([0, 0]));
            let monitor = {
                let (q, running) = (q.clone(), running.clone());
                thread::spawn(move || {
                    // SAFETY: the owner is stopped, so nobody writes.
                    let read = || running.with(|r| unsafe { *r });
                    if let Ok([a, b]) = q.with_owner_stopped(read) {
                        assert_eq!(a, b);
                    }
                })
            };
            // SAFETY: this thread alone owns the queue, and no thief reads meanwhile.
            unsafe {
                q.pop_with(|_| running.with_mut(|r| *r = [1, 1]));
                q.pop_with(|_| running.with_mut(|r| *r = [2, 2]));
            }
            monitor.join().unwrap();
        });
    }
}
