//! When variables are dropped: as in a function.

use std::cell::RefCell;
use std::task::{Poll, Waker};

use actor_core::channel::{self, Receiver, RecvError, Sender, TryRecvError};
use actor_core::microthread::yield_now;
use actor_core::migratable;
use actor_core::migratable::Suspended;
use serde::{Deserialize, Serialize};

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn say(what: &str) {
    LOG.with_borrow_mut(|log| log.push(what.to_owned()));
}

/// Says when it is dropped.
#[derive(Serialize, Deserialize)]
struct Noisy(String);

impl Noisy {
    fn new(name: &str) -> Self {
        Noisy(name.to_owned())
    }
}

impl Drop for Noisy {
    fn drop(&mut self) {
        say(&self.0);
    }
}

/// One that cannot be frozen.
struct Local(&'static str);

impl Drop for Local {
    fn drop(&mut self) {
        say(self.0);
    }
}

fn named(prefix: &str, n: Option<u32>) -> Option<Noisy> {
    n.map(|n| Noisy(format!("{prefix}{n}")))
}

/// The same code twice: as it is, and as a migratable function.
macro_rules! both {
    ($(fn $name:ident($($arg:ident: $ty:ty),*) $(-> $out:ty)? $body:block)*) => {
        mod plain {
            #[allow(unused_imports)]
            use super::*;
            $(pub(super) fn $name($($arg: $ty),*) $(-> $out)? $body)*
        }
        mod kept {
            #[allow(unused_imports)]
            use super::*;
            $(#[migratable] pub(super) fn $name($($arg: $ty),*) $(-> $out)? $body)*
        }
    };
}

both! {
    fn in_reverse() {
        let _a = Noisy::new("a");
        let _b = Noisy::new("b");
        yield_now();
        let _c = Noisy::new("c");
        yield_now();
        say("end");
    }

    fn in_scopes(n: u32) {
        let _outer = Noisy::new("outer");
        for i in 0..n {
            let first = Noisy::new("first");
            say(&first.0);
            yield_now();
            {
                let _inner = Noisy::new("inner");
                yield_now();
                say("inner ends");
            }
            say("after it");
            if i == 1 {
                let _branch = Noisy::new("branch");
                yield_now();
                continue;
            }
            yield_now();
            say("turn ends");
        }
        say("end");
    }

    fn by_name(b: Noisy, a: Noisy) {
        let c = Noisy::new("c");
        yield_now();
        say(&format!("{}{}{}", a.0, b.0, c.0));
        yield_now();
        say("end");
    }

    fn left_early(n: u32) -> Result<u32, String> {
        let _a = Noisy::new("a");
        let m = {
            let _b = Noisy::new("b");
            yield_now();
            let found: Result<u32, String> = if n > 1 { Ok(n) } else { Err("small".to_owned()) };
            let _c = Noisy::new("c");
            yield_now();
            found?
        };
        say("found");
        yield_now();
        'block: {
            let _d = Noisy::new("d");
            let _e = Noisy::new("e");
            yield_now();
            if m == 2 {
                break 'block;
            }
            say("not 2");
        }
        say("end");
        Ok(m)
    }

    fn of_patterns(some: Option<u32>) {
        let (_x, _y) = (Noisy::new("x"), Noisy::new("y"));
        match named("", some) {
            Some(_n) => {
                yield_now();
                say("arm");
            }
            None => say("none"),
        }
        say("after the match");
        if let Some(_found) = named("found ", some) {
            yield_now();
            say("then");
        }
        yield_now();
        say("end");
    }

    fn moved(n: u32) {
        let a = Noisy::new("a");
        let b = Noisy::new("b");
        yield_now();
        if n > 0 {
            drop(a);
            yield_now();
            say("dropped");
            drop(b);
        } else {
            let c = b;
            yield_now();
            drop(c);
            drop(a);
        }
        yield_now();
        say("end");
    }

    fn vectors() {
        let mut all = Vec::new();
        for i in 0..3 {
            all.push(Noisy(i.to_string()));
            yield_now();
        }
        say("full");
        yield_now();
        say("end");
    }
}

fn logged<R>(run: impl FnOnce() -> R) -> Vec<String> {
    LOG.take();
    run();
    LOG.take()
}

/// `plain` as it is, and `kept` resumed to its end, must drop the same in the same order.
macro_rules! same {
    ($name:ident($($arg:expr),*)) => {{
        let expected = logged(|| plain::$name($($arg),*));
        let seen = logged(|| {
            let mut kept = Suspended::new(kept::$name($($arg),*));
            while kept.resume(Waker::noop()).is_pending() {}
        });
        assert_eq!(seen, expected);
    }};
}

#[test]
fn variables_are_dropped_at_the_end_of_their_scope_in_reverse_order() {
    same!(in_reverse());
    same!(in_scopes(3));
    same!(by_name(Noisy::new("first"), Noisy::new("second")));
    same!(of_patterns(Some(4)));
    same!(of_patterns(None));
    same!(vectors());
}

#[test]
fn variables_are_dropped_when_their_scope_is_left() {
    for n in 0..4 {
        same!(left_early(n));
    }
}

#[test]
fn what_is_moved_away_is_not_dropped() {
    same!(moved(0));
    same!(moved(1));
}

#[test]
fn what_is_suspended_is_dropped_in_reverse_order() {
    let dropped = logged(|| {
        let mut kept = Suspended::new(kept::in_reverse());
        assert!(kept.resume(Waker::noop()).is_pending());
        assert!(kept.resume(Waker::noop()).is_pending());
    });
    assert_eq!(dropped, ["c", "b", "a"]);
}

#[migratable]
fn holds_a_channel() -> bool {
    let (to, from) = channel::bounded(1);
    to.send(1u8).unwrap();
    let first = from.recv();
    assert_eq!(first.ok(), Some(1));
    yield_now();
    // `to` is not mentioned any more, and in scope.
    from.try_recv() == Err(TryRecvError::Empty)
}

#[test]
fn a_side_of_a_channel_lives_to_the_end_of_its_scope() {
    assert_eq!(super::cuts::alone(holds_a_channel), "true");
}

#[migratable]
fn cannot_be_held(from: Receiver<u8>) -> Option<u8> {
    let _local = Local("local");
    let words = "a b".to_owned();
    let parts: Vec<&str> = words.split(' ').collect();
    say(parts[0]);
    let found = from.recv().ok();
    say("end");
    found
}

#[test]
fn what_cannot_be_frozen_is_dropped_at_the_wait() {
    let (to, from) = channel::bounded(1);
    let dropped = logged(|| {
        let mut kept = Suspended::new(cannot_be_held(from));
        assert!(kept.resume(Waker::noop()).is_pending());
        say("suspended");
        to.send(1).unwrap();
        assert_eq!(kept.resume(Waker::noop()), Poll::Ready(Some(1)));
    });
    assert_eq!(dropped, ["a", "local", "suspended", "end"]);
}

#[migratable]
fn asks_for_it(to: Sender<u8>, back: Receiver<u8>) -> Result<u8, RecvError> {
    let copy = to;
    let held = Some(copy);
    yield_now();
    let n = back.recv();
    drop(held);
    n
}

#[test]
fn a_drop_at_the_end_keeps_it_until_then() {
    let (to, from) = channel::bounded::<u8>(1);
    let (answer, back) = channel::bounded(1);
    let mut kept = Suspended::new(asks_for_it(to, back));
    assert!(kept.resume(Waker::noop()).is_pending());
    assert!(kept.resume(Waker::noop()).is_pending());
    assert_eq!(
        from.try_recv(),
        Err(TryRecvError::Empty),
        "not disconnected"
    );
    answer.send(4).unwrap();
    assert_eq!(kept.resume(Waker::noop()), Poll::Ready(Ok(4)));
    assert!(from.recv().is_err());
}
