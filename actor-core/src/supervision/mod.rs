//! Supervision: who is started again, when, and how often.
//!
//! A [`Supervisor`] is an actor whose only work is to start other actors, its **children**, and to react when they end. It is
//! given **child specs** ([`ChildSpec`]: what to start, when to start it again, how to stop it) and a restart **intensity**
//! (how many restarts within a period are still normal), and a [`Strategy`] (which children are started again with the one that
//! has to be). The rules are those of OTP's `supervisor`.
//!
//! A tree that is known when the program is written is best declared as a struct, with typed addresses in its fields:
//! see [`Tree`]. One that is not is built with [`Supervisor::builder`] and [`Supervisor::start_child`]. Either may be part of the
//! other.
//!
//! # A child and its address
//! Each **life** of a child begins with its factory and its start hook, and ends when it panics, is killed, runs out of stack,
//! stops or is stopped. The next life begins only after the last one is torn down: its stop hook has run, its state has been
//! dropped.
//!
//! | what happens | address | messages queued, or sent meanwhile | name |
//! |---|---|---|---|
//! | it ends and is started again, at once or at a later attempt | stays valid | kept, in order, for the next life | kept |
//! | it is stopped and started again with a sibling, or waits for that sibling's next attempt | stays valid | the same | kept |
//! | it stops for good: terminated, a normal end of a transient child, its factory declines | closed | answered with an error or counted as dead letters | free |
//! | it is restarted by hand | a new one | none | taken again |
//! | its supervisor ends | closed | as when it stops for good | free |
//!
//! (Calls to a supervisor that wait when it gives up or shuts down are refused, and not kept for its next life.)
//!
//! The one message that a child was handling when it failed is lost with that life, lest it fail the next one too; whoever
//! asked it learns why. A request to stop or a kill that comes between two lives is not kept for the next.
//!
//! A child is the supervisor's to end: [`Addr::stop`](crate::Addr::stop) and [`Addr::kill`](crate::Addr::kill) end one life of
//! it, after which its spec decides. [`Addr::join`](crate::Addr::join) returns when it has stopped for good.
//!
//! # When it is started again
//! | [`Restart`] | after a normal end (*normal*, *shutdown*) | after any other |
//! |---|---|---|
//! | `Permanent` | yes | yes |
//! | `Transient` | no, it is left stopped | yes |
//! | `Temporary` | no, it is forgotten | no, it is forgotten |
//!
//! Which siblings are stopped and started again with it, the [`Strategy`] says.
//!
//! An attempt that fails (the factory panics or says no, the start hook fails, the limit of stacks is reached) is followed by
//! another, behind the calls that wait already, and perhaps after a delay ([`Backoff`]). Each attempt counts. When there is one more than the intensity allows, the
//! supervisor **gives up**: it stops all of its children, in reverse start order, and ends with
//! [`ExitReason::Shutdown`](crate::ExitReason::Shutdown). If it is itself a child, its own supervisor's turn has come.
//!
//! # How it is stopped
//! Children are stopped one at a time, in reverse start order, each as its spec says ([`Shutdown`]); those of a
//! [`DynamicSupervisor`] all at once. A supervisor that is
//! *killed* waits for nobody: its children are killed too, and their stop hooks do not run.
//!
//! A system's shutdown stops the supervisors that have no supervisor; these stop the others.
//!
//! # Limits
//! * A kill takes effect where the child next waits. One that computes for ever cannot be ended, and holds up its supervisor.
//! * A child whose start hook never returns holds up its supervisor too, as in OTP. Killing the child helps.
//! * A supervisor holds a stack, on which the factories run. A factory that overflows it ends the supervisor.
//! * Departures from OTP are stated in the documentation of what they concern.
//!
//! # Events
//! [`Event::Restarted`](crate::Event::Restarted), [`Event::StartFailed`](crate::Event::StartFailed),
//! [`Event::StopOverdue`](crate::Event::StopOverdue), [`Event::GaveUp`](crate::Event::GaveUp); and, as of all actors,
//! [`Event::Spawned`](crate::Event::Spawned) and [`Event::Exited`](crate::Event::Exited) for each life.

// The code is in two halves, so that every rule can be tested without a thread, a stack or a clock:
//
//   calls, notices, deadlines    Input        ┌──────────┐        Action     starts, stops, replies
//  ───────────────────────▶ driver ────────▶ │  decide  │ ────────▶ driver ─────────────────────────▶
//                          (an actor)         └──────────┘        (the same)
//
// * `decide` is the deciding half: a pure state machine which is told what happened and answers with an ordered list of
//   what to do. It owns no actor and reads no clock.
// * `driver` is the acting half: the supervisor as an actor. `child` is what it has of each child, and the child's tie to it.
//   `msg` is what it is told and asked. `crowd` is what a dynamic supervisor has of those that were started in a batch.
// * `declared` is what `#[supervisor]` writes code for, and `seats` where the children of such a tree leave their addresses.
// * `supervisor` is the handle, `spec`, `info` and `error` what goes in and out.

mod backoff;
mod child;
mod crowd;
mod decide;
pub(crate) mod declared;
mod driver;
mod dynamic;
mod error;
mod info;
mod intensity;
mod msg;
mod retries;
mod roster;
mod seats;
mod settings;
mod spec;
mod supervisor;
mod template;

pub use backoff::Backoff;
pub(crate) use child::{Continued, Past, Place};
pub use declared::{Tree, TreeSetup};
pub use dynamic::{DynamicBuilder, DynamicSupervisor};
pub use error::{BatchError, ChildError};
pub use info::{ChildCounts, ChildInfo, ChildState};
pub use settings::{AutoShutdown, Strategy};
pub use spec::{ChildSpec, Restart, Shutdown, SpecError};
pub use supervisor::{Supervisor, SupervisorBuilder, SupervisorSetup};
pub use template::ChildTemplate;
