//! Actors whose supervisor is one of many's: the keeper without an [`Extra`] for each.
//!
//! A supervisor that starts a million actors cannot afford an [`Extra`] for each, only so that it is told of their ends. They
//! share one [`Shared`] keeper instead, and their cell's word for the lazily allocated part points to that, with a mark in its
//! lowest bit. Nothing is different for whoever looks for an [`Extra`]: there is none yet. Whoever needs one makes it, and the
//! keeper moves into it.
//!
//! ```text
//!   null ───────────────────────► Extra                  by `extra_or_new`, whoever calls it
//!   shared | 1 ─────────────────► Extra { keeper }       likewise
//!   shared | 1 ──► null                                  by `take_keeper`, when the actor has ended for good
//! ```
//! The word counts one reference to what is shared. It goes over into the `Extra`, or is given up by `take_keeper`, which
//! only the holder of the right to run calls. So the holder may look at what is shared: it stays there, in the word or in the
//! `Extra`. Others move the reference without looking at it.

use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cell::Cell;
use super::exit::ExitReason;
use super::extra::{Extra, Keeper, Role};
use super::traits::Actor;

/// The keeper of many.
pub(crate) struct Shared(Arc<dyn Keeper>);

impl Shared {
    pub(crate) fn new(keeper: Arc<dyn Keeper>) -> Arc<Self> {
        Arc::new(Shared(keeper))
    }
}

impl Keeper for Shared {
    fn started(self: Arc<Self>, actor: u64, incarnation: u32) {
        self.0.clone().started(actor, incarnation);
    }

    fn start_failed(self: Arc<Self>, actor: u64, incarnation: u32, reason: ExitReason) {
        self.0.clone().start_failed(actor, incarnation, reason);
    }

    fn exited(self: Arc<Self>, actor: u64, incarnation: u32, reason: ExitReason) {
        self.0.clone().exited(actor, incarnation, reason);
    }

    fn role(&self) -> Option<Role> {
        self.0.role()
    }
}

const MARK: usize = 1;
const _: () = assert!(align_of::<Shared>() > MARK && align_of::<Extra>() > MARK);

/// The word of a cell with this keeper, which counts one reference.
pub(super) fn word(shared: Arc<Shared>) -> *mut Extra {
    let shared: *mut Extra = Arc::into_raw(shared).cast_mut().cast();
    shared.map_addr(|addr| addr | MARK)
}

/// Whether a cell's word is a shared keeper's.
#[inline]
pub(super) fn is_shared(word: *mut Extra) -> bool {
    word.addr() & MARK != 0
}

/// What a marked word counts.
///
/// # Safety
/// The word is marked, and its reference the caller's; or the caller neither looks at it nor drops it.
unsafe fn shared(word: *mut Extra) -> Arc<Shared> {
    let shared: *const Shared = word.map_addr(|addr| addr & !MARK).cast();
    // SAFETY: the caller's; it came from `Arc::into_raw`.
    unsafe { Arc::from_raw(shared) }
}

/// Gives up what the word of a cell that is freed still counts.
///
/// # Safety
/// Nobody else has the cell, and the word is not used afterwards.
pub(super) unsafe fn release(word: *mut Extra) {
    if is_shared(word) {
        // SAFETY: the caller's: the reference is ours.
        drop(unsafe { shared(word) });
    } else if !word.is_null() {
        // SAFETY: an `Extra` of the cell's own.
        drop(unsafe { Box::from_raw(word) });
    }
}

impl<A: Actor> Cell<A> {
    /// Puts a fresh [`Extra`] in place of `word`, unless there is one in it: others may have put it there since the caller found
    /// none. The one that is there afterwards.
    #[cold]
    pub(super) fn make_extra(&self, mut word: *mut Extra) -> &Extra {
        loop {
            if !word.is_null() && !is_shared(word) {
                // SAFETY: an `Extra`, which stays until the cell is freed.
                return unsafe { &*word };
            }
            let fresh = Box::<Extra>::default();
            if is_shared(word) {
                // SAFETY: not looked at, and dropped only if the exchange below makes its reference ours.
                fresh.lock().keeper = Some(unsafe { shared(word) });
            }
            let fresh = ManuallyDrop::new(fresh);
            let place: *mut Extra = ptr::from_ref(&**fresh).cast_mut();
            let put = self.extra_word().compare_exchange(
                word,
                place,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match put {
                // SAFETY: just allocated, and freed only with the cell.
                Ok(_) => return unsafe { &*place },
                Err(now) => {
                    let fresh = ManuallyDrop::into_inner(fresh);
                    // The reference was not ours.
                    std::mem::forget(fresh.lock().keeper.take());
                    word = now;
                }
            }
        }
    }

    /// Whether a supervisor decides what becomes of it.
    pub(super) fn has_keeper(&self) -> bool {
        is_shared(self.extra_word().load(Ordering::Acquire))
            || self
                .extra()
                .is_some_and(|extra| extra.lock().keeper.is_some())
    }

    /// Who decides what becomes of it. For the holder of the right to run.
    pub(super) fn keeper(&self) -> Option<Arc<dyn Keeper>> {
        let word = self.extra_word().load(Ordering::Acquire);
        if is_shared(word) {
            // SAFETY: only the holder of the right to run, which we are, gives up the reference; wherever it is moved
            // meanwhile, it is there.
            let shared = ManuallyDrop::new(unsafe { shared(word) });
            return Some(shared.0.clone());
        }
        self.extra().and_then(|extra| extra.lock().keeper.clone())
    }

    /// It has ended for good: nobody decides any more. For the holder of the right to run.
    pub(super) fn take_keeper(&self) -> Option<Arc<dyn Keeper>> {
        let word = self.extra_word().load(Ordering::Acquire);
        if is_shared(word) {
            let taken = self.extra_word().compare_exchange(
                word,
                ptr::null_mut(),
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            if taken.is_ok() {
                // SAFETY: the word's reference, which is ours now.
                return Some(unsafe { shared(word) });
            }
        }
        self.extra().and_then(|extra| extra.lock().keeper.take())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::System;
    use crate::actor::{ActorOptions, Cx, NoMethods, Reply};

    struct Mute;

    impl ActorOptions for Mute {}

    impl Actor for Mute {
        type Msg = ();
        type Tell<'a> = NoMethods;
        type TryTell<'a> = NoMethods;
        type Ask<'a> = NoMethods;
        type Request<'a> = NoMethods;

        fn handle(&mut self, (): (), _: Reply<'_>, _: &mut Cx<Self>) {}
    }

    /// `extra_or_new` looks, finds none, and looks again for the word that it is to replace.
    #[test]
    fn an_extra_that_came_between_two_looks_stays() {
        let sys = System::builder().workers(1).build().unwrap();
        let mute = sys.spawn(Mute).unwrap();
        let cell = mute.cell();
        assert!(cell.extra().is_none());
        let there = ptr::from_ref(cell.extra_or_new());
        let word = cell.extra_word().load(Ordering::Acquire);
        assert!(ptr::eq(cell.make_extra(word), there));
        assert!(ptr::eq(cell.extra_or_new(), there));
    }
}
