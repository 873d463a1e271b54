//! How something changes places: the protocol, and both its sides as one pure state machine.
//!
//! # Terms
//! * A **thing** is what moves: an actor, or microthreads with what connects them. It has a **name**, by which all nodes that it
//!   may come to know it: one name, one thing. It **lives** at a node if it runs there.
//! * A move has a **source**, where it lives, and a **destination**. Each keeps a **record** of the thing in its store.
//! * An **epoch** counts the lives of a thing, over all nodes: what is frozen in epoch `e` goes on in epoch `e + 1`, here or there.
//! * An **offer** is a number that the source draws for one attempt, a **ticket** one that the destination draws each time it takes
//!   an offer. Neither is ever drawn twice.
//!
//! # The problem
//! The thing must live at one node at most, always; and at exactly one once both are up and can talk, whatever was lost, came
//! twice or too late, and whoever died in between. Two nodes that may lose each other cannot both know at once that they agree. So
//! one of them decides, alone and at one instant, by one write to its store; the other waits to be told, however long that takes.
//! The source decides, because the thing was there.
//!
//! # States, as the records say them
//! ```text
//!   source                                             destination
//!
//!   Here(e)                                            (nothing)
//!     │ 1 freeze; draw an offer                            │
//!     ▼                                                    │
//!   Leaving(e, offer, image) ──── 2 Offer ────────────────▶│ 3 look whether it can be continued; draw a ticket
//!     │                                                    ▼
//!     │                      ◀─── 4 Accept(ticket) ── Arrived(e, offer, ticket, image)
//!     │ 5 the decision                                     │
//!     ▼                                                    │
//!   Gone(e, offer, ticket) ────── 6 Commit(ticket) ───────▶│ 7
//!     │                                                    ▼
//!     │                      ◀─── 8 Confirm(ticket) ─ Here(e + 1), and it runs
//!     ▼ 9
//!   (nothing)
//! ```
//! Each record is saved before the message under it is sent, and before the thing runs.
//!
//! * *Giving up.* Until 5 the source may: it goes on from its image, in epoch `e + 1`. That needs no record, and tells nobody.
//! * *Refusal.* The destination answers the offer with `Refuse` and the reason; the source gives up.
//! * *Asking again.* Whoever waits says its last message again: `Offer`, `Accept`, `Commit`. An `Accept` said again is the question
//!   how it was decided. The source answers `Commit` if it is `Gone` with that ticket, and otherwise `Abort`: also if it knows nothing
//!   of it, as it forgets only what was confirmed (*presumed abort*). With `Abort` the destination forgets.
//! * *Confirming again.* A `Commit` for what has been here and gone on is answered with `Confirm`; one of which nothing is known with
//!   `Missing`, for the reasons below. Both let the source forget.
//!
//! # On start, by the record
//! | record | what happens |
//! |---|---|
//! | `Here` | it runs, in the same epoch |
//! | `Leaving` | it was not decided, so it is now, against the move: it runs, in the next epoch |
//! | `Gone` | `Commit` is said again, until it is confirmed |
//! | `Arrived` | `Accept` is said again, until it is answered |
//!
//! # Whoever is killed
//! | when | what holds | once both are up |
//! |---|---|---|
//! | source, before `Leaving` is saved | `Here` at the source, as last saved | lives at the source |
//! | source, from then until `Gone` is saved | `Leaving`; perhaps `Arrived`, which waits | lives at the source, from the image; the destination is told `Abort` |
//! | source, from then on | `Gone`, and `Arrived` or `Here` at the destination | lives at the destination |
//! | destination, before `Arrived` is saved | it knows nothing of it | takes the offer that is said again; the source may give up first |
//! | destination, from then until `Here` is saved | `Arrived` | asks; lives where the source says |
//! | destination, from then on | `Here` | lives at the destination |
//! | the store fails at 1 or 3 | nothing was said under that record | the source goes on, and the caller has the error |
//! | the store fails at 5 or 7 | whether it was saved is not known, so nothing is said and nothing runs | saving is tried again; a restart reads what is there |
//!
//! # Why at most one lives
//! * It lives at the destination only after `Commit` with the ticket of the record there. The source says that only once it is
//!   `Gone` with that ticket, and from `Gone` nothing leads back. It becomes `Gone` only from `Leaving`, where the thing is frozen.
//! * *An old `Offer` again*: a new record and a new ticket, at a destination that has forgotten. No `Commit` with that ticket comes,
//!   as the source is past that offer; it answers `Abort`.
//! * *An old `Commit` again*: its ticket fits no record, because no ticket is drawn twice.
//! * *An old `Accept`*: for an offer that is not the present one, or a ticket that was not the one taken: `Abort`, which names the
//!   ticket, so that it ends no other record.
//! * *An old `Refuse`*: a reason to give up is none once it is decided.
//!
//! # Why it is not lost
//! A record of it is dropped in three cases only. `Arrived`, for an `Abort`: then the source has it. `Gone`, when the destination
//! has saved `Here`. And one that is replaced: `Arrived` by a later offer of the same source, which by offering it says that it has it;
//! `Gone` by an offer in a later epoch from the destination itself, which has therefore taken it. Any other offer that meets a record
//! is refused as `Busy`: it can be tried again when that record is settled, which is hurried on.
//!
//! # Saving between moves
//! A record is of the time of its step. To have a later one, a node *saves* the thing where it lives:
//!
//! 1. It notes the epoch and takes an image, of an actor between two messages, of a function where it waits. The thing goes on at once.
//! 2. If the thing lives here in that epoch still, `Here(e, image)` takes the place of its record. Else the image is dropped: what it
//!    was taken of has been frozen since, and is in the record of a move, or has gone on from one.
//! 3. It says so to whoever waits. What the thing had done before 1 outlives a kill from here on.
//!
//! Why no older image takes the place of a newer record: the saves of a thing are made one after the other, each from 1 to 3; and
//! whatever stops the thing, or has it go on from another image, ends its epoch. A move that begins between 2 and the end of the writing
//! waits for that with its own record. If the store fails at 2 there is the record before or the new one, of the same epoch: it
//! goes on from either, and nothing is in doubt.
//!
//! *In the driver* a move begins when the save under way has ended, and saves that come meanwhile wait for its end. So 2 finds the
//! thing as it was, unless it has ended. Who asks for a save while one is under way waits for the next, together with all others
//! who do: however many wait, they wait for two at most.
//!
//! # The last epoch
//! `u64::MAX` has none after it, so nobody takes an offer of it: what was moved into it stays where it is.
//!
//! # There and back
//! A to B to A at once: B may offer it to A before A has heard the confirmation. The later epoch says that it was taken.
//!
//! # Without a store
//! A record lasts as long as its process. At most one lives, all the same: a node that has forgotten answers `Abort` and `Missing`,
//! and neither starts anything. But what a killed process held is gone: the thing with its node, and what was under way with either.
//! The source learns it as `Missing`, which with stores on both sides only says that it has been there and is no more.
//!
//! # Seeded faults
//! | fault | what it breaks | caught by |
//! |---|---|---|
//! | `handover_gone_unsaved` | says `Commit` before `Gone` is saved | `whatever_is_lost_repeated_or_killed_one_lives` |
//! | `handover_arrived_unsaved` | says `Accept` before `Arrived` is saved | `whatever_is_lost_repeated_or_killed_one_lives` |
//! | `handover_here_unsaved` | runs, and says so, before `Here` is saved | `whatever_is_lost_repeated_or_killed_one_lives` |
//! | `handover_any_ticket` | takes a `Commit` with another ticket | `whatever_is_lost_repeated_or_killed_one_lives` |
//! | `handover_gives_up_late` | gives up when it is decided | `whatever_is_lost_repeated_or_killed_one_lives` |
//! | `handover_forgets_early` | forgets `Gone` before it is confirmed | `whatever_is_lost_repeated_or_killed_one_lives` |
//! | `handover_old_epoch_confirms` | takes an old offer for a confirmation | `whatever_is_lost_repeated_or_killed_one_lives` |
//! | `handover_unsaved_answers` | answers from a record that is not saved | `whatever_is_lost_repeated_or_killed_one_lives` |
//! | `handover_saves_what_left` | saves an image of what does not live here any more | `whatever_is_lost_repeated_or_killed_one_lives` |
//! | `handover_saves_old_epoch` | saves an image from an earlier life | `an_image_from_an_earlier_life_is_not_saved` |
//! | `handover_writes_at_once` | writes a record while a save is being written | `whatever_is_lost_repeated_or_killed_one_lives` |

