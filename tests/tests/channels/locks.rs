//! The locks of `actor_core::sync` against their models: random programs under the seeded scheduler, with kills, throws and
//! deadlines.

use std::sync::PoisonError;

use actor_core::microthread::{self, block_on};
use actor_core::sync::{
    AcquireError, Barrier, Condvar, LockError, LockResult, Mutex, Notify, RwLock, RwLockWriteGuard,
    Semaphore, TryAcquireError, TryLockError, TryLockResult, WaitError,
};
use actor_core::testing::{Explorer, Reason, switch_point};
use fastrand::Rng;
use tests::ms;

use super::lock_models::{Group, News, Note, Permit, Permits, Step};
use super::subject::{Log, Subject, explained, run};

// ---- mutex and rwlock ------------------------------------------------------------------------------------------------

/// A guard, or so many permits. Giving back is an operation, too, and happens when a kill unwinds as well.
struct Held<'a, G> {
    guard: Option<G>,
    permits: usize,
    log: &'a Log<Permit>,
}

impl<G> Drop for Held<'_, G> {
    fn drop(&mut self) {
        let permits = self.permits;
        let guard = self.guard.take();
        self.log.at_once(|()| Permit::Give(permits), || drop(guard));
    }
}

/// A kill with the guard in hand poisons; that is not what this is about.
fn clean<G>(locked: LockResult<G>) -> G {
    locked.unwrap_or_else(PoisonError::into_inner)
}

fn in_time<G>(locked: Result<G, LockError<G>>) -> Option<G> {
    match locked {
        Ok(guard) => Some(guard),
        Err(LockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(_) => None,
    }
}

fn at_once<G>(locked: TryLockResult<G>) -> Option<G> {
    match locked {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// A call that may wait for `permits`.
fn take<'a, G>(
    log: &'a Log<Permit>,
    permits: usize,
    lock: impl FnOnce() -> Option<G>,
) -> Option<Held<'a, G>> {
    use Permit::{Gone, Have, Leave, MaybeHave, Stuck, Want};
    let killed = vec![Want(permits), MaybeHave(permits), Gone];
    let open = log.begin(killed, vec![Want(permits), Stuck(permits)]);
    let guard = lock();
    open.end(match guard {
        Some(_) => vec![Want(permits), Have(permits)],
        None => vec![Want(permits), Leave],
    });
    let guard = Some(guard?);
    let held = Held {
        guard,
        permits,
        log,
    };
    switch_point();
    Some(held)
}

/// A call that does not wait.
fn try_take<'a, G>(
    log: &'a Log<Permit>,
    permits: usize,
    lock: impl FnOnce() -> Option<G>,
) -> Option<Held<'a, G>> {
    let guard = log.at_once(|got: &Option<G>| Permit::Try(permits, got.is_some()), lock);
    let guard = Some(guard?);
    let held = Held {
        guard,
        permits,
        log,
    };
    switch_point();
    Some(held)
}

fn pause(rng: &mut Rng) {
    match rng.u8(..3) {
        0 => microthread::yield_now(),
        1 => microthread::sleep(ms(rng.u64(1..3))),
        _ => {}
    }
}

/// Reads what is guarded, lets others run, and writes.
fn change(rng: &mut Rng, log: &Log<Permit>, value: &mut u32) {
    let seen = log.at_once(|seen| Permit::Read(*seen), || *value);
    pause(rng);
    let new = seen * 7 + rng.u32(1..7);
    log.at_once(|()| Permit::Write(new), || *value = new);
}

impl Subject for Mutex<u32> {
    type Model = Permits;

    fn new() -> Self {
        Mutex::new(0)
    }

    fn model() -> Permits {
        Permits::new(1, false)
    }

    fn step(&self, rng: &mut Rng, log: &Log<Permit>) {
        let held = match rng.u8(..4) {
            0 => try_take(log, 1, || at_once(self.try_lock())),
            1 => {
                let timeout = ms(rng.u64(..3));
                take(log, 1, || in_time(self.lock_timeout(timeout)))
            }
            2 => take(log, 1, || Some(clean(block_on(self.lock_async())))),
            _ => take(log, 1, || Some(clean(self.lock()))),
        };
        if let Some(mut held) = held {
            change(rng, log, held.guard.as_mut().unwrap());
        }
    }
}

/// What a writer takes.
const ALL: usize = 8;

