//! Asks of migratable functions.
//!
//! # What an ask is when its function is frozen
//! A send or a receive is given up and tried again. An ask is not: the actor has the message, may have begun to handle it, and
//! answers through a port that exists in this process only. To ask again where the function goes on would have the message
//! handled twice; to forget the answer would lose it. So a function cannot be frozen while it waits for an answer
//! ([`FreezeError::Asking`]): it goes on as it is, and can be frozen at its next wait. An image never has an ask in it.
//!
//! Dropped meanwhile, the function gives the answer up; the message is handled all the same.
//!
//! # Steps
//! 1. `begin` sends the message, as a request: from here on it is asked once. While a bounded mailbox is full the caller waits
//!    for room on its stack, as in any request.
//! 2. The pending answer lies outside the state, and the state has a mark, [`Asked`], which says when the patience ends.
//! 3. `poll` looks. When the patience has ended it leaves, and takes the answer if that has come before.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};

use super::error::AskError;
use super::pending::Pending;
use crate::migratable::FreezeError;
use crate::rt::cx::{Cx, Parked};
use crate::rt::wait;

/// An ask that has begun.
pub struct Asked<T, M, E> {
    deadline: Option<Instant>,
    of: PhantomData<fn() -> (T, M, E)>,
}

impl<T, M, E> fmt::Debug for Asked<T, M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("deadline", &self.deadline)
            .finish()
    }
}

impl<T, M, E> Serialize for Asked<T, M, E> {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(FreezeError::Asking))
    }
}

impl<'de, T, M, E> Deserialize<'de> for Asked<T, M, E> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("no image has an ask in it"))
    }
}

struct Waiting<T, M, E> {
    /// None once it is over.
    pending: Option<Pending<T, M, E>>,
    deadline: Option<Instant>,
}

impl<T, M, E> Parked for Waiting<T, M, E>
where
    T: Send + 'static,
    M: Send + 'static,
    E: Send + 'static,
{
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>, outcome: &mut dyn Any) -> bool {
        let this = self.get_mut();
        let Some(pending) = &mut this.pending else {
            return false;
        };
        let answer = match Pin::new(pending).poll(context) {
            Poll::Ready(answer) => answer,
            Poll::Pending if this.deadline.is_some_and(|at| wait::now() >= at) => {
                let Some(pending) = this.pending.take() else {
                    return false;
                };
                pending.leave()
            }
            Poll::Pending => return false,
        };
        this.pending = None;
        if let Some(outcome) = outcome.downcast_mut() {
            *outcome = Some(answer);
        }
        true
    }

    fn retract(self: Pin<&mut Self>, _: &mut dyn Any) -> bool {
        false
    }

    fn is_for_outside(&self) -> bool {
        true
    }
}

/// Step 1: waits for the answer, for at most `within`.
pub fn begin<T, M, E>(
    cx: &mut Cx<'_>,
    pending: Pending<T, M, E>,
    within: Option<Duration>,
) -> Asked<T, M, E>
where
    T: Send + 'static,
    M: Send + 'static,
    E: Send + 'static,
{
    let deadline = within.and_then(wait::after);
    cx.park(Waiting {
        pending: Some(pending),
        deadline,
    });
    Asked {
        deadline,
        of: PhantomData,
    }
}

/// Step 3.
pub fn poll<T, M, E>(asked: &Asked<T, M, E>, cx: &mut Cx<'_>) -> Poll<Result<T, AskError<M, E>>>
where
    T: Send + 'static,
    M: Send + 'static,
    E: Send + 'static,
{
    cx.go_on_at(asked.deadline);
    cx.poll(&mut ())
}
