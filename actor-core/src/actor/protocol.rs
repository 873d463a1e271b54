//! What several types of actors can be asked alike: protocols, and addresses narrowed to one.
//!
//! A protocol is a trait marked `#[protocol]`, known here by its trait object, `dyn Greeter`, of which no value is ever
//! made: it stands for "whoever greets". The trait's methods are messages of an enum of their own (`GreeterMsg`). An actor
//! that takes part has one variant for all of them in its own enum (`Greeter(GreeterMsg)`), so that to its mailbox they are
//! messages as all others, in order with them; and [`AddrOf`] wraps what is sent into that variant.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use crate::rt::wait;

use super::addr::Addr;
use super::ask;
use super::carried::{Asker, Expected};
use super::cycle::WaitCycle;
use super::delivery::{Priority, Until};
use super::error::{AskError, TellError};
use super::exit::ExitReason;
use super::pending::Pending;
use super::recipient::{Carries, Recipient};
use super::reply::{self, Receiver};
use super::traits::Actor;

/// What `#[protocol]` implements for the trait object of its trait.
///
/// ```
/// use actor_core::prelude::*;
///
/// #[protocol]
/// pub trait Greeter {
///     fn greet(&self, name: String) -> String;
///     fn reset(&mut self);
/// }
///
/// #[actor]
/// struct Polite {
///     greeting: &'static str,
/// }
///
/// #[actor(protocols = [Greeter])]
/// impl Polite {
///     pub fn shout(&mut self) {
///         self.greeting = "HELLO";
///     }
/// }
///
/// impl Greeter for Polite {
///     fn greet(&self, name: String) -> String {
///         format!("{}, {name}", self.greeting)
///     }
///     fn reset(&mut self) {
///         self.greeting = "Hello";
///     }
/// }
///
/// let sys = System::new()?;
/// let polite = sys.spawn(Polite { greeting: "Hi" })?;
/// let greeter: AddrOf<dyn Greeter> = polite.narrow();
/// assert_eq!(greeter.ask().greet("Ada".into())?, "Hi, Ada");
/// polite.tell().shout()?;
/// greeter.tell().reset()?;
/// assert_eq!(greeter.ask().greet("Ada".into())?, "Hello, Ada");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a protocol",
    label = "not a protocol",
    note = "write `#[protocol]` on the trait, and `dyn` before its name where a type is wanted"
)]
pub trait Protocol: 'static {
    /// Its messages: plain data, with a variant for each method.
    type Msg: Send + 'static;
    /// The answers to them: a variant for each method.
    type Reply;

    /// What [`AddrOf::tell`] returns.
    type Tell<'a>: From<&'a AddrOf<Self>>;
    /// What [`AddrOf::try_tell`] returns.
    type TryTell<'a>: From<&'a AddrOf<Self>>;
    /// What [`AddrOf::ask`] returns.
    type Ask<'a>: From<&'a AddrOf<Self>>;
    /// What [`AddrOf::request`] returns.
    type Request<'a>: From<&'a AddrOf<Self>>;

    /// Whether [`priority`](Self::priority) ever says anything but [`Normal`](Priority::Normal). If not, it is never asked.
    const HAS_PRIORITIES: bool = false;

    /// Which lane `msg` takes in the mailbox of whoever takes part, by whatever address it is sent: as [`Actor::priority`],
    /// which for an actor with `#[actor(protocols = [..])]` asks here. `#[protocol]` writes this for methods marked
    /// `#[priority(high)]`.
    ///
    /// An actor written by hand, or one with a `run` body, decides for itself which lanes it has.
    ///
    /// ```
    /// use actor_core::prelude::*;
    /// use actor_core::Priority;
    ///
    /// #[protocol]
    /// pub trait Job {
    ///     fn step(&mut self);
    ///     /// Does not wait behind the steps that are queued.
    ///     #[priority(high)]
    ///     fn cancel(&mut self) -> u64;
    /// }
    ///
    /// #[actor]
    /// #[derive(Default)]
    /// struct Count { done: u64, cancelled: bool }
    ///
    /// #[actor(protocols = [Job])]
    /// impl Count {}
    ///
    /// impl Job for Count {
    ///     fn step(&mut self) {
    ///         if !self.cancelled { self.done += 1 }
    ///     }
    ///     fn cancel(&mut self) -> u64 {
    ///         self.cancelled = true;
    ///         self.done
    ///     }
    /// }
    ///
    /// assert_eq!(Count::priority(&CountMsg::Job(JobMsg::Cancel)), Priority::High);
    /// let sys = System::new()?;
    /// let job: AddrOf<dyn Job> = sys.spawn(Count::default())?.narrow();
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

    /// What [`AddrOf::call`] does.
    ///
    /// # Errors
    /// As an ask.
    fn call(
        addr: &AddrOf<Self>,
        msg: Self::Msg,
        within: Option<Duration>,
    ) -> Result<Self::Reply, AskError<Self::Msg>>;

    #[doc(hidden)]
    fn __expect(msg: &Self::Msg) -> Expected<Self::Reply>;

    #[doc(hidden)]
    fn __answer(reply: Self::Reply, to: Asker);
}

