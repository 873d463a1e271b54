//! What a user writes about a child: how to make it, when to start it again, how to stop it.
//!
//! | setting | default | OTP's default |
//! |---|---|---|
//! | [`Restart`] | [`Restart::Permanent`] | `permanent` |
//! | [`Shutdown`] | [`Shutdown::Timeout`] of 5 s; [`Shutdown::Infinity`] for supervisors | `5000`; `infinity` |
//! | [`significant`](ChildSpec::significant) | `false` | `false` |
//!
//! Departures from OTP:
//!
//! * An id is a non-empty string and not any term. It is unique within its supervisor and appears in events.
//! * There is no `type` and no `modules`: nothing here loads code. A child that is itself a supervisor has the spec of a
//!   `SupervisorBuilder` and a call of its own that starts it.
//! * *Shutdown with a reason* does not exist as an exit reason; *normal* and *shutdown* are the two normal ends.
//! * A factory makes the actor's state; the start hook runs afterwards, in the actor. Either may fail.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::backoff::Backoff;
use super::child::{ChildOf, Past};
use super::seats::{Seat, Seats};
use crate::actor::{Actor, Options};

/// When a child that ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Restart {
    /// Always, even after a normal end.
    #[default]
    Permanent,
    /// Only after an abnormal end: any reason but *normal* and *shutdown*. After a normal end the spec stays and the
    /// child can be restarted by hand.
    Transient,
    /// Never. Once ended it is forgotten, spec and all.
    Temporary,
}

impl Restart {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Transient => "transient",
            Self::Temporary => "temporary",
        }
    }
}

/// How a child is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// Killed at once, without running its stop hook.
    BrutalKill,
    /// Asked to stop; its stop hook runs. Killed when it has not ended after this time, in its stop hook or before.
    Timeout(Duration),
    /// Asked to stop, and waited for however long it takes. Meant for supervisors; a worker that hangs in its stop
    /// hook hangs its supervisor with it.
    Infinity,
}

// A kill takes effect where the child next waits. One that never waits cannot be killed, and holds up its supervisor.

impl Shutdown {
    /// What a child gets that says nothing: five seconds.
    pub const DEFAULT: Self = Self::Timeout(Duration::from_secs(5));
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl From<Duration> for Shutdown {
    fn from(timeout: Duration) -> Self {
        Self::Timeout(timeout)
    }
}

/// What a factory gives: a new actor, nothing (*ignore*), or the reason why not.
pub(super) type Made<A> = Result<Option<A>, Arc<str>>;

/// Makes an actor's state, once for each life.
pub(super) type Factory<A> = Box<dyn Fn() -> Made<A> + Send>;

/// What to start, when to start it again, and how to stop it.
///
/// ```
/// use actor_core::prelude::*;
/// use std::time::Duration;
/// # struct Shard(usize);
///
/// let spec = ChildSpec::new("shard-0", || Shard(0))
///     .restart(Restart::Transient)
///     .shutdown(Duration::from_secs(1));
/// ```
///
/// The spec is checked by the call it is given to, before anything is started: an empty id or one of more than
/// [`ChildSpec::MAX_ID_BYTES`] bytes is refused with [`SpecError`].
#[must_use = "a child spec does nothing until it is given to a supervisor"]
pub struct ChildSpec<A> {
    id: Arc<str>,
    restart: Restart,
    /// `None`: the default of the kind of child it is.
    shutdown: Option<Shutdown>,
    significant: bool,
    /// `None`: the supervisor's.
    backoff: Option<Backoff>,
    name: Option<Arc<str>>,
    /// How large its stack may become.
    grow_stack: Option<usize>,
    /// Where its address goes, if it is a child of a declared tree.
    seat: Option<Seat>,
    /// Where its children's addresses go, if it is a declared tree itself.
    tree: Option<Seats>,
    /// Where its lives go on from: a `Box<dyn Past<A>>`, if `A` is an actor.
    past: Option<Box<dyn Any + Send>>,
    factory: Factory<A>,
}

impl<A> ChildSpec<A> {
    /// The longest id, in bytes. Ids are copied into events and logs.
    pub const MAX_ID_BYTES: usize = 255;

