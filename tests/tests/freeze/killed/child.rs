//! A node in a process of its own. It is told what to do by lines on stdin, and answers each with a line.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use actor_core::channel::{self, Receiver, Sender};
use actor_core::image::Image;
use actor_core::microthread;
use actor_core::migrate::{
    FarError, FarSide, Node, Place, Secret, TcpFarListener, TcpFarSide, TcpSettings,
};
use actor_core::prelude::*;
use actor_core::store::{FileStore, Loaded, Store, StoreError};
use actor_core::{Addr, Backoff, System, migratable};
use tests::ms;

/// Which of the two it is, where its things are, and where it is killed, in the environment.
pub(super) const NAME: &str = "KILLED_NAME";
pub(super) const DIR: &str = "KILLED_DIR";
pub(super) const CUT: &str = "KILLED_CUT";
/// The address at which `b` answers, and whether ways are kept by the nodes themselves.
pub(super) const ADDRESS: &str = "KILLED_ADDRESS";
pub(super) const KEPT: &str = "KILLED_KEPT";

/// What is before each answer.
pub(super) const ANSWER: &str = "> ";

const THING: &str = "tally";

fn from_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

// ---- cuts ----------------------------------------------------------------------------------------------------------------

/// The process comes to a step of this kind, and may not get farther.
fn cut(step: &str) {
    static AT: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let at = AT.get_or_init(|| {
        let cut = from_env(CUT)?;
        let (step, number) = cut.split_once(':').expect("a step and a number");
        Some((step.to_owned(), number.parse().expect("a number")))
    });
    if let Some((at, number)) = at
        && at == step
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *number
    {
        // SAFETY: a signal to this process.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        // It may take a moment; nothing may happen in it.
        loop {
            thread::park();
        }
    }
}

struct Cut<T>(T);

impl Store for Cut<FileStore> {
    fn save(&self, name: &str, image: &Image) -> Result<(), StoreError> {
        cut("save-before");
        self.0.save(name, image)?;
        cut("save-after");
        Ok(())
    }

    fn load(&self, name: &str) -> Result<Loaded, StoreError> {
        self.0.load(name)
    }

    fn remove(&self, name: &str) -> Result<bool, StoreError> {
        cut("remove-before");
        let removed = self.0.remove(name)?;
        cut("remove-after");
        Ok(removed)
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        self.0.names()
    }
}

impl std::fmt::Debug for Cut<TcpFarSide> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl FarSide for Cut<TcpFarSide> {
    fn node(&self) -> &str {
        self.0.node()
    }

    fn send(&self, message: &[u8]) -> Result<(), FarError> {
        if message.is_empty() {
            return self.0.send(message);
        }
        cut("send-before");
        self.0.send(message)?;
        cut("send-after");
        Ok(())
    }

    fn recv(&self) -> Result<Vec<u8>, FarError> {
        // What came before has been handled.
        cut("recv-before");
        let message = self.0.recv()?;
        cut("recv-after");
        Ok(message)
    }

    fn close(&self) {
        self.0.close();
    }
}

// ---- what lives ----------------------------------------------------------------------------------------------------------

/// Which life it is, in this process.
static LIFE: AtomicU64 = AtomicU64::new(0);

/// It lives, it says.
fn lives() {
    static LOG: OnceLock<fs::File> = OnceLock::new();
    let mut log = LOG.get_or_init(|| {
        let path = log_in(Path::new(&from_env(DIR).expect("a directory")));
        let log = OpenOptions::new().append(true).create(true).open(path);
        log.expect("a log")
    });
    let life = LIFE.load(Ordering::SeqCst);
    let line = format!("{}.{life}\n", std::process::id());
    // One call to the system: a line is there, or it is not.
    log.write_all(line.as_bytes()).expect("a line");
}

pub(super) fn log_in(dir: &Path) -> PathBuf {
    dir.join("lives")
}