/// The address of an actor that takes part in a protocol, whatever its type: `AddrOf<dyn Greeter>`.
///
/// [`Addr::narrow`] makes one, as does `.into()`, without allocating. It is two words, and has the verbs of an [`Addr`] for
/// the messages of the protocol; an error gives back the protocol's message. What is promised of an [`Addr`] holds of it.
/// There is no way back to the actor's type. An example is at [`Protocol`].
pub struct AddrOf<P: Protocol + ?Sized> {
    to: Recipient<P::Msg>,
}

impl<A: Actor> Addr<A> {
    /// The actor as one that takes part in a protocol, and nothing more is known of.
    ///
    /// Possible if its messages include the protocol's, as `#[actor(protocols = [..])]` sees to.
    #[must_use]
    pub fn narrow<P: Protocol + ?Sized>(&self) -> AddrOf<P>
    where
        A::Msg: Carries<P::Msg>,
    {
        AddrOf {
            to: self.recipient(),
        }
    }
}

impl<P: Protocol + ?Sized> AddrOf<P> {
    // ---- verbs ------------------------------------------------------------------------------------------------------

    /// As [`Addr::tell`], for the messages of the protocol.
    #[inline]
    pub fn tell(&self) -> P::Tell<'_> {
        self.into()
    }

    /// As [`Addr::try_tell`], for the messages of the protocol.
    #[inline]
    pub fn try_tell(&self) -> P::TryTell<'_> {
        self.into()
    }

    /// As [`Addr::ask`], for the messages of the protocol.
    #[inline]
    pub fn ask(&self) -> P::Ask<'_> {
        self.into()
    }

    /// As [`Addr::request`], for the messages of the protocol.
    #[inline]
    pub fn request(&self) -> P::Request<'_> {
        self.into()
    }

    /// As [`Addr::send`].
    ///
    /// # Errors
    /// [`TellError::Closed`], with the message, if the actor has ended.
    pub fn send(&self, msg: P::Msg) -> Result<(), TellError<P::Msg>> {
        self.to.send(msg)
    }

    /// As [`Addr::try_send`].
    ///
    /// # Errors
    /// [`TellError::Full`] or [`TellError::Closed`], with the message.
    pub fn try_send(&self, msg: P::Msg) -> Result<(), TellError<P::Msg>> {
        self.to.try_send(msg)
    }

    /// As [`Addr::call`].
    ///
    /// # Errors
    /// As an ask.
    pub fn call(&self, msg: P::Msg) -> Result<P::Reply, AskError<P::Msg>> {
        P::call(self, msg, None)
    }

    /// As [`Addr::call_timeout`].
    ///
    /// # Errors
    /// As an ask.
    pub fn call_timeout(
        &self,
        msg: P::Msg,
        timeout: Duration,
    ) -> Result<P::Reply, AskError<P::Msg>> {
        P::call(self, msg, Some(timeout))
    }

    /// The actor as a [`Recipient`] of the protocol's messages.
    #[must_use]
    pub fn recipient(&self) -> Recipient<P::Msg> {
        self.to.clone()
    }

    // ---- life -------------------------------------------------------------------------------------------------------

    /// As [`Addr::id`].
    #[must_use]
    pub fn id(&self) -> u64 {
        self.to.id()
    }

    /// As [`Addr::is_alive`].
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.to.is_alive()
    }

    /// As [`Addr::queued`]: all messages of the actor count.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.to.to().queued()
    }

    /// As [`Addr::stop`].
    pub fn stop(&self) {
        self.to.to().stop();
    }

    /// As [`Addr::kill`].
    pub fn kill(&self) {
        self.to.to().kill();
    }

    /// As [`Addr::join`].
    ///
    /// # Panics
    /// As [`Addr::join`].
    #[track_caller]
    pub fn join(&self) -> ExitReason {
        match self.try_join() {
            Ok(reason) => reason,
            Err(path) => panic!("`join` of {self:?} would never end: {path}"),
        }
    }

    /// As [`Addr::try_join`].
    ///
    /// # Errors
    /// As [`Addr::try_join`].
    pub fn try_join(&self) -> Result<ExitReason, WaitCycle> {
        let ended = self.to.to().wait_end(None)?;
        Ok(ended.expect("there is no deadline"))
    }

    /// As [`Addr::join_timeout`].
    pub fn join_timeout(&self, timeout: Duration) -> Option<ExitReason> {
        self.to.to().wait_end(wait::after(timeout)).ok()?
    }

    // ---- for generated code -----------------------------------------------------------------------------------------

    #[doc(hidden)]
    pub fn __tell(&self, msg: P::Msg) -> Result<(), TellError<P::Msg>> {
        self.send(msg)
    }

    #[doc(hidden)]
    pub fn __try_tell(&self, msg: P::Msg) -> Result<(), TellError<P::Msg>> {
        self.try_send(msg)
    }

    #[doc(hidden)]
    pub fn __ask<T: Send + 'static>(
        &self,
        msg: P::Msg,
        within: Option<Duration>,
    ) -> Result<T, AskError<P::Msg>> {
        self.ask_as(msg, within)
    }

    #[doc(hidden)]
    pub fn __ask_result<T: Send + 'static, E: Send + 'static>(
        &self,
        msg: P::Msg,
        within: Option<Duration>,
    ) -> Result<T, AskError<P::Msg, E>> {
        self.ask_as::<Result<T, E>, E>(msg, within)?
            .map_err(AskError::Handler)
    }

    fn ask_as<T: Send + 'static, E>(
        &self,
        msg: P::Msg,
        within: Option<Duration>,
    ) -> Result<T, AskError<P::Msg, E>> {
        let to = self.to.to();
        ask::ask_by(to.header(), msg, within, |msg, reply, asker, until| {
            to.push_asked(msg, reply, asker, until)
        })
    }

    #[doc(hidden)]
    pub fn __request<T: Send + 'static>(&self, msg: P::Msg) -> Pending<T, P::Msg> {
        Pending::plain(self.request_as(msg))
    }

    #[doc(hidden)]
    pub fn __request_result<T: Send + 'static, E: Send + 'static>(
        &self,
        msg: P::Msg,
    ) -> Pending<T, P::Msg, E> {
        Pending::fallible(self.request_as(msg))
    }

    fn request_as<T: Send + 'static, E>(
        &self,
        msg: P::Msg,
    ) -> Result<Receiver<T>, AskError<P::Msg, E>> {
        let (reply, receiver) = reply::slot::<T>();
        let to = self.to.to();
        reply.hand_to(to.header());
        to.push(msg, reply, Until::Deadline(None))
            .map_err(ask::undelivered)?;
        Ok(receiver)
    }
}

