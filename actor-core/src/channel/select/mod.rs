//! `select`: one of several operations on channels, whichever can be done first.
//!
//! [`select!`](crate::select) where the branches are known, [`Select`] where they are made at run time. The protocol is that of
//! `channel/wait.rs`; `selection.rs` carries it out for cases of any kind (`case.rs`).

mod arm;
pub(crate) mod case;
mod dynamic;
mod kinds;
pub(in crate::channel) mod parked;
pub(in crate::channel) mod selection;

use std::time::{Duration, Instant};

use super::wait::Until;
use crate::rt::wait;

pub use arm::Source;
#[doc(hidden)]
pub use arm::{AnyCase, Arm, OptionArm, ReadyArm, RecvArm, SendArm, ready, recv, send, send_from};
pub use dynamic::{Branch, Select, SelectError};
#[doc(hidden)]
pub use kinds::{BroadcastArm, ChangedArm, OneshotArm, TimeArm};

/// How long a `select!` waits.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    None,
    Endless,
    For(Duration),
    Until(Instant),
}

/// What `select!` calls: which of the cases was done. `None`: none was in time.
#[doc(hidden)]
pub fn run<const N: usize>(
    cases: [AnyCase<'_>; N],
    patience: Patience,
    biased: bool,
) -> Option<usize> {
    let until = match patience {
        Patience::None => Until::Now,
        Patience::Endless => Until::Deadline(None),
        Patience::For(timeout) => Until::Deadline(wait::after(timeout)),
        Patience::Until(deadline) => Until::Deadline(Some(deadline)),
    };
    selection::select(&mut cases.map(|case| case.0), until, biased)
}
