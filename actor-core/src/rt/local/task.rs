//! A microthread of a local scheduler: what the scheduler keeps of it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ptr::NonNull;
use std::rc::{Rc, Weak};

use crate::observe::Who;
use crate::rt::error::JoinError;
use crate::rt::header::{After, Header, KILLED, Runnable, THROWN, VTable};
use crate::rt::park::Parker;
use crate::rt::task::drop_quietly;
use crate::rt::throw::{Pending, Thrown};
use crate::rt::timer::Key;

use super::budget::RunResult;
use super::inner::Inner;
use super::machine::Turns;

/// The slot of what has none.
pub(super) const NO_SLOT: u32 = u32::MAX;

/// Where a microthread is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Nothing left to run: it has ended, or was never bound.
    Dead,
    /// Alive, and nowhere: whoever has a handle may insert it.
    Paused,
    /// In the run ring.
    Scheduled,
    /// Waits to be unparked.
    Blocked,
    /// Waits in a nested run.
    Running,
}

/// How a body ended.
pub(super) enum End {
    Quietly,
    /// With something that nobody caught: this says what.
    Uncaught(String),
}

/// What runs, result and all, wrapped up.
pub(super) type Body = Box<dyn FnOnce() -> End>;

/// What a stack is to run.
pub(super) enum Work {
    /// To its end.
    Body(Body),
    /// Up to where it is suspended.
    Turn(Box<dyn Turns>),
}

#[repr(C)]
pub(super) struct Task {
    pub(super) header: Header,
    pub(super) name: Option<Rc<str>>,
    /// Its scheduler.
    pub(super) home: RefCell<Weak<Inner>>,
    /// Its place in the ring and in the table, while it is alive.
    pub(super) slot: Cell<u32>,
    pub(super) status: Cell<Status>,
    /// While it has not started.
    pub(super) body: RefCell<Option<Body>>,
    /// What it is in the middle of, if it owns no stack ([`super::machine`]), and it is not its turn.
    pub(super) frame: RefCell<Option<Box<dyn Turns>>>,
    /// Where such a one is parked, once it has had a turn.
    pub(super) own: Cell<Option<&'static Parker>>,
    /// The timer of its wait.
    pub(super) timer: Cell<Option<Key>>,
    /// Its wait counts as one for something outside.
    pub(super) waits_for_outside: Cell<bool>,
    /// While it has started: its stack's. What owns no stack is on one when it is its turn.
    pub(super) parker: Cell<Option<&'static Parker>>,
    /// Errors thrown into it.
    pub(super) pending: Pending,
    pub(super) is_main: Cell<bool>,
    pub(super) block_trap: Cell<bool>,
    /// Depth of atomic sections.
    pub(super) atomic: Cell<u32>,
    /// It is in a wait that can be interrupted.
    pub(super) fallible: Cell<bool>,
    /// The wait that it is in ends as a deadlock.
    pub(super) deadlocked: Cell<bool>,
    /// How the nested run it waits in has ended.
    pub(super) outcome: RefCell<Option<RunResult>>,
    /// Who waits for its end.
    pub(super) joiners: RefCell<Vec<&'static Parker>>,
    /// Handles there are. With none, nobody could insert it.
    pub(super) handles: Cell<usize>,
    /// How it ended, if its body has left no result.
    pub(super) fate: RefCell<Option<JoinError>>,
}

static VTABLE: VTable = VTable {
    // What a local scheduler runs is in no worker's queue, so three of these are never called.
    run: never_queued,
    overflowed: |_, _| unreachable!("{NEVER_QUEUED}"),
    discard: |_| unreachable!("{NEVER_QUEUED}"),
    // The memory is the `Rc`'s.
    release: |_| (),
    alarm: |_| unreachable!("it sets none"),
    killed: |_| (),
    who,
    pending,
    is_actor: false,
    type_name: || "local microthread",
};

const NEVER_QUEUED: &str = "a microthread of a local scheduler is in no worker's queue";

unsafe fn never_queued(_: Runnable, _: &'static Parker) -> After {
    unreachable!("{NEVER_QUEUED}")
}

unsafe fn who(header: NonNull<Header>) -> Who {
    // SAFETY: this vtable is only ever put into a `Task`, which begins with its header; the caller keeps it alive.
    let task = unsafe { header.cast::<Task>().as_ref() };
    Who::new(
        task.header.id(),
        "local microthread",
        task.name.as_deref().map(Into::into),
    )
}

unsafe fn pending(header: &Header) -> Option<&Pending> {
    // SAFETY: as in `who`; the borrow of the header keeps the whole alive.
    Some(unsafe { &NonNull::from(header).cast::<Task>().as_ref().pending })
}

impl Task {
    pub(super) fn new(home: Weak<Inner>, id: u64, name: Option<Rc<str>>, stack: usize) -> Rc<Task> {
        Rc::new(Task {
            header: Header::new(&VTABLE, id, stack),
            name,
            home: RefCell::new(home),
            slot: Cell::new(NO_SLOT),
            status: Cell::new(Status::Dead),
            body: RefCell::default(),
            frame: RefCell::default(),
            own: Cell::new(None),
            timer: Cell::new(None),
            waits_for_outside: Cell::new(false),
            parker: Cell::new(None),
            pending: Pending::default(),
            is_main: Cell::new(false),
            block_trap: Cell::new(false),
            atomic: Cell::new(0),
            fallible: Cell::new(false),
            deadlocked: Cell::new(false),
            outcome: RefCell::default(),
            joiners: RefCell::default(),
            handles: Cell::new(0),
            fate: RefCell::default(),
        })
    }

    #[inline]
    pub(super) fn is(&self, status: Status) -> bool {
        self.status.get() == status
    }

    pub(super) fn has_started(&self) -> bool {
        self.parked_at().is_some()
    }

    /// Where it is parked when it is blocked.
    pub(super) fn parked_at(&self) -> Option<&'static Parker> {
        self.parker.get().or(self.own.get())
    }

    /// The oldest error thrown into it.
    pub(super) fn take_thrown(&self) -> Option<Thrown> {
        let has = self.header.has(THROWN);
        has.then(|| self.pending.take(&self.header)).flatten()
    }

    /// Drops the errors thrown into it that no wait has returned. May run code of the user's; what that panics with is nobody's.
    pub(super) fn drop_pending(&self) {
        while self.header.has(THROWN) {
            drop_quietly(self.pending.take(&self.header));
        }
    }

    /// It has something new to run. It has no [fate](Self::fate) and nothing pending.
    pub(super) fn renew(&self, body: Body) {
        self.header.clear(KILLED);
        self.atomic.set(0);
        *self.body.borrow_mut() = Some(body);
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("id", &self.header.id())
            .field("name", &self.name)
            .field("status", &self.status.get())
            .finish_non_exhaustive()
    }
}