#[cfg(test)]
mod exhaustive;
mod types;

use crate::sys::fault::fault;

pub use types::Refusal;
pub(super) use types::{Action, Message, Outcome, State, Token};

/// What one node knows of one thing. `N` names nodes, `I` is an image. See the [module](self).
///
/// Whoever drives it carries out the actions of an input in their order, and all of them before the next input. If an
/// [`Action::Save`] fails, the rest is dropped and [`unsaved`](Self::unsaved) called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Party<N, I> {
    state: Option<State<N, I>>,
    /// Whether the state has been saved is not known: it counts for nothing before it is.
    in_doubt: bool,
}

type Out<'a, N, I> = &'a mut Vec<Action<N, I>>;

impl<N: Clone + Eq, I: Clone> Party<N, I> {
    /// Of a thing that is not here.
    pub(super) fn away() -> Self {
        Self::with(None)
    }

    /// Of one that has begun here.
    pub(super) fn here(epoch: u64) -> Self {
        Self::with(Some(State::Here { epoch, image: None }))
    }

    fn with(state: Option<State<N, I>>) -> Self {
        Party {
            state,
            in_doubt: false,
        }
    }

    /// From the record that is found on start.
    pub(super) fn load(record: State<N, I>, out: Out<'_, N, I>) -> Self {
        let mut party = Self::with(Some(record));
        match &mut party.state {
            Some(State::Here { epoch, image }) => {
                let epoch = *epoch;
                let image = image.take();
                out.extend(image.map(|image| Action::Activate { epoch, image }));
            }
            Some(State::Leaving { .. }) => party.stay(Outcome::Interrupted, out),
            _ => party.say(out),
        }
        party
    }

