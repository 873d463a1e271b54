//! Checkpoints: a function that never waits is suspended now and then all the same.

use std::task::{Poll, Waker};

use actor_core::channel::{self, Receiver, Sender};
use actor_core::microthread;
use actor_core::migratable;
use actor_core::migratable::Suspended;

#[migratable]
fn computes(n: u64) -> u64 {
    let mut sum = 0;
    for i in 0..n {
        microthread::checkpoint();
        sum += i;
    }
    sum
}

#[test]
fn a_checkpoint_suspends_when_the_turn_is_over() {
    let mut computes = Suspended::new(computes(20_000));
    let mut turns = 0;
    let sum = loop {
        match computes.resume(Waker::noop()) {
            Poll::Ready(sum) => break sum,
            Poll::Pending => turns += 1,
        }
        let image = computes.freeze().unwrap();
        computes = Suspended::thaw(&image).unwrap();
    };
    assert_eq!(sum, (0..20_000).sum());
    // One in the body, one at the head: each turn is 4,096 of them.
    assert_eq!(turns, 40_000 / 4096);
}

#[test]
fn a_checkpoint_before_the_turn_is_over_does_nothing() {
    let mut computes = Suspended::new(computes(100));
    assert_eq!(computes.resume(Waker::noop()), Poll::Ready(4950));
}

#[migratable]
fn searches(n: u64, out: Sender<u64>) -> u64 {
    let mut looked = 0;
    for i in 0..n {
        looked += 1;
        if i % 9973 == 1 {
            let _ = out.send(i);
        }
    }
    looked
}

#[test]
fn a_loop_that_waits_seldom_is_suspended_at_its_head() {
    let (out, found) = channel::unbounded();
    let mut searches = Suspended::new(searches(20_000, out));
    let mut turns = 0;
    while searches.resume(Waker::noop()).is_pending() {
        turns += 1;
    }
    assert_eq!(turns, 20_000 / 4096);
    assert_eq!(found.try_iter().collect::<Vec<_>>(), [1, 9974, 19947]);
}

#[migratable]
fn drains(from: Receiver<u64>) -> u64 {
    let mut sum = 0;
    while let Ok(n) = from.recv() {
        sum += n;
    }
    sum
}

#[test]
fn a_loop_that_always_finds_what_it_waits_for_is_suspended_too() {
    let (to, from) = channel::unbounded();
    to.send_all(0..10_000).unwrap();
    drop(to);
    let mut drains = Suspended::new(drains(from));
    assert!(drains.resume(Waker::noop()).is_pending());
    assert!(drains.resume(Waker::noop()).is_pending());
    assert_eq!(drains.resume(Waker::noop()), Poll::Ready(49_995_000));
}

#[migratable]
fn uses_what_cannot_be_kept(words: Vec<String>, out: Sender<usize>) -> usize {
    let local = std::rc::Rc::new(100);
    let mut looked = 0;
    for word in words {
        looked += 1;
        if word.is_empty() {
            let so_far = *local + looked;
            // The loop is over then: `local` need not be kept.
            let _ = out.send(so_far);
            return so_far;
        }
    }
    looked
}

#[test]
fn no_checkpoint_is_put_where_it_would_have_more_to_keep() {
    let words = || ["abc", "d", ""].map(String::from).into();
    let (out, found) = channel::rendezvous();
    let mut uses = Suspended::new(uses_what_cannot_be_kept(words(), out));
    assert!(uses.resume(Waker::noop()).is_pending());
    uses.freeze().unwrap();
    drop(found);
    assert_eq!(uses.resume(Waker::noop()), Poll::Ready(103));
}

#[test]
fn one_that_is_called_shares_its_worker() {
    let rt = actor_core::Runtime::builder().workers(1).build().unwrap();
    let endless = rt.spawn(|| computes(u64::MAX).call()).unwrap();
    let other = rt.spawn(|| "has its turn").unwrap();
    assert_eq!(other.join().unwrap(), "has its turn");
    endless.kill();
    assert!(endless.join().is_err());
}
