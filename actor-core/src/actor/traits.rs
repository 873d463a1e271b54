//! What makes a type an actor: [`Actor`] and [`ActorOptions`], both usually written by `#[actor]`.
//!
//! An actor has one of two bodies.
//!
//! * **Message methods.** Each message is a call of [`Actor::handle`], which runs it to its end before the next one
//!   begins. Between messages the actor owns no stack. `#[actor]` on an `impl` block turns each public method into a
//!   message and writes the message enum, `handle` and the four views below.
//! * **Its own stack.** [`Actor::OWN_STACK`] is set and [`Actor::run`] is called once, with the actor by value and its
//!   [`Inbox`]. It receives where it likes, and ends the actor by returning.
//!
//! Address, mailbox and supervision are the same for both.
//!
//! # Views
//! A *view* of an address has one method for each message: what `addr.tell()`, `addr.try_tell()`, `addr.ask()` and
//! `addr.request()` return. The verb says whether the call waits, and because the methods live behind it nothing that a
//! user names can collide with a method of [`Addr`] itself. A view borrows the address and costs nothing.

use std::convert::Infallible;
use std::fmt;

use super::{
    Addr, After, Cx, Every, Exit, ExitReason, Forward, HandlerError, Inbox, Options, Priority,
    Reply, Signal, StartError, StayError,
};

/// The options of an actor type: its mailbox, stack and name. `#[actor]` on the struct writes this.
///
/// ```
/// use actor_core::{ActorOptions, Options, actor};
///
/// #[actor(mailbox = 1024, name = "till")]
/// struct Till { cents: u64 }
///
/// // The same by hand:
/// struct Safe { cents: u64 }
///
/// impl ActorOptions for Safe {
///     const OPTIONS: Options = Options::new().mailbox(1024).name("till");
/// }
///
/// assert_eq!(Till::OPTIONS, Safe::OPTIONS);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no actor options",
    label = "not marked as an actor",
    note = "write `#[actor]` on the definition of `{Self}` as well as on its `impl` block"
)]
pub trait ActorOptions {
    /// The options. All defaults, unless given.
    const OPTIONS: Options = Options::new();
}

