//! The supervisor as users see it: set up, start, ask.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::backoff::Backoff;
use super::child::ChildOf;
use super::driver::{Driver, First};
use super::error::ChildError;
use super::info::{ChildCounts, ChildInfo};
use super::intensity::Intensity;
use super::msg::{Answer, Answered, Msg};
use super::seats::Seats;
use super::settings::{AutoShutdown, Settings, Strategy};
use super::spec::{ChildSpec, Factory, Made, Shutdown, SpecError};
use crate::actor::{Actor, Addr, AnyAddr, AskError, ExitReason, SpawnError, StartError, WaitCycle};
use crate::registry::{Erased, LookupError};
use crate::system::System;

use sealed::{Build as _, Built};

/// Sets up a [`Supervisor`].
///
/// ```
/// use actor_core::prelude::*;
/// use std::time::Duration;
///
/// # #[actor]
/// # struct Shard { n: usize }
/// # #[actor]
/// # impl Shard { pub fn number(&self) -> usize { self.n } }
/// let sys = System::new()?;
/// let sup = Supervisor::builder()
///     .intensity(5, Duration::from_secs(10))
///     .child(ChildSpec::new("shard-0", || Shard { n: 0 }))
///     .start(&sys)?;
/// assert_eq!(sup.child::<Shard>("shard-0")?.ask().number()?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder does nothing until `start`"]
pub struct SupervisorBuilder {
    restarts: u32,
    period: Duration,
    strategy: Strategy,
    auto_shutdown: AutoShutdown,
    backoff: Option<Backoff>,
    name: Option<Arc<str>>,
    children: Vec<Result<First, SpecError>>,
}

impl fmt::Debug for SupervisorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisorBuilder")
            .field("restarts", &self.restarts)
            .field("period", &self.period)
            .field("strategy", &self.strategy)
            .field("auto_shutdown", &self.auto_shutdown)
            .field("backoff", &self.backoff)
            .field("name", &self.name)
            .field("children", &self.children.len())
            .finish()
    }
}

impl SupervisorBuilder {
    /// How many restarts within a period are still normal: exactly `restarts` of them. At the next the supervisor gives up:
    /// it stops its children and ends with [`ExitReason::Shutdown`]. Default, as OTP's: one in five seconds.
    ///
    /// Every attempt of an automatic restart counts, those that fail included; what is started by hand does not.
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        (self.restarts, self.period) = (restarts, period);
        self
    }

    /// Which children are started again when one has to be. Default, as OTP's: only that one.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Whether the supervisor shuts down when its significant children have ended. Default, as OTP's: never.
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.auto_shutdown = auto_shutdown;
        self
    }

    /// How long to wait before a child is started again whose spec does not say. Default, as OTP's: not at all.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// The name the supervisor is registered under. One that is a child has the name of its spec instead.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A child to start with, after those given before.
    pub fn child<A: Actor>(mut self, spec: ChildSpec<A>) -> Self {
        self.children.push(worker(spec));
        self
    }

    /// A child to start with that is itself a supervisor. See [`Supervisor::start_supervisor`].
    pub fn supervisor<B: SupervisorSetup>(mut self, spec: ChildSpec<B>) -> Self {
        self.children.push(supervisor(spec));
        self
    }

    /// Starts the supervisor and its children, one after the other. Returns when the last has started. If one does not
    /// start, those before it are stopped, in reverse order.
    ///
    /// # Errors
    /// [`SpawnError::Start`] if a child did not start (with its id and its reason) or a setting is not valid: two children
    /// with the same id, an intensity with a period of zero, a significant child in vain ([`SpecError`]). Otherwise as [`System::spawn_named`]; a supervisor holds a
    /// stack.
    pub fn start(mut self, sys: &System) -> Result<Supervisor, SpawnError> {
        let name = self.name.take();
        let built = self.build().map_err(StartError::new)?;
        Supervisor::spawn(sys, built, name)
    }
}

/// What a supervisor that is a child is made by: a [`SupervisorBuilder`], a [`DynamicBuilder`](super::DynamicBuilder), or the
/// [`TreeSetup`](super::TreeSetup) of a declared tree.
///
/// Only these three.
pub trait SupervisorSetup: sealed::Build + 'static {
    /// What it is called by.
    type Handle;

    #[doc(hidden)]
    fn __handle(supervisor: Supervisor, seats: Option<Seats>) -> Self::Handle;
}

