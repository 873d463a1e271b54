//! What the protocol that moves actors needs of snapshots.

use std::sync::Arc;
use std::time::Duration;

use serde::de::IgnoredAny;

use super::error::RestoreError;
use super::payload::{self, QUEUE, Read, URGENT};
use super::traits::Snapshot;
use crate::actor::Addr;
use crate::image::{DecodeError, Image};
use crate::system::System;

pub(crate) use super::restore::{Thawed, thaw};
pub(crate) use super::take::{NotTaken, Taken};

/// Holds an actor at its next boundary, prepared to move to the node `to`, if it comes to that in time.
pub(crate) fn take<A: Snapshot>(
    addr: &Addr<A>,
    to: &str,
    within: Duration,
) -> Result<Taken<A>, NotTaken> {
    super::take::take_by(addr.sys().within(within), to)
}

/// What an image calls actors of this type.
pub(crate) fn name_of<A: Snapshot>() -> &'static str {
    payload::name_of::<A>()
}

/// The messages of an image that somebody waits for, in their order there.
pub(crate) fn asked<A: Snapshot>(image: &Image) -> Result<Vec<A::Msg>, DecodeError> {
    let read: Read<IgnoredAny, A::Msg> = image.value()?;
    let mut lanes = [read.urgent, read.queue, read.stash].map(|lane| {
        let some = lane.into_iter().map(Some);
        some.collect::<Vec<_>>()
    });
    let mut take = |lane: u8, at: u32| {
        let [urgent, queue, stash] = &mut lanes;
        let lane = match lane {
            URGENT => urgent,
            QUEUE => queue,
            _ => stash,
        };
        lane.get_mut(at as usize)?.take()
    };
    let missing = || DecodeError::Value("a message that is asked is not there".to_owned());
    (read.asks.iter())
        .map(|&(lane, at)| take(lane, at).ok_or_else(missing))
        .collect()
}

/// The names that it had.
pub(crate) fn names<A: Snapshot>(thawed: &Thawed<A>) -> &[Arc<str>] {
    &thawed.names
}

/// Starts what was read. `tie` is called before it runs, with the names that it had, none of which leads to it yet.
pub(crate) fn start<A: Snapshot>(
    sys: &System,
    mut thawed: Thawed<A>,
    tie: impl FnOnce(&Addr<A>, Vec<Arc<str>>),
) -> Result<Addr<A>, RestoreError> {
    let names = std::mem::take(&mut thawed.names);
    super::restore::start(sys, thawed, &[], |addr| tie(addr, names))
}
