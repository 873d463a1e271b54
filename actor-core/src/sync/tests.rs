//! The locks step by step, through futures polled by hand: what a race would have to hit by luck.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use proptest::prelude::*;

use super::*;

fn is_ready<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    future.as_mut().poll(&mut context).is_ready()
}

#[test]
fn a_served_waiter_that_leaves_passes_it_on() {
    let permits = Semaphore::new(0);
    let mut first = Box::pin(permits.acquire_async());
    let mut second = Box::pin(permits.acquire_async());
    assert!(!is_ready(&mut first) && !is_ready(&mut second));
    permits.add_permits(1);
    assert_eq!(permits.available_permits(), 0, "handed to the first");
    drop(first);
    assert!(is_ready(&mut second));
}

#[test]
fn a_writer_that_leaves_lets_the_readers_in() {
    let lock = RwLock::new(());
    let held = lock.read().unwrap();
    let mut writer = Box::pin(lock.write_async());
    let mut reader = Box::pin(lock.read_async());
    assert!(!is_ready(&mut writer));
    assert!(!is_ready(&mut reader), "behind the writer");
    assert!(lock.try_read().is_err());
    drop(writer);
    assert!(is_ready(&mut reader));
    drop((held, reader));
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_nudged_waiter_that_leaves_nudges_the_next() {
    let mutex = Mutex::new(());
    let held = mutex.lock().unwrap();
    let (mut first, mut second) = (Box::pin(mutex.lock_async()), Box::pin(mutex.lock_async()));
    assert!(!is_ready(&mut first) && !is_ready(&mut second));
    drop(held);
    drop(first);
    assert!(is_ready(&mut second));
}

#[test]
fn a_waker_that_panics_as_it_is_dropped_loses_no_grant() {
    use std::task::{RawWaker, RawWakerVTable};
    /// Wakers whose clones panic when they are dropped.
    static ORIGINAL: RawWakerVTable = RawWakerVTable::new(clone, |_| (), |_| (), |_| ());
    static CLONE: RawWakerVTable =
        RawWakerVTable::new(clone, |_| (), |_| (), |_| panic!("dropped"));
    fn clone(data: *const ()) -> RawWaker {
        RawWaker::new(data, &CLONE)
    }
    let permits = Semaphore::new(0);
    let mut first = Box::pin(permits.acquire_async());
    let mut second = Box::pin(permits.acquire_async());
    assert!(!is_ready(&mut first) && !is_ready(&mut second));
    permits.add_permits(1);
    // SAFETY: the functions touch no data.
    let waker = unsafe { Waker::new(std::ptr::null(), &ORIGINAL) };
    let poll = || {
        first
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(poll)).unwrap_err();
    drop(first);
    assert!(is_ready(&mut second));
}

#[test]
fn a_waiter_is_overtaken_once_at_most() {
    let mutex = Mutex::new(());
    let held = mutex.lock().unwrap();
    let mut waiter = Box::pin(mutex.lock_async());
    assert!(!is_ready(&mut waiter));
    drop(held);
    let overtakes = mutex.try_lock().expect("free until the waiter looks");
    assert!(!is_ready(&mut waiter));
    drop(overtakes);
    assert!(mutex.try_lock().is_err(), "it has been handed over");
    assert!(is_ready(&mut waiter));
}

#[test]
fn a_handed_over_mutex_of_a_waiter_that_leaves_is_free() {
    let mutex = Mutex::new(());
    let held = mutex.lock().unwrap();
    let mut waiter = Box::pin(mutex.lock_async());
    assert!(!is_ready(&mut waiter));
    drop(held);
    let overtakes = mutex.try_lock().unwrap();
    assert!(!is_ready(&mut waiter));
    drop(overtakes);
    drop(waiter);
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn a_notification_of_a_waiter_that_leaves_is_the_next_ones() {
    let news = Notify::new();
    let (mut first, mut second) = (Box::pin(news.notified()), Box::pin(news.notified()));
    assert!(!is_ready(&mut first) && !is_ready(&mut second));
    news.notify_one();
    drop(first);
    assert!(is_ready(&mut second));
    // And with nobody there it is kept.
    let mut last = Box::pin(news.notified());
    assert!(!is_ready(&mut last));
    news.notify_one();
    drop(last);
    assert!(is_ready(&mut Box::pin(news.notified())));
}

#[test]
fn notify_one_leaves_one_permit_and_notify_waiters_none() {
    let news = Notify::new();
    let before = news.notified();
    news.notify_waiters();
    assert!(is_ready(&mut Box::pin(before)), "made before the call");
    assert!(!is_ready(&mut Box::pin(news.notified())));
    news.notify_one();
    news.notify_one();
    assert!(is_ready(&mut Box::pin(news.notified())));
    assert!(!is_ready(&mut Box::pin(news.notified())));
}

#[test]
fn a_closed_semaphore_tells_whoever_waits_and_keeps_permits_valid() {
    let permits = Semaphore::new(1);
    let held = permits.try_acquire().unwrap();
    let mut waiter = Box::pin(permits.acquire_async());
    assert!(!is_ready(&mut waiter));
    permits.close();
    assert!(is_ready(&mut waiter));
    assert_eq!(permits.acquire().unwrap_err(), AcquireError::Closed);
    assert_eq!(permits.try_acquire().unwrap_err(), TryAcquireError::Closed);
    drop(held);
    assert_eq!(permits.available_permits(), 1);
}

#[test]
fn nobody_can_want_more_permits_than_there_can_be() {
    let permits = Semaphore::new(0);
    let too_many = Semaphore::MAX_PERMITS + 1;
    let panics = |want: &mut dyn FnMut()| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(want)).is_err()
    };
    assert!(panics(&mut || drop(permits.acquire_many(too_many))));
    let mut future = Box::pin(permits.acquire_many_async(too_many));
    assert!(panics(&mut || assert!(!is_ready(&mut future))));
    // Nobody was left in the queue.
    permits.add_permits(1);
    assert!(permits.try_acquire().is_ok());
}