impl SupervisorSetup for SupervisorBuilder {
    type Handle = Supervisor;

    fn __handle(supervisor: Supervisor, _: Option<Seats>) -> Supervisor {
        supervisor
    }
}

pub(super) mod sealed {
    use super::{Driver, SpecError};

    /// Seals [`SupervisorSetup`](super::SupervisorSetup).
    pub trait Build {
        fn build(self) -> Result<Built, SpecError>;
    }

    /// What has been set up.
    #[derive(Debug)]
    pub struct Built(pub(in crate::supervision) Driver);
}

impl sealed::Build for SupervisorBuilder {
    fn build(self) -> Result<Built, SpecError> {
        let settings = Settings {
            strategy: self.strategy,
            intensity: Intensity::new(self.restarts, self.period)?,
            auto_shutdown: self.auto_shutdown,
            backoff: self.backoff.map(Backoff::check).transpose()?,
            dynamic: false,
        };
        let children = self.children.into_iter().collect::<Result<_, _>>()?;
        Ok(Built(Driver::new(settings, children)))
    }
}

fn worker<A: Actor>(spec: ChildSpec<A>) -> Result<First, SpecError> {
    let (policy, child) = spec.into_parts()?.into_child();
    Ok((policy, Box::new(child)))
}

fn supervisor<B: SupervisorSetup>(spec: ChildSpec<B>) -> Result<First, SpecError> {
    let parts = spec.shutdown_default(Shutdown::Infinity).into_parts()?;
    let builder = parts.factory;
    let factory: Factory<Driver> = Box::new(move || -> Made<Driver> {
        let Some(builder) = builder()? else {
            return Ok(None);
        };
        let built = builder.build().map(|Built(driver)| Some(driver));
        built.map_err(|error| error.to_string().into())
    });
    let child = ChildOf::of_spec(
        factory,
        &parts.policy,
        parts.name,
        parts.grow_stack,
        parts.seat,
    );
    Ok((parts.policy, Box::new(child)))
}

/// An actor that starts others, its children, and starts them again when they fail.
///
/// For many children of one kind there is [`DynamicSupervisor`](super::DynamicSupervisor).
///
/// A handle: clones lead to the same supervisor, and dropping them all does not end it. It ends when it is told to, when its
/// system shuts down, or when it gives up; its children end before it, in reverse start order, each in its time.
///
/// Calls are handled in order of arrival and wait for what they ask: a start for the child's start hook, a termination for
/// the child's end. So a start or stop hook cannot have its own supervisor start or stop another child, itself or through an
/// actor that it waits for: they would wait for each other, and the call fails with [`ChildError::Deadlock`]. (A stop hook that
/// has a deadline is not told, and waits until that has passed.) Listing, counting and finding children is answered meanwhile;
/// from a factory that is refused, too, as nothing is answered while it runs. A handler may call its own supervisor as it
/// likes, but for its own end.
///
/// See the [module](crate::supervision) for what happens to a child's address and messages.
///
/// ```
/// use actor_core::prelude::*;
/// use std::time::Duration;
///
/// #[actor]
/// struct Divider;
///
/// #[actor]
/// impl Divider {
///     pub fn divide(&mut self, a: u64, b: u64) -> u64 {
///         a / b
///     }
/// }
///
/// let sys = System::new()?;
/// let sup = Supervisor::builder()
///     .intensity(5, Duration::from_secs(10))
///     .start(&sys)?;
/// let divider = sup.start_child(ChildSpec::new("divider", || Divider))?;
/// # let hook = std::panic::take_hook();
/// # std::panic::set_hook(Box::new(|_| {}));
/// assert!(divider.ask().divide(1, 0).is_err()); // it panics, and is started again
/// # std::panic::set_hook(hook);
/// assert_eq!(divider.ask().divide(6, 2)?, 3); // at the same address
///
/// sup.stop();
/// assert_eq!(sup.join(), ExitReason::Normal);
/// assert!(!divider.is_alive());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Supervisor {
    addr: Addr<Driver>,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Supervisor#{}", self.id())
    }
}

/// A supervisor, as whom to monitor or link to. An exit signal that it gets stops it: its children in their order, then itself,
/// for the signal's reason.
impl From<&Supervisor> for AnyAddr {
    fn from(supervisor: &Supervisor) -> Self {
        AnyAddr::from(&supervisor.addr)
    }
}

