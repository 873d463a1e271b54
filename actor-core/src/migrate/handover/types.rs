//! What goes into the state machine of a handover, and what comes out.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number that is drawn once: an offer, or a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(in crate::migrate) struct Token(pub(in crate::migrate) u128);

/// A node's record of a thing. None if it is not here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(in crate::migrate) enum State<N, I> {
    /// It lives here.
    Here {
        epoch: u64,
        /// In what is saved: from which it goes on after a restart.
        image: Option<I>,
    },
    /// It lived here, and is offered to `to`.
    Leaving {
        epoch: u64,
        offer: Token,
        to: N,
        image: I,
    },
    /// It has gone to `to`, who may not know yet.
    Gone {
        epoch: u64,
        offer: Token,
        ticket: Token,
        to: N,
    },
    /// It waits here for what `from` decides.
    Arrived {
        epoch: u64,
        offer: Token,
        ticket: Token,
        from: N,
        image: I,
    },
}

impl<N, I> State<N, I> {
    pub(in crate::migrate) fn epoch(&self) -> u64 {
        match self {
            Self::Here { epoch, .. }
            | Self::Leaving { epoch, .. }
            | Self::Gone { epoch, .. }
            | Self::Arrived { epoch, .. } => *epoch,
        }
    }
}

/// What one node says to another, of one thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(in crate::migrate) enum Message<I> {
    /// Step 2.
    Offer { epoch: u64, offer: Token, image: I },
    /// Step 4; again, the question how it was decided.
    Accept { offer: Token, ticket: Token },
    /// In the place of step 4.
    Refuse { offer: Token, why: Refusal },
    /// Step 6.
    Commit {
        epoch: u64,
        offer: Token,
        ticket: Token,
    },
    /// It was not decided for this ticket and never will be.
    Abort { offer: Token, ticket: Token },
    /// Step 8.
    Confirm { offer: Token, ticket: Token },
    /// In the place of step 8: nothing is known of it.
    Missing { offer: Token, ticket: Token },
}

/// Why a node does not take what it is offered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Refusal {
    /// An earlier move of it is not settled there yet. Try again.
    Busy,
    /// Something of that name lives there.
    Here,
    /// Its store did not take the record.
    NotSaved,
    /// It accepts nothing of that name: of which. See [`NodeBuilder::accept`](super::super::NodeBuilder::accept).
    Unknown(String),
    /// It could not continue the image: why. A changed function, a port that is taken, values that cannot be read.
    Thaw(String),
    /// What was offered before, and is not decided, takes all the room that it has for this node: see
    /// [`PeerLimits::undecided`](super::super::PeerLimits::undecided). Try again.
    Full,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("an earlier move of it is not settled there yet"),
            Self::Here => f.write_str("something of that name lives there"),
            Self::NotSaved => f.write_str("its store did not take the record"),
            Self::Unknown(kind) => write!(f, "it does not accept `{kind}`"),
            Self::Thaw(why) => write!(f, "it cannot be continued there: {why}"),
            Self::Full => f.write_str("it has no room for more that is not decided"),
        }
    }
}

/// What has become of a move, for whoever waits at its source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::migrate) enum Outcome {
    /// It is decided: it goes.
    Decided,
    /// It lives there, or has.
    Confirmed,
    /// Nothing is known of it there.
    Missing,
    /// It stays: nobody waits any longer.
    GivenUp,
    /// It stays: the destination does not want it.
    Refused(Refusal),
    /// It stays: the store did not take the record.
    NotSaved,
    /// It stays: the source has been restarted.
    Interrupted,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::migrate) enum Action<N, I> {
    /// Save this record, in the place of the one before.
    Save(State<N, I>),
    /// Drop the record, and whatever was made to continue it.
    Forget,
    /// Say this, if there is a way to; it may be lost.
    Send { to: N, message: Message<I> },
    /// It lives here: run it.
    Activate { epoch: u64, image: I },
    /// Tell whoever waits for the move.
    Tell(Outcome),
}

impl<N, I> Action<N, I> {
    pub(super) fn send(to: N, message: Message<I>) -> Self {
        Self::Send { to, message }
    }
}
