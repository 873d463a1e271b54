//! What the tests have in common.

use std::future::poll_fn;
use std::hint::black_box;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, Once};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_core::{ActorOptions, Event, Options, microthread};

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
    pub fn new() -> Self {
        Self::default()
    }

    pub fn raise(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        for waker in state.1.drain(..) {
            waker.wake();
        }
    }

    pub fn is_raised(&self) -> bool {
        self.0.lock().unwrap().0
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
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "it never comes");
        microthread::yield_now();
    }
}

/// Waits until `handlers` handlers have taken the stack they block on. Microthreads and own-stack actors count too.
#[track_caller]
pub fn blocked(sys: &System, handlers: usize) {
    until(|| sys.stats().stacks_in_use == handlers);
}

/// Why it ended.
#[track_caller]
pub fn end<A: Actor>(addr: &Addr<A>) -> ExitReason {
    addr.join_timeout(LIMIT).expect("it does not end")
}

/// The first event for which `pick` has something.
#[track_caller]
pub fn event<T>(events: &EventReceiver, mut pick: impl FnMut(Event) -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        let left = LIMIT.saturating_sub(start.elapsed());
        let event = events.recv_timeout(left).expect("the event comes");
        if let Some(found) = pick(event) {
            return found;
        }
    }
}

/// How many dead letters `id` leaves.
#[track_caller]
pub fn dead_letters(events: &EventReceiver, id: u64) -> u64 {
    event(events, |event| match event {
        Event::DeadLetters { who, count, .. } if who.id == id => Some(count),
        _ => None,
    })
}

pub type EventReceiver = crossbeam_channel::Receiver<Event>;

/// Counts itself while it lives.
pub struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Counted(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a [`Probe`] does for a test.
pub type Job = Box<dyn FnOnce(&mut Probe, &mut Cx<Probe>) -> u64 + Send>;

/// An actor that does as it is told, and notes numbers.
#[actor]
#[derive(Default)]
pub struct Probe {
    pub seen: Vec<u64>,
    /// Where the reason goes that its `on_stop` is called with.
    pub stopped: Option<Sender<ExitReason>>,
    /// What it owns.
    pub owned: Vec<Box<dyn Send>>,
}

#[actor]
impl Probe {
    pub fn note(&mut self, n: u64) {
        self.seen.push(n);
    }

    pub fn seen(&self) -> Vec<u64> {
        self.seen.clone()
    }

    pub fn perform(&mut self, cx: &mut Cx<Self>, job: Job) -> u64 {
        job(self, cx)
    }

    pub fn carry(&mut self, load: Box<dyn Send>) {
        drop(load);
    }

    #[on_stop]
    fn stopping(&mut self, reason: &ExitReason) {
        if let Some(stopped) = self.stopped.take() {
            let _ = stopped.send(reason.clone());
        }
    }
}

impl Probe {
    /// One that tells the reason its `on_stop` is called with. The channel closes when its state is dropped.
    pub fn reporting() -> (Self, Receiver<ExitReason>) {
        let (sender, receiver) = mpsc::channel();
        let probe = Probe {
            stopped: Some(sender),
            ..Probe::default()
        };
        (probe, receiver)
    }
}

/// Has `addr` run `job` in a handler.
#[track_caller]
pub fn perform(
    addr: &Addr<Probe>,
    job: impl FnOnce(&mut Probe, &mut Cx<Probe>) -> u64 + Send + 'static,
) {
    addr.tell().perform(Box::new(job)).unwrap();
}

/// Holds `addr` in a handler, parked, until the flag is raised.
#[track_caller]
pub fn hold(addr: &Addr<Probe>) -> Flag {
    let (entered, release) = (Flag::new(), Flag::new());
    let (inside, wait) = (entered.clone(), release.clone());
    perform(addr, move |_, _| {
        inside.raise();
        wait.wait();
        0
    });
    entered.wait();
    release
}

/// Has `addr` run `job` in a handler, and waits for what it gives.
#[track_caller]
pub fn within(
    addr: &Addr<Probe>,
    job: impl FnOnce(&mut Probe, &mut Cx<Probe>) -> u64 + Send + 'static,
) -> u64 {
    addr.ask().perform(Box::new(job)).unwrap()
}

/// As [`Probe`], with a mailbox for `N` messages.
#[derive(Default)]
pub struct Narrow<const N: usize> {
    pub seen: Vec<u64>,
}

// By hand, as the attribute's values cannot name parameters of the type.
impl<const N: usize> ActorOptions for Narrow<N> {
    const OPTIONS: Options = Options::new().mailbox(N);
}

#[actor]
impl<const N: usize> Narrow<N> {
    pub fn note(&mut self, n: u64) {
        self.seen.push(n);
    }

    pub fn seen(&self) -> Vec<u64> {
        self.seen.clone()
    }

    pub fn hold(&mut self, entered: Flag, release: Flag) {
        entered.raise();
        release.wait();
    }
}

impl<const N: usize> Narrow<N> {
    /// A new one, held in a handler, with its mailbox full of zeros.
    pub fn full(sys: &System) -> (Addr<Self>, Flag) {
        let release = Flag::new();
        (Self::filled(sys, &release), release)
    }

    /// As [`full`](Self::full), held until `release`.
    pub fn filled(sys: &System, release: &Flag) -> Addr<Self> {
        let narrow = sys.spawn(Self::default()).unwrap();
        let entered = Flag::new();
        narrow
            .tell()
            .hold(entered.clone(), release.clone())
            .unwrap();
        entered.wait();
        for _ in 0..N {
            narrow.try_tell().note(0).unwrap();
        }
        narrow
    }
}

/// Runs out of stack, telling somebody at each level: the runtime sees it coming, and unwinds.
#[inline(never)]
pub fn dive(to: &Addr<Probe>, n: u64) -> u64 {
    let _ = to.tell().note(n);
    if n == u64::MAX {
        return n;
    }
    black_box(dive(to, n + 1)) + 1
}
