//! What the scheduler sees of a thing it can run.
//!
//! An actor's cell and a microthread's task, stackful or not, begin with a [`Header`]. The run queues hold one word an entry, a
//! [`Runnable`]: a pointer to a header together with one reference to it. Everything the scheduler must know beyond
//! that is behind the header's [`VTable`], one static a type.
//!
//! ```text
//!   Runnable ──► ┌────────────┐
//!                │ vtable     │ ──► run, release, who
//!                │ flags      │     KILLED and others, and the wanted stack size
//!                │ refs       │     addresses + handles + queue entries
//!                │ parker     │     the stack it is blocked on (or was last)
//!                │ id         │
//!                ├────────────┤
//!                │ the rest   │     actor cell or task, by type
//!                └────────────┘
//! ```
//!
//! # Reference counting
//! `refs` counts everything that may still reach the object: a `Runnable`, an address, a join handle, the running
//! activation. The last one calls `release`, which frees the memory. The count is only ever raised by somebody who
//! already holds a reference, so the usual relaxed increment and release decrement suffice.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use crate::observe::Who;
use crate::sys::atomic::{AtomicU32, Ordering, fence};

use super::park::Parker;
use super::throw::Pending;
use super::token::Place;

/// The operations of one type of schedulable object.
pub(crate) struct VTable {
    /// Runs it: one activation of an actor, or a microthread from start to end. Called on a pooled stack, whose parker that is.
    /// Must not unwind.
    pub(crate) run: unsafe fn(Runnable, &'static Parker) -> After,
    /// Called when the stack it ran on was abandoned in the middle of `run`, which will never return. The frames there
    /// keep their reference.
    pub(crate) overflowed: unsafe fn(NonNull<Header>, &'static Parker),
    /// Called for a queue entry that will never run because the runtime ends. Takes the entry's reference.
    pub(crate) discard: unsafe fn(NonNull<Header>),
    /// Frees the object; called once, when the last reference is gone.
    pub(crate) release: unsafe fn(NonNull<Header>),
    /// Called on a worker's root when the time has come that it asked for (`rt::alarm`). Valid while a reference is held.
    pub(crate) alarm: unsafe fn(NonNull<Header>),
    /// Called when it has been killed, besides waking the stack that it is blocked on: what owns no stack sees to it that it runs.
    /// Valid while a reference is held.
    pub(crate) killed: unsafe fn(NonNull<Header>),
    /// Its name for people, valid while a reference is held.
    pub(crate) who: unsafe fn(NonNull<Header>) -> Who,
    /// Where errors thrown into it wait, if any can be. The reference is valid while one to the object is held.
    pub(crate) pending: for<'a> unsafe fn(&'a Header) -> Option<&'a Pending>,
    /// Whether it is an actor, whose waits others may be told of (see `actor::waits`).
    pub(crate) is_actor: bool,
    /// The static name of its type, readable at any time, also in a signal handler.
    pub(crate) type_name: fn() -> &'static str,
}

/// What is to become of a runnable that has run.
#[must_use]
pub(crate) enum After {
    /// It has ended; its reference is given up.
    Done(Runnable),
    /// It wants to run again, after the others.
    Again(Runnable),
    /// It has become idle and has passed its reference on already: it may be running elsewhere, or be gone. It has
    /// called `Worker::stops` before.
    Idle,
}

/// Set once: the thing shall end at its next suspension point.
pub(crate) const KILLED: u32 = 1;
/// It has a claim on the stack budget (see `rt::core`), given back when it ends.
pub(crate) const HOLDS_STACK: u32 = 1 << 1;
/// An error has been thrown into it that no wait has returned yet (see `rt::throw`).
pub(crate) const THROWN: u32 = 1 << 2;
/// A driven runtime has chosen a fault for it, KILLED or PANICS, that is to be raised also where kills are not (`rt::park`,
/// `fault_point`).
pub(crate) const FAULT: u32 = 1 << 3;
/// A driven runtime has chosen that it panics, where a kill would be raised. A kill that comes too is raised after that.
pub(crate) const PANICS: u32 = 1 << 4;
/// A task that owns no stack has run; an actor's start hook has succeeded, in its present life.
pub(crate) const STARTED: u32 = 1 << 5;
const STACK_SHIFT: u32 = 16;

/// The first field of every schedulable object.
#[repr(C)]
pub(crate) struct Header {
    vtable: &'static VTable,
    flags: AtomicU32,
    refs: AtomicU32,
    parker: Place<Parker>,
    id: u64,
}

impl Header {
    /// A header with one reference. `stack_size` in bytes, 0 for the runtime's default; it is kept in units of 4 KiB,
    /// rounded up, at most 256 MiB.
    pub(crate) fn new(vtable: &'static VTable, id: u64, stack_size: usize) -> Self {
        let pages = stack_size.div_ceil(4096).min(0xffff) as u32;
        Header {
            vtable,
            flags: AtomicU32::new(pages << STACK_SHIFT),
            refs: AtomicU32::new(1),
            parker: Place::nowhere(),
            id,
        }
    }