/// Counts each request once, whenever it comes.
#[actor(snapshot, mailbox = 4)]
#[derive(Default)]
struct Tally {
    sum: u64,
    seen: BTreeSet<u64>,
}

#[actor]
impl Tally {
    pub(super) fn begins(&mut self, cx: &mut Cx<Self>) {
        lives();
        cx.every(ms(2)).tick();
    }

    pub(super) fn tick(&self) {
        lives();
    }

    pub(super) fn add(&mut self, id: u64) {
        lives();
        if self.seen.insert(id) {
            self.sum += id;
        }
    }

    pub(super) fn sum(&self) -> u64 {
        self.sum
    }
}

type Sides = (Sender<u64>, Receiver<u64>);

/// The same, as a function: it answers each request with the sum. It is given a 0 to say no more than that.
#[migratable]
fn tally(requests: Receiver<u64>, sums: Sender<u64>) {
    let mut sum = 0;
    let mut seen = Vec::new();
    while let Ok(id) = requests.recv() {
        lives();
        if !seen.contains(&id) {
            seen.push(id);
            sum += id;
        }
        if sums.send(sum).is_err() {
            return;
        }
        microthread::yield_now();
    }
}

// ---- the process ---------------------------------------------------------------------------------------------------------

struct Side {
    node: Node,
    sys: System,
    /// Of the function, where it is here.
    sides: Arc<Mutex<Option<Sides>>>,
}

/// The child's part.
#[test]
fn child() {
    let (Some(name), Some(dir)) = (from_env(NAME), from_env(DIR)) else {
        return;
    };
    let dir = PathBuf::from(dir);
    let sys = System::new().unwrap();
    let sides = Arc::new(Mutex::new(None));
    let arrive = sides.clone();
    let store = FileStore::open(dir.join(&name)).unwrap();
    let node = Node::builder(&name, &sys)
        .store(Arc::new(Cut(store)))
        .patience(ms(500))
        .accept_actor_with::<Tally>(|_, _| {
            LIFE.fetch_add(1, Ordering::SeqCst);
        })
        .accept_with::<tally, Sides>(move |_, sides| {
            LIFE.fetch_add(1, Ordering::SeqCst);
            *arrive.lock().unwrap() = Some(sides);
        })
        .start()
        .unwrap();
    let side = Side { node, sys, sides };
    let ways = side.node.clone();
    let address: SocketAddr = from_env(ADDRESS).unwrap().parse().unwrap();
    match (name.as_str(), from_env(KEPT)) {
        ("a", Some(_)) => {
            let calling = ways.keep_calling(address, &secret(), settings());
            drop(calling.unwrap());
        }
        (_, Some(_)) => drop(ways.keep_answering(listener(address)).unwrap()),
        ("a", None) => drop(thread::spawn(move || call(&ways, address))),
        (_, None) => drop(thread::spawn(move || answer(&ways, &listener(address)))),
    }
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<_> = line.split(' ').collect();
        let answer = side.told(&words);
        let mut out = std::io::stdout().lock();
        writeln!(out, "{ANSWER}{answer}").unwrap();
        out.flush().unwrap();
    }
    std::process::exit(0);
}

fn secret() -> Secret {
    Secret::new(b"sixteen bytes, or more").unwrap()
}

fn settings() -> TcpSettings {
    let mut settings = TcpSettings::default();
    settings.again = Backoff::new(ms(5), ms(50));
    settings
}

fn listener(address: SocketAddr) -> TcpFarListener {
    TcpFarListener::bind(address, "b", &secret(), settings()).unwrap()
}

/// Calls the other again and again, by ways that are cut.
fn call(node: &Node, address: SocketAddr) {
    loop {
        if !node.has_way("b")
            && let Ok(far) = TcpFarSide::connect(address, "a", &secret(), settings())
        {
            let _ = node.attach(Cut(far));
        }
        thread::park_timeout(ms(5));
    }
}

