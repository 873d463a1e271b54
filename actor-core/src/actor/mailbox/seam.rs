//! What the mailbox and the reply slot need from the layers below, in one place: atomics and cells (`std`'s, or loom's under
//! `cfg(loom)`), asymmetric fences, and parking, which under loom is loom's own.

pub(crate) use crate::sys::fault::fault;
pub(crate) use crate::sys::{asym, atomic};

#[cfg(not(loom))]
pub(crate) use crate::rt::park;

#[cfg(loom)]
pub(crate) mod park {
    use loom::thread::{self, Thread};
    use std::time::Instant;

    use crate::rt::edge::Edge;

    #[derive(Debug)]
    pub(crate) struct Parker(Thread, Edge);

    pub(crate) fn current() -> &'static Parker {
        Box::leak(Box::new(Parker(thread::current(), Edge::new())))
    }

    /// Time does not exist under loom: a deadline is always past, which lets a model explore it at any point.
    pub(crate) fn park_until(deadline: Option<Instant>) -> bool {
        if deadline.is_some() {
            thread::yield_now();
            return false;
        }
        thread::park();
        true
    }

    /// Nobody calls directly under loom.
    pub(crate) fn is_called_for(_: *mut ()) -> bool {
        false
    }

    impl Parker {
        pub(crate) fn unpark(&'static self) {
            self.0.unpark();
        }

        pub(crate) fn edge(&self) -> &Edge {
            &self.1
        }
    }
}
