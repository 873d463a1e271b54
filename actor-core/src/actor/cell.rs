//! An actor in memory: its cell.
//!
//! ```text
//!   offset    0  header      what the scheduler sees: vtable, flags, references, parker, id        32 bytes
//!            32  mailbox     word, positions, blocks (none while it is empty), waiting senders     40
//!            72  extra       name, supervisor, waiters: null for most                               8
//!            80  incarnation, life                                                                  8
//!            88  state       the actor itself; absent before the first start and between lives
//! ```
//! An actor with eight bytes of state takes 96. Cells lie in slabs, one for each runtime and type (`rt::slab`), from
//! whose chunk header the cell finds its system.
//!
//! # References
//! Each address counts one. One more, the *life reference*, belongs to the actor itself until it has ended for good. It
//! travels with the right to run: while the mailbox is idle it belongs to nobody in particular; the sender whose push
//! says "must schedule" takes it into the queue entry; the activation has it; going idle puts it down again. So neither
//! scheduling nor running an actor touches the count.
//!
//! # Life
//! ```text
//!            place()                       on_start ok              ended, no supervisor
//!   (none) ─────────► STARTING ───────────────────────► RUNNING ───────────────────────► DEAD
//!                        ▲   └── on_start failed ──┐       │ ended, supervised            ▲
//!                        │                         ▼       ▼                              │
//!                        └──────── restart() ────── DOWN (mailbox suspended) ── bury() ───┘
//! ```
//! On its way to DEAD it is ENDING for a moment: for those who send it messages it is dead already, for those who wait for its
//! end not yet. Only the holder of the right to run moves on from STARTING and RUNNING, and only the supervisor from DOWN: its
//! mailbox is suspended, so nobody else can come by the right to run.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::{self, MaybeUninit};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::observe::Who;
use crate::rt::header::{After, Header, Runnable, VTable};
use crate::rt::park::Parker;
use crate::rt::slab::{Slab, Slot};
use crate::rt::worker::Worker;

use super::activation;
use super::delivery::WhenFull;
use super::extra::Extra;
use super::host::Host;
use super::kept::Word;
use super::lanes::Lanes;
use super::life;
use super::mailbox::{Consumer, Flags, Mailbox, Wake};
use super::reply::Port;
use super::traits::Actor;

/// It has a state, whose `on_start` has not run.
pub(super) const STARTING: u8 = 0;
/// It handles messages.
pub(super) const RUNNING: u8 = 1;
/// Between two lives: it has no state, and its supervisor decides.
pub(super) const DOWN: u8 = 2;
/// It has ended for good, and what it never handled is being accounted for.
pub(super) const ENDING: u8 = 3;
/// It has ended for good, and nothing is left to do.
pub(super) const DEAD: u8 = 4;

/// A message with the port for its answer.
pub(super) struct Envelope<M> {
    pub(super) msg: M,
    pub(super) reply: Port,
}

#[repr(C)]
pub(crate) struct Cell<A: Actor> {
    header: Header,
    pub(super) mailbox: Mailbox<Envelope<A::Msg>>,
    /// For the lazily allocated part.
    extra: Word,
    pub(super) incarnation: AtomicU32,
    pub(super) life: AtomicU8,
    /// Whether `state` holds an actor. Only the holder of the right to run (or the supervisor of one that is DOWN) looks.
    has_state: UnsafeCell<bool>,
    /// The state went to the heap, because the place in the cell was lost to an abandoned stack.
    moved: UnsafeCell<bool>,
    state: UnsafeCell<MaybeUninit<A>>,
    owns: PhantomData<A>,
}

// SAFETY: the state and its two flags are touched only by the holder of the right to run, which moves between threads
// by way of the mailbox's word (acquire and release); everything else is atomic or locked. `A: Send`.
unsafe impl<A: Actor> Sync for Cell<A> {}
// SAFETY: as above; nothing in it is bound to a thread.
unsafe impl<A: Actor> Send for Cell<A> {}

// SAFETY: the count word is `header.refs`; the link is `header.vtable`, another word; the header's own access to the
// count is atomic throughout.
unsafe impl<A: Actor> Slot for Cell<A> {
    unsafe fn init_free(slot: NonNull<Self>) {
        // SAFETY: the caller's: writable memory that nobody else knows.
        unsafe { Header::init_free(slot.cast()) }
    }

    fn link(slot: NonNull<Self>) -> NonNull<*mut Self> {
        Header::link_word(slot.cast()).cast()
    }

    unsafe fn try_acquire(slot: NonNull<Self>) -> bool {
        // SAFETY: the caller's: a carved slot, so the count word is initialised.
        unsafe { Header::try_acquire(slot.cast()) }
    }
}

