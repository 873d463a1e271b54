//! The handle of a task, and how its frame is taken off the scheduler. The steps are [`Turn`](crate::rt::turn::Turn)'s.

use std::mem;
use std::ptr::NonNull;
use std::time::Duration;

use crate::rt::cx::Waiting;
use crate::rt::error::JoinError;
use crate::rt::header::Header;
use crate::rt::park::{self, Parker};
use crate::rt::task::JoinHandle;
use crate::rt::turn::Claim;
use crate::rt::wait::Until;

use super::Base;

/// A task that has been spawned.
pub(crate) struct Handle<T, V> {
    pub(crate) join: JoinHandle<T>,
    pub(super) moved: unsafe fn(NonNull<Header>) -> (V, Waiting),
    pub(super) put_back: unsafe fn(NonNull<Header>),
}

/// Why a task's frame cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// It runs.
    Running,
    /// It is the caller.
    Caller,
    /// It has ended, or has been killed.
    Ended,
}

impl<T, V> Handle<T, V> {
    fn base(&self) -> &Base {
        // SAFETY: the handle holds a reference to a task that this module has made.
        unsafe { Base::of(NonNull::from(self.join.header())) }
    }

    /// As [`JoinHandle::join_timeout`].
    pub(crate) fn join_timeout(self, timeout: Duration) -> Result<Result<T, JoinError>, Self> {
        let Handle {
            join,
            moved,
            put_back,
        } = self;
        let joined = join.join_timeout(timeout);
        joined.map_err(|join| Handle {
            join,
            moved,
            put_back,
        })
    }

    /// Takes it off the scheduler at its suspension point. If it runs, this waits until it is at one, for as long as it may.
    pub(crate) fn suspend(self, until: Until) -> Result<(V, Waiting), (Self, Held)> {
        if let Err(held) = self.claim(until) {
            return Err((self, held));
        }
        let base = self.base();
        if base.header.is_killed() {
            // It is to end, which it does on its own.
            self.put_back();
            return Err((self, Held::Ended));
        }
        // SAFETY: claimed, and `self` is the handle.
        Ok(unsafe { (self.moved)(NonNull::from(&base.header)) })
    }

    /// Puts the frame back that has been claimed.
    fn put_back(&self) {
        // SAFETY: claimed, and `self` is the handle.
        unsafe { (self.put_back)(NonNull::from(&self.base().header)) }
    }

    fn claim(&self, until: Until) -> Result<(), Held> {
        /// Takes the claim back, however the wait ends, unless it was successful.
        struct Retract<'a, T, V>(&'a Handle<T, V>, &'static Parker);
        impl<T, V> Drop for Retract<'_, T, V> {
            fn drop(&mut self) {
                let _ = self.0.base().join.retract(self.1);
                if !self.0.base().turn.retract() {
                    self.0.put_back();
                }
            }
        }
        let base = self.base();
        let runs_here = park::on_stack().and_then(Parker::task);
        if runs_here.is_some_and(|task| std::ptr::eq(task, &raw const base.header)) {
            return Err(Held::Caller);
        }
        let me = park::current();
        let (waits, deadline) = match until {
            Until::Now => (false, None),
            Until::Deadline(deadline) => (true, deadline),
        };
        // Before the claim: who hands the frame over looks for it.
        let registered = waits && base.join.register(me);
        let claim = base.turn.claim(registered);
        let end = |claim| {
            if registered {
                let _ = base.join.retract(me);
            }
            claim
        };
        match claim {
            Claim::Taken => return end(Ok(())),
            Claim::Over => return end(Err(Held::Ended)),
            Claim::Running if !registered => return end(Err(Held::Running)),
            Claim::Running => {}
        }
        let retract = Retract(self, me);
        loop {
            if base.turn.is_claimed() {
                mem::forget(retract);
                return end(Ok(()));
            }
            if base.join.is_done() {
                return Err(Held::Ended);
            }
            if !park::park_until(deadline) {
                return Err(Held::Running);
            }
        }
    }
}
