//! How much stack an actor uses, and may use.

use crate::stack;

use super::addr::Addr;
use super::cell::Cell;
use super::traits::Actor;

/// While it lives, others can find the stack on which an actor's body runs. Dropped before that is given back.
pub(super) struct OwnStack<'a, A: Actor>(&'a Cell<A>);

impl<'a, A: Actor> OwnStack<'a, A> {
    pub(super) fn note(cell: &'a Cell<A>) -> Self {
        cell.extra_or_new().lock().stack = stack::current_bounds();
        OwnStack(cell)
    }
}

impl<A: Actor> Drop for OwnStack<'_, A> {
    fn drop(&mut self) {
        self.0.extra_or_new().lock().stack = None;
    }
}

impl<A: Actor> Addr<A> {
    /// The deepest that the actor's own stack has been, in bytes, by page: see
    /// [`microthread::stack_high_water`](crate::microthread::stack_high_water), also for what the figure may include. `None` of
    /// an actor without a `run` body, which has no stack of its own: ask in its handler instead. And `None` before the body
    /// runs and after it has ended.
    ///
    /// ```
    /// use actor_core::prelude::*;
    ///
    /// #[actor]
    /// struct Deep;
    ///
    /// #[actor(message = std::sync::mpsc::Sender<()>)]
    /// impl Deep {
    ///     fn run(self, inbox: Inbox<Self>) -> Exit {
    ///         while let Ok(done) = inbox.recv() {
    ///             std::hint::black_box([0_u8; 20_000]);
    ///             let _ = done.send(());
    ///         }
    ///         Exit::Normal
    ///     }
    /// }
    ///
    /// let sys = System::new()?;
    /// let deep = sys.spawn(Deep)?;
    /// let (done, wait) = std::sync::mpsc::channel();
    /// deep.send(done)?;
    /// wait.recv()?;
    /// assert!(deep.stack_high_water() >= Some(20_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stack_high_water(&self) -> Option<usize> {
        let extra = self.cell().extra()?.lock();
        // Under the lock, which the body takes before it gives its stack back. It reads page tables, and does not wait.
        extra.stack.clone().map(stack::high_water)
    }

    /// The size of the stack that its next life asks for, in bytes.
    pub(crate) fn stack_size(&self) -> usize {
        match self.cell().header().stack_size() {
            0 => self.cell().host().core.config.stack_size,
            bytes => bytes,
        }
    }

    /// Asks for a stack of that size from the next life on. For its supervisor, while it is down.
    pub(crate) fn set_stack_size(&self, bytes: usize) {
        self.cell().header().set_stack_size(bytes);
    }
}
