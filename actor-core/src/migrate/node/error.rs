//! What can go wrong with a move.

use std::error::Error;
use std::sync::Arc;
use std::{fmt, io};

use super::super::handover::Refusal;
use crate::StayError;
use crate::image::DecodeError;
use crate::microthread;
use crate::migratable::FreezeError;
use crate::snapshot::SnapshotError;
use crate::store::StoreError;

/// Why a thing has not moved. It lives on where it was, unless a variant says otherwise.
#[derive(Debug)]
#[non_exhaustive]
pub enum MoveError {
    /// Nothing of this name lives here.
    NotHere,
    /// It is being moved already.
    Moving,
    /// There is no way to this node. [`Node::attach`](super::Node::attach) one.
    NoWay(Arc<str>),
    /// It cannot be frozen.
    Freeze(FreezeError),
    /// No snapshot can be taken of the actor.
    Snapshot(SnapshotError),
    /// Its [`#[on_move]`](crate::Actor::on_move) hook does not let it go.
    Stays(StayError),
    /// It did not come to a point where it can be frozen within the time, or it ended before.
    NotFrozen,
    /// The destination does not want it.
    Refused(Refusal),
    /// The destination did not answer within the time.
    TimedOut,
    /// The store did not take the record.
    NotSaved(Arc<StoreError>),
    /// It has stayed, and could not be continued from its image, which is in the store, if there is one: it does not run.
    NotResumed(Refusal),
    /// There is no more room for microthreads.
    Spawn(microthread::SpawnError),
    /// The caller's wait was interrupted, or the system ends. The move may go on: how it ends is not told here.
    Interrupted,
    /// It has gone, and the destination knows nothing of it any more: without a store, one that was restarted has lost it.
    Missing,
}

impl fmt::Display for MoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHere => f.write_str("nothing of this name lives here"),
            Self::Moving => f.write_str("it is being moved already"),
            Self::NoWay(node) => write!(f, "there is no way to `{node}`"),
            Self::Freeze(error) => write!(f, "it cannot be frozen: {error}"),
            Self::Snapshot(error) => write!(f, "no snapshot can be taken of it: {error}"),
            Self::Stays(why) => write!(f, "it does not want to go: {why}"),
            Self::NotFrozen => f.write_str("it came to no point where it can be frozen"),
            Self::Refused(why) => write!(f, "the destination refuses it: {why}"),
            Self::TimedOut => f.write_str("the destination did not answer in time"),
            Self::NotSaved(_) => f.write_str("the store did not take the record"),
            Self::NotResumed(why) => write!(f, "it stays, and cannot go on: {why}"),
            Self::Spawn(error) => write!(f, "a microthread cannot be started: {error}"),
            Self::Interrupted => f.write_str("the wait for the move was interrupted"),
            Self::Missing => f.write_str("it has gone, and the destination knows nothing of it"),
        }
    }
}

impl Error for MoveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Freeze(error) => Some(error),
            Self::Snapshot(error) => Some(error),
            Self::Stays(error) => Some(error),
            Self::NotSaved(error) => Some(&**error),
            Self::Spawn(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a thing was not saved. It lives on, unless a variant says otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SaveError {
    /// Nothing of this name lives here: it has ended, or gone to another node.
    NotHere,
    /// The node has no [`store`](super::NodeBuilder::store).
    NoStore,
    /// It did not come to a point where it can be saved within [`patience`](super::NodeBuilder::patience), or it ended before.
    TimedOut,
    /// It cannot be frozen.
    Freeze(FreezeError),
    /// No snapshot can be taken of the actor.
    Snapshot(SnapshotError),
    /// The store did not take it: the record is the one before, or this one.
    NotSaved(Arc<StoreError>),
    /// It does not run: it could not be continued from its image, which is in the store.
    NotResumed(Refusal),
    /// There is no more room for microthreads.
    Spawn(microthread::SpawnError),
    /// The caller's wait was interrupted, or the system ends. It may have been saved or not.
    Interrupted,
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHere => f.write_str("nothing of this name lives here"),
            Self::NoStore => f.write_str("the node has no store"),
            Self::TimedOut => f.write_str("it came to no point where it can be saved"),
            Self::Freeze(error) => write!(f, "it cannot be frozen: {error}"),
            Self::Snapshot(error) => write!(f, "no snapshot can be taken of it: {error}"),
            Self::NotSaved(_) => f.write_str("the store did not take it"),
            Self::NotResumed(why) => write!(f, "it does not run: {why}"),
            Self::Spawn(error) => write!(f, "a microthread cannot be started: {error}"),
            Self::Interrupted => f.write_str("the wait for the save was interrupted"),
        }
    }
}

impl Error for SaveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Freeze(error) => Some(error),
            Self::Snapshot(error) => Some(error),
            Self::NotSaved(error) => Some(&**error),
            Self::Spawn(error) => Some(error),
            _ => None,
        }
    }
}

/// Why something is not one of a node's things.
#[derive(Debug)]
#[non_exhaustive]
pub enum NodeError {
    /// The name of a node or a thing has more than 255 bytes: so many.
    Name(usize),
    /// The node has a thing of this name, or a record of one.
    Taken(Arc<str>),
    /// The node was not told to [`accept`](super::NodeBuilder::accept) this: it could not come back.
    Unknown(String),
    /// It cannot be frozen.
    Freeze(FreezeError),
    /// No snapshot can be taken of the actor.
    Snapshot(SnapshotError),
    /// The store did not take it, or could not be read.
    Store(StoreError),
    /// A record in the store cannot be read.
    Record {
        /// Of which thing.
        thing: String,
        /// Why not.
        error: DecodeError,
    },
    /// The last record of this thing is damaged, and the store has set it aside. It is not known what it said: if it was that the
    /// thing has gone, to go on from an earlier one would have it live twice. So the node does not start, nor does it the next time,
    /// until the record is [removed](crate::store::Store::remove), or a good one saved in its place: `moves/` and the thing's name.
    Damaged(String),
    /// There is no more room for microthreads.
    Spawn(microthread::SpawnError),
    /// The operating system has no random bytes to give, without which no number can be drawn that nobody has drawn before: two nodes
    /// could come to have the same thing.
    NoRandomness(io::Error),
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(length) => {
                write!(f, "a name of {length} bytes, where 255 are allowed")
            }
            Self::Taken(name) => write!(f, "the node has something called `{name}`"),
            Self::Unknown(kind) => write!(f, "the node does not accept `{kind}`"),
            Self::Freeze(error) => write!(f, "it cannot be frozen: {error}"),
            Self::Snapshot(error) => write!(f, "no snapshot can be taken of it: {error}"),
            Self::Store(error) => write!(f, "the store: {error}"),
            Self::Record { thing, error } => {
                write!(f, "the record of `{thing}` cannot be read: {error}")
            }
            Self::Damaged(thing) => write!(f, "the last record of `{thing}` is damaged"),
            Self::Spawn(error) => write!(f, "a microthread cannot be started: {error}"),
            Self::NoRandomness(_) => f.write_str("the system has no random bytes to give"),
        }
    }
}

impl Error for NodeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Freeze(error) => Some(error),
            Self::Snapshot(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::Record { error, .. } => Some(error),
            Self::Spawn(error) => Some(error),
            Self::NoRandomness(error) => Some(error),
            Self::Name(_) | Self::Damaged(_) | Self::Taken(_) | Self::Unknown(_) => None,
        }
    }
}
