//! OS threads, as a comparison.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use super::super::Result;
use super::Population;

/// Whose turn it is: the index of a member, or as many as there are members for the main thread.
static TURN: AtomicUsize = AtomicUsize::new(0);
/// Threads that have started.
static STARTED: AtomicUsize = AtomicUsize::new(0);
/// Members by index, then, at the end, the main thread.
static RING: Mutex<Vec<Thread>> = Mutex::new(Vec::new());
static MAIN: OnceLock<Thread> = OnceLock::new();

fn pass(to: usize) {
    TURN.store(to, Ordering::Release);
    let ring = RING.lock().unwrap_or_else(PoisonError::into_inner);
    let next = ring.get(to).cloned();
    drop(ring);
    if let Some(next) = next.as_ref().or(MAIN.get()) {
        next.unpark();
    }
}

fn wait_for_turn(index: usize) {
    while TURN.load(Ordering::Acquire) != index {
        thread::park();
    }
}

fn member(index: usize) {
    STARTED.fetch_add(1, Ordering::AcqRel);
    if let Some(main) = MAIN.get() {
        main.unpark();
    }
    loop {
        wait_for_turn(index);
        pass(index + 1);
    }
}

#[derive(Default)]
pub(super) struct Threads {
    handles: Vec<JoinHandle<()>>,
}

impl Population for Threads {
    const VISITS: usize = 200_000;

    fn create(&mut self, n: usize) -> Result<()> {
        MAIN.get_or_init(thread::current);
        TURN.store(usize::MAX, Ordering::Release);
        self.handles.reserve_exact(n);
        for _ in 0..n {
            let index = self.handles.len();
            let handle = thread::Builder::new().spawn(move || member(index))?;
            let mut ring = RING.lock().unwrap_or_else(PoisonError::into_inner);
            ring.push(handle.thread().clone());
            drop(ring);
            self.handles.push(handle);
        }
        while STARTED.load(Ordering::Acquire) < self.handles.len() {
            thread::park();
        }
        Ok(())
    }

    fn exercise(&mut self) -> Result<()> {
        self.visit(1).map(drop)
    }

    fn stacks(&self) -> Option<u64> {
        None
    }

    fn visit(&mut self, rounds: usize) -> Result<(Duration, usize)> {
        let start = Instant::now();
        for _ in 0..rounds {
            pass(0);
            wait_for_turn(self.handles.len());
        }
        Ok((start.elapsed(), rounds * (self.handles.len() + 1)))
    }
}

/// Keeps this thread, and those it starts, to the CPU it runs on.
pub(super) fn keep_to_one_cpu() -> io::Result<()> {
    // SAFETY: asks for a number.
    let cpu = usize::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0);
    // SAFETY: a CPU set is plain bits, and all of them zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is one of the kernel's size, and the kernel gave the number.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: `set` lives through the call, and its size is given.
    match unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
