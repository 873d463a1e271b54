//! Supervisors of many children of one kind.
//!
//! Departures from OTP's `simple_one_for_one`:
//!
//! * A child is named by its address, which stays the same over its restarts.
//! * A child whose factory declines in a restart is forgotten; OTP keeps a place without a process.

use std::any::{TypeId, type_name};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use super::backoff::Backoff;
use super::crowd::addresses;
use super::driver::Driver;
use super::error::{BatchError, ChildError};
use super::info::{ChildCounts, ChildInfo};
use super::intensity::Intensity;
use super::msg::{Answer, Msg};
use super::seats::Seats;
use super::settings::Settings;
use super::spec::SpecError;
use super::supervisor::sealed::{Build, Built};
use super::supervisor::{Supervisor, SupervisorSetup, typed};
use super::template::{ChildTemplate, TypeOf};
use crate::actor::{Actor, Addr, Batch, ExitReason, SpawnError, StartError};
use crate::system::System;

/// A supervisor whose children are all made by one [`ChildTemplate`], each with arguments of its own: sessions, jobs,
/// connections. OTP's `simple_one_for_one`.
///
/// A child is started again alone, as its [`Restart`](super::Restart) says, with the same arguments and at the same
/// address. One that has ended for good is forgotten, and so are its arguments. When the supervisor ends, all children are
/// stopped at once, in no particular order, with one deadline for all.
///
/// A handle: clones lead to the same supervisor, and dropping them all does not end it.
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::{ChildTemplate, DynamicSupervisor};
///
/// #[actor]
/// struct Session { peer: String }
///
/// #[actor]
/// impl Session {
///     pub fn peer(&self) -> String { self.peer.clone() }
/// }
///
/// let sys = System::new()?;
/// let sessions = DynamicSupervisor::builder(
///     ChildTemplate::new("session", |peer: &String| Session { peer: peer.clone() })
///         .restart(Restart::Temporary),
/// )
/// .start(&sys)?;
/// let one = sessions.start_child("10.0.0.1".to_owned())?;
/// sessions.start_child("10.0.0.2".to_owned())?;
/// assert_eq!(one.ask().peer()?, "10.0.0.1");
/// sessions.terminate_child(&one)?;
/// assert_eq!(sessions.count_children()?.active, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DynamicSupervisor<A, Args> {
    supervisor: Supervisor,
    types: TypeOf<A, Args>,
}

/// Sets up a [`DynamicSupervisor`].
///
/// One that is to be a child of another supervisor is given to
/// [`SupervisorBuilder::supervisor`](super::SupervisorBuilder::supervisor) or
/// [`Supervisor::start_supervisor`], as a [`ChildSpec`](super::ChildSpec) that makes its builder.
#[must_use = "a builder does nothing until `start`"]
pub struct DynamicBuilder<A, Args> {
    restarts: u32,
    period: Duration,
    backoff: Option<Backoff>,
    name: Option<Arc<str>>,
    template: ChildTemplate<A, Args>,
    first: Vec<Args>,
    opened: Option<Opened<A, Args>>,
}

/// Is told of the supervisor when it starts, before its children do.
type Opened<A, Args> = Box<dyn Fn(DynamicSupervisor<A, Args>) + Send>;

impl<A: Actor, Args: Send + 'static> DynamicBuilder<A, Args> {
    /// As [`SupervisorBuilder::intensity`](super::SupervisorBuilder::intensity): for all children together.
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        (self.restarts, self.period) = (restarts, period);
        self
    }

    /// As [`SupervisorBuilder::backoff`](super::SupervisorBuilder::backoff): each child by itself.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// The name the supervisor is registered under. One that is a child has the name of its spec instead.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Children to start with, one after the other, as those of a [`Supervisor`].
    pub(crate) fn children(mut self, first: impl IntoIterator<Item = Args>) -> Self {
        self.first.extend(first);
        self
    }

    /// Calls `opened` with each life of the supervisor, before the first child starts.
    pub(crate) fn opened(
        mut self,
        opened: impl Fn(DynamicSupervisor<A, Args>) + Send + 'static,
    ) -> Self {
        self.opened = Some(Box::new(opened));
        self
    }

    /// Starts the supervisor, without children.
    ///
    /// # Errors
    /// [`SpawnError::Start`] if a setting is not valid ([`SpecError`]), otherwise as [`System::spawn_named`]; a supervisor
    /// holds a stack.
    pub fn start(mut self, sys: &System) -> Result<DynamicSupervisor<A, Args>, SpawnError> {
        let name = self.name.take();
        let built = self.build().map_err(StartError::new)?;
        Supervisor::spawn(sys, built, name).map(DynamicSupervisor::of)
    }
}