    /// A permanent child with the default shutdown, made by `factory`.
    ///
    /// The factory runs once for the first start and once for each restart, on the supervisor: keep it short, and do
    /// what may take long in the actor's start hook. A panic in it counts as a failed start.
    pub fn new(id: impl Into<Arc<str>>, factory: impl Fn() -> A + Send + 'static) -> Self {
        Self::with(id.into(), move || Ok(Some(factory())))
    }

    /// As [`new`](Self::new), with a factory that may fail.
    ///
    /// A failure in the first start fails that start, and no spec is kept. A failure in a restart is tried again, each
    /// attempt charged to the supervisor's intensity.
    pub fn try_new<E: fmt::Display>(
        id: impl Into<Arc<str>>,
        factory: impl Fn() -> Result<A, E> + Send + 'static,
    ) -> Self {
        Self::with(id.into(), move || {
            factory()
                .map(Some)
                .map_err(|error| Arc::from(error.to_string()))
        })
    }

    /// As [`try_new`](Self::try_new), with a factory that may also decline (`Ok(None)`), which is OTP's *ignore*.
    ///
    /// Declining is not a failure: the child is left stopped and can be restarted by hand. A temporary child that
    /// declines is forgotten.
    pub fn optional<E: fmt::Display>(
        id: impl Into<Arc<str>>,
        factory: impl Fn() -> Result<Option<A>, E> + Send + 'static,
    ) -> Self {
        Self::with(id.into(), move || {
            factory().map_err(|error| Arc::from(error.to_string()))
        })
    }

    fn with(id: Arc<str>, factory: impl Fn() -> Made<A> + Send + 'static) -> Self {
        Self {
            id,
            restart: Restart::default(),
            shutdown: None,
            significant: false,
            backoff: None,
            name: None,
            grow_stack: None,
            seat: None,
            tree: None,
            past: None,
            factory: Box::new(factory),
        }
    }

    /// Its address goes to its seat among these.
    pub(super) fn seated(mut self, seats: &Seats) -> Self {
        self.seat = Some(seats.seat(Arc::clone(&self.id)));
        self
    }

    /// It is a declared tree, whose children's addresses go to these seats.
    pub(super) fn with_tree(mut self, seats: Seats) -> Self {
        self.tree = Some(seats);
        self
    }

    pub(super) fn tree(&self) -> Option<Seats> {
        self.tree.clone()
    }

    /// When the child is started again.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// How the child is stopped. A [`Duration`] is a [`Shutdown::Timeout`].
    pub fn shutdown(mut self, shutdown: impl Into<Shutdown>) -> Self {
        self.shutdown = Some(shutdown.into());
        self
    }

    /// How long to wait before the child is started again. Default: what the supervisor says.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// Whether the supervisor's [`AutoShutdown`](super::AutoShutdown) looks at this child. Default: no.
    ///
    /// A permanent child cannot be significant, since it never ends for good, and a supervisor that never shuts down
    /// automatically takes no significant children: [`SpecError::SignificantPermanent`],
    /// [`SpecError::SignificantInVain`].
    pub fn significant(mut self, significant: bool) -> Self {
        self.significant = significant;
        self
    }

    /// The name the child is registered under while it is alive, restarts included. If another actor has the name, the start
    /// fails.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A child that ran out of stack is started again with twice as much, up to `max` bytes, and keeps that for its later
    /// lives. Default: it is started again with what it had, and most likely runs out of it again.
    ///
    /// It concerns the stack that the child's type asks for ([`Options::stack`](crate::Options::stack)), or else the
    /// system's default: that of its body, or the one its handlers run on. Each such restart is charged like any other. Only
    /// pages that are touched cost memory. Stacks come in powers of two, so a `max` that is none is rounded up. The
    /// [`Event::Overflow`](crate::Event::Overflow) says how large the stack was.
    ///
    /// ```
    /// use actor_core::prelude::*;
    ///
    /// #[actor(stack = 64 * 1024)]
    /// struct Parser;
    ///
    /// #[actor]
    /// impl Parser {
    ///     pub fn parse(&mut self, text: String) -> usize { text.len() }
    /// }
    ///
    /// let sys = System::new()?;
    /// let parser = ChildSpec::new("parser", || Parser).grow_stack(1024 * 1024);
    /// let sup = Supervisor::builder().child(parser).start(&sys)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A `max` above [`Options::MAX_STACK`](crate::Options::MAX_STACK) is refused with [`SpecError::StackTooLarge`].
    pub fn grow_stack(mut self, max: usize) -> Self {
        self.grow_stack = Some(max);
        self
    }