impl Supervisor {
    /// Sets up a supervisor.
    pub fn builder() -> SupervisorBuilder {
        let (restarts, period) = Intensity::DEFAULT.parts();
        SupervisorBuilder {
            restarts,
            period,
            strategy: Strategy::default(),
            auto_shutdown: AutoShutdown::default(),
            backoff: None,
            name: None,
            children: Vec::new(),
        }
    }

    /// The supervisor of that name.
    ///
    /// # Errors
    /// [`LookupError`]: there is none, or it is an actor of another kind.
    pub fn lookup(sys: &System, name: &str) -> Result<Self, LookupError> {
        let addr = sys.host().registry.lookup(name)?;
        Ok(Self { addr })
    }

    // ---- children -----------------------------------------------------------------------------------------------------

    /// Adds a child, starts it, and returns its address when its start hook has run.
    ///
    /// # Errors
    /// [`ChildError::StartFailed`], and then no spec is kept; [`ChildError::Declined`], and then it is;
    /// [`ChildError::AlreadyStarted`] or [`ChildError::AlreadyPresent`] if there is a child with that id;
    /// [`ChildError::InvalidSpec`]; [`ChildError::ShuttingDown`]; [`ChildError::Deadlock`], in an actor that the supervisor waits for.
    pub fn start_child<A: Actor>(&self, spec: ChildSpec<A>) -> Result<Addr<A>, ChildError> {
        let (policy, child) = worker(spec)?;
        typed(self.call(Msg::StartChild { policy, child })?)
    }

    /// As [`start_child`](Self::start_child), for a child that is itself a supervisor. If its spec does not say how it is
    /// stopped it is waited for however long it takes.
    ///
    /// Each life of it is made anew by the spec's factory, with the children of the builder; those that were added later are
    /// not started again.
    ///
    /// ```
    /// use actor_core::prelude::*;
    ///
    /// let sys = System::new()?;
    /// let root = Supervisor::builder().start(&sys)?;
    /// let inner = root.start_supervisor(ChildSpec::new("inner", Supervisor::builder))?;
    /// root.stop();
    /// assert_eq!(inner.join(), ExitReason::Shutdown);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`start_child`](Self::start_child).
    pub fn start_supervisor<B: SupervisorSetup>(
        &self,
        spec: ChildSpec<B>,
    ) -> Result<B::Handle, ChildError> {
        let tree = spec.tree();
        let (policy, child) = supervisor(spec)?;
        let addr = typed(self.call(Msg::StartChild { policy, child })?)?;
        Ok(B::__handle(Supervisor { addr }, tree))
    }

    /// Stops a child, as its spec says, and waits for its end. The spec stays, so that it can be restarted by hand, unless the
    /// child is temporary. One that is waiting to be started again is not; one that is stopped already stays so.
    ///
    /// # Errors
    /// [`ChildError::NotFound`]; [`ChildError::ShuttingDown`]; [`ChildError::Deadlock`].
    pub fn terminate_child(&self, id: &str) -> Result<(), ChildError> {
        self.call(Msg::TerminateChild(id.into())).map(drop)
    }

    /// Starts a stopped child again. It is another actor, with another address: see [`child`](Self::child).
    ///
    /// # Errors
    /// [`ChildError::StartFailed`] or [`ChildError::Declined`], which leave it stopped; [`ChildError::Running`],
    /// [`ChildError::Restarting`]; [`ChildError::NotFound`]; [`ChildError::ShuttingDown`]; [`ChildError::Deadlock`].
    pub fn restart_child(&self, id: &str) -> Result<(), ChildError> {
        self.call(Msg::RestartChild(id.into())).map(drop)
    }

    /// Forgets a stopped child.
    ///
    /// # Errors
    /// [`ChildError::Running`], [`ChildError::Restarting`]; [`ChildError::NotFound`]; [`ChildError::ShuttingDown`]; [`ChildError::Deadlock`].
    pub fn delete_child(&self, id: &str) -> Result<(), ChildError> {
        self.call(Msg::DeleteChild(id.into())).map(drop)
    }

    /// The address of a child that is not stopped.
    ///
    /// # Errors
    /// [`ChildError::NotFound`]; [`ChildError::Stopped`]; [`ChildError::WrongType`]; [`ChildError::ShuttingDown`].
    pub fn child<A: Actor>(&self, id: &str) -> Result<Addr<A>, ChildError> {
        typed(self.call(Msg::Find(id.into()))?)
    }