impl<A: Actor, Args: Send + 'static> Build for DynamicBuilder<A, Args> {
    fn build(self) -> Result<Built, SpecError> {
        let settings = Settings {
            intensity: Intensity::new(self.restarts, self.period)?,
            backoff: self.backoff.map(Backoff::check).transpose()?,
            dynamic: true,
            ..Settings::default()
        };
        let template = self.template.check()?;
        let first = self.first.into_iter().map(|args| {
            let child = template.child(Box::new(args));
            child.unwrap_or_else(|_| unreachable!("of the template's own type"))
        });
        let first = first.collect();
        let opened = self.opened.map(|opened| {
            let opened: Box<dyn Fn(&Addr<Driver>) + Send> = Box::new(move |addr| {
                opened(DynamicSupervisor::of(Supervisor::of(addr)));
            });
            opened
        });
        Ok(Built(Driver::dynamic(settings, template, first, opened)))
    }
}

impl<A: Actor, Args: Send + 'static> SupervisorSetup for DynamicBuilder<A, Args> {
    type Handle = DynamicSupervisor<A, Args>;

    fn __handle(supervisor: Supervisor, _: Option<Seats>) -> Self::Handle {
        DynamicSupervisor::of(supervisor)
    }
}

impl<A, Args> fmt::Debug for DynamicBuilder<A, Args> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicBuilder")
            .field("restarts", &self.restarts)
            .field("period", &self.period)
            .field("backoff", &self.backoff)
            .field("name", &self.name)
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}

impl<A, Args> DynamicSupervisor<A, Args> {
    pub(super) fn of(supervisor: Supervisor) -> Self {
        let types = TypeOf::<A, Args>::default();
        Self { supervisor, types }
    }

    /// The same supervisor, without the types: for what all supervisors have. What needs an id refuses with
    /// [`ChildError::Dynamic`].
    #[must_use]
    pub fn as_supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// As [`Supervisor::is_alive`].
    pub fn is_alive(&self) -> bool {
        self.supervisor.is_alive()
    }

    /// As [`Supervisor::stop`], except that the children are stopped all at once.
    pub fn stop(&self) {
        self.supervisor.stop();
    }

    /// As [`Supervisor::kill`].
    pub fn kill(&self) {
        self.supervisor.kill();
    }

    /// As [`Supervisor::join`].
    pub fn join(&self) -> ExitReason {
        self.supervisor.join()
    }

    /// As [`Supervisor::which_children`]. All have the template's id; [`ChildInfo::actor`] tells them apart.
    ///
    /// # Errors
    /// As there.
    pub fn which_children(&self) -> Result<Vec<ChildInfo>, ChildError> {
        self.supervisor.which_children()
    }

    /// As [`Supervisor::count_children`].
    ///
    /// # Errors
    /// As there.
    pub fn count_children(&self) -> Result<ChildCounts, ChildError> {
        self.supervisor.count_children()
    }
}

