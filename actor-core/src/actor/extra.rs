//! What few actors have: behind one pointer of the cell, allocated when first needed.

use std::any::Any;
use std::ops::Range;
use std::sync::atomic::AtomicPtr;
use std::sync::{Arc, PoisonError};

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

use crate::rt::edge::Wait;
use crate::rt::park::Parker;
use crate::sys::once::OnceBox;

use super::boundary::Restored;
use super::delegated::Debts;
use super::error::StartError;
use super::exit::ExitReason;
use super::held::Held;
use super::ties::Ties;
use super::timers::Timers;

/// Whoever decides what becomes of an actor when it ends: its supervisor. Called where the actor runs; must not block.
/// Which actor it is about is said by its id.
pub(crate) trait Keeper: Send + Sync {
    /// The incarnation's `on_start` is through: it handles messages.
    fn started(self: Arc<Self>, actor: u64, incarnation: u32);
    /// The incarnation did not start and is torn down; its mailbox is suspended and holds what was sent meanwhile.
    fn start_failed(self: Arc<Self>, actor: u64, incarnation: u32, reason: ExitReason);
    /// The incarnation has ended and is torn down; its mailbox is suspended and holds what was not handled. Or the runtime
    /// ends: then the actor has ended for good already.
    fn exited(self: Arc<Self>, actor: u64, incarnation: u32, reason: ExitReason);
    /// What the actor is to it, if it can say.
    fn role(&self) -> Option<Role> {
        None
    }
}

/// What an actor is to its supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    /// The id in its spec.
    pub(crate) child: Arc<str>,
    /// When it is started again: `permanent`, `transient` or `temporary`.
    pub(crate) restart: &'static str,
}

/// What an actor would take with it if its state were dropped, and which must be told if it is not: the stack on which the
/// state was is lost.
pub(crate) trait Dependants: Send + Sync {
    /// Called on a worker's root; must not block.
    fn orphaned(&self);
}

/// See the module.
#[derive(Default)]
pub(crate) struct Extra {
    /// Where the actor is, if its place in the cell was lost (see `Cell::leak_state`).
    pub(super) moved_state: AtomicPtr<()>,
    state: Mutex<State>,
    rare: OnceBox<Rare>,
}

/// What fewer still have.
#[derive(Default)]
pub(super) struct Rare {
    /// Asks whose answer it owes.
    pub(super) debts: Debts,
    /// Messages that time will send.
    pub(super) timers: Timers,
    /// Its lanes beside the queue ([`Lanes`](super::lanes::Lanes)), of whatever type its messages are.
    pub(super) lanes: OnceBox<Box<dyn Any + Send + Sync>>,
    /// Who looks at it once more at the end of a life ([`AtEnd`](super::boundary::AtEnd)), of whatever type it is.
    pub(super) at_end: OnceBox<Box<dyn Any + Send + Sync>>,
    /// Whether its life goes on from where another stopped.
    pub(super) restored: Restored,
}

/// Behind the lock, which nothing that blocks or calls user code runs under.
#[derive(Default)]
pub(crate) struct State {
    /// The name it is registered under, the first of several.
    pub(crate) name: Option<Arc<str>>,
    /// Further names, groups.
    pub(super) held: Option<Box<Held>>,
    /// Its supervisor.
    pub(crate) keeper: Option<Arc<dyn Keeper>>,
    /// Who is told if its state is lost with its stack.
    pub(crate) dependants: Option<Arc<dyn Dependants>>,
    /// Why it shall stop, if not plainly.
    pub(crate) stop_for: Option<ExitReason>,
    /// Why it ended, once it has for good.
    pub(crate) ended_for: Option<ExitReason>,
    /// Where its own stack is, while it runs on one.
    pub(crate) stack: Option<Range<usize>>,
    /// Why it has not started, until somebody has asked. That it has is a flag of its header.
    pub(crate) start_failed: Option<StartError>,
    /// Who waits for its start or its end.
    pub(crate) waiters: Vec<Waits>,
    /// Links, monitors, and what waits for its next message boundary.
    pub(super) ties: Option<Box<Ties>>,
}

/// Somebody who waits for an actor's start or end.
#[derive(Clone, Copy)]
pub(crate) struct Waits {
    pub(crate) parker: &'static Parker,
    /// The wait that others are told of (`actor::waits`), if it is an actor's.
    pub(crate) wait: Option<Wait>,
}

impl Waits {
    /// Under the lock. (edge: E3)
    pub(crate) fn end(&self) {
        if let Some(wait) = self.wait {
            self.parker.edge().end(wait);
        }
    }
}

/// The lock of an [`Extra`], held.
pub(super) type Guard<'a> = MutexGuard<'a, State>;

impl Extra {
    /// The lazily allocated part of the lazily allocated part.
    pub(super) fn rare(&self) -> &Rare {
        if self.rare.get().is_none() {
            self.rare.set(Box::default());
        }
        self.rare.get().expect("it has just been set")
    }

    /// As [`rare`](Self::rare), if it is there.
    pub(super) fn has_rare(&self) -> Option<&Rare> {
        self.rare.get()
    }

    pub(crate) fn lock(&self) -> Guard<'_> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Its ties, made now if there are none.
    pub(super) fn ties(&mut self) -> &mut Ties {
        self.ties.get_or_insert_default()
    }

    /// Wakes everybody who waits for something here. Their waits are over before they know: who is woken for something else
    /// begins another.
    pub(crate) fn wake_all(&mut self) {
        for waiter in self.waiters.drain(..) {
            waiter.end();
            waiter.parker.unpark();
        }
    }
}