    /// How the child is stopped if the spec does not say.
    pub(super) fn shutdown_default(mut self, shutdown: Shutdown) -> Self {
        self.shutdown.get_or_insert(shutdown);
        self
    }

    /// The child's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Checks the spec and takes it apart: what the deciding half needs, and what the child does.
    pub(super) fn into_parts(self) -> Result<Parts<A>, SpecError> {
        check_id(&self.id)?;
        if self.significant && self.restart == Restart::Permanent {
            return Err(SpecError::SignificantPermanent);
        }
        if let Some(bytes) = self.grow_stack.filter(|&max| max > Options::MAX_STACK) {
            return Err(SpecError::StackTooLarge { bytes });
        }
        let policy = Policy {
            id: self.id,
            restart: self.restart,
            significant: self.significant,
            backoff: self.backoff.map(Backoff::check).transpose()?,
            shutdown: self.shutdown.unwrap_or_default(),
        };
        Ok(Parts {
            policy,
            factory: self.factory,
            name: self.name,
            grow_stack: self.grow_stack,
            seat: self.seat,
            past: self.past,
        })
    }
}

pub(super) fn check_id(id: &str) -> Result<(), SpecError> {
    if id.is_empty() {
        return Err(SpecError::EmptyId);
    }
    if id.len() > ChildSpec::<()>::MAX_ID_BYTES {
        return Err(SpecError::IdTooLong { bytes: id.len() });
    }
    Ok(())
}

/// A spec taken apart.
pub(super) struct Parts<A> {
    pub(super) policy: Policy,
    pub(super) factory: Factory<A>,
    pub(super) name: Option<Arc<str>>,
    pub(super) grow_stack: Option<usize>,
    pub(super) seat: Option<Seat>,
    past: Option<Box<dyn Any + Send>>,
}

impl<A: Actor> ChildSpec<A> {
    /// Its lives go on from there.
    pub(crate) fn with_past(mut self, past: Box<dyn Past<A>>) -> Self {
        self.past = Some(Box::new(past));
        self
    }
}

impl<A: Actor> Parts<A> {
    /// What the deciding half needs, and the child.
    pub(super) fn into_child(self) -> (Policy, ChildOf<A>) {
        let past = self.past.and_then(|it| it.downcast().ok());
        let child = ChildOf::of_spec(
            self.factory,
            &self.policy,
            self.name,
            self.grow_stack,
            self.seat,
        );
        (self.policy, child.with_past(past.map(|it| *it)))
    }
}

impl<A> fmt::Debug for ChildSpec<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("id", &self.id)
            .field("restart", &self.restart)
            .field("shutdown", &self.shutdown)
            .field("significant", &self.significant)
            .field("backoff", &self.backoff)
            .field("name", &self.name)
            .field("grow_stack", &self.grow_stack)
            .finish_non_exhaustive()
    }
}

/// The part of a child spec that decisions depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) id: Arc<str>,
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) significant: bool,
    pub(crate) backoff: Option<Backoff>,
}

