//! Supervisors and their children: real actors that panic, are killed, fail to start, overflow, and hang when stopped.
//!
//! Nothing here sleeps to get an ordering. `SOON` bounds how long a broken test hangs, and is never waited out by one that
//! passes.
#![allow(
    missing_docs,
    unreachable_pub,
    unconditional_recursion,
    reason = "the test's own actors"
)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{Event, microthread};

#[path = "supervision/backoff.rs"]
mod backoff;
#[path = "supervision/batch.rs"]
mod batch;
#[path = "supervision/declared.rs"]
mod declared;
#[path = "supervision/dynamic.rs"]
mod dynamic;
#[path = "supervision/intensity.rs"]
mod intensity;
#[path = "supervision/otp.rs"]
mod otp;
#[path = "supervision/recorded.rs"]
mod recorded;
#[path = "supervision/restarts.rs"]
mod restarts;
#[path = "supervision/starts.rs"]
mod starts;
#[path = "supervision/stops.rs"]
mod stops;
#[path = "supervision/storm.rs"]
mod storm;
#[path = "supervision/strategies.rs"]
mod strategies;
#[path = "supervision/tree.rs"]
mod tree;
#[path = "supervision/trees.rs"]
mod trees;

const SOON: Duration = Duration::from_secs(60);
const MANY: u32 = 1_000_000;

/// A system with two workers. Panics that say "boom" are not printed.
fn system() -> System {
    system_with(2)
}

fn system_with(workers: usize) -> System {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info
                .payload_as_str()
                .is_some_and(|it| it.starts_with("boom"))
            {
                loud(info);
            }
        }));
    });
    System::builder().workers(workers).build().unwrap()
}

/// A supervisor for which any number of restarts is normal.
fn patient(sys: &System) -> Supervisor {
    let builder = Supervisor::builder().intensity(MANY, SOON);
    builder.start(sys).unwrap()
}

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Subscribes: the next event that `pick` takes.
fn events(sys: &System) -> impl FnMut(&dyn Fn(&Event) -> bool) -> Event + use<> {
    let events = sys.events();
    move |pick| {
        loop {
            let event = events.recv_timeout(SOON).expect("the event has come");
            if pick(&event) {
                return event;
            }
        }
    }
}

fn restarted(event: &Event) -> bool {
    matches!(event, Event::Restarted { .. })
}

/// Waits until somebody lets it through. Not to be used where a kill must get through.
#[derive(Clone)]
struct Gate(Arc<Mutex<Receiver<()>>>);

fn gate() -> (Gate, Sender<()>) {
    let (open, wait) = mpsc::channel();
    (Gate(Arc::new(Mutex::new(wait))), open)
}

impl Gate {
    fn pass(&self) {
        let gate = self.0.clone();
        microthread::blocking(move || gate.lock().unwrap().recv_timeout(SOON).unwrap());
    }
}

/// Waits for ever, or for a kill.
fn hang() -> ! {
    loop {
        microthread::sleep(Duration::MAX);
    }
}

/// Does what it is told, and writes down what happens to it.
#[actor]
struct Probe {
    tag: &'static str,
    log: Log,
    life: u32,
}

#[actor]
impl Probe {
    #[on_start]
    fn open(&mut self) {
        self.log.add(format!("{} starts", self.tag));
    }

    #[on_stop]
    fn close(&mut self, reason: &ExitReason) {
        self.log.add(format!("{} stops: {reason}", self.tag));
    }

    pub fn life(&self) -> u32 {
        self.life
    }

    pub fn note(&mut self, n: u32) {
        self.log.add(format!("{}.{}", self.life, n));
    }

    pub fn boom(&mut self) -> u32 {
        panic!("boom")
    }

    /// Waits at the gate, then panics.
    pub fn boom_later(&mut self, entered: Sender<()>, gate: Gate) -> u32 {
        entered.send(()).unwrap();
        gate.pass();
        panic!("boom")
    }

    pub fn leave(&mut self, cx: &mut Cx<Self>, exit: Exit) {
        cx.exit(exit);
    }

    pub fn hang(&mut self, entered: Sender<()>) -> u32 {
        entered.send(()).unwrap();
        hang()
    }

    /// Ends by the first line of defence: recursion through calls into the runtime.
    pub fn overflow(&mut self, cx: &mut Cx<Self>) -> u32 {
        fn deep(to: &Addr<Probe>, n: u32) -> u32 {
            let pad = std::hint::black_box([n; 64]);
            let _ = to.try_tell().note(0);
            let _ = to.tell().note(0);
            deep(to, n + 1) + pad[0]
        }
        deep(&cx.system().spawn(Probe::quiet()).unwrap(), 0)
    }

    fn quiet() -> Self {
        Self {
            tag: "quiet",
            log: Log::default(),
            life: 0,
        }
    }
}

/// Makes a probe whose life is counted.
fn probe(tag: &'static str, log: &Log) -> impl Fn() -> Probe + Send + 'static {
    let (log, lives) = (log.clone(), AtomicU32::new(0));
    move || Probe {
        tag,
        log: log.clone(),
        life: lives.fetch_add(1, Ordering::Relaxed) + 1,
    }
}

fn panicked() -> ExitReason {
    ExitReason::Panicked("boom".into())
}
