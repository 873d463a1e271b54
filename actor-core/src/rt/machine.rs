//! Tasks that own no stack: a state machine that the scheduler runs, from one suspension point to the next.
//!
//! A task is a machine and, later, its result, in a slot of a slab (`rt::roster`) that begins with the scheduler's header. It is run as an actor's
//! activation is: as a function call on whichever pooled stack pops its entry, by [`Turn`]'s steps. In between it is in nobody's
//! hands: whoever it waits for has a waker, made of a pointer to it and a reference.
//!
//! # A turn
//! 1. Killed: it ends, and the machine is dropped where it is suspended.
//! 2. The machine goes on. A panic is caught, and is the end. What it calls may block: then it keeps the stack that it is on, as an
//!    actor's handler does, and is RUNNING all the while.
//! 3. What belongs to the turn is given up: microthread-locals, the claim on a stack.
//! 4. If it waits for a moment, an alarm is set (`rt::alarm`), which wakes it; then it rests. If it yields it is queued behind the others.
//!
//! An alarm is taken back before 1, and when the frame is moved away.
//!
//! # References
//! One is the *life*: given up by whoever has the frame when it is over. One for
//! each entry in a queue, stale ones included; one for the handle; one for each waker and alarm.
//!
//! # Where the frame goes
//! A claimer (`suspend`) moves it out; then nothing of the task is left but a shell that ends with the last waker. Otherwise it is dropped
//! where it ended, before the end shows.

mod handle;
#[cfg(all(test, not(loom)))]
mod tests;

use std::cell::{Cell, UnsafeCell};
use std::mem::{self, ManuallyDrop};
use std::panic::{self, AssertUnwindSafe};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};

use tracing::Level;

use crate::observe::{Event, Who};
use crate::sys::asym;

use super::alarm::Set;
use super::core::Core;
use super::cx::{Cx, Waiting};
use super::error::{JoinError, SpawnError};
use super::header::{After, HOLDS_STACK, Header, Runnable, STARTED, VTable};
use super::join::{Finished, JoinWord};
use super::locals;
use super::park::{self, Parker};
use super::roster::{AnySlab, TaskSlab};
use super::runner;
use super::slab::{Slab, Slot};
use super::task::{self, JoinHandle, OnEnd, drop_quietly, reason};
use super::turn::{Claim, Rest, Start, Turn};
use super::worker::Worker;

pub(crate) use handle::{Handle, Held};

/// What a task runs.
pub(crate) trait Machine: Send + 'static {
    /// What it ends with.
    type Output: Send + 'static;
    /// What it is off the scheduler.
    type Moved: Send + 'static;

    /// Goes on as far as it can without waiting. Not called again after `Ready`, nor after a panic.
    fn resume(&mut self, cx: &mut Cx<'_>) -> Poll<Self::Output>;

    /// Takes it off the scheduler.
    fn moved(self) -> Self::Moved;

    /// Its name for people.
    fn name() -> &'static str;
}

/// The part that does not depend on the machine.
#[repr(C)]
pub(super) struct Base {
    pub(super) header: Header,
    turn: Turn,
    /// What it has set to be woken, by whoever had the frame last. Theirs who have it. Most that are alive have none.
    alarm: Mine<Option<Box<Set>>>,
    join: JoinWord<Parker>,
}

/// What is used by whoever has the frame alone.
struct Mine<T>(Cell<T>);

// SAFETY: the frame has one owner at a time, to whom it was handed over with what was written before.
unsafe impl<T: Send> Sync for Mine<T> {}

#[repr(C)]
struct Task<S: Machine, E> {
    base: Base,
    on_end: E,
    stage: UnsafeCell<Stage<S>>,
}

enum Stage<S: Machine> {
    Frame(S, Waiting),
    Ended(Result<S::Output, JoinError>),
    /// Moved away, or being dropped, or lost with its stack.
    Gone,
}

// SAFETY: what is not atomic in the base never changes. The stage belongs to whoever has the frame and then to whoever has the result,
// which move between threads by way of the turn's word and the join's; both are `Send`. `on_end` is called by one.
unsafe impl<S: Machine, E: OnEnd> Sync for Task<S, E> {}
// SAFETY: as above; nothing in it is bound to a thread.
unsafe impl<S: Machine, E: OnEnd> Send for Task<S, E> {}

