//! OTP's supervisor as a pure model: trees, what happens to them, and what comes of it.
//!
//! Written after the behaviour of Erlang/OTP 25 and not after our own code: one mailbox a supervisor, one message at a time,
//! children with a pid, no pid, or *restarting*. What it says is checked against traces of the real one
//! ([`recorded`](super::recorded)); then our supervisors are checked against it ([`trees`](super::trees)).
//!
//! Time stands still: every attempt falls into the period.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use actor_core::{AutoShutdown, Restart, Strategy};

/// How a child behaves when it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It is killed.
    Brutal,
    /// It ends in time.
    Timeout,
    /// It does not, and is killed then.
    Stubborn,
}

/// What a child is.
#[derive(Clone, Debug)]
pub enum Kind {
    Worker(Stop),
    Sup(Setup),
}

/// A supervisor's settings.
#[derive(Clone, Debug)]
pub struct Setup {
    pub strategy: Strategy,
    pub intensity: usize,
    pub auto: AutoShutdown,
    pub children: Vec<Spec>,
}

/// A child's spec. Its id is the last part of its path.
#[derive(Clone, Debug)]
pub struct Spec {
    pub path: String,
    pub restart: Restart,
    pub significant: bool,
    pub kind: Kind,
}

/// What becomes of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Start,
    Fail,
    Ignore,
}

/// Why somebody ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Normal,
    Shutdown,
    Killed,
    Crash,
    /// A supervisor whose children did not start.
    Failed,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "normal",
            Self::Shutdown => "shutdown",
            Self::Killed => "killed",
            Self::Crash => "crash",
            Self::Failed => "failed",
        })
    }
}

/// What a supervisor is asked.
#[derive(Clone, Debug)]
pub enum Call {
    Terminate(String),
    Restart(String),
    Delete(String),
    Start(Spec),
}

