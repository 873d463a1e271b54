//! Everything that a declared tree may be, where all lints of the compiler's that people turn on are errors.
#![deny(
    warnings,
    missing_docs,
    unused,
    nonstandard_style,
    unused_qualifications,
    unreachable_pub
)]
#![allow(clippy::non_minimal_cfg)]
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{Backoff, DynamicSupervisor, Pool};

/// Does nothing.
#[actor]
#[derive(Debug)]
pub struct Worker;

#[actor]
impl Worker {
    /// Does nothing.
    pub fn rest(&mut self) {}
}

fn open(_: &Path) -> std::io::Result<Worker> {
    Ok(Worker)
}

/// Generic.
#[actor]
#[derive(Debug)]
pub struct Holds<T> {
    value: T,
}

#[actor]
impl<T: Clone + Send + 'static> Holds<T> {
    /// What it holds.
    pub fn value(&self) -> T {
        self.value.clone()
    }
}

const LONG: Duration = Duration::from_secs(60);
const WORKERS: usize = 2;

/// A tree.
#[supervisor(
    rest_for_one,
    intensity = 2 + 3,
    period = LONG,
    auto_shutdown = all_significant,
    backoff = Backoff::new(LONG, LONG).jitter_percent(10),
    name = format!("app"),
    args(dir: PathBuf, start: u64, r#type: &'static str),
)]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct App {
    /// Opened in a directory.
    #[child(open(&dir), shutdown = "5s", name = "store")]
    pub store: Addr<Worker>,
    #[child({ let _ = r#type; Worker }, permanent, shutdown = infinity, backoff = "10ms..1s")]
    r#loop: Addr<Worker>,
    /// May not be there.
    #[child(None::<Worker>, transient, significant, shutdown = LONG)]
    pub(crate) maybe: Option<Addr<Worker>>,
    /// Many, numbered.
    #[child(|i| Holds { value: start + i as u64 }, temporary, name = |i| format!("holds-{i}"), shutdown = brutal_kill)]
    pub many: [Addr<Holds<u64>>; WORKERS],
    /// Many, all alike.
    #[child(open(&dir).map(Some))]
    pub alike: [Option<Addr<Worker>>; 1 + 1],
    /// Come and go.
    #[dynamic(|n: &u64| Holds { value: n + start }, transient, shutdown = "1m", intensity = 9, period = "1h", backoff = "1us..1ms", name = "sessions")]
    pub sessions: DynamicSupervisor<Holds<u64>, u64>,
    #[dynamic(made)]
    by_function: DynamicSupervisor<Worker, (u8, u8)>,
    /// Share out what comes.
    #[pool(|slot| Holds { value: start + slot as u64 }, size = WORKERS, balance = least_loaded, drain = LONG, permanent, shutdown = "1m", intensity = 9, period = "1h", backoff = "1us..1ms", name = format!("pool"))]
    pub pool: Pool<Holds<u64>>,
    /// All alike, some of which may not start; as many as a parameter says.
    #[pool(open(&dir), size = start as usize, temporary, shutdown = brutal_kill)]
    r#for: Pool<Worker>,
    #[pool(by_slot(slot_of), size = 0, balance = random)]
    nobody: Pool<Worker>,
    #[cfg(any())]
    #[pool(no_such_thing(), size = 1)]
    no_pool: Pool<NoSuchThing>,
    /// Inner.
    #[supervisor(args(start as usize + 1, r#type.to_owned()), transient, significant, shutdown = "1h", name = "inner")]
    pub inner: Inner<String>,
    #[cfg(any())]
    #[child(no_such_thing())]
    absent: Addr<NoSuchThing>,
    #[cfg(all())]
    #[child(Worker)]
    present: Addr<Worker>,
}

fn by_slot(_: fn(usize) -> usize) -> Worker {
    Worker
}

fn slot_of(slot: usize) -> usize {
    slot
}

fn made(_: &(u8, u8)) -> Worker {
    Worker
}

fn holds(value: usize) -> Holds<usize> {
    Holds { value }
}

/// Generic, with text that mentions a parameter.
#[supervisor(args(n: usize, value: T), name = "not used", period = Self::LASTING)]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inner<T>
where
    T: Clone + Send + 'static,
{
    #[child(Holds { value: value.clone() })]
    one: Addr<Holds<T>>,
    #[child(Holds { value: format!("{n}") })]
    text: Addr<Holds<String>>,
    #[pool(holds(n), size = n)]
    pool: Pool<Holds<usize>>,
    /// With no parameters.
    #[supervisor]
    pub nothing: Empty,
}

impl<T> Inner<T>
where
    T: Clone + Send + 'static,
{
    const LASTING: Duration = LONG;
}

/// Without children.
#[supervisor(period = Self::LASTING)]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Empty {}

impl Empty {
    const LASTING: Duration = LONG;
}

#[test]
fn runs() {
    let sys = System::new().unwrap();
    let app = App::start(&sys, "/".into(), 7, "kind").unwrap();
    assert_eq!(app.many[1].ask().value().unwrap(), 8);
    assert!(app.maybe.is_none() && app.alike[1].is_some());
    let session = app.sessions.start_child(1).unwrap();
    assert_eq!(session.ask().value().unwrap(), 8);
    app.by_function.start_child((1, 2)).unwrap();
    app.r#loop.ask().rest().unwrap();
    app.present.ask().rest().unwrap();
    assert_eq!(app.pool.get(1).unwrap().ask().value().unwrap(), 8);
    assert_eq!(app.pool.supervisor(), Supervisor::lookup(&sys, "pool").ok());
    app.r#for.pick().unwrap().ask().rest().unwrap();
    assert!(app.r#for.size() == 7 && app.nobody.pick().is_err());
    assert_eq!(app.inner.pool.pick().unwrap().ask().value().unwrap(), 8);
    assert_eq!(app.inner.one.ask().value().unwrap(), "kind");
    assert_eq!(app.inner.text.ask().value().unwrap(), "8");
    assert!(app.inner.nothing.is_alive());
    assert_eq!(Supervisor::lookup(&sys, "app").unwrap(), *app.supervisor());
    assert_eq!(
        Supervisor::lookup(&sys, "inner").unwrap(),
        *app.inner.supervisor()
    );
    let mut same = app.clone();
    same.refresh();
    assert_eq!(same, app);
    app.stop();
    assert_eq!(app.join(), ExitReason::Normal);
}
