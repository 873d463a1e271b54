//! What the documentation of actors promises, by name, against the public interface.
//!
//! No test sleeps to get an order of events: it waits for a state ([`support::Flag`], [`support::blocked`]) or holds a
//! handler where it wants it. Where a kill may find its victim before or after it parks, both must end alike, so the test
//! does not care.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "the actors of the tests"
)]

mod asks;
mod blocking;
mod combined;
mod delegated;
mod delivery;
mod exclusive;
mod forward;
mod kill;
mod lifecycle;
mod links;
mod monitors;
mod names;
mod on_error;
mod overflow;
mod own_stack;
mod panics;
mod protocols;
mod recipients;
mod shapes;
mod signals;
mod support;
mod sys;
mod system;
mod tie_storm;
mod timers;
