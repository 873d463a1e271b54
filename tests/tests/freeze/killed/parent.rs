//! Whoever starts the nodes, is their client, and looks at what they did.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tests::ms;

use super::child::{ADDRESS, ANSWER, CUT, DIR, KEPT, NAME, log_in};

#[derive(Clone, Copy, Debug)]
pub(super) enum Thing {
    Actor,
    Function,
}

/// Who is killed, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cuts {
    pub(super) at: &'static [&'static str],
    /// So many lives of each are cut short.
    pub(super) lives: usize,
    pub(super) step: &'static str,
    pub(super) number: u64,
    /// The nodes keep their ways themselves, and are killed at what they do with their stores only.
    pub(super) kept: bool,
}

struct Process {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// Where the nodes of a run are.
struct Place {
    dir: PathBuf,
    /// Of this run alone, and the same for each life.
    address: String,
    kept: bool,
}

/// It has been killed.
struct Killed;

impl Process {
    fn start(name: &str, place: &Place, cut: Option<String>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "killed::child::child", "--nocapture"])
            .arg("--test-threads=1")
            .env(NAME, name)
            .env(DIR, &place.dir)
            .env(ADDRESS, &place.address)
            .env_remove(CUT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(cut) = cut {
            command.env(CUT, cut);
        }
        if place.kept {
            command.env(KEPT, "yes");
        }
        let mut child = command.spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Process {
            child,
            to,
            from: BufReader::new(from),
        }
    }

    fn ask(&mut self, line: &str) -> Result<String, Killed> {
        // If it is no more, that shows below.
        let _ = writeln!(self.to, "{line}");
        loop {
            let mut answer = String::new();
            if self.from.read_line(&mut answer).unwrap() == 0 {
                let end = self.child.wait().unwrap();
                assert_eq!(end.signal(), Some(libc::SIGKILL), "{line}: {end}");
                return Err(Killed);
            }
            if let Some((_, answer)) = answer.trim_end().split_once(ANSWER) {
                return Ok(answer.to_owned());
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have been killed, and waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two nodes, from their beginning to the end.
pub(super) struct Run {
    thing: Thing,
    cuts: Cuts,
    place: Place,
    sides: [(&'static str, Process); 2],
    /// How often each has been killed.
    kills: [usize; 2],
    acknowledged: BTreeSet<u64>,
}

impl Run {
    pub(super) fn new(thing: Thing, cuts: Cuts) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        let dir = std::env::temp_dir().join(format!("actor-killed-{pid}-{number}"));
        fs::create_dir_all(&dir).unwrap();
        // An address that nobody calls from, so that it is free whenever it is needed.
        let (host, port) = (number % 250 + 1, 7_600 + number / 250);
        let address = format!("127.{}.{}.{host}:{port}", pid / 250 % 250 + 1, pid % 250);
        let kept = cuts.kept;
        let place = Place { dir, address, kept };
        let start = |name| (name, Process::start(name, &place, cuts.of(name, 0)));
        let sides = ["a", "b"].map(start);
        Run {
            thing,
            cuts,
            place,
            sides,
            kills: [0; 2],
            acknowledged: BTreeSet::new(),
        }
    }

    /// What a node answers; `None` if it has been killed: then it is started again.
    fn try_ask(&mut self, at: usize, line: &str) -> Option<String> {
        let (name, process) = &mut self.sides[at];
        match process.ask(line) {
            Ok(answer) => Some(answer),
            Err(Killed) => {
                self.kills[at] += 1;
                let cut = self.cuts.of(name, self.kills[at]);
                *process = Process::start(name, &self.place, cut);
                None
            }
        }
    }

    fn ask(&mut self, at: usize, line: &str) -> String {
        loop {
            if let Some(answer) = self.try_ask(at, line) {
                return answer;
            }
        }
    }

    /// The thing begins at the first node, and there is a way to the other.
    pub(super) fn begin(&mut self) {
        let begin = match self.thing {
            Thing::Actor => "actor",
            Thing::Function => "function",
        };
        assert_eq!(self.ask(0, begin), "true");
        self.way();
    }

    fn way(&mut self) {
        // Both are asked: of who was killed the other may not have heard yet, nor this one.
        while [self.ask(0, "way b"), self.ask(1, "way a")] != ["true", "true"] {
            thread::park_timeout(ms(2));
        }
    }

    /// Where it lives, when that is settled.
    fn home(&mut self) -> usize {
        loop {
            let places = [0, 1].map(|at| self.ask(at, "place"));
            if let Some(at) = places.iter().position(|it| it == "here") {
                return at;
            }
            thread::park_timeout(ms(2));
        }
    }

    /// Each is said, to whom it may concern, until it is acknowledged.
    pub(super) fn requests(&mut self, numbers: Range<u64>) {
        for number in numbers {
            let line = format!("add {}", number + 1);
            while !(0..2).any(|at| self.ask(at, &line) == "true") {
                thread::park_timeout(ms(2));
            }
            self.acknowledged.insert(number + 1);
        }
    }

    /// Its mailbox gets full; what is in it, and who waits, is acknowledged by nobody.
    pub(super) fn flood(&mut self, numbers: Range<u64>) {
        let at = self.home();
        let line = format!("flood {} {}", numbers.start + 1, numbers.end + 1);
        // Killed meanwhile, it is not flooded.
        let _ = self.try_ask(at, &line);
    }

    /// However often that has to be tried.
    pub(super) fn moves_to(&mut self, to: &str) {
        loop {
            let home = self.home();
            if self.sides[home].0 == to {
                return;
            }
            self.way();
            let _ = self.try_ask(home, &format!("migrate {to}"));
        }
    }

    /// What holds in the end. How often somebody was killed.
    pub(super) fn settle(mut self) -> usize {
        self.way();
        let what = format!("{:?} {:?}", self.thing, self.cuts);
        loop {
            let places = [0, 1].map(|at| self.ask(at, "place"));
            let here = places.iter().filter(|it| *it == "here").count();
            assert!(here <= 1, "{what}: it lives twice");
            if here == 1 && places.iter().any(|it| it == "away") {
                break;
            }
            thread::park_timeout(ms(2));
        }
        let home = self.home();
        let sum: u64 = self.acknowledged.iter().sum();
        let counted = loop {
            // Killed here, it is asked again.
            if let Ok(sum) = self.ask(home, "sum").parse::<u64>() {
                break sum;
            }
        };
        assert_eq!(counted, sum, "{what}");
        self.lives_follow_each_other(&what);
        self.kills.iter().sum()
    }

    fn lives_follow_each_other(&self, what: &str) {
        let log = fs::read_to_string(log_in(&self.place.dir)).unwrap();
        let mut lives: Vec<&str> = log.lines().collect();
        lives.dedup();
        let different: BTreeSet<_> = lives.iter().collect();
        assert_eq!(
            different.len(),
            lives.len(),
            "{what}: two at once: {lives:?}"
        );
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.place.dir);
        }
    }
}

impl Cuts {
    /// Where a node is killed that has been killed so often.
    fn of(&self, name: &str, kills: usize) -> Option<String> {
        let cut = self.at.contains(&name) && kills < self.lives;
        cut.then(|| format!("{}:{}", self.step, self.number))
    }
}
