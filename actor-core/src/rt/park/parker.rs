//! What is done with one parker: parking its stack or thread, waking it, raising what is due on its task. The protocol is in
//! the [parent module](super).

use std::cell::{Cell, UnsafeCell};
use std::panic;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::rt::edge::Edge;
#[cfg(feature = "testing")]
use crate::rt::header::FAULT;
use crate::rt::header::{HOLDS_STACK, Header, KILLED, PANICS, THROWN};
use crate::rt::local;
use crate::rt::throw::Thrown;
use crate::rt::token::{PARKED_THREAD, Token, Unparked};
use crate::rt::wait;
use crate::rt::worker::Worker;
use crate::sys::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use super::{Home, Killed, Local, Parker, allocate, check_stack, free_list};

impl Parker {
    pub(crate) fn new() -> Self {
        Parker {
            token: Token::new(),
            link: AtomicPtr::new(ptr::null_mut()),
            home: UnsafeCell::new(None),
            owner: AtomicUsize::new(0),
            edge: Edge::new(),
            local: Local {
                stack: Cell::new(None),
                size: Cell::new(0),
                index: Cell::new(0),
                timed_out: Cell::new(false),
                kill_raised: Cell::new(false),
                reply: Cell::new(ptr::null_mut()),
                no_suspend: Cell::new(0),
                shield: Cell::new(0),
                locals: Cell::new(None),
            },
        }
    }

