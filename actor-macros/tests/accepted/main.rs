//! What `#[actor]` and its kin accept: right programs, which hold what a lint or a stray name in scope could break. Each is a
//! module of its own, for its own lints and names; most have only to compile. The wrong ones are in `ui/fail`.
// Of what the tests themselves say; modules that deny `missing_docs` mean what is generated.
#![allow(missing_docs, missing_debug_implementations, unreachable_pub)]
// Shapes, odd on purpose.
#![allow(
    clippy::boxed_local,
    clippy::len_without_is_empty,
    clippy::new_without_default,
    clippy::unused_unit
)]

pub mod bodies;
pub mod delegated;
pub mod generics;
pub mod mailbox_options;
pub mod on_error;
pub mod on_signal;
pub mod owned_types;
pub mod plain_data;
pub mod preemptible;
pub mod protocols;
pub mod select_shapes;
pub mod shadowed_names;
pub mod snapshot;
pub mod strict_lints;
pub mod supervisor_shapes;
pub mod timers;