    /// As [`child`](Self::child), for one that is itself a supervisor.
    ///
    /// # Errors
    /// As [`child`](Self::child).
    pub fn child_supervisor(&self, id: &str) -> Result<Supervisor, ChildError> {
        let addr = typed(self.call(Msg::Find(id.into()))?)?;
        Ok(Supervisor { addr })
    }

    /// All children, in reverse start order.
    ///
    /// # Errors
    /// [`ChildError::ShuttingDown`] if the supervisor has ended.
    pub fn which_children(&self) -> Result<Vec<ChildInfo>, ChildError> {
        match self.call(Msg::List)? {
            Answer::Listing(children) => Ok(children),
            _ => Ok(Vec::new()),
        }
    }

    /// How many children there are, and how many of them are alive.
    ///
    /// # Errors
    /// [`ChildError::ShuttingDown`] if the supervisor has ended.
    pub fn count_children(&self) -> Result<ChildCounts, ChildError> {
        match self.call(Msg::Count)? {
            Answer::Counts(counts) => Ok(counts),
            _ => Ok(ChildCounts::default()),
        }
    }

    /// The supervisor that is this actor.
    pub(super) fn at(addr: Addr<Driver>) -> Self {
        Self { addr }
    }

    /// Starts what has been set up.
    pub(super) fn spawn(
        sys: &System,
        Built(driver): Built,
        name: Option<Arc<str>>,
    ) -> Result<Self, SpawnError> {
        let addr = Addr::spawn(sys.host(), driver, name)?;
        sys.host().note_tree(&addr);
        Ok(Self { addr })
    }

    pub(super) fn of(addr: &Addr<Driver>) -> Self {
        Self { addr: addr.clone() }
    }

    /// A call whose answer nobody waits for.
    pub(super) fn post(&self, msg: Msg) {
        // The mailbox has no bound. If it is closed there are no children.
        let _ = self.addr.try_send(msg);
    }

    pub(super) fn call(&self, msg: Msg) -> Answered {
        match self.addr.__ask::<Answered>(msg, None) {
            Ok(answered) => answered,
            Err(AskError::Deadlock { path, .. }) => Err(ChildError::Deadlock { path }),
            Err(AskError::StackLimit(_)) => Err(ChildError::StackLimit),
            Err(_) => Err(ChildError::ShuttingDown),
        }
    }

    // ---- its own life ---------------------------------------------------------------------------------------------------

    /// The supervisor's id as an actor, unique in its system.
    pub fn id(&self) -> u64 {
        self.addr.id()
    }

    /// Whether it has not ended for good.
    pub fn is_alive(&self) -> bool {
        self.addr.is_alive()
    }

    /// Asks the supervisor to stop its children, in reverse start order, and then to end, with [`ExitReason::Normal`].
    /// Returns at once.
    pub fn stop(&self) {
        self.addr.stop();
    }

    /// Ends the supervisor at once, and kills its children, which end without their stop hooks. Returns at once, and nobody
    /// waits for the children.
    pub fn kill(&self) {
        self.addr.kill();
    }

    /// Waits until the supervisor has ended for good, and says why. After [`stop`](Self::stop), after a shutdown of the
    /// system, and when it gave up ([`ExitReason::Shutdown`]), its children have ended too.
    ///
    /// # Panics
    /// In an actor for which the supervisor waits, itself or through others, as [`Addr::join`]. [`try_join`](Self::try_join)
    /// returns that as an error.
    #[track_caller]
    pub fn join(&self) -> ExitReason {
        self.addr.join()
    }

    /// As [`join`](Self::join), for callers that may be actors for which the supervisor waits.
    ///
    /// # Errors
    /// The path of the deadlock that the wait would be.
    pub fn try_join(&self) -> Result<ExitReason, WaitCycle> {
        self.addr.try_join()
    }

    /// As [`join`](Self::join), for at most `timeout`; `None` if it has not ended by then.
    pub fn join_timeout(&self, timeout: Duration) -> Option<ExitReason> {
        self.addr.join_timeout(timeout)
    }
}

/// The address in an answer, as an `A`'s.
pub(super) fn typed<A: Actor>(answer: Answer) -> Result<Addr<A>, ChildError> {
    let Answer::Child(address) = answer else {
        return Err(ChildError::Stopped);
    };
    let typed = address.as_any().downcast_ref::<Addr<A>>();
    typed.cloned().ok_or_else(|| ChildError::WrongType {
        held: Erased::type_name(&*address),
        wanted: type_name::<Addr<A>>(),
    })
}
