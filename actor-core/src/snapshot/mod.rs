//! Snapshots: an actor as an [image](crate::image), and an actor from one.
//!
//! ```
//! use actor_core::prelude::*;
//!
//! #[actor(snapshot)]
//! struct Account {
//!     balance: i64,
//! }
//!
//! #[actor]
//! impl Account {
//!     pub fn deposit(&mut self, n: i64) {
//!         self.balance += n;
//!     }
//!     pub fn balance(&self) -> i64 {
//!         self.balance
//!     }
//! }
//!
//! let sys = System::new()?;
//! let account = sys.spawn_named("ada", Account { balance: 40 })?;
//! account.tell().deposit(2)?;
//! let image = account.snapshot()?; // the deposit is in it, handled or queued
//! account.stop();
//! account.join();
//!
//! // Later, in another process or build: here.
//! let account = sys.restore::<Account>(&image)?;
//! assert_eq!(account.ask().balance()?, 42);
//! assert_eq!(sys.lookup::<Account>("ada")?, account);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Terms
//! - *boundary*: the time between two messages of an actor, when none of its code runs.
//! - *snapshot*: an image of kind [`Actor`](crate::image::Kind::Actor), of what an actor is at a boundary. It is a copy: the
//!   actor goes on.
//! - *state*: what [`Snapshot`] writes of the actor itself. `#[actor(snapshot)]` writes a type for it, `AccountSnapshot`.
//! - *version*: of the state's fields, the user's number. An image of an older one is read by the *upgrade*.
//! - *policy*: a store, a name in it, and when to save there ([`SnapshotPolicy`]).
//!
//! # What is in it
//! | | in the snapshot | in the restored actor |
//! |---|---|---|
//! | state | all fields that are not skipped | as they were; the skipped ones by their `Default` or `skip = expr` |
//! | messages that were told and wait | all: urgent, ordinary, set aside, stashed | in the same order, before any that comes later |
//! | messages that were asked and wait | none | |
//! | messages marked `#[snapshot(skip)]` | none | |
//! | timers | message, period, time left | due when that time is over, counted from the restore |
//! | timers that are due | their messages, in their turn among those that wait | as any message |
//! | names | all | claimed again |
//! | what it was to its supervisor | child id and [`Restart`](crate::Restart) | for information: [`Summary`] |
//! | links, monitors, groups, stack, `ReplyTo`s | nothing | set up again by `#[on_start]` |
//!
//! An ask is between two who are there. Its asker gets its answer from the actor that goes on; or, if that ends, an error, and
//! asks again. Were it in the copy as well, it would be done twice.
//!
//! A snapshot waits for no message: it is taken at the next boundary, before what waits, also of an actor that is suspended.
//! What a handler has done by then is in it, and what the boundary finds waiting is in it: nothing is half in.
//!
//! # A restored life
//! It starts as every life does: `#[on_start]` runs, to open again what could not be written. [`Cx::is_restored`](crate::Cx::is_restored)
//! tells it that the timers are there already.
//!
//! # Why nothing is lost or duplicated
//! 1. *One instant.* Whoever has the right to run the actor takes it all between two messages: what is not in the state yet is in
//!    a lane, and what is in no lane any more is in the state. A message that comes meanwhile is behind the boundary.
//! 2. *Nothing is taken out* to be written: if writing fails, or panics, the caller is told and the actor goes on with all of it.
//! 3. *Restored before it can be found.* The messages are in its lanes before it runs. What comes for it by its name before that
//!    waits in its mailbox, which is behind them.
//! 4. *A child's mailbox outlives its lives.* When a child is started again in place, what waits for it is still in its mailbox:
//!    so the messages of its last snapshot are left out then, and put in only where its actor is a new one.
//!
//! What an actor did after its last snapshot, and sent to others meanwhile, is not undone by going back to it: see
//! [the guide](crate::guide::moving#what-happens-to-effects).
//!
//! # Versions
//! A type says `#[actor(snapshot(version = 2, upgrade = path))]`, and the function at `path` makes the present state of an older
//! one, by [`OldState`]. An image of a version that is not known yet is refused ([`RestoreError::Newer`]). Messages are read as
//! [`#[actor]`](crate::actor) says of their frozen form: a message that was renamed or taken away, and waits in an image, makes
//! that unreadable. Keep it until the images that may hold it have been restored.
//!
//! # Policies
//! [`System::restore_or_spawn`](crate::System::restore_or_spawn) goes on from the last snapshot of a policy, and has later ones
//! saved by it; [`ChildSpec::restore`](crate::ChildSpec::restore) does so for a child, in each of its lives.
//!
//! | when | what is saved | by whom |
//! |---|---|---|
//! | [`every`](SnapshotPolicy::every) so often | the actor at its next boundary, if it has changed | a microthread; the actor only writes its image, and does not wait for the store |
//! | [`on_stop`](SnapshotPolicy::on_stop) | the actor when a life of it ends at a boundary: it was stopped, by its supervisor before it starts it again too; or failed by an `Err` | its last act, behind its stop hook: when its end is known, it is stored |
//!
//! A life that ends by a panic, a kill or an overflow has no boundary to look at: its state may be half changed. What was saved
//! before it stands. A store that fails is an [`Event::SnapshotFailed`](crate::Event::SnapshotFailed).
//!
//! | what is found when a life begins | what the life begins with |
//! |---|---|
//! | nothing was ever saved | what the factory makes |
//! | the last image | that |
//! | the last image is damaged | the one before, as far as the store keeps one; [`Event::SnapshotDamaged`](crate::Event::SnapshotDamaged) names what was set aside |
//! | all are damaged, and set aside | what the factory makes; an event each |
//! | the store cannot be read; a version not known; an upgrade fails | the start fails: what a new actor would save would take the place of what could not be read now |
//!
//! # Format
//! The header's name is that of the actor's type ([`Options::name`](crate::Options::name)), its schema the version, its epoch the
//! policy's count. The payload is a map; an entry that would be empty is left out, but for the first:
//!
//! | key | value |
//! |---|---|
//! | `state` | the state |
//! | `urgent`, `queue`, `stash` | arrays of messages in their frozen form, in the order in which they are handled |
//! | `timers` | array of maps: `left` and `every` in nanoseconds, `missed` (`skip`, `delay` or `burst`), `msg`. Without `every` it comes once |
//! | `asks` | array of pairs: lane (0, 1 or 2, as above) and place in it of each message that somebody waits for. In images of actors that were moved |
//! | `names` | array of strings, the first one first |
//! | `role` | map: `child` and `restart` |

