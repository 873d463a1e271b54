//! What the children of a dynamic supervisor have in common.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::child::{ChildOf, Past, Place};
use super::crowd::{self, Started};
use super::decide::ChildKey;
use super::driver::First;
use super::msg::Site;
use super::spec::{Made, Policy, Restart, Shutdown, SpecError, check_id};
use crate::actor::Actor;

/// Makes an actor's state out of arguments, once for each life.
pub(super) type Make<A, Args> = Arc<dyn Fn(&Args) -> Made<A> + Send + Sync>;

/// Where the lives of a child with these arguments go on from.
type Pasts<A, Args> = Arc<dyn Fn(&Args) -> Box<dyn Past<A>> + Send + Sync>;

/// Where a child with these arguments has its place.
type Places<A, Args> = Arc<dyn Fn(&Args) -> Arc<dyn Place<A>> + Send + Sync>;

/// How a [`DynamicSupervisor`](super::DynamicSupervisor) makes a child out of arguments, when it starts it again, and how it
/// stops it: a [`ChildSpec`](super::ChildSpec) for many.
///
/// The arguments are kept as long as the child is, for its restarts.
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::ChildTemplate;
/// # struct Session { peer: String }
///
/// let template = ChildTemplate::new("session", |peer: &String| Session { peer: peer.clone() })
///     .restart(Restart::Temporary);
/// ```
#[must_use = "a template does nothing until it is given to a supervisor"]
pub struct ChildTemplate<A, Args> {
    id: Arc<str>,
    restart: Restart,
    shutdown: Shutdown,
    factory: Make<A, Args>,
    places: Option<Places<A, Args>>,
    /// As in [`TemplateOf`].
    pasts: Option<Box<dyn Any + Send + Sync>>,
}

impl<A, Args: Send + 'static> ChildTemplate<A, Args> {
    /// Permanent children with the default shutdown, made by `factory`. The `id` is what events call them.
    ///
    /// The factory runs as that of a [`ChildSpec`](super::ChildSpec::new) does.
    pub fn new(
        id: impl Into<Arc<str>>,
        factory: impl Fn(&Args) -> A + Send + Sync + 'static,
    ) -> Self {
        Self::with(id.into(), Arc::new(move |args| Ok(Some(factory(args)))))
    }

    /// As [`new`](Self::new), with a factory that may fail. See [`ChildSpec::try_new`](super::ChildSpec::try_new).
    pub fn try_new<E: fmt::Display>(
        id: impl Into<Arc<str>>,
        factory: impl Fn(&Args) -> Result<A, E> + Send + Sync + 'static,
    ) -> Self {
        Self::optional(id, move |args| factory(args).map(Some))
    }

    /// As [`try_new`](Self::try_new), with a factory that may also decline (`Ok(None)`). A child that it declines to make
    /// is forgotten.
    pub fn optional<E: fmt::Display>(
        id: impl Into<Arc<str>>,
        factory: impl Fn(&Args) -> Result<Option<A>, E> + Send + Sync + 'static,
    ) -> Self {
        let factory =
            move |args: &Args| factory(args).map_err(|error| Arc::from(error.to_string()));
        Self::with(id.into(), Arc::new(factory))
    }

    fn with(id: Arc<str>, factory: Make<A, Args>) -> Self {
        Self {
            id,
            restart: Restart::default(),
            shutdown: Shutdown::default(),
            factory,
            places: None,
            pasts: None,
        }
    }

    /// When a child is started again.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// How a child is stopped. A [`Duration`](std::time::Duration) is a [`Shutdown::Timeout`].
    pub fn shutdown(mut self, shutdown: impl Into<Shutdown>) -> Self {
        self.shutdown = shutdown.into();
        self
    }
}

impl<A: Actor, Args> ChildTemplate<A, Args> {
    /// Each child's address is kept for others at the place that `places` says.
    pub(crate) fn placed(
        mut self,
        places: impl Fn(&Args) -> Arc<dyn Place<A>> + Send + Sync + 'static,
    ) -> Self {
        self.places = Some(Arc::new(places));
        self
    }