    pub(super) fn state(&self) -> Option<&State<N, I>> {
        self.state.as_ref()
    }

    /// Step 1: frozen here, it is to go to `to`.
    ///
    /// # Errors
    /// The image, if it does not live here.
    pub(super) fn leave(
        &mut self,
        to: N,
        offer: Token,
        image: I,
        out: Out<'_, N, I>,
    ) -> Result<(), I> {
        match self.state {
            Some(State::Here { epoch, .. }) if !self.in_doubt => {
                let leaving = State::Leaving {
                    epoch,
                    offer,
                    to,
                    image,
                };
                self.enter(leaving, out);
                Ok(())
            }
            _ => Err(image),
        }
    }

    /// The source gives this offer up, if it is not decided yet.
    pub(super) fn give_up(&mut self, offer: Token, out: Out<'_, N, I>) {
        match &self.state {
            Some(State::Leaving { offer: own, .. }) if *own == offer => {
                self.stay(Outcome::GivenUp, out);
            }
            Some(State::Gone { .. }) if fault!("handover_gives_up_late") => {
                out.push(Action::Tell(Outcome::GivenUp));
                self.forget(out);
            }
            _ => {}
        }
    }

    /// The record that is to be saved for an image of it that was taken in this epoch; `None` if the image is not of what lives
    /// here now. If that cannot be saved, there is nothing to be told: it may be in the place of the one before or not.
    pub(super) fn keeps(&self, taken: u64, image: I) -> Option<State<N, I>> {
        let same = |own: u64| own == taken || fault!("handover_saves_old_epoch");
        let lives = match self.state {
            Some(State::Here { epoch, .. }) => same(epoch) && !self.in_doubt,
            _ => fault!("handover_saves_what_left"),
        };
        let image = Some(image);
        lives.then_some(State::Here {
            epoch: taken,
            image,
        })
    }

    /// It has ended, here.
    pub(super) fn ended(&mut self, out: Out<'_, N, I>) {
        if matches!(self.state, Some(State::Here { .. })) && !self.in_doubt {
            self.forget(out);
        }
    }

    /// It is time to say again what has not been answered, or to save again what could not be.
    pub(super) fn again(&mut self, out: Out<'_, N, I>) {
        if !self.in_doubt {
            self.say(out);
        } else if let Some(state) = self.state.take() {
            self.enter(state, out);
        }
    }

