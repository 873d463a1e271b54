use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::Timed;
use super::{after, at, never, tick};
use crate::Runtime;
use crate::channel::{RecvError, RecvTimeoutError, TryRecvError, oneshot};

const FAR: Duration = Duration::from_secs(3600);

#[test]
fn a_moment_is_received_once() {
    let now = Instant::now();
    let moment = at(now);
    assert_eq!(moment.due(), Some(now));
    assert_eq!(moment.recv(), Ok(now));
    assert_eq!(moment.due(), None);
    assert_eq!(moment.try_recv(), Err(TryRecvError::Empty));
    let timed_out = Err(RecvTimeoutError::TimedOut);
    assert_eq!(moment.recv_timeout(Duration::from_millis(1)), timed_out);
}

#[test]
fn a_moment_is_not_received_before_it_comes() {
    let start = Instant::now();
    let moment = after(Duration::from_millis(2));
    let due = moment.due().unwrap();
    assert!(moment.take(due - Duration::from_nanos(1)).is_none());
    assert_eq!(moment.recv(), Ok(due));
    assert!(Instant::now() >= due && due >= start + Duration::from_millis(2));
}

#[test]
fn a_deadline_before_the_moment_leaves_it() {
    let moment = after(FAR);
    let timed_out = Err(RecvTimeoutError::TimedOut);
    assert_eq!(moment.recv_deadline(Instant::now()), timed_out);
    assert_eq!(moment.recv_timeout(Duration::from_millis(1)), timed_out);
    assert!(moment.due().is_some());
    // And one after it does not keep it.
    let moment = after(Duration::from_millis(1));
    assert!(moment.recv_timeout(FAR).is_ok());
}

#[test]
fn a_moment_later_than_the_clock_can_say_never_comes() {
    assert_eq!(after(Duration::MAX).due(), None);
    let ticks = tick(Duration::MAX);
    assert_eq!(ticks.try_recv(), Err(TryRecvError::Empty));
    let timed_out = Err(RecvTimeoutError::TimedOut);
    assert_eq!(ticks.recv_timeout(Duration::from_millis(1)), timed_out);
}

#[test]
fn ticks_keep_in_step_and_do_not_pile_up() {
    let ms = Duration::from_millis;
    let ticks = tick(ms(10));
    let first = ticks.due().unwrap();
    assert_eq!(ticks.take(first - ms(1)), None);
    assert_eq!(ticks.take(first + ms(3)), Some(first));
    assert_eq!(ticks.due(), Some(first + ms(10)), "in step");
    // Three are missed: one is kept, and the next is a period away.
    let late = first + ms(45);
    assert_eq!(ticks.take(late), Some(first + ms(10)));
    assert_eq!(ticks.take(late), None);
    assert_eq!(ticks.due(), Some(late + ms(10)));
}

#[test]
fn ticks_without_a_period_are_always_there() {
    let ticks = tick(Duration::ZERO);
    assert!((0..3).all(|_| ticks.try_recv().is_ok()));
}

#[test]
fn of_those_that_share_a_moment_one_receives_it() {
    let moment = Arc::new(at(Instant::now()));
    let tries: Vec<_> = (0..3)
        .map(|_| {
            let moment = moment.clone();
            thread::spawn(move || usize::from(moment.try_recv().is_ok()))
        })
        .collect();
    let received: usize = tries.into_iter().map(|tries| tries.join().unwrap()).sum();
    assert_eq!(received, 1);
}

#[test]
fn microthreads_wait_for_moments() {
    let rt = Runtime::new().unwrap();
    let waits: Vec<_> = (1..=3)
        .map(|n| {
            rt.spawn(move || after(Duration::from_millis(n)).recv())
                .unwrap()
        })
        .collect();
    for waits in waits {
        assert!(waits.join().unwrap().is_ok());
    }
}

#[test]
fn to_wait_for_what_never_comes_ends_with_an_error_thrown_in_or_a_kill() {
    let rt = Runtime::new().unwrap();
    let start = || {
        let (ready, is_ready) = oneshot::channel();
        let waits = rt.spawn(move || {
            ready.send(()).unwrap();
            never::<u32>().recv()
        });
        is_ready.recv().unwrap();
        waits.unwrap()
    };
    let waits = start();
    waits.throw("enough").unwrap();
    assert!(matches!(
        waits.join().unwrap(),
        Err(RecvError::Interrupted(_))
    ));
    let waits = start();
    waits.kill();
    assert!(waits.join().is_err());
    assert_eq!(never::<u32>().try_recv(), Err(TryRecvError::Empty));
    assert_eq!(never::<u32>().due(), None);
}

#[cfg(feature = "testing")]
#[test]
fn moments_follow_the_clock_of_the_scheduler() {
    crate::testing::check(|_| {
        let hours = crate::microthread::spawn(|| {
            let ticks = tick(FAR);
            let first = ticks.recv().unwrap();
            let second = ticks.recv().unwrap();
            assert_eq!(second - first, FAR);
            after(FAR).recv().unwrap() - second
        });
        assert_eq!(hours.join().unwrap(), FAR);
    });
}