/// A type that can be spawned. `#[actor]` on its `impl` block writes this.
///
/// ```
/// use actor_core::prelude::*;
///
/// #[actor]
/// pub struct Counter {
///     n: u64,
/// }
///
/// #[actor]
/// impl Counter {
///     pub fn add(&mut self, by: u64) {
///         self.n += by;
///     }
///     pub fn get(&self) -> u64 {
///         self.n
///     }
/// }
///
/// let sys = System::new()?;
/// let counter = sys.spawn(Counter { n: 0 })?;
/// counter.tell().add(2)?;
/// assert_eq!(counter.ask().get()?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # By hand
/// The macro does nothing that cannot be written by hand. An actor without message methods of its own needs only a
/// message type and a `handle`; its views are [`NoMethods`], and messages go to it by `addr.send(message)`:
///
/// ```
/// use actor_core::{Actor, ActorOptions, Cx, NoMethods, Reply};
///
/// struct Log(Vec<String>);
///
/// impl ActorOptions for Log {}
///
/// impl Actor for Log {
///     type Msg = String;
///     type Tell<'a> = NoMethods;
///     type TryTell<'a> = NoMethods;
///     type Ask<'a> = NoMethods;
///     type Request<'a> = NoMethods;
///
///     fn handle(&mut self, line: String, reply: Reply<'_>, _cx: &mut Cx<Self>) {
///         self.0.push(line);
///         reply.send(self.0.len());
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an actor",
    label = "not an actor",
    note = "write `#[actor]` on the definition of `{Self}` and on the `impl` block with its messages"
)]
pub trait Actor: ActorOptions + Sized + Send + 'static {
    /// Its messages: plain data. The mailbox holds them by value.
    type Msg: Send + 'static;

    /// What [`Addr::tell`] returns: one method a message, which waits while the mailbox is full, and not for the
    /// handler.
    type Tell<'a>: From<&'a Addr<Self>>;
    /// What [`Addr::try_tell`] returns: as [`Tell`](Self::Tell), but never waits.
    type TryTell<'a>: From<&'a Addr<Self>>;
    /// What [`Addr::ask`] returns: one method a message, which waits for the handler's answer.
    type Ask<'a>: From<&'a Addr<Self>>;
    /// What [`Addr::request`] returns: as [`Ask`](Self::Ask), but the answer is waited for later.
    type Request<'a>: From<&'a Addr<Self>>;

    /// Which body it has: `true` for [`run`](Self::run), `false` for [`handle`](Self::handle).
    const OWN_STACK: bool = false;

    /// Whether [`on_start`](Self::on_start) does anything. If not, spawning need not run the actor before its first
    /// message.
    const HAS_ON_START: bool = false;

    /// Whether [`priority`](Self::priority) ever says anything but [`Normal`](Priority::Normal). If not, it is never asked.
    const HAS_PRIORITIES: bool = false;

    /// Which lane `msg` takes, whoever sends it and by whatever verb. The lanes are each first in, first out; at each message
    /// boundary urgent messages go before ordinary ones. `#[actor]` writes this for methods marked `#[priority(high)]`.
    ///
    /// Called on the sender's stack.
    ///
    /// ```
    /// use actor_core::prelude::*;
    ///
    /// #[actor]
    /// struct Job { done: u64, cancelled: bool }
    ///
    /// #[actor]
    /// impl Job {
    ///     pub fn step(&mut self) {
    ///         if !self.cancelled { self.done += 1 }
    ///     }
    ///     /// Does not wait behind the steps that are queued.
    ///     #[priority(high)]
    ///     pub fn cancel(&mut self) -> u64 {
    ///         self.cancelled = true;
    ///         self.done
    ///     }
    /// }
    ///
    /// let sys = System::new()?;
    /// let job = sys.spawn(Job { done: 0, cancelled: false })?;
    /// for _ in 0..1000 {
    ///     job.tell().step()?;
    /// }
    /// assert!(job.ask().cancel()? <= 1000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn priority(msg: &Self::Msg) -> Priority {
        let _ = msg;
        Priority::Normal
    }

    /// Whether a [snapshot](crate::snapshot) keeps `msg` while it waits. `#[actor]` writes this for methods marked
    /// `#[snapshot(skip)]`.
    fn is_kept(msg: &Self::Msg) -> bool {
        let _ = msg;
        true
    }

    /// Called once, before the first message, or before [`run`](Self::run). May wait.
    ///
    /// # Errors
    /// The actor does not start: it ends as [`ExitReason::Failed`], and its supervisor treats that as a failed start.
    fn on_start(&mut self, cx: &mut Cx<Self>) -> Result<(), StartError> {
        let _ = cx;
        Ok(())
    }

    /// Whether [`on_move`](Self::on_move) does anything. If so the actor's life here ends with that.
    const HAS_ON_MOVE: bool = false;

    /// Called before the actor is [moved](crate::migrate) to the node `to`, at a message boundary: to finish its live sessions, hand
    /// them over or close them, and to close what it will open again by [`on_start`](Self::on_start). May wait, for as long as a
    /// part of a move [may take](crate::migrate::NodeBuilder::patience). No message comes between this and the image that is taken.
    ///
    /// It goes on at the other node as one that is [restored](crate::Cx::is_restored), by [`on_start`](Self::on_start). So it does
    /// here if the move fails after this: `on_start` is called again.
    ///
    /// # Errors
    /// It is not moved, and goes on: [`MoveError::Stays`](crate::migrate::MoveError::Stays).
    fn on_move(&mut self, cx: &mut Cx<Self>, to: &str) -> Result<(), StayError> {
        let _ = (cx, to);
        Ok(())
    }

    /// Called once, after the last message, with the reason it ends for. Not called if the actor was killed while a
    /// handler ran or its stack overflowed, and never for one with its own stack, which is gone by then.
    fn on_stop(&mut self, cx: &mut Cx<Self>, reason: &ExitReason) {
        let _ = (cx, reason);
    }

    /// Called for each [`Signal`], between messages: an actor it monitors has ended, or, if it traps exits, one it is linked
    /// to. The default drops the signal, with an [`Event::SignalDropped`](crate::Event::SignalDropped).
    ///
    /// Never called if [`OWN_STACK`](Self::OWN_STACK) is set.
    fn on_signal(&mut self, cx: &mut Cx<Self>, signal: Signal) {
        cx.drop_signal(&signal);
    }

    /// Called with the error of a handler whose message was only told: there is nobody else to have it. By default the actor
    /// ends, as [`ExitReason::Failed`] with the error displayed, after this handler. Before that the error is an
    /// [`Event::HandlerFailed`](crate::Event::HandlerFailed).
    ///
    /// It is what `#[actor]` writes into [`handle`](Self::handle) that calls this, for methods that return a `Result`. It is
    /// not called if the message was asked, also when the asker has given up, nor for an answer by [`ReplyTo`](crate::ReplyTo).
    fn on_error(&mut self, cx: &mut Cx<Self>, error: HandlerError) {
        cx.exit(error.into());
    }

    /// Handles one message. To answer, `reply.send(value)`, with the type that the asker expects; a `reply` dropped
    /// without an answer fails the ask. If the message was only told, the answer goes nowhere.
    ///
    /// Never called if [`OWN_STACK`](Self::OWN_STACK) is set.
    fn handle(&mut self, msg: Self::Msg, reply: Reply<'_>, cx: &mut Cx<Self>) {
        let _ = (msg, reply, cx);
    }

    /// The whole life of an actor with its own stack.
    ///
    /// Only called if [`OWN_STACK`](Self::OWN_STACK) is set.
    fn run(self, inbox: Inbox<Self>) -> Exit {
        let _ = inbox;
        Exit::Normal
    }
}

