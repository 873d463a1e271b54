//! What both sides of a channel can be asked and told.

/// The methods that [`Sender`](super::Sender) and [`Receiver`](super::Receiver) share. Each has a field `core`.
macro_rules! both_sides {
    ($handle:ident) => {
        impl<T> $handle<T> {
            /// How many values are in the channel.
            pub fn len(&self) -> usize {
                self.core.len(&self.core.state().lock())
            }

            /// Whether no value is in the channel.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether there is no room for another value. Always so for a rendezvous channel.
            pub fn is_full(&self) -> bool {
                self.len() >= self.core.capacity
            }

            /// How many values there is room for: 0 for a rendezvous channel, `None` for an unbounded one.
            pub fn capacity(&self) -> Option<usize> {
                let capacity = self.core.capacity;
                (capacity != usize::MAX).then_some(capacity)
            }

            /// How many senders wait, or, as a negative number, how many receivers.
            pub fn balance(&self) -> isize {
                let state = self.core.state().lock();
                state.senders.len() as isize - state.receivers.len() as isize
            }

            /// From now on nobody waits here: what would have to, fails with `Closed`, and so does a send that finds no receiver
            /// waiting. Those that wait already can still be served, what is in the channel can still be received, and nobody is
            /// woken. [`reopen`](Self::reopen) takes it back.
            ///
            /// To tell receivers that nothing more will come, drop the senders.
            pub fn close(&self) {
                let mut state = self.core.state().lock();
                state.closed = true;
                self.core.raise_alert();
            }

            /// Takes back a [`close`](Self::close).
            pub fn reopen(&self) {
                self.core.state().lock().closed = false;
            }

            /// Whether [`close`](Self::close) has been called.
            pub fn is_closing(&self) -> bool {
                self.core.state().lock().closed
            }

            /// Whether it is closing, and nothing is left to be received or served.
            pub fn is_closed(&self) -> bool {
                let state = self.core.state().lock();
                state.closed
                    && self.core.len(&state) == 0
                    && state.senders.is_empty()
                    && state.receivers.is_empty()
            }

            /// Who runs next when one side of a rendezvous comes and finds the other waiting. It counts where both are of one
            /// [local scheduler](crate::local): if the one that waited is preferred, it runs at once, and the one that came
            /// keeps its place; otherwise the one that waited goes to the end, and the one that came goes on.
            ///
            /// Between workers and threads, and for channels with room, the one that waited becomes ready, and the caller goes on;
            /// so it does where the one that came is a future that is polled.
            ///
            /// While the preferred one runs the caller has done its operation, though the call has not returned. If it is killed
            /// then, a value it has received is dropped with it.
            pub fn set_preference(&self, preference: Preference) {
                self.core.state().lock().preference = preference;
            }

            /// What [`set_preference`](Self::set_preference) has set.
            pub fn preference(&self) -> Preference {
                self.core.state().lock().preference
            }

            /// Whether every rendezvous lets all others run first, whatever the preference: the one that waited goes to the end,
            /// and whoever comes after the caller runs. On a local scheduler only, as the preference.
            pub fn set_schedule_all(&self, on: bool) {
                self.core.state().lock().schedule_all = on;
            }

            /// What [`set_schedule_all`](Self::set_schedule_all) has set.
            pub fn schedule_all(&self) -> bool {
                self.core.state().lock().schedule_all
            }

            /// Whether the two are of one channel.
            pub fn same_channel(&self, other: &Self) -> bool {
                std::sync::Arc::ptr_eq(&self.core, &other.core)
            }
        }

        // A panic leaves nothing half-done: no code of the user's runs under the channel's lock.
        impl<T> std::panic::UnwindSafe for $handle<T> {}
        impl<T> std::panic::RefUnwindSafe for $handle<T> {}

        impl<T> std::fmt::Debug for $handle<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($handle))
                    .field("len", &self.len())
                    .field("capacity", &self.capacity())
                    .field("balance", &self.balance())
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(super) use both_sides;
