//! Migratable functions as things.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Waker;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::calls::{Call, Route};
use super::error::MoveError;
use super::kind::{Frozen, Kind, Ready, Running, Unfrozen};
use super::wire::{Name, Packed};
use super::{Inner, Refusal};
use crate::channel::{self, Receiver};
use crate::image::Image;
use crate::migratable::{self, Migratable, Suspended};
use crate::rt::block_on::Poller;

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
        _: Option<Call>,
    ) -> Result<Arc<dyn Running>, Refusal> {
        let Thawed {
            function,
            luggage,
            arrived,
        } = *self;
        if let Some(arrived) = arrived {
            arrived(name, luggage.clone());
        }
        let (waker, told) = channel::bounded(1);
        let (stopped, back) = channel::bounded(1);
        let stop = Arc::new(AtomicU8::new(RUNS));
        let (asked, ended) = (stop.clone(), Ended(node.clone(), name.clone()));
        let body = move || {
            let poller = Poller::new();
            let _ = waker.send(poller.waker().clone());
            let mut function = function;
            let stops = || {
                let (was, is) = (Ordering::SeqCst, Ordering::SeqCst);
                asked.compare_exchange(ASKED, STOPPED, was, is).is_ok()
            };
            match function.drive(&poller, stops) {
                Some(_) => drop(ended),
                None => {
                    std::mem::forget(ended);
                    let _ = stopped.send(function);
                }
            }
        };
        let spawned = node.sys.spawn_microthread(body);
        drop(spawned.map_err(|error| Refusal::Thaw(error.to_string()))?);
        let waker = told.recv();
        Ok(Arc::new(Runs {
            // It may have been killed already.
            waker: waker.unwrap_or_else(|_| Waker::noop().clone()),
            stop,
            back,
            luggage,
        }))
    }
}

/// It runs.
const RUNS: u8 = 0;
/// It shall stop where it waits.
const ASKED: u8 = 1;
/// It has stopped, and comes back.
const STOPPED: u8 = 2;

/// Tells the node that it has ended: also if it panics, or is killed.
struct Ended(Arc<Inner>, Name);

impl Drop for Ended {
    fn drop(&mut self) {
        let (node, name) = (self.0.clone(), self.1.clone());
        // Elsewhere: it may wait, and a panic may unwind here. If there is no elsewhere the system ends.
        let _ = self.0.sys.spawn_microthread(move || node.ended(&name));
    }
}

/// A call that runs here.
struct Runs<M: Migratable, T> {
    waker: Waker,
    stop: Arc<AtomicU8>,
    back: Receiver<Suspended<M>>,
    luggage: T,
}

impl<M: Migratable, T: Luggage> Running for Runs<M, T> {
    fn freeze(&self, within: Duration) -> Result<Box<dyn Frozen>, Unfrozen> {
        let order = Ordering::SeqCst;
        let _ = self.stop.compare_exchange(RUNS, ASKED, order, order);
        self.waker.wake_by_ref();
        let back = self.back.recv_timeout(within).or_else(|_| {
            match self.stop.compare_exchange(ASKED, RUNS, order, order) {
                Ok(_) => Err(MoveError::NotFrozen),
                // It has stopped just now, or it has ended.
                Err(_) => self.back.recv().map_err(|_| MoveError::NotFrozen),
            }
        });
        let parts = (back?, self.luggage.clone());
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