/// An actor whose messages are methods. `#[actor]` writes this, with more views of the messages; who writes an [`Actor`] by
/// hand does without, and sends messages as values.
#[diagnostic::on_unimplemented(
    message = "the messages of `{Self}` are not methods",
    label = "has no methods to call here",
    note = "send it its messages as values: `reply.forward_message(&addr, message)`"
)]
pub trait MessageMethods: Actor {
    /// What [`ReplyTo::forward`](crate::ReplyTo::forward) returns for an ask that waits for a `T`: one method for each message
    /// that is answered so.
    type Forward<'a, T>: From<Forward<'a, Self, T>>;
    /// What [`Addr::after`] returns: one method a message, which sets a [`Timer`](crate::Timer).
    type After: From<After<Self>>;
    /// What [`Addr::every`] returns: one method a message, which sets a [`Timer`](crate::Timer) that repeats. The message's
    /// parameters are `Clone`.
    type Every: From<Every<Self>>;
}

/// A message that cannot exist: the message type of an actor that takes none.
///
/// An actor with a `run` body and no `#[actor(message = ..)]` has it. Such an actor can still be stopped, killed,
/// linked and waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Never {}

impl From<Infallible> for Never {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The view of an actor without message methods: there is nothing to call. Send such an actor its messages by
/// `addr.send(message)` and `addr.try_send(message)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoMethods;

impl<'a, A: Actor> From<&'a Addr<A>> for NoMethods {
    fn from(_: &'a Addr<A>) -> Self {
        Self
    }
}

/// What the generated code needs beside the public API. Reached as `actor_core::__private`.
pub mod private {
    pub use crate::actor::carried::{Asker, Expected};
    pub use crate::pool::declared::private as pool;
    pub use crate::supervision::declared::private as tree;
    #[cfg(feature = "macros")]
    pub use actor_macros::PlainData;
    pub use serde;

    pub use crate::actor::asked;
    pub use crate::actor::failed::{
        ErrorText, TextByDebug, TextByDisplay, TextByType, told_in_vain,
    };
    pub use crate::actor::plain;
    pub use crate::migratable::private as migratable;

    /// Enums from their frozen form.
    pub mod variants {
        pub use crate::image::variants::{Fields, Variants, fields, variants};
    }

    /// The two halves of a handler's `Result`, also behind an alias such as `io::Result<T>`.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` is called `Result` and is not `std::result::Result`",
        label = "an answer of this type cannot be flattened",
        note = "a message method's `Result` arrives flattened at the asker; give another type another name"
    )]
    pub trait Fallible {
        /// What `Ok` holds.
        type Ok;
        /// What `Err` holds.
        type Err;
        /// What is in the `Err`, if it is one.
        fn into_err(self) -> Option<Self::Err>;
    }

    impl<T, E> Fallible for Result<T, E> {
        type Ok = T;
        type Err = E;
        fn into_err(self) -> Option<E> {
            self.err()
        }
    }

    /// The shorter names for a handler's `Ok` and `Err`.
    pub type OkOf<R> = <R as Fallible>::Ok;
    /// See [`OkOf`].
    pub type ErrOf<R> = <R as Fallible>::Err;

    /// What a message may hold and a handler may answer: generated code names each such type here, so that one which
    /// cannot travel is reported where it is written.
    pub fn travels<T: Send + 'static>() {}

    /// One fallible wait, for tests of what interrupts one: `Ok` on any wake-up.
    pub fn wait() -> Result<(), crate::microthread::Interrupt> {
        match crate::rt::wait::wait(None) {
            Err(crate::rt::wait::Ended::Interrupted(interrupt)) => Err(interrupt),
            _ => Ok(()),
        }
    }

    /// What `#[preemptible]` puts at the start of a loop's body.
    #[inline(always)]
    pub fn back_edge() {
        crate::rt::preempt::back_edge();
    }
}