// # Taking an actor
// For the protocol that moves an actor elsewhere, `take` holds it at a boundary and gives its image with everything in it, asks
// too; nothing is removed yet:
//
//     pub(crate) fn take<A: Snapshot>(addr: &Addr<A>, within: Duration) -> Result<Taken<A>, SnapshotError>     // in `moving`
//
//     impl Taken<A> {
//         pub(crate) image: Image,
//         pub(crate) asks: usize,            // messages in it that somebody waits for: `asks` of the payload
//         pub(crate) fn resume(self);        // it goes on as if nothing had been; so does dropping this
//         pub(crate) fn leave(self, pass: impl FnMut(A::Msg, Port) + Send + 'static) -> Result<Vec<Port>, SnapshotError>;
//     }
//
// Until one of the two it runs nothing, and what is sent to it waits in its mailbox. `leave` ends it without running what
// waits: its state is dropped, without its stop hook, and its timers end; the ports of the asks that are in the image come
// back, in the order in which they are in it. The cell stays as a forwarding address: what has come since the boundary, and what
// still comes, goes to `pass`, in order, with the port of its asker, if there is one; until it is stopped or killed, which its
// names and supervisor see as its end. If it is killed while it is held, `leave` says so and nothing has left.
//
// On the other side `moving::thaw(image, ports)` reads it with a port for each of its asks, and `moving::start` starts it.

mod capture;
mod error;
pub(crate) mod moving;
mod payload;
mod policy;
mod restore;
mod supervised;
mod take;
#[cfg(all(test, not(loom)))]
mod tests;
mod traits;

pub use error::{RestoreError, SnapshotError, UpgradeError};
pub use policy::SnapshotPolicy;
pub use restore::Summary;
pub use traits::{OldState, Snapshot};