    /// A parker for a new stack of `home`. On the thread of the home.
    pub(crate) fn for_stack(home: Home) -> &'static Parker {
        let parker = allocate();
        let owner = match &home {
            Home::Worker(_) => 0,
            Home::Local(home) => Arc::as_ptr(home).addr(),
        };
        parker.owner.store(owner, Ordering::Relaxed);
        // SAFETY: it came off the free list, so its token was not PARKED and cannot become so before its stack runs.
        unsafe { *parker.home.get() = Some(home) };
        parker.token.reset();
        parker
    }

    /// Gives the parker of a stack that has ended back. On the worker's thread.
    pub(crate) fn recycle(&'static self) {
        self.edge.set_task(ptr::null());
        self.local.no_suspend.set(0);
        self.local.shield.set(0);
        self.owner.store(0, Ordering::Relaxed);
        // SAFETY: its stack has ended: the token is not PARKED, so nobody may read `home`.
        drop(unsafe { (*self.home.get()).take() });
        free_list().push(self);
    }

    /// What its task waits for, as others may see it.
    pub(crate) fn edge(&self) -> &Edge {
        &self.edge
    }

    /// The part for the home worker's thread.
    pub(crate) fn local(&self) -> &Local {
        &self.local
    }

    /// A task begins on this stack.
    #[inline]
    pub(crate) fn begin(&self, task: *const Header) {
        self.edge.set_task(task);
        self.local.kill_raised.set(false);
    }

    /// Grants the permit and, if somebody is parked here, sees to it that it runs.
    #[inline]
    pub(crate) fn unpark(&'static self) {
        match self.token.unpark() {
            Unparked::Nobody => {}
            Unparked::Stack => self.send_home(),
            Unparked::Thread => self.wake_thread(),
        }
    }

    #[inline]
    pub(super) fn send_home(&'static self) {
        // SAFETY: this call made the transition PARKED→NOTIFIED and has not pushed yet, so the stack is suspended and
        // stays so, and `home` is not written.
        let home = unsafe { (*self.home.get()).as_ref() };
        match home.expect("a parked stack has a home") {
            Home::Worker(home) => Worker::with(|worker| match worker {
                Some(worker) if worker.is(home) => worker.ready(self),
                // Its own reference: once pushed, the stack may run, end, and its runtime with it.
                _ => Arc::clone(home).wake(self),
            }),
            Home::Local(home) => local::wake(home, self),
        }
    }

    /// Grants the permit without handing the stack home. `true`: it was parked, and the caller makes it ready: for a local
    /// scheduler, which has a place for it.
    pub(in crate::rt) fn unpark_in_place(&'static self) -> bool {
        match self.token.unpark() {
            Unparked::Nobody => false,
            Unparked::Stack => true,
            Unparked::Thread => {
                self.wake_thread();
                false
            }
        }
    }

    /// Parks what owns no stack: what [`unpark_in_place`](Self::unpark_in_place) undoes. `false`: a permit was there, and has been
    /// consumed.
    pub(in crate::rt) fn rest_in_place(&self) -> bool {
        self.local.timed_out.set(false);
        self.token.park()
    }

    /// What owns no stack is parked no more. Whether a permit was there, which has been consumed; if it was parked, somebody is about to
    /// hand it over.
    pub(in crate::rt) fn go_on_in_place(&self) -> bool {
        self.token.resume()
    }

    /// Whether the local scheduler `home` resumes the stack. From its own thread, on which alone the answer changes to or
    /// from yes.
    pub(in crate::rt) fn belongs_to(&self, home: &Arc<local::Shared>) -> bool {
        self.owner.load(Ordering::Relaxed) == Arc::as_ptr(home).addr()
    }

    /// Whether a permit is there, so that parking would not wait.
    pub(in crate::rt) fn has_permit(&self) -> bool {
        self.token.has_permit()
    }

    /// Whether its stack belongs to a local scheduler. On the stack's thread.
    #[inline]
    pub(crate) fn is_local(&self) -> bool {
        self.owner.load(Ordering::Relaxed) != 0
    }

    /// Sees to it that the task has a claim on the stack it is about to keep, also beyond the limit: what has started cannot be
    /// told to come back later, and if it blocked the thread instead, what would end its wait might be suspended on that very
    /// worker.
    #[inline]
    pub(super) fn claim_stack(&self) {
        // The limits of a local scheduler are those of its pool.
        if let Some(task) = self.task()
            && !task.has(HOLDS_STACK)
            && !self.is_local()
        {
            Worker::here(|worker| worker.core().budget.overdraw());
            task.set(HOLDS_STACK);
        }
    }

    /// Notes that the calling task is about to park here, then takes an error that has been thrown into it. `None` also where
    /// such errors are to stay pending. (throw: w1, w2)
    #[inline]
    pub(in crate::rt) fn take_thrown(&'static self) -> Option<Thrown> {
        let task = self.task()?;
        task.set_parker(self);
        if !task.has(THROWN) || self.local.shield.get() > 0 {
            return None;
        }
        task.pending()?.take(task)
    }

    /// What [`park_until`] does on a stack: this is the parker of the calling one, and nothing unwinds.
    #[inline(always)]
    pub(in crate::rt) fn park_here(&'static self, deadline: Option<Instant>) -> bool {
        check_stack();
        self.park_stack(deadline, true)
    }

    /// # Panics
    /// Inside `no_suspend`, and where a local scheduler's switches are trapped.
    #[inline(always)]
    pub(super) fn park_stack(&'static self, deadline: Option<Instant>, killable: bool) -> bool {
        self.refuse_to_park();
        if let Some(task) = self.task() {
            task.set_parker(self); // (kill: K1, K2)
        }
        if killable {
            self.check_kill(); // (kill: K3)
        }
        self.claim_stack();
        let in_time = self.suspend(deadline);
        if killable {
            self.check_kill();
        }
        in_time
    }

    /// Waits for the permit off the stack, for at most up to `deadline`.
    #[inline(always)]
    pub(super) fn suspend(&'static self, deadline: Option<Instant>) -> bool {
        if !self.token.park() {
            return true;
        }
        self.local.timed_out.set(false);
        if self.is_local() {
            local::suspend_parked(self, deadline);
        } else {
            Worker::here(|worker| worker.suspend_parked(self, deadline));
        }
        self.token.resume();
        !self.local.timed_out.get()
    }

    /// The home's timer for the wait under way has fired.
    pub(crate) fn time_out(&'static self) {
        self.local.timed_out.set(true);
        self.unpark();
    }

    /// As [`time_out`](Self::time_out), but the caller unparks.
    pub(in crate::rt) fn time_out_in_place(&self) {
        self.local.timed_out.set(true);
    }

    #[inline(always)]
    pub(super) fn yield_stack(&'static self) {
        self.refuse_in_no_suspend();
        if self.is_local() {
            local::yield_now();
        } else {
            self.claim_stack();
            Worker::here(|worker| worker.suspend_yielded());
        }
    }

    /// As [`refuse_in_no_suspend`](Self::refuse_in_no_suspend), also where a local scheduler's switches are trapped: for waits
    /// that have no error to give.
    #[inline]
    pub(super) fn refuse_to_park(&self) {
        self.refuse_in_no_suspend();
        if self.is_local() && local::is_trapped() {
            panic!("a blocking call inside `switch_trap`");
        }
    }

    pub(super) fn refuse_in_no_suspend(&self) {
        if self.local.no_suspend.get() > 0 {
            panic!("a blocking call inside `no_suspend`");
        }
    }

    /// What runs on this stack. On the home worker's thread.
    pub(crate) fn task(&self) -> Option<&Header> {
        // SAFETY: while a task runs on this stack, its frames hold a reference to it; the pointer is null otherwise.
        unsafe { self.edge.task().as_ref() }
    }

    /// Whether the task has been killed (or is to panic), and no shield keeps that off. On the home worker's thread.
    #[inline]
    pub(crate) fn is_kill_due(&self) -> bool {
        self.task().is_some_and(|task| task.has(KILLED | PANICS)) && self.local.shield.get() == 0
    }

    /// A runtime that is ending kills what runs on a stack of its worker's, which would not come back to it to be killed.
    pub(super) fn note_shutdown(&self) {
        if let Some(task) = self.task()
            && !task.is_killed()
            && Worker::here(|worker| worker.core().is_stopping())
        {
            task.set(KILLED);
        }
    }

    /// Whether this is the parker of a worker's stack, on which the calling task is running and may be suspended: a thread's has
    /// no task.
    #[inline]
    pub(in crate::rt) fn may_stand_still(&self) -> bool {
        self.task().is_some_and(|task| !task.has(KILLED | PANICS))
            && self.local.no_suspend.get() == 0
            && !self.is_local()
    }

    /// Whether what runs on this stack shall end: as [`is_kill_due`](Self::is_kill_due), also because its runtime is ending.
    pub(in crate::rt) fn is_ending(&self) -> bool {
        if !self.is_local() {
            self.note_shutdown();
        }
        self.is_kill_due()
    }

    /// Whether what runs on this stack is in a shielded section.
    pub(in crate::rt) fn is_shielded(&self) -> bool {
        self.local.shield.get() > 0
    }

    /// See [`raise_kill_if_due`]. On its own stack.
    #[inline]
    pub(in crate::rt) fn raise_kill_if_due(&'static self) {
        self.check_kill();
    }

    /// On a stack of a local scheduler, which has been resumed: raises a kill, and gives an error that was thrown in. Both come
    /// from this very thread, so no place need be noted first.
    #[inline]
    pub(in crate::rt) fn after_switch(&'static self) -> Option<Thrown> {
        let task = self.task()?;
        match task.has(KILLED | THROWN) {
            true => {
                self.check_kill();
                self.take_thrown()
            }
            false => None,
        }
    }

    #[inline]
    pub(super) fn check_kill(&'static self) {
        if self.is_kill_due() {
            self.raise_kill();
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn raise_kill(&'static self) {
        #[cfg(feature = "testing")]
        if let Some(task) = self.task()
            && task.clear(FAULT)
            && task.clear(PANICS)
        {
            panic!("{}", crate::rt::worker::INJECTED);
        }
        if self.local.kill_raised.replace(true) && self.local.no_suspend.get() == 0 {
            // The body swallowed the last one. Others first, so that a loop that catches kills starves nobody.
            match self.is_local() {
                true => local::let_go(),
                false => self.yield_stack(),
            }
        }
        panic::resume_unwind(Box::new(Killed));
    }

    #[cold]
    #[inline(never)]
    pub(super) fn park_thread(&self, deadline: Option<Instant>) -> bool {
        if !self.token.park_thread() {
            return true;
        }
        // Virtual time stands still for whoever blocks the thread it is moved on: so the deadline is there at once.
        if deadline.is_some_and(wait::skip_to) {
            return self.token.resume();
        }
        let mut in_time = true;
        while self.token.is_thread_parked() {
            let left = match deadline {
                None => None,
                Some(deadline) => match deadline.checked_duration_since(Instant::now()) {
                    Some(left) if !left.is_zero() => Some(left),
                    _ => {
                        in_time = false;
                        break;
                    }
                },
            };
            futex_wait(self.token.word(), PARKED_THREAD, left);
        }
        let permit = self.token.resume();
        in_time || permit
    }

    #[cold]
    #[inline(never)]
    pub(super) fn wake_thread(&self) {
        futex_wake(self.token.word());
    }
}

/// Sleeps while `word` is `expected`, for at most `timeout`; may return early.
fn futex_wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let spec = timeout.map(|t| libc::timespec {
        tv_sec: t.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: t.subsec_nanos().into(),
    });
    let spec = spec.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `word` is a live, aligned 32-bit word, `spec` null or a live timespec; the call writes to neither.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            ptr::from_ref(word),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            spec,
        );
    }
}

/// Wakes the thread that sleeps on `word`.
fn futex_wake(word: &AtomicU32) {
    // SAFETY: `word` is a live, aligned 32-bit word; the call only uses its address.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            ptr::from_ref(word),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            1,
        );
    }
}
