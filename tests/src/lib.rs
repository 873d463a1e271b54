//! Shared support of the integration tests.
//!
//! - [`within`]: a watchdog, so that a hang is an abort with a name and not a silent wait.
//! - [`child!`](crate::child): runs a test's body in a process of its own: crashes, memory, processor time.
//! - [`Gate`]: what microthreads and threads wait for in place of a sleep.
//! - [`spoil`](mod@spoil): images with something wrong in them.
//! - [`heap`]: counts what a thread allocates.
//! - [`until`], [`until_idle`]: waits of the test's own thread.

pub mod heap;
pub mod spoil;

use std::fmt;
use std::future::poll_fn;
use std::hint::black_box;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use actor_core::Runtime;
use actor_core::microthread::{Builder, block_on};

/// Names the child's test in the environment of a child process.
const CHILD: &str = "ACTOR_TEST_CHILD";

/// What a child writes when its body has returned.
const DONE: &str = "the child's body has returned";

/// A child that takes longer hangs.
const CHILD_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the test's thread pauses between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(1);

/// Runs `f`. If that takes longer than `seconds` the process aborts with a message: a hung test would otherwise say
/// nothing, and its threads could not be ended.
#[track_caller]
pub fn within<R>(seconds: u64, f: impl FnOnce() -> R) -> R {
    let place = std::panic::Location::caller();
    let (finished, over) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if over.recv_timeout(Duration::from_secs(seconds)) == Err(mpsc::RecvTimeoutError::Timeout) {
            // The lock of the captured output may be held by what hangs.
            let _ = writeln!(std::io::stderr(), "hangs: not done in {seconds} s: {place}");
            std::process::abort();
        }
    });
    let result = f();
    drop(finished);
    watchdog.join().expect("the watchdog does not panic");
    result
}

/// Waits on an OS thread until `condition` holds. For what the runtime only shows from outside.
pub fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        thread::park_timeout(PAUSE);
    }
}

/// Waits until every worker of `runtime` sleeps: what has started is then parked or has ended.
///
/// A worker says that it sleeps before it looks for work a last time, so something that was handed over just now may
/// not have started yet: let it open a [`Gate`] first.
pub fn until_idle(runtime: &Runtime) {
    until(|| {
        let stats = runtime.stats();
        stats.sleeping == stats.workers
    });
}

