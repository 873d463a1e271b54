//! Migratable functions as things.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::calls::{Asked, Call, Route};
use super::error::MoveError;
use super::kind::{Frozen, Kind, Ready, Running, Unfrozen};
use super::wire::{Name, Packed};
use super::{Inner, Refusal, lock};
use crate::image::Image;
use crate::migratable::{self, Migratable, NotSuspended, Suspended, Task};
use crate::rt::task::OnEnd;
use crate::rt::wait;

/// What comes with a function wherever it goes.
pub(super) trait Luggage:
    Serialize + DeserializeOwned + Clone + Send + Sync + 'static
{
}

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> Luggage for T {}

type Arrived<T> = Arc<dyn Fn(&str, T) + Send + Sync>;

/// Calls of `M`.
pub(super) struct Calls<M, T> {
    pub(super) arrived: Arrived<T>,
    pub(super) of: PhantomData<fn() -> M>,
}

impl<M: Migratable, T: Luggage> Kind for Calls<M, T> {
    fn thaw(&self, image: &Image) -> Result<Box<dyn Ready>, Refusal> {
        let (function, luggage): (Suspended<M>, T) =
            migratable::thaw(image).map_err(|error| Refusal::Thaw(error.to_string()))?;
        let arrived = self.arrived.clone();
        Ok(Box::new(Thawed {
            function,
            luggage,
            arrived: Some(arrived),
        }))
    }
}

/// A call that does not run yet.
pub(super) struct Thawed<M: Migratable, T> {
    pub(super) function: Suspended<M>,
    pub(super) luggage: T,
    pub(super) arrived: Option<Arrived<T>>,
}

impl<M: Migratable, T: Luggage> Ready for Thawed<M, T> {
    fn start(
        self: Box<Self>,
        node: &Arc<Inner>,
        name: &Name,
        _: Option<Asked>,
    ) -> Result<Arc<dyn Running>, Refusal> {
        let Thawed {
            function,
            luggage,
            arrived,
        } = *self;
        if let Some(arrived) = arrived {
            arrived(name, luggage.clone());
        }
        let on_end = Ended(node.clone(), name.clone());
        let task = function.spawn_on(&node.sys.host().core, on_end);
        let task = task.map_err(|error| Refusal::Thaw(error.to_string()))?;
        Ok(Arc::new(Runs {
            task: Mutex::new(Some(task)),
            luggage,
        }))
    }
}

/// Tells the node that it has ended: also if it panics, or is killed. Not if it is suspended.
struct Ended(Arc<Inner>, Name);

impl OnEnd for Ended {
    fn ended(&self) {
        let (node, name) = (self.0.clone(), self.1.clone());
        // Elsewhere: it may wait. If there is no elsewhere the system ends.
        let _ = self.0.sys.spawn_microthread(move || node.ended(&name));
    }
}

/// A call that runs here.
struct Runs<M: Migratable, T> {
    /// None while it is frozen.
    task: Mutex<Option<Task<M>>>,
    luggage: T,
}

impl<M: Migratable, T: Luggage> Running for Runs<M, T> {
    fn freeze(&self, within: Duration) -> Result<Box<dyn Frozen>, Unfrozen> {
        let Some(task) = lock(&self.task).take() else {
            return Err(MoveError::NotFrozen.into());
        };
        let suspended = match task.suspend_until(wait::after(within)) {
            Ok(suspended) => suspended,
            Err(NotSuspended { task, .. }) => {
                *lock(&self.task) = Some(task);
                return Err(MoveError::NotFrozen.into());
            }
        };
        let parts = (suspended, self.luggage.clone());
        match migratable::freeze(&parts) {
            Ok(image) => Ok(Box::new(Stopped { image })),
            Err(error) => Err(Unfrozen {
                why: MoveError::Freeze(error),
                again: Some(Box::new(Thawed {
                    function: parts.0,
                    luggage: parts.1,
                    arrived: None,
                })),
            }),
        }
    }

    fn take(&self, _: &Packed, _: Option<Call>) -> bool {
        false
    }

    fn addr(&self) -> Box<dyn Any> {
        Box::new(())
    }
}

/// A call that has been frozen. It is gone from here, with what it held; if it stays, it is made again.
struct Stopped {
    image: Image,
}

impl Frozen for Stopped {
    fn image(&self) -> &Image {
        &self.image
    }

    fn stay(self: Box<Self>) -> Option<Arc<dyn Running>> {
        None
    }

    fn gone(self: Box<Self>, _: Route, _: u128) {}
}
