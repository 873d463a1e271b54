//! What an actor has given to others to find it by, and gives up when it has ended for good: names and memberships. And a
//! request to say when its mailbox has run empty.
//!
//! # Why nothing is left behind
//! Whoever lists the actor somewhere (a name in the registry, a member in a group) does it under that list's own lock, and
//! in the same section notes it here: so the note and the list always agree. Then (b) he looks whether the actor is dead,
//! and if so takes it off the list again. The actor's end (1) marks it dead, (2) takes the notes out, (3) takes itself off
//! each list noted. Either the note is there at (2), or it is made after it, and then (b) finds the actor dead: between
//! (1) and (2), and between the note and (b), is a full fence, as (2) finds no lock to take where no note was ever made.
//!
//! Between (1) and (3) lists have a dead actor on them. Whoever shows a list leaves out the dead, so that nobody who has
//! seen an actor's end sees it listed.
//!
//! The lock of the notes is taken inside the locks of the lists, and no other lock inside it.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use super::addr::Addr;
use super::cell::Cell;
use super::exit::ExitReason;
use super::extra::{Extra, State};
use super::host::Host;
use super::mailbox::Flags;
use super::traits::Actor;

/// A list that an actor is on until it has ended for good.
pub(crate) trait Membership: Send + Sync {
    /// The actor with this id has ended for good. Called where it ran, perhaps on a worker's root; must not block.
    fn ended(&self, actor: u64, reason: &ExitReason);
}

/// Who is told that an actor's mailbox has run empty.
pub(crate) trait Drained: Send + Sync {
    /// The actor has handled all that was in its mailbox. Called where it runs; must not block.
    fn drained(&self, actor: u64);
}

/// What is noted here; allocated when first needed.
#[derive(Default)]
pub(crate) struct Held {
    /// Names beside [`State::name`].
    names: Vec<Arc<str>>,
    memberships: Vec<Arc<dyn Membership>>,
    drain: Option<Arc<dyn Drained>>,
    /// Whoever wanted to know that the mailbox was empty knows: it is to be stopped. What comes until then is handled too.
    finishes: bool,
}

impl State {
    fn held(&mut self) -> &mut Held {
        self.held.get_or_insert_default()
    }

    fn note_name(&mut self, name: &Arc<str>) {
        match &self.name {
            None => self.name = Some(name.clone()),
            Some(held) if held == name => {}
            Some(_) => self.held().names.push(name.clone()),
        }
    }

    /// All names, the first one first.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        let more = self.held.iter().flat_map(|held| &held.names);
        self.name.iter().chain(more).cloned().collect()
    }

    fn forget_name(&mut self, name: &str) {
        let more = self.held.as_mut().map(|held| &mut held.names);
        if self.name.as_deref() != Some(name) {
            if let Some(more) = more {
                more.retain(|held| &**held != name);
            }
            return;
        }
        self.name = more
            .filter(|more| !more.is_empty())
            .map(|more| more.remove(0));
    }
}

impl<A: Actor> Addr<A> {
    /// Notes that the registry lists the actor under `name`. Under the lock of the name.
    pub(crate) fn note_name(&self, name: &Arc<str>) {
        self.cell().extra_or_new().lock().note_name(name);
        fence(Ordering::SeqCst);
    }

    /// The registry does not list the actor under `name` any more. Under the lock of the name.
    pub(crate) fn forget_name(&self, name: &str) {
        if let Some(extra) = self.cell().extra() {
            extra.lock().forget_name(name);
        }
    }

    /// Notes that the actor is on `list`. Under the lock of the list.
    pub(crate) fn note_membership(&self, list: Arc<dyn Membership>) {
        let mut extra = self.cell().extra_or_new().lock();
        extra.held().memberships.push(list);
        drop(extra);
        fence(Ordering::SeqCst);
    }

    /// The actor is not on `list` any more. Under the lock of the list. The note comes back, to be dropped after that lock.
    pub(crate) fn forget_membership(&self, list: &dyn Membership) -> Option<Arc<dyn Membership>> {
        let list = std::ptr::from_ref(list).cast::<()>();
        let mut extra = self.cell().extra()?.lock();
        let memberships = &mut extra.held.as_mut()?.memberships;
        let at = memberships
            .iter()
            .position(|it| std::ptr::addr_eq(Arc::as_ptr(it), list))?;
        Some(memberships.swap_remove(at))
    }

    /// Tells `whom`, once, when a message boundary finds the mailbox empty: now, if it is idle. A restart does not change
    /// that; nobody is told of an actor that ends first. Asked to stop after that, it handles first what has come until then
    /// (unless it has its own stack: its inbox is closed then, as ever).
    pub(crate) fn when_drained(&self, whom: Arc<dyn Drained>) {
        let cell = self.cell();
        let earlier = cell.extra_or_new().lock().held().drain.replace(whom);
        drop(earlier); // after the lock
        cell.raise(Flags::SIGNAL);
    }

    /// Why it has ended, if it has.
    pub(crate) fn ended_for(&self) -> ExitReason {
        let extra = self.cell().extra();
        let reason = extra.and_then(|extra| extra.lock().ended_for.clone());
        reason.unwrap_or(ExitReason::Normal)
    }

    /// Whether it is an actor of that system.
    pub(crate) fn is_of(&self, host: &Arc<Host>) -> bool {
        Arc::ptr_eq(self.cell().host(), host)
    }
}

/// A message boundary with SIGNAL taken down: tells whoever wants to know that the mailbox is empty. `true` if it is not: the
/// caller raises SIGNAL, so that the next boundary looks too.
#[must_use = "the next boundary is to look too"]
pub(super) fn check_drained<A: Actor>(cell: &Cell<A>) -> bool {
    let Some(extra) = cell.extra() else {
        return false;
    };
    let mut extra = extra.lock();
    let Some(drain) = extra.held.as_mut().map(|held| &mut held.drain) else {
        return false;
    };
    if drain.is_none() {
        return false;
    }
    if cell.queued() > 0 {
        return true;
    }
    let whom = drain.take();
    extra.held().finishes = true;
    drop(extra);
    if let Some(whom) = whom {
        whom.drained(cell.header().id());
    }
    false
}

/// Whether an actor that has been asked to stop goes on until its mailbox is empty.
pub(super) fn finishes<A: Actor>(cell: &Cell<A>) -> bool {
    let held = |extra: &Extra| extra.lock().held.as_ref().is_some_and(|held| held.finishes);
    cell.extra().is_some_and(held) && cell.queued() > 0
}

/// The actor is dead: takes it off every list. Steps 2 and 3.
pub(super) fn give_up<A: Actor>(cell: &Cell<A>, reason: &ExitReason) {
    let Some(extra) = cell.extra() else { return };
    let (name, held) = {
        let mut extra = extra.lock();
        (extra.name.clone(), extra.held.take())
    };
    let (host, id) = (cell.host(), cell.header().id());
    let held = *held.unwrap_or_default();
    for name in name.into_iter().chain(held.names) {
        host.registry.unregister(&name, id);
    }
    for list in held.memberships {
        list.ended(id, reason);
    }
}
