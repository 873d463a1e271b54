//! The stash: messages that an actor puts away until it can handle them.

use crate::rt::park;

use super::cell::Envelope;
use super::cx::Cx;
use super::mailbox::Flags;
use super::reply::Port;
use super::traits::Actor;

impl<A: Actor> Cx<A> {
    /// Puts `msg` away, behind those that are in the stash already. It comes back with [`unstash_all`](Self::unstash_all).
    ///
    /// If the message that is being handled was asked, its asker goes into the stash with `msg`, and waits on: what this handler
    /// returns is not for it. So `msg` is to be the message being handled; a handler that stashes several has the asker go with
    /// the first.
    ///
    /// What is in the stash when the actor ends is treated as what is queued: the next life of an actor that is restarted handles
    /// it first; otherwise it is answered with an error, or is a [`DeadLetter`](crate::DeadLetter). The stash has no bound, and
    /// what is in it does not count for the mailbox's.
    ///
    /// ```
    /// use actor_core::prelude::*;
    ///
    /// #[actor]
    /// struct Store { open: bool, sold: u32 }
    ///
    /// #[actor]
    /// impl Store {
    ///     pub fn buy(&mut self, cx: &mut Cx<Self>, n: u32) -> u32 {
    ///         if !self.open {
    ///             cx.stash(StoreMsg::Buy { n }); // with whoever asks
    ///             return 0; // to nobody
    ///         }
    ///         self.sold += n;
    ///         self.sold
    ///     }
    ///     pub fn open(&mut self, cx: &mut Cx<Self>) {
    ///         self.open = true;
    ///         cx.unstash_all();
    ///     }
    /// }
    ///
    /// let sys = System::new()?;
    /// let store = sys.spawn(Store { open: false, sold: 0 })?;
    /// let (first, second) = (store.request().buy(1), store.request().buy(2));
    /// store.tell().open()?;
    /// assert_eq!((first.wait()?, second.wait()?), (1, 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stash(&mut self, msg: A::Msg) {
        park::check_stack();
        let reply = self.take_asker();
        let lanes = self.cell().lanes_or_new();
        lanes.aside().stash.push_back(Envelope { msg, reply });
    }

    /// Puts everything in the stash back, in front of what is queued, in the order in which it was stashed. Returns how many
    /// messages that were. Only urgent messages (see [`Actor::priority`]) are handled before them.
    pub fn unstash_all(&mut self) -> usize {
        let Some(lanes) = self.cell().lanes() else {
            return 0;
        };
        let count = lanes.aside().unstash();
        if count > 0 {
            self.cell().raise(Flags::LANES);
        }
        count
    }

    /// How many messages are in the stash.
    #[must_use]
    pub fn stashed(&self) -> usize {
        let lanes = self.cell().lanes();
        lanes.map_or(0, |lanes| lanes.aside().stash.len())
    }

    /// The port of the message that is being handled, if it was asked and is still unanswered. The handler's `Reply` has
    /// none from then on.
    fn take_asker(&self) -> Port {
        let handler = park::on_stack().filter(|stack| {
            let runs = stack.task().map(std::ptr::from_ref);
            runs == Some(std::ptr::from_ref(self.cell().header()))
        });
        let note = handler.map_or(std::ptr::null_mut(), |stack| {
            stack.local().reply.replace(std::ptr::null_mut())
        });
        // SAFETY: the note is the port of the `Reply` that the handler was given, which does not use its own unless the note
        // still says so.
        unsafe { Port::from_raw(note) }
    }
}
