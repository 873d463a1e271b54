//! How runtimes and systems end: in time, with a report, with everybody told.

#![allow(missing_docs, unreachable_pub, reason = "the test's own actors")]

mod phases;
mod runtime;