impl Subject for RwLock<u32> {
    type Model = Permits;

    fn new() -> Self {
        RwLock::new(0)
    }

    fn model() -> Permits {
        Permits::new(ALL, true)
    }

    fn step(&self, rng: &mut Rng, log: &Log<Permit>) {
        let timeout = ms(rng.u64(..3));
        if rng.bool() {
            let held = match rng.u8(..4) {
                0 => try_take(log, 1, || at_once(self.try_read())),
                1 => take(log, 1, || in_time(self.read_timeout(timeout))),
                2 => take(log, 1, || Some(clean(block_on(self.read_async())))),
                _ => take(log, 1, || Some(clean(self.read()))),
            };
            if let Some(held) = held {
                pause(rng);
                let guard = held.guard.as_ref().unwrap();
                log.at_once(|seen| Permit::Read(*seen), || **guard);
            }
            return;
        }
        let held = match rng.u8(..4) {
            0 => try_take(log, ALL, || at_once(self.try_write())),
            1 => take(log, ALL, || in_time(self.write_timeout(timeout))),
            2 => take(log, ALL, || Some(clean(block_on(self.write_async())))),
            _ => take(log, ALL, || Some(clean(self.write()))),
        };
        if let Some(mut held) = held {
            change(rng, log, held.guard.as_mut().unwrap());
            if rng.bool() {
                let guard = held.guard.take().unwrap();
                let downgrade = || RwLockWriteGuard::downgrade(guard);
                let guard = log.at_once(|_| Permit::Give(ALL - 1), downgrade);
                std::mem::forget(held);
                let guard = Some(guard);
                let _reads = Held {
                    guard,
                    permits: 1,
                    log,
                };
                pause(rng);
            }
        }
    }
}

#[test]
fn a_mutex_is_explained_by_the_model() {
    explained::<Mutex<u32>>(60);
}

#[test]
fn a_rwlock_is_explained_by_the_model() {
    explained::<RwLock<u32>>(60);
}

#[test]
fn a_wrong_model_of_a_lock_explains_less() {
    let failure = Explorer::new()
        .run(|_| run::<Mutex<u32>>(1).assert_explained_by(Permits::new(0, false)))
        .expect_err("a mutex has one permit");
    let Reason::Panic { message, .. } = &failure.reason else {
        panic!("{failure}");
    };
    assert!(message.contains("no order explains this"), "{message}");
}

// ---- semaphore -------------------------------------------------------------------------------------------------------

const PERMITS: usize = 3;

impl Subject for Semaphore {
    type Model = Permits;

    fn new() -> Self {
        Semaphore::new(PERMITS)
    }

    fn model() -> Permits {
        Permits::new(PERMITS, true)
    }

    fn step(&self, rng: &mut Rng, log: &Log<Permit>) {
        use Permit::{Closed, Gone, Have, Leave, Stuck, Want};
        let want = rng.usize(1..=PERMITS);
        let acquired = match rng.u8(..12) {
            0 => return log.at_once(|()| Permit::Give(1), || self.add_permits(1)),
            1 => {
                let forgotten = |got: &usize| Permit::Forget(want, *got);
                log.at_once(forgotten, || self.forget_permits(want));
                return;
            }
            2 => {
                log.at_once(|free| Permit::Free(*free), || self.available_permits());
                return;
            }
            3 if rng.bool() => return log.at_once(|()| Permit::Close, || self.close()),
            4..6 => {
                // Closed or not: it has no permits.
                let tried = |got: &Result<_, TryAcquireError>| Permit::Try(want, got.is_ok());
                let tried = log.at_once(tried, || self.try_acquire_many(want));
                tried.map_err(|_| None)
            }
            how => {
                let open = log.begin(vec![Want(want), Gone], vec![Want(want), Stuck(want)]);
                let acquired = match how {
                    6 => block_on(self.acquire_many_async(want)),
                    7..9 if want == 1 => self.acquire_timeout(ms(rng.u64(..3))),
                    _ => self.acquire_many(want),
                };
                open.end(match &acquired {
                    Ok(_) => vec![Want(want), Have(want)],
                    Err(AcquireError::Closed) => vec![Want(want), Closed],
                    Err(_) => vec![Want(want), Leave],
                });
                acquired.map_err(Some)
            }
        };
        if let Ok(permit) = acquired {
            let guard = Some(permit);
            let _held = Held {
                guard,
                permits: want,
                log,
            };
            pause(rng);
        }
    }
}