impl<A: Actor> Cell<A> {
    const VTABLE: VTable = VTable {
        run: Self::run,
        overflowed: Self::overflowed,
        discard: Self::discard,
        release: Self::release,
        alarm: Self::alarm,
        killed: |_| (),
        who: Self::who,
        pending: |_| None,
        is_actor: true,
        type_name: Self::type_label,
    };

    /// The bound of its mailbox as the mailbox wants it: 0 for none.
    pub(super) const CAP: u32 = match A::OPTIONS.capacity() {
        Some(capacity) => capacity,
        None => 0,
    };

    /// What its mailbox does when it is full.
    pub(super) const WHEN_FULL: WhenFull = A::OPTIONS.policy();

    pub(super) fn type_label() -> &'static str {
        A::OPTIONS
            .type_name()
            .unwrap_or_else(|| short_name(std::any::type_name::<A>()))
    }

    /// A new cell with two references: the actor's own (its life) and the caller's. With a state the actor is STARTING and
    /// its mailbox scheduled, so the caller must see that it runs; or, if there is nothing to do before its first message,
    /// RUNNING and idle. Without a state it is DOWN, its mailbox suspended.
    pub(super) fn create(
        host: &Arc<Host>,
        state: Option<A>,
        extra: Option<Box<Extra>>,
    ) -> NonNull<Self> {
        let worker = host.worker_here();
        let id = match worker {
            Some(_) => Worker::here(|worker| worker.seam().next_id()),
            None => host.core.seam.next_id(),
        };
        Self::create_as(host, worker, id, state, Word::of_extra(extra))
    }

    /// As [`create`](Self::create), with an id that is no other's, and `extra` as the word for the lazily allocated part.
    #[inline]
    pub(super) fn create_as(
        host: &Arc<Host>,
        worker: Option<usize>,
        id: u64,
        state: Option<A>,
        extra: Word,
    ) -> NonNull<Self> {
        // SAFETY: the index is this thread's worker, if it has one.
        let cell = unsafe { host.slab::<A>().alloc(worker, host) };
        let (life, mailbox) = match &state {
            None => (DOWN, Mailbox::new_suspended()),
            Some(_) if A::OWN_STACK || A::HAS_ON_START => (STARTING, Mailbox::new_scheduled()),
            Some(_) => (RUNNING, Mailbox::new()),
        };
        let stack_size = A::OPTIONS.stack_size().unwrap_or(0);
        // SAFETY: a fresh slot that nobody else knows; every field but the count is written here, one by one, then the count
        // is published.
        unsafe {
            let p = cell.as_ptr();
            Header::init(cell.cast(), &Self::VTABLE, id, stack_size);
            (&raw mut (*p).mailbox).write(mailbox);
            (&raw mut (*p).extra).write(extra);
            (&raw mut (*p).incarnation).write(AtomicU32::new(1));
            (&raw mut (*p).life).write(AtomicU8::new(life));
            (&raw mut (*p).has_state).write(UnsafeCell::new(state.is_some()));
            (&raw mut (*p).moved).write(UnsafeCell::new(false));
            if let Some(state) = state {
                (&raw mut (*p).state).cast::<A>().write(state);
            }
            Header::publish(cell.cast(), 2);
        }
        cell
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    pub(super) fn host(&self) -> &Arc<Host> {
        // SAFETY: `&self` is a live cell of that slab.
        unsafe { Slab::<Self, Arc<Host>>::owner_of(NonNull::from(self)) }
    }

    /// # Safety
    /// `header` is the first field of a live `Cell<A>`.
    pub(super) unsafe fn of<'a>(header: NonNull<Header>) -> &'a Self {
        // SAFETY: `repr(C)` puts the header first.
        unsafe { header.cast::<Self>().as_ref() }
    }

    pub(super) fn life(&self) -> u8 {
        self.life.load(Ordering::Acquire)
    }

    /// The word for the lazily allocated part.
    pub(super) fn extra_word(&self) -> &Word {
        &self.extra
    }

    /// The lazily allocated part, if it is there.
    #[inline]
    pub(super) fn extra(&self) -> Option<&Extra> {
        self.extra.extra()
    }

    /// As [`extra`](Self::extra), in one order with its being made.
    pub(super) fn extra_in_order(&self) -> Option<&Extra> {
        self.extra.extra_in_order()
    }

    /// The lazily allocated part.
    #[inline]
    pub(super) fn extra_or_new(&self) -> &Extra {
        self.extra.extra_or_new()
    }

    /// The lanes beside the queue, if there are any.
    pub(super) fn lanes(&self) -> Option<&Lanes<A::Msg>> {
        self.extra()?.has_rare()?.lanes.get()?.downcast_ref()
    }

    /// The lanes beside the queue.
    pub(super) fn lanes_or_new(&self) -> &Lanes<A::Msg> {
        let lanes = &self.extra_or_new().rare().lanes;
        if lanes.get().is_none() {
            lanes.set(Box::new(Box::new(Lanes::<A::Msg>::new())));
        }
        self.lanes().expect("set just now, to lanes of this type")
    }

    /// Messages waiting, in all lanes.
    pub(super) fn queued(&self) -> usize {
        self.mailbox.len() + self.lanes().map_or(0, Lanes::len)
    }

    /// The consumer alone takes messages out of its mailbox.
    pub(super) const POPS_IN_PLACE: bool = !matches!(Self::WHEN_FULL, WhenFull::DropOldest);

    /// The oldest message of one lane, taken out as the policy of the type asks for.
    #[inline(always)]
    pub(super) fn pop(consumer: &mut Consumer<'_, Envelope<A::Msg>>) -> Option<Envelope<A::Msg>> {
        match Self::WHEN_FULL {
            WhenFull::DropOldest => consumer.pop_locked(),
            _ => consumer.pop(Self::CAP),
        }
    }

    // ---- the state: for the holder of the right to run ---------------------------------------------------------------

    /// Where the state is: in the cell, or, once the place there was lost to an abandoned stack, on the heap.
    fn state_ptr(&self) -> *mut A {
        // SAFETY: only the holder of the right to run comes here.
        if unsafe { *self.moved.get() } {
            self.extra_or_new()
                .moved_state
                .load(Ordering::Acquire)
                .cast()
        } else {
            self.state.get().cast()
        }
    }

    /// The actor.
    ///
    /// # Safety
    /// The caller has the right to run, uses no other reference to the state, and the actor is STARTING or RUNNING with its
    /// state in place.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "see the contract")]
    pub(super) unsafe fn state(&self) -> &mut A {
        // SAFETY: the caller's.
        unsafe { &mut *self.state_ptr() }
    }

    /// Takes the actor out, if it is in.
    ///
    /// # Safety
    /// The caller has the right to run (or the actor is DOWN and the caller its supervisor).
    pub(super) unsafe fn take_state(&self) -> Option<A> {
        // SAFETY: the caller's.
        unsafe {
            if !mem::replace(&mut *self.has_state.get(), false) {
                return None;
            }
            Some(if *self.moved.get() {
                *Box::from_raw(self.state_ptr())
            } else {
                self.state_ptr().read()
            })
        }
    }

    /// Drops the actor where it is, if it is in: a large one need not fit on the stack.
    ///
    /// # Safety
    /// As [`take_state`](Self::take_state).
    pub(super) unsafe fn drop_state(&self) {
        // SAFETY: the caller's; it is not in any more, whatever its destructor does.
        unsafe {
            if !mem::replace(&mut *self.has_state.get(), false) {
                return;
            }
            if *self.moved.get() {
                drop(Box::from_raw(self.state_ptr()));
            } else {
                ptr::drop_in_place(self.state_ptr());
            }
        }
    }

    /// Puts an actor in.
    ///
    /// # Safety
    /// As [`take_state`](Self::take_state); there is none in.
    pub(super) unsafe fn put_state(&self, state: A) {
        // SAFETY: the caller's.
        unsafe {
            if *self.moved.get() {
                let place = Box::into_raw(Box::new(state)).cast();
                self.extra_or_new()
                    .moved_state
                    .store(place, Ordering::Release);
            } else {
                self.state.get().cast::<A>().write(state);
            }
            *self.has_state.get() = true;
        }
    }

    /// Forgets the actor without dropping it: its stack was abandoned, and others may be using it. Its place is never used
    /// again.
    ///
    /// # Safety
    /// As [`take_state`](Self::take_state).
    pub(super) unsafe fn leak_state(&self) {
        // SAFETY: the caller's.
        unsafe {
            *self.has_state.get() = false;
            *self.moved.get() = true;
        }
    }

    // ---- scheduling ---------------------------------------------------------------------------------------------------

    /// Does what the mailbox has told the caller to.
    #[inline]
    pub(super) fn wake(&self, wake: Wake) {
        match wake {
            Wake::Nobody => {}
            Wake::Actor => self.schedule(),
            Wake::Listener => self.wake_listener(),
        }
    }

    /// Its handler waits for a message, on a stack that it noted before it said so. A wake-up that comes late is a spurious
    /// one.
    #[cold]
    fn wake_listener(&self) {
        if let Some(parker) = self.header.parker() {
            parker.unpark();
        }
    }

    /// Makes the actor run. The caller has been told by the mailbox that it must.
    #[inline]
    pub(super) fn schedule(&self) {
        if A::OWN_STACK {
            // Its body waits on its own stack, with its parker noted before the mailbox was idle, and it has the right to
            // run for all of its life. Killed meanwhile, it may have ended, or be in its next life: there is nothing to
            // hand over then either, and the wake-up is spurious.
            if let Some(parker) = self.header.parker() {
                parker.unpark();
            }
            return;
        }
        // SAFETY: the mailbox has just handed the caller the life reference, once.
        let runnable = unsafe { Runnable::from_raw(NonNull::from(&self.header)) };
        let host = self.host();
        if let Some(left) = Worker::queue_here(&host.core, runnable, Worker::push_next) {
            host.inject(left);
        }
    }

    /// Makes the actor run, here and now if that can be: it was idle, and has been asked by whoever's parker is `asker`, who waits
    /// next, for an answer into `slot`. It does not own its stack.
    #[inline(always)]
    pub(super) fn run_asked(&self, asker: &'static Parker, slot: *mut ()) {
        // SAFETY: as in `schedule`.
        let runnable = unsafe { Runnable::from_raw(NonNull::from(&self.header)) };
        let host = self.host();
        if let Some(left) = Worker::call_or_queue(&host.core, asker, runnable, slot) {
            host.inject(left);
        }
    }

    /// As [`schedule_first`](Self::schedule_first), of an actor whose start whoever's parker is `starter` waits for next: runs it
    /// here and now, if that can be. It has been created scheduled.
    pub(super) fn start(&self, starter: &'static Parker) {
        if A::OWN_STACK {
            return self.schedule_first();
        }
        // SAFETY: as in `schedule_first`.
        let runnable = unsafe { Runnable::from_raw(NonNull::from(&self.header)) };
        let host = self.host();
        if let Some(left) = Worker::call_start_or_queue(&host.core, starter, runnable) {
            host.inject(left);
        }
    }

    /// Makes the first activation of a life run, which may take long: a sleeping worker is woken for it.
    pub(super) fn schedule_first(&self) {
        // SAFETY: created (or resumed) scheduled, so the life reference is the caller's to hand over, once.
        let runnable = unsafe { Runnable::from_raw(NonNull::from(&self.header)) };
        let host = self.host();
        if let Some(left) = Worker::queue_here(&host.core, runnable, Worker::push_unstarted) {
            host.inject(left);
        }
    }

    /// Raises a flag for the actor to see at its next message boundary.
    pub(super) fn raise(&self, flag: Flags) {
        self.wake(self.mailbox.raise(flag));
    }

    unsafe fn run(runnable: Runnable, stack: &'static Parker) -> After {
        // SAFETY: this vtable is only ever put into a `Cell<A>`, and the entry keeps it alive.
        let cell = unsafe { Self::of(NonNull::from(runnable.header())) };
        activation::activate(cell, runnable, stack)
    }

    unsafe fn overflowed(header: NonNull<Header>, parker: &'static Parker) {
        // SAFETY: as in `run`; the abandoned frames hold a reference for ever.
        life::abandoned(unsafe { Self::of(header) }, parker);
    }

    unsafe fn discard(header: NonNull<Header>) {
        // SAFETY: as in `run`.
        life::discarded(unsafe { Self::of(header) });
        // SAFETY: the life reference, which came with the queue entry.
        unsafe { Header::drop_ref(header) };
    }

    unsafe fn release(header: NonNull<Header>) {
        let cell = header.cast::<Self>();
        // SAFETY: nobody else has a reference, so everything is ours. The count word is not touched.
        unsafe {
            let this = cell.as_ref();
            // The life reference is gone, so it has ended for good, and its state with it.
            debug_assert!(!*this.has_state.get());
            let worker = this.host().worker_here();
            ptr::drop_in_place(&raw mut (*cell.as_ptr()).extra);
            ptr::drop_in_place(&raw mut (*cell.as_ptr()).mailbox);
            Slab::<Self, Arc<Host>>::free(worker, cell);
        }
    }

    unsafe fn alarm(header: NonNull<Header>) {
        // SAFETY: as in `run`; the caller holds a reference.
        unsafe { Self::of(header) }.raise(Flags::TIMERS);
    }

    unsafe fn who(header: NonNull<Header>) -> Who {
        // SAFETY: as in `run`.
        unsafe { Self::of(header) }.describe()
    }

    /// How it is named in events.
    pub(super) fn describe(&self) -> Who {
        let name = self.extra().and_then(|extra| extra.lock().name.clone());
        Who::new(self.header.id(), Self::type_label(), name)
    }
}

/// The last part of a type's path, with its generic parameters as they are.
fn short_name(path: &'static str) -> &'static str {
    let end = path.find('<').unwrap_or(path.len());
    let start = path[..end].rfind("::").map_or(0, |at| at + 2);
    &path[start..]
}
