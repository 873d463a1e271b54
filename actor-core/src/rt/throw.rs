//! Errors thrown into a microthread: what it waits for fails with an error of somebody else's.
//!
//! # Terms
//! - *fallible wait*: one that is built on [`wait::wait`](super::wait::wait), and returns an error where it is interrupted.
//! - *pending*: thrown, and not yet returned by a fallible wait.
//!
//! # Steps
//! ```text
//!   the thrower                                              the microthread, in a fallible wait
//!   t1  put the error into the task's list, and              w1  note the place where it is about to park
//!       set THROWN in its header                             w2  THROWN? take the first error and return it; clear THROWN
//!   t2  fence, read the noted place: there → unpark it           if that was the last
//!                                                            w3  park; once woken, look at what it waits for; w1 again
//! ```
//! These are the steps of a kill (see [`super::token`], "Kill": t1 is k1, t2 is k2 and k3, w1 is K1 and K2, w2 is K3), and
//! nobody is left waiting for the same reason: w2 sees THROWN, or t2 sees the place. That also holds after the first time,
//! when the place is noted already and w1 is no fence: either the thrower's fence came before that of the first w1, and then
//! every w2 sees THROWN, or after it, and then t2 sees the place. And it unparks after it has set THROWN, so who consumes
//! that permit, in this wait or a later one, sees THROWN at its next w2.
//!
//! An error is taken (w2) *before* parking only. What was woken looks first whether it has been served: if so it succeeds, and
//! the error stays pending. So a throw takes no success away, and is not lost with one; where the two meet in between, the
//! wait gives the error back with [`wait::postpone`](super::wait::postpone).

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::header::{Header, THROWN};

/// An error that was thrown into a microthread with [`JoinHandle::throw`](super::task::JoinHandle::throw), or sent through a
/// channel with [`Sender::send_error`](crate::channel::Sender::send_error).
///
/// Clones share the error, and are equal to each other only. It cannot be frozen: it could be of any type.
#[derive(Clone)]
pub struct Thrown(Arc<dyn Error + Send + Sync>);

impl Thrown {
    pub(crate) fn new(error: Box<dyn Error + Send + Sync>) -> Self {
        Thrown(error.into())
    }

    /// The error.
    pub fn get(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }

    /// The error, if it is of the type `E`.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

/// For what holds one perhaps, and can be frozen as long as it does not.
impl Serialize for Thrown {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(format_args!(
            "an error that was thrown is kept, and errors cannot be frozen: {}",
            self.0
        )))
    }
}

impl<'de> Deserialize<'de> for Thrown {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom(
            "errors that were thrown are not frozen",
        ))
    }
}

impl PartialEq for Thrown {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Thrown {}

impl fmt::Debug for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Thrown").field(&self.0).finish()
    }
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thrown in by another: {}", self.0)
    }
}

impl Error for Thrown {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// The microthread has ended: nothing can be thrown into it any more. Gives the error back.
#[derive(Debug)]
pub struct ThrowError(pub(super) Box<dyn Error + Send + Sync>);

impl ThrowError {
    /// The error that was to be thrown.
    pub fn into_inner(self) -> Box<dyn Error + Send + Sync> {
        self.0
    }
}

impl fmt::Display for ThrowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the microthread has ended, so it cannot be told: {}; join it for how it ended",
            self.0
        )
    }
}

impl Error for ThrowError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// The errors pending for one task, oldest first. Costs a word or two until the first.
#[derive(Debug, Default)]
pub(crate) struct Pending(OnceLock<Box<Mutex<VecDeque<Thrown>>>>);

impl Pending {
    fn list(&self) -> MutexGuard<'_, VecDeque<Thrown>> {
        let list = self.0.get_or_init(Box::default);
        list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Steps t1 and t2. `task` is the header of the task that this belongs to.
    pub(super) fn throw(&self, task: &Header, error: Box<dyn Error + Send + Sync>) {
        self.push(task, Thrown::new(error));
        task.unpark(); // t2
    }

    /// Step t1. The caller sees to t2.
    pub(super) fn push(&self, task: &Header, error: Thrown) {
        let mut list = self.list();
        list.push_back(error);
        task.set(THROWN); // t1
    }

    /// Step w2, once THROWN has been seen.
    #[cold]
    pub(super) fn take(&self, task: &Header) -> Option<Thrown> {
        let mut list = self.list();
        let first = list.pop_front();
        if list.is_empty() {
            task.clear(THROWN);
        }
        first
    }

    /// All there are: the task ends.
    #[cold]
    pub(super) fn take_all(&self, task: &Header) -> VecDeque<Thrown> {
        let mut list = self.list();
        task.clear(THROWN);
        std::mem::take(&mut *list)
    }

    /// An error that was taken, and that its wait could not return after all, is pending again, before the others.
    #[cold]
    pub(super) fn put_back(&self, task: &Header, error: Thrown) {
        let mut list = self.list();
        list.push_front(error);
        task.set(THROWN);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::Runtime;
    use crate::rt::wait::{Ended, Interrupt, postpone, wait};

    /// The next error that is thrown in.
    fn next() -> Interrupt {
        loop {
            match wait(None) {
                Err(Ended::Interrupted(interrupt)) => return interrupt,
                other => assert_eq!(other, Ok(())),
            }
        }
    }

    #[test]
    fn an_error_that_is_postponed_comes_again_before_the_others() {
        let rt = Runtime::builder().workers(1).build().unwrap();
        let (begun, wait) = std::sync::mpsc::channel();
        let target = rt.spawn(move || {
            begun.send(()).unwrap();
            let first = next();
            postpone(first.clone());
            assert_eq!(next(), first);
            assert_ne!(next(), first);
        });
        let target = target.unwrap();
        wait.recv().unwrap();
        target.throw("first").unwrap();
        target.throw("second").unwrap();
        target.join().unwrap();
    }
}