impl<A: Actor, Args: Send + 'static> DynamicSupervisor<A, Args> {
    /// Sets up a supervisor of children like `template`.
    pub fn builder(template: ChildTemplate<A, Args>) -> DynamicBuilder<A, Args> {
        let (restarts, period) = Intensity::DEFAULT.parts();
        DynamicBuilder {
            restarts,
            period,
            backoff: None,
            name: None,
            template,
            first: Vec::new(),
            opened: None,
        }
    }

    /// A supervisor that was found otherwise, by its name or as a child, with its types.
    ///
    /// # Errors
    /// [`ChildError::NotDynamic`]; [`ChildError::WrongType`] if its children are of another type or take other arguments;
    /// [`ChildError::ShuttingDown`].
    pub fn from_supervisor(supervisor: Supervisor) -> Result<Self, ChildError> {
        let wanted = TypeId::of::<TypeOf<A, Args>>();
        supervisor.call(Msg::HasTemplate(wanted, type_name::<fn(Args) -> A>()))?;
        Ok(Self::of(supervisor))
    }

    /// Starts a child with these arguments, and returns its address when its start hook has run.
    ///
    /// # Errors
    /// [`ChildError::StartFailed`], [`ChildError::Declined`]: nothing is kept; [`ChildError::ShuttingDown`]; [`ChildError::Deadlock`].
    pub fn start_child(&self, args: Args) -> Result<Addr<A>, ChildError> {
        typed(self.supervisor.call(Msg::StartDynamic(Box::new(args)))?)
    }

    /// Starts a child with each of these arguments, in order, and returns their addresses.
    ///
    /// What each takes is little if its type has neither a start hook nor a `run` body: then all are started in one call of
    /// the supervisor's, and as long as nothing happens to a child but messages, its supervisor keeps no more of it than its
    /// address and its arguments. So a million small actors can be supervised. Such a call does not wait behind a stop that
    /// is under way. Other types are started one after another, as by [`start_child`](Self::start_child).
    ///
    /// ```
    /// use actor_core::prelude::*;
    /// use actor_core::{ChildTemplate, DynamicSupervisor};
    ///
    /// #[actor]
    /// struct Meter { n: u64 }
    ///
    /// #[actor]
    /// impl Meter {
    ///     pub fn add(&mut self, by: u64) -> u64 { self.n += by; self.n }
    /// }
    ///
    /// let sys = System::new()?;
    /// let meters = DynamicSupervisor::builder(ChildTemplate::new("meter", |n: &u64| Meter { n: *n })).start(&sys)?;
    /// let all = meters.start_children(0..1000)?;
    /// assert_eq!(all[7].ask().add(1)?, 8);
    /// assert_eq!(meters.count_children()?.active, 1000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`BatchError`]: at the first that does not start; those before it run on.
    pub fn start_children(
        &self,
        args: impl IntoIterator<Item = Args>,
    ) -> Result<Vec<Addr<A>>, BatchError<A>> {
        let args = args.into_iter();
        if !Batch::fits::<A>() {
            let mut started = Vec::new();
            for args in args {
                match self.start_child(args) {
                    Ok(child) => started.push(child),
                    Err(error) => return Err(BatchError { started, error }),
                }
            }
            return Ok(started);
        }
        let args: Vec<Args> = args.collect();
        let answer = self.supervisor.call(Msg::StartBatch(Box::new(args)));
        let (started, ended) = match answer {
            Ok(Answer::Batch(started, ended)) => (addresses(started), ended),
            Ok(_) => (Err(ChildError::NotDynamic), None),
            Err(error) => (Err(error), None),
        };
        match (started, ended) {
            (Ok(started), None) => Ok(started),
            (Ok(started), Some(error)) => Err(BatchError { started, error }),
            (Err(error), _) => Err(BatchError {
                started: Vec::new(),
                error,
            }),
        }
    }

    /// Stops a child, as the template says, waits for its end, and forgets it. One that waits to be started again is not.
    /// Of an actor that has ended already there is nothing to do.
    ///
    /// # Errors
    /// [`ChildError::NotFound`] if it is alive and no child of this supervisor; [`ChildError::ShuttingDown`]; [`ChildError::Deadlock`].
    pub fn terminate_child(&self, child: &Addr<A>) -> Result<(), ChildError> {
        match self.supervisor.call(Msg::TerminateActor(child.id())) {
            Ok(Answer::Done) => Ok(()),
            Err(ChildError::NotFound) if !child.is_alive() => Ok(()),
            other => other.map(drop),
        }
    }
}

impl<A, Args> DynamicSupervisor<A, Args> {
    /// As [`terminate_child`](Self::terminate_child) of the actor with this id, without waiting for it.
    pub(crate) fn release(&self, actor: u64) {
        self.supervisor.post(Msg::TerminateActor(actor));
    }
}

impl<A, Args> Clone for DynamicSupervisor<A, Args> {
    fn clone(&self) -> Self {
        Self::of(self.supervisor.clone())
    }
}

impl<A, Args> PartialEq for DynamicSupervisor<A, Args> {
    fn eq(&self, other: &Self) -> bool {
        self.supervisor == other.supervisor
    }
}

impl<A, Args> Eq for DynamicSupervisor<A, Args> {}

impl<A, Args> Hash for DynamicSupervisor<A, Args> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.supervisor.hash(state);
    }
}

impl<A, Args> fmt::Debug for DynamicSupervisor<A, Args> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dynamic{:?} of {:?}", self.supervisor, self.types)
    }
}
