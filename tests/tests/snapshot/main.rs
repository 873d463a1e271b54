//! Snapshots of actors: what is in them, what comes of them, when they are saved.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "the actors of the tests"
)]

mod captured;
mod golden;
mod policies;
mod random;
mod timers;
mod versions;