fn answer(node: &Node, listener: &TcpFarListener) {
    loop {
        if let Ok(far) = listener.accept().unwrap().greet() {
            let _ = node.attach(Cut(far));
        }
    }
}

impl Side {
    fn told(&self, words: &[&str]) -> String {
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let answer = match words[0] {
            "way" => Ok(self.node.has_way(words[1])),
            "actor" => return self.begin_actor(),
            "function" => return self.begin_function(),
            "add" => self.add(number(1)),
            "flood" => Ok(self.flood(number(1)..number(2))),
            "migrate" => self.migrate(words[1]),
            "place" => {
                return match self.node.place(THING) {
                    None => "away".to_owned(),
                    Some(Place::Here) if self.node.has(THING) => "here".to_owned(),
                    Some(place) => format!("{place:?}"),
                };
            }
            "sum" => return self.sum().map_or_else(|error| error, |sum| sum.to_string()),
            other => panic!("{other}"),
        };
        match answer {
            Ok(done) => done.to_string(),
            Err(why) => why,
        }
    }

    /// Unless it has begun.
    fn begin_actor(&self) -> String {
        if self.node.place(THING).is_none() {
            let actor = self.sys.spawn(Tally::default()).unwrap();
            self.node.adopt(THING, &actor).unwrap();
            actor.tell().begins().unwrap();
            self.node.save(THING).unwrap();
        }
        "true".to_owned()
    }

    fn begin_function(&self) -> String {
        if self.node.place(THING).is_none() {
            let (to, requests) = channel::unbounded();
            let (sums, from) = channel::unbounded();
            let sides = (to, from);
            let start = tally(requests, sums);
            self.node.spawn_with(THING, start, sides.clone()).unwrap();
            *self.sides.lock().unwrap() = Some(sides);
        }
        "true".to_owned()
    }

    fn actor(&self) -> Option<Addr<Tally>> {
        self.node.actor(THING)
    }

    /// `true`: it is acknowledged.
    fn add(&self, id: u64) -> Result<bool, String> {
        if !self.node.has(THING) {
            return Ok(false);
        }
        match self.actor() {
            Some(actor) => actor.ask().add(id).map_err(|it| it.to_string())?,
            None => drop(self.ask_function(id)?),
        }
        self.node.save(THING).map_err(|it| it.to_string())?;
        Ok(true)
    }

    fn ask_function(&self, id: u64) -> Result<u64, String> {
        let sides = self.sides.lock().unwrap().clone();
        let (to, from) = sides.ok_or("it is not here")?;
        to.send(id).map_err(|it| it.to_string())?;
        let mut sum = from
            .recv_timeout(Duration::from_secs(1))
            .map_err(|it| it.to_string())?;
        // Answers to requests of before a crash, whose asker is no more.
        while let Ok(later) = from.try_recv() {
            sum = later;
        }
        Ok(sum)
    }

    fn sum(&self) -> Result<u64, String> {
        match self.actor() {
            Some(actor) => actor.ask().sum().map_err(|it| it.to_string()),
            None => self.ask_function(0),
        }
    }

    /// Its mailbox is full, and others wait for room in it.
    fn flood(&self, ids: std::ops::Range<u64>) -> bool {
        let Some(actor) = self.actor() else {
            return false;
        };
        if actor.sys().suspend().is_err() {
            return false;
        }
        let mut ids = ids.peekable();
        while let Some(id) = ids.peek() {
            if actor.try_tell().add(*id).is_err() {
                break;
            }
            ids.next();
        }
        for id in ids {
            let actor = actor.clone();
            thread::spawn(move || {
                let _ = actor.tell().add(id);
            });
        }
        true
    }

    fn migrate(&self, to: &str) -> Result<bool, String> {
        let moved = self.node.migrate(THING, to);
        if let Some(actor) = self.actor() {
            let _ = actor.sys().resume();
        }
        moved.map(|_| true).map_err(|it| it.to_string())
    }
}
