//! Migratable functions as things.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::calls::{Asked, Call, Route};
use super::error::{MoveError, SaveError};
use super::kind::{Frozen, Kind, Ready, Running, Unfrozen};
use super::wire::{Name, Packed};
use super::{Inner, Refusal};
use crate::image::{EncodeError, Image};
use crate::migratable::{self, FreezeError, Migratable, NotSuspended, Suspended, Task};
use crate::rt::task::{OnEnd, drop_quietly};
use crate::rt::wait;
use crate::sync::{Mutex, MutexGuard};

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
    fn thaw(&self, _: &Inner, _: &Name, image: &Image) -> Result<Box<dyn Ready>, Refusal> {
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
        let released = Arc::new(AtomicBool::new(false));
        let on_end = Ended(node.clone(), name.clone(), released.clone());
        let task = function.spawn_on(&node.sys.host().core, on_end);
        let task = task.map_err(|error| Refusal::Thaw(error.to_string()))?;
        Ok(Arc::new(Runs {
            name: name.clone(),
            released,
            task: Mutex::new(Some(task)),
            luggage,
        }))
    }
}

/// Tells the node that it has ended: also if it panics, or is killed. Not if it is suspended.
struct Ended(Arc<Inner>, Name, Arc<AtomicBool>);

impl OnEnd for Ended {
    fn ended(&self) {
        if self.2.load(Ordering::SeqCst) {
            return; // another may have its name now
        }
        let (node, name) = (self.0.clone(), self.1.clone());
        // Elsewhere: it may wait. If there is no elsewhere the system ends: its record stays.
        let elsewhere = self.0.sys.spawn_microthread(move || node.ended(&name));
        if elsewhere.is_err() {
            self.0.let_go();
        }
    }
}

/// A call that runs here.
struct Runs<M: Migratable, T> {
    name: Name,
    /// Whether it is the node's no more.
    released: Arc<AtomicBool>,
    /// None while it is frozen. Held while it is taken off.
    task: Mutex<Option<Task<M>>>,
    luggage: T,
}

impl<M: Migratable, T: Luggage> Runs<M, T> {
    /// Takes it off at its suspension point. `None`: it has ended, or did not come to one.
    fn taken_off(
        &self,
        within: Duration,
    ) -> Option<(MutexGuard<'_, Option<Task<M>>>, Suspended<M>)> {
        let mut place = self.task.lock().unwrap_or_else(|it| it.into_inner());
        match place.take()?.suspend_until(wait::after(within)) {
            Ok(suspended) => Some((place, suspended)),
            Err(NotSuspended { task, .. }) => {
                *place = Some(task);
                None
            }
        }
    }
}

/// The image of a call and its luggage, as `write` makes it.
fn written(write: impl FnOnce() -> Result<Image, FreezeError>) -> Result<Image, FreezeError> {
    // The caller has it in its hands: a panic in the code that writes a value must not take it along.
    let caught = panic::catch_unwind(AssertUnwindSafe(write));
    caught.unwrap_or_else(|_| {
        let what = "the code that writes one of its values has panicked".to_owned();
        Err(FreezeError::Image(EncodeError::Value(what)))
    })
}

impl<M: Migratable, T: Luggage> Running for Runs<M, T> {
    fn freeze(&self, _: &Name, within: Duration) -> Result<Box<dyn Frozen>, Unfrozen> {
        // Before it is taken off: this is code of the user's.
        let luggage = self.luggage.clone();
        let Some((_, suspended)) = self.taken_off(within) else {
            return Err(MoveError::NotFrozen.into());
        };
        let parts = (suspended, luggage);
        match written(|| migratable::take(&parts)) {
            Ok(image) => {
                drop_quietly(parts);
                Ok(Box::new(Stopped { image }))
            }
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

    fn image(&self, node: &Arc<Inner>, within: Duration) -> Result<Image, SaveError> {
        let luggage = self.luggage.clone();
        let Some((mut place, suspended)) = self.taken_off(within) else {
            return Err(SaveError::TimedOut);
        };
        let parts = (suspended, luggage);
        let image = written(|| migratable::freeze(&parts)).map_err(SaveError::Freeze);
        let on_end = Ended(node.clone(), self.name.clone(), self.released.clone());
        let again = parts.0.spawn_on(&node.sys.host().core, on_end);
        // Else the system ends, and it with that.
        *place = Some(again.map_err(|_| SaveError::Interrupted)?);
        image
    }

    fn take(&self, _: &Arc<Inner>, _: &Packed, _: Option<Call>) -> bool {
        false
    }

    fn is_alive(&self) -> bool {
        true // its end is told
    }

    fn released(&self) {
        self.released.store(true, Ordering::SeqCst);
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

    fn stay(self: Box<Self>, _: &Arc<Inner>) -> Option<Arc<dyn Running>> {
        None
    }

    fn gone(self: Box<Self>, _: Route, _: u128) {}
}