/// Something to wait for: closed at first, then open for ever. Waiting parks a microthread and blocks a thread.
#[derive(Clone, Default)]
pub struct Gate(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    open: bool,
    waiting: Vec<Waker>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("open", &self.is_open())
            .finish()
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        let waiting = {
            let mut state = self.state();
            state.open = true;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.state().open
    }

    /// How many wait, or waited when they were last polled.
    pub fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    /// Waits until it is open.
    pub fn wait(&self) {
        block_on(self.opened());
    }

    /// A future that is ready when it is open.
    pub fn opened(&self) -> impl Future<Output = ()> + Send + 'static {
        let gate = self.clone();
        poll_fn(move |context| {
            let mut state = gate.state();
            if state.open {
                return Poll::Ready(());
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
    }
}

/// Runs a closure in a child process: the test's own binary, with this test alone, and what its last argument sets in
/// the environment. Gives how the child [`End`]ed; in the child it returns from the test.
///
/// ```ignore
/// #[test]
/// fn aborts() {
///     child!(|| std::process::abort()).aborts_with("");
/// }
/// ```
#[macro_export]
macro_rules! child {
    ($body:expr) => {
        $crate::child!($body, &[])
    };
    ($body:expr, $environment:expr) => {{
        fn here() {}
        match $crate::run_child(std::any::type_name_of_val(&here), $environment, $body) {
            Some(end) => end,
            None => return,
        }
    }};
}

/// How a child process ended.
#[derive(Debug)]
#[must_use]
pub struct End(Output);

/// See [`child!`](crate::child), which passes the path of a function inside the test as `place`. `None` in the child.
#[track_caller]
pub fn run_child(place: &str, environment: &[(&str, &str)], body: impl FnOnce()) -> Option<End> {
    // `crate::module::test::here`; libtest's names have no crate.
    let test = place
        .strip_suffix("::here")
        .and_then(|path| path.split_once("::"))
        .expect("called by the macro, inside a test")
        .1;
    if std::env::var_os(CHILD).is_some_and(|name| name == test) {
        body();
        std::io::stdout()
            .write_all(DONE.as_bytes())
            .expect("stdout is a pipe");
        return None;
    }
    let child = Command::new(std::env::current_exe().expect("the test's binary"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, test)
        .env("RUST_BACKTRACE", "0")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child process");
    let id = child.id();
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(child.wait_with_output()));
    let Ok(output) = end.recv_timeout(CHILD_TIMEOUT) else {
        // Only this child: its id is not used again before it has been waited for.
        let _ = Command::new("kill")
            .args(["-KILL", &id.to_string()])
            .status();
        panic!("the child of {test} hangs");
    };
    Some(End(output.expect("the child's output")))
}

impl End {
    fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    /// What the child wrote to stderr.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// The child's body has returned.
    #[track_caller]
    pub fn succeeds(self) {
        assert!(
            self.0.status.success() && self.stdout().contains(DONE),
            "{}\n{}\n{}",
            self.0.status,
            self.stdout(),
            self.stderr()
        );
    }

    /// The child has been killed, as by `kill -9`.
    #[track_caller]
    pub fn is_killed(self) {
        const SIGKILL: i32 = 9;
        let (out, err) = (self.stdout(), self.stderr());
        assert_eq!(self.0.status.signal(), Some(SIGKILL), "{out}\n{err}");
    }

    /// The child has aborted, and said `words`.
    #[track_caller]
    pub fn aborts_with(self, words: &str) {
        const SIGABRT: i32 = 6;
        assert_eq!(
            self.0.status.signal(),
            Some(SIGABRT),
            "{}\n{}",
            self.stdout(),
            self.stderr()
        );
        let stderr = self.stderr();
        assert!(stderr.contains(words), "no {words:?} in: {stderr}");
    }
}

/// A runtime with `workers` workers and otherwise the defaults.
pub fn runtime(workers: usize) -> Runtime {
    Runtime::builder()
        .workers(workers)
        .build()
        .expect("threads and descriptors")
}

/// A runtime with one worker and never another: what runs at all runs in one order, however slow the machine is. (Spare
/// workers come when one is held up, which on a busy machine is anybody.)
pub fn one_worker() -> Runtime {
    Runtime::builder()
        .workers(1)
        .spare_workers(0)
        .build()
        .expect("threads and descriptors")
}

/// A microthread that holds its worker until this is dropped.
#[derive(Debug)]
pub struct Holder(Arc<AtomicBool>);

impl Holder {
    /// Spawns it, with this name, and waits until it has a worker.
    pub fn spawn(runtime: &Runtime, name: &str) -> Holder {
        let (started, release) = (Gate::new(), Arc::new(AtomicBool::new(false)));
        let body = {
            let (started, release) = (started.clone(), release.clone());
            move || {
                started.open();
                while !release.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
            }
        };
        let handle = Builder::new().name(name).spawn_in(runtime, body);
        drop(handle.expect("a spawn"));
        started.wait();
        Holder(release)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Recursion that does nothing else: into the guard page.
#[inline(never)]
pub fn recurse(depth: usize) -> usize {
    let frame = black_box([depth; 32]);
    if black_box(depth) == usize::MAX {
        return frame[0];
    }
    recurse(depth + 1) + black_box(&frame)[3]
}

/// How many threads of this process are called `name`, or `name` and a hyphen and more.
pub fn threads_called(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("procfs");
    let called = |comm: &String| {
        comm.trim_end()
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    tasks
        .flatten()
        // A thread may end between the two looks.
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        .filter(|comm| called(comm))
        .count()
}

/// Opens its gate when dropped.
#[derive(Debug, Default)]
pub struct OpenOnDrop(pub Gate);

impl Drop for OpenOnDrop {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Milliseconds.
pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
