//! What a supervisor is set to: its strategy, its intensity, when it shuts down by itself.

use super::backoff::Backoff;
use super::intensity::Intensity;
use super::spec::{Policy, SpecError};

/// Which children are started again when one has to be.
///
/// Those that are affected are first stopped, one at a time in reverse start order, each as its spec says, and then started
/// in start order. A group restart also starts siblings that were stopped or had ended normally, and forgets temporary
/// ones, which it stops. One exit costs one attempt, however large the group; siblings that die while they are to be
/// stopped for it cost nothing.
///
/// If a start fails in the middle, the children behind it stay stopped until the next attempt. Under `OneForAll` that is
/// all over again; under `RestForOne` it goes on at the child that failed to start.
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::Strategy;
/// use std::time::Duration;
///
/// # #[actor]
/// # struct Store;
/// # #[actor]
/// # impl Store { pub fn crash(&mut self) { panic!("on purpose") } }
/// # #[actor]
/// # struct Cache { n: u32 }
/// # #[actor]
/// # impl Cache {
/// #     pub fn put(&mut self) { self.n += 1 }
/// #     pub fn len(&self) -> u32 { self.n }
/// # }
/// # std::panic::set_hook(Box::new(|_| {}));
/// let sys = System::new()?;
/// let sup = Supervisor::builder()
///     .strategy(Strategy::RestForOne) // the cache is worth nothing without the store
///     .child(ChildSpec::new("store", || Store))
///     .child(ChildSpec::new("cache", || Cache { n: 0 }))
///     .start(&sys)?;
/// let (store, cache) = (sup.child::<Store>("store")?, sup.child::<Cache>("cache")?);
/// cache.ask().put()?;
/// let events = sys.events();
/// store.tell().crash()?;
/// let restarts = events.iter().filter(|it| matches!(it, actor_core::Event::Restarted { .. }));
/// assert_eq!(restarts.take(2).count(), 2);
/// assert_eq!(cache.ask().len()?, 0); // a new cache, at the same address
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// Only the child that ended.
    #[default]
    OneForOne,
    /// All children.
    OneForAll,
    /// The child that ended, and those that were started after it.
    RestForOne,
}

/// When a supervisor shuts down by itself, with [`ExitReason::Shutdown`](crate::ExitReason::Shutdown), because its
/// [significant](super::ChildSpec::significant) children are done.
///
/// Only a child that *ends by itself, for good* counts: a transient one with a normal end, or a temporary one with any. One
/// that somebody terminates, or that is stopped for a group restart, shuts nothing down. A transient supervisor that shuts
/// down so has had a normal end, so this goes on upwards if it is significant itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AutoShutdown {
    /// Never. Significant children are refused.
    #[default]
    Never,
    /// When one significant child has ended.
    AnySignificant,
    /// When one significant child has ended and no other is left. One that is stopped is not; one that waits to be started
    /// again is.
    AllSignificant,
}

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) strategy: Strategy,
    pub(crate) intensity: Intensity,
    pub(crate) auto_shutdown: AutoShutdown,
    /// Of children that say nothing.
    pub(crate) backoff: Option<Backoff>,
    /// Children have no ids and no specs of their own, and go all at once.
    pub(crate) dynamic: bool,
}

impl Settings {
    /// Whether such a child may be added.
    pub(super) fn check(&self, policy: &Policy) -> Result<(), SpecError> {
        if policy.significant && self.auto_shutdown == AutoShutdown::Never {
            return Err(SpecError::SignificantInVain);
        }
        Ok(())
    }
}