    /// The lives of each child go on from what `pasts` says. Not of those that are started in a batch.
    pub(crate) fn with_pasts(
        mut self,
        pasts: impl Fn(&Args) -> Box<dyn Past<A>> + Send + Sync + 'static,
    ) -> Self
    where
        Args: 'static,
    {
        let pasts: Pasts<A, Args> = Arc::new(pasts);
        self.pasts = Some(Box::new(pasts));
        self
    }
}

impl<A, Args> fmt::Debug for ChildTemplate<A, Args> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildTemplate")
            .field("id", &self.id)
            .field("restart", &self.restart)
            .field("shutdown", &self.shutdown)
            .finish_non_exhaustive()
    }
}

/// A template, whatever its types.
pub(super) trait Template: Send {
    /// A child that has not been started. The arguments come back if they are of another type.
    fn child(&self, args: Box<dyn Any + Send>) -> Result<First, Box<dyn Any + Send>>;
    /// Children made of each of the arguments in a `Vec`, which rest: see [`crowd`](super::crowd). `None` if the arguments are
    /// of another type. `new_keys` reserves keys.
    fn batch(
        &self,
        args: Box<dyn Any + Send>,
        site: &Site,
        new_keys: &mut dyn FnMut(usize) -> ChildKey,
    ) -> Option<(ChildKey, Started)>;
    fn policy(&self) -> Policy;
    /// Of the actor and the arguments.
    fn types(&self) -> TypeId;
    fn type_name(&self) -> &'static str;
}

/// What [`Template::types`] is the id of.
pub(super) type TypeOf<A, Args> = PhantomData<fn(Args) -> A>;

struct TemplateOf<A, Args> {
    policy: Policy,
    factory: Make<A, Args>,
    places: Option<Places<A, Args>>,
    pasts: Option<Pasts<A, Args>>,
}

impl<A: Actor, Args: Send + 'static> Template for TemplateOf<A, Args> {
    fn child(&self, args: Box<dyn Any + Send>) -> Result<First, Box<dyn Any + Send>> {
        let args = *args.downcast::<Args>()?;
        let factory = Arc::clone(&self.factory);
        let place = self.places.as_ref().map(|places| places(&args));
        let past = self.pasts.as_ref().map(|pasts| pasts(&args));
        let child = ChildOf::<A>::new(Box::new(move || factory(&args)));
        let child = child.with_role(&self.policy);
        Ok((
            self.policy.clone(),
            Box::new(child.placed(place).with_past(past)),
        ))
    }

    fn batch(
        &self,
        args: Box<dyn Any + Send>,
        site: &Site,
        new_keys: &mut dyn FnMut(usize) -> ChildKey,
    ) -> Option<(ChildKey, Started)> {
        let args = *args.downcast::<Vec<Args>>().ok()?;
        let first_key = new_keys(args.len());
        let started = crowd::start(site, &self.factory, args, first_key, &self.policy.id);
        Some((first_key, started))
    }

    fn policy(&self) -> Policy {
        self.policy.clone()
    }

    fn types(&self) -> TypeId {
        TypeId::of::<TypeOf<A, Args>>()
    }

    fn type_name(&self) -> &'static str {
        type_name::<fn(Args) -> A>()
    }
}

impl<A: Actor, Args: Send + 'static> ChildTemplate<A, Args> {
    /// Checks the template, and takes its types away.
    pub(super) fn check(self) -> Result<Box<dyn Template>, SpecError> {
        check_id(&self.id)?;
        let policy = Policy {
            id: self.id,
            restart: self.restart,
            shutdown: self.shutdown,
            significant: false,
            backoff: None,
        };
        Ok(Box::new(TemplateOf {
            policy,
            factory: self.factory,
            places: self.places,
            pasts: self.pasts.and_then(|it| it.downcast().ok()).map(|it| *it),
        }))
    }
}
