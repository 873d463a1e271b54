//! What a supervisor is told and asked, what it answers, and where it is.

use std::any::{Any, TypeId};
use std::sync::Arc;

use super::child::{Child, Notice};
use super::decide::{ChildKey, Incarnation};
use super::driver::Driver;
use super::error::ChildError;
use super::info::{ChildCounts, ChildInfo};
use super::roster::Roster;
use super::spec::Policy;
use crate::actor::{Addr, Host};
use crate::registry::Erased;

/// A message to a supervisor. Calls are asked, and answered with a [`Result`] of an [`Answer`].
pub(crate) enum Msg {
    StartChild {
        policy: Policy,
        child: Box<dyn Child>,
    },
    /// Of a dynamic supervisor: start a child with these arguments.
    StartDynamic(Box<dyn Any + Send>),
    /// Of a dynamic supervisor: start a child with each of these arguments, a `Vec`.
    StartBatch(Box<dyn Any + Send>),
    /// Of a dynamic supervisor: stop the child that is the actor with this id.
    TerminateActor(u64),
    /// Whether children are made by a template of this type.
    HasTemplate(TypeId, &'static str),
    RestartChild(Arc<str>),
    TerminateChild(Arc<str>),
    DeleteChild(Arc<str>),
    Find(Arc<str>),
    List,
    Count,
    Notice(Notice),
    /// The next attempt of an automatic restart; `life` is the supervisor's own.
    Retry {
        life: u64,
        child: ChildKey,
        incarnation: Incarnation,
    },
}

impl Msg {
    /// Whether it is about a child by its id or its spec.
    pub(super) fn wants_ids(&self) -> bool {
        matches!(
            self,
            Self::StartChild { .. }
                | Self::RestartChild(_)
                | Self::TerminateChild(_)
                | Self::DeleteChild(_)
                | Self::Find(_)
        )
    }
}

/// What a call gives that was not refused.
pub(super) enum Answer {
    Done,
    /// The child's address.
    Child(Arc<dyn Erased>),
    Listing(Vec<ChildInfo>),
    Counts(ChildCounts),
    /// A `Vec` of the addresses of a batch, and what ended it early.
    Batch(Box<dyn Any + Send>, Option<ChildError>),
}

/// The type in which every call is answered.
pub(super) type Answered = Result<Answer, ChildError>;

/// Where a supervisor is.
pub(super) struct Site {
    pub(super) host: Arc<Host>,
    pub(super) addr: Addr<Driver>,
    pub(super) roster: Arc<Roster>,
    /// Unlike any other life's of any supervisor.
    pub(super) life: u64,
}
