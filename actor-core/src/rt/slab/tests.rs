//! Behaviour, a model, threads, and (ignored) the price.
#![cfg(not(loom))]

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// A cell as the runtime's are: a count, a word that is free for a link, contents.
#[repr(C)]
struct Cell<const N: usize> {
    refs: AtomicU32,
    link: UnsafeCell<*mut Self>,
    value: [AtomicU64; N],
}

// SAFETY: `link` is touched by the slab only, and by nobody while the cell is live.
unsafe impl<const N: usize> Send for Cell<N> {}
// SAFETY: as above.
unsafe impl<const N: usize> Sync for Cell<N> {}

// SAFETY: `refs` is the count word; `link` lies elsewhere; the tests follow the contract.
unsafe impl<const N: usize> Slot for Cell<N> {
    unsafe fn init_free(slot: NonNull<Self>) {
        // SAFETY: by contract the slot is writable and unknown to others.
        unsafe { (&raw mut (*slot.as_ptr()).refs).write(AtomicU32::new(0)) }
    }

    fn link(slot: NonNull<Self>) -> NonNull<*mut Self> {
        // SAFETY: a field of a slot is within it and not at address 0.
        unsafe { NonNull::new_unchecked((&raw mut (*slot.as_ptr()).link).cast()) }
    }

    unsafe fn try_acquire(slot: NonNull<Self>) -> bool {
        // SAFETY: by contract the slot is carved, so the word is an atomic.
        let refs = unsafe { &(*slot.as_ptr()).refs };
        let more = |refs: u32| (refs > 0).then_some(refs + 1);
        refs.fetch_update(Ordering::Acquire, Ordering::Relaxed, more)
            .is_ok()
    }
}

type Owner = Arc<&'static str>;
type TestSlab<const N: usize> = Slab<Cell<N>, Owner>;

/// Allocates and publishes a cell that holds `value` in every word.
///
/// # Safety
/// As for `Slab::alloc`.
unsafe fn spawn<const N: usize>(
    slab: &TestSlab<N>,
    worker: Option<usize>,
    owner: &Owner,
    value: u64,
) -> NonNull<Cell<N>> {
    // SAFETY: passed on; the cell is filled in but for the count, then published.
    unsafe {
        let slot = slab.alloc(worker, owner);
        assert_eq!((*slot.as_ptr()).refs.load(Ordering::Relaxed), 0);
        (&raw mut (*slot.as_ptr()).value).write(std::array::from_fn(|_| AtomicU64::new(value)));
        (*slot.as_ptr()).refs.store(1, Ordering::Release);
        slot
    }
}

/// Drops a reference, and with the last one the cell.
///
/// # Safety
/// The caller has a reference; and as for `Slab::free`.
unsafe fn release<const N: usize>(worker: Option<usize>, cell: NonNull<Cell<N>>) {
    // SAFETY: the caller's reference keeps the cell until the count is 0, and then it is ours.
    unsafe {
        if (*cell.as_ptr()).refs.fetch_sub(1, Ordering::AcqRel) == 1 {
            TestSlab::<N>::free(worker, cell);
        }
    }
}

/// The cell's value, all of whose words are equal.
///
/// # Safety
/// The caller has a reference.
unsafe fn read<const N: usize>(cell: NonNull<Cell<N>>) -> u64 {
    // SAFETY: live, by contract.
    let words = unsafe { &(*cell.as_ptr()).value };
    let value = words[0].load(Ordering::Relaxed);
    assert!(
        words
            .iter()
            .all(|word| word.load(Ordering::Relaxed) == value),
        "torn"
    );
    value
}

fn live<const N: usize>(slab: &TestSlab<N>) -> Vec<u64> {
    let mut values = Vec::new();
    slab.for_each_live(|cell| {
        // SAFETY: the walk took a reference for us.
        unsafe {
            values.push(read(cell));
            release(None, cell);
        }
    });
    values
}