    /// This record could not be saved: it may be there or not.
    pub(super) fn unsaved(&mut self, record: State<N, I>, out: Out<'_, N, I>) {
        match record {
            State::Leaving { .. } => {
                self.state = Some(record);
                self.stay(Outcome::NotSaved, out);
            }
            State::Arrived { offer, from, .. } => {
                self.state = None;
                let why = Refusal::NotSaved;
                out.push(Action::send(from, Message::Refuse { offer, why }));
            }
            State::Here { .. } | State::Gone { .. } => {
                self.state = Some(record);
                self.in_doubt = !fault!("handover_unsaved_answers");
            }
        }
    }

    /// Whether this offer would be taken: then look first whether it can be continued here, and refuse it if not.
    pub(super) fn takes(&self, from: &N, epoch: u64) -> bool {
        let later = |own: u64| own < epoch || fault!("handover_old_epoch_confirms");
        match &self.state {
            _ if epoch == u64::MAX => false,
            None => true,
            Some(State::Arrived {
                from: other,
                epoch: own,
                ..
            }) => from == other && *own < epoch,
            Some(State::Gone { to, epoch: own, .. }) => from == to && later(*own) && !self.in_doubt,
            Some(State::Here { .. } | State::Leaving { .. }) => false,
        }
    }

    /// Takes a message. `fresh` has never been drawn before, and is used up if the state is [`State::Arrived`] with it
    /// afterwards.
    pub(super) fn hear(&mut self, from: N, message: Message<I>, fresh: Token, out: Out<'_, N, I>) {
        if self.in_doubt {
            return; // as if it had been lost
        }
        match message {
            Message::Offer {
                epoch: u64::MAX,
                offer,
                ..
            } => {
                let why = Refusal::Thaw("no epoch comes after this one".to_owned());
                out.push(Action::send(from, Message::Refuse { offer, why }));
            }
            Message::Offer {
                epoch,
                offer,
                image,
            } => self.offered(from, epoch, offer, image, fresh, out),
            Message::Accept { offer, ticket } => self.accepted(from, offer, ticket, out),
            Message::Refuse { offer, why } => {
                let ours = |state: &State<N, I>| matches!(state, State::Leaving { offer: own, to, .. } if *own == offer && *to == from);
                if self.state.as_ref().is_some_and(ours) {
                    self.stay(Outcome::Refused(why), out);
                }
            }
            Message::Commit {
                epoch,
                offer,
                ticket,
            } => self.committed(from, epoch, offer, ticket, out),
            Message::Abort { offer, ticket } => {
                if self.has_arrived(offer, ticket) {
                    self.forget(out);
                }
            }
            Message::Confirm { offer, ticket } => {
                self.settled(offer, ticket, Outcome::Confirmed, out);
            }
            Message::Missing { offer, ticket } => {
                self.settled(offer, ticket, Outcome::Missing, out);
            }
        }
    }

    /// Step 3.
    fn offered(
        &mut self,
        from: N,
        epoch: u64,
        offer: Token,
        image: I,
        fresh: Token,
        out: Out<'_, N, I>,
    ) {
        let again = matches!(&self.state, Some(State::Arrived { offer: own, .. }) if *own == offer);
        if again {
            self.say(out);
        } else if self.takes(&from, epoch) {
            if let Some(State::Gone { .. }) = self.state {
                out.push(Action::Tell(Outcome::Confirmed));
            }
            let arrived = State::Arrived {
                epoch,
                offer,
                ticket: fresh,
                from,
                image,
            };
            self.enter(arrived, out);
        } else {
            let why = match self.state {
                Some(State::Here { .. } | State::Leaving { .. }) => Refusal::Here,
                _ => Refusal::Busy,
            };
            self.say(out);
            out.push(Action::send(from, Message::Refuse { offer, why }));
        }
    }