// SAFETY: the count word is `header.refs`; the link is `header.vtable`, another word; the header's own access to the count is atomic
// throughout.
unsafe impl<S: Machine, E: OnEnd> Slot for Task<S, E> {
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

impl<S: Machine, E: OnEnd> AnySlab for TaskSlab<Task<S, E>> {
    fn flush(&self, worker: usize) {
        // SAFETY: called on that worker's thread.
        unsafe { Slab::flush(self, worker) }
    }

    fn kill_all(&self) {
        self.for_each_live(|task| {
            let header = task.cast::<Header>();
            // SAFETY: the walk has taken a reference, which is given up here.
            unsafe {
                header.as_ref().kill();
                Header::drop_ref(header);
            }
        });
    }

    #[cfg(all(test, not(loom)))]
    fn places(&self) -> usize {
        self.stats().slots_out
    }
}

impl Base {
    /// # Safety
    /// `header` is the first field of a live [`Task`].
    unsafe fn of<'a>(header: NonNull<Header>) -> &'a Self {
        // SAFETY: `repr(C)` puts the base first in a task, and the header first in that.
        unsafe { header.cast::<Self>().as_ref() }
    }

    /// The frame has been handed over to whoever has claimed it.
    fn tell_claimer(&self) {
        if let Some(claimer) = self.join.waiter() {
            claimer.unpark();
        }
    }

    /// The frame is gone for good, or somebody else's: gives up the life. The caller holds another reference.
    fn bury(&self) {
        // SAFETY: the life's reference, given up once, by whoever has the frame.
        unsafe { Header::drop_ref(NonNull::from(&self.header)) }
    }
}

static WAKER: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: a waker's data is a task to which it has a reference, here and below.
        unsafe { Base::of(of_waker(data)) }.header.add_ref();
        RawWaker::new(data, &WAKER)
    },
    |data| {
        // SAFETY: as above; the reference is given up, once.
        unsafe {
            wake(of_waker(data));
            Header::drop_ref(of_waker(data));
        }
    },
    // SAFETY: as above.
    |data| unsafe { wake(of_waker(data)) },
    // SAFETY: as above; the reference is given up, once.
    |data| unsafe { Header::drop_ref(of_waker(data)) },
);

