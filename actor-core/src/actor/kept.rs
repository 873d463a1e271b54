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
//!
//! # Seeded faults
//! | fault | what it breaks | caught by |
//! |---|---|---|
//! | `kept_put_blindly` | an `Extra` takes the place of another's | `loom_who_makes_an_extra_at_once_has_the_same` |
//! | `kept_loser_gives_up` | whoever comes second gives up a reference that is not its own | `loom_who_makes_an_extra_at_once_has_the_same` |
//! | `kept_take_blindly` | the end takes an `Extra` for the keeper | `loom_a_keeper_is_taken_from_where_it_is` |
//! | `kept_take_keeps_word` | the reference is given up and stays in the word | `loom_a_keeper_is_taken_from_where_it_is` |
//! | `kept_take_from_word_only` | a keeper that has just moved is not taken | `loom_a_keeper_is_taken_from_where_it_is` |

use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;

use crate::sys::atomic::{AtomicPtr, Ordering};
use crate::sys::fault::fault;

use super::cell::Cell;
use super::exit::ExitReason;
use super::extra::{Extra, Keeper, Role};
use super::traits::Actor;

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

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

/// What a cell has for its lazily allocated part: null, an [`Extra`], or a keeper that is shared.
#[derive(Debug)]
pub(super) struct Word(AtomicPtr<Extra>);

fn is_shared(word: *mut Extra) -> bool {
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

impl Word {
    pub(super) fn of_extra(extra: Option<Box<Extra>>) -> Self {
        Word(AtomicPtr::new(extra.map_or(ptr::null_mut(), Box::into_raw)))
    }

    /// It counts the reference.
    pub(super) fn of_shared(shared: Arc<Shared>) -> Self {
        let shared: *mut Extra = Arc::into_raw(shared).cast_mut().cast();
        Word(AtomicPtr::new(shared.map_addr(|addr| addr | MARK)))
    }

    #[inline]
    fn load(&self) -> *mut Extra {
        self.0.load(Ordering::Acquire)
    }

    fn exchange(&self, word: *mut Extra, new: *mut Extra) -> Result<*mut Extra, *mut Extra> {
        self.0
            .compare_exchange(word, new, Ordering::SeqCst, Ordering::Acquire)
    }

    /// Whether there is neither.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.load().is_null()
    }

    /// The [`Extra`], if it is there.
    #[inline]
    pub(super) fn extra(&self) -> Option<&Extra> {
        // SAFETY: it is the word.
        unsafe { self.extra_in(self.load()) }
    }

    /// As [`extra`](Self::extra), sequentially consistent with the making of one.
    pub(super) fn extra_in_order(&self) -> Option<&Extra> {
        // SAFETY: it is the word.
        unsafe { self.extra_in(self.0.load(Ordering::SeqCst)) }
    }

    /// # Safety
    /// `word` has been loaded from this one.
    #[inline]
    unsafe fn extra_in(&self, word: *mut Extra) -> Option<&Extra> {
        if is_shared(word) {
            return None;
        }
        // SAFETY: null, or an `Extra`, which stays until the word is dropped.
        unsafe { word.as_ref() }
    }

    /// The [`Extra`], made now if there is none.
    #[inline]
    pub(super) fn extra_or_new(&self) -> &Extra {
        match self.extra() {
            Some(extra) => extra,
            None => self.make_extra(self.load()),
        }
    }

    /// Puts a fresh [`Extra`] in place of `word`, unless there is one in it: others may have put it there since the caller found
    /// none. The one that is there afterwards.
    #[cold]
    fn make_extra(&self, mut word: *mut Extra) -> &Extra {
        loop {
            if !word.is_null() && !is_shared(word) {
                // SAFETY: an `Extra`, which stays until the word is dropped.
                return unsafe { &*word };
            }
            let fresh = Box::<Extra>::default();
            if is_shared(word) {
                // SAFETY: not looked at, and dropped only if the exchange below makes its reference ours.
                fresh.lock().keeper = Some(unsafe { shared(word) });
            }
            let place = Box::into_raw(fresh);
            let put = match fault!("kept_put_blindly") {
                true => Ok(self.0.swap(place, Ordering::AcqRel)),
                false => self.exchange(word, place),
            };
            match put {
                // SAFETY: just allocated, and freed only with the word.
                Ok(_) => return unsafe { &*place },
                Err(now) => {
                    // SAFETY: it came out of the box above, and nobody else has seen it.
                    let fresh = unsafe { Box::from_raw(place) };
                    if !fault!("kept_loser_gives_up") {
                        // The reference was not ours.
                        std::mem::forget(fresh.lock().keeper.take());
                    }
                    word = now;
                }
            }
        }
    }

    #[inline]
    fn has_keeper(&self) -> bool {
        let kept = || self.extra().is_some_and(|it| it.lock().keeper.is_some());
        let word = self.load();
        !word.is_null() && (is_shared(word) || kept())
    }

    /// Who decides.
    ///
    /// # Safety
    /// Nobody takes the keeper meanwhile.
    unsafe fn keeper(&self) -> Option<Arc<dyn Keeper>> {
        let word = self.load();
        if is_shared(word) {
            // SAFETY: nobody gives up the reference, the caller says; wherever it is moved meanwhile, it is there.
            let shared = ManuallyDrop::new(unsafe { shared(word) });
            return Some(shared.0.clone());
        }
        self.extra().and_then(|extra| extra.lock().keeper.clone())
    }

    /// Takes the keeper, wherever it is. Nobody decides any more.
    fn take_keeper(&self) -> Option<Arc<dyn Keeper>> {
        let word = self.load();
        if is_shared(word) {
            let nothing = match fault!("kept_take_keeps_word") {
                true => word,
                false => ptr::null_mut(),
            };
            let taken = match fault!("kept_take_blindly") {
                true => Ok(self.0.swap(nothing, Ordering::AcqRel)),
                false => self.exchange(word, nothing),
            };
            if taken.is_ok() {
                // SAFETY: the word's reference, which is ours now.
                return Some(unsafe { shared(word) });
            }
            if fault!("kept_take_from_word_only") {
                return None;
            }
        }
        self.extra().and_then(|extra| extra.lock().keeper.take())
    }
}

impl Drop for Word {
    fn drop(&mut self) {
        let word = self.load();
        if is_shared(word) {
            // SAFETY: nobody else has the word: the reference is ours.
            drop(unsafe { shared(word) });
        } else if !word.is_null() {
            // SAFETY: an `Extra` of the word's own, and nobody looks at it any more.
            drop(unsafe { Box::from_raw(word) });
        }
    }
}

impl<A: Actor> Cell<A> {
    /// Whether a supervisor decides what becomes of it.
    #[inline]
    pub(super) fn has_keeper(&self) -> bool {
        self.extra_word().has_keeper()
    }

    /// Who decides what becomes of it. For the holder of the right to run.
    pub(super) fn keeper(&self) -> Option<Arc<dyn Keeper>> {
        // SAFETY: only the holder of the right to run, which we are, takes it.
        unsafe { self.extra_word().keeper() }
    }

    /// It has ended for good: nobody decides any more. For the holder of the right to run.
    pub(super) fn take_keeper(&self) -> Option<Arc<dyn Keeper>> {
        self.extra_word().take_keeper()
    }
}