#[test]
fn memory_and_owner_go_with_the_last_cell() {
    let owner: Owner = Arc::new("runtime");
    let slab = TestSlab::<6>::new(1);
    // SAFETY: this thread is worker 0.
    let cells: Vec<_> = (0..5000)
        .map(|n| unsafe { spawn(&slab, Some(0), &owner, n) })
        .collect();
    let chunks = slab.stats().chunks;
    assert!((5..=8).contains(&chunks), "{chunks} chunks");
    assert_eq!(Arc::strong_count(&owner), 1 + chunks);
    // SAFETY: as above; the cells are ours.
    unsafe {
        cells[1..].iter().for_each(|cell| release(Some(0), *cell));
        slab.flush(0);
    }
    assert_eq!(
        slab.stats().chunks,
        1,
        "young chunks are given back, the oldest is in use"
    );
    // The slab goes; the cell keeps its chunk and its owner.
    drop(slab);
    assert_eq!(Arc::strong_count(&owner), 2);
    // SAFETY: the cell is live until released, after which nothing uses it.
    unsafe {
        assert_eq!(read(cells[0]), 0);
        assert!(Arc::ptr_eq(TestSlab::<6>::owner_of(cells[0]), &owner));
        release(None, cells[0]);
    }
    assert_eq!(Arc::strong_count(&owner), 1);
}

#[test]
fn going_back_and_forth_does_not_visit_the_depot() {
    let owner: Owner = Arc::new("runtime");
    let slab = TestSlab::<6>::new(1);
    // SAFETY: this thread is worker 0, and the cells are its own, here and below.
    let mut kept: Vec<_> = (0..200)
        .map(|n| unsafe { spawn(&slab, Some(0), &owner, n) })
        .collect();
    let before = slab.stats();
    for swing in [1, 10, TestSlab::<6>::MAGAZINE - 10] {
        for _ in 0..100 {
            // SAFETY: as above.
            unsafe {
                kept.drain(..swing).for_each(|cell| release(Some(0), cell));
                kept.extend((0..swing).map(|n| spawn(&slab, Some(0), &owner, n as u64)));
            }
        }
    }
    assert_eq!(slab.stats().slots_out, before.slots_out);
    // SAFETY: as above.
    unsafe {
        kept.into_iter().for_each(|cell| release(Some(0), cell));
        slab.flush(0);
    }
    assert_eq!(slab.stats().slots_out, 0);
}

#[test]
fn a_walk_pins_its_chunk() {
    let owner: Owner = Arc::new("runtime");
    let slab = TestSlab::<6>::new(0);
    // SAFETY: foreign thread; the cells are ours until released.
    unsafe {
        (0..3).for_each(|n| _ = spawn(&slab, None, &owner, n));
        slab.for_each_live(|cell| {
            // Ends the cell while the walk is in its chunk.
            release(None, cell);
            release(None, cell);
            assert_eq!(slab.stats().chunks, 1);
        });
    }
    assert_eq!(slab.stats().chunks, 0, "given back when the walk left");
    assert_eq!(Arc::strong_count(&owner), 1);
}

#[test]
fn a_walk_may_panic_and_allocate() {
    let owner: Owner = Arc::new("runtime");
    let slab = TestSlab::<6>::new(0);
    // SAFETY: foreign thread; the cells are ours until released.
    unsafe {
        let cell = spawn(&slab, None, &owner, 1);
        let walk = std::panic::AssertUnwindSafe(|| slab.for_each_live(|_| panic!("walk")));
        assert!(std::panic::catch_unwind(walk).is_err());
        release(None, cell);
        let mut more = Vec::new();
        slab.for_each_live(|cell| {
            more.push(spawn(&slab, None, &owner, 2));
            release(None, cell);
        });
        release(None, cell);
        more.into_iter().for_each(|cell| release(None, cell));
    }
    assert_eq!(slab.stats().chunks, 0);
}

#[test]
fn large_cells_have_large_chunks() {
    let owner: Owner = Arc::new("runtime");
    let slab = TestSlab::<16_000>::new(1);
    // SAFETY: this thread is worker 0; the cells are its own.
    unsafe {
        let cells: Vec<_> = (0..5).map(|n| spawn(&slab, Some(0), &owner, n)).collect();
        assert_eq!(live(&slab), [0, 1, 2, 3, 4]);
        assert!(
            cells
                .iter()
                .all(|cell| Arc::ptr_eq(TestSlab::<16_000>::owner_of(*cell), &owner))
        );
        cells.into_iter().for_each(|cell| release(Some(0), cell));
        slab.flush(0);
    }
    assert_eq!(slab.stats().chunks, 0);
}