/// What is wrong with a child spec or a supervisor's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpecError {
    /// The id is empty.
    EmptyId,
    /// The id is longer than [`ChildSpec::MAX_ID_BYTES`].
    IdTooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Two children of a supervisor that starts have the same id.
    DuplicateId,
    /// The period of the restart intensity is zero.
    ZeroPeriod,
    /// The child is permanent and significant: it would never end for good. Make it transient or temporary.
    SignificantPermanent,
    /// The child is significant, and its supervisor never shuts down automatically: set its
    /// [`auto_shutdown`](super::SupervisorBuilder::auto_shutdown).
    SignificantInVain,
    /// A [`Backoff`] that starts from nothing or beyond its longest delay, or with a jitter of more than 100 percent.
    InvalidBackoff,
    /// The stack of a child may become larger than [`Options::MAX_STACK`](crate::Options::MAX_STACK).
    StackTooLarge {
        /// How large, in bytes.
        bytes: usize,
    },
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyId => f.write_str("the child's id is empty"),
            Self::IdTooLong { bytes } => {
                let most = ChildSpec::<()>::MAX_ID_BYTES;
                write!(f, "the child's id has {bytes} bytes, and may have {most}")
            }
            Self::DuplicateId => f.write_str("two children have the same id"),
            Self::ZeroPeriod => f.write_str("the period of the restart intensity is zero"),
            Self::SignificantPermanent => {
                f.write_str("a permanent child cannot be significant: it never ends for good")
            }
            Self::InvalidBackoff => f.write_str(
                "a back-off's delays are not possible: 0 < initial <= max, jitter <= 100",
            ),
            Self::StackTooLarge { bytes } => {
                let most = Options::MAX_STACK;
                write!(
                    f,
                    "a stack of {bytes} bytes, where at most {most} are possible"
                )
            }
            Self::SignificantInVain => f.write_str(
                "the child is significant, and its supervisor never shuts down automatically",
            ),
        }
    }
}

impl std::error::Error for SpecError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_permanent_and_five_seconds() {
        let parts = parts(ChildSpec::new("a", || 7));
        assert_eq!(parts.policy.restart, Restart::Permanent);
        assert_eq!(
            parts.policy.shutdown,
            Shutdown::Timeout(Duration::from_secs(5))
        );
        assert_eq!((parts.factory)(), Ok(Some(7)));
        assert_eq!(parts.name, None);
    }

    #[test]
    fn a_kind_of_child_may_have_a_default_of_its_own() {
        let spec = || ChildSpec::new("a", || ());
        let infinite = parts(spec().shutdown_default(Shutdown::Infinity));
        assert_eq!(infinite.policy.shutdown, Shutdown::Infinity);
        let said = spec().shutdown(Shutdown::BrutalKill);
        let said = parts(said.shutdown_default(Shutdown::Infinity));
        assert_eq!(said.policy.shutdown, Shutdown::BrutalKill);
    }

    fn parts<A>(spec: ChildSpec<A>) -> Parts<A> {
        spec.into_parts().ok().unwrap()
    }

    #[test]
    fn settings_are_kept() {
        let spec = ChildSpec::new("a", || ())
            .restart(Restart::Temporary)
            .name("b")
            .shutdown(Duration::from_millis(3));
        let parts = parts(spec);
        assert_eq!(parts.policy.restart, Restart::Temporary);
        assert_eq!(parts.name.as_deref(), Some("b"));
        assert_eq!(
            parts.policy.shutdown,
            Shutdown::Timeout(Duration::from_millis(3))
        );
    }

    #[test]
    fn a_fallible_factory_passes_its_reason_on() {
        let failing = parts(ChildSpec::try_new("a", || Err::<(), _>("no disk")));
        assert_eq!((failing.factory)(), Err(Arc::from("no disk")));
        let declining = ChildSpec::optional("a", || Ok::<Option<()>, &str>(None));
        assert_eq!((parts(declining).factory)(), Ok(None));
    }

    #[test]
    fn ids_are_checked() {
        let refused = |id: String| ChildSpec::new(id, || ()).into_parts().err();
        assert_eq!(refused(String::new()), Some(SpecError::EmptyId));
        assert_eq!(
            refused("x".repeat(256)),
            Some(SpecError::IdTooLong { bytes: 256 })
        );
        assert_eq!(refused("x".repeat(255)), None);
    }
}