impl<P: Protocol + ?Sized> Clone for AddrOf<P> {
    fn clone(&self) -> Self {
        AddrOf {
            to: self.to.clone(),
        }
    }
}

impl<P: Protocol + ?Sized> PartialEq for AddrOf<P> {
    /// Whether both lead to the same actor.
    fn eq(&self, other: &Self) -> bool {
        self.to == other.to
    }
}

impl<P: Protocol + ?Sized> Eq for AddrOf<P> {}

impl<P: Protocol + ?Sized> Hash for AddrOf<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to.hash(state);
    }
}

impl<P: Protocol + ?Sized> fmt::Debug for AddrOf<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let type_name = (self.to.to().header().vtable().type_name)();
        write!(f, "AddrOf({type_name}#{})", self.id())
    }
}

impl<A: Actor, P: Protocol + ?Sized> From<Addr<A>> for AddrOf<P>
where
    A::Msg: Carries<P::Msg>,
{
    fn from(addr: Addr<A>) -> Self {
        addr.narrow()
    }
}

impl<A: Actor, P: Protocol + ?Sized> From<&Addr<A>> for AddrOf<P>
where
    A::Msg: Carries<P::Msg>,
{
    fn from(addr: &Addr<A>) -> Self {
        addr.narrow()
    }
}