    /// Writes every field but the count, one by one: a walk over type-stable memory may be reading that. The parker and the flags,
    /// which may be looked at too, are written atomically.
    ///
    /// # Safety
    /// `at` points to a slot that has been through [`init_free`](Self::init_free), whose count reads 0 and which nobody else
    /// uses.
    pub(crate) unsafe fn init(
        at: NonNull<Header>,
        vtable: &'static VTable,
        id: u64,
        stack_size: usize,
    ) {
        let pages = stack_size.div_ceil(4096).min(0xffff) as u32;
        let p = at.as_ptr();
        // SAFETY: the caller's.
        unsafe {
            (&raw mut (*p).vtable).write(vtable);
            (*p).flags.store(pages << STACK_SHIFT, Ordering::Relaxed);
            (*p).parker.forget();
            (&raw mut (*p).id).write(id);
        }
    }

    /// Makes the object whose fields have been written reachable, with `refs` references.
    ///
    /// # Safety
    /// After [`init`](Self::init), once.
    pub(crate) unsafe fn publish(at: NonNull<Header>, refs: u32) {
        // SAFETY: the caller's; the count is accessed atomically.
        unsafe { &(*at.as_ptr()).refs }.store(refs, Ordering::Release);
    }

    /// Sets the count of a slot that has never been used to 0, its parker to none, and no flags: the fields that may be looked at
    /// without a reference.
    ///
    /// # Safety
    /// `at` points to writable memory that nobody else knows.
    pub(crate) unsafe fn init_free(at: NonNull<Header>) {
        // SAFETY: the caller's.
        unsafe {
            (&raw mut (*at.as_ptr()).refs).write(AtomicU32::new(0));
            (&raw mut (*at.as_ptr()).parker).write(Place::nowhere());
            (&raw mut (*at.as_ptr()).flags).write(AtomicU32::new(0));
        }
    }

    /// The word that a free slot may be linked through.
    pub(crate) fn link_word(at: NonNull<Header>) -> NonNull<*mut ()> {
        const _: () = assert!(std::mem::offset_of!(Header, vtable) == 0);
        at.cast()
    }

    /// Takes a reference to the object in a slot, if there is one alive. For walkers of type-stable memory.
    ///
    /// # Safety
    /// `at` is a slot whose count has been initialised.
    pub(crate) unsafe fn try_acquire(at: NonNull<Header>) -> bool {
        // SAFETY: the caller's; only the count, an atomic, is touched.
        let refs = unsafe { &(*at.as_ptr()).refs };
        let mut n = refs.load(Ordering::Relaxed);
        while n != 0 {
            match refs.compare_exchange_weak(n, n + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => n = now,
            }
        }
        false
    }

    pub(crate) fn vtable(&self) -> &'static VTable {
        self.vtable
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The stack size asked for in bytes; 0 means the runtime's default.
    pub(crate) fn stack_size(&self) -> usize {
        (self.flags.load(Ordering::Relaxed) >> STACK_SHIFT) as usize * 4096
    }

    /// Asks for another stack size, in bytes, from the next time on that it is started.
    pub(crate) fn set_stack_size(&self, stack_size: usize) {
        let pages = stack_size.div_ceil(4096).min(0xffff) as u32;
        let flags = (1 << STACK_SHIFT) - 1;
        let change = |now: u32| Some(now & flags | pages << STACK_SHIFT);
        // Others may be setting flags.
        let _ = self
            .flags
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }

    pub(crate) fn has(&self, flag: u32) -> bool {
        self.flags.load(Ordering::Acquire) & flag != 0
    }

    /// As [`has`](Self::has), in one order with all [`set`](Self::set)s.
    pub(crate) fn has_in_order(&self, flag: u32) -> bool {
        self.flags.load(Ordering::SeqCst) & flag != 0
    }

    pub(crate) fn set(&self, flag: u32) -> bool {
        self.flags.fetch_or(flag, Ordering::SeqCst) & flag != 0
    }

    pub(crate) fn clear(&self, flag: u32) -> bool {
        self.flags.fetch_and(!flag, Ordering::SeqCst) & flag != 0
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.has(KILLED)
    }

    /// Marks it killed and wakes the stack it is blocked on, if any. The wake-up cannot be missed: see
    /// `rt::token`, "Kill".
    pub(crate) fn kill(&self) {
        self.set(KILLED); // k1
        self.unpark();
        // SAFETY: `&self` shows that the object is alive.
        unsafe { (self.vtable.killed)(NonNull::from(self)) }
    }

