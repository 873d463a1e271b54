//! Mailboxes as users see them: what they promise, one test each, named after the promise.
//!
//! The mailbox has its own tests and models beside its code; these are short, but for the accounting of a million messages.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "the actors of the tests"
)]

mod accounting;
mod bounds;
mod dead_letters;
mod policies;
mod priorities;
mod selective;
mod stash;
mod support;
