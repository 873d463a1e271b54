//! Sending to a [`Core`] and receiving from it, as operations that can wait. The steps are those of the [parent module](super).

use crate::rt::wait::{self, ChannelUse, Interrupt, Next};
use crate::rt::wake::Wakes;
use crate::sys::fault::fault;
use crate::sys::spinlock::SpinLock;

use super::{Core, Given, Item, Preference, State};
use crate::channel::error::{RecvError, SendError};
use crate::channel::wait::{List, Op, Settled};

/// A send.
pub(in crate::channel) struct Send<'a, T>(pub(in crate::channel) &'a Core<T>);

/// How a send ends: what could not be sent comes back.
type Sent<T> = Result<(), SendError<Item<T>>>;

impl<T> Send<'_, T> {
    #[cold]
    fn failed(
        slot: &mut Option<Item<T>>,
        how: impl FnOnce(Item<T>) -> SendError<Item<T>>,
    ) -> Sent<T> {
        Err(how(slot.take().expect("what was not sent is in its slot")))
    }
}

impl<T> Op for Send<'_, T> {
    type State = State<T>;
    type Slot = Item<T>;
    type Output = Sent<T>;

    #[inline]
    fn state(&self) -> &SpinLock<State<T>> {
        self.0.state()
    }

    #[inline]
    fn attempt(
        &self,
        state: &mut State<T>,
        slot: &mut Option<Item<T>>,
        _: bool,
        wakes: &mut Wakes,
    ) -> Option<Sent<T>> {
        let core = self.0;
        if !state.receivers.is_empty() && !state.is_out() {
            let next = core.next(state, Preference::Sender);
            if next != Next::Caller
                && let Err(why) = wait::may_hand_over(next)
            {
                return Some(self.interrupted(why, slot));
            }
            if state.give(slot, wakes) {
                wakes.go_on_with(next);
                return Some(Ok(())); // S2
            }
        }
        if state.no_receivers {
            return Some(Self::failed(slot, SendError::Disconnected));
        }
        if state.closed {
            return Some(Self::failed(slot, SendError::Closed));
        }
        if core.capacity == 0 || state.sealed {
            return None;
        }
        if let Some(shared) = core.shared.get() {
            let mut inbox = shared.inbox.0.lock();
            inbox.alert = false;
            if inbox.sent.wrapping_sub(state.taken) >= core.capacity {
                return None;
            }
            slot.take().into_iter().for_each(|item| inbox.push(item));
        } else {
            if state.outbox.len() + state.lent >= core.capacity {
                return None;
            }
            slot.take()
                .into_iter()
                .for_each(|item| state.outbox.push(item));
            core.look_for_company(state);
        }
        Some(Ok(()))
    }

    #[inline]
    fn is_contended(&self) -> bool {
        self.0.shared.get().is_some()
    }

    fn event(&self, state: &State<T>) -> Option<ChannelUse> {
        let core = self.0;
        let will_block = state.receivers.is_empty()
            && core.len(state) >= core.capacity
            && !state.closed
            && !state.no_receivers;
        Some(ChannelUse {
            channel: core.number(),
            sending: true,
            will_block,
        })
    }

    #[inline]
    fn list<'s>(&self, state: &'s mut State<T>) -> &'s mut List<Item<T>> {
        &mut state.senders
    }

    #[inline]
    fn settled(&self, how: Settled, slot: &mut Option<Item<T>>) -> Option<Sent<T>> {
        Some(match how {
            Settled::Served => Ok(()),
            Settled::Ended => Self::failed(slot, SendError::Disconnected),
        })
    }

    #[cold]
    fn interrupted(&self, why: Interrupt, slot: &mut Option<Item<T>>) -> Sent<T> {
        Self::failed(slot, |item| SendError::Interrupted(item, why))
    }
}

/// A receive.
pub(in crate::channel) struct Recv<'a, T>(pub(in crate::channel) &'a Core<T>);

impl<T> Op for Recv<'_, T> {
    type State = State<T>;
    type Slot = Given<T>;
    type Output = Result<T, RecvError>;

    #[inline]
    fn state(&self) -> &SpinLock<State<T>> {
        self.0.state()
    }

    #[inline]
    fn attempt(
        &self,
        state: &mut State<T>,
        _: &mut Option<Given<T>>,
        waits: bool,
        wakes: &mut Wakes,
    ) -> Option<Result<T, RecvError>> {
        let core = self.0;
        if state.is_out() {
            return None;
        }
        if let Some(item) = core.pop(state, waits) {
            if core.capacity > 0 {
                core.refill(state, wakes);
            }
            return Some(item.received());
        }
        if !state.senders.is_empty() {
            let next = core.next(state, Preference::Receiver);
            if next != Next::Caller
                && let Err(why) = wait::may_hand_over(next)
            {
                return Some(Err(RecvError::Interrupted(why)));
            }
            if let Some(Some(item)) = state.senders.serve(wakes, Option::take) {
                wakes.go_on_with(next);
                return Some(item.received()); // R3
            }
        }
        if state.no_senders {
            return Some(Err(RecvError::Disconnected));
        }
        if state.closed {
            return Some(Err(RecvError::Closed));
        }
        None
    }

    #[inline]
    fn is_contended(&self) -> bool {
        self.0.shared.get().is_some()
    }

    fn event(&self, state: &State<T>) -> Option<ChannelUse> {
        let core = self.0;
        let will_block =
            state.senders.is_empty() && core.len(state) == 0 && !state.closed && !state.no_senders;
        Some(ChannelUse {
            channel: core.number(),
            sending: false,
            will_block,
        })
    }

    #[inline]
    fn list<'s>(&self, state: &'s mut State<T>) -> &'s mut List<Given<T>> {
        &mut state.receivers
    }

    #[inline]
    fn settled(&self, how: Settled, slot: &mut Option<Given<T>>) -> Option<Result<T, RecvError>> {
        match (how, slot.take()) {
            (Settled::Served, given) => given.map(|given| given.item.received()),
            (Settled::Ended, _) => Some(Err(RecvError::Disconnected)),
        }
    }

    fn interrupted(&self, why: Interrupt, _: &mut Option<Given<T>>) -> Result<T, RecvError> {
        Err(RecvError::Interrupted(why))
    }

    /// It goes to the next receiver, or waits for one.
    fn give_back(&self, state: &mut State<T>, slot: &mut Option<Given<T>>, wakes: &mut Wakes) {
        let Some(given) = slot.take().filter(|_| !state.no_receivers) else {
            return;
        };
        let number = given.number;
        let mut item = Some(given.item);
        if state.give_again(&mut item, number, wakes) {
            return;
        }
        if let Some(item) = item {
            if fault!("channel_give_back_last") {
                return state.outbox.push(item);
            }
            state.put_back(Given { item, number });
            state.taken = state.taken.wrapping_sub(1);
            self.0.publish_taken(state);
        }
    }
}