fn of_waker(data: *const ()) -> NonNull<Header> {
    // SAFETY: a waker's data is made of a reference.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

/// Makes a task run, unless it will anyway.
///
/// # Safety
/// `header` is the first field of a live [`Task`].
unsafe fn wake(header: NonNull<Header>) {
    // SAFETY: the function was made for the type that begins with this header.
    unsafe { (header.as_ref().vtable().alarm)(header) }
}

/// How a turn ended.
enum Step<T> {
    Waits,
    Yields,
    Ends(Result<T, JoinError>),
}

impl<S: Machine, E: OnEnd> Task<S, E> {
    const VTABLE: VTable = VTable {
        run: Self::run,
        overflowed: Self::overflowed,
        discard: Self::discard,
        release: Self::release,
        alarm: Self::wake,
        killed: Self::wake,
        who: Self::who,
        pending: |_| None,
        is_actor: false,
        type_name: S::name,
    };

    const HANDLE: Vtable<S::Output, S::Moved> = Vtable {
        take: Self::take,
        join: |header| {
            // SAFETY: the handle holds a reference.
            NonNull::from(&unsafe { Base::of(header) }.join)
        },
        moved: Self::moved,
        put_back: Self::put_back,
    };

    /// # Safety
    /// `header` is the first field of a live `Task<S, E>`.
    unsafe fn of<'a>(header: NonNull<Header>) -> &'a Self {
        // SAFETY: `repr(C)` puts the header first; the caller vouches for the type and the lifetime.
        unsafe { header.cast::<Self>().as_ref() }
    }

    /// The runtime it is in: the owner of the slab.
    fn core(&self) -> &Arc<Core> {
        // SAFETY: `&self` is a live task of that slab.
        unsafe { TaskSlab::<Self>::owner_of(NonNull::from(self)) }
    }

    /// See [`wake`].
    ///
    /// # Safety
    /// As there, of this type.
    unsafe fn wake(header: NonNull<Header>) {
        // SAFETY: the caller's.
        let task = unsafe { Self::of(header) };
        if task.base.turn.wake() {
            task.queue(Worker::push_next);
        }
    }

    /// Queues an entry: by `here` on a worker of its runtime. The caller holds a reference.
    fn queue(&self, here: impl FnOnce(&Worker, Runnable)) {
        self.base.header.add_ref();
        // SAFETY: the reference goes over to the entry; machines are `Send`.
        let runnable = unsafe { Runnable::from_raw(NonNull::from(&self.base.header)) };
        if let Some(left) = Worker::queue_here(self.core(), runnable, here) {
            self.core().inject(left);
        }
    }

    /// Puts the frame back that has been claimed.
    ///
    /// # Safety
    /// The caller has claimed it, and has the handle.
    unsafe fn put_back(header: NonNull<Header>) {
        // SAFETY: the handle was made for this task, and holds a reference.
        let task = unsafe { Self::of(header) };
        task.base.turn.put_back();
        task.queue(Worker::push);
    }

    /// Takes its alarm back. The caller has the frame.
    fn cancel_alarm(&self) {
        if let Some(set) = self.base.alarm.0.take() {
            set.cancel(self.core());
        }
    }

    unsafe fn run(runnable: Runnable, _: &'static Parker) -> After {
        let header = NonNull::from(runnable.header());
        // SAFETY: this vtable is only ever put into a `Task<S, E>`, and `runnable` keeps it alive.
        let task = unsafe { Self::of(header) };
        let base = &task.base;
        match base.turn.start() {
            Start::Runs => {}
            Start::Stale => return After::Done(runnable),
            Start::Claimed => {
                base.tell_claimer();
                return After::Done(runnable);
            }
        }
        let step = task.turn(header);
        // Of the turn, not of the task: the next may be on another thread.
        locals::end_of_task();
        let rest = match step {
            Step::Waits => {
                runner::release_claim(&base.header);
                base.turn.rest()
            }
            Step::Yields => {
                runner::release_claim(&base.header);
                base.turn.again()
            }
            Step::Ends(result) => {
                task.ends(result);
                return After::Done(runnable);
            }
        };
        match rest {
            // It may run elsewhere by now; the entry's reference keeps its memory.
            Rest::Idle => After::Done(runnable),
            Rest::Again => After::Again(runnable),
            Rest::Claimed => {
                base.tell_claimer();
                After::Done(runnable)
            }
        }
    }

    /// Steps 1 and 2, and the alarm. By whoever has the right to run.
    fn turn(&self, header: NonNull<Header>) -> Step<S::Output> {
        let base = &self.base;
        if !base.header.has(STARTED) {
            base.header.set(STARTED);
        }
        self.cancel_alarm();
        if base.header.is_killed() {
            return Step::Ends(Err(JoinError::Killed));
        }
        // SAFETY: the frame is the caller's, as it has made the task RUNNING.
        let Stage::Frame(machine, waiting) = (unsafe { &mut *self.stage.get() }) else {
            unreachable!("what runs has its frame");
        };
        let waker = RawWaker::new(header.as_ptr().cast_const().cast(), &WAKER);
        // SAFETY: the table keeps to its contract. The reference is the entry's, so the waker is not dropped.
        let waker = ManuallyDrop::new(unsafe { Waker::from_raw(waker) });
        let mut cx = Cx::sharing(&waker, waiting);
        let resumed = panic::catch_unwind(AssertUnwindSafe(|| {
            park::fault_point();
            machine.resume(&mut cx)
        }));
        match resumed {
            Ok(Poll::Ready(output)) => Step::Ends(Ok(output)),
            Ok(Poll::Pending) if cx.wants_again() => Step::Yields,
            Ok(Poll::Pending) => {
                if let Some(deadline) = cx.deadline() {
                    let set = Set::here(deadline, &base.header);
                    base.alarm.0.set(Some(Box::new(set)));
                }
                Step::Waits
            }
            Err(payload) => Step::Ends(Err(reason(payload))),
        }
    }

    /// It ends where it runs.
    fn ends(&self, result: Result<S::Output, JoinError>) {
        // SAFETY: the frame is the caller's, as it has made the task RUNNING.
        let frame = unsafe { self.take_stage() };
        // Before the end shows, as with everything else that is left behind.
        drop_quietly(frame);
        locals::end_of_task();
        if matches!(result, Err(JoinError::Overflowed)) {
            runner::report_overflow(&self.base.header);
        }
        runner::release_claim(&self.base.header);
        self.base.turn.end();
        self.end(result);
        // The destructor of a result nobody wants may have used locals, and may have blocked.
        locals::end_of_task();
        runner::release_claim(&self.base.header);
    }

    /// Leaves the result and tells the joiner; drops the result if there will be none. The caller has the frame's place, which is
    /// empty, and a reference besides the life's.
    fn end(&self, result: Result<S::Output, JoinError>) {
        let base = &self.base;
        task::tell_of_end(self.core(), &base.header, result.as_ref().err());
        // SAFETY: the caller's, up to `finish`.
        unsafe { *self.stage.get() = Stage::Ended(result) };
        match base.join.finish() {
            Finished::Nothing => {}
            Finished::Wake(joiner) => joiner.unpark(),
            // SAFETY: there is no handle, so the stage stays this side's.
            Finished::Unwanted => drop_quietly(unsafe { self.take_stage() }),
        }
        self.on_end.ended();
        // SAFETY: the life's reference, given up once, by whoever had the frame.
        unsafe { Header::drop_ref(NonNull::from(&base.header)) }
    }

    /// # Safety
    /// The stage is the caller's: before the end, who has the frame's; then as a microthread's.
    unsafe fn take_stage(&self) -> Stage<S> {
        // SAFETY: as the caller promises.
        mem::replace(unsafe { &mut *self.stage.get() }, Stage::Gone)
    }

    unsafe fn overflowed(header: NonNull<Header>, _: &'static Parker) {
        // SAFETY: as in `run`; the abandoned frames hold a reference for ever.
        let task = unsafe { Self::of(header) };
        // What is abandoned on the stack may be using it: leaked.
        // SAFETY: nothing of it runs any more.
        mem::forget(unsafe { task.take_stage() });
        task.base.turn.end();
        // The claim on the budget stays: the stack is gone for good.
        task.end(Err(JoinError::Overflowed));
    }

    unsafe fn discard(header: NonNull<Header>) {
        // SAFETY: as in `run`.
        let task = unsafe { Self::of(header) };
        match task.base.turn.discard() {
            Start::Runs => {
                // SAFETY: the frame is this call's now.
                let frame = unsafe { task.take_stage() };
                runner::discarding(&task.base.header, || drop_quietly(frame));
                if task.base.header.clear(HOLDS_STACK) {
                    task.core().budget.release();
                }
                task.end(Err(match task.base.header.has(STARTED) {
                    true => JoinError::Killed,
                    false => JoinError::Shutdown,
                }));
            }
            Start::Claimed => task.base.tell_claimer(),
            Start::Stale => {}
        }
        // SAFETY: the queue entry's reference is given up here.
        unsafe { Header::drop_ref(header) };
    }

    unsafe fn release(header: NonNull<Header>) {
        let task = header.cast::<Self>();
        // SAFETY: the last reference is gone, so what is in the slot is this call's; it was filled by `spawn`, and the count, which a
        // walk may look at, is not touched. If this is a worker of the slab's runtime it will flush.
        unsafe {
            debug_assert!(
                matches!(*(*task.as_ptr()).stage.get(), Stage::Gone),
                "whoever the frame or the result belonged to has taken it"
            );
            let worker = Worker::index_in(TaskSlab::<Self>::owner_of(task));
            ptr::drop_in_place(&raw mut (*task.as_ptr()).base.alarm);
            ptr::drop_in_place(&raw mut (*task.as_ptr()).on_end);
            TaskSlab::<Self>::free(worker, task);
        }
    }

    unsafe fn who(header: NonNull<Header>) -> Who {
        // SAFETY: as in `run`.
        Who::new(unsafe { Base::of(header) }.header.id(), S::name(), None)
    }

    unsafe fn take(header: NonNull<Header>, out: &mut Option<Result<S::Output, JoinError>>) {
        // SAFETY: the handle was made for this task, holds a reference, and the caller has seen that `join` is done, which
        // makes the stage the handle's.
        if let Stage::Ended(result) = unsafe { Self::of(header).take_stage() } {
            *out = Some(result);
        }
    }

    /// Moves the frame out.
    ///
    /// # Safety
    /// The caller has claimed it, and has the handle.
    unsafe fn moved(header: NonNull<Header>) -> (S::Moved, Waiting) {
        // SAFETY: the handle was made for this task, and holds a reference.
        let task = unsafe { Self::of(header) };
        // SAFETY: the caller's.
        let Stage::Frame(machine, waiting) = (unsafe { task.take_stage() }) else {
            unreachable!("what has been claimed has its frame");
        };
        task.cancel_alarm();
        task.base.bury();
        (machine.moved(), waiting)
    }
}

/// What a handle does with a task whose type it does not know.
struct Vtable<T, V> {
    take: unsafe fn(NonNull<Header>, &mut Option<Result<T, JoinError>>),
    join: unsafe fn(NonNull<Header>) -> NonNull<JoinWord<Parker>>,
    moved: unsafe fn(NonNull<Header>) -> (V, Waiting),
    put_back: unsafe fn(NonNull<Header>),
}

/// Starts a task in `core`, which goes on with `machine` and the wait that it is in. If that is refused both are given back.
pub(crate) fn spawn<S: Machine, E: OnEnd>(
    core: &Arc<Core>,
    machine: S,
    waiting: Waiting,
    on_end: E,
) -> Result<Handle<S::Output, S::Moved>, (SpawnError, S, Waiting)> {
    let worker = Worker::index_in(core);
    let id = Worker::next_id(core);
    let workers = core.config.workers + core.config.spares;
    let slab: &TaskSlab<Task<S, E>> = core.roster.slab(workers);
    // SAFETY: the index is this thread's worker, if it has one.
    let task = unsafe { slab.alloc(worker, core) };
    // SAFETY: a fresh slot that nobody else knows; every field but the count is written here, one by one, then the count is published:
    // the life's reference and the handle's.
    let this = unsafe {
        let p = task.as_ptr();
        Header::init(task.cast(), &Task::<S, E>::VTABLE, id, 0);
        (&raw mut (*p).base.turn).write(Turn::scheduled());
        (&raw mut (*p).base.alarm).write(Mine(Cell::new(None)));
        (&raw mut (*p).base.join).write(JoinWord::new());
        (&raw mut (*p).on_end).write(on_end);
        (&raw mut (*p).stage).write(UnsafeCell::new(Stage::Frame(machine, waiting)));
        Header::publish(task.cast(), 2);
        task.as_ref()
    };
    asym::light();
    // Now that a runtime which ends would find it.
    if core.is_stopping() {
        // Whoever has just found it has a reference, and what wakes it from now on finds it claimed.
        let claim = this.base.turn.claim(false);
        debug_assert_eq!(claim, Claim::Taken);
        // SAFETY: it was never queued, so the frame is this call's.
        let stage = unsafe { this.take_stage() };
        // SAFETY: the life's reference, and that of the handle, which there will not be.
        unsafe {
            Header::drop_ref(task.cast());
            Header::drop_ref(task.cast());
        }
        let Stage::Frame(machine, waiting) = stage else {
            unreachable!("it has not begun");
        };
        return Err((SpawnError::ShuttingDown, machine, waiting));
    }
    core.events.emit(Level::TRACE, || Event::Spawned {
        who: this.base.header.who(),
    });
    let header = task.cast::<Header>();
    let Vtable {
        take,
        join,
        moved,
        put_back,
    } = Task::<S, E>::HANDLE;
    let handle = Handle {
        // SAFETY: made for this task, to which the reference is the handle's.
        join: unsafe { JoinHandle::of(header, take, join) },
        moved,
        put_back,
    };
    this.queue(Worker::push_unstarted);
    park::switch_point();
    Ok(handle)
}
