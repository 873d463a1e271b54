//! What a value may know of the image that it is written to, or read from, by this thread.
//!
//! Some values are fit for an image only, as what they stand for is not in their bytes: a socket, which has to be given up here
//! before it can be had elsewhere. Such a value looks whether there is an image ([`is_here`]), and notes that it is in it
//! ([`note`]). Errors are text on their way through serde; one with a type is kept beside it ([`refuse`]).

use std::cell::{Cell, RefCell};

use super::DecodeError;

thread_local! {
    static HERE: Cell<bool> = const { Cell::new(false) };
    static NOTED: Cell<usize> = const { Cell::new(0) };
    static REFUSED: RefCell<Option<DecodeError>> = const { RefCell::new(None) };
}

/// Calls `f`, which writes or reads one image.
pub(crate) fn enter<R>(f: impl FnOnce() -> R) -> R {
    /// Also when `f` panics.
    struct Outer(bool);
    impl Drop for Outer {
        fn drop(&mut self) {
            HERE.set(self.0);
        }
    }
    let _outer = Outer(HERE.replace(true));
    NOTED.set(0);
    REFUSED.set(None);
    f()
}

/// Whether this thread is writing or reading an image.
pub(crate) fn is_here() -> bool {
    HERE.get()
}

/// A value that has to be given up here, before it is read elsewhere, is in the image that this thread is writing.
pub(crate) fn note() {
    NOTED.set(NOTED.get() + 1);
}

/// How many such values there were in the image that this thread wrote last.
pub(crate) fn noted() -> usize {
    NOTED.get()
}

/// Keeps `error` for whoever reads the image, on the way through serde.
pub(crate) fn refuse(error: DecodeError) -> String {
    let text = error.to_string();
    REFUSED.set(Some(error));
    text
}

/// Why the image that this thread read last could not be read, if a value has said so.
pub(super) fn refused() -> Option<DecodeError> {
    REFUSED.take()
}