    /// Wakes the stack it is blocked on, if any, so that it sees what has just been set in its flags.
    pub(super) fn unpark(&self) {
        // Parkers are never freed (see `rt::park`), so one it has left is at worst woken without cause.
        if let Some(parker) = self.parker.find() {
            parker.unpark();
        }
    }

    /// Where errors thrown into it wait, if any can be.
    pub(super) fn pending(&self) -> Option<&Pending> {
        // SAFETY: the function was made for the type that begins with this header.
        unsafe { (self.vtable.pending)(self) }
    }

    /// Notes the stack it is about to block on, for [`kill`](Self::kill). KILLED is to be read after that.
    #[inline]
    pub(crate) fn set_parker(&self, parker: &'static Parker) {
        if !self.parker.is(parker) {
            self.parker.note(parker);
        }
    }

    /// As [`parker`](Self::parker), of an object that may be gone, and its memory in use for another of the same kind, or for
    /// none.
    ///
    /// # Safety
    /// `at` is a slot that [`init_free`](Self::init_free) has been called for, and its memory stays meanwhile.
    pub(crate) unsafe fn parker_at(at: NonNull<Header>) -> Option<&'static Parker> {
        // SAFETY: the caller's; the field is accessed atomically ever since.
        unsafe { &(*at.as_ptr()).parker }.last()
    }

    /// As [`has`](Self::has), of an object that may be gone: see [`parker_at`](Self::parker_at).
    ///
    /// # Safety
    /// As there.
    pub(crate) unsafe fn has_at(at: NonNull<Header>, flag: u32) -> bool {
        // SAFETY: the caller's; the field is accessed atomically ever since.
        unsafe { &(*at.as_ptr()).flags }.load(Ordering::Acquire) & flag != 0
    }

    /// The stack it is blocked on, or was last.
    pub(crate) fn parker(&self) -> Option<&'static Parker> {
        self.parker.last()
    }

    pub(crate) fn add_ref(&self) {
        let old = self.refs.fetch_add(1, Ordering::Relaxed);
        if old > u32::MAX / 2 {
            // Leaked references in a loop: nothing sound is left to do.
            std::process::abort();
        }
    }

    /// Gives up one reference, freeing the object if it was the last.
    ///
    /// # Safety
    /// The caller owns one reference to `this` and does not use it afterwards.
    pub(crate) unsafe fn drop_ref(this: NonNull<Header>) {
        // SAFETY: the caller's reference keeps the object alive up to the decrement.
        let header = unsafe { this.as_ref() };
        let vtable = header.vtable;
        if header.refs.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            // SAFETY: the count has reached zero: nobody else can reach the object.
            unsafe { (vtable.release)(this) }
        }
    }

    /// Its name for people.
    pub(crate) fn who(&self) -> Who {
        // SAFETY: `&self` shows that the object is alive.
        unsafe { (self.vtable.who)(NonNull::from(self)) }
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("type", &(self.vtable.type_name)())
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// One entry of a run queue: a schedulable object and one reference to it.
#[repr(transparent)]
pub(crate) struct Runnable(NonNull<Header>);

// SAFETY: what may be queued is by construction fit to run on any worker: actors are `Send`, and unstarted
// microthreads hold a `Send` closure.
unsafe impl Send for Runnable {}

impl Runnable {
    /// # Safety
    /// The caller hands over one reference to `header`, whose object is fit to run on any thread.
    pub(crate) unsafe fn from_raw(header: NonNull<Header>) -> Self {
        Runnable(header)
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: the entry holds a reference.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn as_ptr(&self) -> *const Header {
        self.0.as_ptr()
    }

    /// Runs it. Only on a pooled stack, that of `stack`.
    #[inline]
    pub(crate) fn run(self, stack: &'static Parker) -> After {
        // SAFETY: called once for each queue entry, on a pooled stack.
        unsafe { (self.header().vtable.run)(self, stack) }
    }

    /// Gives up its reference.
    pub(crate) fn finish(self) {
        let this = ManuallyDrop::new(self);
        // SAFETY: the entry's reference is given up here, once.
        unsafe { Header::drop_ref(this.0) }
    }

    /// Forgets the entry; its reference lives on elsewhere.
    pub(crate) fn into_raw(self) -> NonNull<Header> {
        ManuallyDrop::new(self).0
    }
}

impl Drop for Runnable {
    /// An entry dropped unrun is discarded: its owner learns that it will not run.
    fn drop(&mut self) {
        // SAFETY: the entry's reference goes over to `discard`.
        unsafe { (self.header().vtable.discard)(self.0) }
    }
}

impl fmt::Debug for Runnable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header().fmt(f)
    }
}