    /// Step 5; and the answer to the question how it was decided.
    fn accepted(&mut self, from: N, offer: Token, ticket: Token, out: Out<'_, N, I>) {
        match &self.state {
            Some(State::Leaving {
                epoch,
                offer: own,
                to,
                ..
            }) if *own == offer && *to == from => {
                let gone = State::Gone {
                    epoch: *epoch,
                    offer,
                    ticket,
                    to: from,
                };
                self.enter(gone, out);
            }
            Some(State::Gone {
                offer: own,
                ticket: taken,
                ..
            }) if *own == offer && *taken == ticket => self.say(out),
            _ => out.push(Action::send(from, Message::Abort { offer, ticket })),
        }
    }

    /// Step 7.
    fn committed(&mut self, from: N, epoch: u64, offer: Token, ticket: Token, out: Out<'_, N, I>) {
        let ours = self.has_arrived(offer, ticket) || fault!("handover_any_ticket");
        let answer = match self.state.take() {
            Some(State::Arrived { epoch, image, .. }) if ours => {
                let (epoch, image) = (epoch.saturating_add(1), Some(image));
                self.enter(State::Here { epoch, image }, out);
                Message::Confirm { offer, ticket }
            }
            state => {
                let later = state.as_ref().is_some_and(|it| it.epoch() > epoch);
                self.state = state;
                match later {
                    true => Message::Confirm { offer, ticket },
                    false => Message::Missing { offer, ticket },
                }
            }
        };
        out.push(Action::send(from, answer)); // step 8
    }

    fn has_arrived(&self, offer: Token, ticket: Token) -> bool {
        matches!(&self.state, Some(State::Arrived { offer: own, ticket: drawn, .. })
            if *own == offer && *drawn == ticket)
    }

    /// Step 9.
    fn settled(&mut self, offer: Token, ticket: Token, how: Outcome, out: Out<'_, N, I>) {
        if matches!(&self.state, Some(State::Gone { offer: own, ticket: taken, .. })
            if *own == offer && *taken == ticket)
        {
            out.push(Action::Tell(how));
            self.forget(out);
        }
    }

    /// The source keeps it.
    fn stay(&mut self, why: Outcome, out: Out<'_, N, I>) {
        if let Some(State::Leaving { epoch, image, .. }) = self.state.take() {
            // Beyond the last there is none: then it stays for good, as nobody takes it.
            let epoch = epoch.saturating_add(1);
            self.state = Some(State::Here { epoch, image: None });
            out.push(Action::Activate { epoch, image });
            out.push(Action::Tell(why));
        }
    }

    fn forget(&mut self, out: Out<'_, N, I>) {
        self.state = None;
        out.push(Action::Forget);
    }

    /// Saves the state, then does what follows from it.
    fn enter(&mut self, state: State<N, I>, out: Out<'_, N, I>) {
        let skipped = match &state {
            State::Gone { .. } => fault!("handover_gone_unsaved"),
            State::Arrived { .. } => fault!("handover_arrived_unsaved"),
            State::Here { .. } => fault!("handover_here_unsaved"),
            State::Leaving { .. } => false,
        };
        if !skipped {
            out.push(Action::Save(state.clone()));
        }
        self.in_doubt = false;
        let state = self.state.insert(state);
        match state {
            State::Here { epoch, image } => {
                let epoch = *epoch;
                let image = image.take();
                out.extend(image.map(|image| Action::Activate { epoch, image }));
            }
            State::Gone { .. } => {
                self.say(out);
                out.push(Action::Tell(Outcome::Decided));
                if fault!("handover_forgets_early") {
                    self.forget(out);
                }
            }
            State::Leaving { .. } | State::Arrived { .. } => self.say(out),
        }
    }

    /// Says what it waits for an answer to.
    fn say(&self, out: Out<'_, N, I>) {
        out.extend(match self.state.clone() {
            Some(State::Leaving {
                epoch,
                offer,
                to,
                image,
            }) => Some(Action::send(
                to,
                Message::Offer {
                    epoch,
                    offer,
                    image,
                },
            )),
            Some(State::Gone {
                epoch,
                offer,
                ticket,
                to,
            }) => Some(Action::send(
                to,
                Message::Commit {
                    epoch,
                    offer,
                    ticket,
                },
            )),
            Some(State::Arrived {
                offer,
                ticket,
                from,
                ..
            }) => Some(Action::send(from, Message::Accept { offer, ticket })),
            Some(State::Here { .. }) | None => None,
        });
    }
}