#[test]
fn permits_split_merge_and_are_forgotten() {
    let permits = Semaphore::new(5);
    let mut four = permits.acquire_many(4).unwrap();
    let one = four.split(1).unwrap();
    assert!(four.split(4).is_none());
    drop(one);
    assert_eq!(permits.available_permits(), 2);
    four.merge(permits.acquire().unwrap());
    assert_eq!(four.num_permits(), 4);
    four.forget();
    assert_eq!(permits.available_permits(), 1);
    assert_eq!(permits.forget_permits(3), 1);
    assert!(permits.try_acquire().is_err());
}

/// Steps of a program that uses one lock, by index into the waits it has begun.
#[derive(Clone, Debug)]
enum Step {
    Begin(usize),
    /// Releases the lock if the wait is over, or gives the wait up.
    End(usize),
}

fn steps(wants: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        wants.prop_map(Step::Begin),
        any::<prop::sample::Index>().prop_map(|index| Step::End(index.index(64))),
    ];
    prop::collection::vec(step, 1..80)
}

/// First come, first served, from so many permits.
#[derive(Default)]
struct Model {
    free: usize,
    waiting: VecDeque<(usize, usize)>,
    holding: Vec<(usize, usize)>,
}

impl Model {
    fn serve(&mut self) {
        while let Some(&(id, want)) = self.waiting.front()
            && want <= self.free
        {
            self.waiting.pop_front();
            self.free -= want;
            self.holding.push((id, want));
        }
    }

    fn end(&mut self, id: usize) {
        self.waiting.retain(|(other, _)| *other != id);
        if let Some(at) = self.holding.iter().position(|(other, _)| *other == id) {
            self.free += self.holding.swap_remove(at).1;
        }
        self.serve();
    }
}

enum Wait<'a, G> {
    Waits(Pin<Box<dyn Future<Output = G> + 'a>>),
    Holds(#[allow(dead_code, reason = "held")] G),
    Over,
}

/// Takes the steps with the lock and with the model; after each the same waits must be over.
fn compare<'a, G>(
    steps: Vec<Step>,
    permits: usize,
    begin: impl Fn(usize) -> Pin<Box<dyn Future<Output = G> + 'a>>,
) -> Result<(), TestCaseError> {
    let mut model = Model {
        free: permits,
        ..Model::default()
    };
    let mut waits: Vec<Wait<'a, G>> = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    for step in steps {
        match step {
            Step::Begin(want) => {
                waits.push(Wait::Waits(begin(want)));
                model.waiting.push_back((waits.len() - 1, want));
                model.serve();
            }
            Step::End(id) if id < waits.len() => {
                waits[id] = Wait::Over;
                model.end(id);
            }
            Step::End(_) => {}
        }
        for (id, wait) in waits.iter_mut().enumerate() {
            if let Wait::Waits(future) = wait
                && let std::task::Poll::Ready(guard) = future.as_mut().poll(&mut context)
            {
                *wait = Wait::Holds(guard);
            }
            let holds = model.holding.iter().any(|(other, _)| *other == id);
            prop_assert_eq!(matches!(wait, Wait::Holds(_)), holds, "wait {}", id);
        }
    }
    Ok(())
}

#[allow(dead_code, reason = "held")]
enum Guard<'a> {
    Read(RwLockReadGuard<'a, ()>),
    Write(RwLockWriteGuard<'a, ()>),
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_semaphore_is_its_model(steps in steps(1..=4)) {
        let lock = Semaphore::new(5);
        compare(steps, 5, |want| {
            let lock = &lock;
            Box::pin(async move { lock.acquire_many_async(want).await.unwrap() })
        })?;
        prop_assert_eq!(lock.available_permits(), 5);
    }

    /// A read lock is one permit of many, a write lock is all of them.
    #[test]
    fn a_rwlock_is_its_model(steps in steps(0..=1)) {
        const ALL: usize = 1000;
        let wants = |want| if want == 0 { 1 } else { ALL };
        let lock = RwLock::new(());
        let steps = steps.into_iter().map(|step| match step {
            Step::Begin(want) => Step::Begin(wants(want)),
            end => end,
        });
        compare(steps.collect(), ALL, |want| {
            let lock = &lock;
            Box::pin(async move {
                match want {
                    ALL => Guard::Write(lock.write_async().await.unwrap()),
                    _ => Guard::Read(lock.read_async().await.unwrap()),
                }
            })
        })?;
        prop_assert!(lock.try_write().is_ok());
    }
}