#[test]
fn a_semaphore_is_explained_by_the_model() {
    explained::<Semaphore>(100);
}

// ---- notify and condvar ----------------------------------------------------------------------------------------------

fn waited(log: &Log<Note>, wait: impl FnOnce() -> Result<(), WaitError>) {
    let open = log.begin(vec![Note::Wait, Note::Gone], vec![Note::Wait, Note::Leave]);
    let notified = wait();
    open.end(match notified {
        Ok(()) => vec![Note::Wait, Note::Notified],
        Err(_) => vec![Note::Wait, Note::Leave],
    });
}

impl Subject for Notify {
    type Model = News;

    fn new() -> Self {
        Notify::new()
    }

    fn model() -> News {
        News::notify()
    }

    fn step(&self, rng: &mut Rng, log: &Log<Note>) {
        match rng.u8(..7) {
            0 | 1 => log.at_once(|()| Note::One, || self.notify_one()),
            2 => log.at_once(|()| Note::All, || self.notify_waiters()),
            3 => waited(log, || self.wait_timeout(ms(rng.u64(..3)))),
            4 => waited(log, || {
                block_on(self.notified());
                Ok(())
            }),
            _ => waited(log, || {
                self.wait();
                Ok(())
            }),
        }
    }
}

#[test]
fn notify_is_explained_by_the_model() {
    explained::<Notify>(80);
}

/// A condition variable and its mutex.
struct Monitor(Mutex<()>, Condvar);

impl Subject for Monitor {
    type Model = News;

    fn new() -> Self {
        Monitor(Mutex::new(()), Condvar::new())
    }

    fn model() -> News {
        News::monitor()
    }

    fn step(&self, rng: &mut Rng, log: &Log<Note>) {
        let Monitor(mutex, condvar) = self;
        let unlocked = rng.bool();
        match rng.u8(..4) {
            0 if unlocked => return log.at_once(|()| Note::One, || condvar.notify_one()),
            1 if unlocked => return log.at_once(|()| Note::All, || condvar.notify_all()),
            _ => {}
        }
        let open = log.begin(vec![Note::Come], vec![Note::Come, Note::Locked]);
        let guard = clean(mutex.lock());
        open.end(vec![Note::Come, Note::Lock]);
        switch_point();
        let guard = match rng.u8(..4) {
            0 => {
                log.at_once(|()| Note::One, || condvar.notify_one());
                guard
            }
            1 => {
                log.at_once(|()| Note::All, || condvar.notify_all());
                guard
            }
            timed => {
                let stuck = vec![Note::Wait, Note::Leave];
                let open = log.begin(vec![Note::Wait, Note::Gone], stuck);
                let (guard, timed_out) = if timed == 2 {
                    let (guard, how) = clean(condvar.wait_timeout(guard, ms(rng.u64(..3))));
                    (guard, how.timed_out())
                } else {
                    (clean(condvar.wait(guard)), false)
                };
                open.end(match timed_out {
                    false => vec![Note::Wait, Note::Notified],
                    true => vec![Note::Wait, Note::Leave, Note::Lock],
                });
                guard
            }
        };
        // Not across a wait: a guard that a kill drops would have to be noted.
        switch_point();
        log.at_once(|()| Note::Unlock, || drop(guard));
    }
}

#[test]
fn a_condvar_and_its_mutex_are_explained_by_the_model() {
    explained::<Monitor>(80);
}

// ---- barrier ---------------------------------------------------------------------------------------------------------

impl Subject for Barrier {
    type Model = Group;

    fn new() -> Self {
        Barrier::new(2)
    }

    fn model() -> Group {
        Group::new(2)
    }

    fn step(&self, rng: &mut Rng, log: &Log<Step>) {
        let open = log.begin(
            vec![Step::Arrive, Step::Gone],
            vec![Step::Arrive, Step::Leave],
        );
        let through = match rng.bool() {
            true => self.wait_timeout(ms(rng.u64(..3))),
            false => Ok(self.wait()),
        };
        open.end(match through {
            Ok(through) => vec![Step::Arrive, Step::Through(through.is_leader())],
            Err(_) => vec![Step::Arrive, Step::Leave],
        });
    }
}

#[test]
fn a_barrier_is_explained_by_the_model() {
    explained::<Barrier>(60);
}