#[derive(Clone, Debug)]
enum Step {
    Spawn(Option<usize>, usize),
    Release(Option<usize>, usize, usize),
    Flush(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let worker = || prop::option::of(0usize..3);
    prop_oneof![
        4 => (worker(), 1usize..40).prop_map(|(w, n)| Step::Spawn(w, n)),
        4 => (worker(), any::<usize>(), 1usize..40).prop_map(|(w, at, n)| Step::Release(w, at, n)),
        1 => (0usize..3).prop_map(Step::Flush),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whoever allocates and frees: addresses are distinct, contents stay, a walk sees exactly the live cells, and in the
    /// end nothing is held.
    #[test]
    fn behaves_as_a_set_of_addresses(steps in prop::collection::vec(step(), 1..80)) {
        let owner: Owner = Arc::new("runtime");
        // 500 words: 16 cells a chunk, 8 a magazine.
        let slab = TestSlab::<500>::new(3);
        let mut cells: BTreeMap<u64, NonNull<Cell<500>>> = BTreeMap::new();
        let mut next = 0;
        for step in steps {
            // SAFETY: this one thread plays all workers; cells are released once.
            unsafe {
                match step {
                    Step::Spawn(worker, count) => for _ in 0..count {
                        cells.insert(next, spawn(&slab, worker, &owner, next));
                        next += 1;
                    },
                    Step::Release(worker, at, count) => for _ in 0..count.min(cells.len()) {
                        let value = *cells.keys().nth(at % cells.len()).expect("there is one");
                        let cell = cells.remove(&value).expect("there is one");
                        prop_assert_eq!(read(cell), value);
                        release(worker, cell);
                    },
                    Step::Flush(worker) => slab.flush(worker),
                }
            }
            let addresses: BTreeSet<_> = cells.values().collect();
            prop_assert_eq!(addresses.len(), cells.len());
            let mut seen = live(&slab);
            seen.sort_unstable();
            prop_assert!(seen.iter().eq(cells.keys()), "a walk saw {seen:?}");
            let stats = slab.stats();
            prop_assert!(stats.slots_out >= cells.len() && stats.slots_out <= cells.len() + 3 * 2 * 8 + 3);
        }
        // SAFETY: as above.
        unsafe {
            cells.into_values().for_each(|cell| release(None, cell));
            (0..3).for_each(|worker| slab.flush(worker));
        }
        prop_assert_eq!(slab.stats(), Stats { chunks: 0, slots_out: 0, ..slab.stats() });
        prop_assert_eq!(Arc::strong_count(&owner), 1);
    }
}

/// Two workers and a foreign thread allocate, pass cells on and free each other's, while a fourth walks and holds what it finds.
#[test]
fn threads_allocate_free_and_walk() {
    const EACH: u64 = if cfg!(miri) { 200 } else { 100_000 };
    struct Sent(NonNull<Cell<6>>);
    // SAFETY: a reference to a cell, which is `Send` and `Sync`.
    unsafe impl Send for Sent {}

    let owner: Owner = Arc::new("runtime");
    let slab = TestSlab::<6>::new(2);
    let running = AtomicUsize::new(3);
    let walked = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..3)
        .map(|_| crossbeam_channel::bounded::<Sent>(500))
        .unzip();
    std::thread::scope(|s| {
        for (me, mine) in receivers.into_iter().enumerate() {
            let (slab, owner, running) = (&slab, &owner, &running);
            let theirs = senders[(me + 1) % 3].clone();
            s.spawn(move || {
                let worker = (me < 2).then_some(me);
                // SAFETY: this thread alone is that worker; each cell is released by whoever received it.
                unsafe {
                    for n in 0..EACH {
                        let cell = spawn(slab, worker, owner, n);
                        match n % 4 {
                            0 => release(worker, cell),
                            _ => match theirs.try_send(Sent(cell)) {
                                Ok(()) => {}
                                Err(back) => release(worker, back.into_inner().0),
                            },
                        }
                        if n % 3 != 0 || n % 1000 > 700 {
                            mine.try_iter().take(2).for_each(|cell| {
                                read(cell.0);
                                release(worker, cell.0);
                            });
                        }
                    }
                    running.fetch_sub(1, Ordering::AcqRel);
                    // The others may still be sending.
                    drop(theirs);
                    mine.iter().for_each(|cell| release(worker, cell.0));
                    if let Some(worker) = worker {
                        slab.flush(worker);
                    }
                }
            });
        }
        drop(senders);
        s.spawn(|| {
            while running.load(Ordering::Acquire) > 0 {
                slab.for_each_live(|cell| {
                    walked.fetch_add(1, Ordering::Relaxed);
                    // SAFETY: the walk took a reference for us.
                    unsafe {
                        assert!(read(cell) < EACH);
                        release(None, cell);
                    }
                });
            }
            stop.store(true, Ordering::Relaxed);
        });
    });
    assert!(stop.load(Ordering::Relaxed));
    assert_eq!((slab.stats().chunks, slab.stats().slots_out), (0, 0));
    assert_eq!(Arc::strong_count(&owner), 1);
}

/// `cargo test --release -p actor-core --lib slab_price -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
#[cfg(target_os = "linux")]
#[allow(clippy::print_stdout)]
fn slab_price() {
    use crate::sys::clock::thread_cpu_time;
    const COUNT: u32 = 1_000_000;
    let owner: Owner = Arc::new("runtime");
    let slab = TestSlab::<11>::new(1);
    // SAFETY: this thread is worker 0; slots are freed once, unpublished.
    unsafe {
        for round in ["first touch", "again"] {
            let start = thread_cpu_time();
            let mut cells: Vec<_> = (0..COUNT).map(|_| slab.alloc(Some(0), &owner)).collect();
            println!("{round}: alloc {:?}", (thread_cpu_time() - start) / COUNT);
            let start = thread_cpu_time();
            let mut walked = 0;
            slab.for_each_live(|_| walked += 1);
            println!("{round}: walk {:?}", (thread_cpu_time() - start) / COUNT);
            // One stays in each chunk, so that the chunks do.
            let kept: Vec<_> = cells.iter().copied().step_by(500).collect();
            let mut n = 0;
            cells.retain(|_| {
                n += 1;
                n % 500 != 1
            });
            let freed = cells.len() as u32;
            let start = thread_cpu_time();
            cells
                .into_iter()
                .for_each(|cell| TestSlab::<11>::free(Some(0), cell));
            println!("{round}: free {:?}", (thread_cpu_time() - start) / freed);
            let start = thread_cpu_time();
            let again: Vec<_> = (0..freed).map(|_| slab.alloc(Some(0), &owner)).collect();
            println!(
                "{round}: alloc, touched before {:?}",
                (thread_cpu_time() - start) / freed
            );
            let start = thread_cpu_time();
            for _ in 0..10 * COUNT {
                let slot = std::hint::black_box(slab.alloc(Some(0), &owner));
                TestSlab::<11>::free(Some(0), slot);
            }
            println!(
                "{round}: alloc+free at once {:?}",
                (thread_cpu_time() - start) / (10 * COUNT)
            );
            let start = thread_cpu_time();
            for _ in 0..100 {
                let some: [_; 10_000] = std::array::from_fn(|_| slab.alloc(Some(0), &owner));
                some.into_iter()
                    .for_each(|cell| TestSlab::<11>::free(Some(0), cell));
            }
            println!(
                "{round}: 10,000 alloc and free {:?} each pair",
                (thread_cpu_time() - start) / COUNT
            );
            again
                .into_iter()
                .chain(kept)
                .for_each(|cell| TestSlab::<11>::free(Some(0), cell));
            slab.flush(0);
            println!("{round}: {:?}", slab.stats());
        }
    }
}