impl Call {
    /// Of the child that it is about.
    pub fn path(&self) -> &str {
        match self {
            Self::Terminate(path) | Self::Restart(path) | Self::Delete(path) => path,
            Self::Start(spec) => &spec.path,
        }
    }
}

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Op {
    /// The next starts of this path go so.
    Plan(String, Outcome, usize),
    /// A worker ends by itself.
    Leave(String, Reason),
    Call(Call),
    /// While the supervisor is held up.
    Batch(String, Vec<Op>),
    /// The root is stopped.
    StopRoot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pid {
    Undefined,
    Restarting,
    Life(usize),
}

#[derive(Clone, Debug)]
struct Child {
    spec: Spec,
    pid: Pid,
}

#[derive(Clone, Debug)]
enum Msg {
    Exit(usize, Reason),
    /// The number of the attempt that failed.
    Retry(String, usize),
    Call(Call, usize),
}

#[derive(Clone, Debug)]
struct Sup {
    setup: Setup,
    /// In start order.
    children: Vec<Child>,
    restarts: usize,
    mailbox: VecDeque<Msg>,
    suspended: bool,
}

#[derive(Clone, Debug)]
struct Life {
    path: String,
    alive: bool,
    sup: Option<Sup>,
}

/// What a call is answered with.
pub type Answer = &'static str;

/// A tree and what has happened to it.
#[derive(Clone, Debug, Default)]
pub struct World {
    lives: Vec<Life>,
    plan: BTreeMap<String, VecDeque<Outcome>>,
    log: Vec<String>,
    answers: Vec<Answer>,
    attempts: usize,
    retries: BTreeMap<(usize, String), usize>,
    /// OTP 25 does not tell a retry that was overtaken by another restart from the one that is due.
    pub retries_by_number: bool,
}

pub fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

impl World {
    /// Starts a tree.
    pub fn start(root: &Spec) -> Self {
        let mut world = Self {
            retries_by_number: true,
            ..Self::default()
        };
        let _ = world.start_child(root);
        world
    }

    /// What happened since the last call of this.
    pub fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// The answers since then, in the order of the calls.
    pub fn take_answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }

    /// Whether the root lives.
    pub fn is_alive(&self) -> bool {
        self.living("root").is_some()
    }

    /// The paths of all that live, and whether they are supervisors.
    pub fn who(&self) -> Vec<(String, bool)> {
        let alive = self.lives.iter().filter(|life| life.alive);
        let mut who: Vec<_> = alive
            .map(|life| (life.path.clone(), life.sup.is_some()))
            .collect();
        who.sort();
        who
    }

    /// What the supervisors that live say of their children: in reverse start order.
    pub fn listing(&self) -> Vec<String> {
        let mut all = Vec::new();
        for life in self.lives.iter().filter(|life| life.alive) {
            let Some(sup) = &life.sup else { continue };
            for child in sup.children.iter().rev() {
                let state = match child.pid {
                    Pid::Undefined => "stopped",
                    Pid::Restarting => "restarting",
                    Pid::Life(_) => "running",
                };
                all.push((life.path.clone(), format!("{} {state}", child.spec.path)));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0)); // stable
        all.into_iter().map(|(_, line)| line).collect()
    }

    fn living(&self, path: &str) -> Option<usize> {
        self.lives
            .iter()
            .rposition(|life| life.alive && life.path == path)
    }

    fn sup(&mut self, sup: usize) -> &mut Sup {
        self.lives[sup].sup.as_mut().expect("a supervisor")
    }

    pub fn happen(&mut self, op: &Op) {
        match op {
            Op::Plan(path, outcome, times) => {
                self.plan.insert(
                    path.clone(),
                    std::iter::repeat_n(*outcome, *times).collect(),
                );
            }
            Op::Leave(path, reason) => {
                let life = self.living(path).expect("it lives");
                self.die(life, *reason);
            }
            Op::Call(call) => {
                self.answers.push("gone");
                let number = self.answers.len() - 1;
                if let Some(sup) = self.living(parent(call.path())) {
                    self.sup(sup)
                        .mailbox
                        .push_back(Msg::Call(call.clone(), number));
                    self.run(sup);
                }
            }
            Op::Batch(path, ops) => {
                let sup = self.living(path).expect("it lives");
                self.sup(sup).suspended = true;
                ops.iter().for_each(|op| self.happen(op));
                self.sup(sup).suspended = false;
                self.run(sup);
            }
            Op::StopRoot => {
                let root = self.living("root").expect("it lives");
                self.end(root, Reason::Shutdown);
            }
        }
    }

    /// Somebody ends by itself; its supervisor hears of it.
    fn die(&mut self, life: usize, reason: Reason) {
        self.lives[life].alive = false;
        let path = self.lives[life].path.clone();
        self.log.push(format!("exit {path} {reason}"));
        if let Some(sup) = self.living(parent(&path)) {
            self.sup(sup).mailbox.push_back(Msg::Exit(life, reason));
            self.run(sup);
        }
    }

    /// A supervisor stops its children and ends; nobody is told.
    fn end(&mut self, sup: usize, reason: Reason) {
        for index in (0..self.sup(sup).children.len()).rev() {
            self.stop(sup, index);
        }
        self.lives[sup].alive = false;
        let path = self.lives[sup].path.clone();
        self.log.push(format!("exit {path} {reason}"));
    }

    fn run(&mut self, sup: usize) {
        while self.lives[sup].alive && !self.sup(sup).suspended {
            let Some(msg) = self.sup(sup).mailbox.pop_front() else {
                return;
            };
            let over = match msg {
                Msg::Exit(life, reason) => self.exited(sup, life, reason),
                Msg::Retry(path, attempt) => self.retry(sup, &path, attempt),
                Msg::Call(call, number) => {
                    self.answers[number] = self.call(sup, call);
                    false
                }
            };
            if over {
                self.end(sup, Reason::Shutdown);
                let path = self.lives[sup].path.clone();
                if let Some(above) = self.living(parent(&path)) {
                    let msg = Msg::Exit(sup, Reason::Shutdown);
                    self.sup(above).mailbox.push_back(msg);
                    self.run(above);
                }
            }
        }
    }

    fn index(&mut self, sup: usize, path: &str) -> Option<usize> {
        let children = &self.sup(sup).children;
        children.iter().position(|it| it.spec.path == path)
    }

    // ---- starting and stopping ------------------------------------------------------------------------------------------

    /// `Ok(None)`: ignored.
    fn start_child(&mut self, spec: &Spec) -> Result<Option<usize>, ()> {
        let planned = self.plan.get_mut(&spec.path).and_then(VecDeque::pop_front);
        match planned.unwrap_or(Outcome::Start) {
            Outcome::Start => {}
            Outcome::Fail => {
                self.log.push(format!("fail {}", spec.path));
                return Err(());
            }
            Outcome::Ignore => return Ok(None),
        }
        self.log.push(format!("start {}", spec.path));
        let life = self.lives.len();
        let sup = match &spec.kind {
            Kind::Worker(_) => None,
            Kind::Sup(setup) => Some(Sup {
                setup: setup.clone(),
                children: Vec::new(),
                restarts: 0,
                mailbox: VecDeque::new(),
                suspended: false,
            }),
        };
        self.lives.push(Life {
            path: spec.path.clone(),
            alive: true,
            sup,
        });
        if let Kind::Sup(setup) = &spec.kind {
            for spec in &setup.children {
                let pid = match self.start_child(spec) {
                    Ok(Some(life)) => Pid::Life(life),
                    Ok(None) if spec.restart == Restart::Temporary => continue,
                    Ok(None) => Pid::Undefined,
                    Err(()) => {
                        self.end(life, Reason::Failed);
                        let path = self.lives[life].path.clone();
                        self.log.push(format!("fail {path}"));
                        return Err(());
                    }
                };
                let spec = spec.clone();
                self.sup(life).children.push(Child { spec, pid });
            }
        }
        Ok(Some(life))
    }

    /// Stops a child, whatever it is. An exit of it that has not been noticed is swallowed.
    fn stop(&mut self, sup: usize, index: usize) {
        let child = self.sup(sup).children[index].clone();
        self.sup(sup).children[index].pid = Pid::Undefined;
        let Pid::Life(life) = child.pid else { return };
        self.sup(sup)
            .mailbox
            .retain(|msg| !matches!(msg, Msg::Exit(it, _) if *it == life));
        if !self.lives[life].alive {
            return;
        }
        match child.spec.kind {
            Kind::Sup(_) => self.end(life, Reason::Shutdown),
            Kind::Worker(stop) => {
                let reason = match stop {
                    Stop::Timeout => Reason::Shutdown,
                    Stop::Brutal | Stop::Stubborn => Reason::Killed,
                };
                self.lives[life].alive = false;
                self.log.push(format!("exit {} {reason}", child.spec.path));
            }
        }
    }

    // ---- what the messages do; `true`: the supervisor shuts down -----------------------------------------------------------

    fn exited(&mut self, sup: usize, life: usize, reason: Reason) -> bool {
        let children = &self.sup(sup).children;
        let Some(index) = children.iter().position(|it| it.pid == Pid::Life(life)) else {
            return false;
        };
        let spec = children[index].spec.clone();
        let normal = matches!(reason, Reason::Normal | Reason::Shutdown);
        match spec.restart {
            Restart::Permanent => return self.restart(sup, index),
            Restart::Transient if !normal => return self.restart(sup, index),
            Restart::Transient => self.sup(sup).children[index].pid = Pid::Undefined,
            Restart::Temporary => drop(self.sup(sup).children.remove(index)),
        }
        let sup = self.sup(sup);
        spec.significant
            && match sup.setup.auto {
                AutoShutdown::AnySignificant => true,
                AutoShutdown::AllSignificant => !sup
                    .children
                    .iter()
                    .any(|it| it.spec.significant && it.pid != Pid::Undefined),
                _ => false,
            }
    }

    fn restart(&mut self, sup: usize, index: usize) -> bool {
        let it = self.sup(sup);
        it.restarts += 1;
        if it.restarts > it.setup.intensity {
            it.children[index].pid = Pid::Undefined;
            return true;
        }
        let count = it.children.len();
        let group = match it.setup.strategy {
            Strategy::OneForAll => 0..count,
            Strategy::RestForOne => index..count,
            _ => index..index + 1,
        };
        it.children[index].pid = Pid::Undefined;
        for index in group.clone().rev() {
            self.stop(sup, index);
        }
        let mut paths = Vec::new();
        for index in group.rev() {
            let spec = &self.sup(sup).children[index].spec;
            if spec.restart == Restart::Temporary {
                self.sup(sup).children.remove(index);
            } else {
                paths.push(spec.path.clone());
            }
        }
        for path in paths.into_iter().rev() {
            let index = self.index(sup, &path).expect("it is kept");
            let spec = self.sup(sup).children[index].spec.clone();
            match self.start_child(&spec) {
                Ok(life) => {
                    self.sup(sup).children[index].pid = life.map_or(Pid::Undefined, Pid::Life);
                }
                Err(()) => {
                    self.sup(sup).children[index].pid = Pid::Restarting;
                    self.attempts += 1;
                    let attempt = self.attempts;
                    self.retries.insert((sup, path.clone()), attempt);
                    self.sup(sup).mailbox.push_back(Msg::Retry(path, attempt));
                    return false;
                }
            }
        }
        false
    }

    fn retry(&mut self, sup: usize, path: &str, attempt: usize) -> bool {
        let Some(index) = self.index(sup, path) else {
            return false;
        };
        let newest = self.retries.get(&(sup, path.to_owned())) == Some(&attempt);
        let waits = self.sup(sup).children[index].pid == Pid::Restarting;
        waits && (newest || !self.retries_by_number) && self.restart(sup, index)
    }

    fn call(&mut self, sup: usize, call: Call) -> Answer {
        let index = self.index(sup, call.path());
        let pid = index.map(|index| self.sup(sup).children[index].pid);
        match (call, index, pid) {
            (Call::Start(_), _, Some(Pid::Undefined)) => "already_present",
            (Call::Start(_), _, Some(_)) => "already_started",
            (Call::Start(spec), ..) => match self.start_child(&spec) {
                Ok(None) if spec.restart == Restart::Temporary => "ignored",
                Ok(life) => {
                    let pid = life.map_or(Pid::Undefined, Pid::Life);
                    self.sup(sup).children.push(Child { spec, pid });
                    if life.is_some() { "ok" } else { "ignored" }
                }
                Err(()) => "failed",
            },
            (Call::Terminate(_), Some(index), _) => {
                self.stop(sup, index);
                if self.sup(sup).children[index].spec.restart == Restart::Temporary {
                    self.sup(sup).children.remove(index);
                }
                "ok"
            }
            (Call::Restart(_), Some(index), Some(Pid::Undefined)) => {
                let spec = self.sup(sup).children[index].spec.clone();
                match self.start_child(&spec) {
                    Ok(life) => {
                        self.sup(sup).children[index].pid = life.map_or(Pid::Undefined, Pid::Life);
                        if life.is_some() { "ok" } else { "ignored" }
                    }
                    Err(()) => "failed",
                }
            }
            (Call::Delete(_), Some(index), Some(Pid::Undefined)) => {
                self.sup(sup).children.remove(index);
                "ok"
            }
            (Call::Restart(_) | Call::Delete(_), _, Some(Pid::Restarting)) => "restarting",
            (Call::Restart(_) | Call::Delete(_), _, Some(Pid::Life(_))) => "running",
            _ => "not_found",
        }
    }
}
