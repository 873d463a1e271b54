//! The port for a handler's answer.

use std::cell::Cell;
use std::{fmt, mem, ptr};

use crate::rt::park;

use super::reply::{Failure, Port};

/// Where a handler's answer goes. If the message was only told, nowhere.
///
/// It lives as long as the call of the handler, unless it is [delegated](Self::delegate). Dropped without an answer it fails
/// the ask.
pub struct Reply<'a> {
    port: Port,
    /// The note by which the asker is still answered if the handler's stack is lost.
    note: &'a Cell<*mut ()>,
}

impl fmt::Debug for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("asked", &self.is_asked())
            .finish()
    }
}

impl<'a> Reply<'a> {
    #[inline]
    pub(super) fn new(port: Port, note: &'a Cell<*mut ()>) -> Self {
        note.set(port.as_raw());
        Reply { port, note }
    }

    /// Whether somebody asked, and not only told, and waits for this answer.
    pub fn is_asked(&self) -> bool {
        self.port.is_some() && self.is_ours()
    }

    /// Whether the port is still to be answered here: not if it has gone into the stash with its message.
    #[inline]
    fn is_ours(&self) -> bool {
        self.note.get() == self.port.as_raw()
    }

    /// Answers with `value`. If nobody waits for an answer (the message was told, the asker has given up) the value is
    /// dropped. If the asker expects another type, the ask fails.
    #[inline(always)]
    pub fn send<T: Send + 'static>(self, value: T) {
        if self.port.is_some() {
            self.answer(value);
        }
    }

    #[inline(never)]
    fn answer<T: Send + 'static>(mut self, value: T) {
        // What follows once the value is in its place is small, and has its room in the reserve.
        park::check_stack();
        let (port, note) = (self.take_port(), self.note);
        if !port.is_some() {
            return;
        }
        // The note stands until the value is in its place: moving a large one may be more than the stack has room for.
        let _ = port.send_noting(value, || note.set(ptr::null_mut()));
    }

    /// The port, as one that outlives the call.
    pub(super) fn leave(mut self) -> Port {
        let port = self.take_port();
        self.note.set(ptr::null_mut());
        port
    }

    #[inline(always)]
    fn take_port(&mut self) -> Port {
        if !self.port.is_some() {
            return Port::none();
        }
        let ours = self.is_ours();
        let port = mem::replace(&mut self.port, Port::none());
        if !ours {
            mem::forget(port); // it is in other hands
            return Port::none();
        }
        port
    }
}

impl Drop for Reply<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.port.is_some() {
            self.drop_unanswered();
        }
    }
}

impl Reply<'_> {
    #[cold]
    #[inline(never)]
    fn drop_unanswered(&mut self) {
        let port = self.take_port();
        if std::thread::panicking() {
            // The handler is ending the actor. The activation, which will know why, answers by the note.
            mem::forget(port);
        } else if port.is_some() {
            port.fail_noting(Failure::Dropped, || self.note.set(ptr::null_mut()));
        }
    }
}
