//! What the tests have in common.

use std::future::poll_fn;
use std::panic;
use std::sync::{Arc, Mutex, Once};
use std::task::{Poll, Waker};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{ActorOptions, DeadLetter, DeadReason, Options, WhenFull, microthread};

/// Nothing here takes so long unless it hangs.
pub const LIMIT: Duration = Duration::from_secs(60);

pub fn system(workers: usize) -> System {
    quiet();
    System::builder().workers(workers).build().unwrap()
}

/// Panics of actors are the subject of the tests, not news.
pub fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            if !thread.name().is_some_and(|name| name.starts_with("actor")) {
                loud(info);
            }
        }));
    });
}

/// Something that happens once and can be waited for from anywhere; a microthread that waits is parked.
#[derive(Clone, Default)]
pub struct Flag(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Flag {
    pub fn raise(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        for waker in state.1.drain(..) {
            waker.wake();
        }
    }

    pub fn wait(&self) {
        microthread::block_on(poll_fn(|context| {
            let mut state = self.0.lock().unwrap();
            if state.0 {
                return Poll::Ready(());
            }
            state.1.push(context.waker().clone());
            Poll::Pending
        }));
    }
}

/// Waits until `condition` holds.
#[track_caller]
pub fn until(condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "it never comes");
        std::thread::yield_now();
    }
}

pub const BLOCK: u8 = 0;
pub const FAIL: u8 = 1;
pub const DROP_OLDEST: u8 = 2;
pub const DROP_NEWEST: u8 = 3;

/// Notes what it handles, and can be held while its mailbox fills. `N` is the bound (0: none), `P` the policy.
#[derive(Default)]
pub struct Desk<const N: usize = 0, const P: u8 = BLOCK> {
    pub seen: Vec<u32>,
}

// By hand, as the attribute's values cannot name parameters of the type.
impl<const N: usize, const P: u8> ActorOptions for Desk<N, P> {
    const OPTIONS: Options = match (N, P) {
        (0, _) => Options::new().name("Desk"),
        (_, FAIL) => Options::new().mailbox(N).when_full(WhenFull::Fail),
        (_, DROP_OLDEST) => Options::new().mailbox(N).when_full(WhenFull::DropOldest),
        (_, DROP_NEWEST) => Options::new().mailbox(N).when_full(WhenFull::DropNewest),
        _ => Options::new().mailbox(N),
    };
}

#[actor]
impl<const N: usize, const P: u8> Desk<N, P> {
    pub fn take(&mut self, n: u32) -> u32 {
        self.seen.push(n);
        n
    }

    pub fn seen(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.seen)
    }

    /// Handles nothing until released.
    pub fn hold(&mut self, entered: Flag, release: Flag) {
        entered.raise();
        release.wait();
    }

    pub fn leave(&mut self, cx: &mut Cx<Self>, exit: Exit) {
        cx.exit(exit);
    }
}

/// A desk that is in the middle of `hold`, with an empty mailbox, and what releases it.
pub fn held<const N: usize, const P: u8>(sys: &System) -> (Addr<Desk<N, P>>, Flag) {
    let desk = sys.spawn(Desk::default()).unwrap();
    let release = hold(&desk);
    (desk, release)
}

/// Holds `desk`.
pub fn hold<const N: usize, const P: u8>(desk: &Addr<Desk<N, P>>) -> Flag {
    let (entered, release) = (Flag::default(), Flag::default());
    desk.tell().hold(entered.clone(), release.clone()).unwrap();
    entered.wait();
    release
}

/// What `letters` has: the numbers of `take` messages, with the reasons.
pub fn taken(letters: &crossbeam_channel::Receiver<DeadLetter>) -> Vec<(u32, DeadReason)> {
    let number = |letter: DeadLetter| match letter.take() {
        Some(DeskMsg::Take { n }) => (n, letter.reason),
        other => panic!("{:?} in {letter:?}", other.is_some()),
    };
    letters.try_iter().map(number).collect()
}
